"""Helpers that tests of several packages share."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

import symc.ops.methods  # noqa: F401 - gives variables their operators
from symc.array.type import TensorType
from symc.graph.node import Constant, SharedVariable, Variable
from symc.graph.op import run_perform
from symc.graph.special import DisconnectedType
from symc.graph.walk import toposort
from symc.ops.reduce import Sum


def evaluate(outputs: Any, inputs: Sequence[Variable] = (), values: Sequence[Any] = ()) -> Any:
    """Run a graph node by node by the ops' references; one array, or a list for a list."""
    single = isinstance(outputs, Variable)
    roots = [outputs] if single else list(outputs)
    store: dict[Variable, Any] = {
        v: v.type.filter(value) for v, value in zip(inputs, values, strict=True)
    }

    def value_of(v: Variable) -> Any:
        if v in store:
            return store[v]
        if isinstance(v, Constant):
            return v.data
        assert isinstance(v, SharedVariable), f"{v} has no value"
        return v.get_value()

    for node in toposort(roots, list(inputs)):
        results = run_perform(node, [value_of(v) for v in node.inputs])
        store.update(zip(node.outputs, results, strict=True))
    found = [value_of(v) for v in roots]
    return found[0] if single else found


def gradients(cost: Variable, wrt: Sequence[Variable]) -> list[Any]:
    """Gradients of a 0-d cost, by L_op of every node; a second, plain driver for tests of ops.

    None where the cost does not depend on a variable.
    """
    arriving: dict[Variable, Any] = {cost: cost.type.make_constant(np.ones((), cost.dtype))}
    for node in reversed(toposort([cost])):
        if not any(o in arriving for o in node.outputs):
            continue
        gs = [arriving[o] if o in arriving else DisconnectedType()() for o in node.outputs]
        terms = node.op.L_op(node.inputs, node.outputs, gs)
        assert len(terms) == len(node.inputs), node.op
        for x, term in zip(node.inputs, terms, strict=True):
            if isinstance(term.type, DisconnectedType):
                continue
            assert term.type.ndim == x.type.ndim, (node.op, term.type, x.type)
            arriving[x] = arriving[x] + term if x in arriving else term
    return [arriving.get(x) for x in wrt]


def check_gradient(
    build: Callable[..., Any],
    points: Sequence[Any],
    wrt: Sequence[int] | None = None,
    eps: float = 1e-6,
    tolerance: float = 1e-5,
) -> None:
    """Compare the gradient of ``sum(weights * build(*inputs))`` with central differences.

    Parameters
    ----------
    build : callable
        From variables to one variable.
    points : sequence of array
        float64 points; others are constants of the graph's input.
    wrt : sequence of int, optional
        Which arguments are differentiated; by default those of dtype float64.
    """
    arrays = [np.asarray(p) for p in points]
    inputs = [TensorType(a.dtype, (False,) * a.ndim)() for a in arrays]
    out = build(*inputs)
    rng = np.random.default_rng(7)
    shape = evaluate(out, inputs, arrays).shape
    weights = rng.normal(size=shape)
    cost = Sum()(out * weights)
    if wrt is None:
        wrt = [i for i, a in enumerate(arrays) if a.dtype == np.float64]
    found = evaluate(gradients(cost, [inputs[i] for i in wrt]), inputs, arrays)
    for i, gradient in zip(wrt, found, strict=True):
        expected = np.zeros(arrays[i].shape)
        for position in np.ndindex(arrays[i].shape):
            costs = []
            for sign in (1, -1):
                moved = [a.copy() for a in arrays]
                moved[i][position] += sign * eps
                costs.append(float(evaluate(cost, inputs, moved)))
            expected[position] = (costs[0] - costs[1]) / (2 * eps)
        assert gradient.shape == expected.shape
        np.testing.assert_allclose(gradient, expected, rtol=tolerance, atol=tolerance)
