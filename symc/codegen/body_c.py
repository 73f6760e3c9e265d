"""The body of a program in C: one piece of straight-line text per step."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

from ..dtypes import DTYPES
from ..loop.ir import Nest
from ..loop.kernel import Kernel, Operand
from ..loop.program import (
    BreakStep,
    CheckStep,
    CopyStep,
    ForeignStep,
    KernelStep,
    LoopStep,
    Program,
    RepeatStep,
    ReshapeViewStep,
    RoutineStep,
    ScalarBuffer,
    Step,
    ViewStep,
)
from ..loop.routines import CONVOLUTIONS
from ..scalar.ctext import SHORT_NAME, c_literal
from ..scalar.expr import Expr
from .cexpr import Block, storage_type
from .convolution_c import convolution_call
from .cstyle import NestFunction, Parameter, print_nest
from .epilogue_c import Epilogue
from .expand import expand_nest
from .links import Argument, Links
from .operands_c import contiguous_terms, copy_kernel, packed_lines, variant_condition
from .schedule_c import Variant, schedule
from .target import Target
from .values import Places
from .written import unit_nest

MAX_LINES = 400
"""Lines after which the body goes on in another function."""

NANOSECONDS_PER_PRODUCT = {
    "gemm": 0.004, "batched_gemm": 0.004, "gemv": 0.03, "ger": 0.06, "dot": 0.06,
}
"""Of one thread, for each byte of an element: where operands are used once, memory is the limit."""


class Body:
    """Prints the steps of a program.

    Attributes
    ----------
    functions : dict
        The kernel functions by their text.
    names : dict
        Names of the kernel functions by their text.
    parts : list of list of str
        Lines of the functions that the body is cut into.
    foreign : list of int
        Numbers of the Python steps, in the order in which the body counts them.
    work : dict
        Estimated nanoseconds per unit, by the size that counts the units.
    needs : set of str
        Headers that the body uses, besides those of the kernels.
    uses_blas : bool
        Whether products are called.
    """

    def __init__(self, program: Program, prefix: str, target: Target) -> None:
        self.program = program
        self.prefix = prefix
        self.target = target
        self.places = Places(program)
        self.functions: dict[str, NestFunction] = {}
        self.names: dict[str, str] = {}
        self.parts: list[list[str]] = []
        self.foreign: list[int] = []
        self.work: dict[Expr, float] = {}
        self.needs: set[str] = set()
        self.uses_blas = False
        self.provided: set[int] = set()
        self.done: set[Step] = set()
        self.written = {self.places.root(b) for s in program.all_steps for b in s.writes()}
        self.repeats: list[Expr] = []
        self.counters: list[str] = []
        self.links = Links(self.places, self._line)
        self._made: dict[Hashable, tuple[Sequence[Variant], list[NestFunction]]] = {}

    def run(self) -> None:
        """Print all steps and the final copies of outputs."""
        late = self.places.late_scalars()
        number = 0
        for step in self.program.steps:
            number = self._whole_step(number, step, late)
            if len(self.lines) > MAX_LINES:
                self._cut()
        self.links.flush()
        self._finish()
        self._cut()

    def _whole_step(self, number: int, step: Step, late: dict[int, Expr]) -> int:
        """Print a step with what comes before and after it; returns the next one's number."""
        if step in self.done:
            return number + 1
        if isinstance(step, KernelStep) and self._linked(step, late):
            return number + 1
        self.links.flush()
        for buffer in step.writes():
            self._provide(number, buffer)
        if isinstance(step, RepeatStep):
            following = self._repeat(number, step, late)
        else:
            self._step(number, step)
            following = number + 1
        for buffer in step.writes():
            if buffer in late:
                self._note(late[buffer], buffer)
        return following

    def _repeat(self, number: int, step: RepeatStep, late: dict[int, Expr]) -> int:
        """Print a loop; returns the number of the step after it."""
        places = self.places
        number += 1
        for inner in step.before:
            number = self._whole_step(number, inner, late)
        self.links.flush()
        count = places.size(step.count)
        name = f"t{step.counter.payload[1]}"
        outside = places.block
        outside.lines.append(f"int64_t {name} = 0;")
        places.block = Block(parent=outside)
        self.repeats.append(step.count)
        self.counters.append(name)
        for inner in step.body:
            number = self._whole_step(number, inner, late)
        self.links.flush()
        self.repeats.pop()
        self.counters.pop()
        lines = places.block.lines
        places.block = outside
        if any("c->api->alloc(" in line for line in lines):
            self._line(f"const int32_t m{name} = c->api->blocks(c);")
            lines.insert(0, f"c->api->release(c, m{name});")
        self._line(f"for (; {name} < {count}; {name}++) {{")
        self.lines.extend(f"  {line}" for line in lines)
        self._line("}")
        if step.done is not None:
            self._line(f"*{places.pointer(step.done)} = {name};")
            if step.done in late:
                self._note(late[step.done], step.done)
        for inner in step.after:
            number = self._whole_step(number, inner, late)
        return number

    @property
    def lines(self) -> list[str]:
        """Lines of the function being printed."""
        return self.places.block.lines

    def _line(self, text: str) -> None:
        self.lines.append(text)

    def _cut(self) -> None:
        self.links.flush()
        if self.lines:
            self.parts.append(self.lines)
        self.places.forget()

    def _note(self, leaf: Expr, buffer: int) -> None:
        """Keep the value of a 0-d buffer that sizes depend on."""
        place = self.places.late.setdefault(leaf, len(self.places.late))
        self._line(f"fr->late[{place}] = (int64_t)*{self.places.pointer(buffer)};")

    # ---- storage

    def _provide(self, number: int, buffer: int) -> None:
        """Find memory for a buffer whose size was not known before."""
        places = self.places
        record = self.program.buffers[buffer]
        if buffer in self.provided or record.alias_of is not None or not places.is_late(record):
            return
        self.provided.add(buffer)
        value = places.value_text(buffer)
        if record.kind in ("dynamic", "object") and not self._computed(buffer):
            return
        for axis in range(len(record.shape)):
            self._line(f"{value}.n[{axis}] = {places.dim(buffer, axis)};")
        if buffer in places.outputs:
            place = places.outputs[buffer]
            self._line(f"if (c->api->output(c, {place}) != SY_OK) return SY_ERROR;")
            return
        itemsize = DTYPES[record.dtype].itemsize
        self._line(f"{value}.data = c->api->alloc(c, ({places.count(buffer)}) * {itemsize});")
        self._line(f"if (!{value}.data) return c->api->fail(c, SY_E_MEMORY, {number}, 0, 0);")
        for axis in range(len(record.shape)):
            stride = places.contiguous_stride(record, axis)
            self._line(f"{value}.s[{axis}] = {places.size(stride)};")

    def _computed(self, buffer: int) -> bool:
        """Whether a dynamic buffer is written by something else than a Python step."""
        return not any(
            isinstance(s, ForeignStep) and buffer in s.outputs for s in self.program.all_steps
        )

    # ---- steps

    def _step(self, number: int, step: Step) -> None:
        if isinstance(step, KernelStep):
            self._kernel(number, step.kernel, step.bind)
        elif isinstance(step, LoopStep):
            self._written(number, expand_nest(step.nest), step.bind)
        elif isinstance(step, CopyStep):
            self._copy(number, step.source, self.places.pointer(step.target), step.target)
        elif isinstance(step, RoutineStep):
            self._routine(step)
        elif isinstance(step, ForeignStep):
            self._foreign(number, step)
        elif isinstance(step, CheckStep):
            self._check(number, step)
        elif isinstance(step, BreakStep):
            condition = self.places.pointer(step.condition)
            self._line(f"if (*{condition}) {{ {self.counters[-1]}++; break; }}")
        elif not isinstance(step, (ViewStep, ReshapeViewStep)):
            raise TypeError(f"not a step: {step!r}")

    def _written(self, number: int, nest: Nest, bind: dict[str, int]) -> None:
        """Call a nest written by an op: one for unit strides where they are, else the general."""
        aliased = self._aliased(nest.operands, bind)
        unit = unit_nest(nest, nest.operands)
        calls = []
        if unit is not None:
            keys = tuple(o.key for o in nest.operands if o.ndim)
            condition = variant_condition(self.places, Variant(unit, unit=keys), bind)
            call = self._call(number, print_nest(unit, aliased), bind, dict(unit.sizes), {})
            calls.append((condition, [call]))
        if unit is None or calls[0][0]:
            call = self._call(number, print_nest(nest, aliased), bind, dict(nest.sizes), {})
            calls.append(("", [call]))
        self._choose(calls)

    def _aliased(self, operands: Sequence[Operand], bind: dict[str, int]) -> frozenset[str]:
        """Operands that share memory with another one, if any of the two is written."""
        owners: dict[object, list[Operand]] = {}
        for operand in operands:
            owners.setdefault(self.places.storage(bind[operand.key]), []).append(operand)
        return frozenset(
            o.key
            for group in owners.values()
            if len(group) > 1 and any("w" in o.access for o in group)
            for o in group
        )

    def variants(
        self, kernel: Kernel, bind: dict[str, int]
    ) -> tuple[Sequence[Variant], list[NestFunction]]:
        """The variants of a kernel for its operands' buffers, and their functions."""
        buffers = self.program.buffers
        shapes = {o.key: buffers[bind[o.key]].shape for o in kernel.operands}
        known = frozenset(o.key for o in kernel.operands if buffers[bind[o.key]].contiguous)
        aliased = self._aliased(kernel.operands, bind)
        passing = frozenset(o.key for o in kernel.operands if buffers[bind[o.key]].kind == "temp")
        return self._scheduled(kernel, shapes, known, aliased, passing)

    def _kernel(self, number: int, kernel: Kernel, bind: dict[str, int]) -> None:
        variants, functions = self.variants(kernel, bind)
        self._estimate(kernel)
        packed: dict[str, str] = {}
        if variants[0].pack:
            packed = self._packed_for_good(number, variants[0], bind)
        calls = []
        for variant, function in zip(variants, functions, strict=True):
            before: list[str] = []
            own = packed
            if variant.pack and not packed:
                own, before = self._packed(number, variant, bind)
            call = self._call(number, function, bind, dict(variant.nest.sizes), own)
            calls.append((variant_condition(self.places, variant, bind), [*before, call]))
        self._choose(calls)

    def _linked(self, step: KernelStep, late: dict[int, Expr]) -> bool:
        """Whether a step is one call without anything around it, which is printed with others."""
        buffers, bind = self.program.buffers, step.bind
        if any(b in late or self.places.is_late(buffers[b]) for b in step.writes()):
            return False
        (variant, *others), (function, *_) = self.variants(step.kernel, bind)
        if others or function.fallible or variant_condition(self.places, variant, bind):
            return False
        packed: dict[str, str] = {}
        for key in variant.contiguous if variant.pack else ():
            known = self.places.block.find(("packed", bind[key]))
            if known is not None:
                packed[key] = known
            elif contiguous_terms(self.places, bind[key]):
                return False
        self._estimate(step.kernel)
        arguments: list[Argument] = ["c"]
        for parameter in function.parameters:
            plain = parameter.kind == "data" and parameter.name not in packed
            if plain and self.places.slot(bind[parameter.name]) is not None:
                arguments.append(bind[parameter.name])
            else:
                sizes = dict(variant.nest.sizes)
                arguments.append(self._argument(parameter, bind, sizes, packed))
        self.links.add(self._name(function), arguments)
        return True

    def _scheduled(
        self,
        kernel: Kernel,
        shapes: dict[str, tuple[Expr, ...]],
        known: frozenset[str],
        aliased: frozenset[str],
        passing: frozenset[str],
    ) -> tuple[Sequence[Variant], list[NestFunction]]:
        """The variants of a kernel and their functions; made once for the links of a chain."""
        key = (
            *(kernel.axes, kernel.operands, kernel.stages, kernel.index_checks),
            *(tuple(shapes.values()), known, aliased, passing),
        )
        found = self._made.get(key)
        if found is None:
            variants = schedule(kernel, shapes, known, aliased, self.target, passing)
            found = variants, [print_nest(variant.nest, aliased) for variant in variants]
            self._made[key] = found
        return found

    def _choose(self, calls: list[tuple[str, list[str]]]) -> None:
        """Print calls with their conditions, up to the first that has none."""
        head = ""
        for condition, lines in calls:
            if not condition and not head:
                self.lines.extend(lines)
                return
            self._line(f"{head}if ({condition}) {{" if condition else f"{head}{{")
            self.lines.extend(f"  {line}" for line in lines)
            head = "} else "
            if not condition:
                break
        self._line("}")

    def _packed_for_good(
        self, number: int, variant: Variant, bind: dict[str, int]
    ) -> dict[str, str]:
        """Print contiguous copies of operands; what no step writes is copied once in a block."""
        names, lines = self._packed(number, variant, bind)
        self.lines.extend(lines)
        for key, name in names.items():
            if self.places.root(bind[key]) not in self.written:
                self.places.block.names["packed", bind[key]] = name
        return names

    def _packed(
        self, number: int, variant: Variant, bind: dict[str, int]
    ) -> tuple[dict[str, str], list[str]]:
        """Pointers to contiguous copies of operands, and the lines that make the copies."""
        names: dict[str, str] = {}
        lines: list[str] = []
        copies: dict[int, str] = {}
        for key in variant.contiguous:
            buffer = bind[key]
            known = copies.get(buffer) or self.places.block.find(("packed", buffer))
            if known is not None:
                names[key] = known
                continue
            condition = " && ".join(contiguous_terms(self.places, buffer))
            if condition:
                names[key] = copies[buffer] = f"q{number}_{buffer}"
                self.needs.add("sy_arrays.h")
                lines += packed_lines(self.places, number, buffer, names[key], condition)
        return names, lines

    def _estimate(self, kernel: Kernel) -> None:
        """Add the work of a kernel to the program's."""
        from_stages = 0.0
        for stage in kernel.stages:
            from_stages += 0.5 * (1 + len(stage.reductions) + len(stage.stores))
        self._add_work([axis.extent for axis in kernel.axes], from_stages)

    def _add_work(self, lengths: Sequence[Expr], nanoseconds: float) -> None:
        """Add `nanoseconds` for each point of a domain, as often as the loops around repeat it."""
        points: Expr = self.program.ctx.integer(1)
        for length in (*self.repeats, *lengths):
            points = points * length
        if self.places.is_early(points):
            self.work[points] = self.work.get(points, 0.0) + nanoseconds

    # ---- calls of nests

    def _call(
        self,
        number: int,
        function: NestFunction,
        bind: dict[str, int],
        sizes: dict[str, Expr],
        packed: dict[str, str],
    ) -> str:
        name = self._name(function)
        arguments = ["c"] + ([str(number)] if function.fallible else [])
        arguments += [self._argument(p, bind, sizes, packed) for p in function.parameters]
        call = f"{name}({', '.join(arguments)})"
        if function.fallible:
            return f"if ({call} != SY_OK) return SY_ERROR;"
        return f"{call};"

    def _name(self, function: NestFunction) -> str:
        self.functions.setdefault(function.text, function)
        return self.names.setdefault(function.text, f"{self.prefix}_k{len(self.names)}")

    def _argument(
        self,
        parameter: Parameter,
        bind: dict[str, int],
        sizes: dict[str, Expr],
        packed: dict[str, str],
    ) -> str:
        if parameter.kind == "size":
            return self.places.size(sizes[parameter.name])
        buffer = bind[parameter.name]
        if parameter.kind == "data":
            return packed.get(parameter.name) or self.places.pointer(buffer)
        if parameter.kind == "stride" and parameter.name in packed:
            record = self.program.buffers[buffer]
            return self.places.size(self.places.contiguous_stride(record, parameter.axis))
        if parameter.kind == "stride":
            return self.places.stride(buffer, parameter.axis)
        return self.places.dim(buffer, parameter.axis)

    def _copy(self, number: int, source: int, target: str, shape_of: int) -> None:
        """Copy a buffer, element by element, to contiguous memory."""
        record = self.program.buffers[source]
        kernel = copy_kernel(self.program, record.dtype, record.shape)
        shapes = {"from": record.shape, "to": record.shape}
        known = frozenset({"to"} | ({"from"} if record.contiguous else set()))
        bind = {"from": source, "to": source}
        calls = []
        for variant in schedule(kernel, shapes, known, target=self.target):
            function = print_nest(variant.nest)
            call = self._call(number, function, bind, dict(variant.nest.sizes), {"to": target})
            keys = tuple(k for k in variant.unit if k == "from")
            reduced = Variant(variant.nest, variant.contiguous, keys, variant.when)
            calls.append((variant_condition(self.places, reduced, bind), [call]))
        self._choose(calls)

    # ---- routines

    def _routine(self, step: RoutineStep) -> None:
        if step.name in CONVOLUTIONS:
            self._convolution(step)
            return
        self.uses_blas = True
        dtype = self.program.buffers[step.output].dtype
        alpha = self._scalar(step.params.get("alpha", 1), dtype)
        beta = self._scalar(step.params.get("beta", 1), dtype)
        tail = f"{alpha}, {beta}, {int(step.accumulate)}"
        table = f"c->api->products[SY_{SHORT_NAME[dtype].upper()}]"
        ids = (*step.inputs, step.output)
        summed = () if step.name == "ger" else self.program.buffers[step.inputs[0]].shape[-1:]
        lengths = (*self.program.buffers[step.output].shape, *summed)
        self._add_work(lengths, NANOSECONDS_PER_PRODUCT[step.name] * DTYPES[dtype].itemsize)
        if step.name == "batched_gemm":
            operands = ", ".join(
                self._matrix(b, 1, f" + i * {self.places.stride(b, 0)}") for b in ids
            )
            self._line(f"for (int64_t i = 0; i < {self.places.dim(step.output, 0)}; i++)")
            call = f"{table}.gemm(c, {operands}, {tail})"
            self._line(f"  if ({call} != SY_OK) return SY_ERROR;")
            return
        if step.name == "dot":
            x, y = (self._vector(b) for b in step.inputs)
            length = self.places.dim(step.inputs[0], 0)
            operands = f"{x}, {y}, {length}, {self.places.pointer(step.output)}"
        else:
            operands = ", ".join(
                self._matrix(b) if len(self.program.buffers[b].shape) == 2 else self._vector(b)
                for b in ids
            )
        self._line(f"if ({table}.{step.name}(c, {operands}, {tail}) != SY_OK) return SY_ERROR;")

    def _convolution(self, step: RoutineStep) -> None:
        buffers = [self.program.buffers[b] for b in (*step.inputs, step.output)]
        dtype = buffers[2].dtype
        second = buffers[1].shape
        summed = second[1:] if step.name == "convolve" else (second[0], *second[2:])
        work = NANOSECONDS_PER_PRODUCT["gemm"] * DTYPES[dtype].itemsize
        self._add_work((*buffers[2].shape, *summed), work)
        values = [self._value(b) for b in (*step.inputs, step.output)]
        if not self._with_epilogue(step, values):
            call = convolution_call(step.name, dtype, step.params["geometry"], values)
            self._line(f"if ({call} != SY_OK) return SY_ERROR;")

    def _with_epilogue(self, step: RoutineStep, values: list[str]) -> bool:
        """Call a convolution together with the steps that run on blocks of its result."""
        steps = [part.step for part in step.epilogue]
        printer = Epilogue(self.program, self.places, self.target, self._aliased)
        found = printer.function(step) if steps else None
        if found is None:
            return False
        function, arguments = found
        name = self._name(function)
        self._line(f"if ({name}({', '.join(['c', *values, *arguments])}) != SY_OK) {{")
        self._line("  return SY_ERROR;")
        self._line("}")
        for kernel in (s.kernel for s in steps if isinstance(s, KernelStep)):
            self._estimate(kernel)
        self.done.update(steps)
        return True

    def _scalar(self, value: Any, dtype: str) -> str:
        """Address of a factor."""
        if isinstance(value, ScalarBuffer):
            return self.places.pointer(value.id)
        return f"&({storage_type(dtype)}){{{c_literal(value, dtype)}}}"

    def _vector(self, buffer: int) -> str:
        return f"{self.places.pointer(buffer)}, {self.places.stride(buffer, 0)}"

    def _matrix(self, buffer: int, first: int = 0, offset: str = "") -> str:
        rank = (first, first + 1)
        n = ", ".join(self.places.dim(buffer, k) for k in rank)
        s = ", ".join(self.places.stride(buffer, k) for k in rank)
        return f"(sy_matrix){{(char *)({self.places.pointer(buffer)}{offset}), {n}, {s}}}"

    # ---- Python steps and checks

    def _foreign(self, number: int, step: ForeignStep) -> None:
        self.foreign.append(number)
        texts = [self._value(b) for b in (*step.inputs, *step.outputs)]
        counts = f"{len(step.inputs)}, {len(step.outputs)}"
        place = len(self.foreign) - 1
        self._line("{")
        self._line(f"  sy_value *const args[] = {{{', '.join(texts) or '0'}}};")
        call = f"c->api->foreign(c, {place}, args, {counts})"
        self._line(f"  if ({call} != SY_OK) return SY_ERROR;")
        self._line("}")

    def _value(self, buffer: int) -> str:
        """Address of the ``sy_value`` of a buffer; made here for temporaries and views."""
        record = self.program.buffers[buffer]
        if record.alias_of is None:
            value = self.places.value_text(buffer)
            if value is not None:
                return f"&{value}"
        rank = range(len(record.shape))
        n = ", ".join(self.places.dim(buffer, k) for k in rank) or "0"
        s = ", ".join(self.places.stride(buffer, k) for k in rank) or "0"
        lengths, strides = f"(int64_t[]){{{n}}}", f"(int64_t[]){{{s}}}"
        return f"&(sy_value){{(char *){self.places.pointer(buffer)}, {lengths}, {strides}, 0}}"

    def _check(self, number: int, step: CheckStep) -> None:
        condition = self.places.condition(step.condition)
        shown = [f"(int64_t)({self.places.size(e)})" for e in step.shown]
        self._line(f"if (!({condition})) {{")
        self._line(f"  const int64_t v[] = {{{', '.join(shown) or '0'}}};")
        self._line(f"  return c->api->fail(c, SY_E_VALUE, {number}, v, {len(shown)});")
        self._line("}")

    # ---- the end

    def _finish(self) -> None:
        """Outputs that are not stored in their place yet."""
        fresh = [b for _, b in self.places.fresh_updates()]
        for place, buffer in enumerate([*self.program.outputs, *fresh]):
            root = self.program.buffers[self.places.root(buffer)]
            if self.places.outputs.get(root.id) == place:
                continue
            if root.kind == "object" or root.dtype == "object":
                source = self.places.value_text(root.id)
                self._line(f"c->out[{place}].object = {source}.object;")
            elif root.kind == "input" and buffer != root.id:
                self._hand_over(place, buffer)
            else:
                self._copy_out(place, buffer)

    def _hand_over(self, place: int, buffer: int) -> None:
        """An output that has taken over the storage of an input."""
        self._line(f"c->out[{place}].data = (char *){self.places.pointer(buffer)};")
        for axis in range(len(self.program.buffers[buffer].shape)):
            self._line(f"c->out[{place}].n[{axis}] = {self.places.dim(buffer, axis)};")
            self._line(f"c->out[{place}].s[{axis}] = {self.places.stride(buffer, axis)};")

    def _copy_out(self, place: int, buffer: int) -> None:
        record = self.program.buffers[buffer]
        if not self.places.has_early_shape(record):
            for axis in range(len(record.shape)):
                self._line(f"c->out[{place}].n[{axis}] = {self.places.dim(buffer, axis)};")
            self._line(f"if (c->api->output(c, {place}) != SY_OK) return SY_ERROR;")
        ctype = storage_type(record.dtype)
        self._copy(len(self.program.all_steps), buffer, f"({ctype} *)c->out[{place}].data", buffer)
