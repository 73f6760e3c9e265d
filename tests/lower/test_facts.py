"""Sizes as expressions: what is proved, assumed, required and observed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import iscalar, lscalar, lvector, matrix, vector
from symc.array.convert import constant
from symc.array.type import TensorType
from symc.compile.shared import shared
from symc.errors import ShapeError
from symc.graph.node import Apply
from symc.graph.op import Op
from symc.loop.evaluate import size_value
from symc.lower.facts import Facts
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.alloc import arange, zeros
from symc.ops.dot import dot_op
from symc.ops.elemwise import cast
from symc.ops.math import exp
from symc.ops.shape import reshape
from symc.scalar.op import CASTS


def number(facts: Facts, size: Any, known: dict[Any, Any]) -> int:
    """The value of a size, given arrays for the variables."""

    def value(leaf: Any) -> int:
        variable, index = facts.source(leaf.payload[1])
        array = np.asarray(known[variable])
        return int(array[index]) if leaf.payload[0] == "val" else array.shape[leaf.payload[2]]

    return size_value(size, value)


def test_broadcast_lengths_are_assumed_equal_once() -> None:
    x, y = matrix("x"), matrix("y")
    facts = Facts([x, y])
    z = x + y
    assert not facts.same_length(x, 0, y, 0)
    assert facts.same_shape(z, x)
    assert facts.same_length(x, 0, y, 0)
    assert facts.same_shape(exp(z) * y, y)
    assert len(facts.assumptions) == 2
    assert all(a.node is z.owner for a in facts.assumptions)


def test_a_number_is_never_expressed_by_a_size() -> None:
    x = vector("x")
    facts = Facts([x], lambda _, axis: 2)
    y = x[:-1] + x
    assert facts.same_length(y, 0, x, 0)
    assert facts.static_shape(x[:-1]) == (1,)
    assert facts.is_one(facts.ctx.integer(1))


def test_nothing_is_assumed_where_the_pattern_or_a_length_says_enough() -> None:
    x, row = matrix("x"), TensorType("float64", (True, False))("row")
    known = TensorType("float64", (False, False))("known", shape=(3, 4))
    facts = Facts([x, row, known])
    assert facts.shape(known + constant(np.ones((3, 4))))[0].value == 3
    assert facts.shape(exp(known).sum(axis=0)[None])[0].value == 1
    assert not facts.assumptions
    assert facts.static_shape(x + row) == (None, None)
    assert len(facts.assumptions) == 1


def test_equal_sums_of_lengths_are_proved() -> None:
    x, y = vector("x"), vector("y")
    facts = Facts([x, y])
    (n,), (m,) = facts.shape(x), facts.shape(y)
    assert facts.equal(n + m - 1, m - 1 + n)
    assert not facts.equal(n + m, n)


def test_an_assumption_about_sums_is_solved_for_a_leaf() -> None:
    x, y = vector("x"), vector("y")
    facts = Facts([x, y])
    facts.shape(zeros(x.shape[0] + 2) + zeros(y.shape[0] + 2))
    assert facts.same_length(x, 0, y, 0)


def test_lengths_that_contradict_are_an_error_with_both_lengths() -> None:
    facts = Facts([])
    with pytest.raises(ShapeError, match=r"(?s)3.*4|4.*3"):
        facts.broadcast(facts.ctx.integer(3), facts.ctx.integer(4))


@pytest.mark.parametrize(
    ("shapes", "result"),
    [(((3,), (3,)), 3), (((1,), (3,)), 3), (((3,), (1,)), 3), (((1,), (1,)), 1),
     (((0,), (1,)), 0), (((1,), (0,)), 0)],
)
def test_an_oracle_decides_how_axes_are_broadcast(shapes: Any, result: int) -> None:
    x, y = vector("x"), vector("y")
    known = {x: np.zeros(shapes[0]), y: np.zeros(shapes[1])}
    facts = Facts([x, y], lambda v, axis: known[v].shape[axis])
    (n,) = facts.shape(x + y)
    assert number(facts, n, known) == result
    assert all(number(facts, CASTS["int64"](a.condition), known) for a in facts.assumptions)


def test_an_oracle_refuses_what_numpy_refuses() -> None:
    x, y = vector("x"), vector("y")
    known = {x: np.zeros(3), y: np.zeros(4)}
    facts = Facts([x, y], lambda v, axis: known[v].shape[axis])
    with pytest.raises(ShapeError, match=r"x of shape \(3,\)") as error:
        facts.shape(x + y)
    assert "y of shape (4,)" in str(error.value)
    assert "test_facts.py" in str(error.value)


def test_values_of_integers_are_worked_out() -> None:
    x, n, k = matrix("x"), lscalar("n"), iscalar("k")
    facts = Facts([x, n, k])
    known = {x: np.zeros((3, 4)), n: -2, k: 5}
    for expr, expected in [
        (x.shape[0] * x.shape[1] - n, 14),
        (cast(k, "int64") // 2, 2),
        (k + n, 3),
        (constant(7) + x.shape[1], 11),
    ]:
        assert number(facts, facts.value(expr), known) == expected
    assert facts.early(facts.value(n + x.shape[0]))


def test_a_negative_value_is_not_taken_for_a_length() -> None:
    x, n = vector("x"), lscalar("n")
    facts = Facts([x, n])
    (length,) = facts.shape(x[n:])
    for value in (-7, -2, 0, 3, 9):
        known = {x: np.zeros(5), n: value}
        assert number(facts, length, known) == len(known[x][value:])


@pytest.mark.parametrize("bounds", [(0, 5, 1), (5, 0, -1), (-3, 4, 2), (9, 2, 1), (2, -9, -3)])
def test_slices_with_symbolic_bounds(bounds: tuple[int, int, int]) -> None:
    x, i, j = vector("x"), lscalar("i"), lscalar("j")
    facts = Facts([x, i, j])
    (length,) = facts.shape(x[i : j : bounds[2]])
    for n in (0, 1, 5, 8):
        known = {x: np.zeros(n), i: bounds[0], j: bounds[1]}
        expected = len(known[x][bounds[0] : bounds[1] : bounds[2]])
        assert number(facts, length, known) == expected


def test_a_value_that_is_computed_is_a_late_leaf() -> None:
    x = vector("x")
    count = cast(x.max(), "int64") + 1
    facts = Facts([x])
    (n,) = facts.shape(arange(count))
    assert not facts.early(n)


def test_broadcasting_of_late_lengths_is_left_to_the_run() -> None:
    x, y = vector("x"), vector("y")
    late = arange(cast(x.max(), "int64"))
    z = late + y
    facts = Facts([x, y])
    facts.shape(z)
    assert not facts.assumptions
    assert z.owner in facts.dynamic
    assert facts.requirements[z.owner][0].error == "shape"


def test_lengths_that_must_agree_are_required_not_assumed() -> None:
    x, y = matrix("x"), matrix("y")
    z = dot_op(x, y)
    facts = Facts([x, y])
    facts.shape(z)
    (requirement,) = facts.requirements[z.owner]
    assert requirement.error == "shape"
    assert not facts.assumptions
    assert facts.same_length(x, 1, y, 0)  # the call is refused otherwise


def test_elements_of_a_shape_vector() -> None:
    x, shp = matrix("x"), lvector("shp")
    facts = Facts([x, shp])
    out = reshape(x, x.shape[::-1], ndim=2)
    assert facts.equal(facts.shape(out)[0], facts.shape(x)[1])
    given = facts.shape(reshape(x, shp, ndim=2))
    assert [number(facts, n, {x: np.zeros((3, 4)), shp: [2, 6]}) for n in given] == [2, 6]


class Twice(Op):
    """A user's op whose make_node returns its operand's type with another length (D1)."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(self, node: Apply, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = np.concatenate([inputs[0], inputs[0]])

    def infer_shape(self, node: Apply, shapes: Any) -> Any:
        (n,) = shapes[0]
        return [(n * 2,)]


class NoShape(Twice):
    """The same without a shape rule."""

    infer_shape = None


def test_infer_shape_of_users_is_worked_out() -> None:
    x = vector("x")
    facts = Facts([x])
    (n,) = facts.shape(Twice()(Twice()(x)))
    assert number(facts, n, {x: np.zeros(3)}) == 12
    assert facts.early(n)


def test_without_a_shape_rule_lengths_are_late() -> None:
    x = vector("x")
    facts = Facts([x])
    (n,) = facts.shape(NoShape()(x) * 2)
    assert not facts.early(n)


def test_two_variables_on_one_container_have_one_length() -> None:
    a = shared(np.zeros(3), "a")
    twin = a.clone()
    facts = Facts([a, twin])
    assert facts.same_length(a, 0, twin, 0)


def test_a_long_chain_needs_no_recursion() -> None:
    x = vector("x")
    out = x
    for _ in range(30_000):
        out = out + x
    n = x.shape[0]
    for _ in range(3_000):
        n = n + 1
    facts = Facts([x])
    assert facts.same_length(out, 0, x, 0)
    assert number(facts, facts.value(n), {x: np.zeros(2)}) == 3_002
