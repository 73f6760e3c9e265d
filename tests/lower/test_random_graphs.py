"""Random graphs: the interpreted program equals NumPy, for broadcast patterns of all kinds."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.loop.check_program import check_program
from symc.loop.run import GuardError, run_program
from symc.lower.lower import lower
from tests.helpers import evaluate
from tests.lower.helpers import lowered
from tests.lower.randomgraphs import RandomGraph


def compare(graph: RandomGraph, program: Any) -> None:
    check_program(program)
    copies = [np.array(v, copy=True) for v in graph.values]
    try:
        found, _ = run_program(program, graph.values)
    except GuardError:
        program = lowered(graph.inputs, graph.outputs, graph.values)
        found, _ = run_program(program, graph.values)
    for before, after in zip(copies, graph.values, strict=True):
        np.testing.assert_array_equal(before, after)
    expected = evaluate(graph.outputs, graph.inputs, graph.values)
    for got, wanted in zip(found, expected, strict=True):
        assert got.dtype == wanted.dtype
        assert got.shape == wanted.shape
        np.testing.assert_allclose(got, wanted, rtol=1e-5 if got.dtype == "float32" else 1e-9,
                                   atol=1e-6 if got.dtype == "float32" else 1e-12)


@pytest.mark.parametrize("block", range(20))
def test_random_graphs(block: int) -> None:
    for seed in range(25 * block, 25 * block + 25):
        graph = RandomGraph(seed)
        compare(graph, lower(graph.inputs, graph.outputs))


@pytest.mark.parametrize("block", range(10))
def test_random_graphs_with_data_dependent_sizes(block: int) -> None:
    for seed in range(25 * block, 25 * block + 25):
        graph = RandomGraph(seed, dynamic=True)
        compare(graph, lower(graph.inputs, graph.outputs))


@pytest.mark.parametrize("option", ["fuse", "inplace"])
def test_passes_can_be_switched_off(option: str) -> None:
    for seed in range(40):
        graph = RandomGraph(seed)
        compare(graph, lower(graph.inputs, graph.outputs, **{option: False}))


def test_the_reference_is_numpy() -> None:
    """The generator computes with NumPy what it builds with ops."""
    for seed in range(60):
        graph = RandomGraph(seed)
        known = dict(graph.made)
        for variable, value in zip(
            graph.outputs, evaluate(graph.outputs, graph.inputs, graph.values), strict=True
        ):
            np.testing.assert_allclose(value, known[variable], rtol=1e-5, atol=1e-6)

