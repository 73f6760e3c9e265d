"""Distributions made of uniform, normal and gamma numbers."""

from __future__ import annotations

import math
from typing import Any

from ...scalar.sampling import SECOND_DRAW, beta_draw, gamma_draw
from ..elemwise import Elemwise, cast
from ..math import exp, floor, log, log1p, maximum, minimum, sgn, sqrt, switch, tan
from ..reduce import sum as sum_
from .draws import normal, poisson_of, probability, sample, standard_normal, units
from .parameters import discrete_dtype, fitted, float_dtype, parameter, result_size

__all__ = [
    "beta",
    "cauchy",
    "chisquare",
    "dirichlet",
    "exponential",
    "gamma",
    "geometric",
    "gumbel",
    "laplace",
    "logistic",
    "lognormal",
    "negative_binomial",
    "rayleigh",
    "standard_t",
    "weibull",
]

_gamma, _beta = Elemwise(gamma_draw), Elemwise(beta_draw)


def _positive(name: str, value: Any) -> Any:
    """A parameter in float64 that is greater than 0."""
    return parameter(name, value, "float64", lambda x: x > 0, "a number greater than 0")


def _scale(name: str, value: Any, dtype: str) -> Any:
    return parameter(name, value, dtype, lambda x: x >= 0, "a number that is not negative")


