"""The choice of who runs a function; programs that are found by their plan.

This module imports neither the lowering nor the printing of C: a program that is found by its
plan (`symc.compile.plans`) runs without them.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any
from weakref import WeakSet

from ..errors import CacheError, CompileError, UserCodeError
from ..graph.graph import Graph
from ..graph.text import DebugprintInfo
from ..lazy import LazyModule
from ..runtime import native_problem, notice_once, trim_memory
from .executor import Executor, Task, briefly, notice_failure
from .plans import found_program, keep_plan, plan_key

_executors = LazyModule("symc.compile.executors")  # with the lowering and the printing of C


class PlannedExecutor(Executor):
    """Runs a program that was found by its plan; compiles only when something else is wanted.

    Another variant, the words of an error and the graph of the program need the compiled form
    itself, which is then made as if there had been no plan.

    Parameters
    ----------
    task : Task
    program : NativeProgram
    """

    def __init__(self, task: Task, program: Any) -> None:
        super().__init__(task)
        self.planned = program
        self.functions: WeakSet[Any] = WeakSet()

    @cached_property
    def compiled(self) -> Any:
        """The executor with all phases of the compiler behind it."""
        made = _executors.NativeExecutor(self.task, self.planned)
        made.functions.update(self.functions)
        return made

    @property
    def optimized(self) -> Any:
        """What rewriting does."""
        return self.compiled.optimized

    @property
    def main(self) -> Any:
        """The variant that was made first."""
        return self.compiled.main

    @property
    def variants(self) -> list[Any]:
        """All variants."""
        return list(self.compiled.variants)

    @property
    def fgraph(self) -> Graph:
        """The graph of the main variant's program (D8)."""
        graph: Graph = self.compiled.fgraph
        return graph

    def debugprint_info(self) -> DebugprintInfo:
        """Outputs, order and notes of the main variant, for `debugprint`."""
        info: DebugprintInfo = self.compiled.debugprint_info()
        return info

    def free(self) -> None:
        """Give memory back to the system that calls have used and that is kept for the next."""
        trim_memory()

    def attach(self, function: Any) -> None:
        """Have `function` run the program."""
        if "compiled" in self.__dict__:
            self.compiled.attach(function)
        else:
            self.functions.add(function)
            function.add_variant(self.planned)

    def another(self, inputs: Sequence[Any], refused: Sequence[Any]) -> Any:
        """The program for the lengths of these inputs and of the shared values."""
        return self.compiled.another(inputs, refused)

    def prepare(self, inputs: Sequence[Any]) -> None:
        """Compile a variant for the lengths of these inputs, unless there is one that serves."""
        self.compiled.prepare(inputs)

    def traffic(self, inputs: Sequence[Any]) -> Any:
        """The memory traffic of a call with these inputs."""
        return self.compiled.traffic(inputs)

    def explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        """The exception for the failure of a native program."""
        error: Exception = self.compiled.explain(program, record, inputs, cause)
        return error


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
        return _numpy_executor(task)
    problem = native_problem()
    if problem:
        notice_once(
            "no compiled code on this machine; functions run on NumPy, more slowly: "
            f"{briefly(problem)}. `symc doctor` says what is missing."
        )
        return _numpy_executor(task)
    key = plan_key(task)
    program = found_program(key, task.closed) if key else None
    if program is not None:
        return PlannedExecutor(task, program)
    try:
        executor: Executor = _executors.NativeExecutor(task)
    except UserCodeError:
        raise  # another path would run the same code
    except (CompileError, CacheError) as error:
        notice_failure(error)
        return _numpy_executor(task)
    if key:
        keep_plan(key, executor)
    return executor


def _numpy_executor(task: Task) -> Executor:
    executor: Executor = _executors.NumpyExecutor(task)
    return executor
