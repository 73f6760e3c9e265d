"""The storage behind shared variables: a run-time container that knows the type of its value."""

from __future__ import annotations

from typing import Any

from ..graph.node import Type, set_container_hook
from ..runtime import Container, pinned


class Storage(Container):  # type: ignore[misc, valid-type]
    """A container of one value.

    Parameters
    ----------
    type : Type
        What the value must fit.
    value : object
    strict : bool
        Refuse values that would need a conversion.
    allow_downcast : bool or None
        Whether conversions may change values.
    name : str or None
        Shown in messages.
    """

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        """Make it empty; the value is checked by ``__init__``."""
        del args, kwargs
        return super().__new__(cls)

    def __init__(
        self,
        type: Type,
        value: Any,
        strict: bool = False,
        allow_downcast: bool | None = None,
        name: str | None = None,
    ) -> None:
        super().__init__()
        self.value = type.filter(value, strict=strict, allow_downcast=allow_downcast)
        self.type = type
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.name = name

    def get_value(self, borrow: bool = False, return_internal_type: bool = False) -> Any:
        """The value: a copy, or with `borrow` the stored object itself.

        What is borrowed changes with later updates; it may also stop doing so, when an update
        needs another array.
        """
        del return_internal_type
        if borrow:
            return self.value
        with pinned(self) as value:
            return self.type.copy_value(value)

    def set_value(self, new_value: Any, borrow: bool = False) -> None:
        """Store a value: a copy of it, or with `borrow` the object itself where its type fits.

        Raises
        ------
        TypeError
            If it is not of the type of the shared variable; the old value stays.
        """
        value = self.type.filter(
            new_value, strict=self.strict, allow_downcast=self.allow_downcast
        )
        if not borrow and self.type.may_share_memory(value, new_value):
            value = self.type.copy_value(value)
        self.value = value

    def __reduce__(self) -> tuple[Any, ...]:
        return Storage, (self.type, self.value, self.strict, self.allow_downcast, self.name)


set_container_hook(Storage)
