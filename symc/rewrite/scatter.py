"""Writes: those that change everything or nothing, and scatters of values into zeros.

A write checks its indices. Rules that make a write disappear apply where nothing can be out of
bounds (slices), or where another reader keeps the write and with it the check.
"""

from __future__ import annotations

from typing import Any

from ..ops.alloc import Alloc
from ..ops.dimshuffle import dimshuffle
from ..ops.elemwise import elemwise_of
from ..ops.gather import AdvancedSubtensor, AdvancedSubtensor1
from ..ops.reduce import Sum
from ..ops.scatter import AdvancedIncSubtensor, AdvancedIncSubtensor1
from ..ops.slice import Subtensor
from ..ops.write import IncSubtensor
from ..scalar.arith import add, mul, neg, sub, true_div
from ..scalar.logic import second
from .index import entries_of, is_range_over, is_whole
from .rule import rule
from .values import constant_value, matches_shape, operands_of

__all__ = ["WRITES", "scattered"]

WRITES = (IncSubtensor, AdvancedIncSubtensor, AdvancedIncSubtensor1)
"""The ops that write: operands ``x, values, *indices``."""

_neg, _second, _add = map(elemwise_of, (neg, second, add))


def _write(x: Any) -> Any:
    """The node that writes, if `x` is made by one, else None."""
    return x.owner if x.owner is not None and isinstance(x.owner.op, WRITES) else None


def _reading(op: Any) -> Any:
    """The op that reads what `op` writes."""
    if isinstance(op, IncSubtensor):
        return Subtensor(op.idx_list)
    if isinstance(op, AdvancedIncSubtensor1):
        return AdvancedSubtensor1()
    return AdvancedSubtensor(op.axes, op.front)


def _takes_any_index(node: Any) -> bool:
    """Whether a write can't be out of bounds: it is made of slices."""
    return isinstance(node.op, IncSubtensor) and None not in node.op.index.key


# ---------------------------------------------------------------------------------------------
# Writes that are no writes
# ---------------------------------------------------------------------------------------------


@rule(("canonical", "specialise"), ops=[IncSubtensor], tags=["useless"])
def write_of_everything(node: Any, ctx: Any) -> Any:
    """set(x[:], y) is y, and inc(x[:], y) is x + y."""
    x, values = node.inputs[:2]
    (out,) = node.outputs
    entries = entries_of(node.op.index, node.inputs[2:], x.type.ndim)
    if not all(is_whole(e, x, axis, ctx) for axis, e in enumerate(entries)):
        return None
    if node.op.set_instead_of_inc:
        new = _second(x, values)
    elif x.type.dtype == "bool":
        return None
    else:
        new = _add(x, values)
    return new if new.type.dtype == out.type.dtype and matches_shape(x, new, ctx) else None


@rule("canonical", ops=[IncSubtensor])
def write_of_own_part(node: Any, ctx: Any) -> Any:
    """set(x[i], x[i]) is x for slices i, and set(x[i], x[i] + y) is inc(x[i], y)."""
    x, values, *indices = node.inputs
    if not node.op.set_instead_of_inc:
        return None
    if _is_part(values, node):
        return x if _takes_any_index(node) else None
    terms = operands_of(values, add) or []
    own = next((t for t in terms if _is_part(t, node)), None)
    if own is None or values.type.dtype == "bool":
        return None
    others = [t for t in terms if t is not own]
    if len(others) != len(terms) - 1 or not matches_shape(own, values, ctx):
        return None
    increment = others[0] if len(others) == 1 else _add(*others)
    if increment.type.dtype != x.type.dtype:
        return None
    return IncSubtensor(node.op.idx_list)(x, increment, *indices)


def _is_part(v: Any, node: Any) -> bool:
    """Whether `v` is what the write `node` replaces."""
    read = v.owner
    return (
        read is not None
        and isinstance(read.op, Subtensor)
        and read.op.index == node.op.index
        and read.inputs[0] is node.inputs[0]
        and _same_operands(read.inputs[1:], node.inputs[2:])
    )


