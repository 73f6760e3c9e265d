"""Draws of an element with parameters: gamma, beta, Poisson and binomial numbers.

Rejection and search take a varying number of words. Attempt t of an element uses the blocks of
the element's own number at the counters 2 t and 2 t + 1 after the draw's, so what an element is
does not depend on its neighbours. The functions in NumPy here and those in ``sy_sampling.h`` use
+, -, *, / and sqrt in the same order: their results are equal bit for bit, everywhere.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..dtypes import is_complex
from ..errors import DTypeError
from .logic import cast
from .math import exp
from .op import UNDEFINED, ScalarOp, scalar_op
from .random import HALF, minus_two_log, minus_two_log_of, normal_pair64, philox_block

ATTEMPTS = 16384
SECOND_DRAW = 32768
SEARCHED = 1000
SMALL_RESTS = np.array(
    [0.0810614667953272, 0.0413406959554092, 0.0276779256849983, 0.02079067210376509,
     0.0166446911898211, 0.0138761288230707, 0.0118967099458917, 0.0104112652619720,
     0.00925546218271273, 0.00833056343336287]
)  # fmt: skip
"""What Stirling's formula for log(k!) lacks, for k below 10."""
SHARE = 0.95449973610364158560
"""The share of the normal distribution within two standard deviations."""
NEAR = (
    (2.5090809287301226727e3, 3.3430575583588128105e4, 6.7265770927008700853e4,
     4.5921953931549871457e4, 1.3731693765509461125e4, 1.9715909503065514427e3,
     1.3314166789178437745e2, 3.3871328727963666080),
    (5.2264952788528545610e3, 2.8729085735721942674e4, 3.9307895800092710610e4,
     2.1213794301586595867e4, 5.3941960214247511077e3, 6.8718700749205790830e2,
     4.2313330701600911252e1, 1.0),
)  # fmt: skip
"""Coefficients of AS 241 (Wichura 1988), the inverse of the normal distribution's integral: of
numerator and denominator in the middle, from 0.075 to 0.925."""
FAR = (
    (7.74545014278341407640e-4, 2.27238449892691845833e-2, 2.41780725177450611770e-1,
     1.27045825245236838258, 3.64784832476320460504, 5.76949722146069140550,
     4.63033784615654529590, 1.42343711074968357734),
    (1.05075007164441684324e-9, 5.47593808499534494600e-4, 1.51986665636164571966e-2,
     1.48103976427480074590e-1, 6.89767334985100004550e-1, 1.67638483018380384940,
     2.05319162663775882187, 1.0),
)  # fmt: skip
"""The same further out."""


def _open_unit(word: np.ndarray) -> np.ndarray:
    return ((word >> np.uint64(12)).astype(np.float64) + 0.5) * 2.0**-52


def _attempt(key: Any, counter: Any, i: Any) -> tuple[np.ndarray, np.ndarray]:
    c0, c1, c2, c3 = philox_block(key, counter, i)
    return c1 << HALF | c0, c3 << HALF | c2


def _log(x: Any) -> Any:
    return -0.5 * minus_two_log(x)


def _exp(x: Any) -> Any:
    """``exp(x)`` for x <= 0."""
    inside = x > -700.0
    z = np.where(inside, x, 0.0)
    shifted = z * 1.44269504088896338700 + 6755399441055744.0
    exponent = (shifted.view(np.int64) + 1023) << 52
    k = shifted - 6755399441055744.0
    high, rest = z - k * 6.93147180369123816490e-01, k * 1.90821492927058770002e-10
    r = high - rest
    t = r * r
    c = 4.13813679705723846039e-08 * t - 1.65339022054652515390e-06
    c = c * t + 6.61375632143793436117e-05
    c = c * t - 2.77777777770155933842e-03
    c = c * t + 1.66666666666666019037e-01
    c = r - c * t
    y = 1.0 - ((rest - r * c / (2.0 - c)) - high)
    return np.where(inside, y * exponent.view(np.float64), np.where(x == x, 0.0, x))


def _rational(r: Any, above: Sequence[float], below: Sequence[float]) -> tuple[Any, Any]:
    """Two polynomials of `r` by Horner's scheme, highest power first."""
    n, m = np.full_like(r, above[0]), np.full_like(r, below[0])
    for a, b in zip(above[1:], below[1:], strict=True):
        n, m = n * r + a, m * r + b
    return n, m


