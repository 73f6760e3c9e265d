"""Local optimizers: functions of one node; substitution, removal and patterns."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..errors import RewriteError
from ..graph.node import Apply, Constant, Variable
from ..graph.op import Op
from .toolbox import Feature, ReplaceValidate

__all__ = [
    "FromFunctionLocalOptimizer",
    "LocalOptGroup",
    "LocalOptimizer",
    "OpRemove",
    "OpSub",
    "PatternSub",
    "copy_stack_trace",
    "local_optimizer",
]


class LocalOptimizer:
    """What may replace a node.

    Attributes
    ----------
    name : str
    """

    name: str = ""
    __name__: str = ""

    def tracks(self) -> Sequence[Any] | None:
        """Return the ops, or classes of ops, that are looked at; None for all."""
        return None

    def transform(self, node: Apply) -> Any:
        """Return what replaces the outputs of a node.

        Returns
        -------
        False, list of Variable or None, or dict
            False: nothing; a list with one variable per output; or ``{old: new}``.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define transform")

    def add_requirements(self, fgraph: Any) -> None:
        """Attach the features that it needs."""

    def print_summary(self, stream: Any = None, level: int = 0, depth: int = -1) -> None:
        """Print its name."""
        print(f"{' ' * level}{self}", file=stream or sys.stdout)

    def __str__(self) -> str:
        return self.name or type(self).__name__


def _is_tracked(op: Any, tracked: Sequence[Any] | None) -> bool:
    if tracked is None:
        return True
    return any(isinstance(op, t) if isinstance(t, type) else op == t for t in tracked)


class FromFunctionLocalOptimizer(LocalOptimizer):
    """A function of nodes as an optimizer; made by `local_optimizer`.

    Parameters
    ----------
    fn : callable
    tracks : sequence, optional
    requirements : sequence of callable
        Each makes a feature.
    """

    def __init__(
        self,
        fn: Callable[[Apply], Any],
        tracks: Sequence[Any] | None = None,
        requirements: Sequence[Callable[[], Feature]] = (),
    ) -> None:
        self.fn = fn
        self._tracks = tracks
        self.requirements = requirements
        self.__name__ = self.name = fn.__name__
        self.__doc__ = fn.__doc__

    def tracks(self) -> Sequence[Any] | None:
        """Return the ops that are looked at."""
        return self._tracks

    def transform(self, node: Apply) -> Any:
        """Return what the function says about a node of those ops."""
        return self.fn(node) if _is_tracked(node.op, self._tracks) else False

    def __call__(self, node: Apply) -> Any:
        return self.fn(node)

    def add_requirements(self, fgraph: Any) -> None:
        """Attach the features that it needs."""
        for make in self.requirements:
            fgraph.attach_feature(make())


def local_optimizer(
    tracks: Sequence[Any] | None,
    inplace: bool = False,
    requirements: Sequence[Callable[[], Feature]] = (),
) -> Callable[[Callable[[Apply], Any]], FromFunctionLocalOptimizer]:
    """Make a local optimizer of the decorated function of a node.

    Parameters
    ----------
    tracks : list of Op or of classes of ops, or None
        The nodes that the function is asked about; None: all.
    inplace : bool, optional
        Accepted as in Theano; what shares memory is decided after rewriting.
    requirements : sequence of callable
        Each makes a feature that the graph must have.

    Raises
    ------
    ValueError
        If `tracks` is an empty list.

    Examples
    --------
    >>> import symc.tensor as T
    >>> from symc.gof import local_optimizer
    >>> @local_optimizer([T.log])
    ... def log_of_exp(node):
    ...     x = node.inputs[0]
    ...     if x.owner is not None and x.owner.op == T.exp:
    ...         return [x.owner.inputs[0]]
    """
    if tracks is not None and not tracks:
        raise ValueError("tracks must name an op, or be None for all")
    needed = [*requirements, ReplaceValidate] if inplace else list(requirements)
    return lambda fn: FromFunctionLocalOptimizer(fn, tracks, needed)


class LocalOptGroup(LocalOptimizer):
    """Several local optimizers, of which the first one that applies is used.

    Parameters
    ----------
    *optimizers : LocalOptimizer
    """

    def __init__(self, *optimizers: LocalOptimizer, **options: Any) -> None:
        if len(optimizers) == 1 and isinstance(optimizers[0], (list, tuple)):
            optimizers = tuple(optimizers[0])
        self.opts = list(optimizers)
        self.name = "LocalOptGroup(" + ", ".join(map(str, self.opts)) + ")"
        del options  # of Theano's; they are about its profiler and its order

    def tracks(self) -> Sequence[Any] | None:
        """Return the ops that any of them looks at."""
        found = [o.tracks() for o in self.opts]
        return None if any(t is None for t in found) else [op for t in found for op in t or ()]

    def transform(self, node: Apply) -> Any:
        """Return what the first one says that applies."""
        for optimizer in self.opts:
            if _is_tracked(node.op, optimizer.tracks()):
                result = optimizer.transform(node)
                if result is not False and result is not None:
                    return result
        return False

    def add_requirements(self, fgraph: Any) -> None:
        """Attach the features that they need."""
        for optimizer in self.opts:
            optimizer.add_requirements(fgraph)


