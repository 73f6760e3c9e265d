"""What to minimise: losses of each element or row, and accuracies.

They are functions of expressions and know nothing of layers. A loss for a batch is made of them by
``.mean()``, ``.sum()`` or `aggregate`.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import symc.tensor as T
from symc.nn.layers.helper import get_output

__all__ = [
    "Objective",
    "aggregate",
    "align_targets",
    "binary_accuracy",
    "binary_crossentropy",
    "binary_hinge_loss",
    "categorical_accuracy",
    "categorical_crossentropy",
    "huber_loss",
    "layer_objective",
    "multiclass_hinge_loss",
    "squared_error",
]


def align_targets(predictions: Any, targets: Any) -> tuple[Any, Any]:
    """Make a column of a vector of targets that faces a column of predictions.

    A vector and a column would be broadcast to a matrix of all pairs.

    Parameters
    ----------
    predictions, targets : tensor

    Returns
    -------
    predictions, targets : TensorVariable
    """
    predictions, targets = T.as_tensor_variable(predictions), T.as_tensor_variable(targets)
    column = (False, True)
    if predictions.broadcastable == column and targets.ndim == 1:
        targets = targets.dimshuffle(0, "x")
    return predictions, targets


def binary_crossentropy(predictions: Any, targets: Any) -> Any:
    """Return ``-t log(p) - (1 - t) log(1 - p)`` for each element.

    Parameters
    ----------
    predictions : tensor
        Probabilities, strictly between 0 and 1.
    targets : tensor
        Between 0 and 1; same shape, or a vector for a column.

    Returns
    -------
    TensorVariable
        Shape of the predictions.
    """
    predictions, targets = align_targets(predictions, targets)
    return T.nnet.binary_crossentropy(predictions, targets)


def categorical_crossentropy(predictions: Any, targets: Any) -> Any:
    """Return ``-sum_j t_ij log(p_ij)`` for each row.

    Parameters
    ----------
    predictions : matrix
        Probabilities of classes; rows sum to 1.
    targets : matrix or vector of int
        Probabilities too, or the right class of each row.

    Returns
    -------
    TensorVariable
        A vector.
    """
    return T.nnet.categorical_crossentropy(predictions, targets)


def squared_error(a: Any, b: Any) -> Any:
    """Return ``(a - b)**2`` for each element.

    Parameters
    ----------
    a, b : tensor
        Same shape, or a column and a vector.

    Returns
    -------
    TensorVariable
    """
    a, b = align_targets(a, b)
    return T.square(a - b)


def aggregate(loss: Any, weights: Any = None, mode: str = "mean") -> Any:
    """Return one number for the losses of a batch.

    Parameters
    ----------
    loss : tensor
    weights : tensor, optional
        Factors for its elements, broadcast against it.
    mode : {'mean', 'sum', 'normalized_sum'}
        The last is the sum divided by that of the weights.

    Returns
    -------
    TensorVariable
        0-d.

    Raises
    ------
    ValueError
        For another mode, or 'normalized_sum' without weights.
    """
    loss = T.as_tensor_variable(loss)
    if weights is not None:
        loss = loss * weights
    if mode == "mean":
        return loss.mean()
    if mode == "sum":
        return loss.sum()
    if mode != "normalized_sum":
        raise ValueError(f"mode is 'mean', 'sum' or 'normalized_sum', got {mode!r}")
    if weights is None:
        raise ValueError("mode 'normalized_sum' divides by the sum of weights, which are not given")
    return loss.sum() / T.as_tensor_variable(weights).sum()


def binary_hinge_loss(
    predictions: Any,
    targets: Any,
    delta: float = 1,
    log_odds: bool | None = None,
    binary: bool = True,
) -> Any:
    """Return ``max(0, delta - s p)`` for each element, with the sign ``s`` of the target.

    Parameters
    ----------
    predictions : tensor
        Scores such as log odds: positive for the second class.
    targets : tensor
        0 and 1 if `binary`, else -1 and 1.
    delta : float
        The margin.
    log_odds : bool, optional
        Deprecated: False says that predictions are probabilities.
    binary : bool

    Returns
    -------
    TensorVariable
    """
    predictions, targets = align_targets(predictions, targets)
    if log_odds is False:
        predictions = T.log(predictions / (1 - predictions))
    if binary:
        targets = 2 * targets - 1
    return T.nnet.relu(delta - predictions * targets)


def multiclass_hinge_loss(predictions: Any, targets: Any, delta: float = 1) -> Any:
    """Return ``max(0, delta + max_{j != t} p_j - p_t)`` for each row.

    Crammer and Singer 2001, "On the algorithmic implementation of multiclass kernel-based vector
    machines".

    Parameters
    ----------
    predictions : matrix
        Scores of classes.
    targets : vector of int or matrix
        The right class of each row, or a matrix with a one in its place.
    delta : float
        The margin.

    Returns
    -------
    TensorVariable
        A vector.

    Raises
    ------
    TypeError
        If targets have another rank.
    """
    predictions, targets = T.as_tensor_variable(predictions), T.as_tensor_variable(targets)
    if targets.ndim == predictions.ndim - 1:
        targets = T.extra_ops.to_one_hot(targets, predictions.shape[1])
    elif targets.ndim != predictions.ndim:
        raise TypeError(
            f"targets of a hinge loss are a vector of classes or a matrix, got rank {targets.ndim}"
        )
    right = T.neq(targets, 0)
    score = T.sum(T.switch(right, predictions, 0), axis=1)
    best = T.max(T.switch(right, -float("inf"), predictions), axis=1)
    return T.nnet.relu(best - score + delta)


def huber_loss(predictions: Any, targets: Any, delta: float = 1) -> Any:
    """Return half the squared error where it is below `delta`, and a line beyond.

    Huber 1964, "Robust estimation of a location parameter": ``e**2 / 2`` for ``|e| <= delta``, else
    ``delta (|e| - delta / 2)``.

    Parameters
    ----------
    predictions, targets : tensor
    delta : float

    Returns
    -------
    TensorVariable
    """
    predictions, targets = align_targets(predictions, targets)
    off = abs(targets - predictions)
    return T.switch(off > delta, delta * (off - 0.5 * delta), 0.5 * off**2)


def binary_accuracy(predictions: Any, targets: Any, threshold: float = 0.5) -> Any:
    """Return for each element whether it lies on the right side of a threshold.

    Parameters
    ----------
    predictions : tensor
        Probabilities.
    targets : tensor
        0 and 1.
    threshold : float

    Returns
    -------
    TensorVariable
        bool.
    """
    predictions, targets = align_targets(predictions, targets)
    return T.eq(T.ge(predictions, threshold), targets)


def categorical_accuracy(predictions: Any, targets: Any, top_k: int = 1) -> Any:
    """Return for each row whether the right class is among the `top_k` likeliest.

    Parameters
    ----------
    predictions : matrix
        Scores of classes.
    targets : vector of int or matrix
        The right classes, or a matrix whose rows are largest there.
    top_k : int

    Returns
    -------
    TensorVariable
        A vector of bool.
    """
    predictions, targets = T.as_tensor_variable(predictions), T.as_tensor_variable(targets)
    if targets.ndim == predictions.ndim:
        targets = T.argmax(targets, axis=-1)
    elif targets.ndim != predictions.ndim - 1:
        raise TypeError(
            f"targets have rank {targets.ndim}, predictions {predictions.ndim}: targets need the "
            "same rank, or one axis less"
        )
    if top_k == 1:
        return T.eq(T.argmax(predictions, axis=-1), targets)
    best = T.argsort(predictions, axis=-1)[..., -top_k:]
    return T.any(T.eq(best, T.shape_padright(targets)), axis=-1)


class Objective:
    """A loss of the output of a network, with the variable for its targets.

    Parameters
    ----------
    input_layer : Layer
        Whose output is predicted.
    loss_function : callable
        Of predictions and targets.
    aggregation : {'mean', 'sum', 'normalized_sum'}

    Attributes
    ----------
    target_var : TensorVariable
        A variable of the output's type.
    """

    def __init__(
        self, input_layer: Any, loss_function: Any = squared_error, aggregation: str = "mean"
    ) -> None:
        self.input_layer = input_layer
        self.loss_function = loss_function
        self.aggregation = aggregation
        self.target_var = T.TensorType("floatX", (False,) * len(input_layer.output_shape))("target")

    def get_loss(
        self, input: Any = None, target: Any = None, weights: Any = None, **kwargs: Any
    ) -> Any:
        """Return the loss as an expression.

        Parameters
        ----------
        input : tensor or dict, optional
            As for `symc.nn.layers.get_output`.
        target : tensor, optional
            Default `target_var`.
        weights : tensor, optional
            As for `aggregate`.
        **kwargs
            Passed on to `symc.nn.layers.get_output`.

        Returns
        -------
        TensorVariable
            0-d.
        """
        output = get_output(self.input_layer, input, **kwargs)
        losses = self.loss_function(output, self.target_var if target is None else target)
        return aggregate(losses, weights, self.aggregation)


class layer_objective:  # noqa: N801 - a decorator
    """Let a loss of predictions and targets take a layer instead; a decorator too.

    It is called with a layer, targets, and optionally ``inputs``, ``weights`` and ``mode``, and
    keywords for `symc.nn.layers.get_output`. What is made of an importable function, or bears its
    name as a decorator, pickles.

    Parameters
    ----------
    loss_function : callable
        Of predictions and targets.

    Examples
    --------
    >>> from symc.nn.layers import DropoutLayer, InputLayer
    >>> @layer_objective
    ... def cubic(predictions, targets):
    ...     return abs(predictions - targets)**3
    >>> network = DropoutLayer(InputLayer((None,)))
    >>> cubic(network, [1.0, 1.0], [3.0, 2.0], mode="sum", deterministic=True).eval()
    array(9.)
    """

    def __init__(self, loss_function: Callable[[Any, Any], Any]) -> None:
        self.loss_function = loss_function
        self.__doc__ = loss_function.__doc__
        self.__module__ = loss_function.__module__
        self.__name__ = getattr(loss_function, "__name__", type(loss_function).__name__)

    def __call__(
        self,
        layer: Any,
        targets: Any,
        inputs: Any = None,
        weights: Any = None,
        mode: str = "mean",
        **kwargs: Any,
    ) -> Any:
        """Return the loss of a network's output as an expression, aggregated.

        Parameters
        ----------
        layer : Layer
        targets : tensor
        inputs : tensor, array_like or dict, optional
            As for `symc.nn.layers.get_output`.
        weights, mode
            As for `aggregate`.
        **kwargs
            Passed on to `symc.nn.layers.get_output`.

        Returns
        -------
        TensorVariable
            0-d.
        """
        return aggregate(
            self.loss_function(get_output(layer, inputs, **kwargs), targets), weights, mode
        )

    def __reduce__(self) -> Any:
        decorated = getattr(sys.modules.get(self.__module__), self.__name__, None) is self
        return self.__name__ if decorated else (layer_objective, (self.loss_function,))
