"""Layers that are random in training, and the identity when `deterministic`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import init, nonlinearities
from symc.nn.layers.base import Layer
from symc.nn.layers.dense import DenseLayer
from symc.nn.random import get_rng
from symc.sandbox.rng_mrg import MRG_RandomStreams

__all__ = [
    "BatchwiseDropoutDenseLayer",
    "DropoutLayer",
    "GaussianNoiseLayer",
    "dropout",
    "dropout_channels",
    "dropout_locations",
    "spatial_dropout",
]

LARGEST_SEED = 2147462579


def new_streams() -> MRG_RandomStreams:
    """Return random streams whose seed comes from `symc.nn.random.get_rng`."""
    return MRG_RandomStreams(int(get_rng().randint(1, LARGEST_SEED)))


class DropoutLayer(Layer):
    """Sets elements to zero with probability `p`, and scales the others up.

    Hinton, Srivastava, Krizhevsky, Sutskever and Salakhutdinov 2012; with the scaling in training,
    so that nothing is to be done afterwards.

    Parameters
    ----------
    incoming : Layer or tuple
    p : float or scalar tensor
    rescale : bool
        Whether to divide by ``1 - p`` in training.
    shared_axes : tuple of int
        Axes along which all elements are dropped together.
    name : str, optional

    Raises
    ------
    ValueError
        If the input has no such axis.
    """

    def __init__(
        self,
        incoming: Any,
        p: Any = 0.5,
        rescale: bool = True,
        shared_axes: Sequence[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, **kwargs)
        if isinstance(p, (int, float)) and not (0 <= p < 1 or (p == 1 and not rescale)):
            raise ValueError(f"{self._called()}: p is at least 0 and below 1, got {p}")
        self._srng = new_streams()
        self.p = p
        self.rescale = rescale
        self.shared_axes = tuple(self._axis(a) for a in shared_axes)

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """The input itself if `deterministic`, else with elements dropped."""
        if deterministic or (not isinstance(self.p, symc.Variable) and self.p == 0):
            return input
        keep = T.constant(1) - self.p
        if self.rescale:
            input = input / T.cast(keep, input.dtype)
        shape = list(self.input_shape)
        if any(n is None for n in shape):
            shape = [input.shape[k] if n is None else n for k, n in enumerate(shape)]
        shared = [k in self.shared_axes for k in range(input.ndim)]
        shape = [1 if one else n for one, n in zip(shared, shape, strict=True)]
        mask = self._srng.binomial(tuple(shape), p=keep, dtype=input.dtype)
        if any(shared):
            mask = T.patternbroadcast(mask, tuple(shared))
        return input * mask


dropout = DropoutLayer


def dropout_channels(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drop whole channels: all elements that differ in the axes after the second only.

    Parameters
    ----------
    incoming : Layer or tuple
    *args, **kwargs
        As for `DropoutLayer`.

    Returns
    -------
    DropoutLayer
    """
    shape = incoming if isinstance(incoming, tuple) else incoming.output_shape
    return DropoutLayer(incoming, *args, **{**kwargs, "shared_axes": tuple(range(2, len(shape)))})


spatial_dropout = dropout_channels


def dropout_locations(incoming: Any, *args: Any, **kwargs: Any) -> DropoutLayer:
    """Drop places: the same ones in all channels (axis 1).

    Parameters
    ----------
    incoming : Layer or tuple
    *args, **kwargs
        As for `DropoutLayer`.

    Returns
    -------
    DropoutLayer
    """
    return DropoutLayer(incoming, *args, **{**kwargs, "shared_axes": (1,)})


