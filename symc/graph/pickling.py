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
from typing import Any, NamedTuple, TypeVar

__all__ = ["Node"]

N = TypeVar("N", bound="Node")

# How a node stands in a blob: its links as numbers, and the rest of its state.
_State = tuple[dict[str, Any] | None, Any]

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
        parts = _reachable(self, memo)
        for part in parts:
            memo[id(part.node)] = object.__new__(type(part.node))
        memo.setdefault(id(memo), []).extend(part.node for part in parts)  # keep their ids theirs
        for part in parts:
            memo[id(part.node)].__setstate__(_copied_state(part, memo))
        result: N = memo[id(self)]
        return result

    def __reduce_ex__(self, protocol: Any) -> Any:
        if not _is_flat(self):
            return self.__reduce__()
        return _resolve, (_current_dump(), _Handle(self))


def _is_flat(node: Node) -> bool:
    """Tell whether the class leaves pickling to this module."""
    return type(node).__reduce__ is object.__reduce__


class _Part(NamedTuple):
    """A node taken apart: its links, and what is pickled or copied as usual."""

    node: Node
    links: dict[str, Any] | None  # None when the state is no dictionary
    rest: Any


def _taken_apart(node: Node) -> _Part:
    state = node.__getstate__()
    if type(state) is not dict:
        return _Part(node, None, state)
    links: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, value in state.items():
        if type(value) in _ATOMIC:
            rest[key] = value
        elif isinstance(value, Node) or (type(value) is list and _all_nodes(value)):
            links[key] = value
        else:
            rest[key] = value
    return _Part(node, links, rest)


def _all_nodes(values: list[Any]) -> bool:
    for value in values:  # a generator expression would double the time of the whole dump
        if not isinstance(value, Node):
            return False
    return bool(values)


def _reachable(root: Node, known: dict[int, Any]) -> list[_Part]:
    """Take apart every node that can be reached from `root` without passing through `known`."""
    found: dict[int, _Part] = {}
    pending: list[Node] = [root]
    while pending:
        node = pending.pop()
        if id(node) in found or id(node) in known or not _is_flat(node):
            continue
        part = found[id(node)] = _taken_apart(node)
        if part.links is None:
            continue
        for link in part.links.values():
            if type(link) is list:
                pending += link
            else:
                pending.append(link)
        tag = part.rest.get("tag")
        if hasattr(tag, "__dict__"):
            pending += [value for value in vars(tag).values() if isinstance(value, Node)]
    return list(found.values())


def _copied_state(part: _Part, memo: dict[int, Any]) -> Any:
    if part.links is None:
        return copy.deepcopy(part.rest, memo)
    state: dict[str, Any] = {}
    for key, value in part.rest.items():
        state[key] = value if type(value) in _ATOMIC else copy.deepcopy(value, memo)
    for key, link in part.links.items():
        if type(link) is list:
            state[key] = [copy.deepcopy(node, memo) for node in link]
        else:
            state[key] = copy.deepcopy(link, memo)
    return state


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
        self.parts = _reachable(root, dump.places)
        self.index = {id(part.node): i for i, part in enumerate(self.parts)}
        me = weakref.ref(self)
        for key, i in self.index.items():
            dump.places[key] = (me, i)

    def __del__(self) -> None:
        # A pickler without memory drops blobs while the dump lives: ids must not go stale.
        for key in self.index:
            self.dump.places.pop(key, None)

    def _encoded(self, part: _Part) -> _State:
        if part.links is None:
            return None, part.rest
        place = self.index.get
        numbers = {
            key: [place(id(node), node) for node in link]
            if type(link) is list
            else place(id(link), link)
            for key, link in part.links.items()
        }
        return numbers, part.rest

    def __reduce_ex__(self, protocol: Any) -> Any:
        classes = [type(part.node) for part in self.parts]
        return _Restored, (classes,), [self._encoded(part) for part in self.parts]


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
