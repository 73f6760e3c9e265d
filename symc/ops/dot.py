"""Products of vectors, matrices and stacks of matrices.

`Dot` is Theano's ``T.dot`` on vectors and matrices; what has more axes is brought to that form by
`tensordot`. `BatchedDot` multiplies stacks. `Gemm`, `Gemv` and `Ger` are what rewriting makes of a
product with a scalar factor and a summand: one call of the library that updates the summand.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable, constant, is_number
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_complex, is_discrete, upcast
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.trace import user_line
from ..loop.protocol import OperandValue, RoutineSpec
from ..loop.routines import DTYPES as ROUTINE_DTYPES
from ..scalar.logic import cast as cast_scalar
from .dimshuffle import transpose
from .elemwise import cast
from .reduce import zero_gradient

__all__ = [
    "BatchedDot",
    "Dot",
    "Gemm",
    "Gemv",
    "Ger",
    "batched_dot",
    "dot_op",
    "gemm",
    "gemv",
    "ger",
]

_ROUTINES = {(2, 2): "gemm", (2, 1): "gemv", (1, 1): "dot"}


def _common(*operands: Any) -> list[Any]:
    """The operands, cast to their common dtype."""
    dtype = upcast(*(x.type.dtype for x in operands))
    return [x if x.type.dtype == dtype else cast(x, dtype) for x in operands]


def _check_contraction(op: Any, x: Any, y: Any, i: int, j: int) -> None:
    """Raise if axis `i` of `x` and axis `j` of `y` are known to differ in length."""
    a, b = known_lengths(x)[i], known_lengths(y)[j]
    if a is not None and b is not None and a != b:
        raise ShapeError(
            user_message(
                f"{op}: the lengths of the axes that are multiplied differ",
                got=[f"{v} of shape {known_lengths(v)}" for v in (x, y)],
                expected=f"axis {i} of the first as long as axis {j} of the second",
                where=[line for line in map(user_line, (x, y)) if line] or None,
            )
        )


def _mismatch(op: Any, *arrays: np.ndarray) -> ShapeError:
    return ShapeError(
        user_message(
            f"{op}: the shapes of the operands do not fit together",
            got=", ".join(str(a.shape) for a in arrays),
            expected="the last axis of the first as long as the one before the last of the second",
        )
    )


class _Linear(BuiltinOp):
    """What the products share: types, errors and the R-operator of a bilinear map."""

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        x, y = inputs
        dx, dy = eval_points
        terms = []
        if dx is not None:
            terms.append(self(dx, y))
        if dy is not None:
            terms.append(self(x, dy))
        return [None if not terms else terms[0] if len(terms) == 1 else terms[0] + terms[1]]


class Dot(_Linear):
    """Product of vectors and matrices: ``z[i, j] = sum_k x[i, k] y[k, j]``.

    Operands have one or two axes; the result has those that are not summed. Both are cast to their
    common dtype. Floating point and complex products are library calls.

    Examples
    --------
    >>> from symc.array.constructors import matrix, vector
    >>> dot_op(matrix(), vector()).type
    TensorType(float64, vector)
    """

    __props__ = ()

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = as_tensor_variable(x), as_tensor_variable(y)
        if x.type.ndim not in (1, 2) or y.type.ndim not in (1, 2):
            raise TypeError(
                user_message(
                    f"{self} takes vectors and matrices",
                    got=f"{x.type} and {y.type}",
                    hint="symc.tensor.dot takes any number of axes",
                    where=user_line(x) or user_line(y) or None,
                )
            )
        x, y = _common(x, y)
        _check_contraction(self, x, y, x.type.ndim - 1, 0)
        pattern = (*x.type.broadcastable[:-1], *y.type.broadcastable[1:])
        out = TensorType(x.type.dtype, pattern)()
        note_lengths(out, (*known_lengths(x)[:-1], *known_lengths(y)[1:]))
        return Apply(self, [x, y], [out])

    def numpy(self, *arrays: Any) -> Any:
        x, y = arrays
        if x.shape[-1] != y.shape[0]:
            raise _mismatch(self, x, y)
        return np.dot(x, y)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y = in_shapes
        ctx.equal(x[-1], y[0], "dot: lengths {0} and {1} of the multiplied axes differ")
        return [(*x[:-1], *y[1:])]

    def routine(self, node: Apply) -> RoutineSpec | None:
        x, y = node.inputs
        name = _ROUTINES.get((x.type.ndim, y.type.ndim))
        if name is None or x.type.dtype not in ROUTINE_DTYPES:
            return None
        return RoutineSpec(name, (0, 1))

    def expand(self, node: Apply) -> list[Any] | None:
        """A row vector times a matrix is the transposed matrix times the vector."""
        x, y = node.inputs
        if (x.type.ndim, y.type.ndim) == (1, 2):
            return [self(transpose(y), x)]
        return None

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Plain loops, for dtypes that the library does not know."""
        (x, y), (z,) = ins, outs
        work = "float32" if z.dtype == "float16" else z.dtype
        extents = [b.dim(z, k) for k in range(z.ndim)]
        with b.loops(extents) as idx:
            row, column = idx[: x.ndim - 1], idx[x.ndim - 1 :]
            total = b.mutable(b.const(0, work))
            with b.loop(b.dim(x, x.ndim - 1)) as k:
                left, right = b.load(x, (*row, k)), b.load(y, (k, *column))
                b.assign(total, _accumulate(total, left, right, work))
            b.store(z, idx, cast_scalar(total, z.dtype))

    def signed_by(self, node: Apply) -> list[Any]:
        """A vector times itself is a sum of squares; else both operands must be non-negative."""
        x, y = node.inputs
        return [] if x is y and x.type.ndim == 1 else [x, y]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y = inputs
        (g,) = g_outputs
        if is_discrete(outputs[0].type.dtype):
            return [zero_gradient(x), zero_gradient(y)]
        operands, (x, y) = (x, y), (_conjugate(x), _conjugate(y))
        ranks = (x.type.ndim, y.type.ndim)
        if ranks == (1, 1):
            terms = [g * y, g * x]
        elif ranks == (2, 1):
            terms = [outer(g, y), dot_op(transpose(x), g)]
        elif ranks == (1, 2):
            terms = [dot_op(y, g), outer(x, g)]
        else:
            terms = [dot_op(g, transpose(y)), dot_op(transpose(x), g)]
        terms = [_real_for(v, t) for v, t in zip(operands, terms, strict=True)]
        return [
            t.with_pattern(v.type.broadcastable) if t.type.broadcastable != v.type.broadcastable
            else t
            for t, v in zip(terms, operands, strict=True)
        ]

    def __str__(self) -> str:
        return "dot"


