"""Verifier of kernels and nests: whether they keep the rules of the language.

Checks are exact about names, ranks, dtypes and scopes; whether an index is in range is known only
when a program runs. Programs are verified by :mod:`symc.loop.check_program`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import NoReturn

from ..errors import VerifyError
from ..scalar.expr import Expr, walk
from . import ir
from .kernel import Kernel, Operand, Stage, Store

MAX_STACK_ELEMENTS = 4096


def fail(where: str, what: str) -> NoReturn:
    """Raise the error of the verifier."""
    raise VerifyError(f"{where}: {what}")


def check_operands(where: str, operands: Iterable[Operand]) -> dict[str, Operand]:
    """The operands by key; their keys must differ and their access be known."""
    table: dict[str, Operand] = {}
    for operand in operands:
        if operand.key in table:
            fail(where, f"two operands are called {operand.key}")
        if operand.access not in ("r", "w", "rw"):
            fail(where, f"operand {operand.key} has access {operand.access!r}")
        table[operand.key] = operand
    return table


# ---------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------


def check_kernel(kernel: Kernel) -> None:
    """Verify a kernel.

    Raises
    ------
    VerifyError
        Naming the first rule that is broken.
    """
    _KernelCheck(kernel).run()


class _KernelCheck:
    def __init__(self, kernel: Kernel) -> None:
        self.kernel = kernel
        self.operands = check_operands("kernel", kernel.operands)
        self.outer = {a.key for a in kernel.outer}
        self.inner = {a.key for a in kernel.inner}
        self.known: dict[str, tuple[str, bool]] = {}

    def run(self) -> None:
        self._axes()
        for number, stage in enumerate(self.kernel.stages):
            self._stage(f"stage {number}", stage)
        for index, length, _ in self.kernel.index_checks:
            if index.dtype != "int64" or length.dtype != "int64":
                fail("index check", f"index and length must be int64, got {index!r}, {length!r}")
            self._expressions("index check", [index], self.outer | self.inner, {}, True)
            self._sizes_only("index check", length)

    def _axes(self) -> None:
        roles = [a.role for a in self.kernel.axes]
        if roles != sorted(roles, key=("outer", "inner").index):
            fail("kernel", f"outer axes must come first, got {roles}")
        if len(self.outer) + len(self.inner) != len(roles):
            fail("kernel", "two axes have one key")
        for axis in self.kernel.axes:
            self._sizes_only(f"extent of axis {axis.key}", axis.extent)

    def _sizes_only(self, where: str, expr: Expr) -> None:
        for node in walk([expr]):
            if node.kind not in ("const", "size", "call"):
                fail(where, f"not a size expression: {node!r}")

    def _stage(self, where: str, stage: Stage) -> None:
        full = stage.level == "full"
        if stage.level not in ("full", "outer"):
            fail(where, f"unknown level {stage.level!r}")
        if stage.reductions and not full:
            fail(where, "only a full stage can reduce")
        axes = self.outer | (self.inner if full else set())
        values = [r.value for r in stage.reductions] + [e for _, e in stage.keep]
        values += [e for s in stage.stores for e in (*s.index, s.value)]
        self._expressions(where, values, axes, self.known, full)
        for store in stage.stores:
            check_store(where, store, self.operands)
        for reduction in stage.reductions:
            if reduction.arg is not None and len(self.inner) != 1:
                fail(where, f"{reduction.arg} needs one inner axis, there are {len(self.inner)}")
        names = [(r.key, r.dtype, False) for r in stage.reductions]
        names += [(key, e.dtype, full and bool(self.inner)) for key, e in stage.keep]
        for key, dtype, per_point in names:
            if key in self.known:
                fail(where, f"the local {key} is defined twice")
            self.known[key] = (dtype, per_point)

    def _expressions(
        self,
        where: str,
        roots: Iterable[Expr],
        axes: set[str],
        known: dict[str, tuple[str, bool]],
        full: bool,
    ) -> None:
        for node in walk(roots):
            if node.ctx is not self.kernel.ctx:
                fail(where, f"{node!r} lives in another context")
            if node.kind == "index" and node.payload not in axes:
                fail(where, f"the index {node.payload} is not an axis of this level")
            elif node.kind == "arg":
                fail(where, f"{node!r} belongs to a template")
            elif node.kind == "load":
                check_load(where, node, self.operands)
            elif node.kind == "local":
                found = known.get(node.payload)
                if found is None:
                    fail(where, f"the local {node.payload} is read before it is known")
                if found[0] != node.dtype:
                    fail(where, f"the local {node.payload} is {found[0]}, read as {node.dtype}")
                if found[1] and not full:
                    fail(where, f"{node.payload} is one value per inner point")


def check_load(where: str, node: Expr, operands: dict[str, Operand], rank: int = -1) -> None:
    """Verify a load of an operand; `rank` is the number of indices if it is not the operand's."""
    operand = operands.get(node.payload)
    if operand is None:
        fail(where, f"{node.payload} is not an operand")
    if "r" not in operand.access:
        fail(where, f"operand {operand.key} is only written")
    if node.dtype != operand.dtype:
        fail(where, f"operand {operand.key} is {operand.dtype}, read as {node.dtype}")
    _check_index(where, operand.key, node.args, operand.ndim if rank < 0 else rank)


