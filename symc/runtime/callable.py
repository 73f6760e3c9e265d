"""The base of compiled functions: the C type, or its twin in Python without the extension.

Both call a chain of *variants*, the one used last in front. A variant is a ``NativeProgram`` (C
type only), or a callable that takes the list of converted inputs and returns the list of outputs,
or `NotImplemented` where it does not serve these inputs. Subclasses supply::

    _arrange(args, kwargs) -> sequence      all inputs, for calls that are not plain positional
    _convert(position, value) -> object     a value that fits input `position`, or an exception
    _another_variant(args) -> variant       for inputs that every variant has refused
    _explain(program, (code, where, values), args, cause) -> exception
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from . import native

__all__ = ["FunctionBase", "PythonFunction"]


class PythonFunction:
    """What a compiled function is to its caller; see the module for what subclasses supply.

    Parameters
    ----------
    nargs : int
        Number of inputs.
    returns : {"none", "single", "list"} or tuple
        Whether a call returns None, the one output, a list of outputs, or a dict with these keys.
    variants : iterable of callable, optional
    """

    def __init__(
        self, nargs: int, returns: str | tuple[Any, ...], variants: Iterable[Any] = ()
    ) -> None:
        if nargs < 0:
            raise ValueError("nargs must not be negative")
        if returns not in ("none", "single", "list") and not isinstance(returns, tuple):
            raise ValueError("returns must be 'none', 'single', 'list' or a tuple of keys")
        self._nargs = nargs
        self._returns = returns
        self._variants: list[Any] = list(variants)

    @property
    def nargs(self) -> int:
        """Number of inputs."""
        return self._nargs

    @property
    def variants(self) -> tuple[Any, ...]:
        """The variants, the one used last in front."""
        return tuple(self._variants)

    def add_variant(self, variant: Any) -> None:
        """Add a variant in front of the others."""
        self._variants = [variant, *self._variants]

    def drop_variants(self) -> None:
        """Forget all variants and free what they hold."""
        self._variants = []

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run the function on its inputs."""
        plain = len(args) == self._nargs and not kwargs
        return self.invoke(args if plain else self._arrange(args, kwargs))

    def invoke(self, inputs: Sequence[Any]) -> Any:
        """Call with a sequence of all inputs."""
        if len(inputs) != self._nargs:
            raise TypeError(f"the function has {self._nargs} inputs, got {len(inputs)}")
        values = [self._convert(position, value) for position, value in enumerate(inputs)]
        for variant in self._variants:
            outputs = variant(list(values))
            if outputs is not NotImplemented:
                if variant is not self._variants[0]:
                    others = [v for v in self._variants if v is not variant]
                    self._variants = [variant, *others]
                return self._shape_results(outputs)
        variant = self._another_variant(tuple(values))
        self.add_variant(variant)
        outputs = variant(list(values))
        if outputs is NotImplemented:
            raise RuntimeError("the variant made for these arguments refuses them")
        return self._shape_results(outputs)

    def _shape_results(self, outputs: Sequence[Any]) -> Any:
        if isinstance(self._returns, tuple):
            return dict(zip(self._returns, outputs, strict=True))
        if self._returns == "single":
            (output,) = outputs
            return output
        return None if self._returns == "none" else list(outputs)

    def _arrange(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> Sequence[Any]:
        raise NotImplementedError

    def _convert(self, position: int, value: Any) -> Any:
        raise NotImplementedError

    def _another_variant(self, args: tuple[Any, ...]) -> Any:
        raise NotImplementedError


FunctionBase: Any = PythonFunction if native.callpath is None else native.callpath.NativeFunction
