"""The elementwise cases and the recurrences in numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
from cases_loops import DECAY

MANY = 100_000
"""Elements from which a case is worth several threads."""


@numba.njit
def _recurrence(x: Any, start: Any) -> Any:
    out = np.empty_like(x)
    h = start.copy()
    for t in range(x.shape[0]):
        for k in range(x.shape[1]):
            h[k] = np.tanh(DECAY * h[k] + x[t, k])
            out[t, k] = h[k]
    return out


@numba.njit
def _recurrence_gradient(x: Any, start: Any) -> Any:
    states = _recurrence(x, start)
    slope = np.zeros_like(start)
    total = 0.0
    for t in range(x.shape[0] - 1, -1, -1):
        for k in range(x.shape[1]):
            h = states[t, k]
            total += h
            slope[k] = DECAY * (1 - h * h) * (slope[k] + 1)
    return total, slope


@numba.njit
def _autoregression(x: Any) -> Any:
    out = np.empty_like(x)
    h = 0.0
    for t in range(x.size):
        h = DECAY * h + x[t]
        out[t] = h
    return out


LOOPS: dict[str, Callable[..., Any]] = {
    "recurrence": _recurrence,
    "recurrence_gradient": _recurrence_gradient,
    "autoregression": _autoregression,
}


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    if case.name in LOOPS:
        loop = LOOPS[case.name]
        return lambda: loop(*operands)
    jit = numba.njit(parallel=any(a.size > MANY for a in operands))
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