def check_store(
    where: str, store: Store | ir.AtomicAdd, operands: dict[str, Operand], rank: int = -1
) -> None:
    """Verify a store to an operand; `rank` as for :func:`check_load`."""
    operand = operands.get(store.operand)
    if operand is None:
        fail(where, f"{store.operand} is not an operand")
    if "w" not in operand.access:
        fail(where, f"operand {operand.key} is only read")
    if store.value.dtype != operand.dtype:
        fail(where, f"a {store.value.dtype} is stored to {operand.key}, which is {operand.dtype}")
    _check_index(where, operand.key, store.index, operand.ndim if rank < 0 else rank)


def _check_index(where: str, key: str, index: tuple[Expr, ...], rank: int) -> None:
    if len(index) != rank:
        fail(where, f"{key} has {rank} axes and is indexed with {len(index)}")
    for entry in index:
        if entry.dtype != "int64":
            fail(where, f"an index of {key} is {entry.dtype}, not int64")


# ---------------------------------------------------------------------------------------------
# Nests
# ---------------------------------------------------------------------------------------------


def check_nest(nest: ir.Nest) -> None:
    """Verify a nest.

    Raises
    ------
    VerifyError
        Naming the first rule that is broken.
    """
    _NestCheck(nest).block(nest.body, _Scope(None))


class _Scope:
    """Names that statements may use."""

    def __init__(self, outer: _Scope | None, kind: str = "") -> None:
        self.outer = outer
        self.kind = kind
        self.names: dict[tuple[str, str], str] = {}

    def find(self, key: tuple[str, str]) -> tuple[str, bool] | None:
        """The dtype of a name, and whether a parallel loop lies between here and there."""
        scope: _Scope | None = self
        crossed = False
        while scope is not None:
            if key in scope.names:
                return scope.names[key], crossed
            crossed = crossed or scope.kind in ("parallel", "simd")
            scope = scope.outer
        return None


