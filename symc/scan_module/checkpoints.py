"""Loops whose gradient computes again instead of storing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array.convert import as_tensor_variable
from ..errors import user_message
from ..graph.node import Variable
from ..ops.alloc import arange
from ..ops.math import minimum
from .api import scan
from .arguments import as_list, sequence_list, steps_of

__all__ = ["scan_checkpoints"]


def scan_checkpoints(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    name: str | None = "checkpointscan_fn",
    n_steps: Any = None,
    save_every_N: int = 10,
    padding: bool = True,
) -> tuple[Any, Any]:
    """A loop of loops: only every N-th value is kept for the gradient, the others are recomputed.

    With N near the square root of the number of steps, memory grows with that root only, for one
    more forward computation (T. Chen et al., "Training Deep Nets with Sublinear Memory Cost",
    arXiv 1604.06174, 2016).

    Parameters
    ----------
    fn, sequences, non_sequences, name, n_steps
        As for `scan`; sequences are seen at the tap 0 only.
    outputs_info : variable or list of them
        First values; steps see the value of the step before only.
    save_every_N : int
        Steps between two values that are kept.
    padding : bool
        Accepted as in Theano; the number of steps need not be a multiple of `save_every_N`.

    Returns
    -------
    outputs, updates
        Per output one row for every N steps, and one for what remains; the last row is the value
        after the last step.

    Raises
    ------
    ValueError
        If an output has no first value, or taps are given.
    """
    del padding
    taken = sequence_list(sequences)
    if any(s.taps != (0,) for s in taken):
        raise ValueError(user_message("sequences of scan_checkpoints have no taps"))
    first = as_list(outputs_info)
    if not first or any(v is None or isinstance(v, dict) for v in first):
        raise ValueError(
            user_message(
                "scan_checkpoints needs a first value for every output",
                got=repr(outputs_info),
                hint="outputs that steps do not see have to be computed by an outer map",
            )
        )
    if not isinstance(save_every_N, int) or save_every_N < 1:
        raise ValueError(user_message("save_every_N is a positive number", got=repr(save_every_N)))
    constants = [
        v if isinstance(v, Variable) else as_tensor_variable(v) for v in as_list(non_sequences)
    ]
    steps = steps_of(n_steps, taken)
    single = not isinstance(outputs_info, (list, tuple))

    def block(start: Any, *given: Any) -> Any:
        stop = minimum(start + save_every_N, steps)
        values, updates = scan(
            fn,
            sequences=[s.whole[start:stop] for s in taken],
            outputs_info=list(given[: len(first)]),
            non_sequences=constants,
            n_steps=stop - start,
            name=name,
            return_list=True,
        )
        last = [v[-1] for v in values]
        return (last[0] if single else last), updates

    return scan(
        block,
        sequences=[arange(0, steps, save_every_N)],
        outputs_info=first,
        name=None if name is None else f"checkpoints of {name}",
        return_list=not single,
    )
