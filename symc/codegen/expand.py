"""Replacement of scalar ops that have no text of their own by simpler ops.

A record may give its meaning as ``expand`` instead of a template. Expanding on expressions, before
printing, keeps subexpressions shared; texts would grow with every use.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from ..loop import ir
from ..scalar.ctext import pick
from ..scalar.expr import Context, Expr, walk
from ..scalar.op import intern_call

_Key = tuple[Any, str, int]


def expand(
    roots: Sequence[Expr], ctx: Context, leaves: dict[Expr, Expr] | None = None
) -> list[Expr]:
    """`roots` in terms of ops that have C templates.

    Parameters
    ----------
    roots : sequence of Expr
    ctx : Context
        Where the result lives.
    leaves : dict, optional
        Nodes to replace on the way.
    """
    templates: dict[_Key, Expr] = {}
    _collect(roots, templates)
    done: dict[Expr, Expr] = dict(leaves or {})
    _rewrite(roots, ctx, done, templates)
    return [done[r] for r in roots]


def expand_nest(nest: ir.Nest) -> ir.Nest:
    """`nest` in terms of ops that have C templates."""
    roots = [e for stmt, _ in ir.statements(nest.body) for e in ir.expressions(stmt)]
    new = dict(zip(roots, expand(roots, nest.ctx), strict=True))
    if all(a is b for a, b in new.items()):
        return nest
    return replace(nest, body=ir.rewrite(nest.body, new.__getitem__))


def _key(node: Expr) -> _Key | None:
    """What identifies the expansion of a call; ``None`` where it has a template."""
    if node.kind != "call" or node.op.expand is None:
        return None
    dtype = node.args[-1].dtype
    return None if pick(node.op.c, dtype) is not None else (node.op, dtype, len(node.args))


def _collect(roots: Sequence[Expr], templates: dict[_Key, Expr]) -> None:
    """Find the expansions that `roots` need, and those that these need."""
    pending = list(roots)
    while pending:
        for node in walk([pending.pop()]):
            key = _key(node)
            if key is not None and key not in templates:
                templates[key] = key[0].expansion(key[1], key[2])
                pending.append(templates[key])


def _rewrite(
    roots: Sequence[Expr],
    ctx: Context,
    done: dict[Expr, Expr],
    templates: dict[_Key, Expr],
) -> None:
    for node in walk([r for r in roots if r not in done]):
        if node in done:
            continue
        key = _key(node)
        if key is None:
            done[node] = rebuilt(node, tuple(done[a] for a in node.args), ctx)
            continue
        template = templates[key]
        inner = {n: done[node.args[n.payload]] for n in walk([template]) if n.kind == "arg"}
        _rewrite([template], ctx, inner, templates)
        done[node] = inner[template]


def rebuilt(node: Expr, args: tuple[Expr, ...], ctx: Context) -> Expr:
    """`node` in `ctx` with other children; integer arithmetic simplifies anew."""
    if node.kind == "load":
        return ctx.load(node.payload, args, node.dtype)
    if node.kind == "const":
        return ctx.const(node.payload, node.dtype)
    if node.kind != "call":
        leaf: Expr = getattr(ctx, node.kind)(node.payload, *_typed_leaf(node))
        return leaf
    if args == node.args and node.ctx is ctx:
        return node
    if node.dtype == "int64" and all(a.dtype == "int64" for a in args):
        return ctx.call(node.op, args)
    return intern_call(ctx, node.op, args, node.dtype)


def _typed_leaf(node: Expr) -> tuple[str, ...]:
    return (node.dtype,) if node.kind in ("arg", "local") else ()
