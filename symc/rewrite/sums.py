"""Canonical sums; see :mod:`symc.rewrite.algebra`."""

from __future__ import annotations

import functools
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ..dtypes import DTYPES, is_continuous
from ..ops.elemwise import elemwise_of
from ..scalar.arith import add, mul, neg, sub
from ..scalar.logic import second
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
from .values import constant_value, operands_of, typed

__all__ = ["canonical_sum"]

_SUMS = (add, sub, neg)
_IN_SUMS = frozenset((*_SUMS, mul, second))
_add, _sub, _neg, _mul = map(elemwise_of, (add, sub, neg, mul))


@dataclass
class _Sum:
    """A sum taken apart: a constant, and per term its coefficient."""

    out: Any
    constant: Any = 0
    terms: dict[tuple[int, ...], list[Any]] = field(default_factory=dict)
    leaves: list[Any] = field(default_factory=list)
    whole: bool = True
    simpler: bool = False

    def put(self, sign: int, x: Any) -> None:
        """Add a leaf: ``[coefficient, variable with coefficient 1 or None, factors]``."""
        self.leaves.append(x)
        dtype = self.out.type.dtype
        value = constant_value(x)
        if value is not None and np.isfinite(value):
            self.constant += sign * number(value, dtype)
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
            c = typed_constant(-self.constant if below else self.constant, dtype, ndim)
            (negative if below else positive).append(c)
        for coefficient, known, factors in self.terms.values():
            below = not np.imag(coefficient) and np.real(coefficient) < 0
            size = -coefficient if below else coefficient
            if not size:
                continue
            term = known.get(size)
            if term is None:
                scale = [] if size == 1 else [typed_constant(size, dtype, ndim)]
                term = joined(_mul, [*scale, *factors], dtype)
            (negative if below else positive).append(term)
        return positive, negative


    def cancelled(self) -> list[Any]:
        """The leaves of terms that add up to 0, as often as they occur."""
        dtype = self.out.type.dtype
        gone = {key for key, (coefficient, _, _) in self.terms.items() if not coefficient}
        return [
            x for x in self.leaves if gone and tuple(map(id, _scaled(x, dtype)[1])) in gone
        ]


def _scaled(x: Any, dtype: str) -> tuple[Any, list[Any]]:
    """`x` as a constant times factors."""
    operands = (operands_of(x, mul) if x.type.dtype == dtype else None) or []
    for i, v in enumerate(operands):
        value = constant_value(v) if all(v.type.broadcastable) else None
        if value is not None and np.isfinite(value) and value != 0 and len(operands) > 1:
            return number(value, dtype), operands[:i] + operands[i + 1 :]
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
        apart = opened(x, out, _SUMS, ctx)
        if apart and count + len(x.owner.inputs) - 1 <= MAX_TERMS:
            count += len(x.owner.inputs) - 1
            pending.extend(_signed_operands(x, sign)[::-1])
        else:
            total.whole &= not apart
            total.put(sign, x)
    _open_what_cancels(total)
    return total


def _open_what_cancels(total: _Sum) -> None:
    """Take shared sums apart where one of their terms cancels with another term."""
    for key, (coefficient, _, factors) in list(total.terms.items()):
        (x, *more) = factors
        if more or coefficient not in (1, -1) or x.type.dtype != total.out.type.dtype:
            continue
        if not in_family(x, _SUMS) or len(x.owner.inputs) > PEEK:
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
    if is_plain(node, add, _IN_SUMS) or not is_algebraic(out) or _is_settled(node):
        return None
    if left_to_reader(out, _SUMS, ctx):
        return None
    if node.op.scalar_op is neg and not in_family(node.inputs[0], _SUMS):
        return None
    total = _taken_apart(out, ctx)
    dtype, ndim = out.type.dtype, out.type.ndim
    if not _fits(total.constant, dtype):
        return None
    if drops_failure(total.cancelled(), ctx):
        return None
    positive, negative = total.build()
    if not total.whole and not negative and len(positive) == len(total.leaves):
        return None  # a chain of many equal links stays one: each is compiled as the others are
    if same_parts(_present_sum(out, ctx), (positive, negative), part_key):
        return None
    if positive and negative:
        new = _sub(joined(_add, positive, dtype), joined(_add, negative, dtype))
    elif negative:
        new = _neg(joined(_add, negative, dtype))
    else:
        new = joined(_add, positive, dtype) if positive else typed(0, dtype, ndim)
    return finished(new, out, total.leaves, ctx)


@functools.lru_cache(maxsize=1024)
def _fits(value: Any, dtype: str) -> bool:
    """Whether a computed constant is a finite number of the dtype; integers wrap."""
    if not is_continuous(dtype):
        return True
    with np.errstate(all="ignore"):
        return bool(np.isfinite(np.dtype(dtype).type(value)))


def _is_settled(node: Any) -> bool:
    """Early reject: whether this is the difference of two terms, or of a constant and a term."""
    if node.op.scalar_op is not sub:
        return False
    plus, minus = node.inputs
    if plus is minus or not is_other_part(minus, _IN_SUMS):
        return False
    if is_other_part(plus, _IN_SUMS):
        return True
    value = settled_constant(plus, node.outputs[0])
    return value is not None and bool(np.isreal(value)) and bool(value > 0)


def _present_sum(out: Any, ctx: Any) -> tuple[list[Any], list[Any]]:
    """The terms of `out` if it were canonical."""
    scalar_op, operands = out.owner.op.scalar_op, out.owner.inputs

    def parts(x: Any) -> list[Any]:
        return (operands_of(x, add) if opened(x, out, (add,), ctx) else None) or [x]

    if scalar_op is add:
        return list(operands), []
    if scalar_op is neg:
        return [], parts(operands[0])
    return parts(operands[0]), parts(operands[1])
