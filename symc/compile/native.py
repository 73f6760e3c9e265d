"""One native variant of a function: lowered, compiled, loaded and described to the call path."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from ..codegen.program_c import ProgramSource, program_source
from ..codegen.target import host_target
from ..dtypes import DTYPES
from ..graph.graph import Graph
from ..graph.node import Apply, Variable
from ..graph.text import DebugprintInfo
from ..loop.evaluate import size_value
from ..loop.program import Buffer, KernelStep, Program
from ..lower.facts import Facts, Oracle
from ..lower.lower import lower
from ..runtime import load_blas, native_program
from .collect import Closed
from .explain import check_error, index_error, node_error
from .program_graph import ProgramGraph

# Error codes of symc_abi.h.
_CHECK, _INDEX, _PYTHON, _MEMORY, _VALUE = range(1, 6)


@dataclass(frozen=True)
class Loaded:
    """Where a program was loaded from, and as what."""

    path: Path
    source: ProgramSource
    description: dict[str, Any]


class NativeVariant:
    """A compiled program for one broadcast pattern.

    Parameters
    ----------
    closed : Closed
    outputs : sequence of Variable
        The rewritten outputs, then the rewritten updates.
    facts : Facts
        Sizes, and what is assumed about them.
    mode : Mode
    strict : sequence of bool
        Which inputs take no Python numbers.
    mutable : sequence of bool
        Which inputs may be overwritten.

    Attributes
    ----------
    lowered : Program
    program : NativeProgram or None
        What the call path runs, once it is compiled.
    """

    def __init__(
        self,
        closed: Closed,
        outputs: Sequence[Variable],
        facts: Facts,
        mode: Any,
        strict: Sequence[bool],
        mutable: Sequence[bool] = (),
    ) -> None:
        count = len(closed.outputs)
        positions = [position for position, _ in closed.updates]
        self.closed = closed
        self.facts = facts
        self.strict = strict
        self.outputs = list(outputs)
        self.lowered = lower(
            closed.inputs,
            outputs[:count],
            closed.shared,
            list(zip(positions, outputs[count:], strict=True)),
            facts,
            mutable=mutable,
            fuse=mode.selection.allows("fusion", ("fusion",)),
            inplace=mode.selection.allows("inplace", ("inplace",)),
        )
        self.program: Any = None
        self.foreign: Sequence[int] = ()
        self.loaded: Loaded | None = None

    def serves(self, oracle: Oracle) -> bool:
        """Whether the program is right for a call with the lengths that `oracle` knows."""

        def value(leaf: Any) -> int:
            variable, _ = self.facts.source(leaf.payload[1])
            return oracle(variable, leaf.payload[2] if leaf.payload[0] == "dim" else None)

        return all(
            size_value(a.left, value) == size_value(a.right, value) for a in self.facts.assumptions
        )

    def source(self, prefix: str, versioned: bool = True) -> ProgramSource:
        """The C text of the program; its functions' names begin with `prefix`."""
        return program_source(
            self.lowered, name=prefix, target=host_target(), versioned=versioned
        )

    def load(self, path: Path, prefix: str, source: ProgramSource) -> None:
        """Take the program from a compiled library."""
        if source.uses_blas:
            load_blas()
        self.foreign = source.foreign
        described = description(self.lowered, source, self.closed, self.strict)
        self.program = native_program(path, prefix, **described)
        self.loaded = Loaded(path, replace(source, units=(), headers={}), described)

    @cached_property
    def shown(self) -> ProgramGraph:
        """The program as a graph."""
        return ProgramGraph(self.lowered, self.closed.inputs, self.closed.shared)

    @property
    def fgraph(self) -> Graph:
        """The program as a read-only graph (D8)."""
        return self.shown.graph()

    def debugprint_info(self) -> DebugprintInfo:
        """What `debugprint` shows."""
        return self.shown.info()

    def explain(self, record: Any, inputs: Any, cause: Any) -> Exception:
        """The exception for a failed call.

        Parameters
        ----------
        record : tuple
            (code, where, values), see ``symc_abi.h``.
        inputs : sequence
        cause : exception or None
            What a Python step raised.
        """
        del inputs
        code, where, values = record
        if code == _CHECK:
            check = self.lowered.checks[where]
            return check_error(check.error, check.message, values, first(check.origin))
        if code == _MEMORY:
            return MemoryError("not enough memory for the intermediate values of this call")
        if code == _PYTHON and where < 0:  # in none of the steps: a notice made an error
            return cause
        step = self.lowered.all_steps[self.foreign[where] if code == _PYTHON else where]
        node = first(step.origin)
        if code == _INDEX:
            if isinstance(step, KernelStep) and values[2] < len(step.origin):
                node = step.origin[values[2]]
            refusal = getattr(getattr(node, "op", None), "refusal", None)
            if refusal is not None:
                return check_error("value", refusal, (), node)
            return index_error(values[0], values[1], node)
        if code == _PYTHON:
            return cause if node is None else node_error(cause, node, None)
        return self._step_error(step, node, values)

    def _step_error(self, step: Any, node: Apply | None, values: Sequence[int]) -> Exception:
        reasons = getattr(getattr(node, "op", None), "reasons", {})
        family, message = reasons.get(values[0], ("value", "the computation failed"))
        if hasattr(step, "condition"):
            family, message = step.error, step.message
            return check_error(family, message, values, node)
        return check_error(family, message, values[1:], node)


