"""The chain of variants in Python, for installations without the C call path.

:class:`PythonFunction` has the interface of ``symc.runtime._callpath.NativeFunction``; its
variants are callables that take the converted inputs and return a list of outputs.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any


class PythonFunction:
    """A callable over a chain of variants.

    Parameters
    ----------
    nargs : int
        Number of inputs.
    returns : {"single", "list"} or tuple of str
        One output, a list, or a dict with these keys.
    variants : sequence of callable, optional

    Notes
    -----
    Subclasses define ``_arrange(args, kwargs)``, ``_convert(position, value)`` and
    ``_another_variant(inputs)``.
    """

    def __init__(
        self,
        nargs: int,
        returns: str | tuple[str, ...],
        variants: Sequence[Callable[[list[Any]], Any]] = (),
    ) -> None:
        self._nargs = nargs
        self._returns = returns
        self._variants = list(variants)

    @property
    def variants(self) -> tuple[Any, ...]:
        """The variants, the one used last in front."""
        return tuple(self._variants)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Convert the inputs, run the first variant that serves them, shape the results."""
        given: Sequence[Any] = args
        if kwargs or len(args) != self._nargs:
            given = self._arrange(args, kwargs)
        inputs = [self._convert(k, value) for k, value in enumerate(given)]
        for k, variant in enumerate(self._variants):
            results = variant(inputs)
            if results is not NotImplemented:
                self._variants.insert(0, self._variants.pop(k))
                return self._shaped(results)
        variant = self._another_variant(tuple(inputs))
        self._variants.insert(0, variant)
        return self._shaped(variant(inputs))

    def _shaped(self, results: Sequence[Any]) -> Any:
        if self._returns == "single":
            return results[0]
        if self._returns == "list":
            return list(results)
        return dict(zip(self._returns, results, strict=True))

    def _arrange(self, args: Sequence[Any], kwargs: dict[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def _convert(self, position: int, value: Any) -> Any:
        raise NotImplementedError

    def _another_variant(self, inputs: tuple[Any, ...]) -> Any:
        raise NotImplementedError
