"""Cheaper forms of what is left at the end."""

from __future__ import annotations

from typing import Any

from ..dtypes import DTYPES, is_float
from ..ops.argmax import Argmax
from ..ops.ctc import ConnectionistTemporalClassification, CTCCosts
from ..ops.elemwise import elemwise_of
from ..ops.math import inv, neg, sqr, sqrt
from ..ops.reduce import Max, Min
from ..ops.softmax import LogSoftmax, Softmax
from ..scalar import arith
from ..scalar import math as sm
from .rule import rule
from .values import broadcast_like, constant_value, is_elemwise, operands_of

__all__ = ["MAX_EXPONENT"]

MAX_EXPONENT = 512
"""Larger integer powers are left to ``pow``."""

_mul = elemwise_of(arith.mul)

_SIMPLE_POWERS: dict[float, Any] = {
    0.5: sqrt,
    -0.5: lambda x: inv(sqrt(x)),
    1.0: lambda x: x,
    -1.0: inv,
    2.0: sqr,
    -2.0: lambda x: inv(sqr(x)),
}


@rule("specialise", ops=[arith.pow])
def power_as_products(node: Any, ctx: Any) -> Any:
    """``x ** n`` is made of squares and products for integers n, and of a root for n = 0.5."""
    x, n = node.inputs
    (out,) = node.outputs
    exponent = constant_value(n)
    if exponent is None or x.type.dtype != out.type.dtype or DTYPES[out.type.dtype].kind == "c":
        return None
    number = float(exponent)
    simple = _SIMPLE_POWERS.get(number)
    if simple is not None and (is_float(out.type.dtype) or number >= 1):
        new = simple(x)
    elif number == int(number) and 2 < abs(number) <= MAX_EXPONENT:
        if number < 0 and not is_float(out.type.dtype):
            return None
        new = _integer_power(x, abs(int(number)))
        new = inv(new) if number < 0 else new
    else:
        return None
    if new.type.dtype != out.type.dtype:
        return None
    return broadcast_like(new, out, node.inputs, ctx)


def _integer_power(x: Any, exponent: int) -> Any:
    """Repeated squaring: as many squares as the exponent has bits, less one."""
    result = None
    square = x
    while exponent:
        if exponent & 1:
            result = square if result is None else _mul(result, square)
        exponent >>= 1
        if exponent:
            square = sqr(square)
    return result


@rule("specialise", ops=[arith.mul])
def product_with_itself(node: Any, ctx: Any) -> Any:
    """``x * x`` is sqr(x)."""
    operands = node.inputs
    if len(operands) != 2 or operands[0] is not operands[1]:
        return None
    return sqr(operands[0]) if DTYPES[operands[0].type.dtype].kind in "iuf" else None


@rule("specialise", ops=[arith.mul])
def product_with_one(node: Any, ctx: Any) -> Any:
    """1 * x is x, and -1 * x is -x."""
    (out,) = node.outputs
    rest = [v for v in node.inputs if constant_value(v) not in (1, -1)]
    if len(rest) == len(node.inputs) or not rest or out.type.dtype == "bool":
        return None
    negative = sum(constant_value(v) == -1 for v in node.inputs) % 2
    new = rest[0] if len(rest) == 1 else _mul(*rest)
    if new.type.dtype != out.type.dtype:
        return None
    return broadcast_like(neg(new) if negative else new, out, node.inputs, ctx)


@rule("specialise", ops=[arith.add])
def sum_with_zero(node: Any, ctx: Any) -> Any:
    """0 + x is x."""
    (out,) = node.outputs
    rest = [v for v in node.inputs if constant_value(v) != 0]
    if len(rest) == len(node.inputs) or not rest:
        return None
    new = rest[0] if len(rest) == 1 else elemwise_of(arith.add)(*rest)
    if new.type.dtype != out.type.dtype:
        return None
    return broadcast_like(new, out, node.inputs, ctx)


@rule("specialise", ops=[arith.true_div])
def quotient_of_one(node: Any, ctx: Any) -> Any:
    """1 / x is inv(x)."""
    one, x = node.inputs
    (out,) = node.outputs
    if constant_value(one) != 1 or x.type.dtype != out.type.dtype:
        return None
    return broadcast_like(inv(x), out, node.inputs, ctx)


@rule("specialise", ops=[arith.true_div])
def quotient_by_power_of_two(node: Any, ctx: Any) -> Any:
    """``x / c`` is ``x * (1 / c)`` where 1 / c is exact."""
    x, c = node.inputs
    (out,) = node.outputs
    value = constant_value(c)
    if value is None or not is_float(out.type.dtype) or x.type.dtype != out.type.dtype:
        return None
    inverse = _exact_inverse(float(value))
    if inverse is None or not all(c.type.broadcastable):
        return None
    return _mul(x, c.type.make_constant(c.data * 0 + inverse))


def _exact_inverse(value: float) -> float | None:
    if value == 0 or abs(value).hex().split("p")[0] != "0x1.0000000000000":
        return None
    inverse = 1 / value
    return inverse if 2.0**-126 <= abs(inverse) <= 2.0**126 else None


@rule("specialise", ops=[Max, Min])
def extreme_of_negative(node: Any, ctx: Any) -> Any:
    """max(-x) is -min(x), and min(-x) is -max(x)."""
    (x,) = node.inputs
    if not is_elemwise(x, arith.neg) or DTYPES[x.type.dtype].kind != "f":
        return None
    other = Min if isinstance(node.op, Max) else Max
    return neg(other(node.op.axis)(x.owner.inputs[0]))


@rule("specialise", ops=[arith.neg])
def negative_of_negative(node: Any, ctx: Any) -> Any:
    """-(-x) is x, and -(-x / y) is x / y."""
    (x,) = node.inputs
    inner = operands_of(x, arith.neg)
    if inner is not None:
        return inner[0]
    quotient = operands_of(x, arith.true_div)
    top = operands_of(quotient[0], arith.neg) if quotient is not None else None
    if top is None or quotient is None or ctx.readers(x) != 1:
        return None
    return x.owner.op(top[0], quotient[1])


@rule("specialise", ops=[ConnectionistTemporalClassification])
def costs_of_alignments(node: Any, ctx: Any) -> Any:
    """Where the gradient of ctc is not used only its costs are computed."""
    costs, gradient = node.outputs
    if not ctx.knows_readers(node) or ctx.clients(gradient) or not ctx.clients(costs):
        return None
    return [CTCCosts(node.op.compute_grad)(*node.inputs), None]


@rule("specialise", ops=[Argmax])
def argmax_of_softmax(node: Any, ctx: Any) -> Any:
    """argmax(softmax(x)) is argmax(x), along the same axis."""
    (p,) = node.inputs
    if type(node.op) is not Argmax or p.owner is None:
        return None
    if not isinstance(p.owner.op, (Softmax, LogSoftmax)):
        return None
    along = p.owner.op.axis % p.type.ndim
    return node.op(p.owner.inputs[0]) if along == node.op.axis else None


@rule("specialise", ops=[sm.exp])
def exp_of_log(node: Any, ctx: Any) -> Any:
    """exp(log(x)) is x where x is known not to be negative."""
    inner = operands_of(node.inputs[0], sm.log)
    if inner is None or inner[0].type != node.outputs[0].type or not is_elemwise(inner[0]):
        return None
    bounds = inner[0].owner.op.scalar_op.range
    known = bounds is not None and bounds[0] is not None and bounds[0] >= 0
    return inner[0] if known else None
