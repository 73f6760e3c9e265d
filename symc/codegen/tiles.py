"""The schedule that puts outer points into vector lanes.

A tile is a run of neighbouring points of the last outer axis. All inner points are visited one by
one, each for the whole tile, so accumulators are arrays over the tile and no lane ever has to be
combined with another. With ``columns`` memory is contiguous along the tile (a sum over leading
axes); with ``lanes`` the inner axes are so short that vectors along them would be mostly empty.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

import numpy as np

from ..loop import ir
from ..loop.kernel import Axis, Stage, Store
from ..scalar.arith import minimum
from ..scalar.expr import Expr, walk
from ..scalar.op import REGISTRY
from .accumulate import Accumulator, accumulator
from .guards import guarded
from .loops import Loops, Values, at_least, ceil_div, divide
from .place import Placer, Point
from .prepare import cost, product, stage_roots
from .target import Target

WIDTH = {"columns": 256, "lanes": 64}
"""Points of a tile; of columns, for elements of 4 bytes."""
BLOCK = 256
"""Inner points after which sums of a narrow type go into the wide one."""
UNROLL = 8
"""Rows of a tile of columns that are taken together, if they are cheap: accumulators are read and
written once for all of them. The variance of 2000 columns of 2000 floats takes 0.63 ms so and
0.85 ms row by row."""
CHEAP = 8
"""Cost of a row's element up to which rows are taken together."""
TILE = "tile"


