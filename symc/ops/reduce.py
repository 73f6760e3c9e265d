"""Reductions: sum, prod, max, min, all, any, argmax, argmin.

Every reduction of one scalar op is a `CAReduce`: a commutative and associative scalar op over
some axes. In a graph its axes are a sorted tuple of numbers (None: all axes) and its dtypes are
settled; before, on an op as users make it (``Sum(axis=-1)``), they may be open.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import acc_dtype as default_acc_dtype
from ..dtypes import canonical, is_complex, is_discrete, sum_dtype
from ..errors import DTypeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType
from ..loop.protocol import ReductionSpec
from ..scalar.arith import add, maximum, minimum, mul
from ..scalar.logic import and_, cast, eq, neq, or_, second, switch, xor
from ..scalar.op import ScalarOp
from .axes import normalize_axes, without
from .dimshuffle import dimshuffle
from .support import NOWHERE

__all__ = [
    "All",
    "Any_",
    "CAReduce",
    "CAReduceDtype",
    "Max",
    "Min",
    "Prod",
    "ProdWithoutZeros",
    "Sum",
    "keep_dims",
    "zero_gradient",
]

_UFUNCS: dict[ScalarOp, Any] = {
    add: np.add,
    mul: np.multiply,
    maximum: np.maximum,
    minimum: np.minimum,
    and_: np.bitwise_and,
    or_: np.bitwise_or,
    xor: np.bitwise_xor,
}


class CAReduce(BuiltinOp):
    """Combine the elements along some axes with a commutative, associative scalar op.

    Parameters
    ----------
    scalar_op : ScalarOp
    axis : int, sequence of int or None
        None means all axes.

    Notes
    -----
    An empty axis gives the identity of the scalar op; where it has none (maximum), an error.
    """

    __props__: tuple[str, ...] = ("scalar_op", "axis")

    def __init__(self, scalar_op: Any, axis: Any = None) -> None:
        if scalar_op.nin not in (2, -1):
            raise TypeError(f"a reduction needs a scalar op of two operands, got {scalar_op}")
        self.scalar_op = scalar_op
        self.axis = _tuple_or_none(axis)

    # -- types

    def output_dtype(self, dtype: str) -> str:
        """Dtype of the result for operands of `dtype`."""
        out: str = self.scalar_op.out_dtype(dtype, dtype)
        return out

    def accumulator_dtype(self, dtype: str) -> str:
        """Dtype in which operands of `dtype` are accumulated."""
        return self.output_dtype(dtype)

    def settled(self, axes: tuple[int, ...] | None, dtype: str) -> CAReduce:
        """Return this op with its axes and dtypes settled for an operand of `dtype`."""
        return self if axes == self.axis else type(self)(self.scalar_op, axes)

    def axes(self, ndim: int) -> tuple[int, ...]:
        """The axes reduced, for an operand of `ndim` axes."""
        return normalize_axes(self.axis, ndim)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        axes = self.axes(x.type.ndim)
        op = self.settled(None if self.axis is None else axes, x.type.dtype)
        dtype = op.output_dtype(x.type.dtype)
        out = TensorType(dtype, without(x.type.broadcastable, axes)).make_variable()
        note_lengths(out, without(known_lengths(x), axes))
        return Apply(op, [x], [out])

    # -- meaning

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        axes = self.axes(x.ndim)
        dtype = x.dtype.name
        acc = self.accumulator_dtype(dtype)
        ufunc = _UFUNCS.get(self.scalar_op)
        with np.errstate(all="ignore"):
            if ufunc is None:
                result = _fold(self.scalar_op, x.astype(acc), axes)
            elif acc == dtype:
                result = ufunc.reduce(x, axis=axes)
            else:
                result = ufunc.reduce(x, axis=axes, dtype=acc)
            return np.asarray(result).astype(self.output_dtype(dtype), copy=False)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [without(in_shapes[0], self.axes(node.inputs[0].type.ndim))]

    @property
    def identity(self) -> Any:
        """The result for no elements, or None where that is an error."""
        return self.scalar_op.identity

    def reduction(self, node: Apply) -> ReductionSpec | None:
        x = node.inputs[0].type
        if self.scalar_op not in _UFUNCS and not self._accumulates(x.dtype):
            return None
        return ReductionSpec(
            op=self.scalar_op,
            axes=self.axes(x.ndim),
            dtype=node.outputs[0].type.dtype,
            acc_dtype=self.accumulator_dtype(x.dtype),
            identity=self.identity,
        )

    def _accumulates(self, dtype: str) -> bool:
        """Whether kernels can reduce with an op that is not one of symc's own.

        They combine elements in an order of their own, each accumulator starting from the identity.
        """
        op, acc = self.scalar_op, self.accumulator_dtype(dtype)
        free = op.commutative and op.associative and op.identity is not None
        return free and op.out_dtype(acc, acc) == acc and op.has_text(acc, acc)

    # -- derivatives

    def signed_by(self, node: Apply) -> list[Any] | None:
        """Sums, products and extremes are non-negative where the operand is."""
        known = self.scalar_op.name in ("add", "mul", "maximum", "minimum")
        return [node.inputs[0]] if known else None

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (g,) = inputs, g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g]
        if is_discrete(outputs[0].type.dtype):
            return [zero_gradient(x)]
        return [self.gradient(x, outputs[0], g)]

    def gradient(self, x: Any, y: Any, g: Any) -> Any:
        """Return the gradient with respect to the continuous or discrete operand `x`."""
        raise NotImplementedError(f"a reduction with {self.scalar_op} has no gradient")

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (x,), (point,) = inputs, eval_points
        return [None if point is None else self.pushforward(x, self(x), point)]

    def pushforward(self, x: Any, y: Any, point: Any) -> Any:
        """Return the directional derivative of the result along `point`."""
        raise NotImplementedError(f"a reduction with {self.scalar_op} has no R_op")

    def expanded(self, x: Any, y: Any) -> Any:
        """Return `y`, of the shape of the result, with axes of length 1 where `x` was reduced."""
        return keep_dims(x, y, self.axes(x.type.ndim))

    def __str__(self) -> str:
        axes = "" if self.axis is None else f"{{{', '.join(map(str, self.axis))}}}"
        return f"{self.title}{axes}"

    @property
    def title(self) -> str:
        """Name in printed graphs."""
        return f"Reduce{{{self.scalar_op}}}"


def _tuple_or_none(axis: Any) -> tuple[int, ...] | None:
    if axis is None:
        return None
    if isinstance(axis, (list, tuple)):
        return tuple(int(a) for a in axis)
    if isinstance(axis, np.ndarray):
        return tuple(int(a) for a in axis.reshape(-1))
    return (int(axis),)


def _fold(scalar_op: Any, x: Any, axes: tuple[int, ...]) -> Any:
    """Reduce with a scalar op that NumPy has no ufunc for, element by element."""
    moved = np.moveaxis(x, axes, range(len(axes)))
    count = len(axes)
    flat = moved.reshape((math.prod(moved.shape[:count]), *moved.shape[count:]))
    if len(flat) == 0:
        if scalar_op.identity is None:
            raise ValueError(f"reduction of an empty axis: {scalar_op} has no identity")
        return np.full(flat.shape[1:], scalar_op.identity, x.dtype)
    return functools.reduce(scalar_op.numpy_eval, flat)


def keep_dims(x: Any, y: Any, axes: Sequence[int]) -> Any:
    """Insert into `y`, a reduction of `x`, axes of length 1 where `x` was reduced."""
    axes = normalize_axes(axes, x.type.ndim)
    kept = iter(range(y.type.ndim))
    return dimshuffle(y, ["x" if i in axes else next(kept) for i in range(x.type.ndim)])


def zero_gradient(x: Any) -> Any:
    """Return zeros of the shape of `x`; floatX where `x` is discrete."""
    return second(x, as_tensor_variable(np.zeros((), gradient_dtype(x.type.dtype))))


def gradient_dtype(dtype: str) -> str:
    """Dtype of a gradient with respect to a variable of `dtype`."""
    return canonical("floatX") if is_discrete(dtype) else dtype


# ---------------------------------------------------------------------------------------------
# Sums and products
# ---------------------------------------------------------------------------------------------


class CAReduceDtype(CAReduce):
    """A reduction whose result and accumulator have dtypes of their own.

    Parameters
    ----------
    scalar_op : ScalarOp
    axis : int, sequence of int or None
    dtype : str, optional
        Of the result. By default integers and bools give int64 or uint64, others are unchanged.
    acc_dtype : str, optional
        Of the accumulator. By default wider than the result: float64 for float32.
    """

    __props__: tuple[str, ...] = ("scalar_op", "axis", "dtype", "acc_dtype")

    def __init__(
        self, scalar_op: Any, axis: Any = None, dtype: Any = None, acc_dtype: Any = None
    ) -> None:
        super().__init__(scalar_op, axis)
        self.dtype = None if dtype is None else canonical(dtype)
        self.acc_dtype = None if acc_dtype is None else canonical(acc_dtype)

    def output_dtype(self, dtype: str) -> str:
        return sum_dtype(dtype) if self.dtype is None else self.dtype

    def accumulator_dtype(self, dtype: str) -> str:
        if self.acc_dtype is not None:
            return self.acc_dtype
        return default_acc_dtype(dtype, result=self.output_dtype(dtype))

    def settled(self, axes: tuple[int, ...] | None, dtype: str) -> CAReduce:
        out = sum_dtype(dtype, self.dtype)
        acc = default_acc_dtype(dtype, self.acc_dtype, result=out)
        if (axes, out, acc) == (self.axis, self.dtype, self.acc_dtype):
            return self
        return self.with_dtypes(axes, out, acc)

    def with_dtypes(self, axes: tuple[int, ...] | None, dtype: str, acc_dtype: str) -> CAReduce:
        """Return this op with other axes and dtypes."""
        return type(self)(self.scalar_op, axes, dtype, acc_dtype)


class _Named(CAReduceDtype):
    """A `CAReduceDtype` whose class fixes the scalar op."""

    __props__: tuple[str, ...] = ("axis", "dtype", "acc_dtype")
    combine: ScalarOp

    def __init__(self, axis: Any = None, dtype: Any = None, acc_dtype: Any = None) -> None:
        super().__init__(self.combine, axis, dtype, acc_dtype)

    def with_dtypes(self, axes: tuple[int, ...] | None, dtype: str, acc_dtype: str) -> CAReduce:
        return type(self)(axes, dtype, acc_dtype)

    @property
    def title(self) -> str:
        return type(self).__name__


class Sum(_Named):
    """Sum over some axes; 0 for no elements. Gradient: ``g`` for every element."""

    __props__ = ("axis", "dtype", "acc_dtype")
    combine = add

    def support(self, node: Apply, of: Any) -> Any:
        """Where an element of the operand's support is summed; see `ops.support`."""
        (x,) = node.inputs
        inside = of(x)
        if inside is None or inside is NOWHERE:
            return inside
        return Any_(self.axis)(second(x, inside))

    def gradient(self, x: Any, y: Any, g: Any) -> Any:
        return second(x, self.expanded(x, g))

    def pushforward(self, x: Any, y: Any, point: Any) -> Any:
        return self(point)


