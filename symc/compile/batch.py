"""Compiling: one library for a variant, or one for all variants that a block makes.

Starting a compiler costs more than compiling a small function, so programs that make many of them
(test suites, mostly) put them into one `batch`: the C texts are collected, joined to a few long
ones, and compiled side by side on all cores when the block ends.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import CompileError
from ..lazy import LazyModule
from ..runtime import compile_library, expect_blas

if TYPE_CHECKING:
    from .native import NativeVariant

_units = LazyModule("symc.codegen.units")

Ready = Callable[["NativeVariant"], None]

_PREFIX = "symc"


@dataclass
class _Batch:
    level: str | None
    waiting: list[tuple[NativeVariant, Ready]] = field(default_factory=list)


class _Current(threading.local):
    batch: _Batch | None = None


_current = _Current()


def compile_variant(variant: NativeVariant, ready: Ready) -> None:
    """Compile `variant` now, or when the current batch ends; then call `ready` with it."""
    if _current.batch is not None:
        _current.batch.waiting.append((variant, ready))
    else:
        _compile([(variant, ready)], None)


def _compile(variants: list[tuple[NativeVariant, Ready]], level: str | None) -> None:
    prefixes = [_PREFIX if k == 0 else f"{_PREFIX}{k}" for k in range(len(variants))]
    sources = [
        variant.source(prefix, versioned=k == 0)
        for k, ((variant, _), prefix) in enumerate(zip(variants, prefixes, strict=True))
    ]
    units = [
        replace(unit, level=level or unit.level) for source in sources for unit in source.units
    ]
    if len(variants) > 1:
        units = list(_units.joined_units(units))
    headers: dict[str, Any] = {}
    for source in sources:
        headers.update(source.headers)

    def library() -> Path:
        return compile_library(
            {unit.name: unit.text for unit in units},
            headers=headers,
            levels={unit.name: unit.level for unit in units},
        )

    def load(path: Path) -> None:
        for (variant, _), prefix, source in zip(variants, prefixes, sources, strict=True):
            variant.load(path, prefix, source)

    if any(source.uses_blas for source in sources):
        expect_blas()
    path = library()
    try:
        load(path)
    except CompileError:
        if path.exists():
            raise
        load(library())  # another process has cleared the cache in between
    for variant, ready in variants:
        ready(variant)


@contextmanager
def not_batched() -> Iterator[None]:
    """Compile at once inside the block, for a call that can't wait."""
    outer, _current.batch = _current.batch, None
    try:
        yield
    finally:
        _current.batch = outer


@contextmanager
def batch(level: str | None = None) -> Iterator[None]:
    """Compile the functions that the block makes together, when it ends.

    Until then they can't be called, except that a call compiles what it needs.

    Parameters
    ----------
    level : str, optional
        Optimisation option for the compiler, for example ``"-O1"`` where compiling fast matters
        more than running fast.

    Raises
    ------
    CompileError
        When the block ends, if the compiler fails.
    """
    outer = _current.batch
    _current.batch = mine = _Batch(level)
    try:
        yield
    finally:
        _current.batch = outer
    if mine.waiting:
        _compile(mine.waiting, level)
