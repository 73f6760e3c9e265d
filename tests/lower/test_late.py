"""Python steps, objects, and sizes that only the computation tells."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import lvector, matrix, vector
from symc.array.type import TensorType
from symc.graph.node import Apply
from symc.graph.op import Op
from symc.graph.special import generic
from symc.loop.program import CheckStep, ForeignStep
from symc.loop.run import StepError
from symc.lower.lower import lower
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.alloc import arange, zeros
from symc.ops.elemwise import cast
from symc.ops.math import exp, tanh
from symc.ops.shape import reshape
from tests.helpers import evaluate
from tests.lower.helpers import check, run
from tests.lower.randomgraphs import Doubled, Opaque


def test_a_reshape_to_a_shape_that_is_an_input() -> None:
    x, shp = vector("x"), lvector("shp")
    out = reshape(exp(x), shp, ndim=2).sum(axis=0)
    check([x, shp], [out], [np.arange(6.0), np.array([2, 3])])


def test_a_length_from_the_largest_element() -> None:
    x = lvector("x")
    n = x.max() + 1
    outs = [arange(n) * 2, zeros((n, 3)) + 1.0]
    check([x], outs, [np.array([3, 0, 5])])


def test_late_lengths_broadcast_like_numpy_or_fail() -> None:
    x, y = vector("x"), vector("y")
    out = Opaque(0.0)(x) + tanh(y)
    program = lower([x, y], [out])
    assert any(isinstance(s, CheckStep) for s in program.steps)
    for given, other in [([1, 2, -1], [5, 6]), ([1, -2], [5, 6, 7]), ([1, 2], [5]),
                         ([-1.0], []), ([-1.0], [3])]:
        values = [np.array(given, float), np.array(other, float)]
        expected = evaluate([out], [x, y], values)[0]
        np.testing.assert_allclose(run(program, values)[0], expected)
    with pytest.raises(StepError, match="lengths 3 and 2"):
        run(program, [np.ones(3), np.ones(2)])


def test_an_op_without_a_shape_rule_in_the_middle() -> None:
    x = matrix("x")
    chosen = Opaque(0.2)(x * 2)
    check([x], [chosen, exp(chosen) + 1, chosen.sum()], [np.linspace(-1, 1, 12).reshape(3, 4)])


def test_an_op_with_infer_shape_in_the_middle() -> None:
    x = matrix("x")
    program = check([x], [tanh(Doubled()(x + 1)) * 2], [np.ones((3, 4))])
    assert not any(b.kind == "dynamic" for b in program.buffers)


class Wrong(Doubled):
    """Promises another shape than it gives."""

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        return [(shapes[0][0] * 3, shapes[0][1])]


def test_a_wrong_promise_about_the_shape_is_an_error_and_no_overrun() -> None:
    x = matrix("x")
    program = lower([x], [Wrong()(x) * 2])
    with pytest.raises(ValueError, match="broadcast|shape"):
        run(program, [np.ones((3, 4))])


class Pack(Op):
    """Any value as an object, and its length."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [generic(), TensorType("int64", ())()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = {"value": inputs[0].tolist()}
        output_storage[1][0] = np.asarray(len(inputs[0]))


class Unpack(Op):
    """The array in such an object."""

    __props__ = ()

    def make_node(self, packed: Any) -> Apply:
        return Apply(self, [packed], [TensorType("float64", (False,))()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = np.array(inputs[0]["value"], dtype=float)


def test_objects_pass_between_python_steps() -> None:
    x = vector("x")
    packed, n = Pack()(x + 1)
    out = Unpack()(packed) * 2
    program = lower([x], [out, packed, n + 1])
    found = run(program, [np.array([1.0, 2.0])])
    np.testing.assert_array_equal(found[0], [4, 6])
    assert found[1] == {"value": [2, 3]}
    assert found[2] == 3
    steps = [s for s in program.steps if isinstance(s, ForeignStep)]
    assert len(steps) == 2
    assert steps[0].fallible
    assert steps[0].key.endswith("Pack")


def test_an_object_may_be_an_input_and_an_output() -> None:
    packed = generic("packed")
    program = lower([packed], [Unpack()(packed), packed])
    found = run(program, [{"value": [3.0]}])
    np.testing.assert_array_equal(found[0], [3])
    assert found[1] == {"value": [3.0]}


def test_results_that_are_inputs_or_constants_are_copies() -> None:
    x = matrix("x")
    program = lower([x], [x, x.T, x[0], x])
    value = np.arange(6.0).reshape(2, 3)
    found = run(program, [value])
    for got, wanted in zip(found, [value, value.T, value[0], value], strict=True):
        np.testing.assert_array_equal(got, wanted)
        assert not np.shares_memory(got, value)
    assert not np.shares_memory(found[0], found[3])


def test_an_index_out_of_bounds_names_index_and_length() -> None:
    x, i = vector("x"), lvector("i")
    program = lower([x, i], [x[i[0]] * 2])
    assert run(program, [np.arange(3.0), np.array([-1])])[0] == 4
    with pytest.raises(StepError, match=r"3.*length 3"):
        run(program, [np.arange(3.0), np.array([3])])


def test_an_empty_reduction_without_identity_is_an_error() -> None:
    x = matrix("x")
    program = lower([x], [x.max(axis=0)])
    assert run(program, [np.zeros((2, 0))])[0].shape == (0,)
    with pytest.raises(StepError, match="no identity"):
        run(program, [np.zeros((0, 2))])
    late = lower([x], [Opaque(0.0)(x).max()])
    assert run(late, [np.ones((1, 2))])[0] == 1
    with pytest.raises(StepError, match="no identity"):
        run(late, [-np.ones((1, 2))])


def test_the_late_length_of_an_integer_slice() -> None:
    x = vector("x")
    count = cast(abs(x).max(), "int64")
    check([x], [x[:count], x[count:] * 2], [np.array([0.5, 2.0, -1.0, 1.0])])


@pytest.mark.parametrize("factor", [0.5, 1.5, 2.0])
def test_lengths_computed_from_lengths_in_floating_point(factor: float) -> None:
    """What is computed of lengths alone is stored where the sizes are read from."""
    x = vector("x")
    n = cast(x.shape[0] * factor, "int64")
    check([x], [zeros((n,)) + 1.0, arange(n), n], [np.ones(5)])
