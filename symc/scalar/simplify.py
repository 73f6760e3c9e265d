"""Integer algebra of sizes and indices: normal forms, bounds and proofs.

Every int64 expression is brought to a polynomial with integer coefficients over *atoms* (sizes,
indices, quotients, extremes, ...), so that equal sizes become the same node. Values are taken as
mathematical integers: lengths and offsets of arrays that fit into memory do not overflow. Lengths
and indices are known to be at least 0; a ``size`` leaf ``("val", ...)`` is any integer.

Results are kept in ``Context.notes``, so that simplifying a graph of sizes costs its length once.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

from symc.dtypes import DTYPES

from .arith import add, int_div, maximum, minimum, mod, mul
from .expr import Context, Expr
from .polynomial import (
    CONSTANT,
    Poly,
    constant_of,
    divide_exactly,
    plus,
    polynomial_key,
    split_multiples,
    times,
)

Bounds = tuple[float, float]
"""Smallest and largest value; infinite where unknown. Finite ones are ints."""

INF = math.inf
_MAX_TERMS = 48
_MAX_SPLITS = 24


# ------------------------------------------------------------------ public


def simplify(expr: Expr) -> Expr:
    """Bring the int64 parts of an expression to normal form.

    Parameters
    ----------
    expr : Expr
        Any expression; parts of other types are rebuilt from simplified parts.

    Returns
    -------
    Expr
        Equal in value, in the same context. Equal polynomials give the same node.
    """
    if not expr.args:
        return expr
    table: dict[Expr, Expr] = expr.ctx.notes.setdefault("simplify", {})
    found = table.get(expr)
    if found is not None:
        return found
    stack = [expr]
    while stack:
        node = stack[-1]
        if node in table:
            stack.pop()
            continue
        pending = [a for a in node.args if a.args and a not in table]
        if pending:
            stack.extend(pending)
            continue
        stack.pop()
        result = _simplify_node(node, tuple(table.get(a, a) for a in node.args))
        table[node] = result
        table[result] = result
    return table[expr]


def bounds(expr: Expr, facts: Mapping[Expr, Bounds] | None = None) -> Bounds:
    """Interval that contains the value of an integer or bool expression.

    Parameters
    ----------
    expr : Expr
    facts : mapping, optional
        Known bounds of some leaves, for instance ``{index: (0, extent - 1)}``.

    Returns
    -------
    tuple
        ``(low, high)``; ``-inf`` and ``inf`` where nothing is known.
    """
    return _bounds(simplify(expr), facts)


def proved_equal(a: Expr, b: Expr) -> bool:
    """Whether two integer expressions are equal for all values of their leaves.

    False means that no proof was found.
    """
    return a is b or simplify(a) is simplify(b) or _difference(a, b) == {}


def proved_le(a: Expr, b: Expr) -> bool:
    """Whether a <= b for all values of the leaves (sizes and indices are at least 0)."""
    return a is b or _nonnegative(a.ctx, _difference(b, a), [_MAX_SPLITS])


def proved_lt(a: Expr, b: Expr) -> bool:
    """Whether a < b for all values of the leaves."""
    return _nonnegative(a.ctx, plus(_difference(b, a), {CONSTANT: -1}), [_MAX_SPLITS])


def proved_positive(expr: Expr) -> bool:
    """Whether the value is at least 1 for all values of the leaves."""
    return _nonnegative(expr.ctx, plus(_poly(simplify(expr)), {CONSTANT: -1}), [_MAX_SPLITS])


def proved_different(a: Expr, b: Expr) -> bool:
    """Whether a != b for all values of the leaves."""
    return proved_lt(a, b) or proved_lt(b, a)


# ------------------------------------------------------------------ normal form


def _poly(expr: Expr) -> Poly:
    """The polynomial of a simplified int64 expression."""
    if expr.kind == "const":
        value = int(expr.payload)
        return {CONSTANT: value} if value else {}
    found = expr.ctx.notes.setdefault("poly", {}).get(expr)
    return {(expr,): 1} if found is None else found


def _difference(a: Expr, b: Expr) -> Poly:
    return plus(_poly(simplify(a)), _poly(simplify(b)), -1)


def build(ctx: Context, poly: Poly) -> Expr:
    """The one expression that stands for a polynomial."""
    if not poly:
        return ctx.integer(0)
    terms = []
    for monomial in sorted(poly, key=polynomial_key):
        coefficient = poly[monomial]
        factors: tuple[Any, ...] = monomial
        if coefficient != 1 or not monomial:
            factors = (*monomial, ctx.integer(coefficient))
        terms.append(factors[0] if len(factors) == 1 else ctx.call(mul, factors))
    expr = terms[0] if len(terms) == 1 else ctx.call(add, terms)
    if expr.kind == "call" and (expr,) not in poly:
        ctx.notes.setdefault("poly", {})[expr] = poly
    return expr


def _simplify_node(node: Expr, args: tuple[Expr, ...]) -> Expr:
    ctx = node.ctx
    if node.kind != "call":
        return ctx.rebuild(node, args)
    if node.dtype == "int64" and all(a.dtype == "int64" for a in args):
        rule = _INTEGER_RULES.get(node.op.name)
        if rule is not None:
            return rule(ctx, args)
    if node.op.name in _COMPARISONS and all(a.dtype == "int64" for a in args):
        known = _compare(node.op.name, *args)
        if known is not None:
            return ctx.const(known, "bool")
    if args == node.args:
        return node
    folded = node.op.prepare(ctx, args)
    if isinstance(folded, Expr) and folded.dtype == node.dtype:
        return folded
    return ctx.rebuild(node, args)


def _sum(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    total: Poly = {}
    for arg in args:
        total = plus(total, _poly(arg))
    return build(ctx, total)


def _subtract(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    return build(ctx, plus(_poly(args[0]), _poly(args[1]), -1))


def _negate(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    return build(ctx, plus({}, _poly(args[0]), -1))


def _multiply(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    product: Poly = {CONSTANT: 1}
    for arg in args:
        factor = _poly(arg)
        if len(product) * len(factor) > _MAX_TERMS:
            product, factor = _opaque(ctx, product), _opaque(ctx, factor)
        product = times(product, factor)
    return build(ctx, product)


def _opaque(ctx: Context, poly: Poly) -> Poly:
    return poly if len(poly) < 2 else {(build(ctx, poly),): 1}


def _square(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    return _multiply(ctx, (args[0], args[0]))


# ------------------------------------------------------------------ division


def _divide(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    x, y = args
    if y.kind == "const" and int(y.payload) > 0:
        return build(ctx, _divide_by_constant(ctx, _poly(x), int(y.payload)))
    if y.kind != "const" and _nonnegative(ctx, plus(_poly(y), {CONSTANT: -1}), [_MAX_SPLITS]):
        quotient = divide_exactly(_poly(x), _poly(y))
        if quotient is not None:
            return build(ctx, quotient)
    return ctx.call(int_div, args)


def _divide_by_constant(ctx: Context, poly: Poly, divisor: int) -> Poly:
    """floor(poly / divisor): multiples of the divisor leave, common factors cancel."""
    if divisor == 1 or not poly:
        return poly
    whole, rest = split_multiples(poly, divisor)
    if not rest:
        return whole
    common = math.gcd(divisor, *[c for m, c in rest.items() if m])
    if common > 1:
        rest = {m: c // common for m, c in rest.items() if c // common}
        return plus(whole, _divide_by_constant(ctx, rest, divisor // common))
    low, high = _poly_bounds(ctx, rest, None)
    if low >= 0 and high < divisor:
        return whole
    first = min((m for m in rest if m), key=polynomial_key)
    if rest[first] < 0:  # floor(-r / d) = -floor((r + d - 1) / d)
        flipped = plus(plus({}, rest, -1), {CONSTANT: divisor - 1})
        return plus(whole, _divide_by_constant(ctx, flipped, divisor), -1)
    inner = build(ctx, rest)
    if inner.kind == "call" and inner.op is int_div and inner.args[1].kind == "const":
        nested = int(inner.args[1].payload)
        if nested > 0:  # floor(floor(x / a) / b) = floor(x / (a b))
            dividend = _poly(inner.args[0])
            return plus(whole, _divide_by_constant(ctx, dividend, nested * divisor))
    return plus(whole, {(ctx.call(int_div, (inner, ctx.integer(divisor))),): 1})


def _modulo(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    """X % c = x - c * floor(x / c), kept as one node unless the quotient is known."""
    x, y = args
    if y.kind != "const" or int(y.payload) <= 0:
        if x is y or divides(x, y):
            return ctx.integer(0)
        return ctx.call(mod, args)
    divisor = int(y.payload)
    _, rest = split_multiples(_poly(x), divisor)
    rest = {m: c % divisor for m, c in rest.items()}
    low, high = _poly_bounds(ctx, rest, None)
    if low >= 0 and high < divisor:
        return build(ctx, rest)
    return ctx.call(mod, (build(ctx, rest), y))


def divides(x: Expr, y: Expr) -> bool:
    """Whether x is proved to be a multiple of y; modulo 0 is 0, so y may be 0."""
    return divide_exactly(_poly(simplify(x)), _poly(simplify(y))) is not None


# ------------------------------------------------------------------ extremes, comparisons


def _extreme(ctx: Context, op: Any, args: tuple[Expr, ...]) -> Expr:
    """Drop operands that another one is proved to dominate; order the rest."""
    largest = op is maximum
    candidates: list[Expr] = []
    for arg in args:
        candidates.extend(_operands(arg, op))
    kept: list[Expr] = []
    for candidate in dict.fromkeys(candidates):
        if any(_dominates(k, candidate, largest) for k in kept):
            continue
        kept = [k for k in kept if not _dominates(candidate, k, largest)]
        kept.append(candidate)
    kept.sort(key=lambda e: (e.kind == "const", e.number))
    result = kept[0]
    for other in kept[1:]:
        result = ctx.call(op, (result, other))
    return result


def _operands(expr: Expr, op: Any) -> list[Expr]:
    """The operands of nested binary calls of `op`."""
    found: list[Expr] = []
    stack = [expr]
    while stack:
        node = stack.pop()
        if node.kind == "call" and node.op is op:
            stack.extend(reversed(node.args))
        else:
            found.append(node)
    return found


def _dominates(a: Expr, b: Expr, largest: bool) -> bool:
    """Whether max(a, b) (or min) is a."""
    difference = plus(_poly(a), _poly(b), -1) if largest else plus(_poly(b), _poly(a), -1)
    return _nonnegative(a.ctx, difference, [_MAX_SPLITS])


def _maximum(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    return _extreme(ctx, maximum, args)


def _minimum(ctx: Context, args: tuple[Expr, ...]) -> Expr:
    return _extreme(ctx, minimum, args)


_INTEGER_RULES = {
    "add": _sum,
    "sub": _subtract,
    "neg": _negate,
    "mul": _multiply,
    "sqr": _square,
    "int_div": _divide,
    "mod": _modulo,
    "maximum": _maximum,
    "minimum": _minimum,
}
_COMPARISONS = ("lt", "le", "gt", "ge", "eq", "neq")


def _compare(name: str, a: Expr, b: Expr) -> bool | None:
    """The value of a comparison of simplified operands, if it is proved."""
    if name in ("gt", "ge"):
        a, b, name = b, a, {"gt": "lt", "ge": "le"}[name]
    difference = plus(_poly(b), _poly(a), -1)
    above = plus(difference, {CONSTANT: -1})
    opposite = plus({}, difference, -1)
    below = plus(opposite, {CONSTANT: -1})
    if name in ("eq", "neq"):
        if not difference:
            return name == "eq"
        different = _proves(a.ctx, above) or _proves(a.ctx, below)
        return name == "neq" if different else None
    if _proves(a.ctx, above if name == "lt" else difference):
        return True
    return False if _proves(a.ctx, opposite if name == "lt" else below) else None


def _proves(ctx: Context, poly: Poly) -> bool:
    return _nonnegative(ctx, poly, [_MAX_SPLITS])


# ------------------------------------------------------------------ bounds and proofs


def _bounds(expr: Expr, facts: Mapping[Expr, Bounds] | None) -> Bounds:
    """Bounds of a simplified expression; iterative over its atoms."""
    table: dict[Expr, Bounds] = dict(facts) if facts else expr.ctx.notes.setdefault("bounds", {})
    stack = [expr]
    while stack:
        node = stack[-1]
        if node in table:
            stack.pop()
            continue
        pending = [p for p in _parts(node) if p not in table]
        if pending:
            stack.extend(pending)
            continue
        stack.pop()
        table[node] = _node_bounds(node, table)
    return table[expr]


def _parts(node: Expr) -> list[Expr]:
    """What the bounds of a node are computed from."""
    if node.kind != "call":
        return []
    poly = node.ctx.notes.get("poly", {}).get(node)
    if poly is not None:
        return [atom for monomial in poly for atom in monomial]
    return list(node.args) if node.op.name in _BOUND_RULES else []


def _node_bounds(node: Expr, table: Mapping[Expr, Bounds]) -> Bounds:
    if node.kind == "const":
        value = node.payload
        return (int(value), int(value)) if DTYPES[node.dtype].kind in "biu" else (-INF, INF)
    if node.kind == "size" and isinstance(node.payload, tuple) and node.payload[0] == "val":
        return -INF, INF
    if node.kind in ("size", "index"):
        return 0, INF
    if node.kind == "call":
        poly = node.ctx.notes.get("poly", {}).get(node)
        if poly is not None:
            return _combine(poly, table)
        rule = _BOUND_RULES.get(node.op.name)
        if rule is not None:
            return rule(*[table[a] for a in node.args])
    return _dtype_bounds(node.dtype)


def _dtype_bounds(dtype: str) -> Bounds:
    record = DTYPES[dtype]
    if record.kind == "b":
        return 0, 1
    if record.kind not in "iu" or record.itemsize == 8:
        return (0, INF) if record.kind == "u" else (-INF, INF)
    bits = 8 * record.itemsize
    return (0, 2**bits - 1) if record.kind == "u" else (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1)


def _poly_bounds(ctx: Context, poly: Poly, facts: Mapping[Expr, Bounds] | None) -> Bounds:
    table = {a: _bounds(a, facts) for monomial in poly for a in monomial}
    return _combine(poly, table)


def _combine(poly: Poly, table: Mapping[Expr, Bounds]) -> Bounds:
    low: float = 0
    high: float = 0
    for monomial, coefficient in poly.items():
        term: Bounds = (coefficient, coefficient)
        for atom in monomial:
            term = _product_bounds(term, table[atom])
        low, high = low + term[0], high + term[1]
    return low, high


def _product_bounds(a: Bounds, b: Bounds) -> Bounds:
    corners = [0 if not x or not y else x * y for x in a for y in b]
    return min(corners), max(corners)


def _quotient_bounds(a: Bounds, b: Bounds) -> Bounds:
    if b[0] < 1:
        return -INF, INF
    corners = [_floor(x, y) for x in a for y in b]
    return min(corners), max(corners)


def _floor(x: float, y: float) -> float:
    if math.isinf(x):
        return x
    if math.isinf(y):
        return 0 if x >= 0 else -1
    return int(x) // int(y)


def _remainder_bounds(a: Bounds, b: Bounds) -> Bounds:
    if b[0] < 0:
        return -INF, INF
    if a[0] >= 0 and a[1] < b[0]:
        return a
    return 0, max(0, b[1] - 1)


_BOUND_RULES: dict[str, Callable[..., Bounds]] = {
    "int_div": _quotient_bounds,
    "mod": _remainder_bounds,
    "maximum": lambda a, b: (max(a[0], b[0]), max(a[1], b[1])),
    "minimum": lambda a, b: (min(a[0], b[0]), min(a[1], b[1])),
    "switch": lambda c, a, b: (min(a[0], b[0]), max(a[1], b[1])),
    # what exceeds int64, an uint64 say, becomes negative
    "convert_to_int64": lambda a: a if a[1] < 2**63 else (-INF, INF),
}


def _nonnegative(ctx: Context, poly: Poly, budget: list[int]) -> bool:
    """Whether a polynomial is proved to be at least 0.

    Beyond intervals, one atom at a time is replaced by what it is known to be at least (or at
    most, if its coefficient is negative): an extreme by its operands, a quotient by its dividend.
    """
    stack = [poly]
    while stack:
        current = stack.pop()
        if _poly_bounds(ctx, current, None)[0] >= 0:
            continue
        budget[0] -= 1
        if budget[0] < 0:
            return False
        cases = _cases(ctx, current, budget)
        if cases is None:
            return False
        stack.extend(cases)
    return True


def _cases(ctx: Context, poly: Poly, budget: list[int]) -> list[Poly] | None:
    """Polynomials that must all be at least 0 for `poly` to be so; ``None`` if there are none."""
    for monomial, coefficient in poly.items():
        if len(monomial) != 1 or monomial[0].kind != "call":
            continue
        atom = monomial[0]
        name = atom.op.name
        rest = {m: c for m, c in poly.items() if m != monomial}
        if name in ("maximum", "minimum"):
            options = [plus(rest, _poly(a), coefficient) for a in atom.args]
            if (name == "maximum") == (coefficient < 0):
                return options
            if any(_nonnegative(ctx, option, budget) for option in options):
                return []
        elif name == "switch":
            return [plus(rest, _poly(a), coefficient) for a in atom.args[1:]]
        elif name == "int_div" and atom.args[1].kind == "const":
            divisor = int(atom.args[1].payload)
            if divisor > 0:  # x - d + 1 <= d floor(x / d) <= x
                scaled = plus(plus({}, rest, divisor), _poly(atom.args[0]), coefficient)
                slack = -(divisor - 1) * coefficient if coefficient > 0 else 0
                return [plus(scaled, {CONSTANT: slack})]
    return None


def proved_constant(expr: Expr) -> int | None:
    """The value of an integer expression, if it is the same for all values of the leaves."""
    poly = _poly(simplify(expr))
    return constant_of(poly)
