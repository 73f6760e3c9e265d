"""What users wished for: feedback alignment, dropout that shrinks products, decorators, shapes."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import init, layers, nonlinearities, objectives, random, updates, utils

RNG = np.random.default_rng(4)


def random_arrays(gradients):
    """The fixed arrays of feedback alignment by the name of their parameter."""
    found = utils.collect_shared_vars(gradients)
    return {p.name.removesuffix("_feedback"): p.get_value() for p in found if "_feed" in p.name}


def test_feedback_alignment_over_twenty_steps():
    x, t = T.matrix("x"), T.matrix("t")
    net = layers.InputLayer((None, 4), x)
    net = layers.DenseLayer(net, 5, nonlinearity=nonlinearities.tanh, name="one")
    net = layers.DenseLayer(net, 6, nonlinearity=nonlinearities.tanh, name="two")
    net = layers.DenseLayer(net, 3, nonlinearity=None, name="three")
    params = layers.get_all_params(net)
    loss = T.sqr(layers.get_output(net) - t).sum() / 2
    rule = updates.feedback_alignment(loss, params, 0.05, feedback=init.Normal(0.5))
    step = symc.function([x, t], loss, updates=rule)
    back = random_arrays(list(rule.values()))
    assert set(rule) == set(params)
    w1, b1, w2, b2, w3, b3 = (p.get_value() for p in params)
    inputs, targets = RNG.standard_normal((7, 4)), RNG.standard_normal((7, 3))
    for _ in range(20):
        h1 = np.tanh(inputs @ w1 + b1)
        h2 = np.tanh(h1 @ w2 + b2)
        error = h2 @ w3 + b3 - targets
        assert step(inputs, targets) == pytest.approx(0.5 * (error**2).sum())
        d2 = (error @ back["three.W"].T) * (1 - h2**2)
        d1 = (d2 @ back["two.W"].T) * (1 - h1**2)
        w1, b1 = w1 - 0.05 * inputs.T @ d1, b1 - 0.05 * d1.sum(0)
        w2, b2 = w2 - 0.05 * h1.T @ d2, b2 - 0.05 * d2.sum(0)
        w3, b3 = w3 - 0.05 * h2.T @ error, b3 - 0.05 * error.sum(0)
    for p, expected in zip(params, (w1, b1, w2, b2, w3, b3), strict=True):
        np.testing.assert_allclose(p.get_value(), expected, rtol=1e-9, atol=1e-12)


def test_feedback_through_a_convolution_and_a_tied_product():
    x = T.tensor4("x")
    net = layers.Conv2DLayer(layers.InputLayer((None, 1, 5, 5), x), 2, 3, nonlinearity=None)
    first = layers.get_all_params(net)[0]
    net = layers.Conv2DLayer(net, 2, 2, nonlinearity=None, name="top", flip_filters=False, b=None)
    net = layers.DenseLayer(net, 8, nonlinearity=None, name="flat", b=None)
    net = layers.DenseLayer(net, 8, W=net.W.T, nonlinearity=None, b=None)
    params = layers.get_all_params(net)
    loss = layers.get_output(net).sum()
    slopes = updates.feedback_gradients(loss, params, init.Normal(1.0))
    back = random_arrays(slopes)
    assert set(back) == {"W", "top.W", "flat.W"}
    images = RNG.standard_normal((3, 1, 5, 5))
    got = symc.function([x], slopes)(images)[params.index(first)]
    through = np.ones((3, 8)) @ back["flat.W"] @ back["flat.W"].T
    through = through.reshape(3, 2, 2, 2)
    below = np.zeros((3, 2, 3, 3))
    for i, j in np.ndindex(2, 2):
        below[:, :, i : i + 2, j : j + 2] += np.einsum(
            "bfij,fckl->bcijkl", through[:, :, i : i + 1, j : j + 1], back["top.W"]
        )[:, :, 0, 0]
    windows = np.lib.stride_tricks.sliding_window_view(images, (3, 3), axis=(2, 3))
    expected = np.einsum("bfij,bcijkl->fckl", below, windows)[:, :, ::-1, ::-1]
    np.testing.assert_allclose(got, expected, rtol=1e-9)
    with pytest.raises(TypeError, match="scalar expression"):
        updates.feedback_alignment([first], [first], 0.1)


def test_feedback_alignment_reaches_into_recurrent_layers():
    x = T.tensor3("x")
    net = layers.InputLayer((None, 5, 3), x)
    tanh = nonlinearities.tanh
    one = layers.RecurrentLayer(net, 4, nonlinearity=tanh, hid_init=init.Normal(1.0), name="one",
                                learn_init=True)
    two = layers.RecurrentLayer(one, 2, nonlinearity=tanh, only_return_final=True, name="two")
    params = layers.get_all_params(two)
    loss = T.sqr(layers.get_output(two)).sum() / 2
    slopes = updates.feedback_gradients(loss, params, init.Normal(1.0))
    back = random_arrays(slopes)
    data = RNG.standard_normal((7, 5, 3))
    got = dict(zip([p.name for p in params], symc.function([x], slopes)(data), strict=True))
    w = {p.name: p.get_value() for p in params}

    def forward(name, rows):
        h = np.repeat(w[f"{name}.hid_init"], len(rows), axis=0)
        states = [h]
        for t in range(5):
            inner = rows[:, t] @ w[f"{name}.input_to_hidden.W"] + w[f"{name}.input_to_hidden.b"]
            h = np.tanh(inner + h @ w[f"{name}.hidden_to_hidden.W"])
            states.append(h)
        return states

    def backward(name, rows, states, arriving):
        """Gradients, through the fixed arrays, and what goes on to the layer below."""
        found = {k: np.zeros(v.shape) for k, v in w.items() if k.startswith(name)}
        carried, below = np.zeros(states[0].shape), np.zeros(rows.shape)
        for t in range(4, -1, -1):
            d = (carried + arriving[t]) * (1 - states[t + 1] ** 2)
            found[f"{name}.input_to_hidden.W"] += rows[:, t].T @ d
            found[f"{name}.input_to_hidden.b"] += d.sum(0)
            found[f"{name}.hidden_to_hidden.W"] += states[t].T @ d
            carried = d @ back[f"{name}.hidden_to_hidden.W"].T
            below[:, t] = d @ back[f"{name}.input_to_hidden.W"].T
        found[f"{name}.hid_init"] = carried.sum(0, keepdims=True)
        return found, below

    first = forward("one", data)
    rows = np.stack(first[1:], 1)
    second = forward("two", rows)
    late = [np.zeros((7, 2))] * 4 + [second[-1]]
    expected, below = backward("two", rows, second, late)
    expected |= backward("one", data, first, below.transpose(1, 0, 2))[0]
    for name, slope in got.items():
        np.testing.assert_allclose(slope, expected[name], rtol=1e-9, atol=1e-12, err_msg=name)


def test_feedback_alignment_in_a_loop_of_loops_and_in_gates():
    w, v = symc.shared(RNG.standard_normal((3, 3)), "w"), symc.shared(np.ones((2, 3)), "v")
    h0 = RNG.standard_normal((2, 3))

    def inner(h, w, v):
        return T.tanh(T.dot(h, w.T)) * v

    def outer(h, w, v):
        return symc.scan(inner, outputs_info=h, non_sequences=[w, v], n_steps=2)[0][-1]

    rows, _ = symc.scan(outer, outputs_info=T.constant(h0), non_sequences=[w, v], n_steps=3)
    slopes = updates.feedback_gradients(rows[-1].sum(), [w, v], init.Normal(1.0))
    back = random_arrays(slopes)
    got = symc.function([], slopes)()
    value, states = w.get_value(), [h0]
    for _ in range(6):
        states.append(np.tanh(states[-1] @ value.T))
    d, of_w, of_v = np.ones((2, 3)), 0, 0
    for before, after in zip(states[-2::-1], states[:0:-1], strict=True):
        of_v = of_v + d * after
        d = d * back["v"] * (1 - after**2)
        of_w = of_w + d.T @ before
        d = d @ back["w"]
    np.testing.assert_allclose(got[0], of_w, rtol=1e-9)
    np.testing.assert_allclose(got[1], of_v, rtol=1e-9)


def two_dense(p=0.5, rescale=True):
    x = T.matrix("x")
    net = layers.InputLayer((None, 6), x)
    hidden = layers.DenseLayer(net, 8, nonlinearity=nonlinearities.tanh, b=init.Normal(1.0))
    top = layers.BatchwiseDropoutDenseLayer(hidden, 3, p=p, rescale=rescale, nonlinearity=None)
    return x, hidden, top


def test_batchwise_dropout_shrinks_both_products():
    x, hidden, top = two_dense(p=0.25)
    train = layers.get_output(top)
    f = symc.function([x], [train, *symc.grad(train.sum(), [hidden.W, top.W])])
    batch = RNG.standard_normal((5, 6))
    w1, b1, w2, b2 = (p.get_value() for p in layers.get_all_params(top))
    full = np.tanh(batch @ w1 + b1)
    seen = set()
    for _ in range(8):
        out, slope1, slope2 = f(batch)
        kept = np.flatnonzero(np.any(slope2 != 0, axis=1))
        assert len(kept) == 6
        seen.add(tuple(kept))
        scale = 8 / 6
        np.testing.assert_allclose(out, scale * full[:, kept] @ w2[kept] + b2)
        back = np.zeros((5, 8))
        back[:, kept] = scale * w2[kept].sum(1) * (1 - full[:, kept] ** 2)
        np.testing.assert_allclose(slope1, batch.T @ back, atol=1e-12)
    assert len(seen) > 1
    np.testing.assert_allclose(
        layers.get_output(top, deterministic=True).eval({x: batch}), full @ w2 + b2
    )
    products = [n for n in symc.gof.graph.io_toposort([x], [train]) if isinstance(n.op, T.Dot)]
    lengths = symc.function([], [n.inputs[1].shape for n in products])()
    assert [tuple(s) for s in lengths] == [(6, 6), (6, 3)]  # of (6, 8) and (8, 3)


def test_batchwise_dropout_of_anything_and_at_its_limits():
    x = T.tensor4("x")
    pooled = layers.MaxPool2DLayer(layers.InputLayer((None, 2, 4, 4), x), 2)
    top = layers.BatchwiseDropoutDenseLayer(pooled, 3, rescale=False, nonlinearity=None, b=None)
    images = RNG.standard_normal((5, 2, 4, 4))
    output = layers.get_output(top)
    out, slope = symc.function([x], [output, symc.grad(output.sum(), top.W)])(images)
    kept = np.flatnonzero(np.any(slope != 0, axis=1))
    assert len(kept) == 4
    flat = images.reshape(5, 2, 2, 2, 2, 2).max((3, 5)).reshape(5, 8)
    np.testing.assert_allclose(out, flat[:, kept] @ top.W.get_value()[kept])
    x, _, none = two_dense(p=0.0)
    _, _, nearly_all = two_dense(p=0.99)
    batch = RNG.standard_normal((5, 6))
    expected = layers.get_output(none, deterministic=True).eval({x: batch})
    np.testing.assert_array_equal(layers.get_output(none).eval({x: batch}), expected)
    assert layers.get_output(nearly_all, batch).eval().shape == (5, 3)
    with pytest.raises(ValueError, match=r"p is at least 0 and below 1, got 1\.0"):
        two_dense(p=1.0)


def test_one_seed_makes_everything_reproducible():
    def outputs():
        random.set_rng(np.random.RandomState(7))
        try:
            _, _, top = two_dense()
            top = layers.DropoutLayer(layers.GaussianNoiseLayer(top))
            return symc.function([], layers.get_output(top, np.ones((4, 6))))
        finally:
            random.set_rng(np.random)

    one, two = outputs(), outputs()
    first = one()
    np.testing.assert_array_equal(first, two())
    np.testing.assert_array_equal(one(), two())
    assert not np.array_equal(first, one())


@layers.shape_preserving_layer
def power(x, exponent=2.0, deterministic=False):
    """``x**exponent`` in training."""
    return x if deterministic else x**exponent


@objectives.layer_objective
def cubic(predictions, targets):
    """The cube of the error's size."""
    return abs(predictions - targets) ** 3


