"""New tensors: filled with a value, ranges, unit and triangular matrices."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_operands, as_tensor_variable, constant
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..config import config
from ..dtypes import canonical, is_complex, is_discrete, is_unsigned, upcast
from ..errors import ShapeError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..scalar.arith import int_div, maximum
from ..scalar.logic import cast as cast_scalar
from ..scalar.logic import eq, ge, le, neq
from .elemwise import cast
from .math import second
from .math import switch as where
from .reduce import sum as sum_
from .reduce import zero_gradient
from .sizes import shape_i
from .sum_to import sum_to
from .vector import as_index_scalar, as_size_vector, get_vector_length

__all__ = [
    "ARange",
    "Alloc",
    "AllocEmpty",
    "Eye",
    "Tri",
    "alloc",
    "alloc_validate_shape",
    "arange",
    "broadcast_to",
    "empty",
    "eye",
    "full",
    "full_like",
    "identity_like",
    "mgrid",
    "ogrid",
    "ones",
    "ones_like",
    "tri",
    "tril",
    "triu",
    "zeros",
    "zeros_like",
]


# ---------------------------------------------------------------------------------------------
# Filled tensors
# ---------------------------------------------------------------------------------------------


def _size_entries(shape: Any) -> list[Any]:
    """The lengths of a shape that users give, as a list."""
    if isinstance(shape, Variable):
        if not shape.type.ndim:
            return [shape]
        vector = as_size_vector(shape)
        return [vector[i] for i in range(get_vector_length(vector))]
    if isinstance(shape, np.ndarray):
        return shape.reshape(-1).tolist()
    return list(shape) if isinstance(shape, (list, tuple)) else [shape]


def _known_sizes(sizes: Sequence[Any]) -> tuple[int | None, ...]:
    return tuple(int(n.data) if isinstance(n, Constant) else None for n in sizes)


def _check_not_negative(what: str, lengths: Sequence[int | None]) -> None:
    if [n for n in lengths if n is not None and n < 0]:
        raise ShapeError(f"{what}: a length can't be negative, got {tuple(lengths)}")


def alloc_validate_shape(shape: Any) -> tuple[list[Any], list[bool]]:
    """Return the lengths of a shape as 0-d int64 tensors, and where they are known to be 1."""
    sizes = [as_index_scalar(n) for n in _size_entries(shape)]
    return sizes, [n == 1 for n in _known_sizes(sizes)]


class _Sized(BuiltinOp):
    """An op whose operands from position `first` on are the lengths of its result."""

    first = 0

    def result_lengths(self, ctx: Any, count: int) -> list[Any]:
        """Return the lengths as sizes, after requiring that they are not negative."""
        lengths = []
        for i in range(self.first, self.first + count):
            n = ctx.value(i)
            ctx.check(ge(n, 0), "value", "a length can't be negative, got {0}", n)
            lengths.append(n)
        return lengths


class Alloc(_Sized):
    """The first operand, broadcast to the shape that the other operands give.

    Examples
    --------
    ``Alloc()(0.0, 2, 3)`` is a matrix of zeros.
    """

    __props__ = ()
    first = 1

    def make_node(self, value: Any, *shape: Any) -> Apply:
        value = as_tensor_variable(value)
        sizes = [as_index_scalar(n) for n in shape]
        lengths = _known_sizes(sizes)
        _check_not_negative("alloc", lengths)
        extra = len(sizes) - value.type.ndim
        fits = extra >= 0 and all(
            m in (None, 1) or n is None or m == n
            for m, n in zip(known_lengths(value), lengths[max(extra, 0) :], strict=False)
        )
        if not fits:
            raise ShapeError(
                user_message(
                    f"{value} can't be broadcast to this shape",
                    got=f"{value.type} of shape {known_lengths(value)} to {lengths}",
                    where=user_line(value) or None,
                )
            )
        out = TensorType(value.type.dtype, [n == 1 for n in lengths])()
        note_lengths(out, lengths)
        return Apply(self, [value, *sizes], [out])

    def numpy(self, *arrays: Any) -> Any:
        value, *sizes = arrays
        shape = tuple(int(n) for n in sizes)
        _check_not_negative("alloc", shape)
        try:
            return np.broadcast_to(value, shape).copy()
        except ValueError as error:
            raise ShapeError(f"alloc: shape {value.shape} can't be broadcast to {shape}") from error

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = self.result_lengths(ctx, len(node.inputs) - 1)
        value = in_shapes[0]
        offset = len(lengths) - len(value)
        message = "alloc: a length of {0} can't be broadcast to {1}"
        for axis, m in enumerate(value):
            n = lengths[offset + axis]
            if not node.inputs[0].type.broadcastable[axis]:
                ctx.check(eq(ctx.bcast(m, n), n), "shape", message, m, n)
        return [tuple(lengths)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        pattern = node.inputs[0].type.broadcastable
        last = idx[len(idx) - len(pattern) :]
        return read(0, tuple(0 if b else i for i, b in zip(last, pattern, strict=True)))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the value only."""
        return [[i == 0] for i in range(len(node.inputs))]

    def support(self, node: Apply, of: Any) -> Any:
        """The value's support; see `ops.support`."""
        return of(node.inputs[0])

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        rest = [disconnected_type() for _ in inputs[1:]]
        if isinstance(g.type, DisconnectedType):
            return [g, *rest]
        if is_discrete(outputs[0].type.dtype):
            return [zero_gradient(inputs[0]), *rest]
        return [sum_to(g, inputs[0]), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, *inputs[1:])]


