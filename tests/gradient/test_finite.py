"""Gradients are finite wherever the value is and a subgradient exists, and are the right ones.

Each case is an expression of `x`, the point, and the gradient there by hand: the derivative, or at
a kink the subgradient of least size.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T

ZERO = np.zeros(3)
SIGNS = np.array([0.0, 1, -2])
HUGE = np.array([[800.0, -900, 0], [0, 1000, -1000]])
LABELS = np.array([1, 0])
TARGETS = np.array([[1.0, 0, 1], [0, 1, 0]])
SOFTMAX = special.softmax(HUGE, axis=1)
SIGMOID = special.expit(HUGE)
ONE_HOT = np.eye(3)[LABELS]

Case = tuple[Callable[[Any], Any], Any, Any]

AT_ZERO: dict[str, Case] = {
    "norm": (lambda x: x.norm(2), ZERO, 0),
    "root of the sum of powers": (lambda x: T.sqrt((x**2).sum()), ZERO, 0),
    "root of the sum of products": (lambda x: T.sqrt((x * x).sum()), ZERO, 0),
    "root by power": (lambda x: (x**2).sum() ** 0.5, ZERO, 0),
    "norms of rows": (
        lambda x: T.sqrt(T.sqr(x).sum(axis=1)).sum(),
        np.array([[0.0, 0], [3, 4]]),
        [[0, 0], [0.6, 0.8]],
    ),
    "norm by dot": (lambda x: T.sqrt(T.dot(x, x)), ZERO, 0),
    "norm of order 3": (lambda x: x.norm(3), ZERO, 0),
    "norm of order 1": (lambda x: x.norm(1), SIGNS, [0, 1, -1]),
    "standard deviation": (lambda x: x.std(), np.ones(3), 0),
    "hypot": (lambda x: T.sqrt(x**2 + (2 * x) ** 2).sum(), ZERO, 0),
    "root of a square": (lambda x: T.sqrt(x**2).sum(), SIGNS, [0, 1, -1]),
    "root of a product": (lambda x: T.sqrt(x * x).sum(), SIGNS, [0, 1, -1]),
    "fourth root": (lambda x: ((x**4).sum()) ** 0.25, ZERO, 0),
    "distances": (
        lambda x: T.sqrt(((x[:, None, :] - x[None, :, :]) ** 2).sum(axis=2)).sum(),
        np.array([[1.0, 1], [1, 1], [4, 5]]),
        [[-1.2, -1.6], [-1.2, -1.6], [2.4, 3.2]],
    ),
    "decay with distance": (lambda x: T.exp(-x.norm(2)), ZERO, 0),
    "loss of a norm": (lambda x: (x.norm(2) - 1) ** 2, ZERO, 0),
    "penalty on a gradient": (
        lambda x: (T.sqrt((symc.grad((x**3).sum(), x) ** 2).sum()) - 1) ** 2, ZERO, 0,
    ),
    "power 1": (lambda x: (x**1).sum(), SIGNS, 1),
    "power 1.0": (lambda x: (x**1.0).sum(), SIGNS, 1),
    "power 2": (lambda x: (x**2).sum(), SIGNS, [0, 2, -4]),
    "power 1.5": (lambda x: (abs(x) ** 1.5).sum(), SIGNS, [0, 1.5, -1.5 * math.sqrt(2)]),
    "power 0": (lambda x: (x**0).sum(), SIGNS, 0),
    "0 to a power": (lambda x: (T.zeros_like(x) ** (x + 1)).sum(), ZERO, 0),
    "root of a size": (lambda x: T.sqrt(abs(x)).sum(), np.array([0.0, 4, -4]), [0, 0.25, -0.25]),
    "root of a rectified number": (
        lambda x: T.sqrt(T.maximum(x, 0)).sum(), np.array([0.0, 4, -4]), [0, 0.25, 0],
    ),
    "size": (lambda x: abs(x).sum(), SIGNS, [0, 1, -1]),
    "sign": (lambda x: T.sgn(x).sum(), SIGNS, 0),
    "relu": (lambda x: T.nnet.relu(x).sum(), np.array([1.0, -2, 3, 0, -0.0]), [1, 0, 1, 0, 0]),
    "leaky": (lambda x: T.nnet.relu(x, 0.25).sum(), np.array([1.0, -2, 0]), [1, 0.25, 0.25]),
    "product with a zero": (lambda x: x.prod(), SIGNS, [-2, 0, 0]),
    "product of zeros": (lambda x: x.prod(), ZERO, 0),
    "products so far": (
        lambda x: T.cumprod(x).sum(), np.array([1.0, 0, 2, 3]), [1, 1 + 2 + 6, 0, 0],
    ),
    "variance": (lambda x: x.var(), ZERO, 0),
    "arcsin": (lambda x: T.arcsin(x).sum(), ZERO, 1),
    "powers by a vector": (
        lambda x: (abs(x) ** T.constant(np.array([0.5, 2, 3]))).sum(), ZERO, 0,
    ),
    "angle": (lambda x: T.arctan2(x, x).sum(), ZERO, 0),
    "angle of a short vector": (lambda x: T.arctan2(x, 1e-200).sum(), [1e-200, 0], [5e199, 1e200]),
    "angle of a long vector": (lambda x: T.arctan2(1e200, x).sum(), [1e200, 0], [-5e-201, -1e-200]),
    "angle of an infinite vector": (
        lambda x: T.arctan2(x, np.array([1.0, np.inf, -np.inf])).sum(),
        np.array([np.inf, 1, np.inf]), 0,
    ),
    "one of several rows": (
        lambda x: (x / T.sqrt((x**2).sum(axis=1, keepdims=True)))[1].sum(),
        np.array([[0.0, 0], [3, 4]]),
        [[0, 0], [1 / 5 - 21 / 125, 1 / 5 - 28 / 125]],
    ),
    "one of several quotients": (lambda x: (1 / x)[1], SIGNS, [0, -1, 0]),
}

MASKED: dict[str, Case] = {
    "log": (lambda x: T.where(x > 0, T.log(x), 0).sum(), SIGNS, [0, 1, 0]),
    "root": (lambda x: T.where(x > 0, T.sqrt(x), 0).sum(), SIGNS, [0, 0.5, 0]),
    "root of a power": (lambda x: T.where(x > 0, x**0.5, 0).sum(), SIGNS, [0, 0.5, 0]),
    "root times x": (lambda x: T.where(x > 0, T.sqrt(x) * x, x).sum(), SIGNS, [1, 1.5, 1]),
    "inverse": (lambda x: T.where(T.neq(x, 0), 1 / x, 0).sum(), SIGNS, [0, -1, -0.25]),
    "sinc": (
        lambda x: T.switch(T.eq(x, 0), 1, T.sin(x) / x).sum(),
        np.array([0.0, math.pi]),
        [0, -1 / math.pi],
    ),
    "entropy": (lambda x: T.where(x > 0, x * T.log(x), 0).sum(), np.array([0.0, 1]), [0, 1]),
    "chain of functions": (
        lambda x: T.where(x > 0, T.exp(T.log(x) * 0.5), 0).sum(), SIGNS, [0, 0.5, 0],
    ),
    "arccos": (
        lambda x: T.where(abs(x) < 1, T.arccos(x), 0).sum(), SIGNS, [-1, 0, 0],
    ),
    "arctanh": (lambda x: T.where(abs(x) < 1, T.arctanh(x), 0).sum(), SIGNS, [1, 0, 0]),
    "log1p": (
        lambda x: T.where(x > -1, T.log1p(x), 0).sum(), np.array([-1.0, 0, -2]), [0, 1, 0],
    ),
    "exp": (lambda x: T.where(x < 100, T.exp(x), 0).sum(), np.array([0.0, 1e3]), [1, 0]),
    "softplus by hand": (
        lambda x: T.where(x < 30, T.log(1 + T.exp(x)), x).sum(), np.array([0, 1e3]), [0.5, 1],
    ),
    "elu by hand": (
        lambda x: T.switch(x > 0, x, T.exp(x) - 1).sum(), np.array([0, 1e3, -1e3]), [1, 1, 0],
    ),
    "gammaln": (
        lambda x: T.where(x > 0, T.gammaln(x), 0).sum(),
        np.array([0.0, 1, -2]),
        [0, special.psi(1), 0],
    ),
    "norms of rows": (
        lambda x: T.where((x**2).sum(axis=1) > 0, T.log((x**2).sum(axis=1)), 0).sum(),
        np.array([[0.0, 0], [1, 2]]),
        [[0, 0], [0.4, 0.8]],
    ),
    "unit vector": (
        lambda x: T.switch(x.norm(2) > 0, (x / x.norm(2)).sum(), 0.0), ZERO, 0,
    ),
    "log of a safe number": (
        lambda x: T.log(T.where(x > 0, x, 1)).sum(), np.array([0.0, 2]), [0, 0.5],
    ),
    "nested": (
        lambda x: T.where(x > 0, T.where(x > 1, T.log(x - 1), 0), 0).sum(),
        np.array([0.0, 1, 3]),
        [0, 0, 0.5],
    ),
    "factor of x": (
        lambda x: (x * T.where(x > 0, T.log(x), 0)).sum(), SIGNS, [0, 1, 0],
    ),
    "infinities": (lambda x: T.switch(T.isinf(1 / x), 0, 1 / x).sum(), SIGNS, [0, -1, -0.25]),
    "NaNs": (
        lambda x: T.switch(T.isnan(T.log(x)), 0, T.log(x)).sum(), np.array([-1.0, 2]), [0, 0.5],
    ),
    "scores of -inf": (
        lambda x: T.nnet.softmax(T.switch(T.eq(x, 0), -np.inf, x))[0, 1],
        np.array([[0.0, 1, 1]]),
        [[0, 0.25, -0.25]],
    ),
    "chosen elements": (
        lambda x: T.log(x[(x > 0).nonzero()]).sum(), SIGNS, [0, 1, 0],
    ),
    "replaced element": (
        lambda x: T.set_subtensor(T.log(x)[0], 0).sum(), np.array([0.0, 1, 2]), [0, 1, 0.5],
    ),
    "clipped": (
        lambda x: T.log(T.clip(x, 1e-7, 1)).sum(), np.array([0.0, 0.5]), [0, 2],
    ),
}

EXTREME: dict[str, Case] = {
    "cross-entropy of labels": (
        lambda x: T.nnet.categorical_crossentropy(T.nnet.softmax(x), LABELS).sum(),
        HUGE,
        SOFTMAX - ONE_HOT,
    ),
    "cross-entropy by indexing": (
        lambda x: -T.log(T.nnet.softmax(x))[T.arange(2), LABELS].sum(), HUGE, SOFTMAX - ONE_HOT,
    ),
    "cross-entropy of distributions": (
        lambda x: -(T.log(T.nnet.softmax(x)) * ONE_HOT).sum(), HUGE, SOFTMAX - ONE_HOT,
    ),
    "mean cross-entropy": (
        lambda x: T.nnet.crossentropy_softmax_1hot(x, LABELS)[0].mean(),
        HUGE,
        (SOFTMAX - ONE_HOT) / 2,
    ),
    "log-softmax": (lambda x: T.nnet.logsoftmax(x).sum(), HUGE, 1 - 3 * SOFTMAX),
    "log of softmax": (lambda x: T.log(T.nnet.softmax(x)).sum(), HUGE, 1 - 3 * SOFTMAX),
    "logsumexp of rows": (lambda x: T.log(T.exp(x).sum(axis=1)).sum(), HUGE, SOFTMAX),
    "logsumexp": (lambda x: T.log(T.exp(x).sum()), HUGE, special.softmax(HUGE)),
    "cross-entropy of picked probabilities": (
        lambda x: -T.log(T.nnet.softmax(x)[T.arange(2), LABELS]).sum(), HUGE, SOFTMAX - ONE_HOT,
    ),
    "cross-entropy of an impossible class": (
        lambda x: T.nnet.crossentropy_softmax_1hot(x, LABELS)[0].sum(),
        np.array([[0.0, 0, -np.inf], [0, -np.inf, -np.inf]]),
        [[0.5, -0.5, 0], [0, 0, 0]],
    ),
    "logaddexp": (lambda x: T.logaddexp(x, -x).sum(), HUGE, np.sign(HUGE)),
    "log of two exponentials": (
        lambda x: T.log(T.exp(x) + T.exp(-x)).sum(), HUGE, np.tanh(HUGE),
    ),
    "log of three exponentials": (
        lambda x: T.log(T.exp(x) + T.exp(-x) + T.exp(2 * x)).sum(),
        HUGE,
        [[2, -1, 2 / 3], [2 / 3, 2, -1]],
    ),
    "log of exponentials and 1": (
        lambda x: T.log(1 + T.exp(x) + T.exp(2 * x)).sum(), HUGE, [[2, 0, 1], [1, 2, 0]],
    ),
    "share of an exponential": (
        lambda x: (T.exp(x) / (T.exp(x) + T.exp(-x))).sum(),
        HUGE,
        2 * special.expit(2 * HUGE) * special.expit(-2 * HUGE),
    ),
    "tanh by hand": (
        lambda x: ((T.exp(x) - T.exp(-x)) / (T.exp(x) + T.exp(-x))).sum(),
        HUGE,
        1 - np.tanh(HUGE) ** 2,
    ),
    "tanh by one exponential": (
        lambda x: ((T.exp(2 * x) - 1) / (T.exp(2 * x) + 1)).sum(), HUGE, 1 - np.tanh(HUGE) ** 2,
    ),
    "tanh by sigmoid": (
        lambda x: (2 * T.nnet.sigmoid(2 * x) - 1).sum(), HUGE, 1 - np.tanh(HUGE) ** 2,
    ),
    "log1p of exp": (lambda x: T.log1p(T.exp(x)).sum(), HUGE, SIGMOID),
    "log of 1 + exp": (lambda x: T.log(1 + T.exp(x)).sum(), HUGE, SIGMOID),
    "softplus": (lambda x: T.nnet.softplus(x).sum(), HUGE, SIGMOID),
    "sigmoid": (lambda x: T.nnet.sigmoid(x).sum(), HUGE, SIGMOID * (1 - SIGMOID)),
    "log of sigmoid": (lambda x: T.log(T.nnet.sigmoid(x)).sum(), HUGE, 1 - SIGMOID),
    "log of 1 - sigmoid": (lambda x: T.log(1 - T.nnet.sigmoid(x)).sum(), HUGE, -SIGMOID),
    "sigmoid by hand": (lambda x: (1 / (1 + T.exp(-x))).sum(), HUGE, SIGMOID * (1 - SIGMOID)),
    "log of sigmoid by hand": (
        lambda x: T.log(1 / (1 + T.exp(-x))).sum(), HUGE, 1 - SIGMOID,
    ),
    "binary cross-entropy": (
        lambda x: T.nnet.binary_crossentropy(T.nnet.sigmoid(x), TARGETS).sum(),
        HUGE,
        SIGMOID - TARGETS,
    ),
    "binary cross-entropy of scores": (
        lambda x: T.nnet.sigmoid_binary_crossentropy(x, TARGETS).sum(),
        HUGE,
        SIGMOID - TARGETS,
    ),
    "tanh": (lambda x: T.tanh(x).sum(), HUGE, 1 - np.tanh(HUGE) ** 2),
    "elu": (lambda x: T.nnet.elu(x).sum(), np.array([1e3, -1e3]), [1, 0]),
}

CASES = {
    **{f"at zero: {name}": case for name, case in AT_ZERO.items()},
    **{f"masked: {name}": case for name, case in MASKED.items()},
    **{f"extreme: {name}": case for name, case in EXTREME.items()},
}


NEED_RULES = {
    f"extreme: {name}"
    for name in (
        *("logsumexp of rows", "logsumexp", "log1p of exp", "log of 1 + exp"),
        *("log of sigmoid", "log of 1 - sigmoid", "log of sigmoid by hand", "sigmoid by hand"),
        *("log of two exponentials", "log of three exponentials", "share of an exponential"),
        *("log of exponentials and 1", "binary cross-entropy"),
        *("tanh by hand", "tanh by one exponential"),
    )
}
"""Expressions that overflow as they are written: only the rules of `stable` make them finite."""


def value_and_gradient(name: str, mode: Any) -> Any:
    """A function of the case and its point."""
    build, point, _ = CASES[name]
    point = np.asarray(point, "float64")
    x = T.TensorType("float64", (False,) * point.ndim)("x")
    cost = build(x)
    return symc.function([x], [cost, symc.grad(cost, x)], mode=mode), point


@pytest.fixture(scope="module")
def compiled() -> dict[str, Any]:
    """Value and gradient of every case."""
    functions = {}
    with symc.batch("-O1"):
        for name in CASES:
            functions[name], point = value_and_gradient(name, "FAST_RUN")
            functions[name].prepare(point)
    return functions


def check(name: str, value: Any, gradient: Any) -> None:
    """The value is finite and the gradient the right one."""
    assert np.isfinite(value)
    wanted = np.broadcast_to(np.asarray(CASES[name][2], "float64"), gradient.shape)
    np.testing.assert_allclose(gradient, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("name", CASES)
def test_gradient_is_finite_and_right(name: str, compiled: dict[str, Any]) -> None:
    check(name, *compiled[name](np.asarray(CASES[name][1], "float64")))


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMPY"])
@pytest.mark.parametrize("name", CASES)
def test_gradient_is_finite_and_right_without_a_compiler(name: str, mode: str) -> None:
    chosen = symc.compile.mode.get_mode(mode)
    if name in NEED_RULES:
        chosen = chosen.including("canonical", "stable")
    function, point = value_and_gradient(name, chosen)
    check(name, *function(point))


def test_derivative_of_a_root_that_ends_at_0_is_infinite() -> None:
    x = T.dscalar("x")
    assert symc.grad(T.sqrt(x), x).eval({x: 0.0}) == np.inf
    assert symc.grad(x**0.5, x).eval({x: 0.0}) == np.inf
    assert symc.grad(T.log(x), x).eval({x: 0.0}) == np.inf


def test_second_derivative_of_a_norm_is_right_away_from_0() -> None:
    x = T.dvector("x")
    v = np.array([3.0, 4.0])
    product = symc.hessian_vector_product(x.norm(2), x, np.array([1.0, 0]))
    expected = (np.eye(2) - np.outer(v, v) / 25)[0] / 5
    np.testing.assert_allclose(product.eval({x: v}), expected, rtol=1e-12)
