"""Canonical products and powers; see :mod:`symc.rewrite.algebra`."""

from __future__ import annotations

import functools
import math
from collections.abc import Hashable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dtypes import DTYPES, is_continuous
from ..ops.elemwise import Elemwise, elemwise_of
from ..scalar.arith import abs_, inv, mul, neg, pow, sgn, sqr, sub, true_div
from ..scalar.logic import second
from ..scalar.math import sigmoid, sqrt
from .algebra import (
    MAX_TERMS,
    PEEK,
    finished,
    in_family,
    is_algebraic,
    is_other_part,
    is_plain,
    joined,
    left_to_reader,
    number,
    opened,
    part_key,
    same_parts,
    settled_constant,
    typed_constant,
)
from .failure import drops_failure
from .rule import rule
from .values import broadcast_like, constant_value, is_elemwise, operands_of, typed

__all__ = ["Product", "is_flat_product", "product_of"]

_PRODUCTS = (mul, true_div, inv, neg)
_POWERS = (sqr, pow)
_IN_PRODUCTS = frozenset((*_PRODUCTS, *_POWERS, sub, sigmoid, second))
_TAKEN_APART = frozenset((*_PRODUCTS, *_POWERS, second))
_mul, _div, _neg, _sqr, _pow, _sqrt, _sgn = map(
    elemwise_of, (mul, true_div, neg, sqr, pow, sqrt, sgn)
)


@dataclass
class Product:
    """A product taken apart.

    Attributes
    ----------
    over, under : number
        The constants above and below the fraction line; the sign is that of `over`.
    factors : dict
        Per factor its integer exponent, in the order of first occurrence. ``1 - sigmoid(x)`` and
        ``sigmoid(-x)`` count as one factor.
    leaves : list of variables
        Everything that was met, for the sake of the shape.
    """

    out: Any
    over: Any = 1
    under: Any = 1
    factors: dict[Any, int] = field(default_factory=dict)
    leaves: list[Any] = field(default_factory=list)
    _seen: dict[Hashable, Any] = field(default_factory=dict)

    def known(self, x: Any) -> Any:
        """The factor that stands for `x`: the first that was met and is equal to it."""
        return self._seen.setdefault(_factor_key(x), x)

    def put(self, x: Any, exponent: int) -> None:
        """Multiply with a leaf."""
        self.leaves.append(x)
        value = constant_value(x)
        usable = value is not None and np.isfinite(value) and (value != 0 or exponent > 0)
        if usable:
            power = number(value, self.out.type.dtype) ** abs(exponent)
            if exponent > 0:
                self.over *= power
            else:
                self.under *= power
            return
        factor = self.known(x)
        self.factors[factor] = self.factors.get(factor, 0) + exponent

    def cancelled(self) -> list[Any]:
        """The leaves that have no part in the result, as often as they occur."""
        if self.over == 0:
            return self.leaves
        gone = {x for x, exponent in self.factors.items() if not exponent}
        return [x for x in self.leaves if self.known(x) in gone] if gone else []

    def settle_constants(self) -> None:
        """Make one constant of two, unless only a division is exact."""
        if self.under == 1:
            return
        if self.over not in (1, -1) or _has_exact_inverse(self.under):
            self.over, self.under = self.over / self.under, 1

    def sides(self) -> tuple[list[Any], list[Any]]:
        """The factors of numerator and denominator, without the sign."""
        dtype, ndim = self.out.type.dtype, self.out.type.ndim
        above: list[Any] = []
        below: list[Any] = []
        if self.over not in (1, -1):
            above.append(typed_constant(self.over, dtype, ndim))
        if self.under != 1:
            below.append(typed_constant(self.under, dtype, ndim))
        for x, exponent in self.factors.items():
            if exponent:
                (above if exponent > 0 else below).append(_power(x, abs(exponent)))
        return above, below

    def written(self) -> Any:
        """The product as an expression, which need not have the shape of `out`."""
        dtype = self.out.type.dtype
        above, below = self.sides()
        new = joined(_mul, above, dtype) if above else typed(1, dtype, self.out.type.ndim)
        if below:
            new = _div(new, joined(_mul, below, dtype))
        return _neg(new) if self.over == -1 else new

    def rebuilt(self, ctx: Any) -> Any:
        """The product as a variable of the type and shape of `out`; None if it is `out` again."""
        return finished(self.written(), self.out, self.leaves, ctx)


def _factor_part(x: Any) -> Hashable:
    """What tells factors apart: powers by base and exponent."""
    if constant_value(x) is not None:
        return part_key(x)
    base, exponent = _integer_power(x)
    return _factor_key(base), exponent


