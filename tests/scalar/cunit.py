"""Compile every scalar record for every dtype it accepts, as one C unit."""

import ctypes
import shutil
import subprocess
from pathlib import Path

import numpy as np

import symc.scalar
from symc.dtypes import DTYPES
from symc.errors import DTypeError
from symc.scalar.expr import Context
from symc.scalar.formal import render
from symc.scalar.op import REGISTRY

INCLUDE = Path(symc.scalar.__file__).parent / "include"
FLAGS = (
    "-std=gnu11 -O1 -march=native -fPIC -shared -ffp-contract=off -fno-math-errno "
    "-fno-trapping-math -fwrapv -fno-strict-aliasing -fno-builtin-sin -fno-builtin-cos -Wall "
    "-Wno-unused -Wno-parentheses -Werror"
).split()


def compiler():
    """Path of a C compiler, or None."""
    return shutil.which("gcc") or shutil.which("cc") or shutil.which("clang")


def arity(op):
    return 2 if op.nin < 0 else op.nin


def accepts(op, dtype):
    """Whether the op takes operands that are all of this dtype."""
    try:
        op.signature(*[dtype] * arity(op))
    except DTypeError:
        return False
    return True


def cases():
    """All pairs of a record's name and a dtype that it accepts."""
    return [(name, d) for name, op in REGISTRY.items() for d in DTYPES if accepts(op, d)]


def expression(name, dtype, count=None):
    """The record applied to ``arg`` leaves of one dtype."""
    op = REGISTRY[name]
    ctx = Context()
    return ctx.call(op, [ctx.arg(i, dtype) for i in range(count or arity(op))])


def function_text(name, dtype, qualifier=""):
    root = expression(name, dtype)
    count = arity(REGISTRY[name])
    storage, result = DTYPES[dtype].storage, DTYPES[root.dtype].storage
    parameters = ", ".join(f"const {storage} *a{i}" for i in range(count))
    text = render(root, [f"a{i}[i]" for i in range(count)])
    return (
        f"{qualifier}void test_{name}_{dtype}(int64_t n, {parameters}, {result} *restrict out) {{\n"
        f"  for (int64_t i = 0; i < n; i++) out[i] = {text};\n}}\n"
    )


def unit_text(which):
    head = '#include <complex.h>\n#undef I\n#include "special.h"\n#include "sy_sampling.h"\n'
    return head + "".join(function_text(name, dtype) for name, dtype in which)


class Unit:
    """The compiled unit."""

    def __init__(self, folder, which):
        source = Path(folder) / "records.c"
        library = Path(folder) / "records.so"
        source.write_text(unit_text(which))
        command = [compiler(), *FLAGS, f"-I{INCLUDE}", str(source), "-o", str(library), "-lm"]
        done = subprocess.run(command, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr[:4000]
        self.library = ctypes.CDLL(str(library))

    def __call__(self, name, *arrays):
        """Evaluate a record on contiguous arrays of one dtype and length."""
        dtype = arrays[0].dtype.name
        out = np.empty(arrays[0].shape, expression(name, dtype).dtype)
        function = getattr(self.library, f"test_{name}_{dtype}")
        pointers = [ctypes.c_void_p(a.ctypes.data) for a in (*arrays, out)]
        function(ctypes.c_int64(out.size), *pointers)
        return out
