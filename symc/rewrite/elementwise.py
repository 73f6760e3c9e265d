"""Elementwise rules that follow from what the scalar ops are: inverses, selection, filling."""

from __future__ import annotations

from typing import Any

from ..dtypes import DTYPES, is_discrete
from ..ops.alloc import Alloc
from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.grad_control import GRADIENT_CONTROLS
from ..ops.sizes import Shape_i
from ..scalar import complex as cx
from ..scalar import math as sm
from ..scalar.arith import (
    abs_,
    add,
    int_div,
    maximum,
    minimum,
    mod,
    mul,
    neg,
    pow,
    sgn,
    sqr,
    true_div,
)
from ..scalar.logic import (
    and_,
    eq,
    ge,
    gt,
    identity,
    invert,
    le,
    lt,
    neq,
    or_,
    second,
    switch,
    xor,
)
from .failure import drops_failure
from .rule import rule
from .sizes import length_variable
from .values import (
    broadcast_like,
    constant_value,
    full,
    is_elemwise,
    matches_shape,
    operands_of,
)

__all__ = ["ALWAYS_UNDONE"]

_second, _switch, _abs = map(elemwise_of, (second, switch, abs_))

ALWAYS_UNDONE: dict[Any, tuple[Any, ...]] = {
    sm.log: (sm.exp,),
    sm.log2: (sm.exp2,),
    sm.log1p: (sm.expm1,),
    sm.arctanh: (sm.tanh,),
    sm.arcsinh: (sm.sinh,),
    sm.sinh: (sm.arcsinh,),
    sm.rad2deg: (sm.deg2rad,),
    sm.deg2rad: (sm.rad2deg,),
    neg: (neg,),
    invert: (invert,),
    cx.conj: (cx.conj,),
}
"""Functions, and those that they undo for every real argument.

Not among them: what holds on a part of the line only, as ``exp(log(x))`` (for x > 0),
``cosh(arccosh(x))`` (x >= 1), ``arccosh(cosh(x))`` (x >= 0), ``tanh(arctanh(x))`` (|x| < 1).
"""


# ---------------------------------------------------------------------------------------------
# Functions of functions
# ---------------------------------------------------------------------------------------------


@rule(("canonical", "stable", "specialise"), ops=list(ALWAYS_UNDONE))
def inverse_of_function(node: Any, ctx: Any) -> Any:
    """f(g(x)) is x where f undoes g for every real x, as log(exp(x))."""
    (x,) = node.inputs
    inner = operands_of(x, *ALWAYS_UNDONE[node.op.scalar_op])
    same_dtype = inner is not None and inner[0].type.dtype == node.outputs[0].type.dtype
    if not same_dtype or (DTYPES[x.type.dtype].kind == "c" and not _undone_by_itself(node)):
        return None
    assert inner is not None
    return inner[0]


def _undone_by_itself(node: Any) -> bool:
    return node.op.scalar_op in ALWAYS_UNDONE[node.op.scalar_op]


_IDEMPOTENT = (abs_, sgn, sm.ceil, sm.floor, sm.trunc, sm.round_half_to_even)


@rule("canonical", ops=[*_IDEMPOTENT, sm.round_half_away_from_zero])
def idempotent_function(node: Any, ctx: Any) -> Any:
    """f(f(x)) is f(x) for abs, sgn and rounding."""
    (x,) = node.inputs
    if is_elemwise(x, node.op.scalar_op) and x.type.dtype == node.outputs[0].type.dtype:
        return x
    return None


@rule("canonical", ops=[maximum, minimum, and_, or_])
def operation_with_itself(node: Any, ctx: Any) -> Any:
    """``x op x`` is x for maximum, minimum, and, or."""
    first, *others = node.inputs
    if all(v is first for v in others) and first.type == node.outputs[0].type:
        return first
    return None


@rule(("canonical", "stable"), ops=[abs_])
def abs_of_sign(node: Any, ctx: Any) -> Any:
    """abs(-x) is abs(x); abs(f(x)) is f(x) where f is never negative."""
    (x,) = node.inputs
    if DTYPES[x.type.dtype].kind not in "fbu" or x.owner is None:
        return None
    if is_elemwise(x, neg):
        return _abs(x.owner.inputs[0])
    bounds = x.owner.op.scalar_op.range if is_elemwise(x) else None
    never_negative = bounds is not None and bounds[0] is not None and bounds[0] >= 0
    return x if never_negative and x.type == node.outputs[0].type else None


