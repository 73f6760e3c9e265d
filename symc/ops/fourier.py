"""Discrete Fourier transforms of real arrays, over all axes but the first.

A complex number is a pair along a last axis of length 2, as in Theano, so that everything stays
real and has an ordinary gradient.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.type import TensorType
from ..dtypes import is_complex
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.special import disconnected_type
from ..graph.trace import user_line
from .elemwise import cast
from .math import mul, sqrt
from .sizes import lengths as lengths_of
from .vector import as_size_vector
from .write import set_subtensor

__all__ = ["IRFFTOp", "RFFTOp", "irfft", "irfft_op", "rfft", "rfft_op"]

_NORMS = (None, "ortho", "no_norm")


def _floats(x: Any, what: str, least: int) -> Any:
    """`x` as a real tensor of at least `least` axes and single or double precision."""
    x = as_tensor_variable(x)
    if x.type.ndim < least or is_complex(x.type.dtype):
        raise ShapeError(
            user_message(
                f"{what} takes real arrays of at least {least} axes",
                got=f"{x} of type {x.type}",
                where=user_line(x) or None,
            )
        )
    if x.type.dtype in ("float32", "float64"):
        return x
    return cast(x, "float32" if x.type.dtype == "float16" else "floatX")


def _halves(g: Any, n: Any, factor: float) -> Any:
    """`g` with the frequencies that stand for two of them multiplied by `factor`."""
    inside = (slice(None),) * (g.type.ndim - 2) + (slice(1, (n + 1) // 2),)
    return set_subtensor(g[inside], g[inside] * factor)


class RFFTOp(BuiltinOp):
    """The transform of real arrays, not scaled.

    Operands: the array (batch first) and the lengths of the transform. The result has
    ``n // 2 + 1`` frequencies along the last axis that is transformed, and pairs behind it.
    """

    __props__ = ()

    def make_node(self, x: Any, s: Any = None) -> Apply:
        x = _floats(x, "rfft", 2)
        s = as_size_vector(lengths_of(x)[1:]) if s is None else as_size_vector(s)
        out = TensorType(x.type.dtype, (False,) * (x.type.ndim + 1))
        return Apply(self, [x, s], [out.make_variable()])

    def numpy(self, *arrays: Any) -> Any:
        x, s = arrays
        axes = tuple(range(1, x.ndim))
        found = np.fft.rfftn(x, s=tuple(int(n) for n in s), axes=axes)
        return np.stack([found.real, found.imag], -1).astype(x.dtype)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        *outer, last = ctx.vector(1)
        return [(in_shapes[0][0], *outer, last // 2 + 1, 2)]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the lengths are not connected."""
        return [[True], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        s = inputs[1]
        return [irfft_op(_halves(g_outputs[0], s[-1], 0.5), s), disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0], inputs[1])]


class IRFFTOp(BuiltinOp):
    """The transform back to real arrays, not scaled.

    Operands: the frequencies (batch first, pairs last) and the lengths of the result.
    """

    __props__ = ()

    def make_node(self, x: Any, s: Any = None) -> Apply:
        x = _floats(x, "irfft", 3)
        if s is None:
            *outer, last = lengths_of(x)[1:-1]
            s = (*outer, (last - 1) * 2)
        out = TensorType(x.type.dtype, (False,) * (x.type.ndim - 1))
        return Apply(self, [x, as_size_vector(s)], [out.make_variable()])

    def numpy(self, *arrays: Any) -> Any:
        x, s = arrays
        lengths = tuple(int(n) for n in s)
        values = x[..., 0] + 1j * x[..., 1]
        found = np.fft.irfftn(values, s=lengths, axes=tuple(range(1, x.ndim - 1)))
        return (found * np.prod(lengths)).astype(x.dtype)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [(in_shapes[0][0], *ctx.vector(1))]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the lengths are not connected."""
        return [[True], [False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        s = inputs[1]
        return [_halves(rfft_op(g_outputs[0], s), s[-1], 2.0), disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else self(eval_points[0], inputs[1])]


rfft_op = named_op("rfft_op", RFFTOp())
irfft_op = named_op("irfft_op", IRFFTOp())


def _check_norm(norm: str | None) -> None:
    if norm not in _NORMS:
        raise ValueError(f"norm must be None, 'ortho' or 'no_norm', got {norm!r}")


def _scaled(x: Any, divisor: Any) -> Any:
    return x / cast(divisor, x.type.dtype)


def rfft(inp: Any, norm: str | None = None) -> Any:
    """Transform real arrays over all axes but the first.

    Parameters
    ----------
    inp : tensor
        Batch first.
    norm : {None, "ortho", "no_norm"}
        Divide by the root of the number of elements (``"ortho"``), or by nothing.

    Returns
    -------
    tensor
        ``n // 2 + 1`` frequencies along the last axis, and a new last axis with real and imaginary
        parts.
    """
    _check_norm(norm)
    inp = as_tensor_variable(inp)
    found = rfft_op(inp)
    if norm == "ortho":
        return _scaled(found, sqrt(mul(*lengths_of(inp)[1:], 1)))
    return found


def irfft(inp: Any, norm: str | None = None, is_odd: bool = False) -> Any:
    """Transform back what `rfft` gives.

    Parameters
    ----------
    inp : tensor
        Batch first, pairs last.
    norm : {None, "ortho", "no_norm"}
        Divide by the number of elements (None), by its root (``"ortho"``), or by nothing.
    is_odd : bool
        Whether the length of the last axis was odd.
    """
    _check_norm(norm)
    if is_odd not in (True, False):
        raise ValueError(f"is_odd must be True or False, got {is_odd!r}")
    inp = as_tensor_variable(inp)
    *outer, last = lengths_of(inp)[1:-1]
    s = [*outer, (last - 1) * 2 + int(is_odd)]
    found = irfft_op(inp, s)
    if norm == "no_norm":
        return found
    count = mul(*s, 1)
    return _scaled(found, count if norm is None else sqrt(count))
