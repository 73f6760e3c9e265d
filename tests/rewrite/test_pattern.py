"""Patterns: matching by the properties of ops, and what replaces a match."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import (
    dmatrix,
    drow,
    dscalar,
    dvector,
    fvector,
    ivector,
    lvector,
    matrix,
)
from symc.array.convert import constant
from symc.array.type import TensorType
from symc.errors import RewriteError
from symc.lower.facts import Facts
from symc.ops.dot import dot
from symc.ops.math import add, cos, exp, expm1, log, log1p, mul, sin, sqr, switch
from symc.rewrite.pattern import Pattern, formula
from symc.rewrite.rule import all_rules
from tests.helpers import evaluate
from tests.rewrite.toyrules import rewritten, toy_rules


def shifted_log(x: Any) -> Any:
    return log(1 + x), log1p(x)


def square(x: Any) -> Any:
    return x * x, sqr(x)


def shifted_exp(x: Any) -> Any:
    return exp(x) + -1, expm1(x)


def root(x: Any) -> str:
    return x.owner.op.scalar_op.name


@pytest.mark.parametrize("shape", [(), (3,), (2, 3)])
def test_numbers_match_constants_of_every_rank_in_either_order(shape: tuple[int, ...]) -> None:
    x = TensorType("float64", (False,) * len(shape))("x")
    with toy_rules((shifted_log, {})):
        for out in (log(1 + x), log(x + 1), log(x + 1.0), log(x + np.float64(1))):
            new = rewritten(out)
            assert root(new) == "log1p"
            assert new.owner.inputs == [x]
        assert root(rewritten(log(2 + x))) == "log"
        assert root(rewritten(log(x))) == "log"


def test_further_operands_are_taken_up_by_the_last_placeholder() -> None:
    x, y, z = dscalar("x"), dscalar("y"), dscalar("z")
    with toy_rules((shifted_log, {})):
        new = rewritten(log(add(x, 1.0, y, z)))
    assert root(new) == "log1p"
    assert set(new.owner.inputs[0].owner.inputs) == {x, y, z}


def test_further_operands_at_the_root_stay_beside_the_replacement() -> None:
    x, y, z = dscalar("x"), dscalar("y"), dscalar("z")
    with toy_rules((square, {})):
        new = rewritten(mul(x, y, x, z))
        assert root(new) == "mul"
        assert {str(v) for v in new.owner.inputs[1:]} == {"y", "z"}
        assert root(new.owner.inputs[0]) == "sqr"
        assert root(rewritten(mul(x, y, z))) == "mul"


def test_a_placeholder_stands_for_one_variable() -> None:
    x, y = dvector("x"), dvector("y")
    with toy_rules((square, {})):
        assert root(rewritten(x * y)) == "mul"
        assert root(rewritten(exp(x) * exp(x))) == "sqr"


def test_matching_tries_all_ways() -> None:
    def add_of_logs(x: Any, y: Any) -> Any:
        return log(x) + exp(log(y)), log(x) + y

    x, y = dscalar("x"), dscalar("y")
    with toy_rules((add_of_logs, {})):
        new = rewritten(exp(log(y)) + log(exp(log(x))))
        assert new.owner.inputs[1] is y


def test_operands_of_other_ops_match_in_order() -> None:
    def difference(x: Any, y: Any) -> Any:
        return exp(x) - y, y

    x, y = dscalar("x"), dscalar("y")
    with toy_rules((difference, {})):
        assert rewritten(exp(x) - y) is y
        assert root(rewritten(y - exp(x))) == "sub"


@pytest.mark.parametrize(("kinds", "applies"), [("f", False), ("i", True), ("fi", True)])
def test_kinds_of_dtypes(kinds: str, applies: bool) -> None:
    x = lvector("x")
    with toy_rules((square, {"kinds": kinds})):
        assert (root(rewritten(x * x)) == "sqr") is applies


def test_a_condition_is_asked_with_what_the_placeholders_stand_for() -> None:
    seen = []

    def is_named(x: Any) -> bool:
        seen.append(x)
        return x.name == "x"

    x, y = dvector("x"), dvector("y")
    with toy_rules((square, {"when": is_named})):
        assert root(rewritten(x * x)) == "sqr"
        assert root(rewritten(y * y)) == "mul"
    assert set(seen) == {x, y}


def test_narrower_operands_are_converted() -> None:
    x = fvector("x")
    with toy_rules((shifted_log, {})):
        new = rewritten(log(x + np.float64(1)))
    assert new.type.dtype == "float64"
    assert root(new) == "log1p"
    assert root(new.owner.inputs[0]) == "convert_to_float64"
    with toy_rules((shifted_exp, {})):
        assert root(rewritten(exp(ivector()) - 1)) == "sub"


def test_ranks_of_placeholders_and_other_ops() -> None:
    kind = TensorType("float64", (False, False))

    def dot_of_transposes(x: Any = kind, y: Any = kind) -> Any:
        return dot(x.T, y.T), dot(y, x).T

    x, y = dmatrix("x"), dmatrix("y")
    with toy_rules((dot_of_transposes, {})):
        new = rewritten(dot(x.T, y.T))
        assert new.owner.inputs[0].owner.inputs == [y, x]
        untouched = dot(x.T, dvector())
        assert rewritten(untouched) is untouched


def test_a_bool_placeholder() -> None:
    flag, number = TensorType("bool", ()), TensorType("float64", ())

    def same_branches(c: Any = flag, x: Any = number) -> Any:
        return switch(c, exp(x), exp(x)), exp(x)

    c, x = TensorType("bool", (False,))("c"), dvector("x")
    with toy_rules((same_branches, {})):
        new = rewritten(switch(c, exp(x), exp(x)), facts=Facts([c, x]))
        assert root(new) == "exp"
        # Nothing is known about lengths: the shape of the condition counts.
        filled = rewritten(switch(c, exp(x), exp(x)))
    assert root(filled) == "second"
    got = evaluate(filled, [c, x], [np.ones(3, bool), np.zeros(1)])
    np.testing.assert_array_equal(got, np.ones(3))


def test_the_shape_of_the_result_is_kept() -> None:
    def product_with_zero(x: Any) -> Any:
        return x * 0, 0

    x = dmatrix("x")
    with toy_rules((product_with_zero, {})):
        new = rewritten(x * 0)
        np.testing.assert_array_equal(evaluate(new, [x], [np.ones((2, 3))]), np.zeros((2, 3)))
        assert new.type == x.type
        row = drow("r")
        assert rewritten(row * 0).type == row.type


def test_long_constants_are_no_numbers() -> None:
    ones = constant(np.ones(4))
    x = dvector("x")
    with toy_rules((shifted_log, {})):
        assert root(rewritten(log(ones + x))) == "log"


def test_a_number_may_be_the_whole_right_side() -> None:
    def cos_of_zero(x: Any) -> Any:
        return sin(x) * cos(0.0 * x), sin(x)

    x = dscalar()
    with toy_rules((cos_of_zero, {})):
        assert root(rewritten(cos(x * 0) * sin(x))) == "sin"


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (lambda x: log(x), "must return"),
        (lambda x: (x, log(x)), "the left side is a leaf"),
        (lambda x, y: (log(x), y), "the right side needs"),
        (lambda x: 3, "must return"),
    ],
)
def test_patterns_that_make_no_sense(function: Any, text: str) -> None:
    with pytest.raises(RewriteError, match=text):
        Pattern.of(function)


def test_patterns_are_printed_as_formulas() -> None:
    def text(function: Any) -> str:
        return formula(Pattern.of(function))

    assert text(lambda x: (log(1 + x), log1p(x))) == "log(1 + x) -> log1p(x)"
    assert text(lambda x, y: (exp(-x) / (x * (y - (1 - x))), 0.5)) == (
        "exp(-x) / (x * (y - (1 - x))) -> 0.5"
    )
    assert text(lambda x, y: (-(x + y) * x, x - (-y))) == "-(x + y) * x -> x - -y"
    with toy_rules((shifted_log, {})):
        registered = all_rules()[-1]
        assert registered.name == "shifted_log"
        assert registered.text == "log(1 + x) -> log1p(x)"
        assert registered.file.endswith("test_pattern.py")


def test_very_long_sums_are_not_searched() -> None:
    terms = [dscalar() for _ in range(80)]
    with toy_rules((shifted_log, {})):
        out = log(add(1.0, *terms))
        assert rewritten(out) is out


def test_matrix_constructor_is_float() -> None:
    with toy_rules((square, {})):
        x = matrix("x")
        assert root(rewritten(x * x)) == "sqr"


def test_quotients_within_quotients_of_products() -> None:
    def quotient(x: Any) -> Any:
        return exp(x) / log(x), sin(x)

    x, y, z = dscalar("x"), dscalar("y"), dscalar("z")
    with toy_rules((quotient, {})):
        plain = rewritten(exp(x) / log(x))
        assert root(plain) == "sin"
        new = rewritten(mul(y, exp(x)) / mul(z, log(x), y))
        assert root(new) == "true_div"
        got = evaluate(new, [x, y, z], [0.5, 2.0, 3.0])
        np.testing.assert_allclose(got, 2 * np.sin(0.5) / (3 * 2))
        assert root(rewritten(exp(x) / log(y))) == "true_div"


def test_a_pattern_may_say_what_an_earlier_rule_does_already() -> None:
    """Its canonical form is its own right side, which it does not replace by itself."""
    x = dvector("x")
    early, late = {"name": "early"}, {"name": "late", "phase": "stable"}
    with toy_rules((shifted_log, early), (shifted_log, late)):
        assert root(rewritten(log(1 + x))) == "log1p"
        assert root(rewritten(log1p(x))) == "log1p"
