"""Ops made of Python functions: `as_op`."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import user_message
from ..graph.node import Apply, Type
from ..graph.op import Op

__all__ = ["FromFunctionOp", "as_op"]


class FromFunctionOp(Op):
    """An op that calls a function of values.

    Parameters
    ----------
    fn : callable
        ``fn(*inputs)`` returns one value, or as many as there are outputs.
    itypes, otypes : sequence of Type
        Types of the operands and results.
    infer_shape : callable, optional
        ``infer_shape(node, input_shapes)`` returns the shapes of the outputs.

    Notes
    -----
    It is pickled by the module and name of the function, so a decorated function of a module
    pickles, and one that was made inside of a function does not.
    """

    def __init__(
        self,
        fn: Callable[..., Any],
        itypes: Sequence[Type],
        otypes: Sequence[Type],
        infer_shape: Callable[..., Any] | None = None,
    ) -> None:
        self.itypes = list(itypes)
        self.otypes = list(otypes)
        self.__name__ = fn.__name__
        self.__doc__ = fn.__doc__
        self._fn = fn
        if infer_shape is not None:
            self.infer_shape = infer_shape

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self._fn == other._fn  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self._fn))

    def __str__(self) -> str:
        return f"FromFunctionOp{{{self.__name__}}}"

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Call the function and store what it returns."""
        found = self._fn(*inputs)
        if not isinstance(found, (list, tuple)):
            found = (found,)
        if len(found) != len(output_storage):
            raise ValueError(
                f"{self.__name__} returned {len(found)} values; otypes names {len(output_storage)}"
            )
        for cell, value in zip(output_storage, found, strict=True):
            cell[0] = value

    def __reduce_ex__(self, protocol: Any) -> Any:
        module, name = self._fn.__module__, self._fn.__qualname__
        try:
            found: Any = importlib.import_module(module)
            for part in name.split("."):
                found = getattr(found, part)
        except (ImportError, AttributeError):
            found = None
        if found is not self and found is not self._fn:
            raise TypeError(
                user_message(
                    f"the op of the function {name!r} can't be pickled",
                    got=f"{module}.{name} is not the op",
                    hint="decorate a function at the top level of a module",
                )
            )
        return _load, (module, name)


def _load(module: str, name: str) -> Any:
    found: Any = importlib.import_module(module)
    for part in name.split("."):
        found = getattr(found, part)
    return found


def as_op(
    itypes: Any, otypes: Any, infer_shape: Callable[..., Any] | None = None
) -> Callable[[Callable[..., Any]], FromFunctionOp]:
    """Make an op of the decorated function.

    Parameters
    ----------
    itypes, otypes : Type or sequence of Type
        Types of the function's arguments and results.
    infer_shape : callable, optional
        ``infer_shape(node, input_shapes)`` returns the shapes of the outputs.

    Returns
    -------
    callable
        Decorator that returns a `FromFunctionOp`.

    Raises
    ------
    TypeError
        If something else than types is given.

    Examples
    --------
    >>> import numpy as np, symc, symc.tensor as T
    >>> @symc.as_op(itypes=[T.dvector], otypes=[T.dscalar])
    ... def middle(x):
    ...     return np.median(x)
    >>> x = T.dvector("x")
    >>> float(symc.function([x], 2 * middle(x))([1.0, 5.0, 2.0]))
    4.0
    """
    ins = list(itypes) if isinstance(itypes, (list, tuple)) else [itypes]
    outs = list(otypes) if isinstance(otypes, (list, tuple)) else [otypes]
    for what, types in (("itypes", ins), ("otypes", outs)):
        wrong = [t for t in types if not isinstance(t, Type)]
        if wrong:
            raise TypeError(f"as_op: {what} must be types such as dvector, got {wrong[0]!r}")
    if infer_shape is not None and not callable(infer_shape):
        raise TypeError(f"as_op: infer_shape must be a function, got {infer_shape!r}")

    def make(fn: Callable[..., Any]) -> FromFunctionOp:
        return FromFunctionOp(fn, ins, outs, infer_shape)

    return make
