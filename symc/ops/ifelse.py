"""Conditions: one of two lists of values, of which only that one is computed.

`IfElse` is the op of the user's graph: a condition, the values of one branch, those of the other.
Before the graph is rewritten, what only one branch needs moves into a `Branches` op (see
`symc.rewrite.branches`), which computes the inner graph of the branch that is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import is_discrete
from ..errors import user_message
from ..graph.graph import Graph, clone_get_equiv
from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp, run_perform
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..graph.walk import ancestors, toposort
from ..loop.protocol import BranchSpec
from ..scalar.logic import eq
from ..scalar.logic import neq as neq_sizes
from ..scalar.logic import switch as switch_sizes
from .alloc import zeros_like
from .math import neq
from .shape import patternbroadcast

__all__ = ["Branches", "GradientIfElse", "IfElse", "ifelse"]


class IfElse(BuiltinOp):
    """One of two lists of values: ``op(condition, *then_values, *else_values)``.

    Parameters
    ----------
    n_outs : int
        Number of values of a branch.
    as_view : bool
        Accepted as in Theano; where the result lives is decided by the memory planner.
    name : str, optional
    """

    def __init__(self, n_outs: int, as_view: bool = False, name: str | None = None) -> None:
        if n_outs < 1:
            raise ValueError(f"a branch has at least one value, got n_outs={n_outs}")
        self.n_outs = n_outs
        self.as_view = as_view
        self.name = name

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and self.n_outs == other.n_outs

    def __hash__(self) -> int:
        return hash((type(self), self.n_outs))

    def __str__(self) -> str:
        return f"if{{{self.name}}}" if self.name else "if"

    def make_node(self, condition: Any, *values: Any) -> Apply:
        if len(values) != 2 * self.n_outs:
            raise ValueError(
                f"{self} takes a condition and {2 * self.n_outs} values, got {len(values)}"
            )
        variables = [v if isinstance(v, Variable) else as_tensor_variable(v) for v in values]
        pairs = [
            _joined(k, a, b)
            for k, (a, b) in enumerate(
                zip(variables[: self.n_outs], variables[self.n_outs :], strict=True)
            )
        ]
        thens, elses = [a for a, _ in pairs], [b for _, b in pairs]
        return Apply(self, [_truth(condition), *thens, *elses], [a.type() for a in thens])

    def split(self, values: Sequence[Any]) -> tuple[list[Any], list[Any]]:
        """What belongs to the first branch, and to the other, of a list without the condition."""
        return list(values[: self.n_outs]), list(values[self.n_outs :])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Choose among values that are there."""
        chosen = self.split(inputs[1:])[0 if inputs[0] else 1]
        for cell, value in zip(output_storage, chosen, strict=True):
            cell[0] = value.copy() if isinstance(value, np.ndarray) else value

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[Any]:
        thens, elses = self.split(in_shapes[1:])
        return [_one_of(ctx, a, b) for a, b in zip(thens, elses, strict=True)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """A value of a branch is connected with the output that it may become."""
        count = self.n_outs
        return [
            [False] * count,
            *([i % count == k for k in range(count)] for i in range(2 * count)),
        ]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """The gradient goes into the branch that was taken; the other one gets zeros."""
        condition, *values = inputs
        known = [
            k for k, g in enumerate(g_outputs) if not isinstance(g.type, DisconnectedType)
        ]
        result: list[Any] = [disconnected_type() for _ in inputs]
        if not known:
            return result
        thens, elses = self.split(values)
        given = [g_outputs[k] for k in known]
        taken = [*given, *(zeros_like(elses[k], dtype=g_outputs[k].dtype) for k in known)]
        other = [*(zeros_like(thens[k], dtype=g_outputs[k].dtype) for k in known), *given]
        made = GradientIfElse(2 * len(known), name=self.name and f"gradient of {self.name}")(
            condition, *taken, *other, return_list=True
        )
        for place, k in enumerate(known):
            result[1 + k] = made[place]
            result[1 + self.n_outs + k] = made[len(known) + place]
        return result

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        """The derivative of the branch that was taken."""
        condition, *values = inputs
        points = [
            zeros_like(v) if p is None else p for v, p in zip(values, eval_points[1:], strict=True)
        ]
        made: list[Any] = self(condition, *points, return_list=True)
        return made


class GradientIfElse(IfElse):
    """The gradients of an `IfElse`: of one branch they are zero, and so is all that follows."""


def _truth(condition: Any) -> Any:
    condition = as_tensor_variable(condition)
    if condition.type.ndim:
        raise TypeError(
            user_message(
                "the condition of ifelse must be one truth value",
                got=f"{condition} of type {condition.type}",
                hint="reduce it with all() or any(), or use switch, which chooses elementwise",
                where=user_line(condition) or None,
            )
        )
    return condition if is_discrete(condition.type.dtype) else neq(condition, 0)


def _joined(k: int, a: Variable, b: Variable) -> tuple[Any, Any]:
    """Two values of one type; an axis is broadcastable if it is in both."""
    if a.type == b.type:
        return a, b
    x, y = a.type, b.type
    if not (isinstance(x, TensorType) and isinstance(y, TensorType)):
        for first, second, swap in ((a, b, False), (b, a, True)):
            try:
                filtered = first.type.filter_variable(second)
            except (TypeError, NotImplementedError):
                continue
            return (filtered, first) if swap else (first, filtered)
        raise TypeError(_differ(k, a, b, "convert one of them"))
    if x.ndim != y.ndim:
        raise TypeError(_differ(k, a, b, "give them the same number of axes"))
    if x.dtype != y.dtype:
        raise TypeError(_differ(k, a, b, "convert one of them with astype"))
    pattern = tuple(p and q for p, q in zip(x.broadcastable, y.broadcastable, strict=True))
    return patternbroadcast(a, pattern), patternbroadcast(b, pattern)


def _differ(k: int, a: Variable, b: Variable, hint: str) -> str:
    return user_message(
        f"value {k} of the two branches of ifelse has two types",
        got=[f"then: {a} of type {a.type}", f"else: {b} of type {b.type}"],
        expected="one type, whatever the condition",
        hint=hint,
        where=user_line(a) or user_line(b) or None,
    )


def _one_of(ctx: Any, then: Any, other: Any) -> Any:
    """Lengths that depend on the condition where they differ."""
    if then is None or other is None:
        return None
    return tuple(
        a if a is b else switch_sizes(neq_sizes(ctx.value(0), 0), a, b)
        for a, b in zip(then, other, strict=True)
    )


def ifelse(
    condition: Any, then_branch: Any, else_branch: Any, name: str | None = None
) -> Any:
    """Choose between two values, and compute only the one chosen.

    Parameters
    ----------
    condition : scalar variable
        True where it is not 0.
    then_branch, else_branch : variable, or list or tuple of them
        Of the same types; a length that is known to be 1 in one branch only is no part of it.
        Numbers take the dtype of the other branch.
    name : str, optional

    Returns
    -------
    variable, or list or tuple of them
        As `then_branch`.

    Raises
    ------
    TypeError
        If the branches have different types, or the condition is not a scalar.
    ValueError
        If the branches have different numbers of values.

    Notes
    -----
    `symc.tensor.switch` chooses elementwise among values that have both been computed. What the
    branch that is not taken needs is not run, so neither its errors nor its messages appear;
    what is needed elsewhere, too, is computed in any case.
    """
    several = isinstance(then_branch, (list, tuple))
    thens = list(then_branch) if several else [then_branch]
    elses = list(else_branch) if isinstance(else_branch, (list, tuple)) else [else_branch]
    if len(thens) != len(elses):
        raise ValueError(
            user_message(
                "the two branches of ifelse have different numbers of values",
                got=f"{len(thens)} then, {len(elses)} else",
            )
        )
    values = [_as_values(a, b) for a, b in zip(thens, elses, strict=True)]
    made = IfElse(len(thens), name=name)(
        condition, *(a for a, _ in values), *(b for _, b in values), return_list=True
    )
    if not several:
        return made[0]
    return tuple(made) if isinstance(then_branch, tuple) else made


def _as_values(a: Any, b: Any) -> tuple[Any, Any]:
    """Two values as variables; a number takes the dtype of the other one."""
    if isinstance(a, Variable) == isinstance(b, Variable):
        return (a, b) if isinstance(a, Variable) else (as_tensor_variable(a), as_tensor_variable(b))
    if isinstance(a, Variable):
        return a, _like(b, a)
    return _like(a, b), b


def _like(value: Any, variable: Variable) -> Any:
    if not isinstance(variable.type, TensorType) or isinstance(value, np.ndarray):
        return as_tensor_variable(value)
    made = as_tensor_variable(value)
    kept = np.asarray(value).astype(variable.type.dtype)
    return as_tensor_variable(kept) if np.array_equal(kept, np.asarray(value)) else made


class Branches(BuiltinOp):
    """The branch that is taken, computed by its own inner graph: ``op(condition, *captured)``.

    Parameters
    ----------
    inputs : sequence of Variable
        Inner inputs of both branches, in the order of the operands.
    outputs : sequence of Variable
        What the first branch computes, then as many outputs of the other. The branches share
        nothing but constants.
    name : str, optional
    """

    def __init__(
        self, inputs: Sequence[Variable], outputs: Sequence[Variable], name: str | None = None
    ) -> None:
        self.inputs = list(inputs)
        half = len(outputs) // 2
        thens, elses = list(outputs[:half]), list(outputs[half:])
        computed = {v for v in ancestors(thens) if v.owner is not None}
        if any(v in computed for v in ancestors(elses)):
            memo = clone_get_equiv(self.inputs, elses, copy_inputs=False, copy_orphans=False)
            elses = [memo[v] for v in elses]
        self.outputs = [*thens, *elses]
        self.name = name

    @property
    def half(self) -> int:
        """Number of outputs of a branch."""
        return len(self.outputs) // 2

    @cached_property
    def inner_graph(self) -> Graph:
        """The inner graphs; printers show them."""
        return Graph(self.inputs, self.outputs)

    @cached_property
    def _key(self) -> str:
        return str(self.inner_graph.fingerprint_key())

    def __eq__(self, other: object) -> bool:
        return self is other or (type(other) is Branches and self._key == other._key)

    def __hash__(self) -> int:
        return hash(self._key)

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What makes two conditions the same."""
        return ("Branches", self._key)

    def __str__(self) -> str:
        return f"if{{{self.name}}}" if self.name else "if"

    def private(self) -> Branches:
        """The same branches with inner variables of their own."""
        memo = clone_get_equiv(self.inputs, self.outputs, copy_inputs=True, copy_orphans=False)
        return Branches(
            [memo[v] for v in self.inputs], [memo[v] for v in self.outputs], self.name
        )

    def rebuilt(self, outputs: Sequence[Variable]) -> Branches:
        """Branches with other outputs, computed from the same inner inputs."""
        return Branches(self.inputs, outputs, self.name)

    def make_node(self, *operands: Any) -> Apply:
        if len(operands) != 1 + len(self.inputs):
            raise ValueError(f"{self} takes {1 + len(self.inputs)} operands, got {len(operands)}")
        return Apply(self, list(operands), [v.type() for v in self.outputs[: self.half]])

    @cached_property
    def _orders(self) -> tuple[list[Apply], list[Apply]]:
        half = self.half
        return (
            toposort(self.outputs[:half], self.inputs),
            toposort(self.outputs[half:], self.inputs),
        )

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Compute the branch that is taken, node by node."""
        values: dict[Variable, Any] = dict(zip(self.inputs, inputs[1:], strict=True))

        def value(variable: Variable) -> Any:
            return variable.data if isinstance(variable, Constant) else values[variable]

        taken = 0 if inputs[0] else 1
        for inner in self._orders[taken]:
            found = run_perform(inner, [value(v) for v in inner.inputs])
            values.update(zip(inner.outputs, found, strict=True))
        chosen = self.outputs[taken * self.half :][: self.half]
        for cell, variable in zip(output_storage, chosen, strict=True):
            result = value(variable)
            cell[0] = result.copy() if isinstance(result, np.ndarray) else result

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[Any]:
        condition = ctx.value(0)
        of_first = {v for v in ancestors(self.outputs[: self.half]) if v.owner is None}
        for i, (inner, shape) in enumerate(zip(self.inputs, in_shapes[1:], strict=True)):
            if shape is None:
                continue
            taken = neq_sizes(condition, 0) if inner in of_first else eq(condition, 0)
            ctx.bind_shape(inner, shape, taken)
            ctx.bind_value(inner, 1 + i)
        result: list[Any] = []
        for k, out in enumerate(node.outputs):
            if not isinstance(out.type, TensorType):
                result.append(None)
                continue
            lengths = _one_of(
                ctx,
                ctx.inner_shape(self.outputs[k]),
                ctx.inner_shape(self.outputs[self.half + k]),
            )
            result.append(
                tuple(
                    n if ctx.outside(n) else ctx.unknown(k, axis)
                    for axis, n in enumerate(lengths)
                )
            )
        return result

    def branches(self, node: Apply) -> BranchSpec:
        """How the branches run in native code."""
        return BranchSpec(
            tuple(self.inputs),
            (tuple(self.outputs[: self.half]), tuple(self.outputs[self.half :])),
        )
