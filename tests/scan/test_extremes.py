"""Maxima in loops: what the gradient computes anew differs from the forward loop by roundings."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T

RNG = np.random.default_rng(0)
X = RNG.standard_normal((5, 3, 4))
START = 0.5 * RNG.standard_normal((3, 6))
INPUT, STATE = 0.5 * RNG.standard_normal((4, 6)), 0.3 * RNG.standard_normal((6, 6))

STEPS = {
    "relu": (T.nnet.relu, lambda a: np.maximum(a, 0)),
    "minimum": (lambda a: T.minimum(a, 0.3), lambda a: np.minimum(a, 0.3)),
    "max": (
        lambda a: T.tanh(a) * T.tanh(T.max(a, axis=1, keepdims=True)),
        lambda a: np.tanh(a) * np.tanh(a.max(axis=1, keepdims=True)),
    ),
}


def numpy_cost(step, weights):
    state, total = START, 0.0
    for x in X:
        state = step(state @ STATE + x @ weights)
        total += np.sum(np.sin(state))
    return total


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "NUMPY"])
@pytest.mark.parametrize("name", STEPS)
def test_gradient_of_a_sum_of_two_products(name, mode):
    symbolic, numeric = STEPS[name]
    x, h0 = T.tensor3("x"), T.matrix("h0")
    w, u = symc.shared(INPUT), symc.shared(STATE)
    states, _ = symc.scan(
        lambda row, h, w, u: symbolic(T.dot(h, u) + T.dot(row, w)),
        sequences=x, outputs_info=h0, non_sequences=[w, u],
    )
    slope = symc.function([x, h0], symc.grad(T.sin(states).sum(), w), mode=mode)(X, START)
    expected = np.zeros_like(INPUT)
    for place in np.ndindex(*INPUT.shape):
        change = np.zeros_like(INPUT)
        change[place] = 1e-6
        costs = [numpy_cost(numeric, INPUT + s * change) for s in (1, -1)]
        expected[place] = (costs[0] - costs[1]) / 2e-6
    np.testing.assert_allclose(slope, expected, rtol=1e-5, atol=1e-6)
