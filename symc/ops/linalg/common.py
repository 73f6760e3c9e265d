"""What the ops of linear algebra share: operands, checks, errors, triangles."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths
from ...array.type import TensorType
from ...dtypes import float_dtype_of, is_complex
from ...errors import ShapeError, SingularMatrixError, user_message
from ...graph.op import BuiltinOp
from ...graph.special import DisconnectedType
from ...graph.trace import user_line
from ..alloc import tril, triu
from ..dimshuffle import transpose
from ..elemwise import cast
from ..math import conj
from ..shape import unbroadcast

__all__ = [
    "LinearAlgebraOp",
    "adjoint",
    "as_floats",
    "as_matrix",
    "as_square",
    "into_triangle",
    "is_connected",
    "matrix_of",
    "require_square",
    "vector_of",
]


def as_floats(x: Any, what: str, ranks: Sequence[int]) -> Any:
    """Return `x` as a tensor of a float or complex dtype without broadcastable axes.

    Parameters
    ----------
    x : tensor_like
    what : str
        Name of the operation, for messages.
    ranks : sequence of int
        The numbers of axes that it accepts.

    Raises
    ------
    ShapeError
        If `x` has another number of axes.
    """
    x = as_tensor_variable(x)
    if x.type.ndim not in ranks:
        raise ShapeError(
            user_message(
                f"{what} takes {' or '.join({1: 'a vector', 2: 'a matrix'}[r] for r in ranks)}",
                got=f"{x} of type {x.type}",
                where=user_line(x) or None,
            )
        )
    x = cast(x, float_dtype_of(x.type.dtype))
    fixed = [axis for axis, b in enumerate(x.type.broadcastable) if b]
    return unbroadcast(x, *fixed) if fixed else x


def as_matrix(x: Any, what: str) -> Any:
    """Return `x` as a matrix of a float or complex dtype."""
    return as_floats(x, what, (2,))


def as_square(x: Any, what: str) -> Any:
    """Return `x` as such a matrix; an error if its lengths are known to differ."""
    x = as_matrix(x, what)
    rows, columns = known_lengths(x)
    if None not in (rows, columns) and rows != columns:
        raise ShapeError(_not_square(what, (rows, columns), user_line(x)))
    return x


def require_square(what: str, a: Any) -> None:
    """Raise `ShapeError` unless the array `a` is square."""
    if a.shape[0] != a.shape[1]:
        raise ShapeError(_not_square(what, a.shape))


def _not_square(what: str, shape: Any, where: str | None = None) -> str:
    return user_message(
        f"{what} needs a square matrix", got=f"shape {tuple(shape)}", where=where or None
    )


def matrix_of(x: Any, dtype: str | None = None) -> Any:
    """A new matrix of the dtype of `x`, or of another one."""
    return TensorType(dtype or x.type.dtype, (False, False)).make_variable()


def vector_of(dtype: str) -> Any:
    """A new vector."""
    return TensorType(dtype, (False,)).make_variable()


def is_connected(g: Any) -> bool:
    """Whether a gradient arrives."""
    return not isinstance(g.type, DisconnectedType)


def adjoint(x: Any) -> Any:
    """The conjugate transpose."""
    return transpose(conj(x) if is_complex(x.type.dtype) else x)


def into_triangle(g: Any, lower: bool) -> Any:
    """The gradient with respect to the triangle of a symmetric matrix that is read.

    Parameters
    ----------
    g : tensor
        The gradient with respect to the whole symmetric (Hermitian) matrix.
    lower : bool
        Whether the lower triangle is read.
    """
    return tril(g) + adjoint(triu(g, 1)) if lower else triu(g) + adjoint(tril(g, -1))


class LinearAlgebraOp(BuiltinOp):
    """An op that calls a library; `compute` is its meaning.

    float16 is computed in float32. What LAPACK can't do is a `SingularMatrixError`.
    """

    __props__: tuple[str, ...] = ()

    def numpy(self, *arrays: Any) -> Any:
        given = [a.astype("float32") if a.dtype == "float16" else a for a in arrays]
        try:
            return self.compute(*given)
        except np.linalg.LinAlgError as error:
            if isinstance(error, SingularMatrixError):
                raise
            shapes = ", ".join(str(a.shape) for a in arrays)
            message = user_message(f"{self}: {error}", got=f"operands of shape {shapes}")
            raise SingularMatrixError(message) from error

    def compute(self, *arrays: Any) -> Any:
        """Return the result for arrays, or a tuple of results."""
        raise NotImplementedError(f"{type(self).__name__} does not define compute")
