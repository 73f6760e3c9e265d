"""Types of missing gradients, under Theano's module name."""

from __future__ import annotations

from ..graph.special import NullType, null_type

__all__ = ["NullType", "null_type"]