@rule("canonical", ops=[sqr, sm.cos, sm.cosh])
def even_function(node: Any, ctx: Any) -> Any:
    """f(-x) and f(abs(x)) are f(x) for sqr, cos and cosh."""
    inner = operands_of(node.inputs[0], neg, abs_)
    if inner is None or inner[0].type != node.inputs[0].type:
        return None
    return node.op(inner[0]) if DTYPES[inner[0].type.dtype].kind in "if" else None


@rule(("canonical", "specialise"), ops=[sm.sqrt])
def sqrt_of_square(node: Any, ctx: Any) -> Any:
    """sqrt(sqr(x)) is abs(x)."""
    inner = operands_of(node.inputs[0], sqr)
    if inner is None or DTYPES[inner[0].type.dtype].kind != "f":
        return None
    return _abs(inner[0])


@rule("canonical", ops=[identity, add, mul, and_, or_, xor], tags=["useless"])
def operation_on_one_operand(node: Any, ctx: Any) -> Any:
    """identity(x), add(x) and mul(x) are x."""
    (x, *others) = node.inputs
    return x if not others and x.type == node.outputs[0].type else None


@rule(("fold", "canonical"), ops=GRADIENT_CONTROLS, tags=["useless"])
def gradient_control(node: Any, ctx: Any) -> Any:
    """What only says how to differentiate is its operand."""
    return node.inputs[0]


# ---------------------------------------------------------------------------------------------
# Integers and truth values
# ---------------------------------------------------------------------------------------------


@rule("canonical", ops=[int_div, mod])
def division_by_one(node: Any, ctx: Any) -> Any:
    """``x // 1`` is x and ``x % 1`` is 0, for integers; ``0 // x`` is 0."""
    x, y = node.inputs
    out = node.outputs[0]
    if not is_discrete(out.type.dtype):
        return None
    divides = node.op.scalar_op is int_div
    if constant_value(y) == 1:
        if not divides:
            return None if drops_failure([x], ctx) else full(0, out, node.inputs, ctx)
        return broadcast_like(x, out, [y], ctx) if x.type.dtype == out.type.dtype else None
    if constant_value(x) != 0 or drops_failure([y], ctx):
        return None
    return full(0, out, node.inputs, ctx)


@rule("canonical", ops=[pow])
def power_of_one(node: Any, ctx: Any) -> Any:
    """1 ** x is 1."""
    if constant_value(node.inputs[0]) == 1 and not drops_failure(node.inputs[1:], ctx):
        return full(1, node.outputs[0], node.inputs, ctx)
    return None


_REFLEXIVE = {eq: True, le: True, ge: True, neq: False, lt: False, gt: False}


@rule("canonical", ops=list(_REFLEXIVE), tags=["useless"])
def comparison_with_itself(node: Any, ctx: Any) -> Any:
    """``x < x`` is false; ``x == x`` and ``x <= x`` are true for integers."""
    x, y = node.inputs
    answer = _REFLEXIVE[node.op.scalar_op]
    sure = is_discrete(x.type.dtype) or node.op.scalar_op in (lt, gt)
    if x is not y or not sure or drops_failure(node.inputs, ctx):
        return None
    return full(answer, node.outputs[0], [x], ctx)


@rule("canonical", ops=[eq, le, ge, neq], tags=["unsafe"])
def float_comparison_with_itself(node: Any, ctx: Any) -> Any:
    """``x == x`` is true and ``x != x`` false for floats, which is wrong for NaN."""
    x, y = node.inputs
    answer = _REFLEXIVE[node.op.scalar_op]
    return full(answer, node.outputs[0], [x], ctx) if x is y else None


_OF_LENGTH = {lt: False, ge: True}


@rule(("canonical", "specialise"), ops=[lt, ge, maximum, minimum], tags=["useless"])
def comparison_of_length(node: Any, ctx: Any) -> Any:
    """A length is not negative: n >= 0, max(n, 0) is n."""
    n, zero = node.inputs
    if node.op.scalar_op in (maximum, minimum) and constant_value(n) == 0:
        n, zero = zero, n
    is_length = n.owner is not None and isinstance(n.owner.op, Shape_i)
    if not is_length or constant_value(zero) != 0 or n.type.ndim:
        return None
    if node.op.scalar_op in _OF_LENGTH:
        return full(_OF_LENGTH[node.op.scalar_op], node.outputs[0], node.inputs, ctx)
    return n if node.op.scalar_op is maximum else zero


