"""What shares memory with what: ``In(mutable=True)``, ``Out(borrow=True)``."""

from __future__ import annotations

import numpy as np
import pytest

import symc.tensor as T
from symc import In, Out, function, shared
from symc.runtime import native_available

needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiler")


@needs_compiler
def test_a_mutable_argument_is_overwritten_only_where_that_is_safe() -> None:
    x, y = T.dvectors("x", "y")
    f = function([In(x, mutable=True), y], T.exp(x) * 2 + y, mode="FAST_RUN")
    start, ones = np.arange(3.0), np.ones(3)
    expected = np.exp(start) * 2 + 1
    given = start.copy()
    assert f(given, ones) is given
    np.testing.assert_allclose(given, expected, rtol=1e-14)

    fixed = start.copy()
    fixed.flags.writeable = False
    strided = np.repeat(start, 2)[::2]
    for value in (fixed, strided):
        np.testing.assert_allclose(f(value, ones), expected, rtol=1e-14)
        np.testing.assert_array_equal(value, start)

    both = np.arange(4.0)
    np.testing.assert_allclose(f(both[:3], both[1:]), expected - 1 + both[1:], rtol=1e-14)
    np.testing.assert_array_equal(both, [0, 1, 2, 3])


@needs_compiler
def test_a_mutable_argument_never_changes_a_shared_variable() -> None:
    x = T.dvector("x")
    w = shared(np.arange(3.0), name="w", borrow=True)
    f = function([In(x, mutable=True)], x + w, mode="FAST_RUN")
    stored = w.get_value(borrow=True)
    np.testing.assert_array_equal(f(stored), [0, 2, 4])
    np.testing.assert_array_equal(w.get_value(), [0, 1, 2])


@needs_compiler
def test_an_update_in_the_argument_waits_for_the_checks() -> None:
    x, i = T.dvector("x"), T.lvector("i")
    f = function([In(x, mutable=True), i], T.set_subtensor(x[i], 7.0), mode="FAST_RUN")
    given = np.arange(3.0)
    with pytest.raises(IndexError):
        f(given, [0, 9])
    np.testing.assert_array_equal(given, [0, 1, 2])
    assert f(given, [0, 1]) is given
    np.testing.assert_array_equal(given, [7, 7, 2])


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_without_mutable_and_for_defaults_the_value_stays(mode: str) -> None:
    x = T.dvector("x")
    given = np.arange(3.0)
    function([x], x * 2, mode=mode)(given)
    np.testing.assert_array_equal(given, [0, 1, 2])
    f = function([In(x, value=given, mutable=True)], x * 2, mode=mode)
    for _ in range(2):
        np.testing.assert_array_equal(f(), [0, 2, 4])


@needs_compiler
def test_two_results_never_share_one_argument() -> None:
    x = T.dvector("x")
    f = function([In(x, mutable=True)], [x + 1, x * 2, x], mode="FAST_RUN")
    results = f(np.arange(3.0))
    for got, want in zip(results, ([1, 2, 3], [0, 2, 4], [0, 1, 2]), strict=True):
        np.testing.assert_array_equal(got, want)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_results_belong_to_the_caller_also_when_borrowed(mode: str) -> None:
    x = T.dvector("x")
    w = shared(np.ones(3), name="w")
    new = T.tanh(w) + x
    outputs = [Out(v, borrow=True) for v in (x, w, w[::-1], new, new, x * 2)]
    f = function([x], outputs, updates=[(w, new)], mode=mode)
    argument = np.arange(3.0)
    results = f(argument)
    kept = [r.copy() for r in results]
    f(argument + 5)
    for result, value in zip(results, kept, strict=True):
        np.testing.assert_array_equal(result, value)
    stored = w.get_value()
    for result in results:
        result[:] = -1
    np.testing.assert_array_equal(argument, [0, 1, 2])
    np.testing.assert_array_equal(w.get_value(), stored)


@needs_compiler
def test_an_update_that_is_a_result_too_is_written_to_both_by_one_step() -> None:
    x = T.dvector("x")
    w = shared(np.ones(3), name="w")
    new = T.tanh(w) + x
    f = function([x], Out(new, borrow=True), updates=[(w, new)], mode="FAST_RUN")
    assert len(f.maker.fgraph.apply_nodes) == 1
    np.testing.assert_allclose(f(np.ones(3)), w.get_value(), rtol=0)
