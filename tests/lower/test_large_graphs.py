"""Long chains and large kernels: bounded kernels, few values between them, linear time."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from symc.array.constructors import matrix, vector
from symc.loop.program import KernelStep
from symc.lower.lower import lower
from symc.lower.split import MAX_KERNEL_SIZE
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.math import exp, tanh
from symc.scalar.expr import walk
from tests.lower.helpers import run
from tests.lower.randomgraphs import RandomGraph
from tests.lower.test_random_graphs import compare


def chain_with_gradient(n: int) -> tuple[list[Any], list[Any]]:
    """``f[i] = tanh(f[i-1] w)`` and the gradients of the sum of the last one, by hand."""
    x, w = vector("x"), vector("w")
    f = [x]
    for _ in range(n):
        f.append(tanh(f[-1] * w))
    g, gw = f[-1] * 0 + 1, x * 0
    for i in range(n, 0, -1):
        d = g * (1 - f[i] * f[i])
        gw = gw + d * f[i - 1]
        g = d * w
    return [x, w], [g, gw]


def kernel_sizes(program: Any) -> list[int]:
    sizes = []
    for step in program.steps:
        if isinstance(step, KernelStep):
            exprs = [e for stage in step.kernel.stages for s in stage.stores
                     for e in (s.value, *s.index)]
            exprs += [r.value for stage in step.kernel.stages for r in stage.reductions]
            sizes.append(sum(e.kind == "call" for e in walk(exprs)))
    return sizes


@pytest.mark.parametrize("n", [40, 300])
def test_kernels_are_bounded_and_cut_where_few_values_cross(n: int) -> None:
    inputs, outputs = chain_with_gradient(n)
    program = lower(inputs, outputs)
    assert max(kernel_sizes(program)) <= MAX_KERNEL_SIZE
    # What the gradient needs of the chain is stored, and two running values per cut, no more.
    written = sum(len(s.writes()) for s in program.steps)
    assert written <= n + 2 * len(program.steps) + 2
    values = [np.linspace(-1, 1, 5), np.linspace(0.9, 1.1, 5)]
    f = [values[0]]
    for _ in range(n):
        f.append(np.tanh(f[-1] * values[1]))
    g, gw = np.ones(5), np.zeros(5)
    for i in range(n, 0, -1):
        d = g * (1 - f[i] * f[i])
        gw, g = gw + d * f[i - 1], d * values[1]
    for got, wanted in zip(run(program, values), [g, gw], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-9)


def test_a_large_row_wise_kernel_is_cut_too() -> None:
    x = matrix("x")
    out = x
    for _ in range(25):
        e = exp(out - out.max(axis=1, keepdims=True))
        out = tanh(e / e.sum(axis=1, keepdims=True) + out * out * out)
    program = lower([x], [out])
    assert len(program.steps) > 1
    value = np.linspace(-1, 1, 12).reshape(3, 4)
    expected = value
    for _ in range(25):
        e = np.exp(expected - expected.max(axis=1, keepdims=True))
        expected = np.tanh(e / e.sum(axis=1, keepdims=True) + expected**3)
    np.testing.assert_allclose(run(program, [value])[0], expected, rtol=1e-9)


def build(n: int) -> Any:
    x, y = vector("x"), vector("y")
    out = x
    for i in range(n):
        out = tanh(out) if i % 3 == 0 else out + y
    return [x, y], out


def test_a_chain_of_30_000_nodes() -> None:
    inputs, out = build(30_000)
    program = lower(inputs, [out])
    assert max(kernel_sizes(program)) <= MAX_KERNEL_SIZE
    assert len(program.slots) <= len(program.steps)
    assert sum(b.slot is not None for b in program.buffers) >= len(program.steps) - 1


def test_time_grows_in_proportion() -> None:
    def seconds(n: int) -> float:
        inputs, out = build(n)
        best = []
        for _ in range(2):
            start = time.process_time()
            lower(inputs, [out])
            best.append(time.process_time() - start)
        return min(best)

    assert seconds(12_000) < 3 * seconds(6_000) + 0.2


@pytest.mark.parametrize("block", range(4))
def test_larger_random_graphs(block: int) -> None:
    for seed in range(10_000 + 20 * block, 10_000 + 20 * block + 20):
        graph = RandomGraph(seed, dynamic=seed % 3 == 0, steps=40)
        compare(graph, lower(graph.inputs, graph.outputs))
