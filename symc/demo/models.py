"""Two classifiers, each written twice: with symc, and by hand in NumPy.

Both versions of a model start from the same parameters and see the same batches, so their costs
can be compared step by step. The cost is the mean negative log-likelihood of softmax regression
on the last layer; the step is plain gradient descent.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from .. import tensor as T  # noqa: N812 - Theano's customary name
from ..compile.function import Function, function
from ..compile.shared import shared
from ..gradient import grad

CLASSES = 10


@dataclass(frozen=True)
class Compiled:
    """A model compiled by symc.

    Attributes
    ----------
    step : Function
        ``step(x, y)`` updates the parameters and returns the cost before the update.
    errors : Function
        ``errors(x, y)`` is the fraction of wrongly classified rows.
    parameters : list of SharedVariable
        Weights and biases, first layer first.
    """

    step: Function
    errors: Function
    parameters: list[Any]


def initial_parameters(sizes: list[int], dtype: str, seed: int = 0) -> list[np.ndarray]:
    """Weights and biases of a network with layers of `sizes`.

    The weights of hidden layers are uniform in ``+-sqrt(6 / (fan_in + fan_out))`` (Glorot and
    Bengio, 2010); those of a single layer are zero.
    """
    rng = np.random.default_rng(seed)
    parameters = []
    for fan_in, fan_out in pairwise(sizes):
        bound = np.sqrt(6.0 / (fan_in + fan_out)) if len(sizes) > 2 else 0.0
        weights = rng.uniform(-bound, bound, (fan_in, fan_out)) if bound else 0.0
        parameters.append(np.zeros((fan_in, fan_out), dtype) + np.asarray(weights, dtype))
        parameters.append(np.zeros(fan_out, dtype))
    return parameters


def compile_network(values: list[np.ndarray], rate: float, mode: Any = None) -> Compiled:
    """Compile a tanh network that ends in a softmax; one layer gives logistic regression.

    Parameters
    ----------
    values : list of ndarray
        Initial weights and biases, see `initial_parameters`.
    rate : float
        Learning rate.
    mode : Mode or str, optional
    """
    dtype = str(values[0].dtype)
    x = T.matrix("x", dtype=dtype)
    y = T.vector("y", dtype="int64")
    names = [f"{kind}{k}" for k in range(len(values) // 2) for kind in ("W", "b")]
    parameters = [shared(v, name=n) for v, n in zip(values, names, strict=True)]
    layer = x
    for weights, bias in zip(parameters[:-2:2], parameters[1:-2:2], strict=True):
        layer = T.tanh(T.dot(layer, weights) + bias)
    p = T.nnet.softmax(T.dot(layer, parameters[-2]) + parameters[-1])
    cost = -T.mean(T.log(p)[T.arange(y.shape[0]), y])
    gradients = grad(cost, parameters)
    updates = [
        (w, w - np.asarray(rate, dtype) * g)
        for w, g in zip(parameters, gradients, strict=True)
    ]
    step = function([x, y], cost, updates=updates, mode=mode, name="step")
    wrong = T.mean(T.neq(T.argmax(p, axis=1), y))
    errors = function([x, y], wrong, mode=mode, name="errors")
    return Compiled(step, errors, parameters)


def numpy_step(values: list[np.ndarray], rate: float) -> Callable[[Any, Any], float]:
    """The same training step written by hand; it updates `values` in place."""
    rate = values[0].dtype.type(rate)

    def step(x: np.ndarray, y: np.ndarray) -> float:
        layers = [x]
        for weights, bias in zip(values[:-2:2], values[1:-2:2], strict=True):
            layers.append(np.tanh(layers[-1] @ weights + bias))
        scores = layers[-1] @ values[-2] + values[-1]
        scores -= scores.max(axis=1, keepdims=True)
        log_p = scores - np.log(np.exp(scores).sum(axis=1, keepdims=True))
        rows = np.arange(len(y))
        cost = -log_p[rows, y].mean()
        delta = np.exp(log_p)
        delta[rows, y] -= 1
        delta /= delta.dtype.type(len(y))
        for k in range(len(values) - 2, -1, -2):
            layer = layers[k // 2]
            below = delta @ values[k].T * (1 - layer * layer) if k else None
            values[k] -= rate * (layer.T @ delta)
            values[k + 1] -= rate * delta.sum(axis=0)
            delta = below
        return float(cost)

    return step
