"""The generator MRG31k3p, which is driven by hand; the names of Theano's random modules."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.sandbox import multinomial, rng_mrg
from symc.sandbox.rng_mrg import MRG_RandomStreams, mrg_uniform
from symc.tensor import raw_random, shared_randomstreams

M1, M2 = 2**31 - 1, 2**31 - 21069
# The first numbers of the seed (12345, ..., 12345), as published with the generator.
PUBLISHED = [0.7353244530968368, 0.6142074400559068, 0.11007806099951267, 0.6487741703167558]


def numbers(state, count):
    """Draws, in whole numbers, from the recurrences; and the state afterwards."""
    (a, b, c, d, e, f), found = map(int, state), []
    for _ in range(count):
        x, y = (2**22 * b + 129 * c) % M1, (2**15 * d + 32769 * f) % M2
        a, b, c, d, e, f = x, a, b, y, d, e
        found.append((x - y if x > y else x - y + M1) * 2.0**-31)
    return found, [a, b, c, d, e, f]


def test_published_numbers():
    state = np.array([12345] * 6, np.int32)
    found = []
    for _ in PUBLISHED:
        found.append(rng_mrg.mrg_next_value(state, state, rng_mrg.NORM, 0xFFFFFFFF, 0))
    assert found == PUBLISHED == numbers([12345] * 6, 4)[0]


def test_jumps_are_many_steps():
    """The matrix of 2**72 steps is that of one step squared 72 times; few squares are counted."""
    matrix, start = rng_mrg.A1p0.astype(object), np.array([5, 6, 7], object)
    for _ in range(5):
        matrix = matrix @ matrix % M1
    assert list(matrix @ start % M1) == numbers([5, 6, 7, 1, 1, 1], 32)[1][:3]
    for _ in range(67):
        matrix = matrix @ matrix % M1
    np.testing.assert_array_equal(rng_mrg.A1p72, matrix.astype(np.int64))
    there = rng_mrg.ff_2p72(np.array([5, 6, 7, 1, 1, 1], np.int32))
    assert list(matrix @ start % M1) == there[:3].tolist()
    assert there.dtype == np.int32


@pytest.mark.parametrize("dtype", ["float64", "float32", "float16"])
def test_draws_take_turns_of_streams(dtype):
    streams = MRG_RandomStreams(12345)
    states = streams.get_substream_rstates(3, dtype)
    assert states[0].tolist() == [12345] * 6
    assert states[1].tolist() == rng_mrg.ff_2p72(states[0]).tolist()
    shared = symc.shared(states)
    following, drawn = mrg_uniform.new(shared, None, dtype, (4, 2))
    drawn = streams.pretty_return(shared, following, drawn, size=(4, 2), nstreams=3)
    f = symc.function([], drawn)
    got = np.concatenate([f().ravel(), f().ravel()])
    assert got.dtype == dtype
    expected = np.empty((2, 8))
    for k, state in enumerate(states):
        share = len(range(k, 8, 3))
        drawn_by_one = numbers(state, 2 * share)[0]
        expected[0, k::3], expected[1, k::3] = drawn_by_one[:share], drawn_by_one[share:]
    if dtype == "float16":
        whole = (expected.ravel() * 2**31).astype(np.int64)
        np.testing.assert_array_equal(got, ((whole % 2**15 + 1) * 2.0**-15).astype("float16"))
    else:
        np.testing.assert_allclose(got, expected.ravel(), rtol=2e-7 if dtype == "float32" else 0)
    assert (got > 0).all()
    streams.seed(12345)
    np.testing.assert_array_equal(f().ravel(), got[:8])


def test_lengths_and_wrong_states():
    states, size = T.imatrix("states"), T.lvector("size")
    f = symc.function([states, size], mrg_uniform.new(states, 2, "float64", size))
    start = np.arange(1, 13, dtype="int32").reshape(2, 6)
    after, drawn = f(start, [0, 3])
    np.testing.assert_array_equal(after, start)
    assert drawn.shape == (0, 3)
    with pytest.raises(ValueError, match="shape \\(streams, 6\\)"):
        f(start[:, :5].copy(), [1, 1])
    with pytest.raises(ValueError, match="ndim"):
        mrg_uniform.new(states, None, "float64", size)
    with pytest.raises(TypeError, match="matrix of int32"):
        mrg_uniform.new(T.lmatrix(), 1, "float64", (2,))
    with pytest.raises(TypeError, match="float dtype"):
        mrg_uniform(T.lvector)


def test_products_modulo():
    a, b = T.lmatrix("a"), T.ivector("b")
    f = symc.function([a, b], rng_mrg.DotModulo()(a, b, 1000, a + 1, b, 77))
    matrix, vector = np.array([[5, 999], [123, 0]]), np.array([2**30, 7], "int32")
    exact = matrix.astype(object), vector.astype(object)
    found = f(matrix, vector)
    np.testing.assert_array_equal(found[:2], exact[0] @ exact[1] % 1000)
    np.testing.assert_array_equal(found[2:], (exact[0] + 1) @ exact[1] % 77)
    both = rng_mrg.multMatVect(np.tile(vector, 2), matrix, 1000, matrix + 1, 77)
    np.testing.assert_array_equal(both, found)


def test_truncated_draws_of_normal():
    draw = MRG_RandomStreams(1).normal((1000,), 1.0, 2.0, truncate=True)
    values = symc.function([], draw)()
    assert np.abs(values - 1.0).max() <= 4.0


NAMES = {
    rng_mrg: "matVecModM multMatVect DotModulo MASK12 MASK13 MASK2 MULT2 NORM M1 M2 A1p0 A1p72 "
    "A1p134 A2p0 A2p72 A2p134 ff_2p134 ff_2p72 mrg_next_value mrg_uniform_base mrg_uniform "
    "guess_n_streams MRG_RandomStreams",
    multinomial: "MultinomialFromUniform ChoiceFromUniform MultinomialWOReplacementFromUniform",
    raw_random: "RandomStateType random_state_type RandomFunction RandomStreamsBase uniform "
    "normal binomial random_integers random_integers_helper choice choice_helper poisson "
    "permutation permutation_helper multinomial multinomial_helper",
    shared_randomstreams: "RandomStreams RandomStateSharedVariable randomstate_constructor",
}


@pytest.mark.parametrize("module", NAMES, ids=lambda m: m.__name__)
def test_names_of_theano(module):
    missing = [n for n in NAMES[module].split() if not hasattr(module, n)]
    assert not missing
    assert not [n for n in NAMES[module].split() if n not in module.__all__]


SIGNATURES = {
    "uniform": "random_state size low high ndim dtype",
    "normal": "random_state size avg std ndim dtype",
    "binomial": "random_state size n p ndim dtype prob",
    "random_integers": "random_state size low high ndim dtype",
    "choice": "random_state size a replace p ndim dtype",
    "poisson": "random_state size lam ndim dtype",
    "permutation": "random_state size n ndim dtype",
    "multinomial": "random_state size n pvals ndim dtype",
    "RandomFunction": "fn outtype inplace ndim_added",
}


@pytest.mark.parametrize("name", SIGNATURES)
def test_parameters_of_theano(name):
    found = list(inspect.signature(getattr(raw_random, name)).parameters)
    assert found == SIGNATURES[name].split()
    if name != "RandomFunction":
        own = list(inspect.signature(getattr(raw_random.RandomStreamsBase, name)).parameters)
        assert own == ["self", *found[1:]]


def test_draws_by_numpy():
    helpers = {
        "permutation_helper": (lambda g, n, size: raw_random.permutation_helper(g, n, size), 5),
        "multinomial_helper": (raw_random.multinomial_helper, 4, [0.5, 0.25, 0.25]),
    }
    for helper, *parameters in helpers.values():
        op = raw_random.RandomFunction(helper, T.lmatrix, ndim_added=1)
        streams = raw_random.RandomStreamsBase(3)
        drawn = symc.function([], streams.gen(op, (6,), *parameters))()
        assert drawn.shape == (6, 5 if len(parameters) == 1 else 3)
        assert (drawn.sum(axis=1) == (10 if len(parameters) == 1 else 4)).all()
    old, new = np.random.RandomState(0), np.random.default_rng(0)
    for generator in (old, new):
        whole = raw_random.random_integers_helper(generator, [0, 5], [1, 5], (50, 2))
        assert set(whole[:, 0]) == {0, 1}
        assert set(whole[:, 1]) == {5}
        some = raw_random.choice_helper(generator, np.arange(3), False, None, 3)
        assert sorted(some) == [0, 1, 2]
        assert raw_random.choice_helper(generator, 4, True, [0, 0, 1, 0], 2).tolist() == [2, 2]
        assert raw_random.permutation_helper(generator, 3, None).shape == (3,)
        counts = raw_random.multinomial_helper(generator, [1, 2], [[0.5, 0.5]], None)
        assert counts.sum(axis=1).tolist() == [1, 2]
