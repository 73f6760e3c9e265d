"""What an op says about itself against its NumPy reference, at concrete sizes.

`check_contract` compares, for one node and given arrays, the shape rule, the element definition,
the reduction, the view and the loops with what ``numpy`` gives. Nothing of the compiler is used
but the scalar evaluator and the interpreter of loop nests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import as_strided

from symc.graph.node import Apply
from symc.graph.op import run_perform
from symc.loop.build import Builder
from symc.loop.interp import run_nest
from symc.loop.protocol import ReductionSpec, ReshapeSpec, ViewSpec
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context, Expr

FAMILIES = {"shape": ValueError, "index": IndexError, "value": ValueError, "assert": AssertionError}


class Sizes:
    """SizeContext and Reader at once, over given arrays."""

    def __init__(self, node: Apply, arrays: Sequence[Any], out: Any = None) -> None:
        self.node = node
        self.arrays = arrays
        self.out = out
        self.ctx = Context()
        self.loads: dict[Expr, Any] = {}

    def number(self, size: Any) -> int:
        if not isinstance(size, Expr):
            return int(size)
        return int(evaluate([size], self.loads)[0])

    # -- SizeContext

    def value(self, i: int) -> Expr:
        assert self.arrays[i].dtype.kind in "biu"
        return self.ctx.integer(int(self.arrays[i][()]))

    def vector(self, i: int) -> list[Expr]:
        return [self.ctx.integer(int(n)) for n in self.arrays[i]]

    def bcast(self, *dims: Any) -> Expr:
        numbers = {self.number(d) for d in dims} - {1}
        if len(numbers) > 1:
            raise ValueError(f"shapes {dims} do not broadcast")
        return self.ctx.integer(numbers.pop() if numbers else 1)

    def unknown(self, out: int, axis: int) -> Expr:
        return self.ctx.integer(self.out[out].shape[axis])

    def equal(self, a: Any, b: Any, message: str, *shown: Any) -> Any:
        if self.number(a) != self.number(b):
            raise ValueError(message.format(*map(self.number, shown or (a, b))))
        return a

    def check(self, condition: Any, error: str, message: str, *shown: Any) -> None:
        holds = evaluate([condition], self.loads)[0] if isinstance(condition, Expr) else condition
        if not holds:
            raise FAMILIES[error](message.format(*map(self.number, shown)))

    def index(self, raw: Any, length: Any) -> Any:
        position, n = self.number(raw), self.number(length)
        if not -n <= position < n:
            raise IndexError(f"index {position} is out of bounds for length {n}")
        return self.ctx.integer(position % n)

    def shape(self, i: int) -> tuple[Expr, ...]:
        return tuple(map(self.ctx.integer, self.arrays[i].shape))

    # -- Reader

    def out_shape(self) -> tuple[Expr, ...]:
        return tuple(map(self.ctx.integer, self.out[0].shape))

    def __call__(self, i: int, idx: Sequence[Any]) -> Expr:
        array = self.arrays[i]
        at = tuple(0 if n == 1 else self.number(e) for e, n in zip(idx, array.shape, strict=True))
        assert all(0 <= a < n for a, n in zip(at, array.shape, strict=True)) or not array.size, (
            f"{self.node.op} reads operand {i} of shape {array.shape} at {at}"
        )
        value = array[at] if array.size else array.dtype.type(77)
        return self.ctx.const(value, array.dtype.name)


def check_contract(node: Apply, arrays: Sequence[Any]) -> list[Any]:
    """Check all that the op of `node` says about itself; return the reference results."""
    given = [v.type.filter(a) for v, a in zip(node.inputs, arrays, strict=True)]
    expected = run_perform(node, given)
    in_shapes = [Sizes(node, given).shape(i) for i in range(len(given))]
    sizes = Sizes(node, given, expected)
    shapes = node.op.shape(node, in_shapes, sizes)
    assert [tuple(map(sizes.number, s)) for s in shapes] == [e.shape for e in expected]
    for output, value in zip(node.outputs, expected, strict=True):
        assert value.dtype.name == output.type.dtype
        pattern = output.type.broadcastable
        assert all(n == 1 or not b for n, b in zip(value.shape, pattern, strict=True))
    for name, check in CHECKS.items():
        if hasattr(node.op, name):
            check(node, given, expected)
    return expected


def _check_define(node: Apply, given: Sequence[Any], expected: Sequence[Any]) -> None:
    if len(expected) != 1:
        return
    found = np.empty_like(expected[0])
    for at in np.ndindex(found.shape):
        read = Sizes(node, given, expected)
        value = node.op.define(node, tuple(map(read.ctx.integer, at)), read)
        if value is None:
            return
        found[at] = evaluate([value], read.loads)[0]
    _same(found, expected[0])


def _check_reduction(node: Apply, given: Sequence[Any], expected: Sequence[Any]) -> None:
    spec = node.op.reduction(node)
    if spec is None:
        return
    assert isinstance(spec, ReductionSpec)
    (x,) = given
    assert spec.dtype == expected[0].dtype.name
    if spec.arg is not None:
        return
    moved = np.moveaxis(x.astype(spec.acc_dtype), spec.axes, range(len(spec.axes)))
    count = len(spec.axes)
    flat = moved.reshape((math.prod(moved.shape[:count]), *moved.shape[count:]))
    total = None
    if spec.identity is not None:
        total = np.full(flat.shape[1:], spec.identity).astype(spec.acc_dtype)
    for part in flat:
        total = part if total is None else spec.op.numpy_eval(total, part).astype(spec.acc_dtype)
    _same(np.asarray(total).astype(spec.dtype), expected[0])


def _check_view(node: Apply, given: Sequence[Any], expected: Sequence[Any]) -> None:
    sizes = Sizes(node, given, expected)
    spec = node.op.view(node, sizes)
    source = given[spec.input]
    if isinstance(spec, ReshapeSpec):
        found = source.reshape(-1).reshape(expected[0].shape)
    else:
        assert isinstance(spec, ViewSpec)
        strides = [
            0 if axis is None else sizes.number(step) * source.strides[axis]
            for axis, step in spec.axes
        ]
        start = tuple(slice(sizes.number(o), None) for o in spec.offset)
        found = as_strided(source[start], expected[0].shape, strides)
    if expected[0].size:
        _same(found, expected[0])


def _check_emit(node: Apply, given: Sequence[Any], expected: Sequence[Any]) -> None:
    updates = getattr(node.op, "updates", lambda node: {})(node)
    if updates:
        return
    b = Builder()
    ins = [b.operand(a.dtype.name, a.ndim, "r", f"in{i}") for i, a in enumerate(given)]
    outs = [b.operand(e.dtype.name, e.ndim, "rw", f"out{i}") for i, e in enumerate(expected)]
    node.op.emit(node, b, ins, outs)
    results = [np.empty_like(e) for e in expected]
    arrays = {f"in{i}": a for i, a in enumerate(given)}
    arrays.update({f"out{i}": r for i, r in enumerate(results)})
    run_nest(b.nest(), arrays, lambda payload: 0)
    for found, e in zip(results, expected, strict=True):
        _same(found, e)


CHECKS = {
    "define": _check_define,
    "reduction": _check_reduction,
    "view": _check_view,
    "emit": _check_emit,
}


def _same(found: Any, expected: Any) -> None:
    if expected.dtype.kind in "fc":
        precise = expected.dtype.name in ("float64", "complex128")
        rtol = 1e-12 if precise else 1e-5 if expected.dtype.itemsize > 2 else 1e-2
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)
    else:
        np.testing.assert_array_equal(found, expected)
