"""Thunks: functions without arguments that compute a node from cells to cells.

Ops that override ``make_thunk`` or ``prepare_node`` are computed by a thunk, which is made once per
node; all others without.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any
from weakref import WeakKeyDictionary

__all__ = ["MakesThunks", "has_own_thunk", "run_thunk"]

_Cells = dict[Any, list[Any]]


class MakesThunks:
    """The methods of ops that Theano's linkers call.

    Notes
    -----
    `storage_map` has a cell (a list of one value) per variable of the node; `compute_map` a cell
    with whether it has been computed; `no_recycling` lists outputs whose memory must be new.
    """

    perform: Callable[..., Any]
    params_type: Any

    def prepare_node(
        self, node: Any, storage_map: _Cells | None, compute_map: _Cells | None, impl: str | None
    ) -> None:
        """Make what the op needs before the node is computed for the first time."""

    def make_thunk(
        self,
        node: Any,
        storage_map: _Cells,
        compute_map: _Cells,
        no_recycling: list[Any],
        impl: str | None = None,
    ) -> Callable[[], Any]:
        """Return a function without arguments that computes the node."""
        self.prepare_node(node, storage_map, compute_map, impl or "py")
        return self.make_py_thunk(node, storage_map, compute_map, no_recycling)

    def make_py_thunk(
        self,
        node: Any,
        storage_map: _Cells,
        compute_map: _Cells,
        no_recycling: list[Any],
        debug: bool = False,
    ) -> Callable[[], Any]:
        """Return a function that calls ``perform`` (``debug_perform`` if `debug`)."""
        inputs = [storage_map[v] for v in node.inputs]
        outputs = [storage_map[v] for v in node.outputs]
        perform = getattr(self, "debug_perform", self.perform) if debug else self.perform
        params = [] if self.params_type is None else [node.run_params()]

        def thunk() -> None:
            perform(node, [cell[0] for cell in inputs], outputs, *params)
            for v in node.outputs:
                compute_map[v][0] = True

        thunk.inputs, thunk.outputs = inputs, outputs  # type: ignore[attr-defined]
        thunk.perform, thunk.lazy = perform, False  # type: ignore[attr-defined]
        return thunk


def has_own_thunk(cls: Any) -> bool:
    """Tell whether a class of ops overrides what makes its thunks."""
    return (
        cls.make_thunk is not MakesThunks.make_thunk
        or cls.prepare_node is not MakesThunks.prepare_node
    )


class _Made:
    """The thunk of one node, and its cells."""

    def __init__(self, node: Any) -> None:
        variables = dict.fromkeys([*node.inputs, *node.outputs])
        self.storage: _Cells = {v: [None] for v in variables}
        self.computed: _Cells = {v: [v not in node.outputs] for v in variables}
        self.run = node.op.make_thunk(node, self.storage, self.computed, list(node.outputs))
        self.lock = threading.Lock()


_made: WeakKeyDictionary[Any, _Made] = WeakKeyDictionary()


def run_thunk(node: Any, values: list[Any]) -> list[list[Any]]:
    """Compute a node by the thunk of its op; returns one cell per output."""
    made = _made.get(node)
    if made is None:
        made = _made[node] = _Made(node)
    with made.lock:
        for variable, value in zip(node.inputs, values, strict=True):
            made.storage[variable][0] = value
        for output in node.outputs:
            made.storage[output][0] = None
            made.computed[output][0] = False
        try:
            made.run()
            return [[made.storage[output][0]] for output in node.outputs]
        finally:
            for cell in made.storage.values():
                cell[0] = None