class _Tile:
    """Statements for one tile, ``width`` points from `start` on."""

    def __init__(self, loops: Loops, lanes: int, shape: str) -> None:
        self.loops = loops
        self.shape = shape
        self.ctx = loops.ctx
        self.names = loops.names
        self.lanes = lanes
        self.axis = loops.placer.outer[-1]
        self.arrays: dict[str, str] = {}
        self.gathered: dict[Expr, str] = {}
        self.known: set[Expr] = set()
        self.width: Expr = self.ctx.integer(lanes)
        self.start: Expr = self.ctx.integer(0)
        self.point: Point = {}
        self.results: dict[Expr, str] = {}

    def scratch(self) -> list[ir.Stmt]:
        """Memory for kept values: per inner point (full) or per outer point."""
        out: list[ir.Stmt] = []
        inner = [a.extent for a in self.loops.placer.inner]
        for stage in self.loops.kernel.stages:
            for key, expr in stage.keep:
                self.arrays[key] = self.names.fresh("kept")
                length: int | Expr = self.lanes
                if stage.level == "full":
                    length = product(self.ctx, [self.ctx.integer(self.lanes), *inner])
                out.append(ir.Array(self.arrays[key], expr.dtype, length))
        for load in self._repeated():
            self.gathered[load] = self.names.fresh("gathered")
            length = product(self.ctx, [self.ctx.integer(self.lanes), *inner])
            out.append(ir.Array(self.gathered[load], load.dtype, length))
        out.sort(key=lambda s: isinstance(s, ir.Array) and isinstance(s.length, Expr))
        return out

    def _repeated(self) -> list[Expr]:
        """Loads that several sweeps over short rows make: elements of a vector lie far apart.

        The first sweep gathers them, the others read what it has put side by side: softmax of
        128,000 rows of 10 floats takes 0.83 ms so and 1.03 ms with a gather in each sweep.
        """
        if self.shape != "lanes":
            return []
        placer, one = self.loops.placer, self.ctx.integer(1)
        read_only = {o.key for o in placer.kernel.operands if o.access == "r"}
        sweeps: Counter[Expr] = Counter()
        for stage in self.loops.kernel.stages:
            if stage.level == "full":
                sweeps.update({n: 1 for n in walk(stage_roots(stage)) if n.kind == "load"})

        def is_worth_it(load: Expr) -> bool:
            if load.payload not in read_only or load in placer.kernel.risky:
                return False
            along = [placer.stride(load.payload, load.args, a.key) for a in placer.inner]
            across = placer.stride(load.payload, load.args, self.axis.key)
            return across is not None and across is not one and any(s is not None for s in along)

        return [load for load, number in sweeps.items() if number > 1 and is_worth_it(load)]

    def body(self, point: Point) -> list[ir.Stmt]:
        """All stages for the tile number ``point["tile"]``."""
        out: list[ir.Stmt] = []
        lanes = self.ctx.integer(self.lanes)
        self.start = self.names.let(out, point[TILE] * lanes)
        self.width = self.names.let(out, minimum(lanes, self.axis.extent - self.start))
        self.point = {key: value for key, value in point.items() if key != TILE}
        for stage in self.loops.kernel.stages:
            if stage.level == "outer":
                out.append(self._once(stage))
            else:
                out += self._sweep(stage)
        return out

    def _once(self, stage: Stage) -> ir.For:
        return self._across(lambda lane: self._element(stage, {}, lane, []))

    def _across(self, body: Callable[[Expr], list[ir.Stmt]]) -> ir.For:
        key, lane = self.names.index("t")
        zero = self.ctx.integer(0)
        return ir.For(key, zero, self.width, tuple(body(lane)), self.loops.kind)

    def _sweep(self, stage: Stage) -> list[ir.Stmt]:
        """Visit all inner points; flush narrow accumulators every `BLOCK` of them."""
        accumulators = [accumulator(self.names, r, self.lanes) for r in stage.reductions]
        out: list[ir.Stmt] = [s for a in accumulators for s in a.declare()]
        *before, last = self.loops.placer.inner
        flush = [s for a in accumulators for s in a.flush(self.loops.kind)]
        key, i = self.names.index("i")
        zero = self.ctx.integer(0)

        together = UNROLL if self.shape == "columns" and cost(stage_roots(stage)) <= CHEAP else 1

        def visit(at: Point) -> list[ir.Stmt]:
            def rows(low: Expr, high: Expr, number: int) -> ir.For:
                def elements(lane: Expr) -> list[ir.Stmt]:
                    out: list[ir.Stmt] = []
                    for k in range(number):
                        row = at | {last.key: i + self.ctx.integer(k)}
                        out += self._element(stage, row, lane, accumulators)
                    return out

                return ir.For(key, low, high, (self._across(elements),), step=number)

            def span(low: Expr, high: Expr) -> list[ir.Stmt]:
                if together == 1:
                    return [rows(low, high, 1)]
                out: list[ir.Stmt] = []
                groups = divide(high - low, self.ctx.integer(together))
                whole = self.names.let(out, low + groups * self.ctx.integer(together))
                return [*out, rows(low, whole, together), rows(whole, high, 1)]

            if not flush:
                return span(zero, last.extent)
            block, b = self.names.index("b")
            inside: list[ir.Stmt] = []
            end = self.names.let(inside, minimum(b + self.ctx.integer(BLOCK), last.extent))
            inside += [*span(b, end), *flush]
            return [ir.For(block, zero, last.extent, tuple(inside), step=BLOCK)]

        out += self.loops.nested(before, visit, {})
        for acc in accumulators:
            out += self._publish(acc)
        self.known.update(walk(stage_roots(stage)))
        return out

    def _publish(self, acc: Accumulator) -> list[ir.Stmt]:
        """Make the result of a reduction readable in later stages, as an array over the tile."""
        reduction = acc.reduction
        array = self.names.fresh("res")
        self.results[self.ctx.local(reduction.key, reduction.dtype)] = array

        def copy(lane: Expr) -> list[ir.Stmt]:
            return [Store(array, (lane,), acc.lane_result(lane))]

        return [ir.Array(array, reduction.dtype, self.lanes), self._across(copy)]

    def _element(
        self, stage: Stage, inner: Point, lane: Expr, accumulators: Sequence[Accumulator]
    ) -> list[ir.Stmt]:
        out: list[ir.Stmt] = []
        point = self.point | inner | {self.axis.key: self.names.let(out, self.start + lane)}
        values = self.loops.read_locals(out, stage, self._values(inner, lane))
        values |= self._gather(out, stage, inner, lane, point)
        roots = [a.reduction.value for a in accumulators] + [e for _, e in stage.keep]
        placed = [self.names.let(out, v) for v in self.loops.placer.place(roots, point, values)]
        own = {
            expr: value
            for (_, expr), value in zip(stage.keep, placed[len(accumulators) :], strict=True)
        }
        stored = self.loops.stores(stage, point, values | own)
        for acc, value in zip(accumulators, placed, strict=False):
            out += acc.update(lane, value, inner[self.loops.placer.inner[-1].key])
        for key, expr in stage.keep:
            out.append(Store(self.arrays[key], (self._slot(stage, inner, lane),), own[expr]))
        return out + stored

    def _gather(
        self, out: list[ir.Stmt], stage: Stage, inner: Point, lane: Expr, point: Point
    ) -> Values:
        """What stands for the repeated loads of `stage`; the first sweep stores what it gathers."""
        values: Values = {}
        for load in walk(stage_roots(stage)) if inner else ():
            if load not in self.gathered:
                continue
            array, slot = self.gathered[load], self._slot(stage, inner, lane)
            if load in self.known:
                place = self.ctx.load(array, (slot,), load.dtype)
                values[load] = self.names.let(out, place)
            else:
                values[load] = self.names.let(out, self.loops.placer.place([load], point)[0])
                out.append(Store(array, (slot,), values[load]))
        return values

    def _values(self, inner: Point, lane: Expr) -> Values:
        """What stands for results and kept values at one point."""
        values: Values = {
            local: self.ctx.load(array, (lane,), local.dtype)
            for local, array in self.results.items()
        }
        for stage in self.loops.kernel.stages:
            for key, expr in stage.keep:
                if stage.level == "outer" or inner:
                    slot = self._slot(stage, inner, lane)
                    load = self.ctx.load(self.arrays[key], (slot,), expr.dtype)
                    values[self.ctx.local(key, expr.dtype)] = load
        return values

    def _slot(self, stage: Stage, inner: Point, lane: Expr) -> Expr:
        if stage.level == "outer":
            return lane
        row = product(self.ctx, (self.loops.position(inner), self.ctx.integer(self.lanes)))
        return self.ctx.call(REGISTRY["add"], (row, lane))


