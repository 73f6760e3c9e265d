"""The classes of further ops that Theano's ``nnet`` has, and functions near them.

Where the compiler has no op of its own, an object of a class here is called with the operands that
Theano's op takes and returns expressions: the compiler fuses them, and finds the stable forms.
"""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...ops.alloc import alloc
from ...ops.elemwise import cast
from ...ops.join import concatenate
from ...ops.math import sigmoid
from ...ops.reduce import sum as sum_
from ...ops.softmax import (
    crossentropy_categorical_1hot,
    crossentropy_softmax_argmax_1hot_with_bias,
    one_hot_like,
    pick_per_row,
    softmax_with_bias,
)

__all__ = [
    "CrossentropyCategorical1Hot",
    "CrossentropyCategorical1HotGrad",
    "CrossentropySoftmax1HotWithBiasDx",
    "CrossentropySoftmaxArgmax1HotWithBias",
    "Prepend_scalar_constant_to_each_row",
    "Prepend_scalar_to_each_row",
    "SoftmaxGrad",
    "SoftmaxWithBias",
    "crossentropy_categorical_1hot_grad",
    "crossentropy_softmax_1hot_with_bias_dx",
    "prepend_0_to_each_row",
    "prepend_1_to_each_row",
    "prepend_scalar_to_each_row",
    "scalar_sigmoid",
    "sigmoid_inplace",
    "softmax_grad",
]

# What is overwritten is the memory plan's business.
sigmoid_inplace = sigmoid
scalar_sigmoid = sigmoid


# ---------------------------------------------------------------------------------------------
# Softmax and cross-entropy
# ---------------------------------------------------------------------------------------------


class SoftmaxGrad:
    """``op(dy, sm)``: the gradient at the argument of a softmax, from that at its result."""

    def __call__(self, dy: Any, sm: Any) -> Any:
        """Return ``(dy - sum(dy * sm)) * sm``, row by row."""
        dy, sm = as_tensor_variable(dy), as_tensor_variable(sm)
        return (dy - sum_(dy * sm, axis=-1, keepdims=True)) * sm


class SoftmaxWithBias:
    """``op(x, b)``: the softmax of each row of ``x + b``."""

    def __call__(self, x: Any, b: Any) -> Any:
        """Return the rows, which sum to 1."""
        return softmax_with_bias(x, b)


class CrossentropySoftmaxArgmax1HotWithBias:
    """``op(x, b, y_idx)``: negative log-likelihoods, softmax and most likely classes."""

    def __call__(self, x: Any, b: Any, y_idx: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return the three."""
        return crossentropy_softmax_argmax_1hot_with_bias(x, b, y_idx, **kwargs)


class CrossentropySoftmax1HotWithBiasDx:
    """``op(dy, sm, y_idx)``: the gradient of negative log-likelihoods at the softmax's argument."""

    def __call__(self, dy: Any, sm: Any, y_idx: Any) -> Any:
        """Return ``dy * (sm - one_hot(y_idx))``, row by row; `dy` is a vector or a scalar."""
        dy, sm, y_idx = map(as_tensor_variable, (dy, sm, y_idx))
        dy = dy.dimshuffle(0, "x") if dy.type.ndim else dy
        return dy * (sm - one_hot_like(y_idx, sm))


class CrossentropyCategorical1Hot:
    """``op(coding_dist, true_one_of_n)``: negative logarithms of the true classes' shares."""

    def __call__(self, coding_dist: Any, true_one_of_n: Any) -> Any:
        """Return a vector."""
        return crossentropy_categorical_1hot(coding_dist, true_one_of_n)


class CrossentropyCategorical1HotGrad:
    """``op(g_y, coding_dist, true_one_of_n)``: the gradient of that at the distribution."""

    def __call__(self, g_y: Any, coding_dist: Any, true_one_of_n: Any) -> Any:
        """Return ``-g_y / share`` at the true classes, and zeros elsewhere."""
        g, shares, y = map(as_tensor_variable, (g_y, coding_dist, true_one_of_n))
        slope = -g / pick_per_row(shares, y)
        return slope.dimshuffle(0, "x") * one_hot_like(y, shares)


softmax_grad = SoftmaxGrad()
crossentropy_softmax_1hot_with_bias_dx = CrossentropySoftmax1HotWithBiasDx()
crossentropy_categorical_1hot_grad = CrossentropyCategorical1HotGrad()


# ---------------------------------------------------------------------------------------------
# Columns
# ---------------------------------------------------------------------------------------------


def prepend_scalar_to_each_row(val: Any, y: Any) -> Any:
    """Return a matrix with a first column of one value, in the matrix's dtype.

    Parameters
    ----------
    val : scalar
    y : matrix_like
    """
    y = as_tensor_variable(y)
    if y.type.ndim != 2:
        raise TypeError(f"a column is put before those of a matrix, got {y.type}")
    column = alloc(cast(as_tensor_variable(val), y.type.dtype), y.shape[0], 1)
    return concatenate([column, y], axis=1)


def prepend_0_to_each_row(x: Any) -> Any:
    """Return a matrix with a first column of zeros."""
    return prepend_scalar_to_each_row(0, x)


def prepend_1_to_each_row(x: Any) -> Any:
    """Return a matrix with a first column of ones."""
    return prepend_scalar_to_each_row(1, x)


class Prepend_scalar_to_each_row:  # noqa: N801
    """``op(val, mat)``: a first column of one value."""

    def __call__(self, val: Any, mat: Any) -> Any:
        """Return the matrix with the column."""
        return prepend_scalar_to_each_row(val, mat)


class Prepend_scalar_constant_to_each_row:  # noqa: N801
    """``op(mat)``: a first column of one value.

    Parameters
    ----------
    val : float
    """

    def __init__(self, val: float = 0) -> None:
        self.val = val

    def __call__(self, mat: Any) -> Any:
        """Return the matrix with the column."""
        return prepend_scalar_to_each_row(self.val, mat)
