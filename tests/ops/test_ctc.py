"""Connectionist temporal classification against sums over all alignments, and native code
against an independent recursion in plain probabilities."""

from __future__ import annotations

from itertools import groupby, product
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function
from symc.ops.ctc import CTCCosts
from symc.rewrite.engine import optimize
from symc.runtime import native_available
from symc.tensor.nnet.ctc import ConnectionistTemporalClassification, ctc

MODES = ["NUMPY", *(["FAST_RUN"] if native_available() else [])]


def probabilities(x: Any) -> Any:
    powers = np.exp(x - x.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def all_alignments(x: Any, labels: Any, length: int) -> float:
    """Sum the probabilities of the paths, one by one."""
    p = probabilities(x[:length])
    wanted = [k for k in labels if k >= 0]
    paths = product(range(x.shape[1]), repeat=length)
    fitting = (q for q in paths if [k for k, _ in groupby(q) if k] == wanted)
    total = sum(np.prod(p[range(length), q]) for q in fitting)
    return -np.log(total) if total else np.inf


def forward_backward(x: Any, labels: Any, length: int) -> tuple[float, Any]:
    """Cost and gradient of one input by the recursion of the paper, symbol by symbol."""
    p = probabilities(x[:length])
    symbols = [0]
    for k in labels:
        if k < 0:
            break
        symbols += [int(k), 0]
    n = len(symbols)

    def sums(p: Any, symbols: list[int]) -> Any:
        a = np.zeros((length, n))
        for t, s in product(range(length), range(n)):
            if t == 0:
                a[t, s] = p[t, symbols[s]] * (s < 2)
                continue
            total = a[t - 1, s] + (a[t - 1, s - 1] if s else 0)
            if s > 1 and symbols[s] not in (0, symbols[s - 2]):
                total += a[t - 1, s - 2]
            a[t, s] = total * p[t, symbols[s]]
        return a

    alpha, beta = sums(p, symbols), sums(p[::-1], symbols[::-1])[::-1, ::-1]
    likelihood = alpha[-1, -2:].sum()
    gradient = np.zeros(x.shape)
    if not likelihood:
        return np.inf, gradient
    gradient[:length] = p
    for t, s in product(range(length), range(n)):
        k = symbols[s]
        gradient[t, k] -= alpha[t, s] * beta[t, s] / p[t, k] / likelihood
    return -np.log(likelihood), gradient


def compiled(dtype: str = "float64", mode: str = "FAST_RUN", ints: str = "int64") -> Any:
    a = T.TensorType(dtype, (False,) * 3)()
    k, n = T.TensorType(ints, (False,) * 2)(), T.TensorType(ints, (False,))()
    costs = ctc(a, k, n)
    return function([a, k, n], [costs, symc.grad(costs.sum(), a)], mode=mode)


@pytest.mark.parametrize("mode", MODES)
def test_costs_are_sums_over_all_alignments(mode: str) -> None:
    x = np.random.default_rng(0).standard_normal((5, 6, 3))
    labels = np.array([[1, 2, -1], [2, 2, 1], [-1, 2, -1], [1, -1, 2], [1, 1, 1], [2, -5, 1]])
    lengths = np.array([4, 5, 3, 1, 4, 5])
    costs, _ = compiled(mode=mode)(x, labels, lengths)
    cut = [[1, 2], [2, 2, 1], [], [1], [1, 1, 1], [2]]  # what follows a negative number is padding
    expected = [all_alignments(x[:, i], cut[i], lengths[i]) for i in range(6)]
    assert expected[4] == np.inf
    np.testing.assert_allclose(costs, expected, rtol=1e-12)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("dtype", "tolerance"), [("float64", 1e-10), ("float32", 2e-5), ("float16", 5e-3)]
)
def test_costs_and_gradients_are_those_of_the_recursion(
    mode: str, dtype: str, tolerance: float
) -> None:
    rng = np.random.default_rng(1)
    steps, batch, classes, longest = 23, 7, 37, 9
    x = rng.standard_normal((steps, batch, classes)).astype(dtype)
    labels = rng.integers(1, 5, (batch, longest))  # few classes: labels repeat
    labels[0, 3:], labels[1], labels[2] = -1, -1, 4
    lengths = np.array([steps, 11, 18, 17, 0, 23, 5])  # the last one is too short
    costs, gradient = compiled(dtype, mode)(x, labels, lengths)
    assert (costs.dtype, gradient.dtype) == (dtype, dtype)
    assert np.isinf(costs[[6]]).all()
    assert np.isfinite(costs[[0, 1, 2, 3, 4, 5]]).all()
    for i in range(batch):
        if lengths[i] == 0:
            assert costs[i] == 0
            assert not gradient[:, i].any()
            continue
        cost, slope = forward_backward(x[:, i].astype("float64"), labels[i], int(lengths[i]))
        np.testing.assert_allclose(costs[i], cost, rtol=tolerance)
        np.testing.assert_allclose(gradient[:, i], slope, atol=tolerance)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_are_those_of_differences(mode: str) -> None:
    rng = np.random.default_rng(2)
    x, weights = rng.standard_normal((6, 3, 4)), rng.standard_normal(3)
    labels, lengths = np.array([[1, 1, 2], [3, -1, -1], [2, 3, 2]]), np.array([6, 4, 5])
    a = T.dtensor3()
    cost = (ctc(a, labels, lengths) * weights).sum()
    value = function([a], cost, mode=mode)
    slope = function([a], symc.grad(cost, a), mode=mode)(x)
    for at in [(0, 0, 0), (3, 0, 1), (2, 1, 3), (5, 1, 0), (4, 2, 2), (1, 2, 1)]:
        sides = []
        for step in (1e-5, -1e-5):
            moved = x.copy()
            moved[at] += step
            sides.append(value(moved))
        assert slope[at] == pytest.approx((sides[0] - sides[1]) / 2e-5, abs=1e-8)


