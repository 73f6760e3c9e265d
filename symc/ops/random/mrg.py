"""L'Ecuyer's generator MRG31k3p, which old programs drive by hand.

P. L'Ecuyer and R. Touzin, "Fast combined multiple recursive generators with multipliers of the
form a = +-2**q +- 2**r", Winter Simulation Conference 2000. Two recurrences of order 3,
``x = 2**22 x'' + (2**7 + 1) x''' mod M1`` and ``y = 2**15 y' + (2**15 + 1) y''' mod M2``, give
``(x - y mod M1) / 2**31``. A state has six integers: the last three numbers of each, the latest
one first; streams are states that lie 2**72 steps apart. `RandomStreams` draw by Philox instead.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ...array.convert import as_tensor_variable
from ...array.lengths import known_lengths
from ...array.type import TensorType
from ...errors import ShapeError, user_message
from ...graph.node import Apply
from ...graph.op import BuiltinOp
from ...graph.trace import user_line
from ..vector import as_size_vector

__all__ = [
    "M1",
    "M2",
    "MASK2",
    "MASK12",
    "MASK13",
    "MULT2",
    "NORM",
    "A1p0",
    "A1p72",
    "A1p134",
    "A2p0",
    "A2p72",
    "A2p134",
    "DotModulo",
    "ff_2p72",
    "ff_2p134",
    "matVecModM",
    "mrg_next_value",
    "mrg_uniform",
    "mrg_uniform_base",
    "multMatVect",
]

M1, M2 = np.int32(2**31 - 1), np.int32(2**31 - 21069)
MASK12, MASK13, MASK2 = np.int32(2**9 - 1), np.int32(2**24 - 1), np.int32(2**16 - 1)
MULT2 = np.int32(21069)
NORM = 2.0**-31
BELOW_ONE = {
    "float64": (NORM, 2**32 - 1, 0),
    "float32": (float(np.nextafter(np.float32(NORM), np.float32(0))), 2**32 - 1, 0),
    "float16": (2.0**-15, 2**15 - 1, 1),
}
"""By dtype: the factor of the result, the bits of it that are used, and what is added to them."""


def _power(matrix: Any, modulus: Any, doublings: int) -> np.ndarray[Any, Any]:
    """``matrix ** (2 ** doublings)`` modulo a number below 2**31."""
    result = matrix.astype(object)
    for _ in range(doublings):
        result = result @ result % int(modulus)
    return result.astype(np.int64)


A1p0 = np.array([[0, 2**22, 2**7 + 1], [1, 0, 0], [0, 1, 0]], np.int64)
A2p0 = np.array([[2**15, 0, 2**15 + 1], [1, 0, 0], [0, 1, 0]], np.int64)
A1p72, A2p72 = _power(A1p0, M1, 72), _power(A2p0, M2, 72)
A1p134, A2p134 = _power(A1p0, M1, 134), _power(A2p0, M2, 134)


def matVecModM(A: Any, s: Any, m: Any) -> np.ndarray[Any, Any]:
    """Return ``A @ s mod m`` for integers below 2**31."""
    products = np.asarray(A, np.int64) * np.asarray(s, np.int64) % np.int64(m)
    return (products.sum(axis=1) % np.int64(m)).astype(np.int32)


def multMatVect(v: Any, A: Any, m1: Any, B: Any, m2: Any) -> np.ndarray[Any, Any]:
    """Return the first half of `v` multiplied by `A` modulo `m1`, the second by `B` modulo `m2`."""
    half = len(v) // 2
    return np.concatenate([matVecModM(A, v[:half], m1), matVecModM(B, v[half:], m2)])


def ff_2p134(rstate: Any) -> np.ndarray[Any, Any]:
    """Return the state 2**134 steps later."""
    return multMatVect(rstate, A1p134, M1, A2p134, M2)


def ff_2p72(rstate: Any) -> np.ndarray[Any, Any]:
    """Return the state 2**72 steps later: that of the next stream."""
    return multMatVect(rstate, A1p72, M1, A2p72, M2)


def _advanced(states: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The states (rows of six int64) one step later, their differences in the last column."""
    x = (2**22 * states[:, 1] + (2**7 + 1) * states[:, 2]) % int(M1)
    y = (2**15 * states[:, 3] + (2**15 + 1) * states[:, 5]) % int(M2)
    columns = [x, states[:, 0], states[:, 1], y, states[:, 3], states[:, 4]]
    return np.stack([*columns, np.where(x <= y, x - y + int(M1), x - y)], axis=1)


def mrg_next_value(rstate: Any, new_rstate: Any, NORM: Any, mask: Any, offset: Any) -> Any:
    """Return the next number of one state.

    Parameters
    ----------
    rstate : sequence of six int
    new_rstate : ndarray of int32, shape (6,)
        Gets the next state; may be `rstate` itself.
    NORM : float
        The factor of the result.
    mask, offset : int
        Which bits of the integer are used, and what is added to them.
    """
    row = _advanced(np.asarray(rstate, np.int64)[None])[0]
    new_rstate[...] = row[:6]
    return ((int(row[6]) & int(mask)) + int(offset)) * NORM


