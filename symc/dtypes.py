"""The dtypes of symc and the rules by which they combine.

Dtypes are named by strings (``"float32"``), as in Theano. This module holds what is known about
each (`DType`), and the promotion rules of both values of ``config.cast_policy``.

**weak** (the default). Arrays combine by NumPy's promotion with one change: an integer widens a
float no further than ``floatX``. Python numbers take the dtype of the other operand.

=========================================  ==================================================
both integer or bool                       NumPy's; uint64 with a signed integer: floatX
both inexact                               NumPy's
integer or bool with float or complex      NumPy's, where it is no wider than the inexact
                                           operand or floatX; else the wider of these two
Python bool                                bool
Python int with an integer                 that dtype; LiteralOverflowError if it does not fit
Python int alone or with bool              int64 (uint64 from 2**63)
Python int or float with float, complex    that precision
Python float alone or with integer, bool   floatX
Python complex                             complex, in the precision a float would get
integer / integer, exp(integer)            floatX
mean                                       integer or bool: floatX; else unchanged
var, std                                   as mean; of complex numbers: the real dtype
sum, prod                                  bool and integers: int64 or uint64; else unchanged
cumsum, cumprod                            as sum
=========================================  ==================================================

**custom** is Theano 1.0.5's. A Python number becomes an array of the smallest dtype that holds its
value, and then arrays combine by NumPy's promotion.

=========================================  ==================================================
any two                                    NumPy's: float32 with int32 is float64
Python bool                                bool
Python int                                 the first of int8, int16, int32, int64 that holds it
Python float                               under floatX=float64: float32 if that is exact, else
                                           float64; under a smaller floatX: floatX
Python complex                             complex128
integer / integer                          floatX
exp(integer)                               8 and 16 bits, bool: float32; 32 and 64 bits: float64
mean                                       integer or bool: float64; else unchanged
var, std                                   as mean; with ddof other than 0, float16 and float32
                                           become float64, complex64 becomes complex128
sum, prod                                  bool and integers: int64 or uint64; else unchanged
cumsum, cumprod                            unchanged
=========================================  ==================================================

Under both policies NumPy scalars and arrays keep their dtype, and sums are accumulated in a wider
dtype than that of their result: float16 in float32, float32 in float64, complex64 in complex128.
"""

from __future__ import annotations

import functools
from dataclasses import dataclass
from typing import Any

import numpy as np

from symc.config import config
from symc.errors import DTypeError, LiteralOverflowError, user_message

__all__ = [
    "BOOL",
    "COMPLEX_DTYPES",
    "CONTINUOUS_DTYPES",
    "DISCRETE_DTYPES",
    "DTYPES",
    "FLOAT_DTYPES",
    "INTEGER_DTYPES",
    "SIGNED_DTYPES",
    "UNSIGNED_DTYPES",
    "DType",
    "acc_dtype",
    "can_cast_safely",
    "canonical",
    "complex_dtype_of",
    "cumulative_dtype",
    "float_dtype_of",
    "is_complex",
    "is_continuous",
    "is_discrete",
    "is_float",
    "is_int",
    "is_signed",
    "is_unsigned",
    "mean_dtype",
    "python_scalar_dtype",
    "real_dtype_of",
    "smallest_int_dtype",
    "sum_dtype",
    "true_div_dtype",
    "upcast",
    "var_dtype",
]


@dataclass(frozen=True, slots=True)
class DType:
    """What is known about one dtype.

    Attributes
    ----------
    name : str
        NumPy's name.
    kind : str
        ``b`` bool, ``i`` signed, ``u`` unsigned, ``f`` float, ``c`` complex.
    itemsize : int
        Bytes of one element.
    numpy : numpy.dtype
        The native NumPy dtype.
    storage : str
        The C type of one element in memory. Bool is a byte that holds 0 or 1.
    compute : str
        Name of the dtype in which C computes: float32 for float16, else the dtype itself.
    prefix : str
        The letter of Theano's constructors (``f`` in ``fvector``), or nothing.
    """

    name: str
    kind: str
    itemsize: int
    numpy: np.dtype[Any]
    storage: str
    compute: str
    prefix: str

    @property
    def compute_c(self) -> str:
        """The C type in which values of this dtype are computed."""
        return DTYPES[self.compute].storage

    @property
    def char(self) -> str:
        """NumPy's one-letter code."""
        return self.numpy.char


def _record(name: str, storage: str, prefix: str = "", compute: str = "") -> DType:
    numpy = np.dtype(name)
    return DType(name, numpy.kind, numpy.itemsize, numpy, storage, compute or name, prefix)


