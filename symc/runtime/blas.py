"""BLAS by pointer: the library that SciPy brings, without headers or link options.

The addresses come from ``scipy.linalg.cython_blas``, which SciPy documents for this use. Importing
``scipy.linalg`` takes a quarter of a second, so that one extension file is loaded by itself.
"""

from __future__ import annotations

import contextlib
import ctypes
import importlib
import importlib.machinery
import importlib.util
import threading
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType

from ..config import config
from ..errors import CompileError, user_message
from . import native

__all__ = ["ROUTINES", "BlasInfo", "blas_info", "expect_blas", "load_blas"]

#: In the order of the SY_BLAS_* numbers of ``csrc/symc_abi.h``.
ROUTINES = (
    *("sgemm", "dgemm", "cgemm", "zgemm"),
    *("sgemv", "dgemv", "cgemv", "zgemv"),
    *("sger", "dger", "cgeru", "zgeru"),
    *("sdot", "ddot"),
)

_MODULE = "scipy.linalg.cython_blas"
_lock = threading.Lock()
_loaded: list[str] = []


@dataclass(frozen=True)
class BlasInfo:
    """The BLAS in use.

    Attributes
    ----------
    source : str
        Where the addresses come from: a file or a module.
    library : str
        The OpenBLAS library behind it; empty where it is another BLAS.
    config : str
        What that library says about itself: name, version, kernels.
    threads : int
        How many threads it uses; 0 where that isn't known.
    shares_threads : bool
        Whether it runs on symc's threads.
    """

    source: str
    library: str
    config: str
    threads: int
    shares_threads: bool


def load_blas() -> None:
    """Fill the table of BLAS routines of compiled programs; only the first call does anything.

    OpenBLAS is told to run its threads on symc's pool, where it allows that.

    Raises
    ------
    CompileError
        If there is no extension, or no BLAS library.
    """
    with _lock:
        if _loaded:
            return
        if native.callpath is None:
            raise CompileError(user_message("BLAS can't be called", got=native.problem))
        source, addresses = _addresses()
        native.callpath.set_blas(addresses)
        native.callpath.openblas(source, True)
        _loaded.append(source)


def expect_blas() -> None:
    """Have `load_blas` done meanwhile, in a thread: reading the library from disk takes long."""
    if not _loaded and native.callpath is not None:
        threading.Thread(target=_try_to_load).start()


def _try_to_load() -> None:
    with contextlib.suppress(CompileError, OSError):  # raised again for who needs it
        load_blas()


def blas_info() -> BlasInfo:
    """Describe the BLAS library, loading it if need be.

    Raises
    ------
    CompileError
        As `load_blas`.
    """
    load_blas()
    facts = native.callpath.openblas(_loaded[0], False)
    if facts is None:
        return BlasInfo(_loaded[0], "", "", 0, False)
    return BlasInfo(_loaded[0], facts["path"], facts["config"], facts["threads"], facts["callback"])


def _addresses() -> tuple[str, tuple[int, ...]]:
    if config.blas.ldflags:
        return _addresses_of_library(config.blas.ldflags)
    module = _load_alone() or _import_module()
    capsules = getattr(module, "__pyx_capi__", {})
    missing = [name for name in ROUTINES if name not in capsules]
    if missing:
        raise CompileError(
            user_message(f"{_MODULE} has no routine {missing[0]}", hint="install a newer SciPy")
        )
    return str(module.__file__), tuple(_capsule_address(capsules[name]) for name in ROUTINES)


def _load_alone() -> ModuleType | None:
    """The extension file by itself, or None where it isn't found or needs more of SciPy."""
    package = importlib.util.find_spec("scipy")
    for place in (package.submodule_search_locations or []) if package else []:
        for suffix in importlib.machinery.EXTENSION_SUFFIXES:
            path = Path(place, "linalg", f"cython_blas{suffix}")
            if not path.is_file():
                continue
            spec = importlib.util.spec_from_file_location(_MODULE, path)
            if spec is None or spec.loader is None:
                return None
            try:
                module = importlib.util.module_from_spec(spec)
                spec.loader.exec_module(module)
            except ImportError:
                return None
            return module
    return None


def _import_module() -> ModuleType:
    try:
        return importlib.import_module(_MODULE)
    except ImportError as problem:
        raise CompileError(
            user_message(
                "there is no BLAS library",
                got=str(problem),
                hint="install SciPy, or name a library by the flag blas.ldflags",
            )
        ) from problem


def _addresses_of_library(path: str) -> tuple[str, tuple[int, ...]]:
    try:
        library = ctypes.CDLL(path)
        found = [getattr(library, f"{name}_") for name in ROUTINES]
    except (OSError, AttributeError) as problem:
        raise CompileError(
            user_message(
                f"the flag blas.ldflags names {path}, which is no BLAS library",
                got=str(problem),
                expected="a shared library with Fortran names such as dgemm_",
            )
        ) from problem
    _kept.append(library)
    return path, tuple(ctypes.cast(f, ctypes.c_void_p).value or 0 for f in found)


_kept: list[ctypes.CDLL] = []


def _capsule_address(capsule: object) -> int:
    name_of = ctypes.pythonapi.PyCapsule_GetName
    name_of.restype, name_of.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
    pointer_of.restype, pointer_of.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer_of(capsule, name_of(capsule)) or 0)
