"""The define pass: every variable of the graph as a `Value`, most of them with a `Template`.

A template says what one element is, over the indices of its domain and over reads of other
values. Values that are index changes only (transposes, slices, broadcasts, constants) are
*inline*: they are substituted into the templates of their readers right here and cost nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp
from ..loop.protocol import ReductionSpec, ViewSpec
from ..scalar.expr import Context, Expr, substitute, walk
from ..scalar.logic import eq, lt, switch
from ..scalar.op import cast_expr
from ..scalar.simplify import bounds, proved_le, simplify
from .facts import Facts
from .sizes import NodeSizes
from .translate import Sizes

Index = tuple[Expr, ...]

MAX_ORIGIN = 64
"""A value stands for at most so many nodes besides its own."""


@dataclass(eq=False, slots=True)
class Read:
    """``slot``, a local of a template, stands for element `index` of `source`."""

    slot: Expr
    source: Value
    index: Index


class IndexCheck(NamedTuple):
    """`raw` must lie in [-length, length); `node` is to blame."""

    raw: Expr
    length: Expr
    node: Apply


class Template(NamedTuple):
    """What one element is.

    Attributes
    ----------
    expr : Expr
        Over ``index`` leaves numbered by axis of the domain, sizes, constants and slots.
    reads : tuple of Read
        In an order in which an index uses only earlier slots.
    checks : tuple of IndexCheck
    """

    expr: Expr
    reads: tuple[Read, ...]
    checks: tuple[IndexCheck, ...] = ()


@dataclass(eq=False)
class Value:
    """A variable of the graph, as the lowering sees it.

    Attributes
    ----------
    number : int
        Position in a topological order.
    dtype : str
        ``"object"`` for what is not an array.
    shape, domain : tuple of Expr
        Sizes (in the program's context) of the value, and of the space that it is computed in:
        the shape, or for a reduction that of its operand.
    form : {"given", "const", "map", "reduce", "opaque"}
        ``given``: input or shared; ``map``: each element by the template; ``reduce``: the
        template accumulated over `spec.axes`; ``opaque``: by a step of its own.
    """

    number: int
    dtype: str
    shape: tuple[Expr, ...]
    form: str
    variable: Variable | None = None
    node: Apply | None = None
    template: Template | None = None
    spec: ReductionSpec | None = None
    domain: tuple[Expr, ...] = ()
    data: Any = None
    inline: bool = False
    origin: tuple[Apply, ...] = ()
    needs: tuple[Value, ...] = field(default=(), repr=False)

    @property
    def computed(self) -> bool:
        """Whether it is computed in kernels."""
        return self.form in ("map", "reduce") and not self.inline

    @property
    def reads(self) -> tuple[Read, ...]:
        """What the template reads; nothing, if there is none."""
        return () if self.template is None else self.template.reads

    @property
    def is_identity(self) -> bool:
        """Whether an inline value has the elements of another one in the same places."""
        template = self.template
        if not self.inline or template is None or len(template.reads) != 1:
            return False
        read = template.reads[0]
        return (
            template.expr is read.slot
            and self.shape == read.source.shape
            and all(
                (e.kind == "index" and e.payload == d) or (e.is_const and n.is_const)
                for d, (e, n) in enumerate(zip(read.index, self.shape, strict=True))
            )
        )

    @property
    def kept_axes(self) -> tuple[int, ...]:
        """Axes of the domain that are axes of the value."""
        axes = range(len(self.domain))
        if self.spec is None:
            return tuple(axes)
        reduced = self.spec.axes
        return tuple(d for d in axes if d not in reduced)

    @property
    def cost(self) -> int:
        """Rough work per point of the domain, in cheap operations."""
        if self.template is None:
            return 0
        calls = [n for n in walk([self.template.expr]) if n.kind == "call"]
        return sum(int(n.op.cost) for n in calls) + (self.form == "reduce")


class Definer:
    """Makes the `Value` of every variable.

    Parameters
    ----------
    facts : Facts
    sizes : Sizes
        Translation of sizes to the program's context.

    Attributes
    ----------
    strided : set of Variable
        Inputs of inner graphs that stand for memory which need not be contiguous.
    """

    def __init__(self, facts: Facts, sizes: Sizes) -> None:
        self.facts = facts
        self.sizes = sizes
        self.ctx: Context = sizes.ctx
        self.values: dict[Variable, Value] = {}
        self.count = 0
        self.strided: set[Variable] = set()
        self._slots = 0
        self._wishes: list[tuple[Expr, Expr, Apply]] = []

    def is_strided(self, value: Value) -> bool:
        """Whether the storage of a value need not be contiguous, nor can be made so."""
        return value.form == "given" and value.variable in self.strided

    # ---- lengths that had better be equal

    def wish(self, a: Expr, b: Expr, node: Apply) -> None:
        """Note that kernels get better if two lengths are equal."""
        if a in self.sizes.back and b in self.sizes.back:
            self._wishes.append((self.sizes.back[a], self.sizes.back[b], node))

    def grant_wishes(self) -> bool:
        """Assume the equalities wished for, unless the call at hand shows otherwise."""
        before = len(self.facts.assumptions)
        for a, b, node in self._wishes:
            if (a.is_const and b.is_const) or not all(map(self.facts.early, (a, b))):
                continue
            if self.facts.oracle is None or self.facts.observed(a) == self.facts.observed(b):
                self.facts.assume(a, b, node)
        return len(self.facts.assumptions) > before

    # ---- values

    def given(self, variable: Variable) -> Value:
        """The value of an input, a shared variable or a constant."""
        if not isinstance(variable, Constant):
            return self._value(variable, "given")
        value = self._value(variable, "const")
        value.data = variable.data
        value.inline = value.dtype != "object" and variable.data.size == 1
        if value.inline:
            number = self.ctx.const(variable.data.reshape(-1)[0], value.dtype)
            value.template = Template(number, ())
            value.form = "map"
        return value

    def _value(
        self,
        variable: Variable,
        form: str,
        node: Apply | None = None,
        shape: tuple[Expr, ...] | None = None,
    ) -> Value:
        ranked = getattr(variable.type, "broadcastable", None) is not None
        if shape is None:
            shape = self.sizes.shape(variable) if ranked else ()
        value = Value(
            self._next(),
            variable.type.dtype if ranked else "object",
            shape,
            form,
            variable,
            node,
            domain=shape,
            origin=() if node is None else (node,),
        )
        self.values[variable] = value
        return value

    def _next(self) -> int:
        self.count += 1
        return self.count

    def of(self, variable: Variable) -> Value:
        """The value of a variable; leaves are made when they are met."""
        found = self.values.get(variable)
        return self.given(variable) if found is None else found

    def copy_of(self, source: Value) -> Value:
        """A map that copies `source` element by element."""
        copy = self.alike(source, "map")
        copy.template = self.reading(source, self._domain_index(len(source.shape)))
        return copy

    def alike(self, value: Value, form: str) -> Value:
        """Another value of the same type and variable."""
        return Value(
            self._next(), value.dtype, value.shape, form, value.variable, value.node,
            domain=value.shape, data=value.data, origin=value.origin,
        )

    def element_of(self, source: Value, index: tuple[int, ...]) -> Value:
        """A 0-d map that holds one element of `source`."""
        entries = tuple(self.ctx.integer(i) for i in index)
        made = Value(self._next(), source.dtype, (), "map", None, source.node, origin=source.origin)
        made.template = self.reading(source, entries)
        return made

    def reading(self, source: Value, index: Index) -> Template:
        """The template that reads element `index` of a value."""
        if source.inline:
            assert source.template is not None
            return self.instantiate(source.template, index)
        slot = self.slot(source.dtype)
        return Template(slot, (Read(slot, source, index),))

    def add(self, node: Apply) -> None:
        """Make the values of the outputs of `node`, whose operands have theirs."""
        operands = [self.of(v) for v in node.inputs]
        plain = all(v.dtype != "object" for v in operands)
        if plain and isinstance(node.op, BuiltinOp) and self._by_elements(node):
            return
        for output in node.outputs:
            self._value(output, "opaque", node)

    def _by_elements(self, node: Apply) -> bool:
        return self._reduction(node) or self._definition(node) or self._strided(node)

    def _reduction(self, node: Apply) -> bool:
        method = getattr(node.op, "reduction", None)
        specs = None if method is None else method(node)
        if specs is None:
            return False
        operand = self.of(node.inputs[0])
        for output, spec in zip(
            node.outputs, specs if isinstance(specs, tuple) else (specs,), strict=True
        ):
            value = self._value(output, "reduce", node)
            self._reduce(value, operand, spec)
        return True

    def _reduce(self, value: Value, operand: Value, spec: ReductionSpec) -> None:
        value.domain = operand.shape
        index = self._domain_index(len(operand.shape))
        reader = TemplateReader(self, value.node, operand.shape)
        element = reader(0, index)
        if all(self.is_one(operand.shape[d]) for d in spec.axes):
            self._trivial_reduction(value, operand, spec)
            return
        value.spec = spec
        value.template = Template(element, tuple(reader.reads))
        self._note_origin(value, reader)

    def _trivial_reduction(self, value: Value, operand: Value, spec: ReductionSpec) -> None:
        """Over axes of length 1 a reduction is a conversion."""
        value.form, value.domain = "map", value.shape
        kept = iter(self._domain_index(len(value.shape)))
        index = tuple(
            self.ctx.integer(0) if d in spec.axes else next(kept)
            for d in range(len(operand.shape))
        )
        reader = TemplateReader(self, value.node, value.shape)
        element = cast_expr(self.ctx, reader(0, index), spec.acc_dtype)
        if spec.arg is not None:
            element, reader.reads = self.ctx.const(0, value.dtype), []
        self._finish(value, element, reader)

    def _definition(self, node: Apply) -> bool:
        method = getattr(node.op, "define", None)
        if method is None:
            return False
        shape = self.sizes.shape(node.outputs[0])
        reader = TemplateReader(self, node, shape)
        found = method(node, self._domain_index(len(shape)), reader)
        if found is None:
            return False
        exprs = found if isinstance(found, tuple) else (found,)
        for k, (output, expr) in enumerate(zip(node.outputs, exprs, strict=True)):
            value = self._value(output, "map", node, None if k else shape)
            self._finish(value, expr, reader)
        return True

    def _strided(self, node: Apply) -> bool:
        """A node that can only say which view its outputs are."""
        method = getattr(node.op, "view", None)
        if method is None:
            return False
        found = self.facts.ask(lambda: method(node, NodeSizes(self.facts, node)))
        specs = found if isinstance(found, (list, tuple)) else [found]
        if not all(isinstance(spec, ViewSpec) for spec in specs):
            return False
        for output, spec in zip(node.outputs, specs, strict=True):
            value = self._value(output, "map", node)
            index = [self._size(n) for n in spec.offset]
            for d, (axis, step) in enumerate(spec.axes):
                if axis is not None:
                    index[axis] = index[axis] + self.ctx.index(d) * self._size(step)
            reader = TemplateReader(self, node, value.shape)
            element = reader(spec.input, index)
            self._finish(value, element, reader)
        return True

    def _finish(self, value: Value, element: Expr, reader: TemplateReader) -> None:
        """Give a map its template."""
        typed = cast_expr(self.ctx, element, value.dtype)
        value.template = _used(Template(typed, tuple(reader.reads), tuple(reader.checks)))
        value.inline = _is_inline(value.template)
        self._note_origin(value, reader)

    def _note_origin(self, value: Value, reader: TemplateReader) -> None:
        """Let a value stand for the inline ones in its template, too."""
        found = tuple(reader.inlined)
        if len(found) > MAX_ORIGIN:  # those that may fail must not be forgotten
            found = tuple(n for n in found if n in self.facts.requirements)
        value.origin = (*found, *value.origin)

    def _size(self, size: Any) -> Expr:
        return self.sizes(self.facts.size(size))

    # ---- templates

    def _domain_index(self, ndim: int) -> Index:
        return tuple(self.ctx.index(d) for d in range(ndim))

    def slot(self, dtype: str) -> Expr:
        """A fresh local that stands for a read."""
        self._slots += 1
        return self.ctx.local(("slot", self._slots), dtype)

    def is_one(self, size: Expr) -> bool:
        """Whether a length is known to be 1."""
        return size.is_const and int(size.value) == 1

    def instantiate(self, template: Template, index: Index) -> Template:
        """`template` at the point `index` of its domain, with slots of its own."""
        if template.expr.is_const and not template.reads and not template.checks:
            return template
        replace: dict[Expr, Expr] = {self.ctx.index(d): e for d, e in enumerate(index)}
        reads = []
        for read in template.reads:
            entries = self.simplified(substitute(read.index, replace, self.ctx))
            slot = self.slot(read.slot.dtype)
            replace[read.slot] = slot
            reads.append(Read(slot, read.source, entries))
        expr = substitute([template.expr], replace, self.ctx)[0]
        checks = []
        for check in template.checks:
            raw, length = substitute([check.raw, check.length], replace, self.ctx)
            checks.append(IndexCheck(raw, length, check.node))
        return Template(expr, tuple(reads), tuple(checks))

    def at(self, expr: Expr, leaf: Expr, value: int) -> Expr:
        """`expr` with a number in the place of a leaf."""
        return substitute([expr], {leaf: self.ctx.integer(value)}, self.ctx)[0]

    def difference(self, a: Expr, b: Expr) -> Expr:
        """``a - b`` in normal form."""
        return simplify(a - b)

    def simplified(self, index: Sequence[Expr]) -> Index:
        """Index expressions in normal form."""
        return tuple(simplify(e) if e.args else e for e in index)


def _is_inline(template: Template) -> bool:
    """Whether a template only moves elements, or gives numbers without reading any."""
    if template.checks:
        return False
    if len(template.reads) == 1 and template.expr is template.reads[0].slot:
        return True
    return not template.reads and sum(n.kind == "call" for n in walk([template.expr])) <= 4


def _used(template: Template) -> Template:
    """Leave out reads that the expression does not need."""
    if not template.checks and {template.expr, *template.expr.args}.issuperset(
        r.slot for r in template.reads
    ):
        return template
    needed = set(walk([template.expr, *[e for c in template.checks for e in (c.raw, c.length)]]))
    kept = []
    for read in reversed(template.reads):
        if read.slot in needed:
            kept.append(read)
            needed |= set(walk(read.index))
    return Template(template.expr, tuple(reversed(kept)), template.checks)


class TemplateReader:
    """The :class:`~symc.loop.protocol.Reader` that collects the reads of one node.

    Parameters
    ----------
    definer : Definer
    node : Apply
    shape : tuple of Expr
        Sizes of the output.
    """

    def __init__(self, definer: Definer, node: Apply | None, shape: tuple[Expr, ...]) -> None:
        assert node is not None
        self.definer = definer
        self.node = node
        self.ctx = definer.ctx
        self.reads: list[Read] = []
        self.checks: list[IndexCheck] = []
        self.inlined: dict[Apply, None] = {}
        self._shape = shape
        self._known: dict[tuple[Value, Index], Expr] = {}
        pairs = definer.facts.dynamic.get(node, ())
        self._repeated = {definer.sizes(n) for pair in pairs for n in pair}

    def __call__(self, i: int, idx: Sequence[Any]) -> Expr:
        """Element `idx` of operand `i`."""
        source = self.definer.of(self.node.inputs[i])
        index = tuple(
            self._entry(e, n) for e, n in zip(idx, source.shape, strict=True)
        )
        found = self._known.get((source, index))
        if found is None:
            found = self._known[source, index] = self._read(source, index)
        return found

    def _entry(self, entry: Any, length: Expr) -> Expr:
        ctx = self.ctx
        if self.definer.is_one(length):
            return ctx.integer(0)
        index = entry if isinstance(entry, Expr) else ctx.integer(int(entry))
        if length in self._repeated:
            repeated: Expr = switch(eq(length, 1), ctx.integer(0), index)
            return repeated
        return simplify(index) if index.args else index

    def _read(self, source: Value, index: Index) -> Expr:
        if source.inline:
            self.inlined.update(dict.fromkeys(source.origin))
        made = self.definer.reading(source, index)
        self.reads.extend(made.reads)
        return made.expr

    def shape(self, i: int) -> tuple[Expr, ...]:
        """Sizes of operand `i`."""
        return self.definer.of(self.node.inputs[i]).shape

    def out_shape(self) -> tuple[Expr, ...]:
        """Sizes of the output."""
        return self._shape

    def value(self, i: int) -> Expr:
        """The 0-d integer operand `i` as int64."""
        size = self.definer.facts.value(self.node.inputs[i])
        if self.definer.facts.early(size):
            return self.definer.sizes(size)
        return cast_expr(self.ctx, self(i, ()), "int64")

    def index(self, raw: Expr, length: Any) -> Expr:
        """`raw` counted from the start; checked at run time unless it is proved to be in range."""
        n = length if isinstance(length, Expr) else self.ctx.integer(int(length))
        position = cast_expr(self.ctx, raw, "int64")
        low, _ = bounds(position)
        inside = position.kind == "index" and self._shape[position.payload] is n
        if not (inside or (low >= 0 and proved_le(position + 1, n))):
            self.checks.append(IndexCheck(position, n, self.node))
            if position.kind == "index":  # x[arange(len(y)), y]: as many rows as targets
                self.definer.wish(self._shape[position.payload], n, self.node)
        wrapped: Expr = switch(lt(position, 0), position + n, position)
        return position if low >= 0 else wrapped
