"""Models trained the way Theano programs train them; every step is checked against NumPy."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import symc as theano
import symc.tensor as T
from tests.theano_programs.helpers import blobs, both_modes, np_softmax, one_hot


@both_modes
def test_logistic_regression_on_batches_of_a_shared_dataset(mode):
    x_data, y_data = blobs()
    data = theano.shared(x_data, borrow=True)
    labels = T.cast(theano.shared(y_data.astype("float64"), borrow=True), "int32")
    w = theano.shared(np.zeros((5, 3)), name="W", borrow=True)
    b = theano.shared(np.zeros(3), name="b", borrow=True)
    x, y, index = T.matrix("x"), T.ivector("y"), T.lscalar("index")
    p = T.nnet.softmax(T.dot(x, w) + b)
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    g_w, g_b = T.grad(cost, [w, b])
    rows = slice(index * 10, (index + 1) * 10)
    train = theano.function(
        inputs=[index],
        outputs=[cost, T.mean(T.neq(T.argmax(p, axis=1), y))],
        updates=[(w, w - 0.1 * g_w), (b, b - 0.1 * g_b)],
        givens={x: data[rows], y: labels[rows]},
        mode=mode,
    )
    np_w, np_b = np.zeros((5, 3)), np.zeros(3)
    for step in range(8):
        i = step % 4
        xs, ys = x_data[i * 10 : i * 10 + 10], y_data[i * 10 : i * 10 + 10]
        q = np_softmax(xs @ np_w + np_b)
        got_cost, got_error = train(i)
        np.testing.assert_allclose(got_cost, -np.log(q[np.arange(10), ys]).mean(), rtol=1e-9)
        np.testing.assert_allclose(got_error, (q.argmax(1) != ys).mean())
        delta = (q - one_hot(ys, 3)) / 10
        np_w, np_b = np_w - 0.1 * xs.T @ delta, np_b - 0.1 * delta.sum(0)
        np.testing.assert_allclose(w.get_value(), np_w, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(b.get_value(), np_b, rtol=1e-8, atol=1e-12)


def _momentum(p, g, state, t):
    v = 0.9 * state[0] - 0.1 * g
    return p + v, [v]


def _nesterov(p, g, state, t):
    v = 0.9 * state[0] - 0.1 * g
    return p + 0.9 * v - 0.1 * g, [v]


def _adagrad(p, g, state, t):
    a = state[0] + g**2
    return p - 0.1 * g / (a + 1e-6) ** 0.5, [a]


def _rmsprop(p, g, state, t):
    a = 0.9 * state[0] + 0.1 * g**2
    return p - 0.1 * g / (a + 1e-6) ** 0.5, [a]


def _adam(p, g, state, t):
    m, v = 0.9 * state[0] + 0.1 * g, 0.999 * state[1] + 0.001 * g**2
    rate = 0.1 * (1 - 0.999**t) ** 0.5 / (1 - 0.9**t)
    return p - rate * m / (v**0.5 + 1e-8), [m, v]


@both_modes
@pytest.mark.parametrize("rule", [_momentum, _nesterov, _adagrad, _rmsprop, _adam])
def test_update_rules_in_ordered_dicts(rule, mode):
    x_data, y_data = blobs(20, 4, 2)
    target = y_data.astype("float64")
    p = theano.shared(np.full(4, 0.1), name="p")
    t = theano.shared(np.float64(0))
    states = [theano.shared(np.zeros(4)) for _ in range(2 if rule is _adam else 1)]
    x, y = T.dmatrix("x"), T.dvector("y")
    cost = T.mean((T.dot(x, p) - y) ** 2)
    new_p, new_states = rule(p, T.grad(cost, p), states, t + 1)
    updates = OrderedDict(zip(states, new_states, strict=True))
    updates[p] = new_p
    updates[t] = t + 1
    train = theano.function([x, y], cost, updates=updates, mode=mode)
    np_p, np_s = np.full(4, 0.1), [np.zeros(4) for _ in states]
    for step in range(1, 6):
        residual = x_data @ np_p - target
        np.testing.assert_allclose(train(x_data, target), np.mean(residual**2), rtol=1e-8)
        np_p, np_s = rule(np_p, 2 * x_data.T @ residual / 20, np_s, step)
        np.testing.assert_allclose(p.get_value(), np_p, rtol=1e-7, atol=1e-10)


@both_modes
def test_autoencoder_with_tied_weights(mode):
    x_data, _ = blobs(12, 4)
    rng = np.random.default_rng(3)
    start = rng.normal(size=(4, 2)) * 0.3
    w, x = theano.shared(start), T.matrix("x")
    cost = T.mean(T.sum((T.dot(T.tanh(T.dot(x, w)), w.T) - x) ** 2, axis=1))
    train = theano.function([x], cost, updates=[(w, w - 0.01 * T.grad(cost, w))], mode=mode)
    v = start
    for _ in range(5):
        h = np.tanh(x_data @ v)
        r = h @ v.T - x_data
        np.testing.assert_allclose(train(x_data), (r**2).sum(1).mean(), rtol=1e-9)
        g = 2 * (r.T @ h + x_data.T @ ((r @ v) * (1 - h**2))) / 12
        v = v - 0.01 * g
        np.testing.assert_allclose(w.get_value(), v, rtol=1e-8)


@both_modes
def test_word_table_updates_only_the_rows_that_were_read(mode):
    start = np.random.default_rng(0).normal(size=(6, 3))
    table, idx = theano.shared(start), T.ivector("idx")
    rows = table[idx]
    cost = T.sum(rows**2)
    update = T.inc_subtensor(rows, -0.1 * T.grad(cost, rows))
    train = theano.function([idx], cost, updates=[(table, update)], mode=mode)
    expected = start.copy()
    for words in ([0, 3], [3, 3, 5], [1]):
        np.testing.assert_allclose(train(np.array(words, "int32")), (expected[words] ** 2).sum())
        step = -0.2 * expected[words]
        np.add.at(expected, words, step)
        np.testing.assert_allclose(table.get_value(), expected)


@both_modes
def test_gradients_clipped_by_their_global_norm(mode):
    a, b = theano.shared(np.array([3.0, -4.0])), theano.shared(np.float64(12.0))
    cost = T.sum(a**2) / 2 + b**2 / 2
    grads = T.grad(cost, [a, b])
    norm = T.sqrt(sum(T.sum(g**2) for g in grads))
    scale = T.switch(T.gt(norm, 1.0), 1.0 / norm, 1.0)
    step = theano.function(
        [],
        norm,
        updates=[(p, p - g * scale) for p, g in zip([a, b], grads, strict=True)],
        mode=mode,
    )
    value = np.array([3.0, -4.0, 12.0])
    for _ in range(4):
        n = np.sqrt((value**2).sum())
        np.testing.assert_allclose(step(), n)
        value = value - value * (1 / n if n > 1 else 1)
        np.testing.assert_allclose(np.append(a.get_value(), b.get_value()), value)


@both_modes
def test_newton_steps_with_the_hessian(mode):
    rng = np.random.default_rng(11)
    inputs, targets = rng.normal(size=(40, 3)), rng.integers(0, 2, 40).astype("float64")
    x, y = T.dmatrix("x"), T.dvector("y")
    w = theano.shared(np.zeros(3), "w")
    p = T.nnet.sigmoid(T.dot(x, w))
    cost = T.nnet.binary_crossentropy(p, y).mean() + 0.05 * (w**2).sum()
    outputs = [T.grad(cost, w), theano.gradient.hessian(cost, w)]
    f = theano.function([x, y], outputs, mode=mode)
    expected = np.zeros(3)
    for _ in range(5):
        slope, curvature = f(inputs, targets)
        q = 1 / (1 + np.exp(-inputs @ expected))
        want = inputs.T @ (q - targets) / 40 + 0.1 * expected
        second = (inputs.T * (q * (1 - q))) @ inputs / 40 + 0.1 * np.eye(3)
        np.testing.assert_allclose(slope, want, rtol=1e-8, atol=1e-12)
        np.testing.assert_allclose(curvature, second, rtol=1e-9, atol=1e-12)
        expected = expected - np.linalg.solve(second, want)
        w.set_value(w.get_value() - np.linalg.solve(curvature, slope))
    assert np.abs(slope).max() < 1e-9
