"""Helpers that layers and user code share."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

import symc
import symc.tensor as T
from symc.gof.graph import inputs as graph_inputs

__all__ = [
    "as_symc_expression",
    "as_theano_expression",
    "as_tuple",
    "axes_of_unit",
    "collect_shared_vars",
    "compute_norms",
    "create_param",
    "floatX",
    "inspect_kwargs",
    "one_hot",
    "shared_empty",
    "unique",
    "unroll_scan",
]


def floatX(arr: Any) -> np.ndarray:
    """Convert numbers or an array to the dtype ``config.floatX``.

    Parameters
    ----------
    arr : array_like

    Returns
    -------
    numpy.ndarray
        Not a copy where it has the dtype already.
    """
    return np.asarray(arr, dtype=symc.config.floatX)


def shared_empty(dim: int = 2, dtype: str | None = None) -> Any:
    """Return a shared variable of rank `dim` whose value has one element per axis, for now.

    Parameters
    ----------
    dim : int
    dtype : str, optional
        Default ``config.floatX``.

    Returns
    -------
    SharedVariable
        Not broadcastable along any axis.
    """
    return symc.shared(np.zeros((1,) * dim, dtype=dtype or symc.config.floatX))


def as_theano_expression(input: Any) -> Any:
    """Return an expression for a number, an array or an expression, or a dict of them.

    Parameters
    ----------
    input : tensor, array_like or dict

    Returns
    -------
    TensorVariable or dict

    Raises
    ------
    TypeError
        For anything else.
    """
    if isinstance(input, symc.Variable):
        return input
    if isinstance(input, Mapping):
        return {key: as_theano_expression(value) for key, value in input.items()}
    try:
        return T.constant(input)
    except Exception as problem:
        raise TypeError(
            f"an input of a network is an expression, an array or a number, got "
            f"{type(input).__name__}: {input!r:.80}"
        ) from problem


as_symc_expression = as_theano_expression


def collect_shared_vars(expressions: Any) -> list[Any]:
    """Return the shared variables that expressions are computed from.

    Parameters
    ----------
    expressions : tensor or list of tensor

    Returns
    -------
    list of SharedVariable
        Each once, in the order of a walk from the left.
    """
    roots = [expressions] if isinstance(expressions, symc.Variable) else list(expressions)
    return [v for v in graph_inputs(reversed(roots)) if isinstance(v, symc.compile.SharedVariable)]


def one_hot(x: Any, m: int | None = None) -> Any:
    """Return a row for each integer with a one in its place.

    Parameters
    ----------
    x : tensor of integers
        Flattened first.
    m : int, optional
        Length of rows; default the greatest integer plus one.

    Returns
    -------
    TensorVariable
        Shape (elements of `x`, `m`), dtype ``config.floatX``.
    """
    if m is None:
        m = T.cast(T.max(x) + 1, "int32")
    return T.eye(m)[T.cast(x.flatten(), "int32")]


def unique(l: Iterable[Any]) -> list[Any]:  # noqa: E741
    """Return elements, each once, in the order of their first appearance.

    Parameters
    ----------
    l : iterable of hashable

    Returns
    -------
    list
    """
    return list(dict.fromkeys(l))


def as_tuple(x: Any, N: int, t: type | tuple[type, ...] | None = None) -> tuple[Any, ...]:
    """Return a tuple of `N` elements: of an iterable's own, or `N` times `x`.

    Parameters
    ----------
    x : object
    N : int
    t : type or tuple of type, optional
        What elements must be.

    Returns
    -------
    tuple

    Raises
    ------
    TypeError
        If an element is not of type `t`.
    ValueError
        If an iterable has not `N` elements.
    """
    try:
        elements = tuple(x)
    except TypeError:
        elements = (x,) * N
    if t is not None and not all(isinstance(v, t) for v in elements):
        expected = " or ".join(k.__name__ for k in (t if isinstance(t, tuple) else (t,)))
        raise TypeError(f"expected {expected} or an iterable of {N} of them, got {x!r}")
    if len(elements) != N:
        raise ValueError(f"expected one value or {N} of them, got {len(elements)}: {x!r}")
    return elements


def inspect_kwargs(func: Callable[..., Any]) -> list[str]:
    """Return the names of the parameters of `func` that have defaults.

    Parameters
    ----------
    func : callable

    Returns
    -------
    list of str
    """
    parameters = inspect.signature(func).parameters.values()
    return [p.name for p in parameters if p.default is not inspect.Parameter.empty]


def axes_of_unit(rank: int, norm_axes: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the axes along which the incoming weights of one unit lie.

    Parameters
    ----------
    rank : int
        Of the weights: 2 for a matrix (inputs, units), 3 to 5 for filters, whose first axis counts
        the units.
    norm_axes : sequence of int, optional
        Axes that were asked for.

    Returns
    -------
    tuple of int

    Raises
    ------
    ValueError
        If the rank has no default axes.
    """
    if norm_axes is not None:
        return tuple(norm_axes)
    if rank == 2:
        return (0,)
    if 3 <= rank <= 5:
        return tuple(range(1, rank))
    raise ValueError(f"norms of weights of rank {rank} need norm_axes")


