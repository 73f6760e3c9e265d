"""``symc.tensor.inplace``: ``exp_inplace`` and its like.

In Theano these overwrite their first operand. Here they are the functions without ``_inplace``:
the compiler reuses memory by itself wherever nobody can see it, and no value ever changes under a
variable.
"""

from __future__ import annotations

from ..ops import math as _math
from ..ops.dimshuffle import transpose as transpose_inplace
from ..ops.elemwise import Elemwise as _Elemwise
from ..ops.math import fill as fill_inplace

__all__ = ["fill_inplace", "transpose_inplace"]

for _name, _op in vars(_math).items():
    if isinstance(_op, _Elemwise) and not _name.startswith("_"):
        globals()[f"{_name.rstrip('_')}_inplace"] = _op
        globals()[f"{_name}_inplace"] = _op
        __all__ += [f"{_name}_inplace"]
