"""The executors that compile: the NumPy path, and variants of native code."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any
from weakref import WeakSet

import numpy as np

from ..codegen.target import host_target
from ..errors import CacheError, CompileError, ShapeError
from ..graph.graph import Graph
from ..graph.node import Variable
from ..graph.text import DebugprintInfo
from ..lazy import LazyModule
from ..lower.facts import Facts, Oracle
from ..rewrite.branches import lazy_branches
from ..rewrite.engine import optimize
from ..rewrite.inline import inlined
from ..rewrite.report import Optimized
from ..runtime import trim_memory, updating
from .batch import compile_variant, not_batched
from .executor import Executor, Task, notice_failure
from .expand import expanded
from .explain import node_error
from .native import NativeVariant
from .numpy_program import NumpyProgram

_traffic = LazyModule("symc.codegen.traffic")


class RewritingExecutor(Executor):
    """An executor that rewrites the graph."""

    optimized: Optimized

    def prepared(self) -> list[Variable]:
        """The graph before rules rewrite it."""
        roots = inlined(self.roots)
        for optimizer in self.mode.before:
            roots = optimizer.rewritten(roots)
        return lazy_branches(roots)

    def optimize(self, facts: Facts | None) -> Optimized:
        """Rewrite the graph."""
        optimized = optimize(self.prepared(), facts, self.mode.selection)
        for optimizer in self.mode.after:
            optimized.outputs = optimizer.rewritten(optimized.outputs)
        return optimized


class NumpyExecutor(RewritingExecutor):
    """Runs the rewritten graph node by node."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.optimized = self.optimize(None)
        count = len(self.closed.outputs)
        self.program = NumpyProgram(
            self.closed.inputs,
            self.closed.shared,
            self.optimized.outputs[:count],
            self.optimized.outputs[count:],
            node_error,
            getattr(self.mode, "run_node", None),
        )

    def attach(self, function: Any) -> None:
        """Have `function` run this."""
        function.add_variant(self.run)

    def run(self, inputs: Sequence[Any]) -> list[Any]:
        """Compute the outputs and store the updates, all of them or none."""
        self.check_declared(inputs)
        updated = [position for position, _ in self.closed.updates]
        with updating(self.containers[p] for p in updated):
            shared = [c.get_value(borrow=True) for c in self.containers]
            outputs, updates = self.program(inputs, shared)
            fitting = [
                self.closed.shared[p].type.filter(value)
                for p, value in zip(updated, updates, strict=True)
            ]
            for p, value in zip(updated, fitting, strict=True):
                self.containers[p].set_value(value, borrow=True)
        return outputs

    @property
    def fgraph(self) -> Graph:
        """The rewritten graph."""
        return Graph([*self.closed.inputs, *self.closed.shared], self.optimized.outputs)

    def debugprint_info(self) -> DebugprintInfo:
        """Outputs and order, for `debugprint`."""
        return DebugprintInfo(self.optimized.outputs, self.program.order)


