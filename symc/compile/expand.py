"""Put the definitions of composite ops in their place, just before lowering.

An op such as softmax is one node while rules look for it; for the machine it is a maximum, an
exponential, a sum and a quotient, which fuse with what is around them. ``op.expand(node)`` gives
that graph, or None.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..graph.node import Apply, Variable
from ..graph.walk import toposort
from ..rewrite.inner import with_inner_graphs


def expanded(outputs: Sequence[Variable]) -> list[Variable]:
    """`outputs` with every node that has an expansion replaced by it.

    Expansions may contain nodes that have expansions themselves. Equal nodes become one.
    """
    final: dict[Variable, Variable] = {}
    interned: dict[object, Apply] = {}

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
                found = _interned(node, [final.get(v, v) for v in node.inputs], interned)
                expand = getattr(found.op, "expand", None)
                expansion = None if expand is None else expand(found)
                if expansion is None:
                    final.update(zip(node.outputs, found.outputs, strict=True))
                    pending[-1].pop()
                    continue
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
    return with_inner_graphs(put(outputs), lambda n: n.op.rebuilt(expanded(n.op.outputs)))


def _interned(node: Apply, inputs: list[Variable], table: dict[object, Apply]) -> Apply:
    key = (node.op, tuple(map(id, inputs)), tuple(o.type for o in node.outputs))
    found = table.get(key)
    if found is None:
        changed = any(a is not b for a, b in zip(node.inputs, inputs, strict=True))
        found = node.clone_with_new_inputs(inputs) if changed else node
        table[key] = found
    return found
