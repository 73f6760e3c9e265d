"""The example of Lasagne's README, with the images made up and fewer of them."""

from __future__ import annotations

import numpy as np

import symc as theano
import symc.nn as lasagne
import symc.tensor as T
from symc.nn.nonlinearities import leaky_rectify, softmax


def test_the_example_learns():
    rng = np.random.RandomState(0)
    lasagne.random.set_rng(rng)
    try:
        input_var, target_var = T.tensor4("X"), T.ivector("y")
        network = lasagne.layers.InputLayer((None, 3, 32, 32), input_var)
        network = lasagne.layers.Conv2DLayer(network, 64, (3, 3), nonlinearity=leaky_rectify)
        network = lasagne.layers.Conv2DLayer(network, 32, (3, 3), nonlinearity=leaky_rectify)
        network = lasagne.layers.Pool2DLayer(network, (3, 3), stride=2, mode="max")
        network = lasagne.layers.DenseLayer(
            lasagne.layers.dropout(network, 0.5), 128, nonlinearity=leaky_rectify,
            W=lasagne.init.Orthogonal(),
        )
        network = lasagne.layers.DenseLayer(
            lasagne.layers.dropout(network, 0.5), 10, nonlinearity=softmax
        )
    finally:
        lasagne.random.set_rng(np.random)
    prediction = lasagne.layers.get_output(network)
    loss = lasagne.objectives.categorical_crossentropy(prediction, target_var)
    loss = loss.mean() + 1e-4 * lasagne.regularization.regularize_network_params(
        network, lasagne.regularization.l2
    )
    params = lasagne.layers.get_all_params(network, trainable=True)
    updates = lasagne.updates.nesterov_momentum(loss, params, learning_rate=0.01, momentum=0.9)
    train_fn = theano.function([input_var, target_var], loss, updates=updates)
    images = rng.standard_normal((10, 3, 32, 32)).astype(theano.config.floatX)
    labels = np.arange(10).astype("int32")
    losses = [float(train_fn(images, labels)) for _ in range(25)]
    assert losses[-1] < 0.5 * losses[0]
    test_prediction = lasagne.layers.get_output(network, deterministic=True)
    predict_fn = theano.function([input_var], T.argmax(test_prediction, axis=1))
    assert (predict_fn(images) == labels).mean() > 0.7
