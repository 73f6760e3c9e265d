"""The rewriting engine: bottom-up over the nodes, interning as it rebuilds.

Every phase rebuilds the graph from its leaves. A node is *final* when its operands are final and
no rule of the phase applies to it; nodes made by a rule are taken through the same process before
their readers are. Nodes with the same op and the same final operands are the same node, so common
subexpressions merge by construction. The user's graph is never changed: a node whose operands
changed is rebuilt.

Nothing here recurses, and the cost is linear in the number of nodes visited. The number of firings
is bounded, so a set of rules that undo each other ends in an error that names them.
"""

from __future__ import annotations

import gc
import sys
import warnings
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from contextlib import contextmanager
from time import perf_counter
from typing import Any, NamedTuple

from ..array.variable import TensorConstant
from ..config import change_flags, config
from ..errors import RewriteError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.walk import ancestors
from ..ops.elemwise import Elemwise
from .context import Quiet, RewriteContext
from .inner import private_graphs, with_inner_graphs
from .report import Firing, Optimized
from .rule import Rule, RuleTable, all_rules, graph_passes
from .selection import EARLY_PHASES, LATE_PHASES, Selection

__all__ = ["optimize"]

MAX_SWEEPS = 8
"""How often a phase may sweep the graph."""

FIRINGS_PER_NODE = 40
"""Firing budget of a sweep: this many per node of the graph, and `MIN_BUDGET` at least."""

MIN_BUDGET = 2000


class _RuleLoop(Exception):  # noqa: N818 - handled by `optimize`, which makes an error of it
    """Rules undo each other, or one replaces a node by an expression of itself."""

    def __init__(self, what: str, names: Sequence[str]) -> None:
        super().__init__(what)
        self.what = what
        self.names = list(names)


class _Tally:
    """How often a rule was tried in a sweep, and for how long."""

    __slots__ = ("calls", "seconds")

    def __init__(self) -> None:
        self.calls = 0
        self.seconds = 0.0


class _Tried(NamedTuple):
    """The rules to try on nodes of an op, which is kept, so that no other gets its id."""

    op: Any
    rules: list[tuple[Rule, _Tally]]
    after: Quiet


