"""`while_loop` against Python's ``while``."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, while_loop

MODES = ("FAST_RUN", "NUMPY")


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", [0, 1, 3, 60])
def test_several_values(mode: str, steps: int) -> None:
    n, a = T.lscalar("n"), T.dvector("a")
    outs = while_loop(
        lambda k, v, n: k < n, lambda k, v, n: [k + 1, v * 0.5 + k], [0, a], 50, non_sequences=n
    )
    got_k, got_v = function([n, a], outs, mode=mode)(steps, [1.0, 2.0])
    k, v = 0, np.array([1.0, 2.0])
    while k < min(steps, 50):
        k, v = k + 1, v * 0.5 + k
    assert got_k == k
    np.testing.assert_allclose(got_v, v)


@pytest.mark.parametrize("mode", MODES)
def test_gradient(mode: str) -> None:
    a = T.dscalar("a")
    last = while_loop(lambda v: v < 10, lambda v: v**2, a, max_steps=20)
    f = function([a], [last, grad(last, a)], mode=mode)
    for start, power in ((20.0, 1), (4.0, 2), (1.5, 8)):
        value, slope = f(start)
        np.testing.assert_allclose([value, slope], [start**power, power * start ** (power - 1)])


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match=r"2 values[\s\S]*1"):
        while_loop(lambda v: v < 1, lambda v: [v, v], T.dscalar("a"), 3)
    s: Any = symc.shared(0.0, "counter")
    with pytest.raises((ValueError, TypeError)):
        while_loop(lambda v: v < 1, lambda v: (v, {s: s + 1}), T.dscalar("a"), 3)
