"""From what the user passed to ``function`` to one closed graph.

The user's graph is copied; ``givens`` are substituted; shared variables are found and keyed by
their *container* (D4), so that several variables on one container become one; default updates are
collected from the graph as given, before any rewrite.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..errors import (
    CycleError,
    MissingInputError,
    UpdateError,
    UpdateTypeError,
    user_message,
)
from ..graph.graph import clone_replace
from ..graph.node import Constant, SharedVariable, Variable
from ..graph.trace import user_line
from ..graph.walk import ancestors, graph_inputs, toposort
from .inputs import In


@dataclass
class Closed:
    """A graph whose leaves are its inputs, shared containers and constants.

    Attributes
    ----------
    inputs : list of Variable
        Copies of the user's input variables, one per explicit input, in order.
    shared : list of SharedVariable
        The user's shared variables, one per container, in order of first use; other variables
        on the same container are replaced by it.
    outputs : list of Variable
    updates : list of (int, Variable)
        Position in `shared` and the new value.
    update_sources : list of (SharedVariable, Variable)
        The same updates in the user's own variables, default updates included.
    """

    inputs: list[Variable]
    shared: list[SharedVariable]
    outputs: list[Variable]
    updates: list[tuple[int, Variable]]
    update_sources: list[tuple[SharedVariable, Any]] = field(default_factory=list)

    @property
    def roots(self) -> list[Variable]:
        """Outputs, then new values of shared variables."""
        return [*self.outputs, *(new for _, new in self.updates)]


def update_pairs(updates: Any) -> list[tuple[Any, Any]]:
    """The (shared variable, expression) pairs of a dict, a list or an OrderedUpdates."""
    if updates is None:
        return []
    items = updates.items() if isinstance(updates, Mapping) else updates
    pairs = []
    for item in items:
        if not isinstance(item, Sequence) or isinstance(item, str) or len(item) != 2:
            raise UpdateError(
                user_message(
                    "each update must be a pair (shared variable, new expression)",
                    got=repr(item),
                    hint="pass a list of pairs or a dict",
                )
            )
        pairs.append((item[0], item[1]))
    return pairs


class Collector:
    """Copies graphs with replacements, noting shared variables on the way.

    Replacements are replaced in their turn. One that contains what it replaces, as in
    ``{x: x + 1}``, sees the original there.

    Parameters
    ----------
    givens : pairs of Variable
    swap : dict
        Shared variables to use instead of others, by container.
    strict : bool
        Whether nodes keep the types of their operands.

    Attributes
    ----------
    shared : list of SharedVariable
        One per container, in order of first use.
    members : list of list of SharedVariable
        By position in `shared`, the variables of the graph that stand on the container.
    """

    def __init__(
        self,
        givens: Iterable[tuple[Variable, Variable]],
        swap: Mapping[SharedVariable, SharedVariable],
        strict: bool = True,
    ) -> None:
        self.swap = {id(old.container): new for old, new in swap.items()}
        self.memo: dict[Variable, Variable] = {}
        self.containers: dict[int, int] = {}
        self.shared: list[SharedVariable] = []
        self.members: list[list[SharedVariable]] = []
        self.givens = {old: new for old, new in givens if new is not old}
        self.strict = strict
        self._inputs: dict[Variable, Variable] = {}
        self._apart: set[Variable] = set()

    def shared_position(self, variable: SharedVariable) -> int:
        """Position of the container under `variable`, which is added when new."""
        variable = self.swap.get(id(variable.container), variable)
        key = id(variable.container)
        if key not in self.containers:
            self.containers[key] = len(self.shared)
            self.shared.append(variable)
            self.members.append([])
        return self.containers[key]

    def add_input(self, variable: Variable, copy: Variable) -> None:
        """Let `copy` stand for the user's input `variable`."""
        self._inputs[variable] = copy
        if variable not in self.givens:
            self.memo[variable] = copy

    def copy(self, variable: Variable) -> Variable:
        """The copy of `variable` and of everything below it that is not copied yet."""
        memo = self.memo
        stack: list[Variable] = [variable]
        opened: dict[Variable, int] = {}
        while stack:
            var = stack[-1]
            if var in memo:
                stack.pop()
                continue
            if var in self.givens:
                given = self.givens[var]
                if given in memo:
                    memo[var] = memo[given]
                    stack.pop()
                elif var in opened:
                    del stack[opened.pop(var) + 1 :]
                    self._set_apart(var)
                else:
                    opened[var] = len(stack) - 1
                    stack.append(given)
                continue
            if var.owner is None:
                memo[var] = self._leaf(var)
                stack.pop()
                continue
            node = var.owner
            waiting = [i for i in reversed(node.inputs) if i not in memo]
            if waiting:
                stack.extend(waiting)
                continue
            copied = node.clone_with_new_inputs([memo[i] for i in node.inputs], self.strict)
            memo.update(zip(node.outputs, copied.outputs, strict=True))
        return memo[variable]

    def _set_apart(self, var: Variable) -> None:
        """Have the replacement of `var` use another variable where it means the original."""
        given = self.givens[var]
        if var in self._apart or not any(var is v for v in ancestors([given])):
            raise CycleError(
                user_message(
                    f"the replacements in givens depend on each other in a circle through {var}",
                    where=user_line(given) or None,
                    hint="replace one of them in the graph first: symc.clone(expression, {a: b})",
                )
            )
        self._apart.add(var)
        original = (
            var.clone() if var.owner is None else var.owner.clone().outputs[var.index or 0]
        )
        if var in self._inputs:
            self.memo[original] = self._inputs[var]
        self.givens[var] = clone_replace(given, {var: original}, strict=False)

    def _leaf(self, var: Variable) -> Variable:
        if isinstance(var, SharedVariable):
            position = self.shared_position(var)
            self.members[position].append(var)
            return self.shared[position]
        return var