def gamma(
    state: Any,
    size: Any = None,
    shape: Any = 1.0,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw gamma numbers of density ``x**(shape - 1) exp(-x / scale)``, up to a factor.

    They are differentiable in `scale`. Both parameters are positive (`scale` may be 0).
    """
    dtype = float_dtype(dtype)
    k, factor = _positive("shape", shape), _scale("scale", scale, dtype)
    lengths = result_size(size, ndim, k, factor)
    k, factor = fitted(size, lengths, k, factor)
    return cast(sample(_gamma, state, lengths, k), dtype) * factor


def chisquare(
    state: Any, size: Any = None, df: Any = 1.0, ndim: int | None = None, dtype: str | None = None
) -> Any:
    """Draw chi-square numbers of `df` degrees of freedom: gamma numbers of shape df / 2."""
    return gamma(state, size, _positive("df", df) / 2, 2.0, ndim, dtype)


def beta(
    state: Any,
    size: Any = None,
    a: Any = 1.0,
    b: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw beta numbers of the positive parameters `a` and `b`."""
    dtype = float_dtype(dtype)
    x, y = _positive("a", a), _positive("b", b)
    lengths = result_size(size, ndim, x, y)
    return cast(sample(_beta, state, lengths, *fitted(size, lengths, x, y)), dtype)


def dirichlet(
    state: Any,
    size: Any = None,
    alpha: Any = (1.0, 1.0),
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw vectors of positive numbers with sum 1, along a new last axis.

    `size` and `ndim` are those of the result without that axis; `alpha` has it.
    """
    dtype = float_dtype(dtype)
    k = _positive("alpha", alpha)
    whole = [*result_size(size, ndim, k.sum(axis=-1)), k.shape[-1]]
    (k,) = fitted(whole, whole, k)
    parts = sample(_gamma, state, whole, k)
    return cast(parts / sum_(parts, axis=-1, keepdims=True), dtype)


def standard_t(
    state: Any, size: Any = None, df: Any = 1.0, ndim: int | None = None, dtype: str | None = None
) -> Any:
    """Draw numbers of Student's t distribution of `df` degrees of freedom."""
    dtype = float_dtype(dtype)
    freedom = _positive("df", df)
    lengths = result_size(size, ndim, freedom)
    (freedom,) = fitted(size, lengths, freedom)
    spread = sample(_gamma, state, lengths, freedom / 2) * 2 / freedom
    return cast(standard_normal(state, lengths, "float64", SECOND_DRAW) / sqrt(spread), dtype)


def negative_binomial(
    state: Any,
    size: Any = None,
    n: Any = 1.0,
    p: Any = 0.5,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw numbers of failures before success `n`: Poisson numbers of a gamma number."""
    count, chance = _positive("n", n), probability(p)
    lengths = result_size(size, ndim, count, chance)
    count, chance = fitted(size, lengths, count, chance)
    mean = sample(_gamma, state, lengths, count) * (1 - chance) / chance
    return cast(poisson_of(state, lengths, mean, SECOND_DRAW), discrete_dtype(dtype))


def geometric(
    state: Any, size: Any = None, p: Any = 0.5, ndim: int | None = None, dtype: str | None = None
) -> Any:
    """Draw numbers of trials up to the first success: 1, 2, ..."""
    chance = parameter("p", p, "float64", lambda x: (x > 0) & (x <= 1), "0 < p <= 1")
    lengths = result_size(size, ndim, chance)
    (chance,) = fitted(size, lengths, chance)
    u = units(state, lengths, "float64")
    count = floor(log1p(-u) / log1p(-chance)) + 1
    known = (chance > 0) & (chance <= 1)
    return cast(switch(known, maximum(count, 1), -1), discrete_dtype(dtype))


def _standard(
    state: Any, size: Any, loc: Any, scale: Any, ndim: int | None, dtype: str | None
) -> tuple[Any, Any, Any]:
    """Uniform numbers inside of (0, 1), and the location and scale that go with them."""
    dtype = float_dtype(dtype)
    at, factor = parameter("loc", loc, dtype), _scale("scale", scale, dtype)
    lengths = result_size(size, ndim, at, factor)
    at, factor = fitted(size, lengths, at, factor)
    work = "float32" if dtype == "float16" else dtype
    half = 2.0**-54 if work == "float64" else 2.0**-25
    return maximum(units(state, lengths, work), half), at, factor


def _placed(drawn: Any, loc: Any, scale: Any) -> Any:
    return cast(drawn, loc.type.dtype) * scale + loc


def exponential(
    state: Any,
    size: Any = None,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw exponential numbers of mean `scale`."""
    u, _, factor = _standard(state, size, 0.0, scale, ndim, dtype)
    return cast(-log1p(-u), factor.type.dtype) * factor


def rayleigh(
    state: Any,
    size: Any = None,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw Rayleigh numbers, lengths of normal vectors of two numbers."""
    u, _, factor = _standard(state, size, 0.0, scale, ndim, dtype)
    return cast(sqrt(-2 * log1p(-u)), factor.type.dtype) * factor


def weibull(
    state: Any, size: Any = None, a: Any = 1.0, ndim: int | None = None, dtype: str | None = None
) -> Any:
    """Draw Weibull numbers of shape `a` and scale 1."""
    shape = parameter("a", a, float_dtype(dtype), lambda x: x > 0, "a number greater than 0")
    u, _, one = _standard(state, size, 0.0, shape * 0 + 1, ndim, dtype)
    return cast((-log1p(-u)) ** (1 / shape), one.type.dtype)


def laplace(
    state: Any,
    size: Any = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw Laplace numbers of mean `loc`."""
    u, at, factor = _standard(state, size, loc, scale, ndim, dtype)
    return _placed(sgn(u - 0.5) * -log(2 * minimum(u, 1 - u)), at, factor)


def logistic(
    state: Any,
    size: Any = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw logistic numbers of mean `loc`."""
    u, at, factor = _standard(state, size, loc, scale, ndim, dtype)
    return _placed(log(u) - log1p(-u), at, factor)


def gumbel(
    state: Any,
    size: Any = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw Gumbel numbers, limits of maxima."""
    u, at, factor = _standard(state, size, loc, scale, ndim, dtype)
    return _placed(-log(-log(u)), at, factor)


def cauchy(
    state: Any,
    size: Any = None,
    loc: Any = 0.0,
    scale: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw Cauchy numbers of median `loc`."""
    u, at, factor = _standard(state, size, loc, scale, ndim, dtype)
    return _placed(tan(math.pi * (u - 0.5)), at, factor)


def lognormal(
    state: Any,
    size: Any = None,
    mean: Any = 0.0,
    sigma: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw numbers whose logarithms are normal, of this mean and standard deviation."""
    return exp(normal(state, size, mean, sigma, ndim, dtype))
