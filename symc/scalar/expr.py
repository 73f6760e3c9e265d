"""Immutable scalar expressions: what one element is.

An :class:`Expr` is a node of a directed acyclic graph, interned in an explicit :class:`Context`
that lives as long as one compilation. Within a context two structurally equal expressions are
the same object, so equality is identity, hashing is cheap and common subexpressions are shared
by construction. Nothing here recurses over the depth of an expression.

Kinds of node
-------------
``call``   a :class:`~symc.scalar.op.ScalarOp` (``op``) applied to ``args``
``const``  a Python or NumPy number (``payload``), of type ``dtype``
``arg``    operand number ``payload`` of the expression (templates, Composite)
``index``  a loop index; ``payload`` is a hashable axis key; int64
``size``   an integer known when the program runs; ``payload`` is a hashable key; int64
``load``   element ``args`` (one int64 index per axis) of operand ``payload``
``local``  a named value of the enclosing kernel (``payload`` is its key)

The same Python operators and scalar functions that build tensor graphs build these expressions:
both ``Expr`` and tensor variables implement ``_apply(op, args)``.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from operator import attrgetter
from typing import Any

import numpy as np

OPERATORS: dict[str, Any] = {}
"""Scalar ops that Python's operators stand for, by name; filled by :mod:`symc.scalar.arith`."""


