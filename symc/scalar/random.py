"""Philox4x32-10, the counter-based generator of all random draws (Salmon et al., SC 2011).

The map from elements to words, fixed for ever: a block of four 32-bit words is made from the key,
a counter and a block number, and word w of 32 consecutive blocks serves 32 consecutive elements,
so that one block serves a whole vector of lanes in each of its words.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from ..errors import DTypeError
from .op import scalar_op

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
    return np.choose((i >> np.uint64(5) & np.uint64(3)).astype(np.int64), words)


def _words64(key: Any, counter: Any, i: Any) -> Any:
    i = np.asarray(i, np.uint64)
    lane = i & np.uint64(31)
    c0, c1, c2, c3 = philox_block(key, counter, ((i >> np.uint64(6)) << np.uint64(5)) | lane)
    high = (i >> np.uint64(5) & np.uint64(1)) == 1
    return np.where(high, c3 << HALF | c2, c1 << HALF | c0)


def _to(dtype: str) -> Any:
    """Operands of uint64, and nothing else; the result is `dtype`."""

    def types(dtypes: Sequence[str]) -> tuple[tuple[str, ...], str]:
        if any(d != "uint64" for d in dtypes):
            raise DTypeError(f"random words are made of uint64 values, got {', '.join(dtypes)}")
        return ("uint64",) * len(dtypes), dtype

    return types


philox32 = scalar_op(
    "philox32",
    3,
    cls="Philox32",
    out=_to("uint64"),
    numpy=_words32,
    c="sy_philox32({0}, {1}, {2})",
    grad=lambda g, y, *xs: (None, None, None),
    kinds="u",
    needs=("sy_random.h",),
    vector=True,
    cost=40,
    doc="The 32-bit random word of an element, given the key, the counter and its position.",
)
philox64 = scalar_op(
    "philox64",
    3,
    cls="Philox64",
    out=_to("uint64"),
    numpy=_words64,
    c="sy_philox64({0}, {1}, {2})",
    grad=lambda g, y, *xs: (None, None, None),
    kinds="u",
    needs=("sy_random.h",),
    vector=True,
    cost=40,
    doc="The 64-bit random word of an element, given the key, the counter and its position.",
)
unit32 = scalar_op(
    "unit32",
    1,
    cls="Unit32",
    out=_to("float32"),
    numpy=lambda w: ((w & MASK) >> np.uint64(8)).astype(np.float32) * np.float32(2.0**-24),
    c="((float)(int32_t)((uint32_t)({0}) >> 8) * 0x1p-24f)",
    grad=lambda g, y, x: (None,),
    kinds="u",
    vector=True,
    cost=3,
    doc="The upper 24 of the lower 32 bits as a float32 in [0, 1).",
)
unit64 = scalar_op(
    "unit64",
    1,
    cls="Unit64",
    out=_to("float64"),
    numpy=lambda w: (w >> np.uint64(11)).astype(np.float64) * 2.0**-53,
    c="((double)(int64_t)(({0}) >> 11) * 0x1p-53)",
    grad=lambda g, y, x: (None,),
    kinds="u",
    vector=True,
    cost=3,
    doc="The upper 53 of 64 bits as a float64 in [0, 1).",
)
upper32 = scalar_op(
    "upper32",
    1,
    cls="Upper32",
    out=_to("uint64"),
    numpy=lambda w: np.asarray(w, np.uint64) >> HALF,
    c="(({0}) >> 32)",
    grad=lambda g, y, x: (None,),
    kinds="u",
    vector=True,
    doc="The upper 32 of 64 bits.",
)
