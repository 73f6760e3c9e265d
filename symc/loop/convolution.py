"""Convolutions: where filters lie on the input, and what the three maps mean.

The values of ``y[b, o, p] = sum_{c, k} w[o, c, k] x[b, c, p * stride + k * dilation - before]`` and
the gradients with respect to `x` and `w` are each other's derivatives. Inputs are
``(batch, channels, ...)``, filters ``(out, channels / groups, ...)``, results
``(batch, out, ...)``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Union

import numpy as np

Border = Union[str, "tuple[tuple[int, int], ...]"]

Array = Any


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


def correlate(x: Array, w: Array, geometry: ConvGeometry) -> Array:
    """Values of a convolution of `x` (batch, channels, ...) with `w` (out, channels, ...)."""
    groups, lengths = geometry.groups, w.shape[2:]
    out = _out_lengths(geometry, x.shape[2:], lengths)
    padded = _padded(x, geometry, lengths)
    batch, filters = x.shape[0], w.shape[0]
    y = np.zeros((batch, groups, filters // groups, int(np.prod(out))), w.dtype)
    for at, window in _windows(geometry, lengths, out):
        part = padded[(slice(None), slice(None), *window)]
        y += np.matmul(_by_group(w[at], groups), _columns(part, groups))
    return y.reshape(batch, filters, *out)


def inputs_gradient(g: Array, w: Array, shape: Sequence[int], geometry: ConvGeometry) -> Array:
    """Gradient with respect to `x`, whose spatial shape is `shape`, where `g` arrives at `y`."""
    groups, lengths = geometry.groups, w.shape[2:]
    pads = [geometry.pads(i, k) for i, k in enumerate(lengths)]
    channels = w.shape[1] * groups
    room = [n + a + b for n, (a, b) in zip(shape, pads, strict=True)]
    padded = np.zeros((g.shape[0], channels, *room), w.dtype)
    columns = _columns(g, groups)
    for at, window in _windows(geometry, lengths, g.shape[2:]):
        part = np.matmul(_by_group(w[at], groups).transpose(0, 2, 1), columns)
        place = padded[(slice(None), slice(None), *window)]
        place += part.reshape(place.shape)
    inner = tuple(slice(a, a + n) for n, (a, _) in zip(shape, pads, strict=True))
    return padded[(slice(None), slice(None), *inner)]


def weights_gradient(x: Array, g: Array, shape: Sequence[int], geometry: ConvGeometry) -> Array:
    """Gradient with respect to `w`, whose spatial shape is `shape`, where `g` arrives at `y`."""
    groups = geometry.groups
    padded = _padded(x, geometry, shape)
    channels = x.shape[1] // groups
    dw = np.zeros((g.shape[1], channels, *shape), g.dtype)
    rows = _columns(g, groups)
    for at, window in _windows(geometry, shape, g.shape[2:]):
        part = _columns(padded[(slice(None), slice(None), *window)], groups)
        dw[at] = np.matmul(rows, part.swapaxes(-1, -2)).sum(axis=0).reshape(g.shape[1], channels)
    return dw


def _out_lengths(
    geometry: ConvGeometry, lengths: Sequence[int], filters: Sequence[int]
) -> tuple[int, ...]:
    pairs = enumerate(zip(lengths, filters, strict=True))
    return tuple(geometry.out_length(i, n, k) for i, (n, k) in pairs)


def _padded(x: Array, geometry: ConvGeometry, filters: Sequence[int]) -> Array:
    pads = [geometry.pads(i, k) for i, k in enumerate(filters)]
    return np.pad(x, [(0, 0), (0, 0), *pads])


def _windows(
    geometry: ConvGeometry, filters: Sequence[int], out: Sequence[int]
) -> Iterator[tuple[Any, tuple[slice, ...]]]:
    """Index of each filter element in `w`, and the part of the padded input that it meets."""
    for k in np.ndindex(*filters):
        at = tuple(n - 1 - i for i, n in zip(k, filters, strict=True)) if geometry.flip else k
        window = tuple(
            slice(i * d, i * d + (n - 1) * s + 1 if n else i * d, s)
            for i, n, s, d in zip(k, out, geometry.strides, geometry.dilation, strict=True)
        )
        yield (slice(None), slice(None), *at), window


def _by_group(w: Array, groups: int) -> Array:
    """`(out, channels)` as `(group, out of the group, channels)`."""
    return w.reshape(groups, w.shape[0] // groups, w.shape[1])


def _columns(x: Array, groups: int) -> Array:
    """`(batch, channels, ...)` as `(batch, group, channels of the group, positions)`."""
    positions = int(np.prod(x.shape[2:]))
    return x.reshape(x.shape[0], groups, x.shape[1] // groups, positions)
