"""Every schedule against NumPy and against the interpreter."""

from __future__ import annotations

import numpy as np
import pytest

from symc.codegen.tiles import UNROLL
from symc.loop import ir
from symc.loop.interp import run_kernel, run_nest
from symc.loop.kernel import Store
from symc.scalar.expr import walk
from tests.codegen import kernels as K
from tests.codegen.harness import COMPILER, call_nest, compile_text, copy_with_strides, nest_text

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")

DTYPES = (
    "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 "
    "complex64 complex128"
).split()
NUMERIC = [d for d in DTYPES if d != "bool"]
FLOATS = ["float32", "float64"]

SHAPES = {
    0: [()],
    1: [(0,), (1,), (2,), (5,), (17,), (300,), (5000,)],
    2: [
        (0, 3),
        (3, 0),
        (1, 1),
        (1, 300),
        (300, 1),
        (300, 2),
        (40, 10),
        (17, 17),
        (9, 33),
        (70, 65),
    ],
    3: [(2, 0, 3), (1, 1, 1), (2, 3, 5), (5, 1, 17), (3, 17, 2), (17, 5, 33)],
}
LAYOUTS = ["C", "F", "reversed", "spread", "wide"]


def cases():
    for d in NUMERIC:
        yield K.arithmetic(d)
    yield K.two_outputs("float64")
    for d in ("float32", "bool", "complex128"):
        yield K.gathered(d) if d != "bool" else K.padded(d)
    yield K.padded("float64")
    yield K.transposed("float32")
    yield K.scalar("float64")
    yield K.positions("int64")
    yield K.positions("float32")
    yield K.positions("uint8")


def reductions():
    for d in DTYPES:
        yield K.sum_of(d, "", "ab", "ab")
    for d in ("int8", "float16", "float32", "complex64"):
        yield K.sum_of(d, "a", "b", "ab")
        yield K.sum_of(d, "b", "a", "ab")
    for d in ("int16", "uint64", "float16", "float32", "float64"):
        yield K.max_of(d, "a", "b", "ab")
    for d in ("uint8", "float32"):
        yield K.min_of(d, "b", "a", "ab")
        yield K.min_of(d, "", "a", "a")
    for d in ("float32", "complex128"):
        yield K.prod_of(d, "a", "b", "ab")
    yield K.any_of("a", "b", "ab")
    yield K.any_of("", "ab", "ab")
    yield K.sum_of("float32", "b", "ac", "abc")
    yield K.sum_of("float64", "ac", "b", "abc")
    yield K.sum_of("float32", "ab", "c", "abc")
    for which in ("argmax", "argmin"):
        for d in ("int8", "float64") if which == "argmin" else ("float32",):
            yield K.arg_of(which, d, "a", "b", "ab")
            yield K.arg_of(which, d, "b", "a", "ab")
            yield K.arg_of(which, d, "", "a", "a")


def chains():
    for d in FLOATS:
        yield K.softmax(d)
        yield K.softmax(d, "b", "a", "ab")
        yield K.softmax(d, "", "ab", "ab")
        yield K.softmax(d, "ac", "b", "abc")
        yield K.normalised(d)


def tolerance(dtype):
    return {"float16": 4e-3, "float32": 3e-6, "complex64": 3e-6}.get(dtype, 1e-13)


def agree(got, expected, what):
    assert got.shape == expected.shape, what
    kind = got.dtype.kind
    if kind in "biu":
        np.testing.assert_array_equal(got, expected, err_msg=what)
        return
    bound = tolerance(got.dtype.name)
    np.testing.assert_allclose(got, expected, rtol=50 * bound, atol=50 * bound, err_msg=what)


def runs(case):
    """Lengths by letter, and a layout for each."""
    letters = sorted(set(case.letters))
    for shape in SHAPES[len(letters)]:
        lengths = (
            dict(zip(letters, shape, strict=False)) | {"c": 4}
            if "c" not in letters
            else dict(zip(letters, shape, strict=False))
        )
        lengths.setdefault("b", 3)
        if case.needs_points and 0 in lengths.values():
            continue
        yield lengths


