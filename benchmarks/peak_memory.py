"""The memory that a call takes at most, as the system sees it (Linux)."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _bytes(entry: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(entry))
    return 1024 * int(line.split()[1])


def give_back() -> None:
    """Return freed memory to the system, so that taking it again is seen."""
    gc.collect()
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)


def peak_memory(call: Callable[[], Any]) -> tuple[Any, int]:
    """What `call` returns, and by how many bytes resident memory grew meanwhile at most.

    Raises
    ------
    OSError
        If the system does not let a process forget its peak.
    """
    give_back()
    CLEAR.write_text("5")  # forget the peak so far
    before = _bytes("VmRSS")
    result = call()
    return result, max(0, _bytes("VmHWM") - before)
