"""From expressions to a training: the functions that train and measure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

import symc
from symc.errors import user_message
from symc.gof.utils import get_variable_trace_string
from symc.nn.train.data import Arrays, Data, as_data
from symc.nn.train.loop import Means, Training
from symc.nn.utils import collect_shared_vars

__all__ = ["measures", "train"]


def train(
    inputs: Sequence[Any],
    loss: Any,
    updates: Any,
    data: Any,
    *,
    epochs: int,
    batch_size: int | None = None,
    shuffle: bool | str = True,
    drop_last: bool = False,
    measures: Mapping[str, Any] | None = None,
    valid: Any = None,
    valid_measures: Mapping[str, Any] | None = None,
    mode: Any = None,
    givens: Any = None,
    **options: Any,
) -> Training:
    """Train by updates of shared variables, with or without layers.

    Two functions are compiled: a step, and where there are validation data, one that measures and
    changes nothing, not even the states of random streams.

    Parameters
    ----------
    inputs : TensorVariable or list of TensorVariable
        What the expressions are written in, one per array of the data.
    loss : scalar tensor
        Its mean over the batches is ``loss`` in the records. It is computed from the values before
        the update.
    updates : dict or pairs
        New values by shared variable, as `symc.nn.updates` makes them.
    data : array_like, sequence of array_like, Data or callable
        Arrays with as many rows each; or where else they lie, see `symc.nn.train.data`.
    epochs : int
        Passes over the data, at most.
    batch_size, shuffle, drop_last
        As for `minibatches`; for arrays.
    measures : dict of str to scalar tensor, optional
        What else is averaged while training.
    valid : array_like, sequence of array_like, Data or callable, optional
        Validation data; arrays are taken in batches of the same size.
    valid_measures : dict of str to scalar tensor, optional
        What is averaged over `valid` for each record; ``"valid_"`` is put before the names. Default
        the loss and `measures`. Networks with dropout or batch normalisation have another output
        for this, ``get_output(network, deterministic=True)``.
    mode, givens
        As for `symc.function`.
    **options
        As for `Training`. Default of `monitor` is the first of `valid_measures`.

    Returns
    -------
    Training
        An iterator of records. Nothing is trained until it is asked for the first.

    Raises
    ------
    ValueError, TypeError
        If data and inputs do not go together, or options are wrong.

    Examples
    --------
    >>> import symc.tensor as T
    >>> x, w = T.dvector("x"), symc.shared(0.0, name="w")
    >>> loss = T.mean((x - w) ** 2)
    >>> run = train([x], loss, {w: w - 0.1 * T.grad(loss, w)}, np.arange(4.0), epochs=50,
    ...             batch_size=2, shuffle=False)
    >>> [record["updates"] for record in run][-1]
    100
    >>> bool(abs(w.get_value() - 1.5) < 0.2)
    True
    """
    inputs = _several(inputs)
    whole = _data_of(data, batch_size, shuffle, drop_last)
    expressions = {"loss": loss, **(measures or {})}
    step = _compiled(inputs, expressions, whole, mode, givens, updates=updates)
    kept = _without_data(step.get_shared(), whole)
    if valid is not None:
        own_batches = isinstance(valid, Data) or callable(valid)
        measured = dict(expressions if valid_measures is None else valid_measures)
        valid_data = valid if own_batches else _in_order(valid, batch_size)
        measure = _Measures(inputs, measured, valid_data, mode, givens, prefix="valid_")
        kept += _without_data(measure.function.get_shared(), valid_data, kept)
        expressions.update({f"valid_{name}": e for name, e in measured.items()})
        options.setdefault("evaluate", measure)
        options.setdefault("monitor", next((f"valid_{name}" for name in measured), None))
    elif valid_measures is not None:
        raise ValueError("valid_measures need the data that they are measured on: valid")
    used = {id(v.container) for v in collect_shared_vars(list(expressions.values()))}
    options.setdefault("variables", kept)
    options.setdefault("model", [v for v in kept if id(v.container) in used and _is_trained(v)])
    return Training(step, whole, epochs=epochs, **options)


def measures(
    inputs: Sequence[Any],
    expressions: Mapping[str, Any],
    data: Any,
    batch_size: int | None = None,
    mode: Any = None,
    givens: Any = None,
) -> Callable[[], dict[str, float]]:
    """Compile a function that averages expressions over data, and changes nothing.

    Parameters
    ----------
    inputs : TensorVariable or list of TensorVariable
    expressions : dict of str to scalar tensor
        Means over the rows of a batch, such as the rate of errors.
    data : array_like, sequence of array_like, Data or callable
        As for `train`; rows of arrays are taken in their own order.
    batch_size : int, optional
        Default all rows at once.
    mode, givens
        As for `symc.function`.

    Returns
    -------
    callable
        Without arguments; returns the means by name, weighted by the rows of batches.

    Raises
    ------
    ValueError, TypeError
        If data and inputs do not go together.

    Examples
    --------
    >>> import symc.tensor as T
    >>> x = T.dvector("x")
    >>> measures([x], {"mean": x.mean(), "square": (x**2).mean()}, np.arange(3.0), 2)()
    {'mean': 1.0, 'square': 1.6666666666666667}
    """
    if not (isinstance(data, Data) or callable(data)):
        data = _in_order(data, batch_size)
    return _Measures(_several(inputs), expressions, data, mode, givens)


class _Measures:
    """Means of expressions over data."""

    def __init__(
        self,
        inputs: Sequence[Any],
        expressions: Mapping[str, Any],
        data: Any,
        mode: Any,
        givens: Any,
        prefix: str = "",
    ) -> None:
        self.data = as_data(data)
        self.prefix = prefix
        self.function = _compiled(
            inputs, dict(expressions), self.data, mode, givens,
            no_default_updates=True, on_unused_input="ignore",
        )

    def __call__(self) -> dict[str, float]:
        means = Means()
        for rows, arguments in self.data.epoch(np.random.default_rng(0)):
            means.add(self.function(*arguments), rows)
        return {self.prefix + name: value for name, value in means.take().items()}


def _several(inputs: Any) -> list[Any]:
    return [inputs] if isinstance(inputs, symc.Variable) else list(inputs)


def _data_of(data: Any, batch_size: int | None, shuffle: bool | str, drop_last: bool) -> Data:
    if isinstance(data, Data) and (shuffle is not True or drop_last):
        raise ValueError(
            f"shuffle and drop_last are for arrays; {type(data).__name__} has its own"
        )
    return as_data(data, batch_size, shuffle, drop_last)


def _in_order(arrays: Any, batch_size: int | None) -> Data:
    """Arrays in their own order, in batches of at most `batch_size`."""
    whole = Arrays(arrays, 1, shuffle=False)
    return Arrays(whole.arrays, batch_size or whole.length, shuffle=False)


def _compiled(
    inputs: Sequence[Any],
    expressions: Mapping[str, Any],
    data: Data,
    mode: Any,
    givens: Any,
    **options: Any,
) -> Any:
    for name, expression in expressions.items():
        if getattr(expression, "ndim", 0) != 0:
            raise ValueError(
                user_message(
                    f"measure {name!r} is not one number per batch",
                    got=f"{expression} of type {expression.type}",
                    where=get_variable_trace_string(expression),
                    hint="take its mean",
                )
            )
    function_inputs, replaced = data.bind(inputs)
    pairs = [*replaced.items(), *(givens.items() if isinstance(givens, Mapping) else givens or ())]
    return symc.function(function_inputs, dict(expressions), mode=mode, givens=pairs, **options)


def _without_data(variables: Sequence[Any], data: Data, known: Sequence[Any] = ()) -> list[Any]:
    """Shared variables that neither hold the data nor are known already."""
    out = {id(v.container) for v in [*getattr(data, "variables", ()), *known]}
    return [v for v in variables if id(v.container) not in out]


def _is_trained(variable: Any) -> bool:
    """Whether a shared variable holds numbers of a model, and not the state of a stream."""
    return np.dtype(getattr(variable, "dtype", object)).kind in "fc"
