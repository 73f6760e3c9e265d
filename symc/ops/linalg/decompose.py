"""Eigenvalues, QR and singular value decompositions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...dtypes import is_complex, real_dtype_of
from ...errors import DTypeError, user_message
from ...graph.node import Apply
from ...graph.op import named_op
from ...graph.special import NullType, disconnected_type
from ...lazy import LazyModule
from ...scalar.arith import minimum
from ..alloc import identity_like, tril
from ..dimshuffle import dimshuffle
from ..dot import dot
from ..math import eq, switch
from .common import (
    LinearAlgebraOp,
    adjoint,
    as_matrix,
    as_square,
    into_triangle,
    is_connected,
    matrix_of,
    require_square,
    vector_of,
)
from .solve import solve_upper_triangular

__all__ = ["QR", "SVD", "Eig", "Eigh", "Eigvalsh", "eig", "eigh", "eigvalsh", "qr", "svd"]

scipy_linalg = LazyModule("scipy.linalg")


# ---------------------------------------------------------------------------------------------
# Eigenvalues
# ---------------------------------------------------------------------------------------------


class Eig(LinearAlgebraOp):
    """Eigenvalues and right eigenvectors (columns) of a square matrix; no gradient.

    The results have the dtype of the operand; a real matrix with complex eigenvalues is an error.
    """

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "eig")
        return Apply(self, [x], [vector_of(x.type.dtype), matrix_of(x)])

    def compute(self, *arrays: Any) -> Any:
        (x,) = arrays
        require_square("eig", x)
        values, vectors = np.linalg.eig(x)
        if is_complex(x.dtype.name) or not is_complex(values.dtype.name):
            return values, vectors
        if values.imag.any():
            raise DTypeError(
                user_message(
                    "eig: a real matrix has complex eigenvalues",
                    got=f"a matrix of dtype {x.dtype}",
                    hint="cast it to complex64 or complex128 first",
                )
            )
        # NumPy 2.5 gives complex results for every matrix.
        return values.real.copy(), vectors.real.copy()

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0][:1], in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [NullType("eig has no gradient; eigh, for symmetric matrices, has one")()]


class Eigh(LinearAlgebraOp):
    """Eigenvalues, ascending, and eigenvectors (columns) of a symmetric or Hermitian matrix.

    Parameters
    ----------
    UPLO : {"L", "U"}
        The triangle that is read.

    Notes
    -----
    With the eigenvectors V and ``F[i, j] = 1 / (w[j] - w[i])``, 0 on the diagonal, the gradient is
    ``V (diag(gw) + F * (V^H gV)) V^H``, brought into the triangle that is read. It is infinite
    where two eigenvalues are equal and the gradient of vectors is asked for.
    """

    __props__ = ("UPLO",)

    def __init__(self, UPLO: str = "L") -> None:
        if UPLO not in ("L", "U"):
            raise ValueError(f"UPLO is the triangle that is read, 'L' or 'U'; got {UPLO!r}")
        self.UPLO = UPLO

    def make_node(self, x: Any) -> Apply:
        x = as_square(x, "eigh")
        return Apply(self, [x], [vector_of(real_dtype_of(x.type.dtype)), matrix_of(x)])

    def compute(self, *arrays: Any) -> Any:
        require_square("eigh", arrays[0])
        return tuple(np.linalg.eigh(arrays[0], self.UPLO))  # type: ignore[call-overload]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0][:1], in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (w, v), (gw, gv) = outputs, g_outputs
        total = None
        if is_connected(gw):
            total = dot(v * dimshuffle(gw, ["x", 0]), adjoint(v))
        if is_connected(gv):
            inner = _reciprocal_differences(w) * dot(adjoint(v), gv)
            part = dot(dot(v, inner), adjoint(v))
            total = part if total is None else total + part
        return [disconnected_type() if total is None else into_triangle(total, self.UPLO == "L")]


def _reciprocal_differences(w: Any) -> Any:
    """``1 / (w[j] - w[i])``, 0 on the diagonal."""
    differences = dimshuffle(w, ["x", 0]) - dimshuffle(w, [0, "x"])
    diagonal = eq(identity_like(differences), 1)
    return switch(diagonal, 0, 1 / switch(diagonal, 1, differences))


class Eigvalsh(LinearAlgebraOp):
    """Eigenvalues, ascending, of a symmetric or Hermitian matrix, or of a pair of them.

    Parameters
    ----------
    lower : bool
        Whether the lower triangles are read.

    Notes
    -----
    For ``A v = w B v`` with eigenvectors scaled to ``V^H B V = 1`` the gradients are
    ``V diag(g) V^H`` and ``-V diag(g w) V^H``.
    """

    __props__ = ("lower",)

    def __init__(self, lower: bool = True) -> None:
        self.lower = bool(lower)

    def make_node(self, a: Any, b: Any = None) -> Apply:
        a = as_square(a, "eigvalsh")
        operands = [a] if b is None else [a, as_square(b, "eigvalsh")]
        dtype = np.result_type(*(x.type.dtype for x in operands)).name
        return Apply(self, operands, [vector_of(real_dtype_of(dtype))])

    def compute(self, *arrays: Any) -> Any:
        for x in arrays:
            require_square("eigvalsh", x)
        if len(arrays) == 1:
            return np.linalg.eigvalsh(arrays[0], "L" if self.lower else "U")
        if not arrays[0].size:
            return np.empty(0, arrays[0].real.dtype)
        return scipy_linalg.eigh(*arrays, lower=self.lower, eigvals_only=True, check_finite=False)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0][:1]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if len(inputs) == 1:
            v = Eigh("L" if self.lower else "U")(*inputs)[1]
            return [into_triangle(dot(v * dimshuffle(g, ["x", 0]), adjoint(v)), self.lower)]
        v = _PairVectors(self.lower)(*inputs)
        weights = [g, -g * outputs[0]]
        wholes = [dot(v * dimshuffle(w, ["x", 0]), adjoint(v)) for w in weights]
        return [into_triangle(whole, self.lower) for whole in wholes]


class _PairVectors(LinearAlgebraOp):
    """The eigenvectors of a pair of symmetric matrices, scaled to ``V^H B V = 1``."""

    __props__ = ("lower",)

    def __init__(self, lower: bool) -> None:
        self.lower = lower

    def make_node(self, a: Any, b: Any) -> Apply:
        dtype = np.result_type(a.type.dtype, b.type.dtype).name
        return Apply(self, [a, b], [matrix_of(a, dtype)])

    def compute(self, *arrays: Any) -> Any:
        if not arrays[0].size:
            return arrays[0]
        return scipy_linalg.eigh(*arrays, lower=self.lower, check_finite=False)[1]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        why = "eigvalsh of a pair of matrices has no second derivative"
        return [NullType(why)() for _ in inputs]


eig = named_op("eig", Eig())


def eigh(a: Any, UPLO: str = "L") -> list[Any]:
    """Return the eigenvalues and eigenvectors of a symmetric or Hermitian matrix; see `Eigh`."""
    found: list[Any] = Eigh(UPLO)(a)
    return found


def eigvalsh(a: Any, b: Any = None, lower: bool = True) -> Any:
    """Return the eigenvalues of a symmetric matrix `a`, or of the pair `a`, `b`; see `Eigvalsh`."""
    return Eigvalsh(lower)(a) if b is None else Eigvalsh(lower)(a, b)


# ---------------------------------------------------------------------------------------------
# QR
# ---------------------------------------------------------------------------------------------

_QR_MODES = ("reduced", "complete", "r", "raw")


class QR(LinearAlgebraOp):
    """The decomposition of a matrix into an orthonormal and an upper triangular one.

    Parameters
    ----------
    mode : {"reduced", "complete", "r", "raw"}
        As for `numpy.linalg.qr`: with k = min(m, n), Q and R of shapes (m, k), (k, n); (m, m),
        (m, n); R alone; or LAPACK's arrays h and tau.

    Notes
    -----
    For ``"reduced"`` and at least as many rows as columns the gradient is
    ``(gQ + Q S) R^-H``, S the Hermitian matrix of which ``R gR^H - gQ^H Q`` is the lower triangle
    (Walter and Lehmann, 2013).
    """

    __props__ = ("mode",)

    def __init__(self, mode: str = "reduced") -> None:
        if mode not in _QR_MODES:
            raise ValueError(f"the mode of qr is one of {', '.join(_QR_MODES)}; got {mode!r}")
        self.mode = mode

    def make_node(self, x: Any) -> Apply:
        x = as_matrix(x, "qr")
        second = vector_of(x.type.dtype) if self.mode == "raw" else matrix_of(x)
        return Apply(self, [x], [matrix_of(x)] if self.mode == "r" else [matrix_of(x), second])

    def compute(self, *arrays: Any) -> Any:
        found = np.linalg.qr(arrays[0], self.mode)  # type: ignore[call-overload]
        return found if isinstance(found, np.ndarray) else tuple(found)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        m, n = in_shapes[0]
        k = minimum(m, n)
        return {
            "reduced": [(m, k), (k, n)],
            "complete": [(m, m), (m, n)],
            "r": [(k, n)],
            "raw": [(n, m), (k,)],
        }[self.mode]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        if self.mode == "r":
            q, r = QR("reduced")(*inputs)
            return [_qr_gradient(q, r, q.zeros_like(), g_outputs[0])]
        if self.mode != "reduced":
            return [NullType(f"qr has no gradient for mode {self.mode!r}; use 'reduced'")()]
        gs = [
            g if is_connected(g) else y.zeros_like()
            for y, g in zip(outputs, g_outputs, strict=True)
        ]
        return [_qr_gradient(*outputs, *gs)]


def _qr_gradient(q: Any, r: Any, gq: Any, gr: Any) -> Any:
    m = dot(r, adjoint(gr)) - dot(adjoint(gq), q)
    hermitian = tril(m) + adjoint(tril(m, -1))
    return adjoint(solve_upper_triangular(r, adjoint(gq + dot(q, hermitian))))


def qr(a: Any, mode: str = "reduced") -> Any:
    """Return the QR decomposition of a matrix: a list of Q and R, or R alone; see `QR`."""
    return QR(mode)(a)


# ---------------------------------------------------------------------------------------------
# Singular values
# ---------------------------------------------------------------------------------------------


class SVD(LinearAlgebraOp):
    """The singular value decomposition ``X = U diag(s) V``.

    Parameters
    ----------
    full_matrices : bool
        Whether U and V are square, or have min(m, n) columns and rows.
    compute_uv : bool
        Whether U and V are results; else the singular values alone.

    Notes
    -----
    The gradient is defined for ``full_matrices=False``, and for the singular values alone
    (Giles, 2008; Townsend, 2016). That of the vectors is infinite at equal singular values.
    """

    __props__ = ("compute_uv", "full_matrices")

    def __init__(self, full_matrices: bool = True, compute_uv: bool = True) -> None:
        self.full_matrices = bool(full_matrices)
        self.compute_uv = bool(compute_uv)

    def make_node(self, x: Any) -> Apply:
        x = as_matrix(x, "svd")
        values = vector_of(real_dtype_of(x.type.dtype))
        return Apply(
            self, [x], [matrix_of(x), values, matrix_of(x)] if self.compute_uv else [values]
        )

    def compute(self, *arrays: Any) -> Any:
        found: Any = np.linalg.svd(
            arrays[0],
            self.full_matrices,
            self.compute_uv,  # type: ignore[call-overload]
        )
        return tuple(found) if self.compute_uv else found

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        m, n = in_shapes[0]
        k = minimum(m, n)
        if not self.compute_uv:
            return [(k,)]
        return [(m, m), (k,), (n, n)] if self.full_matrices else [(m, k), (k,), (k, n)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        if not self.compute_uv:
            u, _, v = SVD(full_matrices=False)(*inputs)
            return [dot(u * dimshuffle(g_outputs[0], ["x", 0]), v)]
        gu, gs, gv = (g if is_connected(g) else None for g in g_outputs)
        if gu is None and gv is None:
            if gs is None:
                return [disconnected_type()]
            return SVD(compute_uv=False).L_op(inputs, outputs[1:2], [gs])
        if self.full_matrices or is_complex(inputs[0].type.dtype):
            why = "the vectors of svd have a gradient for real matrices and full_matrices=False"
            return [NullType(why)()]
        return [_svd_gradient(outputs, gu, gs, gv)]


def _svd_gradient(outputs: list[Any], gu: Any, gs: Any, gv: Any) -> Any:
    u, s, v = outputs
    row = dimshuffle(s, ["x", 0])
    squares = _reciprocal_differences(s * s)
    total = None if gs is None else dot(u * dimshuffle(gs, ["x", 0]), v)
    if gu is not None:
        inner = dot(u.T, gu)
        part = dot(u, squares * (inner - inner.T) * row) + (gu - dot(u, inner)) / row
        total = dot(part, v) if total is None else total + dot(part, v)
    if gv is not None:
        inner = dot(v, gv.T)
        column = dimshuffle(s, [0, "x"])
        part = dot(column * squares * (inner - inner.T), v) + (gv - dot(inner.T, v)) / column
        total = dot(u, part) if total is None else total + dot(u, part)
    return total


def svd(a: Any, full_matrices: bool = True, compute_uv: bool = True) -> Any:
    """Return ``[U, s, V]``, or the singular values alone; see `SVD`."""
    return SVD(full_matrices, compute_uv)(a)
