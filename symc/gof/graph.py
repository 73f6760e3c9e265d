"""Graphs: nodes and walks, under Theano's module name."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from typing import Any

from ..graph.graph import clone, clone_get_equiv, equal_computations, is_same_graph
from ..graph.node import Apply, Constant, Node, Variable
from ..graph.observers import nodes_constructed
from ..graph.walk import (
    ancestors,
    general_toposort,
    inputs,
    io_connection_pattern,
    io_toposort,
    is_in_ancestors,
    list_of_nodes,
    ops,
    orphans,
    stack_search,
    variables,
    variables_and_orphans,
    view_roots,
)

__all__ = [
    "Apply",
    "Constant",
    "Node",
    "Variable",
    "ancestors",
    "as_string",
    "clone",
    "clone_get_equiv",
    "default_leaf_formatter",
    "default_node_formatter",
    "equal_computations",
    "general_toposort",
    "inputs",
    "io_connection_pattern",
    "io_toposort",
    "is_in_ancestors",
    "is_same_graph",
    "list_of_nodes",
    "nodes_constructed",
    "op_as_string",
    "ops",
    "orphans",
    "stack_search",
    "variables",
    "variables_and_orphans",
    "view_roots",
]


def default_leaf_formatter(leaf: Variable) -> str:
    """Return the text of a variable."""
    return str(leaf)


def default_node_formatter(op: Any, argstrings: Sequence[str]) -> str:
    """Return the text of an application."""
    return f"{op.op}({', '.join(argstrings)})"


def op_as_string(
    i: Sequence[Variable],
    op: Apply,
    leaf_formatter: Callable[[Variable], str] = default_leaf_formatter,
    node_formatter: Callable[[Any, Sequence[str]], str] = default_node_formatter,
) -> str:
    """Return an application as text, with the graph from `i` to its operands."""
    return node_formatter(op, as_string(i, op.inputs, leaf_formatter, node_formatter))


def as_string(
    i: Sequence[Variable],
    o: Sequence[Variable],
    leaf_formatter: Callable[[Variable], str] = default_leaf_formatter,
    node_formatter: Callable[[Any, Sequence[str]], str] = default_node_formatter,
) -> list[str]:
    """Return the graph from `i` to `o` as one text per output.

    What is read several times is written once as ``*n -> text``, then as ``*n``.

    Parameters
    ----------
    i, o : sequence of Variable
    leaf_formatter, node_formatter : callable, optional
        ``leaf_formatter(variable)`` and ``node_formatter(node, argument texts)``.
    """
    given, leaves = set(i), set(orphans(i, o))
    reads: dict[Apply, int] = {}
    order = io_toposort(i, o)
    for variable in itertools.chain(o, *(node.inputs for node in order)):
        if variable.owner is not None and variable not in given:
            reads[variable.owner] = reads.get(variable.owner, 0) + 1
    number: dict[Apply, int] = {}
    texts: dict[Variable, str] = {}
    shown: set[Apply] = set()

    def text(variable: Variable) -> str:
        if variable in given or variable in leaves or variable.owner is None:
            return leaf_formatter(variable)
        node = variable.owner
        part = "" if len(node.outputs) == 1 and variable is node.outputs[0] else (
            f"::{variable.index}"
        )
        if reads[node] == 1:
            return texts[variable] + part
        if node in shown:
            return f"*{number[node]}{part}"
        shown.add(node)
        number[node] = len(number) + 1
        return f"*{number[node]} -> {texts[variable]}{part}"

    for node in order:
        written = node_formatter(node, [text(v) for v in node.inputs])
        texts.update(dict.fromkeys(node.outputs, written))
    return [text(v) for v in o]
