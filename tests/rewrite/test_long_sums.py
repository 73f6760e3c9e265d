"""Sums of more terms than are written as one."""

from __future__ import annotations

import numpy as np
import pytest

from symc.array.constructors import dvector
from symc.graph.walk import toposort
from symc.ops.math import add, tanh
from symc.rewrite.algebra import MAX_TERMS
from symc.rewrite.engine import optimize
from tests.rewrite.randomgraphs import compare


def running_sum(count: int, repeated: bool = False):
    x = dvector("x")
    total = link = x
    for _ in range(count - 1):
        link = tanh(link)
        total = total + (x if repeated else link)
    return x, total


def lengths_of_sums(out):
    nodes = toposort([optimize([out]).outputs[0]])
    return [len(n.inputs) for n in nodes if getattr(n.op, "scalar_op", None) is add.scalar_op]


@pytest.mark.parametrize(
    ("count", "expected"),
    [(3, [3]), (MAX_TERMS, [MAX_TERMS]), (MAX_TERMS + 1, [2] * MAX_TERMS), (200, [2] * 199)],
)
def test_a_sum_is_one_node_or_a_chain_of_equal_links(count: int, expected: list[int]) -> None:
    _, out = running_sum(count)
    assert lengths_of_sums(out) == expected


def test_equal_terms_of_a_long_sum_are_collected() -> None:
    x, out = running_sum(100, repeated=True)
    assert len(lengths_of_sums(out)) < 5
    compare([out], [x], [np.linspace(-1, 1, 5)])
