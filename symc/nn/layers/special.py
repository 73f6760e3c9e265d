"""Layers for a nonlinearity, an offset, a scale or any function alone, and learned rectifiers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import init, nonlinearities, utils
from symc.nn.layers.base import Layer, MergeLayer
from symc.nn.layers.noise import new_streams
from symc.nn.layers.transformer import TPSTransformerLayer, TransformerLayer

__all__ = [
    "BiasLayer",
    "ExpressionLayer",
    "InverseLayer",
    "NonlinearityLayer",
    "ParametricRectifierLayer",
    "RandomizedRectifierLayer",
    "ScaleLayer",
    "TPSTransformerLayer",
    "TransformerLayer",
    "prelu",
    "rrelu",
    "standardize",
]


class NonlinearityLayer(Layer):
    """A function of each element.

    Parameters
    ----------
    incoming : Layer or tuple
    nonlinearity : callable or None
        None for the identity.
    name : str, optional
    """

    def __init__(
        self, incoming: Any, nonlinearity: Any = nonlinearities.rectify, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.nonlinearity = nonlinearities.function_of(nonlinearity)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``nonlinearity(x)``."""
        return self.nonlinearity(input)


def _shared_axes(layer: Layer, axes: Any) -> tuple[int, ...]:
    """Axes along which a parameter is the same; 'auto': all but the second."""
    if axes == "auto":
        return (0, *range(2, len(layer.input_shape)))
    return tuple(layer._axis(a) for a in ((axes,) if isinstance(axes, int) else axes))


def _own_lengths(layer: Layer, shared: tuple[int, ...], what: str) -> list[int]:
    shape = [n for k, n in enumerate(layer.input_shape) if k not in shared]
    if any(n is None for n in shape):
        raise ValueError(
            f"{layer._called()}: {what} need known lengths of all axes that are not shared, got "
            f"shape {layer.input_shape} and shared axes {shared}"
        )
    return shape


def _aligned(param: Any, shared: tuple[int, ...], rank: int) -> Any:
    """A parameter with the axes of an input."""
    own = iter(range(param.ndim))
    return param.dimshuffle(*("x" if k in shared else next(own) for k in range(rank)))


