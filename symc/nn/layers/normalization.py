"""Layers that bring activations to a common scale."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import symc
import symc.tensor as T
from symc.nn import init, nonlinearities
from symc.nn.layers.base import Layer
from symc.nn.layers.special import BiasLayer, NonlinearityLayer, ScaleLayer

__all__ = [
    "BatchNormLayer",
    "LocalResponseNormalization2DLayer",
    "StandardizationLayer",
    "batch_norm",
    "instance_norm",
    "layer_norm",
]


class LocalResponseNormalization2DLayer(Layer):
    """Divides by ``(k + alpha * sum of squares of n neighbouring channels) ** beta``.

    Krizhevsky, Sutskever and Hinton 2012, "ImageNet classification with deep convolutional neural
    networks", section 3.3.

    Parameters
    ----------
    incoming : Layer or tuple
        Shape (batch, channels, rows, columns).
    alpha, k, beta : float
    n : int
        Odd.
    name : str, optional

    Raises
    ------
    ValueError
        If the input is not of rank 4.
    NotImplementedError
        If `n` is even.
    """

    def __init__(
        self,
        incoming: Any,
        alpha: float = 1e-4,
        k: float = 2,
        beta: float = 0.75,
        n: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        self.alpha = alpha
        self.k = k
        self.beta = beta
        self.n = n
        self._check_rank(4)
        if n % 2 == 0:
            raise NotImplementedError(f"{self._called()}: n must be odd, got {n}")

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The input over its neighbours' response."""
        return T.nnet.local_response_normalization(input, self.alpha, self.k, self.beta, self.n)


