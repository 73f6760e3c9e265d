"""Gradients that are zero but for the last row: what comes from reading ``rows[-1]`` only.

A loop backwards starts with such a row instead of carrying an array of zeros along with it.
"""

from __future__ import annotations

from typing import Any

from ...errors import NotScalarConstantError
from ...scalar.arith import add
from ..alloc import zeros_like
from ..constants import get_scalar_constant_value
from ..elemwise import Elemwise
from ..slice import Subtensor
from ..write import IncSubtensor

__all__ = ["split_last_row"]


def split_last_row(gradient: Any, depth: int) -> tuple[Any, Any]:
    """Split a gradient into what its last row gets and the rest.

    Parameters
    ----------
    gradient : tensor
        Of all rows of a recurrence.
    depth : int
        How many rows there are before the first step.

    Returns
    -------
    last : tensor or None
        What is added to the last row. It fails like ``rows[-1]`` where there are no rows.
    rest : tensor or None
        The gradient without it; None if nothing is left.
    """
    last = rest = None
    stack = [gradient]
    while stack:
        term = stack.pop()
        node = term.owner
        if node is not None and isinstance(node.op, Elemwise) and node.op.scalar_op is add:
            stack.extend(reversed(node.inputs))
            continue
        row = _only_row(term, depth)
        if row is None:
            rest = term if rest is None else rest + term
        else:
            last = row if last is None else last + row
    return last, (gradient if last is None else rest)


def _only_row(term: Any, depth: int) -> Any:
    """The last row of what is zero elsewhere, as ``zeros[k:][-1] += row`` makes it, or None.

    Without steps ``rows[k:]`` still has the last row if k is less than the depth; if both are
    equal, reading it fails.
    """
    while True:
        node = term.owner
        if node is None or not isinstance(node.op, IncSubtensor):
            return None
        x, y, *integers = node.inputs
        entries = node.op.index.filled(integers)
        if len(entries) != 1 or _number(x) != 0:
            return None
        (entry,) = entries
        if not isinstance(entry, slice):
            if _number(entry) != -1:
                return None
            return zeros_like(Subtensor(node.op.idx_list)(x, *integers)) + y
        first = 0 if entry.start is None else _number(entry.start)
        whole = entry.stop is None and entry.step is None and first is not None
        if not whole or not 0 <= first <= depth or y.type.ndim != x.type.ndim:
            return None
        if y.type.broadcastable != x.type.broadcastable:
            return None
        term, depth = y, depth - int(first)


def _number(variable: Any) -> Any:
    """The number that all elements of a variable are known to be, else None."""
    try:
        return get_scalar_constant_value(variable)
    except NotScalarConstantError:
        return None
