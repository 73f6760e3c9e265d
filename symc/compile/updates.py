"""An ordered dict from shared variables to their new values."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

from ..errors import UpdateError, user_message
from ..graph.node import SharedVariable


class OrderedUpdates(OrderedDict[Any, Any]):
    """Updates by shared variable, in order.

    Joining two of them with ``+`` or `update` is an error where they give different expressions
    for one variable.

    Raises
    ------
    TypeError
        If a key is not a shared variable.
    UpdateError (a ValueError)
        If two updates of one variable differ.
    """

    def __setitem__(self, key: Any, value: Any) -> None:
        if not isinstance(key, SharedVariable):
            raise TypeError(
                user_message("only shared variables can be updated", got=f"{key!r} as a key")
            )
        super().__setitem__(key, value)

    def update(self, *others: Any, **kwargs: Any) -> None:
        """Add the updates of another mapping or list of pairs."""
        for key, value in OrderedDict(*others, **kwargs).items():
            if key in self and self[key] is not value:
                raise UpdateError(user_message(f"two different updates for {key}"))
            self[key] = value

    def __add__(self, other: Any) -> OrderedUpdates:
        joined = OrderedUpdates(self)
        joined.update(other)
        return joined

    def __radd__(self, other: Any) -> OrderedUpdates:
        joined = OrderedUpdates(other)
        joined.update(self)
        return joined
