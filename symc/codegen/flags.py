"""Which optimisation a text is worth."""

from __future__ import annotations

STRAIGHT_LINE = 200
"""Statements of a function from which heavy optimisation costs more than it gives."""


def level_for(statements: int) -> str:
    """The optimisation option for a unit whose longest function has so many statements."""
    return "-O3" if statements <= STRAIGHT_LINE else "-O1"
