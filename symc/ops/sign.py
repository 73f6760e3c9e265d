"""Which variables are never negative, by the structure of their expressions.

The gradient of ``sqrt(s)`` needs it: at ``s = 0`` the derivative of the root is infinite, but
where `s` can't be negative (a sum of squares, say) 0 is its minimum, and the minimum of the root;
0 is a subgradient there, and the gradient of a norm at 0 is 0 and not NaN.

Ops take part by a method ``signed_by(node)``: the operands that must be non-negative for the
result to be so, or None where nothing is known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import is_complex, is_float
from ..graph.node import Constant
from ..scalar.logic import and_, eq, gt, lt, switch
from ..scalar.op import CASTS

__all__ = ["never_negative", "signed_by_scalar_op", "without_pole"]

_STEPS = 200  # longer proofs are not looked for


def never_negative(x: Any) -> bool:
    """Whether all elements of `x` are proved to be at least 0 (or NaN).

    Parameters
    ----------
    x : Variable
        A tensor.
    """
    open_claims = [x]
    seen = set()
    while open_claims:
        claim = open_claims.pop()
        if claim in seen:
            continue
        seen.add(claim)
        if len(seen) > _STEPS:
            return False
        needed = _needed_for(claim)
        if needed is None:
            return False
        open_claims += needed
    return True


def _needed_for(x: Any) -> list[Any] | None:
    """What has to be non-negative so that `x` is; None if that is not known."""
    dtype = x.type.dtype
    if is_complex(dtype):
        return None
    if dtype == "bool" or dtype.startswith("uint"):
        return []
    if isinstance(x, Constant):
        return [] if bool(np.all(np.asarray(x.data) >= 0)) else None
    if x.owner is None:
        return None
    signed_by = getattr(x.owner.op, "signed_by", None)
    return None if signed_by is None else signed_by(x.owner)


def signed_by_scalar_op(node: Any) -> list[Any] | None:
    """The operands that must be non-negative so that an elementwise result is."""
    op = node.op.scalar_op
    low = None if op.range is None else op.range[0]
    if low is not None and low >= 0:
        return []
    rule = _RULES.get(op.name)
    if rule is None:
        return list(node.inputs) if op.name in _KEEPING else None
    needed: list[Any] | None = rule(*node.inputs)
    return needed


_KEEPING = {
    *("add", "true_div", "int_div", "minimum", "identity", "real", "ceil", "floor"),
    *(cast.name for cast in CASTS.values()),
}
"""Scalar ops whose result is non-negative if all operands are."""


def _product(*factors: Any) -> list[Any]:
    """Factors that occur an even number of times are no matter."""
    odd: set[Any] = set()
    for factor in factors:
        odd ^= {factor}
    return list(odd)


def _maximum(a: Any, b: Any) -> list[Any]:
    """One operand is enough: a constant that is, else the second."""
    return [a] if isinstance(_unpadded(a), Constant) else [b]


def _power(base: Any, exponent: Any) -> list[Any]:
    """Even powers of anything are non-negative."""
    number = _unpadded(exponent)
    if isinstance(number, Constant) and bool(np.all(np.asarray(number.data) % 2 == 0)):
        return []
    return [base]


def _unpadded(x: Any) -> Any:
    """`x` without the leading axes that broadcasting gave it."""
    while x.owner is not None and getattr(x.owner.op, "new_order", None) is not None:
        x = x.owner.inputs[0]
    return x


_RULES: dict[str, Any] = {
    "mul": _product,
    "maximum": _maximum,
    "pow": _power,
    "switch": lambda condition, a, b: [a, b],
    "second": lambda a, b: [b],
    "clip": lambda x, low, high: [low, high],
}


def without_pole(scalar_op: Any, y: Any, inputs: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Result and operands to differentiate a root with, so that it has no pole at its minimum.

    For ``y = sqrt(x)``, and for ``y = x**b`` with b in (0, 1), where x is never negative: the 0
    in the denominator of the derivative becomes infinite, and the derivative 0. Everything else is
    returned as it is. Exponents that are not constant are compared when the gradient is computed.
    """
    if scalar_op.name == "sqrt" and never_negative(inputs[0]):
        return _infinite_at_zero(y), list(inputs)
    if scalar_op.name == "pow" and never_negative(inputs[0]):
        base, exponent = inputs
        roots = _roots(exponent)
        if roots is not None:
            infinite = _infinite_at_zero(base)
            return y, [infinite if roots is True else switch(roots, infinite, base), exponent]
    return y, list(inputs)


def _roots(exponent: Any) -> Any:
    """Where an exponent lies in (0, 1): True, None (nowhere), or a condition."""
    if not is_float(exponent.type.dtype):
        return None
    number = _unpadded(exponent)
    if isinstance(number, Constant):
        values = np.asarray(number.data)
        found = (values > 0) & (values < 1)
        if not found.any():
            return None
        if found.all():
            return True
    return and_(gt(exponent, 0), lt(exponent, 1))


def _infinite_at_zero(x: Any) -> Any:
    return switch(eq(x, 0), np.dtype(x.type.dtype).type(np.inf), x)
