"""Walks over graphs: iterative, and in Theano's order.

Lasagne's parameter order and saved models depend on that order, so two habits are kept that look
odd: with several roots the *last* root is walked first (Lasagne passes its list reversed for that
reason), and `toposort` computes the operands of a node from right to left.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import TypeVar

from symc.errors import CycleError, user_message
from symc.graph.node import Apply, Variable

__all__ = [
    "ancestors",
    "applys_between",
    "connection_pattern",
    "general_toposort",
    "graph_inputs",
    "inputs",
    "io_connection_pattern",
    "io_toposort",
    "is_in_ancestors",
    "list_of_nodes",
    "ops",
    "orphans",
    "stack_search",
    "toposort",
    "variables",
    "variables_and_orphans",
    "variables_between",
    "view_roots",
]

T = TypeVar("T")


def stack_search(
    start: Iterable[T], expand: Callable[[T], Iterable[T] | None], mode: str = "bfs"
) -> list[T]:
    """Return everything that can be reached, in the order in which it is met.

    Parameters
    ----------
    start : iterable
        The roots.
    expand : callable
        ``expand(item)`` gives the neighbours of an item, or None. In depth-first mode they are
        visited last to first.
    mode : {'bfs', 'dfs'}
        Breadth first, or depth first.
    """
    if mode not in ("bfs", "dfs"):
        raise ValueError(f"mode must be 'bfs' or 'dfs', got {mode!r}")
    pending = deque(start)
    take = pending.popleft if mode == "bfs" else pending.pop
    seen: set[int] = set()
    found: list[T] = []
    while pending:
        item = take()
        if id(item) in seen:
            continue
        seen.add(id(item))
        found.append(item)
        neighbours = expand(item)
        if neighbours:
            pending.extend(neighbours)
    return found


def ancestors(
    variable_list: Iterable[Variable], blockers: Container[Variable] | None = None
) -> list[Variable]:
    """Return the variables that `variable_list` is computed from, itself included.

    Parameters
    ----------
    variable_list : iterable of Variable
        The roots; the last one is walked first.
    blockers : container of Variable, optional
        Variables that are returned but not looked behind.

    Returns
    -------
    list of Variable
        Depth first, operands from left to right.
    """

    def operands(variable: Variable) -> list[Variable] | None:
        owner = variable.owner
        if owner is None or (blockers is not None and variable in blockers):
            return None
        return owner.inputs[::-1]

    return stack_search(variable_list, operands, "dfs")


def graph_inputs(
    variable_list: Iterable[Variable], blockers: Container[Variable] | None = None
) -> list[Variable]:
    """Return the variables without owner among the `ancestors`: inputs, shared and constants."""
    return [v for v in ancestors(variable_list, blockers) if v.owner is None]


inputs = graph_inputs


def variables_between(ins: Iterable[Variable], outs: Iterable[Variable]) -> list[Variable]:
    """Return the variables on the way from `ins` to `outs`, both included.

    All outputs of a node on the way count, and so do leaves that are not in `ins`.
    """
    known = set(ins)

    def around(variable: Variable) -> list[Variable] | None:
        owner = variable.owner
        if owner is None or variable in known:
            return None
        return [*owner.inputs, *owner.outputs][::-1]

    return stack_search(outs, around, "dfs")


variables = variables_between


def orphans(ins: Iterable[Variable], outs: Iterable[Variable]) -> list[Variable]:
    """Return the leaves that `outs` need besides `ins`: constants, shared and missing inputs."""
    known = set(ins)
    return [v for v in variables_between(known, outs) if v.owner is None and v not in known]


def variables_and_orphans(
    ins: Iterable[Variable], outs: Iterable[Variable]
) -> tuple[list[Variable], list[Variable]]:
    """Return `variables_between` and `orphans`."""
    known = set(ins)
    between = variables_between(known, outs)
    return between, [v for v in between if v.owner is None and v not in known]


def applys_between(ins: Iterable[Variable], outs: Iterable[Variable]) -> list[Apply]:
    """Return the applications that compute `outs` from `ins`, each once, outputs first."""
    known = set(ins)
    owners = [v.owner for v in variables_between(known, outs) if v not in known]
    return list(dict.fromkeys(node for node in owners if node is not None))


ops = applys_between


def toposort(
    outputs: Iterable[Variable],
    inputs: Iterable[Variable] | None = None,
    orderings: Mapping[Apply, Iterable[Apply]] | None = None,
) -> list[Apply]:
    """Return the applications needed for `outputs`, each after those it depends on.

    Parameters
    ----------
    outputs : iterable of Variable
        What is wanted.
    inputs : iterable of Variable, optional
        Variables that are given, so that their owners are not needed.
    orderings : mapping, optional
        ``{node: nodes that must come before it}``.

    Returns
    -------
    list of Apply
        The same for the same graph, whatever the hash seed.

    Raises
    ------
    CycleError
        If a node depends on itself.
    """
    given = set() if inputs is None else set(inputs)
    roots = [v.owner for v in reversed(list(outputs)) if v.owner is not None and v not in given]
    if orderings:
        return _toposort_with(orderings, roots, given)
    done: set[Apply] = set()
    opened: set[Apply] = set()
    order: list[Apply] = []
    pending = roots
    while pending:
        node = pending.pop()
        if node in opened:  # what it depends on has been walked since
            if node not in done:
                done.add(node)
                order.append(node)
            continue
        opened.add(node)
        waiting = [
            owner
            for v in node.inputs
            if (owner := v.owner) is not None and owner not in done and v not in given
        ]
        if not waiting:
            done.add(node)
            order.append(node)
            continue
        if not opened.isdisjoint(waiting):  # nodes that are opened and not done wait for this one
            raise CycleError(f"the graph contains a cycle through {node.op}")
        pending.append(node)
        pending.extend(waiting)
    return order


def _toposort_with(
    orderings: Mapping[Apply, Iterable[Apply]], roots: Sequence[Apply], given: set[Variable]
) -> list[Apply]:
    def before(node: Apply) -> list[Apply]:
        owners = [v.owner for v in node.inputs if v.owner is not None and v not in given]
        return [*owners, *orderings.get(node, ())]

    return general_toposort(roots, before)


def io_toposort(
    inputs: Iterable[Variable],
    outputs: Iterable[Variable],
    orderings: Mapping[Apply, Iterable[Apply]] | None = None,
) -> list[Apply]:
    """Return ``toposort(outputs, inputs, orderings)``; Theano's argument order."""
    return toposort(outputs, inputs, orderings)


