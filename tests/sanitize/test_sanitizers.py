"""Compiled programs under the address and undefined-behaviour sanitizers of gcc."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from symc.runtime import native_available

ROOT = Path(__file__).resolve().parents[2]
OPTIONS = "-fsanitize=address -fsanitize=undefined -fno-sanitize-recover=undefined -O1"


def _runtime(name: str) -> str | None:
    """Path of a sanitizer's library, or None where gcc has none."""
    if not shutil.which("gcc"):
        return None
    command = ["gcc", f"-print-file-name={name}"]
    path = subprocess.check_output(command, text=True).strip()
    return path if Path(path).is_absolute() else None


def _run(tmp_path, *command):
    libraries = [_runtime("libasan.so"), _runtime("libubsan.so")]
    if None in libraries or not native_available():
        pytest.skip("needs gcc with its sanitizers and the extension")
    environment = {
        **os.environ,
        "LD_PRELOAD": " ".join(map(str, libraries)),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONMALLOC": "malloc",
        "PYTHONPATH": str(ROOT),
        "SYMC_FLAGS": f"cc={shutil.which('gcc')},base_compiledir={tmp_path},"
        f"gcc.cxxflags={OPTIONS},on_opt_error=raise",
    }
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip


OUT_OF_BOUNDS = """
import numpy as np
from tests.runtime.programs import AFFINE, VECTOR_IN, VECTOR_OUT, function
text = AFFINE.replace("x[i *", "x[(i + 3) *")
assert text != AFFINE
function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])(np.arange(3.0))
"""


def test_programs_of_every_family_are_clean(tmp_path):
    done = _run(tmp_path, str(Path(__file__).with_name("programs.py")))
    assert done.returncode == 0, done.stderr[-4000:]
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "compiled"
    assert int(last[1]) > 5  # the sanitized programs have run, and not the NumPy path


def test_an_access_out_of_bounds_is_seen(tmp_path):
    done = _run(tmp_path, "-c", OUT_OF_BOUNDS)
    assert done.returncode != 0
    assert "heap-buffer-overflow" in done.stderr