class BiasLayer(Layer):
    """Adds an offset.

    Parameters
    ----------
    incoming : Layer or tuple
    b : number, numpy.ndarray, tensor, callable or None
        None for none.
    shared_axes : 'auto', int or tuple of int
        Axes along which it is the same; 'auto': all but the second.
    name : str, optional

    Raises
    ------
    ValueError
        If a length that it needs is not known.
    """

    def __init__(
        self,
        incoming: Any,
        b: Any = init.Constant(0),  # noqa: B008
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = _shared_axes(self, shared_axes)
        self.b = None
        if b is not None:
            shape = _own_lengths(self, self.shared_axes, "offsets")
            self.b = self.add_param(b, shape, "b", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``x + b``."""
        return input if self.b is None else input + _aligned(self.b, self.shared_axes, input.ndim)


class ScaleLayer(Layer):
    """Multiplies with a factor.

    Parameters
    ----------
    incoming : Layer or tuple
    scales : number, numpy.ndarray, tensor or callable
    shared_axes : 'auto', int or tuple of int
        Axes along which it is the same; 'auto': all but the second.
    name : str, optional

    Raises
    ------
    ValueError
        If a length that it needs is not known.
    """

    def __init__(
        self,
        incoming: Any,
        scales: Any = init.Constant(1),  # noqa: B008
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.shared_axes = _shared_axes(self, shared_axes)
        shape = _own_lengths(self, self.shared_axes, "scales")
        self.scales = self.add_param(scales, shape, "scales", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``x * scales``."""
        return input * _aligned(self.scales, self.shared_axes, input.ndim)


def standardize(layer: Any, offset: Any, scale: Any, shared_axes: Any = "auto") -> ScaleLayer:
    """Subtract a fixed offset and divide by a fixed scale.

    Parameters
    ----------
    layer : Layer or tuple
    offset, scale : numpy.ndarray
        Such as the mean and the standard deviation of data.
    shared_axes : 'auto', int or tuple of int
        Axes along which they are the same.

    Returns
    -------
    ScaleLayer
        Neither parameter is trainable.
    """
    shifted = BiasLayer(layer, -np.asarray(offset), shared_axes)
    shifted.params[shifted.b].discard("trainable")
    scaled = ScaleLayer(shifted, utils.floatX(1.0) / np.asarray(scale), shared_axes)
    scaled.params[scaled.scales].discard("trainable")
    return scaled


class ExpressionLayer(Layer):
    """Any function of an expression.

    Parameters
    ----------
    incoming : Layer or tuple
    function : callable
    output_shape : None, 'auto', tuple or callable
        None: that of the input. 'auto': found out from the expression, as far as it can be. A
        callable makes it of the input's shape.
    name : str, optional

    Raises
    ------
    TypeError
        If `function` can't be called.
    """

    def __init__(
        self, incoming: Any, function: Callable[[Any], Any], output_shape: Any = None, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._check_function(function, "function")
        self.function = function
        self._output_shape = output_shape

    def get_output_shape_for(self, input_shape: Any) -> Any:
        """The shape, as it was said to be."""
        if self._output_shape is None:
            return input_shape
        if isinstance(self._output_shape, tuple):
            return self._output_shape
        if callable(self._output_shape):
            return self._output_shape(input_shape)
        pattern = tuple(n == 1 for n in input_shape)
        x = T.TensorType(symc.config.floatX, pattern)()
        lengths = symc.function([x], self.function(x).shape, mode="FAST_COMPILE")
        # lengths that stay the same, whatever those are that are not known
        one, other = (
            lengths(np.zeros([n if m is None else m for m in input_shape], dtype=x.dtype))
            for n in (2, 3)
        )
        return tuple(int(m) if m == n else None for m, n in zip(one, other, strict=True))

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``function(x)``."""
        return self.function(input)


class InverseLayer(MergeLayer):
    """The gradient of another layer with respect to its input: unpooling, deconvolution.

    Zeiler and Fergus 2013, "Visualizing and understanding convolutional networks". The product of
    the transposed Jacobian of `layer` with the output of `incoming`.

    Parameters
    ----------
    incoming : Layer
        Its output has the shape of the output of `layer`.
    layer : Layer
        With one input, which is a layer.
    name : str, optional

    Raises
    ------
    ValueError
        If `layer` has several inputs or was built from a shape, or shapes don't fit.
    """

    def __init__(self, incoming: Any, layer: Any, **kwargs: Any) -> None:
        below = getattr(layer, "input_layer", None)
        if below is None:
            raise ValueError(
                f"an InverseLayer inverts a layer that is put on one other layer, got "
                f"{layer._called()} on {layer.input_shape}"
            )
        super().__init__([incoming, layer, below], **kwargs)
        self._check_fits(self.input_shapes[0], layer.output_shape, "what is to be inverted")

    def get_output_shape_for(self, input_shapes: Any) -> Any:
        """The shape of the layer's input."""
        return input_shapes[2]

    def get_output_for(self, inputs: Any, **kwargs: Any) -> Any:  # type: ignore[override]
        """The gradient."""
        given, output, input = inputs
        return symc.grad(None, wrt=input, known_grads={output: given})


class ParametricRectifierLayer(Layer):
    """A rectifier whose slope for negative inputs is learned.

    He, Zhang, Ren and Sun 2015, "Delving deep into rectifiers".

    Parameters
    ----------
    incoming : Layer or tuple
    alpha : number, numpy.ndarray, tensor or callable
        The slopes.
    shared_axes : 'auto', 'all', int or tuple of int
        Axes along which they are the same; 'auto': all but the second; 'all': one slope.
    name : str, optional

    Raises
    ------
    ValueError
        If a length that is needed is not known.
    """

    def __init__(
        self,
        incoming: Any,
        alpha: Any = init.Constant(0.25),  # noqa: B008
        shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        every = tuple(range(len(self.input_shape)))
        self.shared_axes = every if shared_axes == "all" else _shared_axes(self, shared_axes)
        shape = _own_lengths(self, self.shared_axes, "slopes")
        self.alpha = self.add_param(alpha, shape, "alpha", regularizable=False)

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """``x`` where it is positive, ``alpha x`` elsewhere."""
        return T.nnet.relu(input, _aligned(self.alpha, self.shared_axes, input.ndim))


def _after(layer: Any, make: Callable[..., Any], **kwargs: Any) -> Any:
    """`make` a layer in place of the nonlinearity of `layer`."""
    if getattr(layer, "nonlinearity", None) is not None:
        layer.nonlinearity = nonlinearities.identity
    return make(layer, **kwargs)


def prelu(layer: Any, **kwargs: Any) -> ParametricRectifierLayer:
    """Replace the nonlinearity of a layer by a `ParametricRectifierLayer`.

    Parameters
    ----------
    layer : Layer
        Changed.
    **kwargs
        As for `ParametricRectifierLayer`.

    Returns
    -------
    ParametricRectifierLayer
    """
    return _after(layer, ParametricRectifierLayer, **kwargs)


class RandomizedRectifierLayer(Layer):
    """A rectifier whose slopes for negative inputs are drawn anew in training.

    Xu, Wang, Chen and Li 2015, "Empirical evaluation of rectified activations in convolutional
    network". When `deterministic` the slope is the mean of the bounds.

    Parameters
    ----------
    incoming : Layer or tuple
    lower, upper : float or scalar tensor
        Bounds of the slopes.
    shared_axes : 'auto', int or tuple of int
        Axes along which slopes are the same; 'auto': all but the second.
    name : str, optional

    Raises
    ------
    ValueError
        If the lower bound is above the upper one.
    """

    def __init__(
        self, incoming: Any, lower: Any = 0.3, upper: Any = 0.8, shared_axes: Any = "auto",
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self._srng = new_streams()
        self.lower = lower
        self.upper = upper
        if not isinstance(lower > upper, symc.Variable) and lower > upper:
            raise ValueError(f"{self._called()}: lower={lower} is above upper={upper}")
        self.shared_axes = _shared_axes(self, shared_axes)

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """``x`` where it is positive, a random multiple elsewhere."""
        if deterministic or (
            not isinstance(self.upper == self.lower, symc.Variable) and self.upper == self.lower
        ):
            return T.nnet.relu(input, (self.upper + self.lower) / 2.0)
        shape = [
            1 if k in self.shared_axes else (input.shape[k] if n is None else n)
            for k, n in enumerate(self.input_shape)
        ]
        slopes = self._srng.uniform(
            tuple(shape), low=self.lower, high=self.upper, dtype=symc.config.floatX
        )
        slopes = T.addbroadcast(slopes, *self.shared_axes)
        return T.nnet.relu(input, slopes)


def rrelu(layer: Any, **kwargs: Any) -> RandomizedRectifierLayer:
    """Replace the nonlinearity of a layer by a `RandomizedRectifierLayer`.

    Parameters
    ----------
    layer : Layer
        Changed.
    **kwargs
        As for `RandomizedRectifierLayer`.

    Returns
    -------
    RandomizedRectifierLayer
    """
    return _after(layer, RandomizedRectifierLayer, **kwargs)
