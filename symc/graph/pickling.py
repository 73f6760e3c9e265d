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
from collections.abc import Iterable
from typing import Any, TypeVar

__all__ = ["Node"]

N = TypeVar("N", bound="Node")

_Links = dict[str, Any]
_State = tuple[_Links | None, Any]

_ATOMIC = frozenset({str, int, float, bool, bytes, type(None)})


class Node:
    """Base of everything that is linked into a graph: variables and applications.

    Subclasses may define ``__getstate__`` and ``__setstate__``. Values of the state dictionary
    that are nodes, or lists of nodes, are links; everything else is pickled and copied as usual.
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

    def __deepcopy__(self: N, memo: dict[int, Any]) -> N:
        fresh = _reachable([self], memo)
        copies = [object.__new__(type(node)) for node, _ in fresh]
        for (node, _), new in zip(fresh, copies, strict=True):
            memo[id(node)] = new
        for (node, state), new in zip(fresh, copies, strict=True):
            new.__setstate__(_copied_state(state, memo))
            memo.setdefault(id(memo), []).append(node)
        result: N = memo[id(self)]
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not _is_flat(self):
            return self.__reduce__()
        return _resolve, (_current_dump(), _Handle(self))


def _is_flat(node: Node) -> bool:
    """Tell whether the class leaves pickling to this module."""
    return type(node).__reduce__ is object.__reduce__


def _is_node_list(value: Any) -> bool:
    return type(value) is list and bool(value) and all(isinstance(v, Node) for v in value)


def _links(state: Any) -> Iterable[Node]:
    """Yield the nodes that a state refers to directly, those held by its tag included."""
    if type(state) is not dict:
        return
    for key, value in state.items():
        if isinstance(value, Node):
            yield value
        elif _is_node_list(value):
            yield from value
        elif key == "tag" and hasattr(value, "__dict__"):
            yield from (v for v in vars(value).values() if isinstance(v, Node))


def _reachable(roots: Iterable[Node], known: dict[int, Any]) -> list[tuple[Node, Any]]:
    """Return (node, state) of every node that `roots` reach without passing through `known`."""
    found: dict[int, tuple[Node, Any]] = {}
    stack = list(roots)
    while stack:
        node = stack.pop()
        if id(node) in found or id(node) in known or not _is_flat(node):
            continue
        state = node.__getstate__()
        found[id(node)] = (node, state)
        stack.extend(_links(state))
    return list(found.values())


def _copied_state(state: Any, memo: dict[int, Any]) -> Any:
    if type(state) is not dict:
        return copy.deepcopy(state, memo)
    return {
        key: value if type(value) in _ATOMIC else copy.deepcopy(value, memo)
        for key, value in state.items()
    }


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
        self.content = _reachable([root], dump.places)
        self.index = {id(node): i for i, (node, _) in enumerate(self.content)}
        me = weakref.ref(self)
        for key, i in self.index.items():
            dump.places[key] = (me, i)

    def __del__(self) -> None:
        # A pickler without memory drops blobs while the dump lives: ids must not go stale.
        for key in self.index:
            self.dump.places.pop(key, None)

    def _encoded(self, state: Any) -> _State:
        if type(state) is not dict:
            return None, state
        links: _Links = {}
        rest: dict[str, Any] = {}
        index = self.index
        for key, value in state.items():
            if isinstance(value, Node):
                links[key] = index.get(id(value), value)
            elif _is_node_list(value):
                links[key] = [index.get(id(v), v) for v in value]
            else:
                rest[key] = value
        return links, rest

    def __reduce_ex__(self, protocol: Any) -> Any:
        classes = [type(node) for node, _ in self.content]
        return _Restored, (classes,), [self._encoded(state) for _, state in self.content]


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
        for node, (links, rest) in zip(self.nodes, states, strict=True):
            if links is None:
                node.__setstate__(rest)
                continue
            state = {key: self._linked(value) for key, value in links.items()}
            state.update(rest)
            node.__setstate__(state)

    def _linked(self, link: Any) -> Any:
        nodes = self.nodes
        if type(link) is int:
            return nodes[link]
        if type(link) is list:
            return [nodes[v] if type(v) is int else v for v in link]
        return link


def _pick(blob: _Restored, index: int) -> Any:
    return blob.nodes[index]


def _resolve(dump: None, node: Any) -> Any:
    return node


def _forget(*dumps: None) -> None:
    return None
