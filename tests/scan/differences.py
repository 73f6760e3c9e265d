"""Finite differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np


def numerical_gradient(f: Callable[[Any], Any], x: Any, step: float = 1e-6) -> Any:
    """Gradient of a function of one array by central differences."""
    x = np.array(x, dtype="float64")
    result = np.empty_like(x)
    for index in np.ndindex(x.shape):
        before = x[index]
        x[index] = before + step
        high = f(x.copy())
        x[index] = before - step
        low = f(x.copy())
        x[index] = before
        result[index] = (high - low) / (2 * step)
    return result
