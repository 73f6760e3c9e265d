"""The statement language of loop nests.

A :class:`Nest` is a small imperative program over arrays: the exact order of loops is written
down, nothing is left to choose. Ops whose order matters (cumsum, scatter, sorting) write nests
with :mod:`symc.loop.build`; targets turn a :class:`~symc.loop.kernel.Kernel` into nests.
:mod:`symc.loop.interp` defines what a nest means.

Expressions are :class:`~symc.scalar.expr.Expr` of these kinds:

``const``, ``call``  as everywhere
``index``            the variable of an enclosing :class:`For`; the payload is its key
``local``            a :class:`Let` or :class:`Var` in scope; the payload is its key
``load``             an element of an operand or of a local array
``size``             an integer parameter: ``("dim", operand key, axis)`` is a length of an
                     operand, ``("stride", operand key, axis)`` its stride in elements and
                     ``("arg", name)`` one of the nest's `sizes`

An expression is evaluated where its statement stands: two statements that read the same element
see what was stored in between, a :class:`Let` freezes a value. Only the chosen branch of the
scalar op ``switch`` may rely on its loads being in range: a load under a branch that is not taken
may have an index out of range.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, TypeAlias

from ..scalar.expr import Context, Expr
from ..scalar.op import ScalarOp
from .kernel import Operand, Store

KINDS = ("serial", "parallel", "simd", "unroll")
"""What a :class:`For` promises about its iterations."""
APPLY_BYTES = 64
"""An array given to :class:`Apply` is so many bytes long, or a multiple."""


@dataclass(frozen=True, eq=False)
class Let:
    """Name the value of an expression for the rest of the block; it never changes."""

    key: str
    value: Expr


@dataclass(frozen=True, eq=False)
class Var:
    """Declare a local that :class:`Assign` may change, with its first value."""

    key: str
    value: Expr


@dataclass(frozen=True, eq=False)
class Assign:
    """Change the :class:`Var` `key`."""

    key: str
    value: Expr


@dataclass(frozen=True, eq=False)
class Array:
    """Declare a local one-dimensional array, private to the enclosing block.

    Attributes
    ----------
    key : str
        Name in ``load`` expressions and stores.
    dtype : str
    length : int or Expr
        A number of at most 4,096 elements lives on the stack; an expression asks for scratch
        memory of the thread (at most one such array may be alive per thread).
    fill : Expr or None
        First value of all elements; ``None`` leaves them undefined.
    """

    key: str
    dtype: str
    length: int | Expr
    fill: Expr | None = None


@dataclass(frozen=True, eq=False)
class AtomicAdd:
    """``operand[index] += value``, safe when iterations of a parallel loop meet."""

    operand: str
    index: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True, eq=False)
class Stream:
    """Store the first `count` elements of a local array to `operand`, from element `index` on.

    The operand has one index and unit stride (see :attr:`Nest.layouts`). What is stored will not
    be read soon: the store need not go through the caches.
    """

    operand: str
    index: Expr
    array: str
    count: Expr


@dataclass(frozen=True, eq=False)
class Prefetch:
    """A hint: `count` elements of `operand` from element `index` on will be read soon.

    The operand has one index and unit stride. It changes nothing; the elements need not exist.
    """

    operand: str
    index: Expr
    count: Expr


@dataclass(frozen=True, eq=False)
class Run:
    """Store the values of a function at `count` consecutive points to a local array.

    Attributes
    ----------
    array : str
    value : Expr
        The call at the first point; its op has a C function for such a run (``op.run``). From
        point to point its last operand grows by one.
    count : Expr
        int64; not more than the array's length.
    """

    array: str
    value: Expr
    count: Expr


@dataclass(frozen=True, eq=False)
class Apply:
    """Store values of a function to the first `count` elements of a local array.

    Attributes
    ----------
    array : str
    op : ScalarOp
        Of one operand, vector code, with a result of the array's type.
    count : Expr
        int64.
    source : Expr or None
        The load of the first operand, of the array's type; the others follow it in memory. None:
        the operands are the elements of the array itself.
    twin : str or None
        Another array, to which the values of the op's twin (``op.twin``) are stored as well. The
        operands are then in neither.
    """

    array: str
    op: ScalarOp
    count: Expr
    source: Expr | None = None
    twin: str | None = None


@dataclass(frozen=True, eq=False)
class For:
    """Run `body` with the index `key` going from `start` to `stop` (exclusive) by `step`.

    Attributes
    ----------
    key : str
        Payload of the ``index`` expression.
    start, stop : Expr
        int64.
    step : int
        Positive.
    body : tuple of statements
    kind : {"serial", "parallel", "simd", "unroll"}
        ``parallel``: iterations do not depend on each other and share nothing they write;
        :class:`Var` of enclosing blocks may not be assigned. ``simd``: the same, and the body has
        only Let, Store, If-free straight code. ``unroll``: a hint, the trip count is a constant.
    work : Expr or None
        For ``parallel``: estimated nanoseconds of the whole loop on one thread; threads are used
        when it is large. ``None`` means: not known, use them.
    """

    key: str
    start: Expr
    stop: Expr
    body: tuple[Stmt, ...]
    kind: str = "serial"
    step: int = 1
    work: Expr | None = None


@dataclass(frozen=True, eq=False)
class While:
    """Run `body` as long as the boolean `condition` holds."""

    condition: Expr
    body: tuple[Stmt, ...]


@dataclass(frozen=True, eq=False)
class If:
    """Run `then` or `orelse`."""

    condition: Expr
    then: tuple[Stmt, ...]
    orelse: tuple[Stmt, ...] = ()


@dataclass(frozen=True, eq=False)
class CheckIndex:
    """Unless ``-length <= index < length``: record an index error with `tag` and end the nest.

    What was stored before stays stored; in a parallel loop other iterations may go on.
    """

    index: Expr
    length: Expr
    tag: int = 0


@dataclass(frozen=True, eq=False)
class FailIf:
    """If `condition` holds: record error `reason` (a number of the op) and end the nest."""

    condition: Expr
    reason: int
    shown: tuple[Expr, ...] = ()


Stmt: TypeAlias = (
    Let
    | Var
    | Assign
    | Array
    | Store
    | AtomicAdd
    | Stream
    | Prefetch
    | Run
    | Apply
    | For
    | While
    | If
    | CheckIndex
    | FailIf
)


@dataclass(eq=False)
class Nest:
    """A function over arrays.

    Attributes
    ----------
    ctx : Context
        Where all expressions of `body` live.
    operands : tuple of Operand
    sizes : tuple of (str, Expr)
        Integer parameters by name and what the caller passes for them: expressions over the
        ``size`` leaves of the *program* (their context may be another one).
    body : tuple of statements
    layouts : dict
        Strides in elements, by operand key, for operands that the body does not index axis by
        axis: a tuple with one expression per index of its loads and stores. Absent: the index
        has one entry per axis and strides are those of the array at run time.
    notes : dict
        Free for the producer (estimates, the name of the schedule).
    """

    ctx: Context
    operands: tuple[Operand, ...]
    sizes: tuple[tuple[str, Expr], ...]
    body: tuple[Stmt, ...]
    layouts: dict[str, tuple[Expr, ...]] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def fallible(self) -> bool:
        """Whether running it may end in an error."""
        return any(isinstance(s, (CheckIndex, FailIf)) for s, _ in statements(self.body))


def statements(body: tuple[Stmt, ...]) -> Iterator[tuple[Stmt, int]]:
    """All statements below `body` in textual order, each with its depth of nesting."""
    stack: list[tuple[Stmt, int]] = [(s, 0) for s in reversed(body)]
    while stack:
        stmt, depth = stack.pop()
        yield stmt, depth
        for block in reversed(blocks(stmt)):
            stack.extend((s, depth + 1) for s in reversed(block))


def blocks(stmt: Stmt) -> tuple[tuple[Stmt, ...], ...]:
    """The nested statement lists of `stmt`."""
    if isinstance(stmt, (For, While)):
        return (stmt.body,)
    if isinstance(stmt, If):
        return (stmt.then, stmt.orelse)
    return ()


def expressions(stmt: Stmt) -> tuple[Expr, ...]:
    """The expressions of `stmt` itself, not those of nested statements."""
    if isinstance(stmt, (Let, Var, Assign)):
        return (stmt.value,)
    if isinstance(stmt, (Store, AtomicAdd)):
        return (*stmt.index, stmt.value)
    if isinstance(stmt, (Stream, Prefetch)):
        return (stmt.index, stmt.count)
    if isinstance(stmt, Run):
        return (stmt.value, stmt.count)
    if isinstance(stmt, Apply):
        return (stmt.count,) if stmt.source is None else (stmt.count, stmt.source)
    if isinstance(stmt, For):
        work = () if stmt.work is None else (stmt.work,)
        return (stmt.start, stmt.stop, *work)
    if isinstance(stmt, (While, If)):
        return (stmt.condition,)
    if isinstance(stmt, CheckIndex):
        return (stmt.index, stmt.length)
    if isinstance(stmt, FailIf):
        return (stmt.condition, *stmt.shown)
    fill = () if stmt.fill is None else (stmt.fill,)
    return (stmt.length, *fill) if isinstance(stmt.length, Expr) else fill


def rewrite(body: tuple[Stmt, ...], change: Callable[[Expr], Expr]) -> tuple[Stmt, ...]:
    """`body` with every expression replaced by ``change(expression)``."""
    return tuple(_rewritten(stmt, change) for stmt in body)


def _rewritten(stmt: Stmt, change: Callable[[Expr], Expr]) -> Stmt:
    fields: dict[str, Any] = {}
    for name in stmt.__dataclass_fields__:
        value = getattr(stmt, name)
        if isinstance(value, Expr):
            fields[name] = change(value)
        elif isinstance(value, tuple) and value:
            is_block = not isinstance(value[0], Expr)
            fields[name] = rewrite(value, change) if is_block else tuple(map(change, value))
    return replace(stmt, **fields) if fields else stmt
