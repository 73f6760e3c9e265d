"""Losses and accuracies, initial values, penalties and helpers against their formulas."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers, nonlinearities, objectives, regularization, utils

RNG = np.random.default_rng(0)
SCORES = RNG.standard_normal((6, 4))
SHARES = np.exp(SCORES) / np.exp(SCORES).sum(1, keepdims=True)
LABELS = np.array([0, 3, 1, 2, 2, 0])
ONE_HOT = np.eye(4)[LABELS]


def value(expression):
    return symc.function([], expression, mode="FAST_COMPILE")()


def test_losses():
    p, t = RNG.uniform(0.1, 0.9, (5, 1)), RNG.integers(0, 2, 5).astype(float)
    column = t[:, None]
    crossed = -(column * np.log(p) + (1 - column) * np.log(1 - p))
    as_column = T.TensorType("float64", (False, True))("p")
    got = symc.function([as_column], objectives.binary_crossentropy(as_column, T.constant(t)))(p)
    np.testing.assert_allclose(got, crossed)
    expected = -np.log(SHARES[np.arange(6), LABELS])
    for targets in (LABELS, ONE_HOT):
        loss = objectives.categorical_crossentropy(T.constant(SHARES), T.constant(targets))
        np.testing.assert_allclose(value(loss), expected)
    a, b = RNG.standard_normal((2, 7))
    np.testing.assert_allclose(value(objectives.squared_error(a, b)), (a - b) ** 2)
    e = abs(a - b)
    huber = np.where(e > 0.7, 0.7 * (e - 0.35), 0.5 * e**2)
    np.testing.assert_allclose(value(objectives.huber_loss(a, b, delta=0.7)), huber)
    signs = np.where(b > 0, 1.0, -1.0)
    for targets, binary in ((b > 0, True), (signs, False)):
        loss = objectives.binary_hinge_loss(a, targets.astype(float), 0.5, binary=binary)
        np.testing.assert_allclose(value(loss), np.maximum(0, 0.5 - signs * a))
    others = np.where(ONE_HOT > 0, -np.inf, SCORES).max(1)
    hinge = np.maximum(0, 0.3 + others - SCORES[np.arange(6), LABELS])
    for targets in (LABELS, ONE_HOT):
        loss = objectives.multiclass_hinge_loss(T.constant(SCORES), T.constant(targets), 0.3)
        np.testing.assert_allclose(value(loss), hinge)


def test_aggregation():
    losses, weights = RNG.random(5), RNG.random(5)
    for mode, expected in (
        ("mean", (losses * weights).mean()),
        ("sum", (losses * weights).sum()),
        ("normalized_sum", (losses * weights).sum() / weights.sum()),
    ):
        assert value(objectives.aggregate(losses, weights, mode)) == pytest.approx(expected)
    with pytest.raises(ValueError, match="normalized_sum"):
        objectives.aggregate(losses, mode="normalized_sum")
    with pytest.raises(ValueError, match="'median'"):
        objectives.aggregate(losses, mode="median")


def test_accuracies():
    a, b = RNG.random(9), RNG.integers(0, 2, 9)
    np.testing.assert_array_equal(value(objectives.binary_accuracy(a, b, 0.4)), (a >= 0.4) == b)
    order = np.argsort(SCORES, axis=1)
    for k in (1, 2, 4):
        expected = [label in row[-k:] for label, row in zip(LABELS, order, strict=True)]
        for targets in (LABELS, ONE_HOT):
            got = objectives.categorical_accuracy(T.constant(SCORES), T.constant(targets), k)
            np.testing.assert_array_equal(value(got), expected)


def test_nonlinearities():
    x = np.linspace(-3, 3, 13)
    cases = [
        (nonlinearities.sigmoid, 1 / (1 + np.exp(-x))),
        (nonlinearities.tanh, np.tanh(x)),
        (nonlinearities.ScaledTanH(2 / 3, 1.7159), 1.7159 * np.tanh(2 / 3 * x)),
        (nonlinearities.rectify, np.maximum(x, 0)),
        (nonlinearities.leaky_rectify, np.where(x > 0, x, 0.01 * x)),
        (nonlinearities.very_leaky_rectify, np.where(x > 0, x, x / 3)),
        (nonlinearities.elu, np.where(x > 0, x, np.expm1(x))),
        (nonlinearities.selu, 1.0507009873554805 * np.where(
            x > 0, x, 1.6732632423543772 * np.expm1(x))),
        (nonlinearities.softplus, np.log1p(np.exp(x))),
        (nonlinearities.linear, x),
    ]
    for function, expected in cases:
        np.testing.assert_allclose(value(function(T.constant(x))), expected, rtol=1e-9, atol=1e-12)
        pickle.loads(pickle.dumps(function))


@init.initializer
def ramp(shape, top=1.0):
    return np.linspace(0, top, int(np.prod(shape))).reshape(shape)


def test_initial_values():
    cases = [
        (init.Normal(0.5, 2.0), (300, 40), 2.0, 0.5),
        (init.Uniform(0.3), (300, 40), 0.0, 0.3 / np.sqrt(3)),
        (init.Uniform((1.0, 2.0)), (300, 40), 1.5, 1 / np.sqrt(12)),
        (init.Uniform(std=0.2, mean=1.0), (300, 40), 1.0, 0.2),
        (init.GlorotUniform(), (300, 40), 0.0, np.sqrt(2 / 340)),
        (init.GlorotNormal("relu"), (30, 20, 5, 4), 0.0, np.sqrt(2) * np.sqrt(2 / (50 * 20))),
        (init.GlorotNormal(c01b=True), (20, 5, 4, 30), 0.0, np.sqrt(2 / (50 * 20))),
        (init.HeNormal(), (300, 40), 0.0, np.sqrt(1 / 300)),
        (init.HeUniform("relu"), (30, 20, 5, 4), 0.0, np.sqrt(2 / 400)),
    ]
    for make, shape, mean, std in cases:
        got = make(shape)
        assert got.shape == shape
        assert got.dtype == symc.config.floatX
        assert got.mean() == pytest.approx(mean, abs=5 * std / np.sqrt(got.size))
        assert got.std() == pytest.approx(std, rel=0.05)
    basis = init.Orthogonal(2.0)((6, 3, 5))
    flat = basis.reshape(6, 15)
    np.testing.assert_allclose(flat @ flat.T, 4 * np.eye(6), atol=1e-6)
    sparse = init.Sparse(0.25)((40, 7))
    assert ((sparse != 0).sum(0) == 10).all()
    assert (init.Constant(3.0)((2, 2)) == 3.0).all()
    again = pickle.loads(pickle.dumps(ramp(top=3.0)))
    assert again((2, 2)).tolist() == [[0.0, 1.0], [2.0, 3.0]]
    with pytest.raises(TypeError, match=r"ramp .*\(shape, top=1.0\).*'height'"):
        ramp(height=3.0)
    for wrong in (init.GlorotUniform(), init.Orthogonal()):
        with pytest.raises(ValueError, match="two"):
            wrong((5,))
    with pytest.raises(ValueError, match="4 dimensions"):
        init.GlorotUniform(c01b=True)((5, 5))


def test_parameters_of_any_kind():
    shared = symc.shared(np.zeros((2, 3)))
    assert utils.create_param(shared, (2, 3), "W") is shared
    assert shared.name == "W"
    assert utils.create_param(np.ones((2, 1)), (2, 1)).broadcastable == (False, True)
    assert utils.create_param(init.Constant(2.0), (2, 3)).get_value().tolist() == [[2.0] * 3] * 2
    for spec, shape, error in (
        (np.ones(3), (2, 3), ValueError),
        (shared, (3, 2), ValueError),
        (T.vector(), (2, 3), ValueError),
        ("a", (2, 3), TypeError),
        (lambda shape: "a", (2, 3), TypeError),
        (init.Constant(0.0), (2, 0), ValueError),
    ):
        with pytest.raises(error, match="shape|dimensions|type|positive"):
            utils.create_param(spec, shape, "W")


def test_tied_and_reparametrised_weights():
    x = T.matrix("x")
    below = layers.InputLayer((None, 5), x)
    first = layers.DenseLayer(below, 3, W=T.exp(symc.shared(RNG.standard_normal((5, 3)), "V")))
    second = layers.DenseLayer(first, 5, W=first.W.T, b=None)
    params = layers.get_all_params(second, trainable=True)
    assert [p.name for p in params] == ["V", "b"]
    penalty = regularization.regularize_network_params(second, regularization.l1)
    assert value(penalty) == pytest.approx(abs(params[0].get_value()).sum())  # V, once
    symc.grad(layers.get_output(second).sum() + penalty, params)


def test_one_hot_and_tuples():
    np.testing.assert_array_equal(value(utils.one_hot(T.constant(LABELS), 4)), ONE_HOT)
    assert utils.as_tuple(3, 2) == (3, 3)
    assert utils.as_tuple([1, 2], 2, int) == (1, 2)
    with pytest.raises(ValueError, match="2 of them"):
        utils.as_tuple([1, 2, 3], 2)
    with pytest.raises(TypeError, match="int"):
        utils.as_tuple("ab", 2, int)


def test_penalties_of_layers():
    below = layers.InputLayer((None, 4))
    first = layers.DenseLayer(below, 3, b=init.Normal(1.0))
    second = layers.DenseLayer(first, 2, b=init.Normal(1.0))
    w, v, b = (p.get_value() for p in (first.W, second.W, second.b))
    l1, l2 = regularization.l1, regularization.l2
    cases = [
        (regularization.apply_penalty(first.W, l2), (w**2).sum()),
        (regularization.apply_penalty([first.W, second.W], l1), abs(w).sum() + abs(v).sum()),
        (regularization.regularize_layer_params(second, l2), (v**2).sum()),
        (regularization.regularize_layer_params([first, second], l2), (w**2).sum() + (v**2).sum()),
        (regularization.regularize_layer_params(second, l1, tags={"trainable": True}),
         abs(v).sum() + abs(b).sum()),
        (regularization.regularize_layer_params_weighted({first: 0.5, second: 2.0}, l2),
         0.5 * (w**2).sum() + 2 * (v**2).sum()),
        (regularization.regularize_network_params(second, l2), (w**2).sum() + (v**2).sum()),
    ]
    for expression, expected in cases:
        assert value(expression) == pytest.approx(expected)
    scaled = regularization.apply_penalty(first.W, lambda x, factor: factor * l2(x), factor=3.0)
    assert value(scaled) == pytest.approx(3 * (w**2).sum())


def test_probabilities_in_a_hinge_loss_and_columns_of_targets():
    p, t = RNG.uniform(0.1, 0.9, 6), RNG.integers(0, 2, 6).astype(float)
    odds = np.log(p / (1 - p))
    loss = objectives.binary_hinge_loss(p, t, log_odds=False)
    np.testing.assert_allclose(value(loss), np.maximum(0, 1 - (2 * t - 1) * odds))
    column = T.TensorType("float64", (False, True))()
    for function, expected in (
        (objectives.squared_error, (p - t) ** 2),
        (objectives.binary_accuracy, (p >= 0.5) == t),
    ):
        got = symc.function([column], function(column, T.constant(t)), mode="FAST_COMPILE")
        np.testing.assert_allclose(got(p[:, None]), expected[:, None])
    predictions, targets = objectives.align_targets(column, T.constant(t))
    assert targets.broadcastable == predictions.broadcastable == (False, True)
    with pytest.raises(TypeError, match="rank"):
        objectives.categorical_accuracy(T.matrix(), T.tensor3())
