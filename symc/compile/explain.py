"""From a failure inside a compiled function to a message about the user's own line."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import errors
from ..errors import user_message
from ..graph.node import Apply
from ..graph.trace import user_line

_FAMILIES: dict[str, type[Exception]] = {
    "shape": errors.ShapeError,
    "index": errors.IndexOutOfBoundsError,
    "assert": errors.AssertFailedError,
    "zero_division": errors.IntegerDivisionError,
    "singular": errors.SingularMatrixError,
    "value": errors.ShapeError,
}
_MAX_OPERANDS = 6


def error_class(family: str) -> type[Exception]:
    """The exception class of a run-time check's error family."""
    return _FAMILIES.get(family, errors.ShapeError)


def operand_lines(node: Apply, values: Sequence[Any] | None) -> list[str]:
    """One line per operand: name, type and, where known, shape and strides."""
    lines = []
    for k, variable in enumerate(node.inputs[:_MAX_OPERANDS]):
        text = f"operand {k}: {variable.name or variable} of type {variable.type}"
        value = values[k] if values is not None and k < len(values) else None
        if isinstance(value, np.ndarray):
            text += f", shape {value.shape}"
            if value.ndim:
                text += f", strides {value.strides}"
        lines.append(text)
    if len(node.inputs) > _MAX_OPERANDS:
        lines.append(f"... and {len(node.inputs) - _MAX_OPERANDS} more operands")
    return lines


def node_line(node: Apply) -> str | None:
    """Where the user built `node`, or the first of its operands that has a trace."""
    for variable in (*node.outputs, *node.inputs):
        line = user_line(variable)
        if line:
            return line
    return None


def node_error(
    error: Exception, node: Apply, values: Sequence[Any] | None, hint: str | None = None
) -> Exception:
    """The exception to raise for `error` that happened while computing `node`.

    It is of the same class where that class takes a message, with the node's operands and the
    user's line added.
    """
    what = str(error).splitlines()
    message = user_message(
        what[0] if what else type(error).__name__,
        where=node_line(node),
        got=[f"while computing {node.op}", *operand_lines(node, values)],
        hint=hint,
    )
    return _same_class(error, message)


def _same_class(error: Exception, message: str) -> Exception:
    kind = {
        ValueError: errors.ShapeError,
        IndexError: errors.IndexOutOfBoundsError,
        TypeError: errors.DTypeError,
    }.get(type(error), type(error))
    try:
        made = kind(message)
    except Exception:
        return error
    return made if str(made) == message else error


def check_error(
    family: str, message: str, shown: Sequence[int], node: Apply | None, values: Any = None
) -> Exception:
    """The exception of a failed run-time check.

    Parameters
    ----------
    family : str
        See :class:`symc.loop.program.CheckStep`.
    message : str
        Template that shows `shown`.
    node : Apply or None
        The node to blame.
    """
    kind = error_class(family)
    text = message.format(*shown)
    if node is None:
        return kind(user_message(text))
    return kind(
        user_message(
            text,
            where=node_line(node),
            got=[f"while computing {node.op}", *operand_lines(node, values)],
        )
    )


def index_error(index: int, length: int, node: Apply | None) -> Exception:
    """The exception of an index that lies outside its axis."""
    text = f"index {index} is out of bounds for an axis of length {length}"
    if node is None:
        return errors.IndexOutOfBoundsError(user_message(text))
    return errors.IndexOutOfBoundsError(
        user_message(
            text,
            where=node_line(node),
            got=[f"while computing {node.op}", *operand_lines(node, None)],
            expected=f"-{length} <= index < {length}" if length else "no index: the axis is empty",
        )
    )
