"""Forms that neither overflow nor lose digits where the written ones do."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from ..dtypes import is_float
from ..ops.dimshuffle import DimShuffle
from ..ops.elemwise import elemwise_of
from ..ops.gather import AdvancedSubtensor, AdvancedSubtensor1
from ..ops.logsumexp import LogSumExp
from ..ops.math import (
    erf,
    erfc,
    erfcx,
    exp,
    expm1,
    inv,
    log,
    log1mexp,
    log1p,
    logaddexp,
    sigmoid,
    softplus,
    sqr,
    switch,
    tanh,
)
from ..ops.reduce import Max, Sum, keep_dims
from ..ops.shape import Reshape
from ..ops.slice import Subtensor
from ..ops.softmax import CrossentropySoftmax1Hot, LogSoftmax, Softmax
from ..scalar import math as sm
from ..scalar import special as sp
from ..scalar.arith import add, mul, neg, sub, true_div
from .index import is_range_over
from .products import Product, is_flat_product, product_of
from .rule import rule
from .sizes import length_variable
from .values import (
    broadcast_like,
    constant_value,
    is_elemwise,
    operands_of,
    typed,
)

__all__ = ["log_of_softmax"]

_neg = elemwise_of(neg)


# ---------------------------------------------------------------------------------------------
# Logarithms and exponentials near 1 and 0
# ---------------------------------------------------------------------------------------------


@rule("stable", ops=[sm.log])
def log_of_several_exponentials(node: Any, ctx: Any) -> Any:
    """log(exp(x) + exp(y) + ... + c) is logaddexp(logaddexp(x, y), ..., log(c)), for c > 0."""
    (total,) = node.inputs
    exponents = _exponents(total)
    if exponents is None:
        return None
    return broadcast_like(functools.reduce(logaddexp, exponents), total, total.owner.inputs, ctx)


@rule("stable", ops=[mul, true_div])
def exponential_over_sum_of_exponentials(node: Any, ctx: Any) -> Any:
    """exp(x) / (exp(x) + exp(y) + ... + c) is sigmoid(x - logaddexp(y, ..., log(c)))."""
    (out,) = node.outputs
    if not is_float(out.type.dtype) or is_flat_product(node):
        return None
    product = product_of(out, ctx)
    for factor, power in list(product.factors.items()):
        total = factor if power < 0 else _divisor(factor)
        exponents = None if total is None else _exponents(total)
        if exponents is None or total.type.dtype != out.type.dtype:
            continue
        for k, term in enumerate(total.owner.inputs):
            if product.factors.get(product.known(term), 0) < 1 or not is_elemwise(term, sm.exp):
                continue
            others = functools.reduce(logaddexp, exponents[:k] + exponents[k + 1 :])
            product.factors[product.known(term)] -= 1
            product.factors[factor] += 1 if power < 0 else -1
            product.put(sigmoid(exponents[k] - others), 1)
            if power > 0 and is_elemwise(factor, true_div):
                product.put(factor.owner.inputs[0], 1)
            return product.rebuilt(ctx)
    return None


def _divisor(x: Any) -> Any:
    """The divisor if `x` is a quotient, else None."""
    operands = operands_of(x, true_div, inv.scalar_op)
    return None if operands is None else operands[-1]


def _exponents(total: Any) -> list[Any] | None:
    """The x, y, ... and log(c) if `total` is a sum of exponentials and of a constant c > 0.

    Not for 1 + exp(x), for which there is softplus.
    """
    terms = operands_of(total, add) or []
    found = []
    ones = 0
    for term in terms:
        inner, value = operands_of(term, sm.exp), constant_value(term)
        if inner is not None and inner[0].type.dtype == total.type.dtype:
            found.append(inner[0])
        elif value is not None and np.isreal(value) and value > 0:
            found.append(typed(np.log(float(value)), total.type.dtype, total.type.ndim))
            ones += value == 1
        else:
            return None
    return None if len(terms) - ones < 2 or not is_float(total.type.dtype) else found


@rule("stable")
def log_of_one_plus(x: Any) -> Any:
    return log(1 + x), log1p(x)


@rule("stable")
def log_of_one_minus(x: Any) -> Any:
    return log(1 - x), log1p(-x)


@rule("stable")
def exp_minus_one(x: Any) -> Any:
    return exp(x) - 1, expm1(x)


@rule("stable")
def one_minus_exp(x: Any) -> Any:
    return 1 - exp(x), -expm1(x)


@rule("stable")
def log1p_of_minus_exp(x: Any) -> Any:
    return log1p(-exp(x)), log1mexp(x)


@rule("stable")
def log_of_minus_expm1(x: Any) -> Any:
    return log(-expm1(x)), log1mexp(x)


# ---------------------------------------------------------------------------------------------
# The logistic function
# ---------------------------------------------------------------------------------------------


@rule("stable")
def log1p_of_exp(x: Any) -> Any:
    return log1p(exp(x)), softplus(x)


@rule("stable")
def log_of_sigmoid(x: Any) -> Any:
    return log(sigmoid(x)), -softplus(-x)


@rule("stable")
def log1p_of_minus_sigmoid(x: Any) -> Any:
    return log1p(-sigmoid(x)), -softplus(x)


@rule("stable")
def exp_over_one_plus_exp(x: Any) -> Any:
    return exp(x) / (1 + exp(x)), sigmoid(x)


@rule("stable")
def expm1_over_one_plus_exp(x: Any) -> Any:
    return expm1(x) / (1 + exp(x)), tanh(x / 2)


@rule("stable")
def quotient_by_one_plus_exp(a: Any, x: Any) -> Any:
    return a / (1 + exp(x)), a * sigmoid(-x)


@rule("stable")
def square_of_one_plus_exp(a: Any, x: Any) -> Any:
    return a / sqr(1 + exp(x)), a * sqr(sigmoid(-x))


@rule("stable")
def inverse_of_one_plus_exp(x: Any) -> Any:
    return inv(1 + exp(x)), sigmoid(-x)


@rule("stable")
def sigmoid_times_exp(x: Any) -> Any:
    return exp(x) * sigmoid(-x), sigmoid(x)


@rule("stable")
def sigmoid_of_minus_times_exp(x: Any) -> Any:
    return exp(-x) * sigmoid(x), sigmoid(-x)


@rule("stable")
def tanh_by_exponentials(x: Any) -> Any:
    return (exp(x) - exp(-x)) / (exp(x) + exp(-x)), tanh(x)


@rule("stable")
def twice_sigmoid_minus_one(x: Any) -> Any:
    return 2 * sigmoid(x) - 1, tanh(x / 2)


@rule("stable")
def one_minus_twice_sigmoid(x: Any) -> Any:
    return 1 - 2 * sigmoid(x), -tanh(x / 2)


@rule("stable")
def softplus_of_both_signs(t: Any, x: Any) -> Any:
    return t * softplus(-x) + (1 - t) * softplus(x), softplus(x) - t * x


@rule("stable", ops=[sub])
def logistic_residual(node: Any, ctx: Any) -> Any:
    """(1 - t) * s - t * (1 - s) is s - t for s = sigmoid(x), also with a common factor."""
    (out,) = node.outputs
    if not all(
        is_elemwise(v, mul, true_div) and v.type.dtype == out.type.dtype for v in node.inputs
    ):
        return None
    left, right = (_product_in(v, out, ctx) for v in node.inputs)
    for p, q, sign in ((left, right, 1), (right, left, -1)):
        found = _residual(p, q)
        if found is not None:
            s, t, rest = found
            rest.factors[s - t if sign == 1 else t - s] = 1
            rest.leaves = list(node.inputs)
            return rest.rebuilt(ctx)
    return None


def _product_in(x: Any, out: Any, ctx: Any) -> Product:
    """`x`, an operand of `out`, taken apart as a product."""
    product = product_of(x, ctx)
    product.out = out
    return product


def _residual(p: Product, q: Product) -> tuple[Any, Any, Product] | None:
    """s, t and the rest if ``p = (1 - t) * s * rest`` and ``q = t * (1 - s) * rest``."""
    if (p.over, p.under) != (q.over, q.under):
        return None
    for s in [v for v, e in p.factors.items() if e == 1 and is_elemwise(v, sm.sigmoid)]:
        complement = q.known(sigmoid(-s.owner.inputs[0]))
        for v in [v for v, e in p.factors.items() if e == 1 and is_elemwise(v, sub)]:
            one, t = v.owner.inputs
            if constant_value(one) != 1 or q.factors.get(t) != 1:
                continue
            rest = {f: e for f, e in p.factors.items() if f not in (s, v) and e}
            others = {f: e for f, e in q.factors.items() if f not in (t, complement) and e}
            if q.factors.get(complement) == 1 and rest == others:
                return s, t, Product(p.out, p.over, p.under, rest)
    return None


@rule("stable", ops=[sub])
def one_minus_sigmoid(node: Any, ctx: Any) -> Any:
    """1 - sigmoid(x) is sigmoid(-x), if nothing else needs sigmoid(x)."""
    one, s = node.inputs
    inner = operands_of(s, sm.sigmoid)
    (out,) = node.outputs
    if inner is None or constant_value(one) != 1 or not _one_dtype(out, s, inner[0]):
        return None
    if ctx.readers(s) != 1:
        return None
    return broadcast_like(sigmoid(-inner[0]), out, node.inputs, ctx)


def _one_dtype(*variables: Any) -> bool:
    """Whether all variables are floats of one dtype."""
    dtypes = {v.type.dtype for v in variables}
    return len(dtypes) == 1 and is_float(dtypes.pop())


# ---------------------------------------------------------------------------------------------
# The error function
# ---------------------------------------------------------------------------------------------


@rule("stable")
def one_minus_erf(x: Any) -> Any:
    return 1 - erf(x), erfc(x)


@rule("stable")
def one_plus_erf(x: Any) -> Any:
    return 1 + erf(x), erfc(-x)


@rule("stable")
def erf_minus_one(x: Any) -> Any:
    return erf(x) - 1, -erfc(x)


@rule("stable")
def one_minus_erfc(x: Any) -> Any:
    return 1 - erfc(x), erf(x)


@rule("stable")
def erfc_minus_one(x: Any) -> Any:
    return erfc(x) - 1, -erf(x)


@rule("stable", ops=[sm.log])
def log_of_erfc(node: Any, ctx: Any) -> Any:
    """log(erfc(x)) is log(erfcx(x)) - x**2 for x > 1, where erfc underflows."""
    inner = operands_of(node.inputs[0], sp.erfc)
    if inner is None or not _one_dtype(node.inputs[0], *inner):
        return None
    (x,) = inner
    if is_elemwise(x, switch.scalar_op) and constant_value(x.owner.inputs[1]) == 1:
        return None  # the near side of this rule's result
    one = typed(1, x.type.dtype, x.type.ndim)
    large = x > one
    # Each side gets an argument at which it is finite, so that neither yields a NaN.
    near, far = switch(large, one, x), switch(large, x, one)
    return switch(large, log(erfcx(far)) - sqr(far), log(erfc(near)))


@rule("stable")
def gaussian_over_erfc(x: Any) -> Any:
    return exp(-sqr(x)) / erfc(x), inv(erfcx(x))


# ---------------------------------------------------------------------------------------------
# Sums of exponentials, softmax
# ---------------------------------------------------------------------------------------------


def _summed(x: Any) -> tuple[Any, tuple[int, ...]] | None:
    """Operand and axes if `x` is a float sum, else None."""
    if x.owner is None or not isinstance(x.owner.op, Sum) or not is_float(x.type.dtype):
        return None
    (source,) = x.owner.inputs
    return source, x.owner.op.axes(source.type.ndim)


def _dims_kept(x: Any) -> tuple[Any, tuple[int, ...]] | None:
    """Like `_summed` for a sum whose axes were kept with length 1."""
    if x.owner is None or not isinstance(x.owner.op, DimShuffle):
        return None
    inner = x.owner.inputs[0]
    found = _summed(inner)
    if found is None:
        return None
    source, axes = found
    kept = iter(range(inner.type.ndim))
    order = tuple("x" if d in axes else next(kept) for d in range(source.type.ndim))
    return found if x.owner.op.new_order == order else None


@rule("stable", ops=[sm.log])
def log_of_sum_of_exponentials(node: Any, ctx: Any) -> Any:
    """log(sum(exp(x), axis)) is logsumexp(x, axis)."""
    (total,) = node.inputs
    kept = _dims_kept(total)
    found = kept or _summed(total)
    if found is None:
        return None
    powers, axes = found
    inner = operands_of(powers, sm.exp)
    if inner is None or not axes or not _one_dtype(node.outputs[0], powers, inner[0]):
        return None
    (x,) = inner
    if _is_shifted(x):
        return None
    result = LogSumExp(axes)(x)
    return result if kept is None else keep_dims(x, result, axes)


def _is_shifted(x: Any) -> bool:
    """Whether a maximum is subtracted from `x` already."""
    operands = operands_of(x, sub)
    shift = None if operands is None else operands[1].owner
    if shift is not None and isinstance(shift.op, DimShuffle):
        shift = shift.inputs[0].owner
    return shift is not None and isinstance(shift.op, Max)


@rule("stable", ops=[true_div])
def softmax_of_exponentials(node: Any, ctx: Any) -> Any:
    """exp(x) / sum(exp(x), axis, keepdims) is softmax(x)."""
    (out,) = node.outputs
    if not is_float(out.type.dtype):
        return None
    product = product_of(out, ctx)
    for total, exponent in product.factors.items():
        found = _dims_kept(total) if exponent < 0 else None
        if found is None:
            continue
        powers, axes = found
        inner = operands_of(powers, sm.exp)
        if inner is None or not axes or product.factors.get(powers, 0) < 1:
            continue
        if not _one_dtype(out, powers, inner[0], total):
            continue
        probabilities = _softmax(_unshifted(inner[0], axes), axes)
        product.factors[powers] -= 1
        product.factors[total] += 1
        product.factors[probabilities] = product.factors.get(probabilities, 0) + 1
        return product.rebuilt(ctx)
    return None


def _softmax(x: Any, axes: tuple[int, ...]) -> Any:
    """Softmax over one axis, or over several together."""
    if len(axes) == 1:
        return Softmax(axes[0])(x)
    return exp(x - keep_dims(x, LogSumExp(axes)(x), axes))


def _unshifted(x: Any, axes: tuple[int, ...]) -> Any:
    """`x` without a maximum of its own along `axes` that was subtracted; softmax does the same."""
    operands = operands_of(x, sub)
    if operands is None:
        return x
    source, shift = operands
    if shift.owner is None or not isinstance(shift.owner.op, DimShuffle):
        return x
    largest = shift.owner.inputs[0].owner
    if largest is None or not isinstance(largest.op, Max) or largest.inputs[0] is not source:
        return x
    return source if largest.op.axes(source.type.ndim) == axes else x


@rule("stable", ops=[sm.log], tags=["fast_compile"])
def log_of_softmax(node: Any, ctx: Any) -> Any:
    """log(softmax(x)) is log_softmax(x)."""
    (p,) = node.inputs
    if p.owner is None or not isinstance(p.owner.op, Softmax):
        return None
    return LogSoftmax(p.owner.op.axis)(p.owner.inputs[0])


_PICKS = (DimShuffle, Reshape, Subtensor, AdvancedSubtensor, AdvancedSubtensor1)


@rule("stable", ops=[sm.log], tags=["fast_compile"])
def log_of_picked_softmax(node: Any, ctx: Any) -> Any:
    """log(softmax(x)[index]) is log_softmax(x)[index]."""
    path = []
    v = node.inputs[0]
    while v.owner is not None and isinstance(v.owner.op, _PICKS):
        path.append(v.owner)
        v = v.owner.inputs[0]
    if not path or v.owner is None or not isinstance(v.owner.op, Softmax):
        return None
    new = LogSoftmax(v.owner.op.axis)(v.owner.inputs[0])
    for pick in reversed(path):
        new = pick.op(new, *pick.inputs[1:])
    return new


@rule("stable", ops=[AdvancedSubtensor])
def crossentropy_of_picked_log_softmax(node: Any, ctx: Any) -> Any:
    """log_softmax(x)[arange(n), y] is -crossentropy_softmax_1hot(x, y)."""
    log_p, *indices = node.inputs
    if log_p.owner is None or not isinstance(log_p.owner.op, LogSoftmax):
        return None
    if node.op.axes != (0, 1) or log_p.type.ndim != 2 or log_p.owner.op.axis not in (1, -1):
        return None
    rows, labels = indices
    if labels.type.ndim != 1 or not is_range_over(rows, labels, 0, ctx):
        return None
    (x,) = log_p.owner.inputs
    if not ctx.assumed_same_length(labels, 0, x, 0):
        return None
    return _neg(CrossentropySoftmax1Hot()(x, _counted_from_start(labels, x, ctx))[0])


def _counted_from_start(labels: Any, x: Any, ctx: Any) -> Any:
    """Labels, where negative ones count from the last class, as indices do."""
    if labels.type.dtype[0] == "u":
        return labels
    return switch(labels < 0, labels.astype("int64") + length_variable(x, 1, ctx), labels)
