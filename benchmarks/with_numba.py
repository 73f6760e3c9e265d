"""The elementwise cases in numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np

MANY = 100_000


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    jit = numba.njit(parallel=operands[0].size > MANY)
    kind = case.name.split("_")[0]
    if kind == "small":
        small = jit(lambda v: v * 2 + 1)
        return lambda: small(*operands)
    if kind == "square":
        square = jit(lambda a, b: a**2 + b**2 + 2 * a * b)
        return lambda: square(*operands)
    if kind == "functions":
        functions = jit(
            lambda a, b, c: np.tanh(np.exp(-a * a) * np.sin(b) + 1 / (1 + np.exp(-c)))
        )
        return lambda: functions(*operands)
    if kind == "add":
        added = jit(lambda a, b: a + b)
        return lambda: added(*operands)
    return None
