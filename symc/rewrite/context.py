"""What a rule may ask for besides its node: readers, lengths, the selection of rules."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from ..array.lengths import known_lengths
from ..errors import ShapeError
from ..graph.node import Apply, Variable
from ..graph.walk import toposort
from .selection import Selection

__all__ = ["RewriteContext"]


class Numbers:
    """Numbers that are equal for equal objects: what is met often is hashed and compared once."""

    def __init__(self) -> None:
        self._by_id: dict[int, int] = {}
        self._by_value: dict[Hashable, int] = {}
        self._kept: list[Hashable] = []  # so that no other object gets the same id

    def of(self, item: Hashable) -> int:
        """The number of an object.

        Raises
        ------
        TypeError
            If it can't be hashed.
        """
        number = self._by_id.get(id(item))
        if number is None:
            number = self._by_value.setdefault(item, len(self._by_value))
            self._by_id[id(item)] = number
            self._kept.append(item)
        return number


class Quiet:
    """What is known about the rules that were tried on a node and did not apply.

    As nodes do not change, they need not be tried again; but those that asked who reads what is
    below must be, once the answer is another.

    Attributes
    ----------
    phases : frozenset of str
        Whose rules were tried.
    askers : frozenset of str
        Those of the rules that asked for readers.
    due : frozenset of str
        Those that must be tried again.
    """

    __slots__ = ("askers", "due", "phases")

    def __init__(self, phases: frozenset[str], askers: frozenset[str], due: frozenset[str]) -> None:
        self.phases = phases
        self.askers = askers
        self.due = due


def _times(readers: list[Apply | None] | None) -> int:
    """How often a variable is read; 1 where it is not known."""
    return len(readers) if readers else 1


class RewriteContext:
    """The second argument of rules.

    Parameters
    ----------
    facts : object or None
        Symbolic sizes; see :mod:`symc.lower.facts`. With None nothing can be proved that the
        types do not tell.
    selection : Selection

    Attributes
    ----------
    asked : int
        How often rules have asked for readers.
    quiet : dict
        Per node what is known about the rules that were tried on it and did not apply.
    keys : dict
        Per node what nodes that are to be merged have in common, as far as it is known.
    numbers : Numbers
        Of ops and types.
    unproved : int
        How often equal lengths could not be proved: the answer may change with what is assumed.
    inner_inputs : frozenset of Variable or None
        The inputs of the inner graph that is rewritten; only these can be used in it.
    """

    def __init__(self, facts: Any, selection: Selection) -> None:
        self.facts = facts
        self.selection = selection
        self.inner_inputs: frozenset[Variable] | None = None
        self.asked = 0
        self.unproved = 0
        self.quiet: dict[Apply, Quiet] = {}
        self._quiets: dict[tuple[frozenset[str], ...], Quiet] = {}
        self.keys: dict[Apply, Hashable] = {}
        self.numbers = Numbers()
        self._clients: dict[Variable, list[Apply | None]] = {}
        self._known: set[Apply] = set()
        self._roots: tuple[Variable, ...] | None = None
        self._order: list[Apply] = []
        self._sorted: tuple[tuple[Variable, ...] | None, list[Apply]] = (None, [])
        self._stale = False
        # What was asked for the node that is tried: variables of which the readers were counted or
        # listed, and whether a node was not known.
        self._counted: list[Variable] = []
        self._listed: list[Variable] = []
        self._newcomer = False
        # Those for which it was asked and no rule applied, and what has got more readers since.
        self._counted_by: dict[Variable, dict[Apply, None]] = {}
        self._listed_by: dict[Variable, dict[Apply, None]] = {}
        self._inherited: set[Variable] = set()
        self._not_known_to: list[Apply] = []

    def ordered(self, outputs: Sequence[Variable]) -> list[Apply]:
        """The nodes of a graph in topological order; not to be changed."""
        roots = tuple(outputs)
        if roots != self._sorted[0]:  # graphs don't change, so equal roots have one order
            self._sorted = roots, toposort(outputs)
        return self._sorted[1]

    # ---- readers: a snapshot, taken when a sweep begins

    def start_sweep(self, outputs: Sequence[Variable]) -> list[Apply]:
        """Take the snapshot of who reads what; the result is the nodes, in topological order."""
        self.take_snapshot(outputs)
        return self._order

    def take_snapshot(self, outputs: Sequence[Variable]) -> set[str]:
        """Find out who reads what in a graph.

        Returns
        -------
        set of str
            The rules that are due again on some node, as they would be told of other readers.
        """
        roots = tuple(outputs)
        if roots == self._roots and not self._stale:  # graphs don't change, so all is as it was
            return set()
        order = self.ordered(outputs)
        self._roots, self._order, self._stale = roots, order, False
        self._known = set(order)
        clients: dict[Variable, list[Apply | None]] = {}
        for out in outputs:
            clients.setdefault(out, []).append(None)
        for node in order:
            for v in node.inputs:
                readers = clients.get(v)
                if readers is None:
                    clients[v] = [node]
                else:
                    readers.append(node)
        before, self._clients = self._clients, clients
        return self._ask_again(before)

    def _ask_again(self, before: dict[Variable, list[Apply | None]]) -> set[str]:
        """Make the rules due that would be told of other readers than they were."""
        clients, inherited = self._clients, self._inherited
        asking, self._not_known_to = self._not_known_to, []
        self._inherited = set()
        changed = [
            v
            for v in self._counted_by
            if v in inherited or _times(before.get(v)) != _times(clients.get(v))
        ]
        for v in changed:
            asking += self._counted_by.pop(v)
        changed = [v for v in self._listed_by if v in inherited or before.get(v) != clients.get(v)]
        for v in changed:
            asking += self._listed_by.pop(v)
        found: set[str] = set()
        for node in asking:
            quiet = self.quiet.get(node)
            if quiet is not None:
                found |= quiet.askers
                due = quiet.due | quiet.askers
                self.quiet[node] = self.quiet_node(quiet.phases, quiet.askers, due)
        return found

    def replaced(self, old: Variable, new: Variable) -> None:
        """Note that `new` stands for `old` from now on: it has the readers of both."""
        self._stale = True
        inherited = self._clients.get(old)
        if inherited:
            if new in self._counted_by or new in self._listed_by:
                self._inherited.add(new)
            own = self._clients.get(new)
            if own is None:
                self._clients[new] = list(inherited)
            else:
                own.extend(inherited)

    def start_node(self) -> None:
        """Rules are tried on another node: forget what was asked for the one before."""
        self._counted, self._listed, self._newcomer = [], [], False

    def keep_answers(self, node: Apply) -> None:
        """Note that no rule applied to `node`, and that answers since `start_node` may be why."""
        for v in self._counted:
            self._counted_by.setdefault(v, {})[node] = None
        for v in self._listed:
            self._listed_by.setdefault(v, {})[node] = None
        if self._newcomer:
            self._not_known_to.append(node)

    def knows_readers(self, node: Apply) -> bool:
        """Whether `node` was there when the sweep began, so that outputs may be found unread."""
        self.asked += 1
        known = node in self._known
        self._newcomer |= not known
        return known

    def clients(self, var: Variable) -> list[Apply | None]:
        """The nodes that had `var`, or what it replaced, as an operand when the sweep began.

        None stands for the graph, of which it is an output. Variables made in this sweep that
        replace nothing have no clients yet. Nodes that are gone since are still counted.
        """
        self.asked += 1
        self._listed.append(var)
        return self._clients.get(var, [])

    def readers(self, var: Variable) -> int:
        """How often `var` is read (1 for a variable made in this sweep)."""
        self.asked += 1
        self._counted.append(var)
        return _times(self._clients.get(var))

    def quiet_node(
        self, phases: frozenset[str], askers: frozenset[str], due: frozenset[str]
    ) -> Quiet:
        """The one `Quiet` with these members."""
        key = (phases, askers, due)
        found = self._quiets.get(key)
        if found is None:
            found = self._quiets[key] = Quiet(*key)
        return found

    # ---- lengths

    def same_length(self, x: Variable, i: int, y: Variable, j: int) -> bool:
        """Whether axis `i` of `x` and axis `j` of `y` have one length, proved or guarded."""
        if x is y and i == j:
            return True
        m, n = known_lengths(x)[i], known_lengths(y)[j]
        if m is not None and n is not None:
            return m == n
        if self.facts is None:
            return False
        try:
            proved = bool(self.facts.same_length(x, i, y, j))
        except ShapeError:
            return False  # the lowering reports it, with the user's line
        if not proved:
            self.unproved += 1
        return proved

    def assumed_same_length(self, x: Variable, i: int, y: Variable, j: int) -> bool:
        """Like `same_length`, but where nothing is proved, equality is assumed and guarded.

        For forms that are worth a guard of their own. Only lengths that are known before anything
        is computed are assumed equal, and not if the call that the program is made for shows that
        they differ.
        """
        if self.same_length(x, i, y, j):
            return True
        facts = self.facts
        if facts is None:
            return False
        try:
            m, n = facts.shape(x)[i], facts.shape(y)[j]
        except ShapeError:
            return False
        return self.assumed_equal(m, n)

    def assumed_equal(self, m: Any, n: Any) -> bool:
        """Assume and guard that two sizes are equal, as `assumed_same_length` does for lengths."""
        facts = self.facts
        if (m.is_const and n.is_const) or not (facts.early(m) and facts.early(n)):
            return False
        if facts.oracle is not None and facts.observed(m) != facts.observed(n):
            return False
        facts.assume(m, n)
        return True

    def same_shape(self, x: Any, y: Any) -> bool:
        """Whether `x` and `y` have equal shapes, proved or guarded."""
        return x is y or (
            x.type.ndim == y.type.ndim
            and all(self.same_length(x, i, y, i) for i in range(x.type.ndim))
        )

    def length(self, x: Any, i: int) -> int | None:
        """The length of axis `i` of `x` if it is known now."""
        known = known_lengths(x)[i]
        if known is not None or self.facts is None:
            return known
        try:
            found: int | None = self.facts.static_shape(x)[i]
        except ShapeError:
            return None
        return found
