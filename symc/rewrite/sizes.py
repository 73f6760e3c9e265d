"""Lengths as variables: from size expressions back to graphs."""

from __future__ import annotations

from typing import Any

from ..array.convert import constant
from ..errors import ShapeError
from ..graph.node import Constant, Variable
from ..graph.walk import graph_inputs
from ..ops.elemwise import elemwise_of
from ..ops.sizes import Shape_i, shape_i
from ..ops.slice import INDEX, Subtensor
from ..scalar.expr import Expr, walk

__all__ = ["length_variable", "size_variable"]

_MAX_NODES = 64
"""Longer expressions are not written out as graphs."""


def size_variable(size: Expr, facts: Any) -> Any:
    """A size expression as a 0-d int64 variable; None if it is too long to be worth it.

    Parameters
    ----------
    size : Expr
        Its leaves are what `facts.source` knows.
    facts : Facts
    """
    nodes = walk([size])
    if len(nodes) > _MAX_NODES:
        return None
    values: dict[Expr, Any] = {}
    for node in nodes:
        if node.kind == "const":
            values[node] = constant(node.payload, dtype=node.dtype)
        elif node.kind == "size":
            values[node] = _leaf(node, facts)
        else:
            values[node] = elemwise_of(node.op)(*(values[a] for a in node.args))
    found = values[size]
    return found if found.type == INDEX else None


def _leaf(leaf: Expr, facts: Any) -> Any:
    kind, number, *axis = leaf.payload
    variable, index = facts.source(number)
    if kind == "dim":
        return Shape_i(axis[0])(variable)
    if index:
        variable = Subtensor([INDEX] * len(index))(variable, *index)
    return variable if variable.type.dtype == "int64" else variable.astype("int64")


def _is_at_hand(size: Variable, inputs: frozenset[Variable] | None) -> bool:
    """Whether an expression can be computed from the inputs of the graph that is rewritten."""
    if inputs is None:
        return True
    return all(isinstance(v, Constant) or v in inputs for v in graph_inputs([size]))


def length_variable(x: Variable, axis: int, ctx: Any) -> Any:
    """The length of an axis of `x` as a 0-d int64 variable that does not need the value of `x`.

    Where that is not possible it is ``Shape_i(x)``.
    """
    known = ctx.length(x, axis)
    if known is not None:
        return constant(known, dtype="int64")
    if ctx.facts is not None and x.owner is not None:
        try:
            found = size_variable(ctx.facts.shape(x)[axis], ctx.facts)
        except ShapeError:
            found = None
        if found is not None and _is_at_hand(found, ctx.inner_inputs):
            return found
    return shape_i(x, axis)
