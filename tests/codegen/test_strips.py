"""Kernels of several functions, swept in strips; and written loops printed for unit strides."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from tests.codegen.harness import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

LENGTHS = [0, 1, 7, 127, 128, 129, 1000]
RTOL = {"float32": 2e-6, "float64": 1e-14}


def mixture(m, a, b):
    return m.tanh(m.exp(-a * a) * m.sin(b) + 1 / (1 + m.exp(-a))), m.cos(a) * m.exp(b) - a


def inputs(dtype, *shapes):
    rng = np.random.default_rng(3)
    return [rng.standard_normal(shape).astype(dtype) for shape in shapes]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vectors(dtype):
    a, b = (T.TensorType(dtype, (False,))() for _ in "ab")
    f = symc.function([a, b], mixture(T, a, b))
    for n in LENGTHS:
        x, y = inputs(dtype, n, n)
        for actual, expected in zip(f(x, y), mixture(np, x, y), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=RTOL[dtype], atol=RTOL[dtype])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_with_a_broadcast_operand_and_strides(dtype):
    a = T.TensorType(dtype, (False, False))()
    b = T.TensorType(dtype, (True, False))()
    f = symc.function([a, b], mixture(T, a, b))
    x, y = inputs(dtype, (9, 2 * 131), (1, 131))
    for rows in (x[:, :131].copy(), x[:, ::2], x.reshape(131, 18)[:, :9].T):
        for actual, expected in zip(f(rows, y[:, : rows.shape[1]]),
                                    mixture(np, rows, y[:, : rows.shape[1]]), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=RTOL[dtype], atol=RTOL[dtype])


def repeated(m, x):
    """Every function often enough to be applied by a C function of its own."""
    for _ in range(4):
        x = m.sin(m.tanh(x) + 1.5 * x)
    return x


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_functions_used_often(dtype):
    x = T.TensorType(dtype, (False,))()
    f = symc.function([x], [repeated(T, x), T.log(T.log(T.log(x)))])
    for n in LENGTHS:
        (v,) = inputs(dtype, n)
        v[-3:] = [np.nan, np.inf, 1e9][:n]
        with np.errstate(all="ignore"):
            expected = repeated(np, v), np.log(np.log(np.log(v)))
        for actual, right in zip(f(v), expected, strict=True):
            np.testing.assert_allclose(actual, right, rtol=20 * RTOL[dtype], atol=RTOL[dtype])


def waves(m, a, b, c, d):
    """A sum that calls one function of several operands in memory, and of what is computed."""
    return m.cos(a) * m.cos(b) + m.cos(c) * m.cos(d) + m.cos(a + b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reductions_that_call_a_function_often(dtype, axis):
    operands = [T.TensorType(dtype, (False, False))() for _ in "abcd"]
    f = symc.function(operands, waves(T, *operands).sum(axis=axis))
    texts = [unit.text for unit in f.maker.executor.main.source("symc").units]
    assert axis == 0 or max(text.count("sy_strip_cos") for text in texts) > 4
    for shape in [(0, 3), (1, 1), (3, 7), (5, 300), (300, 5), (2, 5000)]:
        x = inputs(dtype, *[shape] * 4)
        x[0][-1:, -2:] = 1e9
        strided = [np.repeat(v, 2, axis=1)[:, ::2] for v in x]
        right = waves(np, *x).astype("float64")
        for given in (x, strided):
            tolerance = RTOL[dtype] * (10 + np.abs(right).sum())
            np.testing.assert_allclose(f(*given), right.sum(axis), rtol=0, atol=tolerance)


def test_updates_in_place():
    x, y = inputs("float64", 300, 300)
    state, b = symc.shared(x), T.dvector()
    new, other = mixture(T, state, b)
    f = symc.function([b], other, updates=[(state, new)])
    expected_state, expected = mixture(np, x, y)
    np.testing.assert_allclose(f(y), expected, rtol=1e-14, atol=1e-14)
    np.testing.assert_allclose(state.get_value(), expected_state, rtol=1e-14, atol=1e-14)


def test_long_chains_are_cut_into_equal_kernels():
    x = T.dvector()
    v, expected = x, np.linspace(-1, 1, 100)
    start = expected
    for _ in range(60):
        v = T.tanh(T.sin(v) * 1.1) + x
        expected = np.tanh(np.sin(expected) * 1.1) + start
    np.testing.assert_allclose(symc.function([x], v)(start), expected, rtol=1e-12)


@pytest.mark.parametrize("step", [1, 2, -1])
@pytest.mark.parametrize("count", [1, 90])
def test_written_copies(step, count):
    x, y = inputs("float32", 100 * abs(step), 90)
    x = x[::step]
    a, b = T.fvector(), T.fvector()
    f = symc.function([a, b], [T.set_subtensor(a[10:], b), T.concatenate([a, b])])
    changed = x.copy()
    changed[10:] = y[:count]
    written, joined = f(x, y[:count])
    np.testing.assert_array_equal(written, changed)
    np.testing.assert_array_equal(joined, np.concatenate([x, y[:count]]))


@pytest.mark.parametrize("shape", [(2, 3000), (3000, 3), (7, 33), (8, 40), (0, 5), (1, 1)])
def test_turned_operands(shape):
    x, y = inputs("float32", shape, shape[::-1])
    a, b = T.fmatrix(), T.fmatrix()
    np.testing.assert_array_equal(symc.function([a, b], a.T + b)(x, y), x.T + y)
