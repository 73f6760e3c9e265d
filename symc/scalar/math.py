"""Exponentials, roots, rounding, trigonometric and hyperbolic functions.

Records with ``sy_`` functions of ``special.h`` are branch-free and vectorise; the others call
the C library. Derivatives are those of calculus: that of ``sqrt`` at 0 is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..lazy import LazyModule
from .arith import abs_, maximum
from .ctext import c_literal
from .logic import eq, gt, isinf, switch
from .op import BinaryScalarOp, ScalarOp, UnaryScalarOp, scalar_op

SPECIAL = ("special.h",)
TRIG = (*SPECIAL, "trig.h")  # a header of its own, because it takes as long as all others
scipy_special = LazyModule("scipy.special")


def function(
    name: str,
    cls: str,
    numpy: Callable[..., Any],
    grad: Callable[..., Any] | None,
    doc: str,
    *,
    nin: int = 1,
    c: str | None = None,
    c_complex: str | None = None,
    cost: int = 20,
    needs: tuple[str, ...] = SPECIAL,
    **properties: Any,
) -> ScalarOp:
    """Make the record of a function with float operands and result that C calls by name.

    Parameters
    ----------
    name, cls, numpy, grad, doc, nin, cost, **properties
        As for :func:`symc.scalar.op.scalar_op`.
    c : str, optional
        Name of the C function, without precision suffix; a ``sy_`` name is from special.h.
    c_complex : str, optional
        Name of the complex C function; the derivative must then be the complex one.
    needs : tuple of str
        Headers of a ``sy_`` function.
    """
    templates: dict[str, Any] = {}
    operands = ", ".join(f"{{{i}}}" for i in range(nin))
    if c:
        templates["f"] = f"{c}{{f}}({operands})"
    if c_complex:
        templates["c"] = f"{c_complex}{{f}}({operands})"
    return scalar_op(
        name,
        nin,
        cls=cls,
        base=UnaryScalarOp if nin == 1 else BinaryScalarOp,
        out="float",
        numpy=numpy,
        c=templates or None,
        grad=grad,
        kinds="fc" if c_complex else "f",
        needs=needs if c and c.startswith("sy_") else (),
        holomorphic=c_complex is not None,
        cost=cost,
        doc=doc,
        **properties,
    )


def like(value: float, x: Any) -> Any:
    """A constant in the dtype of `x`, which no cast policy widens."""
    return np.dtype(x.dtype).type(value)


LN2 = math.log(2.0)
LN10 = math.log(10.0)
DEGREE = math.pi / 180


# ------------------------------------------------------------------ exponentials and logarithms

exp = function(
    "exp",
    "Exp",
    np.exp,
    lambda g, y, x: (g * y,),
    "e to the power x.",
    c="sy_exp",
    c_complex="cexp",
    vector=True,
    inverse_of="log",
    monotone=1,
    range=(0, None),
)
exp2 = function(
    "exp2",
    "Exp2",
    np.exp2,
    lambda g, y, x: (g * y * like(LN2, y),),
    "2 to the power x.",
    c="sy_exp2",
    vector=True,
    inverse_of="log2",
    monotone=1,
    range=(0, None),
)
expm1 = function(
    "expm1",
    "Expm1",
    np.expm1,
    lambda g, y, x: (g * (y + 1),),
    "exp(x) - 1, accurate near 0.",
    c="sy_expm1",
    vector=True,
    inverse_of="log1p",
    monotone=1,
    zero_at_zero=True,
    range=(-1, None),
)
log = function(
    "log",
    "Log",
    np.log,
    lambda g, y, x: (g / x,),
    "Natural logarithm.",
    c="sy_log",
    c_complex="clog",
    vector=True,
    inverse_of="exp",
    monotone=1,
)
log2 = function(
    "log2",
    "Log2",
    np.log2,
    lambda g, y, x: (g / (x * like(LN2, y)),),
    "Logarithm to base 2.",
    c="sy_log2",
    vector=True,
    inverse_of="exp2",
    monotone=1,
)
log10 = function(
    "log10",
    "Log10",
    np.log10,
    lambda g, y, x: (g / (x * like(LN10, y)),),
    "Logarithm to base 10.",
    c="sy_log10",
    vector=True,
    monotone=1,
)
log1p = function(
    "log1p",
    "Log1p",
    np.log1p,
    lambda g, y, x: (g / (1 + x),),
    "log(1 + x), accurate near 0.",
    c="sy_log1p",
    vector=True,
    inverse_of="expm1",
    monotone=1,
    zero_at_zero=True,
)
sqrt = function(
    "sqrt",
    "Sqrt",
    np.sqrt,
    lambda g, y, x: (g * like(0.5, y) / y,),
    "Square root; the derivative at 0 is infinite.",
    c="sqrt",
    c_complex="csqrt",
    vector=True,
    monotone=1,
    zero_at_zero=True,
    range=(0, None),
    cost=4,
)


# ------------------------------------------------------------------ logistic functions

sigmoid = scalar_op(
    "sigmoid",
    1,
    cls="ScalarSigmoid",
    base=UnaryScalarOp,
    out="float",
    numpy=lambda x: scipy_special.expit(x),
    c={"f": "sy_sigmoid{f}({0})"},
    grad=lambda g, y, x: (g * (y * (1 - y)),),
    kinds="f",
    needs=SPECIAL,
    vector=True,
    monotone=1,
    range=(0, 1),
    cost=25,
    doc="1 / (1 + exp(-x)).",
)
softplus = scalar_op(
    "softplus",
    1,
    cls="ScalarSoftplus",
    base=UnaryScalarOp,
    out="float",
    numpy=lambda x: np.logaddexp(x, x.dtype.type(0)),
    c={"f": "sy_softplus{f}({0})"},
    expand=lambda x: maximum(x, 0) + log1p(exp(-abs_(x))),
    grad=lambda g, y, x: (g * sigmoid(x),),
    kinds="f",
    needs=SPECIAL,
    vector=True,
    monotone=1,
    range=(0, None),
    cost=45,
    doc="log(1 + exp(x)), without overflow.",
)
log1mexp = scalar_op(
    "log1mexp",
    1,
    cls="Log1mexp",
    base=UnaryScalarOp,
    out="float",
    numpy=lambda x: np.where(x < -1, np.log1p(-np.exp(x)), np.log(-np.expm1(x))),
    c={"f": "sy_log1mexp{f}({0})"},
    needs=SPECIAL,
    expand=lambda x: switch(gt(x, -LN2), log(-expm1(x)), log1p(-exp(x))),
    grad=lambda g, y, x: (-(g / expm1(-x)),),
    kinds="f",
    vector=True,
    monotone=-1,
    range=(None, 0),
    cost=60,
    doc="log(1 - exp(x)) for x <= 0, accurate near 0 and for large -x.",
)
logaddexp = scalar_op(
    "logaddexp",
    2,
    cls="LogAddExp",
    base=BinaryScalarOp,
    out="float",
    numpy=np.logaddexp,
    expand=lambda a, b: switch(eq(a, b), a + LN2, maximum(a, b) + log1p(exp(-abs_(a - b)))),
    grad=lambda g, y, a, b: (g * sigmoid(a - b), g * sigmoid(b - a)),
    kinds="f",
    vector=True,
    commutative=True,
    associative=True,
    cost=50,
    doc="log(exp(a) + exp(b)), without overflow.",
)


# ------------------------------------------------------------------ rounding


def _rounding(name: str, cls: str, numpy: Callable[..., Any], c: str, doc: str) -> ScalarOp:
    return scalar_op(
        name,
        1,
        cls=cls,
        base=UnaryScalarOp,
        out="float",
        numpy=numpy,
        c={"f": c},
        grad=lambda g, y, x: (None,),
        kinds="f",
        needs=SPECIAL,
        vector=True,
        idempotent=True,
        monotone=1,
        zero_at_zero=True,
        cost=2,
        doc=doc,
    )


def _away_from_zero(x: Any) -> Any:
    return np.copysign(np.floor(np.abs(x).astype(np.longdouble) + 0.5).astype(x.dtype), x)


ceil = _rounding("ceil", "Ceil", np.ceil, "ceil{f}({0})", "Smallest integer >= x.")
floor = _rounding("floor", "Floor", np.floor, "floor{f}({0})", "Largest integer <= x.")
trunc = _rounding("trunc", "Trunc", np.trunc, "trunc{f}({0})", "x rounded towards 0.")
round_half_to_even = _rounding(
    "round_half_to_even",
    "RoundHalfToEven",
    np.rint,
    "rint{f}({0})",
    "Nearest integer; halves to the even one.",
)
round_half_away_from_zero = _rounding(
    "round_half_away_from_zero",
    "RoundHalfAwayFromZero",
    _away_from_zero,
    "sy_round_half_away{f}({0})",
    "Nearest integer; halves away from 0.",
)


# ------------------------------------------------------------------ angles


def _scaling(name: str, cls: str, numpy: Callable[..., Any], factor: float, doc: str) -> ScalarOp:
    return scalar_op(
        name,
        1,
        cls=cls,
        base=UnaryScalarOp,
        out="float",
        numpy=numpy,
        c={"f": lambda dtype, x: f"({x} * {c_literal(factor, dtype)})"},
        grad=lambda g, y, x: (g * like(factor, y),),
        kinds="f",
        vector=True,
        monotone=1,
        zero_at_zero=True,
        doc=doc,
    )


deg2rad = _scaling("deg2rad", "Deg2Rad", np.deg2rad, DEGREE, "Degrees to radians.")
rad2deg = _scaling("rad2deg", "Rad2Deg", np.rad2deg, 1 / DEGREE, "Radians to degrees.")


# ------------------------------------------------------------------ trigonometric functions

sin = function(
    "sin",
    "Sin",
    np.sin,
    lambda g, y, x: (g * cos(x),),
    "Sine of x in radians.",
    c="sy_sin",
    needs=TRIG,
    twin=("cos", "sy_sin_cos"),
    c_complex="csin",
    vector=True,
    zero_at_zero=True,
    range=(-1, 1),
)
cos: ScalarOp = function(
    "cos",
    "Cos",
    np.cos,
    lambda g, y, x: (-(g * sin(x)),),
    "Cosine of x in radians.",
    c="sy_cos",
    needs=TRIG,
    c_complex="ccos",
    vector=True,
    range=(-1, 1),
)
tan = function(
    "tan",
    "Tan",
    np.tan,
    lambda g, y, x: (g * (1 + y * y),),
    "Tangent of x in radians.",
    c="sy_tan",
    needs=TRIG,
    vector=True,
    c_complex="ctan",
    zero_at_zero=True,
)
arcsin = function(
    "arcsin",
    "ArcSin",
    np.arcsin,
    lambda g, y, x: (g / sqrt(1 - x * x),),
    "Inverse sine, in [-pi/2, pi/2].",
    c="sy_asin",
    vector=True,
    c_complex="casin",
    monotone=1,
    zero_at_zero=True,
    range=(-math.pi / 2, math.pi / 2),
)
arccos = function(
    "arccos",
    "ArcCos",
    np.arccos,
    lambda g, y, x: (-(g / sqrt(1 - x * x)),),
    "Inverse cosine, in [0, pi].",
    c="sy_acos",
    vector=True,
    c_complex="cacos",
    monotone=-1,
    range=(0, math.pi),
)
arctan = function(
    "arctan",
    "ArcTan",
    np.arctan,
    lambda g, y, x: (g / (1 + x * x),),
    "Inverse tangent, in [-pi/2, pi/2].",
    c="sy_atan",
    vector=True,
    c_complex="catan",
    monotone=1,
    zero_at_zero=True,
    range=(-math.pi / 2, math.pi / 2),
)


def _arctan2_grad(g: Any, angle: Any, y: Any, x: Any) -> tuple[Any, Any]:
    """``x / r**2`` and ``-y / r**2`` for r = |(x, y)|; 0 at the origin, where all angles meet.

    The larger coordinate is factored out, so that squares neither overflow nor vanish. Infinitely
    far away the angle does not change.
    """
    size = maximum(abs_(x), abs_(y))
    flat = eq(size, 0) | isinf(size)
    scale = switch(flat, like(1, size), size)
    u, v = x / scale, y / scale
    factor = g / scale / (u * u + v * v)
    return switch(flat, 0, factor * u), -switch(flat, 0, factor * v)


arctan2 = function(
    "arctan2",
    "ArcTan2",
    np.arctan2,
    _arctan2_grad,
    "Angle of the point (x, y) = (b, a), in [-pi, pi]; the gradient at the origin is 0.",
    nin=2,
    c="sy_atan2",
    vector=True,
    range=(-math.pi, math.pi),
)


# ------------------------------------------------------------------ hyperbolic functions

sinh = function(
    "sinh",
    "Sinh",
    np.sinh,
    lambda g, y, x: (g * cosh(x),),
    "Hyperbolic sine.",
    c="sy_sinh",
    vector=True,
    c_complex="csinh",
    inverse_of="arcsinh",
    monotone=1,
    zero_at_zero=True,
)
cosh: ScalarOp = function(
    "cosh",
    "Cosh",
    np.cosh,
    lambda g, y, x: (g * sinh(x),),
    "Hyperbolic cosine.",
    c="sy_cosh",
    vector=True,
    c_complex="ccosh",
    range=(1, None),
)
tanh = function(
    "tanh",
    "Tanh",
    np.tanh,
    lambda g, y, x: (g * (1 - y * y),),
    "Hyperbolic tangent.",
    c="sy_tanh",
    c_complex="ctanh",
    vector=True,
    inverse_of="arctanh",
    monotone=1,
    zero_at_zero=True,
    range=(-1, 1),
)
arcsinh = function(
    "arcsinh",
    "ArcSinh",
    np.arcsinh,
    lambda g, y, x: (g / sqrt(x * x + 1),),
    "Inverse hyperbolic sine.",
    c="sy_asinh",
    vector=True,
    c_complex="casinh",
    inverse_of="sinh",
    monotone=1,
    zero_at_zero=True,
)
arccosh = function(
    "arccosh",
    "ArcCosh",
    np.arccosh,
    lambda g, y, x: (g / sqrt((x - 1) * (x + 1)),),
    "Inverse hyperbolic cosine, for x >= 1.",
    c="sy_acosh",
    vector=True,
    monotone=1,
    range=(0, None),
)
arctanh = function(
    "arctanh",
    "ArcTanh",
    np.arctanh,
    lambda g, y, x: (g / (1 - x * x),),
    "Inverse hyperbolic tangent, for |x| <= 1.",
    c="sy_atanh",
    vector=True,
    c_complex="catanh",
    inverse_of="tanh",
    monotone=1,
    zero_at_zero=True,
)
