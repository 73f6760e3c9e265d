"""C text of scalar constants and of op templates.

A template is a C expression with placeholders. It only ever sees operands of one type.

========  ============================================================
``{0}``   text of operand 0; ``{1}``, ``{2}`` likewise
``{f}``   suffix of functions and literals: ``f`` in single precision
``{t}``   C type of the operands
``{T}``   short name of their dtype: ``i64``, ``u8``, ``f32``, ``b8``
========  ============================================================
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from symc.dtypes import DTYPES

HEADERS: dict[str, str] = {}
"""Texts of the headers that users' scalar ops need, by name; `publish_header` adds to them."""

Template = str | Callable[..., str]
Templates = Template | Mapping[str, Template]

SHORT_NAME = {
    name: f"{record.kind}{8 * record.itemsize}" if record.kind != "b" else "b8"
    for name, record in DTYPES.items()
}
"""Short names used in the names of C helpers: ``i64`` for int64."""


def pick(templates: Templates | None, dtype: str) -> Template | None:
    """The template for operands of `dtype`, if there is one.

    Parameters
    ----------
    templates : str, callable, mapping or None
        One template for all dtypes, or one per group of kinds (``{"iu": ..., "f": ...}``).
    dtype : str
        Type of the operands.
    """
    if not isinstance(templates, Mapping):
        return templates
    kind = DTYPES[dtype].kind
    return next((text for kinds, text in templates.items() if kind in kinds), None)


def fill(template: Template, dtype: str, operands: Sequence[str]) -> str:
    """Put operands into a template.

    Parameters
    ----------
    template : str or callable
        A callable is given the dtype and the operands and returns the text.
    dtype : str
        Type of the operands.
    operands : sequence of str
        Their texts; each must bind as tightly as a name (a name, a literal, or parentheses).
    """
    if callable(template):
        return template(dtype, *operands)
    record = DTYPES[dtype]
    suffix = "f" if dtype in ("float32", "complex64", "float16") else ""
    return template.format(*operands, f=suffix, t=record.compute_c, T=SHORT_NAME[dtype])


def publish_header(text: str) -> str:
    """Make a C text known as a header, which ops name in their ``needs``.

    Parameters
    ----------
    text : str
        Definitions; they are protected against being included twice.

    Returns
    -------
    str
        The header's name, a digest of the text.
    """
    guard = f"su_{hashlib.sha256(text.encode()).hexdigest()[:20]}"
    name = f"{guard}.h"
    HEADERS[name] = f"#ifndef {guard}\n#define {guard}\n{text}\n#endif\n"
    return name


def wrap_small(text: str, dtype: str) -> str:
    """Reduce an int expression to 8 or 16 bits, where C's integer promotion has widened it."""
    record = DTYPES[dtype]
    if record.kind in "iu" and record.itemsize < 4:
        return f"(({record.storage})({text}))"
    return text


def c_literal(value: Any, dtype: str) -> str:
    """C text of a number; exact, and safe as an operand of a template.

    Parameters
    ----------
    value : number
        Converted to `dtype` first.
    dtype : str
        Any dtype; float16 gives a float literal.

    Returns
    -------
    str
        Hexadecimal for floats; ``INFINITY``, ``NAN`` (``<math.h>``) where needed.
    """
    record = DTYPES[dtype]
    number = record.numpy.type(value)
    if record.kind == "c":
        part = "float32" if dtype == "complex64" else "float64"
        real, imag = c_literal(number.real, part), c_literal(number.imag, part)
        return f"{'CMPLXF' if dtype == 'complex64' else 'CMPLX'}({real}, {imag})"
    if record.kind == "f":
        return _float_literal(float(number), "" if dtype == "float64" else "f")
    if record.kind == "b":
        return "1" if number else "0"
    return _integer_literal(int(number), record.storage, record.itemsize, record.kind == "u")


def _float_literal(value: float, suffix: str) -> str:
    sign = "-" if np.signbit(value) else ""
    if np.isnan(value):
        text = f"({'double' if not suffix else 'float'})NAN"
    elif np.isinf(value):
        text = f"({'double' if not suffix else 'float'})INFINITY"
    elif value == 0 or (abs(value) < 1e9 and float(value) == int(value)):
        text = f"{abs(value):.1f}{suffix}"
    else:
        text = f"{abs(value).hex()}{suffix}"
    return f"({sign}{text})" if sign or text.startswith("(") else text


def _integer_literal(value: int, ctype: str, itemsize: int, unsigned: bool) -> str:
    if unsigned:
        return f"(({ctype}){value}u)" if itemsize < 8 else f"((uint64_t){value}ull)"
    if itemsize < 8:
        if value == -(2**31):
            return "((int32_t)(-2147483647 - 1))"
        return f"(({ctype}){value})" if itemsize < 4 or value < 0 else str(value)
    if value == -(2**63):
        return "((int64_t)(-9223372036854775807ll - 1))"
    return f"((int64_t){value}ll)"
