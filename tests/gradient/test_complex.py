"""Derivatives of complex functions, against finite differences.

The gradient of a real cost has the derivative by the real part as real part, and that by the
imaginary part as imaginary part.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T

POINT = np.array([0.3 + 0.7j, -1.1 + 0.2j])
DIRECTION = np.array([0.5 - 0.4j, 1 + 2j])
STEP = 1e-6
FUNCTIONS = {
    "exp": T.exp,
    "log": T.log,
    "sqrt": T.sqrt,
    "sqr": T.sqr,
    "sin": T.sin,
    "tanh": T.tanh,
    "neg": lambda z: -z,
    "inv": T.inv,
    "conj": T.conj,
    "abs": abs,
    "real": T.real,
    "imag": T.imag,
    "angle": T.angle,
    "product": lambda z: z * z,
    "times a constant": lambda z: z * (2 + 1j),
    "times its conjugate": lambda z: z * T.conj(z),
    "quotient": lambda z: 1 / (z + 2),
    "cube": lambda z: z**3,
    "part": lambda z: z[:1] * 1j,
    "sum": lambda z: z.sum() * z,
    "mean": lambda z: z.mean(),
    "prod": T.prod,
    "dot": lambda z: T.dot(T.outer(z, z), z),
    "real matrix": lambda z: T.dot(np.array([[1.0, 2.0], [-0.5, 3.0]]), z),
}


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_gradient(name: str, mode: str) -> None:
    z = T.zvector("z")
    y = FUNCTIONS[name](z)
    cost = T.sum(T.real(y) * 1.3 + T.imag(y) * 0.7 if "complex" in y.dtype else y)
    f = symc.function([z], [cost, symc.grad(cost, z)], mode=mode)

    def difference(step: Any) -> Any:
        return (f(POINT + step)[0] - f(POINT - step)[0]) / (2 * STEP)

    expected = [
        difference(STEP * unit) + 1j * difference(1j * STEP * unit) for unit in np.eye(2)
    ]
    np.testing.assert_allclose(f(POINT)[1], expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("name", list(FUNCTIONS))
def test_directional_derivative(name: str, mode: str) -> None:
    z, v = T.zvector("z"), T.zvector("v")
    y = FUNCTIONS[name](z)
    f = symc.function([z], y, mode=mode)
    moved = symc.function([z, v], symc.Rop(y, z, v), mode=mode, on_unused_input="ignore")
    found = moved(POINT, DIRECTION)
    ahead, behind = f(POINT + STEP * DIRECTION), f(POINT - STEP * DIRECTION)
    np.testing.assert_allclose(found, (ahead - behind) / (2 * STEP), rtol=1e-6, atol=1e-7)
