"""C text of scalar expressions, one statement per value.

Values are printed as three-address code: ``const double v3 = (v1 * v2);``. Small index
arithmetic is nested. A value that can't change (it reads no array that is written and no mutable
local) is remembered in its block and not computed again.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import NamedTuple

import numpy as np

from ..dtypes import DTYPES
from ..loop.ir import APPLY_BYTES
from ..scalar.ctext import SHORT_NAME, c_literal, fill
from ..scalar.expr import Expr
from ..scalar.op import ScalarOp

_TIGHT = re.compile(r"-?\w+(\.\w+)?$|\w+\([^()]*\)$|\([^()]*\)$")
_OWN_CALL = re.compile(r"sy_(\w+)\(([\w, ]*)\)")
DEAR_CALL = 15
"""Cost from which a function is not inlined in a kernel that has many of them."""
_STRIP_HEAD = """\
__attribute__((noinline, weak, visibility("hidden")))
void {name}({ctype} *to, const {ctype} *from, int64_t n)"""
"""A library has one copy, whichever of its units define it."""
_STRIP_BODY = """ {{
  {ctype} last[{lanes}], *y = last;
  const {ctype} *x = from + n - {lanes};
  if (n < {lanes}) {{
    for (int64_t k = 0; k < {lanes}; k++) last[k] = k < n ? from[k] : 0;
    x = last;
  }}
  for (int64_t i = 0;; i += {lanes}) {{
    #pragma omp simd
    for (int k = 0; k < {lanes}; k++) y[k] = {value};
    if (i + {lanes} > n) break;
    x = from + i;
    y = to + i;
  }}
  if (n < {lanes}) {{
    for (int64_t k = 0; k < n; k++) to[k] = last[k];
  }} else {{
    #pragma omp simd
    for (int k = 0; k < {lanes}; k++) to[n - {lanes} + k] = last[k];
  }}
}}
"""
"""`to` is `from`, or does not overlap it. The last vector is computed first, from operands that are
still there, and stored last, over what the vectors before it have stored.
"""
_TWIN_HEAD = """\
__attribute__((noinline, weak, visibility("hidden")))
void {name}({ctype} *restrict to, {ctype} *restrict twin, const {ctype} *restrict x, int64_t n)"""
_MAX_INLINE = 60
_INLINE_OPS = ("add", "sub", "mul")
_PLAIN_INTEGERS = {"lt", "le", "gt", "ge", "eq", "neq", "minimum", "maximum", "size_div"}
"""Ops in which a small int64 literal needs no suffix: the other operand is wide."""


def lane_function(name: str, ctype: str, count: int) -> str:
    """Text of ``sy_call_NAME``, which calls ``sy_NAME`` with so many arguments.

    The compiler makes the versions for vectors; they compute what inlining would.
    """
    names = [f"x{k}" for k in range(count)]
    arguments = ", ".join(f"{ctype} {x}" for x in names)
    return (
        "#pragma omp declare simd notinbranch\n"
        f"static __attribute__((noinline)) {ctype} sy_call_{name}({arguments}) "
        f"{{ return sy_{name}({', '.join(names)}); }}\n"
    )


def storage_type(dtype: str) -> str:
    """C type of an element."""
    return DTYPES[dtype].storage


def is_index_arithmetic(node: Expr) -> bool:
    """Whether `node` is a sum, difference or product of int64 values."""
    return node.kind == "call" and node.dtype == "int64" and node.op.name in _INLINE_OPS


class Outlined(NamedTuple):
    """A C function that kernels call.

    Attributes
    ----------
    name, text : str
    head : str
        Its declaration, by which other units can call it; empty if each needs a copy.
    needs : frozenset of str
        Headers of its text, besides those of the kernels that call it.
    """

    name: str
    text: str
    head: str = ""
    needs: frozenset[str] = frozenset()


class Block:
    """Lines of C and the names that are valid in them.

    Attributes
    ----------
    names : dict
        Text of leaves (by their key) and of values (by expression).
    fallback : callable or None
        Asked for what the outermost block of a function does not know.
    """

    __slots__ = ("fallback", "lines", "names", "parent")

    def __init__(
        self,
        parent: Block | None = None,
        fallback: Callable[[Hashable], str | None] | None = None,
    ) -> None:
        self.parent = parent
        self.fallback = fallback
        self.names: dict[Hashable, str] = {}
        self.lines: list[str] = []

    def find(self, key: Hashable) -> str | None:
        """The text of `key` here or in an enclosing block."""
        block = self
        while True:
            text = block.names.get(key)
            if text is not None:
                return text
            if block.parent is None:
                return None if block.fallback is None else block.fallback(key)
            block = block.parent


Leaf = Callable[[Expr], str]
Load = Callable[[Expr, "list[str]"], str]


class ExprPrinter:
    """Prints expressions into blocks.

    Parameters
    ----------
    leaf : callable
        Text of an ``index``, ``size`` or ``local`` node.
    load : callable
        Text of a ``load`` node, given the texts of its indices.
    stable : callable
        Whether a node's value can't change after it has been computed.
    risky : callable
        Whether a load may be out of range where it stands under a ``switch`` that does not
        choose it.

    Attributes
    ----------
    needs : set of str
        Headers of the texts printed so far.
    outline : bool
        Whether functions of ``special.h`` are called instead of being inlined.
    outlined : dict of str to Outlined
        Functions that are called so, by name.
    """

    def __init__(
        self,
        leaf: Leaf,
        load: Load,
        stable: Callable[[Expr], bool],
        risky: Callable[[Expr], bool] = lambda node: False,
    ) -> None:
        self.leaf = leaf
        self.load = load
        self.stable = stable
        self.risky = risky
        self.count = 0
        self.needs: set[str] = set()
        self.outline = False
        self.outlined: dict[str, Outlined] = {}

    def fresh(self) -> str:
        """A new name of a value."""
        self.count += 1
        return f"v{self.count}"

    def values(self, block: Block, roots: Sequence[Expr]) -> list[str]:
        """Compute `roots` in `block`; returns texts that bind tightly."""
        pending = self._pending(block, roots)
        uses = Counter(arg for node in pending for arg in node.args)
        uses.update(roots)
        local: dict[Expr, str] = {}
        self._statements(block, pending, uses, local)
        return [self._text(block, root, local) for root in roots]

    def root(self, block: Block, value: Expr) -> str:
        """Text of one value for the right side of a definition: may be an open expression."""
        pending = self._pending(block, [value])
        if not pending or pending[-1] is not value:
            return self.values(block, [value])[0]
        uses = Counter(arg for node in pending for arg in node.args)
        local: dict[Expr, str] = {}
        if value.kind == "call" and value.op.name == "switch":
            uses[value] += 1
            self._statements(block, pending, uses, local)
            return self._text(block, value, local)
        self._statements(block, pending[:-1], uses, local)
        return _strip(self._define(block, value, local))

    # ---- internals

    def _pending(self, block: Block, roots: Iterable[Expr]) -> list[Expr]:
        """Nodes below `roots` that need a statement, children first."""
        seen: set[Expr] = set()
        stack = list(roots)
        while stack:
            node = stack.pop()
            if node in seen or node.kind not in ("call", "load") or block.find(node):
                continue
            seen.add(node)
            stack.extend(node.args)
        return sorted(seen, key=lambda n: n.number)

    def _statements(
        self, block: Block, pending: list[Expr], uses: Counter[Expr], local: dict[Expr, str]
    ) -> None:
        branches = _guarded_branches(pending, uses, self.risky)
        owned = {n for pair in branches.values() for region in pair for n in region}
        for node in pending:
            if node in owned:
                continue
            if node in branches:
                self._branch(block, node, branches[node], uses, local)
                continue
            text = self._define(block, node, local)
            if _is_name(text) or _may_nest(node, uses[node], text):
                self._remember(block, node, text, local)
                continue
            name = self.fresh()
            block.lines.append(f"const {storage_type(node.dtype)} {name} = {_strip(text)};")
            self._remember(block, node, name, local)

    def _remember(self, block: Block, node: Expr, text: str, local: dict[Expr, str]) -> None:
        local[node] = text
        if self.stable(node):
            block.names[node] = text

    def _define(self, block: Block, node: Expr, local: dict[Expr, str]) -> str:
        if node.kind == "load":
            return self.load(node, [self.index_text(block, a, local) for a in node.args])
        if is_index_arithmetic(node):
            symbol = {"add": " + ", "sub": " - ", "mul": " * "}[node.op.name]
            return f"({symbol.join(self.index_text(block, a, local) for a in node.args)})"
        plain = node.op.name in _PLAIN_INTEGERS
        text = self.index_text if plain else self._text
        texts = [text(block, a, local) for a in node.args]
        dtype = node.args[-1].dtype if node.args else node.dtype
        self.needs.update(node.op.needs)
        text = node.op.c_text(dtype, texts)
        return self._called(node, text) if self.outline else tight(text)

    def _called(self, node: Expr, text: str) -> str:
        """`text`, if it is a call of one function of ``special.h`` with one type, out of line."""
        call = _OWN_CALL.fullmatch(text)
        if call is None or not node.op.vector or node.op.cost < DEAR_CALL:
            return tight(text)
        name = f"sy_call_{call[1]}"
        text = lane_function(call[1], storage_type(node.dtype), len(node.args))
        self.outlined[name] = Outlined(name, text)
        return f"{name}({call[2]})"

    def strip_function(self, op: ScalarOp, dtype: str) -> str:
        """The name of a function that applies `op` to the elements of an array."""
        name = f"sy_strip_{op.name}_{SHORT_NAME[dtype]}"
        lanes = APPLY_BYTES // np.dtype(dtype).itemsize
        ctype, value = storage_type(dtype), op.c_text(dtype, ["x[k]"])
        head = _STRIP_HEAD.format(name=name, ctype=ctype)
        text = head + _STRIP_BODY.format(ctype=ctype, lanes=lanes, value=value)
        self.outlined[name] = Outlined(name, text, head, frozenset(op.needs))
        return name

    def twin_function(self, op: ScalarOp, dtype: str) -> str:
        """The name of a function that does so for `op` and its twin, with two results."""
        assert op.twin is not None
        other, both = op.twin
        name = f"sy_strip_{op.name}_{other}_{SHORT_NAME[dtype]}"
        head = _TWIN_HEAD.format(name=name, ctype=storage_type(dtype))
        text = f"{head} {{ {fill(both + '{f}(to, twin, x, n)', dtype, ())}; }}\n"
        self.outlined[name] = Outlined(name, text, head, frozenset([f"{both}.h"]))
        return name

    def index_text(self, block: Block, node: Expr, local: dict[Expr, str] | None = None) -> str:
        """Text of an int64 value inside index arithmetic, where small literals are plain."""
        if node.kind == "const" and node.dtype == "int64" and 0 <= int(node.payload) < 2**31:
            return str(int(node.payload))
        return self._text(block, node, local or {})

    def _text(self, block: Block, node: Expr, local: dict[Expr, str]) -> str:
        if node.kind == "const":
            return c_literal(node.payload, node.dtype)
        found = local.get(node) or block.find(node)
        return found if found is not None else self.leaf(node)

    def _branch(
        self,
        block: Block,
        node: Expr,
        regions: tuple[list[Expr], list[Expr]],
        uses: Counter[Expr],
        local: dict[Expr, str],
    ) -> None:
        """A ``switch`` of which one branch may load only if it is taken."""
        name = self.fresh()
        condition = self._text(block, node.args[0], local)
        block.lines.append(f"{storage_type(node.dtype)} {name};")
        for head, region, value in (
            (f"if ({condition}) {{", regions[0], node.args[1]),
            ("} else {", regions[1], node.args[2]),
        ):
            inner = Block(block)
            inside = dict(local)
            self._statements(inner, region, uses, inside)
            inner.lines.append(f"{name} = {self._text(inner, value, inside)};")
            block.lines.append(head)
            block.lines.extend("  " + line for line in inner.lines)
        block.lines.append("}")
        self._remember(block, node, name, local)


def _guarded_branches(
    pending: list[Expr], uses: Counter[Expr], risky: Callable[[Expr], bool]
) -> dict[Expr, tuple[list[Expr], list[Expr]]]:
    """The ``switch`` nodes whose branches own loads that may be out of range.

    Maps each to the nodes that only its first, and only its second branch needs, children
    first; switches inside such a region are left to the printing of that region.
    """
    guarded: set[Expr] = set()
    for node in pending:
        if risky(node) or any(a in guarded for a in node.args):
            guarded.add(node)
    found: dict[Expr, tuple[list[Expr], list[Expr]]] = {}
    owned: set[Expr] = set()
    inside = set(pending)
    for node in reversed(pending):
        if node in owned or node.kind != "call" or node.op.name != "switch":
            continue
        regions = tuple(_region(a, uses, inside) if a in guarded else [] for a in node.args[1:])
        if any(risky(n) for region in regions for n in region):
            found[node] = (regions[0], regions[1])
            owned.update(n for region in regions for n in region)
    return found


def _region(root: Expr, uses: Counter[Expr], inside: set[Expr]) -> list[Expr]:
    """Nodes that are needed for `root` only, if `root` is needed once; children first."""
    if uses[root] != 1:
        return []
    met: Counter[Expr] = Counter()
    stack, region = [root], [root]
    while stack:
        for arg in stack.pop().args:
            met[arg] += 1
            if arg in inside and met[arg] == uses[arg]:
                stack.append(arg)
                region.append(arg)
    return sorted(region, key=lambda n: n.number)


def _may_nest(node: Expr, uses: int, text: str) -> bool:
    return is_index_arithmetic(node) and (uses < 2 or len(text) < 12) and len(text) < _MAX_INLINE


def _is_name(text: str) -> bool:
    return text.isidentifier()


def tight(text: str) -> str:
    """`text` with parentheses where it would not bind as tightly as a name."""
    return text if _TIGHT.match(text) or _wrapped(text) else f"({text})"


def _wrapped(text: str) -> bool:
    """Whether one pair of parentheses encloses all of `text`."""
    if not (text.startswith("(") and text.endswith(")")):
        return False
    depth = 0
    for position, char in enumerate(text):
        depth += {"(": 1, ")": -1}.get(char, 0)
        if depth == 0:
            return position == len(text) - 1
    return False


def _strip(text: str) -> str:
    return text[1:-1] if _wrapped(text) else text
