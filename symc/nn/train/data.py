"""Where the rows of a data set lie, and how batches of them reach a compiled function.

Rows are along the first axis of every array. Four places are known:

=============  ==================================================================================
`Arrays`       arrays, of which each batch is an argument of the function
`InShared`     shared variables that hold everything; the argument of the function is which rows
`Chunks`       shared variables that hold a part, and are loaded again and again
`Stream`       anything that makes batches by itself
=============  ==================================================================================

All have the methods of `Data`, so that a program may use them without a training loop::

    function_inputs, givens = data.bind([x, y])
    step = symc.function(function_inputs, loss, updates=updates, givens=givens)
    for rows, arguments in data.epoch(np.random.default_rng(0)):
        step(*arguments)
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.errors import user_message
from symc.gof.utils import get_variable_trace_string

__all__ = ["Arrays", "Chunks", "Data", "InShared", "Stream", "as_data", "minibatches"]

Rows = slice | np.ndarray
"""Which rows are in a batch: a range of them, or their indices."""

Batch = tuple[int, tuple[Any, ...]]
"""The number of rows of a batch, and the arguments that the compiled function takes for it."""

SHUFFLES = (True, False, "batches")


def minibatches(
    arrays: Any,
    batch_size: int,
    shuffle: bool | str = False,
    rng: Any = None,
    drop_last: bool = False,
) -> Iterator[tuple[np.ndarray, ...]]:
    """Give the batches of one pass over arrays.

    Parameters
    ----------
    arrays : array_like or sequence of array_like
        As many rows each.
    batch_size : int
        Rows per batch; the last one has fewer where they don't divide the data, and so has the only
        one of data with fewer rows than this.
    shuffle : bool or "batches"
        Whether rows are taken in random order; ``"batches"`` keeps each batch a range of rows, so
        that nothing is copied, and shuffles the batches.
    rng : numpy.random.Generator or int, optional
        What the order is drawn from; default a new one at each call, without a seed.
    drop_last : bool
        Whether to leave out the last batch where it is shorter.

    Returns
    -------
    iterator of tuple of numpy.ndarray
        A part of each array.

    Raises
    ------
    ValueError
        If the arrays have different lengths, or there is not one batch.

    Examples
    --------
    >>> [x.tolist() for x, in minibatches(np.arange(5), 2)]
    [[0, 1], [2, 3], [4]]
    """
    whole = _as_arrays(arrays)
    plan = _Plan(batch_size, shuffle, drop_last)
    plan.check(_common_length(whole))
    chosen = plan.batches(len(whole[0]), np.random.default_rng(rng))
    return (tuple(a[rows] for a in whole) for rows in chosen)


class _Plan:
    """How rows are divided into batches."""

    def __init__(self, batch_size: int, shuffle: bool | str, drop_last: bool) -> None:
        if isinstance(batch_size, bool) or not isinstance(batch_size, (int, np.integer)):
            raise TypeError(f"batch_size is a number of rows, got {batch_size!r}")
        if batch_size < 1:
            raise ValueError(f"a batch has one row or more, got batch_size={batch_size}")
        if shuffle not in SHUFFLES:
            raise ValueError(f"shuffle is True, False or 'batches', got {shuffle!r}")
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.drop_last = drop_last

    def check(self, length: int) -> None:
        if length == 0:
            raise ValueError("there are no rows in the data")
        if self.count(length) == 0:
            raise ValueError(
                user_message(
                    "there is no batch: the only one is shorter than batch_size, and drop_last "
                    "leaves it out",
                    got=f"batch_size={self.batch_size} for {length} rows",
                    hint="give a batch_size of at most the number of rows, or drop_last=False",
                )
            )

    def count(self, length: int) -> int:
        """The number of batches of `length` rows."""
        return length // self.batch_size if self.drop_last else -(-length // self.batch_size)

    def batches(self, length: int, rng: np.random.Generator, skip: int = 0) -> Iterator[Rows]:
        """The rows of each batch but the first `skip`; the order is drawn at once."""
        size, count = self.batch_size, self.count(length)
        if self.shuffle is True:
            order = rng.permutation(length)
            return (order[k * size : (k + 1) * size] for k in range(skip, count))
        ranges = rng.permutation(count) if self.shuffle else np.arange(count)
        return (
            slice(int(k) * size, min((int(k) + 1) * size, length)) for k in ranges[skip:]
        )

    def settings(self) -> dict[str, Any]:
        return {
            "batch_size": self.batch_size, "shuffle": self.shuffle, "drop_last": self.drop_last
        }


class Data(ABC):
    """The rows of a data set, in batches."""

    @abstractmethod
    def bind(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        """Say how a function of `inputs` gets the batches.

        Parameters
        ----------
        inputs : sequence of TensorVariable
            What expressions are written in: one variable per array.

        Returns
        -------
        function_inputs : list of Variable
            The inputs that the function is to be compiled with.
        givens : dict
            What replaces `inputs` in it.

        Raises
        ------
        ValueError
            If there are not as many arrays as inputs, or an array has another rank.
        TypeError
            If an array can't be converted to the dtype of its input without loss.
        """

    @abstractmethod
    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        """Give the batches of one pass.

        Parameters
        ----------
        rng : numpy.random.Generator
            What the order is drawn from.
        skip : int
            So many batches are left out, at the same use of `rng` as if they were not.

        Yields
        ------
        rows : int
            The length of the batch.
        arguments : tuple
            What the compiled function is called with.
        """

    def batches(self) -> int | None:
        """Return the number of batches of a pass, or None where it is not known."""
        return None

    def settings(self) -> dict[str, Any]:
        """Return what must be the same when a training goes on from a checkpoint."""
        return {"data": type(self).__name__}


class _Whole(Data):
    """Rows that are all known from the start."""

    def __init__(self, length: int, plan: _Plan) -> None:
        plan.check(length)
        self.length = length
        self._plan = plan

    def batches(self) -> int | None:
        return self._plan.count(self.length)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "rows": self.length, **self._plan.settings()}


class Arrays(_Whole):
    """Arrays in memory; a batch is given to the function as arguments.

    Parameters
    ----------
    arrays : array_like or sequence of array_like
        As many rows each. A memory map works too, if it has the dtype of its input.
    batch_size, shuffle, drop_last
        As for `minibatches`.

    Raises
    ------
    ValueError
        If the arrays have different lengths, or there is not one batch.
    """

    def __init__(
        self, arrays: Any, batch_size: int, shuffle: bool | str = True, drop_last: bool = False
    ) -> None:
        self.arrays = _as_arrays(arrays)
        super().__init__(_common_length(self.arrays), _Plan(batch_size, shuffle, drop_last))

    def bind(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        _check_count(self.arrays, inputs)
        self.arrays = [_fitting(a, x) for a, x in zip(self.arrays, inputs, strict=True)]
        return list(inputs), {}

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        for rows in self._plan.batches(self.length, rng, skip):
            parts = tuple(a[rows] for a in self.arrays)
            yield len(parts[0]), parts


class _Rows:
    """What stands in a function for the rows of a batch: indices, or the ends of a range."""

    def __init__(self, shuffle: bool | str) -> None:
        if shuffle is True:
            rows = T.lvector("rows")
            self._indices: list[Any] = [rows]
            self._rows: Any = rows
        else:
            start, stop = T.lscalars("start", "stop")
            self._indices = [start, stop]
            self._rows = slice(start, stop)

    def of(
        self, variables: Sequence[Any], inputs: Sequence[Any]
    ) -> tuple[list[Any], dict[Any, Any]]:
        """What `Data.bind` returns for shared variables of all rows."""
        givens = {}
        for variable, x in zip(variables, inputs, strict=True):
            part = variable[self._rows]
            convertible = np.can_cast(variable.dtype, x.dtype, "same_kind")
            givens[x] = T.cast(part, x.dtype) if convertible else part
            givens[x].name = x.name
        return list(self._indices), givens

    @staticmethod
    def arguments(rows: Rows) -> Batch:
        """What `Data.epoch` yields for a batch."""
        if isinstance(rows, slice):
            return rows.stop - rows.start, (rows.start, rows.stop)
        return len(rows), (rows,)


class InShared(_Whole):
    """Shared variables that hold all rows; the function is given which of them to take.

    The function is compiled once. Rows in random order are gathered by an index array; rows in
    their own order, or in batches in random order, are slices, which are not copied.

    Parameters
    ----------
    arrays : array_like, SharedVariable, or sequence of them
        As many rows each. A shared variable is used itself; of an array one is made when `bind`
        says of which dtype.
    batch_size, shuffle, drop_last
        As for `minibatches`.

    Attributes
    ----------
    variables : list of SharedVariable
        After `bind`.

    Raises
    ------
    ValueError
        If the arrays have different lengths, or there is not one batch.
    """

    def __init__(
        self, arrays: Any, batch_size: int, shuffle: bool | str = True, drop_last: bool = False
    ) -> None:
        several = isinstance(arrays, (list, tuple))
        self._given = list(arrays) if several else [arrays]
        held = [a.get_value(borrow=True) if _is_shared(a) else np.asarray(a) for a in self._given]
        super().__init__(_common_length(held), _Plan(batch_size, shuffle, drop_last))
        self._rows = _Rows(shuffle)
        self.variables: list[Any] = []

    def bind(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        _check_count(self._given, inputs)
        for k, (a, x) in enumerate(zip(self._given, inputs, strict=True)):
            if not _is_shared(a):
                self._given[k] = symc.shared(
                    _fitting(np.asarray(a), x), name=x.name, broadcastable=_free_rows(x)
                )
        self.variables = list(self._given)
        return self._rows.of(self.variables, inputs)

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        for rows in self._plan.batches(self.length, rng, skip):
            yield self._rows.arguments(rows)


class Chunks(Data):
    """Shared variables that hold one chunk of the rows at a time: for data larger than memory.

    Parameters
    ----------
    source : callable
        ``source(rng)`` gives the chunks of one pass: an iterable of tuples of arrays, all arrays of
        a tuple with as many rows. Chunks may have different lengths. What is random in it is to be
        drawn from `rng`, so that a training that goes on from a checkpoint sees the same.
    batch_size, shuffle, drop_last
        As for `minibatches`, within a chunk. A batch never has rows of two chunks.

    Attributes
    ----------
    variables : list of SharedVariable
        After `bind`; each holds its part of the current chunk.
    """

    def __init__(
        self,
        source: Callable[[np.random.Generator], Iterable[Any]],
        batch_size: int,
        shuffle: bool | str = True,
        drop_last: bool = False,
    ) -> None:
        self._plan = _Plan(batch_size, shuffle, drop_last)
        self._rows = _Rows(shuffle)
        self.variables: list[Any] = []
        self.source = source
        self._inputs: list[Any] = []

    def bind(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        self._inputs = list(inputs)
        self.variables = [
            symc.shared(
                np.zeros([1 if b else 0 for b in _free_rows(x)], x.dtype),
                name=x.name,
                broadcastable=_free_rows(x),
            )
            for x in inputs
        ]
        return self._rows.of(self.variables, inputs)

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        if not self._inputs:
            raise ValueError("chunks need to know their inputs before they are loaded: call bind")
        for chunk in self.source(rng):
            arrays = _as_arrays(chunk)
            _check_count(arrays, self._inputs)
            length = _common_length(arrays)
            rows = self._plan.batches(length, rng, skip)
            left_out = min(skip, self._plan.count(length))
            skip -= left_out
            if left_out == self._plan.count(length):
                continue
            for variable, array, x in zip(self.variables, arrays, self._inputs, strict=True):
                variable.set_value(_fitting(array, x))
            for chosen in rows:
                yield self._rows.arguments(chosen)

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), **self._plan.settings()}


class Stream(Data):
    """Batches that a program makes by itself: augmented, of different lengths, without end.

    Parameters
    ----------
    source : callable
        ``source(rng)`` gives the batches of one pass: an iterable of arrays or tuples of arrays.
        What is random in it is to be drawn from `rng`, so that a training that goes on from a
        checkpoint sees the same.
    length : int, optional
        The number of batches of a pass; the rest is not asked for. Default: until `source` ends.
    """

    def __init__(
        self,
        source: Callable[[np.random.Generator], Iterable[Any]],
        length: int | None = None,
    ) -> None:
        self.source = source
        self.length = length
        self._inputs: list[Any] = []

    def bind(self, inputs: Sequence[Any]) -> tuple[list[Any], dict[Any, Any]]:
        self._inputs = list(inputs)
        return list(inputs), {}

    def epoch(self, rng: np.random.Generator, skip: int = 0) -> Iterator[Batch]:
        for k, batch in enumerate(self.source(rng)):
            if k >= skip:
                arrays = _as_arrays(batch)
                if self._inputs:
                    _check_count(arrays, self._inputs)
                    arrays = [_fitting(a, x) for a, x in zip(arrays, self._inputs, strict=True)]
                yield (len(arrays[0]) if arrays[0].ndim else 1), tuple(arrays)
            if k + 1 == self.length:
                return

    def batches(self) -> int | None:
        return self.length

    def settings(self) -> dict[str, Any]:
        return {**super().settings(), "batches": self.length}


def as_data(
    data: Any,
    batch_size: int | None = None,
    shuffle: bool | str = True,
    drop_last: bool = False,
) -> Data:
    """Return `Arrays` of arrays, a `Stream` of a callable, and `Data` as they are.

    Parameters
    ----------
    data : Data, callable, array_like or sequence of array_like
    batch_size, shuffle, drop_last
        As for `minibatches`; for arrays only.

    Returns
    -------
    Data

    Raises
    ------
    ValueError
        If arrays come without a batch_size, or anything else with one.
    TypeError
        If given an iterator, which can be gone through only once.
    """
    if isinstance(data, Iterator):
        raise TypeError(
            user_message(
                "an iterator is at its end after one pass, and a training makes many",
                got=type(data).__name__,
                expected="a function that makes one for each pass: of one argument, a generator of "
                "random numbers",
                hint="write Stream(function), or Chunks(function, batch_size) for large parts of "
                "the data",
            )
        )
    if isinstance(data, Data) or callable(data):
        if batch_size is not None:
            raise ValueError(
                f"batch_size={batch_size} is for arrays; {type(data).__name__} has batches of its "
                "own"
            )
        return data if isinstance(data, Data) else Stream(data)
    if batch_size is None:
        raise ValueError("arrays need a batch_size")
    return Arrays(data, batch_size, shuffle, drop_last)


def _is_shared(value: Any) -> bool:
    return isinstance(value, symc.compile.SharedVariable)


def _free_rows(x: Any) -> tuple[bool, ...]:
    """The broadcast pattern of a variable that holds many rows of `x`."""
    return (False, *x.broadcastable[1:])


def _as_arrays(arrays: Any) -> list[np.ndarray]:
    several = arrays if isinstance(arrays, (list, tuple)) else [arrays]
    found = [np.asanyarray(a) for a in several]
    for k, a in enumerate(found):
        if a.dtype == object:
            raise TypeError(
                user_message(
                    f"array {k} of the data has no numbers in it, or rows of different lengths",
                    got=f"{type(several[k]).__name__} with dtype object and shape {a.shape}",
                    expected="a rectangular array; rows of different lengths can be padded",
                )
            )
    if not found:
        raise ValueError("there are no arrays in the data")
    return found


def _common_length(arrays: Sequence[np.ndarray]) -> int:
    lengths = [len(a) if a.ndim else None for a in arrays]
    if None in lengths or len(set(lengths)) != 1:
        raise ValueError(
            user_message(
                "the arrays of a data set have one row per example, and so the same length",
                got=" and ".join(f"shape {a.shape}" for a in arrays),
                hint="a list or tuple is several arrays; give one array as numpy.array(...)"
                if None in lengths
                else None,
            )
        )
    return len(arrays[0])


def _check_count(arrays: Sequence[Any], inputs: Sequence[Any]) -> None:
    if len(arrays) != len(inputs):
        raise ValueError(
            user_message(
                "data have one array for each input",
                got=f"{len(arrays)} array(s) for {len(inputs)} input(s): "
                + ", ".join(map(str, inputs)),
                where=[line for line in map(get_variable_trace_string, inputs) if line],
            )
        )


def _fitting(array: Any, x: Any) -> np.ndarray:
    """`array` in the dtype of the input `x`, if it has its rank and loses nothing but digits."""
    if array.ndim != x.ndim:
        raise ValueError(
            user_message(
                f"an array of the data does not have the rank of input {x}",
                got=f"shape {array.shape}",
                expected=f"{x.ndim} axes, as {x.type} has",
                where=get_variable_trace_string(x),
            )
        )
    if array.dtype == x.dtype:
        return np.asarray(array)
    with np.errstate(over="ignore", invalid="ignore"):
        converted = array.astype(x.dtype)
    whole = np.dtype(x.dtype).kind in "biu"
    if not np.can_cast(array.dtype, x.dtype, "same_kind") or (
        whole and not np.array_equal(converted, array)
    ):
        raise TypeError(
            user_message(
                f"an array of the data can't be converted to the dtype of input {x} without loss",
                got=f"{array.dtype}, shape {array.shape}",
                expected=str(x.dtype),
                where=get_variable_trace_string(x),
                hint=f"convert it with astype({str(x.dtype)!r}) if that is what is meant",
            )
        )
    return np.asarray(converted)
