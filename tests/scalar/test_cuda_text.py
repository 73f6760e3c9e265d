"""The CUDA text of every real record compiles; no GPU is needed."""

import shutil
import subprocess

import pytest

from symc.dtypes import DTYPES
from symc.scalar.formal import render
from symc.scalar.op import REGISTRY
from tests.scalar.cunit import INCLUDE, accepts, arity, compiler, expression

TYPES = ("float32", "float64", "int32", "int64", "uint8", "bool")


def kernel_text(name, dtype):
    root = expression(name, dtype)
    storage, result = DTYPES[dtype].storage, DTYPES[root.dtype].storage
    count = arity(REGISTRY[name])
    parameters = ", ".join(f"const {storage} *a{i}" for i in range(count))
    text = render(root, [f"a{i}[i]" for i in range(count)], "cuda")
    return (
        f'extern "C" __global__ void k_{name}_{dtype}({parameters}, {result} *out) {{\n'
        f"  int i = threadIdx.x;\n  out[i] = {text};\n}}\n"
    )


def is_real(name, dtype):
    record = expression(name, dtype).dtype
    return DTYPES[record].kind != "c" and record != "float16"


@pytest.mark.slow
@pytest.mark.skipif(
    shutil.which("nvcc") is None or compiler() is None, reason="needs nvcc and its host's compiler"
)
def test_every_real_record_compiles(tmp_path):
    texts = [
        kernel_text(name, dtype)
        for name, op in REGISTRY.items()
        for dtype in TYPES
        if accepts(op, dtype) and is_real(name, dtype)
    ]
    assert len(texts) > 300
    source = tmp_path / "records.cu"
    source.write_text('#include "special.h"\n#include "sy_sampling.h"\n' + "".join(texts))
    done = subprocess.run(
        ["nvcc", "-std=c++17", "-ptx", f"-I{INCLUDE}", "-o", str(tmp_path / "records.ptx"), source],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[:4000]
    ptx = (tmp_path / "records.ptx").read_text()
    assert ptx.count(".visible .entry k_") == len(texts)
