"""Theano's conversion of Python numbers to typed ones, as objects that programs import."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any

import numpy as np

from ..config import change_flags
from ..errors import user_message

__all__ = ["NumpyAutocaster", "autocast_float", "autocast_float_as", "autocast_int"]


class NumpyAutocaster:
    """Converts a number to the first of several dtypes that holds it exactly, else to the last.

    Parameters
    ----------
    dtypes : sequence of str

    Examples
    --------
    >>> NumpyAutocaster(("int8", "int16"))(300).dtype
    dtype('int16')
    """

    def __init__(self, dtypes: Sequence[str]) -> None:
        self.dtypes = tuple(dtypes)
        if not self.dtypes:
            raise ValueError("an autocaster needs at least one dtype")

    def __call__(self, x: Any) -> Any:
        """Return `x`, a number or an array, as an array or NumPy scalar."""
        if hasattr(x, "dtype"):
            return np.asarray(x)
        given = np.asarray(x)
        for dtype in self.dtypes[:-1]:
            with np.errstate(all="ignore"):
                converted = given.astype(dtype)
            if bool(np.all(converted.astype(given.dtype) == given)):
                return converted[()]
        return given.astype(self.dtypes[-1])[()]


autocast_int = NumpyAutocaster(("int8", "int16", "int32", "int64"))
autocast_float = NumpyAutocaster(("float16", "float32", "float64"))


class autocast_float_as:  # noqa: N801 - Theano's name
    """A ``with`` block in which Python floats have one dtype.

    Parameters
    ----------
    *dtypes : str
        One dtype, a float type; it is the ``floatX`` of the block.
    """

    def __init__(self, *dtypes: str) -> None:
        if len(dtypes) != 1:
            raise ValueError(
                user_message(
                    "autocast_float_as takes one dtype",
                    got=", ".join(dtypes) or "none",
                    hint='cast_policy="custom" tries float32 before float64',
                )
            )
        self._change = change_flags(floatX=dtypes[0])

    def __enter__(self) -> None:
        self._change.__enter__()

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._change.__exit__(kind, error, trace)
