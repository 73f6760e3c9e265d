"""Pooling whose windows are expressions: one axis after the other, by taking every window."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...errors import DTypeError, ShapeError, user_message
from ...graph.node import Variable
from ...graph.trace import user_line
from ...ops.alloc import arange
from ...ops.control import Assert
from ...ops.elemwise import cast
from ...ops.math import clip, maximum, minimum, switch
from ...ops.reduce import max as max_
from ...ops.reduce import sum as sum_

__all__ = ["entries", "pool_by_taking"]


def entries(given: Any, ndim: int, what: str) -> list[Any]:
    """An integer expression for each pooled axis.

    Parameters
    ----------
    given : int, integer scalar or vector tensor, or sequence of int or integer scalar tensor
        One number stands for all axes.
    ndim : int
    what : str
        Name of the argument.

    Raises
    ------
    DTypeError (a TypeError)
        For other dtypes.
    ShapeError (a ValueError)
        For another number of entries, or other ranks.
    """
    if isinstance(given, Variable):
        v = as_tensor_variable(given)
        values = [v] * ndim if v.type.ndim == 0 else [v[k] for k in range(ndim)]
        vectors, right = v.type.ndim > 1, True
    else:
        values = [as_tensor_variable(n) for n in (given if np.ndim(given) else [given] * ndim)]
        vectors, right = any(v.type.ndim for v in values), len(values) == ndim
    if vectors or not right:
        raise ShapeError(
            user_message(
                f"{what} of pooling over {ndim} axes",
                got=str(given),
                expected=f"an integer vector of {ndim} entries, or as many integer scalars",
                where=user_line(given) if isinstance(given, Variable) else None,
            )
        )
    if any(v.type.dtype[:3] not in ("int", "uin") for v in values):
        raise DTypeError(user_message(f"{what} of pooling must be integers", got=str(given)))
    return [cast(v, "int64") for v in values]


def pool_by_taking(
    x: Any,
    window: Sequence[Any],
    strides: Sequence[Any],
    pads: Sequence[Any],
    ignore_border: bool,
    mode: str,
) -> Any:
    """Return the pooled tensor; arguments are those of a `PoolGeometry`, as expressions.

    Parameters
    ----------
    x : TensorVariable
        Its last ``len(window)`` axes are pooled.
    window, strides, pads : sequence of integer scalar tensor
    ignore_border : bool
    mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}
    """
    dtype, lead = x.type.dtype, x.type.ndim - len(window)
    if mode.startswith("average") and not dtype.startswith(("float", "complex")):
        x = cast(x, "float64")
    rule = "pad of pooling must be smaller than ws, and neither ws nor stride below 1"
    for k, (w, step, pad) in enumerate(zip(window, strides, pads, strict=True)):
        size = Assert(rule)(w, pad < w, w >= 1, step >= 1)
        x = _pooled_axis(x, lead + k, size, step, pad, ignore_border, mode)
    return cast(x, dtype)


def _count(n: Any, window: Any, stride: Any, ignore_border: bool) -> Any:
    """Number of windows along an axis, `n` long with both pads (`PoolGeometry.out_length`)."""
    if ignore_border:
        return maximum(n - window + stride, 0) // stride
    apart = (n + stride - 1) // stride
    close = minimum(maximum(n - window + stride - 1, 0) // stride + 1, n)
    return switch(stride >= window, apart, close)


def _pooled_axis(
    x: Any, axis: int, window: Any, stride: Any, pad: Any, ignore_border: bool, mode: str
) -> Any:
    order = [d for d in range(x.type.ndim) if d != axis]
    n = x.shape[axis]
    count = _count(n + 2 * pad, window, stride, ignore_border)
    start = arange(count) * stride - pad
    places = start.dimshuffle(0, "x") + arange(window).dimshuffle("x", 0)
    inside = (places >= 0) & (places < n)
    taken = x.dimshuffle(*order, axis)[(..., clip(places, 0, maximum(n - 1, 0)))]
    if mode == "max":
        pooled = max_(switch(inside, taken, _lowest(x.type.dtype)), axis=-1)
    else:
        pooled = sum_(switch(inside, taken, np.zeros((), taken.type.dtype)), axis=-1)
    if mode == "average_exc_pad":
        pooled = pooled / cast(sum_(inside, axis=-1), pooled.type.dtype)
    elif mode == "average_inc_pad":
        pooled = pooled / cast(minimum(start + window, n + pad) - start, pooled.type.dtype)
    return pooled.dimshuffle(*range(axis), x.type.ndim - 1, *range(axis, x.type.ndim - 1))


def _lowest(dtype: str) -> Any:
    if dtype.startswith("float"):
        return np.array(-np.inf, dtype)
    return np.array(False) if dtype == "bool" else np.array(np.iinfo(dtype).min, dtype)
