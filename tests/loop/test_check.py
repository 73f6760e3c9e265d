"""The verifier finds what is wrong."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

import symc.scalar.arith
import symc.scalar.math  # noqa: F401
from symc.errors import VerifyError
from symc.loop import ir
from symc.loop.check import check_kernel, check_nest
from symc.loop.check_program import check_program
from symc.loop.kernel import Axis, Kernel, Operand, Reduction, Stage, Store
from symc.loop.program import (
    Buffer,
    CheckStep,
    CopyStep,
    Guard,
    KernelStep,
    Program,
    ReshapeViewStep,
    RoutineStep,
    Slot,
    ViewStep,
)
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY

ADD = REGISTRY["add"]
C = Context()
I, J = C.index("i"), C.index("j")
M, N = C.size(("dim", 0, 0)), C.size(("dim", 0, 1))
X = C.load("x", (I, J), "float64")
R = C.local("r", "float64")
SUM = Reduction("r", ADD, X, "float64", "float64", 0)
OPERANDS = (Operand("x", "float64", 2, "r"), Operand("y", "float64", 1, "w"))
AXES = (Axis("i", M, "outer"), Axis("j", N, "inner"))


def row_sum(stages=None, **changes):
    stages = stages or (Stage("full", (SUM,)), Stage("outer", (), (Store("y", (I,), R),)))
    kernel = Kernel(C, AXES, OPERANDS, tuple(stages))
    for name, value in changes.items():
        setattr(kernel, name, value)
    return kernel


FULL = Stage("full", (SUM,))
STORE = Stage("outer", (), (Store("y", (I,), R),))
KERNELS = [
    (row_sum([STORE, FULL]), "local r is read before it is known"),
    (row_sum([Stage("outer", (SUM,))]), "only a full stage can reduce"),
    (row_sum([Stage("all")]), "unknown level 'all'"),
    (row_sum([FULL, FULL]), "r is defined twice"),
    (row_sum([Stage("outer", (), (Store("y", (I,), X),))]), "index j is not an axis of this level"),
    (row_sum([Stage("full", (), (Store("y", (I, J), X),))]), "y has 1 axes and is indexed with 2"),
    (row_sum([Stage("full", (), (Store("x", (I, J), X),))]), "operand x is only read"),
    (row_sum([Stage("full", (), (Store("z", (I,), X),))]), "z is not an operand"),
    (row_sum([Stage("full", (), (Store("y", (I,), I),))]), "a int64 is stored to y"),
    (
        row_sum([Stage("full", (), (Store("y", (I,), C.load("y", (I,), "float64")),))]),
        "y is only written",
    ),
    (
        row_sum([Stage("full", (), (Store("y", (I,), C.load("x", (I,), "float64")),))]),
        "x has 2 axes and is indexed with 1",
    ),
    (row_sum([Stage("full", (), (Store("y", (I,), C.arg(0, "float64")),))]), "template"),
    (
        row_sum(
            [
                Stage("full", keep=(("k", X),)),
                Stage("outer", (), (Store("y", (I,), C.local("k", "float64")),)),
            ]
        ),
        "one value per inner point",
    ),
    (row_sum(axes=AXES[::-1]), "outer axes must come first"),
    (row_sum(axes=(*AXES, AXES[1])), "two axes have one key"),
    (row_sum(axes=(replace(AXES[0], extent=I), AXES[1])), "not a size expression"),
    (row_sum(operands=(*OPERANDS, OPERANDS[0])), "two operands are called x"),
    (row_sum(index_checks=((X, M, 0),)), "must be int64"),
]


def test_a_right_kernel_passes():
    check_kernel(row_sum())


@pytest.mark.parametrize(("kernel", "text"), KERNELS, ids=[t for _, t in KERNELS])
def test_kernels(kernel, text):
    with pytest.raises(VerifyError, match=re.escape(text)):
        check_kernel(kernel)


def test_arg_reductions_have_one_axis():
    arg = replace(SUM, arg="argmax", dtype="int64")
    axes = (Axis("i", M, "inner"), Axis("j", N, "inner"))
    with pytest.raises(VerifyError, match="argmax needs one inner axis, there are 2"):
        check_kernel(row_sum([Stage("full", (arg,))], axes=axes))


# ---------------------------------------------------------------------------------------------
# Nests
# ---------------------------------------------------------------------------------------------

ZERO, ONE = C.integer(0), C.integer(1)
V = C.local("v", "float64")
X1 = C.load("x", (I,), "float64")
P = (Operand("x", "float64", 1, "rw"),)


def nest(*body, **more):
    return ir.Nest(C, P, more.pop("sizes", ()), tuple(body), **more)


def loop(*body, kind="serial", **more):
    return ir.For("i", ZERO, C.size(("dim", "x", 0)), tuple(body), kind, **more)


F = C.const(1, "float64")
TWO = ir.Array("a", "float64", 8), ir.Array("b", "float64", 8)
IN_B = C.load("b", (ZERO,), "float64")
NESTS = [
    (nest(Store("x", (I,), F)), "index<i> is not in scope"),
    (nest(loop(ir.Let("v", X1)), Store("x", (ZERO,), V)), "local<v> is not in scope"),
    (nest(ir.Let("v", F), ir.Assign("v", F)), "v is not a variable in scope"),
    (nest(ir.Var("v", F), ir.Assign("v", ONE)), "a int64 is assigned to v"),
    (nest(ir.Var("v", F), loop(ir.Assign("v", X1), kind="parallel")), "share the variable v"),
    (nest(loop(ir.If(X1 > 0, ()), kind="simd")), "something else than Let and Store"),
    (nest(loop(kind="quick")), "unknown kind 'quick'"),
    (nest(loop(step=0)), "the step is 0"),
    (nest(ir.If(ONE, ())), "the condition is int64"),
    (nest(ir.Array("a", "int8", 5000)), "a has 5000 elements"),
    (nest(ir.Array("a", "int8", 5, F)), "a is int8, filled with float64"),
    (nest(ir.Array("a", "int8", 5), Store("a", (ZERO,), F)), "float64 is stored to a"),
    (
        nest(ir.Array("a", "int8", 5), ir.Let("v", C.load("a", (ZERO, ZERO), "int8"))),
        "a has 1 axes and is indexed with 2",
    ),
    (nest(ir.Let("v", C.size(("arg", "n")))), "size n is not a parameter"),
    (nest(ir.Let("v", C.size(("dim", "x", 1)))), "names no axis"),
    (nest(ir.Let("v", M)), "names no axis"),
    (nest(layouts={"z": (ONE,)}), "layout for z"),
    (nest(ir.Let("v", Context().integer(3))), "lives in another context"),
    (nest(ir.CheckIndex(F, ONE)), "must be int64"),
    (nest(ir.Prefetch("x", ONE, ONE)), "x must be an operand with one index"),
    (nest(ir.Apply("q", REGISTRY["exp"], ONE)), "q must be an array"),
    (nest(ir.Array("a", "float64", 8), ir.Apply("a", REGISTRY["exp"], F)), "the count int64"),
    (nest(ir.Array("a", "int8", 64), ir.Apply("a", REGISTRY["exp"], ONE)), "exp must be vector"),
    (nest(ir.Array("a", "float64", 8), ir.Apply("a", REGISTRY["add"], ONE)), "add must be vector"),
    (nest(*TWO, ir.Apply("a", REGISTRY["exp"], ONE, IN_B, "b")), "exp cannot store its twin to b"),
    (nest(*TWO, ir.Apply("a", REGISTRY["sin"], ONE, None, "b")), "sin cannot store its twin to b"),
    (nest(*TWO, ir.Apply("a", REGISTRY["sin"], ONE, IN_B, "b")), "b must be a further array"),
    (nest(ir.Prefetch("q", ONE, ONE), layouts={"x": (ONE,)}), "q must be an operand"),
]


@pytest.mark.parametrize(("wrong", "text"), NESTS, ids=[t for _, t in NESTS])
def test_nests(wrong, text):
    with pytest.raises(VerifyError, match=re.escape(text)):
        check_nest(wrong)


# ---------------------------------------------------------------------------------------------
# Programs
# ---------------------------------------------------------------------------------------------


class Draft:
    """x (input), t and u (temporaries in slots of their own), y (output): vectors of one length."""

    def __init__(self):
        self.ctx = c = Context()
        n = c.size(("dim", 0, 0))
        self.p = Program(c)
        self.p.buffers = [
            Buffer(0, "float64", (n,), "input", 0, contiguous=False),
            Buffer(1, "float64", (n,), "temp", slot=0),
            Buffer(2, "float64", (n,), "temp", slot=1),
            Buffer(3, "float64", (n,), "output", 0),
            Buffer(4, "float64", (n,), "shared", 0),
            Buffer(5, "float64", (n,), "update", 0),
        ]
        self.p.inputs, self.p.shared, self.p.outputs = [0], [4], [3]
        self.p.slots = [Slot(n * 8, 0, 9), Slot(n * 8, 0, 9)]

    def map(self, source, target, shift=0):
        c = self.ctx
        i = c.index("i")
        value = c.load("a", (i + shift,), "float64") + 1
        operands = (Operand("a", "float64", 1, "r"), Operand("b", "float64", 1, "w"))
        stage = Stage("outer", (), (Store("b", (i,), value),))
        axes = (Axis("i", c.size(("dim", 0, 0)), "outer"),)
        kernel = Kernel(c, axes, operands, (stage,))
        self.p.steps.append(KernelStep(kernel, {"a": source, "b": target}))
        return self


def good():
    return Draft().map(0, 1).map(1, 2).map(2, 3)


def unwritten():
    return Draft().map(1, 3)


def no_output():
    return Draft().map(0, 1)


def clobbered():
    d = good()
    d.p.buffers[2].slot = 0
    d.map(1, 3)
    return d


def shared_slot_with_a_shift():
    d = Draft().map(0, 1).map(1, 2, shift=1).map(2, 3)
    d.p.buffers[2].slot = 0
    return d


def dead_slot():
    d = good()
    d.p.slots[0] = Slot(d.p.slots[0].bytes, 0, 0)
    return d


def writes_an_input():
    return good().map(1, 0)


def late_guard():
    d = good()
    d.p.guards.append(Guard(d.ctx.size(("dim", 1, 0)) > 0))
    return d


def fails_after_overwriting():
    d = good()
    d.p.buffers[5].alias_of = 4
    d.p.updates = [(0, 5)]
    d.map(4, 5)
    d.p.steps.append(CheckStep(d.ctx.size(("dim", 0, 0)) > 0, "value", "x"))
    return d


def old_value_after_overwriting():
    d = Draft().map(0, 1)
    d.p.buffers[5].alias_of = 4
    d.p.updates = [(0, 5)]
    return d.map(4, 5).map(4, 3)


def unbound():
    d = good()
    d.p.steps[0].bind.pop("a")
    return d


def wrong_type():
    d = good()
    d.p.buffers[1].dtype = "float32"
    return d


def two_updates():
    d = good()
    d.p.updates = [(0, 3), (0, 1)]
    return d


def wrong_view():
    d = good()
    d.p.buffers[1] = Buffer(1, "float64", d.p.buffers[0].shape, "view", base=0)
    d.p.steps[0] = ViewStep(1, 0, ((2, d.ctx.integer(1)),), (d.ctx.integer(0),))
    return d


def wrong_reshape():
    d = good()
    d.p.buffers[1] = Buffer(1, "float64", d.p.buffers[0].shape, "view", base=0)
    d.p.steps[0] = ReshapeViewStep(1, 0)
    return d


def wrong_copy():
    d = good()
    d.p.buffers[1].dtype = "int8"
    d.p.steps[0] = CopyStep(1, 0)
    return d


def unknown_routine():
    d = good()
    d.p.steps[2] = RoutineStep("gemmm", (2,), 3)
    return d


def wrong_ranks():
    d = good()
    d.p.steps[2] = RoutineStep("gemv", (2, 1), 3)
    return d


PROGRAMS = [
    (unwritten, "buffer 1 is read before it is written"),
    (no_output, "results: buffer 3 is read before it is written"),
    (clobbered, "the content of buffer 1 has been overwritten"),
    (shared_slot_with_a_shift, "b is stored over a, which is still needed"),
    (dead_slot, "buffer 1 is used while slot 0 is not alive"),
    (writes_an_input, "buffer 0 is of kind input and is written"),
    (late_guard, "is not known before the first step"),
    (fails_after_overwriting, "it may fail after a container was overwritten by step 3"),
    (old_value_after_overwriting, "the content of buffer 4 has been overwritten"),
    (unbound, "are bound as"),
    (wrong_type, "operand b is float64 with 1 axes, buffer 1 is float32 with 1"),
    (two_updates, "a container is updated twice"),
    (wrong_view, "the source has no axis 2"),
    (wrong_reshape, "buffer 0 is not known to be contiguous"),
    (wrong_copy, "from float64 to int8"),
    (unknown_routine, "there is no routine 'gemmm'"),
    (wrong_ranks, "gemv takes (2, 1) axes, got (1, 1)"),
]


def test_a_right_program_passes():
    check_program(good().p)
    d = good()
    d.p.buffers[2].slot = 0
    check_program(d.p)


@pytest.mark.parametrize(("make", "text"), PROGRAMS, ids=[f.__name__ for f, _ in PROGRAMS])
def test_programs(make, text):
    with pytest.raises(VerifyError, match=re.escape(text)):
        check_program(make().p)
