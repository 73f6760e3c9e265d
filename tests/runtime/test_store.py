"""The cache on disk: content addresses, damage, many processes, directories that don't work."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
import threading
import time
import warnings
from pathlib import Path

import numpy as np
import pytest

from symc.config import config
from symc.errors import CacheError, CompileError, CompilerMissing
from symc.runtime import (
    cache_dir,
    cache_entries,
    clear_cache,
    compile_library,
    compiler,
    digest_of,
    find_compiler,
    load_blob,
    load_library,
    native_available,
    native_program,
    notice,
    notice_once,
    statistics,
    store,
    store_blob,
    toolchain,
)
from tests.runtime.programs import AFFINE, HEAD, VECTOR_IN, VECTOR_OUT, PlainFunction, function

ROOT = Path(__file__).resolve().parents[2]


def files_of(directory: Path) -> list[Path]:
    return sorted(path for path in directory.rglob("*") if path.is_file())


def affine_works():
    f = function(AFFINE, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
    return f(np.arange(3.0)).tolist() == [1, 3, 5]


def compiled(action):
    """How many compilations `action` caused."""
    before = statistics()["compiled"]
    assert action()
    return statistics()["compiled"] - before


needs_native = pytest.mark.usefixtures("needs_native")
needs_compiler = pytest.mark.skipif(compiler() is None, reason="needs a C compiler")


# -- blobs and keys ---------------------------------------------------------------------------


def test_blobs_come_back(cache):
    assert load_blob("a") is None
    for content in [b"", b"x", bytes(range(256)) * 1000]:
        store_blob("a", content)
        store_blob("name with spaces / and slashes", content)
        assert load_blob("a") in (b"", b"x", content)
    assert load_blob("b") is None
    assert cache_dir() == cache
    assert {e.suffix for e in cache_entries()} == {".blob"}


def test_digests_separate_their_parts():
    assert digest_of("ab", "c") != digest_of("a", "bc")
    assert digest_of("a") == digest_of(b"a")
    assert digest_of("\udcff") != digest_of("?")
    assert len(digest_of()) == 32


@pytest.mark.parametrize("damage", ["flip", "cut", "empty", "grow"])
def test_damaged_blobs_are_not_returned(cache, damage):
    content = b"some content" * 20
    store_blob("a", content)
    (path,) = files_of(cache)
    data = bytearray(path.read_bytes())
    data[17] ^= 4
    path.write_bytes(
        {"flip": bytes(data), "cut": content[:40], "empty": b"", "grow": content + b"\0"}[damage]
    )
    assert load_blob("a") is None
    assert not path.exists()
    store_blob("a", content)
    assert load_blob("a") == content


def test_unused_entries_go_when_the_store_is_too_large(cache, monkeypatch):
    now = time.time()
    for k in range(8):
        store_blob(str(k), bytes([k]) * 300_000)
    monkeypatch.setattr(config, "cache_size_limit", 1)  # only now: storing cleans now and then
    for k, entry in enumerate(sorted(cache_entries(), key=lambda e: e.path.read_bytes()[0])):
        os.utime(entry.path, (now - 10_000 * (8 - k),) * 2)
    assert load_blob("0") is not None  # a use renews it
    removed = store.store.clean()
    assert removed == 5 * 300_000
    assert [k for k in range(8) if load_blob(str(k))] == [0, 6, 7]
    monkeypatch.setattr(config, "cache_size_limit", 0)
    assert store.store.clean() == 0
    assert clear_cache() == 900_000
    assert cache_entries() == []


def test_what_killed_processes_leave_is_removed(cache):
    store_blob("a", b"a")
    old, new = cache / "tmp-old", cache / "tmp-new"
    for directory in (old, new):
        directory.mkdir()
        (directory / "main.c").write_text("int x;")
    piece = files_of(cache)[0].parent / "tmp-piece"
    piece.write_bytes(b"half")
    for path in (old, piece):
        os.utime(path, (time.time() - 1e6,) * 2)
    store.store.clean()
    assert not old.exists()
    assert not piece.exists()
    assert new.exists()
    assert load_blob("a") == b"a"


# -- libraries --------------------------------------------------------------------------------


@needs_native
def test_the_second_time_no_compiler_runs(cache):
    assert compiled(affine_works) == 1
    assert compiled(affine_works) == 0


@needs_native
def test_what_changes_the_program_changes_the_key(cache):
    base = compile_library({"main": AFFINE})
    others = [
        compile_library({"main": AFFINE + "\n"}),
        compile_library({"main": AFFINE}, flags=["-DX=1"]),
        compile_library({"main": AFFINE}, levels={"main": "-O1"}),
        compile_library({"main": AFFINE}, headers={"extra.h": "int symc_extra;"}),
        compile_library({"other": AFFINE}),
        compile_library({"main": AFFINE}, libraries=[]),
    ]
    assert len({base, *others}) == 7
    assert compile_library({"main": AFFINE}) == base


@needs_native
def test_many_units_in_one_library(cache):
    sources = {f"unit{k}": f"int value{k}(void) {{ return {k}; }}" for k in range(5)}
    sources["main"] = (
        HEAD
        + "".join(f"int value{k}(void);" for k in range(5))
        + (
            "int symc_prologue(sy_call *c) { return SY_OK; }"
            "int symc_body(sy_call *c) {"
            " *(int64_t *)c->out[0].data = value0() + value1() + value2() + value3() + value4();"
            " return SY_OK; }"
        )
    )
    path = compile_library(sources, levels={"unit1": "-O0"})
    p = native_program(path, outputs=[("fresh", "int64", 0, -1)])
    assert PlainFunction(0, "single", [p])() == 10


@needs_native
def test_a_flipped_bit_in_every_file_is_repaired(cache):
    rng = np.random.default_rng(0)
    assert affine_works()
    for _ in range(3):
        toolchain.forget_compilers()
        for path in files_of(cache):
            data = bytearray(path.read_bytes())
            data[rng.integers(len(data))] ^= 1 << rng.integers(8)
            path.write_bytes(data)
        assert compiled(affine_works) == 1
        assert compiled(affine_works) == 0


@needs_native
def test_truncated_files_are_repaired(cache):
    assert affine_works()
    for length in [0, 1, 100, 5000]:
        for path in files_of(cache):
            path.write_bytes(path.read_bytes()[:length])
        assert compiled(affine_works) == 1


@needs_native
def test_a_vanished_cache_is_made_again(cache):
    assert affine_works()
    for path in files_of(cache):
        path.unlink()
    assert compiled(affine_works) == 1


@needs_native
@pytest.mark.parametrize("name", ["with spaces and 'quotes'", "größe-日本語", "a" * 200])
def test_odd_directory_names(tmp_path, monkeypatch, name):
    monkeypatch.setattr(config, "base_compiledir", str(tmp_path / name))
    assert compiled(affine_works) == 1
    assert compiled(affine_works) == 0
    assert any(path.suffix == ".so" for path in files_of(tmp_path / name))


@needs_native
def test_a_directory_that_can_not_be_made(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setattr(config, "base_compiledir", str(tmp_path / "file"))
    monkeypatch.setattr(store.store, "_private", None)
    toolchain.forget_compilers()
    assert compiled(affine_works) == 1
    assert compiled(affine_works) == 0  # from the private directory
    assert cache_entries() == []
    toolchain.forget_compilers()


@needs_native
def test_a_read_only_cache_is_read(cache, monkeypatch):
    assert affine_works()
    monkeypatch.setattr(store.store, "_private", None)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "read-only file system")

    monkeypatch.setattr(store.Store, "_usable_root", refuse)
    before = files_of(cache)
    assert compiled(affine_works) == 0
    text = AFFINE.replace("* 2 + 1", "* 3")
    for expected in (1, 0):
        assert compiled(lambda: compile_library({"main": text}).exists()) == expected
    assert files_of(cache) == before


@needs_native
def test_a_full_disk(cache, monkeypatch):
    def full(*args):
        raise OSError(28, "No space left on device")

    find_compiler()
    monkeypatch.setattr(store.Store, "_write", staticmethod(full))
    with pytest.raises(CacheError, match="No space left"):
        compile_library({"main": AFFINE})
    assert not [path for path in files_of(cache) if path.name.startswith("tmp-")]


def test_directories_of_other_users_are_not_trusted(cache, monkeypatch):
    store_blob("a", b"a")
    if not hasattr(os, "getuid"):
        pytest.skip("needs user ids")
    real = Path.stat

    class Foreign:
        def __init__(self, result):
            self.st_uid = os.getuid() + 4321
            self.st_mtime = result.st_mtime

    def foreign(self, **kwargs):
        result = real(self, **kwargs)
        return Foreign(result) if self == cache else result

    monkeypatch.setattr(Path, "stat", foreign)
    assert load_blob("a") is None
    assert cache_entries() == []


@needs_native
def test_threads_compile_the_same_program_at_once(cache):
    failures = []

    def run():
        try:
            assert affine_works()
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


WORKER = """
import sys, warnings
warnings.simplefilter("error")
import numpy as np
from tests.runtime.programs import AFFINE, VECTOR_IN, VECTOR_OUT, function
for k in range(3):
    text = AFFINE.replace("* 2 + 1", f"* {k} + 1")
    f = function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
    assert f(np.arange(3.0)).tolist() == [1, k + 1, 2 * k + 1]
