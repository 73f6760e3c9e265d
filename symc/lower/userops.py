"""Shapes of users' ops: Theano's ``infer_shape`` in terms of size expressions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..errors import MethodNotDefined, ShapeError
from ..graph.node import Apply, Variable
from ..scalar.expr import Expr, leaves

if TYPE_CHECKING:
    from .facts import Facts


def infer_user_shapes(
    facts: Facts, node: Apply, in_shapes: Sequence[Any]
) -> list[tuple[Any, ...] | None]:
    """Lengths of the outputs of a user's op, by its ``infer_shape``.

    The op computes with 0-d int64 variables that stand for the lengths of its operands; the small
    graphs that it returns are worked out symbolically. A length that is not made of sizes and
    integers alone is unknown (None), and so is everything where the method declines (ShapeError,
    NotImplementedError).

    Parameters
    ----------
    facts : Facts
    node : Apply
    in_shapes : sequence
        Sizes of the operands; None for operands without a shape.

    Returns
    -------
    list
        Per output a tuple of sizes and Nones, or None.
    """
    inferred = facts.user_lengths.get(node)
    if inferred is None:
        inferred = facts.user_lengths[node] = _inferred(facts, node, in_shapes)
    known = set(node.inputs)
    return [_sizes(facts, lengths, known) for lengths in inferred]


def _inferred(facts: Facts, node: Apply, in_shapes: Sequence[Any]) -> Sequence[Any]:
    """What ``infer_shape`` returns, over fresh variables that are bound to the sizes."""
    unknown = [None] * len(node.outputs)
    scalar = _int64_scalar(node)
    if scalar is None:
        return unknown
    given = [None if s is None else tuple(scalar() for _ in s) for s in in_shapes]
    for variables, sizes in zip(given, in_shapes, strict=True):
        for variable, size in zip(variables or (), sizes or (), strict=True):
            facts.bind_value(variable, size)
    try:
        inferred: Sequence[Any] = node.op.infer_shape(node, given)
    except (ShapeError, MethodNotDefined, NotImplementedError):
        return unknown
    return inferred


def _int64_scalar(node: Apply) -> Any:
    """A type of 0-d int64 variables, made from that of an operand or output."""
    for variable in (*node.inputs, *node.outputs):
        if getattr(variable.type, "broadcastable", None) is not None:
            return variable.type.clone(dtype="int64", broadcastable=())
    return None


def _sizes(facts: Facts, lengths: Any, known: set[Variable]) -> tuple[Any, ...] | None:
    if lengths is None:
        return None
    return tuple(_size(facts, n, known) for n in lengths)


def _size(facts: Facts, length: Any, known: set[Variable]) -> Expr | None:
    if not isinstance(length, Variable):
        return facts.size(length)
    value = facts.known_value(length, ())
    if value is None:
        return None
    for leaf in leaves([value], "size"):
        variable, _ = facts.source(leaf.payload[1])
        if leaf.payload[0] == "val" and variable not in known and not facts.is_given(variable):
            return None
    return value
