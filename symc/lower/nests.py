"""Nests that check before they write are split: the checks can then run before any other write."""

from __future__ import annotations

from dataclasses import replace

from ..loop.ir import (
    Assign,
    AtomicAdd,
    CheckIndex,
    FailIf,
    For,
    If,
    Nest,
    Stmt,
    Var,
    While,
    expressions,
    statements,
)
from ..loop.kernel import Operand, Store
from ..scalar.expr import walk

Body = tuple[Stmt, ...]


def checks_come_first(nest: Nest) -> bool:
    """Whether it shows that all that may fail comes before the first store to an operand."""
    split = _first_write(nest)
    return not any(_has_checks((top,)) for top in nest.body[split:])


def split_checks(nest: Nest) -> tuple[Nest, Nest] | None:
    """The checks of a nest that checks first, and the rest, which can't fail.

    Returns
    -------
    tuple of Nest, or None
        The first has only read operands. None if the nest has no checks before its first store.
    """
    split = _first_write(nest)
    before = nest.body[:split]
    if not _has_checks(before):
        return None
    work = _without_checks(nest.body)
    return _nest(nest, before, readonly=True), _nest(nest, work, readonly=False)


def _first_write(nest: Nest) -> int:
    """Position of the first top-level statement that stores to an operand."""
    targets = {o.key for o in nest.operands if "w" in o.access}
    for position, top in enumerate(nest.body):
        if any(
            isinstance(s, (Store, AtomicAdd)) and s.operand in targets
            for s, _ in statements((top,))
        ):
            return position
    return len(nest.body)


def _has_checks(body: Body) -> bool:
    return any(isinstance(s, (CheckIndex, FailIf)) for s, _ in statements(body))


def _without_checks(body: Body) -> Body:
    """The body without checks, and without blocks that do nothing else.

    It calls itself as deep as loops are nested, which is as many axes as arrays have.
    """
    kept: list[Stmt] = []
    for stmt in body:
        if isinstance(stmt, (CheckIndex, FailIf)):
            continue
        if isinstance(stmt, (For, While, If)) and not _acts(stmt):
            continue
        if isinstance(stmt, (For, While)):
            stmt = replace(stmt, body=_without_checks(stmt.body))
        elif isinstance(stmt, If):
            stmt = replace(
                stmt, then=_without_checks(stmt.then), orelse=_without_checks(stmt.orelse)
            )
        kept.append(stmt)
    return tuple(kept)


def _acts(block: Stmt) -> bool:
    """Whether a block has an effect besides its checks."""
    inside = [s for s, _ in statements((block,))]
    own = {s.key for s in inside if isinstance(s, Var)}
    return any(
        isinstance(s, (Store, AtomicAdd)) or (isinstance(s, Assign) and s.key not in own)
        for s in inside
    )


def _nest(nest: Nest, body: Body, readonly: bool) -> Nest:
    """A nest of other statements, with the operands that these name."""
    used: set[str] = set()
    for stmt, _ in statements(body):
        if isinstance(stmt, (Store, AtomicAdd)):
            used.add(stmt.operand)
        for node in walk(expressions(stmt)):
            if node.kind == "load":
                used.add(node.payload)
            elif node.kind == "size" and node.payload[0] in ("dim", "stride"):
                used.add(node.payload[1])
    operands = tuple(
        Operand(o.key, o.dtype, o.ndim, "r" if readonly else o.access)
        for o in nest.operands
        if o.key in used or not readonly
    )
    return replace(nest, operands=operands, body=body)