class OpSub(LocalOptimizer):
    """Applications of one op become applications of another.

    Parameters
    ----------
    op1, op2 : Op
    transfer_tags : bool, optional
        Whether the new node takes over the old one's tags.
    """

    def __init__(self, op1: Op, op2: Op, transfer_tags: bool = True) -> None:
        self.op1, self.op2, self.transfer_tags = op1, op2, transfer_tags
        self.name = f"{op1}->{op2}"

    def op_key(self) -> Op:
        """Return the op that is replaced."""
        return self.op1

    def tracks(self) -> Sequence[Any]:
        """Return the op that is replaced."""
        return [self.op1]

    def transform(self, node: Apply) -> Any:
        """Apply the other op to the same operands."""
        if node.op != self.op1:
            return False
        made = self.op2.make_node(*node.inputs)
        if self.transfer_tags:
            for old, new in zip((node, *node.outputs), (made, *made.outputs), strict=True):
                vars(new.tag).update(vars(old.tag))
        return made.outputs


class OpRemove(LocalOptimizer):
    """Applications of an op become their operands, one for one.

    Parameters
    ----------
    op : Op
        With as many outputs as inputs.
    """

    def __init__(self, op: Op) -> None:
        self.op = op
        self.name = f"{op}(x) -> x"

    def op_key(self) -> Op:
        """Return the op that is removed."""
        return self.op

    def tracks(self) -> Sequence[Any]:
        """Return the op that is removed."""
        return [self.op]

    def transform(self, node: Apply) -> Any:
        """Return the operands."""
        return list(node.inputs) if node.op == self.op else False


