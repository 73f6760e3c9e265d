"""Steps of values that are computed by a step of their own: routines, nests, Python, views."""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.node import Apply
from ..loop.program import (
    Buffer,
    ForeignStep,
    LoopStep,
    ReshapeViewStep,
    RoutineStep,
    ScalarBuffer,
    Step,
    ViewStep,
)
from ..loop.protocol import OperandValue
from .opaque import PerformNode, Plan


def step_of(buffers: Sequence[Buffer], plan: Plan, ids: list[int], outs: list[int]) -> Step:
    """The step of a plan.

    Parameters
    ----------
    buffers : sequence of Buffer
        The program's.
    plan : Plan
        Of any kind but ``repeat``.
    ids, outs : list of int
        Buffers of its operands and outputs.
    """
    origin = () if plan.node is None else (plan.node,)
    if plan.kind in ("view", "reshape"):
        target = buffers[outs[0]]
        source = buffers[ids[0]]
        target.base = source.id if source.base is None else source.base
        target.contiguous = plan.kind == "reshape"
        if plan.kind == "view":
            axes, offset = plan.detail
            return ViewStep(outs[0], ids[0], axes, offset, origin=origin)
        if source.kind in ("input", "shared"):
            source.contiguous = True
        return ReshapeViewStep(outs[0], ids[0], origin=origin)
    if plan.kind == "routine":
        return _routine_step(plan, ids, outs, origin)
    if plan.kind == "emit":
        detail = plan.detail
        bind = dict(zip(detail.ins, ids, strict=True))
        bind.update(zip(detail.outs, outs, strict=True))
        return LoopStep(detail.nest, bind, origin=origin, fallible=detail.nest.fallible)
    assert plan.node is not None
    op = plan.node.op
    key = f"{type(op).__module__}.{type(op).__qualname__}"
    call = PerformNode.of(plan.node)
    return ForeignStep(call, tuple(ids), tuple(outs), key, origin=origin, fallible=True)



def _routine_step(
    plan: Plan, ids: list[int], outs: list[int], origin: tuple[Apply, ...]
) -> RoutineStep:
    spec = plan.detail
    count = len(spec.inputs)
    scalars = iter(ids[count:])
    params = {
        name: ScalarBuffer(next(scalars)) if isinstance(p, OperandValue) else p
        for name, p in spec.params.items()
    }
    return RoutineStep(
        spec.name, tuple(ids[:count]), outs[0], params, bool(plan.starts), origin=origin
    )
