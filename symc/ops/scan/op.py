"""The loop op: an inner graph that is run step after step.

A `Scan` has *sequences*, of which step t sees element t; *recurrences*, results of earlier steps
that step t sees again; *results* that are only collected; and *constants*, the same in every step.
A recurrence with the taps -3 and -1 starts with three given rows; its output holds these rows and
then one per step. A *state* is a recurrence of which only the last value is wanted, without the
leading axis: the new value of a shared variable, an accumulated gradient.

Taps of sequences are not seen here: each tap is a sequence of its own, already shifted (a view).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.type import TensorType
from ...dtypes import is_discrete
from ...errors import ShapeError, user_message
from ...graph.graph import Graph, clone_get_equiv
from ...graph.node import Apply, Constant, Variable
from ...graph.op import BuiltinOp, run_perform
from ...graph.trace import user_line
from ...graph.walk import toposort
from ...loop.protocol import Feed, Recurrence, RepeatSpec, changed_length
from ...scalar.logic import ge
from .accessors import ScanAccessors
from .empty import row_shapes
from .gradient import connections, gradients

__all__ = ["Scan", "ScanInfo"]


@dataclass(frozen=True)
class ScanInfo:
    """How the inner graph of a `Scan` is connected with the outside.

    Attributes
    ----------
    sequences : int
        Number of sequences.
    taps : tuple of tuple of int
        Per recurrence the (negative) distances of the rows that a step sees, in the order of the
        inner inputs.
    results : int
        Number of outputs that are only collected.
    states : int
        Number of values of which only the last is kept.
    kept : tuple of (int or None)
        Per recurrence how many of its last rows are the output; None: all.
    until : bool
        Whether the last inner output is a condition: the loop ends with the first step for which
        it is true.
    truncate : int
        The gradient goes back over at most so many steps; -1: over all.
    name : str or None
    """

    sequences: int = 0
    taps: tuple[tuple[int, ...], ...] = ()
    results: int = 0
    states: int = 0
    kept: tuple[int | None, ...] = ()
    until: bool = False
    truncate: int = -1
    name: str | None = None

    def __post_init__(self) -> None:
        if not self.kept:
            object.__setattr__(self, "kept", (None,) * len(self.taps))

    @property
    def recurrences(self) -> int:
        """Number of recurrences."""
        return len(self.taps)

    @property
    def depths(self) -> tuple[int, ...]:
        """Per recurrence the number of rows it starts with."""
        return tuple(-min(taps) for taps in self.taps)

    @property
    def taps_count(self) -> int:
        """Number of inner inputs that are rows of recurrences."""
        return sum(map(len, self.taps))


class Scan(ScanAccessors, BuiltinOp):
    """A loop.

    The operands are the number of steps, the sequences, the first rows of the recurrences, the
    first values of the states, and the constants. The outputs are the rows of the recurrences,
    the collected results, the last values of the states, and, where there is a condition, the
    number of steps that were made.

    Parameters
    ----------
    inputs : sequence of Variable
        Inner inputs: elements of the sequences, rows of the recurrences (tap by tap), states,
        constants.
    outputs : sequence of Variable
        Inner outputs: new rows of the recurrences, results, new states, and the condition.
    info : ScanInfo
    """

    def __init__(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], info: ScanInfo
    ) -> None:
        expected = info.recurrences + info.results + info.states + info.until
        if len(outputs) != expected:
            raise ValueError(f"a loop with {info} has {expected} inner outputs, not {len(outputs)}")
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self.info = info

    # ---- identity

    @cached_property
    def inner_graph(self) -> Graph:
        """The inner graph; printers show it."""
        return Graph(self.inputs, self.outputs)

    @cached_property
    def _key(self) -> tuple[Any, ...]:
        return (replace(self.info, name=None), self.inner_graph.fingerprint_key())

    def __eq__(self, other: object) -> bool:
        return self is other or (isinstance(other, Scan) and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What makes two loops the same."""
        return ("Scan", repr(self._key[0]), self._key[1])

    def __str__(self) -> str:
        name = f" {self.info.name}" if self.info.name else ""
        return f"Scan{{{len(toposort(self.outputs, self.inputs))} nodes{name}}}"

    @property
    def name(self) -> str | None:
        """The user's name for the loop."""
        return self.info.name

    def private(self) -> Scan:
        """The same loop with inner variables of its own."""
        memo = clone_get_equiv(self.inputs, self.outputs, copy_inputs=True, copy_orphans=False)
        return Scan([memo[v] for v in self.inputs], [memo[v] for v in self.outputs], self.info)

    def rebuilt(self, outputs: Sequence[Variable]) -> Scan:
        """The loop with other inner outputs, computed from the same inner inputs."""
        return Scan(self.inputs, outputs, self.info)

    def with_rows_of_states(self) -> Scan:
        """The loop with recurrences in the place of its states, after its own recurrences."""
        rows, results, states, condition = self.split_inner_outputs()
        info = replace(
            self.info,
            taps=(*self.info.taps, *(((-1,),) * len(states))),
            kept=(*self.info.kept, *((None,) * len(states))),
            states=0,
        )
        last = [] if condition is None else [condition]
        return Scan(self.inputs, [*rows, *states, *results, *last], info).private()

    # ---- groups of operands

    def split_inner_inputs(self) -> tuple[list[Variable], list[list[Variable]], list[Any], list]:
        """Inner inputs: of sequences, of recurrences (a list each), of states, constants."""
        rest = list(self.inputs)

        def take(count: int) -> list[Variable]:
            head = rest[:count]
            del rest[:count]
            return head

        info = self.info
        sequences = take(info.sequences)
        rows = [take(len(taps)) for taps in info.taps]
        return sequences, rows, take(info.states), rest

    def split_inner_outputs(self) -> tuple[list[Any], list[Any], list[Any], Variable | None]:
        """Inner outputs: of recurrences, results, states, and the condition."""
        a = self.info.recurrences
        b = a + self.info.results
        c = b + self.info.states
        last = self.outputs[c] if self.info.until else None
        return self.outputs[:a], self.outputs[a:b], self.outputs[b:c], last

    def split_operands(self, operands: Sequence[Any]) -> tuple[Any, list, list, list, list]:
        """Operands: number of steps, sequences, first rows, first states, constants."""
        info = self.info
        a = 1 + info.sequences
        b = a + info.recurrences
        c = b + info.states
        given = list(operands)
        return given[0], given[1:a], given[a:b], given[b:c], given[c:]

    def split_results(self, results: Sequence[Any]) -> tuple[list, list, list, Any]:
        """Outputs: rows of recurrences, results, states, and the number of steps or None."""
        info = self.info
        a = info.recurrences
        b = a + info.results
        c = b + info.states
        given = list(results)
        return given[:a], given[a:b], given[b:c], given[c] if info.until else None

    # ---- nodes

    def make_node(self, *operands: Any) -> Apply:
        variables = [v if isinstance(v, Variable) else as_tensor_variable(v) for v in operands]
        if len(variables) - 1 != len(self.inputs) - self.info.taps_count + self.info.recurrences:
            raise ValueError(
                f"{self} takes {len(self.inputs) - self.info.taps_count + self.info.recurrences} "
                f"operands besides the number of steps, got {len(variables) - 1}"
            )
        steps, sequences, starts, states, constants = self.split_operands(variables)
        if steps.type.ndim or not is_discrete(steps.type.dtype):
            raise TypeError(
                user_message(
                    "the number of steps of a loop must be one integer",
                    got=str(steps.type),
                    where=user_line(steps) or None,
                )
            )
        inner_sequences, rows, inner_states, inner_constants = self.split_inner_inputs()
        for outer, inner in zip(sequences, inner_sequences, strict=True):
            self._fits("sequence", outer, inner, inner, 1)
        new_rows, results, new_states, condition = self.split_inner_outputs()
        for outer, inners, new in zip(starts, rows, new_rows, strict=True):
            for inner in inners:
                self._fits("first rows", outer, inner, inner, 1)
            self._fits("first rows", outer, new, new, 1)
        for outer, inner, new in zip(states, inner_states, new_states, strict=True):
            self._fits("state", outer, inner, new, 0)
        for outer, inner in zip(constants, inner_constants, strict=True):
            self._fits("constant", outer, inner, inner, 0)
        if condition is not None and (condition.type.ndim or condition.type.dtype != "bool"):
            raise TypeError(
                user_message(
                    "the condition of a loop must be one truth value",
                    got=str(condition.type),
                    where=user_line(condition) or None,
                )
            )
        outs = [
            TensorType(v.type.dtype, (keep == 1, *v.type.broadcastable))()
            for v, keep in zip(new_rows, self.info.kept, strict=True)
        ]
        outs += [TensorType(v.type.dtype, (False, *v.type.broadcastable))() for v in results]
        outs += [v.type() for v in new_states]
        if condition is not None:
            outs.append(TensorType("int64", ())())
        return Apply(self, variables, outs)

    def _fits(self, what: str, outer: Any, inner: Any, new: Any, lead: int) -> None:
        """Check a value from outside, without its leading axis, against the inner variables."""
        for found in (inner, new):
            if lead:
                fits = (
                    outer.type.ndim == found.type.ndim + 1
                    and outer.type.dtype == found.type.dtype
                    and all(
                        a or not b
                        for a, b in zip(
                            outer.type.broadcastable[1:], found.type.broadcastable, strict=True
                        )
                    )
                )
            else:
                fits = found.type == outer.type or found.type.is_super(outer.type)
            if not fits:
                raise TypeError(
                    user_message(
                        f"a {what} of a loop and its inner variable have different types",
                        got=f"{outer} of type {outer.type}, and inside {found} of type "
                        f"{found.type}",
                        where=user_line(found) or user_line(outer) or None,
                    )
                )

    # ---- meaning

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Run the inner graph in Python, step by step."""
        steps, sequences, starts, states, constants = self.split_operands(inputs)
        steps = self._checked_steps(int(steps), sequences, starts)
        info = self.info
        histories = [_history(start, steps) for start in starts]
        collected: list[list[Any]] = [[] for _ in range(info.results)]
        states = list(states)
        done = 0
        for t in range(steps):
            given = [s[t] for s in sequences]
            for history, taps, depth in zip(histories, info.taps, info.depths, strict=True):
                given += [history[t + depth + tap] for tap in taps]
            values = self._step([*given, *states, *constants])
            done = t + 1
            for k, depth in enumerate(info.depths):
                _same_lengths(histories[k].shape[1:], values[k], self.outputs[k])
                histories[k][t + depth] = values[k]
            a = info.recurrences
            for rows, value in zip(collected, values[a:], strict=False):
                rows.append(np.array(value))
            first = a + info.results
            for k, state in enumerate(states, first):
                if isinstance(state, np.ndarray):
                    _same_lengths(state.shape, values[k], self.outputs[k])
            states = values[first : first + info.states]
            if info.until and bool(values[-1]):
                break
        cells = iter(output_storage)
        for history, depth, keep in zip(histories, info.depths, info.kept, strict=True):
            end = depth + done
            next(cells)[0] = history if keep is None else history[end - keep : end].copy()
        outs = self.split_results(node.outputs)
        if info.results and not done:
            collected = self._empty_results(inputs)
        for rows, out in zip(collected, outs[1], strict=True):
            next(cells)[0] = _stacked(rows, steps, out.type)
        for value in states:
            next(cells)[0] = np.array(value) if isinstance(value, np.ndarray) else value
        if info.until:
            next(cells)[0] = np.asarray(done, dtype="int64")

    def _empty_results(self, inputs: list[Any]) -> list[list[Any]]:
        """One row of zeros per result, for a loop without steps: it has the lengths of a row."""
        _, sequences, starts, states, constants = self.split_operands(inputs)
        elements, rows, inner_states, inner_constants = self.split_inner_inputs()
        shapes: dict[Variable, Any] = {}
        for inner, sequence in zip(elements, sequences, strict=True):
            shapes[inner] = sequence.shape[1:]
        for inners, start in zip(rows, starts, strict=True):
            shapes.update((inner, start.shape[1:]) for inner in inners)
        fixed = [
            *zip(inner_states, states, strict=True),
            *zip(inner_constants, constants, strict=True),
        ]
        shapes.update((v, value.shape) for v, value in fixed if isinstance(value, np.ndarray))
        values = {
            v: value
            for v, value in zip(inner_constants, constants, strict=True)
            if isinstance(value, np.ndarray) and not value.ndim and is_discrete(value.dtype.name)
        }
        _, results, _, _ = self.split_inner_outputs()
        found = row_shapes(results, shapes, values)
        return [[np.zeros(s, v.type.dtype)] for v, s in zip(results, found, strict=True)]

    def _checked_steps(self, steps: int, sequences: list[Any], starts: list[Any]) -> int:
        if steps < 0:
            raise ValueError(f"the number of steps of a loop must not be negative, got {steps}")
        for k, sequence in enumerate(sequences):
            if len(sequence) < steps:
                raise ValueError(
                    f"sequence {k} of the loop is too short: {steps} steps, but its length is "
                    f"{len(sequence)}"
                )
        for k, (start, depth) in enumerate(zip(starts, self.info.depths, strict=True)):
            if len(start) != depth:
                raise ShapeError(
                    f"recurrence {k} of the loop starts with {depth} rows, got {len(start)}"
                )
        return steps

    @cached_property
    def _order(self) -> list[Apply]:
        return toposort(self.outputs, self.inputs)

    def _step(self, given: list[Any]) -> list[Any]:
        values: dict[Variable, Any] = dict(zip(self.inputs, given, strict=True))

        def value(variable: Variable) -> Any:
            return variable.data if isinstance(variable, Constant) else values[variable]

        for node in self._order:
            found = run_perform(node, [value(v) for v in node.inputs])
            values.update(zip(node.outputs, found, strict=True))
        return [value(v) for v in self.outputs]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[Any]:
        """Rows per step, and the inner shapes, which follow from those of the operands."""
        steps = ctx.value(0)
        ctx.check(ge(steps, 0), "value", "the number of steps of a loop is {0}", steps)
        _, sequences, starts, states, constants = self.split_operands(in_shapes)
        inner_sequences, rows, inner_states, inner_constants = self.split_inner_inputs()
        for k, (shape, inner) in enumerate(zip(sequences, inner_sequences, strict=True)):
            ctx.check(
                ge(shape[0], steps),
                "value",
                f"sequence {k} of the loop is too short: {{1}} steps, but its length is {{0}}",
                shape[0],
                steps,
            )
            ctx.bind_shape(inner, shape[1:])
        for k, (shape, inners) in enumerate(zip(starts, rows, strict=True)):
            ctx.equal(
                shape[0],
                self.info.depths[k],
                f"recurrence {k} of the loop starts with {{1}} rows, got {{0}}",
            )
            for inner in inners:
                ctx.bind_shape(inner, shape[1:])
        base = 1 + self.info.sequences + self.info.recurrences
        fixed = [*zip(states, inner_states, strict=True)]
        fixed += zip(constants, inner_constants, strict=True)
        for i, (shape, inner) in enumerate(fixed):
            if shape is not None:
                ctx.bind_shape(inner, shape)
            if i >= self.info.states:
                ctx.bind_value(inner, base + i)
        new_rows, results, new_states, _ = self.split_inner_outputs()
        result: list[Any] = []
        for shape, new, depth, keep in zip(
            starts, new_rows, self.info.depths, self.info.kept, strict=True
        ):
            _unchanged(ctx, shape[1:], ctx.inner_shape(new), new)
            result.append(((depth + steps) if keep is None else keep, *shape[1:]))
        for k, v in enumerate(results):
            lengths = enumerate(ctx.inner_shape(v), 1)
            out = self.info.recurrences + k
            own = [n if ctx.outside(n) else ctx.unknown(out, axis) for axis, n in lengths]
            result.append((steps, *own))
        for shape, new in zip(states, new_states, strict=True):
            if shape is not None:
                _unchanged(ctx, shape, ctx.inner_shape(new), new)
            result.append(shape)
        if self.info.until:
            result.append(())
        return result

    # ---- derivatives

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Which outputs depend differentiably on which operands."""
        return connections(self, node)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return gradients(self, inputs, outputs, g_outputs)

    # ---- native code

    def repeat(self, node: Apply) -> RepeatSpec:
        """How the loop runs in native code."""
        info = self.info
        feeds = [Feed("element", 1 + k) for k in range(info.sequences)]
        recurrences = []
        operand = 1 + info.sequences
        for k, (taps, depth, keep) in enumerate(
            zip(info.taps, info.depths, info.kept, strict=True)
        ):
            feeds += [Feed("row", k, tap) for tap in taps]
            recurrences.append(Recurrence(operand + k, k, k, depth, keep))
        operand += info.recurrences
        first = info.recurrences + info.results
        for k in range(info.states):
            feeds.append(Feed("row", info.recurrences + k, -1))
            recurrences.append(Recurrence(operand + k, first + k, first + k, 1, None, False))
        operand += info.states
        feeds += [Feed("whole", i) for i in range(operand, len(node.inputs))]
        collected = tuple(info.recurrences + k for k in range(info.results))
        return RepeatSpec(
            tuple(self.inputs),
            tuple(self.outputs),
            0,
            tuple(feeds),
            tuple(recurrences),
            collected,
            first + info.states if info.until else None,
        )


