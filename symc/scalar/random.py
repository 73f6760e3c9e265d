"""Philox4x32-10, the counter-based generator of all random draws (Salmon et al., SC 2011).

The map from elements to words, fixed for ever: a block of four 32-bit words is made from the key,
a counter and a block number, and word w of 32 consecutive blocks serves 32 consecutive elements,
so that one block serves a whole vector of lanes in each of its words. ``docs/random.md`` has the
map of every draw.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError
from .op import ScalarOp, scalar_op

MASK = np.uint64(0xFFFFFFFF)
HALF = np.uint64(32)


def philox_block(key: Any, counter: Any, block: Any) -> tuple[Any, Any, Any, Any]:
    """Return the four words (uint32 values in uint64 arrays) of a block.

    Parameters
    ----------
    key, counter, block : array_like of uint64
        The key, and the upper and lower half of the published counter.
    """
    key, counter, block = (np.asarray(v, np.uint64) for v in (key, counter, block))
    c0, c1, c2, c3 = block & MASK, block >> HALF, counter & MASK, counter >> HALF
    k0, k1 = key & MASK, key >> HALF
    for _ in range(10):
        p0, p1 = c0 * np.uint64(0xD2511F53), c2 * np.uint64(0xCD9E8D57)
        c0, c1, c2, c3 = (p1 >> HALF) ^ c1 ^ k0, p1 & MASK, (p0 >> HALF) ^ c3 ^ k1, p0 & MASK
        k0, k1 = (k0 + np.uint64(0x9E3779B9)) & MASK, (k1 + np.uint64(0xBB67AE85)) & MASK
    return c0, c1, c2, c3


def _words32(key: Any, counter: Any, i: Any) -> Any:
    i = np.asarray(i, np.uint64)
    lane = i & np.uint64(31)
    words = philox_block(key, counter, ((i >> np.uint64(7)) << np.uint64(5)) | lane)
    word = np.choose((i >> np.uint64(5) & np.uint64(3)).astype(np.int64), words)
    return word.astype(np.uint32)


def _lower_upper(key: Any, counter: Any, i: Any) -> tuple[Any, Any, Any]:
    """The two halves of an element's block, and whether the second is the element's own."""
    i = np.asarray(i, np.uint64)
    lane = i & np.uint64(31)
    c0, c1, c2, c3 = philox_block(key, counter, ((i >> np.uint64(6)) << np.uint64(5)) | lane)
    return c1 << HALF | c0, c3 << HALF | c2, (i >> np.uint64(5) & np.uint64(1)) == 1


def _words64(key: Any, counter: Any, i: Any) -> Any:
    lower, upper, second = _lower_upper(key, counter, i)
    return np.where(second, upper, lower)


def _polynomial(x: Any, *coefficients: float) -> Any:
    """Horner's scheme in the precision of `x`, highest power first."""
    result = np.full_like(x, coefficients[0])
    for c in coefficients[1:]:
        result = result * x + x.dtype.type(c)
    return result


def _minus_two_log32(x: Any) -> Any:
    one = np.float32
    bits = x.view(np.int32)
    e = (bits - np.int32(0x3F3504F3)) >> np.int32(23)
    f = (bits - (e << np.int32(23))).view(np.float32) - one(1)
    k, z = e.astype(np.float32), f * f
    p = _polynomial(
        f, 7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1,
        -1.6668057665e-1, 2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
    )  # fmt: skip
    p = p * f * z + k * one(-2.12194440e-4)
    return one(-2) * (f + (p - one(0.5) * z) + k * one(0.693359375))


def minus_two_log(x: Any) -> Any:
    """``-2 log(x)`` of positive normal float64 numbers, the same on every machine."""
    bits = x.view(np.int64)
    e = (bits - np.int64(0x3FE6A09E667F3BCD)) >> np.int64(52)
    f = (bits - (e << np.int64(52))).view(np.float64) - 1.0
    return minus_two_log_of(f, e.astype(np.float64))


def minus_two_log_of(f: Any, k: Any) -> Any:
    """``-2 log((1 + f) 2**k)`` for f near 0."""
    s = f / (2.0 + f)
    z, half = s * s, 0.5 * (f * f)
    p = _polynomial(
        z, 1.479819860511658591e-01, 1.531383769920937332e-01, 1.818357216161805012e-01,
        2.222219843214978396e-01, 2.857142874366239149e-01, 3.999999999940941908e-01,
        6.666666666666735130e-01,
    )  # fmt: skip
    p = s * (half + p * z) + k * 1.90821492927058770002e-10
    return -2.0 * (k * 6.93147180369123816490e-01 - ((half - p) - f))


def _turned(radius: Any, even: Any, odd: Any, quadrant: Any, second: Any) -> Any:
    """``radius`` times the cosine (the sine, where `second`) of an angle in a quadrant."""
    odd_one = (quadrant & 1 == 1) != second
    value = np.where(odd_one, odd, even)
    negative = np.where(second, quadrant >= 2, (quadrant == 1) | (quadrant == 2))
    return radius * np.where(negative, -value, value)


