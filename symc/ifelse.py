"""Lazy conditions: `ifelse` computes only the branch that is taken."""

from __future__ import annotations

from .ops.ifelse import IfElse, ifelse

__all__ = ["IfElse", "ifelse"]
