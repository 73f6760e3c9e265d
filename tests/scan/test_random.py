"""500 random loops against a loop in NumPy, and their gradients against the unrolled graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
from symc import Mode, function
from symc.compile.batch import batch
from symc.runtime import native_available
from tests.scan.randomscans import RandomScan, Symbolic, random_scan

PER_BATCH = 25
VALUES, GRADIENTS = 300, 200
REFERENCE = Mode("numpy", "None")


def _close(scan: RandomScan, got: Any, expected: Any) -> None:
    single = scan.dtype == "float32"
    assert got.shape == expected.shape
    np.testing.assert_allclose(
        got, expected, rtol=2e-3 if single else 1e-9, atol=2e-4 if single else 1e-11
    )


def _named(scan: RandomScan, check: Any) -> None:
    try:
        check()
    except Exception as error:
        raise AssertionError(f"{scan}: {error}") from error


def _made(scan: RandomScan, outputs: Any, variables: Any, mode: str) -> Any:
    f = function(variables, outputs, mode=mode, on_unused_input="ignore")
    if mode == "FAST_RUN" and native_available():
        f.prepare(*scan.arrays())
    return f


@pytest.mark.parametrize(
    ("first", "mode"),
    [(s, "FAST_RUN") for s in range(0, VALUES, PER_BATCH)]
    + [(s, "NUMPY") for s in range(0, VALUES, 3 * PER_BATCH)],
)
def test_values(first: int, mode: str) -> None:
    scans = [random_scan(s) for s in range(first, first + PER_BATCH)]
    functions = []
    with batch(level="-O0"):
        for scan in scans:
            variables = scan.variables()
            functions.append(_made(scan, scan.symbolic(variables), variables, mode))
    for scan, f in zip(scans, functions, strict=True):

        def check(scan: RandomScan = scan, f: Any = f) -> None:
            for got, expected in zip(f(*scan.arrays()), scan.by_hand(), strict=True):
                assert got.dtype == scan.dtype
                _close(scan, got, expected)

        _named(scan, check)


def _cost(scan: RandomScan, rows: list[Any]) -> Any:
    """A number that depends on every row in another way."""
    total: Any = 0.0
    for k, row in enumerate(rows):
        total = total + (row * row).sum() * (0.5 + 0.25 * k)
    return total


@pytest.mark.parametrize("first", range(0, GRADIENTS, PER_BATCH))
def test_gradients(first: int) -> None:
    scans = [random_scan(10_000 + s, True) for s in range(first, first + PER_BATCH)]
    functions, references = [], []
    with batch(level="-O0"):
        for scan in scans:
            variables = scan.variables()
            loop = scan.symbolic(variables)
            cost = _cost(scan, [out[t] for out in loop for t in range(scan.steps)])
            rows = scan.unrolled(Symbolic, variables)
            other = _cost(scan, [row for out in rows for row in out])
            options = {"disconnected_inputs": "ignore"}
            functions.append(
                _made(scan, symc.grad(cost, variables, **options), variables, "FAST_RUN")
            )
            references.append(
                function(
                    variables,
                    symc.grad(other, variables, **options),
                    mode=REFERENCE,
                    on_unused_input="ignore",
                )
            )
    for scan, f, reference in zip(scans, functions, references, strict=True):

        def check(scan: RandomScan = scan, f: Any = f, reference: Any = reference) -> None:
            arrays = scan.arrays()
            for got, expected in zip(f(*arrays), reference(*arrays), strict=True):
                _close(scan, got, expected)

        _named(scan, check)
