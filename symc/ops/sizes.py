"""Lengths of tensors as values: `Shape` and `Shape_i`.

The compiler answers both from what it knows about sizes, without computing the operand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable, constant
from ..array.lengths import note_lengths, sure_lengths
from ..array.type import TensorType
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import disconnected_type
from ..scalar.logic import eq, switch
from .axes import normalize_axis

__all__ = ["Shape", "Shape_i", "choose_element", "lengths", "shape", "shape_i"]

_INT64_SCALAR = TensorType("int64", ())
_INT64_VECTOR = TensorType("int64", (False,))


class _OfShape(BuiltinOp):
    """What depends on the shape of its operand only, so that no gradient passes."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is disconnected from the operand's values."""
        return [[False] for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None]


class Shape(_OfShape):
    """The shape of a tensor, as an int64 vector."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        out = _INT64_VECTOR.make_variable()
        note_lengths(out, (x.type.ndim,))
        return Apply(self, [x], [out])

    def numpy(self, *arrays: Any) -> Any:
        return np.asarray(arrays[0].shape, dtype=np.int64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(node.inputs[0].type.ndim,)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return choose_element(list(read.shape(0)), idx[0], read.ctx)


class Shape_i(_OfShape):  # noqa: N801 - Theano's name
    """The length of axis `i` of a tensor, as a 0-d int64.

    Parameters
    ----------
    i : int
    """

    __props__ = ("i",)

    def __init__(self, i: int) -> None:
        self.i = int(i)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        normalize_axis(self.i, x.type.ndim)
        return Apply(self, [x], [_INT64_SCALAR.make_variable()])

    def numpy(self, *arrays: Any) -> Any:
        return np.asarray(arrays[0].shape[self.i], dtype=np.int64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [()]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read.shape(0)[self.i]

    def signed_by(self, node: Apply) -> list[Any]:
        """A length is never negative."""
        return []

    def __str__(self) -> str:
        return f"Shape_i{{{self.i}}}"


def choose_element(values: Sequence[Any], index: Any, ctx: Any) -> Any:
    """Return ``values[index]`` as one expression: a chain of ``switch``.

    Parameters
    ----------
    values : sequence of Expr
        All of one dtype.
    index : Expr
        From 0 to ``len(values) - 1``.
    ctx : Context
    """
    if not values:
        return ctx.integer(0)
    result = values[-1]
    for position in range(len(values) - 2, -1, -1):
        result = switch(eq(index, ctx.integer(position)), values[position], result)
    return result


_shape_op = Shape()


def shape(x: Any) -> Any:
    """Return the shape of `x` as a symbolic int64 vector.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> shape(matrix()).type
    TensorType(int64, vector)
    """
    return _shape_op(x)


def shape_i(x: Any, i: int) -> Any:
    """Return the length of axis `i` of `x`: a constant where the type tells it, else symbolic."""
    x = as_tensor_variable(x)
    i = normalize_axis(i, x.type.ndim)
    sure = sure_lengths(x)[i]
    return Shape_i(i)(x) if sure is None else constant(sure, dtype="int64")


def lengths(x: Any) -> tuple[Any, ...]:
    """Return the lengths of all axes of `x` as 0-d int64 variables."""
    x = as_tensor_variable(x)
    return tuple(shape_i(x, i) for i in range(x.type.ndim))
