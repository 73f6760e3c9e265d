"""Tables of ops: an expression, its NumPy meaning, and operands to try it on.

`run` compiles all entries of a table together and compares them with NumPy on operands of every
layout; `check_gradients` compares gradients with finite differences.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

import symc.tensor as T
from symc import batch, function
from symc.gradient import verify_grad

TOLERANCE = {"float64": 1e-11, "float32": 2e-5, "complex128": 1e-11, "complex64": 2e-5}


@dataclass(frozen=True)
class Entry:
    """One op: `build` on variables, `numpy` on arrays, and the operands of several calls."""

    build: Callable[..., Any]
    numpy: Callable[..., Any]
    calls: Sequence[Sequence[Any]]


def variables(arrays: Sequence[np.ndarray]) -> list[Any]:
    """A variable for each array, all lengths free."""
    return [
        T.TensorType(a.dtype.name, (False,) * a.ndim)(f"x{k}") for k, a in enumerate(arrays)
    ]


def layouts(arrays: Sequence[np.ndarray]) -> list[list[np.ndarray]]:
    """The same values in C order, in Fortran order, and as every second element backwards."""
    return [
        [np.array(a, order="C") for a in arrays],
        [np.array(a, order="F") for a in arrays],
        [_strided(a) for a in arrays],
    ]


def _strided(a: np.ndarray) -> np.ndarray:
    if not a.ndim:
        return a
    wide = np.repeat(a[::-1], 2, axis=0)
    return wide[::-1][::2]


def run(table: Mapping[str, Entry], mode: str) -> None:
    """Compare every entry with NumPy; all failures are reported together."""
    compiled = {}
    with batch("-O1"):
        for name, entry in table.items():
            xs = variables([np.asarray(a) for a in entry.calls[0]])
            f = function(xs, entry.build(*xs), mode=mode, on_unused_input="ignore")
            for call in entry.calls:
                f.prepare(*call)
            compiled[name] = f
    failures = []
    for name, entry in table.items():
        for call in entry.calls:
            arrays = [np.asarray(a) for a in call]
            expected = entry.numpy(*arrays)
            for operands in layouts(arrays):
                try:
                    _same(compiled[name](*operands), expected)
                except Exception as error:
                    shapes = [a.shape for a in arrays]
                    failures.append(f"{name} on {shapes}: {type(error).__name__}: {error}")
                    break
    assert not failures, "\n\n".join(failures)


def _same(got: Any, expected: Any) -> None:
    if isinstance(got, list):
        for g, e in zip(got, expected, strict=True):
            _same(g, e)
        return
    expected = np.asarray(expected)
    assert got.shape == expected.shape, f"shape {got.shape}, expected {expected.shape}"
    tolerance = TOLERANCE.get(got.dtype.name, 0)
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def check_gradients(table: Mapping[str, tuple[Callable[..., Any], Sequence[Any]]]) -> None:
    """Compare the gradients of every entry, (function, points), with finite differences."""
    failures = []
    for name, (build, points) in table.items():
        try:
            verify_grad(build, [np.asarray(p) for p in points], n_tests=1, mode="NUMPY")
        except Exception as error:
            failures.append(f"{name}: {type(error).__name__}: {error}")
    assert not failures, "\n\n".join(failures)
