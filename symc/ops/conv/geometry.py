"""Where the filters of a convolution lie on the input: borders, strides, dilation, groups."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

from ...errors import user_message

__all__ = ["Border", "ConvGeometry", "as_border", "as_steps"]

Border = Union[str, "tuple[tuple[int, int], ...]"]

NAMED_BORDERS = ("valid", "full", "half")


@dataclass(frozen=True)
class ConvGeometry:
    """What a convolution does along its spatial axes.

    Attributes
    ----------
    ndim : int
        Number of spatial axes: 1, 2 or 3.
    border : {"valid", "full", "half"} or tuple of pairs
        Zeros put before and after each axis: none, all but one of the (dilated) filter's length,
        half of it (rounded down), or the numbers given.
    strides : tuple of int
        Distance of neighbouring windows.
    dilation : tuple of int
        Distance of the input elements under neighbouring filter elements.
    groups : int
        Input and output channels are cut into so many groups that do not see each other.
    flip : bool
        True for a convolution in the mathematical sense, False for a correlation.
    """

    ndim: int
    border: Border = "valid"
    strides: tuple[int, ...] = ()
    dilation: tuple[int, ...] = ()
    groups: int = 1
    flip: bool = True

    def dilated(self, axis: int, filter_length: Any) -> Any:
        """Length of the input under a filter."""
        return (filter_length - 1) * self.dilation[axis] + 1

    def pads(self, axis: int, filter_length: Any) -> tuple[Any, Any]:
        """Numbers of zeros before and after an axis, for a filter of this length."""
        if not isinstance(self.border, str):
            return self.border[axis]
        if self.border == "valid":
            return 0, 0
        dilated = self.dilated(axis, filter_length)
        pad = dilated - 1 if self.border == "full" else dilated // 2
        return pad, pad

    def room(self, axis: int, length: Any, filter_length: Any) -> Any:
        """By how much the padded input is longer than the filter; negative if it is shorter."""
        before, after = self.pads(axis, filter_length)
        return length + before + after - self.dilated(axis, filter_length)

    def out_length(self, axis: int, length: Any, filter_length: Any) -> Any:
        """Length of the result along an axis, where the filter fits."""
        return self.room(axis, length, filter_length) // self.strides[axis] + 1

    def __str__(self) -> str:
        parts = [f"{self.ndim}d", str(self.border)]
        if set(self.strides) != {1}:
            parts.append(f"subsample={self.strides}")
        if set(self.dilation) != {1}:
            parts.append(f"dilation={self.dilation}")
        if self.groups != 1:
            parts.append(f"groups={self.groups}")
        return ", ".join([*parts, "flip" if self.flip else "no flip"])


def as_steps(given: Any, ndim: int, what: str) -> tuple[int, ...]:
    """Positive numbers, one per spatial axis; one number stands for all of them.

    Raises
    ------
    ValueError
        If there are more or fewer, or one is no positive integer.
    """
    values = [given] * ndim if isinstance(given, (int, np.integer)) else list(given)
    good = len(values) == ndim and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= 1 for v in values
    )
    if not good:
        raise ValueError(
            user_message(
                f"{what} of a convolution of {ndim} spatial axes",
                got=repr(given),
                expected=f"{ndim} positive integers",
            )
        )
    return tuple(int(v) for v in values)


def as_border(given: Any, ndim: int) -> Border:
    """The border mode in its one form: a name, or a pair of numbers of zeros per axis.

    Parameters
    ----------
    given : {"valid", "full", "half", "same"}, int, or sequence
        A number is put on both sides of every axis; a sequence has one number or pair per axis.
    ndim : int
        Number of spatial axes.

    Raises
    ------
    ValueError
        If it is none of these, or a number is negative.
    """
    if isinstance(given, str):
        name = "half" if given == "same" else given
        if name in NAMED_BORDERS:
            return name
    elif isinstance(given, (int, np.integer)):
        if given >= 0:
            return ((int(given), int(given)),) * ndim
    elif isinstance(given, Sequence) and len(given) == ndim:
        pairs = [(p, p) if isinstance(p, (int, np.integer)) else p for p in given]
        if all(_is_pair(p) for p in pairs):
            return tuple((int(a), int(b)) for a, b in pairs)
    raise ValueError(
        user_message(
            "border_mode of a convolution",
            got=repr(given),
            expected=f"'valid', 'full', 'half', a number, or {ndim} numbers or pairs of them, "
            "none negative",
        )
    )


def _is_pair(p: Any) -> bool:
    return (
        isinstance(p, Sequence)
        and len(p) == 2
        and all(isinstance(n, (int, np.integer)) and n >= 0 for n in p)
    )
