"""Lengths of convolutions and of their gradients: the helpers of ``abstract_conv`` about shapes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import NotScalarConstantError, ShapeError, user_message
from ...graph.trace import user_line
from ...loop.convolution import ConvGeometry
from ...ops.constants import get_scalar_constant_value
from ...ops.control import Assert
from ...ops.conv.geometry import as_border
from ...ops.math import eq
from ...ops.reduce import all as all_
from ...ops.vector import make_vector

__all__ = [
    "assert_conv_shape",
    "assert_shape",
    "border_mode_to_pad",
    "check_conv_gradinputs_shape",
    "get_conv_gradinputs_shape",
    "get_conv_gradinputs_shape_1axis",
    "get_conv_gradweights_shape",
    "get_conv_gradweights_shape_1axis",
    "get_conv_output_shape",
    "get_conv_shape_1axis",
]

Length = Any


def border_mode_to_pad(mode: Any, convdim: int, kshp: Sequence[int]) -> tuple[tuple[int, int], ...]:
    """Numbers of zeros before and after every axis, for (dilated) filters of shape `kshp`.

    Parameters
    ----------
    mode : str, int or sequence
        A border mode as `conv2d` takes it.
    convdim : int
        Number of spatial axes.
    kshp : sequence of int

    Examples
    --------
    >>> border_mode_to_pad("half", 2, (3, 5))
    ((1, 1), (2, 2))
    """
    one = (1,) * convdim
    geometry = ConvGeometry(convdim, as_border(mode, convdim), one, one)
    return tuple(geometry.pads(i, kshp[i]) for i in range(convdim))


def _axis(border_mode: Any, subsample: Any, dilation: Any) -> ConvGeometry:
    return ConvGeometry(1, as_border(_pair_of(border_mode), 1), (subsample,), (dilation,))


def _pair_of(mode: Any) -> Any:
    """The border mode of a single axis: a pair stands for both ends."""
    return mode if isinstance(mode, (str, int)) else (tuple(mode),)


def get_conv_shape_1axis(
    image_shape: Length, kernel_shape: Length, border_mode: Any, subsample: int, dilation: int = 1
) -> Length:
    """Length of a convolution along one axis; None if a length is not known (None).

    Examples
    --------
    >>> get_conv_shape_1axis(28, 5, "valid", 1), get_conv_shape_1axis(28, 5, "half", 2)
    (24, 14)
    """
    if image_shape is None or kernel_shape is None:
        return None
    return _axis(border_mode, subsample, dilation).out_length(0, image_shape, kernel_shape)


def get_conv_gradweights_shape_1axis(
    image_shape: Length, top_shape: Length, border_mode: Any, subsample: int, dilation: int = 1
) -> Length:
    """Length of filters along one axis, from those of input and result; None if it is not told."""
    if None in (image_shape, top_shape) or subsample > 1 or border_mode == "half":
        return None
    if border_mode == "full":
        dilated = top_shape - image_shape + 1
    else:
        before, after = _axis(border_mode, 1, 1).pads(0, 0)
        dilated = image_shape + before + after - top_shape + 1
    return dilated if dilation == 1 else (dilated - 1) // dilation + 1


def get_conv_gradinputs_shape_1axis(
    kernel_shape: Length, top_shape: Length, border_mode: Any, subsample: int, dilation: int = 1
) -> Length:
    """Length of the input along one axis, from those of filter and result; None if not told."""
    if None in (kernel_shape, top_shape) or subsample > 1:
        return None
    geometry = _axis(border_mode, 1, dilation)
    before, after = geometry.pads(0, kernel_shape)
    return top_shape - 1 + geometry.dilated(0, kernel_shape) - before - after


def _per_axis(border_mode: Any, count: int) -> list[Any]:
    border = as_border(border_mode, count)
    return [border] * count if isinstance(border, str) else list(border)


def _lengths(
    one: Any, a: Sequence[Length], b: Sequence[Length], border_mode: Any, subsample: Any,
    filter_dilation: Any,
) -> tuple[Length, ...]:
    count = len(subsample)
    dilation = (1,) * count if filter_dilation is None else filter_dilation
    modes = _per_axis(border_mode, count)
    rows = zip(a, b, modes, subsample, dilation, strict=True)
    return tuple(one(*row) for row in rows)


def get_conv_output_shape(
    image_shape: Sequence[Length],
    kernel_shape: Sequence[Length],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> tuple[Length, ...]:
    """Shape of a convolution; lengths may be integers, expressions or None (not known).

    Parameters
    ----------
    image_shape : sequence
        (batch, channels, lengths in space).
    kernel_shape : sequence
        (filters, channels, lengths in space); of unshared filters the lengths of the result
        stand behind the number of filters.
    border_mode, subsample, filter_dilation
        As `conv2d` takes them.

    Examples
    --------
    >>> get_conv_output_shape((50, 1, 28, 28), (10, 1, 5, 5), "valid", (1, 1))
    (50, 10, 24, 24)
    """
    count = len(subsample)
    space = _lengths(
        get_conv_shape_1axis, image_shape[2:], kernel_shape[-count:], border_mode, subsample,
        filter_dilation,
    )
    return (image_shape[0], kernel_shape[0], *space)


def get_conv_gradweights_shape(
    image_shape: Sequence[Length],
    top_shape: Sequence[Length],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
    num_groups: int = 1,
    unshared: bool = False,
) -> tuple[Length, ...]:
    """Shape of filters, from those of input and result; None where they do not tell it."""
    space = _lengths(
        get_conv_gradweights_shape_1axis, image_shape[2:], top_shape[2:], border_mode, subsample,
        filter_dilation,
    )
    channels = None if image_shape[1] is None else image_shape[1] // num_groups
    where = tuple(top_shape[2:]) if unshared else ()
    return (top_shape[1], *where, channels, *space)


def get_conv_gradinputs_shape(
    kernel_shape: Sequence[Length],
    top_shape: Sequence[Length],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
    num_groups: int = 1,
) -> tuple[Length, ...]:
    """Shape of inputs, from those of filters and result; None where they do not tell it."""
    count = len(subsample)
    space = _lengths(
        get_conv_gradinputs_shape_1axis, kernel_shape[-count:], top_shape[2:], border_mode,
        subsample, filter_dilation,
    )
    channels = kernel_shape[-count - 1]
    return (top_shape[0], None if channels is None else channels * num_groups, *space)


def check_conv_gradinputs_shape(
    image_shape: Sequence[Length],
    kernel_shape: Sequence[Length],
    output_shape: Sequence[Length],
    border_mode: Any,
    subsample: Sequence[int],
    filter_dilation: Sequence[int] | None = None,
) -> bool:
    """Whether inputs of this shape can have had this result; lengths not known (None) can."""
    expected = get_conv_output_shape(
        image_shape, kernel_shape, border_mode, subsample, filter_dilation
    )
    return all(
        a is None or b is None or a == b for a, b in zip(expected, output_shape, strict=True)
    )


def assert_conv_shape(shape: Sequence[Length]) -> tuple[Length, ...]:
    """The shape, after checking that no length is negative; expressions check when they run.

    Raises
    ------
    ValueError
        If a length that is known is negative.
    """
    checked = []
    for i, n in enumerate(shape):
        known = _known(n)
        if known is not None and known < 0:
            raise ShapeError(
                user_message(f"a convolution with an axis {i} of negative length", got=str(known))
            )
        if n is None or known is not None:
            checked.append(n)
        else:
            message = f"a convolution with an axis {i} of negative length"
            checked.append(Assert(message)(n, n >= 0))
    return tuple(checked)


def assert_shape(x: Any, expected_shape: Sequence[Length], msg: str = "Unexpected shape.") -> Any:
    """`x`, after checking its shape when it runs; None expects nothing."""
    x = as_tensor_variable(x)
    tests = [eq(x.shape[i], n) for i, n in enumerate(expected_shape) if n is not None]
    return Assert(msg)(x, all_(make_vector(tests))) if tests else x


def _known(n: Any) -> int | None:
    if n is None:
        return None
    try:
        return int(get_scalar_constant_value(n))
    except NotScalarConstantError:
        return None


def known_hint(shape: Any, rank: int, what: str) -> tuple[int | None, ...]:
    """The lengths that a shape hint tells, None for the others.

    Raises
    ------
    ValueError
        If it has another number of entries, or one is negative.
    """
    if shape is None:
        return (None,) * rank
    known = tuple(_known(n) for n in shape)
    if len(known) != rank or any(n is not None and n < 0 for n in known):
        lines = [user_line(n) for n in shape if hasattr(n, "tag")]
        raise ShapeError(
            user_message(
                f"{what} of a convolution",
                got=str(tuple(shape)),
                expected=f"{rank} lengths, None where one is not known",
                where=[line for line in lines if line] or None,
            )
        )
    return known
