"""Expressions over formal operands (``arg`` leaves), used as templates."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .ctext import c_literal
from .expr import Expr, walk


def replay(roots: Sequence[Expr], values: Sequence[Any]) -> list[Any]:
    """Rebuild expressions over ``arg`` leaves from other symbolic values.

    Parameters
    ----------
    roots : sequence of Expr
        Their leaves are constants and ``arg`` nodes.
    values : sequence of symbolic
        What stands for each ``arg``: tensor variables, or expressions of another context.

    Returns
    -------
    list
        Values of the kind of `values`, built by calling the ops; constants keep their dtype.
    """
    done: dict[Expr, Any] = {}
    for node in walk(roots):
        if node.kind == "arg":
            done[node] = values[node.payload]
        elif node.kind == "const":
            done[node] = node.payload
        else:
            done[node] = node.op(*[done[a] for a in node.args])
    return [done[root] for root in roots]


def render(root: Expr, operands: Sequence[str], target: str = "c") -> str:
    """C or CUDA text of an expression over ``arg`` leaves, as one nested expression."""
    texts: dict[Expr, str] = {}
    for node in walk([root]):
        if node.kind == "arg":
            texts[node] = operands[node.payload]
        elif node.kind == "const":
            texts[node] = c_literal(node.payload, node.dtype)
        else:
            give = node.op.c_text if target == "c" else node.op.cuda_text
            texts[node] = f"({give(node.args[-1].dtype, [texts[a] for a in node.args])})"
    return texts[root]