def check_all(group, folder, flags=("-O1",)):
    group = list(group)
    rng = np.random.default_rng(1)
    nests = [case.nests() for case in group]
    text, functions = nest_text([n for found in nests for n in found.values()])
    library = compile_text(text, folder=folder, flags=flags)
    number = 0
    for case, found in zip(group, nests, strict=False):
        for name, nest in found.items():
            for lengths in runs(case):
                layouts = (
                    LAYOUTS if name == "strided" else ["C", "wide"] if name == "unit" else ["C"]
                )
                for layout in layouts:
                    arrays = case.arrays(lengths, rng, layout)
                    expected = case.formula(arrays)
                    own = {k: copy_with_strides(a) for k, a in arrays.items()}
                    call_nest(library, number, functions[number], nest, own, case.sizes(lengths))
                    for key, value in zip(case.outputs, expected, strict=False):
                        agree(own[key], value, f"{case.name} {name} {lengths} {layout} {key}")
            number += 1


@pytest.mark.parametrize("group", [cases, reductions, chains], ids=lambda g: g.__name__)
def test_compiled_nests_agree_with_numpy(group, tmp_path):
    check_all(group(), tmp_path)


@pytest.mark.parametrize("group", [cases, reductions, chains], ids=lambda g: g.__name__)
def test_the_interpreter_agrees_with_numpy(group):
    rng = np.random.default_rng(2)
    for case in group():
        for lengths in runs(case):
            if np.prod([lengths[k] for k in case.letters]) > 700:
                continue
            for layout in ("C", "spread"):
                arrays = case.arrays(lengths, rng, layout)
                expected = case.formula(arrays)
                run_kernel(case.kernel, arrays, case.sizes(lengths))
                for key, value in zip(case.outputs, expected, strict=False):
                    agree(arrays[key], value, f"{case.name} {lengths} {layout}")


@pytest.mark.parametrize("dtype", FLOATS)
def test_interpreted_nests_agree_with_numpy(dtype):
    rng = np.random.default_rng(3)
    group = [
        K.softmax(dtype),
        K.normalised(dtype),
        K.arithmetic(dtype),
        K.gathered(dtype),
        K.padded(dtype),
        K.arg_of("argmax", dtype, "a", "b", "ab"),
        K.sum_of(dtype, "b", "a", "ab"),
        K.sum_of(dtype, "", "ab", "ab"),
    ]
    for case in group:
        for name, nest in case.nests().items():
            lengths = {"a": 2, "b": 19, "c": 4}
            arrays = case.arrays(lengths, rng)
            expected = case.formula(arrays)
            run_nest(nest, arrays, case.sizes(lengths))
            for key, value in zip(case.outputs, expected, strict=False):
                agree(arrays[key], value, f"{case.name} {name}")


def fetched_ahead(case):
    """For each way to run a kernel, what is prefetched."""
    return {
        name: [s.operand for s, _ in ir.statements(nest.body) if isinstance(s, ir.Prefetch)]
        for name, nest in case.nests().items()
    }


def test_the_next_row_is_fetched_while_functions_of_this_one_are_computed():
    found = fetched_ahead(K.softmax("float32"))
    assert ["x"] in found.values()
    assert all(len(v) <= 1 for v in found.values())


@pytest.mark.parametrize(
    "case",
    [K.sum_of("float32", "a", "b", "ab"), K.softmax("float32", "", "ab", "ab")],
    ids=["one sweep", "one row"],
)
def test_nothing_is_fetched_ahead_where_there_is_nothing_to_gain(case):
    assert not any(fetched_ahead(case).values())


def test_sums_of_columns_take_several_rows_at_a_time(tmp_path):
    rng = np.random.default_rng(4)
    case = K.sum_of("float32", "b", "a", "ab")
    nest = case.nests()["columns"]
    assert UNROLL in {s.step for s, _ in ir.statements(nest.body) if isinstance(s, ir.For)}
    text, functions = nest_text([nest])
    library = compile_text(text, folder=tmp_path)
    for rows in [*range(20), 255, 256, 257, 264]:
        x = rng.normal(size=(rows, 150)).astype("float32")
        total = np.zeros(150, "float64")
        for start in range(0, rows, 256):
            part = np.zeros(150, "float32")
            for row in x[start : start + 256]:  # in this order, or the last bits differ
                part += row
            total += part
        arrays = {"x": x, "z": np.zeros(150, "float32")}
        call_nest(library, 0, functions[0], nest, arrays, case.sizes({"a": rows, "b": 150}))
        np.testing.assert_array_equal(arrays["z"], total.astype("float32"))


@pytest.mark.parametrize("case", [K.softmax("float32"), K.normalised("float64")])
def test_short_rows_are_gathered_once(case):
    nest = case.nests()["lanes"]
    read = [
        node
        for stmt, _ in ir.statements(nest.body)
        if isinstance(stmt, (ir.Let, Store))
        for node in walk(ir.expressions(stmt))
        if node.kind == "load" and node.payload == "x"
    ]
    assert len(read) == 1
