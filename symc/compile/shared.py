"""Shared variables: values that outlive a call and are seen by many functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array.shared import scalar_constructor, tensor_constructor
from ..config import config
from ..errors import user_message
from ..graph.node import SharedVariable, Variable
from ..graph.special import generic
from ..graph.trace import creation_trace
from . import storage  # noqa: F401 - registers the storage of shared variables

_CONSTRUCTORS: list[Callable[..., Any]] = []


def shared_constructor(constructor: Callable[..., Any]) -> Callable[..., Any]:
    """Register a maker of shared variables; the one registered last is asked first.

    A constructor takes the arguments of :func:`shared` and raises TypeError for values that are
    not its business.
    """
    _CONSTRUCTORS.append(constructor)
    return constructor


def shared(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    **kwargs: Any,
) -> Any:
    """Make a shared variable that holds `value`.

    Parameters
    ----------
    value : array_like or object
        Arrays and numbers give a tensor of their dtype whose lengths are free to change; other
        objects are held as they are.
    name : str, optional
    strict : bool, optional
        Later values must have exactly the right type.
    allow_downcast : bool or None, optional
        Whether later values may be converted with loss.
    borrow : bool, optional
        Take `value` itself instead of a copy. Default False.
    broadcastable : tuple of bool, optional
        Axes that are promised to have length 1. Default: none.

    Returns
    -------
    SharedVariable

    Raises
    ------
    TypeError
        If `value` is symbolic, or no constructor takes it.

    Examples
    --------
    >>> w = shared([[1.0, 2.0]], name="w")
    >>> w.get_value().shape
    (1, 2)
    """
    if isinstance(value, Variable):
        raise TypeError(
            user_message(
                "a shared variable holds a value, not a symbolic expression",
                got=f"{value} of type {value.type}",
                hint="evaluate it first: shared(expression.eval())",
            )
        )
    for constructor in reversed(_CONSTRUCTORS):
        try:
            made = constructor(
                value, name=name, strict=strict, allow_downcast=allow_downcast, **kwargs
            )
        except TypeError as error:
            reason = str(error)  # the error itself would keep the frames of all callers alive
            continue
        if config.traceback.limit > 0:
            made.tag.trace = creation_trace(config.traceback.limit)
        return made
    raise TypeError(
        user_message(
            "no constructor of shared variables takes this value",
            got=f"{type(value).__name__}: {value!r}"[:200],
            hint=f"the last one tried said: {reason}" if _CONSTRUCTORS else None,
        )
    )


def is_shared(variable: Any) -> bool:
    """Whether `variable` is a shared variable."""
    return isinstance(variable, SharedVariable)


@shared_constructor
def generic_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
) -> SharedVariable:
    """Make a shared variable that holds any Python object, itself and not a copy."""
    del borrow
    return SharedVariable(name, generic, value, strict, allow_downcast)


shared_constructor(scalar_constructor)
shared_constructor(tensor_constructor)
