"""Diagonals: taken out of a tensor, and put into one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..scalar.arith import maximum, minimum
from ..scalar.logic import eq, ge, lt, switch
from .axes import normalize_axis, without
from .reduce import sum as sum_
from .reduce import zero_gradient
from .sizes import shape_i
from .vector import as_index_scalar

__all__ = ["AllocDiag", "ExtractDiag", "diag", "diagonal", "trace"]


class _Diagonal(BuiltinOp):
    """What taking and putting diagonals share.

    Parameters
    ----------
    offset : int
        Which diagonal: position along `axis2` minus position along `axis1`.
    axis1, axis2 : int
        Not negative, the first one smaller.
    """

    __props__: tuple[str, ...] = ("offset", "axis1", "axis2")

    def __init__(self, offset: int = 0, axis1: int = 0, axis2: int = 1) -> None:
        self.offset, self.axis1, self.axis2 = int(offset), int(axis1), int(axis2)
        if not 0 <= self.axis1 < self.axis2:
            raise ValueError(
                user_message(
                    f"{type(self).__name__} takes two axes, the smaller one first",
                    got=f"axis1={axis1}, axis2={axis2}",
                    hint="use diagonal(), which takes them in any order",
                )
            )

    @property
    def down(self) -> int:
        """Where the diagonal starts along `axis1`."""
        return max(-self.offset, 0)

    @property
    def right(self) -> int:
        """Where the diagonal starts along `axis2`."""
        return max(self.offset, 0)

    def placed(self, rest: Sequence[Any], first: Any, second: Any) -> tuple[Any, ...]:
        """Return `rest` with entries for `axis1` and `axis2` put in."""
        full = list(rest)
        full.insert(self.axis1, first)
        full.insert(self.axis2, second)
        return tuple(full)


class ExtractDiag(_Diagonal):
    """A diagonal of two axes of a tensor; it becomes the last axis.

    Parameters
    ----------
    offset, axis1, axis2 : int
        ``y[..., i] = x[.., i, .., i + offset, ..]`` for an offset that is not negative.
    """

    __props__ = ("offset", "axis1", "axis2")

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if x.type.ndim <= self.axis2:
            raise ShapeError(
                user_message(
                    f"{self} needs at least {self.axis2 + 1} axes", got=f"{x} of type {x.type}"
                )
            )
        rest = without(x.type.broadcastable, (self.axis1, self.axis2))
        return Apply(self, [x], [TensorType(x.type.dtype, (*rest, False))()])

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0].diagonal(self.offset, self.axis1, self.axis2)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        (x,) = in_shapes
        count = maximum(minimum(x[self.axis1] - self.down, x[self.axis2] - self.right), 0)
        return [(*without(x, (self.axis1, self.axis2)), count)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        *rest, i = idx
        return read(0, self.placed(rest, i + self.down, i + self.right))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (g,) = inputs, g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x)]
        put = AllocDiag(self.offset, self.axis1, self.axis2)
        return [put(g, shape_i(x, self.axis1), shape_i(x, self.axis2))]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if p is None else self(p) for p in eval_points]


class AllocDiag(_Diagonal):
    """Zeros, with the last axis of the operand on a diagonal of two new axes.

    Operands: the tensor, and optionally the lengths of the two new axes; by default both are
    what the diagonal needs.
    """

    __props__ = ("offset", "axis1", "axis2")

    def make_node(self, x: Any, *lengths: Any) -> Apply:
        x = as_tensor_variable(x)
        if not x.type.ndim or x.type.ndim < self.axis2:
            raise ShapeError(
                user_message(f"{self} needs a diagonal to put", got=f"{x} of type {x.type}")
            )
        if len(lengths) not in (0, 2):
            raise TypeError(f"{self} takes no or two lengths, got {len(lengths)}")
        sizes = [as_index_scalar(n) for n in lengths]
        pattern = self.placed(x.type.broadcastable[:-1], False, False)
        return Apply(self, [x, *sizes], [TensorType(x.type.dtype, pattern)()])

    def numpy(self, *arrays: Any) -> Any:
        x, *lengths = arrays
        need = x.shape[-1] + abs(self.offset)
        rows, columns = (int(n) for n in lengths) if lengths else (need, need)
        result = np.zeros(self.placed(x.shape[:-1], rows, columns), x.dtype)
        at = np.arange(x.shape[-1])
        moved = np.moveaxis(result, (self.axis1, self.axis2), (-2, -1))
        moved[..., at + self.down, at + self.right] = x
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        *rest, count = in_shapes[0]
        if len(node.inputs) > 1:
            return [self.placed(rest, ctx.value(1), ctx.value(2))]
        need = count + abs(self.offset)
        return [self.placed(rest, need, need)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        count = read.shape(0)[-1]
        place = idx[self.axis1] - self.down
        at = minimum(maximum(place, 0), maximum(count - 1, 0))
        value = read(0, (*without(idx, (self.axis1, self.axis2)), at))
        on_diagonal = eq(idx[self.axis2] - self.right, place)
        here = on_diagonal & ge(place, 0) & lt(place, count)
        return switch(here, value, read.ctx.const(0, value.dtype))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the lengths are disconnected."""
        return [[i == 0] for i in range(len(node.inputs))]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        rest = [disconnected_type() for _ in inputs[1:]]
        if isinstance(g.type, DisconnectedType):
            return [g, *rest]
        if is_discrete(inputs[0].type.dtype):
            return [zero_gradient(inputs[0]), *rest]
        return [ExtractDiag(self.offset, self.axis1, self.axis2)(g), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, *inputs[1:])]


def diagonal(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return a diagonal of two axes, as the last axis of the result.

    Parameters
    ----------
    a : tensor
        Of at least two axes.
    offset : int
        Position along `axis2` minus position along `axis1`.
    axis1, axis2 : int
        Two different axes; negative ones count from the end.
    """
    a = as_tensor_variable(a)
    first, second = (normalize_axis(d, a.type.ndim) for d in (axis1, axis2))
    if first == second:
        raise ValueError(f"diagonal needs two different axes, got {axis1} and {axis2}")
    if first > second:
        first, second, offset = second, first, -offset
    return ExtractDiag(offset, first, second)(a)


def diag(v: Any, k: int = 0) -> Any:
    """Return the diagonal `k` of a matrix, or the matrix with the vector `v` on diagonal `k`.

    Raises
    ------
    ShapeError
        If `v` has no axis.
    """
    v = as_tensor_variable(v)
    if v.type.ndim == 1:
        return AllocDiag(k)(v)
    if v.type.ndim >= 2:
        return diagonal(v, k)
    raise ShapeError(f"diag takes a vector or a matrix, got {v} of type {v.type}")


def trace(a: Any, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Any:
    """Return the sum along a diagonal of two axes; the parameters are those of `diagonal`."""
    return sum_(diagonal(a, offset, axis1, axis2), axis=-1)
