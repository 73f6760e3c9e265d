"""Inverse, pseudo-inverse, determinant."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.type import TensorType
from ...dtypes import is_complex, real_dtype_of
from ...graph.node import Apply
from ...graph.op import named_op
from ..dot import dot
from ..math import conj
from ..reduce import Sum
from .common import LinearAlgebraOp, adjoint, as_matrix, as_square, matrix_of, require_square

__all__ = [
    "Det",
    "MatrixInverse",
    "MatrixPinv",
    "SLogDet",
    "det",
    "matrix_inverse",
    "pinv",
    "pinv_gradient",
    "slogdet",
]


class MatrixInverse(LinearAlgebraOp):
    """The inverse of a square matrix.

    Where a product with the inverse is wanted, `solve` is faster and more accurate. The gradient
    is ``-Y^H g Y^H`` for the inverse Y.

    Raises
    ------
    SingularMatrixError
        In a call, if there is none.
    """

    __props__ = ()
    inverts = True
    """Products with the result are solutions of linear equations; a rule makes use of it."""

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "matrix_inverse")
        return Apply(self, [x], [matrix_of(x)])

    def compute(self, *arrays: Any) -> Any:
        require_square("matrix_inverse", arrays[0])
        return np.linalg.inv(arrays[0])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        y = adjoint(outputs[0])
        return [-dot(dot(y, g_outputs[0]), y)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        if eval_points[0] is None:
            return [None]
        y = self(*inputs)
        return [-dot(dot(y, eval_points[0]), y)]


class MatrixPinv(LinearAlgebraOp):
    """The Moore-Penrose pseudo-inverse of a matrix, from its singular values.

    The gradient (Golub and Pereyra, 1973) is that at constant rank.
    """

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_matrix(x, "pinv")
        return Apply(self, [x], [matrix_of(x)])

    def compute(self, *arrays: Any) -> Any:
        return np.linalg.pinv(arrays[0])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        rows, columns = in_shapes[0]
        return [(columns, rows)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [pinv_gradient(inputs[0], outputs[0], g_outputs[0])]


def pinv_gradient(x: Any, y: Any, g: Any) -> Any:
    """The gradient that arrives at `x` if `g` arrives at its pseudo-inverse `y`.

    The derivative is ``-Y dX Y + Y Y^H dX^H (1 - X Y) + (1 - Y X) dX^H Y^H Y``.
    """
    xh, yh, gh = adjoint(x), adjoint(y), adjoint(g)
    first = dot(dot(yh, g), yh)
    # (1 - X Y) and (1 - Y X) are Hermitian; the products are kept narrow.
    second = dot(gh, dot(y, yh))
    third = dot(dot(yh, y), gh)
    return -first + (second - dot(yh, dot(xh, second))) + (third - dot(dot(third, xh), yh))


class Det(LinearAlgebraOp):
    """The determinant; 1 for a matrix without elements.

    The gradient is ``g det(X) X^-H``, which needs an inverse: it is an error at singular matrices.
    """

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "det")
        return Apply(self, [x], [TensorType(x.type.dtype, ()).make_variable()])

    def compute(self, *arrays: Any) -> Any:
        require_square("det", arrays[0])
        return np.asarray(np.linalg.det(arrays[0]))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [()]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        y = conj(outputs[0]) if is_complex(outputs[0].type.dtype) else outputs[0]
        return [g_outputs[0] * y * adjoint(matrix_inverse(inputs[0]))]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        if eval_points[0] is None:
            return [None]
        inverse = adjoint(adjoint(matrix_inverse(inputs[0])))
        return [self(*inputs) * Sum()(inverse.T * eval_points[0])]


class SLogDet(LinearAlgebraOp):
    """Sign (or phase) of the determinant, and the logarithm of its size.

    The gradient of the logarithm is ``g X^-H``; that of the sign is 0 for real matrices.
    """

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "slogdet")
        size = TensorType(real_dtype_of(x.type.dtype), ()).make_variable()
        return Apply(self, [x], [TensorType(x.type.dtype, ()).make_variable(), size])

    def compute(self, *arrays: Any) -> Any:
        require_square("slogdet", arrays[0])
        return tuple(map(np.asarray, np.linalg.slogdet(arrays[0])))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(), ()]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the sign is constant."""
        return [[False, True]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [g_outputs[1] * adjoint(matrix_inverse(inputs[0]))]


matrix_inverse = named_op("matrix_inverse", MatrixInverse())
pinv = named_op("pinv", MatrixPinv())
det = named_op("det", Det())
slogdet = named_op("slogdet", SLogDet())
