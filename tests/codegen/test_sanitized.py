"""Compiled nests touch no memory but their own: AddressSanitizer and UBSan."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.codegen.harness import COMPILER

SCRIPT = """
import sys
sys.path.insert(0, {root!r})
from tests.codegen import kernels as K
from tests.codegen.test_schedules import check_all
group = [K.gathered("float32"), K.padded("float64"), K.arithmetic("int8"), K.transposed("float32"),
         K.softmax("float32"), K.softmax("float64", "b", "a", "ab"), K.normalised("float32"),
         K.sum_of("float32", "", "ab", "ab"), K.sum_of("float32", "b", "a", "ab"),
         K.arg_of("argmax", "float32", "a", "b", "ab"), K.max_of("int16", "a", "b", "ab")]
check_all(group, {folder!r}, ("-O1", "-fsanitize=address,undefined",
                              "-fno-sanitize-recover=undefined"))
print("clean")
"""


def runtime(name):
    """Path of a sanitizer's runtime library, which must be loaded before Python."""
    if COMPILER is None:
        return None
    found = subprocess.run(
        [COMPILER, f"-print-file-name=lib{name}.so"], capture_output=True, text=True
    ).stdout.strip()
    return found if os.sep in found and Path(found).exists() else None


@pytest.mark.slow
@pytest.mark.skipif(not (runtime("asan") and runtime("ubsan")), reason="no sanitizers")
def test_kernels_are_clean(tmp_path):
    script = SCRIPT.format(root=str(Path(__file__).parents[2]), folder=str(tmp_path))
    environment = {
        **os.environ,
        "LD_PRELOAD": f"{runtime('asan')} {runtime('ubsan')}",
        "ASAN_OPTIONS": "detect_leaks=0",
    }
    done = subprocess.run(
        [sys.executable, "-c", script], env=environment, capture_output=True, text=True
    )
    assert done.stdout == "clean\n", done.stderr[-3000:]
