"""Nests written with the builder: interpreted, compiled, and computed by NumPy."""

from __future__ import annotations

import numpy as np
import pytest

import symc.scalar.arith
import symc.scalar.math  # noqa: F401
from symc.loop.build import Builder
from symc.loop.check import check_nest
from symc.loop.interp import IndexFailureError, ReasonError, run_nest
from symc.scalar.op import REGISTRY
from tests.codegen.harness import COMPILER, CallError, run_nests

pytestmark = pytest.mark.skipif(COMPILER is None, reason="no C compiler")


def no_sizes(payload):
    raise KeyError(payload)


def both(nest, arrays, folder, threads=1, sizes=no_sizes):
    """Arrays after the interpreter, which the compiled nest must give as well."""
    check_nest(nest)
    (compiled,) = run_nests([nest], arrays, sizes, folder, threads=threads)
    known = {key: a.copy() for key, a in arrays.items()}
    run_nest(nest, known, sizes)
    for key in arrays:
        np.testing.assert_array_equal(compiled[key], known[key])
    return known


def cumsum(dtype):
    b = Builder()
    x, y = b.operand(dtype, 2, "r"), b.operand(dtype, 2, "w")
    with b.loop(b.dim(x, 0), kind="parallel") as i:
        total = b.mutable(b.const(0, dtype))
        with b.loop(b.dim(x, 1)) as j:
            b.assign(total, total + b.load(x, (i, j)))
            b.store(y, (i, j), total)
    return b.nest()


@pytest.mark.parametrize("dtype", ["int8", "uint64", "float64", "complex128"])
@pytest.mark.parametrize("threads", [1, 3])
def test_cumsum(dtype, threads, tmp_path):
    nest = cumsum(dtype)
    for shape in ((4, 7), (0, 3), (3, 0), (1, 1)):
        x = np.arange(np.prod(shape)).reshape(shape).astype(dtype)
        for value in (x, np.asfortranarray(x), x[::-1]):
            out = both(nest, {"x0": value, "x1": np.zeros(shape, dtype)}, tmp_path, threads)["x1"]
            np.testing.assert_array_equal(out, value.cumsum(axis=1, dtype=dtype))


def scatter(atomic):
    """y[k[i]] += x[i] after all indices have been checked."""
    b = Builder()
    x, k = b.operand("float64", 1, "r"), b.operand("int32", 1, "r")
    y = b.operand("float64", 1, "rw")
    cast = REGISTRY["convert_to_int64"]
    with b.loop(b.dim(k, 0)) as i:
        b.check_index(cast(b.load(k, i)), b.dim(y, 0), tag=4)
    with b.loop(b.dim(k, 0), kind="parallel" if atomic else "serial") as i:
        at = b.check_index(cast(b.load(k, i)), b.dim(y, 0), tag=4)
        if atomic:
            b.atomic_add(y, at, b.load(x, i))
        else:
            b.store(y, at, b.load(y, at) + b.load(x, i))
    return b.nest()


@pytest.mark.parametrize("atomic", [False, True])
def test_scatter(atomic, tmp_path):
    nest = scatter(atomic)
    rng = np.random.default_rng(0)
    x, k = np.round(rng.normal(size=500) * 64), rng.integers(-9, 9, size=500).astype("int32")
    out = both(nest, {"x0": x, "x1": k, "x2": np.ones(9)}, tmp_path, threads=3)["x2"]
    expected = np.ones(9)
    np.add.at(expected, k, x)
    np.testing.assert_array_equal(out, expected)
    k[[17, 30]] = 9, -10
    y = np.ones(9)
    with pytest.raises(IndexFailureError) as known:
        run_nest(nest, {"x0": x, "x1": k, "x2": y}, no_sizes)
    assert (known.value.index, known.value.length, known.value.tag) == (9, 9, 4)
    np.testing.assert_array_equal(y, 1)
    with pytest.raises(CallError) as found:
        run_nests([nest], {"x0": x, "x1": k, "x2": y}, no_sizes, tmp_path)
    assert found.value.args == (2, 7, [9, 9, 4, 0, 0, 0, 0, 0])


