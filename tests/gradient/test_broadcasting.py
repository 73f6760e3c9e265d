"""Lengths are known only at run time: values are NumPy's, gradients have the operands' shapes.

Random expressions of operands whose lengths are drawn from {0, 1, 2, 5}, compiled once for each
expression and called with many shapes.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import symc
import symc.tensor as T
from symc.graph.walk import toposort
from symc.ops.sum_to import SumTo

LENGTHS = (0, 1, 2, 5)

# name -> ranks, expression of symc, expression of NumPy
EXPRESSIONS: dict[str, tuple[tuple[int, ...], Callable[..., Any], Callable[..., Any]]] = {
    "sum of two": ((2, 2), lambda a, b: a + b, lambda a, b: a + b),
    "product of ranks": ((2, 1), lambda a, b: a * T.tanh(b), lambda a, b: a * np.tanh(b)),
    "three operands": (
        (2, 1, 2), lambda a, b, c: a * b - T.exp(c), lambda a, b, c: a * b - np.exp(c),
    ),
    "quotient": ((1, 2), lambda a, b: a / (1 + b**2), lambda a, b: a / (1 + b**2)),
    "new axes": (
        (1, 1),
        lambda a, b: a.dimshuffle(0, "x") * b.dimshuffle("x", 0),
        lambda a, b: a[:, None] * b[None],
    ),
    "choice": (
        (2, 2, 2),
        lambda a, b, c: T.switch(a > 0, b, c * a),
        lambda a, b, c: np.where(a > 0, b, c * a),
    ),
    "broadcast sum along rows": (
        (2, 2), lambda a, b: (a * b).sum(axis=1), lambda a, b: (a * b).sum(axis=1),
    ),
    "fill": (
        (2, 2), lambda a, b: a * T.fill(a, b.sum()), lambda a, b: a * np.full_like(a, b.sum()),
    ),
    "same operand twice": (
        (2, 1), lambda a, b: a * b + b, lambda a, b: a * b + b,
    ),
    "maximum": (
        (2, 2), lambda a, b: T.maximum(a, b) * 2, lambda a, b: np.maximum(a, b) * 2,
    ),
    "chain": (
        (2, 2, 1),
        lambda a, b, c: T.sqr(T.sin(a + b) * c - b),
        lambda a, b, c: np.square(np.sin(a + b) * c - b),
    ),
    "rank three": (
        (3, 2), lambda a, b: a * b + b, lambda a, b: a * b + b,
    ),
}


@cache
def compiled(name: str) -> tuple[Any, int]:
    """A function for value and gradients of a weighted expression, and the rank of the weight."""
    ranks, build, _ = EXPRESSIONS[name]
    xs = [T.TensorType("float64", (False,) * n)(f"x{k}") for k, n in enumerate(ranks)]
    out = build(*xs)
    weight = out.type("weight")
    cost = (out * weight).sum()
    f = symc.function([*xs, weight], [out, *symc.grad(cost, xs)], mode="FAST_RUN")
    return f, out.type.ndim


@st.composite
def operands(draw: Any, ranks: Sequence[int]) -> list[np.ndarray]:
    """Arrays of these ranks, whose shapes may or may not fit together.

    No two elements are near each other, so no difference of :func:`expected_gradients` spans a
    place at which another operand becomes the larger one.
    """
    shared = draw(st.lists(st.sampled_from(LENGTHS), min_size=3, max_size=3))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    shapes = [
        [
            draw(st.sampled_from((n, n, n, 1, draw(st.sampled_from(LENGTHS)))))
            for n in shared[3 - rank :]
        ]
        for rank in ranks
    ]
    sizes = [math.prod(shape) for shape in shapes]
    values = rng.permutation(np.linspace(0.2, 2, sum(sizes))) * rng.choice([-1, 1], sum(sizes))
    parts = np.split(values, np.cumsum(sizes)[:-1])
    return [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]


def expected_gradients(
    f: Callable[..., np.ndarray], arrays: list[np.ndarray], weight: np.ndarray
) -> list[np.ndarray]:
    """Central differences of ``sum(f * weight)``."""
    step = 1e-6
    gradients = []
    for array in arrays:
        gradient = np.zeros_like(array)
        for where in np.ndindex(array.shape):
            kept = array[where]
            array[where] = kept + step
            above = f(*arrays)
            array[where] = kept - step
            below = f(*arrays)
            array[where] = kept
            gradient[where] = ((above - below) * weight).sum() / (2 * step)
        gradients.append(gradient)
    return gradients


@pytest.mark.parametrize("name", EXPRESSIONS)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_values_and_gradients_are_numpys(name: str, data: Any) -> None:
    ranks, _, reference = EXPRESSIONS[name]
    arrays = data.draw(operands(ranks))
    f, ndim = compiled(name)
    try:
        value = reference(*arrays)
    except ValueError:
        with pytest.raises(ValueError, match=r"length|shape|fit"):
            f(*arrays, np.ones((1,) * ndim))
        return
    weight = np.random.default_rng(1).uniform(-1, 1, size=value.shape)
    found, *gradients = f(*arrays, weight)
    assert found.shape == value.shape
    np.testing.assert_allclose(found, value, rtol=1e-12, atol=1e-12)
    for got, array, expected in zip(
        gradients, arrays, expected_gradients(reference, arrays, weight), strict=True
    ):
        assert got.shape == array.shape
        np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_a_known_length_of_1_is_broadcast_too() -> None:
    m, row, col = T.dmatrix("m"), T.drow("row"), T.dcol("col")
    gradients = symc.grad((m * row * col).sum(), [m, row, col])
    f = symc.function([m, row, col], gradients)
    for shape in ((1, 1), (2, 5), (0, 2), (5, 0)):
        a, b, c = np.ones(shape), np.full((1, shape[1]), 2.0), np.full((shape[0], 1), 3.0)
        ga, gb, gc = f(a, b, c)
        np.testing.assert_array_equal(ga, np.full(shape, 6.0))
        np.testing.assert_array_equal(gb, np.full(b.shape, 3.0 * shape[0]))
        np.testing.assert_array_equal(gc, np.full(c.shape, 2.0 * shape[1]))


def test_a_bias_of_one_column_serves_every_batch() -> None:
    x, b, w = T.dmatrix("x"), T.dmatrix("b"), T.dmatrix("w")
    cost = T.sqr(x.dot(w) + b).mean()
    f = symc.function([x, w, b], symc.grad(cost, [w, b]))
    rng = np.random.default_rng(0)
    for rows, columns, bias in ((4, 3, (1, 3)), (1, 1, (1, 1)), (4, 3, (4, 1)), (2, 3, (2, 3))):
        shapes = ((rows, 2), (2, columns), bias)
        xv, wv, bv = (rng.normal(size=shape) for shape in shapes)
        gw, gb = f(xv, wv, bv)
        residual = 2 * (xv @ wv + bv) / (rows * columns)
        np.testing.assert_allclose(gw, xv.T @ residual, rtol=1e-12)
        axes = tuple(d for d in (0, 1) if bias[d] == 1)
        np.testing.assert_allclose(gb, residual.sum(axis=axes, keepdims=True), rtol=1e-12)


def test_one_shape_is_seen_through_a_long_chain() -> None:
    """However far up it comes from, what has the shape of one variable is summed to no other."""
    x, y = T.dvector("x"), T.dvector("y")

    def summed(other: Any) -> int:
        v = x
        for _ in range(50):
            v = T.tanh(v * 1.5) + x
        v = (v * other).sum()
        nodes = toposort(symc.grad(v, [x, other]))
        return sum(isinstance(node.op, SumTo) for node in nodes)

    assert summed(x) == 0
    assert summed(y) > 0
