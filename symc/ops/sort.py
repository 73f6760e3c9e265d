"""Sorting and selecting: sort, argsort, topk, searchsorted.

NumPy sorts; inside a compiled function these are Python steps.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from .advanced import advanced_index
from .alloc import arange
from .axes import normalize_axis
from .elemwise import cast
from .reduce import zero_gradient
from .vector import as_index_scalar
from .write import inc_subtensor

__all__ = [
    "ArgSortOp",
    "SearchsortedOp",
    "SortOp",
    "TopKOp",
    "argsort",
    "argtopk",
    "positions_along",
    "searchsorted",
    "sort",
    "topk",
    "topk_and_argtopk",
]

KINDS = ("quicksort", "mergesort", "heapsort", "stable")


def positions_along(x: Any, positions: Any, axis: int) -> list[Any]:
    """The index that takes ``positions`` along `axis`, as `numpy.take_along_axis`."""
    index: list[Any] = []
    for d in range(x.type.ndim):
        if d == axis:
            index.append(positions)
        else:
            order = ["x"] * x.type.ndim
            order[d] = 0  # type: ignore[call-overload]
            index.append(arange(x.shape[d]).dimshuffle(*order))
    return index


class _Sorting(BuiltinOp):
    """A result of the operand's shape, sorted along one axis."""

    __props__ = ("axis", "kind")

    def __init__(self, axis: int = -1, kind: Any = "quicksort") -> None:
        if kind not in KINDS:
            raise ValueError(f"kind of a sort must be one of {', '.join(KINDS)}, not {kind!r}")
        self.axis = axis
        self.kind: Any = kind

    def _typed(self, x: Any, dtype: str) -> Apply:
        x = as_tensor_variable(x)
        normalize_axis(self.axis, x.type.ndim)
        out = TensorType(dtype, x.type.broadcastable)()
        note_lengths(out, known_lengths(x))
        return Apply(self, [x], [out])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def __str__(self) -> str:
        return f"{type(self).__name__}{{axis={self.axis}, {self.kind}}}"


