"""Forward mode: the product of a Jacobian with a vector, as a graph (the R-operator).

Ops may define ``R_op(inputs, eval_points)``. For those that do not, the product is derived from
the reverse mode: ``L_op`` is linear in the output gradients `u`, so differentiating
``sum(L_op(u) * v)`` with respect to `u` gives ``J v`` (``re(conj(L_op(u)) * v)`` for complex
numbers, the product for which gradients are adjoints).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import MethodNotDefined, user_message
from ..graph.node import Apply, Variable
from ..graph.special import DisconnectedType, NullType
from ..graph.trace import user_line
from ..graph.walk import connection_pattern, toposort
from .driver import Reverse, call_l_op


def forward(
    outputs: Sequence[Variable], wrt: Sequence[Variable], points: Sequence[Variable]
) -> list[Variable | None]:
    """Directional derivatives of `outputs` along `points` at `wrt`.

    Returns
    -------
    list of Variable or None
        None for outputs that do not depend on `wrt`.
    """
    tangent: dict[Variable, Variable | None] = dict(zip(wrt, points, strict=True))
    for node in toposort(list(outputs)):
        if all(out in tangent for out in node.outputs):
            continue
        given = [tangent.get(var) for var in node.inputs]
        pattern = connection_pattern(node)
        live = any(g is not None and any(pattern[i]) for i, g in enumerate(given))
        results = _push(node, given) if live else [None] * len(node.outputs)
        for out, result in zip(node.outputs, results, strict=True):
            tangent.setdefault(out, result)
    return [tangent.get(out) for out in outputs]


def _push(node: Apply, given: list[Variable | None]) -> Sequence[Variable | None]:
    try:
        results: Sequence[Variable | None] = node.op.R_op(node.inputs, given)
    except (MethodNotDefined, NotImplementedError):
        return _through_reverse(node, given)
    if len(results) != len(node.outputs):
        raise ValueError(
            user_message(
                f"R_op of {node.op} gives the wrong number of terms",
                where=user_line(node) or None,
                got=str(len(results)),
                expected=str(len(node.outputs)),
            )
        )
    return results


def _through_reverse(node: Apply, given: list[Variable | None]) -> list[Variable | None]:
    duals = [out.zeros_like() for out in node.outputs]  # type: ignore[attr-defined]
    pulled = call_l_op(node, duals)
    total = None
    for term, point in zip(pulled, given, strict=True):
        if point is None or isinstance(term.type, (DisconnectedType, NullType)):
            continue
        product = _inner(term, point)
        total = product if total is None else total + product
    if total is None:
        return [None] * len(node.outputs)
    results = Reverse({total: total.ones_like()}, duals).run()
    return [None if isinstance(r.type, DisconnectedType) else r for r in results]


def _inner(a: Any, b: Any) -> Any:
    """Return the real inner product of two tensors, of real or complex numbers."""
    product = a.conj() * b if "complex" in a.type.dtype else a * b
    return (product.real if "complex" in product.type.dtype else product).sum()
