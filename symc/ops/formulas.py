"""How ops are written in formulas (`symc.pp`): signs, functions, indices, axes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ..graph.formula import FunctionPrinter, OperatorPrinter, Printer, PrinterState, pprint
from ..graph.node import Constant, Variable
from . import math
from .dimshuffle import DimShuffle
from .dot import dot_op
from .elemwise import Elemwise
from .slice import Subtensor
from .write import IncSubtensor

__all__ = [
    "DimShufflePrinter",
    "ElemwisePrinter",
    "IncSubtensorPrinter",
    "SubtensorPrinter",
]

# How strongly signs bind, as in Python.
_SIGNS = [
    (math.lt, "<", -10, "none"),
    (math.le, "<=", -10, "none"),
    (math.gt, ">", -10, "none"),
    (math.ge, ">=", -10, "none"),
    (math.or_, "|", -8, "left"),
    (math.xor, "^", -7, "left"),
    (math.and_, "&", -6, "left"),
    (math.add, "+", -2, "left"),
    (math.sub, "-", -2, "left"),
    (math.mul, "*", -1, "left"),
    (math.true_div, "/", -1, "left"),
    (math.int_div, "//", -1, "left"),
    (math.mod, "%", -1, "left"),
    (dot_op, "\\dot", -1, "left"),
    (math.neg, "-", 0, "left"),
    (math.invert, "~", 0, "left"),
    (math.pow, "**", 1, "right"),
]


class ElemwisePrinter(Printer):
    """Writes ``exp(x)``, and ``Cast{float32}(x)`` for conversions."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the scalar op's name and the operands."""
        node: Any = output.owner
        name = str(node.op.scalar_op)
        if name.startswith("convert_to_"):
            name = f"Cast{{{name.removeprefix('convert_to_')}}}"
        yield from FunctionPrinter(*[name] * len(node.outputs)).parts(output, pstate)


class DimShufflePrinter(Printer):
    """Writes a transposition as ``x.T``; new axes in front are left out, as in NumPy."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the operand, and what is done to it where that matters."""
        node: Any = output.owner
        order = list(node.op.new_order)
        (x,) = node.inputs
        while order and order[0] == "x":
            del order[0]
        if order == list(range(x.type.ndim)):
            yield x, pstate
        elif order == list(reversed(range(x.type.ndim))):
            yield x, pstate.clone(precedence=1000.0)
            yield ".T"
        else:
            yield f"DimShuffle{{{', '.join(map(str, order))}}}("
            yield x, pstate.clone(precedence=-1000.0)
            yield ")"


class SubtensorPrinter(Printer):
    """Writes ``x[1:, 0]``."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the operand and the index."""
        node: Any = output.owner
        index = node.op.index.filled(list(node.inputs)[1:])
        yield from _indexed(node.inputs[0], index, pstate)


class IncSubtensorPrinter(Printer):
    """Writes ``set_subtensor(x[0], y)`` and ``inc_subtensor(x[0], y)``."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the part that is written and what is written there."""
        node: Any = output.owner
        op = node.op
        x, y, *integers = node.inputs
        yield "set_subtensor(" if op.set_instead_of_inc else "inc_subtensor("
        yield from _indexed(x, op.index.filled(integers), pstate)
        yield ", "
        yield y, pstate.clone(precedence=-1000.0)
        yield ")"


def _indexed(x: Variable, index: list[Any], pstate: PrinterState) -> Iterator[Any]:
    inside = pstate.clone(precedence=-1000.0)
    yield x, pstate.clone(precedence=1000.0)
    yield "["
    for k, entry in enumerate(index):
        if k:
            yield ", "
        if not isinstance(entry, slice):
            yield from _integer(entry, inside)
            continue
        yield from _integer(entry.start, inside)
        yield ":"
        yield from _integer(entry.stop, inside)
        if entry.step is not None:
            yield ":"
            yield from _integer(entry.step, inside)
    yield "]"


def _integer(entry: Variable | None, pstate: PrinterState) -> Iterator[Any]:
    if isinstance(entry, Constant):
        yield str(entry.data)
    elif entry is not None:
        yield entry, pstate


for _op, _sign, _precedence, _assoc in _SIGNS:
    pprint.assign(_op, OperatorPrinter(_sign, _precedence, _assoc))
pprint.assign(math.fill, FunctionPrinter("fill"))
pprint.assign(Elemwise, ElemwisePrinter())
pprint.assign(DimShuffle, DimShufflePrinter())
pprint.assign(Subtensor, SubtensorPrinter())
pprint.assign(IncSubtensor, IncSubtensorPrinter())
