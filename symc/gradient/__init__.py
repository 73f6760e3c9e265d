"""Derivatives for users: ``grad``, ``Lop``, ``Rop``, ``jacobian``, ``hessian`` and their checks."""

from __future__ import annotations

from ..errors import DisconnectedInputError, GradientError, NullTypeGradError
from ..graph.special import DisconnectedType, NullType, disconnected_type, null_type
from ..ops.grad_control import (
    ConsiderConstant,
    DisconnectedGrad,
    GradClip,
    GradScale,
    UndefinedGrad,
    ZeroGrad,
    consider_constant,
    consider_constant_,
    disconnected_grad,
    disconnected_grad_,
    grad_clip,
    grad_scale,
    undefined_grad,
    undefined_grad_,
    zero_grad,
    zero_grad_,
)
from .check import numeric_grad, verify_grad
from .cost import format_as, grad, grad_not_implemented, grad_undefined, subgraph_grad
from .products import Lop, Rop, hessian, hessian_vector_product, jacobian

__all__ = [
    "DisconnectedInputError",
    "DisconnectedType",
    "GradientError",
    "Lop",
    "NullType",
    "NullTypeGradError",
    "Rop",
    "consider_constant",
    "disconnected_grad",
    "format_as",
    "grad",
    "grad_clip",
    "grad_not_implemented",
    "grad_scale",
    "grad_undefined",
    "hessian",
    "hessian_vector_product",
    "jacobian",
    "numeric_grad",
    "subgraph_grad",
    "undefined_grad",
    "verify_grad",
    "zero_grad",
]
