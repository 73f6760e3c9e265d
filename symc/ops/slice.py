"""Basic indexing: integers, slices with any bounds and steps, new axes and the ellipsis.

``x[i, a:b:c]`` is a view of `x`. Every integer in an index, known or not, is an operand of the
node, so one op serves ``x[0]`` and ``x[i]``; the op says only where integers and slices stand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import AdvancedIndexingError, IndexOutOfBoundsError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..loop.protocol import ViewSpec
from ..scalar.arith import int_div, maximum, minimum
from ..scalar.logic import gt, lt, neq, switch
from .dimshuffle import dimshuffle
from .reduce import zero_gradient
from .support import support_through
from .vector import as_index_scalar

__all__ = [
    "INDEX",
    "BasicIndex",
    "Point",
    "Span",
    "Subtensor",
    "TooManyIndicesError",
    "basic_index",
    "get_idx_list",
    "is_basic",
    "set_write_hook",
]

INDEX = TensorType("int64", ())
"""Stands for an integer operand in the index of an op."""


class TooManyIndicesError(IndexOutOfBoundsError, ValueError):
    """An index has more entries than the tensor has axes."""


@dataclass(frozen=True)
class Point:
    """One index along an axis: a size, as the user gave it (negative: from the end)."""

    raw: Any


@dataclass(frozen=True)
class Span:
    """A slice of an axis, worked out: `count` elements from `first`, `step` apart."""

    first: Any
    count: Any
    step: Any


class BasicIndex:
    """Where integers and slices stand in an index, without the integers themselves.

    Parameters
    ----------
    idx_list : sequence
        One entry per indexed axis: `INDEX` (an integer operand) or a slice whose start, stop and
        step are each `INDEX` or None. Axes behind the last entry are whole. Any type stands for
        `INDEX`, as in Theano.
    """

    def __init__(self, idx_list: Sequence[Any]) -> None:
        self.entries = tuple(_entry(e) for e in idx_list)
        self.key = tuple(
            (e.start is not None, e.stop is not None, e.step is not None)
            if isinstance(e, slice)
            else None
            for e in self.entries
        )
        self.n_operands = sum(1 if k is None else sum(k) for k in self.key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, BasicIndex) and self.key == other.key

    def __hash__(self) -> int:
        return hash(self.key)

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What identifies the index in every process."""
        return self.key

    def filled(self, values: Sequence[Any]) -> list[Any]:
        """Return the index with `values` in place of the integers, in order."""
        if len(values) != self.n_operands:
            raise TypeError(f"this index takes {self.n_operands} integers, got {len(values)}")
        pending = iter(values)
        result: list[Any] = []
        for key in self.key:
            if key is None:
                result.append(next(pending))
            else:
                result.append(slice(*(next(pending) if given else None for given in key)))
        return result

    def numpy_key(self, values: Sequence[Any]) -> tuple[Any, ...]:
        """Return NumPy's index for the given integers (0-d arrays)."""
        return tuple(self.filled([int(v) for v in values]))

    def regions(self, values: Sequence[Any], lengths: Sequence[Any]) -> list[Point | Span]:
        """Return what is indexed along every axis of a tensor.

        Parameters
        ----------
        values : sequence of sizes
            The integers.
        lengths : sequence of sizes
            The shape of the tensor.
        """
        result: list[Point | Span] = []
        filled = self.filled(values)
        for axis, n in enumerate(lengths):
            entry = filled[axis] if axis < len(filled) else slice(None)
            if isinstance(entry, slice):
                result.append(span(entry.start, entry.stop, entry.step, n))
            else:
                result.append(Point(entry))
        return result

    def known_lengths(
        self, operands: Sequence[Any], given: Sequence[int | None]
    ) -> tuple[int | None, ...]:
        """Return the lengths of the result that are known when the graph is built.

        Raises
        ------
        IndexOutOfBoundsError
            If an integer is known to be out of range.
        """
        filled = self.filled([int(v.data) if isinstance(v, Constant) else v for v in operands])
        lengths: list[int | None] = []
        for axis, n in enumerate(given):
            entry = filled[axis] if axis < len(filled) else slice(None)
            if isinstance(entry, slice):
                lengths.append(_known_count(entry, n))
            elif isinstance(entry, int) and n is not None and not -n <= entry < n:
                raise IndexOutOfBoundsError(
                    user_message(
                        f"index {entry} is out of range along axis {axis}",
                        got=f"length {n}",
                        expected=f"{-n} to {n - 1}" if n else "no index: the axis is empty",
                    )
                )
        return tuple(lengths)

    def __str__(self) -> str:
        return ", ".join(map(_entry_text, self.entries))