class DotModulo(BuiltinOp):
    """``A @ s mod m`` followed by ``A2 @ s2 mod m2``, of integer matrices and vectors."""

    __props__ = ()

    def make_node(self, A: Any, s: Any, m: Any, A2: Any, s2: Any, m2: Any) -> Apply:
        operands = [as_tensor_variable(v) for v in (A, s, m, A2, s2, m2)]
        ranks = [v.type.ndim for v in operands]
        if ranks != [2, 1, 0, 2, 1, 0]:
            raise TypeError(
                user_message(
                    "DotModulo takes a matrix, a vector and a modulus, twice",
                    got=", ".join(str(v.type) for v in operands),
                    where=user_line(operands[0]) or None,
                )
            )
        return Apply(self, operands, [TensorType(operands[1].type.dtype, (False,))()])

    def numpy(self, *arrays: Any) -> Any:
        a, s, m, a2, s2, m2 = arrays
        both = np.concatenate([matVecModM(a, s, m), matVecModM(a2, s2, m2)])
        return both.astype(s.dtype)

    def shape(self, node: Apply, in_shapes: Any, ctx: Any) -> list[tuple[Any, ...]]:
        return [(in_shapes[0][0] + in_shapes[3][0],)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is no smooth function."""
        return [[False] for _ in node.inputs]


class mrg_uniform_base(BuiltinOp):  # noqa: N801 - Theano's name
    """Uniform draws in (0, 1), element k from stream ``k % streams``.

    The operands are states, an int32 matrix with a row of six integers per stream, and the
    lengths of the draw; the results are the states afterwards and the draw.

    Parameters
    ----------
    output_type : TensorType
        Of the draw; a float type.
    inplace : bool
        Accepted for Theano's sake; memory is the planner's business.
    """

    __props__ = ("output_type",)

    def __init__(self, output_type: TensorType, inplace: bool = False) -> None:
        del inplace
        if output_type.dtype not in BELOW_ONE:
            raise TypeError(
                user_message("draws of MRG31k3p have a float dtype", got=str(output_type))
            )
        self.output_type = output_type

    @classmethod
    def new(cls, rstate: Any, ndim: int | None, dtype: str, size: Any) -> list[Any]:
        """Return the states afterwards and a draw of the given lengths.

        Parameters
        ----------
        rstate : int32 matrix
        ndim : int or None
            Rank of the draw; by default the number of lengths.
        dtype : str
        size : int, sequence of int or vector
        """
        lengths = as_size_vector([size] if isinstance(size, (int, np.integer)) else size)
        rank = known_lengths(lengths)[0] if ndim is None else ndim
        if rank is None:
            raise ValueError(user_message("the rank of the draw, ndim, is not known"))
        op = cls(TensorType(dtype, (False,) * rank))
        result: list[Any] = op(rstate, lengths, return_list=True)
        return result

    def make_node(self, rstate: Any, size: Any) -> Apply:
        states, lengths = as_tensor_variable(rstate), as_size_vector(size)
        if states.type.ndim != 2 or states.type.dtype != "int32":
            raise TypeError(
                user_message(
                    "the states of MRG31k3p are a matrix of int32, one row per stream",
                    got=str(states.type),
                    where=user_line(states) or None,
                )
            )
        return Apply(self, [states, lengths], [states.type(), self.output_type()])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """All streams make a step at once."""
        states, lengths = inputs[0].astype(np.int64), tuple(int(n) for n in inputs[1])
        if len(lengths) != self.output_type.ndim:
            raise ShapeError(f"a draw of rank {self.output_type.ndim} has {len(lengths)} lengths")
        streams, count = len(states), int(np.prod(lengths, dtype=np.int64))
        if states.shape[1:] != (6,) or (count and not streams):
            raise ShapeError(f"the states must have shape (streams, 6), got {states.shape}")
        norm, mask, offset = BELOW_ONE[self.output_type.dtype]
        drawn = np.empty(count, np.int64)
        for first in range(0, count, streams or 1):
            some = min(streams, count - first)
            stepped = _advanced(states[:some])
            states[:some], drawn[first : first + some] = stepped[:, :6], stepped[:, 6]
        values = ((drawn & mask) + offset) * np.dtype(self.output_type.dtype).type(norm)
        output_storage[0][0] = states.astype(np.int32)
        output_storage[1][0] = values.astype(self.output_type.dtype).reshape(lengths)

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that draws depend on no input smoothly."""
        return [[False, False], [False, False]]


class mrg_uniform(mrg_uniform_base):  # noqa: N801 - Theano's name
    """The op that Theano's processors run."""
