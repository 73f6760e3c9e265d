"""Sums with a product of matrices in them, as one library call that updates the summand.

``b * C + a * dot(A, B)`` is one call of gemm, for a vector C of gemv. That saves a pass over memory
where C is a buffer that exists already: a weight that is updated, another product. Where C is
computed elementwise, or the sum goes into an elementwise expression, addition costs nothing, as it
is fused; then the sum is left alone.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..dtypes import is_float
from ..loop.routines import DTYPES as ROUTINE_DTYPES
from ..ops.dimshuffle import dimshuffle
from ..ops.dot import gemm, gemv
from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.reduce import CAReduce
from ..ops.softmax import LogSoftmax, Softmax
from ..scalar.arith import add, mul, neg, sub, true_div
from .dots import is_dot
from .products import product_of
from .rule import rule
from .values import is_elemwise, typed

__all__ = ["gemm_of_sum"]

MAX_TERMS = 8
"""Longer sums are left alone."""

_FUSE_THEIR_OPERANDS = (Elemwise, CAReduce, Softmax, LogSoftmax)

_add, _mul, _div, _neg = map(elemwise_of, (add, mul, true_div, neg))


@dataclass(frozen=True)
class _Scale:
    """A scalar factor: a number times variables, divided by variables."""

    number: float = 1.0
    above: tuple[Any, ...] = ()
    below: tuple[Any, ...] = ()

    def times(self, other: _Scale) -> _Scale:
        """The product of two factors."""
        return _Scale(
            self.number * other.number, self.above + other.above, self.below + other.below
        )

    def variable(self, dtype: str) -> Any:
        """The factor as a 0-d variable of `dtype`."""
        number = abs(self.number) if self.above and abs(self.number) == 1 else self.number
        parts = list(self.above)
        if number != 1 or not parts:
            parts.insert(0, typed(number, dtype))
        total = parts[0] if len(parts) == 1 else _mul(*parts)
        if self.below:
            total = _div(total, self.below[0] if len(self.below) == 1 else _mul(*self.below))
        return _neg(total) if number != self.number else total


@dataclass
class _Sum:
    """A sum taken apart: products of matrices, and the other terms, with scalar factors."""

    out: Any
    dots: list[tuple[_Scale, Any]] = field(default_factory=list)
    others: list[tuple[_Scale, Any]] = field(default_factory=list)

    def __len__(self) -> int:
        return len(self.dots) + len(self.others)

    def put(self, scale: _Scale, x: Any, ctx: Any) -> None:
        """Add a term that is not taken apart any more."""
        alone = is_dot(x) and x.type == self.out.type and ctx.readers(x) == 1
        (self.dots if alone else self.others).append((scale, x))


def _taken_apart(out: Any, ctx: Any) -> _Sum | None:
    """The terms of `out`; None if there are too many or one has no scalar times one tensor."""
    total = _Sum(out)
    pending = [(_Scale(), out)]
    while pending and len(total) <= MAX_TERMS:
        scale, x = pending.pop()
        if x.type != out.type:
            return None
        if is_elemwise(x, add, sub) and (x is out or ctx.readers(x) == 1):
            signs = [1.0] * len(x.owner.inputs)
            if x.owner.op.scalar_op is sub:
                signs[1] = -1.0
            parts = [
                (scale.times(_Scale(sign)), v)
                for sign, v in zip(signs, x.owner.inputs, strict=True)
            ]
            pending.extend(parts[::-1])
            continue
        factor, core = _scaled(x, ctx)
        if core is x:
            total.put(scale, x, ctx)
        else:
            pending.append((scale.times(factor), core))
    return total if len(total) <= MAX_TERMS else None


def _scaled(x: Any, ctx: Any) -> tuple[_Scale, Any]:
    """`x` as a scalar factor times one tensor of its type; itself if it is not of that form."""
    if not is_elemwise(x, mul, true_div, neg) or ctx.readers(x) != 1:
        return _Scale(), x
    product = product_of(x, ctx)
    above: list[Any] = []
    below: list[Any] = []
    core = None
    for v, exponent in product.factors.items():
        scalar = all(v.type.broadcastable) and v.type.dtype == x.type.dtype
        if scalar and abs(exponent) == 1:
            (above if exponent > 0 else below).append(dimshuffle(v, []) if v.type.ndim else v)
        elif core is None and exponent == 1 and v.type == x.type:
            core = v
        else:
            return _Scale(), x
    if core is None:
        return _Scale(), x
    return _Scale(product.over / product.under, tuple(above), tuple(below)), core


@rule("blas", ops=[add, sub])
def gemm_of_sum(node: Any, ctx: Any) -> Any:
    """``b * C + a * dot(A, B)`` is one call of gemm (gemv for a vector C) that updates C."""
    (out,) = node.outputs
    dtype = out.type.dtype
    if out.type.ndim not in (1, 2) or dtype not in ROUTINE_DTYPES or not is_float(dtype):
        return None
    clients = ctx.clients(out)
    if any(c is not None and isinstance(c.op, _FUSE_THEIR_OPERANDS) for c in clients):
        return None
    total = _taken_apart(out, ctx)
    if total is None or not total.dots:
        return None
    start = _summand(total, dtype)
    if start is None:
        return None
    result, beta = start
    if not ctx.same_shape(result, out):
        return None
    for scale, product in total.dots:
        if not ctx.same_shape(product, out):
            return None
        result = _accumulated(result, beta, scale.variable(dtype), product)
        beta = typed(1, dtype)
    return result


def _summand(total: _Sum, dtype: str) -> tuple[Any, Any] | None:
    """What the products are added to, and its factor; a product leaves the list for it."""
    cores = {core for _, core in total.others}
    if not cores:
        if len(total.dots) < 2:
            return None
        scale, product = total.dots.pop(0)
        return product, scale.variable(dtype)
    if len(cores) > 1:
        return None
    (core,) = cores
    if core.owner is not None and isinstance(core.owner.op, Elemwise):
        return None
    factors = [scale.variable(dtype) for scale, _ in total.others]
    return core, factors[0] if len(factors) == 1 else _add(*factors)


def _accumulated(summand: Any, beta: Any, alpha: Any, product: Any) -> Any:
    x, y = product.owner.inputs
    if product.type.ndim == 2:
        return gemm(summand, alpha, x, y, beta)
    if x.type.ndim == 1:
        x, y = dimshuffle(y, 1, 0), x
    return gemv(summand, alpha, x, y, beta)