def _same_operands(a: list[Any], b: list[Any]) -> bool:
    return len(a) == len(b) and all(v is w for v, w in zip(a, b, strict=True))


@rule("canonical", ops=list(WRITES))
def increment_by_zero(node: Any, ctx: Any) -> Any:
    """inc(x[i], 0) is x for slices i."""
    x, values = node.inputs[:2]
    if node.op.set_instead_of_inc or not _takes_any_index(node):
        return None
    return x if constant_value(_filling(values)) == 0 and not values.type.ndim else None


def _filling(x: Any) -> Any:
    return x.owner.inputs[0] if x.owner is not None and isinstance(x.owner.op, Alloc) else x


@rule("canonical", ops=[Subtensor])
def read_of_write(node: Any, ctx: Any) -> Any:
    """set(x[i], y)[i] is y."""
    written, *indices = node.inputs
    write = _write(written)
    if write is None or not isinstance(write.op, IncSubtensor) or not write.op.set_instead_of_inc:
        return None
    if write.op.index != node.op.index or not _same_operands(indices, write.inputs[2:]):
        return None
    values = write.inputs[1]
    (out,) = node.outputs
    if not _takes_any_index(write) and ctx.readers(written) == 1:
        return None
    return values if values.type == out.type and ctx.same_shape(values, out) else None


@rule("specialise", ops=list(WRITES))
def write_of_filled_values(node: Any, ctx: Any) -> Any:
    """inc(x[i], alloc(v, n)) is inc(x[i], v), where the values have the shape of the part."""
    x, values, *indices = node.inputs
    if values.owner is None or not isinstance(values.owner.op, Alloc):
        return None
    value = values.owner.inputs[0]
    part = _reading(node.op)(x, *indices)
    if not all(value.type.broadcastable) or not ctx.same_shape(values, part):
        return None
    return node.op(x, dimshuffle(value, []) if value.type.ndim else value, *indices)


@rule("canonical", ops=[mul, true_div])
def product_with_zeroed_part(node: Any, ctx: Any) -> Any:
    """``a * set(x[i], 0)`` is set((a * x)[i], 0): zeroed is 0, even if a is infinite."""
    (out,) = node.outputs
    candidates = node.inputs if node.op.scalar_op is mul else node.inputs[:1]
    for k, v in enumerate(candidates):
        write = _write(v)
        if write is None or not write.op.set_instead_of_inc or ctx.readers(v) != 1:
            continue
        x, values, *indices = write.inputs
        if constant_value(_filling(values)) != 0 or not ctx.same_shape(v, out):
            continue
        product = node.op(*node.inputs[:k], x, *node.inputs[k + 1 :])
        if product.type == v.type == out.type:
            return write.op(product, values, *indices)
    return None


# ---------------------------------------------------------------------------------------------
# Scatters into zeros
# ---------------------------------------------------------------------------------------------


def scattered(x: Any) -> Any:
    """The node that adds values to zeros, if `x` is made by one, else None."""
    node = _write(x)
    if node is None or node.op.set_instead_of_inc:
        return None
    return node if constant_value(_filling(node.inputs[0])) == 0 else None


@rule(("fold", "canonical"), ops=[Subtensor])
def read_of_scatter(node: Any, ctx: Any) -> Any:
    """(v added to zeros at n:)[n:] is v, for a slice along the first axis."""
    written, *bounds = node.inputs
    scatter = scattered(written)
    if scatter is None or not isinstance(scatter.op, IncSubtensor):
        return None
    x, values = scatter.inputs[:2]
    ndim = x.type.ndim
    first, *others = entries_of(node.op.index, bounds, ndim)
    place, *rest = entries_of(scatter.op.index, scatter.inputs[2:], ndim)
    whole = slice(None)
    if any(e != whole for e in (*others, *rest)) or not _from_on(place):
        return None
    if not isinstance(first, slice) or first.start != place.start or first.step not in (None, 1):
        return None
    if not is_whole(slice(None, first.stop), written, 0, ctx):
        return None
    part = _reading(scatter.op)(x, *scatter.inputs[2:])
    return values if values.type == part.type and ctx.same_shape(values, part) else None


