"""Verifier of programs: steps, sizes and the memory plan.

The plan is replayed with tokens: a storage (an arena slot, an input, a container) holds the token
of the buffer that was written there last, and every read must find the token of its buffer.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ..scalar.expr import Expr, leaves, walk
from . import routines
from .check import check_kernel, check_nest, fail
from .kernel import Kernel, Operand
from .program import (
    BreakStep,
    Buffer,
    CheckStep,
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    RoutineStep,
    Step,
    ViewStep,
    numbered,
)

GIVEN = ("input", "shared", "const")
KINDS = (*GIVEN, "temp", "output", "update", "view", "row", "dynamic", "object")


def check_program(program: Program) -> None:
    """Verify a program.

    Raises
    ------
    VerifyError
        Naming the first rule that is broken, and the step.
    """
    _ProgramCheck(program).run()


class _ProgramCheck:
    def __init__(self, program: Program) -> None:
        self.program = program
        self.buffers = program.buffers
        self.tokens: dict[object, int] = {}
        self.written: set[int] = set()
        self.overwritten: str | None = None
        self.counters: set[Expr] = set()

    def run(self) -> None:
        self._tables()
        for buffer in self.buffers:
            if buffer.kind in GIVEN:
                self.written.add(buffer.id)
                self.tokens[self._storage(buffer.id)] = buffer.id
        for guard in self.program.guards:
            self._early("guard", guard.condition)
        for check in self.program.checks:
            for expr in (check.condition, *check.shown):
                self._early("check", expr)
        end = self._steps(0, self.program.steps)
        for buffer_id in (*self.program.outputs, *(b for _, b in self.program.updates)):
            self._read("results", buffer_id, end)

    # ---- tables

    def _tables(self) -> None:
        for number, buffer in enumerate(self.buffers):
            where = f"buffer {number}"
            if buffer.id != number:
                fail(where, f"its id is {buffer.id}")
            if buffer.kind not in KINDS:
                fail(where, f"unknown kind {buffer.kind!r}")
            if buffer.slot is not None and not 0 <= buffer.slot < len(self.program.slots):
                fail(where, f"there is no slot {buffer.slot}")
            for length in buffer.shape:
                if length.dtype != "int64":
                    fail(where, f"a length is {length.dtype}, not int64")
        for kind, ids in (("input", self.program.inputs), ("shared", self.program.shared)):
            for position, b in enumerate(ids):
                if self.buffers[b].kind != kind or self.buffers[b].position != position:
                    fail(f"buffer {b}", f"it is listed as {kind} number {position}")
        positions = [position for position, _ in self.program.updates]
        if len(set(positions)) != len(positions):
            fail("updates", "a container is updated twice")
        for number, slot in enumerate(self.program.slots):
            if slot.first > slot.last:
                fail(f"slot {number}", f"it lives from step {slot.first} to {slot.last}")

    def _early(self, where: str, expr: Expr) -> None:
        for leaf in leaves([expr], "size"):
            if not self.program.early_leaf(leaf):
                fail(where, f"{leaf!r} is not known before the first step")

    def _known(self, where: str, exprs: Iterable[Expr]) -> None:
        """All sizes of `exprs` must be known at this step."""
        for leaf in leaves(list(exprs), "size"):
            if leaf.payload[0] == "loop":
                if leaf not in self.counters:
                    fail(where, f"{leaf!r} is used outside of its loop")
                continue
            if leaf.payload[0] not in ("dim", "val"):
                fail(where, f"{leaf!r} is not a size of the program")
            if leaf.payload[1] not in self.written:
                fail(where, f"{leaf!r} is used before its buffer is written")

    # ---- storage

    def _storage(self, buffer: int) -> object:
        record = self.buffers[buffer]
        while True:
            if record.alias_of is not None:
                record = self.buffers[record.alias_of]
            elif record.base is not None:
                record = self.buffers[record.base]
            else:
                return ("slot", record.slot) if record.slot is not None else record.id

    def _owner(self, buffer: int) -> int:
        """The buffer whose token stands for the content of `buffer`."""
        record = self.buffers[buffer]
        while record.base is not None:
            record = self.buffers[record.base]
        return record.id

    def _read(self, where: str, buffer: int, number: int) -> None:
        start = self.buffers[buffer].alias_of
        while buffer not in self.written and start is not None:
            buffer, start = start, self.buffers[start].alias_of
        if buffer not in self.written:
            fail(where, f"buffer {buffer} is read before it is written")
        if self.tokens.get(self._storage(buffer)) != self._owner(buffer):
            fail(where, f"the content of buffer {buffer} has been overwritten")
        self._alive(where, buffer, number)

    def _write(self, where: str, buffer: int, number: int) -> None:
        record = self.buffers[buffer]
        if record.kind in ("const", "view") or (
            record.kind in ("input", "shared") and not self._is_permitted(buffer)
        ):
            fail(where, f"buffer {buffer} is of kind {record.kind} and is written")
        storage = self._storage(buffer)
        self.tokens[storage] = self._owner(buffer)
        self.written.add(buffer)
        if isinstance(storage, int) and self.buffers[storage].kind == "shared":
            self.overwritten = where
        self._alive(where, buffer, number)

    def _is_permitted(self, buffer: int) -> bool:
        return any(b.alias_of == buffer for b in self.buffers)

    def _alive(self, where: str, buffer: int, number: int) -> None:
        storage = self._storage(buffer)
        if isinstance(storage, tuple):
            slot = self.program.slots[storage[1]]
            if not slot.first <= number <= slot.last:
                fail(where, f"buffer {buffer} is used while slot {storage[1]} is not alive")

    # ---- steps

    def _steps(self, number: int, steps: Sequence[Step]) -> int:
        """Check steps, of which the first has this number; returns the next number."""
        for step in steps:
            self._step(number, step)
            number += len(numbered([step]))
        return number

    def _repeat(self, where: str, number: int, step: RepeatStep) -> None:
        for buffer in step.outs:  # its rows are seen before all of them have been written
            self._known(where, self.buffers[buffer].shape)
            self._write(where, buffer, number)
        number = self._steps(number + 1, step.before)
        self._known(where, [step.count])
        self.counters.add(step.counter)
        number = self._steps(number, step.body)
        self.counters.discard(step.counter)
        if step.done is not None:
            self._write(where, step.done, number)
        self._steps(number, step.after)

    def _step(self, number: int, step: Step) -> None:
        where = f"step {number} ({type(step).__name__})"
        if step.fallible and self.overwritten is not None:
            fail(where, f"it may fail after a container was overwritten by {self.overwritten}")
        if isinstance(step, KernelStep):
            self._bound(where, step.kernel.operands, step.bind)
        elif isinstance(step, LoopStep):
            self._bound(where, step.nest.operands, step.bind)
        for buffer in step.reads():
            self._read(where, buffer, number)
        if isinstance(step, KernelStep):
            self._kernel(where, step)
        elif isinstance(step, LoopStep):
            check_nest(step.nest)
            self._known(where, [e for _, e in step.nest.sizes])
        elif isinstance(step, RoutineStep):
            self._routine(where, step)
        elif isinstance(step, (ViewStep, ReshapeViewStep, CopyStep)):
            self._moved(where, step)
        elif isinstance(step, CheckStep):
            self._known(where, [step.condition, *step.shown])
        elif isinstance(step, RepeatStep):
            self._repeat(where, number, step)
        elif not isinstance(step, (ForeignStep, BreakStep)):
            fail(where, "not a step")
        for buffer in step.writes():
            if not isinstance(step, ForeignStep):
                self._known(where, self.buffers[buffer].shape)
            if isinstance(step, (ViewStep, ReshapeViewStep)):
                self.written.add(buffer)
                if self.buffers[buffer].kind == "row":
                    self.tokens[self._storage(buffer)] = buffer
            else:
                self._write(where, buffer, number)

    def _bound(self, where: str, operands: Sequence[Operand], bind: dict[str, int]) -> None:
        if set(bind) != {o.key for o in operands}:
            fail(where, f"operands {[o.key for o in operands]} are bound as {sorted(bind)}")
        for operand in operands:
            buffer = self.buffers[bind[operand.key]]
            if buffer.dtype != operand.dtype or len(buffer.shape) != operand.ndim:
                fail(
                    where,
                    f"operand {operand.key} is {operand.dtype} with {operand.ndim} axes, buffer "
                    f"{buffer.id} is {buffer.dtype} with {len(buffer.shape)}",
                )

    def _kernel(self, where: str, step: KernelStep) -> None:
        check_kernel(step.kernel)
        self._known(where, [a.extent for a in step.kernel.axes])
        for target in step.kernel.operands:
            if "w" not in target.access:
                continue
            storage = self._storage(step.bind[target.key])
            for operand in step.kernel.operands:
                if "r" not in operand.access:
                    continue
                if self._storage(step.bind[operand.key]) == storage and not in_step(
                    step.kernel, operand.key, target.key
                ):
                    fail(
                        where,
                        f"{target.key} is stored over {operand.key}, which is still needed",
                    )

    def _routine(self, where: str, step: RoutineStep) -> None:
        convolution = step.name in routines.CONVOLUTIONS
        expected: tuple[int, ...]
        routine = routines.ROUTINES.get(step.name)
        if convolution:
            rank = step.params["geometry"].ndim + 2
            expected, out_rank = (rank, rank), rank
        elif routine is None:
            fail(where, f"there is no routine {step.name!r}")
        else:
            expected, out_rank = routine.ranks, routine.out_rank
        ranks = tuple(len(self.buffers[b].shape) for b in step.inputs)
        if ranks != expected or len(self.buffers[step.output].shape) != out_rank:
            fail(where, f"{step.name} takes {expected} axes, got {ranks}")
        dtypes = {self.buffers[b].dtype for b in (*step.reads(), step.output)}
        known = routines.CONVOLUTION_DTYPES if convolution else routines.DTYPES
        if len(dtypes) != 1 or not dtypes <= set(known):
            fail(where, f"{step.name} of dtypes {sorted(dtypes)}")
        output = self._storage(step.output)
        if any(self._storage(b) == output for b in step.inputs):
            fail(where, f"{step.name} writes over one of its inputs")
        written = {self._storage(b) for part in step.epilogue for b in part.step.writes()}
        if any(self._storage(b) in written for b in step.inputs):
            fail(where, f"steps on blocks of {step.name} write over one of its inputs")

    def _moved(self, where: str, step: ViewStep | ReshapeViewStep | CopyStep) -> None:
        source, target = self.buffers[step.source], self.buffers[step.target]
        if source.dtype != target.dtype:
            fail(where, f"from {source.dtype} to {target.dtype}")
        if isinstance(step, ViewStep):
            self._view(where, step, source, target)
        elif isinstance(step, ReshapeViewStep) and not source.contiguous:
            fail(where, f"buffer {source.id} is not known to be contiguous")
        elif isinstance(step, CopyStep) and len(source.shape) != len(target.shape):
            fail(where, f"{len(source.shape)} axes are copied to {len(target.shape)}")

    def _view(self, where: str, step: ViewStep, source: Buffer, target: Buffer) -> None:
        if len(step.axes) != len(target.shape) or len(step.offset) != len(source.shape):
            fail(where, "as many axes as the target has and as many offsets as the source has")
        for axis, pace in step.axes:
            self._known(where, [pace])
            if axis is not None and not 0 <= axis < len(source.shape):
                fail(where, f"the source has no axis {axis}")
        self._known(where, step.offset)


def in_step(kernel: Kernel, operand: str, target: str) -> bool:
    """Whether a kernel may store `target` in the memory of `operand`.

    Every load of the operand must be at the index of the one store, and none may come in a later
    stage.
    """
    stores = [
        (number, s.index)
        for number, stage in enumerate(kernel.stages)
        for s in stage.stores
        if s.operand == target
    ]
    if len(stores) != 1:
        return False
    last, index = stores[0]
    for number, stage in enumerate(kernel.stages):
        roots = [r.value for r in stage.reductions] + [e for _, e in stage.keep]
        roots += [e for s in stage.stores for e in (*s.index, s.value)]
        for node in walk(roots):
            mine = node.kind == "load" and node.payload == operand
            if mine and (number > last or node.args != index):
                return False
    return True
