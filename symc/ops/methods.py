"""The one table that gives tensor variables their operators, attributes and methods.

`symc.array.variable.TensorOperators` is two floors below the ops that ``x + y`` and ``x.sum()``
build. Here, and nowhere else, it gets them: `METHODS` maps the name to what is put there, a
function whose first argument is the variable, or a property.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from ..array.convert import set_stack_hook
from ..array.lengths import known_lengths
from ..array.type import TensorType
from ..array.variable import TensorOperators
from ..errors import ShapeError, user_message
from ..graph.node import Variable
from . import (
    accumulate,
    advanced,
    alloc,
    argmax,
    constants,
    diagonal,
    dot,
    join,
    math,
    reduce,
    repeat,
    shape,
    sizes,
    sort,
    statistics,
)
from .dimshuffle import dimshuffle, transpose
from .elemwise import cast, elemwise_of
from .slice import basic_index, is_basic
from .slicetype import as_index_entry
from .vector import get_vector_length, make_vector

__all__ = ["METHODS", "divmod", "register_transfer", "transfer"]

# ---------------------------------------------------------------------------------------------
# Operators
# ---------------------------------------------------------------------------------------------

_COMPARISONS = frozenset({"lt", "le", "gt", "ge"})


def _apply(self: Any, op: Any, args: tuple[Any, ...]) -> Any:
    """Apply a scalar op to tensors: what Python's operators and scalar functions call."""
    for arg in args:
        if isinstance(arg, Variable) and not isinstance(arg.type, TensorType):
            return NotImplemented
    result = elemwise_of(op)(*args)
    if op.name in _COMPARISONS:
        result._is_nonzero = False
    return result


def divmod(x: Any, y: Any) -> tuple[Any, Any]:
    """Return ``(x // y, x % y)``."""
    return math.int_div(x, y), math.mod(x, y)


def _getitem(self: Any, index: Any) -> Any:
    """Return ``self[index]``: a view for basic indices, a gather for arrays and masks."""
    entries = tuple(map(as_index_entry, index if isinstance(index, tuple) else (index,)))
    if all(map(is_basic, entries)):
        return basic_index(self, entries)
    return advanced.advanced_index(self, entries)


def _iter(self: Any) -> Iterator[Any]:
    """Iterate along the first axis, where its length is known."""
    if not self.type.ndim:
        raise TypeError(f"iteration over a 0-d tensor: {self}")
    try:
        length = get_vector_length(self) if self.type.ndim == 1 else _first_length(self)
    except ShapeError as error:
        raise TypeError(
            user_message(
                f"can't iterate over {self}: its length is not known when the graph is built",
                got=str(self.type),
                hint="symc.scan and symc.map loop over symbolic lengths",
            )
        ) from error
    return (self[i] for i in range(length))


def _first_length(x: Any) -> int:
    known = known_lengths(x)[0]
    if known is None:
        raise ShapeError("the length is not known")
    return known


# ---------------------------------------------------------------------------------------------
# Methods whose arguments differ from the functions'
# ---------------------------------------------------------------------------------------------


def _transpose(self: Any, *axes: Any) -> Any:
    """Permute the axes, by default reverse them; axes may be given as one list."""
    if len(axes) == 1 and (axes[0] is None or isinstance(axes[0], (list, tuple))):
        return transpose(self, axes[0])
    return transpose(self, axes or None)


def _size(self: Any) -> Any:
    """Number of elements, a 0-d int64."""
    lengths = sizes.lengths(self)
    if len(lengths) < 2:
        return lengths[0] if lengths else math.as_tensor_variable(1)
    return math.mul(*lengths)


def _fill(self: Any, value: Any) -> Any:
    """Return a tensor of this shape filled with `value`."""
    return alloc.full_like(self, value)


def _copy(self: Any, name: str | None = None) -> Any:
    """Return a copy, which has no name unless one is given."""
    copied = math.tensor_copy(self)
    copied.name = name
    return copied


def _ravel(self: Any) -> Any:
    """Join all axes."""
    return shape.flatten(self)


def _compress(self: Any, condition: Any, axis: int | None = None) -> Any:
    """Return the slices along an axis where `condition` is true."""
    return repeat.compress(condition, self, axis)


_transfers: list[Callable[[Any, str], Any]] = []


def register_transfer(fn: Callable[[Any, str], Any]) -> None:
    """Register what brings variables to another device.

    Parameters
    ----------
    fn : callable
        ``fn(variable, target)`` returns a variable, or None if it does not know the target.
    """
    _transfers.append(fn)


