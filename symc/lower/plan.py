"""The plan pass: which buffers share memory, what is overwritten, and how long slots live.

Sharing is proved, never assumed:

- An output that *must start as* an operand was given a copy of it; the copy goes if nobody needs
  the operand afterwards.
- A kernel's result *may share* the memory of an operand that dies there if every load of the
  operand is at the index of the store, and none comes in a later stage than the store.
- The new value of a container *may overwrite* the old one if all reads of the old one come before
  and no step that may fail comes after the first write (a call that fails changes nothing).

- An output may overwrite an input that the user gave away, on the terms of a container.

Constants and all other inputs are never written.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from ..loop.kernel import Kernel
from ..loop.program import (
    Blockwise,
    BreakStep,
    Buffer,
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    RoutineStep,
    ScalarBuffer,
    Slot,
    Step,
    ViewStep,
    numbered,
)
from ..scalar.expr import Context, Expr, leaves, walk
from ..scalar.simplify import simplify
from .kernels import stage_expressions
from .nests import checks_come_first
from .order import Item


def plan_memory(
    program: Program,
    items: Sequence[Item],
    starts: dict[int, int],
    inplace: bool,
    mutable: Sequence[bool] = (),
) -> None:
    """Give every buffer of `program` its memory, and the program its steps.

    Parameters
    ----------
    program : Program
        Its buffers and results; steps and slots are filled in.
    items : sequence of Item
        The steps in order.
    starts : dict
        ``{buffer: operand}``: buffers that were made as copies to be updated.
    inplace : bool
        Whether memory may be shared and containers overwritten.
    mutable : sequence of bool, optional
        Per input whether a result may be written over it.
    """
    planner = MemoryPlanner(program, list(items), dict(starts))
    if inplace:
        planner.drop_copies()
        planner.overwrite_containers()
        planner.overwrite_inputs(mutable)
        planner.share_dying_operands()
    program.steps = planner.finish()


class MemoryPlanner:
    """Plans the memory of a list of steps: a program's, or those inside of a loop.

    Parameters
    ----------
    program : Program
    items : list of Item
        In order.
    starts : dict
        ``{buffer: operand}``: buffers that were made as copies to be updated.
    """

    def __init__(self, program: Program, items: list[Item], starts: dict[int, int]) -> None:
        self.program = program
        self.buffers = program.buffers
        self.items = items
        self.starts = starts
        self.taken: dict[int, int] = {}
        self._survey()

    def root(self, buffer: int) -> int:
        """The buffer that owns the storage of a view."""
        base = self.buffers[buffer].base
        return buffer if base is None else base

    def _survey(self) -> None:
        """Where every storage is touched. The steps of an epilogue count as their convolution."""
        self.uses: dict[int, list[int]] = {}
        self.writes: dict[int, list[int]] = {}
        self.leaders = self._leaders()
        for item, k in zip(self.items, self.leaders, strict=True):
            for buffer in item.reads | item.writes:
                uses = self.uses.setdefault(self.root(buffer), [])
                if not uses or uses[-1] != k:
                    uses.append(k)
            for buffer in item.writes:
                if not isinstance(item.step, (ViewStep, ReshapeViewStep)):
                    self.writes.setdefault(self.root(buffer), []).append(k)

    def _leaders(self) -> list[int]:
        """The place of every item, or of the convolution whose epilogue it is in."""
        leaders: list[int] = []
        leader, rest = 0, 0
        for k, item in enumerate(self.items):
            leader, rest = (leader, rest - 1) if rest else (k, len(_epilogue(item.step)))
            leaders.append(leader)
        return leaders

    # ---- copies that an update starts from

    def drop_copies(self) -> None:
        """Let an updated buffer be the dying operand that it starts as."""
        for target in sorted(self.starts, reverse=True):
            while target in self.starts and self._may_become(target, self.starts[target]):
                source = self.starts.pop(target)
                self.items.remove(self._copy_step(target))
                self._rename(source, target)
                if source in self.starts:
                    self.starts[target] = self.starts.pop(source)
                # What else starts as the source now starts as what has taken its place.
                for other, begin in self.starts.items():
                    if begin == source:
                        self.starts[other] = target
                self._survey()

    def _copy_step(self, target: int) -> Item:
        return next(
            i for i in self.items if isinstance(i.step, CopyStep) and i.step.target == target
        )

    def _may_become(self, target: int, source: int) -> bool:
        old, new = self.buffers[source], self.buffers[target]
        if old.kind != "temp" or new.kind == "dynamic" or old.base is not None:
            return False
        if source not in self.writes:
            return False  # made outside of this loop: every round needs it
        copy = self.items.index(self._copy_step(target))
        return self.uses[source][-1] == copy and _same_extent(old, new)

    def _rename(self, old: int, new: int) -> None:
        for item in self.items:
            _rename_in(item.step, old, new)
            for group in (item.reads, item.writes):
                if old in group:
                    group.remove(old)
                    group.add(new)
        for buffer in self.buffers:
            if buffer.base == old:
                buffer.base = new

    # ---- states of loops

    def overwrite_states(self, states: Sequence[tuple[int, int]]) -> set[int]:
        """Let new values of a loop's states overwrite the old ones where that is safe.

        Parameters
        ----------
        states : sequence of (int, int)
            The buffers of the old and of the new value.

        Returns
        -------
        set of int
            The new values that have the memory of the old ones.
        """
        found = set()
        for old, new in states:
            if not self.writes.get(new):
                continue
            copied = self.starts.get(new) == old
            first = self.writes[new][1 if copied else 0]
            if self._reads_end(old, new, first, copied):
                self.buffers[new].alias_of = old
                found.add(new)
                if copied:
                    self.items.remove(self._copy_step(new))
                    self._survey()
        return found

    # ---- containers

    def overwrite_containers(self) -> None:
        """Write new values of containers over the old ones where that is safe."""
        for position, new in self.program.updates:
            old = self.program.shared[position]
            buffer = self.buffers[new]
            if (
                buffer.kind != "update"
                or buffer.position != position
                or not _same_extent(self.buffers[old], buffer)
            ):
                continue
            copied = self.starts.get(new) == old
            first = self.writes[new][1 if copied else 0]
            if self._overwrites_safely(old, new, first, copied):
                buffer.alias_of = old
                self.buffers[old].contiguous = True
                if copied:
                    self.items.remove(self._copy_step(new))
                    self._survey()

    # ---- inputs that the user gave away

    def overwrite_inputs(self, mutable: Sequence[bool]) -> None:
        """Write outputs over the inputs that may be overwritten, at most one over each."""
        free = [b for b, given in zip(self.program.inputs, mutable, strict=False) if given]
        for new in self.program.outputs:
            buffer = self.buffers[new]
            if (
                buffer.kind != "output"
                or buffer.alias_of is not None
                or self.program.outputs.count(new) > 1
            ):
                continue
            for old in free:
                if self._overwrites_input(old, new):
                    free.remove(old)
                    break

    def _overwrites_input(self, old: int, new: int) -> bool:
        if not _same_extent(self.buffers[old], self.buffers[new]) or not self.writes.get(new):
            return False
        copied = self.starts.get(new) == old
        writes = self.writes[new]
        if copied and len(writes) < 2:
            return False
        if not self._overwrites_safely(old, new, writes[1 if copied else 0], copied):
            return False
        self.buffers[new].alias_of = old
        self.buffers[old].contiguous = True
        if copied:
            self.items.remove(self._copy_step(new))
            self._survey()
        return True

    def _overwrites_safely(self, old: int, new: int, first: int, copied: bool) -> bool:
        if any(self._may_fail(i) for i in self.items[first + 1 :]):
            return False
        item = self.items[first]
        if item.step.fallible and not _validates_first(item.step):
            return False
        return self._reads_end(old, new, first, copied)

    def _reads_end(self, old: int, new: int, first: int, copied: bool) -> bool:
        """Whether the old value is not needed any more when item `first` writes the new one."""
        copy = self.items.index(self._copy_step(new)) if copied else -1
        last = max((k for k in self.uses.get(old, ()) if k != copy), default=-1)
        item = self.items[first]
        if last > first:
            return False
        if copied:
            return last < first
        if last < first:
            return True
        return isinstance(item.step, KernelStep) and self._same_index(item.step, old, new)

    def _may_fail(self, item: Item) -> bool:
        """Whether a step may fail, be it for want of memory of a size that nobody could foresee."""
        late = (
            leaf for b in item.writes for leaf in leaves(self.buffers[b].shape, "size")
            if self.buffers[b].kind in ("dynamic", "output", "update")
        )
        return item.step.fallible or not all(map(self.program.early_leaf, late))

    # ---- operands that die

    def share_dying_operands(self) -> None:
        """Put results of kernels into the memory of operands that die there."""
        for k, item in enumerate(self.items):
            if not isinstance(item.step, KernelStep):
                continue
            free = [
                b for b in sorted(item.reads)
                if self.buffers[b].kind == "temp" and b in self.writes and self._dies(b, k)
            ]
            results = [b for b in sorted(item.writes) if self.buffers[b].kind == "temp"]
            for result in results if free else ():
                for operand in free:
                    if _same_extent(
                        self.buffers[operand], self.buffers[result]
                    ) and self._same_index(item.step, operand, result):
                        self.taken[result] = operand
                        free.remove(operand)
                        break

            if self.leaders[k] != k:
                self._compute_in_place(k)

    def _dies(self, buffer: int, k: int) -> bool:
        """Whether item `k` is the last to read a buffer.

        What is made by blocks may have been read by the steps before in the same epilogue; what is
        not, by no other step of it.
        """
        leader = self.leaders[k]
        if self.uses[buffer][-1] != leader:
            return False
        group = self.items[leader : leader + 1 + len(_epilogue(self.items[leader].step))]
        made = any(buffer in i.writes for i in group)
        others = self.items[k + 1 : leader + len(group)] if made else group
        return not any(buffer in i.reads for i in others if i is not self.items[k])

    def _compute_in_place(self, k: int) -> None:
        """Let a dying operand of an epilogue's step have the memory of an output."""
        item = self.items[k]
        results = [b for b in sorted(item.writes) if self.buffers[b].kind == "output"]
        for result in results:
            for operand in sorted(item.reads):
                if self._may_lie_in(k, operand, result):
                    self.buffers[operand].alias_of = result
                    break

    def _may_lie_in(self, k: int, operand: int, result: int) -> bool:
        """Whether an operand that is made in the same epilogue may have the result's memory."""
        item, old, new = self.items[k], self.buffers[operand], self.buffers[result]
        made = self.writes.get(operand) == self.writes[result] == [self.leaders[k]]
        return (
            made
            and old.kind == "temp"
            and old.alias_of is None
            and new.alias_of is None
            and operand not in self.taken
            and operand not in self.taken.values()
            and not any(b.alias_of == result for b in self.buffers)
            and _same_extent(old, new)
            and self._dies(operand, k)
            and isinstance(item.step, KernelStep)
            and self._same_index(item.step, operand, result)
        )

    def _same_index(self, step: KernelStep, operand: int, result: int) -> bool:
        """Whether `result` may be stored over `operand`, element by element."""
        keys = [k for k, b in step.bind.items() if self.root(b) == self.root(operand)]
        if not keys:
            return True
        target = next(k for k, b in step.bind.items() if b == result)
        if len(keys) > 1 or step.bind[keys[0]] != operand:
            return False
        return stores_over(step.kernel, keys[0], target)

    # ---- slots

    def finish(self, base: int = 0) -> list[Step]:
        """Make slots of what is left in the arena.

        Parameters
        ----------
        base : int
            Number of the first step.

        Returns
        -------
        list of Step
            The steps in order.
        """
        self._survey()
        begins, ends = [], []
        for item in self.items:
            begins.append(base)
            if item.inner is not None:
                item.inner(base)
            base += len(numbered([item.step]))
            ends.append(base - 1 + len(_epilogue(item.step)))
        slots: dict[int, int] = {}
        for buffer in self.buffers:
            if buffer.kind != "temp" or buffer.id not in self.uses or buffer.alias_of is not None:
                continue
            owner = buffer.id
            while owner in self.taken:
                owner = self.taken[owner]
            first, last = begins[self.uses[buffer.id][0]], ends[self.uses[buffer.id][-1]]
            number = slots.get(owner)
            if number is None:
                slots[owner] = number = len(self.program.slots)
                self.program.slots.append(Slot(byte_length(self.program.ctx, buffer), first, last))
            else:
                slot = self.program.slots[number]
                self.program.slots[number] = Slot(
                    slot.bytes, min(slot.first, first), max(slot.last, last)
                )
            buffer.slot = number
        return [item.step for item in self.items]


