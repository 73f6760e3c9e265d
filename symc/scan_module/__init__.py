"""Loops: `scan`, `until`, and what is built on them: `map`, `reduce`, `foldl`, `foldr`, ..."""

from .api import scan
from .checkpoints import scan_checkpoints
from .returned import until
from .views import foldl, foldr, map, reduce

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until"]
