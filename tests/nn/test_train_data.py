"""Batches: which rows they have, in which order, and how a compiled function gets them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn.train import Arrays, Chunks, Data, InShared, Stream, as_data, minibatches

ROWS = 11


def _arrays() -> tuple[np.ndarray, np.ndarray]:
    """Rows of numbers, and for each its own number."""
    numbers = np.arange(ROWS)
    return (numbers[:, None] + [0.0, 0.25, 0.5]).astype("float32"), numbers.astype("int32")


def _chunks(rng: np.random.Generator) -> Iterator[Any]:
    x, y = _arrays()
    for start, stop in ((0, 4), (4, 5), (5, ROWS)):
        yield x[start:stop], y[start:stop]


def _stream(rng: np.random.Generator) -> Iterator[Any]:
    for x, y in minibatches(_arrays(), 3, shuffle=True, rng=rng):
        yield x + 0 * rng.normal(), y


def _flat(batches: list[list[int]]) -> list[int]:
    return [row for batch in batches for row in batch]


MAKERS: dict[str, Callable[[Any], Data]] = {
    "arrays": lambda shuffle: Arrays(_arrays(), 3, shuffle),
    "shared": lambda shuffle: InShared(_arrays(), 3, shuffle),
    "chunks": lambda shuffle: Chunks(_chunks, 3, shuffle),
}


def _bound(data: Data) -> Callable[..., Any]:
    """A function that returns the rows of a batch, as a program would compile it."""
    x, y = T.fmatrix("x"), T.ivector("y")
    function_inputs, givens = data.bind([x, y])
    return symc.function(function_inputs, [2 * x, y], givens=givens)


def _seen(data: Data, f: Any, seed: int = 0, skip: int = 0) -> list[list[int]]:
    batches = []
    for rows, arguments in data.epoch(np.random.default_rng(seed), skip):
        x, y = f(*arguments)
        np.testing.assert_array_equal(x, 2 * (y[:, None] + np.array([0, 0.25, 0.5], "float32")))
        assert rows == len(y)
        batches.append(y.tolist())
    return batches


def test_minibatches_in_order_keep_or_drop_the_short_one() -> None:
    assert [y.tolist() for _, y in minibatches(_arrays(), 4)] == [
        [0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]
    ]
    assert [len(y) for _, y in minibatches(_arrays(), 4, drop_last=True)] == [4, 4]
    assert [len(x) for x, in minibatches(np.zeros(3), 3)] == [3]


def test_minibatches_in_random_order_have_every_row_once() -> None:
    rows = [y.tolist() for _, y in minibatches(_arrays(), 4, shuffle=True, rng=1)]
    assert sorted(_flat(rows)) == list(range(ROWS))
    assert rows != [y.tolist() for _, y in minibatches(_arrays(), 4)]
    assert rows == [y.tolist() for _, y in minibatches(_arrays(), 4, shuffle=True, rng=1)]
    ranges = [y.tolist() for _, y in minibatches(_arrays(), 4, shuffle="batches", rng=3)]
    assert sorted(ranges) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9, 10]]


@pytest.mark.parametrize("shuffle", [False, True, "batches"])
@pytest.mark.parametrize("kind", MAKERS)
def test_a_function_gets_the_rows_of_each_batch(kind: str, shuffle: Any) -> None:
    data = MAKERS[kind](shuffle)
    f = _bound(data)
    seen = _seen(data, f)
    assert sorted(_flat(seen)) == list(range(ROWS))
    assert seen == _seen(data, f)
    if shuffle:
        assert any(seen != _seen(data, f, seed) for seed in (1, 2, 3))
    else:
        assert _flat(seen) == list(range(ROWS))
    if data.batches() is not None:
        assert data.batches() == len(seen)


@pytest.mark.parametrize("shuffle", [False, True, "batches"])
@pytest.mark.parametrize("kind", [*MAKERS, "stream"])
def test_an_epoch_can_begin_anywhere_in_it(kind: str, shuffle: Any) -> None:
    data = Stream(_stream) if kind == "stream" else MAKERS[kind](shuffle)
    f = _bound(data)
    whole = _seen(data, f)
    for skip in range(len(whole) + 2):
        assert _seen(data, f, skip=skip) == whole[skip:]


def test_one_function_serves_all_batches_of_a_shared_data_set() -> None:
    data = InShared(_arrays(), 3)
    f = _bound(data)
    assert [v.get_value().shape for v in data.variables] == [(ROWS, 3), (ROWS,)]
    _seen(data, f)
    kept = symc.shared(_arrays()[0], name="kept")
    data = InShared((kept, _arrays()[1]), 3)
    assert sorted(_flat(_seen(data, _bound(data)))) == list(range(ROWS))
    assert data.variables[0] is kept


def test_shared_data_of_another_dtype_are_converted_in_the_function() -> None:
    labels = symc.shared(np.arange(ROWS), name="labels")  # int64, the input is int32
    data = InShared((_arrays()[0], labels), 3)
    assert sorted(_flat(_seen(data, _bound(data)))) == list(range(ROWS))


def test_columns_and_rows_of_length_one() -> None:
    column = T.col("column")
    for data in (InShared(np.arange(5.0)[:, None], 2), Chunks(lambda rng: [np.ones((5, 1))], 2)):
        function_inputs, givens = data.bind([column])
        f = symc.function(function_inputs, column.sum(), givens=givens)
        assert len([f(*a) for _, a in data.epoch(np.random.default_rng(0))]) == 3


def test_a_stream_stops_at_its_length() -> None:
    def endless(rng: np.random.Generator) -> Iterator[np.ndarray]:
        while True:
            yield rng.normal(size=(2, 3))

    data = Stream(endless, length=4)
    assert [rows for rows, _ in data.epoch(np.random.default_rng(0))] == [2, 2, 2, 2]
    assert data.batches() == 4
    given = data.epoch(np.random.default_rng(0))
    again = data.epoch(np.random.default_rng(0), skip=3)
    last = list(given)[-1][1][0]
    np.testing.assert_array_equal(next(again)[1][0], last)


def test_arrays_are_converted_once_and_only_without_loss() -> None:
    x, y = T.fmatrix("x"), T.ivector("y")
    data = Arrays((np.eye(3), np.arange(3)), 2)
    data.bind([x, y])
    assert [a.dtype for a in data.arrays] == ["float32", "int32"]
    Arrays((np.eye(3, dtype="uint8"), np.arange(3)), 2).bind([x, y])
    with pytest.raises(TypeError, match=r"(?s)float64.*int32.*test_train_data.py"):
        Arrays((np.eye(3), np.arange(3) + 0.5), 2).bind([x, y])
    with pytest.raises(TypeError, match="int64"):
        Arrays((np.eye(3), np.arange(3) + 2**40), 2).bind([x, y])


def test_mistakes_are_named() -> None:
    x, y = T.fmatrix("x"), T.ivector("y")
    with pytest.raises(ValueError, match=r"(?s)no batch.*batch_size=4 for 3 rows"):
        Arrays(np.zeros(3), 4, drop_last=True)
    with pytest.raises(ValueError, match="no rows"):
        Arrays(np.zeros((0, 3)), 1)
    with pytest.raises(ValueError, match=r"\(3,\) and shape \(4, 2\)"):
        InShared((np.zeros(3), np.zeros((4, 2))), 1)
    with pytest.raises(ValueError, match=r"2 array\(s\) for 1 input"):
        Arrays(_arrays(), 2).bind([x])
    with pytest.raises(ValueError, match=r"(?s)\(11,\).*2 axes.*test_train_data.py"):
        Arrays(_arrays()[::-1], 2).bind([x, y])
    with pytest.raises(TypeError, match="dtype object"):
        Arrays(np.array([np.zeros(2), np.zeros(3)], dtype=object), 1)
    with pytest.raises(ValueError, match=r"numpy.array"):
        Arrays([1.0, 2.0], 1)
    with pytest.raises(ValueError, match="no arrays"):
        Arrays([], 1)
    with pytest.raises(ValueError, match="one row or more"):
        Arrays(np.zeros(3), 0)
    with pytest.raises(TypeError, match="number of rows"):
        Arrays(np.zeros(3), 2.5)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="shuffle"):
        Arrays(np.zeros(3), 1, shuffle="row")
    with pytest.raises(ValueError, match="need a batch_size"):
        as_data(np.zeros(3))
    with pytest.raises(ValueError, match="batches of its own"):
        as_data(_stream, 3)
    with pytest.raises(ValueError, match="bind"):
        next(Chunks(_chunks, 3).epoch(np.random.default_rng(0)))
    with pytest.raises(ValueError, match="no batch"):
        minibatches(np.zeros(3), 4, drop_last=True)


def test_an_empty_chunk_is_passed_over() -> None:
    data = Chunks(lambda rng: [np.zeros((0, 2)), np.ones((3, 2))], 2, shuffle=False)
    data.bind([T.dmatrix("x")])
    assert [rows for rows, _ in data.epoch(np.random.default_rng(0))] == [2, 1]
