"""``symc.tensor.nnet.conv3d2d``: three-dimensional convolution with time as second axis."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from . import abstract_conv

__all__ = ["conv3d"]


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
