"""Type rules of scalar ops: from the dtypes of the operands to those it works in.

A rule is a function of the operand dtypes that returns a pair: the dtype every operand is cast
to, and the dtype of the result. Rules speak of storage dtypes; that float16 is computed in
float32 is added by :class:`~symc.scalar.op.ScalarOp`.
"""

from __future__ import annotations

from collections.abc import Callable

from symc.dtypes import (
    complex_dtype_of,
    float_dtype_of,
    is_complex,
    is_discrete,
    real_dtype_of,
    true_div_dtype,
    upcast,
)
from symc.errors import DTypeError, user_message

Rule = Callable[[tuple[str, ...]], tuple[tuple[str, ...], str]]


def _uniform(common: Callable[..., str]) -> Rule:
    def rule(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
        dtype = common(*dtypes)
        return (dtype,) * len(dtypes), dtype

    return rule


def _predicate(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    return (upcast(*dtypes),) * len(dtypes), "bool"


def _same(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    return dtypes, dtypes[0]


def _last(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    return dtypes, dtypes[-1]


def _select(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    value = upcast(*dtypes[1:])
    return ("bool", value, value), value


def _bits(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    dtype = upcast(*dtypes)
    if not is_discrete(dtype):
        raise DTypeError(
            user_message(
                "bit operations need integer or bool operands",
                got=" and ".join(dtypes),
                hint="uint64 and a signed integer have no common integer dtype: cast one of them",
            )
        )
    return (dtype,) * len(dtypes), dtype


def _real(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    return dtypes, real_dtype_of(dtypes[0])


def _angle(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    dtype = float_dtype_of(*dtypes)
    return (dtype,), real_dtype_of(dtype)


def _to_complex(dtypes: tuple[str, ...]) -> tuple[tuple[str, ...], str]:
    if any(is_complex(dtype) for dtype in dtypes):
        raise DTypeError(
            user_message(
                "a complex number is made of two real numbers",
                got=" and ".join(dtypes),
                hint="take real(x) or imag(x) first",
            )
        )
    result = complex_dtype_of(float_dtype_of(*dtypes))
    return (real_dtype_of(result),) * len(dtypes), result


RULES: dict[str, Rule] = {
    "upcast": _uniform(upcast),
    "float": _uniform(float_dtype_of),
    "quotient": _uniform(true_div_dtype),
    "bool": _predicate,
    "same": _same,
    "last": _last,
    "select": _select,
    "bits": _bits,
    "real": _real,
    "angle": _angle,
    "complex": _to_complex,
}
"""
========== ===================================================================================
upcast     operands and result in the `upcast` of the operands
float      likewise, integers becoming floats (exp, arctan2)
quotient   likewise, integers becoming floatX (true division)
bool       operands upcast, result bool (comparisons)
same       nothing is cast; the result is as the first operand
last       nothing is cast; the result is as the last operand
select     a bool, then two operands that are upcast
bits       integers or bools, upcast
real       one operand, unchanged; the dtype of its real part
angle      one operand as for ``float``; the result real
complex    two real operands of one float dtype; the result complex
========== ===================================================================================
"""
