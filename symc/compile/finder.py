"""Theano's view of a function's inputs: containers of default values, found by variable or name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from .inputs import In

__all__ = ["Finder", "InputContainer", "Values"]


class InputContainer:
    """Where one input of a function keeps its default value.

    Parameters
    ----------
    function : Function
    spec : In
        The input.

    Attributes
    ----------
    name : str or None
    type : Type
    """

    def __init__(self, function: Any, spec: In) -> None:
        self._function = function
        self._spec = spec
        self.name = spec.name
        self.type = spec.variable.type

    @property
    def value(self) -> Any:
        """The default value, or None; what is set is checked, and copied unless borrowed."""
        return self._function[self._spec.variable]

    @value.setter
    def value(self, value: Any) -> None:
        self._function[self._spec.variable] = value

    data = value

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, InputContainer):
            return NotImplemented
        return self._function is other._function and self._spec is other._spec

    def __hash__(self) -> int:
        return hash(id(self._spec))

    def __repr__(self) -> str:
        return f"<{self.name or 'unnamed'}: {self.value!r}>"


class Finder(Mapping[Any, InputContainer]):
    """The containers of a function's inputs, by position, by name and by variable.

    Parameters
    ----------
    function : Function

    Raises
    ------
    KeyError
        Of look-ups: where no single input is meant; the message lists the inputs.
    """

    def __init__(self, function: Any) -> None:
        self._function = function

    def __getitem__(self, key: Any) -> InputContainer:
        return InputContainer(self._function, self._function.input_spec(key))

    def __iter__(self) -> Iterator[Any]:
        return (spec.variable for spec in self._function.maker.specs)

    def __len__(self) -> int:
        return len(self._function.maker.specs)


class Values:
    """The default values of a function's inputs, read and set by item: ``f.value[x] = 3``."""

    def __init__(self, function: Any) -> None:
        self._function = function

    def __getitem__(self, key: Any) -> Any:
        return self._function[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        self._function[key] = value
