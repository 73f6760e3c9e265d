"""`SmallestFirst`: the positions of the smallest keys of every row, in the keys' order.

Random keys make it a draw without replacement: of uniform words it is a permutation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths, note_lengths
from ...array.type import TensorType
from ...errors import ShapeError
from ...graph.node import Apply, Constant
from ...graph.op import BuiltinOp
from ...scalar.expr import Expr
from ...scalar.logic import and_, eq, ge, gt, lt, or_, switch
from ...scalar.logic import cast as cast_scalar
from ...scalar.random import below64
from ..vector import as_index_scalar

__all__ = ["SmallestFirst"]

FEWER = "more different categories are drawn than there are: {0} of {1}"
NEGATIVE = "a number of draws is not negative, got {0}"


class SmallestFirst(BuiltinOp):
    """The positions of the `count` smallest keys of each row, smallest first.

    Of equal keys the one with the lower position comes first; there are no NaNs. The operands are
    keys of shape (rows, n), uint64 or float64, and the count, at most n. Keys of type uint64 are
    taken to be uniform words, for which a full row is put in order in linear time.
    """

    __props__ = ()

    def make_node(self, keys: Any, count: Any) -> Apply:
        keys, count = as_tensor_variable(keys), as_index_scalar(count, "a number of draws")
        known = int(count.data) if isinstance(count, Constant) else None
        out = TensorType("int64", (keys.type.broadcastable[0], known == 1))()
        note_lengths(out, (known_lengths(keys)[0], known))
        return Apply(self, [keys, count], [out])

    def numpy(self, *arrays: Any) -> Any:
        keys, count = arrays[0], int(arrays[1])
        if not 0 <= count <= keys.shape[1]:
            raise ShapeError((FEWER if count >= 0 else NEGATIVE).format(count, keys.shape[1]))
        return np.ascontiguousarray(np.argsort(keys, axis=-1, kind="stable")[:, :count])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        rows, length = in_shapes[0]
        count = ctx.value(1)
        ctx.check(ge(length, count), "shape", FEWER, count, length)
        ctx.check(ge(count, 0), "shape", NEGATIVE, count)
        return [(rows, count)]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Rows in parallel; a heap of the smallest, or buckets for whole rows of words."""
        keys, order = ins[0], outs[0]
        work = _Row(b, keys, order)
        with b.loop(b.dim(keys, 0), "parallel") as row:
            if keys.dtype != "uint64":
                work.heap(row)
                return
            with b.if_(eq(b.dim(order, 1), b.dim(keys, 1))):
                work.buckets(row)
            with b.else_():
                work.heap(row)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that positions are no smooth function."""
        return [[False], [False]]


class _Row:
    """Writes the statements that put one row in order.

    Parameters
    ----------
    b : Builder
    keys, order : ArrayRef
        Matrices.
    """

    def __init__(self, b: Any, keys: Any, order: Any) -> None:
        self.b, self.keys, self.order = b, keys, order
        self.length, self.count = b.dim(keys, 1), b.dim(order, 1)

    def _key(self, row: Expr, position: Expr) -> Expr:
        return self.b.load(self.keys, (row, position))

    def _before(self, row: Expr, i: Expr, j: Expr) -> Expr:
        """Whether position `i` comes before position `j`."""
        own, other = self.b.let(self._key(row, i)), self.b.let(self._key(row, j))
        return self.b.let(or_(lt(own, other), and_(eq(own, other), lt(i, j))))

    # ---- a heap with the last of the smallest at its root

    def heap(self, row: Expr) -> None:
        """The `count` smallest, O(n log count) at worst."""
        b, order, count = self.b, self.order, self.count
        with b.loop(count) as i:
            b.store(order, (row, i), i)
        with b.loop(count // 2) as i:
            root = b.let(count // 2 - 1 - i)
            self._sift(row, root, count, b.let(b.load(order, (row, root))))
        with b.if_(gt(count, 0)), b.loop(self.length, start=count) as i:
            worst = b.let(b.load(order, (row, b.integer(0))))
            with b.if_(self._before(row, i, worst)):
                self._sift(row, b.integer(0), count, i)
        with b.loop(count, start=1) as i:
            end = b.let(count - i)
            moved = b.let(b.load(order, (row, end)))
            b.store(order, (row, end), b.load(order, (row, b.integer(0))))
            self._sift(row, b.integer(0), end, moved)

    def _sift(self, row: Expr, root: Expr, size: Expr, value: Expr) -> None:
        """Put `value` in the place of the root of a heap of `size` positions."""
        b, order = self.b, self.order
        hole = b.mutable(root)
        child = b.mutable(root * 2 + 1)
        with b.while_(lt(child, size)):
            left = b.let(child + 0)
            right = b.let(switch(lt(left + 1, size), left + 1, left))
            first, second = (b.let(b.load(order, (row, k))) for k in (left, right))
            later = self._before(row, first, second)
            place, found = b.let(switch(later, right, left)), b.let(switch(later, second, first))
            with b.if_(self._before(row, value, found)):
                b.store(order, (row, hole), found)
                b.assign(hole, place)
                b.assign(child, place * 2 + 1)
            with b.else_():
                b.assign(child, size)
        b.store(order, (row, hole), value)

    # ---- buckets

    def buckets(self, row: Expr) -> None:
        """All of a row of uniform words: as many buckets as words, then insertion."""
        b, order, length = self.b, self.order, self.length
        number = b.let(cast_scalar(length, "uint64"))
        ends = b.scratch("int64", length, b.integer(0))

        def bucket(i: Expr) -> Expr:
            return b.let(cast_scalar(below64(self._key(row, i), number), "int64"))

        with b.loop(length) as i:
            place = bucket(i)
            b.store(ends, place, b.load(ends, place) + 1)
        total = b.mutable(b.integer(0))
        with b.loop(length) as i:
            held = b.let(b.load(ends, i))
            b.store(ends, i, total)
            b.assign(total, total + held)
        with b.loop(length) as i:
            place = bucket(i)
            at = b.let(b.load(ends, place))
            b.store(order, (row, at), i)
            b.store(ends, place, at + 1)
        with b.loop(length, start=1) as i:
            self._insert(row, i)

    def _insert(self, row: Expr, last: Expr) -> None:
        """Move the position at place `last` forward to where it belongs."""
        b, order = self.b, self.order
        value = b.let(b.load(order, (row, last)))
        key = b.let(self._key(row, value))
        at = b.mutable(last)
        before = b.let(b.load(order, (row, last - 1)))
        moving = b.mutable(lt(key, self._key(row, before)))
        with b.while_(moving):
            held = b.let(b.load(order, (row, at - 1)))
            b.store(order, (row, at), held)
            b.assign(at, at - 1)
            front = b.let(switch(gt(at, 0), at - 1, 0))
            ahead = b.let(b.load(order, (row, front)))
            b.assign(moving, and_(gt(at, 0), lt(key, self._key(row, ahead))))
        b.store(order, (row, at), value)
