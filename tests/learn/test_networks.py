"""Networks that users give, and what is said of those that can't be used."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", minversion="1.6")

import symc
import symc.tensor as T
from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer
from symc.nn import random as nn_random
from tests.learn.data import (
    blobs,
    curve,
    linear,
    noisy,
    random_features,
    random_layers,
    softmax_layer,
)

FAST: dict[str, Any] = {"learning_rate": 0.05, "max_epochs": 40, "random_state": 0}

pytestmark = pytest.mark.usefixtures("_numpy_path")


@pytest.mark.parametrize("network", [linear, noisy, random_features, random_layers])
def test_networks_learn(network: Any) -> None:
    X, y = blobs()
    model = ExpressionClassifier(network, **FAST).fit(X, y)
    assert model.score(X, y) > 0.9
    again = ExpressionClassifier(network, **FAST).fit(X, y)
    assert (model.decision_function(X) == again.decision_function(X)).all()
    assert (model.decision_function(X) == model.decision_function(X)).all()


def test_a_network_that_ends_in_probabilities() -> None:
    X, y = blobs()
    model = ExpressionClassifier(softmax_layer, output="probabilities", **FAST).fit(X, y)
    p = model.predict_proba(X)
    assert_allclose(p.sum(axis=1), 1)
    assert_allclose(model.decision_function(X), np.log(p))
    assert model.score(X, y) > 0.9
    model.set_params(output="scores")  # of the next fit
    assert_allclose(model.predict_proba(X), p)


def test_the_arguments_of_the_function() -> None:
    X, y = blobs(features=5)
    before = nn_random.get_rng()
    seen = []

    def network(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
        seen.append((x.ndim, x.dtype, n_features, n_outputs, type(rng)))
        assert nn_random.get_rng() is rng
        return linear(x, n_features, n_outputs, rng)

    ExpressionClassifier(network, dtype="float32").fit(X, y)
    assert seen == [(2, "float32", 5, 3, np.random.RandomState)]
    assert nn_random.get_rng() is before


def test_a_vector_stands_for_one_output() -> None:
    X, y = curve()

    def network(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
        assert n_outputs == 1
        return T.dot(x, symc.shared(rng.normal(size=n_features)))

    model = ExpressionRegressor(network, **FAST).fit(X, y)
    assert_allclose(model.predict(X), X @ model.parameters_[0])


def test_only_what_is_trainable_is_learned() -> None:
    X, y = blobs()
    model = ExpressionClassifier(random_layers, **FAST).fit(X, y)
    shapes = [p.shape for p in model.parameters_]
    assert shapes == [(4, 12), (12,), (12, 8), (8,), (8,), (8, 3), (3,)]  # no running averages


def test_a_decoder_of_the_user() -> None:
    X, _ = curve()
    W = np.random.RandomState(3).normal(size=(2, 3))
    model = ExpressionTransformer(
        linear,
        decoder=lambda code, n_codes, n_features, rng: T.dot(code, W),
        **{**FAST, "max_epochs": 300},
    )
    codes = model.fit_transform(X)
    assert_allclose(model.inverse_transform(codes), codes @ W)
    best = X @ np.linalg.pinv(W) @ W  # the least error of any code
    assert ((codes @ W - X) ** 2).mean() < 1.2 * ((best - X) ** 2).mean()


def test_a_loss_of_codes() -> None:
    X, _ = curve()
    model = ExpressionTransformer(
        linear,
        decoder=None,
        loss=lambda code, x: (code - x[:, :2]) ** 2,
        **{**FAST, "max_epochs": 300},
    )
    assert_allclose(model.fit_transform(X), X[:, :2], atol=0.05)


def bad(message: str, error: type[Exception] = ValueError) -> Any:
    return pytest.raises(error, match=message)


@pytest.mark.parametrize(
    ("network", "error", "message"),
    [
        (lambda x, m, n, r: None, TypeError, "returns an expression, a layer"),
        (lambda x, m, n, r: (x, x, x), TypeError, "3 values"),
        (lambda x, m, n, r: T.zeros((3, 3)), ValueError, "does not depend on the input"),
        (lambda x, m, n, r: x.sum(), ValueError, "0 dimensions"),
        (lambda x, m, n, r: x.dimshuffle(0, 1, "x"), ValueError, "3 dimensions"),
        (lambda x, m, n, r: x[:, :2], ValueError, r"\(2, 2\).*expected \(2, 3\)"),
        (lambda x, m, n, r: x[:1, :3], ValueError, r"\(1, 3\).*expected \(2, 3\)"),
    ],
)
def test_networks_that_cannot_be_used(network: Any, error: Any, message: str) -> None:
    X, y = blobs()
    with bad(message, error):
        ExpressionClassifier(network).fit(X, y)


def test_a_decoder_of_the_wrong_shape() -> None:
    X, _ = curve()
    with bad(r"decoder has shape \(2, 2\).*expected \(2, 3\)"):
        ExpressionTransformer(linear, decoder=lambda code, m, n, r: code).fit(X)


def test_a_loss_of_the_whole_batch_is_refused() -> None:
    X, y = curve()
    with bad("loss of each row"):
        ExpressionRegressor((), loss=lambda output, y: ((output - y) ** 2).mean()).fit(X, y)


def test_a_network_that_changes_between_calls_is_noticed() -> None:
    X, y = curve()
    units = [3]

    class Network:
        def __call__(self, x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
            hidden = T.tanh(linear(x, n_features, units[0], rng))
            return linear(hidden, units[0], n_outputs, rng)

        def __deepcopy__(self, memo: Any) -> Any:
            return self

    model = ExpressionRegressor(Network(), max_epochs=1).fit(X, y)
    learner = model._learner
    copied = type(learner).__new__(type(learner))
    copied.__setstate__(learner.__getstate__())
    units[0] = 4
    model._learner = copied
    with bad("must make the same one"):
        model.predict(X)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("batch_size", 0),
        ("batch_size", 1.5),
        ("max_epochs", -1),
        ("learning_rate", -0.1),
        ("learning_rate", "fast"),
        ("l2", -1),
        ("patience", 0),
        ("tol", -1),
        ("validation_fraction", 1.0),
        ("validation_fraction", 0),
        ("dtype", "float16"),
        ("loss", "nothing"),
        ("update", "nothing"),
        ("nonlinearity", "nothing"),
        ("output", "nothing"),
        ("class_weight", "nothing"),
        ("network", "nothing"),
        ("network", (0,)),
        ("network", (2.5,)),
        ("network", None),
    ],
)
def test_settings_that_make_no_sense(name: str, value: Any) -> None:
    X, y = blobs()
    with bad(name):
        ExpressionClassifier().set_params(**{name: value}).fit(X, y)


@pytest.mark.filterwarnings("ignore:overflow", "ignore:invalid value")
def test_divergence_is_an_error() -> None:
    X, y = curve()
    with bad("lower learning_rate"):
        ExpressionRegressor((5,), update="sgd", learning_rate=1e6).fit(X, y)
