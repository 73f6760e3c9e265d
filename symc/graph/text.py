"""Graphs as text: `debugprint`, a tree with ids. One-line formulas are in `symc.graph.formula`.

A tree indents by two characters per level, which for a chain of n nodes would be n squared
characters, so lines deeper than `MAX_INDENT` levels show their depth as ``~depth~`` and only the
innermost bars.
"""

from __future__ import annotations

import io
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TextIO

from symc.graph.graph import Graph
from symc.graph.node import Apply, Variable

__all__ = ["DebugprintInfo", "debugprint"]

MAX_INDENT = 60
_KEPT_INDENT = 10


# ---------------------------------------------------------------------------------------------
# debugprint
# ---------------------------------------------------------------------------------------------


@dataclass
class DebugprintInfo:
    """What `debugprint` needs to know about a compiled function or another holder of a graph.

    Attributes
    ----------
    outputs : sequence of Variable
        What to print.
    order : sequence of Apply, optional
        Execution order; the position is printed behind each node.
    notes : mapping, optional
        What to add behind the line of an Apply or a leaf: a sequence of texts and of variables,
        for which their ids are printed.
    storage : mapping, optional
        Text for ``print_storage``, by variable.
    clients : callable, optional
        ``clients(variable)`` as `Graph.clients`, for ``print_clients``.
    """

    outputs: Sequence[Variable]
    order: Sequence[Apply] | None = None
    notes: Mapping[Any, Sequence[str | Variable]] = field(default_factory=dict)
    storage: Mapping[Variable, Any] = field(default_factory=dict)
    clients: Callable[[Variable], list[tuple[Any, int]]] | None = None


def _letters(number: int) -> str:
    """Return 0 as A, 25 as Z, 26 as BA: base 26 with the digits A to Z, as Theano counts."""
    text = ""
    while True:
        number, digit = divmod(number, 26)
        text = chr(ord("A") + digit) + text
        if not number:
            return text


_ID_TEXT: dict[str, Callable[[Any, int], str]] = {
    "CHAR": lambda obj, n: f"[id {_letters(n)}]",
    "int": lambda obj, n: f"[id {n}]",
    "id": lambda obj, n: f"[id {id(obj)}]",
    "": lambda obj, n: "",
}


@dataclass
class _Options:
    depth: int
    print_type: bool
    ids: str
    stop_on_name: bool
    print_storage: bool
    print_clients: bool
    print_destroy_map: bool
    print_view_map: bool


class _TreePrinter:
    """One call of `debugprint`."""

    def __init__(
        self,
        options: _Options,
        stream: TextIO,
        done: dict[Any, str] | None,
        used_ids: dict[Any, str] | None,
    ) -> None:
        self.options = options
        self.stream = stream
        self.done = {} if done is None else done
        self.used_ids = {} if used_ids is None else used_ids
        self.inner: dict[Apply, None] = {}
        self.positions: dict[Apply, int] = {}
        self.info = DebugprintInfo(())

    def print_info(self, info: DebugprintInfo) -> None:
        """Print the trees of all outputs."""
        self.info = info
        self.positions = {node: i for i, node in enumerate(info.order or ())}
        for output in info.outputs:
            self.print_tree(output)

    def print_tree(self, root: Variable, prefix: str = "", child_prefix: str = "") -> None:
        """Print the tree of one variable; bars are kept in `prefix` from the outermost."""
        pending = [(root, prefix, child_prefix, 0)]
        limit = self.options.depth
        while pending:
            variable, prefix, child_prefix, level = pending.pop()
            if 0 <= limit <= level:
                continue
            expand = self._print_line(variable, self._shown(prefix, level))
            node = variable.owner
            if node is None or not expand:
                continue
            bar, last = child_prefix + " |", child_prefix + "  "
            if level > MAX_INDENT:
                bar, last = bar[-2 * _KEPT_INDENT :], last[-2 * _KEPT_INDENT :]
            children = [(v, bar, bar, level + 1) for v in node.inputs]
            if children:
                children[-1] = (node.inputs[-1], bar, last, level + 1)
            pending.extend(reversed(children))

    @staticmethod
    def _shown(prefix: str, level: int) -> str:
        return prefix if level <= MAX_INDENT else f" ~{level}~{prefix[-2 * _KEPT_INDENT :]}"

    def _print_line(self, variable: Variable, prefix: str) -> bool:
        """Print one line; return whether the operands are to be printed below it."""
        node = variable.owner
        if node is None:
            self._print_leaf(variable, prefix)
            return False
        options = self.options
        seen = node in self.done
        op = node.op
        id_text = self._id(node)
        which = "" if len(node.outputs) == 1 else f".{variable.index}"
        name = "" if variable.name is None else variable.name
        destroys = _map_text("d=", op.destroy_map) if options.print_destroy_map else ""
        views = _map_text("v=", op.view_map) if options.print_view_map else ""
        self.stream.write(
            f"{prefix}{op}{which} {id_text}{self._type(variable)} '{name}' {destroys} {views} "
            f"{self.positions.get(node, '')}{self._storage(node.outputs[0])}"
            f"{self._clients(variable)}{self._note(node)}\n"
        )
        if hasattr(op, "inner_graph") and not seen:
            self.inner[node] = None
        return not seen and not (options.stop_on_name and variable.name is not None)

    def _print_leaf(self, variable: Variable, prefix: str) -> None:
        self.stream.write(
            f"{prefix}{variable} {self._id(variable)}{self._type(variable)}"
            f"{self._storage(variable)}{self._clients(variable)}{self._note(variable)}\n"
        )

    def print_inner_graphs(self) -> None:
        """Print the graphs inside the ops that were printed, and those inside them."""
        if not self.inner:
            return
        self.stream.write("\nInner graphs:\n")
        while self.inner:
            nodes, self.inner = list(self.inner), {}
            for node in nodes:
                self.stream.write(f"\n{node.op} {self._id(node)}\n")
                graph = node.op.inner_graph
                self.info = DebugprintInfo(graph.outputs)
                self.positions = {}
                for output in graph.outputs:
                    self.print_tree(output, " >", " >")

    def _id(self, obj: Any, printed: bool = True) -> str:
        text = self.used_ids.get(obj)
        if text is None:
            text = _ID_TEXT[self.options.ids](obj, len(self.used_ids))
            self.used_ids[obj] = text
        if printed:
            self.done[obj] = text
        return text

    def _type(self, variable: Variable) -> str:
        return f" <{variable.type}>" if self.options.print_type else ""

    def _storage(self, variable: Variable) -> str:
        found = self.info.storage.get(variable) if self.options.print_storage else None
        return "" if found is None else f" {found}"

    def _clients(self, variable: Variable) -> str:
        if not self.options.print_clients or self.info.clients is None:
            return ""
        readers = [
            (reader, "") if isinstance(reader, str) else (self._id(reader, printed=False), place)
            for reader, _ in self.info.clients(variable)
            for place in [self.positions.get(reader, "")]
        ]
        return f" clients:{readers}" if readers else ""

    def _note(self, obj: Any) -> str:
        note = self.info.notes.get(obj)
        if not note:
            return ""
        return "  " + "".join(p if isinstance(p, str) else self._reference(p) for p in note)

    def _reference(self, variable: Variable) -> str:
        """The id of a computed variable, which may be printed further down; a leaf's name."""
        node = variable.owner
        if node is None or not self.options.ids:
            return str(variable)
        which = "" if len(node.outputs) == 1 else f".{variable.index}"
        return self._id(node, printed=False) + which


