"""Features: what is told about every change of a `FunctionGraph`."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from ..errors import InconsistencyError
from ..graph.node import Apply, Variable
from .fg import AlreadyThere, FunctionGraph, ReplacementDidntRemovedError

__all__ = [
    "AlreadyThere",
    "Bookkeeper",
    "Feature",
    "History",
    "NoOutputFromInplace",
    "NodeFinder",
    "PreserveNames",
    "PreserveVariableAttributes",
    "PrintListener",
    "ReplaceValidate",
    "Validator",
]


class Feature:
    """Base of what listens to a `FunctionGraph`; all methods may be left out."""

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Called when it is attached; may add methods to the graph."""

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Called when it is removed."""

    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Called after a node has come in."""

    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Called after a node that nobody read has gone."""

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Called after operand `i` of a node (``"output"`` for the end) has become `new_r`."""

    def orderings(self, fgraph: FunctionGraph) -> dict[Apply, list[Apply]]:
        """Return nodes that must come before others, besides those they depend on."""
        return {}


class Bookkeeper(Feature):
    """A feature that is told about what was there when it is attached."""

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Import all nodes."""
        for node in fgraph.toposort():
            self.on_import(fgraph, node, "on_attach")

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Prune all nodes."""
        for node in fgraph.toposort():
            self.on_prune(fgraph, node, "Bookkeeper.detach")


def _offer(fgraph: FunctionGraph, **methods: Callable[..., Any]) -> None:
    """Give the graph methods; raise AlreadyThere where it has one of them."""
    taken = [name for name in methods if hasattr(fgraph, name)]
    if taken:
        raise AlreadyThere(f"the graph has {', '.join(taken)} already")
    fgraph.__dict__.update(methods)


def _withdraw(fgraph: FunctionGraph, *names: str) -> None:
    for name in names:
        fgraph.__dict__.pop(name, None)


