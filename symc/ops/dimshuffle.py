"""Permute, drop and insert axes; a view of its operand."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..array.type import TensorType
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType
from ..graph.trace import user_line
from ..loop.protocol import ViewSpec
from .support import NOWHERE

__all__ = ["DimShuffle", "dimshuffle", "pad_left", "transpose"]


class DimShuffle(BuiltinOp):
    """Output axis d is input axis ``new_order[d]``, or a new axis of length 1 where that is 'x'.

    Parameters
    ----------
    input_broadcastable : sequence of bool
        Pattern of the operand.
    new_order : sequence of (int or 'x')
        Axes that are left out must be broadcastable.
    inplace : bool
        Accepted for Theano's sake: the result is always a view.

    Attributes
    ----------
    shuffle : list of int
        The input axes kept, in their new order.
    drop : list of int
        The input axes left out.
    augment : list of int
        The output axes that are new.

    Examples
    --------
    ``DimShuffle((False, False), (1, 'x', 0))`` takes shape (2, 3) to (3, 1, 2).
    """

    __props__ = ("input_broadcastable", "new_order", "inplace")
    view_map = {0: [0]}  # noqa: RUF012 - the contract's name and form

    def __init__(
        self, input_broadcastable: Sequence[Any], new_order: Sequence[Any], inplace: bool = True
    ) -> None:
        self.input_broadcastable = tuple(bool(b) for b in input_broadcastable)
        self.new_order = tuple(d if d == "x" else _axis(d) for d in new_order)
        self.inplace = inplace
        ndim = len(self.input_broadcastable)
        kept = [d for d in self.new_order if d != "x"]
        if any(not 0 <= d < ndim for d in kept) or len(set(kept)) != len(kept):
            raise ValueError(
                user_message(
                    f"dimshuffle{self.new_order} does not fit an operand of rank {ndim}",
                    expected=f"each axis from 0 to {ndim - 1} at most once, and any number of 'x'",
                )
            )
        self.shuffle = kept
        self.drop = [d for d in range(ndim) if d not in kept]
        self.augment = [i for i, d in enumerate(self.new_order) if d == "x"]
        for d in self.drop:
            if not self.input_broadcastable[d]:
                raise ValueError(
                    user_message(
                        f"dimshuffle can't drop axis {d}: its length may differ from 1",
                        got=f"pattern {self.input_broadcastable}, order {self.new_order}",
                        hint=f"index it, x[{'..., ' if d else ''}0], or promise the length first: "
                        f"addbroadcast(x, {d})",
                    )
                )

    @property
    def is_transpose(self) -> bool:
        """Whether axes are permuted and nothing else."""
        return not self.drop and not self.augment

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        if x.type.broadcastable != self.input_broadcastable and not self._fits(x):
            raise TypeError(
                user_message(
                    f"{self} was made for another operand",
                    got=f"{x} of type {x.type} with pattern {x.type.broadcastable}",
                    expected=f"pattern {self.input_broadcastable}",
                    where=user_line(x) or None,
                )
            )
        old = x.type.broadcastable
        pattern = [True if d == "x" else old[d] for d in self.new_order]
        out = TensorType(x.type.dtype, pattern).make_variable()
        known = known_lengths(x)
        note_lengths(out, tuple(1 if d == "x" else known[d] for d in self.new_order))
        return Apply(self, [x], [out])

    def _fits(self, x: Any) -> bool:
        """Whether an operand that promises more than the one this op was made for is given."""
        given = x.type.broadcastable
        return len(given) == len(self.input_broadcastable) and all(
            g or not b for g, b in zip(given, self.input_broadcastable, strict=True)
        )

    def numpy(self, *arrays: Any) -> Any:
        (x,) = arrays
        for d in self.drop:
            if x.shape[d] != 1:
                raise ShapeError(
                    user_message(
                        f"dimshuffle{self.new_order} drops axis {d}, which must have length 1",
                        got=f"shape {x.shape}",
                    )
                )
        rank = {d: i for i, d in enumerate(sorted(self.shuffle))}
        kept = np.squeeze(x, axis=tuple(self.drop)).transpose([rank[d] for d in self.shuffle])
        return np.expand_dims(kept, axis=tuple(self.augment))

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        (lengths,) = in_shapes
        return [tuple(1 if d == "x" else lengths[d] for d in self.new_order)]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        source: list[Any] = [0] * len(self.input_broadcastable)
        for d, i in zip(self.new_order, idx, strict=True):
            if d != "x":
                source[d] = i
        return read(0, tuple(source))

    def view(self, node: Apply, ctx: Any) -> ViewSpec:
        axes = tuple((None, 0) if d == "x" else (d, 1) for d in self.new_order)
        return ViewSpec(0, axes, (0,) * len(self.input_broadcastable))

    def signed_by(self, node: Apply) -> list[Any]:
        """The result is non-negative where the operand is."""
        return [node.inputs[0]]

    def support(self, node: Apply, of: Any) -> Any:
        """The operand's support, with its axes permuted; see `ops.support`."""
        inside = of(node.inputs[0])
        if inside is None or inside is NOWHERE:
            return inside
        return self(inside) if self._fits(inside) else None

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g]
        back: list[Any] = ["x"] * len(self.input_broadcastable)
        for i, d in enumerate(self.new_order):
            if d != "x":
                back[d] = i
        pattern = list(g.type.broadcastable)
        if not all(pattern[i] for i in self.augment):
            g = g.with_pattern([b or i in self.augment for i, b in enumerate(pattern)])
        return [dimshuffle(g, back)]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        (point,) = eval_points
        return [None if point is None else self(point)]

    def __str__(self) -> str:
        inside = ",".join(map(str, self.new_order))
        return f"{'Inplace' if self.inplace else ''}DimShuffle{{{inside}}}"


