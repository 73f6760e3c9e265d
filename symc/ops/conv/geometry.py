"""What users say about a convolution, checked and brought to one form."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ...errors import user_message
from ...loop.convolution import Border

__all__ = ["as_border", "as_steps"]

NAMED_BORDERS = ("valid", "full", "half")


def as_steps(given: Any, ndim: int, what: str) -> tuple[int, ...]:
    """Positive numbers, one per spatial axis; one number stands for all of them.

    Raises
    ------
    ValueError
        If there are more or fewer, or one is no positive integer.
    """
    values = list(given) if isinstance(given, Iterable) else [given] * ndim
    good = len(values) == ndim and all(
        isinstance(v, (int, np.integer)) and not isinstance(v, bool) and v >= 1 for v in values
    )
    if not good:
        raise ValueError(
            user_message(
                f"{what} of a convolution",
                got=repr(given),
                expected="a positive integer" + (f", or {ndim} of them" if ndim > 1 else ""),
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
