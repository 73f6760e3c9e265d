"""Uniform and normal numbers, whole numbers and coin flips, as expressions of a state.

Every function takes the state first and gives a tensor; `size` is its shape, by default that of
the broadcast parameters.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...scalar.random import below64, normal32, normal64, philox32, philox64, unit16, unit32, unit64
from ...scalar.sampling import binomial_draw, poisson_draw, within_two
from ..elemwise import Elemwise, cast
from ..math import eq, ge, lt, maximum, minimum, switch
from .allowed import Allowed
from .parameters import (
    discrete_dtype,
    fitted,
    float_dtype,
    known_number,
    parameter,
    refusal,
    result_size,
)
from .words import RandomElements, RandomPlace

__all__ = [
    "binomial",
    "normal",
    "poisson",
    "randint",
    "random_integers",
    "sample",
    "standard_normal",
    "truncated_normal",
    "uniform",
    "units",
]

_below = Elemwise(below64)
_unit16, _unit32, _unit64 = Elemwise(unit16), Elemwise(unit32), Elemwise(unit64)
_binomial, _poisson = Elemwise(binomial_draw), Elemwise(poisson_draw)
_within_two = Elemwise(within_two)
LEAST_SHORT = 1e-3
"""Known probabilities from here to 1 minus it are compared with 24 random bits, others with 53."""


def units(state: Any, lengths: list[Any], dtype: str, part: int = 0) -> Any:
    """Return uniform draws in [0, 1): 11, 24 or 53 random bits by the precision of `dtype`."""
    if dtype == "float64":
        return _unit64(RandomElements(philox64, part)(state, *lengths))
    words = RandomElements(philox32, part)(state, *lengths)
    return _unit32(words) if dtype == "float32" else cast(_unit16(words), dtype)


def standard_normal(state: Any, lengths: list[Any], dtype: str, part: int = 0) -> Any:
    """Return normal draws of mean 0 and standard deviation 1."""
    record = normal64 if dtype == "float64" else normal32
    return cast(RandomElements(record, part)(state, *lengths), dtype)


def sample(record: Any, state: Any, lengths: list[Any], *parameters: Any, part: int = 0) -> Any:
    """Return draws of a scalar op of `symc.scalar.sampling`, given as an `Elemwise`."""
    counter = state[1] + np.uint64(part) if part else state[1]
    return record(state[0], counter, RandomPlace()(*lengths), *parameters)


def uniform(
    state: Any,
    size: Any = None,
    low: Any = 0.0,
    high: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw numbers from [low, high).

    Parameters
    ----------
    state : random state
    size : int, sequence of int, symbolic lengths or None
        Shape of the result; by default that of the broadcast parameters.
    low, high : tensor_like
    ndim : int, optional
        Rank of the result, where `size` is a vector of unknown length.
    dtype : {"float16", "float32", "float64"}, optional
        floatX by default.
    """
    dtype = float_dtype(dtype)
    a, b = parameter("low", low, dtype), parameter("high", high, dtype)
    lengths = result_size(size, ndim, a, b)
    a, b = fitted(size, lengths, a, b)
    drawn = units(state, lengths, dtype)
    if known_number(low) == 0 and known_number(high) == 1:
        return drawn
    return drawn * (b - a) + a


def _not_negative(x: Any) -> Any:
    return x >= 0


def _location(
    avg: Any, std: Any, size: Any, ndim: int | None, dtype: str
) -> tuple[list[Any], Any, Any]:
    mean = parameter("avg", avg, dtype)
    scale = parameter("std", std, dtype, _not_negative, "a standard deviation is not negative")
    lengths = result_size(size, ndim, mean, scale)
    mean, scale = fitted(size, lengths, mean, scale)
    return lengths, mean, scale