def _within_two(u: Any) -> Any:
    q = (np.asarray(u) - 0.5) * SHARE
    far = np.where(q < 0, 0.5 + q, 0.5 - q)
    n, m = _rational(0.180625 - q * q, *NEAR)
    near = q * n / m
    n, m = _rational(np.sqrt(minus_two_log(np.atleast_1d(far)) * 0.5) - 1.6, *FAR)
    rest = (n / m).reshape(far.shape)
    found = np.where(far < 0.075, np.where(q < 0, -rest, rest), near)
    return np.where((u >= 0) & (u <= 1), found, np.nan)


def _stirling_rest(k: Any) -> Any:
    square = (k + 1) * (k + 1)
    series = (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / square) / square) / (k + 1)
    few = np.clip(k, 0, 9).astype(np.int64)
    return np.where(k < 10, SMALL_RESTS[few], series)


Columns = tuple[np.ndarray, ...]
Attempt = Callable[..., tuple[np.ndarray, np.ndarray]]


def _until_accepted(attempt: Attempt, counter: np.ndarray, columns: Columns) -> np.ndarray:
    """Repeat ``attempt(counter, *columns)``, which gives values and whether each is accepted."""
    result = np.full(counter.shape, np.nan)
    left = np.arange(counter.size)
    for t in range(ATTEMPTS):
        if not left.size:
            break
        at = counter[left] + np.uint64(2 * t)
        value, accepted = attempt(at, *(c[left] for c in columns))
        result[left[accepted]] = value[accepted]
        left = left[~accepted]
    return result


def _flat(*arrays: Any) -> tuple[tuple[int, ...], list[np.ndarray]]:
    """The joint shape, and the operands broadcast to it, in one axis each."""
    joint = np.broadcast_arrays(*arrays)
    return joint[0].shape, [a.reshape(-1).copy() for a in joint]


def _gamma_parts(key: Any, counter: Any, i: Any, shape: np.ndarray) -> tuple[Any, Any]:
    """Numbers of shape 1 at least, and the logarithms of what they are multiplied with."""
    whole = np.where(shape < 1, shape + 1, shape)
    d = whole - 1.0 / 3
    c = 1 / (3 * np.sqrt(d))
    powers = np.zeros_like(shape)

    def attempt(counter: Any, key: Any, i: Any, shape: Any, d: Any, c: Any, number: Any) -> Any:
        x = normal_pair64(*_attempt(key, counter, i), False)
        chance, boost = _attempt(key, counter + np.uint64(1), i)
        v = 1 + c * x
        positive = v > 0
        v = np.where(positive, v * v * v, 1.0)
        u, square = _open_unit(chance), x * x
        at_once = u < 1 - 0.0331 * (square * square)
        accepted = at_once | (_log(u) < 0.5 * square + (d - d * v + d * _log(v)))
        powers[number] = np.where(shape < 1, _log(_open_unit(boost)) / shape, 0.0)
        return d * v, accepted & positive

    columns = (key, i, shape, d, c, np.arange(shape.size))
    return _until_accepted(attempt, counter, columns), powers


def _gammas(key: Any, counter: Any, i: Any, shape: Any) -> np.ndarray:
    size, (key, counter, i, shape) = _flat(key, counter, i, shape)
    known = (shape > 0) & (shape < 1e300)
    drawn, powers = _gamma_parts(key, counter, i, np.where(known, shape, 1.0))
    drawn = np.where(shape < 1, drawn * _exp(powers), drawn)
    return np.where(known, drawn, np.where(shape == 0, 0.0, np.nan)).reshape(size)


def _betas(key: Any, counter: Any, i: Any, a: Any, b: Any) -> np.ndarray:
    size, (key, counter, i, a, b) = _flat(key, counter, i, a, b)
    known = (a > 0) & (b > 0) & (a < 1e300) & (b < 1e300)
    x, more = _gamma_parts(key, counter, i, np.where(known, a, 1.0))
    x = _log(x) + more
    y, more = _gamma_parts(key, counter + np.uint64(SECOND_DRAW), i, np.where(known, b, 1.0))
    y = _log(y) + more
    odds = _exp(np.where(x < y, x - y, y - x))
    drawn = np.where(x < y, odds / (1 + odds), 1 / (1 + odds))
    return np.where(known, drawn, np.nan).reshape(size)


