"""Checks and messages at run time."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.errors import AssertFailedError
from symc.ops.control import Assert, Print, Raise, assert_

MODES = ["FAST_RUN", "NUMPY"]


@pytest.mark.parametrize("mode", MODES)
def test_a_condition_on_values_is_checked_before_anything_is_stored(mode: str) -> None:
    x = T.dvector("x")
    calls = symc.shared(0, name="calls")
    checked = Assert("positive numbers, {please}")(x, x.min() > 0)
    f = symc.function([x], T.log(checked), updates=[(calls, calls + 1)], mode=mode)
    np.testing.assert_allclose(f([1.0, 2]), np.log([1, 2]))
    with pytest.raises(AssertFailedError, match=re.escape("positive numbers, {please}")) as info:
        f([1.0, 0])
    assert isinstance(info.value, AssertionError)
    assert "test_control.py" in str(info.value)
    assert calls.get_value() == 1


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(0,), (1,), (4,)])
def test_conditions_on_lengths(mode: str, shape: tuple[int, ...]) -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    f = symc.function([x, n], Assert("length")(x, T.eq(x.shape[0], n), n >= 0) * 2, mode=mode)
    values = np.arange(shape[0], dtype="float64")
    np.testing.assert_array_equal(f(values, shape[0]), values * 2)
    with pytest.raises(AssertionError, match="length"):
        f(values, shape[0] + 1)


@pytest.mark.parametrize("mode", MODES)
def test_assert_of_all_elements(mode: str) -> None:
    x = T.dmatrix("x")
    f = symc.function([x], assert_(x, x >= 0, x.shape[0] > 1, msg="both").sum(), mode=mode)
    assert f(np.ones((2, 3))) == 6
    for bad in (-np.ones((2, 3)), np.ones((1, 3))):
        with pytest.raises(AssertionError, match="both"):
            f(bad)


def test_gradient_passes_an_assert() -> None:
    x = T.dvector("x")
    y = Assert("fine")(x, x.shape[0] > 0)
    np.testing.assert_allclose(symc.grad((y**2).sum(), x).eval({x: [3.0]}), [6])
    tangent = symc.Rop(Assert("fine")(x, x.shape[0] > 0), x, np.ones(1))
    np.testing.assert_allclose(tangent.eval({x: [3.0]}), [1])


@pytest.mark.parametrize(
    ("build", "error", "text"),
    [
        (lambda x: Assert("no")(x, False), AssertFailedError, "when the graph is built"),
        (lambda x: Assert("no")(x, x > 0), TypeError, "one truth value"),
        (lambda x: Assert("no")(x, x.sum()), TypeError, "float64"),
        (lambda x: Assert(3)(x), TypeError, "must be a string"),
    ],
)
def test_wrong_asserts(build: Any, error: type[Exception], text: str) -> None:
    with pytest.raises(error, match=text):
        build(T.dvector("x"))


@pytest.mark.parametrize("mode", MODES)
def test_raise(mode: str) -> None:
    x = T.dscalar("x")
    f = symc.function([x], Raise("not yet", KeyError)(x) + 1, mode=mode)
    with pytest.raises(KeyError, match="not yet"):
        f(1.0)
    f = symc.function([x], [x + 1, Raise("unwritten")(x)], mode=mode)
    with pytest.raises(NotImplementedError, match="unwritten"):
        f(1.0)


@pytest.mark.parametrize("mode", MODES)
def test_print_shows_values_and_gradients(mode: str, capsys: pytest.CaptureFixture[str]) -> None:
    x = T.dvector("x")
    seen = Print("x is", attrs=("shape", "__str__"))(x)
    f = symc.function([x], [seen * 2, symc.grad((seen**2).sum(), x)], mode=mode)
    doubled, gradient = f([1.0, 2.0])
    np.testing.assert_array_equal(doubled, [2, 4])
    np.testing.assert_array_equal(gradient, [2, 4])
    text = capsys.readouterr().out
    assert "x is shape = (2,)" in text
    assert "x is __str__ = [1. 2.]" in text
    assert "x is gradient __str__ = [2. 4.]" in text


def test_print_calls_another_function() -> None:
    shown = []
    x = T.dscalar("x")
    op = Print("note", global_fn=lambda op, value: shown.append((op.message, float(value))))
    assert symc.function([x], op(x) + 1)(2.0) == 3
    assert shown == [("note", 2.0)]
