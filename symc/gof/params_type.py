"""Parameters of ops, under Theano's module name."""

from __future__ import annotations

from ..graph.params import Params, ParamsType

__all__ = ["Params", "ParamsType"]