def general_toposort(r_out: Iterable[T], deps: Callable[[T], Iterable[T] | None]) -> list[T]:
    """Sort items of any kind so that each comes after what it depends on.

    Parameters
    ----------
    r_out : iterable of hashable
        What is wanted.
    deps : callable
        ``deps(item)`` gives the items it depends on directly, or None.

    Raises
    ------
    CycleError
        If an item depends on itself; it is a ValueError.
    """
    requirements: dict[T, list[T]] = {}

    def required(item: T) -> list[T]:
        found = requirements[item] = list(dict.fromkeys(deps(item) or ()))
        return found

    reachable = stack_search(r_out, required, "dfs")
    clients: dict[T, list[T]] = {}
    missing = {}
    for item in reachable:
        missing[item] = len(requirements[item])
        for other in requirements[item]:
            clients.setdefault(other, []).append(item)
    ready = deque(item for item in reachable if not missing[item])
    order: list[T] = []
    while ready:
        item = ready.popleft()
        order.append(item)
        for client in clients.get(item, ()):
            missing[client] -= 1
            if not missing[client]:
                ready.append(client)
    if len(order) != len(reachable):
        raise CycleError("the graph contains a cycle")
    return order


def list_of_nodes(inputs: Iterable[Variable], outputs: Iterable[Variable]) -> list[Apply]:
    """Return the applications between `inputs` and `outputs`, outputs first."""
    given = {id(v) for v in inputs}

    def operand_nodes(node: Apply) -> list[Apply]:
        owners = [v.owner for v in node.inputs]
        return [o for o in owners if o is not None and not any(id(v) in given for v in o.outputs)]

    roots = [v.owner for v in outputs if v.owner is not None]
    return stack_search(roots, operand_nodes, "dfs")


def is_in_ancestors(l_apply: Apply, f_node: Apply) -> bool:
    """Tell whether the application `f_node` is needed to compute `l_apply`."""
    pending, seen = [l_apply], set()
    while pending:
        node = pending.pop()
        if node is f_node:
            return True
        if node in seen:
            continue
        seen.add(node)
        pending.extend(v.owner for v in node.inputs if v.owner is not None)
    return False


def view_roots(r: Variable) -> list[Variable]:
    """Return the variables whose memory `r` may be a view of, following ``view_map``."""
    roots: list[Variable] = []
    pending = [r]
    while pending:
        variable = pending.pop()
        owner = variable.owner
        viewed = None if owner is None else owner.op.view_map.get(variable.index)
        if owner is None or viewed is None:
            roots.append(variable)
        else:
            pending.extend(owner.inputs[i] for i in reversed(viewed))
    return roots


def connection_pattern(node: Apply) -> list[list[bool]]:
    """Return whether each output depends, differentiably, on each input.

    Returns
    -------
    list of list of bool
        ``pattern[input][output]``; all True when the op says nothing.

    Raises
    ------
    TypeError
        If the op's pattern has another size than its node.
    """
    op_pattern = getattr(node.op, "connection_pattern", None)
    if op_pattern is None:
        return [[True] * node.nout for _ in node.inputs]
    pattern = op_pattern(node)
    if len(pattern) != node.nin or any(len(row) != node.nout for row in pattern):
        raise TypeError(
            user_message(
                f"{node.op}: connection_pattern has the wrong size",
                got=repr(pattern),
                expected=f"{node.nin} lists (inputs) of {node.nout} booleans (outputs)",
            )
        )
    return [[bool(connected) for connected in row] for row in pattern]


def io_connection_pattern(
    inputs: Sequence[Variable], outputs: Sequence[Variable]
) -> list[list[bool]]:
    """Return which outputs of a graph depend, differentiably, on which inputs.

    Returns
    -------
    list of list of bool
        ``pattern[input][output]``.
    """
    # Sets of inputs as bit masks: a chain of n nodes then costs n small integers.
    reached: dict[Variable, int] = {}
    for i, variable in enumerate(inputs):
        reached[variable] = reached.get(variable, 0) | (1 << i)
    for node in toposort(outputs, inputs):
        pattern = connection_pattern(node)
        for j, output in enumerate(node.outputs):
            if output in reached:
                continue
            mask = 0
            for row, operand in zip(pattern, node.inputs, strict=True):
                if row[j]:
                    mask |= reached.get(operand, 0)
            reached[output] = mask
    return [[bool(reached.get(out, 0) >> i & 1) for out in outputs] for i in range(len(inputs))]
