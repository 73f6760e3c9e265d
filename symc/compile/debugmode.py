"""`DebugMode`: everything is computed in several ways, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from ..config import config
from ..errors import DebugModeError, user_message
from ..graph.graph import Graph
from ..graph.node import Apply, Variable
from ..graph.op import BuiltinOp, Op, compiled_code, run_perform
from ..graph.trace import user_line
from ..rewrite.engine import optimize
from ..rewrite.selection import Selection
from ..runtime import FunctionBase, native_problem
from .executors import NativeExecutor, NumpyExecutor, Task
from .explain import node_error
from .mode import Mode
from .numpy_program import NumpyProgram

__all__ = [
    "BadDestroyMap",
    "BadOptimization",
    "BadThunkOutput",
    "BadViewMap",
    "DebugMode",
    "DebugModeError",
    "InvalidValueError",
    "StochasticOrder",
]


class BadThunkOutput(DebugModeError):  # noqa: N818 - Theano's name
    """Two ways to compute the same node or graph give different values."""


class BadOptimization(DebugModeError):  # noqa: N818 - Theano's name
    """Rewriting has changed a value."""


class BadDestroyMap(DebugModeError):  # noqa: N818 - Theano's name
    """An op has written into an operand that its ``destroy_map`` does not name."""


class BadViewMap(DebugModeError):  # noqa: N818 - Theano's name
    """An op has returned memory of an operand that its ``view_map`` does not name."""


class StochasticOrder(DebugModeError):  # noqa: N818 - Theano's name
    """Rewriting the same graph twice gives two results."""


class InvalidValueError(DebugModeError):
    """An op has stored a value that is not of the output's type, or not finite."""


class DebugMode(Mode):
    """Checks what it runs: rewrites, ops and native code.

    Every call computes the graph as it was written, the rewritten graph node by node, and the
    native program, and compares. Users' ops are watched for undeclared views and overwriting.

    Parameters
    ----------
    optimizer : optional
        As for `Mode`.
    stability_patience : int, optional
        How often the graph is rewritten again, to see whether the result is the same.
    check_c_code : bool, optional
        Whether the native program runs as well.
    check_py_code : bool, optional
        Whether ops with C code of their own run ``perform`` as well.
    check_isfinite : bool, optional
        Whether a NaN or an infinity is an error.
    check_preallocated_output, require_matching_strides, linker : optional
        Accepted as in Theano.

    Raises
    ------
    DebugModeError
        One of its subclasses, when the function is compiled or called.
    """

    def __init__(
        self,
        optimizer: Any = "default",
        stability_patience: int | None = None,
        check_c_code: bool | None = None,
        check_py_code: bool | None = None,
        check_isfinite: bool | None = None,
        check_preallocated_output: Any = None,
        require_matching_strides: Any = None,
        linker: Any = None,
    ) -> None:
        del check_preallocated_output, require_matching_strides, linker
        super().__init__("numpy", optimizer)
        flags = config.DebugMode
        self.stability_patience = flags.patience if stability_patience is None else (
            stability_patience
        )
        self.check_c_code = flags.check_c if check_c_code is None else check_c_code
        self.check_py_code = flags.check_py if check_py_code is None else check_py_code
        self.check_isfinite = flags.check_finite if check_isfinite is None else check_isfinite

    def executor_for(self, task: Task) -> DebugExecutor:
        """What runs a function in this mode."""
        return DebugExecutor(task)

    def run_node(self, i: int, node: Apply, values: list[Any]) -> list[Any]:
        """Compute a node, and check what its op does."""
        del i
        if not isinstance(node.op, BuiltinOp):
            _check_memory(node, values)
            if self.check_py_code and compiled_code(node) is not None and _has_perform(node.op):
                _compare_with_perform(node, values)
        try:
            results = run_perform(node, values)
        except TypeError as error:
            if "perform stored a value of another type" in str(error):
                raise InvalidValueError(str(error)) from error
            raise
        if self.check_isfinite:
            for k, value in enumerate(results):
                _check_finite(node, k, value)
        return results