from symc.runtime import statistics
print(statistics()["compiled"])
"""


def start_worker(cache, **variables):
    environment = {**os.environ, "SYMC_FLAGS": f"base_compiledir={cache.parent}", **variables}
    return subprocess.Popen(
        [sys.executable, "-c", WORKER],
        env=environment,
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@needs_native
def test_many_processes_on_an_empty_cache_some_of_them_killed(cache):
    workers = [start_worker(cache, PYTHONHASHSEED=str(k)) for k in range(10)]
    for k, worker in enumerate(workers[:4]):
        time.sleep(0.08 * k)
        worker.send_signal(signal.SIGKILL)
    for worker in workers[4:]:
        out, errors = worker.communicate(timeout=120)
        assert worker.returncode == 0, errors
    for worker in workers[:4]:
        worker.communicate(timeout=120)
    last = start_worker(cache, PYTHONHASHSEED="77")
    out, errors = last.communicate(timeout=120)
    assert last.returncode == 0, errors
    assert out.strip() == "0"  # everything is found, for any hash seed


# -- the compiler -----------------------------------------------------------------------------


@needs_native
def test_errors_of_the_compiler_are_in_a_named_file(cache):
    with pytest.raises(CompileError) as caught:
        compile_library({"main": "int f(void) { return nonsense; }\n" * 3})
    text = str(caught.value)
    assert len(text.splitlines()) < 6
    assert "nonsense" in text
    path = Path(text.rpartition(" are in ")[2])
    report = path.read_text()
    assert "undeclared" in report
    assert report.count("return nonsense;") >= 3
    assert not isinstance(caught.value, CompilerMissing)


@pytest.mark.parametrize("name", ["", "/nowhere/gcc", "/dev/null", str(ROOT)])
def test_no_compiler(cache, monkeypatch, name):
    monkeypatch.setattr(config, "cc", name)
    assert compiler() is None
    assert not native_available()
    for _ in range(2):
        with pytest.raises(CompilerMissing, match="NumPy path"):
            compile_library({"main": AFFINE})


def _script(path, text):
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@needs_compiler
def test_a_compiler_that_does_not_work(cache, tmp_path, monkeypatch):
    monkeypatch.setattr(config, "cc", _script(tmp_path / "cc", "echo no licence >&2; exit 3"))
    with pytest.raises(CompilerMissing, match="no licence"):
        find_compiler()


@needs_compiler
def test_options_that_are_refused_are_dropped(cache, tmp_path, monkeypatch):
    real = find_compiler().path
    refusing = _script(
        tmp_path / "my cc",
        f'for a in "$@"; do case "$a" in -fno-plt|-fcf-*) echo "bad $a" >&2; exit 1;; esac; done\n'
        f'exec {real} "$@"',
    )
    monkeypatch.setattr(config, "cc", refusing)
    found = find_compiler()
    assert "-fno-plt" not in found.flags
    assert "-fwrapv" in found.flags
    assert found.identity
    if native_available():
        assert affine_works()


@needs_native
def test_the_compiler_vanishes(cache, tmp_path, monkeypatch):
    path = tmp_path / "cc"
    monkeypatch.setattr(config, "cc", _script(path, f'exec {find_compiler().path} "$@"'))
    assert affine_works()
    path.unlink()
    assert affine_works()  # from the cache
    with pytest.raises(CompilerMissing, match="can't be started"):
        compile_library({"main": AFFINE + "\n\n"})


@needs_compiler
def test_the_probe_runs_once_for_all_processes(cache, tmp_path, monkeypatch):
    log = tmp_path / "log"
    wrapper = _script(tmp_path / "cc", f'echo run >> {log}\nexec {find_compiler().path} "$@"')
    monkeypatch.setattr(config, "cc", wrapper)
    first = find_compiler()
    runs = log.read_text().count("run")
    assert runs > 0
    toolchain.forget_compilers()  # as another process would begin
    assert find_compiler() == first
    assert log.read_text().count("run") == runs
    Path(wrapper).write_text(Path(wrapper).read_text() + "# changed\n")
    toolchain.forget_compilers()
    find_compiler()
    assert log.read_text().count("run") > runs


@needs_compiler
def test_the_users_options_are_used_and_in_the_key(cache, monkeypatch):
    before = find_compiler()
    monkeypatch.setattr(config.gcc, "cxxflags", "-DSYMC_TEST=3 -not-an-option-of-any-compiler")
    after = find_compiler()
    assert "-DSYMC_TEST=3" in after.flags
    assert "-not-an-option-of-any-compiler" not in after.flags
    assert before.identity != after.identity


# -- loading ----------------------------------------------------------------------------------


@needs_native
def test_files_that_are_no_programs(cache, tmp_path):
    broken = tmp_path / "broken.so"
    broken.write_bytes(b"nonsense")
    with pytest.raises(CompileError, match="can't be loaded"):
        load_library(broken)
    with pytest.raises(CompileError, match="can't be loaded"):
        load_library(tmp_path / "missing.so")
    with pytest.raises(CompileError, match="not a compiled program"):
        native_program(compile_library({"main": "int x;"}))
    other = AFFINE.replace("= SY_ABI_VERSION", "= 99")
    with pytest.raises(CompileError, match="ABI version 99"):
        native_program(compile_library({"main": other}))


@needs_native
def test_programs_share_a_library_by_prefix(cache):
    text = AFFINE.replace("symc_prologue", "one_prologue").replace("symc_body", "one_body")
    text += "int two_prologue(sy_call *c) { return one_prologue(c); }\n"
    text += "int two_body(sy_call *c) { return one_body(c); }\n"
    path = compile_library({"main": text})
    for prefix in ("one", "two"):
        native_program(path, prefix, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
    with pytest.raises(CompileError, match="three_prologue"):
        native_program(path, "three")


def test_one_notice_per_process(monkeypatch):
    monkeypatch.setattr(notice, "_given", [])
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert notice_once("no compiler")
        assert not notice_once("no compiler")
        assert not notice_once("something else")
    assert [str(w.message) for w in caught] == ["symc: no compiler"]
