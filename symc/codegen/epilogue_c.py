"""Steps that run on blocks of a convolution's result while these are in the cache.

The convolution and its epilogue become one function. It hands the convolution another function,
which gets a block (rows of channels of an image) and calls the nests of the steps on that part of
their operands.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from math import lcm

from ..loop import ir
from ..loop.kernel import Kernel, Operand
from ..loop.program import Blockwise, KernelStep, LoopStep, Program, RoutineStep
from ..scalar.expr import Expr, substitute, walk
from .cexpr import storage_type
from .convolution_c import convolution_call
from .cstyle import NestFunction, Parameter, print_nest
from .expand import expand_nest
from .place import Placer
from .prepare import contiguous_strides, prepare, rebuild_stage, stage_roots
from .schedule_c import elementwise
from .target import Target
from .values import Places
from .written import unit_nest

__all__ = ["Epilogue"]

Aliased = Callable[[Sequence[Operand], "dict[str, int]"], "frozenset[str]"]

CHANNELS, ROWS = ("block", "channels"), ("block", "rows")
"""Payloads of the sizes that a block has."""


class Epilogue:
    """Prints a convolution with the steps that run on blocks of its result.

    Parameters
    ----------
    program : Program
    places : Places
    target : Target
    aliased : callable
        The operands that share memory with another one that is written, of a step's operands and
        what they are bound to.
    """

    def __init__(
        self, program: Program, places: Places, target: Target, aliased: Aliased
    ) -> None:
        self.program = program
        self.places = places
        self.target = target
        self.aliased = aliased
        self.fields: dict[tuple[str, str], str] = {}
        self.nests: list[NestFunction] = []
        self.lines: list[str] = []

    def function(self, step: RoutineStep) -> tuple[NestFunction, list[str]] | None:
        """The function for a convolution with its epilogue, and the arguments of a call.

        The arguments follow the addresses of the ``sy_value`` of both inputs and of the output.
        None where a step needs scratch memory, which the convolution uses.
        """
        record = self.program.buffers[step.output]
        self.result = step.output
        for found in step.epilogue:
            if not self._add(found):
                return None
        counts = [count for found in step.epilogue for count in found.rows.values()]
        unit = str(lcm(*counts)) if all(counts) else "INT64_MAX"
        values = ["x", "w", "y"]
        call = convolution_call(
            step.name, record.dtype, step.params["geometry"], values, "&after"
        )
        return self._function(unit, call), [text for _, text in self.fields]

    # ---- the text

    def _function(self, unit: str, call: str) -> NestFunction:
        names = list(self.fields.values())
        declared = [f"{ctype}{name}" for (ctype, _), name in self.fields.items()]
        text = "".join(
            nest.text.replace("SY_KERNEL", "static").replace("@", f"@_e{k}")
            for k, nest in enumerate(self.nests)
        )
        text += f"struct @_c {{ sy_call *c;{''.join(f' {d};' for d in declared)} }};\n"
        inside = [
            "const struct @_c *const a = context;",
            "(void)image, (void)channel, (void)channels, (void)row, (void)rows, (void)thread;",
            *self.lines,
        ]
        text += _text(
            "static void @_run(void *context, int64_t image, int64_t channel, int64_t channels, "
            "int64_t row, int64_t rows, int thread)",
            inside,
        )
        operands = "const sy_value *x, const sy_value *w, const sy_value *y"
        head = f"SY_KERNEL int @({', '.join(['sy_call *c', operands, *declared])})"
        text += _text(
            head,
            [
                f"struct @_c a = {{{', '.join(['c', *names])}}};",
                f"const sy_after after = {{@_run, &a, {unit}}};",
                f"return {call};",
            ],
        )
        levels = [nest.level for nest in self.nests]
        return NestFunction(
            text,
            head,
            (),
            True,
            max(levels, key=levels.count),
            frozenset().union(*(nest.needs for nest in self.nests)),
            frozenset().union(*(nest.outlined for nest in self.nests)),
        )

    def _field(self, ctype: str, text: str) -> str:
        """Text, in the function for blocks, of a value that is had where the call is."""
        if ctype == "const int64_t " and text.isdigit():
            return text
        name = self.fields.setdefault((ctype, text), f"f{len(self.fields)}")
        return f"a->{name}"

    # ---- steps

    def _add(self, found: Blockwise) -> bool:
        """Print the nest of a step and its call for a block."""
        step = found.step
        if isinstance(step, LoopStep):
            part = self._of_nest(step, found.rows)
        else:
            assert isinstance(step, KernelStep)
            part = self._of_kernel(step, found.rows)
        if part is None:
            return False
        function, arguments = part
        self.lines.append(f"@_e{len(self.nests)}({', '.join(['a->c', *arguments])});")
        self.nests.append(function)
        return True

    def _of_nest(
        self, step: LoopStep, rows: dict[str, int]
    ) -> tuple[NestFunction, list[str]] | None:
        """Loops written by an op: they see operands of the lengths of a block."""
        nest = expand_nest(step.nest)
        nest = unit_nest(nest, nest.operands) or nest
        if _needs_scratch(nest):
            return None
        function = print_nest(nest, self.aliased(nest.operands, step.bind), in_task=True)

        def argument(p: Parameter) -> str:
            buffer = step.bind[p.name]
            if p.kind == "data":
                return self._pointer(buffer, {0: "image", 1: "channel", 2: rows[p.name]})
            if p.kind == "stride":
                return self._field("const int64_t ", self.places.stride(buffer, p.axis))
            inside = ("1", "channels", self._rows(buffer, rows[p.name]))
            if p.axis < len(inside):
                return inside[p.axis]
            return self._field("const int64_t ", self.places.dim(buffer, p.axis))

        return function, [argument(p) for p in function.parameters]

    def _of_kernel(
        self, step: KernelStep, rows: dict[str, int]
    ) -> tuple[NestFunction, list[str]] | None:
        """An elementwise kernel: its axes are cut to a block, strides stay those of the whole."""
        kernel = step.kernel
        store = kernel.stages[0].stores[0]
        image, channel, row = store.index[:3]
        aliased = self.aliased(kernel.operands, step.bind)
        shapes = {key: self.program.buffers[b].shape for key, b in step.bind.items()}
        prepared = prepare(_of_one_image(kernel, image), shapes, aliased=aliased)
        sizes = {channel: self._size(CHANNELS), row: self._size(ROWS)}
        extents = {i.payload: prepared.sizes.of(n) for i, n in sizes.items() if i.kind == "index"}
        prepared.outer = [
            replace(a, extent=extents.get(a.key, a.extent)) for a in prepared.outer
        ]
        nest = elementwise(Placer(prepared, flat=True), self.target)
        if _needs_scratch(nest):
            return None
        function = print_nest(nest, aliased, in_task=True)
        count = rows[store.operand]
        within = {CHANNELS: "channels", ROWS: self._rows(step.bind[store.operand], count)}
        given = dict(nest.sizes)
        starts: dict[Expr, str | int] = {image: "image", channel: "channel", row: count}
        places = {
            key: {k: starts[i] for k, i in enumerate(index) if i in starts and i.kind == "index"}
            for key, index in _first_uses(kernel).items()
        }

        def argument(p: Parameter) -> str:
            if p.kind == "data":
                return self._pointer(step.bind[p.name], places[p.name])
            size = given[p.name]
            if size.kind == "size" and size.payload in within:
                return within[size.payload]
            return self._field("const int64_t ", self.places.size(size))

        return function, [argument(p) for p in function.parameters]

    def _size(self, payload: tuple[str, str]) -> Expr:
        return self.program.ctx.size(payload)

    # ---- parts of operands

    def _rows(self, buffer: int, count: int) -> str:
        """How many rows of an operand belong to a block."""
        if count == 1:
            return "rows"
        own = self._field("const int64_t ", self.places.dim(buffer, 2))
        if not count:
            return own
        whole = self._field("const int64_t ", self.places.dim(self.result, 2))
        return f"(row + rows < {whole} ? rows / {count} : {own} - row / {count})"

    def _pointer(self, buffer: int, starts: dict[int, str | int]) -> str:
        """Where the part of an operand begins that belongs to a block."""
        record = self.program.buffers[buffer]
        pointer = self._field(f"{storage_type(record.dtype)} *", self.places.pointer(buffer))
        strides = contiguous_strides(self.program.ctx, record.shape)
        terms = [pointer]
        for axis, start in starts.items():
            if isinstance(start, int):
                if not start:
                    continue
                start = "row" if start == 1 else f"row / {start}"
            stride = self._field("const int64_t ", self.places.size(strides[axis]))
            terms.append(f"{start} * {stride}")
        return " + ".join(terms)


def _text(head: str, lines: Sequence[str]) -> str:
    return f"{head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _needs_scratch(nest: ir.Nest) -> bool:
    """Whether arrays of a nest are in the scratch memory of the thread."""
    return any(
        isinstance(s, ir.Array) and isinstance(s.length, Expr)
        for s, _ in ir.statements(nest.body)
    )


def _of_one_image(kernel: Kernel, image: Expr) -> Kernel:
    """The kernel for the first image alone."""
    if image.kind != "index":
        return kernel
    ctx, (stage,) = kernel.ctx, kernel.stages
    roots = substitute(stage_roots(stage), {image: ctx.integer(0)}, ctx)
    axes = tuple(a for a in kernel.axes if a.key != image.payload)
    return Kernel(ctx, axes, kernel.operands, (rebuild_stage(stage, roots),))


def _first_uses(kernel: Kernel) -> dict[str, tuple[Expr, ...]]:
    """An index with which each operand is used."""
    (stage,) = kernel.stages
    uses = {s.operand: s.index for s in stage.stores}
    for node in walk(stage_roots(stage)):
        if node.kind == "load":
            uses.setdefault(node.payload, node.args)
    return uses
