"""Facts about sizes: the length of every axis of every variable, as an expression.

The leaves of size expressions stand for lengths of inputs, shared containers and values whose
size only the computation tells (``("dim", key, axis)``), and for integers (``("val", key)``);
`Facts.source` tells the variable behind a key. When a program is made they become leaves about
buffers.

Where two lengths must agree, or one of them be 1, and nothing is proved, the facts *assume* what
the calls at hand show (equal lengths, if no call has been seen yet) and write the assumption
down. A program made with these facts is right for the calls that fulfil all assumptions; for
another call new facts are made, with an `oracle` that knows the lengths of that call.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from ..dtypes import is_discrete
from ..errors import IndexShapeError, MethodNotDefined, ShapeError, user_message
from ..graph.node import Apply, Constant, SharedVariable, Variable
from ..graph.op import BuiltinOp
from ..graph.trace import user_line
from ..loop.evaluate import size_value
from ..loop.protocol import broadcast_family
from ..scalar.expr import Context, Expr, leaves, substitute
from ..scalar.logic import eq, switch
from ..scalar.op import cast_expr
from ..scalar.simplify import proved_constant, simplify
from .sizes import Missing, NodeSizes, NotSymbolicError, Requirement, ValueReader
from .userops import infer_user_shapes

Shape = tuple[Expr, ...]
Oracle = Callable[[Variable, "int | None"], int]
"""``oracle(variable, axis)``: its length along `axis`, or its value (`axis` None), in a call."""


@dataclass(frozen=True)
class Assumption:
    """Two early sizes taken to be equal, and the node for whose sake."""

    left: Expr
    right: Expr
    node: Apply | None

    @property
    def condition(self) -> Expr:
        """The boolean expression that guards a program."""
        equal: Expr = eq(self.left, self.right)
        return equal


class Facts:
    """Sizes of the variables of one graph.

    Parameters
    ----------
    inputs : iterable of Variable
        Variables that get values in a call: inputs and shared ones. Nothing is looked at behind
        them, even if they have an owner.
    oracle : callable, optional
        Lengths and values of these in a call that the program must serve.

    Attributes
    ----------
    ctx : Context
        Where the size expressions live.
    assumptions : list of Assumption
    dynamic : dict
        Per node the pairs of lengths that may be broadcast at run time, where only the
        computation tells whether they are.
    requirements : dict
        Per node its list of `Requirement`.
    """

    def __init__(self, inputs: Iterable[Variable] = (), oracle: Oracle | None = None) -> None:
        self.ctx = Context()
        self.assumptions: list[Assumption] = []
        self.dynamic: dict[Apply, list[tuple[Expr, Expr]]] = {}
        self.requirements: dict[Apply, list[Requirement]] = {}
        self.user_lengths: dict[Apply, Sequence[Any]] = {}
        self.oracle = oracle
        self._given = set(inputs)
        self._inner: set[Variable] = set()
        self._taken: dict[Variable, Expr] = {}
        self._numbers: dict[Hashable, int] = {}
        self._sources: list[tuple[Variable, tuple[int, ...]]] = []
        self._shapes: dict[Variable, Shape | None] = {}
        self._values: dict[tuple[Variable, tuple[int, ...]], Expr | None] = {}
        self._replaced: dict[Expr, Expr] = {}
        self._canonical: dict[Expr, Expr] = {}
        self._narrow: dict[Expr, str] = {}

    # ---- asking

    def shape(self, variable: Variable) -> Shape:
        """The lengths of a tensor variable.

        Raises
        ------
        ShapeError
            If lengths can't be broadcast, or `variable` has no shape.
        """
        found = self._demand_shape(variable)
        if found is None:
            raise ShapeError(f"{variable} of type {variable.type} has no shape")
        return self._canonical_shape(found)

    def _canonical_shape(self, shape: Shape) -> Shape:
        known = self._canonical
        for n in shape:
            if known.get(n) is not n:
                return tuple(self.canonical(n) for n in shape)
        return shape

    def value(self, variable: Variable, index: tuple[int, ...] = ()) -> Expr:
        """Element `index` of an integer (or bool) variable as a size expression.

        It is worked out symbolically from shapes, constants and integer arithmetic; where that
        is not possible it is a ``val`` leaf.
        """
        found = self._demand_value(variable, index)
        if found is None:
            raise TypeError(f"{variable} of type {variable.type} is not an integer")
        return self.canonical(found)

    def static_shape(self, variable: Variable) -> tuple[int | None, ...]:
        """The lengths that are known now; None where they are not."""
        return tuple(proved_constant(n) for n in self.shape(variable))

    def equal(self, a: Expr, b: Expr) -> bool:
        """Whether two sizes are proved equal, given what has been assumed so far."""
        return a is b or self.canonical(a) is self.canonical(b)

    def same_length(self, x: Variable, i: int, y: Variable, j: int) -> bool:
        """Whether axis `i` of `x` and axis `j` of `y` are proved to have one length."""
        return self.equal(self.shape(x)[i], self.shape(y)[j])

    def same_shape(self, x: Variable, y: Variable) -> bool:
        """Whether two variables are proved to have the same shape."""
        a, b = self.shape(x), self.shape(y)
        return len(a) == len(b) and all(self.equal(m, n) for m, n in zip(a, b, strict=True))

    def is_one(self, size: Expr) -> bool:
        """Whether a size is proved to be 1."""
        canonical = self.canonical(size)
        return canonical.is_const and int(canonical.value) == 1

    def is_given(self, variable: Variable) -> bool:
        """Whether a variable gets its value from outside the graph."""
        return variable.owner is None or variable in self._given

    def source(self, key: int) -> tuple[Variable, tuple[int, ...]]:
        """The variable, and the element of it, behind the key of a leaf."""
        return self._sources[key]

    def early(self, size: Expr) -> bool:
        """Whether a size can be had before anything has been computed."""
        return all(self._early_leaf(leaf) for leaf in leaves([size], "size"))

    def _early_leaf(self, leaf: Expr) -> bool:
        variable, index = self._sources[leaf.payload[1]]
        return not self.is_late(variable, index)

    def is_late(self, variable: Variable, index: tuple[int, ...] = ()) -> bool:
        """Whether only the computation tells the lengths and the value of a variable."""
        return bool(index) or not self.is_given(variable) or variable in self._inner

    # ---- leaves

    def _leaf(self, kind: str, variable: Variable, where: tuple[int, ...]) -> Expr:
        index = where if kind == "val" else ()
        identity: Hashable = variable
        if isinstance(variable, SharedVariable):
            identity = id(variable.container)  # several variables may stand on one container
        number = self._numbers.setdefault((identity, index), len(self._sources))
        if number == len(self._sources):
            self._sources.append((variable, index))
        return self.ctx.size((kind, number, *where) if kind == "dim" else (kind, number))

    def bind_value(self, variable: Variable, size: Expr) -> None:
        """Let a 0-d integer variable that stands in no graph have this value."""
        self._values[variable, ()] = size
        self._shapes[variable] = ()

    def bind_shape(
        self, variable: Variable, shape: Shape, taken: Expr | None = None
    ) -> None:
        """Let a variable of an inner graph, which gets values while it runs, have these lengths.

        `taken` is the condition under which what depends on the variable is computed.
        """
        self._shapes[variable] = shape
        self._inner.add(variable)
        if taken is not None:
            self._taken[variable] = taken

    def taken(self, node: Apply) -> Expr | None:
        """The condition under which a node of an inner graph is computed; None: always."""
        for variable in node.inputs if self._taken else ():
            if variable in self._taken:
                return self._taken[variable]
        return None

    def unknown(self, variable: Variable, axis: int) -> Expr:
        """The leaf for a length that only the computation of `variable` tells."""
        return self._leaf("dim", variable, (axis,))

    def _given_shape(self, variable: Variable) -> Shape:
        pattern = variable.type.broadcastable
        if isinstance(variable, Constant):
            return tuple(self.ctx.integer(n) for n in variable.data.shape)
        declared = variable.__dict__.get("static_shape") or (None,) * len(pattern)
        return tuple(
            self.ctx.integer(1 if b else n) if b or n is not None else self.unknown(variable, axis)
            for axis, (b, n) in enumerate(zip(pattern, declared, strict=True))
        )

    # ---- evaluation: a stack of demands, so that depth does not matter

    def _demand_shape(self, variable: Variable) -> Shape | None:
        if variable not in self._shapes:
            self._run(("shape", variable))
        return self._shapes[variable]

    def _demand_value(self, variable: Variable, index: tuple[int, ...]) -> Expr | None:
        if (variable, index) not in self._values:
            self._run(("value", variable, index))
        return self._values[variable, index]

    def _known(self, task: tuple[Any, ...]) -> bool:
        if task[0] == "shape":
            return task[1] in self._shapes
        return task[1:] in self._values

    def _run(self, first: tuple[Any, ...]) -> None:
        stack = [first]
        while stack:
            task = stack[-1]
            if self._known(task):
                stack.pop()
                continue
            try:
                if task[0] == "shape":
                    stack.extend(self._evaluate_shape(task[1]))
                else:
                    self._values[task[1:]] = self._evaluate_value(task[1], task[2])
            except Missing as missing:
                stack.extend(missing.tasks)

    def ask(self, question: Callable[[], Any]) -> Any:
        """Call a method of an op that may need sizes that are not worked out yet."""
        while True:
            try:
                return question()
            except Missing as missing:
                for task in missing.tasks:
                    self._run(task)

    def known_shape(self, variable: Variable) -> Shape | None:
        """The shape, if it was worked out already; else raise `Missing` (for methods of ops)."""
        if variable not in self._shapes:
            raise Missing([("shape", variable)])
        found = self._shapes[variable]
        return None if found is None else self._canonical_shape(found)

    def known_value(self, variable: Variable, index: tuple[int, ...]) -> Expr | None:
        """Like `known_shape` for the value of an element; None if it is not an integer."""
        if (variable, index) not in self._values:
            raise Missing([("value", variable, index)])
        found = self._values[variable, index]
        return None if found is None else self.canonical(found)

    def _evaluate_shape(self, variable: Variable) -> list[tuple[Any, ...]]:
        """Work a shape out; returns the tasks, if any, that must be done before."""
        shapes = self._shapes
        if getattr(variable.type, "broadcastable", None) is None:
            shapes[variable] = None
            return []
        if self.is_given(variable):
            shapes[variable] = self._given_shape(variable)
            return []
        node: Apply = variable.owner  # type: ignore[assignment]
        missing: list[tuple[Any, ...]] = [("shape", x) for x in node.inputs if x not in shapes]
        if missing:
            return missing
        self.dynamic.pop(node, None)
        taken = self.taken(node)
        if taken is not None:
            self._taken.update(dict.fromkeys(node.outputs, taken))
        for out, dims in zip(node.outputs, self._node_shapes(node), strict=True):
            pattern = getattr(out.type, "broadcastable", None)
            if out in self._given:
                continue
            known = None if pattern is None else self._finished(node, out, pattern, dims)
            shapes[out] = known
        return []

    def _node_shapes(self, node: Apply) -> Sequence[Sequence[Any] | None]:
        sizes = NodeSizes(self, node)
        in_shapes = [self.known_shape(x) for x in node.inputs]
        if isinstance(node.op, BuiltinOp):
            try:
                return node.op.shape(node, in_shapes, sizes)
            except MethodNotDefined:
                return [None] * len(node.outputs)
        if callable(getattr(node.op, "infer_shape", None)):
            return infer_user_shapes(self, node, in_shapes)
        return [None] * len(node.outputs)

    def _finished(
        self, node: Apply, out: Variable, pattern: Sequence[bool], dims: Sequence[Any] | None
    ) -> Shape:
        if dims is None:
            dims = [None] * len(pattern)
        if len(dims) != len(pattern):
            raise ShapeError(
                user_message(
                    f"the shape rule of {node.op} gives {len(dims)} lengths for output "
                    f"{out.index}, which has {len(pattern)} axes",
                    where=user_line(out) or None,
                )
            )
        return tuple(
            self.ctx.integer(1) if b else self.unknown(out, axis) if n is None else self.size(n)
            for axis, (b, n) in enumerate(zip(pattern, dims, strict=True))
        )

    def size(self, value: Any) -> Expr:
        """`value`, an integer or an expression, as a simplified int64 expression."""
        if not isinstance(value, Expr):
            return self.ctx.integer(int(value))
        if value.dtype == "int64" and self._canonical.get(value) is value:
            return value
        return self.canonical(self.as_int64(value))

    def _evaluate_value(self, variable: Variable, index: tuple[int, ...]) -> Expr | None:
        dtype = getattr(variable.type, "dtype", None)
        if dtype is None or not is_discrete(dtype):
            return None
        if isinstance(variable, Constant):
            return self.ctx.integer(int(variable.data[index]))
        if not self.is_given(variable):
            found = self._defined_value(variable, index)
            if found is not None:
                return found
        leaf = self._leaf("val", variable, index)
        self._narrow[leaf] = dtype
        return leaf

    def _defined_value(self, variable: Variable, index: tuple[int, ...]) -> Expr | None:
        node: Apply = variable.owner  # type: ignore[assignment]
        define = getattr(node.op, "define", None) if isinstance(node.op, BuiltinOp) else None
        if define is None:
            return None
        try:
            value = define(node, tuple(self.ctx.integer(i) for i in index), ValueReader(self, node))
        except NotSymbolicError:
            return None
        if value is None:
            return None
        if isinstance(value, tuple):
            value = value[node.outputs.index(variable)]
        return self.canonical(self.as_int64(cast_expr(self.ctx, value, variable.type.dtype)))

    # ---- dtypes: values are int64; those of narrower variables are known to fit

    def as_int64(self, value: Expr) -> Expr:
        """An integer expression as int64; a conversion that changed nothing is undone."""
        if (
            value.kind == "call"
            and value.op.name == f"convert_to_{value.dtype}"
            and self._narrow.get(value.args[0]) == value.dtype
        ):
            return value.args[0]
        return cast_expr(self.ctx, value, "int64")

    def as_dtype(self, value: Expr, dtype: str) -> Expr:
        """A size expression as `dtype`, the type of the variable whose value it is."""
        if dtype != "int64":
            self._narrow.setdefault(value, dtype)
        return cast_expr(self.ctx, value, dtype)

    # ---- assumptions

    def canonical(self, size: Expr) -> Expr:
        """The normal form of a size under all assumptions; equal sizes are one node."""
        found = self._canonical.get(size)
        if found is None:
            found = simplify(size)
            while self._replaced:
                again = simplify(substitute([found], self._replaced, self.ctx)[0])
                if again is found:
                    break
                found = again
            self._canonical[size] = found
        return found

    def assume(self, a: Expr, b: Expr, node: Apply | None = None) -> None:
        """Take two early sizes to be equal from now on."""
        left, right = self.canonical(a), self.canonical(b)
        if left is right:
            return
        self.assumptions.append(Assumption(left, right, node))
        self._replace(left, right)

    def learn_equal(self, a: Expr, b: Expr) -> None:
        """Use that two early sizes are equal, because a call is refused otherwise."""
        left, right = self.canonical(a), self.canonical(b)
        if left is not right and not (left.is_const and right.is_const):
            self._replace(left, right)

    def _replace(self, left: Expr, right: Expr) -> None:
        """Express one leaf by the others, so that the two get the same normal form."""
        difference = simplify(left - right)
        for leaf in reversed(list(leaves([difference], "size"))):
            for solution in (simplify(leaf - difference), simplify(leaf + difference)):
                if leaf not in set(leaves([solution], "size")):
                    self._replaced[leaf] = solution
                    self._canonical.clear()
                    return
        # A number is never expressed by something else.
        keep_left = left.is_const or (left.number < right.number and not right.is_const)
        newer, older = (right, left) if keep_left else (left, right)
        self._replaced[newer] = older
        self._canonical.clear()

    def observed(self, size: Expr) -> int:
        """Value of an early size in the call that the oracle knows."""
        assert self.oracle is not None

        def value(leaf: Expr) -> int:
            variable, _ = self._sources[leaf.payload[1]]
            axis = leaf.payload[2] if leaf.payload[0] == "dim" else None
            return self.oracle(variable, axis)  # type: ignore[misc]

        return size_value(size, value)

    def broadcast(self, a: Expr, b: Expr, node: Apply | None = None) -> Expr:
        """Length of an axis on which axes of lengths `a` and `b` are broadcast.

        Raises
        ------
        ShapeError
            If they can't be, in every call or in the one at hand.
        """
        a, b = self.canonical(a), self.canonical(b)
        if a is b or self.is_one(b):
            return a
        if self.is_one(a):
            return b
        if a.is_const and b.is_const:
            raise self._mismatch(int(a.value), int(b.value), node)
        if not (self.early(a) and self.early(b)):
            return self._at_run_time(a, b, node)
        if self.oracle is None:
            self.assume(a, b, node)
            return self.canonical(a)
        m, n = self.observed(a), self.observed(b)
        if m == n:
            self.assume(a, b, node)
        elif m == 1:
            self.assume(a, self.ctx.integer(1), node)
            return self.canonical(b)
        elif n == 1:
            self.assume(b, self.ctx.integer(1), node)
        elif node is not None and self.taken(node) is not None:
            return self._at_run_time(a, b, node)
        else:
            raise self._mismatch(m, n, node)
        return self.canonical(a)

    def _at_run_time(self, a: Expr, b: Expr, node: Apply | None) -> Expr:
        if node is not None:
            self.dynamic.setdefault(node, []).append((a, b))
        return self.canonical(switch(eq(a, 1), b, a))

    def _mismatch(self, m: int, n: int, node: Apply | None) -> ShapeError:
        what = "operands" if node is None else f"operands of {node.op}"
        kind = IndexShapeError if broadcast_family(node) == "index_shape" else ShapeError
        return kind(
            user_message(
                f"{what} could not be broadcast together: lengths {m} and {n} of one axis",
                got=None if node is None else [self._described(x) for x in node.inputs],
                expected="equal lengths, or one of them 1",
                where=(user_line(node) or None) if node is not None else None,
            )
        )

    def _described(self, variable: Variable) -> str:
        shape = self._shapes.get(variable)
        if shape is None:
            return f"{variable} ({variable.type})"
        lengths = []
        for n in map(self.canonical, shape):
            if n.is_const:
                lengths.append(str(int(n.value)))
            elif self.oracle is not None and self.early(n):
                lengths.append(str(self.observed(n)))
            else:
                lengths.append("?")
        return f"{variable} of shape ({', '.join(lengths)}{',' * (len(lengths) == 1)})"
