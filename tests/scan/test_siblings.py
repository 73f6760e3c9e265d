"""Products in loops that share a factor: random gates of random widths, joined and not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, scan
from symc.compile.mode import get_mode

RULES = ("loop_products_joined", "loop_sum_of_products_joined")
MATRIX = {"float32": T.fmatrix, "float64": T.dmatrix}
VECTOR = {"float32": T.fvector, "float64": T.dvector}


def _graph(rng: np.random.Generator) -> tuple[list[Any], list[Any], list[np.ndarray]]:
    """A loop with random gates and its gradients; inputs, outputs and values of the inputs."""
    dtype = str(rng.choice(["float32", "float64"]))
    count, rank = int(rng.integers(2, 5)), int(rng.integers(1, 3))
    steps, n = (int(k) for k in rng.choice([0, 1, 2, 3], 2))
    widths = rng.choice([0, 1, 2, 4], count)
    start = (MATRIX if rank == 2 else VECTOR)[dtype]("start")
    ahead = [MATRIX[dtype](f"w{k}") for k in range(count)]
    back = [MATRIX[dtype](f"v{k}") for k in range(count)]
    drive = VECTOR[dtype]("drive")
    flipped = rng.random(count) < 0.3

    def step(x: Any, h: Any) -> Any:
        gates = [
            T.tanh(T.dot(h, w.T if flip else w) + x)
            for w, flip in zip(ahead, flipped, strict=True)
        ]
        return T.tanh(sum(T.dot(g, v) for g, v in zip(gates, back, strict=True)) + x * h)

    h, _ = scan(step, drive, start)
    cost = (h**2).sum() + h[-1:].sum()
    inputs = [drive, start, *ahead, *back]
    shapes: list[Any] = [(steps,), (2, n) if rank == 2 else (n,)]
    shapes += [(m, n) if flip else (n, m) for m, flip in zip(widths, flipped, strict=True)]
    shapes += [(m, n) for m in widths]
    values = [rng.normal(size=shape).astype(dtype) for shape in shapes]
    return inputs, [h, cost, *grad(cost, inputs[1:])], values


@pytest.mark.parametrize("seed", range(24))
def test_random_gates_keep_their_values(seed: int) -> None:
    inputs, outputs, values = _graph(np.random.default_rng(seed))
    mode = get_mode("FAST_RUN" if seed < 4 else "NUMPY")
    got = function(inputs, outputs, mode=mode)(*values)
    expected = function(inputs, outputs, mode=mode.excluding(*RULES))(*values)
    tolerance = 1e-4 if values[0].dtype == "float32" else 1e-11
    for a, b in zip(got, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_allclose(a, b, rtol=tolerance, atol=tolerance)


def test_separate_gates_are_one_product_forward_back_and_after_the_loop() -> None:
    x, h0 = T.dtensor3("x"), T.dmatrix("h0")
    weights = [T.dmatrix(f"w{k}") for k in range(4)]

    def step(row: Any, h: Any) -> Any:
        a, b, c, d = (T.dot(h, w) + row for w in weights)
        return T.tanh(a) * T.nnet.sigmoid(b) + T.tanh(c * d)

    h, _ = scan(step, x, h0)
    cost = (h**2).sum()
    f = function([x, h0, *weights], [cost, *grad(cost, weights)])
    rng = np.random.default_rng(0)
    f(rng.normal(size=(3, 2, 4)), np.zeros((2, 4)), *rng.normal(size=(4, 4, 4)))
    text = symc.debugprint(f, file="str")
    products = set(re.findall(r"dot \[id (\w+)\]", text))
    assert len(products) == 3, text
    assert len(set(re.findall(r"Join{axis=1} \[id (\w+)\]", text))) == 2, text
