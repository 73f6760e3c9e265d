"""Arrays that are read from ``.npy`` files when a function runs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from ..array.type import TensorType
from ..dtypes import canonical
from ..errors import ShapeError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.op import Op
from ..graph.special import disconnected_type, generic

__all__ = ["LoadFromDisk", "load"]


class LoadFromDisk(Op):
    """The array in a ``.npy`` file, read in every call.

    Parameters
    ----------
    dtype : str
    broadcastable : sequence of bool
    mmap_mode : {None, "c"}, optional
        ``"c"`` maps the file into memory.
    """

    __props__ = ("dtype", "broadcastable", "mmap_mode")

    def __init__(
        self, dtype: Any, broadcastable: Iterable[bool], mmap_mode: str | None = None
    ) -> None:
        if mmap_mode not in (None, "c"):
            raise ValueError(f"the mode of mapping a file is None or 'c', got {mmap_mode!r}")
        self.dtype = canonical(np.dtype(dtype).name)
        self.broadcastable = tuple(bool(b) for b in broadcastable)
        self.mmap_mode = mmap_mode

    def make_node(self, path: Any) -> Apply:
        """Return the application to a path: a string, or a variable of the type ``generic``."""
        if not isinstance(path, Variable):
            path = Constant(generic, str(path))
        return Apply(self, [path], [TensorType(self.dtype, self.broadcastable)()])

    def do_constant_folding(self, node: Apply) -> bool:
        """Return False: the file may change."""
        return False

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Read the file."""
        path = str(inputs[0])
        # Object arrays are pickles, which may run anything.
        array = np.load(path, mmap_mode=self.mmap_mode, allow_pickle=False)  # type: ignore[arg-type]
        wrong = [n for n, b in zip(array.shape, self.broadcastable, strict=False) if b and n != 1]
        if array.dtype != self.dtype or array.ndim != len(self.broadcastable) or wrong:
            raise ShapeError(
                user_message(
                    f"the file {path} holds another type of array",
                    got=f"dtype {array.dtype}, shape {array.shape}",
                    expected=str(node.outputs[0].type),
                )
            )
        output_storage[0][0] = np.asarray(array)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the array does not depend on the path in any differentiable way."""
        return [[False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """Return that nothing is connected."""
        return [disconnected_type()]


def load(path: Any, dtype: Any, broadcastable: Iterable[bool], mmap_mode: str | None = None) -> Any:
    """Return the array in a ``.npy`` file as a variable; the file is read in every call.

    Parameters
    ----------
    path : path, or variable of the type ``generic``
    dtype : str
    broadcastable : sequence of bool
        One entry per axis.
    mmap_mode : {None, "c"}, optional
        ``"c"`` maps the file into memory; writing to the value does not change it.
    """
    return LoadFromDisk(dtype, broadcastable, mmap_mode)(path)
