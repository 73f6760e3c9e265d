"""What is known about lengths while a graph is being built.

Lengths are facts about variables and not part of their types (D1). Declared ones live in the
attribute ``static_shape`` of ownerless variables; those of computed variables are noted here by
the ops that derive them, so that a mismatch can be reported at the line that wrote it.

Another variable, of the same type and other lengths, may later take the place of one that was
declared (``givens``, ``clone``, user ops). So nothing that a node *is*, its pattern or the
constants in it, may depend on `known_lengths`; it may depend on `sure_lengths`. The compiler
derives its own facts.
"""

from __future__ import annotations

import functools
from typing import Any
from weakref import WeakKeyDictionary

from ..graph.node import Constant

__all__ = ["known_lengths", "note_lengths", "sure_lengths"]

Lengths = tuple["int | None", ...]

# Keyed by the variable object, so that clones, which may get other inputs, start without a note.
_NOTES: WeakKeyDictionary[Any, Lengths] = WeakKeyDictionary()


def known_lengths(variable: Any) -> Lengths:
    """Return the lengths of a tensor variable, None where they are not known.

    Parameters
    ----------
    variable : variable of a TensorType

    Returns
    -------
    tuple of (int or None)
        One entry per axis.
    """
    if variable.owner is not None:
        noted = _NOTES.get(variable) if _NOTES else None
    elif isinstance(variable, Constant):
        noted = variable.data.shape
    else:
        noted = variable.__dict__.get("static_shape")
    pattern = variable.type.broadcastable
    if noted is None:
        return _lengths_by_type(pattern)
    return tuple(1 if b else n for n, b in zip(noted, pattern, strict=True))


def sure_lengths(variable: Any) -> Lengths:
    """Return the lengths that hold for whatever may take this variable's place.

    They follow from the type, or are those of a constant; the form is that of `known_lengths`.
    """
    if isinstance(variable, Constant):
        return tuple(variable.data.shape)
    return _lengths_by_type(variable.type.broadcastable)


@functools.lru_cache(maxsize=1024)
def _lengths_by_type(pattern: tuple[bool, ...]) -> Lengths:
    return tuple(1 if b else None for b in pattern)


def note_lengths(variable: Any, lengths: Lengths) -> None:
    """Note the lengths that an op derived for its output; nothing is kept if none is news."""
    for length, b in zip(lengths, variable.type.broadcastable, strict=True):
        if length is not None and not b:
            _NOTES[variable] = tuple(lengths)
            return
