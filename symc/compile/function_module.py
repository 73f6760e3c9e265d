"""Functions and what makes them, under Theano's module name."""

from __future__ import annotations

from ..errors import AliasedMemoryError, UnusedInputError
from .aliases import alias_root, infer_reuse_pattern, view_tree_set
from .callable import Function
from .inputs import In, Out, SymbolicInput, SymbolicOutput, as_input
from .maker import FunctionMaker

__all__ = [
    "AliasedMemoryError",
    "Function",
    "FunctionMaker",
    "In",
    "Out",
    "SymbolicInput",
    "SymbolicOutput",
    "UnusedInputError",
    "alias_root",
    "convert_function_input",
    "infer_reuse_pattern",
    "view_tree_set",
]

convert_function_input = as_input