def normal(
    state: Any,
    size: Any = None,
    avg: Any = 0.0,
    std: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw normal numbers of mean `avg` and standard deviation `std` (Box and Muller 1958)."""
    dtype = float_dtype(dtype)
    lengths, mean, scale = _location(avg, std, size, ndim, dtype)
    return standard_normal(state, lengths, dtype) * scale + mean


def truncated_normal(
    state: Any,
    size: Any = None,
    avg: Any = 0.0,
    std: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw normal numbers within two standard deviations of `avg`, by inversion."""
    dtype = float_dtype(dtype)
    lengths, mean, scale = _location(avg, std, size, ndim, dtype)
    work = "float32" if dtype == "float16" else dtype
    u = units(state, lengths, work)
    drawn = maximum(minimum(_within_two(cast(u, "float64")), 2), -2)
    return cast(drawn, dtype) * scale + mean


def probability(p: Any, dtype: str = "float64", *more: Any) -> Any:
    """Return the parameter `p` of a draw; `more` as for `parameter`."""
    inside = "a probability, 0 <= p <= 1"
    return parameter("p", p, dtype, lambda x: (x >= 0) & (x <= 1), inside, *more)


def binomial(
    state: Any,
    size: Any = None,
    n: Any = 1,
    p: Any = 0.5,
    ndim: int | None = None,
    dtype: str | None = None,
    prob: Any = None,
) -> Any:
    """Draw numbers of successes in `n` trials of probability `p` (Theano's old name: `prob`).

    A single trial compares a uniform number with `p`, so that probabilities beyond 0 and 1 in a
    tensor that is not known when the graph is built count as these.

    Raises
    ------
    ValueError
        If a known parameter is out of range; when run, for other `n` or a single `p`, if one is.
    """
    p, dtype = p if prob is None else prob, discrete_dtype(dtype)
    if known_number(n) == 1:
        return cast(_flips(state, size, p, ndim), dtype)
    trials = parameter("n", n, "int64", _not_negative, "a number of trials is not negative")
    chance = probability(p)
    lengths = result_size(size, ndim, trials, chance)
    trials, chance = fitted(size, lengths, cast(trials, "float64"), chance)
    return cast(sample(_binomial, state, lengths, trials, chance), dtype)


def _flips(state: Any, size: Any, p: Any, ndim: int | None) -> Any:
    """Bools that are True with probability `p`."""
    known = known_number(p)
    if known is None:
        short = as_tensor_variable(p).type.dtype in ("float32", "float16")
    else:
        short = known in (0, 1) or LEAST_SHORT <= known <= 1 - LEAST_SHORT
    dtype = "float32" if short else "float64"
    chance = probability(p, dtype, lambda x: not x.type.ndim)
    lengths = result_size(size, ndim, chance)
    (chance,) = fitted(size, lengths, chance)
    return lt(units(state, lengths, dtype), chance)


def poisson(
    state: Any,
    size: Any = None,
    lam: Any = 1.0,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw Poisson numbers of mean `lam`, which must not be negative or NaN."""
    mean = parameter("lam", lam, "float64", _not_negative, "a mean is not negative")
    lengths = result_size(size, ndim, mean)
    (mean,) = fitted(size, lengths, mean)
    return cast(poisson_of(state, lengths, mean), discrete_dtype(dtype))


def poisson_of(state: Any, lengths: list[Any], mean: Any, part: int = 0) -> Any:
    """Return Poisson numbers (int64), given their lengths and means in float64."""
    return sample(_poisson, state, lengths, mean, part=part)


def random_integers(
    state: Any,
    size: Any = None,
    low: Any = 0,
    high: Any = 1,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw integers from `low` to `high`, both included.

    The upper half of a 64-bit word times their number: probabilities differ by less than 2**-64.

    Raises
    ------
    ValueError
        If `low` is greater than `high`, now or when run.
    """
    a, b = parameter("low", low, "int64"), parameter("high", high, "int64")
    first, last = known_number(low), known_number(high)
    lengths = result_size(size, ndim, a, b)
    a, b = fitted(size, lengths, a, b)
    words = RandomElements(philox64)(state, *lengths)
    if first is not None and last is not None:
        if first > last:
            raise ValueError(
                refusal("there are no integers to draw from", got=f"from {first} to {last}")
            )
        count = np.uint64((last - first + 1) % 2**64)
        rest = _below(words, count) if count else words
    else:
        number = Allowed("high", "not less than low")(b - a + 1, ge(b, a))
        whole = eq(number, 0)  # all int64
        rest = switch(whole, words, _below(words, cast(number, "uint64")))
    return cast(cast(rest, "int64") + a, discrete_dtype(dtype))


def randint(
    state: Any,
    size: Any = None,
    low: Any = 0,
    high: Any = None,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw integers from `low` up to, but without `high`; from 0 up to `low` where it is None."""
    first, end = (0, low) if high is None else (low, high)
    known = known_number(end)
    last = as_tensor_variable(end) - 1 if known is None else known - 1
    return random_integers(state, size, first, last, ndim, dtype)
