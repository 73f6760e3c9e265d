"""Where gradients are zero because something was selected, and keeping them so.

In ``where(x > 0, log(x), 0)`` the gradient that arrives at the logarithm is zero where ``x > 0``
is false, but its product with the derivative there, ``0 * inf``, would be NaN. What was not
selected has no influence, so its gradient must be exactly zero: selections are kept outermost,
``switch(c, g, 0) / x`` is built as ``switch(c, g / x, 0)``.

A selection that lies deeper in the arriving gradient (behind a transpose, a product, an index) is
found as its *support*: a condition outside which it is zero by structure. Ops take part by a
method ``support(node, of)``, where ``of(x)`` is the support of an operand: None (everywhere),
`NOWHERE`, or a bool tensor that can be broadcast to the operand.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph.node import Constant
from ..scalar.logic import and_, invert, neq, or_, second, switch

__all__ = [
    "NOWHERE",
    "Selection",
    "is_plain_zero",
    "support_by_scalar_op",
    "support_of",
    "support_of_written",
    "support_through",
]


class _Nowhere:
    """The support of zero."""

    def __repr__(self) -> str:
        return "NOWHERE"


NOWHERE = _Nowhere()

_STEPS = 48  # what lies further back is not looked at
_NEAR = 12  # and so for the operands

Of = Callable[[Any], Any]


class Selection:
    """Conditions under which a gradient passes, taken from the gradient that arrives at a node.

    Parameters
    ----------
    g : Variable
        The gradient that arrives at the result of an elementwise node.
    scalar_op : ScalarOp
    inputs : sequence of Variable
        What the node computes, and of what.

    Attributes
    ----------
    core : Variable
        `g` without the outermost selections.
    """

    def __init__(self, g: Any, scalar_op: Any, inputs: Sequence[Any]) -> None:
        self.core = g
        self._masks: list[tuple[Any, bool]] = []
        if scalar_op.name in _PASSING:
            return
        while (found := _outermost(self.core)) is not None:
            condition, self.core, kept = found
            self._masks.append((condition, kept))
        if _has_pole(scalar_op.name, inputs) or _contains_pole(inputs):
            deeper = support_of(self.core)
            if deeper is not None and deeper is not NOWHERE:
                self._masks.append((deeper, True))

    def apply(self, term: Any) -> Any:
        """`term`, zero where the gradient does not pass."""
        for condition, kept in reversed(self._masks):
            term = switch(condition, term, 0) if kept else switch(condition, 0, term)
        return term


def _outermost(g: Any) -> tuple[Any, Any, bool] | None:
    """Condition, branch, and whether it is the first, if `g` selects between that and zero."""
    if _scalar_name(g) != "switch":
        return None
    condition, a, b = g.owner.inputs
    if _is_zero(b):
        return condition, a, True
    return (condition, b, False) if _is_zero(a) else None


def is_plain_zero(x: Any) -> bool:
    """Whether `x` is a zero that was broadcast: nothing arrives, and nothing passes on."""
    while _scalar_name(x) == "second" or getattr(getattr(x.owner, "op", None), "new_order", None):
        x = x.owner.inputs[-1]
    return isinstance(x, Constant) and not np.any(np.asarray(x.data))


# ---------------------------------------------------------------------------------------------
# Supports
# ---------------------------------------------------------------------------------------------


def support_of(x: Any) -> Any:
    """A condition outside which `x` is zero, whatever the values of the operands are.

    Parameters
    ----------
    x : Variable
        A tensor.

    Returns
    -------
    None, NOWHERE or Variable
        None if nothing is known; else a bool tensor that can be broadcast to `x`.
    """
    left = _STEPS
    known: dict[Any, Any] = {}

    def of(v: Any) -> Any:
        nonlocal left
        if v not in known:
            left -= 1
            known[v] = None if left < 0 else _support(v, of)
        return known[v]

    return of(x)


def _support(x: Any, of: Of) -> Any:
    if isinstance(x, Constant):
        return NOWHERE if not np.any(np.asarray(x.data)) else None
    rule = None if x.owner is None else getattr(x.owner.op, "support", None)
    return None if rule is None else rule(x.owner, of)


def _is_zero(x: Any) -> bool:
    return support_of(x) is NOWHERE


def both(a: Any, b: Any) -> Any:
    """The intersection of two supports."""
    if a is None or b is NOWHERE:
        return b
    if b is None or a is NOWHERE:
        return a
    return and_(a, b)


def either(a: Any, b: Any) -> Any:
    """The union of two supports."""
    if a is NOWHERE:
        return b
    if b is NOWHERE:
        return a
    return None if a is None or b is None else or_(a, b)


def support_by_scalar_op(node: Any, of: Of) -> Any:
    """The support of an elementwise result."""
    name = node.op.scalar_op.name
    if name == "switch":
        condition, a, b = node.inputs
        if condition.type.dtype != "bool":
            condition = neq(condition, 0)
        return either(both(condition, of(a)), both(invert(condition), of(b)))
    if name == "mul":
        total = None
        for x in node.inputs:
            total = both(total, of(x))
        return total
    if name in ("add", "sub"):
        total = NOWHERE
        for x in node.inputs:
            total = either(total, of(x))
        return total
    if name == "true_div":
        return of(node.inputs[0])
    if name == "second":
        return of(node.inputs[1])
    return of(node.inputs[0]) if node.op.scalar_op.zero_at_zero and len(node.inputs) == 1 else None


def support_through(op: Any, node: Any, of: Of) -> Any:
    """The support of a result that arranges or picks elements of the first operand."""
    x, *rest = node.inputs
    inside = of(x)
    return inside if inside is None or inside is NOWHERE else op(second(x, inside), *rest)


def support_of_written(op: Any, node: Any, of: Of) -> Any:
    """The support of `op`, which writes its second operand into the first or adds it there."""
    x, y, *where = node.inputs
    base, value = of(x), of(y)
    if op.set_instead_of_inc:
        if value is not NOWHERE or base is NOWHERE:
            return base if value is NOWHERE else None
        return op(second(x, np.True_ if base is None else base), np.False_, *where)
    if base is not NOWHERE or value is NOWHERE:
        return base if value is NOWHERE else None
    return op(second(x, np.False_), np.True_ if value is None else second(y, value), *where)


# ---------------------------------------------------------------------------------------------
# Poles
# ---------------------------------------------------------------------------------------------

_PASSING = frozenset({"add", "sub", "neg", "identity", "second", "switch", "real", "imag"})
"""Scalar ops that pass a gradient on as it is: there is nothing to be protected."""

_POLES = frozenset(
    {
        *("log", "log2", "log10", "log1p", "log1mexp", "xlogx", "xlogy0"),
        *("sqrt", "true_div", "inv", "pow"),
        *("arcsin", "arccos", "arccosh", "arctanh", "arctan2"),
        *("gamma", "gammaln", "psi", "tri_gamma", "erfinv", "erfcinv"),
    }
)
"""Scalar ops whose derivative is infinite, or NaN, at or beyond a finite point."""

_POSITIVE = frozenset({"exp", "exp2", "sigmoid", "cosh", "erfcx"})


def _has_pole(name: str, inputs: Sequence[Any]) -> bool:
    """Whether the derivative at some values of the operands may not be finite."""
    if name not in _POLES:
        return False
    if name == "true_div":
        return not _never_zero(inputs[1])
    if name == "pow":
        return not (_is_whole(inputs[1]) or _never_zero(inputs[0]))
    return name not in ("log", "log2", "log10", "sqrt", "inv") or not _never_zero(inputs[0])


def _contains_pole(inputs: Sequence[Any]) -> bool:
    """Whether an operand is made, by elementwise steps, of something that may be infinite."""
    pending = list(inputs)
    for _ in range(_NEAR):
        if not pending:
            return False
        x = pending.pop()
        name = _scalar_name(x)
        if name is not None:
            if _has_pole(name, x.owner.inputs):
                return True
            pending += x.owner.inputs
        elif getattr(getattr(x.owner, "op", None), "view_map", None):
            pending.append(x.owner.inputs[0])
    return False


def _never_zero(x: Any) -> bool:
    """Whether `x` is known to be positive, or a constant without zeros.

    Rules that make a logarithm of probabilities stable need to find its gradient as it is.
    """
    while x.owner is not None and _scalar_name(x) is None:
        if getattr(x.owner.op, "positive", False):
            return True
        signed_by = getattr(x.owner.op, "signed_by", None)
        needed = None if signed_by is None else signed_by(x.owner)
        if needed is None or len(needed) != 1:
            return False
        (x,) = needed
    if isinstance(x, Constant):
        return bool(np.all(np.asarray(x.data)))
    return _scalar_name(x) in _POSITIVE


def _is_whole(exponent: Any) -> bool:
    """Whether an exponent is a constant of positive whole numbers."""
    while getattr(getattr(exponent.owner, "op", None), "new_order", None) is not None:
        exponent = exponent.owner.inputs[0]
    if not isinstance(exponent, Constant):
        return False
    values = np.asarray(exponent.data)
    return values.dtype.kind in "iuf" and bool(np.all((values >= 1) & (values % 1 == 0)))


def _scalar_name(x: Any) -> str | None:
    """The scalar op that makes `x` elementwise."""
    if x.owner is None or not hasattr(x.owner.op, "inplace_pattern"):
        return None
    name: str = x.owner.op.scalar_op.name
    return name