def _history(start: Any, steps: int) -> np.ndarray[Any, Any]:
    history = np.zeros((len(start) + steps, *start.shape[1:]), dtype=start.dtype)
    history[: len(start)] = start
    return history


def _stacked(rows: list[Any], steps: int, type_: Any) -> np.ndarray[Any, Any]:
    """The collected values; an array of the full length whatever the number of steps made."""
    for row in rows:
        _same_shape(rows[0].shape, row.shape)
    whole = np.zeros((steps, *rows[0].shape), dtype=type_.dtype)
    if steps:
        whole[: len(rows)] = rows
    return whole


def _same_shape(expected: tuple[int, ...], got: tuple[int, ...]) -> None:
    if expected != got:
        raise ShapeError(
            f"a value of the loop changes its shape from step to step: {expected}, then {got}"
        )


def _same_lengths(before: tuple[int, ...], value: Any, new: Variable) -> None:
    for axis, (a, b) in enumerate(zip(before, value.shape, strict=True)):
        if a != b:
            raise ShapeError(changed_length(new, axis).format(b, a))


def _unchanged(ctx: Any, before: Sequence[Any], after: Sequence[Any], new: Variable) -> None:
    """Check the lengths that are known outside; the others are checked in every step."""
    for axis, (a, b) in enumerate(zip(before, after, strict=True)):
        if ctx.outside(b):
            ctx.equal(b, a, changed_length(new, axis))
