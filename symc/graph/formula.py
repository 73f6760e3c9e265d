"""Graphs as one-line formulas: `pp` and the table of printers, `pprint`.

A printer does not call itself for its operands but yields them, so formulas of any depth can be
written. Ops register how they are written with ``pprint.assign`` where they are defined.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from symc.graph.node import Apply, Variable
from symc.graph.op import Op

__all__ = [
    "DefaultPrinter",
    "FunctionPrinter",
    "IgnorePrinter",
    "LeafPrinter",
    "OperatorPrinter",
    "PPrinter",
    "PatternPrinter",
    "Printer",
    "PrinterState",
    "pp",
    "pprint",
]


class PrinterState:
    """Where in a formula the printer is.

    Attributes
    ----------
    pprinter : PPrinter
        Who prints the operands.
    precedence : float
        How strongly the surrounding operator binds.
    brackets : {'all', 'needed'}
        Whether every operator gets brackets, as in Theano, or only where precedence asks for it.
    """

    def __init__(
        self, pprinter: PPrinter, precedence: float = -1000.0, brackets: str = "all", **props: Any
    ) -> None:
        self.pprinter = pprinter
        self.precedence = precedence
        self.brackets = brackets
        self.__dict__.update(props)

    def clone(self, **props: Any) -> PrinterState:
        """Return a copy with some attributes changed."""
        new = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        new.__dict__.update(props)
        return new


class Printer:
    """How the result of an op is written.

    A subclass defines `parts`. A printer in Theano's manner, with a method
    ``process(output, pstate)`` that returns a string, works too, for shallow graphs.
    """

    def parts(self, output: Variable, pstate: PrinterState) -> Iterable[Any]:
        """Yield strings, and ``(variable, pstate)`` where a variable's text belongs."""
        raise NotImplementedError(f"{type(self).__name__} does not define parts")

    def process(self, output: Variable, pstate: PrinterState | None = None) -> str:
        """Return the text of `output`, written by this printer."""
        state = PrinterState(pprint) if pstate is None else pstate
        return state.pprinter.joined(self.parts(output, state))


def _listed(variables: Sequence[Variable], pstate: PrinterState) -> Iterator[Any]:
    """Yield the variables as they stand between the brackets of a call."""
    inside = pstate.clone(precedence=-1000.0)
    for i, variable in enumerate(variables):
        if i:
            yield ", "
        yield variable, inside


def _owner(output: Variable, printer: Printer) -> Apply:
    if output.owner is None:
        raise TypeError(
            f"{type(printer).__name__} writes results of ops, but {output} has no owner"
        )
    return output.owner


class OperatorPrinter(Printer):
    """Writes ``a + b`` or ``-a``.

    Parameters
    ----------
    operator : str
        The sign.
    precedence : float
        How strongly it binds.
    assoc : {'left', 'right', 'none'}
        Whether ``a - b - c`` means ``(a - b) - c`` or ``a - (b - c)``.
    """

    def __init__(self, operator: str, precedence: float, assoc: str = "left") -> None:
        if assoc not in ("left", "right", "none"):
            raise ValueError(f"assoc must be 'left', 'right' or 'none', got {assoc!r}")
        self.operator = operator
        self.precedence = precedence
        self.assoc = assoc

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the operands with the sign between them, in brackets where they are wanted."""
        operands = _owner(output, self).inputs
        brackets = pstate.brackets == "all" or pstate.precedence > self.precedence
        if brackets:
            yield "("
        if len(operands) == 1:
            yield self.operator
        neutral = {"left": 0, "right": len(operands) - 1, "none": -1}[self.assoc]
        for i, operand in enumerate(operands):
            if i:
                yield f" {self.operator} "
            stronger = 0.0 if i == neutral or len(operands) == 1 else 1e-6
            yield operand, pstate.clone(precedence=self.precedence + stronger)
        if brackets:
            yield ")"


class FunctionPrinter(Printer):
    """Writes ``name(a, b)``.

    Parameters
    ----------
    *names : str
        The name for each output.
    """

    def __init__(self, *names: str) -> None:
        self.names = names

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield name and operands."""
        node = _owner(output, self)
        yield f"{self.names[output.index or 0]}("
        yield from _listed(node.inputs, pstate)
        yield ")"


class PatternPrinter(Printer):
    """Writes a pattern such as ``%(0)s.T``.

    Parameters
    ----------
    *patterns : str or tuple
        For each output a pattern in which ``%(i)s`` stands for operand i, or a tuple of a pattern
        and the precedences with which the operands are printed (default 1000).
    """

    def __init__(self, *patterns: Any) -> None:
        self.patterns = [(p, ()) if isinstance(p, str) else (p[0], tuple(p[1:])) for p in patterns]

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the pattern with the operands put in."""
        node = _owner(output, self)
        pattern, precedences = self.patterns[output.index or 0]
        for i, piece in enumerate(re.split(r"%\((\d+)\)s", pattern)):
            if i % 2 == 0:
                yield piece.replace("%%", "%")
                continue
            place = int(piece)
            precedence = precedences[place] if place < len(precedences) else 1000.0
            yield node.inputs[place], pstate.clone(precedence=precedence)


class IgnorePrinter(Printer):
    """Writes the operands only, as for ops that do not change the value."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield the operands."""
        node = _owner(output, self)
        if len(node.inputs) == 1:
            yield node.inputs[0], pstate
        else:
            yield from _listed(node.inputs, pstate)


