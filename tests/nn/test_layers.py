"""Layers against NumPy, and what is refused when a layer is built."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers
from symc.nn.layers import corrmm, dnn

RNG = np.random.default_rng(3)
IMAGES = RNG.standard_normal((2, 3, 6, 5))


def output(layer, value, **kwargs):
    x = T.TensorType("float64", (False,) * value.ndim)("x")
    expression = layers.get_output(layer, {layers.get_all_layers(layer)[0]: x}, **kwargs)
    got = symc.function([x], expression)(value)
    shape = layers.get_output_shape(layer, {layers.get_all_layers(layer)[0]: value.shape})
    assert got.shape == shape
    return got


def above(shape):
    return layers.InputLayer(shape)


def test_dense():
    value = RNG.standard_normal((4, 3, 5))
    flat = layers.DenseLayer(above((None, 3, 5)), 7, nonlinearity=None)
    w, b = (p.get_value() for p in flat.get_params())
    np.testing.assert_allclose(output(flat, value), value.reshape(4, 15) @ w + b)
    for axes in (2, -1):
        each = layers.DenseLayer(above((None, 3, 5)), 7, b=None, num_leading_axes=axes)
        w = each.W.get_value()
        np.testing.assert_allclose(output(each, value), np.maximum(value @ w, 0))
    nin = layers.NINLayer(above((None, 3, 6, 5)), 4, nonlinearity=None, b=init.Normal(1.0))
    expected = np.einsum("bcij,ck->bkij", IMAGES, nin.W.get_value())
    expected += nin.b.get_value()[:, None, None]
    np.testing.assert_allclose(output(nin, IMAGES), expected)
    with pytest.raises(ValueError, match=r"DenseLayer 'top'.*\(None, None\)"):
        layers.DenseLayer((None, None), 3, name="top")
    with pytest.raises(ValueError, match="num_leading_axes=2"):
        layers.DenseLayer((None, 3), 3, num_leading_axes=2)


def correlation(x, w, pad=(0, 0)):
    x = np.pad(x, ((0, 0), (0, 0), (pad[0],) * 2, (pad[1],) * 2))
    windows = np.lib.stride_tricks.sliding_window_view(x, w.shape[2:], axis=(2, 3))
    return np.einsum("bcijkl,fckl->bfij", windows, w)


def test_convolutions():
    for flip in (True, False):
        layer = layers.Conv2DLayer(
            above((None, 3, 6, 5)), 4, 3, pad="same", flip_filters=flip, nonlinearity=None
        )
        w = layer.W.get_value()
        w = w[:, :, ::-1, ::-1] if flip else w
        np.testing.assert_allclose(output(layer, IMAGES), correlation(IMAGES, w, (1, 1)))
    strided = layers.Conv2DLayer(
        above((None, 3, 6, 5)), 4, (3, 2), stride=2, flip_filters=False, untie_biases=True,
        b=init.Normal(1.0), nonlinearity=None,
    )
    expected = correlation(IMAGES, strided.W.get_value())[:, :, ::2, ::2] + strided.b.get_value()
    np.testing.assert_allclose(output(strided, IMAGES), expected)
    dilated = layers.DilatedConv2DLayer(above((None, 3, 6, 5)), 4, 2, dilation=2, nonlinearity=None)
    spread = np.zeros((4, 3, 3, 3))
    spread[:, :, ::2, ::2] = dilated.W.get_value().transpose(1, 0, 2, 3)
    np.testing.assert_allclose(output(dilated, IMAGES), correlation(IMAGES, spread))
    one = layers.Conv1DLayer(above((None, 3, 6)), 2, 3, flip_filters=False, nonlinearity=None)
    expected = correlation(IMAGES[..., :1], one.W.get_value()[..., None])[..., 0]
    np.testing.assert_allclose(output(one, IMAGES[..., 0]), expected)
    for kind in (corrmm.Conv2DMMLayer, dnn.Conv2DDNNLayer):
        correlating = kind(above((None, 3, 6, 5)), 4, 3, nonlinearity=None)
        expected = correlation(IMAGES, correlating.W.get_value())
        np.testing.assert_allclose(output(correlating, IMAGES), expected)


@pytest.mark.parametrize("crop", [0, "same", "full", 1])
def test_a_transposed_convolution_is_the_gradient_of_a_convolution(crop):
    small = RNG.standard_normal((2, 3, 4, 4))
    layer = layers.TransposedConv2DLayer(
        above((None, 3, 4, 4)), 2, 3, stride=2 if crop == 0 else 1, crop=crop, nonlinearity=None
    )
    back = layers.Conv2DLayer(
        above(layer.output_shape), 3, 3, stride=layer.stride, pad=crop, b=None, nonlinearity=None,
        W=layer.W, flip_filters=not layer.flip_filters,
    )
    x = T.tensor4("x")
    y = layers.get_output(back, x)
    g = T.tensor4("g")
    expected = symc.function([x, g], symc.grad(None, x, known_grads={y: g}))(
        np.zeros((2, *layer.output_shape[1:])), small
    )
    np.testing.assert_allclose(output(layer, small), expected, atol=1e-12)


@pytest.mark.parametrize("flip", [True, False])
@pytest.mark.parametrize("channelwise", [True, False])
def test_local_filters(flip, channelwise):
    layer = layers.LocallyConnected2DLayer(
        above((None, 3, 6, 5)), 3, 3, flip_filters=flip, channelwise=channelwise,
        nonlinearity=None, b=None, W=init.Normal(1.0),
    )
    w = layer.W.get_value()
    padded = np.pad(IMAGES, ((0, 0), (0, 0), (1, 1), (1, 1)))
    expected = np.zeros((2, 3, 6, 5))
    for i, j in np.ndindex(6, 5):
        seen = padded[:, :, i : i + 3, j : j + 3]
        seen = seen[:, :, ::-1, ::-1] if flip else seen
        kind = "bckl,ckl->bc" if channelwise else "bckl,fckl->bf"
        expected[:, :, i, j] = np.einsum(kind, seen, w[..., i, j])
    np.testing.assert_allclose(output(layer, IMAGES), expected)


def test_pooling_and_upscaling():
    blocks = IMAGES[:, :, :6, :4].reshape(2, 3, 3, 2, 2, 2)
    pooled = layers.MaxPool2DLayer(above((None, 3, 6, 5)), 2)
    np.testing.assert_allclose(output(pooled, IMAGES), blocks.max((3, 5)))
    mean = layers.Pool2DLayer(above((None, 3, 6, 5)), 2, mode="average_exc_pad")
    np.testing.assert_allclose(output(mean, IMAGES), blocks.mean((3, 5)))
    line = layers.Pool1DLayer(above((None, 3, 6)), 3, stride=2, mode="sum")
    expected = np.stack([IMAGES[..., k : k + 3, 0].sum(-1) for k in (0, 2)], -1)
    np.testing.assert_allclose(output(line, IMAGES[..., 0]), expected)
    twice = layers.Upscale2DLayer(above((None, 3, 6, 5)), (2, 3))
    np.testing.assert_array_equal(output(twice, IMAGES), IMAGES.repeat(2, 2).repeat(3, 3))
    spread = layers.Upscale2DLayer(above((None, 3, 6, 5)), 2, mode="dilate")
    expected = np.zeros((2, 3, 12, 10))
    expected[:, :, ::2, ::2] = IMAGES
    np.testing.assert_array_equal(output(spread, IMAGES), expected)
    maxout = layers.FeaturePoolLayer(above((None, 6)), 3)
    value = RNG.standard_normal((4, 6))
    np.testing.assert_array_equal(output(maxout, value), value.reshape(4, 2, 3).max(2))
    winners = layers.FeatureWTALayer(above((None, 6)), 2)
    pairs = value.reshape(4, 3, 2)
    expected = np.where(pairs == pairs.max(2, keepdims=True), pairs, 0).reshape(4, 6)
    np.testing.assert_array_equal(output(winners, value), expected)
    np.testing.assert_allclose(
        output(layers.GlobalPoolLayer(above((None, 3, 6, 5))), IMAGES), IMAGES.mean((2, 3))
    )
    pyramid = layers.SpatialPyramidPoolingLayer(above((None, 3, 6, 5)), [2, 1],
                                                implementation="kaiming")
    got = output(pyramid, IMAGES)
    np.testing.assert_array_equal(got[..., -1], IMAGES.max((2, 3)))
    np.testing.assert_array_equal(got[..., 0], IMAGES[:, :, :3, :3].max((2, 3)))


def test_shapes():
    flat = layers.FlattenLayer(above((None, 3, 6, 5)))
    np.testing.assert_array_equal(output(flat, IMAGES), IMAGES.reshape(2, 90))
    shaped = layers.ReshapeLayer(above((2, 3, 6, 5)), ([0], -1, 10))
    np.testing.assert_array_equal(output(shaped, IMAGES), IMAGES.reshape(2, 9, 10))
    moved = layers.DimshuffleLayer(above((2, 3, 6, 5)), (1, "x", 0, 3, 2))
    np.testing.assert_array_equal(output(moved, IMAGES), IMAGES.transpose(1, 0, 3, 2)[:, None])
    padded = layers.PadLayer(above((None, 3, 6, 5)), [(1, 2), 1], val=7)
    expected = np.pad(IMAGES, ((0, 0), (0, 0), (1, 2), (1, 1)), constant_values=7)
    np.testing.assert_array_equal(output(padded, IMAGES), expected)
    part = layers.SliceLayer(above((None, 3, 6, 5)), slice(1, 5, 2), axis=2)
    np.testing.assert_array_equal(output(part, IMAGES), IMAGES[:, :, 1:5:2])
    one = layers.SliceLayer(above((None, 3, 6, 5)), -1)
    np.testing.assert_array_equal(output(one, IMAGES), IMAGES[..., -1])
    with pytest.raises(ValueError, match="90 elements"):
        layers.ReshapeLayer((1, 3, 6, 5), (7, 13))
    # a length that is not known but stays the same says nothing about the others
    assert layers.ReshapeLayer((None, 3, 6, 5), ([0], -1, 10)).output_shape == (None, 9, 10)
    assert layers.ReshapeLayer((None, 3, None), (-1, [2], [2])).output_shape == (None, None, None)
    with pytest.raises(ValueError, match="drops axis 1"):
        layers.DimshuffleLayer((2, 3), (0,))


def test_merging():
    x, y = T.matrix("x"), T.matrix("y")
    a, b = layers.InputLayer((None, 3), x), layers.InputLayer((None, 2), y)
    p, q = RNG.standard_normal((4, 3)), RNG.standard_normal((4, 2))
    both = layers.get_output(layers.ConcatLayer([a, b]))
    np.testing.assert_array_equal(symc.function([x, y], both)(p, q), np.hstack([p, q]))
    total = layers.ElemwiseSumLayer([a, b], coeffs=[2, -1], cropping=[None, "upper"])
    got = symc.function([x, y], layers.get_output(total))(p, q)
    np.testing.assert_allclose(got, 2 * p[:, 1:] - q)
    with pytest.raises(ValueError, match=r"\(None, 3\), \(None, 2\)"):
        layers.ElemwiseMergeLayer([a, b], T.maximum)


def test_normalisation():
    value = 3 + 2 * RNG.standard_normal((20, 4))
    layer = layers.BatchNormLayer(above((None, 4)))
    got = output(layer, value)
    mean, inv_std = value.mean(0), 1 / np.sqrt(value.var(0) + 1e-4)
    np.testing.assert_allclose(got, (value - mean) * inv_std)
    np.testing.assert_allclose(layer.mean.get_value(), 0.1 * mean)
    np.testing.assert_allclose(layer.inv_std.get_value(), 0.9 + 0.1 * inv_std)
    got = output(layer, value, deterministic=True)
    np.testing.assert_allclose(got, (value - 0.1 * mean) * (0.9 + 0.1 * inv_std))
    each = layers.StandardizationLayer(above((None, 3, 6, 5)))
    expected = IMAGES - IMAGES.mean((2, 3), keepdims=True)
    expected /= np.sqrt(IMAGES.var((2, 3), keepdims=True) + 1e-4)
    np.testing.assert_allclose(output(each, IMAGES), expected)
    local = layers.LocalResponseNormalization2DLayer(above((None, 3, 6, 5)), alpha=0.1, n=3)
    squares = np.pad(IMAGES**2, ((0, 0), (1, 1), (0, 0), (0, 0)))
    response = squares[:, :-2] + squares[:, 1:-1] + squares[:, 2:]
    np.testing.assert_allclose(output(local, IMAGES), IMAGES / (2 + 0.1 * response) ** 0.75)


def test_noise_is_for_training():
    value = np.ones((200, 50))
    dropped = layers.DropoutLayer(above((None, 50)), p=0.3)
    got = output(dropped, value)
    assert set(np.unique(got)) == {0.0, 1 / 0.7}
    assert (got == 0).mean() == pytest.approx(0.3, abs=0.03)
    np.testing.assert_array_equal(output(dropped, value, deterministic=True), value)
    channels = output(layers.dropout_channels(above((None, 3, 6, 5))), np.ones((40, 3, 6, 5)))
    assert (channels == channels[:, :, :1, :1]).all()
    noisy = output(layers.GaussianNoiseLayer(above((None, 50)), sigma=0.5), value)
    assert (noisy - value).std() == pytest.approx(0.5, rel=0.05)


def test_learned_slopes_and_any_expression():
    slopes = layers.ParametricRectifierLayer(above((None, 3, 6, 5)), alpha=init.Normal(1.0))
    alpha = slopes.alpha.get_value()[:, None, None]
    expected = np.where(IMAGES > 0, IMAGES, alpha * IMAGES)
    np.testing.assert_allclose(output(slopes, IMAGES), expected)
    squared = layers.ExpressionLayer(above((None, 3, 6, 5)), lambda x: T.sqr(x).sum(3), "auto")
    assert squared.output_shape == (None, 3, 6)
    np.testing.assert_allclose(output(squared, IMAGES), (IMAGES**2).sum(3))
    offset, scale = RNG.random(3), RNG.random(3) + 1
    fixed = layers.standardize(above((None, 3, 6, 5)), offset, scale)
    expected = (IMAGES - offset[:, None, None]) / scale[:, None, None]
    np.testing.assert_allclose(output(fixed, IMAGES), expected)
    assert layers.get_all_params(fixed, trainable=True) == []


def test_inputs_of_three_kinds_and_unknown_keywords():
    x = T.matrix("x")
    below = layers.InputLayer((None, 3), x)
    top = layers.NonlinearityLayer(below, T.exp)
    value = RNG.standard_normal((2, 3))
    np.testing.assert_allclose(layers.get_output(top).eval({x: value}), np.exp(value))
    np.testing.assert_allclose(layers.get_output(top, value).eval(), np.exp(value))
    np.testing.assert_allclose(layers.get_output(top, {below: value * 2}).eval(), np.exp(2 * value))
    with pytest.warns(UserWarning, match="deterministic"):
        layers.get_output(top, determinstic=True)
    with pytest.raises(TypeError, match="NoneType|object"):
        layers.get_output(top, object())
    with pytest.raises(ValueError, match="built from a shape"):
        layers.get_output(layers.NonlinearityLayer((None, 3)))
