"""What a user knows about a matrix, written into the graph."""

from __future__ import annotations

from typing import Any

from ...array.convert import as_tensor_variable
from ...graph.node import Apply
from ..copies import ViewOp
from ..diagonal import trace
from ..dot import dot
from ..math import power

__all__ = [
    "Hint",
    "hints",
    "is_positive",
    "is_psd",
    "is_symmetric",
    "psd",
    "spectral_radius_bound",
]


class Hint(ViewOp):
    """Its operand, of which something is known.

    Parameters
    ----------
    **kwargs
        Names and values of properties: ``symmetric=True``, ``psd=True``, ``positive=True``.
    """

    __props__ = ("items",)

    def __init__(self, **kwargs: Any) -> None:
        self.items = tuple(sorted(kwargs.items()))

    @property
    def hints(self) -> dict[str, Any]:
        """The properties."""
        return dict(self.items)


def hints(variable: Any) -> dict[str, Any]:
    """Return what was said about a variable by `Hint`, nested hints included."""
    found: dict[str, Any] = {}
    node: Apply | None = variable.owner
    while node is not None and isinstance(node.op, Hint):
        found = {**node.op.hints, **found}
        node = node.inputs[0].owner
    return found


def psd(v: Any) -> Any:
    """Return the matrix `v`, noted as symmetric and positive semi-definite."""
    return Hint(psd=True, symmetric=True)(as_tensor_variable(v))


def is_psd(v: Any) -> bool:
    """Whether `v` was noted as positive semi-definite."""
    return bool(hints(v).get("psd", False))


def is_symmetric(v: Any) -> bool:
    """Whether `v` was noted as symmetric."""
    return bool(hints(v).get("symmetric", False))


def is_positive(v: Any) -> bool:
    """Whether the elements of `v` were noted as positive."""
    return bool(hints(v).get("positive", False))


def spectral_radius_bound(X: Any, log2_exponent: int) -> Any:
    """Return an upper bound of the largest eigenvalue of a positive semi-definite matrix.

    ``trace(X ** p) ** (1 / p)`` for the power ``p = 2 ** log2_exponent``, which is exact in the
    limit.

    Parameters
    ----------
    X : matrix
        Symmetric, with eigenvalues that are not negative.
    log2_exponent : int
        Not negative.
    """
    if isinstance(log2_exponent, bool) or not isinstance(log2_exponent, int) or log2_exponent < 0:
        raise ValueError(f"log2_exponent is an int that is not negative, got {log2_exponent!r}")
    X = as_tensor_variable(X)
    if X.type.ndim != 2:
        raise TypeError(f"spectral_radius_bound takes a matrix, got {X.type}")
    for _ in range(log2_exponent):
        X = dot(X, X)
    return power(trace(X), 2.0**-log2_exponent)
