"""The schedule for results that do not fit the caches.

An ordinary store reads the cache line that it overwrites; a streaming store does not, but it is
fast only if whole lines are stored one after the other. So values are computed into a small array
first, in vector code like any other, and streamed from there.
"""

from __future__ import annotations

from ..loop import ir
from ..loop.kernel import Store
from ..scalar.arith import minimum
from ..scalar.expr import Expr
from .guards import guarded
from .loops import Loops
from .place import Placer
from .target import Target

STREAM_COST = 12
"""Cost of a kernel up to which memory, not arithmetic, is the limit."""
STAGE = 128
"""Elements of the array between computing and storing."""


def streams(placer: Placer) -> bool:
    """Whether all results of an elementwise kernel are stored one element after the other."""
    if len(placer.outer) != 1 or placer.inner or len(placer.kernel.stages) != 1:
        return False
    (stage,) = placer.kernel.stages
    axis = placer.outer[0].key
    one = placer.ctx.integer(1)
    if all(s.value.kind == "load" for s in stage.stores):
        return False  # the C library copies faster
    return bool(stage.stores) and all(
        placer.stride(s.operand, s.index, axis) is one and placer.is_linear(s) for s in stage.stores
    )


def streamed(placer: Placer, target: Target) -> ir.Nest:
    """One vector loop into small arrays, which are streamed to the operands."""
    loops = Loops(placer, target)
    ctx, names = loops.ctx, loops.names
    (stage,) = loops.kernel.stages
    (axis,) = placer.outer
    block, b = names.index("b")
    key, lane = names.index("l")
    types = {o.key: o.dtype for o in loops.kernel.operands}
    staged = [names.fresh("stage") for _ in stage.stores]

    def body(chunk: Expr, low: Expr, high: Expr) -> list[ir.Stmt]:
        inside: list[ir.Stmt] = [
            ir.Array(array, types[s.operand], STAGE)
            for array, s in zip(staged, stage.stores, strict=True)
        ]
        width = names.let(inside, minimum(ctx.integer(STAGE), high - b))
        element: list[ir.Stmt] = []
        j = names.let(element, b + lane)
        values = placer.place([s.value for s in stage.stores], {axis.key: j})
        element += [
            Store(array, (lane,), value) for array, value in zip(staged, values, strict=True)
        ]
        inside.append(ir.For(key, ctx.integer(0), width, tuple(element), loops.kind))
        for array, store in zip(staged, stage.stores, strict=True):
            (index,) = placer.place_store(store, {axis.key: b})
            inside.append(ir.Stream(store.operand, index, array, width))
        return [ir.For(block, low, high, tuple(inside), step=STAGE)]

    grain = ctx.integer(max(STAGE, loops.grain()))
    points = axis.extent
    return placer.nest(guarded(loops, loops.chunks(points, grain, points, body)), "stream")