def tile_nest(placer: Placer, target: Target, shape: str) -> ir.Nest:
    """Tiles of outer points, in parallel.

    Parameters
    ----------
    placer : Placer
    target : Target
    shape : {"columns", "lanes"}
    """
    loops = Loops(placer, target)
    ctx = loops.ctx
    tile = _Tile(loops, _width(loops, shape), shape)
    *before, last = placer.outer
    lanes = ctx.integer(tile.lanes)
    tiles = Axis(TILE, ceil_div(last.extent, lanes), "outer")
    inner = product(ctx, [ctx.integer(1), *(a.extent for a in placer.inner)])
    scratch = tile.scratch()

    def some_tiles(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        return [*scratch, *loops.rows([*before, tiles], low, high, tile.body)]

    count = product(ctx, [a.extent for a in before])
    number = tiles.extent if not before else count * tiles.extent
    tile_points = at_least(inner * lanes, 1)
    length = at_least(divide(ctx.integer(loops.grain()), tile_points), 1)
    points = product(ctx, [inner, *(a.extent for a in placer.outer)])
    return placer.nest(guarded(loops, loops.chunks(number, length, points, some_tiles)), shape)


def _width(loops: Loops, shape: str) -> int:
    roots = [e for stage in loops.kernel.stages for e in stage_roots(stage)]
    size = max((np.dtype(e.dtype).itemsize for e in roots), default=4)
    return WIDTH[shape] if shape == "lanes" else max(32, WIDTH[shape] * 4 // max(4, size))