class _NestCheck:
    def __init__(self, nest: ir.Nest) -> None:
        self.nest = nest
        self.operands = check_operands("nest", nest.operands)
        self.sizes = {name for name, _ in nest.sizes}
        for key in nest.layouts:
            if key not in self.operands:
                fail("nest", f"there is a layout for {key}, which is not an operand")

    def block(self, body: tuple[ir.Stmt, ...], scope: _Scope) -> None:
        for stmt in body:
            where = type(stmt).__name__
            for expr in ir.expressions(stmt):
                self._expression(where, expr, scope)
            self._statement(where, stmt, scope)

    def _statement(self, where: str, stmt: ir.Stmt, scope: _Scope) -> None:
        if isinstance(stmt, ir.Let):
            scope.names["local", stmt.key] = stmt.value.dtype
        elif isinstance(stmt, ir.Var):
            scope.names["local", stmt.key] = stmt.value.dtype
            scope.names["var", stmt.key] = stmt.value.dtype
        elif isinstance(stmt, ir.Assign):
            self._assign(stmt, scope)
        elif isinstance(stmt, ir.Array):
            self._array(stmt, scope)
        elif isinstance(stmt, (Store, ir.AtomicAdd)):
            self._store(where, stmt, scope)
        elif isinstance(stmt, ir.Stream):
            self._stream(stmt, scope)
        elif isinstance(stmt, ir.Prefetch):
            if stmt.operand not in self.operands or self._rank(stmt.operand) != 1:
                fail(where, f"{stmt.operand} must be an operand with one index")
        elif isinstance(stmt, ir.Run):
            self._run(stmt, scope)
        elif isinstance(stmt, ir.Apply):
            self._apply(stmt, scope)
        elif isinstance(stmt, ir.For):
            self._for(stmt, scope)
        elif isinstance(stmt, (ir.If, ir.While)):
            if stmt.condition.dtype != "bool":
                fail(where, f"the condition is {stmt.condition.dtype}, not bool")
            for inner in ir.blocks(stmt):
                self.block(inner, _Scope(scope))
        elif isinstance(stmt, ir.CheckIndex):
            if stmt.index.dtype != "int64" or stmt.length.dtype != "int64":
                fail(where, "index and length must be int64")
        elif not isinstance(stmt, ir.FailIf):
            fail(where, f"not a statement: {stmt!r}")

    def _assign(self, stmt: ir.Assign, scope: _Scope) -> None:
        found = scope.find(("var", stmt.key))
        if found is None:
            fail("Assign", f"{stmt.key} is not a variable in scope")
        dtype, crossed = found
        if crossed:
            fail("Assign", f"iterations of a parallel loop would share the variable {stmt.key}")
        if dtype != stmt.value.dtype:
            fail("Assign", f"a {stmt.value.dtype} is assigned to {stmt.key}, which is {dtype}")

    def _array(self, stmt: ir.Array, scope: _Scope) -> None:
        if isinstance(stmt.length, int) and not 0 < stmt.length <= MAX_STACK_ELEMENTS:
            fail("Array", f"{stmt.key} has {stmt.length} elements, at most {MAX_STACK_ELEMENTS}")
        if isinstance(stmt.length, Expr) and stmt.length.dtype != "int64":
            fail("Array", f"the length of {stmt.key} is {stmt.length.dtype}, not int64")
        if stmt.fill is not None and stmt.fill.dtype != stmt.dtype:
            fail("Array", f"{stmt.key} is {stmt.dtype}, filled with {stmt.fill.dtype}")
        scope.names["array", stmt.key] = stmt.dtype

    def _store(self, where: str, stmt: Store | ir.AtomicAdd, scope: _Scope) -> None:
        found = scope.find(("array", stmt.operand))
        if found is None:
            check_store(where, stmt, self.operands, self._rank(stmt.operand))
            return
        if found[0] != stmt.value.dtype:
            fail(where, f"a {stmt.value.dtype} is stored to {stmt.operand}, which is {found[0]}")
        _check_index(where, stmt.operand, stmt.index, 1)

    def _stream(self, stmt: ir.Stream, scope: _Scope) -> None:
        operand = self.operands.get(stmt.operand)
        found = scope.find(("array", stmt.array))
        if operand is None or "w" not in operand.access or found is None:
            fail("Stream", f"from {stmt.array}, which must be an array, to {stmt.operand}")
        if found[0] != operand.dtype or self._rank(stmt.operand) != 1:
            fail("Stream", f"{operand.key} must be {found[0]} with one index")

    def _run(self, stmt: ir.Run, scope: _Scope) -> None:
        found = scope.find(("array", stmt.array))
        if found is None or found[0] != stmt.value.dtype or stmt.count.dtype != "int64":
            fail("Run", f"{stmt.array} must be an array of {stmt.value.dtype}")
        if stmt.value.kind != "call" or stmt.value.op.run is None:
            fail("Run", f"{stmt.value!r} is no call of an op that has a function for runs")

    def _apply(self, stmt: ir.Apply, scope: _Scope) -> None:
        found = scope.find(("array", stmt.array))
        if found is None or stmt.count.dtype != "int64":
            fail("Apply", f"{stmt.array} must be an array, and the count int64")
        if stmt.op.nin != 1 or stmt.op.out_dtype(found[0]) != found[0] or not stmt.op.vector:
            fail("Apply", f"{stmt.op.name} must be vector code for one {found[0]} and give one")
        if stmt.source is not None and (stmt.source.kind, stmt.source.dtype) != ("load", found[0]):
            fail("Apply", f"{stmt.source!r} is no load of a {found[0]}")
        if stmt.twin is not None:
            other = scope.find(("array", stmt.twin))
            if stmt.op.twin is None or stmt.source is None or other is None:
                fail("Apply", f"{stmt.op.name} cannot store its twin to {stmt.twin}")
            if other[0] != found[0] or len({stmt.array, stmt.twin, stmt.source.payload}) < 3:
                fail("Apply", f"{stmt.twin} must be a further array of {found[0]}")

    def _rank(self, key: str) -> int:
        layout = self.nest.layouts.get(key)
        return -1 if layout is None else len(layout)

    def _for(self, stmt: ir.For, scope: _Scope) -> None:
        if stmt.kind not in ir.KINDS:
            fail("For", f"unknown kind {stmt.kind!r}")
        if stmt.step < 1:
            fail("For", f"the step is {stmt.step}")
        if stmt.start.dtype != "int64" or stmt.stop.dtype != "int64":
            fail("For", "start and stop must be int64")
        allowed = (ir.Let, Store)
        if stmt.kind == "simd" and not all(isinstance(s, allowed) for s in stmt.body):
            fail("For", "a simd loop holds something else than Let and Store")
        inner = _Scope(scope, stmt.kind)
        inner.names["index", stmt.key] = "int64"
        self.block(stmt.body, inner)

    def _expression(self, where: str, root: Expr, scope: _Scope) -> None:
        for node in walk([root]):
            if node.ctx is not self.nest.ctx:
                fail(where, f"{node!r} lives in another context")
            if node.kind in ("index", "local"):
                found = scope.find((node.kind, node.payload))
                if found is None:
                    fail(where, f"{node!r} is not in scope")
                if found[0] != node.dtype:
                    fail(where, f"{node.payload} is {found[0]}, read as {node.dtype}")
            elif node.kind == "load":
                self._load(where, node, scope)
            elif node.kind == "size":
                self._size(where, node)
            elif node.kind == "arg":
                fail(where, f"{node!r} belongs to a template")

    def _load(self, where: str, node: Expr, scope: _Scope) -> None:
        found = scope.find(("array", node.payload))
        if found is None:
            check_load(where, node, self.operands, self._rank(node.payload))
            return
        if found[0] != node.dtype:
            fail(where, f"array {node.payload} is {found[0]}, read as {node.dtype}")
        _check_index(where, node.payload, node.args, 1)

    def _size(self, where: str, node: Expr) -> None:
        kind, name, *axis = node.payload
        if kind == "arg":
            if name not in self.sizes:
                fail(where, f"the size {name} is not a parameter")
        elif kind in ("dim", "stride"):
            operand = self.operands.get(name)
            if operand is None or not 0 <= axis[0] < operand.ndim:
                fail(where, f"{node!r} names no axis of an operand")
        else:
            fail(where, f"unknown size {node!r}")
