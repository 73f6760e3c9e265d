"""Layers over axes in space, of every rank and layout, against NumPy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers
from symc.nn.layers import cuda_convnet

RNG = np.random.default_rng(8)
LENGTHS = (6, 5, 4)


def data(ndim, channels=4):
    return RNG.standard_normal((2, channels, *LENGTHS[:ndim]))


def above(value, known=True):
    return layers.InputLayer((None, *value.shape[1:]) if known else (None,) * value.ndim)


def output(layer, value):
    """The output for an array, whose shape is what the layer says."""
    bottom = layers.get_all_layers(layer)[0]
    f = symc.function([bottom.input_var], layers.get_output(layer), mode="FAST_COMPILE")
    got = f(value)
    assert got.shape == layers.get_output_shape(layer, {bottom: value.shape})
    assert all(n in (None, m) for n, m in zip(layer.output_shape, got.shape, strict=True))
    return got


def correlation(x, w, pad=0, stride=1, dilation=1):
    """The sum over channels and elements of filters, one place after the other."""
    n = x.ndim - 2
    x = np.pad(x, ((0, 0), (0, 0), *[(pad, pad)] * n))
    reach = [(k - 1) * dilation for k in w.shape[2:]]
    places = [(length - r - 1) // stride + 1
              for length, r in zip(x.shape[2:], reach, strict=True)]
    y = np.zeros((x.shape[0], w.shape[0], *places))
    for at in np.ndindex(*places):
        window = x[(slice(None), slice(None),
                    *(slice(p * stride, p * stride + r + 1, dilation)
                      for p, r in zip(at, reach, strict=True)))]
        y[(slice(None), slice(None), *at)] = np.tensordot(
            window, w, (list(range(1, n + 2)), list(range(1, n + 2)))
        )
    return y


CONVOLUTIONS = {1: layers.Conv1DLayer, 2: layers.Conv2DLayer, 3: layers.Conv3DLayer}


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize(
    "options", [{}, {"pad": 1, "stride": 2}, {"pad": "same"}, {"pad": "full"}, {"pad": "valid"}]
)
def test_convolution(ndim, options):
    x = data(ndim)
    layer = CONVOLUTIONS[ndim](
        above(x), 3, 3, b=init.Normal(1.0), nonlinearity=T.tanh, flip_filters=ndim != 2, **options
    )
    w, b = layer.W.get_value(), layer.b.get_value()
    assert w.shape == (3, 4, *(3,) * ndim)
    w = np.flip(w, tuple(range(2, ndim + 2))) if ndim != 2 else w
    pad = {"same": 1, "full": 2, "valid": 0}.get(options.get("pad"), options.get("pad", 0))
    expected = correlation(x, w, pad, options.get("stride", 1))
    expected += b.reshape(3, *(1,) * ndim)
    np.testing.assert_allclose(output(layer, x), np.tanh(expected), atol=1e-10)


@pytest.mark.parametrize("ndim", [1, 2])
def test_groups_of_channels(ndim):
    x = data(ndim)
    layer = CONVOLUTIONS[ndim](
        above(x), 6, 2, num_groups=2, flip_filters=False, b=None, nonlinearity=None
    )
    w = layer.W.get_value()
    assert w.shape == (6, 2, *(2,) * ndim)
    halves = [correlation(x[:, 2 * k : 2 * k + 2], w[3 * k : 3 * k + 3]) for k in (0, 1)]
    np.testing.assert_allclose(output(layer, x), np.concatenate(halves, 1), atol=1e-12)
    with pytest.raises(ValueError, match=r"num_groups=3.*4 channels"):
        CONVOLUTIONS[ndim](above(x), 6, 2, num_groups=3)


def test_another_function_convolves():
    x = data(2)

    def doubled(*args, **kwargs):
        return 2 * T.nnet.conv2d(*args, **kwargs)

    usual = layers.Conv2DLayer(above(x), 3, 2)
    twice = layers.Conv2DLayer(above(x), 3, 2, W=usual.W, convolution=doubled)
    np.testing.assert_allclose(output(twice, x), 2 * output(usual, x))


@pytest.mark.parametrize("kind", [layers.TransposedConv2DLayer, layers.TransposedConv3DLayer])
@pytest.mark.parametrize("flip", [True, False])
def test_transposed_convolution(kind, flip):
    ndim = 2 if kind is layers.TransposedConv2DLayer else 3
    x = data(ndim, channels=3)
    layer = kind(above(x), 2, 2, stride=2, crop=1, flip_filters=flip, nonlinearity=None,
                 b=init.Normal(1.0))
    w = layer.W.get_value()
    assert w.shape == (3, 2, *(2,) * ndim)
    # a correlation of the spread input with filters that are not flipped: each element is spread
    # by the flipped filter
    w = w if flip else np.flip(w, tuple(range(2, ndim + 2)))
    space = [2 * n for n in LENGTHS[:ndim]]
    expected = np.zeros((2, 2, *space))
    for at in np.ndindex(*LENGTHS[:ndim]):
        spot = (slice(None), slice(None), *(slice(2 * p, 2 * p + 2) for p in at))
        expected[spot] += np.tensordot(x[(slice(None), slice(None), *at)], w, (1, 0))
    expected = expected[(slice(None), slice(None), *(slice(1, n - 1) for n in space))]
    expected += layer.b.get_value().reshape(2, *(1,) * ndim)
    got = output(layer, x)
    np.testing.assert_allclose(got, expected, atol=1e-12)


def test_the_size_of_a_transposed_convolution():
    x = data(2, channels=3)
    plain = layers.TransposedConv2DLayer(above(x), 2, 3, stride=2)
    assert plain.output_shape == (None, 2, 13, 11)
    larger = layers.TransposedConv2DLayer(above(x), 2, 3, stride=2, W=plain.W, output_size=(14, 12))
    got = output(larger, x)
    np.testing.assert_allclose(got[:, :, :13, :11], output(plain, x))
    assert (got[:, :, 13:] == 0).all()
    unknown = layers.TransposedConv2DLayer(
        layers.InputLayer((None, 3, None, None)), 2, 3, stride=2, W=plain.W
    )
    np.testing.assert_allclose(output(unknown, x), output(plain, x))


@pytest.mark.parametrize("dilation", [2, (1, 3)])
def test_dilated_convolution(dilation):
    x = data(2)
    layer = layers.DilatedConv2DLayer(above(x), 3, 2, dilation=dilation, nonlinearity=None)
    w = layer.W.get_value()
    a, b = (dilation, dilation) if isinstance(dilation, int) else dilation
    spread = np.zeros((3, 4, a + 1, b + 1))
    spread[:, :, ::a, ::b] = w.transpose(1, 0, 2, 3)
    np.testing.assert_allclose(output(layer, x), correlation(x, spread), atol=1e-12)
    for refused in ({"pad": 1}, {"flip_filters": True}):
        with pytest.raises(NotImplementedError):
            layers.DilatedConv2DLayer(above(x), 3, 2, dilation=dilation, **refused)


POOLS = {1: layers.Pool1DLayer, 2: layers.Pool2DLayer, 3: layers.Pool3DLayer}
MAXIMA = {1: layers.MaxPool1DLayer, 2: layers.MaxPool2DLayer, 3: layers.MaxPool3DLayer}


def pooled(x, size, stride, pad, ignore_border, reduce):
    n = x.ndim - 2
    length = layers.pool_output_length
    places = [length(m, size, stride, pad, ignore_border) for m in x.shape[2:]]
    y = np.zeros((*x.shape[:2], *places))
    for at in np.ndindex(*places):
        cut = tuple(
            slice(max(0, p * stride - pad), p * stride - pad + size) for p in at
        )
        window = x[(slice(None), slice(None), *cut)]
        y[(slice(None), slice(None), *at)] = reduce(window, size**n)
    return y


REDUCTIONS = {
    "max": lambda w, count: w.max(tuple(range(2, w.ndim))),
    "sum": lambda w, count: w.sum(tuple(range(2, w.ndim))),
    "average_exc_pad": lambda w, count: w.mean(tuple(range(2, w.ndim))),
    "average_inc_pad": lambda w, count: w.sum(tuple(range(2, w.ndim))) / count,
}


@pytest.mark.parametrize("ndim", [1, 2, 3])
@pytest.mark.parametrize("mode", REDUCTIONS)
def test_pooling(ndim, mode):
    x = data(ndim)
    cases = [(2, None, 0, True), (3, 2, 1, True), (2, 1, 0, True), (2, 3, 0, False)]
    for size, stride, pad, ignore_border in cases:
        if mode == "average_inc_pad" and not ignore_border:
            continue
        layer = POOLS[ndim](above(x), size, stride, pad, ignore_border, mode)
        expected = pooled(x, size, stride or size, pad, ignore_border, REDUCTIONS[mode])
        np.testing.assert_allclose(output(layer, x), expected, atol=1e-12)
    if mode == "max":
        best = MAXIMA[ndim](above(x, known=False), 2)
        expected = pooled(x, 2, 2, 0, True, REDUCTIONS[mode])
        np.testing.assert_array_equal(output(best, x), expected)


@pytest.mark.parametrize(("length", "size", "stride", "ignore_border", "expected"), [
    (7, 2, 2, True, 3), (7, 2, 2, False, 4), (7, 3, 2, False, 3), (7, 2, 3, False, 3),
    (1, 2, 2, True, 0), (None, 2, 2, True, None), (8, 3, 1, False, 6),
])
def test_how_many_windows_there_are(length, size, stride, ignore_border, expected):
    assert layers.pool_output_length(length, size, stride, 0, ignore_border) == expected


@pytest.mark.parametrize("ndim", [1, 2, 3])
def test_upscaling(ndim):
    x = data(ndim)
    kind = {1: layers.Upscale1DLayer, 2: layers.Upscale2DLayer, 3: layers.Upscale3DLayer}[ndim]
    factors = (2, 3, 1)[:ndim]
    repeated, spread = x, np.zeros((2, 4, *(n * f for n, f in zip(LENGTHS, factors, strict=False))))
    for axis, factor in enumerate(factors, 2):
        repeated = repeated.repeat(factor, axis)
    spread[(slice(None), slice(None), *(slice(None, None, f) for f in factors))] = x
    np.testing.assert_array_equal(output(kind(above(x), factors), x), repeated)
    np.testing.assert_array_equal(output(kind(above(x, known=False), factors, "dilate"), x), spread)


@pytest.mark.parametrize("mode", ["max", "average_exc_pad"])
def test_a_pyramid_of_regions(mode):
    x = RNG.standard_normal((2, 3, 7, 6))
    reduce = np.max if mode == "max" else np.mean

    def region(n, i, j, ends):
        rows, columns = (slice(*ends(m, n, k)) for m, k in ((7, i), (6, j)))
        return reduce(x[:, :, rows, columns], axis=(2, 3))

    def covering(m, n, k):
        return k * m // n, -(-(k + 1) * m // n)

    def of_one_size(m, n, k):
        return k * (m // n), k * (m // n) + -(-m // n)

    for implementation, ends in (("kaiming", covering), ("fast", of_one_size)):
        layer = layers.SpatialPyramidPoolingLayer(above(x), [3, 1], mode, implementation)
        places = [(3, i, j) for i, j in itertools.product(range(3), range(3))] + [(1, 0, 0)]
        expected = np.stack([region(n, i, j, ends) for n, i, j in places], axis=2)
        np.testing.assert_allclose(output(layer, x), expected)


def test_the_batch_as_last_axis():
    x = RNG.standard_normal((4, 6, 5, 2))  # channels, rows, columns, batch
    first = x.transpose(3, 0, 1, 2)
    below = layers.InputLayer((4, 6, 5, None))
    layer = cuda_convnet.Conv2DCCLayer(
        below, 3, (3, 2), stride=(1, 2), pad=1, dimshuffle=False, untie_biases=True,
        b=init.Normal(1.0), nonlinearity=None,
    )
    assert layer.W.get_value().shape == (4, 3, 2, 3)
    w = layer.W.get_value().transpose(3, 0, 1, 2)
    expected = correlation(np.pad(first, ((0, 0), (0, 0), (1, 1), (1, 1))), w)[:, :, :, ::2]
    expected = expected.transpose(1, 2, 3, 0) + layer.b.get_value()[..., None]
    np.testing.assert_allclose(output(layer, x), expected, atol=1e-12)
    pool = cuda_convnet.MaxPool2DCCLayer(below, 2, dimshuffle=False)
    best = pooled(first, 2, 2, 0, False, REDUCTIONS["max"]).transpose(1, 2, 3, 0)
    np.testing.assert_array_equal(output(pool, x), best)
    dense = cuda_convnet.NINLayer_c01b(below, 3, untie_biases=True, b=init.Normal(1.0))
    total = np.einsum("kc,cijb->kijb", dense.W.get_value(), x) + dense.b.get_value()[..., None]
    np.testing.assert_allclose(output(dense, x), np.maximum(total, 0))
    back = cuda_convnet.c01b_to_bc01(below)
    np.testing.assert_array_equal(output(back, x), first)
    np.testing.assert_array_equal(output(cuda_convnet.bc01_to_c01b(back), x), x)


def test_the_batch_as_first_axis_in_the_same_layers():
    x = data(2)
    layer = cuda_convnet.Conv2DCCLayer(above(x), 3, 2, nonlinearity=None)
    expected = correlation(x, layer.W.get_value())
    np.testing.assert_allclose(output(layer, x), expected, atol=1e-12)
    pool = cuda_convnet.MaxPool2DCCLayer(above(x), 2, ignore_border=True)
    expected = pooled(x, 2, 2, 0, True, REDUCTIONS["max"])
    np.testing.assert_array_equal(output(pool, x), expected)
