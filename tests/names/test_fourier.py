"""`tensor.fft` against NumPy, gradients by differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.tensor import fft

SHAPES = [(2, 1), (1, 6), (3, 5), (0, 4), (2, 4, 3), (2, 3, 4)]


def pairs(values: Any) -> Any:
    return np.stack([values.real, values.imag], -1)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("norm", [None, "ortho", "no_norm"])
@pytest.mark.parametrize("linker", ["c", "py"])
def test_forward_and_back(shape: tuple[int, ...], norm: str | None, linker: str) -> None:
    x = T.TensorType("float64", (False,) * len(shape))()
    value = np.random.default_rng(1).standard_normal(shape)
    axes = tuple(range(1, len(shape)))
    transformed = fft.rfft(x, norm)
    back = fft.irfft(transformed, norm, is_odd=bool(shape[-1] % 2))
    got, again = symc.function([x], [transformed, back], mode=symc.Mode(linker, "fast_run"))(value)
    expected = pairs(np.fft.rfftn(value, axes=axes, norm="ortho" if norm == "ortho" else None))
    np.testing.assert_allclose(got, expected, atol=1e-12)
    count = np.prod(shape[1:]) if norm == "no_norm" else 1
    np.testing.assert_allclose(again, value * count, atol=1e-10)


@pytest.mark.parametrize("shape", [(2, 1), (1, 6), (3, 5), (2, 4, 3)])
@pytest.mark.parametrize("norm", [None, "ortho"])
def test_gradients(shape: tuple[int, ...], norm: str | None) -> None:
    rng = np.random.RandomState(3)
    value = rng.standard_normal(shape)
    symc.verify_grad(lambda x: fft.rfft(x, norm), [value], rng=rng)
    odd = bool(shape[-1] % 2)
    spectrum = pairs(np.fft.rfftn(value, axes=tuple(range(1, len(shape)))))
    symc.verify_grad(lambda x: fft.irfft(x, norm, odd), [spectrum], rng=rng)


def test_dtypes_and_errors() -> None:
    assert fft.rfft(T.fmatrix()).dtype == "float32"
    assert fft.rfft(T.imatrix()).dtype == symc.config.floatX
    got = symc.function([x := T.fmatrix()], fft.irfft(fft.rfft(x)))(np.eye(4, dtype="float32"))
    assert got.dtype == "float32"
    np.testing.assert_allclose(got, np.eye(4), atol=1e-6)
    with pytest.raises(ValueError, match="norm"):
        fft.rfft(T.matrix(), "l2")
    with pytest.raises(ValueError, match="is_odd"):
        fft.irfft(T.tensor3(), is_odd=3)
    with pytest.raises(symc.ShapeError, match="at least 2 axes"):
        fft.rfft(T.vector())
    with pytest.raises(symc.ShapeError, match="real"):
        fft.rfft(T.zmatrix())
