"""Random streams: states, how they advance, gradients, loops and wrong use."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
from scipy import stats

import symc
import symc.tensor as T
from symc.sandbox.multinomial import (
    ChoiceFromUniform,
    MultinomialFromUniform,
    MultinomialWOReplacementFromUniform,
)
from symc.sandbox.rng_mrg import MRG_RandomStreams, guess_n_streams
from symc.tensor import raw_random
from symc.tensor.raw_random import RandomState, random_state_type
from symc.tensor.shared_randomstreams import RandomStreams

# --------------------------------------------------------------------------- states


def test_states_as_values():
    state = RandomState(5)
    saved = state.get_state()
    assert saved[0] == "Philox4x32-10"
    assert all(isinstance(n, int) for n in saved[1:])
    other = RandomState(6)
    assert other != state
    other.set_state(saved)
    assert other == state
    other.set_state(RandomState(6))
    other.seed(5)
    assert other == state
    assert RandomState() != RandomState()
    assert RandomState(5, stream=1) != state
    assert len({RandomState(s).get_state() for s in (1, 2, -1, 2**64, [1, 0], [0, 1], [1])}) == 6
    for copied in (copy.copy(state), copy.deepcopy(state), pickle.loads(pickle.dumps(state))):
        assert copied == state
        copied.seed(9)
        assert copied != state
    np.testing.assert_array_equal(np.asarray(state), np.array(saved[1:], "uint64"))


def test_states_as_variables():
    """A state may be an input, an output, shared, and nothing else is one."""
    state = random_state_type("state")
    following, x = raw_random.uniform(state, (3,), dtype="float64")
    f = symc.function([state], [following, x])
    words, values = f(RandomState(1))
    _, again = f(RandomState(1))
    _, later = f(RandomState.of_words(words))
    np.testing.assert_array_equal(values, again)
    assert not np.array_equal(values, later)
    with pytest.raises(symc.errors.ShapeError, match="2 along axis 0"):
        f(np.zeros(3, "uint64"))
    with pytest.raises(TypeError, match="random state"):
        f(3)

    shared = symc.shared(RandomState(1), name="shared")
    assert shared.type == random_state_type
    following, x = raw_random.uniform(shared, (3,), dtype="float64")
    g = symc.function([], x, updates=[(shared, following)])
    np.testing.assert_array_equal(g(), values)
    np.testing.assert_array_equal(g(), later)
    value = shared.get_value(borrow=True)
    assert isinstance(value, RandomState)
    value.seed(1)
    shared.set_value(value, borrow=True)
    np.testing.assert_array_equal(g(), values)
    with pytest.raises(TypeError):
        symc.function([], x, updates=[(shared, T.zeros((2,), dtype="uint64"))])


def test_states_are_copied_with_their_functions():
    streams = RandomStreams(3)
    f = symc.function([], streams.normal((4,)))
    f()
    for twin in (pickle.loads(pickle.dumps(f)), copy.deepcopy(f)):
        expected = twin()
        assert not np.array_equal(expected, twin())
    np.testing.assert_array_equal(f(), expected)
    other = pickle.loads(pickle.dumps(streams))
    assert [s.get_value() for s, _ in other.updates()] == [
        s.get_value() for s, _ in streams.updates()
    ]


def test_updates():
    streams = RandomStreams(5)
    drawn = streams.uniform((4,))
    moving = symc.function([], [drawn, drawn])
    still = symc.function([], drawn, no_default_updates=True)
    own = symc.function([], drawn, updates=[(drawn.rng, drawn.rng)])
    same = symc.function([], drawn, updates=streams.updates())
    first, again = moving()
    np.testing.assert_array_equal(first, again)
    saved = streams[drawn]
    second = still()
    assert not np.array_equal(first, second)
    for f in (still, own, same, lambda: _restored(streams, drawn, saved, moving)):
        np.testing.assert_array_equal(f(), second)
    streams.seed(5)
    np.testing.assert_array_equal(moving()[0], first)
    streams.seed(6)
    assert not np.array_equal(moving()[0], first)
    other = symc.function([], RandomStreams(5).uniform((4,)))()
    np.testing.assert_array_equal(other, first)


def _restored(streams, drawn, saved, f):
    streams[drawn] = saved
    return f()[0]


def test_states_go_over_to_another_graph():
    first, second = RandomStreams(1), RandomStreams(2)
    f = symc.function([], [first.normal((2,)), first.poisson((2,), 3.0)])
    g = symc.function([], [second.normal((2,)), second.poisson((2,), 3.0)])
    f()
    for (one, _), (two, _) in zip(first.state_updates, second.state_updates, strict=True):
        two.set_value(one.get_value())
    for a, b in zip(f(), g(), strict=True):
        np.testing.assert_array_equal(a, b)


def test_own_draws():
    """`gen` takes draws, and functions that give the next state, too."""
    streams = RandomStreams(1)
    plain = RandomStreams(1).normal((3,), dtype="float64")
    drawn = streams.gen(raw_random.normal, (3,), dtype="float64")
    assert drawn.update == (drawn.rng, drawn.rng.default_update)
    f, g = symc.function([], drawn), symc.function([], plain)
    for _ in range(2):
        np.testing.assert_array_equal(f(), g())


# --------------------------------------------------------------------------- sizes and parameters


def test_sizes():
    n, lengths, unknown = T.lscalar(), T.lvector(), T.lvector()
    streams = RandomStreams(1)
    drawn = [
        streams.normal(),
        streams.normal(n),
        streams.normal((n, 2)),
        streams.poisson((0, n), 1.0),
        streams.gamma(lengths, 2.0, ndim=2),
        streams.uniform(T.zeros((n, 3)).shape),
        streams.choice(unknown, 3, ndim=1),
        streams.multinomial((n, 1), 3, [0.5, 0.5]),
        streams.uniform(None, T.zeros((2, n)), ndim=3),
    ]
    f = symc.function([n, lengths, unknown], drawn)
    for size in (0, 1, 5):
        shapes = [x.shape for x in f(size, [size, 3], [4])]
        expected = [(), (size,), (size, 2), (0, size), (size, 3), (size, 3), (4,), (size, 1, 2)]
        assert shapes == [*expected, (1, 2, size)]


def test_parameters_broadcast():
    mean, n = T.dvector(), T.lvector()
    streams = RandomStreams(1)
    f = symc.function([mean, n], [
        streams.normal(None, mean, 0.0, dtype="float64"),
        streams.normal((4, 3), mean, 0.0, dtype="float64"),
        streams.binomial(None, n, 1.0),
        streams.random_integers((2, 3), n, n),
        streams.poisson(None, T.outer(mean, mean)),
    ])  # fmt: skip
    given, whole = np.array([0.0, 1.0, 5.0]), [3, 0, 4]
    one, several, all_, exactly, square = f(given, whole)
    np.testing.assert_array_equal(one, given)
    np.testing.assert_array_equal(several, np.tile(given, (4, 1)))
    np.testing.assert_array_equal(all_, whole)
    np.testing.assert_array_equal(exactly, [whole, whole])
    assert square.shape == (3, 3)
    assert not square[0].any()
    with pytest.raises((ValueError, symc.errors.ShapeError), match="lengths|shape"):
        f(given[:2], whole)


def test_dtypes():
    streams = RandomStreams(1)
    drawn = {
        "float16": streams.normal((3,), dtype="float16"),
        "float32": streams.gamma((3,), 2.0, dtype="float32"),
        "int8": streams.binomial((3,), p=0.5, dtype="int8"),
        "uint16": streams.random_integers((3,), 0, 9, dtype="uint16"),
        "bool": streams.binomial((3,), p=0.5, dtype="bool"),
        "int64": streams.multinomial(None, 2, [0.5, 0.5]),
        "float64": streams.poisson((3,), 3.0, dtype="float64"),
    }
    for dtype, values in zip(drawn, symc.function([], list(drawn.values()))(), strict=True):
        assert values.dtype == dtype


def test_whole_range_of_integers():
    low, high = T.lscalar(), T.lscalar()
    f = symc.function([low, high], RandomStreams(1).random_integers((1000,), low, high))
    extreme = np.iinfo("int64")
    values = f(extreme.min, extreme.max)
    assert values.min() < -(2**62)
    assert values.max() > 2**62
    assert (f(3, 3) == 3).all()


# --------------------------------------------------------------------------- gradients


def test_gradients_pass_through_bounds_and_scales():
    a, b = T.dscalar(), T.dscalar()
    streams = RandomStreams(1)
    for drawn in (
        streams.uniform((50,), a, b, dtype="float64"),
        streams.normal((50,), a, b, dtype="float64"),
        streams.laplace((50,), a, b, dtype="float64"),
        streams.lognormal((50,), a, b, dtype="float64"),
        a + streams.gamma((50,), 2.0, b, dtype="float64"),
    ):
        total = (drawn**2).sum()
        slopes = symc.grad(total, [a, b])
        f = symc.function([a, b], [total, *slopes], no_default_updates=True)
        step, at = 1e-6, np.array([0.3, 1.2])
        for k in (0, 1):
            move = step * np.eye(2)[k]
            numeric = (f(*(at + move))[0] - f(*(at - move))[0]) / (2 * step)
            np.testing.assert_allclose(f(*at)[1 + k], numeric, rtol=1e-6)


def test_gradients_of_whole_numbers_and_shapes():
    x, p = T.dscalar(), T.dvector()
    streams = RandomStreams(1)
    for drawn in (
        streams.poisson((3,), x),
        streams.binomial((3,), p=x),
        streams.binomial((3,), n=5, p=x),
        streams.multinomial(None, 1, p),
        streams.multinomial(None, 4, p),
        streams.choice((3,), 2, p=p),
    ):
        slopes = symc.grad(T.cast(drawn, "float64").sum(), [x, p], disconnected_inputs="ignore")
        for slope in symc.function([x, p], slopes)(0.5, [0.5, 0.5]):
            assert not slope.any()
    for drawn in (streams.gamma((3,), x), streams.beta((3,), x, 1.0)):
        with pytest.raises(symc.gradient.NullTypeGradError):
            symc.grad(drawn.sum(), x)
    values = symc.function([p], symc.grad(streams.choice((30,), p).sum(), p))([1.0, 2.0])
    assert values.sum() == 30


# --------------------------------------------------------------------------- loops


def test_steps_of_a_loop_draw_anew():
    streams = RandomStreams(3)
    rows, updates = symc.scan(lambda: streams.uniform((3,), dtype="float64"), n_steps=4)
    f = symc.function([], rows, updates=updates)
    plain = RandomStreams(3)
    draw = symc.function([], plain.uniform((3,), dtype="float64"))
    expected = np.array([draw() for _ in range(8)])
    np.testing.assert_array_equal(np.concatenate([f(), f()]), expected)


def test_a_gibbs_chain():
    """The posterior of the mean and precision of normal data, by the conditional distributions."""
    data = np.random.default_rng(0).normal(3.0, 2.0, 50)
    n, mean = len(data), data.mean()
    streams = RandomStreams(1)

    def step(mu, tau):
        mu = streams.normal((), mean, 1 / T.sqrt(n * tau), dtype="float64")
        rate = 0.5 * ((data - mu) ** 2).sum()
        return mu, streams.gamma((), n / 2, 1 / rate, dtype="float64")

    start = [np.float64(0.0), np.float64(1.0)]
    (mus, taus), updates = symc.scan(step, outputs_info=start, n_steps=20_000)
    f = symc.function([], [mus, taus], updates=updates)
    mus, taus = (chain[100:] for chain in f())
    assert abs(mus.mean() - mean) < 0.02
    t = (mus - mean) / np.sqrt(data.var() / (n - 1))  # Student, n - 1 degrees of freedom
    assert abs(t.var() - (n - 1) / (n - 3)) < 0.06
    assert abs(taus.mean() * data.var() - (n - 1) / n) < 0.02
    assert not np.array_equal(f()[0][:10], mus[:10])


def test_discrete_draws_in_a_loop():
    """A walk on three states has the distribution that its transitions leave as it is."""
    transitions = np.array([[0.5, 0.5, 0.0], [0.25, 0.5, 0.25], [0.0, 0.5, 0.5]])
    table = T.as_tensor_variable(transitions)
    streams = MRG_RandomStreams(2)

    def step(state):
        return streams.choice((), 3, p=table[state], ndim=0)

    walk, updates = symc.scan(step, outputs_info=np.int64(0), n_steps=20_000)
    counts = np.bincount(symc.function([], walk, updates=updates)()) / 20_000
    np.testing.assert_allclose(counts, [0.25, 0.5, 0.25], atol=0.03)


# --------------------------------------------------------------------------- MRG's interface


def test_the_interface_of_mrg():
    streams = MRG_RandomStreams([1, 2, 3, 4, 5, 6])
    drawn = streams.normal((4,), nstreams=8)
    f = symc.function([], drawn)
    first = f()
    streams.seed()
    np.testing.assert_array_equal(f(), first)
    twin = MRG_RandomStreams([1, 2, 3, 4, 5, 6])
    np.testing.assert_array_equal(symc.function([], twin.normal((4,)))(), first)
    assert twin.rstate.tolist() == [1, 2, 3, 4, 5, 6]
    twin.inc_rstate()
    moved = twin.rstate.copy()
    assert moved.shape == (6,)
    assert not np.array_equal(moved, [1, 2, 3, 4, 5, 6])
    streams.set_rstate(moved)
    np.testing.assert_array_equal(
        symc.function([], streams.uniform((4,)))(), symc.function([], twin.uniform((4,)))()
    )
    assert twin.get_substream_rstates(3, "int32").shape == (3, 6)
    assert not np.array_equal(twin.rstate, moved)
    assert MRG_RandomStreams(7).rstate.tolist() == [7] * 6
    assert guess_n_streams((2, 3)) == twin.n_streams((2, 3)) == 6
    assert guess_n_streams(T.lvector()) > 1
    assert len(twin.updates()) == 2


@pytest.mark.parametrize("mode", [None, "NUMPY"])
def test_categories_from_given_numbers(mode):
    p, u = T.dmatrix(), T.dvector()
    f = symc.function([p, u], [
        MultinomialFromUniform("auto")(p, u, n=2),
        ChoiceFromUniform(replace=True)(p, u, n=2),
        MultinomialWOReplacementFromUniform()(p, u, n=2),
        ChoiceFromUniform()(p, u[:2]),
    ], mode=mode)  # fmt: skip
    weights = np.array([[0.25, 0.25, 0.5], [1.0, 0.0, 0.0]])
    numbers = np.array([0.1, 0.3, 0.3, 0.99])
    counts, chosen, different, first = f(weights, numbers)
    assert counts.dtype == "float64"
    np.testing.assert_array_equal(counts, [[1, 1, 0], [2, 0, 0]])
    np.testing.assert_array_equal(chosen, [[0, 1], [0, 0]])
    # 0.25 : 0.5 are left of the first row, and nothing of the second.
    np.testing.assert_array_equal(different, [[0, 1], [0, 2]])
    np.testing.assert_array_equal(first, [[0], [0]])
    with pytest.raises(TypeError, match="a matrix of probabilities"):
        ChoiceFromUniform()(u, u)
    g = symc.function([p, u], ChoiceFromUniform()(p, u, n=4), mode=mode)
    with pytest.raises(ValueError, match="more different categories"):
        g(weights, np.zeros(8))


@pytest.mark.parametrize("mode", [None, "NUMPY"])
def test_successive_categories_are_those_of_divided_weights(mode):
    rng = np.random.default_rng(3)
    weights = rng.random((20, 7))
    weights[rng.random(weights.shape) < 0.3] = 0
    weights[:, 5:] += 0.01
    weights /= weights.sum(1, keepdims=True)
    numbers = rng.random(2 * 20)
    p, u = T.dmatrix(), T.dvector()
    got = symc.function([p, u], ChoiceFromUniform()(p, u, n=2), mode=mode)(weights, numbers)
    for r, row in enumerate(weights):
        first = int(np.searchsorted(np.cumsum(row), numbers[r], side="right"))
        rest = row / (1 - row[first])
        rest[first] = 0
        second = int(np.searchsorted(np.cumsum(rest), numbers[20 + r], side="right"))
        assert got[r].tolist() == [first, second]


def test_numpys_functions_as_draws():
    draw = raw_random.RandomFunction("triangular", T.dvector().type)
    streams, n = RandomStreams(1), T.lscalar()
    x = streams.gen(draw, (n,), 0.0, 1.0, 4.0)
    f = symc.function([n], x)
    first, second = f(2000), f(2000)
    assert stats.kstest(first, stats.triang(0.25, scale=4).cdf).pvalue > 1e-3
    assert not np.array_equal(first, second)
    streams.seed(1)
    np.testing.assert_array_equal(f(2000), first)
    own = raw_random.RandomFunction(lambda g, size: g.standard_normal(size), T.dmatrix().type)
    assert symc.function([], own(RandomState(1), (2, 3))[1])().shape == (2, 3)
    with pytest.raises(ValueError, match="no such method"):
        raw_random.RandomFunction("a", T.dvector().type)


# --------------------------------------------------------------------------- wrong use

WRONG = {
    "n is out of range": (ValueError, lambda s: s.binomial((2,), n=-1, p=0.5)),
    "p is out": (ValueError, lambda s: s.binomial((2,), p=1.5)),
    "p is out of": (ValueError, lambda s: s.binomial((2,), n=3, p=-0.1)),
    "lam is": (ValueError, lambda s: s.poisson((2,), -1.0)),
    "std is": (ValueError, lambda s: s.normal((2,), 0, [1.0, -1.0])),
    "shape is": (ValueError, lambda s: s.gamma((2,), 0.0)),
    "a is out": (ValueError, lambda s: s.beta((2,), -1.0)),
    "sum to 1": (ValueError, lambda s: s.multinomial(None, 1, [0.2, 0.2])),
    "pvals is": (ValueError, lambda s: s.multinomial(None, 1, [-0.2, 1.2])),
    "n is out": (ValueError, lambda s: s.multinomial(None, -1, [0.5, 0.5])),
    "per category": (ValueError, lambda s: s.multinomial(None, 1, 1.0)),
    "nothing": (ValueError, lambda s: s.choice((2,), 0)),
    "per element": (ValueError, lambda s: s.choice((2,), 3, p=[0.5, 0.5])),
    "more different": (ValueError, lambda s: s.choice((5,), 3, replace=False)),
    "5 of 3": (ValueError, lambda s: s.choice((5,), np.arange(3), replace=False)),
    "3 of 2": (ValueError, lambda s: s.multinomial_wo_replacement(None, 3, [0.5, 0.5])),
    "number or a vector": (ValueError, lambda s: s.choice((2,), np.ones((2, 2)))),
    "no integers": (ValueError, lambda s: s.random_integers((2,), 3, 1)),
    "whole numbers": (TypeError, lambda s: s.random_integers((2,), 0.5, 3)),
    "real numbers": (TypeError, lambda s: s.uniform((2,), 1j)),
    "ndim and size": (ValueError, lambda s: s.uniform((2,), ndim=2)),
    "ndim and": (ValueError, lambda s: s.uniform(None, np.ones((2, 2)), ndim=1)),
    "fewer axes": (ValueError, lambda s: s.normal((2,), np.ones((2, 2)))),
    "broadcast": (symc.errors.ShapeError, lambda s: s.normal((1,), np.ones(2))),
    "negative": (symc.errors.ShapeError, lambda s: s.normal((-1,))),
    "must be an integer": (TypeError, lambda s: s.normal((2.5,))),
    "float dtype": (TypeError, lambda s: s.normal((2,), dtype="int32")),
    "real dtype": (TypeError, lambda s: s.poisson((2,), dtype="complex64")),
    "no elements": (ValueError, lambda s: s.shuffle_row_elements(1.0)),
    "a length": (ValueError, lambda s: s.permutation(n=-1)),
}


@pytest.mark.parametrize("text", WRONG)
def test_wrong_parameters_are_refused_with_the_users_line(text):
    kind, draw = WRONG[text]
    with pytest.raises(kind) as caught:
        draw(RandomStreams(1))
    message = str(caught.value)
    assert text in message
    if text != "must be an integer":
        assert "test_streams.py" in message


def test_wrong_seeds_and_states():
    with pytest.raises(TypeError, match="seed is an integer"):
        RandomStreams("a")
    with pytest.raises(TypeError, match="seed is an integer"):
        RandomStreams([1, 0.5])
    with pytest.raises(ValueError, match="one integer or six"):
        MRG_RandomStreams([1, 2])
    with pytest.raises(ValueError, match="nstreams"):
        MRG_RandomStreams().uniform((2,), nstreams=0)
    with pytest.raises(KeyError, match="no draw of these streams"):
        RandomStreams(1)[T.dscalar()]
    with pytest.raises(ValueError, match="no state of the generator"):
        RandomState(1).set_state(("MT19937", 1, 2))
    with pytest.raises(TypeError, match="needs a random state"):
        raw_random.uniform(3, (2,))


AT_RUN_TIME = {
    "lam": lambda s, x: s.poisson((2,), x),
    "lam of a vector": lambda s, x: s.poisson(None, T.stack([1.0, x])),
    "n": lambda s, x: s.binomial((2,), n=T.cast(x, "int64"), p=0.5),
    "p": lambda s, x: s.binomial((2,), n=3, p=x),
    "p of single trials": lambda s, x: s.binomial((2,), p=x),
    "p of failures": lambda s, x: s.negative_binomial((2,), 2.0, x),
    "p of attempts": lambda s, x: s.geometric((2,), x),
    "shape": lambda s, x: s.gamma((2,), x),
    "scale": lambda s, x: s.gamma((2,), 1.0, x),
    "a": lambda s, x: s.beta((2,), x, 1.0),
    "b": lambda s, x: s.beta((2,), 1.0, x),
    "alpha": lambda s, x: s.dirichlet(None, T.stack([1.0, x])),
    "df": lambda s, x: s.standard_t((2,), x),
    "std": lambda s, x: s.normal((2,), 0.0, x),
    "std of a vector": lambda s, x: s.normal(None, 0.0, T.stack([1.0, x])),
    "std of few": lambda s, x: s.truncated_normal((2,), 0.0, x, dtype="float32"),
    "high": lambda s, x: s.random_integers((2,), 0, T.cast(x, "int64")),
    "scale of waiting": lambda s, x: s.exponential((2,), x),
}


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
@pytest.mark.parametrize("name", AT_RUN_TIME)
def test_wrong_parameters_at_run_time_are_refused(name, mode):
    x = T.dscalar("x")
    f = symc.function([x], AT_RUN_TIME[name](RandomStreams(1), x), mode=mode)
    assert np.all(np.isfinite(f(1.0)))
    whole_numbers = name in ("n", "high")
    for wrong in (-1.0, -7.5) if whole_numbers else (-1.0, np.nan):
        with pytest.raises(ValueError, match=f"parameter {name.split()[0]} .* out of range") as got:
            f(wrong)
        assert "test_streams.py" in str(got.value)


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_probabilities_of_single_trials_in_tensors_are_clipped(mode):
    x = T.dvector("x")
    f = symc.function([x], RandomStreams(1).binomial(p=x), mode=mode)
    np.testing.assert_array_equal(f([-1.0, 0.0, 1.0, 2.0, np.nan]), [0, 0, 1, 1, 0])


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_a_refused_parameter_changes_no_state(mode):
    x, total = T.dscalar("x"), symc.shared(np.zeros(3), "total")
    drawn = RandomStreams(1).normal((3,), 0.0, x)
    f = symc.function([x], drawn, updates=[(total, total + drawn)], mode=mode)
    before = drawn.rng.get_value()
    with pytest.raises(ValueError, match="std"):
        f(-1.0)
    np.testing.assert_array_equal(total.get_value(), 0)
    np.testing.assert_array_equal(drawn.rng.get_value(), before)


def test_gradients_pass_through_checked_parameters():
    x = T.dscalar("x")
    drawn = RandomStreams(1).normal((3,), 0.0, x)
    f = symc.function([x], [drawn, T.grad(drawn.sum(), x)])
    values, slope = f(2.0)
    np.testing.assert_allclose(slope, values.sum() / 2.0)


@pytest.mark.parametrize("mode", [None, "FAST_COMPILE"])
def test_more_than_there_is_at_run_time(mode):
    k = T.lscalar()
    streams = RandomStreams(1)
    drawn = streams.choice((k,), 3, replace=False)
    rows = streams.multinomial_wo_replacement(None, k, [0.5, 0.5, 0.0])
    f = symc.function([k], [drawn, rows], mode=mode)
    assert [len(x) for x in f(3)] == [3, 3]
    with pytest.raises(ValueError, match="more different categories"):
        f(4)
