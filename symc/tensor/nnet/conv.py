"""``symc.tensor.nnet.conv``: the older name of two-dimensional convolution."""

from __future__ import annotations

from typing import Any

from . import abstract_conv
from .conv_classes import ConvOp

__all__ = ["ConvOp", "conv2d"]


def conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    **kwargs: Any,
) -> Any:
    """As `symc.tensor.nnet.conv2d`; further arguments, which tuned old kernels, do nothing.

    Parameters
    ----------
    input, filters : tensor4_like
    image_shape, filter_shape : sequence, optional
    border_mode : {"valid", "full"}
    subsample : pair of int
    """
    return abstract_conv.conv2d(
        input, filters, image_shape, filter_shape, border_mode, subsample
    )
