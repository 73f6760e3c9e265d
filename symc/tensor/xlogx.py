"""``symc.tensor.xlogx``: x log x and x log y with ``0 log 0 = 0``.

As in Theano ``T.xlogx`` is this module, so that ``T.xlogx.xlogy0`` is found; it can also be called.
"""

import sys
from types import ModuleType
from typing import Any

from ..ops.math import xlogx, xlogy0
from ..scalar.op import REGISTRY as _REGISTRY

__all__ = ["XlogX", "XlogY0", "xlogx", "xlogy0"]

XlogX = type(_REGISTRY["xlogx"])
XlogY0 = type(_REGISTRY["xlogy0"])


class _Callable(ModuleType):
    """A module that is the function of its name, too."""

    def __call__(self, x: Any) -> Any:
        """Return ``x log x``."""
        return xlogx(x)


sys.modules[__name__].__class__ = _Callable
