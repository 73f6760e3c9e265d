"""Reverse-mode differentiation of scalar expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from symc.dtypes import is_continuous

from .expr import Expr, walk


def gradient(y: Expr, wrt: Sequence[Expr], g: Any = None) -> list[Expr | None]:
    """Differentiate one expression with respect to nodes below it.

    Parameters
    ----------
    y : Expr
        What is differentiated; a float or complex expression.
    wrt : sequence of Expr
        Nodes, usually leaves, of the same context.
    g : Expr or number, optional
        Gradient that arrives at `y`; 1 by default.

    Returns
    -------
    list of (Expr or None)
        One expression per element of `wrt`; ``None`` where `y` does not depend on it by a
        differentiable path.

    Raises
    ------
    ValueError
        If a path leads through a derivative that is not implemented.
    """
    seed = g if isinstance(g, Expr) else y.ctx.const(1 if g is None else g, y.dtype)
    grads: dict[Expr, Expr] = {y: seed}
    below = walk([y])
    active = _between(below, wrt)
    for node in reversed(below):
        arriving = grads.get(node)
        if arriving is None or node.kind != "call":
            continue
        needed = [arg in active for arg in node.args]
        if not any(needed):
            continue
        terms = node.op.grad_exprs(arriving, node, node.args)
        for arg, need, term in zip(node.args, needed, terms, strict=True):
            if not need or term is None:
                continue
            if not isinstance(term, Expr):
                raise ValueError(f"{node.op.name} has no derivative for its operand {arg!r}")
            grads[arg] = grads[arg] + term if arg in grads else term
    return [grads.get(node) for node in wrt]


def _between(below: list[Expr], wrt: Sequence[Expr]) -> set[Expr]:
    """The continuous nodes of `below` (children first) that depend on `wrt`."""
    active: set[Expr] = set(wrt)
    for node in below:
        if is_continuous(node.dtype) and any(arg in active for arg in node.args):
            active.add(node)
    return active
