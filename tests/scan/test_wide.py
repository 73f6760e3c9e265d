"""Random loops of many kinds of values against loops in NumPy, and gradients against unrolled."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Mode, function
from symc.compile.batch import batch
from symc.runtime import native_available
from tests.scan.widescans import Numeric, Unrolled, WideScan, wide_scan

REFERENCE = Mode("numpy", "None")
PER_BATCH = 10
OPTIONS: dict[str, Any] = {"disconnected_inputs": "ignore"}


def _close(got: Any, expected: Any, what: str) -> None:
    got, expected = np.asarray(got), np.asarray(expected)
    assert (got.shape, got.dtype) == (expected.shape, expected.dtype), what
    if got.dtype.kind in "biu":
        np.testing.assert_array_equal(got, expected, err_msg=what)
        return
    single = got.dtype in ("float32", "complex64")
    tolerance = {"rtol": 2e-3, "atol": 2e-4} if single else {"rtol": 1e-9, "atol": 1e-10}
    np.testing.assert_allclose(got, expected, err_msg=what, **tolerance)


def _made(scan: WideScan, variables: Any, outputs: Any, mode: Any, updates: Any = None) -> Any:
    f = function(variables, outputs, mode=mode, updates=updates, on_unused_input="ignore")
    if mode == "FAST_RUN" and native_available():
        f.prepare(*scan.arrays())
    return f


@pytest.mark.parametrize(
    ("first", "mode"),
    [(s, "FAST_RUN") for s in range(0, 40, PER_BATCH)] + [(40, "NUMPY")],
)
def test_values(first: int, mode: str) -> None:
    made = []
    with batch(level="-O0"):
        for scan in map(wide_scan, range(first, first + PER_BATCH)):
            variables, shared = scan.variables(), scan.new_shared()
            outs, updates = scan.symbolic(variables, shared)
            made.append((scan, shared, _made(scan, variables, outs, mode, updates)))
    for scan, shared, f in made:
        numeric = Numeric()
        expected = scan.unrolled(numeric, scan.arrays(), shared)
        for got, rows in zip(f(*scan.arrays()), expected, strict=True):
            assert len(got) == len(rows), scan
            if rows:
                _close(got, np.stack(rows), str(scan))
        if scan.shares and scan.steps:
            _close(shared.get_value(), numeric.values[shared], str(scan))


def _cost(rows: Any) -> Any:
    return sum((row * row).sum() * (0.5 + 0.25 * k) for k, row in enumerate(rows))


def _derivatives(scan: WideScan, cost: Any, variables: list[Any]) -> list[Any]:
    """The gradient; for some loops the derivative along a direction and second ones, too."""
    found = list(symc.grad(cost, variables, **OPTIONS))
    if scan.seed % 2 and scan.truncate < 0:
        along = [x * 0.5 + 0.1 for x in variables]
        squares = sum((g * g).sum() for g in found)
        found = [*found, T.Rop(cost, variables, along), *symc.grad(squares, variables, **OPTIONS)]
    return found


@pytest.mark.parametrize("first", [0])
def test_derivatives(first: int) -> None:
    made = []
    with batch(level="-O0"):
        for seed in range(first, first + PER_BATCH):
            scan = wide_scan(seed, differentiable=True)
            variables = scan.variables()
            outs, _ = scan.symbolic(variables)
            rows = scan.unrolled(Unrolled(), variables)
            steps = [-1] if seed % 3 == 0 else list(range(scan.steps))
            by_loop = _cost([out[t] for out in outs for t in steps])
            by_hand = _cost([out[t] for out in rows for t in steps])
            f = _made(scan, variables, _derivatives(scan, by_loop, variables), "FAST_RUN")
            g = _made(scan, variables, _derivatives(scan, by_hand, variables), REFERENCE)
            made.append((scan, f, g))
    for scan, f, g in made:
        for got, expected in zip(f(*scan.arrays()), g(*scan.arrays()), strict=True):
            _close(got, expected, str(scan))
