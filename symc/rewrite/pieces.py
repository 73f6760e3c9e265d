"""Slices that take an axis apart, one after the other: ``x[:n]``, ``x[n:2 * n]``, ``x[2 * n:]``.

Gates of an LSTM are such slices of one product. An elementwise op on what is sliced need not be
stored for them, and the gradient, which adds up what is scattered to the slices, is a join.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.join import join
from ..ops.slice import Subtensor
from ..ops.write import IncSubtensor
from ..scalar.arith import add
from ..scalar.logic import second
from .index import elemwise_at, entries_of
from .rule import rule
from .scatter import scattered
from .values import is_elemwise

__all__ = ["in_sequence"]

_add = elemwise_of(add)


def in_sequence(slices: Sequence[slice], ctx: Any) -> list[int] | None:
    """The order in which slices follow one another from the start of an axis without a gap.

    Parameters
    ----------
    slices : sequence of slice
        Their bounds are None, integers or 0-d integer variables.
    ctx : RewriteContext

    Returns
    -------
    list of int, or None
        Positions; None if there is no such order.
    """
    order: list[int] = []
    bound: Any = 0
    while len(order) < len(slices):
        following = [
            k
            for k, s in enumerate(slices)
            if k not in order and s.step in (None, 1) and _same(s.start or 0, bound, ctx)
        ]
        if len(following) != 1 or bound is None:
            return None
        order += following
        bound = slices[following[0]].stop
    return order


def _same(a: Any, b: Any, ctx: Any) -> bool:
    """Whether two bounds of slices are equal."""
    if a is b or isinstance(a, int) or isinstance(b, int) or a is None or b is None:
        return a is b or (isinstance(a, int) and isinstance(b, int) and a == b)
    facts = ctx.facts
    return facts is not None and bool(facts.equal(facts.value(a), facts.value(b)))


def _piece(node: Any, first_integer: int) -> tuple[int, slice] | None:
    """The axis along which a node slices, if it is one only, and the slice."""
    entries = entries_of(node.op.index, node.inputs[first_integer:], node.inputs[0].type.ndim)
    found = [(axis, e) for axis, e in enumerate(entries) if e != slice(None)]
    if len(found) != 1 or not isinstance(found[0][1], slice):
        return None
    return found[0]


@rule("specialise", ops=[Subtensor])
def piece_of_elemwise(node: Any, ctx: Any) -> Any:
    """f(x, y)[i] is f(x[i], y[i]), where all that reads f(x, y) are slices without overlap."""
    whole = node.inputs[0]
    if whole.owner is None or not isinstance(whole.owner.op, Elemwise):
        return None
    if len(whole.owner.outputs) != 1:
        return None
    pieces = []
    for reader in dict.fromkeys(ctx.clients(whole)):
        if reader is not None and _reads_shape_only(reader, whole):
            continue
        if reader is None or not isinstance(reader.op, Subtensor) or whole in reader.inputs[1:]:
            return None
        pieces.append(_piece(reader, 1))
    if len(pieces) < 2 or None in pieces or len({axis for axis, _ in pieces}) > 1:  # type: ignore[misc]
        return None
    if in_sequence([s for _, s in pieces], ctx) is None:  # type: ignore[misc]
        return None
    return elemwise_at(node, ctx)


def _reads_shape_only(reader: Any, variable: Any) -> bool:
    return is_elemwise(reader.outputs[0], second) and reader.inputs[1] is not variable


@rule(("canonical", "specialise"), ops=[add])
def sum_of_pieces(node: Any, ctx: Any) -> Any:
    """A sum of values scattered to slices that take an axis apart is the join of the values."""
    (out,) = node.outputs
    scatters, rest = [], []
    for term in node.inputs:
        found = _scattered_piece(term, out, ctx)
        if found is None:
            rest.append(term)
        else:
            scatters.append(found)
    if len(scatters) < 2 or len({axis for axis, _, _ in scatters}) > 1:
        return None
    axis = scatters[0][0]
    order = in_sequence([s for _, s, _ in scatters], ctx)
    if order is None:
        return None
    whole = join(axis, *(scatters[k][2] for k in order))
    if whole.type != out.type or not ctx.assumed_same_length(whole, axis, out, axis):
        return None
    return _add(*rest, whole) if rest else whole


def _scattered_piece(term: Any, out: Any, ctx: Any) -> tuple[int, slice, Any] | None:
    """Axis, slice and values of what adds values to a slice of zeros; None for what is not."""
    node = scattered(term)
    if node is None or not isinstance(node.op, IncSubtensor):
        return None
    base, values, *integers = node.inputs
    found = _piece(node, 2)
    if found is None or values.type.dtype != out.type.dtype or not ctx.same_shape(term, out):
        return None
    part = Subtensor(node.op.idx_list)(base, *integers)
    if values.type.ndim != part.type.ndim or not ctx.same_shape(values, part):
        return None
    return (*found, values)
