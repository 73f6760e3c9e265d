"""Reductions: of reductions, of scaled and filled operands, over axes of length 1."""

from __future__ import annotations

from typing import Any

from ..dtypes import DTYPES, is_continuous
from ..ops.alloc import Alloc
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.elemwise import cast, elemwise_of
from ..ops.join import Join
from ..ops.reduce import All, Any_, CAReduce, Max, Min, Prod, Sum
from ..scalar.arith import mul, neg, pow, true_div
from ..scalar.logic import second
from .rule import rule
from .sizes import length_variable
from .values import is_elemwise, operands_of

__all__ = ["axes_of"]

_NAMED = (Sum, Prod, Max, Min, All, Any_)
_mul, _div, _neg, _pow = map(elemwise_of, (mul, true_div, neg, pow))


def axes_of(node: Any) -> tuple[int, ...]:
    """The axes that a reduction reduces."""
    axes: tuple[int, ...] = node.op.axes(node.inputs[0].type.ndim)
    return axes


def _over(op: Any, axes: tuple[int, ...], x: Any) -> Any:
    """The reduction `op`, one of `_NAMED`, of `x` over other axes, in the same dtypes."""
    settled: Any = op
    if isinstance(op, (Sum, Prod)):
        return settled.with_dtypes(axes, settled.dtype, settled.acc_dtype)(x)
    return type(op)(axes)(x)


@rule(("fold", "canonical"), ops=_NAMED, tags=["useless"])
def reduction_over_no_axis(node: Any, ctx: Any) -> Any:
    """A reduction over no axis is its operand."""
    (x,) = node.inputs
    if axes_of(node):
        return None
    return cast(x, node.outputs[0].type.dtype)


@rule(("canonical", "specialise"), ops=[Sum, Prod, Max, Min, All, Any_])
def reduction_over_short_axes(node: Any, ctx: Any) -> Any:
    """A reduction over an axis of length 1 drops it."""
    (x,) = node.inputs
    axes = axes_of(node)
    short = [d for d in axes if x.type.broadcastable[d]]
    if not short:
        return None
    kept = [d for d in range(x.type.ndim) if d not in short]
    left = tuple(kept.index(d) for d in axes if d not in short)
    squeezed = dimshuffle(x, kept)
    if left:
        return _over(node.op, left, squeezed)
    return cast(squeezed, node.outputs[0].type.dtype)


@rule("canonical", ops=[Sum, Prod, Max, Min, All, Any_])
def reduction_of_reduction(node: Any, ctx: Any) -> Any:
    """sum(sum(x, a), b) is one sum; so for prod, max, min, all and any."""
    (x,) = node.inputs
    inner = x.owner
    if inner is None or type(inner.op) is not type(node.op) or ctx.readers(x) != 1:
        return None
    if isinstance(node.op, (Sum, Prod)) and inner.op.dtype != inner.op.acc_dtype:
        # The inner result is rounded before it is reduced again: one reduction rounds less.
        wider = is_continuous(inner.op.dtype) and inner.op.dtype == node.op.dtype
        if not wider:
            return None
    source = inner.inputs[0]
    first = axes_of(inner)
    kept = [d for d in range(source.type.ndim) if d not in first]
    axes = tuple(sorted({*first, *(kept[d] for d in axes_of(node))}))
    return _over(node.op, axes, source)


@rule(("canonical", "specialise"), ops=[Sum])
def sum_of_negative(node: Any, ctx: Any) -> Any:
    """sum(-x) is -sum(x)."""
    (x,) = node.inputs
    if not is_elemwise(x, neg) or not is_continuous(x.type.dtype):
        return None
    return _neg(node.op(x.owner.inputs[0]))