class AllocEmpty(_Sized):
    """A tensor whose elements mean nothing yet.

    Parameters
    ----------
    dtype : str

    Notes
    -----
    Its elements read as zeros, so that results do not depend on what memory held before.
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = canonical(dtype)

    def make_node(self, *shape: Any) -> Apply:
        sizes = [as_index_scalar(n) for n in shape]
        lengths = _known_sizes(sizes)
        _check_not_negative("empty", lengths)
        out = TensorType(self.dtype, [n == 1 for n in lengths])()
        note_lengths(out, lengths)
        return Apply(self, sizes, [out])

    def numpy(self, *arrays: Any) -> Any:
        shape = tuple(int(n) for n in arrays)
        _check_not_negative("empty", shape)
        return np.zeros(shape, self.dtype)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [tuple(self.result_lengths(ctx, len(node.inputs)))]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read.ctx.const(0, self.dtype)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the lengths are disconnected."""
        return [[False] for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]


_alloc = Alloc()


def alloc(value: Any, *shape: Any) -> Any:
    """Broadcast `value` to a shape.

    Parameters
    ----------
    value : tensor
    *shape : int or 0-d integer tensor
        The lengths; also as one list or integer vector.
    """
    if len(shape) == 1:
        shape = tuple(_size_entries(shape[0]))
    return _alloc(value, *shape)


def broadcast_to(x: Any, shape: Any) -> Any:
    """Broadcast `x` to `shape`, NumPy's rule; the parameters are those of `alloc`."""
    return _alloc(x, *_size_entries(shape))


