"""A loop taken apart, so that rules can change it and put it together again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ...graph.graph import clone_replace
from ...graph.node import Apply
from ...graph.walk import graph_inputs
from .op import Scan, ScanInfo

__all__ = ["LoopParts", "RecurrencePart", "ResultPart", "StatePart"]


@dataclass(eq=False)
class RecurrencePart:
    """A recurrence: its inner rows by tap, first rows, the new row; and the output it was."""

    rows: list[Any]
    taps: tuple[int, ...]
    start: Any
    new: Any
    keep: int | None
    output: int = -1

    @property
    def seen(self) -> list[Any]:
        """The inner inputs that are values of it."""
        return self.rows


@dataclass(eq=False)
class StatePart:
    """A state: its inner variable, first value, new value; and the output it was."""

    inner: Any
    start: Any
    new: Any
    output: int = -1

    @property
    def seen(self) -> list[Any]:
        """The inner inputs that are values of it."""
        return [self.inner]


@dataclass(eq=False)
class ResultPart:
    """A collected value, and the output it was; -1 where it is new."""

    value: Any
    output: int = -1


@dataclass(eq=False)
class LoopParts:
    """A loop by its parts.

    Attributes
    ----------
    steps : variable
    sequences, constants : list of (inner variable, operand)
    recurrences, states, results : list
    condition : variable or None
    info : ScanInfo
        Of the loop that was taken apart.
    """

    steps: Any
    sequences: list[tuple[Any, Any]]
    recurrences: list[RecurrencePart]
    states: list[StatePart]
    constants: list[tuple[Any, Any]]
    results: list[ResultPart]
    condition: Any
    info: ScanInfo
    done: int | None = None
    count: int = 0

    @classmethod
    def of(cls, node: Apply) -> LoopParts:
        """Take the loop of a node apart; inner variables stay the same."""
        op: Scan = node.op
        info = op.info
        steps, sequences, starts, states, constants = op.split_operands(node.inputs)
        elements, rows, inner_states, inner_constants = op.split_inner_inputs()
        new_rows, values, new_states, condition = op.split_inner_outputs()
        first = info.recurrences
        second = first + info.results
        return cls(
            steps,
            list(zip(elements, sequences, strict=True)),
            [
                RecurrencePart(*parts, output=k)
                for k, parts in enumerate(
                    zip(rows, info.taps, starts, new_rows, info.kept, strict=True)
                )
            ],
            [
                StatePart(*parts, output=second + k)
                for k, parts in enumerate(zip(inner_states, states, new_states, strict=True))
            ],
            list(zip(inner_constants, constants, strict=True)),
            [ResultPart(v, first + k) for k, v in enumerate(values)],
            condition,
            info,
            second + info.states if info.until else None,
            len(node.outputs),
        )

    @property
    def outs(self) -> list[Any]:
        """The inner outputs."""
        last = [] if self.condition is None else [self.condition]
        return [
            *(r.new for r in self.recurrences),
            *(r.value for r in self.results),
            *(s.new for s in self.states),
            *last,
        ]

    def replaced(self, swap: dict[Any, Any]) -> LoopParts:
        """Put other variables into the expressions; returns the loop itself."""
        values = iter(clone_replace(self.outs, swap))
        for recurrence in self.recurrences:
            recurrence.new = next(values)
        for result in self.results:
            result.value = next(values)
        for state in self.states:
            state.new = next(values)
        if self.condition is not None:
            self.condition = next(values)
        return self

    def drop_unused_inputs(self) -> bool:
        """Forget sequences and constants that no step uses; returns whether there were any."""
        used = set(graph_inputs(self.outs))
        before = len(self.sequences) + len(self.constants)
        self.sequences = [(v, s) for v, s in self.sequences if v in used]
        self.constants = [(v, c) for v, c in self.constants if v in used]
        return len(self.sequences) + len(self.constants) < before

    def build(self) -> tuple[list[Any], dict[Any, Any]]:
        """Put the loop together.

        Returns
        -------
        list of (Variable or None)
            What takes the place of each output of the old node; None for outputs that are gone.
        dict
            The new output by part (recurrence, state or result).
        """
        self.drop_unused_inputs()
        inner = [v for v, _ in self.sequences]
        inner += [v for r in self.recurrences for v in r.rows]
        inner += [s.inner for s in self.states] + [v for v, _ in self.constants]
        info = ScanInfo(
            sequences=len(self.sequences),
            taps=tuple(r.taps for r in self.recurrences),
            results=len(self.results),
            states=len(self.states),
            kept=tuple(r.keep for r in self.recurrences),
            until=self.condition is not None,
            truncate=self.info.truncate,
            name=self.info.name,
        )
        operands = [s for _, s in self.sequences] + [r.start for r in self.recurrences]
        operands += [s.start for s in self.states] + [c for _, c in self.constants]
        made = Scan(inner, self.outs, info)(self.steps, *operands, return_list=True)
        parts: list[Any] = [*self.recurrences, *self.results, *self.states]
        by_part = dict(zip(parts, made, strict=False))
        old: list[Any] = [None] * self.count
        for part, output in by_part.items():
            if part.output >= 0:
                old[part.output] = output
        if self.done is not None:
            old[self.done] = made[-1]
        return old, by_part
