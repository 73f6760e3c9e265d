"""D2: where lengths can't all be equal, one of them is 1, and functions can be made for that."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T

MODES = ["FAST_RUN", "FAST_COMPILE", "NUMPY"]


@pytest.mark.parametrize("mode", MODES)
def test_one_vector_against_two_lengths(mode: str) -> None:
    x = T.vector("x")
    f = symc.function([x], [x + np.zeros(3), x * np.full(4, 2.0)], mode=mode)
    for _ in range(2):
        three, four = f(np.array([5.0]))
        np.testing.assert_array_equal(three, [5.0] * 3)
        np.testing.assert_array_equal(four, [10.0] * 4)
        with pytest.raises(symc.ShapeError):
            f(np.ones(3))


@pytest.mark.parametrize("mode", MODES)
def test_shared_values_are_looked_at(mode: str) -> None:
    x, y = T.vector("x"), T.vector("y")
    kept = symc.shared(np.arange(3.0))
    f = symc.function([x, y], [x + y, x * np.ones(2), y * kept], updates=[(kept, 2 * kept)],
                      mode=mode)
    results = f(np.array([1.0]), np.array([1.0, 2.0, 3.0]))
    for got, expected in zip(results, ([2.0, 3.0, 4.0], [1.0, 1.0], [0.0, 2.0, 6.0]), strict=True):
        np.testing.assert_array_equal(got, expected)
    np.testing.assert_array_equal(kept.get_value(), [0.0, 2.0, 4.0])


@pytest.mark.parametrize("mode", MODES)
def test_pieces_of_an_axis_are_not_taken_for_all_of_it(mode: str) -> None:
    """Two terms of a gradient are pieces of an axis that a third piece belongs to as well."""
    rng = np.random.default_rng(0)
    weights = symc.shared(rng.standard_normal((4, 9)))
    x = T.matrix("x")
    product = T.dot(x, weights)
    moved = x[:, :1] + product
    cost = T.sum(T.tanh(moved[:, :3]) * T.sin(moved[:, 3:6]) * product[:, 6:9])
    value = rng.standard_normal((5, 4))
    slope = symc.function([x], symc.grad(cost, weights), mode=mode)(value)

    def numpy_cost(w: np.ndarray) -> float:
        p = value @ w
        m = value[:, :1] + p
        return float(np.sum(np.tanh(m[:, :3]) * np.sin(m[:, 3:6]) * p[:, 6:9]))

    start, step = weights.get_value(), 1e-6
    for i, j in ((0, 0), (1, 4), (3, 8), (2, 6)):
        change = np.zeros_like(start)
        change[i, j] = step
        expected = (numpy_cost(start + change) - numpy_cost(start - change)) / (2 * step)
        assert slope[i, j] == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_lengths_that_never_go_together_are_an_error_when_the_function_is_made() -> None:
    x, y = T.vector("x", shape=(3,)), T.vector("y", shape=(4,))
    with pytest.raises(ValueError, match="do not fit together"):
        symc.function([x, y], x + y)
