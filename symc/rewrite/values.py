"""What rules ask about variables: constant values, elementwise structure, shapes that must stay."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from ..array.convert import constant
from ..array.lengths import known_lengths
from ..array.type import TensorType
from ..array.variable import TensorConstant
from ..graph.node import Constant, Variable
from ..ops.dimshuffle import DimShuffle, dimshuffle, pad_left
from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.origins import shape_origins
from ..scalar.logic import second

__all__ = [
    "broadcast_like",
    "constant_value",
    "full",
    "is_elemwise",
    "is_tensor",
    "matches_shape",
    "operands_of",
    "typed",
]

_SECOND = elemwise_of(second)


def is_tensor(x: Any) -> bool:
    """Whether `x` is a variable of a dense array."""
    return isinstance(x, Variable) and isinstance(x.type, TensorType)


def is_elemwise(x: Any, *scalar_ops: Any) -> bool:
    """Whether `x` is computed elementwise, by one of `scalar_ops` if any are named."""
    node = x.owner
    if node is None or not isinstance(node.op, Elemwise):
        return False
    return not scalar_ops or node.op.scalar_op in scalar_ops


def operands_of(x: Any, *scalar_ops: Any) -> list[Any] | None:
    """The operands of `x` if it is computed elementwise by one of `scalar_ops`, else None."""
    node = x.owner
    if node is None or not isinstance(node.op, Elemwise):
        return None
    if scalar_ops and node.op.scalar_op not in scalar_ops:
        return None
    return list(node.inputs)


def constant_value(x: Any) -> Any:
    """The value of a variable that has the same value everywhere, as NumPy scalar, else None.

    It looks through `DimShuffle` and `fill`; empty constants have no value.
    """
    while (node := x.owner) is not None:
        op = node.op
        if isinstance(op, Elemwise):
            if op.scalar_op is not second:
                return None
            x = node.inputs[1]
        elif isinstance(op, DimShuffle):
            x = node.inputs[0]
        else:
            return None
    return x.unique_value() if isinstance(x, TensorConstant) else None


def typed(value: Any, dtype: str, ndim: int = 0) -> TensorConstant:
    """A constant of exactly this dtype, with `ndim` axes of length 1."""
    if isinstance(value, (int, float)) and value != 0:  # 0.0 and -0.0 are equal keys
        return _known(value, dtype, ndim)
    return _new(value, dtype, ndim)


def _new(value: Any, dtype: str, ndim: int) -> TensorConstant:
    return constant(np.full((1,) * ndim, value, dtype=dtype), dtype=dtype)


_known = functools.lru_cache(maxsize=1024, typed=True)(_new)


def matches_shape(new: Any, x: Any, ctx: Any) -> bool:
    """Whether `new` is at least as long as `x` along every axis on which `x` may be longer than 1.

    Both are aligned at their last axes; `ctx` proves (or assumes and guards) equal lengths.
    """
    extra = new.type.ndim - x.type.ndim
    if extra < 0:
        return False
    if new is x or (is_elemwise(new) and x in new.owner.inputs):
        return True
    alike = ctx.facts is None and new.type.broadcastable == x.type.broadcastable
    if alike and shape_origins(x) <= shape_origins(new):
        return True
    lengths, wanted = known_lengths(new), known_lengths(x)
    for axis, fixed in enumerate(x.type.broadcastable):
        if fixed:
            continue
        known = lengths[axis + extra]
        if known is not None and known == wanted[axis]:
            continue
        if new.type.broadcastable[axis + extra]:
            return False
        if not ctx.same_length(new, axis + extra, x, axis):
            return False
    return True


def broadcast_like(new: Any, out: Any, operands: Iterable[Any], ctx: Any) -> Any:
    """`new` broadcast to the shape of `out`, which is that of `operands` together.

    Where the shape of `new` can't be proved to be that, ``fill(x, new)`` keeps the operand `x`, of
    which only the shape is needed.

    Parameters
    ----------
    new : variable
        What replaces `out`.
    out : variable
        An elementwise expression.
    operands : iterable of variables
        What may make `out` longer than `new`.
    ctx : RewriteContext
    """
    if new.type.ndim < out.type.ndim:
        new = pad_left(new, out.type.ndim)
    if matches_shape(new, out, ctx):
        return new
    for x in dict.fromkeys(operands):
        if not matches_shape(new, x, ctx):
            new = _SECOND(x, new)
    return new


def full(value: Any, out: Any, operands: Sequence[Any], ctx: Any) -> Any:
    """`value` everywhere, in the type and shape of `out`, an elementwise result of `operands`."""
    new = typed(value, out.type.dtype, out.type.ndim)
    return broadcast_like(new, out, operands, ctx)


def with_type(new: Any, wanted: TensorType) -> Any:
    """`new` as a variable of type `wanted`: leading axes are added; None if the dtype differs."""
    if new.type == wanted:
        return new
    if new.type.dtype != wanted.dtype or new.type.ndim > wanted.ndim:
        return None
    return pad_left(new, wanted.ndim)


def is_constant(x: Any) -> bool:
    """Whether the value of `x` is known now."""
    return isinstance(x, Constant)


def is_identity_order(op: DimShuffle) -> bool:
    """Whether a `DimShuffle` leaves all axes where they are."""
    return op.new_order == tuple(range(len(op.input_broadcastable)))


def drop_leading(x: Any, ndim: int) -> Any:
    """`x` without its leading broadcastable axes, so that it has `ndim` of them."""
    return dimshuffle(x, list(range(x.type.ndim - ndim, x.type.ndim)))
