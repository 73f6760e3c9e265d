"""Functions of matrices: products, powers, norms, the exponential, Kronecker products."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from ...array.convert import as_tensor_variable
from ...errors import ShapeError, user_message
from ...graph.node import Apply
from ...graph.op import named_op
from ...graph.trace import user_line
from ...lazy import LazyModule
from ..alloc import identity_like
from ..diagonal import AllocDiag, ExtractDiag
from ..dimshuffle import dimshuffle, pad_left, transpose
from ..dot import dot
from ..join import join
from ..math import abs_, mul
from ..reduce import Max, Min, Sum
from ..shape import reshape
from ..sizes import shape as shape_of
from ..statistics import norm as vector_norm
from .common import LinearAlgebraOp, adjoint, as_square, matrix_of, require_square
from .decompose import svd
from .inverse import matrix_inverse
from .solve import solve

__all__ = [
    "Expm",
    "TensorInv",
    "TensorSolve",
    "alloc_diag",
    "expm",
    "extract_diag",
    "kron",
    "matrix_dot",
    "matrix_power",
    "norm",
    "tensorinv",
    "tensorsolve",
]

scipy_linalg = LazyModule("scipy.linalg")


class Expm(LinearAlgebraOp):
    """The exponential of a square matrix.

    The gradient is the derivative of the exponential at ``A^H`` along g. It stands beside ``exp``
    of the diagonal blocks in the exponential of ``[[A^H, g], [0, A^H]]`` (Mathias, 1996).
    """

    __props__ = ()

    def make_node(self, a: Any) -> Apply:
        a = as_square(a, "expm")
        return Apply(self, [a], [matrix_of(a)])

    def compute(self, *arrays: Any) -> Any:
        (a,) = arrays
        require_square("expm", a)
        return scipy_linalg.expm(a) if a.size else a.copy()

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [self._derivative(adjoint(inputs[0]), g_outputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if p is None else self._derivative(inputs[0], p) for p in eval_points]

    def _derivative(self, a: Any, along: Any) -> Any:
        upper, lower = join(1, a, along), join(1, a.zeros_like(), a)
        n = a.shape[0]
        return self(join(0, upper, lower))[:n, n:]


expm = named_op("expm", Expm())
extract_diag = named_op("extract_diag", ExtractDiag())


def alloc_diag(x: Any) -> Any:
    """Return the square matrix with the vector `x` on its diagonal."""
    return AllocDiag()(x)


def matrix_dot(*args: Any) -> Any:
    """Return the product of several matrices, multiplied from the left to the right.

    Raises
    ------
    TypeError
        If there is none.
    """
    if not args:
        raise TypeError("matrix_dot needs at least one matrix")
    product = as_tensor_variable(args[0])
    for factor in args[1:]:
        product = dot(product, factor)
    return product


def matrix_power(M: Any, n: int) -> Any:
    """Return the square matrix `M` to an integer power, by repeated squaring.

    Parameters
    ----------
    M : matrix
    n : int
        0 gives the identity; for a negative power the inverse is taken.
    """
    M = as_tensor_variable(M)
    if isinstance(n, bool) or not isinstance(n, int):
        raise TypeError(f"the exponent of matrix_power is an int, got {n!r}")
    if n < 0:
        M, n = matrix_inverse(M), -n
    M = as_square(M, "matrix_power") if not M.type.dtype.startswith(("int", "uint")) else M
    result = None
    while n:
        if n & 1:
            result = M if result is None else dot(result, M)
        n >>= 1
        M = dot(M, M) if n else M
    return identity_like(M) if result is None else result


def norm(x: Any, ord: Any = None) -> Any:
    """Return the norm of a vector or a matrix.

    Parameters
    ----------
    x : vector or matrix
    ord : number, str or None
        None is the root of the sum of squares. For vectors: a number, ``"inf"``, ``"-inf"``. For
        matrices: ``"fro"``, ``"nuc"``, 1, -1, 2, -2, ``"inf"``, ``"-inf"``. As for
        `numpy.linalg.norm`.

    Raises
    ------
    ValueError
        If `x` has another number of axes, or there is no such norm.
    """
    x = as_tensor_variable(x)
    order = float(ord) if ord in ("inf", "-inf") else ord
    if x.type.ndim not in (1, 2):
        raise ShapeError(
            user_message(
                "norm takes a vector or a matrix",
                got=f"{x} of type {x.type}",
                where=user_line(x) or None,
                hint="x.norm(L, axis) is the norm along some axes of any tensor",
            )
        )
    if order is None or (order == "fro" and x.type.ndim == 2):
        return vector_norm(x, 2)
    if x.type.ndim == 1 and isinstance(order, (int, float)):
        return vector_norm(x, order)
    found = _MATRIX_NORMS.get(order) if x.type.ndim == 2 else None
    if found is None:
        raise ValueError(f"there is no norm of order {ord!r} for {x.type.ndim} axes")
    return found(x)


_MATRIX_NORMS: dict[Any, Any] = {
    1: lambda x: Max()(Sum(0)(abs_(x))),
    -1: lambda x: Min()(Sum(0)(abs_(x))),
    math.inf: lambda x: Max()(Sum(1)(abs_(x))),
    -math.inf: lambda x: Min()(Sum(1)(abs_(x))),
    2: lambda x: Max()(svd(x, compute_uv=False)),
    -2: lambda x: Min()(svd(x, compute_uv=False)),
    "nuc": lambda x: Sum()(svd(x, compute_uv=False)),
}


def kron(a: Any, b: Any) -> Any:
    """Return the Kronecker product.

    Parameters
    ----------
    a, b : tensor
        Of one with fewer axes, leading axes of length 1 are added.

    Returns
    -------
    tensor
        With the products of the lengths.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    rank = max(a.type.ndim, b.type.ndim)
    a, b = pad_left(a, rank), pad_left(b, rank)
    wide = dimshuffle(a, [p for axis in range(rank) for p in (axis, "x")])
    deep = dimshuffle(b, [p for axis in range(rank) for p in ("x", axis)])
    lengths = [shape_of(a)[axis] * shape_of(b)[axis] for axis in range(rank)]
    return reshape(wide * deep, lengths, ndim=rank)


