"""Put the definitions of composite ops in their place, just before lowering.

An op such as softmax is one node while rules look for it; for the machine it is a maximum, an
exponential, a sum and a quotient, which fuse with what is around them. ``op.expand(node)`` gives
that graph, or None.

A sum or product of many terms is put together step by step in the order in which its terms are
computed: else all of them, the contributions to a gradient for example, would wait in memory for
the last one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ..config import change_flags, config
from ..graph.node import Apply, Variable
from ..graph.walk import toposort
from ..ops.elemwise import Elemwise
from ..rewrite.context import Numbers
from ..rewrite.inner import with_inner_graphs

MAX_TERMS = 8
"""Sums and products of more terms are computed in steps."""
TERMS_PER_STEP = 2
"""Terms that a step adds to what there is."""


def expanded(outputs: Sequence[Variable]) -> list[Variable]:
    """`outputs` with every node that has an expansion replaced by it.

    Expansions may contain nodes that have expansions themselves. Equal nodes become one.
    """
    final: dict[Variable, Variable] = {}
    interned: dict[object, Apply] = {}
    depth: dict[Variable, int] = {}
    numbers = Numbers()

    def put(roots: Sequence[Variable]) -> list[Variable]:
        pending = [list(reversed(toposort(list(roots))))]
        while pending:
            if not pending[-1]:
                pending.pop()
                continue
            node = pending[-1][-1]
            if all(o in final for o in node.outputs):
                pending[-1].pop()
                continue
            expansion = waiting.get(node)
            if expansion is None:
                found = _interned(
                    node, [final.get(v, v) for v in node.inputs], interned, numbers
                )
                expand = getattr(found.op, "expand", None)
                expansion = None if expand is None else expand(found)
                if expansion is None:
                    expansion = _in_steps(found, depth)
                if expansion is None:
                    below = 1 + max((depth.get(v, 0) for v in found.inputs), default=0)
                    depth.update(dict.fromkeys(found.outputs, below))
                    final.update(zip(node.outputs, found.outputs, strict=True))
                    pending[-1].pop()
                    continue
                _inherit_trace(found, expansion)
                waiting[node] = list(expansion)
                settled.update(found.inputs)
                order = toposort(list(expansion), list(settled))
                pending.append(list(reversed(order)))
                continue
            for old, new in zip(node.outputs, expansion, strict=True):
                final[old] = final.get(new, new)
            pending[-1].pop()
        return [final.get(r, r) for r in roots]

    waiting: dict[Apply, list[Variable]] = {}
    settled: set[Variable] = set()
    with change_flags(traceback__limit=config.traceback.compile_limit):
        return with_inner_graphs(put(outputs), lambda n: n.op.rebuilt(expanded(n.op.outputs)))


def _inherit_trace(node: Apply, expansion: Sequence[Variable]) -> None:
    """The nodes of the expansion come from the user's line that made `node`."""
    trace = getattr(node.tag, "trace", None)
    if not trace:
        return
    known = set(node.inputs)
    stack = list(expansion)
    while stack:
        variable = stack.pop()
        owner = variable.owner
        if owner is None or variable in known or getattr(owner.tag, "trace", None):
            continue
        known.update(owner.outputs)
        for made in (owner, *owner.outputs):
            made.tag.trace = trace
        stack.extend(owner.inputs)


def _interned(
    node: Apply, inputs: list[Variable], table: dict[object, Apply], numbers: Numbers
) -> Apply:
    types = [o.type for o in node.outputs]
    key = (numbers.of(node.op), tuple(map(id, inputs)), *map(numbers.of, types))
    found = table.get(key)
    if found is None:
        found = node if inputs == node.inputs else node.clone_with_new_inputs(inputs)
        table[key] = found
    return found


def _in_steps(node: Apply, depth: Mapping[Variable, int]) -> list[Variable] | None:
    """A sum or product of many terms as a chain; what takes the longest chain comes last."""
    op = node.op
    if len(node.inputs) <= MAX_TERMS or not isinstance(op, Elemwise):
        return None
    scalar_op, (output,) = op.scalar_op, node.outputs[:1]
    if scalar_op.name not in ("add", "mul") or any(v.type != output.type for v in node.inputs):
        return None
    terms = sorted(node.inputs, key=lambda v: depth.get(v, 0))
    total, rest = terms[0], terms[1:]
    for start in range(0, len(rest), TERMS_PER_STEP):
        total = op.make_node(total, *rest[start : start + TERMS_PER_STEP]).outputs[0]
    return [total]