@pytest.mark.parametrize("mode", MODES)
def test_extreme_activations_keep_paths_that_are_unlikely(mode: str) -> None:
    x = np.full((4, 3, 3), -1000.0)
    x[:, 0, 0] = 1000  # a label has probability exp(-2000) at each step
    x[:, 1] = 0
    x[:, 1, 2] = -np.inf  # the label 2 is impossible
    x[:, 2, 1] = 1000
    labels, lengths = np.array([[1, 2], [1, 2], [1, -1]]), np.array([4, 4, 4])
    costs, gradient = compiled(mode=mode)(x, labels, lengths)
    np.testing.assert_allclose(costs, [4000 - np.log(6), np.inf, 0], atol=1e-9)
    assert np.isfinite(gradient).all()
    assert not gradient[:, 1].any()
    np.testing.assert_allclose(gradient[:, 0].sum(1), 0, atol=1e-9)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("shape", [(0, 2, 3), (4, 0, 3), (3, 2, 0), (1, 1, 1), (3, 1, 1)])
@pytest.mark.parametrize("longest", [0, 1])
def test_sizes_of_zero_and_one(mode: str, shape: tuple[int, ...], longest: int) -> None:
    steps, batch, _ = shape
    labels = np.full((batch, longest), -1)
    lengths = np.full(batch, steps)
    costs, gradient = compiled(mode=mode)(np.ones(shape), labels, lengths)
    np.testing.assert_array_equal(costs, np.zeros(batch))
    np.testing.assert_array_equal(gradient, np.zeros(shape))


@pytest.mark.skipif(not native_available(), reason="compares native code with NumPy")
@pytest.mark.parametrize("ints", ["int8", "int32", "uint16"])
def test_native_code_and_numpy_agree_for_strided_operands(ints: str) -> None:
    rng = np.random.default_rng(3)
    x = rng.standard_normal((70, 12, 30)).transpose(2, 1, 0)[:, :, ::-2]
    labels = np.asfortranarray(rng.integers(0, 35, (12, 5)).astype(ints))
    lengths = np.arange(19, 31).astype(ints)
    for got, expected in zip(
        compiled(ints=ints)(x, labels, lengths),
        compiled(ints=ints, mode="NUMPY")(x, labels, lengths),
        strict=True,
    ):
        np.testing.assert_allclose(got, expected, rtol=1e-9, atol=1e-12)


