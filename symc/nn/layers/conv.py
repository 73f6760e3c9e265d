"""Convolutional layers, over one to three axes, transposed and dilated."""

from __future__ import annotations

from typing import Any

import symc
import symc.tensor as T
from symc.nn import init, nonlinearities
from symc.nn.layers.base import Layer
from symc.nn.theano_extensions import conv
from symc.nn.utils import as_tuple

__all__ = [
    "BaseConvLayer",
    "Conv1DLayer",
    "Conv2DLayer",
    "Conv3DLayer",
    "Deconv2DLayer",
    "Deconv3DLayer",
    "DilatedConv2DLayer",
    "TransposedConv2DLayer",
    "TransposedConv3DLayer",
    "conv_input_length",
    "conv_output_length",
]


def conv_output_length(input_length: Any, filter_size: int, stride: int, pad: Any = 0) -> Any:
    """Return how many places a filter has along an axis.

    Parameters
    ----------
    input_length : int or None
    filter_size, stride : int
    pad : {'valid', 'full', 'same'} or int
        Zeros on both sides.

    Returns
    -------
    int or None

    Raises
    ------
    ValueError
        For another `pad`.
    """
    if input_length is None:
        return None
    if pad == "valid":
        pad = 0
    if pad == "full":
        places = input_length + filter_size - 1
    elif pad == "same":
        places = input_length
    elif isinstance(pad, int):
        places = input_length + 2 * pad - filter_size + 1
    else:
        raise ValueError(f"pad is a number, 'valid', 'full' or 'same', got {pad!r}")
    return (places + stride - 1) // stride


