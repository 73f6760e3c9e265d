"""Operand values for tests of scalar ops."""

import itertools

import numpy as np


def special_values(dtype):
    """Zeros, ones, extremes and other values at which functions go wrong."""
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.array([False, True])
    if kind in "iu":
        info = np.iinfo(dtype)
        near = [0, 1, 2, 3, 5, 7, 63, 100]
        near += [-v for v in near] if kind == "i" else []
        far = [info.min, info.max, info.min + 1, info.max - 1, info.max // 2]
        return np.array(sorted({*near, *far}), dtype)
    if kind == "c":
        part = special_values("float32" if dtype == "complex64" else "float64")
        size = np.abs(part)
        part = part[(part == 0) | ((size > 1e-3) & (size < 1e3))]
        grid = np.array(list(itertools.product(part, part)))
        return (grid[:, 0] + 1j * grid[:, 1]).astype(dtype)
    info = np.finfo(dtype)
    positive = [0.0, 0.1, 0.5, 0.75, 1.0, 1.5, 2.0, 2.5, 3.0, 7.0, 10.0, 30.0, 88.0, 100.0]
    positive += [info.smallest_subnormal, info.tiny, info.eps, 1 - info.epsneg, 1 + info.eps]
    positive += [info.max, info.max / 2, np.inf, 3.4e2, 6e4]
    return np.array([*positive, *[-v for v in positive], np.nan]).astype(dtype)


def random_values(dtype, count, seed):
    """Values of all magnitudes."""
    rng = np.random.default_rng(seed)
    kind = np.dtype(dtype).kind
    if kind == "b":
        return rng.integers(0, 2, count).astype(bool)
    if kind in "iu":
        bits = 8 * np.dtype(dtype).itemsize
        wide = rng.integers(0, 2**63, count, dtype=np.uint64) * np.uint64(2)
        return (wide >> rng.integers(0, bits, count).astype(np.uint64)).astype(dtype)
    if kind == "c":
        return (rng.normal(size=count) * 3 + 3j * rng.normal(size=count)).astype(dtype)
    scale = 10.0 ** rng.uniform(-6, 3, count)
    return np.concatenate(
        [rng.normal(size=count // 2), (rng.normal(size=count) * scale)[count // 2 :]]
    ).astype(dtype)


def operands(dtype, nin, seed=0):
    """Operand arrays of one length: all tuples of special values, then random ones."""
    special = special_values(dtype)
    if nin == 3:
        special = special[:: max(1, len(special) // 12)]
    if nin == 2 and len(special) > 120:
        special = special[:: len(special) // 120]
    grid = list(itertools.product(special, repeat=nin))
    columns = [np.array([row[i] for row in grid], dtype) for i in range(nin)]
    return [
        np.ascontiguousarray(np.concatenate([c, random_values(dtype, 400, seed + i)]))
        for i, c in enumerate(columns)
    ]