class PatternSub(LocalOptimizer):
    """An expression of one form becomes one of another.

    Parameters
    ----------
    in_pattern : tuple
        ``(op, operand, ...)``; an operand is such a tuple, a string (anything, the same wherever
        the string stands), a number or constant (matched by value), or
        ``{"pattern": pattern, "constraint": function of the variable}``.
    out_pattern : tuple, str, number or Constant
        What takes its place, in the same form.
    allow_multiple_clients : bool, optional
        Whether inner parts may be read by others too (only asked where readers are known).
    skip_identities_fn : callable, optional
        ``fn(variable)`` returns what is behind an identity, or None.
    name : str, optional
    pdb : bool, optional
        Accepted as in Theano.
    tracks : sequence of Op, optional
        Where to start besides the outermost op: `get_nodes` must then be given.
    get_nodes : callable, optional
        ``get_nodes(fgraph, node)`` gives the nodes at which the pattern is tried.
    values_eq_approx : callable, optional
        Put on the tag of the new variable.

    Examples
    --------
    >>> import symc.tensor as T
    >>> from symc.gof import PatternSub
    >>> str(PatternSub((T.log, (T.exp, "x")), "x"))
    '(log, (exp, x)) -> x'
    """

    def __init__(
        self,
        in_pattern: Any,
        out_pattern: Any,
        allow_multiple_clients: bool = False,
        skip_identities_fn: Callable[[Variable], Variable | None] | None = None,
        name: str | None = None,
        pdb: bool = False,
        tracks: Sequence[Any] = (),
        get_nodes: Callable[..., Iterable[Apply]] | None = None,
        values_eq_approx: Callable[..., bool] | None = None,
    ) -> None:
        del pdb
        outer = in_pattern
        while isinstance(outer, dict):
            outer = outer["pattern"]
        if not isinstance(outer, (tuple, list)) or not isinstance(outer[0], Op):
            raise TypeError(f"the pattern to look for must be a tuple (op, ...), got {outer!r}")
        if bool(tracks) != (get_nodes is not None):
            raise ValueError("give both tracks and get_nodes, or neither")
        self.op = outer[0]
        self.in_pattern, self.out_pattern = in_pattern, out_pattern
        self.values_eq_approx = values_eq_approx
        self.allow_multiple_clients = allow_multiple_clients
        self.skip_identities_fn = skip_identities_fn
        self._tracks, self.get_nodes = list(tracks), get_nodes
        self.__name__ = self.name = name or f"{_shown(in_pattern)} -> {_shown(out_pattern)}"

    def op_key(self) -> Op:
        """Return the outermost op."""
        return self.op

    def tracks(self) -> Sequence[Any]:
        """Return the ops where the pattern is tried."""
        return self._tracks or [self.op]

    def transform(self, node: Apply, get_nodes: bool = True) -> Any:
        """Return the other form, if the node has the one that is looked for."""
        if get_nodes and self.get_nodes is not None:
            for real in self.get_nodes(getattr(node, "fgraph", None), node):
                made = self.transform(real, get_nodes=False)
                if made is not False:
                    return dict(zip(real.outputs, made, strict=True))
            return False
        if node.op != self.op or len(node.outputs) != 1:
            return False
        found = self._matched(node.outputs[0])
        if found is None:
            return False
        made = self._built(self.out_pattern, found)
        old = node.outputs[0]
        if not isinstance(made, Variable):
            made = old.type.make_constant(np.asarray(made, dtype=getattr(old.type, "dtype", None)))
        if made.type != old.type:
            try:
                made = old.type.filter_variable(made)
            except TypeError:
                return False
        if self.values_eq_approx is not None:
            made.tag.values_eq_approx = self.values_eq_approx
        copy_stack_trace(old, made)
        return [made]

    def _matched(self, root: Variable) -> dict[str, Variable] | None:
        """What the strings of the pattern stand for."""
        found: dict[str, Variable] = {}
        graph = getattr(root.owner, "fgraph", None)
        pending = [(self.in_pattern, root, True)]
        while pending:
            pattern, variable, outermost = pending.pop()
            if isinstance(pattern, dict):
                constraint = pattern.get("constraint")
                if constraint is not None and not constraint(variable):
                    return None
                pending.append((pattern["pattern"], variable, outermost))
            elif isinstance(pattern, str):
                if found.setdefault(pattern, variable) is not variable:
                    return None
            elif isinstance(pattern, (tuple, list)):
                node = self._application(pattern, variable, None if outermost else graph)
                if node is None:
                    return None
                pending += [(p, v, False) for p, v in zip(pattern[1:], node.inputs, strict=True)]
            elif not _same_value(pattern, variable):
                return None
        return found

    def _application(self, pattern: Any, variable: Variable, graph: Any) -> Apply | None:
        """The node of a variable if it is of the pattern's op, and read in `graph` once only."""
        node = variable.owner
        if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1:
            behind = self.skip_identities_fn and self.skip_identities_fn(variable)
            node = behind.owner if behind else None
            if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1:
                return None
        if self.allow_multiple_clients or graph is None:
            return node
        return node if len(graph.clients(variable)) <= 1 else None

    def _built(self, pattern: Any, found: dict[str, Variable]) -> Any:
        if isinstance(pattern, (tuple, list)):
            return pattern[0](*(self._built(p, found) for p in pattern[1:]))
        return found[pattern] if isinstance(pattern, str) else pattern


def _same_value(pattern: Any, variable: Variable) -> bool:
    if isinstance(pattern, Constant):
        return isinstance(variable, Constant) and pattern.equals(variable)
    if not isinstance(pattern, (int, float, complex, np.generic, np.ndarray)):
        raise RewriteError(f"a pattern can't contain {pattern!r} of {type(pattern).__name__}")
    while variable.owner is not None and getattr(variable.owner.op, "new_order", None) is not None:
        (variable,) = variable.owner.inputs  # a number that has been broadcast
    if not isinstance(variable, Constant):
        return False
    data = np.asarray(variable.data)
    return data.size > 0 and bool(np.all(data == pattern))


def _shown(pattern: Any) -> str:
    if isinstance(pattern, dict):
        return f"{_shown(pattern['pattern'])} subject to {pattern.get('constraint')}"
    if isinstance(pattern, (tuple, list)):
        op = getattr(pattern[0], "scalar_op", pattern[0])
        return f"({', '.join([str(op), *(_shown(p) for p in pattern[1:])])})"
    return str(pattern)


def copy_stack_trace(from_var: Any, to_var: Any) -> Any:
    """Give variables the line of others where they were made, if they have none.

    Parameters
    ----------
    from_var, to_var : Variable or list of Variable

    Returns
    -------
    Same as `to_var`
    """
    sources = from_var if isinstance(from_var, (list, tuple)) else [from_var]
    targets = to_var if isinstance(to_var, (list, tuple)) else [to_var]
    trace = next((t for t in (getattr(v.tag, "trace", None) for v in sources) if t), None)
    for variable in targets:
        if trace and not getattr(variable.tag, "trace", None):
            variable.tag.trace = trace
    return to_var
