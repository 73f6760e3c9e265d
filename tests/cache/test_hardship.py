"""A full disk, no home, a plain locale, other processes, an end while functions run."""

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
resource.setrlimit(resource.RLIMIT_FSIZE, ({room}, {room}))
"""

NOTICE = """
print(str(notices[0].message))
"""

FORBIDDEN = """
from symc.runtime import native
def refuse(path):
    raise OSError(f"{path}: failed to map segment from shared object")
class Forbidding:
    def __getattr__(self, name):
        return refuse if name == "Library" else getattr(native_callpath, name)
native_callpath, native.callpath = native.callpath, Forbidding()
"""

POOLS = """
import multiprocessing
large = np.linspace(0, 1, 400_000)
f = check(2.0)
f(large)  # threads run before the fork
for method in "fork", "spawn":
    with multiprocessing.get_context(method).Pool(2) as pool:
        for got in pool.map(f, [large, large]):
            np.testing.assert_allclose(got, 2 * np.exp(large))
print("both", symc.runtime.statistics()["compiled"])
"""

CALLS_IN_CALLS = """
from symc.graph.node import Apply
from symc.graph.op import Op
large = np.linspace(0, 1, 400_000)
inner = check(2.0)
class Calling(Op):
    __props__ = ()
    def make_node(self, x):
        return Apply(self, [x], [x.type()])
    def perform(self, node, inputs, storage):
        (x,) = inputs
        storage[0][0] = inner(x) if x[0] > 2 else outer(x + 1)
    def infer_shape(self, node, shapes):
        return shapes
outer = symc.function([x], Calling()(T.tanh(x) + x) * 2 + T.sin(x))
def wanted(x):
    z = np.tanh(x) + x
    return (2 * np.exp(z) if z[0] > 2 else wanted(z + 1)) * 2 + np.sin(x)
failures = []
def again():
    for _ in range(3):
        if not np.allclose(outer(large), wanted(large)):
            failures.append(1)
threads = [threading.Thread(target=again) for _ in range(4)]
for t in threads: t.start()
for t in threads: t.join()
print(len(failures))
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
    program = FULL_DISK.format(room=4096) + TWO_FUNCTIONS
    assert run(tmp_path, program) == "1 0"  # one notice, NumPy's path


def test_a_disk_without_room_to_try_the_compiler(tmp_path):
    count, notice = run(tmp_path, FULL_DISK.format(room=0) + TWO_FUNCTIONS + NOTICE).split("\n")
    assert count == "1 0"
    assert "no room on disk to try the C compiler: " in notice


def test_a_directory_that_forbids_running_programs(tmp_path):
    count, notice = run(tmp_path, FORBIDDEN + TWO_FUNCTIONS + NOTICE).split("\n")
    assert count == "1 2"
    assert "can't be loaded: " in notice
    assert "failed to map segment" in notice


def test_no_home_and_no_place_for_temporary_files(tmp_path):
    (tmp_path / "file").touch()  # no directory can be made below it, by whomever
    variables = {"HOME": f"{tmp_path}/file/home", "TMPDIR": f"{tmp_path}/file/tmp"}
    without = ("SYMC_FLAGS", "XDG_CACHE_HOME")
    assert run(tmp_path, TWO_FUNCTIONS, without, **variables) == "0 2"


def test_a_plain_locale_and_a_name_it_can_not_spell(tmp_path):
    place = tmp_path / "Größe 大"
    place.mkdir()
    variables = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    assert run(place, TWO_FUNCTIONS, **variables) == "0 2"


def test_a_forked_child_calls_and_compiles(tmp_path):
    assert run(tmp_path, FORKED_CHILD) == "0"


def test_pools_of_forked_and_of_spawned_processes(tmp_path):
    assert run(tmp_path, POOLS) == "both 1"


def test_compiled_functions_call_compiled_functions(tmp_path):
    flags = f"base_compiledir={tmp_path},num_threads=3"
    assert run(tmp_path, CALLS_IN_CALLS, SYMC_FLAGS=flags) == "0"


def test_the_end_while_functions_run(tmp_path):
    assert run(tmp_path, END_WHILE_RUNNING) == "end"
