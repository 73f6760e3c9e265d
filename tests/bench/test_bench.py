"""`symc bench`: its cases, its reports, and what happens to peers that fail; nothing is timed."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
from symc import bench, cli

FOLDER = bench.folder()
ROOT = Path(symc.__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(FOLDER is None, reason="benchmarks are not installed")
QUICK = ("--rounds", "1", "--seconds", "0.01", "--framework", "symc", "--framework", "numpy")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import modules of the folder as its programs do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    import cases
    import report

    yield cases, report
    for name in ("cases", "report"):
        sys.modules.pop(name, None)


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "symc", "bench", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )


def test_the_cases_are_listed() -> None:
    done = _run("--list")
    assert done.returncode == 0
    names = [line.split()[0] for line in done.stdout.splitlines()]
    assert {"small", "mlp", "chain", "softmax_narrow", "hierarchical"} <= set(names)
    assert len(set(names)) == len(names) >= 16


def test_a_run_writes_figures_page_and_picture(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    figures, page, picture = (tmp_path / n for n in ("b.json", "b.md", "b.png"))
    done = _run(
        *QUICK, "--case", "small", "--case", "square_1e3", "--json", str(figures),
        "--write-docs", str(page), "--plot", str(picture), "--cached",
    )
    assert done.returncode == 0, done.stderr
    result = json.loads(figures.read_text())
    assert set(result["cases"]) == {"small", "square_1e3"}
    for case in result["cases"].values():
        for row in case["rows"].values():
            assert row["median"] > 0
            assert row["first"] > 0
            assert row["cached"] > 0
    assert result["ceilings"]["bytes"] > 1e8
    assert "`square_1e3`" in page.read_text()
    assert picture.read_bytes()[:4] == b"\x89PNG"
    again = _run(*QUICK, "--case", "small", "--baseline", str(figures))
    assert again.returncode in (0, 1)
    assert "small" in again.stdout


def test_unknown_cases_and_missing_baselines_are_errors(tmp_path: Path) -> None:
    for arguments in (("--case", "nonsense"), ("--baseline", str(tmp_path / "no.json"))):
        done = _run(*arguments)
        assert done.returncode == 2
        assert "symc bench:" in done.stderr
        assert len(done.stderr.splitlines()) < 5


def test_a_peer_that_dies_is_reported_in_its_row(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\nif [ "$1" = "-c" ]; then exec {sys.executable} "$@"; fi\nexit 3\n'
    )
    script.chmod(0o755)
    figures = tmp_path / "b.json"
    done = _run(*QUICK, "--case", "small", "--peers", str(script), "--json", str(figures))
    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())["cases"]["small"]["rows"]
    assert "failed" in rows["numpy"]
    assert rows["symc"]["median"] > 0


def test_every_case_of_symc_is_right(modules: Any) -> None:
    cases, _ = modules
    import with_symc
    import worker

    for case in cases.CASES:
        if case.bytes > 1e8:
            continue
        operands = case.operands()
        expected = case.reference(*operands)
        run = with_symc.make(case, [np.array(a) for a in operands])
        assert worker._error(run(), expected) <= case.tolerance, case.name
    for name in ("with_symc", "worker"):
        sys.modules.pop(name, None)


def _result(symc_time: float, peer: float, spread: float = 0.0) -> dict[str, Any]:
    rows = {
        "symc": {"median": symc_time, "spread": spread, "first": 1.0},
        "jax": {"median": peer, "spread": 0.0, "first": 2.0},
    }
    return {"cases": {"small": {"rows": rows}}, "ceilings": {}, "time": "now"}


def test_regressions_are_those_beyond_the_noise(modules: Any) -> None:
    _, report = modules
    before = _result(1.0, 2.0)
    assert not report.regressions(_result(1.1, 2.0), before)
    assert not report.regressions(_result(2.0, 4.0), before)
    assert len(report.regressions(_result(1.5, 2.0), before)) == 1
    assert not report.regressions(_result(1.5, 2.0, spread=0.6), before)


def test_ratios_compare_with_the_best_peer(modules: Any) -> None:
    _, report = modules
    rows = _result(1.0, 4.0)["cases"]["small"]["rows"]
    rows["numpy"] = {"median": 2.0, "spread": 0.0, "first": 0.1}
    assert report.best_peer(rows) == "numpy"
    assert report.ratio(rows) == 0.5
    assert report.ratio(rows, "first", report.COMPILING) == 0.5
    table = report.lines({"cases": {"small": {"rows": rows}}, "ceilings": {"bytes": 1e9}})
    assert table[0][:2] == ("small", "symc")
    assert "0.50 of 0.3 !" in table[0][6]


def test_the_command_passes_the_exit_code_on() -> None:
    assert cli.main(["bench", "--case", "nonsense"]) == 2
