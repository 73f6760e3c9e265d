"""Patterns: an expression to look for and one to put in its place.

Both are ordinary graphs, made by calling the rule's function with placeholders: scalar variables
that stand for operands of any shape. So a pattern is written with the functions that users call,
and it can be evaluated, printed and tested like any other expression.

Matching follows the properties of the scalar ops: operands of commutative ops match in any order,
and sums, products and quotients may have further operands, which a placeholder takes up or which
stay beside the replacement. Numbers match constants by value.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..array.type import TensorType
from ..dtypes import DTYPES, can_cast_safely, is_continuous
from ..errors import RewriteError
from ..graph.node import Constant, Variable
from ..graph.walk import ancestors, toposort
from ..ops import methods  # noqa: F401 - variables get their operators there
from ..ops.elemwise import Elemwise, cast, elemwise_of
from ..scalar.arith import mul, true_div
from .values import (
    broadcast_like,
    constant_value,
    is_elemwise,
    is_tensor,
    operands_of,
    typed,
)

__all__ = ["Pattern", "formula"]

Bindings = dict[Variable, Variable]

_MUL, _DIV = elemwise_of(mul), elemwise_of(true_div)

_MAX_OPERANDS = 64
"""Longer sums and products are not searched."""

_PROTOTYPES = {"f": "float64", "c": "complex128", "i": "int64", "u": "uint64", "b": "bool"}


@dataclass
class Beside:
    """Operands at the root that the pattern does not speak of.

    Attributes
    ----------
    op : Op
        What joins them with the replacement: the sum or product at the root.
    operands : list of Variable
    divisors : list of Variable
        For quotients: further factors of the denominator.
    """

    op: Any
    operands: list[Variable] = field(default_factory=list)
    divisors: list[Variable] = field(default_factory=list)

    def joined_with(self, new: Any) -> Any:
        """The replacement together with what stands beside it."""
        if self.operands:
            new = self.op(new, *self.operands)
        if not self.divisors:
            return new
        return _DIV(new, self.divisors[0] if len(self.divisors) == 1 else _MUL(*self.divisors))


class Pattern:
    """A pair of expressions over placeholders.

    Parameters
    ----------
    left, right : Variable
        What is looked for, and what replaces it.
    placeholders : sequence of Variable
        The leaves that stand for operands.
    kinds : str
        Kinds of dtype that operands and intermediate results must have.
    when : callable, optional
        Called with what the placeholders stand for; the pattern applies where it returns True.

    Attributes
    ----------
    needed : set of Variable
        The placeholders that the right side has.
    forms : list of Variable
        The left side as it was written and, for phases after ``canonical``, in canonical form.
    form_sought : bool
        Whether the canonical form was looked for.
    """

    def __init__(
        self,
        left: Variable,
        right: Variable,
        placeholders: Sequence[Variable],
        kinds: str = "f",
        when: Callable[..., bool] | None = None,
    ) -> None:
        self.left = left
        self.right = right
        self.forms = [left]
        self.form_sought = False
        self.placeholders = tuple(placeholders)
        self.kinds = kinds
        self.when = when
        self._open = frozenset(placeholders)
        self._below_root: dict[Variable, list[Any]] = {}
        self.needed = self._open & set(_leaves(right))
        self._dropped = [p for p in placeholders if p not in self.needed]
        self._elementwise = all(isinstance(n.op, Elemwise) for n in toposort([left, right]))

    @classmethod
    def of(
        cls,
        function: Callable[..., Any],
        kinds: str = "f",
        when: Callable[..., bool] | None = None,
    ) -> Pattern:
        """Make a pattern by calling a function with placeholders.

        Parameters
        ----------
        function : callable
            Returns the pair (left, right). A parameter's default, a `TensorType`, says that it
            stands for operands of that rank only.
        kinds, when
            As for the class.

        Raises
        ------
        RewriteError
            If the function does not return two expressions, or the right one needs something
            that the left one does not have.
        """
        prototype = TensorType(_PROTOTYPES[kinds[0]], ())
        placeholders = [
            (prototype if p.default is p.empty else p.default)(name)
            for name, p in inspect.signature(function).parameters.items()
        ]
        result = function(*placeholders)
        if not (isinstance(result, tuple) and len(result) == 2 and is_tensor(result[0])):
            raise RewriteError(
                f"the pattern {function.__name__} must return (left, right), two expressions, "
                f"got {result!r}"
            )
        left, right = result
        if not is_tensor(right):
            right = typed(right, left.type.dtype)
        needed = {v for v in _leaves(right) if not isinstance(v, Constant)}
        unknown = needed - set(_leaves(left))
        if left.owner is None or unknown:
            raise RewriteError(
                f"the pattern {function.__name__} can't be used: "
                + (f"the right side needs {unknown}" if unknown else "the left side is a leaf")
            )
        return cls(left, right, placeholders, kinds, when)

    @property
    def root(self) -> Any:
        """The op of the expression that is looked for."""
        node: Any = self.left.owner
        return node.op

    # ---- matching

    def match(self, out: Variable) -> tuple[Bindings, Beside] | None:
        """What the placeholders stand for if `out` has the form of the left side.

        Parameters
        ----------
        out : Variable
            A computed variable.

        Returns
        -------
        tuple or None
            The bindings, and the operands at the root that are left over.
        """
        for bound, beside in self._match_root(out):
            operands = [bound[p] for p in self.placeholders if p in bound]
            if self.when is None or self.when(*operands):
                return bound, beside
        return None

    def _match_root(self, out: Variable) -> Iterator[tuple[Bindings, Beside]]:
        for form in self.forms:
            if self._may_match(form, out.owner):
                yield from self._match_form(form.owner, out.owner)

    def _may_match(self, form: Variable, node: Any) -> bool:
        """Early reject: whether each operation right below the root occurs below that of `node`."""
        needed = self._below_root.get(form)
        if needed is None:
            needed = self._below_root[form] = _ops_below(form)
        for scalar_op in needed:
            for v in node.inputs:
                owner = v.owner
                if owner is not None and getattr(owner.op, "scalar_op", None) is scalar_op:
                    break
            else:
                return False
        return True

    def _match_form(self, wanted: Any, node: Any) -> Iterator[tuple[Bindings, Beside]]:
        if not self._fits(wanted, node):
            return
        if _associative(node.op):
            chosen = self._choose(wanted.inputs, node.inputs, {}, absorb=False, op=node.op)
            for bound, rest in chosen:
                yield bound, Beside(node.op, rest)
        elif is_elemwise(node.outputs[0], true_div):
            yield from self._match_quotient(wanted.inputs, node.inputs)
        else:
            for bound in self._match_operands(wanted, node, {}):
                yield bound, Beside(node.op)

    def _match_quotient(
        self, wanted: Sequence[Variable], given: Sequence[Variable]
    ) -> Iterator[tuple[Bindings, Beside]]:
        """Match a quotient within a quotient of products: other factors may stand beside it."""
        top, bottom = wanted
        whole_top = top.owner is None
        for above, factors in _factors(given[0], whole_top):
            for bound in self._match(top, above, {}):
                for below, divisors in _factors(given[1], bottom.owner is None):
                    for found in self._match(bottom, below, bound):
                        yield found, Beside(_MUL, factors, divisors)

    def _fits(self, wanted: Any, node: Any) -> bool:
        """Early reject: op, number of operands, dtypes."""
        if node is None:
            return False
        if isinstance(wanted.op, Elemwise):
            same = isinstance(node.op, Elemwise) and node.op.scalar_op is wanted.op.scalar_op
        else:
            same = node.op == wanted.op
        if not same or not self._accepts(wanted.outputs[0], node.outputs[0]):
            return False
        given, needed = len(node.inputs), len(wanted.inputs)
        return given == needed or (needed < given <= _MAX_OPERANDS and _associative(node.op))

    def _accepts(self, wanted: Variable, v: Variable) -> bool:
        """Whether `v` has a dtype of the kinds that `wanted` may have."""
        if not is_tensor(v):
            return False
        own = DTYPES[wanted.type.dtype].kind
        allowed = self.kinds if own in self.kinds else own
        return DTYPES[v.type.dtype].kind in allowed

    def _match(self, wanted: Variable, v: Variable, bound: Bindings) -> Iterator[Bindings]:
        if wanted in self._open:
            before = bound.get(wanted)
            if before is v:
                yield bound
            elif before is None and self._stands_for(wanted, v):
                yield {**bound, wanted: v}
        elif isinstance(wanted, Constant):
            # A longer constant would have a say in the shape of the result.
            value = constant_value(v) if all(v.type.broadcastable) else None
            if value is not None and bool(value == wanted.data):
                yield bound
        elif self._fits(wanted.owner, v.owner):
            yield from self._match_operands(wanted.owner, v.owner, bound)

    def _stands_for(self, placeholder: Variable, v: Variable) -> bool:
        rank = placeholder.type.ndim
        return self._accepts(placeholder, v) and (not rank or v.type.ndim == rank)

    def _match_operands(self, wanted: Any, node: Any, bound: Bindings) -> Iterator[Bindings]:
        if _commutative(node.op):
            chosen = self._choose(wanted.inputs, node.inputs, bound, absorb=True, op=node.op)
            for found, _ in chosen:
                yield found
            return
        yield from self._match_in_order(wanted.inputs, node.inputs, bound)

    def _match_in_order(
        self, wanted: Sequence[Variable], given: Sequence[Variable], bound: Bindings
    ) -> Iterator[Bindings]:
        if not wanted:
            yield bound
            return
        for found in self._match(wanted[0], given[0], bound):
            yield from self._match_in_order(wanted[1:], given[1:], found)

    def _choose(
        self,
        wanted: Sequence[Variable],
        given: Sequence[Variable],
        bound: Bindings,
        absorb: bool,
        op: Any,
    ) -> Iterator[tuple[Bindings, list[Variable]]]:
        """Match `wanted` with some of `given`; yields the bindings and what is left over.

        With `absorb` nothing may be left over: the last placeholder stands for all that is.
        """
        ordered = sorted(wanted, key=lambda w: w in self._open)
        yield from self._choose_ordered(ordered, list(given), bound, absorb, op)

    def _choose_ordered(
        self, wanted: list[Variable], given: list[Variable], bound: Bindings, absorb: bool, op: Any
    ) -> Iterator[tuple[Bindings, list[Variable]]]:
        if not wanted:
            if not (absorb and given):
                yield bound, given
            return
        first, others = wanted[0], wanted[1:]
        if absorb and not others and len(given) > 1:
            if first in self._open and first not in bound:
                yield {**bound, first: op(*given)}, []
            return
        for i, v in enumerate(given):
            for found in self._match(first, v, bound):
                remaining = given[:i] + given[i + 1 :]
                yield from self._choose_ordered(others, remaining, found, absorb, op)

    # ---- replacing

    def rewrite(self, node: Any, ctx: Any) -> Any:
        """The replacement for `node`'s output, or None.

        The result has the type and, with `ctx` as witness, the shape of what it replaces.
        """
        (out,) = node.outputs
        found = self.match(out)
        if found is None:
            return None
        bound, beside = found
        new = self._instance(bound, out.type.dtype)
        if new is None:
            return None
        new = beside.joined_with(new)
        if new.type.dtype != out.type.dtype:
            return None
        if self._elementwise and self._dropped:
            new = broadcast_like(new, out, [bound[p] for p in self._dropped], ctx)
        return new

    def _instance(self, bound: Bindings, dtype: str) -> Any:
        """The right side with the placeholders filled in."""
        values: dict[Variable, Any] = {}
        for leaf in _leaves(self.right):
            value = bound.get(leaf)
            if value is None:
                value = typed(leaf.data, dtype)  # type: ignore[attr-defined]
            elif value.type.dtype != dtype and is_continuous(value.type.dtype):
                if not can_cast_safely(value.type.dtype, dtype):
                    return None
                value = cast(value, dtype)
            values[leaf] = value
        for node in toposort([self.right]):
            values[node.outputs[0]] = node.op(*(values[v] for v in node.inputs))
        return values[self.right]


def _factors(x: Variable, whole: bool) -> Iterator[tuple[Variable, list[Variable]]]:
    """`x`, and unless it counts as a whole each of its factors with the others."""
    yield x, []
    operands = None if whole else operands_of(x, mul)
    if operands is not None and len(operands) <= _MAX_OPERANDS:
        for i, v in enumerate(operands):
            yield v, operands[:i] + operands[i + 1 :]


def _ops_below(form: Variable) -> list[Any]:
    """The scalar ops of a form's operands; none of a quotient's, which are sought in products."""
    node: Any = form.owner
    if is_elemwise(form, true_div):
        return []
    owners = [v.owner for v in node.inputs if v.owner is not None]
    return [owner.op.scalar_op for owner in owners if isinstance(owner.op, Elemwise)]


def _leaves(x: Variable) -> list[Variable]:
    return [v for v in ancestors([x]) if v.owner is None]


def _commutative(op: Any) -> bool:
    return isinstance(op, Elemwise) and bool(op.scalar_op.commutative)


def _associative(op: Any) -> bool:
    return _commutative(op) and op.scalar_op.nin < 0 and bool(op.scalar_op.associative)


def formula(pattern: Pattern) -> str:
    """The pattern as text: ``log(1 + x) -> log1p(x)``."""
    return f"{_text(pattern.left, 0)} -> {_text(pattern.right, 0)}"


_INFIX = {"add": ("+", 1), "sub": ("-", 1), "mul": ("*", 2), "true_div": ("/", 2)}


def _text(x: Variable, binding: int) -> str:
    """`x` as a formula, in brackets if it binds less strongly than `binding`."""
    if isinstance(x, Constant):
        return f"{x.data:g}" if x.data.dtype.kind == "f" else str(x.data)
    if x.owner is None:
        return str(x)
    op, operands = x.owner.op, x.owner.inputs
    name = op.scalar_op.name if isinstance(op, Elemwise) else str(op)
    if name == "neg":
        return _bracketed(f"-{_text(operands[0], 3)}", 2, binding)
    if name not in _INFIX:
        return f"{name}({', '.join(_text(v, 0) for v in operands)})"
    symbol, strength = _INFIX[name]
    first, *others = operands
    # The operands behind - and / need brackets even if they bind as strongly.
    behind = strength if symbol in "+*" else strength + 1
    parts = [_text(first, strength), *(_text(v, behind) for v in others)]
    return _bracketed(f" {symbol} ".join(parts), strength, binding)


def _bracketed(text: str, strength: int, binding: int) -> str:
    return f"({text})" if strength < binding else text
