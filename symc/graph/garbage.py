"""Fewer garbage collections while large graphs are made.

Python's collector looks at all objects again whenever their number has grown by a quarter, and at
the young ones every few hundred allocations. Making a graph of 100,000 nodes allocates millions of
objects that all stay; without this up to half of the time would go into looking for garbage.
"""

from __future__ import annotations

import gc
import threading
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["rare_collections"]

_FACTOR = 100

_lock = threading.Lock()
_depth = 0
_usual: tuple[int, ...] = ()


@contextmanager
def rare_collections() -> Iterator[None]:
    """Let the collector run a hundred times less often inside the block; blocks may be nested."""
    global _depth, _usual
    with _lock:
        if _depth == 0:
            _usual = gc.get_threshold()
            gc.set_threshold(_usual[0] * _FACTOR, *_usual[1:])
        _depth += 1
    try:
        yield
    finally:
        with _lock:
            _depth -= 1
            if _depth == 0:
                gc.set_threshold(*_usual)
