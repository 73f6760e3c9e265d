"""Modules and small functions that programs written for Theano import by name."""

from __future__ import annotations

import importlib
import logging
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.ops.canonical import mul_without_zeros


@pytest.mark.parametrize(
    ("module", "names"),
    [
        ("symc.tensor.type", "TensorType values_eq_approx_remove_nan float_dtypes"),
        ("symc.tensor.var", "TensorVariable TensorConstant _tensor_py_operators"),
        ("symc.tensor.sharedvar", "TensorSharedVariable ScalarSharedVariable"),
        ("symc.tensor.type_other", "NoneConst MakeSlice SliceType"),
        ("symc.tensor.blas", "Gemm Gemv Ger Dot22 BatchedDot ldflags"),
        ("symc.tensor.elemwise", "Elemwise DimShuffle CAReduce MulWithoutZeros"),
        ("symc.tensor.subtensor", "get_canonical_form_slice AdvancedBooleanIndexingError"),
        ("symc.tensor.basic", "tensor_from_scalar TensorFromScalar load float64_atol"),
        ("symc.raise_op", "Raise Assert"),
        ("symc.updates", "OrderedUpdates"),
        ("symc.configdefaults", "config"),
        ("symc.configparser", "change_flags"),
        ("symc.compat", "OrderedDict izip"),
        ("symc.scalar.basic", "ScalarOp Composite upgrade_to_float"),
    ],
)
def test_modules_have_their_names(module: str, names: str) -> None:
    """In a process of its own: nothing else has imported them."""
    code = f"from {module} import {', '.join(names.split())}"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_modules_are_attributes() -> None:
    code = (
        "import symc as theano, symc.tensor as T\n"
        "theano.printing.debugprint, theano.raise_op.Raise, theano.misc, theano.compat.izip\n"
        "T.nlinalg.det, T.slinalg.solve, T.fft.rfft, T.blas.gemm, T.inplace, T.io.load, T.utils\n"
        "T.elemwise.Elemwise, T.subtensor.Subtensor, T.extra_ops.cumsum, T.nnet.relu\n"
        "theano.scalar.exp, theano.version.version, theano.sparse_grad, theano.theano_logger\n"
        "from symc.tensor import nnet, nlinalg, elemwise\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_versions() -> None:
    version = importlib.import_module("symc.version")
    assert symc.__version__ == version.version == version.full_version
    assert symc.__api_version__ == 1
    setup = Path(__file__).resolve().parents[2] / "setup.py"
    assert f'version="{version.version}"' in setup.read_text(encoding="utf-8")


def test_inplace_names_compute_the_same() -> None:
    inplace = importlib.import_module("symc.tensor.inplace")
    x, y = T.vector(), T.vector()
    a, b = np.array([0.25, 0.5]), np.array([3.0, 2.0])
    outputs = [
        inplace.exp_inplace(x),
        inplace.add_inplace(x, y),
        inplace.abs__inplace(-x),
        inplace.fill_inplace(x, 2),
        inplace.transpose_inplace(T.outer(x, y)),
    ]
    expected = [np.exp(a), a + b, a, [2, 2], np.outer(a, b).T]
    for got, value in zip(symc.function([x, y], outputs)(a, b), expected, strict=True):
        np.testing.assert_allclose(got, value)
    np.testing.assert_array_equal(a, [0.25, 0.5])


def test_blas_names() -> None:
    blas = importlib.import_module("symc.tensor.blas")
    x, y, z = T.matrices("xyz")
    a, b, c = (np.random.default_rng(k).random((2, 2)) for k in range(3))
    outputs = [
        blas.gemm_no_inplace(z, 2.0, x, y, 3.0),
        blas._dot22(x, y),
        blas._dot22scalar(x, y, 0.5),
        blas.ger(z, 2.0, x[0], y[1]),
        blas.gemv_no_inplace(x[0], 2.0, y, z[0], 0.5),
    ]
    expected = [
        2 * a @ b + 3 * c,
        a @ b,
        0.5 * a @ b,
        c + 2 * np.outer(a[0], b[1]),
        0.5 * a[0] + 2 * b @ c[0],
    ]
    for got, value in zip(symc.function([x, y, z], outputs)(a, b, c), expected, strict=True):
        np.testing.assert_allclose(got, value)
    assert blas.ldflags() == []


# ---- slices


BOUNDS = [None, -7, -2, 0, 1, 3, 8]


@pytest.mark.parametrize("length", [0, 1, 5])
@pytest.mark.parametrize("step", [None, 1, 2, -1, -3])
def test_canonical_slices(length: int, step: int | None) -> None:
    start, stop, by, n = T.lscalars("abcd")
    values = np.arange(length)
    symbolic = {}
    for has_start in (True, False):
        for has_stop in (True, False):
            given = slice(start if has_start else None, stop if has_stop else None, step)
            form, direction = T.get_canonical_form_slice(given, n)
            free = slice(given.start, given.stop, by)
            other, sign = T.get_canonical_form_slice(free, n)
            parts = [form.start, form.stop, form.step, direction]
            parts += [other.start, other.stop, other.step, sign]
            symbolic[has_start, has_stop] = symc.function(
                [start, stop, by, n],
                [T.as_tensor_variable(p) for p in parts],
                on_unused_input="ignore",
                mode=symc.Mode("py", "fast_run"),
            )
    for first in BOUNDS:
        for last in BOUNDS:
            expected = values[first:last:step]
            form, direction = T.get_canonical_form_slice(slice(first, last, step), length)
            assert form.start >= 0
            assert form.step > 0
            np.testing.assert_array_equal(values[form][::direction], expected)
            f = symbolic[first is not None, last is not None]
            found = [int(p) for p in f(first or 0, last or 0, step or 1, length)]
            for a, b, c, sign in (found[:4], found[4:]):
                assert a >= 0
                assert c > 0
                np.testing.assert_array_equal(values[a:b:c][::sign], expected)


def test_canonical_indices() -> None:
    assert T.get_canonical_form_slice(-2, 5) == (3, 1)
    i = T.lscalar()
    found, direction = T.get_canonical_form_slice(i, 5)
    assert (found.eval({i: -1}), found.eval({i: 3}), direction) == (4, 3, 1)


# ---- indexing helpers


def test_index_helpers() -> None:
    subtensor = importlib.import_module("symc.tensor.subtensor")
    x, i = T.matrix(), T.lvector()
    assert subtensor.adv_index_broadcastable_pattern(x, [i, slice(None)]) == (False, False)
    assert subtensor.adv_index_broadcastable_pattern(x, [i, None]) == (False, True, False)
    subtensor.check_advanced_indexing_dimensions(x, [i, i])
    with pytest.raises(IndexError, match="3 for"):
        subtensor.check_advanced_indexing_dimensions(x, [i, None, i, i])
    with pytest.raises(IndexError, match="too many"):
        subtensor.check_advanced_indexing_dimensions(x, [np.ones((2, 2, 2), bool)])
    subtensor.check_and_reject_bool([1, [2, 3]])
    with pytest.raises(TypeError, match="mask"):
        subtensor.check_and_reject_bool([1, [True]])
    assert issubclass(subtensor.AdvancedBooleanIndexingError, TypeError)


def test_sparse_grad() -> None:
    x, i = T.matrix(), T.lvector()
    assert symc.sparse_grad(x[i]).owner.inputs[0] is x
    with pytest.raises(TypeError, match="vector of indices"):
        symc.sparse_grad(x)


@pytest.mark.parametrize("linker", ["c", "py"])
def test_mul_without_zeros(linker: str) -> None:
    x = T.matrix()
    value = np.array([[0.0, 2.0, 3.0], [0.0, 0.0, 5.0]])
    product = T.CAReduce(mul_without_zeros.scalar_op, axis=1)(x)
    f = symc.function(
        [x], [product, mul_without_zeros(x, x[0])], mode=symc.Mode(linker, "fast_run")
    )
    np.testing.assert_allclose(f(value)[0], [6.0, 5.0])
    np.testing.assert_allclose(f(value)[1], [[0, 4, 9], [0, 2, 15]])


def test_comparison_helpers() -> None:
    assert T.check_equal_numpy(np.ones(2), np.ones(2))
    assert not T.check_equal_numpy(np.ones(2), np.ones(3))
    assert not T.check_equal_numpy(np.ones(2), np.ones(2, "float32"))
    assert T.check_equal_numpy("a", "a")
    assert T.float32_rtol == 1e-5
    assert T.float64_atol == 1e-8
    assert T.Tensor is T.TensorType
    assert T.TensorType("int8", (True,)).to_scalar_type() is symc.scalar.int8


# ---- files and shapes


@pytest.mark.parametrize("mmap_mode", [None, "c"])
def test_load(tmp_path: Path, mmap_mode: str | None) -> None:
    path = tmp_path / "array.npy"
    np.save(path, np.arange(4.0))
    x = T.load(path, "float64", (False,), mmap_mode=mmap_mode)
    f = symc.function([], x * 2)
    np.testing.assert_array_equal(f(), [0, 2, 4, 6])
    np.save(path, np.arange(2.0))
    np.testing.assert_array_equal(f(), [0, 2])
    np.save(path, np.arange(2))
    with pytest.raises(ValueError, match="int64"):
        f()
    with pytest.raises(ValueError, match="mode"):
        T.load(path, "float64", (False,), mmap_mode="w")


def test_the_path_of_a_file_is_an_input(tmp_path: Path) -> None:
    name = symc.generic("name")
    f = symc.function([name], T.load(name, "float32", (False, False)).sum())
    np.save(tmp_path / "a.npy", np.ones((2, 3), "float32"))
    assert f(str(tmp_path / "a.npy")) == 6


def test_messages_between_processes_say_what_to_use() -> None:
    with pytest.raises(AttributeError, match="mpi4py"):
        importlib.import_module("symc.tensor.io").send  # noqa: B018


def test_shape_of_variables() -> None:
    utils = importlib.import_module("symc.tensor.utils")
    x, y = T.matrices("xy")
    product = T.dot(x, y)
    row = product.sum(0)
    graph = symc.FunctionGraph([x, y], [row], clone=False)
    shapes = utils.shape_of_variables(graph, {x: (1024, 3), y: (3, 5)})
    found = {v.name or str(v.owner.op): s for v, s in shapes.items()}
    assert found["x"] == (1024, 3)
    assert (1024, 5) in found.values()
    assert found[str(row.owner.op)] == (5,)
    with pytest.raises(ValueError, match="y"):
        utils.shape_of_variables(graph, {x: (1, 2)})


def test_hash_from_ndarray() -> None:
    hashed = importlib.import_module("symc.tensor.utils").hash_from_ndarray
    a = np.arange(6.0).reshape(2, 3)
    different = [a, a.T, a.astype("float32"), a.reshape(3, 2), a + 1, np.zeros(0), np.zeros((0, 1))]
    assert len({hashed(v) for v in different}) == len(different)
    assert hashed(a) == hashed(a.copy())


def test_asarray_and_logging() -> None:
    assert symc._asarray([1, 2], dtype="floatX").dtype == symc.config.floatX
    handler = logging.StreamHandler()
    symc.theano_logger.addHandler(handler)
    try:
        with symc.disable_log_handler():
            assert handler not in symc.theano_logger.handlers
        assert handler in symc.theano_logger.handlers
    finally:
        symc.theano_logger.removeHandler(handler)


def test_xlogx() -> None:
    xlogx = importlib.import_module("symc.tensor.xlogx")
    x, y = T.vector(), T.vector()
    a, b = np.array([0.0, 2.0]), np.array([0.0, 3.0])
    got = symc.function([x, y], [xlogx.xlogx(x), xlogx.xlogy0(x, y)])(a, b)
    np.testing.assert_allclose(got, [[0, 2 * np.log(2)], [0, 2 * np.log(3)]])
    assert T.xlogx is xlogx
    assert isinstance(T.xlogx(x).owner.op.scalar_op, xlogx.XlogX)


def test_functions_hide_modules_of_their_names() -> None:
    for name in ("sort", "var", "xlogx"):
        importlib.import_module(f"symc.tensor.{name}")
        assert callable(getattr(T, name)), name


# ---- index arrays that do not fit


@pytest.mark.parametrize("linker", ["c", "py"])
@pytest.mark.parametrize("late", [False, True])
@pytest.mark.parametrize("build", ["read", "set", "inc"])
def test_index_arrays_of_unequal_lengths(linker: str, late: bool, build: str) -> None:
    """One class on both paths, which is an IndexError as NumPy's and a ValueError as before."""
    x, i, j = T.matrix("x"), T.lvector("i"), T.lvector("j")
    first = i[: j.sum()] if late else i  # a length that is known in the middle of the call
    part = x[first, j]
    write = {"set": T.set_subtensor, "inc": T.inc_subtensor}
    out = part if build == "read" else write[build](part, 1.0)
    f = symc.function([x, i, j], out, mode=symc.Mode(linker, "fast_run"))
    f(np.ones((4, 4)), [0, 1, 2], [1, 2, 0])
    with pytest.raises(symc.errors.IndexShapeError, match="test_modules.py") as caught:
        f(np.ones((4, 4)), [0, 1, 2], [1, 2])
    assert isinstance(caught.value, IndexError)
    assert isinstance(caught.value, ValueError)
    assert "broadcast" in str(caught.value)


# ---- variables as they are made


def test_observers_of_new_variables() -> None:
    from_gof = importlib.import_module("symc.gof.graph")
    seen: list[object] = []
    x = T.vector("x")
    type(x).append_construction_observer(seen.append)
    try:
        y = x + 1
        copied = y.clone()
    finally:
        type(x).remove_construction_observer(seen.append)
    z = T.exp(y)
    assert any(v is y for v in seen)
    assert any(v is copied for v in seen)
    assert not any(v is z for v in seen)
    with from_gof.nodes_constructed() as outer:
        a = z + 2
        with from_gof.nodes_constructed() as inner:
            b = a * 3
    assert any(v is a for v in outer)
    assert any(v is b for v in outer)
    assert any(v is b for v in inner)
    assert not any(v is a for v in inner)
    assert not type(x).construction_observers
    with pytest.raises(ValueError, match="list"):
        type(x).remove_construction_observer(print)