def _conjugate(x: Any) -> Any:
    """Return `x` as it multiplies in a gradient, the adjoint for ``re(conj(a) b)``."""
    return x.conj() if is_complex(x.type.dtype) else x


def _real_for(x: Any, term: Any) -> Any:
    """Return the part of a gradient that a real operand can feel."""
    return term.real if is_complex(term.type.dtype) and not is_complex(x.type.dtype) else term


def _accumulate(total: Any, left: Any, right: Any, work: str) -> Any:
    if work == "bool":
        return total | (left & right)
    return total + cast_scalar(left, work) * cast_scalar(right, work)


dot_op = named_op("dot_op", Dot())


def outer(x: Any, y: Any) -> Any:
    """Return ``z[i, j] = x[i] y[j]`` of two vectors (other ranks are flattened).

    Examples
    --------
    >>> from symc.array.constructors import vector
    >>> outer(vector(), vector()).type
    TensorType(float64, matrix)
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    x = x if x.type.ndim == 1 else x.flatten()
    y = y if y.type.ndim == 1 else y.flatten()
    return x.dimshuffle(0, "x") * y.dimshuffle("x", 0)


class BatchedDot(_Linear):
    """Products of two stacks of matrices: ``z[b, i, j] = sum_k x[b, i, k] y[b, k, j]``.

    Operands have three axes and stacks of equal length.
    """

    __props__ = ()

    def make_node(self, x: Any, y: Any) -> Apply:
        x, y = _common(as_tensor_variable(x), as_tensor_variable(y))
        if x.type.ndim != 3 or y.type.ndim != 3:
            raise TypeError(
                user_message(f"{self} takes two tensors of three axes", got=f"{x.type}, {y.type}")
            )
        _check_contraction(self, x, y, 2, 1)
        _check_contraction(self, x, y, 0, 0)
        a, b = x.type.broadcastable, y.type.broadcastable
        out = TensorType(x.type.dtype, (a[0] and b[0], a[1], b[2]))()
        known = known_lengths(x)[0]
        batch = known if known is not None else known_lengths(y)[0]
        note_lengths(out, (batch, known_lengths(x)[1], known_lengths(y)[2]))
        return Apply(self, [x, y], [out])

    def numpy(self, *arrays: Any) -> Any:
        x, y = arrays
        if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
            raise _mismatch(self, x, y)
        return np.matmul(x, y)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y = in_shapes
        batch = ctx.equal(x[0], y[0], "batched_dot: stacks of lengths {0} and {1}")
        ctx.equal(x[2], y[1], "batched_dot: lengths {0} and {1} of the multiplied axes differ")
        return [(batch, x[1], y[2])]

    def routine(self, node: Apply) -> RoutineSpec | None:
        if node.inputs[0].type.dtype not in ROUTINE_DTYPES:
            return None
        return RoutineSpec("batched_gemm", (0, 1))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y = inputs
        (g,) = g_outputs
        if is_discrete(outputs[0].type.dtype):
            return [zero_gradient(x), zero_gradient(y)]
        left = self(g, _conjugate(y).dimshuffle(0, 2, 1))
        right = self(_conjugate(x).dimshuffle(0, 2, 1), g)
        return [_real_for(x, left), _real_for(y, right)]

    def __str__(self) -> str:
        return "batched_dot"


batched_dot_op = named_op("batched_dot_op", BatchedDot())


# ---------------------------------------------------------------------------------------------
# Products that update a summand; made by rewriting
# ---------------------------------------------------------------------------------------------


class _Updating(BuiltinOp):
    """``beta * z + alpha * product``: operands ``z, alpha, x, y, beta``, alpha and beta 0-d."""

    ranks: tuple[int, int, int]
    name: str
    __props__ = ()

    def make_node(self, z: Any, alpha: Any, x: Any, y: Any, beta: Any = 1) -> Apply:
        z = as_tensor_variable(z)
        numbers = z.type.dtype if z.type.dtype in ROUTINE_DTYPES else None
        given = [
            constant(v, dtype=numbers) if is_number(v) else as_tensor_variable(v)
            for v in (z, alpha, x, y, beta)
        ]
        z, alpha, x, y, beta = given
        ranks = (z.type.ndim, x.type.ndim, y.type.ndim)
        if ranks != self.ranks or alpha.type.ndim or beta.type.ndim:
            raise TypeError(
                user_message(
                    f"{self}: operands of the wrong rank",
                    got=", ".join(str(v.type) for v in given),
                    expected=f"ranks {self.ranks[0]}, 0, {self.ranks[1]}, {self.ranks[2]}, 0",
                )
            )
        dtype = z.type.dtype
        if dtype not in ROUTINE_DTYPES or any(v.type.dtype != dtype for v in given):
            raise TypeError(
                user_message(
                    f"{self}: operands must have one floating point dtype",
                    got=", ".join(v.type.dtype for v in given),
                )
            )
        return Apply(self, given, [z.type()])

    def updates(self, node: Apply) -> dict[int, int]:
        """The result starts as the summand."""
        return {0: 0}

    def routine(self, node: Apply) -> RoutineSpec | None:
        params = {"alpha": OperandValue(1), "beta": OperandValue(4)}
        return RoutineSpec(self.name, (2, 3), params, accumulate=0)

    def numpy(self, *arrays: Any) -> Any:
        z, alpha, x, y, beta = arrays
        product = self._product(x, y)
        if product.shape != z.shape:
            raise _mismatch(self, z, x, y)
        product = alpha * product
        return product if beta == 0 else beta * z + product

    def _product(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        if x.shape[-1] != y.shape[0]:
            raise _mismatch(self, x, y)
        return np.asarray(np.dot(x, y))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        z, alpha, x, y, beta = inputs
        (g,) = g_outputs
        product = dot_op(x, y)
        dx, dy = dot_op.L_op([x, y], [product], [g * alpha])
        return [g * beta, (g * product).sum(), dx, dy, (g * z).sum()]

    def __str__(self) -> str:
        return self.name


class Gemm(_Updating):
    """``beta * z + alpha * x @ y`` of matrices, as one library call that may overwrite `z`."""

    ranks = (2, 2, 2)
    name = "gemm"

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        z, _, x, y, _ = in_shapes
        ctx.equal(x[1], y[0], "gemm: lengths {0} and {1} of the multiplied axes differ")
        rows = ctx.equal(z[0], x[0], "gemm: {0} rows are added to {1}")
        return [(rows, ctx.equal(z[1], y[1], "gemm: {0} columns are added to {1}"))]


class Gemv(_Updating):
    """``beta * z + alpha * x @ y`` of a matrix `x` and vectors."""

    ranks = (1, 2, 1)
    name = "gemv"

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        z, _, x, y, _ = in_shapes
        ctx.equal(x[1], y[0], "gemv: lengths {0} and {1} of the multiplied axes differ")
        return [(ctx.equal(z[0], x[0], "gemv: {0} elements are added to {1}"),)]


class Ger(_Updating):
    """``beta * z + alpha * outer(x, y)`` of vectors `x` and `y`."""

    ranks = (2, 1, 1)
    name = "ger"

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        z, _, x, y, _ = in_shapes
        rows = ctx.equal(z[0], x[0], "ger: {0} rows are added to {1}")
        return [(rows, ctx.equal(z[1], y[0], "ger: {0} columns are added to {1}"))]

    def _product(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.outer(x, y)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        z, alpha, x, y, beta = inputs
        (g,) = g_outputs
        dz, dbeta = g * beta, (g * z).sum()
        dalpha = (g * outer(x, y)).sum()
        return [dz, dalpha, alpha * dot_op(g, y), alpha * dot_op(transpose(g), x), dbeta]


gemm = named_op("gemm", Gemm())
gemv = named_op("gemv", Gemv())
ger = named_op("ger", Ger())


# ---------------------------------------------------------------------------------------------
# Functions for users
# ---------------------------------------------------------------------------------------------


def dot(x: Any, y: Any) -> Any:
    """Return the product of two tensors, summing the last axis of `x` with the last but one of `y`.

    A scalar multiplies; vectors and matrices are multiplied as in linear algebra; with more axes
    the rule is NumPy's ``dot`` (which is not ``matmul``).

    Parameters
    ----------
    x, y : tensor_like

    Raises
    ------
    ShapeError
        If the lengths of the summed axes are known to differ.

    Examples
    --------
    >>> from symc.array.constructors import matrix, tensor3
    >>> dot(tensor3(), matrix()).type
    TensorType(float64, 3D)
    """
    for a, b, method in ((x, y, "__dot__"), (y, x, "__rdot__")):
        if hasattr(a, method) and not hasattr(a, "_apply"):
            return getattr(a, method)(b)
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if not x.type.ndim or not y.type.ndim:
        return x * y
    if x.type.ndim > 2 or y.type.ndim > 2:
        return tensordot(x, y, [[x.type.ndim - 1], [max(0, y.type.ndim - 2)]])
    return dot_op(x, y)


def tensordot(a: Any, b: Any, axes: Any = 2) -> Any:
    """Return the sum of products over pairs of axes, as `numpy.tensordot`.

    Parameters
    ----------
    a, b : tensor_like
    axes : int or pair of sequences of int
        How many last axes of `a` go with the first ones of `b`; or which axes of each.

    Raises
    ------
    ValueError
        If the axes do not exist or their numbers differ.
    """
    a, b = as_tensor_variable(a), as_tensor_variable(b)
    left, right = _tensordot_axes(a.type.ndim, b.type.ndim, axes)
    kept_a = [d for d in range(a.type.ndim) if d not in left]
    kept_b = [d for d in range(b.type.ndim) if d not in right]
    rows = _as_matrix(a, kept_a, left)
    columns = _as_matrix(b, right, kept_b)
    for i, j in zip(left, right, strict=True):
        _check_contraction("tensordot", a, b, i, j)
    flat = dot_op(rows, columns)
    lengths = [a.shape[d] for d in kept_a] + [b.shape[d] for d in kept_b]
    if not lengths:
        return flat.reshape((), ndim=0)
    if len(kept_a) == 1 and len(kept_b) == 1:
        return flat
    return flat.reshape(tuple(lengths), ndim=len(lengths))


def _tensordot_axes(ndim_a: int, ndim_b: int, axes: Any) -> tuple[list[int], list[int]]:
    if isinstance(axes, (int, np.integer)):
        count = int(axes)
        if not 0 <= count <= min(ndim_a, ndim_b):
            raise ValueError(
                f"tensordot can't sum {count} axes of tensors with {ndim_a} and {ndim_b} axes"
            )
        return list(range(ndim_a - count, ndim_a)), list(range(count))
    left, right = ([a] if isinstance(a, (int, np.integer)) else list(a) for a in axes)
    if len(left) != len(right):
        raise ValueError(f"tensordot: {len(left)} axes can't be paired with {len(right)}")
    for given, ndim in ((left, ndim_a), (right, ndim_b)):
        if any(not -ndim <= d < ndim for d in given):
            raise ValueError(f"tensordot: axes {given} do not exist in a tensor of {ndim} axes")
    return [int(d) % ndim_a for d in left], [int(d) % ndim_b for d in right]


def _as_matrix(x: Any, rows: Sequence[int], columns: Sequence[int]) -> Any:
    """`x` with the axes `rows` merged into the first and `columns` into the second axis."""
    order = (*rows, *columns)
    x = x if order == tuple(range(x.type.ndim)) else x.dimshuffle(*order)
    if len(rows) == 1 and len(columns) == 1:
        return x
    lengths = [x.shape[d] for d in range(x.type.ndim)]
    first, second = 1, 1
    for n in lengths[: len(rows)]:
        first = first * n
    for n in lengths[len(rows) :]:
        second = second * n
    return x.reshape((first, second), ndim=2)


def batched_dot(x: Any, y: Any) -> Any:
    """Return the products of the items of two stacks: ``z[b] = dot(x[b], y[b])``.

    Items may be vectors or matrices (and scalars, which multiply).

    Parameters
    ----------
    x, y : tensor_like
        Stacks of equal length along the first axis.

    Raises
    ------
    TypeError
        If an operand has no axis.
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    for operand in (x, y):
        if not operand.type.ndim:
            raise TypeError(f"batched_dot takes stacks, not the scalar {operand}")
    if x.type.ndim == 1:
        return x.dimshuffle(0, *["x"] * (y.type.ndim - 1)) * y
    if y.type.ndim == 1:
        return x * y.dimshuffle(0, *["x"] * (x.type.ndim - 1))
    if x.type.ndim > 3 or y.type.ndim > 3:
        return batched_tensordot(x, y, [[x.type.ndim - 1], [max(1, y.type.ndim - 2)]])
    a = x if x.type.ndim == 3 else x.dimshuffle(0, "x", 1)
    b = y if y.type.ndim == 3 else y.dimshuffle(0, 1, "x")
    z = batched_dot_op(a, b)
    kept = [0, *([1] if x.type.ndim == 3 else []), *([2] if y.type.ndim == 3 else [])]
    return z if len(kept) == 3 else z.dimshuffle(*kept)


