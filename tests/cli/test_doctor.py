"""``symc doctor``: its findings on this machine and on machines where something is missing."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from symc import cli, doctor, runtime
from symc.errors import CacheError, CompilerMissing
from symc.runtime import native, native_available

needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiled code here")
SUBJECTS = ["Python", "call path", "C compiler", "BLAS", "threads", "cache", "GPU", "test kernel"]


def _by_subject() -> dict[str, doctor.Finding]:
    return {f.subject: f for f in doctor.findings()}


@needs_compiler
def test_a_complete_machine_is_well(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["doctor"]) == 0
    text = capsys.readouterr().out
    lines = text.splitlines()
    subjects = [s for line in lines for s in SUBJECTS if line[7:].strip().startswith(f"{s} ")]
    assert subjects == SUBJECTS
    assert "missing" not in text
    assert "gave NumPy's numbers" in lines[-1]
    assert str(runtime.cache_dir()) in text


@needs_compiler
def test_it_can_be_asked_again_in_one_process() -> None:
    for _ in range(2):
        assert _by_subject()["test kernel"].state == doctor.OK


def test_without_a_compiler_it_says_how_to_get_one(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing() -> None:
        raise CompilerMissing("none")

    monkeypatch.setattr(runtime, "find_compiler", missing)
    finding = _by_subject()["C compiler"]
    assert finding.state == doctor.MISSING
    assert "gcc" in finding.cure
    assert "SYMC_FLAGS=cc=" in finding.cure


def test_a_full_cache_directory_is_told_apart(monkeypatch: pytest.MonkeyPatch) -> None:
    def full() -> None:
        raise CacheError("no space left in /somewhere\nmore")

    monkeypatch.setattr(runtime, "find_compiler", full)
    finding = _by_subject()["C compiler"]
    assert finding.text == "no space left in /somewhere"
    assert "base_compiledir" in finding.cure


def test_without_the_extension_blas_is_missing_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "callpath", None)
    monkeypatch.setattr(native, "problem", "it was not built")
    found = _by_subject()
    assert (found["call path"].state, found["call path"].text) == ("missing", "it was not built")
    assert found["BLAS"].state == doctor.MISSING


def test_without_blas_it_says_how_to_get_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(native, "callpath", object())
    monkeypatch.setattr(runtime, "blas_info", lambda: None)
    finding = next(doctor._blas())
    assert finding.state == doctor.MISSING
    assert "scipy" in finding.cure


@pytest.mark.parametrize("driver", [None, "/usr/bin/nvidia-smi"])
def test_the_gpu_is_never_a_reason_to_fail(
    monkeypatch: pytest.MonkeyPatch, driver: str | None
) -> None:
    monkeypatch.setattr(doctor.shutil, "which", lambda name: driver)
    finding = next(doctor._gpu())
    assert finding.state == doctor.NOTE
    assert "CPU" in finding.text


def test_a_check_that_fails_is_a_finding(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> None:
        raise OSError("the disk is gone\nsecond line")

    monkeypatch.setattr(runtime, "thread_info", broken)
    finding = _by_subject()["threads"]
    assert (finding.state, finding.text) == (doctor.MISSING, "the disk is gone")


@pytest.mark.parametrize(
    ("flags", "unit"),
    [
        ({"sse2", "avx", "avx2", "avx512f"}, "AVX-512"),
        ({"sse2", "avx", "avx2"}, "AVX2"),
        ({"sse2"}, "SSE2"),
        ({"asimd"}, "NEON"),
        (set(), "compiler"),
    ],
)
def test_the_widest_vector_unit_is_named(flags: set[str], unit: str) -> None:
    assert unit in doctor.vector_unit(frozenset(flags))


def test_without_any_compiler_the_exit_code_is_one(tmp_path: Path) -> None:
    environment = {
        **os.environ,
        "SYMC_FLAGS": f"cxx=,base_compiledir={tmp_path}",
        "PYTHONPATH": os.pathsep.join(sys.path),
    }
    environment.pop("CC", None)
    done = subprocess.run(
        [sys.executable, "-m", "symc", "doctor"],
        env=environment, capture_output=True, text=True, check=False, timeout=120,
    )
    assert done.returncode == 1
    assert "no working compiler was found" in done.stdout
    assert "ran on NumPy" in done.stdout
    assert "Traceback" not in done.stderr
