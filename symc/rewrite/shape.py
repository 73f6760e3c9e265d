"""Shapes without computing what has them; dimshuffles, reshapes and sums over broadcast axes."""

from __future__ import annotations

import math
from typing import Any

from ..errors import ShapeError
from ..graph.node import Constant
from ..ops.alloc import Alloc
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.elemwise import Elemwise
from ..ops.known_gradient import KnownGradient
from ..ops.reduce import Sum, keep_dims
from ..ops.shape import Rebroadcast, Reshape, SpecifyShape
from ..ops.sizes import Shape, Shape_i
from ..ops.sum_to import SumTo
from ..ops.vector import MakeVector
from ..scalar.logic import second
from .rule import rule
from .sizes import length_variable
from .values import constant_value

__all__ = ["identity_order"]


# ---------------------------------------------------------------------------------------------
# Lengths
# ---------------------------------------------------------------------------------------------


@rule("canonical", ops=[Shape_i])
def length_from_facts(node: Any, ctx: Any) -> Any:
    """The length of an axis follows from the lengths of the inputs."""
    (x,) = node.inputs
    found = length_variable(x, node.op.i, ctx)
    if found.owner is not None and found.owner.op == node.op and found.owner.inputs[0] is x:
        return None
    return found


@rule("canonical", ops=[Shape])
def shape_of_lengths(node: Any, ctx: Any) -> Any:
    """shape(x) is the vector of the lengths of x."""
    (x,) = node.inputs
    lengths = [length_variable(x, axis, ctx) for axis in range(x.type.ndim)]
    return MakeVector("int64")(*lengths)


# ---------------------------------------------------------------------------------------------
# Dimshuffle
# ---------------------------------------------------------------------------------------------


def identity_order(op: DimShuffle) -> bool:
    """Whether a `DimShuffle` leaves all axes where they are."""
    return op.new_order == tuple(range(len(op.input_broadcastable)))


@rule(("fold", "canonical", "specialise"), ops=[DimShuffle], tags=["useless"])
def useless_dimshuffle(node: Any, ctx: Any) -> Any:
    """x.dimshuffle(0, 1, ...) is x."""
    return node.inputs[0] if identity_order(node.op) else None


@rule(("canonical", "specialise"), ops=[DimShuffle])
def dimshuffle_of_dimshuffle(node: Any, ctx: Any) -> Any:
    """Two dimshuffles are one."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, DimShuffle):
        return None
    inner = x.owner.op.new_order
    order = ["x" if d == "x" else inner[d] for d in node.op.new_order]
    source = x.owner.inputs[0]
    return DimShuffle(source.type.broadcastable, order)(source)


@rule("canonical", ops=[DimShuffle])
def dimshuffle_of_elemwise(node: Any, ctx: Any) -> Any:
    """f(x, y).dimshuffle(...) is f of the shuffled operands, if no other node reads f(x, y)."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, Elemwise) or len(x.owner.outputs) != 1:
        return None
    order, kept = node.op.new_order, set(node.op.shuffle)
    # An axis that is dropped must be of length 1 in every operand.
    dropped = [d for d in range(x.type.ndim) if d not in kept]
    if any(not v.type.broadcastable[d] for v in x.owner.inputs for d in dropped):
        return None
    if ctx.readers(x) != 1 and x.owner.op.scalar_op is not second:
        return None
    operands = [DimShuffle(v.type.broadcastable, order)(v) for v in x.owner.inputs]
    new = x.owner.op(*operands)
    return new if new.type.dtype == x.type.dtype else None


@rule(("canonical", "specialise"), ops=[DimShuffle])
def dimshuffle_of_alloc(node: Any, ctx: Any) -> Any:
    """alloc(v, n).dimshuffle(0, 'x') is alloc(v, n, 1)."""
    (x,) = node.inputs
    if x.owner is None or not isinstance(x.owner.op, Alloc):
        return None
    value, *lengths = x.owner.inputs
    if not all(value.type.broadcastable) or node.op.drop:
        return None
    number = dimshuffle(value, []) if value.type.ndim else value
    sizes = [1 if d == "x" else lengths[d] for d in node.op.new_order]
    return Alloc()(number, *sizes) if sizes else number


# ---------------------------------------------------------------------------------------------
# Reshape and promises
# ---------------------------------------------------------------------------------------------


@rule("canonical", ops=[Reshape])
def reshape_of_reshape(node: Any, ctx: Any) -> Any:
    """reshape(reshape(x, a), b) is reshape(x, b)."""
    x, shape = node.inputs
    if x.owner is None or not isinstance(x.owner.op, Reshape):
        return None
    source, wanted = x.owner.inputs
    checks = constant_value(wanted) != -1 or x.type.ndim != 1
    if checks and ctx.readers(x) == 1 and not _fails_alike(node, source, ctx):
        return None
    return node.op(source, shape)


