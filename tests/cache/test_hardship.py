"""A full disk, no home, a plain locale, a forked child, an end while functions run."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from symc.runtime import native_available

ROOT = Path(__file__).resolve().parents[2]

HEAD = """
import os, threading, time, warnings
import numpy as np
import symc, symc.tensor as T
x = T.dvector()
ones = np.ones(3)
def check(factor):
    f = symc.function([x], T.exp(x) * factor)
    np.testing.assert_allclose(f(ones), factor * np.exp(ones))
    return f
"""

TWO_FUNCTIONS = """
with warnings.catch_warnings(record=True) as notices:
    warnings.simplefilter("always")
    check(2.0), check(3.0)
print(len(notices), symc.runtime.statistics()["compiled"])
"""

FULL_DISK = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
"""

FORKED_CHILD = """
f = check(2.0)
child = os.fork()
if not child:
    try:
        check(5.0)
        np.testing.assert_allclose(f(ones), 2 * np.exp(ones))
        os._exit(0)
    finally:
        os._exit(1)
print(os.waitpid(child, 0)[1])
"""

END_WHILE_RUNNING = """
f = check(2.0)
large = np.ones(1_000_000)
def again():
    while True:
        f(large)
for _ in range(3):
    threading.Thread(target=again, daemon=True).start()
time.sleep(0.2)
print("end")
"""


def run(tmp_path, body, without=(), **variables):
    environment = {**os.environ, "SYMC_FLAGS": f"base_compiledir={tmp_path}", **variables}
    for name in without:
        environment.pop(name, None)
    environment["PYTHONPATH"] = str(ROOT)
    done = subprocess.run(
        [sys.executable, "-c", HEAD + body], env=environment, cwd=tmp_path, timeout=120,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture(autouse=True)
def _native():
    if not native_available() or sys.platform != "linux":
        pytest.skip("needs native code on Linux")


def test_a_disk_without_room(tmp_path):
    assert run(tmp_path, FULL_DISK + TWO_FUNCTIONS) == "1 0"  # one notice, NumPy's path


def test_no_home_and_no_place_for_temporary_files(tmp_path):
    variables = {"HOME": "/nonexistent/home", "TMPDIR": "/nonexistent/tmp"}
    without = ("SYMC_FLAGS", "XDG_CACHE_HOME")
    assert run(tmp_path, TWO_FUNCTIONS, without, **variables) == "0 2"


def test_a_plain_locale_and_a_name_it_can_not_spell(tmp_path):
    place = tmp_path / "Größe 大"
    place.mkdir()
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert run(place, TWO_FUNCTIONS, **variables) == "0 2"


def test_a_forked_child_calls_and_compiles(tmp_path):
    assert run(tmp_path, FORKED_CHILD) == "0"


def test_the_end_while_functions_run(tmp_path):
    assert run(tmp_path, END_WHILE_RUNNING) == "end"
