"""What a schedule needs to know about a machine."""

from __future__ import annotations

import functools
from dataclasses import dataclass
from pathlib import Path

_L2_SIZE = Path("/sys/devices/system/cpu/cpu0/cache/index2/size")
LARGE_L2 = 1_280_000
"""Bytes of a second-level cache from which on the next level is usually slow to write to."""


@dataclass(frozen=True)
class Target:
    """A processor, as pure data.

    Attributes
    ----------
    vector_bytes : int
        Width of a vector register.
    stream_bytes : int
        Results from this size on are stored past the caches.
    operation_ns : float
        Time of one cheap operation on one element in vector code.
    """

    vector_bytes: int = 32
    stream_bytes: int = 24 * 1024 * 1024
    operation_ns: float = 0.15

    def lanes(self, itemsize: int, cost: int) -> int:
        """Number of accumulators for a reduction over elements of `itemsize` bytes.

        Cheap reductions need four independent vectors to hide the latency of one addition;
        costly ones do with two.
        """
        vectors = 4 if cost <= 8 else 2
        return max(4, min(64, vectors * self.vector_bytes // itemsize))


DEFAULT = Target()
"""A machine with AVX2."""


@functools.lru_cache(maxsize=1)
def host_target() -> Target:
    """The machine that this process runs on.

    Where every core has a large second-level cache (Intel's servers), results that do not fit it
    are stored past the caches: on a Xeon with 2 MiB, an expression of two operands with a result
    of 8 MB takes 0.7 ms so and 1.2 ms through the caches, and reading the result back 0.1 ms
    longer. Where it is small (AMD), the third level is fast, and only what exceeds it is streamed.
    """
    try:
        size = _L2_SIZE.read_text(encoding="ascii").strip()
    except OSError:
        return DEFAULT
    cache = int(size[:-1]) * 1024 if size.endswith("K") and size[:-1].isdigit() else 0
    return Target(stream_bytes=2 * cache) if cache >= LARGE_L2 else DEFAULT
