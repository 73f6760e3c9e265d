"""What ops tell the lowering: the records that lowering methods of ops return.

An op says in one of six forms how it is computed; the lowering asks for them in this order and
takes the first that does not answer None:

``reduction(node) -> ReductionSpec`` (a tuple of them, if the node has several outputs)
    Operand 0 is accumulated over some of its axes. The kept axes, in order, are the axes of the
    output; ``keepdims`` is a dimshuffle around it.
``define(node, idx, read) -> Expr``
    The element at ``idx`` (a tuple of int64 expressions, one per axis of the output); a tuple of
    them if the node has several outputs, which then have one shape. A result has the output's
    dtype, or is cast to it. ``read`` is a :class:`Reader`. The method may be called with any
    index expressions, so it must not keep them.
``view(node, ctx) -> ViewSpec | ReshapeSpec`` (a list of them, if the node has several outputs)
    Each output shares the storage of an operand. An op may have ``define`` and ``view``: the
    first serves readers in kernels, the second those that need an array. ``ctx`` is a
    :class:`SizeContext`.
``routine(node) -> RoutineSpec``
    One library routine (names and contracts in :mod:`symc.loop.routines`).
``emit(node, b, ins, outs)``
    Writes loops with the :class:`~symc.loop.build.Builder` `b`; `ins` and `outs` are its
    :class:`~symc.loop.build.ArrayRef` handles, one per operand and output. Where
    ``op.updates(node)`` gives ``{output: input}``, the output starts with the contents of that
    input and ``ins[input]`` and ``outs[output]`` are one and the same handle. Error numbers of
    ``b.fail_if`` are explained by ``op.reasons``: ``{number: (error family, message)}``. An op
    all of whose failing checks come before its first store says so by ``validates_first = True``
    (it is seen without, where no loop has both): only then it may write into a container. Where
    the method returns NotImplemented, ``perform`` runs.
``repeat(node) -> RepeatSpec``
    A loop over an inner graph. Its ``shape`` says with ``ctx.bind_shape`` and ``ctx.bind_value``
    what the inner variables are, and asks for the others with ``ctx.inner_shape``.
``branches(node) -> BranchSpec``
    One of two inner graphs. Its ``shape`` tells ``ctx.bind_shape`` when a variable is there.
nothing
    ``perform`` runs as a Python step.

``shape(node, in_shapes, ctx)`` has a :class:`SizeContext` too. Sizes are int64 expressions
(:class:`~symc.scalar.expr.Expr`) here; when an op calls its own ``shape`` for static lengths they
may be Python integers, so methods use plain arithmetic and the methods of `ctx`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from ..scalar.expr import Context, Expr


@dataclass(frozen=True)
class ReductionSpec:
    """Operand 0, reduced over `axes` with `op`.

    Attributes
    ----------
    op : ScalarOp
        The combining scalar op: add, mul, maximum, minimum, and_, or_, xor. For `arg` the one
        that it belongs to (maximum or minimum).
    axes : tuple of int
        Reduced axes of the operand, ascending, not negative; () copies the operand, cast.
    dtype : str
        Type of the result.
    acc_dtype : str
        Type in which values are accumulated; elements are cast to it one by one.
    identity : object
        Value of an empty reduction, and start value; None means that there is none, and an empty
        reduction is an error.
    arg : {None, "argmax", "argmin"}
        The result is the int64 index, along the single axis in `axes`, of the first extreme
        element; NaN counts as extreme.
    """

    op: Any
    axes: tuple[int, ...]
    dtype: str
    acc_dtype: str
    identity: Any
    arg: str | None = None


@dataclass(frozen=True)
class ViewSpec:
    """An output that is a strided view of operand `input`.

    Attributes
    ----------
    input : int
    axes : tuple of (int or None, size)
        Per output axis: the source axis that it walks along (None: stride 0), and by how many
        elements of it one step goes (a size expression or int, may be negative).
    offset : tuple of size
        Per source axis: where the view starts. Already checked and counted from the start.
    """

    input: int
    axes: tuple[tuple[int | None, Any], ...]
    offset: tuple[Any, ...]


@dataclass(frozen=True)
class ReshapeSpec:
    """An output that has the elements of operand `input` in C order, in another shape."""

    input: int


@dataclass(frozen=True)
class OperandValue:
    """Operand `input` (0-d) as a numeric parameter of a routine: ``alpha=OperandValue(3)``."""

    input: int


@dataclass(frozen=True)
class RoutineSpec:
    """A library routine.

    Attributes
    ----------
    name : str
    inputs : tuple of int
        Positions of the operands that are the routine's inputs.
    params : dict
        ``alpha`` and ``beta``: numbers, or :class:`OperandValue`.
    accumulate : int or None
        Position of the operand that the output starts as (C of ``C = alpha A B + beta C``).
    """

    name: str
    inputs: tuple[int, ...]
    params: dict[str, Any] = field(default_factory=dict)
    accumulate: int | None = None


@dataclass(frozen=True)
class Feed:
    """What an inner input of a loop is.

    Attributes
    ----------
    kind : {"element", "row", "whole"}
        Element t of operand `number`; row ``t + tap`` of recurrence `number`; operand `number`.
    number : int
    tap : int
    """

    kind: str
    number: int
    tap: int = 0


@dataclass(frozen=True)
class Recurrence:
    """A value that later steps of a loop see again.

    Attributes
    ----------
    start : int
        The operand that holds the first `depth` rows (without `rows`: the only one).
    output : int
        Output of the node.
    inner : int
        Inner output: the new row.
    depth : int
        How many rows are there before the first step.
    keep : int or None
        How many of the last rows the output has; None for all.
    rows : bool
        False: the output and the start have no leading axis; the output is the last row.
    """

    start: int
    output: int
    inner: int
    depth: int
    keep: int | None = None
    rows: bool = True


@dataclass(frozen=True)
class RepeatSpec:
    """A loop over an inner graph.

    Attributes
    ----------
    inputs, outputs : tuple of Variable
        The inner graph.
    count : int
        Operand that tells the number of steps.
    feeds : tuple of Feed
        One per inner input.
    recurrences : tuple of Recurrence
    collected : tuple of int
        Inner outputs (and outputs of the node) of which row t is the value of step t.
    done : int or None
        Output that is the number of steps made; the inner output of this number is then the
        condition that ends the loop.
    """

    inputs: tuple[Any, ...]
    outputs: tuple[Any, ...]
    count: int
    feeds: tuple[Feed, ...]
    recurrences: tuple[Recurrence, ...]
    collected: tuple[int, ...]
    done: int | None = None


@dataclass(frozen=True)
class BranchSpec:
    """Two inner graphs, of which the condition, operand 0, chooses one.

    Attributes
    ----------
    inputs : tuple of Variable
        Inner inputs of both; input i is operand i + 1.
    branches : tuple of two tuples of Variable
        What is computed if the condition is true, and if it is not.
    """

    inputs: tuple[Any, ...]
    branches: tuple[tuple[Any, ...], tuple[Any, ...]]
    count: int = 0

    @property
    def outputs(self) -> tuple[Any, ...]:
        """The outputs of both inner graphs."""
        return (*self.branches[0], *self.branches[1])


def broadcast_family(node: Any) -> str:
    """The error family of operands of `node` that can't be broadcast together.

    An op whose index arrays are broadcast says ``broadcast_family = "index_shape"``.
    """
    return str(getattr(getattr(node, "op", None), "broadcast_family", "shape"))


def changed_length(new: Any, axis: int) -> str:
    """The message about a value that a loop carries along whose length changes along `axis`.

    It has places for the length after the step, {0}, and before it, {1}.
    """
    name = str(new).replace("{", "{{").replace("}", "}}")
    return (
        f"{name}, which is carried from step to step of a loop, changes its length along "
        f"axis {axis} from {{1}} to {{0}}"
    )


def inner_spec(node: Any) -> RepeatSpec | BranchSpec | None:
    """How the inner graph of a node runs, if it has one that runs natively."""
    for name in ("repeat", "branches"):
        method = getattr(node.op, name, None)
        if method is not None:
            spec: RepeatSpec | BranchSpec = method(node)
            return spec
    return None


class SizeContext(Protocol):
    """What ``shape`` and ``view`` may ask for."""

    def value(self, i: int) -> Any:
        """Size expression of the 0-d integer operand `i` (any value, also negative)."""

    def vector(self, i: int) -> Sequence[Any]:
        """Size expressions of the elements of the integer vector operand `i`."""

    def bcast(self, *dims: Any) -> Any:
        """Length of an axis on which axes of these lengths are broadcast; NumPy's rule."""

    def unknown(self, out: int, axis: int) -> Any:
        """A length that is only known once output `out` has been computed."""

    def equal(self, a: Any, b: Any, message: str, *shown: Any) -> Any:
        """A length, where `a` and `b` must be equal and are not broadcast.

        Checked before the node runs, if it can't be proved. ``{0}`` and ``{1}`` in `message`
        stand for the two lengths, or for the values of `shown`, where there are such.
        """

    def check(self, condition: Any, error: str, message: str, *shown: Any) -> None:
        """Require a boolean size expression to hold before the node runs.

        `error` is the family (``"shape"``, ``"index"``, ``"value"``, ``"assert"``); ``{0}``,
        ``{1}`` in `message` stand for the values of `shown`.
        """

    def index(self, raw: Any, length: Any) -> Any:
        """`raw` counted from the start, after checking ``-length <= raw < length``."""

    def shape(self, i: int) -> tuple[Any, ...]:
        """Sizes of operand `i`."""

    def bind_shape(self, variable: Any, shape: Sequence[Any], taken: Any = None) -> None:
        """Say what the lengths of an inner variable are.

        `taken` is a boolean size expression: whether anything that depends on the variable is
        computed at all.
        """

    def bind_value(self, variable: Any, i: int) -> None:
        """Say that an inner variable has the value of operand `i`."""

    def inner_shape(self, variable: Any) -> tuple[Any, ...]:
        """Sizes of a variable of the inner graph."""

    def outside(self, size: Any) -> bool:
        """Whether a size can be had without computing anything of the inner graph."""


class Reader(Protocol):
    """How ``define`` reads its operands and sizes."""

    ctx: Context
    """Where expressions live: ``read.ctx.integer(0)``."""

    def __call__(self, i: int, idx: Sequence[Any]) -> Expr:
        """Element `idx` of operand `i`, in the operand's dtype.

        Entries are int64 expressions or Python integers, counted from the start and in range.
        Along an axis of length 1 every entry means 0, so elementwise ops pass the output's index.
        """

    def shape(self, i: int) -> tuple[Expr, ...]:
        """Sizes of operand `i`."""

    def out_shape(self) -> tuple[Expr, ...]:
        """Sizes of the output."""

    def value(self, i: int) -> Expr:
        """The 0-d integer operand `i` as int64: a size expression where possible, else a load."""

    def index(self, raw: Expr, length: Any) -> Expr:
        """`raw` (int64) counted from the start; it is checked at run time.

        Before anything is stored, every value that `raw` takes must lie in [-length, length);
        otherwise the call ends with an index error.
        """
