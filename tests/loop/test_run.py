"""The interpreter of programs shows mistakes of a memory plan."""

from __future__ import annotations

import numpy as np
import pytest

import symc.scalar.arith  # noqa: F401
from symc.loop.evaluate import Evaluator, OutOfRangeError
from symc.loop.interp import run_kernel
from symc.loop.kernel import Axis, Kernel, Operand, Stage, Store
from symc.loop.program import Buffer, KernelStep, Program, Slot
from symc.loop.run import run_program
from symc.loop.text import format_program
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY


def shifted(ctx, length, shift):
    """b[i] = a[(i + shift) % length] + 1."""
    i = ctx.index("i")
    at = REGISTRY["mod"](i + shift, length)
    value = ctx.load("a", (at,), "float64") + 1
    operands = (Operand("a", "float64", 1, "r"), Operand("b", "float64", 1, "w"))
    stage = Stage("outer", (), (Store("b", (i,), value),))
    return Kernel(ctx, (Axis("i", length, "outer"),), operands, (stage,))


def two_steps(shift, shared, last=9):
    """t = x + 1; y = t[shifted] + 1, with t and y in slots that may be one."""
    c = Context()
    n = c.size(("dim", 0, 0))
    p = Program(c)
    p.buffers = [
        Buffer(0, "float64", (n,), "input", 0),
        Buffer(1, "float64", (n,), "temp", slot=0),
        Buffer(2, "float64", (n,), "temp", slot=0 if shared else 1),
        Buffer(3, "float64", (n,), "output", 0),
    ]
    p.slots = [Slot(n * 8, 0, last), Slot(n * 8, 0, 9)]
    p.inputs, p.outputs = [0], [3]
    p.steps = [
        KernelStep(shifted(c, n, 0), {"a": 0, "b": 1}),
        KernelStep(shifted(c, n, shift), {"a": 1, "b": 2}),
        KernelStep(shifted(c, n, 0), {"a": 2, "b": 3}),
    ]
    return p


X = np.arange(50.0)


@pytest.mark.parametrize(
    ("shift", "shared", "right"),
    [
        (0, False, True),
        (0, True, True),
        (3, False, True),
        (3, True, False),
    ],
)
def test_shared_memory_is_shared(shift, shared, right):
    (y,), _ = run_program(two_steps(shift, shared), [X])
    assert np.array_equal(y, np.roll(X, -shift) + 3) == right


def test_a_slot_that_ends_too_early_is_garbage():
    (y,), _ = run_program(two_steps(0, False, last=0), [X])
    assert not np.array_equal(y, X + 3)


def test_a_slot_that_is_too_small_is_found():
    p = two_steps(0, False)
    p.slots[0] = Slot(p.ctx.integer(8), 0, 9)
    with pytest.raises(ValueError, match="buffer 1 needs 400 bytes, its slot has 8"):
        run_program(p, [X])


def test_indices_out_of_range_are_found():
    c = Context()
    n = c.size(("dim", 0, 0))
    i = c.index("i")
    a = c.load("a", (i + 1,), "float64")
    operands = (Operand("a", "float64", 1, "r"), Operand("b", "float64", 1, "w"))

    def kernel(value):
        stage = Stage("outer", (), (Store("b", (i,), value),))
        return Kernel(c, (Axis("i", n, "outer"),), operands, (stage,))

    arrays = {"a": np.arange(4.0), "b": np.zeros(4)}
    with pytest.raises(OutOfRangeError):
        run_kernel(kernel(a), arrays, lambda payload: 4)
    guarded = REGISTRY["switch"](i + 1 < n, a, c.const(-1, "float64"))
    run_kernel(kernel(guarded), arrays, lambda payload: 4)
    np.testing.assert_array_equal(arrays["b"], [1, 2, 3, -1])


def test_deep_expressions_are_evaluated_without_recursion():
    c = Context()
    e = c.size("n")
    for _ in range(20_000):
        e = REGISTRY["xor"](e, c.integer(1)) + c.size("n")
    value = Evaluator(lambda leaf: np.int64(0), {})([e])[0]
    assert value in (0, 1)


def test_programs_can_be_printed():
    text = format_program(two_steps(0, True))
    assert text.splitlines()[0] == ("0 %1 temp float64(dim(%0, 0)) slot 0 <- kernel(a=%0, b=%1)")
    assert "b[i] = a[i % dim(%0, 0)] + 1.0" in text
    assert text.splitlines()[-1] == "return %3 output float64(dim(%0, 0))"
