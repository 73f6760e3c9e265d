"""Keys of ops, types and values that are the same in every process.

The plan cache finds a compiled program again by the fingerprint of its graph, so a key may neither
depend on ``PYTHONHASHSEED`` nor on addresses, and two things with equal keys must compile to the
same program. Where that can't be promised (the user's own ops and types, whose code may be another
under the same name and version; an object without a canonical form) the key contains a token of
this process: then it is found again in this process only, and never wrongly.

A class may say its key itself by a method ``fingerprint_key()`` that returns strings, numbers,
tuples of them, types or ops; or None for an object that is the same as itself only.
"""

from __future__ import annotations

import itertools
import os
import uuid
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from symc.graph.node import Type
from symc.graph.op import Op
from symc.graph.props import prop_names

__all__ = ["holds_everywhere", "stable_key"]

_ATOMS = (str, bytes, int, float, complex, bool, type(None), type(Ellipsis))
_PACKAGE = __name__.partition(".")[0]

_process_token = uuid.uuid4().hex
_next_token = itertools.count().__next__
_tokens: dict[int, tuple[Callable[[], Any], str]] = {}


def _token(obj: Any) -> str:
    """Return a name for `obj` that no other object of any process has."""
    known = _tokens.get(id(obj))
    if known is not None and known[0]() is obj:
        return known[1]
    name = f"process:{_process_token}:{os.getpid()}:{_next_token()}"
    key = id(obj)

    def forget(_: Any) -> None:
        _tokens.pop(key, None)

    try:
        reference: Callable[[], Any] = weakref.ref(obj, forget)
    except TypeError:
        return name
    _tokens[key] = (reference, name)
    return name


def holds_everywhere(key: str) -> bool:
    """Tell whether a key means the same in every process."""
    return f"process:{_process_token}" not in key


def _class_key(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"


def _function_key(function: Any) -> str:
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if module and name and module.partition(".")[0] in (_PACKAGE, "numpy") and "<" not in name:
        return f"{module}.{name}"
    return _token(function)


def _trusted(cls: type) -> bool:
    """Tell whether equal names of the class mean equal behaviour in every process."""
    return cls.__module__.partition(".")[0] == _PACKAGE


def _named(cls: type) -> str:
    """Return the name of a class, which stands for its code only if that is symc's."""
    return _class_key(cls) if _trusted(cls) else f"{_class_key(cls)}@{_token(cls)}"


def _object_key(obj: Any) -> str:
    """Return the key of an op, a type, or another object with properties."""
    cls = type(obj)
    names = prop_names(cls)
    head = _named(cls)
    if names is None:
        if getattr(obj, "__dict__", None) or not isinstance(obj, (Op, Type)):
            return f"{head}#{_token(obj)}"
        names = ()
    inside = ",".join(f"{name}={stable_key(getattr(obj, name))}" for name in names)
    return f"{head}({inside})"


def stable_key(value: Any) -> str:
    """Return a text that identifies `value` across processes.

    Parameters
    ----------
    value : object
        An op, a type, or a value of one of their properties.

    Returns
    -------
    str
        Equal for values that mean the same to the compiler; see the module's docstring.
    """
    if isinstance(value, _ATOMS):
        return f"{type(value).__name__}:{value!r}"
    if isinstance(value, (tuple, list)):
        return f"{type(value).__name__}[{';'.join(map(stable_key, value))}]"
    if isinstance(value, (set, frozenset)):
        return f"set[{';'.join(sorted(map(stable_key, value)))}]"
    if isinstance(value, dict):
        pairs = sorted(f"{stable_key(k)}:{stable_key(v)}" for k, v in value.items())
        return f"dict[{';'.join(pairs)}]"
    if isinstance(value, slice):
        return f"slice{stable_key((value.start, value.stop, value.step))}"
    if isinstance(value, np.dtype):
        return f"dtype:{value.str}"
    if isinstance(value, np.generic):
        return f"{value.dtype.str}:{value.tobytes().hex()}"
    if isinstance(value, type):
        return _class_key(value) if _trusted(value) or _from_library(value) else _token(value)
    own_key = getattr(value, "fingerprint_key", None)
    if own_key is not None:
        own = own_key()
        inside = f"#{_token(value)}" if own is None else f"<{stable_key(own)}>"
        return f"{_named(type(value))}{inside}"
    if isinstance(value, (Op, Type)) or prop_names(type(value)) is not None:
        return _object_key(value)
    if callable(value) and hasattr(value, "__qualname__"):
        return _function_key(value)
    return f"{_class_key(type(value))}#{_token(value)}"


def _from_library(cls: type) -> bool:
    return cls.__module__.partition(".")[0] in ("builtins", "numpy")
