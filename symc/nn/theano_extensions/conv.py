"""Convolutions along one axis of inputs (batch, channels, length).

The names tell which way a two-dimensional convolution was once put to use (``mc0``, ``mc1``: the
length as rows or columns) or how the sum was built (``sc``, ``unstrided``, ``sd``, ``md``). Here
they are one and the same native operation; all are kept, so that programs that name one run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import symc.tensor as T

__all__ = ["conv1d_mc0", "conv1d_mc1", "conv1d_md", "conv1d_sc", "conv1d_sd", "conv1d_unstrided"]


def conv1d_mc0(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1,),
    filter_flip: bool = True,
    num_groups: int = 1,
) -> Any:
    """Return the convolution along the last axis.

    Parameters
    ----------
    input : tensor3, (batch, channels, length)
    filters : tensor3, (filters, channels / num_groups, length)
    image_shape, filter_shape : sequence of (int or None), optional
        Lengths that are promised.
    border_mode : {'valid', 'full', 'half', 'same'}, int or tuple of int
        Zeros before and after the input.
    subsample : tuple of int
        The distance of neighbouring windows.
    filter_flip : bool
        True gives a convolution, False a correlation.
    num_groups : int

    Returns
    -------
    TensorVariable
        (batch, filters, length).
    """
    mode = "half" if border_mode == "same" else border_mode
    return T.nnet.abstract_conv.conv1d(
        input, filters, image_shape, filter_shape, mode, subsample, filter_flip,
        num_groups=num_groups,
    )


conv1d_mc1 = conv1d_mc0
conv1d_sc = conv1d_mc0
conv1d_sd = conv1d_mc0
conv1d_md = conv1d_mc0


def conv1d_unstrided(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1,),
    filter_flip: bool = True,
    implementation: Callable[..., Any] = conv1d_sc,
) -> Any:
    """Return the convolution along the last axis, by `implementation`; else as `conv1d_mc0`."""
    return implementation(
        input, filters, image_shape, filter_shape, border_mode, subsample, filter_flip
    )
