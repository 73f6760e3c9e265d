"""Wrong use of loops gives one clear error with the user's line, and changes nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, scan
from symc.errors import MissingInputError
from symc.scan_module import until

MODES = ("FAST_RUN", "NUMPY")
HERE = "test_wrong_use"
X = T.dvector("X")


def test_a_carry_that_changes_its_dtype() -> None:
    start = T.fscalar("start")
    with pytest.raises(TypeError, match=rf"float32[\s\S]*float64[\s\S]*{HERE}[\s\S]*astype"):
        scan(lambda v, s: s + v, sequences=X, outputs_info=start)


def test_a_carry_that_changes_its_rank() -> None:
    with pytest.raises(TypeError, match=rf"scalar[\s\S]*vector[\s\S]*{HERE}"):
        scan(lambda v, s: s + X, sequences=X, outputs_info=T.dscalar("start"))


@pytest.mark.parametrize("mode", MODES)
def test_a_carry_that_changes_its_length(mode: str) -> None:
    start, w = T.dvector("start"), T.dmatrix("w")
    out, _ = scan(lambda s: T.dot(s, w), outputs_info=start, n_steps=2)
    f = function([start, w], out, mode=mode)
    np.testing.assert_allclose(f([1.0, 1.0], np.eye(2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="2.*3|3.*2"):
        f([1.0, 1.0], np.ones((2, 3)))


@pytest.mark.parametrize("mode", MODES)
def test_sequences_that_are_too_short(mode: str) -> None:
    n = T.lscalar("n")
    out, _ = scan(lambda v: v + 1, sequences=X, n_steps=n)
    f = function([X, n], out, mode=mode)
    np.testing.assert_allclose(f(np.zeros(3), 2), [1, 1])
    with pytest.raises(ValueError, match="too short[\\s\\S]*4[\\s\\S]*3"):
        f(np.zeros(3), 4)
    with pytest.raises(ValueError, match="negative|-1"):
        f(np.zeros(3), -1)


@pytest.mark.parametrize("mode", MODES)
def test_initial_values_that_are_too_few(mode: str) -> None:
    start = T.dvector("start")
    out, _ = scan(
        lambda v, a, b: a + b + v,
        sequences=X,
        outputs_info={"initial": start, "taps": [-3, -1]},
    )
    f = function([X, start], out, mode=mode)
    assert f(np.zeros(2), np.zeros(3)).shape == (2,)
    with pytest.raises(ValueError, match="starts with 3 rows, got 2"):
        f(np.zeros(2), np.zeros(2))


def test_a_sequence_without_axes() -> None:
    with pytest.raises(TypeError, match=r"first axis[\s\S]*non-sequence"):
        scan(lambda v: v, sequences=T.dscalar("s"))


def test_variables_that_a_strict_loop_was_not_given() -> None:
    w = symc.shared(2.0, "weight")
    with pytest.raises(MissingInputError, match=r"weight[\s\S]*non_sequences"):
        scan(lambda v: v * w, sequences=X, strict=True)
    out, _ = scan(lambda v, w: v * w, sequences=X, non_sequences=w, strict=True)
    np.testing.assert_allclose(function([X], out)([1.0, 2.0]), [2, 4])


def test_missing_pieces() -> None:
    with pytest.raises(ValueError, match=r"n_steps"):
        scan(lambda: T.constant(1.0))
    with pytest.raises(ValueError, match=r"taps[\s\S]*initial"):
        scan(lambda v, s: s, sequences=X, outputs_info={"taps": [-1]})
    with pytest.raises(ValueError, match=r"2 entries, 1 outputs"):
        scan(lambda v, a, b: a + b, sequences=X, outputs_info=[0.0, 0.0])
    with pytest.raises(ValueError, match="negative numbers"):
        scan(lambda v, a: a, sequences=X, outputs_info={"initial": X, "taps": [0]})
    with pytest.raises(ValueError, match=r"first axis"):
        scan(
            lambda v, a, b: a, sequences=X,
            outputs_info={"initial": T.dscalar("s"), "taps": [-2, -1]},
        )
    with pytest.raises(ValueError, match="not be negative"):
        scan(lambda v: v, sequences=X, n_steps=-2)
    with pytest.raises(TypeError, match="n_steps must be one integer"):
        scan(lambda v: v, sequences=X, n_steps=T.dscalar("n"))
    with pytest.raises(ValueError, match="truncate_gradient"):
        scan(lambda v: v, sequences=X, truncate_gradient=0)
    with pytest.raises(TypeError, match="one truth value"):
        scan(lambda v: (v, until(X > 0)), sequences=X)
    with pytest.raises(TypeError, match="not an output"):
        scan(lambda v: [v, None], sequences=X)
    with pytest.raises(ValueError, match="'input' and 'taps'"):
        scan(lambda v: v, sequences={"inputs": X})


FAILURES: dict[str, tuple[Any, Any, Any, type[Exception]]] = {
    "index": (lambda k: X[k], [0, 1, 7], [0], IndexError),
    "assert": (
        lambda k: T.Assert("too large")(k * 1.0, k < 2), [0, 1, 2], [0, 1], AssertionError
    ),
    "shape": (lambda k: (X[:k] + T.arange(2)).sum(), [1, 2, 3], [2, 1], ValueError),
    "empty": (lambda k: X[:k].max(), [2, 1, 0], [2, 1], ValueError),
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", list(FAILURES))
def test_errors_at_a_later_step_update_nothing(mode: str, name: str) -> None:
    step, wrong, right, error = FAILURES[name]
    i = T.lvector("i")
    out, _ = scan(step, sequences=i)
    done = symc.shared(np.zeros(3), "done")
    f = function(
        [X, i], out.sum(), updates=[(done, done + 1)], mode=mode, on_unused_input="ignore"
    )
    with pytest.raises(error) as caught:
        f(np.arange(4.0), wrong)
    assert HERE in str(caught.value)
    np.testing.assert_array_equal(done.get_value(), 0)
    assert np.isfinite(f(np.arange(4.0), right))
    assert done.get_value()[0] == 1
