"""Guards and checks of a program: what must hold of lengths before its steps run."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..graph.node import Apply, SharedVariable, Variable
from ..loop.program import CheckStep, Guard, Program
from ..scalar.expr import Context, Expr
from ..scalar.logic import and_, eq, gt, invert, or_
from .define import Value
from .facts import Facts
from .opaque import Planner
from .order import Item
from .sizes import escaped
from .translate import Sizes


class Conditions:
    """The part of a lowering that turns what the facts demand into guards and checks."""

    ctx: Context
    facts: Facts
    sizes: Sizes
    planner: Planner
    program: Program
    inputs: Sequence[Variable]
    shared: Sequence[SharedVariable]
    buffers: dict[Any, int]
    items: list[Item]

    def buffer(self, value: Value) -> int:
        """The buffer of a value."""
        raise NotImplementedError

    def key(self, variable: Variable, index: tuple[int, ...] = ()) -> Any:
        """Where the buffer of a variable is found."""
        raise NotImplementedError

    def _late_sources(self, sizes: Iterable[Expr]) -> list[Value]:
        raise NotImplementedError

    def _requirements(self, node: Apply) -> Sequence[Any]:
        return self.facts.requirements.get(node, ())

    def _conditions(self) -> None:
        """Guards, and the checks that can be made before anything runs."""
        for assumption in self.facts.assumptions:
            origin = () if assumption.node is None else (assumption.node,)
            self.program.guards.append(Guard(self.sizes.condition(assumption.condition), origin))
        self._declared_lengths()
        known: set[Any] = set()
        for node, requirements in self.facts.requirements.items():
            for requirement in requirements:
                early = all(map(self.facts.early, (requirement.condition, *requirement.shown)))
                if early and requirement not in known:
                    known.add(requirement)
                    self.program.checks.append(self._check_step(node, requirement))

    def _declared_lengths(self) -> None:
        for variable in (*self.inputs, *self.shared):
            declared = variable.__dict__.get("static_shape")
            for axis, n in enumerate(declared or ()):
                if n is None or variable.type.broadcastable[axis]:
                    continue
                leaf = self.ctx.size(("dim", self.buffers[self.key(variable)], axis))
                what = f"{escaped(variable)} must have length {n} along axis {axis}, got {{0}}"
                self.program.checks.append(CheckStep(eq(leaf, n), "shape", what, (leaf,)))

    def _check_step(self, node: Apply, requirement: Any) -> CheckStep:
        return CheckStep(
            self.sizes.condition(requirement.condition),
            requirement.error,
            requirement.message,
            tuple(self.sizes.condition(e) for e in requirement.shown),
            origin=(node,),
        )

    def _late_checks(self, item: Item, nodes: Iterable[Apply]) -> None:
        """Checks of sizes that are known just before `item` runs."""
        if not self.sizes.late:
            return
        for node in nodes:
            for requirement in self._requirements(node):
                sizes = (requirement.condition, *requirement.shown)
                if not all(map(self.facts.early, sizes)):
                    self.check_before(item, self._check_step(node, requirement))

    def known_only_inside(self, size: Expr) -> bool:
        """Whether a size is told by what the graph that is lowered here computes."""
        return bool(self._late_sources([size]))

    def check_before(self, item: Item, check: CheckStep) -> None:
        """Let a check of sizes that are known just before `item` runs come before it."""
        late = self._late_sources([check.condition, *check.shown])
        reads = {self.buffer(self.planner.array(v)) for v in late}
        made = Item(check, item.number, reads, set())
        item.after.append(made)
        self.items.append(made)

    def _check_not_empty(self, value: Value, item: Item) -> None:
        """A reduction without identity over no elements is an error."""
        spec = value.spec
        if spec is None or spec.identity is not None:
            return
        conditions = [gt(value.domain[d], 0) for d in spec.axes]
        filled = conditions[0] if len(conditions) == 1 else and_(*conditions)
        if filled.is_const and bool(filled.value):
            return
        taken = None if value.node is None else self.facts.taken(value.node)
        if taken is not None:
            filled = or_(invert(self.sizes.condition(taken)), filled)
        what = f"zero-size array to reduction operation {spec.arg or spec.op} which has no identity"
        check = CheckStep(filled, "value", what, origin=value.origin)
        if self._late_sources([filled]):
            self.check_before(item, check)
        else:
            self.program.checks.append(check)
