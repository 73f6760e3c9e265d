"""special.h: accuracy, special values, vectorisation, equality of lanes and scalars, integers."""

import itertools
import platform
import re
import shutil
import subprocess

import numpy as np
import pytest
import scipy.special

from tests.scalar import special_cases as cases
from tests.scalar.cunit import INCLUDE, compiler

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.skipif(compiler() is None, reason="no C compiler on PATH"),
]
DTYPES = ("float64", "float32")
VECTOR_OPTIONS = ["-O3", "-march=native", "-fopt-info-vec-optimized"]


def suffixed(name, dtype):
    return name + ("f" if dtype == "float32" else "")


@pytest.fixture(scope="module")
def vector(tmp_path_factory):
    """All vector functions: loops over them, and one call per element."""
    text = "".join(
        cases.driver(name, dtype, simd)
        for name in (*cases.VECTOR, "xlogx", "xlogy0", "maximum", "minimum")
        for dtype in DTYPES
        for simd in (True, False)
    )
    return cases.Library(tmp_path_factory.mktemp("vector"), compiler(), text, VECTOR_OPTIONS)


@pytest.fixture(scope="module")
def scalar(tmp_path_factory):
    """The other functions of floats, one call per element."""
    text = "".join(
        cases.driver(name, dtype, False)
        for name in (*cases.SCALAR, *cases.SIMPLE)
        for dtype in DTYPES
    )
    return cases.Library(tmp_path_factory.mktemp("scalar"), compiler(), text, ["-O1"])


def same(got, expected):
    """Equal, with the same sign of zero, or both NaN."""
    nan = np.isnan(got) & np.isnan(expected)
    return nan | ((got == expected) & (np.signbit(got) == np.signbit(expected)))


def special_values(dtype):
    info = np.finfo(dtype)
    positive = [0.0, info.smallest_subnormal, info.tiny, info.eps, 1e-3, 0.5, 1 - info.epsneg, 1]
    positive += [1 + info.eps, 1.5, 2, 3, 10, 88, 104, 1e4, 2.0**20, 1e6, 2.0**25 + 2]
    positive += [1e30, info.max / 2, info.max, np.inf]
    return np.array([*positive, *(-v for v in positive), np.nan], dtype)


# ------------------------------------------------------------------ vector functions


@pytest.mark.parametrize("name", list(cases.VECTOR))
@pytest.mark.parametrize("dtype", DTYPES)
def test_error_in_ulp(vector, name, dtype):
    bound = cases.VECTOR[name].double if dtype == "float64" else cases.VECTOR[name].single
    symbol = "loop_" + suffixed(name, dtype)
    error, where = cases.largest_error(name, dtype, 1000, lambda *xs: vector(symbol, *xs))
    assert error <= bound, f"{symbol}{where}: {error} ulp"


@pytest.mark.parametrize("name", list(cases.VECTOR))
@pytest.mark.parametrize("dtype", DTYPES)
def test_special_values(vector, name, dtype):
    xs = [special_values(dtype)]
    if cases.arity(name) == 2:
        xs = [np.ascontiguousarray(g.ravel()) for g in np.meshgrid(xs[0], xs[0])]
    got = vector("loop_" + suffixed(name, dtype), *xs)
    with np.errstate(all="ignore"):
        exact = cases.VECTOR[name].numpy(*(x.astype(np.float64) for x in xs))
        expected = exact.astype(dtype)
    special = ~np.isfinite(expected) | (expected == 0) | ~np.isfinite(got)
    wrong = special & ~same(got, expected)
    # a result that rounds to zero or to infinity in one computation only
    limits = np.finfo(dtype)
    edge = (np.abs(exact) < limits.tiny) | (np.abs(exact) >= limits.max)
    wrong &= ~(edge & np.isfinite(exact) & (exact != 0) & (np.signbit(got) == np.signbit(exact)))
    if name == "log1mexp":
        wrong &= xs[0] <= 0  # its domain
    found = [(*(x[i] for x in xs), got[i], expected[i]) for i in np.flatnonzero(wrong)]
    assert not found, f"arguments, got, expected: {found[:10]}"


