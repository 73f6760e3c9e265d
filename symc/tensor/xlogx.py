"""``symc.tensor.xlogx``: x log x and x log y with ``0 log 0 = 0``."""

# ruff: noqa: F401 - a namespace re-exports

from ..ops.math import xlogx, xlogy0
from ..scalar.op import REGISTRY as _REGISTRY

XlogX = type(_REGISTRY["xlogx"])
XlogY0 = type(_REGISTRY["xlogy0"])
