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

# Largest distance, in units in the last place, of C from the reference; 4 by default. For the
# functions named with a reason it is the reference that is inexact, or both lose digits.
ULP = {
    "erfc": 200,  # SciPy's far tail
    "pow": 80,  # complex: NumPy multiplies, C takes logarithms; real: see PRECISE
    "gamma": 60,
    "gammaln": 60,
    "psi": 60,
    "tri_gamma": 60,
    "chi2sf": 4000,
    "gammainc": 4000,
    "gammaincc": 4000,
    "gammau": 4000,
    "gammal": 4000,
    "erfinv": 40,
    "erfcinv": 60,
    "erfcx": 10,
}
# Absolute error, as a multiple of the operand type's epsilon, where the result cancels.
ABSOLUTE = {
    "logaddexp": 4,
    "psi": 20,
    "gammaln": 20,
    "j0": 8,
    "j1": 8,
    "jv": 400,
    "pow": 0,
}


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
        size = np.abs(expected)
        gap = np.abs(got - expected) - epsilon * np.finfo(size.dtype).eps
        return np.where(same, 0, np.maximum(gap, 0) / np.spacing(size))


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


@pytest.mark.parametrize("name", list(REGISTRY))
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
        if op.zero_at_zero and op.nin == 1 and cunit.accepts(op, "float64") and name != "sqr":
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


def test_empty_and_single(unit):
    assert unit("tanh", np.empty(0)).shape == (0,)
    np.testing.assert_allclose(unit("tanh", np.array([0.5])), np.tanh([0.5]), rtol=1e-15)