def _from_on(entry: Any) -> bool:
    """Whether an entry of an index takes all from a known place on."""
    return (
        isinstance(entry, slice)
        and isinstance(entry.start, int)
        and entry.stop is None
        and entry.step in (None, 1)
    )


@rule("canonical", ops=[Sum])
def row_sums_of_scatter(node: Any, ctx: Any) -> Any:
    """The row sums of v scattered to (arange(n), y) in zeros are v."""
    (x,) = node.inputs
    scatter = scattered(x)
    if scatter is None or x.type.ndim != 2 or node.op.axes(2) != (1,):
        return None
    values = scatter.inputs[1]
    if not _writes_each_row_once(scatter, x, ctx) or values.type.ndim != 1:
        return None
    # The scatter must stay for its other readers: it checks the indices.
    if ctx.readers(x) == 1 or values.type != node.outputs[0].type:
        return None
    return values if ctx.same_length(values, 0, x, 0) else None


def _writes_each_row_once(scatter: Any, x: Any, ctx: Any) -> bool:
    return (
        isinstance(scatter.op, AdvancedIncSubtensor)
        and scatter.op.axes == (0, 1)
        and scatter.inputs[2].type.ndim == 1
        and is_range_over(scatter.inputs[2], x, 0, ctx)
    )


@rule("canonical", ops=[mul, true_div])
def product_with_scatter(node: Any, ctx: Any) -> Any:
    """``y * (v scattered to i in zeros)`` is ``v * y[i]`` scattered to i; so is a quotient."""
    (out,) = node.outputs
    candidates = node.inputs if node.op.scalar_op is mul else node.inputs[:1]
    for k, x in enumerate(candidates):
        scatter = scattered(x)
        if scatter is None or ctx.readers(x) != 1 or x.type.dtype != out.type.dtype:
            continue
        if not ctx.same_shape(x, out):
            continue
        base, values, *indices = scatter.inputs
        part = _reading(scatter.op)(base, *indices)
        if values.type.ndim != part.type.ndim:
            continue
        picked = [_picked(v, scatter, x, ctx) for v in node.inputs[:k] + node.inputs[k + 1 :]]
        if any(p is None for p in picked):
            continue
        scaled = node.op(values, *picked)
        if scaled.type.dtype == x.type.dtype and scaled.type.ndim == values.type.ndim:
            return scatter.op(base, scaled, *indices)
    return None


def _picked(v: Any, scatter: Any, x: Any, ctx: Any) -> Any:
    """The elements of a factor that a scatter to `x` meets, in the shape of its values."""
    indices = scatter.inputs[2:]
    if all(v.type.broadcastable):
        return dimshuffle(v, [])
    if ctx.same_shape(v, x):
        return _reading(scatter.op)(v, *indices)
    by_rows = v.type.broadcastable == (False, True) and ctx.same_length(v, 0, x, 0)
    return dimshuffle(v, 0) if by_rows and _writes_each_row_once(scatter, x, ctx) else None


@rule("specialise", ops=[add, sub])
def sum_with_scatter(node: Any, ctx: Any) -> Any:
    """``x + (v scattered to i in zeros)`` is v added to x at i."""
    (out,) = node.outputs
    is_difference = node.op.scalar_op is sub
    for k, x in enumerate(node.inputs):
        scatter = scattered(x)
        if scatter is None or ctx.readers(x) != 1 or x.type.dtype != out.type.dtype:
            continue
        others = node.inputs[:k] + node.inputs[k + 1 :]
        rest = others[0] if len(others) == 1 else node.op(*others)
        if rest.type != out.type or not ctx.same_shape(rest, out):
            continue
        values = scatter.inputs[1]
        if is_difference and k == 0:
            rest = _neg(rest)
        elif is_difference:
            values = _neg(values)
        return scatter.op(rest, values, *scatter.inputs[2:])
    return None
