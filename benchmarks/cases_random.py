"""Random numbers, as cases of `symc bench`.

Frameworks draw different numbers, so what is compared are moments: each case says which, and its
reference gives their expected values.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Case, normal

DRAWS = 10_000_000
KEEP = 0.8
"""The share of elements that dropout keeps."""


def _moments(x: np.ndarray) -> np.ndarray:
    """Mean, variance, third and fourth moment."""
    return np.array([np.mean(x**k) for k in (1, 2, 3, 4)])


def _kept(x: np.ndarray) -> np.ndarray:
    """The share of elements that are not 0, the mean and the mean square."""
    return np.array([np.mean(x != 0), x.mean(), np.mean(x**2)])


def _kept_expected(x: Any) -> np.ndarray:
    whole = x.astype("float64")
    return np.array([KEEP, whole.mean(), np.mean(whole**2) / KEEP])


CASES: tuple[Case, ...] = (
    Case(
        "normal",
        "normal draws, 1e7 float32",
        0.5,
        list,
        lambda: np.array([0.0, 1.0, 0.0, 3.0]),
        4.0 * DRAWS,
        tolerance=3e-3,
        summary=_moments,
    ),
    Case(
        "dropout",
        "inverted dropout of a 4096 x 1024 float32 matrix, 0.8 of it kept",
        0.7,
        lambda: [normal(4096, 1024, dtype="float32")],
        _kept_expected,
        8.0 * 4096 * 1024,
        tolerance=3e-3,
        summary=_kept,
    ),
)
