"""Storage of shared variables, and the locks of calls that update them.

`Container` is the C type where the extension is there, else `PythonContainer` with the same
interface.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterable, Iterator
from typing import Any

from . import native

__all__ = ["Container", "PythonContainer", "pinned", "updating"]


class PythonContainer:
    """Storage of one shared variable, seen by many functions.

    Parameters
    ----------
    value : object, optional
        For tensors one ndarray.

    Attributes
    ----------
    value : object
        What is stored. Reading waits while another thread writes into the array itself; setting
        waits while another thread updates it.
    """

    __slots__ = ("__weakref__", "_lock", "_value")

    def __init__(self, value: Any = None) -> None:
        self._value = value
        self._lock = threading.RLock()

    @property
    def value(self) -> Any:
        return self._value

    @value.setter
    def value(self, value: Any) -> None:
        with self._lock:
            self._value = value

    def lock(self) -> None:
        """Wait until no other thread updates the value, then keep others from it."""
        self._lock.acquire()

    def unlock(self) -> None:
        """Undo one `lock`."""
        self._lock.release()

    def pin(self) -> Any:
        """Return the value; until `unpin`, nobody writes into it (updates use a new array)."""
        return self._value  # without the extension updates always replace the array

    def unpin(self) -> None:
        """Undo one `pin`."""


Container: Any = PythonContainer if native.callpath is None else native.callpath.Container


@contextlib.contextmanager
def updating(containers: Iterable[Any]) -> Iterator[None]:
    """Own containers for the length of a block, locked in the order that all calls use."""
    locked = []
    try:
        for container in sorted({id(c): c for c in containers}.values(), key=id):
            container.lock()
            locked.append(container)
        yield
    finally:
        for container in reversed(locked):
            container.unlock()


@contextlib.contextmanager
def pinned(container: Any) -> Iterator[Any]:
    """Yield a container's value, which nobody writes into during the block."""
    value = container.pin()
    try:
        yield value
    finally:
        container.unpin()
