"""Whole graphs: the immutable `Graph`, cloning, replacing, comparing.

Copies keep the class, name, tag (copied one level deep, so traces stay) and attributes of every
variable and application.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

from symc.config import config
from symc.graph.check import check_graph
from symc.graph.fingerprint import holds_everywhere, stable_key
from symc.graph.node import Apply, Constant, SharedVariable, Variable
from symc.graph.walk import graph_inputs, orphans, toposort, variables_between

__all__ = [
    "Graph",
    "clone",
    "clone_get_equiv",
    "clone_replace",
    "equal_computations",
    "is_same_graph",
    "rebuild",
]

Replacements = Mapping[Variable, Any] | Iterable[tuple[Variable, Any]] | None


# ---------------------------------------------------------------------------------------------
# Cloning and replacing
# ---------------------------------------------------------------------------------------------


def _copy_nodes(
    order: Iterable[Apply],
    memo: dict[Any, Any],
    leaf: Callable[[Variable], Variable],
    strict: bool = True,
) -> None:
    """Copy applications in order; `memo` maps old nodes and variables to new ones."""
    for node in order:
        new_inputs = []
        for variable in node.inputs:
            if variable not in memo:
                memo[variable] = leaf(variable)
            new_inputs.append(memo[variable])
        new = node.clone_with_new_inputs(new_inputs, strict=strict)
        memo.setdefault(node, new)
        for old_output, new_output in zip(node.outputs, new.outputs, strict=True):
            memo.setdefault(old_output, new_output)


def _cloned(variable: Variable) -> Variable:
    return variable.clone()


def _kept(variable: Variable) -> Variable:
    return variable


def clone_get_equiv(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    copy_inputs: bool = True,
    copy_orphans: bool = True,
    memo: dict[Any, Any] | None = None,
) -> dict[Any, Any]:
    """Copy the graph between `inputs` and `outputs`.

    Parameters
    ----------
    inputs, outputs : sequence of Variable
        The ends of the graph.
    copy_inputs : bool
        Whether the inputs are cloned or kept.
    copy_orphans : bool
        Whether other leaves (constants, shared variables) are cloned or kept.
    memo : dict, optional
        Copies that exist already; it is extended.

    Returns
    -------
    dict
        From each variable and application to its copy.
    """
    copies = {} if memo is None else memo
    leaf = _cloned if copy_orphans else _kept
    for variable in inputs:
        if variable not in copies:
            copies[variable] = variable.clone() if copy_inputs else variable
    _copy_nodes(toposort(outputs, list(copies)), copies, leaf)
    for variable in outputs:
        if variable not in copies:
            copies[variable] = leaf(variable)
    return copies


def clone(
    inputs: Sequence[Variable],
    outputs: Sequence[Variable],
    copy_inputs: bool = True,
    copy_orphans: bool | None = None,
) -> tuple[list[Variable], list[Variable]]:
    """Return copies of `inputs` and `outputs`; see `clone_get_equiv`.

    ``copy_orphans`` is `copy_inputs` unless given.
    """
    orphans_too = copy_inputs if copy_orphans is None else copy_orphans
    copies = clone_get_equiv(inputs, outputs, copy_inputs, orphans_too)
    return [copies[v] for v in inputs], [copies[v] for v in outputs]


def _replacement_pairs(replace: Replacements) -> list[tuple[Variable, Variable]]:
    if replace is None:
        return []
    items: Iterable[tuple[Variable, Any]]
    items = replace.items() if isinstance(replace, Mapping) else replace
    pairs = []
    for item in items:
        try:
            old, new = item
        except (TypeError, ValueError):
            raise TypeError(f"replacements are (old, new) pairs or a dict, got {item!r}") from None
        if not isinstance(old, Variable):
            raise TypeError(f"only variables can be replaced, got {old!r} of {type(old)}")
        pairs.append((old, new if isinstance(new, Variable) else old.type.filter_variable(new)))
    return pairs


def clone_replace(
    output: Any,
    replace: Replacements = None,
    strict: bool = True,
    share_inputs: bool = True,
) -> Any:
    """Copy the graph of `output` with some variables replaced (``theano.clone``).

    Replacements are simultaneous: what is put in is not itself searched for variables to replace.

    Parameters
    ----------
    output : Variable, or list, tuple or dict of Variable
        What to copy.
    replace : dict or sequence of pairs, optional
        ``{old: new}``; `new` may be a plain value.
    strict : bool
        If True, a replacement has, or converts without loss to, the type of what it replaces; if
        False, ops decide and output types may change.
    share_inputs : bool
        Whether leaves, shared variables included, are kept or cloned. A clone of a shared variable
        stands on the same container.

    Returns
    -------
    Same kind as `output`
        The copies.

    Raises
    ------
    TypeError
        If a type does not fit.
    """
    if isinstance(output, dict):
        copies = clone_replace(list(output.values()), replace, strict, share_inputs)
        return dict(zip(output, copies, strict=True))
    if isinstance(output, (list, tuple)):
        return _clone_replace_list(list(output), replace, strict, share_inputs)
    return _clone_replace_list([output], replace, strict, share_inputs)[0]


def _clone_replace_list(
    outputs: list[Variable], replace: Replacements, strict: bool, share_inputs: bool
) -> list[Variable]:
    pairs = _replacement_pairs(replace)
    leaf = _kept if share_inputs else _cloned
    leaves: dict[Any, Any] = {}

    def shared_leaf(variable: Variable) -> Variable:
        if variable not in leaves:
            leaves[variable] = leaf(variable)
        found: Variable = leaves[variable]
        return found

    put_in: dict[Any, Any] = {}
    values = [old.type.filter_variable(new) if strict else new for old, new in pairs]
    _copy_nodes(toposort(values), put_in, shared_leaf)
    memo: dict[Any, Any] = {}
    for (old, _), value in zip(pairs, values, strict=True):
        memo[old] = put_in[value] if value in put_in else shared_leaf(value)
    _copy_nodes(toposort(outputs, list(memo)), memo, shared_leaf, strict)
    return [memo[v] if v in memo else shared_leaf(v) for v in outputs]


def rebuild(
    outputs: Sequence[Variable], replace: Replacements, strict: bool = True
) -> list[Variable]:
    """Return `outputs` with some variables replaced, copying only what depends on them.

    Parameters
    ----------
    outputs : sequence of Variable
        What to rebuild.
    replace : dict or sequence of pairs
        ``{old: new}``, all at once.
    strict : bool
        As in `clone_replace`.

    Returns
    -------
    list of Variable
        An output that depends on nothing replaced is returned as it is.
    """
    memo: dict[Any, Any] = {}
    for old, new in _replacement_pairs(replace):
        memo[old] = old.type.filter_variable(new) if strict else new
    for node in toposort(outputs, list(memo)):
        new_inputs = [memo.get(v, v) for v in node.inputs]
        if all(new is old for new, old in zip(new_inputs, node.inputs, strict=True)):
            continue
        new_node = node.clone_with_new_inputs(new_inputs, strict=strict)
        for old_output, new_output in zip(node.outputs, new_node.outputs, strict=True):
            memo.setdefault(old_output, new_output)
    return [memo.get(v, v) for v in outputs]


# ---------------------------------------------------------------------------------------------
# Comparing
# ---------------------------------------------------------------------------------------------


def equal_computations(
    xs: Sequence[Variable],
    ys: Sequence[Variable],
    in_xs: Sequence[Variable] | None = None,
    in_ys: Sequence[Variable] | None = None,
) -> bool:
    """Tell whether `xs` and `ys` are the same computations.

    Parameters
    ----------
    xs, ys : sequence of Variable
        Compared pairwise.
    in_xs, in_ys : sequence of Variable, optional
        Inputs that count as equal pairwise; other leaves must be identical, or equal constants.

    Returns
    -------
    bool
        True if ops, types, constants and structure agree. Names and sharing of subexpressions do
        not matter.
    """
    left, right = list(in_xs or ()), list(in_ys or ())
    if len(xs) != len(ys) or len(left) != len(right):
        return False
    if any(a.type != b.type for a, b in zip(left, right, strict=True)):
        return False
    matched = set(zip(left, right, strict=True))
    bound_left, bound_right = set(left), set(right)
    pending = list(zip(xs, ys, strict=True))
    while pending:
        a, b = pending.pop()
        if (a, b) in matched:
            continue
        if a in bound_left or b in bound_right:
            return False
        if a is b and not bound_left:
            continue
        if not _same_at_top(a, b):
            return False
        matched.add((a, b))
        if a.owner is not None and b.owner is not None:
            pending.extend(zip(a.owner.inputs, b.owner.inputs, strict=True))
    return True


def _same_at_top(a: Variable, b: Variable) -> bool:
    """Compare two variables without looking at the operands."""
    if a.type != b.type:
        return False
    if a.owner is None or b.owner is None:
        return a is b or (isinstance(a, Constant) and a.equals(b))
    return a.index == b.index and a.owner.nin == b.owner.nin and bool(a.owner.op == b.owner.op)


def is_same_graph(
    var1: Variable, var2: Variable, givens: Mapping[Variable, Variable] | None = None
) -> bool:
    """Tell whether two variables are the same computation.

    Parameters
    ----------
    var1, var2 : Variable
        To compare.
    givens : dict, optional
        Substitutions to make first, in both graphs.
    """
    first, second = rebuild([var1, var2], givens) if givens else (var1, var2)
    return equal_computations([first], [second])


# ---------------------------------------------------------------------------------------------
# Graph
# ---------------------------------------------------------------------------------------------


_CHANGING = frozenset(
    (
        *("add_input", "attach_feature", "change_input", "import_node", "import_var"),
        *("remove_feature", "replace", "replace_all", "replace_all_validate", "replace_validate"),
    )
)


class Graph:
    """An immutable graph: inputs, outputs, and the applications between them in order.

    Parameters
    ----------
    inputs : sequence of Variable
        What is given; any variable, inner ones too.
    outputs : sequence of Variable
        What is computed.
    orderings : mapping, optional
        ``{node: nodes that must come before it}``.

    Attributes
    ----------
    inputs, outputs : list of Variable
    apply_nodes : list of Apply
        In execution order.

    Raises
    ------
    CycleError
        If a node depends on itself.
    """

    def __init__(
        self,
        inputs: Sequence[Variable],
        outputs: Sequence[Variable],
        orderings: Mapping[Apply, Iterable[Apply]] | None = None,
    ) -> None:
        self.inputs = list(inputs)
        self.outputs = list(outputs)
        self._orderings = {node: list(before) for node, before in (orderings or {}).items()}
        self.apply_nodes = toposort(self.outputs, self.inputs, self._orderings)
        self._clients: dict[Variable, list[tuple[Apply | str, int]]] | None = None

    def toposort(self) -> list[Apply]:
        """Return the applications, each after those it depends on."""
        return list(self.apply_nodes)

    def orderings(self) -> dict[Apply, list[Apply]]:
        """Return the orderings that do not follow from the links."""
        return {node: list(before) for node, before in self._orderings.items()}

    @property
    def variables(self) -> list[Variable]:
        """All variables: inputs, other leaves, and all outputs of all applications."""
        between = variables_between(self.inputs, self.outputs)
        return list(dict.fromkeys([*self.inputs, *between]))

    @property
    def orphans(self) -> list[Variable]:
        """The leaves that are not inputs: constants, shared and missing variables."""
        return orphans(self.inputs, self.outputs)

    @property
    def shared_variables(self) -> list[SharedVariable]:
        """The shared variables it reads, in order of first use."""
        given = set(self.inputs)
        leaves = graph_inputs(self.outputs[::-1], given)
        return [v for v in leaves if isinstance(v, SharedVariable) and v not in given]

    def clients(self, variable: Variable) -> list[tuple[Apply | str, int]]:
        """Return who reads `variable`.

        Returns
        -------
        list of (Apply, int)
            Application and operand position; ``("output", i)`` for the graph's outputs.
        """
        if self._clients is None:
            self._clients = {}
            for reader, i, read in self._reads():
                self._clients.setdefault(read, []).append((reader, i))
        return list(self._clients.get(variable, ()))

    def _reads(self) -> Iterator[tuple[Apply | str, int, Variable]]:
        for node in self.apply_nodes:
            for i, variable in enumerate(node.inputs):
                yield node, i, variable
        for i, variable in enumerate(self.outputs):
            yield "output", i, variable

    def clone(self) -> Graph:
        """Return a copy with variables of its own."""
        return self.clone_get_equiv()[0]

    def clone_get_equiv(self) -> tuple[Graph, dict[Any, Any]]:
        """Return a copy, and the dict from old to new variables and applications."""
        copies = clone_get_equiv(self.inputs, self.outputs)
        orderings = {
            copies[node]: [copies[other] for other in before if other in copies]
            for node, before in self._orderings.items()
            if node in copies
        }
        new = Graph([copies[v] for v in self.inputs], [copies[v] for v in self.outputs], orderings)
        return new, copies

    def check_integrity(self) -> None:
        """Check links, leaves and types; see `symc.graph.check.check_graph`."""
        check_graph(self.inputs, self.outputs)

    def fingerprint(self, extra: Iterable[Any] = ()) -> str:
        """Return a hash of what the compiler sees: ops, types, constants, structure.

        Parameters
        ----------
        extra : iterable
            Further things that the result of compiling depends on: flags, rule-set version.

        Returns
        -------
        str
            64 hexadecimal digits, the same in every process and for every hash seed; names, tags
            and traces do not count.
        """
        return self._digest(extra)[0]

    def portable_fingerprint(self, extra: Iterable[Any] = ()) -> str | None:
        """Return the fingerprint, or None where other processes can't know what it stands for."""
        fingerprint, portable = self._digest(extra)
        return fingerprint if portable else None

    def fingerprint_key(self) -> str:
        """Return the key of a graph that is a property of an op."""
        fingerprint, portable = self._digest(())
        return fingerprint if portable else stable_key((fingerprint, _LOCAL))

    def _digest(self, extra: Iterable[Any]) -> tuple[str, bool]:
        digest = hashlib.sha256()
        portable = True
        for line in self._description(extra):
            digest.update(line.encode())
            digest.update(b"\n")
            portable = portable and holds_everywhere(line)
        return digest.hexdigest(), portable

    def _description(self, extra: Iterable[Any]) -> Iterator[str]:
        yield stable_key([config.floatX, config.cast_policy, *extra])
        describe = _Describer()
        for variable in self.inputs:
            role = describe.storage(variable) if isinstance(variable, SharedVariable) else "free"
            yield from describe.variable(variable, f"input {role}")
        yield f"inputs {describe.numbers_of(self.inputs)}"
        for node in self.apply_nodes:
            for variable in node.inputs:
                yield from describe.variable(variable)
            yield f"{describe.key(node.op)} {describe.numbers_of(node.inputs)}"
            for variable in node.outputs:
                yield from describe.variable(variable, "computed")
        for variable in self.outputs:
            yield from describe.variable(variable)
        yield f"outputs {describe.numbers_of(self.outputs)}"
        if self._orderings:
            places = {node: i for i, node in enumerate(self.apply_nodes)}
            for node, before in self._orderings.items():
                yield f"{places.get(node)} after {[places.get(other) for other in before]}"

    def __getattr__(self, name: str) -> Any:
        if name in _CHANGING:
            raise AttributeError(
                f"a Graph has no {name}, because it is never changed; a FunctionGraph with copies "
                "of its nodes can be: FunctionGraph(graph.inputs, graph.outputs)"
            )
        raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")

    def __iter__(self) -> Iterator[Apply]:
        return iter(self.apply_nodes)

    def __len__(self) -> int:
        return len(self.apply_nodes)

    def __str__(self) -> str:
        return f"Graph({self.inputs} -> {self.outputs}, {len(self)} applications)"

    __repr__ = __str__


