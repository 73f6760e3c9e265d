"""Repeating and choosing elements: repeat, tile, take, choose, compress, one-hot rows."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..errors import user_message
from ..graph.trace import user_line
from .accumulate import cumsum
from .advanced import advanced_index, flatnonzero
from .alloc import arange, broadcast_to, zeros
from .axes import normalize_axis
from .control import assert_
from .elemwise import cast
from .math import clip, ge, mod
from .sort import searchsorted
from .write import set_subtensor

__all__ = ["choose", "compress", "repeat", "take", "tile", "to_one_hot"]


def repeat(x: Any, repeats: Any, axis: int | None = None) -> Any:
    """Return `x` with elements repeated along an axis, as `numpy.repeat`.

    Parameters
    ----------
    x : tensor_like
    repeats : int or integer scalar or integer vector
        How often; a vector says so for each element along the axis.
    axis : int, optional
        Default: of the flattened tensor.

    Raises
    ------
    ValueError
        If `repeats` has more than one axis; when run, if it is a vector of another length than
        that of the axis.
    AssertFailedError (an AssertionError)
        When run, if a number in a vector is negative.
    """
    x, repeats = as_tensor_variable(x), as_tensor_variable(repeats)
    if repeats.type.ndim > 1:
        raise ValueError(f"repeat: the numbers must be a scalar or a vector, got {repeats.type}")
    if axis is None:
        x, axis = x.flatten(), 0
    axis = normalize_axis(axis, x.type.ndim)
    if repeats.type.ndim and not repeats.type.broadcastable[0]:
        counts = broadcast_to(cast(repeats, "int64"), (x.shape[axis],))
        counts = assert_(counts, ge(counts, 0), msg="repeat: a number of repeats is negative")
        positions = searchsorted(cumsum(counts), arange(counts.sum()), side="right")
        return take(x, positions, axis)
    times = repeats.dimshuffle() if repeats.type.ndim else repeats
    order = [*range(axis + 1), "x", *range(axis + 1, x.type.ndim)]
    lengths = [x.shape[d] for d in range(x.type.ndim)]
    wide = broadcast_to(
        x.dimshuffle(*order), (*lengths[: axis + 1], cast(times, "int64"), *lengths[axis + 1 :])
    )
    lengths[axis] = lengths[axis] * cast(times, "int64")
    return wide.reshape(tuple(lengths), ndim=x.type.ndim)


def tile(x: Any, reps: Any, ndim: int | None = None) -> Any:
    """Return `x` put side by side with itself, as `numpy.tile`.

    Parameters
    ----------
    x : tensor_like
    reps : int or sequence of int or integer scalars
        How often along each axis; the last entries belong to the last axes.
    ndim : int, optional
        Number of axes of the result; at least that of `x` and the number of `reps`.
    """
    x = as_tensor_variable(x)
    times = list(reps) if isinstance(reps, (list, tuple)) else [reps]
    times = [cast(as_tensor_variable(t), "int64") for t in times]
    rank = max(x.type.ndim, len(times)) if ndim is None else ndim
    if rank < max(x.type.ndim, len(times)):
        raise ValueError(
            user_message(
                f"tile: ndim={ndim} is too small",
                got=f"{len(times)} repetitions of {x.type}",
                where=user_line(x) or None,
            )
        )
    times = [as_tensor_variable(np.int64(1))] * (rank - len(times)) + times
    x = x.dimshuffle(*["x"] * (rank - x.type.ndim), *range(x.type.ndim))
    lengths = [x.shape[d] for d in range(rank)]
    order = [e for d in range(rank) for e in ("x", d)]
    wide_lengths = [e for t, n in zip(times, lengths, strict=True) for e in (t, n)]
    wide = broadcast_to(x.dimshuffle(*order), tuple(wide_lengths))
    return wide.reshape(
        tuple(t * n for t, n in zip(times, lengths, strict=True)), ndim=rank
    )


def take(a: Any, indices: Any, axis: int | None = None, mode: str = "raise") -> Any:
    """Return elements of `a` along an axis, as `numpy.take`.

    Parameters
    ----------
    a : tensor_like
    indices : int or integer tensor_like
    axis : int, optional
        Default: of the flattened tensor.
    mode : {"raise", "wrap", "clip"}
        What to do about indices out of range: an error, count round, or take the nearest.
    """
    a, indices = as_tensor_variable(a), as_tensor_variable(indices)
    if axis is None:
        a, axis = a.flatten(), 0
    axis = normalize_axis(axis, a.type.ndim)
    if mode == "clip":
        indices = clip(indices, 0, a.shape[axis] - 1)
    elif mode == "wrap":
        indices = mod(indices, a.shape[axis])
    elif mode != "raise":
        raise ValueError(f"mode of take must be 'raise', 'wrap' or 'clip', not {mode!r}")
    if not indices.type.ndim:
        return a[(slice(None),) * axis + (indices,)]
    return advanced_index(a, (*(slice(None),) * axis, indices))


def choose(a: Any, choices: Any, mode: str = "raise") -> Any:
    """Return elements of `choices` picked by the integers in `a`, as `numpy.choose`.

    Parameters
    ----------
    a : integer tensor_like
    choices : tensor_like or list of tensor_like
        Alternatives along the first axis, broadcast against `a`.
    mode : {"raise", "wrap", "clip"}
    """
    a = as_tensor_variable(a)
    stacked = as_tensor_variable(list(choices) if isinstance(choices, (list, tuple)) else choices)
    count = stacked.shape[0]
    if mode == "clip":
        a = clip(a, 0, count - 1)
    elif mode == "wrap":
        a = mod(a, count)
    elif mode == "raise":
        a = assert_(a, ge(a, 0), msg="choose: a number of an alternative is negative")
    else:
        raise ValueError(f"mode of choose must be 'raise', 'wrap' or 'clip', not {mode!r}")
    rank = max(a.type.ndim, stacked.type.ndim - 1)
    index: list[Any] = [a]
    for d in range(1, stacked.type.ndim):
        order: list[Any] = ["x"] * rank
        order[rank - stacked.type.ndim + d] = 0
        index.append(arange(stacked.shape[d]).dimshuffle(*order))
    return advanced_index(stacked, index)


def compress(condition: Any, x: Any, axis: int | None = None) -> Any:
    """Return the slices of `x` along an axis where a vector is true, as `numpy.compress`."""
    x = as_tensor_variable(x)
    return take(x, flatnonzero(condition), axis)


def to_one_hot(y: Any, nb_class: int, dtype: str | None = None) -> Any:
    """Return a matrix with a row per label: 1 at the label, 0 elsewhere.

    Parameters
    ----------
    y : integer vector_like
    nb_class : int
        Number of columns.
    dtype : str, optional
        Default floatX.

    Raises
    ------
    IndexError
        When run, if a label is no number of a column; negative ones count from the end.
    """
    y = as_tensor_variable(y)
    if y.type.ndim != 1:
        raise TypeError(f"to_one_hot takes a vector of labels, got {y.type}")
    n = y.shape[0]
    return set_subtensor(zeros((n, nb_class), dtype)[arange(n), y], 1)


