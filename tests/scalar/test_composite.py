"""Compositions of scalar ops as one."""

import pickle

import numpy as np
import pytest

from symc.scalar.composite import Composite
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context
from symc.scalar.logic import cast
from symc.scalar.math import exp, tanh


def sample():
    ctx = Context()
    x, y = ctx.arg(4, "float32"), ctx.arg(7, "float32")
    return Composite([x, y], [tanh(x + y) * 2])


def test_name_types_and_value():
    c = sample()
    assert str(c) == "Composite{(tanh((i0 + i1)) * 2.0)}"
    assert (c.nin, c.nout) == (2, 1)
    assert c.out_dtype("float32", "float32") == "float32"
    assert c.needs == ("special.h",)
    assert c.vector
    a, b = np.float32([0.1, 0.2]), np.float32([[0.3], [0.4]])
    got = c.numpy_eval(a, b)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, 2 * np.tanh(a + b), rtol=1e-6)


def test_a_call_is_inlined():
    ctx = Context()
    u = ctx.arg(0, "float32")
    assert sample()(u, 3) is tanh(u + 3) * 2
    assert sample()(u, ctx.arg(1, "float64")).dtype == "float32", "operands are converted"
    with pytest.raises(TypeError, match="wrong number of operands"):
        sample()(u)


def test_equality_hash_and_pickling():
    a, b = sample(), sample()
    assert a == b
    assert hash(a) == hash(b)
    ctx = Context()
    x = ctx.arg(0, "float32")
    assert a != Composite([x], [tanh(x) * 2])
    c = pickle.loads(pickle.dumps(a))
    assert c == a
    assert str(c) == str(a)
    np.testing.assert_array_equal(c.numpy_eval(1.0, 2.0), a.numpy_eval(1.0, 2.0))


def test_gradient():
    c = sample()
    ctx = Context()
    x, y, g = ctx.arg(0, "float32"), ctx.arg(1, "float32"), ctx.arg(2, "float32")
    gx, gy = c.grad_exprs(g, c(x, y), (x, y))
    feed = {x: 0.3, y: 0.4, g: 2.0}
    expected = 2 * 2 * (1 - np.tanh(0.7) ** 2)
    for term in (gx, gy):
        assert term.dtype == "float32"
        np.testing.assert_allclose(evaluate([term], feed)[0], expected, rtol=1e-6)


def test_several_outputs():
    ctx = Context()
    x, y = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    c = Composite([x, y], [exp(x), x * y, x > y])
    assert c.nout == 3
    assert c.out_dtype("float64", "float64") == ("float64", "float64", "bool")
    e, p, q = c.numpy_eval(np.array([1.0, 2.0]), 1.5)
    np.testing.assert_allclose(e, np.exp([1.0, 2.0]))
    np.testing.assert_array_equal(p, [1.5, 3.0])
    assert q.tolist() == [False, True]
    other = Context()
    u, v = other.arg(0, "float64"), other.arg(1, "float32")
    outs = c.typed_calls(other, [u, v], ["float32", "float64", "bool"])
    assert outs[0] is cast(exp(u), "float32")
    assert outs[1] is u * cast(v, "float64")
    g = [other.arg(5, "float64"), other.arg(6, "float64"), None]
    gu, gw = c.grad_exprs(g, outs, (u, other.arg(2, "float64")))
    feed = {u: 0.5, other.arg(2, "float64"): 3.0, g[0]: 2.0, g[1]: 7.0}
    np.testing.assert_allclose(evaluate([gu], feed)[0], 2 * np.exp(0.5) + 7 * 3)
    np.testing.assert_allclose(evaluate([gw], feed)[0], 7 * 0.5)


def test_constant_outputs_have_the_broadcast_shape():
    ctx = Context()
    x = ctx.arg(0, "float64")
    c = Composite([x], [ctx.const(1.0, "float64")])
    assert c.numpy_eval(np.zeros((2, 3))).shape == (2, 3)


def test_unknown_leaves_are_refused():
    ctx = Context()
    x, n = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    with pytest.raises(ValueError, match="not among its inputs"):
        Composite([x], [x + n])


def test_long_formulas_are_cut():
    ctx = Context()
    x = ctx.arg(0, "float64")
    e = x
    for _ in range(2000):
        e = tanh(e + x)
    c = Composite([x], [e])
    assert len(str(c)) < 500
    assert pickle.loads(pickle.dumps(c)) == c
