"""From what users write (numbers, arrays, lists, variables) to tensor variables.

Python numbers have no dtype of their own. Alone they get one from `symc.dtypes`; as an operand
they get it from the other operands, so whoever has several operands calls `as_operands`.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from ..config import config
from ..dtypes import DTYPES, canonical, python_scalar_dtype, upcast
from ..errors import (
    AsTensorError,
    EmptyConstantError,
    LiteralOverflowError,
    NotScalarConstantError,
    user_message,
)
from ..graph.node import Apply, Constant, Variable
from ..graph.trace import user_line
from .type import TensorType, is_masked
from .variable import TensorConstant

__all__ = [
    "as_operands",
    "as_tensor",
    "as_tensor_variable",
    "constant",
    "is_number",
    "scalar_constant",
    "set_stack_hook",
]

_Stack = Callable[[Sequence[Any]], Any]


def _no_stack(parts: Sequence[Any]) -> Any:
    raise AsTensorError("a list of variables needs symc.ops: import symc, not only symc.array")


_stack: _Stack = _no_stack


def set_stack_hook(stack: _Stack) -> None:
    """Register what joins a list of variables and numbers along a new first axis."""
    global _stack
    _stack = stack


# ---------------------------------------------------------------------------------------------
# Constants
# ---------------------------------------------------------------------------------------------

_CACHE_SIZE = 1024
_cache: OrderedDict[tuple[Any, ...], TensorConstant] = OrderedDict()


def is_number(x: Any) -> bool:
    """Tell whether `x` is a Python number, which takes its dtype from the other operands.

    NumPy scalars have a dtype and are not numbers in this sense.
    """
    return isinstance(x, (bool, int, float, complex)) and not isinstance(x, np.generic)


def constant(
    x: Any, name: str | None = None, ndim: int | None = None, dtype: Any = None
) -> TensorConstant:
    """Make a constant.

    Parameters
    ----------
    x : array_like
        Numbers get the dtype that `symc.dtypes` says, NumPy values keep theirs; lists of Python
        floats and empty lists become floatX, lists of integers int64 (``custom`` policy: as
        Theano, lists are NumPy's business).
    name : str, optional
    ndim : int, optional
        The rank wanted; leading axes of length 1 are added.
    dtype : str, optional
        The dtype wanted.

    Returns
    -------
    TensorConstant
        Axes of length 1 are broadcastable. Unnamed 0-d constants are made once: equal calls give
        the same object.

    Raises
    ------
    AsTensorError
        If `x` is symbolic or not an array of numbers, or has more than `ndim` axes.
    """
    if isinstance(x, Variable):
        raise AsTensorError(f"a constant is made from numbers, got the variable {x}")
    array = _numeric_array(x, dtype)
    if ndim is not None:
        if array.ndim > ndim:
            raise AsTensorError(
                user_message(
                    "this array has too many axes",
                    got=f"shape {array.shape}",
                    expected=f"at most {ndim} axes",
                )
            )
        array = array.reshape((1,) * (ndim - array.ndim) + array.shape)
    if array.ndim or name is not None:
        pattern = tuple(n == 1 for n in array.shape)
        return TensorConstant(TensorType(array.dtype.name, pattern), array, name)
    return _cached_scalar(array, array.dtype.name)


def _cached_scalar(array: Any, dtype: str) -> TensorConstant:
    key = (dtype, array.tobytes())
    found = _cache.get(key)
    if found is None:
        found = _cache[key] = TensorConstant(TensorType(dtype, ()), array)
        if len(_cache) > _CACHE_SIZE:
            _cache.popitem(last=False)
    return found


def _numeric_array(x: Any, dtype: Any) -> Any:
    if is_number(x) and dtype is None:
        return np.asarray(x, dtype=python_scalar_dtype(x))
    if is_masked(x):
        raise AsTensorError(_not_numeric(x, "the mask would be lost; fill it: x.filled(value)"))
    try:
        array = np.asarray(x)
    except (TypeError, ValueError) as error:
        raise AsTensorError(_not_numeric(x, str(error))) from error
    if array.dtype.kind not in "biufc" or array.dtype.name not in DTYPES:
        raise AsTensorError(_not_numeric(x, f"NumPy makes an array of dtype {array.dtype} of it"))
    if dtype is not None:
        return array.astype(canonical(dtype))
    if not isinstance(x, (np.ndarray, np.generic)) and not hasattr(x, "dtype"):
        return _list_dtype(array, x)
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _list_dtype(array: Any, x: Any) -> Any:
    """Give an array made of Python numbers the dtype that the numbers alone would have."""
    if array.size == 0:
        return array.astype(config.floatX)
    if config.cast_policy == "custom" or any(isinstance(v, np.generic) for v in _flat(x)):
        return array
    if array.dtype.name in ("float64", "complex128"):
        return array.astype(python_scalar_dtype(array.reshape(-1)[0].item()))
    return array


def _flat(x: Any) -> Iterable[Any]:
    """The leaves of nested lists and tuples; arrays count as their first element."""
    pending = [x]
    while pending:
        item = pending.pop()
        if isinstance(item, (list, tuple)):
            pending.extend(item)
        elif isinstance(item, np.ndarray):
            yield item.dtype.type()
        else:
            yield item


def _not_numeric(x: Any, why: str) -> str:
    return user_message(
        f"this can't be turned into a tensor: {why}",
        got=f"{type(x).__name__}: {x!r}"[:200],
        expected="a number, an array of numbers, or a tensor variable",
    )


# ---------------------------------------------------------------------------------------------
# Anything
# ---------------------------------------------------------------------------------------------


def as_tensor_variable(x: Any, name: str | None = None, ndim: int | None = None) -> Any:
    """Return `x` as a tensor variable.

    Parameters
    ----------
    x : variable, Apply, number, array_like, or nested list of these
        An Apply stands for its default output; a list with variables in it is stacked. An object
        with a method ``_as_TensorVariable()`` is asked.
    name : str, optional
        Name of a new constant.
    ndim : int, optional
        The rank wanted: leading axes of length 1 are added, or removed where broadcastable.

    Raises
    ------
    AsTensorError
        If that can't be done.
    """
    convert = getattr(x, "_as_TensorVariable", None)
    if convert is not None:
        return convert()
    if isinstance(x, Apply):
        x = _default_output(x)
    if isinstance(x, Variable):
        return _with_ndim(_checked_type(x), ndim)
    if isinstance(x, (list, tuple)) and any(isinstance(v, (Variable, Apply)) for v in _flat(x)):
        return _with_ndim(_stack(x), ndim)
    return constant(x, name=name, ndim=ndim)


as_tensor = as_tensor_variable


def _default_output(node: Apply) -> Any:
    try:
        return node.default_output()
    except ValueError as error:
        raise AsTensorError(str(error)) from error


def _checked_type(x: Variable) -> Any:
    if not isinstance(x.type, TensorType):
        raise AsTensorError(
            user_message(
                "this variable is not a tensor",
                got=f"{x} of type {x.type}",
                expected="a variable of a TensorType",
                where=user_line(x) or None,
            )
        )
    return x


def _with_ndim(x: Any, ndim: int | None) -> Any:
    if ndim is None or x.type.ndim == ndim:
        return x
    extra = x.type.ndim - ndim
    if extra < 0:
        return x.dimshuffle(*["x"] * -extra, *range(x.type.ndim))
    if not all(x.type.broadcastable[:extra]):
        raise AsTensorError(
            user_message(
                f"{x} has too many axes",
                got=f"{x.type}",
                expected=f"{ndim} axes, or {extra} leading axes that are broadcastable",
                where=user_line(x) or None,
            )
        )
    return x.dimshuffle(*range(extra, x.type.ndim))


# ---------------------------------------------------------------------------------------------
# Several operands
# ---------------------------------------------------------------------------------------------


def as_operands(
    args: Sequence[Any], values: Sequence[bool] | None = None, *, comparison: bool = False
) -> list[Any]:
    """Convert the operands of an elementwise op; Python numbers adapt to the others.

    Parameters
    ----------
    args : sequence
        What `as_tensor_variable` takes.
    values : sequence of bool, optional
        For each operand, whether its dtype counts for the numbers; by default all count. (The
        condition of ``switch`` does not.)
    comparison : bool
        Whether integers that do not fit the others' dtype keep a dtype of their own: the answer
        of ``x < 300`` is known for 8-bit integers too.

    Returns
    -------
    list of variables

    Raises
    ------
    AsTensorError
        If an operand can't be converted.
    LiteralOverflowError
        Under the ``weak`` policy, if an integer does not fit the dtype of the other operands and
        this is no comparison.
    """
    numbers = [is_number(a) for a in args]
    variables = [None if n else as_tensor_variable(a) for a, n in zip(args, numbers, strict=True)]
    if not any(numbers):
        return variables
    counts = values or [True] * len(args)
    dtypes = [v.type.dtype for v, c in zip(variables, counts, strict=True) if v is not None and c]
    common = upcast(*dtypes) if dtypes else None
    if common is None and config.cast_policy != "custom":
        triples = zip(args, numbers, counts, strict=True)
        common = _common_of_numbers(a for a, number, counted in triples if number and counted)
    return [
        _number(a, common, comparison) if v is None else v
        for a, v in zip(args, variables, strict=True)
    ]


def _common_of_numbers(numbers: Iterable[Any]) -> str | None:
    """The dtype of several Python numbers without an array among them."""
    dtypes = [python_scalar_dtype(a) for a in numbers]
    return upcast(*dtypes) if dtypes else None


def _number(value: Any, with_dtype: str | None, comparison: bool) -> TensorConstant:
    try:
        dtype = python_scalar_dtype(value, with_dtype)
    except LiteralOverflowError:
        if not comparison:
            raise
        dtype = python_scalar_dtype(value)
    return _cached_scalar(np.array(value, dtype), dtype)


# ---------------------------------------------------------------------------------------------
# And back
# ---------------------------------------------------------------------------------------------


def scalar_constant(x: Any) -> Any:
    """Return the value of a number or of a constant with one distinct value, as NumPy scalar.

    It looks at the variable itself only; `symc.tensor.get_scalar_constant_value` looks through
    ops.

    Raises
    ------
    NotScalarConstantError
        If it has no value that is known now, or several.
    EmptyConstantError
        If the constant has no element.
    """
    if isinstance(x, Constant) and isinstance(x.data, np.ndarray):
        if x.data.size == 0:
            raise EmptyConstantError(f"the constant {x} has no element")
        value = x.unique_value() if isinstance(x, TensorConstant) else None
        if value is None:
            raise NotScalarConstantError(f"the constant {x} has several values")
        return value
    if isinstance(x, (bool, int, float, complex, np.generic)):
        return np.asarray(x)[()]
    if isinstance(x, np.ndarray) and x.ndim == 0:
        return x[()]
    raise NotScalarConstantError(f"{x} is not a constant")
