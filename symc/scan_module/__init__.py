"""Loops: `scan`, `until`, and what is built on them: `map`, `reduce`, `foldl`, `foldr`, ..."""

from ..lazy import late_names
from .api import scan
from .checkpoints import scan_checkpoints
from .returned import until
from .views import foldl, foldr, map, reduce
from .whileloop import while_loop

__all__ = ["foldl", "foldr", "map", "reduce", "scan", "scan_checkpoints", "until", "while_loop"]

__getattr__ = late_names(
    __name__, {name: f"{__name__}.{name}" for name in ("scan_op", "scan_utils")}
)