def stores_over(kernel: Kernel, operand: str, target: str) -> bool:
    """Whether `target` may have the memory of `operand` in a kernel.

    Every load of the operand is at the index at which `target` is stored, so no point of the
    domain reads what another point has overwritten; and none comes in a later stage than the
    store, so no point reads what it has overwritten itself.
    """
    place = [
        (n, s.index) for n, stage in enumerate(kernel.stages)
        for s in stage.stores if s.operand == target
    ]
    if len(place) != 1:
        return False
    where, index = place[0]
    for n, stage in enumerate(kernel.stages):
        for load in _loads(stage_expressions(stage), operand):
            if n > where or load.args != index:
                return False
    checked = [e for raw, length, _ in kernel.index_checks for e in (raw, length)]
    return all(load.args == index for load in _loads(checked, operand))


def _loads(exprs: Iterable[Expr], operand: str) -> list[Expr]:
    return [n for n in walk(exprs) if n.kind == "load" and n.payload == operand]


def _same_extent(a: Buffer, b: Buffer) -> bool:
    """Whether two buffers have one shape and element size, so that elements lie alike."""
    return (
        a.dtype != "object"
        and b.dtype != "object"
        and a.shape == b.shape
        and np.dtype(a.dtype).itemsize == np.dtype(b.dtype).itemsize
    )


