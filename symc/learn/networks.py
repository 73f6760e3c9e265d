"""From what a user gives as a network to expressions: outputs, parameters, losses of rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Integral
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.gof.graph import inputs as graph_inputs
from symc.nn import layers, nonlinearities, objectives
from symc.nn.utils import collect_shared_vars

Loss = Callable[[Any, Any], Any]


@dataclass(frozen=True)
class Outputs:
    """The output of a network as two expressions, and its parameters.

    Attributes
    ----------
    training, prediction : TensorVariable
        Matrices, one row for each of the input: with what is random in training, and without.
    parameters : list of SharedVariable
        What is learned.
    penalised : list of SharedVariable
        Those of them that a penalty on weights is for: no biases.
    """

    training: Any
    prediction: Any
    parameters: list[Any]
    penalised: list[Any]


def function_named(
    given: Any, known: Mapping[str, Callable[..., Any]], setting: str, takes: str
) -> Callable[..., Any]:
    """Return a function that a setting names, or that it is.

    Parameters
    ----------
    given : str or callable
    known : dict
        Functions by name.
    setting, takes : str
        The setting, and what functions get, for messages.

    Raises
    ------
    ValueError
        If there is none of that name.
    """
    if callable(given):
        return given
    if given not in known:
        raise ValueError(
            f"{setting} is a function of {takes}, or one of {', '.join(sorted(known))}; got "
            f"{given!r}"
        )
    return known[given]


NONLINEARITIES = {n: getattr(nonlinearities, n) for n in nonlinearities.__all__ if n.islower()}


def hidden_sizes(network: Any, name: str) -> tuple[int, ...]:
    """Return the numbers of hidden units, layer by layer.

    Parameters
    ----------
    network : int or sequence of int
    name : str
        Of the parameter, for messages.

    Raises
    ------
    ValueError
        If these are not positive integers.
    """
    sizes: Any = [network] if isinstance(network, Integral) else network
    if (
        isinstance(sizes, (str, bytes))
        or not isinstance(sizes, (Sequence, np.ndarray))
        or not all(isinstance(n, Integral) and int(n) > 0 for n in sizes)
    ):
        raise ValueError(
            f"{name} is a function, or the positive numbers of hidden units of each layer such as "
            f"(100, 50), got {network!r}"
        )
    return tuple(int(n) for n in sizes)


def dense_layers(
    x: Any, sizes: Sequence[int], n_features: int, n_outputs: int, nonlinearity: Any
) -> Any:
    """Return the last of dense layers on `x`, which is linear.

    Parameters
    ----------
    x : matrix
    sizes : sequence of int
        Units of the hidden layers.
    n_features, n_outputs : int
    nonlinearity : str, callable or None
        Of the hidden layers.
    """
    if nonlinearity is not None:
        nonlinearity = function_named(
            nonlinearity, NONLINEARITIES, "nonlinearity", "an expression"
        )
    layer: Any = layers.InputLayer((None, n_features), x)
    for size in sizes:
        layer = layers.DenseLayer(layer, size, nonlinearity=nonlinearity)
    return layers.DenseLayer(layer, n_outputs, nonlinearity=None)


def outputs_of(made: Any, x: Any, n_outputs: int, name: str) -> Outputs:
    """Return the outputs of what a user's function has made of `x`.

    Parameters
    ----------
    made : tensor, Layer or pair of these
        A pair is the output in training and that for predictions.
    x : TensorVariable
    n_outputs : int
    name : str
        Of the parameter that held the function, for messages.

    Raises
    ------
    TypeError
        If `made` is something else.
    ValueError
        If an output does not depend on `x`, or can't be a matrix with a row for each of `x`.
    """
    pair = made if isinstance(made, (tuple, list)) else (made, made)
    if len(pair) != 2:
        raise TypeError(
            f"the function {name} returns an expression, a layer, or a pair of these (for training "
            f"and for predictions), got {len(pair)} values"
        )
    training = _matrix(_expression(pair[0], x, name, False), n_outputs, name)
    prediction = _matrix(_expression(pair[1], x, name, True), n_outputs, name)
    if isinstance(pair[0], layers.Layer):
        parameters = layers.get_all_params(pair[0], trainable=True)
        tagged = set(layers.get_all_params(pair[0], trainable=True, regularizable=True))
        penalised = [p for p in parameters if p in tagged]
    else:
        parameters = [v for v in collect_shared_vars(training) if _is_learned(v)]
        penalised = [p for p in parameters if p.ndim >= 2]
    return Outputs(training, prediction, parameters, penalised)


def _is_learned(variable: Any) -> bool:
    """Whether a shared variable is a parameter: neither a counter nor the state of a generator."""
    has_update = getattr(variable, "default_update", None) is not None
    return not has_update and getattr(variable, "dtype", "").startswith("float")


def _expression(made: Any, x: Any, name: str, deterministic: bool) -> Any:
    if isinstance(made, layers.Layer):
        output = layers.get_output(made, deterministic=deterministic)
        if x not in graph_inputs([output]):
            output = layers.get_output(made, x, deterministic=deterministic)
    elif isinstance(made, symc.Variable):
        output = made
    else:
        raise TypeError(
            f"the function {name} returns an expression, a layer, or a pair of these (for training "
            f"and for predictions), got {made!r}"
        )
    if x not in graph_inputs([output]):
        raise ValueError(
            f"what the function {name} returns does not depend on the input that it was given: "
            f"{output}"
        )
    return output


def _matrix(output: Any, n_outputs: int, name: str) -> Any:
    if output.ndim == 1 and n_outputs == 1:
        return output.dimshuffle(0, "x")
    if output.ndim != 2:
        raise ValueError(
            f"the output of the function {name} is a matrix with one row for each row of its input "
            f"and {n_outputs} columns; got {output.ndim} dimensions (expression.flatten(2) makes "
            "a matrix of more)"
        )
    return output


def absolute_error(prediction: Any, target: Any) -> Any:
    """Return ``|prediction - target|`` for each element."""
    return abs(prediction - target)


def log_loss(scores: Any, target: Any) -> Any:
    """Return minus the logarithm of the softmax of `scores` at the right class, for each row."""
    return objectives.categorical_crossentropy(nonlinearities.softmax(scores), target)


VALUE_LOSSES: dict[str, Loss] = {
    "squared_error": objectives.squared_error,
    "absolute_error": absolute_error,
    "huber": objectives.huber_loss,
}
SCORE_LOSSES: dict[str, Loss] = {
    "log_loss": log_loss,
    "hinge": objectives.multiclass_hinge_loss,
}
PROBABILITY_LOSSES: dict[str, Loss] = {"log_loss": objectives.categorical_crossentropy}


def loss_named(loss: Any, known: Mapping[str, Loss]) -> Loss:
    """Return the function of an output and a target; see `function_named`."""
    return function_named(loss, known, "loss", "output and target")


def losses_of_rows(loss: Loss, output: Any, target: Any) -> Any:
    """Return the loss of each row: the mean over the other axes of what `loss` returns.

    Parameters
    ----------
    loss : callable
    output, target : tensor

    Returns
    -------
    vector

    Raises
    ------
    ValueError
        If the loss is one number for the batch, which can't be weighted.
    """
    losses = T.as_tensor_variable(loss(output, target))
    if losses.ndim == 0:
        raise ValueError(
            "loss returns one number for the whole batch; return the loss of each row or element "
            "instead (leave out the last .mean() or .sum()): rows have weights"
        )
    return losses.flatten(2).mean(axis=1) if losses.ndim > 1 else losses
