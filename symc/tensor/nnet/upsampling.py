"""Bilinear upsampling: linear interpolation along rows and columns."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...config import config
from ...errors import user_message
from ...ops.alloc import arange
from ...ops.dot import tensordot
from ...ops.elemwise import cast
from ...ops.join import concatenate
from ...ops.math import abs_, clip, maximum

__all__ = [
    "bilinear_kernel_1D",
    "bilinear_kernel_2D",
    "bilinear_upsampling",
    "frac_bilinear_upsampling",
]


def bilinear_kernel_1D(ratio: Any, normalize: bool = True) -> Any:
    """Return the hat ``1, 2, ..., ratio, ..., 2, 1``, divided by `ratio` if normalised.

    Parameters
    ----------
    ratio : int or 0-d integer tensor
    normalize : bool
    """
    rise = arange(1, as_tensor_variable(ratio) + 1)
    hat = cast(concatenate([rise, rise[-2::-1]]), config.floatX)
    return hat / cast(as_tensor_variable(ratio), config.floatX) if normalize else hat


def bilinear_kernel_2D(ratio: Any, normalize: bool = True) -> Any:
    """Return the product of two hats.

    Parameters
    ----------
    ratio : int, 0-d integer tensor, or pair of them
        For rows and columns.
    normalize : bool
    """
    rows, columns = ratio if isinstance(ratio, (tuple, list)) else (ratio, ratio)
    first = bilinear_kernel_1D(rows, normalize).dimshuffle(0, "x")
    return first * bilinear_kernel_1D(columns, normalize).dimshuffle("x", 0)


def _interpolation(n: Any, numerator: int, denominator: int, dtype: str) -> Any:
    """The matrix that interpolates `n` values at ``ceil(n * numerator / denominator)`` places.

    Place m lies at ``(m * denominator + numerator // 2 + 1) / numerator - 1``; beyond the first
    and the last value the result is constant.
    """
    count = (n * numerator + denominator - 1) // denominator
    place = (arange(count) * denominator + (numerator // 2 + 1)) / float(numerator) - 1.0
    place = clip(cast(place, dtype), 0, cast(n - 1, dtype))
    distance = place.dimshuffle(0, "x") - cast(arange(n), dtype).dimshuffle("x", 0)
    return maximum(1 - abs_(distance), 0)


def _upsampled(input: Any, ratios: tuple[tuple[int, int], tuple[int, int]]) -> Any:
    x = as_tensor_variable(input)
    if x.type.ndim != 4:
        raise TypeError(f"bilinear upsampling takes tensors of four axes, got {x.type}")
    for axis, (numerator, denominator) in enumerate(ratios, start=2):
        matrix = _interpolation(x.shape[axis], numerator, denominator, x.type.dtype)
        moved = tensordot(x, matrix, axes=[[axis], [1]])
        x = moved if axis == 3 else moved.dimshuffle(0, 1, 3, 2)
    return x


def bilinear_upsampling(
    input: Any,
    ratio: int | None = None,
    frac_ratio: Any = None,
    batch_size: int | None = None,
    num_input_channels: int | None = None,
    use_1D_kernel: bool = True,
) -> Any:
    """Return images enlarged by linear interpolation along rows and columns.

    Parameters
    ----------
    input : tensor4_like, (batch, channels, rows, columns)
    ratio : int, optional
        By how much rows and columns become more.
    frac_ratio : pair of int, or pair of pairs, optional
        Numerator and denominator instead, for both axes or for each.
    batch_size, num_input_channels, use_1D_kernel
        Taken for compatibility; they make no difference.

    Raises
    ------
    ValueError
        If none or both of the ratios are given, or one is not positive.
    """
    if (ratio is None) == (frac_ratio is None):
        raise ValueError(
            user_message(
                "bilinear_upsampling takes either ratio or frac_ratio",
                got=f"ratio={ratio!r}, frac_ratio={frac_ratio!r}",
            )
        )
    if frac_ratio is not None:
        return frac_bilinear_upsampling(input, frac_ratio)
    return frac_bilinear_upsampling(input, (ratio, 1))


def frac_bilinear_upsampling(input: Any, frac_ratio: Any) -> Any:
    """Return images enlarged by a fraction; see `bilinear_upsampling`."""
    pairs = frac_ratio
    if isinstance(frac_ratio, (tuple, list)) and not isinstance(frac_ratio[0], (tuple, list)):
        pairs = (frac_ratio, frac_ratio)
    good = isinstance(pairs, (tuple, list)) and len(pairs) == 2 and all(
        len(p) == 2 and all(isinstance(n, int) and n > 0 for n in p) for p in pairs
    )
    if not good:
        raise ValueError(
            user_message(
                "ratio of bilinear upsampling",
                got=repr(frac_ratio),
                expected="a positive int, a pair (numerator, denominator), or two such pairs",
            )
        )
    (a, b), (c, d) = pairs
    return _upsampled(input, ((a, b), (c, d)))
