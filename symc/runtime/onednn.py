"""oneDNN: float32 convolutions of a library that is an optional extra.

The library is opened by cffi when a convolution comes that it would compute; the functions below
are called by ``csrc/onednn.c``, each on one of symc's own threads.
"""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..config import config
from ..errors import CacheError
from ..lazy import LazyModule
from . import native
from .build import load_blob, store_blob
from .notice import notice_once
from .store import digest_of
from .toolchain import find_compiler

__all__ = ["OnednnInfo", "find_onednn", "look_again", "onednn_count", "onednn_mode"]

cffi = LazyModule("cffi")
metadata = LazyModule("importlib.metadata")

#: In the order of ``csrc/onednn.h``.
FUNCTIONS = (
    *("engine_create", "stream_create", "stream_destroy"),
    *("memory_desc_create_with_strides", "memory_desc_create_with_tag", "memory_desc_destroy"),
    *("memory_desc_get_size", "memory_desc_equal"),
    *("memory_create", "memory_set_data_handle", "memory_destroy"),
    "convolution_forward_primitive_desc_create",
    "convolution_backward_data_primitive_desc_create",
    "convolution_backward_weights_primitive_desc_create",
    *("reorder_primitive_desc_create", "primitive_desc_destroy"),
    *("primitive_desc_query_md", "primitive_desc_query"),
    *("primitive_attr_create", "primitive_attr_set_scratchpad_mode", "primitive_attr_destroy"),
    *("primitive_create", "primitive_execute", "primitive_destroy"),
)

_OPENMP = ("omp_set_num_threads", "omp_get_max_threads")
_SEQUENTIAL, _ON_OPENMP = 1, 2
_VERSION = """
typedef struct {
    int major, minor, patch;
    const char *hash;
    unsigned cpu_runtime, gpu_runtime;
} version_of;
const version_of *dnnl_version(void);
"""
_SONAME = "libdnnl.so.3"
_PACKAGE = "onednn-cpu-gomp"
_MODES = {"off": 0, "auto": 1, "on": 2, "measure": 3}  # SY_ONEDNN_* of csrc/callpath.h

_lock = threading.Lock()
_kept: list[Any] = []  # a library that is closed would take its code with it
_choices: dict[str, int] = {}  # by key in the cache: 1 where oneDNN is quicker


@dataclass(frozen=True)
class OnednnInfo:
    """What was found.

    Attributes
    ----------
    path : str
        The library, as it was opened; empty where none is there or can be used.
    version : str
    problem : str
        Why it can't be used; empty where it can.
    """

    path: str
    version: str = ""
    problem: str = ""


def onednn_mode() -> int:
    """The flag ``onednn.enabled`` as a number of the C extension's."""
    return _MODES[config.onednn.enabled]


def onednn_count() -> int:
    """How many convolutions oneDNN has computed in this process."""
    return 0 if native.callpath is None else int(native.callpath.onednn_count())


def find_onednn() -> OnednnInfo:
    """Open the library and hand its functions to compiled programs; say what was found.

    Later calls look again only where nothing was found.
    """
    with _lock:
        if native.callpath is None:
            return OnednnInfo("", problem=native.problem)
        problems = []
        for name in _candidates():
            found = _opened(name)
            if not found.problem:
                return found
            problems.append(found.problem)
        return OnednnInfo("", problem="; ".join(problems))


def _candidates() -> list[str]:
    """Where the library may be: what the flag names, or the package's file, or the system's."""
    if config.onednn.library_path:
        return [config.onednn.library_path]
    try:
        files = metadata.files(_PACKAGE) or []
    except metadata.PackageNotFoundError:
        files = []
    paths = (Path(str(f.locate())).resolve() for f in files if f.name == _SONAME)
    return [*(str(p) for p in paths if p.is_file()), _SONAME]


def _opened(name: str) -> OnednnInfo:
    ffi = cffi.FFI()
    ffi.cdef(_VERSION + "".join(f"void {f}(void);" for f in _OPENMP))
    ffi.cdef("".join(f"void dnnl_{f}(void);" for f in FUNCTIONS))
    try:
        library = ffi.dlopen(name)
        release = library.dnnl_version()
        version = f"{release.major}.{release.minor}.{release.patch}"
        if release.major != 3:
            return OnednnInfo(name, version, f"{name} is oneDNN {version}, not version 3")
        if release.cpu_runtime not in (_SEQUENTIAL, _ON_OPENMP):
            return OnednnInfo(name, version, f"{name} runs on threads that are not OpenMP's")
        openmp = _OPENMP if release.cpu_runtime == _ON_OPENMP else ()
        wanted = [*(f"dnnl_{f}" for f in FUNCTIONS), *openmp]
        addresses = [int(ffi.cast("intptr_t", getattr(library, f))) for f in wanted]
    except (OSError, AttributeError) as problem:
        return OnednnInfo(name, problem=str(problem).partition(".  Additionally")[0])
    _kept.append(library)
    try:
        native.callpath.set_onednn((*addresses, *(0,) * (len(_OPENMP) - len(openmp))))
    except RuntimeError as problem:
        return OnednnInfo(name, version, str(problem))
    return OnednnInfo(name, version)


def _find_or_tell() -> None:
    """Called by the extension when oneDNN would compute a convolution, once."""
    found = find_onednn()
    if found.problem:
        notice_once(
            f"oneDNN is not there ({found.problem}); some convolutions of this program would be "
            f"faster with it. To get it: python3 -m pip install {_PACKAGE}. To do without and not "
            "be told: SYMC_FLAGS=onednn.enabled=off"
        )


def _judge(shape: bytes, choice: int) -> int:
    """The choice for a shape that holds, 1 for oneDNN: the first one ever made; -1: there is none.

    Called by the extension before it measures, with -1, and after.
    """
    name = digest_of("oneDNN is quicker", find_compiler().identity, shape)
    with _lock:
        if name not in _choices:
            kept = load_blob(name)
            if kept is not None:
                _choices[name] = int(kept)
            elif choice >= 0:
                _choices[name] = choice
                with suppress(CacheError):  # the next process measures again
                    store_blob(name, b"%d" % choice)
        return _choices.get(name, -1)


def look_again() -> None:
    """Look for the library and for measured choices when they are wanted next.

    A library that has been opened stays.
    """
    if native.callpath is not None:
        _choices.clear()
        native.callpath.set_onednn_finder(_find_or_tell)
        native.callpath.set_onednn_judge(_judge)


look_again()
