"""Convolutional networks and their layers, as cases of `symc bench`."""

from __future__ import annotations

from math import erf
from typing import Any

import numpy as np
from case import RATE, Arrays, Case, normal, softmax

NAMES = (
    *("lenet_small", "lenet_large", "convolution", "convolution_gradients"),
    *("batch_norm", "max_pool", "dropout_dense", "adam"),
)
DROPPED = np.float32(0.5)
"""The share of elements that dropout drops before a dense layer."""
SLOW = np.float32(0.01)
"""The learning rate of that layer: small, so that losses hardly depend on what is dropped."""
PARAMETERS = 10_000_000
"""How many one update of Adam changes."""
BETAS = (0.9, 0.999)
STEP = 1e-3
"""Adam's learning rate."""
TINY = 1e-8
"""Added to the root of the mean square in Adam."""
SHOWN = 1000
"""Parameters that are returned after an update."""
EPSILON = np.float32(1e-4)
"""Added to the variance in batch normalisation."""


def lenet_operands(batch: int, first: int, second: int) -> Arrays:
    """Images, labels, and weights and biases of two layers of filters and two dense ones."""
    shapes = [(first, 1, 5, 5), (second, first, 5, 5), (second * 16, 500), (500, 10)]
    arrays = [normal(batch, 784, dtype="float32"),
              np.random.default_rng(9).integers(0, 10, batch)]
    for k, shape in enumerate(shapes):
        fan = shape[0] if len(shape) == 2 else shape[1] * 25
        width = shape[1] if len(shape) == 2 else shape[0]
        arrays.append(normal(*shape, dtype="float32", seed=k) / np.float32(np.sqrt(fan)))
        arrays.append(np.zeros(width, "float32"))
    return arrays


def _windows(x: Any, size: int) -> Any:
    return np.lib.stride_tricks.sliding_window_view(x, (size, size), axis=(2, 3))


def _convolved(x: Any, w: Any) -> Any:
    """The correlation of images with filters."""
    return np.tensordot(_windows(x, w.shape[-1]), w, ((1, 4, 5), (1, 2, 3))).transpose(0, 3, 1, 2)


def _to_filters(x: Any, g: Any, size: int) -> Any:
    return np.tensordot(g, _windows(x, size), ((0, 2, 3), (0, 2, 3)))


def _to_images(g: Any, w: Any) -> Any:
    edge = w.shape[-1] - 1
    wide = np.pad(g, ((0, 0), (0, 0), (edge, edge), (edge, edge)))
    return _convolved(wide, w.transpose(1, 0, 2, 3)[:, :, ::-1, ::-1])


