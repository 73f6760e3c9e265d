"""Compile and call whole programs, for tests, without symc's own call path."""

from __future__ import annotations

import ctypes
import functools
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from symc.codegen.program_c import program_source
from tests.codegen.harness import (
    COMPILER,
    FLAGS,
    INCLUDES,
    PACKAGE,
    CallError,
    SyCall,
    compile_text,
)

BLAS_NAMES = (
    *("sgemm", "dgemm", "cgemm", "zgemm"),
    *("sgemv", "dgemv", "cgemv", "zgemv"),
    *("sger", "dger", "cgeru", "zgeru"),
    *("sdot", "ddot"),
)
FOREIGN = ctypes.CFUNCTYPE(
    ctypes.c_int,
    ctypes.c_void_p,
    ctypes.c_int32,
    ctypes.POINTER(ctypes.c_void_p),
    ctypes.c_int32,
    ctypes.c_int32,
)
OUTPUT = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_int32)


class GuardViolationError(Exception):
    pass


class SyValue(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("n", ctypes.POINTER(ctypes.c_int64)),
        ("s", ctypes.POINTER(ctypes.c_int64)),
        ("object", ctypes.c_void_p),
    ]


def blas_table():
    from scipy.linalg import cython_blas

    get = ctypes.pythonapi.PyCapsule_GetPointer
    get.restype = ctypes.c_void_p
    get.argtypes = [ctypes.py_object, ctypes.c_char_p]
    name = ctypes.pythonapi.PyCapsule_GetName
    name.restype = ctypes.c_char_p
    name.argtypes = [ctypes.py_object]
    table = (ctypes.c_void_p * len(BLAS_NAMES))()
    for k, blas in enumerate(BLAS_NAMES):
        capsule = cython_blas.__pyx_capi__[blas]
        table[k] = get(capsule, name(capsule))
    return table


@functools.cache
def products_library():
    """The routines of the call path in a library of their own."""
    with tempfile.TemporaryDirectory() as folder:
        library = Path(folder, "products.so")
        texts = sorted(map(str, (PACKAGE / "runtime" / "csrc").glob("products_*.c")))
        threads = Path(folder, "threads.c")  # what blas.c tells the library that was loaded
        threads.write_text("int sy_blas_one(void) { return 1; }\nvoid sy_blas_many(void) {}\n")
        texts.append(str(threads))
        include = [f"-I{path}" for path in INCLUDES]
        command = [COMPILER, *FLAGS, *include, "-O1", "-shared", "-fPIC", "-o", str(library)]
        subprocess.run([*command, *texts], check=True, capture_output=True)
        loaded = ctypes.CDLL(str(library))
    loaded.sy_machine_products.restype = ctypes.c_void_p
    return loaded


