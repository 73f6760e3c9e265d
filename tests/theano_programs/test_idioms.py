"""Small idioms of `theano.tensor` that programs rely on."""

from __future__ import annotations

import numpy as np
import pytest

import symc as theano
import symc.tensor as T
from tests.theano_programs.helpers import both_modes, np_softmax


@both_modes
def test_attention_with_a_mask(mode):
    rng = np.random.default_rng(1)
    q, k, v = (rng.normal(size=(2, 3, 4)) for _ in range(3))
    mask = np.array([[1, 1, 0], [1, 0, 0]], "int8")
    a, b, c, m = T.dtensor3(), T.dtensor3(), T.dtensor3(), T.bmatrix()
    scores = T.batched_dot(a, b.dimshuffle(0, 2, 1)) / np.sqrt(4)
    scores = T.switch(T.eq(m.dimshuffle(0, "x", 1), 0), -1e30, scores)
    e = T.exp(scores - scores.max(axis=2, keepdims=True))
    out = T.batched_dot(e / e.sum(axis=2, keepdims=True), c)
    s = np.where(mask[:, None] == 0, -1e30, q @ k.transpose(0, 2, 1) / 2)
    f = theano.function([a, b, c, m], out, mode=mode)
    np.testing.assert_allclose(f(q, k, v, mask), np_softmax(s) @ v, rtol=1e-9)


@both_modes
def test_kmeans_step(mode):
    rng = np.random.default_rng(2)
    points, start = rng.normal(size=(15, 2)), rng.normal(size=(3, 2))
    centres, x = theano.shared(start), T.matrix("x")
    near = T.argmin(((x.dimshuffle(0, "x", 1) - centres) ** 2).sum(axis=2), axis=1)
    member = T.eq(near.dimshuffle("x", 0), T.arange(3).dimshuffle(0, "x")).astype("float64")
    counts = T.maximum(member.sum(axis=1, keepdims=True), 1)
    f = theano.function([x], near, updates=[(centres, T.dot(member, x) / counts)], mode=mode)
    expected = start
    for _ in range(3):
        want = ((points[:, None] - expected) ** 2).sum(2).argmin(1)
        np.testing.assert_array_equal(f(points), want)
        expected = np.array(
            [points[want == j].mean(0) if (want == j).any() else np.zeros(2) for j in range(3)]
        )
        np.testing.assert_allclose(centres.get_value(), expected, rtol=1e-9)


@both_modes
def test_a_row_type_made_by_hand_broadcasts(mode):
    bias = T.TensorType("float32", (True, False))("bias")
    x = T.fmatrix("x")
    assert bias.broadcastable == (True, False)
    f = theano.function([x, bias], x + bias, mode=mode)
    got = f(np.ones((3, 2), "float32"), np.array([[1, 2]], "float32"))
    assert got.dtype == np.float32
    np.testing.assert_array_equal(got, [[2, 3]] * 3)


def test_broadcast_patterns_change_by_name():
    x = T.dmatrix()
    assert T.addbroadcast(x, 0).broadcastable == (True, False)
    assert T.patternbroadcast(x, (False, True)).broadcastable == (False, True)
    assert T.unbroadcast(T.drow(), 0).broadcastable == (False, False)


@both_modes
@pytest.mark.parametrize("n", [0, 1, 4])
def test_set_subtensor_and_constants(mode, n):
    x = T.dvector("x")
    y = T.set_subtensor(x[::2], T.constant(7.0))
    f = theano.function([x], y, mode=mode)
    expected = np.arange(float(n))
    expected[::2] = 7
    np.testing.assert_array_equal(f(np.arange(float(n))), expected)


@both_modes
def test_a_user_op_with_its_gradient_and_shape(mode):
    class Cube(theano.Op):
        __props__ = ()

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return theano.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] ** 3

        def grad(self, inputs, output_gradients):
            return [3 * inputs[0] ** 2 * output_gradients[0]]

        def infer_shape(self, node, input_shapes):
            return input_shapes

    x = T.dvector("x")
    y = Cube()(x)
    f = theano.function([x], [y, T.grad(y.sum(), x), y.shape[0]], mode=mode)
    value = np.array([1.0, -2.0, 0.5])
    for got, want in zip(f(value), [value**3, 3 * value**2, 3], strict=True):
        np.testing.assert_allclose(got, want)
