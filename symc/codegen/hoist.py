"""Loop-invariant values.

A C compiler may not move a load out of a loop that stores through another pointer, so what does
not change is computed in front of the loop here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from ..loop import ir
from ..scalar.expr import Expr, walk
from .cexpr import is_index_arithmetic

Test = Callable[[Expr], bool]


def invariants(loop: ir.For, stable: Test, risky: Test, nonempty: bool) -> list[Expr]:
    """Values that every iteration of `loop` computes anew, largest expressions only.

    Parameters
    ----------
    loop : For
    stable : callable
        Whether a node's value can't change.
    risky : callable
        Whether a load may be out of range where no ``switch`` chooses it.
    nonempty : bool
        Whether all loops of the nest are known to run at least once; then values of nested loops
        count, otherwise only those of the body itself.

    Returns
    -------
    list of Expr
        Oldest first.
    """
    roots, bound = _collect(loop, nonempty)
    nodes = walk(roots)
    varying = _varying(nodes, bound)
    lazy = _lazy(nodes, roots, risky)
    fixed = {
        n
        for n in nodes
        if n.kind in ("call", "load")
        and n not in varying
        and n not in lazy
        and stable(n)
        and not is_index_arithmetic(n)
    }
    inner = {a for n in nodes if n in fixed for a in n.args}
    needed_outside = {a for n in nodes if n not in fixed for a in n.args} | set(roots)
    return [n for n in nodes if n in fixed and (n not in inner or n in needed_outside)]


def _collect(loop: ir.For, nonempty: bool) -> tuple[list[Expr], set[tuple[str, str]]]:
    """Expressions that certainly run, and the names bound inside the loop."""
    roots: list[Expr] = []
    bound = {("index", loop.key)}
    pending: list[tuple[tuple[ir.Stmt, ...], bool]] = [(loop.body, True)]
    while pending:
        body, certain = pending.pop()
        for stmt in body:
            if certain:
                roots.extend(ir.expressions(stmt))
            if isinstance(stmt, ir.For):
                bound.add(("index", stmt.key))
                pending.append((stmt.body, certain and nonempty))
            elif isinstance(stmt, (ir.Let, ir.Var)):
                bound.add(("local", stmt.key))
            elif isinstance(stmt, ir.Array):
                bound.add(("array", stmt.key))
            else:
                pending.extend((block, False) for block in ir.blocks(stmt))
    return roots, bound


def _varying(nodes: Iterable[Expr], bound: set[tuple[str, str]]) -> set[Expr]:
    varying: set[Expr] = set()
    for node in nodes:
        name = ("array" if node.kind == "load" else node.kind, node.payload)
        if (node.kind in ("index", "local", "load") and name in bound) or any(
            a in varying for a in node.args
        ):
            varying.add(node)
    return varying


def _lazy(nodes: list[Expr], roots: Iterable[Expr], risky: Test) -> set[Expr]:
    """Nodes with risky loads below them that are only reached through a ``switch``."""
    reached = set(roots)
    for node in reversed(nodes):
        if node in reached:
            guards = node.kind == "call" and node.op.name == "switch"
            reached.update(node.args[:1] if guards else node.args)
    above: set[Expr] = set()
    for node in nodes:
        if risky(node) or any(a in above for a in node.args):
            above.add(node)
    return {n for n in above if n not in reached} | {
        n for n in above if n.kind == "call" and n.op.name == "switch"
    }
