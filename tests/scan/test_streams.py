"""Random streams inside loops: new numbers in every step and call, and the same in gradients."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function
from symc.tensor.shared_randomstreams import RandomStreams

MODES = ["FAST_RUN", "NUMPY"]


@pytest.mark.parametrize("mode", MODES)
def test_the_state_goes_on_without_the_updates(mode: str) -> None:
    def drawn(pass_updates: bool) -> list[np.ndarray]:
        rng = RandomStreams(seed=7)
        rows, updates = symc.scan(lambda: rng.uniform(size=(3,)), n_steps=4)
        f = function([], rows, updates=updates if pass_updates else None, mode=mode)
        return [f() for _ in range(3)]

    given, automatic = drawn(True), drawn(False)
    np.testing.assert_array_equal(given, automatic)
    assert len(np.unique(automatic)) == 3 * 4 * 3


@pytest.mark.parametrize("mode", MODES)
def test_an_explicit_update_overrides(mode: str) -> None:
    rng = RandomStreams(seed=7)
    rows, updates = symc.scan(lambda: rng.uniform(size=(3,)), n_steps=2)
    (state,) = updates
    f = function([], rows, updates=[(state, state)], mode=mode)
    np.testing.assert_array_equal(f(), f())
    g = function([], rows, no_default_updates=True, mode=mode)
    np.testing.assert_array_equal(g(), g())


@pytest.mark.parametrize("mode", MODES)
def test_gradients_see_the_numbers_that_were_drawn(mode: str) -> None:
    rng = RandomStreams(seed=3)
    x = T.dvector("x")

    def step(h: T.TensorVariable) -> T.TensorVariable:
        return h * rng.uniform(low=0.5, high=1.5, size=(3,))

    rows, _ = symc.scan(step, outputs_info=x, n_steps=5)
    f = function([x], [rows[-1], symc.grad(rows[-1].sum(), x)], mode=mode)
    start = np.array([1.0, 2.0, -3.0])
    for _ in range(2):
        last, slope = f(start)
        np.testing.assert_allclose(last, slope * start, rtol=1e-12)


def test_a_gibbs_chain_of_a_restricted_boltzmann_machine_samples_its_distribution() -> None:
    rng = RandomStreams(seed=11)
    weights = np.array([[1.0, -0.5], [0.5, 1.5]])
    start = T.dmatrix("start")

    def step(v: T.TensorVariable) -> T.TensorVariable:
        up = T.nnet.sigmoid(T.dot(v, weights))
        h = T.cast(rng.uniform(size=up.shape) < up, "float64")
        down = T.nnet.sigmoid(T.dot(h, weights.T))
        return T.cast(rng.uniform(size=down.shape) < down, "float64")

    chain, updates = symc.scan(step, outputs_info=start, n_steps=60)
    f = function([start], chain[-1], updates=updates)
    samples = f(np.zeros((20_000, 2)))
    states = np.array([[a, b] for a in (0, 1) for b in (0, 1)], float)
    free = np.prod(1 + np.exp(states @ weights), axis=1)
    expected = free / free.sum()
    found = [(samples == s).all(1).mean() for s in states]
    np.testing.assert_allclose(found, expected, atol=0.015)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("given", [True, False])
def test_draws_of_a_loop_in_a_loop_go_on(mode: str, given: bool) -> None:
    """Whether the step returns the inner updates or not, no numbers come twice."""
    streams = RandomStreams(3)

    def step():
        rows, updates = symc.scan(lambda: streams.uniform((2,), dtype="float64"), n_steps=3)
        return (rows, updates) if given else rows

    rows, updates = symc.scan(step, n_steps=4)
    f = function([], rows, updates=updates, mode=mode)
    plain = function([], RandomStreams(3).uniform((2,), dtype="float64"))
    expected = np.array([plain() for _ in range(24)]).reshape(2, 4, 3, 2)
    np.testing.assert_array_equal([f(), f()], expected)


@pytest.mark.parametrize("mode", MODES)
def test_a_draw_that_is_passed_has_one_value_for_all_steps(mode: str) -> None:
    streams = RandomStreams(3)
    draw = streams.uniform((2,), dtype="float64")
    rows, updates = symc.scan(lambda d: d * 1.0, non_sequences=draw, n_steps=3)
    assert not updates
    f = function([], [rows, draw], mode=mode)
    (first, once), (second, again) = f(), f()
    np.testing.assert_array_equal(first, [once] * 3)
    np.testing.assert_array_equal(second, [again] * 3)
    assert not np.array_equal(once, again)
