"""Equality, hash and text of objects that are described by a tuple of attribute names.

Ops and types name the attributes that tell two instances apart in ``__props__``; `WithProps` then
gives them ``__eq__``, ``__hash__`` and ``__str__``. Frozen dataclasses work as well: they bring
their own equality and hash, and their fields serve as the properties for the text.
"""

from __future__ import annotations

import dataclasses
from typing import Any

__all__ = ["WithProps", "prop_names"]


def prop_names(cls: type) -> tuple[str, ...] | None:
    """Return the attribute names that identify an instance of `cls`.

    Parameters
    ----------
    cls : type
        A class with ``__props__`` or a dataclass.

    Returns
    -------
    tuple of str or None
        None when the class says nothing, so instances are equal only to themselves.
    """
    props = getattr(cls, "__props__", None)
    if props is not None:
        return tuple(props)
    if dataclasses.is_dataclass(cls):
        return tuple(f.name for f in dataclasses.fields(cls) if f.compare)
    return None


def _props_equal(self: Any, other: Any) -> bool:
    if self is other:
        return True
    if type(self) is not type(other):
        return False
    props: tuple[str, ...] = self.__props__
    return all(getattr(self, name) == getattr(other, name) for name in props)


def _props_hash(self: Any) -> int:
    return hash((type(self), *(getattr(self, name) for name in self.__props__)))


class WithProps:
    """Base of objects whose class may define ``__props__``.

    A class that defines ``__props__`` in its own body and neither ``__eq__`` nor ``__hash__`` gets
    both: instances are equal when they have the same class and equal properties. Without
    ``__props__``, and not being a dataclass, an instance is equal to itself only.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = cls.__dict__
        if "__props__" not in own:
            return
        if isinstance(own["__props__"], str):
            raise TypeError(
                f"{cls.__name__}.__props__ is the string {own['__props__']!r}; "
                "it must be a tuple of attribute names (a trailing comma may be missing)"
            )
        if "__eq__" not in own and "__hash__" not in own:
            cls.__eq__ = _props_equal  # type: ignore[assignment]
            cls.__hash__ = _props_hash  # type: ignore[assignment]

    def __str__(self) -> str:
        names = prop_names(type(self))
        if not names:
            return type(self).__name__
        inside = ", ".join(f"{name}={getattr(self, name)!r}" for name in names)
        return f"{type(self).__name__}{{{inside}}}"

    def __repr__(self) -> str:
        return str(self)
