"""How many bytes the steps of a program read and write, counted and not measured.

Each step counts by itself: what it reads and writes of a buffer goes to memory, be it in a cache
or not. Two steps that read an array count it twice, and so do two sweeps of one step over a whole
array; several loads of it in one sweep count once. Stores make the processor read the line that
they change, unless the same step reads that memory or streams past the caches: such lines are
*fetched*.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from math import prod
from typing import Any

import numpy as np

from ..dtypes import DTYPES
from ..errors import user_message
from ..loop.evaluate import size_value
from ..loop.ir import Stream, statements
from ..loop.kernel import Stage
from ..loop.program import (
    CheckStep,
    KernelStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    Step,
    ViewStep,
)
from ..scalar.expr import Expr, walk
from .body_c import Body
from .prepare import stage_roots
from .schedule_c import Variant
from .target import Target

GIVEN = ("input", "shared", "const")
"""Kinds of buffers that have their values before the first step."""


@dataclass(frozen=True)
class Traffic:
    """Bytes of one call.

    Attributes
    ----------
    read, written : int
        What the steps load and store.
    fetched : int
        What is read besides because stores change parts of lines.
    least : int
        What must be moved at least: what is used of each input, shared variable and constant is
        read once, what is new of each output and updated variable is written once.
    """

    read: int
    written: int
    fetched: int
    least: int

    @property
    def total(self) -> int:
        """All bytes."""
        return self.read + self.written + self.fetched

    @property
    def ratio(self) -> float:
        """All bytes to the least; 1 where nothing is moved."""
        return self.total / self.least if self.least else 1.0


def traffic(
    program: Program, target: Target, inputs: Sequence[Any], shared: Sequence[Any]
) -> Traffic:
    """Count what a call moves.

    Operands of routines, of loops that an op has written and of Python steps count whole; a loop
    is taken to run to its end.

    Parameters
    ----------
    program : Program
        A variant that serves the call.
    target : Target
        What the program's kernels are scheduled for.
    inputs, shared : sequence of numpy.ndarray or object
        Values by position; only their shapes, their layouts and those that sizes depend on matter.

    Raises
    ------
    ValueError
        If a size depends on what the program computes.
    """
    count = _Count(program, target)
    for ids, values in ((program.inputs, inputs), (program.shared, shared)):
        count.values.update(zip(ids, values, strict=True))
    count.steps(program.steps)
    count.copies_out()
    return count.result()


class _Count:
    def __init__(self, program: Program, target: Target) -> None:
        self.program = program
        self.body = Body(program, "count", target)
        self.places = self.body.places
        self.values: dict[int, Any] = {b.id: b.data for b in program.buffers if b.kind == "const"}
        self.counters: dict[int, int] = {}
        self.asked: set[int] = set()
        self.read: Counter[int] = Counter()
        self.written: Counter[int] = Counter()
        self.fetched = 0

    # ---- sizes

    def _leaf(self, leaf: Expr) -> int:
        kind, place, *axis = leaf.payload
        if kind == "loop":
            self.asked.add(place)
            return self.counters[place]
        if place not in self.values:
            raise ValueError(
                user_message(
                    "the traffic of this function can't be counted beforehand",
                    got=f"a size that depends on the {self._named(place)}, which is computed",
                )
            )
        value = np.asarray(self.values[place])
        return int(value) if kind == "val" else value.shape[axis[0]]

    def _named(self, buffer: int) -> str:
        origin = self.program.buffers[buffer].origin
        return f"result of {origin[0]}" if origin else f"value {buffer}"

    def number(self, size: Expr) -> int:
        return size_value(size, self._leaf)

    def points(self, sizes: Iterable[Expr]) -> int:
        return prod(self.number(n) for n in sizes)

    def bytes(self, buffer: int) -> int:
        record = self.program.buffers[buffer]
        if record.dtype not in DTYPES:
            return 0
        return self.points(record.shape) * DTYPES[record.dtype].itemsize

    def owner(self, buffer: int) -> int:
        """The buffer that has the memory of this one, whole."""
        while True:
            record = self.program.buffers[buffer]
            step = self.places.view_steps.get(buffer)
            if record.alias_of is not None:
                buffer = record.alias_of
            elif step is not None:
                (buffer,) = step.reads()
            elif record.base is not None:
                buffer = record.base
            else:
                return buffer

    # ---- steps

    def steps(self, steps: Iterable[Step]) -> None:
        """Count steps, and what loops repeat of them."""
        for step in steps:
            if isinstance(step, RepeatStep):
                self.steps(step.before)
                self._repeat(step)
                self.steps(step.after)
            elif isinstance(step, KernelStep):
                self._kernel(step)
            elif not isinstance(step, (ViewStep, ReshapeViewStep, CheckStep)):
                self._whole(step.reads(), step.writes())

    def _repeat(self, step: RepeatStep) -> None:
        """Count the body of a loop: once for all if no size in it changes from step to step."""
        counter = step.counter.payload[1]
        for t in range(self.number(step.count)):
            before = Counter(self.read), Counter(self.written), self.fetched
            self.counters[counter] = t
            self.steps(step.body)
            if counter not in self.asked:
                self._again(before, self.number(step.count) - 1)
                break
        self.asked.discard(counter)

    def _again(self, before: tuple[Counter[int], Counter[int], int], times: int) -> None:
        """Count what has been added since `before` so many times more."""
        for now, then in ((self.read, before[0]), (self.written, before[1])):
            for buffer in list(now):
                now[buffer] += times * (now[buffer] - then[buffer])
        self.fetched += times * (self.fetched - before[2])

    def _whole(self, reads: Iterable[int], writes: Iterable[int]) -> None:
        """Count a step that reads and writes its buffers whole."""
        seen = self._add_reads((b, self.bytes(b)) for b in reads)
        self._add_writes(((b, self.bytes(b)) for b in writes), seen)

    def _copy(self, buffer: int) -> None:
        """Count a copy of a buffer to other memory; that is booked to the buffer, too."""
        self._whole([buffer], [])
        self.written[buffer] += self.bytes(buffer)
        self.fetched += self.bytes(buffer)

    def _add_reads(self, reads: Iterable[tuple[int, int]]) -> Counter[Hashable]:
        """Count reads, of overlapping buffers not more than there is; returns them by memory."""
        found: dict[Hashable, list[tuple[int, int]]] = {}
        for buffer, amount in reads:
            found.setdefault(self.places.storage(buffer), []).append((buffer, amount))
        seen: Counter[Hashable] = Counter()
        for memory, parts in found.items():
            most = max(self.bytes(self.owner(b)) for b, _ in parts)
            seen[memory] = min(most, sum(amount for _, amount in parts))
            self.read[self.owner(parts[0][0])] += seen[memory]
        return seen

    def _add_writes(
        self,
        writes: Iterable[tuple[int, int]],
        seen: Counter[Hashable],
        streamed: frozenset[int] = frozenset(),
    ) -> None:
        """Count writes, and the lines that are fetched for them: none of what was `seen`."""
        for buffer, amount in writes:
            self.written[self.owner(buffer)] += amount
            if buffer not in streamed:
                self.fetched += max(0, amount - seen[self.places.storage(buffer)])

    def _kernel(self, step: KernelStep) -> None:
        kernel, bind = step.kernel, step.bind
        variants, _ = self.body.variants(kernel, bind)
        packed = {
            bind[key]
            for key in (variants[0].contiguous if variants[0].pack else ())
            if not self._contiguous(bind[key])
        }
        for buffer in packed:
            self._copy(buffer)
        outer = self.points(a.extent for a in kernel.outer)
        inner = self.points(a.extent for a in kernel.inner)
        points = {"outer": outer, "full": outer * inner}
        seen: Counter[Hashable] = Counter()
        for group in _sweeps(kernel.stages, outer):
            loads = {
                (node.payload, node.args): points[stage.level]
                for stage in group
                for node in walk(stage_roots(stage))
                if node.kind == "load"
            }
            used: Counter[int] = Counter()
            for (key, _), count in loads.items():
                used[bind[key]] += count * self._itemsize(bind[key])
            seen |= self._add_reads((b, min(n, self.bytes(b))) for b, n in used.items())
        stores = [
            (bind[s.operand], points[stage.level] * self._itemsize(bind[s.operand]))
            for stage in kernel.stages
            for s in stage.stores
        ]
        self._add_writes(stores, seen, self._streamed(variants, bind))

    def _itemsize(self, buffer: int) -> int:
        return DTYPES[self.program.buffers[buffer].dtype].itemsize

    def _contiguous(self, buffer: int) -> bool:
        """Whether a buffer lies row by row: views are taken not to."""
        value = self.values.get(self.places.root(buffer))
        if isinstance(value, np.ndarray):
            return value.flags.c_contiguous
        return self.program.buffers[buffer].contiguous

    def _streamed(self, variants: Sequence[Variant], bind: dict[str, int]) -> frozenset[int]:
        """Buffers that the kernel's variant for this call stores past the caches."""
        for variant in variants:
            large = variant.when is None or self.number(variant.when)
            if large and (
                variant.pack or all(self._contiguous(bind[key]) for key in variant.contiguous)
            ):
                stores = (s for s, _ in statements(variant.nest.body) if isinstance(s, Stream))
                return frozenset(bind[s.operand] for s in stores)
        return frozenset()

    def copies_out(self) -> None:
        """Count outputs that are copied to their places in the end."""
        updates = [b for _, b in self.places.fresh_updates()]
        for place, buffer in enumerate([*self.program.outputs, *updates]):
            root = self.places.root(buffer)
            handed = self.program.buffers[root].kind == "input" and buffer != root
            if self.places.outputs.get(root) != place and not handed:
                self._copy(buffer)

    # ---- the sum

    def result(self) -> Traffic:
        """The bytes of all steps so far."""
        given = {b.id for b in self.program.buffers if b.kind in GIVEN}
        used = sum(min(n, self.bytes(b)) for b, n in self.read.items() if b in given)
        results = [*self.program.outputs, *(b for _, b in self.program.updates)]
        made = {self.owner(b): self.bytes(b) for b in results}
        new = sum(min(n, self.written[b]) if b in given else n for b, n in made.items())
        return Traffic(self.read.total(), self.written.total(), self.fetched, used + new)


def _sweeps(stages: Sequence[Stage], outer: int) -> list[list[Stage]]:
    """Stages by sweeps over memory: what one row needs stays in the cache from stage to stage."""
    return [[stage] for stage in stages] if outer == 1 else [list(stages)]
