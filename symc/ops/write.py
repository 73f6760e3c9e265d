"""``set_subtensor`` and ``inc_subtensor``: a tensor with part of it replaced or incremented.

The part is named by an indexing expression of the tensor, ``x[...]``, with integers and slices or
with index arrays, possibly seen through reshape, dimshuffle or flatten.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..dtypes import is_discrete
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import disconnected_type
from ..graph.trace import user_line
from ..scalar.logic import eq, or_, second
from .dimshuffle import DimShuffle, dimshuffle
from .gather import AdvancedSubtensor, AdvancedSubtensor1
from .reduce import zero_gradient
from .scatter import (
    AdvancedIncSubtensor,
    AdvancedIncSubtensor1,
    broadcast_entry,
    fitting_value,
)
from .shape import Rebroadcast, Reshape, SpecifyShape
from .slice import BasicIndex, Point, Subtensor, set_write_hook
from .sum_to import sum_to
from .support import support_of_written
from .vector import as_index_scalar

__all__ = ["IncSubtensor", "inc_subtensor", "set_subtensor"]


class IncSubtensor(BuiltinOp):
    """`x` with `y` added to (or put in place of) the part that a `Subtensor` selects.

    Operands: ``x``, ``y`` (broadcast to the part), and the integers of the index.

    Parameters
    ----------
    idx_list : sequence
        See `BasicIndex`.
    inplace : bool
        Accepted for Theano's sake; memory is the planner's business.
    set_instead_of_inc : bool
    """

    __props__ = ("index", "set_instead_of_inc")
    validates_first = True

    def __init__(
        self, idx_list: Sequence[Any], inplace: bool = False, set_instead_of_inc: bool = False
    ) -> None:
        del inplace
        self.index = BasicIndex(idx_list)
        self.set_instead_of_inc = set_instead_of_inc

    @property
    def idx_list(self) -> tuple[Any, ...]:
        """The index, with types in place of the integers."""
        return self.index.entries

    def make_node(self, x: Any, y: Any, *integers: Any) -> Apply:
        x = as_tensor_variable(x)
        y = fitting_value(self, x, y)
        operands = [as_index_scalar(i, "an index") for i in integers]
        part = Subtensor(self.idx_list).make_node(x, *operands).outputs[0]
        if y.type.ndim > part.type.ndim:
            raise ShapeError(
                user_message(
                    f"{self}: the new values have too many axes",
                    got=str(y.type),
                    expected=f"at most the rank of {part.type}",
                    where=user_line(y) or user_line(x) or None,
                )
            )
        return Apply(self, [x, y, *operands], [x.type()])

    def updates(self, node: Apply) -> dict[int, int]:
        """The result starts as the first operand."""
        return {0: 0}

    def numpy(self, *arrays: Any) -> Any:
        x, y, *integers = arrays
        result = x.copy()
        key = self.index.numpy_key(integers)
        part = np.asarray(result[(*key, ...)])
        try:
            y = np.broadcast_to(y, part.shape)
        except ValueError as error:
            raise ShapeError(
                user_message(
                    f"{self}: the new values do not fit the part that they replace",
                    got=f"values of shape {y.shape}",
                    expected=f"shape {part.shape}, or lengths of 1",
                )
            ) from error
        if self.set_instead_of_inc:
            part[...] = y
        elif part.dtype == bool:
            part[...] |= y
        else:
            part += y
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        values = [ctx.value(i) for i in range(2, len(node.inputs))]
        lengths = []
        for region, n in zip(
            self.index.regions(values, in_shapes[0]), in_shapes[0], strict=True
        ):
            if isinstance(region, Point):
                ctx.index(region.raw, n)
            else:
                lengths.append(region.count)
        given = in_shapes[1]
        for n, length in zip(given, lengths[len(lengths) - len(given) :], strict=True):
            if not _is_one(n):
                ctx.check(
                    or_(eq(n, 1), eq(n, length)),
                    "shape",
                    "set/inc_subtensor: {0} new values for a part of length {1}",
                    n,
                    length,
                )
        return [in_shapes[0]]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Walk the part, reading the new values broadcast to it."""
        x, y, *integers = ins
        values = [b.let(b.load(i, ())) for i in integers]
        regions = self.index.regions(values, b.shape(x))
        fixed: list[Any] = []
        spans = []
        for axis, region in enumerate(regions):
            if isinstance(region, Point):
                fixed.append(b.check_index(region.raw, b.dim(x, axis)))
            else:
                first, count = b.let(region.first), b.let(region.count)
                fixed.append(None)
                spans.append((first, count, region.step))
        with b.loops([count for _, count, _ in spans]) as idx:
            walk = iter(zip(spans, idx, strict=True))
            target = []
            for at in fixed:
                if at is not None:
                    target.append(at)
                else:
                    (first, _, step), i = next(walk)
                    target.append(first + i * step)
            value = b.load(y, broadcast_entry(b, y, idx))
            if not self.set_instead_of_inc:
                old = b.load(x, tuple(target))
                value = (old | value) if old.dtype == "bool" else old + value
            b.store(x, tuple(target), value)

    def support(self, node: Apply, of: Any) -> Any:
        """Where something was written; see `ops.support`."""
        return support_of_written(self, node, of)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that integers are disconnected."""
        return [[True], [True], *([False] for _ in node.inputs[2:])]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y, *integers = inputs
        (g,) = g_outputs
        rest = [disconnected_type() for _ in integers]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), zero_gradient(y), *rest]
        part = Subtensor(self.idx_list)(g, *integers)
        gx = g
        if self.set_instead_of_inc:
            gx = self(g, as_tensor_variable(np.zeros((), g.type.dtype)), *integers)
        return [gx, sum_to(part, y), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        x, y, *integers = inputs
        dx, dy = eval_points[:2]
        if dx is None and dy is None:
            return [None]
        dx = x.zeros_like() if dx is None else dx
        dy = y.zeros_like() if dy is None else dy
        return [self(dx, dy, *integers)]

    def __str__(self) -> str:
        return f"IncSubtensor{{{'set' if self.set_instead_of_inc else 'inc'};{self.index}}}"


def _is_one(n: Any) -> bool:
    return bool(n.is_const and int(n.value) == 1)


def _add_at(idx_list: Sequence[Any], x: Any, y: Any, *integers: Any) -> Any:
    return IncSubtensor(idx_list)(x, y, *integers)


set_write_hook(_add_at)


def set_subtensor(
    x: Any, y: Any, inplace: bool = False, tolerate_inplace_aliasing: bool = False
) -> Any:
    """Return the indexed tensor with the indexed part replaced: ``set_subtensor(a[1:], 0)``.

    Parameters
    ----------
    x : tensor
        An indexing expression.
    y : tensor_like
        The new values, broadcast to the part. Where an index occurs twice the last value stays.
    inplace, tolerate_inplace_aliasing : bool, optional
        Accepted for Theano's sake.

    Raises
    ------
    TypeError
        If `x` is not an indexing expression.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> a = T.dvector("a")
    >>> symc.function([a], T.set_subtensor(a[1:], 9))([1.0, 2.0, 3.0])
    array([1., 9., 9.])
    """
    del inplace, tolerate_inplace_aliasing
    return _write_through(x, as_tensor_variable(y), set_instead_of_inc=True)


def inc_subtensor(
    x: Any,
    y: Any,
    inplace: bool = False,
    set_instead_of_inc: bool = False,
    tolerate_inplace_aliasing: bool = False,
) -> Any:
    """Return the indexed tensor with `y` added to the indexed part.

    Where an index occurs twice both values are added. See `set_subtensor` for the parameters.
    """
    del inplace, tolerate_inplace_aliasing
    return _write_through(x, as_tensor_variable(y), set_instead_of_inc=set_instead_of_inc)


def _write_through(x: Any, y: Any, set_instead_of_inc: bool) -> Any:
    """Write `y` to the part `x` of a tensor, undoing views of the part on the way."""
    x = as_tensor_variable(x)
    while x.owner is not None:
        node, op = x.owner, x.owner.op
        if isinstance(op, Subtensor):
            write = IncSubtensor(op.idx_list, set_instead_of_inc=set_instead_of_inc)
            return write(node.inputs[0], y, *node.inputs[1:])
        if isinstance(op, AdvancedSubtensor1):
            advanced = AdvancedIncSubtensor1(set_instead_of_inc=set_instead_of_inc)
            return advanced(node.inputs[0], y, node.inputs[1])
        if isinstance(op, AdvancedSubtensor):
            general = AdvancedIncSubtensor(op.axes, op.front, set_instead_of_inc)
            return general(node.inputs[0], y, *node.inputs[1:])
        inner = node.inputs[0]
        if isinstance(op, DimShuffle):
            y = _undo_dimshuffle(op, y)
        elif isinstance(op, Reshape):
            y = _full(y, x).reshape(inner.shape, ndim=inner.type.ndim)
        elif not isinstance(op, (Rebroadcast, SpecifyShape)):
            break
        x = inner
    raise TypeError(
        user_message(
            "set_subtensor and inc_subtensor take an indexing expression, such as a[1:]",
            got=f"{x} of type {x.type}",
            where=user_line(x) or None,
        )
    )


def _full(y: Any, x: Any) -> Any:
    """`y` broadcast to the shape of `x`."""
    return y if y.type.ndim == x.type.ndim and not any(y.type.broadcastable) else second(x, y)


def _undo_dimshuffle(op: DimShuffle, y: Any) -> Any:
    ndim = len(op.new_order)
    y = y if y.type.ndim == ndim else dimshuffle(y, ["x"] * (ndim - y.type.ndim) + list(
        range(y.type.ndim)))
    back: list[Any] = ["x"] * len(op.input_broadcastable)
    for position, axis in enumerate(op.new_order):
        if axis != "x":
            back[axis] = position
    return dimshuffle(y, back)