def transfer(var: Any, target: str) -> Any:
    """Return `var` on the device `target`.

    Raises
    ------
    ValueError
        If nobody knows the target.
    """
    if target == "cpu":
        return var
    for fn in reversed(_transfers):
        moved = fn(var, target)
        if moved is not None:
            return moved
    raise ValueError(
        user_message(f"no device is called {target!r}", expected="cpu, or a registered target")
    )


def _stacked(parts: Sequence[Any]) -> Any:
    """Join a (nested) list of tensors and numbers along new first axes."""
    flat = [p for p in parts if not isinstance(p, (list, tuple))]
    scalars = [getattr(getattr(p, "type", None), "ndim", 0) == 0 for p in flat]
    if len(flat) == len(parts) and all(scalars):
        return make_vector(parts)
    return join.stacklists(parts)


set_stack_hook(_stacked)

# ---------------------------------------------------------------------------------------------
# The table
# ---------------------------------------------------------------------------------------------

_FUNCTIONS = (
    "arccos",
    "arccosh",
    "arcsin",
    "arcsinh",
    "arctan",
    "arctanh",
    "ceil",
    "cos",
    "cosh",
    "deg2rad",
    "exp",
    "exp2",
    "expm1",
    "floor",
    "log",
    "log10",
    "log1p",
    "log2",
    "rad2deg",
    "sin",
    "sinh",
    "sqrt",
    "tan",
    "tanh",
    "trunc",
)
"""Elementwise functions that are methods of the same name."""

METHODS: dict[str, Any] = {
    "sort": sort.sort,
    "argsort": sort.argsort,
    "searchsorted": sort.searchsorted,
    "cumsum": accumulate.cumsum,
    "cumprod": accumulate.cumprod,
    "repeat": repeat.repeat,
    "take": repeat.take,
    "choose": repeat.choose,
    "compress": _compress,
    "nonzero": advanced.nonzero,
    "nonzero_values": advanced.nonzero_values,
    # operators (arithmetic, comparisons and bits come from scalar.expr.Operators by _apply)
    "_apply": _apply,
    "__getitem__": _getitem,
    "__iter__": _iter,
    "__divmod__": divmod,
    "__rdivmod__": lambda self, other: divmod(other, self),
    "__ceil__": math.ceil,
    "__floor__": math.floor,
    "__trunc__": math.trunc,
    "__matmul__": dot.matmul,
    "__rmatmul__": lambda self, other: dot.matmul(other, self),
    "__dot__": dot.dot,
    "__rdot__": lambda self, other: dot.dot(other, self),
    # attributes
    "T": property(transpose),
    "shape": property(sizes.shape),
    "size": property(_size),
    "real": property(math.real),
    "imag": property(math.imag),
    # shape
    "transpose": _transpose,
    "reshape": shape.reshape,
    "dimshuffle": dimshuffle,
    "flatten": shape.flatten,
    "ravel": _ravel,
    "swapaxes": shape.swapaxes,
    "squeeze": shape.squeeze,
    "diagonal": diagonal.diagonal,
    "trace": diagonal.trace,
    "with_pattern": shape.patternbroadcast,
    # elements
    "astype": cast,
    "fill": _fill,
    "copy": _copy,
    "zeros_like": alloc.zeros_like,
    "ones_like": alloc.ones_like,
    "clip": lambda self, a_min, a_max: math.clip(self, a_min, a_max),
    "round": math.round,
    "conj": math.conj,
    "conjugate": math.conj,
    "get_scalar_constant_value": constants.get_scalar_constant_value,
    "transfer": transfer,
    # reductions
    "sum": reduce.sum,
    "prod": reduce.prod,
    "max": reduce.max,
    "min": reduce.min,
    "all": reduce.all,
    "any": reduce.any,
    "argmax": argmax.argmax,
    "argmin": argmax.argmin,
    "mean": statistics.mean,
    "var": statistics.var,
    "std": statistics.std,
    "ptp": statistics.ptp,
    "norm": statistics.norm,
    # products
    "dot": dot.dot,
    **{name: getattr(math, name) for name in _FUNCTIONS},
}
"""What every tensor variable has, by name."""


def _as_method(value: Any) -> Any:
    """Make an op, which is no function, bind the variable as its first argument."""
    if isinstance(value, property) or hasattr(value, "__get__"):
        return value
    op = value

    def method(self: Any, *args: Any) -> Any:
        return op(self, *args)

    method.__doc__ = op.__doc__
    return method


for _name, _method in METHODS.items():
    setattr(TensorOperators, _name, _as_method(_method))
