"""Scalar ops and scalar expressions: what one element is.

Importing the package registers all records. Theano's names (``symc.scalar.float64``, ``ScalarOp``,
``upgrade_to_float``, ``exp``, ...) belong to higher floors, which tell them through
`set_names_hook`; they are looked up when they are used.
"""

import sys
from collections.abc import Callable
from typing import Any

from . import arith, complex, composite, evaluate, logic, math, random, sampling, simplify, special

_Names = Callable[[], dict[str, Any]]


def _no_names() -> dict[str, Any]:
    return {}


_public_names: _Names = _no_names


def set_names_hook(names: _Names) -> None:
    """Register what gives the package's public names.

    Parameters
    ----------
    names : callable
        ``names()`` returns a dict from name to object; called at the first use of one.
    """
    global _public_names
    _public_names = names


def __getattr__(name: str) -> Any:
    if not name.startswith("__"):
        names = _public_names()
        if name in names:
            return names[name]
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *_public_names()})


# Old code imports from `scalar.basic`.
basic = sys.modules[__name__]
sys.modules[f"{__name__}.basic"] = basic