@rule("canonical", ops=[and_, or_, xor], tags=["useless"])
def truth_with_constant(node: Any, ctx: Any) -> Any:
    """``x & True``, ``x | False`` and ``x ^ False`` are x; ``x & False`` is False."""
    out = node.outputs[0]
    if out.type.dtype != "bool":
        return None
    op = node.op.scalar_op
    known = [constant_value(v) for v in node.inputs]
    decisive = {and_: False, or_: True}.get(op)
    if decisive is not None and any(k is not None and bool(k) is decisive for k in known):
        if drops_failure(node.inputs, ctx):
            return None
        return full(decisive, out, node.inputs, ctx)
    idle = op is and_
    kept = [
        v
        for v, k in zip(node.inputs, known, strict=True)
        if k is None or v.type.dtype != "bool" or bool(k) is not idle
    ]
    if len(kept) == len(node.inputs):
        return None
    if not kept:
        return full(idle, out, node.inputs, ctx)
    return broadcast_like(kept[0] if len(kept) == 1 else node.op(*kept), out, node.inputs, ctx)


# ---------------------------------------------------------------------------------------------
# Selection
# ---------------------------------------------------------------------------------------------


@rule(("fold", "canonical", "specialise"), ops=[switch], tags=["useless"])
def useless_switch(node: Any, ctx: Any) -> Any:
    """switch(True, a, b) is a; switch(c, a, a) is a."""
    condition, a, b = node.inputs
    out = node.outputs[0]
    known = constant_value(condition)
    if known is None and a is not b:
        return None
    chosen = a if known is None or bool(known) else b
    gone = [condition] if known is None else [b if chosen is a else a]
    if chosen.type.dtype != out.type.dtype or drops_failure(gone, ctx):
        return None
    return broadcast_like(chosen, out, node.inputs, ctx)


@rule("canonical", ops=[switch])
def nested_switch(node: Any, ctx: Any) -> Any:
    """switch(c, switch(c, a, b), d) is switch(c, a, d), and so for the other branch."""
    condition, a, b = node.inputs
    inner_a, inner_b = operands_of(a, switch), operands_of(b, switch)
    chosen_a = inner_a[1] if inner_a and inner_a[0] is condition else a
    chosen_b = inner_b[2] if inner_b and inner_b[0] is condition else b
    if chosen_a is a and chosen_b is b:
        return None
    new = _switch(condition, chosen_a, chosen_b)
    if new.type.dtype != node.outputs[0].type.dtype:
        return None
    return broadcast_like(new, node.outputs[0], node.inputs, ctx)


def _zero_branch(x: Any) -> int | None:
    """Which branch of the switch `x` is 0 everywhere; None if neither, or not a switch."""
    branches = operands_of(x, switch)
    if branches is None:
        return None
    zeros = [i for i in (1, 2) if constant_value(branches[i]) == 0]
    return zeros[0] if len(zeros) == 1 else None


@rule(("canonical", "stable", "specialise"), ops=[mul, true_div])
def product_with_masked_factor(node: Any, ctx: Any) -> Any:
    """``a * switch(c, 0, x)`` is switch(c, 0, a * x): masked is 0, even if a is infinite."""
    out = node.outputs[0]
    candidates = node.inputs if node.op.scalar_op is mul else node.inputs[:1]
    for i, v in enumerate(candidates):
        masked = _zero_branch(v)
        if masked is None:
            continue
        condition, *branches = v.owner.inputs
        kept = node.op(*node.inputs[:i], branches[2 - masked], *node.inputs[i + 1 :])
        if kept.type.dtype != out.type.dtype:
            return None
        zero = full(0, out, [], ctx)
        new = _switch(condition, *((zero, kept) if masked == 1 else (kept, zero)))
        return broadcast_like(new, out, node.inputs, ctx)
    return None


@rule("canonical", ops=[add, mul, neq, eq, neg])
def operation_on_switches(node: Any, ctx: Any) -> Any:
    """op(switch(c, a, b), switch(c, d, e)) is switch(c, op(a, d), op(b, e))."""
    branches = [operands_of(v, switch) for v in node.inputs]
    if len(branches) < 2 or any(b is None for b in branches):
        return None
    out = node.outputs[0]
    known = [b for b in branches if b is not None]
    condition = known[0][0]
    if any(b[0] is not condition for b in known):
        return None
    if any(ctx.readers(v) != 1 for v in node.inputs):
        return None
    new = _switch(condition, node.op(*(b[1] for b in known)), node.op(*(b[2] for b in known)))
    if new.type.dtype != out.type.dtype:
        return None
    return broadcast_like(new, out, node.inputs, ctx)


# ---------------------------------------------------------------------------------------------
# Filling: second(x, v) is v in the shape of x
# ---------------------------------------------------------------------------------------------