@pytest.mark.skipif(not native_available(), reason="looks at the program")
def test_nothing_is_left_to_python() -> None:
    step = compiled()
    kinds = {type(s).__name__ for s in step.maker.executor.main.lowered.all_steps}
    assert "ForeignStep" not in kinds
    assert "LoopStep" in kinds


@pytest.mark.parametrize("mode", MODES)
def test_costs_alone_are_computed_where_no_gradient_is_used(mode: str) -> None:
    rng = np.random.default_rng(4)
    x, labels = rng.standard_normal((9, 3, 20)), rng.integers(1, 4, (3, 4))
    lengths = np.array([9, 0, 2])
    expected = compiled(mode=mode)(x, labels, lengths)
    a, k, n = T.dtensor3(), T.lmatrix(), T.lvector()
    f = function([a, k, n], ctc(a, k, n), mode=mode)
    np.testing.assert_array_equal(f(x, labels, lengths), expected[0])
    outputs = f.maker.executor.optimized.outputs
    assert [type(v.owner.op) for v in outputs] == [CTCCosts]
    slope = symc.grad(CTCCosts()(a, k, n).sum(), a)
    got = function([a, k, n], slope, mode=mode)(x, labels, lengths)
    np.testing.assert_array_equal(got, expected[1])


@pytest.mark.parametrize("mode", MODES)
def test_wrong_operands_are_named(mode: str) -> None:
    f = compiled(mode=mode)
    x, lengths = np.zeros((4, 2, 3)), np.array([4, 4])
    with pytest.raises(ValueError, match="a label is no class: 3 of 3 classes"):
        f(x, np.array([[1], [3]]), lengths)
    for wrong in (5, -1):
        with pytest.raises(ValueError, match=f"an input has {wrong} steps, the activations have 4"):
            f(x, np.array([[1], [2]]), np.array([4, wrong]))
    with pytest.raises(ValueError, match="batches of"):
        f(x, np.array([[1]]), lengths)


def test_the_op_is_told_by_its_operands() -> None:
    node = ConnectionistTemporalClassification()(T.ftensor3(), T.imatrix(), T.ivector()).owner
    assert [v.type.dtype for v in node.outputs] == ["float32", "float32"]
    assert node.op == ConnectionistTemporalClassification(openmp=True)


def test_costs_alone_after_the_activations_are_rewritten() -> None:
    a, k, n = T.dtensor3("a"), T.imatrix("k"), T.ivector("n")
    (costs,) = optimize([ctc(1 / a, k, n)]).outputs  # inv(a), in the phase of the rule
    assert type(costs.owner.op) is CTCCosts


@pytest.mark.parametrize("mode", MODES)
def test_classes_without_probability_have_no_gradient(mode: str) -> None:
    x = np.random.default_rng(8).standard_normal((4, 1, 3))
    x[0, 0, 2] = x[2, 0, 1] = x[3, 0, 0] = -np.inf
    cost, gradient = compiled(mode=mode)(x, np.array([[1, 2]]), np.array([4]))
    expected = forward_backward(np.maximum(x, -700)[:, 0], [1, 2], 4)
    np.testing.assert_allclose(cost, [expected[0]], rtol=1e-12)
    np.testing.assert_allclose(gradient[:, 0], expected[1], atol=1e-12)


@pytest.mark.parametrize("mode", MODES)
def test_what_is_no_number_is_seen_in_the_gradient(mode: str) -> None:
    x = np.zeros((3, 2, 3))
    x[1, 0, 0] = np.nan
    cost, gradient = compiled(mode=mode)(x, np.array([[1], [1]]), np.array([3, 3]))
    assert np.isnan(cost[0])
    assert np.isnan(gradient[:, 0]).any()
    assert np.isfinite(gradient[:, 1]).all()
