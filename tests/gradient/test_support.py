"""Gradients of what was not selected are exactly zero, by construction and in every mode.

`test_finite` looks at optimised functions. Here nothing is optimised: the graph that `grad` builds
must itself keep selections outermost, however far they are from the pole that they protect.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.ops.support import NOWHERE, support_of
from tests.helpers import evaluate

SIGNS = np.array([0.0, -1, 3])
ROWS = np.array([[0.0, 0], [2, 3]])

Case = tuple[Callable[[Any], Any], Any, Any]

CASES: dict[str, Case] = {
    "log": (lambda x: T.where(x > 0, T.log(x), 0), SIGNS, [0, 0, 1 / 3]),
    "other branch": (lambda x: T.switch(x <= 0, 0, T.log(x)), SIGNS, [0, 0, 1 / 3]),
    "number as a condition": (
        lambda x: T.switch(T.maximum(x, 0), T.log(x), 0), SIGNS, [0, 0, 1 / 3],
    ),
    "root": (lambda x: T.where(x > 0, T.sqrt(x), 0), SIGNS, [0, 0, 0.5 / np.sqrt(3)]),
    "power": (lambda x: T.where(x > 0, x**1.5, 0), SIGNS, [0, 0, 1.5 * np.sqrt(3)]),
    "exp": (lambda x: T.where(x < 100, T.exp(x), 0), np.array([0.0, 1e3]), [1, 0]),
    "quotient": (lambda x: T.where(T.neq(x, 0), (x + 2) / x, 0), SIGNS, [0, -2, -2 / 9]),
    "arctanh": (lambda x: T.where(abs(x) < 1, T.arctanh(x), 0), SIGNS, [1, 0, 0]),
    "nested": (
        lambda x: T.where(x > -5, T.where(x > 0, T.log(x), 0), 0), SIGNS, [0, 0, 1 / 3],
    ),
    "nested the other way": (
        lambda x: T.where(x > 0, T.where(x > -5, T.log(x), 0), 0), SIGNS, [0, 0, 1 / 3],
    ),
    "product": (lambda x: T.where(x > 0, T.log(x) * x, 0), SIGNS, [0, 0, np.log(3) + 1]),
    "chain": (lambda x: T.where(x > 0, T.tanh(T.log(x)) * x, 0), SIGNS, [0, 0, 0.8 + 0.36]),
    "difference": (
        lambda x: T.where(x > 0, T.log(x) - T.sqrt(x), 0), SIGNS, [0, 0, 1 / 3 - 0.5 / 3**0.5],
    ),
    "transpose": (lambda x: T.where(x.T > 0, T.log(x.T), 0), ROWS, [[0, 0], [1 / 2, 1 / 3]]),
    "reshape": (
        lambda x: T.where(x.flatten() > 0, T.log(x).flatten(), 0), ROWS, [[0, 0], [1 / 2, 1 / 3]],
    ),
    "new axis": (
        lambda x: T.where(x[:, None] > 0, T.log(x)[:, None], 0), SIGNS, [0, 0, 1 / 3],
    ),
    "sums of rows": (
        lambda x: T.where(x.min(axis=1) > 0, T.log(x).sum(axis=1), 0),
        ROWS,
        [[0, 0], [1 / 2, 1 / 3]],
    ),
    "broadcast divisor": (
        lambda x: T.where(x[:, :1] > 0, x / x.sum(axis=1, keepdims=True), 0)[:, 0],
        ROWS,
        [[0, 0], [3 / 25, -2 / 25]],
    ),
    "broadcast operand": (
        lambda x: T.where(x > 0, T.log(x) * np.ones((2, 1)), 0), SIGNS, [0, 0, 2 / 3],
    ),
    "slice": (lambda x: T.log(x)[2:], SIGNS, [0, 0, 1 / 3]),
    "slice of a slice": (lambda x: (1 / x)[1:][1:], SIGNS, [0, 0, -1 / 9]),
    "element": (lambda x: T.log(x)[2], SIGNS, [0, 0, 1 / 3]),
    "items": (lambda x: T.log(x)[[2, 2]], SIGNS, [0, 0, 2 / 3]),
    "elements": (
        lambda x: T.sqrt(x)[np.array([1]), np.array([0])], ROWS, [[0, 0], [0.5 / np.sqrt(2), 0]],
    ),
    "mask": (lambda x: T.log(x)[x > 0], SIGNS, [0, 0, 1 / 3]),
    "replaced part": (lambda x: T.set_subtensor(T.log(x)[:2], 0), SIGNS, [0, 0, 1 / 3]),
    "replaced items": (lambda x: T.set_subtensor(T.log(x)[[0, 1]], 0), SIGNS, [0, 0, 1 / 3]),
    "diverted": (
        lambda x: T.set_subtensor(T.zeros_like(x)[2:], T.log(x[2:])), SIGNS, [0, 0, 1 / 3],
    ),
    "maximum": (lambda x: T.maximum(T.sqrt(x), 1), np.array([0.0, 4]), [0, 0.25]),
    "clip": (lambda x: T.clip(T.sqrt(x), 1, 5), np.array([0.0, 4]), [0, 0.25]),
    "largest": (lambda x: T.sqrt(x).max(), np.array([0.0, 4]), [0, 0.25]),
}


@pytest.mark.parametrize("name", CASES)
def test_gradient_by_construction(name: str) -> None:
    build, point, expected = CASES[name]
    x = T.TensorType("float64", (False,) * point.ndim)("x")
    with np.errstate(all="ignore"):
        gradient = evaluate(symc.grad(build(x).sum(), x), [x], [point])
    np.testing.assert_allclose(gradient, expected, rtol=1e-12, atol=1e-12)


def test_relevant_infinities_stay() -> None:
    x = T.dvector("x")
    with np.errstate(all="ignore"):
        gradient = evaluate(symc.grad(T.where(x >= 0, T.log(x), 0).sum(), x), [x], [SIGNS])
    np.testing.assert_array_equal(gradient, [np.inf, 0, 1 / 3])


def test_support_is_known_through_many_ops() -> None:
    x, y = T.dmatrix("x"), T.dvector("y")
    masked = T.switch(x > 0, x, 0)
    values = [ROWS, np.array([1.0, 2])]
    for expression in (
        masked * y, -masked.T, masked.reshape((4,)), masked[:, ::-1], masked[:, [0, 0, 1]],
        masked / y, T.switch(x > 1, masked, 0), masked + T.switch(x > 1, x, 0),
    ):
        support = support_of(expression)
        known, found = evaluate([support, expression], [x, y], values)
        assert known.dtype == bool
        np.testing.assert_array_equal(np.broadcast_to(known, found.shape), found != 0)


def test_support_of_zero_and_of_anything() -> None:
    x = T.dmatrix("x")
    assert support_of(x) is None
    assert support_of(T.exp(x)) is None
    assert support_of(x + T.switch(x > 0, x, 0)) is None
    assert support_of(T.zeros_like(x)) is NOWHERE
    assert support_of(T.zeros((2, 3)) * x) is NOWHERE
    assert support_of(-T.zeros_like(x).T) is NOWHERE


def test_long_products_are_searched_in_bounded_time() -> None:
    x = T.dvector("x")
    y = T.switch(x > 0, x, 0)
    for _ in range(20_000):
        y = y * x
    assert support_of(y) is None
