"""Where the user built a variable.

A trace is taken each time a node or an input variable is made, so it has to cost next to nothing:
`creation_trace` walks ``sys._getframe`` and keeps only code objects and instruction offsets; file
names, line numbers and source text are looked up when somebody reads them.
"""

from __future__ import annotations

import linecache
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import CodeType
from typing import Any, NamedTuple, overload

__all__ = [
    "Trace",
    "TraceEntry",
    "creation_trace",
    "format_trace",
    "trace_lines",
    "user_line",
]

_PACKAGE_PREFIX = str(Path(__file__).resolve().parent.parent) + "/"
_UNRESOLVED_PREFIX = str(Path(__file__).parent.parent) + "/"
_MAX_SHARED = 4096


class TraceEntry(NamedTuple):
    """One line of a trace.

    Attributes
    ----------
    filename : str
        Path of the source file, as Python knows it.
    lineno : int
        Line number, counted from 1.
    function : str
        Name of the function, ``<module>`` at the top level.
    line : str
        Source text of the line, empty when the source can't be read.
    """

    filename: str
    lineno: int
    function: str
    line: str

    def __str__(self) -> str:
        place = f"{self.filename}:{self.lineno} in {self.function}"
        return f"{place}: {self.line}" if self.line else place


def _line_number(code: CodeType, offset: int) -> int:
    """Return the line of the instruction at byte `offset`, as ``frame.f_lineno`` would."""
    line = code.co_firstlineno
    for start, end, number in code.co_lines():
        if start <= offset < end and number is not None:
            return number
        if number is not None and end <= offset:
            line = number
    return line


class Trace(Sequence[TraceEntry]):
    """The user's frames at the moment a variable was made, outermost first.

    Behaves as an immutable sequence of `TraceEntry`; the last entry is the line that called symc.
    """

    __slots__ = ("_entries", "_frames")

    def __init__(self, frames: tuple[Any, ...] = (), entries: Sequence[TraceEntry] | None = None):
        self._frames = frames
        self._entries: tuple[TraceEntry, ...] | None = None if entries is None else tuple(entries)

    def _resolved(self) -> tuple[TraceEntry, ...]:
        entries = self._entries
        if entries is None:
            entries = tuple(self._read_frames())
            self._entries = entries
        return entries

    def _read_frames(self) -> Iterator[TraceEntry]:
        innermost_first = list(zip(self._frames[::2], self._frames[1::2], strict=True))
        for code, offset in reversed(innermost_first):
            number = _line_number(code, offset)
            text = linecache.getline(code.co_filename, number).strip()
            yield TraceEntry(code.co_filename, number, code.co_name, text)

    def __len__(self) -> int:
        return len(self._frames) // 2 if self._entries is None else len(self._entries)

    @overload
    def __getitem__(self, index: int) -> TraceEntry: ...

    @overload
    def __getitem__(self, index: slice) -> Sequence[TraceEntry]: ...

    def __getitem__(self, index: int | slice) -> TraceEntry | Sequence[TraceEntry]:
        return self._resolved()[index]

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Trace):
            return NotImplemented
        return self is other or self._resolved() == other._resolved()

    def __hash__(self) -> int:
        return hash(self._resolved())

    def __str__(self) -> str:
        return "\n".join(str(entry) for entry in self._resolved())

    def __repr__(self) -> str:
        return f"Trace({list(self._resolved())!r})"

    def __copy__(self) -> Trace:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Trace:
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return _restore_trace, tuple(tuple(entry) for entry in self._resolved())


def _restore_trace(*entries: tuple[str, int, str, str]) -> Trace:
    return Trace(entries=[TraceEntry(*entry) for entry in entries])


# Maps a file name to whether it belongs to symc; filled as file names are met.
_is_internal: dict[str, bool] = {}
# Traces by their innermost frame, so that nodes built in a loop share one trace object.
_shared: dict[tuple[int, int], Trace] = {}


def _classify(filename: str) -> bool:
    internal = filename.startswith((_PACKAGE_PREFIX, _UNRESOLVED_PREFIX))
    _is_internal[filename] = internal
    return internal


def creation_trace(limit: int = 8) -> Trace:
    """Record the user's part of the current call stack.

    Frames inside the symc package are skipped.

    Parameters
    ----------
    limit : int
        The number of innermost user frames to keep; 0 or less keeps none.

    Returns
    -------
    Trace
        Possibly shared with other variables made by the same line.
    """
    frames: list[Any] = []
    frame = sys._getframe(1)
    internal = _is_internal
    room = 2 * limit
    while frame is not None and len(frames) < room:
        code = frame.f_code
        skip = internal.get(code.co_filename)
        if skip is None:
            skip = _classify(code.co_filename)
        if not skip:
            frames.append(code)
            frames.append(frame.f_lasti)
        frame = frame.f_back  # type: ignore[assignment]
    if not frames:
        return _EMPTY
    key = (id(frames[0]), frames[1])
    found = _shared.get(key)
    if found is not None and _same_frames(found._frames, frames):
        return found
    if len(_shared) >= _MAX_SHARED:
        _shared.clear()
    trace = _shared[key] = Trace(tuple(frames))
    return trace


def _same_frames(kept: tuple[Any, ...], frames: list[Any]) -> bool:
    """Compare by identity of the code objects: comparing code objects by value is slow."""
    if len(kept) != len(frames):
        return False
    return all(
        kept[i] is frames[i] and kept[i + 1] == frames[i + 1] for i in range(0, len(frames), 2)
    )


_EMPTY = Trace()


def trace_lines(obj: Any) -> Sequence[TraceEntry]:
    """Return the trace of a variable or of the outputs of an Apply, empty when there is none."""
    trace = getattr(getattr(obj, "tag", None), "trace", None)
    if not trace and getattr(obj, "outputs", None):
        trace = getattr(obj.outputs[0].tag, "trace", None)
    return trace if isinstance(trace, Trace) else _EMPTY


def format_trace(obj: Any, indent: str = "  ") -> str:
    """Return the trace of `obj` as text, one ``file:line in function: code`` per line."""
    return "\n".join(f"{indent}{entry}" for entry in trace_lines(obj))


def user_line(obj: Any) -> str:
    """Return the line of the user's program that made `obj`.

    Parameters
    ----------
    obj : Variable or Apply
        Anything whose tag may hold a trace.

    Returns
    -------
    str
        ``file:line in function: code``, or an empty string when nothing was recorded.
    """
    entries = trace_lines(obj)
    return str(entries[-1]) if entries else ""


def calling_line() -> str:
    """Return the line of the user's program that is being run, as `user_line` shows lines."""
    entries = creation_trace()
    return str(entries[-1]) if entries else ""
