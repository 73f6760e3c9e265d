"""Programs as people write them with Lasagne, small: they run, learn, and agree with NumPy."""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
import pytest

import symc as theano
import symc.nn as lasagne
import symc.tensor as T
from symc.nn.layers import (
    BatchNormLayer,
    ConcatLayer,
    Conv1DLayer,
    Conv2DLayer,
    Deconv2DLayer,
    DenseLayer,
    DimshuffleLayer,
    ElemwiseSumLayer,
    EmbeddingLayer,
    ExpressionLayer,
    GlobalPoolLayer,
    GRULayer,
    InputLayer,
    InverseLayer,
    LSTMLayer,
    MaxPool2DLayer,
    MergeLayer,
    NonlinearityLayer,
    PadLayer,
    Pool2DLayer,
    ReshapeLayer,
    SliceLayer,
    batch_norm,
    dropout,
    get_all_layers,
    get_all_param_values,
    get_all_params,
    get_output,
    get_output_shape,
    set_all_param_values,
)
from symc.nn.layers.dnn import Conv2DDNNLayer
from symc.nn.nonlinearities import rectify, sigmoid, softmax, tanh
from symc.nn.objectives import binary_crossentropy, categorical_crossentropy, squared_error
from symc.nn.utils import floatX
from symc.sandbox.rng_mrg import MRG_RandomStreams

PLAIN = {"mode": "FAST_COMPILE"}


@pytest.fixture
def rng():
    """One seed for data and weights."""
    lasagne.random.set_rng(np.random.RandomState(3))
    yield lasagne.random.get_rng()
    lasagne.random.set_rng(np.random)


def learns(inputs, loss, params, values, steps=12, rule=lasagne.updates.adam, **options):
    """Compile a step, run it, and check that the loss gets smaller."""
    updates = rule(loss, params, **(options or {"learning_rate": 0.01}))
    step = theano.function(inputs, loss, updates=updates, **PLAIN)
    history = [float(step(*values)) for _ in range(steps)]
    assert np.isfinite(history).all()
    assert history[-1] < history[0]


def test_a_vgg_in_a_dict_and_weights_of_another(rng):
    def build():
        net = OrderedDict()
        net["input"] = InputLayer((None, 3, 8, 8))
        net["conv1_1"] = Conv2DDNNLayer(net["input"], 4, 3, pad=1, flip_filters=False)
        net["pool1"] = Pool2DLayer(net["conv1_1"], 2)
        net["fc6"] = DenseLayer(net["pool1"], num_units=10)
        net["fc6_dropout"] = lasagne.layers.DropoutLayer(net["fc6"], p=0.5)
        net["fc8"] = DenseLayer(net["fc6_dropout"], num_units=5, nonlinearity=None)
        net["prob"] = NonlinearityLayer(net["fc8"], softmax)
        return net

    one, two = build(), build()
    set_all_param_values(two["prob"], get_all_param_values(one["prob"]))
    images = floatX(rng.randn(2, 3, 8, 8))
    results = [get_output(n["prob"], images, deterministic=True).eval() for n in (one, two)]
    np.testing.assert_array_equal(*results)
    np.testing.assert_allclose(results[0].sum(1), 1)
    top = DenseLayer(two["fc6"], 3, nonlinearity=softmax)  # another task, other layers fixed
    for layer in get_all_layers(two["fc6"]):
        for param in layer.params:
            layer.params[param].discard("trainable")
    assert get_all_params(top, trainable=True) == [top.W, top.b]