def close(
    specs: Sequence[In],
    outputs: Sequence[Variable],
    updates: Any,
    givens: Any,
    no_default_updates: Any,
    *,
    strict: bool = True,
    swap: Mapping[SharedVariable, SharedVariable] | None = None,
) -> Closed:
    """Make the closed graph of a function.

    Parameters
    ----------
    specs : sequence of In
        The explicit inputs.
    outputs : sequence of Variable
    updates : pairs, dict or OrderedUpdates
    givens : pairs or dict
    no_default_updates : bool or list of SharedVariable
    strict : bool
        Whether a replacement must have the type of what it replaces.
    swap : dict, optional
        Shared variables to use instead of others, by container.

    Raises
    ------
    MissingInputError
        If a leaf is neither an input, nor shared, nor constant.
    UpdateError, UpdateTypeError
        If two updates go to one container, or an update has another type.
    CycleError
        If replacements depend on each other in a circle.
    """
    collector = Collector(_givens(givens, strict), swap or {}, strict)
    inputs = []
    for spec in specs:
        variable = spec.variable
        if isinstance(variable, SharedVariable):
            raise TypeError(
                user_message(
                    f"the shared variable {variable} can't be an input: it has a value of its own",
                    hint="replace it for this function: givens=[(shared, input)]",
                )
            )
        if isinstance(spec.value, SharedVariable) and spec.implicit:
            collector.memo[variable] = collector.shared[collector.shared_position(spec.value)]
            continue
        copy = variable.type.make_variable(variable.name)
        copy.tag = variable.tag
        collector.add_input(variable, copy)
        inputs.append(copy)
    copied = [collector.copy(o) for o in outputs]
    pairs, sources = _updates(collector, update_pairs(updates), no_default_updates)
    closed = Closed(inputs, collector.shared, copied, pairs, sources)
    _check_leaves(closed)
    return closed


