"""Graphs that are used as ops take the place of the ops before anything is rewritten."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.node import Apply, Variable
from ..graph.walk import toposort
from ..ops.from_graph import OpFromGraph
from .inner import with_inner_graphs

__all__ = ["inlined"]


def inlined(outputs: Sequence[Variable]) -> list[Variable]:
    """`outputs` without any `OpFromGraph`: those in others and in loops are replaced too."""
    result = list(outputs)
    order = toposort(result)
    while any(isinstance(node.op, OpFromGraph) for node in order):
        result = _one_level(result, order)
        order = toposort(result)
    if not any(hasattr(node.op, "inner_graph") for node in order):
        return result
    return with_inner_graphs(result, _inside)


def _inside(node: Apply) -> Any:
    found = inlined(node.op.outputs)
    same = all(a is b for a, b in zip(found, node.op.outputs, strict=True))
    return node.op if same else node.op.rebuilt(found)


def _one_level(outputs: Sequence[Variable], order: Sequence[Apply]) -> list[Variable]:
    final: dict[Variable, Variable] = {}
    for node in order:
        inputs = [final.get(v, v) for v in node.inputs]
        if isinstance(node.op, OpFromGraph):
            made = node.op.inlined(inputs)
            for old, new in zip(node.outputs, made, strict=True):
                if old.name is not None and new.name is None and new.owner is not None:
                    new.name = old.name
        elif any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
            made = node.clone_with_new_inputs(inputs).outputs
        else:
            continue
        final.update(zip(node.outputs, made, strict=True))
    return [final.get(v, v) for v in outputs]
