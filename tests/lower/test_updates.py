"""Updates of containers: in place where that is safe, and never half done (D4)."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import ivector, matrix, vector
from symc.compile.shared import shared
from symc.graph.graph import clone_replace
from symc.graph.node import Apply
from symc.graph.op import Op
from symc.loop.check_program import check_program
from symc.loop.program import CopyStep, LoopStep, Program
from symc.loop.run import StepError, run_program
from symc.lower.facts import Facts
from symc.lower.lower import lower
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.dot import dot_op
from symc.ops.gather import advanced_subtensor1
from symc.ops.math import tanh
from symc.ops.scatter import advanced_inc_subtensor1
from tests.helpers import evaluate
from tests.lower.randomgraphs import RandomGraph


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


def in_place(program: Program) -> list[bool]:
    return [program.buffers[b].alias_of == program.shared[k] for k, b in program.updates]


def nothing_is_half_updated(program: Program) -> None:
    """No container is written before a step that may fail (unless that checks first)."""
    written = {b for _, b in program.updates if program.buffers[b].alias_of is not None}
    first = next((k for k, s in enumerate(program.steps) if set(s.writes()) & written), None)
    if first is not None:
        assert not any(s.fallible for s in program.steps[first + 1 :])


def run(program: Program, inputs: Any, containers: Any) -> list[Any]:
    """Values of the outputs; containers (a list) take their new values as after a call."""
    check_program(program)
    outputs, updates = run_program(program, inputs, containers)
    for position, value in updates:
        containers[position] = value
    return outputs


def test_gradient_descent_is_in_place() -> None:
    x, w = matrix("x"), shared(data(3, 2), "w")
    g = dot_op(x.T, tanh(dot_op(x, w)))
    program = lower([x], [g.sum()], [w], [(0, w - 0.1 * g)])
    assert in_place(program) == [True]
    store = [w.get_value()]
    mine, value = store[0], data(5, 3, seed=1)
    expected = evaluate([w - 0.1 * g], [x], [value])[0]
    run(program, [value], store)
    assert store[0] is mine or np.shares_memory(store[0], mine)
    np.testing.assert_allclose(mine, expected, rtol=1e-12)


def test_momentum_updates_both_in_place_in_one_kernel() -> None:
    g, w, m = vector("g"), shared(data(4), "w"), shared(data(4, seed=1), "m")
    step = 0.9 * m - 0.1 * g
    program = lower([g], [], [w, m], [(0, w + step), (1, step)])
    assert in_place(program) == [True, True]
    assert len(program.steps) == 1
    store, value = [w.get_value(), m.get_value()], data(4, seed=2)
    old = [v.copy() for v in store]
    run(program, [value], store)
    np.testing.assert_allclose(store[1], 0.9 * old[1] - 0.1 * value)
    np.testing.assert_allclose(store[0], old[0] + 0.9 * old[1] - 0.1 * value)


def test_swapped_containers_keep_both_values() -> None:
    a, b = shared(data(4), "a"), shared(data(4, seed=1), "b")
    program = lower([], [], [a, b], [(0, b), (1, a)])
    store = [a.get_value(), b.get_value()]
    old = [v.copy() for v in store]
    run(program, [], store)
    np.testing.assert_array_equal(store[0], old[1])
    np.testing.assert_array_equal(store[1], old[0])


def test_transposed_update_is_not_in_place() -> None:
    a = shared(data(4, 4), "a")
    program = lower([], [], [a], [(0, a.T + 1)])
    assert in_place(program) == [False]
    store = [a.get_value()]
    run(program, [], store)
    np.testing.assert_allclose(store[0], a.get_value().T + 1)


def test_update_of_another_shape_is_not_in_place() -> None:
    a, x = shared(data(4), "a"), vector("x")
    program = lower([x], [], [a], [(0, 2 * x)])
    assert in_place(program) == [False]


def test_output_of_the_old_value() -> None:
    a = shared(data(4), "a")
    program = lower([], [a, a * 2], [a], [(0, a + 1)])
    store = [a.get_value()]
    first, second = run(program, [], store)
    np.testing.assert_array_equal(first, a.get_value())
    np.testing.assert_array_equal(second, 2 * a.get_value())
    np.testing.assert_array_equal(store[0], a.get_value() + 1)


def test_two_variables_on_one_container() -> None:
    a = shared(data(4), "a")
    twin = a.clone()
    program = lower([], [twin * 2], [a], [(0, a + twin)])
    assert len(program.shared) == 1
    store = [a.get_value()]
    (out,) = run(program, [], store)
    np.testing.assert_array_equal(out, 2 * a.get_value())
    np.testing.assert_array_equal(store[0], 2 * a.get_value())


class Fails(Op):
    """Fails on negative elements."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        if (inputs[0] < 0).any():
            raise ValueError("negative")
        output_storage[0][0] = inputs[0] + 1

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return shapes


def test_a_step_that_may_fail_comes_before_the_update() -> None:
    x, a = vector("x"), shared(data(4), "a")
    program = lower([x], [Fails()(x)], [a], [(0, a * 2)])
    assert in_place(program) == [True]
    nothing_is_half_updated(program)
    store = [a.get_value()]
    with pytest.raises(ValueError, match="negative"):
        run(program, [-np.ones(4)], store)
    np.testing.assert_array_equal(store[0], a.get_value())


