"""What the estimators compute, against the same steps in NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.testing import assert_allclose

pytest.importorskip("sklearn", minversion="1.6")

from sklearn.base import clone

import symc.tensor as T
from symc.learn import ExpressionClassifier, ExpressionRegressor, ExpressionTransformer
from tests.learn.data import blobs, curve

STEPS: dict[str, Any] = {
    "update": "sgd",
    "learning_rate": 0.1,
    "max_epochs": 3,
    "shuffle": False,
    "random_state": 4,
}

pytestmark = pytest.mark.usefixtures("_numpy_path")


def before(estimator: Any, X: np.ndarray, y: Any = None) -> list[np.ndarray]:
    """The parameters that a fit begins with."""
    return clone(estimator).set_params(max_epochs=0).fit(X, y).parameters_


def softmax(scores: np.ndarray) -> np.ndarray:
    e = np.exp(scores - scores.max(axis=1, keepdims=True))
    return e / e.sum(axis=1, keepdims=True)


def logistic_steps(
    W: np.ndarray, b: np.ndarray, X: np.ndarray, y: np.ndarray, w: np.ndarray, size: int, l2: float
) -> list[float]:
    """Three epochs of gradient descent in place; the mean loss of each."""
    losses = []
    for _ in range(3):
        total = 0.0
        for s in (slice(k, k + size) for k in range(0, len(X), size)):
            p = softmax(X[s] @ W + b)
            rows = np.arange(len(p))
            total -= (w[s] * np.log(p[rows, y[s]])).sum()
            p[rows, y[s]] -= 1
            d = p * w[s, None] / len(p)
            gradient_W, gradient_b = X[s].T @ d + 2 * l2 * W, d.sum(axis=0)
            W -= 0.1 * gradient_W
            b -= 0.1 * gradient_b
        losses.append(total / w.sum())
    return losses


@pytest.mark.parametrize("size", [60, 16, 7])
@pytest.mark.parametrize("l2", [0.0, 0.01])
def test_logistic_regression(size: int, l2: float) -> None:
    X, y = blobs()
    model = ExpressionClassifier((), batch_size=size, l2=l2, **STEPS)
    W, b = before(model, X, y)
    losses = logistic_steps(W, b, X, y, np.ones(60), size, l2)
    model.fit(X, y)
    assert_allclose(model.parameters_[0], W, rtol=1e-10)
    assert_allclose(model.parameters_[1], b, rtol=1e-10)
    assert_allclose(model.loss_curve_, losses, rtol=1e-10)
    scores = X @ W + b
    assert_allclose(model.decision_function(X), scores, rtol=1e-9)
    assert_allclose(model.predict_proba(X), softmax(scores), rtol=1e-9)
    assert_allclose(model.predict_log_proba(X), np.log(softmax(scores)), rtol=1e-9)
    assert (model.predict(X) == scores.argmax(axis=1)).all()


def test_sample_weights_and_class_weights() -> None:
    X, y = blobs()
    w = np.random.RandomState(2).uniform(0.1, 5, 60)
    model = ExpressionClassifier((), batch_size=16, class_weight={1: 3.0}, **STEPS)
    W, b = before(model, X, y)
    whole = w * np.where(y == 1, 3.0, 1.0)
    losses = logistic_steps(W, b, X, y, whole / whole.mean(), 16, 0.0)
    model.fit(X, y, sample_weight=w)
    assert_allclose(model.parameters_[0], W, rtol=1e-10)
    assert_allclose(model.loss_curve_, losses, rtol=1e-10)
    again = clone(model).fit(X, y, sample_weight=100 * w)  # only proportions matter
    assert_allclose(again.parameters_[0], W, rtol=1e-9)


def test_balanced_classes_weigh_the_same() -> None:
    X, y = blobs(60)
    kept = (y != 2) | (np.arange(60) < 20)
    X, y = X[kept], y[kept]
    w = np.random.RandomState(2).uniform(0.1, 5, len(X))
    model = ExpressionClassifier((), batch_size=None, class_weight="balanced", **STEPS)
    W, b = before(model, X, y)
    whole = w / np.bincount(y, w)[y]
    logistic_steps(W, b, X, y, whole / whole.mean(), len(X), 0.0)
    assert_allclose(model.fit(X, y, sample_weight=w).parameters_[0], W, rtol=1e-10)


def test_rows_of_weight_zero_are_not_there() -> None:
    X, y = blobs()
    w = (y != 1).astype(float)
    model = ExpressionClassifier((5,), batch_size=16, max_epochs=3, random_state=0)
    with_them = clone(model).fit(X, y, sample_weight=w)
    without = clone(model).fit(X[y != 1], y[y != 1])
    assert with_them.classes_.tolist() == [0, 2]
    assert (with_them.decision_function(X) == without.decision_function(X)).all()


def test_partial_fit_takes_weights_as_they_are() -> None:
    X, y = blobs(20)
    model = ExpressionClassifier((), **STEPS)
    W, b = before(model, X, y)
    p = softmax(X @ W + b)
    p[np.arange(20), y] -= 1
    model.partial_fit(X, y, [0, 1, 2], sample_weight=np.full(20, 3.0))
    assert_allclose(model.parameters_[0], W - 0.1 * 3 * X.T @ p / 20, rtol=1e-10)


def test_hinge_loss() -> None:
    X, y = blobs(classes=2)
    model = ExpressionClassifier((), loss="hinge", **STEPS)
    W, b = before(model, X, y)
    for _ in range(3):
        scores = X @ W + b
        right = np.eye(2)[y]
        off = 1 + (scores * (1 - right)).sum(axis=1) - (scores * right).sum(axis=1) > 0
        d = off[:, None] * (1 - 2 * right) / len(X)
        W, b = W - 0.1 * X.T @ d, b - 0.1 * d.sum(axis=0)
    model.fit(X, y)
    assert_allclose(model.parameters_[0], W, rtol=1e-10)
    scores = model.decision_function(X)
    assert scores.shape == (60,)
    assert_allclose(scores, (X @ W + b) @ [-1, 1], rtol=1e-9)
    assert not hasattr(model, "predict_proba")


@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "function"])
def test_regression_with_a_hidden_layer(loss: str) -> None:
    X, target = curve()
    Y = np.c_[target, 3 * target**2]
    slope = {
        "squared_error": lambda e: 2 * e,
        "absolute_error": np.sign,
        "huber": lambda e: np.clip(e, -1, 1),
        "function": lambda e: 4 * e**3,
    }[loss]
    given: Any = (lambda output, y: (output - y) ** 4) if loss == "function" else loss
    settings = {**STEPS, "learning_rate": 0.01}
    model = ExpressionRegressor((7,), loss=given, nonlinearity="tanh", **settings)
    W, b, V, c = before(model, X, Y)
    for _ in range(3):
        h = np.tanh(X @ W + b)
        d = slope(h @ V + c - Y) / Y.size
        back = (d @ V.T) * (1 - h**2)
        V, c = V - 0.01 * h.T @ d, c - 0.01 * d.sum(axis=0)
        W, b = W - 0.01 * X.T @ back, b - 0.01 * back.sum(axis=0)
    model.fit(X, Y)
    for mine, expected in zip(model.parameters_, (W, b, V, c), strict=True):
        assert_allclose(mine, expected, rtol=1e-9, atol=1e-12)
    assert_allclose(model.predict(X), np.tanh(X @ W + b) @ V + c, rtol=1e-9)


def test_linear_autoencoder() -> None:
    X, _ = curve()
    settings = {**STEPS, "learning_rate": 0.01}
    model = ExpressionTransformer((), n_components=2, **settings)
    W, b, V, c = before(model, X)
    for _ in range(3):
        code = X @ W + b
        d = 2 * (code @ V + c - X) / X.size
        back = d @ V.T
        V, c = V - 0.01 * code.T @ d, c - 0.01 * d.sum(axis=0)
        W, b = W - 0.01 * X.T @ back, b - 0.01 * back.sum(axis=0)
    code = model.fit_transform(X)
    assert_allclose(code, X @ W + b, rtol=1e-9)
    decoded = (X @ W + b) @ V + c
    assert_allclose(model.inverse_transform(code), decoded, rtol=1e-9)
    assert_allclose(model.score(X), -((decoded - X) ** 2).mean(), rtol=1e-9)


def test_a_learning_rate_that_depends_on_the_epoch() -> None:
    X, target = curve()
    rates = [0.1, 0.05, 0.025]
    settings = {**STEPS, "learning_rate": lambda epoch: rates[epoch]}
    model = ExpressionRegressor((), **settings)
    W, b = before(model, X, target)
    for rate in rates:
        d = 2 * (X @ W + b - target[:, None]) / len(X)
        W, b = W - rate * X.T @ d, b - rate * d.sum(axis=0)
    assert_allclose(model.fit(X, target).parameters_[0], W, rtol=1e-10)


def test_an_update_rule_of_the_user() -> None:
    X, target = curve()

    def signs(loss: Any, parameters: Any, rate: Any) -> dict[Any, Any]:
        gradients = T.grad(loss, parameters)
        return {p: p - rate * T.sgn(g) for p, g in zip(parameters, gradients, strict=True)}

    model = ExpressionRegressor((), **{**STEPS, "update": signs, "max_epochs": 1})
    W, b = before(model, X, target)
    d = X @ W + b - target[:, None]
    assert_allclose(model.fit(X, target).parameters_[0], W - 0.1 * np.sign(X.T @ d), rtol=1e-12)


def test_early_stopping_keeps_the_best() -> None:
    X, y = blobs(90)
    y = np.where(np.arange(90) % 5 == 0, (y + 1) % 3, y)  # noise, so that it overfits
    settings = {"learning_rate": 0.05, "random_state": 1, "early_stopping": True}
    model = ExpressionClassifier((40,), max_epochs=300, patience=5, **settings).fit(X, y)
    assert 5 < model.n_epochs_ < 300
    assert len(model.validation_curve_) == len(model.loss_curve_) == model.n_epochs_
    best = int(np.argmin(model.validation_curve_))
    assert model.n_epochs_ - 1 - best <= 5
    shorter = clone(model).set_params(max_epochs=best + 1).fit(X, y)
    for mine, expected in zip(model.parameters_, shorter.parameters_, strict=True):
        assert_allclose(mine, expected, rtol=0)


def test_float32() -> None:
    X, y = blobs()
    model = ExpressionClassifier((), dtype="float32", **STEPS)
    W, b = before(model, X, y)
    assert W.dtype == b.dtype == np.float32
    W, b = W.astype("float64"), b.astype("float64")
    logistic_steps(W, b, X, y, np.ones(60), 60, 0.0)
    model.fit(X, y)
    assert model.parameters_[0].dtype == model.predict_proba(X).dtype == np.float32
    assert_allclose(model.parameters_[0], W, rtol=1e-4)


def test_without_anything_to_learn() -> None:
    X = np.abs(curve()[0])
    model = ExpressionTransformer(
        lambda x, n_features, n_outputs, rng: T.log1p(x[:, :n_outputs]), decoder=None, loss=None
    )
    assert_allclose(model.fit_transform(X), np.log1p(X[:, :2]))
    assert not hasattr(model, "inverse_transform")
    assert not hasattr(model, "score")
    assert model.parameters_ == []