@rule(("canonical", "specialise"), ops=[Sum])
def sum_of_scaled(node: Any, ctx: Any) -> Any:
    """sum(s * x) is s * sum(x) and sum(x / s) is sum(x) / s, for s constant along the axes."""
    (x,) = node.inputs
    (out,) = node.outputs
    if not is_elemwise(x, mul, true_div) or DTYPES[x.type.dtype].kind not in "fc":
        return None
    if ctx.readers(x) != 1:
        return None
    axes = axes_of(node)
    divides = x.owner.op.scalar_op is true_div
    operands = x.owner.inputs
    candidates = operands[1:] if divides else operands
    scales = [v for v in candidates if all(v.type.broadcastable[d] for d in axes)]
    others = [v for v in operands if v not in scales]
    if not scales or not others:
        return None
    rest = others[0] if len(others) == 1 else _mul(*others)
    if not all(ctx.same_length(rest, d, x, d) for d in range(x.type.ndim)):
        return None
    if rest.type.dtype != x.type.dtype:
        return None
    kept = [d for d in range(x.type.ndim) if d not in axes]
    outside = [cast(dimshuffle(v, kept), out.type.dtype) for v in scales]
    total = node.op(rest)
    return _div(total, outside[0]) if divides else _mul(*outside, total)


@rule(("canonical", "specialise"), ops=[Sum, Prod, Max, Min])
def reduction_of_transpose(node: Any, ctx: Any) -> Any:
    """A reduction does not care about the order of the axes it reduces."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, DimShuffle):
        return None
    order = x.owner.op.new_order
    axes = axes_of(node)
    if x.owner.op.drop or any(order[d] == "x" for d in range(x.type.ndim)):
        return None
    source = x.owner.inputs[0]
    inner = tuple(sorted(order[d] for d in axes))
    left = [d for d in range(source.type.ndim) if d not in inner]
    wanted = [order[d] for d in range(x.type.ndim) if d not in axes]
    return dimshuffle(_over(node.op, inner, source), [left.index(d) for d in wanted])


@rule("specialise", ops=[Sum, Prod])
def reduction_of_constant(node: Any, ctx: Any) -> Any:
    """sum(alloc(v, n)) is v * n, and prod(alloc(v, n)) is v ** n."""
    (x,) = node.inputs
    (out,) = node.outputs
    value = _filling(x)
    if value is None or not all(value.type.broadcastable):
        return None
    if not is_continuous(out.type.dtype):
        return None
    if DTYPES[value.type.dtype].kind not in "fc":
        return None
    count: Any = None
    for d in axes_of(node):
        n = length_variable(x, d, ctx)
        count = n if count is None else count * n
    if count is None or _asks(count, x):
        return None
    number = dimshuffle(value, []) if value.type.ndim else value
    number, count = cast(number, out.type.dtype), cast(count, out.type.dtype)
    result = _mul(number, count) if isinstance(node.op, Sum) else _pow(number, count)
    if not out.type.ndim:
        return result
    kept = [d for d in range(x.type.ndim) if d not in axes_of(node)]
    return Alloc()(result, *(length_variable(x, d, ctx) for d in kept))


def _filling(x: Any) -> Any:
    """What `x` is filled with, if it is filled."""
    if x.owner is None:
        return None
    if isinstance(x.owner.op, Alloc):
        return x.owner.inputs[0]
    filled = operands_of(x, second)
    return None if filled is None else filled[1]


def _asks(size: Any, x: Any) -> bool:
    """Whether a size is asked of `x` itself."""
    return size.owner is not None and any(v is x for v in size.owner.inputs)


@rule("specialise", ops=[CAReduce, Sum, Prod, Max, Min])
def reduction_of_join(node: Any, ctx: Any) -> Any:
    """sum(join(0, a, b), 0) over parts of length 1 is a + b; so for prod, max and min."""
    (x,) = node.inputs
    axes = axes_of(node)
    if x.owner is None or not isinstance(x.owner.op, Join) or axes != (x.owner.op.axis,):
        return None
    parts = x.owner.inputs
    if not 1 < len(parts) <= 8 or not all(p.type.broadcastable[axes[0]] for p in parts):
        return None
    kept = [d for d in range(x.type.ndim) if d not in axes]
    op = elemwise_of(node.op.scalar_op)
    operands = [cast(dimshuffle(p, kept), node.outputs[0].type.dtype) for p in parts]
    new = operands[0]
    for operand in operands[1:]:
        new = op(new, operand)
    return new if new.type.dtype == node.outputs[0].type.dtype else None
