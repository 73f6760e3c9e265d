"""Values and gradients of convolutions against SciPy and against their definition."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

import symc
import symc.tensor as T
from symc import function
from symc.gradient import verify_grad
from tests.conv.direct import convolve, gradients

MODES = ["FAST_RUN", "NUMPY"]
CONVS = {1: T.nnet.conv1d, 2: T.nnet.conv2d, 3: T.nnet.conv3d}


def rng():
    return np.random.default_rng(17)


def variables(ndim, dtype="float64"):
    kind = T.TensorType(dtype, (False,) * (ndim + 2))
    return kind("x"), kind("w")


def computed(x, w, mode="FAST_RUN", **options):
    a, b = variables(x.ndim - 2, x.dtype.name)
    return function([a, b], CONVS[x.ndim - 2](a, b, **options), mode=mode)(x, w)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("border", ["valid", "full"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sums_of_scipys_convolutions(mode, border, dtype):
    x = rng().standard_normal((3, 2, 9, 8)).astype(dtype)
    w = rng().standard_normal((5, 2, 4, 3)).astype(dtype)
    expected = [
        [sum(signal.convolve2d(x[b, c], w[o, c], border) for c in range(2)) for o in range(5)]
        for b in range(3)
    ]
    found = computed(x, w, mode, border_mode=border)
    assert found.dtype == dtype
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    np.testing.assert_allclose(found, expected, rtol=tolerance, atol=10 * tolerance)


def test_a_correlation_is_scipys():
    x, w = rng().standard_normal((2, 1, 7, 7)), rng().standard_normal((1, 1, 3, 2))
    found = computed(x, w, filter_flip=False)
    for b in range(2):
        np.testing.assert_allclose(found[b, 0], signal.correlate2d(x[b, 0], w[0, 0], "valid"))


def test_three_axes_are_scipys():
    x, w = rng().standard_normal((1, 1, 4, 5, 6)), rng().standard_normal((1, 1, 2, 3, 2))
    found = computed(x, w, border_mode="full")
    np.testing.assert_allclose(found[0, 0], signal.convolve(x[0, 0], w[0, 0], "full"))


OPTIONS = [
    (2, (2, 3, 6, 5), (4, 3, 3, 2), {}),
    (2, (2, 3, 6, 5), (4, 3, 3, 2), {"border_mode": "half"}),
    (2, (2, 3, 6, 5), (4, 3, 2, 4), {"border_mode": "half", "filter_flip": False}),
    (2, (1, 2, 7, 8), (3, 2, 3, 3), {"border_mode": "full", "subsample": (2, 3)}),
    (2, (2, 2, 7, 8), (2, 2, 2, 3), {"border_mode": (1, 2), "subsample": (3, 1)}),
    (2, (2, 2, 7, 6), (2, 2, 2, 3), {"border_mode": ((0, 3), (2, 1)), "filter_dilation": (2, 1)}),
    (2, (2, 2, 3, 3), (2, 2, 1, 1), {"border_mode": 4}),
    (2, (2, 6, 5, 5), (9, 2, 3, 3), {"num_groups": 3, "border_mode": 1}),
    (2, (2, 4, 5, 5), (4, 1, 2, 2), {"num_groups": 4, "subsample": (2, 2)}),
    (2, (1, 1, 1, 1), (1, 1, 1, 1), {}),
    (2, (2, 3, 1, 20), (10, 3, 1, 5), {"filter_dilation": (1, 3)}),
    (2, (0, 2, 4, 4), (3, 2, 2, 2), {}),
    (2, (2, 0, 4, 4), (3, 0, 2, 2), {}),
    (2, (2, 3, 4, 4), (0, 3, 2, 2), {}),
    (1, (2, 3, 11), (4, 3, 3), {"border_mode": "half", "subsample": 2, "filter_dilation": 2}),
    (3, (1, 2, 4, 3, 4), (2, 2, 2, 2, 3), {"border_mode": (1, 0, 2), "subsample": (1, 2, 1)}),
]


def directly(options, ndim):
    subsample, dilation = options.get("subsample"), options.get("filter_dilation")
    return {
        "border": options.get("border_mode", "valid"),
        "strides": (subsample,) if isinstance(subsample, int) else subsample,
        "dilation": (dilation,) if isinstance(dilation, int) else dilation,
        "groups": options.get("num_groups", 1),
        "flip": options.get("filter_flip", True),
    }


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(("ndim", "xs", "ws", "options"), OPTIONS)
def test_values_and_gradients_by_definition(ndim, xs, ws, options, mode):
    x, w = rng().standard_normal(xs), rng().standard_normal(ws)
    plain = directly(options, ndim)
    expected = convolve(x, w, **plain)
    g = rng().standard_normal(expected.shape)
    a, b = variables(ndim)
    y = CONVS[ndim](a, b, **options)
    outputs = [y, *symc.grad(T.sum(y * g), [a, b])]
    found = function([a, b], outputs, mode=mode)(x, w)
    for value, reference in zip(found, [expected, *gradients(x, w, g, **plain)], strict=True):
        assert value.shape == reference.shape
        np.testing.assert_allclose(value, reference, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("batch", [1, 9])
@pytest.mark.parametrize(
    ("channels", "filters", "length", "size", "border"),
    [(1, 10, 28, 5, "valid"), (10, 25, 12, 5, "valid"), (17, 33, 19, 3, "half"),
     (3, 8, 40, 1, "valid"), (2, 49, 9, 2, "full")],
)
def test_sizes_that_fill_tiles_and_that_do_not(batch, channels, filters, length, size, border):
    x = rng().standard_normal((batch, channels, length, length)).astype("float32")
    w = rng().standard_normal((filters, channels, size, size)).astype("float32")
    a, b = variables(2, "float32")
    y = T.nnet.conv2d(a, b, border_mode=border)
    g = T.ftensor4("g")
    outputs = [y, *symc.grad(None, [a, b], known_grads={y: g})]
    wide = function([a, b], y, mode="NUMPY")(x.astype("float32"), w)
    g_value = rng().standard_normal(wide.shape).astype("float32")
    found = function([a, b, g], outputs)(x, w, g_value)
    for k in range(0, batch, 8):
        for o in (0, filters - 1):
            images = [signal.convolve2d(x[k, c], w[o, c],
                                        {"half": "same"}.get(border, border))
                      for c in range(channels)]
            np.testing.assert_allclose(found[0][k, o], sum(images), rtol=1e-3, atol=1e-3)
    # <g, conv(dx, w)> = <to_x, dx> for every dx, and so for the filters
    dx, dw = rng().standard_normal(x.shape), rng().standard_normal(w.shape)
    forward = function([a, b], y, allow_input_downcast=True)
    for change, slope, values in ((dx, found[1], (dx, w)), (dw, found[2], (x, dw))):
        left = np.sum(g_value.astype("float64") * forward(*values))
        right = np.sum(slope.astype("float64") * change)
        np.testing.assert_allclose(left, right, rtol=1e-3, atol=1e-2 * np.sqrt(g_value.size))


@pytest.mark.parametrize("turn", [
    np.asfortranarray,
    lambda v: np.ascontiguousarray(v[..., ::-1])[..., ::-1],
    lambda v: np.repeat(v, 2, axis=1)[:, ::2],
    lambda v: np.broadcast_to(v[:1], v.shape),
])
def test_operands_of_any_strides(turn):
    x, w = turn(rng().standard_normal((4, 3, 8, 7))), turn(rng().standard_normal((5, 3, 3, 3)))
    expected = convolve(np.array(x), np.array(w), border="half", strides=(2, 1))
    a, b = variables(2)
    y = T.nnet.conv2d(a, b, border_mode="half", subsample=(2, 1))
    g = turn(rng().standard_normal(expected.shape))
    h = T.dtensor4("h")
    f = function([a, b, h], [y, *symc.grad(None, [a, b], known_grads={y: h})])
    found = f(x, w, g)
    plain = {"border": "half", "strides": (2, 1)}
    for value, reference in zip(
        found, [expected, *gradients(np.array(x), np.array(w), np.array(g), **plain)], strict=True
    ):
        np.testing.assert_allclose(value, reference, rtol=1e-10, atol=1e-10)


def test_the_second_order_by_finite_differences():
    x = rng().standard_normal((2, 2, 5, 4)) * 0.3
    w = rng().standard_normal((4, 1, 2, 3)) * 0.3
    options = {"border_mode": "half", "subsample": (2, 1), "num_groups": 2}

    def slopes(a, b):
        y = T.nnet.conv2d(a, b, **options)
        to_x, to_w = symc.grad(T.sum(y**3), [a, b])
        return T.sum(to_x**2) + T.sum(to_w * b**2)

    verify_grad(slopes, [x, w], rng=np.random.RandomState(0))


def test_the_forward_derivative_is_bilinear():
    x, w, dx, dw = (rng().standard_normal(s) for s in ((1, 2, 5, 5), (3, 2, 2, 2)) * 2)
    dx, dw = dx[..., ::-1], dw[..., ::-1]
    a, b, da, db = *variables(2), *variables(2)
    tangent = symc.Rop(T.nnet.conv2d(a, b), [a, b], [da, db])
    found = function([a, b, da, db], tangent)(x, w, dx, dw)
    np.testing.assert_allclose(found, convolve(dx, w) + convolve(x, dw), rtol=1e-10)


def test_the_same_sums_on_any_number_of_threads():
    x = rng().standard_normal((20, 5, 12, 12)).astype("float32")
    g = rng().standard_normal((20, 6, 10, 10)).astype("float32")
    a, h = T.ftensor4(), T.ftensor4()
    slope = T.nnet.abstract_conv.conv2d_grad_wrt_weights(a, h, (6, 5, 3, 3))
    f = function([a, h], slope)
    first = f(x, g)
    for _ in range(5):
        np.testing.assert_array_equal(f(x, g), first)


def test_integers_and_float16_take_the_numpy_path():
    x, w = np.arange(24).reshape(1, 2, 3, 4), np.ones((1, 2, 2, 2), "int64")
    np.testing.assert_array_equal(computed(x, w), convolve(x, w))
    half = computed(x.astype("float16"), w.astype("float16"))
    assert half.dtype == "float16"
    np.testing.assert_allclose(half, convolve(x, w), rtol=1e-2)