def tensorinv(a: Any, ind: int = 2) -> Any:
    """Return the inverse with respect to ``tensordot(., ., ind)``.

    Parameters
    ----------
    a : tensor
        The product of the first `ind` lengths must be that of the others.
    ind : int
        How many axes are the rows; positive.

    Returns
    -------
    tensor
        Of shape ``a.shape[ind:] + a.shape[:ind]``.
    """
    a = as_tensor_variable(a)
    if not 0 < ind <= a.type.ndim:
        raise ValueError(f"tensorinv: ind must be between 1 and {a.type.ndim}, got {ind}")
    lengths = [shape_of(a)[i] for i in range(a.type.ndim)]
    rows, columns = lengths[:ind], lengths[ind:]
    inverse = matrix_inverse(reshape(a, [_product(rows), _product(columns)], ndim=2))
    return reshape(inverse, [*columns, *rows], ndim=a.type.ndim)


def tensorsolve(a: Any, b: Any, axes: Sequence[int] | None = None) -> Any:
    """Return the x of ``tensordot(a, x, x.ndim) = b``.

    Parameters
    ----------
    a : tensor
        Its first axes are those of `b`; the product of their lengths must be that of the others.
    b : tensor
    axes : sequence of int, optional
        Axes of `a` that are moved to the end first.

    Returns
    -------
    tensor
        Of shape ``a.shape[b.ndim:]``.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    if axes is not None:
        moved = [axis % a.type.ndim for axis in axes]
        a = transpose(a, [i for i in range(a.type.ndim) if i not in moved] + moved)
    rank = b.type.ndim
    lengths = [shape_of(a)[i] for i in range(a.type.ndim)]
    matrix = reshape(a, [_product(lengths[:rank]), _product(lengths[rank:])], ndim=2)
    return reshape(solve(matrix, b.flatten()), lengths[rank:], ndim=a.type.ndim - rank)


def _product(lengths: Sequence[Any]) -> Any:
    return mul(*lengths) if len(lengths) > 1 else lengths[0] if lengths else 1


class TensorInv:
    """``TensorInv(ind)(a)`` is ``tensorinv(a, ind)``."""

    def __init__(self, ind: int = 2) -> None:
        self.ind = ind

    def __call__(self, a: Any) -> Any:
        """Apply the function."""
        return tensorinv(a, self.ind)


class TensorSolve:
    """``TensorSolve(axes)(a, b)`` is ``tensorsolve(a, b, axes)``."""

    def __init__(self, axes: Sequence[int] | None = None) -> None:
        self.axes = axes

    def __call__(self, a: Any, b: Any) -> Any:
        """Apply the function."""
        return tensorsolve(a, b, self.axes)
