"""Steps on blocks of a convolution's result: where they are made, and that numbers stay right."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import signal

import symc
import symc.tensor as T
from symc import function, shared
from symc.loop.program import KernelStep, LoopStep, RoutineStep
from symc.runtime import native_available, set_num_threads
from tests.conv.direct import convolve
from tests.lower.helpers import lowered
from tests.lower.helpers import run as interpreted

CONVS = {1: T.nnet.conv1d, 2: T.nnet.conv2d, 3: T.nnet.conv3d}
native = pytest.mark.skipif(not native_available(), reason="no C compiler")


def tensor(name, ndim, dtype="float32"):
    return T.TensorType(dtype, (False,) * ndim)(name)


def convolution(program):
    (step,) = [s for s in program.steps if isinstance(s, RoutineStep)]
    return step


def kinds(program):
    return [type(part.step) for part in convolution(program).epilogue]


def pooled(y, window, stride=None, mode="max", ignore_border=True, pad=None):
    pool = {1: T.signal.pool.pool_2d, 2: T.signal.pool.pool_2d, 3: T.signal.pool.pool_3d}
    return pool[len(window)](
        y, window, ignore_border=ignore_border, stride=stride, pad=pad, mode=mode
    )


def max_pool(y, window, stride):
    """Maxima over windows that lie inside, along the last axes."""
    lead = y.ndim - len(window)
    count = [(n - w) // s + 1 for n, w, s in zip(y.shape[lead:], window, stride, strict=True)]
    out = np.empty((*y.shape[:lead], *count), y.dtype)
    for at in np.ndindex(*count):
        box = (slice(p * s, p * s + w) for p, s, w in zip(at, stride, window, strict=True))
        out[(..., *at)] = y[(..., *box)].max(axis=tuple(range(-len(window), 0)))
    return out


# ---- which steps


def test_bias_and_activation_are_computed_in_place():
    x, w, b = tensor("x", 4), tensor("w", 4), tensor("b", 1)
    y = T.nnet.relu(T.nnet.conv2d(x, w) + b.dimshuffle("x", 0, "x", "x"))
    program = lowered([x, w, b], [y])
    assert kinds(program) == [KernelStep]
    step = convolution(program)
    assert program.buffers[step.output].alias_of == program.outputs[0]
    assert not program.slots
    assert program.buffers[program.inputs[2]].contiguous


def test_pooling_before_and_after_the_activation():
    x, w, b = tensor("x", 4), tensor("w", 4), tensor("b", 1)
    maps = T.nnet.conv2d(x, w)
    bias = b.dimshuffle("x", 0, "x", "x")
    program = lowered([x, w, b], [T.tanh(pooled(maps, (2, 2)) + bias)])
    assert kinds(program) == [LoopStep, KernelStep]
    program = lowered([x, w, b], [pooled(T.nnet.relu(maps + bias), (2, 2))])
    assert kinds(program) == [KernelStep, LoopStep]


@pytest.mark.parametrize(
    ("window", "stride", "rows"), [((3, 2), (3, 1), 3), ((3, 2), (2, 2), 0), ((1, 2), (2, 2), 2)]
)
def test_rows_of_a_block(window, stride, rows):
    x, w = tensor("x", 4), tensor("w", 4)
    program = lowered([x, w], [pooled(T.nnet.conv2d(x, w), window, stride)])
    (part,) = convolution(program).epilogue
    assert sorted(part.rows.values()) == sorted([1, rows])


def test_several_readers_and_what_they_make_of_it():
    x, w = tensor("x", 4), tensor("w", 4)
    y = T.nnet.conv2d(x, w)
    values = [np.ones(s, "float32") for s in [(2, 3, 7, 6), (4, 3, 2, 3)]]
    program = lowered([x, w], [y, T.exp(y), pooled(y, (2, 2))])
    assert sorted(map(str, kinds(program))) == sorted(map(str, [KernelStep, LoopStep]))
    assert program.buffers[convolution(program).output].alias_of is None
    maps = convolve(*values, flip=True).astype("float32")
    found = interpreted(program, values)
    for got, wanted in zip(found, [maps, np.exp(maps), max_pool(maps, (2, 2), (2, 2))],
                           strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-6)


@pytest.mark.parametrize(
    "use",
    [
        lambda y: T.exp(y[::-1]),
        lambda y: T.exp(y.dimshuffle(1, 0, 2, 3)),
        lambda y: T.exp(y) + T.arange(y.shape[2]).dimshuffle(0, "x"),
        lambda y: T.exp(y[:, :, 1:]) + y[:, :, :-1],
        lambda y: T.exp(y[0]).dimshuffle("x", 0, 1, 2),
        lambda y: T.exp(y[:, 0]).dimshuffle(0, "x", 1, 2),
        lambda y: T.exp(y[:, :, 0].dimshuffle(0, 1, "x", 2)),
        lambda y: y.sum(axis=(2, 3)),
        lambda y: T.nnet.softmax(y.reshape((-1, y.shape[3]))),
    ],
    ids=["turned", "transposed", "index", "shifted", "image", "channel", "row", "reduced", "rows"],
)
def test_what_needs_more_than_a_block_comes_afterwards(use):
    x, w = tensor("x", 4), tensor("w", 4)
    program = lowered([x, w], [use(T.nnet.conv2d(x, w))])
    assert kinds(program) == []


def test_nothing_that_the_convolution_reads_is_overwritten():
    state = shared(np.ones((2, 3, 6, 6), "float32"), name="state")
    w = shared(np.ones((3, 3, 3, 3), "float32"), name="w")
    new = T.tanh(T.nnet.conv2d(state, w, border_mode="half"))
    program = lowered([], [], shared=[state, w], updates=[(0, new)])
    values = [np.random.default_rng(0).standard_normal(s.get_value().shape).astype("float32")
              for s in (state, w)]
    expected = np.tanh(convolve(*values, border="half"))
    from_update = function([], [], updates=[(state, new)])
    state.set_value(values[0])
    w.set_value(values[1])
    from_update()
    np.testing.assert_allclose(state.get_value(), expected, rtol=1e-5, atol=1e-6)
    assert program.buffers[program.updates[0][1]].alias_of is None


def test_operands_that_die_between():
    x, w, v = tensor("x", 4), tensor("w", 4), tensor("v", 4)
    a = T.exp(x)  # a temporary that the convolution reads, of the shape of its result
    y = T.nnet.conv2d(a, w, border_mode="half")
    z = T.nnet.conv2d(T.tanh(y + a), v, border_mode="half")
    rng = np.random.default_rng(3)
    values = [rng.standard_normal(s).astype("float32") / 4
              for s in [(3, 4, 6, 5), (4, 4, 3, 3), (4, 4, 1, 3)]]
    program = lowered([x, w, v], [T.nnet.relu(z)])
    e = np.exp(values[0])
    inner = np.tanh(convolve(e, values[1], border="half") + e)
    expected = np.maximum(convolve(inner, values[2], border="half"), 0)
    assert sum(len(s.epilogue) for s in program.steps if isinstance(s, RoutineStep)) == 2
    np.testing.assert_allclose(interpreted(program, values)[0], expected, rtol=1e-4, atol=1e-5)
    found = function([x, w, v], T.nnet.relu(z))(*values)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


# ---- numbers


def random_case(seed):
    """Operands and options of a convolution, and what is done with its result."""
    rng = np.random.default_rng(seed)
    ndim = int(rng.integers(1, 4))
    groups = int(rng.integers(1, 3))
    channels, filters = groups * int(rng.integers(1, 3)), groups * int(rng.integers(1, 12))
    taps = [int(n) for n in rng.integers(1, 4, ndim)]
    space = [int(n) for n in rng.integers(7, 14 if ndim > 2 else 22, ndim)]
    options = {
        "border": ["valid", "half", "full"][rng.integers(3)],
        "strides": tuple(int(n) for n in rng.integers(1, 3, ndim)),
        "dilation": tuple(int(n) for n in rng.integers(1, 3, ndim)),
        "groups": groups,
        "flip": bool(rng.integers(2)),
    }
    dtype = ["float32", "float64"][rng.integers(2)]
    x = rng.standard_normal((int(rng.integers(1, 4)), channels, *space)).astype(dtype)
    w = rng.standard_normal((filters, channels // groups, *taps)).astype(dtype)
    return rng, x, w, options


@pytest.mark.parametrize("seed", range(10))
def test_random_convolutions_with_epilogues(seed):
    rng, x, w, options = random_case(seed)
    ndim, dtype = x.ndim - 2, x.dtype.name
    maps = convolve(x, w, **options)
    bias = rng.standard_normal(w.shape[0]).astype(dtype)
    other = rng.standard_normal(maps.shape).astype(dtype)
    factor = np.asarray(rng.standard_normal(), dtype)
    a, f, c, r, s = (tensor(n, d, dtype) for n, d in zip("xwbrs", [ndim + 2] * 2 + [1, ndim + 2, 0],
                                                         strict=True))
    y = CONVS[ndim](
        a, f, border_mode=options["border"], subsample=options["strides"],
        filter_dilation=options["dilation"], num_groups=options["groups"],
        filter_flip=options["flip"],
    )
    spread = ("x", 0, *["x"] * ndim)
    window = tuple(int(n) for n in rng.integers(1, 4, max(ndim, 2))[:ndim]) if ndim > 1 else None
    z = s * T.tanh(y + c.dimshuffle(*spread)) + r
    before = maps + bias.reshape(-1, *[1] * ndim)
    expected = [factor * np.tanh(before) + other]
    results = [z]
    if window and all(n >= k for n, k in zip(maps.shape[2:], window, strict=True)):
        stride = tuple(int(n) for n in rng.integers(1, 4, ndim))
        results.append(T.exp(-abs(pooled(y, window, stride)) + c.dimshuffle(*spread)))
        top = max_pool(maps, window, stride)
        expected.append(np.exp(-np.abs(top) + bias.reshape(-1, *[1] * ndim)))
    f_ = function([a, f, c, r, s], results)
    tolerance = {"rtol": 1e-4, "atol": 1e-4} if dtype == "float32" else {"rtol": 1e-11}
    for got, wanted in zip(f_(x, w, bias, other, factor), expected, strict=True):
        assert got.dtype == dtype
        np.testing.assert_allclose(got, wanted, **tolerance)
    turned = np.asfortranarray(other)  # operands are made contiguous
    np.testing.assert_allclose(f_(x, w, bias, turned, factor)[0], expected[0], **tolerance)


@native
@pytest.mark.parametrize("threads", [1, 2, 3])
@pytest.mark.parametrize("shape", [(1, 1, 201, 180), (3, 1, 161, 170)])
def test_results_of_many_blocks(shape, threads):
    rng = np.random.default_rng(1)
    x = rng.standard_normal(shape).astype("float32")
    w = rng.standard_normal((9, 1, 3, 3)).astype("float32")
    bias = rng.standard_normal(9).astype("float32")
    a, f, c = tensor("x", 4), tensor("w", 4), tensor("b", 1)
    maps = T.nnet.conv2d(a, f) + c.dimshuffle("x", 0, "x", "x")
    outputs = [T.nnet.relu(maps), pooled(maps, (3, 2)), pooled(maps, (3, 3), (2, 2))]
    call = function([a, f, c], outputs)
    expected = np.array([
        [signal.convolve2d(image[0], w[o, 0], "valid") + bias[o] for o in range(9)] for image in x
    ])
    try:
        set_num_threads(threads)
        found = call(x, w, bias)
    finally:
        set_num_threads(0)
    np.testing.assert_allclose(found[0], np.maximum(expected, 0), rtol=1e-4, atol=1e-4)
    for got, window, stride in zip(found[1:], [(3, 2), (3, 3)], [(3, 2), (2, 2)], strict=True):
        np.testing.assert_allclose(got, max_pool(expected, window, stride), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("strides", [(1, 1), (2, 2)])
def test_gradients_of_inputs_have_epilogues(strides):
    rng = np.random.default_rng(5)
    x = rng.standard_normal((2, 3, 9, 8))
    w = rng.standard_normal((4, 3, 3, 3))
    a, f = tensor("x", 4, "float64"), tensor("w", 4, "float64")
    h = T.nnet.relu(a)
    cost = (T.nnet.conv2d(h, f, subsample=strides) ** 2).sum()
    program = lowered([a, f], [T.grad(cost, a)])
    backwards = [s for s in program.steps if getattr(s, "name", "") == "convolve_inputs"]
    assert [len(s.epilogue) for s in backwards] == [1]
    found = function([a, f], T.grad(cost, a))(x, w)

    def value(at):
        return (convolve(np.maximum(at, 0), w, strides=strides) ** 2).sum()

    for place in [(0, 0, 0, 0), (1, 2, 8, 7), (0, 1, 4, 5), (1, 0, 3, 2)]:
        step = np.zeros_like(x)
        step[place] = 1e-6
        slope = (value(x + step) - value(x - step)) / 2e-6
        np.testing.assert_allclose(found[place], slope, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("images", "filters", "channels"),
    [(0, 3, 2), (2, 0, 2), (2, 3, 0)],
    ids=["images", "filters", "sum"],
)
def test_nothing_to_convolve(images, filters, channels):
    x, w = np.ones((images, channels, 5, 5)), np.ones((filters, channels, 2, 2))
    a, f = tensor("x", 4, "float64"), tensor("w", 4, "float64")
    maps = T.nnet.conv2d(a, f)
    found = function([a, f], [T.exp(maps), pooled(maps, (2, 2)) + 1])(x, w)
    assert [v.shape for v in found] == [(images, filters, 4, 4), (images, filters, 2, 2)]
    assert all((v == 1).all() for v in found)


def test_nan_and_infinity_pass():
    x = np.zeros((1, 1, 6, 6), "float32")
    x[0, 0, 0, 0], x[0, 0, 2, 3], x[0, 0, 5, 5] = np.nan, np.inf, -np.inf
    a, f = tensor("x", 4), tensor("w", 4)
    maps = T.nnet.conv2d(a, f)
    found = function([a, f], [T.nnet.relu(maps), pooled(maps, (2, 2))])(
        x, np.ones((1, 1, 1, 1), "float32")
    )
    np.testing.assert_array_equal(found[0], np.maximum(x, 0))
    np.testing.assert_array_equal(found[1], max_pool(x, (2, 2), (2, 2)))


@native
def test_one_function_has_the_convolution_and_what_follows():
    x, w, b = tensor("x", 4), tensor("w", 4), tensor("b", 1)
    y = pooled(T.nnet.relu(T.nnet.conv2d(x, w) + b.dimshuffle("x", 0, "x", "x")), (2, 2))
    main = symc.function([x, w, b], y, mode="FAST_RUN").maker.executor.main
    text = "".join(unit.text for unit in main.source("p").units)
    body = text[text.index("int p_body") :]
    assert body.count("p_k0(c") == 1
    assert "p_k1" not in body
    assert ", x, w, y, &after)" in text
