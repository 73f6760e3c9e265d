"""Axes as users write them: None, a number, a tuple, negative, or a constant variable."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import user_message
from ..graph.node import Constant

__all__ = ["check_and_normalize_axes", "normalize_axes", "normalize_axis"]


def normalize_axis(axis: Any, ndim: int) -> int:
    """Return an axis as a number from 0 to ndim - 1.

    Parameters
    ----------
    axis : int or integer constant
        Negative axes count from the end.
    ndim : int

    Raises
    ------
    TypeError
        If it is not an integer that is known now.
    ValueError
        If there is no such axis.
    """
    number = _as_int(axis)
    if not -ndim <= number < ndim:
        raise ValueError(
            user_message(
                f"there is no axis {number}",
                got=f"axis={axis} for {ndim} axes",
                expected=f"{-ndim} to {ndim - 1}" if ndim else "no axis: the operand is a scalar",
            )
        )
    return number % ndim


def _as_int(axis: Any) -> int:
    if isinstance(axis, Constant):
        axis = axis.data
    if isinstance(axis, (int, np.integer)) and not isinstance(axis, (bool, np.bool_)):
        return int(axis)
    if isinstance(axis, np.ndarray) and axis.dtype.kind in "iu" and axis.size == 1:
        return int(axis.reshape(-1)[0])
    if isinstance(axis, float) and axis.is_integer():
        return int(axis)
    raise TypeError(
        user_message(
            "an axis must be an integer that is known when the graph is built",
            got=f"{axis!r} of {type(axis).__name__}",
            expected="None, an int, or a tuple of ints",
        )
    )


def normalize_axes(axis: Any, ndim: int) -> tuple[int, ...]:
    """Return axes as a sorted tuple of numbers from 0 to ndim - 1; None means all of them.

    Raises
    ------
    TypeError
        If an axis is not an integer that is known now.
    ValueError
        If there is no such axis, or one is named twice.
    """
    if axis is None or (isinstance(axis, Constant) and axis.data is None):
        return tuple(range(ndim))
    if isinstance(axis, Constant):
        axis = np.asarray(axis.data).tolist()
    elif isinstance(axis, np.ndarray):
        axis = axis.tolist()
    given: Iterable[Any] = axis if isinstance(axis, (list, tuple)) else (axis,)
    axes = [normalize_axis(a, ndim) for a in given]
    if len(set(axes)) != len(axes):
        raise ValueError(f"an axis is named twice: axis={axis} for {ndim} axes")
    return tuple(sorted(axes))


def check_and_normalize_axes(x: Any, axis: Any) -> list[int]:
    """Return the axes of tensor `x` that `axis` names, as a sorted list; None gives none."""
    return [] if axis is None else list(normalize_axes(axis, x.type.ndim))


def without(items: Sequence[Any], axes: Sequence[int]) -> tuple[Any, ...]:
    """Return `items` (one per axis) without those of `axes`."""
    return tuple(item for i, item in enumerate(items) if i not in axes)
