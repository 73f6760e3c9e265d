"""Putting tensors together and taking them apart: join, stack, split, tile, repeat, roll."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable, scalar_constant
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_discrete, upcast
from ..errors import NotScalarConstantError, ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from .axes import normalize_axis
from .elemwise import cast
from .reduce import zero_gradient
from .shape import specify_shape

__all__ = [
    "Join",
    "Split",
    "concatenate",
    "horizontal_stack",
    "join",
    "roll",
    "split",
    "stack",
    "stacklists",
    "vertical_stack",
]


class Join(BuiltinOp):
    """Tensors one after the other along an axis.

    Parameters
    ----------
    axis : int
        Not negative. (Theano passes the axis as an operand; `join` takes it first, too.)
    """

    __props__ = ("axis",)

    def __init__(self, axis: int) -> None:
        self.axis = int(axis)

    def make_node(self, *tensors: Any) -> Apply:
        parts = [as_tensor_variable(t) for t in tensors]
        if not parts:
            raise ValueError("join needs at least one tensor")
        ndims = {p.type.ndim for p in parts}
        if len(ndims) != 1 or 0 in ndims:
            raise TypeError(
                user_message(
                    "join: all tensors must have the same number of axes, and at least one",
                    got=[f"{p} of type {p.type}" for p in parts[:6]],
                    where=next((user_line(p) for p in parts if user_line(p)), None),
                    hint="stack joins along a new axis",
                )
            )
        ndim = ndims.pop()
        normalize_axis(self.axis, ndim)
        dtype = upcast(*(p.type.dtype for p in parts))
        parts = [p if p.type.dtype == dtype else cast(p, dtype) for p in parts]
        self._check(parts)
        pattern = [any(p.type.broadcastable[d] for p in parts) for d in range(ndim)]
        pattern[self.axis] = len(parts) == 1 and parts[0].type.broadcastable[self.axis]
        out = TensorType(dtype, pattern)()
        note_lengths(out, self._known(parts))
        return Apply(self, parts, [out])

    def _check(self, parts: Sequence[Any]) -> None:
        shapes = [known_lengths(p) for p in parts]
        for d in range(parts[0].type.ndim):
            if d != self.axis and len({s[d] for s in shapes} - {None}) > 1:
                raise ShapeError(
                    user_message(
                        f"join along axis {self.axis}: lengths along axis {d} differ",
                        got=[f"{p} of shape {s}" for p, s in zip(parts, shapes, strict=True)][:6],
                        where=next((user_line(p) for p in parts if user_line(p)), None),
                    )
                )

    def _known(self, parts: Sequence[Any]) -> tuple[int | None, ...]:
        shapes = [known_lengths(p) for p in parts]
        lengths: list[int | None] = []
        for d in range(parts[0].type.ndim):
            found = [s[d] for s in shapes]
            if d == self.axis:
                lengths.append(None if None in found else sum(n for n in found if n is not None))
            else:
                lengths.append(next((n for n in found if n is not None), None))
        return tuple(lengths)

    def numpy(self, *arrays: Any) -> Any:
        try:
            return np.concatenate(arrays, axis=self.axis)
        except ValueError as error:
            raise ShapeError(
                user_message(
                    f"join along axis {self.axis}: all other lengths must be equal",
                    got=", ".join(str(a.shape) for a in arrays[:6]),
                )
            ) from error

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = list(in_shapes[0])
        for given in in_shapes[1:]:
            for d, n in enumerate(given):
                if d == self.axis:
                    lengths[d] = lengths[d] + n
                else:
                    message = f"join along axis {self.axis}: lengths {{0}} and {{1}} of axis {d}"
                    lengths[d] = ctx.equal(lengths[d], n, message)
        return [tuple(lengths)]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Copy each operand to its place."""
        (out,) = outs
        start = b.integer(0)
        for part in ins:
            with b.loops(b.shape(part)) as idx:
                target = [*idx]
                target[self.axis] = idx[self.axis] + start
                b.store(out, tuple(target), b.load(part, idx))
            start = b.let(start + b.dim(part, self.axis))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if is_discrete(outputs[0].type.dtype):
            return [zero_gradient(x) for x in inputs]
        sizes = [x.shape[self.axis] for x in inputs]
        parts = Split(len(inputs), self.axis)(g, *sizes, return_list=True)
        return [
            p if p.type.broadcastable == x.type.broadcastable
            else p.with_pattern(x.type.broadcastable)
            for p, x in zip(parts, inputs, strict=True)
        ]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        if all(p is None for p in eval_points):
            return [None]
        points = [
            x.zeros_like() if p is None else p for x, p in zip(inputs, eval_points, strict=True)
        ]
        return [self(*points)]

    def __str__(self) -> str:
        return f"Join{{axis={self.axis}}}"


