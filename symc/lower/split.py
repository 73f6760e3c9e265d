"""Large clusters are cut into kernels of bounded size."""

from __future__ import annotations

import heapq
from collections.abc import Iterator, Mapping, Sequence

from ..scalar.expr import Expr, walk
from .cluster import Cluster
from .define import Read, Value

MAX_KERNEL_SIZE = 300
"""Kernels are cut where they would have more statements than this."""
MAX_SWEEPS = 8
"""Kernels are cut where more reductions than this depend on each other."""
ACCUMULATOR = 6
"""A reduction counts as so many statements: its accumulators take registers."""
DEAR = 8
"""An operation of this cost counts as one more statement."""
FUNCTION = 15
"""Cost from which on an operation is a function of many steps."""
MAX_FUNCTIONS = 16
"""Kernels are cut where they would have more functions than this, ..."""
FUNCTIONS_AFTER_CUT = 8
"""... into parts with at most so many. In a long body one function waits for another; in a loop
around few of them the processor works on several elements at a time, and memory is not the limit
yet. Equal parts of a chain also become one function in C."""

SIZE_BESIDE_TWINS = 40
"""Statements of a part, where many functions have moved to their twins: what they leave behind are
loops of products, which would be long. A chain of 250 links and its gradient take 100 us in parts
of 40 statements, 110 us in parts of 300."""

Readers = Mapping[Value, Sequence[tuple[Value, Read]]]


def segments(cluster: Cluster, readers: Readers) -> list[list[Value]]:
    """The members in topological order, cut into kernels of bounded size.

    Cuts are made where few values cross, in an order in which few values are alive at a time.
    """
    order = sorted(cluster.members, key=lambda v: v.number)
    sweeps = _sweeps(order)
    size_of = {v: statements(v) for v in order}
    calls_of = {v: functions(v) for v in order}
    small = sum(size_of.values()) <= MAX_KERNEL_SIZE
    all_calls = sum(calls_of.values())
    few = all_calls <= MAX_FUNCTIONS
    if small and few and max(sweeps.values()) <= MAX_SWEEPS:
        return [order]
    if not any(sweeps.values()):
        candidates = [deep_order(order), close_order(order, readers)]
        counted = [(found, _crossings(found, readers)) for found in candidates]
        order, crossing = min(counted, key=lambda pair: sum(pair[1]))
    else:
        crossing = _crossings(order, readers)
    together = twins_together(order, readers)
    if together:
        order = list(_moved(order, together))
        crossing = _crossings(order, readers)
        calls_of |= dict.fromkeys(together.values(), 0)
    sizes = [size_of[v] for v in order]
    calls = [calls_of[v] for v in order]
    most_calls = all_calls if few else FUNCTIONS_AFTER_CUT
    most_size = SIZE_BESIDE_TWINS if len(together) > MAX_FUNCTIONS else MAX_KERNEL_SIZE
    parts: list[list[Value]] = []
    start = 0
    while start < len(order):
        stop, total, best, called = start, 0, -1, 0
        last_sweep = sweeps[order[start]] + MAX_SWEEPS
        while stop < len(order) and (
            stop == start
            or (
                total + sizes[stop] <= most_size
                and called + calls[stop] <= most_calls
                and sweeps[order[stop]] <= last_sweep
            )
        ):
            total += sizes[stop]
            called += calls[stop]
            far = 2 * total >= most_size or 2 * called > most_calls
            if far and (best < 0 or crossing[stop] <= crossing[best]):
                best = stop
            stop += 1
        end = stop if stop == len(order) or best < 0 else best + 1
        parts.append(order[start:end])
        start = end
    return parts


def twins_together(order: Sequence[Value], readers: Readers) -> dict[Value, Value]:
    """Values behind which the value of their twin is best computed, and the latter.

    The sine of a value and its cosine take little longer than one of them. Where nothing later
    reads that value, the second of the two is kept in memory instead of it; a value that is given
    is in memory in any case, and the kernel that would read it again calls a function less.
    """
    position = {v: k for k, v in enumerate(order)}
    sines = [v for v in order if (call := _call_of_read(v)) is not None and call.op.twin]
    found: dict[Value, Value] = {}
    for value in sines:
        read = value.reads[0]
        others = [r for r, _ in readers[read.source] if r is not value]
        twin = next((r for r in others if r in position and _is_twin(value, r)), None)
        if twin is None:
            continue
        first, second = sorted((value, twin), key=position.__getitem__)
        start = position[first]
        given = read.source not in position
        if given or all(r is twin or position.get(r, len(order)) < start for r in others):
            found[first] = second
    return found


def _call_of_read(value: Value) -> Expr | None:
    """What the value is, if that is a call of an op with nothing but an element of another one."""
    template = value.template
    if template is None or value.form != "map" or len(template.reads) != 1:
        return None
    expr = template.expr
    return expr if expr.kind == "call" and expr.args == (template.reads[0].slot,) else None


