"""The one notice of a process: native code is not available, and why."""

from __future__ import annotations

import threading
import warnings

__all__ = ["notice_once"]

_lock = threading.Lock()
_given: list[str] = []


def notice_once(text: str) -> bool:
    """Warn that something optional is missing; only the first call of a process does anything.

    Parameters
    ----------
    text : str
        What is missing and what to do.

    Returns
    -------
    bool
        Whether the notice was given now.
    """
    with _lock:
        if _given:
            return False
        _given.append(text)
    warnings.warn(f"symc: {text}", RuntimeWarning, stacklevel=2)
    return True
