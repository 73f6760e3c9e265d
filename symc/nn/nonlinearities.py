"""Nonlinearities: functions from an expression to an expression of the same shape.

Those with parameters are classes whose instances are called, so that networks can be pickled.
"""

from __future__ import annotations

from typing import Any

import symc.tensor as T

__all__ = [
    "SELU",
    "LeakyRectify",
    "ScaledTanH",
    "ScaledTanh",
    "elu",
    "identity",
    "leaky_rectify",
    "linear",
    "rectify",
    "selu",
    "sigmoid",
    "softmax",
    "softplus",
    "tanh",
    "very_leaky_rectify",
]


def sigmoid(x: Any) -> Any:
    """Return the logistic function ``1 / (1 + exp(-x))``.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        Same shape, between 0 and 1.
    """
    return T.nnet.sigmoid(x)


def softmax(x: Any) -> Any:
    """Return ``exp(x)`` divided by its sum over each row.

    Parameters
    ----------
    x : tensor
        A matrix, or a vector, which counts as one row.

    Returns
    -------
    TensorVariable
        A matrix whose rows sum to 1.
    """
    return T.nnet.softmax(x)


def tanh(x: Any) -> Any:
    """Return the hyperbolic tangent.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        Same shape, between -1 and 1.
    """
    return T.tanh(x)


class ScaledTanH:
    """``scale_out * tanh(scale_in * x)``.

    Parameters
    ----------
    scale_in, scale_out : float
        With 2/3 and 1.7159, 1 is mapped to about 1 and inputs of unit variance to outputs of unit
        variance (LeCun, Bottou, Orr and Mueller 1998, "Efficient BackProp", section 4.4).
    """

    def __init__(self, scale_in: float = 1, scale_out: float = 1) -> None:
        self.scale_in = scale_in
        self.scale_out = scale_out

    def __call__(self, x: Any) -> Any:
        return T.tanh(x * self.scale_in) * self.scale_out


ScaledTanh = ScaledTanH


def rectify(x: Any) -> Any:
    """Return ``max(x, 0)``.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        Same shape.
    """
    return T.nnet.relu(x)


class LeakyRectify:
    """``x`` where it is positive and `leakiness` times ``x`` elsewhere.

    Parameters
    ----------
    leakiness : float
        Slope for negative arguments (Maas, Hannun and Ng 2013). 0 is the rectifier, 1 the identity.
    """

    def __init__(self, leakiness: float = 0.01) -> None:
        self.leakiness = leakiness

    def __call__(self, x: Any) -> Any:
        return T.nnet.relu(x, self.leakiness)


leaky_rectify = LeakyRectify()
very_leaky_rectify = LeakyRectify(1.0 / 3.0)


def elu(x: Any) -> Any:
    """Return ``x`` where it is positive and ``exp(x) - 1`` elsewhere.

    Clevert, Unterthiner and Hochreiter 2015, "Fast and accurate deep network learning by
    exponential linear units".

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        Same shape, above -1.
    """
    return T.nnet.elu(x)


class SELU:
    """``scale * x`` where `x` is positive and ``scale * scale_neg * (exp(x) - 1)`` elsewhere.

    Parameters
    ----------
    scale, scale_neg : float
        With 1.0507 and 1.6733 (the instance `selu`) activations keep zero mean and unit variance
        from layer to layer (Klambauer, Unterthiner, Mayr and Hochreiter 2017).
    """

    def __init__(self, scale: float = 1, scale_neg: float = 1) -> None:
        self.scale = scale
        self.scale_neg = scale_neg

    def __call__(self, x: Any) -> Any:
        return self.scale * T.nnet.elu(x, self.scale_neg)


selu = SELU(scale=1.0507009873554805, scale_neg=1.6732632423543772)


def softplus(x: Any) -> Any:
    """Return ``log(1 + exp(x))``.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        Same shape, positive.
    """
    return T.nnet.softplus(x)


def linear(x: Any) -> Any:
    """Return `x` itself.

    Parameters
    ----------
    x : tensor
        Any shape.

    Returns
    -------
    TensorVariable
        `x`.
    """
    return x


identity = linear


def function_of(nonlinearity: Any) -> Any:
    """Return the function that a layer applies.

    Parameters
    ----------
    nonlinearity : callable or None
        None for the identity.

    Returns
    -------
    callable

    Raises
    ------
    TypeError
        If it can't be called: the name of a function, say.
    """
    if nonlinearity is None:
        return identity
    if not callable(nonlinearity):
        raise TypeError(
            "a nonlinearity is a function of an expression, or None, got "
            f"{type(nonlinearity).__name__}: {nonlinearity!r:.80}"
        )
    return nonlinearity
