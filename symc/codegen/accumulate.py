"""Accumulators of reductions: several lanes, wide totals, and how they are combined.

A sum of float32 runs in blocks: each of ``lanes`` float32 accumulators takes at most
:data:`BLOCK_GROUPS` values, then all are added to accumulators of the wider type. Every order of
operations is fixed by the lengths alone, so results do not depend on the number of threads.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..loop import ir
from ..loop.kernel import Reduction, Store
from ..scalar.expr import Context, Expr
from ..scalar.op import REGISTRY, cast_expr

BLOCK_GROUPS = 16
"""Values that one accumulator of the narrow type takes before it is added to the wide one."""
FOLDED = 8
"""Lanes of an argmax that are left to be compared one by one."""


class Names:
    """Fresh keys for the locals, arrays and indices of one nest."""

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.count = 0

    def fresh(self, prefix: str) -> str:
        """A key that was not used before."""
        self.count += 1
        return f"{prefix}{self.count}"

    def let(self, out: list[ir.Stmt], value: Expr) -> Expr:
        """Name `value` in the block `out`; leaves need no name."""
        if value.kind in ("const", "index", "local", "size"):
            return value
        key = self.fresh("t")
        out.append(ir.Let(key, value))
        return self.ctx.local(key, value.dtype)

    def freeze(self, out: list[ir.Stmt], value: Expr) -> Expr:
        """Name the present value of a mutable local."""
        key = self.fresh("t")
        out.append(ir.Let(key, value))
        return self.ctx.local(key, value.dtype)

    def index(self, prefix: str = "i") -> tuple[str, Expr]:
        """A fresh loop variable: its key and its expression."""
        key = self.fresh(prefix)
        return key, self.ctx.index(key)


def identity_value(reduction: Reduction) -> Any:
    """The value that an accumulator starts from.

    Raises
    ------
    ValueError
        If the op has none.
    """
    name = reduction.arg or reduction.op.name
    if reduction.identity is not None and reduction.arg is None:
        return reduction.identity
    if name in ("maximum", "argmax"):
        return _extreme(_own_dtype(reduction), low=True)
    if name in ("minimum", "argmin"):
        return _extreme(_own_dtype(reduction), low=False)
    if reduction.op.identity is None:
        raise ValueError(f"a reduction by {name} needs an identity")
    return reduction.op.identity


def _extreme(dtype: str, low: bool) -> Any:
    kind = np.dtype(dtype)
    if kind.kind == "f":
        return -np.inf if low else np.inf
    if kind.kind == "b":
        return not low
    info = np.iinfo(dtype)
    return info.min if low else info.max


def _own_dtype(reduction: Reduction) -> str:
    """The type of the inner accumulators."""
    value, acc = reduction.value.dtype, reduction.acc_dtype
    if reduction.arg is not None:
        return value
    narrow = {"float32": "float64", "complex64": "complex128"}
    return value if reduction.op.name == "add" and narrow.get(value) == acc else acc


class Accumulator:
    """Lanes of one reduction by an associative op.

    Parameters
    ----------
    names : Names
    reduction : Reduction
    lanes : int
    """

    def __init__(self, names: Names, reduction: Reduction, lanes: int) -> None:
        self.names = names
        self.ctx = names.ctx
        self.reduction = reduction
        self.lanes = lanes
        self.own = _own_dtype(reduction)
        self.wide = reduction.acc_dtype if self.own != reduction.acc_dtype else None
        self.start = identity_value(reduction)
        self.acc = names.fresh("acc")
        self.total = names.fresh("tot") if self.wide else self.acc

    @property
    def dtype(self) -> str:
        """Type of the totals."""
        return self.wide or self.own

    @property
    def parts(self) -> tuple[str, ...]:
        """Dtypes of what a chunk hands on to `combine`."""
        return (self.dtype,)

    def declare(self) -> list[ir.Stmt]:
        """Arrays, filled with the identity."""
        arrays: list[ir.Stmt] = [self._array(self.acc, self.own)]
        if self.wide:
            arrays.append(self._array(self.total, self.wide))
        return arrays

    def _array(self, key: str, dtype: str) -> ir.Array:
        return ir.Array(key, dtype, self.lanes, self.ctx.const(self.start, dtype))

    def update(self, lane: Expr, value: Expr, group: Expr) -> list[ir.Stmt]:
        """Take one value into a lane.

        The value comes first, as an extreme looks there for NaN: what is waited for from one value
        of a lane to the next then is the other comparison alone.
        """
        old = self.ctx.load(self.acc, (lane,), self.own)
        new = self._combine(cast_expr(self.ctx, value, self.own), old, self.own)
        return [Store(self.acc, (lane,), new)]

    def flush(self, kind: str) -> list[ir.Stmt]:
        """Add the narrow accumulators to the totals and start them anew."""
        if not self.wide:
            return []
        key, lane = self.names.index("l")
        old = self.ctx.load(self.total, (lane,), self.wide)
        new = cast_expr(self.ctx, self.ctx.load(self.acc, (lane,), self.own), self.wide)
        body = (
            Store(self.total, (lane,), self._combine(old, new, self.wide)),
            Store(self.acc, (lane,), self.ctx.const(self.start, self.own)),
        )
        zero, stop = self.ctx.integer(0), self.ctx.integer(self.lanes)
        return [ir.For(key, zero, stop, body, kind)]

    def _combine(self, a: Expr, b: Expr, dtype: str) -> Expr:
        return cast_expr(self.ctx, self.ctx.call(self.reduction.op, (a, b)), dtype)

    def finish(self, out: list[ir.Stmt], first: Expr, kind: str) -> tuple[Expr, ...]:
        """Combine the lanes, four at a time; `first` is the place of element 0."""
        over, h = self.names.index("h")
        key, lane = self.names.index("l")
        near, far = (self.ctx.load(self.total, (p,), self.dtype) for p in (lane, lane + h))
        store = Store(self.total, (lane,), self._combine(near, far, self.dtype))
        four = self.ctx.integer(4)
        inner = ir.For(key, self.ctx.integer(0), four, (store,), kind)
        out.append(ir.For(over, four, self.ctx.integer(self.lanes), (inner,), step=4))
        last = [self.ctx.load(self.total, (self.ctx.integer(k),), self.dtype) for k in range(4)]
        left = self._combine(last[0], last[2], self.dtype)
        right = self._combine(last[1], last[3], self.dtype)
        return (self.names.let(out, self._combine(left, right, self.dtype)),)

    def lane_result(self, lane: Expr) -> Expr:
        """The result where every lane belongs to another outer point."""
        return self.result((self.ctx.load(self.total, (lane,), self.dtype),))

    def combine(self, out: list[ir.Stmt], parts: tuple[str, ...], count: Expr) -> Expr:
        """Combine the parts of `count` chunks, held in arrays, in order."""
        key = self.names.fresh("r")
        total = self.ctx.local(key, self.dtype)
        out.append(ir.Var(key, self.ctx.const(self.start, self.dtype)))
        index, chunk = self.names.index("c")
        new = self._combine(total, self.ctx.load(parts[0], (chunk,), self.dtype), self.dtype)
        out.append(ir.For(index, self.ctx.integer(0), count, (ir.Assign(key, new),)))
        return self.result((self.names.freeze(out, total),))

    def result(self, parts: tuple[Expr, ...]) -> Expr:
        """What later stages read."""
        return cast_expr(self.ctx, parts[0], self.reduction.dtype)


class ArgAccumulator(Accumulator):
    """Lanes of an argmax or argmin: the extreme value and the group in which it was met."""

    def __init__(self, names: Names, reduction: Reduction, lanes: int) -> None:
        super().__init__(names, reduction, lanes)
        self.wide = None
        self.total = self.acc
        self.where = names.fresh("arg")
        small = np.dtype(self.own).itemsize <= 4
        self.group_dtype = "int32" if small else "int64"
        self.better_op = REGISTRY["gt" if reduction.arg == "argmax" else "lt"]
        self.as_bad_op = REGISTRY["le" if reduction.arg == "argmax" else "ge"]

    @property
    def dtype(self) -> str:
        """Type of the values compared."""
        return self.own

    @property
    def parts(self) -> tuple[str, ...]:
        """Dtypes of what a chunk hands on to `combine`."""
        return (self.own, "int64")

    def declare(self) -> list[ir.Stmt]:
        """Arrays of the values and of the groups."""
        zero = self.ctx.const(0, self.group_dtype)
        return [
            self._array(self.acc, self.own),
            ir.Array(self.where, self.group_dtype, self.lanes, zero),
        ]

    def _better(self, new: Expr, old: Expr) -> Expr:
        """Whether `new` beats `old`; NaN beats numbers."""
        if np.dtype(self.own).kind != "f":
            return self.ctx.call(self.better_op, (new, old))
        as_bad = self.ctx.call(self.as_bad_op, (new, old))  # not so where one of them is NaN
        return self.ctx.call(REGISTRY["and_"], (~as_bad, self.ctx.call(REGISTRY["eq"], (old, old))))

    def update(self, lane: Expr, value: Expr, group: Expr) -> list[ir.Stmt]:
        """Take one value into a lane; `group` numbers the values of a lane."""
        out: list[ir.Stmt] = []
        old = self.names.let(out, self.ctx.load(self.acc, (lane,), self.own))
        new = self.names.let(out, value)
        wins = self.names.let(out, self._better(new, old))
        switch = REGISTRY["switch"]
        where = self.ctx.load(self.where, (lane,), self.group_dtype)
        number = cast_expr(self.ctx, group, self.group_dtype)
        out.append(Store(self.acc, (lane,), switch(wins, new, old)))
        out.append(Store(self.where, (lane,), switch(wins, number, where)))
        return out

    def finish(self, out: list[ir.Stmt], first: Expr, kind: str) -> tuple[Expr, ...]:
        """The extreme over all lanes, the earliest of equals; in vector code down to a few."""
        zero = self.ctx.integer(0)
        index, lane = self.names.index("l")
        places = self.names.fresh("place")
        group = self.ctx.load(self.where, (lane,), self.group_dtype)
        lanes = self.ctx.integer(self.lanes)
        place = self.ctx.call(
            REGISTRY["add"], (cast_expr(self.ctx, group, "int64") * lanes, lane + first)
        )
        out.append(ir.Array(places, "int64", self.lanes))
        out.append(ir.For(index, zero, lanes, (Store(places, (lane,), place),), kind))
        few = min(FOLDED, self.lanes)
        over, h = self.names.index("h")
        body: list[ir.Stmt] = []
        near = self._lane_of(places, lane, body)
        far = self._lane_of(places, lane + h, body)
        wins = self.names.let(body, self._beats(far, near))
        for key, better, other in zip((self.acc, places), far, near, strict=True):
            body.append(Store(key, (lane,), REGISTRY["switch"](wins, better, other)))
        inner = ir.For(index, zero, self.ctx.integer(few), tuple(body), kind)
        out.append(ir.For(over, self.ctx.integer(few), lanes, (inner,), step=few))
        best, arg = self._start(out, *self._lane_of(places, zero, out))
        taken: list[ir.Stmt] = []
        taken += self._take(best, arg, *self._lane_of(places, lane, taken))
        out.append(ir.For(index, self.ctx.integer(1), self.ctx.integer(few), tuple(taken)))
        return self.names.freeze(out, best), self.names.freeze(out, arg)

    def _lane_of(self, places: str, lane: Expr, out: list[ir.Stmt]) -> tuple[Expr, Expr]:
        """The extreme in one lane and where it was met."""
        value = self.names.let(out, self.ctx.load(self.acc, (lane,), self.own))
        return value, self.names.let(out, self.ctx.load(places, (lane,), "int64"))

    def _start(self, out: list[ir.Stmt], value: Expr, place: Expr) -> tuple[Expr, Expr]:
        best, arg = self.names.fresh("b"), self.names.fresh("w")
        out.append(ir.Var(best, value))
        out.append(ir.Var(arg, place))
        return self.ctx.local(best, self.own), self.ctx.local(arg, "int64")

    def _beats(self, new: tuple[Expr, Expr], old: tuple[Expr, Expr]) -> Expr:
        """Whether a value at its place beats another: it is better, or as good and earlier."""
        earlier = REGISTRY["lt"](new[1], old[1]) & ~self._better(old[0], new[0])
        return self.ctx.call(REGISTRY["or_"], (self._better(new[0], old[0]), earlier))

    def _take(self, best: Expr, arg: Expr, value: Expr, place: Expr) -> tuple[ir.Stmt, ...]:
        out: list[ir.Stmt] = []
        new, at = self.names.let(out, value), self.names.let(out, place)
        wins = self._beats((new, at), (best, arg))
        out.append(ir.If(wins, (ir.Assign(best.payload, new), ir.Assign(arg.payload, at))))
        return tuple(out)

    def lane_result(self, lane: Expr) -> Expr:
        """The group in which a lane met its extreme."""
        where = self.ctx.load(self.where, (lane,), self.group_dtype)
        return cast_expr(self.ctx, cast_expr(self.ctx, where, "int64"), self.reduction.dtype)

    def combine(self, out: list[ir.Stmt], parts: tuple[str, ...], count: Expr) -> Expr:
        """The extreme over chunks, the earliest of equals."""
        zero = self.ctx.integer(0)
        best, arg = self._start(
            out,
            self.ctx.load(parts[0], (zero,), self.own),
            self.ctx.load(parts[1], (zero,), "int64"),
        )
        index, chunk = self.names.index("c")
        value = self.ctx.load(parts[0], (chunk,), self.own)
        body = self._take(best, arg, value, self.ctx.load(parts[1], (chunk,), "int64"))
        out.append(ir.For(index, self.ctx.integer(1), count, body))
        return self.result((best, self.names.freeze(out, arg)))

    def result(self, parts: tuple[Expr, ...]) -> Expr:
        """The index."""
        return cast_expr(self.ctx, parts[1], self.reduction.dtype)


def accumulator(names: Names, reduction: Reduction, lanes: int) -> Accumulator:
    """The accumulator that fits a reduction."""
    return (ArgAccumulator if reduction.arg else Accumulator)(names, reduction, lanes)