class LeafPrinter(Printer):
    """Writes a variable that nothing computes."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield its name, value or type."""
        yield str(output)


class DefaultPrinter(Printer):
    """Writes ``op(a, b)``, and leaves as `LeafPrinter` does."""

    def parts(self, output: Variable, pstate: PrinterState) -> Iterator[Any]:
        """Yield op and operands."""
        node = output.owner
        if node is None:
            yield str(output)
            return
        yield f"{node.op}("
        yield from _listed(node.inputs, pstate)
        yield ")"


class PPrinter:
    """A table of printers, asked from the newest to the oldest."""

    def __init__(self) -> None:
        self.printers: list[tuple[Callable[[PrinterState, Variable], bool], Any]] = []
        self._by_op: dict[Op, Any] = {}
        self._by_class: dict[type, Any] = {}

    def assign(self, condition: Any, printer: Any) -> None:
        """Register a printer.

        Parameters
        ----------
        condition : Op, type or callable
            An op instance, an op class, or ``condition(pstate, variable)``. Conditions are asked
            first, the newest one first of all; then the op, then its class and bases.
        printer : Printer
            Who writes the variables that meet it.
        """
        if isinstance(condition, Op):
            self._by_op[condition] = printer
        elif isinstance(condition, type):
            self._by_class[condition] = printer
        elif callable(condition):
            self.printers.insert(0, (condition, printer))
        else:
            raise TypeError(f"a condition is an op, an op class or a callable, got {condition!r}")

    def printer_of(self, variable: Variable, pstate: PrinterState) -> Any:
        """Return the printer for a variable."""
        for condition, printer in self.printers:
            if condition(pstate, variable):
                return printer
        if variable.owner is None:
            return _LEAF
        op = variable.owner.op
        found = self._by_op.get(op)
        if found is not None:
            return found
        for cls in type(op).__mro__:
            if cls in self._by_class:
                return self._by_class[cls]
        return _DEFAULT

    def process(self, r: Variable, pstate: PrinterState | None = None) -> str:
        """Return the text of a variable."""
        return self.joined([(r, PrinterState(self) if pstate is None else pstate)])

    def joined(self, parts: Iterable[Any], max_chars: int | None = None) -> str:
        """Expand variables among `parts` until only text is left, and join it.

        Shared subexpressions are written each time they occur, so the text of a graph may be
        exponentially longer than the graph; ``...`` ends it after `max_chars` characters.
        """
        texts: list[str] = []
        length = 0
        pending: list[Iterator[Any]] = [iter(parts)]
        while pending:
            part = next(pending[-1], None)
            if part is None:
                pending.pop()
            elif isinstance(part, str):
                texts.append(part)
                length += len(part)
                if max_chars is not None and length > max_chars:
                    texts.append("...")
                    break
            else:
                pending.append(self._parts_of(*part))
        return "".join(texts)

    def _parts_of(self, variable: Variable, pstate: PrinterState) -> Iterator[Any]:
        printer = self.printer_of(variable, pstate)
        if isinstance(printer, Printer) and type(printer).process is Printer.process:
            return iter(printer.parts(variable, pstate))
        return iter([printer.process(variable, pstate)])

    def __call__(self, *variables: Variable) -> str:
        """Return the texts of the variables, one per line."""
        return "\n".join(self.process(v) for v in variables)


_LEAF = LeafPrinter()
_DEFAULT = DefaultPrinter()

pprint = PPrinter()


def pp(*variables: Variable, brackets: str = "all", max_chars: int | None = 1_000_000) -> str:
    """Return variables as formulas.

    Parameters
    ----------
    *variables : Variable
        What to write, one line each.
    brackets : {'all', 'needed'}
        Brackets around every operator, as Theano writes them, or only where they are needed.
    max_chars : int, optional
        Where to break off with ``...``: a formula repeats what a graph shares.

    Examples
    --------
    ``pp(x * (y + z))`` is ``(x * (y + z))``, with ``brackets="needed"`` ``x * (y + z)``.
    """
    if brackets not in ("all", "needed"):
        raise ValueError(f"brackets must be 'all' or 'needed', got {brackets!r}")
    for variable in variables:
        if not isinstance(variable, Variable):
            raise TypeError(f"pp writes variables, got {variable!r} of {type(variable)}")
    state = PrinterState(pprint, brackets=brackets)
    return "\n".join(pprint.joined([(v, state)], max_chars) for v in variables)
