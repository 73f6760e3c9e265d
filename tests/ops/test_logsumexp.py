"""The logarithm of a sum of exponentials against SciPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import scipy.special

from symc.array.constructors import dmatrix, fvector, imatrix, zmatrix
from symc.array.type import TensorType
from symc.ops.logsumexp import LogSumExp, logsumexp
from tests.helpers import check_gradient, evaluate

CASES = [((3, 4), 1), ((3, 4), 0), ((3, 4), None), ((5,), 0), ((2, 1, 3), (0, 2)), ((1,), -1)]


@pytest.mark.parametrize(("shape", "axis"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("expanded", [False, True])
def test_values(shape: Any, axis: Any, dtype: str, expanded: bool) -> None:
    x = TensorType(dtype, (False,) * len(shape))("x")
    value = (np.random.default_rng(1).normal(size=shape) * 400).astype(dtype)
    y = logsumexp(x, axis)
    out = y.owner.op.expand(y.owner)[0] if expanded else y
    got = evaluate(out, [x], [value])
    expected = scipy.special.logsumexp(value, axis=axis)
    assert got.dtype == dtype
    np.testing.assert_allclose(got, expected, rtol=1e-6 if dtype == "float32" else 1e-13)


@pytest.mark.parametrize("expanded", [False, True])
def test_infinities_and_empty_axes(expanded: bool) -> None:
    x = dmatrix("x")
    y = logsumexp(x, 1)
    out = y.owner.op.expand(y.owner)[0] if expanded else y
    value = np.array([[-np.inf, -np.inf], [np.inf, 0.0], [np.nan, 0.0]])
    np.testing.assert_array_equal(evaluate(out, [x], [value]), [-np.inf, np.inf, np.nan])
    np.testing.assert_array_equal(evaluate(out, [x], [np.zeros((2, 0))]), [-np.inf, -np.inf])
    assert evaluate(out, [x], [np.zeros((0, 2))]).shape == (0,)


def test_gradient() -> None:
    rng = np.random.default_rng(2)
    check_gradient(lambda x: logsumexp(x, 1), [rng.normal(size=(3, 4))])
    check_gradient(lambda x: logsumexp(x), [rng.normal(size=(2, 3))])


def test_types() -> None:
    assert logsumexp(imatrix(), 0).dtype == "float64"
    assert logsumexp(fvector(), keepdims=True).broadcastable == (True,)
    assert LogSumExp(1) == LogSumExp((1,))
    with pytest.raises(TypeError, match="real numbers"):
        logsumexp(zmatrix())


def test_forward_derivative() -> None:
    x, v = dmatrix("x"), dmatrix("v")
    (tangent,) = LogSumExp(1).R_op([x], [v])
    rng = np.random.default_rng(3)
    a, b = rng.normal(size=(2, 3)), rng.normal(size=(2, 3))
    got = evaluate(tangent, [x, v], [a, b])
    step = 1e-6
    sides = [scipy.special.logsumexp(a + s * step * b, axis=1) for s in (1, -1)]
    np.testing.assert_allclose(got, (sides[0] - sides[1]) / (2 * step), rtol=1e-7)
