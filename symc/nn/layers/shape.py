"""Layers that only change the shape."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import symc
from symc.nn.layers.base import Layer
from symc.nn.theano_extensions import padding

__all__ = [
    "DimshuffleLayer",
    "FlattenLayer",
    "PadLayer",
    "ReshapeLayer",
    "SliceLayer",
    "dimshuffle",
    "flatten",
    "pad",
    "reshape",
]


def _product(lengths: Sequence[Any]) -> Any:
    return None if None in lengths else int(np.prod(lengths))


class FlattenLayer(Layer):
    """Makes one axis of the last ones.

    Parameters
    ----------
    incoming : Layer or tuple
    outdim : int
        Rank of the output.
    name : str, optional

    Raises
    ------
    ValueError
        If `outdim` is below 1 or above the rank of the input.
    """

    def __init__(self, incoming: Any, outdim: int = 2, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.outdim = outdim
        if not 1 <= outdim <= len(self.input_shape):
            raise ValueError(
                f"{self._called()}: outdim must be between 1 and the number of axes of its input "
                f"of shape {self.input_shape}, got {outdim}"
            )

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The first axes, and the product of the others."""
        kept = self.outdim - 1
        return (*input_shape[:kept], _product(input_shape[kept:]))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input, flattened."""
        return input.flatten(self.outdim)


flatten = FlattenLayer


class ReshapeLayer(Layer):
    """Gives the elements another shape.

    Parameters
    ----------
    incoming : Layer or tuple
    shape : tuple
        Its entries are positive integers, -1 for what is left (once), scalar expressions, or
        ``[i]`` for the length of axis `i` of the input.
    name : str, optional

    Raises
    ------
    ValueError
        If an entry is none of these, or the number of elements differs.
    """

    def __init__(self, incoming: Any, shape: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.shape = tuple(shape)
        rank = len(self.input_shape)
        entry: Any
        for entry in self.shape:
            if isinstance(entry, (int, np.integer)):
                good = entry == -1 or entry > 0
            elif isinstance(entry, list):
                good = len(entry) == 1 and isinstance(entry[0], int) and 0 <= entry[0] < rank
            else:
                good = isinstance(entry, symc.Variable) and entry.type.ndim == 0
            if not good:
                raise ValueError(
                    f"{self._called()}: {entry!r} in shape {self.shape} is no positive integer, no "
                    f"-1, no scalar expression, and no [i] with an axis of the input's {rank}"
                )
        if sum(isinstance(e, (int, np.integer)) and e == -1 for e in self.shape) > 1:
            raise ValueError(f"{self._called()}: -1 may stand once in a shape, got {self.shape}")
        self.get_output_shape_for(self.input_shape)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape, with what is known of the input put in."""
        shape = [input_shape[e[0]] if isinstance(e, list) else e for e in self.shape]
        shape = [None if isinstance(n, symc.Variable) else n for n in shape]
        given, wanted = self._without_copied(input_shape, shape)
        total, rest = _product(given), _product([n for n in wanted if n != -1])
        if total is not None and rest is not None:
            fits = total % rest == 0 if -1 in shape else total == rest
            if not fits:
                raise ValueError(
                    f"{self._called()} can't give the {total} elements of an input of shape "
                    f"{tuple(input_shape)} the shape {self.shape}"
                )
        left = total // rest if total is not None and rest else None
        return tuple(left if n == -1 else n for n in shape)

    def _without_copied(self, input_shape: Any, shape: list[Any]) -> tuple[list[Any], list[Any]]:
        """Both shapes, with 1 for unknown lengths of the input that the output has, too."""
        given, wanted = list(input_shape), list(shape)
        for k, entry in enumerate(self.shape):
            if isinstance(entry, list) and given[entry[0]] is None:
                given[entry[0]] = wanted[k] = 1
        return given, wanted

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input, reshaped."""
        shape = [input.shape[e[0]] if isinstance(e, list) else e for e in self.shape]
        return input.reshape(tuple(shape), ndim=len(shape))


reshape = ReshapeLayer


class DimshuffleLayer(Layer):
    """Permutes axes, drops those of length 1 and adds new ones.

    Parameters
    ----------
    incoming : Layer or tuple
    pattern : tuple of int or 'x'
        As for `dimshuffle` of tensors.
    name : str, optional

    Raises
    ------
    ValueError
        If an axis occurs twice or does not exist, or one is dropped that is not of length 1.
    """

    def __init__(self, incoming: Any, pattern: Sequence[Any], **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.pattern = tuple(pattern)
        axes = [p for p in self.pattern if p != "x"]
        rank = len(self.input_shape)
        if len(set(axes)) != len(axes) or not all(
            isinstance(p, int) and 0 <= p < rank for p in axes
        ):
            raise ValueError(
                f"{self._called()}: pattern {self.pattern} for an input of shape "
                f"{self.input_shape}: each axis may stand once, besides 'x' for new ones"
            )
        self.get_output_shape_for(self.input_shape)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Lengths in the order of the pattern, 1 for new axes."""
        for axis, n in enumerate(input_shape):
            if axis not in self.pattern and n not in (1, None):
                raise ValueError(
                    f"{self._called()}: pattern {self.pattern} drops axis {axis} of an input of "
                    f"shape {tuple(input_shape)}, which is not of length 1"
                )
        return tuple(1 if p == "x" else input_shape[p] for p in self.pattern)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input with its axes shuffled."""
        return input.dimshuffle(self.pattern)


dimshuffle = DimshuffleLayer


class PadLayer(Layer):
    """Adds a border of one value.

    Parameters
    ----------
    incoming : Layer or tuple
    width : int, or sequence of int or (int, int)
        Width on both sides of all axes, or by axis, or before and after it.
    val : float
    batch_ndim : int
        How many first axes have no border.
    name : str, optional

    Raises
    ------
    ValueError
        If there are not as many widths as axes, or one is negative.
    """

    def __init__(
        self, incoming: Any, width: Any, val: float = 0, batch_ndim: int = 2, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.width = width
        self.val = val
        self.batch_ndim = batch_ndim

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Lengths with the border."""
        widths = padding.widths_of(self.width, len(input_shape) - self.batch_ndim)
        padded = [
            None if n is None else n + before + after
            for n, (before, after) in zip(input_shape[self.batch_ndim :], widths, strict=True)
        ]
        return (*input_shape[: self.batch_ndim], *padded)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input inside a border."""
        return padding.pad(input, self.width, self.val, self.batch_ndim)


pad = PadLayer


class SliceLayer(Layer):
    """Takes a slice along an axis, or one index, which removes the axis.

    Parameters
    ----------
    incoming : Layer or tuple
    indices : int or slice
    axis : int
        A negative number counts from the end.
    name : str, optional

    Raises
    ------
    ValueError
        If the input has no such axis, or the axis no such index, or the slice is empty.
    """

    def __init__(self, incoming: Any, indices: Any, axis: int = -1, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        self.slice = indices
        self.axis = axis
        self._axis(axis)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape with the slice's length, or without the axis."""
        shape = list(input_shape)
        axis = self.axis % len(shape)
        n = shape[axis]
        if not isinstance(self.slice, slice):
            if n is not None and not -n <= self.slice < n:
                raise ValueError(
                    f"{self._called()}: index {self.slice} of axis {axis} of an input of shape "
                    f"{tuple(input_shape)}"
                )
            del shape[axis]
        elif n is not None:
            shape[axis] = len(range(*self.slice.indices(n)))
        elif self.slice != slice(None):
            shape[axis] = None
        return tuple(shape)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The slice."""
        axis = self.axis % input.ndim
        return input[(slice(None),) * axis + (self.slice,)]
