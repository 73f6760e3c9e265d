"""A builder for nests: how ops write loops.

An op whose lowering is a loop receives a :class:`Builder` and one :class:`ArrayRef` per input and
output and calls methods in the order in which things happen::

    def emit(self, node, b, ins, outs):            # cumulative sum of the rows of a matrix
        (x,), (y,) = ins, outs
        with b.loop(b.dim(x, 0), kind="parallel") as i:
            total = b.mutable(b.const(0, y.dtype))
            with b.loop(b.dim(x, 1)) as j:
                b.assign(total, total + b.load(x, (i, j)))
                b.store(y, (i, j), total)

Values are scalar expressions: Python's operators and the scalar functions work on them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from ..scalar.expr import Context, Expr
from ..scalar.op import cast_expr
from .ir import (
    KINDS,
    Array,
    Assign,
    AtomicAdd,
    CheckIndex,
    FailIf,
    For,
    If,
    Let,
    Nest,
    Stmt,
    Var,
    While,
)
from .kernel import Operand, Store

MAX_STACK_ELEMENTS = 4096


@dataclass(frozen=True)
class ArrayRef:
    """A handle on an operand or on a local array of the nest being built."""

    key: str
    dtype: str
    ndim: int


class Builder:
    """Collects the statements of one nest; see the module docstring.

    Parameters
    ----------
    ctx : Context, optional
        Context for the nest's expressions; a new one by default.
    """

    def __init__(self, ctx: Context | None = None) -> None:
        self.ctx = Context() if ctx is None else ctx
        self._operands: list[Operand] = []
        self._sizes: list[tuple[str, Expr]] = []
        self._blocks: list[list[Stmt]] = [[]]
        self._mutable: set[str] = set()
        self._count = 0

    # ---- operands and parameters

    def operand(self, dtype: str, ndim: int, access: str, key: str | None = None) -> ArrayRef:
        """Declare an operand; ``access`` is ``"r"``, ``"w"`` or ``"rw"``."""
        if access not in ("r", "w", "rw"):
            raise ValueError(f"access must be 'r', 'w' or 'rw', got {access!r}")
        name = f"x{len(self._operands)}" if key is None else key
        self._operands.append(Operand(name, dtype, ndim, access))
        return ArrayRef(name, dtype, ndim)

    def dim(self, x: ArrayRef, axis: int) -> Expr:
        """Length of an axis of an operand."""
        if not -x.ndim <= axis < x.ndim:
            raise ValueError(f"operand {x.key} has {x.ndim} axes, there is no axis {axis}")
        return self.ctx.size(("dim", x.key, axis % x.ndim))

    def shape(self, x: ArrayRef) -> tuple[Expr, ...]:
        """Lengths of all axes of an operand."""
        return tuple(self.dim(x, axis) for axis in range(x.ndim))

    def size(self, value: Expr) -> Expr:
        """An integer parameter whose value, a size expression of the program, the caller passes."""
        name = f"n{len(self._sizes)}"
        self._sizes.append((name, value))
        return self.ctx.size(("arg", name))

    # ---- values

    def const(self, value: Any, dtype: str) -> Expr:
        """A number."""
        return self.ctx.const(value, dtype)

    def integer(self, value: int) -> Expr:
        """An int64 number."""
        return self.ctx.integer(value)

    def let(self, value: Expr) -> Expr:
        """Evaluate `value` here, once, and give it a name."""
        key = self._fresh("v")
        self._add(Let(key, value))
        return self.ctx.local(key, value.dtype)

    def mutable(self, value: Expr) -> Expr:
        """A local that `assign` may change; reading it gives the value at that moment."""
        key = self._fresh("m")
        self._mutable.add(key)
        self._add(Var(key, value))
        return self.ctx.local(key, value.dtype)

    def assign(self, target: Expr, value: Any) -> None:
        """Change a local made by `mutable`."""
        if target.kind != "local" or target.payload not in self._mutable:
            raise ValueError(f"only locals made by mutable() can be assigned, got {target!r}")
        self._add(Assign(target.payload, self._typed(value, target.dtype, "assigned value")))

    def load(self, x: ArrayRef, index: Any) -> Expr:
        """The element of `x` at `index` (one int64 per axis).

        Elements of arrays that this nest also writes are read here and now; others are read where
        the value is used, which is the same.
        """
        value = self.ctx.load(x.key, self._index(x, index), x.dtype)
        written = all(o.key != x.key or "w" in o.access for o in self._operands)
        return self.let(value) if written else value

    def check_index(self, index: Expr, length: Expr, tag: int = 0) -> Expr:
        """Check ``-length <= index < length`` and return the index counted from the start.

        An index of another integer type is widened first.

        A violation is reported as an index error and ends the nest, so checks of a scatter that
        may not leave a half-written result belong in a loop of their own in front of it.
        """
        wide = cast_expr(self.ctx, index, "int64") if isinstance(index, Expr) else index
        raw = self.let(self._typed(wide, "int64", "index"))
        self._add(CheckIndex(raw, length, tag))
        wrapped = self.mutable(raw)
        with self.if_(raw < self.integer(0)):
            self.assign(wrapped, raw + length)
        return self.let(wrapped)

    # ---- effects

    def store(self, x: ArrayRef, index: Any, value: Any) -> None:
        """``x[index] = value``."""
        self._add(Store(x.key, self._index(x, index), self._typed(value, x.dtype, "stored value")))

    def atomic_add(self, x: ArrayRef, index: Any, value: Any) -> None:
        """``x[index] += value`` from any iteration of a parallel loop."""
        typed = self._typed(value, x.dtype, "added value")
        self._add(AtomicAdd(x.key, self._index(x, index), typed))

    def fail_if(self, condition: Expr, reason: int, *shown: Expr) -> None:
        """End the nest with error number `reason` of this op if `condition` holds."""
        self._add(FailIf(condition, reason, shown))

    def array(self, dtype: str, length: int, fill: Expr | None = None) -> ArrayRef:
        """A local array of constant length."""
        if not 0 < length <= MAX_STACK_ELEMENTS:
            raise ValueError(
                f"a local array has 1 to {MAX_STACK_ELEMENTS} elements, got {length}; "
                "use scratch() for more"
            )
        key = self._fresh("a")
        self._add(Array(key, dtype, length, fill))
        return ArrayRef(key, dtype, 1)

    def scratch(self, dtype: str, length: Expr, fill: Expr | None = None) -> ArrayRef:
        """A local array of any length, in scratch memory of the thread; one per nest."""
        key = self._fresh("a")
        self._add(Array(key, dtype, length, fill))
        return ArrayRef(key, dtype, 1)

    # ---- control

    @contextmanager
    def loop(
        self, extent: Any, kind: str = "serial", start: Any = 0, step: int = 1
    ) -> Iterator[Expr]:
        """Loop with an index from `start` up to `extent` (exclusive)."""
        if kind not in KINDS:
            raise ValueError(f"kind of a loop must be one of {', '.join(KINDS)}, got {kind!r}")
        key = self._fresh("i")
        low = self._typed(start, "int64", "start of a loop")
        high = self._typed(extent, "int64", "extent of a loop")
        self._blocks.append([])
        yield self.ctx.index(key)
        body = tuple(self._blocks.pop())
        self._add(For(key, low, high, body, kind, step))

    @contextmanager
    def loops(self, extents: Iterable[Any], kind: str = "serial") -> Iterator[tuple[Expr, ...]]:
        """Nested loops, one per extent, the first outermost and of the given kind."""
        with ExitStack() as stack:
            yield tuple(
                stack.enter_context(self.loop(extent, kind if level == 0 else "serial"))
                for level, extent in enumerate(extents)
            )

    @contextmanager
    def if_(self, condition: Expr) -> Iterator[None]:
        """Statements that run where `condition` holds."""
        self._blocks.append([])
        yield
        body = tuple(self._blocks.pop())
        self._add(If(condition, body))

    @contextmanager
    def else_(self) -> Iterator[None]:
        """The other branch of the `if_` just closed."""
        before = self._blocks[-1]
        if not before or not isinstance(before[-1], If) or before[-1].orelse:
            raise ValueError("else_() must follow an if_() directly")
        self._blocks.append([])
        yield
        body = tuple(self._blocks.pop())
        last = before.pop()
        assert isinstance(last, If)
        self._add(If(last.condition, last.then, body))

    @contextmanager
    def while_(self, condition: Expr) -> Iterator[None]:
        """Repeat as long as `condition`, evaluated each time, holds."""
        self._blocks.append([])
        yield
        body = tuple(self._blocks.pop())
        self._add(While(condition, body))

    def nest(self) -> Nest:
        """The finished nest."""
        if len(self._blocks) != 1:
            raise ValueError("a loop or branch is still open")
        return Nest(self.ctx, tuple(self._operands), tuple(self._sizes), tuple(self._blocks[0]))

    # ---- internals

    def _fresh(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count}"

    def _add(self, stmt: Stmt) -> None:
        self._blocks[-1].append(stmt)

    def _typed(self, value: Any, dtype: str, what: str) -> Expr:
        if not isinstance(value, Expr):
            return self.ctx.const(value, dtype)
        if value.dtype != dtype:
            raise TypeError(f"{what} has dtype {value.dtype}, expected {dtype}; cast it first")
        return value

    def _index(self, x: ArrayRef, index: Any) -> tuple[Expr, ...]:
        entries: Sequence[Any] = index if isinstance(index, tuple) else (index,)
        if len(entries) != x.ndim:
            raise ValueError(f"{x.key} has {x.ndim} axes but {len(entries)} indices were given")
        return tuple(self._typed(self._plain(e), "int64", "index") for e in entries)

    @staticmethod
    def _plain(entry: Any) -> Any:
        return int(entry) if isinstance(entry, (int, np.integer)) else entry
