"""Helper ops, under Theano's module name."""

from __future__ import annotations

from ..ops.copies import DeepCopyOp, OutputGuard, ViewOp, deep_copy_op, output_guard, view_op
from ..ops.from_function import FromFunctionOp, as_op
from ..ops.shape import Rebroadcast, SpecifyShape, specify_shape
from ..ops.sizes import Shape, Shape_i, shape, shape_i

__all__ = [
    "DeepCopyOp",
    "FromFunctionOp",
    "OutputGuard",
    "Rebroadcast",
    "Shape",
    "Shape_i",
    "SpecifyShape",
    "ViewOp",
    "as_op",
    "deep_copy_op",
    "output_guard",
    "shape",
    "shape_i",
    "specify_shape",
    "view_op",
]
