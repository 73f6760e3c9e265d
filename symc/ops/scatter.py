"""Writing with integer arrays: the tensor with some of its elements set or incremented.

``set`` keeps the last value where an index occurs twice, ``inc`` adds all of them up (NumPy's
``x[idx] = y`` and ``numpy.add.at``). All indices are validated before anything is written, so a
bad index leaves a shared variable as it was. The result starts as the operand; whether its memory
is reused is the planner's decision.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..dtypes import can_cast_safely, is_discrete
from ..errors import AdvancedIndexingError, DTypeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.special import disconnected_type
from ..graph.trace import user_line
from ..scalar.logic import eq, or_, switch
from .elemwise import cast
from .gather import (
    AdvancedSubtensor,
    AdvancedSubtensor1,
    as_index_array,
    index_layout,
    require_fitting_indices,
    set_scatter_hook,
)
from .reduce import zero_gradient
from .sum_to import sum_to
from .support import support_of_written

__all__ = [
    "AdvancedIncSubtensor",
    "AdvancedIncSubtensor1",
    "advanced_inc_subtensor1",
    "advanced_set_subtensor1",
    "fitting_value",
]


def fitting_value(op: Any, x: Any, y: Any) -> Any:
    """`y` in the dtype of `x`.

    Raises
    ------
    DTypeError (a TypeError)
        If that would change values.
    """
    y = as_tensor_variable(y)
    if y.type.dtype == x.type.dtype:
        return y
    if not can_cast_safely(y.type.dtype, x.type.dtype):
        raise DTypeError(
            user_message(
                f"{op}: the new values do not fit the dtype of the tensor",
                got=f"{y.type.dtype} into {x.type.dtype}",
                where=user_line(y) or user_line(x) or None,
                hint=f"cast them: symc.tensor.cast(y, '{x.type.dtype}')",
            )
        )
    return cast(y, x.type.dtype)


def broadcast_entry(b: Any, array: Any, idx: Sequence[Any]) -> tuple[Any, ...]:
    """`idx` for an array whose axes of length 1 are repeated; extra leading axes are dropped."""
    last = idx[len(idx) - array.ndim :]
    zero = b.integer(0)
    return tuple(switch(b.dim(array, d) > b.integer(1), i, zero) for d, i in enumerate(last))


class _Writing(BuiltinOp):
    """What writes by index arrays share: operands ``x, y, *indices``, result like `x`."""

    set_instead_of_inc: bool
    validates_first = True
    """All that can fail is checked before the first element is written."""

    def axes_of(self, node: Apply) -> tuple[int, ...]:
        """The indexed axes."""
        raise NotImplementedError

    def position_of(self, node: Apply) -> int:
        """How many axes of the values come before those of the index block."""
        raise NotImplementedError

    def updates(self, node: Apply) -> dict[int, int]:
        """The result starts as the first operand."""
        return {0: 0}

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, y, *indices = in_shapes
        axes, position = self.axes_of(node), self.position_of(node)
        region = [n for d, n in enumerate(x) if d not in axes]
        region[position:position] = [ctx.bcast(*dims) for dims in zip(*indices, strict=True)]
        for have, want in zip(y, region[len(region) - len(y) :], strict=True):
            ctx.check(
                or_(eq(have, want), eq(have, 1)),
                "shape",
                "set_subtensor or inc_subtensor: values of length {0} do not fit "
                "the length {1} of what is written",
                have,
                want,
            )
        return [x]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Loops over the index block (checked first), then over the other axes."""
        x, y, *indices = ins
        axes, position = self.axes_of(node), self.position_of(node)
        ndim_block = indices[0].ndim
        block = [self._block_length(b, indices, k) for k in range(ndim_block)]
        with b.loops(block) as at:
            for d, index in zip(axes, indices, strict=True):
                b.check_index(self._raw(b, index, at), b.dim(x, d))
        kept = [d for d in range(x.ndim) if d not in axes]
        with b.loops(block) as at:
            where = {
                d: b.check_index(self._raw(b, index, at), b.dim(x, d))
                for d, index in zip(axes, indices, strict=True)
            }
            with b.loops([b.dim(x, d) for d in kept]) as rest:
                where.update(zip(kept, rest, strict=True))
                full = (*rest[:position], *at, *rest[position:])
                value = b.load(y, broadcast_entry(b, y, full))
                target = tuple(where[d] for d in range(x.ndim))
                if not self.set_instead_of_inc:
                    value = self._added(b.load(x, target), value)
                b.store(x, target, value)

    @staticmethod
    def _added(old: Any, value: Any) -> Any:
        return (old | value) if old.dtype == "bool" else old + value

    @staticmethod
    def _raw(b: Any, index: Any, at: Sequence[Any]) -> Any:
        """Entry `at` of an index array, which may be broadcast to the block."""
        return b.let(b.load(index, broadcast_entry(b, index, at)))

    @staticmethod
    def _block_length(b: Any, indices: Sequence[Any], axis: int) -> Any:
        total = b.dim(indices[0], axis)
        for index in indices[1:]:
            n = b.dim(index, axis)
            total = switch(total > b.integer(1), total, switch(n > b.integer(1), n, total * n))
        return b.let(total)

    def support(self, node: Apply, of: Any) -> Any:
        """Where something was written; see `ops.support`."""
        return support_of_written(self, node, of)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that indices are disconnected."""
        return [[True], [True], *([False] for _ in node.inputs[2:])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        x, y, *indices = inputs
        dx, dy = eval_points[:2]
        if dx is None and dy is None:
            return [None]
        dx = x.zeros_like() if dx is None else dx
        dy = y.zeros_like() if dy is None else dy
        return [self(dx, dy, *indices)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, y, *indices = inputs
        (g,) = g_outputs
        rest = [disconnected_type() for _ in indices]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), zero_gradient(y), *rest]
        picked = self._read(g, indices)
        gx = self._cleared(g, picked, indices) if self.set_instead_of_inc else g
        return [gx, sum_to(picked, y), *rest]

    def _read(self, g: Any, indices: Sequence[Any]) -> Any:
        raise NotImplementedError

    def _cleared(self, g: Any, picked: Any, indices: Sequence[Any]) -> Any:
        return self(g, picked.zeros_like(), *indices)

    def _write(self, x: np.ndarray, key: Any, y: np.ndarray) -> np.ndarray:
        result = x.copy()
        if self.set_instead_of_inc:
            result[key] = y
        elif result.dtype == bool:
            np.logical_or.at(result, key, y)
        else:
            np.add.at(result, key, y)
        return result


class AdvancedIncSubtensor1(_Writing):
    """`x` with ``y[i]`` added to (or put in place of) item ``idx[i]`` of its first axis.

    Parameters
    ----------
    inplace : bool
        Accepted for Theano's sake.
    set_instead_of_inc : bool
    """

    __props__ = ("inplace", "set_instead_of_inc")

    def __init__(self, inplace: bool = False, set_instead_of_inc: bool = False) -> None:
        self.inplace = inplace
        self.set_instead_of_inc = set_instead_of_inc

    def make_node(self, x: Any, y: Any, idx: Any) -> Apply:
        x, idx = as_tensor_variable(x), as_index_array(idx)
        y = fitting_value(self, x, y)
        if idx.type.ndim != 1 or y.type.ndim > x.type.ndim or not x.type.ndim:
            raise AdvancedIndexingError(
                user_message(
                    f"{self}: operands of the wrong rank",
                    got=f"{x.type}, values {y.type}, indices {idx.type}",
                    expected="an integer vector, and values of at most the rank of the tensor",
                )
            )
        return Apply(self, [x, y, idx], [x.type()])

    def axes_of(self, node: Apply) -> tuple[int, ...]:
        return (0,)

    def position_of(self, node: Apply) -> int:
        return 0

    def numpy(self, *arrays: Any) -> Any:
        x, y, idx = arrays
        return self._write(x, idx, y)

    def _read(self, g: Any, indices: Sequence[Any]) -> Any:
        return AdvancedSubtensor1()(g, *indices)

    def __str__(self) -> str:
        return f"AdvancedIncSubtensor1{{{'set' if self.set_instead_of_inc else 'inc'}}}"


advanced_inc_subtensor1 = named_op("advanced_inc_subtensor1", AdvancedIncSubtensor1())
advanced_set_subtensor1 = named_op(
    "advanced_set_subtensor1", AdvancedIncSubtensor1(set_instead_of_inc=True)
)


class AdvancedIncSubtensor(_Writing):
    """`x` with `y` added to (or put in place of) the elements that `AdvancedSubtensor` reads.

    Parameters
    ----------
    axes, front
        See `AdvancedSubtensor`.
    set_instead_of_inc : bool
    """

    __props__ = ("axes", "front", "set_instead_of_inc")
    broadcast_family = "index_shape"

    def __init__(
        self, axes: Sequence[int], front: bool = False, set_instead_of_inc: bool = False
    ) -> None:
        self.axes = tuple(axes)
        self.front = front
        self.set_instead_of_inc = set_instead_of_inc

    def make_node(self, x: Any, y: Any, *indices: Any) -> Apply:
        x = as_tensor_variable(x)
        y = fitting_value(self, x, y)
        read = AdvancedSubtensor(self.axes, self.front).make_node(x, *indices)
        if y.type.ndim > read.outputs[0].type.ndim:
            raise AdvancedIndexingError(
                user_message(
                    f"{self}: the new values have too many axes",
                    got=f"{y.type}",
                    expected=f"at most the rank of {read.outputs[0].type}",
                )
            )
        return Apply(self, [x, y, *read.inputs[1:]], [x.type()])

    def axes_of(self, node: Apply) -> tuple[int, ...]:
        return self.axes

    def position_of(self, node: Apply) -> int:
        return 0 if self.front else index_layout(node.inputs[0].type.ndim, self.axes)[1]

    def numpy(self, *arrays: Any) -> Any:
        x, y, *indices = arrays
        require_fitting_indices(self, indices)
        key: list[Any] = [slice(None)] * x.ndim
        for d, index in zip(self.axes, indices, strict=True):
            key[d] = index
        position = index_layout(x.ndim, self.axes)[1]
        if self.front and position:
            block = np.broadcast(*indices).ndim
            y = np.broadcast_to(y, (1,) * (block + x.ndim - len(indices) - y.ndim) + y.shape)
            y = np.moveaxis(y, range(block), range(position, position + block))
        return self._write(x, tuple(key), y)

    def _read(self, g: Any, indices: Sequence[Any]) -> Any:
        return AdvancedSubtensor(self.axes, self.front)(g, *indices)

    def __str__(self) -> str:
        kind = "set" if self.set_instead_of_inc else "inc"
        return f"AdvancedIncSubtensor{{{kind};{','.join(map(str, self.axes))}}}"


def _increment(read: AdvancedSubtensor, x: Any, y: Any, *indices: Any) -> Any:
    return AdvancedIncSubtensor(read.axes, read.front)(x, y, *indices)


set_scatter_hook("AdvancedSubtensor1", advanced_inc_subtensor1)
set_scatter_hook("AdvancedSubtensor", _increment)
