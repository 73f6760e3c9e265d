"""Inputs and outputs of functions, under Theano's module name."""

from __future__ import annotations

from .inputs import In, Out, SymbolicInput, SymbolicOutput

__all__ = ["In", "Out", "SymbolicInput", "SymbolicOutput"]
