"""The cases in NumPy, as one would write them; steps of training are left to the others."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import perf_counter
from typing import Any

import numpy as np
from cases_random import DRAWS, KEEP

PLAIN = ("small", "square_1e3", "square_1e6", "square_1e7", "functions_float32",
         "functions_float64", "add_3e7", "softmax", "softmax_narrow", "hierarchical", "chain",
         "recurrence", "recurrence_gradient", "autoregression")


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    if case.name in PLAIN:
        return lambda: case.reference(*operands)
    if case.name == "normal":
        generator = np.random.default_rng(0)
        return lambda: generator.standard_normal(DRAWS, dtype="float32")
    (x, *_) = operands
    if case.name == "dropout":
        generator = np.random.default_rng(0)
        keep = np.float32(KEEP)
        return lambda: x * (generator.random(x.shape, dtype="float32") < keep) / keep
    if case.name == "sum":
        return lambda: x.sum()
    if case.name == "var":
        return lambda: x.var(0)
    if case.name == "logsumexp":

        def logsumexp() -> Any:
            high = x.max(1, keepdims=True)
            return np.log(np.exp(x - high).sum(1)) + high[:, 0]

        return logsumexp
    return None


def cores() -> int:
    """How many cores this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def ceilings() -> dict[str, float]:
    """What the machine can do: bytes per second of a large copy, flops of a large product.

    The copy is that of the STREAM benchmark, on all cores: NumPy lets other threads run during
    ``copyto``.
    """
    source = np.ones(30_000_000, "float32")
    target = np.zeros_like(source)
    a = np.ones((2000, 2000), "float32")
    count = cores()
    best = {"copy": float("inf"), "gemm": float("inf")}
    with ThreadPoolExecutor(count) as pool:
        parts = [np.array_split(whole, count) for whole in (target, source)]
        for _ in range(4):
            start = perf_counter()
            list(pool.map(np.copyto, *parts))
            best["copy"] = min(best["copy"], perf_counter() - start)
            start = perf_counter()
            a @ a
            best["gemm"] = min(best["gemm"], perf_counter() - start)
    return {"bytes": 2 * source.nbytes / best["copy"], "flops": 2 * 2000.0**3 / best["gemm"]}
