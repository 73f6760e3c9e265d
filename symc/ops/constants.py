"""What is a number that is known now: looking through ops for constant values."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable, is_number, scalar_constant
from ..array.lengths import sure_lengths
from ..errors import NotScalarConstantError, user_message
from ..graph.node import Constant, Variable
from ..graph.trace import user_line
from .alloc import Alloc
from .dimshuffle import DimShuffle
from .elemwise import Elemwise
from .join import Join
from .shape import Rebroadcast, Reshape, SpecifyShape
from .sizes import Shape, Shape_i
from .slice import Subtensor
from .vector import MakeVector

__all__ = ["extract_constant", "get_scalar_constant_value", "numpy_scalar"]

_SAME_ELEMENTS = (DimShuffle, Rebroadcast, SpecifyShape, Reshape, Alloc)


def numpy_scalar(data: Any) -> Any:
    """Return the number in an array that holds one number only, as a NumPy scalar.

    Raises
    ------
    NotScalarConstantError
        If the array is empty or holds several different numbers.
    """
    return scalar_constant(as_tensor_variable(data))


def get_scalar_constant_value(
    orig_v: Any,
    elemwise: bool = True,
    only_process_constants: bool = False,
    max_recur: int = 10,
) -> Any:
    """Return the value of a variable, all of whose elements are one number that is known now.

    Parameters
    ----------
    orig_v : number, array or tensor
    elemwise : bool
        Whether elementwise ops are looked through.
    only_process_constants : bool
        Whether only constants themselves count, and no op is looked through.
    max_recur : int
        Through how many elementwise ops, nested, one looks.

    Returns
    -------
    numpy.ndarray
        0-d.

    Raises
    ------
    NotScalarConstantError
        If there is no such number (EmptyConstantError for an empty constant).
    """
    v = orig_v
    while True:
        if is_number(v) or isinstance(v, (np.generic, np.ndarray, Constant)):
            return np.asarray(scalar_constant(as_tensor_variable(v)))
        if not isinstance(v, Variable) or v.owner is None or only_process_constants:
            raise NotScalarConstantError(_refusal(orig_v))
        op, operands = v.owner.op, v.owner.inputs
        if isinstance(op, _SAME_ELEMENTS):
            v = operands[0]
        elif isinstance(op, Shape_i):
            v = sure_lengths(operands[0])[op.i]
        elif isinstance(op, Subtensor):
            v = _element(v)
        elif isinstance(op, Elemwise) and op.scalar_op.name == "second":
            v = operands[1]
        elif isinstance(op, Elemwise) and elemwise and op.nout == 1 and max_recur > 0:
            values = [
                get_scalar_constant_value(x, elemwise, only_process_constants, max_recur - 1)
                for x in operands
            ]
            return np.asarray(op.numpy(*values), dtype=v.type.dtype)
        else:
            raise NotScalarConstantError(_refusal(orig_v))


def _element(v: Any) -> Any:
    """What ``vector[i]`` is, for a constant i and a vector whose parts are known; else None."""
    vector, *integers = v.owner.inputs
    if v.type.ndim or vector.type.ndim != 1 or vector.owner is None:
        return None
    if len(integers) != 1 or not isinstance(integers[0], Constant):
        return None
    position = int(integers[0].data)
    op, operands = vector.owner.op, vector.owner.inputs
    if isinstance(op, Shape):
        return sure_lengths(operands[0])[position]
    if isinstance(op, MakeVector):
        return operands[position]
    if isinstance(op, Join) and all(x.type.broadcastable == (True,) for x in operands[1:]):
        return operands[1:][position]
    return None


def _refusal(v: Any) -> str:
    return user_message(
        "this is not a number that is known when the graph is built",
        got=str(v),
        where=(user_line(v) or None) if isinstance(v, Variable) else None,
    )


def extract_constant(x: Any, elemwise: bool = True, only_process_constants: bool = False) -> Any:
    """Return the value that `get_scalar_constant_value` finds, or `x` itself if it finds none."""
    try:
        return get_scalar_constant_value(x, elemwise, only_process_constants)
    except NotScalarConstantError:
        return x
