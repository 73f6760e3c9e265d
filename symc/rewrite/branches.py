"""What only one branch of an `ifelse` needs moves into it, and runs if it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..array.type import TensorType
from ..graph.graph import clone_get_equiv
from ..graph.node import Apply, Constant, Variable
from ..graph.walk import toposort
from ..ops.alloc import zeros
from ..ops.ifelse import Branches, GradientIfElse, IfElse
from .conditions import sunk_conditions
from .inner import with_inner_graphs

__all__ = ["lazy_branches"]


@dataclass(frozen=True)
class _Region:
    """A branch: of one node, or (`node` None) of several that have the same condition."""

    node: Apply | None
    condition: Variable
    side: int


def lazy_branches(outputs: Sequence[Variable]) -> list[Variable]:
    """`outputs`, in which every `IfElse` is a `Branches` with what only its branches need."""
    order = toposort(list(outputs))
    if any(isinstance(node.op, IfElse) for node in order):
        outputs = _decided(outputs, order)
        if any(isinstance(node.op, GradientIfElse) for node in order):
            outputs = sunk_conditions(outputs, toposort(list(outputs)))
        order = toposort(list(outputs))
        if order:
            outputs = _Mover(outputs, order).run()
    return with_inner_graphs(outputs, lambda n: n.op.rebuilt(lazy_branches(n.op.outputs)))


def _decided(outputs: Sequence[Variable], order: Sequence[Apply]) -> list[Variable]:
    """`outputs` without the conditions that are constants."""
    final: dict[Variable, Variable] = {}
    for node in order:
        inputs = [final.get(v, v) for v in node.inputs]
        if isinstance(node.op, IfElse) and isinstance(inputs[0], Constant):
            made = node.op.split(inputs[1:])[0 if inputs[0].data else 1]
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            made = node.clone_with_new_inputs(inputs).outputs
        else:
            continue
        final.update(zip(node.outputs, made, strict=True))
    return [final.get(v, v) for v in outputs]


class _Mover:
    """Moves nodes into the outermost branches; those inside are moved when their turn comes.

    Nodes that two conditional nodes with one condition need on the same side (the gradient of a
    branch and the branch itself) are computed by a conditional of their own, before both.
    """

    def __init__(self, outputs: Sequence[Variable], order: list[Apply]) -> None:
        self.outputs = list(outputs)
        self.order = order
        self.regions = self._regions()
        self.levels = self._levels()
        self.final: dict[Variable, Variable] = {}

    def run(self) -> list[Variable]:
        """The outputs with branches."""
        shared: dict[tuple[_Region, int], list[Apply]] = {}
        for node, region in self.regions.items():
            if region is not None and region.node is None:
                shared.setdefault((region, self.levels[node]), []).append(node)
        for level in range(1 + max(self.levels.values())):
            for node in self.order:
                if self.levels[node] == level and self.regions[node] is None:
                    self._place(node)
            for (region, at), nodes in shared.items():
                if at == level:
                    self._place_shared(region, nodes)
        return [self.final.get(v, v) for v in self.outputs]

    # ---- where nodes belong

    def _regions(self) -> dict[Apply, _Region | None]:
        uses: dict[Apply, list[_Region | None]] = {}
        for out in self.outputs:
            if out.owner is not None:
                uses.setdefault(out.owner, []).append(None)
        regions: dict[Apply, _Region | None] = {}
        for node in reversed(self.order):
            region = regions[node] = _joined(uses[node], node)
            for i, variable in enumerate(node.inputs):
                if variable.owner is None:
                    continue
                use = region
                if region is None and i and isinstance(node.op, IfElse):
                    use = _Region(node, node.inputs[0], (i - 1) // node.op.n_outs)
                uses.setdefault(variable.owner, []).append(use)
        return regions

    def _levels(self) -> dict[Apply, int]:
        """How many shared branches come one after another before a node."""
        levels: dict[Apply, int] = {}
        for node in self.order:
            level = 0
            for variable in node.inputs:
                before = variable.owner
                if before is None:
                    continue
                region = self.regions[before]
                leaves = (
                    region is not None and region.node is None and region != self.regions[node]
                )
                level = max(level, levels[before] + leaves)
            levels[node] = level
        return levels

    # ---- building

    def _place(self, node: Apply) -> None:
        if not isinstance(node.op, IfElse):
            inputs = [self.final.get(v, v) for v in node.inputs]
            changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
            made = node.clone_with_new_inputs(inputs) if changed else node
            self.final.update(zip(node.outputs, made.outputs, strict=True))
            return
        condition = node.inputs[0]
        thens, elses = node.op.split(node.inputs[1:])
        sides = [
            self._captured(values, _Region(node, condition, side))
            for side, values in enumerate((thens, elses))
        ]
        outs = self._conditional(node, condition, sides)
        self.final.update(zip(node.outputs, outs, strict=True))

    def _place_shared(self, region: _Region, nodes: list[Apply]) -> None:
        members = set(nodes)
        needed = [
            v
            for node in self.order
            if node not in members
            for v in node.inputs
            if v.owner in members
        ]
        values = list(dict.fromkeys(needed))
        taken = self._captured(values, region, members)
        other: tuple[list[Any], list[Variable], list[Variable]] = (
            [],
            [],
            [_nothing(v) for v in values],
        )
        sides = [other, taken] if region.side else [taken, other]
        outs = self._conditional(values[0].owner, region.condition, sides)
        self.final.update(zip(values, outs, strict=True))

    def _captured(
        self, values: Sequence[Variable], region: _Region, members: set[Apply] | None = None
    ) -> tuple[list[Variable], list[Variable], list[Variable]]:
        """The inner inputs, operands and outputs of one branch."""

        def inside(node: Apply | None) -> bool:
            if node is None:
                return False
            return node in members if members is not None else self.regions[node] == region

        captured: dict[Variable, None] = {}
        stack = list(reversed(values))
        seen: set[Variable] = set()
        while stack:
            variable = stack.pop()
            if variable in seen:
                continue
            seen.add(variable)
            if inside(variable.owner):
                stack.extend(reversed(variable.owner.inputs))  # type: ignore[union-attr]
            elif not isinstance(variable, Constant):
                captured[variable] = None
        inner = [v.type(v.name) if v.name else v.type() for v in captured]
        memo: dict[Any, Any] = dict(zip(captured, inner, strict=True))
        found = clone_get_equiv(list(captured), list(values), False, False, memo)
        operands = [self.final.get(v, v) for v in captured]
        return inner, operands, [found[v] for v in values]

    def _conditional(
        self, node: Apply | None, condition: Variable, sides: Sequence[Any]
    ) -> list[Variable]:
        inner = [v for side in sides for v in side[0]]
        operands = [v for side in sides for v in side[1]]
        values = [v for side in sides for v in side[2]]
        assert node is not None
        op = Branches(inner, values, node.op.name if isinstance(node.op, IfElse) else None)
        made = op.make_node(self.final.get(condition, condition), *operands)
        made.tag.trace = getattr(node.tag, "trace", None)
        return list(made.outputs)


def _joined(uses: Sequence[_Region | None], node: Apply) -> _Region | None:
    """Where a node belongs that is used in these regions."""
    first = uses[0]
    for other in uses[1:]:
        if first is None or other is None:
            return None
        if first.condition is not other.condition or first.side != other.side:
            return None
        if first.node is not other.node:
            first = _Region(None, first.condition, first.side)
    tensors = all(isinstance(v.type, TensorType) for v in node.outputs)
    if first is not None and first.node is None and not tensors:
        return None  # there is no value that could stand for it
    return first


def _nothing(variable: Variable) -> Variable:
    """What stands for a value that is not computed: as few elements as its type allows."""
    lengths = [int(b) for b in variable.type.broadcastable]
    return zeros(tuple(lengths), dtype=variable.type.dtype)
