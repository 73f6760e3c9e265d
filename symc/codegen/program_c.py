"""Programs as C text: the two functions of ``symc_abi.h`` and the kernels that they call."""

from __future__ import annotations

import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path

from ..loop.program import Program
from ..scalar import expr as scalar_expr
from ..scalar.ctext import HEADERS
from ..scalar.expr import Expr
from .body_c import Body
from .cexpr import Block, ExprPrinter, storage_type
from .target import DEFAULT, Target
from .units import SourceUnit, split_units
from .values import Places

__all__ = ["ProgramSource", "SourceUnit", "program_source"]


@dataclass(frozen=True)
class ProgramSource:
    """A program as C, and what its caller must know.

    Attributes
    ----------
    units : tuple of SourceUnit
    sizes : int
        Number of early sizes.
    outputs : tuple of (str, int)
        How each output comes: ``"fresh"``, ``"dynamic"``, ``"object"``, or ``"input"`` with the
        number of the input whose storage it is (else -1).
    updates : tuple of (int, str)
        Shared position and ``"inplace"``, ``"fresh"``, ``"dynamic"`` or ``"object"``.
    foreign : tuple of int
        The program's steps that run Python code, in the order in which the body numbers them.
    uses_blas : bool
    headers : dict
        Texts of the headers that the units include, besides ``symc_abi.h``.
    """

    units: tuple[SourceUnit, ...]
    sizes: int
    outputs: tuple[tuple[str, int], ...]
    updates: tuple[tuple[int, str], ...]
    foreign: tuple[int, ...]
    uses_blas: bool
    headers: dict[str, str] = field(repr=False, default_factory=dict)


def program_source(
    program: Program, *, name: str = "symc", target: Target = DEFAULT, versioned: bool = True
) -> ProgramSource:
    """Print a program.

    Parameters
    ----------
    program : Program
        Planned: every temporary has a slot.
    name : str
        Prefix of the exported functions, ``<name>_prologue`` and ``<name>_body``.
    target : Target
        The machine to schedule for.
    versioned : bool
        Whether to export the version of the ABI; one unit of a library does.
    """
    body = Body(program, name, target)
    body.run()
    prologue = _prologue(program, body)
    body.needs |= body.places.printer.needs | prologue.printer.needs
    main = [
        "const int symc_abi_version = SY_ABI_VERSION;\n\n" if versioned else "",
        _function(f"int {name}_prologue(sy_call *c)", [*prologue.lines, "return SY_OK;"]),
        "\n",
        _body_text(body, name),
    ]
    kernels = body.functions.values()
    needs = body.needs.union(*(k.needs for k in kernels))
    needs |= {n for k in kernels for f in k.outlined for n in f.needs}
    return ProgramSource(
        units=split_units(name, body, "".join(main)),
        sizes=len(body.places.early),
        outputs=tuple(_outcome(body.places, b) for b in program.outputs),
        updates=_updates(program, body.places),
        foreign=tuple(body.foreign),
        uses_blas=body.uses_blas,
        headers={**headers(), **{n: HEADERS[n] for n in sorted(needs) if n in HEADERS}},
    )


@functools.lru_cache(maxsize=1)
def headers() -> dict[str, str]:
    """Texts of the headers that programs include, by name."""
    folders = [Path(scalar_expr.__file__).parent / "include", Path(__file__).parent / "include"]
    return {
        path.name: path.read_text(encoding="utf-8")
        for folder in folders
        for path in sorted(folder.glob("*.h"))
    }


# ---------------------------------------------------------------------------------------------
# How results come
# ---------------------------------------------------------------------------------------------


def _outcome(places: Places, buffer: int) -> tuple[str, int]:
    root = places.buffers[places.root(buffer)]
    if root.dtype == "object" or root.kind == "object":
        return "object", -1
    if root.kind == "input" and buffer != root.id:
        return "input", root.position
    if root.kind == "dynamic" or not places.has_early_shape(places.buffers[buffer]):
        return "dynamic", -1
    return "fresh", -1


def _updates(program: Program, places: Places) -> tuple[tuple[int, str], ...]:
    result = []
    for position, buffer in program.updates:
        if places.root(buffer) == program.shared[position]:
            result.append((position, "inplace"))
        else:
            result.append((position, _outcome(places, buffer)[0]))
    return tuple(result)


# ---------------------------------------------------------------------------------------------
# The two functions
# ---------------------------------------------------------------------------------------------


def _function(head: str, lines: Sequence[str]) -> str:
    return f"{head} {{\n" + "".join(f"  {line}\n" for line in lines) + "}\n"


