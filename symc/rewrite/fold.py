"""Constant folding: what depends on constants only is computed now, where it stays small."""

from __future__ import annotations

import math
from typing import Any

from ..array.type import TensorType
from ..graph.node import Constant
from ..graph.op import run_perform
from .rule import ANY, rule

__all__ = ["SMALL"]

SMALL = 1024
"""Results with more elements than this, and than the largest operand, are left to the program."""


@rule(("fold", "canonical", "stable", "specialise"), ops=[ANY])
def constant_folding(node: Any, ctx: Any) -> Any:
    """A node whose operands are all constants is computed, unless ``do_constant_folding`` objects.

    Results that are much larger than the operands are not: a program is smaller than its data. A
    node that raises an error is left alone, so that the error comes up where the user expects it.
    """
    if not node.inputs:
        return None
    for v in node.inputs:
        if not isinstance(v, Constant):
            return None
    if not node.op.do_constant_folding(node) or not _stays_small(node, ctx):
        return None
    try:
        values = run_perform(node, [v.data for v in node.inputs])
    except Exception:
        return None
    return [out.type.make_constant(value) for out, value in zip(node.outputs, values, strict=True)]


def _stays_small(node: Any, ctx: Any) -> bool:
    limit = max(SMALL, *(getattr(v.data, "size", 0) for v in node.inputs))
    for out in node.outputs:
        if not isinstance(out.type, TensorType):
            return False
        lengths = [ctx.length(out, axis) for axis in range(out.type.ndim)]
        if any(n is None for n in lengths) or math.prod(lengths) > limit:
            return False
    return True