def _has_perform(op: Any) -> bool:
    return type(op).perform is not Op.perform


def _check_finite(node: Apply, k: int, value: Any) -> None:
    numbers = isinstance(value, np.ndarray) and value.dtype.kind in "fc"
    if numbers and not np.isfinite(value).all():
        raise InvalidValueError(f"output {k} of {node.op} is not finite")


def _performed(node: Apply, values: list[Any]) -> list[Any]:
    """What ``perform`` (or the C code, where there is no ``perform``) stores, unchecked."""
    if not _has_perform(node.op):
        compiled = compiled_code(node)
        return [] if compiled is None else compiled(values)
    cells: list[list[Any]] = [[None] for _ in node.outputs]
    params = [] if node.op.params_type is None else [node.run_params()]
    perform = getattr(node.op, "debug_perform", node.op.perform)
    perform(node, values, cells, *params)
    return [cell[0] for cell in cells]


def _check_memory(node: Apply, values: list[Any]) -> None:
    """Run an op on copies, and see what it does to them."""
    op = node.op
    given = [v.type.copy_value(x) for v, x in zip(node.inputs, values, strict=True)]
    results = _performed(node, given)
    destroyed = {i for inputs in op.destroy_map.values() for i in inputs}
    for i, (variable, before, after) in enumerate(zip(node.inputs, values, given, strict=True)):
        if i not in destroyed and not variable.type.values_eq(before, after):
            raise BadDestroyMap(
                user_message(
                    f"{op} has changed its operand {i}",
                    got=f"destroy_map = {dict(op.destroy_map)}",
                    where=user_line(node) or None,
                    hint=f"copy the operand, or declare it: destroy_map = {{output: [{i}]}}",
                )
            )
    for k, result in enumerate(results):
        declared = {*op.view_map.get(k, ()), *op.destroy_map.get(k, ())}
        for i, value in enumerate(given):
            if i not in declared and node.inputs[i].type.may_share_memory(value, result):
                raise BadViewMap(
                    user_message(
                        f"output {k} of {op} shares memory with its operand {i}",
                        got=f"view_map = {dict(op.view_map)}",
                        where=user_line(node) or None,
                        hint=f"copy the result, or declare it: view_map = {{{k}: [{i}]}}",
                    )
                )


def _compare_with_perform(node: Apply, values: list[Any]) -> None:
    given = [v.type.copy_value(x) for v, x in zip(node.inputs, values, strict=True)]
    for k, (py, c) in enumerate(
        zip(_performed(node, given), run_perform(node, values), strict=True)
    ):
        if not node.outputs[k].type.values_eq_approx(py, c):
            raise BadThunkOutput(
                _differ(f"perform and the C code of {node.op} differ in output {k}", py, c, node)
            )


def _differ(what: str, a: Any, b: Any, node: Any = None) -> str:
    text = [f"{str(value)[:200]}" for value in (a, b)]
    return user_message(
        what, got=f"{text[0]}\n       and {text[1]}", where=(node and user_line(node)) or None
    )


class _NativeCall(FunctionBase):  # type: ignore[misc, valid-type]
    """The native program by itself; it changes no shared variable."""

    def __init__(self, executor: NativeExecutor, nargs: int) -> None:
        self.executor = executor
        super().__init__(nargs, "list")
        executor.attach(self)

    def _convert(self, position: int, value: Any) -> Any:
        return np.array(value, order="C") if isinstance(value, np.ndarray) else value

    def _another_variant(self, inputs: tuple[Any, ...]) -> Any:
        return self.executor.another(inputs, self.variants)

    def _explain(self, program: Any, record: Any, inputs: Any, cause: Any) -> Exception:
        return self.executor.explain(program, record, inputs, cause)