def _axis(d: Any) -> int:
    if isinstance(d, (int, np.integer)) and not isinstance(d, bool):
        return int(d)
    raise TypeError(f"an axis must be an int or 'x', got {d!r}")


def dimshuffle(x: Any, *pattern: Any) -> Any:
    """Permute, drop and insert axes.

    Parameters
    ----------
    x : tensor
    *pattern : int or 'x'
        For each axis of the result, the axis of `x` it is, or 'x' for a new one of length 1;
        also as one list. Axes of `x` left out must be broadcastable.

    Returns
    -------
    tensor
        A view of `x`; `x` itself if the pattern is the identity.

    Examples
    --------
    >>> from symc.array.constructors import matrix
    >>> dimshuffle(matrix(), 1, 'x', 0).type
    TensorType(float64, (False, True, False))
    """
    x = as_tensor_variable(x)
    if len(pattern) == 1 and isinstance(pattern[0], (list, tuple)):
        pattern = tuple(pattern[0])
    ndim = x.type.ndim
    pattern = tuple(
        d + ndim if isinstance(d, (int, np.integer)) and -ndim <= d < 0 else d for d in pattern
    )
    if pattern == tuple(range(ndim)):
        return x
    return DimShuffle(x.type.broadcastable, pattern)(x)


def pad_left(x: Any, ndim: int) -> Any:
    """Return `x` with new leading axes of length 1, so that it has `ndim` axes."""
    missing = ndim - x.type.ndim
    if missing <= 0:
        return x
    return _padding(x.type.broadcastable, missing)(x)


@functools.lru_cache(maxsize=1024)
def _padding(pattern: tuple[bool, ...], missing: int) -> DimShuffle:
    return DimShuffle(pattern, ("x",) * missing + tuple(range(len(pattern))))


def transpose(x: Any, axes: Sequence[int] | None = None) -> Any:
    """Permute the axes of `x`, by default reverse them.

    Parameters
    ----------
    x : tensor
    axes : sequence of int, optional
        Axis d of the result is axis ``axes[d]`` of `x`; negative axes count from the end.

    Returns
    -------
    tensor
        A view. A transposed variable named ``x`` is named ``x.T``.

    Raises
    ------
    ValueError
        If `axes` is not a permutation.
    """
    x = as_tensor_variable(x)
    ndim = x.type.ndim
    order = list(range(ndim))[::-1] if axes is None else [int(d) for d in axes]
    order = [d + ndim if d < 0 else d for d in order]
    if sorted(order) != list(range(ndim)):
        raise ValueError(
            user_message(
                "transpose needs each axis exactly once",
                got=f"axes={axes} for {x.type}",
                expected=f"a permutation of 0 to {ndim - 1}",
            )
        )
    result = dimshuffle(x, order)
    if x.name and axes is None and result is not x:
        result.name = f"{x.name}.T"
    return result
