"""`OpFromGraph`: a graph used as an op.

An application is one node of the user's graph, with derivatives that the user may override. Before
the graph is rewritten it is replaced by the inner graph (`symc.rewrite.inline`), so it costs
nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any

from ..autodiff.driver import Reverse
from ..autodiff.forward import forward
from ..errors import MissingInputError, user_message
from ..graph.graph import Graph, clone_get_equiv, clone_replace
from ..graph.node import Apply, Constant, SharedVariable, Variable
from ..graph.op import BuiltinOp, run_graph
from ..graph.special import DisconnectedType, NullType, disconnected_type
from ..graph.trace import user_line
from ..graph.walk import graph_inputs, io_connection_pattern

__all__ = ["OpFromGraph"]

_UNDEFINED = (NullType, DisconnectedType)

# Options of `symc.function` that make no difference to an op.
_IGNORED = frozenset(
    ("accept_inplace", "allow_input_downcast", "mode", "on_unused_input", "profile", "strict")
)


class OpFromGraph(BuiltinOp):
    """An op that computes a graph.

    Parameters
    ----------
    inputs : list of Variable
        Operands of the op. Those that the outputs do not need are allowed.
    outputs : list of Variable
        Results. Shared variables that they need are captured: they become operands of every
        application.
    inline : bool, optional
        Accepted as in Theano: the graph is always put in the place of the op when a function is
        compiled.
    lop_overrides, grad_overrides : optional
        The gradient, at most one of the two: ``"default"`` (derived from the graph); an
        `OpFromGraph`; a callable; a variable whose type is a `NullType` or a `DisconnectedType`;
        or a list with one of these per input, each giving one variable. Callables are given lists:
        ``(inputs, outputs, output_gradients)`` for `lop_overrides` and
        ``(inputs, output_gradients)`` for `grad_overrides`; an `OpFromGraph` the same, one
        operand after the other.
    rop_overrides : optional
        The forward derivative, in the same forms; callables are given ``(inputs, eval_points)``,
        and a list has one entry per output.
    connection_pattern : list of list of bool, optional
        ``pattern[input][output]``; derived from the graph by default.
    name : str, optional
        Shown by `debugprint`.
    **kwargs
        Options of ``function`` are accepted, without effect.

    Attributes
    ----------
    local_inputs, local_outputs : list of Variable
        The op's own copy of the graph; captured shared variables come last.
    shared_inputs : list of SharedVariable

    Raises
    ------
    TypeError
        If inputs or outputs are not variables, or an override is none of the forms.
    MissingInputError
        If the outputs need a variable that is neither an input nor shared.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x, y = T.dvectors("x", "y")
    >>> smooth = symc.OpFromGraph([x, y], [T.sqrt(x**2 + y**2)], name="smooth")
    >>> symc.function([x, y], smooth(x, y))([3.0], [4.0])
    array([5.])
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        inline: bool = False,
        lop_overrides: Any = "default",
        grad_overrides: Any = "default",
        rop_overrides: Any = "default",
        connection_pattern: Sequence[Sequence[bool]] | None = None,
        name: str | None = None,
        **kwargs: Any,
    ) -> None:
        _check_options(kwargs)
        _check_ends(inputs, outputs)
        self.is_inline = inline
        self.name = name
        self.nin = len(inputs)
        self._pattern = connection_pattern
        self._copy_graph(list(inputs), list(outputs))
        if not _is_default(lop_overrides) and not _is_default(grad_overrides):
            raise ValueError("give lop_overrides or grad_overrides, not both")
        self._takes_outputs = _is_default(grad_overrides)
        given = lop_overrides if self._takes_outputs else grad_overrides
        self._lop = _checked_override(given, self.nin, "gradient")
        self._rop = _checked_override(rop_overrides, len(self.local_outputs), "rop_overrides")
        self._gradients: dict[tuple[Any, ...], tuple[Any, list[Any]]] = {}

    def _copy_graph(self, inputs: list[Variable], outputs: list[Variable]) -> None:
        given = set(inputs)
        leaves = [v for v in graph_inputs(outputs[::-1], given) if v not in given]
        missing = [v for v in leaves if not isinstance(v, (Constant, SharedVariable))]
        if missing:
            raise MissingInputError(
                user_message(
                    "the outputs of OpFromGraph need variables that are not among its inputs",
                    got=", ".join(f"{v} ({v.type})" for v in missing),
                    where=[line for line in map(user_line, missing) if line] or None,
                    hint="add them to the inputs, or make them shared variables",
                )
            )
        self.shared_inputs = [v for v in leaves if isinstance(v, SharedVariable)]
        memo: dict[Any, Any] = {v: v.type(v.name) for v in self.shared_inputs}
        for variable in inputs:
            memo.setdefault(variable, variable.type(variable.name))
        copies = clone_get_equiv(inputs, outputs, copy_orphans=False, memo=memo)
        self.local_inputs: list[Any] = [copies[v] for v in (*inputs, *self.shared_inputs)]
        self.local_outputs: list[Any] = [copies[v] for v in outputs]

    # ---- identity

    @cached_property
    def inner_graph(self) -> Graph:
        """The inner graph; printers show it."""
        return Graph(self.local_inputs, self.local_outputs)

    @property
    def input_types(self) -> list[Any]:
        """Types of the operands that a call takes."""
        return [v.type for v in self.local_inputs[: self.nin]]

    @property
    def output_types(self) -> list[Any]:
        """Types of the results."""
        return [v.type for v in self.local_outputs]

    def fingerprint_key(self) -> tuple[Any, ...]:
        """What the compiler sees of the op."""
        return ("OpFromGraph", self.inner_graph.fingerprint_key())

    def __str__(self) -> str:
        return f"{self.name or type(self).__name__}{{inline={self.is_inline}}}"

    # ---- nodes and values

    def make_node(self, *inputs: Any) -> Apply:
        """Return an application to `inputs` and to the captured shared variables.

        Raises
        ------
        ValueError
            If the number of inputs is wrong.
        TypeError
            If one has another type and does not convert without loss.
        """
        if len(inputs) != self.nin:
            raise ValueError(f"{self} takes {self.nin} inputs, got {len(inputs)}")
        operands = [
            self._operand(i, x, t)
            for i, (x, t) in enumerate(zip(inputs, self.input_types, strict=True))
        ]
        return Apply(self, [*operands, *self.shared_inputs], [t() for t in self.output_types])

    def inlined(self, operands: Sequence[Variable]) -> list[Any]:
        """The graph of the outputs for given operands, captured variables included."""
        memo: dict[Any, Any] = dict(zip(self.local_inputs, operands, strict=True))
        copies = clone_get_equiv(
            self.local_inputs, self.local_outputs, copy_orphans=False, memo=memo
        )
        return [copies[v] for v in self.local_outputs]

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: list[list[Any]], params: Any = None
    ) -> None:
        """Compute the inner graph, node by node."""
        values = run_graph(self.inner_graph.apply_nodes, self.local_inputs,
                           self.local_outputs, inputs)
        for cell, output, value in zip(output_storage, node.outputs, values, strict=True):
            cell[0] = output.type.copy_value(value)

    # ---- derivatives

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return which outputs depend differentiably on which inputs."""
        if self._pattern is not None:
            given = [list(row) for row in self._pattern]
            rest = len(self.local_inputs) - len(given)
            return [*given, *([True] * len(self.local_outputs) for _ in range(rest))]
        pattern = io_connection_pattern(self.local_inputs, self.local_outputs)
        for i in range(self.nin):
            rule = self._lop[i] if isinstance(self._lop, list) else self._lop
            if not _is_default(rule):
                pattern[i] = [not _is_type(rule, DisconnectedType)] * len(pattern[i])
        return pattern

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """Gradients by the overrides, and from the inner graph where there are none."""
        if _is_default(self._lop):
            return self._default_gradients(inputs, g_outputs)
        own = list(inputs[: self.nin])
        given = [
            out.zeros_like() if isinstance(g.type, DisconnectedType) else g
            for g, out in zip(g_outputs, outputs, strict=True)
        ]
        lists = [own, list(outputs), given] if self._takes_outputs else [own, given]
        made = _overridden(self._lop, lists, self.nin, f"the gradient of {self}")
        if any(m is None for m in made) or self.shared_inputs:
            usual = self._default_gradients(inputs, g_outputs)
            made = [u if m is None else m for m, u in zip(made, usual, strict=False)]
            made += usual[self.nin :]
        return made

    def _default_gradients(self, inputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        """An application of the op that computes the gradients of the inner graph."""
        live = tuple(
            (k, g.type)
            for k, g in enumerate(g_outputs)
            if not isinstance(g.type, DisconnectedType)
        )
        if live not in self._gradients:
            self._gradients[live] = self._gradient_op(live)
        op, results = self._gradients[live]
        made = iter(())
        if op is not None:
            given = [g_outputs[k] for k, _ in live]
            made = iter(op(*inputs, *given, return_list=True))
        return [r.type() if isinstance(r.type, _UNDEFINED) else next(made) for r in results]

    def _gradient_op(self, live: Sequence[tuple[int, Any]]) -> tuple[Any, list[Any]]:
        """The op that maps operands and output gradients to gradients; and its inner results."""
        given = [t() for _, t in live]
        seeds: dict[Any, Any] = {}
        for (k, _), g in zip(live, given, strict=True):
            out = self.local_outputs[k]
            seeds[out] = seeds[out] + g if out in seeds else g
        results = Reverse(seeds, self.local_inputs).run()
        computed = [r for r in results if not isinstance(r.type, _UNDEFINED)]
        if not computed:
            return None, list(results)
        name = f"gradient of {self.name or type(self).__name__}"
        return OpFromGraph([*self.local_inputs, *given], computed, name=name), list(results)

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        """Forward derivatives by the overrides, and from the inner graph where there are none."""
        usual: list[Any] | None = None
        if not _is_default(self._rop):
            own = list(inputs[: self.nin])
            points = [
                v.zeros_like() if p is None else p
                for v, p in zip(own, eval_points, strict=False)
            ]
            count = len(self.local_outputs)
            usual = _overridden(self._rop, [own, points], count, f"the R_op of {self}")
            if all(m is not None for m in usual):
                return [None if isinstance(m.type, _UNDEFINED) else m for m in usual]
        pairs = zip(self.local_inputs, eval_points, strict=True)
        live = [(v, p) for v, p in pairs if p is not None]
        points = [p.type() for _, p in live]
        derived = forward(self.local_outputs, [v for v, _ in live], points)
        replace = dict(zip(self.local_inputs, inputs, strict=True))
        replace.update(zip(points, (p for _, p in live), strict=True))
        known = [d for d in derived if d is not None]
        placed = iter(clone_replace(known, replace))
        default = [None if d is None else next(placed) for d in derived]
        return default if usual is None else [
            d if m is None else m for m, d in zip(usual, default, strict=True)
        ]


def _check_options(kwargs: dict[str, Any]) -> None:
    for name in kwargs:
        if name not in _IGNORED:
            raise TypeError(
                user_message(
                    f"OpFromGraph does not take the option {name!r}",
                    hint="an op has no updates and no givens: replace with symc.clone first, and "
                    "give the new values of shared variables as outputs",
                )
            )


def _check_ends(inputs: Any, outputs: Any) -> None:
    for what, given in (("inputs", inputs), ("outputs", outputs)):
        if not isinstance(given, (list, tuple)):
            raise TypeError(
                f"the {what} of OpFromGraph must be a list, got {type(given).__name__}: {given!r}"
            )
        for variable in given:
            if not isinstance(variable, Variable):
                raise TypeError(
                    f"the {what} of OpFromGraph must be variables, got {variable!r} of "
                    f"{type(variable).__name__}"
                )
    wrong = [v for v in inputs if isinstance(v, (Constant, SharedVariable))]
    if wrong:
        raise TypeError(
            f"inputs of OpFromGraph can't be constants or shared variables, got {wrong}; what the "
            "outputs need of them is captured"
        )
    if not outputs:
        raise ValueError("OpFromGraph needs at least one output")


def _is_default(rule: Any) -> bool:
    return rule is None or (isinstance(rule, str) and rule == "default")


def _is_type(rule: Any, kind: Any) -> bool:
    return isinstance(getattr(rule, "type", rule), kind)


def _checked_override(rule: Any, count: int, what: str) -> Any:
    """An override, checked; lists and tuples as lists."""
    if isinstance(rule, (list, tuple)):
        if len(rule) != count:
            raise ValueError(
                f"the overrides of the {what} must be {count}, one for each, got {len(rule)}"
            )
        return [_checked_override(r, 0, what) for r in rule]
    if _is_default(rule) or callable(rule) or _is_type(rule, _UNDEFINED):
        return rule
    raise TypeError(
        user_message(
            f"an override of the {what} of OpFromGraph has the wrong form",
            got=f"{rule!r} of {type(rule).__name__}",
            expected="'default', a callable, an OpFromGraph, a variable of NullType or "
            "DisconnectedType, or a list of these",
        )
    )


def _overridden(
    rule: Any, lists: list[list[Any]], count: int, what: str
) -> list[Any]:
    """What overrides give, one variable for each; None where the default is wanted."""
    if isinstance(rule, list):
        return [
            None if _is_default(r) else _overridden(r, lists, 1, what)[0] for r in rule
        ]
    if _is_type(rule, _UNDEFINED):
        kind = getattr(rule, "type", rule)
        return [kind() for _ in range(count)]
    if isinstance(rule, OpFromGraph):
        made = rule(*(v for part in lists for v in part), return_list=True)
    else:
        made = _called(rule, lists)
    if len(made) != count:
        raise ValueError(
            user_message(
                f"an override gives the wrong number of terms for {what}",
                got=str(len(made)),
                expected=str(count),
            )
        )
    return [disconnected_type() if m is None else m for m in made]


def _called(rule: Callable[..., Any], lists: list[list[Any]]) -> list[Any]:
    made = rule(*lists)
    return list(made) if isinstance(made, (list, tuple)) else [made]