def _map_text(label: str, aliases: Mapping[int, Any]) -> str:
    return f"{label}{dict(aliases)}" if aliases else ""


def described(obj: Any) -> Iterator[DebugprintInfo]:
    """Turn what the user wants printed into outputs and their order.

    Parameters
    ----------
    obj : Variable, Apply, Graph, compiled function, or list of them

    Raises
    ------
    TypeError
        If it is something else.
    """
    if isinstance(obj, Variable):
        yield DebugprintInfo([obj])
    elif isinstance(obj, Apply):
        yield DebugprintInfo(obj.outputs)
    elif isinstance(obj, Graph):
        yield DebugprintInfo(obj.outputs, order=obj.toposort(), clients=obj.clients)
    elif hasattr(obj, "debugprint_info"):
        yield obj.debugprint_info()
    elif isinstance(obj, (list, tuple, set, frozenset)):
        for item in obj:
            yield from described(item)
    else:
        raise TypeError(
            f"debugprint shows variables, applications, graphs and compiled functions, and lists "
            f"of them; got {obj!r} of {type(obj)}"
        )


def debugprint(
    obj: Any,
    depth: int = -1,
    print_type: bool = False,
    file: Any = None,
    ids: str = "CHAR",
    stop_on_name: bool = False,
    done: dict[Any, str] | None = None,
    print_storage: bool = False,
    print_clients: bool = False,
    used_ids: dict[Any, str] | None = None,
    print_destroy_map: bool = False,
    print_view_map: bool = False,
) -> Any:
    """Print a graph as a tree.

    Parameters
    ----------
    obj : Variable, Apply, Graph, compiled function, or list of them
        What to print. Anything with a method ``debugprint_info()`` that returns a
        `DebugprintInfo` works.
    depth : int
        Number of levels to print, -1 for all.
    print_type : bool
        Whether to print types.
    file : stream or 'str', optional
        Where to print; ``'str'`` returns the text instead. Default: standard output.
    ids : {'CHAR', 'int', 'id', ''}
        How nodes are named: letters, numbers, Python ids, or not at all.
    stop_on_name : bool
        Whether a named variable is printed without what computes it.
    done : dict, optional
        Nodes printed already; they are printed again by their line only.
    print_storage : bool
        Whether to print the values or buffers that the function knows.
    print_clients : bool
        Whether to print who reads each variable.
    used_ids : dict, optional
        Ids in use, to continue the numbering of an earlier call.
    print_destroy_map, print_view_map : bool
        Whether to print which operands ops overwrite or view.

    Returns
    -------
    str, stream or None
        The text for ``'str'``, the stream when one was given.

    Examples
    --------
    ``debugprint(x + y)`` prints ::

        Elemwise{add,no_inplace} [id A] ''
         |x [id B]
         |y [id C]
    """
    if not isinstance(depth, int):
        raise TypeError(f"depth must be an int, got {depth!r}")
    if ids not in _ID_TEXT:
        raise ValueError(f"ids must be one of {sorted(_ID_TEXT)}, got {ids!r}")
    if isinstance(file, str) and file != "str":
        raise ValueError(f"file must be a stream, 'str' or None, got {file!r}")
    stream: Any = io.StringIO() if file == "str" else sys.stdout if file is None else file
    options = _Options(
        depth,
        print_type,
        ids,
        stop_on_name,
        print_storage,
        print_clients,
        print_destroy_map,
        print_view_map,
    )
    printer = _TreePrinter(options, stream, done, used_ids)
    for info in list(described(obj)):
        printer.print_info(info)
    printer.print_inner_graphs()
    if file == "str":
        return stream.getvalue()
    stream.flush()
    return file
