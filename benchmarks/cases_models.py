"""Steps of training, a log-posterior and a long chain, as cases of `symc bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import RATE, Arrays, Case, normal, softmax


def _labels(n: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 10, n)


def logistic_operands() -> Arrays:
    """Images, labels, weights, biases."""
    weights = normal(784, 10, dtype="float32", seed=1) * np.float32(0.01)
    return [normal(500, 784, dtype="float32"), _labels(500), weights, np.zeros(10, "float32")]


def mlp_operands() -> Arrays:
    """Images, labels, and weights and biases of two layers."""
    return [
        normal(60, 784, dtype="float32"),
        _labels(60),
        normal(784, 500, dtype="float32", seed=1) * np.float32(0.05),
        np.zeros(500, "float32"),
        normal(500, 10, dtype="float32", seed=2) * np.float32(0.05),
        np.zeros(10, "float32"),
    ]


def hierarchical_operands() -> Arrays:
    """Regressors, outcomes, and the point: 10 coefficients, their mean, log of their scale."""
    outcomes = (np.random.default_rng(3).random(1000) < 0.5).astype("float64")
    return [normal(1000, 10), outcomes, normal(12, seed=4) * 0.1]


def _cross_entropy(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    high = scores.max(1, keepdims=True)
    logs = scores - high - np.log(np.exp(scores - high).sum(1, keepdims=True))
    return -logs[np.arange(len(labels)), labels].mean()


def _training(x: Any, y: Any, *parameters: Any) -> list[Any]:
    """The losses of two steps of gradient descent."""
    x = x.astype("float64")
    losses = []
    for _ in range(2):
        *hidden, w, b = parameters
        seen = np.tanh(x @ hidden[0] + hidden[1]) if hidden else x
        scores = seen @ w + b
        losses.append(_cross_entropy(scores, y))
        g = (softmax(scores) - (np.arange(scores.shape[1]) == y[:, None])) / len(y)
        slopes = [seen.T @ g, g.sum(0)]
        if hidden:
            g = g @ w.T * (1 - seen**2)
            slopes = [x.T @ g, g.sum(0), *slopes]
        parameters = tuple(p - RATE * s for p, s in zip(parameters, slopes, strict=True))
    return losses


def _hierarchical(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    w, mean, scale = t[:10], t[10], t[11]
    z = x @ w
    off = (w - mean) / np.exp(scale)
    value = (y * z - np.logaddexp(0, z)).sum() - 0.5 * (off**2).sum()
    value += -10 * scale - 0.5 * mean**2 - 0.5 * scale**2
    g_w = x.T @ (y - 1 / (1 + np.exp(-z))) - off / np.exp(scale)
    g_mean = (off / np.exp(scale)).sum() - mean
    g_scale = (off**2).sum() - 10 - scale
    return value, np.concatenate([g_w, [g_mean, g_scale]])


LINKS = 250


def chain(x: Any, sin: Any, tanh: Any) -> Any:
    """1,000 elementwise nodes."""
    v = x
    for _ in range(LINKS):
        v = sin(v) * 1.1
        v = tanh(v) + x
    return v


def _chain(x: Any) -> tuple[Any, Any]:
    v, slope = x, np.ones_like(x)
    for _ in range(LINKS):
        v, slope = np.sin(v) * 1.1, slope * np.cos(v) * 1.1
        v = np.tanh(v)
        v, slope = v + x, slope * (1 - v * v) + 1
    return v.sum(), slope


CASES: tuple[Case, ...] = (
    Case(
        "logistic",
        "logistic regression step, 784-10, batch 500, float32",
        0.55,
        logistic_operands,
        _training,
        calls=2,
        flops=2 * 2.0 * 500 * 784 * 10,
    ),
    Case(
        "mlp",
        "MLP step, 784-500-10 tanh, batch 60, float32",
        0.7,
        mlp_operands,
        _training,
        calls=2,
        flops=2.0 * 60 * (2 * 784 * 500 + 3 * 500 * 10),
        first=1.5,
        cached=0.3,
    ),
    Case(
        "hierarchical",
        "hierarchical logistic regression: log-posterior and gradient, N=1000, D=10",
        0.45,
        hierarchical_operands,
        _hierarchical,
        flops=4.0 * 1000 * 10,
        tolerance=1e-9,
    ),
    Case(
        "chain",
        "chain of 1,000 elementwise nodes and its gradient, 100 doubles",
        0.3,
        lambda: [normal(100)],
        _chain,
        tolerance=1e-9,
        first=0.5,
    ),
)
