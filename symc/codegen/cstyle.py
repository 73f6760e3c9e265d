"""Nests as C functions.

A nest becomes one ``static`` function that takes pointers, sizes and element strides, plus one
function per parallel loop: its body, with what it needs from outside as parameters, and a small
adapter for the thread pool. Texts hold no name that depends on the program, so equal nests give
equal texts; ``@`` stands for the name of the function.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

from ..loop import ir
from ..loop.kernel import Store
from ..scalar.ctext import SHORT_NAME
from ..scalar.expr import Expr, walk
from .cexpr import DEAR_CALL, Block, ExprPrinter, Outlined, storage_type
from .flags import level_for
from .hoist import invariants

MAX_INLINED = 6
"""Vector functions up to which a nest inlines them; each costs 25 ms of compile time."""
PARALLEL_NANOSECONDS = 20_000
"""Estimated work from which a loop is given to several threads."""


@dataclass(frozen=True, order=True)
class Parameter:
    """A parameter of a nest's function.

    Attributes
    ----------
    kind : {"data", "size", "stride", "dim"}
        ``data``: pointer to the first element of operand `name`; ``size``: the nest's size
        `name`; ``stride`` and ``dim``: element stride and length of axis `axis` of operand `name`.
    name : str
    axis : int
    """

    kind: str
    name: str
    axis: int = 0


@dataclass(frozen=True)
class NestFunction:
    """A printed nest.

    Attributes
    ----------
    text : str
        C text of all its functions; the entry function is ``SY_KERNEL void @(sy_call *c, ...)``,
        or ``SY_KERNEL int @(sy_call *c, int32_t where, ...)`` if it is fallible.
    head : str
        The entry function up to its body.
    parameters : tuple of Parameter
        What follows ``c`` (and ``where``), in order.
    fallible : bool
    level : str
        Optimisation option for the compiler.
    needs : frozenset of str
        Headers that the text uses, besides ``symc_abi.h``.
    outlined : frozenset of Outlined
        Functions that the text calls out of line, see :func:`outlined_text`.
    """

    text: str
    head: str
    parameters: tuple[Parameter, ...]
    fallible: bool
    level: str
    needs: frozenset[str]
    outlined: frozenset[Outlined]


def print_nest(
    nest: ir.Nest, aliased: frozenset[str] = frozenset(), in_task: bool = False
) -> NestFunction:
    """Print a nest.

    Parameters
    ----------
    nest : Nest
    aliased : frozenset of str
        Operands that share memory with another operand: their pointers are not ``restrict``.
    in_task : bool
        Whether the function is called from inside a task: all loops run on its thread.
    """
    return _NestPrinter(nest, aliased, in_task).run()


class _NestPrinter:
    def __init__(self, nest: ir.Nest, aliased: frozenset[str], in_task: bool) -> None:
        self.nest = nest
        self.aliased = aliased
        self.fallible = nest.fallible
        self.operands = {o.key: o for o in nest.operands}
        self.written = {o.key for o in nest.operands if "w" in o.access} | {
            s.key for s, _ in ir.statements(nest.body) if isinstance(s, ir.Array)
        }
        self.mutable = {s.key for s, _ in ir.statements(nest.body) if isinstance(s, ir.Var)}
        self.dtypes: dict[str, str] = {o.key: o.dtype for o in nest.operands} | {
            s.key: s.dtype for s, _ in ir.statements(nest.body) if isinstance(s, ir.Array)
        }
        self.types: dict[Hashable, str] = {}
        self.stability: dict[Expr, bool] = {}
        self.printer = ExprPrinter(self._leaf, self._load, self._stable, self._risky)
        self.root = Block()
        self.block = self.root
        self.printer.outline = _dear_calls(nest) > MAX_INLINED
        self.in_parallel = in_task
        self.parameters: dict[Parameter, str] = {}
        self.outlined: list[str] = []
        self.count = 0

    # ---- the whole

    def run(self) -> NestFunction:
        self._statements(self.nest.body)
        parameters = sorted(self.parameters)
        arguments = ["sy_call *c"]
        if self.fallible:
            arguments.append("int32_t where")
        arguments += [self._declaration(p) for p in parameters]
        lines = list(self.root.lines)
        if self.fallible:
            lines.append("return SY_OK;")
        kind = "int" if self.fallible else "void"
        head = f"SY_KERNEL {kind} @({', '.join(arguments)})"
        text = "".join(self.outlined) + _body_text(head, lines)
        needs = frozenset(self.printer.needs)
        longest = _longest_run(text.splitlines())
        called = frozenset(self.printer.outlined.values())
        strips = any(isinstance(s, ir.Apply) for s, _ in ir.statements(self.nest.body))
        level = level_for(longest, strips)
        return NestFunction(text, head, tuple(parameters), self.fallible, level, needs, called)

    def _declaration(self, parameter: Parameter) -> str:
        name = self.parameters[parameter]
        if parameter.kind != "data":
            return f"const int64_t {name}"
        return f"{self._pointer_type(parameter.name)}{name}"

    def _pointer_type(self, key: str) -> str:
        operand = self.operands[key]
        const = "" if "w" in operand.access else "const "
        restrict = "" if key in self.aliased else "restrict "
        return f"{const}{storage_type(operand.dtype)} *{restrict}"

    # ---- names

    def _name(self, key: Hashable, text: str, ctype: str) -> str:
        self.block.names[key] = text
        self.types[key] = ctype
        return text

    def _parameter(self, parameter: Parameter, ctype: str) -> str:
        key = ("parameter", parameter)
        if parameter not in self.parameters:
            position = [o.key for o in self.nest.operands].index
            if parameter.kind == "size":
                name = f"n_{parameter.name}"
            else:
                letter = {"data": "p", "stride": "s", "dim": "d"}[parameter.kind]
                tail = "" if parameter.kind == "data" else f"_{parameter.axis}"
                name = f"{letter}{position(parameter.name)}{tail}"
            self.parameters[parameter] = name
            self.types[key] = ctype
            self.root.names[key] = name
        text = self.block.find(key)
        assert text is not None
        return text

    def _leaf(self, node: Expr) -> str:
        if node.kind == "size":
            kind, name, *axis = node.payload
            kind = "size" if kind == "arg" else kind
            return self._parameter(Parameter(kind, name, *axis), "const int64_t ")
        text = self.block.find((node.kind, node.payload))
        if text is None:
            raise ValueError(f"{node!r} is used before it is defined")
        return text

    def _stable(self, node: Expr) -> bool:
        pending = [node]
        while pending:
            top = pending[-1]
            unknown = [a for a in top.args if a not in self.stability]
            if unknown:
                pending.extend(unknown)
                continue
            pending.pop()
            own = not (
                (top.kind == "load" and top.payload in self.written)
                or (top.kind == "local" and top.payload in self.mutable)
            )
            self.stability[top] = own and all(self.stability[a] for a in top.args)
        return self.stability[node]

    def _risky(self, node: Expr) -> bool:
        known = self.nest.notes.get("risky")
        return node.kind == "load" and (known is None or node in known)

    # ---- elements

    def _load(self, node: Expr, index: list[str]) -> str:
        return self._element(node.payload, index)

    def _element(self, key: str, index: Sequence[str]) -> str:
        if key not in self.operands:
            text = self.block.find(("array", key))
            if text is None:
                raise ValueError(f"array {key} is used before it is declared")
            return f"{text}[{index[0]}]"
        pointer = self._parameter(Parameter("data", key), self._pointer_type(key))
        layout = self.nest.layouts.get(key)
        terms = []
        for axis, text in enumerate(index):
            if text == "0":
                continue
            if layout is None:
                stride = self._parameter(Parameter("stride", key, axis), "const int64_t ")
            else:
                stride = self.printer.index_text(
                    self.block, layout[axis], self._computed(layout[axis])
                )
            terms.append(text if stride == "1" else f"{text} * {stride}")
        return f"{pointer}[{' + '.join(terms) or '0'}]"

    def _computed(self, node: Expr) -> dict[Expr, str]:
        return {node: self.printer.values(self.block, [node])[0]} if node.args else {}

    def _values(self, roots: Sequence[Expr]) -> list[str]:
        return self.printer.values(self.block, roots)

    def _index_values(self, roots: Sequence[Expr]) -> list[str]:
        texts = self._values([r for r in roots if r.kind != "const"])
        rest = iter(texts)
        return [
            self.printer.index_text(self.block, r) if r.kind == "const" else next(rest)
            for r in roots
        ]

    # ---- statements

    def _line(self, text: str) -> None:
        self.block.lines.append(text)

    def _statements(self, body: Sequence[ir.Stmt]) -> None:
        scratch: list[ir.Array] = []
        for stmt in body:
            if isinstance(stmt, ir.Array) and isinstance(stmt.length, Expr):
                scratch.append(stmt)
                continue
            if scratch:
                self._scratch(scratch)
                scratch = []
            self._statement(stmt)
        if scratch:
            self._scratch(scratch)

    def _statement(self, stmt: ir.Stmt) -> None:
        if isinstance(stmt, ir.Let):
            self._let(stmt)
        elif isinstance(stmt, ir.Var):
            text = self.printer.root(self.block, stmt.value)
            name = self._new("m")
            self._line(f"{storage_type(stmt.value.dtype)} {name} = {text};")
            self._name(("local", stmt.key), name, "")
        elif isinstance(stmt, ir.Assign):
            text = self.printer.root(self.block, stmt.value)
            target = self.block.find(("local", stmt.key))
            self._line(f"{target} = {text};")
        elif isinstance(stmt, (Store, ir.AtomicAdd)):
            self._store(stmt)
        elif isinstance(stmt, ir.Stream):
            self._stream(stmt)
        elif isinstance(stmt, ir.Prefetch):
            self._prefetch(stmt)
        elif isinstance(stmt, ir.Run):
            self._run(stmt)
        elif isinstance(stmt, ir.Apply):
            self._apply(stmt)
        elif isinstance(stmt, ir.Array):
            self._array(stmt)
        elif isinstance(stmt, ir.For):
            self._for(stmt)
        elif isinstance(stmt, ir.If):
            self._if(stmt)
        elif isinstance(stmt, ir.While):
            self._while(stmt)
        elif isinstance(stmt, ir.CheckIndex):
            self._check_index(stmt)
        elif isinstance(stmt, ir.FailIf):
            self._fail_if(stmt)
        else:
            raise TypeError(f"not a statement: {stmt!r}")

    def _new(self, prefix: str) -> str:
        self.count += 1
        return f"{prefix}{self.count}"

    def _let(self, stmt: ir.Let) -> None:
        ctype = storage_type(stmt.value.dtype)
        known = self.block.find(stmt.value) if self._stable(stmt.value) else None
        if known is None or not known.isidentifier():
            text = self.printer.root(self.block, stmt.value)
            known = self.printer.fresh()
            self._line(f"const {ctype} {known} = {text};")
            if stmt.value.args and self._stable(stmt.value):
                self.block.names[stmt.value] = known
        self._name(("local", stmt.key), known, f"const {ctype} ")

    def _store(self, stmt: Store | ir.AtomicAdd) -> None:
        index = self._index_values(stmt.index)
        value = self.printer.root(self.block, stmt.value)
        element = self._element(stmt.operand, index)
        if isinstance(stmt, Store):
            self._line(f"{element} = {value};")
        elif not self.in_parallel:
            self._line(f"{element} += {value};")
        else:
            self.printer.needs.add("sy_arrays.h")
            short = SHORT_NAME[self.dtypes[stmt.operand]]
            self._line(f"sy_atomic_add_{short}(&{element}, {value});")

    def _stream(self, stmt: ir.Stream) -> None:
        self.printer.needs.add("sy_arrays.h")
        index, count = self._index_values([stmt.index, stmt.count])
        element = self._element(stmt.operand, [index])
        array = self.block.find(("array", stmt.array))
        self._line(f"sy_stream(&{element}, {array}, {count} * (int64_t)sizeof *{array});")

    def _prefetch(self, stmt: ir.Prefetch) -> None:
        self.printer.needs.add("sy_arrays.h")
        index, count = self._index_values([stmt.index, stmt.count])
        element = self._element(stmt.operand, [index])
        self._line(f"sy_prefetch(&{element}, {count} * (int64_t)sizeof {element});")

    def _run(self, stmt: ir.Run) -> None:
        op = stmt.value.op
        self.printer.needs.add(op.needs[0].replace(".h", "_fill.h"))
        array = self.block.find(("array", stmt.array))
        operands = ", ".join(self._values([stmt.count, *stmt.value.args]))
        self._line(f"{op.run}({array}, {operands});")

    def _apply(self, stmt: ir.Apply) -> None:
        array = self.block.find(("array", stmt.array))
        count, *index = self._index_values([stmt.count, *(stmt.source.args if stmt.source else ())])
        source = f"&{self._element(stmt.source.payload, index)}" if stmt.source else array
        if stmt.twin is not None:
            twin = self.block.find(("array", stmt.twin))
            function = self.printer.twin_function(stmt.op, self.dtypes[stmt.array])
            self._line(f"{function}({array}, {twin}, {source}, {count});")
            return
        function = self.printer.strip_function(stmt.op, self.dtypes[stmt.array])
        self._line(f"{function}({array}, {source}, {count});")

    def _array(self, stmt: ir.Array) -> None:
        name = self._new("a")
        ctype = storage_type(stmt.dtype)
        self._line(f"_Alignas(64) {ctype} {name}[{stmt.length}];")
        self._name(("array", stmt.key), name, f"{ctype} *restrict ")
        self._fill(stmt, name, str(stmt.length))

    def _fill(self, stmt: ir.Array, name: str, length: str) -> None:
        if stmt.fill is not None:
            value = self._values([stmt.fill])[0]
            i = self._new("i")
            self._line("#pragma omp simd")
            self._line(f"for (int64_t {i} = 0; {i} < {length}; {i}++) {name}[{i}] = {value};")

    def _scratch(self, arrays: list[ir.Array]) -> None:
        """Scratch arrays that are declared together share one request."""
        lengths = self._index_values([a.length for a in arrays if isinstance(a.length, Expr)])
        names = [self._new("a") for _ in arrays]
        sizes = [
            f"((({n}) * (int64_t)sizeof({storage_type(a.dtype)}) + 63) & ~(int64_t)63)"
            for a, n in zip(arrays, lengths, strict=True)
        ]
        base = self._new("a")
        thread = "thread" if self.in_parallel else "0"
        self._line(f"char *{base} = c->api->scratch({thread}, {' + '.join(sizes)});")
        offset = base
        for array, name, length, size in zip(arrays, names, lengths, sizes, strict=True):
            ctype = storage_type(array.dtype)
            self._line(f"{ctype} *restrict {name} = ({ctype} *)({offset});")
            self._name(("array", array.key), name, f"{ctype} *restrict ")
            self._fill(array, name, length)
            offset = f"{offset} + {size}"

    def _if(self, stmt: ir.If) -> None:
        condition = self._values([stmt.condition])[0]
        self._line(f"if ({condition}) {{")
        self._nested(stmt.then)
        if stmt.orelse:
            self._line("} else {")
            self._nested(stmt.orelse)
        self._line("}")

    def _while(self, stmt: ir.While) -> None:
        self._line("for (;;) {")
        with_condition = Block(self.block)
        outer, self.block = self.block, with_condition
        condition = self._values([stmt.condition])[0]
        self._line(f"if (!({condition})) break;")
        self._statements(stmt.body)
        self.block = outer
        self._append(with_condition)
        self._line("}")

    def _nested(self, body: Sequence[ir.Stmt], key: Hashable = None, name: str = "") -> None:
        inner = Block(self.block)
        outer, self.block = self.block, inner
        if key is not None:
            self._name(key, name, "const int64_t ")
        self._statements(body)
        self.block = outer
        self._append(inner)

    def _append(self, inner: Block) -> None:
        self.block.lines.extend("  " + line for line in inner.lines)

    def _check_index(self, stmt: ir.CheckIndex) -> None:
        index, length = self._values([stmt.index, stmt.length])
        self._line(f"if ({index} < -{length} || {index} >= {length}) {{")
        self._fail("SY_E_INDEX", [index, length, str(stmt.tag)])
        self._line("}")

    def _fail_if(self, stmt: ir.FailIf) -> None:
        condition, *shown = self._values([stmt.condition, *stmt.shown])
        self._line(f"if ({condition}) {{")
        self._fail("SY_E_VALUE", [str(stmt.reason), *shown])
        self._line("}")

    def _fail(self, code: str, values: list[str]) -> None:
        items = ", ".join(f"(int64_t)({v})" for v in values)
        self._line(f"  const int64_t v[] = {{{items}}};")
        self._line(f"  c->api->fail(c, {code}, where, v, {len(values)});")
        self._line("  return;" if self.in_parallel else "  return SY_ERROR;")

    # ---- loops

    def _for(self, stmt: ir.For) -> None:
        nonempty = bool(self.nest.notes.get("nonempty"))
        hoisted = invariants(stmt, self._stable, self._risky, nonempty)
        if not hoisted:
            self._loop(stmt)
            return
        start, stop = self._index_values([stmt.start, stmt.stop])
        guarded = not self.nest.notes.get("nonempty")
        if guarded:
            self._line(f"if ({start} < {stop}) {{")
        inner = Block(self.block)
        outer, self.block = self.block, inner
        for node in hoisted:
            text = self._values([node])[0]
            if not text.isidentifier():
                name = self.printer.fresh()
                self._line(f"const {storage_type(node.dtype)} {name} = {text};")
                self.block.names[node] = name
        self._loop(stmt)
        self.block = outer
        if guarded:
            self._append(inner)
            self._line("}")
        else:
            self._line("{")
            self._append(inner)
            self._line("}")

    def _loop(self, stmt: ir.For) -> None:
        if stmt.kind == "parallel" and not self.in_parallel:
            self._parallel(stmt)
            return
        start, stop = self._index_values([stmt.start, stmt.stop])
        name = self._new("i")
        if stmt.kind == "simd":
            self._line("#pragma omp simd")
        elif stmt.kind == "unroll":
            self._line("#pragma GCC unroll 16")
        pace = f"{name}++" if stmt.step == 1 else f"{name} += {stmt.step}"
        self._line(f"for (int64_t {name} = {start}; {name} < {stop}; {pace}) {{")
        self._nested(stmt.body, ("index", stmt.key), name)
        self._line("}")

    def _parallel(self, stmt: ir.For) -> None:
        """Outline the body; run it here or hand it to the thread pool."""
        number = len(self.outlined)
        captured: dict[str, str] = {}
        outer = self.block

        def capture(key: Hashable) -> str | None:
            text = outer.find(key)
            if text is None or not text.isidentifier():
                return None
            value = f"const {storage_type(key.dtype)} " if isinstance(key, Expr) else ""
            captured[text] = self.types.get(key) or value
            return text

        inner = Block(None, capture)
        self.block, self.in_parallel = inner, True
        name = self._new("i")
        self._line(f"for (int64_t {name} = first; {name} < last; {name}++) {{")
        self._nested(stmt.body, ("index", stmt.key), name)
        self._line("}")
        if any(isinstance(s, ir.Stream) for s, _ in ir.statements(stmt.body)):
            self._line("sy_stream_end();")
        self.block, self.in_parallel = outer, False
        needed = sorted(captured.items())
        self.outlined.append(_outlined_text(number, needed, inner.lines))
        start, stop, *work = self._index_values(
            [stmt.start, stmt.stop, *([] if stmt.work is None else [stmt.work])]
        )
        self._call_outlined(number, needed, start, stop, work)
        if self.fallible:
            self._line("if (c->failed) return SY_ERROR;")

    def _call_outlined(
        self,
        number: int,
        captured: Sequence[tuple[str, str]],
        start: str,
        stop: str,
        work: Sequence[str],
    ) -> None:
        count = stop if start == "0" else f"({stop} - {start})"
        large = f" && {work[0]} > {PARALLEL_NANOSECONDS}" if work else ""
        names = ", ".join(text for text, _ in captured)
        values = f"c, {'where' if self.fallible else '0'}, {start}{', ' if names else ''}{names}"
        self._line(f"if (c->threads > 1 && {count} > 1{large}) {{")
        self._line(f"  struct @_a{number} a = {{{values}}};")
        self._line(f"  c->api->parallel(@_t{number}, &a, {count}, c->threads);")
        self._line("} else {")
        comma = ", " if names else ""
        where = "where" if self.fallible else "0"
        self._line(f"  @_b{number}(c, {where}, {start}, {stop}, 0{comma}{names});")
        self._line("}")


def _outlined_text(number: int, captured: Sequence[tuple[str, str]], body: list[str]) -> str:
    """A parallel body, the record of its context and the adapter for the thread pool."""
    arguments = ["sy_call *c", "int32_t where", "int64_t first", "int64_t last", "int thread"]
    arguments += [f"{ctype}{text}" for text, ctype in captured]
    head = ["(void)c, (void)where, (void)thread;"]
    text = _function_text(f"static void @_b{number}", arguments, head + body)
    fields = "".join(f" {ctype.replace('restrict ', '')}{text};" for text, ctype in captured)
    text += f"struct @_a{number} {{ sy_call *c; int32_t where; int64_t start;{fields} }};\n"
    values = "".join(f", a->{text}" for text, _ in captured)
    lines = [
        f"struct @_a{number} *a = context;",
        f"@_b{number}(a->c, a->where, a->start + first, a->start + last, thread{values});",
    ]
    arguments = ["void *context", "int64_t first", "int64_t last", "int thread"]
    return text + _function_text(f"static void @_t{number}", arguments, lines)


def _function_text(head: str, arguments: Sequence[str], lines: Sequence[str]) -> str:
    return _body_text(f"{head}({', '.join(arguments)})", lines)


def _body_text(head: str, lines: Sequence[str]) -> str:
    return f"{head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _dear_calls(nest: ir.Nest) -> int:
    roots = [e for stmt, _ in ir.statements(nest.body) for e in ir.expressions(stmt)]
    return sum(
        1 for n in walk(roots) if n.kind == "call" and n.op.vector and n.op.cost >= DEAR_CALL
    )


def outlined_text(functions: Iterable[Outlined]) -> str:
    """Functions that stay calls, in scalar and in vector code.

    Each is defined once in a text, however many units are joined to it.
    """
    return "".join(
        f"#ifndef SY_HAS_{f.name}\n#define SY_HAS_{f.name}\n{f.text}#endif\n"
        for f in sorted(functions)
    )


def _longest_run(lines: Sequence[str]) -> int:
    """The most statements in a row without any branch or loop."""
    longest = run = 0
    for line in lines:
        run = run + 1 if line.endswith(";") else 0
        longest = max(longest, run)
    return longest
