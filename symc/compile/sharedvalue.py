"""Shared variables, under Theano's module name."""

from __future__ import annotations

from ..graph.node import SharedVariable
from .shared import generic_constructor, shared, shared_constructor

__all__ = ["SharedVariable", "generic_constructor", "shared", "shared_constructor"]
