"""From a kernel to loop nests for a CPU.

A kernel becomes one to four nests, :class:`Variant`, and the first whose conditions hold is taken
when the program runs. They differ in how operands are addressed (see :mod:`.place`) and in how
the domain is walked:

=========== ===========================================================================
elementwise one loop over all elements, or over rows with the last axis in vector lanes; in
            square blocks if operands are walked in different directions
rows        one loop over outer points; all stages of one point run while its data is in
            the nearest cache, inner points in vector lanes
tiles       outer points in vector lanes, a tile at a time, inner points one by one: for
            reductions over leading axes (``columns``) and over short ones (``lanes``)
full        inner points in parallel chunks, whose results are combined in order
=========== ===========================================================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from ..dtypes import DTYPES
from ..loop import ir
from ..loop.kernel import Kernel, Stage, Store
from ..scalar.arith import maximum, minimum
from ..scalar.expr import Expr
from ..scalar.logic import ge, le
from .accumulate import Accumulator
from .guards import guarded
from .loops import Loops, at_least, ceil_div, divide
from .place import Placer, Point
from .prepare import Shapes, cost, prepare, product
from .stream import STREAM_COST, streamed, streams
from .strips import in_strips, strips
from .target import DEFAULT, Target
from .tiles import tile_nest

SHORT = 32
"""Inner extents up to which outer points go into vector lanes."""
FEW_ROWS = 8
LONG_ROW = 65_536
"""Fewer rows than `FEW_ROWS`, each at least `LONG_ROW` long: split the rows, not the range."""
MAX_CHUNKS = 64
"""Most parts of a full reduction."""
MIN_CHUNK = 16_384
SIDE = 32
"""Rows and columns of a block where one operand is walked along columns, another along rows."""
NARROW = 8
"""Blocks with fewer columns than this are walked along the other axis."""
DEAR = 25
"""Cost from which no strided variants are made: what is not contiguous is packed instead."""


@dataclass(frozen=True, eq=False)
class Variant:
    """One way to run a kernel.

    Attributes
    ----------
    nest : Nest
    contiguous : tuple of str
        Operands that must be C-contiguous.
    unit : tuple of str
        Operands that must have stride 1 along their last axis.
    when : Expr or None
        Condition on sizes of the program.
    pack : bool
        Copy operands that are not contiguous first, so that only `when` decides.
    """

    nest: ir.Nest
    contiguous: tuple[str, ...] = ()
    unit: tuple[str, ...] = ()
    when: Expr | None = None
    pack: bool = False


def schedule(
    kernel: Kernel,
    shapes: Shapes,
    contiguous: frozenset[str] = frozenset(),
    aliased: frozenset[str] = frozenset(),
    target: Target = DEFAULT,
    passing: frozenset[str] = frozenset(),
) -> list[Variant]:
    """The nests of a kernel, most special first; the last one always applies.

    Parameters
    ----------
    kernel : Kernel
    shapes : dict
        Lengths of every operand's array: size expressions of the program. Equal lengths must be
        identical expressions, also those of axes, or axes are not collapsed.
    contiguous : frozenset of str
        Operands that are known to be C-contiguous.
    aliased : frozenset of str
        Operands that share memory with another one, where one of the two is stored to.
    target : Target
    passing : frozenset of str
        Operands that later steps of the program read and nobody else: integers among them are
        positions, seldom many enough to be stored past the caches.
    """
    choice = _Choice(kernel, shapes, aliased, target, passing)
    keys = tuple(o.key for o in kernel.operands if o.ndim)
    unsure = tuple(k for k in keys if k not in contiguous)
    variants = choice.flat(unsure)
    if not unsure:
        return variants
    written = any("w" in o.access for o in kernel.operands if o.key in unsure)
    if written:
        return variants + choice.strided()
    dear = cost(choice.prepared.roots()) > DEAR
    if dear or choice.sweeps > 1:
        return [replace(v, pack=True) for v in variants]
    if not choice.prepared.inner:
        return variants + choice.strided()
    return [*variants, *choice.strided()[:-1], replace(variants[-1], pack=True)]


class _Choice:
    """The variants of one kernel."""

    def __init__(
        self,
        kernel: Kernel,
        shapes: Shapes,
        aliased: frozenset[str],
        target: Target,
        passing: frozenset[str],
    ) -> None:
        self.kernel = kernel
        self.target = target
        self.aliased = aliased
        self.positions = {
            o.key for o in kernel.operands if o.key in passing and DTYPES[o.dtype].kind in "biu"
        }
        self.prepared = prepare(kernel, shapes, aliased=aliased)
        self.recomputed = prepare(kernel, shapes, recompute=True, aliased=aliased)
        self.ctx = kernel.ctx
        self.inner = self._points("inner")
        self.outer = self._points("outer")

    @property
    def sweeps(self) -> int:
        """How often the inner points are visited."""
        return sum(stage.level == "full" for stage in self.prepared.stages)

    def _points(self, role: str) -> Expr:
        return product(self.ctx, [a.extent for a in self.kernel.axes if a.role == role])

    def _at_most(self, size: Expr, bound: int) -> Expr:
        return self.ctx.call(le, (size, self.ctx.integer(bound)))

    def flat(self, unsure: tuple[str, ...]) -> list[Variant]:
        """Variants for contiguous operands."""
        placer = Placer(self.prepared, flat=True)
        if not self.prepared.inner:
            plain = Variant(elementwise(placer, self.target), unsure)
            streamed = self._streamed(unsure)
            return [plain] if streamed is None else [streamed, plain]
        found = self._without_outer(unsure) if not self.prepared.outer else self._special(unsure)
        found = [v for v in found if v.when is None or not _never(v.when)]
        if found and found[-1].when is None:
            return found
        return [*found, Variant(row_nest(placer, self.target), unsure)]

    def _streamed(self, unsure: tuple[str, ...]) -> Variant | None:
        """The variant for results that are larger than the caches, where memory is the limit."""
        placer = Placer(self.prepared, flat=True)
        if self.aliased or cost(self.prepared.roots()) > STREAM_COST or not streams(placer):
            return None
        sizes = {o.key: np.dtype(o.dtype).itemsize for o in self.kernel.operands}
        stores = [s for stage in self.prepared.stages for s in stage.stores]
        if all(s.operand in self.positions for s in stores):
            return None
        bytes_per_point = sum(sizes[s.operand] for s in stores)
        least = self.target.stream_bytes // bytes_per_point
        large = self.ctx.call(ge, (self.outer * self.inner, self.ctx.integer(least)))
        if _never(large):
            return None
        return Variant(streamed(placer, self.target), unsure, when=large)

    def _without_outer(self, unsure: tuple[str, ...]) -> list[Variant]:
        if self.recomputed.keeps:
            return []
        full = full_nest(Placer(self.recomputed, flat=True), self.target)
        if self.sweeps == 1:
            return [Variant(full, unsure)]
        return [Variant(full, unsure, when=self.inner > self.ctx.integer(MIN_CHUNK))]

    def _special(self, unsure: tuple[str, ...]) -> list[Variant]:
        """Tiles for short rows and for columns; split rows if there are few long ones."""
        placer = Placer(self.prepared, flat=True)
        several = self.outer >= self.ctx.integer(FEW_ROWS)
        if prefers_columns(placer):
            return [Variant(tile_nest(placer, self.target, "columns"), unsure)]
        short = self._at_most(self.inner, SHORT) & several
        found = [Variant(tile_nest(placer, self.target, "lanes"), unsure, when=short)]
        if self.sweeps == 1:
            few = self._at_most(self.outer, FEW_ROWS - 1)
            few = few & (self.inner >= self.ctx.integer(LONG_ROW))
            split = full_nest(Placer(self.recomputed, flat=True), self.target)
            found.append(Variant(split, unsure, when=few))
        return found

    def strided(self) -> list[Variant]:
        """Variants for any strides: unit stride along the last axis, then all others."""
        make = row_nest if self.prepared.inner else elementwise
        axes = self.prepared.inner or self.prepared.outer
        last = Variant(make(Placer(self.prepared, flat=False), self.target))
        if not axes:
            return [last]
        placer = Placer(self.prepared, flat=False, unit=axes[-1].key)
        if len(self.prepared.outer) + len(self.prepared.inner) == 1:
            return [last]
        needed = placer.unit_requirements()
        return [Variant(make(placer, self.target), unit=needed), last] if needed else [last]


def _never(condition: Expr) -> bool:
    return condition.is_const and not condition.value


def prefers_columns(placer: Placer) -> bool:
    """Whether memory is contiguous along the last outer axis rather than the last inner one."""
    return placer.unit_strides(placer.outer[-1].key) > placer.unit_strides(placer.inner[-1].key)


# ---------------------------------------------------------------------------------------------
# Schedules
# ---------------------------------------------------------------------------------------------


def elementwise(placer: Placer, target: Target) -> ir.Nest:
    """All points are alike: one vector loop, or rows of one."""
    loops = Loops(placer, target)
    ctx = loops.ctx
    stages = loops.kernel.stages
    if placer.strided and len(placer.outer) == 1 and cost(loops.kernel.roots()) <= STREAM_COST:
        loops.kind = "serial"  # lanes would be gathered and scattered, one by one

    def all_stages(point: Point) -> list[ir.Stmt]:
        return [s for stage in stages for s in loops.point(stage, point)]

    if not placer.outer:
        return placer.nest(guarded(loops, all_stages({})), "scalar", nonempty=False)
    *before, last = placer.outer
    key, j = loops.names.index("j")
    points = product(ctx, [a.extent for a in placer.outer])
    if not before:

        def span(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
            if in_strips(loops):
                return strips(loops, last.key, {}, low, high)
            return [ir.For(key, low, high, tuple(all_stages({last.key: j})), loops.kind)]

        body = loops.chunks(last.extent, ctx.integer(loops.grain()), points, span)
        return placer.nest(guarded(loops, body), "flat" if placer.flat else "line")

    zero = ctx.integer(0)

    def row(point: Point, start: Expr = zero, stop: Expr = last.extent) -> list[ir.Stmt]:
        if in_strips(loops):
            return strips(loops, last.key, point, start, stop)
        inside = all_stages(point | {last.key: j})
        return [ir.For(key, start, stop, tuple(inside), loops.kind)]

    def some_rows(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        return loops.rows(before, low, high, row)

    def some_blocks(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        block, b = loops.names.index("b")
        inside: list[ir.Stmt] = []
        stop = loops.names.let(inside, minimum(b + ctx.integer(SIDE), last.extent))
        inside += loops.rows(before, low, high, lambda point: row(point, b, stop))
        blocks: list[ir.Stmt] = [ir.For(block, zero, last.extent, tuple(inside), step=SIDE)]
        if len(before) > 1 or placer.strided:
            return blocks
        r, i = loops.names.index("r")
        point = {before[0].key: i, last.key: j}
        column = ir.For(r, low, high, tuple(all_stages(point)), loops.kind)
        columns = ir.For(key, zero, last.extent, (column,))
        return [ir.If(last.extent < ctx.integer(NARROW), (columns,), tuple(blocks))]

    rows = product(ctx, [a.extent for a in before])
    if placer.strided or placer.turned(before[-1].key, last.key):
        body = loops.chunks(rows, ctx.integer(SIDE), points, some_blocks)
        return placer.nest(guarded(loops, body), "blocks")
    body = loops.chunks(rows, _rows_per_chunk(loops, last.extent), points, some_rows)
    return placer.nest(guarded(loops, body), "rows")


def _rows_per_chunk(loops: Loops, row_points: Expr) -> Expr:
    return at_least(divide(loops.ctx.integer(loops.grain()), at_least(row_points, 1)), 1)


def _scratch(loops: Loops, width: int) -> tuple[list[ir.Stmt], dict[str, str]]:
    """Arrays for kept values of full stages, `width` values per inner point."""
    arrays: list[ir.Stmt] = []
    names: dict[str, str] = {}
    length = product(loops.ctx, [loops.ctx.integer(width), *(a.extent for a in loops.placer.inner)])
    for stage in loops.kernel.stages:
        if stage.level == "full":
            for key, expr in stage.keep:
                names[key] = loops.names.fresh("row")
                arrays.append(ir.Array(names[key], expr.dtype, length))
    return arrays, names


def row_nest(placer: Placer, target: Target) -> ir.Nest:
    """All stages of one outer point after another, inner points in lanes."""
    loops = Loops(placer, target)
    ctx = loops.ctx
    arrays, scratch = _scratch(loops, 1)
    if placer.outer and sum(stage.level == "full" for stage in loops.kernel.stages) > 1:
        loops.ahead = placer.outer[-1]

    def row(point: Point) -> list[ir.Stmt]:
        out: list[ir.Stmt] = []
        for stage in loops.kernel.stages:
            if stage.level == "outer":
                out += loops.point(stage, point)
            elif not stage.reductions:
                out += loops.map_points(stage, point, None, scratch)
            else:
                body, finished = loops.reduce_points(stage, point, None, scratch)
                out += body
                for acc, parts in finished:
                    _publish(loops, out, acc, acc.result(parts))
        return out

    def some_rows(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        return [*arrays, *loops.rows(placer.outer, low, high, row)]

    one = ctx.integer(1)
    rows = product(ctx, [one, *(a.extent for a in placer.outer)])
    inner = product(ctx, [one, *(a.extent for a in placer.inner)])
    if not placer.outer:
        return placer.nest(guarded(loops, [*arrays, *row({})]), "row", nonempty=False)
    body = loops.chunks(rows, _rows_per_chunk(loops, inner), product(ctx, (rows, inner)), some_rows)
    return placer.nest(guarded(loops, body), "rows")


def _publish(loops: Loops, out: list[ir.Stmt], acc: Accumulator, value: Expr) -> None:
    """Make the result of a reduction readable in later stages."""
    name = loops.ctx.local(acc.reduction.key, acc.reduction.dtype)
    loops.values[name] = loops.names.let(out, value)


def full_nest(placer: Placer, target: Target) -> ir.Nest:
    """Inner points in parallel chunks; outer points, if any, one after the other."""
    loops = Loops(placer, target)
    ctx = loops.ctx

    def row(point: Point) -> list[ir.Stmt]:
        out: list[ir.Stmt] = []
        for stage in loops.kernel.stages:
            if stage.level == "outer":
                out += loops.point(stage, point)
            else:
                out += _split_stage(loops, stage, point)
        return out

    if not placer.outer:
        return placer.nest(guarded(loops, row({})), "full", nonempty=False)
    rows = product(ctx, [a.extent for a in placer.outer])
    body = loops.rows(placer.outer, ctx.integer(0), rows, row)
    return placer.nest(guarded(loops, body), "full")


def _split_stage(loops: Loops, stage: Stage, point: Point) -> list[ir.Stmt]:
    """One stage of a full nest: chunks of the first inner axis, then their combination."""
    ctx = loops.ctx
    out: list[ir.Stmt] = []
    first, *rest = loops.placer.inner
    row = product(ctx, [ctx.integer(1), *(a.extent for a in rest)])
    points = product(ctx, (first.extent, row))
    smallest = at_least(divide(ctx.integer(MIN_CHUNK), at_least(row, 1)), 1)
    even = ceil_div(first.extent, ctx.integer(MAX_CHUNKS))
    length = loops.names.let(out, maximum(smallest, even))
    number = loops.names.let(out, ceil_div(first.extent, length))
    if not stage.reductions:

        def sweep(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
            return loops.map_points(stage, point, (low, high), {})

        return out + loops.chunks(first.extent, length, points, sweep)
    partial: list[tuple[Accumulator, tuple[str, ...]]] = []

    def reduce(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        body, finished = loops.reduce_points(stage, point, (low, high), {})
        for acc, parts in finished:
            arrays = tuple(loops.names.fresh("part") for _ in parts)
            partial.append((acc, arrays))
            body += [Store(a, (chunk,), p) for a, p in zip(arrays, parts, strict=True)]
        return body

    loop = loops.chunks(first.extent, length, points, reduce)
    for acc, arrays in partial:
        out += [ir.Array(a, t, MAX_CHUNKS) for a, t in zip(arrays, acc.parts, strict=True)]
    out += loop
    for acc, arrays in partial:
        _publish(loops, out, acc, acc.combine(out, arrays, number))
    return out
