"""Compiled programs under the sanitizers of gcc: address and undefined behaviour; threads."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from symc.runtime import native_available
from tests.runtime.sanitize import KINDS, OUT_OF_BOUNDS, library

ROOT = Path(__file__).resolve().parents[2]
ADDRESS, THREAD = KINDS["address"], KINDS["thread"]


def _needs(*libraries):
    if None in map(library, libraries) or not native_available():
        pytest.skip("needs gcc with its sanitizers and the extension")


def _run(tmp_path, *command):
    _needs(*ADDRESS.libraries)
    options = " ".join((*ADDRESS.flags, "-O1"))
    environment = {
        **os.environ,
        **ADDRESS.variables,
        "LD_PRELOAD": " ".join(str(library(name)) for name in ADDRESS.libraries),
        "PYTHONPATH": str(ROOT),
        "SYMC_FLAGS": f"cc={shutil.which('gcc')},base_compiledir={tmp_path},"
        f"gcc.cxxflags={options},on_opt_error=raise",
    }
    return subprocess.run(
        [sys.executable, *command], env=environment, cwd=ROOT, capture_output=True, text=True,
        timeout=280, check=False,
    )  # fmt: skip


def test_programs_of_every_family_are_clean(tmp_path):
    done = _run(tmp_path, str(Path(__file__).with_name("programs.py")))
    assert done.returncode == 0, done.stderr[-4000:]
    last = done.stdout.splitlines()[-1].split()
    assert last[0] == "compiled"
    assert int(last[1]) > 15  # the sanitized programs have run, and not the NumPy path


def test_an_access_out_of_bounds_is_seen(tmp_path):
    done = _run(tmp_path, "-c", OUT_OF_BOUNDS)
    assert done.returncode != 0
    assert ADDRESS.report in done.stderr


def test_threads_are_clean():
    _needs(*THREAD.libraries)
    script = str(Path(__file__).parents[1] / "runtime" / "sanitize.py")
    done = subprocess.run(
        [sys.executable, script, "thread"], cwd=ROOT, capture_output=True, text=True, timeout=400,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-4000:]
    assert "threads clean" in done.stdout
