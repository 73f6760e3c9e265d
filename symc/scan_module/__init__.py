"""Loops: `scan`, and `map`, `reduce`, `foldl`, `foldr`, `until`, `scan_checkpoints` on top of it."""

from .api import scan
from .checkpoints import scan_checkpoints
from .returned import until
from .views import foldl, foldr, map, reduce  # noqa: A004 - Theano's names

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"]
