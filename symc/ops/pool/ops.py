"""The pooling ops: values over windows, and the maps that their derivatives are made of.

With ``y = max over the window``, the gradient of `x` and the forward derivative of `y` are linear
in what arrives and select, in every window, the elements that equal its maximum: all of them, as
the gradient of ``max`` does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from itertools import product
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths, note_lengths, sure_lengths
from ...array.type import TensorType
from ...dtypes import float_dtype_of, is_complex, is_discrete
from ...errors import DTypeError, ShapeError, user_message
from ...graph.node import Apply
from ...graph.op import BuiltinOp
from ...graph.special import DisconnectedType, disconnected_type
from ...graph.trace import user_line
from ...scalar.arith import maximum, minimum
from ...scalar.logic import cast as cast_scalar
from ...scalar.logic import eq, switch
from ..elemwise import cast
from ..reduce import zero_gradient
from ..shape import patternbroadcast
from ..vector import as_size_vector
from .geometry import PoolGeometry

__all__ = ["AveragePoolGradient", "MaxPoolGradient", "MaxPoolTangent", "Pooling"]

_MOST_UNROLLED = 16
_BLOCKS = (16, 8, 4)
"""Results of a row that are computed together."""

_TILES = (8, 4)
"""The same for the gradient, which takes twice as long with 16."""


class _Windowed(BuiltinOp):
    """What the ops share.

    Parameters
    ----------
    geometry : PoolGeometry
    """

    __props__: tuple[str, ...] = ("geometry",)

    def __init__(self, geometry: PoolGeometry) -> None:
        self.geometry = geometry

    def _poolable(self, x: Any) -> Any:
        x = as_tensor_variable(x)
        if x.type.ndim < self.geometry.ndim:
            raise TypeError(
                user_message(
                    f"{self} needs a tensor with at least {self.geometry.ndim} axes",
                    got=f"{x} of type {x.type}",
                    where=user_line(x) or None,
                )
            )
        if is_complex(x.type.dtype):
            raise DTypeError(
                user_message(f"{self}: complex numbers", got=x.type.dtype, expected="real")
            )
        return x

    def _pooled_type(self, x: Any, dtype: str) -> Any:
        sure = self.geometry.out_lengths(sure_lengths(x))
        out = TensorType(dtype, [n == 1 for n in sure])()
        note_lengths(out, self.geometry.out_lengths(known_lengths(x)))
        return out

    def _same(self, a: Sequence[Any], b: Sequence[Any], ctx: Any) -> None:
        for m, n in zip(a, b, strict=True):
            ctx.equal(m, n, f"{type(self).__name__}: lengths {{0}} and {{1}} differ")

    def __str__(self) -> str:
        return f"{type(self).__name__}{{{self.geometry}}}"


def _patterned(term: Any, x: Any) -> Any:
    same = term.type.broadcastable == x.type.broadcastable
    return term if same else patternbroadcast(term, x.type.broadcastable)


def _lowest(dtype: str) -> Any:
    if np.dtype(dtype).kind == "b":
        return False
    return -np.inf if np.dtype(dtype).kind == "f" else np.iinfo(dtype).min


def _windows(g: PoolGeometry, shape: Sequence[int]) -> Iterator[tuple[Any, Any, int]]:
    """Index of each result, index of its window, and what it is divided by."""
    lead = len(shape) - g.ndim
    for at in np.ndindex(*g.out_lengths(shape)[lead:]):
        spans = [g.span(i, p, n) for i, (p, n) in enumerate(zip(at, shape[lead:], strict=True))]
        window = tuple(slice(a, max(a, b)) for a, b, _ in spans)
        count = int(np.prod([c for _, _, c in spans]))
        yield (..., *at), (..., *window), count


class Pooling(_Windowed):
    """The maximum, the sum or the average of every window.

    NaN counts as largest. Averages of integers are of dtype floatX.
    """

    def make_node(self, x: Any) -> Apply:
        x = self._poolable(x)
        if self.geometry.mode.startswith("average") and is_discrete(x.type.dtype):
            x = cast(x, float_dtype_of(x.type.dtype))
        return Apply(self, [x], [self._pooled_type(x, x.type.dtype)])

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        g = self.geometry
        y = np.empty(g.out_lengths(x.shape), x.dtype)
        axes = tuple(range(-g.ndim, 0))
        for at, window, count in _windows(g, x.shape):
            part = x[window]
            if g.mode == "max":
                y[at] = part.max(axis=axes, initial=_lowest(x.dtype.name))
            else:
                work = np.float32 if x.dtype == np.float16 else x.dtype
                total = part.sum(axis=axes, dtype=work)
                y[at] = total if g.mode == "sum" else total / max(count, 1)
        return y

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [self.geometry.out_lengths(in_shapes[0])]

    def row_blocks(self, node: Apply) -> int | None:
        """How many elements of the operand's axis 2 one element of the result's stands for.

        Returns
        -------
        int or None
            0 if windows overlap or reach over the ends; None if axes before that one are pooled.
        """
        g = self.geometry
        lead = node.inputs[0].type.ndim - g.ndim
        if lead != 2:
            return 1 if lead > 2 else None
        return 0 if g.pads[0] or g.strides[0] < g.window[0] else g.strides[0]

    def _joined(self, total: Any, value: Any) -> Any:
        # An extreme looks for NaN in its first operand, which then nothing has to wait for.
        return maximum(value, total) if self.geometry.mode == "max" else total + value

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Loops over windows; small ones that lie inside are written out.

        Rows of results are often shorter than a vector, so what reads them is not computed here,
        in the loop over a row, but in one over all results.
        """
        (x,), (y,) = ins, outs
        g = self.geometry
        work = "float32" if y.dtype == "float16" else y.dtype
        lead = x.ndim - g.ndim
        inside = g.ignore_border and not any(g.pads)
        if inside and int(np.prod(g.window)) <= _MOST_UNROLLED:
            with b.loops(b.shape(y)[:-1], kind="parallel") as rows:
                self._row(b, x, y, rows, work)
            return
        start = _lowest(work) if g.mode == "max" else 0
        with b.loops(b.shape(y), kind="parallel") as idx:
            total = b.mutable(b.const(start, work))
            spans = [
                g.span(i, p, b.dim(x, lead + i)) for i, p in enumerate(idx[lead:])
            ]
            with _box(b, spans) as at:
                value = cast_scalar(b.load(x, (*idx[:lead], *at)), work)
                b.assign(total, self._joined(total, value))
            b.store(y, idx, cast_scalar(_divided(b, g, total, spans, work), y.dtype))

    def _row(self, b: Any, x: Any, y: Any, rows: tuple[Any, ...], work: str) -> None:
        """One row of results, in blocks."""
        g = self.geometry
        width, stride = g.window[-1], g.strides[-1]
        # Sums over windows that overlap are as fast without.
        shared = 1 < stride <= width and (stride == width or g.mode == "max")

        def element(i: Any) -> None:
            total = self._written_out(b, x, (*rows, i), work)
            b.store(y, (*rows, i), cast_scalar(total, y.dtype))

        def block(start: Any, length: int) -> None:
            if shared:
                self._block(b, x, y, rows, start, length, work)
                return
            with b.loop(length, kind="simd") as i:
                element(start + i)

        _in_blocks(b, b.dim(y, y.ndim - 1), _BLOCKS, block, element)

    def _block(
        self, b: Any, x: Any, y: Any, rows: tuple[Any, ...], start: Any, block: int, work: str
    ) -> None:
        """A block of a row: first over the other axes of the windows, then along the last one.

        So what is read from memory lies side by side; with a stride of 1 that is so anyway.
        """
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        width, stride = g.window[-1], g.strides[-1]
        covered = (block - 1) * stride + width
        across = b.array(work, covered)
        with b.loop(covered, kind="simd") as i:
            total = None
            for offset in product(*map(range, g.window[:-1])):
                at = [p * s + o for p, s, o in zip(rows[lead:], g.strides, offset, strict=False)]
                value = cast_scalar(b.load(x, (*rows[:lead], *at, start * stride + i)), work)
                total = value if total is None else self._joined(total, value)
            b.store(across, i, total)
        with b.loop(block, kind="simd") as i:
            total = b.load(across, i * stride)
            for k in range(1, width):
                total = self._joined(total, b.load(across, i * stride + k))
            if g.mode.startswith("average"):
                total = total / b.const(int(np.prod(g.window)), work)
            b.store(y, (*rows, start + i), cast_scalar(total, y.dtype))

    def _written_out(self, b: Any, x: Any, idx: Sequence[Any], work: str) -> Any:
        """The result of one window that lies inside."""
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        total = None
        for offset in product(*map(range, g.window)):
            at = [p * s + o for p, s, o in zip(idx[lead:], g.strides, offset, strict=True)]
            value = cast_scalar(b.load(x, (*idx[:lead], *at)), work)
            total = value if total is None else self._joined(total, value)
        if g.mode.startswith("average"):
            total = total / b.const(int(np.prod(g.window)), work)
        return total

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (h,) = inputs, g_outputs
        if isinstance(h.type, DisconnectedType):
            return [h]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x)]
        if self.geometry.mode == "max":
            # The maxima of this very `x`: see the gradient of other maxima, ops/reduce.py.
            return [MaxPoolGradient(self.geometry)(x, self(x), h)]
        pooled = x.shape[x.type.ndim - self.geometry.ndim :]
        return [_patterned(AveragePoolGradient(self.geometry)(h, pooled), x)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (x,), (point,) = inputs, eval_points
        if point is None:
            return [None]
        if self.geometry.mode == "max":
            return [MaxPoolTangent(self.geometry)(x, self(x), point)]
        return [self(point)]


@contextmanager
def _box(b: Any, spans: Sequence[tuple[Any, Any, Any]]) -> Iterator[tuple[Any, ...]]:
    """Loops over the elements of a window."""
    with ExitStack() as stack:
        yield tuple(
            stack.enter_context(b.loop(last, start=first)) for first, last, _ in spans
        )


def _divided(b: Any, g: PoolGeometry, total: Any, spans: Sequence[Any], work: str) -> Any:
    """A sum, divided by the number of elements if an average is wanted."""
    if not g.mode.startswith("average"):
        return total
    count = spans[0][2]
    for _, _, more in spans[1:]:
        count = count * more
    return total / cast_scalar(maximum(count, 1), work)


def _cleared(b: Any, out: Any) -> None:
    with b.loops(b.shape(out), kind="parallel") as idx:
        b.store(out, idx, b.const(0, out.dtype))


class AveragePoolGradient(_Windowed):
    """Every window's value spread over its elements: the transposed map of sums and averages.

    Operands are what arrives at the windows and the lengths of the pooled axes.
    """

    def make_node(self, h: Any, shape: Any) -> Apply:
        h, shape = self._poolable(h), as_size_vector(shape)
        if is_discrete(h.type.dtype):
            h = cast(h, float_dtype_of(h.type.dtype))
        lead = h.type.ndim - self.geometry.ndim
        pattern = (*h.type.broadcastable[:lead], *[False] * self.geometry.ndim)
        return Apply(self, [h, shape], [TensorType(h.type.dtype, pattern)()])

    def numpy(self, *arrays: Any) -> Any:
        h, shape = arrays
        g = self.geometry
        full = (*h.shape[: h.ndim - g.ndim], *map(int, shape))
        if g.out_lengths(full) != h.shape:
            raise _misfit(self, h.shape, g.out_lengths(full))
        x = np.zeros(full, np.float32 if h.dtype == np.float16 else h.dtype)
        for at, window, count in _windows(g, full):
            part = h[at] if g.mode == "sum" else h[at] / max(count, 1)
            x[window] += part[(..., *[None] * g.ndim)]
        return x

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        h = in_shapes[0]
        full = (*h[: len(h) - self.geometry.ndim], *ctx.vector(1))
        self._same(h, self.geometry.out_lengths(full), ctx)
        return [full]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> Any:
        """Add to the elements under each window; images apart run in parallel."""
        (h, _), (x,) = ins, outs
        if x.dtype == "float16":
            return NotImplemented
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        _cleared(b, x)
        with _each(b, h, lead) as (images, at):
            spans = [g.span(i, p, b.dim(x, lead + i)) for i, p in enumerate(at)]
            value = b.let(_divided(b, g, b.load(h, (*images, *at)), spans, x.dtype))
            with _box(b, spans) as where:
                place = (*images, *where)
                b.store(x, place, b.load(x, place) + value)
        return None

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[True], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g, disconnected_type()]
        return [_patterned(Pooling(self.geometry)(g), inputs[0]), disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        point = eval_points[0]
        return [None if point is None else self(point, inputs[1])]


@contextmanager
def _each(b: Any, pooled: Any, lead: int) -> Iterator[tuple[tuple[Any, ...], tuple[Any, ...]]]:
    """Loops over windows of which only those of different images run in parallel."""
    lengths = b.shape(pooled)
    with b.loops(lengths[:lead], kind="parallel") as images, b.loops(lengths[lead:]) as at:
        yield images, at


def _in_blocks(
    b: Any,
    n: Any,
    lengths: Sequence[int],
    block: Callable[[Any, int], None],
    element: Callable[[Any], None],
) -> None:
    """A row of `n` places in blocks of fixed length, which are computed in vectors.

    The last block ends with the row and overlaps the one before. Rows shorter than all `lengths`
    are done element by element.
    """
    with ExitStack() as stack:
        for length in lengths:
            with b.if_(n >= length), b.loop((n + (length - 1)) // length) as k:
                block(b.let(minimum(k * length, n - length)), length)
            stack.enter_context(b.else_())
        with b.loop(n) as i:
            element(i)


def _misfit(op: Any, got: Any, expected: Any) -> ShapeError:
    return ShapeError(
        user_message(f"{op}: operands do not fit", got=str(got), expected=str(expected))
    )


class _MaxSelecting(_Windowed):
    """Linear in the third operand; the first two, `x` and its maxima, select elements."""

    def make_node(self, x: Any, y: Any, h: Any) -> Apply:
        x, y, h = self._poolable(x), as_tensor_variable(y), as_tensor_variable(h)
        if h.type.dtype != x.type.dtype:
            h = cast(h, x.type.dtype)
        if not x.type.ndim == y.type.ndim == h.type.ndim or y.type.dtype != x.type.dtype:
            raise TypeError(
                user_message(
                    f"{self}: operands of different kinds",
                    got=f"{x.type}, {y.type} and {h.type}",
                    expected="one dtype and rank",
                )
            )
        return Apply(self, [x, y, h], [self._result(x, y)])

    def _result(self, x: Any, y: Any) -> Any:
        raise NotImplementedError

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that all operands are connected; what selects has gradient zero."""
        return [[True], [True], [True]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x, y, h), (g,) = inputs, g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g, g, g]
        term = _patterned(self._transposed(x, y, g), h)
        return [zero_gradient(x), zero_gradient(y), term]

    def _transposed(self, x: Any, y: Any, g: Any) -> Any:
        raise NotImplementedError

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        x, y, _ = inputs
        point = eval_points[2]
        return [None if point is None else self(x, y, point)]


class MaxPoolGradient(_MaxSelecting):
    """What arrives at each window goes to its elements that equal the maximum.

    Operands are `x`, its maxima `y` and what arrives at them.
    """

    def _result(self, x: Any, y: Any) -> Any:
        out = x.type()
        note_lengths(out, known_lengths(x))
        return out

    def _transposed(self, x: Any, y: Any, g: Any) -> Any:
        return MaxPoolTangent(self.geometry)(x, y, g)

    def numpy(self, *arrays: Any) -> Any:
        x, y, h = arrays
        g = self.geometry
        if not g.out_lengths(x.shape) == y.shape == h.shape:
            raise _misfit(self, (x.shape, y.shape, h.shape), g.out_lengths(x.shape))
        more = (..., *[None] * g.ndim)
        result = np.zeros_like(x)
        for at, window, _ in _windows(g, x.shape):
            result[window] += np.where(x[window] == y[at][more], h[at][more], 0)
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y, h = in_shapes
        self._same(self.geometry.out_lengths(x), y, ctx)
        self._same(y, h, ctx)
        return [x]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Add to the elements under each window; where windows tile, store each one once."""
        (x, y, h), (result,) = ins, outs
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        if g.tiles and int(np.prod(g.window)) <= _MOST_UNROLLED:
            self._tiled(b, ins, result)
            return
        _cleared(b, result)
        with _each(b, y, lead) as (images, at):
            spans = [g.span(i, p, b.dim(x, lead + i)) for i, p in enumerate(at)]
            top, value = (b.let(b.load(v, (*images, *at))) for v in (y, h))
            with _box(b, spans) as where:
                place = (*images, *where)
                with b.if_(eq(b.load(x, place), top)):
                    b.store(result, place, b.load(result, place) + value)

    def _tiled(self, b: Any, ins: Sequence[Any], result: Any) -> None:
        """Whole tiles written out; then what is left over at the ends of the axes."""
        x, y, h = ins
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        whole = [b.dim(x, lead + i) // w for i, w in enumerate(g.window)]
        zero = b.const(0, x.dtype)
        outer = [*b.shape(x)[:lead], *whole[:-1]]
        with b.loops(outer, kind="parallel") as rows:

            def element(i: Any) -> None:
                top, value = (b.let(b.load(v, (*rows, i))) for v in (y, h))
                with b.loops([b.integer(w) for w in g.window]) as offset:
                    tile = zip((*rows[lead:], i), g.window, offset, strict=True)
                    place = (*rows[:lead], *(p * w + o for p, w, o in tile))
                    b.store(result, place, switch(eq(b.load(x, place), top), value, zero))

            def block(start: Any, length: int) -> None:
                self._tiles(b, ins, result, rows, start, length)

            _in_blocks(b, whole[-1], _TILES, block, element)
        for axis, w in enumerate(g.window):
            self._leftover(b, ins, result, axis, whole[axis] * w)

    def _tiles(
        self, b: Any, ins: Sequence[Any], result: Any, rows: Any, start: Any, length: int
    ) -> None:
        """A block of tiles in a row.

        Maxima and values are repeated along the tiles' last axis, so that what is left to do is the
        same for all elements of a line.
        """
        x, y, h = ins
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        width = g.window[-1]
        tops, values = (b.array(x.dtype, length * width) for _ in range(2))
        with b.loop(length, kind="simd") as i:
            for v, wide in ((y, tops), (h, values)):
                one = b.let(b.load(v, (*rows, start + i)))
                for k in range(width):
                    b.store(wide, i * width + k, one)
        for offset in product(*map(range, g.window[:-1])):
            at = [p * w + o for p, w, o in zip(rows[lead:], g.window, offset, strict=False)]
            with b.loop(length * width, kind="simd") as i:
                place = (*rows[:lead], *at, start * width + i)
                same = eq(b.load(x, place), b.load(tops, i))
                b.store(result, place, switch(same, b.load(values, i), b.const(0, x.dtype)))

    def _leftover(self, b: Any, ins: Sequence[Any], result: Any, axis: int, start: Any) -> None:
        """The elements behind the last whole tile of an axis (each one once or more often)."""
        x, y, h = ins
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        d = lead + axis
        with ExitStack() as stack:
            idx = [
                stack.enter_context(b.loop(b.dim(x, i), start=start if i == d else 0))
                for i in range(x.ndim)
            ]
            if g.ignore_border:
                b.store(result, tuple(idx), b.const(0, x.dtype))
            else:
                tile = tuple(p // w for p, w in zip(idx[lead:], g.window, strict=True))
                top, value = (b.load(v, (*idx[:lead], *tile)) for v in (y, h))
                same = eq(b.load(x, tuple(idx)), top)
                b.store(result, tuple(idx), switch(same, value, b.const(0, x.dtype)))


class MaxPoolTangent(_MaxSelecting):
    """The sum, over every window, of those elements of `h` where `x` equals the maximum.

    Operands are `x`, its maxima `y` and a direction `h` of the shape of `x`.
    """

    def _result(self, x: Any, y: Any) -> Any:
        out = y.type()
        note_lengths(out, known_lengths(y))
        return out

    def _transposed(self, x: Any, y: Any, g: Any) -> Any:
        return MaxPoolGradient(self.geometry)(x, y, g)

    def numpy(self, *arrays: Any) -> Any:
        x, y, h = arrays
        g = self.geometry
        if x.shape != h.shape or g.out_lengths(x.shape) != y.shape:
            raise _misfit(self, (x.shape, y.shape, h.shape), g.out_lengths(x.shape))
        more, axes = (..., *[None] * g.ndim), tuple(range(-g.ndim, 0))
        result = np.empty_like(y)
        for at, window, _ in _windows(g, x.shape):
            chosen = np.where(x[window] == y[at][more], h[window], 0)
            result[at] = chosen.sum(axis=axes)
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y, h = in_shapes
        self._same(self.geometry.out_lengths(x), y, ctx)
        self._same(x, h, ctx)
        return [y]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Loops over the part of each window that lies on the tensor."""
        (x, y, h), (result,) = ins, outs
        g, lead = self.geometry, x.ndim - self.geometry.ndim
        with b.loops(b.shape(result), kind="parallel") as idx:
            total = b.mutable(b.const(0, result.dtype))
            top = b.let(b.load(y, idx))
            spans = [g.span(i, p, b.dim(x, lead + i)) for i, p in enumerate(idx[lead:])]
            with _box(b, spans) as where:
                place = (*idx[:lead], *where)
                with b.if_(eq(b.load(x, place), top)):
                    b.assign(total, total + b.load(h, place))
            b.store(result, idx, total)