DTYPES: dict[str, DType] = {
    record.name: record
    for record in (
        _record("bool", "uint8_t"),
        _record("int8", "int8_t", "b"),
        _record("int16", "int16_t", "w"),
        _record("int32", "int32_t", "i"),
        _record("int64", "int64_t", "l"),
        _record("uint8", "uint8_t"),
        _record("uint16", "uint16_t"),
        _record("uint32", "uint32_t"),
        _record("uint64", "uint64_t"),
        _record("float16", "_Float16", "", "float32"),
        _record("float32", "float", "f"),
        _record("float64", "double", "d"),
        _record("complex64", "float _Complex", "c"),
        _record("complex128", "double _Complex", "z"),
    )
}

BOOL = "bool"
SIGNED_DTYPES = tuple(d.name for d in DTYPES.values() if d.kind == "i")
UNSIGNED_DTYPES = tuple(d.name for d in DTYPES.values() if d.kind == "u")
INTEGER_DTYPES = SIGNED_DTYPES + UNSIGNED_DTYPES
DISCRETE_DTYPES = (BOOL, *INTEGER_DTYPES)
FLOAT_DTYPES = tuple(d.name for d in DTYPES.values() if d.kind == "f")
COMPLEX_DTYPES = tuple(d.name for d in DTYPES.values() if d.kind == "c")
CONTINUOUS_DTYPES = FLOAT_DTYPES + COMPLEX_DTYPES

_REAL_OF_COMPLEX = {"complex64": "float32", "complex128": "float64"}
_COMPLEX_OF_REAL = {"float16": "complex64", "float32": "complex64", "float64": "complex128"}


# ---------------------------------------------------------------------------------------------
# Names and kinds
# ---------------------------------------------------------------------------------------------


def canonical(dtype: object) -> str:
    """Return the name of a dtype given as a name, a NumPy dtype or a Python or NumPy type.

    Parameters
    ----------
    dtype : object
        Anything `numpy.dtype` accepts, or ``"floatX"``. Byte order is ignored.

    Raises
    ------
    DTypeError
        If it is not one of symc's dtypes.
    """
    if isinstance(dtype, str):
        if dtype in DTYPES:
            return dtype
        if dtype == "floatX":
            return config.floatX
    try:
        name = np.dtype(dtype).newbyteorder("=").name  # type: ignore[call-overload]
    except (TypeError, ValueError):
        name = ""
    if dtype is None or name not in DTYPES:
        raise DTypeError(
            user_message(
                "this is not a dtype that symc knows",
                got=repr(dtype),
                expected=", ".join(DTYPES) + " or floatX",
            )
        )
    return str(name)


def is_float(dtype: str) -> bool:
    """Return whether `dtype` is a real floating-point dtype."""
    return DTYPES[dtype].kind == "f"


def is_complex(dtype: str) -> bool:
    """Return whether `dtype` is complex."""
    return DTYPES[dtype].kind == "c"


def is_continuous(dtype: str) -> bool:
    """Return whether `dtype` is float or complex."""
    return DTYPES[dtype].kind in "fc"


def is_signed(dtype: str) -> bool:
    """Return whether `dtype` is a signed integer."""
    return DTYPES[dtype].kind == "i"


def is_unsigned(dtype: str) -> bool:
    """Return whether `dtype` is an unsigned integer; bool is not."""
    return DTYPES[dtype].kind == "u"


def is_int(dtype: str) -> bool:
    """Return whether `dtype` is an integer; bool is not."""
    return DTYPES[dtype].kind in "iu"


def is_discrete(dtype: str) -> bool:
    """Return whether `dtype` is an integer or bool."""
    return DTYPES[dtype].kind in "biu"


def can_cast_safely(from_dtype: str, to_dtype: str) -> bool:
    """Return whether every value of one dtype is a value of the other."""
    return bool(np.can_cast(DTYPES[from_dtype].numpy, DTYPES[to_dtype].numpy, "safe"))


def real_dtype_of(dtype: str) -> str:
    """Return the dtype of the real part: float32 for complex64; a real dtype is unchanged."""
    return _REAL_OF_COMPLEX.get(dtype, dtype)


def complex_dtype_of(dtype: str) -> str:
    """Return the complex dtype of the same precision as `dtype` (discrete: as floatX)."""
    if is_complex(dtype):
        return dtype
    return _COMPLEX_OF_REAL[dtype if is_float(dtype) else config.floatX]


# ---------------------------------------------------------------------------------------------
# Promotion
# ---------------------------------------------------------------------------------------------


def upcast(*dtypes: str, policy: str | None = None) -> str:
    """Return the dtype in which values of the given dtypes combine.

    Parameters
    ----------
    *dtypes : str
        At least one dtype.
    policy : {"weak", "custom"}, optional
        The promotion table; by default ``config.cast_policy``.

    Raises
    ------
    DTypeError
        If a name is unknown or none is given.
    """
    return _upcast(dtypes, policy or config.cast_policy, config.floatX)


