"""The generator, the published map from elements to words, and equality of all ways to compute."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.runtime import set_num_threads
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


def test_the_words_are_those_of_the_paper():
    """A second generator in whole numbers, written from the paper."""

    def block(counter, key):
        c, k = list(counter), list(key)
        for _ in range(10):
            high0, low0 = divmod(0xD2511F53 * c[0], 2**32)
            high1, low1 = divmod(0xCD9E8D57 * c[2], 2**32)
            c = [high1 ^ c[1] ^ k[0], low1, high0 ^ c[3] ^ k[1], low0]
            k = [(k[0] + 0x9E3779B9) % 2**32, (k[1] + 0xBB67AE85) % 2**32]
        return c

    streams = RandomStreams(0)
    drawn = streams.uniform((300,), dtype="float64")
    key, counter = (int(v) for v in streams[drawn])
    values = symc.function([], drawn)()
    for i in (0, 31, 32, 63, 64, 255, 299):
        number = i // 64 * 32 + i % 32
        place = (number, 0, counter % 2**32, counter >> 32)
        words = block(place, (key % 2**32, key >> 32))
        low, high = words[2 * (i % 64 // 32) : 2 * (i % 64 // 32) + 2]
        assert values[i] == (high << 32 | low) // 2**11 * 2.0**-53


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
def test_the_map_of_elements_to_normal_draws(dtype):
    """The words of a block make pairs of draws, the radius times the cosine and the sine."""
    streams = RandomStreams(4)
    drawn = streams.normal((300,), dtype=dtype)
    key, counter = (int(v) for v in streams[drawn])
    values = symc.function([], drawn)()
    group, bits, pairs = (128, 32, 2) if dtype == "float32" else (64, 64, 1)
    for i in (0, 31, 32, 64, 100, 127, 128, 299):
        block = [int(w) for w in philox_block(key, counter, i // group * 32 + i % 32)]
        words = block if pairs == 2 else [block[0] | block[1] << 32, block[2] | block[3] << 32]
        pair, which = divmod(i % group // 32, 2)
        a, b = words[2 * pair : 2 * pair + 2]
        radius = np.sqrt(-2 * np.log((a + 0.5) / 2.0**bits))
        angle = np.pi / 2 * (b >> bits - 2) + np.pi / 2 * (
            b % 2 ** (bits - 2) / 2 ** (bits - 2) - 0.5
        )
        expected = radius * (np.cos(angle) if which == 0 else np.sin(angle))
        assert abs(values[i] - expected) < (2e-5 if dtype == "float32" else 1e-12)


def _all_draws(streams, rows, dtype):
    """Draws whose bits are promised."""
    size, weights = (rows, 7), np.array([0.2, 0.0, 0.5, 0.3])
    return [
        streams.uniform(size, dtype=dtype),
        streams.normal(size, dtype=dtype),
        streams.normal(size, dtype=dtype)[:, ::-1] + streams.uniform((7, rows), dtype=dtype).T,
        streams.truncated_normal(size, dtype=dtype),
        streams.binomial(size, n=1, p=0.3),
        streams.binomial(size, n=1, p=1e-5),
        streams.binomial(size, n=12, p=0.3),
        streams.binomial(size, n=1000, p=0.7),
        streams.random_integers(size, -3, 5),
        streams.random_integers(size, -rows, rows),
        streams.poisson(size, 3.0),
        streams.poisson(size, 30.0),
        streams.gamma(size, 0.3, 1.0, dtype="float64"),
        streams.gamma(size, 7.0, 1.0, dtype="float64"),
        streams.beta(size, 0.1, 2.0, dtype="float64"),
        streams.permutation(n=rows),
        streams.multinomial((rows,), 1, weights),
        streams.multinomial((rows,), 9, weights),
        streams.choice(size, 4, p=weights),
    ]


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_c_and_numpy_draw_the_same_bits(dtype):
    rows = T.lscalar()
    drawn = _all_draws(RandomStreams(7), rows, dtype)
    native = symc.function([rows], drawn, no_default_updates=True)
    plain = symc.function([rows], drawn, no_default_updates=True, mode="FAST_COMPILE")
    for n in (0, 1, 100, 333):
        for k, (a, b) in enumerate(zip(native(n), plain(n), strict=True)):
            np.testing.assert_array_equal(a, b, err_msg=f"draw {k}, {n} rows")


def test_any_number_of_threads_draws_the_same_bits():
    rows = T.lscalar()
    drawn = _all_draws(RandomStreams(7), rows, "float32")
    f = symc.function([rows], drawn, no_default_updates=True)
    results = []
    try:
        for threads in (1, 2, 5):
            set_num_threads(threads)
            results.append(f(20_000))
    finally:
        set_num_threads(0)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("draw", ["uniform", "normal"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_parts_of_a_draw_are_the_same_in_every_kernel(draw, dtype):
    """Long runs, short rows, single elements and reductions read the same numbers."""
    n, m = T.lscalar(), T.lscalar()
    x = getattr(RandomStreams(3), draw)((n, m), dtype=dtype)
    whole = symc.function([n, m], x, no_default_updates=True)
    parts = symc.function(
        [n, m], [x[1], x[:, 1], x[1:, ::2] * 2, x.T + 0, x.max(axis=1), x.min(axis=0), x[0, 1],
                 x.max()],
        no_default_updates=True,
    )  # fmt: skip
    for shape in ((2, 3), (3, 1000), (500, 3), (130, 129)):
        full = whole(*shape)
        expected = [
            full[1], full[:, 1], full[1:, ::2] * 2, full.T, full.max(1), full.min(0), full[0, 1],
            full.max(),
        ]  # fmt: skip
        for got, wanted in zip(parts(*shape), expected, strict=True):
            np.testing.assert_array_equal(got, wanted)


def test_uniform_numbers_of_half_precision_stay_below_one():
    f = symc.function([], RandomStreams(1).uniform((200_000,), dtype="float16"))
    values = f()
    assert values.dtype == "float16"
    assert values.max() == np.float16(1 - 2.0**-11)
    assert values.min() == 0
    assert len(np.unique(values)) == 2048
