"""Modules that are imported when something of them is used for the first time.

For what is dear to import and rarely needed: ``import symc`` shall be quick.
"""

from __future__ import annotations

import importlib
import opcode
import sys
from collections.abc import Callable, Mapping
from typing import Any


class LazyModule:
    """Stands for a module; imports it at the first access to an attribute.

    Parameters
    ----------
    name : str
        Full name of the module.

    Examples
    --------
    >>> special = LazyModule("scipy.special")
    >>> float(special.erf(0.0))
    0.0
    """

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, attribute: str) -> Any:
        if attribute.startswith("__"):  # asked for by copy and pickle, never meant for the module
            raise AttributeError(attribute)
        value = getattr(importlib.import_module(self._name), attribute)
        self.__dict__[attribute] = value
        return value

    def __repr__(self) -> str:
        return f"<lazy module {self._name}>"


def late_names(
    package: str, names: Mapping[str, str], absent: Mapping[str, str] | None = None
) -> Callable[[str], Any]:
    """Return a ``__getattr__`` for a module, so that some of its names are imported when used.

    Parameters
    ----------
    package : str
        The module's name.
    names : mapping of str to str
        By name ``"module:attribute"``, or a module's name for the module itself.
    absent : mapping of str to str, optional
        Names of Theano's that have no counterpart, and what to use.

    Returns
    -------
    callable
        Raises AttributeError for other names, and for absent ones with what to use instead; an
        ImportError with the same text where a name was to be imported by ``from ... import``.
    """

    def found(name: str) -> Any:
        place = names.get(name)
        if place is None:
            raise _no_such_name(package, name, (absent or {}).get(name))
        module, _, attribute = place.partition(":")
        value = importlib.import_module(module)
        value = getattr(value, attribute) if attribute else value
        setattr(sys.modules[package], name, value)
        return value

    return found


def _no_such_name(package: str, name: str, use: str | None) -> Exception:
    if use is None:
        return AttributeError(f"module {package!r} has no attribute {name!r}")
    text = f"{package}.{name} does not exist in symc: {use}"
    # `from package import name` turns an AttributeError into an ImportError without its text.
    reader = sys._getframe(2)
    operation = reader.f_code.co_code[reader.f_lasti] if reader.f_lasti >= 0 else -1
    if operation == opcode.opmap["IMPORT_FROM"]:
        return ImportError(text, name=package)
    return AttributeError(text)
