"""What runs before the loops of a kernel: index checks and the test for emptiness."""

from __future__ import annotations

from ..loop import ir
from ..scalar.expr import Expr, walk
from .loops import Loops
from .prepare import product


def guarded(loops: Loops, body: list[ir.Stmt]) -> list[ir.Stmt]:
    """Index checks, then `body` if there is any outer point."""
    points = product(loops.ctx, [loops.ctx.integer(1), *(a.extent for a in loops.placer.outer)])
    checks = _index_checks(loops)
    if points.is_const:
        return checks + (body if points.value > 0 else [])
    return [*checks, ir.If(points > loops.ctx.integer(0), tuple(body))]


def _index_checks(loops: Loops) -> list[ir.Stmt]:
    out: list[ir.Stmt] = []
    axes = [*loops.placer.outer, *loops.placer.inner]
    for index, length, tag in loops.kernel.checks:
        keys = {a.key: loops.names.index("i") for a in axes}
        placed = loops.placer.place([index], {key: i for key, (_, i) in keys.items()})[0]
        used = _indices(placed)
        body: tuple[ir.Stmt, ...] = (ir.CheckIndex(placed, length, tag),)
        for axis in reversed(axes):
            key, i = keys[axis.key]
            if i in used:
                body = (ir.For(key, loops.ctx.integer(0), axis.extent, body),)
        rest = [a.extent for a in axes if keys[a.key][1] not in used]
        points = product(loops.ctx, [loops.ctx.integer(1), *rest])
        out.append(ir.If(points > loops.ctx.integer(0), body))
    return out


def _indices(expr: Expr) -> set[Expr]:
    return {n for n in walk([expr]) if n.kind == "index"}
