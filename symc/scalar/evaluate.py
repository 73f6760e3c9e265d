"""NumPy evaluation of scalar expressions: the reference for generated code."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from .expr import Expr, walk

Array = np.ndarray[Any, Any]


def evaluate(
    roots: Sequence[Expr],
    values: Mapping[Expr, Any],
    read: Callable[[Expr, tuple[Array, ...]], Any] | None = None,
) -> list[Array]:
    """Evaluate expressions, every node once.

    Parameters
    ----------
    roots : sequence of Expr
    values : mapping
        From leaf (``arg``, ``index``, ``size``, ``local``; any node, in fact) to a number or an
        array. Arrays broadcast against each other.
    read : callable, optional
        ``read(load, indices)`` gives the elements of operand ``load.payload`` at the index
        arrays; needed if there are ``load`` nodes without a value.

    Returns
    -------
    list of numpy.ndarray
        One per root, of its dtype.

    Raises
    ------
    KeyError
        If a leaf has no value.
    """
    done: dict[Expr, Array] = {}
    for node in _needed(roots, values):
        if node in values:
            result = values[node]
        elif node.kind == "const":
            result = node.payload
        elif node.kind == "call":
            result = node.op.numpy_eval(*[done[a] for a in node.args])
        elif node.kind == "load" and read is not None:
            result = read(node, tuple(done[a] for a in node.args))
        else:
            raise KeyError(f"no value was given for {node!r}")
        done[node] = np.asarray(result).astype(node.dtype, copy=False)
    return [done[root] for root in roots]


def _needed(roots: Sequence[Expr], values: Mapping[Expr, Any]) -> list[Expr]:
    """Nodes below `roots`, children first, without what lies under given values."""
    if all(not node.args for node in values):
        return walk(roots)
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node not in values:
                stack.extend(node.args)
    return sorted(seen, key=lambda n: n.number)
