"""Optimizers of whole graphs, on a `FunctionGraph`; local ones come from `symc.gof.local`.

These serve optimizers that are applied to a graph by hand or given to a `Mode`. What is registered
(`symc.gof.optdb`) becomes a rule or a pass of the compiler's own rewriter.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from ..config import config
from ..errors import InconsistencyError, RewriteError, user_message
from ..graph.graph import equal_computations, rebuild
from ..graph.node import Apply, Constant, Variable
from ..graph.text import debugprint
from ..graph.walk import graph_inputs
from ..rewrite.engine import optimize as run_rules
from ..rewrite.selection import Selection
from .fg import FunctionGraph
from .local import (
    FromFunctionLocalOptimizer,
    LocalOptGroup,
    LocalOptimizer,
    OpRemove,
    OpSub,
    PatternSub,
    copy_stack_trace,
    local_optimizer,
)
from .toolbox import Feature, ReplaceValidate

__all__ = [
    "AddFeatureOptimizer",
    "EquilibriumOptimizer",
    "FromFunctionLocalOptimizer",
    "FromFunctionOptimizer",
    "InconsistencyError",
    "LocalOptGroup",
    "LocalOptimizer",
    "MergeOptimizer",
    "NavigatorOptimizer",
    "OpKeyOptimizer",
    "OpRemove",
    "OpSub",
    "Optimizer",
    "PatternSub",
    "PrintCurrentFunctionGraph",
    "RuleOptimizer",
    "SeqOptimizer",
    "TopoOptimizer",
    "check_chain",
    "check_stack_trace",
    "copy_stack_trace",
    "in2out",
    "inplace_optimizer",
    "is_same_graph_with_merge",
    "local_optimizer",
    "optimizer",
    "out2in",
    "pre_constant_merge",
    "pre_greedy_local_optimizer",
]


class Optimizer:
    """What changes a whole graph.

    Attributes
    ----------
    name : str or None
    """

    name: str | None = None

    def apply(self, fgraph: FunctionGraph) -> Any:
        """Change the graph."""
        raise NotImplementedError(f"{type(self).__name__} does not define apply")

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach the features that it needs."""

    def optimize(self, fgraph: FunctionGraph, *args: Any, **kwargs: Any) -> Any:
        """Attach what is needed, and change the graph."""
        self.add_requirements(fgraph)
        return self.apply(fgraph, *args, **kwargs)

    def __call__(self, fgraph: FunctionGraph) -> Any:
        return self.optimize(fgraph)

    def rewritten(self, outputs: Sequence[Variable]) -> list[Variable]:
        """Return outputs of a changed copy of a graph; leaves stay the same."""
        leaves = [v for v in graph_inputs(list(outputs)) if not isinstance(v, Constant)]
        fgraph = FunctionGraph(leaves, outputs)
        copies = list(fgraph.inputs)
        self.optimize(fgraph)
        made = rebuild(fgraph.outputs, list(zip(copies, leaves, strict=True)))
        fgraph.disown()
        return made

    def print_summary(self, stream: Any = None, level: int = 0, depth: int = -1) -> None:
        """Print its name."""
        print(f"{' ' * level}{type(self).__name__} {self.name or ''}", file=stream or sys.stdout)


