"""Every form in which an op may say how it is computed, with small ops of the tests' own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import lscalar, matrix, scalar, vector
from symc.array.type import TensorType
from symc.graph.node import Apply
from symc.graph.op import BuiltinOp
from symc.loop.program import (
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    ReshapeViewStep,
    RoutineStep,
    ViewStep,
)
from symc.loop.protocol import OperandValue, ReductionSpec, ReshapeSpec, RoutineSpec, ViewSpec
from symc.loop.run import StepError
from symc.lower.lower import lower
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.math import exp, tanh
from symc.scalar.arith import add, mul
from symc.scalar.logic import switch
from tests.lower.helpers import check, run


def data(*shape: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


class Toy(BuiltinOp):
    """Same type and shape as the first operand."""

    __props__ = ()

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [inputs[0].type()])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        return [in_shapes[0]]


class Flip(Toy):
    """The vector from behind, by `define`, with a length."""

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0][::-1]

    def define(self, node: Apply, idx: Any, read: Any) -> Any:
        return read(0, (read.shape(0)[0] - 1 - idx[0],))


class Wave(Toy):
    """Two results of one shape."""

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [inputs[0].type(), inputs[0].type()])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        return [in_shapes[0]] * 2

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0] + arrays[0], arrays[0] * arrays[0]

    def define(self, node: Apply, idx: Any, read: Any) -> Any:
        x = read(0, idx)
        return add(x, x), mul(x, x)


class Ends(Toy):
    """First and last element, as two views of different operands' axes."""

    def make_node(self, *inputs: Any) -> Apply:
        kind = inputs[0].type
        return Apply(self, list(inputs), [kind.clone(broadcastable=(False,))() for _ in range(2)])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        ctx.check(in_shapes[0][1] > 0, "value", "no columns: {0}", in_shapes[0][1])
        return [(in_shapes[0][0],)] * 2

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0][:, 0], arrays[0][:, -1]

    def view(self, node: Apply, ctx: Any) -> Any:
        rows = ((0, 1),)
        return [ViewSpec(0, rows, (0, 0)), ViewSpec(0, rows, (0, ctx.index(-1, ctx.shape(0)[1])))]


class Flat(Toy):
    """All elements in a row."""

    def make_node(self, *inputs: Any) -> Apply:
        kind = inputs[0].type
        return Apply(self, list(inputs), [kind.clone(broadcastable=(False,))()])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        m, n = in_shapes[0]
        return [(m * n,)]

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0].reshape(-1)

    def view(self, node: Apply, ctx: Any) -> Any:
        return ReshapeSpec(0)


class Norms(Toy):
    """Sums of rows in two accumulators' types."""

    def make_node(self, *inputs: Any) -> Apply:
        kind = inputs[0].type.clone(broadcastable=(False,))
        return Apply(self, list(inputs), [kind(), kind.clone(dtype="float32")()])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        return [(in_shapes[0][0],)] * 2

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0].sum(1), arrays[0].sum(1).astype("float32")

    def reduction(self, node: Apply) -> Any:
        return (
            ReductionSpec(add, (1,), "float64", "float64", 0),
            ReductionSpec(add, (1,), "float32", "float64", 0),
        )


class AddDot(Toy):
    """``c + alpha a b``."""

    def numpy(self, *arrays: Any) -> Any:
        c, alpha, a, b = arrays
        return c + alpha * (a @ b)

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        ctx.equal(in_shapes[2][1], in_shapes[3][0], "inner lengths {0} and {1}")
        return [in_shapes[0]]

    def routine(self, node: Apply) -> Any:
        return RoutineSpec("gemm", (2, 3), {"alpha": OperandValue(1), "beta": 1}, accumulate=0)


class Running(Toy):
    """Running sum, by loops; not for integers."""

    reasons = {3: ("value", "too large: {0}")}

    def numpy(self, *arrays: Any) -> Any:
        return np.cumsum(arrays[0], dtype=arrays[0].dtype)

    def emit(self, node: Apply, b: Any, ins: Any, outs: Any) -> Any:
        (x,), (y,) = ins, outs
        if x.dtype == "int64":
            return NotImplemented
        b.fail_if(b.dim(x, 0) > b.integer(100), 3, b.dim(x, 0))
        total = b.mutable(b.const(0, y.dtype))
        with b.loop(b.dim(x, 0)) as i:
            b.assign(total, total + b.load(x, (i,)))
            b.store(y, (i,), total)
        return None


class PutFirst(Toy):
    """The vector with element 0 replaced."""

    def numpy(self, *arrays: Any) -> Any:
        result = arrays[0].copy()
        result[0] = arrays[1]
        return result

    def updates(self, node: Apply) -> dict[int, int]:
        return {0: 0}

    def emit(self, node: Apply, b: Any, ins: Any, outs: Any) -> None:
        assert ins[0] is outs[0]
        b.store(outs[0], (0,), b.load(ins[1], ()))


class Sometimes(Toy):
    """Covers only some nodes by `define`."""

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0] + 1

    def define(self, node: Apply, idx: Any, read: Any) -> Any:
        x = read(0, idx)
        return x + 1 if x.dtype == "float64" else None


def kinds(program: Any) -> list[type]:
    return [type(s) for s in program.steps]