def _entry(e: Any) -> Any:
    if isinstance(e, slice):
        return slice(*(None if p is None else INDEX for p in (e.start, e.stop, e.step)))
    return INDEX


def _entry_text(e: Any) -> str:
    if not isinstance(e, slice):
        return "int64"
    parts = ["" if p is None else "int64" for p in (e.start, e.stop, e.step)]
    return ":".join(parts)


def _known_count(entry: slice, n: int | None) -> int | None:
    parts = (entry.start, entry.stop, entry.step)
    if any(isinstance(p, Variable) for p in parts):
        return None
    if n is not None:
        if entry.step == 0:
            raise ValueError("the step of a slice can't be 0")
        return len(range(*entry.indices(n)))
    return None


# ---------------------------------------------------------------------------------------------
# Slices as sizes
# ---------------------------------------------------------------------------------------------


def _wrapped(v: Any, n: Any) -> Any:
    """`v` counted from the start."""
    if v.is_const:
        return v if int(v.value) >= 0 else v + n
    return switch(lt(v, 0), v + n, v)


def _limited(v: Any, n: Any, low: int, high: Any) -> Any:
    """`v`, counted from the start, brought into [low, high]; constants need half the work."""
    wrapped = _wrapped(v, n)
    if v.is_const and int(v.value) >= 0:
        return minimum(wrapped, high)
    if v.is_const:
        return maximum(wrapped, low)
    return maximum(minimum(wrapped, high), low)


def _forward(start: Any, stop: Any, step: Any, n: Any) -> tuple[Any, Any]:
    first = n * 0 if start is None else _limited(start, n, 0, n)
    last = n if stop is None else _limited(stop, n, 0, n)
    count = last - first if step == 1 else int_div(last - first + (step - 1), step)
    return first, count if start is None and stop is None else maximum(count, 0)


def _backward(start: Any, stop: Any, back: Any, n: Any) -> tuple[Any, Any]:
    first = n - 1 if start is None else _limited(start, n, -1, n - 1)
    last = n * 0 - 1 if stop is None else _limited(stop, n, -1, n - 1)
    count = first - last if back == 1 else int_div(first - last + (back - 1), back)
    # For an empty axis `first` is -1; nothing is read then.
    return maximum(first, 0), count if start is None and stop is None else maximum(count, 0)


def span(start: Any, stop: Any, step: Any, n: Any) -> Span:
    """Work out a slice by NumPy's rules.

    Parameters
    ----------
    start, stop, step : Expr or None
        int64 size expressions.
    n : Expr
        Length of the axis.
    """
    if step is None or step.is_const:
        size = 1 if step is None else int(step.value)
        if size > 0:
            return Span(*_forward(start, stop, size, n), size)
        if size < 0:
            return Span(*_backward(start, stop, -size, n), size)
        raise ValueError("the step of a slice can't be 0")
    up = gt(step, 0)
    # The branch that is not taken must not divide by zero.
    ahead = _forward(start, stop, switch(up, step, 1), n)
    behind = _backward(start, stop, switch(up, 1, -step), n)
    first, count = (switch(up, a, b) for a, b in zip(ahead, behind, strict=True))
    return Span(first, count, step)


# ---------------------------------------------------------------------------------------------
# The op
# ---------------------------------------------------------------------------------------------

_write: Callable[..., Any] | None = None


def set_write_hook(write: Callable[..., Any]) -> None:
    """Register the op that is the gradient of `Subtensor`.

    Parameters
    ----------
    write : callable
        ``write(idx_list, x, y, *integers)`` returns `x` with `y` added at the index.
    """
    global _write
    _write = write


