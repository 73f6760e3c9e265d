"""A chain of 100,000 nodes goes through everything under the default recursion limit."""

from __future__ import annotations

import copy
import pickle
import sys
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Mode, function
from symc.graph.walk import graph_inputs, toposort
from symc.runtime import native_available

NODES = 100_000
PER_ROUND = 8  # applications in one round of `chain`, the constants' broadcasts included
ROUNDS = NODES // PER_ROUND
POINT = np.array([0.3, -0.2, 1.0])


def chain(x: Any, rounds: int) -> Any:
    """A chain that stays bounded and whose value depends on every round."""
    y = x
    for _ in range(rounds):
        y = y * 0.5 + 1.0
        y = T.tanh(y)
        y = y - x * 0.25
    return y


def value_and_slope(x: np.ndarray, rounds: int) -> tuple[np.ndarray, np.ndarray]:
    """The same in NumPy, with its derivative by the chain rule."""
    y, slope = x, np.ones_like(x)
    for _ in range(rounds):
        y, slope = y * 0.5 + 1.0, slope * 0.5
        y = np.tanh(y)
        slope = slope * (1 - y * y)
        y, slope = y - x * 0.25, slope - 0.25
    return y, slope


@pytest.fixture(scope="module")
def long_chain() -> tuple[Any, Any]:
    x = T.dvector("x")
    return x, chain(x, ROUNDS)


def test_the_chain_is_long_and_the_recursion_limit_is_not(long_chain: Any) -> None:
    assert len(toposort([long_chain[1]])) >= NODES
    assert sys.getrecursionlimit() <= 2000


def test_it_prints(long_chain: Any) -> None:
    _, y = long_chain
    assert symc.debugprint(y, file="str").count("\n") > NODES
    assert symc.pp(y, max_chars=None).count("tanh") == ROUNDS


def test_it_is_copied_and_pickled(long_chain: Any) -> None:
    x, y = long_chain
    for other in (
        copy.deepcopy(y),
        pickle.loads(pickle.dumps(y)),
        symc.clone(y, share_inputs=False),
    ):
        assert other is not y
        assert len(toposort([other])) == len(toposort([y]))
    assert graph_inputs([symc.clone(y, {x: x * 2})])[0] is x


def test_it_is_differentiated_and_runs_on_numpy(long_chain: Any) -> None:
    x, y = long_chain
    slope = symc.grad(y.sum(), x)
    f = function([x], [y, slope], mode=Mode("numpy", "None"))
    value, expected = value_and_slope(POINT, ROUNDS)
    got = f(POINT)
    np.testing.assert_allclose(got[0], value, rtol=1e-12)
    np.testing.assert_allclose(got[1], expected, rtol=1e-10)


def test_functions_of_it_are_copied_and_pickled(long_chain: Any) -> None:
    x, y = long_chain
    f = function([x], y, mode=Mode("numpy", "None"))
    value, _ = value_and_slope(POINT, ROUNDS)
    for g in (pickle.loads(pickle.dumps(f)), f.copy()):
        np.testing.assert_allclose(g(POINT), value, rtol=1e-12)


@pytest.mark.slow
def test_it_compiles_with_all_rewrites_and_runs(long_chain: Any) -> None:
    x, y = long_chain
    f = function([x], y)
    value, _ = value_and_slope(POINT, ROUNDS)
    np.testing.assert_allclose(f(POINT), value, rtol=1e-10)
    assert f.maker.fgraph.toposort()
    assert symc.debugprint(f, file="str")


@pytest.mark.slow
@pytest.mark.skipif(not native_available(), reason="no compiled code here")
def test_the_gradient_of_a_tenth_of_it_compiles_and_runs() -> None:
    x = T.dvector("x")
    rounds = ROUNDS // 10
    y = chain(x, rounds)
    f = function([x], [y, symc.grad(y.sum(), x)])
    value, slope = value_and_slope(POINT, rounds)
    got = f(POINT)
    np.testing.assert_allclose(got[0], value, rtol=1e-10)
    np.testing.assert_allclose(got[1], slope, rtol=1e-8)


def test_long_chains_of_updates_and_scalars() -> None:
    w = symc.shared(np.float64(0.3), name="w")
    x = T.dscalar("x")
    f = function([x], chain(x, 400), updates=[(w, chain(w, 400))])
    value, _ = value_and_slope(np.array(0.3), 400)
    np.testing.assert_allclose(f(0.3), value, rtol=1e-10)
    np.testing.assert_allclose(w.get_value(), value, rtol=1e-10)


@pytest.mark.skipif(not native_available(), reason="needs a C compiler")
def test_the_gradient_of_a_chain_is_summed_while_it_is_computed() -> None:
    """Its terms do not wait for each other: the kernels have few operands, and repeat."""
    rounds = 250
    x = T.dvector("x")
    y = x
    for _ in range(rounds):
        y = T.tanh(T.sin(y) + x) * x
    f = function([x], [y.sum(), symc.grad(y.sum(), x)])
    program = f.maker.executor.main.lowered
    kernels = [s.kernel for s in program.steps if hasattr(s, "kernel")]
    assert max(len(k.operands) for k in kernels) <= 100
    assert len(program.slots) <= 2 * rounds + 50  # what the way back needs of the way there
    point = np.linspace(0.1, 1.2, 7)
    value, slope = point, np.ones_like(point)
    for _ in range(rounds):
        inner = np.tanh(np.sin(value) + point)
        slope = point * (1 - inner**2) * (np.cos(value) * slope + 1) + inner
        value = inner * point
    total, gradient = f(point)
    np.testing.assert_allclose(total, value.sum(), rtol=1e-12)
    np.testing.assert_allclose(gradient, slope, rtol=1e-10)