def batched_tensordot(x: Any, y: Any, axes: Any = 2) -> Any:
    """Return ``z[b] = tensordot(x[b], y[b], axes)``.

    Parameters
    ----------
    x, y : tensor_like
        Stacks of equal length along the first axis.
    axes : int or pair of sequences of int
        As for `tensordot`; explicit axes count the stack's axis as 0.
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if isinstance(axes, (int, np.integer)):
        left, right = _tensordot_axes(x.type.ndim - 1, y.type.ndim - 1, axes)
        left, right = [d + 1 for d in left], [d + 1 for d in right]
    else:
        left, right = _tensordot_axes(x.type.ndim, y.type.ndim, axes)
        if 0 in left or 0 in right:
            raise ValueError("batched_tensordot can't sum over the stack's own axis 0")
    kept_x = [d for d in range(1, x.type.ndim) if d not in left]
    kept_y = [d for d in range(1, y.type.ndim) if d not in right]
    z = batched_dot_op(_as_stack(x, kept_x, left), _as_stack(y, right, kept_y))
    lengths = [x.shape[0], *(x.shape[d] for d in kept_x), *(y.shape[d] for d in kept_y)]
    return z.reshape(tuple(lengths), ndim=len(lengths))


def _as_stack(x: Any, rows: Sequence[int], columns: Sequence[int]) -> Any:
    x = x.dimshuffle(0, *rows, *columns)
    lengths = [x.shape[d] for d in range(x.type.ndim)]
    first, second = 1, 1
    for n in lengths[1 : 1 + len(rows)]:
        first = first * n
    for n in lengths[1 + len(rows) :]:
        second = second * n
    return x.reshape((lengths[0], first, second), ndim=3)


def matmul(x: Any, y: Any) -> Any:
    """Return the matrix product as `numpy.matmul` (and ``x @ y``): leading axes are stacks.

    Raises
    ------
    ValueError
        If an operand is a scalar.
    """
    x, y = as_tensor_variable(x), as_tensor_variable(y)
    if not x.type.ndim or not y.type.ndim:
        raise ValueError(
            user_message("matmul takes no scalars", got=f"{x.type} and {y.type}", hint="use *")
        )
    if x.type.ndim <= 2 and y.type.ndim <= 2:
        return dot_op(x, y)
    if y.type.ndim <= 2:
        return dot(x, y)
    if x.type.ndim == 1:
        return matmul(x.dimshuffle("x", 0), y).sum(axis=-2)
    batch = max(x.type.ndim, y.type.ndim) - 2
    x = x.dimshuffle(*["x"] * (batch + 2 - x.type.ndim), *range(x.type.ndim))
    y = y.dimshuffle(*["x"] * (batch + 2 - y.type.ndim), *range(y.type.ndim))
    product = x.dimshuffle(*range(batch + 2), "x") * y.dimshuffle(
        *range(batch), "x", batch, batch + 1
    )
    return product.sum(axis=batch + 1)