def _body_text(body: Body, name: str) -> str:
    frame, opening = _frame(body.places, name)
    text = frame
    if len(body.parts) <= 1:
        lines = [*opening, *(body.parts[0] if body.parts else []), "return SY_OK;"]
        return text + "\n" + _function(f"int {name}_body(sy_call *c)", lines)
    calls = []
    for number, part in enumerate(body.parts):
        head = f"static int {name}_part{number}(sy_call *c, {name}_frame *fr)"
        text += "\n" + _function(head, ["(void)fr;", *part, "return SY_OK;"])
        calls.append(f"if ({name}_part{number}(c, fr) != SY_OK) return SY_ERROR;")
    lines = [*opening, *calls, "return SY_OK;"]
    return text + "\n" + _function(f"int {name}_body(sy_call *c)", lines)


def _frame(places: Places, name: str) -> tuple[str, list[str]]:
    """The record of values found while the body runs, and its first lines."""
    ranks = [len(places.buffers[b].shape) for b in places.dynamic]
    values, lengths, late = max(1, len(ranks)), max(1, sum(ranks)), max(1, len(places.late))
    text = (
        f"typedef struct {{ sy_value d[{values}]; int64_t n[{lengths}], s[{lengths}], "
        f"late[{late}]; }} {name}_frame;\n"
    )
    if not places.dynamic and not places.late:
        return text, [f"{name}_frame *const fr = 0;", "(void)fr;"]
    lines = [f"{name}_frame frame = {{0}}, *const fr = &frame;"]
    at = 0
    for place, rank in enumerate(ranks):
        lines.append(f"fr->d[{place}].n = fr->n + {at};")
        lines.append(f"fr->d[{place}].s = fr->s + {at};")
        at += rank
    return text, lines


class _Prologue:
    """Evaluates early sizes."""

    def __init__(self, program: Program, places: Places) -> None:
        self.program = program
        self.places = places
        self.block = Block()
        self.printer = ExprPrinter(self._leaf, _no_load, lambda node: True)

    def _leaf(self, node: Expr) -> str:
        kind, buffer, *axis = node.payload
        key = ("leaf", node)
        found = self.block.find(key)
        if found is None:
            record = self.program.buffers[buffer]
            place = self.places.input_place(record)
            if kind == "dim":
                found, text = f"n{place}_{axis[0]}", f"c->in[{place}].n[{axis[0]}]"
            else:
                ctype = storage_type(record.dtype)
                found, text = f"x{place}", f"(int64_t)*(const {ctype} *)c->in[{place}].data"
            self.block.lines.append(f"const int64_t {found} = {text};")
            self.block.names[key] = found
        return found

    def value(self, expr: Expr) -> str:
        """Text of an early size."""
        if expr.kind == "const" and expr.dtype == "int64":
            return str(int(expr.value))
        return self.printer.values(self.block, [expr])[0]

    @property
    def lines(self) -> list[str]:
        """Lines of the function."""
        return self.block.lines

    def line(self, text: str) -> None:
        """Add a line."""
        self.block.lines.append(text)


def _prologue(program: Program, body: Body) -> _Prologue:
    places = body.places
    prologue = _Prologue(program, places)
    for guard in program.guards:
        prologue.line(f"if (!({prologue.value(guard.condition)})) return SY_GUARD;")
    for number, check in enumerate(program.checks):
        condition = prologue.value(check.condition)
        shown = [f"(int64_t)({prologue.value(e)})" for e in check.shown]
        prologue.line(f"if (!({condition})) {{")
        prologue.line(f"  const int64_t v[] = {{{', '.join(shown) or '0'}}};")
        prologue.line(f"  return c->api->fail(c, SY_E_CHECK, {number}, v, {len(shown)});")
        prologue.line("}")
    for place, buffer in enumerate(_results(program, places)):
        if _outcome(places, buffer)[0] == "fresh":
            for axis, length in enumerate(places.buffers[buffer].shape):
                prologue.line(f"c->out[{place}].n[{axis}] = {prologue.value(length)};")
    for run, size in _runs(s.bytes for s in program.slots):
        text = prologue.value(size) if places.is_early(size) else "0"
        if len(run) < 3:
            for place in run:
                prologue.line(f"c->slot_bytes[{place}] = {text};")
        else:
            bounds = f"int k = {run.start}; k < {run.stop}; k++"
            prologue.line(f"for ({bounds}) c->slot_bytes[k] = {text};")
    work = ["0.0"]
    for points, nanoseconds in body.work.items():
        work.append(f"{nanoseconds} * (double){prologue.value(points)}")
    prologue.line(f"c->work = {' + '.join(work)};")
    for expr, place in places.early.items():
        prologue.line(f"c->size[{place}] = {prologue.value(expr)};")
    return prologue


def _runs(items: Iterable[Expr]) -> Iterator[tuple[range, Expr]]:
    """Equal items in a row: their places, and one of them."""
    start = 0
    for item, group in groupby(items):
        count = sum(1 for _ in group)
        yield range(start, start + count), item
        start += count


def _results(program: Program, places: Places) -> list[int]:
    return [*program.outputs, *(b for _, b in places.fresh_updates())]


def _no_load(node: Expr, index: list[str]) -> str:
    raise ValueError(f"{node!r} in a size expression")
