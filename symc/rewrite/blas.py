"""Products of matrices: transposes and factors moved outward, sums with them made one call."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array.convert import constant
from ..loop.routines import DTYPES as ROUTINE_DTYPES
from ..ops.alloc import Alloc
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.dot import Dot, dot_op, gemm, gemv
from ..ops.elemwise import Elemwise, elemwise_of
from ..scalar.arith import add, mul, neg, sub
from .rule import rule
from .sizes import length_variable
from .values import constant_value, is_elemwise, operands_of, typed

__all__ = ["gemm_of_sum"]

_add, _sub, _neg, _mul = map(elemwise_of, (add, sub, neg, mul))


def _is_dot(x: Any) -> bool:
    return x.owner is not None and isinstance(x.owner.op, Dot)


@rule(("canonical", "specialise"), ops=[DimShuffle])
def transpose_of_dot(node: Any, ctx: Any) -> Any:
    """dot(a, b).T is dot(b.T, a.T), if nothing else reads the product."""
    (x,) = node.inputs
    if not _is_dot(x) or node.op.new_order != (1, 0) or ctx.readers(x) != 1:
        return None
    a, b = x.owner.inputs
    if a.type.ndim != 2 or b.type.ndim != 2:
        return None
    return dot_op(dimshuffle(b, 1, 0), dimshuffle(a, 1, 0))


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


# ---------------------------------------------------------------------------------------------
# gemm and gemv
# ---------------------------------------------------------------------------------------------


class _Term:
    """A term of a sum: scalars times one tensor."""

    def __init__(self, x: Any, sign: int) -> None:
        self.x = x
        self.sign = sign
        self.scales: list[Any] = []
        self.core = x
        factors = operands_of(x, mul)
        if factors is not None:
            rest = [v for v in factors if not all(v.type.broadcastable)]
            if len(rest) == 1 and rest[0].type == x.type:
                self.core = rest[0]
                self.scales = [v for v in factors if v is not rest[0]]
        elif is_elemwise(x, neg):
            self.core, self.sign = x.owner.inputs[0], -sign

    def scale(self, dtype: str) -> Any:
        """The scalar factor, sign included, as a 0-d variable of `dtype`."""
        number, symbols = float(self.sign), []
        for s in self.scales:
            value = constant_value(s)
            if value is None:
                symbols.append(dimshuffle(s, []) if s.type.ndim else s)
            else:
                number *= float(value)
        if not symbols:
            return typed(number, dtype)
        total = symbols[0] if len(symbols) == 1 else _mul(*symbols)
        if number == -1:
            total = _neg(total)
        elif number != 1:
            total = _mul(constant(number, dtype=dtype), total)
        return total


def _terms(out: Any) -> list[_Term]:
    operands = out.owner.inputs
    if out.owner.op.scalar_op is sub:
        return [*_of_sum(operands[0], 1), *_of_sum(operands[1], -1)]
    return [_Term(v, 1) for v in operands]


def _of_sum(x: Any, sign: int) -> list[_Term]:
    parts = operands_of(x, add) or [x]
    same = all(p.type.dtype == x.type.dtype for p in parts)
    return [_Term(p, sign) for p in (parts if same else [x])]


def _sum_of(terms: Sequence[_Term]) -> Any:
    """The sum of terms as an elementwise expression."""
    plus = [t.x for t in terms if t.sign == 1 or (t.x is not t.core and is_elemwise(t.x, neg))]
    minus = [t.x for t in terms if t.x not in plus]
    total = None if not plus else plus[0] if len(plus) == 1 else _add(*plus)
    for x in minus:
        total = _neg(x) if total is None else _sub(total, x)
    return total


@rule("blas", ops=[add, sub])
def gemm_of_sum(node: Any, ctx: Any) -> Any:
    """B * C + a * dot(A, B) is one call of gemm (gemv for a vector C), which may overwrite C."""
    (out,) = node.outputs
    dtype = out.type.dtype
    if out.type.ndim not in (1, 2) or dtype not in ROUTINE_DTYPES or dtype.startswith("complex"):
        return None
    terms = _terms(out)
    if any(t.x.type.dtype != dtype for t in terms) or len(terms) < 2:
        return None
    for k, term in enumerate(terms):
        if not _is_product(term, out, ctx):
            continue
        rest = terms[:k] + terms[k + 1 :]
        alone = rest[0] if len(rest) == 1 and not _is_computed(rest[0].core) else None
        summand = alone.core if alone is not None else _sum_of(rest)
        if summand.type != out.type or not ctx.same_shape(summand, out):
            continue
        beta = alone.scale(dtype) if alone is not None else typed(1, dtype)
        x, y = term.core.owner.inputs
        if out.type.ndim == 2:
            return gemm(summand, term.scale(dtype), x, y, beta)
        if x.type.ndim == 1:
            x, y = dimshuffle(y, 1, 0), x
        return gemv(summand, term.scale(dtype), x, y, beta)
    return None


def _is_product(term: _Term, out: Any, ctx: Any) -> bool:
    """Whether a term is a scaled product of the shape of the sum that nothing else reads."""
    core = term.core
    if not _is_dot(core) or core.type != out.type or ctx.readers(core) != 1:
        return False
    if term.x is not core and ctx.readers(term.x) != 1:
        return False
    scalars = all(s.type.dtype == out.type.dtype for s in term.scales)
    return scalars and bool(ctx.same_shape(core, out))


def _is_computed(x: Any) -> bool:
    """Whether `x` is the result of an elementwise expression, which scales at no cost."""
    return x.owner is not None and isinstance(x.owner.op, Elemwise)