def _few_events(key: Any, counter: Any, i: Any, mean: np.ndarray) -> np.ndarray:
    left = _open_unit(_attempt(key, counter, i)[0])
    p, k = _exp(-mean), np.zeros_like(mean)
    for _ in range(SEARCHED):
        going = left > p
        if not going.any():
            break
        left = np.where(going, left - p, left)
        k = np.where(going, k + 1, k)
        p = np.where(going, p * mean / np.maximum(k, 1), p)
    return k


def _many_events(counter: Any, key: Any, i: Any, mean: Any) -> tuple[Any, Any]:
    b = 0.931 + 2.53 * np.sqrt(mean)
    a = -0.059 + 0.02483 * b
    scale, sure = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    first, second = _attempt(key, counter, i)
    u, v = _open_unit(first) - 0.5, _open_unit(second)
    us = 0.5 - np.abs(u)
    k = np.floor((2 * a / us + b) * u + mean + 0.43)
    at_once = (us >= 0.07) & (v <= sure)
    refused = (k < 0) | ((us < 0.013) & (v > us))
    m = np.maximum(k, 0)
    likely = m * _log(mean / (m + 1)) + (m + 1 - mean)
    likely = likely - 0.5 * _log(m + 1) - 0.91893853320467274178 - _stirling_rest(m)
    fits = _log(v * scale / (a / (us * us) + b)) <= likely
    return k, at_once | (~refused & fits)


def _poissons(key: Any, counter: Any, i: Any, mean: Any) -> np.ndarray:
    size, (key, counter, i, mean) = _flat(key, counter, i, mean)
    result = np.full(mean.shape, -1, np.int64)
    few = (mean >= 0) & (mean < 10)
    many = (mean >= 10) & (mean < 2.0**62)
    result[few] = _few_events(key[few], counter[few], i[few], mean[few])
    result[many] = _until_accepted(_many_events, counter[many], (key[many], i[many], mean[many]))
    return result.reshape(size)


def _searched_successes(key: Any, counter: Any, i: Any, n: Any, p: Any) -> Any:
    q = 1 - p
    odds = p / q
    one = np.where(p < 0.25, minus_two_log_of(-np.minimum(p, 0.25), 0.0), minus_two_log(q))
    left, chance = _open_unit(_attempt(key, counter, i)[0]), _exp(n * (-0.5 * one))
    k = np.zeros_like(n)
    for _ in range(SEARCHED):
        going = (left > chance) & (k < n)
        if not going.any():
            break
        left = np.where(going, left - chance, left)
        k = np.where(going, k + 1, k)
        chance = np.where(going, chance * odds * (n - k + 1) / np.maximum(k, 1), chance)
    return k


def _many_successes(counter: Any, key: Any, i: Any, n: Any, p: Any) -> tuple[Any, Any]:
    q = 1 - p
    odds, spread = p / q, np.sqrt(n * p * q)
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    centre, alpha, sure = n * p + 0.5, (2.83 + 5.1 / b) * spread, 0.92 - 4.2 / b
    mode = np.floor((n + 1) * p)
    fixed = (mode + 0.5) * _log((mode + 1) / (odds * (n - mode + 1)))
    fixed = fixed + _stirling_rest(mode) + _stirling_rest(n - mode)
    first, second = _attempt(key, counter, i)
    u, v = _open_unit(first) - 0.5, _open_unit(second)
    us = 0.5 - np.abs(u)
    k = np.floor((2 * a / us + b) * u + centre)
    inside = (k >= 0) & (k <= n)
    m = np.where(inside, k, 0)
    likely = fixed + (n + 1) * _log((n - mode + 1) / (n - m + 1))
    likely = likely + (m + 0.5) * _log(odds * (n - m + 1) / (m + 1))
    likely = likely - _stirling_rest(m) - _stirling_rest(n - m)
    fits = _log(v * alpha / (a / (us * us) + b)) <= likely
    return k, inside & (((us >= 0.07) & (v <= sure)) | fits)


