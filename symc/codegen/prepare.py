"""Kernels made ready for scheduling: formal sizes, linear element offsets, collapsed axes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace

from ..loop.kernel import Axis, Kernel, Operand, Stage, Store
from ..scalar.expr import Context, Expr, substitute, walk
from ..scalar.op import Cast
from .expand import expand

Shapes = dict[str, tuple[Expr, ...]]


class Sizes:
    """Formal integer parameters of a kernel's nests.

    Every size expression of the program that the kernel uses becomes a leaf ``("arg", name)``.
    Names are given in order of first use, so equal kernels get equal texts.
    """

    def __init__(self, ctx: Context) -> None:
        self.ctx = ctx
        self.formal: dict[Expr, Expr] = {}

    def of(self, expr: Expr) -> Expr:
        """The formal that stands for a size expression; constants stay."""
        if expr.kind == "const":
            return expr
        found = self.formal.get(expr)
        if found is None:
            found = self.ctx.size(("arg", str(len(self.formal))))
            self.formal[expr] = found
        return found

    @property
    def pairs(self) -> tuple[tuple[str, Expr], ...]:
        """Names and what the caller passes, for :attr:`symc.loop.ir.Nest.sizes`."""
        return tuple((leaf.payload[1], expr) for expr, leaf in self.formal.items())


@dataclass(frozen=True)
class Linear:
    """An element offset: ``constant + sum coefficient * axis + sum coefficient * atom``.

    Attributes
    ----------
    constant : Expr
    axes : dict
        Coefficient by axis key.
    atoms : tuple of (Expr, Expr)
        (atom, coefficient): index values that are not linear in the axes (gathers).
    """

    constant: Expr
    axes: dict[str, Expr]
    atoms: tuple[tuple[Expr, Expr], ...]


@dataclass(eq=False)
class Prepared:
    """A kernel over formal sizes.

    Attributes
    ----------
    ctx : Context
    outer, inner : list of Axis
    operands : tuple of Operand
    shapes : dict
        Lengths of every operand, formal.
    stages : tuple of Stage
    checks : tuple
        As :attr:`Kernel.index_checks`.
    sizes : Sizes
    pinned : set of str
        Axes whose index is used as a value.
    risky : set of Expr
        Loads that are in range only where a ``switch`` chooses them, as far as one can see.
    """

    ctx: Context
    outer: list[Axis]
    inner: list[Axis]
    operands: tuple[Operand, ...]
    shapes: Shapes
    stages: tuple[Stage, ...]
    checks: tuple[tuple[Expr, Expr, int], ...]
    sizes: Sizes
    pinned: set[str] = field(default_factory=set)
    risky: set[Expr] = field(default_factory=set)

    @property
    def keeps(self) -> bool:
        """Whether values per inner point are held from one stage to another."""
        return any(stage.keep for stage in self.stages if stage.level == "full")

    def roots(self) -> list[Expr]:
        """All expressions of all stages."""
        return [e for stage in self.stages for e in stage_roots(stage)]


def stage_roots(stage: Stage) -> list[Expr]:
    """All expressions of a stage: reductions, kept values, then indices and values stored."""
    roots = [r.value for r in stage.reductions] + [e for _, e in stage.keep]
    for store in stage.stores:
        roots += [*store.index, store.value]
    return roots


def rebuild_stage(stage: Stage, roots: Sequence[Expr]) -> Stage:
    """`stage` with other expressions, in the order of :func:`stage_roots`."""
    rest = iter(roots)
    reductions = tuple(replace(r, value=next(rest)) for r in stage.reductions)
    keep = tuple((key, next(rest)) for key, _ in stage.keep)
    stores = tuple(
        Store(s.operand, tuple(next(rest) for _ in s.index), next(rest)) for s in stage.stores
    )
    return Stage(stage.level, reductions, stores, keep)


def prepare(
    kernel: Kernel,
    shapes: Shapes,
    recompute: bool = False,
    aliased: frozenset[str] = frozenset(),
) -> Prepared:
    """Give a kernel formal sizes and ops that have C text.

    Parameters
    ----------
    kernel : Kernel
    shapes : dict
        Lengths of every operand's array, as size expressions of the program.
    recompute : bool
        Compute values that later stages read again, instead of holding them in memory.
    aliased : frozenset of str
        Operands that share memory with one that is stored to. What is computed from them is never
        computed again: a store may have come in between.
    """
    ctx = kernel.ctx
    sizes = Sizes(ctx)
    axes = [Axis(a.key, sizes.of(a.extent), a.role) for a in kernel.axes]
    formal_shapes = {o.key: tuple(sizes.of(n) for n in shapes[o.key]) for o in kernel.operands}
    checked = [e for index, length, _ in kernel.index_checks for e in (index, length)]
    roots = [e for stage in kernel.stages for e in stage_roots(stage)] + checked
    leaves = _size_leaves(roots, sizes)
    unit = {a.key for a in axes if a.extent.is_const and a.extent.value == 1}
    leaves.update({ctx.index(key): ctx.integer(0) for key in unit})
    axes = [a for a in axes if a.key not in unit]
    rewritten = iter(expand(roots, ctx, leaves))
    stages = []
    for stage in kernel.stages:
        stages.append(rebuild_stage(stage, [next(rewritten) for _ in stage_roots(stage)]))
    checks = tuple((next(rewritten), next(rewritten), tag) for _, _, tag in kernel.index_checks)
    outer = [a for a in axes if a.role == "outer"]
    inner = [a for a in axes if a.role == "inner"]
    if not any(s.reductions for s in stages) and len(stages) == 1:
        outer, inner = outer + inner, []
    final = _inline_kept(ctx, stages, math.inf if recompute else CHEAP, aliased)
    prepared = Prepared(ctx, outer, inner, kernel.operands, formal_shapes, final, checks, sizes)
    prepared.pinned = _pinned(prepared)
    prepared.risky = _risky(prepared)
    return prepared


def _size_leaves(roots: Iterable[Expr], sizes: Sizes) -> dict[Expr, Expr]:
    """Map the largest expressions of sizes alone to their formals."""
    nodes = walk(roots)
    pure: set[Expr] = set()
    for node in nodes:
        if node.dtype == "int64" and (
            node.kind in ("size", "const")
            or (node.kind == "call" and all(a in pure for a in node.args))
        ):
            pure.add(node)
    parents_pure = {a for n in nodes if n in pure for a in n.args}
    top = [n for n in nodes if n in pure and n.kind != "const"]
    mixed = {a for n in nodes if n not in pure for a in n.args} | set(roots)
    return {n: sizes.of(n) for n in top if n not in parents_pure or n in mixed}


CHEAP = 4
"""Kept values whose cost is at most this are computed again instead of held in memory."""


def _inline_kept(
    ctx: Context, stages: Sequence[Stage], limit: float, aliased: frozenset[str]
) -> tuple[Stage, ...]:
    """Replace reads of kept values that cost at most `limit` by their expressions."""
    replaced: dict[Expr, Expr] = {}
    result = []
    for stage in stages:
        roots = expand(stage_roots(stage), ctx, replaced)
        stage = rebuild_stage(stage, roots)
        keep = []
        for key, expr in stage.keep:
            unsafe = any(n.kind == "load" and n.payload in aliased for n in walk([expr]))
            if stage.level == "full" and not unsafe and cost([expr]) <= limit:
                replaced[ctx.local(key, expr.dtype)] = expr
            else:
                keep.append((key, expr))
        result.append(replace(stage, keep=tuple(keep)))
    return tuple(result)


def cost(roots: Iterable[Expr]) -> int:
    """Rough number of cheap operations that computing `roots` takes."""
    total = 0
    for node in walk(roots):
        if node.kind == "call":
            total += node.op.cost
    return total


# ---------------------------------------------------------------------------------------------
# Linear offsets
# ---------------------------------------------------------------------------------------------


def product(ctx: Context, factors: Iterable[Expr]) -> Expr:
    """The product of sizes in a canonical order, so that equal products are identical."""
    number, rest = 1, []
    stack = list(factors)
    while stack:
        factor = stack.pop()
        if factor.kind == "const":
            number *= int(factor.value)
        elif factor.kind == "call" and factor.op.name == "mul":
            stack.extend(factor.args)
        else:
            rest.append(factor)
    if number == 0 or not rest:
        return ctx.integer(number)
    rest.sort(key=lambda e: e.number)
    result = rest[0]
    for factor in rest[1:]:
        result = result * factor
    return result if number == 1 else result * ctx.integer(number)


def contiguous_strides(ctx: Context, shape: Sequence[Expr]) -> tuple[Expr, ...]:
    """Strides in elements of a C-contiguous array."""
    return tuple(product(ctx, shape[axis + 1 :]) for axis in range(len(shape)))


def run_time_strides(ctx: Context, operand: Operand) -> tuple[Expr, ...]:
    """The strides that the array has at run time."""
    return tuple(ctx.size(("stride", operand.key, axis)) for axis in range(operand.ndim))


def linear(ctx: Context, index: Sequence[Expr], strides: Sequence[Expr], axes: set[str]) -> Linear:
    """Decompose ``sum index * stride`` by the axes of the domain."""
    constant: Expr = ctx.integer(0)
    coefficients: dict[str, Expr] = {}
    atoms: dict[Expr, Expr] = {}
    stack = [(entry, stride) for entry, stride in zip(index, strides, strict=True)]
    while stack:
        node, factor = stack.pop()
        if node.kind == "index" and node.payload in axes:
            known = coefficients.get(node.payload)
            coefficients[node.payload] = factor if known is None else known + factor
        elif node.kind in ("const", "size"):
            constant = constant + product(ctx, (node, factor))
        elif node.kind == "call" and node.op.name == "add":
            stack.extend((arg, factor) for arg in node.args)
        elif node.kind == "call" and node.op.name == "sub":
            stack.append((node.args[0], factor))
            stack.append((node.args[1], product(ctx, (ctx.integer(-1), factor))))
        elif node.kind == "call" and node.op.name == "mul" and _scaled(node) is not None:
            scale = _scaled(node)
            assert scale is not None
            stack.append((scale[0], product(ctx, (scale[1], factor))))
        else:
            known = atoms.get(node)
            atoms[node] = factor if known is None else known + factor
    return Linear(constant, coefficients, tuple(atoms.items()))


def _scaled(node: Expr) -> tuple[Expr, Expr] | None:
    """A product of two, one of them a size: (other, size)."""
    if len(node.args) != 2:
        return None
    for value, factor in (node.args, node.args[::-1]):
        if factor.kind in ("const", "size"):
            return value, factor
    return None


def _pinned(kernel: Prepared) -> set[str]:
    """Axes whose index is used as a value, not only to address elements linearly."""
    pinned: set[str] = set()
    seen: set[Expr] = set()
    stack: list[Expr] = []
    for stage in kernel.stages:
        stack += [r.value for r in stage.reductions] + [e for _, e in stage.keep]
        for store in stage.stores:
            stack += [store.value, *non_linear_parts(store.index)]
    stack += [index for index, _, _ in kernel.checks]
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node.kind == "index":
            pinned.add(node.payload)
        elif node.kind == "load":
            stack.extend(non_linear_parts(node.args))
        elif (place := run_place(node)) is not None:
            stack.extend([*node.args[:-1], *non_linear_parts([place])])
        else:
            stack.extend(node.args)
    return pinned


def run_place(node: Expr) -> Expr | None:
    """The place (int64) of a point in a run, if `node` calls a function that has runs."""
    if node.kind != "call" or node.op.run is None:
        return None
    last: Expr = node.args[-1]
    if last.kind != "call" or not isinstance(last.op, Cast) or last.args[0].dtype != "int64":
        return None
    return last.args[0]


def first_of_run(value: Expr, lane: Expr) -> Expr | None:
    """`value` at lane 0, if the values of all lanes are a run of its function."""
    place = run_place(value)
    if place is None:
        return None
    return _at_first(value, place, lane)


def first_of_loads(value: Expr, lane: Expr) -> Expr | None:
    """`value` at lane 0, if it is a load whose last index is greater by one at the next lane."""
    return _at_first(value, value.args[-1], lane) if value.kind == "load" and value.args else None


def _at_first(value: Expr, place: Expr, lane: Expr) -> Expr | None:
    """`value` at lane 0, if of its operands only the last, `place`, grows: by one per lane."""
    ctx = value.ctx
    grows = linear(ctx, [place], [ctx.integer(1)], {lane.payload})
    others = [*value.args[:-1], *(atom for atom, _ in grows.atoms)]
    if grows.axes.get(lane.payload) is not ctx.integer(1) or lane in walk(others):
        return None
    return substitute([value], {lane: ctx.integer(0)}, ctx)[0]


def _risky(kernel: Prepared) -> set[Expr]:
    """Loads with an index that is neither a whole axis nor a constant inside the operand."""
    extents = {a.key: a.extent for a in (*kernel.outer, *kernel.inner)}

    def inside(entry: Expr, length: Expr) -> bool:
        if entry.kind == "index":
            return extents[entry.payload] is length
        return entry.kind == "const" and length.kind == "const" and entry.value < length.value

    return {
        node
        for node in walk(kernel.roots())
        if node.kind == "load" and not all(map(inside, node.args, kernel.shapes[node.payload]))
    }


def non_linear_parts(index: Iterable[Expr]) -> list[Expr]:
    """The parts of index expressions that are not sums of scaled axes and sizes."""
    parts = []
    stack = list(index)
    while stack:
        node = stack.pop()
        if node.kind in ("index", "const", "size"):
            continue
        if node.kind == "call" and node.op.name in ("add", "sub"):
            stack.extend(node.args)
        elif node.kind == "call" and node.op.name == "mul" and _scaled(node) is not None:
            scaled = _scaled(node)
            assert scaled is not None
            stack.append(scaled[0])
        else:
            parts.append(node)
    return parts
