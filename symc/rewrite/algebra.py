"""Canonical sums and products.

**Sums.** Nested ``add``, ``sub`` and ``neg`` of one dtype become ``P - N``, where P and N are sums
of terms with positive and negative sign: ``add(c, p1, p2, ...) - add(n1, n2, ...)``. Constants are
added up into one, c, which is an operand of P, or of N if it is negative. Equal terms are
collected (``x + 2*x`` is ``3*x``) and cancel (``x - x`` is 0).

**Products.** Nested ``mul``, ``true_div``, ``inv``, ``neg``, ``sqr`` and integer powers become
``neg(N / D)``, where N and D are products of factors: ``mul(c, x, sqr(y), ...)``. Constants become
one; division by a constant stays a division unless a product is as exact. Equal factors are
collected into powers and cancel (``x / x`` is 1), and a product with 0 is 0.

A node that is read more than once is a term or factor of its own: what is shared is computed once.
Only where its terms cancel with others is it taken apart. Nodes whose only reader belongs to the
same sum or product are left to that reader, so that a long chain costs time in proportion to its
length.

As in Theano, what cancels is taken to be finite and not 0: ``x - x`` is 0 and ``0 * x`` is 0 for
infinite x too, ``x / x`` is 1 for ``x == 0``. Sums are reordered, which changes their rounding.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dtypes import DTYPES, is_continuous, upcast
from ..graph.node import Constant
from ..ops.elemwise import Elemwise, cast_like, elemwise_of
from ..scalar.arith import add, inv, mul, neg, pow, sqr, sub, true_div
from ..scalar.logic import second
from ..scalar.math import sigmoid
from .rule import rule
from .values import broadcast_like, constant_value, is_elemwise, operands_of, typed

__all__ = ["Product", "product_of"]

MAX_TERMS = 64
"""Longer sums and products stay nested."""

_PEEK = 8

_SUMS = (add, sub, neg)
_PRODUCTS = (mul, true_div, inv, neg)
_POWERS = (sqr, pow)

_IN_SUMS = frozenset((*_SUMS, mul, second))
_IN_PRODUCTS = frozenset((*_PRODUCTS, *_POWERS, sub, sigmoid, second))

_add, _sub, _neg, _mul, _div = map(elemwise_of, (add, sub, neg, mul, true_div))
_sqr, _pow = elemwise_of(sqr), elemwise_of(pow)


def _is_algebraic(x: Any) -> bool:
    return DTYPES[x.type.dtype].kind in "iufc"


def _is_plain(node: Any, scalar_op: Any, taken_apart: frozenset[Any]) -> bool:
    """Whether a sum or product has different operands and nothing in it to take apart."""
    if node.op.scalar_op is not scalar_op:
        return False
    operands = node.inputs
    for v in operands:
        owner = v.owner
        if owner is None:
            if isinstance(v, Constant):
                return False
        elif isinstance(owner.op, Elemwise) and owner.op.scalar_op in taken_apart:
            return False
    return len(set(operands)) == len(operands)


def _in_family(x: Any, family: Sequence[Any]) -> bool:
    return is_elemwise(x, *family) and _is_algebraic(x)


def _left_to_reader(out: Any, family: Sequence[Any], ctx: Any) -> bool:
    """Whether the only reader of `out` takes it apart itself."""
    clients = ctx.clients(out)
    if len(clients) != 1 or clients[0] is None:
        return False
    (reader,) = clients[0].outputs[:1]
    return _in_family(reader, family) and reader.type.dtype == out.type.dtype


def _opened(x: Any, out: Any, family: Sequence[Any], ctx: Any) -> bool:
    """Whether `x`, an operand in the expression of `out`, is taken apart."""
    if x.type.dtype != out.type.dtype or not _in_family(x, family):
        return False
    return x.owner.op.scalar_op is neg or ctx.readers(x) == 1


def _number(value: Any, dtype: str) -> Any:
    """A constant as a Python number, in which sums and products are computed."""
    kind = DTYPES[dtype].kind
    return complex(value) if kind == "c" else float(value) if kind == "f" else int(value)


def _fits(value: Any, dtype: str) -> bool:
    """Whether a computed constant is a finite number of the dtype; integers wrap."""
    if not is_continuous(dtype):
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.dtype(dtype).type(value)))


def _constant(value: Any, dtype: str, ndim: int) -> Any:
    if not is_continuous(dtype):
        bits = np.iinfo(dtype).bits
        value &= (1 << bits) - 1
        if dtype[0] == "i" and value >> (bits - 1):
            value -= 1 << bits
    return typed(value, dtype, ndim)


def joined(op: Elemwise, parts: Sequence[Any], dtype: str) -> Any:
    """The sum or product of `parts`, computed in `dtype`: narrower operands are converted first."""
    if upcast(*(p.type.dtype for p in parts)) != dtype:
        parts = [cast_like(parts[0], dtype), *parts[1:]]
    return parts[0] if len(parts) == 1 else op(*parts)


# ---------------------------------------------------------------------------------------------
# Sums
# ---------------------------------------------------------------------------------------------


@dataclass
class _Sum:
    """A sum taken apart: a constant, and per term its coefficient."""

    out: Any
    constant: Any = 0
    terms: dict[tuple[int, ...], list[Any]] = field(default_factory=dict)
    leaves: list[Any] = field(default_factory=list)
    simpler: bool = False

    def put(self, sign: int, x: Any) -> None:
        """Add a leaf: ``[coefficient, variable with coefficient 1 or None, factors]``."""
        self.leaves.append(x)
        dtype = self.out.type.dtype
        value = constant_value(x)
        if value is not None and np.isfinite(value):
            self.constant += sign * _number(value, dtype)
            return
        coefficient, factors = _scaled(x, dtype)
        key = tuple(map(id, factors))
        found = self.terms.get(key)
        if found is None:
            self.terms[key] = [sign * coefficient, {coefficient: x}, factors]
        else:
            found[0] += sign * coefficient
            found[1].setdefault(coefficient, x)

    def build(self) -> tuple[list[Any], list[Any]]:
        """The positive and the negative terms."""
        dtype, ndim = self.out.type.dtype, self.out.type.ndim
        positive: list[Any] = []
        negative: list[Any] = []
        if self.constant:
            below = DTYPES[dtype].kind in "if" and self.constant < 0
            c = _constant(-self.constant if below else self.constant, dtype, ndim)
            (negative if below else positive).append(c)
        for coefficient, known, factors in self.terms.values():
            below = DTYPES[dtype].kind != "c" and coefficient < 0
            size = -coefficient if below else coefficient
            if not size:
                continue
            term = known.get(size)
            if term is None:
                scale = [] if size == 1 else [_constant(size, dtype, ndim)]
                term = joined(_mul, [*scale, *factors], dtype)
            (negative if below else positive).append(term)
        return positive, negative


def _scaled(x: Any, dtype: str) -> tuple[Any, list[Any]]:
    """`x` as a constant times factors."""
    operands = (operands_of(x, mul) if x.type.dtype == dtype else None) or []
    for i, v in enumerate(operands):
        value = constant_value(v) if all(v.type.broadcastable) else None
        if value is not None and np.isfinite(value) and value != 0 and len(operands) > 1:
            return _number(value, dtype), operands[:i] + operands[i + 1 :]
    return 1, [x]


def _signed_operands(x: Any, sign: int) -> list[tuple[int, Any]]:
    scalar_op, operands = x.owner.op.scalar_op, x.owner.inputs
    if scalar_op is add:
        return [(sign, v) for v in operands]
    if scalar_op is neg:
        return [(-sign, operands[0])]
    return [(sign, operands[0]), (-sign, operands[1])]


def _taken_apart(out: Any, ctx: Any) -> _Sum:
    total = _Sum(out)
    pending = _signed_operands(out, 1)[::-1]
    count = len(pending)
    while pending:
        sign, x = pending.pop()
        if _opened(x, out, _SUMS, ctx) and count + len(x.owner.inputs) - 1 <= MAX_TERMS:
            count += len(x.owner.inputs) - 1
            pending.extend(_signed_operands(x, sign)[::-1])
        else:
            total.put(sign, x)
    _open_what_cancels(total)
    return total


def _open_what_cancels(total: _Sum) -> None:
    """Take shared sums apart where one of their terms cancels with another term."""
    for key, (coefficient, _, factors) in list(total.terms.items()):
        (x, *more) = factors
        if more or coefficient not in (1, -1) or x.type.dtype != total.out.type.dtype:
            continue
        if not _in_family(x, _SUMS) or len(x.owner.inputs) > _PEEK:
            continue
        parts = _signed_operands(x, coefficient)
        if any(_cancels(total, sign, v) for sign, v in parts):
            del total.terms[key]
            for sign, v in parts:
                total.put(sign, v)


def _cancels(total: _Sum, sign: int, x: Any) -> bool:
    coefficient, factors = _scaled(x, total.out.type.dtype)
    found = total.terms.get(tuple(map(id, factors)))
    return found is not None and found[0] == -sign * coefficient


@rule(("canonical", "stable"), ops=[add, sub, neg])
def canonical_sum(node: Any, ctx: Any) -> Any:
    """A sum is ``(c + p + ...) - (n + ...)``, with equal terms collected."""
    (out,) = node.outputs
    if _is_plain(node, add, _IN_SUMS) or not _is_algebraic(out):
        return None
    if _left_to_reader(out, _SUMS, ctx):
        return None
    if node.op.scalar_op is neg and not _in_family(node.inputs[0], _SUMS):
        return None
    total = _taken_apart(out, ctx)
    dtype, ndim = out.type.dtype, out.type.ndim
    if not _fits(total.constant, dtype):
        return None
    positive, negative = total.build()
    if _same_parts(_present_sum(out, ctx), (positive, negative)):
        return None
    if positive and negative:
        new = _sub(joined(_add, positive, dtype), joined(_add, negative, dtype))
    elif negative:
        new = _neg(joined(_add, negative, dtype))
    else:
        new = joined(_add, positive, dtype) if positive else typed(0, dtype, ndim)
    return _finished(new, out, total.leaves, ctx)


def _present_sum(out: Any, ctx: Any) -> tuple[list[Any], list[Any]]:
    """The terms of `out` if it were canonical."""
    scalar_op, operands = out.owner.op.scalar_op, out.owner.inputs

    def parts(x: Any) -> list[Any]:
        return (operands_of(x, add) if _opened(x, out, (add,), ctx) else None) or [x]

    if scalar_op is add:
        return list(operands), []
    if scalar_op is neg:
        return [], parts(operands[0])
    return parts(operands[0]), parts(operands[1])


def _same_parts(old: Sequence[Sequence[Any]], new: Sequence[Sequence[Any]]) -> bool:
    """Whether lists of parts are equal but for the order; constants are compared by value."""
    return all(
        len(a) == len(b) and Counter(map(_part_key, a)) == Counter(map(_part_key, b))
        for a, b in zip(old, new, strict=True)
    )


def _part_key(x: Any) -> Hashable:
    value = constant_value(x)
    if value is not None:
        return x.type, value
    base, exponent = _integer_power(x)
    return _factor_key(base), exponent


def _finished(new: Any, out: Any, leaves: Sequence[Any], ctx: Any) -> Any:
    """`new` in the type and shape of `out`; None if it is `out` again."""
    if _is_same(new, out):
        return None
    return broadcast_like(new, out, leaves, ctx)


def _is_same(x: Any, y: Any, depth: int = 3) -> bool:
    """Whether two expressions are written alike, as far as new nodes reach."""
    if x is y:
        return True
    a, b = constant_value(x), constant_value(y)
    if a is not None:
        return b is not None and bool(a == b) and x.type == y.type
    if x.owner is None or y.owner is None or not depth or x.owner.op != y.owner.op:
        return False
    ours, theirs = x.owner.inputs, y.owner.inputs
    if len(ours) != len(theirs):
        return False
    return all(_is_same(v, w, depth - 1) for v, w in zip(ours, theirs, strict=True))


# ---------------------------------------------------------------------------------------------
# Products
# ---------------------------------------------------------------------------------------------


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
            number = _number(value, self.out.type.dtype) ** abs(exponent)
            if exponent > 0:
                self.over *= number
            else:
                self.under *= number
            return
        factor = self.known(x)
        self.factors[factor] = self.factors.get(factor, 0) + exponent

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
            above.append(_constant(self.over, dtype, ndim))
        if self.under != 1:
            below.append(_constant(self.under, dtype, ndim))
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
        return _finished(self.written(), self.out, self.leaves, ctx)


def _factor_key(x: Any) -> Hashable:
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
    if is_elemwise(x, sqr) and _is_algebraic(x):
        return x.owner.inputs[0], 2
    if is_elemwise(x, pow) and x.owner.inputs[0].type.dtype == x.type.dtype:
        base, exponent = x.owner.inputs
        value = constant_value(exponent) if all(exponent.type.broadcastable) else None
        if value is not None and abs(value) <= 512 and value == int(value.real):
            integer = int(value.real)
            if is_continuous(x.type.dtype) or integer > 0:
                return base, integer
    return x, 1


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
        if x is out or _opened(x, out, _PRODUCTS, ctx):
            opened = _in_family(x, _PRODUCTS) and count + len(x.owner.inputs) - 1 <= MAX_TERMS
        else:
            opened = False
        if opened:
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
        if not _in_family(x, _PRODUCTS) or len(x.owner.inputs) > _PEEK:
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
    if _is_plain(node, mul, _IN_PRODUCTS):
        return None
    if node.op.scalar_op in _POWERS:
        if _is_canonical_power(out):
            return None
    elif not _in_family(out, _PRODUCTS) or _left_to_reader(out, _PRODUCTS, ctx):
        return None
    if node.op.scalar_op is neg and not _in_family(node.inputs[0], _PRODUCTS):
        return None
    product = product_of(out, ctx)
    dtype, ndim = out.type.dtype, out.type.ndim
    if product.over == 0:
        return _finished(typed(0, dtype, ndim), out, product.leaves, ctx)
    if is_continuous(dtype):
        product.settle_constants()
    if not (_usable(product.over, dtype) and _usable(product.under, dtype)):
        return None
    above, below = product.sides()
    if _is_present_product(out, product.over == -1, above, below, ctx):
        return None
    return product.rebuilt(ctx)


def _is_canonical_power(out: Any) -> bool:
    """Whether a power has no constant integer exponent, or one above 1 and no power as base."""
    base, exponent = _integer_power(out)
    if base is out:
        return True
    written_as = sqr if exponent == 2 else pow
    return exponent > 1 and out.owner.op.scalar_op is written_as and _integer_power(base)[0] is base


def _usable(value: Any, dtype: str) -> bool:
    """Whether a constant neither overflows nor vanishes in the dtype."""
    if not is_continuous(dtype):
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
        opened = v is out or _opened(v, out, (mul,), ctx)
        return (operands_of(v, mul) if opened else None) or [v]

    top = parts(numerator)
    if denominator is None:
        return _same_parts((top,), (above,)) and not below
    if len(top) == 1 and constant_value(top[0]) == 1:
        top = []
    return _same_parts((top, parts(denominator)), (above, below))
