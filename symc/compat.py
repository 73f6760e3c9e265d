"""``symc.compat``: what old code imports to run on several versions of Python."""

from __future__ import annotations

from collections import OrderedDict
from typing import Any

__all__ = ["PY3", "OrderedDict", "cmp", "exc_message", "ifilter", "imap", "izip"]

PY3 = True
imap, izip, ifilter = map, zip, filter


def cmp(x: Any, y: Any) -> int:
    """Return -1, 0 or 1, as `x` is smaller than, equal to or greater than `y`."""
    return int(x > y) - int(x < y)


def exc_message(error: BaseException) -> Any:
    """Return the first argument of an exception."""
    return error.args[0] if error.args else str(error)
