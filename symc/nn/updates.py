"""Update rules: from a loss, or gradients, and parameters to new values of shared variables.

Each returns an ordered dict of expressions by shared variable, parameters and accumulators, to be
given to `symc.function`. Accumulators are shared variables of zeros with the parameter's shape.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.nn import init, utils
from symc.nn.feedback import feedback_gradients

__all__ = [
    "adadelta",
    "adagrad",
    "adam",
    "adamax",
    "amsgrad",
    "apply_momentum",
    "apply_nesterov_momentum",
    "feedback_alignment",
    "feedback_gradients",
    "get_or_compute_grads",
    "momentum",
    "nesterov_momentum",
    "norm_constraint",
    "rmsprop",
    "sgd",
    "total_norm_constraint",
]

Updates = OrderedDict[Any, Any]


def get_or_compute_grads(loss_or_grads: Any, params: Sequence[Any]) -> list[Any]:
    """Return gradients: those given, or those of a loss.

    Parameters
    ----------
    loss_or_grads : scalar tensor or list of tensor
    params : list of SharedVariable

    Returns
    -------
    list of TensorVariable

    Raises
    ------
    ValueError
        If a parameter is not a shared variable, or there are not as many gradients as parameters.
    """
    for p in params:
        if not isinstance(p, symc.compile.SharedVariable):
            raise ValueError(
                f"parameters to update are shared variables, got {p!r}; of an expression, the "
                "shared variables that it is computed from can be updated "
                "(get_all_params(layer, trainable=True))"
            )
    if not isinstance(loss_or_grads, (list, tuple)):
        return list(symc.grad(loss_or_grads, list(params)))
    if len(loss_or_grads) != len(params):
        raise ValueError(f"got {len(loss_or_grads)} gradients for {len(params)} parameters")
    return list(loss_or_grads)


def _zeros(param: Any) -> Any:
    value = param.get_value(borrow=True)
    zeros = np.zeros(value.shape, dtype=value.dtype)
    return symc.shared(zeros, broadcastable=param.broadcastable)


def _decayed(param: Any, value: Any, weight: Any, updates: Updates) -> Any:
    """The new running mean of `value`, `weight` of it the old mean; `updates` gets it."""
    old = _zeros(param)
    updates[old] = weight * old + (1 - weight) * value
    return updates[old]


def _along_mean(
    loss_or_grads: Any,
    params: Sequence[Any],
    beta1: Any,
    epsilon: float,
    rate: Callable[[Any], Any],
    size: Callable[[Any, Any, Updates], Any],
) -> Updates:
    """Steps along the running mean of gradients, over what `size` says of them.

    ``p' = p - rate(t) m' / (size(p, g, updates) + epsilon)`` with the number ``t`` of the step.
    """
    grads = get_or_compute_grads(loss_or_grads, params)
    updates: Updates = OrderedDict()
    before = symc.shared(utils.floatX(0.0))
    t = before + utils.floatX(1)
    for p, g in zip(params, grads, strict=True):
        mean = _decayed(p, g, beta1, updates)
        updates[p] = p - rate(t) * mean / (size(p, g, updates) + epsilon)
    updates[before] = t
    return updates


def sgd(loss_or_grads: Any, params: Sequence[Any], learning_rate: Any) -> Updates:
    """Gradient descent: ``p - learning_rate * g``.

    Parameters
    ----------
    loss_or_grads : scalar tensor or list of tensor
    params : list of SharedVariable
    learning_rate : float or scalar tensor

    Returns
    -------
    OrderedDict
        New values by shared variable.
    """
    grads = get_or_compute_grads(loss_or_grads, params)
    return OrderedDict((p, p - learning_rate * g) for p, g in zip(params, grads, strict=True))


def feedback_alignment(
    loss: Any,
    params: Sequence[Any],
    learning_rate: Any,
    feedback: Any = init.GlorotUniform(),  # noqa: B008
) -> Updates:
    """Gradient descent with feedback alignment: fixed random weights on the way back.

    Parameters
    ----------
    loss : scalar tensor
        The loss itself: its gradients would have gone back through the weights.
    params, learning_rate
        As for `sgd`.
    feedback : callable
        Makes random arrays of shapes; see `feedback_gradients`, whose result any other rule takes
        as well.

    Returns
    -------
    OrderedDict
    """
    return sgd(feedback_gradients(loss, params, feedback), params, learning_rate)


def apply_momentum(updates: Updates, params: Any = None, momentum: Any = 0.9) -> Updates:
    """Add momentum to updates: ``v' = momentum * v + (new - p)``, ``p' = p + v'``.

    Parameters
    ----------
    updates : dict
        Of any rule; not changed.
    params : list of SharedVariable, optional
        Which get a velocity; default all in `updates`.
    momentum : float or scalar tensor

    Returns
    -------
    OrderedDict
    """
    updates = OrderedDict(updates)
    for p in list(updates) if params is None else params:
        velocity = _zeros(p)
        moved = momentum * velocity + updates[p]
        updates[velocity] = moved - p
        updates[p] = moved
    return updates


def momentum(
    loss_or_grads: Any, params: Sequence[Any], learning_rate: Any, momentum: Any = 0.9
) -> Updates:
    """Gradient descent with momentum: ``v' = momentum * v - learning_rate * g``, ``p' = p + v'``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    momentum : float or scalar tensor

    Returns
    -------
    OrderedDict
    """
    return apply_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)


def apply_nesterov_momentum(updates: Updates, params: Any = None, momentum: Any = 0.9) -> Updates:
    """Add Nesterov's momentum: ``v' = momentum * v + (new - p)``, ``p' = momentum * v' + new``.

    In the form of Bengio, Boulanger-Lewandowski and Pascanu 2013, where gradients are taken at the
    parameters themselves.

    Parameters
    ----------
    updates, params, momentum
        As for `apply_momentum`.

    Returns
    -------
    OrderedDict
    """
    updates = OrderedDict(updates)
    for p in list(updates) if params is None else params:
        velocity = _zeros(p)
        new_velocity = momentum * velocity + updates[p] - p
        updates[velocity] = new_velocity
        updates[p] = momentum * new_velocity + updates[p]
    return updates


def nesterov_momentum(
    loss_or_grads: Any, params: Sequence[Any], learning_rate: Any, momentum: Any = 0.9
) -> Updates:
    """Gradient descent with Nesterov's momentum.

    ``v' = momentum * v - learning_rate * g``, ``p' = p + momentum * v' - learning_rate * g``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    momentum : float or scalar tensor

    Returns
    -------
    OrderedDict
    """
    return apply_nesterov_momentum(sgd(loss_or_grads, params, learning_rate), params, momentum)


def adagrad(
    loss_or_grads: Any, params: Sequence[Any], learning_rate: Any = 1.0, epsilon: float = 1e-6
) -> Updates:
    """Rates that shrink with the sum of squared gradients.

    Duchi, Hazan and Singer 2011: ``a' = a + g**2``, ``p' = p - rate * g / sqrt(a' + epsilon)``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    epsilon : float

    Returns
    -------
    OrderedDict
    """
    updates: Updates = OrderedDict()
    for p, g in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        total = _zeros(p)
        updates[total] = total + g**2
        updates[p] = p - learning_rate * g / T.sqrt(updates[total] + epsilon)
    return updates


def rmsprop(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 1.0,
    rho: Any = 0.9,
    epsilon: float = 1e-6,
) -> Updates:
    """Rates divided by a running root mean square of gradients.

    Tieleman and Hinton 2012, lecture 6.5: ``a' = rho a + (1 - rho) g**2``,
    ``p' = p - rate * g / sqrt(a' + epsilon)``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    rho : float or scalar tensor
        Weight of the past.
    epsilon : float

    Returns
    -------
    OrderedDict
    """
    updates: Updates = OrderedDict()
    for p, g in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        mean = _decayed(p, g**2, rho, updates)
        updates[p] = p - learning_rate * g / T.sqrt(mean + epsilon)
    return updates


def adadelta(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 1.0,
    rho: Any = 0.95,
    epsilon: float = 1e-6,
) -> Updates:
    """Steps as large as recent steps, relative to recent gradients.

    Zeiler 2012: ``a' = rho a + (1 - rho) g**2``, ``s = g sqrt(d + epsilon) / sqrt(a' + epsilon)``,
    ``p' = p - rate * s``, ``d' = rho d + (1 - rho) s**2``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    rho : float or scalar tensor
    epsilon : float

    Returns
    -------
    OrderedDict
    """
    updates: Updates = OrderedDict()
    for p, g in zip(params, get_or_compute_grads(loss_or_grads, params), strict=True):
        mean, steps = _decayed(p, g**2, rho, updates), _zeros(p)
        step = g * T.sqrt(steps + epsilon) / T.sqrt(mean + epsilon)
        updates[p] = p - learning_rate * step
        updates[steps] = rho * steps + (1 - rho) * step**2
    return updates


def adam(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Adam: running mean of gradients over the root of that of their squares, without bias.

    Kingma and Ba 2014, with the biases in the rate (end of section 2): ``m' = b1 m + (1 - b1) g``,
    ``v' = b2 v + (1 - b2) g**2``, ``p' = p - rate sqrt(1 - b2**t) / (1 - b1**t) m' / (sqrt(v') +
    epsilon)``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate
        As for `sgd`.
    beta1, beta2 : float or scalar tensor
    epsilon : float

    Returns
    -------
    OrderedDict
    """
    def rate(t: Any) -> Any:
        return learning_rate * T.sqrt(1 - beta2**t) / (1 - beta1**t)

    def size(p: Any, g: Any, updates: Updates) -> Any:
        return T.sqrt(_decayed(p, g**2, beta2, updates))

    return _along_mean(loss_or_grads, params, beta1, epsilon, rate, size)


