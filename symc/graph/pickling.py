"""Flat pickles and deep copies of graphs.

Ordinary pickling follows references by recursion, so a chain of a few hundred nodes overflows
Python's stack. Here a whole connected graph travels as one *blob*: a flat list of node states in
which links to other nodes are integers. All nodes of one dump that belong to the graph refer to
the same blob, so identities are kept: in ``pickle.dumps((x, y))`` the loaded ``y`` still depends
on the loaded ``x``.

How nodes of one dump find their blob. A node reduces to ``(dump, handle)``. A pickler remembers
the objects that it has written and keeps them alive, so

* the `_Dump` is written when this pickler meets its first node and never again; if an already
  written dump is asked for a second time, another pickler is at work and a fresh dump is begun;
* the `_Handle`, written after the dump, looks up the node's blob in the dump that is current by
  then, or makes one from all nodes that can be reached and have no blob yet;
* when the pickler is gone, so are dump and blobs.

The one thing this does not keep is identity between two *alternating* picklers that are alive at
the same time in one thread and write the same graph piecewise.

Within a blob, bare nodes are made first and filled afterwards, so cycles through user attributes
are no problem.
"""

from __future__ import annotations

import copy
import threading
import weakref
from collections.abc import Container, Sequence
from typing import Any, TypeVar

__all__ = ["Node"]

N = TypeVar("N", bound="Node")

# How a node stands in a blob: (layout, *values), where the layout is shared by all nodes that have
# the same attributes and says which of the values are links; (None, state) if the state is no
# dictionary. A link is the number of a node of this blob, or a node that is not in it.
_Layout = tuple[tuple[str, ...], tuple[bool, ...]]
_State = tuple[Any, ...]

_ATOMIC = frozenset({str, int, float, bool, bytes, type(None)})


