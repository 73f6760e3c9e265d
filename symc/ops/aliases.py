"""Theano's op classes for what is a composition here: an instance is called like the op.

``Flatten(2)(x)`` is ``flatten(x, 2)``. What they build is made of several ops (or of one with
another name), so no node of a graph has one of these as its op.
"""

from __future__ import annotations

from typing import Any

from ..array.convert import as_tensor_variable
from .accumulate import CumOp, diff
from .extra import permute_row_elements
from .gather import AdvancedSubtensor, AdvancedSubtensor1
from .repeat import repeat, tile
from .scatter import AdvancedIncSubtensor, advanced_inc_subtensor1, advanced_set_subtensor1
from .shape import flatten
from .statistics import mean
from .write import inc_subtensor, set_subtensor

__all__ = [
    "AdvancedBooleanIncSubtensor",
    "AdvancedBooleanSubtensor",
    "CumprodOp",
    "CumsumOp",
    "DiffOp",
    "Flatten",
    "Mean",
    "PermuteRowElements",
    "RepeatOp",
    "Tile",
    "advanced_boolean_inc_subtensor",
    "advanced_boolean_set_subtensor",
    "advanced_boolean_subtensor",
    "advanced_inc_subtensor",
    "advanced_inc_subtensor1",
    "advanced_set_subtensor",
    "advanced_set_subtensor1",
    "advanced_subtensor",
    "advanced_subtensor1",
    "cpu_contiguous",
]

AdvancedBooleanSubtensor = AdvancedSubtensor
AdvancedBooleanIncSubtensor = AdvancedIncSubtensor


class _Alias:
    """A function with some of its arguments, equal to another one with equal arguments."""

    def __init__(self, *arguments: Any) -> None:
        self.arguments = arguments

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and self.arguments == other.arguments  # type: ignore[attr-defined]

    def __hash__(self) -> int:
        return hash((type(self), self.arguments))

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(map(repr, self.arguments))})"


class Flatten(_Alias):
    """``Flatten(outdim)(x)`` is ``flatten(x, outdim)``."""

    def __init__(self, outdim: int = 1) -> None:
        super().__init__(outdim)

    def __call__(self, x: Any) -> Any:
        return flatten(x, *self.arguments)


class Mean(_Alias):
    """``Mean(axis)(x)`` is ``mean(x, axis)``."""

    def __init__(self, axis: Any = None) -> None:
        super().__init__(tuple(axis) if isinstance(axis, list) else axis)

    def __call__(self, x: Any) -> Any:
        return mean(x, *self.arguments)


class Tile(_Alias):
    """``Tile(ndim)(x, reps)`` is ``tile(x, reps, ndim)``."""

    def __init__(self, ndim: int) -> None:
        super().__init__(ndim)

    def __call__(self, x: Any, reps: Any) -> Any:
        return tile(x, reps, *self.arguments)


class RepeatOp(_Alias):
    """``RepeatOp(axis)(x, repeats)`` is ``repeat(x, repeats, axis)``."""

    def __init__(self, axis: int | None = None) -> None:
        super().__init__(axis)

    def __call__(self, x: Any, repeats: Any) -> Any:
        return repeat(x, repeats, *self.arguments)


class DiffOp(_Alias):
    """``DiffOp(n, axis)(x)`` is ``diff(x, n, axis)``."""

    def __init__(self, n: int = 1, axis: int = -1) -> None:
        super().__init__(n, axis)

    def __call__(self, x: Any) -> Any:
        return diff(x, *self.arguments)


class PermuteRowElements(_Alias):
    """``PermuteRowElements()(x, y, inverse)`` is ``permute_row_elements(x, y, inverse)``."""

    def __init__(self) -> None:
        super().__init__()

    def __call__(self, x: Any, y: Any, inverse: bool = False) -> Any:
        return permute_row_elements(x, y, inverse)


def CumsumOp(axis: int = 0) -> CumOp:
    """Return the op of `cumsum` along an axis."""
    return CumOp(axis, "add")


def CumprodOp(axis: int = 0) -> CumOp:
    """Return the op of `cumprod` along an axis."""
    return CumOp(axis, "mul")


advanced_subtensor1 = AdvancedSubtensor1()


def advanced_subtensor(x: Any, *index: Any) -> Any:
    """Return ``x[index]``; an entry may be a tensor of integers or a mask, a slice, or None."""
    return as_tensor_variable(x)[index]


def advanced_inc_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """Return `x` with `y` added at ``x[index]``; see `inc_subtensor`."""
    return inc_subtensor(as_tensor_variable(x)[index], y)


def advanced_set_subtensor(x: Any, y: Any, *index: Any) -> Any:
    """Return `x` with `y` in place of ``x[index]``; see `set_subtensor`."""
    return set_subtensor(as_tensor_variable(x)[index], y)


advanced_boolean_subtensor = advanced_subtensor
advanced_boolean_inc_subtensor = advanced_inc_subtensor
advanced_boolean_set_subtensor = advanced_set_subtensor


def cpu_contiguous(x: Any) -> Any:
    """Return `x`: every op accepts any layout, so that nothing needs to be copied first."""
    return as_tensor_variable(x)
