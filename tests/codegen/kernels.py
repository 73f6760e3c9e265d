"""Kernels for tests, with the NumPy formula of what they compute."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

import symc.scalar.arith
import symc.scalar.math  # noqa: F401  (fills the registry)
from symc.codegen.place import Placer
from symc.codegen.prepare import prepare
from symc.codegen.schedule_c import elementwise, full_nest, row_nest
from symc.codegen.stream import streamed, streams
from symc.codegen.target import DEFAULT
from symc.codegen.tiles import tile_nest
from symc.loop.kernel import Axis, Kernel, Operand, Reduction, Stage, Store
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY, cast_expr

ACC = {"float16": "float32", "float32": "float64", "complex64": "complex128"}


@dataclass
class Case:
    """A kernel over dims by letter, and its meaning.

    ``dims`` maps operand keys to the letters of their axes; ``formula(arrays)`` gives the values
    of the outputs.
    """

    name: str
    kernel: Kernel
    shapes: dict
    dims: dict
    outputs: tuple
    formula: object
    letters: str
    needs_points: bool = False
    integers: dict = field(default_factory=dict)

    def arrays(self, lengths, rng, layout="C"):
        """Random inputs and garbage outputs."""
        result = {}
        for o in self.kernel.operands:
            shape = tuple(1 if d == "1" else lengths[d] for d in self.dims[o.key])
            if o.key in self.integers:
                bound = lengths[self.integers[o.key]]
                a = rng.integers(-bound, max(bound, 1), size=shape).astype(o.dtype)
            else:
                a = random_array(rng, shape, o.dtype)
            result[o.key] = laid_out(a, layout)
        return result

    def sizes(self, lengths):
        return lambda payload: lengths[payload[1]]

    def nests(self):
        """Every schedule that can run this kernel."""
        prepared = prepare(self.kernel, self.shapes)
        recomputed = prepare(self.kernel, self.shapes, recompute=True)

        def flat():
            return Placer(prepared, flat=True)

        strided = Placer(prepared, flat=False)
        if not prepared.inner:
            found = {"flat": elementwise(flat(), DEFAULT), "strided": elementwise(strided, DEFAULT)}
            if streams(flat()):
                found["stream"] = streamed(flat(), DEFAULT)
        else:
            found = {
                "rows": row_nest(flat(), DEFAULT),
                "strided": row_nest(strided, DEFAULT),
                "full": full_nest(Placer(recomputed, flat=True), DEFAULT),
            }
            if prepared.outer:
                found["columns"] = tile_nest(flat(), DEFAULT, "columns")
                found["lanes"] = tile_nest(flat(), DEFAULT, "lanes")
        axes = prepared.inner or prepared.outer
        if axes:
            unit = Placer(prepared, flat=False, unit=axes[-1].key)
            make = row_nest if prepared.inner else elementwise
            found["unit"] = make(unit, DEFAULT)
        return found


def random_array(rng, shape, dtype):
    kind = np.dtype(dtype).kind
    if kind == "b":
        return np.asarray(rng.random(shape) < 0.5)
    if kind in "iu":
        return rng.integers(0 if kind == "u" else -20, 20, size=shape).astype(dtype)
    a = rng.normal(size=shape)
    if kind == "c":
        a = a + 1j * np.asarray(rng.normal(size=shape))
    return np.asarray(a).astype(dtype)


def laid_out(a, layout):
    """`a` with other strides."""
    if a.ndim == 0:
        return a.copy()
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "reversed":
        flip = (slice(None, None, -1),) * a.ndim
        return a[flip].copy()[flip]
    if layout == "spread":
        big = np.zeros(tuple(2 * n + 1 for n in a.shape), dtype=a.dtype)
        view = big[tuple(slice(0, 2 * n, 2) for n in a.shape)]
        view[...] = a
        return view
    if layout == "wide":
        big = np.zeros((*a.shape[:-1], a.shape[-1] + 3), a.dtype)
        view = big[..., : a.shape[-1]]
        view[...] = a
        return view
    return np.array(a, order="C")


class Maker:
    """Builds the kernel of a case."""

    def __init__(self):
        self.ctx = Context()
        self.operands = []
        self.dims = {}
        self.shapes = {}

    def op(self, name, *args):
        return REGISTRY[name](*args)

    def size(self, letter):
        return self.ctx.integer(1) if letter == "1" else self.ctx.size(("dim", letter))

    def index(self, letter):
        return self.ctx.integer(0) if letter == "1" else self.ctx.index(letter)

    def declare(self, key, dims, dtype, access):
        self.operands.append(Operand(key, dtype, len(dims), access))
        self.dims[key] = dims
        self.shapes[key] = tuple(self.size(d) for d in dims)

    def load(self, key, dims, dtype, index=None):
        if key not in self.dims:
            self.declare(key, dims, dtype, "r")
        at = index if index is not None else tuple(self.index(d) for d in dims)
        return self.ctx.load(key, at, dtype)

    def store(self, key, dims, value, index=None):
        self.declare(key, dims, value.dtype, "w")
        at = index if index is not None else tuple(self.index(d) for d in dims)
        return Store(key, at, value)

    def cast(self, value, dtype):
        return cast_expr(self.ctx, value, dtype)

    def case(self, name, outer, inner, stages, outputs, formula, checks=(), **more):
        axes = tuple(Axis(d, self.size(d), "outer") for d in outer)
        axes += tuple(Axis(d, self.size(d), "inner") for d in inner)
        kernel = Kernel(self.ctx, axes, tuple(self.operands), tuple(stages), tuple(checks))
        return Case(name, kernel, self.shapes, self.dims, outputs, formula, outer + inner, **more)


# ---------------------------------------------------------------------------------------------
# Elementwise
# ---------------------------------------------------------------------------------------------


def arithmetic(dtype):
    """x * y + x, three axes, one operand broadcast."""
    m = Maker()
    x, y = m.load("x", "abc", dtype), m.load("y", "c", dtype)
    stage = Stage("outer", (), (m.store("z", "abc", x * y + x),))
    return m.case("arithmetic", "abc", "", [stage], ("z",), lambda v: (v["x"] * v["y"] + v["x"],))


def two_outputs(dtype):
    """Two stores over one domain; the second reads what the first does, and a column."""
    m = Maker()
    x, y = m.load("x", "ab", dtype), m.load("y", "a1", dtype)
    s = x + y
    stage = Stage("outer", (), (m.store("p", "ab", s), m.store("q", "ab", s * s)))

    def formula(v):
        s = v["x"] + v["y"]
        return s, s * s

    return m.case("two_outputs", "ab", "", [stage], ("p", "q"), formula)


def transposed(dtype):
    m = Maker()
    x, y = m.load("x", "ab", dtype), m.load("y", "ba", dtype)
    stage = Stage("outer", (), (m.store("z", "ab", x + y),))
    return m.case("transposed", "ab", "", [stage], ("z",), lambda v: (v["x"] + v["y"].T,))


def scalar(dtype):
    """No axes at all."""
    m = Maker()
    x = m.load("x", "", dtype)
    stage = Stage("outer", (), (m.store("z", "", x + x),))
    return m.case("scalar", "", "", [stage], ("z",), lambda v: (v["x"] + v["x"],))


def positions(dtype):
    """Values made of indices: i * length + j."""
    m = Maker()
    i, j = m.index("a"), m.index("b")
    value = m.cast(i * m.size("b") + j, dtype)
    stage = Stage("outer", (), (m.store("z", "ab", value),))

    def formula(v):
        i, j = np.indices(v["z"].shape)
        with np.errstate(all="ignore"):
            return ((i * v["z"].shape[1] + j).astype(dtype),)

    return m.case("positions", "ab", "", [stage], ("z",), formula)


def gathered(dtype):
    """W[k[i], j] with negative indices allowed and checked."""
    m = Maker()
    k = m.load("k", "a", "int64")
    wrapped = m.op("switch", k < 0, k + m.size("c"), k)
    w = m.load("w", "cb", dtype, (wrapped, m.index("b")))
    stage = Stage("outer", (), (m.store("z", "ab", w + w),))

    def formula(v):
        return (v["w"][v["k"]] + v["w"][v["k"]],)

    return m.case(
        "gathered",
        "ab",
        "",
        [stage],
        ("z",),
        formula,
        checks=[(k, m.size("c"), 5)],
        integers={"k": "c"},
        needs_points=True,
    )


def padded(dtype):
    """z[i] = x[i] inside, 0 outside: the load is out of range where it is not chosen."""
    m = Maker()
    i = m.index("a")
    x = m.load("x", "b", dtype, (i - 1,))
    inside = m.op("and_", i > 0, i <= m.size("b"))
    zero = m.ctx.const(0, dtype)
    stage = Stage("outer", (), (m.store("z", "a", m.op("switch", inside, x, zero)),))

    def formula(v):
        z = np.zeros_like(v["z"])
        n = min(len(v["x"]), max(len(z) - 1, 0))
        z[1 : 1 + n] = v["x"][:n]
        return (z,)

    return m.case("padded", "a", "", [stage], ("z",), formula)


# ---------------------------------------------------------------------------------------------
# Reductions
# ---------------------------------------------------------------------------------------------


def reduction(name, op, numpy, dtype, outer, inner, dims, identity=None, acc=None, result=None):
    m = Maker()
    x = m.load("x", dims, dtype)
    result = result or dtype
    acc = acc or dtype
    value = m.cast(x, acc) if np.dtype(acc).kind != np.dtype(dtype).kind else x
    r = Reduction("r", REGISTRY[op], value, result, acc, identity)
    full = Stage("full", (r,))
    stored = m.store("z", outer, m.ctx.local("r", result))
    axes = tuple(dims.index(d) for d in inner)

    def formula(v):
        with np.errstate(all="ignore"):
            return (np.asarray(numpy(v["x"].astype(acc), axis=axes)).astype(result),)

    title = f"{name}_{outer}_{inner}_of_{dims}"
    return m.case(
        title,
        outer,
        inner,
        [full, Stage("outer", (), (stored,))],
        ("z",),
        formula,
        needs_points=identity is None,
    )


def sum_of(dtype, outer, inner, dims):
    result = {"b": "int64", "i": "int64", "u": "uint64"}.get(np.dtype(dtype).kind, dtype)
    acc = ACC.get(dtype, result)
    return reduction("sum", "add", np.sum, dtype, outer, inner, dims, 0, acc, result)


def max_of(dtype, outer, inner, dims):
    return reduction("max", "maximum", np.max, dtype, outer, inner, dims)


def min_of(dtype, outer, inner, dims):
    return reduction("min", "minimum", np.min, dtype, outer, inner, dims)


def prod_of(dtype, outer, inner, dims):
    return reduction("prod", "mul", np.prod, dtype, outer, inner, dims, 1, ACC.get(dtype), dtype)


def any_of(outer, inner, dims):
    return reduction("any", "or_", np.any, "bool", outer, inner, dims, False)


def arg_of(which, dtype, outer, inner, dims):
    m = Maker()
    x = m.load("x", dims, dtype)
    r = Reduction("r", None, x, "int64", dtype, None, which)
    stored = m.store("z", outer, m.ctx.local("r", "int64"))
    axis = dims.index(inner)

    def formula(v):
        return (np.asarray(getattr(np, which)(v["x"], axis=axis)),)

    title = f"{which}_{outer}_{inner}_of_{dims}"
    stages = [Stage("full", (r,)), Stage("outer", (), (stored,))]
    return m.case(title, outer, inner, stages, ("z",), formula, needs_points=True)


# ---------------------------------------------------------------------------------------------
# Chains
# ---------------------------------------------------------------------------------------------


def softmax(dtype, outer="a", inner="b", dims="ab"):
    m = Maker()
    x = m.load("x", dims, dtype)
    top, total, e = (m.ctx.local(k, dtype) for k in ("top", "total", "e"))
    exp = m.op("exp", x - top)
    stages = [
        Stage("full", (Reduction("top", REGISTRY["maximum"], x, dtype, dtype, None),)),
        Stage(
            "full",
            (Reduction("total", REGISTRY["add"], exp, dtype, ACC.get(dtype, dtype), 0),),
            (),
            (("e", exp),),
        ),
        Stage("full", (), (m.store("z", dims, e / total),)),
    ]
    axes = tuple(dims.index(d) for d in inner)

    def formula(v):
        e = np.exp(v["x"] - v["x"].max(axis=axes, keepdims=True))
        return (e / e.sum(axis=axes, keepdims=True),)

    return m.case(
        f"softmax_{inner}_of_{dims}", outer, inner, stages, ("z",), formula, needs_points=True
    )


def normalised(dtype):
    """(x - mean) / sqrt(var + 1), with values kept at the outer level and two outputs."""
    m = Maker()
    acc = ACC.get(dtype, dtype)
    x = m.load("x", "ab", dtype)
    count = m.cast(m.size("b"), dtype)
    s, q, mean, scale = (m.ctx.local(k, dtype) for k in ("s", "q", "mean", "scale"))
    centred = x - mean
    stages = [
        Stage("full", (Reduction("s", REGISTRY["add"], x, dtype, acc, 0),)),
        Stage("outer", keep=(("mean", s / count),)),
        Stage("full", (Reduction("q", REGISTRY["add"], centred * centred, dtype, acc, 0),)),
        Stage(
            "outer",
            (),
            (m.store("v", "a", q / count),),
            keep=(("scale", m.op("sqrt", q / count + 1)),),
        ),
        Stage("full", (), (m.store("z", "ab", centred / scale),)),
    ]

    def formula(v):
        x = v["x"].astype(np.float64)
        var = x.var(axis=1)
        z = (x - x.mean(axis=1, keepdims=True)) / np.sqrt(var[:, None] + 1)
        return var.astype(dtype), z.astype(dtype)

    return m.case("normalised", "a", "b", stages, ("v", "z"), formula, needs_points=True)
