"""Functions of many instructions, and which of them kernels leave to C functions of their own.

Such a C function applies one function to the elements of an array. It is compiled once however
often it is used, and has no scalar rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from ..scalar.expr import Expr
from .cstyle import MAX_INLINED
from .place import Placer
from .prepare import first_of_loads

FUNCTION_COST = 15
"""Cost from which on an operation is a function of many instructions."""
OFTEN = 3
"""Uses of one function in a kernel from which on it is not inlined."""


def is_function(node: Expr) -> bool:
    """Whether an expression calls a function of many instructions."""
    return node.kind == "call" and node.op.cost >= FUNCTION_COST


def applied_functions(nodes: Iterable[Expr]) -> dict[Expr, None]:
    """The calls among some expressions of a kernel that are not inlined, in their order."""
    functions = [
        n
        for n in nodes
        if is_function(n) and n.op.nin == 1 and n.op.vector and n.args[0].dtype == n.dtype
    ]
    uses = Counter(n.op for n in functions)
    many = len(functions) > MAX_INLINED or max(uses.values(), default=0) >= OFTEN
    return dict.fromkeys(functions) if many else {}


def side_by_side(placer: Placer, value: Expr, lane: Expr) -> Expr | None:
    """The load of the first lane, if `value` is one whose lanes lie side by side in memory."""
    if value.kind != "load" or not (placer.flat or value.payload in placer.unit_requirements()):
        return None
    return first_of_loads(value, lane)
