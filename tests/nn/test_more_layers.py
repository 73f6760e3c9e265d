"""Elementwise, merging and normalising layers against NumPy; every class keeps when pickled."""

from __future__ import annotations

import inspect
import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers, nonlinearities, utils
from symc.nn.layers import corrmm, cuda_convnet, dnn
from symc.nn.layers.conv import Correlating

RNG = np.random.default_rng(11)
IMAGES = RNG.standard_normal((2, 3, 6, 4))
ROWS = RNG.standard_normal((5, 4))
BELOW = layers.InputLayer((None, 3, 6, 4))
FLAT = layers.InputLayer((None, 4))
TIMES = layers.InputLayer((None, 3, 4))


def output(layer, value, **options):
    bottom = layers.get_all_layers(layer)[0]
    expression = layers.get_output(layer, **options)
    got = symc.function([bottom.input_var], expression, mode="FAST_COMPILE")(value)
    assert got.shape == layers.get_output_shape(layer, {bottom: value.shape})
    return got


def test_offsets_and_scales():
    for axes, shape in (("auto", (1, 3, 1, 1)), (0, (1, 3, 6, 4)), ((0, 1, -1), (1, 1, 6, 1))):
        bias = layers.BiasLayer(BELOW, init.Normal(1.0), axes)
        b = bias.b.get_value()
        assert b.shape == tuple(n for n in shape if n > 1)
        np.testing.assert_array_equal(output(bias, IMAGES), IMAGES + b.reshape(shape))
        scale = layers.ScaleLayer(BELOW, init.Normal(1.0), axes)
        factors = scale.scales.get_value().reshape(shape)
        np.testing.assert_array_equal(output(scale, IMAGES), IMAGES * factors)
        for layer in (bias, scale):
            assert layer.get_params(regularizable=True) == []
            assert len(layer.get_params(trainable=True)) == 1
    np.testing.assert_array_equal(output(layers.BiasLayer(BELOW, None), IMAGES), IMAGES)


def test_nonlinearity_and_none():
    squared = layers.NonlinearityLayer(FLAT, T.sqr)
    np.testing.assert_array_equal(output(squared, ROWS), ROWS**2)
    np.testing.assert_array_equal(output(layers.NonlinearityLayer(FLAT, None), ROWS), ROWS)
    np.testing.assert_array_equal(output(layers.NonlinearityLayer(FLAT), ROWS), ROWS * (ROWS > 0))