class Subtensor(BuiltinOp):
    """A view of the first operand: the part that an index of integers and slices selects.

    Parameters
    ----------
    idx_list : sequence
        See `BasicIndex`. The integers are the other operands, 0-d int64, in order.

    Examples
    --------
    ``Subtensor([slice(INDEX, None), INDEX])(x, 1, 0)`` is ``x[1:, 0]``.
    """

    __props__ = ("index",)
    view_map = {0: [0]}  # noqa: RUF012

    def __init__(self, idx_list: Sequence[Any]) -> None:
        self.index = BasicIndex(idx_list)

    @property
    def idx_list(self) -> tuple[Any, ...]:
        """The index, with types in place of the integers."""
        return self.index.entries

    def make_node(self, x: Any, *integers: Any) -> Apply:
        x = as_tensor_variable(x)
        _check_rank(len(self.index.entries), x)
        operands = [as_index_scalar(i, "an index") for i in integers]
        lengths = self.index.known_lengths(operands, known_lengths(x))
        out = TensorType(x.type.dtype, self._pattern(x, lengths))()
        note_lengths(out, lengths)
        return Apply(self, [x, *operands], [out])

    def _pattern(self, x: Any, lengths: Sequence[int | None]) -> list[bool]:
        """Axes that stay broadcastable: they were, and one element is left for certain."""
        kept = [
            b
            for axis, b in enumerate(x.type.broadcastable)
            if axis >= len(self.index.key) or self.index.key[axis] is not None
        ]
        return [b and n == 1 for b, n in zip(kept, lengths, strict=True)]

    def numpy(self, *arrays: Any) -> Any:
        return np.asarray(arrays[0][(*self.index.numpy_key(arrays[1:]), ...)])

    def _regions(self, node: Apply, lengths: Sequence[Any], value: Any) -> list[Point | Span]:
        return self.index.regions([value(i) for i in range(1, len(node.inputs))], lengths)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        self._check_steps(node, ctx)
        lengths = []
        for region, n in zip(
            self._regions(node, in_shapes[0], ctx.value), in_shapes[0], strict=True
        ):
            if isinstance(region, Point):
                ctx.index(region.raw, n)
            else:
                lengths.append(region.count)
        return [tuple(lengths)]

    def _check_steps(self, node: Apply, ctx: Any) -> None:
        """Require steps that are not known now to differ from 0."""
        position = 1
        for key in self.index.key:
            given = (True,) if key is None else key
            if key is not None and key[2]:
                step = ctx.value(position + sum(key[:2]))
                if not step.is_const:
                    ctx.check(neq(step, 0), "value", "the step of a slice can't be 0")
            position += sum(given)

    def view(self, node: Apply, ctx: Any) -> ViewSpec:
        lengths = ctx.shape(0)
        axes: list[tuple[int | None, Any]] = []
        offset = []
        regions = self._regions(node, lengths, ctx.value)
        for axis, (region, n) in enumerate(zip(regions, lengths, strict=True)):
            if isinstance(region, Point):
                offset.append(ctx.index(region.raw, n))
            else:
                axes.append((axis, region.step))
                offset.append(region.first)
        return ViewSpec(0, tuple(axes), tuple(offset))

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        lengths = read.shape(0)
        pending: Iterator[Any] = iter(idx)
        source = []
        for region, n in zip(self._regions(node, lengths, read.value), lengths, strict=True):
            if isinstance(region, Point):
                # Checked before the node runs: `shape` asked for it.
                source.append(_wrapped(region.raw, n))
            else:
                source.append(region.first + next(pending) * region.step)
        return read(0, tuple(source))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[i == 0] for i in range(len(node.inputs))]

    def signed_by(self, node: Apply) -> list[Any]:
        """The result is non-negative where the operand is."""
        return [node.inputs[0]]

    def support(self, node: Apply, of: Any) -> Any:
        """The elements that stem from the operand's support; see `ops.support`."""
        return support_through(self, node, of)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, *integers = inputs
        (g,) = g_outputs
        rest = [disconnected_type() for _ in integers]
        if isinstance(g.type, DisconnectedType):
            return [g, *rest]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), *rest]
        if _write is None:
            raise NotImplementedError("the gradient of indexing needs symc.ops.scatter")
        return [_write(self.idx_list, zero_gradient(x), g, *integers), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, *inputs[1:])]

    def __str__(self) -> str:
        return f"Subtensor{{{self.index}}}"


