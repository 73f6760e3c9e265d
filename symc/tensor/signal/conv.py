"""``symc.tensor.signal.conv``: convolution of single images, without channels."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import user_message
from ...graph.trace import user_line
from ..nnet.abstract_conv import conv2d as conv2d_of_channels

__all__ = ["conv2d"]


def conv2d(
    input: Any,
    filters: Any,
    image_shape: Any = None,
    filter_shape: Any = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    **kwargs: Any,
) -> Any:
    """Return the convolution of an image, or of each of a stack, with one or more filters.

    Parameters
    ----------
    input : matrix_like or tensor3_like, ([batch,] rows, columns)
    filters : matrix_like or tensor3_like, ([filters,] rows, columns)
    image_shape, filter_shape : sequence, optional
        Shapes that are promised.
    border_mode, subsample, **kwargs
        As `symc.tensor.nnet.conv2d` takes them.

    Returns
    -------
    tensor, ([batch,] [filters,] rows, columns)

    Examples
    --------
    >>> import symc.tensor as T
    >>> conv2d(T.matrix(), T.tensor3()).type
    TensorType(float64, 3D)
    """
    x, w = as_tensor_variable(input), as_tensor_variable(filters)
    for v, what in ((x, "images"), (w, "filters")):
        if v.type.ndim not in (2, 3):
            raise TypeError(
                user_message(
                    f"signal.conv.conv2d: the {what} have the wrong number of axes",
                    got=str(v.type),
                    expected="a matrix, or a tensor of three axes",
                    where=user_line(v) or None,
                )
            )
    images, kernels = (
        v.dimshuffle(0, "x", 1, 2) if v.type.ndim == 3 else v.dimshuffle("x", "x", 0, 1)
        for v in (x, w)
    )
    hints = _with_channel(image_shape), _with_channel(filter_shape)
    y = conv2d_of_channels(
        images, kernels, hints[0], hints[1], border_mode, subsample, **kwargs
    )
    kept = [*[0] * (x.type.ndim == 3), *[1] * (w.type.ndim == 3), 2, 3]
    return y.dimshuffle(*kept) if len(kept) < 4 else y


def _with_channel(shape: Any) -> Any:
    if shape is None:
        return None
    return (1, 1, *shape) if len(shape) == 2 else (shape[0], 1, *shape[1:])