def _binary(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return self._apply(OPERATORS[name], (self, other))

    return method


def _reflected(name: str) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        return self._apply(OPERATORS[name], (other, self))

    return method


def _unary(name: str) -> Callable[[Any], Any]:
    def method(self: Any) -> Any:
        return self._apply(OPERATORS[name], (self,))

    return method


class Operators:
    """Python's arithmetic, comparison and bit operators in terms of ``self._apply(op, args)``.

    ``==`` and ``!=`` are left alone: they mean identity for symbolic values.
    """

    __slots__ = ()

    __add__, __radd__ = _binary("add"), _reflected("add")
    __sub__, __rsub__ = _binary("sub"), _reflected("sub")
    __mul__, __rmul__ = _binary("mul"), _reflected("mul")
    __truediv__, __rtruediv__ = _binary("true_div"), _reflected("true_div")
    __floordiv__, __rfloordiv__ = _binary("int_div"), _reflected("int_div")
    __mod__, __rmod__ = _binary("mod"), _reflected("mod")
    __pow__, __rpow__ = _binary("pow"), _reflected("pow")
    __and__, __rand__ = _binary("and_"), _reflected("and_")
    __or__, __ror__ = _binary("or_"), _reflected("or_")
    __xor__, __rxor__ = _binary("xor"), _reflected("xor")
    __lt__, __le__ = _binary("lt"), _binary("le")
    __gt__, __ge__ = _binary("gt"), _binary("ge")
    __neg__, __invert__, __abs__ = _unary("neg"), _unary("invert"), _unary("abs_")

    def _apply(self, op: Any, args: tuple[Any, ...]) -> Any:
        raise NotImplementedError(f"{type(self).__name__} must implement _apply")


class Expr(Operators):
    """One interned node; made only by the methods of :class:`Context`."""

    __slots__ = ("args", "ctx", "dtype", "kind", "number", "op", "payload")

    def __init__(
        self,
        ctx: Context,
        number: int,
        kind: str,
        dtype: str,
        op: Any,
        args: tuple[Expr, ...],
        payload: Any,
    ) -> None:
        self.ctx = ctx
        self.number = number
        self.kind = kind
        self.dtype = dtype
        self.op = op
        self.args = args
        self.payload = payload

    def _apply(self, op: Any, args: tuple[Any, ...]) -> Expr:
        return self.ctx.call(op, args)

    @property
    def is_const(self) -> bool:
        """Whether the value is known now."""
        return self.kind == "const"

    @property
    def value(self) -> Any:
        """The number of a ``const`` node."""
        if self.kind != "const":
            raise ValueError(f"not a constant: {self!r}")
        return self.payload

    def __repr__(self) -> str:
        if self.kind == "const":
            return f"{self.payload!r}:{self.dtype}"
        if self.kind == "call":
            inner = ", ".join(f"%{a.number}" if a.kind == "call" else repr(a) for a in self.args)
            return f"%{self.number}={self.op.name}({inner}):{self.dtype}"
        if self.kind == "load":
            return f"load[{self.payload}]({', '.join(map(repr, self.args))})"
        return f"{self.kind}<{self.payload}>"


class Context:
    """The table of expressions of one compilation; children are always older than parents.

    ``number`` of a node grows with its creation, so sorting by it is a topological order.

    Attributes
    ----------
    notes : dict
        Results of analyses by name, each a table keyed by node; dropped with the context.
    """

    __slots__ = ("_integers", "_table", "notes")

    def __init__(self) -> None:
        self._table: dict[Hashable, Expr] = {}
        self._integers: dict[int, Expr] = {}
        self.notes: dict[str, dict[Expr, Any]] = {}

    def __len__(self) -> int:
        return len(self._table)

    def _intern(
        self, kind: str, dtype: str, op: Any, args: tuple[Expr, ...], payload: Any, key: Hashable
    ) -> Expr:
        found = self._table.get(key)
        if found is None:
            found = Expr(self, len(self._table), kind, dtype, op, args, payload)
            self._table[key] = found
        return found

    def const(self, value: Any, dtype: str) -> Expr:
        """A number of type `dtype`; NaNs and zeros of either sign keep their bits."""
        number = np.dtype(dtype).type(value)
        return self._intern("const", dtype, None, (), number, ("const", dtype, number.tobytes()))

    def integer(self, value: int) -> Expr:
        """An int64 constant."""
        found = self._integers.get(value)
        if found is None:
            found = self._integers[value] = self.const(value, "int64")
        return found

    def arg(self, position: int, dtype: str) -> Expr:
        """Operand `position` of a template."""
        return self._intern("arg", dtype, None, (), position, ("arg", position, dtype))

    def index(self, key: Hashable) -> Expr:
        """The loop index of axis `key`."""
        return self._intern("index", "int64", None, (), key, ("index", key))

    def size(self, key: Hashable) -> Expr:
        """An integer that is known when the program runs."""
        return self._intern("size", "int64", None, (), key, ("size", key))

    def local(self, key: Hashable, dtype: str) -> Expr:
        """A value that the enclosing kernel has named `key`."""
        return self._intern("local", dtype, None, (), key, ("local", key, dtype))

    def load(self, operand: Hashable, index: Iterable[Expr], dtype: str) -> Expr:
        """Element `index` of operand `operand`."""
        args = tuple(index)
        key = ("load", operand, dtype, *[a.number for a in args])
        return self._intern("load", dtype, None, args, operand, key)

    def call(self, op: Any, args: Iterable[Any]) -> Expr:
        """Apply a scalar op; numbers among `args` become constants that do not widen the rest.

        The op's ``prepare(ctx, args)`` converts operands (weak Python numbers) and may simplify;
        ``op.out_dtype(*dtypes)`` gives the type of the result.
        """
        exprs = op.prepare(self, tuple(args))
        if isinstance(exprs, Expr):
            return exprs
        dtype = op.out_dtype(*[e.dtype for e in exprs])
        key = ("call", op, dtype, *[e.number for e in exprs])
        return self._intern("call", dtype, op, exprs, None, key)

    def rebuild(self, node: Expr, args: tuple[Expr, ...]) -> Expr:
        """`node` with other children, of the same kind, op and type."""
        if args == node.args:
            return node
        if node.kind == "call":
            key: Hashable = ("call", node.op, node.dtype, *[a.number for a in args])
            return self._intern("call", node.dtype, node.op, args, None, key)
        if node.kind == "load":
            return self.load(node.payload, args, node.dtype)
        raise ValueError(f"{node!r} has no children")


_number = attrgetter("number")


def walk(roots: Iterable[Expr]) -> list[Expr]:
    """All nodes below `roots`, children before parents."""
    seen: set[Expr] = set()
    stack = list(roots)
    while stack:
        node = stack.pop()
        if node not in seen:
            seen.add(node)
            if node.args:
                stack.extend(node.args)
    return sorted(seen, key=_number) if len(seen) > 1 else list(seen)


def substitute(roots: Iterable[Expr], replace: dict[Expr, Expr], ctx: Context) -> list[Expr]:
    """Rebuild `roots` in `ctx` with some nodes replaced.

    Parameters
    ----------
    roots : iterable of Expr
    replace : dict
        From node to its replacement; a replacement is taken as it is.
    ctx : Context
        Where the result lives.
    """
    roots = list(roots)
    if len(roots) == 1 and _is_call_of_leaves(roots[0], ctx) and roots[0] not in replace:
        return [ctx.rebuild(roots[0], tuple([replace.get(a, a) for a in roots[0].args]))]
    done: dict[Expr, Expr] = dict(replace)
    for node in walk(roots):
        if node in done:
            continue
        if not node.args and node.ctx is ctx:
            done[node] = node
        elif not node.args:
            key = (node.kind, node.payload)
            done[node] = {
                "const": lambda n: ctx.const(n.payload, n.dtype),
                "arg": lambda n: ctx.arg(n.payload, n.dtype),
                "index": lambda n: ctx.index(n.payload),
                "size": lambda n: ctx.size(n.payload),
                "local": lambda n: ctx.local(n.payload, n.dtype),
                "load": lambda n: ctx.load(n.payload, (), n.dtype),
            }[key[0]](node)
        elif node.ctx is ctx:
            done[node] = ctx.rebuild(node, tuple(done[a] for a in node.args))
        elif node.kind == "load":
            done[node] = ctx.load(node.payload, [done[a] for a in node.args], node.dtype)
        else:
            key2 = ("call", node.op, node.dtype, *[done[a].number for a in node.args])
            done[node] = ctx._intern(
                "call", node.dtype, node.op, tuple(done[a] for a in node.args), None, key2
            )
    return [done[r] for r in roots]


def _is_call_of_leaves(expr: Expr, ctx: Context) -> bool:
    if expr.kind != "call" or expr.ctx is not ctx:
        return False
    return all(not a.args and a.ctx is ctx for a in expr.args)


def leaves(roots: Iterable[Expr], kind: str) -> Iterator[Expr]:
    """The nodes of one kind below `roots`, oldest first."""
    return (n for n in walk(roots) if n.kind == kind)
