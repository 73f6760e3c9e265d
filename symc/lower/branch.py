"""Branches: of two inner graphs one is computed.

A branch is a loop of one step or of none: its number of steps is 1 if the condition chooses it,
else 0. Both branches write the outputs of the node, so what comes after them does not know which
one has run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..graph.walk import graph_inputs, toposort
from ..loop.program import RepeatStep, Step, ViewStep, numbered
from ..loop.protocol import BranchSpec
from ..scalar.expr import Expr
from ..scalar.logic import eq, neq
from ..scalar.op import cast_expr
from .order import Item, ordered
from .plan import MemoryPlanner

if TYPE_CHECKING:
    from .lower import _Lowering
    from .opaque import Plan


def add_branches(outer: _Lowering, plan: Plan, ids: list[int], outs: list[int]) -> Item:
    """Add the steps of two branches; returns the last.

    Parameters
    ----------
    outer : lowering
    plan : Plan
        Its detail is the `BranchSpec`.
    ids : list of int
        Buffers of all operands but the condition.
    outs : list of int
        Buffers of the outputs.
    """
    spec: BranchSpec = plan.detail
    assert plan.node is not None
    condition = outer.sizes(outer.facts.value(plan.node.inputs[spec.count]))
    for variable, buffer in zip(spec.inputs, ids, strict=True):
        outer.buffers[outer.key(variable)] = buffer
    for k, chosen in enumerate((neq(condition, 0), eq(condition, 0))):
        item = _branch(outer, plan, k, cast_expr(outer.ctx, chosen, "int64"), ids, outs)
    return item


def _branch(
    outer: _Lowering, plan: Plan, k: int, count: Expr, ids: list[int], outs: list[int]
) -> Item:
    """Add the step of one branch, which runs `count` times."""
    spec: BranchSpec = plan.detail
    values = spec.branches[k]
    order = toposort(list(values), list(spec.inputs))
    own = set(graph_inputs(list(values)))
    used = [b for v, b in zip(spec.inputs, ids, strict=True) if v in own]
    inside = [*spec.inputs, *(v for node in order for v in node.outputs)]
    body = outer.nested(inside)
    body.compute([("row", position, v) for position, v in enumerate(values)])
    planner = MemoryPlanner(outer.program, ordered(body.items, ()), dict(body.starts))
    planner.drop_copies()
    planner.share_dying_operands()
    views: list[Step] = [
        _as_output(outer, plan, body.buffer(value), outs[position])
        for _, position, value in body.final
    ]
    outer.program.loops += 1
    step = RepeatStep(
        outer.ctx.size(("loop", outer.program.loops)),
        count,
        [],
        [],
        [],
        tuple(dict.fromkeys(used)),
        tuple(outs),
        origin=(plan.node,),
        fallible=any(i.step.fallible for i in planner.items),
    )
    step.body = [*views, *(i.step for i in planner.items)]
    item = outer.add(step, plan.outputs, plan.outputs[0].number)

    def finish(number: int) -> None:
        step.body = [*views, *planner.finish(number + 1 + len(numbered(views)))]

    item.inner = finish
    return item


def _as_output(outer: _Lowering, plan: Plan, value: int, out: int) -> ViewStep:
    """What a branch computes is the memory of the output."""
    rank = len(outer.program.buffers[out].shape)
    one, zero = outer.ctx.integer(1), outer.ctx.integer(0)
    axes = tuple((d, one) for d in range(rank))
    return ViewStep(value, out, axes, (zero,) * rank, origin=(plan.node,))