def _factor_key(x: Any) -> Hashable:
    node = x.owner
    if node is None or not isinstance(node.op, Elemwise):
        return x
    if node.op.scalar_op not in (sigmoid, sub):
        return x
    inner = operands_of(x, sigmoid)
    if inner is not None:
        negated = operands_of(inner[0], neg)
        return x if negated is None else ("1 - sigmoid", negated[0])
    parts = operands_of(x, sub)
    if parts is None or constant_value(parts[0]) != 1 or not all(parts[0].type.broadcastable):
        return x
    logistic = operands_of(parts[1], sigmoid)
    return x if logistic is None else ("1 - sigmoid", logistic[0])


def _has_exact_inverse(value: Any) -> bool:
    if isinstance(value, complex):
        return False
    return math.frexp(abs(value))[0] == 0.5 and math.isfinite(1 / value)


def _power(x: Any, exponent: int) -> Any:
    if exponent == 1:
        return x
    return _sqr(x) if exponent == 2 else _pow(x, typed(exponent, x.type.dtype, x.type.ndim))


def _factor_operands(x: Any, exponent: int) -> list[tuple[int, Any]]:
    scalar_op, operands = x.owner.op.scalar_op, x.owner.inputs
    if scalar_op is true_div:
        return [(exponent, operands[0]), (-exponent, operands[1])]
    if scalar_op is inv:
        return [(-exponent, operands[0])]
    return [(exponent, v) for v in operands]


def _integer_power(x: Any) -> tuple[Any, int]:
    """`x` as a power: base and integer exponent; ``(x, 1)`` for what is no power."""
    node = x.owner
    if node is None or not isinstance(node.op, Elemwise):
        return x, 1
    scalar_op = node.op.scalar_op
    if scalar_op is sqr and is_algebraic(x):
        return node.inputs[0], 2
    if scalar_op is pow and node.inputs[0].type.dtype == x.type.dtype:
        base, exponent = x.owner.inputs
        value = constant_value(exponent) if all(exponent.type.broadcastable) else None
        if value is not None and abs(value) <= 512 and value == int(value.real):
            integer = int(value.real)
            if is_continuous(x.type.dtype) or integer > 0:
                return base, integer
    return x, 1


def is_flat_product(node: Any) -> bool:
    """Whether a node is a product, and no operand is itself a product, a quotient or a power."""
    if node.op.scalar_op is not mul:
        return False
    return not any(is_elemwise(x, *_PRODUCTS, *_POWERS) for x in node.inputs)


def product_of(out: Any, ctx: Any) -> Product:
    """Take a product apart: ``out = over / under * prod(factor ** exponent)``.

    Parameters
    ----------
    out : variable
        Computed by mul, true_div, inv, neg, sqr or pow.
    ctx : RewriteContext
    """
    product = Product(out)
    pending: list[tuple[int, Any]] = [(1, out)]
    count = 1
    while pending:
        exponent, x = pending.pop()
        apart = in_family(x, _PRODUCTS) if x is out else opened(x, out, _PRODUCTS, ctx)
        if apart and count + len(x.owner.inputs) - 1 <= MAX_TERMS:
            count += len(x.owner.inputs) - 1
            if x.owner.op.scalar_op is neg:
                product.over = -product.over
            pending.extend(_factor_operands(x, exponent)[::-1])
            continue
        while x.type.dtype == out.type.dtype:
            base, power = _integer_power(x)
            if base is x:
                break
            x, exponent = base, exponent * power
        product.put(x, exponent)
    _open_quotients(product)
    return product


def _open_quotients(product: Product) -> None:
    """Take shared products apart where one of their factors cancels with another."""
    for x, exponent in list(product.factors.items()):
        if exponent not in (1, -1) or x.type.dtype != product.out.type.dtype:
            continue
        if not in_family(x, _PRODUCTS) or len(x.owner.inputs) > PEEK:
            continue
        parts = _factor_operands(x, exponent)
        if any(product.factors.get(product.known(v), 0) * e < 0 for e, v in parts):
            del product.factors[x]
            if x.owner.op.scalar_op is neg:
                product.over = -product.over
            for e, v in parts:
                product.put(v, e)


