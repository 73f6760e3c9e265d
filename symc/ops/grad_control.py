"""Identities that change the gradient: stop it, clip it, scale it, declare it undefined.

Forwards each is its operand, as a view; only ``L_op`` differs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..graph.node import Apply
from ..graph.op import BuiltinOp, named_op
from ..graph.special import DisconnectedType, NullType, disconnected_type
from .math import clip
from .reduce import zero_gradient

__all__ = [
    "GRADIENT_CONTROLS",
    "ConsiderConstant",
    "DisconnectedGrad",
    "GradClip",
    "GradScale",
    "UndefinedGrad",
    "ZeroGrad",
    "consider_constant",
    "disconnected_grad",
    "grad_clip",
    "grad_scale",
    "undefined_grad",
    "zero_grad",
]


class _Identity(BuiltinOp):
    """Its operand, seen as it is."""

    __props__: tuple[str, ...] = ()
    view_map = {0: [0]}  # noqa: RUF012 - the contract's name and form

    def make_node(self, x: Any) -> Apply:
        x = as_tensor_variable(x)
        out = x.type()
        note_lengths(out, known_lengths(x))
        return Apply(self, [x], [out])

    def numpy(self, *arrays: Any) -> Any:
        return arrays[0]

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, tuple(idx))

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [eval_points[0]]

    def __str__(self) -> str:
        return type(self).__name__


class ZeroGrad(_Identity):
    """The gradient is zero."""

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [zero_gradient(inputs[0])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None if eval_points[0] is None else zero_gradient(inputs[0])]


class ConsiderConstant(ZeroGrad):
    """The gradient is zero; the older name."""


class DisconnectedGrad(_Identity):
    """No gradient passes: for `grad` the operand is disconnected."""

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is disconnected."""
        return [[False]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [disconnected_type()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None]


class UndefinedGrad(_Identity):
    """The gradient is an error, if it is needed."""

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [NullType(f"undefined_grad was put on {inputs[0]}")()]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [None]


class GradClip(_Identity):
    """The gradient is limited to an interval, element by element.

    Parameters
    ----------
    clip_lower_bound, clip_upper_bound : float
    """

    __props__ = ("clip_lower_bound", "clip_upper_bound")

    def __init__(self, clip_lower_bound: float, clip_upper_bound: float) -> None:
        if clip_upper_bound < clip_lower_bound:
            raise ValueError(
                f"grad_clip: the bounds [{clip_lower_bound}, {clip_upper_bound}] are no interval"
            )
        self.clip_lower_bound = clip_lower_bound
        self.clip_upper_bound = clip_upper_bound

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g]
        return [clip(g, self.clip_lower_bound, self.clip_upper_bound)]


class GradScale(_Identity):
    """The gradient is multiplied with a number.

    Parameters
    ----------
    multiplier : float
    """

    __props__ = ("multiplier",)

    def __init__(self, multiplier: float) -> None:
        self.multiplier = multiplier

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        return [g if isinstance(g.type, DisconnectedType) else g * self.multiplier]


GRADIENT_CONTROLS = (
    ConsiderConstant,
    DisconnectedGrad,
    GradClip,
    GradScale,
    UndefinedGrad,
    ZeroGrad,
)
"""Ops that are the identity once gradients have been taken."""


zero_grad_ = named_op("zero_grad_", ZeroGrad())
consider_constant_ = named_op("consider_constant_", ConsiderConstant())
disconnected_grad_ = named_op("disconnected_grad_", DisconnectedGrad())
undefined_grad_ = named_op("undefined_grad_", UndefinedGrad())


def zero_grad(x: Any) -> Any:
    """Return `x`, through which the gradient is zero."""
    return zero_grad_(x)


def consider_constant(x: Any) -> Any:
    """Return `x`, through which the gradient is zero; `zero_grad` says it more plainly."""
    return consider_constant_(x)


def disconnected_grad(x: Any) -> Any:
    """Return `x`, disconnected for the gradient: ``grad`` treats it as not depending on `x`."""
    return disconnected_grad_(x)


def undefined_grad(x: Any) -> Any:
    """Return `x`, whose gradient is an error where it is needed."""
    return undefined_grad_(x)


def grad_clip(x: Any, lower_bound: float, upper_bound: float) -> Any:
    """Return `x`, whose gradient is clipped to ``[lower_bound, upper_bound]``.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dscalar("x")
    >>> float(symc.grad(symc.gradient.grad_clip(x, -1, 1) ** 2, x).eval({x: 5.0}))
    1.0
    """
    return GradClip(lower_bound, upper_bound)(x)


def grad_scale(x: Any, multiplier: float) -> Any:
    """Return `x`, whose gradient is multiplied with `multiplier`."""
    return GradScale(multiplier)(x)