class _Sweep:
    """One pass of one phase over a graph."""

    def __init__(
        self, table: RuleTable, ctx: RewriteContext, merge: bool, excluded: set[str], log: Optimized
    ) -> None:
        self.table = table
        self.ctx = ctx
        self.merge = merge
        self.excluded = excluded
        self.log = log
        self.interned: dict[Hashable, Apply] = {}
        self.constants: dict[Hashable, Variable] = {}
        self.final: dict[Variable, Variable] = {}
        self.forward: dict[Variable, Variable] = {}
        self.cause: dict[Variable, str] = {}
        self.tried: dict[tuple[int, Quiet], _Tried] = {}
        self.unknown = ctx.quiet_node(frozenset(), frozenset(), frozenset())
        self.tallies: dict[str, _Tally] = {}
        self.fired = 0
        self.budget = 0

    def run(self, outputs: Sequence[Variable]) -> list[Variable]:
        order = self.ctx.start_sweep(outputs)
        self.budget = max(MIN_BUDGET, FIRINGS_PER_NODE * len(order))
        final = self.final
        try:
            for node in order:
                for v in node.inputs:
                    if v not in final:  # a leaf: all others come before, in the order
                        self._advance(v)
                self._settle(node)
                for out in node.outputs:
                    if out not in final:
                        self._finish(out)
            for out in outputs:
                self._finish(out)
        finally:
            self._tell_time()
        return [final[out] for out in outputs]

    # ---- walking

    def _finish(self, root: Variable) -> None:
        """Make `root` final, and everything it needs."""
        final = self.final
        opened: dict[Variable, bool] = {}
        stack = [root]
        while stack:
            var = stack[-1]
            if var in final:
                stack.pop()
                continue
            waiting = self._advance(var)
            if not waiting:
                continue
            replaced = var in self.forward
            if opened.get(var) is replaced:  # its operands were walked since, and still wait
                raise self._loop(var, stack)
            opened[var] = replaced
            stack.extend(reversed(waiting))

    def _advance(self, var: Variable) -> list[Variable]:
        """Take one step towards making `var` final; return what must become final before."""
        final = self.final
        target = self.forward.get(var)
        if target is not None:
            if target not in final:
                return [target]
            final[var] = final[target]
            return []
        node = var.owner
        if node is None:
            final[var] = self._constant(var) if isinstance(var, Constant) else var
            return []
        waiting = [v for v in node.inputs if v not in final]
        if not waiting:
            self._settle(node)
        return waiting

    def _loop(self, var: Variable, stack: Sequence[Variable]) -> _RuleLoop:
        path = stack[stack.index(var) :]
        names = [self.cause[v] for v in path if v in self.cause]
        names = list(dict.fromkeys(names)) or [f.rule for f in self.log.firings[-1:]]
        return _RuleLoop(f"{var} was replaced by an expression of itself", names)

    # ---- nodes

    def _constant(self, const: Constant) -> Variable:
        if not self.merge:
            return const
        key = const.merge_signature()
        if not isinstance(const, TensorConstant):
            key = (const.type, key)
        try:
            return self.constants.setdefault(key, const)
        except TypeError:  # a value that can't be hashed
            return const

    def _settle(self, node: Apply) -> None:
        """All operands of `node` are final: intern it and try the rules."""
        final = self.final
        canonical, is_new = self._intern(node, [final[v] for v in node.inputs])
        if canonical is not node:
            for old, new in zip(node.outputs, canonical.outputs, strict=True):
                _keep_name(old, new)
                self._replace(old, new)
            if not is_new:
                return
        replacement = self._try_rules(canonical)
        if replacement is None:
            for out in canonical.outputs:
                final[out] = out
            return
        for old, new in zip(canonical.outputs, replacement, strict=True):
            if new is None or new is old:
                final[old] = old
            else:
                self._replace(old, new)

    def _replace(self, old: Variable, new: Variable) -> None:
        self.forward[old] = new
        self.ctx.replaced(old, new)

    def _intern(self, node: Apply, inputs: list[Variable]) -> tuple[Apply, bool]:
        """The node that stands for `node` with final operands, and whether it is a new one."""
        same = inputs == node.inputs
        if not self.merge:
            return (node if same else node.clone_with_new_inputs(inputs)), True
        keys = self.ctx.keys
        key = keys.get(node) if same else None
        if key is None:
            try:
                key = self._key(node, inputs)
            except TypeError:  # an op that can't be hashed
                return (node if same else node.clone_with_new_inputs(inputs)), True
        found = self.interned.get(key)
        if found is not None:
            return found, False
        made = node if same else node.clone_with_new_inputs(inputs)
        if same or inputs == made.inputs:  # else they were converted
            keys[made] = key
        self.interned[key] = made
        return made, True

    def _key(self, node: Apply, inputs: Sequence[Variable]) -> Hashable:
        """What is equal for nodes that compute the same."""
        number = self.ctx.numbers.of
        types = [number(o.type) for o in node.outputs]
        return (number(node.op), _operand_key(node.op, inputs), *types)

    # ---- rules

    def _try_rules(self, node: Apply) -> list[Variable | None] | None:
        ctx = self.ctx
        quiet = ctx.quiet.get(node) or self.unknown
        tried = self.tried.get((id(node.op), quiet))
        if tried is None:
            tried = self._tried(node.op, quiet)
        if not tried.rules:
            return None
        unproved, asked = ctx.unproved, ctx.asked
        askers: list[str] = []
        ctx.start_node()
        start = perf_counter()
        for rule, tally in tried.rules:
            replacement = None
            try:
                result = rule.function(node, ctx)
                if result is not None and result is not False:
                    replacement = _checked(rule, node, result)
            except Exception as error:
                _rule_failed(rule, node, error)
            end = perf_counter()
            tally.seconds += end - start
            tally.calls += 1
            start = end
            if replacement is not None:
                self._fire(rule, node, replacement)
                return replacement
            if ctx.asked != asked:
                asked = ctx.asked
                askers.append(rule.name)
        # What could not be proved may be later, so that all rules of the phase are tried again.
        after = tried.after if ctx.unproved == unproved else quiet
        if not after.askers.issuperset(askers):
            after = ctx.quiet_node(after.phases, after.askers.union(askers), after.due)
        if after is not self.unknown:
            ctx.quiet[node] = after
        if askers:
            ctx.keep_answers(node)
        return None

    def _tried(self, op: Any, quiet: Quiet) -> _Tried:
        """The rules for nodes of `op` of which so much is known."""
        phases, due = quiet.phases, quiet.due
        chosen = [
            rule
            for rule in self.table.for_op(op)
            if rule.name not in self.excluded
            and (rule.name in due or phases.isdisjoint(rule.phases))
        ]
        rules = [(rule, self.tallies.setdefault(rule.name, _Tally())) for rule in chosen]
        after = self.ctx.quiet_node(
            phases | {self.table.phase}, quiet.askers, due.difference(rule.name for rule in chosen)
        )
        found = self.tried[id(op), quiet] = _Tried(op, rules, after)
        return found

    def _tell_time(self) -> None:
        """Add what the rules cost to the log."""
        log = self.log
        for name, tally in self.tallies.items():
            if tally.calls:
                log.seconds[name] = log.seconds.get(name, 0.0) + tally.seconds
                log.calls[name] += tally.calls

    def _fire(self, rule: Rule, node: Apply, results: Sequence[Variable | None]) -> None:
        self.fired += 1
        trace = getattr(node.tag, "trace", None) or getattr(node.outputs[0].tag, "trace", None)
        firing = Firing(rule.name, self.table.phase, node.op, trace)
        self.log.firings.append(firing)
        if config.optimizer_verbose:
            print(f"rewriting: {firing}", file=sys.stderr)
        for old, new in zip(node.outputs, results, strict=True):
            if new is not None and new is not old:
                self.cause[old] = rule.name
                self._inherit(old, new, node)
        if self.fired > self.budget:
            last = Counter(f.rule for f in self.log.firings[-200:])
            raise _RuleLoop(
                f"more than {self.budget} firings in one sweep",
                [name for name, count in last.most_common(6) if count > 2],
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
            if getattr(owner.tag, "trace", None):
                continue
            owner.tag.trace = trace
            for out in owner.outputs:
                out.tag.trace = trace
            stack.extend(owner.inputs)


def _operand_key(op: Any, inputs: Sequence[Variable]) -> tuple[int, ...]:
    """Identities of the operands; ``a + b`` and ``b + a`` have the same."""
    key = tuple(map(id, inputs))
    if len(key) == 2 and key[0] > key[1] and isinstance(op, Elemwise) and op.scalar_op.commutative:
        return key[::-1]
    return key


def _keep_name(old: Variable, new: Variable) -> None:
    if new.name is None and old.name is not None and new.owner is not None:
        new.name = old.name


def _checked(rule: Rule, node: Apply, result: Any) -> list[Variable | None]:
    """What a rule returned, as one variable of the right type, or None, per output."""
    results = list(result) if isinstance(result, (list, tuple)) else [result]
    if len(results) != len(node.outputs):
        raise RewriteError(
            f"rule {rule.name!r} gave {len(results)} replacements for {len(node.outputs)} "
            f"outputs of {node.op}"
        )
    return [
        None if new is None else _fitted(rule, old, new)
        for old, new in zip(node.outputs, results, strict=True)
    ]


def _fitted(rule: Rule, old: Variable, new: Any) -> Variable:
    """`new`, converted to the type of `old` where that loses nothing."""
    if not isinstance(new, Variable):
        raise RewriteError(f"rule {rule.name!r} gave {new!r}, which is not a variable")
    if new.type == old.type:
        return new
    try:
        converted: Variable = old.type.filter_variable(new)
    except TypeError as error:
        raise RewriteError(
            f"rule {rule.name!r} replaced {old} of type {old.type} by {new} of type {new.type}"
        ) from error
    return converted


def _rule_failed(rule: Rule, node: Apply, error: Exception) -> None:
    """Do what ``config.on_opt_error`` says about a rule that raised."""
    _report(
        user_message(
            f"rewrite rule {rule.name!r} failed on {node.op}: {error}",
            where=f"{rule.file}:{rule.line}",
            hint=f"exclude it: mode.excluding({rule.name!r})",
        ),
        error,
    )


def _report(message: str, cause: Exception) -> None:
    action = config.on_opt_error
    if action in ("raise", "pdb"):
        raise RewriteError(message) from cause
    if action == "warn":
        warnings.warn(message, stacklevel=2)


def optimize(
    outputs: Sequence[Variable], facts: Any = None, selection: Selection | None = None
) -> Optimized:
    """Rewrite the graph of `outputs`.

    Parameters
    ----------
    outputs : sequence of Variable
        They and what they are computed from stay as they are.
    facts : object, optional
        Symbolic sizes (:class:`symc.lower.facts.Facts`); what is assumed is recorded there.
    selection : Selection, optional
        Which rules run; default ``fast_run``.

    Returns
    -------
    Optimized
        New outputs of the same types, what fired, and the time per rule.

    Raises
    ------
    RewriteError
        If rules undo each other, or one fails and ``config.on_opt_error`` is ``"raise"``.
    """
    selection = selection or Selection()
    _find_canonical_forms()
    return _optimize(outputs, facts, selection)


def _optimize(outputs: Sequence[Variable], facts: Any, selection: Selection) -> Optimized:
    log = Optimized(list(outputs))
    ctx = RewriteContext(facts, selection)
    with (
        _collector_paused(),
        change_flags(
            traceback__limit=config.traceback.compile_limit,
            compute_test_value=config.compute_test_value_opt,
        ),
    ):
        log.outputs = private_graphs(log.outputs, ctx.ordered(log.outputs))
        _run_phases(EARLY_PHASES, ctx, log)
        _rewrite_inside(EARLY_PHASES, ctx, log)
        _run_phases(("scan",), ctx, log)
        # A rule may have left the old loop in use.
        log.outputs = private_graphs(log.outputs, ctx.ordered(log.outputs))
        _rewrite_inside(("scan",), ctx, log)
        log.outputs = private_graphs(log.outputs, ctx.ordered(log.outputs))
        _rewrite_inside(LATE_PHASES, ctx, log)
        _run_phases(LATE_PHASES, ctx, log)
    return log


def _run_phases(names: Sequence[str], ctx: RewriteContext, log: Optimized) -> None:
    for phase, table in _phases(ctx.selection, names):
        start = perf_counter()
        _run_passes(phase, ctx, log)
        _run_phase(table, ctx, log)
        log.phase_seconds[phase] = log.phase_seconds.get(phase, 0) + perf_counter() - start


def _rewrite_inside(names: Sequence[str], ctx: RewriteContext, log: Optimized) -> None:
    """Run phases on the graphs inside of loops, and of loops in loops."""

    def rewritten(node: Apply) -> Any:
        if ctx.facts is not None:
            ctx.facts.shape(node.outputs[0])  # tells what the inner variables are
        own = log.within(node.op.outputs)
        inner = RewriteContext(ctx.facts, ctx.selection)
        inner.inner_inputs = frozenset(node.op.inputs)
        _run_phases(names, inner, own)
        _rewrite_inside(names, inner, own)
        return node.op.rebuilt(own.outputs)

    log.outputs = with_inner_graphs(log.outputs, rewritten, ctx.ordered(log.outputs))


_CANONICAL = Selection("merge").including("fold", "canonical")
_EARLY = frozenset(("fold", "canonical"))


def _find_canonical_forms() -> None:
    """Let patterns of later phases match what the canonical phase makes of their left sides."""
    sought = [
        entry.pattern
        for entry in all_rules()
        if entry.pattern is not None
        and not entry.pattern.form_sought
        and not _EARLY.issuperset(entry.phases)
    ]
    if not sought:
        return
    forms = _optimize([p.left for p in sought], None, _CANONICAL).outputs
    for pattern in sought:
        pattern.form_sought = True
    found = [
        (pattern, form)
        for pattern, form in zip(sought, forms, strict=True)
        if form is not pattern.left and form.owner is not None
    ]
    both = [side for pattern, form in found for side in (form, pattern.right)]
    sides = iter(_optimize(both, None, _CANONICAL).outputs)
    for (pattern, form), made, right in zip(found, sides, sides, strict=True):
        leaves = {v for v in ancestors([form]) if v.owner is None}
        if made is not right and leaves >= pattern.needed:  # else another rule does it already
            pattern.forms.append(form)


@contextmanager
def _collector_paused() -> Iterator[None]:
    """Many small objects are made and few die: collecting cycles would only cost time."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


def _phases(selection: Selection, names: Sequence[str]) -> Iterator[tuple[str, RuleTable]]:
    """Those of the phases that have something to do; the first one also merges."""
    found = []
    for phase in names:
        table = RuleTable(phase, selection)
        if table or graph_passes(phase, selection):
            found.append((phase, table))
    if not found and selection.merges and "fold" in names:
        found.append(("merge", RuleTable("merge", selection)))
    yield from found


def _run_passes(phase: str, ctx: RewriteContext, log: Optimized) -> None:
    for graph_pass in graph_passes(phase, ctx.selection):
        start = perf_counter()
        result = graph_pass.function(log.outputs, ctx)
        log.spend(graph_pass.name, perf_counter() - start)
        if result is None:
            continue
        for old, new in zip(log.outputs, result, strict=True):
            if old.type != new.type:
                raise RewriteError(
                    f"pass {graph_pass.name!r} replaced {old} of type {old.type} by {new} of "
                    f"type {new.type}"
                )
        log.outputs = list(result)
        log.firings.append(Firing(graph_pass.name, phase, None, None))


def _run_phase(table: RuleTable, ctx: RewriteContext, log: Optimized) -> None:
    """Sweep until nothing more can fire.

    One sweep reaches a fixed point, because rules look at a node and what is below it. Only a rule
    that asked for the readers of a variable, and would be told of others now, may find something
    new after the first sweep.
    """
    excluded: set[str] = set()
    sweeps = 0
    while sweeps < MAX_SWEEPS:
        sweep = _Sweep(table, ctx, ctx.selection.merges, excluded, log)
        fired_before = len(log.firings)
        try:
            log.outputs = sweep.run(log.outputs)
        except _RuleLoop as loop:
            del log.firings[fired_before:]
            _report(_loop_message(table.phase, loop), loop)
            excluded.update(loop.names[-1:] or [r for r in [log.last_rule()] if r])
            continue
        sweeps += 1
        if not sweep.fired or table.names.isdisjoint(ctx.take_snapshot(log.outputs)):
            break


def _loop_message(phase: str, loop: _RuleLoop) -> str:
    return user_message(
        f"phase {phase!r}: rewrite rules undo each other: {loop.what}",
        got="rules, in the order in which they fire: " + ", ".join(loop.names),
        hint=f"exclude one of them: mode.excluding({loop.names[-1]!r})" if loop.names else None,
    )
