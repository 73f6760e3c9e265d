"""What an optimisation did: which rules fired where, and the time they took."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..graph.node import Variable

__all__ = ["Firing", "Optimized"]


@dataclass(frozen=True)
class Firing:
    """A rule that replaced a node.

    Attributes
    ----------
    rule, phase : str
    op : Op or None
        The op of the node; None for passes over the whole graph.
    trace : Trace or None
        Where the user built the node.
    """

    rule: str
    phase: str
    op: Any
    trace: Any

    @property
    def where(self) -> str:
        """The user's line, or an empty text."""
        return str(self.trace[-1]) if self.trace else ""

    def __str__(self) -> str:
        node = "" if self.op is None else f" on {self.op}"
        return f"{self.phase}: {self.rule}{node}" + (f" ({self.where})" if self.where else "")


@dataclass
class Optimized:
    """The result of an optimisation.

    Attributes
    ----------
    outputs : list of Variable
    firings : list of Firing
        In the order in which they happened.
    seconds : dict
        Time spent per rule.
    calls : Counter
        How often each rule was tried.
    phase_seconds : dict
        Time spent per phase.
    """

    outputs: list[Variable]
    firings: list[Firing] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    calls: Counter[str] = field(default_factory=Counter)
    phase_seconds: dict[str, float] = field(default_factory=dict)

    def within(self, outputs: list[Variable]) -> Optimized:
        """The record for a graph inside of this one; what happens there is counted here too."""
        return Optimized(
            list(outputs), self.firings, self.seconds, self.calls, self.phase_seconds
        )

    def spend(self, rule: str, seconds: float) -> None:
        """Note that a rule was tried, and for how long."""
        self.seconds[rule] = self.seconds.get(rule, 0.0) + seconds
        self.calls[rule] = self.calls.get(rule, 0) + 1

    def fired(self, rule: str) -> int:
        """How often a rule fired."""
        return sum(f.rule == rule for f in self.firings)

    def last_rule(self) -> str | None:
        """The rule that fired last."""
        return self.firings[-1].rule if self.firings else None

    def summary(self, max_lines: int = 3) -> list[str]:
        """The rules that fired, by phase, with counts and up to `max_lines` of the user's lines."""
        text = []
        places: dict[tuple[str, str], Counter[str]] = {}
        for f in self.firings:
            places.setdefault((f.phase, f.rule), Counter())[f.where] += 1
        for (phase, rule), where in places.items():
            text.append(f"{phase}: {rule} x{sum(where.values())}")
            known = [(line, n) for line, n in where.most_common() if line]
            text.extend(
                f"    {line}" + (f" x{n}" if n > 1 else "") for line, n in known[:max_lines]
            )
            if len(known) > max_lines:
                text.append(f"    ... and {len(known) - max_lines} more lines")
        return text

    def profile(self, max_lines: int = 20) -> list[str]:
        """Time and tries per rule, slowest first, after the time per phase."""
        counts = Counter(f.rule for f in self.firings)
        text = [f"{seconds:8.3f} s  phase {name}" for name, seconds in self.phase_seconds.items()]
        slowest = sorted(self.seconds.items(), key=lambda item: -item[1])
        text.extend(
            f"{seconds:8.3f} s  {name}: tried {self.calls[name]}, fired {counts[name]}"
            for name, seconds in slowest[:max_lines]
        )
        return text