def adamax(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.002,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Adam with the greatest recent gradient instead of the root mean square.

    Kingma and Ba 2014, section 7.1: ``u' = max(b2 u, |g|)``, ``p' = p - rate / (1 - b1**t) m' /
    (u' + epsilon)``.

    Parameters
    ----------
    loss_or_grads, params, learning_rate, beta1, beta2, epsilon
        As for `adam`.

    Returns
    -------
    OrderedDict
    """
    def rate(t: Any) -> Any:
        return learning_rate / (1 - beta1**t)

    def size(p: Any, g: Any, updates: Updates) -> Any:
        greatest = _zeros(p)
        updates[greatest] = T.maximum(beta2 * greatest, abs(g))
        return updates[greatest]

    return _along_mean(loss_or_grads, params, beta1, epsilon, rate, size)


def amsgrad(
    loss_or_grads: Any,
    params: Sequence[Any],
    learning_rate: Any = 0.001,
    beta1: Any = 0.9,
    beta2: Any = 0.999,
    epsilon: float = 1e-8,
) -> Updates:
    """Adam with the greatest mean square so far, so that rates never grow.

    Reddi, Kale and Kumar 2018, "On the convergence of Adam and beyond", with Adam's corrections.

    Parameters
    ----------
    loss_or_grads, params, learning_rate, beta1, beta2, epsilon
        As for `adam`.

    Returns
    -------
    OrderedDict
    """
    def rate(t: Any) -> Any:
        return learning_rate * T.sqrt(1 - beta2**t) / (1 - beta1**t)

    def size(p: Any, g: Any, updates: Updates) -> Any:
        squares, greatest = _decayed(p, g**2, beta2, updates), _zeros(p)
        updates[greatest] = T.maximum(greatest, squares)
        return T.sqrt(updates[greatest])

    return _along_mean(loss_or_grads, params, beta1, epsilon, rate, size)


def norm_constraint(
    tensor_var: Any, max_norm: float, norm_axes: Sequence[int] | None = None, epsilon: float = 1e-7
) -> Any:
    """Scale the incoming weights of each unit whose norm exceeds `max_norm` down to it.

    Parameters
    ----------
    tensor_var : tensor
        New weights: a matrix (inputs, units), or filters of rank 3 to 5.
    max_norm : float
    norm_axes : sequence of int, optional
        Axes to sum squares over; default the first of a matrix, all but the first of filters.
    epsilon : float
        Keeps the quotient finite.

    Returns
    -------
    TensorVariable
        Same shape.

    Raises
    ------
    ValueError
        If the rank has no default axes.
    """
    axes = utils.axes_of_unit(tensor_var.ndim, norm_axes)
    dtype = np.dtype(symc.config.floatX).type
    norms = T.sqrt(T.sum(T.sqr(tensor_var), axis=axes, keepdims=True))
    target = T.clip(norms, 0, dtype(max_norm))
    return tensor_var * (target / (dtype(epsilon) + norms))


def total_norm_constraint(
    tensor_vars: Sequence[Any], max_norm: float, epsilon: float = 1e-7, return_norm: bool = False
) -> Any:
    """Scale tensors together so that their joint norm does not exceed `max_norm`.

    Pascanu, Mikolov and Bengio 2012, "On the difficulty of training recurrent neural networks".

    Parameters
    ----------
    tensor_vars : list of tensor
        Usually gradients.
    max_norm : float
    epsilon : float
        Keeps the quotient finite.
    return_norm : bool
        Whether to return the norm before scaling too.

    Returns
    -------
    list of TensorVariable, or (list, TensorVariable)
    """
    dtype = np.dtype(symc.config.floatX).type
    norm = T.sqrt(sum(T.sum(x**2) for x in tensor_vars))
    target = T.clip(norm, 0, dtype(max_norm))
    factor = target / (dtype(epsilon) + norm)
    scaled = [x * factor for x in tensor_vars]
    return (scaled, norm) if return_norm else scaled
