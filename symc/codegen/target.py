"""What a schedule needs to know about a machine."""

from __future__ import annotations

from dataclasses import dataclass


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
