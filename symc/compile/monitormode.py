"""`MonitorMode`: functions of the user's are called before and after every node."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from ..graph.node import Apply
from ..graph.op import run_perform
from ..graph.text import debugprint
from .mode import Mode

__all__ = ["MonitorMode", "Thunk", "detect_nan"]


class Thunk:
    """The values of a node, as Theano's thunks show them.

    Attributes
    ----------
    inputs, outputs : list of list
        One cell per operand and result; ``fn.outputs[0][0]`` is the first result, None before
        the node has been computed.
    """

    def __init__(self, node: Apply, values: list[Any]) -> None:
        self.inputs = [[value] for value in values]
        self.outputs: list[list[Any]] = [[None] for _ in node.outputs]


class MonitorMode(Mode):
    """Runs the rewritten graph node by node, and calls functions on the way.

    Parameters
    ----------
    pre_func, post_func : callable, optional
        ``func(i, node, fn)`` is called before and after each node: its position, the
        application, and a `Thunk` with the values.
    optimizer : optional
        As for `Mode`.
    linker : optional
        Accepted as in Theano: everything runs on the NumPy path, where every node has values.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> seen = []
    >>> x = T.dscalar("x")
    >>> mode = MonitorMode(post_func=lambda i, node, fn: seen.append(float(fn.outputs[0][0])))
    >>> float(symc.function([x], T.exp(2 * x), mode=mode)(0.0)), seen
    (1.0, [0.0, 1.0])
    """

    def __init__(
        self,
        pre_func: Callable[[int, Apply, Thunk], Any] | None = None,
        post_func: Callable[[int, Apply, Thunk], Any] | None = None,
        optimizer: Any = "default",
        linker: Any = None,
    ) -> None:
        del linker
        super().__init__("numpy", optimizer)
        self.pre_func = pre_func
        self.post_func = post_func

    def run_node(self, i: int, node: Apply, values: list[Any]) -> list[Any]:
        """Compute a node between the two calls."""
        thunk = Thunk(node, values)
        if self.pre_func is not None:
            self.pre_func(i, node, thunk)
        results = run_perform(node, values)
        thunk.outputs = [[value] for value in results]
        if self.post_func is not None:
            self.post_func(i, node, thunk)
        return results


def detect_nan(i: int, node: Apply, fn: Any) -> None:
    """Print a node that gives NaN, and its values; a `post_func` for `MonitorMode`."""
    del i
    for (value,) in fn.outputs:
        numeric = isinstance(value, (np.ndarray, np.generic)) and value.dtype.kind in "fc"
        if numeric and np.isnan(value).any():
            print("*** NaN detected ***")
            debugprint(node, file=sys.stdout)
            print(f"Inputs : {[cell[0] for cell in fn.inputs]}")
            print(f"Outputs: {[cell[0] for cell in fn.outputs]}")
            break