def first(origin: Sequence[Any]) -> Any:
    """The first node of an origin, or None."""
    return origin[0] if origin else None


def description(
    program: Program, source: ProgramSource, closed: Closed, strict: Sequence[bool]
) -> dict[str, Any]:
    """The keyword arguments of ``NativeProgram`` that follow from a lowered program."""
    buffers = program.buffers
    steps = program.all_steps
    return {
        "inputs": [
            _input(buffers[b], v, s, _flags(buffers[b], program))
            for b, v, s in zip(program.inputs, closed.inputs, strict, strict=True)
        ],
        "shared": [
            (v.container, *_dtype_and_rank(buffers[b]), _flags(buffers[b], program))
            for b, v in zip(program.shared, closed.shared, strict=True)
        ],
        "constants": [
            np.ascontiguousarray(b.data) if isinstance(b.data, np.ndarray) else b.data
            for b in sorted(
                (b for b in buffers if b.kind == "const"), key=lambda b: b.position
            )
        ],
        "outputs": [
            (how, *_dtype_and_rank(buffers[b]), position)
            for b, (how, position) in zip(program.outputs, source.outputs, strict=True)
        ],
        "updates": list(source.updates),
        "slots": [(s.first, s.last) for s in program.slots],
        "steps": [_step(program, steps[k]) for k in source.foreign],
        "sizes": source.sizes,
    }


def _dtype_and_rank(buffer: Buffer) -> tuple[str | None, int]:
    if buffer.dtype not in DTYPES:
        return None, 0
    return buffer.dtype, len(buffer.shape)


def _pattern(buffer: Buffer) -> tuple[bool, ...]:
    return tuple(n.is_const and int(n.value) == 1 for n in buffer.shape)


def _flags(buffer: Buffer, program: Program) -> str:
    written = any(
        b.alias_of == buffer.id and b.kind in ("output", "update", "temp")
        for b in program.buffers
    )
    return ("w" if written else "") + ("c" if buffer.contiguous else "")


def _input(buffer: Buffer, variable: Variable, strict: bool, flags: str) -> tuple[Any, ...]:
    dtype, rank = _dtype_and_rank(buffer)
    if dtype is None:
        return None, rank, (), ""
    return dtype, rank, tuple(variable.type.broadcastable), flags + ("s" if strict else "")


def _how(buffer: Buffer) -> str:
    if buffer.dtype not in DTYPES:
        return "object"
    return "dynamic" if buffer.kind == "dynamic" else "fresh"


def _step(program: Program, step: Any) -> tuple[Any, ...]:
    ins = tuple(_dtype_and_rank(program.buffers[b]) for b in step.inputs)
    outs = []
    for number in step.outputs:
        buffer = program.buffers[number]
        how = _how(buffer)
        pattern = _pattern(buffer) if how != "object" else ()
        outs.append(("buffer" if how == "fresh" else how, *_dtype_and_rank(buffer), pattern))
    return step.call, ins, tuple(outs)
