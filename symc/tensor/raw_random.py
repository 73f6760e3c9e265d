"""Draws that take a random state and give the next one: ``state, x = normal(state, (3,))``.

They are the functions of `symc.ops.random` of the same names.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..compile.streams import RandomStreams
from ..ops.random import draws, families, selection
from ..ops.random.state import RandomState, RandomStateType, advance, random_state_type

__all__ = [
    "RandomState",
    "RandomStateType",
    "RandomStreamsBase",
    "beta",
    "binomial",
    "choice",
    "exponential",
    "gamma",
    "multinomial",
    "multinomial_wo_replacement",
    "normal",
    "permutation",
    "poisson",
    "randint",
    "random_integers",
    "random_state_type",
    "shuffle_row_elements",
    "truncated_normal",
    "uniform",
]

RandomStreamsBase = RandomStreams


def _with_state(draw: Callable[..., Any]) -> Callable[..., tuple[Any, Any]]:
    """The draw, with the next state before it."""

    @functools.wraps(draw)
    def function(state: Any, *args: Any, **kwargs: Any) -> tuple[Any, Any]:
        return advance(state), draw(state, *args, **kwargs)

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