of_layer = objectives.layer_objective(objectives.squared_error)


def test_layers_and_objectives_made_of_functions():
    batch, targets = RNG.random((4, 3)), RNG.random((4, 3))
    net = power(layers.InputLayer((None, 3)), exponent=3.0, name="cubes")
    assert isinstance(net, layers.Layer)
    assert net.name == "cubes"
    assert net.output_shape == (None, 3)
    for again in (net, pickle.loads(pickle.dumps(net))):
        np.testing.assert_allclose(layers.get_output(again, batch).eval(), batch**3)
        same = layers.get_output(again, batch, deterministic=True).eval()
        np.testing.assert_array_equal(same, batch)
        assert type(again) is power
    with pytest.raises(TypeError, match=r"'exponent'.*'exponnt'"):
        power((None, 3), exponnt=3.0)
    error = abs(batch**3 - targets)
    weights = RNG.random((4, 3))
    for loss in (cubic, pickle.loads(pickle.dumps(cubic))):
        got = loss(net, targets, batch, weights=weights, mode="sum")
        np.testing.assert_allclose(got.eval(), (weights * error**3).sum())
    np.testing.assert_allclose(
        pickle.loads(pickle.dumps(of_layer))(net, targets, batch).eval(), (error**2).mean()
    )


def test_an_objective_with_a_variable_for_targets():
    net = layers.DenseLayer(layers.InputLayer((None, 3)), 2, nonlinearity=None)
    objective = objectives.Objective(net, objectives.squared_error, aggregation="sum")
    batch, targets = RNG.random((4, 3)), RNG.random((4, 2))
    expected = ((batch @ net.W.get_value() + net.b.get_value() - targets) ** 2).sum()
    loss = objective.get_loss(batch)
    assert loss.eval({objective.target_var: targets}) == pytest.approx(expected)
    assert objective.get_loss(batch, target=targets).eval() == pytest.approx(expected)


