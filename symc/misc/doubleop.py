"""``symc.misc.doubleop``: an op of one page, for tutorials and tests."""

from __future__ import annotations

from typing import Any

from ..array.convert import as_tensor_variable
from ..graph.node import Apply
from ..graph.op import Op

__all__ = ["DoubleOp"]


class DoubleOp(Op):
    """Twice its operand."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        """Return the application to a tensor."""
        x = as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store twice the array."""
        output_storage[0][0] = inputs[0] * 2

    def infer_shape(self, node: Apply, in_shapes: list[Any]) -> list[Any]:
        """Return the shape of the operand."""
        return in_shapes

    def grad(self, inputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """Return twice the gradient."""
        return [g_outputs[0] * 2]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        """Return twice the derivative."""
        return [None if eval_points[0] is None else self(eval_points[0])]
