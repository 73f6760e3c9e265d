"""Rules: what may replace a node, with a name, a phase and the line where it was written.

`rule` registers a pattern, a pair of expressions, or a function of the node::

    @rule("stable")
    def log_of_one_plus(x):
        return log(1 + x), log1p(x)

    @rule("canonical", ops=[Join])
    def join_of_one(node, ctx):
        \"\"\"join(x) is x.\"\"\"
        axis, *parts = node.inputs
        return parts[0] if len(parts) == 1 else None

Rules may be registered at any time; each optimisation works with those that are registered when it
starts. A function rule returns None (it does not apply), one variable, or a list with one
replacement per output, where None keeps an output.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import RewriteError
from ..ops.elemwise import Elemwise
from .pattern import Pattern, formula
from .selection import GRAPH_PHASES, Selection

__all__ = [
    "ANY",
    "GraphPass",
    "Rule",
    "RuleTable",
    "all_rules",
    "graph_pass",
    "graph_passes",
    "register",
    "root_key",
    "rule",
    "rules_are_symcs",
    "rules_version",
    "unregister",
]

RuleFunction = Callable[[Any, Any], Any]

ANY: Hashable = object()
"""Root of rules that look at every node: ``@rule("fold", ops=[ANY])``."""


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
    pattern : Pattern or None
        For pattern rules: the two expressions, from which tests make graphs.
    """

    name: str
    phases: tuple[str, ...]
    tags: frozenset[str]
    roots: tuple[Hashable, ...]
    function: RuleFunction
    text: str
    file: str
    line: int
    pattern: Pattern | None = None


@dataclass(frozen=True)
class GraphPass:
    """A registered function of whole graphs: ``function(outputs, ctx)`` gives new outputs."""

    name: str
    phase: str
    tags: frozenset[str]
    function: Callable[[Sequence[Any], Any], Sequence[Any] | None]
    text: str
    file: str
    line: int


_PACKAGE = Path(__file__).parents[1]
_removed: set[str] = set()
_rules: dict[str, Rule] = {}
_passes: dict[str, GraphPass] = {}


def root_key(op: Any) -> Any:
    """The key under which rules for nodes of `op` are filed.

    Elementwise ops are told apart by the class of their scalar op, all others by their own class.
    """
    return type(op.scalar_op) if isinstance(op, Elemwise) else type(op)


def _root_keys(ops: Iterable[Any]) -> tuple[Hashable, ...]:
    return tuple(op if isinstance(op, type) or op is ANY else root_key(op) for op in ops)


def register(new: Rule | GraphPass) -> None:
    """Add a rule or a pass to the registry.

    Raises
    ------
    RewriteError
        If the name is taken or a phase is unknown.
    """
    other = _rules.get(new.name) or _passes.get(new.name)
    if other is not None:
        raise RewriteError(
            f"the rule name {new.name!r} is taken by {other.file}:{other.line}; names are unique"
        )
    for phase in new.phases if isinstance(new, Rule) else (new.phase,):
        if phase not in GRAPH_PHASES:
            raise RewriteError(f"unknown phase {phase!r}; phases are {', '.join(GRAPH_PHASES)}")
    if isinstance(new, Rule):
        _rules[new.name] = new
    else:
        _passes[new.name] = new


def unregister(name: str) -> None:
    """Remove a rule or pass by name; meant for interactive work and tests.

    Raises
    ------
    KeyError
        If there is none.
    """
    old = _passes.pop(name) if name in _passes else _rules.pop(name)
    if _is_symcs(old):
        _removed.add(name)


def rules_are_symcs() -> bool:
    """Whether nobody has added rules to symc's own, or removed some of these."""
    entries: list[Rule | GraphPass] = [*_rules.values(), *_passes.values()]
    return not _removed and all(map(_is_symcs, entries))


def _is_symcs(entry: Rule | GraphPass) -> bool:
    """Whether a rule comes with symc; what users give to the databases of `symc.gof` does not."""
    inside, outside = f"{_PACKAGE}{os.sep}", f"{_PACKAGE / 'gof'}{os.sep}"
    return entry.file.startswith(inside) and not entry.file.startswith(outside)


