"""Joins of one part, of empty parts, of vectors of scalars; useless splits."""

from __future__ import annotations

from typing import Any

from ..graph.node import Constant
from ..ops.join import Join, Split
from ..ops.vector import MakeVector
from .rule import rule

__all__ = ["join_of_one"]


@rule(("canonical", "specialise"), ops=[Join], tags=["useless"])
def join_of_one(node: Any, ctx: Any) -> Any:
    """A join of one part is that part."""
    return node.inputs[0] if len(node.inputs) == 1 else None


@rule(("canonical", "specialise"), ops=[Join])
def join_of_empty(node: Any, ctx: Any) -> Any:
    """Constants without elements are left out of a join."""
    (out,) = node.outputs
    kept = [
        v
        for v in node.inputs
        if not (isinstance(v, Constant) and v.data.size == 0 and v.data.ndim == 1)
    ]
    if not kept or len(kept) == len(node.inputs):
        return None
    new = kept[0] if len(kept) == 1 else node.op(*kept)
    return new if new.type.dtype == out.type.dtype else None


@rule("canonical", ops=[Join])
def join_of_joins(node: Any, ctx: Any) -> Any:
    """join(join(a, b), c) is join(a, b, c), if nothing else reads the inner one."""
    parts: list[Any] = []
    for v in node.inputs:
        nested = v.owner is not None and v.owner.op == node.op and ctx.readers(v) == 1
        parts.extend(v.owner.inputs if nested else [v])
    if len(parts) == len(node.inputs):
        return None
    new = node.op(*parts)
    return new if new.type.dtype == node.outputs[0].type.dtype else None


@rule("canonical", ops=[Join])
def join_of_vectors_of_scalars(node: Any, ctx: Any) -> Any:
    """join([a, b], [c]) is [a, b, c]."""
    parts: list[Any] = []
    merged = False
    for v in node.inputs:
        is_vector = v.owner is not None and isinstance(v.owner.op, MakeVector)
        before = parts[-1].owner if parts else None
        if is_vector and before is not None and isinstance(before.op, MakeVector):
            parts[-1] = v.owner.op(*before.inputs, *v.owner.inputs)
            merged = True
        else:
            parts.append(v)
    if not merged:
        return None
    return parts[0] if len(parts) == 1 else node.op(*parts)


@rule("canonical", ops=[Split])
def split_of_join(node: Any, ctx: Any) -> Any:
    """split(join(a, b)) is a and b, where the pieces have their lengths."""
    x = node.inputs[0]
    join = x.owner
    if join is None or not isinstance(join.op, Join) or join.op.axis != node.op.axis:
        return None
    parts = join.inputs
    if len(parts) != len(node.outputs):
        return None
    for part, piece in zip(parts, node.outputs, strict=True):
        if part.type != piece.type or not ctx.same_length(part, node.op.axis, piece, node.op.axis):
            return None
    return list(parts)


@rule(("canonical", "specialise"), ops=[Split], tags=["useless"])
def split_into_one(node: Any, ctx: Any) -> Any:
    """A split into one piece of the whole length is its operand."""
    if len(node.outputs) != 1:
        return None
    (x, size) = node.inputs
    axis = node.op.axis
    if isinstance(size, Constant):
        whole = ctx.length(x, axis) == int(size.data)
    else:
        whole = ctx.facts is not None and ctx.facts.equal(
            ctx.facts.value(size), ctx.facts.shape(x)[axis]
        )
    return x if whole else None
