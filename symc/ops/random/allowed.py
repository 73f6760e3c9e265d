"""`Allowed`: a parameter that is known at run time only, checked where it is used."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ...array.lengths import known_lengths, note_lengths
from ...graph.node import Apply
from ...graph.op import BuiltinOp
from ...graph.special import disconnected_type
from ...scalar.logic import cast as cast_scalar
from ...scalar.logic import invert

__all__ = ["Allowed"]


class Allowed(BuiltinOp):
    """The first operand, after checking that all elements of the second one are true.

    The check is made in the kernel that reads the parameter, like that of an index.

    Parameters
    ----------
    name : str
        Of the parameter.
    expected : str
        What is allowed, in words.

    Raises
    ------
    ValueError
        When run, before anything is stored, if an element is not allowed.
    """

    __props__ = ("name", "expected")

    def __init__(self, name: str, expected: str) -> None:
        self.name, self.expected = name, expected

    @property
    def refusal(self) -> str:
        """The message of a failed check."""
        return f"the parameter {self.name} of this draw is out of range ({self.expected})"

    def make_node(self, x: Any, allowed: Any) -> Apply:
        out = x.type()
        note_lengths(out, known_lengths(x))
        return Apply(self, [x, allowed], [out])

    def numpy(self, *arrays: Any) -> Any:
        value, allowed = arrays
        if not np.all(allowed):
            raise ValueError(self.refusal)
        return value.copy()

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        read.index(cast_scalar(invert(read(1, idx)), "int64"), 1)
        return read(0, idx)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[True], [False]]

    def signed_by(self, node: Apply) -> list[Any]:
        """The result is non-negative where the operand is."""
        return [node.inputs[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [g_outputs[0], disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [eval_points[0]]

    def __str__(self) -> str:
        return f"Allowed{{{self.name}}}"
