"""Inputs of functions: ``In`` in all its forms, defaults, state, conversions, names and order."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import In, function, shared

MODES = ["FAST_RUN", "NUMPY"]


@pytest.fixture(params=MODES, autouse=True)
def _in_every_mode(request: Any) -> Any:
    with symc.change_flags(mode=request.param):
        yield


def test_short_forms_of_inputs() -> None:
    a, b, c, d, e, f = T.dscalars("a", "b", "c", "d", "e", "f")
    g = function(
        [
            a,
            ("first", b),
            (c, 3.0),
            ((d, d + 1), 4.0),
            ("fifth", e, 5.0),
            ("sixth", (f, f * 2), 6.0),
        ],
        [a, b, c, d, e, f],
    )
    assert g(1.0, 2.0) == [1, 2, 3, 4, 5, 6]
    assert g(1.0, first=2.0) == [1, 2, 3, 5, 5, 12]
    assert g(1.0, 2.0, 30.0, fifth=50.0) == [1, 2, 30, 6, 50, 24]


@pytest.mark.parametrize(
    "spec",
    [
        (),
        ("name",),
        ("name", 1.0),
        (T.dscalar(), 1.0, 2.0, 3.0),
        (T.dscalar(), 1.0, 2.0),
        ((T.dscalar(),), 1.0),
        3.0,
        "x",
        None,
    ],
)
def test_bad_short_forms_are_refused(spec: Any) -> None:
    with pytest.raises((TypeError, ValueError)):
        function([spec], [], on_unused_input="ignore")


def test_defaults_are_used_where_nothing_is_given() -> None:
    x, y = T.dvectors("x", "y")
    f = function([x, In(y, value=[10.0, 20.0])], x + y)
    np.testing.assert_array_equal(f([1.0, 2.0]), [11, 22])
    np.testing.assert_array_equal(f([1.0, 2.0], [0.0, 0.0]), [1, 2])
    np.testing.assert_array_equal(f(y=[1.0, 1.0], x=[1.0, 2.0]), [2, 3])
    np.testing.assert_array_equal(f([1.0, 2.0]), [11, 22])


def test_a_default_is_copied_unless_borrowed() -> None:
    x = T.dvector("x")
    given = np.array([1.0, 2.0])
    copied = function([In(x, value=given)], x * 1.0)
    borrowed = function([In(x, value=given, borrow=True)], x * 1.0)
    given[0] = 100.0
    np.testing.assert_array_equal(copied(), [1, 2])
    np.testing.assert_array_equal(borrowed(), [100, 2])


def test_a_default_before_a_required_input() -> None:
    x, y = T.dscalars("x", "y")
    f = function([In(x, value=1.0), y], 10 * x + y)
    assert f(y=2.0) == 12
    assert f(5.0, 2.0) == 52
    with pytest.raises(TypeError, match="missing.*y"):
        f(5.0)


def test_an_update_of_an_input_is_its_next_default() -> None:
    total, x = T.dscalar("total"), T.dscalar("x")
    f = function([x, In(total, value=0.0, update=total + x)], total)
    assert f(1.0) == 0
    assert f(2.0) == 1
    assert f(3.0) == 3
    assert f[total] == 6
    f[total] = 100.0
    assert f(1.0) == 100
    assert f(1.0, total=7.0) == 7
    assert f["total"] == 8


def test_state_is_kept_when_the_call_fails() -> None:
    count, i = T.lscalar("count"), T.lscalar("i")
    v = T.dvector("v")
    f = function([v, i, In(count, value=0, update=count + 1)], v[i])
    with pytest.raises(IndexError):
        f([1.0], 3)
    assert f[count] == 0
    f([1.0], 0)
    assert f[count] == 1


def test_updating_functions_return_what_was_asked_for() -> None:
    x = T.dscalar("x")
    state = In(x, value=1.0, update=x * 2)
    assert function([state], None)() is None
    assert function([state], [])() == []
    single = function([state], x + 1)
    assert isinstance(single(), np.ndarray)
    assert single() == 3
    assert function([state], {"a": x, "b": x + 1})() == {"a": 1, "b": 2}
    assert function([state], [x, x + 1])() == [1, 2]


def test_implicit_inputs_are_never_given() -> None:
    x, k = T.dscalars("x", "k")
    f = function([x, In(k, value=10.0, implicit=True)], x + k)
    assert f(1.0) == 11
    with pytest.raises(TypeError, match="too many"):
        f(1.0, 2.0)
    with pytest.raises(TypeError, match="unknown argument 'k'"):
        f(1.0, k=2.0)
    f[k] = 20.0
    assert f(1.0) == 21


def test_a_shared_variable_as_value_is_state_that_functions_share() -> None:
    counter = shared(0, name="counter")
    n, step = T.lscalar("n"), T.lscalar("step")
    up = function([step, In(n, value=counter, update=n + step)], n)
    down = function([step, In(n, value=counter, update=n - step)], n)
    assert up(5) == 0
    assert down(2) == 5
    assert counter.get_value() == 3
    assert up[n] == 3
    assert up["n"] == 3
    down[n] = 40
    assert counter.get_value() == 40
    with pytest.raises(TypeError, match="too many"):
        up(1, 2)


def test_keywords_names_and_order() -> None:
    a, b, c = T.dscalars("a", "b", "c")
    f = function([c, In(a, name="renamed"), b], 100 * c + 10 * a + b)
    assert f(1.0, 2.0, 3.0) == 123
    assert f(b=3.0, renamed=2.0, c=1.0) == 123
    assert f(1.0, b=3.0, renamed=2.0) == 123
    with pytest.raises(TypeError, match="unknown argument 'a'"):
        f(1.0, a=2.0, b=3.0)
    with pytest.raises(TypeError, match="'c' is given twice"):
        f(1.0, 2.0, c=1.0)


def test_inputs_without_names_are_given_by_position_only() -> None:
    x, y = T.dscalar(), T.dscalar()
    f = function([x, y], x - y)
    assert f(3.0, 1.0) == 2
    with pytest.raises(TypeError, match="missing"):
        f(3.0)
    unnamed = function([In(T.dscalar("x"), autoname=False)], [], on_unused_input="ignore")
    with pytest.raises(TypeError, match="unknown"):
        unnamed(x=1.0)


def test_two_inputs_of_one_name_are_told_apart_by_position_only() -> None:
    first, second = T.dscalar("x"), T.dscalar("x")
    f = function([first, second], first - second)
    assert f(3.0, 1.0) == 2
    with pytest.raises(TypeError, match="several inputs are named 'x'"):
        f(3.0, x=1.0)


def test_in_refuses_what_makes_no_sense() -> None:
    x = T.dscalar("x")
    with pytest.raises(TypeError, match="symbolic variable"):
        In(3.0)
    with pytest.raises(TypeError, match="string"):
        In(x, name=3)
    with pytest.raises(TypeError, match="mutable"):
        In(x, update=x + 1, mutable=False)
    with pytest.raises(TypeError, match="borrow"):
        In(x, mutable=True, borrow=False)
    with pytest.raises(TypeError):
        In(x, update=T.dvector())
    with pytest.raises(TypeError, match="can't be an input"):
        function([shared(1.0, name="w")], [])


def test_mutable_inputs_give_the_same_results() -> None:
    x = T.dvector("x")
    f = function([In(x, mutable=True)], T.exp(x) * 2)
    np.testing.assert_allclose(f(np.array([0.0, 1.0])), [2, 2 * np.e])


def test_strict_inputs_take_arrays_of_their_dtype_only() -> None:
    x, s = T.dvector("x"), T.dscalar("s")
    f = function([In(x, strict=True)], x * 2)
    np.testing.assert_array_equal(f(np.array([1.0, 2.0])), [2, 4])
    for wrong in ([1.0, 2.0], np.array([1, 2]), np.array([1, 2], "float32")):
        with pytest.raises(TypeError, match="x"):
            f(wrong)
    g = function([In(s, strict=True)], s * 2)
    assert g(np.array(3.0)) == 6
    with pytest.raises(TypeError, match="strict"):
        g(3.0)


def test_conversions_without_allow_downcast_lose_nothing() -> None:
    x, s, i = T.fvector("x"), T.fscalar("s"), T.bscalar("i")
    f = function([x], x)
    assert f([0.5, 2]).dtype == np.float32
    assert f(np.array([1, 2], "int8")).dtype == np.float32
    for wrong in ([0.1], np.array([0.5]), np.array([1], "int64")):
        with pytest.raises(TypeError):
            f(wrong)
    g = function([s], s)
    assert g(0.5) == 0.5
    with pytest.raises(TypeError, match="float32"):
        g(0.1)
    h = function([i], i)
    assert h(100) == 100
    for wrong in (1000, 1.5, np.int64(3000)):
        with pytest.raises(TypeError):
            h(wrong)


def test_python_floats_are_taken_by_inputs_of_floatx() -> None:
    with symc.change_flags(floatX="float32"):
        s = T.scalar("s")
        f = function([s], s * 2)
        assert f(0.1) == np.float32(0.1) * 2
        with pytest.raises(TypeError):
            f(np.array(0.1))


def test_allow_downcast() -> None:
    x = T.fvector("x")
    value = np.array([0.1, 1.0])
    for f in (
        function([In(x, allow_downcast=True)], x),
        function([x], x, allow_input_downcast=True),
    ):
        np.testing.assert_array_equal(f(value), value.astype("float32"))
    s = T.scalar("s", dtype="float32")
    with symc.change_flags(floatX="float32"):
        strict = function([In(s, allow_downcast=False)], s)
        assert strict(0.5) == 0.5
        with pytest.raises(TypeError):
            strict(0.1)
    own = function([In(x, allow_downcast=False)], x, allow_input_downcast=True)
    with pytest.raises(TypeError):
        own(value)


def test_any_variable_may_be_an_input() -> None:
    x = T.dvector("x")
    y = T.exp(x)
    z = y + x
    f = function([y, x], z)
    np.testing.assert_array_equal(f([1.0], [2.0]), [3])
    np.testing.assert_array_equal(function([z], z * 2)([3.0]), [6])


def test_unused_inputs() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    with pytest.raises(symc.UnusedInputError, match="y"):
        function([x, y], x)
    with pytest.warns(UserWarning, match="no influence") as caught:
        f = function([x, y], x, on_unused_input="warn")
    assert caught[0].filename == __file__
    assert f(1.0, 2.0) == 1
    assert function([x, y], x, on_unused_input="ignore")(1.0, 2.0) == 1
    with symc.change_flags(on_unused_input="ignore"):
        assert function([x, y], x)(1.0, 2.0) == 1
    w = shared(0.0)
    g = function([x, y], x, updates=[(w, y)])
    g(1.0, 2.0)
    assert w.get_value() == 2
    with pytest.raises(ValueError, match="on_unused_input"):
        function([x], x, on_unused_input="sometimes")


def test_generic_inputs_take_any_object() -> None:
    thing = symc.generic("thing")
    f = function([thing], thing)
    value = {"a": [1]}
    assert f(value) == value
