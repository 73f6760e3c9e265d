"""Every record, for every dtype it accepts, on special and random values: C against NumPy."""

import numpy as np
import pytest

from symc.scalar.op import REGISTRY
from tests.scalar import cunit
from tests.scalar.values import operands

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.skipif(cunit.compiler() is None, reason="no C compiler on PATH"),
]

# Largest distance, in units in the last place, of C from the reference; 4 by default.
ULP = {
    "erfc": 200,  # SciPy's far tail
    "pow": 80,  # complex: NumPy multiplies, C takes logarithms
}
# Absolute error, in units of the operand type's epsilon, where the result cancels.
ABSOLUTE = {"logaddexp": 4}

# Functions that are compared on these intervals only: beyond them SciPy, C, or both give up.
INTERVALS = {
    "erfcx": [(-20, 100)],
    "erfinv": [(-1, 1)],
    "erfcinv": [(0, 2)],
    "gamma": [(-15, 170)],
    "gammaln": [(-15, 6e4)],
    "psi": [(-9.9, 1e4)],
    "tri_gamma": [(0.02, 1e4)],
    "chi2sf": [(0, 200), (0.5, 100)],
    "gammainc": [(0.1, 120), (0, 250)],
    "gammaincc": [(0.1, 120), (0, 250)],
    "gammau": [(0.1, 30), (0, 60)],
    "gammal": [(0.1, 30), (0, 60)],
    "j0": [(-120, 120)],
    "j1": [(-120, 120)],
    "jv": [(0, 40), (0, 120)],
    "i0": [(-80, 80)],
    "i1": [(-80, 80)],
    "iv": [(0, 40), (0, 80)],
}
RELATIVE, OF_CANCELLATION = 3e-12, 1e-14


@pytest.fixture(scope="module")
def unit(tmp_path_factory):
    return cunit.Unit(tmp_path_factory.mktemp("records"), cunit.cases())


def reference(op, arrays):
    """The record's NumPy meaning; in double precision for functions of float32."""
    result = op.numpy_eval(*arrays)
    if op.out == "float" and result.dtype == np.float32:
        with np.errstate(all="ignore"):
            return np.asarray(op.numpy(*[a.astype(np.float64) for a in arrays])).astype(np.float32)
    return result


def representable(op, arrays, dtype):
    """Where a conversion to `dtype` has a defined result."""
    x = arrays[0].real.astype(np.float64)
    bits = 8 * np.dtype(dtype).itemsize
    return np.isfinite(x) & (np.abs(x) < 2.0 ** (31 if bits < 32 else 62))


def distance(got, expected, epsilon):
    """Distance in units in the last place, 0 where both are the same or both NaN."""
    with np.errstate(all="ignore"):
        same = (got == expected) | (np.isnan(got) & np.isnan(expected))
        size = np.minimum(np.abs(expected), np.finfo(expected.dtype).max)
        gap = np.abs(got - expected) - epsilon * np.finfo(size.dtype).eps
        return np.where(same, 0, np.maximum(gap, 0) / np.spacing(size))


def within(intervals, dtype):
    """Random values in intervals, and 0, 1 and NaN."""
    rng = np.random.default_rng(11)
    columns = []
    for low, high in intervals:
        if np.dtype(dtype).kind in "biu":
            least = 0 if dtype == "bool" else np.iinfo(dtype).min
            most = 1 if dtype == "bool" else np.iinfo(dtype).max
            low, high = max(np.ceil(low), least), min(high, most)
        column = np.concatenate([rng.uniform(low, high, 300), [1, 1]])
        if np.dtype(dtype).kind == "f":
            column = np.concatenate([column, [np.nan, 1.0, np.nan][: 1 + len(intervals)]])
        columns.append(np.ascontiguousarray(column.astype(dtype)))
    return columns


