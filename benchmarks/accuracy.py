"""Measure the errors of the functions of special.h and write docs/accuracy.md.

Run from the root of the checkout: ``python benchmarks/accuracy.py``. Needs a C compiler, mpmath
and SciPy; takes a few minutes.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import mpmath as mp
import numpy as np

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.scalar import special_cases as cases  # noqa: E402
from tests.scalar.cunit import compiler  # noqa: E402

POINTS = 6000
SCALAR_POINTS = 400

HEAD = """# Accuracy of the mathematical functions

Compiled functions use symc's own C functions (`symc/scalar/include/special.h`). This page gives
the largest errors measured against mpmath; `benchmarks/accuracy.py` writes it.

## Vector functions

They have no branches, are inlined into loops and vectorise without `-ffast-math`. An element's
result is the same bits whatever its position in the array, the length of the array, the number of
threads and the width of the vector registers: all positions run the same operations. Infinities,
NaN, signed zeros, subnormal numbers, overflow and underflow follow IEEE 754 and NumPy.

Errors in units in the last place of the result, over about {points} random arguments per
function and precision: all magnitudes, and densely where the function is delicate. Half a unit is
the error of a correctly rounded function.

| function | float64 | float32 |
|---|---|---|
{vector}

`sin`, `cos` and `tan` reduce arguments up to 2^47 (2^20 in single precision) in the vector loop.
Larger ones go to the C library, lane by lane, and are as good as it is.

The functions rely on a fused multiply-add. Processors without the instruction get the same bits
from the C library's `fma`, slowly.

## Functions with branches

Computed in double precision, also for float32. The largest relative error against mpmath over
{scalar_points} random arguments; Bessel functions of the first kind relative to their amplitude
`sqrt(2/(pi x))`, since they have zeros.

| function | arguments | error |
|---|---|---|
{scalar}

`j0` and `j1`, `gamma` and `gammaln` are the C library's. Bessel functions are NaN at infinite
arguments, as SciPy's are. `jv` is NaN for orders above 10^6 unless it vanishes there or the
argument exceeds half the square of the order.
"""


def _regularised(lower: bool):
    def exact(a, x):
        limits = (0, x) if lower else (x, mp.inf)
        return mp.gammainc(a, *limits, regularized=True)

    return exact


def _sizes(low: float, high: float):
    return lambda rng, n: np.exp2(rng.uniform(low, high, n))


def _uniform(low: float, high: float):
    return lambda rng, n: rng.uniform(low, high, n)


SCALAR = {
    "erfcx": (lambda x: mp.exp(x * x) * mp.erfc(x), [_uniform(-26, 40)], "-26 to 40"),
    "erfinv": (mp.erfinv, [_uniform(-1, 1)], "-1 to 1"),
    "erfcinv": (lambda x: mp.erfinv(1 - x), [_sizes(-100, 1)], "2^-100 to 2"),
    "gamma": (mp.gamma, [_uniform(-20, 170)], "-20 to 170"),
    "gammaln": (lambda x: mp.loggamma(x).real, [_sizes(-60, 60)], "2^-60 to 2^60"),
    "psi": (mp.digamma, [_sizes(-60, 60)], "2^-60 to 2^60"),
    "trigamma": (lambda x: mp.polygamma(1, x), [_uniform(-20, 60)], "-20 to 60"),
    "gammainc": (_regularised(True), [_sizes(-6, 10), _sizes(-6, 10)], "a, x: 2^-6 to 2^10"),
    "gammaincc": (_regularised(False), [_sizes(-6, 10), _sizes(-6, 10)], "a, x: 2^-6 to 2^10"),
    "betainc": (
        lambda a, b, x: mp.betainc(a, b, 0, x, regularized=True),
        [_sizes(-3, 7), _sizes(-3, 7), _uniform(0.001, 0.999)],
        "a, b: 2^-3 to 2^7; x: 0 to 1",
    ),
    "j0": (lambda x: mp.besselj(0, x), [_uniform(0, 300)], "0 to 300"),
    "j1": (lambda x: mp.besselj(1, x), [_uniform(0, 300)], "0 to 300"),
    "jv": (mp.besselj, [_uniform(-100, 100), _uniform(0.1, 300)], "v: -100 to 100; x: 0 to 300"),
    "i0": (lambda x: mp.besseli(0, x), [_uniform(0, 700)], "0 to 700"),
    "i1": (lambda x: mp.besseli(1, x), [_uniform(0, 700)], "0 to 700"),
    "iv": (mp.besseli, [_uniform(-100, 100), _uniform(0.1, 300)], "v: -100 to 100; x: 0 to 300"),
}


def vector_rows(folder: Path) -> list[str]:
    """One row of the table per vector function."""
    text = "".join(
        cases.driver(name, dtype, True) for name in cases.VECTOR for dtype in cases.C_TYPE
    )
    library = cases.Library(folder, compiler(), text, ["-O3", "-march=native"])
    rows = []
    for name in sorted(cases.VECTOR):
        errors = [
            cases.largest_error(
                name, dtype, POINTS, lambda *xs, s=f"loop_{name}{suffix}": library(s, *xs)
            )[0]
            for dtype, suffix in (("float64", ""), ("float32", "f"))
        ]
        rows.append(f"| {name} | {errors[0]:.2f} | {errors[1]:.2f} |")
    return rows


def scalar_rows(folder: Path) -> list[str]:
    """One row of the table per function with branches."""
    text = "".join(cases.driver(name, "float64", False) for name in SCALAR)
    library = cases.Library(folder, compiler(), text, ["-O2", "-march=native"])
    rows = []
    for name, (exact, samplers, domain) in SCALAR.items():
        rng = np.random.default_rng(2)
        xs = [sample(rng, SCALAR_POINTS) for sample in samplers]
        got = library(f"each_{name}", *xs)
        worst = 0.0
        with mp.workprec(300):
            for value, *point in zip(got, *xs, strict=True):
                reference = exact(*(mp.mpf(float(p)) for p in point))
                if 1e-300 < abs(reference) < 1e308:
                    scale = abs(reference)
                    if name in ("j0", "j1", "jv") and point[-1] > abs(point[0]):
                        scale = max(scale, mp.sqrt(2 / (mp.pi * point[-1])))
                    worst = max(worst, float(abs(value - reference) / scale))
        rows.append(f"| {name} | {domain} | {worst:.1e} |")
    return rows


def main() -> None:
    """Write the page."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        parts = {}
        for key, rows in (("vector", vector_rows), ("scalar", scalar_rows)):
            (folder / key).mkdir()
            parts[key] = "\n".join(rows(folder / key))
    page = HEAD.format(points=POINTS, scalar_points=SCALAR_POINTS, **parts)
    (ROOT / "docs" / "accuracy.md").write_text(page)


if __name__ == "__main__":
    main()
