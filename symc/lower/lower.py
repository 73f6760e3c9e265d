"""From an optimised graph to a :class:`~symc.loop.program.Program`: the passes in order.

1. *define*: every variable becomes a `Value` (``define.py``, ``opaque.py``);
2. *fuse*: values are collected in kernels (``cluster.py``, ``fuse.py``);
3. *store*: values that other steps read get buffers (``store.py``);
4. kernels and steps are written (``kernels.py``, this file);
5. *order*: steps are put in a good order (``order.py``);
6. *plan*: buffers get their memory (``plan.py``).
"""

from __future__ import annotations

import copy
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from ..graph.node import Apply, SharedVariable, Variable
from ..graph.walk import toposort
from ..loop.program import (
    Buffer,
    CopyStep,
    KernelStep,
    LoopStep,
    Program,
    Step,
)
from ..loop.protocol import BranchSpec, RepeatSpec, inner_spec
from ..scalar.expr import Context, Expr, leaves
from .branch import add_branches
from .conditions import Conditions
from .define import Definer, Value
from .epilogue import with_epilogues
from .facts import Facts
from .fuse import Fuser
from .kernels import KernelWriter
from .nests import checks_come_first, split_checks
from .opaque import Plan, Planner
from .order import Item, ordered
from .plan import plan_memory
from .repeat import add_loop
from .split import segments
from .steps import step_of
from .store import StoreDecision
from .translate import Sizes


def lower(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    shared: Sequence[SharedVariable] = (),
    updates: Iterable[tuple[int, Variable]] = (),
    facts: Facts | None = None,
    *,
    mutable: Sequence[bool] = (),
    fuse: bool = True,
    inplace: bool = True,
) -> Program:
    """Make the program that computes a graph.

    Parameters
    ----------
    inputs : sequence of Variable
        In the order of the call's arguments.
    outputs : sequence of Variable
    shared : sequence of SharedVariable
        One per container, in the order in which the call passes containers. Other variables of
        the graph may stand on the same containers.
    updates : iterable of (int, Variable)
        Position of the container in `shared`, and its new value.
    facts : Facts, optional
        Sizes of the graph's variables, with the assumptions made so far (they become guards). By
        default new ones, without an oracle.
    mutable : sequence of bool
        Per input whether a result may be written over it: a permission, of which use is made
        where it is safe.
    fuse, inplace : bool
        False switches the pass off: one kernel per value; no memory is shared or overwritten.

    Returns
    -------
    Program

    Raises
    ------
    ShapeError
        If shapes can't be broadcast in any call (or in the one that the facts' oracle knows).
    """
    known = Facts([*inputs, *shared]) if facts is None else facts
    pairs = list(updates)
    work = _Lowering(inputs, shared, known, fuse)
    if work.define(outputs, pairs):
        work = _Lowering(inputs, shared, known, fuse)
        work.define(outputs, pairs)
    work.run(outputs, pairs)
    items = ordered(work.items, {b for _, b in work.program.updates})
    if fuse:
        items = with_epilogues(items, work.program)
    plan_memory(work.program, items, work.starts, inplace, mutable)
    return work.program


