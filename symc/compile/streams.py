"""Random streams: draws whose states are shared variables that advance by themselves."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from ..errors import user_message
from ..ops.random import draws, families, selection
from ..ops.random.state import (
    RandomState,
    RandomStateSharedVariable,
    advance,
    random_state_type,
)
from .shared import shared_constructor

__all__ = ["RandomStreams", "random_state_constructor"]


@shared_constructor
def random_state_constructor(
    value: Any,
    name: str | None = None,
    strict: bool = False,
    allow_downcast: bool | None = None,
    borrow: bool = False,
) -> RandomStateSharedVariable:
    """Make a shared variable from a `RandomState`.

    Raises
    ------
    TypeError
        If `value` is something else: another constructor may take it.
    """
    if not isinstance(value, RandomState):
        raise TypeError(f"a RandomState is expected, got {type(value).__name__}")
    words = value.words if borrow else value.words.copy()
    return RandomStateSharedVariable(name, random_state_type, words, strict, allow_downcast)


def _method(draw: Callable[..., Any]) -> Callable[..., Any]:
    """A method that makes the draw from a state of its own."""

    @functools.wraps(draw)
    def method(self: RandomStreams, *args: Any, **kwargs: Any) -> Any:
        return self.gen(draw, *args, **kwargs)

    first, *rest = inspect.signature(draw).parameters.values()
    own = [first.replace(name="self", annotation=inspect.Parameter.empty), *rest]
    method.__signature__ = inspect.Signature(own)  # type: ignore[attr-defined]
    return method


class RandomStreams:
    """Makes random variables; each has a state of its own and is drawn once per call.

    Every method takes the parameters of the function of its name in `symc.ops.random` without
    the state: first of all `size`, the shape of the draw, by default that of the parameters.

    Parameters
    ----------
    seed : int or sequence of int, optional
        The same seed and the same sequence of draws give the same numbers on every platform.
        Without it a random one is taken.

    Attributes
    ----------
    default_instance_seed : int or list of int
        The seed that `seed` without arguments goes back to.
    state_updates : list of (shared variable, variable)
        The states of all draws made so far, each with its next value.

    Examples
    --------
    >>> import symc
    >>> streams = RandomStreams(seed=1)
    >>> roll = symc.function([], streams.random_integers((3,), 1, 6))
    >>> roll().shape
    (3,)
    """

    def __init__(self, seed: Any = None) -> None:
        self.default_instance_seed = _checked_seed(seed)
        self.state_updates: list[tuple[Any, Any]] = []
        self._states: dict[Any, Any] = {}

    def seed(self, seed: Any = None) -> None:
        """Start all streams made so far again, from `seed` or from the one given at first."""
        if seed is not None:
            self.default_instance_seed = _checked_seed(seed)
        for number, (state, _) in enumerate(self.state_updates):
            state.set_value(self._new_state(number), borrow=True)

    def updates(self) -> list[tuple[Any, Any]]:
        """Return the pairs (state, next state) of all draws."""
        return list(self.state_updates)

    def __getitem__(self, variable: Any) -> RandomState:
        """The state of a draw, a copy."""
        state: RandomState = self._state_of(variable).get_value()
        return state

    def __setitem__(self, variable: Any, state: Any) -> None:
        """Set the state of a draw: a `RandomState` or its two words."""
        words = state.words if isinstance(state, RandomState) else np.asarray(state, np.uint64)
        self._state_of(variable).set_value(words)

    def _state_of(self, variable: Any) -> Any:
        found = self._states.get(variable)
        if found is None:
            raise KeyError(
                user_message("this is no draw of these streams", got=repr(variable)[:200])
            )
        return found

    def _new_state(self, number: int) -> RandomState:
        return RandomState(self.default_instance_seed, number)

    def gen(self, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Make a random variable from a state of its own.

        Parameters
        ----------
        op : callable
            ``op(state, *args, **kwargs)`` gives the draw, or the next state and the draw, as the
            functions of `symc.tensor.raw_random` do.

        Returns
        -------
        Variable
            With the attributes ``rng``, the shared state, and ``update``, the pair of it and its
            next value.
        """
        number = len(self.state_updates)
        state = random_state_constructor(self._new_state(number), f"random state {number}")
        drawn = op(state, *args, **kwargs)
        following, drawn = drawn if isinstance(drawn, (tuple, list)) else (advance(state), drawn)
        return self._kept(state, following, drawn)

    def _kept(self, state: Any, following: Any, drawn: Any) -> Any:
        """Note a draw and its state, which advances by itself."""
        state.default_update = following
        self.state_updates.append((state, following))
        drawn.rng, drawn.update = state, (state, following)
        self._states[drawn] = state
        return drawn

    uniform = _method(draws.uniform)
    normal = _method(draws.normal)
    truncated_normal = _method(draws.truncated_normal)
    binomial = _method(draws.binomial)
    poisson = _method(draws.poisson)
    random_integers = _method(draws.random_integers)
    randint = _method(draws.randint)

    permutation = _method(selection.permutation)
    shuffle_row_elements = _method(selection.shuffle_row_elements)
    choice = _method(selection.choice)
    multinomial = _method(selection.multinomial)
    multinomial_wo_replacement = _method(selection.multinomial_wo_replacement)

    gamma = _method(families.gamma)
    beta = _method(families.beta)
    chisquare = _method(families.chisquare)
    dirichlet = _method(families.dirichlet)
    exponential = _method(families.exponential)
    rayleigh = _method(families.rayleigh)
    weibull = _method(families.weibull)
    laplace = _method(families.laplace)
    logistic = _method(families.logistic)
    gumbel = _method(families.gumbel)
    cauchy = _method(families.cauchy)
    lognormal = _method(families.lognormal)
    standard_t = _method(families.standard_t)
    geometric = _method(families.geometric)
    negative_binomial = _method(families.negative_binomial)


def _checked_seed(seed: Any) -> Any:
    """A seed that starts the same streams again: `seed`, or a random one for None."""
    if seed is None:
        return np.random.SeedSequence().entropy
    RandomState(seed)  # refuses what is not made of integers
    return [int(n) for n in seed] if isinstance(seed, Iterable) else int(seed)
