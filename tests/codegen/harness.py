"""Compile and call nests, for tests: no part of symc's own call path is used."""

from __future__ import annotations

import ctypes
import hashlib
import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np

import symc
from symc.codegen.cstyle import outlined_text, print_nest
from symc.loop.evaluate import size_value

PACKAGE = Path(symc.__file__).parent
INCLUDES = [
    PACKAGE / "codegen" / "include",
    PACKAGE / "scalar" / "include",
    PACKAGE / "runtime" / "csrc",
    Path(__file__).parent,
]
FLAGS = [
    "-std=gnu11",
    "-ffp-contract=off",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fwrapv",
    "-fno-strict-aliasing",
    "-fopenmp-simd",
    "-Wall",
    "-Wno-unused",
]
COMPILER = shutil.which("gcc") or shutil.which("cc")


class CallError(Exception):
    """A compiled function recorded an error: (code, where, values)."""


class SyError(ctypes.Structure):
    _fields_ = [
        ("code", ctypes.c_int32),
        ("where", ctypes.c_int32),
        ("v", ctypes.c_int64 * 8),
    ]


class SyCall(ctypes.Structure):
    _fields_ = [
        ("api", ctypes.c_void_p),
        ("in_", ctypes.c_void_p),
        ("out", ctypes.c_void_p),
        ("size", ctypes.c_void_p),
        ("slot_bytes", ctypes.c_void_p),
        ("slot_offset", ctypes.c_void_p),
        ("arena", ctypes.c_void_p),
        ("work", ctypes.c_double),
        ("threads", ctypes.c_int),
        ("failed", ctypes.c_int32),
        ("error", SyError),
        ("frame", ctypes.c_void_p),
    ]


def compile_text(*texts, folder, flags=("-O1",)):
    """A ctypes library made of `texts`."""
    joined = "".join(texts) + " ".join(flags)
    key = hashlib.sha1(joined.encode()).hexdigest()[:16]
    library = Path(folder) / f"{key}.so"
    if not library.exists():
        sources = [Path(folder) / f"{key}_{k}.c" for k in range(len(texts))]
        for source, text in zip(sources, texts, strict=True):
            source.write_text(text)
        command = [COMPILER, *FLAGS, *flags, *[f"-I{p}" for p in INCLUDES]]
        command += ["-shared", "-fPIC", "-o", str(library), *map(str, sources)]
        command += ["-lm", "-lpthread"]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr[:3000])
    return ctypes.CDLL(str(library))


def nest_text(nests, aliased=frozenset()):
    """C text with one entry function per nest, ``entry_k(c, pointers, integers)``."""
    parts = ['#include "driver.h"\n#include "sy_arrays.h"\n#define SY_KERNEL static\n']
    functions = []
    for number, nest in enumerate(nests):
        function = print_nest(nest, aliased)
        functions.append(function)
        parts.append(function.text.replace("@", f"f{number}"))
        arguments = ["c"] + (["7"] if function.fallible else [])
        for k, parameter in enumerate(function.parameters):
            arguments.append(f"(void *)p[{k}]" if parameter.kind == "data" else f"n[{k}]")
        parts.append(
            f"int entry_{number}(sy_call *c, char **p, int64_t *n) {{ c->api = &driver_api; "
            f"f{number}({', '.join(arguments)}); return c->failed; }}\n"
        )
    parts.insert(1, outlined_text(set().union(*[f.outlined for f in functions])))
    return "".join(parts), functions


def call_nest(library, number, function, nest, arrays, sizes, threads=1):
    """Run compiled nest `number` on arrays by operand key."""
    given = {n: size_value(e, lambda leaf: np.int64(sizes(leaf.payload))) for n, e in nest.sizes}
    count = max(1, len(function.parameters))
    pointers = (ctypes.c_void_p * count)()
    integers = (ctypes.c_int64 * count)()
    for k, p in enumerate(function.parameters):
        if p.kind == "data":
            pointers[k] = arrays[p.name].ctypes.data
        elif p.kind == "size":
            integers[k] = given[p.name]
        elif p.kind == "dim":
            integers[k] = arrays[p.name].shape[p.axis]
        else:
            integers[k] = arrays[p.name].strides[p.axis] // arrays[p.name].itemsize
    call = SyCall(threads=threads)
    if getattr(library, f"entry_{number}")(ctypes.byref(call), pointers, integers):
        e = call.error
        raise CallError(e.code, e.where, list(e.v))


_counter = itertools.count()


def run_nests(nests, arrays, sizes, folder, flags=("-O1",), threads=1):
    """Compile `nests` and run each on its own copy of `arrays`; returns the copies."""
    text, functions = nest_text(nests)
    library = compile_text(text, folder=folder, flags=flags)
    results = []
    for number, (nest, function) in enumerate(zip(nests, functions, strict=False)):
        own = {key: copy_with_strides(a) for key, a in arrays.items()}
        call_nest(library, number, function, nest, own, sizes, threads)
        results.append(own)
    return results


def copy_with_strides(a):
    """A copy with the same strides."""
    if a.size == 0 or a.flags.c_contiguous:
        return a.copy()
    low = sum(min(0, s * (n - 1)) for s, n in zip(a.strides, a.shape, strict=False))
    high = sum(max(0, s * (n - 1)) for s, n in zip(a.strides, a.shape, strict=False)) + a.itemsize
    memory = np.empty(high - low, dtype=np.uint8)
    view = np.ndarray(a.shape, a.dtype, memory, -low, a.strides)
    view[...] = a
    return view
