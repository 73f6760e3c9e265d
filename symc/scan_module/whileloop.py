"""Loops that go on while a condition holds, in terms of `scan`, `until` and `ifelse`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..array.convert import as_tensor_variable
from ..errors import user_message
from ..graph.node import Variable
from ..ops.elemwise import cast
from ..ops.ifelse import ifelse
from ..ops.math import eq
from .api import scan
from .arguments import as_list
from .returned import until

__all__ = ["while_loop"]


def while_loop(
    condition: Callable[..., Any],
    body: Callable[..., Any],
    initial: Any,
    max_steps: Any,
    non_sequences: Any = None,
    name: str | None = None,
) -> Any:
    """Apply `body` to values again and again while `condition` holds for them.

    Parameters
    ----------
    condition : callable
        Gets the values, then the non-sequences; returns one truth value.
    body : callable
        Gets the same; returns the new values.
    initial : variable or list of them
    max_steps : int or scalar integer expression
        The loop ends after so many steps in any case.
    non_sequences : variable or list of them, optional
    name : str, optional

    Returns
    -------
    variable or list of variables
        The last values; the initial ones, if the condition does not hold for these.

    Raises
    ------
    ValueError
        If `body` returns another number of values.
    TypeError
        If the type of a value does not fit its initial one.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> n = T.lscalar("n")
    >>> power = symc.while_loop(lambda p: p < n, lambda p: 2 * p, T.constant(1), max_steps=62)
    >>> int(symc.function([n], power)(1000))
    1024
    """
    single = not isinstance(initial, (list, tuple))
    first = [v if isinstance(v, Variable) else as_tensor_variable(v) for v in as_list(initial)]
    constants = as_list(non_sequences)

    def step(*arguments: Any) -> Any:
        new = as_list(body(*arguments))
        if len(new) != len(first):
            raise ValueError(
                user_message(
                    "the body of a while_loop returns one value per initial value",
                    got=f"{len(new)} values",
                    expected=str(len(first)),
                )
            )
        goes_on = condition(*new, *constants)
        return new, until(eq(goes_on, 0))

    rows, updates = scan(
        step,
        outputs_info=as_list(initial),
        non_sequences=constants,
        n_steps=max_steps,
        name=name,
        return_list=True,
    )
    if updates:
        raise ValueError(
            user_message(
                "the body of a while_loop updates shared variables",
                got=", ".join(map(str, updates)),
                hint="use scan with until(condition), which returns the updates",
            )
        )
    last = [row[-1] for row in rows]
    start = [cast(v, row.dtype) for v, row in zip(first, last, strict=True)]
    made = ifelse(condition(*start, *constants), last, start, name=name)
    return made[0] if single else made
