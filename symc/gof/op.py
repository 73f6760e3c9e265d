"""Ops, under Theano's module name."""

from __future__ import annotations

from ..graph.cop import COp, OpenMPOp
from ..graph.op import Op
from ..graph.testvalue import (
    debug_assert,
    debug_error_message,
    get_debug_values,
    get_test_value,
    missing_test_message,
)
from ..ops.from_graph import OpFromGraph
from ..ops.scan.op import Scan

__all__ = [
    "COp",
    "Op",
    "OpenMPOp",
    "debug_assert",
    "debug_error_message",
    "get_debug_values",
    "get_test_value",
    "missing_test_message",
    "ops_with_inner_function",
]

PureOp = Op

ops_with_inner_function: dict[type, str] = {OpFromGraph: "inner_graph", Scan: "inner_graph"}
"""Ops with a graph inside, and the attribute that has it; printers look for ``inner_graph``."""
