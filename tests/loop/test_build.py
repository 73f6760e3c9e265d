"""The builder's own rules; what it builds is run in tests/codegen/test_nests.py."""

from __future__ import annotations

import numpy as np
import pytest

import symc.scalar.arith  # noqa: F401  (Python's operators)
from symc.loop import ir
from symc.loop.build import Builder
from symc.loop.check import check_nest
from symc.loop.interp import run_nest
from symc.loop.text import format_nest


def test_statements_come_in_the_order_of_the_calls():
    b = Builder()
    x, y = b.operand("float64", 1, "r"), b.operand("float64", 1, "w")
    with b.loop(b.dim(x, -1), kind="parallel") as i:
        v = b.let(b.load(x, i) * 2)
        with b.if_(v > 1):
            b.store(y, i, v)
        with b.else_():
            b.store(y, i, 0)
    nest = b.nest()
    check_nest(nest)
    kinds = [(type(s).__name__, depth) for s, depth in ir.statements(nest.body)]
    assert kinds == [("For", 0), ("Let", 1), ("If", 1), ("Store", 2), ("Store", 2)]
    assert format_nest(nest).splitlines() == [
        "nest(x0: float64[1] r, x1: float64[1] w)",
        "  parallel for i1 in 0 .. dim(x0, 0):",
        "    let v2 = x0[i1] * 2.0",
        "    if v2 > 1.0:",
        "      x1[i1] = v2",
        "    else:",
        "      x1[i1] = 0.0",
    ]


def test_nested_loops_and_steps():
    b = Builder()
    y = b.operand("int64", 2, "w")
    with b.loops(b.shape(y)) as (i, j):
        b.store(y, (i, j), i * 10 + j)
    with b.loop(b.dim(y, 0), start=1, step=2) as i:
        b.store(y, (i, 0), -1)
    out = np.zeros((5, 2), dtype=np.int64)
    run_nest(b.nest(), {"x0": out}, lambda payload: 0)
    np.testing.assert_array_equal(out[:, 1], 10 * np.arange(5) + 1)
    np.testing.assert_array_equal(out[:, 0], [0, -1, 20, -1, 40])


def wrong_access(b, x):
    b.operand("int8", 1, "x")


def wrong_axis(b, x):
    b.dim(x, 2)


def wrong_rank(b, x):
    b.load(x, 0)


def wrong_index_type(b, x):
    b.load(x, (b.const(1, "int32"), 0))


def wrong_value_type(b, x):
    b.store(x, (0, 0), b.const(1, "int32"))


def wrong_kind(b, x):
    with b.loop(3, kind="fast"):
        pass


def assign_to_a_let(b, x):
    b.assign(b.let(b.load(x, (0, 0))), 1)


def too_large(b, x):
    b.array("int8", 5000)


def else_without_if(b, x):
    with b.else_():
        pass


def open_loop(b, x):
    b._blocks.append([])
    b.nest()


@pytest.mark.parametrize(
    ("mistake", "error", "text"),
    [
        (wrong_access, ValueError, "'r', 'w' or 'rw', got 'x'"),
        (wrong_axis, ValueError, "x0 has 2 axes, there is no axis 2"),
        (wrong_rank, ValueError, "x0 has 2 axes but 1 indices"),
        (wrong_index_type, TypeError, "index has dtype int32, expected int64"),
        (wrong_value_type, TypeError, "stored value has dtype int32, expected float64"),
        (wrong_kind, ValueError, "serial, parallel, simd, unroll, got 'fast'"),
        (assign_to_a_let, ValueError, "only locals made by mutable"),
        (too_large, ValueError, "1 to 4096 elements, got 5000"),
        (else_without_if, ValueError, "must follow an if_"),
        (open_loop, ValueError, "still open"),
    ],
)
def test_mistakes_are_named(mistake, error, text):
    b = Builder()
    x = b.operand("float64", 2, "rw")
    with pytest.raises(error, match=text.replace("(", r"\(")):
        mistake(b, x)
