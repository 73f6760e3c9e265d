"""Borders around arrays."""

from __future__ import annotations

from typing import Any

import numpy as np

import symc.tensor as T

__all__ = ["pad"]


def widths_of(width: Any, count: int) -> list[tuple[int, int]]:
    """Return the widths before and after each of `count` axes.

    Parameters
    ----------
    width : int, or sequence of int or (int, int)
    count : int

    Returns
    -------
    list of (int, int)

    Raises
    ------
    ValueError
        If their number is not `count`, or one is neither a number nor a pair, or is negative.
    """
    if isinstance(width, (int, np.integer)):
        width = [int(width)] * count
    pairs = [(w, w) if isinstance(w, (int, np.integer)) else tuple(w) for w in width]
    if any(len(p) != 2 for p in pairs):
        raise ValueError(
            f"the width of a border is a number or two, before and after it, for each axis, got "
            f"{width!r}"
        )
    if len(pairs) != count:
        raise ValueError(f"got the widths of {len(pairs)} axes, {width!r}, for {count} axes")
    if any(n < 0 for pair in pairs for n in pair):
        raise ValueError(f"the width of a border is not negative, got {width!r}")
    return [(int(before), int(after)) for before, after in pairs]


def pad(x: Any, width: Any, val: float = 0, batch_ndim: int = 1) -> Any:
    """Put a border of one value around an array.

    Parameters
    ----------
    x : tensor
    width : int, or sequence of int or (int, int)
        Width on both sides of all axes, or by axis, or before and after it.
    val : float or scalar tensor
    batch_ndim : int
        How many first axes have no border.

    Returns
    -------
    TensorVariable
        Same rank and dtype.

    Raises
    ------
    ValueError
        If there are not as many widths as axes, or one is negative.
    """
    widths = widths_of(width, x.ndim - batch_ndim)
    lengths = [x.shape[k] for k in range(x.ndim)]
    inside: list[Any] = [slice(None)] * batch_ndim
    for k, (before, after) in enumerate(widths, batch_ndim):
        inside.append(slice(before, before + lengths[k]))
        lengths[k] = lengths[k] + before + after
    border = T.alloc(T.cast(val, x.dtype), *lengths)
    return T.set_subtensor(border[tuple(inside)], x)
