"""Loops over the points of a kernel: what schedules are made of."""

from __future__ import annotations

import functools
import operator
from collections.abc import Callable, Sequence
from math import ceil, log2

import numpy as np

from ..loop import ir
from ..loop.kernel import Axis, Stage, Store
from ..scalar.arith import maximum, minimum
from ..scalar.expr import Expr, substitute, walk
from ..scalar.logic import ge, le
from ..scalar.op import REGISTRY, ScalarOp, intern_call
from .accumulate import BLOCK_GROUPS, Accumulator, Names, accumulator
from .applied import applied_functions, apply_both, into_array, is_function, side_by_side, twins
from .place import Placer, Point, known_before
from .prepare import cost, first_of_run, product, rebuild_stage, run_place, stage_roots
from .target import Target

CHUNK_NS = 15_000
"""Work of one chunk of a parallel loop."""

PREFETCH_BYTES = 65_536
"""Longest row that is prefetched while the row before it is worked on: it has to stay in cache."""

DEAR = 20
"""Cost of a kernel from which the length of its code matters more than the last cycle."""

Values = dict[Expr, Expr]
"""What stands for the locals of a kernel."""

Body = Callable[[Point], "list[ir.Stmt]"]


class Loops:
    """Emits loops for one placed kernel.

    Attributes
    ----------
    values : dict
        What stands for locals (results of reductions, kept values) in later stages.
    kind : str
        ``"simd"`` if the kernel's ops are branch-free and vectorise, else ``"serial"``.
    ahead : Axis or None
        The axis whose next point's row is fetched into the cache by the first sweep that calls
        functions: while it computes, memory would be idle.
    """

    def __init__(self, placer: Placer, target: Target) -> None:
        self.placer = placer
        self.kernel = placer.kernel
        self.ctx = placer.ctx
        self.target = target
        self.names = Names(self.ctx)
        self.values: Values = {}
        self.kind = vector_kind(self.kernel.roots())
        self.ahead: Axis | None = None

    # ---- estimates

    def point_ns(self) -> float:
        """Estimated time of one point, all stages."""
        total = 0.0
        for stage in self.kernel.stages:
            roots = stage_roots(stage)
            elements = sum(1 for n in walk(roots) if n.kind == "load") + len(stage.stores)
            total += self.target.operation_ns * cost(roots) + 0.1 * elements
        return max(total, 0.1)

    def grain(self) -> int:
        """Points per chunk of a parallel loop."""
        return 1 << max(10, ceil(log2(CHUNK_NS / self.point_ns())))

    def work(self, points: Expr) -> Expr:
        """Estimated nanoseconds for a number of points."""
        eighths = max(1, round(8 * self.point_ns()))
        return divide(points * self.ctx.integer(eighths), self.ctx.integer(8))

    # ---- chunks

    def chunks(
        self,
        count: Expr,
        length: Expr,
        points: Expr,
        body: Callable[[Expr, Expr, Expr], list[ir.Stmt]],
    ) -> list[ir.Stmt]:
        """A parallel loop over chunks of ``range(count)``.

        Parameters
        ----------
        count, length : Expr
            Number of iterations in all and per chunk.
        points : Expr
            Number of points that all iterations compute.
        body : callable
            Statements for a chunk, given its number and its iterations ``low`` to ``high``.
        """
        key, chunk = self.names.index("c")
        inside: list[ir.Stmt] = []
        low = self.names.let(inside, chunk * length)
        high = self.names.let(inside, minimum(low + length, count))
        inside += body(chunk, low, high)
        number = ceil_div(count, length)
        zero = self.ctx.integer(0)
        return [ir.For(key, zero, number, tuple(inside), "parallel", work=self.work(points))]

    def rows(self, axes: Sequence[Axis], low: Expr, high: Expr, body: Body) -> list[ir.Stmt]:
        """A serial loop over rows ``low`` to ``high`` of the product of `axes`, in C order.

        With several axes their indices are counted up like an odometer; only the first is found
        by division.
        """
        key, row = self.names.index("r")
        if not axes:
            return [ir.For(key, low, high, tuple(body({})))]
        if len(axes) == 1:
            return [ir.For(key, low, high, tuple(body({axes[0].key: row})))]
        out: list[ir.Stmt] = []
        counters = self._split(out, axes, low)
        inside: list[ir.Stmt] = []
        point: Point = {}
        for axis, counter in zip(axes, counters, strict=True):
            name = self.names.fresh("i")
            inside.append(ir.Let(name, counter))
            point[axis.key] = self.ctx.local(name, "int64")
        inside += body(point)
        inside += self._advance(axes, counters)
        out.append(ir.For(key, low, high, tuple(inside)))
        return out

    def _split(self, out: list[ir.Stmt], axes: Sequence[Axis], number: Expr) -> list[Expr]:
        """Indices of row `number`, as mutable locals."""
        counters: list[Expr] = []
        rest = number
        for axis in reversed(axes):
            last = axis is axes[0]
            value = rest if last else rest - divide(rest, axis.extent) * axis.extent
            key = self.names.fresh("o")
            out.append(ir.Var(key, value))
            counters.insert(0, self.ctx.local(key, "int64"))
            if not last:
                rest = self.names.let(out, divide(rest, axis.extent))
        return counters

    def _advance(self, axes: Sequence[Axis], counters: Sequence[Expr]) -> list[ir.Stmt]:
        zero, one = self.ctx.integer(0), self.ctx.integer(1)
        body: list[ir.Stmt] = []
        for axis, counter in zip(axes, counters, strict=True):
            step: list[ir.Stmt] = [ir.Assign(counter.payload, counter + one)]
            if axis is not axes[0]:
                carry = (ir.Assign(counter.payload, zero), *body)
                step.append(ir.If(counter >= axis.extent, carry))
            body = step
        return body

    # ---- points

    def point(self, stage: Stage, point: Point) -> list[ir.Stmt]:
        """The values of `stage` at one point, without reductions: kept, then stored."""
        out: list[ir.Stmt] = []
        for key, expr in stage.keep:
            value = self.placer.place([expr], point, self.values)[0]
            self.values[self.ctx.local(key, expr.dtype)] = self.names.let(out, value)
        out += self.stores(stage, point, {})
        return out

    def stores(self, stage: Stage, point: Point, extra: Values) -> list[ir.Stmt]:
        """The stores of `stage`: all values are computed before the first is stored."""
        values = self.values | extra
        out: list[ir.Stmt] = []
        roots = [s.value for s in stage.stores]
        placed = self.placer.place(roots, point, values)
        if len(placed) > 1:
            placed = [self.names.let(out, v) for v in placed]
        for store, value in zip(stage.stores, placed, strict=True):
            index = self.placer.place_store(store, point, values)
            out.append(Store(store.operand, index, value))
        return out

    # ---- sweeps over inner axes

    def nested(self, axes: Sequence[Axis], body: Body, point: Point) -> list[ir.Stmt]:
        """Serial loops over `axes` around `body`."""
        keys = [self.names.index("i") for _ in axes]
        inner = body(point | {a.key: i for a, (_, i) in zip(axes, keys, strict=True)})
        zero = self.ctx.integer(0)
        for axis, (key, _) in zip(reversed(axes), reversed(keys), strict=True):
            inner = [ir.For(key, zero, axis.extent, tuple(inner))]
        return inner

    def position(self, point: Point) -> Expr:
        """Place of a point among the inner points, in C order."""
        total: Expr = self.ctx.integer(0)
        for axis in self.placer.inner:
            total = product(self.ctx, (total, axis.extent)) + point[axis.key]
        return total

    def map_points(
        self, stage: Stage, point: Point, span: tuple[Expr, Expr] | None, scratch: dict[str, str]
    ) -> list[ir.Stmt]:
        """Sweep the inner axes for a stage without reductions.

        Parameters
        ----------
        stage : Stage
        point : dict
            Values of the outer axes.
        span : tuple of Expr or None
            Part of the first inner axis to sweep; all of it by default.
        scratch : dict
            Array that holds each kept value, by key.
        """
        *before, last = self.placer.inner
        key, j = self.names.index("j")
        low, high = self.ctx.integer(0), last.extent

        divisors, products = self._divided(stage)

        def sweep(stage: Stage, at: Point) -> ir.For:
            inside = self._element(stage, at | {last.key: j}, scratch, [])
            start, stop = (low, high) if before or span is None else span
            return ir.For(key, start, stop, tuple(inside), self.kind)

        def body(at: Point) -> list[ir.Stmt]:
            if not divisors:
                return [sweep(stage, at)]
            out: list[ir.Stmt] = []
            safe = [self._is_moderate(out, d, point) for d in divisors]
            condition = functools.reduce(operator.and_, safe)
            return [*out, ir.If(condition, (sweep(products, at),), (sweep(stage, at),))]

        if before and span is not None:
            index, i = self.names.index("i")
            rest = self.nested(before[1:], body, point | {before[0].key: i})
            return [ir.For(index, *span, tuple(rest))]
        return self.nested(before, body, point)

    def _divided(self, stage: Stage) -> tuple[list[Expr], Stage]:
        """What floats are divided by though a sweep does not change it, and `stage` with products.

        The products have the bits of the quotients (see ``sy_quotient``) as long as the divisors
        are moderate, and take a third of the time. Where functions are called as well, quotients
        cost nothing: other units of the processor compute them.
        """
        ctx = self.ctx
        moving = {a.key for a in self.placer.inner}
        kept = {key for s in self.kernel.stages if s.level == "full" for key, _ in s.keep}
        roots = stage_roots(stage)
        nodes = walk(roots)
        changes: dict[Expr, bool] = {}
        replaced: dict[Expr, Expr] = {}
        divisors: dict[Expr, None] = {}
        for node in nodes:
            changes[node] = (
                (node.kind == "index" and node.payload in moving)
                or (node.kind == "local" and node.payload in kept)
                or any(changes[a] for a in node.args)
            )
            if node.kind != "call" or node.op.name != "true_div":
                continue
            top, bottom = node.args
            alike = node.dtype == top.dtype == bottom.dtype in ("float32", "float64")
            if alike and changes[top] and not (changes[bottom] or bottom.is_const):
                inverse = ctx.const(1.0, node.dtype) / bottom
                replaced[node] = intern_call(ctx, _QUOTIENT, (top, bottom, inverse), node.dtype)
                divisors[bottom] = None
        if self.kind != "simd" or any(map(is_function, nodes)):
            return [], stage
        return list(divisors), rebuild_stage(stage, [self._deep(r, replaced) for r in roots])

    def _is_moderate(self, out: list[ir.Stmt], divisor: Expr, point: Point) -> Expr:
        """Whether the size of a divisor is from 2^-20 to 2^20."""
        value = self.names.let(out, self.placer.place([divisor], point, self.values)[0])
        size = self.names.let(out, REGISTRY["abs_"](value))
        least, most = (self.ctx.const(b, divisor.dtype) for b in (2.0**-20, 2.0**20))
        moderate: Expr = ge(size, least) & le(size, most)
        return moderate

    def _deep(self, root: Expr, replaced: dict[Expr, Expr]) -> Expr:
        """`root` with replacements, also inside of replacements."""
        while True:
            (new,) = substitute([root], replaced, self.ctx)
            if new is root:
                return root
            root = new

    def _element(
        self,
        stage: Stage,
        point: Point,
        scratch: dict[str, str],
        updates: Sequence[tuple[Accumulator, Expr, Expr]],
        strips: Sequence[tuple[Accumulator, str, Expr]] = (),
    ) -> list[ir.Stmt]:
        """One point of a sweep: values, then accumulation, kept values and stores.

        With `strips` the values of reductions are stored to arrays instead.
        """
        out: list[ir.Stmt] = []
        values = self.read_locals(out, stage, self.values | self._kept(scratch, point))
        reductions = [a.reduction for a, _, _ in updates] + [a.reduction for a, _, _ in strips]
        roots = [r.value for r in reductions] + [e for _, e in stage.keep]
        placed = [self.names.let(out, v) for v in self.placer.place(roots, point, values)]
        own = {
            expr: value
            for (_, expr), value in zip(stage.keep, placed[len(reductions) :], strict=True)
        }
        stored = self.stores(stage, point, values | own)
        for (acc, lane, group), value in zip(updates, placed, strict=False):
            out += acc.update(lane, value, group)
        for (_, array, lane), value in zip(strips, placed, strict=False):
            out.append(Store(array, (lane,), value))
        for key, expr in stage.keep:
            if key in scratch:
                out.append(Store(scratch[key], (self.position(point),), own[expr]))
        return out + stored

    def read_locals(self, out: list[ir.Stmt], stage: Stage, values: Values) -> Values:
        """Name those of `values` that `stage` reads from arrays, so that each is read once."""
        used = {n for n in walk(stage_roots(stage)) if n.kind == "local"}
        return {
            local: self.names.let(out, value) if local in used else value
            for local, value in values.items()
        }

    def _kept(self, scratch: dict[str, str], point: Point) -> Values:
        """Reads of kept values from scratch."""
        at = self.position(point) if scratch else None
        result: Values = {}
        for stage in self.kernel.stages:
            for key, expr in stage.keep:
                if key in scratch and at is not None:
                    load = self.ctx.load(scratch[key], (at,), expr.dtype)
                    result[self.ctx.local(key, expr.dtype)] = load
        return result

    def reduce_points(
        self,
        stage: Stage,
        point: Point,
        span: tuple[Expr, Expr] | None,
        scratch: dict[str, str],
    ) -> tuple[list[ir.Stmt], list[tuple[Accumulator, tuple[Expr, ...]]]]:
        """Sweep the inner axes for a stage with reductions.

        Returns the statements and, per reduction, its accumulator and parts (as for
        :meth:`Accumulator.combine`). Parameters are those of :meth:`map_points`.
        """
        lanes = self._lanes(stage)
        accumulators = [accumulator(self.names, r, lanes) for r in stage.reductions]
        out: list[ir.Stmt] = [s for a in accumulators for s in a.declare()]
        *before, last = self.placer.inner
        first = self.ctx.integer(0) if before or span is None else span[0]

        def body(at: Point) -> list[ir.Stmt]:
            stop = last.extent if before or span is None else span[1]
            return self._lane_loops(stage, at, last, (first, stop), accumulators, scratch)

        if before and span is not None:
            index, i = self.names.index("i")
            rest = self.nested(before[1:], body, point | {before[0].key: i})
            out.append(ir.For(index, *span, tuple(rest)))
        else:
            out += self.nested(before, body, point)
        finished = [(a, a.finish(out, first, self.kind)) for a in accumulators]
        return out, finished

    def _lanes(self, stage: Stage) -> int:
        roots = stage_roots(stage)
        sizes = [np.dtype(r.value.dtype).itemsize for r in stage.reductions]
        apart = self.kind == "simd" and any(map(is_function, walk(roots)))
        lanes = self.target.lanes(max(sizes), 0 if apart else cost(roots))
        # an index waits for three comparisons, not for one addition
        return 2 * lanes if any(r.arg for r in stage.reductions) else lanes

    def _lane_loops(
        self,
        stage: Stage,
        point: Point,
        axis: Axis,
        span: tuple[Expr, Expr],
        accumulators: Sequence[Accumulator],
        scratch: dict[str, str],
    ) -> list[ir.Stmt]:
        """Sweep one axis in groups of lanes, several groups to a block.

        The last group may be shorter. Cheap loops handle it apart, so that the others have a
        constant number of lanes; dear ones would only get longer to compile by that. Functions
        are computed in a loop of their own.
        """
        if self.kind == "simd" and any(is_function(n) for n in walk(stage_roots(stage))):
            return self._strip_loops(stage, point, axis, span, accumulators, scratch)
        out: list[ir.Stmt] = []
        lanes = self.ctx.integer(accumulators[0].lanes)
        zero = self.ctx.integer(0)
        count = self.names.let(out, span[1] - span[0])
        dear = cost(stage_roots(stage)) > DEAR
        whole = ceil_div(count, lanes) if dear else divide(count, lanes)
        groups = self.names.let(out, whole)

        def group(number: Expr, width: Expr | None) -> list[ir.Stmt]:
            before: list[ir.Stmt] = []
            if width is None:
                width = self.names.let(before, minimum(lanes, count - number * lanes))
            key, lane = self.names.index("l")
            inside: list[ir.Stmt] = []
            j = self.names.let(inside, span[0] + number * lanes + lane)
            updates = [(a, lane, number) for a in accumulators]
            inside += self._element(stage, point | {axis.key: j}, scratch, updates)
            return [*before, ir.For(key, zero, width, tuple(inside), self.kind)]

        number, g = self.names.index("g")
        body = tuple(group(g, None if dear else lanes))
        flush = [s for a in accumulators for s in a.flush(self.kind)]
        if flush:
            block, b = self.names.index("b")
            inside: list[ir.Stmt] = []
            end = self.names.let(inside, minimum(b + self.ctx.integer(BLOCK_GROUPS), groups))
            inside += [ir.For(number, b, end, body), *flush]
            out.append(ir.For(block, zero, groups, tuple(inside), step=BLOCK_GROUPS))
        else:
            out.append(ir.For(number, zero, groups, body))
        if dear:
            return out
        rest = self.names.let(out, count - groups * lanes)
        tail = group(groups, rest) + [s for a in accumulators for s in a.flush(self.kind)]
        out.append(ir.If(rest > zero, tuple(tail)))
        return out

    def _fetch_ahead(self, point: Point, axis: Axis, count: Expr) -> list[ir.Stmt]:
        """Fetch what the next row has where this one has `count` elements from `point` on."""
        ahead, self.ahead = self.ahead, None
        if ahead is None or len(self.placer.inner) > 1:
            return []
        next_row = point | {ahead.key: point[ahead.key] + self.ctx.integer(1)}
        rows = self.placer.rows(ahead.key, axis.key, next_row)
        if not rows:
            return []
        size = max(np.dtype(o.dtype).itemsize for o in self.kernel.operands)
        longest = self.ctx.integer(PREFETCH_BYTES // size)
        fetch = tuple(ir.Prefetch(operand, index, count) for operand, index in rows)
        return [ir.If(axis.extent <= longest, fetch)]

    def _runs(
        self,
        out: list[ir.Stmt],
        stage: Stage,
        point: Point,
        lane: Expr,
        counts: tuple[Expr, int],
    ) -> Values:
        """Compute what has a function for runs into arrays: what is read instead, by value.

        So do twins, and what is called often, if its operands are in memory. `counts` are the
        number of lanes in use and the length of the arrays.
        """
        found: Values = {}
        nodes = [n for n in known_before(stage, self.values) if n.kind == "call" and n.args]
        for node in nodes:
            if run_place(node) is None:
                continue
            first = first_of_run(self.placer.place([node], point, self.values)[0], lane)
            if first is not None:
                array = self.names.fresh("run")
                out += [ir.Array(array, node.dtype, counts[1]), ir.Run(array, first, counts[0])]
                found[node] = self.ctx.load(array, (lane,), node.dtype)
        if self.placer.kernel.risky:
            return found
        for node, pair in twins(nodes).items():
            if node in found or any(is_function(n) for n in walk(node.args)):
                continue
            (operand,) = self.placer.place(node.args, point, self.values)
            source = side_by_side(self.placer, operand, lane)
            if source is None:
                source = into_array(out, self.names, (), operand, lane, counts)
            found |= apply_both(out, self.names, pair, source, lane, counts)
        loads = [n for n in nodes if n.args[0].kind == "load" and n not in found]
        for node in applied_functions(loads):
            (operand,) = self.placer.place(node.args, point, self.values)
            source = side_by_side(self.placer, operand, lane)
            if source is not None:
                array = self.names.fresh("strip")
                out.append(ir.Array(array, node.dtype, counts[1]))
                out.append(ir.Apply(array, node.op, counts[0], source))
                found[node] = self.ctx.load(array, (lane,), node.dtype)
        return found

    def _strip_loops(
        self,
        stage: Stage,
        point: Point,
        axis: Axis,
        span: tuple[Expr, Expr],
        accumulators: Sequence[Accumulator],
        scratch: dict[str, str],
    ) -> list[ir.Stmt]:
        """Sweep one axis in strips: values first, into arrays, then their accumulation.

        What is kept for later stages is read from there, all else lies in small arrays. Parameters
        are those of :meth:`_lane_loops`. Neither loop waits for the other's latencies,
        and the functions, which make the code long, stand there once.
        """
        width_lanes = accumulators[0].lanes
        length = width_lanes * BLOCK_GROUPS
        lanes, zero = self.ctx.integer(width_lanes), self.ctx.integer(0)
        key, start = self.names.index("b")
        inside: list[ir.Stmt] = []
        width = self.names.let(inside, minimum(self.ctx.integer(length), span[1] - start))
        inside += self._fetch_ahead(point | {axis.key: start}, axis, width)
        index, lane = self.names.index("l")
        kept = {expr: scratch[key] for key, expr in stage.keep if key in scratch}
        apart = [a for a in accumulators if a.reduction.value not in kept]
        held = [(a, self.names.fresh("strip"), lane) for a in apart]
        strips = {a: name for a, name, _ in held}
        inside += [ir.Array(name, a.reduction.value.dtype, length) for a, name, _ in held]
        runs = self._runs(inside, stage, point | {axis.key: start + lane}, lane, (width, length))
        element: list[ir.Stmt] = []
        at = point | {axis.key: self.names.let(element, start + lane)}
        self.values |= runs
        element += self._element(stage, at, scratch, [], held)
        self.values = {k: v for k, v in self.values.items() if k not in runs}
        inside.append(ir.For(index, zero, width, tuple(element), self.kind))
        whole = self.names.let(inside, divide(width, lanes))
        first = self.names.let(inside, divide(start - span[0], lanes))

        def group(number: Expr, count: Expr) -> ir.For:
            key, lane = self.names.index("l")
            body: list[ir.Stmt] = []
            at = number * lanes + lane
            for acc in accumulators:
                expr = acc.reduction.value
                array, where = strips.get(acc), at
                if array is None:  # later stages read it, too
                    array = kept[expr]
                    where = self.position(point | {axis.key: start + at})
                value = self.ctx.load(array, (where,), expr.dtype)
                body += acc.update(lane, self.names.let(body, value), first + number)
            return ir.For(key, zero, count, tuple(body), self.kind)

        number, g = self.names.index("g")
        inside.append(ir.For(number, zero, whole, (group(g, lanes),)))
        rest = self.names.let(inside, width - whole * lanes)
        inside.append(ir.If(rest > zero, (group(whole, rest),)))
        inside += [s for a in accumulators for s in a.flush(self.kind)]
        return [ir.For(key, *span, tuple(inside), step=length)]


def vector_kind(roots: Sequence[Expr]) -> str:
    """``"simd"`` if all values vectorise, else ``"serial"``."""
    for node in walk(roots):
        if node.dtype.startswith("complex"):
            return "serial"
        if node.kind == "call" and not node.op.vector and not node.op.moves:
            return "serial"
    return "simd"


def ceil_div(count: Expr, length: Expr) -> Expr:
    """``count / length``, rounded up."""
    one = count.ctx.integer(1)
    return divide(count + length - one, length)


_QUOTIENT = ScalarOp(
    "quotient",
    3,
    out="upcast",
    numpy=lambda a, b, inverse: a / b,
    c="sy_quotient{f}({0}, {1}, {2})",
    kinds="f",
    needs=("sy_arrays.h",),
    vector=True,
    cost=4,
    doc="Quotient by a moderate number, given its inverse as well.",
)

_SIZE_DIV = ScalarOp(
    "size_div",
    2,
    out="upcast",
    numpy=np.floor_divide,
    c="({0} / {1})",
    kinds="i",
    cost=20,
    doc="Quotient of sizes: neither is negative, the divisor is not 0.",
)


def divide(size: Expr, by: Expr) -> Expr:
    """``size / by``, rounded down; neither is negative and `by` is not 0."""
    if size.is_const and by.is_const:
        return size.ctx.integer(int(size.value) // int(by.value))
    return size.ctx.call(_SIZE_DIV, (size, by))


def at_least(value: Expr, bound: int) -> Expr:
    """`value`, but not less than `bound`."""
    return value.ctx.call(maximum, (value, value.ctx.integer(bound)))
