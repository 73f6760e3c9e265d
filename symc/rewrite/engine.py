"""The rewriting engine: bottom-up, interning, one pass per phase until nothing fires.

Every phase rebuilds the graph from its leaves. A node is *final* when its operands are final and
no rule of the phase applies to it; nodes made by a rule are taken through the same process before
their readers are. Nodes with the same op and the same final operands are the same node, so common
subexpressions merge by construction. The user's graph is never changed: a node whose operands
changed is rebuilt.

Nothing here recurses; the cost is linear in the number of nodes visited, and the number of firings
is bounded, so a set of rules that undo each other ends in an error that names them.
"""

from __future__ import annotations

import time
import warnings
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..config import config
from ..errors import RewriteError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.trace import user_line
from ..graph.walk import toposort
from .rule import Rule, RuleTable
from .selection import GRAPH_PHASES, Selection

MAX_PASSES = 8
"""How often a phase may sweep the graph."""

FIRINGS_PER_NODE = 40
"""Firing budget of a phase: this many per node of the graph, and `MIN_BUDGET` at least."""

MIN_BUDGET = 2000


@dataclass(frozen=True)
class Firing:
    """A rule that replaced a node: its name, phase, and where the user built the node."""

    rule: str
    phase: str
    op: str
    where: str


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
    """

    outputs: list[Variable]
    firings: list[Firing] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)


class RewriteContext:
    """What a rule may ask for besides its node.

    Attributes
    ----------
    facts : object or None
        Symbolic sizes; see :mod:`symc.lower.facts`. With None nothing can be proved.
    """

    def __init__(self, facts: Any, selection: Selection) -> None:
        self.facts = facts
        self.selection = selection
        self._readers: Counter[Variable] = Counter()

    def count_readers(self, outputs: Sequence[Variable], order: Sequence[Apply]) -> None:
        """Take the snapshot of reader counts for a sweep."""
        readers: Counter[Variable] = Counter(outputs)
        for node in order:
            readers.update(node.inputs)
        self._readers = readers

    def readers(self, var: Variable) -> int:
        """How many operands and outputs `var` was at the start of the sweep (1 when new)."""
        return self._readers.get(var, 1)

    def same_length(self, x: Variable, i: int, y: Variable, j: int) -> bool:
        """Whether axis `i` of `x` and axis `j` of `y` have one length, proved or guarded."""
        return self.facts is not None and bool(self.facts.same_length(x, i, y, j))

    def same_shape(self, x: Any, y: Any) -> bool:
        """Whether `x` and `y` have equal shapes, proved or guarded."""
        return x.type.ndim == y.type.ndim and all(
            self.same_length(x, i, y, i) for i in range(x.type.ndim)
        )


class _Sweep:
    """One pass of one phase over a graph."""

    def __init__(
        self, phase: str, table: RuleTable, ctx: RewriteContext, merge: bool, log: Optimized
    ) -> None:
        self.phase = phase
        self.table = table
        self.ctx = ctx
        self.merge = merge
        self.log = log
        self.interned: dict[Hashable, Apply] = {}
        self.constants: dict[Hashable, Constant] = {}
        self.final: dict[Variable, Variable] = {}
        self.forward: dict[Variable, Variable] = {}
        self.fired = 0
        self.budget = 0

    def run(self, outputs: Sequence[Variable]) -> list[Variable]:
        order = toposort(list(outputs))
        self.budget = max(MIN_BUDGET, FIRINGS_PER_NODE * len(order))
        self.ctx.count_readers(outputs, order)
        for node in order:
            for out in node.outputs:
                self._finish(out)
        for out in outputs:
            self._finish(out)
        return [self.final[out] for out in outputs]

    def _finish(self, root: Variable) -> None:
        """Make `root` final, and everything it needs."""
        final, forward = self.final, self.forward
        stack = [root]
        on_stack = {root}
        while stack:
            var = stack[-1]
            if var in final:
                on_stack.discard(stack.pop())
                continue
            target = forward.get(var)
            if target is not None:
                if target in final:
                    final[var] = final[target]
                else:
                    self._push(stack, on_stack, target)
                continue
            node = var.owner
            if node is None:
                final[var] = self._constant(var) if isinstance(var, Constant) else var
                continue
            waiting = [v for v in node.inputs if v not in final]
            if waiting:
                for v in reversed(waiting):
                    if v not in on_stack:
                        self._push(stack, on_stack, v)
                    elif v is not waiting[0]:
                        continue
                    else:
                        self._cycle(v)
                continue
            self._settle(node)

    def _push(self, stack: list[Variable], on_stack: set[Variable], var: Variable) -> None:
        if var in on_stack:
            self._cycle(var)
        stack.append(var)
        on_stack.add(var)

    def _cycle(self, var: Variable) -> None:
        last = self.log.firings[-1].rule if self.log.firings else "?"
        raise RewriteError(
            f"a rule replaced {var} by an expression of itself; the last rule fired was {last!r}"
        )

    def _constant(self, const: Constant) -> Constant:
        if not self.merge:
            return const
        key = (const.type, const.signature())
        try:
            return self.constants.setdefault(key, const)
        except TypeError:
            return const

    def _settle(self, node: Apply) -> None:
        """All operands of `node` are final: intern it and try the rules."""
        inputs = [self.final[v] for v in node.inputs]
        canonical = self._intern(node, inputs)
        if canonical is not node:
            for old, new in zip(node.outputs, canonical.outputs, strict=True):
                _keep_name(old, new)
                self.forward[old] = new
            return
        replacement = self._try_rules(node)
        if replacement is None:
            for out in node.outputs:
                self.final[out] = out
            return
        for old, new in zip(node.outputs, replacement, strict=True):
            if new is None or new is old:
                self.final[old] = old
            else:
                self.forward[old] = new

    def _intern(self, node: Apply, inputs: list[Variable]) -> Apply:
        changed = any(a is not b for a, b in zip(node.inputs, inputs, strict=True))
        if not self.merge:
            return node.clone_with_new_inputs(inputs) if changed else node
        key = (node.op, tuple(map(id, inputs)), tuple(o.type for o in node.outputs))
        try:
            found = self.interned.get(key)
        except TypeError:
            return node.clone_with_new_inputs(inputs) if changed else node
        if found is None:
            found = node.clone_with_new_inputs(inputs) if changed else node
            self.interned[key] = found
        return found

    def _try_rules(self, node: Apply) -> list[Variable | None] | None:
        for rule in self.table.for_op(node.op):
            start = time.perf_counter()
            try:
                result = rule.function(node, self.ctx)
                checked = None if result is None else self._checked(rule, node, result)
            except Exception as error:
                _rule_failed(rule, node, error)
                continue
            finally:
                spent = time.perf_counter() - start
                self.log.seconds[rule.name] = self.log.seconds.get(rule.name, 0.0) + spent
            if checked is not None:
                self._fire(rule, node, checked)
                return checked
        return None

    def _checked(
        self, rule: Rule, node: Apply, result: Any
    ) -> list[Variable | None] | None:
        if result is False:
            return None
        if isinstance(result, Variable):
            result = [result]
        if len(result) != len(node.outputs):
            raise RewriteError(
                f"rule {rule.name!r} gave {len(result)} replacements for {len(node.outputs)} "
                f"outputs of {node.op}"
            )
        return [
            None if new is None else _fitted(rule, old, new)
            for old, new in zip(node.outputs, result, strict=True)
        ]

    def _fire(self, rule: Rule, node: Apply, results: Sequence[Variable | None]) -> None:
        self.fired += 1
        self.log.firings.append(Firing(rule.name, self.phase, str(node.op), user_line(node)))
        for old, new in zip(node.outputs, results, strict=True):
            if new is not None and new is not old:
                self._inherit(old, new, node)
        if self.fired > self.budget:
            tail = Counter(f.rule for f in self.log.firings[-200:])
            raise RewriteError(
                user_message(
                    f"phase {self.phase!r}: more than {self.budget} firings; some rules undo "
                    "each other",
                    got=", ".join(f"{name} x{n}" for name, n in tail.most_common(6)),
                    hint="exclude one of them: mode.excluding(name)",
                )
            )

    def _inherit(self, old: Variable, new: Variable, node: Apply) -> None:
        """Nodes that a rule made carry the name and the user's line of what they replace."""
        _keep_name(old, new)
        trace = getattr(old.tag, "trace", None)
        if trace is None:
            return
        known = set(node.inputs)
        stack = [new]
        while stack:
            var = stack.pop()
            owner = var.owner
            if owner is None or var in known or var in self.final or var in self.forward:
                continue
            known.add(var)
            owner.tag.trace = trace
            for out in owner.outputs:
                out.tag.trace = trace
            stack.extend(owner.inputs)


