"""Compiling, loading and calling programs; storage, memory and threads.

Nothing is done at import beyond loading the C extension: no compiler is looked for, no directory
made, no thread started.
"""

from __future__ import annotations

from .blas import BlasInfo, blas_info, expect_blas, load_blas
from .build import (
    cache_dir,
    cache_entries,
    clear_cache,
    compile_library,
    find_library,
    load_blob,
    load_library,
    statistics,
    store_blob,
)
from .callable import FunctionBase, PythonFunction
from .machine import (
    memory_info,
    set_memory_limit,
    set_num_threads,
    thread_info,
    trim_memory,
)
from .notice import notice_once
from .onednn import OnednnInfo, find_onednn, onednn_count
from .program import expect_native, native_available, native_problem, native_program
from .store import Entry, digest_of
from .toolchain import CompilerInfo, compiler, find_compiler
from .value import Container, PythonContainer, pinned, updating

__all__ = [
    "BlasInfo",
    "CompilerInfo",
    "Container",
    "Entry",
    "FunctionBase",
    "OnednnInfo",
    "PythonContainer",
    "PythonFunction",
    "blas_info",
    "cache_dir",
    "cache_entries",
    "clear_cache",
    "compile_library",
    "compiler",
    "digest_of",
    "expect_blas",
    "expect_native",
    "find_compiler",
    "find_library",
    "find_onednn",
    "load_blas",
    "load_blob",
    "load_library",
    "memory_info",
    "native_available",
    "native_problem",
    "native_program",
    "notice_once",
    "onednn_count",
    "pinned",
    "set_memory_limit",
    "set_num_threads",
    "statistics",
    "store_blob",
    "thread_info",
    "trim_memory",
    "updating",
]
