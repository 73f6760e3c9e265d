"""Conversions: chains of them, and those that change nothing."""

from __future__ import annotations

from typing import Any

from ..dtypes import can_cast_safely
from ..ops.elemwise import cast_like
from ..scalar.op import CASTS
from .rule import rule
from .values import operands_of

__all__ = ["cast_of_cast", "useless_cast"]


@rule(("fold", "canonical"), ops=list(CASTS.values()), tags=["useless"])
def useless_cast(node: Any, ctx: Any) -> Any:
    """cast(x, dtype of x) is x."""
    (x,) = node.inputs
    return x if x.type == node.outputs[0].type else None


@rule(("canonical", "specialise"), ops=list(CASTS.values()))
def cast_of_cast(node: Any, ctx: Any) -> Any:
    """cast(cast(x, a), b) is cast(x, b) where `a` holds every value of x."""
    (x,) = node.inputs
    inner = operands_of(x, *CASTS.values())
    if inner is None:
        return None
    (source,) = inner
    given, middle, wanted = source.type.dtype, x.type.dtype, node.outputs[0].type.dtype
    if not can_cast_safely(given, middle):
        return None
    return cast_like(source, wanted)
