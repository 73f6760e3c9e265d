"""Reverse accumulation: the gradient of a scalar as a graph.

The driver knows graphs, not ops: each op's ``L_op(inputs, outputs, output_gradients)`` builds the
graph of its vector-Jacobian product; the driver decides which nodes matter, in what order they
are visited, how contributions add up, and what is disconnected or undefined. It makes tensors only
through the methods of variables (``zeros_like``, ``ones_like``, ``astype``, ``+``).

Two special types travel in place of gradients: :class:`DisconnectedType` (the cost does not
depend on this variable) and :class:`NullType` (the gradient is undefined, with the reason).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ..config import config
from ..dtypes import is_complex, is_discrete
from ..errors import NonScalarCostError, NullTypeGradError, user_message
from ..graph.garbage import rare_collections
from ..graph.node import Apply, Variable
from ..graph.special import DisconnectedType, NullType
from ..graph.trace import user_line
from ..graph.walk import connection_pattern, toposort


class Reverse:
    """One reverse sweep.

    Parameters
    ----------
    seeds : mapping of Variable to Variable
        Gradients that are given: of the cost, and of `known_grads`.
    wrt : sequence of Variable
    consider_constant : sequence of Variable
        Variables through which no gradient passes; they may have one themselves.
    settled : collection of Variable
        Seeds to which nothing is added, even if the cost depends on them.
    """

    def __init__(
        self,
        seeds: Mapping[Variable, Variable],
        wrt: Sequence[Variable],
        consider_constant: Iterable[Variable] = (),
        settled: Iterable[Variable] = (),
    ) -> None:
        self.seeds = dict(seeds)
        self.wrt = list(wrt)
        self.barred = set(consider_constant)
        self.settled = set(settled)
        self.order = toposort(list(self.seeds))
        self.patterns = {node: connection_pattern(node) for node in self.order}
        self.on_path = self._variables_on_path()
        self.terms: dict[Variable, list[Variable]] = {}
        self.total: dict[Variable, Variable] = {}

    def _variables_on_path(self) -> set[Variable]:
        """Variables that depend on something in `wrt` without a cut in between."""
        reached: set[Variable] = set(self.wrt)
        for node in self.order:
            pattern = self.patterns[node]
            for o, out in enumerate(node.outputs):
                if out not in self.barred and any(
                    pattern[i][o] and var in reached for i, var in enumerate(node.inputs)
                ):
                    reached.add(out)
        return reached

    def run(self) -> list[Variable]:
        """Gradients of `wrt`, in order; disconnected ones have a DisconnectedType."""
        for var, gradient in self.seeds.items():
            self.terms.setdefault(var, []).append(gradient)
        with rare_collections():
            for node in reversed(self.order):
                if any(out in self.terms for out in node.outputs) and any(
                    var in self.on_path for var in node.inputs
                ):
                    self._visit(node)
        return [self.gradient_of(var) for var in self.wrt]

    def gradient_of(self, var: Variable) -> Variable:
        """What has been accumulated for `var`."""
        if var in self.total:
            return self.total[var]
        terms = self.terms.get(var)
        result: Variable = DisconnectedType()() if not terms else _sum(terms)
        self.total[var] = result
        return result

    def _visit(self, node: Apply) -> None:
        given = [self._output_gradient(out) for out in node.outputs]
        pattern = self.patterns[node]
        wanted = [
            var in self.on_path
            and var not in self.settled
            and any(
                pattern[i][o] and not isinstance(g.type, DisconnectedType)
                for o, g in enumerate(given)
            )
            for i, var in enumerate(node.inputs)
        ]
        if not any(wanted):
            return
        null = next((g for g in given if isinstance(g.type, NullType)), None)
        if null is not None:
            results: Sequence[Any] = [null] * len(node.inputs)
        else:
            results = call_l_op(node, given, wanted)
        for i, (var, term) in enumerate(zip(node.inputs, results, strict=True)):
            if wanted[i] and not isinstance(_checked(node, i, var, term).type, DisconnectedType):
                self.terms.setdefault(var, []).append(term)

    def _output_gradient(self, out: Variable) -> Variable:
        if out in self.barred:
            return DisconnectedType()()
        gradient = self.gradient_of(out)
        if isinstance(gradient.type, (DisconnectedType, NullType)):
            return gradient
        wanted = getattr(out.type, "dtype", None)
        got = getattr(gradient.type, "dtype", None)
        if wanted is None or got is None or is_discrete(wanted) or wanted == got:
            return gradient
        return gradient.astype(wanted)  # type: ignore[attr-defined, no-any-return]


def call_l_op(
    node: Apply, given: list[Variable], wanted: Sequence[bool] | None = None
) -> Sequence[Any]:
    """The terms that the op of `node` gives, one per input.

    An op that has a method ``wanted_gradients`` is told which of them are wanted.
    """
    of_some = None if wanted is None else getattr(node.op, "wanted_gradients", None)
    if of_some is None:
        results = node.op.L_op(node.inputs, node.outputs, given)
    else:
        results = of_some(node.inputs, node.outputs, given, wanted)
    if not isinstance(results, (list, tuple)) or len(results) != len(node.inputs):
        count = len(results) if isinstance(results, (list, tuple)) else type(results).__name__
        raise ValueError(
            user_message(
                f"the gradient of {node.op} gives the wrong number of terms",
                where=user_line(node) or None,
                got=str(count),
                expected=f"a list of {len(node.inputs)}, one per input",
            )
        )
    return results


def _checked(node: Apply, position: int, var: Variable, term: Any) -> Variable:
    """`term` if it may be the gradient of `var`."""
    what = f"the gradient of {node.op} for input {position} ({var})"
    if not isinstance(term, Variable):
        raise TypeError(
            user_message(
                f"{what} is not a variable",
                where=user_line(node) or None,
                got=repr(term),
                expected="a variable; zeros, grad_undefined or DisconnectedType()() where there "
                "is none",
            )
        )
    if isinstance(term.type, (DisconnectedType, NullType)):
        return term
    dtype = getattr(term.type, "dtype", None)
    if dtype is not None and is_discrete(dtype):
        raise TypeError(
            user_message(
                f"{what} has an integer dtype",
                where=user_line(node) or None,
                got=str(term.type),
                expected="a floating point dtype",
            )
        )
    ndim = getattr(var.type, "ndim", None)
    if ndim is not None and getattr(term.type, "ndim", ndim) != ndim:
        raise ValueError(
            user_message(
                f"{what} has the wrong rank",
                where=user_line(node) or None,
                got=str(term.type),
                expected=f"the rank of {var.type}",
            )
        )
    return term


def _sum(terms: Sequence[Any]) -> Variable:
    null = next((t for t in terms if isinstance(t.type, NullType)), None)
    if null is not None:
        return null  # type: ignore[no-any-return]
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total  # type: ignore[no-any-return]


def seed_of_cost(cost: Variable) -> Variable:
    """The gradient of `cost` with respect to itself: one.

    Raises
    ------
    NonScalarCostError
        If `cost` is not 0-d.
    NullTypeGradError
        If `cost` itself is undefined.
    """
    if not isinstance(cost, Variable):
        raise TypeError(
            user_message(
                "the cost must be a symbolic variable", got=f"{type(cost).__name__}: {cost!r}"
            )
        )
    if isinstance(cost.type, NullType):
        raise NullTypeGradError(
            user_message(f"the gradient of an undefined cost: {cost.type.why_null}")
        )
    if getattr(cost.type, "ndim", None) != 0:
        raise NonScalarCostError(
            user_message(
                "the cost must be a scalar",
                where=user_line(cost) or None,
                got=str(cost.type),
                hint="reduce it: cost.sum() or cost.mean()",
            )
        )
    dtype: str = cost.type.dtype  # type: ignore[attr-defined]
    if is_complex(dtype):
        raise NonScalarCostError(
            user_message("the cost must be real", where=user_line(cost) or None, got=str(cost.type))
        )
    floating = config.floatX if is_discrete(dtype) else dtype
    return cost.ones_like(dtype=floating)  # type: ignore[attr-defined, no-any-return]


def why_disconnected(cost: Sequence[Variable], wrt: Variable, barred: Iterable[Variable]) -> str:
    """Say where the path from `wrt` to the cost is cut, and by what."""
    order = toposort(list(cost))
    patterns = {node: connection_pattern(node) for node in order}
    leaves_it = {var for node in order for var in node.inputs} | set(cost)
    if wrt not in leaves_it:
        return "the cost does not use it (a new variable made from the same data is another one)"
    blocked = set(barred)
    reached = {wrt}
    cut = None
    for node in order:
        for i, var in enumerate(node.inputs):
            if var not in reached:
                continue
            connected = [out for k, out in enumerate(node.outputs) if patterns[node][i][k]]
            reached.update(out for out in connected if out not in blocked)
            if not connected:
                cut = cut or (node, "which passes no gradient to this operand")
            elif not reached.intersection(connected):
                cut = cut or (node, "whose result consider_constant holds")
    if cut is None:
        return "no differentiable path leads from it to the cost"
    node, reason = cut
    line = user_line(node)
    return f"the path is cut at {node.op}, {reason}" + (f"; built at {line}" if line else "")
