"""Types of values that are not numbers: any object, and the two kinds of missing gradients."""

from __future__ import annotations

from typing import Any

from symc.graph.node import Type

__all__ = [
    "DisconnectedType",
    "Generic",
    "NullType",
    "SingletonType",
    "disconnected_type",
    "generic",
    "null_type",
]


class SingletonType(Type):
    """A type without parameters: all its instances are equal."""

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))


class Generic(SingletonType):
    """Any Python object."""

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data` as it is."""
        return data

    def copy_value(self, value: Any) -> Any:
        """Return `value` itself: what a copy of an unknown object means is not known here."""
        return value

    def __str__(self) -> str:
        return type(self).__name__


generic = Generic()


class NullType(Type):
    """Type of a gradient that is not defined.

    Parameters
    ----------
    why_null : str
        Shown when the gradient is used after all.
    """

    __props__ = ("why_null",)

    def __init__(self, why_null: str = "(no explanation given)") -> None:
        self.why_null = why_null

    # All null types are equal, as in Theano: the explanation does not matter to a comparison.
    def __eq__(self, other: object) -> bool:
        return type(self) is type(other)

    def __hash__(self) -> int:
        return hash(type(self))

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Raise: a null type has no values."""
        raise ValueError(f"a null type has no values: {self.why_null}")

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """Raise: nothing becomes undefined by conversion."""
        raise ValueError(f"a null type has no values: {self.why_null}")

    def values_eq(self, a: Any, b: Any) -> bool:
        """Raise: a null type has no values."""
        raise ValueError("a null type has no values to compare")

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Return False."""
        return False

    def __str__(self) -> str:
        return f"NullType({self.why_null})"


null_type = NullType()


class DisconnectedType(SingletonType):
    """Type of the gradient of something that the cost does not depend on."""

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Raise: a disconnected gradient has no value."""
        raise TypeError(
            "a disconnected gradient has no value: the cost does not depend on the variable. "
            "If your op returns it on purpose, declare it in connection_pattern"
        )

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """Raise: nothing becomes disconnected by conversion."""
        raise TypeError("no variable can be converted to a disconnected gradient")

    def values_eq(self, a: Any, b: Any) -> bool:
        """Raise: a disconnected gradient has no value."""
        raise TypeError("a disconnected gradient has no value to compare")

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Return False."""
        return False

    def __str__(self) -> str:
        return "DisconnectedType"


disconnected_type = DisconnectedType()
