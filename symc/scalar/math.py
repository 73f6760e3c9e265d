"""Exponentials, roots, rounding, trigonometric and hyperbolic functions.

Records with ``sy_`` functions of ``special.h`` are branch-free and vectorise; the others call
the C library. Derivatives are those of calculus: that of ``sqrt`` at 0 is infinite.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from .logic import cast, switch
from .op import UnaryScalarOp, scalar_op


def _function(
    name: str,
    cls: str,
    numpy: Callable[..., Any],
    grad: Callable[..., Any] | None,
    doc: str,
    *,
    c_name: str | None = None,
    own: bool = False,
    complex_name: str | None = None,
    cost: int = 20,
    **properties: Any,
) -> Any:
    """A unary function with float result, called by name in C.

    `own` functions are those of special.h.
    """
    c_name = c_name or name
    templates = {"f": f"sy_{c_name}{{f}}({{0}})" if own else f"{c_name}{{f}}({{0}})"}
    if complex_name:
        templates["c"] = f"{complex_name}{{f}}({{0}})"
    return scalar_op(
        name,
        1,
        cls=cls,
        base=UnaryScalarOp,
        out="float",
        numpy=numpy,
        c=templates,
        grad=grad,
        kinds="fc" if complex_name else "f",
        needs=("special.h",) if own else (),
        holomorphic=complex_name is not None,
        cost=cost,
        doc=doc,
        **properties,
    )


def like(value: float, x: Any) -> Any:
    """A constant in the dtype of `x`, which no cast policy widens."""
    return np.dtype(x.dtype).type(value)


# ------------------------------------------------------------------ exponentials

exp = _function(
    "exp",
    "Exp",
    np.exp,
    lambda g, y, x: (g * y,),
    "e to the power x.",
    own=True,
    vector=True,
    complex_name="cexp",
    inverse_of="log",
    monotone=1,
    range=(0, None),
)
log = _function(
    "log",
    "Log",
    np.log,
    lambda g, y, x: (g / x,),
    "Natural logarithm.",
    own=True,
    vector=True,
    complex_name="clog",
    inverse_of="exp",
    monotone=1,
)
tanh = _function(
    "tanh",
    "Tanh",
    np.tanh,
    lambda g, y, x: (g * (1 - y * y),),
    "Hyperbolic tangent.",
    own=True,
    vector=True,
    complex_name="ctanh",
    inverse_of="arctanh",
    monotone=1,
    zero_at_zero=True,
    range=(-1, 1),
)
sqrt = _function(
    "sqrt",
    "Sqrt",
    np.sqrt,
    lambda g, y, x: (g * like(0.5, y) / y,),
    "Square root; the derivative at 0 is infinite.",
    complex_name="csqrt",
    cost=4,
    vector=True,
    monotone=1,
    zero_at_zero=True,
    range=(0, None),
)