class Prod(_Named):
    """Product over some axes; 1 for no elements.

    Parameters
    ----------
    axis, dtype, acc_dtype
        As for `CAReduceDtype`.
    no_zeros_in_input : bool
        A promise that no element is 0, for which the gradient has a simpler form.

    Notes
    -----
    The gradient is ``g * prod / x`` where no element of the group is 0. With exactly one zero
    it is ``g`` times the product of the others at that element, and 0 elsewhere; with more, 0.
    """

    __props__ = ("axis", "dtype", "acc_dtype", "no_zeros_in_input")
    combine = mul

    def __init__(
        self,
        axis: Any = None,
        dtype: Any = None,
        acc_dtype: Any = None,
        no_zeros_in_input: bool = False,
    ) -> None:
        super().__init__(axis, dtype, acc_dtype)
        self.no_zeros_in_input = no_zeros_in_input

    def with_dtypes(self, axes: tuple[int, ...] | None, dtype: str, acc_dtype: str) -> CAReduce:
        return type(self)(axes, dtype, acc_dtype, self.no_zeros_in_input)

    def gradient(self, x: Any, y: Any, g: Any) -> Any:
        # For complex numbers a gradient is the adjoint for re(conj(a) b).
        if is_complex(x.type.dtype):
            return self._times_others(x.conj(), y.conj(), g)
        return self._times_others(x, y, g)

    def _times_others(self, x: Any, y: Any, g: Any) -> Any:
        """Return `g` times the product of the other elements of the group, for every element."""
        wide = self.expanded(x, g)
        if self.no_zeros_in_input:
            return wide * self.expanded(x, y) / x
        zero = eq(x, 0)
        zeros = self.expanded(x, Sum(self.axis, dtype="int64")(zero))
        others = self.expanded(x, self(switch(zero, 1, x)))
        without_zero = switch(eq(zeros, 0), others / switch(zero, 1, x), 0)
        return wide * switch(eq(zeros, 1) & zero, others, without_zero)

    def pushforward(self, x: Any, y: Any, point: Any) -> Any:
        return Sum(self.axis)(self._times_others(x, y, second(y, 1)) * point)


