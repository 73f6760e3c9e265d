"""From a list of values to one kernel: expressions, stages, stores."""

from __future__ import annotations

from collections.abc import Callable, Container, Sequence
from typing import Any

from ..errors import VerifyError
from ..loop.kernel import Axis, Kernel, Operand, Reduction, Stage, Store
from ..scalar.expr import Context, Expr, substitute, walk
from .cluster import Cluster
from .define import Index, Value

KEEP_COST = 8
"""Work from which on a value is kept for later sweeps instead of being computed again."""


class KernelWriter:
    """Writes the kernel of some members of a cluster.

    Parameters
    ----------
    ctx : Context
    cluster : Cluster
    members : sequence of Value
        In topological order.
    stored : callable
        Whether a member gets a buffer.
    recomputed : callable
        Whether a value from elsewhere is computed again here instead of being read.

    Attributes
    ----------
    operands : dict from Value to str
        Values that the kernel reads, and their operand keys.
    results : dict from Value to str
        Values that it stores.
    """

    def __init__(
        self,
        ctx: Context,
        cluster: Cluster,
        members: Sequence[Value],
        stored: Callable[[Value], bool],
        recomputed: Callable[[Value], bool],
    ) -> None:
        self.ctx = ctx
        self.cluster = cluster
        self.members = list(members)
        self.stored = stored
        self.recomputed = recomputed
        self.operands: dict[Value, str] = {}
        self.results: dict[Value, str] = {}
        self._inside = set(self.members)
        self._locals: dict[Value, Expr] = {}
        self._elements: dict[tuple[Value, Index], Expr] = {}
        self._sweep: dict[Value, int] = {}
        self._checks: dict[tuple[Expr, Expr, int], None] = {}
        self.origin: dict[Any, int] = {}
        self._name_axes()

    def _name_axes(self) -> None:
        cluster = self.cluster
        inner = cluster.inner if cluster.inner is not None else frozenset()
        order = sorted(range(len(cluster.axes)), key=lambda a: (a in inner, a))
        self.axes = tuple(
            Axis(f"i{k}", cluster.axes[a], "inner" if a in inner else "outer")
            for k, a in enumerate(order)
        )
        self._leaf = {a: self.ctx.index(f"i{k}") for k, a in enumerate(order)}

    # ---- elements

    def _point(self, place: Sequence[int | None]) -> Index:
        zero = self.ctx.integer(0)
        return tuple(zero if p is None else self._leaf[p] for p in place)

    def element(self, value: Value, index: Index) -> Expr:
        """Element `index` of a value, over the axes of the kernel; iterative."""
        stack = [(value, index)]
        while stack:
            top = stack[-1]
            if top in self._elements:
                stack.pop()
                continue
            missing = self._try(*top)
            if missing is None:
                stack.pop()
            else:
                stack.append(missing)
        return self._elements[value, index]

    def _try(self, value: Value, index: Index) -> tuple[Value, Index] | None:
        """Work out an element; or say which other one is needed first."""
        if not self._computes(value, index):
            self._elements[value, index] = self._load(value, index)
            return None
        template = value.template
        assert template is not None
        replace: dict[Expr, Expr] = {self.ctx.index(d): e for d, e in enumerate(index)}
        for read in template.reads:
            entries = tuple(
                replace[e] if e in replace else substitute([e], replace, self.ctx)[0]
                if e.args else e
                for e in read.index
            )
            found = self._elements.get((read.source, entries))
            if found is None:
                return read.source, entries
            replace[read.slot] = found
        for check in template.checks:
            raw, length = substitute([check.raw, check.length], replace, self.ctx)
            number = self.origin.setdefault(check.node, len(self.origin))
            self._checks[raw, length, number] = None
        self._elements[value, index] = substitute([template.expr], replace, self.ctx)[0]
        return None

    def _computes(self, value: Value, index: Index) -> bool:
        """Whether an element is computed here; results of reductions are entered beforehand."""
        if value in self._inside:
            if value.form == "reduce":
                raise VerifyError(f"a kernel reads {value.node} at another point than its own")
            return True
        return value.computed and self.recomputed(value)

    def _load(self, value: Value, index: Index) -> Expr:
        key = self.operands.setdefault(value, f"x{len(self.operands)}")
        return self.ctx.load(key, index, value.dtype)

    # ---- the kernel

    def kernel(self) -> Kernel | None:
        """The kernel, or None if nothing of it is stored."""
        values: dict[Value, Expr] = {}
        for value in self.members:
            for node in value.origin:
                self.origin.setdefault(node, len(self.origin))
            point = self._point(self.cluster.members[value])
            if value.form == "reduce":
                values[value] = self._operand_of_reduction(value, point)
            else:
                values[value] = self.element(value, point)
            self._sweep[value] = self._first_sweep(value)
        if not any(map(self.stored, self.members)):
            return None
        stages = self._stages(values)
        operands = self._operand_records(stages)
        kernel = Kernel(self.ctx, self.axes, operands, stages, tuple(self._checks))
        kernel.notes["level"] = self.cluster.level
        return kernel

    def _operand_of_reduction(self, value: Value, point: Index) -> Expr:
        """What is accumulated; the result is entered as a local."""
        local = self._locals[value] = self.ctx.local(f"r{len(self._locals)}", value.dtype)
        out = self._point(self.cluster.out_place(value))
        self._elements[value, out] = local
        template = value.template
        assert template is not None
        replace: dict[Expr, Expr] = {self.ctx.index(d): e for d, e in enumerate(point)}
        for read in template.reads:
            entries = tuple(substitute(read.index, replace, self.ctx))
            replace[read.slot] = self.element(read.source, entries)
        return substitute([template.expr], replace, self.ctx)[0]

    def _first_sweep(self, value: Value) -> int:
        """The first sweep over the inner axes in which a value is known.

        For what is computed once per outer point: the last sweep that must be over before, or -1.
        """
        if self.cluster.inner is None:
            return 0
        outer = value.form == "map" and self.cluster.is_outer(value)
        first = -1 if outer else 0
        for source in self._sources(value):
            sweep = self._sweep[source]
            if outer:
                known = sweep if self.cluster.is_outer(source) else sweep - 1
            else:
                known = sweep + 1 if self.cluster.is_outer(source) else sweep
            first = max(first, known)
        return first

    def _sources(self, value: Value) -> list[Value]:
        """The members that a value reads, also through values that are computed again here."""
        found: list[Value] = []
        stack = [r.source for r in value.reads]
        while stack:
            source = stack.pop()
            if source in self._inside:
                found.append(source)
            elif source.computed and self.recomputed(source):
                stack.extend(r.source for r in source.reads)
        return found

    def _stages(self, values: dict[Value, Expr]) -> tuple[Stage, ...]:
        drafts: dict[tuple[int, int], _Draft] = {}

        def draft(value: Value, outer: bool) -> _Draft:
            # Work per outer point comes after the sweep of the same number.
            key = (self._sweep[value], int(outer))
            return drafts.setdefault(key, _Draft("outer" if outer else "full"))

        for value in self.members:
            outer = self.cluster.is_outer(value)
            if value.form == "reduce":
                draft(value, False).reductions.append((value, values[value]))
            elif outer:
                draft(value, True).values.append((value, values[value]))
            if self.stored(value):
                self.results[value] = f"y{len(self.results)}"
                result = self._locals.get(value, values[value])
                point = self._point(self.cluster.out_place(value))
                draft(value, outer).stores.append(Store(self.results[value], point, result))
        ordered = [drafts[k] for k in sorted(drafts)]
        return self._with_kept_values(ordered, values)

    def _with_kept_values(
        self, drafts: Sequence[_Draft], values: dict[Value, Expr]
    ) -> tuple[Stage, ...]:
        """Finish the stages: what a later stage needs again is kept, if it is worth it."""
        dear = {
            e
            for v, e in values.items()
            if v.form == "map" and e.kind == "call" and _own_cost(e) >= KEEP_COST
        }
        replace: dict[Expr, Expr] = {}
        stages = []
        for k, draft in enumerate(drafts):
            candidates = {e for _, e in draft.values if e.kind == "call"}
            if draft.level == "full":
                candidates = dear & _exposed(draft.expressions(), replace)
            later = [e for d in drafts[k + 1 :] for e in d.expressions()]
            again = _exposed(later, {**replace, **dict.fromkeys(candidates)})
            new = sorted(candidates & again - replace.keys(), key=lambda e: e.number)
            keep = {
                e: self.ctx.local(f"k{len(replace) + n}", e.dtype) for n, e in enumerate(new)
            }
            stages.append(draft.stage(replace, keep, self._locals, self.ctx))
            replace.update(keep)
        return tuple(s for s in stages if s.reductions or s.stores or s.keep)

    def _operand_records(self, stages: Sequence[Stage]) -> tuple[Operand, ...]:
        exprs = [e for s in stages for e in stage_expressions(s)]
        exprs += [e for raw, length, _ in self._checks for e in (raw, length)]
        used = {n.payload for n in walk(exprs) if n.kind == "load"}
        self.operands = {v: k for v, k in self.operands.items() if k in used}
        reads = [Operand(k, v.dtype, len(v.shape), "r") for v, k in self.operands.items()]
        writes = [Operand(k, v.dtype, len(v.shape), "w") for v, k in self.results.items()]
        return (*reads, *writes)


