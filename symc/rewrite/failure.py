"""Which computations can fail, so that no rule makes an error of the user's disappear.

``0 * x[i]`` is 0 for every valid index, but for one that is out of bounds it is an error. A rule
that drops a value asks `drops_failure` first. What is still read elsewhere is computed anyway and
fails there; what is read for its shape only may be dropped, because lengths are facts.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from ..graph.node import Constant
from ..ops.alloc import Alloc
from ..ops.dimshuffle import DimShuffle
from ..ops.dot import Dot
from ..ops.elemwise import Elemwise
from ..ops.grad_control import GRADIENT_CONTROLS
from ..ops.join import Join
from ..ops.logsumexp import LogSumExp
from ..ops.reduce import All, Any_, Prod, ProdWithoutZeros, Sum
from ..ops.sizes import Shape, Shape_i
from ..ops.slice import Subtensor
from ..ops.softmax import LogSoftmax, Softmax
from ..ops.sum_to import SumTo
from ..ops.vector import MakeVector

__all__ = ["drops_failure"]

_NEVER_FAIL = (
    *(All, Any_, Prod, ProdWithoutZeros, Sum, SumTo, LogSumExp, LogSoftmax, Softmax),
    *GRADIENT_CONTROLS,
    *(Shape, Shape_i, MakeVector),
)

_STEPS = 256
"""What takes more nodes to compute is not looked through: it is kept."""


def drops_failure(gone: Iterable[Any], ctx: Any) -> bool:
    """Whether an error could be lost if some operands of an expression were not read any more.

    Parameters
    ----------
    gone : iterable of variables
        The operands, each as often as the expression reads it.
    ctx : RewriteContext
    """
    pending = [v for v, times in Counter(gone).items() if ctx.readers(v) <= times]
    for _ in range(_STEPS):
        if not pending:
            return False
        node = pending.pop().owner
        if node is None:
            continue
        if _can_fail(node, ctx):
            return True
        times_read = Counter(node.inputs)
        pending += [v for v, times in times_read.items() if ctx.readers(v) <= times]
    return bool(pending)


def _can_fail(node: Any, ctx: Any) -> bool:
    """Whether computing `node` from valid operands may raise an error."""
    op, inputs = node.op, node.inputs
    if isinstance(op, Elemwise):
        return not _broadcasts(inputs, ctx)
    if isinstance(op, _NEVER_FAIL):
        return False
    if isinstance(op, DimShuffle):
        kept = set(op.shuffle)
        pattern = inputs[0].type.broadcastable
        return not all(b or d in kept for d, b in enumerate(pattern))
    if isinstance(op, Subtensor):
        return None in op.index.key
    if isinstance(op, Join):
        return bool(node.outputs[0].type.ndim > 1)
    if isinstance(op, Dot):
        a, b = inputs
        return not ctx.same_length(a, a.type.ndim - 1, b, max(b.type.ndim - 2, 0))
    if isinstance(op, Alloc):
        value, *lengths = inputs
        return not all(value.type.broadcastable) or not all(map(_is_length, lengths))
    return True


def _broadcasts(operands: list[Any], ctx: Any) -> bool:
    """Whether the shapes of elementwise operands are sure to fit together."""
    for axis in range(operands[0].type.ndim):
        first, *others = [v for v in operands if not v.type.broadcastable[axis]] or [None]
        if not all(ctx.same_length(first, axis, v, axis) for v in others):
            return False
    return True


def _is_length(n: Any) -> bool:
    """Whether a 0-d integer is known not to be negative."""
    if isinstance(n, Constant):
        return bool(n.data >= 0)
    return n.owner is not None and isinstance(n.owner.op, Shape_i)
