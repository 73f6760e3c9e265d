"""Distributions, as expressions of the words of a state."""

from __future__ import annotations

import math
from typing import Any

from ...array.convert import as_tensor_variable
from ...config import config
from ...errors import user_message
from ...scalar.random import normal32, normal64, philox32, philox64, unit16, unit32, unit64
from ..alloc import _size_entries
from ..elemwise import Elemwise, cast
from ..math import erf, erfinv, lt, maximum, minimum
from ..shape import shape as shape_of
from ..sort import argsort
from .words import RandomElements

__all__ = ["bernoulli", "integers", "normal", "result_size", "truncated_normal", "uniform", "units"]

_unit16, _unit32, _unit64 = Elemwise(unit16), Elemwise(unit32), Elemwise(unit64)


def result_size(size: Any, ndim: int | None, *parameters: Any) -> list[Any]:
    """Return the lengths of a draw: `size`, or those of the broadcast parameters."""
    if size is not None:
        entries = _size_entries(size)
        if ndim is not None and ndim != len(entries):
            raise ValueError(
                user_message("ndim and size disagree", got=f"ndim {ndim}, {len(entries)} lengths")
            )
        return entries
    joint: Any = None
    for p in parameters:
        joint = p if joint is None else joint + p
    if joint is None or not joint.type.ndim:
        return []
    lengths = shape_of(joint)
    return [lengths[i] for i in range(joint.type.ndim)]


def units(state: Any, size: list[Any], dtype: str, part: int = 0) -> Any:
    """Return uniform draws in [0, 1): 11, 24 or 53 random bits by the precision of `dtype`."""
    if dtype == "float64":
        return _unit64(RandomElements(philox64, part)(state, *size))
    words = RandomElements(philox32, part)(state, *size)
    return _unit32(words) if dtype == "float32" else cast(_unit16(words), dtype)


def _float(dtype: str | None) -> str:
    dtype = config.floatX if dtype in (None, "floatX") else str(dtype)
    if dtype not in ("float16", "float32", "float64"):
        raise TypeError(user_message("this draw has a float dtype", got=dtype))
    return dtype


def _parameter(value: Any, dtype: str) -> Any:
    return cast(as_tensor_variable(value), dtype)


def uniform(state: Any, size: Any, low: Any, high: Any, ndim: int | None, dtype: str | None) -> Any:
    """Return draws from [low, high)."""
    dtype = _float(dtype)
    a, b = _parameter(low, dtype), _parameter(high, dtype)
    lengths = result_size(size, ndim, a, b)
    return units(state, lengths, dtype) * (b - a) + a


def normal(state: Any, size: Any, avg: Any, std: Any, ndim: int | None, dtype: str | None) -> Any:
    """Return normal draws, by the transform of Box and Muller (1958)."""
    dtype = _float(dtype)
    mean, scale = _parameter(avg, dtype), _parameter(std, dtype)
    lengths = result_size(size, ndim, mean, scale)
    record = normal64 if dtype == "float64" else normal32
    drawn = RandomElements(record)(state, *lengths)
    return cast(drawn, dtype) * scale + mean


def truncated_normal(
    state: Any, size: Any, avg: Any, std: Any, ndim: int | None, dtype: str | None
) -> Any:
    """Return normal draws within two standard deviations, by the inverse of the distribution."""
    dtype = _float(dtype)
    mean, scale = _parameter(avg, dtype), _parameter(std, dtype)
    u = units(state, result_size(size, ndim, mean, scale), dtype)
    bound = erf(as_tensor_variable(math.sqrt(2.0)))
    drawn = cast(math.sqrt(2.0) * erfinv((2 * u - 1) * bound), dtype)
    return maximum(minimum(drawn, 2), -2) * scale + mean


def bernoulli(state: Any, size: Any, n: Any, p: Any, ndim: int | None, dtype: str) -> Any:
    """Return the numbers of successes in `n` (0-d) trials of probability `p`."""
    trials, chance = as_tensor_variable(n), as_tensor_variable(p)
    chance = chance if chance.type.dtype == "float32" else cast(chance, "float64")
    if trials.type.ndim:
        raise TypeError(user_message("the number of trials is one number", got=str(trials.type)))
    lengths = result_size(size, ndim, chance)
    if isinstance(n, int) and n == 1:
        return cast(lt(units(state, lengths, chance.type.dtype), chance), dtype)
    if len(lengths) < chance.type.ndim:
        raise ValueError(user_message("size has fewer axes than p", got=str(chance.type)))
    hits = lt(units(state, [trials, *lengths], chance.type.dtype), chance)
    return cast(hits.sum(axis=0), dtype)


def integers(state: Any, size: Any, low: Any, high: Any, ndim: int | None, dtype: str) -> Any:
    """Return integers from `low` to `high`, both included.

    A 64-bit word modulo their number: the bias is below their number / 2**64.
    """
    a, b = (cast(as_tensor_variable(v), "int64") for v in (low, high))
    words = RandomElements(philox64)(state, *result_size(size, ndim, a, b))
    return cast(cast(words % cast(b - a + 1, "uint64"), "int64") + a, dtype)


def permutation(state: Any, size: Any, n: Any, dtype: str = "int64") -> Any:
    """Return permutations of 0 ... n - 1 along a new last axis: the order of 64-bit words."""
    words = RandomElements(philox64)(state, *result_size(size, None), n)
    return cast(argsort(words, axis=-1), dtype)
