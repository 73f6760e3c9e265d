"""Draws that select: permutations, choices and counts of categories."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths
from ...array.type import TensorType
from ...graph.node import Apply, Constant
from ...graph.op import BuiltinOp
from ...scalar.arith import minimum as smaller
from ...scalar.logic import cast as cast_scalar
from ...scalar.logic import ge as at_least
from ...scalar.logic import switch as choose
from ...scalar.random import philox64
from ...scalar.sampling import binomial_draw, plain_log
from ..accumulate import cumsum
from ..alloc import arange
from ..control import Assert
from ..elemwise import Elemwise, cast
from ..math import eq, gt, maximum, switch
from ..shape import reshape
from ..sort import positions_along
from .draws import random_integers, units
from .order import SmallestFirst
from .parameters import (
    discrete_dtype,
    fitted,
    known_number,
    length_parameter,
    parameter,
    refusal,
    result_size,
)
from .state import as_state
from .words import RandomElements

__all__ = [
    "ChooseCategory",
    "CountCategories",
    "choice",
    "multinomial",
    "multinomial_wo_replacement",
    "permutation",
    "shuffle_row_elements",
]

SUM_TOLERANCE = 1e-6
"""How far the sum of known probabilities may be from 1."""


class ChooseCategory(BuiltinOp):
    """The category into which a number falls: the first whose cumulated weight is greater.

    The operands are cumulated weights of shape (rows, categories) and numbers of shape (rows, m),
    both float64; the result has shape (rows, m). Numbers beyond the total give the last category.
    """

    __props__ = ()

    def make_node(self, cumulated: Any, numbers: Any) -> Apply:
        operands = [cast(as_tensor_variable(x), "float64") for x in (cumulated, numbers)]
        return Apply(self, operands, [TensorType("int64", operands[1].type.broadcastable)()])

    def numpy(self, *arrays: Any) -> Any:
        cumulated, numbers = arrays
        rows = [
            np.searchsorted(c, u, side="right") for c, u in zip(cumulated, numbers, strict=True)
        ]
        found = np.reshape(rows, numbers.shape).astype(np.int64)
        return np.minimum(found, cumulated.shape[1] - 1)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        (rows, _), (also, count) = in_shapes
        message = "there are weights of {0} rows and numbers of {1}"
        return [(ctx.equal(rows, also, message), count)]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Bisection for each number."""
        (cumulated, numbers), (result,) = ins, outs
        extents = [b.dim(numbers, 0), b.dim(numbers, 1)]
        with b.loops(extents, "parallel") as (row, at):
            number = b.let(b.load(numbers, (row, at)))
            low = b.mutable(b.integer(0))
            high = b.mutable(b.dim(cumulated, 1) - 1)
            with b.while_(low < high):
                middle = b.let((low + high) // 2)
                below = b.let(at_least(number, b.load(cumulated, (row, middle))))
                b.assign(low, choose(below, middle + 1, low))
                b.assign(high, choose(below, high, middle))
            b.store(result, (row, at), low)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that categories are no smooth function."""
        return [[False], [False]]


class CountCategories(BuiltinOp):
    """How often each category is drawn in some trials, by one binomial draw per category.

    The operands are a state, the numbers of trials (int64, shape (rows,)), weights and, for each
    category, the weight of it and all later ones (float64, shape (rows, categories)). Category k
    of row r uses the words of element ``r * categories + k``.
    """

    __props__ = ()

    def make_node(self, state: Any, trials: Any, weights: Any, later: Any) -> Apply:
        out = TensorType("int64", weights.type.broadcastable)()
        return Apply(self, [as_state(state), trials, weights, later], [out])

    def numpy(self, *arrays: Any) -> Any:
        state, trials, weights, later = arrays
        rows, categories = weights.shape
        result = np.empty((rows, categories), np.int64)
        left = trials.copy()
        for k in range(categories):
            place = (np.arange(rows) * categories + k).astype(np.uint64)
            with np.errstate(all="ignore"):
                share = np.minimum(weights[:, k] / later[:, k], 1.0)
            share = np.where(later[:, k] > 0, share, 0.0)
            result[:, k] = binomial_draw.numpy(state[0], state[1], place, left * 1.0, share)
            left = left - np.maximum(result[:, k], 0)
        return result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[2]]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """One row after another in parallel, its categories in order."""
        (state, trials, weights, later), (result,) = ins, outs
        key, counter = (b.let(b.load(state, (b.integer(k),))) for k in (0, 1))
        categories, zero = b.dim(weights, 1), b.const(0.0, "float64")
        with b.loops([b.dim(weights, 0)], "parallel") as (row,):
            left = b.mutable(b.load(trials, (row,)))
            with b.loop(categories) as k:
                rest = b.let(b.load(later, (row, k)))
                share = smaller(b.load(weights, (row, k)) / rest, b.const(1.0, "float64"))
                share = choose(rest > zero, share, zero)
                place = cast_scalar(row * categories + k, "uint64")
                drawn = b.let(
                    binomial_draw(key, counter, place, cast_scalar(left, "float64"), share)
                )
                b.store(result, (row, k), drawn)
                b.assign(left, choose(drawn > b.integer(0), left - drawn, left))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that counts are no smooth function."""
        return [[False] for _ in node.inputs]


_choose, _count, _smallest = ChooseCategory(), CountCategories(), SmallestFirst()
_log = Elemwise(plain_log)


def _weights(name: str, p: Any) -> Any:
    """Probabilities along the last axis, in float64.

    Known ones must be probabilities with sum 1; others are weights, negative ones count as 0.
    """
    weights = parameter(
        name, p, "float64", lambda x: x >= 0, "numbers that are not negative", lambda x: False
    )
    if not weights.type.ndim:
        raise ValueError(refusal(f"{name} has one probability per category", got=str(weights.type)))
    known = as_tensor_variable(p)
    if isinstance(known, Constant):
        total = np.asarray(known.data, "float64").sum(axis=-1)
        if np.any(np.abs(total - 1) > SUM_TOLERANCE):
            raise ValueError(
                refusal(
                    f"the probabilities {name} do not sum to 1",
                    got=f"sum {total.tolist()}",
                    expected="sum 1",
                    hint="divide them by their sum",
                )
            )
        return weights
    return maximum(weights, 0)


def _product(lengths: Sequence[Any]) -> Any:
    total: Any = 1
    for n in lengths:
        total = total * n
    return total


def _width(x: Any) -> int | None:
    """The number of categories, where it is known."""
    return known_lengths(x)[-1]


def _rows(x: Any) -> Any:
    """`x` as a matrix, its last axis kept."""
    return x if x.type.ndim == 2 else reshape(x, [_product(_lengths(x)[:-1]), x.shape[-1]])


def _lengths(x: Any) -> list[Any]:
    return [x.shape[d] for d in range(x.type.ndim)]


def permutation(
    state: Any, size: Any = None, n: Any = 1, ndim: int | None = None, dtype: str | None = None
) -> Any:
    """Draw permutations of 0 ... n - 1 along a new last axis: the order of 64-bit words."""
    count = length_parameter("n", n)
    lengths = [*result_size(size, ndim), count]
    words = RandomElements(philox64)(state, *lengths)
    return cast(_first(words, lengths, count), discrete_dtype(dtype))


def _first(keys: Any, lengths: list[Any], count: Any) -> Any:
    """The positions of the `count` smallest keys along the last axis, in order."""
    chosen = _smallest(_rows(keys), count)
    whole = [*lengths[:-1], count]
    return reshape(chosen, whole, ndim=len(whole))


def shuffle_row_elements(state: Any, x: Any) -> Any:
    """Return `x` with the elements of every row (its last axis) in random order."""
    x = as_tensor_variable(x)
    if not x.type.ndim:
        raise ValueError(refusal("a number has no elements to shuffle", got=str(x.type)))
    *lengths, last = _lengths(x)
    return x[tuple(positions_along(x, permutation(state, lengths, last), x.type.ndim - 1))]


def multinomial(
    state: Any,
    size: Any = None,
    n: Any = 1,
    pvals: Any = (0.5, 0.5),
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw how often each category comes up in `n` trials.

    Parameters
    ----------
    state : random state
    size : int, sequence of int, symbolic lengths or None
        Shape of the result without its last axis; by default that of `n` and of `pvals` without
        its last axis.
    n : int or integer tensor
        Numbers of trials.
    pvals : tensor_like
        Probabilities along the last axis. Those that are known must sum to 1; others are taken
        as weights, negative ones as 0.
    ndim : int, optional
        Rank of the result without its last axis.
    dtype : str, optional
        int64 by default.

    Raises
    ------
    ValueError
        If known probabilities are negative or do not sum to 1, or `n` is known to be negative.
    """
    weights = _weights("pvals", pvals)
    trials = parameter("n", n, "int64", lambda x: x >= 0, "a number that is not negative")
    lengths = result_size(size, ndim, weights[..., 0], trials)
    categories = weights.shape[-1]
    whole = [*lengths, categories]
    if known_number(n) == 1:
        chosen = _chosen(state, weights, lengths)
        hits = eq(chosen.dimshuffle(*range(chosen.type.ndim), "x"), arange(categories))
        return cast(hits, discrete_dtype(dtype))
    (weights,) = fitted(whole, whole, weights)
    (trials,) = fitted(lengths, lengths, trials)
    later = cumsum(weights[..., ::-1], axis=-1)[..., ::-1]
    trials = reshape(trials + 0 * cast(weights[..., 0], "int64"), [_product(lengths)])
    counts = _count(state, trials, _rows(weights), _rows(later))
    return cast(reshape(counts, whole, ndim=len(whole)), discrete_dtype(dtype))


def _chosen(state: Any, weights: Any, lengths: list[Any]) -> Any:
    """Categories of a tensor of the given lengths; `weights` has them, or is a vector."""
    u = units(state, lengths, "float64")
    if weights.type.ndim == 1:
        weights, u = weights.dimshuffle("x", 0), reshape(u, [1, _product(lengths)])
    else:
        (weights,) = fitted(lengths, [*lengths, weights.shape[-1]], weights)
        weights, u = _rows(weights), reshape(u, [_product(lengths), 1])
    cumulated = cumsum(weights, axis=-1)
    chosen = _choose(cumulated, u * cumulated[:, -1:])
    return reshape(chosen, lengths, ndim=len(lengths))


def multinomial_wo_replacement(
    state: Any,
    size: Any = None,
    n: Any = 1,
    pvals: Any = (0.5, 0.5),
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw `n` different categories for each row of `pvals`, one after the other.

    The result has the categories along its last axis, in the order in which they were drawn: the
    order of exponential numbers divided by the weights (Efraimidis, Spirakis 2006). `size` and
    `ndim` are those of the result without that axis.
    """
    weights = _weights("pvals", pvals)
    lengths = result_size(size, ndim, weights[..., 0])
    (weights,) = fitted(size, [*lengths, weights.shape[-1]], weights)
    return cast(_different(state, lengths, n, weights.shape[-1], weights), discrete_dtype(dtype))


def _different(state: Any, lengths: list[Any], n: Any, categories: Any, weights: Any) -> Any:
    """`n` different numbers below `categories` along a new last axis.

    Numbers without weight come last.
    """
    count = length_parameter("n", n)
    known = [known_number(v) for v in (n, categories if weights is None else _width(weights))]
    if None not in known and known[0] > known[1]:
        raise ValueError(
            refusal(
                "more different categories are drawn than there are",
                got=f"{known[0]} of {known[1]}",
                hint="draw with replacement",
            )
        )
    whole = [*lengths, categories]
    if weights is None:
        keys = RandomElements(philox64)(state, *whole)
    else:
        waited = -_log(1.0 - units(state, whole, "float64"))
        keys = switch(gt(weights, 0), waited / weights, np.inf)
    return _first(keys, whole, count)


def choice(
    state: Any,
    size: Any = None,
    a: Any = 2,
    replace: bool = True,
    p: Any = None,
    ndim: int | None = None,
    dtype: str | None = None,
) -> Any:
    """Draw elements of `a`, as `numpy.random.choice`.

    Parameters
    ----------
    state : random state
    size : int, sequence of int, symbolic lengths or None
        Shape of the result; one number by default.
    a : int, 0-d integer tensor or vector
        What is drawn from; a number stands for 0 ... a - 1.
    replace : bool
        Whether an element may be drawn twice.
    p : vector or matrix, optional
        Probabilities of the elements, see `multinomial`; all equal by default. With a matrix the
        result has one more axis in front, and each row is drawn by its own probabilities.
    ndim : int, optional
        Rank of the result (without that axis).
    dtype : str, optional
        That of the vector `a`, else int64.

    Raises
    ------
    ValueError
        If there is nothing to draw from, more is drawn than there is, or `p` and `a` disagree.
    """
    if a is None:
        if p is None:
            raise ValueError(refusal("choice needs a or p", got="neither"))
        a = as_tensor_variable(p).shape[-1]
    population = as_tensor_variable(a)
    if population.type.ndim > 1:
        raise ValueError(refusal("a is a number or a vector", got=str(population.type)))
    known = known_number(a)
    if known is not None and known <= 0:
        raise ValueError(refusal("there is nothing to draw from", got=f"a = {a}"))
    if population.type.ndim:
        length = known_lengths(population)[0]
        count = population.shape[0] if length is None else length
    else:
        count = cast(population, "int64") if known is None else int(known)
    lengths = result_size(size, ndim)
    chosen = _choices(state, lengths, count, bool(replace), p)
    if population.type.ndim:
        drawn = population[chosen]
        return drawn if dtype is None else cast(drawn, dtype)
    return cast(chosen, discrete_dtype(dtype))


def _choices(state: Any, lengths: list[Any], count: Any, replace: bool, p: Any) -> Any:
    if p is None and replace:
        return random_integers(state, lengths, 0, count - 1)
    weights = None if p is None else _weights("p", p)
    width, known = None if weights is None else _width(weights), known_number(count)
    if None not in (width, known) and width != known:
        raise ValueError(
            refusal("p has one probability per element", got=f"{width} for {known} elements")
        )
    front: list[Any] = []
    if weights is not None:
        same = Assert("choice: a and p have different numbers of elements")
        weights = same(weights, eq(weights.shape[-1], count))
        front = _lengths(weights)[:-1]
    whole = [*front, *lengths]
    number = _product(lengths)
    if not replace:
        found = _different(state, front, number, count, weights)
        return reshape(found, whole, ndim=len(whole))
    if not front:
        return _chosen(state, weights, whole)
    found = _chosen_in_rows(state, weights, number)
    return reshape(found, whole, ndim=len(whole))


def _chosen_in_rows(state: Any, weights: Any, number: Any) -> Any:
    """`number` categories for each row of weights."""
    cumulated = cumsum(_rows(weights), axis=-1)
    u = units(state, [cumulated.shape[0], number], "float64")
    return _choose(cumulated, u * cumulated[:, -1:])
