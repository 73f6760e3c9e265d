"""Matrix products in all layouts and dtypes, with and without BLAS."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from symc.loop.check_program import check_program
from symc.loop.program import RoutineStep, ScalarBuffer
from symc.loop.routines import ROUTINES
from tests.codegen.harness import COMPILER
from tests.codegen.kernels import random_array
from tests.codegen.programs import Compiled
from tests.codegen.test_programs import Draft

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

DTYPES = ("float32", "float64", "complex64", "complex128")
SHAPES = [
    (0, 3, 2),
    (3, 0, 2),
    (1, 1, 1),
    (1, 40, 30),
    (40, 1, 30),
    (40, 30, 1),
    (5, 6, 7),
    (33, 65, 17),
    (150, 45, 7),
    (10, 70, 131),
]
"""m, k, n: small ones stay in the loops of the header, large ones go to BLAS, and tall ones with
few columns (or wide ones with few rows) to kernels of their own."""


def program(name, dtype, accumulate, alpha=None, beta=None):
    """Inputs: the operands, then the old output (a container), then alpha and beta if asked."""
    d = Draft()
    routine = ROUTINES[name]
    inputs = [d.input(dtype, rank) for rank in routine.ranks]
    letters = routine.subscripts.split("->")
    sizes = {}
    for b, axes in zip(inputs, letters[0].split(","), strict=True):
        for axis, letter in enumerate(axes):
            sizes.setdefault(letter, d.dim(b, axis))
    params = {}
    for key, value in (("alpha", alpha), ("beta", beta)):
        if value == "buffer":
            params[key] = ScalarBuffer(d.input(dtype, 0))
        elif value is not None:
            params[key] = value
    shape = tuple(sizes[letter] for letter in letters[1])
    old = d.buffer("shared", dtype, shape, contiguous=False)
    new = d.buffer("update", dtype, shape, 0, alias_of=old, contiguous=False)
    d.program.updates.append((0, new))
    d.step(RoutineStep(name, tuple(inputs), new, params, accumulate))
    check_program(d.program)
    return d.program


def operand(rng, shape, dtype, layout):
    a = random_array(rng, shape, dtype)
    if layout == "F":
        return np.asfortranarray(a)
    if layout == "wide":
        big = np.zeros((*shape[:-1], shape[-1] + 3), dtype)
        big[..., : shape[-1]] = a
        return big[..., : shape[-1]]
    if layout == "steps":
        big = np.zeros(tuple(2 * n for n in shape), dtype)
        view = big[tuple(slice(None, None, 2) for _ in shape)]
        view[...] = a
        return view
    if layout == "reversed":
        flip = (slice(None, None, -1),) * a.ndim
        return a[flip].copy()[flip]
    return a


def compare(compiled, name, dtype, shape, layouts, accumulate, alpha, beta, rng):
    routine = ROUTINES[name]
    sizes = dict(zip("mknb", (*shape, 3), strict=True))
    if name == "ger":
        sizes["n"] = shape[1]
    letters = routine.subscripts.split("->")
    inputs = [
        operand(rng, tuple(sizes[c] for c in axes), dtype, layout)
        for axes, layout in zip(letters[0].split(","), layouts, strict=False)
    ]
    old_shape = tuple(sizes[c] for c in letters[1])
    old = operand(rng, old_shape, dtype, layouts[-1]) if old_shape else random_array(rng, (), dtype)
    before = old.copy()
    if not accumulate:
        old[...] = np.nan
    scalars = [np.asarray(v, dtype) for v in (alpha, beta) if v is not None]
    ((_, found),) = compiled([*inputs, *scalars], [old])[1]
    wide = [a.astype("complex128" if dtype[0] == "c" else "float64") for a in inputs]
    expected = (1 if alpha is None else alpha) * np.einsum(routine.subscripts, *wide)
    if accumulate:
        expected = expected + (1 if beta is None else beta) * before
    tight = dtype in ("float64", "complex128")
    bound = 1e-12 if tight else 2e-4
    np.testing.assert_allclose(
        found, expected, rtol=bound, atol=bound, err_msg=f"{name} {dtype} {shape} {layouts}"
    )


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("name", sorted(ROUTINES))
def test_layouts(name, dtype, tmp_path):
    rng = np.random.default_rng(0)
    for accumulate in (False, True):
        compiled = Compiled(program(name, dtype, accumulate), tmp_path)
        for shape in SHAPES:
            layouts = ("C", "F", "wide", "steps", "reversed")
            for a, b in itertools.product(layouts, layouts):
                c = layouts[(layouts.index(a) + 2 * layouts.index(b)) % 5]
                compare(compiled, name, dtype, shape, (a, b, c), accumulate, None, None, rng)


@pytest.mark.parametrize("name", sorted(ROUTINES))
@pytest.mark.parametrize("kind", ["number", "buffer"])
def test_alpha_and_beta(name, kind, tmp_path):
    rng = np.random.default_rng(1)
    given = {"number": (-2.5, 0.5), "buffer": ("buffer", "buffer")}[kind]
    compiled = Compiled(program(name, "float64", True, *given), tmp_path)
    for shape in ((5, 6, 7), (33, 65, 17), (3, 0, 2)):
        for beta in (0.5,) if kind == "number" else (0.5, 0.0, 1.0):
            passed = (-2.5, beta)
            if kind == "number":
                compare_numbers(compiled, name, shape, passed, rng)
            else:
                compare(compiled, name, "float64", shape, ("C", "F", "C"), True, *passed, rng)


def compare_numbers(compiled, name, shape, passed, rng):
    """alpha and beta are in the program: they are not passed."""

    class Fixed:
        def __call__(self, inputs, shared):
            return compiled(inputs[:-2], shared)

    compare(Fixed(), name, "float64", shape, ("C", "C", "F"), True, *passed, rng)


def test_broadcast_operands(tmp_path):
    """Strides of 0 do not fit BLAS."""
    compiled = Compiled(program("gemm", "float64", False), tmp_path)
    a = np.broadcast_to(np.arange(30.0), (40, 30))
    b = np.broadcast_to(np.arange(30.0)[:, None], (30, 20))
    old = np.zeros((40, 20))
    ((_, found),) = compiled([a, b], [old])[1]
    np.testing.assert_allclose(found, a @ b)


@pytest.mark.parametrize("vector_bytes", [16, 32, 64])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_every_width_of_vectors(dtype, vector_bytes, tmp_path):
    """Products of few columns or middling size, by the kernels for older processors too."""
    rng = np.random.default_rng(2)
    for accumulate in (False, True):
        product = program("gemm", dtype, accumulate)
        compiled = Compiled(product, tmp_path, vector_bytes=vector_bytes)
        narrow = ((150, 45, 7), (97, 16, 13), (10, 70, 131))
        middling = ((27, 300, 41), (6, 40, 64), (61, 129, 130), (25, 257, 32))
        for shape in (*narrow, *middling):
            for layouts in (("C", "F", "C"), ("F", "C", "steps"), ("wide", "C", "F"), ("C",) * 3):
                compare(compiled, "gemm", dtype, shape, layouts, accumulate, None, None, rng)