class DebugExecutor(NumpyExecutor):
    """Runs a graph in every way that there is."""

    def __init__(self, task: Task) -> None:
        super().__init__(task)
        self._check_stable()
        closed = self.closed
        count = len(closed.outputs)
        self.rewritten = self.program
        self.as_written = self._program(self._rewritten_by(Selection("None")), count)
        self.program = self.run_all  # type: ignore[assignment]
        self.native: _NativeCall | None = None
        if self.mode.check_c_code and not native_problem():
            whole = replace(closed, outputs=self.roots, updates=[])
            executor = NativeExecutor(replace(task, closed=whole, mutable=[False] * len(
                closed.inputs), mode=Mode("native", self.mode.selection)))
            self.native = _NativeCall(executor, len(closed.inputs))

    def _program(self, outputs: Sequence[Variable], count: int) -> NumpyProgram:
        return NumpyProgram(
            self.closed.inputs, self.closed.shared, outputs[:count], outputs[count:], node_error
        )

    def _rewritten_by(self, selection: Selection) -> list[Variable]:
        return optimize(self.prepared(), None, selection).outputs

    def _check_stable(self) -> None:
        def fingerprint(outputs: Sequence[Variable]) -> str:
            return Graph([*self.closed.inputs, *self.closed.shared], outputs).fingerprint()

        first = fingerprint(self.optimized.outputs)
        for _ in range(self.mode.stability_patience):
            if fingerprint(self.optimize(None).outputs) != first:
                raise StochasticOrder("rewriting the graph twice has given two results")

    def run_all(
        self, inputs: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Values of the outputs and of the updates, after all comparisons."""
        outputs, updates = self.rewritten(_copies(inputs), _copies(shared))
        expected = self.as_written(_copies(inputs), _copies(shared))
        wanted, found = [*expected[0], *expected[1]], [*outputs, *updates]
        for k, (root, a, b) in enumerate(zip(self.roots, wanted, found, strict=True)):
            if not _kept(root, a, b):
                raise BadOptimization(self._blamed(k, a, b, inputs, shared))
        if self.native is not None:
            for k, (root, a, b) in enumerate(
                zip(self.roots, found, self.native(*_copies(inputs)), strict=True)
            ):
                if not root.type.values_eq_approx(a, b):
                    what = f"NumPy and native code differ in {self._called(k)}"
                    raise BadThunkOutput(_differ(what, a, b, root.owner))
        return outputs, updates

    def _called(self, k: int) -> str:
        count = len(self.closed.outputs)
        return f"output {k}" if k < count else f"the new value of shared variable {k - count}"

    def _blamed(
        self, k: int, a: Any, b: Any, inputs: Sequence[Any], shared: Sequence[Any]
    ) -> str:
        """The message about a changed value, with the rule without which it is right."""
        count = len(self.closed.outputs)
        culprit = None
        for rule in dict.fromkeys(f.rule for f in self.optimized.firings):
            outputs = self._rewritten_by(self.mode.selection.excluding(rule))
            values = self._program(outputs, count)(_copies(inputs), _copies(shared))
            if _kept(self.roots[k], a, [*values[0], *values[1]][k]):
                culprit = rule
                break
        blame = f"the rule {culprit!r} changes" if culprit else "rewriting changes"
        return _differ(f"{blame} {self._called(k)}", a, b, self.roots[k].owner)


def _kept(root: Variable, written: Any, rewritten: Any) -> bool:
    """Whether a value is what it was; rules may save from an overflow, but not cause one."""
    if isinstance(written, np.ndarray) and written.dtype.kind in "fc":
        saved = ~np.isfinite(written)
        if saved.any() and np.shape(rewritten) == written.shape:
            written = np.where(saved, rewritten, written)
    return bool(root.type.values_eq_approx(written, rewritten))


def _copies(values: Sequence[Any]) -> list[Any]:
    return [value.copy() if isinstance(value, np.ndarray) else value for value in values]