def conv_input_length(output_length: Any, filter_size: int, stride: int, pad: Any = 0) -> Any:
    """Return the least length of an input whose convolution has a given length.

    Parameters
    ----------
    output_length : int or None
    filter_size, stride : int
    pad : {'valid', 'full', 'same'} or int

    Returns
    -------
    int or None

    Raises
    ------
    ValueError
        For another `pad`.
    """
    if output_length is None:
        return None
    widths = {"valid": 0, "full": filter_size - 1, "same": filter_size // 2}
    pad = widths.get(pad, pad) if isinstance(pad, str) else pad
    if not isinstance(pad, int):
        raise ValueError(f"pad is a number, 'valid', 'full' or 'same', got {pad!r}")
    return (output_length - 1) * stride - 2 * pad + filter_size


class BaseConvLayer(Layer):
    """What convolutional layers have in common; subclasses write `convolve`.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, lengths in space).
    num_filters : int
    filter_size : int or tuple of int
    stride : int or tuple of int
    pad : int, tuple of int, or {'valid', 'full', 'same'}
        Zeros on both sides; 'same' needs odd filter sizes.
    untie_biases : bool
        Whether every place has biases of its own.
    W : number, numpy.ndarray, tensor or callable
        Filters of shape (num_filters, channels / num_groups, filter_size).
    b : number, numpy.ndarray, tensor, callable or None
        Biases; None for none.
    nonlinearity : callable or None
        None for the identity.
    flip_filters : bool
        True for a convolution, False for a correlation.
    num_groups : int
        Channels and filters are cut into groups that don't see each other.
    n : int, optional
        Number of axes in space; default what the input's shape leaves.
    name : str, optional

    Raises
    ------
    ValueError
        If the input has the wrong rank, channels are not known or not divisible by the groups, or
        'same' is asked for with an even filter size.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = True,
        num_groups: int = 1,
        n: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearities.function_of(nonlinearity)
        rank = len(self.input_shape)
        self.n = rank - 2 if n is None else n
        if rank != self.n + 2:
            raise ValueError(
                f"{self._called()} over {self.n} axes needs an input of {self.n + 2} dimensions "
                f"(batch, channels, {self.n} lengths), got shape {self.input_shape}"
            )
        self.num_filters = num_filters
        self.filter_size = as_tuple(filter_size, self.n, int)
        self.flip_filters = flip_filters
        self.stride = as_tuple(stride, self.n, int)
        self._check_least(1, filter_size=self.filter_size, stride=self.stride)
        self.untie_biases = untie_biases
        self.pad = self._zeros_around(pad)
        self.num_groups = num_groups
        self._check_channels()
        self.W = self.add_param(W, self.get_W_shape(), name="W")
        if b is None:
            self.b = None
        else:
            places = self._places() if untie_biases else ()
            if None in places:
                raise ValueError(
                    f"{self._called()}: untie_biases=True needs known lengths in space, got input "
                    f"of shape {self.input_shape}"
                )
            self.b = self.add_param(b, (num_filters, *places), name="b", regularizable=False)

    def _zeros_around(self, pad: Any) -> Any:
        if pad == "same" and any(s % 2 == 0 for s in self.filter_size):
            raise ValueError(
                f"{self._called()}: pad='same' needs odd filter sizes, got {self.filter_size}"
            )
        if pad == "valid":
            return as_tuple(0, self.n)
        if pad in ("full", "same"):
            return pad
        if isinstance(pad, str):
            raise ValueError(
                f"{self._called()}: pad is a number, a tuple, 'valid', 'full' or 'same', got "
                f"{pad!r}"
            )
        widths = as_tuple(pad, self.n, int)
        self._check_least(0, pad=widths)
        return widths

    def _check_channels(self) -> None:
        channels, groups = self._channels(), self.num_groups
        if channels is None:
            raise ValueError(
                f"{self._called()}: the number of channels must be known, got shape "
                f"{self.input_shape}"
            )
        if groups <= 0 or channels % groups or self.num_filters % groups:
            raise ValueError(
                f"{self._called()}: num_groups={groups} must divide the {channels} channels of an "
                f"input of shape {self.input_shape} and the {self.num_filters} filters"
            )

    def _channels(self) -> Any:
        return self.input_shape[1]

    def _places(self) -> Any:
        return self.output_shape[2:]

    def get_W_shape(self) -> Any:
        """Return the shape of the filters.

        Returns
        -------
        tuple of int
        """
        return (self.num_filters, self._channels() // self.num_groups, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Batch, filters, and the number of places along each axis."""
        pads = self.pad if isinstance(self.pad, tuple) else (self.pad,) * self.n
        places = [
            conv_output_length(*axis)
            for axis in zip(input_shape[2:], self.filter_size, self.stride, pads, strict=True)
        ]
        if any(n is not None and n <= 0 for n in places):
            raise ValueError(
                f"{self._called()} with filters of size {self.filter_size} and pad={self.pad} is "
                f"larger than its input of shape {tuple(input_shape)}"
            )
        return (input_shape[0], self.num_filters, *places)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``nonlinearity(W * x + b)``."""
        activation = self.convolve(input, **kwargs)
        if self.b is not None:
            places = range(1, self.n + 1) if self.untie_biases else ("x",) * self.n
            activation = activation + self.b.dimshuffle("x", 0, *places)
        return self.nonlinearity(activation)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the convolution of an input with the filters `W`.

        Parameters
        ----------
        input : TensorVariable
        **kwargs
            What `get_output` was given.

        Returns
        -------
        TensorVariable
        """
        raise NotImplementedError(f"{type(self).__name__} has no method convolve")


class _ConvLayer(BaseConvLayer):
    """A convolution over `axes` axes by a function that can be chosen."""

    axes: int
    shape_keyword = "input_shape"

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = True,
        convolution: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity,
            flip_filters, n=self.axes, **kwargs,
        )
        usual = {1: conv.conv1d_mc0, 2: T.nnet.conv2d, 3: T.nnet.conv3d}
        self.convolution = usual[self.axes] if convolution is None else convolution

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the convolution of an input with the filters `W`."""
        groups = {"num_groups": self.num_groups} if self.num_groups > 1 else {}
        return self.convolution(
            input,
            self.W,
            filter_shape=self.get_W_shape(),
            border_mode="half" if self.pad == "same" else self.pad,
            subsample=self.stride,
            filter_flip=self.flip_filters,
            **{self.shape_keyword: self.input_shape},
            **groups,
        )


class Conv1DLayer(_ConvLayer):
    """A convolution along one axis: input (batch, channels, length).

    Parameters
    ----------
    convolution : callable, optional
        Default `symc.nn.theano_extensions.conv.conv1d_mc0`; another function with its arguments
        does as well.
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity, \
flip_filters, num_groups, name
        As for `BaseConvLayer`.
    """

    axes = 1
    shape_keyword = "image_shape"


class Conv2DLayer(_ConvLayer):
    """A convolution over two axes: input (batch, channels, rows, columns).

    Parameters
    ----------
    convolution : callable, optional
        Default `symc.tensor.nnet.conv2d`; another function with its arguments does as well.
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity, \
flip_filters, num_groups, name
        As for `BaseConvLayer`.
    """

    axes = 2


class Conv3DLayer(_ConvLayer):
    """A convolution over three axes: input (batch, channels, depth, rows, columns).

    Parameters
    ----------
    convolution : callable, optional
        Default `symc.tensor.nnet.conv3d`.
    incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity, \
