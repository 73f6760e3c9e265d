"""The work of all phases grows in proportion to the graph."""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.array.constructors import dscalar, dvector
from symc.gradient import grad
from symc.graph.walk import toposort
from symc.lower.facts import Facts
from symc.ops import math as m
from symc.ops.reduce import sum as sum_
from symc.rewrite import elementwise
from symc.rewrite.engine import optimize


def graph(n: int) -> tuple[list[Any], list[Any]]:
    """A cost of n mixed operations, each of one of the last ten results, and its gradient."""
    x, y = dvector("x"), dvector("y")
    rng = np.random.default_rng(0)
    results = [x, y]
    for _ in range(n):
        a = results[-1]
        b = results[int(rng.integers(max(0, len(results) - 10), len(results)))]
        choices = (
            lambda a, b: m.tanh(a + b),
            lambda a, b: a * m.sigmoid(b),
            lambda a, b: (a - b) * 0.5,
            lambda a, b: m.exp(-m.sqr(a)) + b,
            lambda a, b: m.log(1 + m.sqr(a)) - b / 3,
            lambda a, b: m.maximum(a, b) * 0.9,
        )
        results.append(choices[int(rng.integers(len(choices)))](a, b))
    cost = sum_(results[-1])
    return [x, y], [cost, *grad(cost, [x, y])]


def tries(n: int) -> tuple[int, int]:
    """The nodes of a graph, and how often rules are tried on them and on what they become."""
    inputs, outputs = graph(n)
    return len(toposort(outputs)), sum(optimize(outputs, Facts(inputs)).calls.values())


def test_work_is_linear_in_the_size_of_the_graph() -> None:
    (small_nodes, small), (nodes, large) = tries(150), tries(300)
    assert 1.8 < nodes / small_nodes < 2.2
    assert large < 2.5 * small


def test_sums_of_sums_do_not_grow_exponentially() -> None:
    x = dvector("x")
    total = x
    for _ in range(60):
        total = total + total * 0.5 + m.exp(total)
    optimized = optimize([total], Facts([x]))
    assert len(toposort(optimized.outputs)) < 500
    assert sum(optimized.calls.values()) < 100_000


def test_running_sums_stay_shared() -> None:
    terms = [dvector(f"x{i}") for i in range(60)]
    totals = [terms[0]]
    for term in terms[1:]:
        totals.append(totals[-1] + term)
    new = optimize(totals[1:], Facts(terms)).outputs
    assert len(toposort(new)) == len(totals) - 1


def test_scalars_that_a_length_uses_twice_are_looked_at_once() -> None:
    length = other = dscalar()
    for _ in range(200):
        length = length * length
    assert not elementwise._needs(length, dscalar())
    assert elementwise._needs(length, other)
