"""Operands of a call: expressions, and numbers that take their type from the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.dtypes import python_scalar_dtype, upcast

from .expr import Context, Expr


def as_exprs(ctx: Context, args: tuple[Any, ...], conditional: bool = False) -> tuple[Expr, ...]:
    """Turn the operands of a call into expressions.

    Python numbers take the type of the other operands; NumPy numbers keep theirs.

    Parameters
    ----------
    ctx : Context
    args : tuple of (Expr or number)
    conditional : bool
        Whether operand 0 is a condition, whose type does not count for the numbers.
    """
    strong: list[str] = []
    numbers = False
    for position, arg in enumerate(args):
        if isinstance(arg, Expr):
            if position or not conditional:
                strong.append(arg.dtype)
        elif isinstance(arg, (np.generic, np.ndarray)):
            strong.append(arg.dtype.name)
            numbers = True
        else:
            numbers = True
    if not numbers:
        return args
    common = upcast(*strong) if strong else None
    return tuple(a if isinstance(a, Expr) else _number(ctx, a, common) for a in args)


def _number(ctx: Context, value: Any, common: str | None) -> Expr:
    return ctx.const(value, python_scalar_dtype(value, common, policy="weak"))
