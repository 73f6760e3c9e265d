"""The gradient of a loop is a loop that runs backwards.

At step t it has the cotangent of row ``t + depth`` of every recurrence: what comes from outside,
and what later steps have left. The vector-Jacobian product of the inner graph distributes it to
the elements of the sequences (collected), to earlier rows (carried), to the states (carried) and
to the constants (summed up). The values of the forward loop that it needs are its rows; all else
is computed again inside.

A gradient that is truncated looks only at the last steps.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ...autodiff.driver import Reverse
from ...dtypes import is_discrete
from ...graph.graph import clone_replace
from ...graph.node import Apply
from ...graph.special import DisconnectedType, NullType, disconnected_type
from ...graph.walk import graph_inputs, io_connection_pattern, toposort
from ..alloc import zeros_like
from ..dot import Dot
from ..join import stack
from ..math import lt, minimum, switch
from ..shape import patternbroadcast
from ..write import set_subtensor
from .lastrow import split_last_row

if TYPE_CHECKING:
    from .op import Scan

__all__ = ["connections", "gradients"]


def _float(variable: Any) -> bool:
    dtype = getattr(variable.type, "dtype", None)
    return dtype is not None and not is_discrete(dtype)


def _known(gradient: Any) -> bool:
    return not isinstance(gradient.type, (DisconnectedType, NullType))


# ---- what depends on what


def connections(op: Scan, node: Apply) -> list[list[bool]]:
    """``pattern[input][output]``: whether an output depends differentiably on an input."""
    info = op.info
    inner = io_connection_pattern(op.inputs, op.outputs)
    sequences, rows, states, constants = op.split_inner_inputs()
    groups = [[v] for v in sequences] + rows + [[v] for v in (*states, *constants)]
    place = {v: i for i, v in enumerate(op.inputs)}
    outs = len(op.outputs) - info.until
    carried: dict[int, int] = {}  # group of inner inputs -> the inner output seen there later
    for k in range(info.recurrences):
        carried[info.sequences + k] = k
    for k in range(info.states):
        carried[info.sequences + info.recurrences + k] = info.recurrences + info.results + k
    reach = [
        [
            any(inner[place[v]][o] and _float(v) for v in group) and _float(op.outputs[o])
            for o in range(outs)
        ]
        for group in groups
    ]
    for group, o in carried.items():
        reach[group][o] = _float(op.outputs[o])
    changed = True
    while changed:
        changed = False
        for row in reach:
            for group, o in carried.items():
                if row[o]:
                    for other in range(outs):
                        if reach[group][other] and not row[other]:
                            row[other] = changed = True
    pattern = [[False] * len(node.outputs)]
    for row in reach:
        pattern.append([*row, *([False] * info.until)])
    return pattern


# ---- the loop backwards


def gradients(op: Scan, inputs: list[Any], outputs: list[Any], given: list[Any]) -> list[Any]:
    """Gradients with respect to the operands of a loop.

    Parameters
    ----------
    op : Scan
    inputs, outputs : list of Variable
        Of its node.
    given : list of Variable
        Gradients of the outputs.
    """
    if not op.info.states:
        return _Backward(op, inputs, outputs, given).run()
    return _by_rows_of_states(op, inputs, given)


def _by_rows_of_states(op: Scan, inputs: list[Any], given: list[Any]) -> list[Any]:
    """By a loop that keeps all values of its states, as recurrences."""
    steps, sequences, starts, states, constants = op.split_operands(inputs)
    g_rows, g_results, g_states, g_done = op.split_results(given)
    remembering = op.with_rows_of_states()
    operands = [steps, *sequences, *starts, *(v[None] for v in states), *constants]
    outputs = remembering(*operands, return_list=True)
    nothing = [disconnected_type() for _ in g_states]
    work = _Backward(
        remembering,
        operands,
        outputs,
        [*g_rows, *nothing, *g_results, *([] if g_done is None else [g_done])],
        dict(enumerate(g_states, len(starts))),
    )
    pulled = work.run()
    first = 1 + len(sequences) + len(starts)
    for k in range(first, first + len(states)):
        if _known(pulled[k]):
            pulled[k] = pulled[k][0]
    return pulled


class _Backward:
    """Builds the backward loop of a loop without states.

    Parameters
    ----------
    op : Scan
    inputs, outputs : list of Variable
    given : list of Variable
    last : dict
        Per recurrence a further gradient of its last row.
    """

    def __init__(
        self,
        op: Scan,
        inputs: list[Any],
        outputs: list[Any],
        given: list[Any],
        last: dict[int, Any] | None = None,
    ) -> None:
        self.op, self.info, self.operands = op, op.info, list(inputs)
        self.inner = op.private()
        self.steps, self.sequences, self.starts, _, self.constants = op.split_operands(inputs)
        self.rows, self.values, _, done = op.split_results(outputs)
        self.g_rows, self.g_results, _, _ = op.split_results(given)
        self.last = {k: g for k, g in (last or {}).items() if _known(g)}
        self.null = next(
            (g for g in (*given, *self.last.values()) if isinstance(g.type, NullType)), None
        )
        if done is None:
            self._split_last_rows()
        else:
            self.steps = done
        truncate = op.info.truncate
        self.back = self.steps if truncate < 0 else minimum(self.steps, truncate)
        self.skipped = self.steps - self.back if truncate >= 0 else 0
        self.undefined: dict[Any, Any] = {}
        self.fed: list[tuple[Any, Any]] = []  # inner variable, sequence of the backward loop
        self.carried: list[tuple[Any, Any, Any]] = []  # inner variable, first value, next value

    def _split_last_rows(self) -> None:
        """Note gradients that only the last rows have; they are no sequences of zeros."""
        for k, gradient in enumerate(self.g_rows):
            if _known(gradient) and _float(self.rows[k]):
                row, rest = split_last_row(gradient, self.info.depths[k])
                if row is not None:
                    self.last[k] = self.last[k] + row if k in self.last else row
                    self.g_rows[k] = disconnected_type() if rest is None else rest

    def run(self) -> list[Any]:
        """The gradients of the operands."""
        if self.null is not None:
            return [disconnected_type(), *([self.null] * (len(self.operands) - 1))]
        elements, taps, _, constants = self.inner.split_inner_inputs()
        self._feed(elements, taps)
        live = self._live()
        seeds, pending = self._seeds(live)
        found = self._pull(seeds, [*elements, *(v for row in taps for v in row), *constants])
        for k in live:
            self._carry_rows(k, taps[k], pending[k], found)
        for variable, outer in zip(constants, self.constants, strict=True):
            if variable in found:
                total = variable.type()
                self.carried.append((total, zeros_like(outer), total + found[variable]))
        collected = [v for v in elements if v in found]
        self._use_forward_values([found[v] for v in collected])
        results, finals = self._loop([found[v] for v in collected], constants)
        of_elements = dict(zip(collected, results, strict=True))
        return self._operands(of_elements, iter(finals), live, elements, constants, found)

    # ---- what goes into the loop

    def _feed(self, elements: list[Any], taps: list[list[Any]]) -> None:
        """The values of the forward loop, last step first."""
        for variable, sequence in zip(elements, self.sequences, strict=True):
            self.fed.append((variable, self._reversed(sequence, 0)))
        for k, row in enumerate(self.rows):
            for variable, tap in zip(taps[k], self.info.taps[k], strict=True):
                self.fed.append((variable, self._reversed(row, self.info.depths[k] + tap)))

    def _reversed(self, whole: Any, first: int) -> Any:
        begin = first + self.skipped
        return whole[begin : begin + self.back][::-1]

    def _live(self) -> list[int]:
        """The recurrences through which gradients flow."""
        inner = io_connection_pattern(self.op.inputs, self.op.outputs)
        _, taps, _, _ = self.op.split_inner_inputs()
        place = {v: i for i, v in enumerate(self.op.inputs)}
        count = self.info.recurrences
        given = {k for k, g in enumerate(self.g_rows) if _known(g)}
        live = {k for k in given | set(self.last) if _float(self.rows[k])}
        outs = {count + k for k, g in enumerate(self.g_results) if _known(g)}
        while True:
            more = {
                k
                for k in set(range(count)) - live
                if _float(self.rows[k])
                and any(inner[place[v]][o] for v in taps[k] for o in (*live, *outs))
            }
            if not more:
                return sorted(live)
            live |= more

    def _seeds(self, live: list[int]) -> tuple[dict[Any, Any], dict[int, list[Any]]]:
        """Cotangents of the inner outputs, and what is carried for every live recurrence."""
        new_rows, results, _, _ = self.inner.split_inner_outputs()
        seeds: dict[Any, Any] = {}
        pending: dict[int, list[Any]] = {}

        def add(variable: Any, gradient: Any) -> None:
            seeds[variable] = seeds[variable] + gradient if variable in seeds else gradient

        for k in live:
            new, depth = new_rows[k], self.info.depths[k]
            pending[k] = [new.type() for _ in range(depth)]
            add(new, pending[k][0])
            if _known(self.g_rows[k]):
                add(new, self._outside(new, self.g_rows[k], depth))
        for value, g in zip(results, self.g_results, strict=True):
            if _known(g) and _float(value):
                add(value, self._outside(value, g, 0))
        return seeds, pending

    def _outside(self, value: Any, gradient: Any, first: int) -> Any:
        """The inner variable for the part of a cotangent that comes from outside."""
        variable = value.type()
        self.fed.append((variable, self._reversed(gradient, first)))
        return variable

    def _pull(self, seeds: dict[Any, Any], wrt: list[Any]) -> dict[Any, Any]:
        """The vector-Jacobian product of the inner graph, where there is one."""
        wanted = [v for v in wrt if _float(v)]
        pulled = Reverse(seeds, wanted).run() if seeds else []
        self.undefined = {
            v: g for v, g in zip(wanted, pulled, strict=False) if isinstance(g.type, NullType)
        }
        return {v: _typed(g, v) for v, g in zip(wanted, pulled, strict=False) if _known(g)}

    def _carry_rows(
        self, k: int, taps: list[Any], pending: list[Any], found: dict[Any, Any]
    ) -> None:
        """``pending[j]`` becomes ``pending[j + 1]`` and what this step adds to that row."""
        zero = start = zeros_like(self.rows[k][0])
        if k in self.last:
            start = _typed(zero + self.last[k], pending[0])
        for j, variable in enumerate(pending):
            terms = [
                found[v]
                for v, tap in zip(taps, self.info.taps[k], strict=True)
                if tap == -(j + 1) and v in found
            ]
            terms += pending[j + 1 : j + 2]
            after = terms[0] if terms else zeros_like(variable)
            for term in terms[1:]:
                after = after + term
            self.carried.append((variable, zero if j else start, _typed(after, variable)))

    def _use_forward_values(self, results: list[Any]) -> None:
        """Take from the forward loop what it computes anyway, and its products of matrices.

        Everything else is computed again.
        """
        new_rows, values, _, _ = self.inner.split_inner_outputs()
        given = {}
        for k, variable in enumerate(new_rows):
            given[variable] = (self.rows[k], self.info.depths[k])
        for k, variable in enumerate(values):
            given[variable] = (self.values[k], 0)
        forward = set(toposort(self.inner.outputs, self.inner.inputs))
        self.swap: dict[Any, Any] = {}
        stored = []
        seen: set[Any] = set()
        pending = [*results, *(after for _, _, after in self.carried)]
        while pending:
            variable = pending.pop()
            if variable in seen:
                continue
            seen.add(variable)
            node = variable.owner
            if node is None:
                continue
            if node not in forward or not (variable in given or isinstance(node.op, Dot)):
                pending.extend(node.inputs)
                continue
            self.swap[variable] = variable.type()
            if variable not in given:
                stored.append(variable)
        more = self._with_results(stored) if stored else []
        given.update((v, (rows, 0)) for v, rows in zip(stored, more, strict=True))
        for variable, fed in self.swap.items():
            rows, first = given[variable]
            self.fed.append((fed, self._reversed(rows, first)))

    def _with_results(self, stored: list[Any]) -> list[Any]:
        """Further values of the forward loop, of all steps: by a loop that collects them, too."""
        rows, values, _, condition = self.inner.split_inner_outputs()
        last = [] if condition is None else [condition]
        info = replace(self.info, results=len(values) + len(stored))
        op = type(self.op)(self.inner.inputs, [*rows, *values, *stored, *last], info).private()
        made = op(*self.operands, return_list=True)
        first = len(rows) + len(values)
        return made[first : first + len(stored)]

    def _loop(self, results: list[Any], constants: list[Any]) -> tuple[list[Any], list[Any]]:
        """Run it; returns what is collected, in the order of the steps, and the final states."""
        if not self.carried and not results:
            return [], []
        outs = [*results, *(after for _, _, after in self.carried)]
        outs = clone_replace(outs, self.swap) if self.swap else outs
        used = set(graph_inputs(outs))
        fed = [(v, s) for v, s in self.fed if v in used]
        same = [(v, c) for v, c in zip(constants, self.constants, strict=True) if v in used]
        inner = [v for v, _ in fed] + [v for v, _, _ in self.carried] + [v for v, _ in same]
        info = replace(
            self.info,
            sequences=len(fed),
            taps=(),
            results=len(results),
            states=len(self.carried),
            kept=(),
            until=False,
            truncate=-1,
            name=f"gradient of {self.info.name}" if self.info.name else None,
        )
        operands = [s for _, s in fed] + [start for _, start, _ in self.carried]
        made = type(self.op)(inner, outs, info)(
            self.back, *operands, *(c for _, c in same), return_list=True
        )
        return [g[::-1] for g in made[: len(results)]], made[len(results) :]

    # ---- what comes out

    def _operands(
        self,
        collected: dict[Any, Any],
        finals: Iterator[Any],
        live: list[int],
        elements: list[Any],
        constants: list[Any],
        found: dict[Any, Any],
    ) -> list[Any]:
        g_sequences = [
            self._of_sequence(variable, sequence, collected)
            for variable, sequence in zip(elements, self.sequences, strict=True)
        ]
        g_starts = [disconnected_type() for _ in self.starts]
        for k in live:
            g_starts[k] = self._of_start(k, [next(finals) for _ in range(self.info.depths[k])])
        g_constants = [
            next(finals) if v in found else self.undefined.get(v, disconnected_type())
            for v in constants
        ]
        return [disconnected_type(), *g_sequences, *g_starts, *g_constants]

    def _of_sequence(self, variable: Any, sequence: Any, collected: dict[Any, Any]) -> Any:
        if variable not in collected:
            return self.undefined.get(variable, disconnected_type())
        place = zeros_like(sequence)[self.skipped : self.skipped + self.back]
        return set_subtensor(place, collected[variable])

    def _of_start(self, k: int, pending: list[Any]) -> Any:
        """What was left for the rows before the first one, if the loop went back so far."""
        left = stack(pending[::-1])
        if self.info.truncate >= 0:
            left = switch(lt(self.back, self.steps), zeros_like(left), left)
        if _known(self.g_rows[k]):
            left = left + self.g_rows[k][: self.info.depths[k]]
        return left


def _typed(gradient: Any, variable: Any) -> Any:
    """`gradient` as the type of the inner variable that it belongs to."""
    if gradient.type.dtype != variable.type.dtype:
        gradient = gradient.astype(variable.type.dtype)
    return patternbroadcast(gradient, variable.type.broadcastable)