def test_integral_powers_are_exact(vector):
    base, exponent = np.meshgrid(np.arange(-20.0, 21), np.arange(0.0, 12))
    base, exponent = base.ravel().copy(), exponent.ravel().copy()
    np.testing.assert_array_equal(vector("loop_pow", base, exponent), base**exponent)
    ten = 10.0 ** np.arange(23)
    np.testing.assert_array_equal(vector("loop_log10", ten), np.arange(23))
    two = np.exp2(np.arange(-1074.0, 1024))
    np.testing.assert_array_equal(vector("loop_log2", two), np.arange(-1074, 1024))
    np.testing.assert_array_equal(vector("loop_exp2", np.arange(-1074.0, 1024)), two)
    np.testing.assert_array_equal(
        vector("loop_cbrt", np.arange(-50.0, 51) ** 3), np.arange(-50, 51)
    )


@pytest.mark.parametrize("dtype", DTYPES)
def test_far_angles(vector, dtype):
    """Beyond the range of the vector reduction, alone and among near ones."""
    rng = np.random.default_rng(5)
    far = np.exp2(rng.uniform(20, np.finfo(dtype).maxexp - 1, 400)).astype(dtype)
    mixed = np.where(rng.random(400) < 0.9, rng.normal(size=400).astype(dtype), far)
    for name in ("sin", "cos", "tan"):
        for x in (far, -far, mixed):
            got = vector("loop_" + suffixed(name, dtype), x)
            exact = cases.VECTOR[name].exact
            with cases.mp.workprec(1200):
                errors = [
                    cases.ulp_error(g, exact(cases.mp.mpf(float(v))), dtype)
                    for g, v in zip(got, x, strict=True)
                ]
            assert max(errors) <= 2, f"{name}({x[int(np.argmax(errors))]})"


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", list(cases.VECTOR))
def test_lanes_equal_scalars(vector, name, dtype):
    """Results do not depend on the position in an array, nor on its length."""
    rng = np.random.default_rng(11)
    pool = np.concatenate([special_values(dtype), *cases.arguments(name, dtype, 300)])
    for n in range(1, 34):
        xs = [rng.choice(pool, n) for _ in range(cases.arity(name))]
        lanes = vector("loop_" + suffixed(name, dtype), *xs)
        scalars = vector("each_" + suffixed(name, dtype), *xs)
        assert same(lanes, scalars).all(), f"n = {n}: {xs}"


@pytest.mark.skipif(
    compiler() is None or "gcc" not in compiler(), reason="the report that is read is gcc's"
)
def test_loops_vectorise(vector):
    lines = vector.report.splitlines()
    where = [re.match(r".*driver\.c:(\d+):\d+: optimized: loop vectorized", s) for s in lines]
    vectorised = {int(m.group(1)) for m in where if m}
    text = vector.source.read_text().splitlines()
    missing = []
    for number, line in enumerate(text, 1):
        name = re.match(r"void loop_(\w+)\(", line)
        # the loop is in the second line below; gcc reports it or the function
        if name and not vectorised & {number, number + 1, number + 2}:
            missing.append(name.group(1))
    assert not missing


@pytest.mark.skipif(platform.machine() != "x86_64", reason="names an x86 architecture")
def test_same_bits_without_fma_instruction(vector, tmp_path):
    text = "".join(cases.driver(name, dtype, False) for name in cases.VECTOR for dtype in DTYPES)
    plain = cases.Library(tmp_path, compiler(), text, ["-O1", "-march=x86-64"])
    for name, dtype in itertools.product(cases.VECTOR, DTYPES):
        xs = cases.arguments(name, dtype, 60, seed=3)
        expected = vector("loop_" + suffixed(name, dtype), *xs)
        assert same(plain("each_" + suffixed(name, dtype), *xs), expected).all(), name


# ------------------------------------------------------------------ scalar functions

RNG = np.random.default_rng(7)


def _sizes(low, high, n=2000):
    return np.exp2(RNG.uniform(low, high, n))


def _uniform(low, high, n=2000):
    return RNG.uniform(low, high, n)