class Compiled:
    """A compiled program that can be called.

    `vector_bytes` is the widest vector that products of matrices may use.
    """

    def __init__(self, program, folder, flags=("-O1",), vector_bytes=64):
        self.program = program
        self.products = ctypes.c_void_p(products_library().sy_machine_products(vector_bytes))
        self.source = program_source(program)
        texts = [unit.text for unit in self.source.units]
        texts[0] += '\n#include "driver.h"\n'
        self.library = compile_text(*texts, folder=folder, flags=flags)
        self.keep = []

    def _value(self, array, ndim=None):
        if not isinstance(array, np.ndarray):
            self.keep.append(array)
            return SyValue(object=id(array))
        n = (ctypes.c_int64 * max(1, array.ndim))(*array.shape)
        strides = [s // array.itemsize for s in array.strides]
        fixed = np.empty(array.shape, dtype=np.int8).strides
        for d in range(array.ndim):
            if array.size == 0 or array.shape[d] == 1:
                strides[d] = fixed[d]
        s = (ctypes.c_int64 * max(1, array.ndim))(*strides)
        self.keep += [n, s, array]
        return SyValue(array.ctypes.data, n, s, None)

    def _as_asked(self, array, buffer):
        """The call path copies inputs that the program wants to be contiguous."""
        wanted = self.program.buffers[buffer].contiguous and isinstance(array, np.ndarray)
        return np.array(array, order="C", copy=None) if wanted else array

    def _blank(self, ndim):
        n = (ctypes.c_int64 * max(1, ndim))()
        s = (ctypes.c_int64 * max(1, ndim))()
        self.keep += [n, s]
        return SyValue(None, n, s, None)

    def __call__(self, inputs, shared=(), threads=1):
        """Returns outputs and (position, value) of updates, as run_program."""
        p = self.program
        self.keep = []
        consts = sorted((b for b in p.buffers if b.kind == "const"), key=lambda b: b.position)
        inputs = [self._as_asked(a, b) for a, b in zip(inputs, p.inputs, strict=True)]
        given = [*inputs, *shared, *[b.data for b in consts]]
        values = (SyValue * max(1, len(given)))(*[self._value(a) for a in given])
        fresh = [
            (k, b)
            for (k, b), (_, how) in zip(p.updates, self.source.updates, strict=False)
            if how != "inplace"
        ]
        results = [*p.outputs, *[b for _, b in fresh]]
        hows = [h for h, _ in self.source.outputs]
        hows += [h for _, h in self.source.updates if h != "inplace"]
        out = (SyValue * max(1, len(results)))(
            *[self._blank(len(p.buffers[b].shape)) for b in results]
        )
        sizes = (ctypes.c_int64 * max(1, self.source.sizes))()
        slot_bytes = (ctypes.c_int64 * max(1, len(p.slots)))()
        offsets = (ctypes.c_int64 * max(1, len(p.slots)))()
        call = SyCall(threads=threads)
        for field, store in (
            ("in_", values),
            ("out", out),
            ("size", sizes),
            ("slot_bytes", slot_bytes),
            ("slot_offset", offsets),
        ):
            setattr(call, field, ctypes.cast(store, ctypes.c_void_p))
        arrays = {}

        def allocate(k):
            ndim = len(p.buffers[results[k]].shape)
            shape = tuple(out[k].n[d] for d in range(ndim))
            arrays[k] = np.empty(shape, dtype=p.buffers[results[k]].dtype)
            arrays[k].view(np.uint8).fill(0xA5) if arrays[k].ndim else None
            out[k].data = arrays[k].ctypes.data
            for d in range(ndim):
                out[k].s[d] = arrays[k].strides[d] // arrays[k].itemsize
            return 0

        foreign = FOREIGN(lambda c, step, args, nin, nout: self._foreign(step, args, nin, nout))
        output = OUTPUT(lambda c, k: allocate(k))
        self.library.driver_setup(
            ctypes.byref(call), foreign, output, blas_table(), self.products
        )
        code = self.library.symc_prologue(ctypes.byref(call))
        if code == 1:
            raise GuardViolationError
        self._raise(call, code)
        total = 0
        for k in range(len(p.slots)):
            offsets[k] = total
            total += (slot_bytes[k] + 63) // 64 * 64
        arena = np.full(total + 128, 0xA5, dtype=np.uint8)
        call.arena = (arena.ctypes.data + 63) // 64 * 64
        for k, how in enumerate(hows):
            if how == "fresh":
                allocate(k)
        self._raise(call, self.library.symc_body(ctypes.byref(call)))
        final = []
        for k, how in enumerate(hows):
            if how == "object":
                final.append(ctypes.cast(out[k].object, ctypes.py_object).value)
            elif how == "input":
                final.append(inputs[self.source.outputs[k][1]])
            else:
                final.append(arrays.get(k) if k in arrays else self._seen(out[k], results[k]))
        updates = dict(zip([k for k, _ in fresh], final[len(p.outputs) :], strict=False))
        self.work = call.work
        return final[: len(p.outputs)], [
            (k, updates[k] if k in updates else shared[k]) for k, _ in p.updates
        ]

    def _raise(self, call, code):
        if code:
            raise CallError(call.error.code, call.error.where, list(call.error.v))

    def _seen(self, value, buffer):
        record = self.program.buffers[buffer]
        ndim = len(record.shape)
        shape = tuple(value.n[d] for d in range(ndim))
        dtype = np.dtype(record.dtype)
        strides = tuple(value.s[d] * dtype.itemsize for d in range(ndim))
        return array_at(value.data, shape, dtype, strides).copy()

    def _foreign(self, number, args, nin, nout):
        step = self.program.steps[self.source.foreign[number]]
        values = [ctypes.cast(args[k], ctypes.POINTER(SyValue)).contents for k in range(nin + nout)]
        inputs = []
        for b, v in zip(step.inputs, values, strict=False):
            if self.program.buffers[b].dtype == "object":
                inputs.append(ctypes.cast(v.object, ctypes.py_object).value)
            else:
                inputs.append(self._seen(v, b))
        for b, v, result in zip(step.outputs, values[nin:], step.call(inputs), strict=False):
            record = self.program.buffers[b]
            self.keep.append(result)
            if record.dtype == "object":
                v.object = id(result)
            elif record.kind == "dynamic":
                v.data = result.ctypes.data
                for d in range(result.ndim):
                    v.n[d], v.s[d] = result.shape[d], result.strides[d] // result.itemsize
            else:
                shape = tuple(v.n[d] for d in range(result.ndim))
                dtype = np.dtype(record.dtype)
                strides = tuple(v.s[d] * dtype.itemsize for d in range(result.ndim))
                array_at(v.data, shape, dtype, strides)[...] = result
        return 0


def array_at(address, shape, dtype, strides):
    if 0 in shape:
        return np.empty(shape, dtype)
    low = sum(min(0, s * (n - 1)) for s, n in zip(strides, shape, strict=False))
    high = sum(max(0, s * (n - 1)) for s, n in zip(strides, shape, strict=False)) + dtype.itemsize
    memory = (ctypes.c_char * (high - low)).from_address(address + low)
    return np.ndarray(shape, dtype, memory, -low, strides)


__all__ = ["INCLUDES", "CallError", "Compiled", "GuardViolationError"]
