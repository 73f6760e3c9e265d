"""Memory of loops: what is not read later is not kept."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc.tensor as T
from symc import function, grad, scan
from symc.runtime import native_available
from symc.scan_module import scan_checkpoints
from tests.scan.memory import peak_memory

pytestmark = pytest.mark.skipif(not native_available(), reason="needs compiled code")
WIDTH = 16384
STEPS = 500
ROW = WIDTH * 8


def _peak(outputs: Any, start: Any, n: Any) -> tuple[Any, int]:
    f = function([start, n], outputs)
    value = np.linspace(-1, 1, WIDTH)
    f(value, 2)
    return peak_memory(lambda: f(value, STEPS))


def test_the_last_row_of_a_recurrence() -> None:
    start, n = T.dvector("start"), T.lscalar("n")
    out, _ = scan(lambda h: T.cos(h), outputs_info=start, n_steps=n)
    got, peak = _peak(out[-1], start, n)
    expected = np.linspace(-1, 1, WIDTH)
    for _ in range(STEPS):
        expected = np.cos(expected)
    np.testing.assert_allclose(got, expected)
    assert peak < 20 * ROW


def test_the_last_row_of_what_is_only_collected() -> None:
    start, n = T.dvector("start"), T.lscalar("n")
    (_, squares), _ = scan(
        lambda h: [T.cos(h), h**2], outputs_info=[start, None], n_steps=n
    )
    got, peak = _peak(squares[-1], start, n)
    expected = np.linspace(-1, 1, WIDTH)
    for _ in range(STEPS - 1):
        expected = np.cos(expected)
    np.testing.assert_allclose(got, expected**2)
    assert peak < 20 * ROW


def test_two_taps() -> None:
    start, n = T.dmatrix("start"), T.lscalar("n")
    out, _ = scan(
        lambda b, a: T.cos(a) - 0.5 * b,
        outputs_info={"initial": start, "taps": [-2, -1]},
        n_steps=n,
    )
    f = function([start, n], [out[-1], out[-2]])
    value = np.linspace(-1, 1, 2 * WIDTH).reshape(2, WIDTH)
    f(value, 2)
    _, peak = peak_memory(lambda: f(value, STEPS))
    assert peak < 30 * ROW


def test_checkpoints_need_the_square_root() -> None:
    start, n = T.dvector("start"), T.lscalar("n")
    value = np.linspace(-1, 1, WIDTH)
    peaks = []
    for steps, every in ((400, 20), (1600, 40)):
        some, _ = scan_checkpoints(
            lambda h: T.tanh(h * 1.01), outputs_info=start, n_steps=n, save_every_N=every
        )
        f = function([start, n], grad(some[-1].sum(), start))
        f(value, 2)
        got, peak = peak_memory(lambda f=f, steps=steps: f(value, steps))
        peaks.append(peak)
    assert peaks[1] < 2.5 * peaks[0]
    assert peaks[1] < 1600 * ROW / 3  # one row per step is what the gradient needs without them
    rows, expected = value, np.ones(WIDTH)
    for _ in range(1600):
        rows = np.tanh(rows * 1.01)
        expected *= 1.01 * (1 - rows**2)
    np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-300)


def test_temporaries_do_not_pile_up() -> None:
    start, n = T.dvector("start"), T.lscalar("n")
    out, _ = scan(
        lambda h: h + T.sort(T.exp(-h)).sum() * 0, outputs_info=start, n_steps=n
    )
    _, peak = _peak(out[-1], start, n)
    assert peak < 30 * ROW


def test_what_was_made_outside_is_not_overwritten_inside() -> None:
    x, steps = T.dvector("x"), T.lscalar("steps")
    base = T.exp(x) / T.exp(x).sum()
    rows, _ = scan(lambda i: T.inc_subtensor(base[i], 1.0) * 2, sequences=T.arange(steps))
    point = np.array([0.5, -1.0, 2.0])
    share = np.exp(point) / np.exp(point).sum()
    got = function([x, steps], rows)(point, 3)
    np.testing.assert_allclose(got, 2 * (share + np.eye(3)), rtol=1e-12)
