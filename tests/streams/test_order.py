"""Draws without replacement: the published map, orders with equal keys, both paths, no Python."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.loop.program import ForeignStep
from symc.ops.random.order import SmallestFirst
from symc.runtime import native_available
from symc.scalar.random import philox_block
from symc.tensor import raw_random
from symc.tensor.shared_randomstreams import RandomStreams

MODES = [None, "FAST_COMPILE", "NUMPY"]
N, K, W = T.lscalar("N"), T.lscalar("K"), T.dvector("W")
STATE = raw_random.random_state_type("STATE")
VALUE = RandomStreams(3).permutation(n=4).rng.get_value()
LENGTHS = (0, 1, 2, 3, 8, 33, 500)


def words(state, count):
    """The 64-bit words of the elements of a draw, from the map in docs/random.md."""
    key, counter = (int(v) for v in state)
    found = []
    for i in range(count):
        block = [int(w) for w in philox_block(key, counter, i // 64 * 32 + i % 32)]
        low, high = block[2 * (i % 64 // 32) :][:2]
        found.append(high << 32 | low)
    return found


@pytest.mark.parametrize("mode", MODES)
def test_permutations_are_the_order_of_words(mode):
    _, drawn = raw_random.permutation(STATE, (2,), N)
    f = symc.function([N, STATE], drawn, mode=mode)
    for n in LENGTHS:
        row = words(VALUE, 2 * n)
        expected = [sorted(range(n), key=row[k * n : k * n + n].__getitem__) for k in (0, 1)]
        np.testing.assert_array_equal(f(n, VALUE), np.reshape(expected, (2, n)))


@pytest.mark.parametrize("mode", MODES)
def test_choices_are_the_first_of_a_permutation(mode):
    _, drawn = raw_random.choice(STATE, (K,), N, replace=False)
    f = symc.function([K, N, STATE], drawn, mode=mode)
    for n in LENGTHS:
        row = words(VALUE, n)
        expected = sorted(range(n), key=row.__getitem__)
        for k in {0, 1, n // 2, n - 1, n} & set(range(n + 1)):
            np.testing.assert_array_equal(f(k, n, VALUE), expected[:k])


@pytest.mark.parametrize("mode", MODES)
def test_weighted_choices_are_the_order_of_waiting_times(mode):
    _, drawn = raw_random.multinomial_wo_replacement(STATE, None, K, W)
    f = symc.function([K, W, STATE], drawn, mode=mode)
    for n in LENGTHS:
        weights = np.random.default_rng(n).random(n)
        weights[2::3] = [0.0, np.nan, -1.0][n % 3]
        units = np.array([w >> 11 for w in words(VALUE, n)]) * 2.0**-53
        with np.errstate(all="ignore"):
            times = np.where(weights > 0, -np.log(1 - units) / weights, np.inf)
        expected = np.argsort(times, kind="stable")
        for k in {0, 1, n // 2, n} & set(range(n + 1)):
            np.testing.assert_array_equal(f(k, weights, VALUE), expected[:k])


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("dtype", ["uint64", "float64"])
def test_equal_keys_are_in_the_order_of_their_positions(mode, dtype):
    keys = T.matrix("keys", dtype=dtype)
    f = symc.function([keys, K], SmallestFirst()(keys, K), mode=mode)
    rng = np.random.default_rng(0)
    for rows, n in ((1, 1), (3, 2), (2, 7), (4, 64), (1, 300), (0, 3), (2, 0)):
        few = rng.integers(0, max(1, n // 3) + 1, (rows, n))
        values = few * 1.5
        if dtype == "uint64":
            values = few.astype("uint64") * np.uint64(2**64 // (n + 2))
        expected = np.argsort(few, axis=1, kind="stable")
        for k in {0, 1, n // 2, n} & set(range(n + 1)):
            np.testing.assert_array_equal(f(values, k), expected[:, :k])
            np.testing.assert_array_equal(f(values[:, ::-1], n), np.argsort(
                few[:, ::-1], axis=1, kind="stable"
            ))


@pytest.mark.parametrize("mode", MODES)
def test_a_permutation_drawn_in_every_step_of_a_loop(mode):
    streams = RandomStreams(5)
    rows, updates = symc.scan(lambda: streams.permutation(n=N), n_steps=3)
    f = symc.function([N], rows, updates=updates, mode=mode)
    first, second = f(40), f(40)
    np.testing.assert_array_equal(np.sort(first, axis=1), [np.arange(40)] * 3)
    assert len({r.tobytes() for r in (*first, *second)}) == 6


@pytest.mark.skipif(not native_available(), reason="looks at the compiled program")
def test_no_step_in_python():
    streams = RandomStreams(5)
    draws = [
        streams.permutation(n=N),
        streams.choice((K,), N, replace=False),
        streams.choice((K,), N, replace=False, p=W),
        streams.multinomial_wo_replacement(None, K, W),
    ]
    program = symc.function([N, K, W], draws).maker.executor.main.lowered
    assert not [s for s in program.all_steps if isinstance(s, ForeignStep)]