class SortOp(_Sorting):
    """The operand, sorted in ascending order along an axis; NaNs come last.

    Parameters
    ----------
    axis : int
    kind : {"quicksort", "mergesort", "heapsort", "stable"}
    """

    def make_node(self, x: Any) -> Apply:
        return self._typed(x, as_tensor_variable(x).type.dtype)

    def numpy(self, *arrays: Any) -> Any:
        return np.sort(arrays[0], axis=self.axis, kind=self.kind)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (g,) = inputs, g_outputs
        if is_discrete(x.type.dtype):
            return [zero_gradient(x)]
        axis = normalize_axis(self.axis, x.type.ndim)
        positions = positions_along(x, ArgSortOp(axis, self.kind)(x), axis)
        return [inc_subtensor(advanced_index(zero_gradient(x), positions), g)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (x,), (point,) = inputs, eval_points
        if point is None:
            return [None]
        axis = normalize_axis(self.axis, x.type.ndim)
        return [advanced_index(point, positions_along(x, ArgSortOp(axis, self.kind)(x), axis))]


class ArgSortOp(_Sorting):
    """The positions (int64) that sort the operand along an axis."""

    def make_node(self, x: Any) -> Apply:
        return self._typed(x, "int64")

    def numpy(self, *arrays: Any) -> Any:
        return np.argsort(arrays[0], axis=self.axis, kind=self.kind)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [zero_gradient(inputs[0])]


class TopKOp(BuiltinOp):
    """The `k` largest elements along an axis and their positions (smallest, if k is negative).

    Parameters
    ----------
    axis : int
    sorted : bool
        Largest first (smallest first for negative k); else in no particular order.
    idx_dtype : str
        Dtype of the positions.
    """

    __props__ = ("axis", "sorted", "idx_dtype")

    def __init__(self, axis: int = -1, sorted: bool = True, idx_dtype: str = "int64") -> None:
        self.axis = axis
        self.sorted = bool(sorted)
        self.idx_dtype = idx_dtype

    def make_node(self, x: Any, k: Any) -> Apply:
        x, k = as_tensor_variable(x), as_index_scalar(k, "the number of elements of topk")
        axis = normalize_axis(self.axis, x.type.ndim)
        pattern = [b and d != axis for d, b in enumerate(x.type.broadcastable)]
        return Apply(
            self,
            [x, k],
            [TensorType(x.type.dtype, pattern)(), TensorType(self.idx_dtype, pattern)()],
        )

    def numpy(self, *arrays: Any) -> Any:
        x, k = arrays[0], int(arrays[1])
        n = x.shape[self.axis]
        if not 1 <= abs(k) <= n:
            raise ValueError(
                user_message(
                    f"topk of {k} elements along an axis of length {n}",
                    expected=f"1 to {n}, or negative for the smallest",
                )
            )
        order = np.argsort(x, axis=self.axis, kind="stable")
        if k > 0:
            order = np.flip(order, self.axis)
        positions = np.take(order, np.arange(abs(k)), axis=self.axis)
        return np.take_along_axis(x, positions, self.axis), positions

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        lengths = list(in_shapes[0])
        axis = normalize_axis(self.axis, len(lengths))
        lengths[axis] = abs(ctx.value(1))
        return [tuple(lengths), tuple(lengths)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that only values are connected."""
        return [[True, False], [False, False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        x = inputs[0]
        g = g_outputs[0]
        if is_discrete(x.type.dtype) or isinstance(g.type, DisconnectedType):
            return [zero_gradient(x), disconnected_type()]
        axis = normalize_axis(self.axis, x.type.ndim)
        positions = positions_along(x, outputs[1], axis)
        return [inc_subtensor(advanced_index(zero_gradient(x), positions), g),
                disconnected_type()]

    def __str__(self) -> str:
        return f"TopKOp{{axis={self.axis}}}"


class SearchsortedOp(BuiltinOp):
    """Where to insert values into a sorted vector so that it stays sorted.

    Parameters
    ----------
    side : {"left", "right"}
        In front of, or behind, equal elements.
    """

    __props__ = ("side",)

    def __init__(self, side: Any = "left") -> None:
        if side not in ("left", "right"):
            raise ValueError(f"side of searchsorted must be 'left' or 'right', not {side!r}")
        self.side: Any = side

    def make_node(self, x: Any, v: Any) -> Apply:
        x, v = as_tensor_variable(x), as_tensor_variable(v)
        if x.type.ndim != 1:
            raise TypeError(f"searchsorted needs a vector, got {x.type}")
        return Apply(self, [x, v], [TensorType("int64", v.type.broadcastable)()])

    def numpy(self, *arrays: Any) -> Any:
        return np.searchsorted(arrays[0], arrays[1], side=self.side)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[1]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [zero_gradient(x) for x in inputs]


def _flat_if_none(a: Any, axis: int | None) -> tuple[Any, int]:
    a = as_tensor_variable(a)
    return (a.flatten(), 0) if axis is None else (a, normalize_axis(axis, a.type.ndim))


def sort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None) -> Any:
    """Return `a` sorted along an axis (flattened first, if that is None).

    Raises
    ------
    ValueError
        If `order` is given: there are no structured dtypes.
    """
    if order is not None:
        raise ValueError("sort: order is for structured arrays, which symc does not have")
    a, axis = _flat_if_none(a, axis)
    return SortOp(axis, kind)(a)


def argsort(a: Any, axis: int | None = -1, kind: str = "quicksort", order: Any = None) -> Any:
    """Return the positions that sort `a` along an axis (of the flattened tensor, if None)."""
    if order is not None:
        raise ValueError("argsort: order is for structured arrays, which symc does not have")
    a, axis = _flat_if_none(a, axis)
    return ArgSortOp(axis, kind)(a)


def topk_and_argtopk(
    x: Any, kth: Any, axis: int = -1, sorted: bool = True, idx_dtype: str = "int64"
) -> list[Any]:
    """Return the `kth` largest elements along an axis and their positions.

    Parameters
    ----------
    x : tensor_like
    kth : int or integer scalar
        How many; negative for the smallest.
    axis : int
    sorted : bool
        Largest first; with False the order is not promised.
    idx_dtype : str
    """
    x = as_tensor_variable(x)
    op = TopKOp(normalize_axis(axis, x.type.ndim), sorted, idx_dtype)
    result: list[Any] = op(x, kth, return_list=True)
    return result


def topk(x: Any, kth: Any, axis: int = -1, sorted: bool = True, idx_dtype: str = "int64") -> Any:
    """Return the `kth` largest elements along an axis; see `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[0]


def argtopk(x: Any, kth: Any, axis: int = -1, sorted: bool = True, idx_dtype: str = "int64") -> Any:
    """Return the positions of the `kth` largest elements; see `topk_and_argtopk`."""
    return topk_and_argtopk(x, kth, axis, sorted, idx_dtype)[1]


def searchsorted(x: Any, v: Any, side: str = "left", sorter: Any = None) -> Any:
    """Return where to insert `v` into the sorted vector `x`, as `numpy.searchsorted`.

    Parameters
    ----------
    x : vector_like
        Sorted, or sorted by `sorter`.
    v : tensor_like
    side : {"left", "right"}
    sorter : integer vector_like, optional
        Positions that sort `x`.
    """
    x = as_tensor_variable(x)
    if sorter is not None:
        x = x[cast(as_tensor_variable(sorter), "int64")]
    return SearchsortedOp(side)(x, v)
