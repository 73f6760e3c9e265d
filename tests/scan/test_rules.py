"""The rules of loops: each fires where it should, and the values stay the same."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, scan
from symc.compile.mode import get_mode
from symc.rewrite.rule import all_rules, graph_passes
from symc.rewrite.selection import Selection
from symc.scan_module import until

X, M, W, H = T.dvector("X"), T.dmatrix("M"), T.dmatrix("W"), T.dvector("H")
N = T.lscalar("N")
INPUTS = [X, M, W, H, N]


def _constant_inside() -> Any:
    return scan(lambda row: row**2 + 1, sequences=M)[0]


def _unused() -> Any:
    (rows, _, _), _ = scan(
        lambda v, a, b: [a + v, b * 2 + H.sum(), v * 3], X, [T.constant(0.0), T.constant(1.0), None]
    )
    return rows


def _unused_but_needed() -> Any:
    (_, b, _), _ = scan(
        lambda v, a, b: [a + v, b * a, v * 3], X, [T.constant(0.0), T.constant(1.0), None]
    )
    return b


def _product_ahead() -> Any:
    return scan(lambda row, h: T.tanh(T.dot(row, W) + h), M, H)[0]


def _product_after() -> Any:
    h, _ = scan(lambda row, h: T.tanh(row + T.dot(h, W)), M, H)
    return grad((h**2).sum(), W)


def _products_after_with_a_common_factor() -> Any:
    a, b = W * 2, W + 1
    h, _ = scan(lambda v, h: T.tanh(T.dot(h, a) * v) - v * T.dot(h, b), X, M)
    return grad((h**2).sum(), [a, b])


def _products_joined() -> Any:
    return scan(
        lambda row, h: T.tanh(row + T.dot(h, W)) * T.dot(h, W**2) + T.dot(h, W.T), M, H
    )[0]


def _sum_of_products_joined() -> Any:
    return scan(lambda row, h: T.dot(T.tanh(h), W) + T.dot(row * h, W**2) + row, M, H)[0]


def _contained() -> Any:
    first, _ = scan(lambda v, h: T.tanh(v + h), X, T.constant(0.0))
    (second, squares), _ = scan(lambda v, h: [T.tanh(v + h), v * v], X, [T.constant(0.0), None])
    return [first + second, squares]


def _contained_first() -> Any:
    h, _ = scan(lambda row, h: T.dot(h, W) * T.tanh(row) + row, M, H)
    return grad((h**2).sum(), W)


def _last_rows() -> Any:
    (a, b), _ = scan(lambda v, h: [T.tanh(v + h), v * h], X, [T.constant(0.0), None])
    return [a[-1], b[-1]]


def _last_row_of_two_taps() -> Any:
    out, _ = scan(
        lambda v, b, a: a - 0.5 * b + v, X, {"initial": H[:3], "taps": [-3, -1]}
    )
    return [out[-1], out[-3]]


def _last_rows_of_a_loop_that_ends() -> Any:
    (a, b), _ = scan(
        lambda v, h: ([h + abs(v), v * h], {}, until(h > 1)), X, [T.constant(0.0), None]
    )
    return [a[-1], b[-1]]


def _last_rows_inside_of_a_loop() -> Any:
    return scan(lambda row: scan(lambda v, h: T.tanh(v + h), row, T.constant(0.0))[0][-1], M)[0]


CASES: dict[str, list[Any]] = {
    "loop_constant_inside": [_constant_inside],
    "loop_unused": [_unused, _unused_but_needed],
    "loop_product_ahead": [_product_ahead],
    "loop_product_after": [_product_after, _products_after_with_a_common_factor],
    "loop_products_joined": [_products_joined, _products_after_with_a_common_factor],
    "loop_sum_of_products_joined": [_sum_of_products_joined],
    "loop_contained": [_contained],
    "loop_contained_first": [_contained_first],
    "loop_last_rows": [
        _last_rows,
        _last_row_of_two_taps,
        _last_rows_of_a_loop_that_ends,
        _last_rows_inside_of_a_loop,
    ],
}
TABLE = [(name, case) for name, cases in CASES.items() for case in cases]


def test_every_rule_of_loops_has_a_case() -> None:
    rules = {r.name for r in all_rules() if "scan" in r.tags}
    passes = {
        p.name for phase in ("fold", "scan") for p in graph_passes(phase, Selection("fast_run"))
        if "scan" in p.tags
    }
    assert rules | passes == set(CASES)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize(("name", "case"), TABLE)
def test_a_rule_fires_and_keeps_values(name: str, case: Any, mode: str) -> None:
    outputs = case()
    whole = function(INPUTS, outputs, mode=mode, on_unused_input="ignore")
    without = function(
        INPUTS, outputs, mode=get_mode(mode).excluding(name), on_unused_input="ignore"
    )
    if mode == "FAST_RUN":
        assert name in str(symc.explain(whole))
    assert name not in str(symc.explain(without))
    rng = np.random.default_rng(3)
    for n in (1, 3):
        values = [
            rng.normal(size=4), rng.normal(size=(4, n)), rng.normal(size=(n, n)),
            rng.normal(size=3 if case is _last_row_of_two_taps else n), 4,
        ]
        got, expected = whole(*values), without(*values)
        pairs = zip(got, expected, strict=True) if isinstance(got, list) else [(got, expected)]
        for a, b in pairs:
            np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-13)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_the_last_row_of_no_steps_is_an_error_still(mode: str) -> None:
    for out in _last_rows():
        f = function([X], out, mode=mode)
        with pytest.raises(IndexError):
            f(np.empty(0))
