"""Ops made of graphs, under Theano's module name."""

from __future__ import annotations

from ..ops.from_graph import OpFromGraph

__all__ = ["OpFromGraph"]
