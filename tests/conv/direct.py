"""Convolution by its definition: one sum per element of the result, in plain loops."""

from __future__ import annotations

import numpy as np


def pads(border, filter_length, dilation, axis):
    """Zeros before and after an axis, as users say it."""
    reach = (filter_length - 1) * dilation
    if isinstance(border, str):
        both = {"valid": 0, "full": reach, "half": (reach + 1) // 2}[border]
        return both, both
    if isinstance(border, int):
        return border, border
    own = border[axis]
    return (own, own) if isinstance(own, int) else own


def meetings(x_shape, w_shape, border, strides, dilation, groups, flip):
    """The padding, the lengths of the result, and who meets whom.

    The last yields, for every filter, place and filter element: the place in the result, that in
    the padded input and that in the filters, each for all images and channels.
    """
    ndim = len(x_shape) - 2
    strides, dilation = strides or (1,) * ndim, dilation or (1,) * ndim
    lengths = w_shape[2:]
    sides = [pads(border, k, dilation[i], i) for i, k in enumerate(lengths)]
    out = tuple(
        (n + a + b - (k - 1) * d - 1) // s + 1
        for n, (a, b), k, d, s in zip(x_shape[2:], sides, lengths, dilation, strides, strict=True)
    )
    per_in, per_out = w_shape[1], w_shape[0] // groups

    def pairs():
        for o in range(w_shape[0]):
            first = o // per_out * per_in
            seen = slice(first, first + per_in)
            for p in np.ndindex(*out):
                for k in np.ndindex(*lengths):
                    at = (i * s + j * d for i, s, j, d in zip(p, strides, k, dilation, strict=True))
                    tap = (n - 1 - j for n, j in zip(lengths, k, strict=True)) if flip else k
                    yield (slice(None), o, *p), (slice(None), seen, *at), (o, slice(None), *tap)

    return [(0, 0), (0, 0), *sides], out, pairs()


def convolve(x, w, border="valid", strides=None, dilation=None, groups=1, flip=True):
    """The convolution of (batch, channels, ...) with (filters, channels / groups, ...)."""
    sides, out, pairs = meetings(x.shape, w.shape, border, strides, dilation, groups, flip)
    wide = np.pad(x, sides)
    y = np.zeros((x.shape[0], w.shape[0], *out))
    for place, seen, tap in pairs:
        y[place] += wide[seen] @ w[tap]
    return y


def gradients(x, w, g, border="valid", strides=None, dilation=None, groups=1, flip=True):
    """Gradients of ``sum(g * convolve(x, w))`` with respect to `x` and `w`."""
    sides, _, pairs = meetings(x.shape, w.shape, border, strides, dilation, groups, flip)
    wide = np.pad(x, sides)
    to_wide, to_w = np.zeros(wide.shape), np.zeros(w.shape)
    for place, seen, tap in pairs:
        to_wide[seen] += g[place][:, None] * w[tap]
        to_w[tap] += g[place] @ wide[seen]
    inner = (slice(a, a + n) for (a, _), n in zip(sides, x.shape, strict=True))
    return to_wide[tuple(inner)], to_w
