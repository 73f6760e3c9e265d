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

from .axes import normalize_axis
from .elemwise import cast
from .reduce import zero_gradient
from .reduce import max as max_
from .reduce import sum as sum_

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

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        if x.size == 0:
            return np.empty_like(x)
        work = x.astype(np.float32) if x.dtype == np.float16 else x
        e = np.exp(work - work.max(axis=self.axis, keepdims=True))
        return e / e.sum(axis=self.axis, keepdims=True)

    def expand(self, node: Apply) -> list[Any]:
        (x,) = node.inputs
        e = T.exp(x - max_(x, axis=self.axis, keepdims=True))
        return [e / sum_(e, axis=self.axis, keepdims=True)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (y,), (g,) = outputs, g_outputs
        gy = g * y
        return [gy - y * sum_(gy, axis=self.axis, keepdims=True)]

    def _tangent(self, y: Any, point: Any) -> Any:
        py = point * y
        return py - y * sum_(py, axis=self.axis, keepdims=True)


class LogSoftmax(_AlongAxis):
    """``y = x - m - log(sum(exp(x - m)))`` along an axis, where m is the maximum."""

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        if x.size == 0:
            return np.empty_like(x)
        work = x.astype(np.float32) if x.dtype == np.float16 else x
        shifted = work - work.max(axis=self.axis, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=self.axis, keepdims=True))

    def expand(self, node: Apply) -> list[Any]:
        (x,) = node.inputs
        shifted = x - max_(x, axis=self.axis, keepdims=True)
        return [shifted - T.log(sum_(T.exp(shifted), axis=self.axis, keepdims=True))]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (g,) = inputs, g_outputs
        return [g - Softmax(self.axis)(x) * sum_(g, axis=self.axis, keepdims=True)]

    def _tangent(self, y: Any, point: Any) -> Any:
        return point - sum_(T.exp(y) * point, axis=self.axis, keepdims=True)


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
        return [-pick_per_row(log_p, y), T.exp(log_p)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that labels are disconnected."""
        return [[True, True], [False, False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y = inputs
        g_nll, g_p = g_outputs
        total = None
        if not isinstance(g_nll.type, DisconnectedType):
            total = g_nll.dimshuffle(0, "x") * (outputs[1] - one_hot_like(y, x))
        if not isinstance(g_p.type, DisconnectedType):
            gp = g_p * outputs[1]
            term = gp - outputs[1] * sum_(gp, axis=1, keepdims=True)
            total = term if total is None else total + term
        return [zero_gradient(x) if total is None else total, disconnected_type()]

    def __str__(self) -> str:
        return "CrossentropySoftmax1Hot"
