"""The C extension, or None where it could not be built: the one place that imports it."""

from __future__ import annotations

import importlib
from typing import Any

__all__ = ["ABI_VERSION", "callpath", "problem"]

#: The version of ``csrc/symc_abi.h`` that this release of symc generates programs for.
ABI_VERSION = 1


def _load() -> tuple[Any, str]:
    """The extension, or None and what is wrong with it."""
    try:
        module: Any = importlib.import_module("symc.runtime._callpath")
    except ImportError as reason:
        return None, f"the extension symc.runtime._callpath can't be imported: {reason}"
    if module.abi_version != ABI_VERSION:
        return None, (
            f"the extension symc.runtime._callpath is of another release (ABI version "
            f"{module.abi_version}, needed {ABI_VERSION}); install symc again"
        )
    return module, ""


callpath, problem = _load()
