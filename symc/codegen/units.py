"""How a program is cut into texts for the compiler.

A small program is one unit. The kernels of a large one are spread over several, which are compiled
at the same time; long straight-line code goes into units of its own, compiled with less effort,
and functions for strips into one, so that only this reads the headers of mathematical functions.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ..scalar.ctext import HEADERS
from .body_c import Body
from .cexpr import Outlined
from .cstyle import NestFunction, outlined_text
from .flags import level_for

UNIT_LINES = 450
"""Lines of kernels in a unit; it takes about a third of a second to compile."""
STRIPS_LINES = 200
"""Lines of a program from which on functions for strips are compiled beside the kernels."""
JOINED_LINES = 2500
"""Lines of joined units, about as many as are compiled in ten times the time of the headers."""
_OUTSIDE = re.compile(
    r"(?<![\w.>])(?!(?:if|for|while|switch|return|sizeof|visibility)\b)(?!sy_|symc|_)"
    r"[A-Za-z]\w*(?=\s*\()|\b(?!SY_)[A-Z][A-Z0-9_]{2,}\b"
)
"""What may belong to the C library: called functions that are none of ours, and macros."""
_STATIC = "#define SY_KERNEL static\n\n"
_SHARED = '#define SY_KERNEL __attribute__((visibility("hidden")))\n\n'


@dataclass(frozen=True)
class SourceUnit:
    """One C text.

    Attributes
    ----------
    name : str
    text : str
    level : str
        Optimisation options for the compiler.
    """

    name: str
    text: str
    level: str


def split_units(name: str, body: Body, main: str) -> tuple[SourceUnit, ...]:
    """The units of a program.

    Parameters
    ----------
    name : str
        Prefix of names.
    body : Body
        With all kernels.
    main : str
        Text of the exported functions.
    """
    kernels = list(body.functions.values())
    lines = sum(k.text.count("\n") for k in kernels)
    levels = sorted({k.level for k in kernels} or {level_for(0)})
    called = _called(kernels)
    shared = [f for f in called if f.head]
    if len(levels) == 1 and lines <= (STRIPS_LINES if shared else UNIT_LINES * 5 // 4):
        needs = body.needs.union(*[k.needs for k in kernels], *[f.needs for f in called])
        parts = [_named(body, k) for k in kernels]
        text = "".join([_STATIC, outlined_text(called), *parts, main])
        return (SourceUnit(name, _head(needs, text) + text, levels[0]),)
    heads = [f"{k.head.replace('@', body.names[k.text])};\n" for k in kernels]
    texts = [(body.needs, "".join([_SHARED, *heads, "\n", main]), "-O1")]
    for level in levels:
        for group in _groups([k for k in kernels if k.level == level]):
            needs = set().union(*[k.needs for k in group])
            texts.append((needs, _SHARED + _kernels_text(body, group), level))
    if shared:
        needs = set().union(*[f.needs for f in shared])
        texts.append((needs, outlined_text(shared), level_for(0, strips=True)))
    return tuple(
        SourceUnit(f"{name}_{k}" if k else name, _head(needs, text) + text, level)
        for k, (needs, text, level) in enumerate(texts)
    )


def _kernels_text(body: Body, group: Sequence[NestFunction]) -> str:
    """Kernels after the functions that they call."""
    called = _called(group)
    declared = [f"{f.head};\n" for f in sorted(called) if f.head]
    defined = outlined_text(f for f in called if not f.head)
    return "".join([*declared, defined, *(_named(body, k) for k in group)])


def joined_units(units: Iterable[SourceUnit]) -> tuple[SourceUnit, ...]:
    """Units of several programs, fewer and longer: the headers are read once for each.

    Parameters
    ----------
    units : iterable of SourceUnit
        Of programs with different prefixes.

    Returns
    -------
    tuple of SourceUnit
        Each with units of one level.
    """
    joined: list[SourceUnit] = []
    group: list[SourceUnit] = []
    lines = 0
    for unit in sorted(units, key=lambda u: u.level):
        if group and (unit.level != group[0].level or lines > JOINED_LINES):
            joined.append(_join(group))
            group, lines = [], 0
        group.append(unit)
        lines += unit.text.count("\n")
    return (*joined, _join(group)) if group else ()


def _join(units: Sequence[SourceUnit]) -> SourceUnit:
    first = units[0]
    if len(units) == 1:
        return first
    parts = [f"#undef SY_KERNEL\n{unit.text}\n" for unit in units]
    return SourceUnit(first.name, "".join(parts), first.level)


def _named(body: Body, kernel: NestFunction) -> str:
    return kernel.text.replace("@", body.names[kernel.text]) + "\n"


def _called(kernels: Iterable[NestFunction]) -> set[Outlined]:
    """The functions that some kernels call out of line."""
    return set().union(*[k.outlined for k in kernels])


def _groups(kernels: Sequence[NestFunction]) -> list[list[NestFunction]]:
    """Groups of about equal length: each kernel goes to the shortest, the longest first.

    Their number is even: on two processors the last one is not compiled alone.
    """
    order = sorted(kernels, key=lambda k: (-k.text.count("\n"), k.text))
    lines = sum(k.text.count("\n") for k in kernels)
    count = 1 if lines < UNIT_LINES else 2 * max(1, round(lines / (2 * UNIT_LINES)))
    groups: list[list[NestFunction]] = [[] for _ in range(min(count, len(order)))]
    sizes = [0] * len(groups)
    for kernel in order:
        place = sizes.index(min(sizes))
        groups[place].append(kernel)
        sizes[place] += kernel.text.count("\n")
    return groups


def _head(needs: Iterable[str], text: str) -> str:
    """The includes of a unit: what is not needed costs the compiler time, 10 ms of a unit's 20.

    Headers of symc include what they need themselves, those of users' ops perhaps not.
    """
    needs = sorted(needs)
    users = any(name in HEADERS for name in needs)
    outside = set(_OUTSIDE.findall(text))
    lines = ["#include <math.h>"] if outside or users else []
    if users or "omplex" in text or any(name.startswith(("c", "C")) for name in outside):
        lines.append("#include <complex.h>")
    lines += ["#include <stdint.h>", '#include "symc_abi.h"']
    lines.append("#define SY_NO_TRIG")  # functions that need trig.h name it
    lines += [f'#include "{name}"' for name in needs]
    return "\n".join(lines) + "\n"
