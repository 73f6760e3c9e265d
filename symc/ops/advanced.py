"""``x[index]`` where an entry of the index is an array or a mask.

The index is brought to one form: slices, integers and new axes that stand beside arrays are taken
first, as a view; what is left are index arrays on some axes, which `AdvancedSubtensor1` or
`AdvancedSubtensor` read. A boolean mask becomes the positions of its true elements.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..array.variable import TensorOperators
from ..errors import AdvancedIndexingError, IndexOutOfBoundsError, user_message
from ..graph.node import Apply, Variable
from ..graph.op import BuiltinOp
from ..graph.special import disconnected_type
from ..graph.trace import user_line
from .gather import AdvancedSubtensor, advanced_subtensor1, as_index_array
from .slice import TooManyIndicesError, basic_index, expand_ellipsis, is_basic

__all__ = ["Nonzero", "advanced_index", "flatnonzero", "nonzero", "nonzero_values"]


class Nonzero(BuiltinOp):
    """Positions of the elements that are not zero: one int64 vector per axis, in C order."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if not x.type.ndim:
            raise ValueError("nonzero needs a tensor with at least one axis")
        return Apply(self, [x], [TensorType("int64", (False,))() for _ in range(x.type.ndim)])

    def numpy(self, *arrays: Any) -> Any:
        return tuple(np.asarray(i, np.int64) for i in np.nonzero(arrays[0]))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(ctx.unknown(k, 0),) for k in range(len(node.outputs))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that positions are disconnected from values."""
        return [[False] * len(node.outputs)]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type()]

    def __str__(self) -> str:
        return "Nonzero"


def nonzero(a: Any, return_matrix: bool = False) -> Any:
    """Return the positions of the elements that are not zero.

    Parameters
    ----------
    a : tensor_like
    return_matrix : bool, optional
        One matrix with a row per axis instead of a tuple with a vector per axis.
    """
    positions = Nonzero()(a, return_list=True)
    if return_matrix:
        return as_tensor_variable(list(positions))
    return tuple(positions)


def flatnonzero(a: Any) -> Any:
    """Return the positions of the elements that are not zero in the flattened tensor."""
    a = as_tensor_variable(a)
    if not a.type.ndim:
        raise ValueError("flatnonzero needs a tensor with at least one axis")
    return nonzero(a.flatten())[0]


def nonzero_values(a: Any) -> Any:
    """Return the elements that are not zero, in C order."""
    a = as_tensor_variable(a)
    return a.flatten()[flatnonzero(a)]


def _as_entry(entry: Any) -> Any:
    """An entry of an index: basic ones as they are, everything else as a tensor."""
    if is_basic(entry):
        return entry
    if isinstance(entry, TensorOperators):
        return entry
    if isinstance(entry, (bool, np.bool_)):
        raise AdvancedIndexingError(
            user_message("a single truth value can't be an index", got=repr(entry))
        )
    if isinstance(entry, Variable) or not isinstance(entry, (list, tuple, np.ndarray)):
        raise AdvancedIndexingError(
            user_message(
                "an index is made of integers, slices, None, ... and arrays of integers or bools",
                got=f"{entry!r} of {type(entry).__name__}",
            )
        )
    array = np.asarray(entry)
    if array.size == 0 and array.dtype.kind == "f":
        array = array.astype("int64")
    return as_tensor_variable(array)


def advanced_index(x: Any, entries: Sequence[Any]) -> Any:
    """Return ``x[entries]`` where some entry is an array, a list or a mask.

    Raises
    ------
    AdvancedIndexingError (a TypeError)
        If an entry is of the wrong kind or dtype.
    TooManyIndicesError (an IndexError and ValueError)
    """
    x = as_tensor_variable(x)
    parts = [_as_entry(e) for e in entries]
    expanded = _expand(parts, x)
    view, axes, arrays = _split(x, expanded)
    if axes == [0] and arrays[0].type.ndim == 1:
        return advanced_subtensor1(view, arrays[0])
    return AdvancedSubtensor(axes)(view, *arrays)


def _is_mask(entry: Any) -> bool:
    return isinstance(entry, TensorOperators) and entry.dtype == "bool"


def _width(entry: Any) -> int:
    """How many axes of the tensor an entry uses."""
    if entry is None:
        return 0
    return entry.ndim if _is_mask(entry) else 1


def _expand(parts: Sequence[Any], x: Any) -> list[Any]:
    """Spell the ellipsis out, and masks as one index array per axis."""
    used = sum(_width(p) for p in parts if p is not Ellipsis)
    if used > x.type.ndim:
        raise TooManyIndicesError(
            user_message(
                f"too many indices for {x}",
                got=f"indices for {used} axes",
                expected=f"at most {x.type.ndim}",
                where=user_line(x) or None,
            )
        )
    flat: list[Any] = []
    for part in parts:
        if _is_mask(part):
            flat += _mask_positions(part, x, sum(_width(p) for p in flat if p is not Ellipsis))
        else:
            flat.append(part)
    if not any(p is Ellipsis for p in flat):
        flat.append(Ellipsis)
    return expand_ellipsis(flat, x.type.ndim)


class MaskPositions(Nonzero):
    """`Nonzero` of a mask that indexes a tensor: its lengths must be those of the tensor."""

    def make_node(self, mask: Any, *lengths: Any) -> Apply:
        return Apply(
            self,
            [mask, *lengths],
            [TensorType("int64", (False,))() for _ in range(mask.type.ndim)],
        )

    def numpy(self, *arrays: Any) -> Any:
        mask, *lengths = arrays
        wanted = tuple(int(n) for n in lengths)
        if mask.shape != wanted:
            raise IndexOutOfBoundsError(
                user_message(
                    "a mask must have the shape of what it indexes",
                    got=f"a mask of shape {mask.shape}",
                    expected=f"shape {wanted}",
                )
            )
        return super().numpy(mask)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that positions are disconnected from everything."""
        return [[False] * len(node.outputs) for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type() for _ in inputs]

    def __str__(self) -> str:
        return "MaskPositions"


def _mask_positions(mask: Any, x: Any, first: int) -> list[Any]:
    if not mask.ndim:
        raise AdvancedIndexingError("a mask needs at least one axis")
    lengths = [x.shape[first + d] for d in range(mask.ndim)]
    positions: list[Any] = MaskPositions()(mask, *lengths, return_list=True)
    return positions


def _split(
    x: Any, expanded: Sequence[Any]
) -> tuple[Any, list[int], list[Any]]:
    """Take the basic part of an index as a view.

    Returns
    -------
    view, axes, arrays
        The view (which keeps a new axis as an axis), the axes of it that are indexed by arrays,
        and the arrays.
    """
    advanced = [not (e is None or isinstance(e, slice)) for e in expanded]
    places = [k for k, a in enumerate(advanced) if a]
    basic = [slice(None) if a else e for e, a in zip(expanded, advanced, strict=True)]
    whole = all(isinstance(e, slice) and e == slice(None) for e in basic)
    view = x if whole else basic_index(x, basic)
    arrays = [as_index_array(expanded[k]) for k in places]
    return view, places, arrays
