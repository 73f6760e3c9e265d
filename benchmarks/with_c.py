"""Loops written by hand in C, with the BLAS of SciPy: what a compiler could do at best."""

from __future__ import annotations

import ctypes
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from scipy.linalg import cython_blas

SOURCE = Path(__file__).resolve().parent / "gru.c"
FLAGS = ("-O3", "-march=native", "-ffast-math", "-fopenmp-simd", "-shared", "-fPIC")
"""With them gcc takes exponentials and hyperbolic tangents from libmvec, as vectors."""


def _library() -> ctypes.CDLL | None:
    """The compiled source; None where there is no compiler."""
    compiler = shutil.which("gcc") or shutil.which("cc")
    if compiler is None:
        return None
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "gru.so")
        subprocess.run([compiler, *FLAGS, str(SOURCE), "-o", str(path), "-lm"], check=True)
        return ctypes.CDLL(str(path))


def _sgemm() -> int:
    """The address of the routine in SciPy's BLAS."""
    capsule = cython_blas.__pyx_capi__["sgemm"]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype, name.argtypes = ctypes.c_char_p, [ctypes.py_object]
    pointer = ctypes.pythonapi.PyCapsule_GetPointer
    pointer.restype, pointer.argtypes = ctypes.c_void_p, [ctypes.py_object, ctypes.c_char_p]
    return int(pointer(capsule, name(capsule)))


def make(case: Any, operands: list[Any]) -> Callable[[], Any] | None:
    """A function of no arguments that does the work once."""
    library = _library() if case.name == "gru" else None
    if library is None:
        return None
    x, w = operands
    steps, batch, wide = x.shape
    n = wide // 3
    shapes = [w.shape, (steps + 1, batch, n), x.shape, x.shape, x.shape, (batch, n)]
    arrays = [x, w, *(np.empty(shape, "float32") for shape in shapes)]
    run = library.gru
    run.restype = ctypes.c_float
    run.argtypes = [ctypes.c_void_p, *[ctypes.c_int] * 3, *[ctypes.c_void_p] * len(arrays)]
    sgemm = _sgemm()

    def work() -> Any:
        total = run(sgemm, steps, batch, n, *(a.ctypes.data for a in arrays))
        return total, arrays[2]

    return work
