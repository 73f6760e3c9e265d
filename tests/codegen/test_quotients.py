"""Quotients by what a sweep does not change are computed as products, to the same float."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from tests.codegen.harness import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

LARGEST = np.finfo("float32").max
TINY = np.float32(2.0**-149)


def by_maximum(dtype):
    x = T.TensorType(dtype, (False, False))()
    return symc.function([x], x / x.max(axis=1, keepdims=True))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("length", [1, 31, 33, 300])
def test_random_quotients(dtype, length):
    rng = np.random.default_rng(length)
    exponents = rng.integers(-60, 60, (200, length))
    x = (rng.uniform(0.5, 2, (200, length)) * 2.0**exponents).astype(dtype)
    np.testing.assert_array_equal(by_maximum(dtype)(x), x / x.max(axis=1, keepdims=True))


@pytest.mark.parametrize("maximum", [np.inf, np.nan, 0.0, -0.0, -1.5, TINY, 3e-39, LARGEST])
def test_special_quotients(maximum):
    below = [-np.inf, -LARGEST, -3.0, -1.5, -TINY, 0.0, -0.0, TINY, 7 * TINY, 1e-38, 0.3, np.nan]
    kept = [v for v in below if not v > maximum]
    x = np.tile(np.array([maximum, *kept], dtype="float32"), (3, 9))
    with np.errstate(all="ignore"):
        expected = x / x.max(axis=1, keepdims=True)
    actual = by_maximum("float32")(x)
    np.testing.assert_array_equal(actual, expected)
    numbers = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual[numbers]), np.signbit(expected[numbers]))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("divisor", [1.0, 3.0, 2.0**-20, 1.1 * 2.0**19, 2.0**20, 2.0**21, 2.0**-21])
def test_quotients_by_moderate_and_other_numbers(dtype, divisor):
    info = np.finfo(dtype)
    rng = np.random.default_rng(7)
    x, d = T.TensorType(dtype, (False, False))(), T.TensorType(dtype, (False,))()
    none = T.cast((x < -np.inf).sum(axis=1), dtype)  # a reduction, so that rows are swept
    f = symc.function([x, d], x / (d + none)[:, None])
    numbers = rng.uniform(-2, 2, (2, 500)) * 2.0 ** rng.integers(-90, 90, (2, 500))
    special = [0.0, -0.0, np.inf, -np.inf, np.nan, info.max, -info.max]
    values = np.concatenate([numbers, np.tile(special, (2, 1))], axis=1).astype(dtype)
    divisors = np.array([divisor, -divisor], dtype)
    with np.errstate(all="ignore"):
        expected = values / divisors[:, None]
    actual = f(values, divisors)
    np.testing.assert_array_equal(actual, expected)
    is_number = ~np.isnan(expected)
    np.testing.assert_array_equal(np.signbit(actual)[is_number], np.signbit(expected)[is_number])


def test_quotients_of_subnormal_numbers_are_off_by_one_ulp_at_most():
    tiny = np.arange(-40, 41, dtype="float32") * TINY
    x = np.tile(np.append(tiny, np.float32(3.3)), (2, 1))
    expected = x.astype("float64") / x.max(axis=1, keepdims=True)
    error = np.abs(by_maximum("float32")(x) - expected)[:, :-1]
    assert error.max() <= 1.001 * TINY
