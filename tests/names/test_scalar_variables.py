"""`symc.scalar` types, variables, constants; and the way to tensors and back."""

from __future__ import annotations

import importlib
import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import scalar


def test_types() -> None:
    assert scalar.float64 is scalar.get_scalar_type("float64")
    assert scalar.Scalar("int8") == scalar.int8 != scalar.int16
    assert scalar.float32 in scalar.float_types
    assert scalar.int8 not in scalar.float_types
    assert scalar.int8 in scalar.discrete_types
    assert scalar.bool in scalar.discrete_types
    assert set(scalar.all_types) == set(scalar.discrete_types) | set(scalar.continuous_types)
    assert scalar.complex64 in scalar.complex_types
    assert scalar.uint8 in scalar.uint_types
    assert scalar.float32.dtype_specs() == (np.float32, "npy_float32", "NPY_FLOAT32")
    assert pickle.loads(pickle.dumps(scalar.int32("n"))).type == scalar.int32


@pytest.mark.parametrize(
    ("dtype", "value", "ok"),
    [
        ("int8", 3, True),
        ("int8", 3.0, True),
        ("int8", 3.5, False),
        ("float32", 0.5, True),
        ("float32", 0.1, False),
        ("float64", 0.1, True),
        ("float64", np.float64("nan"), True),
        ("float64", "text", False),
        ("float64", [1.0, 2.0], False),
    ],
)
def test_filter(dtype: str, value: object, ok: bool) -> None:
    kind = scalar.get_scalar_type(dtype)
    if not ok:
        with pytest.raises(TypeError):
            kind.filter(value)
        return
    assert kind.filter(value).dtype == dtype
    with pytest.raises(TypeError):
        kind.filter(np.int16(1), strict=True)


def test_operators_and_functions() -> None:
    x, n = scalar.float32("x"), scalar.int64("n")
    assert (x + 1).type == scalar.float32
    assert (x < n).type == scalar.bool
    assert (x * n).type.dtype == symc.tensor.mul(T.fscalar(), T.lscalar()).dtype
    expression = scalar.exp(x) + (2 - x) / 4 + x.floor() + n.astype("float32")
    f = symc.function([x, n], [expression, x.zeros_like(), x.ones_like("int8")])
    value, zero, one = f(np.float32(1.5), 3)
    assert isinstance(value, np.float32)
    np.testing.assert_allclose(value, np.exp(np.float32(1.5)) + 0.125 + 1 + 3, rtol=1e-6)
    assert (zero, one, one.dtype) == (0, 1, "int8")
    with pytest.raises(TypeError, match="real or imag"):
        scalar.cast(scalar.complex64(), "float32")


def test_constants() -> None:
    assert scalar.constant(3).data == 3
    assert scalar.constant(2, dtype="float32").dtype == "float32"
    assert scalar.as_scalar(np.int8(5)).type == scalar.int8
    with pytest.raises(TypeError, match="one number"):
        scalar.constant([1, 2])
    with pytest.raises(TypeError, match="not a number"):
        scalar.as_scalar(T.vector())


def test_helpers() -> None:
    assert [v.name for v in scalar.floats("ab")] == ["a", "b"]
    assert len(scalar.ints(3)) == 3
    common = scalar.as_common_dtype(scalar.int8(), scalar.float32())
    assert [v.dtype for v in common] == ["float32", "float32"]
    assert scalar.upcast("int8", "float64") == "float64"
    assert importlib.import_module("symc.scalar.basic").float64 is scalar.float64
    assert "float64" in dir(scalar)
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        scalar.nonsense  # noqa: B018


@pytest.mark.parametrize("linker", ["c", "py"])
def test_tensor_from_scalar_and_back(linker: str) -> None:
    t, v = T.dscalar("t"), T.vector("v")
    s = T.scalar_from_tensor(t)
    assert s.type == scalar.float64
    back = T.tensor_from_scalar(scalar.exp(s) * 2 + 1)
    assert back.type == t.type
    outputs = [back, symc.grad(back**2, t), v + s, T.exp(s), s]
    got = symc.function([t, v], outputs, mode=symc.Mode(linker, "fast_run"))(0.5, [1.0, 2.0])
    e = np.exp(0.5)
    np.testing.assert_allclose(got[0], 2 * e + 1)
    np.testing.assert_allclose(got[1], 2 * (2 * e + 1) * 2 * e)
    np.testing.assert_allclose(got[2], [1.5, 2.5])
    np.testing.assert_allclose(got[3], e)
    assert got[4] == 0.5
    assert isinstance(got[4], np.float64)


def test_a_scalar_input_becomes_a_tensor() -> None:
    x = scalar.float64("x")
    f = symc.function([x], T.tensor_from_scalar(x * 2) + np.arange(2.0))
    np.testing.assert_allclose(f(3.0), [6.0, 7.0])
    assert T.tensor_from_scalar(scalar.constant(2.5)).eval() == 2.5


def test_a_scalar_is_an_index() -> None:
    v, i = T.vector(), T.iscalar()
    f = symc.function([v, i], v[T.scalar_from_tensor(i) :])
    np.testing.assert_array_equal(f(np.arange(4.0), 2), [2.0, 3.0])


def test_only_0d_tensors_are_scalars() -> None:
    with pytest.raises(TypeError, match="0-d tensor"):
        T.scalar_from_tensor(T.vector())
    with pytest.raises(TypeError, match="0-d tensor"):
        T.tensor_from_scalar(T.vector())


def test_autocast() -> None:
    for value, dtype in [(1, "int8"), (300, "int16"), (-(2**40), "int64")]:
        assert scalar.autocast_int(value).dtype == dtype
        assert scalar.autocast_int(value) == value
    assert scalar.autocast_float(0.5).dtype == "float16"
    assert scalar.autocast_float(0.1).dtype == "float64"
    assert scalar.autocast_float(np.float32(0.1)).dtype == "float32"
    assert scalar.NumpyAutocaster(("float32",))(0.1).dtype == "float32"
    with scalar.autocast_float_as("float32"):
        assert (T.ivector() * 1.1).dtype == "float32"
    assert (T.ivector() * 1.1).dtype == symc.config.floatX
    with pytest.raises(ValueError, match="one dtype"):
        scalar.autocast_float_as("float32", "float64")
    with pytest.raises(ValueError, match="at least one"):
        scalar.NumpyAutocaster(())
