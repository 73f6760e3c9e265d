"""Canonical sums and products.

**Sums.** Nested ``add``, ``sub`` and ``neg`` of one dtype become ``P - N``, where P and N are sums
of terms with positive and negative sign: ``add(c, p1, p2, ...) - add(n1, n2, ...)``. Constants are
added up into one, c, which is an operand of P, or of N if it is negative. Equal terms are
collected (``x + 2*x`` is ``3*x``) and cancel (``x - x`` is 0).

**Products.** Nested ``mul``, ``true_div``, ``inv``, ``neg``, ``sqr`` and integer powers become
``neg(N / D)``, where N and D are products of factors: ``mul(c, x, sqr(y), ...)``. Constants become
one; division by a constant stays a division unless a product is as exact. Equal factors are
collected into powers and cancel (``x / x`` is 1), and a product with 0 is 0.

A node that is read more than once is a term or factor of its own: what is shared is computed once.
Only where its terms cancel with others is it taken apart. Nodes whose only reader belongs to the
same sum or product are left to that reader, so that a long chain costs time in proportion to its
length.

As in Theano, what cancels is taken to be finite and not 0: ``x - x`` is 0 and ``0 * x`` is 0 for
infinite x too, ``x / x`` is 1 for ``x == 0``. Sums are reordered, which changes their rounding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import Any

import numpy as np

from ..array.variable import TensorConstant
from ..dtypes import DTYPES, is_continuous, upcast
from ..graph.node import Constant
from ..ops.elemwise import Elemwise, cast_like
from ..scalar.arith import neg
from .values import broadcast_like, constant_value, typed

__all__ = [
    "MAX_TERMS",
    "PEEK",
    "finished",
    "in_family",
    "is_algebraic",
    "is_other_part",
    "is_plain",
    "joined",
    "left_to_reader",
    "number",
    "opened",
    "part_key",
    "same_parts",
    "settled_constant",
    "typed_constant",
]

MAX_TERMS = 64
"""Longer sums and products stay nested."""

PEEK = 8
"""Longer sums and products that are shared are not searched for what cancels."""


def is_algebraic(x: Any) -> bool:
    """Whether the dtype of `x` is a number's: sums of bools are something else."""
    return DTYPES[x.type.dtype].kind in "iufc"


def is_plain(node: Any, scalar_op: Any, taken_apart: frozenset[Any]) -> bool:
    """Whether a sum or product has different operands and nothing in it to take apart."""
    if node.op.scalar_op is not scalar_op:
        return False
    operands = node.inputs
    for v in operands:
        owner = v.owner
        if owner is None:
            if isinstance(v, Constant):
                return False
        elif isinstance(owner.op, Elemwise) and owner.op.scalar_op in taken_apart:
            return False
    return len(set(operands)) == len(operands)


def settled_constant(x: Any, out: Any) -> Any:
    """The value of `x` if it is a constant as those of a canonical sum or product `out` are."""
    if not isinstance(x, TensorConstant) or x.type.dtype != out.type.dtype:
        return None
    value = x.unique_value() if all(x.type.broadcastable) else None
    return value if value is not None and np.isfinite(value) else None


def is_other_part(x: Any, taken_apart: frozenset[Any]) -> bool:
    """Whether `x` is no constant, and is not computed by a scalar op that is taken apart."""
    owner = x.owner
    if owner is None or not isinstance(owner.op, Elemwise):
        return constant_value(x) is None
    return owner.op.scalar_op not in taken_apart


def in_family(x: Any, family: Sequence[Any]) -> bool:
    """Whether `x` is computed by one of the scalar ops of a family (sums or products)."""
    node = x.owner
    if node is None or not isinstance(node.op, Elemwise) or node.op.scalar_op not in family:
        return False
    return is_algebraic(x)


def left_to_reader(out: Any, family: Sequence[Any], ctx: Any) -> bool:
    """Whether the only reader of `out` takes it apart itself."""
    clients = ctx.clients(out)
    if len(clients) != 1 or clients[0] is None:
        return False
    (reader,) = clients[0].outputs[:1]
    return in_family(reader, family) and reader.type.dtype == out.type.dtype


def opened(x: Any, out: Any, family: Sequence[Any], ctx: Any) -> bool:
    """Whether `x`, an operand in the expression of `out`, is taken apart."""
    if x.type.dtype != out.type.dtype or not in_family(x, family):
        return False
    return x.owner.op.scalar_op is neg or ctx.readers(x) == 1


def number(value: Any, dtype: str) -> Any:
    """A constant as a Python number, in which sums and products are computed."""
    kind = DTYPES[dtype].kind
    return complex(value) if kind == "c" else float(value) if kind == "f" else int(value)


def typed_constant(value: Any, dtype: str, ndim: int) -> Any:
    """A computed number as a constant of `dtype`; integers wrap."""
    if not is_continuous(dtype):
        bits = np.iinfo(dtype).bits
        value &= (1 << bits) - 1
        if dtype[0] == "i" and value >> (bits - 1):
            value -= 1 << bits
    return typed(value, dtype, ndim)


def joined(op: Elemwise, parts: Sequence[Any], dtype: str) -> Any:
    """The sum or product of `parts`, computed in `dtype`: narrower operands are converted first."""
    if upcast(*(p.type.dtype for p in parts)) != dtype:
        parts = [cast_like(parts[0], dtype), *parts[1:]]
    return parts[0] if len(parts) == 1 else op(*parts)


def same_parts(
    old: Sequence[Sequence[Any]],
    new: Sequence[Sequence[Any]],
    key: Callable[[Any], Hashable],
) -> bool:
    """Whether lists of parts are equal, compared by `key`, but for their order."""
    for a, b in zip(old, new, strict=True):
        if len(a) != len(b):
            return False
        ours, theirs = list(map(key, a)), list(map(key, b))
        if ours != theirs and Counter(ours) != Counter(theirs):
            return False
    return True


def part_key(x: Any) -> Hashable:
    """What tells parts apart: the value of constants, else the variable itself."""
    value = constant_value(x)
    return x if value is None else (x.type, value)


def finished(new: Any, out: Any, leaves: Sequence[Any], ctx: Any) -> Any:
    """`new` in the type and shape of `out`; None if it is `out` again."""
    if _is_same(new, out):
        return None
    return broadcast_like(new, out, leaves, ctx)


def _is_same(x: Any, y: Any, depth: int = 3) -> bool:
    """Whether two expressions are written alike, as far as new nodes reach."""
    if x is y:
        return True
    a = constant_value(x)
    if a is not None:
        b = constant_value(y)
        return b is not None and bool(a == b) and x.type == y.type
    if x.owner is None or y.owner is None or not depth:
        return False
    if x.owner.op is not y.owner.op and x.owner.op != y.owner.op:
        return False
    ours, theirs = x.owner.inputs, y.owner.inputs
    if len(ours) != len(theirs):
        return False
    return all(_is_same(v, w, depth - 1) for v, w in zip(ours, theirs, strict=True))