class ProdWithoutZeros(_Named):
    """Product over some axes of the elements that are not 0; 1 for no elements."""

    __props__ = ("axis", "dtype", "acc_dtype")
    combine = mul

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        return super().numpy(np.where(x == 0, np.ones((), x.dtype), x))

    def reduction(self, node: Apply) -> None:
        return None

    def gradient(self, x: Any, y: Any, g: Any) -> Any:
        zero = eq(x, 0)
        return switch(zero, 0, self.expanded(x, g * y) / switch(zero, 1, x))

    def pushforward(self, x: Any, y: Any, point: Any) -> Any:
        return Sum(self.axis)(self.gradient(x, y, second(y, 1)) * point)


# ---------------------------------------------------------------------------------------------
# Extremes and logic
# ---------------------------------------------------------------------------------------------


class _Extreme(CAReduce):
    """Maximum or minimum; NaN if an element is NaN; an error for no elements.

    The gradient goes to every element that equals the result.
    """

    __props__: tuple[str, ...] = ("axis",)
    combine: ScalarOp

    def __init__(self, axis: Any = None) -> None:
        super().__init__(self.combine, axis)

    def settled(self, axes: tuple[int, ...] | None, dtype: str) -> CAReduce:
        if is_complex(dtype):
            raise DTypeError(
                user_message(
                    f"{self.title}: complex numbers have no order", got=dtype, expected="real"
                )
            )
        return self if axes == self.axis else type(self)(axes)

    def output_dtype(self, dtype: str) -> str:
        return dtype

    @property
    def identity(self) -> Any:
        return None

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        return np.asarray(_UFUNCS[self.scalar_op].reduce(x, axis=self.axes(x.ndim)))

    def gradient(self, x: Any, y: Any, g: Any) -> Any:
        # The extreme of this very `x`: where `x` is computed anew, as in a loop backwards, `y` may
        # be off by a rounding. Outside of loops the two are merged.
        return switch(eq(self.expanded(x, self(x)), x), self.expanded(x, g), 0)

    def pushforward(self, x: Any, y: Any, point: Any) -> Any:
        chosen = eq(self.expanded(x, y), x)
        count = Sum(self.axis, dtype="int64")(chosen)
        return Sum(self.axis)(switch(chosen, point, 0)) / cast(count, point.dtype)

    @property
    def title(self) -> str:
        return type(self).__name__


