"""Gradients that are given have to have the shapes of their variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad
from symc.errors import ShapeError
from symc.ops.known_gradient import KnownGradient
from symc.runtime import native_available

MODES = ["NUMPY", *(["FAST_RUN"] if native_available() else [])]


def checks(f: Any) -> int:
    """How many requirements the native program checks in each call."""
    return len(f.maker.executor.main.lowered.checks)


@pytest.mark.parametrize("mode", MODES)
def test_a_wrong_length_is_an_error_that_names_all(mode: str) -> None:
    x, g = T.dvector("x"), T.dvector("g")
    y = T.exp(x)
    y.name = "y"
    f = function([x, g], grad(None, x, known_grads={y: g}), mode=mode)
    np.testing.assert_allclose(f([1.0, 2.0], [1.0, 3.0]), np.exp([1, 2]) * [1, 3])
    assert f([], []).shape == (0,)
    for given in ([5.0], [1.0, 2.0, 3.0], []):
        with pytest.raises(ShapeError, match="the known gradient of y has") as caught:
            f([1.0, 2.0], given)
        message = str(caught.value)
        assert f"({len(given)},)" in message
        assert "(2,)" in message
        assert "test_known_grads.py" in message
        assert "known_grads={y: g}" in message
    with pytest.raises(ShapeError):
        f([1.0], [1.0, 2.0])
    np.testing.assert_allclose(f([1.0], [2.0]), 2 * np.exp([1]))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(4, 1), (1, 2), (1, 1), (3, 2), (4, 3)])
def test_nothing_is_broadcast(mode: str, shape: tuple[int, int]) -> None:
    a, w, g = T.dmatrices("a", "w", "g")
    product = T.dot(a, w)
    slopes = grad(None, [a, w], known_grads={product: g})
    f = function([a, w, g], slopes, mode=mode)
    values = np.ones((4, 3)), np.arange(6.0).reshape(3, 2)
    seed = np.arange(8.0).reshape(4, 2)
    np.testing.assert_allclose(f(*values, seed)[0], seed @ values[1].T)
    with pytest.raises(ValueError, match="known gradient of dot"):
        f(*values, np.ones(shape))


def test_lengths_that_are_known_are_checked_at_once() -> None:
    x = T.dvector("x")
    x_of_3 = T.specify_shape(x, (3,))
    y = x_of_3 * 2
    with pytest.raises(ShapeError, match=r"known gradient(.|\n)*\(2,\)(.|\n)*\(3,\)"):
        grad(None, x, known_grads={T.specify_shape(y, (3,)): T.constant(np.ones(2))})


@pytest.mark.skipif(not native_available(), reason="looks at native programs")
def test_shapes_that_are_the_same_are_not_checked() -> None:
    x, g = T.dvectors("x", "g")
    y = T.tanh(x)
    for known in (T.ones_like(y), 2 * x, y * y):
        f = function([x], grad(None, x, known_grads={y: known}))
        assert checks(f) == 0
        nodes = f.maker.executor.optimized.outputs[0].owner
        assert not isinstance(nodes.op, KnownGradient)
    assert checks(function([x, g], grad(None, x, known_grads={y: g}))) == 1
    total = y.sum()
    s = T.dscalar("s")
    slope = grad(None, x, known_grads={total: s})
    assert not [n for n in symc.gof.graph.io_toposort([x, s], [slope])
                if isinstance(n.op, KnownGradient)]


@pytest.mark.parametrize("mode", MODES)
def test_second_derivatives_and_products_pass_through(mode: str) -> None:
    x, g = T.dvectors("x", "g")
    y = x**3
    slope = grad(None, x, known_grads={y: g})  # 3 x^2 g
    values = np.array([1.0, 2.0]), np.array([3.0, -1.0])
    first, second = function([x, g], grad(slope.sum(), [x, g]), mode=mode)(*values)
    np.testing.assert_allclose(first, 6 * values[0] * values[1])
    np.testing.assert_allclose(second, 3 * values[0] ** 2)
    turned = function([x, g], symc.Rop(slope, g, T.ones_like(g)), mode=mode)(*values)
    np.testing.assert_allclose(turned, 3 * values[0] ** 2)
    with pytest.raises(ValueError, match="known gradient of"):
        function([x, g], symc.Lop(y, x, g), mode=mode)(np.ones(2), np.ones(3))


@pytest.mark.parametrize("mode", MODES)
def test_lengths_that_depend_on_values(mode: str) -> None:
    x, g = T.dvectors("x", "g")
    y = x[(x > 0).nonzero()]
    f = function([x, g], grad(None, x, known_grads={y: g}), mode=mode)
    np.testing.assert_allclose(f([1.0, -1.0, 2.0], [3.0, 4.0]), [3, 0, 4])
    with pytest.raises(ValueError, match="length"):
        f([1.0, -1.0, 2.0], [3.0, 4.0, 5.0])
