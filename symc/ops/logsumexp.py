"""The logarithm of a sum of exponentials, without overflow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import float_dtype_of, is_continuous
from ..errors import user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.trace import user_line
from .axes import normalize_axes, without
from .elemwise import cast
from .math import eq, exp, isinf, log, switch
from .reduce import Max, Sum, keep_dims

__all__ = ["LogSumExp", "MaxFromBelow", "finite_shift", "largest_along", "logsumexp"]


class LogSumExp(BuiltinOp):
    """``log(sum(exp(x)))`` over some axes: ``m + log(sum(exp(x - m)))`` with the maximum m.

    Parameters
    ----------
    axis : int, sequence of int or None
        None means all axes.

    Notes
    -----
    -inf for no elements, or if all are -inf; then the gradient is 0. Else it is
    ``g * exp(x - y)``.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> LogSumExp(1)(matrix()).type
    TensorType(float64, vector)
    """

    __props__ = ("axis",)

    def __init__(self, axis: int | Sequence[int] | None = None) -> None:
        self.axis = (axis,) if isinstance(axis, int) else None if axis is None else tuple(axis)

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes reduced, for an operand of `ndim` axes."""
        return normalize_axes(self.axis, ndim)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if not is_continuous(x.type.dtype):
            x = cast(x, float_dtype_of(x.type.dtype))
        if x.type.dtype.startswith("complex"):
            raise TypeError(
                user_message(
                    "logsumexp takes real numbers",
                    got=str(x.type),
                    where=user_line(x) or None,
                )
            )
        axes = self.axes(x.type.ndim)
        out = TensorType(x.type.dtype, without(x.type.broadcastable, axes))()
        note_lengths(out, without(known_lengths(x), axes))
        return Apply(LogSumExp(axes), [x], [out])

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        axes = self.axes(x.ndim)
        work = x.astype(np.float32) if x.dtype == np.float16 else x
        largest = np.max(work, axis=axes, keepdims=True, initial=-np.inf)
        shift = np.where(np.isinf(largest), work.dtype.type(0), largest)
        with np.errstate(divide="ignore", over="ignore"):
            total = np.log(np.exp(work - shift).sum(axis=axes))
        return total + shift.reshape(total.shape)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [without(in_shapes[0], self.axes(len(in_shapes[0])))]

    def expand(self, node: Apply) -> list[Any]:
        """The definition, with 0 in place of an infinite maximum."""
        (x,) = node.inputs
        axes = self.axes(x.type.ndim)
        shift = finite_shift(MaxFromBelow(axes)(x))
        powers = exp(x - keep_dims(x, shift, axes))
        return [log(Sum(axes, dtype=x.type.dtype)(powers)) + shift]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (y,), (g,) = inputs, outputs, g_outputs
        axes = self.axes(x.type.ndim)
        return [keep_dims(x, g, axes) * _weights(x, y, axes)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (x,), (point,) = inputs, eval_points
        if point is None:
            return [None]
        axes = self.axes(x.type.ndim)
        weights = _weights(x, self(x), axes)
        return [Sum(axes, dtype=x.type.dtype)(weights * point)]

    def __str__(self) -> str:
        inside = "" if self.axis is None else f"{{{', '.join(map(str, self.axis))}}}"
        return f"LogSumExp{inside}"


def _weights(x: Any, y: Any, axes: tuple[int, ...]) -> Any:
    """``exp(x - y)`` for ``y = logsumexp(x)``; 0 where all elements are -inf."""
    nothing = np.array(-np.inf, y.type.dtype)
    return exp(x - keep_dims(x, switch(eq(y, nothing), np.zeros((), y.type.dtype), y), axes))


def finite_shift(largest: Any) -> Any:
    """`largest`, a maximum to be subtracted before exponentiation; 0 where it is infinite."""
    return switch(isinf(largest), np.zeros((), largest.type.dtype), largest)


class MaxFromBelow(Max):
    """The largest element along some axes, -inf for none."""

    __props__ = ("axis",)

    @property
    def identity(self) -> float:
        return -np.inf

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        return np.asarray(np.max(x, axis=self.axes(x.ndim), initial=self.identity))


def largest_along(x: Any, axis: int) -> Any:
    """The largest elements of `x` along an axis, which is kept; -inf where it is empty."""
    axes = normalize_axes(axis, x.type.ndim)
    return keep_dims(x, MaxFromBelow(axes)(x), axes)


def logsumexp(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Return ``log(sum(exp(x)))`` over some axes, without overflow.

    Parameters
    ----------
    x : tensor_like
    axis : int, sequence of int or None
        None means all axes.
    keepdims : bool
        Whether the reduced axes stay, with length 1.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> logsumexp(matrix(), axis=1, keepdims=True).broadcastable
    (False, True)
    """
    x = as_tensor_variable(x)
    axes = normalize_axes(axis, x.type.ndim)
    y = LogSumExp(axes)(x)
    return keep_dims(x, y, axes) if keepdims else y
