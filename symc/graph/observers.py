"""Who is told about every variable that is made."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

__all__ = ["ConstructionObservers", "nodes_constructed"]

_observers: list[Callable[[Any], None]] = []


class ConstructionObservers:
    """Class methods of `Variable` that register observers of new variables."""

    construction_observers = _observers

    @classmethod
    def append_construction_observer(cls, observer: Callable[[Any], None]) -> None:
        """Call ``observer(variable)`` for every variable made from now on."""
        _observers.append(observer)

    @classmethod
    def remove_construction_observer(cls, observer: Callable[[Any], None]) -> None:
        """Call an observer no more.

        Raises
        ------
        ValueError
            If it is not registered.
        """
        _observers.remove(observer)

    @classmethod
    def notify_construction_observers(cls, instance: Any) -> None:
        """Tell all observers about a variable."""
        for observer in tuple(_observers):
            observer(instance)


@contextmanager
def nodes_constructed() -> Iterator[list[Any]]:
    """Collect the variables that are made inside a ``with`` block.

    Yields
    ------
    list of Variable
        It grows while the block runs.
    """
    found: list[Any] = []
    observer = found.append
    _observers.append(observer)
    try:
        yield found
    finally:
        # Not `remove`, which compares methods by their lists' elements.
        _observers[:] = [o for o in _observers if o is not observer]
