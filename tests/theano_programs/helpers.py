"""What the programs share: the modes they run in and the data."""

from __future__ import annotations

import numpy as np
import pytest

both_modes = pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])


def blobs(n: int = 40, d: int = 5, classes: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return `n` points of `d` numbers around one centre per class, and their classes (int32)."""
    rng = np.random.default_rng(7)
    labels = rng.integers(0, classes, n).astype("int32")
    centres = rng.normal(size=(classes, d)) * 2
    return centres[labels] + rng.normal(size=(n, d)), labels


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return the rows of the identity that `labels` name."""
    return np.eye(classes)[labels]


def np_softmax(x: np.ndarray) -> np.ndarray:
    """Return the softmax of each row."""
    e = np.exp(x - x.max(axis=-1, keepdims=True))
    return e / e.sum(axis=-1, keepdims=True)
