"""Checks and messages at run time: `Assert`, `Raise`, `Print`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..array.convert import as_tensor_variable
from ..array.lengths import known_lengths, note_lengths
from ..dtypes import is_discrete
from ..errors import AssertFailedError, user_message
from ..graph.node import Apply, Constant
from ..graph.op import BuiltinOp
from ..graph.special import DisconnectedType, disconnected_type
from ..graph.trace import user_line
from ..loop.protocol import ViewSpec
from ..scalar.logic import neq
from .elemwise import cast
from .reduce import all as all_

__all__ = ["Assert", "Print", "Raise", "assert_", "assert_op"]

DEFAULT_MESSAGE = "a condition on a value does not hold"


class _Checked(BuiltinOp):
    """The first operand as it is."""

    view_map = {0: [0]}  # noqa: RUF012 - the contract's name and form

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        return [in_shapes[0]]

    def connection_pattern(self, node: Apply) -> list[list[bool]]:
        """Return that the result is connected to the first operand only."""
        return [[i == 0] for i in range(len(node.inputs))]

    def signed_by(self, node: Apply) -> list[Any]:
        """The result is non-negative where the operand is."""
        return [node.inputs[0]]

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        return [g_outputs[0], *(disconnected_type() for _ in inputs[1:])]

    def R_op(self, inputs: list[Any], eval_points: list[Any]) -> list[Any]:
        return [eval_points[0]]


def _like(op: Any, x: Any, operands: Sequence[Any]) -> Apply:
    out = x.type()
    note_lengths(out, known_lengths(x))
    return Apply(op, [x, *operands], [out])


class Assert(_Checked):
    """The first operand, after checking that the others, 0-d bools or integers, are true.

    Where the result is not needed nothing is checked.

    Parameters
    ----------
    msg : str

    Raises
    ------
    AssertFailedError (an AssertionError)
        When run, before anything is stored, if a condition is false.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dvector("x")
    >>> positive = T.Assert("lengths must be positive")(x, x.min() > 0)
    >>> symc.function([x], T.log(positive))([1.0])
    array([0.])
    """

    __props__ = ("msg",)

    def __init__(self, msg: str = DEFAULT_MESSAGE) -> None:
        if not isinstance(msg, str):
            raise TypeError(f"the message of an Assert must be a string, got {msg!r}")
        self.msg = msg

    def make_node(self, x: Any, *conditions: Any) -> Apply:
        x = as_tensor_variable(x)
        operands = []
        for condition in conditions:
            condition = as_tensor_variable(condition)
            if condition.type.ndim or not is_discrete(condition.type.dtype):
                raise TypeError(
                    user_message(
                        "the condition of an Assert must be one truth value",
                        got=str(condition.type),
                        hint="reduce it: condition.all()",
                        where=user_line(condition) or user_line(x) or None,
                    )
                )
            if isinstance(condition, Constant) and not condition.data:
                raise AssertFailedError(
                    user_message(self.msg, got="a condition that is false when the graph is built")
                )
            operands.append(cast(condition, "int64"))
        return _like(self, x, operands)

    def numpy(self, *arrays: Any) -> Any:
        value, *conditions = arrays
        if not all(conditions):
            raise AssertFailedError(self.msg)
        return value

    def shape(self, node: Apply, in_shapes: Sequence[Any], ctx: Any) -> list[tuple[Any, ...]]:
        text = self.msg.replace("{", "{{").replace("}", "}}")
        for i in range(1, len(node.inputs)):
            ctx.check(neq(ctx.value(i), 0), "assert", text)
        return [in_shapes[0]]

    def view(self, node: Apply, ctx: Any) -> ViewSpec:
        ndim = node.inputs[0].type.ndim
        return ViewSpec(0, tuple((d, 1) for d in range(ndim)), (0,) * ndim)

    def define(self, node: Apply, idx: Sequence[Any], read: Any) -> Any:
        return read(0, tuple(idx))

    def __str__(self) -> str:
        return f"Assert{{msg={self.msg!r}}}"


assert_op = Assert()


def assert_(value: Any, *conditions: Any, msg: str = DEFAULT_MESSAGE) -> Any:
    """Return `value`, after checking that all elements of all conditions are true.

    Parameters
    ----------
    value : tensor_like
    *conditions : tensor_like
        Bools or integers of any rank.
    msg : str
        Text of the AssertionError.
    """
    reduced = [c if not c.type.ndim else all_(c) for c in map(as_tensor_variable, conditions)]
    return Assert(msg)(value, *reduced)


class Raise(_Checked):
    """The operand, never: running it is an error.

    Parameters
    ----------
    msg : str
    exc : type
        Class of the exception.
    """

    __props__ = ("msg", "exc")

    def __init__(self, msg: str = "", exc: type[Exception] = NotImplementedError) -> None:
        self.msg = msg
        self.exc = exc

    def make_node(self, x: Any) -> Apply:
        return _like(self, as_tensor_variable(x), ())

    def numpy(self, *arrays: Any) -> Any:
        raise self.exc(self.msg)

    def __str__(self) -> str:
        return f"Raise{{{self.exc.__name__}: {self.msg}}}"


def print_attributes(op: Print, value: np.ndarray[Any, Any]) -> None:
    """Print the message of `op` and the wanted attributes of a value."""
    for attribute in op.attrs:
        found = getattr(value, attribute)
        print(op.message, attribute, "=", found() if callable(found) else found)


class Print(_Checked):
    """The operand, printed whenever it is computed.

    Parameters
    ----------
    message : str
    attrs : sequence of str
        What to print: attributes of the array, or methods without arguments.
    global_fn : callable, optional
        Called with the op and the value instead of printing.

    Examples
    --------
    >>> import symc, symc.tensor as T
    >>> x = T.dscalar("x")
    >>> symc.function([x], Print("x")(x) * 2)(3.0)
    x __str__ = 3.0
    array(6.)
    """

    __props__ = ("message", "attrs", "global_fn")

    def __init__(
        self,
        message: str = "",
        attrs: Sequence[str] = ("__str__",),
        global_fn: Callable[[Any, Any], None] = print_attributes,
    ) -> None:
        self.message = message
        self.attrs = tuple(attrs)
        self.global_fn = global_fn

    def make_node(self, x: Any) -> Apply:
        return _like(self, as_tensor_variable(x), ())

    def numpy(self, *arrays: Any) -> Any:
        (value,) = arrays
        self.global_fn(self, value)
        return value

    def L_op(self, inputs: list[Any], outputs: list[Any], g_outputs: list[Any]) -> list[Any]:
        (g,) = g_outputs
        if isinstance(g.type, DisconnectedType):
            return [g]
        return [Print(f"{self.message} gradient", self.attrs, self.global_fn)(g)]

    def __str__(self) -> str:
        return f"Print{{{self.message!r}}}"
