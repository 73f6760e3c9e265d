"""Fully connected layers."""

from __future__ import annotations

from typing import Any

import numpy as np

import symc.tensor as T
from symc.nn import init, nonlinearities
from symc.nn.layers.base import Layer

__all__ = ["DenseLayer", "NINLayer"]


class DenseLayer(Layer):
    """``nonlinearity(x W + b)``.

    Parameters
    ----------
    incoming : Layer or tuple
    num_units : int
    W : number, numpy.ndarray, tensor or callable
        Weights of shape (inputs, num_units).
    b : number, numpy.ndarray, tensor, callable or None
        Biases of shape (num_units,); None for none.
    nonlinearity : callable or None
        None for the identity.
    num_leading_axes : int
        Axes of the input that the layer is applied along; all others are flattened into one. A
        negative number counts from the end.
    name : str, optional

    Raises
    ------
    ValueError
        If the input has fewer axes, or a length that the weights need is not known.
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        num_leading_axes: int = 1,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearities.function_of(nonlinearity)
        self.num_units = num_units
        axes = len(self.input_shape)
        if num_leading_axes >= axes:
            raise ValueError(
                f"{self._called()}: num_leading_axes={num_leading_axes} of an input of shape "
                f"{self.input_shape} leave no axis for the product"
            )
        if num_leading_axes < -axes:
            raise ValueError(
                f"{self._called()}: num_leading_axes={num_leading_axes} for an input of shape "
                f"{self.input_shape}, which has {axes} axes"
            )
        self.num_leading_axes = num_leading_axes
        trailing = self.input_shape[num_leading_axes:]
        if None in trailing:
            raise ValueError(
                f"{self._called()} multiplies the lengths {trailing} of its input of shape "
                f"{self.input_shape} with weights, so that they must be known; fix them, or raise "
                "num_leading_axes"
            )
        self.W = self.add_param(W, (int(np.prod(trailing)), num_units), name="W")
        if b is None:
            self.b = None
        else:
            self.b = self.add_param(b, (num_units,), name="b", regularizable=False)

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The leading axes, then the units."""
        return (*input_shape[: self.num_leading_axes], self.num_units)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``nonlinearity(x W + b)``."""
        leading = self.num_leading_axes % input.ndim if self.num_leading_axes < 0 else (
            self.num_leading_axes
        )
        if input.ndim > leading + 1:
            input = input.flatten(leading + 1)
        activation = T.dot(input, self.W)
        if self.b is not None:
            activation = activation + self.b
        return self.nonlinearity(activation)


class NINLayer(Layer):
    """A dense layer along axis 1, the same at every place: a convolution with filters of size 1.

    Lin, Chen and Yan 2013, "Network in network".

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, ...).
    num_units : int
    untie_biases : bool
        Whether every place has biases of its own.
    W, b, nonlinearity
        As for `DenseLayer`; W has shape (channels, num_units).
    name : str, optional
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        untie_biases: bool = False,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearities.function_of(nonlinearity)
        self.num_units = num_units
        self.untie_biases = untie_biases
        channels, places = self._channels_and_places()
        if channels is None or (untie_biases and None in places):
            raise ValueError(
                f"{self._called()} needs known channels, and known lengths in space with "
                f"untie_biases=True, got input of shape {self.input_shape}"
            )
        self.W = self.add_param(W, self._weights_shape(channels), name="W")
        self.b = None
        if b is not None:
            shape = (num_units, *places) if untie_biases else (num_units,)
            self.b = self.add_param(b, shape, name="b", regularizable=False)

    def _channels_and_places(self) -> tuple[Any, Any]:
        if len(self.input_shape) < 2:
            raise ValueError(
                f"{self._called()} needs an input of shape (batch, channels, ...), got shape "
                f"{self.input_shape}"
            )
        return self.input_shape[1], self.input_shape[2:]

    def _weights_shape(self, channels: int) -> tuple[int, int]:
        return channels, self.num_units

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The units take the place of the channels."""
        return (input_shape[0], self.num_units, *input_shape[2:])

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``nonlinearity(W x + b)`` at every place."""
        channels_last = (0, *range(2, input.ndim), 1)
        back = (0, input.ndim - 1, *range(1, input.ndim - 1))
        activation = T.dot(input.dimshuffle(*channels_last), self.W).dimshuffle(*back)
        if self.b is not None:
            places = range(1, input.ndim - 1) if self.untie_biases else ("x",) * (input.ndim - 2)
            activation = activation + self.b.dimshuffle("x", 0, *places)
        return self.nonlinearity(activation)
