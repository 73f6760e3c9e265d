"""Theano's names of softmax, batch normalisation and block ops, against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.tensor import nnet
from symc.tensor.nnet import blocksparse, bn, conv3d2d, neighbours

RNG = np.random.default_rng(6)
X, B, G = RNG.standard_normal((5, 4)), RNG.standard_normal(4), RNG.standard_normal((5, 4))
Y = np.array([0, 3, 1, 1, 2])


def value(expression: Any) -> Any:
    several = isinstance(expression, (list, tuple))
    return symc.function([], list(expression) if several else expression, mode="FAST_COMPILE")()


def shares(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def test_softmax_and_cross_entropies() -> None:
    s = shares(X + B)
    np.testing.assert_allclose(value(nnet.SoftmaxWithBias()(X, B)), s)
    loss, got, best = value(nnet.CrossentropySoftmaxArgmax1HotWithBias()(X, B, Y))
    np.testing.assert_allclose(got, s)
    np.testing.assert_allclose(loss, -np.log(s[np.arange(5), Y]))
    np.testing.assert_array_equal(best, s.argmax(1))
    np.testing.assert_allclose(
        value(nnet.softmax_grad(G, s)), (G - (G * s).sum(1, keepdims=True)) * s
    )
    g, hot = G[:, 0], np.eye(4)[Y]
    dx = nnet.crossentropy_softmax_1hot_with_bias_dx
    np.testing.assert_allclose(value(dx(g, s, Y)), g[:, None] * (s - hot))
    np.testing.assert_allclose(value(dx(2.0, s, Y)), 2 * (s - hot))
    loss = value(nnet.CrossentropyCategorical1Hot()(s, Y))
    np.testing.assert_allclose(loss, -np.log(s[np.arange(5), Y]))
    slope = value(nnet.crossentropy_categorical_1hot_grad(g, s, Y))
    np.testing.assert_allclose(slope, -g[:, None] * hot / s)


def test_first_columns() -> None:
    ones = np.hstack([np.ones((5, 1)), X])
    np.testing.assert_array_equal(value(nnet.prepend_1_to_each_row(X)), ones)
    np.testing.assert_array_equal(value(nnet.Prepend_scalar_constant_to_each_row(1)(X)), ones)
    np.testing.assert_array_equal(value(nnet.prepend_0_to_each_row(X))[:, 0], np.zeros(5))
    op = nnet.Prepend_scalar_to_each_row()
    np.testing.assert_array_equal(value(op(T.constant(1.0), X)), ones)
    with pytest.raises(TypeError, match="matrix"):
        nnet.prepend_0_to_each_row(B)


def test_batch_normalisation() -> None:
    x = RNG.standard_normal((4, 3, 5))
    scale, bias, mean, var = RNG.random((4, 1, 3, 1)) + 0.5
    axes = (0, 2)
    own, spread = x.mean(axes, keepdims=True), x.var(axes, keepdims=True)
    inv = 1 / np.sqrt(spread + 1e-3)
    y, got_mean, got_inv = value(bn.AbstractBatchNormTrain(axes)(x, scale, bias, 1e-3))[:3]
    np.testing.assert_allclose(y, (x - own) * inv * scale + bias)
    np.testing.assert_allclose(got_mean, own)
    np.testing.assert_allclose(got_inv, inv)
    y = value(bn.AbstractBatchNormInference(axes)(x, scale, bias, mean, var, 1e-3))
    np.testing.assert_allclose(y, (x - mean) / np.sqrt(var + 1e-3) * scale + bias)
    y = value(bn.BNComposite()(x, mean, var, scale, bias))
    np.testing.assert_allclose(y, (x - mean) / var * scale + bias)
    g = RNG.standard_normal(x.shape)
    slopes = value(bn.AbstractBatchNormTrainGrad(axes)(x, g, scale, own, inv, 1e-3))

    def cost(a: Any, s: Any, b: Any) -> Any:
        m, v = a.mean(axes, keepdims=True), a.var(axes, keepdims=True)
        return np.sum(g * ((a - m) / np.sqrt(v + 1e-3) * s + b))

    for k, at in ((0, (1, 2, 3)), (0, (3, 0, 0)), (1, (0, 1, 0)), (2, (0, 2, 0))):
        ends = []
        for sign in (1, -1):
            arguments = [x.copy(), scale.copy(), bias.copy()]
            arguments[k][at] += sign * 1e-6
            ends.append(cost(*arguments))
        assert slopes[k][at] == pytest.approx((ends[0] - ends[1]) / 2e-6, rel=1e-5)


def test_products_of_blocks() -> None:
    w, h = RNG.standard_normal((3, 4, 2, 5)), RNG.standard_normal((2, 2, 2))
    into, out = np.array([[0, 2], [1, 1]]), np.array([[3, 0, 1], [2, 2, 0]])
    o = RNG.standard_normal((2, 3, 5))
    expected = o.copy()
    for n, j, i in np.ndindex(2, 3, 2):
        expected[n, j] += h[n, i] @ w[into[n, i], out[n, j]]
    got = value(blocksparse.SparseBlockGemv()(o, w, h, into, out))
    np.testing.assert_allclose(got, expected)
    expected = w.copy()
    for n, i, j in np.ndindex(2, 2, 3):
        expected[into[n, i], out[n, j]] += 0.5 * np.outer(h[n, i], o[n, j])
    got = value(blocksparse.SparseBlockOuter()(w, h, o, into, out, 0.5))
    np.testing.assert_allclose(got, expected)


def test_diagonals_and_patches() -> None:
    x = RNG.standard_normal((2, 7, 3, 4))
    for i0, i1 in ((1, 2), (3, 0), (1, 0)):
        moved = np.moveaxis(x, (i0, i1), (0, 1))
        t, k = moved.shape[0] - moved.shape[1] + 1, moved.shape[1]
        expected = np.stack(
            [np.stack([moved[a + k - 1 - b, b] for b in range(k)]) for a in range(t)]
        )
        got = value(conv3d2d.DiagonalSubtensor()(x, i0, i1))
        np.testing.assert_array_equal(got, np.moveaxis(expected, (0, 1), (i0, i1)))
    patches = value(neighbours.Images2Neibs()(x[:, :, :2], (2, 2)))
    assert patches.shape == (2 * 7 * 1 * 2, 4)
    np.testing.assert_array_equal(patches[0], x[0, 0, :2, :2].ravel())


def test_local_response() -> None:
    x = RNG.standard_normal((2, 6, 3))
    padded = np.pad(x**2, ((0, 0), (2, 2), (0, 0)))
    total = sum(padded[:, k : k + 6] for k in range(5))
    got = value(nnet.local_response_normalization(x, 0.3, 1.5, 0.5))
    np.testing.assert_allclose(got, x / np.sqrt(1.5 + 0.3 * total))
    one = value(nnet.local_response_normalization(x, 0.3, 1.5, 0.5, n=1))
    np.testing.assert_allclose(one, x / np.sqrt(1.5 + 0.3 * x**2))
    with pytest.raises(ValueError, match="odd number n, got 4"):
        nnet.local_response_normalization(x, n=4)
    with pytest.raises(ValueError, match="second axis"):
        nnet.local_response_normalization(B)
