"""The interface of `scan` and its relatives, against loops in NumPy."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Apply, Op, function, scan
from symc.graph.special import generic
from symc.scan_module import until
from tests.scan.differences import numerical_gradient

MODES = ("FAST_RUN", "NUMPY")
X = np.array([0.5, -1.0, 2.0, 0.25, -0.75])


def _run(inputs: Any, outputs: Any, *values: Any, mode: Any = None, updates: Any = None) -> Any:
    return function(inputs, outputs, mode=mode, updates=updates)(*values)


def test_one_output_is_unwrapped_unless_asked_for() -> None:
    x = T.dvector("x")
    single, updates = scan(lambda v: v * 2, sequences=x)
    assert single.type == T.dvector
    assert not updates
    listed, _ = scan(lambda v: v * 2, sequences=x, return_list=True)
    assert isinstance(listed, list)
    assert len(listed) == 1
    pair, _ = scan(lambda v: [v * 2], sequences=[x])
    assert isinstance(pair, list)
    assert len(pair) == 1
    assert isinstance(updates, symc.OrderedUpdates)


@pytest.mark.parametrize("mode", MODES)
def test_order_of_arguments(mode: str) -> None:
    x, y, a, b = T.dvector("x"), T.dvector("y"), T.dvector("a"), T.dscalar("b")
    c = T.dscalar("c")

    def step(*args: Any) -> Any:
        x_before, x_now, y_now, a_2, a_1, b_1, factor = args
        assert args[-1] is c
        return [a_1 - a_2 * factor + x_before * y_now, b_1 * 0.5 + x_now]

    (p, q), _ = scan(
        step,
        sequences=[{"input": x, "taps": [-1, 0]}, y],
        outputs_info=[{"initial": a, "taps": [-2, -1]}, b],
        non_sequences=c,
    )
    got_p, got_q = _run([x, y, a, b, c], [p, q], X, X * 2, [1.0, 2.0], 3.0, 0.1, mode=mode)
    ps, qs = [1.0, 2.0], [3.0]
    for t in range(4):  # x[t - 1] needs a first element, y starts at once
        ps.append(ps[-1] - ps[-2] * 0.1 + X[t] * 2 * X[t])
        qs.append(qs[-1] * 0.5 + X[t + 1])
    np.testing.assert_allclose(got_p, ps[2:])
    np.testing.assert_allclose(got_q, qs[1:])


@pytest.mark.parametrize("mode", MODES)
def test_updates_and_outputs_in_either_order(mode: str) -> None:
    x = T.dvector("x")
    for swapped in (False, True):
        count = symc.shared(np.int64(0))

        def step(v: Any, count: Any = count, swapped: bool = swapped) -> Any:
            parts = ([v * 2 + count], {count: count + 1})
            return parts[::-1] if swapped else parts

        (out,), updates = scan(step, sequences=x)
        assert list(updates) == [count]
        got = _run([x], out, X, mode=mode, updates=updates)
        np.testing.assert_allclose(got, X * 2 + np.arange(5))
        assert count.get_value() == 5


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("symbolic", [False, True])
@pytest.mark.parametrize("n", [0, 1, 4])
def test_numbers_of_steps(mode: str, symbolic: bool, n: int) -> None:
    x, h, k = T.dvector("x"), T.dscalar("h"), T.lscalar("k")
    (rows, squares), _ = scan(
        lambda v, s: [s * 0.5 + v, v * v],
        sequences=x,
        outputs_info=[h, None],
        n_steps=k if symbolic else n,
    )
    f = function([x, h, k], [rows, squares], mode=mode, on_unused_input="ignore")
    got, got_squares = f(X, 3.0, n)
    expected, s = [], 3.0
    for v in X[:n]:
        s = s * 0.5 + v
        expected.append(s)
    assert got.shape == got_squares.shape == (n,)
    np.testing.assert_allclose(got, expected)
    np.testing.assert_allclose(got_squares, X[:n] ** 2)


@pytest.mark.parametrize("mode", MODES)
def test_sequences_of_different_lengths_and_backwards(mode: str) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    out, _ = scan(lambda a, b: a * b, sequences=[x, y])
    np.testing.assert_allclose(_run([x, y], out, X, X[:3], mode=mode), X[:3] ** 2)
    out, _ = scan(lambda a, s: s + a, x, T.constant(0.0), go_backwards=True)
    np.testing.assert_allclose(_run([x], out, X, mode=mode), np.cumsum(X[::-1]))


@pytest.mark.parametrize("mode", MODES)
def test_future_taps(mode: str) -> None:
    x = T.dvector("x")
    out, _ = scan(
        lambda a, b, c: a + 10 * b + 100 * c, sequences={"input": x, "taps": [0, 2, -1]}
    )
    np.testing.assert_allclose(
        _run([x], out, X, mode=mode), X[1:3] + 10 * X[3:5] + 100 * X[0:2]
    )


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("limit", [0.0, 2.0, 100.0, -1.0])
def test_until(mode: str, limit: float) -> None:
    x, bound = T.dvector("x"), T.dscalar("bound")
    (rows, squares), _ = scan(
        lambda v, s: ([s + abs(v), v * v], {}, until(s + abs(v) > bound)),
        sequences=x,
        outputs_info=[T.constant(0.0), None],
    )
    f = function([x, bound], [rows, squares, rows.shape[0]], mode=mode)
    got, got_squares, length = f(X, limit)
    sums = np.cumsum(np.abs(X))
    n = min(int((sums <= limit).sum()) + 1, 5)
    assert length == n
    np.testing.assert_allclose(got, sums[:n])
    np.testing.assert_allclose(got_squares, X[:n] ** 2)


@pytest.mark.parametrize("mode", MODES)
def test_map_reduce_and_folds(mode: str) -> None:
    x = T.dvector("x")
    zero = T.constant(0.0)
    outs = [
        symc.map(lambda v: v**2, x)[0],
        symc.map(lambda v: v**2, x, go_backwards=True)[0],
        symc.reduce(lambda v, s: s + v, x, zero)[0],
        symc.foldl(lambda v, s: s * 0.5 + v, x, zero)[0],
        symc.foldr(lambda v, s: s * 0.5 + v, x, zero)[0],
    ]
    got = _run([x], outs, X, mode=mode)

    def fold(values: Any) -> float:
        s = 0.0
        for v in values:
            s = s * 0.5 + v
        return s

    expected = [X**2, X[::-1] ** 2, X.sum(), fold(X), fold(X[::-1])]
    for a, b in zip(got, expected, strict=True):
        np.testing.assert_allclose(a, b)


def test_arguments_that_are_accepted_as_in_theano() -> None:
    x = T.dvector("x")
    out, _ = scan(
        lambda v: v + 1, [x], [None], [], None, -1, False, "FAST_RUN", "loop", True, False, True
    )
    np.testing.assert_allclose(_run([x], out, X), X + 1)
    out, _ = scan(lambda v: v + 1, x, outputs_info={}, mode=symc.Mode("numpy", None))
    np.testing.assert_allclose(_run([x], out, X), X + 1)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["int8", "int64", "bool", "float32", "complex128"])
def test_carries_of_other_dtypes(mode: str, dtype: str) -> None:
    x = T.TensorType(dtype, (False, False))("x")
    start = T.TensorType(dtype, (False,))("start")
    step: Any = (lambda v, s: s | v) if dtype == "bool" else (lambda v, s: s * v - v)
    out, _ = scan(step, sequences=x, outputs_info=start)
    rng = np.random.default_rng(0)
    xs = rng.integers(-2, 3, (4, 3)).astype(dtype)
    s = rng.integers(-2, 3, 3).astype(dtype)
    got = _run([x, start], out, xs, s, mode=mode)
    assert got.dtype == dtype
    for row, v in zip(got, xs, strict=True):
        s = step(v, s)
        np.testing.assert_array_equal(row, s)


@pytest.mark.parametrize("mode", MODES)
def test_numbers_as_first_values(mode: str) -> None:
    x, i = T.dvector("x"), T.lvector("i")
    for start in (0, 0.0, np.float32(0), np.zeros(())):
        out, _ = scan(lambda v, s: s + v, sequences=x, outputs_info=[start])
        got = _run([x], out[0] if isinstance(out, list) else out, X, mode=mode)
        np.testing.assert_allclose(got, np.cumsum(X))
        assert got.dtype == "float64"
    out, _ = scan(lambda v, s: s + v, sequences=i, outputs_info=0)
    got = _run([i], out, [1, 2, 3], mode=mode)
    assert got.dtype == "int64"
    assert got.tolist() == [1, 3, 6]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("units", [0, 1, 2])
@pytest.mark.parametrize("batch", [0, 1, 3])
def test_axes_of_length_0_and_1(mode: str, units: int, batch: int) -> None:
    """LSTM with one unit (Theano issue 5224)."""
    x, w = T.dtensor3("x"), T.dmatrix("w")

    def step(x_t: Any, h: Any, c: Any) -> Any:
        z = x_t + T.dot(h, w)
        n = w.shape[0]
        i, o, g = T.sigmoid(z[:, :n]), T.sigmoid(z[:, n : 2 * n]), T.tanh(z[:, 2 * n :])
        c = c * 0.5 + i * g
        return o * T.tanh(c), c

    zero = T.alloc(0.0, x.shape[1], w.shape[0])
    (h, _), _ = scan(step, sequences=x, outputs_info=[zero, zero])
    f = function([x, w], [h, *symc.grad((h**2).sum(), [x, w])], mode=mode)
    rng = np.random.default_rng(1)
    xs, ws = rng.normal(size=(4, batch, 3 * units)), rng.normal(size=(units, 3 * units))
    got, gx, gw = f(xs, ws)
    assert gx.shape == xs.shape
    assert gw.shape == ws.shape
    hs = cs = np.zeros((batch, units))
    for t in range(4):
        z = xs[t] + hs @ ws
        i, o = (1 / (1 + np.exp(-z[:, k * units : (k + 1) * units])) for k in range(2))
        cs = cs * 0.5 + i * np.tanh(z[:, 2 * units :])
        hs = o * np.tanh(cs)
        np.testing.assert_allclose(got[t], hs)


@pytest.mark.parametrize("mode", MODES)
def test_a_user_op_and_a_user_type_inside(mode: str) -> None:
    class Wrapped(Op):
        def make_node(self, x: Any) -> Apply:
            return Apply(self, [T.as_tensor_variable(x)], [generic()])

        def perform(self, node: Any, inputs: Any, storage: Any, params: Any = None) -> None:
            storage[0][0] = {"value": inputs[0]}

    class Unwrapped(Op):
        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [T.dscalar()])

        def perform(self, node: Any, inputs: Any, storage: Any, params: Any = None) -> None:
            storage[0][0] = np.asarray(inputs[0]["value"] * 3.0)

    x = T.dvector("x")
    out, _ = scan(lambda v, s: s + Unwrapped()(Wrapped()(v)), sequences=x, outputs_info=0.0)
    np.testing.assert_allclose(_run([x], out, X, mode=mode), np.cumsum(3 * X))


@pytest.mark.parametrize("mode", MODES)
def test_three_levels_with_gradients(mode: str) -> None:
    x, w = T.dtensor3("x"), T.dscalar("w")

    def outer(matrix: Any, s: Any) -> Any:
        def middle(row: Any, r: Any) -> Any:
            def inner(v: Any, q: Any) -> Any:
                return T.tanh(q * w + v)

            return scan(inner, sequences=row, outputs_info=r)[0][-1]

        return scan(middle, sequences=matrix, outputs_info=s)[0][-1]

    out, _ = scan(outer, sequences=x, outputs_info=T.constant(0.1))
    f = function([x, w], [out, *symc.grad(out[-1], [x, w])], mode=mode)
    xs = np.random.default_rng(2).normal(size=(2, 3, 2))

    def by_hand(xs: Any, w: float) -> Any:
        s, rows = 0.1, []
        for matrix in xs:
            for v in matrix.reshape(-1):
                s = np.tanh(s * w + v)
            rows.append(s)
        return rows

    got, gx, gw = f(xs, 0.7)
    np.testing.assert_allclose(got, by_hand(xs, 0.7))
    np.testing.assert_allclose(
        gx, numerical_gradient(lambda v: by_hand(v, 0.7)[-1], xs), rtol=1e-5, atol=1e-9
    )
    np.testing.assert_allclose(
        gw, numerical_gradient(lambda v: by_hand(xs, v[()])[-1], 0.7), rtol=1e-5
    )


def test_givens_clone_copy_and_pickle() -> None:
    x, w = T.dvector("x"), T.dscalar("w")
    out, _ = scan(lambda v, s: s * w + v, sequences=x, outputs_info=T.constant(0.0))

    def by_hand(values: Any, w: float) -> Any:
        s, rows = 0.0, []
        for v in values:
            s = s * w + v
            rows.append(s)
        return rows

    f = function([x, w], out)
    expected = by_hand(X, 0.3)
    for g in (f, copy.copy(f), copy.deepcopy(f), pickle.loads(pickle.dumps(f)), f.copy()):
        np.testing.assert_allclose(g(X, 0.3), expected)
    g = function([x], out, givens={w: T.constant(0.3)})
    np.testing.assert_allclose(g(X), expected)
    y = T.dvector("y")
    g = function([y, w], symc.clone(out, {x: y * 2}))
    np.testing.assert_allclose(g(X / 2, 0.3), expected)
    s = symc.shared(np.zeros(5))
    function([x, w], updates=[(s, out)])(X, 0.3)
    np.testing.assert_allclose(s.get_value(), expected)
    again = pickle.loads(pickle.dumps((x, w, out)))
    np.testing.assert_allclose(function(list(again[:2]), again[2])(X, 0.3), expected)
    assert "Scan" in symc.debugprint(f, file="str")
