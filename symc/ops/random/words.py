"""`RandomElements`: words of the generator, and draws made of them, where they are read."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.lengths import note_lengths
from ...array.type import TensorType
from ...errors import user_message
from ...graph.node import Apply
from ...scalar.logic import cast as cast_scalar
from ...scalar.op import ScalarOp
from ..alloc import _check_not_negative, _known_sizes, _Sized
from ..vector import as_index_scalar
from .state import PARTS, as_state

__all__ = ["RandomElements", "RandomPlace"]


class RandomElements(_Sized):
    """A tensor of draws without parameters; the state (key, counter) comes before the lengths.

    Parameters
    ----------
    record : ScalarOp
        The draw of an element, given the key, the counter and the element's position: one of
        `philox32`, `philox64`, `normal32` and `normal64` of `symc.scalar.random`.
    part : int
        Which of the independent tensors of this draw, below `PARTS`.
    """

    __props__ = ("record", "part")
    first = 1

    def __init__(self, record: ScalarOp, part: int = 0) -> None:
        if not 0 <= part < PARTS:
            raise ValueError(user_message(f"a part lies in 0 ... {PARTS - 1}", got=str(part)))
        self.record, self.part = record, part
        self.dtype = record.signature("uint64", "uint64", "uint64")[1]

    def make_node(self, state: Any, *shape: Any) -> Apply:
        sizes, out = _sized(self.dtype, shape)
        return Apply(self, [as_state(state), *sizes], [out])

    def numpy(self, *arrays: Any) -> Any:
        state, *sizes = arrays
        shape = tuple(int(n) for n in sizes)
        _check_not_negative("a random draw", shape)
        place = np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)
        counter = state[1:2] + np.uint64(self.part)
        return np.asarray(self.record.numpy(state[0], counter[0], place))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [tuple(self.result_lengths(ctx, len(node.inputs) - 1))]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        key, counter = read(0, (0,)), read(0, (1,))
        counter = counter + read.ctx.const(self.part, "uint64")
        place = _position(idx, read, self.first)
        return self.record(key, counter, cast_scalar(place, "uint64"))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that draws depend on no input smoothly."""
        return [[False] for _ in node.inputs]


class RandomPlace(_Sized):
    """The place of every element, in C order, in a tensor of the given lengths (uint64)."""

    __props__ = ()

    def make_node(self, *shape: Any) -> Apply:
        sizes, out = _sized("uint64", shape)
        return Apply(self, sizes, [out])

    def numpy(self, *arrays: Any) -> Any:
        shape = tuple(int(n) for n in arrays)
        _check_not_negative("a random draw", shape)
        return np.arange(math.prod(shape), dtype=np.uint64).reshape(shape)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [tuple(self.result_lengths(ctx, len(node.inputs)))]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return cast_scalar(_position(idx, read, self.first), "uint64")

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that places are integers."""
        return [[False] for _ in node.inputs]


def _sized(dtype: str, shape: Sequence[Any]) -> tuple[list[Any], Any]:
    """Lengths as variables, and a variable for a tensor of them."""
    sizes = [as_index_scalar(n) for n in shape]
    lengths = _known_sizes(sizes)
    _check_not_negative("a random draw", lengths)
    out = TensorType(dtype, [n == 1 for n in lengths])()
    note_lengths(out, lengths)
    return sizes, out


def _position(idx: Sequence[Any], read: Any, first: int) -> Any:
    """The place of an element in C order, given which operand is the first length."""
    place: Any = read.ctx.const(0, "int64")
    for axis, i in enumerate(idx):
        place = place * read.value(first + axis) + i if axis else i
    return place
