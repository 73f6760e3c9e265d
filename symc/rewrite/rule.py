"""Rules: what may replace a node, with a name, a phase and the line where it was written.

A rule is registered once, at any time, by the decorator `rule`; each optimisation works with the
rules that are registered when it starts. A function rule gets ``(node, ctx)`` and returns None
(does not apply), one variable, or a list with one replacement per output (None keeps an output).
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..errors import RewriteError
from .selection import GRAPH_PHASES, Selection

RuleFunction = Callable[[Any, Any], Any]

ANY: Hashable = object()
"""Root key of rules that look at every node."""


@dataclass(frozen=True)
class Rule:
    """A registered rule.

    Attributes
    ----------
    name : str
        Says what happens, for example ``log_of_one_plus``.
    phases : tuple of str
    tags : frozenset of str
        Names by which modes switch the rule, phases included.
    roots : tuple
        Root keys (see `root_key`) of the nodes it looks at.
    function : callable
        ``function(node, ctx)``.
    text : str
        The rule as a formula, or the first line of the function's docstring.
    file, line : str, int
        Where it was written.
    pattern : object or None
        For pattern rules: the pattern, from which tests make graphs.
    """

    name: str
    phases: tuple[str, ...]
    tags: frozenset[str]
    roots: tuple[Hashable, ...]
    function: RuleFunction
    text: str
    file: str
    line: int
    pattern: Any = None


_registered: list[Rule] = []
_names: dict[str, Rule] = {}


def root_key(op: Any) -> Hashable:
    """The key under which rules for nodes of `op` are filed.

    Elementwise ops are told apart by their scalar op, all others by class.
    """
    scalar_op = getattr(op, "scalar_op", None)
    if scalar_op is not None and not hasattr(op, "axis"):
        return type(scalar_op)
    return type(op)


def _root_keys(ops: Iterable[Any]) -> tuple[Hashable, ...]:
    return tuple(op if isinstance(op, type) or op is ANY else root_key(op) for op in ops)


def register(rule: Rule) -> Rule:
    """Add `rule` to the registry.

    Raises
    ------
    RewriteError
        If the name is taken or a phase is unknown.
    """
    if rule.name in _names:
        other = _names[rule.name]
        raise RewriteError(
            f"the rule name {rule.name!r} is taken by {other.file}:{other.line}; names are unique"
        )
    unknown = [p for p in rule.phases if p not in GRAPH_PHASES]
    if unknown:
        raise RewriteError(f"unknown phase {unknown[0]!r}; phases are {', '.join(GRAPH_PHASES)}")
    _names[rule.name] = rule
    _registered.append(rule)
    return rule


def unregister(name: str) -> None:
    """Remove a rule by name; meant for interactive work and tests.

    Raises
    ------
    KeyError
        If there is none.
    """
    _registered.remove(_names.pop(name))


def function_rule(
    phase: str | Sequence[str],
    ops: Iterable[Any] | None = None,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
) -> Callable[[RuleFunction], RuleFunction]:
    """Register a function as a rule.

    Parameters
    ----------
    phase : str or sequence of str
        When it runs; one of :data:`~symc.rewrite.selection.GRAPH_PHASES`.
    ops : iterable, optional
        Op classes, op instances (elementwise ones stand for their scalar op) or scalar op classes
        at the root. Default: every node.
    name : str, optional
        Default: the function's name.
    tags : iterable of str, optional
    """
    phases = (phase,) if isinstance(phase, str) else tuple(phase)
    roots = (ANY,) if ops is None else _root_keys(ops)

    def decorate(function: RuleFunction) -> RuleFunction:
        code = function.__code__
        summary = (function.__doc__ or "").strip().splitlines()
        register(
            Rule(
                name or function.__name__,
                phases,
                frozenset((*phases, *tags)),
                roots,
                function,
                summary[0] if summary else "",
                code.co_filename,
                code.co_firstlineno,
            )
        )
        return function

    return decorate


def all_rules() -> tuple[Rule, ...]:
    """The registered rules, in the order of registration."""
    return tuple(_registered)


def rules_version() -> int:
    """A number that changes whenever the set of rules does."""
    return hash(tuple(r.name for r in _registered))


class RuleTable:
    """The rules of one phase that a selection switches on, by root key."""

    def __init__(self, phase: str, selection: Selection) -> None:
        self.phase = phase
        self._by_root: dict[Hashable, list[Rule]] = {}
        self._merged: dict[Hashable, tuple[Rule, ...]] = {}
        for rule in _registered:
            if phase in rule.phases and selection.allows(rule.name, rule.tags):
                for root in rule.roots:
                    self._by_root.setdefault(root, []).append(rule)

    def __bool__(self) -> bool:
        return bool(self._by_root)

    def for_op(self, op: Any) -> tuple[Rule, ...]:
        """The rules to try on a node of `op`, in order of registration."""
        key = root_key(op)
        found = self._merged.get(key)
        if found is None:
            found = (*self._by_root.get(key, ()), *self._by_root.get(ANY, ()))
            self._merged[key] = found
        return found
