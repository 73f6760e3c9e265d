"""``symc.misc.frozendict``: a dict that can't be changed and has a hash."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

__all__ = ["frozendict"]


class frozendict(Mapping[Any, Any]):  # noqa: N801 - Theano's name
    """An immutable mapping.

    Parameters
    ----------
    *args, **kwargs
        As for `dict`.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._dict = dict(*args, **kwargs)
        self._hash: int | None = None

    def __getitem__(self, key: Any) -> Any:
        return self._dict[key]

    def __iter__(self) -> Iterator[Any]:
        return iter(self._dict)

    def __len__(self) -> int:
        return len(self._dict)

    def __hash__(self) -> int:
        if self._hash is None:
            self._hash = hash(frozenset(self._dict.items()))
        return self._hash

    def copy(self, **changed: Any) -> frozendict:
        """Return a copy with some entries changed."""
        return type(self)(self._dict, **changed)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._dict!r})"
