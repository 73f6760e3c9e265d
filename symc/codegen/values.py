"""Buffers and sizes of a program in C: pointers, strides, lengths.

Names are declared where they are first needed, in the function being printed, so a long body can
be cut into several functions at any step.
"""

from __future__ import annotations

from ..loop.program import (
    Buffer,
    CheckStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    Step,
    ViewStep,
)
from ..scalar.expr import Expr, leaves, walk
from .cexpr import Block, ExprPrinter, storage_type
from .prepare import contiguous_strides, stage_roots


class Places:
    """Where the buffers of a program are, and what its sizes are called.

    Attributes
    ----------
    early : dict
        Sizes that the prologue hands to the body, with their place in ``c->size``.
    outputs : dict
        Place in ``c->out`` of buffers that are stored there.
    dynamic : dict
        Place in the frame of values whose storage is not known before their step.
    """

    def __init__(self, program: Program) -> None:
        self.program = program
        self.buffers = program.buffers
        self.early: dict[Expr, int] = {}
        self.outputs: dict[int, int] = {}
        self.dynamic: dict[int, int] = {}
        self.late: dict[Expr, int] = {}
        self.view_steps: dict[int, Step] = {}
        for step in program.all_steps:
            if isinstance(step, (ViewStep, ReshapeViewStep)):
                self.view_steps[step.target] = step
        self.printer = ExprPrinter(self._leaf, _no_load, lambda node: True)
        self.block = Block()
        self._assign()

    # ---- roles

    def root(self, buffer: int) -> int:
        """The buffer whose storage `buffer` has taken over, or itself."""
        while (other := self.buffers[buffer].alias_of) is not None:
            buffer = other
        return buffer

    def storage(self, buffer: int) -> object:
        """What identifies the memory: two buffers may overlap only if it is the same."""
        while True:
            record = self.buffers[buffer]
            if record.alias_of is not None:
                buffer = record.alias_of
            elif record.kind == "row":
                return buffer
            elif buffer in self.view_steps:
                buffer = self.view_steps[buffer].reads()[0]
            elif record.base is not None:
                buffer = record.base
            else:
                return ("slot", record.slot) if record.slot is not None else buffer

    def is_early(self, expr: Expr) -> bool:
        """Whether a size can be had before the first step."""
        return all(self.program.early_leaf(n) for n in leaves([expr], "size"))

    def has_early_shape(self, buffer: Buffer) -> bool:
        """Whether all lengths of a buffer can be had before the first step."""
        return all(self.is_early(n) for n in buffer.shape)

    def is_late(self, buffer: Buffer) -> bool:
        """Whether the storage of a buffer is found while the body runs."""
        if buffer.kind in ("dynamic", "object"):
            return True
        if buffer.kind in ("output", "update", "temp") and buffer.alias_of is None:
            if buffer.slot is not None:
                slot = self.program.slots[buffer.slot]
                return not self.is_early(slot.bytes)
            return buffer.kind == "temp" or not self.has_early_shape(buffer)
        return False

    def _assign(self) -> None:
        """Give outputs and late values their places."""
        results = [*self.program.outputs, *[b for _, b in self.fresh_updates()]]
        for place, buffer in enumerate(results):
            record = self.buffers[self.root(buffer)]
            if record.id not in self.outputs and record.kind in (
                "output",
                "update",
                "dynamic",
                "object",
            ):
                self.outputs[record.id] = place
        for record in self.buffers:
            late = record.kind not in ("output", "update") and self.is_late(record)
            if late and record.id not in self.outputs:
                self.dynamic[record.id] = len(self.dynamic)

    def fresh_updates(self) -> list[tuple[int, int]]:
        """Updates that are not done in the container's own array."""
        return [
            (position, b)
            for position, b in self.program.updates
            if self.root(b) != self.program.shared[position]
        ]

    def input_place(self, buffer: Buffer) -> int | None:
        """Place in ``c->in`` of an input, shared container or constant."""
        nin, nshared = len(self.program.inputs), len(self.program.shared)
        offset = {"input": 0, "shared": nin, "const": nin + nshared}.get(buffer.kind)
        return None if offset is None else offset + buffer.position

    def value_text(self, buffer: int) -> str | None:
        """The ``sy_value`` that describes a buffer, where there is one already."""
        record = self.buffers[buffer]
        place = self.input_place(record)
        if place is not None:
            return f"c->in[{place}]"
        if buffer in self.outputs:
            return f"c->out[{self.outputs[buffer]}]"
        if buffer in self.dynamic:
            return f"fr->d[{self.dynamic[buffer]}]"
        return None

    # ---- sizes

    def size(self, expr: Expr) -> str:
        """Text of a size in the body."""
        if expr.kind == "const":
            return str(int(expr.value))
        if self.is_early(expr):
            return self._early(expr)
        return self.printer.values(self.block, [expr])[0]

    def condition(self, expr: Expr) -> str:
        """Text of a boolean size expression in the body."""
        return self.printer.values(self.block, [expr])[0]

    def _early(self, expr: Expr) -> str:
        place = self.early.setdefault(expr, len(self.early))
        key = ("size", place)
        found = self.block.find(key)
        if found is None:
            found = f"z{place}"
            top = self.top
            top.lines.append(f"const int64_t {found} = c->size[{place}];")
            top.names[key] = found
        return found

    @property
    def top(self) -> Block:
        """The outermost block of the function being printed."""
        block = self.block
        while block.parent is not None:
            block = block.parent
        return block

    def _leaf(self, node: Expr) -> str:
        if node.kind != "size":
            raise ValueError(f"{node!r} in a size expression")
        if self.program.early_leaf(node):
            return self._early(node)
        kind, buffer, *axis = node.payload
        if kind == "loop":
            return f"t{buffer}"
        if kind == "dim":
            value = self.value_text(self.root(buffer))
            if value is not None:
                return f"{value}.n[{axis[0]}]"
            return self.size(self.buffers[buffer].shape[axis[0]])
        return f"fr->late[{self.late.setdefault(node, len(self.late))}]"

    def late_scalars(self) -> dict[int, Expr]:
        """Late values of 0-d buffers that sizes use, by buffer."""
        return {
            node.payload[1]: node
            for node in walk(self.all_sizes())
            if node.kind == "size"
            and node.payload[0] == "val"
            and not self.program.early_leaf(node)
        }

    def all_sizes(self) -> list[Expr]:
        """All expressions of the program that may hold sizes."""
        sizes = [n for b in self.buffers for n in b.shape]
        sizes += [s.bytes for s in self.program.slots]
        for step in self.program.all_steps:
            if isinstance(step, RepeatStep):
                sizes.append(step.count)
            elif isinstance(step, ViewStep):
                sizes += [*step.offset, *(pace for _, pace in step.axes)]
            elif isinstance(step, KernelStep):
                sizes += [a.extent for a in step.kernel.axes]
                sizes += [e for stage in step.kernel.stages for e in stage_roots(stage)]
                sizes += [e for check in step.kernel.index_checks for e in check[:2]]
            elif isinstance(step, LoopStep):
                sizes += [e for _, e in step.nest.sizes]
            elif isinstance(step, CheckStep):
                sizes += [step.condition, *step.shown]
        return sizes

    # ---- buffers

    def pointer(self, buffer: int) -> str:
        """Name of a typed pointer to the first element."""
        key = ("pointer", buffer)
        found = self.block.find(key)
        if found is None:
            text = self._pointer_text(buffer)
            found = f"b{buffer}"
            ctype = storage_type(self.buffers[buffer].dtype)
            block = self.top if self._stays(buffer) else self.block
            block.lines.append(f"{ctype} *const {found} = ({ctype} *)({text});")
            block.names[key] = found
        return found

    def _stays(self, buffer: int) -> bool:
        """Whether the memory is at one place during the whole call."""
        record = self.buffers[buffer]
        if record.alias_of is not None or buffer in self.view_steps or self.is_late(record):
            return False
        return self.input_place(record) is not None or record.slot is not None or (
            buffer in self.outputs
        )

    def _pointer_text(self, buffer: int) -> str:
        root = self.root(buffer)
        if root != buffer:
            return self.pointer(root)
        step = self.view_steps.get(buffer)
        if isinstance(step, ReshapeViewStep):
            return self.pointer(step.source)
        if isinstance(step, ViewStep):
            return self._view_pointer(step)
        value = self.value_text(buffer)
        if value is not None:
            return f"{value}.data"
        slot = self.buffers[buffer].slot
        if slot is None:
            raise ValueError(f"buffer {buffer} has no storage")
        return f"c->arena + c->slot_offset[{slot}]"

    def slot(self, buffer: int) -> int | None:
        """The slot that a buffer begins with, if its place is known as soon as a call begins."""
        alone = self.buffers[buffer].kind == "temp" and buffer not in self.outputs
        return self.buffers[buffer].slot if alone and self._stays(buffer) else None

    def _view_pointer(self, step: ViewStep) -> str:
        terms = [self.pointer(step.source)]
        for axis, offset in enumerate(step.offset):
            if not (offset.is_const and offset.value == 0):
                terms.append(f"({self.size(offset)}) * {self.stride(step.source, axis)}")
        return " + ".join(terms)

    def stride(self, buffer: int, axis: int) -> str:
        """Text of a stride in elements."""
        record = self.buffers[buffer]
        if record.contiguous:
            return self.size(self.contiguous_stride(record, axis))
        step = self.view_steps.get(buffer)
        if isinstance(step, ViewStep):
            return self._view_stride(step, axis)
        root = self.root(buffer)
        if root != buffer:
            return self.stride(root, axis)
        value = self.value_text(buffer)
        if value is None:
            raise ValueError(f"the strides of buffer {buffer} are not known")
        return f"{value}.s[{axis}]"

    def contiguous_stride(self, record: Buffer, axis: int) -> Expr:
        """The stride of an axis where the buffer is C-contiguous."""
        return contiguous_strides(self.program.ctx, record.shape)[axis]

    def _view_stride(self, step: ViewStep, axis: int) -> str:
        source, pace = step.axes[axis]
        if source is None:
            return "0"
        own = self.stride(step.source, source)
        if pace.is_const and pace.value == 1:
            return own
        key = ("stride", step.target, axis)
        found = self.block.find(key)
        if found is None:
            found = f"b{step.target}_s{axis}"
            text = f"({self.size(pace)}) * {own}"
            self.block.lines.append(f"const int64_t {found} = {text};")
            self.block.names[key] = found
        return found

    def dim(self, buffer: int, axis: int) -> str:
        """Text of a length."""
        return self.size(self.buffers[buffer].shape[axis])

    def count(self, buffer: int) -> str:
        """Text of the number of elements."""
        record = self.buffers[buffer]
        factors = [f"(int64_t){self.size(n)}" for n in record.shape]
        return " * ".join(factors) or "1"

    def forget(self) -> None:
        """Start a new function: names of the old one are gone."""
        self.block = Block()


def _no_load(node: Expr, index: list[str]) -> str:
    raise ValueError(f"{node!r} in a size expression")
