"""Helpers of Theano's indexing and arithmetic that programs import by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.scalarop import BinaryScalarOp
from ..array.scalarrules import upcast_out
from ..errors import AdvancedIndexingError, user_message
from ..graph.node import Variable
from ..graph.op import named_op
from ..graph.trace import user_line
from .elemwise import Elemwise
from .gather import AdvancedSubtensor, AdvancedSubtensor1
from .math import clip, maximum, switch
from .slicetype import as_index_entry

__all__ = [
    "MulWithoutZeros",
    "adv_index_broadcastable_pattern",
    "check_advanced_indexing_dimensions",
    "check_and_reject_bool",
    "check_equal_numpy",
    "get_canonical_form_slice",
    "mul_without_zeros",
    "sparse_grad",
]


# ---------------------------------------------------------------------------------------------
# Slices
# ---------------------------------------------------------------------------------------------


def get_canonical_form_slice(theslice: Any, length: Any) -> tuple[Any, int | Any]:
    """Write a slice with non-negative bounds and a positive step.

    Parameters
    ----------
    theslice : slice, int or 0-d tensor
        Its parts are ints, None, or 0-d integer tensors.
    length : int or 0-d tensor
        Length of the axis.

    Returns
    -------
    tuple
        The slice, and 1, or -1 if its elements come in reverse order; a 0-d tensor where the sign
        of the step is not known. An index is returned counted from the start, with 1.

    Examples
    --------
    >>> get_canonical_form_slice(slice(-2, None, -3), 10)
    (slice(2, 9, 3), -1)
    """
    theslice = as_index_entry(theslice)
    if not isinstance(theslice, slice):
        if isinstance(theslice, (int, np.integer)) and isinstance(length, int):
            return int(theslice) + (length if theslice < 0 else 0), 1
        position = as_tensor_variable(theslice)
        return switch(position < 0, position + length, position), 1
    parts = (theslice.start, theslice.stop, theslice.step, length)
    if not any(isinstance(part, Variable) for part in parts):
        return _known_slice(theslice, int(length))
    step: Any = 1 if theslice.step is None else theslice.step
    is_known = not isinstance(step, Variable)
    if is_known:
        form = _forward(theslice, step, length) if step > 0 else _backward(theslice, step, length)
        return slice(*form), 1 if step > 0 else -1
    up, down = _forward(theslice, step, length), _backward(theslice, step, length)
    chosen = [switch(step > 0, a, b) for a, b in zip(up, down, strict=True)]
    return slice(*chosen), switch(step > 0, 1, -1)


def _known_slice(theslice: slice, length: int) -> tuple[slice, int]:
    positions = range(length)[theslice]
    if positions.step > 0:
        return slice(positions.start, max(positions.start, positions.stop), positions.step), 1
    if not positions:
        return slice(0, 0, -positions.step), -1
    return slice(positions[-1], positions[0] + 1, -positions.step), -1


def _bound(value: Any, default: Any, low: int, high: Any, length: Any) -> Any:
    """A bound counted from the start, within the axis; `default` for None."""
    if value is None:
        return default
    position = as_tensor_variable(value)
    return clip(switch(position < 0, position + length, position), low, high)


def _forward(theslice: slice, step: Any, length: Any) -> tuple[Any, Any, Any]:
    start = _bound(theslice.start, as_tensor_variable(0), 0, length, length)
    stop = _bound(theslice.stop, as_tensor_variable(length), 0, length, length)
    return start, maximum(start, stop), step


def _backward(theslice: slice, step: Any, length: Any) -> tuple[Any, Any, Any]:
    last = as_tensor_variable(length) - 1
    start = _bound(theslice.start, last, -1, last, length)
    stop = _bound(theslice.stop, as_tensor_variable(-1), -1, last, length)
    count = maximum((start - stop - step - 1) // -step, 0)
    lowest = switch(count > 0, start + (count - 1) * step, 0)
    return lowest, switch(count > 0, start + 1, 0), -step


# ---------------------------------------------------------------------------------------------
# Advanced indexing
# ---------------------------------------------------------------------------------------------


def check_advanced_indexing_dimensions(input: Any, ids: Sequence[Any]) -> None:
    """Raise IndexError if an index has more entries than the tensor has axes.

    Parameters
    ----------
    input : tensor
    ids : sequence
        Entries of an index; a mask counts for as many axes as it has.
    """
    needed = 0
    for entry in ids:
        if entry is None or entry is Ellipsis:
            continue
        dtype = getattr(entry, "dtype", None)
        needed += entry.ndim if dtype is not None and str(dtype) == "bool" else 1
    if needed > input.ndim:
        raise IndexError(
            user_message(
                "too many indices",
                got=f"{needed} for {input}, which has {input.ndim} axes",
                where=user_line(input) or None,
            )
        )


def adv_index_broadcastable_pattern(a: Any, idx: Sequence[Any]) -> tuple[bool, ...]:
    """Return the broadcast pattern of ``a[idx]``.

    Parameters
    ----------
    a : tensor
    idx : sequence
        Integers, slices, None, and integer tensors.
    """
    pattern: tuple[bool, ...] = as_tensor_variable(a)[tuple(idx)].type.broadcastable
    return pattern


def sparse_grad(var: Any) -> Any:
    """Return `var`, ``x[indices]`` for a vector of indices.

    In Theano it asks for a sparse gradient of `x`. Here gradients are arrays, and an update that
    adds such a gradient to `x` touches the rows of `indices` alone anyway.

    Raises
    ------
    TypeError
        If `var` is something else.
    """
    node = getattr(var, "owner", None)
    if node is None or not isinstance(node.op, (AdvancedSubtensor, AdvancedSubtensor1)):
        raise AdvancedIndexingError(
            user_message("sparse_grad takes x[indices] for a vector of indices", got=str(var))
        )
    return var


# ---------------------------------------------------------------------------------------------
# Arithmetic and comparisons
# ---------------------------------------------------------------------------------------------


class MulWithoutZeros(BinaryScalarOp):
    """The product, in which a factor 0 counts as 1."""

    identity = 1
    commutative = associative = True

    def impl(self, x: Any, y: Any) -> Any:
        """``x * y``, or the other factor where one is 0."""
        return y if x == 0 else x if y == 0 else x * y

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        """The same in C."""
        (x, y), (z,) = inputs, outputs
        return f"{z} = {x} == 0 ? {y} : {y} == 0 ? {x} : {x} * {y};"

    def c_code_cache_version(self) -> tuple[int, ...]:
        """Version of the C code."""
        return (1,)


mul_without_zeros = named_op("mul_without_zeros", Elemwise(MulWithoutZeros(upcast_out)))


def check_equal_numpy(x: Any, y: Any) -> bool:
    """Tell whether two values are equal: arrays by dtype, shape and nearly equal elements."""
    if isinstance(x, np.ndarray) and isinstance(y, np.ndarray):
        same = x.dtype == y.dtype and x.shape == y.shape
        return same and bool(np.all(abs(x - y) < 1e-10))
    return bool(x == y)


def check_and_reject_bool(args_el: Any) -> None:
    """Raise TypeError if an index has a Python bool in it, which NumPy takes for a mask."""
    pending = [args_el]
    while pending:
        item = pending.pop()
        if isinstance(item, (bool, np.bool_)):
            raise TypeError(
                user_message(
                    "bools in an index select by a mask; a list of them is not accepted",
                    got=repr(args_el),
                    hint="use an array of dtype bool",
                )
            )
        if isinstance(item, (list, tuple)):
            pending.extend(item)
