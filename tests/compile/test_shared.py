"""Shared variables: values, borrowing, types and constructors."""

from __future__ import annotations

import copy
import gc
import pickle
import sys
import weakref
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, shared
from symc.compile.shared import generic_constructor, is_shared

MODES = ["FAST_RUN", "NUMPY"]


def test_types_of_shared_variables() -> None:
    for value, dtype, ndim in (
        (3, "int64", 0),
        (3.0, "float64", 0),
        (True, "bool", 0),
        (1j, "complex128", 0),
        (np.float32(1), "float32", 0),
        ([1, 2], "int64", 1),
        ([[1.0, 2.0]], "float64", 2),
        (np.zeros((1, 2, 3), "float16"), "float16", 3),
        (np.zeros(0, "uint8"), "uint8", 1),
    ):
        variable = shared(value, name="v")
        assert (variable.dtype, variable.ndim) == (dtype, ndim)
        assert variable.broadcastable == (False,) * ndim
        assert variable.name == "v"
        assert is_shared(variable)
        assert variable.get_value().dtype == dtype
    assert not is_shared(T.dscalar())


def test_a_list_of_numbers_is_a_tensor_and_anything_else_an_object() -> None:
    thing = object()
    for value in (thing, {"a": 1}, "text", None, [object()]):
        variable = shared(value)
        assert variable.type == symc.generic
        assert variable.get_value(borrow=True) is value
    f = function([], shared({"a": 1}))
    assert f() == {"a": 1}


def test_symbolic_values_are_refused() -> None:
    with pytest.raises(TypeError, match="eval"):
        shared(T.dscalar("x"))
    with pytest.raises(TypeError):
        shared(np.zeros(2), nonsense=True)


def test_values_are_copied_in_and_out_unless_borrowed() -> None:
    given = np.zeros(3)
    w = shared(given)
    given[0] = 1
    np.testing.assert_array_equal(w.get_value(), [0, 0, 0])
    out = w.get_value()
    out[1] = 1
    np.testing.assert_array_equal(w.get_value(), [0, 0, 0])
    inside = w.get_value(borrow=True)
    inside[2] = 1
    np.testing.assert_array_equal(w.get_value(), [0, 0, 1])
    new = np.ones(2)
    w.set_value(new)
    new[0] = 5
    np.testing.assert_array_equal(w.get_value(), [1, 1])
    w.set_value(new, borrow=True)
    new[1] = 7
    np.testing.assert_array_equal(w.get_value(), [5, 7])
    v = shared(new, borrow=True)
    new[0] = 9
    np.testing.assert_array_equal(v.get_value(), [9, 7])
    np.testing.assert_array_equal(w.get_value(return_internal_type=True), [9, 7])


def test_read_only_values() -> None:
    fixed = np.zeros(3)
    fixed.flags.writeable = False
    w = shared(fixed, borrow=True)
    function([], [], updates=[(w, w + 1)])()
    np.testing.assert_array_equal(w.get_value(), [1, 1, 1])
    np.testing.assert_array_equal(fixed, [0, 0, 0])
    w.set_value(fixed, borrow=True)
    function([], [], updates=[(w, T.inc_subtensor(w[0], 2.0))])()
    np.testing.assert_array_equal(w.get_value(), [2, 0, 0])
    np.testing.assert_array_equal(fixed, [0, 0, 0])


@pytest.mark.parametrize("mode", MODES)
def test_values_of_odd_layout(mode: str) -> None:
    base = np.arange(24.0).reshape(4, 6)
    w = shared(np.zeros((1, 1)), name="w")
    f = function([], [T.exp(w / 9), w.sum(axis=0)], updates=[(w, w + 1)], mode=mode)
    odd = [base.T, base[::-1, ::2], base[:0], np.broadcast_to(base[:1], (3, 6)), base.astype(">f8")]
    for value in odd:
        w.set_value(value, borrow=True)
        a, b = f()
        np.testing.assert_allclose(a, np.exp(value / 9))
        np.testing.assert_allclose(b, value.sum(axis=0))
        np.testing.assert_array_equal(w.get_value(), np.asarray(value) + 1)
    np.testing.assert_array_equal(base, np.arange(24.0).reshape(4, 6))


