"""Distributing a product over a sum, where that makes divisors disappear."""

from __future__ import annotations

from typing import Any

from ..dtypes import is_continuous
from ..ops.elemwise import elemwise_of
from ..scalar.arith import add, mul, neg, sub, true_div
from .algebra import joined
from .products import Product, product_of
from .rule import rule
from .values import is_elemwise, operands_of

__all__ = ["product_over_sum"]

MAX_TERMS = 4
"""Products are not distributed over longer sums."""

_add, _sub, _neg = map(elemwise_of, (add, sub, neg))


@rule(("canonical", "stable"), ops=[mul, true_div])
def product_over_sum(node: Any, ctx: Any) -> Any:
    """(a / x + b) * x is a + b * x, where at least half of the terms lose a divisor.

    Every application removes a division, so there can be only so many.
    """
    (out,) = node.outputs
    if not is_continuous(out.type.dtype) or not _has_sum_of_quotients(node):
        return None
    product = product_of(out, ctx)
    for total, exponent in product.factors.items():
        if exponent != 1 or not is_elemwise(total, add, sub) or ctx.readers(total) != 1:
            continue
        if total.type.dtype != out.type.dtype:
            continue
        terms = _terms(total, ctx)
        if len(terms) > MAX_TERMS:
            continue
        moved = _cancelling(product, total, [t for _, t in terms])
        if moved:
            return _distributed(product, total, terms, moved, ctx)
    return None


def _has_sum_of_quotients(node: Any) -> bool:
    """Early reject: whether an operand, or a factor of the numerator, is such a sum."""
    top = node.inputs[0]
    factors = node.inputs if node.op.scalar_op is mul else operands_of(top, mul) or [top]
    for x in factors:
        terms = operands_of(x, add, sub)
        if terms is not None and any(is_elemwise(t, true_div, add, neg) for t in terms):
            return True
    return False


def _terms(total: Any, ctx: Any) -> list[tuple[int, Product]]:
    """The terms of a sum with their signs, each taken apart."""
    parts = operands_of(total, add)
    signed: list[tuple[int, Any]]
    if parts is not None:
        signed = [(1, v) for v in parts]
    else:
        plus, minus = total.owner.inputs
        signed = [(1, v) for v in operands_of(plus, add) or [plus]]
        signed += [(-1, v) for v in operands_of(minus, add) or [minus]]
    terms = []
    for sign, v in signed:
        if is_elemwise(v, mul, true_div) and v.type.dtype == total.type.dtype:
            terms.append((sign, product_of(v, ctx)))
        else:
            leaf = Product(v)
            leaf.put(v, 1)
            terms.append((sign, leaf))
    return terms


def _cancelling(product: Product, total: Any, terms: list[Product]) -> list[Any]:
    """The factors of a product that are divisors in at least half of the terms."""
    found = []
    for factor, exponent in product.factors.items():
        if factor is total or exponent < 1:
            continue
        count = sum(t.factors.get(t.known(factor), 0) < 0 for t in terms)
        if count and 2 * count >= len(terms):
            found.append(factor)
    return found


def _distributed(
    product: Product, total: Any, terms: list[tuple[int, Product]], moved: list[Any], ctx: Any
) -> Any:
    plus: list[Any] = []
    minus: list[Any] = []
    for sign, term in terms:
        for factor in moved:
            known = term.known(factor)
            term.factors[known] = term.factors.get(known, 0) + 1
        term.settle_constants()
        positive = term.over > 0 if not isinstance(term.over, complex) else True
        if not positive:
            term.over = -term.over
        (plus if (sign == 1) is positive else minus).append(term.written())
    dtype = product.out.type.dtype
    if minus:
        last = joined(_add, minus, dtype)
        expanded = _sub(joined(_add, plus, dtype), last) if plus else _neg(last)
    else:
        expanded = joined(_add, plus, dtype)
    for factor in moved:
        product.factors[factor] -= 1
    del product.factors[total]
    product.factors[expanded] = 1
    return product.rebuilt(ctx)
