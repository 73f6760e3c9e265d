"""Expressions: interning, operators, folding, rewriting, evaluation, and great depth."""

import sys

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from symc.scalar.arith import add, maximum, minimum, mul, neg, sub
from symc.scalar.derive import gradient
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context, leaves, substitute, walk
from symc.scalar.formal import render, replay
from symc.scalar.logic import eq, identity, inclosedrange, isnan, lt, neq, second, switch
from symc.scalar.math import exp, log, tanh
from symc.scalar.op import REGISTRY, by_name


def test_equal_expressions_are_one_object():
    ctx = Context()
    x, y = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    assert tanh(x + y) is tanh(x + y)
    assert x + y is not y + x
    assert ctx.const(0.0, "float64") is not ctx.const(-0.0, "float64")
    assert ctx.const(np.nan, "float32") is ctx.const(np.nan, "float32")
    assert ctx.const(1, "int8") is not ctx.const(1, "int16")
    assert x.ctx is ctx
    assert (x == y) is False
    assert x + 1 is x + 1.0


def test_python_operators():
    ctx = Context()
    x, n, b = ctx.arg(0, "float64"), ctx.arg(1, "int64"), ctx.arg(2, "bool")
    feed = {x: 2.5, n: 7, b: True}
    cases = {
        x + 1: 3.5, 1 + x: 3.5, x - 1: 1.5, 1 - x: -1.5, x * 2: 5.0, 2 * x: 5.0,
        x / 2: 1.25, 5 / x: 2.0, x // 2: 1.0, 7 // x: 2.0, x % 2: 0.5, 7 % x: 2.0,
        x**2: 6.25, 2**n: 128, -x: -2.5, abs(-x): 2.5, n & 3: 3, 3 | n: 7, n ^ 2: 5, ~n: -8,
        x < 3: True, x <= 2: False, x > 3: False, x >= 2.5: True, ~b: False, b & (x > 3): False,
        b ^ True: False, n // -2: -4, n % -2: -1,
    }  # fmt: skip
    for expr, expected in cases.items():
        value = evaluate([expr], feed)[0]
        assert value == expected, expr
        assert type(expected) is not bool or expr.dtype == "bool"


def test_integer_constants_fold():
    ctx = Context()
    n = ctx.size("n")
    zero, seven = ctx.integer(0), ctx.integer(7)
    assert ctx.integer(3) + 4 is seven
    assert ctx.integer(-7) // 2 is ctx.integer(-4)
    assert ctx.integer(-7) % 3 is ctx.integer(2)
    assert ctx.integer(7) // 0 is zero
    assert ctx.integer(7) % 0 is zero
    assert n + 0 is n
    assert n * 1 is n
    assert 1 * n is n
    assert n * 0 is zero
    assert n - n is zero
    assert n - 0 is n
    assert n // 1 is n
    assert n % 1 is zero
    assert maximum(n, n) is n
    assert minimum(ctx.integer(2), 9) is ctx.integer(2)
    assert lt(ctx.integer(1), 2) is ctx.const(True, "bool")
    assert eq(n, n) is ctx.const(True, "bool")
    assert switch(lt(ctx.integer(1), 2), n, 5) is n
    assert neg(neg(seven)) is seven
    assert ~~(n < 3) is (n < 3)
    assert (n < 3) & True is (n < 3)
    assert (n < 3) & False is ctx.const(False, "bool")
    assert add(n, 0, 0) is n


