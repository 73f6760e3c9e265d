"""Which rules and phases run: presets, and names to include, exclude or require.

A rule has a name and tags; its phase is one of its tags. Theano's names of phases and groups are
understood: see :mod:`symc.rewrite.names`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from .names import ALIASES

EARLY_PHASES: tuple[str, ...] = ("fold", "canonical", "stable")
"""Phases before the loops are looked at; they also run inside of loops."""

LATE_PHASES: tuple[str, ...] = ("blas", "specialise")
"""Phases after that."""

GRAPH_PHASES: tuple[str, ...] = (*EARLY_PHASES, "scan", *LATE_PHASES)
"""Phases on the graph, in the order in which they run; ``merge`` is how the engine works."""

PROGRAM_PHASES: tuple[str, ...] = ("fusion", "inplace")
"""Decisions of the lowering that can be switched off by name."""

_ALL = frozenset((*GRAPH_PHASES, *PROGRAM_PHASES))

PRESETS: dict[str, frozenset[str]] = {
    "fast_run": _ALL,
    "o4": _ALL,
    "o3": _ALL - {"inplace"},
    "o2": frozenset(("fold", "useless", "fast_compile", "fusion")),
    "fast_compile": frozenset(("fold", "useless", "fast_compile")),
    "o1": frozenset(("fold", "useless", "fast_compile")),
    "fast_run_stable": _ALL,
    "stabilize": frozenset(("fold", "canonical", "stable")),
    "unsafe": _ALL | {"unsafe"},
    "merge": frozenset(),
    "None": frozenset(),
}
"""Names of optimizers and the tags that they switch on."""


@dataclass(frozen=True)
class Selection:
    """A selection of rules.

    A rule runs if one of its tags is switched on by the preset or its name or a tag is in
    `include`, unless its name or a tag is in `exclude` or one of `require` is missing. Rules
    tagged ``unsafe`` or ``off`` run only when ``unsafe`` or their own name is asked for.

    Examples
    --------
    >>> Selection("fast_run").excluding("stabilize").allows("log_of_one_plus", ["stable"])
    False
    """

    preset: str = "fast_run"
    include: frozenset[str] = field(default_factory=frozenset)
    exclude: frozenset[str] = field(default_factory=frozenset)
    require: frozenset[str] = field(default_factory=frozenset)

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"unknown preset {self.preset!r}; known: {sorted(PRESETS)}")

    def including(self, *names: str) -> Selection:
        """With more rules or tags."""
        return replace(self, include=self.include | _known_as(names))

    def excluding(self, *names: str) -> Selection:
        """Without some rules or tags."""
        return replace(self, exclude=self.exclude | _known_as(names))

    def requiring(self, *names: str) -> Selection:
        """Only rules that have all of these tags."""
        return replace(self, require=self.require | _known_as(names))

    @property
    def merges(self) -> bool:
        """Whether equal nodes are merged; only the preset ``None`` keeps them apart."""
        return self.preset != "None" and "merge" not in self.exclude

    def allows(self, name: str, tags: Iterable[str] = ()) -> bool:
        """Whether the rule (or program phase) `name` with these `tags` runs."""
        marks = {name, *tags}
        if marks & self.exclude or not self.require <= marks:
            return False
        if name in self.include:
            return True
        if marks & {"unsafe", "off"} and not marks & PRESETS[self.preset] & {"unsafe"}:
            return bool(marks & self.include & {"unsafe"})
        return bool(marks & (PRESETS[self.preset] | self.include))


def _known_as(names: Iterable[str]) -> frozenset[str]:
    return frozenset(known for n in names for known in ALIASES.get(n, (n,)))
