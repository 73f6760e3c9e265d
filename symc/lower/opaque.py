"""Values that are computed by a step of their own: routines, loops, Python, views of storage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..graph.node import Apply
from ..graph.op import BuiltinOp, compiled_code, run_perform
from ..graph.walk import toposort
from ..loop.build import Builder
from ..loop.protocol import (
    BranchSpec,
    OperandValue,
    RepeatSpec,
    ReshapeSpec,
    RoutineSpec,
    inner_spec,
)
from ..scalar.expr import Expr, leaves, walk
from .define import Definer, Value
from .sizes import NodeSizes


@dataclass(eq=False)
class Plan:
    """How the values of one opaque node come about.

    Attributes
    ----------
    kind : {"view", "reshape", "routine", "emit", "repeat", "branch", "foreign"}
    operands : tuple of Value
        Values that must have buffers; for ``emit`` and ``foreign`` one per input of the node.
    outputs : tuple of Value
    starts : dict
        ``{output: operand}`` by position: outputs that start with the contents of an operand.
    detail : object
        The :class:`RoutineSpec`, :class:`RepeatSpec` or :class:`BranchSpec`, the
        :class:`~symc.loop.ir.Nest` and its operand keys, or the axes and offset of a view.
    """

    kind: str
    operands: tuple[Value, ...]
    outputs: tuple[Value, ...]
    node: Apply | None
    starts: dict[int, int] = field(default_factory=dict)
    detail: Any = None


@dataclass(frozen=True)
class NestDetail:
    """A nest and the keys of the inputs and outputs of the node in it."""

    nest: Any
    ins: tuple[str, ...]
    outs: tuple[str, ...]


class PerformNode:
    """``perform`` of one node as a function of a list of values."""

    def __init__(self, node: Apply) -> None:
        self.node = node

    @staticmethod
    def of(node: Apply) -> Callable[[list[Any]], list[Any]]:
        """The C code that the op of a node brings; its ``perform`` where there is none."""
        return compiled_code(node) or PerformNode(node)

    def __call__(self, values: Sequence[Any]) -> list[Any]:
        """Values of the outputs."""
        return run_perform(self.node, list(values))


class Planner:
    """Finds the plan of every opaque node.

    Parameters
    ----------
    definer : Definer

    Attributes
    ----------
    plans : dict from Value to Plan
    """

    def __init__(self, definer: Definer) -> None:
        self.definer = definer
        self.plans: dict[Value, Plan] = {}
        self._arrays: dict[Value, Value] = {}

    def array(self, value: Value) -> Value:
        """A value with a buffer that has the elements of `value`; a view where possible."""
        if not value.inline:
            return value
        found = self._arrays.get(value)
        if found is None:
            found = self._view(value) if value.data is None else None
            found = self._arrays[value] = self.dense(value) if found is None else found
        return found

    def stored(self, value: Value) -> Value:
        """The value in whose storage the elements of `value` are, as far as one was made."""
        return self._arrays.get(value, value)

    def _view(self, value: Value) -> Value | None:
        """A strided view, if every source index is affine in at most one index."""
        template = value.template
        assert template is not None
        if len(template.reads) != 1 or template.expr is not template.reads[0].slot:
            return None
        read = template.reads[0]
        if value.is_identity:
            return read.source
        found = affine(read.index, len(value.shape), self.definer)
        if found is None:
            return None
        view = self.definer.alike(value, "opaque")
        axes, offset = found
        self.plans[view] = Plan("view", (read.source,), (view,), value.node, detail=(axes, offset))
        return view

    def dense(self, value: Value) -> Value:
        """A value whose storage holds the elements of `value` in C order."""
        if not value.inline and not self.definer.is_strided(value):
            return value
        if value.data is not None:
            return self.definer.alike(value, "const")
        return self.definer.copy_of(value)

    def add(self, node: Apply) -> None:
        """Plan a node whose outputs are opaque."""
        outputs = tuple(self.definer.of(v) for v in node.outputs)
        plan = self._builtin(node, outputs) if isinstance(node.op, BuiltinOp) else None
        if plan is None:
            operands = tuple(self.array(self.definer.of(v)) for v in node.inputs)
            plan = Plan("foreign", operands, outputs, node)
        for output in outputs:
            self.plans[output] = plan

    def _builtin(self, node: Apply, outputs: tuple[Value, ...]) -> Plan | None:
        values = [self.definer.of(v) for v in node.inputs]
        if any(v.dtype == "object" for v in (*values, *outputs)):
            return None
        op = node.op
        view = getattr(op, "view", None)
        if view is not None:
            facts = self.definer.facts
            spec = facts.ask(lambda: view(node, NodeSizes(facts, node)))
            if isinstance(spec, ReshapeSpec):
                return Plan("reshape", (self.dense(values[spec.input]),), outputs, node)
        routine = getattr(op, "routine", None)
        spec = None if routine is None else routine(node)
        if spec is not None:
            return self._routine(node, spec, values, outputs)
        inside = inner_spec(node)
        if inside is not None:
            return self._inside(node, inside, values, outputs)
        emit = getattr(op, "emit", None)
        return None if emit is None else self._emit(node, emit, values, outputs)

    def _inside(
        self,
        node: Apply,
        spec: RepeatSpec | BranchSpec,
        values: Sequence[Value],
        outputs: tuple[Value, ...],
    ) -> Plan | None:
        inner = [*spec.inputs, *spec.outputs]
        inner += [v for n in toposort(list(spec.outputs)) for v in (*n.inputs, *n.outputs)]
        if any(getattr(v.type, "broadcastable", None) is None for v in inner):
            return None
        operands = tuple(self.array(v) for i, v in enumerate(values) if i != spec.count)
        whole = isinstance(spec, BranchSpec)
        if not self._lengths_known_before(node):
            return None
        for i, variable in enumerate(spec.inputs):
            outer = self._fed(spec, i, values)
            if outer is not None and (outer.inline or outer.form == "given"):
                self.definer.strided.add(variable)
        return Plan("branch" if whole else "repeat", operands, outputs, node, detail=spec)

    def _fed(
        self, spec: RepeatSpec | BranchSpec, i: int, values: Sequence[Value]
    ) -> Value | None:
        """The operand that an inner input is, or is an element of."""
        if isinstance(spec, BranchSpec):
            return values[1 + i]
        feed = spec.feeds[i]
        return None if feed.kind == "row" else values[feed.number]

    def _lengths_known_before(self, node: Apply) -> bool:
        """Whether no length of an output is told by the computation of the node only."""
        facts = self.definer.facts
        own = set(node.outputs)
        return not any(
            facts.source(leaf.payload[1])[0] in own
            for v in node.outputs
            for leaf in leaves(facts.shape(v), "size")
        )

    def _routine(
        self, node: Apply, spec: RoutineSpec, values: Sequence[Value], outputs: tuple[Value, ...]
    ) -> Plan:
        positions = list(spec.inputs)
        positions += [p.input for p in spec.params.values() if isinstance(p, OperandValue)]
        starts = {}
        if spec.accumulate is not None:
            positions.append(spec.accumulate)
            starts = {0: len(positions) - 1}
        operands = tuple(self.array(values[i]) for i in positions)
        return Plan("routine", operands, outputs, node, starts, spec)

    def _emit(
        self, node: Apply, emit: Any, values: Sequence[Value], outputs: tuple[Value, ...]
    ) -> Plan | None:
        updates = getattr(node.op, "updates", None)
        starts = dict(updates(node)) if callable(updates) else {}
        builder = Builder()
        owner = {i: o for o, i in starts.items()}
        outs = [
            builder.operand(v.dtype, len(v.shape), "rw" if o in starts else "w")
            for o, v in enumerate(outputs)
        ]
        ins = [
            outs[owner[i]] if i in owner else builder.operand(v.dtype, len(v.shape), "r")
            for i, v in enumerate(values)
        ]
        if emit(node, builder, ins, outs) is NotImplemented:
            return None
        detail = NestDetail(
            builder.nest(), tuple(x.key for x in ins), tuple(y.key for y in outs)
        )
        operands = tuple(self.array(v) for v in values)
        return Plan("emit", operands, outputs, node, starts, detail)


def affine(
    index: Sequence[Expr], ndim: int, definer: Definer
) -> tuple[tuple[tuple[int | None, Expr], ...], tuple[Expr, ...]] | None:
    """Axes and offset of the view that reads a source at `index`; None if it is no view."""
    ctx = definer.ctx
    axes: list[tuple[int | None, Expr]] = [(None, ctx.integer(0))] * ndim
    offset = []
    for k, entry in enumerate(index):
        found = {n.payload for n in leaves([entry], "index")}
        if len(found) > 1 or any(n.kind in ("local", "load") for n in walk([entry])):
            return None
        if not found:
            offset.append(entry)
            continue
        d = found.pop()
        line = _line(entry, ctx.index(d), definer)
        if line is None or axes[d][0] is not None:
            return None
        offset.append(line[0])
        axes[d] = (k, line[1])
    return tuple(axes), tuple(offset)


def _line(entry: Expr, leaf: Expr, definer: Definer) -> tuple[Expr, Expr] | None:
    """``entry = start + step * leaf`` with start and step free of the leaf."""
    start = definer.at(entry, leaf, 0)
    step = definer.difference(definer.at(entry, leaf, 1), start)
    if definer.difference(entry, start + step * leaf) is not definer.ctx.integer(0):
        return None
    return start, step
