"""Update rules against their formulas, over 20 steps."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import updates

STEPS = 20
START = np.array([1.0, -2.0, 0.5])
CURVATURE = np.array([1.0, 3.0, 0.2])


def slope(p):
    return CURVATURE * np.sin(p)


def sgd():
    p = START.copy()
    for _ in range(STEPS):
        p = p - 0.1 * slope(p)
    return p


def momentum():
    p, v = START.copy(), np.zeros(3)
    for _ in range(STEPS):
        v = 0.8 * v - 0.1 * slope(p)
        p = p + v
    return p


def nesterov_momentum():
    p, v = START.copy(), np.zeros(3)
    for _ in range(STEPS):
        g = slope(p)
        v = 0.8 * v - 0.1 * g
        p = p + 0.8 * v - 0.1 * g
    return p


def adagrad():
    p, a = START.copy(), np.zeros(3)
    for _ in range(STEPS):
        g = slope(p)
        a = a + g**2
        p = p - 0.1 * g / np.sqrt(a + 1e-6)
    return p


def rmsprop():
    p, a = START.copy(), np.zeros(3)
    for _ in range(STEPS):
        g = slope(p)
        a = 0.7 * a + 0.3 * g**2
        p = p - 0.1 * g / np.sqrt(a + 1e-6)
    return p


def adadelta():
    p, a, d = START.copy(), np.zeros(3), np.zeros(3)
    for _ in range(STEPS):
        g = slope(p)
        a = 0.7 * a + 0.3 * g**2
        s = g * np.sqrt(d + 1e-6) / np.sqrt(a + 1e-6)
        p = p - s
        d = 0.7 * d + 0.3 * s**2
    return p


def adam():
    p, m, v = START.copy(), np.zeros(3), np.zeros(3)
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        rate = 0.1 * np.sqrt(1 - 0.99**t) / (1 - 0.9**t)
        p = p - rate * m / (np.sqrt(v) + 1e-8)
    return p


def adamax():
    p, m, u = START.copy(), np.zeros(3), np.zeros(3)
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, u = 0.9 * m + 0.1 * g, np.maximum(0.99 * u, abs(g))
        p = p - 0.1 / (1 - 0.9**t) * m / (u + 1e-8)
    return p


def amsgrad():
    p, m, v, top = START.copy(), np.zeros(3), np.zeros(3), np.zeros(3)
    for t in range(1, STEPS + 1):
        g = slope(p)
        m, v = 0.9 * m + 0.1 * g, 0.99 * v + 0.01 * g**2
        top = np.maximum(top, v)
        rate = 0.1 * np.sqrt(1 - 0.99**t) / (1 - 0.9**t)
        p = p - rate * m / (np.sqrt(top) + 1e-8)
    return p


BETAS = {"learning_rate": 0.1, "beta1": 0.9, "beta2": 0.99}
RULES = [
    (sgd, {"learning_rate": 0.1}),
    (momentum, {"learning_rate": 0.1, "momentum": 0.8}),
    (nesterov_momentum, {"learning_rate": 0.1, "momentum": 0.8}),
    (adagrad, {"learning_rate": 0.1}),
    (rmsprop, {"learning_rate": 0.1, "rho": 0.7}),
    (adadelta, {"rho": 0.7}),
    (adam, BETAS),
    (adamax, BETAS),
    (amsgrad, BETAS),
]


@pytest.mark.parametrize("given", ["loss", "gradients"])
@pytest.mark.parametrize(("formula", "options"), RULES, ids=[r.__name__ for r, _ in RULES])
def test_rule(formula, options, given):
    p = symc.shared(START.copy())
    loss = -T.sum(CURVATURE * T.cos(p))
    of = loss if given == "loss" else [symc.grad(loss, p)]
    rule = getattr(updates, formula.__name__)(of, [p], **options)
    assert isinstance(rule, OrderedDict)
    step = symc.function([], loss, updates=rule)
    for _ in range(STEPS):
        step()
    np.testing.assert_allclose(p.get_value(), formula(), rtol=1e-10)


def test_momentum_on_any_rule():
    p, q = symc.shared(START.copy()), symc.shared(START.copy())
    for apply, rule, x in (
        (updates.apply_momentum, updates.momentum, p),
        (updates.apply_nesterov_momentum, updates.nesterov_momentum, q),
    ):
        again = symc.shared(START.copy())
        loss, other = T.sum(T.cosh(x)), T.sum(T.cosh(again))
        one = symc.function([], updates=apply(updates.sgd(loss, [x], 0.1), momentum=0.5))
        two = symc.function([], updates=rule(other, [again], 0.1, momentum=0.5))
        for _ in range(5):
            one()
            two()
        np.testing.assert_allclose(x.get_value(), again.get_value(), rtol=1e-12)


def test_constraints():
    rng = np.random.default_rng(0)
    value = rng.standard_normal((5, 3)) * [0.1, 1.0, 10.0]
    got = updates.norm_constraint(T.constant(value), 2.0).eval()
    norms = np.sqrt((value**2).sum(0))
    np.testing.assert_allclose(got, value * np.minimum(norms, 2.0) / (1e-7 + norms))
    arrays = [rng.standard_normal((2, 2)), rng.standard_normal(3)]
    scaled, norm = updates.total_norm_constraint(
        [T.constant(a) for a in arrays], 0.5, return_norm=True
    )
    total = np.sqrt(sum((a**2).sum() for a in arrays))
    assert norm.eval() == pytest.approx(total)
    for a, s in zip(arrays, scaled, strict=True):
        np.testing.assert_allclose(s.eval(), a * 0.5 / (total + 1e-7))


def test_wrong_use():
    p = symc.shared(START.copy())
    with pytest.raises(ValueError, match="2 gradients for 1"):
        updates.sgd([p, p], [p], 0.1)
    with pytest.raises(ValueError, match="shared variables"):
        updates.sgd(T.sum(p), [p * 2], 0.1)
