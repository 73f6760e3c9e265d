"""Random graphs keep their values, shapes and types through all phases."""

from __future__ import annotations

import numpy as np
import pytest

from symc.gradient import grad
from symc.graph.check import check_graph
from symc.graph.walk import graph_inputs
from tests.helpers import evaluate
from tests.rewrite.randomgraphs import RandomGraph, compare

GRAPHS = 750
PER_TEST = 75
GRADIENTS = 30


@pytest.mark.parametrize("block", range(GRAPHS // PER_TEST))
def test_random_graphs_keep_their_values(block: int) -> None:
    for seed in range(block * PER_TEST, (block + 1) * PER_TEST):
        graph = RandomGraph(seed)
        outputs = graph.outputs()
        if not outputs:
            continue
        try:
            found = compare(outputs, graph.inputs, graph.values, graph.facts())
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error
        leaves = [v for v in graph_inputs(found.outputs) if v in graph.known]
        check_graph(leaves, found.outputs)


@pytest.mark.parametrize("block", range(10))
def test_gradients_of_random_graphs_keep_their_values(block: int) -> None:
    for seed in range(5000 + block * GRADIENTS, 5000 + (block + 1) * GRADIENTS):
        graph = RandomGraph(seed, n_ops=8)
        outputs = graph.outputs()
        if not outputs:
            continue
        gradients = grad(outputs[-1].sum(), graph.inputs, disconnected_inputs="ignore")
        values = evaluate(gradients, graph.inputs, graph.values)
        if not all(np.all(np.isfinite(v)) for v in values):
            continue
        try:
            compare([outputs[-1], *gradients], graph.inputs, graph.values, graph.facts(), rtol=1e-7)
        except Exception as error:
            raise AssertionError(f"seed {seed}") from error


@pytest.mark.parametrize("seed", range(1000, 1030))
def test_random_graphs_keep_their_values_without_facts(seed: int) -> None:
    graph = RandomGraph(seed)
    if graph.outputs():
        compare(graph.outputs(), graph.inputs, graph.values)


@pytest.mark.parametrize("seed", range(2000, 2030))
def test_random_graphs_in_single_precision(seed: int) -> None:
    graph = RandomGraph(seed, dtype="float32")
    if graph.outputs():
        outputs = graph.outputs()
        compare(outputs, graph.inputs, graph.values, graph.facts(), rtol=2e-3, atol=2e-3)