class BatchNormLayer(Layer):
    """Standardises over the batch, with learned scale and offset.

    ``(x - mean) * gamma * inv_std + beta`` with ``inv_std = 1 / sqrt(var + epsilon)`` (Ioffe and
    Szegedy 2015). In training, means and variances of the batch are used, and running averages of
    them are updated by every function that computes the output; `deterministic` uses the averages.

    Parameters
    ----------
    incoming : Layer or tuple
    axes : 'auto', int or tuple of int
        Axes to average over; 'auto': all but the second.
    epsilon : float
    alpha : float
        Weight of a batch in the running averages.
    beta, gamma : number, numpy.ndarray, tensor, callable or None
        Offset and scale; None for none.
    mean, inv_std : number, numpy.ndarray, tensor or callable
        First values of the averages.
    name : str, optional

    Raises
    ------
    ValueError
        If a length that is not averaged over is not known.
    """

    def __init__(
        self,
        incoming: Any,
        axes: Any = "auto",
        epsilon: float = 1e-4,
        alpha: float = 0.1,
        beta: Any = init.Constant(0),  # noqa: B008
        gamma: Any = init.Constant(1),  # noqa: B008
        mean: Any = init.Constant(0),  # noqa: B008
        inv_std: Any = init.Constant(1),  # noqa: B008
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        if axes == "auto":
            axes = (0, *range(2, rank))
        elif isinstance(axes, int):
            axes = (axes,)
        self.axes = tuple(self._axis(a) for a in axes)
        self.epsilon = epsilon
        self.alpha = alpha
        shape = [n for k, n in enumerate(self.input_shape) if k not in self.axes]
        if any(n is None for n in shape):
            raise ValueError(
                f"{self._called()}: lengths that are not averaged over must be known, got shape "
                f"{self.input_shape} and axes {self.axes}"
            )
        self.beta = self.gamma = None
        if beta is not None:
            self.beta = self.add_param(
                beta, shape, "beta", trainable=True, regularizable=False
            )
        if gamma is not None:
            self.gamma = self.add_param(
                gamma, shape, "gamma", trainable=True, regularizable=True
            )
        fixed = {"trainable": False, "regularizable": False}
        self.mean = self.add_param(mean, shape, "mean", **fixed)
        self.inv_std = self.add_param(inv_std, shape, "inv_std", **fixed)

    def get_output_for(
        self,
        input: Any,
        deterministic: bool = False,
        batch_norm_use_averages: bool | None = None,
        batch_norm_update_averages: bool | None = None,
        **kwargs: Any,
    ) -> Any:
        """The normalised input.

        Parameters
        ----------
        input : TensorVariable
        deterministic : bool
            What the two others default to: use averages, and don't update them.
        batch_norm_use_averages, batch_norm_update_averages : bool, optional
        """
        use = deterministic if batch_norm_use_averages is None else batch_norm_use_averages
        update = (
            not deterministic if batch_norm_update_averages is None else batch_norm_update_averages
        )
        batch_mean = input.mean(self.axes)
        batch_inv_std = T.inv(T.sqrt(input.var(self.axes) + self.epsilon))
        mean, inv_std = (self.mean, self.inv_std) if use else (batch_mean, batch_inv_std)
        if update:
            # Whatever function computes the output finds these clones and their updates in it.
            running_mean = symc.clone(self.mean, share_inputs=False)
            running_inv_std = symc.clone(self.inv_std, share_inputs=False)
            running_mean.default_update = (
                1 - self.alpha
            ) * running_mean + self.alpha * batch_mean
            running_inv_std.default_update = (
                1 - self.alpha
            ) * running_inv_std + self.alpha * batch_inv_std
            mean = mean + 0 * running_mean
            inv_std = inv_std + 0 * running_inv_std
        places = iter(range(input.ndim - len(self.axes)))
        pattern = ["x" if k in self.axes else next(places) for k in range(input.ndim)]
        beta = 0 if self.beta is None else self.beta.dimshuffle(pattern)
        gamma = 1 if self.gamma is None else self.gamma.dimshuffle(pattern)
        scale = gamma * inv_std.dimshuffle(pattern)
        return (input - mean.dimshuffle(pattern)) * scale + beta


def _before_nonlinearity(
    layer: Any, suffix: str, make: Callable[[Any, str | None], Any], kwargs: dict[str, Any]
) -> Any:
    """Put what `make` makes between a layer, which loses its biases, and its nonlinearity.

    A name is taken out of `kwargs`; without one the layer's own and `suffix` make it.
    """
    nonlinearity = getattr(layer, "nonlinearity", None)
    if nonlinearity is not None:
        layer.nonlinearity = nonlinearities.identity
    if getattr(layer, "b", None) is not None:
        del layer.params[layer.b]
        layer.b = None
    name = kwargs.pop("name", None) or (layer.name and f"{layer.name}_{suffix}")
    made = make(layer, name)
    if nonlinearity is None:
        return made
    return NonlinearityLayer(made, nonlinearity, name=name and f"{name}_nonlin")


def batch_norm(layer: Any, **kwargs: Any) -> Any:
    """Put batch normalisation between a layer and its nonlinearity; its biases are dropped.

    Parameters
    ----------
    layer : Layer
        Changed.
    **kwargs
        As for `BatchNormLayer`.

    Returns
    -------
    Layer
    """
    def make(x: Any, name: str | None) -> Any:
        return BatchNormLayer(x, name=name, **kwargs)

    return _before_nonlinearity(layer, "bn", make, kwargs)


class StandardizationLayer(Layer):
    """Standardises each sample by its own mean and variance.

    Parameters
    ----------
    incoming : Layer or tuple
    axes : 'auto', 'spatial', 'features', int or tuple of int
        Axes to average over: 'features' or 'auto' for inputs of rank 2, all but the first;
        'spatial' or 'auto' for others, all but the first two.
    epsilon : float
    name : str, optional

    Raises
    ------
    ValueError
        If an axis does not exist, or there is none to average over.
    """

    def __init__(
        self, incoming: Any, axes: Any = "auto", epsilon: float = 1e-4, **kwargs: Any
    ) -> None:
        super().__init__(incoming, **kwargs)
        rank = len(self.input_shape)
        if axes == "auto":
            axes = "spatial" if rank > 2 else "features"
        if axes == "spatial":
            axes = tuple(range(2, rank))
        elif axes == "features":
            axes = tuple(range(1, rank))
        elif isinstance(axes, int):
            axes = (axes,)
        self.axes = tuple(self._axis(a) for a in axes)
        if not self.axes:
            raise ValueError(
                f"{self._called()} has no axes to average over in an input of shape "
                f"{self.input_shape}: with axes='spatial' these are the axes after the second"
            )
        self.epsilon = epsilon

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The standardised input."""
        mean = input.mean(self.axes, keepdims=True)
        return (input - mean) / T.sqrt(input.var(self.axes, keepdims=True) + self.epsilon)


def instance_norm(
    layer: Any, learn_scale: bool = True, learn_bias: bool = True, **kwargs: Any
) -> Any:
    """Put standardisation of each sample and channel between a layer and its nonlinearity.

    Ulyanov, Vedaldi and Lempitsky 2016, "Instance normalization".

    Parameters
    ----------
    layer : Layer
        Changed: biases are dropped.
    learn_scale, learn_bias : bool
        Whether a scale and an offset for each channel follow.
    **kwargs
        As for `StandardizationLayer`.

    Returns
    -------
    Layer
    """
    def make(x: Any, name: str | None) -> Any:
        x = StandardizationLayer(x, name=name, **kwargs)
        if learn_scale:
            x = ScaleLayer(x, name=name and f"{name}_scale")
        return BiasLayer(x, name=name and f"{name}_bias") if learn_bias else x

    return _before_nonlinearity(layer, "in", make, kwargs)


def layer_norm(layer: Any, **kwargs: Any) -> Any:
    """Put standardisation of each sample, over all its features, before a layer's nonlinearity.

    Ba, Kiros and Hinton 2016, "Layer normalization".

    Parameters
    ----------
    layer : Layer
        Changed: biases are dropped.
    **kwargs
        As for `StandardizationLayer`.

    Returns
    -------
    Layer
    """
    def make(x: Any, name: str | None) -> Any:
        x = StandardizationLayer(x, axes="features", name=name, **kwargs)
        x = ScaleLayer(x, name=name and f"{name}_scale")
        return BiasLayer(x, name=name and f"{name}_bias")

    return _before_nonlinearity(layer, "ln", make, kwargs)
