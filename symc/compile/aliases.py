"""Which variables of a graph may share memory, by what ops declare."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..graph.node import Variable

__all__ = ["alias_root", "infer_reuse_pattern", "view_tree_set"]


def _source(variable: Variable) -> Variable | None:
    """The operand whose memory a variable is, by ``view_map`` or ``destroy_map``."""
    node = variable.owner
    if node is None:
        return None
    found = node.op.view_map.get(variable.index) or node.op.destroy_map.get(variable.index)
    return node.inputs[found[0]] if found else None


def alias_root(v: Variable) -> Variable:
    """Return the variable whose memory `v` is, as far back as ops declare it."""
    source = _source(v)
    while source is not None:
        v, source = source, _source(source)
    return v


def view_tree_set(fgraph: Any, v: Variable, treeset: set[Variable]) -> None:
    """Add to `treeset` all variables of a graph that share the memory of `v` or of its views."""
    treeset.add(v)
    pending = [v]
    while pending:
        variable = pending.pop()
        for node, i in fgraph.clients(variable):
            if isinstance(node, str):
                continue
            for output in node.outputs:
                maps = (node.op.view_map, node.op.destroy_map)
                shares = any(i in m.get(output.index, ()) for m in maps)
                if shares and output not in treeset:
                    treeset.add(output)
                    pending.append(output)


def infer_reuse_pattern(fgraph: Any, outputs_to_disown: Sequence[Variable]) -> set[Variable]:
    """Return the variables of a graph that share memory with one of the given ones."""
    found: set[Variable] = set()
    for variable in outputs_to_disown:
        view_tree_set(fgraph, alias_root(variable), found)
    return found
