from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

from symc.array import type as ty
from symc.array.constructors import fmatrix, matrix, row, vector
from symc.array.type import TensorType
from symc.array.variable import TensorConstant, TensorVariable
from symc.config import change_flags
from symc.dtypes import DTYPES
from symc.errors import DTypeError, ShapeError
from tests.helpers import evaluate


def test_a_type_is_dtype_and_pattern() -> None:
    t = TensorType("float32", (1, 0))
    assert t.broadcastable == (True, False)
    assert t == TensorType(np.float32, [True, False], name="other")
    assert hash(t) == hash(TensorType("float32", (True, False)))
    assert t != TensorType("float64", (True, False))
    assert t != TensorType("float32", (False, False))
    assert t != "float32"
    assert t.ndim == 2
    with change_flags(floatX="float32"):
        assert TensorType("floatX", ()).dtype == "float32"
    with pytest.raises(DTypeError, match="float33"):
        TensorType("float33", ())


def test_names() -> None:
    names = {
        (): "scalar",
        (False,): "vector",
        (True,): "(True,)",
        (False, False): "matrix",
        (True, False): "row",
        (False, True): "col",
        (False,) * 3: "3D",
        (False,) * 4: "4D",
        (False, True, False): "(False, True, False)",
    }
    for pattern, name in names.items():
        assert str(TensorType("int8", pattern)) == f"TensorType(int8, {name})"
    assert str(TensorType("int8", (), name="mine")) == "mine"


def test_static_lengths_are_facts_of_a_variable() -> None:
    x = TensorType("float64", (False, False))("x", shape=(None, 3))
    assert x.static_shape == (None, 3)
    assert getattr(x.type(), "static_shape", None) is None
    assert x.type().type == x.type
    assert x.clone().static_shape == (None, 3)
    for bad in ((3,), (-1, 2), (1, 2, 3)):
        with pytest.raises(ShapeError, match="do not fit"):
            matrix(shape=bad)
    with pytest.raises(ShapeError, match="pattern"):
        row(shape=(2, 3))


def test_clones_pickles_and_copies() -> None:
    t = TensorType("float32", (True, False), name="r")
    assert t.clone().name == "r"
    assert t.clone(dtype="int8") == TensorType("int8", (True, False))
    assert t.clone(broadcastable=(False,)) == TensorType("float32", (False,))
    loaded = pickle.loads(pickle.dumps(t))
    assert loaded == t
    assert hash(loaded) == hash(t)
    assert copy.deepcopy(t) is t


def test_variables_and_constants_of_a_type() -> None:
    t = fmatrix
    assert type(t("x")) is TensorVariable
    assert type(t.make_constant(np.ones((2, 2), "float32"))) is TensorConstant
    x = t("x")
    assert "test_type.py" in str(x.tag.trace[-1])


# ---------------------------------------------------------------------------------------------
# filter
# ---------------------------------------------------------------------------------------------

VECTOR = TensorType("float32", (False,))


@pytest.mark.parametrize("dtype", DTYPES)
def test_arrays_of_the_right_dtype_are_taken_as_they_are(dtype: str) -> None:
    a = np.zeros(3, dtype)
    for strict in (True, False):
        assert TensorType(dtype, (False,)).filter(a, strict=strict) is a


@pytest.mark.parametrize(
    ("from_dtype", "to_dtype", "accepted"),
    [
        ("float64", "float32", False),
        ("int64", "int32", False),
        ("int64", "float32", False),
        ("int16", "float32", True),
        ("int32", "float64", True),
        ("float32", "float64", True),
        ("bool", "int8", True),
        ("uint8", "int16", True),
        ("int8", "uint8", False),
        ("float32", "complex64", True),
        ("complex64", "float64", False),
    ],
)
def test_arrays_convert_only_without_loss(from_dtype, to_dtype, accepted) -> None:
    a = np.ones(2, from_dtype)
    t = TensorType(to_dtype, (False,))
    for allow in (None, False):
        if accepted:
            found = t.filter(a, allow_downcast=allow)
            assert found.dtype == to_dtype
            np.testing.assert_array_equal(found, 1)
        else:
            with pytest.raises(TypeError, match="could lose precision"):
                t.filter(a, allow_downcast=allow)
    assert t.filter(a, allow_downcast=True).dtype == to_dtype
    with pytest.raises(TypeError, match="strict"):
        t.filter(a, strict=True)


def test_scalars_and_lists_must_be_exactly_representable() -> None:
    s, i = TensorType("float32", ()), TensorType("int8", (False,))
    assert s.filter(0.5) == np.float32(0.5)
    assert s.filter(np.float64(0.25)).dtype == "float32"
    assert i.filter([1, -2]).dtype == "int8"
    assert np.isnan(s.filter(np.nan))
    for t, bad in ((s, 1.1), (i, [300]), (i, [0.5]), (s, 1j), (i, [1, 1000])):
        with pytest.raises(TypeError, match="not exactly representable"):
            t.filter(bad)


def test_python_floats_fit_floatx() -> None:
    s = TensorType("float32", ())
    with change_flags(floatX="float32"):
        assert s.filter(1.1) == np.float32(1.1)
        with pytest.raises(TypeError):
            s.filter(1.1, allow_downcast=False)
        with pytest.raises(TypeError):
            s.filter(np.float64(1.1))


