"""Indexing: reads of what was just made, and reads of reads.

Moving an index through an op is right only if every operand has, along the indexed axes, the
length of the result; so those lengths must be proved equal. A read that may be out of bounds is
never dropped.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..graph.node import Constant
from ..ops.alloc import Alloc, ARange
from ..ops.dimshuffle import dimshuffle
from ..ops.dot import Dot, dot_op
from ..ops.elemwise import Elemwise
from ..ops.shape import Rebroadcast
from ..ops.slice import INDEX, Subtensor
from ..ops.vector import MakeVector
from .failure import drops_failure
from .rule import rule
from .sizes import length_variable
from .values import constant_value

__all__ = ["elemwise_at", "entries_of", "is_range_over", "is_whole"]


def is_range_over(rows: Any, x: Any, axis: int, ctx: Any) -> bool:
    """Whether `rows` is ``arange(x.shape[axis])``."""
    if isinstance(rows, Constant):
        counts_up = bool(np.array_equal(rows.data, np.arange(rows.data.size)))
    elif rows.owner is not None and isinstance(rows.owner.op, ARange):
        start, _, step = rows.owner.inputs
        counts_up = constant_value(start) == 0 and constant_value(step) == 1
    else:
        return False
    return counts_up and bool(ctx.assumed_same_length(rows, 0, x, axis))


def _indexed(x: Any, entries: Sequence[Any]) -> Any:
    """``x[entries]`` for integers, 0-d variables and slices; trailing whole axes are dropped."""
    entries = list(entries)
    while entries and entries[-1] == slice(None):
        entries.pop()
    if not entries:
        return x
    operands: list[Any] = []
    for e in entries:
        parts = (e.start, e.stop, e.step) if isinstance(e, slice) else (e,)
        operands.extend(p for p in parts if p is not None)
    kinds = [
        slice(*(None if p is None else INDEX for p in (e.start, e.stop, e.step)))
        if isinstance(e, slice)
        else INDEX
        for e in entries
    ]
    return Subtensor(kinds)(x, *operands)


def entries_of(index: Any, integers: Sequence[Any], ndim: int) -> list[Any]:
    """An index written out, one entry per axis, with constants as integers.

    Parameters
    ----------
    index : BasicIndex
    integers : sequence of variables
        The integer operands of the node.
    ndim : int
        Rank of what is indexed.
    """
    values = [int(v.data) if isinstance(v, Constant) else v for v in integers]
    filled: list[Any] = index.filled(values)
    return filled + [slice(None)] * (ndim - len(filled))


def _entries(node: Any) -> list[Any]:
    return entries_of(node.op.index, node.inputs[1:], node.inputs[0].type.ndim)


def is_whole(entry: Any, x: Any, axis: int, ctx: Any) -> bool:
    """Whether a slice takes all of an axis of `x` in its order."""
    if not isinstance(entry, slice) or entry.step not in (None, 1) or entry.start not in (None, 0):
        return False
    if entry.stop is None:
        return True
    if isinstance(entry.stop, int):
        length = ctx.length(x, axis)
        return length is not None and entry.stop >= length
    if ctx.facts is None:
        return False
    return bool(ctx.facts.equal(ctx.facts.value(entry.stop), ctx.facts.shape(x)[axis]))


# ---------------------------------------------------------------------------------------------
# Basic indexing
# ---------------------------------------------------------------------------------------------


@rule(("fold", "canonical", "specialise"), ops=[Subtensor], tags=["useless"])
def useless_slice(node: Any, ctx: Any) -> Any:
    """x[0:n] is x where n is its length; whole axes at the end of an index are dropped."""
    x = node.inputs[0]
    entries = _entries(node)
    short = [slice(None) if is_whole(e, x, axis, ctx) else e for axis, e in enumerate(entries)]
    given = len(node.op.index.key)
    if short == entries and (not given or entries[given - 1] != slice(None)):
        return None
    return _indexed(x, short)


@rule(("canonical", "specialise"), ops=[Subtensor], tags=["useless"])
def element_of_vector(node: Any, ctx: Any) -> Any:
    """[a, b, c][1] is b, and [a, b, c][1:] is [b, c]."""
    vector = node.inputs[0]
    while vector.owner is not None and isinstance(vector.owner.op, Rebroadcast):
        vector = vector.owner.inputs[0]
    if vector.owner is None or not isinstance(vector.owner.op, MakeVector):
        return None
    (entry,) = _entries(node)
    parts = vector.owner.inputs
    if isinstance(entry, int):
        if not -len(parts) <= entry < len(parts):
            return None
        part = parts[entry]
        if part.type != node.outputs[0].type or _drops_failing_parts(vector, [part], ctx):
            return None
        return part
    if not isinstance(entry, slice):
        return None
    if any(e is not None and not isinstance(e, int) for e in (entry.start, entry.stop, entry.step)):
        return None
    if _drops_failing_parts(vector, parts[entry], ctx):
        return None
    return vector.owner.op(*parts[entry])


def _drops_failing_parts(vector: Any, kept: Sequence[Any], ctx: Any) -> bool:
    """Whether an error could be lost if a vector were not made, but only some parts of it."""
    gone = [v for v in vector.owner.inputs if v not in kept]
    return ctx.readers(vector) == 1 and drops_failure(gone, ctx)


@rule("canonical", ops=[Subtensor])
def index_of_short_axis(node: Any, ctx: Any) -> Any:
    """x[0] drops the axis by dimshuffle where its length is known to be 1."""
    x = node.inputs[0]
    entries = _entries(node)
    dropped = [
        axis for axis, e in enumerate(entries) if x.type.broadcastable[axis] and e in (0, -1)
    ]
    if not dropped:
        return None
    kept = [axis for axis in range(x.type.ndim) if axis not in dropped]
    return _indexed(dimshuffle(x, kept), [entries[axis] for axis in kept])


@rule("canonical", ops=[Subtensor])
def index_of_index(node: Any, ctx: Any) -> Any:
    """x[i][j] is x[i, j], and x[a:][b:c] is x[a + b:a + c]."""
    x = node.inputs[0]
    if x.owner is None or not isinstance(x.owner.op, Subtensor):
        return None
    outer = iter(_entries(node))
    merged = []
    for entry in _entries(x.owner):
        if isinstance(entry, slice):
            both = _composed(entry, next(outer))
            if both is None:
                return None
            merged.append(both)
        else:
            merged.append(entry)
    return _indexed(x.owner.inputs[0], merged)


def _composed(first: slice, second: Any) -> Any:
    """The index that does what `first` and then `second` do along one axis; None if not simple."""
    if first == slice(None):
        return second
    if second == slice(None):
        return first
    start = first.start or 0
    simple = first.stop is None and first.step in (None, 1)
    if not simple or not isinstance(start, int) or start < 0:
        return None
    if isinstance(second, int):
        return start + second if second >= 0 else None
    if not isinstance(second, slice) or second.step not in (None, 1):
        return None
    begin, end = second.start or 0, second.stop
    if not isinstance(begin, int) or begin < 0:
        return None
    if end is not None and (not isinstance(end, int) or end < 0):
        return None
    return slice(start + begin, None if end is None else start + end)


@rule("canonical", ops=[Subtensor])
def index_of_elemwise(node: Any, ctx: Any) -> Any:
    """f(x, y)[i] is f(x[i], y[i]), if nothing else reads f(x, y)."""
    whole = node.inputs[0]
    if whole.owner is None or not isinstance(whole.owner.op, Elemwise):
        return None
    if len(whole.owner.outputs) != 1 or ctx.readers(whole) != 1:
        return None
    return elemwise_at(node, ctx)


def elemwise_at(node: Any, ctx: Any) -> Any:
    """f(x, y)[i] as f(x[i], y[i]), for a node that indexes what an `Elemwise` computes.

    None where lengths are not proved equal, or a check of the index would be lost.
    """
    whole = node.inputs[0]
    entries = _entries(node)
    operands = []
    for v in whole.owner.inputs:
        own = []
        for axis, entry in enumerate(entries):
            if entry == slice(None):
                own.append(entry)
            elif v.type.broadcastable[axis] and not whole.type.broadcastable[axis]:
                own.append(slice(None) if isinstance(entry, slice) else 0)
            elif len(whole.owner.inputs) == 1 or ctx.same_length(v, axis, whole, axis):
                own.append(entry)
            else:
                return None
        operands.append(_indexed(v, own))
    # A dropped bound check is a dropped error: one operand must keep each index.
    for axis, entry in enumerate(entries):
        kept = any(not v.type.broadcastable[axis] for v in whole.owner.inputs)
        if entry != slice(None) and not kept and not whole.type.broadcastable[axis]:
            return None
    new = whole.owner.op(*operands)
    return new if new.type.dtype == node.outputs[0].type.dtype else None


@rule(("canonical", "specialise"), ops=[Subtensor])
def slice_of_alloc(node: Any, ctx: Any) -> Any:
    """alloc(v, n, m)[a:b] is alloc(v, ...) of the smaller shape."""
    x = node.inputs[0]
    if x.owner is None or not isinstance(x.owner.op, Alloc):
        return None
    value = x.owner.inputs[0]
    entries = _entries(node)
    if not all(isinstance(e, slice) for e in entries) or not all(value.type.broadcastable):
        return None
    (out,) = node.outputs
    lengths = [length_variable(out, axis, ctx) for axis in range(out.type.ndim)]
    if any(n.owner is not None and out in n.owner.inputs for n in lengths):
        return None
    return Alloc()(value, *lengths)


@rule(("canonical", "specialise"), ops=[Subtensor])
def index_of_dot(node: Any, ctx: Any) -> Any:
    """dot(a, b)[i, j] is dot(a[i], b[:, j]), if nothing else reads the product."""
    product = node.inputs[0]
    if product.owner is None or not isinstance(product.owner.op, Dot):
        return None
    a, b = product.owner.inputs
    if ctx.readers(product) != 1:
        return None
    entries = _entries(node)
    rows = entries[: a.type.ndim - 1]
    columns = entries[a.type.ndim - 1 :]
    left = _indexed(a, [*rows, slice(None)])
    right = _indexed(b, [slice(None), *columns])
    return dot_op(left, right)
