"""What is done with a convolution's result while it is in the cache.

A convolution makes its result block by block: some rows of some channels of one image at a time.
Steps that follow and need nothing but such a block can run on it at once: elementwise kernels
(a bias, an activation, the sum with another tensor) and pooling. They are moved up to the
convolution and become its epilogue.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ..loop.kernel import Kernel, Stage
from ..loop.program import Blockwise, Buffer, KernelStep, LoopStep, Program, RoutineStep
from ..scalar.expr import Expr, leaves, walk
from .kernels import stage_expressions
from .order import Item

FAR = 200
"""How many steps later a step may come and still be looked at."""
BLOCK_AXES = 3
"""Images, channels, rows."""


def with_epilogues(items: Sequence[Item], program: Program) -> list[Item]:
    """The steps in an order in which those that can are epilogues of convolutions.

    Parameters
    ----------
    items : sequence of Item
        In order; memory has not been planned.
    program : Program
        Inputs and shared variables that an epilogue reads will have to be contiguous.
    """
    finder = _Finder(items, program)
    for place, item in enumerate(items):
        step = item.step
        if isinstance(step, RoutineStep) and step.name in ("convolve", "convolve_inputs"):
            finder.look_after(place, step)
    order = []
    for place, item in enumerate(items):
        if place not in finder.moved:
            order.append(item)
            order.extend(items[k] for k in finder.groups.get(place, ()))
    return order


@dataclass
class _Group:
    """What has been found of an epilogue."""

    rows: dict[int, int]  # rows of the result that a row of a buffer stands for
    places: list[int] = field(default_factory=list)
    steps: list[Blockwise] = field(default_factory=list)


class _Finder:
    def __init__(self, items: Sequence[Item], program: Program) -> None:
        self.items = items
        self.program = program
        self.buffers = program.buffers
        self.groups: dict[int, list[int]] = {}
        self.moved: set[int] = set()
        self.readers: dict[int, list[int]] = {}
        for place, item in enumerate(items):
            for buffer in item.reads:
                self.readers.setdefault(buffer, []).append(place)

    def look_after(self, place: int, step: RoutineStep) -> None:
        """Find the epilogue of the convolution at `place`."""
        if step.accumulate or not self._is_plain(step.output):
            return
        group = _Group({step.output: 1})
        waiting = set(self.readers.get(step.output, ()))
        while waiting:
            k = min(waiting)
            waiting.discard(k)
            if k in self.moved or not place < k < place + FAR:
                continue
            rows = self._joins(place, k, group)
            if rows is None:
                continue
            group.places.append(k)
            group.steps.append(Blockwise(self.items[k].step, rows))
            for buffer in self.items[k].writes:
                waiting.update(self.readers.get(buffer, ()))
        if not group.steps:
            return
        step.epilogue = tuple(group.steps)
        self.groups[place] = group.places
        self.moved.update(group.places)
        for found in group.steps:
            for number in found.step.reads():
                record = self.buffers[number]
                record.contiguous |= record.kind in ("input", "shared")

    def _is_plain(self, buffer: int) -> bool:
        """Whether a buffer is made in memory of its own, whose length is known beforehand."""
        record = self.buffers[buffer]
        owned = record.kind in ("temp", "output") and record.base is None
        if not owned or not record.contiguous:
            return False
        return all(map(self.program.early_leaf, leaves(record.shape, "size")))

    def _joins(self, place: int, k: int, group: _Group) -> dict[str, int] | None:
        """The rows of the operands of item `k` if it can be a part of the epilogue."""
        item = self.items[k]
        if item.step.fallible or not all(map(self._is_plain, item.writes)):
            return None
        if not isinstance(item.step, (KernelStep, LoopStep)) or not self._may_move(place, k, group):
            return None
        bound = item.step.bind
        if any(self.buffers[b].base in group.rows for b in bound.values()):
            return None  # a view of what is made by blocks
        known = {key: group.rows[b] for key, b in bound.items() if b in group.rows}
        if isinstance(item.step, LoopStep):
            rows = _rows_of_nest(item.step, known)
        else:
            lengths = {key: self.buffers[b] for key, b in bound.items()}
            rows = rows_of_kernel(item.step.kernel, lengths, known)
        for key, count in (rows or {}).items():
            if bound[key] in item.writes:
                group.rows[bound[key]] = count
        return rows

    def _may_move(self, place: int, k: int, group: _Group) -> bool:
        """Whether no item that stays between the convolution and `k` has to come before `k`."""
        item = self.items[k]
        touched = self._roots(item.reads | item.writes)
        written = self._roots(item.writes)
        for j in range(place + 1, k):
            other = self.items[j]
            if j in group.places:
                continue
            if other in item.after or touched & self._roots(other.writes):
                return False
            if written & self._roots(other.reads):
                return False
        return True

    def _roots(self, buffers: Iterable[int]) -> set[int]:
        bases = ((b, self.buffers[b].base) for b in buffers)
        return {b if base is None else base for b, base in bases}


def _rows_of_nest(step: LoopStep, known: dict[str, int]) -> dict[str, int] | None:
    """The rows of the operands of loops written by an op that says how rows belong together."""
    op = step.origin[0].op if step.origin else None
    row_blocks = getattr(op, "row_blocks", None)
    each = None if row_blocks is None else row_blocks(step.origin[0])
    others = [o.key for o in step.nest.operands if o.key not in known]
    if each is None or step.nest.sizes or len(known) != 1 or len(others) != 1:
        return None
    (count,) = known.values()
    return {**known, others[0]: count * each}


def rows_of_kernel(
    kernel: Kernel, buffers: dict[str, Buffer], known: dict[str, int]
) -> dict[str, int] | None:
    """The rows of the operands of a kernel that are cut into blocks; None if it can't be.

    Parameters
    ----------
    kernel : Kernel
    buffers : dict
        What its operands are bound to.
    known : dict
        Rows of the operands that are made by the steps before.
    """
    if len(kernel.stages) != 1 or kernel.stages[0].reductions or kernel.index_checks:
        return None
    if len(set(known.values())) != 1 or not all(map(_can_be_flat, buffers.values())):
        return None
    (stage,) = kernel.stages
    roots = stage_expressions(stage)
    loads = [n for n in walk(roots) if n.kind == "load"]
    uses = [(n.payload, n.args) for n in loads if n.payload in known]
    stores = [(s.operand, s.index) for s in stage.stores]
    block = block_axes(kernel, uses[0][1])
    if len(block) < BLOCK_AXES or any(
        block_axes(kernel, index) != block for _, index in (*uses, *stores)
    ):
        return None
    extents = {a.key: a.extent for a in kernel.axes}
    if not all(_is_whole(index, buffers[key].shape, extents) for key, index in (*uses, *stores)):
        return None
    if any(len(found) > 1 for found in _starts(loads, block).values()):
        return None
    if not _only_addresses(stage, {i for i in block if i.kind == "index"}):
        return None
    (count,) = set(known.values())
    return {**known, **{key: count for key, _ in stores}}


def block_axes(kernel: Kernel, index: Sequence[Expr]) -> tuple[Expr, ...]:
    """The entries of an index for image, channel and row, if they are axes, or 0 of length 1."""
    found = tuple(index[:BLOCK_AXES])
    axes = [i for i in found if i.kind == "index"]
    plain = all(i.kind == "index" or (i.is_const and i.value == 0) for i in found)
    return found if plain and len(set(axes)) == len(axes) else ()


def _is_whole(index: Sequence[Expr], shape: Sequence[Expr], extents: dict[str, Expr]) -> bool:
    """Whether an index goes over all of an array, along the axes of blocks at least.

    An entry 0 would else be one image, channel or row of many, which other blocks need, too.
    """
    for axis, (i, n) in enumerate(zip(index, shape, strict=True)):
        if i.kind == "index" and n is not extents[i.payload]:
            return False
        if axis < BLOCK_AXES and i.is_const and not (n.is_const and n.value == 1):
            return False
    return True


def _starts(
    loads: Iterable[Expr], block: Sequence[Expr]
) -> dict[str, set[tuple[Expr | None, ...]]]:
    """By operand, the ways in which its axes are those of blocks."""
    found: dict[str, set[tuple[Expr | None, ...]]] = {}
    for load in loads:
        axes = tuple(i if i in block and i.kind == "index" else None for i in load.args)
        found.setdefault(load.payload, set()).add(axes)
    return found


def _can_be_flat(buffer: Buffer) -> bool:
    return buffer.contiguous or buffer.kind in ("input", "shared")


def _only_addresses(stage: Stage, block: set[Expr]) -> bool:
    """Whether axes of a block stand alone in indices, once in each, and nowhere else."""
    nodes = walk(stage_expressions(stage))
    values = {*(s.value for s in stage.stores), *(e for _, e in stage.keep)}
    values |= {a for n in nodes if n.kind != "load" for a in n.args}
    places = [n.args for n in nodes if n.kind == "load"] + [s.index for s in stage.stores]
    once = all(sum(i is axis for i in index) < 2 for index in places for axis in block)
    return once and not block & values
