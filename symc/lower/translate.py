"""Sizes of the facts as sizes of a program: leaves about variables become leaves about buffers."""

from __future__ import annotations

from collections.abc import Callable

from ..graph.node import Variable
from ..scalar.expr import Context, Expr, leaves, substitute
from .facts import Facts


class Sizes:
    """Translation from the context of `facts` to that of a program.

    Parameters
    ----------
    facts : Facts
    ctx : Context
        The program's.
    buffer : callable
        ``buffer(variable, index)``: the buffer that a leaf is about; `index` is () unless the
        leaf is one element of an integer vector.

    Attributes
    ----------
    back : dict
        The facts' size behind every translated one.
    late : dict
        The leaves, in the program's context, that only the computation tells, and the variable
        (and element of it) behind each.
    """

    def __init__(
        self,
        facts: Facts,
        ctx: Context,
        buffer: Callable[[Variable, tuple[int, ...]], int],
    ) -> None:
        self.facts = facts
        self.ctx = ctx
        self.late: dict[Expr, tuple[Variable, tuple[int, ...]]] = {}
        self.back: dict[Expr, Expr] = {}
        self._buffer = buffer
        self._leaves: dict[Expr, Expr] = {}
        self._done: dict[Expr, Expr] = {}

    def __call__(self, size: Expr) -> Expr:
        """A size, canonical under the facts' assumptions, in the program's context."""
        found = self._done.get(size)
        if found is None:
            canonical = self.facts.canonical(size)
            found = self._done[size] = self.condition(canonical)
            self.back[found] = canonical
        return found

    def condition(self, expr: Expr) -> Expr:
        """Any expression over sizes, as it is, in the program's context."""
        for leaf in leaves([expr], "size"):
            if leaf not in self._leaves:
                self._leaves[leaf] = self._leaf(leaf)
        return substitute([expr], self._leaves, self.ctx)[0]

    def _leaf(self, leaf: Expr) -> Expr:
        variable, index = self.facts.source(leaf.payload[1])
        kind, _, *axis = leaf.payload
        new = self.ctx.size((kind, self._buffer(variable, index), *axis))
        if self.facts.is_late(variable, index):
            self.late[new] = (variable, index)
        return new

    def shape(self, variable: Variable) -> tuple[Expr, ...]:
        """The lengths of a tensor variable."""
        return tuple(self(n) for n in self.facts.shape(variable))
