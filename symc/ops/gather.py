"""Reading with integer arrays and masks: ``W[idx]``, ``x[arange(n), y]``, ``x[mask]``.

`AdvancedSubtensor1` takes items along the first axis with one integer vector. `AdvancedSubtensor`
is NumPy's general rule: index arrays are broadcast against each other, and their axes take the
place of the indexed axes if those are adjacent, else they come first. Slices that stand beside
arrays are taken before, as views, so here every other axis is whole.

Inside the compiler a gather is an index expression, so it costs no kernel of its own: it is read
where it is used. Every index is checked.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import AdvancedIndexingError, IndexShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.special import disconnected_type
from ..graph.trace import user_line
from ..scalar.logic import cast as cast_scalar
from .reduce import zero_gradient
from .support import support_through

__all__ = [
    "AdvancedSubtensor",
    "AdvancedSubtensor1",
    "advanced_subtensor1",
    "index_layout",
    "set_scatter_hook",
]


def as_index_array(x: Any, what: str = "an index array") -> Any:
    """`x` as a tensor of an integer dtype.

    Raises
    ------
    AdvancedIndexingError (a TypeError)
        For other dtypes.
    """
    x = as_tensor_variable(x)
    if not is_discrete(x.type.dtype) or x.type.dtype == "bool":
        raise AdvancedIndexingError(
            user_message(
                f"{what} must have an integer dtype",
                got=f"{x} of type {x.type}",
                where=user_line(x) or None,
                hint="cast it: symc.tensor.cast(index, 'int64')",
            )
        )
    return x


# The gradients of reads are writes, which live in the module above; it registers itself here.
_scatter: dict[str, Any] = {}


def set_scatter_hook(name: str, function: Any) -> None:
    """Register the writing op that is the gradient of the reading op `name`."""
    _scatter[name] = function


class AdvancedSubtensor1(BuiltinOp):
    """``y[i, ...] = x[idx[i], ...]`` with an integer vector `idx`.

    Parameters
    ----------
    sparse_grad : bool
        Kept for Theano's sake.

    Raises
    ------
    IndexError
        When run with an index outside [-len(x), len(x)).
    """

    __props__ = ("sparse_grad",)

    def __init__(self, sparse_grad: bool = False) -> None:
        self.sparse_grad = sparse_grad

    def make_node(self, x: Any, idx: Any) -> Apply:
        x, idx = as_tensor_variable(x), as_index_array(idx)
        if not x.type.ndim or idx.type.ndim != 1:
            raise AdvancedIndexingError(
                user_message(
                    f"{self} takes items of a tensor by an integer vector",
                    got=f"{x.type} indexed by {idx.type}",
                    where=user_line(x) or None,
                )
            )
        pattern = (idx.type.broadcastable[0], *x.type.broadcastable[1:])
        out = TensorType(x.type.dtype, pattern)()
        note_lengths(out, (known_lengths(idx)[0], *known_lengths(x)[1:]))
        return Apply(self, [x, idx], [out])

    def numpy(self, *arrays: Any) -> Any:
        x, idx = arrays
        return x.take(idx, axis=0)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x, idx = in_shapes
        return [(idx[0], *x[1:])]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        raw = _as_int64(read(1, (idx[0],)))
        return read(0, (read.index(raw, read.shape(0)[0]), *idx[1:]))

    def support(self, node: Apply, of: Any) -> Any:
        """The elements that stem from the operand's support; see `ops.support`."""
        return support_through(self, node, of)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the indices are disconnected."""
        return [[True], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, idx = inputs
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), disconnected_type()]
        return [_scatter["AdvancedSubtensor1"](x.zeros_like(), g_outputs[0], idx),
                disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0], inputs[1])]

    def __str__(self) -> str:
        return "AdvancedSubtensor1"


advanced_subtensor1 = named_op("advanced_subtensor1", AdvancedSubtensor1())


def _as_int64(expr: Any) -> Any:
    """An index expression, widened before it is compared with a length."""
    return expr if expr.dtype == "int64" else cast_scalar(expr, "int64")


def index_layout(ndim: int, axes: Sequence[int]) -> tuple[tuple[int, ...], int]:
    """Where things go when the axes `axes` of a tensor are indexed by arrays.

    Returns
    -------
    kept : tuple of int
        The axes that are not indexed, in order.
    position : int
        How many of them come before the axes of the broadcast index arrays in the result: NumPy
        puts those in place of the indexed axes if they are adjacent, else first.
    """
    kept = tuple(d for d in range(ndim) if d not in axes)
    adjacent = all(b == a + 1 for a, b in pairwise(axes))
    return kept, sum(d < axes[0] for d in kept) if adjacent else 0


def require_fitting_indices(op: Any, indices: Sequence[Any]) -> None:
    """Raise `IndexShapeError` unless the index arrays of `op` can be broadcast together."""
    try:
        np.broadcast_shapes(*(index.shape for index in indices))
    except ValueError as error:
        raise IndexShapeError(
            user_message(
                f"{op}: the index arrays could not be broadcast together",
                got=f"shapes {', '.join(str(index.shape) for index in indices)}",
                expected="equal lengths along every axis, or 1, which is repeated",
            )
        ) from error


class AdvancedSubtensor(BuiltinOp):
    """Read with integer arrays on the axes `axes`, NumPy's rule.

    Operands: the tensor and one integer tensor per axis in `axes`; the index tensors are broadcast
    against each other at run time.

    Parameters
    ----------
    axes : tuple of int
        Ascending.
    front : bool
        Put the index axes first although the indexed axes are adjacent (there was a new axis or a
        scalar index between them).

    Raises
    ------
    IndexError
        When run with an index out of bounds.
    """

    __props__ = ("axes", "front")
    broadcast_family = "index_shape"

    def __init__(self, axes: Sequence[int], front: bool = False) -> None:
        self.axes = tuple(axes)
        self.front = front

    def layout(self, ndim: int) -> tuple[tuple[int, ...], int]:
        """See `index_layout`."""
        kept, position = index_layout(ndim, self.axes)
        return kept, 0 if self.front else position

    def make_node(self, x: Any, *indices: Any) -> Apply:
        x = as_tensor_variable(x)
        arrays = [as_index_array(i) for i in indices]
        if len(arrays) != len(self.axes) or not self.axes or self.axes[-1] >= x.type.ndim:
            raise AdvancedIndexingError(
                user_message(
                    f"{self}: wrong number of indices",
                    got=f"{len(arrays)} index arrays for {x.type}",
                    expected=f"{len(self.axes)}",
                )
            )
        ndim = max(a.type.ndim for a in arrays)
        arrays = [
            a if a.type.ndim == ndim
            else a.dimshuffle(*["x"] * (ndim - a.type.ndim), *range(a.type.ndim))
            for a in arrays
        ]
        block = tuple(map(all, zip(*(a.type.broadcastable for a in arrays), strict=True)))
        kept, position = self.layout(x.type.ndim)
        pattern = [x.type.broadcastable[d] for d in kept]
        pattern[position:position] = block
        return Apply(self, [x, *arrays], [TensorType(x.type.dtype, pattern)()])

    def numpy(self, *arrays: Any) -> Any:
        x, *indices = arrays
        require_fitting_indices(self, indices)
        key: list[Any] = [slice(None)] * x.ndim
        for d, index in zip(self.axes, indices, strict=True):
            key[d] = index
        result = x[tuple(key)]
        kept, position = index_layout(x.ndim, self.axes)
        if self.front and position:
            block = result.ndim - len(kept)
            result = np.moveaxis(result, range(position, position + block), range(block))
        return result

    def _block(self, in_shapes: Sequence[Any], ctx: Any) -> list[Any]:
        return [ctx.bcast(*dims) for dims in zip(*in_shapes[1:], strict=True)]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        x = in_shapes[0]
        kept, position = self.layout(len(x))
        dims = [x[d] for d in kept]
        dims[position:position] = self._block(in_shapes, ctx)
        return [tuple(dims)]

    def source_index(self, node: Apply, idx: Sequence[Any], read: Any, first: int) -> list[Any]:
        """Index into the tensor for element `idx` of the result.

        Parameters
        ----------
        first : int
            Position of the first index array among the operands of `node`.
        """
        x = node.inputs[0]
        kept, position = self.layout(x.type.ndim)
        ndim = node.inputs[first].type.ndim
        inner, block = list(idx), list(idx[position : position + ndim])
        del inner[position : position + ndim]
        source: list[Any] = [None] * x.type.ndim
        for d, i in zip(kept, inner, strict=True):
            source[d] = i
        for k, d in enumerate(self.axes):
            array = node.inputs[first + k]
            at = [0 if b else i for b, i in zip(array.type.broadcastable, block, strict=True)]
            raw = _as_int64(read(first + k, tuple(at)))
            source[d] = read.index(raw, read.shape(0)[d])
        return source

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, tuple(self.source_index(node, idx, read, 1)))

    def support(self, node: Apply, of: Any) -> Any:
        """The elements that stem from the operand's support; see `ops.support`."""
        return support_through(self, node, of)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the indices are disconnected."""
        return [[True], *([False] for _ in self.axes)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x, *indices = inputs
        rest = [disconnected_type() for _ in indices]
        if is_discrete(x.type.dtype):
            return [zero_gradient(x), *rest]
        write = _scatter["AdvancedSubtensor"]
        return [write(self, x.zeros_like(), g_outputs[0], *indices), *rest]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0], *inputs[1:])]

    def __str__(self) -> str:
        return f"AdvancedSubtensor{{{','.join(map(str, self.axes))}}}"
