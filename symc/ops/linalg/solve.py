"""Cholesky factors, linear equations and least squares."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.type import TensorType
from ...dtypes import real_dtype_of
from ...errors import ShapeError, SingularMatrixError, user_message
from ...graph.node import Apply
from ...graph.op import named_op
from ...graph.special import NullType, disconnected_type
from ...lazy import LazyModule
from ...scalar.arith import minimum
from ..alloc import identity_like, tril, triu
from ..dimshuffle import DimShuffle
from ..dot import dot, outer
from ..elemwise import cast
from .common import (
    LinearAlgebraOp,
    adjoint,
    as_floats,
    as_matrix,
    as_square,
    into_triangle,
    is_connected,
    matrix_of,
    require_square,
    vector_of,
)
from .inverse import pinv, pinv_gradient

__all__ = [
    "MATRIX_STRUCTURES",
    "Cholesky",
    "Lstsq",
    "Solve",
    "cholesky",
    "lstsq",
    "solve",
    "solve_lower_triangular",
    "solve_symmetric",
    "solve_upper_triangular",
]

scipy_linalg = LazyModule("scipy.linalg")

MATRIX_STRUCTURES = (
    "general",
    "symmetric",
    "lower_triangular",
    "upper_triangular",
    "hermitian",
    "banded",
    "diagonal",
    "toeplitz",
)
"""Names of matrix structures; `Solve` makes use of the first four."""


class Cholesky(LinearAlgebraOp):
    """The triangular factor of a positive definite matrix: ``X = L L^H``, or ``X = U^H U``.

    Parameters
    ----------
    lower : bool
        Whether the factor is lower triangular. The same triangle of the operand is read.
    on_error : {"raise", "nan"}
        What happens if the matrix is not positive definite: an error, or a result of NaNs.

    Notes
    -----
    With ``S = L^-H P L^-1``, P the lower triangle of ``L^H g`` with its diagonal halved, the
    gradient is ``(S + S^H) / 2`` (Murray, 2016), brought into the triangle that is read.
    """

    __props__ = ("lower", "on_error")

    def __init__(self, lower: bool = True, on_error: str = "raise") -> None:
        if on_error not in ("raise", "nan"):
            raise ValueError(f"on_error must be 'raise' or 'nan', got {on_error!r}")
        self.lower = bool(lower)
        self.on_error = on_error

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "cholesky")
        return Apply(self, [x], [matrix_of(x)])

    def compute(self, *arrays: Any) -> Any:
        (x,) = arrays
        require_square("cholesky", x)
        if not x.size:
            return x.copy()
        try:
            return scipy_linalg.cholesky(x, lower=self.lower, check_finite=False)
        except np.linalg.LinAlgError as error:
            if self.on_error == "nan":
                return np.full_like(x, np.nan)
            message = user_message(
                "cholesky: the matrix is not positive definite",
                got=f"a matrix of shape {x.shape}; {error}",
                hint="Cholesky(on_error='nan') gives NaNs instead",
            )
            raise SingularMatrixError(message) from error

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        factor, g = outputs[0], g_outputs[0]
        if not self.lower:
            factor, g = adjoint(factor), adjoint(g)
        product = tril(dot(adjoint(factor), g))
        product = product - identity_like(product) * product / 2
        upper = adjoint(factor)
        left = solve_upper_triangular(upper, product)
        s = adjoint(solve_upper_triangular(upper, adjoint(left)))
        return [into_triangle((s + adjoint(s)) / 2, self.lower)]


class Solve(LinearAlgebraOp):
    """The solution x of ``A x = b``, for a vector or the columns of a matrix b.

    Parameters
    ----------
    A_structure : {"general", "symmetric", "lower_triangular", "upper_triangular"}
        What is known about A. Of a symmetric matrix the upper triangle is read, or the lower one
        with `lower`; of a triangular one its triangle.
    lower : bool
    overwrite_A, overwrite_b : bool
        Accepted and ignored: the compiler decides about memory.

    Notes
    -----
    The gradients are ``gb = A^-H g`` and ``-gb x^H``, the latter brought into what is read of A.

    Raises
    ------
    SingularMatrixError
        In a call, if A is singular.
    """

    __props__ = ("A_structure", "lower")

    def __init__(
        self,
        A_structure: str = "general",
        lower: bool = False,
        overwrite_A: bool = False,
        overwrite_b: bool = False,
    ) -> None:
        if A_structure not in MATRIX_STRUCTURES[:4]:
            raise ValueError(
                user_message(
                    "the structure of the matrix is not known",
                    got=repr(A_structure),
                    expected=", ".join(MATRIX_STRUCTURES[:4]),
                )
            )
        self.A_structure = A_structure
        triangular = A_structure.endswith("triangular")
        self.lower = A_structure == "lower_triangular" if triangular else bool(lower)

    def make_node(self, a: Any, b: Any) -> Apply:
        a, b = as_square(a, "solve"), as_floats(b, "solve", (1, 2))
        dtype = np.result_type(a.type.dtype, b.type.dtype).name
        a, b = cast(a, dtype), cast(b, dtype)
        return Apply(self, [a, b], [TensorType(dtype, b.type.broadcastable).make_variable()])

    def compute(self, *arrays: Any) -> Any:
        a, b = arrays
        require_square("solve", a)
        if len(a) != len(b):
            raise ShapeError(
                user_message(
                    "solve: the right-hand side has another number of rows than the matrix",
                    got=f"shapes {a.shape} and {b.shape}",
                )
            )
        if not b.size:
            return np.zeros_like(b)
        if self.A_structure == "general":
            return np.linalg.solve(a, b)
        if self.A_structure == "symmetric":
            return scipy_linalg.solve(
                a, b, lower=self.lower, assume_a=_symmetric(a), check_finite=False
            )
        return scipy_linalg.solve_triangular(a, b, lower=self.lower, check_finite=False)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[1]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        a, (x,), (g,) = inputs[0], outputs, g_outputs
        gb = self.transposed(adjoint(a), g)
        ga = -outer(gb, _conjugate(x)) if x.type.ndim == 1 else -dot(gb, adjoint(x))
        if self.A_structure == "symmetric":
            ga = into_triangle(ga, self.lower)
        elif self.A_structure != "general":
            ga = tril(ga) if self.lower else triu(ga)
        return [ga, gb]

    def expand(self, node: Apply) -> list[Any] | None:
        """The solution by one triangle, where the matrix is a Cholesky factor."""
        a, b = node.inputs
        if self.A_structure != "general" or a.owner is None:
            return None
        flipped = isinstance(a.owner.op, DimShuffle) and a.owner.op.new_order == (1, 0)
        factor = a.owner.inputs[0].owner if flipped else a.owner
        if factor is None or not isinstance(factor.op, Cholesky):
            return None
        lower = factor.op.lower != flipped
        return [(solve_lower_triangular if lower else solve_upper_triangular)(a, b)]

    @property
    def transposed(self) -> Solve:
        """The op for the transposed matrix."""
        flipped = {"lower_triangular": "upper_triangular", "upper_triangular": "lower_triangular"}
        return Solve(flipped.get(self.A_structure, self.A_structure), not self.lower)

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (a, b), (pa, pb) = inputs, eval_points
        right = pb
        if pa is not None:
            pa = {"lower_triangular": tril, "upper_triangular": triu}.get(
                self.A_structure, lambda m: m
            )(pa)
            moved = dot(pa, self(a, b))
            right = -moved if right is None else right - moved
        return [None if right is None else self(a, right)]


def _symmetric(a: Any) -> str:
    return "her" if a.dtype.kind == "c" else "sym"


def _conjugate(x: Any) -> Any:
    return x.conj() if x.type.dtype.startswith("complex") else x


class Lstsq(LinearAlgebraOp):
    """Least squares: the x of least norm that minimises ``|A x - b|``.

    Operands: A, b (a vector or columns), and rcond, the ratio to the largest singular value below
    which others count as 0. Results: x, the sums of squared residuals, the rank (int32) and the
    singular values of A, as of `numpy.linalg.lstsq`. Only x has a gradient, at constant rank.
    """

    __props__ = ()

    def make_node(self, a: Any, b: Any, rcond: Any = -1) -> Apply:
        a, b = as_matrix(a, "lstsq"), as_floats(b, "lstsq", (1, 2))
        dtype = np.result_type(a.type.dtype, b.type.dtype).name
        a, b = cast(a, dtype), cast(b, dtype)
        real = real_dtype_of(dtype)
        rcond = cast(as_tensor_variable(rcond, ndim=0), real)
        outputs = [
            TensorType(dtype, b.type.broadcastable).make_variable(),
            vector_of(real),
            TensorType("int32", ()).make_variable(),
            vector_of(real),
        ]
        return Apply(self, [a, b, rcond], outputs)

    def compute(self, *arrays: Any) -> Any:
        a, b, rcond = arrays
        if len(a) != len(b):
            raise ShapeError(
                user_message(
                    "lstsq: the right-hand side has another number of rows than the matrix",
                    got=f"shapes {a.shape} and {b.shape}",
                )
            )
        x, residuals, rank, values = np.linalg.lstsq(a, b, None if rcond < 0 else float(rcond))
        return x, residuals, np.int32(rank), values

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        (m, n), b, _ = in_shapes
        return [(n, *b[1:]), (ctx.unknown(1, 0),), (), (minimum(m, n),)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the rank, the tolerance and what has no gradient are not connected."""
        return [[True, True, False, True], [True, True, False, False], [False] * 4]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (a, b, _), g = inputs, g_outputs[0]
        if is_connected(g_outputs[1]) or is_connected(g_outputs[3]):
            why = "of the results of lstsq only the solution has a gradient"
            return [NullType(why)(), NullType(why)(), disconnected_type()]
        inverse = pinv(a)
        gb = dot(adjoint(inverse), g)
        arriving = outer(g, _conjugate(b)) if b.type.ndim == 1 else dot(g, adjoint(b))
        return [pinv_gradient(a, inverse, arriving), gb, disconnected_type()]


cholesky = named_op("cholesky", Cholesky())
solve = named_op("solve", Solve())
solve_lower_triangular = named_op("solve_lower_triangular", Solve("lower_triangular"))
solve_upper_triangular = named_op("solve_upper_triangular", Solve("upper_triangular"))
solve_symmetric = named_op("solve_symmetric", Solve("symmetric"))


def lstsq(a: Any = None, b: Any = None, rcond: Any = -1) -> Any:
    """Solve a least squares problem; see `Lstsq`.

    Parameters
    ----------
    a : matrix, optional
        Without operands the op is returned, for code written as ``lstsq()(a, b, rcond)``.
    b : vector or matrix
    rcond : number
        Negative: machine precision times the larger length of `a`.

    Returns
    -------
    list
        Solution, residuals, rank and singular values.
    """
    return Lstsq() if a is None else Lstsq()(a, b, rcond)
