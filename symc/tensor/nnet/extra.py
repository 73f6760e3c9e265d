"""Further functions of `symc.tensor.nnet`, composed of those of the core."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...ops.dot import dot
from ...ops.elemwise import cast
from ...ops.extra import unique
from ...ops.join import concatenate
from ...ops.math import eq
from ...ops.softmax import (
    LogSoftmax,
    Softmax,
    crossentropy_softmax_max_and_argmax_1hot,
    nnet_softmax,
)

__all__ = [
    "confusion_matrix",
    "crossentropy_softmax_max_and_argmax_1hot_with_bias",
    "logsoftmax_op",
    "softmax_graph",
    "softmax_op",
]

softmax_op = Softmax(-1)
logsoftmax_op = LogSoftmax(-1)
softmax_graph = nnet_softmax


def crossentropy_softmax_max_and_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> Any:
    """As `crossentropy_softmax_max_and_argmax_1hot` of ``x + b``."""
    total = as_tensor_variable(x) + as_tensor_variable(b)
    return crossentropy_softmax_max_and_argmax_1hot(total, y_idx)


def confusion_matrix(actual: Any, pred: Any) -> list[Any]:
    """Return how often each class was taken for each.

    Parameters
    ----------
    actual, pred : integer vector_like, (n,)
        The true and the predicted class of each example.

    Returns
    -------
    [matrix, order]
        ``matrix[i, j]`` counts the examples of class ``order[i]`` that were taken for
        ``order[j]``; `order` are the classes that occur, sorted.

    Raises
    ------
    ValueError
        If one of the operands is no vector.
    """
    actual, pred = as_tensor_variable(actual), as_tensor_variable(pred)
    if actual.type.ndim != 1 or pred.type.ndim != 1:
        raise ValueError(f"confusion_matrix takes vectors, got {actual.type} and {pred.type}")
    order = unique(concatenate([actual, pred]))
    one_hot = [cast(eq(v.dimshuffle(0, "x"), order), "int64") for v in (actual, pred)]
    return [dot(one_hot[0].T, one_hot[1]), order]
