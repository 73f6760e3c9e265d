"""Sizes and parameters of draws: what users give, checked and made into variables."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...config import config
from ...dtypes import is_complex, is_discrete
from ...errors import user_message
from ...graph.node import Constant, Variable
from ...graph.trace import calling_line
from ..alloc import _size_entries, broadcast_to
from ..elemwise import cast
from ..shape import shape as shape_of
from ..vector import as_size_vector
from .allowed import Allowed

__all__ = [
    "discrete_dtype",
    "fitted",
    "float_dtype",
    "known_number",
    "length_parameter",
    "parameter",
    "refusal",
    "result_size",
]

FLOATS = ("float16", "float32", "float64")


def refusal(message: str, got: str, expected: str | None = None, hint: str | None = None) -> str:
    """Return the text of an error in a parameter, with the user's line."""
    return user_message(
        message, got=got[:200], expected=expected, hint=hint, where=calling_line() or None
    )


def float_dtype(dtype: str | None) -> str:
    """Return the float dtype of a draw: floatX where none is given.

    Raises
    ------
    TypeError
        If it is no real float dtype.
    """
    dtype = config.floatX if dtype in (None, "floatX") else str(np.dtype(dtype))
    if dtype not in FLOATS:
        raise TypeError(refusal("this draw has a float dtype", got=dtype))
    return dtype


def discrete_dtype(dtype: str | None) -> str:
    """Return the dtype of a draw of whole numbers: any real one, int64 where none is given."""
    found = "int64" if dtype is None else config.floatX if dtype == "floatX" else str(dtype)
    if is_complex(found):
        raise TypeError(refusal("this draw has a real dtype", got=found))
    return found


def known_number(value: Any) -> Any:
    """Return the number that `value` is known to be, or None."""
    if isinstance(value, Constant):
        return value.data.item() if value.type.ndim == 0 else None
    if isinstance(value, Variable):
        return None
    array = np.asarray(value)
    return array.item() if array.ndim == 0 else None


def parameter(
    name: str,
    value: Any,
    dtype: str,
    allowed: Callable[[Any], Any] | None = None,
    expected: str = "",
    run_time: Callable[[Any], bool] = lambda tensor: True,
) -> Any:
    """Return a parameter as a tensor of `dtype`.

    Parameters
    ----------
    name : str
        As in the user's call.
    value : tensor_like
    dtype : str
    allowed : callable, optional
        Tells for an array which elements may be.
    expected : str
        What is allowed, in words.
    run_time : callable, optional
        Tells of a tensor that is not known now whether it is checked when it is used.

    Raises
    ------
    ValueError
        If a known value is not allowed.
    TypeError
        If it is complex, or a float where `dtype` is an integer type.
    """
    tensor = as_tensor_variable(value)
    given = tensor.type.dtype
    if is_complex(given) or (is_discrete(dtype) and not is_discrete(given)):
        raise TypeError(
            refusal(
                f"the parameter {name} of this draw must be "
                + ("whole numbers" if is_discrete(dtype) else "real numbers"),
                got=f"{value} of type {tensor.type}",
            )
        )
    if allowed is not None and isinstance(tensor, Constant) and not np.all(allowed(tensor.data)):
        raise ValueError(
            refusal(
                f"the parameter {name} of this draw is out of range",
                got=repr(np.asarray(tensor.data).tolist()),
                expected=expected,
            )
        )
    if allowed is not None and not isinstance(tensor, Constant) and run_time(tensor):
        tensor = Allowed(name, expected)(tensor, allowed(tensor))
    return cast(tensor, dtype)


def length_parameter(name: str, value: Any) -> Any:
    """Return a parameter that is a length: what makes a tensor of it checks it when it runs."""
    return parameter(
        name, value, "int64", lambda x: x >= 0, "a length that is not negative", lambda x: False
    )


def result_size(size: Any, ndim: int | None, *parameters: Any) -> list[Any]:
    """Return the lengths of a draw: `size`, or those of the broadcast parameters.

    Raises
    ------
    ValueError
        If the number of lengths is not `ndim`.
    """
    if size is None:
        lengths = _joint_lengths(parameters)
        missing = 0 if ndim is None else ndim - len(lengths)
        if missing < 0:
            raise _disagree(ndim, f"parameters with {len(lengths)} axes")
        return [1] * missing + lengths
    if isinstance(size, Variable) and size.type.ndim == 1 and ndim is not None:
        vector = as_size_vector(size)
        known = getattr(vector, "static_shape", None)
        if known and known[0] not in (None, ndim):
            raise _disagree(ndim, f"a size of {known[0]} lengths")
        return [vector[i] for i in range(ndim)]
    entries = _size_entries(size)
    if ndim is not None and ndim != len(entries):
        raise _disagree(ndim, f"a size of {len(entries)} lengths")
    return entries


def _disagree(ndim: int | None, what: str) -> ValueError:
    return ValueError(refusal("ndim and size disagree", got=f"ndim {ndim} and {what}"))


def _joint_lengths(parameters: tuple[Any, ...]) -> list[Any]:
    joint: Any = None
    for p in parameters:
        joint = p if joint is None else joint + p
    if joint is None or not joint.type.ndim:
        return []
    lengths = shape_of(joint)
    return [lengths[i] for i in range(joint.type.ndim)]


def fitted(size: Any, lengths: list[Any], *parameters: Any) -> list[Any]:
    """Return the parameters, broadcast to the lengths where the user gave them.

    Without that a parameter with more elements than `size` would repeat the same draw.

    Raises
    ------
    ValueError
        If a parameter has more axes than there are lengths.
    ShapeError
        If known lengths do not fit; unknown ones are checked at run time.
    """
    for p in parameters:
        if p.type.ndim > len(lengths):
            raise ValueError(
                refusal(
                    "size has fewer axes than a parameter",
                    got=f"{len(lengths)} lengths, {p} of type {p.type}",
                )
            )
    if size is None:
        return list(parameters)
    return [broadcast_to(p, lengths) if p.type.ndim else p for p in parameters]
