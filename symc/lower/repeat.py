"""Loops: the inner graph is lowered like the outer one, into steps that a `RepeatStep` holds.

The buffers that a step of the loop sees are *rows*: parts of the buffers outside that move along
with the counter. A recurrence lives in its history: the output itself, if all rows are kept, else
a ring of just as many rows as are needed. Where the new row may be computed over the old one, the
ring has one row.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ..graph.walk import toposort
from ..loop.program import (
    BreakStep,
    Buffer,
    CheckStep,
    CopyStep,
    RepeatStep,
    Step,
    ViewStep,
    numbered,
)
from ..loop.protocol import Recurrence, RepeatSpec, changed_length
from ..scalar.expr import Expr
from ..scalar.logic import eq
from ..scalar.simplify import simplify
from .order import Item, ordered
from .plan import MemoryPlanner

if TYPE_CHECKING:
    from .lower import _Lowering
    from .opaque import Plan


def add_loop(outer: _Lowering, plan: Plan, ids: list[int], outs: list[int]) -> Item:
    """Add the step of a loop.

    Parameters
    ----------
    outer : lowering
    plan : Plan
        Its detail is the `RepeatSpec`.
    ids : list of int
        Buffers of all operands but the count.
    outs : list of int
        Buffers of the outputs.
    """
    return _Loop(outer, plan, ids, outs).item()


class _Loop:
    def __init__(self, outer: _Lowering, plan: Plan, ids: list[int], outs: list[int]) -> None:
        spec: RepeatSpec = plan.detail
        assert plan.node is not None
        self.outer, self.plan, self.spec, self.outs = outer, plan, spec, outs
        self.program = outer.program
        self.ctx = outer.ctx
        self.operands = list(ids)
        self.operands.insert(spec.count, -1)
        self.count = outer.sizes(outer.facts.value(plan.node.inputs[spec.count]))
        self.program.loops += 1
        self.counter = self.ctx.size(("loop", self.program.loops))
        self.before: list[Step] = []
        self.moves: list[Step] = []
        self.after: list[Step] = []
        self.parts: set[int] = set()

    def item(self) -> Item:
        """Make the steps."""
        spec = self.spec
        order = toposort(list(spec.outputs), list(spec.inputs))
        inside = [*spec.inputs, *(v for node in order for v in node.outputs)]
        self.body = self.outer.nested(inside)
        rows = self._inner_inputs()
        new = self._inner_outputs()
        planner = self._plan(rows, new)
        self._connect(rows, new)
        done = None if spec.done is None else self.outs[spec.done]
        written = [*self.outs, *self.histories]
        step = RepeatStep(
            self.counter,
            self.count,
            self.before,
            [],
            self.after,
            tuple(dict.fromkeys(b for b in self.operands if b >= 0)),
            tuple(dict.fromkeys(written)),
            done,
            origin=(self.plan.node,),
            fallible=any(i.step.fallible for i in planner.items),
        )
        step.body = [*self.moves, *(i.step for i in planner.items)]
        item = self.outer.add(step, self.plan.outputs, self.plan.outputs[0].number)

        def finish(number: int) -> None:
            ahead = len(numbered([*self.before, *self.moves]))
            step.body = [*self.moves, *planner.finish(number + 1 + ahead)]

        item.inner = finish
        return item

    # ---- inside

    def _part(self, shape: tuple[Expr, ...], like: Buffer, key: Any = None) -> Buffer:
        """A buffer that is a part of another one."""
        made = None if key is None else self.outer.buffers.get(key)
        if made is None:
            record = self.outer.new_buffer(key or object(), like.dtype, "row")
        else:
            record = self.program.buffers[made]
            record.kind, record.dtype = "row", like.dtype
        record.shape, record.origin = shape, like.origin
        record.contiguous = like.contiguous or like.kind in ("output", "temp", "update")
        return record

    def _inner_inputs(self) -> list[list[tuple[int, int]]]:
        """Buffers of the inner inputs; returns, per recurrence, its taps and their buffers."""
        rows: list[list[tuple[int, int]]] = [[] for _ in self.spec.recurrences]
        for variable, feed in zip(self.spec.inputs, self.spec.feeds, strict=True):
            key = self.outer.key(variable)
            if feed.kind == "whole":
                self.outer.buffers[key] = self.operands[feed.number]
                continue
            shape = self.outer.sizes.shape(variable)
            if feed.kind == "element":
                source = self.program.buffers[self.operands[feed.number]]
                made = self._part(shape, source, key)
                made.contiguous = source.contiguous
                self.moves.append(self._view(made, source, self.counter))
            else:
                start = self.spec.recurrences[feed.number].start
                made = self._part(shape, self.program.buffers[self.operands[start]], key)
                made.contiguous = True
                rows[feed.number].append((feed.tap, made.id))
            made.name = variable.name
        return rows

    def _inner_outputs(self) -> list[int]:
        """Compute the inner graph; returns the buffers of its outputs."""
        spec = self.spec
        count = len(spec.outputs) - (spec.done is not None)
        wanted = [("row", k, v) for k, v in enumerate(spec.outputs[:count])]
        wanted += [("temp", count, v) for v in spec.outputs[count:]]
        self.body.compute(wanted)
        new = [-1] * len(wanted)
        for _, position, value in self.body.final:
            new[position] = self.body.buffer(value)
        for recurrence in spec.recurrences:
            self._check_lengths(recurrence, new[recurrence.inner])
        if spec.done is not None:
            stop = Item(BreakStep(new[-1], origin=(self.plan.node,)), 1 << 60, {new[-1]}, set())
            stop.after = list(self.body.items)
            self.body.items.append(stop)
        return new

    def _check_lengths(self, recurrence: Recurrence, new: int) -> None:
        """Check lengths that only the step tells, before the new row is written."""
        record = self.program.buffers[new]
        start = self.program.buffers[self.operands[recurrence.start]]
        before = start.shape[1:] if recurrence.rows else start.shape
        variable = self.spec.outputs[recurrence.inner]
        writer = next(i for i in self.body.items if new in i.writes)
        for axis, (old, length) in enumerate(zip(before, record.shape, strict=True)):
            if self.body.known_only_inside(length):
                text = changed_length(variable, axis)
                origin = (variable.owner,) if variable.owner is not None else (self.plan.node,)
                check = CheckStep(eq(length, old), "shape", text, (length, old), origin=origin)
                self.body.check_before(writer, check)
        record.shape = tuple(before)

    def _plan(self, rows: Sequence[Sequence[tuple[int, int]]], new: list[int]) -> MemoryPlanner:
        items = ordered(self.body.items, ())
        planner = MemoryPlanner(self.program, items, dict(self.body.starts))
        planner.drop_copies()
        states = []
        for recurrence, taps in zip(self.spec.recurrences, rows, strict=True):
            single = len(taps) == 1 and recurrence.depth == 1
            if single and (recurrence.keep is not None or not recurrence.rows):
                states.append((taps[0][1], new[recurrence.inner]))
        self.overwritten = planner.overwrite_states(states)
        planner.share_dying_operands()
        return planner

    # ---- the histories

    def _connect(self, rows: Sequence[Sequence[tuple[int, int]]], new: list[int]) -> None:
        """Place rows and results in the buffers outside."""
        spec = self.spec
        self.histories: list[int] = []
        for recurrence, taps in zip(spec.recurrences, rows, strict=True):
            self._recurrence(recurrence, taps, new[recurrence.inner])
        for k in spec.collected:
            target = self.program.buffers[self.outs[k]]
            row = self.program.buffers[new[k]]
            self.moves.append(self._view(row, target, self.counter))

    def _recurrence(
        self, recurrence: Recurrence, taps: Sequence[tuple[int, int]], new: int
    ) -> None:
        output = self.program.buffers[self.outs[recurrence.output]]
        start = self.program.buffers[self.operands[recurrence.start]]
        depth, ring = recurrence.depth, None
        if recurrence.rows and recurrence.keep is None:
            history = output
        elif new in self.overwritten:
            history, ring = output, 1
        else:
            history, ring = self._ring(recurrence, output), depth + 1
        bare = history.id == output.id and not recurrence.rows
        self._begin(recurrence, history, start, bare)
        for tap, row in taps:
            record = self.program.buffers[row]
            self.moves.append(self._row(record, history, depth + tap, ring, bare))
        if ring != 1:
            record = self.program.buffers[new]
            self.moves.append(self._row(record, history, depth, ring, bare))
        if history.id != output.id:
            self._end(recurrence, history, output, depth + 1)

    def _ring(self, recurrence: Recurrence, output: Buffer) -> Buffer:
        row = output.shape[1:] if recurrence.rows else output.shape
        history = self.outer.new_buffer(object(), output.dtype, "temp")
        history.shape = (self.ctx.integer(recurrence.depth + 1), *row)
        history.origin = output.origin
        self.histories.append(history.id)
        return history

    def _begin(
        self, recurrence: Recurrence, history: Buffer, start: Buffer, bare: bool
    ) -> None:
        """The first rows are those given."""
        if bare:
            self.before.append(CopyStep(history.id, start.id, origin=(self.plan.node,)))
            return
        zero = self.ctx.integer(0)
        if recurrence.rows:
            depth = self.ctx.integer(recurrence.depth)
            head = self._part((depth, *history.shape[1:]), history)
            axes = tuple((d, self.ctx.integer(1)) for d in range(len(history.shape)))
            offset = (zero,) * len(history.shape)
            view = ViewStep(head.id, history.id, axes, offset, origin=(self.plan.node,))
        else:
            head = self._part(history.shape[1:], history)
            view = self._view(head, history, zero)
        self.before += [view, CopyStep(head.id, start.id, origin=(self.plan.node,))]

    def _end(self, recurrence: Recurrence, history: Buffer, output: Buffer, ring: int) -> None:
        """Copy the last rows out of a ring."""
        rows = (recurrence.keep or 0) if recurrence.rows else 1
        done = self.count
        if self.spec.done is not None:
            done = self.ctx.size(("val", self.outs[self.spec.done]))
        for k in range(rows):
            place = self._modulo(done + (recurrence.depth - rows + k), ring)
            source = self._part(history.shape[1:], history)
            self.after.append(self._view(source, history, place))
            target = output
            if recurrence.rows:
                target = self._part(history.shape[1:], output)
                self.after.append(self._view(target, output, self.ctx.integer(k)))
            self.after.append(CopyStep(target.id, source.id, origin=(self.plan.node,)))

    def _row(
        self, row: Buffer, history: Buffer, shift: int, ring: int | None, bare: bool
    ) -> Step:
        """Where row ``t + shift`` is."""
        if bare:
            axes = tuple((d, self.ctx.integer(1)) for d in range(len(history.shape)))
            offset = (self.ctx.integer(0),) * len(history.shape)
            return ViewStep(row.id, history.id, axes, offset, origin=(self.plan.node,))
        place = self.counter + shift
        return self._view(row, history, place if ring is None else self._modulo(place, ring))

    def _modulo(self, place: Expr, ring: int) -> Expr:
        return self.ctx.integer(0) if ring == 1 else simplify(place % ring)

    def _view(self, row: Buffer, source: Buffer, place: Expr) -> ViewStep:
        """`row` becomes row number `place` of `source`."""
        rank = len(source.shape)
        one, zero = self.ctx.integer(1), self.ctx.integer(0)
        axes = tuple((d, one) for d in range(1, rank))
        offset = (simplify(place), *(zero for _ in range(1, rank)))
        return ViewStep(row.id, source.id, axes, offset, origin=(self.plan.node,))
