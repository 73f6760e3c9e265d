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
    below must be, once the answer may be another.

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

    def __init__(
        self, phases: frozenset[str], askers: frozenset[str], due: frozenset[str]
    ) -> None:
        self.phases = phases
        self.askers = askers
        self.due = due


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
        self._asked_before = 0
        self.keys: dict[Apply, Hashable] = {}
        self.numbers = Numbers()
        self._clients: dict[Variable, list[Apply | None]] = {}
        self._known: set[Apply] = set()
        self._roots: tuple[Variable, ...] | None = None
        self._order: list[Apply] = []
        self._sorted: tuple[tuple[Variable, ...] | None, list[Apply]] = (None, [])
        self._stale = False

    def ordered(self, outputs: Sequence[Variable]) -> list[Apply]:
        """The nodes of a graph in topological order; not to be changed."""
        roots = tuple(outputs)
        if roots != self._sorted[0]:  # graphs don't change, so equal roots have one order
            self._sorted = roots, toposort(outputs)
        return self._sorted[1]

    # ---- readers: a snapshot, taken when a sweep begins

    def start_sweep(self, outputs: Sequence[Variable]) -> tuple[list[Apply], set[Apply]]:
        """Take the snapshot of who reads what.

        Returns
        -------
        list of Apply
            The nodes, in topological order.
        set of Apply
            Those for which rules may find other readers than in the sweep before: an operand or
            output has more or fewer, or an operand is itself computed, for this node only, by such
            a node; or the node has several outputs and was not known, so that none could be found
            unread.
        """
        self._asked_before = self.asked
        roots = tuple(outputs)
        if roots == self._roots and not self._stale:  # graphs don't change, so all is as it was
            return self._order, set()
        before = self._clients
        order = self.ordered(outputs)
        self._roots, self._order, self._stale = roots, order, False
        known, self._known = self._known, set(order)
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
        self._clients = clients
        return order, self._touched(before, known)

    def _touched(self, before: dict[Variable, list[Apply | None]], known: set[Apply]) -> set[Apply]:
        """The second result of `start_sweep`, from what was known in the sweep before."""
        clients, touched = self._clients, set[Apply]()
        for v, readers in clients.items():
            if len(readers) != (len(before.get(v, ())) or 1):
                touched.update(reader for reader in readers if reader is not None)
                if v.owner is not None:
                    touched.add(v.owner)
        for node in self._order:
            if len(node.outputs) > 1 and (
                node not in known or any(v in before and v not in clients for v in node.outputs)
            ):
                touched.add(node)
        pending = list(touched)
        while pending:
            for v in pending.pop().outputs:
                readers = clients.get(v, [])
                reader = readers[0] if len(readers) == 1 else None
                if reader is not None and reader not in touched:
                    touched.add(reader)
                    pending.append(reader)
        return touched

    def replaced(self, old: Variable, new: Variable) -> None:
        """Note that `new` stands for `old` from now on: it has the readers of both."""
        self._stale = True
        inherited = self._clients.get(old)
        if inherited:
            own = self._clients.get(new)
            if own is None:
                self._clients[new] = list(inherited)
            else:
                own.extend(inherited)

    @property
    def asked_readers(self) -> bool:
        """Whether a rule has asked for readers since the sweep began."""
        return self.asked > self._asked_before

    def knows_readers(self, node: Apply) -> bool:
        """Whether `node` was there when the sweep began, so that outputs may be found unread."""
        self.asked += 1
        return node in self._known

    def clients(self, var: Variable) -> list[Apply | None]:
        """The nodes that had `var`, or what it replaced, as an operand when the sweep began.

        None stands for the graph, of which it is an output. Variables made in this sweep that
        replace nothing have no clients yet. Nodes that are gone since are still counted.
        """
        self.asked += 1
        return self._clients.get(var, [])

    def readers(self, var: Variable) -> int:
        """How often `var` is read (1 for a variable made in this sweep)."""
        return max(1, len(self.clients(var)))

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
