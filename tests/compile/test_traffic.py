"""Bytes that functions move, as counted from their programs."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, shared
from symc.nn.updates import adam
from symc.runtime import native_available

pytestmark = pytest.mark.skipif(not native_available(), reason="counts are of native programs")
N = 1000
BYTES = 8 * N
LARGE = 5_000_000
x, y = T.dvectors("x", "y")


def counts(f: Any, *values: Any) -> tuple[int, int, int, int]:
    """Bytes read, written, fetched and needed at least."""
    moved = f.memory_traffic(*values)
    assert moved.total == moved.read + moved.written + moved.fetched
    return moved.read, moved.written, moved.fetched, moved.least


def test_a_sum_reads_two_arrays_and_writes_one() -> None:
    f = function([x, y], x + y)
    a = np.zeros(N)
    assert counts(f, a, a) == (2 * BYTES, BYTES, BYTES, 3 * BYTES)
    assert f.memory_traffic(a, a).ratio == pytest.approx(4 / 3)
    empty = np.zeros(0)
    assert counts(f, empty, empty) == (0, 0, 0, 0)
    assert f.memory_traffic(empty, empty).ratio == 1


def test_large_results_are_streamed() -> None:
    a = np.zeros(LARGE)
    assert counts(function([x, y], x + y), a, a) == (16 * LARGE, 8 * LARGE, 0, 24 * LARGE)
    strided = np.zeros(2 * LARGE)[::2]
    assert function([x], x + 1).memory_traffic(strided).written == 8 * LARGE


def test_a_chain_that_fuses_moves_no_more_than_one_op() -> None:
    f = function([x], T.tanh(T.exp(x) * 2 + 1))
    assert counts(f, np.zeros(N)) == (BYTES, BYTES, BYTES, 2 * BYTES)
    plain = function([x], T.tanh(T.exp(x) * 2 + 1), mode=symc.Mode().excluding("fusion"))
    assert plain.memory_traffic(np.zeros(N)).total > f.memory_traffic(np.zeros(N)).total


def test_what_does_not_fuse_counts_for_each_step() -> None:
    f = function([x], T.exp(T.cumsum(T.exp(x))))
    read, written, _, least = counts(f, np.zeros(N))
    assert (read, written, least) == (3 * BYTES, 3 * BYTES, 2 * BYTES)
    centred = function([x], ((x - x.mean()) ** 2).sum())
    assert centred.memory_traffic(np.zeros(N)).read == pytest.approx(2 * BYTES, rel=0.01)


def test_an_update_in_place_fetches_nothing() -> None:
    s = shared(np.zeros(N))
    f = function([x], updates=[(s, s + x)])
    assert counts(f, np.zeros(N)) == (2 * BYTES, BYTES, 0, 3 * BYTES)
    assert not s.get_value().any()


def test_reductions_write_what_is_left() -> None:
    assert counts(function([x], x.sum()), np.zeros(N)) == (BYTES, 8, 8, BYTES + 8)
    m = T.dmatrix("m")
    rows = function([m], symc.softmax(m, axis=1))
    size = 8 * 100 * 50
    assert counts(rows, np.zeros((100, 50))) == (size, size, size, 2 * size)


def test_only_what_is_used_counts() -> None:
    f = function([x], x[10:20] * 2)
    assert counts(f, np.zeros(N)) == (80, 80, 80, 160)
    m = T.dmatrix("m")
    wide = function([x, m], m + x)
    size = 8 * 30 * N
    expected = (size + BYTES, size, size, 2 * size + BYTES)
    assert counts(wide, np.zeros(N), np.zeros((30, N))) == expected


def test_outputs_that_are_inputs_are_copied() -> None:
    assert counts(function([x], x), np.zeros(N)) == (BYTES, BYTES, BYTES, 2 * BYTES)


def test_products_count_their_operands() -> None:
    a, b = T.dmatrices("a", "b")
    moved = counts(function([a, b], T.dot(a, b)), np.zeros((20, 30)), np.zeros((30, 40)))
    assert moved[:2] == (8 * (600 + 1200), 8 * 800)


def test_steps_of_loops_count_as_often_as_they_run() -> None:
    w = shared(np.zeros((20, 20)))
    m = T.dmatrix("m")
    states, _ = symc.scan(lambda row, h: T.tanh(row + T.dot(h, w)), m, T.zeros((20,)))
    f = function([m], states[-1])
    short, long = (f.memory_traffic(np.zeros((n, 20))) for n in (10, 110))
    each = (long.read - short.read) / 100
    assert 8 * 400 < each < 8 * 600  # the weights, and a few rows
    assert long.least - short.least == 100 * 8 * 20


def test_the_variant_that_serves_is_counted() -> None:
    f = function([x, y], x + y)
    assert counts(f, np.zeros(1), np.zeros(N)) == (BYTES + 8, BYTES, BYTES, 2 * BYTES + 8)
    w = shared(np.zeros((N, 1)))
    assert function([], grad(w.sum(), w)).memory_traffic().read <= 8


def test_adam_moves_the_least_possible() -> None:
    p, g = shared(np.zeros(N, "float32")), T.fvector("g")
    with symc.change_flags(floatX="float32"):
        step = function([g], updates=adam([g], [p]))
    moved = step.memory_traffic(np.zeros(N, "float32"))
    assert moved.least == pytest.approx(7 * 4 * N, rel=0.01)
    assert moved.ratio == pytest.approx(1, rel=0.01)


def test_what_cannot_be_counted_is_an_error() -> None:
    with pytest.raises(ValueError, match="node by node"):
        function([x], x + 1, mode="NUMPY").memory_traffic(np.zeros(N))
    chosen = function([x], T.exp(x[(x > 0).nonzero()]))
    with pytest.raises(ValueError, match="which is computed"):
        chosen.memory_traffic(np.zeros(N))
    with pytest.raises(TypeError):
        chosen.memory_traffic()
