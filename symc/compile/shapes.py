"""Theano's form of ``infer_shape`` for the built-in ops: lengths as variables."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array.convert import as_tensor_variable, constant
from ..errors import MethodNotDefined, ShapeError
from ..graph.graph import rebuild
from ..graph.node import Apply, Constant, Variable
from ..graph.walk import toposort
from ..lower.facts import Facts
from ..ops.elemwise import Elemwise
from ..ops.math import eq, switch
from ..ops.sizes import Shape_i, shape_i
from ..rewrite.sizes import size_variable

__all__ = ["infer_shape", "infer_shapes"]

Shapes = list[tuple[Any, ...] | None]


def infer_shape(node: Apply, in_shapes: Sequence[Sequence[Any] | None]) -> Shapes:
    """Shapes of the outputs of a node.

    Parameters
    ----------
    node : Apply
    in_shapes : sequence
        Per operand a tuple of lengths (integers or 0-d variables), or None.

    Returns
    -------
    list
        Per output a tuple of lengths, or None for outputs without a shape. A length that follows
        from `in_shapes` and values of operands does not need the value of the output.
    """
    given = [None if s is None else tuple(map(_length, s)) for s in in_shapes]
    if isinstance(node.op, Elemwise):
        return [_broadcast(node, given, out) for out in node.outputs]
    fresh = [v if isinstance(v, Constant) else v.type() for v in node.inputs]
    made = node.clone_with_new_inputs(fresh)
    facts = Facts([v for v in fresh if not isinstance(v, Constant)])
    return [
        _written_out(facts, inner, outer, node, fresh, given)
        for inner, outer in zip(made.outputs, node.outputs, strict=True)
    ]


def infer_shapes(
    outs: Sequence[Variable],
    inputs: Sequence[Variable],
    input_shapes: Sequence[Sequence[Any] | None],
) -> Shapes:
    """Shapes of the outputs of a graph, from those of its inputs; see `infer_shape`."""
    known: dict[Variable, Any] = dict(zip(inputs, input_shapes, strict=True))

    def shape(variable: Variable) -> Any:
        if variable not in known:
            rank = getattr(variable.type, "ndim", None)
            known[variable] = None if rank is None else tuple(
                shape_i(variable, i) for i in range(rank)
            )
        return known[variable]

    for node in toposort(outs, inputs):
        op_shapes = getattr(node.op, "infer_shape", None)
        try:
            found = op_shapes(node, [shape(v) for v in node.inputs]) if op_shapes else ()
        except (ShapeError, MethodNotDefined, NotImplementedError):
            found = ()
        known.update(zip(node.outputs, found, strict=False))
    return [shape(v) for v in outs]


def _length(n: Any) -> Any:
    return n if isinstance(n, Variable) else constant(int(n), dtype="int64")


def _broadcast(node: Apply, given: Sequence[Any], out: Any) -> tuple[Any, ...]:
    """Lengths of an elementwise result: where two operands may differ, that which is not 1."""
    dims = []
    for axis, short in enumerate(out.type.broadcastable):
        candidates: list[Any] = []
        for variable, shape in zip(node.inputs, given, strict=True):
            if variable.type.broadcastable[axis]:
                continue
            length = shape_i(variable, axis) if shape is None else shape[axis]
            if not any(length is c for c in candidates):
                candidates.append(length)
        if short or not candidates:
            dims.append(constant(1, dtype="int64"))
            continue
        total = candidates[0]
        for other in candidates[1:]:
            total = switch(eq(total, 1), other, total)
        dims.append(total)
    return tuple(dims)


def _written_out(
    facts: Facts,
    inner: Any,
    outer: Any,
    node: Apply,
    fresh: Sequence[Variable],
    given: Sequence[Any],
) -> tuple[Any, ...] | None:
    rank = getattr(outer.type, "ndim", None)
    if rank is None:
        return None
    try:
        sizes = [size_variable(size, facts) for size in facts.shape(inner)]
    except ShapeError:
        sizes = [None] * rank
    place = {v: k for k, v in enumerate(fresh) if not isinstance(v, Constant)}
    dims = []
    for axis, size in enumerate(sizes):
        if size is None:
            dims.append(shape_i(outer, axis))
            continue
        replace: dict[Variable, Any] = {v: node.inputs[k] for v, k in place.items()}
        replace[inner] = outer
        for reader in toposort([size]):
            k = place.get(reader.inputs[0]) if isinstance(reader.op, Shape_i) else None
            if k is not None and given[k] is not None:
                replace[reader.outputs[0]] = as_tensor_variable(given[k][reader.op.i])
        dims.append(rebuild([size], replace)[0])
    return tuple(dims)