def _givens(givens: Any, strict: bool) -> list[tuple[Variable, Variable]]:
    pairs = []
    for old, new in update_pairs(givens):
        if not isinstance(old, Variable):
            raise TypeError(
                user_message("givens must map symbolic variables", got=f"{old!r} as a key")
            )
        if not isinstance(new, Variable) or strict:
            new = old.type.filter_variable(new)
        pairs.append((old, new))
    return pairs


def _updates(
    collector: Collector, given: list[tuple[Any, Any]], no_default_updates: Any
) -> tuple[list[tuple[int, Variable]], list[tuple[SharedVariable, Any]]]:
    """The updates by position, explicit ones first, and what the user wrote for them."""
    suppressed = _suppressed(no_default_updates)
    chosen: dict[int, Variable] = {}
    sources: list[tuple[SharedVariable, Any]] = []
    for target, expression in given:
        if not isinstance(target, SharedVariable):
            raise TypeError(
                user_message(
                    "only shared variables can be updated",
                    got=f"{target!r} of type {getattr(target, 'type', type(target).__name__)}",
                    hint="make it with symc.shared(value)",
                )
            )
        position = collector.shared_position(target)
        if position in chosen:
            raise UpdateError(
                user_message(
                    f"two updates for the shared variable {target}",
                    hint="combine them into one expression",
                )
            )
        chosen[position] = collector.copy(_filtered(target, expression))
        sources.append((target, expression))
    position = 0
    while suppressed is not None and position < len(collector.shared):
        # Copying an update may add variables: to the end of `shared`, and to `members`.
        target, default = _default_update(collector.members[position], suppressed)
        if default is not None and position not in chosen:
            chosen[position] = collector.copy(_filtered(target, default))
            sources.append((target, default))
        position += 1
    return list(chosen.items()), sources


def _suppressed(no_default_updates: Any) -> set[int] | None:
    """The ids of the containers without default update, or None for all."""
    if no_default_updates is True:
        return None
    if no_default_updates is False or no_default_updates is None:
        return set()
    if not isinstance(no_default_updates, (list, tuple, set)) or not all(
        isinstance(v, SharedVariable) for v in no_default_updates
    ):
        raise TypeError(
            user_message(
                "no_default_updates must be True, False or a list of shared variables",
                got=repr(no_default_updates),
            )
        )
    return {id(v.container) for v in no_default_updates}


def _default_update(members: Sequence[SharedVariable], suppressed: set[int]) -> Any:
    """The first of the variables on one container that has a default update, and the update."""
    for variable in members:
        update = getattr(variable, "default_update", None)
        if update is not None and id(variable.container) not in suppressed:
            return variable, update
    return None, None


def _filtered(target: SharedVariable, expression: Any) -> Variable:
    try:
        new: Variable = target.type.filter_variable(expression)
        return new
    except TypeError as error:
        got = getattr(expression, "type", type(expression).__name__)
        where = user_line(expression) or None if isinstance(expression, Variable) else None
        raise UpdateTypeError(
            user_message(
                f"an update must have the type of its shared variable {target}",
                where=where,
                got=f"{got}",
                expected=f"{target.type}",
                hint="cast the expression: symc.tensor.cast(new, shared.dtype)",
            )
        ) from error


def _check_leaves(closed: Closed) -> None:
    known = {*closed.inputs, *closed.shared}
    roots = [*closed.outputs, *(new for _, new in closed.updates)]
    for leaf in graph_inputs(roots):
        if leaf in known or isinstance(leaf, Constant):
            continue
        raise MissingInputError(
            user_message(
                f"the graph depends on the variable {leaf}, which is not an input of the function",
                where=user_line(leaf) or None,
                got=f"{leaf} of type {leaf.type}, used by {_reader(leaf, roots)}",
                hint="add it to the inputs, replace it with givens, or make it shared",
            )
        )


def _reader(leaf: Variable, roots: Sequence[Variable]) -> str:
    for node in toposort(list(roots)):
        if leaf in node.inputs:
            return f"{node.op}"
    return "an output directly"
