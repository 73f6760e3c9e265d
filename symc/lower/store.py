"""The store pass: which values get a buffer, and which are computed again by their readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from .define import Read, Value

CHEAP = 4
"""A value whose element takes at most this many cheap operations is not stored for kernels."""
CHEAP_REPEATED = 2
"""The same, where the reader computes it once per point of a larger space."""


class StoreDecision:
    """Which computed values are stored.

    Parameters
    ----------
    kernel_of : mapping
        Number of the kernel of every computed value.
    readers : mapping
        Computed values that read a value, and how.
    required : collection of Value
        Values that need a buffer for other reasons: results, operands of opaque steps.

    Attributes
    ----------
    stored : set of Value
    recomputed : set of Value
        Values that kernels other than their own compute again.
    """

    def __init__(
        self,
        kernel_of: Mapping[Value, int],
        readers: Mapping[Value, Sequence[tuple[Value, Read]]],
        required: set[Value],
    ) -> None:
        self.stored: set[Value] = set()
        self.recomputed: set[Value] = set()
        self._work: dict[Value, int] = {}
        for value in sorted(kernel_of, key=lambda v: v.number):
            outside = [
                r for r, _ in readers.get(value, ()) if kernel_of.get(r) != kernel_of[value]
            ]
            if value in required:
                self.stored.add(value)
            elif outside:
                self._decide(value, outside)

    def _decide(self, value: Value, outside: Sequence[Value]) -> None:
        work = self._work_of(value)
        repeated = any(_rank(r) > _rank(value) for r in outside)
        if work is not None and work <= (CHEAP_REPEATED if repeated else CHEAP):
            self.recomputed.add(value)
            self._work[value] = work
        else:
            self.stored.add(value)

    def _work_of(self, value: Value) -> int | None:
        """Work to compute an element from what is in memory anyway; None if it is not there."""
        template = value.template
        assert template is not None
        if value.form != "map" or template.checks or len(template.reads) > 1:
            return None
        work = value.cost
        for read in template.reads:
            source = read.source
            if source.computed and source not in self.stored:
                if source not in self.recomputed:
                    return None
                work += self._work[source]
        return work


def _rank(value: Value) -> int:
    return sum(not (n.is_const and int(n.value) == 1) for n in value.domain)
