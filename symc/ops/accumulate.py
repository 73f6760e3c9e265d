"""Sums and products along an axis, element by element: cumsum, cumprod, diff."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..dtypes import cumulative_dtype, is_discrete
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..scalar.logic import cast as cast_scalar
from .axes import normalize_axis
from .elemwise import cast
from .math import eq, switch
from .reduce import zero_gradient

__all__ = ["CumOp", "cumprod", "cumsum", "diff"]


class CumOp(BuiltinOp):
    """``y[k] = x[0] + ... + x[k]`` along an axis, or the product.

    Parameters
    ----------
    axis : int
        Not negative.
    mode : {"add", "mul"}
    """

    __props__ = ("axis", "mode")

    def __init__(self, axis: int, mode: str = "add") -> None:
        if mode not in ("add", "mul"):
            raise ValueError(f"mode of CumOp must be 'add' or 'mul', not {mode!r}")
        self.axis = int(axis)
        self.mode = mode

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        normalize_axis(self.axis, x.type.ndim)
        out = TensorType(cumulative_dtype(x.type.dtype), x.type.broadcastable)()
        note_lengths(out, known_lengths(x))
        return Apply(self, [x], [out])

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        accumulate = np.cumsum if self.mode == "add" else np.cumprod
        dtype = cumulative_dtype(x.dtype.name)
        work = "float32" if dtype == "float16" else dtype
        return accumulate(x, axis=self.axis, dtype=work).astype(dtype, copy=False)

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def emit(self, node: Apply, b: Any, ins: Sequence[Any], outs: Sequence[Any]) -> None:
        """One loop along the axis for each line of the tensor."""
        (x,), (y,) = ins, outs
        work = "float32" if y.dtype == "float16" else y.dtype
        others = [d for d in range(x.ndim) if d != self.axis]
        with b.loops([b.dim(x, d) for d in others]) as at:
            total = b.mutable(b.const(0 if self.mode == "add" else 1, work))
            with b.loop(b.dim(x, self.axis)) as k:
                where = [*at[: self.axis], k, *at[self.axis :]]
                value = cast_scalar(b.load(x, tuple(where)), work)
                b.assign(total, total + value if self.mode == "add" else total * value)
                b.store(y, tuple(where), cast_scalar(total, y.dtype))

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (x,), (y,), (g,) = inputs, outputs, g_outputs
        if is_discrete(y.type.dtype):
            return [zero_gradient(x)]
        if self.mode == "add":
            return [self._backwards(g)]
        # Each x[k] is a factor of y[k:], so its gradient is sum(g y)[k:] / x[k]. Where x[k] is 0
        # the quotient is 0 / 0; the product without that factor is found with a 1 in its place.
        zero = eq(x, 0)
        plain = self._backwards(g * y) / switch(zero, 1, x)
        first = eq(CumOp(self.axis)(cast(zero, "int64")), 1)
        without = CumOp(self.axis, "mul")(switch(zero & first, 1, x))
        through = self._backwards(switch(first, g * without, 0))
        return [switch(zero & first, through, switch(zero, 0, plain))]

    def _backwards(self, g: Any) -> Any:
        flip = (slice(None),) * self.axis + (slice(None, None, -1),)
        return CumOp(self.axis)(g[flip])[flip]

    def __str__(self) -> str:
        return f"CumOp{{{self.axis}, {self.mode}}}"


def _cumulate(x: Any, axis: int | None, mode: str) -> Any:
    x = as_tensor_variable(x)
    if axis is None:
        return CumOp(0, mode)(x.flatten())
    return CumOp(normalize_axis(axis, x.type.ndim), mode)(x)


def cumsum(x: Any, axis: int | None = None) -> Any:
    """Return the sums of the elements up to each one, as `numpy.cumsum`.

    Parameters
    ----------
    x : tensor_like
    axis : int, optional
        Default: of the flattened tensor.
    """
    return _cumulate(x, axis, "add")


def cumprod(x: Any, axis: int | None = None) -> Any:
    """Return the products of the elements up to each one, as `numpy.cumprod`."""
    return _cumulate(x, axis, "mul")


def diff(x: Any, n: int = 1, axis: int = -1) -> Any:
    """Return the `n`-th differences of neighbours along an axis, as `numpy.diff`.

    Raises
    ------
    ValueError
        If `n` is negative.
    """
    x = as_tensor_variable(x)
    if n < 0:
        raise ValueError(f"diff: the order must not be negative, got {n}")
    axis = normalize_axis(axis, x.type.ndim)
    whole = (slice(None),) * axis
    for _ in range(n):
        x = x[(*whole, slice(1, None))] - x[(*whole, slice(None, -1))]
    return x
