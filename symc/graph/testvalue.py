"""Test values: numbers that travel with the variables while a graph is being built.

With ``config.compute_test_value`` other than ``off``, each new node is computed at once on the
test values of its inputs, so that a wrong shape shows up at the line that wrote it.
"""

from __future__ import annotations

import pdb
import warnings
from collections.abc import Callable, Iterator
from typing import Any

from symc.config import config
from symc.errors import TestValueError, user_message
from symc.graph.node import Apply, Constant, SharedVariable, Variable
from symc.graph.trace import user_line

__all__ = [
    "compute_test_values",
    "debug_assert",
    "debug_error_message",
    "get_debug_values",
    "get_test_value",
    "missing_test_message",
]


def get_test_value(v: Any) -> Any:
    """Return the test value of a variable.

    Parameters
    ----------
    v : Variable or object
        A constant gives its data, a shared variable its current value, any other variable
        ``v.tag.test_value``; a plain value stands for itself.

    Raises
    ------
    TestValueError
        If the variable has no test value (also an AttributeError).
    TypeError
        If the test value does not fit the variable's type.
    """
    if not isinstance(v, Variable):
        return v
    if isinstance(v, Constant):
        return v.data
    if isinstance(v, SharedVariable):
        return v.get_value(borrow=True, return_internal_type=True)
    if not hasattr(v.tag, "test_value"):
        raise TestValueError(
            user_message(
                f"{v} has no test value",
                got=f"{v} of type {v.type}",
                where=user_line(v) or None,
                hint="set v.tag.test_value, or turn config.compute_test_value off",
            )
        )
    try:
        return v.type.filter(v.tag.test_value)
    except (TypeError, ValueError) as error:
        raise TypeError(
            user_message(
                f"the test value of {v} does not fit its type {v.type}",
                got=str(error),
                where=user_line(v) or None,
            )
        ) from error


def missing_test_message(msg: str) -> None:
    """Report a missing test value the way ``config.compute_test_value`` says.

    Raises
    ------
    TestValueError
        If the flag says ``raise``.
    """
    action = config.compute_test_value
    if action == "raise":
        raise TestValueError(msg)
    if action == "warn":
        warnings.warn(msg, stacklevel=2)
    elif action == "pdb":
        pdb.set_trace()


def debug_error_message(msg: str) -> None:
    """Report a test value that breaks a condition, the way ``config.compute_test_value`` says.

    Raises
    ------
    ValueError
        If the flag says ``raise`` or ``ignore``.
    """
    action = config.compute_test_value
    if action in ("raise", "ignore"):
        raise ValueError(msg)
    if action == "warn":
        warnings.warn(msg, stacklevel=2)
    elif action == "pdb":
        pdb.set_trace()


def debug_assert(condition: bool, msg: str | None = None) -> None:
    """Check a condition on test values; `debug_error_message` says what a failure does."""
    if not condition:
        debug_error_message("debug_assert failed" if msg is None else msg)


def get_debug_values(*args: Any) -> Iterator[tuple[Any, ...]]:
    """Yield the tuple of test values of `args` once, or nothing.

    Nothing is yielded when test values are off or one is missing and the flag says ``ignore``
    or ``warn``; so ``for a, b in get_debug_values(x, y):`` runs its body only where it can.

    Raises
    ------
    TestValueError
        If a test value is missing and the flag says ``raise``.
    """
    if config.compute_test_value == "off":
        return
    values = []
    for i, arg in enumerate(args):
        try:
            values.append(get_test_value(arg))
        except TestValueError:
            missing_test_message(f"argument {i} ({arg!r}) has no test value")
            return
    yield tuple(values)


def compute_test_values(node: Apply, run: Callable[[Apply, list[Any]], list[Any]]) -> None:
    """Give the outputs of a new node their test values.

    Parameters
    ----------
    node : Apply
        The node; its inputs may or may not have test values.
    run : callable
        ``run(node, inputs)`` computes the node.

    Raises
    ------
    TestValueError
        If an input has none and ``config.compute_test_value`` is ``raise``.
    """
    inputs = []
    for i, variable in enumerate(node.inputs):
        try:
            inputs.append(get_test_value(variable))
        except TestValueError as error:
            missing_test_message(
                f"cannot compute a test value: input {i} of {node.op} has none\n{error}"
            )
            return
    for output, value in zip(node.outputs, run(node, inputs), strict=True):
        output.tag.test_value = value
