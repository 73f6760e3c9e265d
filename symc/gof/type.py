"""Types, under Theano's module name."""

from __future__ import annotations

from ..graph.node import Type
from ..graph.params import CDataType, CEnumType, EnumList, EnumType
from ..graph.special import Generic, SingletonType, generic

__all__ = [
    "CDataType",
    "CEnumType",
    "EnumList",
    "EnumType",
    "Generic",
    "PureType",
    "SingletonType",
    "Type",
    "generic",
]

PureType = Type