def _fails_alike(node: Any, source: Any, ctx: Any) -> bool:
    """Whether a reshape of a reshape of `source` fails, or not, as without the inner one."""
    (x, shape), (out,) = node.inputs, node.outputs
    elements = _elements(x, ctx)
    if elements is None:
        return False
    if elements == _elements(source, ctx):
        return True
    settled = isinstance(shape, Constant) and bool((shape.data >= 0).all())
    return settled and elements == _elements(out, ctx)


def _elements(x: Any, ctx: Any) -> int | None:
    """The number of elements of `x` if it is known now."""
    lengths = [ctx.length(x, axis) for axis in range(x.type.ndim)]
    return None if None in lengths else math.prod(n for n in lengths if n is not None)


@rule("canonical", ops=[Reshape])
def useless_reshape(node: Any, ctx: Any) -> Any:
    """x.reshape(x.shape) is x."""
    x, _ = node.inputs
    (out,) = node.outputs
    if x.type.ndim != out.type.ndim or not ctx.same_shape(x, out):
        return None
    return x


@rule("canonical", ops=[Reshape])
def reshape_to_dimshuffle(node: Any, ctx: Any) -> Any:
    """A reshape that only inserts or drops axes of length 1 is a dimshuffle."""
    x, _ = node.inputs
    (out,) = node.outputs
    long_in = [d for d, b in enumerate(x.type.broadcastable) if not b]
    long_out = [d for d, b in enumerate(out.type.broadcastable) if not b]
    if len(long_in) != len(long_out) or x.type.ndim == out.type.ndim:
        return None
    if not all(ctx.same_length(x, i, out, j) for i, j in zip(long_in, long_out, strict=True)):
        return None
    source = iter(long_in)
    order: list[Any] = ["x" if b else next(source) for b in out.type.broadcastable]
    return DimShuffle(x.type.broadcastable, order)(x)


@rule("canonical", ops=[Rebroadcast], tags=["useless"])
def useless_rebroadcast(node: Any, ctx: Any) -> Any:
    """rebroadcast(x) is x where the pattern is the same already."""
    (x,) = node.inputs
    return x if x.type == node.outputs[0].type else None


@rule("canonical", ops=[SpecifyShape])
def useless_specify_shape(node: Any, ctx: Any) -> Any:
    """specify_shape(x, s) is x where the lengths of x are known to be s."""
    x, shape = node.inputs
    wanted = shape.data if isinstance(shape, Constant) else None
    if wanted is None or x.type != node.outputs[0].type:
        return None
    lengths = [ctx.length(x, axis) for axis in range(x.type.ndim)]
    return x if lengths == [int(n) for n in wanted] else None


@rule("canonical", ops=[KnownGradient], tags=["useless"])
def useless_known_gradient(node: Any, ctx: Any) -> Any:
    """A known gradient needs no check where it is proved to have the lengths of its variable."""
    (g, shape), facts = node.inputs, ctx.facts
    if facts is None or g.type != node.outputs[0].type:
        return None
    try:
        pairs = [(n, facts.value(shape, (k,))) for k, n in enumerate(facts.shape(g))]
    except ShapeError:
        return None
    return g if all(facts.equal(n, length) for n, length in pairs) else None


# ---------------------------------------------------------------------------------------------
# Sums over axes that were broadcast
# ---------------------------------------------------------------------------------------------


@rule("canonical", ops=[SumTo])
def sum_to_decided(node: Any, ctx: Any) -> Any:
    """sum_to(g, x) is g where lengths are equal, and a sum where x has length 1.

    Of two lengths that are open it is assumed that they are equal, as everywhere.
    """
    g = node.inputs[0]
    if ctx.facts is None:
        return None
    try:
        axes = _axes_summed(node, ctx, assume=False)
        if axes is None:
            axes = _axes_summed(node, ctx, assume=True)
    except ShapeError:
        return None
    if axes is None:
        return None
    if not axes:
        return g
    return keep_dims(g, Sum(axes, dtype=g.type.dtype)(g), axes)


def _axes_summed(node: Any, ctx: Any, *, assume: bool) -> tuple[int, ...] | None:
    """The axes along which a `SumTo` sums, None where that is open."""
    facts, (g, *wanted) = ctx.facts, node.inputs
    present = [facts.canonical(n) for n in facts.shape(g)]
    lengths = [facts.canonical(facts.value(n)) for n in wanted]
    if assume:
        one = facts.ctx.integer(1)
        for axis, length in zip(node.op.axes, lengths, strict=True):
            if length is not one and length is not present[axis]:
                ctx.assumed_equal(present[axis], length)
        present, lengths = ([facts.canonical(n) for n in sizes] for sizes in (present, lengths))
    axes: tuple[int, ...] | None = node.op.summed_axes(present, lengths)
    return axes
