"""Which variables a result has its shape from: what needs no compiler to be known equal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

__all__ = ["origins_remembered", "shape_origins"]

_Origins = frozenset[Any]

_STEPS = 16
"""How far a walk goes up that keeps nothing."""

_MOST = 32
"""Of so many variables a shape may come, where all the way up is walked."""

_memory: ContextVar[dict[Any, _Origins] | None] = ContextVar("symc_shape_origins", default=None)


@contextmanager
def origins_remembered() -> Iterator[None]:
    """Walk all the way up inside the block, but each part of the graph only once.

    The graphs must stay as they are meanwhile.
    """
    token = _memory.set({})
    try:
        yield
    finally:
        _memory.reset(token)


def shape_origins(v: Any) -> frozenset[Any]:
    """Variables that, broadcast against each other, have the shape of `v`.

    They are found by walking up through elementwise ops, and through ops of one operand that keep
    the shape. Outside of `origins_remembered` the walk is short: what is missed here is found by
    the compiler.
    """
    memory = _memory.get()
    return _few_steps(v) if memory is None else _all_steps(v, memory)


def _shaped_like(v: Any) -> Sequence[Any]:
    """The operands that give `v` its shape, broadcast against each other; () if it has its own."""
    node = v.owner
    if node is None or not getattr(node.op, "keeps_shape", False):
        return ()
    pattern = v.type.broadcastable
    shaped = [w for w in node.inputs if w.type.broadcastable == pattern]
    for w in node.inputs:
        if w.type.broadcastable != pattern and not all(w.type.broadcastable):
            return ()
    return shaped if not all(pattern) else ()


def _few_steps(v: Any) -> _Origins:
    pending, origins = [v], set()
    for _ in range(_STEPS):
        if not pending:
            break
        u = pending.pop()
        operands = _shaped_like(u)
        if operands:
            pending.extend(operands)
        else:
            origins.add(u)
    return frozenset(origins.union(pending))


def _all_steps(v: Any, memory: dict[Any, _Origins]) -> _Origins:
    stack = [v]
    while stack:
        u = stack[-1]
        if u in memory:
            stack.pop()
            continue
        operands = _shaped_like(u)
        waiting = [w for w in operands if w not in memory]
        if waiting:
            stack.extend(waiting)
        elif operands:
            memory[u] = _united([memory[w] for w in operands]) or _few_steps(u)
        else:
            memory[u] = frozenset((u,))
    return memory[v]


def _united(parts: Sequence[_Origins]) -> _Origins | None:
    """The union, which is one of the parts where that will do; None if it has too many members."""
    largest = max(parts, key=len)
    if all(part is largest or part <= largest for part in parts):
        return largest
    union = largest.union(*parts)
    return union if len(union) <= _MOST else None
