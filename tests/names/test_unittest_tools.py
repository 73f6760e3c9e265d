"""`symc.tests.unittest_tools`: helpers for tests of ops; that they fail when they should."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.config import change_flags
from symc.misc.doubleop import DoubleOp
from symc.runtime import native_available
from symc.tests import unittest_tools as tools


class WrongShape(DoubleOp):
    """Says that its result is one longer."""

    def infer_shape(self, node: Any, in_shapes: Any) -> Any:
        return [(in_shapes[0][0] + 1,)]


class NoShape(DoubleOp):
    """Does not say the shape of its result."""

    def infer_shape(self, node: Any, in_shapes: Any) -> Any:
        raise symc.ShapeError("not known")


def check(op: Any, value: Any, **options: Any) -> None:
    x = T.TensorType("float64", (False,) * np.ndim(value))()
    tester = tools.InferShapeTester()
    tester.setUp()
    tester._compile_and_check([x], [op(x)], [value], type(op), **options)


@pytest.mark.skipif(not native_available(), reason="the NumPy path computes for shapes")
def test_shapes_are_checked() -> None:
    check(DoubleOp(), np.ones((2, 3)))
    with pytest.raises(AssertionError, match="only to know shapes"):
        check(NoShape(), np.ones(3))
    with pytest.raises(Exception, match=r"3|4"):
        check(WrongShape(), np.ones(3), check_topo=False)
    with pytest.warns(UserWarning, match="swapped"):
        check(DoubleOp(), np.ones((2, 2)))


def test_comparison() -> None:
    a = np.array([1.0, np.nan, 3.0])
    tools.assert_allclose(a, a * (1 + 1e-12))
    tools.assert_allclose(np.float32(1), np.float32(1.000001))
    with pytest.raises(tools.WrongValue, match="largest absolute difference: 0.5"):
        tools.assert_allclose([1.0, 2.0], [1.0, 2.5])
    with pytest.raises(AssertionError, match=r"shape \(3,\)"):
        tools.assert_allclose([1.0, 2.0], [1.0, 2.0, 3.0])
    tools.assert_allclose([1.0, 2.0], [1.0, 2.5], rtol=1)


def test_seeds() -> None:
    assert tools.fetch_seed() == 666
    assert tools.fetch_seed(7) == 7
    with change_flags(**{"unittests.rseed": "12"}):
        assert tools.fetch_seed(7) == 12
        tools.seed_rng()
        first = np.random.rand()
        tools.seed_rng()
        assert np.random.rand() == first
    with change_flags(**{"unittests.rseed": "random"}):
        assert len({tools.fetch_seed() for _ in range(5)}) > 1


def test_gradients() -> None:
    tools.verify_grad(DoubleOp(), [np.ones(3)])
    wrong = type("Wrong", (DoubleOp,), {"grad": lambda self, inputs, gs: [gs[0] * 3]})
    with pytest.raises(symc.GradientError):
        tools.verify_grad(wrong(), [np.ones(3)])


def test_attempts() -> None:
    calls: list[int] = []

    def second_time() -> None:
        calls.append(1)
        assert len(calls) >= 2

    tools.AttemptManyTimes(3)(second_time)()
    assert len(calls) == 2
    calls.clear()
    with pytest.raises(AssertionError):
        tools.AttemptManyTimes(2, 2)(second_time)()
    assert len(calls) == 1, "two successes are not possible any more"
    with pytest.raises(ValueError, match="impossible"):
        tools.AttemptManyTimes(1, 2)
