"""Constructors of shared variables that hold arrays."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..dtypes import DTYPES
from ..errors import user_message
from .convert import constant, is_number
from .type import TensorType
from .variable import ScalarSharedVariable, TensorSharedVariable

__all__ = ["scalar_constructor", "tensor_constructor"]


def tensor_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    broadcastable: Sequence[bool] | None = None,
    target: str = "cpu",
) -> TensorSharedVariable:
    """Make a shared variable from an array, or from a list that NumPy makes a numeric array of.

    Parameters
    ----------
    value : array_like
        Its first value; copied unless `borrow`.
    name : str, optional
    strict : bool
        Whether later values must have exactly this dtype.
    allow_downcast : bool, optional
        Whether later values may be converted with loss.
    borrow : bool
        Whether the array itself is kept.
    broadcastable : sequence of bool, optional
        Axes that are promised to have length 1 for ever; by default none.
    target : str
        Only ``"cpu"``.

    Raises
    ------
    TypeError
        If `value` is not an array of numbers: another constructor may take it.
    """
    if target != "cpu":
        raise TypeError(f"arrays of target {target!r} are not made here")
    if not isinstance(value, (np.ndarray, list, tuple)):
        raise TypeError(f"an array or a list of numbers is expected, got {type(value).__name__}")
    array = value if isinstance(value, np.ndarray) else constant(value).data
    if array.dtype.kind not in "biufc" or array.dtype.name not in DTYPES:
        raise TypeError(
            user_message("an array of numbers is expected", got=f"an array of {array.dtype}")
        )
    pattern = (False,) * array.ndim if broadcastable is None else broadcastable
    type_ = TensorType(array.dtype.name, pattern)
    stored = type_.filter(array)
    if not borrow or not stored.flags.writeable:
        stored = stored.copy()
    return TensorSharedVariable(name, type_, stored, strict, allow_downcast)


def scalar_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
    target: str = "cpu",
) -> ScalarSharedVariable:
    """Make a shared variable from one number: Python's int gives int64, float float64.

    The parameters are those of `tensor_constructor`; a NumPy scalar keeps its dtype.

    Raises
    ------
    TypeError
        If `value` is not a number.
    """
    if target != "cpu" or not (is_number(value) or isinstance(value, np.generic)):
        raise TypeError(f"a number is expected, got {type(value).__name__}")
    array = np.asarray(value)
    if array.dtype.name not in DTYPES:
        raise TypeError(f"a number of a known dtype is expected, got {array.dtype}")
    return ScalarSharedVariable(
        name, TensorType(array.dtype.name, ()), array, strict, allow_downcast
    )
