"""Arithmetic, selection and conversion, with NumPy's meaning.

Integer arithmetic wraps; integer division and modulo round towards minus infinity and give 0 for
a zero divisor, as NumPy does; ``maximum`` and ``minimum`` propagate NaN.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from symc.dtypes import is_complex, is_discrete, upcast

from .expr import OPERATORS, Context, Expr
from .logic import cast, eq, ge, inclosedrange, le, lt, switch
from .op import REGISTRY, BinaryScalarOp, ScalarOp, UnaryScalarOp, scalar_op

Fold = Callable[[Context, tuple[Expr, ...]], "Expr | None"]


# ------------------------------------------------------------------ integer constants


def _folder(compute: Callable[..., int], rule: Callable[..., Expr | None] | None = None) -> Fold:
    """Make a ``fold`` function from arithmetic on Python integers and an algebraic rule."""

    def fold(ctx: Context, exprs: tuple[Expr, ...]) -> Expr | None:
        dtype = exprs[0].dtype
        if dtype == "bool" or not is_discrete(dtype):
            return None
        known = [int(e.payload) for e in exprs if e.kind == "const"]
        if len(known) == len(exprs):
            return ctx.const(wrap_integer(compute(*known), dtype), dtype)
        return rule(ctx, *exprs) if rule is not None and (known or len(exprs) == 2) else None

    return fold


def wrap_integer(value: int, dtype: str) -> int:
    """`value` modulo 2**bits, in the range of an integer dtype."""
    bits = np.iinfo(dtype).bits
    value &= (1 << bits) - 1
    return value - (1 << bits) if dtype[0] == "i" and value >> (bits - 1) else value


def _is(expr: Expr, value: int) -> bool:
    return expr.kind == "const" and int(expr.payload) == value


def _add_rule(ctx: Context, *exprs: Expr) -> Expr | None:
    rest = [e for e in exprs if not _is(e, 0)]
    return rest[0] if len(rest) == 1 else None


def _mul_rule(ctx: Context, *exprs: Expr) -> Expr | None:
    if any(_is(e, 0) for e in exprs):
        return ctx.const(0, exprs[0].dtype)
    rest = [e for e in exprs if not _is(e, 1)]
    return rest[0] if len(rest) == 1 else None


def _sub_rule(ctx: Context, x: Expr, y: Expr) -> Expr | None:
    if x is y:
        return ctx.const(0, x.dtype)
    return x if _is(y, 0) else None


def _int_div_rule(ctx: Context, x: Expr, y: Expr) -> Expr | None:
    return x if _is(y, 1) else None


def _mod_rule(ctx: Context, x: Expr, y: Expr) -> Expr | None:
    return ctx.const(0, x.dtype) if _is(y, 1) else None


def _extreme_rule(ctx: Context, x: Expr, y: Expr) -> Expr | None:
    return x if x is y else None


def _product(*values: int) -> int:
    result = 1
    for value in values:
        result *= value
    return result


# ------------------------------------------------------------------ sums and products


def _sum_reference(*xs: Any) -> Any:
    result = xs[0]
    for x in xs[1:]:
        result = np.add(result, x)
    return result


def _product_reference(*xs: Any) -> Any:
    result = xs[0]
    for x in xs[1:]:
        result = np.multiply(result, x)
    return result


def _joined(operator: str) -> Callable[..., str]:
    return lambda dtype, *operands: f"({operator.join(operands)})"


def _mul_grad(g: Any, y: Any, *xs: Any) -> tuple[Any, ...]:
    """``g`` times the product of the other operands, with 3n products instead of n**2."""
    after = [g]
    for x in reversed(xs[1:]):
        after.append(after[-1] * x)
    after.reverse()
    terms = [after[0]]
    before = None
    for x, rest in zip(xs, after[1:], strict=False):
        before = x if before is None else before * x
        terms.append(rest * before)
    return tuple(terms)


add = scalar_op(
    "add",
    -1,
    cls="Add",
    out="upcast",
    numpy=_sum_reference,
    c={"iufc": _joined(" + "), "b": _joined(" | ")},
    grad=lambda g, y, *xs: (g,) * len(xs),
    kinds="biufc",
    vector=True,
    holomorphic=True,
    fold=_folder(lambda *v: sum(v), _add_rule),
    commutative=True,
    associative=True,
    identity=0,
    doc="Sum of any number of operands; ``or`` of bools.",
)

mul = scalar_op(
    "mul",
    -1,
    cls="Mul",
    out="upcast",
    numpy=_product_reference,
    c={"iufc": _joined(" * "), "b": _joined(" & ")},
    grad=_mul_grad,
    kinds="biufc",
    vector=True,
    holomorphic=True,
    fold=_folder(_product, _mul_rule),
    commutative=True,
    associative=True,
    identity=1,
    absorbing=0,
    doc="Product of any number of operands; ``and`` of bools.",
)

sub = scalar_op(
    "sub",
    2,
    cls="Sub",
    base=BinaryScalarOp,
    out="upcast",
    numpy=np.subtract,
    c="({0} - {1})",
    grad=lambda g, y, a, b: (g, -g),
    kinds="iufc",
    vector=True,
    holomorphic=True,
    fold=_folder(lambda a, b: a - b, _sub_rule),
    doc="Difference; bools have none, as in NumPy.",
)

neg = scalar_op(
    "neg",
    1,
    cls="Neg",
    base=UnaryScalarOp,
    out="upcast",
    numpy=np.negative,
    c="(-{0})",
    grad=lambda g, y, x: (-g,),
    kinds="iufc",
    vector=True,
    holomorphic=True,
    fold=_folder(lambda a: -a),
    inverse_of="neg",
    monotone=-1,
    zero_at_zero=True,
    doc="-x; wraps in integers.",
)


# ------------------------------------------------------------------ division

true_div = scalar_op(
    "true_div",
    2,
    cls="TrueDiv",
    base=BinaryScalarOp,
    out="quotient",
    numpy=np.true_divide,
    c="({0} / {1})",
    grad=lambda g, y, a, b: (g / b, -(g * (y / b))),
    kinds="biufc",
    vector=True,
    holomorphic=True,
    cost=4,
    doc="Quotient; integers are divided in floatX.",
)

inv = scalar_op(
    "inv",
    1,
    cls="Inv",
    base=UnaryScalarOp,
    out="float",
    numpy=lambda x: np.true_divide(x.dtype.type(1), x),
    c="(1.0{f} / {0})",
    grad=lambda g, y, x: (-(g * (y * y)),),
    kinds="biufc",
    vector=True,
    holomorphic=True,
    inverse_of="inv",
    cost=4,
    doc="1 / x.",
)


def _floor_div(a: int, b: int) -> int:
    return a // b if b else 0


def _floor_mod(a: int, b: int) -> int:
    return a % b if b else 0


int_div = scalar_op(
    "int_div",
    2,
    cls="IntDiv",
    base=BinaryScalarOp,
    out="upcast",
    numpy=np.floor_divide,
    c={
        "f": "sy_floordiv{f}({0}, {1})",
        "iu": "sy_floordiv_{T}({0}, {1})",
        "b": "({0} & {1})",
    },
    grad=lambda g, y, a, b: (None, None),
    needs=("special.h",),
    fold=_folder(_floor_div, _int_div_rule),
    cost=20,
    doc="floor(a / b); 0 for an integer divided by zero.",
)

mod = scalar_op(
    "mod",
    2,
    cls="Mod",
    base=BinaryScalarOp,
    out="upcast",
    numpy=np.remainder,
    c={
        "f": "sy_floormod{f}({0}, {1})",
        "iu": "sy_floormod_{T}({0}, {1})",
        "b": "0",
    },
    grad=lambda g, y, a, b: (g, -(g * int_div(a, b))),
    needs=("special.h",),
    fold=_folder(_floor_mod, _mod_rule),
    cost=20,
    doc="a - b * floor(a / b), with the sign of b; 0 for an integer modulo zero.",
)


# ------------------------------------------------------------------ powers


def _pow_types(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    dtype = upcast(*dtypes)
    dtype = "int8" if dtype == "bool" else dtype
    return (dtype, dtype), dtype


def _pow_numpy(a: Any, b: Any) -> Any:
    if a.dtype.kind not in "i":
        return np.power(a, b)
    positive = np.power(a, np.maximum(b, 0))
    parity = np.where(b % 2 == 0, 1, a).astype(a.dtype)
    return np.where(b >= 0, positive, np.where(np.abs(a) == 1, parity, 0)).astype(a.dtype)


def _pow_grad(g: Any, y: Any, a: Any, b: Any) -> tuple[Any, ...]:
    """``b a**(b-1)``, 0 where b is 0; ``y log(a)``, 0 (its limit) where a is 0."""
    base = g * b * switch(eq(b, 0), cast(b, y.dtype), pow(a, b - 1))
    if is_discrete(b.dtype):
        return base, None
    at_zero = eq(a, 0)
    log = REGISTRY["log"](switch(at_zero, cast(1, y.dtype), cast(a, y.dtype)))
    return base, g * y * log


pow = scalar_op(
    "pow",
    2,
    cls="Pow",
    base=BinaryScalarOp,
    out=_pow_types,
    numpy=_pow_numpy,
    c={
        "f": "sy_pow{f}({0}, {1})",
        "iu": "sy_ipow_{T}({0}, {1})",
        "c": "({1} == 0 ? 1 : {0} == 0 && creal{f}({1}) > 0 ? 0 : cpow{f}({0}, {1}))",
    },
    grad=_pow_grad,
    kinds="iufc",
    needs=("special.h",),
    vector=True,
    holomorphic=True,
    cost=40,
    doc="a to the power b. Integers to a negative power are 1, -1 or 0 (truncated), as in C.",
)

sqr = scalar_op(
    "sqr",
    1,
    cls="Sqr",
    base=UnaryScalarOp,
    out="upcast",
    numpy=np.square,
    c="({0} * {0})",
    grad=lambda g, y, x: (g * (2 * x),),
    kinds="iufc",
    vector=True,
    holomorphic=True,
    zero_at_zero=True,
    range=(0, None),
    doc="x * x.",
)


# ------------------------------------------------------------------ sign and extremes


def _abs_grad(g: Any, y: Any, x: Any) -> tuple[Any, ...]:
    if not is_complex(x.dtype):
        return (g * sgn(x),)
    size = switch(eq(y, 0), cast(1, y.dtype), y)
    return (x * (g / size),)


abs_ = scalar_op(
    "abs_",
    1,
    cls="Abs",
    base=UnaryScalarOp,
    out="real",
    numpy=np.abs,
    c={"f": "fabs{f}({0})", "i": "({0} < 0 ? -{0} : {0})", "bu": "{0}", "c": "cabs{f}({0})"},
    grad=_abs_grad,
    kinds="biufc",
    vector=True,
    idempotent=True,
    zero_at_zero=True,
    range=(0, None),
    doc="|x|, a real number; the gradient at 0 is 0.",
)

sgn = scalar_op(
    "sgn",
    1,
    cls="Sgn",
    base=UnaryScalarOp,
    out="upcast",
    numpy=np.sign,
    c={
        "f": "({0} != {0} ? {0} : ({t})(({0} > 0) - ({0} < 0)))",
        "i": "(({0} > 0) - ({0} < 0))",
        "u": "({0} != 0)",
    },
    grad=lambda g, y, x: (None,),
    kinds="iuf",
    vector=True,
    idempotent=True,
    monotone=1,
    zero_at_zero=True,
    range=(-1, 1),
    cost=3,
    doc="-1, 0 or 1 with the sign of x; NaN for NaN.",
)


def _extreme(
    name: str, cls: str, symbol: str, chosen: Any, numpy: Any, python: Any, doc: str
) -> ScalarOp:
    # `chosen` compares the operands: a result that was computed elsewhere may be off by a rounding.
    return scalar_op(
        name,
        2,
        cls=cls,
        base=BinaryScalarOp,
        out="upcast",
        numpy=numpy,
        c={
            "f": f"sy_{name}{{f}}({{0}}, {{1}})",
            "biu": f"({{0}} {symbol} {{1}} ? {{0}} : {{1}})",
        },
        needs=("sy_arith.h",),
        grad=lambda g, y, a, b: (switch(chosen(a, b), g, 0), switch(chosen(a, b), 0, g)),
        vector=True,
        fold=_folder(python, _extreme_rule),
        commutative=True,
        associative=True,
        idempotent=True,
        cost=2,
        doc=doc,
    )


maximum = _extreme(
    "maximum",
    "Maximum",
    ">",
    ge,
    np.maximum,
    max,
    "The larger operand, NaN if either is; where equal, the gradient goes to the first.",
)
minimum = _extreme(
    "minimum",
    "Minimum",
    "<",
    le,
    np.minimum,
    min,
    "The smaller operand, NaN if either is; where equal, the gradient goes to the first.",
)


def _clip_grad(g: Any, y: Any, x: Any, low: Any, high: Any) -> tuple[Any, ...]:
    within = inclosedrange(x, low, high)
    below = lt(x, low) & le(low, high)
    return switch(within, g, 0), switch(below, g, 0), switch(within | below, 0, g)


clip = scalar_op(
    "clip",
    3,
    cls="Clip",
    out="upcast",
    numpy=np.clip,
    c={"f": "sy_clip{f}({0}, {1}, {2})"},
    needs=("special.h",),
    expand=lambda x, low, high: minimum(maximum(x, low), high),
    grad=_clip_grad,
    vector=True,
    cost=4,
    doc="x limited to [low, high]: min(max(x, low), high).",
)


OPERATORS.update(
    {
        "add": add,
        "sub": sub,
        "mul": mul,
        "true_div": true_div,
        "int_div": int_div,
        "mod": mod,
        "pow": pow,
        "neg": neg,
        "abs_": abs_,
    }
)
