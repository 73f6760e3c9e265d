"""Gradients of what reads the last row only: right in every shape, and no zeros are carried."""

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.errors import IndexOutOfBoundsError
from symc.loop.program import RepeatStep
from symc.runtime import native_available

MODES = [None, "FAST_COMPILE", "NUMPY"]
X, M, N = T.dvector("X"), T.dmatrix("M"), T.lscalar("N")
VALUE = np.array([0.3, -0.8, 1.1])


def chain(n):
    states, _ = symc.scan(T.sin, outputs_info=X, n_steps=n)
    return states


def slopes(n):
    """The states of a chain of sines, and the derivatives of each by the first."""
    h, slope, states, found = VALUE, np.ones(3), [], []
    for _ in range(n):
        slope, h = slope * np.cos(h), np.sin(h)
        states.append(h)
        found.append(slope)
    return np.array(states), np.array(found)


COSTS = {
    "last": (lambda s: s[-1].sum(), lambda s, d: d[-1]),
    "weighted": (lambda s: (s[-1] * X).sum(), lambda s, d: d[-1] * VALUE + s[-1]),
    "twice": (lambda s: (s[-1] ** 2).sum() + s[-1][0], None),
    "with all": (lambda s: s[-1].sum() + s.sum(), lambda s, d: d[-1] + d.sum(0)),
    "last two": (lambda s: (s[-1] + 2 * s[-2]).sum(), lambda s, d: d[-1] + 2 * d[-2]),
    "later rows": (lambda s: s[1:][-1].sum(), lambda s, d: d[-1]),
    "an element": (lambda s: s[-1, 1], lambda s, d: d[-1] * [0, 1, 0]),
    "set": (lambda s: T.set_subtensor(s[-1], 0.0 * X).sum(), lambda s, d: d[:-1].sum(0)),
}
COSTS["twice"] = (COSTS["twice"][0], lambda s, d: 2 * s[-1] * d[-1] + d[-1] * [1, 0, 0])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", COSTS)
def test_gradient(name, mode):
    cost, expected = COSTS[name]
    f = symc.function([X, N], T.grad(cost(chain(N)), X), mode=mode)
    for n in (2, 5):
        np.testing.assert_allclose(f(VALUE, n), expected(*slopes(n)), rtol=1e-13, atol=1e-15)


@pytest.mark.parametrize("mode", MODES)
def test_there_is_no_last_row_without_steps(mode):
    f = symc.function([X, N], T.grad(chain(N)[-1].sum(), X), mode=mode)
    with pytest.raises(IndexOutOfBoundsError):
        f(VALUE, 0)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("truncate", [-1, 1, 2, 9])
def test_two_taps_and_truncation(mode, truncate):
    states, _ = symc.scan(
        lambda a, b: T.sin(a) * b,
        outputs_info={"initial": M, "taps": [-2, -1]},
        n_steps=N,
        truncate_gradient=truncate,
    )
    f = symc.function([M, N], T.grad(states[-1].sum(), M), mode=mode)
    start = np.array([[0.4, 0.9], [1.2, -0.7]])
    for n in (1, 2, 4):
        rows = list(start)
        for _ in range(n):
            rows.append(np.sin(rows[-2]) * rows[-1])
        g = [np.zeros(2) for _ in rows]
        g[-1] = np.ones(2)
        back = n if truncate < 0 else min(n, truncate)
        for t in range(n - 1, n - 1 - back, -1):
            g[t] += g[t + 2] * np.cos(rows[t]) * rows[t + 1]
            g[t + 1] += g[t + 2] * np.sin(rows[t])
        expected = g[:2] if back == n else np.zeros((2, 2))
        np.testing.assert_allclose(f(start, n), expected, rtol=1e-13)


@pytest.mark.parametrize("mode", MODES)
def test_second_derivative(mode):
    slope = T.grad(chain(3)[-1].sum(), X)
    f = symc.function([X], T.grad(slope.sum(), X), mode=mode)
    g = symc.function([X], slope, mode=mode)
    step = 1e-6
    expected = (g(VALUE + step) - g(VALUE - step)) / (2 * step)
    np.testing.assert_allclose(f(VALUE), expected, rtol=1e-7)


@pytest.mark.skipif(not native_available(), reason="looks at the compiled program")
def test_the_loop_backwards_reads_one_sequence():
    f = symc.function([X], T.grad(chain(50)[-1].sum(), X))
    program = f.maker.executor.main.lowered
    loops = [s for s in program.steps if isinstance(s, RepeatStep)]
    assert len(loops) == 2
    long = {b.id for b in program.buffers if str(50) in map(str, map(_number, b.shape[:1]))}
    assert len(long & set(loops[1].ins)) == 1  # the states of the loop forwards


def _number(size):
    return int(size.value) if size.is_const else size
