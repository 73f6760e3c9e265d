"""`RandomWords`: words of the generator, computed in the kernel that uses them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import note_lengths
from ...array.type import TensorType
from ...errors import user_message
from ...graph.node import Apply
from ...scalar.logic import cast as cast_scalar
from ...scalar.random import philox32, philox64
from ..alloc import _check_not_negative, _known_sizes, _Sized
from ..vector import as_index_scalar

__all__ = ["PARTS", "RandomWords"]

PARTS = 1 << 16
"""How far a draw moves the counter: so many tensors of words it may use."""


class RandomWords(_Sized):
    """A uint64 tensor of random words; the state (key, counter) comes before the lengths.

    Parameters
    ----------
    bits : {32, 64}
        Random bits per element.
    part : int
        Which of the independent tensors of words of this draw, below `PARTS`.
    """

    __props__ = ("bits", "part")
    first = 1

    def __init__(self, bits: int, part: int = 0) -> None:
        if bits not in (32, 64) or not 0 <= part < PARTS:
            raise ValueError(
                user_message(
                    "words have 32 or 64 bits, and a part below 65536", got=f"{bits}, {part}"
                )
            )
        self.bits, self.part = bits, part

    def make_node(self, state: Any, *shape: Any) -> Apply:
        state = as_tensor_variable(state)
        if state.type.dtype != "uint64" or state.type.ndim != 1:
            raise TypeError(
                user_message(
                    "a random state is a uint64 vector (key, counter)",
                    got=f"{state} of type {state.type}",
                )
            )
        sizes = [as_index_scalar(n) for n in shape]
        lengths = _known_sizes(sizes)
        _check_not_negative("a random draw", lengths)
        out = TensorType("uint64", [n == 1 for n in lengths])()
        note_lengths(out, lengths)
        return Apply(self, [state, *sizes], [out])

    @property
    def _record(self) -> Any:
        return philox32 if self.bits == 32 else philox64

    def numpy(self, *arrays: Any) -> Any:
        state, *sizes = arrays
        shape = tuple(int(n) for n in sizes)
        _check_not_negative("a random draw", shape)
        place = np.arange(int(np.prod(shape, dtype=np.int64)), dtype=np.uint64).reshape(shape)
        counter = state[1:2] + np.uint64(self.part)
        return np.asarray(self._record.numpy(state[0], counter[0], place), np.uint64)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [tuple(self.result_lengths(ctx, len(node.inputs) - 1))]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        place: Any = 0
        for axis, i in enumerate(idx):
            place = i if axis == 0 else place * read.value(self.first + axis) + i
        key, counter = read(0, (0,)), read(0, (1,))
        ctx = key.ctx
        if not idx:
            place = ctx.const(0, "int64")
        counter = counter + ctx.const(self.part, "uint64")
        return self._record(key, counter, cast_scalar(place, "uint64"))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that words have no derivative."""
        return [[False] for _ in node.inputs]