def byte_length(ctx: Context, buffer: Buffer) -> Expr:
    """Bytes of a C-contiguous buffer."""
    itemsize = np.dtype(buffer.dtype).itemsize
    size = ctx.integer(itemsize)
    for n in buffer.shape:
        size = size * n
    return simplify(size)


def _epilogue(step: Step) -> Sequence[Blockwise]:
    """The steps that follow a convolution and may run with it."""
    return step.epilogue if isinstance(step, RoutineStep) else ()


def _validates_first(step: Step) -> bool:
    """Whether a step that fails has written nothing."""
    if isinstance(step, KernelStep):
        return True
    if not isinstance(step, LoopStep):
        return False
    declared = bool(step.origin) and getattr(step.origin[0].op, "validates_first", False)
    return declared or checks_come_first(step.nest)


def _rename_in(step: Step, old: int, new: int) -> None:
    """Use buffer `new` wherever a step names `old`."""

    def named(buffer: int) -> int:
        return new if buffer == old else buffer

    if isinstance(step, (KernelStep, LoopStep)):
        step.bind = {key: named(b) for key, b in step.bind.items()}
    elif isinstance(step, RoutineStep):
        step.inputs = tuple(map(named, step.inputs))
        step.output = named(step.output)
        step.params = {
            k: ScalarBuffer(named(p.id)) if isinstance(p, ScalarBuffer) else p
            for k, p in step.params.items()
        }
    elif isinstance(step, ForeignStep):
        step.inputs = tuple(map(named, step.inputs))
        step.outputs = tuple(map(named, step.outputs))
    elif isinstance(step, (ViewStep, ReshapeViewStep, CopyStep)):
        step.source = named(step.source)
        step.target = named(step.target)
    elif isinstance(step, BreakStep):
        step.condition = named(step.condition)
    elif isinstance(step, RepeatStep):
        step.ins, step.outs = (tuple(map(named, ids)) for ids in (step.ins, step.outs))
        step.done = None if step.done is None else named(step.done)
        for part in step.parts:
            for inner in part:
                _rename_in(inner, old, new)
