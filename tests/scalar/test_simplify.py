"""The integer algebra of sizes, against evaluation on random integers."""

import itertools
import time

import numpy as np
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from symc.scalar.arith import maximum, minimum
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context, walk
from symc.scalar.logic import cast, eq, le, lt, neq, switch
from symc.scalar.math import exp
from symc.scalar.simplify import (
    bounds,
    proved_constant,
    proved_different,
    proved_equal,
    proved_le,
    proved_lt,
    proved_positive,
    simplify,
)

NAMES = "nmk"


def sizes():
    ctx = Context()
    return ctx, *(ctx.size(name) for name in NAMES)


def test_equal_polynomials_are_one_node():
    ctx, n, m, k = sizes()
    assert simplify((n + 1) * 2 - n - n) is ctx.integer(2)
    assert simplify(n * m * k) is simplify(k * (m * n))
    assert simplify(n + m + n) is simplify(2 * n + m)
    assert simplify((n + m) * (n - m)) is simplify(n * n - m * m)
    assert simplify(n + 1 - 1) is n
    assert simplify(-(n - m)) is simplify(m - n)
    assert simplify(n * 0 + m) is m
    assert proved_equal((n + 3) * m, m * n + 3 * m)
    assert not proved_equal(n, m)


def test_quotients():
    ctx, n, m, k = sizes()
    assert simplify((4 * n + 2) // 4) is n
    assert simplify((4 * n + 7) // 4) is simplify(n + 1)
    assert simplify((6 * n + 3 * m) // 3) is simplify(2 * n + m)
    assert simplify((n // 2) // 3) is simplify(n // 6)
    assert simplify(-((-n) // 3)) is simplify((n + 2) // 3), "the two forms of rounding up"
    assert simplify((n % 5) // 5) is ctx.integer(0)
    assert simplify((n * m) // m) is not n, "m may be 0"
    assert simplify((n * (m + 1)) // (m + 1)) is n
    assert simplify((4 * n) % 4) is ctx.integer(0)
    assert simplify((4 * n + 7) % 4) is ctx.integer(3)
    assert simplify((n % 5) % 5) is simplify(n % 5)
    assert simplify((n * m) % m) is ctx.integer(0)
    assert simplify(n // 2 + k - n // 2) is k


def test_extremes():
    ctx, n, m, k = sizes()
    assert simplify(maximum(n, 0)) is n
    assert simplify(minimum(n, 0)) is ctx.integer(0)
    assert simplify(maximum(n, n + 1)) is simplify(n + 1)
    assert simplify(maximum(n, maximum(m, n))) is simplify(maximum(m, n))
    assert simplify(minimum(n, maximum(n, m))) is n
    assert simplify(maximum(maximum(k, m), n)) is simplify(maximum(n, maximum(k, m)))
    assert simplify(switch(n >= 0, m, k)) is m
    assert simplify(switch(n + 1 > n, m, k)) is m


def test_proofs():
    ctx, n, m, _ = sizes()
    assert proved_le(n, maximum(n, m))
    assert proved_le(minimum(n, m), n)
    assert proved_le(minimum(n, m), maximum(n, m))
    assert proved_le(n // 2, n)
    assert proved_le(n - 2 * (n // 2), ctx.integer(1))
    assert proved_le(maximum(n, m), n + m)
    assert proved_lt(n % 7, ctx.integer(7))
    assert proved_lt(n, n + 1)
    assert proved_positive(maximum(n, 1))
    assert proved_positive(n * m + 1)
    assert proved_different(n, n + 1)
    assert proved_le(ctx.integer(0), n * m)
    assert not proved_le(n, m)
    assert not proved_positive(n)
    assert not proved_lt(n, maximum(n, m))
    assert not proved_different(n, m)
    assert proved_constant(n + 5 - n) == 5
    assert proved_constant(n) is None
    assert proved_constant(n * 0) == 0


def test_bounds():
    ctx, n, m, _ = sizes()
    inf = float("inf")
    assert bounds(n) == (0, inf)
    assert bounds(n * 3 + 2) == (2, inf)
    assert bounds(-n) == (-inf, 0)
    assert bounds(n % 5) == (0, 4)
    assert bounds(minimum(n, 9)) == (0, 9)
    assert bounds(ctx.integer(-3)) == (-3, -3)
    assert bounds(switch(lt(n, m), 3, 8)) == (3, 8)
    assert bounds(lt(n, m)) == (0, 1)
    assert bounds(cast(ctx.arg(0, "int8"), "int64")) == (-128, 127)
    assert bounds(cast(ctx.arg(0, "uint8"), "int64") * 2) == (0, 510)
    assert bounds(cast(ctx.arg(0, "uint64"), "int64")) == (-inf, inf)
    assert bounds(ctx.arg(1, "int64")) == (-inf, inf)
    i = ctx.index("i")
    assert bounds(2 * i + 1, {i: (0, 9)}) == (1, 19)
    assert bounds((i + 7) // 4, {i: (0, 9)}) == (1, 4)
    assert bounds(i) == (0, inf), "facts are not remembered"


def test_run_time_values_may_be_negative():
    ctx = Context()
    start = ctx.size(("val", 3))
    assert bounds(start)[0] == -float("inf")
    assert simplify(maximum(start, 0)) is not start


def test_parts_of_other_types_are_simplified_too():
    ctx, n, _, _ = sizes()
    x = ctx.load("x", [n + 2 - n], "float64")
    assert simplify(exp(x)) is exp(ctx.load("x", [ctx.integer(2)], "float64"))
    narrow = ctx.arg(0, "int8") + ctx.arg(0, "int8") - ctx.arg(0, "int8")
    assert simplify(narrow).op.name == "sub", "narrow integers wrap"


@st.composite
def integer_programs(draw):
    steps = []
    for k in range(draw(st.integers(1, 10))):
        name = draw(
            st.sampled_from(["+", "-", "*", "//", "%", "//c", "%c", "*c", "+c", "max", "min", "if"])
        )
        operands = [draw(st.integers(0, k + 2)) for _ in range(3)]
        steps.append((name, operands, draw(st.integers(-6, 9))))
    return steps


def apply_step(name, x, y, z, constant):
    if name == "//c":
        return x // abs(constant)
    if name == "%c":
        return x % abs(constant)
    return {
        "+": lambda: x + y,
        "-": lambda: x - y,
        "*": lambda: x * y,
        "//": lambda: x // y,
        "%": lambda: x % y,
        "*c": lambda: x * constant,
        "+c": lambda: x + constant,
        "max": lambda: maximum(x, y),
        "min": lambda: minimum(x, y),
        "if": lambda: switch(lt(x, y), z, x),
    }[name]()


def exact_step(name, x, y, z, constant):
    """The same on arrays of Python integers, which do not overflow."""
    y = abs(constant) if name in ("//c", "%c") else y
    if name[:2] == "//" or name[0] == "%":
        safe = np.where(np.equal(y, 0), 1, y)
        return np.where(np.equal(y, 0), 0, x // safe if name[0] == "/" else x % safe)
    return {
        "+": lambda: x + y,
        "-": lambda: x - y,
        "*": lambda: x * y,
        "*c": lambda: x * constant,
        "+c": lambda: x + constant,
        "max": lambda: np.maximum(x, y),
        "min": lambda: np.minimum(x, y),
        "if": lambda: np.where(x < y, z, x),
    }[name]()


SAMPLES = np.array(list(itertools.product([0, 1, 2, 5, 12], repeat=3))).T


@settings(max_examples=300, deadline=None)
@given(integer_programs())
def test_simplified_expressions_have_the_same_value(steps):
    _, *values = sizes()
    feed = dict(zip(values, SAMPLES, strict=True))
    before = [row.astype(object) for row in SAMPLES]
    for name, (a, b, c), constant in steps:
        values.append(apply_step(name, values[a], values[b], values[c], constant))
        before.append(exact_step(name, before[a], before[b], before[c], constant))
        assume(np.abs(before[-1]).max() < 2**40)
    for expr, value in zip(values, before, strict=True):
        after = evaluate([simplify(expr)], feed)[0]
        assert np.all(after == value), (walk([expr]), simplify(expr))
        low, high = bounds(expr)
        assert low <= value.min()
        assert value.max() <= high
    for x, y in itertools.combinations(range(len(values)), 2):
        both = before[x], before[y]
        if proved_le(values[x], values[y]):
            assert np.all(both[0] <= both[1])
        if proved_lt(values[x], values[y]):
            assert np.all(both[0] < both[1])
        if proved_equal(values[x], values[y]):
            assert np.all(both[0] == both[1])
    for value, found in zip(values, before, strict=True):
        assert not proved_positive(value) or np.all(found > 0)


@settings(max_examples=100, deadline=None)
@given(integer_programs())
def test_simplifying_twice_changes_nothing(steps):
    _, *values = sizes()
    for name, (a, b, c), constant in steps:
        values.append(apply_step(name, values[a], values[b], values[c], constant))
    for value in values:
        once = simplify(value)
        assert simplify(once) is once


def test_comparisons_that_are_proved():
    ctx, n, m, _ = sizes()
    true, false = ctx.const(True, "bool"), ctx.const(False, "bool")
    assert simplify(le(n, n + m)) is true
    assert simplify(lt(n + 1, n)) is false
    assert simplify(n + 1 > n) is true
    assert simplify(n >= n + 1) is false
    assert simplify(eq(n + m, m + n)) is true
    assert simplify(neq(n, n + 1)) is true
    assert simplify(eq(n, n + 1)) is false
    assert simplify(lt(n, m)).kind == "call"


def test_it_is_fast_enough_for_large_graphs():
    """A size per node of a 50,000-node graph, simplified as it is made."""
    _, n, m, _ = sizes()
    size = n
    start = time.perf_counter()
    for _ in range(20_000):
        size = simplify(maximum(size + m, 1) - m)
    assert time.perf_counter() - start < 30
    deep = n
    for k in range(50_000):
        deep = deep + (m if k % 2 else 1)
    assert simplify(deep) is simplify(n + 25_000 * m + 25_000)
