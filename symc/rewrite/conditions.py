"""Gradients of conditions: what is zero unless a branch is taken is computed in that branch.

The gradient of `ifelse` hands zeros to the branch that was not taken, and what the chain rule makes
of them is zero, too. Here the condition moves down to where such values are added to others, so
that the gradient of a branch is computed only if the branch is taken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import constant
from ..array.type import TensorType
from ..graph.graph import clone_get_equiv
from ..graph.node import Apply, Variable
from ..ops.alloc import Alloc, zeros_like
from ..ops.control import Assert
from ..ops.dimshuffle import DimShuffle
from ..ops.dot import Dot
from ..ops.elemwise import Elemwise, elemwise_of
from ..ops.grad_control import GRADIENT_CONTROLS
from ..ops.ifelse import GradientIfElse, IfElse
from ..ops.reduce import Sum
from ..ops.shape import Rebroadcast, Reshape
from ..ops.sizes import Shape_i
from ..ops.slice import Subtensor
from ..ops.sum_to import SumTo
from ..scalar.logic import second
from .values import constant_value

__all__ = ["sunk_conditions"]

Gate = tuple[Variable, bool]
Gates = tuple[Gate, ...]
"""Conditions, and the values that they must have, lest a variable is zero; the outermost first."""

_second = elemwise_of(second)
_OF_FIRST = (DimShuffle, Rebroadcast, Reshape, Subtensor, Sum, SumTo)


def sunk_conditions(outputs: Sequence[Variable], order: Sequence[Apply]) -> list[Variable]:
    """`outputs`, in which values that vanish with a condition are computed under it."""
    return _Sinking().run(outputs, order)


class _Sinking:
    """Goes through a graph in order.

    Attributes
    ----------
    final : dict
        What a variable has become.
    gates : dict
        Per variable that vanishes the conditions.
    open : dict
        Per variable that vanishes its value where it does not.
    shut : dict
        Per variable that vanishes, and per gate, what has its shape where that gate is shut: the
        two branches of a condition may have different lengths.
    """

    def __init__(self) -> None:
        self.final: dict[Variable, Variable] = {}
        self.gates: dict[Variable, Gates] = {}
        self.open: dict[Variable, Variable] = {}
        self.shut: dict[Variable, dict[Gate, Variable]] = {}

    def run(self, outputs: Sequence[Variable], order: Sequence[Apply]) -> list[Variable]:
        """The outputs with conditions further down."""
        for node in order:
            gates = () if isinstance(node.op, IfElse) else _through(node, self.gates)
            if gates:
                inputs = [
                    self.open[v] if self.gates.get(v) else self._closed(v) for v in node.inputs
                ]
                made = node.clone_with_new_inputs(inputs)
                self.gates[node.outputs[0]] = gates
                self.open[node.outputs[0]] = made.outputs[0]
                self.shut[node.outputs[0]] = {g: self._without(node, g) for g in gates}
                continue
            if isinstance(node.op, GradientIfElse):
                self._meet(node)
            if all(out in self.gates for out in node.outputs):
                continue
            inputs = [self._closed(v) for v in node.inputs]
            if any(a is not b for a, b in zip(inputs, node.inputs, strict=True)):
                made = node.clone_with_new_inputs(inputs)
                self.final.update(zip(node.outputs, made.outputs, strict=True))
        return [self._closed(v) for v in outputs]

    def _meet(self, node: Apply) -> None:
        """Note which outputs of a condition are zero in one of its branches."""
        condition = self._closed(node.inputs[0])
        thens, elses = node.op.split(node.inputs[1:])
        for out, a, b in zip(node.outputs, thens, elses, strict=True):
            if not isinstance(out.type, TensorType) or _is_zero(a) == _is_zero(b):
                continue
            value, zero, side = (b, a, False) if _is_zero(a) else (a, b, True)
            before = self.gates.get(value, ())
            if (condition, not side) in before:
                continue  # zero in both branches, which the conditions say themselves
            inner = [g for g in before if g[0] is not condition]
            self.gates[out] = ((condition, side), *inner)
            self.open[out] = self.open[value] if before else self._closed(value)
            self.shut[out] = {
                (condition, side): self._closed(zero),
                **{g: self.shut[value][g] for g in inner},
            }

    def _without(self, node: Apply, gate: Gate) -> Variable:
        """What has the shape of the output of `node` where `gate` is shut."""
        inputs = [
            self.shut[v][gate] if gate in self.gates.get(v, ()) else self._closed(v)
            for v in node.inputs
        ]
        return node.clone_with_new_inputs(inputs).outputs[0]

    def _closed(self, variable: Variable) -> Variable:
        """The value of a variable, be it zero or not."""
        gates = self.gates.get(variable)
        if variable in self.final or not gates:
            return self.final.get(variable, variable)
        made: Any = self.open[variable]
        for condition, side in reversed(gates):
            nothing = _zeros(self.shut[variable][condition, side])
            made = IfElse(1)(condition, *((made, nothing) if side else (nothing, made)))
        self.final[variable] = made
        return made  # type: ignore[no-any-return]


def _through(node: Apply, gates: dict[Variable, Gates]) -> Gates:
    """The gates of the output of a node, if it is zero where its operands are."""
    found = [gates.get(v, ()) for v in node.inputs]
    if not any(found) or len(node.outputs) != 1:
        return ()
    op = node.op
    if isinstance(op, _OF_FIRST):
        return found[0] if not any(found[1:]) else ()
    if isinstance(op, Dot):
        return _joint(found)
    if not isinstance(op, Elemwise):
        return ()
    name = op.scalar_op.name
    if name == "mul":
        return _joint(found)
    if name in ("neg", "identity") or name.startswith("convert_to_float"):
        return found[0]
    if name == "true_div":
        return found[0] if not found[1] else ()
    if name == "second":
        return found[1] if not found[0] else ()
    if name in ("add", "sub"):
        return found[0] if all(f == found[0] for f in found) else ()
    if name == "switch":
        return _of_branches(node, found)
    return ()


def _of_branches(node: Apply, found: Sequence[Gates]) -> Gates:
    """The gates of an elementwise choice; a zero vanishes always."""
    if found[0]:
        return ()
    left = [f for v, f in zip(node.inputs[1:], found[1:], strict=True) if not _is_zero(v)]
    return left[0] if left and all(f == left[0] for f in left) else ()


def _joint(found: Sequence[Gates]) -> Gates:
    """The gates of a product."""
    return tuple(dict.fromkeys(g for gates in found for g in gates))


def _is_zero(variable: Any) -> bool:
    """Whether a variable was written as zeros."""
    while variable.owner is not None:
        op = variable.owner.op
        if isinstance(op, (DimShuffle, Rebroadcast, Alloc)):
            variable = variable.owner.inputs[0]
        elif isinstance(op, Elemwise) and op.scalar_op.name == "second":
            variable = variable.owner.inputs[1]
        else:
            return False
    return constant_value(variable) == 0


def _zeros(model: Any) -> Any:
    """Zeros of the shape of `model`, which nothing else has to be computed for.

    What tells the shape is a copy: were it shared with the branch that computes `model`, both
    branches would need it, and it would be computed in any case.
    """
    zeros: Any = constant(np.zeros((1,) * model.type.ndim, model.type.dtype))
    for variable in _shaping(model):
        zeros = _second(_copied(variable), zeros)
    return zeros if zeros.type == model.type else zeros_like(_copied(model))


def _shaping(whole: Variable) -> list[Variable]:
    """Variables that have the shape of `whole` if they are broadcast together."""
    found: dict[Variable, None] = {}
    seen: set[Variable] = set()
    pending: list[Any] = [whole]
    while pending:
        variable = pending.pop()
        if variable in seen or all(variable.type.broadcastable):
            continue
        seen.add(variable)
        op = None if variable.owner is None else variable.owner.op
        if isinstance(op, Elemwise):
            pending.extend(variable.owner.inputs)
        elif isinstance(op, (Assert, *GRADIENT_CONTROLS)):
            pending.append(variable.owner.inputs[0])
        elif isinstance(op, SumTo) and (model := _summed_like(variable)) is not None:
            pending.append(model)
        else:
            found[variable] = None
    return list(found)


def _summed_like(total: Variable) -> Variable | None:
    """The variable whose lengths the result of a `SumTo` has, if one gives them all."""
    models = {
        n.owner.inputs[0] if n.owner is not None and isinstance(n.owner.op, Shape_i) else None
        for n in total.owner.inputs[1:]  # type: ignore[union-attr]
    }
    (model,) = models if len(models) == 1 else (None,)
    return model if model is not None and model.type.ndim == total.type.ndim else None


def _copied(variable: Variable) -> Variable:
    if variable.owner is None:
        return variable
    return clone_get_equiv([], [variable], copy_inputs=False, copy_orphans=False)[variable]
