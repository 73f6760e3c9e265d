"""`MakeVector`: a vector from 0-d tensors; what lists of scalars and symbolic shapes become."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_operands, as_tensor_variable, constant
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import can_cast_safely, canonical, is_discrete, is_int, upcast
from ..errors import ShapeError, user_message
from ..graph.node import Apply, Constant, Variable
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType
from ..graph.trace import user_line
from ..scalar.logic import cast as cast_scalar
from .elemwise import cast
from .reduce import zero_gradient
from .sizes import Shape, choose_element

__all__ = [
    "MakeVector",
    "as_index_scalar",
    "as_size_vector",
    "get_vector_length",
    "make_vector",
]

_LONGEST_CHOICE = 32


class MakeVector(BuiltinOp):
    """The vector of its 0-d operands.

    Parameters
    ----------
    dtype : str
        Of the vector; every operand's dtype must convert to it without loss.
    """

    __props__ = ("dtype",)

    def __init__(self, dtype: Any = "int64") -> None:
        self.dtype = canonical(dtype)

    def make_node(self, *inputs: Any) -> Apply:
        operands = [as_tensor_variable(x) for x in inputs]
        for x in operands:
            if x.type.ndim or not can_cast_safely(x.type.dtype, self.dtype):
                raise TypeError(
                    user_message(
                        f"{self}: an operand does not fit",
                        got=f"{x} of type {x.type}",
                        expected=f"0-d tensors that convert to {self.dtype} without loss",
                        where=user_line(x) or None,
                    )
                )
        out = TensorType(self.dtype, (len(operands) == 1,))()
        note_lengths(out, (len(operands),))
        return Apply(self, operands, [out])

    def numpy(self, *arrays: Any) -> Any:
        return np.array([a[()] for a in arrays], dtype=self.dtype)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(len(node.inputs),)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        (index,) = idx
        count = len(node.inputs)
        if index.is_const and 0 <= int(index.value) < count:
            return cast_value(read(int(index.value), ()), self.dtype)
        if not 0 < count <= _LONGEST_CHOICE:
            return None
        values = [cast_value(read(i, ()), self.dtype) for i in range(count)]
        return choose_element(values, index, read.ctx)

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """Store one element after the other."""
        for position, x in enumerate(ins):
            b.store(outs[0], (position,), cast_value(b.load(x, ()), self.dtype))

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result depends on every operand."""
        return [[True] for _ in node.inputs]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g for _ in inputs]
        if is_discrete(self.dtype):
            return [zero_gradient(x) for x in inputs]
        return [
            g[i] if is_discrete(x.type.dtype) else cast(g[i], x.type.dtype)
            for i, x in enumerate(inputs)
        ]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        if all(p is None for p in eval_points):
            return [None]
        points = [
            zero_gradient(x) if p is None else p for x, p in zip(inputs, eval_points, strict=True)
        ]
        return [MakeVector(self.dtype)(*points)]

    def __str__(self) -> str:
        return f"MakeVector{{dtype={self.dtype!r}}}"


def cast_value(value: Any, dtype: str) -> Any:
    """Convert a scalar expression."""
    return value if value.dtype == dtype else cast_scalar(value, dtype)


def make_vector(parts: Sequence[Any]) -> Any:
    """Join 0-d tensors and numbers to a vector of their common dtype."""
    operands = as_operands(parts)
    return MakeVector(upcast(*(x.type.dtype for x in operands)))(*operands)


# ---------------------------------------------------------------------------------------------
# Sizes and indices that users give
# ---------------------------------------------------------------------------------------------


def as_index_scalar(x: Any, what: str = "a length") -> Any:
    """Return `x` as a 0-d int64 tensor.

    Parameters
    ----------
    x : int or 0-d integer tensor
    what : str
        What it is, for the error's text.

    Raises
    ------
    TypeError
        If it is not an integer.
    """
    if isinstance(x, (int, np.integer)) and not isinstance(x, (bool, np.bool_)):
        return constant(int(x), dtype="int64")
    if isinstance(x, float) and x.is_integer():
        return constant(int(x), dtype="int64")
    found = as_tensor_variable(x)
    if found.type.ndim and all_broadcastable(found):
        found = found.dimshuffle()
    if found.type.ndim or not is_int(found.type.dtype):
        raise TypeError(
            user_message(
                f"{what} must be an integer",
                got=f"{found} of type {found.type}",
                where=user_line(found) or None,
            )
        )
    return cast(found, "int64")


def all_broadcastable(x: Any) -> bool:
    """Tell whether `x` has exactly one element for certain."""
    return False not in x.type.broadcastable


def as_size_vector(sizes: Any, what: str = "a shape") -> Any:
    """Return what a user gives as a shape as an int64 vector, constant if it is known.

    Parameters
    ----------
    sizes : int, sequence of (int or 0-d integer tensor), or integer vector
    what : str
        What it is, for the error's text.
    """
    if isinstance(sizes, Variable):
        if sizes.type.ndim == 1:
            if not is_int(sizes.type.dtype):
                raise TypeError(
                    user_message(
                        f"{what} must be made of integers",
                        got=f"{sizes} of type {sizes.type}",
                        where=user_line(sizes) or None,
                    )
                )
            return cast(sizes, "int64")
        sizes = (sizes,)
    if isinstance(sizes, (int, float, np.generic)):
        sizes = (sizes,)
    scalars = [as_index_scalar(n, f"an entry of {what}") for n in sizes]
    if all_constant(scalars):
        return constant(np.array([int(s.data) for s in scalars], dtype="int64"))
    return MakeVector("int64")(*scalars)


def all_constant(variables: Sequence[Any]) -> bool:
    """Tell whether all are constants."""
    return not [v for v in variables if not isinstance(v, Constant)]


def get_vector_length(v: Any) -> int:
    """Return the length of a vector, where it is known while the graph is being built.

    Parameters
    ----------
    v : sequence or vector

    Raises
    ------
    TypeError
        If it is no vector.
    ShapeError
        If the length is not known (also a ValueError).
    """
    v = as_tensor_variable(v)
    if v.type.ndim != 1:
        raise TypeError(f"a vector is expected, got {v} of type {v.type}")
    (known,) = known_lengths(v)
    if known is not None:
        return known
    if v.owner is not None and isinstance(v.owner.op, MakeVector):
        return len(v.owner.inputs)
    if v.owner is not None and isinstance(v.owner.op, Shape):
        return int(v.owner.inputs[0].type.ndim)
    raise ShapeError(
        user_message(
            f"the length of {v} is not known when the graph is built",
            got=str(v.type),
            where=user_line(v) or None,
            hint="give ndim=, or a list of as many entries as there are axes",
        )
    )
