"""Draws that take a random state and give the next one: ``state, x = normal(state, (3,))``.

They are the functions of `symc.ops.random` of the same names.
"""

from __future__ import annotations

import functools
import inspect
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..compile.streams import RandomStreams
from ..errors import user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..ops.random import draws, families, selection
from ..ops.random.parameters import result_size
from ..ops.random.state import (
    PARTS,
    RandomState,
    RandomStateType,
    advance,
    as_state,
    random_state_type,
)
from ..ops.vector import as_index_scalar

__all__ = [
    "RandomFunction",
    "RandomState",
    "RandomStateType",
    "RandomStreamsBase",
    "beta",
    "binomial",
    "choice",
    "choice_helper",
    "exponential",
    "gamma",
    "multinomial",
    "multinomial_helper",
    "multinomial_wo_replacement",
    "normal",
    "permutation",
    "permutation_helper",
    "poisson",
    "randint",
    "random_integers",
    "random_integers_helper",
    "random_state_type",
    "shuffle_row_elements",
    "truncated_normal",
    "uniform",
]

RandomStreamsBase = RandomStreams


def _with_state(draw: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """The draw, with the next state before it; Theano calls its first parameter random_state."""

    @functools.wraps(draw)
    def function(random_state: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return advance(random_state), draw(random_state, *args, **kwargs)

    first, *rest = inspect.signature(draw).parameters.values()
    signature = inspect.Signature([first.replace(name="random_state"), *rest])
    function.__signature__ = signature  # type: ignore[attr-defined]
    return function


uniform = _with_state(draws.uniform)
normal = _with_state(draws.normal)
truncated_normal = _with_state(draws.truncated_normal)
binomial = _with_state(draws.binomial)
poisson = _with_state(draws.poisson)
random_integers = _with_state(draws.random_integers)
randint = _with_state(draws.randint)
permutation = _with_state(selection.permutation)
shuffle_row_elements = _with_state(selection.shuffle_row_elements)
choice = _with_state(selection.choice)
multinomial = _with_state(selection.multinomial)
multinomial_wo_replacement = _with_state(selection.multinomial_wo_replacement)
gamma = _with_state(families.gamma)
beta = _with_state(families.beta)
exponential = _with_state(families.exponential)


class RandomFunction(BuiltinOp):
    """A draw by a function of NumPy's, run in Python: ``op(state, size, *parameters)``.

    Parameters
    ----------
    fn : str or callable
        A method of `numpy.random.Generator` by name, or ``fn(generator, *parameters, size)``.
    outtype : TensorType
        Type of the draw.
    inplace : bool
        Accepted for Theano's sake; memory is the planner's business.
    ndim_added : int
        How many axes the draw has more than `size` has lengths.

    The result of the call are the next state and the draw. The generator is NumPy's Philox with
    the key and the counter of the state, so a state gives the same numbers always, but other ones
    than symc's own draws, which are compiled.
    """

    __props__ = ("fn", "outtype", "ndim_added")

    def __init__(
        self, fn: Any, outtype: TensorType, inplace: bool = False, ndim_added: int = 0
    ) -> None:
        del inplace
        if not callable(fn) and not hasattr(np.random.Generator, str(fn)):
            raise ValueError(
                user_message("NumPy's Generator has no such method", got=repr(fn)[:100])
            )
        self.fn, self.outtype, self.ndim_added = fn, outtype, ndim_added

    def make_node(self, state: Any, size: Any = None, *parameters: Any) -> Apply:
        """Apply to a state, a vector of lengths and the parameters of the function."""
        rank = self.outtype.ndim - self.ndim_added
        entries = result_size(size, rank, *map(as_tensor_variable, parameters))
        lengths = [as_index_scalar(n) for n in entries]
        operands = [as_tensor_variable(p) for p in parameters]
        return Apply(
            self, [as_state(state), *lengths, *operands], [random_state_type(), self.outtype()]
        )

    def perform(
        self,
        node: Apply,
        inputs: list[Any],
        output_storage: list[list[Any]],
        params: Any = None,
    ) -> None:
        """Draw by NumPy."""
        rank = self.outtype.ndim - self.ndim_added
        state, size, parameters = inputs[0], inputs[1 : rank + 1], inputs[rank + 1 :]
        key, counter = (int(w) for w in state)
        generator = np.random.Generator(np.random.Philox(key=key, counter=counter))
        lengths = tuple(int(n) for n in size)
        if callable(self.fn):
            drawn = self.fn(generator, *parameters, lengths)
        else:
            drawn = getattr(generator, self.fn)(*parameters, size=lengths)
        output_storage[0][0] = state + np.array([0, PARTS], np.uint64)
        output_storage[1][0] = np.asarray(drawn, self.outtype.dtype)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that draws by NumPy have no derivative."""
        return [[False, False] for _ in node.inputs]


# ---- draws by NumPy, as functions for `RandomFunction`


def random_integers_helper(random_state: Any, low: Any, high: Any, size: Any) -> Any:
    """Draw integers from `low` to `high`, both included, by a generator of NumPy's."""
    whole = getattr(random_state, "integers", None) or random_state.randint
    return whole(low, np.asarray(high) + 1, size)


def choice_helper(random_state: Any, a: Any, replace: bool, p: Any, size: Any) -> Any:
    """Draw elements of `a` by a generator of NumPy's; no `p` (size 0) means equal chances."""
    if np.ndim(a) > 1:
        raise ValueError(user_message("a is a number or a vector", got=f"rank {np.ndim(a)}"))
    chances = None if p is None or not np.size(p) else p
    population = int(a) if np.ndim(a) == 0 else a
    return random_state.choice(population, size, bool(replace), chances)


def permutation_helper(random_state: Any, n: Any, shape: Any) -> np.ndarray[Any, Any]:
    """Draw permutations of 0 ... n - 1 along a last axis, by a generator of NumPy's."""
    lengths = () if shape is None else tuple(int(k) for k in np.atleast_1d(shape))
    rows = [random_state.permutation(int(n)) for _ in range(math.prod(lengths))]
    return np.array(rows, dtype=np.int64).reshape(*lengths, int(n))


def multinomial_helper(random_state: Any, n: Any, pvals: Any, size: Any) -> Any:
    """Draw counts of categories by a generator of NumPy's.

    `n` and `pvals` (without its last axis) are broadcast to `size`, by default to each other.
    """
    trials, chances = np.asarray(n), np.asarray(pvals, np.float64)
    if size is None:
        size = np.broadcast_shapes(trials.shape, chances.shape[:-1])
    lengths = tuple(int(k) for k in np.atleast_1d(size))
    trials = np.broadcast_to(trials, lengths).ravel()
    chances = np.broadcast_to(chances, (*lengths, chances.shape[-1])).reshape(len(trials), -1)
    rows = [random_state.multinomial(k, p) for k, p in zip(trials, chances, strict=True)]
    return np.array(rows, dtype=np.int64).reshape(*lengths, np.shape(pvals)[-1])