class NativeExecutor(RewritingExecutor):
    """Runs compiled variants.

    Parameters
    ----------
    task : Task
    program : NativeProgram, optional
        The program of the first variant, where it has been loaded already.
    """

    def __init__(self, task: Task, program: Any = None) -> None:
        super().__init__(task)
        self.variants: list[NativeVariant] = []
        self.functions: WeakSet[Any] = WeakSet()
        self.substitute: NumpyExecutor | None = None
        first = self._first()
        if program is None:
            compile_variant(first, self._ready)
        else:
            first.program = program

    def _first(self) -> NativeVariant:
        """The variant that assumes equal lengths; where they can't all be equal, lengths of 1."""
        try:
            return self._make(None)
        except ShapeError as error:
            declared = dict(zip(self.closed.inputs, self.task.declared, strict=True))

            def expected(variable: Variable, axis: int | None) -> int:
                return 1 if axis is None else (declared[variable] or {axis: 1})[axis] or 1

            try:
                return self._make(self._with_shared(expected))
            except ShapeError:
                raise error from None

    @property
    def main(self) -> NativeVariant:
        """The variant that was made first."""
        return self.variants[0]

    def _make(self, oracle: Any) -> NativeVariant:
        facts = Facts([*self.closed.inputs, *self.closed.shared], oracle)
        self._assume_declared(facts)
        optimized = self.optimize(facts)
        outputs = expanded(optimized.outputs)
        variant = NativeVariant(
            self.closed, outputs, facts, self.mode, self.task.strict, self.task.mutable
        )
        if not self.variants:
            self.optimized = optimized
        self.variants.append(variant)
        return variant

    def attach(self, function: Any) -> None:
        """Have `function` run the variants, those that are still to be compiled too."""
        self.functions.add(function)
        for variant in reversed(self.variants):
            if variant.program is not None:
                function.add_variant(variant.program)

    def _ready(self, variant: NativeVariant) -> None:
        for function in self.functions:
            function.add_variant(variant.program)

    def _assume_declared(self, facts: Facts) -> None:
        """Lengths that the user declared become guards, so that a wrong one is noticed."""
        for variable, lengths in zip(self.closed.inputs, self.task.declared, strict=True):
            for axis, length in enumerate(lengths or ()):
                if length is not None:
                    facts.assume(facts.shape(variable)[axis], facts.ctx.integer(length))

    def another(self, inputs: Sequence[Any], refused: Sequence[Any]) -> Any:
        """The program for the lengths of these inputs and of the shared values.

        It is compiled, unless it was already and the function has forgotten it, having many. Where
        the compiler fails the NumPy path serves.
        """
        oracle = self._oracle(inputs)
        for known in self.variants:
            if known.program is not None and known.program not in refused and known.serves(oracle):
                return known.program
        variant = self._make(oracle)
        try:
            with not_batched():
                compile_variant(variant, lambda _: None)
        except (CompileError, CacheError) as error:
            self.variants.remove(variant)
            notice_failure(error)
            if self.substitute is None:
                self.substitute = NumpyExecutor(self.task)
            return self.substitute.run
        return variant.program

    def prepare(self, inputs: Sequence[Any]) -> None:
        """Compile a variant for the lengths of these inputs, unless there is one that serves them.

        In a batch it is compiled when that ends. Nothing is run.
        """
        oracle = self._oracle(inputs)
        if not any(variant.serves(oracle) for variant in self.variants):
            compile_variant(self._make(oracle), self._ready)

    def traffic(self, inputs: Sequence[Any]) -> Any:
        """The memory traffic of a call with these inputs, in the variant that serves it."""
        oracle = self._oracle(inputs)
        self.prepare(inputs)
        variant = next(v for v in self.variants if v.serves(oracle))
        shared = [c.get_value(borrow=True) for c in self.containers]
        return _traffic.traffic(variant.lowered, host_target(), inputs, shared)

    def _oracle(self, inputs: Sequence[Any]) -> Any:
        self.check_declared(inputs)
        values = dict(zip(self.closed.inputs, inputs, strict=True))

        def observed(variable: Variable, axis: int | None) -> int:
            value = np.asarray(values[variable])
            return int(value) if axis is None else value.shape[axis]

        return self._with_shared(observed)

    def _with_shared(self, of_input: Oracle) -> Oracle:
        """An oracle that knows the shared values too."""
        kept = {
            variable: container.get_value(borrow=True)
            for variable, container in zip(self.closed.shared, self.containers, strict=True)
        }

        def observed(variable: Variable, axis: int | None) -> int:
            if variable not in kept:
                return of_input(variable, axis)
            value = np.asarray(kept[variable])
            return int(value) if axis is None else value.shape[axis]

        return observed

    def free(self) -> None:
        """Give memory back to the system that calls have used and that is kept for the next."""
        trim_memory()

    def explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        """The exception for the failure of a native program."""
        variant = next(v for v in self.variants if v.program is program)
        return variant.explain(record, inputs, cause)

    @property
    def fgraph(self) -> Any:
        """The graph of the main variant's program (D8)."""
        return self.main.fgraph

    def debugprint_info(self) -> DebugprintInfo:
        """Outputs, order and notes of the main variant, for `debugprint`."""
        return self.main.debugprint_info()