def insertion_sort():
    """While loops, mutable locals, both branches of an if."""
    b = Builder()
    x = b.operand("float32", 1, "rw")
    with b.loop(b.dim(x, 0)) as i:
        value = b.let(b.load(x, i))
        at = b.mutable(i)
        go = b.mutable(i > 0)
        with b.while_(go):
            before = b.let(b.load(x, at - 1))
            with b.if_(before > value):
                b.store(x, at, before)
                b.assign(at, at - 1)
                b.assign(go, at > 0)
            with b.else_():
                b.assign(go, b.const(False, "bool"))
        b.store(x, at, value)
    return b.nest()


def test_while_and_if(tmp_path):
    x = np.random.default_rng(0).normal(size=60).astype("float32")
    out = both(insertion_sort(), {"x0": x}, tmp_path)["x0"]
    np.testing.assert_array_equal(out, np.sort(x))


def histogram():
    """A local array, scratch memory of a size known late, a parameter, an unrolled loop."""
    b = Builder()
    x, y = b.operand("uint8", 1, "r"), b.operand("int64", 1, "w")
    cast = REGISTRY["convert_to_int64"]
    few = b.array("int64", 16, b.integer(0))
    many = b.scratch("int64", b.size(b.ctx.size(("dim", "bins", 0))), b.integer(0))
    with b.loop(b.dim(x, 0)) as i:
        value = cast(b.load(x, i))
        b.store(few, value % 16, b.load(few, value % 16) + 1)
        b.store(many, value, b.load(many, value) + 1)
    with b.loop(b.integer(16), kind="unroll") as k:
        b.store(y, k, b.load(few, k))
    with b.loop(b.dim(y, 0), start=16) as k:
        b.store(y, k, b.load(many, k - 16))
    return b.nest()


def test_local_arrays(tmp_path):
    x = np.random.default_rng(0).integers(0, 100, size=999).astype("uint8")
    arrays = {"x0": x, "x1": np.zeros(116, "int64")}
    out = both(histogram(), arrays, tmp_path, sizes=lambda payload: 100)["x1"]
    np.testing.assert_array_equal(out[:16], np.bincount(x % 16, minlength=16))
    np.testing.assert_array_equal(out[16:], np.bincount(x, minlength=100))


def test_errors_of_an_op(tmp_path):
    b = Builder()
    x, y = b.operand("int64", 1, "r"), b.operand("int64", 1, "w")
    with b.loop(b.dim(x, 0)) as i:
        value = b.let(b.load(x, i))
        b.fail_if(value < 0, 11, value, i)
        b.store(y, i, value)
    nest = b.nest()
    good = np.array([3, 0, 2])
    np.testing.assert_array_equal(
        both(nest, {"x0": good, "x1": np.zeros(3, int)}, tmp_path)["x1"], good
    )
    bad = {"x0": np.array([3, -4, 2]), "x1": np.zeros(3, int)}
    with pytest.raises(ReasonError) as known:
        run_nest(nest, bad, no_sizes)
    assert (known.value.reason, known.value.shown) == (11, (-4, 1))
    with pytest.raises(CallError) as found:
        run_nests([nest], bad, no_sizes, tmp_path)
    assert found.value.args == (5, 7, [11, -4, 1, 0, 0, 0, 0, 0])


def test_loads_are_not_moved_out_of_loops_that_do_not_run(tmp_path):
    """x[0] of an empty array is not touched where the loop has no iterations."""
    b = Builder()
    x, y = b.operand("float64", 1, "r"), b.operand("float64", 1, "w")
    with b.loop(b.dim(y, 0)) as i, b.loop(b.dim(x, 0)):
        b.store(y, i, b.load(x, 0))
    nest = b.nest()
    both(nest, {"x0": np.zeros(0), "x1": np.ones(3)}, tmp_path)
    both(nest, {"x0": np.full(2, 7.0), "x1": np.ones(3)}, tmp_path)


def test_values_are_read_when_their_statement_runs(tmp_path):
    """x[0] before and after a store."""
    b = Builder()
    x = b.operand("int64", 1, "rw")
    before = b.load(x, 0)
    b.store(x, 0, before + 1)
    after = b.load(x, 0)
    b.store(x, 1, before * 100 + after)
    out = both(b.nest(), {"x0": np.array([4, 0])}, tmp_path)["x0"]
    np.testing.assert_array_equal(out, [5, 405])
