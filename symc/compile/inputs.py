"""What the user says about inputs and outputs: ``In``, ``Out`` and their short forms."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

from ..errors import ArgumentError, UpdateError, user_message
from ..graph.node import SharedVariable, Variable


class In:
    """An input of a function, with its options.

    Parameters
    ----------
    variable : Variable
    name : str, optional
        Keyword for calls; taken from the variable by default.
    value : object, optional
        Default. A container (of a shared variable) makes the input implicit state.
    update : Variable, optional
        After each call the default value becomes this expression's value.
    mutable : bool, optional
        The call may overwrite the argument: an array that fits as it is (dtype, C-contiguous,
        writeable, no memory shared with another argument or a shared variable) may become the
        memory of an output, and then holds that output's value afterwards. Anything else, and a
        default value, is copied first. Default: True if there is an update.
    strict : bool, optional
        Refuse values that would need a conversion.
    allow_downcast : bool or None, optional
        True: convert even where values change; None: only Python scalars to floatX.
    borrow : bool, optional
        The function may keep a reference on the default value instead of a copy.
    implicit : bool, optional
        The value can't be given in a call.
    """

    def __init__(
        self,
        variable: Variable,
        name: str | None = None,
        value: Any = None,
        update: Variable | None = None,
        mutable: bool | None = None,
        strict: bool = False,
        allow_downcast: bool | None = None,
        autoname: bool = True,
        implicit: bool | None = None,
        borrow: bool | None = None,
        shared: bool = False,
    ) -> None:
        if not isinstance(variable, Variable):
            raise TypeError(
                user_message(
                    "an input of a function must be a symbolic variable",
                    got=f"{type(variable).__name__}: {variable!r}",
                    hint="pass the variable itself, or In(variable, value=...) for a default",
                )
            )
        if implicit is None:
            implicit = isinstance(value, SharedVariable)
        self.variable = variable
        self.name = variable.name if name is None and autoname else name
        if self.name is not None and not isinstance(self.name, str):
            raise TypeError(f"the name of an input must be a string, not {self.name!r}")
        self.value = value
        self.update = update
        if update is not None:
            self.update = variable.type.filter_variable(update)
        if mutable is False and update is not None:
            raise ArgumentError(f"input {variable}: an input with an update is always mutable")
        self.mutable = bool(mutable) or update is not None
        self.strict = strict
        self.allow_downcast = allow_downcast
        self.borrow = self.mutable if borrow is None else borrow
        if self.mutable and borrow is False:
            raise ArgumentError(f"input {variable}: mutable=True needs borrow=True")
        self.implicit = implicit
        self.shared = shared

    @property
    def tied(self) -> bool:
        """Whether the value is that of a shared variable, which other functions see, too."""
        return bool(self.implicit) and isinstance(self.value, SharedVariable)

    def __repr__(self) -> str:
        return f"In({self.variable})"


SymbolicInput = In


class Out:
    """An output of a function.

    Parameters
    ----------
    variable : Variable
    borrow : bool, optional
        Accepted for Theano's sake, and without effect: every result has memory of its own, which
        the program writes directly. Only a result that is an argument, a shared variable or the
        new value of one as it stands is copied, so that the caller may keep and change it.
    """

    def __init__(self, variable: Variable, borrow: bool = False) -> None:
        self.variable = variable
        self.borrow = borrow

    def __repr__(self) -> str:
        return f"Out({self.variable})"


SymbolicOutput = Out


def as_input(spec: Any, allow_downcast: bool | None = None) -> In:
    """An `In` from an `In`, a variable, or one of the tuple short forms.

    ``(name, r)``, ``(r, value)``, ``((r, update), value)``, ``(name, r, value)`` and
    ``(name, (r, update), value)`` are understood, as in Theano.
    """
    if isinstance(spec, In):
        if spec.allow_downcast is None and allow_downcast is not None:
            return changed_input(spec, allow_downcast=allow_downcast)
        return spec
    if isinstance(spec, Variable):
        return In(spec, allow_downcast=allow_downcast)
    if isinstance(spec, (list, tuple)) and 1 <= len(spec) <= 3:
        return _from_tuple(list(spec), allow_downcast)
    raise TypeError(
        user_message(
            "an input of a function must be a symbolic variable or In(variable, ...)",
            got=f"{type(spec).__name__}: {spec!r}",
            hint="data is passed when the function is called, not when it is compiled",
        )
    )


def changed_input(spec: In, **options: Any) -> In:
    """A copy of `spec` with other values for some of its options."""
    made = copy.copy(spec)
    for name, value in options.items():
        setattr(made, name, value)
    return made


def _from_tuple(parts: list[Any], allow_downcast: bool | None) -> In:
    name = parts.pop(0) if isinstance(parts[0], str) else None
    if not parts:
        raise TypeError(f"the input short form {name!r} names no variable")
    variable, update = parts.pop(0), None
    if isinstance(variable, (list, tuple)):
        if len(variable) != 2:
            raise UpdateError(f"expected (variable, update), got {variable!r}")
        variable, update = variable
    if len(parts) > 1:
        raise TypeError(f"too many items in the input short form of {variable}")
    value = parts[0] if parts else None
    return In(variable, name=name, value=value, update=update, allow_downcast=allow_downcast)


def as_output(spec: Any) -> Out:
    """An `Out` from an `Out` or a variable.

    Raises
    ------
    TypeError
        If it is neither; constants must be made symbolic first.
    """
    if isinstance(spec, Out):
        return spec
    if isinstance(spec, Variable):
        return Out(spec)
    raise TypeError(
        user_message(
            "an output of a function must be a symbolic variable or Out(variable, borrow)",
            got=f"{type(spec).__name__}: {spec!r}",
            hint="wrap numbers and arrays with symc.tensor.constant",
        )
    )


def flat_outputs(outputs: Any) -> tuple[list[Out], Any]:
    """Outputs in a row, and how a call returns them.

    Returns
    -------
    list of Out
    str or list of str
        ``"none"``, ``"single"``, ``"list"``, or the keys of a dict, sorted.

    Raises
    ------
    AssertionError
        If a key is not a string.
    """
    if outputs is None:
        return [], "none"
    if isinstance(outputs, Mapping):
        for key in outputs:
            if not isinstance(key, str):
                raise AssertionError(
                    user_message("keys of an output dict must be strings", got=repr(key))
                )
        keys = sorted(outputs)
        return [as_output(outputs[k]) for k in keys], keys
    if isinstance(outputs, (list, tuple)):
        return [as_output(o) for o in outputs], "list"
    return [as_output(outputs)], "single"
