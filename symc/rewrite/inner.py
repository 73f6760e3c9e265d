"""Graphs inside of ops: every loop gets inner variables of its own, and is rewritten inside."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..graph.node import Apply, Variable
from ..graph.walk import toposort

__all__ = ["private_graphs", "with_inner_graphs"]


def private_graphs(
    outputs: Sequence[Variable], order: Sequence[Apply] | None = None
) -> list[Variable]:
    """`outputs`, in which no two nodes share an inner graph; `order` as in `with_inner_graphs`.

    What is known about lengths is known about variables, so the variables of an inner graph must
    belong to one node.
    """

    def private(node: Apply) -> Any:
        own = node.op.private()
        return own.rebuilt(private_graphs(own.outputs))

    return with_inner_graphs(outputs, private, order)


def with_inner_graphs(
    outputs: Sequence[Variable],
    change: Callable[[Apply], Any],
    order: Sequence[Apply] | None = None,
) -> list[Variable]:
    """`outputs`, in which ops with inner graphs are replaced.

    Parameters
    ----------
    outputs : sequence of Variable
    change : callable
        ``change(node)``: the op that takes the place of ``node.op``, which has an inner graph. The
        operands of the node are final.
    order : sequence of Apply, optional
        The nodes in topological order, where that is known.
    """
    order = toposort(list(outputs)) if order is None else order
    ops = {id(node.op): node.op for node in order}  # few ops, many nodes
    if not any(hasattr(op, "inner_graph") for op in ops.values()):
        return list(outputs)
    final: dict[Variable, Variable] = {}
    for node in order:
        inputs = [final.get(v, v) for v in node.inputs]
        changed = any(a is not b for a, b in zip(inputs, node.inputs, strict=True))
        made = node.clone_with_new_inputs(inputs) if changed else node
        if hasattr(node.op, "inner_graph"):
            if changed:  # what is known about inner variables is about other operands
                made = Apply(node.op.private(), inputs, [v.clone() for v in node.outputs])
            op = change(made)
            if op is not made.op:
                made = Apply(op, made.inputs, [v.clone() for v in made.outputs])
                made.tag = node.tag
        final.update(zip(node.outputs, made.outputs, strict=True))
    return [final.get(v, v) for v in outputs]
