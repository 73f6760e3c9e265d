"""Programs: compiled, interpreted and computed by NumPy give the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symc.scalar.arith
import symc.scalar.math  # noqa: F401  (fills the registry)
from symc.codegen.program_c import program_source
from symc.loop.check_program import check_program
from symc.loop.kernel import Axis, Kernel, Operand, Reduction, Stage, Store
from symc.loop.program import (
    Buffer,
    CheckStep,
    CopyStep,
    ForeignStep,
    Guard,
    KernelStep,
    Program,
    ReshapeViewStep,
    Slot,
    ViewStep,
)
from symc.loop.run import GuardError, StepError, run_program
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY, cast_expr
from tests.codegen.harness import COMPILER, CallError
from tests.codegen.programs import Compiled, GuardViolationError

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


class Draft:
    """Writes programs by hand."""

    def __init__(self):
        self.ctx = Context()
        self.program = Program(self.ctx)

    def n(self, value):
        return self.ctx.integer(value)

    def dim(self, buffer, axis):
        return self.ctx.size(("dim", buffer, axis))

    def buffer(self, kind, dtype, shape, position=-1, **more):
        b = Buffer(len(self.program.buffers), dtype, tuple(shape), kind, position, **more)
        self.program.buffers.append(b)
        table = {"input": self.program.inputs, "shared": self.program.shared}.get(kind)
        if table is not None:
            b.position = len(table)
            table.append(b.id)
        return b.id

    def input(self, dtype, rank, **more):
        number = len(self.program.buffers)
        shape = [self.dim(number, k) for k in range(rank)]
        more.setdefault("contiguous", rank == 0)
        return self.buffer("input", dtype, shape, **more)

    def output(self, dtype, shape, **more):
        b = self.buffer("output", dtype, shape, len(self.program.outputs), **more)
        self.program.outputs.append(b)
        return b

    def temp(self, dtype, shape, first=0, last=None):
        size = self.n(np.dtype(dtype).itemsize)
        for n in shape:
            size = size * n
        slot = len(self.program.slots)
        self.program.slots.append(Slot(size, first, 99 if last is None else last))
        return self.buffer("temp", dtype, shape, slot=slot)

    def shape(self, buffer):
        return self.program.buffers[buffer].shape

    def step(self, step):
        self.program.steps.append(step)
        return step

    def map(self, sources, target, function):
        """Elementwise over arrays of one shape."""
        shape = self.shape(target)
        axes = tuple(Axis(f"i{k}", n, "outer") for k, n in enumerate(shape))
        index = tuple(self.ctx.index(a.key) for a in axes)
        buffers = self.program.buffers
        loads = []
        for k, s in enumerate(sources):
            at = index[len(index) - len(self.shape(s)) :]
            loads.append(self.ctx.load(f"x{k}", at, buffers[s].dtype))
        value = function(*loads)
        operands = [
            Operand(f"x{k}", buffers[s].dtype, len(self.shape(s)), "r")
            for k, s in enumerate(sources)
        ]
        operands.append(Operand("y", value.dtype, len(shape), "w"))
        stage = Stage("outer", (), (Store("y", index, value),))
        kernel = Kernel(self.ctx, axes, tuple(operands), (stage,))
        bind = {f"x{k}": s for k, s in enumerate(sources)} | {"y": target}
        return self.step(KernelStep(kernel, bind))

    def view(self, target, source, axes, offset=None):
        pairs = tuple((a, self.n(p) if isinstance(p, int) else p) for a, p in axes)
        start = offset or [0] * len(self.shape(source))
        texts = tuple(self.n(o) if isinstance(o, int) else o for o in start)
        return self.step(ViewStep(target, source, pairs, texts))


def both(draft, folder, inputs, shared=()):
    """Outputs and updates of the compiled program, after comparing with the interpreter."""
    check_program(draft.program)
    compiled = Compiled(draft.program, folder)
    found = compiled([*inputs], [np.array(s) for s in shared])
    known = run_program(draft.program, [*inputs], [np.array(s) for s in shared])
    for a, b in zip(found[0], known[0], strict=True):
        if isinstance(a, np.ndarray):
            assert a.dtype == b.dtype
            np.testing.assert_allclose(a, b, rtol=1e-12)
        else:
            assert a is b
    for (k, a), (m, b) in zip(found[1], known[1], strict=True):
        assert k == m
        np.testing.assert_allclose(a, b, rtol=1e-12)
    return found


def test_views_are_read_where_they_are(tmp_path):
    """y = x[1::2, ::-1].T + 1, through two views."""
    d = Draft()
    x = d.input("float64", 2)
    rows, columns = d.dim(x, 0), d.dim(x, 1)
    half = REGISTRY["int_div"](rows, d.n(2))
    part = d.buffer("view", "float64", (half, columns), base=x, contiguous=False)
    turned = d.buffer("view", "float64", (columns, half), base=x, contiguous=False)
    y = d.output("float64", (columns, half))
    d.view(part, x, [(0, 2), (1, -1)], [d.n(1), columns - 1])
    d.view(turned, part, [(1, 1), (0, 1)])
    d.map([turned], y, lambda v: v + 1)
    a = np.arange(30.0).reshape(6, 5)
    for value in (a, np.asfortranarray(a), a[::2], a[:, ::-2], a[:0], a[:, :1]):
        (out,), _ = both(d, tmp_path, [value])
        np.testing.assert_array_equal(out, value[1::2, ::-1][: len(value) // 2].T + 1)


def test_results_that_are_not_stored_in_their_place_are_copied(tmp_path):
    """Outputs: a temporary, the same again, a view of it, an input, and a constant."""
    d = Draft()
    x = d.input("float32", 2)
    shape = d.shape(x)
    t = d.temp("float32", shape)
    v = d.buffer("view", "float32", shape[::-1], base=t, contiguous=False)
    c = d.buffer("const", "int16", (d.n(3),), 0, data=np.array([1, 2, 3], "int16"))
    d.map([x], t, lambda e: e * e)
    d.view(v, t, [(1, 1), (0, 1)])
    d.program.outputs += [t, t, v, x, c]
    a = np.random.default_rng(0).normal(size=(4, 7)).astype("float32")
    for value in (a, a.T, a[::-1, ::2]):
        out, _ = both(d, tmp_path, [value])
        for got, expected in zip(
            out, [value**2, value**2, (value**2).T, value, [1, 2, 3]], strict=True
        ):
            np.testing.assert_array_equal(got, expected)
    assert out[0] is not out[1]


def test_reshapes_and_copies(tmp_path):
    d = Draft()
    x = d.input("complex128", 2)
    m, n = d.shape(x)
    t = d.temp("complex128", (m, n))
    flat = d.buffer("view", "complex128", (m * n,), base=t)
    y = d.output("complex128", (m * n,))
    d.step(CopyStep(t, x))
    d.step(ReshapeViewStep(flat, t))
    d.map([flat], y, lambda e: e + e)
    a = np.arange(12).reshape(3, 4) * (1 + 2j)
    for value in (a, a.T, a[:, ::2], a[:0]):
        (out,), _ = both(d, tmp_path, [value])
        np.testing.assert_array_equal(out, 2 * value.ravel())


def test_temporaries_may_share_a_slot(tmp_path):
    """t = x + 1; u = t * t in the memory of t; y = u + x."""
    d = Draft()
    x = d.input("float64", 1)
    t = d.temp("float64", d.shape(x))
    u = d.buffer("temp", "float64", d.shape(x), slot=0)
    y = d.output("float64", d.shape(x))
    d.map([x], t, lambda e: e + 1)
    d.map([t], u, lambda e: e * e)
    d.map([u, x], y, lambda e, f: e + f)
    a = np.arange(1000.0)
    (out,), _ = both(d, tmp_path, [a])
    np.testing.assert_array_equal(out, (a + 1) ** 2 + a)


@pytest.mark.parametrize("inplace", [False, True])
def test_updates(tmp_path, inplace):
    """w := w - 0.1 x, in place or not; the old value is an output."""
    d = Draft()
    x = d.input("float64", 1)
    w = d.buffer("shared", "float64", (d.dim(1, 0),), contiguous=inplace)
    old = d.output("float64", d.shape(w))
    new = d.buffer("update", "float64", d.shape(w), 0, alias_of=w if inplace else None)
    d.program.updates.append((0, new))
    d.program.guards.append(Guard(REGISTRY["eq"](d.dim(x, 0), d.dim(w, 0))))
    d.step(CopyStep(old, w))
    d.map([w, x], new, lambda e, f: e - 0.1 * f)
    rng = np.random.default_rng(0)
    a, b = rng.normal(size=40), rng.normal(size=40)
    check_program(d.program)
    source = program_source(d.program)
    assert source.updates == ((0, "inplace" if inplace else "fresh"),)
    container = b.copy()
    compiled = Compiled(d.program, tmp_path)
    (out,), ((_, updated),) = compiled([a], [container])
    np.testing.assert_array_equal(out, b)
    np.testing.assert_array_equal(updated, b - 0.1 * a)
    assert np.array_equal(container, updated) == inplace
    with pytest.raises(GuardViolationError):
        compiled([a[1:]], [container])
    with pytest.raises(GuardError):
        run_program(d.program, [a[1:]], [container])


def test_an_output_may_take_over_an_input(tmp_path):
    d = Draft()
    x = d.input("float32", 2)
    y = d.output("float32", d.shape(x), alias_of=x, contiguous=False)
    d.map([x], y, lambda e: e + 1)
    source = program_source(d.program)
    assert source.outputs == (("input", 0),)
    a = np.zeros((3, 4), "float32")
    (out,), _ = Compiled(d.program, tmp_path)([a])
    assert out is a
    np.testing.assert_array_equal(a, 1)


def test_checks_and_guards(tmp_path):
    """A check before the steps, another between them."""
    d = Draft()
    x, y = d.input("float64", 1), d.input("float64", 1)
    lengths = d.dim(x, 0), d.dim(y, 0)
    same = REGISTRY["eq"](*lengths)
    d.program.checks.append(CheckStep(same, "shape", "lengths {0} and {1}", lengths))
    z = d.output("float64", d.shape(x))
    d.map([x], z, lambda e: e)
    few = lengths[0] < 5
    d.step(CheckStep(few, "value", "length {0}", (lengths[0],)))
    compiled = Compiled(d.program, tmp_path)
    compiled([np.ones(4), np.ones(4)])
    with pytest.raises(CallError) as caught:
        compiled([np.ones(4), np.ones(3)])
    assert caught.value.args == (1, 0, [4, 3, 0, 0, 0, 0, 0, 0])
    with pytest.raises(StepError, match="lengths 4 and 3"):
        run_program(d.program, [np.ones(4), np.ones(3)])
    with pytest.raises(CallError) as caught:
        compiled([np.ones(6), np.ones(6)])
    assert caught.value.args == (5, 1, [6, 0, 0, 0, 0, 0, 0, 0])


def gather_program():
    """y = w[k] with checked indices."""
    d = Draft()
    w, k = d.input("float64", 2), d.input("int64", 1)
    i, j = d.ctx.index("i"), d.ctx.index("j")
    raw = d.ctx.load("k", (i,), "int64")
    at = REGISTRY["switch"](raw < 0, raw + d.dim(w, 0), raw)
    y = d.output("float64", (d.dim(k, 0), d.dim(w, 1)))
    stage = Stage("outer", (), (Store("y", (i, j), d.ctx.load("w", (at, j), "float64")),))
    axes = (Axis("i", d.dim(k, 0), "outer"), Axis("j", d.dim(w, 1), "outer"))
    operands = (
        Operand("w", "float64", 2, "r"),
        Operand("k", "int64", 1, "r"),
        Operand("y", "float64", 2, "w"),
    )
    kernel = Kernel(d.ctx, axes, operands, (stage,), ((raw, d.dim(w, 0), 3),))
    d.step(KernelStep(kernel, {"w": w, "k": k, "y": y}, fallible=True))
    return d


def test_indices_out_of_bounds(tmp_path):
    d = gather_program()
    w = np.arange(20.0).reshape(5, 4)
    (out,), _ = both(d, tmp_path, [w, np.array([0, -5, 4, -1])])
    np.testing.assert_array_equal(out, w[[0, -5, 4, -1]])
    compiled = Compiled(d.program, tmp_path)
    for wrong in ([0, 5, 7], [-6, 9], [1, 2, -7]):
        first = next(v for v in wrong if not -5 <= v < 5)
        with pytest.raises(CallError) as caught:
            compiled([w, np.array(wrong)])
        assert caught.value.args[0] == 2
        assert caught.value.args[2][:3] == [first, 5, 3]
        with pytest.raises(StepError) as known:
            run_program(d.program, [w, np.array(wrong)])
        assert known.value.values == (first, 5, 3)
    with pytest.raises(CallError):
        compiled([w[:0], np.array([0])])
    (out,), _ = both(d, tmp_path, [w[:0], np.array([], "int64")])
    assert out.shape == (0, 4)


def test_python_steps(tmp_path):
    """sort by Python: a temporary in, a dynamic buffer out, read by a kernel; an object through."""
    d = Draft()
    x = d.input("float64", 1)
    thing = d.buffer("input", "object", ())
    t = d.temp("float64", d.shape(x))
    kept = d.buffer("dynamic", "float64", (d.dim(3, 0),), contiguous=False)
    passed = d.buffer("object", "object", ())
    y = d.output("float64", (d.dim(kept, 0),))
    d.map([x], t, lambda e: e + 1)

    def call(values):
        a, o = values
        return [np.sort(a[a > 0])[::-1], [o]]

    d.step(ForeignStep(call, (t, thing), (kept, passed), fallible=True))
    d.map([kept], y, lambda e: e * 2)
    d.program.outputs += [kept, passed, thing]
    check_program(d.program)
    assert [how for how, _ in program_source(d.program).outputs] == [
        "dynamic",
        "dynamic",
        "object",
        "object",
    ]
    marker = object()
    compiled = Compiled(d.program, tmp_path)
    a = np.array([3.0, -5, 0.5, -1, 2])
    out, _ = compiled([a, marker])
    expected = np.sort((a + 1)[a + 1 > 0])[::-1]
    np.testing.assert_array_equal(out[0], 2 * expected)
    np.testing.assert_array_equal(out[1], expected)
    assert out[2][0] is marker
    assert out[3] is marker


def test_sizes_that_depend_on_data(tmp_path):
    """n = max(x) + 1; y = arange(n): the length is known when the program runs."""
    d = Draft()
    x = d.input("int64", 1)
    n = d.temp("int64", ())
    i, k = d.ctx.index("i"), d.ctx.index("k")
    value = d.ctx.load("x", (i,), "int64")
    stages = (
        Stage("full", (Reduction("m", REGISTRY["maximum"], value, "int64", "int64", -1),)),
        Stage("outer", (), (Store("n", (), d.ctx.local("m", "int64") + 1),)),
    )
    operands = (Operand("x", "int64", 1, "r"), Operand("n", "int64", 0, "w"))
    kernel = Kernel(d.ctx, (Axis("i", d.dim(x, 0), "inner"),), operands, stages)
    d.step(KernelStep(kernel, {"x": x, "n": n}))
    length = d.ctx.size(("val", n))
    t = d.buffer("temp", "float64", (length,), slot=len(d.program.slots))
    d.program.slots.append(Slot(length * 8, 1, 99))
    y = d.output("float64", (length,))
    index = cast_expr(d.ctx, k, "float64")
    fill = Kernel(
        d.ctx,
        (Axis("k", length, "outer"),),
        (Operand("t", "float64", 1, "w"),),
        (Stage("outer", (), (Store("t", (k,), index),)),),
    )
    d.step(KernelStep(fill, {"t": t}))
    d.map([t], y, lambda e: e * 2)
    for a in ([3, 1, 4], [0], [-1], []):
        (out,), _ = both(d, tmp_path, [np.array(a, "int64")])
        np.testing.assert_array_equal(out, 2.0 * np.arange(max([*a, -1]) + 1))


def chain(count):
    """A chain of many small kernels, so that the body is cut into several functions."""
    d = Draft()
    x = d.input("float64", 1)
    before = x
    for k in range(count):
        t = d.temp("float64", d.shape(x), first=k, last=k + 1)
        d.map([before], t, lambda e, k=k: e + (k % 7))
        before = t
    y = d.output("float64", d.shape(x))
    d.map([before, x], y, lambda e, f: e + f)
    return d


def test_long_bodies_are_cut(tmp_path):
    d = chain(400)
    text = program_source(d.program).units[0].text
    assert text.count("_part") > 2
    a = np.arange(50.0)
    (out,), _ = both(d, tmp_path, [a])
    np.testing.assert_array_equal(out, 2 * a + sum(k % 7 for k in range(400)))
    # Equal kernels are printed once.
    assert text.count("SY_KERNEL void symc_k") < 60


def test_calls_of_one_kernel_in_a_row_are_a_loop(tmp_path):
    """Links, an interruption by a view that reads one, and links over two slots in turn."""
    d = Draft()
    x = d.input("float64", 1, contiguous=True)
    n = d.shape(x)

    def link(a, b):
        return REGISTRY["sin"](a) + b

    last = x
    for _ in range(5):
        last, before = d.temp("float64", n), last
        d.map([before, x], last, link)
    part = d.buffer("temp", "float64", n, base=last, contiguous=False)
    d.view(part, last, [(0, -1)], [n[0] - d.n(1)])
    turned = d.temp("float64", n)
    d.map([part], turned, lambda e: e * e)
    two = [d.temp("float64", n), d.temp("float64", n)]
    d.map([turned, x], two[0], link)
    for k in range(7):
        d.map([two[k % 2], x], two[(k + 1) % 2], link)
    for _ in range(5):
        d.map([two[0]], two[0], lambda e: e + e)
    y = d.output("float64", n)
    d.map([two[0], two[1]], y, lambda a, b: a - b)
    text = program_source(d.program).units[0].text
    assert text.count("static const int32_t places[") == 3
    assert "places[5][1]" in text  # doubled in place: nothing differs
    for size in (0, 1, 33):
        both(d, tmp_path, [np.linspace(-1, 2, size)])


def test_results_do_not_depend_on_the_number_of_threads(tmp_path):
    """Sums of float32 in all directions, bit for bit."""
    d = Draft()
    x = d.input("float32", 2)
    outputs = []
    for outer, inner in (("", "ij"), ("i", "j"), ("j", "i")):
        axes = {"i": d.dim(x, 0), "j": d.dim(x, 1)}
        y = d.output("float32", tuple(axes[k] for k in outer))
        index = tuple(d.ctx.index(k) for k in "ij")
        load = d.ctx.load("x", index, "float32")
        stages = (
            Stage("full", (Reduction("s", REGISTRY["add"], load, "float32", "float64", 0),)),
            Stage(
                "outer",
                (),
                (Store("y", tuple(d.ctx.index(k) for k in outer), d.ctx.local("s", "float32")),),
            ),
        )
        kernel = Kernel(
            d.ctx,
            (
                *[Axis(k, axes[k], "outer") for k in outer],
                *[Axis(k, axes[k], "inner") for k in inner],
            ),
            (Operand("x", "float32", 2, "r"), Operand("y", "float32", len(outer), "w")),
            stages,
        )
        d.step(KernelStep(kernel, {"x": x, "y": y}))
        outputs.append(y)
    a = np.random.default_rng(0).normal(size=(700, 900)).astype("float32")
    compiled = Compiled(d.program, tmp_path)
    once = [o.copy() for o in compiled([a], threads=1)[0]]
    for threads in (2, 3, 7):
        for got, expected in zip(compiled([a], threads=threads)[0], once, strict=True):
            assert got.tobytes() == expected.tobytes()
    exact = a.astype("float64")
    for got, expected in zip(once, [exact.sum(), exact.sum(1), exact.sum(0)], strict=True):
        np.testing.assert_allclose(got, expected, rtol=3e-7 * 30, atol=1e-4)
    assert compiled.work > 1e5


def test_text_does_not_depend_on_the_process():
    """The text is a cache key: no addresses, no hash order."""
    script = (
        f"import sys, hashlib; sys.path.insert(0, {str(Path(__file__).parents[2])!r})\n"
        "from tests.codegen.test_programs import chain, gather_program\n"
        "from symc.codegen.program_c import program_source\n"
        "text = ''.join(program_source(d.program).units[0].text\n"
        "               for d in (gather_program(), chain(3)))\n"
        "print(hashlib.sha1(text.encode()).hexdigest())"
    )
    seen = set()
    for seed in ("0", "1", "77"):
        done = subprocess.run(
            [sys.executable, "-c", script],
            env={"PYTHONHASHSEED": seed, "PATH": "/usr/bin:/bin"},
            capture_output=True,
            text=True,
            check=True,
        )
        seen.add(done.stdout)
    assert len(seen) == 1


def test_large_kernels_pack_strided_operands(tmp_path):
    """Above a size there is no strided variant: operands are copied first."""
    d = Draft()
    x = d.input("float64", 2)
    y = d.output("float64", d.shape(x))

    def many(e):
        for k in range(40):
            e = e * 0.5 + float(k) * e * e * 1e-3
        return e

    d.map([x], y, many)
    assert "sy_pack(" in program_source(d.program).units[0].text
    a = np.random.default_rng(0).uniform(-1, 1, size=(6, 8))
    for value in (a, a.T, a[::-1, 1::3]):
        (out,), _ = both(d, tmp_path, [value])
        np.testing.assert_allclose(out, many(value), rtol=1e-12)
