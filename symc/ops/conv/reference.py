"""The NumPy meaning of convolutions: one product of matrices per filter element.

The three functions are the values, and each other's derivatives, of
``y[b, o, p] = sum_{c, k} w[o, c, k] x[b, c, p * stride + k * dilation - before]``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from .geometry import ConvGeometry

__all__ = ["correlate", "inputs_gradient", "weights_gradient"]

Array = Any


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
        dw[at] = np.matmul(rows, part.swapaxes(-1, -2)).sum(axis=0).reshape(-1, channels)
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