flip_filters, num_groups, name
        As for `BaseConvLayer`.
    """

    axes = 3


class Correlating(_ConvLayer):
    """A convolutional layer that does not flip its filters unless it is told to."""

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = False,
        num_groups: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity,
            flip_filters, num_groups=num_groups, **kwargs,
        )


class _TransposedConvLayer(BaseConvLayer):
    """The map that the gradient of a convolution over `axes` axes is: from results to inputs.

    Parameters
    ----------
    crop : int, tuple of int, or {'valid', 'full', 'same'}
        The `pad` of the convolution that this transposes: what is cut off the result.
    output_size : int, tuple of int or None, or scalar expressions, optional
        Lengths of the output in space; default the least that fit.
    incoming, num_filters, filter_size, stride, untie_biases, W, b, nonlinearity, flip_filters, name
        As for `BaseConvLayer`; filters have shape (channels, num_filters, filter_size).
    """

    axes: int

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = 1,
        crop: Any = 0,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = False,
        output_size: Any = None,
        **kwargs: Any,
    ) -> None:
        given = output_size is None or isinstance(output_size, symc.Variable)
        self.output_size: Any = output_size if given else as_tuple(output_size, self.axes)
        super().__init__(
            incoming, num_filters, filter_size, stride, crop, untie_biases, W, b, nonlinearity,
            flip_filters, n=self.axes, **kwargs,
        )
        self.crop = self.pad
        del self.pad

    def get_W_shape(self) -> Any:
        """Return the shape of the filters."""
        return (self.input_shape[1], self.num_filters, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Batch, filters, and the lengths of what would be convolved to the input."""
        if isinstance(self.output_size, symc.Variable):
            return (input_shape[0], self.num_filters, *(None,) * self.n)
        crop = getattr(self, "crop", getattr(self, "pad", None))
        crops = crop if isinstance(crop, tuple) else (crop,) * self.n
        if self.output_size is not None:
            lengths = [None if isinstance(n, symc.Variable) else n for n in self.output_size]
            self._check_convolved(lengths, input_shape, crops)
            return (input_shape[0], self.num_filters, *lengths)
        lengths = [
            conv_input_length(*axis)
            for axis in zip(input_shape[2:], self.filter_size, self.stride, crops, strict=True)
        ]
        return (input_shape[0], self.num_filters, *lengths)

    def _check_convolved(self, lengths: list[Any], input_shape: Any, crops: Any) -> None:
        """Refuse lengths of the output that a convolution does not take to those of the input."""
        for n, size, stride, crop, known in zip(
            lengths, self.filter_size, self.stride, crops, input_shape[2:], strict=True
        ):
            convolved = conv_output_length(n, size, stride, crop)
            if None not in (convolved, known) and convolved != known:
                raise ValueError(
                    f"{self._called()}: output_size={tuple(lengths)} does not fit an input of "
                    f"shape {tuple(input_shape)}: a convolution with filters of size "
                    f"{self.filter_size}, stride {self.stride} and pad {crop} takes length {n} to "
                    f"{convolved}, not {known}"
                )

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the transposed convolution of an input with the filters `W`."""
        border = "half" if self.crop == "same" else self.crop
        size: Any = self.output_size
        if size is None:
            size = self.output_shape[2:]
        elif not isinstance(size, tuple):
            size = tuple(size[k] for k in range(self.n))
        if any(n is None for n in size):
            widths = {"full": [s - 1 for s in self.filter_size],
                      "half": [s // 2 for s in self.filter_size]}
            crops = widths.get(border, border) if isinstance(border, str) else border
            size = tuple(
                (input.shape[k + 2] - 1) * self.stride[k] - 2 * crops[k] + self.filter_size[k]
                if n is None else n
                for k, n in enumerate(size)
            )
        gradient = {
            2: T.nnet.abstract_conv.conv2d_grad_wrt_inputs,
            3: T.nnet.abstract_conv.conv3d_grad_wrt_inputs,
        }[self.n]
        # the gradient of a correlation correlates with flipped filters, and the other way round
        return gradient(
            input, self.W, (None, self.num_filters, *size), self.get_W_shape(), border,
            self.stride, filter_flip=not self.flip_filters,
        )


class TransposedConv2DLayer(_TransposedConvLayer):
    """A transposed convolution over two axes, also called deconvolution.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, crop, untie_biases, W, b, nonlinearity, \
