"""`FunctionGraph`: a graph that can be changed in place, for rewriting in Theano's manner.

The compiler itself does not use it: its rules see immutable nodes (`symc.rewrite`). It serves
rewrites that users write on whole graphs, and those who look at graphs.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ..errors import CycleError, InconsistencyError, MissingInputError, SymcError, user_message
from ..graph.graph import clone_get_equiv
from ..graph.node import Apply, Constant, SharedVariable, Variable
from ..graph.text import DebugprintInfo
from ..graph.trace import user_line
from ..graph.walk import orphans, toposort

__all__ = ["CachedConstantError", "FunctionGraph", "ReplacementDidntRemovedError"]

_Client = tuple[Any, int]


class CachedConstantError(SymcError):
    """A constant that is shared by all graphs was to be owned by one; it never is here."""


class ReplacementDidntRemovedError(InconsistencyError):
    """A replacement has left a variable in the graph that it was to remove."""


class FunctionGraph:
    """A graph between inputs and outputs that can be changed.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
        Its ends.
    features : sequence of Feature, optional
        Attached in order.
    clone : bool, optional
        Whether the graph gets nodes of its own. Without, the given nodes are changed.
    update_mapping : dict from int to int, optional
        Output and input by position, where the output is the new value of the input.

    Attributes
    ----------
    inputs, outputs : list of Variable
    apply_nodes : set of Apply
    variables : set of Variable

    Raises
    ------
    MissingInputError
        If a leaf is neither an input nor a constant nor a shared variable.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        features: Sequence[Any] | None = None,
        clone: bool = True,
        update_mapping: dict[int, int] | None = None,
    ) -> None:
        if clone:
            copies = _copies(inputs, outputs)
            inputs, outputs = [copies[v] for v in inputs], [copies[v] for v in outputs]
        self.inputs = list(inputs)
        self.outputs: list[Any] = list(outputs)
        self.update_mapping = update_mapping
        self.apply_nodes: set[Apply] = set()
        self.variables: set[Variable] = set()
        self._clients: dict[Variable, dict[_Client, None]] = {}
        self._features: list[Any] = []
        for feature in features or ():
            self.attach_feature(feature)
        for variable in self.inputs:
            self._own(variable)
        for i, output in enumerate(self.outputs):
            self.import_var(output, reason="init")
            self._clients[output]["output", i] = None

    # ---- what belongs to the graph

    def _own(self, variable: Variable) -> None:
        if variable not in self.variables:
            self.variables.add(variable)
            self._clients[variable] = {}
            if not isinstance(variable, SharedVariable):  # those belong to all graphs
                variable.fgraph = self  # type: ignore[attr-defined]

    def import_var(self, var: Variable, reason: Any = None) -> None:
        """Add a variable and everything that computes it."""
        if var in self.variables:
            return
        if var.owner is None:
            self._import_leaf(var)
            return
        for node in toposort([var], self.variables):
            self.import_node(node, reason)

    def import_node(self, node: Apply, reason: Any = None) -> None:
        """Add an application; its operands must be in the graph, or leaves that need no value."""
        if node in self.apply_nodes:
            return
        for variable in node.inputs:
            if variable not in self.variables:
                if variable.owner is not None:
                    self.import_var(variable, reason)
                else:
                    self._import_leaf(variable)
        self.apply_nodes.add(node)
        node.fgraph = self  # type: ignore[attr-defined]
        for output in node.outputs:
            self._own(output)
        for i, variable in enumerate(node.inputs):
            self._clients[variable][node, i] = None
        self.execute_callbacks("on_import", node, reason)

    def _import_leaf(self, variable: Variable) -> None:
        if not isinstance(variable, (Constant, SharedVariable)):
            raise MissingInputError(
                user_message(
                    "the graph needs a variable that is not among its inputs",
                    got=f"{variable} of type {variable.type}",
                    where=user_line(variable) or None,
                    hint="give it as an input, or add it by add_input",
                )
            )
        self._own(variable)

    def add_input(self, var: Variable) -> None:
        """Make a variable an input; nothing needs to read it."""
        if var not in self.inputs:
            self.inputs.append(var)
            self._own(var)

    def clients(self, r: Variable) -> list[_Client]:
        """Return who reads a variable: pairs of node and position, ``"output"`` for the end."""
        return list(self._clients.get(r, ()))

    def _remove_client(self, variable: Variable, client: _Client, reason: Any) -> None:
        """A reader is gone; what nobody reads any more leaves the graph."""
        pending = [(variable, client)]
        while pending:
            variable, client = pending.pop()
            found = self._clients[variable]
            found.pop(client, None)
            if found or variable in self.inputs:
                continue
            node = variable.owner
            if node is None:
                self._disown(variable)
            elif node in self.apply_nodes and not any(self._clients[o] for o in node.outputs):
                self.apply_nodes.remove(node)
                node.__dict__.pop("fgraph", None)
                for output in node.outputs:
                    if output not in self.inputs:
                        self._disown(output)
                self.execute_callbacks("on_prune", node, reason)
                pending += [(v, (node, i)) for i, v in enumerate(node.inputs)]

    def _disown(self, variable: Variable) -> None:
        self.variables.discard(variable)
        self._clients.pop(variable, None)
        variable.__dict__.pop("fgraph", None)

    def disown(self) -> None:
        """Let go of all nodes; the graph is empty afterwards."""
        for feature in list(self._features):
            self.remove_feature(feature)
        for node in self.apply_nodes:
            node.__dict__.pop("fgraph", None)
        for variable in list(self.variables):
            self._disown(variable)
        self.apply_nodes, self.inputs, self.outputs = set(), [], []

    # ---- changing

    def change_input(
        self, node: Apply | str, i: int, new_r: Variable, reason: Any = None
    ) -> None:
        """Let a node read another variable.

        Parameters
        ----------
        node : Apply or "output"
            ``"output"`` changes output `i` of the graph.
        i : int
        new_r : Variable
            Of the same type.
        reason : object, optional
            Passed to features.

        Raises
        ------
        TypeError
            If the types differ.
        """
        old = self.outputs[i] if isinstance(node, str) else node.inputs[i]
        if old is new_r:
            return
        if old.type != new_r.type:
            raise TypeError(
                user_message(
                    f"operand {i} of {node} can't be replaced by a variable of another type",
                    got=f"{new_r} of type {new_r.type}",
                    expected=str(old.type),
                    hint=str(reason) if reason is not None else None,
                )
            )
        self.import_var(new_r, reason)
        if isinstance(node, str):
            self.outputs[i] = new_r
        else:
            node.inputs[i] = new_r
        self._clients[new_r][node, i] = None
        self.execute_callbacks("on_change_input", node, i, old, new_r, reason)
        self._remove_client(old, (node, i), reason)

    def replace(
        self, r: Variable, new_r: Variable, reason: Any = None, verbose: bool | None = None
    ) -> None:
        """Let everybody who reads `r` read `new_r`.

        A variable of another type is converted if that loses nothing.

        Raises
        ------
        TypeError
            If the types do not fit.
        """
        del verbose
        if r not in self.variables:
            return  # an earlier replacement has removed it
        new_r = r.type.filter_variable(new_r)
        if r is new_r:
            return
        for node, i in self.clients(r):
            if r in self.variables:
                self.change_input(node, i, new_r, reason)

    def replace_all(
        self, pairs: Iterable[tuple[Variable, Variable]], reason: Any = None
    ) -> None:
        """Make several replacements, one after the other."""
        for r, new_r in pairs:
            self.replace(r, new_r, reason)

    # ---- features

    def attach_feature(self, feature: Any) -> None:
        """Attach a feature, unless it is there or says that one like it is there."""
        if feature in self._features:
            return
        attach = getattr(feature, "on_attach", None)
        if attach is not None:
            try:
                attach(self)
            except AlreadyThere:
                return
        self._features.append(feature)

    def remove_feature(self, feature: Any) -> None:
        """Detach a feature, if it is there."""
        if feature in self._features:
            self._features.remove(feature)
            detach = getattr(feature, "on_detach", None)
            if detach is not None:
                detach(self)

    def execute_callbacks(self, name: str, *args: Any, **kwargs: Any) -> None:
        """Call a method of all features that have it: ``method(fgraph, *args)``."""
        for feature in list(self._features):
            method = getattr(feature, name, None)
            if method is not None:
                method(self, *args, **kwargs)

    def collect_callbacks(self, name: str, *args: Any) -> dict[Any, Any]:
        """Call a method of all features that have it; what they return, by feature."""
        methods = [(f, getattr(f, name, None)) for f in self._features]
        return {f: method(self, *args) for f, method in methods if method is not None}

    # ---- looking

    def orderings(self) -> dict[Apply, list[Apply]]:
        """Return what features say about the order: nodes that must come before a node."""
        found: dict[Apply, list[Apply]] = {}
        for orders in self.collect_callbacks("orderings").values():
            for node, before in (orders or {}).items():
                found.setdefault(node, []).extend(before)
        return found

    def toposort(self) -> list[Apply]:
        """Return the applications, each after those it depends on."""
        order = toposort(self.outputs, self.inputs, self.orderings())
        if len(order) < len(self.apply_nodes):  # imported, and read by nobody yet
            rest = [o for n in self.apply_nodes for o in n.outputs]
            order = toposort([*self.outputs, *rest], self.inputs, self.orderings())
        return order

    def check_integrity(self) -> None:
        """Check that links, clients and sets agree.

        Raises
        ------
        InconsistencyError
            If they do not, or the graph has a cycle.
        """
        try:
            nodes = set(toposort(self.outputs, self.inputs))
        except CycleError as error:
            raise InconsistencyError(str(error)) from error
        if nodes - self.apply_nodes:
            raise InconsistencyError(f"nodes that were never imported: {nodes - self.apply_nodes}")
        reads: dict[Variable, set[tuple[int, int]]] = {}
        for node in self.apply_nodes:
            for i, variable in enumerate(node.inputs):
                reads.setdefault(variable, set()).add((id(node), i))
        for i, output in enumerate(self.outputs):
            reads.setdefault(output, set()).add((id("output"), i))
        for variable in {*self.variables, *reads}:
            known = {(id(n), i) for n, i in self._clients.get(variable, ())}
            if known != reads.get(variable, set()):
                raise InconsistencyError(f"the clients of {variable} are not those who read it")

    def clone(self, check_integrity: bool = True) -> FunctionGraph:
        """Return a copy with nodes of its own and the same features."""
        return self.clone_get_equiv(check_integrity)[0]

    def clone_get_equiv(
        self, check_integrity: bool = True, attach_feature: bool = True
    ) -> tuple[FunctionGraph, dict[Any, Any]]:
        """Return a copy, and the dict from old to new variables and applications."""
        copies = _copies(self.inputs, self.outputs)
        made = FunctionGraph(
            [copies[v] for v in self.inputs], [copies[v] for v in self.outputs], clone=False
        )
        if check_integrity:
            made.check_integrity()
        if attach_feature:
            for feature in self._features:
                made.attach_feature(feature)
        return made, copies

    def __reduce__(self) -> tuple[Any, ...]:
        ends = (self.inputs, self.outputs, self._features, False, self.update_mapping)
        return FunctionGraph, ends

    def debugprint_info(self) -> DebugprintInfo:
        """Outputs and order, for `debugprint`."""
        return DebugprintInfo(self.outputs, self.toposort(), clients=self.clients)

    def __contains__(self, item: object) -> bool:
        return item in self.variables or item in self.apply_nodes

    def __iter__(self) -> Iterator[Apply]:
        return iter(self.toposort())

    def __len__(self) -> int:
        return len(self.apply_nodes)

    def __str__(self) -> str:
        return f"[{', '.join(map(str, self.outputs))}]"

    __repr__ = __str__


def _copies(inputs: Sequence[Variable], outputs: Sequence[Variable]) -> dict[Any, Any]:
    """Copies of everything but shared variables."""
    constants = [v for v in orphans(inputs, outputs) if isinstance(v, Constant)]
    memo: dict[Any, Any] = {v: v.clone() for v in constants}
    return clone_get_equiv(inputs, outputs, copy_orphans=False, memo=memo)


class AlreadyThere(Exception):  # noqa: N818 - Theano's name
    """Raised by ``on_attach`` where the graph has such a feature."""
