"""Random streams: the generator, the distributions and how states advance."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

import symc
import symc.tensor as T
from symc.sandbox.rng_mrg import MRG_RandomStreams
from symc.scalar.random import philox_block
from symc.tensor.shared_randomstreams import RandomStreams

# Random123's known answers for philox4x32-10: counter, key, words.
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000",
     "6627e8d5 e169c58d bc57ac4c 9b00dbd8"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff",
     "408f276d 41c83b0e a20bc7c6 6d5451fd"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0",
     "d16cfe09 94fdcceb 5001e420 24126ea1"),
]  # fmt: skip


def _words(text):
    return [int(w, 16) for w in text.split()]


@pytest.mark.parametrize(("counter", "key", "expected"), KNOWN)
def test_published_vectors(counter, key, expected):
    c, k = _words(counter), _words(key)
    made = philox_block(k[0] | k[1] << 32, c[2] | c[3] << 32, c[0] | c[1] << 32)
    assert [int(w) for w in made] == _words(expected)


def test_the_map_of_elements_to_words():
    """Word w of block 32 g + lane is element 128 g + 32 w + lane."""
    streams = RandomStreams(0)
    drawn = streams.uniform((300,), dtype="float32")
    key, counter = (int(v) for v in streams[drawn])
    values = symc.function([], drawn)()
    for i in (0, 31, 32, 127, 128, 299):
        word = philox_block(key, counter, i // 128 * 32 + i % 32)[i % 128 // 32]
        assert values[i] == np.float32((int(word) >> 8) * 2.0**-24)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_integers_and_uniforms_are_the_same_in_c_and_numpy(dtype):
    rows = T.lscalar()
    streams = RandomStreams(7)
    drawn = [
        streams.uniform((rows, 7), dtype=dtype),
        streams.binomial((rows, 7), n=1, p=0.3),
        streams.random_integers((rows, 7), -3, 5),
        streams.permutation(n=rows),
    ]
    native = symc.function([rows], drawn, no_default_updates=True)
    plain = symc.function([rows], drawn, no_default_updates=True, mode="FAST_COMPILE")
    for n in (0, 1, 100):
        for a, b in zip(native(n), plain(n), strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_distributions(dtype):
    streams = RandomStreams(11)
    size = (20000,)
    drawn = [
        streams.uniform(size, -1.0, 3.0, dtype=dtype),
        streams.normal(size, 2.0, 0.5, dtype=dtype),
        streams.truncated_normal(size, 1.0, 2.0, dtype=dtype),
    ]
    laws = [stats.uniform(-1, 4), stats.norm(2, 0.5), stats.truncnorm(-2, 2, 1, 2)]
    for values, law in zip(symc.function([], drawn)(), laws, strict=True):
        assert values.dtype == dtype
        assert stats.kstest(values.astype("float64"), law.cdf).pvalue > 1e-3


def test_counts():
    streams = MRG_RandomStreams()
    drawn = [streams.binomial((20000,), n=4, p=0.3), streams.random_integers((20000,), 2, 9)]
    successes, whole = symc.function([], drawn)()
    expected = stats.binom(4, 0.3).pmf(np.arange(5)) * 20000
    assert stats.chisquare(np.bincount(successes, minlength=5), expected).pvalue > 1e-3
    assert set(whole) == set(range(2, 10))
    assert stats.chisquare(np.bincount(whole)[2:]).pvalue > 1e-3
    shuffled = symc.function([], streams.permutation(size=(3,), n=10))()
    np.testing.assert_array_equal(np.sort(shuffled, axis=1), np.tile(np.arange(10), (3, 1)))


def test_streams_and_calls_are_independent():
    streams = RandomStreams(5)
    f = symc.function([], [streams.uniform((20000,), dtype="float64") for _ in range(2)])
    assert np.abs(np.corrcoef([*f(), *f()]) - np.eye(4)).max() < 0.03


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
    other = symc.function([], RandomStreams(5).uniform((4,)))()
    np.testing.assert_array_equal(other, first)


def _restored(streams, drawn, saved, f):
    streams[drawn] = saved
    return f()[0]


def test_parameters_broadcast():
    mean = T.dvector()
    drawn = RandomStreams(1).normal(None, mean, 0.0, dtype="float64")
    given = np.array([1.0, 5.0])
    np.testing.assert_array_equal(symc.function([mean], drawn)(given), given)


def test_steps_of_a_loop_draw_anew():
    streams = RandomStreams(3)
    rows, updates = symc.scan(lambda: streams.uniform((3,), dtype="float64"), n_steps=4)
    f = symc.function([], rows, updates=updates)
    plain = RandomStreams(3)
    draw = symc.function([], plain.uniform((3,), dtype="float64"))
    expected = np.array([draw() for _ in range(8)])
    np.testing.assert_array_equal(np.concatenate([f(), f()]), expected)


def test_wrong_use():
    with pytest.raises(TypeError, match="seed is an integer"):
        RandomStreams("a")
    with pytest.raises(TypeError, match="float dtype"):
        RandomStreams(1).normal((2,), dtype="int32")
    with pytest.raises(ValueError, match="ndim and size disagree"):
        RandomStreams(1).uniform((2,), ndim=2)
