"""Registering rewrites of tensors, under Theano's names."""

from __future__ import annotations

from ..gof.optdb import register_in
from ..ops.control import Assert, assert_, assert_op
from ..rewrite.names import ALIASES

__all__ = [
    "ALIASES",
    "Assert",
    "assert_",
    "assert_op",
    "register_canonicalize",
    "register_specialize",
    "register_specialize_device",
    "register_stabilize",
    "register_uncanonicalize",
    "register_useless",
]

register_canonicalize = register_in("canonicalize")
register_stabilize = register_in("stabilize")
register_specialize = register_in("specialize")
register_specialize_device = register_in("specialize_device")
register_uncanonicalize = register_in("uncanonicalize")
register_useless = register_in("canonicalize")
