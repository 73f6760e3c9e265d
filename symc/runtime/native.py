"""The C extension, or None where it could not be built: the one place that imports it."""

from __future__ import annotations

from typing import Any

__all__ = ["ABI_VERSION", "callpath", "problem"]

#: The version of ``csrc/symc_abi.h`` that this release of symc generates programs for.
ABI_VERSION = 5

#: The extension module, or None; then `problem` says why.
callpath: Any = None
problem = ""

try:
    import symc.runtime._callpath as _callpath  # type: ignore[import-not-found]
except ImportError as reason:
    problem = f"the extension symc.runtime._callpath can't be imported: {reason}"
else:
    if _callpath.abi_version == ABI_VERSION:
        callpath = _callpath
    else:
        problem = (
            f"the extension symc.runtime._callpath is of another release (ABI version "
            f"{_callpath.abi_version}, needed {ABI_VERSION}); install symc again"
        )
