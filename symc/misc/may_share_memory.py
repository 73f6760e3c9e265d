"""``symc.misc.may_share_memory``."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..errors import user_message


def may_share_memory(a: Any, b: Any, raise_other_type: bool = True) -> bool:
    """Tell whether the memory of two arrays may overlap.

    Parameters
    ----------
    a, b : numpy.ndarray
    raise_other_type : bool
        Whether other types are an error; else the answer is False for them.

    Raises
    ------
    TypeError
        If one of them is no array.
    """
    if isinstance(a, np.ndarray) and isinstance(b, np.ndarray):
        return bool(np.may_share_memory(a, b))
    if raise_other_type:
        got = f"{type(a).__name__} and {type(b).__name__}"
        raise TypeError(user_message("may_share_memory compares NumPy arrays", got=got))
    return False
