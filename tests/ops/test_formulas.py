"""How tensor expressions are written by `pp`."""

from __future__ import annotations

from typing import Any

import pytest

import symc
import symc.tensor as T

x, y = T.dmatrices("x", "y")
v, i = T.dvector("v"), T.lscalar("i")

FORMULAS: list[tuple[Any, str, str]] = [
    (x + v, "(x + v)", "x + v"),
    (x - (y - x), "(x - (y - x))", "x - (y - x)"),
    ((x + y) * -x / y, "(((x + y) * (-x)) / y)", "(x + y) * -x / y"),
    (x ** (y**x), "(x ** (y ** x))", "x ** y ** x"),
    (x // y % y, "((x // y) % y)", "x // y % y"),
    (T.dot(x, y.T), "(x \\dot y.T)", "x \\dot y.T"),
    ((x + y).T, "(x + y).T", "(x + y).T"),
    (x.dimshuffle("x", 0, 1), "x", "x"),
    (x.dimshuffle(1, "x", 0), "DimShuffle{1, x, 0}(x)", "DimShuffle{1, x, 0}(x)"),
    (T.exp(-x), "exp((-x))", "exp(-x)"),
    (~(x > y) & (x <= y), "((~(x > y)) & (x <= y))", "~(x > y) & (x <= y)"),
    (T.switch(x < y, x, y), "switch((x < y), x, y)", "switch(x < y, x, y)"),
    (T.cast(x, "float32"), "Cast{float32}(x)", "Cast{float32}(x)"),
    (T.fill(x, v[0]), "fill(x, v[0])", "fill(x, v[0])"),
    (x[1:, ::2], "x[1:, ::2]", "x[1:, ::2]"),
    ((x + y)[i, :-1], "(x + y)[i, :-1]", "(x + y)[i, :-1]"),
    (v[i + i :], "v[(i + i):]", "v[i + i:]"),
    (T.set_subtensor(x[0], v), "set_subtensor(x[0], v)", "set_subtensor(x[0], v)"),
    (T.inc_subtensor(v[1:3], v), "inc_subtensor(v[1:3], v)", "inc_subtensor(v[1:3], v)"),
    (x.sum(axis=0), "Sum{0}(x)", "Sum{0}(x)"),
]


@pytest.mark.parametrize(("expression", "full", "short"), FORMULAS, ids=[f[2] for f in FORMULAS])
def test_formulas(expression: Any, full: str, short: str) -> None:
    assert symc.pp(expression) == full
    assert symc.pp(expression, brackets="needed") == short
