"""Unification: finding values of variables that make two patterns the same.

Patterns are nested tuples, lists and dicts with `FreeVariable`, `OrVariable` and `NotVariable` at
the leaves; any other leaf is equal to what it compares equal to.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

__all__ = [
    "BoundVariable",
    "FreeVariable",
    "NotVariable",
    "OrVariable",
    "Unification",
    "VariableInList",
    "unify_merge",
    "unify_walk",
]


class _Unknown:
    """Base of what may stand for something else.

    Parameters
    ----------
    name : str, optional
        Shown; two unknowns are the same only if they are one object.
    """

    def __init__(self, name: str = "?") -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.name})"


class FreeVariable(_Unknown):
    """May be anything."""


class BoundVariable(_Unknown):
    """Is one value.

    Parameters
    ----------
    name : str
    value : object
    """

    def __init__(self, name: str, value: Any) -> None:
        super().__init__(name)
        self.value = value


class OrVariable(_Unknown):
    """Is one of several values.

    Parameters
    ----------
    name : str
    options : sequence
    """

    def __init__(self, name: str, options: Sequence[Any]) -> None:
        super().__init__(name)
        self.options = list(options)


class NotVariable(_Unknown):
    """Is none of several values.

    Parameters
    ----------
    name : str
    not_options : sequence
    """

    def __init__(self, name: str, not_options: Sequence[Any]) -> None:
        super().__init__(name)
        self.not_options = list(not_options)


class VariableInList:
    """Stands for an unknown in the elements of a list, whatever its position."""

    def __init__(self, variable: _Unknown) -> None:
        self.variable = variable


class Unification:
    """What unknowns have been found to be; never changed, only merged into new ones.

    Parameters
    ----------
    inplace : bool, optional
        Whether `merge` changes this object.
    """

    def __init__(self, inplace: bool = False) -> None:
        self.inplace = inplace
        self.unif: dict[_Unknown, tuple[_Unknown, frozenset[_Unknown]]] = {}

    def merge(self, new_best: _Unknown, *variables: _Unknown) -> Unification:
        """Return a unification in which `variables` and `new_best` are the same."""
        made = self if self.inplace else Unification()
        if made is not self:
            made.unif = dict(self.unif)
        together = {new_best, *variables}
        for variable in (new_best, *variables):
            together |= self.unif.get(variable, (variable, frozenset()))[1]
        for variable in together:
            made.unif[variable] = (new_best, frozenset(together))
        return made

    def __getitem__(self, variable: Any) -> Any:
        """Return what is known about an unknown: the best that stands for it."""
        return self.unif.get(variable, (variable, None))[0]


def _value(u: Unification, item: Any) -> Any:
    return u[item] if isinstance(item, _Unknown) else item


def unify_walk(a: Any, b: Any, u: Unification) -> Unification | bool:
    """Make two patterns the same.

    Returns
    -------
    Unification or False
        What the unknowns have to be; False where nothing makes the patterns equal.
    """
    pending = [(a, b)]
    while pending:
        left, right = (_value(u, x) for x in pending.pop())
        if left is right:
            continue
        if isinstance(left, _Unknown) or isinstance(right, _Unknown):
            if not isinstance(left, _Unknown):
                left, right = right, left
            met = _meet(left, right, u)
            if met is False:
                return False
            u, more = met
            pending += more
            continue
        if type(left) is not type(right):
            if isinstance(left, (tuple, list, dict)) or isinstance(right, (tuple, list, dict)):
                return False
        elif isinstance(left, (tuple, list)):
            if len(left) != len(right):
                return False
            pending.extend(zip(left, right, strict=True))
            continue
        elif isinstance(left, dict):
            pending += [(v, right[k]) for k, v in left.items() if k in right]
            continue
        if left != right:
            return False
    return u


def _meet(a: _Unknown, b: Any, u: Unification) -> Any:
    """Join an unknown with an unknown or a value; what has to be unified besides."""
    if not isinstance(b, _Unknown):
        b = BoundVariable("?", b)
    order = (FreeVariable, NotVariable, OrVariable, BoundVariable)
    if order.index(type(a)) > order.index(type(b)):
        a, b = b, a
    if isinstance(a, FreeVariable):
        return u.merge(b, a), []
    if isinstance(a, BoundVariable) and isinstance(b, BoundVariable):
        return u.merge(b, a), [(a.value, b.value)]
    if isinstance(b, BoundVariable):
        known = b.value in (a.options if isinstance(a, OrVariable) else a.not_options)  # type: ignore[attr-defined]
        return (u.merge(b, a), []) if known is isinstance(a, OrVariable) else False
    if isinstance(a, NotVariable) and isinstance(b, NotVariable):
        joined = [*a.not_options, *(o for o in b.not_options if o not in a.not_options)]
        return u.merge(NotVariable("?", joined), a, b), []
    options = b.options  # type: ignore[attr-defined]
    if isinstance(a, NotVariable):
        left = [o for o in options if o not in a.not_options]
    else:
        left = [o for o in options if o in a.options]  # type: ignore[attr-defined]
    if not left:
        return False
    best: _Unknown = BoundVariable("?", left[0]) if len(left) == 1 else OrVariable("?", left)
    return u.merge(best, a, b), []


def unify_merge(a: Any, b: Any, u: Unification) -> Any:
    """Return a pattern with the unknowns of `a` replaced by what `u` says, joined with `b`."""
    a, b = _value(u, a), _value(u, b)
    if isinstance(a, BoundVariable):
        return unify_merge(a.value, b, u)
    if isinstance(b, BoundVariable):
        return unify_merge(a, b.value, u)
    if isinstance(a, _Unknown):
        return b
    if isinstance(b, _Unknown):
        return a
    if isinstance(a, (tuple, list)) and type(a) is type(b):
        return type(a)(unify_merge(x, y, u) for x, y in zip(a, b, strict=True))
    if isinstance(a, dict) and isinstance(b, dict):
        return {**a, **b, **{k: unify_merge(a[k], b[k], u) for k in a if k in b}}
    return a