def compute_norms(array: Any, norm_axes: Sequence[int] | None = None) -> Any:
    """Return the Euclidean norms of the incoming weights of each unit.

    Parameters
    ----------
    array : numpy.ndarray or tensor
        For a matrix the norms of columns, for filters of rank 3 to 5 those of each filter, for a
        vector its absolute values.
    norm_axes : sequence of int, optional
        Axes to sum over instead.

    Returns
    -------
    numpy.ndarray or TensorVariable
        As `array` is.

    Raises
    ------
    ValueError
        If the rank has no default axes.
    """
    axes = () if norm_axes is None and array.ndim == 1 else axes_of_unit(array.ndim, norm_axes)
    if not axes:
        return abs(array)
    if isinstance(array, symc.Variable):
        return T.sqrt(T.sum(T.sqr(array), axis=axes))
    return np.sqrt(np.sum(np.square(array), axis=axes))


def create_param(spec: Any, shape: Sequence[int], name: str | None = None) -> Any:
    """Return a parameter of a given shape: a shared variable or an expression.

    Parameters
    ----------
    spec : number, numpy.ndarray, tensor or callable
        A number or an array is copied into a new shared variable; a shared variable or another
        expression is the parameter itself; a callable makes any of these from the shape.
    shape : sequence of int
    name : str, optional
        Given to the parameter where it has none.

    Returns
    -------
    SharedVariable or TensorVariable
        Broadcastable along the axes of length 1 where it is new.

    Raises
    ------
    ValueError
        If a length is not positive, or the parameter has another shape or rank; the shape of an
        expression is known where it is made of shared variables and constants.
    TypeError
        If `spec` is none of these, or a callable returned something else.
    """
    shape = tuple(shape)
    if any(n <= 0 for n in shape):
        raise ValueError(
            f"a parameter{_called(name)} can't have shape {shape}: all lengths must be positive"
        )
    source = "the parameter"
    if callable(spec) and not isinstance(spec, symc.Variable):
        source = f"what {getattr(spec, '__name__', type(spec).__name__)} returned for it"
        spec = spec(shape)
    if isinstance(spec, (int, float, np.number, np.ndarray)):
        value = floatX(spec)
        _check_shape(value.shape, shape, name, source)
        spec = symc.shared(value, broadcastable=tuple(n == 1 for n in shape))
    elif not isinstance(spec, symc.Variable):
        raise TypeError(
            f"a parameter{_called(name)} is a number, an array, an expression, or a callable that "
            f"makes one of these from a shape; {source} is of type {type(spec).__name__}"
        )
    if spec.ndim != len(shape):
        raise ValueError(
            f"{source}{_called(name)} has {spec.ndim} dimensions, the layer needs shape {shape}"
        )
    if isinstance(spec, symc.compile.SharedVariable):
        _check_shape(spec.get_value(borrow=True).shape, shape, name, source)
    elif _has_values(spec):
        read_shape = symc.function([], spec.shape, mode="NUMPY", no_default_updates=True)
        _check_shape([int(n) for n in read_shape()], shape, name, source)
    if name and not spec.name:
        spec.name = name
    return spec


def _has_values(expression: Any) -> bool:
    """Whether an expression is computed from shared variables and constants alone."""
    known = (symc.compile.SharedVariable, symc.Constant)
    return all(isinstance(v, known) for v in graph_inputs([expression]))


def _called(name: str | None) -> str:
    return f" {name}" if name else ""


def _check_shape(got: Any, shape: tuple[int, ...], name: str | None, source: str) -> None:
    if tuple(got) != shape:
        raise ValueError(f"{source}{_called(name)} has shape {tuple(got)}, expected {shape}")


def unroll_scan(
    fn: Callable[..., Any],
    sequences: Any,
    outputs_info: Any,
    non_sequences: Any,
    n_steps: int,
    go_backwards: bool = False,
) -> list[Any]:
    """Write the steps of a loop one after the other, as `symc.scan` would run them.

    Parameters
    ----------
    fn : callable
        Takes a row of each sequence, the states, and `non_sequences`; returns the new states.
    sequences : tensor or list of tensor
        Their first axis is time.
    outputs_info : list of tensor
        First states.
    non_sequences : list of tensor
    n_steps : int
        Not an expression.
    go_backwards : bool
        Whether to begin with the last row.

    Returns
    -------
    list of TensorVariable
        The states of all steps, in the order of the steps.
    """
    rows = list(sequences) if isinstance(sequences, (list, tuple)) else [sequences]
    states = list(outputs_info)
    steps: list[list[Any]] = []
    for k in reversed(range(n_steps)) if go_backwards else range(n_steps):
        results = fn(*(s[k] for s in rows), *states, *non_sequences)
        states = list(results) if isinstance(results, (list, tuple)) else [results]
        steps.append(states)
    return [T.stack(values) for values in zip(*steps, strict=True)]
