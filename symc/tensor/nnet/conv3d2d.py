"""``symc.tensor.nnet.conv3d2d``: three-dimensional convolution with time as second axis."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...ops.advanced import advanced_index
from ...ops.alloc import arange
from . import abstract_conv

__all__ = ["DiagonalSubtensor", "conv3d", "diagonal_subtensor"]


def conv3d(
    signals: Any,
    filters: Any,
    signals_shape: Any = None,
    filters_shape: Any = None,
    border_mode: Any = "valid",
) -> Any:
    """Return the convolution of (batch, time, channels, rows, columns) with filters.

    Parameters
    ----------
    signals : tensor5_like, (batch, time, channels, rows, columns)
    filters : tensor5_like, (filters, time, channels, rows, columns)
    signals_shape, filters_shape : sequence, optional
        Shapes that are promised.
    border_mode : str or sequence of three str
        ``"valid"``, ``"full"`` or ``"half"``, for all or for time, rows and columns (all equal).
    """
    mode = border_mode
    if isinstance(border_mode, (tuple, list)) and all(isinstance(m, str) for m in border_mode):
        if len(set(border_mode)) != 1:
            raise NotImplementedError("conv3d takes one border mode for all axes, or numbers")
        mode = border_mode[0]
    x, w = (as_tensor_variable(v).dimshuffle(0, 2, 1, 3, 4) for v in (signals, filters))
    hints = [None if s is None else (s[0], s[2], s[1], *s[3:])
             for s in (signals_shape, filters_shape)]
    y = abstract_conv.conv3d(x, w, hints[0], hints[1], mode)
    return y.dimshuffle(0, 2, 1, 3, 4)


def diagonal_subtensor(x: Any, i0: int, i1: int) -> Any:
    """Return ``x[..., t + K - 1 - k, ..., k, ...]`` for each `t` and each `k` below ``K``.

    Summing over `k` then makes a convolution along an axis of one over other axes.

    Parameters
    ----------
    x : tensor_like
    i0 : int
        The axis that `t` runs along; its length shrinks by ``K - 1``.
    i1 : int
        The axis of length ``K`` that `k` runs along.
    """
    x = as_tensor_variable(x)
    i0, i1 = i0 % x.type.ndim, i1 % x.type.ndim
    others = [d for d in range(x.type.ndim) if d not in (i0, i1)]
    count = x.shape[i1]
    k = arange(count).dimshuffle("x", 0)
    t = arange(x.shape[i0] - count + 1).dimshuffle(0, "x")
    taken = advanced_index(x.dimshuffle(i0, i1, *others), [t + count - 1 - k, k])
    back = {axis: place for place, axis in enumerate([i0, i1, *others])}
    return taken.dimshuffle(*(back[d] for d in range(x.type.ndim)))


class DiagonalSubtensor:
    """``op(x, i0, i1)``: see `diagonal_subtensor`; `inplace` is taken for compatibility."""

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace

    def __call__(self, x: Any, i0: int, i1: int) -> Any:
        """Return the diagonals."""
        return diagonal_subtensor(x, i0, i1)