@functools.lru_cache(maxsize=4096)
def _upcast(dtypes: tuple[str, ...], policy: str, floatX: str) -> str:
    if not dtypes:
        raise DTypeError("upcast needs at least one dtype")
    names = [canonical(dtype) for dtype in dtypes]
    result = _numpy_promotion(names)
    if policy == "custom" or not is_continuous(result):
        return result
    given = [name for name in names if is_continuous(name)]
    inexact = _numpy_promotion(given) if given else None
    if result == inexact:
        return result
    return _no_wider(result, inexact, floatX)


def _numpy_promotion(names: list[str]) -> str:
    return str(np.result_type(*(DTYPES[name].numpy for name in names)).name)


def _no_wider(result: str, inexact: str | None, floatX: str) -> str:
    """Return `result` in at most the precision of `inexact` and floatX, the wider of the two."""
    limit = max(DTYPES[real_dtype_of(inexact or floatX)].itemsize, DTYPES[floatX].itemsize)
    real = min(real_dtype_of(result), f"float{8 * limit}", key=lambda name: DTYPES[name].itemsize)
    return _COMPLEX_OF_REAL[real] if is_complex(result) else real


_FLOAT_HOLDING_DISCRETE = {
    "bool": "float32",
    "int8": "float32",
    "uint8": "float32",
    "int16": "float32",
    "uint16": "float32",
    "int32": "float64",
    "uint32": "float64",
    "int64": "float64",
    "uint64": "float64",
}


def float_dtype_of(*dtypes: str, policy: str | None = None) -> str:
    """Return the dtype of an inexact function, such as exp or arctan2, of the given dtypes."""
    policy = policy or config.cast_policy
    if policy == "custom":
        dtypes = tuple(_FLOAT_HOLDING_DISCRETE.get(dtype, dtype) for dtype in dtypes)
    elif all(is_discrete(dtype) for dtype in dtypes):
        return config.floatX
    return upcast(*dtypes, policy=policy)


def true_div_dtype(*dtypes: str, policy: str | None = None) -> str:
    """Return the dtype of a quotient: floatX for discrete operands, else their `upcast`."""
    if all(is_discrete(dtype) for dtype in dtypes):
        return config.floatX
    return upcast(*dtypes, policy=policy)


# ---------------------------------------------------------------------------------------------
# Python numbers
# ---------------------------------------------------------------------------------------------


def smallest_int_dtype(value: int) -> str:
    """Return the first of int8, int16, int32, int64, uint64 that holds `value`.

    Raises
    ------
    LiteralOverflowError
        If none does.
    """
    for name in (*SIGNED_DTYPES, "uint64"):
        if _holds(name, value):
            return name
    raise LiteralOverflowError(
        user_message(
            "a Python integer is too large for every integer dtype",
            got=str(value),
            expected="-2**63 to 2**64 - 1",
            hint="write it as a float",
        )
    )


def _holds(dtype: str, value: int) -> bool:
    info = np.iinfo(DTYPES[dtype].numpy)
    return bool(info.min <= value <= info.max)


def python_scalar_dtype(
    value: object, with_dtype: str | None = None, *, policy: str | None = None
) -> str:
    """Return the dtype that a number written in Python takes in an expression.

    Parameters
    ----------
    value : bool, int, float, complex, or NumPy scalar
        The number. A NumPy scalar keeps its dtype.
    with_dtype : str, optional
        The `upcast` of the other operands, where there are any; only ``weak`` looks at it.
    policy : {"weak", "custom"}, optional
        The promotion table; by default ``config.cast_policy``.

    Raises
    ------
    DTypeError
        If `value` is not a number.
    LiteralOverflowError
        If it is an integer that does not fit: under ``weak`` the other operand's dtype, under
        ``custom`` any.
    """
    if isinstance(value, (np.generic, np.ndarray)):
        return canonical(value.dtype)
    if isinstance(value, bool):
        return BOOL
    if not isinstance(value, (int, float, complex)):
        raise DTypeError(
            user_message("a number is expected", got=f"{value!r} of {type(value).__name__}")
        )
    if (policy or config.cast_policy) == "custom":
        return _custom_scalar_dtype(value)
    return _weak_scalar_dtype(value, with_dtype)


def _custom_scalar_dtype(value: complex) -> str:
    if isinstance(value, int):
        return smallest_int_dtype(value)
    if isinstance(value, float):
        if config.floatX != "float64":
            return config.floatX
        with np.errstate(over="ignore"):
            return "float32" if float(np.float32(value)) == value else "float64"
    return "complex128"