def normal_pair32(a: Any, b: Any, second: Any) -> Any:
    """The first or second normal draw (float32) of the words `a` and `b`, below 2**32 each."""
    one = np.float32
    a, b = (np.atleast_1d(w).astype(np.uint32) for w in (a, b))
    u = ((a >> np.uint32(1)).astype(np.float32) + one(0.5)) * one(2.0**-31)
    r = np.sqrt(_minus_two_log32(u))
    fraction = np.uint32(0x3F800000) | ((b << np.uint32(2)) >> np.uint32(9))
    t = (fraction.view(np.float32) - one(1.5)) * one(np.pi / 2)
    z = t * t
    s = _polynomial(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * z * t + t
    c = _polynomial(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)
    c = c * z * z - one(0.5) * z + one(1)
    return _turned(r, c, s, b >> np.uint32(30), second)


def normal_pair64(a: Any, b: Any, second: Any) -> Any:
    """The first or second normal draw (float64) of the 64-bit words `a` and `b`."""
    a, b = (np.atleast_1d(w).astype(np.uint64) for w in (a, b))
    exponent = np.uint64(0x3FF0000000000000)
    u = (exponent | (a >> np.uint64(12))).view(np.float64) - (1.0 - 2.0**-53)
    r = np.sqrt(minus_two_log(u))
    fraction = exponent | ((b << np.uint64(2)) >> np.uint64(12))
    t = (fraction.view(np.float64) - 1.5) * (np.pi / 2)
    z = t * t
    s = _polynomial(
        z, 1.58969099521155010221e-10, -2.50507602534068634195e-08, 2.75573137070700676789e-06,
        -1.98412698298579493134e-04, 8.33333333332248946124e-03, -1.66666666666666324348e-01,
    )  # fmt: skip
    s = s * z * t + t
    c = _polynomial(
        z, -1.13596475577881948265e-11, 2.08757232129817482790e-09, -2.75573143513906633035e-07,
        2.48015872894767294178e-05, -1.38888888888741095749e-03, 4.16666666666666019037e-02,
    )  # fmt: skip
    c = c * z * z - 0.5 * z + 1.0
    return _turned(r, c, s, b >> np.uint64(62), second)


def _normal32(key: Any, counter: Any, i: Any) -> Any:
    i = np.asarray(i, np.uint64)
    words = philox_block(key, counter, ((i >> np.uint64(7)) << np.uint64(5)) | i & np.uint64(31))
    upper = (i >> np.uint64(6) & np.uint64(1)) == 1
    a, b = np.where(upper, words[2], words[0]), np.where(upper, words[3], words[1])
    second = (i >> np.uint64(5) & np.uint64(1)) == 1
    return normal_pair32(a, b, second).reshape(np.shape(a))


def _normal64(key: Any, counter: Any, i: Any) -> Any:
    lower, upper, second = _lower_upper(key, counter, i)
    return normal_pair64(lower, upper, second).reshape(np.shape(lower))


def _below(word: Any, count: Any) -> Any:
    a, b, c, d = word >> HALF, word & MASK, count >> HALF, count & MASK
    middle = a * d + (b * d >> HALF)
    rest = b * c + (middle & MASK)
    return a * c + (middle >> HALF) + (rest >> HALF)


def _to(source: str, dtype: str) -> Any:
    """Operands of dtype `source`, and nothing else; the result is `dtype`."""

    def types(dtypes: Sequence[str]) -> tuple[tuple[str, ...], str]:
        if any(d != source for d in dtypes):
            raise DTypeError(f"random words are {source} values, got {', '.join(dtypes)}")
        return (source,) * len(dtypes), dtype

    return types


def _element(name: str, dtype: str, numpy: Callable[..., Any], cost: int, doc: str) -> ScalarOp:
    """A draw of an element, given the key, the counter and the element's position."""
    return scalar_op(
        name,
        3,
        cls=name.capitalize(),
        out=_to("uint64", dtype),
        numpy=numpy,
        c=f"sy_{name}({{0}}, {{1}}, {{2}})",
        grad=lambda g, y, *xs: (None, None, None),
        kinds="u",
        needs=("sy_random.h",),
        vector=True,
        run=f"sy_{name}_fill",
        cost=cost,
        doc=doc,
    )


philox32 = _element("philox32", "uint32", _words32, 40, "The 32-bit random word of an element.")
philox64 = _element("philox64", "uint64", _words64, 40, "The 64-bit random word of an element.")
normal32 = _element("normal32", "float32", _normal32, 60, "The normal draw of an element.")
normal64 = _element("normal64", "float64", _normal64, 80, "The normal draw of an element.")


def _unit(name: str, source: str, dtype: str, shift: int, c: str, doc: str) -> ScalarOp:
    """The upper bits of a word as a number in [0, 1)."""
    word, number = np.dtype(source).type, np.dtype(dtype).type
    bits = 8 * np.dtype(source).itemsize - shift
    return scalar_op(
        name,
        1,
        cls=name.capitalize(),
        out=_to(source, dtype),
        numpy=lambda w: (w >> word(shift)).astype(dtype) * number(2.0**-bits),
        c=c,
        grad=lambda g, y, x: (None,),
        kinds="u",
        vector=True,
        cost=3,
        doc=doc,
    )


unit16 = _unit(
    "unit16", "uint32", "float32", 21, "((float)(int32_t)(({0}) >> 21) * 0x1p-11f)",
    "The upper 11 of 32 bits as a number in [0, 1) that float16 has.",
)  # fmt: skip
unit32 = _unit(
    "unit32", "uint32", "float32", 8, "((float)(int32_t)(({0}) >> 8) * 0x1p-24f)",
    "The upper 24 of 32 bits as a float32 in [0, 1).",
)  # fmt: skip
unit64 = _unit(
    "unit64", "uint64", "float64", 11, "((double)(int64_t)(({0}) >> 11) * 0x1p-53)",
    "The upper 53 of 64 bits as a float64 in [0, 1).",
)  # fmt: skip
below64 = scalar_op(
    "below64",
    2,
    cls="Below64",
    out=_to("uint64", "uint64"),
    numpy=_below,
    c="sy_below({0}, {1})",
    grad=lambda g, y, *xs: (None, None),
    kinds="u",
    needs=("sy_random.h",),
    vector=True,
    cost=8,
    doc="A 64-bit word times a number, divided by 2**64: a whole number below that number.",
)
