"""Convolutions and transposed convolutions, in Theano's names.

Images are ``(batch, channels, ...)``, filters ``(filters, channels / num_groups, ...)``. By
default filters are flipped, which makes a convolution; ``filter_flip=False`` gives a correlation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths
from ...errors import ShapeError, user_message
from ...graph.trace import user_line
from ...lazy import late_names
from ...loop.convolution import ConvGeometry
from ...ops.alloc import eye
from ...ops.conv.geometry import as_border, as_steps
from ...ops.conv.ops import Conv, ConvInputsGradient, ConvWeightsGradient
from ...ops.dot import batched_dot
from ...ops.math import mul
from ...ops.shape import specify_shape
from ...ops.vector import as_size_vector
from .conv_shapes import (
    assert_conv_shape,
    assert_shape,
    border_mode_to_pad,
    check_conv_gradinputs_shape,
    get_conv_gradinputs_shape,
    get_conv_gradinputs_shape_1axis,
    get_conv_gradweights_shape,
    get_conv_gradweights_shape_1axis,
    get_conv_output_shape,
    get_conv_shape_1axis,
    known_hint,
)
from .upsampling import (
    bilinear_kernel_1D,
    bilinear_kernel_2D,
    bilinear_upsampling,
    frac_bilinear_upsampling,
)

__all__ = [
    "abstract_conv2d",
    "assert_conv_shape",
    "assert_shape",
    "bilinear_kernel_1D",
    "bilinear_kernel_2D",
    "bilinear_upsampling",
    "border_mode_to_pad",
    "causal_conv1d",
    "check_conv_gradinputs_shape",
    "conv1d",
    "conv2d",
    "conv2d_grad_wrt_inputs",
    "conv2d_grad_wrt_weights",
    "conv2d_transpose",
    "conv3d",
    "conv3d_grad_wrt_inputs",
    "conv3d_grad_wrt_weights",
    "frac_bilinear_upsampling",
    "get_conv_gradinputs_shape",
    "get_conv_gradinputs_shape_1axis",
    "get_conv_gradweights_shape",
    "get_conv_gradweights_shape_1axis",
    "get_conv_output_shape",
    "get_conv_shape_1axis",
    "separable_conv2d",
    "separable_conv3d",
]

Hint = Any
CONV_KINDS = ("", "_gradWeights", "_gradInputs")

# The classes make nodes by the functions here.
__getattr__ = late_names(
    __name__,
    {
        name: f"symc.tensor.nnet.conv_classes:{name}"
        for name in (
            "BaseAbstractConv",
            *(f"AbstractConv{n}{kind}" for n in ("", "2d", "3d") for kind in CONV_KINDS),
        )
    },
)

def _geometry(
    ndim: int, border_mode: Any, subsample: Any, filter_flip: bool, dilation: Any, groups: int
) -> ConvGeometry:
    (count,) = as_steps(groups, 1, "num_groups")
    return ConvGeometry(
        ndim,
        as_border(border_mode, ndim),
        as_steps(subsample, ndim, "subsample"),
        as_steps(dilation, ndim, "filter_dilation"),
        count,
        bool(filter_flip),
    )


def _hinted(x: Any, shape: Hint, rank: int, what: str) -> Any:
    """`x` with the lengths that a hint promises: checked now if known, else when it runs."""
    x = as_tensor_variable(x)
    hint = known_hint(shape, rank, what)
    if x.type.ndim != rank:
        return x
    known = known_lengths(x)
    if any(a is not None and b is not None and a != b for a, b in zip(known, hint, strict=True)):
        raise ShapeError(
            user_message(
                f"{what} of a convolution contradicts what is known",
                got=f"{x} of shape {known}",
                expected=f"shape {hint}, as {what} says",
                where=user_line(x) or None,
            )
        )
    news = any(b is not None and a is None for a, b in zip(known, hint, strict=True))
    return specify_shape(x, hint) if news else x


def _space(shape: Any, ndim: int, array: Any, what: str) -> Any:
    """The last entries of a shape, as a vector operand."""
    if isinstance(shape, (list, tuple)):
        if len(shape) not in (ndim, ndim + 2):
            raise ShapeError(
                user_message(
                    f"{what} of a convolution",
                    got=str(tuple(shape)),
                    expected=f"{ndim + 2} lengths, or the last {ndim}",
                    where=user_line(array) or None,
                )
            )
        shape = shape[-ndim:]
        if any(n is None for n in shape):
            raise ValueError(
                user_message(
                    f"{what} of a convolution must tell the lengths in space",
                    got=str(tuple(shape)),
                    hint="several lengths give the same result where subsample is greater than 1",
                )
            )
        return as_size_vector(list(shape))
    return as_size_vector(shape)[-ndim:]


def _conv(
    ndim: int,
    input: Any,
    filters: Any,
    input_shape: Hint,
    filter_shape: Hint,
    geometry: ConvGeometry,
    unshared: bool,
) -> Any:
    x = _hinted(input, input_shape, ndim + 2, "input_shape")
    rank = 2 * ndim + 2 if unshared else ndim + 2
    w = _hinted(filters, filter_shape, rank, "filter_shape")
    return _unshared(x, w, geometry) if unshared else Conv(geometry)(x, w)


def _patches(x: Any, lengths: Any, geometry: ConvGeometry) -> Any:
    """``(batch, channels, elements of a filter, lengths of the result)``: what each filter sees."""
    ndim = geometry.ndim
    one = ConvGeometry(ndim, geometry.border, geometry.strides, geometry.dilation, 1, False)
    size = lengths[0] if ndim == 1 else mul(*lengths)
    pick = eye(size, dtype=x.type.dtype).reshape((size, 1, *lengths), ndim=ndim + 2)
    flat = x.reshape((x.shape[0] * x.shape[1], 1, *(x.shape[2 + i] for i in range(ndim))),
                     ndim=ndim + 2)
    seen = Conv(one)(flat, pick)
    out = tuple(seen.shape[2 + i] for i in range(ndim))
    return seen.reshape((x.shape[0], x.shape[1], size, *out), ndim=ndim + 3)


def _unshared(x: Any, w: Any, geometry: ConvGeometry) -> Any:
    """Every position has filters of its own: ``w`` is (filters, result, channels, filter)."""
    ndim, groups = geometry.ndim, geometry.groups
    if w.type.ndim != 2 * ndim + 2:
        raise TypeError(
            user_message(
                "unshared filters have axes for filters, result, channels and filter",
                got=str(w.type),
                expected=f"{2 * ndim + 2} axes",
                where=user_line(w) or None,
            )
        )
    if geometry.flip:
        w = w[(..., *[slice(None, None, -1)] * ndim)]
    lengths = tuple(w.shape[2 + ndim + i] for i in range(ndim))
    seen = _patches(x, lengths, geometry)
    batch, filters = x.shape[0], w.shape[0]
    out = tuple(seen.shape[3 + i] for i in range(ndim))
    size, places = seen.shape[2], out[0] if ndim == 1 else mul(*out)
    per_group = (x.shape[1] // groups) * size
    columns = seen.reshape((batch, groups, per_group, places), ndim=4).dimshuffle(1, 3, 2, 0)
    columns = columns.reshape((groups * places, per_group, batch), ndim=3)
    rows = assert_shape(w, [None, *out, x.shape[1] // groups, *[None] * ndim],
                        "unshared filters of the wrong shape")
    rows = rows.reshape((groups, filters // groups, places, per_group), ndim=4)
    rows = rows.dimshuffle(0, 2, 1, 3).reshape((groups * places, filters // groups, per_group),
                                               ndim=3)
    result = batched_dot(rows, columns).reshape(
        (groups, places, filters // groups, batch), ndim=4
    )
    return result.dimshuffle(3, 0, 2, 1).reshape((batch, filters, *out), ndim=ndim + 2)


def conv2d(
    input: Any,
    filters: Any,
    input_shape: Hint = None,
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    image_shape: Hint = None,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return the convolution of a batch of images with a set of filters.

    Parameters
    ----------
    input : tensor4_like, (batch, channels, rows, columns)
    filters : tensor4_like, (filters, channels / num_groups, rows, columns)
        With `unshared`: (filters, result rows, result columns, channels / num_groups, rows,
        columns).
    input_shape, filter_shape : sequence of (int or None), optional
        Lengths that are promised; a promise that is broken is an error.
    border_mode : {"valid", "full", "half"}, int, pair of ints, or pair of pairs
        Zeros around the images: none; all but one of the filter's length; half of it; so many; so
        many for rows and columns; the same, before and after.
    subsample : pair of int
        Distance of neighbouring windows.
    filter_flip : bool
        True gives a convolution, False a correlation.
    image_shape
        Old name of `input_shape`.
    filter_dilation : pair of int
        Distance of the image elements under neighbouring filter elements.
    num_groups : int
        Channels and filters are cut into groups; filters see the channels of their group.
    unshared : bool
        Whether every place of the result has filters of its own.

    Returns
    -------
    tensor4, (batch, filters, rows, columns)
        Along an axis ``(n + pads - dilation * (k - 1) - 1) // subsample + 1`` long.

    Raises
    ------
    TypeError
        If an operand has the wrong number of axes.
    ShapeError (a ValueError)
        If lengths that are known do not fit, now or when the function runs.
    ValueError
        If another argument makes no sense, or both `input_shape` and `image_shape` are given.

    Examples
    --------
    >>> import symc.tensor as T
    >>> conv2d(T.tensor4(), T.tensor4(), border_mode="half").type
    TensorType(float64, 4D)
    """
    geometry = _geometry(2, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    if image_shape is not None and input_shape is not None:
        raise ValueError(
            user_message(
                "input_shape and image_shape of conv2d are two names of one argument",
                got=f"input_shape={input_shape} and image_shape={image_shape}",
                expected="one of them",
            )
        )
    hint = image_shape if input_shape is None else input_shape
    return _conv(2, input, filters, hint, filter_shape, geometry, unshared)


abstract_conv2d = conv2d


def conv3d(
    input: Any,
    filters: Any,
    input_shape: Hint = None,
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """Return the convolution of (batch, channels, depth, rows, columns) with filters.

    The arguments are those of `conv2d`, with three axes in space.
    """
    geometry = _geometry(3, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _conv(3, input, filters, input_shape, filter_shape, geometry, False)


def conv1d(
    input: Any,
    filters: Any,
    input_shape: Hint = None,
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = 1,
    filter_flip: bool = True,
    filter_dilation: Any = 1,
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return the convolution of (batch, channels, length) with filters.

    The arguments are those of `conv2d`, with one axis in space.
    """
    geometry = _geometry(1, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _conv(1, input, filters, input_shape, filter_shape, geometry, unshared)


def causal_conv1d(
    input: Any,
    filters: Any,
    filter_shape: Hint,
    input_shape: Hint = None,
    subsample: Any = 1,
    filter_flip: bool = True,
    filter_dilation: Any = 1,
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return a convolution along time in which no result depends on later inputs.

    Parameters
    ----------
    input : tensor3_like, (batch, channels, length)
    filters : tensor3_like, (filters, channels / num_groups, length)
    filter_shape : sequence of (int or None)
        Must tell the filters' length: so many zeros less one, dilated, are put before the input.

    Raises
    ------
    ValueError
        If the filters' length is not told.
    """
    length = known_hint(filter_shape, 3, "filter_shape")[-1]
    if length is None:
        raise ValueError("causal_conv1d: filter_shape must tell the length of the filters")
    (dilation,) = as_steps(filter_dilation, 1, "filter_dilation")
    pads = ((dilation * (length - 1), 0),)
    return conv1d(
        input, filters, input_shape, filter_shape, pads, subsample, filter_flip, filter_dilation,
        num_groups, unshared,
    )


def _separable(
    conv: Any,
    ndim: int,
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    hints: tuple[Hint, Hint, Hint],
    options: dict[str, Any],
) -> Any:
    inner = conv(
        input, depthwise_filters, input_shape=hints[0], filter_shape=hints[1],
        num_groups=num_channels, **options,
    )
    ones = [n for n in known_lengths(as_tensor_variable(pointwise_filters))[2:] if n is not None]
    if any(n != 1 for n in ones):
        raise ShapeError(
            user_message(
                "pointwise filters of a separable convolution have no extent in space",
                got=str(known_lengths(as_tensor_variable(pointwise_filters))),
                expected=f"the last {ndim} lengths 1",
            )
        )
    return conv(inner, pointwise_filters, filter_shape=hints[2], filter_flip=False)


def separable_conv2d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Hint = None,
    depthwise_filter_shape: Hint = None,
    pointwise_filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
) -> Any:
    """Return a convolution of every channel by itself, followed by one without extent in space.

    Parameters
    ----------
    input : tensor4_like, (batch, channels, rows, columns)
    depthwise_filters : tensor4_like, (multiple of channels, 1, rows, columns)
    pointwise_filters : tensor4_like, (filters, multiple of channels, 1, 1)
    num_channels : int
    border_mode, subsample, filter_flip, filter_dilation
        Of the depthwise convolution, as in `conv2d`.
    """
    options = {"border_mode": border_mode, "subsample": subsample, "filter_flip": filter_flip,
               "filter_dilation": filter_dilation}
    hints = (input_shape, depthwise_filter_shape, pointwise_filter_shape)
    return _separable(
        conv2d, 2, input, depthwise_filters, pointwise_filters, num_channels, hints, options
    )


def separable_conv3d(
    input: Any,
    depthwise_filters: Any,
    pointwise_filters: Any,
    num_channels: int,
    input_shape: Hint = None,
    depthwise_filter_shape: Hint = None,
    pointwise_filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
) -> Any:
    """As `separable_conv2d`, with three axes in space."""
    options = {"border_mode": border_mode, "subsample": subsample, "filter_flip": filter_flip,
               "filter_dilation": filter_dilation}
    hints = (input_shape, depthwise_filter_shape, pointwise_filter_shape)
    return _separable(
        conv3d, 3, input, depthwise_filters, pointwise_filters, num_channels, hints, options
    )


def _no_unshared(unshared: bool, what: str) -> None:
    if unshared:
        raise NotImplementedError(
            f"{what}: unshared filters have gradients by symc.grad of conv2d only"
        )


def conv2d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Hint,
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return the gradient of a `conv2d` with respect to its images.

    Parameters
    ----------
    output_grad : tensor4_like
        What arrives at the result of the convolution.
    filters : tensor4_like
    input_shape : sequence of (int, 0-d integer tensor or None), or integer vector
        Shape of the images; the last two lengths must be there.
    filter_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups
        Those of the convolution.

    Raises
    ------
    ShapeError (a ValueError)
        If images of this shape do not give a result of the shape of `output_grad`.
    """
    _no_unshared(unshared, "conv2d_grad_wrt_inputs")
    geometry = _geometry(2, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _inputs(2, output_grad, filters, input_shape, filter_shape, geometry)


def conv3d_grad_wrt_inputs(
    output_grad: Any,
    filters: Any,
    input_shape: Hint,
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """As `conv2d_grad_wrt_inputs`, with three axes in space."""
    geometry = _geometry(3, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _inputs(3, output_grad, filters, input_shape, filter_shape, geometry)


def _inputs(
    ndim: int, g: Any, filters: Any, input_shape: Hint, filter_shape: Hint, geometry: ConvGeometry
) -> Any:
    w = _hinted(filters, filter_shape, ndim + 2, "filter_shape")
    g = as_tensor_variable(g)
    return ConvInputsGradient(geometry)(g, w, _space(input_shape, ndim, g, "input_shape"))


def conv2d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Hint,
    input_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return the gradient of a `conv2d` with respect to its filters.

    Parameters
    ----------
    input : tensor4_like
    output_grad : tensor4_like
        What arrives at the result of the convolution.
    filter_shape : sequence of (int, 0-d integer tensor or None), or integer vector
        Shape of the filters; the last two lengths must be there.
    input_shape, border_mode, subsample, filter_flip, filter_dilation, num_groups
        Those of the convolution.

    Raises
    ------
    ShapeError (a ValueError)
        If filters of this shape do not give a result of the shape of `output_grad`.
    """
    _no_unshared(unshared, "conv2d_grad_wrt_weights")
    geometry = _geometry(2, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _weights(2, input, output_grad, filter_shape, input_shape, geometry)


def conv3d_grad_wrt_weights(
    input: Any,
    output_grad: Any,
    filter_shape: Hint,
    input_shape: Hint = None,
    border_mode: Any = "valid",
    subsample: Any = (1, 1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1, 1),
    num_groups: int = 1,
) -> Any:
    """As `conv2d_grad_wrt_weights`, with three axes in space."""
    geometry = _geometry(3, border_mode, subsample, filter_flip, filter_dilation, num_groups)
    return _weights(3, input, output_grad, filter_shape, input_shape, geometry)


def _weights(
    ndim: int, input: Any, g: Any, filter_shape: Hint, input_shape: Hint, geometry: ConvGeometry
) -> Any:
    x = _hinted(input, input_shape, ndim + 2, "input_shape")
    g = as_tensor_variable(g)
    return ConvWeightsGradient(geometry)(x, g, _space(filter_shape, ndim, g, "filter_shape"))


def conv2d_transpose(
    input: Any,
    filters: Any,
    output_shape: Sequence[Any],
    filter_shape: Hint = None,
    border_mode: Any = "valid",
    input_dilation: Any = (1, 1),
    filter_flip: bool = True,
    filter_dilation: Any = (1, 1),
    num_groups: int = 1,
    unshared: bool = False,
) -> Any:
    """Return the transposed convolution: the map that the gradient of a `conv2d` is.

    Parameters
    ----------
    input : tensor4_like, (batch, filters, rows, columns)
    filters : tensor4_like, (filters, channels / num_groups, rows, columns)
    output_shape : sequence
        Shape of the result; its last two lengths must be there.
    input_dilation : pair of int
        Distance at which input elements are put into the result: subsampling of the convolution.
    """
    return conv2d_grad_wrt_inputs(
        input, filters, output_shape, filter_shape, border_mode, input_dilation, filter_flip,
        filter_dilation, num_groups, unshared,
    )
