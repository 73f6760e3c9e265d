"""Softmax, its logarithm, and the cross-entropies that go with them.

The forward ops know their expansion into maximum, exponential and sum (`expand`), which the
compiler puts in their place before it fuses: one kernel that goes over each row while it is in
cache. As nodes of their own they can be recognised, differentiated stably, and printed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import float_dtype_of, is_continuous, is_discrete
from ..errors import IndexOutOfBoundsError, ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..scalar.arith import true_div
from .alloc import arange
from .argmax import argmax
from .axes import normalize_axis
from .elemwise import Elemwise, cast
from .gather import AdvancedSubtensor
from .logsumexp import finite_shift, largest_along
from .math import (
    clip,
    eq,
    exp,
    expm1,
    isinf,
    log,
    maximum,
    minimum,
    second,
    sigmoid,
    softplus,
    switch,
)
from .reduce import max as max_
from .reduce import sum as sum_
from .reduce import zero_gradient
from .scatter import AdvancedIncSubtensor
from .support import is_plain_zero

__all__ = [
    "CrossentropySoftmax1Hot",
    "LogSoftmax",
    "Softmax",
    "log_softmax",
    "softmax",
]


class _AlongAxis(BuiltinOp):
    """A function of a floating point tensor that works along one axis and keeps the shape."""

    __props__ = ("axis",)
    keeps_shape = True

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if not x.type.ndim:
            raise TypeError(
                user_message(
                    f"{self} needs a tensor with at least one axis",
                    got=str(x.type),
                    where=user_line(x) or None,
                )
            )
        normalize_axis(self.axis, x.type.ndim)
        if not is_continuous(x.type.dtype):
            x = cast(x, float_dtype_of(x.type.dtype))
        out = x.type()
        note_lengths(out, known_lengths(x))
        return Apply(self, [x], [out])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (point,) = eval_points
        if point is None:
            return [None]
        return [self._tangent(self(*inputs), point)]

    def _tangent(self, y: Any, point: Any) -> Any:
        raise NotImplementedError

    def __str__(self) -> str:
        return f"{type(self).__name__}{{axis={self.axis}}}"


class Softmax(_AlongAxis):
    """``y = exp(x - m) / sum(exp(x - m))`` along an axis, where m is the maximum.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> Softmax(axis=-1)(matrix()).type
    TensorType(float64, matrix)
    """

    positive = True

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        if x.size == 0:
            return np.empty_like(x)
        work = x.astype(np.float32) if x.dtype == np.float16 else x
        with np.errstate(all="ignore"):
            e = np.exp(work - work.max(axis=self.axis, keepdims=True))
            return e / e.sum(axis=self.axis, keepdims=True)

    def expand(self, node: Apply) -> list[Any]:
        (x,) = node.inputs
        e = exp(x - largest_along(x, self.axis))
        return [e / sum_(e, axis=self.axis, keepdims=True)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (y,), (g,) = outputs, g_outputs
        gy = _times(g, y)
        return [gy - y * sum_(gy, axis=self.axis, keepdims=True)]

    def _tangent(self, y: Any, point: Any) -> Any:
        py = point * y
        return py - y * sum_(py, axis=self.axis, keepdims=True)


def _times(g: Any, y: Any) -> Any:
    """``g * y``, where ``g = h / y`` gives h: the gradient of a logarithm, without underflow.

    A probability that underflows to 0 has the logarithm -inf, and `g` is infinite there; its
    product with the probability would be NaN in modes that do not simplify it.
    """
    h = _numerator(g, y)
    if h is not None:
        return second(y, h)
    node = g.owner
    if node is None or not isinstance(node.op, AdvancedIncSubtensor):
        return g * y
    base, values, *indices = node.inputs
    pick = values.owner and len(values.owner.inputs) == 2 and values.owner.inputs[1].owner
    if not pick or not isinstance(pick.op, AdvancedSubtensor) or pick.inputs != [y, *indices]:
        return g * y
    h = _numerator(values, values.owner.inputs[1])
    if h is None or node.op.set_instead_of_inc or not is_plain_zero(base):
        return g * y
    return node.op(base, second(values, h), *indices)


def _numerator(quotient: Any, divisor: Any) -> Any:
    """The h of `quotient` if it is computed as ``h / divisor``, else None."""
    node = quotient.owner
    if node is None or not isinstance(node.op, Elemwise) or node.op.scalar_op is not true_div:
        return None
    h, below = node.inputs
    return h if below is divisor and h.type.dtype == divisor.type.dtype else None


class LogSoftmax(_AlongAxis):
    """``y = x - m - log(sum(exp(x - m)))`` along an axis, where m is the maximum.

    Notes
    -----
    As in SciPy, m is taken to be 0 where it is infinite: beside an element of +inf, whose own
    value is undefined (NaN), all finite ones have the logarithm -inf.
    """

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        if x.size == 0:
            return np.empty_like(x)
        work = x.astype(np.float32) if x.dtype == np.float16 else x
        largest = work.max(axis=self.axis, keepdims=True)
        shifted = work - np.where(np.isinf(largest), work.dtype.type(0), largest)
        with np.errstate(all="ignore"):
            return shifted - np.log(np.exp(shifted).sum(axis=self.axis, keepdims=True))

    def expand(self, node: Apply) -> list[Any]:
        (x,) = node.inputs
        largest = largest_along(x, self.axis)
        # The exponentials are those of softmax, so that both together compute them once; where
        # the maximum is infinite, and they are not numbers, it is the logarithm of their sum.
        total = log(sum_(exp(x - largest), axis=self.axis, keepdims=True))
        return [x - finite_shift(largest) - switch(isinf(largest), largest, total)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (g,) = inputs, g_outputs
        return [g - Softmax(self.axis)(x) * sum_(g, axis=self.axis, keepdims=True)]

    def _tangent(self, y: Any, point: Any) -> Any:
        return point - sum_(exp(y) * point, axis=self.axis, keepdims=True)


def _labels_as_indices(y: Any, x: Any) -> Any:
    """Labels of the rows of `x` as indices; negative ones, which no class has, lie outside."""
    return y if y.type.dtype.startswith("uint") else switch(y < 0, y - x.shape[1], y)


def pick_per_row(x: Any, y: Any) -> Any:
    """``x[i, y[i]]`` for every row i of a matrix; a label outside [0, columns) is an error."""
    return AdvancedSubtensor((0, 1))(x, arange(x.shape[0]), _labels_as_indices(y, x))


def one_hot_like(y: Any, x: Any) -> Any:
    """A matrix of the shape and dtype of `x` with 1 at ``[i, y[i]]`` and 0 elsewhere."""
    columns = arange(x.shape[1]).dimshuffle("x", 0)
    return cast(eq(y.dimshuffle(0, "x"), columns), x.type.dtype)


class CrossentropySoftmax1Hot(BuiltinOp):
    """``nll[i] = log(sum(exp(x[i]))) - x[i, y[i]]`` and ``p = softmax(x)``, stably.

    Operands: scores `x` (n, classes) and labels `y` (n,) of an integer dtype. Outputs: the
    negative log-likelihood of each row's label, and the class probabilities.

    Raises
    ------
    IndexError
        When run with a label outside [0, classes).
    """

    __props__ = ()

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_tensor_variable(x), as_tensor_variable(y)
        if x.type.ndim != 2 or not is_continuous(x.type.dtype):
            raise TypeError(
                user_message(
                    f"{self}: scores must be a floating point matrix, one row per example",
                    got=str(x.type),
                    where=user_line(x) or None,
                )
            )
        if y.type.ndim != 1 or not is_discrete(y.type.dtype) or y.type.dtype == "bool":
            raise TypeError(
                user_message(
                    f"{self}: labels must be an integer vector",
                    got=str(y.type),
                    where=user_line(y) or None,
                )
            )
        pattern = (x.type.broadcastable[0],)
        return Apply(self, [x, y], [TensorType(x.type.dtype, pattern)(), x.type()])

    def numpy(self, *arrays: Any) -> Any:
        x, y = arrays
        if len(x) != len(y):
            raise ShapeError(
                user_message(
                    f"{self}: as many labels as rows are needed",
                    got=f"{len(x)} rows and {len(y)} labels",
                )
            )
        bad = (y < 0) | (y >= x.shape[1])
        if bad.any():
            raise IndexOutOfBoundsError(
                user_message(
                    f"label {int(y[bad][0])} is out of bounds for {x.shape[1]} classes",
                )
            )
        log_p = LogSoftmax(-1).numpy(x)
        return -log_p[np.arange(len(y)), y], np.exp(log_p)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y = in_shapes
        rows = ctx.equal(x[0], y[0], "cross-entropy: {0} rows but {1} labels")
        return [(rows,), (rows, x[1])]

    def expand(self, node: Apply) -> list[Any]:
        x, y = node.inputs
        log_p = LogSoftmax(-1).expand(Apply(LogSoftmax(-1), [x], [x.type()]))[0]
        return [-pick_per_row(log_p, y), exp(log_p)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that labels are disconnected."""
        return [[True, True], [False, False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y = inputs
        g_nll, g_p = g_outputs
        total = None
        if not isinstance(g_nll.type, DisconnectedType):
            # what is subtracted is written at its place: a label outside is an error here, too
            place = arange(x.shape[0]), _labels_as_indices(y, x)
            spread = g_nll.dimshuffle(0, "x") * outputs[1]
            total = AdvancedIncSubtensor((0, 1))(spread, -g_nll, *place)
        if not isinstance(g_p.type, DisconnectedType):
            gp = g_p * outputs[1]
            term = gp - outputs[1] * sum_(gp, axis=1, keepdims=True)
            total = term if total is None else total + term
        return [zero_gradient(x) if total is None else total, disconnected_type()]

    def __str__(self) -> str:
        return "CrossentropySoftmax1Hot"


crossentropy_softmax_1hot_op = named_op("crossentropy_softmax_1hot_op", CrossentropySoftmax1Hot())


# ---------------------------------------------------------------------------------------------
# Functions for users
# ---------------------------------------------------------------------------------------------


def softmax(x: Any, axis: int = -1) -> Any:
    """Return ``exp(x) / sum(exp(x))`` along an axis, without overflow.

    Parameters
    ----------
    x : tensor_like
        With at least one axis; integers are converted to floatX.
    axis : int

    Examples
    --------
    >>> from symc.array.constructors import tensor3
    >>> softmax(tensor3(), axis=1).type
    TensorType(float64, 3D)
    """
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim)
    return Softmax(axis - x.type.ndim)(x)


def log_softmax(x: Any, axis: int = -1) -> Any:
    """Return ``log(softmax(x, axis))``, accurate where the probability is tiny."""
    x = as_tensor_variable(x)
    axis = normalize_axis(axis, x.type.ndim)
    return LogSoftmax(axis - x.type.ndim)(x)


def _as_rows(x: Any, what: str) -> Any:
    """`x` as a matrix; a vector becomes its one row."""
    x = as_tensor_variable(x)
    if x.type.ndim not in (1, 2):
        raise ValueError(
            user_message(
                f"nnet.{what} takes a vector or a matrix",
                got=str(x.type),
                hint=f"symc.{what}(x, axis) takes any number of axes",
                where=user_line(x) or None,
            )
        )
    return x.dimshuffle("x", 0) if x.type.ndim == 1 else x


def nnet_softmax(c: Any) -> Any:
    """Return the softmax of each row; a vector gives a matrix of one row, as in Theano."""
    return softmax(_as_rows(c, "softmax"))


def nnet_logsoftmax(c: Any) -> Any:
    """Return the logarithm of `nnet_softmax`."""
    return log_softmax(_as_rows(c, "log_softmax"))


def softmax_with_bias(x: Any, b: Any) -> Any:
    """Return the softmax of the rows of ``x + b``."""
    return nnet_softmax(as_tensor_variable(x) + as_tensor_variable(b))


def crossentropy_softmax_1hot(x: Any, y_idx: Any) -> tuple[Any, Any]:
    """Return the negative log-likelihood of labels under the softmax of rows, and that softmax.

    Parameters
    ----------
    x : matrix_like, (n, classes)
    y_idx : integer vector_like, (n,)
    """
    loss, p = crossentropy_softmax_1hot_op(_as_rows(x, "softmax"), y_idx)
    return loss, p


def crossentropy_softmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> tuple[Any, Any]:
    """As `crossentropy_softmax_1hot` of ``x + b``."""
    return crossentropy_softmax_1hot(as_tensor_variable(x) + as_tensor_variable(b), y_idx)


def crossentropy_softmax_max_and_argmax_1hot(x: Any, y_idx: Any) -> tuple[Any, ...]:
    """As `crossentropy_softmax_1hot`, and the largest probability and its position per row."""
    loss, p = crossentropy_softmax_1hot(x, y_idx)
    return loss, p, max_(p, axis=1), argmax(p, axis=1)


def crossentropy_softmax_argmax_1hot_with_bias(x: Any, b: Any, y_idx: Any) -> tuple[Any, ...]:
    """Return loss, softmax and most probable class of each row of ``x + b``."""
    loss, p = crossentropy_softmax_1hot_with_bias(x, b, y_idx)
    return loss, p, argmax(p, axis=1)


def crossentropy_categorical_1hot(coding_dist: Any, true_one_of_n: Any) -> Any:
    """Return ``-log(coding_dist[i, true_one_of_n[i]])``; of a softmax without underflow."""
    p, y = as_tensor_variable(coding_dist), as_tensor_variable(true_one_of_n)
    if p.owner is not None and isinstance(p.owner.op, Softmax):
        return -pick_per_row(LogSoftmax(p.owner.op.axis)(*p.owner.inputs), y)
    return -log(pick_per_row(p, y))


def categorical_crossentropy(coding_dist: Any, true_dist: Any) -> Any:
    """Return the cross-entropy of each row of predicted probabilities with the truth.

    Parameters
    ----------
    coding_dist : matrix_like
        Predicted probabilities, one row per example.
    true_dist : integer vector_like or matrix_like
        The right class of each example, or its distribution.

    Raises
    ------
    TypeError
        If the ranks do not fit.
    IndexOutOfBoundsError
        When run with a class that is negative or too large.
    """
    coding_dist, true_dist = as_tensor_variable(coding_dist), as_tensor_variable(true_dist)
    if true_dist.type.ndim == coding_dist.type.ndim:
        return -sum_(true_dist * log(coding_dist), axis=coding_dist.type.ndim - 1)
    if true_dist.type.ndim == coding_dist.type.ndim - 1 == 1:
        return crossentropy_categorical_1hot(coding_dist, true_dist)
    raise TypeError(
        user_message(
            "categorical_crossentropy: the ranks do not fit",
            got=f"{coding_dist.type} and {true_dist.type}",
            expected="two matrices, or a matrix and an integer vector",
        )
    )


def binary_crossentropy(output: Any, target: Any) -> Any:
    """Return ``-(target log(output) + (1 - target) log(1 - output))``, element by element."""
    output, target = as_tensor_variable(output), as_tensor_variable(target)
    return -(target * log(output) + (1.0 - target) * log(1.0 - output))


def sigmoid_binary_crossentropy(output: Any, target: Any) -> Any:
    """Return `binary_crossentropy` of ``sigmoid(output)``, stably: ``softplus(x) - x t``.

    The gradient with respect to `output` is ``sigmoid(x) - t``.
    """
    x, t = as_tensor_variable(output), as_tensor_variable(target)
    return softplus(x) - x * t


def relu(x: Any, alpha: Any = 0) -> Any:
    """Return ``max(x, 0)``, or x where positive and ``alpha x`` elsewhere.

    The derivative at 0 is `alpha`, so 0 by default: what is exactly zero learns nothing. Theano has
    the mean of both sides there, ``(1 + alpha) / 2``.
    """
    x = as_tensor_variable(x)
    if isinstance(alpha, (int, float)) and alpha == 0:
        return maximum(0, x)  # of two that are equal the first has the derivative
    return switch(x > 0, x, alpha * x)


def elu(x: Any, alpha: Any = 1) -> Any:
    """Return x where positive and ``alpha (exp(x) - 1)`` elsewhere (Clevert et al., 2015)."""
    x = as_tensor_variable(x)
    return switch(x > 0, x, alpha * expm1(minimum(x, 0)))


def selu(x: Any) -> Any:
    """Return the scaled ELU that keeps mean and variance (Klambauer et al., 2017)."""
    return 1.0507009873554805 * elu(x, 1.6732632423543772)


def softsign(x: Any) -> Any:
    """Return ``x / (1 + |x|)``."""
    x = as_tensor_variable(x)
    return x / (1.0 + abs(x))


def hard_sigmoid(x: Any) -> Any:
    """Return ``clip(0.2 x + 0.5, 0, 1)``, a piecewise linear sigmoid."""
    return clip(0.2 * as_tensor_variable(x) + 0.5, 0.0, 1.0)


def ultra_fast_sigmoid(x: Any) -> Any:
    """Return the sigmoid; it costs no more than Theano's approximation of this name did."""
    return sigmoid(x)

