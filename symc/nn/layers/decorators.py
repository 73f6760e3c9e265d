"""Layers made of functions."""

from __future__ import annotations

import types
from collections.abc import Callable
from typing import Any

from symc.nn.layers.base import Layer
from symc.nn.utils import inspect_kwargs

__all__ = ["shape_preserving_layer"]


class _OfFunction(Layer):
    """A layer that a function from an expression to one of the same shape stands behind."""

    function: Callable[..., Any]

    def __init__(self, incoming: Any, name: str | None = None, **hyperparameters: Any) -> None:
        super().__init__(incoming, name)
        known = inspect_kwargs(type(self).function)
        unknown = set(hyperparameters) - set(known)
        if unknown:
            raise TypeError(
                f"{self._called()} has the hyperparameters {known}, got {sorted(unknown)}"
            )
        self.hyperparameters = hyperparameters
        self.get_output_kwargs = [k for k in known if k not in hyperparameters]

    def get_output_for(self, input: Any, **kwargs: Any) -> Any:
        """The function's result."""
        given = {k: kwargs[k] for k in self.get_output_kwargs if k in kwargs}
        return type(self).function(input, **self.hyperparameters, **given)


def shape_preserving_layer(function: Callable[..., Any]) -> type[Layer]:
    """Make a class of layers from ``function(x, **hyperparameters)``; a decorator.

    Networks of such layers pickle, as long as the decorated name is importable.

    Parameters
    ----------
    function : callable
        Returns an expression of the shape of its first argument. Its other parameters have
        defaults; those that a layer is built without may be given to `get_output`, such as
        ``deterministic=False``.

    Returns
    -------
    class
        A `Layer`, built with the layer below, hyperparameters as keywords, and a name.

    Examples
    --------
    >>> from symc.nn.layers import InputLayer, get_output
    >>> @shape_preserving_layer
    ... def power(x, exponent=2.0, deterministic=False):
    ...     return x if deterministic else x**exponent
    >>> network = power(InputLayer((None, 2)), exponent=3.0, name="cubes")
    >>> get_output(network, [[2.0, 3.0]]).eval().tolist()
    [[8.0, 27.0]]
    >>> get_output(network, [[2.0, 3.0]], deterministic=True).eval().tolist()
    [[2.0, 3.0]]
    """
    names = ("__doc__", "__module__", "__qualname__")
    body = {"function": staticmethod(function), **{n: getattr(function, n) for n in names}}
    return types.new_class(function.__name__, (_OfFunction,), exec_body=lambda ns: ns.update(body))
