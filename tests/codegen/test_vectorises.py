"""Flat kernels of vector records become vector code."""

from __future__ import annotations

import shutil
import subprocess

import numpy as np
import pytest

import symc.scalar.arith
import symc.scalar.math
import symc.scalar.special  # noqa: F401
from symc.codegen.place import Placer
from symc.codegen.prepare import prepare
from symc.codegen.schedule_c import elementwise
from symc.codegen.target import DEFAULT
from symc.scalar.op import REGISTRY
from tests.codegen import kernels as K
from tests.codegen.harness import COMPILER, FLAGS, INCLUDES, nest_text
from tests.codegen.test_schedules import check_all

pytestmark = pytest.mark.skipif(
    COMPILER is None or not COMPILER.endswith("gcc"), reason="-fopt-info is gcc's"
)

WIDE = ("-mavx2", "-mfma", "-O2", "-fopt-info-vec-optimized")


def flat(op, dtype):
    """z = op(x, y, ...) over a vector."""
    m = K.Maker()
    count = 2 if op.nin < 0 else op.nin
    args = [m.load(f"x{k}", "a", dtype) for k in range(count)]
    value = m.op(op.name, *args)
    stage = K.Stage("outer", (), (m.store("z", "a", value),))
    case = m.case(op.name, "a", "", [stage], ("z",), None)
    return elementwise(Placer(prepare(case.kernel, case.shapes), flat=True), DEFAULT)


def vectorised_functions(nests, tmp_path):
    """Numbers of the nests in which gcc reports a vectorised loop."""
    text, _ = nest_text(nests)
    source = tmp_path / "unit.c"
    source.write_text(text)
    command = [COMPILER, *FLAGS, *WIDE, *[f"-I{p}" for p in INCLUDES], "-c", "-fPIC"]
    done = subprocess.run(
        [*command, "-o", str(tmp_path / "unit.o"), str(source)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[:2000]
    lines = {
        int(line.split(":")[1])
        for line in done.stderr.splitlines()
        if "loop vectorized" in line and line.startswith(str(source))
    }
    owner, found = None, set()
    for number, line in enumerate(text.splitlines(), 1):
        if line.startswith("static void f") and "_b0(" in line:
            owner = int(line.split("static void f")[1].split("_b0")[0])
        if number in lines and owner is not None:
            found.add(owner)
    return found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_vector_records_vectorise(dtype, tmp_path):
    names = [n for n, op in REGISTRY.items() if op.vector and "f" in op.kinds and op.nin != 0]
    names = [n for n in names if n not in ("switch", "second", "identity")]
    # Which conversions have vector instructions depends on the processor (within_two makes a
    # double of an int64).
    names = [n for n in names if not n.startswith("convert_to_") and n != "within_two"]
    nests = [flat(REGISTRY[n], dtype) for n in names]
    found = vectorised_functions(nests, tmp_path)
    missing = [n for k, n in enumerate(names) if k not in found]
    assert not missing, f"scalar code for {missing}"


@pytest.mark.parametrize("make", [K.softmax, K.normalised, K.arithmetic])
def test_kernels_vectorise(make, tmp_path):
    case = make("float32")
    nests = [n for k, n in case.nests().items() if k != "strided"]
    assert vectorised_functions(nests, tmp_path) == set(range(len(nests)))


@pytest.mark.parametrize("which", ["sum", "max", "argmax"])
def test_reductions_vectorise(which, tmp_path):
    make = {"sum": K.sum_of, "max": K.max_of}.get(which)
    case = make("float32", "a", "b", "ab") if make else K.arg_of(which, "float32", "a", "b", "ab")
    nests = [n for k, n in case.nests().items() if k not in ("strided", "full")]
    assert vectorised_functions(nests, tmp_path) == set(range(len(nests)))


@pytest.mark.skipif(shutil.which("objdump") is None, reason="no objdump")
def test_many_functions_are_called_in_vectors(tmp_path):
    """A kernel with many dear functions has one function for strips of each, and calls it."""
    m = K.Maker()
    x = m.load("x", "a", "float64")
    for _ in range(10):
        x = m.op("tanh", m.op("exp", x))
    stage = K.Stage("outer", (), (m.store("z", "a", x),))
    case = m.case("many", "a", "", [stage], ("z",), lambda v: (many(v["x"]),))
    nest = case.nests()["flat"]
    text, _ = nest_text([nest])
    assert text.count("void sy_strip_tanh_f64(double *to, const double *from, int64_t n)") == 1
    assert text.count("  sy_strip_tanh_f64(") == 9  # the last one is where the result is stored
    assert vectorised_functions([nest], tmp_path) == {0}
    listing = subprocess.run(
        ["objdump", "-dr", str(tmp_path / "unit.o")], capture_output=True, text=True
    ).stdout
    assert sum("R_" in line and "sy_strip_" in line for line in listing.splitlines()) >= 19
    check_all([case], tmp_path, ("-O1", "-mavx2", "-mfma"))


def many(x):
    for _ in range(10):
        x = np.tanh(np.exp(x))
    return x