class Split(BuiltinOp):
    """A tensor cut along an axis into pieces whose lengths are operands.

    Operands: the tensor and one 0-d int64 length per piece, which add up to the axis' length.

    Parameters
    ----------
    len_splits : int
    axis : int
        Not negative.
    """

    __props__ = ("len_splits", "axis")

    def __init__(self, len_splits: int, axis: int = 0) -> None:
        self.len_splits = int(len_splits)
        self.axis = int(axis)

    def make_node(self, x: Any, *sizes: Any) -> Apply:
        x = as_tensor_variable(x)
        lengths = [cast(as_tensor_variable(n), "int64") for n in sizes]
        if len(lengths) != self.len_splits or any(n.type.ndim for n in lengths):
            raise TypeError(f"{self} takes {self.len_splits} integer lengths")
        normalize_axis(self.axis, x.type.ndim)
        pattern = list(x.type.broadcastable)
        pattern[self.axis] = False
        return Apply(self, [x, *lengths], [TensorType(x.type.dtype, pattern)() for _ in lengths])

    def numpy(self, *arrays: Any) -> Any:
        x, *lengths = arrays
        sizes = [int(n) for n in lengths]
        if sum(sizes) != x.shape[self.axis] or min(sizes, default=0) < 0:
            raise ShapeError(
                user_message(
                    f"split: the lengths {sizes} do not add up to the length of axis {self.axis}",
                    got=f"shape {x.shape}",
                )
            )
        pieces = np.split(x, np.cumsum(sizes)[:-1], axis=self.axis)
        return tuple(p.copy() for p in pieces)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        shapes, total = [], None
        for k in range(self.len_splits):
            n = ctx.value(k + 1)
            ctx.check(n >= 0, "shape", "split: the length {0} is negative", n)
            total = n if total is None else total + n
            dims = list(in_shapes[0])
            dims[self.axis] = n
            shapes.append(tuple(dims))
        ctx.equal(
            in_shapes[0][self.axis], total, "split: lengths add up to {1}, the axis has {0}"
        )
        return shapes

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Copy each piece."""
        x = ins[0]
        start = b.integer(0)
        for out in outs:
            with b.loops(b.shape(out)) as idx:
                source = [*idx]
                source[self.axis] = idx[self.axis] + start
                b.store(out, idx, b.load(x, tuple(source)))
            start = b.let(start + b.dim(out, self.axis))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that lengths are disconnected."""
        return [[i == 0] * self.len_splits for i in range(len(node.inputs))]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x = inputs[0]
        rest = [disconnected_type() for _ in inputs[1:]]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), *rest]
        pieces = [
            o.zeros_like() if isinstance(g.type, DisconnectedType) else g
            for o, g in zip(outputs, g_outputs, strict=True)
        ]
        return [join(self.axis, *pieces), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        if eval_points[0] is None:
            return [None] * self.len_splits
        return list(self(eval_points[0], *inputs[1:], return_list=True))

    def __str__(self) -> str:
        return f"Split{{{self.len_splits}, axis={self.axis}}}"


def join(axis: Any, *tensors: Any) -> Any:
    """Join tensors one after the other along an axis.

    Parameters
    ----------
    axis : int
        Known now; negative axes count from the end.
    *tensors : tensor_like
        Of equal rank; all lengths but those along `axis` must agree.

    Raises
    ------
    TypeError, ShapeError
        If ranks or known lengths do not fit.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> join(0, matrix(), matrix()).type
    TensorType(float64, matrix)
    """
    parts = [as_tensor_variable(t) for t in tensors]
    if not parts:
        raise ValueError("join needs at least one tensor")
    return Join(normalize_axis(axis, max(1, parts[0].type.ndim)))(*parts)


def concatenate(tensor_list: Sequence[Any], axis: int = 0) -> Any:
    """Join the tensors of a list along an axis, as `numpy.concatenate`."""
    if not isinstance(tensor_list, (tuple, list)):
        raise TypeError(
            user_message(
                "concatenate takes a list or tuple of tensors",
                got=type(tensor_list).__name__,
            )
        )
    return join(axis, *tensor_list)


def stack(*tensors: Any, axis: int = 0) -> Any:
    """Join tensors of equal shape along a new axis: ``stack([a, b], axis=0)``.

    Several tensors may be given instead of a list, as in old Theano code.
    """
    if len(tensors) >= 1 and isinstance(tensors[0], (list, tuple)):
        if len(tensors) > 2:
            raise TypeError("stack takes a list of tensors and an axis")
        axis = tensors[1] if len(tensors) == 2 else axis
        tensors = tuple(tensors[0])
    if not tensors:
        raise ValueError("stack needs at least one tensor")
    parts = [as_tensor_variable(t) for t in tensors]
    ndim = parts[0].type.ndim
    if any(p.type.ndim != ndim for p in parts):
        raise TypeError(
            user_message("stack: all tensors must have the same number of axes",
                         got=[str(p.type) for p in parts[:6]])
        )
    axis = normalize_axis(axis, ndim + 1)
    order = [*range(axis), "x", *range(axis, ndim)]
    return join(axis, *(p.dimshuffle(*order) for p in parts))


def stacklists(arg: Any) -> Any:
    """Stack nested lists of tensors of equal shape, level by level."""
    if isinstance(arg, (tuple, list)):
        return stack([stacklists(a) for a in arg])
    return as_tensor_variable(arg)


def horizontal_stack(*args: Any) -> Any:
    """Join matrices side by side."""
    return concatenate(list(args), axis=1)


def vertical_stack(*args: Any) -> Any:
    """Join matrices one below the other."""
    return concatenate(list(args), axis=0)


def split(x: Any, splits_size: Any, n_splits: int, axis: int = 0) -> list[Any]:
    """Cut a tensor along an axis.

    Parameters
    ----------
    x : tensor_like
    splits_size : integer vector or list of integers
        Lengths of the pieces.
    n_splits : int
        Their number.
    axis : int

    Returns
    -------
    list of tensor

    Raises
    ------
    ShapeError (a ValueError)
        When run, if a vector has another number of lengths, or they don't add up to that of the
        axis.
    """
    x = as_tensor_variable(x)
    op = Split(n_splits, normalize_axis(axis, x.type.ndim))
    if isinstance(splits_size, (list, tuple)):
        sizes = list(splits_size)
    else:
        vector = specify_shape(splits_size, (n_splits,))
        sizes = [vector[k] for k in range(n_splits)]
    pieces: list[Any] = op(x, *sizes, return_list=True)
    return pieces


def roll(x: Any, shift: Any, axis: int | None = None) -> Any:
    """Move elements along an axis, those that leave the end coming back at the start.

    Without an axis the tensor is rolled as if it were flat, as `numpy.roll`.
    """
    x = as_tensor_variable(x)
    if axis is None:
        if x.type.ndim > 1:
            return roll(x.flatten(), shift, axis=0).reshape(x.shape, ndim=x.type.ndim)
        axis = 0
    if not x.type.ndim:
        return x
    axis = normalize_axis(axis, x.type.ndim)
    try:
        if int(scalar_constant(shift)) == 0:
            return x
    except (NotScalarConstantError, TypeError):
        pass
    length = x.shape[axis]
    cut = (length - shift) % length
    whole = (slice(None),) * axis
    return join(axis, x[(*whole, slice(cut, None))], x[(*whole, slice(None, cut))])