def residual_block(layer, increase_dim=False):
    filters = layer.output_shape[1] * (2 if increase_dim else 1)
    weights = lasagne.init.HeNormal(gain="relu")
    first = batch_norm(Conv2DLayer(layer, filters, 3, stride=2 if increase_dim else 1, pad="same",
                                   nonlinearity=rectify, W=weights, flip_filters=False))
    second = batch_norm(Conv2DLayer(first, filters, 3, pad="same", nonlinearity=None, W=weights))
    if increase_dim:
        layer = ExpressionLayer(
            layer, lambda x: x[:, :, ::2, ::2], lambda s: (s[0], s[1], s[2] // 2, s[3] // 2)
        )
        layer = PadLayer(layer, [filters // 4, 0, 0], batch_ndim=1)
    return NonlinearityLayer(ElemwiseSumLayer([second, layer]), nonlinearity=rectify)


def test_a_residual_network(rng):
    x, y = T.tensor4("inputs"), T.ivector("targets")
    net = InputLayer((None, 4, 8, 8), x)
    net = residual_block(residual_block(net), increase_dim=True)
    assert net.output_shape == (None, 8, 4, 4)
    net = DenseLayer(GlobalPoolLayer(net), 3, nonlinearity=softmax)
    loss = categorical_crossentropy(get_output(net), y).mean()
    loss += 1e-4 * lasagne.regularization.regularize_layer_params(
        get_all_layers(net), lasagne.regularization.l2
    )
    rate = theano.shared(floatX(0.1))
    values = floatX(rng.randn(6, 4, 8, 8)), np.arange(6, dtype="int32") % 3
    learns([x, y], loss, get_all_params(net, trainable=True), values, 5,
           rule=lasagne.updates.momentum, learning_rate=rate, momentum=0.9)
    assert np.isfinite(get_output(net, values[0], deterministic=True).eval()).all()


def test_an_inception_module_of_images_of_any_size(rng):
    below = InputLayer((None, 3, None, None))
    pooled = Conv2DLayer(Pool2DLayer(below, pool_size=3, stride=1, pad=1), 2, 1)
    middle = Conv2DLayer(Conv2DLayer(below, 3, 1), 4, 3, pad=1)
    module = ConcatLayer([Conv2DLayer(below, 2, 1), middle, pooled])
    assert module.output_shape == (None, 8, None, None)
    assert get_output_shape(module, {below: (2, 3, 9, 7)}) == (2, 8, 9, 7)
    assert get_output(module, floatX(rng.randn(2, 3, 9, 7))).eval().shape == (2, 8, 9, 7)


def test_an_autoencoder_by_inverse_layers(rng):
    below = InputLayer((None, 1, 8, 8))
    conv = Conv2DLayer(below, 4, 3, b=None)
    pool = MaxPool2DLayer(conv, 2)
    code = DenseLayer(pool, 12, b=None)
    net = code
    for layer in (code, pool, conv):
        net = InverseLayer(net, layer)
    assert net.output_shape == (None, 1, 8, 8)
    loss = squared_error(get_output(net), below.input_var).mean()
    learns([below.input_var], loss, get_all_params(net, trainable=True),
           [floatX(rng.rand(5, 1, 8, 8))])
    tied = DenseLayer(code, 36, W=code.W.T, nonlinearity=sigmoid)
    assert get_all_params(tied) == [conv.W, code.W, tied.b]


@pytest.mark.parametrize("kind", [LSTMLayer, GRULayer])
def test_sequences_both_ways_with_masks(rng, kind):
    words, mask = InputLayer((None, None), T.imatrix()), InputLayer((None, None))
    embedded = EmbeddingLayer(words, 12, 5)
    ways = [
        kind(embedded, 6, mask_input=mask, backwards=b, grad_clipping=10, learn_init=True)
        for b in (False, True)
    ]
    both = ElemwiseSumLayer(ways)
    last = SliceLayer(both, -1, axis=1)
    batch, steps = words.input_var.shape
    scores = DenseLayer(ReshapeLayer(both, (-1, 6)), 4, nonlinearity=softmax)
    scores = ReshapeLayer(scores, (batch, steps, 4))
    assert (last.output_shape, scores.output_shape) == ((None, 6), (None, None, 4))
    values = rng.randint(0, 12, (3, 4)).astype("int32"), floatX(rng.rand(3, 4) > 0.2)
    loss = -T.log(get_output(scores)[:, :, 0]).mean()
    learns([words.input_var, mask.input_var], loss, get_all_params(scores, trainable=True), values,
           6, rule=lasagne.updates.adagrad, learning_rate=0.1)


def test_a_network_of_words_by_convolution(rng):
    words = InputLayer((None, 9), T.imatrix())
    line = DimshuffleLayer(EmbeddingLayer(words, 30, 5), (0, 2, 1))
    widths = [GlobalPoolLayer(Conv1DLayer(line, 4, k, pad="full"), T.max) for k in (2, 3)]
    net = DenseLayer(dropout(ConcatLayer(widths)), 2, nonlinearity=softmax)
    sentences = rng.randint(0, 30, (3, 9)).astype("int32")
    np.testing.assert_allclose(get_output(net, sentences).eval().sum(1), 1)


def test_inputs_and_hidden_layers_by_dict(rng):
    a, b = T.matrices("ab")
    first, second = InputLayer((None, 4), a), InputLayer((None, 5), b)
    hidden = DenseLayer(first, 3, nonlinearity=tanh)
    both = ConcatLayer([hidden, second])
    main = DenseLayer(both, 2, nonlinearity=softmax)
    auxiliary = DenseLayer(hidden, 1, nonlinearity=sigmoid)
    outputs = get_output([main, auxiliary], {first: a * 2, second: np.ones((3, 5))})
    x, state = floatX(rng.randn(3, 4)), floatX(rng.randn(3, 3))
    got = theano.function([a], outputs, **PLAIN)(x)
    w, bias = hidden.W.get_value(), hidden.b.get_value()
    h = np.tanh(2 * x @ w + bias)
    expected = 1 / (1 + np.exp(-(h @ auxiliary.W.get_value() + auxiliary.b.get_value())))
    np.testing.assert_allclose(got[1], expected)
    scores = np.hstack([state, np.ones((3, 5))]) @ main.W.get_value()
    shares = np.exp(scores) / np.exp(scores).sum(1, keepdims=True)
    given = get_output(main, {hidden: state, second: np.ones((3, 5))})
    np.testing.assert_allclose(given.eval(), shares)


def test_two_networks_against_each_other(rng):
    noise, images = T.matrix("noise"), T.tensor4("images")
    net = batch_norm(DenseLayer(InputLayer((None, 5), noise), 4 * 2 * 2))
    net = Deconv2DLayer(ReshapeLayer(net, ([0], 4, 2, 2)), 1, 5, stride=2, crop="same",
                        output_size=4, nonlinearity=sigmoid)
    assert net.output_shape == (None, 1, 4, 4)
    leaky = lasagne.nonlinearities.LeakyRectify(0.2)
    critic = Conv2DLayer(InputLayer((None, 1, 4, 4), images), 3, 3, stride=2, pad="same",
                         nonlinearity=leaky)
    critic = DenseLayer(batch_norm(critic), 1, nonlinearity=sigmoid)
    real, fake = get_output(critic), get_output(critic, get_output(net))
    rate = theano.shared(floatX(0.01))
    updates = lasagne.updates.adam(binary_crossentropy(fake, 1).mean(),
                                   get_all_params(net, trainable=True), rate, beta1=0.5)
    loss = (binary_crossentropy(real, 1) + binary_crossentropy(fake, 0)).mean()
    updates.update(lasagne.updates.adam(loss, get_all_params(critic, trainable=True), rate))
    step = theano.function([noise, images], loss, updates=updates, **PLAIN)
    before = get_all_param_values([net, critic])
    values = floatX(rng.rand(6, 5)), floatX(rng.rand(6, 1, 4, 4))
    assert np.isfinite([step(*values) for _ in range(3)]).all()
    after = get_all_param_values([net, critic])
    assert all((p != q).any() for p, q in zip(before, after, strict=True))


class GaussianSample(MergeLayer):
    """Draws from a normal distribution, or its mean."""

    def __init__(self, mean, log_std, **kwargs):
        super().__init__([mean, log_std], **kwargs)
        self.streams = MRG_RandomStreams(lasagne.random.get_rng().randint(1, 2147462579))

    def get_output_shape_for(self, input_shapes):
        return input_shapes[0]

    def get_output_for(self, inputs, deterministic=False, **kwargs):
        mean, log_std = inputs
        if deterministic:
            return mean
        return mean + T.exp(log_std) * self.streams.normal(mean.shape)


def test_a_variational_autoencoder_with_a_layer_of_its_own(rng):
    x = T.matrix("x")
    hidden = DenseLayer(InputLayer((None, 12), x), 8, nonlinearity=tanh)
    mean, log_std = (DenseLayer(hidden, 2, nonlinearity=None) for _ in range(2))
    code = GaussianSample(mean, log_std)
    net = DenseLayer(DenseLayer(code, 8, nonlinearity=tanh), 12, nonlinearity=sigmoid)
    m, s, p = get_output([mean, log_std, net])
    divergence = -0.5 * T.sum(1 + 2 * s - T.sqr(m) - T.exp(2 * s))
    loss = divergence + binary_crossentropy(p, x).sum()
    values = [floatX(rng.rand(10, 12) > 0.5)]
    learns([x], loss, get_all_params(net, trainable=True), values, 30)
    z = T.matrix()
    drawn = theano.function([z], get_output(net, {code: z}), **PLAIN)(floatX(np.zeros((3, 2))))
    assert drawn.shape == (3, 12)
    assert (drawn == drawn[0]).all()


class Guided:
    """A rectifier whose gradient lets only positive parts back."""

    def __init__(self):
        self.ops = {}

    def __call__(self, x):
        if x.type not in self.ops:
            inner = x.type()
            outputs = [rectify(inner)]
            self.ops[x.type] = theano.OpFromGraph([inner], outputs, grad_overrides=self.grad)
        return self.ops[x.type](x)

    def grad(self, inputs, gradients):
        (x,), (g,) = inputs, gradients
        return [g * (x > 0).astype(x.dtype) * (g > 0).astype(x.dtype)]


def test_guided_gradients_of_the_input(rng):
    below = InputLayer((None, 3))
    hidden = DenseLayer(below, 5)
    top = DenseLayer(hidden, 2, nonlinearity=None)
    for layer in get_all_layers(top):
        if getattr(layer, "nonlinearity", None) is rectify:
            layer.nonlinearity = Guided()
    x = floatX(rng.randn(4, 3))
    best = T.max(get_output(top, deterministic=True), axis=1)
    got = theano.grad(best.sum(), below.input_var).eval({below.input_var: x})
    w, b, v, c = get_all_param_values(top)
    before = x @ w + b
    back = v[:, (np.maximum(before, 0) @ v + c).argmax(1)].T
    np.testing.assert_allclose(got, (back * (back > 0) * (before > 0)) @ w.T)


def test_a_rule_of_ones_own_and_constraints(rng):
    def rule(loss, params, rate):
        updates = OrderedDict()
        for p, g in zip(params, lasagne.updates.get_or_compute_grads(loss, params), strict=True):
            value = p.get_value(borrow=True)
            kept = theano.shared(np.zeros(value.shape, value.dtype), broadcastable=p.broadcastable)
            updates[kept] = 0.5 * kept + g
            updates[p] = p - rate * updates[kept]
        return updates

    x, t = T.matrix("x"), T.matrix("t")
    net = DenseLayer(InputLayer((None, 4), x), 3, nonlinearity=None)
    loss = squared_error(get_output(net), t).mean()
    values = floatX(rng.randn(5, 4)), floatX(rng.randn(5, 3))
    learns([x, t], loss, get_all_params(net), values, rule=rule, rate=0.1)
    rate = T.scalar("rate")
    clipped = [T.clip(g, -1, 1) for g in theano.grad(loss, get_all_params(net))]
    updates = lasagne.updates.apply_momentum(lasagne.updates.sgd(clipped, [net.W, net.b], rate))
    updates[net.W] = lasagne.updates.norm_constraint(updates[net.W], 0.5)
    theano.function([x, t, rate], loss, updates=updates, **PLAIN)(*values, floatX(0.1))
    assert (np.linalg.norm(net.W.get_value(), axis=0) <= 0.5 + 1e-6).all()


def test_data_in_shared_variables(rng):
    data = theano.shared(floatX(rng.rand(20, 6)), borrow=True)
    labels = T.cast(theano.shared(floatX(rng.randint(0, 3, 20))), "int32")
    below, y, index = InputLayer((10, 6)), T.ivector("y"), T.lscalar("index")
    net = DenseLayer(BatchNormLayer(DenseLayer(below, 8)), 3, nonlinearity=softmax)
    loss = categorical_crossentropy(get_output(net), y).mean()
    batch = slice(index * 10, (index + 1) * 10)
    step = theano.function(
        [index], loss, givens={below.input_var: data[batch], y: labels[batch]},
        updates=lasagne.updates.nesterov_momentum(loss, get_all_params(net, trainable=True), 0.1),
        **PLAIN,
    )
    history = [step(k % 2) for k in range(20)]
    assert history[-2] < history[0]


@pytest.mark.parametrize("rule", [
    "sgd", "momentum", "nesterov_momentum", "adagrad", "rmsprop", "adadelta", "adam", "adamax",
    "amsgrad",
])
def test_single_precision_stays(rng, rule):
    with theano.configparser.change_flags(floatX="float32"):
        x, y = T.matrix("x"), T.ivector("y")
        net = batch_norm(DenseLayer(InputLayer((None, 6), x), 5))
        net = lasagne.layers.GaussianNoiseLayer(dropout(net))
        net = DenseLayer(net, 3, nonlinearity=softmax)
        loss = categorical_crossentropy(get_output(net), y).mean()
        loss += 1e-4 * lasagne.regularization.regularize_network_params(
            net, lasagne.regularization.l2
        )
        rate = {"learning_rate": 0.1} if rule in ("sgd", "momentum", "nesterov_momentum") else {}
        params = get_all_params(net, trainable=True)
        updates = getattr(lasagne.updates, rule)(loss, params, **rate)
        assert loss.dtype == "float32"
        assert {v.dtype for pair in updates.items() for v in pair} == {"float32"}
        step = theano.function([x, y], loss, updates=updates, **PLAIN)
        assert np.isfinite(step(np.ones((3, 6), "float32"), np.zeros(3, "int32")))