@pytest.mark.parametrize("mode", MODES)
def test_lengths_are_free(mode: str) -> None:
    w, x = shared(np.zeros((2, 3)), name="w"), T.dvector("x")
    f = function([x], T.dot(w, x) + w.sum(), mode=mode)
    for shape in ((2, 3), (5, 1), (0, 4), (3, 0), (1, 1)):
        value = np.ones(shape)
        w.set_value(value)
        np.testing.assert_allclose(f(np.ones(shape[1])), np.full(shape[0], shape[1]) + value.sum())


@pytest.mark.parametrize("mode", MODES)
def test_functions_see_one_container(mode: str) -> None:
    w = shared(0.0, name="w")
    x = T.dscalar("x")
    add = function([x], [], updates=[(w, w + x)], mode=mode)
    read = function([], w, mode=mode)
    clone = w.clone()
    also = function([], clone * 2, mode=mode)
    add(3.0)
    assert (read(), also(), clone.get_value()) == (3, 6, 3)
    w.set_value(10.0)
    assert (read(), also()) == (10, 20)
    clone.set_value(1.0)
    assert w.get_value() == 1


def test_a_wrong_value_leaves_the_old_one() -> None:
    w = shared(np.zeros(2, "float32"), name="w")
    for wrong in (np.zeros((2, 2), "float32"), [0.1, 0.2], np.zeros(2), "text", None, 1.0):
        with pytest.raises(TypeError):
            w.set_value(wrong)
        np.testing.assert_array_equal(w.get_value(), [0, 0])
    w.set_value([0.5, 1])
    np.testing.assert_array_equal(w.get_value(), [0.5, 1])


def test_strict_and_allow_downcast() -> None:
    strict = shared(np.zeros(2), strict=True)
    with pytest.raises(TypeError, match="strict"):
        strict.set_value([1.0, 2.0])
    strict.set_value(np.ones(3))
    loose = shared(np.zeros(2, "float32"), allow_downcast=True)
    loose.set_value([0.1, 0.2])
    assert loose.get_value().dtype == np.float32
    loose.set_value(np.array([1e300, 1.0]))
    assert np.isinf(loose.get_value()[0])


@pytest.mark.parametrize("mode", MODES)
def test_promised_patterns(mode: str) -> None:
    row = shared(np.ones((1, 3)), broadcastable=(True, False))
    assert row.broadcastable == (True, False)
    x = T.dmatrix("x")
    f = function([x], x + row, mode=mode)
    np.testing.assert_array_equal(f(np.zeros((2, 3))), np.ones((2, 3)))
    with pytest.raises(TypeError, match="length 1"):
        row.set_value(np.ones((2, 3)))
    with pytest.raises(TypeError):
        shared(np.ones((2, 3)), broadcastable=(True, False))


def test_own_constructors_come_first() -> None:
    class Special:
        value = 5.0

    def of_special(value: Any, name: Any, strict: bool, allow_downcast: Any, **options: Any) -> Any:
        if not isinstance(value, Special):
            raise TypeError("not mine")
        return shared(value.value, name, **options)

    assert shared(Special()).type == symc.generic
    symc.shared_constructor(of_special)
    try:
        made = shared(Special(), name="special")
        assert (made.name, made.dtype, float(made.get_value())) == ("special", "float64", 5.0)
        assert shared(1.0).dtype == "float64"
    finally:
        sys.modules["symc.compile.shared"]._CONSTRUCTORS.remove(of_special)
    assert generic_constructor(3).type == symc.generic


def test_frames_of_callers_are_let_go() -> None:
    class Big:
        pass

    def caller() -> weakref.ref[Big]:
        big = Big()
        shared(np.zeros(3))  # a constructor that refuses arrays is tried before
        return weakref.ref(big)

    gc.disable()
    try:
        assert caller()() is None
    finally:
        gc.enable()


def test_copies_and_pickles() -> None:
    w = shared(np.arange(3.0), name="w", allow_downcast=True)
    for other in (copy.deepcopy(w), pickle.loads(pickle.dumps(w))):
        assert (other.name, other.type) == ("w", w.type)
        np.testing.assert_array_equal(other.get_value(), [0, 1, 2])
        other.set_value([5.0])
        np.testing.assert_array_equal(w.get_value(), [0, 1, 2])
        other.set_value(np.array([1], "int64"))
    clone = w.clone()
    both = pickle.loads(pickle.dumps([w, clone]))
    both[0].set_value([1.0])
    np.testing.assert_array_equal(both[1].get_value(), [1])
