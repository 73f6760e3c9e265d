"""Rules in Theano's words: `local_optimizer`, `PatternSub`, `register_canonicalize` and friends.

Everything here ends in :func:`symc.rewrite.rule.rule`. What Theano's functions read off the graph
around a node (``node.fgraph``) is not there: a rule sees its node and what is below it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from ..errors import RewriteError
from ..graph.node import Constant, Variable
from ..graph.op import Op
from .rule import ANY, rule
from .values import constant_value, is_tensor

__all__ = [
    "LocalOptimizer",
    "OpRemove",
    "OpSub",
    "PatternSub",
    "local_optimizer",
    "register_canonicalize",
    "register_specialize",
    "register_specialize_device",
    "register_stabilize",
    "register_uncanonicalize",
    "register_useless",
]


class LocalOptimizer:
    """A function of one node, and the ops it looks at.

    Parameters
    ----------
    function : callable
        ``function(node)`` returns False or None (it does not apply), a list with one replacement
        per output, or a dict from outputs to replacements.
    tracks : sequence of Op or Op class, or None
        The ops at the root; None for every node.
    name : str, optional
        Default: the function's name.
    """

    def __init__(
        self,
        function: Callable[[Any], Any],
        tracks: Sequence[Any] | None = None,
        name: str | None = None,
    ) -> None:
        self.function = function
        self._tracks = None if tracks is None else list(tracks)
        self.name = name or function.__name__
        self.__name__ = self.name
        self.__doc__ = function.__doc__

    def tracks(self) -> list[Any] | None:
        """The ops at the root; None for every node."""
        return self._tracks

    def transform(self, node: Any) -> Any:
        """What the function returns for a node."""
        return self.function(node)

    def __call__(self, node: Any) -> Any:
        return self.transform(node)

    def __str__(self) -> str:
        return self.name


def local_optimizer(
    tracks: Sequence[Any] | None, inplace: bool = False, requirements: Iterable[Any] = ()
) -> Callable[[Callable[[Any], Any]], LocalOptimizer]:
    """Make a `LocalOptimizer` of the decorated function.

    Parameters
    ----------
    tracks : sequence of Op or Op class, or None
    inplace, requirements
        Accepted for Theano's sake: memory is the planner's business, and there are no features.

    Raises
    ------
    ValueError
        If `tracks` is empty.
    """
    del inplace, requirements
    if tracks is not None and not tracks:
        raise ValueError("local_optimizer needs the ops to look at, or None for every node")

    def decorate(function: Callable[[Any], Any]) -> LocalOptimizer:
        return LocalOptimizer(function, tracks)

    return decorate


# ---------------------------------------------------------------------------------------------
# Patterns as tuples
# ---------------------------------------------------------------------------------------------


class PatternSub(LocalOptimizer):
    """Replace one expression by another, both written as nested tuples ``(op, operand, ...)``.

    Parameters
    ----------
    in_pattern, out_pattern : tuple, str or number
        A string stands for any operand, the same one wherever it occurs. Numbers and constants
        match constants of that value. ``{"pattern": p, "constraint": f}`` matches what `p` matches
        and the function accepts.
    allow_multiple_clients : bool
        Accepted for Theano's sake: shared nodes are replaced for all their readers.
    skip_identities_fn, tracks, get_nodes, values_eq_approx, pdb
        Accepted and ignored.
    name : str, optional

    Examples
    --------
    ``PatternSub((T.log, (T.exp, "x")), "x")`` replaces log(exp(x)) by x.
    """

    def __init__(
        self,
        in_pattern: Any,
        out_pattern: Any,
        allow_multiple_clients: bool = False,
        skip_identities_fn: Any = None,
        name: str | None = None,
        pdb: bool = False,
        tracks: Any = (),
        get_nodes: Any = None,
        values_eq_approx: Any = None,
    ) -> None:
        del allow_multiple_clients, skip_identities_fn, pdb, tracks, get_nodes, values_eq_approx
        root = _without_constraint(in_pattern)
        if not isinstance(root, tuple) or not isinstance(root[0], Op):
            raise TypeError(
                f"PatternSub needs an expression (op, operand, ...) to look for, got {in_pattern!r}"
            )
        self.in_pattern = in_pattern
        self.out_pattern = out_pattern
        super().__init__(self._replace, [root[0]], name or f"{in_pattern} -> {out_pattern}")

    def _replace(self, node: Any) -> Any:
        if len(node.outputs) != 1:
            return False
        bound = _unified(self.in_pattern, node.outputs[0], {})
        return False if bound is None else [_built(self.out_pattern, bound)]


def _without_constraint(pattern: Any) -> Any:
    return pattern["pattern"] if isinstance(pattern, Mapping) else pattern


def _unified(pattern: Any, v: Any, bound: dict[str, Any]) -> dict[str, Any] | None:
    """`bound` with what the strings of a pattern stand for in `v`; None if it does not match."""
    if isinstance(pattern, Mapping):
        found = _unified(pattern["pattern"], v, bound)
        accepts = pattern.get("constraint")
        return found if found is None or accepts is None or accepts(v) else None
    if isinstance(pattern, str):
        if pattern in bound:
            return bound if bound[pattern] is v else None
        return {**bound, pattern: v}
    if isinstance(pattern, tuple):
        node = v.owner
        if node is None or node.op != pattern[0] or len(node.inputs) != len(pattern) - 1:
            return None
        current: dict[str, Any] | None = bound
        for part, operand in zip(pattern[1:], node.inputs, strict=True):
            if current is None:
                return None
            current = _unified(part, operand, current)
        return current
    wanted = pattern.data if isinstance(pattern, Constant) else pattern
    value = constant_value(v) if is_tensor(v) else None
    return bound if value is not None and np.array_equal(value, wanted) else None


def _built(pattern: Any, bound: dict[str, Any]) -> Any:
    if isinstance(pattern, str):
        return bound[pattern]
    if isinstance(pattern, tuple):
        return pattern[0](*(_built(p, bound) for p in pattern[1:]))
    return pattern


class OpSub(LocalOptimizer):
    """Replace an op by another that takes the same operands.

    Parameters
    ----------
    op1, op2 : Op
    transfer_tags : bool
        Accepted for Theano's sake: annotations are kept by the driver.
    """

    def __init__(self, op1: Any, op2: Any, transfer_tags: bool = True) -> None:
        del transfer_tags
        self.op1 = op1
        self.op2 = op2
        super().__init__(self._replace, [op1], f"{op1} -> {op2}")

    def _replace(self, node: Any) -> Any:
        if node.op != self.op1:
            return False
        return self.op2.make_node(*node.inputs).outputs


class OpRemove(LocalOptimizer):
    """Remove an op with one operand and one result: the result becomes the operand."""

    def __init__(self, op: Any) -> None:
        self.op = op
        super().__init__(self._replace, [op], f"{op}(x) -> x")

    def _replace(self, node: Any) -> Any:
        if node.op != self.op:
            return False
        if len(node.inputs) != 1 or len(node.outputs) != 1:
            raise RewriteError(f"OpRemove: {node.op} does not have one input and one output")
        return list(node.inputs)


# ---------------------------------------------------------------------------------------------
# Registration
# ---------------------------------------------------------------------------------------------


def _replacements(result: Any, node: Any) -> list[Any] | None:
    """Theano's ways to answer, as one replacement or None per output."""
    if result is None or result is False:
        return None
    if isinstance(result, Mapping):
        return [result.get(out) for out in node.outputs]
    return [result] if isinstance(result, Variable) else list(result)


