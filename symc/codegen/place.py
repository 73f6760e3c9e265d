"""Expressions of a kernel placed at a point of a loop nest.

A :class:`Placer` fixes how operands are addressed. ``flat``: every operand is C-contiguous, an
element's offset is one linear expression, and neighbouring axes that all operands walk through in
one stride are collapsed into one. ``strided``: operands keep their axes and run-time strides.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Sequence

from ..loop.ir import Nest, Stmt
from ..loop.kernel import Axis, Stage, Store
from ..scalar.expr import Expr, walk
from .expand import rebuilt
from .prepare import (
    Linear,
    Prepared,
    contiguous_strides,
    linear,
    product,
    run_place,
    run_time_strides,
    stage_roots,
)

Point = dict[str, Expr]
"""Value of every axis, by key."""

RUN = "run"
"""Stands for an operand in uses that are places of points in runs (see `ScalarOp.run`)."""


class Placer:
    """Places loads, stores and values of a prepared kernel.

    Parameters
    ----------
    kernel : Prepared
    flat : bool
        Whether all operands are C-contiguous.
    unit : str or None
        For strided operands: the axis along which every operand that has it as its last index is
        known to have stride 1.

    Attributes
    ----------
    outer, inner : list of Axis
        The axes to loop over.
    """

    def __init__(self, kernel: Prepared, flat: bool, unit: str | None = None) -> None:
        self.kernel = kernel
        self.ctx = kernel.ctx
        self.flat = flat
        self.unit_axis = unit
        self.outer = list(kernel.outer)
        self.inner = list(kernel.inner)
        self.risky: set[Expr] = set()
        self._linear: dict[tuple[str, tuple[Expr, ...]], Linear] = {}
        for operand, index in self._element_uses():
            self._linear[operand, index] = self._decompose(operand, index)
        if flat:
            self.outer = self._collapse(self.outer)
            self.inner = self._collapse(self.inner)

    # ---- analysis

    def _element_uses(self) -> Iterable[tuple[str, tuple[Expr, ...]]]:
        checked = [index for index, _, _ in self.kernel.checks]
        for node in walk([*self.kernel.roots(), *checked]):
            if node.kind == "load":
                yield node.payload, node.args
            elif (place := run_place(node)) is not None:
                yield RUN, (place,)
        for stage in self.kernel.stages:
            for store in stage.stores:
                yield store.operand, store.index

    def _decompose(self, key: str, index: tuple[Expr, ...]) -> Linear:
        axes = {a.key for a in (*self.outer, *self.inner)}
        if key == RUN:
            return linear(self.ctx, index, [self.ctx.integer(1)], axes)
        operand = next(o for o in self.kernel.operands if o.key == key)
        if self.flat:
            strides = contiguous_strides(self.ctx, self.kernel.shapes[key])
        else:
            strides = run_time_strides(self.ctx, operand)
        return linear(self.ctx, index, strides, axes)

    def _collapse(self, axes: list[Axis]) -> list[Axis]:
        """Merge neighbouring axes wherever every access has one stride for both."""
        result: list[Axis] = []
        for axis in reversed(axes):
            if result and self._mergeable(axis, result[0]):
                extent = product(self.ctx, (axis.extent, result[0].extent))
                result[0] = Axis(result[0].key, extent, axis.role)
            else:
                result.insert(0, axis)
        return result

    def _mergeable(self, first: Axis, second: Axis) -> bool:
        if {first.key, second.key} & self.kernel.pinned:
            return False
        for use in self._linear.values():
            low = use.axes.get(second.key)
            high = use.axes.get(first.key)
            if low is None and high is None:
                continue
            if low is None or high is not product(self.ctx, (low, second.extent)):
                return False
        return True

    def stride(self, operand: str, index: tuple[Expr, ...], axis: str) -> Expr | None:
        """Coefficient of an axis in the offset of an element; ``None`` where it is absent."""
        return self._linear[operand, index].axes.get(axis)

    def unit_strides(self, axis: str) -> int:
        """How many distinct accesses walk through memory element by element along `axis`.

        Only those count that are made at every inner point: what depends on the outer axes alone
        is accessed once for all of them.
        """
        one = self.ctx.integer(1)
        inner = [a.key for a in self.inner]
        return sum(
            1
            for use in self._linear.values()
            if use.axes.get(axis) is one and any(key in use.axes for key in inner)
        )

    def rows(self, row: str, column: str, point: Point) -> list[tuple[str, Expr]]:
        """Operands that are read element by element along `column`, another row for every `row`.

        Returns pairs of the operand and its place at `point`; none unless operands are flat.
        """
        one = self.ctx.integer(1)
        found: dict[tuple[str, Expr], None] = {}
        for (key, index), use in self._linear.items():
            readable = any(o.key == key and "r" in o.access for o in self.kernel.operands)
            along = use.axes.get(column) is one and row in use.axes and not use.atoms
            if self.flat and readable and along:
                found[key, self._index(key, index, point, {})[0]] = None
        return list(found)

    @property
    def strided(self) -> bool:
        """Whether nothing is known about strides."""
        return not self.flat and self.unit_axis is None

    def turned(self, row: str, column: str) -> bool:
        """Whether some access has unit stride along `row` and moves far along `column`."""
        one = self.ctx.integer(1)
        return any(
            use.axes.get(row) is one and use.axes.get(column) is not None
            for use in self._linear.values()
        )

    def is_linear(self, store: Store) -> bool:
        """Whether the place of a store depends on nothing but the axes."""
        return not self._linear[store.operand, store.index].atoms

    # ---- placement

    def place(
        self, roots: Sequence[Expr], point: Point, values: dict[Expr, Expr] | None = None
    ) -> list[Expr]:
        """`roots` at `point`, with locals replaced by `values`."""
        done = self._place_all(roots, point, values)
        return [done[r] for r in roots]

    def place_store(
        self, store: Store, point: Point, values: dict[Expr, Expr] | None = None
    ) -> tuple[Expr, ...]:
        """The index of a store at `point`."""
        done = self._place_all(self._parts(store.operand, store.index), point, values)
        return self._index(store.operand, store.index, point, done)

    def _parts(self, operand: str, index: tuple[Expr, ...]) -> Sequence[Expr]:
        """The expressions that the address of an element is made of, besides axes and sizes."""
        if not self.flat:
            return index
        return [atom for atom, _ in self._linear[operand, index].atoms]

    def _place_all(
        self, roots: Sequence[Expr], point: Point, values: dict[Expr, Expr] | None
    ) -> dict[Expr, Expr]:
        done: dict[Expr, Expr] = dict(values or {})
        for node in self._below(roots, done):
            if node.kind == "index":
                done[node] = point[node.payload]
            elif node.kind == "load":
                index = self._index(node.payload, node.args, point, done)
                done[node] = self.ctx.load(node.payload, index, node.dtype)
                if node in self.kernel.risky:
                    self.risky.add(done[node])
            elif (place := run_place(node)) is not None:
                (at,) = self._index(RUN, (place,), point, done)
                last = rebuilt(node.args[-1], (at,), self.ctx)
                done[node] = rebuilt(node, (*(done[a] for a in node.args[:-1]), last), self.ctx)
            else:
                done[node] = rebuilt(node, tuple(done[a] for a in node.args), self.ctx)
        return done

    def _below(self, roots: Sequence[Expr], done: dict[Expr, Expr]) -> list[Expr]:
        seen: set[Expr] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in seen or node in done:
                continue
            seen.add(node)
            if node.kind == "load":
                stack.extend(self._parts(node.payload, node.args))
            elif (place := run_place(node)) is not None:
                stack.extend([*node.args[:-1], *self._parts(RUN, (place,))])
            else:
                stack.extend(node.args)
        return sorted(seen, key=lambda n: n.number)

    def _index(
        self, key: str, index: tuple[Expr, ...], point: Point, done: dict[Expr, Expr]
    ) -> tuple[Expr, ...]:
        if not self.flat:
            return tuple(done[a] for a in index)
        use = self._linear[key, index]
        total: Expr = use.constant
        for atom, factor in use.atoms:
            total = total + product(self.ctx, (factor, done[atom]))
        for axis in (*self.outer, *self.inner):
            if axis.key in use.axes:
                total = total + product(self.ctx, (point[axis.key], use.axes[axis.key]))
        return (total,)

    # ---- the nest

    def nest(self, body: Sequence[Stmt], schedule: str, nonempty: bool = True) -> Nest:
        """A nest over the kernel's operands, addressed in this placer's way."""
        layouts: dict[str, tuple[Expr, ...]] = {}
        one = self.ctx.integer(1)
        for operand in self.kernel.operands:
            if self.flat:
                layouts[operand.key] = (one,)
            elif operand.key in self._unit_operands():
                strides = run_time_strides(self.ctx, operand)
                layouts[operand.key] = (*strides[:-1], one)
        notes = {"schedule": schedule, "nonempty": nonempty, "risky": frozenset(self.risky)}
        return Nest(
            self.ctx, self.kernel.operands, self.kernel.sizes.pairs, tuple(body), layouts, notes
        )

    def _unit_operands(self) -> set[str]:
        """Strided operands whose last axis is walked by the unit axis."""
        if self.unit_axis is None:
            return set()
        axis = self.ctx.index(self.unit_axis)
        return {key for key, index in self._linear if index and index[-1] is axis}

    def unit_requirements(self) -> tuple[str, ...]:
        """Operands that need stride 1 along their last axis."""
        needed = self._unit_operands()
        return tuple(o.key for o in self.kernel.operands if o.key in needed)


def known_before(stage: Stage, values: Container[Expr]) -> list[Expr]:
    """What a stage computes without the values that it keeps itself, operands first.

    Parameters
    ----------
    stage : Stage
    values : container of Expr
        The kept values that are there when the stage begins.
    """
    known: dict[Expr, None] = {}
    for node in walk(stage_roots(stage)):
        kept_here = node.kind == "local" and node not in values
        if not kept_here and all(a in known for a in node.args):
            known[node] = None
    return list(known)
