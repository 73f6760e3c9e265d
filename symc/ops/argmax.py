"""Where the largest or smallest element is: argmax, argmin, max_and_argmax."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_complex
from ..errors import DTypeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType
from ..loop.protocol import ReductionSpec
from ..scalar.arith import maximum, minimum
from ..scalar.op import ScalarOp
from .axes import normalize_axes, normalize_axis, without
from .dimshuffle import dimshuffle
from .reduce import Max, keep_dims, zero_gradient
from .shape import flatten

__all__ = ["Argmax", "Argmin", "MaxAndArgmax", "argmax", "argmin", "max_and_argmax"]


class Argmax(BuiltinOp):
    """The int64 index, along one axis, of the first largest element; NaN counts as largest.

    Parameters
    ----------
    axis : int
        Not negative. (For several axes see `argmax`.)

    Raises
    ------
    ValueError
        When run on an empty axis.
    """

    __props__: tuple[str, ...] = ("axis",)
    combine: ScalarOp = maximum
    which = "argmax"
    reference: Any = staticmethod(np.argmax)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        _check_ordered(self.which, x)
        axis = (normalize_axis(self.axis, x.type.ndim),)
        out = TensorType("int64", without(x.type.broadcastable, axis))()
        note_lengths(out, without(known_lengths(x), axis))
        return Apply(self, [x], [out])

    def numpy(self, *arrays: Any) -> Any:
        return np.asarray(self.reference(arrays[0], axis=self.axis), dtype=np.int64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [without(in_shapes[0], (self.axis,))]

    def reduction(self, node: Apply) -> ReductionSpec:
        dtype = node.inputs[0].type.dtype
        return ReductionSpec(self.combine, (self.axis,), "int64", dtype, None, self.which)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [zero_gradient(inputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None]


class Argmin(Argmax):
    """The int64 index, along one axis, of the first smallest element; see `Argmax`."""

    __props__ = ("axis",)
    combine = minimum
    which = "argmin"
    reference = staticmethod(np.argmin)


def _check_ordered(what: str, x: Any) -> None:
    if is_complex(x.type.dtype):
        raise DTypeError(
            user_message(
                f"{what}: complex numbers have no order", got=x.type.dtype, expected="real"
            )
        )


class MaxAndArgmax(BuiltinOp):
    """Maximum over some axes and its index in the joined axes, as one node with two results.

    `max_and_argmax` builds two nodes, which the compiler fuses; this op serves older code that
    builds nodes by itself.

    Parameters
    ----------
    axis : sequence of int
    """

    __props__ = ("axis",)

    def __init__(self, axis: Sequence[int]) -> None:
        self.axis = tuple(int(a) for a in axis)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        _check_ordered("max_and_argmax", x)
        axes = normalize_axes(self.axis, x.type.ndim)
        pattern = without(x.type.broadcastable, axes)
        outputs = [TensorType(dtype, pattern)() for dtype in (x.type.dtype, "int64")]
        return Apply(type(self)(axes), [x], outputs)

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        count = len(self.axis)
        moved = np.moveaxis(x, self.axis, range(x.ndim - count, x.ndim))
        flat = moved.reshape((*moved.shape[: x.ndim - count], -1)) if x.size else moved
        return flat.max(axis=-1), np.argmax(flat, axis=-1)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [without(in_shapes[0], self.axis)] * 2

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that only the maximum depends continuously on the operand."""
        return [[True, False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        g = g_outputs[0]
        if isinstance(g.type, DisconnectedType):
            return [g]
        return Max(self.axis).L_op(inputs, outputs[:1], [g])

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [*Max(self.axis).R_op(inputs, eval_points), None]


def _search(op: type[Argmax], x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    axes = normalize_axes(axis, ndim)
    if ndim == 0 or not axes:
        joined = dimshuffle(x, *range(ndim), "x")
    elif len(axes) == 1:
        return _kept(x, op(axes[0])(x), axes, keepdims)
    else:
        kept = [d for d in range(ndim) if d not in axes]
        joined = flatten(dimshuffle(x, *kept, *axes), ndim=len(kept) + 1)
    return _kept(x, op(joined.type.ndim - 1)(joined), axes, keepdims)


def _kept(x: Any, result: Any, axes: tuple[int, ...], keepdims: bool) -> Any:
    return keep_dims(x, result, axes) if keepdims else result


def argmax(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the first largest element along some axes.

    Parameters
    ----------
    x : tensor
    axis : int, tuple of int or None
        Several axes are joined, in C order; None joins all.
    keepdims : bool
        Whether the axes stay, with length 1.

    Returns
    -------
    tensor of int64
        NaN counts as largest. It has no gradient.
    """
    return _search(Argmax, x, axis, keepdims)


def argmin(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Index of the first smallest element along some axes; see `argmax`."""
    return _search(Argmin, x, axis, keepdims)


def max_and_argmax(a: Any, axis: Any = None, keepdims: bool = False) -> list[Any]:
    """Return the maximum over some axes and its index, as a list; see `argmax`."""
    x = as_tensor_variable(a)
    axes = normalize_axes(axis, x.type.ndim)
    largest = Max(axes)(x)
    if keepdims:
        largest = keep_dims(x, largest, axes)
    return [largest, argmax(x, axis, keepdims)]
