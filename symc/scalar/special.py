"""The error functions, the gamma family, Bessel functions, and x log x."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .logic import eq, switch
from .math import SPECIAL, exp, function, like, log, scipy_special
from .op import UNDEFINED, BinaryScalarOp, ScalarOp, UnaryScalarOp, scalar_op

TWO_OVER_SQRT_PI = 2 / math.sqrt(math.pi)
HALF_SQRT_PI = math.sqrt(math.pi) / 2


# ------------------------------------------------------------------ error functions

erf = function(
    "erf",
    "Erf",
    lambda x: scipy_special.erf(x),
    lambda g, y, x: (g * like(TWO_OVER_SQRT_PI, y) * exp(-(x * x)),),
    "Error function, 2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.",
    c="sy_erf",
    vector=True,
    inverse_of="erfinv",
    monotone=1,
    zero_at_zero=True,
    range=(-1, 1),
)
erfc = function(
    "erfc",
    "Erfc",
    lambda x: scipy_special.erfc(x),
    lambda g, y, x: (-(g * like(TWO_OVER_SQRT_PI, y) * exp(-(x * x))),),
    "1 - erf(x), accurate for large x.",
    c="sy_erfc",
    vector=True,
    inverse_of="erfcinv",
    monotone=-1,
    range=(0, 2),
)
erfcx = function(
    "erfcx",
    "Erfcx",
    lambda x: scipy_special.erfcx(x),
    lambda g, y, x: (g * (2 * x * y - like(TWO_OVER_SQRT_PI, y)),),
    "exp(x**2) erfc(x).",
    c="sy_erfcx",
    monotone=-1,
    range=(0, None),
    cost=60,
)
erfinv = function(
    "erfinv",
    "Erfinv",
    lambda x: scipy_special.erfinv(x),
    lambda g, y, x: (g * like(HALF_SQRT_PI, y) * exp(y * y),),
    "Inverse of erf, on [-1, 1].",
    c="sy_erfinv",
    inverse_of="erf",
    monotone=1,
    zero_at_zero=True,
    cost=60,
)
erfcinv = function(
    "erfcinv",
    "Erfcinv",
    lambda x: scipy_special.erfcinv(x),
    lambda g, y, x: (-(g * like(HALF_SQRT_PI, y) * exp(y * y)),),
    "Inverse of erfc, on [0, 2].",
    c="sy_erfcinv",
    inverse_of="erfc",
    monotone=-1,
    cost=60,
)


# ------------------------------------------------------------------ gamma family

gamma = function(
    "gamma",
    "Gamma",
    lambda x: scipy_special.gamma(x),
    lambda g, y, x: (g * y * psi(x),),
    "Gamma function; (n - 1)! at n.",
    c="sy_gamma",
    cost=60,
)
gammaln = function(
    "gammaln",
    "GammaLn",
    lambda x: scipy_special.gammaln(x),
    lambda g, y, x: (g * psi(x),),
    "Logarithm of the absolute value of the gamma function.",
    c="sy_gammaln",
    cost=60,
)
psi: ScalarOp = function(
    "psi",
    "Psi",
    lambda x: scipy_special.psi(x),
    lambda g, y, x: (g * tri_gamma(x),),
    "Digamma function, the derivative of gammaln.",
    c="sy_psi",
    cost=60,
)
tri_gamma: ScalarOp = function(
    "tri_gamma",
    "TriGamma",
    lambda x: scipy_special.polygamma(1, x),
    lambda g, y, x: (UNDEFINED,),
    "Trigamma function, the derivative of psi.",
    c="sy_trigamma",
    cost=60,
)


def _gamma_density(k: Any, x: Any) -> Any:
    """``x**(k-1) exp(-x) / gamma(k)``, computed in logarithms; 1 at x = 0 for k = 1."""
    return exp(xlogy0(k - 1, x) - x - gammaln(k))


def _chi2_grad(g: Any, y: Any, x: Any, k: Any) -> tuple[Any, Any]:
    half = like(0.5, y)
    return -(g * half * _gamma_density(k * half, x * half)), UNDEFINED


chi2sf = function(
    "chi2sf",
    "Chi2SF",
    lambda x, k: scipy_special.chdtrc(k, x),
    _chi2_grad,
    "P(X > x) of the chi-squared distribution with k degrees of freedom; chi2sf(x, k).",
    nin=2,
    c="sy_chi2sf",
    range=(0, 1),
    cost=200,
)
gammainc = function(
    "gammainc",
    "GammaInc",
    lambda k, x: scipy_special.gammainc(k, x),
    lambda g, y, k, x: (UNDEFINED, g * _gamma_density(k, x)),
    "Regularised lower incomplete gamma function P(k, x).",
    nin=2,
    c="sy_gammainc",
    range=(0, 1),
    cost=200,
)
gammaincc = function(
    "gammaincc",
    "GammaIncC",
    lambda k, x: scipy_special.gammaincc(k, x),
    lambda g, y, k, x: (UNDEFINED, -(g * _gamma_density(k, x))),
    "Regularised upper incomplete gamma function Q(k, x) = 1 - P(k, x).",
    nin=2,
    c="sy_gammaincc",
    range=(0, 1),
    cost=200,
)
gammau = scalar_op(
    "gammau",
    2,
    cls="GammaU",
    base=BinaryScalarOp,
    out="float",
    numpy=lambda k, x: scipy_special.gammaincc(k, x) * scipy_special.gamma(k),
    c={"f": "sy_gammau{f}({0}, {1})"},
    needs=SPECIAL,
    expand=lambda k, x: gammaincc(k, x) * gamma(k),
    grad=lambda g, y, k, x: (UNDEFINED, -(g * exp(xlogy0(k - 1, x) - x))),
    kinds="f",
    cost=260,
    doc="Upper incomplete gamma function, the integral of t**(k-1) exp(-t) from x.",
)
gammal = scalar_op(
    "gammal",
    2,
    cls="GammaL",
    base=BinaryScalarOp,
    out="float",
    numpy=lambda k, x: scipy_special.gammainc(k, x) * scipy_special.gamma(k),
    c={"f": "sy_gammal{f}({0}, {1})"},
    needs=SPECIAL,
    expand=lambda k, x: gammainc(k, x) * gamma(k),
    grad=lambda g, y, k, x: (UNDEFINED, g * exp(xlogy0(k - 1, x) - x)),
    kinds="f",
    cost=260,
    doc="Lower incomplete gamma function, the integral of t**(k-1) exp(-t) up to x.",
)


# ------------------------------------------------------------------ Bessel functions

j0 = function(
    "j0",
    "J0",
    lambda x: scipy_special.j0(x),
    lambda g, y, x: (-(g * j1(x)),),
    "Bessel function of the first kind, order 0.",
    c="sy_j0",
    range=(-1, 1),
    cost=60,
)
j1: ScalarOp = function(
    "j1",
    "J1",
    lambda x: scipy_special.j1(x),
    lambda g, y, x: (g * like(0.5, y) * (j0(x) - jv(like(2, y), x)),),
    "Bessel function of the first kind, order 1.",
    c="sy_j1",
    zero_at_zero=True,
    range=(-1, 1),
    cost=60,
)
jv: ScalarOp = function(
    "jv",
    "Jv",
    lambda v, x: scipy_special.jv(v, x),
    lambda g, y, v, x: (UNDEFINED, g * like(0.5, y) * (jv(v - 1, x) - jv(v + 1, x))),
    "Bessel function of the first kind of real order v; jv(v, x).",
    nin=2,
    c="sy_jv",
    cost=300,
)
i0 = function(
    "i0",
    "I0",
    lambda x: scipy_special.i0(x),
    lambda g, y, x: (g * i1(x),),
    "Modified Bessel function of the first kind, order 0.",
    c="sy_i0",
    range=(1, None),
    cost=60,
)
i1: ScalarOp = function(
    "i1",
    "I1",
    lambda x: scipy_special.i1(x),
    lambda g, y, x: (g * like(0.5, y) * (i0(x) + iv(like(2, y), x)),),
    "Modified Bessel function of the first kind, order 1.",
    c="sy_i1",
    monotone=1,
    zero_at_zero=True,
    cost=60,
)
iv: ScalarOp = function(
    "iv",
    "Iv",
    lambda v, x: scipy_special.iv(v, x),
    lambda g, y, v, x: (UNDEFINED, g * like(0.5, y) * (iv(v - 1, x) + iv(v + 1, x))),
    "Modified Bessel function of the first kind of real order v; iv(v, x).",
    nin=2,
    c="sy_iv",
    cost=300,
)


# ------------------------------------------------------------------ x log x

xlogx = scalar_op(
    "xlogx",
    1,
    cls="XlogX",
    base=UnaryScalarOp,
    out="float",
    numpy=lambda x: scipy_special.xlogy(x, x),
    c={"f": "sy_xlogx{f}({0})"},
    needs=SPECIAL,
    expand=lambda x: switch(eq(x, 0), x * 0, x * log(x)),
    grad=lambda g, y, x: (g * (1 + log(x)),),
    kinds="f",
    zero_at_zero=True,
    vector=True,
    cost=22,
    doc="x log(x), 0 at 0.",
)
xlogy0: ScalarOp = scalar_op(
    "xlogy0",
    2,
    cls="XlogY0",
    base=BinaryScalarOp,
    out="float",
    numpy=lambda x, y: np.where(x == 0, x.dtype.type(0), x * np.log(y)),
    c={"f": "sy_xlogy0{f}({0}, {1})"},
    needs=SPECIAL,
    expand=lambda x, y: switch(eq(x, 0), x * 0, x * log(y)),
    grad=lambda g, out, x, y: (g * log(y), g * switch(eq(x, 0), x * 0, x / y)),
    kinds="f",
    vector=True,
    cost=22,
    doc="x log(y), 0 where x is 0.",
)
