"""Sine and cosine of one value: computed together, and kept together when kernels are cut."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.loop import ir
from symc.loop.check import check_nest
from symc.loop.interp import run_nest
from symc.loop.kernel import Operand, Store
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY
from tests.codegen.harness import COMPILER

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

LENGTHS = [0, 1, 7, 8, 9, 15, 16, 17, 255, 256, 257, 1000]
RTOL = {"float32": 2e-6, "float64": 1e-14}
SPECIAL = [0.0, -0.0, np.nan, np.inf, -np.inf, 2.0**20, 2.0**20 + 1, 2.0**47, 2.0**47 + 1, 1e30]


def source(f):
    return "".join(unit.text for unit in f.maker.executor.main.source("symc").units)


def vector(dtype):
    return T.TensorType(dtype, (False,))()


def angles(dtype, n, far):
    """Of all magnitudes; with special and far ones among them."""
    rng = np.random.default_rng(n)
    x = rng.standard_normal(n) * 10 ** rng.uniform(-6, 12 if far else 5, n)
    x[1 : 1 + len(SPECIAL)] = SPECIAL[: max(n - 1, 0)] if far else x[1 : 1 + len(SPECIAL)]
    return x.astype(dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_the_pair_has_the_bits_of_each(dtype):
    x = vector(dtype)
    both = symc.function([x], [T.sin(x), T.cos(x)])
    sine, cosine = symc.function([x], T.sin(x)), symc.function([x], T.cos(x))
    assert "sy_strip_sin_cos" in source(both)
    assert "sy_strip_sin_cos" not in source(sine) + source(cosine)
    for n in LENGTHS:
        for far in (False, True):
            v = angles(dtype, n, far)
            for actual, expected in zip(both(v), (sine(v), cosine(v)), strict=True):
                np.testing.assert_array_equal(actual.view("uint8"), expected.view("uint8"))


@pytest.mark.parametrize(("dtype", "digits"), [("float32", 24), ("float64", 53)])
def test_accuracy(dtype, digits):
    x = vector(dtype)
    v = angles(dtype, 400, True)
    v = v[np.isfinite(v)]
    with mpmath.workprec(400):
        for actual, exact in zip(
            symc.function([x], [T.sin(x), T.cos(x)])(v), (mpmath.sin, mpmath.cos), strict=True
        ):
            for a, right in zip(actual, map(exact, map(float, v)), strict=True):
                ulp = mpmath.ldexp(1, (mpmath.frexp(right)[1] if right else 0) - digits)
                assert abs(mpmath.mpf(float(a)) - right) <= 1.14 * ulp


def mixture(m, a, b, c):
    """Angles in memory, computed, broadcast and behind other functions."""
    first = m.sin(a) * m.cos(a) + m.sin(b) * m.cos(b) - m.sin(c) * m.cos(c)
    return first + m.sin(2 * a + b) * m.cos(2 * a + b) + m.exp(m.sin(a + c)) * m.cos(a + c)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_and_reductions(dtype):
    types = [(False, False), (True, False), (False, True)]
    operands = [T.TensorType(dtype, t)() for t in types]
    values = mixture(T, *operands)
    elements = symc.function(operands, values)
    sums = [symc.function(operands, values.sum(axis=axis)) for axis in (None, 0, 1)]
    assert "sy_strip_sin_cos" in source(elements)
    assert "sy_strip_sin_cos" in source(sums[0])
    rng = np.random.default_rng(5)
    for shape in [(0, 3), (3, 0), (1, 1), (3, 7), (5, 300), (300, 5)]:
        shapes = shape, (1, shape[1]), (shape[0], 1)
        a, b, c = (rng.standard_normal(s).astype(dtype) for s in shapes)
        a[-1:, -2:] = 2e15 if dtype == "float64" else 1e7
        right = mixture(np, a, b, c).astype("float64")
        for given in (a, np.repeat(a, 2, axis=1)[:, ::2], np.asfortranarray(a)):
            tolerance = RTOL[dtype] * (10 + np.abs(right).sum())
            np.testing.assert_allclose(elements(given, b, c), right, rtol=0, atol=20 * RTOL[dtype])
            for f, axis in zip(sums, (None, 0, 1), strict=True):
                actual = f(given, b, c)
                np.testing.assert_allclose(actual, right.sum(axis), rtol=0, atol=tolerance)


def test_updates_in_place():
    x = angles("float64", 300, False)
    state = symc.shared(x)
    f = symc.function([], T.cos(state), updates=[(state, T.sin(state))])
    np.testing.assert_allclose(f(), np.cos(x), rtol=1e-14, atol=1e-15)
    np.testing.assert_allclose(state.get_value(), np.sin(x), rtol=1e-14, atol=1e-15)


def test_cosines_of_a_gradient_are_computed_with_the_sines():
    links, x = 40, T.dvector()
    start = np.linspace(-1, 1, 101)
    v, expected, slope = x, start, np.ones_like(start)
    for _ in range(links):
        v = T.tanh(T.sin(v) * 1.1) + x
        slope = slope * np.cos(expected) * 1.1
        inner = np.tanh(np.sin(expected) * 1.1)
        slope = slope * (1 - inner**2) + 1
        expected = inner + start
    f = symc.function([x], [v, symc.grad(v.sum(), x)])
    text = source(f)
    assert "sy_strip_sin_cos_f64(" in text
    assert "sy_strip_cos_f64(" not in text
    assert "sy_cos(" not in text
    for actual, right in zip(f(start), (expected, slope), strict=True):
        np.testing.assert_allclose(actual, right, rtol=1e-11, atol=1e-11)


def test_the_interpreter_stores_both():
    ctx = Context()
    zero, count, lane = ctx.integer(0), ctx.integer(5), ctx.index("i")
    both = ir.Apply("a", REGISTRY["sin"], count, ctx.load("x", (zero,), "float64"), "b")
    stores = [Store(to, (lane,), ctx.load(a, (lane,), "float64")) for to, a in ("ya", "zb")]
    arrays = [ir.Array(a, "float64", 8) for a in "ab"]
    loop = ir.For("i", zero, count, tuple(stores), "simd")
    operands = tuple(Operand(key, "float64", 1, mode) for key, mode in ("xr", "yw", "zw"))
    nest = ir.Nest(ctx, operands, (), (*arrays, both, loop))
    check_nest(nest)
    x = np.linspace(-3, 3, 5)
    known = {"x": x.copy(), "y": np.zeros(5), "z": np.zeros(5)}
    run_nest(nest, known, lambda payload: {}[payload])
    np.testing.assert_array_equal(known["y"], np.sin(x))
    np.testing.assert_array_equal(known["z"], np.cos(x))


def test_pairs_of_what_the_same_stage_keeps():
    rng = np.random.default_rng(8)
    start, factors = rng.standard_normal((2, 5, 40))
    x, y = T.dmatrix(), T.dmatrix()
    v, expected = x, start
    for _ in range(6):
        v = T.sin(v) - 0.1 * T.sum(v * y, axis=1, keepdims=True) * T.cos(v)
        total = (expected * factors).sum(axis=1, keepdims=True)
        expected = np.sin(expected) - 0.1 * total * np.cos(expected)
    found = symc.function([x, y], v)(start, factors)
    np.testing.assert_allclose(found, expected, rtol=1e-11, atol=1e-11)