class _Local:
    """What has no meaning beyond this process."""


_LOCAL = _Local()


def _constant_key(constant: Constant) -> str:
    """Return a text for a constant's value; for what can't be pickled, one of this process."""
    try:
        return constant.digest().hex()
    except Exception:  # pickling runs code of the value's own class
        return stable_key(constant)


class _Describer:
    """Numbers variables in the order in which a fingerprint meets them, and describes them."""

    def __init__(self) -> None:
        self.numbers: dict[Variable, int] = {}
        self.containers: dict[int, int] = {}
        self.keys: dict[int, str] = {}

    def key(self, value: Any) -> str:
        """Return the key of an op or type, which many nodes share and the graph keeps alive."""
        found = self.keys.get(id(value))
        if found is None:
            found = self.keys[id(value)] = stable_key(value)
        return found

    def variable(self, variable: Variable, kind: str | None = None) -> Iterator[str]:
        """Yield the description of a variable that has not been met yet."""
        if variable not in self.numbers:
            self.numbers[variable] = len(self.numbers)
            kind = self._leaf_kind(variable) if kind is None else kind
            yield f"{kind} {self.key(variable.type)} {variable.facts_key()!r}"

    def _leaf_kind(self, variable: Variable) -> str:
        if isinstance(variable, Constant):
            return f"constant {_constant_key(variable)}"
        return self.storage(variable) if isinstance(variable, SharedVariable) else "free"

    def storage(self, variable: SharedVariable) -> str:
        """Return a name of the container, the same for all variables that stand on it."""
        return f"shared {self.containers.setdefault(id(variable.container), len(self.containers))}"

    def numbers_of(self, variables: Iterable[Variable]) -> list[int]:
        """Return the numbers of variables that have been met."""
        return [self.numbers[v] for v in variables]
