"""Programs: buffers and a flat list of steps. What the machine does, in order.

Sizes are int64 expressions in the program's scalar context. Their ``size`` leaves are

``("dim", b, k)``   length of axis k of buffer b; b is an input, shared or data-dependent buffer
``("val", b)``      value of the 0-d integer buffer b
``("loop", k)``     number of the step that loop k is at, counted from 0; only inside that loop

A leaf is *early* if it can be had before the first step (inputs and shared containers), else it
is data-dependent and may be used only after the step that writes its buffer.

One :class:`Program` is one variant of a function: its `guards` (equal lengths, mostly) hold for
the calls that it serves; for a call that fails a guard another variant is made.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from ..scalar.expr import Context, Expr
from .kernel import Kernel


@dataclass(eq=False)
class Buffer:
    """A value of the program.

    Attributes
    ----------
    id : int
    dtype : str
        A dtype name, or ``"object"`` for Python objects (held in object slots, D7).
    shape : tuple of Expr
    kind : str
        One of ``input``, ``shared``, ``const``, ``temp``, ``output``, ``update``, ``view``,
        ``row``, ``dynamic``, ``object``. A ``temp`` lives in the arena; ``output`` and ``update``
        in fresh arrays that leave the function; a ``view`` shares the storage of `base`; a ``row``
        is a part of another buffer that a loop moves along, and overlaps no other row that is in
        use; ``dynamic`` is storage whose size is not known before its step has run (the step
        allocates it); an ``object`` is a Python reference.
    position : int
        Which input, shared container, constant or output it is.
    contiguous : bool
        True where the storage is known to be C-contiguous. For an input or a shared container it
        is a demand on the call path: storage that is not contiguous is replaced by a copy first.
    base : int or None
        For a view, the buffer that owns the storage.
    slot : int or None
        For ``temp``: its arena slot, given by the planner; buffers in one slot share memory.
        An ``output``/``update`` buffer may take over an input's or temp's storage: see `alias_of`.
    alias_of : int or None
        Buffer whose storage this one takes over (in-place), proved by the planner.
    data : object
        For ``const``: the array (or any object for kind ``object``).
    origin : tuple
        The Apply nodes it stands for (opaque here; used for messages and printing).
    """

    id: int
    dtype: str
    shape: tuple[Expr, ...]
    kind: str
    position: int = -1
    contiguous: bool = True
    base: int | None = None
    slot: int | None = None
    alias_of: int | None = None
    data: Any = None
    origin: tuple[Any, ...] = ()
    name: str | None = None


@dataclass(eq=False)
class Step:
    """Base of all steps; `origin` are the Apply nodes it computes, `fallible` if it may fail."""

    origin: tuple[Any, ...] = field(default=(), kw_only=True)
    fallible: bool = field(default=False, kw_only=True)

    def reads(self) -> tuple[int, ...]:
        """Ids of buffers read."""
        return ()

    def writes(self) -> tuple[int, ...]:
        """Ids of buffers written."""
        return ()


@dataclass(eq=False)
class KernelStep(Step):
    """Run `kernel` with `bind[operand key] = buffer id`.

    The tag of an index check of the kernel is the position, in `origin`, of the node to blame.
    """

    kernel: Kernel
    bind: dict[str, int]

    def reads(self) -> tuple[int, ...]:
        return tuple(
            dict.fromkeys(self.bind[o.key] for o in self.kernel.operands if "r" in o.access)
        )

    def writes(self) -> tuple[int, ...]:
        return tuple(
            dict.fromkeys(self.bind[o.key] for o in self.kernel.operands if "w" in o.access)
        )


@dataclass(eq=False)
class LoopStep(Step):
    """Run statements of the loop language written by an op (:class:`symc.loop.ir.Nest`)."""

    nest: Any
    bind: dict[str, int]

    def reads(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.bind[o.key] for o in self.nest.operands if "r" in o.access))

    def writes(self) -> tuple[int, ...]:
        return tuple(dict.fromkeys(self.bind[o.key] for o in self.nest.operands if "w" in o.access))


@dataclass(frozen=True)
class ScalarBuffer:
    """A 0-d buffer as a numeric parameter of a routine (``alpha=ScalarBuffer(7)``)."""

    id: int


@dataclass(frozen=True, eq=False)
class Blockwise:
    """A step that may run on blocks of a convolution's result, as soon as these are there.

    A block is some rows (along the first axis in space) of some channels of one image.

    Attributes
    ----------
    step : KernelStep or LoopStep
        Each block of what it writes depends on that block of the result alone.
    rows : dict
        The operands that are cut into blocks, with how many rows of the result one of their rows
        stands for; 0: a block has all rows.
    """

    step: Step
    rows: dict[str, int]


@dataclass(eq=False)
class RoutineStep(Step):
    """Call the library routine `name` (contract in :mod:`symc.loop.routines`).

    Attributes
    ----------
    name : str
        ``"gemm"``, ``"gemv"``, ``"ger"``, ``"batched_gemm"``, ...
    inputs : tuple of int
        Operand buffers read.
    output : int
        Buffer written; with `accumulate` it is read and updated.
    params : dict
        Static parameters and size expressions by name, e.g. alpha/beta given as numbers or as
        :class:`ScalarBuffer`.
    epilogue : tuple of Blockwise
        The steps that follow this one and may run on blocks of a convolution's output. Running
        one after the other is right, too. For the memory all of them are one step: what one reads
        shares no memory with what another one writes, except at the same elements of blocks.
    """

    name: str
    inputs: tuple[int, ...]
    output: int
    params: dict[str, Any] = field(default_factory=dict)
    accumulate: bool = False
    epilogue: tuple[Blockwise, ...] = ()

    def reads(self) -> tuple[int, ...]:
        scalars = [p.id for p in self.params.values() if isinstance(p, ScalarBuffer)]
        own = (self.output,) if self.accumulate else ()
        return tuple(dict.fromkeys((*self.inputs, *scalars, *own)))

    def writes(self) -> tuple[int, ...]:
        return (self.output,)


@dataclass(eq=False)
class ForeignStep(Step):
    """Call Python: ``call(list of values) -> list of values`` over the buffers' arrays.

    Outputs of kind ``dynamic`` or ``object`` take whatever comes back; others are copied into.
    ``key`` is stable text that identifies the op for fingerprints; code is not rendered from it.
    """

    call: Any
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    key: str = ""

    def reads(self) -> tuple[int, ...]:
        return self.inputs

    def writes(self) -> tuple[int, ...]:
        return self.outputs


@dataclass(eq=False)
class ViewStep(Step):
    """`target` becomes a strided view of `source`; no data moves.

    ``stride(target axis d) = sum_k coeff * stride(source axis k)`` with at most one pair per axis
    for plain views; ``axes[d] = (source axis or None, step Expr)`` and ``offset[k]`` is the start
    index along source axis k.
    """

    target: int
    source: int
    axes: tuple[tuple[int | None, Expr], ...]
    offset: tuple[Expr, ...]

    def reads(self) -> tuple[int, ...]:
        return (self.source,)

    def writes(self) -> tuple[int, ...]:
        return (self.target,)


@dataclass(eq=False)
class ReshapeViewStep(Step):
    """`target` is the C-contiguous buffer `source` seen with another shape."""

    target: int
    source: int

    def reads(self) -> tuple[int, ...]:
        return (self.source,)

    def writes(self) -> tuple[int, ...]:
        return (self.target,)


@dataclass(eq=False)
class CopyStep(Step):
    """Copy `source` into the contiguous `target`, element by element."""

    target: int
    source: int

    def reads(self) -> tuple[int, ...]:
        return (self.source,)

    def writes(self) -> tuple[int, ...]:
        return (self.target,)


@dataclass(eq=False)
class CheckStep(Step):
    """Fail with `error` unless the boolean size expression `condition` holds.

    Attributes
    ----------
    condition : Expr
    error : str
        Name of the error family (``"shape"``, ``"index"``, ``"assert"``, ``"value"``, ...).
    message : str
        Text with ``{0}``, ``{1}`` for the values of `shown`.
    shown : tuple of Expr
    """

    condition: Expr
    error: str
    message: str
    shown: tuple[Expr, ...] = ()

    def __post_init__(self) -> None:
        self.fallible = True


@dataclass(eq=False)
class BreakStep(Step):
    """Make this the last step of the loop around, if the 0-d bool `condition` is true."""

    condition: int

    def reads(self) -> tuple[int, ...]:
        return (self.condition,)


@dataclass(eq=False)
class RepeatStep(Step):
    """Run `before`, then `count` times `body`, then `after`.

    Attributes
    ----------
    counter : Expr
        The ``loop`` leaf that stands for the number of the step.
    count : Expr
    before, body, after : list of Step
    ins, outs : tuple of int
        Buffers from outside that are read, and written.
    done : int or None
        0-d int64 buffer for the number of steps that were made; it is known in `after`.
    """

    counter: Expr
    count: Expr
    before: list[Step]
    body: list[Step]
    after: list[Step]
    ins: tuple[int, ...]
    outs: tuple[int, ...]
    done: int | None = None

    def reads(self) -> tuple[int, ...]:
        return self.ins

    def writes(self) -> tuple[int, ...]:
        return self.outs

    @property
    def parts(self) -> list[list[Step]]:
        """The lists of steps inside."""
        return [self.before, self.body, self.after]


def numbered(steps: Iterable[Step], first: int = 0) -> list[tuple[int, Step]]:
    """All steps with their numbers: a step's number is followed by those of the steps in it."""
    result: list[tuple[int, Step]] = []
    stack = [iter(list(steps))]
    while stack:
        step = next(stack[-1], None)
        if step is None:
            stack.pop()
            continue
        result.append((first + len(result), step))
        if isinstance(step, RepeatStep):
            stack.append(iter([s for part in step.parts for s in part]))
    return result


