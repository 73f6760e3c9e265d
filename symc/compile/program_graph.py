"""The graph of a compiled program: one Apply per step, in execution order (D8).

It is made from the program when somebody asks, and only to be looked at: changing it changes
nothing. Users' ops, and all steps that stand for one op, show that op. A fused kernel that is
elementwise throughout is an `Elemwise` whose scalar op is a `Composite`; other fused kernels are
`FusedKernel`. ``destroy_map`` and ``view_map`` of the shown ops follow from the memory plan.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from ..array.type import TensorType
from ..dtypes import DTYPES
from ..graph.graph import Graph
from ..graph.node import Apply, Variable
from ..graph.op import Op
from ..graph.special import generic
from ..graph.text import DebugprintInfo
from ..loop.kernel import Kernel
from ..loop.program import (
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
)
from ..ops.elemwise import Elemwise
from ..scalar.composite import Composite
from ..scalar.expr import Expr, leaves, walk

_MOST_NAMES = 6


class ProgramOp(Op):
    """An op that only says what a step of a program does; it makes and computes nothing.

    Attributes
    ----------
    name : str
    destroy_map, view_map : dict
        From the memory plan.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    def __str__(self) -> str:
        return self.name


class FusedKernel(ProgramOp):
    """Several ops in one loop nest.

    Attributes
    ----------
    ops : list of str
        Names of the ops whose results the kernel computes, in order.
    """

    def __init__(self, ops: Sequence[str]) -> None:
        self.ops = list(ops)
        shown = ", ".join(self.ops[:_MOST_NAMES])
        more = f", ... {len(self.ops)} in all" if len(self.ops) > _MOST_NAMES else ""
        super().__init__(f"FusedKernel{{{shown}{more}}}")


class ProgramGraph:
    """Builds the graph of one program.

    Parameters
    ----------
    program : Program
    inputs, shared : sequence of Variable
        The function's own leaves, which stand in the graph as they are.

    Attributes
    ----------
    nodes : list of Apply
        In execution order.
    notes : dict
        What is worth knowing about memory, by node: texts and variables.
    """

    def __init__(
        self, program: Program, inputs: Sequence[Variable], shared: Sequence[Variable]
    ) -> None:
        self.program = program
        self.leaves = [*inputs, *shared]
        self.current: dict[int, Variable] = dict(
            zip((*program.inputs, *program.shared), self.leaves, strict=True)
        )
        self.nodes: list[Apply] = []
        self.notes: dict[Any, list[str | Variable]] = {}
        for step in program.steps:
            if not isinstance(step, CheckStep):
                self._add(step)
        results = [*program.outputs, *(b for _, b in program.updates)]
        self.outputs = [self._variable(b) for b in results]
        self._note_updates()

    def graph(self) -> Graph:
        """The graph, with the order of execution as its order."""
        orderings = {b: [a] for a, b in zip(self.nodes[:-1], self.nodes[1:], strict=True)}
        return Graph(self.leaves, self.outputs, orderings)

    def info(self) -> DebugprintInfo:
        """What `debugprint` shows."""
        return DebugprintInfo(self.outputs, self.nodes, self.notes)

    def _variable(self, number: int) -> Variable:
        if number not in self.current:
            buffer = self.program.buffers[number]
            if buffer.kind == "const":
                constant = _type_of(buffer).make_constant(buffer.data)
                self.current[number] = constant
            else:
                self.current[number] = _type_of(buffer)(buffer.name)
        return self.current[number]

    def _operand(self, number: int) -> Variable:
        """What a step reads: where it updates storage that it shares, the value from before."""
        place = number
        while place not in self.current:
            buffer = self.program.buffers[place]
            if buffer.alias_of is None:
                return self._variable(number)
            place = buffer.alias_of
        return self.current[place]

    def _add(self, step: Step) -> None:
        reads = [self._operand(b) for b in step.reads()]
        written = list(step.writes())
        outputs = [_type_of(self.program.buffers[b])(self.program.buffers[b].name)
                   for b in written]
        op = _op_of(step, reads)
        destroyed = self._destroyed(step, written)
        if isinstance(op, ProgramOp):
            op.destroy_map = destroyed  # type: ignore[misc]
            if isinstance(step, (ViewStep, ReshapeViewStep)):
                op.view_map = {0: [0]}  # type: ignore[misc]
        node = Apply(op, reads, outputs)
        trace = next((getattr(n.tag, "trace", None) for n in step.origin), None)
        for number, output in zip(written, outputs, strict=True):
            output.tag.trace = trace
            self.current[number] = output
        self.nodes.append(node)
        if destroyed:
            over = dict.fromkeys(reads[i] for ins in destroyed.values() for i in sorted(ins))
            self.notes[node] = ["writes over ", *_separated(over)]

    def _destroyed(self, step: Step, written: Sequence[int]) -> dict[int, list[int]]:
        """``{output: [operand]}`` where an output takes the memory of an operand."""
        found: dict[int, list[int]] = {}
        reads = step.reads()
        for position, number in enumerate(written):
            over = [i for i, b in enumerate(reads) if self._same_memory(number, b)]
            if over and not isinstance(step, (ViewStep, ReshapeViewStep)):
                found[position] = over
        return found

    def _same_memory(self, a: int, b: int) -> bool:
        first, second = (self._place(n) for n in (a, b))
        return first == second

    def _place(self, number: int) -> tuple[str, int]:
        buffer = self.program.buffers[number]
        while buffer.alias_of is not None or buffer.base is not None:
            nxt = buffer.alias_of if buffer.alias_of is not None else buffer.base
            buffer = self.program.buffers[nxt]  # type: ignore[index]
        return ("slot", buffer.slot) if buffer.slot is not None else ("buffer", buffer.id)

    def _note_updates(self) -> None:
        for (position, number), output in zip(
            self.program.updates, self.outputs[len(self.program.outputs) :], strict=True
        ):
            shared = self.leaves[len(self.program.inputs) + position]
            inplace = self._same_memory(number, self.program.shared[position])
            how = "in place" if inplace else "in new memory"
            key = output.owner if output.owner is not None else output
            note = self.notes.setdefault(key, [])
            note.append(f"{'; ' if note else ''}updates {shared} {how}")