def stage_expressions(stage: Stage) -> list[Expr]:
    """All expressions of a stage."""
    return [
        *[r.value for r in stage.reductions],
        *[e for _, e in stage.keep],
        *[e for s in stage.stores for e in (*s.index, s.value)],
    ]


def _exposed(roots: Sequence[Expr], hidden: Container[Expr]) -> set[Expr]:
    """The nodes below `roots`, not looking behind those in `hidden`."""
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node not in hidden:
                stack.extend(node.args)
    return seen


class _Draft:
    """A stage under construction."""

    def __init__(self, level: str) -> None:
        self.level = level
        self.reductions: list[tuple[Value, Expr]] = []
        self.values: list[tuple[Value, Expr]] = []
        self.stores: list[Store] = []

    def expressions(self) -> list[Expr]:
        return [
            *[e for _, e in self.reductions],
            *[e for _, e in self.values],
            *[e for s in self.stores for e in (*s.index, s.value)],
        ]

    def stage(
        self,
        replace: dict[Expr, Expr],
        keep: dict[Expr, Expr],
        locals_: dict[Value, Expr],
        ctx: Context,
    ) -> Stage:
        def known(exprs: Sequence[Expr]) -> list[Expr]:
            return substitute(exprs, replace, ctx) if replace else list(exprs)

        reductions = []
        for value, expr in self.reductions:
            spec = value.spec
            assert spec is not None
            reductions.append(
                Reduction(
                    locals_[value].payload,
                    spec.op,
                    known([expr])[0],
                    spec.dtype,
                    spec.acc_dtype,
                    spec.identity,
                    spec.arg,
                )
            )
        stores = tuple(
            Store(s.operand, tuple(known(s.index)), known([s.value])[0]) for s in self.stores
        )
        names = tuple((local.payload, known([e])[0]) for e, local in keep.items())
        return Stage(self.level, tuple(reductions), stores, names)


def _own_cost(expr: Expr) -> int:
    return expr.op.cost if expr.kind == "call" else 0
