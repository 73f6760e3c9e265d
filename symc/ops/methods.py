"""The one table that gives tensor variables their operators and methods.

`symc.array.variable.TensorOperators` is two floors below the ops that ``x + y`` and ``x.sum()``
build. Here, and nowhere else, it gets them.
"""

from __future__ import annotations

from typing import Any

from ..array.type import TensorType
from ..array.variable import TensorOperators
from ..graph.node import Variable
from . import math, reduce  # noqa: F401 - math registers the elementwise ops
from .dimshuffle import dimshuffle, transpose
from .elemwise import cast, elemwise_of
from .sizes import shape


def _apply(self: Any, op: Any, args: tuple[Any, ...]) -> Any:
    """Apply a scalar op to tensors: what Python's operators and scalar functions call."""
    for arg in args:
        if isinstance(arg, Variable) and not isinstance(arg.type, TensorType):
            return NotImplemented
    result = elemwise_of(op)(*args)
    if op.name in _COMPARISONS:
        result._is_nonzero = False
    return result


_COMPARISONS = frozenset({"lt", "le", "gt", "ge"})

METHODS: dict[str, Any] = {
    "_apply": _apply,
    "dimshuffle": dimshuffle,
    "shape": property(shape),
    "T": property(transpose),
    "astype": cast,
    "sum": reduce.sum,
    "prod": reduce.prod,
    "max": reduce.max,
    "min": reduce.min,
    "all": reduce.all,
    "any": reduce.any,
}

for _name, _method in METHODS.items():
    setattr(TensorOperators, _name, _method)