def test_refusals_say_what_was_got_and_expected() -> None:
    with pytest.raises(TypeError) as error:
        VECTOR.filter(np.ones((2, 3)))
    text = str(error.value)
    assert "TensorType(float32, vector)" in text
    assert "got: float64 array of shape (2, 3)" in text
    assert "expected: float32 array with 1 axes" in text
    assert "allow_input_downcast" in text
    with pytest.raises(TypeError, match=r"it has 2 axes, not 1"):
        VECTOR.filter(np.ones((2, 3), "float32"))
    with pytest.raises(TypeError, match=r"(?s)axis 0 must have length 1, it has 2.*pattern"):
        TensorType("float32", (True, False)).filter(np.ones((2, 3), "float32"))
    with pytest.raises(TypeError, match="not numbers"):
        VECTOR.filter(["a"])
    with pytest.raises(TypeError, match="not numbers"):
        VECTOR.filter(None)
    with pytest.raises(TypeError, match="NumPy can't convert it"):
        VECTOR.filter([[1], [2, 3]])
    with pytest.raises(TypeError, match=r"x\.filled"):
        VECTOR.filter(np.ma.masked_array([1.0], [True]))
    with pytest.raises(TypeError, match="givens"):
        VECTOR.filter(vector("v"))


def test_unusual_memory() -> None:
    swapped = np.arange(3, dtype=">f4")
    found = VECTOR.filter(swapped)
    assert found.dtype.isnative
    np.testing.assert_array_equal(found, [0, 1, 2])
    raw = np.zeros(13, np.uint8)
    misaligned = raw[1:].view("float32")
    assert not misaligned.flags.aligned
    assert VECTOR.filter(misaligned).flags.aligned
    strided = np.arange(6, dtype="float32")[::-2]
    assert VECTOR.filter(strided) is strided
    readonly = np.zeros(2, "float32")
    readonly.flags.writeable = False
    assert VECTOR.filter(readonly) is readonly


def test_outputs_of_perform() -> None:
    s = TensorType("float64", ())
    assert s.filter_output(np.float64(2)).ndim == 0
    for bad in (2.0, np.float32(2), np.ones(1)):
        with pytest.raises(TypeError):
            s.filter_output(bad)


def test_validity() -> None:
    assert VECTOR.is_valid_value(np.ones(2, "float32"))
    assert not VECTOR.is_valid_value(np.ones(2))
    assert VECTOR.is_valid_value([1.0], strict=False)
    assert "strict" in VECTOR.value_validity_msg(np.ones(2))


# ---------------------------------------------------------------------------------------------
# Comparing and measuring
# ---------------------------------------------------------------------------------------------


def test_equality_of_values() -> None:
    a = np.array([1.0, np.nan, np.inf])
    t = vector().type
    assert t.values_eq(a, a.copy())
    assert not t.values_eq(a, a.astype("float32"))
    assert not t.values_eq(a, a[:2])
    assert t.values_eq_approx(a, a * (1 + 1e-9))
    assert not t.values_eq_approx(a, a * 1.01)
    b = np.array([1.0, np.nan, 2.0])
    assert not ty.values_eq_approx(a, b)
    assert ty.values_eq_approx_remove_inf(a, b)
    assert not ty.values_eq_approx_remove_nan(a, b)
    c = np.array([1.0, 5.0, 2.0])
    assert ty.values_eq_approx_remove_inf_nan(a, c)
    assert ty.values_eq_approx_remove_nan(np.array([np.nan, 1]), np.array([3.0, 1]))
    assert ty.values_eq_approx_always_true(1, "x")
    assert not ty.values_eq_approx(1.0, a)
    assert ty.values_eq_approx(np.array([1, 2]), np.array([1, 2]))
    assert not ty.values_eq_approx(np.array([1, 2]), np.array([1, 3]))
    assert ty.values_eq_approx(a, a * 1.01, rtol=0.1)


def test_tolerances_follow_the_flag() -> None:
    strict = ty.tolerance("float32")
    with change_flags(**{"tensor.cmp_sloppy": 2}):
        assert ty.tolerance("float32") > strict
    assert ty.tolerance("float64", "float32") == strict
    assert ty.tolerance("complex64") == strict


def test_memory() -> None:
    t = fmatrix
    a = np.zeros((4, 4), "float32")
    assert t.may_share_memory(a[1:], a[:2])
    assert not t.may_share_memory(a, a.copy())
    assert not t.may_share_memory(a, 3)
    assert t.get_size(t.get_shape_info(a)) == 64
    zeros = t.value_zeros((2, 3))
    assert zeros.shape == (2, 3)
    assert zeros.dtype == "float32"
    assert t.dtype_specs() == (float, "npy_float32", "NPY_FLOAT32")
    assert t.copy_value(a) is not a
    assert not t.filter_checks_isfinite()


def test_conversion_of_variables() -> None:
    r = row()
    m = matrix()
    assert m.type.convert_variable(m) is m
    assert m.type.convert_variable(r).type == m.type
    assert r.type.convert_variable(m) is None
    assert m.type.convert_variable(fmatrix()) is None
    a = np.ones((1, 3))
    np.testing.assert_array_equal(evaluate(m.type.filter_variable(r), [r], [a]), a)


def test_warnings_about_float64() -> None:
    with change_flags(warn_float64="warn"), pytest.warns(UserWarning, match="float64"):
        vector()
    with change_flags(warn_float64="raise"):
        with pytest.raises(DTypeError, match="float64"):
            vector()
        fmatrix()
