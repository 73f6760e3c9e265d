"""`Type`: which values a variable may take."""

from __future__ import annotations

import copy
import sys
from typing import Any

from symc.config import config
from symc.errors import user_message
from symc.graph.pickling import Node
from symc.graph.props import WithProps
from symc.graph.trace import creation_trace, user_line

__all__ = ["Type"]


class Type(WithProps):
    """What values a variable may take, and how to recognise, convert and compare them.

    A subclass has to define `filter`; types are immutable values, compared with ``==``, so a
    subclass with parameters needs ``__props__`` or its own ``__eq__`` and ``__hash__``.

    Attributes
    ----------
    Variable, Constant : type
        Classes of the variables and constants that this type makes; subclasses may set them.
    """

    # Set by `symc.graph.node`, which needs this module.
    Variable: Any
    Constant: Any

    def filter(self, data: Any, strict: bool = False, allow_downcast: bool | None = None) -> Any:
        """Return `data`, converted if need be, as a value of this type.

        Parameters
        ----------
        data : object
            The candidate.
        strict : bool
            If True, `data` must already be a value of this type.
        allow_downcast : bool, optional
            Whether a conversion may lose precision; None allows it where Theano does.

        Raises
        ------
        TypeError
            If `data` can't be a value of this type.
        """
        raise NotImplementedError(f"{type(self).__name__} does not define filter")

    def filter_output(self, value: Any) -> Any:
        """Return what an op's ``perform`` stored as a value of this type.

        The default is strict; a type overrides it to accept forms that are equivalent, as NumPy
        scalars are for 0-d arrays.

        Raises
        ------
        TypeError
            If the value is not of this type.
        """
        return self.filter(value, strict=True)

    def copy_value(self, value: Any) -> Any:
        """Return a copy of `value` that shares no memory with it."""
        return copy.copy(value)

    def filter_variable(self, other: Any, allow_convert: bool = True) -> Any:
        """Return `other`, a variable or a value, as a variable of this type.

        Parameters
        ----------
        other : object
            A variable of this type, one that `convert_variable` knows, or a plain value.
        allow_convert : bool
            Whether `convert_variable` may be tried.

        Raises
        ------
        TypeError
            If the types do not fit.
        """
        if not isinstance(other, Node):
            return self.make_constant(self.filter(other))
        variable: Any = other
        if variable.type == self:
            return variable
        converted = self.convert_variable(variable) if allow_convert else None
        if converted is None:
            raise TypeError(
                user_message(
                    f"cannot turn {other} into a variable of type {self}",
                    got=f"{other} of type {variable.type}",
                    expected=f"type {self}",
                    where=user_line(other) or None,
                )
            )
        return converted

    def convert_variable(self, var: Any) -> Any:
        """Return `var` as a variable of this type without loss, or None if that can't be."""
        return var if var.type == self else None

    def is_valid_value(self, data: Any, strict: bool = True) -> bool:
        """Tell whether `data` is a value of this type."""
        try:
            self.filter(data, strict=strict)
        except (TypeError, ValueError):
            return False
        return True

    def value_validity_msg(self, data: Any) -> str:
        """Return why `data` is not a value of this type, or ``'value is valid'``."""
        try:
            self.filter(data, strict=True)
        except (TypeError, ValueError) as error:
            return str(error)
        return "value is valid"

    def make_variable(self, name: str | None = None) -> Any:
        """Return a new variable of this type."""
        return self.Variable(self, name=name)

    def make_constant(self, value: Any, name: str | None = None) -> Any:
        """Return a constant of this type that holds `value`."""
        return self.Constant(self, value, name=name)

    def __call__(self, name: str | None = None) -> Any:
        """Return a new variable of this type, with a trace of the calling line."""
        variable = self.make_variable(name)
        limit = config.traceback.limit
        if limit > 0:
            variable.tag.trace = creation_trace(limit)
        return variable

    def values_eq(self, a: Any, b: Any) -> bool:
        """Tell whether two values of this type are equal."""
        return bool(a == b)

    def values_eq_approx(self, a: Any, b: Any) -> bool:
        """Tell whether two values of this type are equal up to rounding."""
        return self.values_eq(a, b)

    def may_share_memory(self, a: Any, b: Any) -> bool:
        """Tell whether writing into value `a` could change value `b`."""
        return a is b

    def get_shape_info(self, obj: Any) -> Any:
        """Return what `get_size` needs to know about the value `obj`."""
        return obj

    def get_size(self, shape_info: Any) -> int:
        """Return the number of bytes of a value described by `get_shape_info`."""
        return sys.getsizeof(shape_info)

    def __copy__(self) -> Type:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Type:
        return self
