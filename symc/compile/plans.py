"""Plans: what leads from a graph, as the user gives it, to its compiled program.

The cache finds a library by its C text, and the text comes out of rewriting, lowering and
printing. A plan is the short way: under the fingerprint of the closed graph, and of all else that
these phases read, it keeps the name of the library and the description of the program for the
call path. A process that finds a plan imports none of them.

There is a plan only for programs that are the same whenever their graph is: not where rules,
modes, ops or types of the user's own take part, not for Python steps, and not for variants that
were made for the lengths of a call.
"""

from __future__ import annotations

import functools
import os
import pickle
import platform
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np

from ..config import config
from ..errors import CacheError, CompileError
from ..graph.graph import Graph
from ..graph.node import Constant
from ..graph.walk import ancestors
from ..rewrite.rule import rules_are_symcs
from ..runtime import (
    digest_of,
    find_compiler,
    find_library,
    load_blas,
    load_blob,
    native_program,
    store_blob,
)
from .collect import Closed

_LARGEST_CONSTANTS = 1 << 20
"""Bytes of constants from which on a plan would cost more than it saves."""

_PREFIX = "symc"
_NO_PART = ("nn", "learn", "demo", "__pycache__")  # folders that do not take part in compiling
_SILENT = (
    *("base_compiledir", "compiledir", "cache_size_limit", "num_threads", "mode"),
    *("onednn.enabled", "onednn.library_path"),
)


def plan_key(task: Any) -> str | None:
    """The key of the plan for what an executor is to run, or None where there can't be one."""
    mode = task.mode
    if not config.cache_plans or not mode.is_plain or _speaks() or not rules_are_symcs():
        return None
    closed = task.closed
    if _constant_bytes(closed) > _LARGEST_CONSTANTS:
        return None
    graph = Graph([*closed.inputs, *closed.shared], closed.roots)
    fingerprint = graph.portable_fingerprint(
        [
            [len(closed.inputs), len(closed.outputs), [position for position, _ in closed.updates]],
            [list(task.declared), list(task.strict), list(task.mutable)],
            mode.selection,
            [(name, value) for name, value in config.changed() if name not in _SILENT],
            find_compiler().identity,
            config.cmodule.debug,
        ]
    )
    return fingerprint and digest_of(fingerprint, _release())


def _speaks() -> bool:
    """Whether compiling says something that the user wants to hear each time."""
    talks = config.optimizer_verbose or config.profile
    return bool(talks or config.compute_test_value_opt != "off")


def _constant_bytes(closed: Closed) -> int:
    constants = (v for v in ancestors(closed.roots) if isinstance(v, Constant))
    return sum(getattr(v.data, "nbytes", 0) for v in constants)


@functools.lru_cache(maxsize=1)
def _release() -> str:
    """A digest that changes when the compiler, or what it computes constants with, does."""
    versions = (platform.python_version(), np.__version__, platform.machine())
    return digest_of(*versions, *_files(Path(__file__).parents[1]))


def _files(root: Path) -> Iterator[str]:
    """Names, sizes and times of symc's own files; quicker than reading them."""
    folders = [str(root)]
    for folder in folders:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda e: e.name):
                if entry.name in _NO_PART:
                    continue
                if entry.is_dir():
                    folders.append(entry.path)
                else:
                    found = entry.stat()
                    yield f"{entry.name} {found.st_size} {found.st_mtime_ns}"


def found_program(key: str, closed: Closed) -> Any:
    """The program of a plan, loaded; None where the cache has no plan, or not its library."""
    content = load_blob(key)
    if content is None:
        return None
    plan = pickle.loads(content)
    path = find_library(plan["library"])
    if path is None:
        return None
    description = plan["description"]
    containers = [v.container for v in closed.shared]
    description["shared"] = [
        (container, *rest)
        for container, rest in zip(containers, description["shared"], strict=True)
    ]
    if plan["uses_blas"]:
        load_blas()
    try:
        return native_program(path, _PREFIX, **description)
    except CompileError:
        return None  # cleared in between, or damaged in a way that only loading it shows


def keep_plan(key: str, executor: Any) -> None:
    """Write the plan of an executor's program, if it can have one."""
    variant = executor.main
    made, variant.loaded = variant.loaded, None
    if made is None or made.source.foreign or variant.facts.oracle is not None:
        return
    description = dict(made.description)
    description["shared"] = [rest for _, *rest in description["shared"]]
    if not all(isinstance(c, np.ndarray) for c in description["constants"]):
        return
    plan = {
        "library": made.path.name,
        "uses_blas": made.source.uses_blas,
        "description": description,
    }
    with suppress(CacheError):  # the next process compiles again
        store_blob(key, pickle.dumps(plan))