class Node:
    """Base of everything that is linked into a graph: variables and applications.

    Subclasses may define ``__getstate__`` and ``__setstate__``. Values of the state dictionary
    that are nodes, or lists of nodes, are links; everything else is pickled and copied as usual.
    A subclass that defines ``__reduce__`` is left to the pickler.
    """

    def get_parents(self) -> list[Any]:
        """Return the nodes this one is computed from."""
        raise NotImplementedError(f"{type(self).__name__} does not define get_parents")

    def __getstate__(self) -> Any:
        return dict(self.__dict__)

    def __setstate__(self, state: Any) -> None:
        self.__dict__.update(state)

    def __copy__(self: N) -> N:
        new: N = object.__new__(type(self))
        new.__dict__.update(self.__dict__)
        return new

    def __deepcopy__(self, memo: dict[int, Any]) -> Any:
        if not _is_flat(self):
            return _copied_by_reduce(self, memo)
        nodes, states, _ = _flatten(self, memo)
        copies = [object.__new__(type(node)) for node in nodes]
        for node, new in zip(nodes, copies, strict=True):
            memo[id(node)] = new
        memo.setdefault(id(memo), []).extend(nodes)  # alive, so that their ids stay theirs

        def copied(value: Any) -> Any:
            return value if type(value) in _ATOMIC else copy.deepcopy(value, memo)

        for new, state in zip(copies, states, strict=True):
            _fill(new, state, copies, copied)
        return memo[id(self)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not _is_flat(self):
            return self.__reduce__()
        return _resolve, (_current_dump(), _Handle(self))


def _is_flat(node: Node) -> bool:
    """Tell whether the class leaves pickling to this module."""
    return type(node).__reduce__ is object.__reduce__


def _copied_by_reduce(node: Node, memo: dict[int, Any]) -> Any:
    made = node.__reduce__()
    if isinstance(made, str):
        return node
    new = made[0](*copy.deepcopy(made[1], memo))
    memo[id(node)] = new
    if len(made) > 2 and made[2] is not None:
        new.__setstate__(copy.deepcopy(made[2], memo))
    return new


def _all_nodes(values: list[Any]) -> bool:
    for value in values:  # a generator expression would cost half of a dump's time
        if not isinstance(value, Node):
            return False
    return bool(values)


def _flatten(root: Node, known: Container[int]) -> tuple[list[Node], list[_State], dict[int, int]]:
    """Collect every node that `root` reaches without passing through `known`.

    Parameters
    ----------
    root : Node
        Where to start.
    known : container of int
        Ids of nodes to leave out.

    Returns
    -------
    nodes, states : list
        The nodes and their states.
    index : dict
        From the id of a node to its position.
    """
    nodes, states, index = [root], [], {id(root): 0}
    layouts: dict[_Layout, _Layout] = {}

    def link(node: Node) -> int | Node:
        number = index.get(id(node))
        if number is not None:
            return number
        if id(node) in known or not _is_flat(node):
            return node
        number = index[id(node)] = len(nodes)
        nodes.append(node)
        return number

    for node in nodes:  # the list grows while it is walked
        state = node.__getstate__()
        if type(state) is not dict:
            states.append((None, state))
            continue
        values: list[Any] = []
        kinds: list[bool] = []
        for value in state.values():
            kind = type(value)
            if kind in _ATOMIC:
                kinds.append(False)
                values.append(value)
            elif isinstance(value, Node):
                kinds.append(True)
                values.append(link(value))
            elif kind is list and _all_nodes(value):
                kinds.append(True)
                values.append(tuple([link(v) for v in value]))
            else:
                kinds.append(False)
                values.append(value)
        layout = (tuple(state), tuple(kinds))
        states.append((layouts.setdefault(layout, layout), *values))
        # What a tag refers to travels with its own object, but must not be left for recursion.
        for value in getattr(state.get("tag"), "__dict__", _NOTHING).values():
            if isinstance(value, Node):
                link(value)
    return nodes, states, index


_NOTHING: dict[str, Any] = {}


def _same(value: Any) -> Any:
    return value


def _fill(node: Any, state: _State, nodes: Sequence[Any], taken_over: Any = _same) -> None:
    """Give a bare node its state; `taken_over` maps what is not a link of this blob."""
    layout = state[0]
    if layout is None:
        node.__setstate__(taken_over(state[1]))
        return

    def linked(link: Any) -> Any:
        return nodes[link] if type(link) is int else taken_over(link)

    attributes: dict[str, Any] = {}
    for key, is_link, value in zip(*layout, state[1:], strict=True):
        if not is_link:
            attributes[key] = taken_over(value)
        elif type(value) is tuple:
            attributes[key] = [linked(v) for v in value]
        else:
            attributes[key] = linked(value)
    node.__setstate__(attributes)


# ---------------------------------------------------------------------------------------------
# Writing
# ---------------------------------------------------------------------------------------------


class _Dump:
    """The nodes that one pickler has met: id -> (weak reference to the blob, position)."""

    def __init__(self) -> None:
        self.places: dict[int, tuple[weakref.ref[_Blob], int]] = {}
        self.written = False

    def place(self, node: Node) -> tuple[_Blob, int]:
        """Return the blob that holds `node` and its position there, making the blob if needed."""
        place = self.places.get(id(node))
        if place is not None:
            blob = place[0]()
            if blob is not None:
                return blob, place[1]
        blob = _Blob(self, node)
        return blob, blob.index[id(node)]

    def __reduce_ex__(self, protocol: Any) -> Any:
        if self.written:
            return _forget, (_begin_dump(),)
        self.written = True
        return _forget, ()


class _Blob:
    """A connected graph about to be written; keeps its nodes alive, so their ids stay valid."""

    def __init__(self, dump: _Dump, root: Node) -> None:
        self.dump = dump
        self.nodes, self.states, self.index = _flatten(root, dump.places)
        me = weakref.ref(self)
        for key, i in self.index.items():
            dump.places[key] = (me, i)

    def __del__(self) -> None:
        # A pickler without memory drops blobs while the dump lives: ids must not go stale.
        for key in self.index:
            self.dump.places.pop(key, None)

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _Restored, ([type(node) for node in self.nodes],), self.states


class _Handle:
    """A node about to be written; decides on the blob only when the pickler asks for it."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def __reduce_ex__(self, protocol: Any) -> Any:
        return _pick, _current_dump().place(self.node)


class _ThreadState(threading.local):
    """The dumps under way in this thread, innermost last."""

    def __init__(self) -> None:
        self.dumps: list[weakref.ref[_Dump]] = []


_thread = _ThreadState()


def _current_dump() -> _Dump:
    dumps = _thread.dumps
    while dumps:
        dump = dumps[-1]()
        if dump is not None:
            return dump
        dumps.pop()
    return _begin_dump()


def _begin_dump() -> _Dump:
    dump = _Dump()
    _thread.dumps.append(weakref.ref(dump))
    return dump


# ---------------------------------------------------------------------------------------------
# Reading. The names below are written into pickles: renaming them makes old files unreadable.
# ---------------------------------------------------------------------------------------------


class _Restored:
    """The nodes of one blob while it is being read: made bare at once, filled later."""

    def __init__(self, classes: list[type]) -> None:
        self.nodes: list[Any] = [object.__new__(cls) for cls in classes]

    def __setstate__(self, states: list[_State]) -> None:
        for node, state in zip(self.nodes, states, strict=True):
            _fill(node, state, self.nodes)


def _pick(blob: _Restored, index: int) -> Any:
    return blob.nodes[index]


def _resolve(dump: None, node: Any) -> Any:
    return node


def _forget(*dumps: None) -> None:
    return None
