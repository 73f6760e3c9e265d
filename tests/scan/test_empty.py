"""Loops without steps: the rows of empty results have their lengths, and nothing is run."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc.tensor as T
from symc import function, scan
from tests.scan.test_ifelse import Counted

MODES = ("FAST_RUN", "NUMPY")
X, W, P = T.dmatrix("X"), T.dmatrix("W"), T.dvector("P")
PLACES, N = T.lvector("PLACES"), T.lscalar("N")
INPUTS = [X, W, P, PLACES, N]
VALUES = [np.empty((0, 3)), np.empty((3, 5)), np.empty(0), np.empty(0, "int64"), 4]

CASES: dict[str, tuple[Any, Any, tuple[int, ...]]] = {
    "joined": (lambda row: T.concatenate([row, row]) * 2, X, (0, 6)),
    "product": (lambda row: T.dot(row, W), X, (0, 5)),
    "element of nothing": (lambda i: P[i] * T.ones((4,)), PLACES, (0, 4)),
    "row": (lambda i: W[i], PLACES, (0, 5)),
    "lengths that are operands": (lambda row: T.alloc(row[0], N, 2 * N + 1), X, (0, 4, 9)),
    "checked": (lambda row: T.Assert("no")(row, row.sum() > 0)[:2], X, (0, 2)),
    "reshaped": (lambda row: T.reshape(row, (3, 1)) * row, X, (0, 3, 3)),
    "a loop inside": (
        lambda row: scan(lambda v, h: T.tanh(v + h), T.stack([row, row]), row)[0], X, (0, 2, 3)
    ),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", CASES)
def test_lengths_of_rows(name: str, mode: str) -> None:
    step, sequence, expected = CASES[name]
    rows, _ = scan(step, sequence)
    f = function(INPUTS, rows, mode=mode, on_unused_input="ignore")
    assert f(*VALUES).shape == expected


@pytest.mark.parametrize("mode", MODES)
def test_no_step_is_made(mode: str) -> None:
    work = Counted()
    rows, _ = scan(lambda row: work(row) + T.Assert("never")(row, T.eq(row.sum(), 7)), X)
    f = function([X], rows, mode=mode)
    assert len(f(np.empty((0, 3)))) == 0
    assert work.runs == 0
