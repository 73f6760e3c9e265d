"""The order pass: steps in an order that respects what they read and write."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass, field

from ..errors import VerifyError
from ..loop.program import Step


@dataclass(eq=False)
class Item:
    """A step with what must precede it.

    Attributes
    ----------
    step : Step
    number : int
        Where it would be in the order of the graph.
    reads, writes : set of int
        Buffers, including those whose sizes or values are used.
    after : list of Item
        Other steps that must come before.
    inner : callable or None
        Finishes the memory plan of the steps inside; takes the number of this step.
    """

    step: Step
    number: int
    reads: set[int]
    writes: set[int]
    after: list[Item] = field(default_factory=list)
    inner: Callable[[int], None] | None = None


def ordered(items: Sequence[Item], updates: Container[int]) -> list[Item]:
    """The steps in order: each after the writers of what it reads.

    Steps that may fail, and what they need, come early; steps that only make new values of
    containers (the buffers in `updates`) come last, so that they may overwrite the old ones.

    A buffer that is written twice (a copy, then an update of the copy) is written in the order in
    which the steps were made, and its readers come after the last write.
    """
    writers: dict[int, list[Item]] = {}
    for item in items:
        for buffer in item.writes:
            writers.setdefault(buffer, []).append(item)
    waiting: dict[Item, int] = {}
    followers: dict[Item, list[Item]] = {item: [] for item in items}
    for item in items:
        before = set(item.after)
        for buffer in item.reads | item.writes:
            found = writers.get(buffer, [])
            before.update(found[: found.index(item)] if item in found else found)
        before.discard(item)
        waiting[item] = len(before)
        for other in before:
            followers[other].append(item)
    urgent = _urgent(items, followers)
    position = {item: k for k, item in enumerate(items)}

    def entry(item: Item) -> tuple[int, int, int]:
        late = not followers[item] and any(b in updates for b in item.writes)
        return 0 if item in urgent else 1 + late, item.number, position[item]

    ready = [entry(i) for i in items if not waiting[i]]
    heapq.heapify(ready)
    order: list[Item] = []
    by_position = list(items)
    while ready:
        item = by_position[heapq.heappop(ready)[-1]]
        order.append(item)
        for other in followers[item]:
            waiting[other] -= 1
            if not waiting[other]:
                heapq.heappush(ready, entry(other))
    if len(order) != len(items):
        raise VerifyError("steps of a program depend on each other in a cycle")
    return order


def _urgent(items: Sequence[Item], followers: dict[Item, list[Item]]) -> set[Item]:
    """Steps that may fail, and all that they need: early, so that updates may be in place."""
    before: dict[Item, list[Item]] = {item: [] for item in items}
    for item, others in followers.items():
        for other in others:
            before[other].append(item)
    stack = [item for item in items if item.step.fallible]
    found: set[Item] = set()
    while stack:
        item = stack.pop()
        if item not in found:
            found.add(item)
            stack.extend(before[item])
    return found