def _binomials(key: Any, counter: Any, i: Any, n: Any, p: Any) -> np.ndarray:
    size, (key, counter, i, n, p) = _flat(key, counter, i, n, p)
    known = (n >= 0) & (n <= 2.0**53) & (p >= 0) & (p <= 1)
    less = np.where(p > 0.5, 1 - p, p)
    k = np.zeros(n.shape)
    few = known & (n * less < 10)
    many = known & ~few
    k[few] = _searched_successes(*(v[few] for v in (key, counter, i, n, less)))
    k[many] = _until_accepted(
        _many_successes, counter[many], (key[many], i[many], n[many], less[many])
    )
    result = np.full(n.shape, -1, np.int64)
    result[known] = np.where(p > 0.5, n - k, k)[known]
    return result.reshape(size)


class Draw(ScalarOp):
    """A function of exactly the dtypes `operands`, whose value is a `result`."""

    def __init__(
        self, name: str, nin: int, *, operands: tuple[str, ...], result: str, **fields: Any
    ) -> None:
        super().__init__(name, nin, out=self._types, **fields)
        self.operands = operands
        self.result = result

    def _types(self, dtypes: Sequence[str]) -> tuple[tuple[str, ...], str]:
        if tuple(dtypes) != self.operands:
            raise DTypeError(
                f"{self.name} takes {', '.join(self.operands)}, and not {', '.join(dtypes)}"
            )
        return self.operands, self.result

    def text_dtype(self, dtype: str) -> str:
        """The dtype of the result."""
        return self.result


def _draw(name: str, parameters: int, dtype: str, numpy: Callable[..., Any], doc: str) -> ScalarOp:
    """A draw of an element, given key, counter, position and float64 parameters."""
    slope = None if dtype == "int64" else UNDEFINED
    places = ", ".join(f"{{{k}}}" for k in range(3 + parameters))
    operands = ("uint64",) * 3 + ("float64",) * parameters

    def reference(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return numpy(*arrays)

    return scalar_op(
        name,
        3 + parameters,
        cls="".join(part.capitalize() for part in name.split("_")),
        base=Draw,
        operands=operands,
        result=dtype,
        numpy=reference,
        c=f"sy_{name}({places})",
        grad=lambda g, y, *xs: (None,) * 3 + (slope,) * parameters,
        kinds="uf",
        needs=("sy_sampling.h",),
        cost=200,
        doc=doc,
    )


gamma_draw = _draw(
    "gamma_draw", 1, "float64", _gammas,
    "A gamma number of the given shape, scale 1 (Marsaglia, Tsang 2000); NaN for no shape.",
)  # fmt: skip
beta_draw = _draw(
    "beta_draw", 2, "float64", _betas,
    "A beta number, x / (x + y) of two gamma numbers; NaN where a parameter is not positive.",
)  # fmt: skip
poisson_draw = _draw(
    "poisson_draw", 1, "int64", _poissons,
    "A Poisson number of the given mean (Hormann 1993); -1 where the mean is negative or NaN.",
)  # fmt: skip
binomial_draw = _draw(
    "binomial_draw", 2, "int64", _binomials,
    "Successes in n trials of probability p (Hormann 1993); -1 for no number or probability.",
)  # fmt: skip


def _double(dtypes: Sequence[str]) -> tuple[tuple[str, ...], str]:
    """The type rule of a function of a real number that is computed in float64."""
    if is_complex(dtypes[0]):
        raise DTypeError(f"a real number is needed, got {dtypes[0]}")
    return ("float64",), "float64"


within_two = scalar_op(
    "within_two",
    1,
    cls="WithinTwo",
    out=_double,
    numpy=_within_two,
    c="sy_within_two({0})",
    grad=lambda g, y, x: (cast(g * (SHARE * math.sqrt(2 * math.pi)) * exp(y * y / 2), x.dtype),),
    kinds="f",
    needs=("sy_sampling.h",),
    vector=True,
    cost=50,
    doc="The number below which a share of the normal distribution between -2 and 2 lies.",
)


plain_log = scalar_op(
    "plain_log",
    1,
    cls="PlainLog",
    out=_double,
    numpy=lambda x: np.where(x > 0, _log(np.asarray(x)), np.nan),
    c="(({0}) > 0 ? sy_plain_log({0}) : (double)NAN)",
    grad=lambda g, y, x: (cast(g / x, x.dtype),),
    kinds="f",
    needs=("sy_sampling.h",),
    cost=20,
    doc="The logarithm of a positive normal number, the same on every machine; NaN for others.",
)
