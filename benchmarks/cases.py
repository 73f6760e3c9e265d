"""The cases of `symc bench`: operands, reference values in NumPy, and what the work amounts to.

Every case is the same work in every framework; the modules ``with_*.py`` say it in each one's own
words. Nothing here imports a framework but NumPy.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

__all__ = ["CASES", "Case", "chosen"]

Arrays = list[np.ndarray]
RATE = np.float32(0.1)


@dataclass(frozen=True)
class Case:
    """One piece of work.

    Attributes
    ----------
    name, title : str
    target : float
        The ratio to the best peer that symc must reach.
    operands : callable
        Makes the arguments, the same ones in every process.
    reference : callable
        What the first call must return, in float64 where it matters.
    bytes, flops : float
        Memory that must be moved, and arithmetic operations of matrix products, at least.
    tolerance : float
        Relative, of the results.
    first : float or None
        Ratio of the first call, cold, where it has a target of its own; and from the cache.
    """

    name: str
    title: str
    target: float
    operands: Callable[[], Arrays]
    reference: Callable[..., Any]
    bytes: float = 0.0
    flops: float = 0.0
    tolerance: float = 1e-4
    first: float | None = None
    cached: float | None = None


def _normal(*shape: int, dtype: str = "float64", seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape).astype(dtype)


def _several(count: int, *shape: int, dtype: str = "float64") -> Arrays:
    return [_normal(*shape, dtype=dtype, seed=k) for k in range(count)]


def _labels(n: int) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 10, n)


def logistic_operands() -> Arrays:
    """Images, labels, weights, biases."""
    weights = _normal(784, 10, dtype="float32", seed=1) * np.float32(0.01)
    return [_normal(500, 784, dtype="float32"), _labels(500), weights, np.zeros(10, "float32")]


def mlp_operands() -> Arrays:
    """Images, labels, and weights and biases of two layers."""
    return [
        _normal(60, 784, dtype="float32"),
        _labels(60),
        _normal(784, 500, dtype="float32", seed=1) * np.float32(0.05),
        np.zeros(500, "float32"),
        _normal(500, 10, dtype="float32", seed=2) * np.float32(0.05),
        np.zeros(10, "float32"),
    ]


def hierarchical_operands() -> Arrays:
    """Regressors, outcomes, and the point: 10 coefficients, their mean, log of their scale."""
    outcomes = (np.random.default_rng(3).random(1000) < 0.5).astype("float64")
    return [_normal(1000, 10), outcomes, _normal(12, seed=4) * 0.1]


def _cross_entropy(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    high = scores.max(1, keepdims=True)
    logs = scores - high - np.log(np.exp(scores - high).sum(1, keepdims=True))
    return -logs[np.arange(len(labels)), labels].mean()


def _logistic(x: Any, y: Any, w: Any, b: Any) -> Any:
    return _cross_entropy(x.astype("float64") @ w + b, y)


def _mlp(x: Any, y: Any, w: Any, b: Any, v: Any, c: Any) -> Any:
    return _cross_entropy(np.tanh(x.astype("float64") @ w + b) @ v + c, y)


def _hierarchical(x: Any, y: Any, t: Any) -> tuple[Any, Any]:
    w, mean, scale = t[:10], t[10], t[11]
    z = x @ w
    off = (w - mean) / np.exp(scale)
    value = (y * z - np.logaddexp(0, z)).sum() - 0.5 * (off**2).sum()
    value += -10 * scale - 0.5 * mean**2 - 0.5 * scale**2
    g_w = x.T @ (y - 1 / (1 + np.exp(-z))) - off / np.exp(scale)
    g_mean = (off / np.exp(scale)).sum() - mean
    g_scale = (off**2).sum() - 10 - scale
    return value, np.concatenate([g_w, [g_mean, g_scale]])


LINKS = 250


def chain(x: Any, sin: Any, tanh: Any) -> Any:
    """1,000 elementwise nodes."""
    v = x
    for _ in range(LINKS):
        v = sin(v) * 1.1
        v = tanh(v) + x
    return v


def _chain(x: Any) -> tuple[Any, Any]:
    v, slope = x, np.ones_like(x)
    for _ in range(LINKS):
        v, slope = np.sin(v) * 1.1, slope * np.cos(v) * 1.1
        v = np.tanh(v)
        v, slope = v + x, slope * (1 - v * v) + 1
    return v.sum(), slope


def _softmax(x: Any) -> Any:
    e = np.exp(x - x.max(1, keepdims=True))
    return e / e.sum(1, keepdims=True)


def _square(a: Any, b: Any) -> Any:
    return a**2 + b**2 + 2 * a * b


def _functions(a: Any, b: Any, c: Any) -> Any:
    return np.tanh(np.exp(-a * a) * np.sin(b) + 1 / (1 + np.exp(-c)))


def _squares(name: str, n: int, target: float) -> Case:
    return Case(
        name, f"a**2+b**2+2*a*b, {n:.0e} doubles", target, lambda: _several(2, n), _square, 24.0 * n
    )


def _transcendental(dtype: str, size: int) -> Case:
    return Case(
        f"functions_{dtype}",
        f"tanh(exp(-a*a)*sin(b)+1/(1+exp(-c))), 1e6 {dtype}",
        0.6,
        lambda: _several(3, 1_000_000, dtype=dtype),
        _functions,
        4.0 * size * 1_000_000,
    )


def _matrix() -> Arrays:
    return [_normal(2000, 2000, dtype="float32")]


_MATRIX_BYTES = 4.0 * 2000 * 2000

CASES: tuple[Case, ...] = (
    Case("small", "v*2+1, 10 doubles", 0.3, lambda: [_normal(10)], lambda v: v * 2 + 1, 160),
    _squares("square_1e3", 1_000, 0.5),
    _squares("square_1e6", 1_000_000, 1.0),
    _squares("square_1e7", 10_000_000, 0.35),
    _transcendental("float32", 4),
    _transcendental("float64", 8),
    Case(
        "add_3e7",
        "a+b, 3e7 float32",
        0.65,
        lambda: _several(2, 30_000_000, dtype="float32"),
        lambda a, b: a + b,
        12.0 * 30_000_000,
    ),
    Case("sum", "sum, 2000 x 2000 float32", 1.25, _matrix, lambda x: x.sum(dtype="float64"),
         _MATRIX_BYTES),
    Case("softmax", "softmax by rows, 2000 x 2000 float32", 0.8, _matrix, _softmax,
         2 * _MATRIX_BYTES),
    Case(
        "softmax_narrow",
        "softmax by rows, 128000 x 10 float32",
        0.8,
        lambda: [_normal(128_000, 10, dtype="float32")],
        _softmax,
        2 * 4.0 * 1_280_000,
    ),
    Case("var", "var over axis 0, 2000 x 2000 float32", 0.7, _matrix,
         lambda x: x.var(0, dtype="float64"), _MATRIX_BYTES),
    Case(
        "logsumexp",
        "log-sum-exp over axis 1, 2000 x 2000 float32",
        0.8,
        _matrix,
        lambda x: np.log(np.exp(x.astype("float64")).sum(1)),
        _MATRIX_BYTES,
    ),
    Case(
        "logistic",
        "logistic regression step, 784-10, batch 500, float32",
        0.55,
        logistic_operands,
        _logistic,
        flops=2 * 2.0 * 500 * 784 * 10,
        tolerance=1e-3,
    ),
    Case(
        "mlp",
        "MLP step, 784-500-10 tanh, batch 60, float32",
        0.7,
        mlp_operands,
        _mlp,
        flops=2.0 * 60 * (2 * 784 * 500 + 3 * 500 * 10),
        tolerance=1e-3,
        first=1.5,
        cached=0.3,
    ),
    Case(
        "hierarchical",
        "hierarchical logistic regression: log-posterior and gradient, N=1000, D=10",
        0.45,
        hierarchical_operands,
        _hierarchical,
        flops=4.0 * 1000 * 10,
        tolerance=1e-8,
    ),
    Case(
        "chain",
        "chain of 1,000 elementwise nodes and its gradient, 100 doubles",
        0.3,
        lambda: [_normal(100)],
        _chain,
        tolerance=1e-6,
        first=0.5,
    ),
)


def chosen(patterns: list[str]) -> list[Case]:
    """The cases whose names match one of the patterns; all if there are none.

    Raises
    ------
    ValueError
        If a pattern matches nothing.
    """
    from fnmatch import fnmatchcase

    for pattern in patterns:
        if not any(fnmatchcase(c.name, pattern) for c in CASES):
            names = ", ".join(c.name for c in CASES)
            raise ValueError(f"no case is called {pattern!r}; there are: {names}")
    return [
        c for c in CASES if not patterns or any(fnmatchcase(c.name, p) for p in patterns)
    ]