@rule(("canonical", "stable"), ops=[mul, true_div, inv, neg, sqr, pow])
def canonical_product(node: Any, ctx: Any) -> Any:
    """A product is ``(c * x * ...) / (d * y * ...)``, with equal factors collected."""
    (out,) = node.outputs
    if is_plain(node, mul, _IN_PRODUCTS) or _is_settled(node, ctx):
        return None
    if node.op.scalar_op in _POWERS:
        if _is_canonical_power(out):
            return None
    elif not in_family(out, _PRODUCTS) or left_to_reader(out, _PRODUCTS, ctx):
        return None
    if node.op.scalar_op is neg and not in_family(node.inputs[0], _PRODUCTS):
        return None
    product = product_of(out, ctx)
    dtype, ndim = out.type.dtype, out.type.ndim
    if drops_failure(product.cancelled(), ctx):
        return None
    if product.over == 0:
        return finished(typed(0, dtype, ndim), out, product.leaves, ctx)
    if is_continuous(dtype):
        product.settle_constants()
    if not (_usable(product.over, dtype) and _usable(product.under, dtype)):
        return None
    above, below = product.sides()
    if _is_present_product(out, product.over == -1, above, below, ctx):
        return None
    return product.rebuilt(ctx)


@rule(("canonical", "stable"), ops=[true_div])
def quotient_by_abs(node: Any, ctx: Any) -> Any:
    """X / abs(x) is sgn(x), which is 0 for x == 0."""
    (out,) = node.outputs
    if DTYPES[out.type.dtype].kind != "f":
        return None
    product = product_of(out, ctx)
    for size, exponent in list(product.factors.items()):
        inner = operands_of(size, abs_)
        if inner is None or exponent * product.factors.get(product.known(inner[0]), 0) >= 0:
            continue
        step = 1 if exponent < 0 else -1
        (x,) = map(product.known, inner)
        product.factors[size] += step
        product.factors[x] -= step
        product.put(_sgn(x), 1)
        return product.rebuilt(ctx)
    return None


@rule("canonical", ops=[pow])
def power_of_half(node: Any, ctx: Any) -> Any:
    """X ** 0.5 is sqrt(x), and x ** -0.5 is 1 / sqrt(x)."""
    x, exponent = node.inputs
    (out,) = node.outputs
    value = constant_value(exponent)
    if value is None or abs(value) != 0.5 or x.type.dtype != out.type.dtype:
        return None
    if DTYPES[out.type.dtype].kind != "f":
        return None
    root = _sqrt(x)
    new = root if value > 0 else _div(typed(1, out.type.dtype, out.type.ndim), root)
    return broadcast_like(new, out, node.inputs, ctx)


def _is_settled(node: Any, ctx: Any) -> bool:
    """Early reject: whether a product is a constant, if any, times different other factors.

    Among them may be products that are read elsewhere, too.
    """
    if node.op.scalar_op is not mul:
        return False
    operands = node.inputs
    if settled_constant(operands[0], node.outputs[0]) not in (None, 0, 1, -1):
        operands = operands[1:]
    return len(set(operands)) == len(operands) and all(
        (is_other_part(v, _TAKEN_APART) and _factor_key(v) is v)
        or (is_elemwise(v, mul) and ctx.readers(v) > 1)
        for v in operands
    )


def _is_canonical_power(out: Any) -> bool:
    """Whether a power has no constant integer exponent, or one above 1 and no power as base."""
    base, exponent = _integer_power(out)
    if base is out:
        return True
    written_as = sqr if exponent == 2 else pow
    return exponent > 1 and out.owner.op.scalar_op is written_as and _integer_power(base)[0] is base


@functools.lru_cache(maxsize=1024)
def _usable(value: Any, dtype: str) -> bool:
    """Whether a constant neither overflows nor vanishes in the dtype."""
    if value in (1, -1) or not is_continuous(dtype):
        return True
    with np.errstate(all="ignore"):
        rounded = np.dtype(dtype).type(value)
    tiny = np.finfo(dtype).tiny
    return bool(np.isfinite(rounded)) and bool(abs(rounded) >= tiny)


def _is_present_product(
    out: Any, negative: bool, above: list[Any], below: list[Any], ctx: Any
) -> bool:
    """Whether `out` is written with this sign and these factors already."""
    x = out.owner.inputs[0] if is_elemwise(out, neg) else out
    if is_elemwise(out, neg) is not negative or not is_elemwise(x, mul, true_div):
        return False
    numerator, denominator = x.owner.inputs if is_elemwise(x, true_div) else (x, None)

    def parts(v: Any) -> list[Any]:
        apart = v is out or opened(v, out, (mul,), ctx)
        return (operands_of(v, mul) if apart else None) or [v]

    top = parts(numerator)
    if denominator is None:
        return same_parts((top,), (above,), _factor_part) and not below
    if len(top) == 1 and constant_value(top[0]) == 1:
        top = []
    return same_parts((top, parts(denominator)), (above, below), _factor_part)
