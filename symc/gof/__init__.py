"""Graphs, ops, types and rewriting under Theano's names. Names are imported when they are used."""

from __future__ import annotations

from ..lazy import late_names

_NAMES = {
    **{n: f"symc.graph.node:{n}" for n in ("Apply", "Constant", "Type", "Variable")},
    "Op": "symc.graph.op:Op",
    **{n: f"symc.graph.cop:{n}" for n in ("COp", "OpenMPOp")},
    **{
        n: f"symc.graph.params:{n}"
        for n in ("CDataType", "CEnumType", "EnumList", "EnumType", "Params", "ParamsType")
    },
}

__getattr__ = late_names(__name__, _NAMES)