@pytest.mark.parametrize("name", list(INTERVALS))
def test_special_functions_agree_with_scipy(name, unit):
    op = REGISTRY[name]
    for case, dtype in cunit.cases():
        if case == name:
            arrays = within(INTERVALS[name], dtype)
            got, expected = unit(name, *arrays), reference(op, arrays)
            assert got.dtype == expected.dtype
            assert dtype != "float64" or np.isfinite(expected[:290]).mean() > 0.9
            eps = np.finfo(got.dtype).eps
            np.testing.assert_allclose(
                got, expected, rtol=max(RELATIVE, 4 * eps), atol=max(OF_CANCELLATION, 4 * eps**2)
            )


def failures(name, dtype, unit):
    op = REGISTRY[name]
    arrays = operands(dtype, cunit.arity(op))
    got, expected = unit(name, *arrays), reference(op, arrays)
    assert got.dtype == expected.dtype
    if got.dtype.kind in "biu":
        bad = got != expected
        if name.startswith("convert_to") and dtype[0] in "fc":
            bad &= representable(op, arrays, got.dtype)
    else:
        far = distance(got, expected, ABSOLUTE.get(name, 0))
        bad = ~(far <= ULP.get(name, 4))
        if got.dtype.kind == "c":  # NumPy and C differ in how infinities enter complex numbers
            bad &= np.isfinite(got) & np.isfinite(expected)
        else:  # results in the subnormal range may be off by a few units there
            tiny = np.finfo(got.dtype).tiny
            bad &= ~((np.abs(got) < tiny) & (np.abs(expected) < tiny))
    where = np.flatnonzero(bad)[:5]
    return [(dtype, *[a[i] for a in arrays], got[i], expected[i]) for i in where]


@pytest.mark.parametrize("name", [n for n in REGISTRY if n not in INTERVALS])
def test_agrees_with_numpy(name, unit):
    op = REGISTRY[name]
    found = []
    for case, dtype in cunit.cases():
        if case == name:
            found += failures(name, dtype, unit)
    assert not found, f"{op}: (dtype, operands, C, NumPy) = {found}"


def test_sign_of_zero(unit):
    x = np.array([0.0, -0.0])
    for name, op in REGISTRY.items():
        if name in ("sqr", "erfinv", "i1", "xlogx"):  # never negative; SciPy loses the sign
            continue
        if op.zero_at_zero and op.nin == 1 and cunit.accepts(op, "float64"):
            got, expected = unit(name, x), op.numpy_eval(x)
            if got.dtype == np.float64:
                assert np.array_equal(np.signbit(got), np.signbit(expected)), name


@pytest.mark.parametrize("dtype", ["int8", "int16", "int32", "int64"])
def test_division_of_the_least_integer_by_minus_one(dtype, unit):
    least = np.array([np.iinfo(dtype).min], dtype)
    minus = np.array([-1], dtype)
    assert unit("int_div", least, minus)[0] == least[0]
    assert unit("mod", least, minus)[0] == 0


def test_division_by_zero_is_numpys(unit):
    a, b = np.array([7, -7, 0]), np.array([0, 0, 0])
    assert unit("int_div", a, b).tolist() == [0, 0, 0]
    assert unit("mod", a, b).tolist() == [0, 0, 0]
    x, y = np.array([7.0, -7.0, 0.0]), np.zeros(3)
    with np.errstate(all="ignore"):
        np.testing.assert_array_equal(unit("int_div", x, y), np.floor_divide(x, y))
        np.testing.assert_array_equal(unit("mod", x, y), np.remainder(x, y))


def test_conversion_of_what_does_not_fit_is_defined(unit):
    x = np.array([np.nan, np.inf, -np.inf, 1e30, -1e30, 1.5, -1.5])
    least32, least64 = -(2**31), -(2**63)
    for dtype in ("float32", "float64"):
        values = x.astype(dtype)
        assert unit("convert_to_int32", values).tolist() == [least32] * 5 + [1, -1]
        assert unit("convert_to_int64", values).tolist() == [least64] * 5 + [1, -1]
        assert unit("convert_to_int8", values).tolist() == [0] * 5 + [1, -1]
        assert unit("convert_to_uint8", values).tolist() == [0] * 5 + [1, 255]


def test_empty_and_single(unit):
    assert unit("tanh", np.empty(0)).shape == (0,)
    np.testing.assert_allclose(unit("tanh", np.array([0.5])), np.tanh([0.5]), rtol=1e-15)
