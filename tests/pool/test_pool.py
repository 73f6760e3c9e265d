"""Pooling against its definition: values, shapes, gradients to the second order, errors."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function
from symc.gradient import verify_grad
from symc.tensor.signal import pool

HERE = Path(__file__).name
POOL_MODES = ["max", "sum", "average_inc_pad", "average_exc_pad"]


def rng():
    return np.random.default_rng(23)


def count(n, ws, stride, ignore_border):
    """How many windows there are, by putting one after the other."""
    starts = 0
    while True:
        start = starts * stride
        if ignore_border and start + ws > n:
            return starts
        if not ignore_border and (start >= n or (starts and start - stride + ws >= n)):
            return starts
        starts += 1


def reference(x, ws, ignore_border=True, stride=None, pad=None, mode="max"):
    """Pooling over the last axes, one window at a time."""
    ndim = len(ws)
    stride, pad = stride or ws, pad or (0,) * ndim
    lead, lengths = x.shape[: x.ndim - ndim], x.shape[x.ndim - ndim :]
    wide = [n + 2 * p for n, p in zip(lengths, pad, strict=True)]
    out = [count(n, w, s, ignore_border) for n, w, s in zip(wide, ws, stride, strict=True)]
    y = np.zeros((*lead, *out))
    for at in np.ndindex(*out):
        spans, whole = [], 1
        for i, w, s, p, n in zip(at, ws, stride, pad, lengths, strict=True):
            start = i * s - p
            spans.append(slice(max(start, 0), max(min(start + w, n), 0)))
            whole *= min(start + w, n + p) - start
        part = x[(..., *spans)]
        part = part.reshape(*lead, int(np.prod(part.shape[len(lead) :])))
        total = {"max": part.max, "sum": part.sum, "average_exc_pad": part.mean,
                 "average_inc_pad": part.sum}[mode](axis=-1)
        y[(..., *at)] = total / whole if mode == "average_inc_pad" else total
    return y


SHAPES = [
    ((2, 3, 6, 8), (2, 2), {}),
    ((2, 3, 7, 9), (2, 2), {}),
    ((2, 3, 7, 9), (2, 2), {"ignore_border": False}),
    ((2, 1, 7, 9), (3, 2), {"ignore_border": False, "stride": (2, 1)}),
    ((1, 2, 8, 7), (3, 3), {"stride": (2, 2)}),
    ((1, 2, 8, 7), (2, 3), {"stride": (3, 5)}),
    ((1, 2, 8, 7), (2, 3), {"stride": (3, 5), "ignore_border": False}),
    ((1, 2, 5, 6), (3, 3), {"stride": (2, 1), "pad": (1, 2)}),
    ((1, 2, 5, 6), (3, 3), {"pad": (2, 0)}),
    ((5, 5), (5, 5), {}),
    ((2, 3, 4, 26), (2, 2), {}),
    ((1, 2, 4, 10), (2, 2), {}),
    ((3, 2, 37), (2, 3), {}),
    ((1, 1), (1, 1), {}),
    ((1, 1), (3, 2), {"ignore_border": False}),
    ((2, 0, 4, 4), (2, 2), {}),
    ((3, 4, 4), (1, 3), {"stride": (1, 1)}),
    ((2, 4, 5, 6), (2, 2, 3), {"ignore_border": False}),
    ((2, 4, 5, 6), (2, 3, 2), {"stride": (1, 2, 2), "pad": (1, 0, 1)}),
]


@pytest.mark.parametrize("executor", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("mode", POOL_MODES)
@pytest.mark.parametrize(("shape", "ws", "options"), SHAPES)
def test_values_by_definition(shape, ws, options, mode, executor):
    x = rng().standard_normal(shape)
    options = {"ignore_border": True, **options}
    expected = reference(x, ws, mode=mode, **options)
    v = T.TensorType("float64", (False,) * x.ndim)()
    call = pool.pool_2d if len(ws) == 2 else pool.pool_3d
    y = call(v, ws, mode=mode, **options)
    found = function([v], y, mode=executor)(x)
    assert found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)
    known = pool.Pool.out_shape(
        shape, ws, options["ignore_border"], options.get("stride"), options.get("pad"), len(ws)
    )
    assert tuple(known) == expected.shape
    n = T.lvector()
    lengths = pool.Pool.out_shape(
        [n[i] for i in range(x.ndim)], ws, options["ignore_border"], options.get("stride"),
        options.get("pad"), len(ws),
    )
    assert tuple(function([n], T.stack(lengths), mode="NUMPY")(shape)) == expected.shape


@pytest.mark.parametrize("mode", ["max", "average_inc_pad", "average_exc_pad"])
@pytest.mark.parametrize(("shape", "ws", "options"), [
    ((2, 5, 4), (2, 2), {}),
    ((2, 5, 4), (2, 2), {"ignore_border": False}),
    ((5, 7), (3, 2), {"ignore_border": False, "stride": (2, 1)}),
    ((4, 5), (3, 3), {"stride": (2, 1), "pad": (1, 2)}),
    ((3, 3, 4), (2, 2, 2), {"stride": (1, 1, 2)}),
])
def test_gradients_by_finite_differences(shape, ws, options, mode):
    x = rng().permutation(int(np.prod(shape))).reshape(shape) * 0.1 - 1
    options = {"ignore_border": True, **options, "mode": mode}
    call = pool.pool_2d if len(ws) == 2 else pool.pool_3d
    verify_grad(lambda v: call(v, ws, **options), [x], rng=np.random.RandomState(2))


@pytest.mark.parametrize("mode", ["max", "sum", "average_exc_pad"])
@pytest.mark.parametrize("options", [
    {"ws": (2, 2)}, {"ws": (2, 2), "ignore_border": False},
    {"ws": (3, 2), "stride": (1, 2), "pad": (1, 0)},
])
def test_the_second_order_by_finite_differences(mode, options):
    x = rng().permutation(70).reshape(2, 5, 7) * 0.1 - 1
    options = {"ignore_border": True, **options, "mode": mode}

    def slope(v):
        return symc.grad(T.sum(pool.pool_2d(v, **options) ** 3), v)

    verify_grad(slope, [x], rng=np.random.RandomState(3))


@pytest.mark.parametrize("executor", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("ignore_border", [True, False])
def test_all_maxima_of_a_window_get_the_gradient(executor, ignore_border):
    x = T.dmatrix()
    y = pool.pool_2d(x, (2, 2), ignore_border=ignore_border)
    g = T.dmatrix()
    f = function([x, g], symc.grad(None, x, known_grads={y: g}), mode=executor)
    values = np.array([[1.0, 1, 5], [0, 1, 5], [7, 2, 3]])
    if ignore_border:
        np.testing.assert_array_equal(f(values, [[2.0]]), [[2, 2, 0], [0, 2, 0], [0, 0, 0]])
    else:
        np.testing.assert_array_equal(
            f(values, [[2.0, 3], [4, 5]]), [[2, 2, 3], [0, 2, 3], [4, 0, 5]]
        )


@pytest.mark.parametrize("ignore_border", [True, False])
@pytest.mark.parametrize(("shape", "ws"), [
    ((2, 3, 4, 8), (2, 2)), ((2, 1, 5, 13), (2, 2)), ((3, 3, 36), (3, 5)), ((7, 24), (1, 4)),
    ((6, 9), (3, 1)), ((0, 4, 12), (2, 2)), ((2, 4, 0), (2, 2)), ((2, 1, 1), (1, 1)),
])
def test_the_gradient_of_rows_of_any_length(shape, ws, ignore_border):
    x, axes = rng().permutation(int(np.prod(shape))).reshape(shape).astype("float32"), (-2, -1)
    v = T.TensorType("float32", (False,) * x.ndim)()
    g = v.type()
    y = pool.pool_2d(v, ws, ignore_border=ignore_border)
    arriving = rng().standard_normal(reference(x, ws, ignore_border=ignore_border).shape)
    found = function([v, g], symc.grad(None, v, known_grads={y: g}))(x, arriving.astype("float32"))
    expected = np.zeros(shape, "float32")
    for at in np.ndindex(*arriving.shape):
        span = tuple(slice(p * w, p * w + w) for p, w in zip(at[-2:], ws, strict=True))
        part = x[(*at[:-2], *span)]
        expected[(*at[:-2], *span)] = np.where(part == part.max(axes), arriving[at], 0)
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("mode", POOL_MODES)
def test_the_forward_derivative(mode):
    x = rng().permutation(48).reshape(2, 4, 6) * 0.1
    dx = rng().standard_normal(x.shape)
    v, dv = T.dtensor3(), T.dtensor3()
    y = pool.pool_2d(v, (2, 3), ignore_border=True, mode=mode)
    found = function([v, dv], symc.Rop(y, v, dv), on_unused_input="ignore")(x, dx)
    eps = 1e-6
    ahead, behind = (reference(x + s * eps * dx, (2, 3), mode=mode) for s in (1, -1))
    np.testing.assert_allclose(found, (ahead - behind) / (2 * eps), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("dtype", ["float32", "float16", "int8", "uint16", "int64"])
@pytest.mark.parametrize(("ws", "pad"), [((2, 2), (0, 0)), ((3, 3), (1, 1))])
def test_dtypes(dtype, ws, pad):
    x = rng().integers(0, 100, (2, 6, 6)).astype(dtype)
    v = T.TensorType(dtype, (False,) * 3)()
    for mode in POOL_MODES:
        y = pool.pool_2d(v, ws, ignore_border=True, pad=pad, mode=mode)
        found = function([v], y)(x)
        whole = mode in ("max", "sum") or not dtype.startswith(("int", "uint"))
        assert found.dtype == (dtype if whole else symc.config.floatX)
        expected = reference(x.astype("float64"), ws, pad=pad, mode=mode)
        if dtype == "int8" and mode == "sum":
            expected = expected.astype("int64").astype("int8")
        np.testing.assert_allclose(found, expected, rtol=2e-3)


@pytest.mark.parametrize("executor", ["FAST_RUN", "NUMPY"])
def test_the_maximum_of_truth_values(executor):
    x = T.tensor4(dtype="bool")
    values = rng().normal(size=(2, 3, 5, 7)) > 0.8
    f = function([x], pool.pool_2d(x, (2, 2), ignore_border=False, mode="max"), mode=executor)
    found = f(values)
    assert found.dtype == bool
    assert np.array_equal(found, reference(values.astype(float), (2, 2), ignore_border=False))


def test_nan_is_the_maximum_and_minus_infinity_is_one():
    v = T.dmatrix()
    x = np.array([[np.nan, 1, -np.inf, -np.inf], [0, 2, -np.inf, -np.inf]])
    for options in ({}, {"pad": (1, 1), "ws": (3, 4)}):
        y = pool.pool_2d(v, **{"ws": (2, 2), "ignore_border": True, **options})
        f = function([v], y)
        assert np.isnan(f(x)[0, 0])
    np.testing.assert_array_equal(
        function([v], pool.pool_2d(v, (2, 2), ignore_border=True))(x)[0, 1:], [-np.inf]
    )


def test_operands_of_any_strides():
    x = np.asfortranarray(rng().standard_normal((3, 2, 6, 8)))[:, ::-1, :, ::2]
    g = rng().standard_normal((4, 3, 2, 3)).transpose(1, 2, 3, 0)[..., ::2]
    v, h = T.dtensor4(), T.dtensor4()
    for mode in ("max", "average_exc_pad"):
        y = pool.pool_2d(v, (2, 2), ignore_border=True, mode=mode)
        outputs = [y, symc.grad(None, v, known_grads={y: h})]
        found = function([v, h], outputs)(x, g)
        plain = function([v, h], outputs, mode="NUMPY")(np.array(x), np.array(g))
        np.testing.assert_allclose(found[0], reference(np.array(x), (2, 2), mode=mode))
        np.testing.assert_allclose(found[1], plain[1])


def test_every_element_but_the_maxima_of_patches_becomes_zero():
    x = rng().standard_normal((2, 5, 8))
    v = T.dtensor3()
    found = function([v], pool.max_pool_2d_same_size(v, (2, 3)))(x)
    expected = np.zeros_like(x)  # no whole patch fits into the last row and columns
    for b, i, j in product(range(2), range(0, 4, 2), range(0, 6, 3)):
        part = x[b, i : i + 2, j : j + 3]
        expected[b, i : i + 2, j : j + 3] = np.where(part == part.max(), part, 0)
    np.testing.assert_array_equal(found, expected)


def test_old_names_and_numbers():
    x = rng().standard_normal((6, 6))
    v = T.dmatrix()
    for y in (pool.pool_2d(v, ds=(2, 2), st=(1, 1), padding=(1, 1), ignore_border=True),
              pool.pool_2d(v, 2, True, 1, 1),
              pool.Pool(True)(v, np.array([2, 2]), (1, 1), T.constant([1, 1]))):
        found = function([v], y)(x)
        np.testing.assert_array_equal(found, reference(x, (2, 2), True, (1, 1), (1, 1)))


@pytest.mark.parametrize(("options", "error", "text"), [
    ({}, ValueError, "needs ws"),
    ({"ws": (2, 2), "ds": (2, 2)}, ValueError, "two names"),
    ({"ws": (2, 2, 2)}, ValueError, "ws of pooling over 2 axes"),
    ({"ws": (2, 0)}, ValueError, "ws of pooling"),
    ({"ws": (2, 2), "stride": (0, 1)}, ValueError, "stride of pooling"),
    ({"ws": (2, 2), "mode": "average"}, ValueError, "mode of pooling"),
    ({"ws": (2, 2), "pad": (1, 1)}, NotImplementedError, "ignore_border"),
    ({"ws": (2, 2), "pad": (2, 1), "ignore_border": True}, NotImplementedError, "smaller than ws"),
    ({"ws": T.lmatrix("n")}, ValueError, "vector of 2 entries"),
    ({"ws": (T.lscalar(), T.lscalar(), 2)}, ValueError, "2 entries"),
    ({"ws": T.dvector("n")}, TypeError, "must be integers"),
    ({"ws": T.lvector("n"), "pad": (1, 1)}, NotImplementedError, "ignore_border"),
    ({"ws": T.lvector("n"), "mode": "average"}, ValueError, "mode of pooling"),
])
def test_options_that_make_no_sense(options, error, text):
    with pytest.raises(error, match=text):
        pool.pool_2d(T.dmatrix(), **options)


def test_operands_that_make_no_sense():
    with pytest.raises(TypeError, match="at least 2 axes"):
        pool.pool_2d(T.dvector(), 2)
    with pytest.raises(TypeError, match="complex"):
        pool.pool_2d(T.zmatrix(), 2)
    x, y, g = T.dmatrix(), T.dmatrix(), T.dmatrix()
    slope = symc.grad(None, x, known_grads={pool.pool_2d(x, 2): g})
    text = r"known gradient of Pooling.*has the shape \(2, 3\)"
    with pytest.raises(ValueError, match=text) as caught:
        function([x, g], slope)(np.zeros((4, 4)), np.zeros((2, 3)))
    assert HERE in str(caught.value)
    with pytest.raises(TypeError, match="different kinds"):
        pool.MaxPoolGrad(pool._geometry(2, True, None, None, "max", 2))(x, y, T.dvector())


@pytest.mark.parametrize("mode", POOL_MODES)
@pytest.mark.parametrize("ignore_border", [True, False])
def test_windows_that_are_computed(mode, ignore_border):
    v, ws, stride, pad = T.dtensor3(), T.lvector(), T.lvector(), T.lvector()
    pads = {"pad": pad} if ignore_border else {}
    pooled = pool.pool_2d(v, ws, ignore_border, stride, mode=mode, **pads)
    slope = symc.grad(T.sum(T.sqr(pooled)), v)
    f = symc.function([v, ws, stride, pad], [pooled, slope], on_unused_input="ignore",
                      mode="FAST_COMPILE")
    x = rng().standard_normal((2, 7, 6))
    for size, step, around in [((2, 2), (2, 2), (0, 0)), ((3, 2), (1, 2), (1, 1)),
                               ((2, 3), (3, 1), (1, 0)), ((8, 1), (1, 1), (2, 0))]:
        around = around if ignore_border else (0, 0)
        got, gradient = f(x, size, step, around)
        expected = reference(x, size, ignore_border, step, around, mode)
        np.testing.assert_allclose(got, expected, rtol=1e-12)
        fixed = pool.pool_2d(v, size, ignore_border, step, around, mode)
        known = symc.grad(T.sum(T.sqr(fixed)), v).eval({v: x})
        np.testing.assert_allclose(gradient, known, rtol=1e-12)
    if ignore_border:
        with pytest.raises(AssertionError, match="pad of pooling must be smaller than ws"):
            f(x, (2, 2), (2, 2), (2, 0))


def test_one_computed_number_and_whole_numbers():
    v, n = T.lmatrix(), T.lscalar()
    x = rng().integers(-9, 9, (5, 6))
    f = symc.function([v, n], [pool.pool_2d(v, n), pool.pool_2d(v, (n, 1), True)])
    for size in (1, 2, 3):
        wide, tall = f(x, size)
        assert wide.dtype == "int64"
        np.testing.assert_array_equal(wide, reference(x, (size, size), False))
        np.testing.assert_array_equal(tall, reference(x, (size, 1), True))
    cube = T.dtensor4()
    three = symc.function([cube, n], pool.pool_3d(cube, (n, 2, 1), True, mode="sum"))
    values = rng().standard_normal((2, 4, 4, 3))
    blocks = values.reshape(2, 2, 2, 2, 2, 3)
    np.testing.assert_allclose(three(values, 2), blocks.sum((2, 4)))


def test_nodes_are_found_by_class():
    x = T.dmatrix()
    best, mean = pool.pool_2d(x, 2), pool.pool_2d(x, 2, mode="average_exc_pad")
    assert isinstance(best.owner.op, pool.Pool)
    assert not isinstance(T.exp(x).owner.op, (pool.Pool, pool.PoolGrad))
    for y, kind in ((best, pool.MaxPoolGrad), (mean, pool.AveragePoolGrad)):
        slope = symc.grad(y.sum(), x)
        assert isinstance(slope.owner.op, kind)
        assert isinstance(slope.owner.op, pool.PoolGrad)
