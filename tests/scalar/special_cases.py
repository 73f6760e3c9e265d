"""The functions of special.h: exact values, arguments, promised accuracy, compiled drivers."""

from __future__ import annotations

import ctypes
import math
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mpmath as mp
import numpy as np
import scipy.special

from tests.scalar.cunit import INCLUDE

FLAGS = (
    "-std=gnu11 -fPIC -ffp-contract=off -fno-math-errno -fno-trapping-math -fwrapv "
    "-fno-strict-aliasing -fopenmp-simd -fno-builtin-sin -fno-builtin-cos "
    "-Wall -Wextra -Wno-unused-function -Werror"
).split()
C_TYPE = {"float64": "double", "float32": "float"}
PRECISION = 160
Sampler = Callable[[np.random.Generator, int, np.finfo], np.ndarray]


class Vector(NamedTuple):
    """A vector function: exact value, samplers of its arguments, bounds in ulp, NumPy's meaning."""

    exact: Callable[..., Any]
    samplers: Sequence[Sampler]
    double: float
    single: float
    numpy: Callable[..., Any]


# ------------------------------------------------------------------ samplers


def uniform(low: float, high: float) -> Sampler:
    return lambda rng, n, info: rng.uniform(low, high, n)


def sizes(low: float, high: float, signed: bool = True) -> Sampler:
    """Random magnitudes from 2**low to 2**high."""

    def sample(rng, n, info):
        x = np.exp2(rng.uniform(low, high, n))
        return x * rng.choice([-1, 1], n) if signed else x

    return sample


def everything(signed: bool = True) -> Sampler:
    """All magnitudes, subnormal ones included."""
    return lambda rng, n, info: sizes(info.minexp - info.nmant, info.maxexp, signed)(rng, n, info)


def around(center: float, low: float = -60, high: float = -2) -> Sampler:
    """Numbers at random small distances from `center`."""
    return lambda rng, n, info: center + sizes(low, high)(rng, n, info)


def near_multiples(step: float, count: int) -> Sampler:
    """The numbers nearest to multiples of `step`."""
    return lambda rng, n, info: rng.integers(-count, count, n) * step


