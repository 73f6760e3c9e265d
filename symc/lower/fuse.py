"""The fuse pass: which values one kernel computes.

Every cluster of values and every opaque step has a *level* above the levels of all that it reads
from elsewhere. Values join, and clusters merge, only in ways that keep this true, so that no
cycle between kernels can arise and no search for one is needed.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence
from itertools import pairwise

from .cluster import Cluster
from .define import Read, Value
from .store import CHEAP

MAX_CONE = 50
"""At most so many values are moved together from one kernel to another."""


class Fuser:
    """Collects values in clusters, in topological order; then merges clusters.

    Parameters
    ----------
    fuse : bool
        False puts every value into a kernel of its own.
    results : container of Value
        Values that are stored in any case.
    """

    def __init__(self, fuse: bool, results: Container[Value]) -> None:
        self.fuse = fuse
        self.results = results
        self.cluster_of: dict[Value, Cluster] = {}
        self.level_of: dict[Value, int] = {}
        self.readers: dict[Value, list[tuple[Value, Read]]] = {}
        self.opaque_readers: dict[Value, list[Value]] = {}
        self.clusters: dict[Cluster, None] = {}

    # ---- collecting

    def level(self, value: Value) -> int:
        """Level of the step or cluster that computes a value; -1 for what is given."""
        cluster = self.cluster_of.get(value)
        return self.level_of.get(value, -1) if cluster is None else cluster.level

    def add_opaque(self, value: Value, operands: Iterable[Value]) -> None:
        """Add a value that is computed by a step of its own from stored operands."""
        level = -1
        for operand in operands:
            self.opaque_readers.setdefault(operand, []).append(value)
            level = max(level, self.level(operand))
        self.level_of[value] = level + 1

    def add(self, value: Value) -> None:
        """Add a value that is computed in kernels."""
        floor = -1
        producers: dict[Cluster, None] = {}
        for read in value.reads:
            self.readers.setdefault(read.source, []).append((value, read))
            cluster = self.cluster_of.get(read.source)
            if cluster is None:
                floor = max(floor, self.level(read.source))
            else:
                producers[cluster] = None
        for need in value.needs:
            self.opaque_readers.setdefault(need, []).append(value)
            floor = max(floor, self.level(need))
        top = max((c.level for c in producers), default=-1)
        if self.fuse and producers and top > floor:
            joined = self._joined([c for c in producers if c.level == top], value)
            if joined is not None:
                self.cluster_of[value] = joined
                return
        cluster = Cluster(value, max(top, floor) + 1)
        self.clusters[cluster] = None
        self.cluster_of[value] = cluster

    def _joined(self, candidates: Sequence[Cluster], value: Value) -> Cluster | None:
        cluster = candidates[0]
        for other in candidates[1:]:
            merged = self._merge(cluster, other, self._seeds_through(cluster, other, value), ())
            if merged is None:
                return None
            cluster = merged
        place = cluster.fit(value)
        if place is None:
            return None
        cluster.add(value, place)
        return cluster

    def _seeds_through(self, a: Cluster, b: Cluster, value: Value) -> dict[int, int]:
        """Axes of `b` that are axes of `a`, because `value` reads both along them."""
        lies: tuple[dict[int, int], dict[int, int]] = ({}, {})
        for read in value.reads:
            for cluster, found in zip((a, b), lies, strict=True):
                if read.source in cluster.members:
                    place = cluster.out_place(read.source)
                    for axis, entry in zip(place, read.index, strict=True):
                        if axis is not None and entry.kind == "index":
                            found.setdefault(entry.payload, axis)
        return {lies[1][d]: lies[0][d] for d in lies[1] if d in lies[0]}

    def _merge(
        self,
        a: Cluster,
        b: Cluster,
        seeds: dict[int, int],
        edges: Sequence[tuple[Value, Read]],
    ) -> Cluster | None:
        """One cluster of the members of both, on the higher level; None if they do not fit.

        `seeds` maps axes of `b` to axes of `a`.
        """
        level = max(a.level, b.level)
        fewer_axes = len(a.axes) < len(b.axes)
        smaller = len(a.axes) == len(b.axes) and len(a.members) < len(b.members)
        if fewer_axes or smaller:
            a, b, seeds = b, a, {v: k for k, v in seeds.items()}
        if not a.absorb(b, seeds, edges):
            return None
        a.level = level
        for value in b.members:
            self.cluster_of[value] = a
        del self.clusters[b]
        return a

    # ---- merging

    def finish(self) -> None:
        """Merge clusters with their readers, then those that read the same arrays."""
        if not self.fuse:
            return
        for cluster in sorted(self.clusters, key=lambda c: -c.level):
            self._sink(cluster)
        for cluster in sorted(self.clusters, key=lambda c: -c.level):
            for value in sorted(cluster.members, key=lambda v: -v.number):
                if value in cluster.members:
                    self._hand_over(cluster, value)
        self._join_readers()

    def _sink(self, cluster: Cluster) -> None:
        """Merge a cluster into the first one that reads it, unless another step comes between."""
        edges: dict[Cluster, list[tuple[Value, Read]]] = {}
        opaque = None
        for value in cluster.members:
            for reader, read in self.readers.get(value, ()):
                other = self.cluster_of[reader]
                if other is not cluster:
                    edges.setdefault(other, []).append((reader, read))
            for step in self.opaque_readers.get(value, ()):
                level = self.level(step)
                opaque = level if opaque is None else min(opaque, level)
        if not edges:
            return
        first = min(edges, key=lambda c: c.level)
        same = [c for c in edges if c.level == first.level]
        if len(same) > 1 or (opaque is not None and opaque <= first.level):
            return
        self._merge(first, cluster, self._edge_seeds(first, cluster, edges[first]), edges[first])

    def _hand_over(self, cluster: Cluster, value: Value) -> None:
        """Move a value, and what only it needs, into the one cluster that reads it.

        Done where `value` would be stored for that cluster alone, and all that has to be read
        instead is in memory anyway or cheap.
        """
        readers = {self.cluster_of[r] for r, _ in self.readers.get(value, ())}
        if len(readers) != 1 or cluster in readers or not self._movable(value):
            return
        cone = self._cone(cluster, value)
        if cone is None:
            return
        ordered = sorted(cone, key=lambda v: v.number)
        moved = Cluster(ordered[0], cluster.level)
        for other in ordered[1:]:
            place = moved.fit(other)
            if place is None:
                return
            moved.add(other, place)
        (target,) = readers
        edges = [e for v in cone for e in self.readers[v] if self.cluster_of[e[0]] is target]
        if target.absorb(moved, self._edge_seeds(target, moved, edges), edges):
            for other in cone:
                del cluster.members[other]
                self.cluster_of[other] = target
            if not cluster.members:
                del self.clusters[cluster]

    def _movable(self, value: Value) -> bool:
        return (
            value.form == "map" and value not in self.opaque_readers and value not in self.results
        )

    def _cone(self, cluster: Cluster, value: Value) -> set[Value] | None:
        """`value` and the members that only it needs; None if others would have to be stored."""
        cone: set[Value] = set()
        stack = [value]
        while stack:
            member = stack.pop()
            cone.add(member)
            if len(cone) > MAX_CONE:
                return None
            for read in member.reads:
                source = read.source
                if source not in cluster.members or source in cone:
                    continue
                if self._movable(source) and all(r in cone for r, _ in self.readers[source]):
                    stack.append(source)
        for member in cone:
            for read in member.reads:
                source = read.source
                if source in cluster.members and source not in cone and not (
                    self._in_memory(cluster, source, cone) or self._is_cheap(cluster, source, cone)
                ):
                    return None
        return cone

    def _in_memory(self, cluster: Cluster, value: Value, cone: Container[Value]) -> bool:
        """Whether a member is stored anyway."""
        return value in self.opaque_readers or value in self.results or any(
            self.cluster_of[r] is not cluster for r, _ in self.readers[value] if r not in cone
        )

    def _is_cheap(self, cluster: Cluster, value: Value, cone: Container[Value]) -> bool:
        work = 0
        while value in cluster.members and not self._in_memory(cluster, value, cone):
            reads = value.reads
            work += value.cost
            if value.form != "map" or len(reads) > 1 or work > CHEAP:
                return False
            if not reads:
                break
            value = reads[0].source
        return True

    def _edge_seeds(
        self, reader: Cluster, source: Cluster, edges: Sequence[tuple[Value, Read]]
    ) -> dict[int, int]:
        seeds: dict[int, int] = {}
        for value, read in edges:
            place = reader.members[value]
            for axis, entry in zip(source.out_place(read.source), read.index, strict=True):
                placed = place[entry.payload] if entry.kind == "index" else None
                if axis is not None and placed is not None:
                    seeds.setdefault(axis, placed)
        return seeds

    def _join_readers(self) -> None:
        """Merge clusters over the same space that read the same array."""
        for source in list(self.readers):
            groups: dict[Cluster, list[tuple[Value, Read]]] = {}
            for value, read in self.readers[source]:
                cluster = self.cluster_of[value]
                if cluster is not self.cluster_of.get(source):
                    groups.setdefault(cluster, []).append((value, read))
            ordered = sorted(groups.items(), key=lambda item: item[0].level)
            for (_, lower), (_, upper) in pairwise(ordered):
                self._join(lower, upper)

    def _join(
        self, lower_reads: Sequence[tuple[Value, Read]], upper_reads: Sequence[tuple[Value, Read]]
    ) -> None:
        """Merge two clusters that read the same array, on the level of the upper one.

        That would be wrong only if a step on the way up read the lower one.
        """
        lower, upper = (self.cluster_of[r[0][0]] for r in (lower_reads, upper_reads))
        if lower is upper or len(lower.axes) != len(upper.axes):
            return
        if lower.level > upper.level:
            lower, upper, lower_reads, upper_reads = upper, lower, upper_reads, lower_reads
        if lower.level < upper.level and self._read_below(lower, upper.level):
            return
        found, wanted = self._lies(lower, lower_reads), self._lies(upper, upper_reads)
        if len(found) == len(lower.axes) and set(found) == set(wanted):
            self._merge(upper, lower, {found[axis]: wanted[axis] for axis in found}, ())

    def _read_below(self, cluster: Cluster, level: int) -> bool:
        """Whether something on this level or a lower one reads a member."""
        for value in cluster.members:
            for reader, _ in self.readers.get(value, ()):
                other = self.cluster_of[reader]
                if other is not cluster and other.level <= level:
                    return True
            if any(self.level(s) <= level for s in self.opaque_readers.get(value, ())):
                return True
        return False

    @staticmethod
    def _lies(cluster: Cluster, reads: Sequence[tuple[Value, Read]]) -> dict[int, int]:
        """Axes of a source, and the axes of a cluster along which members read it."""
        found: dict[int, int] = {}
        for value, read in reads:
            place = cluster.members[value]
            for axis, entry in enumerate(read.index):
                placed = place[entry.payload] if entry.kind == "index" else None
                if placed is not None:
                    found.setdefault(axis, placed)
        return found
