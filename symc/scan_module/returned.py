"""What the function of a loop returned: outputs, updates and a condition, sorted out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ..array.convert import as_tensor_variable
from ..compile.updates import OrderedUpdates
from ..errors import user_message
from ..graph.node import SharedVariable, Variable

__all__ = ["Returned", "returned", "until"]


class until:  # noqa: N801 - Theano's name
    """The condition that ends a loop: the step for which it is true is the last one.

    Parameters
    ----------
    condition : scalar bool or integer expression
    """

    def __init__(self, condition: Any) -> None:
        self.condition = as_tensor_variable(condition)
        if self.condition.type.ndim:
            raise TypeError(
                user_message(
                    "the condition of until must be one truth value",
                    got=str(self.condition.type),
                    hint="reduce it: condition.all() or condition.any()",
                )
            )


@dataclass
class Returned:
    """The parts of what a function returned."""

    outputs: list[Any] = field(default_factory=list)
    updates: OrderedUpdates = field(default_factory=OrderedUpdates)
    condition: Any = None
    single: bool = False


def returned(value: Any) -> Returned:
    """Sort out what the function of a loop returned.

    Parameters
    ----------
    value : object
        An output or a list of them; or updates (a dict, or a list of pairs); or both in a tuple,
        in either order; possibly with an `until` at the end.

    Raises
    ------
    TypeError
        If it is something else.
    """
    result = Returned()
    if isinstance(value, until):
        result.condition = value.condition
        return result
    if isinstance(value, tuple) and value and isinstance(value[-1], until):
        result.condition = value[-1].condition
        value = value[:-1] if len(value) > 2 else value[0]
    if _is_updates(value):
        result.updates.update(value)
        return result
    if isinstance(value, (tuple, list)) and len(value) == 2:
        for outputs, updates in (value, value[::-1]):
            if _is_updates(updates) and not _is_updates(outputs):
                result.updates.update(updates)
                _add_outputs(result, outputs)
                return result
    _add_outputs(result, value)
    return result


def _add_outputs(result: Returned, value: Any) -> None:
    if value is None:
        return
    result.single = not isinstance(value, (list, tuple))
    items = [value] if result.single else list(value)
    for item in items:
        if isinstance(item, (until, Mapping)) or item is None:
            raise TypeError(
                user_message(
                    "the function of a loop returned something that is not an output",
                    got=repr(item),
                    expected="outputs, then updates, then until(condition)",
                )
            )
        result.outputs.append(item if isinstance(item, Variable) else as_tensor_variable(item))


def _is_updates(value: Any) -> bool:
    if isinstance(value, Mapping):
        return True
    return (
        isinstance(value, (list, tuple))
        and bool(value)
        and all(
            isinstance(pair, (list, tuple))
            and len(pair) == 2
            and isinstance(pair[0], SharedVariable)
            for pair in value
        )
    )
