"""Lengths of what the steps of a loop would compute, where no step is made.

An empty result still has the lengths of its rows. They follow from the ``shape`` methods of the
ops alone: nothing is computed but integers, so no step can fail, print or count.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from ...array.lengths import known_lengths
from ...dtypes import is_discrete
from ...errors import MethodNotDefined
from ...graph.node import Apply, Constant, Variable
from ...graph.op import BuiltinOp, run_perform
from ...graph.walk import toposort
from ...scalar.expr import Context, Expr
from ...scalar.simplify import simplify
from ..elemwise import Elemwise
from ..sizes import Shape_i

__all__ = ["row_shapes"]


class _UnknownError(Exception):
    """A length that cannot be had without computing something."""


def row_shapes(
    outputs: Sequence[Variable],
    shapes: Mapping[Variable, Sequence[int]],
    values: Mapping[Variable, Any],
) -> list[tuple[int, ...]]:
    """The shapes of variables of an inner graph.

    Parameters
    ----------
    outputs : sequence of Variable
        Tensors.
    shapes : mapping
        Of the inner inputs that are tensors.
    values : mapping
        Of the 0-d integer inputs that are known before the first step.

    Returns
    -------
    list of tuple of int
        A length that only a step could tell is 0.
    """
    known = _Known(shapes, values)
    return [known.shape(v) for v in outputs]


class _Known:
    """Shapes and 0-d integers that were worked out."""

    def __init__(
        self, shapes: Mapping[Variable, Sequence[int]], values: Mapping[Variable, Any]
    ) -> None:
        self.ctx = Context()
        self.shapes: dict[Variable, tuple[int, ...] | None] = {
            v: tuple(shape) for v, shape in shapes.items()
        }
        self.values = dict(values)

    def shape(self, variable: Variable) -> tuple[int, ...]:
        """The shape of a tensor."""
        for node in toposort([variable], list(self.shapes)):
            self._meet(node)
        found = self._of(variable)
        return found if found is not None else ()

    def _of(self, variable: Variable) -> tuple[int, ...] | None:
        if variable not in self.shapes:
            data = variable.data if isinstance(variable, Constant) else None
            self.shapes[variable] = (
                data.shape if isinstance(data, np.ndarray) else _declared(variable)
            )
        return self.shapes[variable]

    def value(self, variable: Variable) -> int:
        """The value of a 0-d integer; raises if it is not known."""
        data = variable.data if isinstance(variable, Constant) else self.values.get(variable)
        if data is None:
            raise _UnknownError
        return int(data)

    def _meet(self, node: Apply) -> None:
        sizes = _Sizes(self, node)
        dims: Sequence[Any] = [None] * len(node.outputs)
        if isinstance(node.op, BuiltinOp):
            with suppress(MethodNotDefined, _UnknownError):
                dims = node.op.shape(node, [sizes.shape_or_none(v) for v in node.inputs], sizes)
        for out, found in zip(node.outputs, dims, strict=True):
            declared = _declared(out)
            if found is None or declared is None:
                self.shapes[out] = declared
            else:
                self.shapes[out] = tuple(_number(n) for n in found)
        self._compute(node)

    def _compute(self, node: Apply) -> None:
        """Values of integers made of lengths and integers."""
        (out, *more) = node.outputs
        if more or self.shapes[out] != () or not is_discrete(getattr(out.type, "dtype", "object")):
            return
        if isinstance(node.op, Shape_i):
            of = self._of(node.inputs[0])
            self.values[out] = None if of is None else of[node.op.i]
        elif isinstance(node.op, Elemwise):
            try:
                operands = [np.asarray(self.value(v), v.type.dtype) for v in node.inputs]
            except _UnknownError:
                return
            (self.values[out],) = run_perform(node, operands)


def _declared(variable: Variable) -> tuple[int, ...] | None:
    """What the type tells of a shape; 0 where it tells nothing. None for what is no tensor."""
    if getattr(variable.type, "broadcastable", None) is None:
        return None
    return tuple(0 if n is None else n for n in known_lengths(variable))


def _number(size: Any) -> int:
    if isinstance(size, Expr):
        size = simplify(size)
        return max(0, int(size.value)) if size.is_const else 0
    return int(size)


class _Sizes:
    """The :class:`~symc.loop.protocol.SizeContext` of a node, with numbers; it checks nothing."""

    def __init__(self, known: _Known, node: Apply) -> None:
        self.known, self.node, self.ctx = known, node, known.ctx

    def shape_or_none(self, variable: Variable) -> tuple[Expr, ...] | None:
        """The lengths of an operand as expressions; None for what is no tensor."""
        found = self.known._of(variable)
        return None if found is None else tuple(map(self.ctx.integer, found))

    def shape(self, i: int) -> tuple[Expr, ...]:
        """The lengths of operand `i`."""
        return self.shape_or_none(self.node.inputs[i]) or ()

    def value(self, i: int) -> Expr:
        """The value of operand `i`; what depends on one that is not known is not known."""
        try:
            return self.ctx.integer(self.known.value(self.node.inputs[i]))
        except _UnknownError:
            return self.ctx.size(("unknown", i))

    def vector(self, i: int) -> list[Expr]:
        """The elements of a vector operand, which must be a constant."""
        operand = self.node.inputs[i]
        if not isinstance(operand, Constant):
            raise _UnknownError
        return [self.ctx.integer(int(n)) for n in operand.data]

    def bcast(self, *dims: Any) -> Any:
        """The length of axes that are broadcast together."""
        numbers = [_number(n) for n in dims]
        return self.ctx.integer(next((n for n in numbers if n != 1), 1))

    def unknown(self, out: int, axis: int) -> Any:
        """A length that only the computation tells."""
        declared = _declared(self.node.outputs[out]) or ()
        return self.ctx.integer(declared[axis])

    def equal(self, a: Any, b: Any, message: str, *shown: Any) -> Any:
        """One of two lengths that must be equal."""
        return a

    def check(self, condition: Any, error: str, message: str, *shown: Any) -> None:
        """Nothing runs, so nothing is wrong."""

    def index(self, raw: Any, length: Any) -> Any:
        """`raw`, counted from the start."""
        del length
        return raw

    def bind_shape(self, variable: Variable, shape: Sequence[Any], taken: Any = None) -> None:
        """Note the shape of a variable of a graph inside of the node."""
        self.known.shapes[variable] = tuple(map(_number, shape))

    def bind_value(self, variable: Variable, i: int) -> None:
        """Note the value of such a variable."""
        operand = self.node.inputs[i]
        self.known.values[variable] = self.known.values.get(operand, getattr(operand, "data", None))

    def inner_shape(self, variable: Variable) -> tuple[Expr, ...]:
        """The shape of what such a graph computes."""
        return tuple(map(self.ctx.integer, self.known.shape(variable)))

    def outside(self, size: Any) -> bool:
        """All sizes are numbers."""
        return True
