"""What a case of `symc bench` is, and how operands are made."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

Arrays = list[np.ndarray]
RATE = np.float32(0.1)
"""The learning rate of the steps of training."""


@dataclass(frozen=True)
class Case:
    """One piece of work.

    Attributes
    ----------
    name, title : str
    target : float or None
        The ratio to the best peer that symc must reach.
    operands : callable
        Makes the arguments, the same ones in every process.
    reference : callable
        What the first calls must return, in float64 where it matters.
    bytes, flops : float
        Memory that must be moved, and arithmetic operations of matrix products, at least.
    tolerance : float
        The largest difference allowed, relative to the largest value.
    first, cached : float or None
        Ratios of the first call, cold and from the cache, to the best cold one of the peers that
        compile, where they have targets of their own.
    excess : float or None
        Seconds that a call may take beyond the best peer, for cases without ``target``.
    calls : int
        How many calls are compared: two where the first one changes parameters.
    summary : callable or None
        What of a result (float64) is compared with the reference, where results are random.
    measure : {"time", "memory"}
        What of a call is measured and compared: seconds, or the bytes by which resident memory
        grows meanwhile at most.
    traffic : float or None
        The bytes that the compiled function reads and writes, as counted from its program, to the
        least possible, at most.
    limit : float or None
        What symc's measured value must not exceed, whatever the peers need.
    """

    name: str
    title: str
    target: float | None
    operands: Callable[[], Arrays]
    reference: Callable[..., Any]
    bytes: float = 0.0
    flops: float = 0.0
    tolerance: float = 1e-4
    first: float | None = None
    cached: float | None = None
    excess: float | None = None
    calls: int = 1
    summary: Callable[[np.ndarray], np.ndarray] | None = None
    measure: str = "time"
    limit: float | None = None
    traffic: float | None = None


def normal(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    """Normal deviates, the same ones for the same seed."""
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def several(count: int, *shape: int, dtype: str = "float64") -> Arrays:
    """Arrays of normal deviates with the seeds 0, 1, ..."""
    return [normal(*shape, dtype=dtype, seed=k) for k in range(count)]


def softmax(x: Any) -> Any:
    """Softmax by rows."""
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)
