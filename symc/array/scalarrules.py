"""Rules for the result types of users' scalar ops, by Theano's names.

A rule is a function from the `Scalar` types of the operands to a tuple of those of the results.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ..dtypes import DTYPES, canonical, float_dtype_of, is_complex, is_float, real_dtype_of, upcast
from ..errors import DTypeError, user_message
from .scalartype import Scalar, get_scalar_type

Types = tuple[Scalar, ...]

__all__ = [
    "complex_out",
    "float_out",
    "int_out",
    "real_out",
    "same_out",
    "same_out_float_only",
    "same_out_min8",
    "same_out_nocomplex",
    "specific_out",
    "transfer_type",
    "unary_out_lookup",
    "upcast_out",
    "upcast_out_min8",
    "upcast_out_no_complex",
    "upcast_out_nobool",
    "upgrade_to_float",
    "upgrade_to_float64",
    "upgrade_to_float_no_complex",
]


def _one(dtype: str) -> Types:
    return (get_scalar_type(dtype),)


def _common(types: tuple[Any, ...]) -> str:
    return upcast(*(t.dtype for t in types))


def _refuse_complex(types: tuple[Any, ...]) -> None:
    if any(is_complex(t.dtype) for t in types):
        raise _refusal(types, "real numbers")


def _refusal(types: tuple[Any, ...], expected: str) -> DTypeError:
    got = ", ".join(str(t.dtype) for t in types)
    return DTypeError(user_message("the operands have the wrong type", got=got, expected=expected))


def upcast_out(*types: Scalar) -> Types:
    """The common type of the operands."""
    return _one(_common(types))


def upcast_out_nobool(*types: Scalar) -> Types:
    """The common type of the operands, which may not be bool."""
    if _common(types) == "bool":
        raise _refusal(types, "numbers; bools can be combined with &, | and ^")
    return upcast_out(*types)


def upcast_out_min8(*types: Scalar) -> Types:
    """The common type of the operands, int8 for bools."""
    dtype = _common(types)
    return _one("int8" if dtype == "bool" else dtype)


def upcast_out_no_complex(*types: Scalar) -> Types:
    """The common type of the operands, which may not be complex."""
    _refuse_complex(types)
    return upcast_out(*types)


def upgrade_to_float(*types: Scalar) -> Types:
    """The common type of the operands after integers have become floats."""
    return _one(float_dtype_of(*(t.dtype for t in types)))


def upgrade_to_float_no_complex(*types: Scalar) -> Types:
    """Like `upgrade_to_float`; complex operands are refused."""
    _refuse_complex(types)
    return upgrade_to_float(*types)


def upgrade_to_float64(*types: Scalar) -> Types:
    """Double precision, real or complex."""
    return _one("complex128" if is_complex(_common(types)) else "float64")


def same_out(type: Scalar) -> Types:
    """The type of the operand."""
    return (type,)


def same_out_nocomplex(type: Scalar) -> Types:
    """The type of the operand, which may not be complex."""
    _refuse_complex((type,))
    return (type,)


def same_out_float_only(type: Scalar) -> Types:
    """The type of the operand, which must be a float type."""
    if not is_float(type.dtype):
        raise _refusal((type,), "a float type")
    return (type,)


def same_out_min8(type: Scalar) -> Types:
    """The type of the operand, int8 for a bool."""
    return _one("int8" if type.dtype == "bool" else type.dtype)


def int_out(*types: Scalar) -> Types:
    """int64."""
    return _one("int64")


def float_out(*types: Scalar) -> Types:
    """float64."""
    return _one("float64")


def complex_out(*types: Scalar) -> Types:
    """complex64."""
    return _one("complex64")


def real_out(type: Scalar) -> Types:
    """The type of the operand's real part."""
    return _one(real_dtype_of(type.dtype))


class transfer_type:  # noqa: N801 - Theano's name
    """Results of the types of some operands.

    Parameters
    ----------
    *transfer : int or None
        Per result the number of the operand, or None for the common type of all.
    """

    __props__ = ("transfer",)

    def __init__(self, *transfer: int | None) -> None:
        self.transfer = transfer

    def __call__(self, *types: Scalar) -> Types:
        common = get_scalar_type(_common(types))
        return tuple(common if i is None else types[i] for i in self.transfer)


class specific_out:  # noqa: N801 - Theano's name
    """Results of given types, whatever the operands are.

    Parameters
    ----------
    *spec : Scalar
    """

    __props__ = ("spec",)

    def __init__(self, *spec: Scalar) -> None:
        self.spec = spec

    def __call__(self, *types: Scalar) -> Types:
        return self.spec


class unary_out_lookup:  # noqa: N801 - Theano's name
    """The type of the result by a table from the type of the operand.

    Parameters
    ----------
    table : mapping from Scalar to Scalar
    """

    __props__ = ("table",)

    def __init__(self, table: Mapping[Scalar, Scalar]) -> None:
        self.table = dict(table)

    def __call__(self, *types: Scalar) -> Types:
        if len(types) != 1 or types[0] not in self.table:
            raise _refusal(types, "one of " + ", ".join(t.dtype for t in self.table))
        return (self.table[types[0]],)


Rule = Callable[..., Types]


def types_of(names: str) -> Types:
    """The `Scalar` types of dtypes given by their kinds, as in ``"iu"`` for the integers."""
    return tuple(get_scalar_type(canonical(n)) for n, d in DTYPES.items() if d.kind in names)
