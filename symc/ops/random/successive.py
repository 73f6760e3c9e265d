"""`TakeCategories`: categories by given numbers, each at most once per row."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.type import TensorType
from ...errors import ShapeError
from ...graph.node import Apply
from ...graph.op import BuiltinOp
from ...scalar.logic import and_, ge, lt, switch
from ..elemwise import cast
from .order import FEWER

__all__ = ["TakeCategories"]


class TakeCategories(BuiltinOp):
    """Into which of the categories that are left in its row a number falls, one after the other.

    The operands are weights of shape (rows, categories) and numbers in [0, 1) of shape (rows, m),
    both float64; the result has the shape (rows, m). A number times the sum of the weights that
    are left falls into the first category at which their cumulated sum is greater; where rounding
    leaves none it is the last one that is left.
    """

    __props__ = ()

    def make_node(self, weights: Any, numbers: Any) -> Apply:
        operands = [cast(as_tensor_variable(x), "float64") for x in (weights, numbers)]
        return Apply(self, operands, [TensorType("int64", operands[1].type.broadcastable)()])

    def numpy(self, *arrays: Any) -> Any:
        weights, numbers = arrays
        (rows, categories), count = weights.shape, numbers.shape[1]
        if count > categories:
            raise ShapeError(FEWER.format(count, categories))
        left = np.ones(weights.shape, bool)
        result = np.zeros(numbers.shape, np.int64)
        for k in range(count):
            cumulated = np.cumsum(np.where(left, weights, 0.0), axis=1)
            goal = numbers[:, k] * cumulated[:, -1]
            beyond = left & (cumulated > goal[:, None])
            last = categories - 1 - np.argmax(left[:, ::-1], axis=1)
            found = np.where(beyond.any(axis=1), np.argmax(beyond, axis=1), last)
            result[:, k] = found
            left[np.arange(rows), found] = False
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        (rows, categories), (also, count) = in_shapes
        ctx.check(ge(categories, count), "shape", FEWER, count, categories)
        return [(ctx.equal(rows, also, "there are weights of {0} rows and numbers of {1}"), count)]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Rows in parallel; a row notes in which of its draws a category was taken."""
        (weights, numbers), (result,) = ins, outs
        categories, zero = b.dim(weights, 1), b.const(0.0, "float64")
        with b.loop(b.dim(weights, 0), "parallel") as row:
            taken = b.scratch("int64", categories, b.integer(0))
            with b.loop(b.dim(numbers, 1)) as k:
                total = b.mutable(zero)
                with b.loop(categories) as c:
                    free = lt(b.load(taken, c), 1)
                    b.assign(total, total + switch(free, b.load(weights, (row, c)), zero))
                goal = b.let(b.load(numbers, (row, k)) * total)
                found, at = b.mutable(b.integer(0)), b.mutable(b.integer(0))
                sum_ = b.mutable(zero)
                with b.while_(lt(at, categories)):
                    free = b.let(lt(b.load(taken, at), 1))
                    b.assign(sum_, sum_ + switch(free, b.load(weights, (row, at)), zero))
                    b.assign(found, switch(free, at, found))
                    inside = b.let(and_(free, lt(goal, sum_)))
                    b.assign(at, switch(inside, categories, at + 1))
                b.store(taken, found, b.integer(1))
                b.store(result, (row, k), found)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that categories are no smooth function."""
        return [[False], [False]]
