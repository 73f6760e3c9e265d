"""Identities of Theano's that say something about memory, which here the memory plan decides."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..graph.node import Apply, Variable
from ..graph.op import BuiltinOp, named_op

__all__ = ["DeepCopyOp", "OutputGuard", "ViewOp", "deep_copy_op", "output_guard", "view_op"]


class _Same(BuiltinOp):
    """Its operand, of any type."""

    __props__: tuple[str, ...] = ()

    def make_node(self, x: Any) -> Apply:
        x = x if isinstance(x, Variable) else as_tensor_variable(x)
        out = x.type()
        if hasattr(x.type, "broadcastable"):
            note_lengths(out, known_lengths(x))
        return Apply(self, [x], [out])

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[Any]:
        return [in_shapes[0]]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, tuple(idx))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return list(g_outputs)

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return list(eval_points)


class ViewOp(_Same):
    """Its operand, as another variable."""

    view_map = {0: [0]}  # noqa: RUF012 - the contract's name and form

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store the operand itself."""
        output_storage[0][0] = inputs[0]


class OutputGuard(ViewOp):
    """Its operand; Theano puts it where a result must not be overwritten."""


class DeepCopyOp(_Same):
    """A copy of its operand."""

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Store a deep copy."""
        output_storage[0][0] = copy.deepcopy(inputs[0])


view_op = named_op("view_op", ViewOp())
output_guard = named_op("output_guard", OutputGuard())
deep_copy_op = named_op("deep_copy_op", DeepCopyOp())
