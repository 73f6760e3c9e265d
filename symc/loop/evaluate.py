"""Evaluation of scalar expressions on NumPy arrays: what an expression means.

Expressions are evaluated for many points at once. The value of a node is an array that broadcasts
to the points; a load whose index is out of range gives no value there, and only the branch of a
``switch`` that is taken may not contain such a load.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..scalar.expr import Expr, walk

Leaf = Callable[[Expr], Any]
"""Value of an ``index``, ``size``, ``local`` or ``arg`` node."""


class OutOfRangeError(IndexError):
    """An expression needs an element that lies outside its array."""


class Evaluator:
    """Values of expressions; every node is evaluated once.

    Parameters
    ----------
    leaf : callable
        Gives the values of ``index``, ``size``, ``local`` and ``arg`` nodes.
    arrays : dict
        Arrays that ``load`` nodes read, by payload.
    """

    def __init__(self, leaf: Leaf, arrays: Mapping[Any, np.ndarray[Any, Any]]) -> None:
        self.leaf = leaf
        self.arrays = arrays
        self._values: dict[Expr, Any] = {}
        self._missing: dict[Expr, Any] = {}

    def __call__(self, roots: Iterable[Expr]) -> list[Any]:
        """Values of `roots`.

        Raises
        ------
        OutOfRangeError
            If one of them has no value at some point.
        """
        wanted = list(roots)
        for node in walk(wanted):
            if node not in self._values:
                self._evaluate(node)
        for root in wanted:
            if np.any(self._missing.get(root, False)):
                raise OutOfRangeError(f"an index is out of range in {root!r}")
        return [self._values[root] for root in wanted]

    def _evaluate(self, node: Expr) -> None:
        args = [self._values[a] for a in node.args]
        missing = [self._missing.get(a, False) for a in node.args]
        if node.kind == "const":
            value: Any = node.payload
        elif node.kind == "load":
            value, out = self._load(node, args)
            missing.append(out)
        elif node.kind == "call":
            value = call(node, args)
        else:
            value = self.leaf(node)
        self._values[node] = value
        if node.kind == "call" and node.op.name == "switch":
            taken = np.where(args[0], missing[1], missing[2])
            missing = [missing[0], taken]
        lost = [m for m in missing if np.any(m)]
        if lost:
            self._missing[node] = np.logical_or.reduce(np.broadcast_arrays(*lost))

    def _load(self, node: Expr, args: list[Any]) -> tuple[Any, Any]:
        return load(self.arrays[node.payload], args)


def call(node: Expr, args: Sequence[Any]) -> Any:
    """Apply the op of a ``call`` node to values, giving the node's dtype."""
    result = node.op.numpy_eval(*args)
    if result.dtype != node.dtype:
        with np.errstate(all="ignore"):
            result = result.astype(node.dtype)
    return result


def load(array: np.ndarray[Any, Any], index: Sequence[Any]) -> tuple[Any, Any]:
    """Elements of `array` at arrays of indices, and where the index is out of range."""
    if not index:
        return array[()], False
    entries = np.broadcast_arrays(*index)
    out = np.zeros(entries[0].shape, dtype=bool)
    for entry, length in zip(entries, array.shape, strict=True):
        out |= (entry < 0) | (entry >= length)
    if array.size == 0:
        return np.zeros(out.shape, dtype=array.dtype), out
    inside = tuple(np.where(out, 0, entry) for entry in entries)
    return array[inside], out


def size_value(expr: Expr, leaf: Leaf) -> int:
    """Value of an int64 size expression."""
    return int(Evaluator(leaf, {})([expr])[0])
