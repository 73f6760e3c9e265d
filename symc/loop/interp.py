"""A slow interpreter: the definition of kernels and nests.

Nothing here is clever. Kernels are evaluated for blocks of outer points, nests statement by
statement; loops whose iterations may run in any order run backwards, so that a dependence between
iterations shows. Whole programs are interpreted by :mod:`symc.loop.run`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from ..scalar.expr import Expr
from ..scalar.op import by_name
from . import ir
from .evaluate import Evaluator, OutOfRangeError, size_value
from .kernel import Axis, Kernel, Reduction, Stage, Store

Arrays = Mapping[str, "np.ndarray[Any, Any]"]
Sizes = Callable[[Hashable], int]

_UFUNCS: dict[str, Any] = {
    "add": np.add,
    "mul": np.multiply,
    "maximum": np.maximum,
    "minimum": np.minimum,
    "and_": np.bitwise_and,
    "or_": np.bitwise_or,
    "xor": np.bitwise_xor,
}


class IndexFailureError(IndexError):
    """An index that was checked is out of bounds.

    Attributes
    ----------
    index, length, tag : int
    """

    def __init__(self, index: int, length: int, tag: int) -> None:
        super().__init__(f"index {index} is out of bounds for length {length}")
        self.index = index
        self.length = length
        self.tag = tag


class ReasonError(RuntimeError):
    """A nest ended with an error number of its op.

    Attributes
    ----------
    reason : int
    shown : tuple of int
    """

    def __init__(self, reason: int, shown: tuple[int, ...]) -> None:
        super().__init__(f"error {reason} with values {shown}")
        self.reason = reason
        self.shown = shown


# ---------------------------------------------------------------------------------------------
# Kernels
# ---------------------------------------------------------------------------------------------


def run_kernel(kernel: Kernel, arrays: Arrays, sizes: Sizes, block: int = 7) -> None:
    """Compute a kernel.

    Parameters
    ----------
    kernel : Kernel
    arrays : dict
        Array of every operand, by key; those stored to are changed.
    sizes : callable
        Value of a ``size`` leaf, given its payload.
    block : int
        How many outer points go through all stages together. A small number makes a store that
        destroys what a later point reads visible.

    Raises
    ------
    IndexFailureError
        If an index check fails; nothing has been written then.
    """
    extents = {a.key: size_value(a.extent, lambda leaf: sizes(leaf.payload)) for a in kernel.axes}
    _check_indices(kernel, arrays, sizes, extents)
    lengths = [extents[a.key] for a in kernel.outer]
    points = np.indices(lengths).reshape(len(lengths), math.prod(lengths))
    for first in range(0, points.shape[1], block):
        _KernelBlock(kernel, arrays, sizes, extents, points[:, first : first + block]).run()


def _check_indices(kernel: Kernel, arrays: Arrays, sizes: Sizes, extents: dict[str, int]) -> None:
    shape = [extents[a.key] for a in kernel.axes]
    grid = dict(zip(extents, np.indices(shape, sparse=True), strict=True)) if shape else {}

    def leaf(node: Expr) -> Any:
        return grid[node.payload] if node.kind == "index" else np.int64(sizes(node.payload))

    for index, length, tag in kernel.index_checks:
        values, limit = Evaluator(leaf, dict(arrays))([index, length])
        values = np.broadcast_to(values, shape)
        wrong = values[(values < -limit) | (values >= limit)]
        if wrong.size:
            raise IndexFailureError(int(wrong.flat[0]), int(limit), tag)


class _KernelBlock:
    """All stages of a kernel for some outer points at once (axis 0 of all values)."""

    def __init__(
        self,
        kernel: Kernel,
        arrays: Arrays,
        sizes: Sizes,
        extents: dict[str, int],
        points: np.ndarray[Any, Any],
    ) -> None:
        self.kernel = kernel
        self.arrays = arrays
        self.sizes = sizes
        inner = kernel.inner
        self.outer_shape = (points.shape[1], *[1] * len(inner))
        self.full_shape = (points.shape[1], *[extents[a.key] for a in inner])
        self.locals: dict[Hashable, Any] = {}
        self.index: dict[Hashable, Any] = {
            a.key: points[k].reshape(self.outer_shape) for k, a in enumerate(kernel.outer)
        }
        self.index.update(_inner_index(inner, extents))

    def run(self) -> None:
        for stage in self.kernel.stages:
            shape = self.full_shape if stage.level == "full" else self.outer_shape
            self._stage(stage, shape)

    def _leaf(self, node: Expr) -> Any:
        if node.kind == "index":
            return self.index[node.payload]
        if node.kind == "local":
            return self.locals[node.payload]
        return np.int64(self.sizes(node.payload))

    def _stage(self, stage: Stage, shape: tuple[int, ...]) -> None:
        evaluate = Evaluator(self._leaf, dict(self.arrays))
        if 0 in shape:
            kept = {key: np.zeros(shape, dtype=e.dtype) for key, e in stage.keep}
            results = {
                r.key: self._reduce(r, np.zeros(shape, r.value.dtype)) for r in stage.reductions
            }
            self.locals.update(kept | results)
            return
        reduced = evaluate([r.value for r in stage.reductions])
        kept_values = evaluate([e for _, e in stage.keep])
        stored = [evaluate([*s.index, s.value]) for s in stage.stores]
        for (key, expr), value in zip(stage.keep, kept_values, strict=True):
            self.locals[key] = np.broadcast_to(np.asarray(value, dtype=expr.dtype), shape)
        for reduction, value in zip(stage.reductions, reduced, strict=True):
            self.locals[reduction.key] = self._reduce(reduction, np.broadcast_to(value, shape))
        for store, values in zip(stage.stores, stored, strict=True):
            self._store(store, values, shape)

    def _store(self, store: Store, values: list[Any], shape: tuple[int, ...]) -> None:
        target = self.arrays[store.operand]
        index = tuple(np.broadcast_to(v, shape) for v in values[:-1])
        for entry, length in zip(index, target.shape, strict=True):
            if np.any((entry < 0) | (entry >= length)):
                raise OutOfRangeError(f"store to {store.operand} out of range")
        target[index] = np.broadcast_to(values[-1], shape) if index else np.ravel(values[-1])[0]

    def _reduce(self, reduction: Reduction, values: np.ndarray[Any, Any]) -> Any:
        flat = values.reshape(
            values.shape[0], -1 if values.size else int(np.prod(values.shape[1:]))
        )
        if reduction.identity is None and flat.shape[1] == 0:
            raise ValueError(f"reduction {reduction.key} of no elements has no identity")
        with np.errstate(all="ignore"):
            if reduction.arg is not None:
                result = getattr(np, reduction.arg)(flat, axis=1)
            else:
                result = _fold(reduction, flat.astype(reduction.acc_dtype))
            return np.asarray(result).astype(reduction.dtype).reshape(self.outer_shape)


def _fold(reduction: Reduction, flat: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    ufunc = _UFUNCS.get(reduction.op.name)
    if ufunc is not None:
        start = {} if reduction.identity is None else {"initial": reduction.identity}
        return np.asarray(ufunc.reduce(flat, axis=1, **start))
    total = (
        flat[:, 0]
        if reduction.identity is None
        else np.full(len(flat), reduction.identity, dtype=flat.dtype)
    )
    for k in range(1 if reduction.identity is None else 0, flat.shape[1]):
        total = reduction.op.numpy_eval(total, flat[:, k]).astype(flat.dtype)
    return total


def _inner_index(inner: Sequence[Axis], extents: dict[str, int]) -> dict[Hashable, Any]:
    shape = [extents[a.key] for a in inner]
    grids = np.indices(shape, sparse=True) if shape else ()
    return {a.key: grid[np.newaxis] for a, grid in zip(inner, grids, strict=True)}


# ---------------------------------------------------------------------------------------------
# Nests
# ---------------------------------------------------------------------------------------------


def run_nest(nest: ir.Nest, arrays: Arrays, sizes: Sizes) -> None:
    """Run a nest.

    Parameters
    ----------
    nest : Nest
    arrays : dict
        Array of every operand, by key; those stored to are changed. Operands with a layout of
        their own must be C-contiguous.
    sizes : callable
        Value of a ``size`` leaf of the *caller* (for the expressions in ``nest.sizes``).

    Raises
    ------
    IndexFailureError, ReasonError
        If a check of the nest fails.
    OutOfRangeError
        If an element outside an array is used.
    """
    given = {name: size_value(expr, lambda leaf: sizes(leaf.payload)) for name, expr in nest.sizes}
    _NestRun(nest, arrays, given).run()


class _NestRun:
    def __init__(self, nest: ir.Nest, arrays: Arrays, sizes: dict[str, int]) -> None:
        self.nest = nest
        self.operands = arrays
        self.sizes = sizes
        self.index: dict[Hashable, Any] = {}
        self.locals: dict[Hashable, Any] = {}
        self.arrays: dict[Any, np.ndarray[Any, Any]] = dict(arrays)
        self.layouts: dict[str, tuple[int, ...]] = {}

    def run(self) -> None:
        for key, strides in self.nest.layouts.items():
            self.layouts[key] = tuple(int(self._value(s)) for s in strides)
            if not self.operands[key].flags.c_contiguous:
                raise ValueError(f"operand {key} has a layout but is not C-contiguous")
            self.arrays[key] = self.operands[key].reshape(-1)
        self._run(self.nest.body)

    def _leaf(self, node: Expr) -> Any:
        if node.kind == "index":
            return self.index[node.payload]
        if node.kind == "local":
            return self.locals[node.payload]
        return np.int64(self._size(node.payload))

    def _size(self, payload: Any) -> int:
        if payload[0] == "arg":
            return self.sizes[payload[1]]
        array = self.operands[payload[1]]
        if payload[0] == "dim":
            return int(array.shape[payload[2]])
        return int(array.strides[payload[2]] // array.itemsize)

    def _value(self, expr: Expr) -> Any:
        return _LaidOut(self._leaf, self.arrays, self.layouts)([expr])[0]

    def _run(self, body: tuple[ir.Stmt, ...]) -> None:
        stack: list[Iterator[Any]] = [iter(body)]
        while stack:
            stmt = next(stack[-1], None)
            if stmt is None:
                stack.pop()
            elif isinstance(stmt, ir.For):
                stack.append(self._iterations(stmt))
            elif isinstance(stmt, ir.While):
                stack.append(self._repetitions(stmt))
            elif isinstance(stmt, ir.If):
                taken = bool(self._value(stmt.condition))
                stack.append(iter(stmt.then if taken else stmt.orelse))
            else:
                self._simple(stmt)

    def _iterations(self, loop: ir.For) -> Iterator[Any]:
        start, stop = int(self._value(loop.start)), int(self._value(loop.stop))
        values = range(start, stop, loop.step)
        for value in values if loop.kind in ("serial", "unroll") else reversed(values):
            self.index[loop.key] = np.int64(value)
            yield from loop.body

    def _repetitions(self, loop: ir.While) -> Iterator[Any]:
        while bool(self._value(loop.condition)):
            yield from loop.body

    def _simple(self, stmt: ir.Stmt) -> None:
        if isinstance(stmt, (ir.Let, ir.Var, ir.Assign)):
            self.locals[stmt.key] = np.dtype(stmt.value.dtype).type(self._value(stmt.value))
        elif isinstance(stmt, ir.Array):
            self._declare(stmt)
        elif isinstance(stmt, (Store, ir.AtomicAdd)):
            self._store(stmt)
        elif isinstance(stmt, ir.Stream):
            first, count = int(self._value(stmt.index)), int(self._value(stmt.count))
            self.arrays[stmt.operand][first : first + count] = self.arrays[stmt.array][:count]
        elif isinstance(stmt, ir.Run):
            *fixed, first = (self._value(a) for a in stmt.value.args)
            points = first + np.arange(int(self._value(stmt.count))).astype(first.dtype)
            values = stmt.value.op.numpy(*fixed, points)
            self.arrays[stmt.array][: len(points)] = values
        elif isinstance(stmt, ir.Apply):
            part = self.arrays[stmt.array][: int(self._value(stmt.count))]
            operands = self._operands(stmt, part)
            if stmt.twin is not None:
                assert stmt.op.twin is not None
                twin = by_name(stmt.op.twin[0])
                self.arrays[stmt.twin][: len(part)] = twin.numpy_eval(operands)
            part[:] = stmt.op.numpy_eval(operands)
        elif isinstance(stmt, ir.Prefetch):
            pass  # a hint
        elif isinstance(stmt, ir.CheckIndex):
            index, length = int(self._value(stmt.index)), int(self._value(stmt.length))
            if not -length <= index < length:
                raise IndexFailureError(index, length, stmt.tag)
        elif isinstance(stmt, ir.FailIf):
            if self._value(stmt.condition):
                raise ReasonError(stmt.reason, tuple(int(self._value(e)) for e in stmt.shown))
        else:
            raise TypeError(f"not a statement: {stmt!r}")

    def _operands(self, stmt: ir.Apply, part: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        if stmt.source is None:
            return part
        key, index = stmt.source.payload, [int(self._value(a)) for a in stmt.source.args]
        values, strides = self.arrays[key], self.layouts.get(key)
        if strides is not None:
            index = [sum(i * s for i, s in zip(index, strides, strict=True))]
        *before, first = index
        found: np.ndarray[Any, Any] = values[tuple(before)][first : first + len(part)]
        return found

    def _declare(self, stmt: ir.Array) -> None:
        length = stmt.length if isinstance(stmt.length, int) else int(self._value(stmt.length))
        array = np.empty(max(length, 0), dtype=stmt.dtype)
        if stmt.fill is None:
            array.view(np.uint8).fill(0xA5)
        else:
            array[...] = self._value(stmt.fill)
        self.arrays[stmt.key] = array

    def _store(self, stmt: Store | ir.AtomicAdd) -> None:
        array = self.arrays[stmt.operand]
        index = tuple(int(self._value(e)) for e in stmt.index)
        strides = self.layouts.get(stmt.operand)
        if strides is not None:
            index = (sum(i * s for i, s in zip(index, strides, strict=True)),)
        if any(not 0 <= i < n for i, n in zip(index, array.shape, strict=True)):
            raise OutOfRangeError(f"store to {stmt.operand} at {index} of shape {array.shape}")
        value = self._value(stmt.value)
        with np.errstate(all="ignore"):
            array[index] = array[index] + value if isinstance(stmt, ir.AtomicAdd) else value


class _LaidOut(Evaluator):
    """Evaluation where some operands are indexed by other strides than their own."""

    def __init__(
        self,
        leaf: Callable[[Expr], Any],
        arrays: Mapping[Any, np.ndarray[Any, Any]],
        layouts: dict[str, tuple[int, ...]],
    ) -> None:
        super().__init__(leaf, arrays)
        self.layouts = layouts

    def _load(self, node: Expr, args: list[Any]) -> tuple[Any, Any]:
        strides = self.layouts.get(node.payload)
        if strides is not None:
            args = [np.int64(sum(int(i) * s for i, s in zip(args, strides, strict=True)))]
        return super()._load(node, args)
