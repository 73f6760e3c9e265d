"""``symc.misc.ordered_set``: a set that remembers the order in which elements came."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, MutableSet
from typing import Any

__all__ = ["OrderedSet"]


class OrderedSet(MutableSet[Any]):
    """A set that is iterated in the order of insertion.

    Parameters
    ----------
    iterable : iterable, optional
        The first elements.
    """

    def __init__(self, iterable: Iterable[Any] = ()) -> None:
        self._items = dict.fromkeys(iterable)

    def __contains__(self, item: object) -> bool:
        return item in self._items

    def __iter__(self) -> Iterator[Any]:
        return iter(self._items)

    def __reversed__(self) -> Iterator[Any]:
        return reversed(self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __eq__(self, other: object) -> bool:
        """Whether both hold the same, in the same order if `other` has one."""
        if isinstance(other, (OrderedSet, list, tuple)):
            return list(self) == list(other)
        return set(self) == other

    __hash__ = None  # type: ignore[assignment]

    def add(self, value: Any) -> None:
        """Add an element; one that is there keeps its place."""
        self._items[value] = None

    def discard(self, value: Any) -> None:
        """Remove an element if it is there."""
        self._items.pop(value, None)

    def update(self, iterable: Iterable[Any]) -> None:
        """Add several elements."""
        self._items.update(dict.fromkeys(iterable))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({list(self)!r})"