def _keep_name(old: Variable, new: Variable) -> None:
    if new.name is None and old.name is not None and new.owner is not None:
        new.name = old.name


def _fitted(rule: Rule, old: Variable, new: Any) -> Variable:
    """`new`, converted to the type of `old` where that loses nothing."""
    if not isinstance(new, Variable):
        raise RewriteError(f"rule {rule.name!r} gave {new!r}, which is not a variable")
    if new.type == old.type:
        return new
    try:
        converted = old.type.filter_variable(new)
    except TypeError as error:
        raise RewriteError(
            f"rule {rule.name!r} replaced {old} of type {old.type} by one of type {new.type}"
        ) from error
    return converted  # type: ignore[no-any-return]


def _rule_failed(rule: Rule, node: Apply, error: Exception) -> None:
    action = config.on_opt_error
    message = user_message(
        f"rewrite rule {rule.name!r} failed on {node.op}: {error}",
        where=f"{rule.file}:{rule.line}",
        hint=f"exclude it: mode.excluding({rule.name!r})",
    )
    if action == "raise":
        raise RewriteError(message) from error
    if action == "warn":
        warnings.warn(message, stacklevel=2)


def optimize(
    outputs: Sequence[Variable], facts: Any = None, selection: Selection | None = None
) -> Optimized:
    """Rewrite the graph of `outputs`.

    Parameters
    ----------
    outputs : sequence of Variable
    facts : object, optional
        Symbolic sizes (:class:`symc.lower.facts.Facts`); what is assumed is recorded there.
    selection : Selection, optional
        Which rules run; default ``fast_run``.

    Returns
    -------
    Optimized

    Raises
    ------
    RewriteError
        If rules undo each other, or one fails and ``config.on_opt_error`` is ``"raise"``.
    """
    selection = selection or Selection()
    log = Optimized(list(outputs))
    ctx = RewriteContext(facts, selection)
    for phase in ("merge", *GRAPH_PHASES):
        table = RuleTable(phase, selection)
        if not table and not (phase == "merge" and selection.merges):
            continue
        for _ in range(MAX_PASSES):
            sweep = _Sweep(phase, table, ctx, selection.merges, log)
            log.outputs = sweep.run(log.outputs)
            if not sweep.fired:
                break
    return log