flip_filters, output_size, name
        `crop` is the `pad` of the convolution that this transposes; filters have shape (channels,
        num_filters, rows, columns); `output_size` gives rows and columns of the output, default
        the least that fit.
    """

    axes = 2


class TransposedConv3DLayer(_TransposedConvLayer):
    """A transposed convolution over three axes.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, crop, untie_biases, W, b, nonlinearity, \
flip_filters, output_size, name
        As for `TransposedConv2DLayer`, with three axes in space.
    """

    axes = 3


Deconv2DLayer = TransposedConv2DLayer
Deconv3DLayer = TransposedConv3DLayer


class DilatedConv2DLayer(BaseConvLayer):
    """A correlation with filters whose elements lie `dilation` apart.

    Yu and Koltun 2015, "Multi-scale context aggregation by dilated convolutions".

    Parameters
    ----------
    dilation : int or (int, int)
    incoming, num_filters, filter_size, pad, untie_biases, W, b, nonlinearity, flip_filters, name
        As for `BaseConvLayer`, but filters have shape (channels, num_filters, rows, columns), and
        only ``pad=0`` and ``flip_filters=False`` are possible.

    Raises
    ------
    NotImplementedError
        For another `pad` or `flip_filters`; `PadLayer` puts zeros around an input.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        dilation: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        flip_filters: bool = False,
        **kwargs: Any,
    ) -> None:
        self.dilation = as_tuple(dilation, 2, int)
        if min(self.dilation) < 1:
            raise ValueError(f"a dilation is at least 1, got {self.dilation}")
        super().__init__(
            incoming, num_filters, filter_size, 1, pad, untie_biases, W, b, nonlinearity,
            flip_filters, n=2, **kwargs,
        )
        if self.pad != (0, 0):
            raise NotImplementedError(
                f"{self._called()} has pad=0 only, got {pad!r}; use a PadLayer below it"
            )
        if self.flip_filters:
            raise NotImplementedError(f"{self._called()} has flip_filters=False only")

    def get_W_shape(self) -> Any:
        """Return the shape of the filters."""
        return (self.input_shape[1], self.num_filters, *self.filter_size)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """Batch, filters, and the number of places along each axis."""
        places = [
            conv_output_length(n, (size - 1) * step + 1, 1, 0)
            for n, size, step in zip(
                input_shape[2:], self.filter_size, self.dilation, strict=True
            )
        ]
        return (input_shape[0], self.num_filters, *places)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the correlation of an input with the filters `W`."""
        return T.nnet.conv2d(
            input, self.W.dimshuffle(1, 0, 2, 3), filter_flip=False, filter_dilation=self.dilation
        )
