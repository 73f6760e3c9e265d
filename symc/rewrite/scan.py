"""Loops: what no one needs goes, products leave the loop, equal loops become one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..array.convert import constant
from ..graph.graph import clone_replace, equal_computations
from ..graph.node import Apply, Constant, Variable
from ..graph.walk import ancestors, toposort
from ..ops.alloc import alloc
from ..ops.dimshuffle import DimShuffle, dimshuffle
from ..ops.dot import Dot, dot_op
from ..ops.elemwise import elemwise_of
from ..ops.math import minimum
from ..ops.scan.op import Scan
from ..ops.scan.parts import LoopParts, RecurrencePart, ResultPart, StatePart
from ..ops.shape import patternbroadcast, reshape
from ..ops.slice import Subtensor
from ..scalar.arith import add, mul
from .rule import graph_pass, rule
from .siblings import columns_of, joined
from .sizes import length_variable
from .values import constant_value, is_elemwise, operands_of

__all__ = ["loop_contained"]

MAX_CONSTANT = 16
"""Constants of more elements stay operands of their loop."""

_add = elemwise_of(add)


@graph_pass("fold", tags=("scan", "merge"))
def loop_contained_first(outputs: Sequence[Variable], ctx: Any) -> list[Variable] | None:
    """`loop_contained`, before anything is rewritten.

    A gradient asks for a loop with further results of the forward loop. As soon as the two are
    rewritten inside, what has more readers may look otherwise.
    """
    return loop_contained(outputs, ctx)


@graph_pass("scan", tags=("scan", "merge"))
def loop_contained(outputs: Sequence[Variable], ctx: Any) -> list[Variable] | None:
    """A loop that computes what another one computes, too, is not run."""
    groups: dict[Any, list[Apply]] = {}
    for node in ctx.ordered(outputs):
        if isinstance(node.op, Scan):
            key = (tuple(map(id, node.inputs)), node.op.info.taps, node.op.info.states)
            groups.setdefault(key, []).append(node)
    swap: dict[Variable, Variable] = {}
    for nodes in groups.values():
        nodes.sort(key=lambda n: n.op.info.results)
        for k, small in enumerate(nodes):
            for large in reversed(nodes[k + 1 :]):
                found = _contained(small, large)
                if found is not None:
                    swap.update(found)
                    break
    return clone_replace(list(outputs), swap) if swap else None


def _contained(small: Apply, large: Apply) -> dict[Variable, Variable] | None:
    """The outputs of `large` that are those of `small`, if there are such for all of them."""
    a, b = small.op, large.op
    if replace(a.info, results=0, name=None) != replace(b.info, results=0, name=None):
        return None
    mine, theirs = a.split_inner_outputs(), b.split_inner_outputs()

    def same(x: Any, y: Any) -> bool:
        return bool(equal_computations([x], [y], a.inputs, b.inputs))

    for k in (0, 2):
        if not all(same(x, y) for x, y in zip(mine[k], theirs[k], strict=True)):
            return None
    if mine[3] is not None and not same(mine[3], theirs[3]):
        return None
    first, swap = a.info.recurrences, {}
    for k, x in enumerate(mine[1]):
        match = next((j for j, y in enumerate(theirs[1]) if same(x, y)), None)
        if match is None:
            return None
        swap[small.outputs[first + k]] = large.outputs[first + match]
    swap.update(zip(small.outputs[:first], large.outputs[:first], strict=True))
    rest = first + b.info.results
    swap.update(zip(small.outputs[first + a.info.results :], large.outputs[rest:], strict=True))
    return swap


@rule("canonical", ops=[Scan], tags=("scan",))
def loop_constant_inside(node: Any, ctx: Any) -> Any:
    """A constant of a few elements is known inside of the loop."""
    del ctx
    parts = LoopParts.of(node)
    known = {
        inner: outer
        for inner, outer in parts.constants
        if isinstance(outer, Constant)
        and isinstance(outer.data, np.ndarray)
        and outer.data.size <= MAX_CONSTANT
        and inner.type == outer.type
    }
    if not known:
        return None
    parts.constants = [(v, c) for v, c in parts.constants if v not in known]
    return parts.replaced(known).build()[0]


@rule("scan", ops=[Scan], tags=("scan",))
def loop_unused(node: Any, ctx: Any) -> Any:
    """Results that no one reads, and what only they need, are not computed."""
    if not ctx.knows_readers(node):
        return None
    parts = LoopParts.of(node)
    read = [bool(ctx.clients(out)) for out in node.outputs]
    roots = [r.value for r in parts.results if read[r.output]]
    roots += [] if parts.condition is None else [parts.condition]
    carried: list[Any] = [*parts.recurrences, *parts.states]
    waiting = [p for p in carried if not read[p.output]]
    roots += [p.new for p in carried if read[p.output]]
    while True:
        needed = set(ancestors(roots))
        found = [p for p in waiting if any(v in needed for v in p.seen)]
        if not found:
            break
        roots += [p.new for p in found]
        waiting = [p for p in waiting if p not in found]
    results = [r for r in parts.results if read[r.output]]
    changed = bool(waiting) or len(results) < len(parts.results)
    parts.results = results
    parts.recurrences = [p for p in parts.recurrences if p not in waiting]
    parts.states = [p for p in parts.states if p not in waiting]
    if not parts.outs:
        return None
    if not (parts.drop_unused_inputs() or changed):
        return None
    return parts.build()[0]


@rule("scan", ops=[Scan], tags=("scan",))
def loop_product_ahead(node: Any, ctx: Any) -> Any:
    """Products of sequences and constants are one product before the loop."""
    parts = LoopParts.of(node)
    sequences = dict(parts.sequences)
    constants = dict(parts.constants)
    swap: dict[Any, Any] = {}
    for inner in toposort(parts.outs):
        if not isinstance(inner.op, Dot):
            continue
        x, w = inner.inputs
        if x in sequences and w in constants and w.type.ndim == 2 and x.type.ndim in (1, 2):
            swap[inner.outputs[0]] = _all_products(sequences[x], constants[w], parts.steps, ctx)
    if not swap:
        return None
    for old, whole in swap.items():
        element = old.type()
        parts.sequences.append((element, whole))
        swap[old] = element
    return parts.replaced(swap).build()[0]


def _all_products(x: Any, w: Any, steps: Any, ctx: Any) -> Any:
    """``x[t] @ w`` for all t."""
    if x.type.ndim == 2:
        return dot_op(x, w)
    lead = length_variable(x, 0, ctx), length_variable(x, 1, ctx)
    flat = reshape(x, (lead[0] * lead[1], length_variable(x, 2, ctx)))
    return reshape(dot_op(flat, w), (*lead, length_variable(w, 1, ctx)))


@rule("scan", ops=[Scan], tags=("scan",))
def loop_product_after(node: Any, ctx: Any) -> Any:
    """A sum of products of matrices, or of outer products, is one product after the loop."""
    parts = LoopParts.of(node)
    if parts.condition is not None:
        return None
    later: list[tuple[StatePart, list[tuple[Any, Any]]]] = []
    for part in list(parts.states):
        found = _summed_products(part, parts)
        if found is not None:
            later.append((part, found))
    if not later:
        return None
    groups = _with_common_factor(later, parts)
    collected: dict[Any, ResultPart] = {}
    for part, _ in later:
        parts.states.remove(part)
    for _, factors in groups:
        for pair in factors:
            for value in pair:
                if value not in collected and not _fed(parts, value):
                    collected[value] = ResultPart(value)
                    parts.results.append(collected[value])
    sequences = dict(parts.sequences)
    outs, by_part = parts.build()

    def whole(value: Any) -> Any:
        if value in collected:
            return by_part[collected[value]]
        return sequences[value]

    for owners, factors in groups:
        products = [_product(whole(a), whole(b), ctx) for a, b in factors]
        total = products[0] if len(products) == 1 else _add(*products)
        columns = [total]
        if len(owners) > 1:
            columns = columns_of(total, [length_variable(p.start, 1, ctx) for p in owners])
        for part, column in zip(owners, columns, strict=True):
            outs[part.output] = _add(part.start, column)  # type: ignore[index]
    return outs


def _with_common_factor(
    later: list[tuple[StatePart, list[tuple[Any, Any]]]], parts: LoopParts
) -> list[tuple[list[StatePart], list[tuple[Any, Any]]]]:
    """The sums with their factors; ``a.T @ b`` and ``a.T @ c`` are one ``a.T @ (b, c)``."""
    groups: dict[Any, list[tuple[StatePart, list[tuple[Any, Any]]]]] = {}
    for part, factors in later:
        (a, b), *more = factors
        joinable = not more and a.type.ndim == 2 and b.type.dtype == part.start.type.dtype
        groups.setdefault((a, b.type.dtype) if joinable else part, []).append((part, factors))
    result = []
    for members in groups.values():
        owners = [part for part, _ in members]
        if len(members) == 1:
            result.append((owners, members[0][1]))
            continue
        b, order = joined([factors[0][1] for _, factors in members], 1, parts.outs)
        result.append(([owners[k] for k in order], [(members[0][1][0][0], b)]))
    return result


def _fed(parts: LoopParts, value: Any) -> bool:
    return any(value is v for v, _ in parts.sequences)


def _summed_products(part: StatePart, parts: LoopParts) -> list[tuple[Any, Any]] | None:
    """The factors a, b of ``state + a.T @ b``, if that is what a state becomes."""
    terms = operands_of(part.new, add)
    if part.inner.type.ndim != 2 or terms is None or terms.count(part.inner) != 1:
        return None
    factors = []
    for term in terms:
        if term is part.inner:
            continue
        pair = _factors(term)
        if pair is None:
            return None
        factors.append(pair)
    others = [o for o in parts.outs if o is not part.new]
    if part.inner in set(ancestors([*others, *(v for pair in factors for v in pair)])):
        return None
    return factors


def _factors(term: Any) -> tuple[Any, Any] | None:
    """a, b of ``a.T @ b`` for matrices, or of ``outer(a, b)`` for vectors."""
    node = term.owner
    if node is None:
        return None
    if isinstance(node.op, Dot) and all(v.type.ndim == 2 for v in node.inputs):
        left, right = node.inputs
        return dimshuffle_away(left), right
    if is_elemwise(term, mul) and len(node.inputs) == 2:
        column, row = node.inputs
        for a, b in ((column, row), (row, column)):
            x, y = _vector_in(a, (0, "x")), _vector_in(b, ("x", 0))
            if x is not None and y is not None:
                return x, y
    return None


def dimshuffle_away(x: Any) -> Any:
    """``x.T``, without a transpose of a transpose."""
    owner = x.owner
    if owner is not None and isinstance(owner.op, DimShuffle) and owner.op.new_order == (1, 0):
        return owner.inputs[0]
    return dimshuffle(x, 1, 0)


def _vector_in(x: Any, order: tuple[Any, ...]) -> Any:
    owner = x.owner
    if owner is None or not isinstance(owner.op, DimShuffle):
        return None
    (vector,) = owner.inputs
    return vector if vector.type.ndim == 1 and tuple(owner.op.new_order) == order else None


def _product(a: Any, b: Any, ctx: Any) -> Any:
    """Sum over t of ``a[t].T @ b[t]``, or of ``outer(a[t], b[t])``."""
    if a.type.ndim == 3:
        a, b = (
            reshape(
                v,
                (
                    length_variable(v, 0, ctx) * length_variable(v, 1, ctx),
                    length_variable(v, 2, ctx),
                ),
            )
            for v in (a, b)
        )
    return dot_op(dimshuffle(a, 1, 0), b)


# ---- memory


@graph_pass("scan", tags=("scan",))
def loop_last_rows(outputs: Sequence[Variable], ctx: Any) -> list[Variable] | None:
    """Of what a loop computes only the last rows are kept, where only these are read."""
    order = ctx.ordered(outputs)
    if not any(isinstance(node.op, Scan) for node in order):
        return None
    clients: dict[Variable, list[Apply | None]] = {out: [None] for out in outputs}
    for node in order:
        for variable in node.inputs:
            clients.setdefault(variable, []).append(node)
    swap: dict[Variable, Variable] = {}
    for node in order:
        if isinstance(node.op, Scan):
            swap.update(_keeping_last(node, clients, ctx))
    return clone_replace(list(outputs), swap) if swap else None


def _keeping_last(
    node: Apply, clients: dict[Variable, list[Apply | None]], ctx: Any
) -> dict[Variable, Variable]:
    parts = LoopParts.of(node)
    tails: dict[Any, list[Variable]] = {}
    for part in parts.recurrences:
        depth = -min(part.taps)
        found = _tails_of(part.output, depth, parts, node, clients)
        unread = node.outputs[part.output] not in clients
        if part.keep is None and (found or unread):
            part.keep = depth
            tails[part] = found
    for result in list(parts.results):
        found = _tails_of(result.output, 0, parts, node, clients)
        kept = _as_last_row(result, node, ctx) if found else None
        if kept is not None:
            parts.results.remove(result)
            parts.recurrences.append(kept)
            tails[kept] = found
    if not tails:
        return {}
    outs, by_part = parts.build()
    made = parts.steps if parts.done is None else outs[parts.done]
    swap = {
        old: new
        for old, new in zip(node.outputs, outs, strict=True)
        if new is not None and old.type == new.type
    }
    for part, variables in tails.items():
        depth = -min(part.taps)
        rows = by_part[part]
        swap.pop(node.outputs[part.output], None)
        swap.update((v, rows[depth - minimum(made, depth) :]) for v in variables)
    return swap


def _tails_of(
    output: int,
    depth: int,
    parts: LoopParts,
    node: Apply,
    clients: dict[Variable, list[Apply | None]],
) -> list[Variable]:
    """The variables that are the rows of an output, if only the last of these are read.

    Parameters
    ----------
    output : int
    depth : int
        Number of rows that were there before the first step.
    """
    out = node.outputs[output]
    readers = clients.get(out, [])
    if not depth and parts.done is None:
        return [out] if _reads_last(readers, 1) else []
    for reader in readers:
        if not _is_tail(reader, depth, parts, node):
            return []
        if not _reads_last(clients.get(reader.outputs[0], []), max(depth, 1)):  # type: ignore[union-attr]
            return []
    return [r.outputs[0] for r in readers if r is not None]


def _as_last_row(result: ResultPart, node: Apply, ctx: Any) -> RecurrencePart | None:
    """A collected value as a recurrence that no step sees, of which the last row is kept."""
    out = node.outputs[result.output]
    lengths = [length_variable(out, axis, ctx) for axis in range(1, out.type.ndim)]
    inside = set(node.op.inputs)
    if any(v in inside or v.owner is node for v in ancestors(lengths)):
        return None
    start = patternbroadcast(
        alloc(constant(0, dtype=out.type.dtype), 1, *lengths),
        (True, *result.value.type.broadcastable),
    )
    row = result.value.type()
    return RecurrencePart([row], (-1,), start, result.value, 1, result.output)


def _is_tail(reader: Apply | None, depth: int, parts: LoopParts, node: Apply) -> bool:
    """Whether a node reads the rows after the first `depth`."""
    if reader is None or not isinstance(reader.op, Subtensor):
        return False
    (entry, *more) = reader.op.index.filled(reader.inputs[1:]) or [None]
    if more or not isinstance(entry, slice) or entry.step is not None:
        return False
    first = 0 if entry.start is None else constant_value(entry.start)
    if first != depth:
        return False
    if parts.done is None:
        return entry.stop is None
    if not depth:
        return entry.stop is node.outputs[parts.done]
    stop = operands_of(entry.stop, add) if isinstance(entry.stop, Variable) else None
    return (
        stop is not None
        and len(stop) == 2
        and node.outputs[parts.done] in stop
        and any(constant_value(v) == depth for v in stop)
    )


def _reads_last(readers: Sequence[Apply | None], depth: int) -> bool:
    """Whether all nodes that read the rows read single ones among the last `depth`."""
    for reader in readers:
        if reader is None or not isinstance(reader.op, Subtensor):
            return False
        filled = reader.op.index.filled(reader.inputs[1:])
        if not filled or isinstance(filled[0], slice):
            return False
        place = constant_value(filled[0])
        if place is None or not -depth <= int(place) < 0:
            return False
    return bool(readers)