def _is_twin(value: Value, other: Value) -> bool:
    """Whether `other` is the value of the twin of the op of `value` in the same places."""
    one, two = _call_of_read(value), _call_of_read(other)
    return (
        one is not None
        and two is not None
        and two.op.name == one.op.twin[0]
        and value.reads[0].index == other.reads[0].index
        and value.domain == other.domain
    )


def _moved(order: Sequence[Value], behind: Mapping[Value, Value]) -> Iterator[Value]:
    """`order` with some values right behind others."""
    later = set(behind.values())
    for value in order:
        if value not in later:
            yield value
            if value in behind:
                yield behind[value]


def _sweeps(order: Sequence[Value]) -> dict[Value, int]:
    """How many reductions lie on the way to each value."""
    found: dict[Value, int] = {}
    for value in order:
        sources = [r.source for r in value.reads]
        found[value] = max((found[s] + (s.form == "reduce") for s in sources if s in found),
                           default=0)
    return found


def statements(value: Value) -> int:
    """Roughly how many statements a value adds to a kernel."""
    calls = _calls(value)
    accumulator = ACCUMULATOR if value.form == "reduce" else 0
    return accumulator + sum(1 + int(n.op.cost) // DEAR for n in calls)


def functions(value: Value) -> int:
    """How many costly functions a value calls."""
    return sum(int(n.op.cost) >= FUNCTION for n in _calls(value))


def _calls(value: Value) -> list[Expr]:
    assert value.template is not None
    expr = value.template.expr
    nodes = walk([expr]) if any(a.args for a in expr.args) else [expr]
    return [n for n in nodes if n.kind == "call"]


def deep_order(order: Sequence[Value]) -> list[Value]:
    """A topological order in which the deepest operand of each value is computed first.

    What else the value reads then follows right before it, so that a long chain does not wait for
    the operands of its later links.
    """
    members = set(order)
    depth: dict[Value, int] = {}
    sources: dict[Value, list[Value]] = {}
    for value in order:
        found = [s for s in dict.fromkeys(r.source for r in value.reads) if s in members]
        found.sort(key=depth.__getitem__)
        sources[value] = found
        depth[value] = 1 + (depth[found[-1]] if found else 0)
    read = {s for found in sources.values() for s in found}
    done: dict[Value, None] = {}
    for root in order:
        stack = [] if root in read else [root]
        while stack:
            value = stack[-1]
            waiting = [] if value in done else [s for s in sources[value] if s not in done]
            if waiting:
                stack.extend(waiting)
                continue
            stack.pop()
            done[value] = None
    return list(done)


def close_order(order: Sequence[Value], readers: Readers) -> list[Value]:
    """A topological order in which values are computed close to where they are read.

    Values are scheduled from the last to the first. Of those whose readers are all scheduled, the
    one goes next that leaves the fewest values alive; of equals the deepest, so that long chains
    advance together.
    """
    members = set(order)
    depth: dict[Value, int] = {}
    sources: dict[Value, list[Value]] = {}
    waiting: dict[Value, int] = {}
    for value in order:
        found = dict.fromkeys(r.source for r in value.reads)
        sources[value] = [s for s in found if s in members]
        depth[value] = 1 + max((depth[s] for s in sources[value]), default=0)
        waiting[value] = len({r for r, _ in readers.get(value, ()) if r in members})
    alive: set[Value] = set()
    heap: list[tuple[int, int, int, Value]] = []

    def push(value: Value) -> None:
        opened = sum(s not in alive for s in sources[value]) - (value in alive)
        heapq.heappush(heap, (opened, -depth[value], -value.number, value))

    for value in order:
        if not waiting[value]:
            push(value)
    done: list[Value] = []
    scheduled: set[Value] = set()
    while heap:
        value = heapq.heappop(heap)[-1]
        if value in scheduled:
            continue
        scheduled.add(value)
        done.append(value)
        for source in sources[value]:
            waiting[source] -= 1
            if source not in alive:
                alive.add(source)
                for reader, _ in readers[source]:
                    if reader in members and not waiting[reader] and reader not in scheduled:
                        push(reader)
            if not waiting[source]:
                push(source)
    return done[::-1]


def _crossings(order: Sequence[Value], readers: Readers) -> list[int]:
    """How many values are read behind each position by members at later ones."""
    position = {v: k for k, v in enumerate(order)}
    change = [0] * (len(order) + 1)
    for k, value in enumerate(order):
        last = max((position.get(r, k) for r, _ in readers.get(value, ())), default=k)
        change[k] += 1
        change[last] -= 1
    total, counts = 0, []
    for step in change[:-1]:
        total += step
        counts.append(total)
    return counts
