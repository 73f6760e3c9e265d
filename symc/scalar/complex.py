"""Complex numbers: parts, polar form, conjugate.

A gradient with respect to a complex operand holds the derivatives by its real and by its
imaginary part, as real and imaginary part of one complex number.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from symc.dtypes import is_complex

from .arith import sqr
from .math import cos, sin
from .op import BinaryScalarOp, ScalarOp, UnaryScalarOp, scalar_op


def _of_complex(x: Any, derivative: Any) -> tuple[Any]:
    """`derivative` where `x` is complex."""
    return (derivative() if is_complex(x.dtype) else None,)


real = scalar_op(
    "real",
    1,
    cls="Real",
    base=UnaryScalarOp,
    out="real",
    numpy=np.real,
    c={"c": "creal{f}({0})", "biuf": "{0}"},
    grad=lambda g, y, x: (complex(g, g * 0) if is_complex(x.dtype) else g,),
    kinds="biufc",
    doc="Real part.",
)
imag = scalar_op(
    "imag",
    1,
    cls="Imag",
    base=UnaryScalarOp,
    out="real",
    numpy=np.imag,
    c={"c": "cimag{f}({0})", "biuf": "(({t})0)"},
    grad=lambda g, y, x: _of_complex(x, lambda: complex(g * 0, g)),
    kinds="biufc",
    doc="Imaginary part; 0 for real numbers.",
)
conj: ScalarOp = scalar_op(
    "conj",
    1,
    cls="Conj",
    base=UnaryScalarOp,
    out="same",
    numpy=np.conj,
    c={"c": "conj{f}({0})", "biuf": "{0}"},
    grad=lambda g, y, x: (conj(g) if is_complex(x.dtype) else g,),
    kinds="biufc",
    inverse_of="conj",
    zero_at_zero=True,
    doc="Complex conjugate; a real number is its own.",
)


def _angle_grad(g: Any, y: Any, z: Any) -> tuple[Any]:
    def derivative() -> Any:
        scale = g / (sqr(real(z)) + sqr(imag(z)))
        return complex(-(scale * imag(z)), scale * real(z))

    return _of_complex(z, derivative)


angle = scalar_op(
    "angle",
    1,
    cls="Angle",
    base=UnaryScalarOp,
    out="angle",
    numpy=np.angle,
    c={"c": "carg{f}({0})", "f": "atan2{f}(0.0{f}, {0})"},
    grad=_angle_grad,
    kinds="fc",
    cost=20,
    doc="Angle with the positive real axis, in [-pi, pi].",
)
complex: ScalarOp = scalar_op(
    "complex",
    2,
    cls="Complex",
    base=BinaryScalarOp,
    out="complex",
    numpy=lambda a, b: _assembled(a, b),
    c=lambda dtype, a, b: f"CMPLX{'F' if dtype == 'float32' else ''}({a}, {b})",
    grad=lambda g, y, a, b: (real(g), imag(g)),
    kinds="f",
    doc="a + ib from two real numbers.",
)


def _assembled(a: Any, b: Any) -> Any:
    a, b = np.broadcast_arrays(a, b)
    result = np.empty(a.shape, np.result_type(a.dtype, np.complex64))
    result.real, result.imag = a, b
    return result


def _polar_grad(g: Any, y: Any, r: Any, theta: Any) -> tuple[Any, Any]:
    along = real(g) * cos(theta) + imag(g) * sin(theta)
    across = imag(g) * cos(theta) - real(g) * sin(theta)
    return along, r * across


complex_from_polar = scalar_op(
    "complex_from_polar",
    2,
    cls="ComplexFromPolar",
    base=BinaryScalarOp,
    out="complex",
    numpy=lambda r, theta: _assembled(r * np.cos(theta), r * np.sin(theta)),
    expand=lambda r, theta: complex(r * cos(theta), r * sin(theta)),
    grad=_polar_grad,
    kinds="f",
    cost=42,
    doc="r (cos(theta) + i sin(theta)).",
)
