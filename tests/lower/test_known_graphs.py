"""Graphs that must become as many kernels as a person would write."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from symc.array.constructors import ivector, lscalar, lvector, matrix, scalar, tensor3, vector
from symc.loop.program import KernelStep, RoutineStep
from symc.ops import methods  # noqa: F401 - gives variables their methods
from symc.ops.alloc import arange, zeros
from symc.ops.argmax import argmax
from symc.ops.dot import dot_op
from symc.ops.elemwise import cast
from symc.ops.gather import AdvancedSubtensor, advanced_subtensor1
from symc.ops.math import exp, log, sqrt, tanh
from symc.ops.shape import reshape
from tests.lower.helpers import check

SHAPES = [(3, 4), (1, 4), (3, 1), (1, 1), (7, 13)]


def softmax(x: Any, axis: int = 1) -> Any:
    e = exp(x - x.max(axis=axis, keepdims=True))
    return e / e.sum(axis=axis, keepdims=True)


def standardised(x: Any, axis: int = 1) -> Any:
    mean = x.mean(axis=axis, keepdims=True)
    variance = ((x - mean) ** 2).mean(axis=axis, keepdims=True)
    return (x - mean) / sqrt(variance + 1e-5)


def logsumexp(x: Any) -> Any:
    top = x.max(axis=1, keepdims=True)
    return (log(exp(x - top).sum(axis=1, keepdims=True)) + top)[:, 0]


def data(shape: tuple[int, ...], seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).standard_normal(shape)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("axis", [0, 1])
@pytest.mark.parametrize("function", [softmax, standardised])
def test_row_wise_chain_is_one_kernel(function: Any, axis: int, shape: tuple[int, ...]) -> None:
    x = matrix("x")
    check([x], [function(x, axis)], [data(shape)], kernels=1)


@pytest.mark.parametrize("shape", [*SHAPES, (0, 4)])
def test_logsumexp_is_one_kernel(shape: tuple[int, ...]) -> None:
    x = matrix("x")
    check([x], [logsumexp(x)], [data(shape)], kernels=1)


def test_layer_norm_with_gain_and_bias_is_one_kernel() -> None:
    x, gain, bias = matrix("x"), vector("gain"), vector("bias")
    check([x, gain, bias], [standardised(x) * gain + bias], [data((5, 6)), data((6,)), data((6,))],
          kernels=1)


def test_elementwise_chain_is_one_kernel() -> None:
    x, y, v = matrix("x"), matrix("y"), vector("v")
    out = tanh(x * y + v) - x.T.T
    check([x, y, v], [out, out * 2], [data((3, 4)), data((3, 4), 1), data((4,), 2)], kernels=1)


def test_reductions_over_the_same_axis_share_a_kernel() -> None:
    x = matrix("x")
    outs = [x.mean(axis=0), (x * x).sum(axis=0), x.max(axis=0)]
    check([x], outs, [data((5, 3))], kernels=1)


def test_full_reductions_and_an_elementwise_result_share_a_sweep() -> None:
    x, y = matrix("x"), matrix("y")
    loss = ((x - y) ** 2).mean()
    check([x, y], [loss, 2 * (x - y)], [data((4, 5)), data((4, 5), 1)], kernels=1)


def test_a_full_reduction_is_not_followed_by_a_second_sweep() -> None:
    x = matrix("x")
    check([x], [x / x.sum()], [data((4, 5))], kernels=2)


def test_variance_over_all_axes_is_two_kernels() -> None:
    x = matrix("x")
    check([x], [((x - x.mean()) ** 2).mean()], [data((4, 5))], kernels=2)


def test_reductions_over_other_axes_are_other_kernels() -> None:
    x = matrix("x")
    check([x], [x.sum(axis=0), x.sum(axis=1)], [data((4, 5))], kernels=2)


@pytest.mark.parametrize("shape", [(4, 5), (1, 5), (4, 1), (0, 5)])
def test_crossentropy_with_integer_targets_is_two_kernels(shape: tuple[int, ...]) -> None:
    x, y = matrix("x"), ivector("y")
    top = x.max(axis=1, keepdims=True)
    logp = x - top - log(exp(x - top).sum(axis=1, keepdims=True))
    targets = (np.arange(shape[0]) % shape[1]).astype("int32")
    rows = -AdvancedSubtensor((0, 1))(logp, arange(y.shape[0]), y)
    check([x, y], [rows], [data(shape), targets], kernels=1)
    if shape[0]:
        check([x, y], [rows.mean()], [data(shape), targets], kernels=2)


def test_gradient_of_crossentropy_is_one_row_kernel() -> None:
    x, y = matrix("x"), ivector("y")
    p = softmax(x)
    hot = cast(arange(x.shape[1]).dimshuffle("x", 0) - y.dimshuffle(0, "x"), "float64")
    out = (p - 1 / (1 + 1e9 * hot * hot)) / x.shape[0]
    check([x, y], [out, argmax(p, axis=1)], [data((4, 5)), np.array([0, 4, 2, 2], "int32")],
          kernels=1)


def test_gather_is_part_of_the_kernel() -> None:
    table, idx = matrix("W"), lvector("idx")
    out = tanh(advanced_subtensor1(table, idx)) * 2
    check([table, idx], [out], [data((5, 3)), np.array([4, 0, -1, 4])], kernels=1)


def test_transposed_operands_of_a_product_are_views() -> None:
    x, y = matrix("x"), matrix("y")
    program = check([x, y], [dot_op(x.T, y)], [data((4, 3)), data((4, 5), 1)], kernels=0)
    assert isinstance(program.steps[-1], RoutineStep)


def test_a_layer_and_its_gradient() -> None:
    x, w, b, g = matrix("x"), matrix("w"), vector("b"), matrix("g")
    h = tanh(dot_op(x, w) + b)
    delta = g * (1 - h * h)
    outs = [h, dot_op(x.T, delta), delta.sum(axis=0)]
    values = [data((6, 3)), data((3, 4), 1), data((4,), 2), data((6, 4), 3)]
    program = check([x, w, b, g], outs, values)
    kernels = [s for s in program.steps if isinstance(s, KernelStep)]
    assert len(kernels) == 1


def test_cheap_values_are_not_stored_for_another_kernel() -> None:
    x, y = matrix("x"), matrix("y")
    doubled = 2 * x
    outs = [doubled.sum(axis=0), doubled.sum(axis=1), (doubled * y).sum()]
    program = check([x, y], outs, [data((3, 4)), data((3, 4), 1)])
    assert not program.slots


def test_reshape_of_a_computed_value_is_a_view() -> None:
    x = matrix("x")
    out = reshape(exp(x), (x.shape[1], x.shape[0])).sum(axis=0)
    check([x], [out], [data((3, 4))], kernels=2)


def test_sizes_from_integer_inputs() -> None:
    x, n = vector("x"), lscalar("n")
    check([x, n], [x[:n] * 2, zeros((n, 2)) + x[0]], [data((5,)), np.array(3)])


def test_scalars_only() -> None:
    a, b = scalar("a"), scalar("b")
    check([a, b], [a * b + exp(a), a - b], [np.array(1.5), np.array(-2.0)], kernels=1)


def test_three_axes_with_two_reduced() -> None:
    x = tensor3("x")
    check([x], [x - x.mean(axis=(0, 2), keepdims=True)], [data((2, 3, 4))], kernels=1)
