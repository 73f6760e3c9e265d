"""``symc.misc.safe_asarray``: `numpy.asarray` with the dtype checked."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..dtypes import canonical

__all__ = ["_asarray"]


def _asarray(a: Any, dtype: Any, order: Any = None) -> np.ndarray[Any, Any]:
    """Return `a` as an array of the dtype.

    Parameters
    ----------
    a : array_like
    dtype : str or dtype
        May be ``"floatX"``.
    order : {"C", "F", "A", "K"}, optional
    """
    name = canonical(dtype) if isinstance(dtype, str) else np.dtype(dtype)
    return np.asarray(a, dtype=name, order=order)
