"""The cases of `symc bench`: operands, reference values in NumPy, and what the work amounts to.

Every case is the same work in every framework; the modules ``with_*.py`` say it in each one's own
words. Nothing here imports a framework but NumPy.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

import cases_arrays
import cases_loops
import cases_models
import cases_networks
import cases_random
from case import Case

CASES: tuple[Case, ...] = (
    *cases_arrays.CASES,
    *cases_models.CASES,
    *cases_loops.CASES,
    *cases_networks.CASES,
    *cases_random.CASES,
)


def chosen(patterns: list[str]) -> list[Case]:
    """The cases whose names match one of the patterns; all if there are none.

    Raises
    ------
    ValueError
        If a pattern matches nothing.
    """
    for pattern in patterns:
        if not any(fnmatchcase(c.name, pattern) for c in CASES):
            names = ", ".join(c.name for c in CASES)
            raise ValueError(f"no case is called {pattern!r}; there are: {names}")
    return [
        c for c in CASES if not patterns or any(fnmatchcase(c.name, p) for p in patterns)
    ]
