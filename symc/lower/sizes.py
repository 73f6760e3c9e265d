"""What ``shape``, ``view`` and ``define`` of an op see when sizes are worked out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from ..dtypes import is_discrete
from ..errors import ShapeError, user_message
from ..graph.node import Apply, Variable
from ..graph.trace import user_line
from ..graph.walk import ancestors
from ..loop.protocol import broadcast_family
from ..scalar.expr import Context, Expr, leaves
from ..scalar.logic import and_, eq, ge, invert, lt, or_, switch
from ..scalar.simplify import simplify

if TYPE_CHECKING:
    from .facts import Facts


class Missing(BaseException):
    """Something must be worked out first; the method of the op is called again afterwards.

    It is a demand and not an error, so ops that catch errors must not see it.
    """

    def __init__(self, tasks: list[tuple[Any, ...]]) -> None:
        super().__init__()
        self.tasks = tasks


class NotSymbolicError(Exception):
    """A value is not made of sizes and integers alone."""


@dataclass(frozen=True)
class Requirement:
    """What must hold at run time before a node runs; else the call fails with `error`."""

    condition: Expr
    error: str
    message: str
    shown: tuple[Expr, ...]


def escaped(text: object) -> str:
    """Text for a message with places for values: braces are doubled."""
    return str(text).replace("{", "{{").replace("}", "}}")


class NodeSizes:
    """The :class:`~symc.loop.protocol.SizeContext` of one node.

    Parameters
    ----------
    facts : Facts
    node : Apply
    """

    def __init__(self, facts: Facts, node: Apply) -> None:
        self.facts = facts
        self.node = node

    @property
    def ctx(self) -> Context:
        """Where the size expressions live."""
        return self.facts.ctx

    def shape(self, i: int) -> tuple[Expr, ...]:
        """Sizes of operand `i`."""
        found = self.facts.known_shape(self.node.inputs[i])
        if found is None:
            raise ShapeError(f"operand {i} of {self.node.op} has no shape")
        return found

    def value(self, i: int) -> Expr:
        """Size expression of the 0-d integer operand `i`."""
        return self._value(self.node.inputs[i], ())

    def vector(self, i: int) -> list[Expr]:
        """Size expressions of the elements of the integer vector operand `i`."""
        operand = self.node.inputs[i]
        (length,) = self.shape(i)
        if not length.is_const:
            raise ShapeError(
                user_message(
                    f"{self.node.op}: the number of elements of operand {i} must be known when "
                    "the function is compiled",
                    got=f"{operand} of type {operand.type}",
                    where=user_line(self.node) or None,
                )
            )
        return [self._value(operand, (j,)) for j in range(int(length.value))]

    def _value(self, operand: Variable, index: tuple[int, ...]) -> Expr:
        found = self.facts.known_value(operand, index)
        if found is None:
            raise TypeError(f"{self.node.op}: {operand} of type {operand.type} is not an integer")
        return found

    def bcast(self, *dims: Any) -> Expr:
        """Length of an axis on which axes of these lengths are broadcast."""
        result = self.facts.size(dims[0])
        for other in dims[1:]:
            length = self.facts.size(other)
            before = len(self.facts.dynamic.get(self.node, ()))
            joined = self.facts.broadcast(result, length, self.node)
            if len(self.facts.dynamic.get(self.node, ())) > before:
                self._require_broadcast(result, length)
            result = joined
        return result

    def _require_broadcast(self, a: Expr, b: Expr) -> None:
        self.check(
            or_(eq(a, b), or_(eq(a, 1), eq(b, 1))),
            broadcast_family(self.node),
            f"{escaped(self.node.op)}: operands could not be broadcast together: "
            "lengths {0} and {1} of one axis",
            a,
            b,
        )

    def unknown(self, out: int, axis: int) -> Expr:
        """A length that is only known once output `out` has been computed."""
        return self.facts.unknown(self.node.outputs[out], axis)

    def equal(self, a: Any, b: Any, message: str, *shown: Any) -> Expr:
        """A length, where `a` and `b` must be equal."""
        left, right = self.facts.size(a), self.facts.size(b)
        if not self.facts.equal(left, right):
            self.check(eq(left, right), "shape", message, *(shown or (left, right)))
            early = self.facts.early(left) and self.facts.early(right)
            if early and self.facts.taken(self.node) is None:
                self.facts.learn_equal(left, right)
        return right if right.is_const else left

    def check(self, condition: Any, error: str, message: str, *shown: Any) -> None:
        """Require a boolean size expression to hold before the node runs."""
        from_size = self.facts.size
        if not isinstance(condition, Expr):
            condition = self.ctx.const(bool(condition), "bool")
        taken = self.facts.taken(self.node)
        if taken is not None:
            condition = or_(invert(taken), condition)
        condition = simplify(condition)
        if condition.is_const and bool(condition.value):
            return
        requirement = Requirement(condition, error, message, tuple(map(from_size, shown)))
        known = self.facts.requirements.setdefault(self.node, [])
        if requirement not in known:
            known.append(requirement)

    def index(self, raw: Any, length: Any) -> Expr:
        """`raw` counted from the start, checked to lie in [-length, length)."""
        position, n = self.facts.size(raw), self.facts.size(length)
        self.check(
            and_(ge(position, -n), lt(position, n)),
            "index",
            "index {0} is out of bounds for an axis of length {1}",
            position,
            n,
        )
        return self.facts.canonical(switch(lt(position, 0), position + n, position))


    # ---- inner graphs

    def bind_shape(
        self, variable: Variable, shape: Sequence[Any], taken: Expr | None = None
    ) -> None:
        """Say what the lengths of an inner variable are, and when it is used at all."""
        around = self.facts.taken(self.node)
        if around is not None:
            taken = around if taken is None else and_(around, taken)
        self.facts.bind_shape(variable, tuple(self.facts.size(n) for n in shape), taken)

    def bind_value(self, variable: Variable, i: int) -> None:
        """Say that a 0-d integer inner variable has the value of operand `i`."""
        operand = self.node.inputs[i]
        dtype = getattr(variable.type, "dtype", None)
        if dtype is not None and is_discrete(dtype) and not operand.type.ndim:
            self.facts.bind_value(variable, self._value(operand, ()))

    def inner_shape(self, variable: Variable) -> tuple[Expr, ...]:
        """Sizes of a variable of the inner graph."""
        found = self.facts.known_shape(variable)
        if found is None:
            raise ShapeError(f"{variable} of type {variable.type} has no shape")
        return found

    def outside(self, size: Expr) -> bool:
        """Whether a size can be had without computing anything of the inner graph."""
        return all(
            self.facts.source(leaf.payload[1])[0] not in self._inside
            for leaf in leaves([size], "size")
        )

    @cached_property
    def _inside(self) -> set[Variable]:
        return set(ancestors(self.node.op.outputs))


class ValueReader:
    """A :class:`~symc.loop.protocol.Reader` for integers that are worked out symbolically.

    Parameters
    ----------
    facts : Facts
    node : Apply
    """

    def __init__(self, facts: Facts, node: Apply) -> None:
        self.facts = facts
        self.node = node
        self.ctx = facts.ctx

    def __call__(self, i: int, idx: Sequence[Any]) -> Expr:
        """Element `idx` of operand `i`."""
        operand = self.node.inputs[i]
        shape = self.shape(i)
        index = tuple(
            0 if self.facts.is_one(n) else self._constant(e)
            for e, n in zip(idx, shape, strict=True)
        )
        found = self.facts.known_value(operand, index)
        if found is None:
            raise NotSymbolicError
        return self.facts.as_dtype(found, operand.type.dtype)

    def _constant(self, entry: Any) -> int:
        if isinstance(entry, Expr):
            entry = self.facts.canonical(entry)
            if not entry.is_const:
                raise NotSymbolicError
            return int(entry.value)
        return int(entry)

    def shape(self, i: int) -> tuple[Expr, ...]:
        """Sizes of operand `i`."""
        found = self.facts.known_shape(self.node.inputs[i])
        if found is None:
            raise NotSymbolicError
        return found

    def out_shape(self) -> tuple[Expr, ...]:
        """Sizes of the output."""
        found = self.facts.known_shape(self.node.outputs[0])
        if found is None:
            raise NotSymbolicError
        return found

    def value(self, i: int) -> Expr:
        """The 0-d integer operand `i` as int64."""
        found = self.facts.known_value(self.node.inputs[i], ())
        if found is None:
            raise NotSymbolicError
        return found

    def index(self, raw: Expr, length: Any) -> Expr:
        """`raw` counted from the start; only for constants in range."""
        position, n = self._constant(raw), self._constant(length)
        if not -n <= position < n:
            raise NotSymbolicError
        return self.ctx.integer(position + n if position < 0 else position)
