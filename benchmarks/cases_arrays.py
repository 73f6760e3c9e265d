"""Elementwise work, reductions and softmax, as cases of `symc bench`."""

from __future__ import annotations

from typing import Any

import numpy as np
from case import Arrays, Case, normal, several, softmax


def _square(a: Any, b: Any) -> Any:
    return a**2 + b**2 + 2 * a * b


def _functions(a: Any, b: Any, c: Any) -> Any:
    return np.tanh(np.exp(-a * a) * np.sin(b) + 1 / (1 + np.exp(-c)))


def _squares(name: str, n: int, target: float) -> Case:
    return Case(
        name, f"a**2+b**2+2*a*b, {n:.0e} doubles", target, lambda: several(2, n), _square, 24.0 * n,
        tolerance=1e-12,
    )


def _transcendental(dtype: str, size: int) -> Case:
    return Case(
        f"functions_{dtype}",
        f"tanh(exp(-a*a)*sin(b)+1/(1+exp(-c))), 1e6 {dtype}",
        0.6,
        lambda: several(3, 1_000_000, dtype=dtype),
        _functions,
        4.0 * size * 1_000_000,
        tolerance=1e-12 if size == 8 else 1e-5,
    )


def _matrix() -> Arrays:
    return [normal(2000, 2000, dtype="float32")]


_MATRIX_BYTES = 4.0 * 2000 * 2000

CASES: tuple[Case, ...] = (
    Case("small", "v*2+1, 10 doubles", 0.3, lambda: [normal(10)], lambda v: v * 2 + 1, 160,
         tolerance=1e-12),
    _squares("square_1e3", 1_000, 0.5),
    _squares("square_1e6", 1_000_000, 1.0),
    _squares("square_1e7", 10_000_000, 0.35),
    _transcendental("float32", 4),
    _transcendental("float64", 8),
    Case(
        "add_3e7",
        "a+b, 3e7 float32",
        0.65,
        lambda: several(2, 30_000_000, dtype="float32"),
        lambda a, b: a + b,
        12.0 * 30_000_000,
        tolerance=1e-6,
    ),
    Case("sum", "sum, 2000 x 2000 float32", 1.25, _matrix, lambda x: x.sum(dtype="float64"),
         _MATRIX_BYTES),
    Case("softmax", "softmax by rows, 2000 x 2000 float32", 0.8, _matrix, softmax,
         2 * _MATRIX_BYTES),
    Case(
        "softmax_narrow",
        "softmax by rows, 128000 x 10 float32",
        0.8,
        lambda: [normal(128_000, 10, dtype="float32")],
        softmax,
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
)
