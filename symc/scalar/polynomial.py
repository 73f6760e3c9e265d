"""Polynomials with integer coefficients over atoms, the normal form of sizes.

A polynomial is a dict from monomial to coefficient; coefficients are not 0. A monomial is a tuple
of atoms (expressions) ordered by ``number``, with repetition; the empty one stands for 1.
"""

from __future__ import annotations

from .expr import Expr

Monomial = tuple[Expr, ...]
Poly = dict[Monomial, int]

CONSTANT: Monomial = ()


def polynomial_key(monomial: Monomial) -> tuple[bool, tuple[int, ...]]:
    """Order of the terms: by age of the atoms, the constant last."""
    return not monomial, tuple(atom.number for atom in monomial)


def plus(a: Poly, b: Poly, factor: int = 1) -> Poly:
    """``a + factor * b``."""
    result = dict(a)
    for monomial, coefficient in b.items():
        total = result.get(monomial, 0) + factor * coefficient
        if total:
            result[monomial] = total
        else:
            result.pop(monomial, None)
    return result


def times(a: Poly, b: Poly) -> Poly:
    """``a * b``."""
    result: Poly = {}
    for left, c in a.items():
        for right, d in b.items():
            monomial = tuple(sorted(left + right, key=lambda atom: atom.number))
            total = result.get(monomial, 0) + c * d
            if total:
                result[monomial] = total
            else:
                result.pop(monomial, None)
    return result


def constant_of(poly: Poly) -> int | None:
    """The value of a constant polynomial, else ``None``."""
    if not poly:
        return 0
    return poly[CONSTANT] if len(poly) == 1 and CONSTANT in poly else None


def split_multiples(poly: Poly, divisor: int) -> tuple[Poly, Poly]:
    """Quotient and remainder term by term: ``poly = divisor * whole + rest``.

    The constant of ``rest`` lies in [0, divisor); its other terms are those that the divisor
    does not divide.
    """
    whole: Poly = {}
    rest: Poly = {}
    for monomial, coefficient in poly.items():
        if monomial and coefficient % divisor:
            rest[monomial] = coefficient
            continue
        quotient, remainder = divmod(coefficient, divisor)
        if quotient:
            whole[monomial] = quotient
        if remainder:
            rest[monomial] = remainder
    return whole, rest


def divide_exactly(a: Poly, b: Poly) -> Poly | None:
    """``a / b`` if it is a polynomial, by long division in the order of the terms."""
    if not b:
        return None
    lead = max(b, key=_degree_key)
    quotient: Poly = {}
    rest = dict(a)
    for _ in range(len(a) * len(b) + 1):
        if not rest:
            return quotient
        top = max(rest, key=_degree_key)
        monomial = _divide_monomial(top, lead)
        if monomial is None or rest[top] % b[lead]:
            return None
        term = {monomial: rest[top] // b[lead]}
        quotient = plus(quotient, term)
        rest = plus(rest, times(term, b), -1)
    return None


def _degree_key(monomial: Monomial) -> tuple[int, tuple[int, ...]]:
    """A monomial order (graded lexicographic), under which long division terminates."""
    return len(monomial), tuple(-atom.number for atom in monomial)


def _divide_monomial(a: Monomial, b: Monomial) -> Monomial | None:
    left = list(a)
    for atom in b:
        if atom not in left:
            return None
        left.remove(atom)
    return tuple(left)
