"""Modules that are imported when something of them is used for the first time.

For what is dear to import and rarely needed: ``import symc`` shall be quick.
"""

from __future__ import annotations

import importlib
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