def test_an_update_that_a_failing_step_reads_is_not_in_place() -> None:
    a = shared(data(4), "a")
    new = a * 2
    program = lower([], [Fails()(new)], [a], [(0, new)])
    assert in_place(program) == [False]
    store = [-abs(a.get_value())]
    old = store[0].copy()
    with pytest.raises(ValueError, match="negative"):
        run(program, [], store)
    np.testing.assert_array_equal(store[0], old)


def test_rows_of_a_table_are_updated_in_place() -> None:
    table, idx = shared(data(6, 3), "W"), ivector("idx")
    rows = advanced_subtensor1(table, idx)
    new = advanced_inc_subtensor1(table, -0.1 * tanh(rows), idx)
    program = lower([idx], [rows.sum()], [table], [(0, new)])
    assert in_place(program) == [True]
    assert not any(isinstance(s, CopyStep) for s in program.steps)
    store, chosen = [table.get_value()], np.array([1, 5, 1, -2], "int32")
    run(program, [chosen], store)
    expected = table.get_value()
    np.add.at(expected, chosen, -0.1 * np.tanh(table.get_value()[chosen]))
    np.testing.assert_allclose(store[0], expected)
    with pytest.raises(StepError):
        run(program, [np.array([0, 6], "int32")], store)
    np.testing.assert_allclose(store[0], expected)


def test_many_tables_are_updated_in_place_after_all_checks() -> None:
    tables, idx, other = [shared(data(6, 3), f"t{k}") for k in range(5)], ivector("i"), ivector("j")
    updates = [
        (k, advanced_inc_subtensor1(t, t[:1] * 2, idx if k % 2 else other))
        for k, t in enumerate(tables)
    ]
    program = lower([idx, other], [], tables, updates)
    assert in_place(program) == [True] * 5
    nothing_is_half_updated(program)
    store = [t.get_value() for t in tables]
    with pytest.raises(StepError):
        run(program, [np.array([1, 2], "int32"), np.array([0, 7], "int32")], store)
    for value, t in zip(store, tables, strict=True):
        np.testing.assert_array_equal(value, t.get_value())
    run(program, [np.array([1, 2, 1], "int32"), np.array([0, -1], "int32")], store)
    for k, (value, t) in enumerate(zip(store, tables, strict=True)):
        expected = t.get_value()
        np.add.at(expected, [1, 2, 1] if k % 2 else [0, -1], 2 * t.get_value()[:1])
        np.testing.assert_allclose(value, expected)


def test_a_scatter_into_a_value_that_is_needed_later_gets_a_copy() -> None:
    x, idx = matrix("x"), ivector("idx")
    h = tanh(x)
    new = advanced_inc_subtensor1(h, h[:1], idx)
    program = lower([x, idx], [new, h * 3])
    values = [data(4, 3), np.array([0, 2], "int32")]
    for got, wanted in zip(run(program, values, []), evaluate([new, h * 3], [x, idx], values),
                           strict=True):
        np.testing.assert_allclose(got, wanted)


def test_a_chain_of_scatters_works_in_one_buffer() -> None:
    x, idx = matrix("x"), ivector("idx")
    new = tanh(x)
    for _ in range(4):
        new = advanced_inc_subtensor1(new, x[:1], idx)
    program = lower([x, idx], [new])
    assert not any(isinstance(s, CopyStep) for s in program.steps)
    assert sum(isinstance(s, LoopStep) and bool(s.writes()) for s in program.steps) == 4
    values = [data(4, 3), np.array([0, 2, 2], "int32")]
    np.testing.assert_allclose(run(program, values, [])[0], evaluate(new, [x, idx], values))


@pytest.mark.parametrize("block", range(8))
def test_random_updates(block: int) -> None:
    """Inputs of random graphs become containers that random values of their shape update."""
    for seed in range(25 * block, 25 * block + 25):
        graph = RandomGraph(seed, steps=12)
        updates = []
        for k, (x, value) in enumerate(zip(graph.inputs, graph.values, strict=True)):
            same = [
                v for v, w in graph.made
                if w.shape == value.shape and v.type.dtype == x.type.dtype and v is not x
            ]
            if same:
                updates.append((k, same[int(graph.rng.integers(len(same)))]))
        check_updates(graph, updates)


def check_updates(graph: RandomGraph, updates: list[tuple[int, Any]]) -> None:
    containers = [shared(np.array(v, order="C"), x.name) for x, v in
                  zip(graph.inputs, graph.values, strict=True)]
    replace = dict(zip(graph.inputs, containers, strict=True))
    roots = [*graph.outputs, *(v for _, v in updates)]
    made = clone_replace(roots, replace)
    count = len(graph.outputs)
    values = [c.get_value() for c in containers]
    old = [v.copy() for v in values]
    known = dict(zip(containers, old, strict=True))
    facts = Facts(containers, lambda v, axis: known[v].shape[axis])
    new_updates = [(k, v) for (k, _), v in zip(updates, made[count:], strict=True)]
    program = lower([], made[:count], containers, new_updates, facts)
    nothing_is_half_updated(program)
    expected = evaluate(roots, graph.inputs, old)
    outputs = run(program, [], values)
    for got, wanted in zip(outputs, expected[:count], strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5, atol=1e-6)
    for (k, _), wanted in zip(updates, expected[count:], strict=True):
        np.testing.assert_allclose(values[k], wanted, rtol=1e-5, atol=1e-6)