def rule(
    phase: str | Sequence[str],
    ops: Iterable[Any] | None = None,
    *,
    name: str | None = None,
    tags: Iterable[str] = (),
    when: Callable[..., bool] | None = None,
    kinds: str = "f",
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated function as a rule.

    Parameters
    ----------
    phase : str or sequence of str
        When it runs; of :data:`~symc.rewrite.selection.GRAPH_PHASES`.
    ops : iterable, optional
        For a function of ``(node, ctx)``: what is at the root. Op classes, scalar op classes, or
        instances (elementwise ones and scalar ops stand for the scalar op); ``Elemwise`` for all
        elementwise nodes, `ANY` for every node.
        Without `ops` the function gives a pattern: called with placeholders it returns the
        expression to look for and the one to put in its place.
    name : str, optional
        Default: the function's name.
    tags : iterable of str, optional
        Further names by which modes switch the rule.
    when : callable, optional
        For patterns: called with what the placeholders stand for; the rule applies where it
        returns True.
    kinds : str
        For patterns: the kinds of dtype that everything in the expression must have; ``"f"``,
        floats, by default.

    Raises
    ------
    RewriteError
        If the name is taken, a phase is unknown or the pattern makes no sense.
    """
    phases = (phase,) if isinstance(phase, str) else tuple(phase)

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        code = function.__code__
        title = name or function.__name__
        where = (code.co_filename, code.co_firstlineno)
        marks = frozenset((*phases, *tags))
        if ops is not None:
            text = _summary(function)
            register(Rule(title, phases, marks, _root_keys(ops), function, text, *where))
        else:
            pattern = Pattern.of(function, kinds=kinds, when=when)
            roots = _root_keys([pattern.root])
            text = formula(pattern)
            register(Rule(title, phases, marks, roots, pattern.rewrite, text, *where, pattern))
        return function

    return decorate


def graph_pass(
    phase: str, *, name: str | None = None, tags: Iterable[str] = ()
) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register a function of whole graphs; it runs before the rules of its phase.

    Parameters
    ----------
    phase : str
    name : str, optional
        Default: the function's name.
    tags : iterable of str, optional

    Notes
    -----
    The function gets ``(outputs, ctx)`` and returns as many variables of the same types, or None.
    """

    def decorate(function: Callable[..., Any]) -> Callable[..., Any]:
        code = function.__code__
        register(
            GraphPass(
                name or function.__name__,
                phase,
                frozenset((phase, *tags)),
                function,
                _summary(function),
                code.co_filename,
                code.co_firstlineno,
            )
        )
        return function

    return decorate


def _pattern_roots(entry: Rule) -> set[Hashable]:
    assert entry.pattern is not None
    return {root_key(form.owner.op) for form in entry.pattern.forms}  # type: ignore[union-attr]


def _summary(function: Callable[..., Any]) -> str:
    lines = (function.__doc__ or "").strip().splitlines()
    return lines[0] if lines else ""


def all_rules() -> tuple[Rule, ...]:
    """The registered rules, in the order of registration."""
    return tuple(_rules.values())


def graph_passes(phase: str, selection: Selection) -> list[GraphPass]:
    """The passes of a phase that a selection switches on."""
    return [p for p in _passes.values() if p.phase == phase and selection.allows(p.name, p.tags)]


def rules_version() -> str:
    """A text that changes whenever the set of rules does, the same in every process."""
    names = "\n".join([*(f"{r.name}: {r.text}" for r in _rules.values()), *_passes])
    return hashlib.sha256(names.encode()).hexdigest()[:16]


class RuleTable:
    """The rules of one phase that a selection switches on, by root key.

    Parameters
    ----------
    phase : str
    selection : Selection

    Attributes
    ----------
    names : set of str
        Of the rules.
    """

    def __init__(self, phase: str, selection: Selection) -> None:
        self.phase = phase
        self.names: set[str] = set()
        self._by_root: dict[Hashable, list[Rule]] = {}
        self._found: dict[Hashable, tuple[Rule, ...]] = {}
        self._by_op: dict[int, tuple[Any, tuple[Rule, ...]]] = {}
        for entry in _rules.values():
            if phase in entry.phases and selection.allows(entry.name, entry.tags):
                self.names.add(entry.name)
                for root in entry.roots if entry.pattern is None else _pattern_roots(entry):
                    self._by_root.setdefault(root, []).append(entry)

    def __bool__(self) -> bool:
        return bool(self._by_root)

    def for_op(self, op: Any) -> tuple[Rule, ...]:
        """The rules to try on a node of `op`: for the op, for its class, for every node."""
        known = self._by_op.get(id(op))
        if known is None:  # the op is kept, so that no other gets its id
            known = self._by_op[id(op)] = op, self._rules_for(op)
        return known[1]

    def _rules_for(self, op: Any) -> tuple[Rule, ...]:
        key = root_key(op)
        found = self._found.get(key)
        if found is None:
            keys = (key, Elemwise, ANY) if isinstance(op, Elemwise) else (key, ANY)
            found = tuple(rule for k in keys for rule in self._by_root.get(k, ()))
            self._found[key] = found
        return found