def _check_rank(entries: int, x: Any) -> None:
    if entries > x.type.ndim:
        raise TooManyIndicesError(
            user_message(
                f"too many indices for {x}",
                got=f"{entries} indices for {x.type}",
                expected=f"at most {x.type.ndim}",
                where=user_line(x) or None,
                hint="insert axes first, with x[..., None] or x.dimshuffle(..., 'x')",
            )
        )


def get_idx_list(inputs: Sequence[Any], idx_list: Sequence[Any]) -> list[Any]:
    """Return the index of a `Subtensor` node: `idx_list` with the operands in its places."""
    return BasicIndex(idx_list).filled(list(inputs)[1:])


# ---------------------------------------------------------------------------------------------
# What users write between the brackets
# ---------------------------------------------------------------------------------------------


def is_basic(entry: Any) -> bool:
    """Tell whether one entry of an index is an integer, slice, new axis or ellipsis."""
    if entry is None or entry is Ellipsis or isinstance(entry, slice):
        return True
    if isinstance(entry, (bool, np.bool_)):
        return False
    if isinstance(entry, (int, np.integer)):
        return True
    if isinstance(entry, Variable):
        kind = entry.type
        return isinstance(kind, TensorType) and not kind.ndim and kind.dtype != "bool"
    return isinstance(entry, np.ndarray) and entry.ndim == 0 and entry.dtype.kind in "iu"


def expand_ellipsis(entries: Sequence[Any], ndim: int) -> list[Any]:
    """Replace the ellipsis by whole slices; `ndim` is the rank of the indexed tensor.

    Raises
    ------
    IndexError
        If there is more than one.
    """
    places = [i for i, e in enumerate(entries) if e is Ellipsis]
    if len(places) > 1:
        raise IndexError("an index can only have a single ellipsis ('...')")
    if not places:
        return list(entries)
    used = sum(1 for e in entries if e is not None) - 1
    (place,) = places
    whole = [slice(None)] * (ndim - used)
    return [*entries[:place], *whole, *entries[place + 1 :]]


def split_slice(entry: slice) -> slice:
    """Return a slice whose bounds are None or 0-d int64 tensors."""
    names = ("the start of a slice", "the stop of a slice", "the step of a slice")
    parts = (entry.start, entry.stop, entry.step)
    return slice(*(None if p is None else _bound(p, n) for p, n in zip(parts, names, strict=True)))


def _bound(part: Any, what: str) -> Any:
    try:
        return as_index_scalar(part, what)
    except TypeError as error:
        raise AdvancedIndexingError(str(error)) from error


def basic_index(x: Any, entries: Sequence[Any]) -> Any:
    """Return ``x[entries]`` for an index of integers, slices, new axes and an ellipsis.

    Parameters
    ----------
    x : tensor
    entries : sequence
        Each as `is_basic` describes; fewer than `x` has axes are enough.

    Returns
    -------
    tensor
        A view of `x`.

    Raises
    ------
    TooManyIndicesError
        An IndexError and ValueError.
    AdvancedIndexingError
        If a bound is not an integer.
    """
    x = as_tensor_variable(x)
    expanded = expand_ellipsis(entries, x.type.ndim)
    given = [e for e in expanded if e is not None]
    _check_rank(len(given), x)
    parts = [split_slice(e) if isinstance(e, slice) else _bound(e, "an index") for e in given]
    result = x
    if parts or len(expanded) == len(given):
        integers = []
        for part in parts:
            if isinstance(part, slice):
                integers += [p for p in (part.start, part.stop, part.step) if p is not None]
            else:
                integers.append(part)
        result = Subtensor(parts)(x, *integers)
    if len(expanded) == len(given):
        return result
    return _with_new_axes(result, expanded)


def _with_new_axes(result: Any, expanded: Sequence[Any]) -> Any:
    kept = iter(range(result.type.ndim))
    order: list[Any] = []
    for entry in expanded:
        if entry is None:
            order.append("x")
        elif isinstance(entry, slice):
            order.append(next(kept))
    return dimshuffle(result, [*order, *kept])
