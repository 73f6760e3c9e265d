"""The memory that a call takes at most."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from typing import Any

import pytest

from symc import bench
from symc.runtime import trim_memory


def peak_memory(call: Callable[[], Any]) -> tuple[Any, int]:
    """What `call` returns, and by how many bytes resident memory grew meanwhile at most."""
    folder = bench.folder()
    if folder is None:
        pytest.skip("the benchmarks, which measure memory, are not installed")
    spec = importlib.util.spec_from_file_location("peak_memory", folder / "peak_memory.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    trim_memory()
    try:
        return module.peak_memory(call)
    except OSError:
        pytest.skip("the peak of resident memory cannot be measured here")