def _pooled(x: Any) -> Any:
    b, c, h, w = x.shape
    return x.reshape(b, c, h // 2, 2, w // 2, 2).max((3, 5))


def _unpooled(x: Any, y: Any, g: Any) -> Any:
    wide = np.ones((2, 2))
    return np.where(x == np.kron(y, wide), np.kron(g, wide), 0)


def _lenet(x: Any, labels: Any, *parameters: Any) -> list[Any]:
    """The losses of two steps of gradient descent."""
    p = [a.astype("float64") for a in parameters]
    count, losses = len(labels), []
    for _ in range(2):
        w1, b1, w2, b2, w3, b3, w4, b4 = p
        image = x.reshape(-1, 1, 28, 28).astype("float64")
        c1 = _convolved(image, w1)
        p1 = _pooled(c1)
        h1 = np.tanh(p1 + b1[:, None, None])
        c2 = _convolved(h1, w2)
        p2 = _pooled(c2)
        h2 = np.tanh(p2 + b2[:, None, None])
        flat = h2.reshape(count, -1)
        h3 = np.tanh(flat @ w3 + b3)
        q = softmax(h3 @ w4 + b4)
        losses.append(-np.log(q[np.arange(count), labels]).mean())
        g = (q - (np.arange(10) == labels[:, None])) / count
        slopes = [h3.T @ g, g.sum(0)]
        g = g @ w4.T * (1 - h3**2)
        slopes = [flat.T @ g, g.sum(0), *slopes]
        g = (g @ w3.T).reshape(h2.shape) * (1 - h2**2)
        back = _unpooled(c2, p2, g)
        slopes = [_to_filters(h1, back, 5), g.sum((0, 2, 3)), *slopes]
        g = _to_images(back, w2) * (1 - h1**2)
        back = _unpooled(c1, p1, g)
        slopes = [_to_filters(image, back, 5), g.sum((0, 2, 3)), *slopes]
        p = [a - RATE * s for a, s in zip(p, slopes, strict=True)]
    return losses


def convolution_operands() -> Arrays:
    """Images and filters."""
    return [normal(16, 64, 56, 56, dtype="float32"), normal(64, 64, 3, 3, dtype="float32", seed=1)]


def gradient_operands() -> Arrays:
    """Images, filters and what arrives at the result."""
    return [*convolution_operands(), normal(16, 64, 56, 56, dtype="float32", seed=2)]


def _framed(x: Any) -> Any:
    return np.pad(x, ((0, 0), (0, 0), (1, 1), (1, 1)))


def _convolution(x: Any, w: Any) -> Any:
    return _convolved(_framed(x), w)


def _gradients(x: Any, w: Any, g: Any) -> list[Any]:
    inner = _to_images(g, w)[:, :, 1:-1, 1:-1]
    return [_convolution(x, w), inner, _to_filters(_framed(x), g, 3)]


def norm_operands() -> Arrays:
    """Images, scales, shifts and what arrives at the result."""
    return [
        normal(64, 32, 32, 32, dtype="float32"),
        normal(32, dtype="float32", seed=1),
        normal(32, dtype="float32", seed=2),
        normal(64, 32, 32, 32, dtype="float32", seed=3),
    ]


def _batch_norm(x: Any, gamma: Any, beta: Any, g: Any) -> list[Any]:
    """The result, and the gradients of images, scales and shifts."""
    axes, count = (0, 2, 3), x.size // x.shape[1]
    x, g = x.astype("float64"), g.astype("float64")
    centred = x - x.mean(axes, keepdims=True)
    unit = centred / np.sqrt((centred**2).mean(axes, keepdims=True) + EPSILON)
    scale = gamma[:, None, None] / np.sqrt((centred**2).mean(axes, keepdims=True) + EPSILON)
    to_gamma, to_beta = (g * unit).sum(axes, keepdims=True), g.sum(axes, keepdims=True)
    to_x = scale * (g - to_beta / count - unit * to_gamma / count)
    y = unit * gamma[:, None, None] + beta[:, None, None]
    return [y, to_x, to_gamma.ravel(), to_beta.ravel()]


def pool_operands() -> Arrays:
    """Images and what arrives at the result."""
    return [
        normal(64, 32, 32, 32, dtype="float32"),
        normal(64, 32, 16, 16, dtype="float32", seed=1),
    ]


def _max_pool(x: Any, g: Any) -> list[Any]:
    y = _pooled(x)
    return [y, _unpooled(x, y, g)]


def dense_operands() -> Arrays:
    """Inputs, targets, weights and biases of a dense layer."""
    return [
        normal(128, 1024, dtype="float32"),
        np.abs(normal(128, 1024, dtype="float32", seed=1)),
        normal(1024, 1024, dtype="float32", seed=2) / np.float32(32),
        np.zeros(1024, "float32"),
    ]


def _dropout_dense(x: Any, t: Any, w: Any, b: Any) -> list[Any]:
    """Expected losses of two steps, ``sum (relu(z) - t)**2 / 2`` of an image on average.

    What arrives at a unit, ``z``, is a sum of a thousand terms, some of which are dropped: a normal
    deviate. So the means of its positive part, its square and their slopes are known, and the mean
    of a product with an input is the product of the means plus covariance times mean slope.
    """
    losses = []
    x, t, w, b = (a.astype("float64") for a in (x, t, w, b))
    spread = x**2 * float(DROPPED / (1 - DROPPED))
    for _ in range(2):
        mean, deviation = x @ w + b, np.sqrt(spread @ w**2)
        density = np.exp(-0.5 * (mean / deviation) ** 2) / np.sqrt(2 * np.pi)
        share = _normal_cdf(mean / deviation)
        first = mean * share + deviation * density
        second = (mean**2 + deviation**2) * share + mean * deviation * density
        losses.append(np.sum(second - 2 * t * first + t**2) / (2 * len(x)))
        slope = first - t * share
        curve = share - t * density / deviation
        w = w - float(SLOW) * (x.T @ slope + spread.T @ curve * w) / len(x)
        b = b - float(SLOW) * slope.mean(0)
    return losses


def _normal_cdf(x: Any) -> Any:
    return 0.5 * (1 + np.vectorize(erf)(x / np.sqrt(2)))


def adam_operands() -> Arrays:
    """Parameters and their gradient."""
    return [normal(PARAMETERS, dtype="float32", seed=k) for k in range(2)]


def _adam(p: Any, g: Any) -> list[Any]:
    """The first parameters after each of two steps with the same gradient."""
    p, g = (a[:SHOWN].astype("float64") for a in (p, g))
    m, v, shown = 0.0, 0.0, []
    for t in (1, 2):
        m = BETAS[0] * m + (1 - BETAS[0]) * g
        v = BETAS[1] * v + (1 - BETAS[1]) * g**2
        root = np.sqrt(v / (1 - BETAS[1] ** t))
        p = p - STEP * m / (1 - BETAS[0] ** t) / (root + TINY)
        shown.append(p)
    return shown


def _lenet_flops(batch: int, first: int, second: int) -> float:
    layers = 2.0 * first * 25 * 576 + 3.0 * second * first * 25 * 64
    return 2.0 * batch * (layers + 3.0 * (second * 16 * 500 + 5000))


_BIG = 2.0 * 16 * 64 * 64 * 9 * 56 * 56

CASES: tuple[Case, ...] = (
    Case(
        "lenet_small",
        "LeNet step, 10 and 25 filters 5x5, tanh, batch 50, float32",
        0.7,
        lambda: lenet_operands(50, 10, 25),
        _lenet,
        calls=2,
        flops=_lenet_flops(50, 10, 25),
    ),
    Case(
        "lenet_large",
        "LeNet step, 20 and 50 filters 5x5, tanh, batch 128, float32",
        0.7,
        lambda: lenet_operands(128, 20, 50),
        _lenet,
        calls=2,
        flops=_lenet_flops(128, 20, 50),
    ),
    Case(
        "convolution",
        "convolution 3x3, 64 to 64 channels, 16 images 56x56, float32",
        1.05,
        convolution_operands,
        _convolution,
        flops=_BIG,
    ),
    Case(
        "convolution_gradients",
        "the same with the gradients of images and filters",
        1.05,
        gradient_operands,
        _gradients,
        flops=3 * _BIG,
    ),
    Case(
        "batch_norm",
        "batch normalisation and its gradients, 64x32x32x32, float32",
        0.8,
        norm_operands,
        _batch_norm,
        bytes=4.0 * 64 * 32**3 * 4,
    ),
    Case(
        "max_pool",
        "max-pooling 2x2 and its gradient, 64x32x32x32, float32",
        0.7,
        pool_operands,
        _max_pool,
        bytes=4.0 * 64 * 32**3 * 2.5,
    ),
    Case(
        "dropout_dense",
        "training step of dropout, dense layer 1024 to 1024 and relu, batch 128, float32",
        0.8,
        dense_operands,
        _dropout_dense,
        flops=2 * 2.0 * 128 * 1024**2,
        tolerance=1e-2,
        calls=2,
    ),
    Case(
        "adam",
        "update of 1e7 float32 parameters by Adam",
        None,
        adam_operands,
        _adam,
        bytes=7 * 4.0 * PARAMETERS,
        tolerance=1e-6,
        calls=2,
        traffic=1.15,
    ),
)
