"""`scan`: from a function of one step to a loop.

The function is called once, with variables that stand for what a step sees. Whatever its result
is computed from that does not depend on these variables stays outside of the loop; the loop gets
it as a constant.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from ..array.convert import as_tensor_variable
from ..compile.updates import OrderedUpdates
from ..dtypes import upcast
from ..errors import MissingInputError, user_message
from ..graph.graph import clone_replace
from ..graph.node import Constant, Variable
from ..graph.trace import user_line
from ..graph.walk import ancestors, graph_inputs, toposort
from ..ops.elemwise import cast
from ..ops.math import neq
from ..ops.scan.op import Scan, ScanInfo
from ..ops.shape import patternbroadcast
from .arguments import Initial, Taken, as_list, initials, sequence_list, steps_of
from .returned import Returned, returned

__all__ = ["scan"]

MAX_TRIES = 4
"""How often the function is called until the types of first values and outputs agree."""


def scan(
    fn: Callable[..., Any],
    sequences: Any = None,
    outputs_info: Any = None,
    non_sequences: Any = None,
    n_steps: Any = None,
    truncate_gradient: int = -1,
    go_backwards: bool = False,
    mode: Any = None,
    name: str | None = None,
    profile: Any = False,
    allow_gc: bool | None = None,
    strict: bool = False,
    return_list: bool = False,
) -> tuple[Any, OrderedUpdates]:
    """Run a function of symbolic variables step after step.

    Parameters
    ----------
    fn : callable
        Called once with the taps of the sequences, then the taps of the outputs, then the
        non-sequences. Returns the outputs; or outputs and updates of shared variables, in either
        order; possibly with ``until(condition)`` at the end.
    sequences : variable, dict or list of them, optional
        What the loop goes through, along its first axis. ``dict(input=x, taps=[-1, 0])`` lets
        step t see ``x[t]`` and ``x[t + 1]``: the first step is as early as the taps allow.
    outputs_info : variable, None, dict or list of them, optional
        Per output its value before the first step, or None if steps do not see it.
        ``dict(initial=x, taps=[-3, -1])`` lets step t see the outputs of steps t - 3 and t - 1;
        then `initial` has a first axis for the (here three) values before the first step.
    non_sequences : variable or list of them, optional
        Passed to every step. Others that the function uses are found, unless `strict`.
    n_steps : int or scalar integer expression, optional
        By default as many as the shortest sequence allows; it may be 0.
    truncate_gradient : int
        The gradient goes back over at most so many steps; -1: over all.
    go_backwards : bool
        Whether sequences are gone through from their ends.
    mode, profile, allow_gc
        Accepted as in Theano; the loop is compiled with the function that it is part of.
    name : str, optional
    strict : bool
        Whether variables other than the arguments are an error.
    return_list : bool
        Whether a single output comes in a list, too.

    Returns
    -------
    outputs : variable or list of variables
        Per output an array with one row per step.
    updates : OrderedUpdates
        New values of the shared variables that the steps update; for `function`.

    Raises
    ------
    TypeError
        If the type of an output does not fit its first value.
    ValueError
        If arguments contradict each other.
    MissingInputError
        With `strict`, if the function uses variables that were not passed.
    """
    del mode, profile, allow_gc
    if not isinstance(truncate_gradient, int) or truncate_gradient < -1 or truncate_gradient == 0:
        raise ValueError(
            user_message(
                "truncate_gradient is a number of steps, or -1", got=repr(truncate_gradient)
            )
        )
    given = sequence_list(sequences)
    first = initials(outputs_info)
    constants = [
        v if isinstance(v, Variable) else as_tensor_variable(v) for v in as_list(non_sequences)
    ]
    steps = steps_of(n_steps, given)
    body = _traced(fn, given, first, constants)
    loop = _Loop(body, given, constants, steps, strict, truncate_gradient, name, go_backwards)
    outputs, updates = loop.build()
    if body.result.single and not return_list:
        return outputs[0], updates
    return (outputs if outputs or return_list else None), updates


@dataclass
class _Body:
    """One step: its inner variables, and what the function made of them."""

    elements: list[list[Any]]
    rows: list[list[Any]]
    first: list[Initial]
    result: Returned


def _traced(
    fn: Callable[..., Any],
    sequences: Sequence[Taken],
    first: list[Initial] | None,
    constants: Sequence[Variable],
) -> _Body:
    """Call the function, until its outputs have the types of their first values.

    A first value that is a number takes the type of the output. A length that is known to be 1
    before the first step only is no part of the type.
    """
    known = first
    for _ in range(MAX_TRIES):
        elements = [[s.element(tap) for tap in s.taps] for s in sequences]
        rows = [info.rows() if info.taps else [] for info in known or ()]
        arguments = [v for group in (*elements, *rows) for v in group]
        result = returned(fn(*arguments, *constants))
        infos = [Initial() for _ in result.outputs] if known is None else known
        if len(infos) != len(result.outputs):
            raise ValueError(
                user_message(
                    "outputs_info needs one entry per output of the function (None for those that "
                    "steps do not see)",
                    got=f"{len(infos)} entries, {len(result.outputs)} outputs",
                )
            )
        if known is None:
            rows = [[] for _ in infos]
        changed = [
            _reconciled(k, info, out)
            for k, (info, out) in enumerate(zip(infos, result.outputs, strict=True))
        ]
        if all(a is b for a, b in zip(changed, infos, strict=True)):
            result.outputs = [
                out if not info.taps else _as_row(out, info)
                for out, info in zip(result.outputs, infos, strict=True)
            ]
            return _Body(elements, rows, infos, result)
        known = changed
    raise TypeError(
        user_message("the types of the outputs of a loop do not settle", got=str(result.outputs))
    )


def _reconciled(k: int, info: Initial, out: Any) -> Initial:
    """`info`, or another one whose type is that of the output."""
    if not info.taps:
        return info
    row, new = info.row_type, out.type
    pattern = getattr(new, "broadcastable", None)
    if pattern is None or len(pattern) != row.ndim:
        raise TypeError(_differ(k, info, out, "number of axes"))
    dtype = row.dtype
    if new.dtype != row.dtype and upcast(row.dtype, new.dtype) != row.dtype:
        if not info.weak:
            raise TypeError(_differ(k, info, out, "dtype"))
        dtype = new.dtype
    joint = tuple(a and b for a, b in zip(row.broadcastable, pattern, strict=True))
    if dtype == row.dtype and joint == tuple(row.broadcastable):
        return info
    lead = info.value.type.broadcastable[0]
    value = patternbroadcast(cast(info.value, dtype), (lead, *joint))
    value.name = info.value.name
    return Initial(value, info.taps, info.weak)


def _as_row(out: Any, info: Initial) -> Any:
    """An output as the type of the rows that it is one of."""
    row = info.row_type
    if out.type == row:
        return out
    made = patternbroadcast(cast(out, row.dtype), row.broadcastable)
    made.name = out.name
    return made


def _differ(k: int, info: Initial, out: Any, what: str) -> str:
    return user_message(
        f"output {k} of a loop and its first value differ in their {what}",
        got=f"{info.row_type} before the first step, {out.type} after it",
        expected="the same type in every step",
        where=user_line(out) or user_line(info.value) or None,
        hint="convert the first value, or the output, with astype"
        if what == "dtype"
        else "give the first value the shape of the output",
    )


class _Loop:
    """Builds the node and what users get."""

    def __init__(
        self,
        body: _Body,
        sequences: Sequence[Taken],
        constants: Sequence[Variable],
        steps: Any,
        strict: bool,
        truncate: int,
        name: str | None,
        backwards: bool,
    ) -> None:
        self.body, self.sequences, self.given = body, sequences, list(constants)
        # What is passed has one value for all steps, even if its parts change from step to step.
        self.fixed = [v for v in constants if v.owner is not None]
        self.steps, self.strict, self.truncate = steps, strict, truncate
        self.name, self.backwards = name, backwards

    def build(self) -> tuple[list[Any], OrderedUpdates]:
        """The outputs, one row per step, and the updates."""
        body = self.body
        seen = [k for k, info in enumerate(body.first) if info.taps]
        collected = [k for k, info in enumerate(body.first) if not info.taps]
        states = self._states()
        condition = body.result.condition
        roots = [*body.result.outputs, *states.values()]
        roots += [] if condition is None else [condition]
        inner = [v for group in body.elements for v in group]
        inner += [v for k in seen for v in body.rows[k]]
        aliases = self._aliases(roots, states)
        outside = self._outside(roots, [*inner, *states, *aliases])
        copies = [v.type(v.name) if v.name else v.type() for v in (*states, *outside)]
        replace = dict(zip((*states, *outside), copies, strict=True))
        replace.update((alias, replace[state]) for alias, state in aliases.items())
        roots = clone_replace(roots, replace) if replace else roots
        count = len(body.result.outputs)
        outs = [roots[k] for k in (*seen, *collected)] + roots[count : count + len(states)]
        if condition is not None:
            outs.append(_truth(roots[-1]))
        info = ScanInfo(
            sequences=sum(len(s.taps) for s in self.sequences),
            taps=tuple(body.first[k].taps for k in seen),
            results=len(collected),
            states=len(states),
            until=condition is not None,
            truncate=self.truncate,
            name=self.name,
        )
        operands = [
            s.shifted(tap, self.steps, self.backwards) for s in self.sequences for tap in s.taps
        ]
        operands += [body.first[k].value for k in seen]
        made = Scan([*inner, *copies], outs, info)(
            self.steps, *operands, *self._given_states(states), *outside, return_list=True
        )
        return self._results(made, seen, collected, states)

    def _given_states(self, states: dict[Any, Any]) -> list[Any]:
        """The states before the loop.

        Those that follow a default update are clones, which get the value after the loop as their
        default update: functions store it even if they are not given the updates.
        """
        explicit = self.body.result.updates
        self.clones = {v: v.clone() for v in states if v not in explicit}
        return [self.clones.get(v, v) for v in states]

    def _states(self) -> dict[Any, Any]:
        """Shared variables that change from step to step, and their new values.

        Those that have a default update, and that the step uses, follow it.
        """
        states = dict(self.body.result.updates)
        known: set[Any] = {v.container for v in states}
        pending = [*self.body.result.outputs, *states.values()]
        if self.body.result.condition is not None:
            pending.append(self.body.result.condition)
        stop = {v for group in (*self.body.elements, *self.body.rows) for v in group}
        stop.update(self.fixed)
        while pending:
            found: list[Any] = graph_inputs(pending, blockers=stop)
            pending = []
            for variable in found:
                update = getattr(variable, "default_update", None)
                if update is None or variable.container in known:
                    continue
                known.add(variable.container)
                states[variable] = update
                pending.append(update)
        for variable, new in states.items():
            states[variable] = variable.type.filter_variable(new)
        return states

    def _aliases(self, roots: Sequence[Variable], states: dict[Any, Any]) -> dict[Any, Any]:
        """Other variables of the states' containers, which loops in the step have made."""
        by_container = {v.container: v for v in states}
        found = {}
        for leaf in graph_inputs(list(roots), blockers=self.fixed) if states else ():
            state = by_container.get(getattr(leaf, "container", None))
            if state is not None and state is not leaf:
                found[leaf] = state
        return found

    def _outside(self, roots: Sequence[Variable], inner: Sequence[Variable]) -> list[Variable]:
        """What the step uses that does not depend on its arguments, as high up as possible."""
        dependent = set(inner)
        order = toposort(list(roots), self.fixed)
        for node in order:
            if any(v in dependent for v in node.inputs):
                dependent.update(node.outputs)
        used = [v for node in order if node.outputs[0] in dependent for v in node.inputs]
        used += roots
        outside = [
            v
            for v in dict.fromkeys(used)
            if v not in dependent and not isinstance(v, Constant)
        ]
        if self.strict:
            self._refuse(outside)
        return outside

    def _refuse(self, outside: Sequence[Variable]) -> None:
        allowed = set(self.given)
        for variable in outside:
            for leaf in ancestors([variable], blockers=allowed):
                if leaf in allowed or leaf.owner is not None or isinstance(leaf, Constant):
                    continue
                raise MissingInputError(
                    user_message(
                        "a strict loop uses a variable that was not passed to it",
                        got=f"{leaf} of type {leaf.type}",
                        hint="add it to non_sequences",
                        where=user_line(leaf) or None,
                    )
                )

    def _results(
        self, made: list[Any], seen: list[int], collected: list[int], states: dict[Any, Any]
    ) -> tuple[list[Any], OrderedUpdates]:
        body = self.body
        done = made[-1] if body.result.condition is not None else None
        outputs: list[Any] = [None] * len(body.first)
        for place, k in enumerate((*seen, *collected)):
            rows = made[place]
            depth = body.first[k].depth if place < len(seen) else 0
            if done is not None:
                rows = rows[depth : depth + done]
            elif depth:
                rows = rows[depth:]
            rows.name = rows.name or body.result.outputs[k].name
            outputs[k] = rows
        updates = OrderedUpdates()
        first = len(seen) + len(collected)
        for variable, final in zip(states, made[first : first + len(states)], strict=True):
            updates[variable] = final
            if variable in self.clones:
                self.clones[variable].default_update = final
        return outputs, updates


def _truth(condition: Any) -> Any:
    return condition if condition.type.dtype == "bool" else neq(condition, 0)
