"""Calls of one kernel in a row, as a loop over a table.

A long chain of equal links calls the same few kernels hundreds of times, and only the places of
its temporaries differ. A line for each call and each pointer takes the compiler longer than the
kernels themselves (1,100 lines: 0.17 s); a table of places takes it nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from .cexpr import storage_type
from .values import Places

FEWEST = 4
"""Calls that are worth a table."""

Argument = str | int
"""Text, or the number of a buffer that has a slot of its own."""


class Links:
    """Prints calls, and those of one kernel in a row as a loop.

    Whoever prints anything that depends on earlier steps calls :meth:`flush` before.

    Parameters
    ----------
    places : Places
    line : callable
        Takes a line of the function being printed.
    """

    def __init__(self, places: Places, line: Callable[[str], None]) -> None:
        self.places = places
        self.line = line
        self.name = ""
        self.waiting: list[Sequence[Argument]] = []

    def add(self, name: str, arguments: Sequence[Argument]) -> None:
        """Print a call of the function `name` now or later."""
        if self.waiting and (name != self.name or _form(arguments) != _form(self.waiting[0])):
            self.flush()
        self.name = name
        self.waiting.append(arguments)

    def flush(self) -> None:
        """Print the calls that were not printed yet."""
        calls, self.waiting = self.waiting, []
        if len(calls) >= FEWEST:
            self._loop(calls)
            return
        for arguments in calls:
            self._call([self._pointer(a) for a in arguments])

    def _loop(self, calls: Sequence[Sequence[Argument]]) -> None:
        texts: list[str] = []
        columns: list[list[int | None]] = []
        for column in zip(*calls, strict=True):
            first = column[0]
            slots = [self._slot(a) for a in column]
            if isinstance(first, str) or len(set(slots)) == 1:
                texts.append(self._pointer(first))
            else:
                ctype = storage_type(self.places.buffers[first].dtype)
                place = f"c->slot_offset[place[{len(columns)}]]"
                texts.append(f"({ctype} *)(c->arena + {place})")
                columns.append(slots)
        width = max(1, len(columns))
        self.line("{")
        self.line(f"  static const int32_t places[{len(calls)}][{width}] = {{")
        for row in zip(*columns, strict=True):
            self.line(f"    {{{', '.join(map(str, row))}}},")
        self.line("  };")
        self.line(f"  for (int k = 0; k < {len(calls)}; k++) {{")
        self.line("    const int32_t *const place = places[k];")
        self._call(texts, "    ")
        self.line("  }")
        self.line("}")

    def _call(self, arguments: Sequence[str], indent: str = "") -> None:
        self.line(f"{indent}{self.name}({', '.join(arguments)});")

    def _pointer(self, argument: Argument) -> str:
        return argument if isinstance(argument, str) else self.places.pointer(argument)

    def _slot(self, argument: Argument) -> int | None:
        return None if isinstance(argument, str) else self.places.slot(argument)


def _form(arguments: Sequence[Argument]) -> list[str]:
    """What two calls must have in common to be in one loop."""
    return [a if isinstance(a, str) else "" for a in arguments]
