"""Target-neutral kernels: a domain, expressions and reductions, with no loop order yet.

A :class:`Kernel` says *what* is computed for each point of its domain. The domain is the product
of its axes; every axis is ``outer`` or ``inner``. A kernel runs its *stages* in order; for one
point of the outer axes, each stage sweeps all inner axes (``level="full"``) or does its work once
(``level="outer"``). Row softmax of a (B, N) matrix is one kernel with outer axis B, inner axis N:

====== ===== =====================================================
stage  level work
====== ===== =====================================================
0      full  reduce max of x[b, n] into m
1      full  e = exp(x[b, n] - m); reduce sum of e into s; keep e
2      full  store e / s
====== ===== =====================================================

Order of loops, tiles, the vector axis and the parallel axis are the target's business
(:mod:`symc.codegen.schedule_c`, ``symc_cuda.grid``). Kernels whose order matters (cumsum,
scatter, ...) are written by ops directly in the loop language of :mod:`symc.loop.ir`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..scalar.expr import Context, Expr


@dataclass(frozen=True)
class Axis:
    """One axis of the domain.

    Attributes
    ----------
    key : str
        Payload of the ``index`` expression that stands for this axis.
    extent : Expr
        Length, an int64 size expression (``const`` and ``size`` leaves).
    role : {"outer", "inner"}
    """

    key: str
    extent: Expr
    role: str


@dataclass(frozen=True)
class Operand:
    """A formal operand of a kernel; loads and stores name it by `key`.

    Attributes
    ----------
    key : str
        Payload of ``load`` expressions and target of stores.
    dtype : str
    ndim : int
    access : {"r", "w", "rw"}
    """

    key: str
    dtype: str
    ndim: int
    access: str


@dataclass(frozen=True)
class Reduction:
    """Accumulate `value` over the inner axes into the local `key`, readable in later stages.

    Attributes
    ----------
    key : str
        Payload of the ``local`` expression that reads the result.
    op : object
        The combining :class:`~symc.scalar.op.ScalarOp` (add, mul, maximum, minimum, and_, or_...).
        ``argmax``/``argmin`` reductions carry the name in `arg` and give an int64 index.
    value : Expr
        What is accumulated at each point.
    dtype : str
        Type of the result.
    acc_dtype : str
        Type of the accumulator.
    identity : object
        Start value; ``None`` means the first element (then an empty axis is an error that was
        checked before).
    arg : str or None
        ``"argmax"``/``"argmin"``: the result is the first index along the (single) inner axis at
        which `value` is extreme; NaN counts as extreme.
    """

    key: str
    op: Any
    value: Expr
    dtype: str
    acc_dtype: str
    identity: Any
    arg: str | None = None


@dataclass(frozen=True)
class Store:
    """``operand[index] = value``; every index is an expression over the axes of the domain."""

    operand: str
    index: tuple[Expr, ...]
    value: Expr


@dataclass(frozen=True)
class Stage:
    """One sweep.

    Attributes
    ----------
    level : {"full", "outer"}
    reductions : tuple of Reduction
        Only at level ``full``.
    stores : tuple of Store
    keep : tuple of (str, Expr)
        Values of this stage that later stages read as ``local`` expressions instead of computing
        them again; at level ``full`` the target decides whether to hold them in row scratch or
        to recompute, at level ``outer`` they are plain variables.
    """

    level: str
    reductions: tuple[Reduction, ...] = ()
    stores: tuple[Store, ...] = ()
    keep: tuple[tuple[str, Expr], ...] = ()


@dataclass(eq=False)
class Kernel:
    """A fused computation; see the module docstring.

    Attributes
    ----------
    ctx : Context
        Where all expressions live.
    axes : tuple of Axis
        Outer axes first.
    operands : tuple of Operand
    stages : tuple of Stage
    index_checks : tuple of (Expr, Expr, int)
        (index, length, tag): every value of ``index`` over the domain must lie in
        [-length, length). Checks run before anything is stored; the first offending value, in C
        order of the axes, is recorded with `tag` and the kernel ends. ``index`` is the raw
        value, as the user gave it (over axes and read-only operands, no locals); what loads use
        is the wrapped one (negative values counted from the end).
    """

    ctx: Context
    axes: tuple[Axis, ...]
    operands: tuple[Operand, ...]
    stages: tuple[Stage, ...]
    index_checks: tuple[tuple[Expr, Expr, int], ...] = ()
    notes: dict[str, Any] = field(default_factory=dict)

    @property
    def outer(self) -> tuple[Axis, ...]:
        """The outer axes."""
        return tuple(a for a in self.axes if a.role == "outer")

    @property
    def inner(self) -> tuple[Axis, ...]:
        """The inner axes."""
        return tuple(a for a in self.axes if a.role == "inner")

    @property
    def fallible(self) -> bool:
        """Whether running it may end in an error."""
        return bool(self.index_checks)