@dataclass(frozen=True)
class Guard:
    """A condition under which this variant is right; violated guards ask for another variant."""

    condition: Expr
    origin: tuple[Any, ...] = ()


@dataclass(frozen=True)
class Slot:
    """A range of the arena: `bytes` long, live from step `first` to step `last` inclusive.

    Steps are counted with those inside of other steps, see `numbered`.
    """

    bytes: Expr
    first: int
    last: int


@dataclass(eq=False)
class Program:
    """One variant of a function.

    Attributes
    ----------
    ctx : Context
    buffers : list of Buffer
        Indexed by id.
    inputs, shared, outputs, updates : list of int
        Buffer ids by position. ``updates`` is a list of (shared position, buffer id); if the
        buffer's storage is the container's own (`alias_of`), the update is in place, else the
        fresh array replaces the container's value when everything has succeeded.
    guards : list of Guard
        Over early sizes.
    checks : list of CheckStep
        User errors over early sizes; run before anything is written.
    steps : list of Step
    slots : list of Slot
    loops : int
        How many loops have got their counters.
    """

    ctx: Context
    buffers: list[Buffer] = field(default_factory=list)
    inputs: list[int] = field(default_factory=list)
    shared: list[int] = field(default_factory=list)
    outputs: list[int] = field(default_factory=list)
    updates: list[tuple[int, int]] = field(default_factory=list)
    guards: list[Guard] = field(default_factory=list)
    checks: list[CheckStep] = field(default_factory=list)
    steps: list[Step] = field(default_factory=list)
    slots: list[Slot] = field(default_factory=list)
    loops: int = 0

    @property
    def all_steps(self) -> list[Step]:
        """The steps and those inside of them, by number."""
        return [step for _, step in numbered(self.steps)]

    def early_leaf(self, leaf: Expr) -> bool:
        """Whether a ``size`` leaf can be evaluated before the first step."""
        if leaf.payload[0] == "loop":
            return False
        buffer = self.buffers[leaf.payload[1]]
        return buffer.kind in ("input", "shared", "const")