def test_shapes_of_parameters_are_tracked():
    v = symc.shared(RNG.random((3, 4)))
    net = layers.DenseLayer(layers.InputLayer((None, 3)), 4, W=T.exp(v), name="a")
    net = layers.DenseLayer(net, 2, name="b")
    shapes = layers.check_param_shapes(net)
    assert list(shapes.values()) == [(3, 4), (4,), (4, 2), (2,)]
    assert layers.count_params(net) == 12 + 4 + 8 + 2
    assert layers.count_params(net, regularizable=True) == 12 + 8
    net.W.set_value(np.zeros((5, 2)))
    with pytest.raises(ValueError, match=r"b\.W of DenseLayer 'b' has got shape \(5, 2\).*\(4, 2"):
        layers.check_param_shapes(net)


def test_deep_networks_are_copied_and_pickled():
    net = below = layers.InputLayer((None, 2))
    for k in range(700):
        net = layers.NonlinearityLayer(net, T.tanh)
        net = net if k % 3 else layers.ElemwiseSumLayer([net, below])
    for again in (copy.deepcopy(net), pickle.loads(pickle.dumps(net))):
        order, old = layers.get_all_layers(again), layers.get_all_layers(net)
        assert [type(x) for x in order] == [type(x) for x in old]
        assert order[-1].input_layers[1] is order[0]
        assert set(vars(order[5])) == set(vars(old[5]))
        assert not set(order) & set(old)


def test_values_alone_are_saved(tmp_path):
    _, _, one = two_dense()
    _, _, two = two_dense()
    np.savez(tmp_path / "model.npz", *layers.get_all_param_values(one))
    with np.load(tmp_path / "model.npz") as f:
        layers.set_all_param_values(two, [f[f"arr_{i}"] for i in range(len(f.files))])
    batch = RNG.standard_normal((5, 6))
    outputs = [layers.get_output(net, batch, deterministic=True).eval() for net in (one, two)]
    np.testing.assert_array_equal(*outputs)
