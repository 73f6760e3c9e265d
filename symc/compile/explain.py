"""From a failure inside a compiled function to a message about the user's own line."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from .. import errors
from ..errors import user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.trace import user_line

_FAMILIES: dict[str, type[Exception]] = {
    "shape": errors.ShapeError,
    "index": errors.IndexOutOfBoundsError,
    "index_shape": errors.IndexShapeError,
    "assert": errors.AssertFailedError,
    "zero_division": errors.IntegerDivisionError,
    "singular": errors.SingularMatrixError,
    "value": errors.ShapeError,
}
_MAX_OPERANDS = 6
_MOST_SOURCES = 100  # variables to look at for the names behind an index
_LABEL = re.compile(r"  (got|expected|at|hint): (.*)")
_NUMPY_INDEX = re.compile(r"index (-?\d+) is out of bounds for axis \d+ with size (\d+)")


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
    parts = _message_parts(str(error) or type(error).__name__)
    what, expected = "\n".join(parts["what"]), parts["expected"]
    outside = _NUMPY_INDEX.fullmatch(what)
    if outside and _picks_labels(node):
        what, *expected = _outside(int(outside[1]), int(outside[2]), node)
    message = user_message(
        what,
        where=parts["at"] or node_line(node),
        got=[
            *parts["got"],
            f"while computing {node.op}",
            *(index_sources(node) if outside else ()),
            *operand_lines(node, values),
        ],
        expected=expected,
        hint=parts["hint"] or hint,
    )
    return _same_class(error, message)


def _message_parts(text: str) -> dict[str, list[str]]:
    """The lines of a message by label, as `user_message` lays them out; the rest is ``what``."""
    parts: dict[str, list[str]] = {k: [] for k in ("what", "got", "expected", "at", "hint")}
    label = "what"
    for line in text.splitlines():
        found = _LABEL.match(line)
        if found:
            label = found[1]
            parts[label].append(found[2])
        elif label != "what" and line.startswith(" " * (len(label) + 4)):
            parts[label].append(line.strip())
        elif not line.startswith("while computing "):  # the operands are listed below
            label = "what"
            parts["what"].append(line)
    return parts


def index_sources(node: Apply) -> list[str]:
    """The user's named variables that the rewritten indices of `node` are made from."""
    seen: set[Variable] = set()
    found: list[str] = []
    waiting = [v for v in node.inputs[1:] if v.owner is not None]
    while waiting and len(seen) < _MOST_SOURCES:
        variable = waiting.pop()
        if variable in seen:
            continue
        seen.add(variable)
        integers = getattr(variable, "dtype", "").startswith(("int", "uint"))
        if variable.name and integers and not isinstance(variable, Constant):
            line = user_line(variable)
            found.append(f"the index comes from {variable.name} of type {variable.type}"
                         + (f", made at {line}" if line else ""))
        elif variable.owner is not None:
            waiting.extend(variable.owner.inputs)
    return found


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
    text, expected = _outside(index, length, node)
    if node is None:
        return errors.IndexOutOfBoundsError(user_message(text))
    return errors.IndexOutOfBoundsError(
        user_message(
            text,
            where=node_line(node),
            got=[f"while computing {node.op}", *index_sources(node), *operand_lines(node, None)],
            expected=expected,
        )
    )


def _outside(index: int, length: int, node: Apply | None) -> tuple[str, str]:
    """That an index lies outside its axis, and what was expected."""
    if node is not None and _picks_labels(node):
        label = index + length if index < 0 else index
        return f"label {label} is out of bounds for {length} classes", f"0 <= label < {length}"
    expected = f"-{length} <= index < {length}" if length else "no index: the axis is empty"
    return f"index {index} is out of bounds for an axis of length {length}", expected


def _picks_labels(node: Apply) -> bool:
    """Whether an index of `node` is ``switch(y < 0, y - n, y)``.

    So cross-entropies move negative labels out of bounds, where indices count from the end.
    """
    for index in node.inputs[1:]:
        operands = _operands_of(index, "switch")
        if len(operands) == 3:
            condition, moved, y = operands
            if y in _operands_of(condition, "lt")[:1] and y in _operands_of(moved, "sub")[:1]:
                return True
    return False


def _operands_of(variable: Variable, name: str) -> Sequence[Variable]:
    """The operands of the scalar operation of this name that makes `variable` elementwise."""
    node = variable.owner
    made_so = node is not None and getattr(getattr(node.op, "scalar_op", None), "name", "") == name
    return node.inputs if node is not None and made_so else ()
