"""Clusters: values that one kernel computes, and when values may join.

A cluster has axes; the values in it are computed over all of them (*full* values) or, once it
contains reductions, over the outer ones (the results of reductions and what is made of them). All
reductions of a cluster reduce the same axes, the inner ones.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ..scalar.expr import Expr, walk
from .define import Read, Value

Place = tuple["int | None", ...]
"""Per axis of a value's domain the axis of the cluster that it is; None for length 1."""

MAX_RECOMPUTED = 100
"""Work that may be done again for one element that is read out of line, in cheap operations."""


class Cluster:
    """Values computed together.

    Parameters
    ----------
    first : Value
        Its first member; its domain gives the axes.

    Attributes
    ----------
    axes : list of Expr
        Lengths, none of them known to be 1.
    inner : frozenset of int or None
        Axes that are reduced; None if there are no reductions.
    members : dict from Value to Place
    level : int
        Every value that a cluster reads from elsewhere is computed on a lower level.
    """

    __slots__ = ("axes", "inner", "level", "members")

    def __init__(self, first: Value, level: int) -> None:
        self.axes: list[Expr] = []
        place: list[int | None] = []
        for length in first.domain:
            place.append(None if _is_one(length) else len(self.axes))
            if not _is_one(length):
                self.axes.append(length)
        self.members: dict[Value, Place] = {first: tuple(place)}
        self.inner = reduced_axes(first, place)
        self.level = level

    @property
    def outer(self) -> frozenset[int]:
        """The axes that are not reduced."""
        return frozenset(range(len(self.axes))) - (self.inner or frozenset())

    def out_place(self, value: Value) -> Place:
        """Cluster axes of the axes of a member."""
        place = self.members[value]
        return place if value.spec is None else tuple(place[d] for d in value.kept_axes)

    def is_outer(self, value: Value) -> bool:
        """Whether a member's result has one element per outer point."""
        return self.inner is not None and not self.inner & set(self.out_place(value))

    # ---- joining

    def fit(self, value: Value) -> Place | None:
        """How a value that reads members would lie in this cluster; None if it does not fit."""
        place: list[int | None] = [None] * len(value.domain)
        reads = [r for r in value.reads if r.source in self.members]
        for read in reads:
            for axis, entry in zip(self.out_place(read.source), read.index, strict=True):
                if axis is not None and entry.kind == "index":
                    if place[entry.payload] not in (None, axis):
                        return None
                    place[entry.payload] = axis
        if not self._complete(place, value.domain):
            return None
        used = {p for p in place if p is not None}
        full = len(used) == len(self.axes)
        inner = reduced_axes(value, place)
        if value.form == "reduce" and (not full or self.inner not in (None, inner)):
            return None
        if not full and (self.inner is None or used != self.outer):
            return None
        inner = self.inner if inner is None else inner
        for read in reads:
            if not self._edge_fits(read, value, place, self.out_place(read.source), inner):
                return None
        return tuple(place)

    def _complete(self, place: list[int | None], domain: tuple[Expr, ...]) -> bool:
        """Give the axes that no read has placed the first free cluster axis of their length."""
        used = [p for p in place if p is not None]
        if len(set(used)) < len(used):
            return False
        free = [a for a in range(len(self.axes)) if a not in used]
        for d, length in enumerate(domain):
            placed = place[d]
            if placed is not None:
                if self.axes[placed] is not length:
                    return False
            elif not _is_one(length):
                axis = next((a for a in free if self.axes[a] is length), None)
                if axis is None:
                    return False
                place[d] = axis
                free.remove(axis)
        return True

    def _edge_fits(
        self,
        read: Read,
        value: Value,
        place: list[int | None] | Place,
        source: Place,
        inner: frozenset[int] | None,
    ) -> bool:
        """Whether a read of one member by another can be done within the kernel."""
        if read.slot in index_slots(value):
            return False
        full = inner is None or bool(inner & set(place))
        if inner is not None and len(inner) == len(self.axes) and full and not any(
            p is not None for p in source
        ):
            return False  # a second sweep after a full reduction would run on one thread
        off = {
            axis
            for axis, entry in zip(source, read.index, strict=True)
            if axis is not None and not (entry.kind == "index" and place[entry.payload] == axis)
        }
        if not off:
            return True
        return (
            inner is not None
            and off <= inner
            and not full
            and read.source.form == "map"
            and self._recompute_cost(read.source) <= MAX_RECOMPUTED
        )

    def _recompute_cost(self, value: Value) -> int:
        """Work of one element of a full member, up to what is computed per outer point."""
        total = 0
        seen: set[Value] = set()
        stack = [value]
        while stack and total <= MAX_RECOMPUTED:
            v = stack.pop()
            if v in seen or v not in self.members or self.is_outer(v):
                continue
            seen.add(v)
            total += 1 + v.cost
            stack.extend(r.source for r in v.reads)
        return total

    def add(self, value: Value, place: Place) -> None:
        """Make a value that fits a member."""
        self.members[value] = place
        inner = reduced_axes(value, place)
        if inner is not None:
            self.inner = inner

    # ---- merging

    def absorb(
        self,
        other: Cluster,
        seeds: Mapping[int, int],
        edges: Iterable[tuple[Value, Read]],
    ) -> bool:
        """Take over the members of `other`, if the two fit together.

        Parameters
        ----------
        other : Cluster
            Of at most as many axes.
        seeds : mapping
            Axes of `other` that must be certain axes of this one.
        edges : iterable of (Value, Read)
            All reads, by a member of one cluster, of a member of the other.
        """
        axis_of = self._axes_of(other, seeds)
        if axis_of is None:
            return False
        whole = len(axis_of) == len(self.axes)
        inner = self.inner
        if other.inner is not None:
            mapped = frozenset(axis_of[a] for a in other.inner)
            if not whole or inner not in (None, mapped):
                return False
            inner = mapped
        if not whole and set(axis_of.values()) != self.outer - (inner or frozenset()):
            return False
        places: dict[Value, Place] = {
            v: tuple(None if p is None else axis_of[p] for p in place)
            for v, place in other.members.items()
        }

        def place_of(v: Value) -> Place:
            return places[v] if v in places else self.members[v]

        for value, read in edges:
            place = place_of(read.source)
            source = tuple(place[d] for d in read.source.kept_axes)
            if not self._edge_fits(read, value, place_of(value), source, inner):
                return False
        self.members.update(places)
        self.inner = inner
        return True

    def _axes_of(self, other: Cluster, seeds: Mapping[int, int]) -> dict[int, int] | None:
        if len(other.axes) > len(self.axes) or len(set(seeds.values())) < len(seeds):
            return None
        axis_of = dict(seeds)
        for a, b in axis_of.items():
            if other.axes[a] is not self.axes[b]:
                return None
        allowed = list(range(len(self.axes)))
        if len(other.axes) < len(self.axes):
            if self.inner is None:
                return None
            allowed = sorted(self.outer)
        free = [b for b in allowed if b not in axis_of.values()]
        for a, length in enumerate(other.axes):
            if a not in axis_of:
                found = next((b for b in free if self.axes[b] is length), None)
                if found is None:
                    return None
                axis_of[a] = found
                free.remove(found)
        return axis_of


def reduced_axes(value: Value, place: list[int | None] | Place) -> frozenset[int] | None:
    """Cluster axes that a value reduces; None if it is no reduction."""
    if value.spec is None:
        return None
    return frozenset(p for p in (place[d] for d in value.spec.axes) if p is not None)


def index_slots(value: Value) -> frozenset[Expr]:
    """Slots of reads that are used as indices."""
    template = value.template
    assert template is not None
    if not template.checks and not any(e.args for r in template.reads for e in r.index):
        return frozenset()
    exprs = [e for r in template.reads for e in r.index]
    exprs += [c.raw for c in template.checks]
    return frozenset(n for n in walk(exprs) if n.kind == "local")


def _is_one(size: Expr) -> bool:
    return size.is_const and int(size.value) == 1
