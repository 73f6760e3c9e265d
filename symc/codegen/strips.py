"""The schedule for elementwise kernels that call several functions: one loop per function.

The body of a loop with four functions has hundreds of instructions that wait for each other, and
the processor sees little more than one iteration at a time. So a run of points that stays in the
first-level cache is swept once per function, its values held in small arrays: iterations of such a
short loop overlap. The four functions of ``tanh(exp(-a*a)*sin(b) + 1/(1+exp(-c)))`` take 3.2 ns
per element in one loop and 2 ns in four.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from ..loop import ir
from ..loop.kernel import Store
from ..scalar.arith import minimum
from ..scalar.expr import Expr, substitute, walk
from .applied import applied_functions, apply_both, into_array, is_function, side_by_side, twins
from .loops import Loops
from .place import Point
from .prepare import first_of_loads, first_of_run

FEWEST = 2
"""Functions from which on a kernel is swept in strips."""
STRIP_BYTES = 1024
"""Length of the arrays that hold values between sweeps."""
FEW = 8
"""Functions up to which the arrays are twice as long, and still in the first-level cache: loops of
16 vectors spend a twentieth of their time on beginning and ending."""
REPEATED_COST = 6
"""What costs more than this and is needed by several sweeps is held in an array, too."""


def in_strips(loops: Loops) -> bool:
    """Whether the kernel calls enough functions, in vector code, or some that have runs."""
    functions = [n for n in walk(loops.kernel.roots()) if is_function(n)]
    enough = len(functions) >= FEWEST or any(n.op.run for n in functions)
    return loops.kind == "simd" and enough and not loops.placer.kernel.risky


def strips(loops: Loops, axis: str, point: Point, low: Expr, high: Expr) -> list[ir.Stmt]:
    """Sweeps over the points `low` to `high` of one axis.

    Parameters
    ----------
    loops : Loops
    axis : str
        Key of the axis along which the points lie.
    point : dict
        Values of all other axes.
    low, high : Expr
    """
    ctx, names = loops.ctx, loops.names
    length = _length(loops)
    key, start = names.index("b")
    inside: list[ir.Stmt] = []
    width = names.let(inside, minimum(ctx.integer(length), high - start))
    index, lane = names.index("l")
    values, stores = _placed(loops, point | {axis: start + lane})
    held: dict[Expr, Expr] = {}
    zero = ctx.integer(0)
    sweeps = _sweeps(values)
    applied = applied_functions(sweeps)
    pairs, counts = twins(sweeps), (width, length)
    for value in sweeps:
        if value in held:
            continue
        if value in pairs:
            source = _in_memory(loops, value.args[0], held, lane)
            if source is None:
                body: list[ir.Stmt] = []
                (operand,) = _with_held(loops, body, value.args, held)
                source = into_array(inside, names, body, operand, lane, counts)
            held |= apply_both(inside, names, pairs[value], source, lane, counts)
            continue
        array = names.fresh("strip")
        if (first := first_of_run(value, lane)) is not None:
            inside.append(ir.Array(array, value.dtype, length))
            inside.append(ir.Run(array, first, width))
            held[value] = ctx.load(array, (lane,), value.dtype)
            continue
        inside.append(ir.Array(array, value.dtype, length))
        swept = value.args[0] if value in applied else value
        source = _in_memory(loops, swept, held, lane) if value in applied else None
        if source is None:
            body = []
            (text,) = _with_held(loops, body, [swept], held)
            body.append(Store(array, (lane,), text))
            inside.append(ir.For(index, zero, width, tuple(body), loops.kind))
        if value in applied:
            inside.append(ir.Apply(array, value.op, width, source))
        held[value] = ctx.load(array, (lane,), value.dtype)
    last: list[ir.Stmt] = []
    results = _with_held(loops, last, values, held)
    results = [names.let(last, r) for r in results] if len(results) > 1 else results
    last += [Store(s.operand, s.index, r) for s, r in zip(stores, results, strict=True)]
    inside.append(ir.For(index, zero, width, tuple(last), loops.kind))
    return [ir.For(key, low, high, tuple(inside), step=length)]


def _in_memory(loops: Loops, value: Expr, held: dict[Expr, Expr], lane: Expr) -> Expr | None:
    """The load of the value of the first lane, if those of all lanes lie side by side."""
    if value in held:
        return first_of_loads(held[value], lane)
    return side_by_side(loops.placer, value, lane)


def _length(loops: Loops) -> int:
    nodes = walk(loops.kernel.roots())
    types = {n.dtype for n in nodes if np.dtype(n.dtype).kind == "f"}
    length = STRIP_BYTES if sum(map(is_function, nodes)) > FEW else 2 * STRIP_BYTES
    return length // max((np.dtype(t).itemsize for t in types), default=8)


def _placed(loops: Loops, point: Point) -> tuple[list[Expr], list[Store]]:
    """All values stored and where, at one point; kept values are parts of what reads them."""
    values: list[Expr] = []
    stores: list[Store] = []
    kept = dict(loops.values)
    for stage in loops.kernel.stages:
        for key, expr in stage.keep:
            (kept[loops.ctx.local(key, expr.dtype)],) = loops.placer.place([expr], point, kept)
        values += loops.placer.place([s.value for s in stage.stores], point, kept)
        for store in stage.stores:
            stores.append(
                Store(store.operand, loops.placer.place_store(store, point, kept), store.value)
            )
    return values, stores


def _sweeps(roots: Sequence[Expr]) -> list[Expr]:
    """The values that get a sweep of their own, operands before what uses them.

    These are the functions, but not those that are stored as they are, and what several sweeps
    would compute again at some cost.
    """
    order = walk(roots)
    own = {n for n in order if is_function(n)}
    while True:
        users: Counter[Expr] = Counter()
        work: dict[Expr, int] = {}
        for root in (*sorted(own, key=lambda n: n.number), *roots):
            for node in _between(root, own):
                users[node] += 1
        for node in order:
            if node.kind != "call" or node in own:
                continue
            work[node] = int(node.op.cost) + sum(work.get(a, 0) for a in node.args)
            if users[node] > 1 and work[node] > REPEATED_COST:
                own.add(node)
                break
        else:
            break
    final = set(roots)
    used = {a for n in order for a in n.args}
    several = len(roots) > 1
    return [n for n in order if n in own and (several or n.op.run or n not in final or n in used)]


def _between(root: Expr, own: set[Expr]) -> list[Expr]:
    """The nodes that computing `root` visits before it meets values that have sweeps."""
    found: dict[Expr, None] = {}
    stack = [a for a in root.args if a not in own]
    while stack:
        node = stack.pop()
        if node in found or node.kind != "call":
            continue
        found[node] = None
        stack.extend(a for a in node.args if a not in own)
    return list(found)


def _with_held(
    loops: Loops, out: list[ir.Stmt], roots: Sequence[Expr], held: dict[Expr, Expr]
) -> list[Expr]:
    """`roots` in terms of what arrays hold; each element is read once."""
    reads: dict[Expr, Expr] = {}
    stack = list(roots)
    seen: set[Expr] = set()
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        if node in held:
            reads[node] = loops.names.let(out, held[node])
        else:
            stack.extend(node.args)
    return substitute(roots, reads, loops.ctx)