def test_expressions_and_their_shapes():
    def halved(x):
        return x[:, :, ::2, ::2]

    def half(shape):
        return (*shape[:2], shape[2] // 2, shape[3] // 2)

    for output_shape in (half, "auto"):
        layer = layers.ExpressionLayer(BELOW, halved, output_shape)
        assert layer.output_shape == (None, 3, 3, 2)
        np.testing.assert_array_equal(output(layer, IMAGES), IMAGES[:, :, ::2, ::2])
    assert layers.ExpressionLayer(BELOW, halved, (None, 3, 3, 2)).output_shape == (None, 3, 3, 2)
    same = layers.ExpressionLayer(layers.InputLayer((None, None, 6, 4)), T.exp)
    assert same.output_shape == (None, None, 6, 4)
    swapped = layers.ExpressionLayer(BELOW, lambda x: x.flatten(3).dimshuffle(2, 0, 1), "auto")
    assert swapped.output_shape == (24, None, 3)


def test_embedding():
    words = layers.InputLayer((None, None), T.imatrix())
    layer = layers.EmbeddingLayer(words, 7, 4)
    assert layer.output_shape == (None, None, 4)
    value = RNG.integers(0, 7, (3, 5)).astype("int32")
    np.testing.assert_array_equal(output(layer, value), layer.W.get_value()[value])


def test_merging_more_than_two():
    x = T.matrix()
    below = layers.InputLayer((None, 4), x)
    parts = [layers.ExpressionLayer(below, f) for f in (T.sqr, T.exp, abs)]
    values = [ROWS**2, np.exp(ROWS), abs(ROWS)]

    def merged(layer):
        return symc.function([x], layers.get_output(layer), mode="FAST_COMPILE")(ROWS)

    greatest = layers.ElemwiseMergeLayer(parts, T.maximum)
    np.testing.assert_allclose(merged(greatest), np.max(values, axis=0))
    total = layers.ElemwiseSumLayer(parts, coeffs=0.5)
    np.testing.assert_allclose(merged(total), np.sum(values, axis=0) / 2)
    for axis in (0, 1, -1):
        joined = layers.ConcatLayer(parts, axis)
        np.testing.assert_allclose(merged(joined), np.concatenate(values, axis))
    column = layers.ExpressionLayer(parts[0], lambda v: v[:, :1], (None, 1))
    stretched = layers.ElemwiseSumLayer([parts[1], column])
    np.testing.assert_allclose(merged(stretched), values[1] + values[0][:, :1])
    assert stretched.output_shape == (None, 4)


@pytest.mark.parametrize("mode", ["lower", "center", "upper"])
def test_cropping(mode):
    a, b = RNG.standard_normal((2, 7, 4)), RNG.standard_normal((3, 4, 4))
    at = {"lower": 0, "center": 1, "upper": 3}[mode]
    row = {"lower": 0, "center": 0, "upper": 1}[mode]
    first, second = layers.autocrop([T.constant(a), T.constant(b)], [mode, mode])
    np.testing.assert_array_equal(first.eval(), a[:, at : at + 4])
    np.testing.assert_array_equal(second.eval(), b[row : row + 2])
    shapes = layers.autocrop_array_shapes([(2, 7, None), (3, 4, 4)], [mode, None, mode])
    assert shapes == [(2, 7, None), (2, 4, None)]
    with pytest.raises(ValueError, match="'middle'"):
        layers.autocrop([a, b], ["middle"])


def test_the_inverse_is_the_gradient():
    dense = layers.DenseLayer(FLAT, 3, nonlinearity=nonlinearities.tanh)
    back = layers.InverseLayer(layers.NonlinearityLayer(dense, T.sqr), dense)
    w, b = dense.W.get_value(), dense.b.get_value()
    h = np.tanh(ROWS @ w + b)
    np.testing.assert_allclose(output(back, ROWS), (h**2 * (1 - h**2)) @ w.T)
    pool = layers.MaxPool2DLayer(BELOW, 2)
    up = output(layers.InverseLayer(pool, pool), IMAGES)
    blocks = IMAGES.reshape(2, 3, 3, 2, 2, 2)
    best = blocks == blocks.max((3, 5), keepdims=True)
    np.testing.assert_array_equal(up, (blocks * best).reshape(IMAGES.shape))


def test_random_slopes():
    layer = layers.RandomizedRectifierLayer(BELOW, 0.2, 0.6)
    f = symc.function([BELOW.input_var], layers.get_output(layer), mode="FAST_COMPILE")
    below = -abs(IMAGES)
    slopes = np.stack([f(below) / below for _ in range(30)])
    assert np.ptp(slopes, axis=(1, 3, 4)).max() < 1e-12  # one slope for each channel
    assert 0.2 <= slopes.min() < 0.3
    assert 0.5 < slopes.max() <= 0.6
    np.testing.assert_array_equal(f(abs(IMAGES)), abs(IMAGES))
    fixed = output(layer, IMAGES, deterministic=True)
    np.testing.assert_allclose(fixed, np.where(IMAGES > 0, IMAGES, 0.4 * IMAGES))
    all_alone = layers.RandomizedRectifierLayer(BELOW, 0.2, 0.6, shared_axes=())
    varied = output(all_alone, below) / below
    assert len(np.unique(varied.round(12))) == varied.size


def test_slopes_in_place_of_a_nonlinearity():
    dense = layers.DenseLayer(FLAT, 3)
    sloped = layers.prelu(dense, alpha=init.Constant(0.5), shared_axes="all")
    before = ROWS @ dense.W.get_value() + dense.b.get_value()
    np.testing.assert_allclose(output(sloped, ROWS), np.where(before > 0, before, before / 2))
    assert sloped.alpha.get_value().shape == ()
    assert sloped.get_params(regularizable=True) == []
    random = layers.rrelu(layers.DenseLayer(FLAT, 3, W=dense.W), lower=0.5, upper=0.5)
    np.testing.assert_allclose(output(random, ROWS), np.where(before > 0, before, before / 2))


def standardized(x, axes):
    return (x - x.mean(axes, keepdims=True)) / np.sqrt(x.var(axes, keepdims=True) + 1e-4)


def test_normalisation_between_a_layer_and_its_nonlinearity():
    for make, axes, names in (
        (layers.batch_norm, (0, 2, 3), ["beta", "gamma"]),
        (layers.instance_norm, (2, 3), ["scales", "b"]),
        (layers.layer_norm, (1, 2, 3), ["scales", "b"]),
    ):
        conv = layers.Conv2DLayer(BELOW, 2, 3, flip_filters=False, name="conv")
        before = output(layers.Conv2DLayer(BELOW, 2, 3, W=conv.W, flip_filters=False,
                                           nonlinearity=None, b=None), IMAGES)
        net = make(conv)
        expected = np.maximum(standardized(before, axes), 0)
        np.testing.assert_allclose(output(net, IMAGES), expected, atol=1e-12)
        params = layers.get_all_params(net, trainable=True)
        assert [p.name.rpartition(".")[2] for p in params] == ["W", *names]
        assert conv.b is None
    plain = layers.instance_norm(layers.DenseLayer(FLAT, 3), learn_scale=False, learn_bias=False)
    assert [p.name for p in layers.get_all_params(plain)] == ["W"]
    rows = layers.StandardizationLayer(FLAT, axes="features", epsilon=0.5)
    expected = (ROWS - ROWS.mean(1, keepdims=True)) / np.sqrt(ROWS.var(1, keepdims=True) + 0.5)
    np.testing.assert_allclose(output(rows, ROWS), expected)


def test_averages_of_batches():
    layer = layers.BatchNormLayer(
        FLAT, alpha=0.25, epsilon=0.1, beta=init.Normal(1.0), gamma=init.Normal(1.0)
    )
    beta, gamma = layer.beta.get_value(), layer.gamma.get_value()
    x = FLAT.input_var
    train = symc.function([x], layers.get_output(layer), mode="FAST_COMPILE")
    kept = symc.function([x], mode="FAST_COMPILE", outputs=layers.get_output(
        layer, batch_norm_use_averages=False, batch_norm_update_averages=False
    ))
    mean, inv_std = np.zeros(4), np.ones(4)
    for _ in range(3):
        batch = RNG.standard_normal((6, 4)) + 1
        own = 1 / np.sqrt(batch.var(0) + 0.1)
        expected = (batch - batch.mean(0)) * own * gamma + beta
        np.testing.assert_allclose(train(batch), expected)
        np.testing.assert_allclose(kept(batch), expected)
        mean, inv_std = 0.75 * mean + 0.25 * batch.mean(0), 0.75 * inv_std + 0.25 * own
        np.testing.assert_allclose(layer.mean.get_value(), mean)
        np.testing.assert_allclose(layer.inv_std.get_value(), inv_std)
    got = output(layer, ROWS, deterministic=True)
    np.testing.assert_allclose(got, (ROWS - mean) * inv_std * gamma + beta)
    tags = {p.name: layer.params[p] for p in layer.params}
    assert tags == {
        "beta": {"trainable"}, "gamma": {"trainable", "regularizable"},
        "mean": set(), "inv_std": set(),
    }


def test_dropping_places_and_channels():
    ones = np.ones((20, 3, 6, 4))
    for make, same in ((layers.dropout_channels, (2, 3)), (layers.dropout_locations, (1,))):
        got = output(make(BELOW, p=0.25), ones)
        assert set(np.unique(got)) == {0.0, 1 / 0.75}
        assert np.ptp(got, axis=same).max() == 0
        others = tuple(k for k in range(4) if k not in same)
        assert np.ptp(got, axis=others).max() > 0
    plain = output(layers.DropoutLayer(BELOW, p=0.25, rescale=False), ones)
    assert set(np.unique(plain)) == {0.0, 1.0}
    p = symc.shared(np.float64(0.5))
    layer = layers.DropoutLayer(FLAT, p=p)
    f = symc.function([FLAT.input_var], layers.get_output(layer), mode="FAST_COMPILE")
    assert set(np.unique(f(np.ones((50, 4))))) == {0.0, 2.0}
    p.set_value(0.0)
    assert set(np.unique(f(np.ones((50, 4))))) == {1.0}


# One layer of each class, to be pickled.
PAIR = [FLAT, layers.DenseLayer(FLAT, 4)]
LOOP = (
    layers.DenseLayer(layers.InputLayer((None, 4)), 3, b=None),
    layers.DenseLayer(layers.InputLayer((None, 3)), 3),
)
SAMPLES = [
    (kind, BELOW, arguments)
    for kind, arguments in [
        (layers.Conv2DLayer, (2, 3)), (dnn.Conv2DDNNLayer, (2, 3)), (corrmm.Conv2DMMLayer, (2, 3)),
        (cuda_convnet.Conv2DCCLayer, (2, 3)), (cuda_convnet.MaxPool2DCCLayer, (2,)),
        (cuda_convnet.ShuffleBC01ToC01BLayer, ()), (cuda_convnet.ShuffleC01BToBC01Layer, ()),
        (layers.TransposedConv2DLayer, (2, 3)),
        (layers.DilatedConv2DLayer, (2, 3)), (layers.LocallyConnected2DLayer, (2, 3)),
        (layers.Pool2DLayer, (2,)), (layers.MaxPool2DLayer, (2,)), (layers.Upscale2DLayer, (2,)),
        (layers.GlobalPoolLayer, ()), (layers.SpatialPyramidPoolingLayer, ()),
        (layers.FlattenLayer, ()), (layers.PadLayer, (1,)), (layers.SliceLayer, (0,)),
        (layers.ReshapeLayer, (([0], -1),)), (layers.DimshuffleLayer, ((1, 0, 2, 3),)),
        (layers.LocalResponseNormalization2DLayer, ()), (layers.BatchNormLayer, ()),
        (layers.StandardizationLayer, ()), (layers.BiasLayer, ()), (layers.ScaleLayer, ()),
        (layers.ParametricRectifierLayer, ()), (layers.RandomizedRectifierLayer, ()),
        (layers.NINLayer, (2,)), (layers.NonlinearityLayer, ()), (layers.DropoutLayer, ()),
        (layers.GaussianNoiseLayer, ()), (layers.ExpressionLayer, (T.exp,)),
        (layers.TransformerLayer, (layers.DenseLayer(BELOW, 6),)),
        (layers.TPSTransformerLayer, (layers.DenseLayer(BELOW, 32),)),
    ]
] + [
    (kind, FLAT, arguments)
    for kind, arguments in [
        (layers.DenseLayer, (3,)), (layers.BatchwiseDropoutDenseLayer, (3,)),
        (layers.FeaturePoolLayer, (2,)), (layers.FeatureWTALayer, (2,)),
        (layers.InverseLayer, (layers.NonlinearityLayer(FLAT, T.tanh),)),
    ]
] + [
    (kind, TIMES, arguments)
    for kind, arguments in [
        (layers.Conv1DLayer, (2, 2)), (layers.Pool1DLayer, (2,)), (layers.MaxPool1DLayer, (2,)),
        (layers.Upscale1DLayer, (2,)), (layers.RecurrentLayer, (3,)), (layers.LSTMLayer, (3,)),
        (layers.GRULayer, (3,)), (layers.CustomRecurrentLayer, LOOP),
    ]
] + [
    (kind, layers.InputLayer((None, 2, 3, 3, 3)), arguments)
    for kind, arguments in [
        (layers.Conv3DLayer, (2, 2)), (dnn.Conv3DDNNLayer, (2, 2)), (layers.Pool3DLayer, (2,)),
        (layers.TransposedConv3DLayer, (2, 2)), (layers.MaxPool3DLayer, (2,)),
        (layers.Upscale3DLayer, (2,)),
    ]
] + [
    (cuda_convnet.NINLayer_c01b, layers.InputLayer((2, 3, 4, 5)), (3,)),
    (layers.EmbeddingLayer, layers.InputLayer((None, 3), T.imatrix()), (5, 4)),
    (layers.ConcatLayer, PAIR, ()), (layers.ElemwiseSumLayer, PAIR, ()),
    (layers.ElemwiseMergeLayer, PAIR, (T.maximum,)), (layers.InputLayer, (None, 4), ()),
]


@pytest.mark.parametrize(("kind", "below", "arguments"), SAMPLES)
def test_every_layer_pickles_and_says_its_shape(kind, below, arguments):
    layer = kind(below, *arguments, name="it")
    again = pickle.loads(pickle.dumps(layer))
    assert type(again) is kind
    bottom, other = layers.get_all_layers(layer)[0], layers.get_all_layers(again)[0]
    shape = (2, *bottom.output_shape[1:])
    value = np.ones(shape, dtype=bottom.input_var.dtype)
    results = [
        symc.function([b.input_var], layers.get_output(net, deterministic=True),
                      mode="FAST_COMPILE")(value)
        for b, net in ((bottom, layer), (other, again))
    ]
    np.testing.assert_array_equal(*results)
    assert results[0].shape == layers.get_output_shape(layer, {bottom: shape})
    known = zip(layer.output_shape, results[0].shape, strict=True)
    assert all(n in (None, m) for n, m in known)


def test_every_class_is_among_them():
    found = {
        c for m in (layers, dnn, corrmm, cuda_convnet) for c in vars(m).values()
        if inspect.isclass(c) and issubclass(c, layers.Layer) and c.__name__[0] != "_"
    }
    bases = {layers.Layer, layers.MergeLayer, layers.BaseConvLayer, Correlating}
    assert found - bases == {kind for kind, _, _ in SAMPLES}


def test_helpers_of_parameters_and_inputs():
    assert utils.shared_empty(3, "int32").get_value().shape == (1, 1, 1)
    given = utils.as_theano_expression({"a": 1.0, "b": [1, 2]})
    assert {k: v.eval().tolist() for k, v in given.items()} == {"a": 1.0, "b": [1, 2]}
    assert utils.unique([3, 1, 3, 2, 1]) == [3, 1, 2]
    assert utils.inspect_kwargs(lambda a, b=1, *, c=2: None) == ["b", "c"]
    w = RNG.standard_normal((3, 4))
    np.testing.assert_allclose(utils.compute_norms(w), np.linalg.norm(w, axis=0))
    np.testing.assert_allclose(utils.compute_norms(T.constant(w)).eval(), np.linalg.norm(w, axis=0))
    filters = RNG.standard_normal((5, 3, 2, 2))
    np.testing.assert_allclose(
        utils.compute_norms(filters), np.sqrt((filters**2).sum((1, 2, 3)))
    )
    np.testing.assert_allclose(utils.compute_norms(filters, (0,)), np.linalg.norm(filters, axis=0))


def test_an_unrolled_loop():
    x, h, w = T.matrix(), T.vector(), T.scalar()
    states = utils.unroll_scan(lambda row, state, k: k * state + row, [x], [h], [w], 4)
    back = utils.unroll_scan(lambda row, state, k: k * state + row, x, [h], [w], 4, True)
    rows, first = RNG.standard_normal((4, 3)), RNG.standard_normal(3)
    f = symc.function([x, h, w], [states[0], back[0]], mode="FAST_COMPILE")
    for got, order in zip(f(rows, first, 0.5), (rows, rows[::-1]), strict=True):
        state = first
        for row, result in zip(order, got, strict=True):
            state = 0.5 * state + row
            np.testing.assert_allclose(result, state)