_ORDERS = np.where(RNG.random(2000) < 0.3, RNG.integers(-30, 31, 2000), _uniform(-30, 30))
_A = _sizes(-6, 8)
_NEAR_A = _A * np.exp(_uniform(-1.5, 1.5))
# name: (SciPy's function, grids of arguments, relative tolerance, absolute tolerance)
GRIDS = {
    "erfcx": (scipy.special.erfcx, [(_uniform(-5, 40),), (_sizes(-40, 300),)], 1e-13, 0),
    "erfinv": (scipy.special.erfinv, [(_uniform(-1, 1),), (_sizes(-900, -1),)], 1e-14, 0),
    "erfcinv": (scipy.special.erfcinv, [(_uniform(0, 2),), (_sizes(-1000, 0),)], 1e-13, 0),
    "gamma": (scipy.special.gamma, [(_uniform(-170, 171),), (_sizes(-100, 7),)], 1e-13, 0),
    "gammaln": (scipy.special.gammaln, [(_uniform(-60, 60),), (_sizes(-100, 100),)], 1e-12, 1e-14),
    "psi": (scipy.special.psi, [(_uniform(-30, 60),), (_sizes(-100, 100),)], 1e-12, 1e-14),
    "trigamma": (
        lambda x: scipy.special.polygamma(1, x),
        [(_uniform(-20, 60),), (_sizes(-100, 100),)],
        1e-12,
        0,
    ),
    "j0": (scipy.special.j0, [(_uniform(-60, 60),), (_sizes(-60, 8),)], 1e-12, 1e-15),
    "j1": (scipy.special.j1, [(_uniform(-60, 60),), (_sizes(-60, 8),)], 1e-12, 1e-15),
    "i0": (scipy.special.i0, [(_uniform(-60, 60),), (_sizes(-60, 9.4),)], 1e-13, 0),
    "i1": (scipy.special.i1, [(_uniform(-60, 60),), (_sizes(-60, 9.4),)], 1e-13, 0),
    "gammainc": (scipy.special.gammainc, [(_A, _NEAR_A), (_A, _sizes(-4, 7))], 1e-12, 1e-300),
    "gammaincc": (scipy.special.gammaincc, [(_A, _NEAR_A), (_A, _sizes(-4, 7))], 1e-12, 1e-300),
    "chi2sf": (lambda x, k: scipy.special.chdtrc(k, x), [(_NEAR_A, _A)], 1e-12, 0),
    "gammal": (
        lambda a, x: scipy.special.gammainc(a, x) * scipy.special.gamma(a),
        [(_uniform(0.1, 100), _uniform(0, 150))],
        1e-12,
        0,
    ),
    "gammau": (
        lambda a, x: scipy.special.gammaincc(a, x) * scipy.special.gamma(a),
        [(_uniform(0.1, 100), _uniform(0, 150))],
        1e-12,
        0,
    ),
    "jv": (scipy.special.jv, [(np.abs(_ORDERS), _uniform(0, 60))], 1e-11, 1e-14),
    "iv": (
        scipy.special.iv,
        [(_ORDERS, _uniform(0, 60)), (_sizes(-3, 7), _sizes(-3, 9))],
        2e-12,
        1e-300,
    ),
    "betainc": (
        scipy.special.betainc,
        [(_sizes(-3, 7), _sizes(-3, 7), _uniform(0, 1))],
        1e-11,
        1e-300,
    ),
}


@pytest.mark.parametrize("name", list(cases.SCALAR))
def test_scalar_functions_agree_with_scipy(scalar, name):
    function, grids, relative, absolute = GRIDS[name]
    for grid in grids:
        got, expected = scalar(f"each_{name}", *grid), function(*grid)
        np.testing.assert_allclose(got, expected, relative, absolute)
        with np.errstate(over="ignore"):
            single = [x.astype(np.float32) for x in grid]
            expected = function(*(x.astype(np.float64) for x in single)).astype(np.float32)
        got = scalar(f"each_{name}f", *single)
        np.testing.assert_allclose(got, expected, 2e-7, 1e-44)


@pytest.mark.parametrize("name", [n for n, count in cases.SCALAR.items() if count == 1])
def test_scalar_functions_at_special_values(scalar, name):
    x = np.array([0, -1, 1, -2, 2, -1.5, 1e300, np.inf, -np.inf, np.nan])
    if name in ("j0", "j1"):  # SciPy's phase is lost there, and C's is not
        x = x[np.abs(x) != 1e300]
    got, expected = scalar(f"each_{name}", x), GRIDS[name][0](x)
    if name == "gammaln":  # C's value at minus infinity is that of all poles
        expected[x == -np.inf] = np.inf
    np.testing.assert_allclose(got, expected, 1e-13)