def _separated(variables: Iterable[Variable]) -> list[str | Variable]:
    parts: list[str | Variable] = [part for v in variables for part in (", ", v)]
    return parts[1:]


def _type_of(buffer: Buffer) -> Any:
    if buffer.dtype not in DTYPES:
        return generic
    return TensorType(buffer.dtype, [n.is_const and int(n.value) == 1 for n in buffer.shape])


def _op_of(step: Step, reads: Sequence[Variable]) -> Any:
    if isinstance(step, KernelStep):
        return _kernel_op(step.kernel, step.origin, reads)
    if isinstance(step, CopyStep):
        return ProgramOp("DeepCopyOp")
    if isinstance(
        step, (LoopStep, RepeatStep, ForeignStep, RoutineStep, ViewStep, ReshapeViewStep)
    ):
        if step.origin:
            return step.origin[-1].op
        return ProgramOp(type(step).__name__.removesuffix("Step"))
    return ProgramOp(type(step).__name__)


def _kernel_op(kernel: Kernel, origin: Sequence[Apply], reads: Sequence[Variable]) -> Any:
    composite = _composite(kernel, reads)
    if composite is not None:
        return Elemwise(composite)
    if len(origin) == 1:
        return origin[0].op
    return FusedKernel([_short(node.op) for node in origin])


def _short(op: Any) -> str:
    scalar_op = getattr(op, "scalar_op", None)
    return str(op) if scalar_op is None else str(scalar_op)


def _composite(kernel: Kernel, reads: Sequence[Variable]) -> Composite | None:
    """The kernel as one scalar op, if every result is a function of elements at one index."""
    if len(kernel.stages) != 1 or kernel.stages[0].reductions or kernel.index_checks:
        return None
    stage = kernel.stages[0]
    roots: list[Expr] = [s.value for s in stage.stores]
    formal: list[Expr] = []
    by_operand: dict[Any, Expr] = {}
    for load in leaves(roots, "load"):
        if load.payload in by_operand:
            return None
        by_operand[load.payload] = load
    readable = [o.key for o in kernel.operands if "r" in o.access]
    if len(readable) != len(reads) or any(k not in by_operand for k in readable):
        return None
    formal = [by_operand[k] for k in readable]
    inside = {n for load in formal for n in walk(load.args)}
    for node in walk(roots):
        if not node.args and node.kind not in ("const", "load") and node not in inside:
            return None
    try:
        return Composite(formal, roots)
    except ValueError:
        return None
