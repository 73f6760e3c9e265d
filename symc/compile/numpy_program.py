"""The NumPy path: run a graph node by node by the reference meaning of every op.

It needs no compiler and is the oracle for the native path. Values are dropped after their last
use; results never share memory with inputs, shared values or constants.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..graph.node import Apply, Constant, Variable
from ..graph.op import run_perform
from ..graph.walk import toposort


class NumpyProgram:
    """A compiled graph on the NumPy path.

    Parameters
    ----------
    inputs, shared : sequences of Variable
        Leaves that get values in a call.
    outputs, updates : sequences of Variable
        What a call computes.
    fail : callable
        ``fail(error, node, values)`` gives the exception to raise for an error in a node.
    run_node : callable, optional
        ``run_node(i, node, values)`` computes node `i`; default: `run_perform`.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        shared: Sequence[Variable],
        outputs: Sequence[Variable],
        updates: Sequence[Variable],
        fail: Callable[[Exception, Apply, list[Any]], Exception],
        run_node: Callable[[int, Apply, list[Any]], list[Any]] | None = None,
    ) -> None:
        self.leaves = [*inputs, *shared]
        self.results = [*outputs, *updates]
        self.order = toposort(self.results, self.leaves)
        self.n_outputs = len(outputs)
        self.fail = fail
        self.run_node = run_node
        self._number_slots()

    def _number_slots(self) -> None:
        number: dict[Variable, int] = {}
        initial: list[Any] = []

        def slot(var: Variable) -> int:
            if var not in number:
                number[var] = len(initial)
                initial.append(var.data if isinstance(var, Constant) else None)
            return number[var]

        self._leaf_slots = [slot(v) for v in self.leaves]
        self._steps: list[tuple[Apply, list[int], list[int], list[int]]] = []
        for node in self.order:
            ins = [slot(v) for v in node.inputs]
            self._steps.append((node, ins, [slot(v) for v in node.outputs], []))
        self._result_slots = [slot(v) for v in self.results]
        self._initial = initial
        last: dict[int, int] = {}
        for k, (_, ins, outs, _) in enumerate(self._steps):
            for s in (*ins, *outs):
                last[s] = k
        keep = {*self._result_slots, *self._leaf_slots}
        for s, k in last.items():
            if s not in keep and initial[s] is None:
                self._steps[k][3].append(s)
        self._constant_slots = [s for s, v in enumerate(initial) if v is not None]

    def __call__(
        self, inputs: Sequence[Any], shared: Sequence[Any]
    ) -> tuple[list[Any], list[Any]]:
        """Values of the outputs and of the updates; nothing is written anywhere."""
        store = list(self._initial)
        for s, value in zip(self._leaf_slots, (*inputs, *shared), strict=True):
            store[s] = value
        run_node = self.run_node
        for i, (node, ins, outs, dead) in enumerate(self._steps):
            values = [store[s] for s in ins]
            try:
                if run_node is None:
                    results = run_perform(node, values)
                else:
                    results = run_node(i, node, values)
            except Exception as error:
                raise self.fail(error, node, values) from error
            for s, value in zip(outs, results, strict=True):
                store[s] = value
            for s in dead:
                store[s] = None
        taken = [store[s] for s in (*self._leaf_slots, *self._constant_slots)]
        results = []
        for s in self._result_slots:
            value = store[s]
            if isinstance(value, np.ndarray):
                if any(_share(value, t) for t in taken):
                    value = value.copy()
                taken.append(value)
            results.append(value)
        return results[: self.n_outputs], results[self.n_outputs :]


def _share(a: np.ndarray, b: Any) -> bool:
    return isinstance(b, np.ndarray) and np.may_share_memory(a, b)
