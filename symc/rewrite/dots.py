"""Products of matrices: transposes and factors moved outward, and products that are none."""

from __future__ import annotations

from typing import Any

from ..lazy import LazyModule
from ..ops.alloc import Alloc
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.dot import Dot, dot_op
from ..ops.elemwise import elemwise_of
from ..ops.shape import patternbroadcast
from ..scalar.arith import add, mul, neg, sub
from .rule import rule
from .sizes import length_variable
from .values import constant_value, is_elemwise, operands_of, typed

__all__ = ["is_dot"]

_solve = LazyModule("symc.ops.linalg.solve")
_add, _sub, _neg, _mul = map(elemwise_of, (add, sub, neg, mul))


def is_dot(x: Any) -> bool:
    """Whether `x` is a product of matrices or vectors."""
    return x.owner is not None and isinstance(x.owner.op, Dot)


@rule(("canonical", "specialise"), ops=[DimShuffle])
def transpose_of_dot(node: Any, ctx: Any) -> Any:
    """dot(a, b).T is dot(b.T, a.T), if nothing else reads the product."""
    (x,) = node.inputs
    if not is_dot(x) or node.op.new_order != (1, 0) or ctx.readers(x) != 1:
        return None
    a, b = x.owner.inputs
    if a.type.ndim != 2 or b.type.ndim != 2:
        return None
    return dot_op(dimshuffle(b, 1, 0), dimshuffle(a, 1, 0))


@rule("stable", ops=[Dot])
def product_with_inverse(node: Any, ctx: Any) -> Any:
    """dot(inverse(a), b) is solve(a, b), if nothing else reads the inverse."""
    x, y = node.inputs
    pattern = node.outputs[0].type.broadcastable
    if x.type.ndim == 2 and _is_inverse(x) and ctx.readers(x) == 1:
        return patternbroadcast(_solve.solve(x.owner.inputs[0], y), pattern)
    if y.type.ndim != 2 or not _is_inverse(y) or ctx.readers(y) != 1:
        return None
    transposed = dimshuffle(y.owner.inputs[0], 1, 0)
    if x.type.ndim == 1:
        return patternbroadcast(_solve.solve(transposed, x), pattern)
    solution = dimshuffle(_solve.solve(transposed, dimshuffle(x, 1, 0)), 1, 0)
    return patternbroadcast(solution, pattern)


def _is_inverse(x: Any) -> bool:
    return x.owner is not None and getattr(x.owner.op, "inverts", False)


@rule("canonical", ops=[Dot])
def dot_with_zero(node: Any, ctx: Any) -> Any:
    """dot(0, x) is 0, if the lengths of the summed axes are proved equal."""
    (out,) = node.outputs
    x, y = node.inputs
    if constant_value(_filling(x)) != 0 and constant_value(_filling(y)) != 0:
        return None
    if not ctx.same_length(x, x.type.ndim - 1, y, 0):
        return None
    rows = [length_variable(x, d, ctx) for d in range(x.type.ndim - 1)]
    columns = [length_variable(y, d, ctx) for d in range(1, y.type.ndim)]
    zero = typed(0, out.type.dtype)
    return Alloc()(zero, *rows, *columns) if out.type.ndim else zero


def _filling(x: Any) -> Any:
    return x.owner.inputs[0] if x.owner is not None and isinstance(x.owner.op, Alloc) else x


@rule("canonical", ops=[Dot])
def dot_over_short_axis(node: Any, ctx: Any) -> Any:
    """A product that sums over an axis of length 1 is elementwise."""
    x, y = node.inputs
    if not (x.type.broadcastable[-1] and y.type.broadcastable[0]):
        return None
    left = dimshuffle(x, [*range(x.type.ndim - 1), *["x"] * (y.type.ndim - 1)])
    right = dimshuffle(y, [*["x"] * (x.type.ndim - 1), *range(1, y.type.ndim)])
    return _mul(left, right)


@rule("canonical", ops=[Dot])
def dot_with_column(node: Any, ctx: Any) -> Any:
    """A product with one column, or of one row, is a product of a matrix and a vector."""
    x, y = node.inputs
    if (x.type.ndim, y.type.ndim) != (2, 2):
        return None
    if y.type.broadcastable[1]:
        return dimshuffle(dot_op(x, dimshuffle(y, 0)), 0, "x")
    if x.type.broadcastable[0]:
        return dimshuffle(dot_op(dimshuffle(y, 1, 0), dimshuffle(x, 1)), "x", 0)
    return None


@rule("canonical", ops=[Dot])
def factor_out_of_dot(node: Any, ctx: Any) -> Any:
    """dot(s * x, y) is s * dot(x, y) for a scalar s, where that saves a pass over x."""
    (out,) = node.outputs
    operands = list(node.inputs)
    scales: list[Any] = []
    negative = False
    for i, x in enumerate(operands):
        x = _below_shuffle(x)
        if x.type.dtype != out.type.dtype or ctx.readers(x) != 1:
            continue
        if is_elemwise(x, neg):
            rest, own = x.owner.inputs, []
        else:
            factors = operands_of(x, mul) or []
            own = [v for v in factors if all(v.type.broadcastable)]
            rest = [v for v in factors if v not in own]
            if not own:
                continue
        # Where the factor is computed elementwise anyway, scaling it costs nothing.
        if len(rest) != 1 or rest[0].type != x.type or is_elemwise(rest[0]):
            continue
        negative ^= is_elemwise(x, neg)
        scales += own
        operands[i] = _shuffled_as(operands[i], rest[0])
    if operands == node.inputs:
        return None
    product = dot_op(*operands)
    if scales:
        product = _mul(
            *(
                dimshuffle(s, ["x"] * out.type.ndim) if s.type.ndim != out.type.ndim else s
                for s in map(_as_scalar, scales)
            ),
            product,
        )
    return _neg(product) if negative else product


def _as_scalar(s: Any) -> Any:
    return dimshuffle(s, []) if s.type.ndim else s


def _below_shuffle(x: Any) -> Any:
    """What `x` is a transpose of, or `x`."""
    if x.owner is not None and isinstance(x.owner.op, DimShuffle) and x.owner.op.is_transpose:
        return x.owner.inputs[0]
    return x


def _shuffled_as(x: Any, source: Any) -> Any:
    """`source` transposed as `x` is."""
    return x.owner.op(source) if _below_shuffle(x) is not x else source