def test_functions_of_two_arguments_at_special_values(scalar):
    values = np.array([0, 0.5, 1, 2, 340, 1e10, np.inf, -0.5, -1, np.nan])
    a, x = (np.ascontiguousarray(g.ravel()) for g in np.meshgrid(values, values))
    for name in ("gammainc", "gammaincc", "chi2sf"):
        got, expected = scalar(f"each_{name}", a, x), GRIDS[name][0](a, x)
        undefined = np.isnan(a) | np.isnan(x)  # SciPy's older releases overlook some
        undefined |= (a < 0) & (name == "chi2sf")
        expected[undefined] = np.nan
        np.testing.assert_allclose(got, expected, 1e-12, err_msg=name)
    orders = np.isfinite(a) & (np.abs(a) < 1e6) & ((x >= 0) | np.isnan(x)) & (x < 1e6)
    for name in ("jv", "iv"):
        v, z = a[orders].copy(), x[orders].copy()
        got, expected = scalar(f"each_{name}", v, z), GRIDS[name][0](v, z)
        np.testing.assert_allclose(got, expected, 1e-11, 1e-15, err_msg=name)


def test_bessel_functions_beyond_scipy(scalar):
    """Where SciPy loses digits: large orders and arguments, against mpmath."""
    points = [(45.613, 151.9287), (88, 181.6548), (-23.015, 149.787), (0.25, 15.2959)]
    points += [(691.35, 190.688), (1000, 2000), (2000.5, 1990), (3, 1e6), (95.1, 62.98)]
    v, x = (np.array(c, float) for c in zip(*points, strict=True))
    mp = cases.mp
    with mp.workdps(30):
        j = np.array([float(mp.besselj(a, b)) for a, b in points])
        small = [(a, b) for a, b in points if abs(a) < 1e4 and b < 1e3]
        small += [(-a - 0.25, b) for a, b in small]
        i = np.array([float(mp.besseli(a, b)) for a, b in small])
    amplitude = np.where(x > np.abs(v), np.sqrt(2 / (np.pi * x)), np.abs(j))
    assert (np.abs(scalar("each_jv", v, x) - j) <= 1e-12 * amplitude).all()
    v, x = (np.array(c, float) for c in zip(*small, strict=True))
    np.testing.assert_allclose(scalar("each_iv", v, x), i, 1e-11)


@pytest.mark.parametrize("dtype", DTYPES)
def test_simple_functions(scalar, dtype):
    x = special_values(dtype)
    a, b = (np.ascontiguousarray(g.ravel()) for g in np.meshgrid(x, x))
    halves = (np.arange(-21, 22) / 2).astype(dtype)
    near_half = np.nextafter(np.array([0.5, -0.5, 1.5], dtype), 0)
    x = np.concatenate([x, halves, near_half])

    def call(name, *xs):
        return scalar("each_" + suffixed(name, dtype), *xs)

    with np.errstate(all="ignore"):
        assert same(call("floordiv", a, b), np.floor_divide(a, b)).all()
        assert same(call("floormod", a, b), np.remainder(a, b)).all()
        np.testing.assert_array_equal(call("maximum", a, b), np.maximum(a, b))
        np.testing.assert_array_equal(call("minimum", a, b), np.minimum(a, b))
        away = np.copysign(np.floor(np.abs(x).astype(np.float64) + 0.5), x).astype(dtype)
        away = np.where(np.abs(x) < 0.5, np.copysign(0, x), away).astype(dtype)
        away = np.where(np.abs(x) >= 2.0**23, x, away).astype(dtype)
        small = (np.abs(x) < 2.0**52) | ~np.isfinite(x)
        assert same(call("round_half_away", x), away)[small].all()
        product = scipy.special.xlogy(a.astype(np.float64), b.astype(np.float64))
        product[(a == 0)] = 0
        got = call("xlogy0", a, b)
        info = np.finfo(dtype)
        least = 2 * info.smallest_subnormal
        np.testing.assert_allclose(got, product.astype(dtype), 4 * info.eps, least)


# ------------------------------------------------------------------ integers and conversions


def integer_text():
    parts = []
    for name, op in itertools.product(cases.INTEGERS, cases.INTEGER_OPS):
        t = ("uint" if name[0] == "u" else "int") + name[1:] + "_t"
        parts.append(
            f"void {op}_{name}(const {t} *a, const {t} *b, {t} *y, int64_t n) {{\n"
            f"  for (int64_t i = 0; i < n; i++) y[i] = sy_{op}_{name}(a[i], b[i]);\n}}\n"
        )
    for (source, real), name in itertools.product(
        (("f64", "double"), ("f32", "float")), cases.INTEGERS
    ):
        t = ("uint" if name[0] == "u" else "int") + name[1:] + "_t"
        parts.append(
            f"void {source}_to_{name}(const {real} *x, {t} *y, int64_t n) {{\n"
            f"  for (int64_t i = 0; i < n; i++) y[i] = sy_{source}_to_{name}(x[i]);\n}}\n"
        )
    return "".join(parts)