def arguments(name: str, dtype: str, count: int, seed: int = 0) -> list[np.ndarray]:
    """About `count` finite argument tuples of a vector function, from all its samplers."""
    case = VECTOR[name]
    info = np.finfo(dtype)
    rng = np.random.default_rng(seed)
    each = -(-count // len(case.samplers))
    with np.errstate(all="ignore"):
        parts = [np.asarray(s(rng, each, info)).astype(dtype) for s in case.samplers]
    xs = np.concatenate(parts, axis=-1)
    xs = xs if xs.ndim == 2 else xs[None]
    return [np.ascontiguousarray(x) for x in xs[:, np.isfinite(xs).all(axis=0)]]


def _pairs(first: Sampler, second: Callable[..., np.ndarray]) -> Sampler:
    def sample(rng, n, info):
        x = first(rng, n, info)
        return np.stack([x, second(rng, n, info, x)])

    return sample


def _exponents(rng, n, info, x):
    """Exponents whose powers of x fill the range of the type."""
    limit = info.maxexp * math.log(2)
    return rng.uniform(-1.05, 1.03, n) * limit / np.log(np.abs(x))


def _small_integers(rng, n, info, x):
    return rng.integers(-9, 10, n)


def _of_similar_size(rng, n, info, x):
    return x * np.exp2(rng.uniform(-12, 1, n))


def _sigmoid(x):
    with np.errstate(all="ignore"):
        return scipy.special.expit(x.astype(np.float64))


SYMMETRIC = (sizes(-30, 10), uniform(-5, 5), uniform(-40, 40))
POSITIVE = (everything(signed=False), uniform(0.4, 2.5), around(1.0))
EVERYWHERE = (everything(), uniform(-20, 20))
UNIT = (sizes(-40, 0), uniform(-1, 1), lambda *a: 1 - np.abs(sizes(-50, -1)(*a)))
ANGLES = (sizes(-30, 20), uniform(-20, 20), near_multiples(math.pi / 2, 2**18))
SIMILAR = (
    _pairs(everything(), lambda rng, n, info, x: everything()(rng, n, info)),
    _pairs(sizes(-100, 100), _of_similar_size),
    _pairs(uniform(-3, 3), lambda rng, n, info, x: uniform(-3, 3)(rng, n, info)),
)

VECTOR: dict[str, Vector] = {
    "exp": Vector(mp.exp, SYMMETRIC, 1, 1, np.exp),
    "exp2": Vector(lambda x: mp.power(2, x), SYMMETRIC, 1, 1, np.exp2),
    "expm1": Vector(mp.expm1, SYMMETRIC, 1.5, 1.5, np.expm1),
    "log": Vector(mp.log, POSITIVE, 1, 1, np.log),
    "log2": Vector(lambda x: mp.log(x, 2), POSITIVE, 1, 1, np.log2),
    "log10": Vector(mp.log10, POSITIVE, 1, 1, np.log10),
    "log1p": Vector(
        mp.log1p,
        (sizes(-60, 120, False), uniform(-1, 3), lambda *a: np.abs(sizes(-50, -1)(*a)) - 1),
        1,
        1,
        np.log1p,
    ),
    "sinh": Vector(mp.sinh, SYMMETRIC, 2, 2, np.sinh),
    "cosh": Vector(mp.cosh, SYMMETRIC, 1.5, 1.5, np.cosh),
    "tanh": Vector(mp.tanh, SYMMETRIC, 1, 1.1, np.tanh),
    "sigmoid": Vector(lambda x: 1 / (1 + mp.exp(-x)), SYMMETRIC, 1.6, 1.6, _sigmoid),
    "softplus": Vector(
        lambda x: mp.log1p(mp.exp(-abs(x))) + max(x, 0),
        SYMMETRIC,
        1.5,
        1.5,
        lambda x: np.logaddexp(x, np.zeros_like(x)),
    ),
    "sin": Vector(mp.sin, ANGLES, 1, 1, np.sin),
    "cos": Vector(mp.cos, ANGLES, 1, 1, np.cos),
    "tan": Vector(mp.tan, ANGLES, 2, 2, np.tan),
    "asin": Vector(mp.asin, UNIT, 1.5, 1.5, np.arcsin),
    "acos": Vector(mp.acos, UNIT, 1.5, 1.5, np.arccos),
    "atan": Vector(mp.atan, EVERYWHERE, 2, 2, np.arctan),
    "asinh": Vector(mp.asinh, EVERYWHERE, 1.5, 1.5, np.arcsinh),
    "acosh": Vector(
        mp.acosh,
        (lambda *a: 1 + np.abs(sizes(-50, 3)(*a)), lambda *a: 1 + np.abs(everything()(*a))),
        1.5,
        1.5,
        np.arccosh,
    ),
    "atanh": Vector(mp.atanh, UNIT, 1.5, 1.5, np.arctanh),
    "cbrt": Vector(lambda x: mp.sign(x) * mp.cbrt(abs(x)), EVERYWHERE, 0.6, 0.6, np.cbrt),
    "erf": Vector(mp.erf, (sizes(-60, 3), uniform(-3, 3)), 1, 1, scipy.special.erf),
    "erfc": Vector(
        mp.erfc, (sizes(-30, 4.5), uniform(-3, 3), uniform(0, 10)), 2, 2, scipy.special.erfc
    ),
    "log1mexp": Vector(
        lambda x: mp.log(-mp.expm1(x)) if x > -0.7 else mp.log1p(-mp.exp(x)),
        (lambda *a: -np.abs(sizes(-60, 9)(*a)), uniform(-3, 0)),
        1.5,
        1.5,
        lambda x: np.where(x > -0.7, np.log(-np.expm1(x)), np.log1p(-np.exp(x))),
    ),
    "pow": Vector(
        mp.power,
        (
            _pairs(everything(signed=False), _exponents),
            _pairs(uniform(0.3, 3), _exponents),
            _pairs(uniform(-3, 3), _small_integers),
        ),
        1,
        1,
        np.power,
    ),
    "atan2": Vector(mp.atan2, SIMILAR, 2, 2, np.arctan2),
    "hypot": Vector(mp.hypot, SIMILAR, 1, 1, np.hypot),
}
"""Bounds are for the samplers' arguments; docs/accuracy.md has the errors that were measured."""

# erfcx, gamma, ...: computed in double; the reference is SciPy. Names, then numbers of arguments.
SCALAR = {
    "erfcx": 1,
    "erfinv": 1,
    "erfcinv": 1,
    "gamma": 1,
    "gammaln": 1,
    "psi": 1,
    "trigamma": 1,
    "j0": 1,
    "j1": 1,
    "i0": 1,
    "i1": 1,
    "chi2sf": 2,
    "gammainc": 2,
    "gammaincc": 2,
    "gammal": 2,
    "gammau": 2,
    "jv": 2,
    "iv": 2,
    "betainc": 3,
}
SIMPLE = {
    "xlogx": 1,
    "xlogy0": 2,
    "maximum": 2,
    "minimum": 2,
    "round_half_away": 1,
    "floordiv": 2,
    "floormod": 2,
}
INTEGERS = tuple(f"{kind}{bits}" for kind in "iu" for bits in (8, 16, 32, 64))
INTEGER_OPS = ("floordiv", "floormod", "ipow")


def arity(name: str) -> int:
    """Number of arguments of a function."""
    if name in VECTOR:
        return 2 if name in ("pow", "atan2", "hypot") else 1
    return SCALAR.get(name) or SIMPLE[name]


# ------------------------------------------------------------------ error in ulp


def ulp_error(got: float, exact: Any, dtype: str) -> float:
    """Distance of a result from the exact value in units in the last place of the type.

    Infinity where one of them is infinite or rounds to infinity and the other does not.
    """
    info = np.finfo(dtype)
    largest = mp.mpf(float(info.max)) * (1 + mp.mpf(2) ** (-info.nmant - 2))
    if not np.isfinite(got):
        return 0.0 if abs(exact) >= largest and (got > 0) == (exact > 0) else math.inf
    if abs(exact) >= largest:
        return math.inf
    exponent = max(mp.frexp(exact)[1] - 1, int(info.minexp)) if exact else int(info.minexp)
    return float(abs(mp.mpf(float(got)) - exact) * mp.mpf(2) ** (info.nmant - exponent))


def largest_error(
    name: str, dtype: str, count: int, evaluate: Callable[..., np.ndarray]
) -> tuple[float, tuple[float, ...]]:
    """The largest error in ulp of a vector function and the arguments where it was found."""
    xs = arguments(name, dtype, count)
    got = evaluate(*xs)
    exact = VECTOR[name].exact
    worst, where = -1.0, ()
    with mp.workprec(PRECISION):
        for value, *point in zip(got, *xs, strict=True):
            error = ulp_error(value, exact(*(mp.mpf(float(p)) for p in point)), dtype)
            if not error <= worst:
                worst, where = error, tuple(float(p) for p in point)
    return worst, where


# ------------------------------------------------------------------ compiled drivers


def driver(name: str, dtype: str, simd: bool) -> str:
    """C text of ``loop_<name>``, a vector loop, or ``each_<name>``, one call per element."""
    real, suffix = C_TYPE[dtype], "f" if dtype == "float32" else ""
    xs = [f"x{i}" for i in range(arity(name))]
    parameters = ", ".join(f"const {real} *restrict {x}" for x in xs)
    elements = ", ".join(f"{x}[i]" for x in xs)
    declared = ", ".join(f"{real} {x}" for x in xs)
    function = f"sy_{name}{suffix}"
    head = f"{parameters}, {real} *restrict y, int64_t n"
    if simd:
        return (
            f"void loop_{name}{suffix}({head}) {{\n#pragma omp simd\n"
            f"  for (int64_t i = 0; i < n; i++) y[i] = {function}({elements});\n}}\n"
        )
    return (
        f"__attribute__((noinline)) {real} one_{name}{suffix}({declared}) {{ return "
        f"{function}({', '.join(xs)}); }}\n"
        f"void each_{name}{suffix}({head}) {{\n"
        f"  for (int64_t i = 0; i < n; i++) y[i] = one_{name}{suffix}({elements});\n}}\n"
    )


class Library:
    """Functions of special.h in a shared library, called on arrays.

    Parameters
    ----------
    folder : path
        Where the files go.
    compiler : str
        Path of the C compiler.
    text : str
        C text after the include of special.h.
    options : sequence of str
        Compiler options besides `FLAGS`.
    """

    def __init__(self, folder: Path, compiler: str, text: str, options: Sequence[str]) -> None:
        self.source, library = Path(folder) / "driver.c", Path(folder) / "driver.so"
        self.source.write_text('#include "special.h"\n' + text)
        command = [compiler, *FLAGS, *options, f"-I{INCLUDE}", "-shared", str(self.source)]
        done = subprocess.run(
            [*command, "-o", str(library), "-lm"], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise RuntimeError(done.stderr[:4000])
        self.report = done.stderr
        self.library = ctypes.CDLL(str(library))

    def __call__(self, symbol: str, *xs: np.ndarray, out: str | None = None) -> np.ndarray:
        """Call ``void symbol(const T *x..., R *y, int64_t n)``."""
        y = np.empty(xs[0].shape, out or xs[0].dtype)
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*xs, y)]
        getattr(self.library, symbol)(*pointers, ctypes.c_int64(y.size))
        return y
