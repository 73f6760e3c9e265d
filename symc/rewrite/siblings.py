"""Products in loops that share a factor are one product of joined matrices.

The four gates of an LSTM, written as four products ``h @ w_k``, cost four calls of a library with
small matrices; joined they cost one. The joined constants are made once, before the loop.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array.convert import constant
from ..graph.graph import equal_computations
from ..graph.node import Constant
from ..graph.walk import toposort
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.dot import Dot, dot_op
from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.join import Join, join
from ..ops.scan.op import Scan
from ..ops.scan.parts import LoopParts, ResultPart
from ..ops.shape import patternbroadcast
from ..ops.slice import INDEX, Subtensor
from ..scalar.arith import add
from .rule import rule
from .sizes import length_variable
from .values import operands_of

__all__ = ["columns_of", "joined"]

_add = elemwise_of(add)


class _Constants:
    """The matrices that do not change in a loop, inside and outside of it."""

    def __init__(self, parts: LoopParts) -> None:
        self.parts = parts
        self.turned: dict[Any, Any] = {}
        self.outer = {v: c for v, c in parts.constants if getattr(v.type, "ndim", 0) == 2}

    def outside(self, inner: Any) -> Any:
        """What an inner variable, or its transpose, is outside of the loop; else None."""
        if inner in self.outer:
            return self.outer[inner]
        node = inner.owner
        if node is None or not isinstance(node.op, DimShuffle) or node.op.new_order != (1, 0):
            return None
        whole = self.outer.get(node.inputs[0])
        if whole is not None and whole not in self.turned:
            self.turned[whole] = dimshuffle(whole, 1, 0)
        return self.turned.get(whole)

    def inside(self, outer: Any, name: str | None = None) -> Any:
        """A new inner variable for a value from outside."""
        made = outer.type(name)
        self.parts.constants.append((made, outer))
        return made

    def lengths(self, matrices: Sequence[Any], ctx: Any) -> list[Any]:
        """The widths of outer matrices, for use inside."""
        outer = [length_variable(w, 1, ctx) for w in matrices]
        return [n if isinstance(n, Constant) else self.inside(n) for n in outer]


def columns_of(whole: Any, lengths: Sequence[Any]) -> list[Any]:
    """`whole` cut along its last axis.

    Parameters
    ----------
    whole : variable
    lengths : sequence of 0-d int64 variables
        They add up to the length of the axis.
    """
    parts: list[Any] = []
    first: Any = None
    for n in lengths:
        last = n if first is None else first + n
        if isinstance(n, Constant) and isinstance(first, (Constant, type(None))):
            last = constant(int(n.data) + (0 if first is None else int(first.data)), dtype="int64")
        kind = slice(None if first is None else INDEX, INDEX)
        bounds = [bound for bound in (first, last) if bound is not None]
        index = [*[slice(None)] * (whole.type.ndim - 1), kind]
        parts.append(Subtensor(index)(whole, *bounds))
        first = last
    return parts


def joined(values: Sequence[Any], axis: int, outs: Sequence[Any]) -> tuple[Any, list[int]]:
    """The join of values, and their order in it: that of a join of them in the graph of `outs`."""
    for node in toposort(list(outs)):
        if isinstance(node.op, Join) and node.op.axis == axis and len(node.inputs) == len(values):
            order = [_place(v, values) for v in node.inputs]
            if sorted(order) == list(range(len(values))):
                return node.outputs[0], order
    return join(axis, *values), list(range(len(values)))


def _place(part: Any, values: Sequence[Any]) -> int:
    """Which of the values a part of a join is; -1 for none."""
    for k, value in enumerate(values):
        if value is part or equal_computations([value], [part]):
            return k
    return -1


@rule("scan", ops=[Scan], tags=("scan",))
def loop_products_joined(node: Any, ctx: Any) -> Any:
    """Products ``h @ w`` with several constants w are one product with the joined constants."""
    parts = LoopParts.of(node)
    constants = _Constants(parts)
    groups: dict[tuple[Any, str], list[tuple[Any, Any]]] = {}
    for inner in toposort(parts.outs):
        if isinstance(inner.op, Dot) and inner.inputs[0] not in constants.outer:
            x, w = inner.inputs
            outer = constants.outside(w)
            if outer is not None and x.type.ndim in (1, 2) and x.type.dtype == w.type.dtype:
                groups.setdefault((x, w.type.dtype), []).append((inner.outputs[0], outer))
    swap: dict[Any, Any] = {}
    collected: dict[ResultPart, tuple[ResultPart, Any]] = {}
    for (x, _), products in groups.items():
        matrices = list(dict.fromkeys(w for _, w in products))
        if len(matrices) < 2:
            continue
        whole = dot_op(x, constants.inside(join(1, *matrices)))
        columns = columns_of(whole, constants.lengths(matrices, ctx))
        for product, w in products:
            part = columns[matrices.index(w)]
            swap[product] = patternbroadcast(part, product.type.broadcastable)
        collected.update(_collected_whole(parts, dict(products), whole, matrices, ctx))
    if not swap:
        return None
    outs, by_part = parts.replaced(swap).build()
    for part, (whole, cut) in collected.items():
        outs[part.output] = cut(by_part[whole])  # type: ignore[index]
    return outs


def _collected_whole(
    parts: LoopParts, products: dict[Any, Any], whole: Any, matrices: Sequence[Any], ctx: Any
) -> dict[ResultPart, tuple[ResultPart, Any]]:
    """Let a loop that collects products collect the joined one instead.

    Returns
    -------
    dict
        For each result that is gone the one that has it, and what takes its part of that.
    """
    own = [r for r in parts.results if r.value in products]
    if not own:
        return {}
    made = ResultPart(whole)
    parts.results = [*(r for r in parts.results if r not in own), made]
    lengths = [length_variable(w, 1, ctx) for w in matrices]

    def part_of(result: ResultPart) -> Any:
        k = matrices.index(products[result.value])
        pattern = (False, *result.value.type.broadcastable)
        return lambda rows: patternbroadcast(columns_of(rows, lengths)[k], pattern)

    return {r: (made, part_of(r)) for r in own}


@rule("scan", ops=[Scan], tags=("scan",))
def loop_sum_of_products_joined(node: Any, ctx: Any) -> Any:
    """A sum of products ``g @ w`` with constants w is one product of the joined factors."""
    del ctx
    parts = LoopParts.of(node)
    constants = _Constants(parts)
    swap: dict[Any, Any] = {}
    for inner in toposort(parts.outs):
        if not isinstance(inner.op, Elemwise) or inner.op.scalar_op is not add:
            continue
        terms = operands_of(inner.outputs[0], add) or []
        pairs: list[tuple[Any, Any]] = []
        rest = []
        for term in terms:
            pair = _with_constant(term, constants)
            if pair is None or (pairs and pair[0].type.ndim != pairs[0][0].type.ndim):
                rest.append(term)
            else:
                pairs.append(pair)
        if len(pairs) < 2:
            continue
        left, order = joined([g for g, _ in pairs], pairs[0][0].type.ndim - 1, parts.outs)
        product = dot_op(left, constants.inside(join(0, *(pairs[k][1] for k in order))))
        total = _add(*rest, product) if rest else product
        old = inner.outputs[0]
        if total.type == old.type:
            swap[old] = total
    return parts.replaced(swap).build()[0] if swap else None


def _with_constant(term: Any, constants: _Constants) -> tuple[Any, Any] | None:
    """g, w of a product ``g @ w`` with a constant matrix, which is given as it is outside."""
    node = term.owner
    if node is None or not isinstance(node.op, Dot):
        return None
    g, w = node.inputs
    outer = constants.outside(w)
    if outer is None or g.type.ndim not in (1, 2) or any(g.type.broadcastable):
        return None
    return None if g in constants.outer else (g, outer)