class _Lowering(Conditions):
    def __init__(
        self,
        inputs: Sequence[Variable],
        shared: Sequence[SharedVariable],
        facts: Facts,
        fuse: bool,
    ) -> None:
        self.facts = facts
        self.inputs = inputs
        self.shared = shared
        self.fuse = fuse
        self.ctx = Context()
        self.program = Program(self.ctx)
        self.buffers: dict[Any, int] = {}
        self.sizes = Sizes(facts, self.ctx, self._buffer_of_leaf)
        self.definer = Definer(facts, self.sizes)
        self.planner = Planner(self.definer)
        self.items: list[Item] = []
        self.starts: dict[int, int] = {}
        self.results: dict[Value, tuple[str, int]] = {}
        self.elements: dict[tuple[Variable, tuple[int, ...]], Value] = {}
        self.inner: set[Variable] = set()
        self.inside: frozenset[Variable] = frozenset()

    def nested(self, variables: Iterable[Variable]) -> _Lowering:
        """The lowering of a graph inside this one; it shares the program and all values.

        Parameters
        ----------
        variables : iterable of Variable
            Those that are computed there, or bound there.
        """
        twin = copy.copy(self)
        twin.items, twin.starts, twin.results = [], {}, {}
        twin.inside = frozenset(variables)
        return twin

    # ---- buffers

    def key(self, variable: Variable, index: tuple[int, ...] = ()) -> Any:
        """Where the buffer of a variable is found."""
        if isinstance(variable, SharedVariable):
            return ("container", id(variable.container), index)
        return (variable, index)

    def new_buffer(self, key: Any, dtype: str, kind: str, **more: Any) -> Buffer:
        """A further buffer of the program, found under `key`."""
        buffer = Buffer(len(self.program.buffers), dtype, (), kind, **more)
        self.program.buffers.append(buffer)
        self.buffers[key] = buffer.id
        return buffer

    def _buffer_of_leaf(self, variable: Variable, index: tuple[int, ...]) -> int:
        """The buffer that a size is about; its record is completed when its value is met."""
        key = self.key(variable, index)
        if key not in self.buffers:
            self.new_buffer(key, variable.type.dtype, "temp")
        return self.buffers[key]

    def buffer(self, value: Value) -> int:
        """The buffer of a value."""
        if value in self.buffers:
            return self.buffers[value]
        if value.form == "given":
            assert value.variable is not None
            return self.buffers[self.key(value.variable)]
        if value.form == "const":
            count = sum(b.kind == "const" for b in self.program.buffers)
            made = self.new_buffer(value, value.dtype, "const", data=value.data, position=count)
            made.shape, made.name = value.shape, getattr(value.variable, "name", None)
            return made.id
        key = (value.variable, ())
        source = None if value.variable is None else self.definer.values.get(value.variable)
        own = source is not None and value is self.planner.stored(source)
        if own and key in self.buffers:
            made = self.program.buffers[self.buffers[key]]
            self.buffers[value] = made.id
        else:
            made = self.new_buffer(value, value.dtype, "temp")
        made.dtype, made.shape, made.origin = value.dtype, value.shape, value.origin
        made.name = getattr(value.variable, "name", None)
        made.kind = self._kind(value, made.id)
        kind, made.position = self.results.get(value, (made.kind, -1))
        made.kind = "object" if value.dtype == "object" else kind
        return made.id

    def _kind(self, value: Value, buffer: int) -> str:
        if value.dtype == "object":
            return "object"
        plan = self.planner.plans.get(value)
        if plan is not None and plan.kind in ("view", "reshape"):
            return "view"
        late = any(leaf in self.sizes.late for leaf in leaves(value.shape, "size"))
        return "dynamic" if late else "temp"

    def _given_buffers(self) -> None:
        for kind, variables, ids in (
            ("input", self.inputs, self.program.inputs),
            ("shared", self.shared, self.program.shared),
        ):
            for position, variable in enumerate(variables):
                dtype = getattr(variable.type, "dtype", None)
                ranked = getattr(variable.type, "broadcastable", None) is not None
                made = self.new_buffer(
                    self.key(variable),
                    dtype if ranked and dtype is not None else "object",
                    kind,
                    position=position,
                    contiguous=False,
                    name=variable.name,
                )
                ids.append(made.id)
        given = zip(
            (*self.inputs, *self.shared), (*self.program.inputs, *self.program.shared), strict=True
        )
        for variable, number in given:  # only now: a length may be that of a later operand
            if self.program.buffers[number].dtype != "object":
                self.program.buffers[number].shape = self.sizes.shape(variable)

    # ---- the passes

    def define(self, outputs: Sequence[Variable], updates: list[tuple[int, Variable]]) -> bool:
        """Make the values of all variables.

        Returns
        -------
        bool
            Whether more lengths were assumed to be equal meanwhile, so that it must be done again.
        """
        roots = [*outputs, *(v for _, v in updates)]
        self.order = toposort(roots, self.inputs)
        variables = [v for node in self.order for v in (*node.inputs, *node.outputs)]
        for variable in dict.fromkeys(variables):
            if getattr(variable.type, "broadcastable", None) is not None:
                self.facts.shape(variable)
        self._given_buffers()
        self._define_nodes(self.order)
        return self.definer.grant_wishes()

    def _define_nodes(self, order: Sequence[Apply]) -> None:
        """Make the values of nodes, and of those of the graphs inside of them."""
        stack = [iter(order)]
        while stack:
            node = next(stack[-1], None)
            if node is None:
                stack.pop()
                continue
            for requirement in self._requirements(node):  # so that late sizes in them are known
                self.sizes.condition(requirement.condition)
            self.definer.add(node)
            value = self.definer.values[node.outputs[0]]
            if value.form == "opaque":
                self.planner.add(node)
                plan = self.planner.plans[value]
                if plan.kind in ("repeat", "branch"):
                    self.sizes(self.facts.value(node.inputs[plan.detail.count]))
                    stack.append(iter(self._define_inner(plan.detail)))

    def _define_inner(self, spec: RepeatSpec | BranchSpec) -> list[Apply]:
        """Make the values of the inputs of an inner graph; returns its nodes."""
        order = toposort(list(spec.outputs), list(spec.inputs))
        for variable in (*spec.inputs, *(v for n in order for v in (*n.inputs, *n.outputs))):
            self.facts.shape(variable)
        self.inner.update(spec.inputs)
        self.inner.update(v for n in order for v in n.outputs)
        for variable in spec.inputs:
            self.definer.given(variable)
        return order

    def run(self, outputs: Sequence[Variable], updates: list[tuple[int, Variable]]) -> None:
        """Make the steps and buffers."""
        wanted = [("output", k, v) for k, v in enumerate(outputs)]
        wanted += [("update", k, v) for k, v in updates if not self._unchanged(k, v)]
        self.compute(wanted)
        self._list_results()
        self._conditions()

    def compute(self, wanted: Sequence[tuple[str, int, Variable]]) -> None:
        """Make the steps and buffers for results: their kinds, positions and variables."""
        self._results(wanted)
        live = self._live()
        self._fuse(live)
        self._emit(live)

    def _results(self, wanted: Sequence[tuple[str, int, Variable]]) -> None:
        self.final: list[tuple[str, int, Value]] = []
        for kind, position, variable in wanted:
            value = self.definer.of(variable)
            if value.is_identity and value.template is not None and not self._is_checked(value):
                value = value.template.reads[0].source
            if value.dtype != "object" and not self._fresh(value):
                value = self.definer.copy_of(value)
            self.results.setdefault(value, (kind, position))
            self.final.append((kind, position, value))

    def _is_checked(self, value: Value) -> bool:
        """Whether a value may only be handed on after a check, just before it is used."""
        return any(
            not self.facts.early(r.condition)
            for node in value.origin
            for r in self._requirements(node)
        )

    def _unchanged(self, position: int, variable: Variable) -> bool:
        container = self.shared[position].container
        return isinstance(variable, SharedVariable) and variable.container is container

    def _fresh(self, value: Value) -> bool:
        """Whether a value can be computed right into the memory of a result."""
        if value in self.results or value.inline or value.form in ("given", "const"):
            return False
        plan = self.planner.plans.get(value)
        if plan is None:
            return True
        own = self._late_sources(value.shape)
        return plan.kind not in ("view", "reshape") and value not in own

    def _late_sources(self, sizes: Iterable[Expr]) -> list[Value]:
        """The values that sizes are about which only the computation tells."""
        if not self.sizes.late:
            return []
        found = [self.sizes.late[n] for n in leaves(sizes, "size") if n in self.sizes.late]
        return [self._element(v, index) for v, index in found if self._is_own(v)]

    def _is_own(self, variable: Variable) -> bool:
        """Whether a variable belongs to the graph that is lowered here, not to another level."""
        return variable in self.inside if self.inside else variable not in self.inner

    def _element(self, variable: Variable, index: tuple[int, ...]) -> Value:
        if not index:
            return self.definer.of(variable)
        key = (variable, index)
        if key not in self.elements:
            made = self.elements[key] = self.definer.element_of(self.definer.of(variable), index)
            self.buffers[made] = self.buffers[self.key(variable, index)]
        return self.elements[key]

    def _operands(self, value: Value) -> list[Value]:
        plan = self.planner.plans.get(value)
        if plan is not None:
            return list(plan.operands)
        return [r.source for r in value.reads]

    def _live(self) -> list[Value]:
        """The values that results depend on, in topological order; their `needs` are noted."""
        seen: set[Value] = set()
        stack = [v for _, _, v in self.final]
        while stack:
            value = stack.pop()
            if value in seen:
                continue
            seen.add(value)
            if self.sizes.late:
                sizes = [*value.shape, *value.domain, *self._sizes_within(value)]
                found = dict.fromkeys(self._late_sources(sizes))
                value.needs = tuple(
                    self.planner.array(v) for v in found if v is not value
                )
            stack.extend(self._operands(value))
            stack.extend(value.needs)
        return self._topological(seen)

    def _sizes_within(self, value: Value) -> list[Expr]:
        exprs: list[Expr] = []
        if value.template is not None:
            exprs += [value.template.expr, *[e for r in value.template.reads for e in r.index]]
            exprs += [e for c in value.template.checks for e in (c.raw, c.length)]
        plan = self.planner.plans.get(value)
        if plan is not None and plan.kind == "view":
            axes, offset = plan.detail
            exprs += [*(step for _, step in axes), *offset]
        if plan is not None and plan.kind in ("repeat", "branch"):
            exprs += self._sizes_inside(plan)
        for node in value.origin:
            exprs += [self.sizes.condition(r.condition) for r in self._requirements(node)]
        return exprs

    def _sizes_inside(self, plan: Plan) -> list[Expr]:
        """The sizes in a loop or branch, so that what they are about is computed before it."""
        assert plan.node is not None
        exprs = [self.sizes(self.facts.value(plan.node.inputs[plan.detail.count]))]
        stack = [plan.detail]
        while stack:
            spec = stack.pop()
            for node in toposort(list(spec.outputs), list(spec.inputs)):
                exprs += [self.sizes.condition(r.condition) for r in self._requirements(node)]
                exprs += [n for v in node.outputs for n in self.sizes.shape(v)]
                deeper = inner_spec(node)
                if deeper is not None:
                    exprs.append(self.sizes(self.facts.value(node.inputs[deeper.count])))
                    stack.append(deeper)
        return exprs

    def _topological(self, values: set[Value]) -> list[Value]:
        """Values made for an operand (copies, views) have later numbers than their readers."""
        order: list[Value] = []
        done: set[Value] = set()
        for root in sorted(values, key=lambda v: v.number):
            stack = [root]
            while stack:
                value = stack[-1]
                waiting = [] if value in done else [
                    v for v in (*self._operands(value), *value.needs)
                    if v not in done and v is not value
                ]
                if waiting:
                    stack.extend(waiting)
                    continue
                stack.pop()
                if value not in done:
                    done.add(value)
                    order.append(value)
        for number, value in enumerate(order):
            value.number = number
        return order

    def _fuse(self, live: Sequence[Value]) -> None:
        self.fuser = Fuser(self.fuse, {v for _, _, v in self.final})
        for value in live:
            if value.computed:
                self.fuser.add(value)
            elif value.form == "opaque":
                plan = self.planner.plans[value]
                if value is plan.outputs[0] or plan.outputs[0] not in self.fuser.level_of:
                    self.fuser.add_opaque(value, (*plan.operands, *value.needs))
                else:
                    self.fuser.level_of[value] = self.fuser.level_of[plan.outputs[0]]
        self.fuser.finish()

    # ---- steps

    def _emit(self, live: Sequence[Value]) -> None:
        kernels: list[tuple[Any, list[Value]]] = []
        for cluster in self.fuser.clusters:
            for members in segments(cluster, self.fuser.readers):
                kernels.append((cluster, members))
        kernel_of = {v: k for k, (_, members) in enumerate(kernels) for v in members}
        required = {v for _, _, v in self.final}
        for value in live:
            required.update(value.needs)
            if value in self.planner.plans:
                required.update(self.planner.plans[value].operands)
        decision = StoreDecision(kernel_of, self.fuser.readers, required)
        for cluster, members in kernels:
            self._kernel(cluster, members, decision)
        done: set[Plan] = set()
        for value in live:
            plan = self.planner.plans.get(value)
            if plan is not None and plan not in done:
                done.add(plan)
                self._step(plan)

    def _list_results(self) -> None:
        for kind, position, value in self.final:
            if kind == "output":
                self.program.outputs.append(self._result_buffer(value))
            else:
                self.program.updates.append((position, self._result_buffer(value)))

    def _result_buffer(self, value: Value) -> int:
        return self.buffer(value)

    def add(self, step: Step, values: Iterable[Value], number: int) -> Item:
        """Append a step; `values` are those whose needs and requirements it inherits."""
        needs = {self.buffer(n) for v in values for n in v.needs}
        item = Item(step, number, set(step.reads()) | needs, set(step.writes()))
        self.items.append(item)
        return item

    def _kernel(self, cluster: Any, members: list[Value], decision: StoreDecision) -> None:
        writer = KernelWriter(
            self.ctx,
            cluster,
            members,
            decision.stored.__contains__,
            decision.recomputed.__contains__,
        )
        kernel = writer.kernel()
        if kernel is None:
            return
        bind = {key: self.buffer(v) for v, key in writer.operands.items()}
        bind.update({key: self.buffer(v) for v, key in writer.results.items()})
        step = KernelStep(kernel, bind, origin=tuple(writer.origin), fallible=kernel.fallible)
        item = self.add(step, members, members[-1].number)
        self._late_checks(item, writer.origin)
        for value in members:
            self._check_not_empty(value, item)

    def _step(self, plan: Plan) -> None:
        ids = [self.buffer(v) for v in plan.operands]
        outs = [self.buffer(v) for v in plan.outputs]
        origin = () if plan.node is None else (plan.node,)
        number = plan.outputs[0].number
        checked = self._checks_ahead(plan, ids, outs, number)
        for out, operand in plan.starts.items():
            copy = CopyStep(outs[out], ids[operand], origin=origin)
            self.add(copy, (plan.operands[operand],), number)
            self.starts[outs[out]] = ids[operand]
        if plan.kind == "repeat":
            item = add_loop(self, plan, ids, outs)
        elif plan.kind == "branch":
            item = add_branches(self, plan, ids, outs)
        else:
            item = self.add(
                step_of(self.program.buffers, plan, ids, outs), plan.outputs, number
            )
        if plan.starts:
            item.reads |= {outs[o] for o in plan.starts}
        if checked is not None:
            item.after.append(checked)
        # Checks of elements read as many as the lengths say that there are.
        first = item if checked is None else checked
        self._late_checks(first, dict.fromkeys(n for v in plan.outputs for n in v.origin))

    def _checks_ahead(
        self, plan: Plan, ids: list[int], outs: list[int], number: int
    ) -> Item | None:
        """Let the checks of a nest that updates an operand be a step of their own.

        They then come before all writes to containers, so that many may be updated in place.
        """
        declared = plan.node is not None and getattr(plan.node.op, "validates_first", False)
        if plan.kind != "emit" or not plan.starts or not plan.detail.nest.fallible:
            return None
        if not (declared or checks_come_first(plan.detail.nest)):
            return None
        parts = split_checks(plan.detail.nest)
        if parts is None:
            return None
        checks, work = parts
        plan.detail = replace(plan.detail, nest=work)
        bind = dict(zip(plan.detail.ins, ids, strict=True))
        bind = {o.key: bind[o.key] for o in checks.operands}
        origin = () if plan.node is None else (plan.node,)
        return self.add(LoopStep(checks, bind, origin=origin, fallible=True), (), number)
