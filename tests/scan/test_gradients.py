"""Derivatives of loops: truncated, second order, directional, with conditions and checkpoints."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, scan
from symc.gradient import disconnected_grad
from symc.scan_module import scan_checkpoints, until
from tests.scan.differences import numerical_gradient

MODES = ("FAST_RUN", "NUMPY")
X = np.array([0.5, -1.0, 2.0, 0.25, -0.75])


def _recurrent(x: Any, h0: Any, w: Any, **more: Any) -> Any:
    return scan(lambda v, h: T.tanh(w * h + v), sequences=x, outputs_info=h0, **more)[0]


def _by_hand(x: Any, h: Any, w: Any) -> Any:
    rows = []
    for v in x:
        h = np.tanh(w * h + v)
        rows.append(h)
    return np.array(rows)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("steps", [0, 1, 5])
def test_first_order(mode: str, steps: int) -> None:
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    cost = (_recurrent(x, h0, w) * T.arange(1, steps + 1)).sum()
    got = function([x, h0, w], grad(cost, [x, h0, w]), mode=mode)(X[:steps], 0.3, 0.7)
    weights = np.arange(1, steps + 1)

    def value(x: Any, h: Any, w: Any) -> Any:
        return (_by_hand(x, h, w) * weights).sum()

    point = [X[:steps], np.array(0.3), np.array(0.7)]
    for k in range(3):
        expected = numerical_gradient(
            lambda v, k=k: value(*point[:k], v, *point[k + 1 :]), point[k]
        )
        np.testing.assert_allclose(got[k], expected, rtol=1e-5, atol=1e-8)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("back", [1, 2, 4, 5, 9])
def test_truncated_is_that_of_a_graph_cut_in_time(mode: str, back: int) -> None:
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    cost = _recurrent(x, h0, w, truncate_gradient=back)[-1]
    got = function([x, h0, w], grad(cost, [x, h0, w]), mode=mode)(X, 0.3, 0.7)
    h = h0
    for t in range(5):
        if t and t == 5 - back:
            h = disconnected_grad(h)
        v, weight = (x[t], w) if t >= 5 - back else (disconnected_grad(x[t]), disconnected_grad(w))
        h = T.tanh(weight * h + v)
    wanted = grad(h, [x, h0, w], disconnected_inputs="ignore")
    expected = function([x, h0, w], wanted, mode=mode)(X, 0.3, 0.7)
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12, atol=1e-15)


@pytest.mark.parametrize("mode", MODES)
def test_second_order_and_products_with_the_hessian(mode: str) -> None:
    x, h0, w = T.dvector("x"), T.dvector("h0"), T.dmatrix("w")
    v = T.dmatrix("v")
    h, _ = scan(lambda e, h: T.tanh(T.dot(h, w) + e), sequences=x, outputs_info=h0)
    cost = (h**2).sum()
    gw = grad(cost, w)
    by_reverse = grad((gw * v).sum(), w)
    by_forward = symc.Rop(gw, w, v)
    f = function([x, h0, w, v], [gw, by_reverse, by_forward], mode=mode)
    rng = np.random.default_rng(0)
    h0v, wv, vv = rng.normal(size=2), rng.normal(size=(2, 2)), rng.normal(size=(2, 2))
    _, reverse, forward = f(X, h0v, wv, vv)
    step = 1e-6
    numeric = (f(X, h0v, wv + step * vv, vv)[0] - f(X, h0v, wv - step * vv, vv)[0]) / (2 * step)
    np.testing.assert_allclose(reverse, numeric, rtol=1e-5, atol=1e-7)
    np.testing.assert_allclose(forward, reverse, rtol=1e-9)
    again = symc.hessian_vector_product(cost, [w], [v])
    again = again[0] if isinstance(again, (list, tuple)) else again
    np.testing.assert_allclose(
        function([x, h0, w, v], again, mode=mode)(X, h0v, wv, vv), reverse, rtol=1e-9
    )


@pytest.mark.parametrize("mode", MODES)
def test_directional_derivative_with_taps_and_updates(mode: str) -> None:
    x, h0, u, v = T.dvector("x"), T.dvector("h0"), T.dvector("u"), T.dvector("v")
    h, _ = scan(
        lambda e, b, a: T.sin(a) * b + e,
        sequences=x,
        outputs_info={"initial": h0, "taps": [-2, -1]},
    )
    f = function([x, h0, u, v], [h, symc.Rop(h, [x, h0], [u, v])], mode=mode)
    rng = np.random.default_rng(1)
    h0v, uv, vv = rng.normal(size=2), rng.normal(size=5), rng.normal(size=2)
    _, along = f(X, h0v, uv, vv)
    step = 1e-6
    high, low = (f(X + s * uv, h0v + s * vv, uv, vv)[0] for s in (step, -step))
    np.testing.assert_allclose(along, (high - low) / (2 * step), rtol=1e-6)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [0.4, 1.4, 9.0])
def test_through_a_loop_that_ends_early(mode: str, limit: float) -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    h, _ = scan(
        lambda v, h: (h * w + v**2, until(h * w + v**2 > limit)),
        sequences=x,
        outputs_info=T.constant(0.1),
    )
    f = function([x, w], [h, *grad((h**2).sum(), [x, w])], mode=mode)

    def rows(x: Any, w: Any) -> Any:
        s, result = 0.1, []
        for v in x:
            s = s * w + v**2
            result.append(s)
            if s > limit:
                break
        return np.array(result)

    got, gx, gw = f(X, 0.7)
    np.testing.assert_allclose(got, rows(X, 0.7))
    np.testing.assert_allclose(
        gx, numerical_gradient(lambda v: (rows(v, 0.7) ** 2).sum(), X), rtol=1e-5, atol=1e-8
    )
    np.testing.assert_allclose(
        gw, numerical_gradient(lambda v: (rows(X, v[()]) ** 2).sum(), 0.7), rtol=1e-5
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("every", [1, 2, 3, 5, 7])
def test_checkpoints(mode: str, every: int) -> None:
    x, h0, w = T.dvector("x"), T.dscalar("h0"), T.dscalar("w")
    h, _ = scan_checkpoints(
        lambda v, h, w: T.tanh(w * h + v), x, [h0], [w], save_every_N=every
    )
    (h,) = h if isinstance(h, list) else [h]
    f = function([x, h0, w], [h, *grad(h[-1], [x, h0, w])], mode=mode)
    got, gx, gh, gw = f(X, 0.3, 0.7)
    expected = _by_hand(X, 0.3, 0.7)
    kept = [min(k + every, 5) - 1 for k in range(0, 5, every)]
    np.testing.assert_allclose(got, expected[kept])
    for found, k in ((gx, 0), (gh, 1), (gw, 2)):
        point: list[Any] = [X, np.array(0.3), np.array(0.7)]
        numeric = numerical_gradient(
            lambda v, k=k, point=point: _by_hand(*point[:k], v, *point[k + 1 :])[-1], point[k]
        )
        np.testing.assert_allclose(found, numeric, rtol=1e-5, atol=1e-9)


def test_gradient_with_respect_to_what_a_loop_does_not_use() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    out, _ = scan(lambda v, unused: v * 2, sequences=x, non_sequences=y)
    with pytest.raises(symc.DisconnectedInputError):
        grad(out.sum(), y)
    (zero,) = grad(out.sum(), [y], disconnected_inputs="ignore")
    np.testing.assert_allclose(function([x, y], zero, on_unused_input="ignore")(X, X), 0)