def _registrar(phase: str, own_tags: tuple[str, ...] = ()) -> Callable[..., Any]:
    """Make the function that registers local optimizers for a phase."""

    def register(lopt: Any, *tags: str, **kwargs: Any) -> Any:
        if isinstance(lopt, str):
            return lambda actual: register(actual, lopt, *tags, **kwargs)
        name = kwargs.pop("name", None) or lopt.name
        tracks = lopt.tracks()

        def function(node: Any, ctx: Any) -> Any:
            return _replacements(lopt.transform(node), node)

        function.__doc__ = lopt.__doc__ or f"{lopt}."
        rule(phase, ops=[ANY] if tracks is None else tracks, name=name, tags=(*own_tags, *tags))(
            function
        )
        return lopt

    register.__doc__ = f"""Register a `LocalOptimizer` for the phase ``{phase}``.

    Parameters
    ----------
    lopt : LocalOptimizer or str
        With a string, a tag, the result is a decorator.
    *tags : str
        Further names by which modes switch the rule.
    name : str, optional
        Default: the optimizer's name.

    Returns
    -------
    LocalOptimizer
        `lopt`, so that it can be used as a decorator.
    """
    return register


register_canonicalize = _registrar("canonical")
register_stabilize = _registrar("stable")
register_specialize = _registrar("specialise")
register_specialize_device = _registrar("specialise")
register_uncanonicalize = _registrar("specialise")
register_useless = _registrar("canonical", ("useless",))