class History(Feature):
    """Remembers changes: ``fgraph.checkpoint()``, then ``fgraph.revert(checkpoint)``."""

    def __init__(self) -> None:
        self.history: dict[FunctionGraph, list[tuple[Any, int, Variable]]] = {}

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Give the graph its two methods."""
        self.history[fgraph] = []
        _offer(
            fgraph,
            checkpoint=lambda: len(self.history[fgraph]),
            revert=partial(self.revert, fgraph),
        )

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Take them away."""
        _withdraw(fgraph, "checkpoint", "revert")
        del self.history[fgraph]

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Note the old operand."""
        self.history[fgraph].append((node, i, r))

    def revert(self, fgraph: FunctionGraph, checkpoint: int) -> None:
        """Undo all changes since a checkpoint, the last one first."""
        history = self.history[fgraph]
        while len(history) > checkpoint:
            node, i, old = history.pop()
            before = len(history)
            if isinstance(node, str) or node in fgraph.apply_nodes:
                fgraph.change_input(node, i, old, reason="revert")
            del history[before:]


class Validator(Feature):
    """``fgraph.validate()`` asks all features; ``fgraph.consistent()`` says if it would pass."""

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Give the graph its two methods."""
        _offer(
            fgraph,
            validate=partial(fgraph.execute_callbacks, "validate"),
            consistent=partial(self.consistent, fgraph),
        )

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Take them away."""
        _withdraw(fgraph, "validate", "consistent")

    def consistent(self, fgraph: FunctionGraph) -> bool:
        """Tell whether all features find the graph in order."""
        try:
            fgraph.execute_callbacks("validate")
        except InconsistencyError:
            return False
        return True

    def validate(self, fgraph: FunctionGraph) -> None:
        """Check that there is no cycle."""
        fgraph.check_integrity()


class ReplaceValidate(History, Validator):
    """``fgraph.replace_validate`` and its kin: replacements that are undone if a check fails."""

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Give the graph its methods."""
        names = ("replace_validate", "replace_all_validate", "replace_all_validate_remove")
        if any(hasattr(fgraph, name) for name in names):
            raise AlreadyThere("the graph has ReplaceValidate already")
        for base in (History, Validator):
            try:
                base.on_attach(self, fgraph)
            except AlreadyThere:
                if base is History:
                    raise
        _offer(fgraph, **{name: partial(getattr(self, name), fgraph) for name in names})

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Take them away."""
        History.on_detach(self, fgraph)
        Validator.on_detach(self, fgraph)
        _withdraw(
            fgraph, "replace_validate", "replace_all_validate", "replace_all_validate_remove"
        )

    def replace_validate(
        self, fgraph: FunctionGraph, r: Variable, new_r: Variable, reason: Any = None
    ) -> None:
        """Replace, check, and undo if the check fails."""
        self.replace_all_validate(fgraph, [(r, new_r)], reason)

    def replace_all_validate(
        self,
        fgraph: FunctionGraph,
        replacements: Iterable[tuple[Variable, Variable]],
        reason: Any = None,
    ) -> int:
        """Replace all, check, and undo all if anything fails.

        Returns
        -------
        int
            The checkpoint from before.
        """
        start = len(self.history[fgraph])
        try:
            for r, new_r in replacements:
                fgraph.replace(r, new_r, reason)
            fgraph.execute_callbacks("validate")
        except Exception:
            self.revert(fgraph, start)
            raise
        return start

    def replace_all_validate_remove(
        self,
        fgraph: FunctionGraph,
        replacements: Iterable[tuple[Variable, Variable]],
        remove: Sequence[Any],
        reason: Any = None,
        warn: bool = True,
    ) -> None:
        """As `replace_all_validate`; what is in `remove` must be gone afterwards.

        Raises
        ------
        ReplacementDidntRemovedError
            If it is not; everything has been undone.
        """
        start = self.replace_all_validate(fgraph, replacements, reason)
        left = [item for item in remove if item in fgraph.apply_nodes or item in fgraph.variables]
        if left:
            self.revert(fgraph, start)
            raise ReplacementDidntRemovedError(f"{reason}: {left} are still in the graph")


class NodeFinder(Bookkeeper):
    """``fgraph.get_nodes(op)``: the applications of an op."""

    def __init__(self) -> None:
        self.found: dict[Any, list[Apply]] = {}

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Give the graph its method, and find what is there."""
        _offer(fgraph, get_nodes=self.query)
        super().on_attach(fgraph)

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Take it away."""
        _withdraw(fgraph, "get_nodes")
        self.found = {}

    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Note a node."""
        self.found.setdefault(node.op, []).append(node)

    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Forget a node."""
        nodes = self.found.get(node.op, [])
        nodes[:] = [n for n in nodes if n is not node]

    def query(self, op: Any) -> list[Apply]:
        """Return the applications of `op`."""
        return list(self.found.get(op, ()))


class PrintListener(Feature):
    """Prints every change to standard error."""

    def __init__(self, active: bool = True) -> None:
        self.active = active

    def _say(self, text: str) -> None:
        if self.active:
            print(text, file=sys.stderr)

    def on_attach(self, fgraph: FunctionGraph) -> None:
        """Say so."""
        self._say(f"-- attaching to: {fgraph}")

    def on_detach(self, fgraph: FunctionGraph) -> None:
        """Say so."""
        self._say(f"-- detaching from: {fgraph}")

    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Say so."""
        self._say(f"-- importing: {node}, reason: {reason}")

    def on_prune(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Say so."""
        self._say(f"-- pruning: {node}, reason: {reason}")

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Say so."""
        self._say(f"-- changing ({node}, {i}) from {r} to {new_r}, reason: {reason}")


class PreserveNames(Feature):
    """A variable that replaces a named one, and has no name, takes over the name."""

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Hand the name on."""
        if r.name is not None and new_r.name is None:
            new_r.name = r.name


class PreserveVariableAttributes(Feature):
    """A variable that replaces another takes over its name and what its tag has more."""

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Hand name and tag on."""
        if r.name is not None and new_r.name is None:
            new_r.name = r.name
        for key, value in vars(r.tag).items():
            vars(new_r.tag).setdefault(key, value)


class NoOutputFromInplace(Feature):
    """No output may be made by an op that overwrites an operand."""

    def validate(self, fgraph: FunctionGraph) -> None:
        """Raise InconsistencyError for such an output."""
        for output in fgraph.outputs:
            node = output.owner
            if node is not None and output.index in node.op.destroy_map:
                raise InconsistencyError(f"the output {output} is made in place by {node.op}")