def _columns(x: Any, kept: Any) -> Any:
    """``x[:, kept]`` of a matrix, without the other columns of sums and products in it."""
    parts: dict[Any, Any] = {}
    stack = [x]
    while stack:
        part = stack[-1]
        node = part.owner
        op = None if node is None else node.op
        if part in parts:
            stack.pop()
        elif isinstance(op, T.Dot) and part.ndim == node.inputs[1].ndim == 2:
            parts[part] = op(node.inputs[0], node.inputs[1][:, kept])
        elif isinstance(op, T.elemwise.DimShuffle) and op.new_order == ("x", 0):
            parts[part] = node.inputs[0][kept].dimshuffle("x", 0)
        elif part.broadcastable[1]:
            parts[part] = part
        elif isinstance(op, T.Elemwise) and len(node.outputs) == 1:
            missing = [v for v in node.inputs if v not in parts]
            stack += missing
            if not missing:
                parts[part] = op(*(parts[v] for v in node.inputs))
        else:
            parts[part] = part[:, kept]
    return parts[x]


class BatchwiseDropoutDenseLayer(DenseLayer):
    """A `DenseLayer` in front of which the same inputs are dropped for the whole batch.

    Graham, Reizenstein and Robinson 2015, "Efficient batchwise dropout training using submatrices":
    rows of weights whose inputs are dropped take no part in the product, and where the layer below
    is dense too, the columns of its weights that lead to them do not either. So products get
    smaller instead of being multiplied by zeros.

    Parameters
    ----------
    incoming, num_units, W, b, nonlinearity, name
        As for `DenseLayer`; all axes of the input but the first are flattened.
    p : float
        Part of the inputs that is dropped; the number of those kept is rounded and at least one.
    rescale : bool
        Whether the others are scaled up in training, by their number.

    Raises
    ------
    ValueError
        If `p` is not in [0, 1), or a length that the weights need is not known.
    """

    def __init__(
        self,
        incoming: Any,
        num_units: int,
        p: float = 0.5,
        rescale: bool = True,
        W: Any = init.GlorotUniform(),  # noqa: B008
        b: Any = init.Constant(0.0),  # noqa: B008
        nonlinearity: Any = nonlinearities.rectify,
        **kwargs: Any,
    ) -> None:
        super().__init__(incoming, num_units, W, b, nonlinearity, **kwargs)
        if not 0 <= p < 1:
            raise ValueError(f"{self._called()}: p is at least 0 and below 1, got {p}")
        self._srng = new_streams()
        self.p = p
        self.rescale = rescale

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """As that of a `DenseLayer`, of all inputs if `deterministic`, else of those kept."""
        if deterministic or self.p == 0:
            return super().get_output_for(input, **kwargs)
        inputs = int(np.prod(self.input_shape[1:]))
        count = max(1, round((1 - self.p) * inputs))
        order = T.argsort(self._srng.uniform((inputs,)))
        kept = T.sort(order[:count])
        x = _columns(input.flatten(2) if input.ndim > 2 else input, kept)
        if self.rescale:
            x = x * T.cast(inputs / count, x.dtype)
        activation = T.dot(x, self.W[kept])
        if self.b is not None:
            activation = activation + self.b
        return self.nonlinearity(activation)


class GaussianNoiseLayer(Layer):
    """Adds independent normal values.

    Parameters
    ----------
    incoming : Layer or tuple
    sigma : float or scalar tensor
        Standard deviation.
    name : str, optional

    Raises
    ------
    ValueError
        If `sigma` is a negative number.
    """

    def __init__(self, incoming: Any, sigma: Any = 0.1, **kwargs: Any) -> None:
        super().__init__(incoming, **kwargs)
        if not isinstance(sigma, symc.Variable) and sigma < 0:
            raise ValueError(f"{self._called()}: sigma is not negative, got {sigma}")
        self._srng = new_streams()
        self.sigma = sigma

    def get_output_for(self, input: Any, deterministic: bool = False, **kwargs: Any) -> Any:
        """The input itself if `deterministic`, else with noise."""
        if deterministic or (not isinstance(self.sigma, symc.Variable) and self.sigma == 0):
            return input
        return input + self._srng.normal(input.shape, avg=0.0, std=self.sigma, dtype=input.dtype)
