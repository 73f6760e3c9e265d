"""`sum_to`: undo broadcasting in a gradient.

Whether ``x + y`` broadcasts `x` along an axis is decided by the lengths at run time, so the
gradient with respect to `x` is the sum of ``g`` over the axes where `x` has length 1 and ``g``
has not: ``sum_to(g, x)``. Where the lengths are equal it is the identity, and the compiler removes
it once it has proved or assumed that.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import sure_lengths
from ..array.type import TensorType
from ..dtypes import acc_dtype
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..scalar.logic import cast, eq, neq, or_, second, switch
from .reduce import Sum, keep_dims
from .sizes import shape_i
from .support import NOWHERE

__all__ = ["SumTo", "sum_to"]


class SumTo(BuiltinOp):
    """Sum the first operand over those of `axes` whose wanted length is 1 and present one is not.

    The other operands are 0-d int64: the wanted length of each axis in `axes`, either 1 or the
    length that is there.

    Parameters
    ----------
    axes : tuple of int
        The axes that may have to be summed.

    Examples
    --------
    ``SumTo((0,))(g, 1)`` for g of shape (5, 3) is ``g.sum(axis=0, keepdims=True)``;
    ``SumTo((0,))(g, 5)`` is g.
    """

    __props__ = ("axes",)

    def __init__(self, axes: Sequence[int]) -> None:
        self.axes = tuple(axes)

    def make_node(self, g: Any, *lengths: Any) -> Apply:
        g = as_tensor_variable(g)
        wanted = [as_tensor_variable(n) for n in lengths]
        if len(wanted) != len(self.axes):
            raise TypeError(f"{self} takes one length per axis, got {len(wanted)}")
        if any(n.type.dtype != "int64" or n.type.ndim for n in wanted):
            raise TypeError(f"{self}: lengths must be 0-d int64, got {[n.type for n in wanted]}")
        pattern = [b and i not in self.axes for i, b in enumerate(g.type.broadcastable)]
        return Apply(self, [g, *wanted], [TensorType(g.type.dtype, pattern)()])

    def numpy(self, *arrays: Any) -> Any:
        g, *wanted = arrays
        summed = []
        for axis, length in zip(self.axes, wanted, strict=True):
            if g.shape[axis] == length:
                continue
            if length != 1:
                raise ShapeError(
                    user_message(
                        f"a gradient can't be summed to length {length} along axis {axis}",
                        got=f"shape {g.shape}",
                        expected=f"length {length}, or any length where 1 is wanted",
                    )
                )
            summed.append(axis)
        if not summed:
            return g
        dtype = g.dtype.name
        return g.sum(axis=tuple(summed), keepdims=True, dtype=acc_dtype(dtype)).astype(dtype)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = list(in_shapes[0])
        for position, axis in enumerate(self.axes):
            wanted, present = ctx.value(position + 1), lengths[axis]
            if wanted is not present:
                message = f"a gradient can't be summed to length {{0}} along axis {axis}, got {{1}}"
                fits = or_(eq(wanted, 1), eq(wanted, present))
                ctx.check(fits, "shape", message, wanted, present)
            lengths[axis] = wanted
        return [tuple(lengths)]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Write the general form; the compiler uses `summed_axes` where that knows an answer."""
        g, out = ins[0], outs[0]
        zero = b.const(0, g.dtype)
        with b.loops(b.shape(out)) as idx:
            b.store(out, idx, zero)
        once = [b.let(eq(b.dim(out, axis), b.integer(1))) for axis in self.axes]
        with b.loops(b.shape(g)) as idx:
            target = list(idx)
            for axis, is_one in zip(self.axes, once, strict=True):
                target[axis] = b.let(switch(is_one, b.integer(0), idx[axis]))
            b.store(out, tuple(target), b.load(out, tuple(target)) + b.load(g, idx))

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        """Read the operand itself, where nothing has to be summed."""
        wanted = [read.value(position + 1) for position in range(len(self.axes))]
        return read(0, idx) if self.summed_axes(read.shape(0), wanted) == () else None

    def summed_axes(self, present: Sequence[Any], wanted: Sequence[Any]) -> tuple[int, ...] | None:
        """Decide, where that is possible, which axes are summed.

        Parameters
        ----------
        present : sequence of sizes
            The lengths of the first operand, one per axis.
        wanted : sequence of sizes
            The values of the other operands.

        Returns
        -------
        tuple of int or None
            ``()`` where the op is the identity; None where it depends on sizes that are open.
            Two sizes are equal if they are the same object or equal numbers.
        """
        summed = []
        for axis, length in zip(self.axes, wanted, strict=True):
            here, there = _number(present[axis]), _number(length)
            if length is present[axis] or (here is not None and here == there):
                continue
            if there != 1 or here is None:
                return None
            summed.append(axis)
        return tuple(summed)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[i == 0] for i in range(len(node.inputs))]

    def support(self, node: Apply, of: Any) -> Any:
        """Where an element of the operand's support is summed; see `ops.support`."""
        g, *wanted = node.inputs
        inside = of(g)
        if inside is None or inside is NOWHERE:
            return inside
        return neq(self(cast(second(g, inside), "int64"), *wanted), 0)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g, *(disconnected_type() for _ in inputs[1:])]
        return [second(inputs[0], g), *(disconnected_type() for _ in inputs[1:])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, *inputs[1:])]

    def __str__(self) -> str:
        return f"SumTo{{{', '.join(map(str, self.axes))}}}"


def _number(size: Any) -> int | None:
    if isinstance(size, (int, np.integer)):
        return int(size)
    return int(size.payload) if getattr(size, "kind", None) == "const" else None


def sum_to(g: Any, x: Any, equal_axes: Sequence[int] = ()) -> Any:
    """Sum `g` over the axes along which `x` was broadcast to the shape of `g`.

    Parameters
    ----------
    g : tensor
        Its shape is that of `x` broadcast with others; it may have more axes.
    x : tensor
        Only its shape matters.
    equal_axes : sequence of int
        Axes of `x` along which it is known that nothing was broadcast.

    Returns
    -------
    tensor
        Of the shape of `x`.
    """
    g, x = as_tensor_variable(g), as_tensor_variable(x)
    extra = g.type.ndim - x.type.ndim
    if extra > 0:
        g = Sum(tuple(range(extra)))(g) if extra else g
    have, want = g.type.broadcastable, x.type.broadcastable
    static = tuple(i for i, (h, w) in enumerate(zip(have, want, strict=True)) if w and not h)
    if static:
        g = keep_dims(g, _sum_of_own_dtype(g, static), static)
    here, there = sure_lengths(g), sure_lengths(x)
    open_axes = [
        i
        for i, w in enumerate(want)
        if not w
        and not g.type.broadcastable[i]
        and i not in equal_axes
        and (here[i] is None or here[i] != there[i])
    ]
    if not open_axes:
        return g
    return SumTo(open_axes)(g, *(shape_i(x, i) for i in open_axes))


def _sum_of_own_dtype(g: Any, axes: tuple[int, ...]) -> Any:
    return Sum(axes, dtype=g.type.dtype)(g)
