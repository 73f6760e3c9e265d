"""Random streams: draws whose states are shared variables that advance by themselves."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from ..array.shared import tensor_constructor
from ..errors import user_message
from ..ops.random import draws
from ..ops.random.words import PARTS

__all__ = ["RandomStreams", "random_state"]

_STEP = np.array([0, PARTS], np.uint64)


def random_state(seed: int, stream: int = 0) -> np.ndarray:
    """Return the state (key, counter) of a stream of a seed: uint64, shape (2,).

    Raises
    ------
    TypeError
        If `seed` is not an integer.
    """
    if isinstance(seed, bool) or not isinstance(seed, (int, np.integer)):
        raise TypeError(user_message("a seed is an integer", got=repr(seed)))
    key = np.random.SeedSequence([int(seed) % 2**128, stream]).generate_state(1, np.uint64)
    return np.array([key[0], 0], np.uint64)


class RandomStreams:
    """Makes random variables; each has a state of its own and is drawn once per call.

    Parameters
    ----------
    seed : int, optional
        The same seed and the same sequence of draws give the same numbers on every platform.
        Without it a random one is taken.
    """

    def __init__(self, seed: int | None = None) -> None:
        self.default_instance_seed = self._seed(seed)
        self.state_updates: list[tuple[Any, Any]] = []
        self._states: dict[Any, Any] = {}

    @staticmethod
    def _seed(seed: int | None) -> int:
        fresh: Any = np.random.SeedSequence().entropy if seed is None else seed
        random_state(fresh)  # refuses what is not an integer
        return int(fresh)

    def seed(self, seed: int | None = None) -> None:
        """Start all streams made so far again, from `seed` or from the one given at first."""
        if seed is not None:
            self.default_instance_seed = self._seed(seed)
        for number, (state, _) in enumerate(self.state_updates):
            state.set_value(random_state(self.default_instance_seed, number))

    def updates(self) -> list[tuple[Any, Any]]:
        """Return the pairs (state, next state) of all draws."""
        return list(self.state_updates)

    def __getitem__(self, variable: Any) -> np.ndarray:
        """The state of a draw, a copy."""
        return self._states[variable].get_value()

    def __setitem__(self, variable: Any, state: Any) -> None:
        self._states[variable].set_value(np.asarray(state, np.uint64))

    def gen(self, op: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """Return ``op(state, *args, **kwargs)`` on a new state."""
        number = len(self.state_updates)
        state: Any = tensor_constructor(
            random_state(self.default_instance_seed, number), name=f"random state {number}"
        )
        state.default_update = state + _STEP
        self.state_updates.append((state, state.default_update))
        drawn = op(state, *args, **kwargs)
        drawn.rng, drawn.update = state, (state, state.default_update)
        self._states[drawn] = state
        return drawn

    def uniform(
        self,
        size: Any = None,
        low: Any = 0.0,
        high: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
    ) -> Any:
        """Draws from [low, high); floatX unless `dtype` is given."""
        return self.gen(draws.uniform, size, low, high, ndim, dtype)

    def normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
    ) -> Any:
        """Normal draws of mean `avg` and standard deviation `std`."""
        return self.gen(draws.normal, size, avg, std, ndim, dtype)

    def truncated_normal(
        self,
        size: Any = None,
        avg: Any = 0.0,
        std: Any = 1.0,
        ndim: int | None = None,
        dtype: str | None = None,
    ) -> Any:
        """Normal draws within two standard deviations of `avg`."""
        return self.gen(draws.truncated_normal, size, avg, std, ndim, dtype)

    def binomial(
        self,
        size: Any = None,
        n: Any = 1,
        p: Any = 0.5,
        ndim: int | None = None,
        dtype: str = "int64",
        prob: Any = None,
    ) -> Any:
        """Numbers of successes in `n` trials of probability `p` (Theano's old name: `prob`)."""
        return self.gen(draws.bernoulli, size, n, p if prob is None else prob, ndim, dtype)

    def random_integers(
        self,
        size: Any = None,
        low: Any = 0,
        high: Any = 1,
        ndim: int | None = None,
        dtype: str = "int64",
    ) -> Any:
        """Integers from `low` to `high`, both included."""
        return self.gen(draws.integers, size, low, high, ndim, dtype)

    def permutation(self, size: Any = None, n: Any = 1, dtype: str = "int64") -> Any:
        """Permutations of 0 ... n - 1, along a new last axis."""
        return self.gen(draws.permutation, size, n, dtype)
