"""What runs a function: the NumPy path, or variants of native code.

An executor makes *variants* of a closed graph. On the NumPy path there is one, which serves every
call. Native variants are made for a broadcast pattern (D2): the first assumes that lengths which
can't be proved equal are equal; a call that breaks the assumption gets another one, made for the
lengths that were seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from weakref import WeakSet

import numpy as np

from ..config import config
from ..errors import CacheError, CompileError, ShapeError, UserCodeError, user_message
from ..graph.graph import Graph
from ..graph.node import Variable
from ..graph.text import DebugprintInfo
from ..graph.trace import user_line
from ..lower.facts import Facts, Oracle
from ..rewrite.branches import lazy_branches
from ..rewrite.engine import optimize
from ..rewrite.inline import inlined
from ..rewrite.report import Optimized
from ..runtime import native_problem, notice_once, trim_memory, updating
from .batch import compile_variant, not_batched
from .collect import Closed
from .expand import expanded
from .explain import node_error
from .native import NativeVariant
from .numpy_program import NumpyProgram


@dataclass(frozen=True)
class Task:
    """What an executor runs.

    Attributes
    ----------
    closed : Closed
    mode : Mode
    declared : sequence of tuple or None
        Per input the lengths that the user declared for it.
    strict : sequence of bool
        Which inputs take no value that would need a conversion.
    mutable : sequence of bool
        Which inputs may be overwritten.
    """

    closed: Closed
    mode: Any
    declared: Sequence[tuple[int | None, ...] | None]
    strict: Sequence[bool]
    mutable: Sequence[bool]


class Executor:
    """Common parts: the closed graph and its containers."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.closed = task.closed
        self.mode = task.mode
        self.containers = [v.container for v in self.closed.shared]
        self.optimized: Optimized

    def check_declared(self, inputs: Sequence[Any]) -> None:
        """Raise a ShapeError if an input has another length than was declared for it."""
        for variable, lengths, value in zip(
            self.closed.inputs, self.task.declared, inputs, strict=True
        ):
            for axis, length in enumerate(lengths or ()):
                if length is not None and value.shape[axis] != length:
                    raise ShapeError(
                        user_message(
                            f"the argument {variable} has another length than was declared",
                            got=f"shape {value.shape}",
                            expected=f"{length} along axis {axis}",
                            where=user_line(variable) or None,
                        )
                    )

    @property
    def roots(self) -> list[Variable]:
        """Outputs, then new values of shared variables."""
        return [*self.closed.outputs, *(new for _, new in self.closed.updates)]

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

    @property
    def fgraph(self) -> Graph:
        """The graph of what runs."""
        raise NotImplementedError

    def debugprint_info(self) -> DebugprintInfo:
        """What `debugprint` shows."""
        raise NotImplementedError

    def free(self) -> None:
        """Give memory back that is kept between calls."""

    def attach(self, function: Any) -> None:
        """Give `function` the variants that there are."""
        raise NotImplementedError

    def another(self, inputs: Sequence[Any], refused: Sequence[Any]) -> Any:
        """A variant for inputs that the variants `refused` do not serve."""
        raise NotImplementedError

    def prepare(self, inputs: Sequence[Any]) -> None:
        """Make the variant that these inputs need, where variants are needed at all."""

    def explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        """The exception for the failure of a native program."""
        raise NotImplementedError


class NumpyExecutor(Executor):
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


class NativeExecutor(Executor):
    """Runs compiled variants."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self.variants: list[NativeVariant] = []
        self.functions: WeakSet[Any] = WeakSet()
        self.substitute: NumpyExecutor | None = None
        compile_variant(self._first(), self._ready)

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
            _notice_failure(error)
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


def make_executor(maker: Any) -> Executor:
    """The executor that the mode asks for; the NumPy path where native code can't be had.

    Without an extension or a compiler the NumPy path serves, with one notice per process.
    """
    task = Task(
        closed=maker.closed,
        mode=maker.mode,
        declared=[getattr(s.variable, "static_shape", None) for s in maker.explicit],
        strict=[s.strict for s in maker.explicit],
        # State changes only when the call has succeeded, so it is never written over.
        mutable=[s.mutable and s.update is None for s in maker.explicit],
    )
    own = getattr(maker.mode, "executor_for", None)
    if own is not None:
        made: Executor = own(task)
        return made
    if maker.mode.executor == "numpy":
        return NumpyExecutor(task)
    problem = native_problem()
    if problem:
        notice_once(
            "no compiled code on this machine; functions run on NumPy, more slowly: "
            f"{_briefly(problem)}. `symc doctor` says what is missing."
        )
        return NumpyExecutor(task)
    try:
        return NativeExecutor(task)
    except UserCodeError:
        raise  # another path would run the same code
    except (CompileError, CacheError) as error:
        _notice_failure(error)
        return NumpyExecutor(task)


def _notice_failure(error: CompileError | CacheError) -> None:
    """Say that compiling failed, or raise the error where the user wants to see it."""
    if config.on_opt_error == "raise":
        raise error
    notice_once(f"compiling failed, functions run on NumPy, more slowly: {_briefly(str(error))}")


def _briefly(message: str) -> str:
    """What went wrong and what was found, in one line."""
    first, *others = message.splitlines()
    label = "  got: "
    found = [line.removeprefix(label) for line in others if line.startswith(label)]
    return ": ".join([first, *found])
