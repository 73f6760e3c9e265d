"""Layers that can keep the batch as the last axis: (channels, rows, columns, batch), "c01b".

They run on the portable operations, so that neither shapes nor numbers of filters are limited.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import symc.tensor as T
from symc.nn import init, nonlinearities
from symc.nn.layers.base import Layer
from symc.nn.layers.conv import BaseConvLayer
from symc.nn.layers.dense import NINLayer
from symc.nn.layers.pool import Pool2DLayer

__all__ = [
    "Conv2DCCLayer",
    "MaxPool2DCCLayer",
    "NINLayer_c01b",
    "ShuffleBC01ToC01BLayer",
    "ShuffleC01BToBC01Layer",
    "bc01_to_c01b",
    "c01b_to_bc01",
]


def _batch_first(x: Any) -> Any:
    """A shape or a tensor c01b as bc01."""
    return (x[3], x[0], x[1], x[2]) if isinstance(x, tuple) else x.dimshuffle(3, 0, 1, 2)


def _batch_last(x: Any) -> Any:
    """A shape or a tensor bc01 as c01b."""
    return (x[1], x[2], x[3], x[0]) if isinstance(x, tuple) else x.dimshuffle(1, 2, 3, 0)


class _EitherLayout(Layer):
    """Lets a layer of images, batch first, take and give them batch last without `dimshuffle`."""

    dimshuffle: bool

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape of the output, in the layout of the input."""
        if self.dimshuffle:
            return super().get_output_shape_for(input_shape)
        return _batch_last(super().get_output_shape_for(_batch_first(tuple(input_shape))))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The output, in the layout of the input."""
        if self.dimshuffle:
            return super().get_output_for(input, **kwargs)
        return _batch_last(super().get_output_for(_batch_first(input), **kwargs))


class Conv2DCCLayer(_EitherLayout, BaseConvLayer):
    """A convolution over two axes, of images in either layout.

    Parameters
    ----------
    incoming, num_filters, filter_size, stride, pad, untie_biases, b, nonlinearity, flip_filters, \
name
        As for `Conv2DLayer`, but filters are not flipped by default.
    W : number, numpy.ndarray, tensor, callable or None
        Filters: (num_filters, channels, rows, columns) if `dimshuffle`, else (channels, rows,
        columns, num_filters). None for `GlorotUniform` in that layout.
    dimshuffle : bool
        Whether input and output are (batch, channels, rows, columns); else both have the batch
        last.
    partial_sum : int
        Taken for compatibility.
    """

    def __init__(
        self,
        incoming: Any,
        num_filters: int,
        filter_size: Any,
        stride: Any = (1, 1),
        pad: Any = 0,
        untie_biases: bool = False,
        W: Any = None,
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        dimshuffle: bool = True,
        flip_filters: bool = False,
        partial_sum: int = 1,
        **kwargs: Any,
    ) -> None:
        self.dimshuffle = dimshuffle
        self.partial_sum = partial_sum
        W = init.GlorotUniform(c01b=not dimshuffle) if W is None else W
        super().__init__(
            incoming, num_filters, filter_size, stride, pad, untie_biases, W, b, nonlinearity,
            flip_filters, n=2, **kwargs,
        )

    def _channels(self) -> Any:
        return self.input_shape[1 if self.dimshuffle else 0]

    def _places(self) -> Any:
        return self.output_shape[2:] if self.dimshuffle else self.output_shape[1:3]

    def get_W_shape(self) -> Any:
        """Return the shape of the filters."""
        shape = super().get_W_shape()
        return shape if self.dimshuffle else _batch_last(shape)

    def convolve(self, input: Any, **kwargs: Any) -> Any:
        """Return the convolution of an input, batch first, with the filters `W`."""
        return T.nnet.conv2d(
            input,
            self.W if self.dimshuffle else _batch_first(self.W),
            border_mode="half" if self.pad == "same" else self.pad,
            subsample=self.stride,
            filter_flip=self.flip_filters,
            num_groups=self.num_groups,
        )


class MaxPool2DCCLayer(_EitherLayout, Pool2DLayer):
    """The maximum over windows of images in either layout.

    Parameters
    ----------
    incoming, pool_size, stride, name
        As for `MaxPool2DLayer`.
    ignore_border : bool
        Whether windows that are not whole are left out.
    dimshuffle : bool
        Whether input and output are (batch, channels, rows, columns); else both have the batch
        last.
    """

    def __init__(
        self,
        incoming: Any,
        pool_size: Any,
        stride: Any = None,
        ignore_border: bool = False,
        dimshuffle: bool = True,
        **kwargs: Any,
    ) -> None:
        self.dimshuffle = dimshuffle
        super().__init__(incoming, pool_size, stride, ignore_border=ignore_border, **kwargs)


class _Shuffle(Layer):
    """Moves the batch to the other end of four axes, by `moved`."""

    moved: Callable[[Any], Any]

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The lengths in their new order."""
        self._check_rank(4)
        return type(self).moved(tuple(input_shape))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input with its axes shuffled."""
        return type(self).moved(input)


class ShuffleBC01ToC01BLayer(_Shuffle):
    """Moves the batch from the first axis to the last.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    name : str, optional
    """

    moved = staticmethod(_batch_last)


class ShuffleC01BToBC01Layer(_Shuffle):
    """Moves the batch from the last axis to the first.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (channels, rows, columns, batch).
    name : str, optional
    """

    moved = staticmethod(_batch_first)


bc01_to_c01b = ShuffleBC01ToC01BLayer
c01b_to_bc01 = ShuffleC01BToBC01Layer


class NINLayer_c01b(NINLayer):  # noqa: N801
    """A dense layer along axis 0, the same at every place and for every sample.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (channels, rows, columns, batch).
    num_units : int
    untie_biases : bool
        Whether every place has biases of its own.
    W, b, nonlinearity
        As for `NINLayer`, but W has shape (num_units, channels).
    name : str, optional

    Raises
    ------
    ValueError
        If the input is not of rank 4, or a length that is needed is not known.
    """

    def _channels_and_places(self) -> tuple[Any, Any]:
        self._check_rank(4)
        return self.input_shape[0], self.input_shape[1:3]

    def _weights_shape(self, channels: int) -> tuple[int, int]:
        return self.num_units, channels

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The units take the place of the channels."""
        return (self.num_units, *input_shape[1:])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``nonlinearity(W x + b)`` at every place."""
        activation = T.tensordot(self.W, input, axes=[[1], [0]])
        if self.b is not None:
            places = (1, 2) if self.untie_biases else ("x", "x")
            activation = activation + self.b.dimshuffle(0, *places, "x")
        return self.nonlinearity(activation)
