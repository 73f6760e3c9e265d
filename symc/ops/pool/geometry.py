"""Windows of pooling: where they lie, and how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...errors import user_message
from ...scalar.arith import maximum, minimum

__all__ = ["MODES", "PoolGeometry", "largest", "smallest", "window_numbers"]

MODES = ("max", "sum", "average_inc_pad", "average_exc_pad")


def _are_integers(*values: Any) -> bool:
    return all(isinstance(v, (int, np.integer)) for v in values)


def largest(a: Any, b: Any) -> Any:
    """The larger of two lengths, which may be expressions or 0-d tensors."""
    return max(a, b) if _are_integers(a, b) else maximum(a, b)


def smallest(a: Any, b: Any) -> Any:
    """The smaller of two lengths, which may be expressions or 0-d tensors."""
    return min(a, b) if _are_integers(a, b) else minimum(a, b)


@dataclass(frozen=True)
class PoolGeometry:
    """Windows over the last axes of a tensor.

    Attributes
    ----------
    window, strides, pads : tuple of int
        Per pooled axis: the window's length, the distance of neighbours, how far the windows
        reach over either end.
    ignore_border : bool
        Whether windows that do not fit are left out; otherwise they are cut off at the border.
    mode : {"max", "sum", "average_inc_pad", "average_exc_pad"}
        ``average_inc_pad`` counts what lies over the ends as zeros, ``average_exc_pad`` leaves it
        out; sums and maxima leave it out.
    """

    window: tuple[int, ...]
    strides: tuple[int, ...]
    pads: tuple[int, ...]
    ignore_border: bool = True
    mode: str = "max"

    @property
    def ndim(self) -> int:
        """Number of pooled axes."""
        return len(self.window)

    @property
    def tiles(self) -> bool:
        """Whether windows neither overlap nor leave gaps nor reach over the ends."""
        return self.window == self.strides and not any(self.pads)

    def out_length(self, axis: int, length: Any) -> Any:
        """Number of windows along an axis.

        With ``n`` the length and both pads: ``(n - window) // stride + 1`` windows fit. Without
        `ignore_border` windows start as long as the one before does not reach the end.
        """
        window, stride = self.window[axis], self.strides[axis]
        n = length + 2 * self.pads[axis]
        if self.ignore_border:
            return n // stride if window == stride else largest(n - window + stride, 0) // stride
        if stride >= window:
            return (n + stride - 1) // stride
        more = largest(n - window + stride - 1, 0) // stride
        return smallest(more + 1, n)

    def out_lengths(self, lengths: Sequence[Any]) -> tuple[Any, ...]:
        """Lengths of the result for a tensor of these lengths."""
        lead = len(lengths) - self.ndim
        pooled = (
            None if n is None else self.out_length(i, n) for i, n in enumerate(lengths[lead:])
        )
        return (*lengths[:lead], *pooled)

    def span(self, axis: int, position: Any, length: Any) -> tuple[Any, Any, Any]:
        """First and last (exclusive) element under window `position`, and how many count."""
        pad, window = self.pads[axis], self.window[axis]
        start = position * self.strides[axis] - pad
        first, last = largest(start, 0), smallest(start + window, length)
        if self.mode != "average_inc_pad":
            return first, last, last - first
        return first, last, smallest(start + window, length + pad) - start

    def __str__(self) -> str:
        parts = [self.mode, f"ws={self.window}"]
        if self.strides != self.window:
            parts.append(f"stride={self.strides}")
        if any(self.pads):
            parts.append(f"pad={self.pads}")
        return ", ".join([*parts, "ignore_border" if self.ignore_border else "to the border"])


def window_numbers(given: Any, ndim: int, what: str, least: int) -> tuple[int, ...]:
    """Integers, one per pooled axis, at least `least`; a single one stands for all axes.

    Raises
    ------
    ValueError
        If there are more or fewer, or one is smaller or no integer.
    """
    values = given
    if isinstance(given, (int, np.integer)):
        values = [given] * ndim
    elif isinstance(given, np.ndarray) and given.ndim == 1:
        values = given.tolist()
    good = isinstance(values, (list, tuple)) and len(values) == ndim and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= least
        for v in values
    )
    if not good:
        raise ValueError(
            user_message(
                f"{what} of pooling over {ndim} axes",
                got=repr(given),
                expected=f"{ndim} integers, none less than {least}",
            )
        )
    return tuple(int(v) for v in values)