def _weak_scalar_dtype(value: complex, with_dtype: str | None) -> str:
    inexact = with_dtype is not None and is_continuous(with_dtype)
    if isinstance(value, int) and not inexact:
        if with_dtype is None or with_dtype == BOOL:
            return "int64" if _holds("int64", value) else smallest_int_dtype(value)
        if not _holds(with_dtype, value):
            raise LiteralOverflowError(_literal_overflow(value, with_dtype))
        return with_dtype
    real = real_dtype_of(with_dtype) if with_dtype is not None and inexact else config.floatX
    return _COMPLEX_OF_REAL[real] if isinstance(value, complex) else real


def _literal_overflow(value: int, dtype: str) -> str:
    info = np.iinfo(DTYPES[dtype].numpy)
    return user_message(
        f"the Python integer {value} does not fit {dtype}, the dtype of the other operand",
        got=str(value),
        expected=f"{info.min} to {info.max}",
        hint=f"cast the other operand, or write numpy.{smallest_int_dtype(value)}({value})",
    )


# ---------------------------------------------------------------------------------------------
# Reductions
# ---------------------------------------------------------------------------------------------

_WIDE_SUM = {
    **dict.fromkeys((BOOL, *SIGNED_DTYPES), "int64"),
    **dict.fromkeys(UNSIGNED_DTYPES, "uint64"),
}
_WIDE_ACCUMULATOR = {
    **_WIDE_SUM,
    "float16": "float32",
    "float32": "float64",
    "complex64": "complex128",
}
_WIDE_VAR = {"float16": "float64", "float32": "float64", "complex64": "complex128"}


def sum_dtype(dtype: str, requested: str | None = None, *, policy: str | None = None) -> str:
    """Return the dtype of a sum or product.

    Parameters
    ----------
    dtype : str
        The dtype of what is summed.
    requested : str, optional
        The dtype the user asked for.
    policy : {"weak", "custom"}, optional
        Under ``custom`` the requested dtype must hold the input's, unless it is continuous and
        the input discrete; under ``weak`` it must only not drop an imaginary part.

    Raises
    ------
    DTypeError
        If the requested dtype is not allowed.
    """
    if requested is None:
        return _WIDE_SUM.get(dtype, dtype)
    requested = canonical(requested)
    _check_requested(dtype, requested, "dtype", policy or config.cast_policy)
    return requested


def acc_dtype(
    dtype: str,
    requested: str | None = None,
    *,
    result: str | None = None,
    policy: str | None = None,
) -> str:
    """Return the dtype in which a sum or product of `dtype` is accumulated.

    Parameters
    ----------
    dtype : str
        The dtype of what is summed.
    requested : str, optional
        The accumulator's dtype the user asked for.
    result : str, optional
        The dtype of the result the user asked for; the accumulator is at least as wide.
    policy : {"weak", "custom"}, optional
        As for `sum_dtype`.

    Raises
    ------
    DTypeError
        If the requested dtype would lose precision.
    """
    policy = policy or config.cast_policy
    if requested is not None:
        requested = canonical(requested)
        _check_requested(dtype, requested, "acc_dtype", policy)
        return requested
    default = _WIDE_ACCUMULATOR.get(dtype, dtype)
    return default if result is None else np.promote_types(default, canonical(result)).name


def _check_requested(dtype: str, requested: str, role: str, policy: str) -> None:
    if policy == "custom":
        allowed = (is_continuous(requested) and is_discrete(dtype)) or (
            _upcast((dtype, requested), "custom", config.floatX) == requested
        )
    else:
        allowed = is_complex(requested) or not is_complex(dtype)
    if not allowed:
        raise DTypeError(
            user_message(
                f"a reduction of {dtype} can't have {role}={requested!r}: precision would be lost",
                expected=f"a dtype that holds {dtype}",
                hint=f"cast the input to {requested} first",
            )
        )


def mean_dtype(dtype: str, *, policy: str | None = None) -> str:
    """Return the dtype of a mean."""
    if not is_discrete(dtype):
        return dtype
    return "float64" if (policy or config.cast_policy) == "custom" else config.floatX


def var_dtype(dtype: str, ddof: int = 0, *, policy: str | None = None) -> str:
    """Return the dtype of a variance or standard deviation with `ddof` lost degrees of freedom."""
    policy = policy or config.cast_policy
    result = mean_dtype(dtype, policy=policy)
    if policy == "custom":
        return _WIDE_VAR.get(result, result) if ddof else result
    return real_dtype_of(result)


def cumulative_dtype(dtype: str, *, policy: str | None = None) -> str:
    """Return the dtype of a cumulative sum or product."""
    return dtype if (policy or config.cast_policy) == "custom" else sum_dtype(dtype)