def test_folding_wraps_as_the_machine_does():
    ctx = Context()
    big = ctx.const(127, "int8")
    assert (big + 1).value == -128
    assert (-ctx.const(-128, "int8")).value == -128
    assert (ctx.const(0, "uint8") - ctx.const(1, "uint8")).value == 255
    assert (ctx.integer(2**62) * 4).value == 0
    assert (ctx.const(-(2**63), "int64") // -1).value == -(2**63)


def test_floats_do_not_fold():
    """x + 0.0 changes -0.0, and 0 * x is NaN for an infinite x."""
    ctx = Context()
    x = ctx.arg(0, "float64")
    for expr in (x + 0, x * 0, x - x, x * 1, ctx.const(1, "float64") + 1, eq(x, x)):
        assert expr.kind == "call"


def test_moving_ops_fold_for_all_types():
    ctx = Context()
    x, y = ctx.arg(0, "float32"), ctx.arg(1, "float32")
    assert second(x, y) is y
    assert switch(x > 0, y, y) is y
    assert switch(ctx.const(False, "bool"), x, y) is y
    assert identity(x).args == (x,)


def test_walk_and_leaves_are_in_order():
    ctx = Context()
    x, y = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    e = exp(x * y) + y
    order = walk([e])
    assert [n.number for n in order] == sorted(n.number for n in order)
    for node in order:
        assert all(order.index(a) < order.index(node) for a in node.args)
    assert list(leaves([e], "arg")) == [x, y]


def test_substitute_within_and_between_contexts():
    a, b = Context(), Context()
    x, i = a.arg(0, "float64"), a.index("i")
    e = exp(x) * a.load("data", [i + 1], "float64") + a.local("m", "float64")
    y = a.arg(5, "float64")
    (moved,) = substitute([e], {x: y * y}, a)
    assert moved is exp(y * y) * a.load("data", [i + 1], "float64") + a.local("m", "float64")
    (copied,) = substitute([e], {}, b)
    assert copied.ctx is b
    assert repr(copied.dtype) == repr(e.dtype)
    assert substitute([copied], {}, a)[0] is e
    read = {"data": np.arange(10.0)}
    for root in (e, copied):
        ctx = root.ctx
        feed = {ctx.arg(0, "float64"): 0.0, ctx.index("i"): 3, ctx.local("m", "float64"): 0.5}
        value = evaluate([root], feed, lambda n, ix: read[n.payload][ix])[0]
        assert value == 4.5


def test_evaluate_broadcasts_and_reads():
    ctx = Context()
    i, j = ctx.index("i"), ctx.index("j")
    data = np.arange(12.0).reshape(3, 4)
    e = ctx.load("a", (i, j), "float64") + i * 10
    got = evaluate(
        [e], {i: np.arange(3)[:, None], j: np.arange(4)[None, :]}, lambda n, ix: data[ix]
    )[0]
    np.testing.assert_array_equal(got, data + np.arange(3)[:, None] * 10)
    assert evaluate([e], {i: np.zeros((0, 1), int), j: np.arange(4)}, lambda n, ix: data[ix])[
        0
    ].shape == (0, 4)


def test_evaluate_needs_all_leaves():
    ctx = Context()
    x = ctx.arg(0, "float64")
    with pytest.raises(KeyError, match="arg<0>"):
        evaluate([x + 1], {})
    with pytest.raises(KeyError, match="load"):
        evaluate([ctx.load("a", (), "float64")], {})
    y = exp(x)
    assert evaluate([y + 1], {y: 2.0})[0] == 3.0, "an inner node may be given"


def test_gradient_of_an_expression():
    ctx = Context()
    x, y = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    e = tanh(x * y) + log(x) * y
    gx, gy = gradient(e, [x, y])
    a, b = 1.3, 0.7
    slope = 1 - np.tanh(a * b) ** 2
    feed = {x: a, y: b}
    np.testing.assert_allclose(evaluate([gx], feed)[0], slope * b + b / a, rtol=1e-14)
    np.testing.assert_allclose(evaluate([gy], feed)[0], slope * a + np.log(a), rtol=1e-14)
    assert gradient(e, [ctx.arg(7, "float64")]) == [None]
    assert gradient(exp(x), [x], 2.0)[0] is ctx.const(2.0, "float64") * exp(x)
    assert gradient(x, [x])[0].value == 1
    with pytest.raises(ValueError, match="tri_gamma has no derivative"):
        gradient(by_name("tri_gamma")(x), [x])


def test_gradient_stops_at_integers():
    ctx = Context()
    x = ctx.arg(0, "float64")
    floor_part = REGISTRY["convert_to_int64"](x)
    assert gradient(x * floor_part, [x])[0] is not None
    assert gradient(REGISTRY["convert_to_float64"](floor_part), [x]) == [None]


def test_great_depth_needs_no_recursion():
    """100,000 nodes under the default recursion limit."""
    assert sys.getrecursionlimit() <= 3000
    ctx = Context()
    x = ctx.arg(0, "float64")
    e = x
    for k in range(50_000):
        e = e * 0.5 + (k % 3)
    assert len(walk([e])) > 100_000
    value = 1.0
    for k in range(50_000):
        value = value * 0.5 + (k % 3)
    assert evaluate([e], {x: 1.0})[0] == value
    assert gradient(e, [x])[0].dtype == "float64"
    other = Context()
    (copy,) = substitute([e], {}, other)
    assert len(walk([copy])) == len(walk([e]))
    assert "%" in repr(e)


def test_replay_and_render():
    ctx = Context()
    x, y = ctx.arg(0, "float32"), ctx.arg(1, "float32")
    e = maximum(x, y) * 2
    other = Context()
    a, b = other.arg(3, "float32"), other.arg(4, "float32")
    assert replay([e], [a, b])[0] is maximum(a, b) * 2
    assert render(x + y, ["u", "v"]) == "((u + v))"
    assert "2.0f" in render(e, ["u", "v"])


REALS = st.sampled_from(["add", "sub", "mul", "maximum", "minimum", "neg", "tanh", "abs_", "sqr"])


@st.composite
def programs(draw):
    """A list of (op, operand numbers) over two leaves."""
    steps = []
    for k in range(draw(st.integers(1, 12))):
        name = draw(REALS)
        count = 1 if REGISTRY[name].nin == 1 else 2
        steps.append((name, [draw(st.integers(0, k + 1)) for _ in range(count)]))
    return steps


NUMPY = {
    "add": np.add, "sub": np.subtract, "mul": np.multiply, "maximum": np.maximum,
    "minimum": np.minimum, "neg": np.negative, "tanh": np.tanh, "abs_": np.abs, "sqr": np.square,
}  # fmt: skip


@settings(max_examples=100, deadline=None)
@given(programs(), st.floats(-2, 2), st.floats(-2, 2))
def test_random_expressions(steps, a, b):
    ctx = Context()
    exprs = [ctx.arg(0, "float64"), ctx.arg(1, "float64")]
    numbers = [np.float64(a), np.float64(b)]
    with np.errstate(all="ignore"):
        for name, operands in steps:
            exprs.append(REGISTRY[name](*[exprs[k] for k in operands]))
            numbers.append(NUMPY[name](*[numbers[k] for k in operands]))
    feed = {exprs[0]: a, exprs[1]: b}
    np.testing.assert_array_equal(evaluate(exprs, feed), numbers)
    other = Context()
    moved = substitute(exprs, {}, other)
    feed = {other.arg(0, "float64"): a, other.arg(1, "float64"): b}
    np.testing.assert_array_equal(evaluate(moved, feed), numbers)


def test_predicates():
    ctx = Context()
    x = ctx.arg(0, "float64")
    feed = {x: np.array([np.nan, 1.0, np.inf])}
    assert evaluate([isnan(x)], feed)[0].tolist() == [True, False, False]
    assert evaluate([neq(x, x)], feed)[0].tolist() == [True, False, False]
    assert evaluate([inclosedrange(x, 0, 1)], feed)[0].tolist() == [False, True, False]
    assert sub(x, 1).op is sub
    assert mul(x, 1, 2).args[0] is x
