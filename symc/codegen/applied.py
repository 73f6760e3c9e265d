"""Functions of many instructions, and which of them kernels leave to C functions of their own.

Such a C function applies one function to the elements of an array. It is compiled once however
often it is used, and has no scalar rest.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from ..loop import ir
from ..loop.kernel import Store
from ..scalar.expr import Expr
from .accumulate import Names
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
    many = many or bool(twins(functions))  # one such C function is there anyway
    return dict.fromkeys(functions) if many else {}


def twins(nodes: Iterable[Expr]) -> dict[Expr, tuple[Expr, Expr]]:
    """The calls whose twin is among `nodes`, too, and those twins: each with its pair."""
    calls = {(n.op.name, n.args): n for n in nodes if is_function(n)}
    found: dict[Expr, tuple[Expr, Expr]] = {}
    for node in calls.values():
        twin = calls.get((node.op.twin[0], node.args)) if node.op.twin else None
        if twin is not None and node.args[0].dtype == node.dtype == twin.dtype:
            found[node] = found[twin] = (node, twin)
    return found


def apply_both(
    out: list[ir.Stmt],
    names: Names,
    pair: tuple[Expr, Expr],
    source: Expr,
    lane: Expr,
    counts: tuple[Expr, int],
) -> dict[Expr, Expr]:
    """Compute a function and its twin into arrays: the loads that are read instead, by value.

    Parameters
    ----------
    out : list
        Gets the statements.
    names : Names
    pair : (Expr, Expr)
        The calls.
    source : Expr
        The load of their operand for the first lane; those for the others follow in memory.
    lane : Expr
        An index.
    counts : (Expr, int)
        The number of lanes in use and the length of the arrays.
    """
    arrays = [names.fresh("strip") for _ in pair]
    out += [ir.Array(a, source.dtype, counts[1]) for a in arrays]
    out.append(ir.Apply(arrays[0], pair[0].op, counts[0], source, arrays[1]))
    load = lane.ctx.load
    return {v: load(a, (lane,), source.dtype) for v, a in zip(pair, arrays, strict=True)}


def into_array(
    out: list[ir.Stmt],
    names: Names,
    before: Sequence[ir.Stmt],
    value: Expr,
    lane: Expr,
    counts: tuple[Expr, int],
) -> Expr:
    """Store `value`, computed by `before` for each lane, to an array: the load of the first one.

    The other parameters are those of :func:`apply_both`.
    """
    array, zero = names.fresh("strip"), lane.ctx.integer(0)
    out.append(ir.Array(array, value.dtype, counts[1]))
    body = (*before, Store(array, (lane,), value))
    out.append(ir.For(lane.payload, zero, counts[0], body, "simd"))
    return lane.ctx.load(array, (zero,), value.dtype)


def side_by_side(placer: Placer, value: Expr, lane: Expr) -> Expr | None:
    """The load of the first lane, if `value` is one whose lanes lie side by side in memory."""
    if value.kind != "load" or not (placer.flat or value.payload in placer.unit_requirements()):
        return None
    return first_of_loads(value, lane)