class FromFunctionOptimizer(Optimizer):
    """A function of graphs as an optimizer; made by `optimizer`.

    Parameters
    ----------
    fn : callable
    requirements : sequence of callable
        Each makes a feature.
    """

    def __init__(
        self, fn: Callable[..., Any], requirements: Sequence[Callable[[], Feature]] = ()
    ) -> None:
        self.fn, self.requirements = fn, requirements
        self.__name__ = self.name = fn.__name__
        self.__doc__ = fn.__doc__

    def apply(self, fgraph: FunctionGraph, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.fn(fgraph, *args, **kwargs)

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach the features that it needs, and `ReplaceValidate`."""
        for make in (ReplaceValidate, *self.requirements):
            fgraph.attach_feature(make())


def optimizer(fn: Callable[..., Any]) -> FromFunctionOptimizer:
    """Make an optimizer of the decorated function of a `FunctionGraph`."""
    return FromFunctionOptimizer(fn)


def inplace_optimizer(fn: Callable[..., Any]) -> FromFunctionOptimizer:
    """Make an optimizer of the decorated function; what shares memory is decided later."""
    return FromFunctionOptimizer(fn)


class SeqOptimizer(Optimizer, list[Any]):  # type: ignore[misc]
    """Optimizers, one after the other.

    Parameters
    ----------
    *opts : Optimizer, or one list of them
    name : str, optional
    failure_callback : callable, optional
        ``callback(error, self, optimizer)``; by default what ``config.on_opt_error`` says.
    """

    def __init__(
        self,
        *opts: Any,
        name: str | None = None,
        failure_callback: Callable[..., None] | None = None,
    ) -> None:
        if len(opts) == 1 and isinstance(opts[0], (list, tuple)):
            opts = tuple(opts[0])
        list.__init__(self, opts)
        self.name = name
        self.failure_callback = failure_callback

    def __hash__(self) -> int:  # type: ignore[override]
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach the features that they need."""
        for opt in self:
            opt.add_requirements(fgraph)

    def apply(self, fgraph: FunctionGraph) -> None:
        """Apply all."""
        for opt in self:
            try:
                opt.optimize(fgraph)
            except Exception as error:
                if self.failure_callback is None:
                    _failed(error, opt, None)
                else:
                    self.failure_callback(error, self, opt)


def _failed(error: Exception, opt: Any, node: Apply | None) -> None:
    """Do what ``config.on_opt_error`` says."""
    if config.on_opt_error in ("raise", "pdb"):
        raise error
    if config.on_opt_error == "warn":
        where = "" if node is None else f" on {node.op}"
        print(f"symc: the optimizer {opt} failed{where}: {error}", file=sys.stderr)


class NavigatorOptimizer(Optimizer):
    """Base of optimizers that try a local one at nodes of a graph.

    Parameters
    ----------
    local_opt : LocalOptimizer
    ignore_newtrees : bool, optional
        Whether it is not tried at nodes that it has made.
    failure_callback : callable, optional
        ``callback(error, self, replacements, local_opt, node)``.
    """

    def __init__(
        self,
        local_opt: Any,
        ignore_newtrees: Any = "auto",
        failure_callback: Callable[..., None] | None = None,
    ) -> None:
        self.local_opt = local_opt
        reentrant = getattr(local_opt, "reentrant", True)
        self.ignore_newtrees = not reentrant if ignore_newtrees == "auto" else ignore_newtrees
        self.failure_callback = failure_callback
        self.name = f"{type(self).__name__}({local_opt})"

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach what replacing needs, and what the local optimizer needs."""
        fgraph.attach_feature(ReplaceValidate())
        if hasattr(self.local_opt, "add_requirements"):
            self.local_opt.add_requirements(fgraph)

    def process_node(self, fgraph: FunctionGraph, node: Apply, lopt: Any = None) -> bool:
        """Try the local optimizer at a node, and replace what it says; whether it applied."""
        lopt = lopt or self.local_opt
        pairs: list[tuple[Variable, Variable]] | None = None
        try:
            result = lopt.transform(node)
            if result is False or result is None:
                return False
            pairs, removed = replacements_of(node, result, lopt)
            pairs = [(old, new) for old, new in pairs if new is not old]
            if not pairs:
                return False
            fgraph.replace_all_validate_remove(pairs, removed, reason=lopt)  # type: ignore[attr-defined]
        except Exception as error:
            if self.failure_callback is None:
                _failed(error, lopt, node)
            else:
                self.failure_callback(error, self, pairs, lopt, node)
            return False
        return True

    def _walk(self, fgraph: FunctionGraph, start: Iterable[Apply], last: bool) -> bool:
        """Try nodes in an order; new ones too unless they are ignored. Whether anything changed."""
        queue = deque(start)
        new = _NewNodes()
        if not self.ignore_newtrees:
            fgraph.attach_feature(new)
        changed = False
        try:
            while queue:
                node = queue.pop() if last else queue.popleft()
                if node in fgraph.apply_nodes and self._wanted(node):
                    changed |= self.process_node(fgraph, node)
                fresh = new.take()
                queue.extend(fresh) if last else queue.extendleft(reversed(fresh))
        finally:
            fgraph.remove_feature(new)
        return changed

    def _wanted(self, node: Apply) -> bool:
        return True


class _NewNodes(Feature):
    """Collects nodes that come in."""

    def __init__(self) -> None:
        self.nodes: list[Apply] = []

    def on_import(self, fgraph: FunctionGraph, node: Apply, reason: Any) -> None:
        """Note a node."""
        self.nodes.append(node)

    def take(self) -> list[Apply]:
        """The nodes since the last time."""
        found, self.nodes = self.nodes, []
        return found


def replacements_of(
    node: Apply, result: Any, lopt: Any
) -> tuple[list[tuple[Variable, Variable]], list[Any]]:
    """Pairs (old, new), and what must be gone, from what a local optimizer returned.

    Raises
    ------
    RewriteError
        If it is none of the forms.
    """
    if isinstance(result, dict):
        given = dict(result)
        removed = list(given.pop("remove", ()))
        return list(given.items()), removed
    if not isinstance(result, (list, tuple)) or len(result) != len(node.outputs):
        raise RewriteError(
            user_message(
                f"the optimizer {lopt} returned the wrong thing for {node.op}",
                got=repr(result),
                expected=f"False, a dict, or a list of {len(node.outputs)} variables",
            )
        )
    pairs = zip(node.outputs, result, strict=True)
    return [(old, new) for old, new in pairs if new is not None], []


class TopoOptimizer(NavigatorOptimizer):
    """Tries a local optimizer at all nodes, operands first or last.

    Parameters
    ----------
    local_opt : LocalOptimizer
    order : {"in_to_out", "out_to_in"}
    ignore_newtrees : bool, optional
    failure_callback : callable, optional
    """

    def __init__(
        self,
        local_opt: Any,
        order: str = "in_to_out",
        ignore_newtrees: Any = False,
        failure_callback: Callable[..., None] | None = None,
    ) -> None:
        if order not in ("in_to_out", "out_to_in"):
            raise ValueError(f"order must be 'in_to_out' or 'out_to_in', got {order!r}")
        super().__init__(local_opt, ignore_newtrees, failure_callback)
        self.order = order

    def apply(self, fgraph: FunctionGraph, start_from: Any = None) -> bool:
        """Try all nodes once, and those that come in."""
        return self._walk(fgraph, fgraph.toposort(), last=self.order == "out_to_in")


class OpKeyOptimizer(NavigatorOptimizer):
    """Tries a local optimizer at the applications of ``local_opt.op_key()``."""

    def _wanted(self, node: Apply) -> bool:
        wanted = self.local_opt.op_key()
        return any(node.op == op for op in (wanted if isinstance(wanted, list) else [wanted]))

    def apply(self, fgraph: FunctionGraph) -> bool:
        """Try those nodes."""
        return self._walk(fgraph, fgraph.toposort(), last=False)


def _navigator(order: str, local_opts: Sequence[Any], options: dict[str, Any]) -> TopoOptimizer:
    if not local_opts:
        raise TypeError("give at least one local optimizer")
    name = options.pop("name", None)
    single = local_opts[0] if len(local_opts) == 1 else LocalOptGroup(*local_opts)
    made = TopoOptimizer(single, order, **options)
    made.name = name or made.name
    return made


def in2out(*local_opts: Any, **options: Any) -> TopoOptimizer:
    """Return an optimizer that tries local ones from the inputs to the outputs."""
    return _navigator("in_to_out", local_opts, options)


def out2in(*local_opts: Any, **options: Any) -> TopoOptimizer:
    """Return an optimizer that tries local ones from the outputs to the inputs."""
    return _navigator("out_to_in", local_opts, options)


class EquilibriumOptimizer(NavigatorOptimizer):
    """Tries optimizers again and again until none changes anything.

    Parameters
    ----------
    optimizers : sequence of LocalOptimizer or Optimizer
    failure_callback : callable, optional
    ignore_newtrees : bool, optional
    tracks_on_change_inputs : bool, optional
        Accepted as in Theano: a node whose operand has changed is tried again in any case.
    max_use_ratio : float, optional
        How often one optimizer may apply, per node of the graph; default ``config.optdb``'s.
    final_optimizers, cleanup_optimizers : sequence of Optimizer
        Applied at the end of every round; the latter also after every global one.
    """

    def __init__(
        self,
        optimizers: Sequence[Any],
        failure_callback: Callable[..., None] | None = None,
        ignore_newtrees: bool = True,
        tracks_on_change_inputs: bool = False,
        max_use_ratio: float | None = None,
        final_optimizers: Sequence[Any] = (),
        cleanup_optimizers: Sequence[Any] = (),
    ) -> None:
        local = [o for o in optimizers if isinstance(o, LocalOptimizer)]
        self.local_optimizers = local
        self.global_optimizers = [o for o in optimizers if not isinstance(o, LocalOptimizer)]
        super().__init__(LocalOptGroup(*local) if local else None, ignore_newtrees,
                         failure_callback)
        self.max_use_ratio = config.optdb.max_use_ratio if max_use_ratio is None else max_use_ratio
        self.final_optimizers = list(final_optimizers)
        self.cleanup_optimizers = list(cleanup_optimizers)
        self.name = type(self).__name__

    def add_requirements(self, fgraph: FunctionGraph) -> None:
        """Attach the features that they need."""
        fgraph.attach_feature(ReplaceValidate())
        for opt in (*self.local_optimizers, *self.global_optimizers):
            opt.add_requirements(fgraph)

    def apply(self, fgraph: FunctionGraph) -> None:
        """Go round until nothing changes, or an optimizer has been used too often."""
        budget = self.max_use_ratio * max(1, len(fgraph.apply_nodes))
        changes = _Changes()
        fgraph.attach_feature(changes)
        used = 0
        try:
            changed = True
            while changed:
                if used > budget:
                    print(
                        f"symc: {self.name} has not come to rest after {used} rounds; "
                        "max_use_ratio sets the limit", file=sys.stderr,
                    )
                    return
                used += 1
                before = changes.count
                for opt in (*self.global_optimizers, *self.cleanup_optimizers):
                    opt.apply(fgraph)
                if self.local_optimizers:
                    self._walk(fgraph, fgraph.toposort(), last=False)
                for opt in (*self.final_optimizers, *self.cleanup_optimizers):
                    opt.optimize(fgraph)
                changed = changes.count > before
        finally:
            fgraph.remove_feature(changes)


class _Changes(Feature):
    """Counts changes that last."""

    def __init__(self) -> None:
        self.count = 0

    def on_change_input(
        self, fgraph: FunctionGraph, node: Any, i: int, r: Variable, new_r: Variable, reason: Any
    ) -> None:
        """Count, or take back what is undone."""
        self.count += -1 if reason == "revert" else 1


class RuleOptimizer(Optimizer):
    """The compiler's own rules as an optimizer.

    Parameters
    ----------
    selection : Selection
        Which of them.
    """

    def __init__(self, selection: Selection, name: str | None = None) -> None:
        self.selection = selection
        self.name = name or selection.preset

    def apply(self, fgraph: FunctionGraph) -> None:
        """Let the rules rewrite the outputs."""
        made = run_rules(list(fgraph.outputs), None, self.selection).outputs
        for i, (old, new) in enumerate(zip(list(fgraph.outputs), made, strict=True)):
            if new is not old:
                fgraph.change_input("output", i, old.type.filter_variable(new), reason=self.name)


class MergeOptimizer(RuleOptimizer):
    """Makes equal constants and equal nodes one."""

    def __init__(self) -> None:
        super().__init__(Selection("merge"), "merge")


class AddFeatureOptimizer(Optimizer):
    """Attaches a feature.

    Parameters
    ----------
    feature : Feature
    """

    def __init__(self, feature: Any) -> None:
        self.feature = feature
        self.name = f"AddFeatureOptimizer({type(feature).__name__})"

    def apply(self, fgraph: FunctionGraph) -> None:
        """Attach it."""
        fgraph.attach_feature(self.feature)


class PrintCurrentFunctionGraph(Optimizer):
    """Prints the graph as it is, to standard output.

    Parameters
    ----------
    header : str
        Printed first.
    """

    def __init__(self, header: str) -> None:
        self.header = header
        self.name = "PrintCurrentFunctionGraph"

    def apply(self, fgraph: FunctionGraph) -> None:
        """Print."""
        print(self.header)
        debugprint(fgraph)


def is_same_graph_with_merge(
    var1: Variable, var2: Variable, givens: dict[Variable, Variable] | None = None
) -> bool:
    """Tell whether two variables are the same computation."""
    first, second = rebuild([var1, var2], givens) if givens else (var1, var2)
    return equal_computations([first], [second])


def pre_constant_merge(vars: Sequence[Variable]) -> list[Variable]:
    """Return variables of which equal constants are one object."""
    return run_rules(list(vars), None, Selection("merge")).outputs


def pre_greedy_local_optimizer(list_optimizations: Sequence[Any], out: Variable) -> Variable:
    """Return a variable to which local optimizers have been applied, operands first."""
    (made,) = in2out(*list_optimizations).rewritten([out])
    return made


def check_stack_trace(f_or_fgraph: Any, ops_to_check: Any = "all", **options: Any) -> bool:
    """Tell whether the nodes of a graph know the line where they were made.

    Parameters
    ----------
    f_or_fgraph : compiled function or graph
    ops_to_check : "all", or an op, a class of ops, or a list of them
    """
    graph = f_or_fgraph.maker.fgraph if hasattr(f_or_fgraph, "maker") else f_or_fgraph
    bug_print = options.pop("bug_print", "raise")
    wanted = ops_to_check if isinstance(ops_to_check, (list, tuple)) else [ops_to_check]
    silent = [
        node
        for node in graph.toposort()
        if (ops_to_check == "all" or any(_is(node.op, w) for w in wanted))
        and not all(getattr(out.tag, "trace", None) for out in node.outputs)
    ]
    if silent and bug_print == "raise":
        raise AssertionError(f"{silent[0]} does not know the line where it was made")
    return not silent


def _is(op: Any, wanted: Any) -> bool:
    return isinstance(op, wanted) if isinstance(wanted, type) else bool(op == wanted)


def check_chain(r: Any, *chain: Any) -> bool:
    """Tell whether a variable is ``chain[0](chain[1](...))``, followed along first operands.

    A member of the chain is an op, a class of ops, or a function of the op.
    """
    node = r.owner if isinstance(r, Variable) else r
    members = [m for part in chain for m in (part if isinstance(part, (list, tuple)) else [part])]
    for member in members:
        if node is None:
            return False
        is_test = callable(member) and not hasattr(member, "make_node")
        fits = member(node.op) if is_test and not isinstance(member, type) else _is(node.op, member)
        if not fits:
            return False
        node = node.inputs[0].owner if node.inputs else None
    return True