def full(shape: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return a tensor of the given shape, filled with `fill_value`.

    Parameters
    ----------
    shape : int, 0-d integer tensor, sequence of these, or integer vector
    fill_value : tensor
    dtype : str, optional
        Default: that of the value.
    """
    value = as_tensor_variable(fill_value)
    return _alloc(value if dtype is None else cast(value, dtype), *_size_entries(shape))


def zeros(shape: Any, dtype: Any = None) -> Any:
    """Return zeros; the default dtype is floatX. See `full` for the shape."""
    return full(shape, constant(0, dtype=config.floatX if dtype is None else dtype))


def ones(shape: Any, dtype: Any = None) -> Any:
    """Return ones; the default dtype is floatX. See `full` for the shape."""
    return full(shape, constant(1, dtype=config.floatX if dtype is None else dtype))


def empty(shape: Any, dtype: Any = None) -> Any:
    """Return a tensor whose elements mean nothing; the default dtype is floatX."""
    return AllocEmpty(config.floatX if dtype is None else dtype)(*_size_entries(shape))


def full_like(model: Any, fill_value: Any, dtype: Any = None) -> Any:
    """Return a tensor of the shape of `model`, filled with `fill_value`."""
    model = as_tensor_variable(model)
    value = cast(as_tensor_variable(fill_value), model.type.dtype if dtype is None else dtype)
    return second(model, value)


def _like(model: Any, number: int, dtype: Any, opt: bool) -> Any:
    model = as_tensor_variable(model)
    value = constant(number, dtype=model.type.dtype if dtype is None else dtype)
    return value if opt and not model.type.ndim else second(model, value)


def zeros_like(model: Any, dtype: Any = None, opt: bool = False) -> Any:
    """Return zeros of the shape of `model`.

    Parameters
    ----------
    model : tensor
    dtype : str, optional
        Default: that of `model`.
    opt : bool
        Whether a constant is returned for a 0-d model.
    """
    return _like(model, 0, dtype, opt)


def ones_like(model: Any, dtype: Any = None, opt: bool = False) -> Any:
    """Return ones of the shape of `model`; see `zeros_like`."""
    return _like(model, 1, dtype, opt)


# ---------------------------------------------------------------------------------------------
# Ranges
# ---------------------------------------------------------------------------------------------


class ARange(BuiltinOp):
    """``start, start + step, ...`` up to but not including ``stop``.

    Parameters
    ----------
    dtype : str
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: Any) -> None:
        self.dtype = canonical(dtype)

    def make_node(self, start: Any, stop: Any, step: Any) -> Apply:
        operands = [as_tensor_variable(v) for v in (start, stop, step)]
        for v in operands:
            if v.type.ndim or is_complex(v.type.dtype):
                raise TypeError(
                    user_message(
                        "arange takes real numbers",
                        got=f"{v} of type {v.type}",
                        expected="0-d tensors",
                        where=user_line(v) or None,
                    )
                )
        out = TensorType(self.dtype, (False,))()
        count = self._known_count(operands)
        if count is not None:
            note_lengths(out, (count,))
        return Apply(self, operands, [out])

    def numpy(self, *arrays: Any) -> Any:
        start, stop, step = (a[()] for a in arrays)
        if step == 0:
            raise ZeroDivisionError("the step of arange can't be 0")
        return np.arange(start, stop, step, dtype=self.dtype)

    @staticmethod
    def _known_count(operands: Sequence[Any]) -> int | None:
        """The number of elements, if all operands are constants."""
        if not all(isinstance(v, Constant) for v in operands):
            return None
        start, stop, step = (v.data[()] for v in operands)
        if step == 0:
            raise ZeroDivisionError("the step of arange can't be 0")
        if all(is_discrete(v.type.dtype) for v in operands):
            return len(range(int(start), int(stop), int(step)))
        # NumPy's rule, in the precision of the operands.
        return max(math.ceil((stop - start) / step), 0)

    @staticmethod
    def _integral(node: Apply) -> bool:
        return all(is_discrete(v.type.dtype) for v in node.inputs)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        known = self._known_count(node.inputs)
        if known is not None:
            return [(known,)]
        if not self._integral(node):
            return [(ctx.unknown(0, 0),)]
        start, stop, step = (ctx.value(i) for i in range(3))
        if step.is_const and int(step.value) == 1:
            return [(maximum(stop - start, 0),)]
        ctx.check(neq(step, 0), "value", "the step of arange can't be 0")
        # ceil((stop - start) / step), for steps of either sign
        return [(maximum(-int_div(start - stop, step), 0),)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        if not self._integral(node):
            return None
        value = read.value(0) + idx[0] * read.value(2)
        return cast_scalar(value, self.dtype)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that `stop` only decides about the length."""
        return [[True], [False], [True]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        start, _, step = inputs
        (g,) = g_outputs
        if is_discrete(self.dtype):
            return [zero_gradient(start), disconnected_type(), zero_gradient(step)]
        count = arange(shape_i(outputs[0], 0), dtype=self.dtype)
        return [sum_(g), disconnected_type(), sum_(g * count)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        start, _, step = eval_points
        if is_discrete(self.dtype) or (start is None and step is None):
            return [None]
        out = self(*inputs)
        slope = second(out, start) if start is not None else zero_gradient(out)
        if step is not None:
            slope = slope + step * arange(shape_i(out, 0), dtype=self.dtype)
        return [slope]


def arange(start: Any, stop: Any = None, step: Any = 1, dtype: Any = None) -> Any:
    """Return evenly spaced numbers.

    Parameters
    ----------
    start, stop, step : number or 0-d tensor
        ``arange(n)`` counts from 0 to n - 1.
    dtype : str, optional
        Default: int64 (uint64) for integers, else that of the operands.

    Examples
    --------
    >>> arange(3).type
    TensorType(int64, vector)
    """
    if stop is None:
        start, stop = 0, start
    operands = as_operands([start, stop, step])
    if dtype is None:
        dtype = upcast(*(v.type.dtype for v in operands))
        if is_discrete(dtype):
            dtype = "uint64" if is_unsigned(dtype) else "int64"
    return ARange(dtype)(*operands)


class _Grid:
    """``mgrid[a:b, c:d]``: coordinates of the points of a grid, one tensor per axis.

    Parameters
    ----------
    sparse : bool
        Whether each tensor varies along its own axis only (``ogrid``).
    """

    def __init__(self, sparse: bool) -> None:
        self.sparse = sparse

    def __getitem__(self, slices: Any) -> Any:
        given = slices if isinstance(slices, tuple) else (slices,)
        ranges = [self._range(s) for s in given]
        count = len(ranges)
        axes = [r.dimshuffle(*["x"] * i, 0, *["x"] * (count - 1 - i)) for i, r in enumerate(ranges)]
        if not self.sparse:
            sizes = [shape_i(r, 0) for r in ranges]
            axes = [broadcast_to(a, sizes) for a in axes]
        return axes if isinstance(slices, tuple) else axes[0]

    @staticmethod
    def _range(s: slice) -> Any:
        if not isinstance(s, slice) or isinstance(s.step, complex):
            raise NotImplementedError(
                f"mgrid and ogrid take slices with a real step, got {s!r}: write arange instead"
            )
        return arange(0 if s.start is None else s.start, s.stop, 1 if s.step is None else s.step)


mgrid = _Grid(sparse=False)
ogrid = _Grid(sparse=True)


# ---------------------------------------------------------------------------------------------
# Unit and triangular matrices
# ---------------------------------------------------------------------------------------------


class _Pattern(_Sized):
    """A matrix of ones and zeros: operands rows, columns, and the number of a diagonal."""

    __props__: tuple[str, ...] = ("dtype",)

    def __init__(self, dtype: Any = None) -> None:
        self.dtype = canonical(config.floatX if dtype is None else dtype)

    def make_node(self, n: Any, m: Any, k: Any) -> Apply:
        operands = [as_index_scalar(v) for v in (n, m, k)]
        lengths = _known_sizes(operands[:2])
        _check_not_negative(type(self).__name__, lengths)
        out = TensorType(self.dtype, [v == 1 for v in lengths])()
        note_lengths(out, lengths)
        return Apply(self, operands, [out])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [tuple(self.result_lengths(ctx, 2))]

    def numpy(self, *arrays: Any) -> Any:
        n, m, k = (int(a) for a in arrays)
        _check_not_negative(type(self).__name__, (n, m))
        return self.reference(n, m, k)

    def reference(self, n: int, m: int, k: int) -> Any:
        """Return the matrix."""
        raise NotImplementedError

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result does not depend continuously on anything."""
        return [[False] for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None]


class Eye(_Pattern):
    """Ones on diagonal k, where column minus row is k; zeros elsewhere."""

    __props__ = ("dtype",)

    def reference(self, n: int, m: int, k: int) -> Any:
        return np.eye(n, m, k, dtype=self.dtype)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        row, column = idx
        return cast_scalar(eq(column, row + read.value(2)), self.dtype)


class Tri(_Pattern):
    """Ones on and below diagonal k, where column minus row is k; zeros elsewhere."""

    __props__ = ("dtype",)

    def reference(self, n: int, m: int, k: int) -> Any:
        return np.tri(n, m, k, dtype=self.dtype)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        row, column = idx
        return cast_scalar(le(column, row + read.value(2)), self.dtype)


def eye(n: Any, m: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """Return a matrix with ones on one diagonal and zeros elsewhere.

    Parameters
    ----------
    n : int or 0-d integer tensor
        Number of rows.
    m : int or 0-d integer tensor, optional
        Number of columns, default n.
    k : int or 0-d integer tensor
        Which diagonal: positive above, negative below the main one.
    dtype : str, optional
        Default floatX.
    """
    return Eye(dtype)(n, n if m is None else m, k)


def identity_like(x: Any) -> Any:
    """Return a matrix of the shape and dtype of `x` with ones on its main diagonal."""
    x = as_tensor_variable(x)
    return eye(shape_i(x, 0), shape_i(x, 1), dtype=x.type.dtype)


def tri(N: Any, M: Any = None, k: Any = 0, dtype: Any = None) -> Any:
    """Return a matrix with ones on and below diagonal `k`; the parameters are those of `eye`."""
    return Tri(dtype)(N, N if M is None else M, k)


def _mask(m: Any, k: Any) -> Any:
    if m.type.ndim < 2:
        raise ShapeError(f"a triangle needs at least 2 axes, got {m} of type {m.type}")
    ndim = m.type.ndim
    return tri(shape_i(m, ndim - 2), shape_i(m, ndim - 1), k, dtype="bool")


def tril(m: Any, k: Any = 0) -> Any:
    """Return `m` with zeros above diagonal `k` of its last two axes."""
    m = as_tensor_variable(m)
    return where(_mask(m, k), m, constant(0, dtype=m.type.dtype))


def triu(m: Any, k: Any = 0) -> Any:
    """Return `m` with zeros below diagonal `k` of its last two axes."""
    m = as_tensor_variable(m)
    return where(_mask(m, as_index_scalar(k) - 1), constant(0, dtype=m.type.dtype), m)
