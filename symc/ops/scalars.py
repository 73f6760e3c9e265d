"""Between 0-d tensors and scalar variables: `TensorFromScalar` and `ScalarFromTensor`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.scalartype import (
    ScalarApplication,
    ScalarOperators,
    as_scalar,
    get_scalar_type,
    replayed,
)
from ..array.type import TensorType
from ..array.variable import TensorOperators
from ..errors import AsTensorError, user_message
from ..graph.node import Apply, Constant
from ..graph.op import BuiltinOp, named_op
from ..graph.trace import user_line

__all__ = ["ScalarFromTensor", "TensorFromScalar", "scalar_from_tensor", "tensor_from_scalar"]


class TensorFromScalar(BuiltinOp):
    """The 0-d tensor that holds a scalar variable's number.

    Compiled, it is the graph of elementwise ops that the scalar graph stands for.
    """

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_scalar(x)
        return Apply(self, [x], [TensorType(x.type.dtype, ()).make_variable()])

    def numpy(self, *arrays: Any) -> Any:
        return np.asarray(arrays[0])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [()]

    def expand(self, node: Apply) -> list[Any] | None:
        """The scalar graph as a graph of tensors; None where there is nothing to replace."""
        (x,) = node.inputs
        if isinstance(x, Constant):
            return [as_tensor_variable(x.data)]
        if x.owner is None:
            return None
        tensors: dict[Any, Any] = {}
        pending = [x]
        while pending:
            v = pending.pop()
            if v in tensors or isinstance(v, Constant):
                continue
            if v.owner is not None and isinstance(v.owner.op, ScalarApplication):
                pending.extend(v.owner.inputs)
            elif v.owner is not None and isinstance(v.owner.op, ScalarFromTensor):
                tensors[v] = v.owner.inputs[0]
            else:
                tensors[v] = tensor_from_scalar(v)
        return replayed([x], tensors)

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [scalar_from_tensor(g_outputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0])]


class ScalarFromTensor(BuiltinOp):
    """The number that a 0-d tensor holds, as a scalar variable."""

    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if x.type.ndim:
            raise AsTensorError(
                user_message(
                    "only a 0-d tensor is one number",
                    got=f"{x} of type {x.type}",
                    expected="a tensor without axes",
                    where=user_line(x) or None,
                )
            )
        return Apply(self, [x], [get_scalar_type(x.type.dtype).make_variable()])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store the element."""
        output_storage[0][0] = np.asarray(inputs[0])[()]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [tensor_from_scalar(g_outputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0])]


tensor_from_scalar = named_op("tensor_from_scalar", TensorFromScalar())
scalar_from_tensor = named_op("scalar_from_tensor", ScalarFromTensor())


def _tensor_of(x: Any) -> Any:
    """A scalar variable where a tensor is wanted."""
    if x.owner is not None and isinstance(x.owner.op, ScalarFromTensor):
        return x.owner.inputs[0]
    return tensor_from_scalar(x)


def _scalar_of(x: Any) -> Any:
    """A 0-d tensor where a scalar variable is wanted."""
    return scalar_from_tensor(x)


# The two kinds of variables are a floor below and don't know each other.
ScalarOperators._as_TensorVariable = _tensor_of  # type: ignore[assignment,method-assign]
TensorOperators._as_scalar = _scalar_of  # type: ignore[attr-defined]
