"""`KnownGradient`: a gradient that the user gives, checked to have the shape of its variable."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..array.lengths import known_lengths
from ..array.type import TensorType
from ..errors import ShapeError, user_message
from ..graph.node import Apply
from .shape import SpecifyShape
from .sizes import shape

__all__ = ["KnownGradient", "with_shape_of"]


class KnownGradient(SpecifyShape):
    """The first operand, a gradient, after checking that its shape is the second one.

    Parameters
    ----------
    of : str
        The name of the variable whose gradient it is, for messages.
    """

    __props__ = ("of",)  # type: ignore[assignment]

    def __init__(self, of: str) -> None:
        self.of = of

    def _mismatch(self, given: Any, wanted: Any) -> str:  # type: ignore[override]
        return user_message(
            f"the known gradient of {self.of} has another shape than {self.of}",
            got=f"shape {tuple(given)}",
            expected=f"shape {tuple(wanted)}",
        )

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        given, wanted = in_shapes[0], list(ctx.vector(1))
        name = self.of.replace("{", "{{").replace("}", "}}")
        message = f"the known gradient of {name} has the shape {_places(0, len(given))}, "
        message += f"{name} has {_places(len(given), len(given))}"
        pairs = zip(given, wanted, strict=True)
        return [tuple(ctx.equal(n, m, message, *given, *wanted) for n, m in pairs)]


def _places(first: int, count: int) -> str:
    """The places of so many lengths in a message, written as a shape."""
    places = ", ".join(f"{{{first + k}}}" for k in range(count))
    return f"({places},)" if count == 1 else f"({places})"


def with_shape_of(variable: Any, gradient: Any) -> Any:
    """`gradient`, checked to have the shape of `variable` where the types do not tell.

    Parameters
    ----------
    variable, gradient : tensor
        Of the same rank.

    Raises
    ------
    ShapeError
        If lengths that are known now differ.
    """
    types = variable.type, gradient.type
    if not all(isinstance(t, TensorType) and t.ndim for t in types):
        return gradient
    own, given = known_lengths(variable), known_lengths(gradient)
    op = KnownGradient(str(variable))
    if any(m is not None and n is not None and m != n for m, n in zip(own, given, strict=True)):
        raise ShapeError(op._mismatch(given, own))
    if variable is gradient or (None not in own and own == given):
        return gradient
    return op(gradient, shape(variable))