class Max(_Extreme):
    """The largest element along some axes."""

    __props__ = ("axis",)
    combine = maximum


class Min(_Extreme):
    """The smallest element along some axes."""

    __props__ = ("axis",)
    combine = minimum


class _Logical(CAReduce):
    """A reduction of truth values: what is not zero is true."""

    __props__: tuple[str, ...] = ("axis",)
    combine: ScalarOp

    def __init__(self, axis: Any = None) -> None:
        super().__init__(self.combine, axis)

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if x.type.dtype != "bool":
            x = neq(x, 0)
        return super().make_node(x)

    def settled(self, axes: tuple[int, ...] | None, dtype: str) -> CAReduce:
        return self if axes == self.axis else type(self)(axes)

    @property
    def title(self) -> str:
        return type(self).__name__.rstrip("_")


class All(_Logical):
    """Whether all elements along some axes are true; True for no elements."""

    __props__ = ("axis",)
    combine = and_

    @property
    def identity(self) -> bool:
        return True


class Any_(_Logical):  # noqa: N801 - exported as Any, which is typing's name here
    """Whether any element along some axes is true; False for no elements."""

    __props__ = ("axis",)
    combine = or_

    @property
    def identity(self) -> bool:
        return False


# ---------------------------------------------------------------------------------------------
# The functions users call
# ---------------------------------------------------------------------------------------------