@rule(("fold", "canonical", "stable", "specialise"), ops=[second], tags=["useless"])
def useless_fill(node: Any, ctx: Any) -> Any:
    """second(x, v) is v where v has the shape of x."""
    x, value = node.inputs
    out = node.outputs[0]
    if value.type.dtype == out.type.dtype and matches_shape(value, out, ctx):
        return value
    inner = operands_of(x, second)
    if inner is not None and matches_shape(inner[0], x, ctx):
        return _second(inner[0], value)
    return None


@rule(("canonical", "stable"), ops=[Elemwise])
def fill_sink(node: Any, ctx: Any) -> Any:
    """f(second(x, v), y) is f(v, y), filled where y does not have the shape."""
    if node.op.scalar_op is second or len(node.outputs) != 1:
        return None
    filled = [operands_of(v, second) for v in node.inputs]
    if not any(filled):
        return None
    out = node.outputs[0]
    values = [v if f is None else f[1] for v, f in zip(node.inputs, filled, strict=True)]
    new = node.op(*values)
    if new.type.dtype != out.type.dtype:
        return None
    return broadcast_like(new, out, [f[0] for f in filled if f is not None], ctx)


@rule(("canonical", "specialise"), ops=[Elemwise])
def elemwise_of_alloc(node: Any, ctx: Any) -> Any:
    """f(alloc(v, ...), y) is f(v, y) where y has the shape of the result."""
    if len(node.outputs) != 1 or len(node.inputs) < 2:
        return None
    allocated = [_allocated(v) for v in node.inputs]
    if not any(v is not None for v in allocated):
        return None
    out = node.outputs[0]
    others = [v for v, a in zip(node.inputs, allocated, strict=True) if a is None]
    if not any(matches_shape(v, out, ctx) for v in others):
        return None
    values = [v if a is None else a for v, a in zip(node.inputs, allocated, strict=True)]
    new = node.op(*values)
    return new if new.type.dtype == out.type.dtype else None


def _allocated(x: Any) -> Any:
    return x.owner.inputs[0] if x.owner is not None and isinstance(x.owner.op, Alloc) else None


@rule("specialise", ops=[Elemwise])
def unary_of_alloc(node: Any, ctx: Any) -> Any:
    """f(alloc(v, ...)) is alloc(f(v), ...)."""
    if len(node.inputs) != 1 or len(node.outputs) != 1:
        return None
    value = _allocated(node.inputs[0])
    if value is None or not all(value.type.broadcastable):
        return None
    return Alloc()(node.op(value), *node.inputs[0].owner.inputs[1:])


@rule(("canonical", "specialise"), ops=[Alloc], tags=["useless"])
def useless_alloc(node: Any, ctx: Any) -> Any:
    """alloc(v, ...) is v where v has that shape already."""
    value = node.inputs[0]
    (out,) = node.outputs
    return value if value.type == out.type and ctx.same_shape(value, out) else None


@rule(("canonical", "specialise"), ops=[Alloc])
def alloc_of_alloc(node: Any, ctx: Any) -> Any:
    """alloc(alloc(v, n), m, n) is alloc(v, m, n)."""
    value, *lengths = node.inputs
    (out,) = node.outputs
    inner = _allocated(value)
    if inner is None or not all(inner.type.broadcastable):
        return None
    extra = out.type.ndim - value.type.ndim
    fits = all(
        fixed or ctx.same_length(value, axis, out, axis + extra)
        for axis, fixed in enumerate(value.type.broadcastable)
    )
    return Alloc()(inner, *lengths) if fits else None


@rule("specialise", ops=[second])
def fill_to_alloc(node: Any, ctx: Any) -> Any:
    """second(x, v) is alloc(v, *shape(x)), for which x need not be computed."""
    x, value = node.inputs
    out = node.outputs[0]
    source = out if ctx.facts is not None else x
    if ctx.facts is None and not all(value.type.broadcastable):
        return None
    lengths = [length_variable(source, axis, ctx) for axis in range(out.type.ndim)]
    if source is out and any(_needs(n, out) for n in lengths):
        return None
    return Alloc()(value, *lengths) if out.type.ndim else value


def _needs(x: Any, wanted: Any) -> bool:
    """Whether a length is asked of `wanted` itself."""
    pending, seen = [x], set[Any]()
    while pending:
        v = pending.pop()
        if v is wanted:
            return True
        if v not in seen and v.owner is not None and not v.type.ndim:
            pending.extend(v.owner.inputs)
        seen.add(v)
    return False
