"""Whole networks: training, deterministic outputs, saving."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.nn as lasagne
import symc.tensor as T
from symc.nn import layers


def small_network(x):
    net = layers.InputLayer((None, 1, 12, 12), x)
    net = layers.Conv2DLayer(net, 4, 3, name="conv")
    net = layers.batch_norm(net)
    net = layers.MaxPool2DLayer(net, 2)
    net = layers.dropout(net, 0.3)
    net = layers.DenseLayer(net, 16, name="hidden")
    return layers.DenseLayer(net, 3, nonlinearity=lasagne.nonlinearities.softmax, name="output")


def test_a_convolutional_network_learns_and_is_deterministic_afterwards():
    lasagne.random.set_rng(np.random.RandomState(0))
    try:
        x, y = T.tensor4("x"), T.ivector("y")
        net = small_network(x)
    finally:
        lasagne.random.set_rng(np.random)
    losses = lasagne.objectives.categorical_crossentropy(layers.get_output(net), y)
    penalty = lasagne.regularization.regularize_network_params(net, lasagne.regularization.l2)
    params = layers.get_all_params(net, trainable=True)
    assert [p.name for p in params] == [
        "conv.W", "conv_bn.beta", "conv_bn.gamma", "hidden.W", "hidden.b", "output.W", "output.b",
    ]
    loss = losses.mean() + 1e-4 * penalty
    updates = lasagne.updates.nesterov_momentum(loss, params, learning_rate=0.02, momentum=0.9)
    train = symc.function([x, y], loss, updates=updates)
    predict = symc.function([x], T.argmax(layers.get_output(net, deterministic=True), axis=1))
    rng = np.random.default_rng(0)
    labels = np.arange(30).astype("int32") % 3
    images = 0.3 * rng.standard_normal((30, 1, 12, 12))
    images[np.arange(30), 0, labels * 4, :] += 1.0
    images = images.astype(symc.config.floatX)
    before = layers.get_all_layers(net)[2].mean.get_value()
    history = [float(train(images, labels)) for _ in range(60)]
    assert history[-1] < 0.2 * history[0]
    assert not np.array_equal(before, layers.get_all_layers(net)[2].mean.get_value())
    np.testing.assert_array_equal(predict(images), predict(images))
    assert (predict(images) == labels).mean() > 0.9


def test_a_network_is_pickled_whole_and_its_values_alone():
    x = T.tensor4("x")
    net, other = small_network(x), small_network(x)
    images = np.random.default_rng(1).standard_normal((2, 1, 12, 12))
    images = images.astype(symc.config.floatX)
    layers.set_all_param_values(other, layers.get_all_param_values(net))
    again = pickle.loads(pickle.dumps(net))
    outputs = [
        layers.get_output(n, images, deterministic=True).eval() for n in (net, other, again)
    ]
    np.testing.assert_array_equal(outputs[0], outputs[1])
    np.testing.assert_array_equal(outputs[0], outputs[2])
    values = layers.get_all_param_values(net)
    with pytest.raises(ValueError, match="got 1 values for"):
        layers.set_all_param_values(net, values[:1])
    wrong = [v[..., None] for v in values]
    with pytest.raises(ValueError, match="shape"):
        layers.set_all_param_values(net, wrong)
    assert layers.count_params(net) == sum(v.size for v in values)
