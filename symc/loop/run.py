"""Interpretation of whole programs: the definition of :class:`~symc.loop.program.Program`.

Buffers in one slot share memory here as they do in a compiled program, and slots are filled with
garbage when their life begins and ends, so mistakes of the memory planner change results.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from ..scalar.expr import Expr
from . import routines
from .evaluate import Evaluator, size_value
from .interp import IndexFailureError, ReasonError, run_kernel, run_nest
from .program import (
    BreakStep,
    CheckStep,
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    RoutineStep,
    ScalarBuffer,
    Step,
    ViewStep,
    numbered,
)

GARBAGE = 0xA5


class GuardError(Exception):
    """The program is a variant for other calls: guard number `position` does not hold."""

    def __init__(self, position: int) -> None:
        super().__init__(f"guard {position} does not hold")
        self.position = position


class StepError(Exception):
    """A check or a step failed.

    Attributes
    ----------
    kind : str
        ``"index"``, ``"reason"`` or the error family of a check.
    where : int
        Number of the step, or of the check among ``program.checks``.
    values : tuple of int
        As in ``sy_error.v``.
    """

    def __init__(self, kind: str, where: int, values: tuple[int, ...], message: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.where = where
        self.values = values


def run_program(
    program: Program, inputs: Sequence[Any], shared: Sequence[Any] = ()
) -> tuple[list[Any], list[tuple[int, Any]]]:
    """Interpret a program.

    Parameters
    ----------
    program : Program
    inputs, shared : sequence of numpy.ndarray or object
        Values by position. Those that the program takes over (``alias_of``) are changed.

    Returns
    -------
    outputs : list
    updates : list of (int, value)
        New value of a container, by its position.

    Raises
    ------
    GuardError
        If a guard does not hold.
    StepError
        If a check or step fails.
    """
    run = _Run(program)
    run.bind(inputs, shared)
    run.prologue()
    run.steps(0, program.steps)
    outputs = [run.values[b] for b in program.outputs]
    updates = [(position, run.values[b]) for position, b in program.updates]
    return outputs, updates


class _Break(Exception):  # noqa: N818 - ends a loop, handled where the loop runs
    pass


class _Run:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.values: dict[int, Any] = {}
        self.slots: dict[int, np.ndarray[Any, Any]] = {}
        self.scalars: dict[int, int] = {}
        self.counters: dict[int, int] = {}

    def bind(self, inputs: Sequence[Any], shared: Sequence[Any]) -> None:
        for ids, given in ((self.program.inputs, inputs), (self.program.shared, shared)):
            if len(ids) != len(given):
                raise ValueError(f"{len(ids)} values expected, got {len(given)}")
            for buffer, value in zip(ids, given, strict=True):
                self._set(buffer, value)
        for b in self.program.buffers:
            if b.kind == "const":
                self._set(b.id, b.data)

    def _set(self, buffer: int, value: Any) -> None:
        """Give a buffer its value and note the size that it may stand for."""
        self.values[buffer] = value
        self._note_scalar(buffer)

    def _note_scalar(self, buffer: int) -> None:
        record = self.program.buffers[buffer]
        if record.dtype != "object" and not record.shape and np.dtype(record.dtype).kind in "biu":
            self.scalars[buffer] = int(self.values[buffer][()])

    def size(self, payload: Hashable) -> int:
        assert isinstance(payload, tuple)
        kind, buffer, *rest = payload
        if kind == "loop":
            return self.counters[buffer]
        return self.scalars[buffer] if kind == "val" else int(self.values[buffer].shape[rest[0]])

    def number(self, expr: Expr) -> int:
        return size_value(expr, lambda leaf: self.size(leaf.payload))

    def prologue(self) -> None:
        for position, guard in enumerate(self.program.guards):
            if not self._holds(guard.condition):
                raise GuardError(position)
        for position, check in enumerate(self.program.checks):
            self._check(position, check)

    def _holds(self, condition: Expr) -> bool:
        evaluate = Evaluator(lambda leaf: np.int64(self.size(leaf.payload)), {})
        return bool(evaluate([condition])[0])

    def _check(self, position: int, check: CheckStep) -> None:
        if not self._holds(check.condition):
            values = tuple(self.number(e) for e in check.shown)
            raise StepError(check.error, position, values, check.message.format(*values))

    # ---- steps

    def steps(self, number: int, steps: Sequence[Step]) -> int:
        """Run steps, of which the first has this number; returns the next number."""
        for step in steps:
            self.step(number, step)
            number += len(numbered([step]))
        return number

    def _repeat(self, number: int, step: RepeatStep) -> None:
        number = self.steps(number + 1, step.before)
        count = self.number(step.count)
        counter = step.counter.payload[1]
        local = {b for _, s in numbered(step.body) for b in s.writes()}
        done = 0
        for t in range(count):
            self.counters[counter] = t
            for buffer in local:
                self.values.pop(buffer, None)
            done = t + 1
            try:
                self.steps(number, step.body)
            except _Break:
                break
        if step.done is not None:
            self.values[step.done][...] = done
            self._note_scalar(step.done)
        self.steps(number + len(numbered(step.body)), step.after)

    def step(self, number: int, step: Step) -> None:
        self._begin_slots(number)
        if not isinstance(step, (ViewStep, ReshapeViewStep, ForeignStep, CheckStep)):
            for buffer in step.writes():
                self._provide(buffer)
        try:
            self._dispatch(number, step)
        except IndexFailureError as e:
            raise StepError("index", number, (e.index, e.length, e.tag), str(e)) from e
        except ReasonError as e:
            raise StepError("reason", number, (e.reason, *e.shown), str(e)) from e
        for buffer in step.writes():
            self._note_scalar(buffer)
        self._end_slots(number + len(numbered([step])) - 1)

    def _dispatch(self, number: int, step: Step) -> None:
        if isinstance(step, KernelStep):
            arrays = {key: self.values[b] for key, b in step.bind.items()}
            run_kernel(step.kernel, arrays, self.size)
        elif isinstance(step, LoopStep):
            run_nest(step.nest, {key: self.values[b] for key, b in step.bind.items()}, self.size)
        elif isinstance(step, RoutineStep):
            self._routine(step)
        elif isinstance(step, ForeignStep):
            self._foreign(step)
        elif isinstance(step, ViewStep):
            self.values[step.target] = self._view(step)
        elif isinstance(step, ReshapeViewStep):
            shape = self._shape(step.target)
            self.values[step.target] = self.values[step.source].reshape(shape).view()
        elif isinstance(step, CopyStep):
            self.values[step.target][...] = self.values[step.source]
        elif isinstance(step, CheckStep):
            self._check(number, step)
        elif isinstance(step, RepeatStep):
            self._repeat(number, step)
        elif isinstance(step, BreakStep):
            if self.values[step.condition]:
                raise _Break
        else:
            raise TypeError(f"not a step: {step!r}")

    def _routine(self, step: RoutineStep) -> None:
        if step.name in routines.CONVOLUTIONS:
            arrays = [self.values[b] for b in step.inputs]
            target = self.values[step.output]
            routines.evaluate_convolution(step.name, arrays, target, step.params["geometry"])
            return
        params = {
            name: self.values[p.id][()] if isinstance(p, ScalarBuffer) else p
            for name, p in step.params.items()
            if name in routines.PARAMS
        }
        inputs = [self.values[b] for b in step.inputs]
        output = self.values[step.output]
        routines.evaluate(step.name, inputs, output, accumulate=step.accumulate, **params)

    def _foreign(self, step: ForeignStep) -> None:
        results = step.call([self.values[b] for b in step.inputs])
        for buffer, value in zip(step.outputs, results, strict=True):
            if self.program.buffers[buffer].kind in ("dynamic", "object"):
                self.values[buffer] = value
            else:
                self._provide(buffer)
                self.values[buffer][...] = value

    def _view(self, step: ViewStep) -> np.ndarray[Any, Any]:
        source = self.values[step.source]
        shape = self._shape(step.target)
        strides = [
            0 if axis is None else source.strides[axis] * self.number(pace)
            for axis, pace in step.axes
        ]
        if 0 in shape:
            return np.empty(shape, dtype=source.dtype)
        start = [self.number(o) for o in step.offset]
        first = source[tuple(slice(o, o + 1) for o in start)]
        return as_strided(first, shape=shape, strides=strides)

    # ---- memory

    def _shape(self, buffer: int) -> tuple[int, ...]:
        return tuple(self.number(n) for n in self.program.buffers[buffer].shape)

    def _begin_slots(self, number: int) -> None:
        for position, slot in enumerate(self.program.slots):
            if slot.first == number:
                memory = np.empty(self.number(slot.bytes), dtype=np.uint8)
                memory.fill(GARBAGE)
                self.slots[position] = memory

    def _end_slots(self, number: int) -> None:
        for position, slot in enumerate(self.program.slots):
            if slot.last == number and position in self.slots:
                self.slots[position].fill(GARBAGE)

    def _provide(self, buffer: int) -> None:
        """Make the memory of a buffer before its first write."""
        record = self.program.buffers[buffer]
        if buffer in self.values or record.kind in ("input", "shared", "const", "view"):
            return
        shape = self._shape(buffer)
        if record.alias_of is not None:
            self._provide(record.alias_of)
            self.values[buffer] = self.values[record.alias_of].reshape(shape)
        elif record.slot is not None:
            count = int(np.prod(shape, dtype=np.int64))
            size = count * np.dtype(record.dtype).itemsize
            memory = self.slots[record.slot]
            if size > memory.size:
                raise ValueError(f"buffer {buffer} needs {size} bytes, its slot has {memory.size}")
            self.values[buffer] = memory[:size].view(record.dtype).reshape(shape)
        else:
            self.values[buffer] = np.empty(shape, dtype=record.dtype)
