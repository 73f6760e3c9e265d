"""Small data sets, and networks for the estimators' tests."""

from __future__ import annotations

from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import layers as L


def blobs(n: int = 60, classes: int = 3, features: int = 4) -> tuple[np.ndarray, np.ndarray]:
    """Points around one centre for each class, and the numbers of the classes."""
    rng = np.random.RandomState(0)
    y = np.arange(n) % classes
    return rng.normal(0, 0.7, (n, features)) + 2 * rng.normal(size=(classes, features))[y], y


def curve(n: int = 60, features: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Points, and a smooth function of them."""
    X = np.random.RandomState(1).normal(size=(n, features))
    return X, np.sin(X[:, 0]) + X[:, 1]


def linear(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
    """``x W + b``, as an expression."""
    W = symc.shared(rng.normal(0, 0.1, (n_features, n_outputs)).astype(symc.config.floatX))
    b = symc.shared(np.zeros(n_outputs, symc.config.floatX))
    return T.dot(x, W) + b


def random_layers(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
    """Layers that are random in training, and layers with averages that are kept."""
    del rng
    hidden = L.DropoutLayer(L.DenseLayer(L.InputLayer((None, n_features), x), 12), 0.3)
    return L.DenseLayer(L.batch_norm(L.DenseLayer(hidden, 8)), n_outputs, nonlinearity=None)


def softmax_layer(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
    """A layer that ends in probabilities, on an input layer with a variable of its own."""
    del x, rng
    hidden = L.DenseLayer(L.InputLayer((None, n_features)), 8)
    return L.DenseLayer(hidden, n_outputs, nonlinearity=T.nnet.softmax)


def noisy(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
    """A pair: outputs with noise for training, and those without."""
    output = linear(x, n_features, n_outputs, rng)
    streams = T.shared_randomstreams.RandomStreams(int(rng.randint(1000)))
    return output + 0.1 * streams.normal(output.shape), output


def random_features(x: Any, n_features: int, n_outputs: int, rng: Any) -> Any:
    """Cosines of directions that are drawn once and not learned, then `linear`."""
    directions = rng.normal(size=(n_features, 30)).astype(symc.config.floatX)
    return linear(T.cos(T.dot(x, directions)), 30, n_outputs, rng)
