"""Recurrent layers against loops in NumPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import nn
from symc.nn import layers
from symc.runtime import native_available

BATCH, STEPS, FEATURES, UNITS = 3, 5, 4, 6
OPTIONS = [
    {},
    {"backwards": True},
    {"only_return_final": True},
    {"unroll_scan": True},
    {"precompute_input": False},
    {"mask": True},
    {"mask": True, "backwards": True, "unroll_scan": True},
    {"grad_clipping": 1.0},
    {"gradient_steps": 2},
    {"learn_init": True},
]


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def recurrent_step(g, x, h, c):
    return np.maximum(x @ g("W_in_to_hid") + g("b") + h @ g("W_hid_to_hid"), 0), c


def _gate(g, name, x, h):
    return x @ g(f"W_in_to_{name}") + h @ g(f"W_hid_to_{name}") + g(f"b_{name}")


def lstm_step(g, x, h, c):
    into = sigmoid(_gate(g, "ingate", x, h) + c * g("W_cell_to_ingate"))
    keep = sigmoid(_gate(g, "forgetgate", x, h) + c * g("W_cell_to_forgetgate"))
    c = keep * c + into * np.tanh(_gate(g, "cell", x, h))
    out = sigmoid(_gate(g, "outgate", x, h) + c * g("W_cell_to_outgate"))
    return out * np.tanh(c), c


def gru_step(g, x, h, c):
    reset, update = (sigmoid(_gate(g, f"{n}gate", x, h)) for n in ("reset", "update"))
    hidden = reset * (h @ g("W_hid_to_hidden_update"))
    new = np.tanh(x @ g("W_in_to_hidden_update") + hidden + g("b_hidden_update"))
    return (1 - update) * h + update * new, c


STEPS_OF = {
    layers.RecurrentLayer: recurrent_step,
    layers.LSTMLayer: lstm_step,
    layers.GRULayer: gru_step,
}


def expected(layer, x, mask, options):
    def value(name):
        return getattr(layer, name).get_value()

    h = np.repeat(value("hid_init"), BATCH, 0)
    c = np.zeros((BATCH, UNITS))
    outputs = []
    for t in range(STEPS)[::-1] if options.get("backwards") else range(STEPS):
        new_h, new_c = STEPS_OF[type(layer)](value, x[:, t], h, c)
        if options.get("mask"):
            on = mask[:, t, None] > 0
            new_h, new_c = np.where(on, new_h, h), np.where(on, new_c, c)
        h, c = new_h, new_c
        outputs.append(h)
    if options.get("only_return_final"):
        return h
    outputs = outputs[::-1] if options.get("backwards") else outputs
    return np.stack(outputs, 1)


@pytest.mark.parametrize("kind", STEPS_OF, ids=lambda k: k.__name__)
@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_states(kind, options):
    rng = np.random.default_rng(0)
    x, m = T.tensor3("x"), T.matrix("m")
    arguments = dict(options)
    if arguments.pop("mask", False):
        arguments["mask_input"] = layers.InputLayer((None, STEPS), m)
    below = layers.InputLayer((None, STEPS, FEATURES), x)
    layer = kind(below, UNITS, hid_init=nn.init.Normal(0.5), **arguments)
    output = layers.get_output(layer)
    params = layers.get_all_params(layer, trainable=True)
    slopes = symc.grad(output.sum(), params)
    values = rng.standard_normal((BATCH, STEPS, FEATURES))
    mask = (rng.random((BATCH, STEPS)) > 0.3).astype(symc.config.floatX)
    kinds = list(STEPS_OF)  # each option is compiled with one of them
    mode = None if kind is kinds[OPTIONS.index(options) % len(kinds)] else "NUMPY"
    run = symc.function([x, m], [output, *slopes], on_unused_input="ignore", mode=mode)
    got, *slopes = run(values, mask)
    assert got.shape == tuple(BATCH if n is None else n for n in layer.output_shape)
    np.testing.assert_allclose(got, expected(layer, values, mask, options), rtol=1e-9, atol=1e-11)
    assert layer.hid_init in params or not options.get("learn_init")
    if options.get("gradient_steps", -1) == -1 and not options.get("grad_clipping"):
        named = ("W", "W_in_to_cell", "W_hid_to_resetgate")
        place = next(k for k, p in enumerate(params) if p.name.endswith(named))
        check_slope(layer, values, mask, options, slopes[place], params[place])
    pickle.loads(pickle.dumps(layer))


def check_slope(layer, values, mask, options, slope, param):
    """One element of a gradient by finite differences of the loop in NumPy."""
    start, step = param.get_value(), 1e-6
    place = np.unravel_index(np.argmax(abs(slope)), slope.shape)
    costs = []
    for sign in (1, -1):
        moved = start.copy()
        moved[place] += sign * step
        param.set_value(moved)
        costs.append(expected(layer, values, mask, options).sum())
    param.set_value(start)
    assert slope[place] == pytest.approx((costs[0] - costs[1]) / (2 * step), rel=1e-4)


def test_a_layer_as_first_state():
    x, h = T.tensor3("x"), T.matrix("h")
    first = layers.InputLayer((None, UNITS), h)
    layer = layers.GRULayer(layers.InputLayer((None, STEPS, FEATURES), x), UNITS, hid_init=first)
    output = layers.get_output(layer)
    values = np.random.default_rng(1).standard_normal((BATCH, STEPS, FEATURES))
    states = symc.function([x, h], output)(values, np.full((BATCH, UNITS), 0.5))

    def value(name):
        return getattr(layer, name).get_value()

    state = gru_step(value, values[:, 0], np.full((BATCH, UNITS), 0.5), None)[0]
    np.testing.assert_allclose(states[:, 0], state, rtol=1e-9)


def test_networks_between_steps():
    """A convolution from state to state."""
    x = T.TensorType(symc.config.floatX, (False,) * 5)("x")
    into = layers.Conv2DLayer((None, 2, 4, 4), 3, 3, pad="same", nonlinearity=None)
    between = layers.Conv2DLayer((None, 3, 4, 4), 3, 3, pad="same", nonlinearity=None, b=None)
    below = layers.InputLayer((None, 3, 2, 4, 4), x)
    into = rebuilt(into, (None, 2, 4, 4))
    between = rebuilt(between, (None, 3, 4, 4))
    layer = layers.CustomRecurrentLayer(below, into, between, nonlinearity=None)
    values = np.random.default_rng(2).standard_normal((2, 3, 2, 4, 4))
    states = symc.function([x], layers.get_output(layer))(values)
    assert states.shape == (2, 3, 3, 4, 4)
    image, state = T.tensor4(), T.tensor4()
    once = symc.function(
        [image, state], into.get_output_for(image) + between.get_output_for(state)
    )
    h = np.zeros((2, 3, 4, 4))
    for t in range(3):
        h = once(values[:, t], h)
        np.testing.assert_allclose(states[:, t], h, rtol=1e-9, atol=1e-12)


def test_networks_between_steps_may_branch():
    below, state = layers.InputLayer((None, FEATURES)), layers.InputLayer((None, UNITS))
    one = layers.DenseLayer(below, UNITS, nonlinearity=None, name="one")
    two = layers.DenseLayer(below, UNITS, name="two")
    into = layers.ElemwiseSumLayer([one, two])
    around = layers.ElemwiseSumLayer([layers.DenseLayer(state, UNITS, name="around"), state])
    x = T.tensor3("x")
    whole = layers.InputLayer((None, STEPS, FEATURES), x)
    layer = layers.CustomRecurrentLayer(whole, into, around)
    values = np.random.default_rng(3).standard_normal((BATCH, STEPS, FEATURES))
    states = symc.function([x], layers.get_output(layer))(values)
    W = {p.name: p.get_value() for p in layers.get_all_params(layer)}
    h = np.zeros((BATCH, UNITS))
    for t in range(STEPS):
        row = values[:, t] @ W["one.W"] + np.maximum(values[:, t] @ W["two.W"], 0)
        h = np.maximum(row + np.maximum(h @ W["around.W"], 0) + h, 0)
        np.testing.assert_allclose(states[:, t], h, rtol=1e-9, atol=1e-12)


def gate_of(layer, name):
    """A gate that shares the parameters of one of an LSTM layer."""
    return layers.Gate(
        *(getattr(layer, f"{kind}_{name}", None) for kind in ("W_in_to", "W_hid_to")),
        getattr(layer, f"W_cell_to_{name}", None), getattr(layer, f"b_{name}"),
        getattr(layer, f"nonlinearity_{name}"),
    )


@pytest.mark.skipif(not native_available(), reason="the C compiler is missing")
def test_gates_that_share_their_parameters():
    """Their gradient is the sum of those of gates with equal parameters of their own."""
    x = T.tensor3("x")
    below = layers.InputLayer((None, STEPS, FEATURES), x)
    apart = layers.LSTMLayer(below, UNITS)
    for name in ("W_in_to", "W_hid_to", "W_cell_to", "b"):
        like = getattr(apart, f"{name}_ingate").get_value()
        getattr(apart, f"{name}_outgate").set_value(like)
    one, forget, cell = (gate_of(apart, n) for n in ("ingate", "forgetgate", "cell"))
    tied = layers.LSTMLayer(below, UNITS, one, forget, cell, one)
    slopes = {
        layer: symc.grad(
            layers.get_output(layer).sum(), [getattr(apart, f"W_cell_to_{n}") for n in names]
        )
        for layer, names in ((tied, ["ingate"]), (apart, ["ingate", "outgate"]))
    }
    values = np.random.default_rng(4).standard_normal((BATCH, STEPS, FEATURES))
    with symc.change_flags(on_opt_error="raise"):
        (together,) = symc.function([x], slopes[tied])(values)
    first, second = symc.function([x], slopes[apart], mode="NUMPY")(values)
    np.testing.assert_allclose(together, first + second, rtol=1e-9, atol=1e-12)


def rebuilt(layer, shape):
    """The layer on an input layer of its own."""
    layer.input_layer = layers.InputLayer(shape)
    return layer


def test_wrong_use():
    with pytest.raises(ValueError, match="known number of steps"):
        layers.LSTMLayer((None, None, 4), 3, unroll_scan=True)
    with pytest.raises(ValueError, match="gradient_steps=-1"):
        layers.GRULayer((None, 5, 4), 3, unroll_scan=True, gradient_steps=2)
    into = layers.DenseLayer(layers.InputLayer((None, 7)), 3)
    between = layers.DenseLayer(layers.InputLayer((None, 3)), 3)
    with pytest.raises(ValueError, match=r"\(4,\) and \(7,\)"):
        layers.CustomRecurrentLayer((None, 5, 4), into, between)


def test_parameters_come_in_the_order_in_which_values_are_saved():
    """Gates, peepholes, first states; the network of the input before that of the states."""
    def names(kind, **options):
        layer = kind((None, STEPS, FEATURES), UNITS, **options)
        return [p.name for p in layers.get_all_params(layer)]

    def gate(name):
        return [f"W_in_to_{name}", f"W_hid_to_{name}", f"b_{name}"]

    lstm = [n for name in ("ingate", "forgetgate", "cell", "outgate") for n in gate(name)]
    peepholes = [f"W_cell_to_{name}" for name in ("ingate", "forgetgate", "outgate")]
    firsts = ["cell_init", "hid_init"]
    assert names(layers.LSTMLayer) == [*lstm, *peepholes, *firsts]
    assert names(layers.LSTMLayer, peepholes=False) == [*lstm, *firsts]
    gru = [n for name in ("updategate", "resetgate", "hidden_update") for n in gate(name)]
    assert names(layers.GRULayer) == [*gru, "hid_init"]
    assert names(layers.RecurrentLayer) == [
        "hid_init", "input_to_hidden.W", "input_to_hidden.b", "hidden_to_hidden.W",
    ]