def test_define_with_a_length_is_free() -> None:
    x = vector("x")
    program = check([x], [exp(Flip()(tanh(x))) + x], [data(5)])
    assert set(kinds(program)) == {KernelStep}
    assert kinds(check([x], [Flip()(Flip()(x)) * 2], [data(5)], kernels=1)) == [KernelStep]


def test_several_outputs_of_one_definition() -> None:
    x = matrix("x")
    a, b = Wave()(x)
    check([x], [a, b, a + b], [data(2, 3)], kernels=1)


@pytest.mark.parametrize("shape", [(3, 4), (1, 1), (0, 2)])
def test_views_of_several_outputs(shape: tuple[int, ...]) -> None:
    x = matrix("x")
    first, last = Ends()(x)
    check([x], [first + last], [data(*shape)], kernels=1)
    check([x], [Running()(last), first], [data(*shape)])
    program = lower([x], [Running()(last)])
    assert kinds(program) == [ViewStep, LoopStep]


def test_a_requirement_of_a_size_is_checked_before_anything_runs() -> None:
    x = matrix("x")
    program = lower([x], [Ends()(x)[0] * 2])
    with pytest.raises(StepError, match="no columns: 0"):
        run(program, [np.zeros((3, 0))])


def test_reshape_needs_storage_in_order() -> None:
    x = matrix("x")
    program = check([x], [Flat()(x) * 2, Flat()(x.T) * 3], [data(3, 4)])
    assert program.buffers[program.inputs[0]].contiguous
    assert ReshapeViewStep in kinds(program)


def test_reductions_of_several_outputs_share_a_kernel() -> None:
    x = matrix("x")
    check([x], list(Norms()(x)), [data(3, 4)], kernels=1)


def test_routine_that_accumulates() -> None:
    c, alpha, a, b = matrix("c"), scalar("alpha"), matrix("a"), matrix("b")
    values = [data(3, 2), np.array(0.5), data(3, 4, seed=1), data(4, 2, seed=2)]
    program = check([c, alpha, a, b], [AddDot()(c, alpha, a, b)], values)
    assert kinds(program) == [CopyStep, RoutineStep]  # the argument stays as it is
    program = check([c, alpha, a, b], [AddDot()(tanh(c), alpha, a, b)], values)
    assert kinds(program) == [KernelStep, RoutineStep]  # the dying operand is updated
    with pytest.raises(StepError, match="inner lengths 4 and 3"):
        run(program, [*values[:3], data(3, 2)])


def test_loops_and_their_errors() -> None:
    x = vector("x")
    program = check([x], [Running()(exp(x)) * 2], [data(5)])
    assert kinds(program) == [KernelStep, LoopStep, KernelStep]
    with pytest.raises(StepError, match="error 3"):
        run(program, [data(101)])


def test_an_op_that_declines_runs_in_python() -> None:
    n = TensorType("int64", (False,))("n")
    program = check([n], [Running()(n)], [np.arange(4)])
    assert kinds(program) == [ForeignStep]
    m = TensorType("float32", (False,))("m")
    assert ForeignStep in kinds(check([m], [Sometimes()(m)], [np.ones(3, "float32")]))
    x = vector("x")
    assert kinds(check([x], [Sometimes()(x)], [data(3)])) == [KernelStep]


def test_an_update_starts_from_a_copy_only_where_it_must() -> None:
    x, v = vector("x"), scalar("v")
    values = [data(4), np.array(7.0)]
    assert CopyStep in kinds(check([x, v], [PutFirst()(x, v)], values))
    h = tanh(x)
    assert CopyStep not in kinds(check([x, v], [PutFirst()(h, v)], values))
    assert CopyStep not in kinds(check([x, v], [PutFirst()(h, v), Running()(h)], values))
    put = PutFirst()(h, v)
    assert CopyStep in kinds(check([x, v], [Running()(put) + h, put], values))
    assert CopyStep in kinds(check([x, v], [put, h], values))
    zero = PutFirst()(x * 0, v)
    assert CopyStep not in kinds(check([x, v], [PutFirst()(zero, v + 1)], values))


class Rows(Toy):
    """As many rows as an integer says: x repeated along a new axis."""

    def make_node(self, *inputs: Any) -> Apply:
        return Apply(self, list(inputs), [matrix().type()])

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> Any:
        ctx.check(ctx.value(1) >= 0, "value", "{0} rows", ctx.value(1))
        return [(ctx.value(1), in_shapes[0][0])]

    def numpy(self, *arrays: Any) -> Any:
        return np.tile(arrays[0], (int(arrays[1]), 1))

    def define(self, node: Apply, idx: Any, read: Any) -> Any:
        return switch(read.value(1) > idx[0], read(0, idx[1:]), read(0, (0,)))


def test_sizes_from_values_of_operands() -> None:
    x, n = vector("x"), lscalar("n")
    check([x, n], [Rows()(x, n) + 1, Rows()(x, n).sum(axis=0)], [data(3), np.array(4)])
    check([x, n], [Rows()(x, n + x.shape[0])], [data(3), np.array(-1)])
    with pytest.raises(StepError, match="-1 rows"):
        run(lower([x, n], [Rows()(x, n)]), [data(3), np.array(-1)])
