"""The memory that a call takes at most."""

from __future__ import annotations

import ctypes
import gc
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from symc.runtime import trim_memory

STATUS = Path("/proc/self/status")
CLEAR = Path("/proc/self/clear_refs")


def _kilobytes(entry: str) -> int:
    line = next(line for line in STATUS.read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1])


def peak_memory(call: Callable[[], Any]) -> tuple[Any, int]:
    """What `call` returns, and by how many bytes resident memory grew meanwhile at most."""
    gc.collect()
    trim_memory()
    release = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if release is not None:
        release(0)
    try:
        CLEAR.write_text("5")  # forget the peak so far
    except OSError:
        pytest.skip("the peak of resident memory cannot be measured here")
    before = _kilobytes("VmRSS")
    result = call()
    return result, 1024 * (_kilobytes("VmHWM") - before)
