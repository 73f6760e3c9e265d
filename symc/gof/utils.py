"""Small helpers that extensions written for Theano import."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Hashable, Iterable, Mapping
from typing import Any, TypeVar

from ..errors import MethodNotDefined, TestValueError
from ..graph.node import scratchpad
from ..graph.trace import creation_trace, user_line
from ..graph.walk import general_toposort

__all__ = [
    "ABORT",
    "FALL_THROUGH",
    "RETRY",
    "MetaObject",
    "MethodNotDefined",
    "TestValueError",
    "add_tag_trace",
    "comm_guard",
    "deprecated",
    "difference",
    "flatten",
    "from_return_values",
    "get_variable_trace_string",
    "hashtype",
    "hist",
    "memoize",
    "object2",
    "remove",
    "scratchpad",
    "simple_extract_stack",
    "to_return_values",
    "toposort",
    "type_guard",
    "uniq",
]

T = TypeVar("T")


class _Keyword:
    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"<{self.name}>"


ABORT = _Keyword("ABORT")
RETRY = _Keyword("RETRY")
FALL_THROUGH = _Keyword("FALL_THROUGH")


def hashtype(self: Any) -> int:
    """Return a hash of an object's class."""
    cls = type(self)
    return hash((cls.__module__, cls.__qualname__))


class MetaObject(type):
    """Gives classes with ``__props__`` an equality, a hash and a text.

    The ops and types of symc have them by `symc.graph.props`; this is for other classes.
    """

    def __new__(mcs, name: str, bases: tuple[type, ...], namespace: dict[str, Any]) -> Any:
        """Add the methods that the class does not define itself."""
        props = namespace.get("__props__")
        if props is not None:
            if not isinstance(props, tuple):
                raise TypeError(f"{name}.__props__ must be a tuple, got {props!r}")

            def values(self: Any) -> tuple[Any, ...]:
                return tuple(getattr(self, p) for p in props)

            namespace.setdefault("_props", values)
            namespace.setdefault(
                "_props_dict", lambda self: {p: getattr(self, p) for p in props}
            )
            if "__hash__" not in namespace and "__eq__" not in namespace:
                namespace["__hash__"] = lambda self: hash((type(self), values(self)))
                namespace["__eq__"] = lambda self, other: (
                    type(self) is type(other) and values(self) == values(other)
                )
            namespace.setdefault(
                "__str__",
                lambda self: name + (
                    "{" + ", ".join(f"{p}={getattr(self, p)!r}" for p in props) + "}"
                    if props else ""
                ),
            )
        return super().__new__(mcs, name, bases, namespace)


class object2(metaclass=MetaObject):  # noqa: N801 - Theano's name
    """Base of objects whose class may define ``__props__``."""

    def __ne__(self, other: object) -> bool:
        return not self == other


def memoize(f: Callable[..., T]) -> Callable[..., T]:
    """Make a function remember what it has returned for positional arguments."""
    cache: dict[Hashable, T] = {}

    @functools.wraps(f)
    def remembered(*args: Any) -> T:
        if args not in cache:
            cache[args] = f(*args)
        return cache[args]

    return remembered


def deprecated(filename: str, msg: str = "") -> Callable[[Callable[..., T]], Callable[..., T]]:
    """Return a decorator that warns at the first call of a function."""

    def decorate(f: Callable[..., T]) -> Callable[..., T]:
        warned = False

        @functools.wraps(f)
        def warning(*args: Any, **kwargs: Any) -> T:
            nonlocal warned
            if not warned:
                warned = True
                warnings.warn(f"{filename}.{f.__name__} is deprecated. {msg}", stacklevel=2)
            return f(*args, **kwargs)

        return warning

    return decorate


def uniq(seq: Iterable[T]) -> list[T]:
    """Return the items of a sequence, each at its first place only."""
    found: list[T] = []
    for item in seq:
        if item not in found:
            found.append(item)
    return found


def difference(seq1: Iterable[T], seq2: Iterable[T]) -> list[T]:
    """Return the items of `seq1` that are not in `seq2`."""
    others = list(seq2)
    return [x for x in seq1 if x not in others]


def remove(predicate: Callable[[T], Any], coll: Iterable[T]) -> list[T]:
    """Return the items for which `predicate` is false."""
    return [x for x in coll if not predicate(x)]


def hist(coll: Iterable[Hashable]) -> dict[Hashable, int]:
    """Return how often each item occurs."""
    counts: dict[Hashable, int] = {}
    for item in coll:
        counts[item] = counts.get(item, 0) + 1
    return counts


def flatten(a: Any) -> list[Any]:
    """Return the items of nested lists, tuples and sets in one list."""
    found: list[Any] = []
    pending = [a]
    while pending:
        item = pending.pop()
        if isinstance(item, (tuple, list, set)):
            pending.extend(reversed(list(item)))
        else:
            found.append(item)
    return found


def toposort(prereqs_d: Mapping[T, Iterable[T]]) -> list[T]:
    """Return the keys of ``{item: items that come before it}`` in an order that fits.

    Raises
    ------
    CycleError
        If there is none; it is a ValueError.
    """
    known = {k: list(v) for k, v in prereqs_d.items()}
    return general_toposort(list(known), lambda item: known.get(item, []))


def to_return_values(values: list[T]) -> T | list[T]:
    """Return the only item of a list, or the list."""
    return values[0] if len(values) == 1 else values


def from_return_values(values: Any) -> list[Any]:
    """Return a list of what may be one value."""
    return list(values) if isinstance(values, (list, tuple)) else [values]


def simple_extract_stack(
    f: Any = None, limit: int | None = None, skips: Iterable[str] = ()
) -> list[Any]:
    """Return the lines that are being executed, outermost first, without symc's own."""
    del f
    trace = creation_trace(50 if limit is None else limit)
    return [line for line in trace if not any(skip in str(line) for skip in skips)]


def add_tag_trace(thing: Any, user_line: int | None = None) -> Any:
    """Note the line that is being executed on ``thing.tag.trace``; returns `thing`."""
    thing.tag.trace = creation_trace(1 if user_line is None else user_line)
    return thing


def get_variable_trace_string(v: Any) -> str:
    """Return where a variable was made, as text."""
    return str(user_line(v) or "")


def comm_guard(type1: Any, type2: Any) -> Callable[..., Any]:
    """Return a decorator for functions of two arguments of these types, in either order.

    Of functions of one name, the one decorated last is asked first; those with other types come
    next.
    """
    return _guard((type1, type2), commutes=True)


def type_guard(type1: Any) -> Callable[..., Any]:
    """Return a decorator for functions whose first argument is of a type."""
    return _guard((type1,), commutes=False)


def _guard(kinds: tuple[Any, ...], commutes: bool) -> Callable[..., Any]:
    def fits(values: tuple[Any, ...]) -> bool:
        return all(
            k is ANY_TYPE or isinstance(v, k) for k, v in zip(kinds, values, strict=False)
        )

    def decorate(f: Callable[..., Any]) -> Callable[..., Any]:
        older = f.__globals__.get(f.__name__)

        @functools.wraps(f)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            orders = [args, (args[1], args[0], *args[2:])] if commutes else [args]
            for given in orders:
                if fits(given):
                    result = f(*given, **kwargs)
                    if result is not FALL_THROUGH:
                        return result
            if older is None:
                raise NotImplementedError(
                    f"{f.__name__} is not defined for {[type(a).__name__ for a in args]}"
                )
            return older(*args, **kwargs)

        return guarded

    return decorate


ANY_TYPE = _Keyword("ANY_TYPE")
