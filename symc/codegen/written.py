"""Loops written by ops, printed for operands whose last axis has unit stride.

Such a nest addresses every operand by run-time strides. Where the last one is known to be 1 the
compiler sees copies as copies and vectorises what can be.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..loop import ir
from ..loop.kernel import Operand
from ..scalar.expr import Expr, substitute, walk

LONGEST = 60
"""Statements up to which a nest is printed once more."""
MOST_CHOICES = 2
"""Conditions on sizes up to which a loop is printed once per choice."""


def unit_nest(nest: ir.Nest, operands: Sequence[Operand]) -> ir.Nest | None:
    """`nest` for unit stride along the last axis of `operands`; None where that gains nothing.

    Parameters
    ----------
    nest : Nest
    operands : sequence of Operand
        Those whose last stride is 1 where this nest is called.
    """
    keys = [o.key for o in operands if o.ndim and o.key not in nest.layouts]
    statements = [stmt for stmt, _ in ir.statements(nest.body)]
    if not keys or len(statements) > LONGEST or not any(_is_plain(s) for s in statements):
        return None
    one = nest.ctx.integer(1)
    layouts = dict(nest.layouts)
    ranks = {o.key: o.ndim for o in operands}
    for key in keys:
        strides = [nest.ctx.size(("stride", key, axis)) for axis in range(ranks[key] - 1)]
        layouts[key] = (*strides, one)
    body = [_unswitched(stmt, nest) for stmt in nest.body]
    return replace(nest, body=tuple(body), layouts=layouts)


def _is_plain(stmt: ir.Stmt) -> bool:
    """Whether a statement is an innermost loop without branches: the others stay scalar anyway."""
    branches = (ir.For, ir.While, ir.If, ir.CheckIndex, ir.FailIf, ir.AtomicAdd)
    return isinstance(stmt, ir.For) and not any(
        isinstance(inner, branches) for inner, _ in ir.statements(stmt.body)
    )


def _unswitched(stmt: ir.Stmt, nest: ir.Nest) -> ir.Stmt:
    """A loop that chooses by sizes alone (whether an axis is broadcast) as one loop per choice."""
    if not isinstance(stmt, ir.For):
        return stmt
    inside = [e for s, _ in ir.statements((stmt,)) for e in ir.expressions(s)]
    choices = [n for n in walk(inside) if n.kind == "call" and n.op.name == "switch"]
    conditions = list(dict.fromkeys(n.args[0] for n in choices if _of_sizes(n.args[0])))
    if not conditions or len(conditions) > MOST_CHOICES:
        return stmt

    def chosen(branch: int) -> tuple[ir.Stmt, ...]:
        replaced = {n: n.args[branch] for n in choices if n.args[0] is conditions[0]}
        (loop,) = ir.rewrite((stmt,), lambda e: substitute([e], replaced, nest.ctx)[0])
        return (_unswitched(loop, nest),)

    return ir.If(conditions[0], chosen(1), chosen(2))


def _of_sizes(condition: Expr) -> bool:
    return all(n.kind in ("size", "const", "call") for n in walk([condition]))