@pytest.fixture(scope="module")
def integer(tmp_path_factory):
    options = ["-O2", "-march=native", "-fsanitize=undefined", "-fsanitize-undefined-trap-on-error"]
    folder = tmp_path_factory.mktemp("integer")
    return cases.Library(folder, compiler(), integer_text(), options)


@pytest.mark.parametrize("name", cases.INTEGERS)
def test_integer_division_and_powers(integer, name):
    dtype = np.dtype(f"{'uint' if name[0] == 'u' else 'int'}{name[1:]}")
    info = np.iinfo(dtype)
    values = {0, 1, 2, 3, 5, 7, 10, 63, 100, info.min, info.min + 1, info.max, info.max - 1}
    values |= {-v for v in values if info.min <= -v}
    column = np.array(sorted(v for v in values if info.min <= v <= info.max), dtype)
    a, b = (np.ascontiguousarray(g.ravel()) for g in np.meshgrid(column, column))
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(integer(f"floordiv_{name}", a, b), a // b)
        np.testing.assert_array_equal(integer(f"floormod_{name}", a, b), a % b)
    got = integer(f"ipow_{name}", a, b)
    modulus = 2 ** int(name[1:])
    for base, exponent, power in zip(a.tolist(), b.tolist(), got.tolist(), strict=True):
        if exponent >= 0:
            assert power % modulus == pow(base, exponent, modulus)
        else:
            expected = {1: 1, -1: -1 if exponent % 2 else 1}.get(base, 0)
            assert power == expected, (base, exponent)


@pytest.mark.skipif(platform.machine() != "x86_64", reason="NumPy's results are those of x86")
@pytest.mark.parametrize("name", cases.INTEGERS)
@pytest.mark.parametrize("source", ["f64", "f32"])
def test_conversions_are_numpys(integer, name, source):
    dtype = np.dtype(f"{'uint' if name[0] == 'u' else 'int'}{name[1:]}")
    floats = np.dtype("float64" if source == "f64" else "float32")
    edges = [2.0**k + d for k in (7, 8, 15, 16, 31, 63) for d in (-1, -0.5, 0, 0.5, 1)]
    x = np.array([0, 0.99, 1.5, 200.7, 1e6, *edges, np.nan, np.inf], floats)
    x = np.concatenate([x, -x])
    if dtype.kind == "u":  # what NumPy does with these depends on its own vector code
        x = x[(x > -1) & (x < 2.0 ** int(name[1:]))]
    elif int(name[1:]) < 32:
        x = x[np.abs(x) < 2.0**31]
    with np.errstate(invalid="ignore"):
        expected = x.astype(dtype)
    np.testing.assert_array_equal(integer(f"{source}_to_{name}", x, out=dtype), expected)


# ------------------------------------------------------------------ CUDA


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("nvcc") is None, reason="no nvcc on PATH")
def test_every_function_compiles_for_cuda(tmp_path):
    lines = ['#include "special.h"']
    for name in (*cases.VECTOR, *cases.SCALAR, *cases.SIMPLE):
        for real, suffix in (("double", ""), ("float", "f")):
            xs = ", ".join(f"x[{i}]" for i in range(cases.arity(name)))
            lines.append(
                f"__global__ void k_{name}{suffix}(const {real} *x, {real} *y) "
                f"{{ *y = sy_{name}{suffix}({xs}); }}"
            )
    for name, op in itertools.product(cases.INTEGERS, cases.INTEGER_OPS):
        t = ("uint" if name[0] == "u" else "int") + name[1:] + "_t"
        call = f"{{ *y = sy_{op}_{name}(x[0], x[1]); }}"
        lines.append(f"__global__ void k_{op}_{name}(const {t} *x, {t} *y) {call}")
    source = tmp_path / "special.cu"
    source.write_text("\n".join(lines) + "\n")
    command = ["nvcc", "-std=c++17", "-ptx", f"-I{INCLUDE}", "-o", str(tmp_path / "special.ptx")]
    done = subprocess.run([*command, str(source)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[:4000]