def _reduce(op_of: Any, x: Any, axis: Any, keepdims: bool) -> Any:
    x = as_tensor_variable(x)
    axes = None if axis is None else normalize_axes(axis, x.type.ndim)
    result = op_of(axes)(x)
    return keep_dims(x, result, normalize_axes(axes, x.type.ndim)) if keepdims else result


def sum(
    input: Any, axis: Any = None, dtype: Any = None, keepdims: bool = False, acc_dtype: Any = None
) -> Any:
    """Sum over some axes.

    Parameters
    ----------
    input : tensor
    axis : int, tuple of int or None
        None means all axes; negative axes count from the end.
    dtype : str, optional
        Of the result. Default: int64 for integers and bools (uint64 for unsigned ones), else that
        of `input`.
    keepdims : bool
        Whether the summed axes stay, with length 1.
    acc_dtype : str, optional
        Dtype in which is accumulated. Default: float64 for float32, float32 for float16.

    Returns
    -------
    tensor
        0 where there is nothing to sum.

    Examples
    --------
    >>> from symc.array.constructors import fmatrix
    >>> sum(fmatrix(), axis=-1).type
    TensorType(float32, vector)
    """
    return _reduce(lambda axes: Sum(axes, dtype, acc_dtype), input, axis, keepdims)


def prod(
    input: Any,
    axis: Any = None,
    dtype: Any = None,
    keepdims: bool = False,
    acc_dtype: Any = None,
    no_zeros_in_input: bool = False,
) -> Any:
    """Product over some axes; the parameters are those of `sum`.

    `no_zeros_in_input` promises that no element is 0, which makes the gradient simpler.
    """
    return _reduce(
        lambda axes: Prod(axes, dtype, acc_dtype, no_zeros_in_input), input, axis, keepdims
    )


def max(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Largest element along some axes, NaN if one is NaN.

    Raises (when the function runs) ValueError for an empty axis. The gradient goes to every
    element that equals the maximum.
    """
    return _reduce(Max, x, axis, keepdims)


def min(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Smallest element along some axes, NaN if one is NaN; see `max`."""
    return _reduce(Min, x, axis, keepdims)


def all(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether all elements along some axes are true (not zero); a bool tensor."""
    return _reduce(All, x, axis, keepdims)


def any(x: Any, axis: Any = None, keepdims: bool = False) -> Any:
    """Whether any element along some axes is true (not zero); a bool tensor."""
    return _reduce(Any_, x, axis, keepdims)
