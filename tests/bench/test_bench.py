"""`symc bench`: its cases, its reports, and what happens to peers that fail; nothing is timed."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

import symc
from symc import bench, cli
from symc.runtime import native_available

FOLDER = bench.folder()
ROOT = Path(symc.__file__).resolve().parents[1]
pytestmark = pytest.mark.skipif(FOLDER is None, reason="benchmarks are not installed")
QUICK = ("--rounds", "1", "--seconds", "0.01", "--framework", "symc", "--framework", "numpy")


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Import modules of the folder as its programs do."""
    monkeypatch.syspath_prepend(str(FOLDER))
    before = set(sys.modules)
    yield SimpleNamespace(
        **{n: importlib.import_module(n) for n in ("bench", "cases", "report", "worker")}
    )
    own = {p.stem for p in FOLDER.glob("*.py")} if FOLDER else set()
    for name in own & (set(sys.modules) - before):
        del sys.modules[name]


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
    assert result["ceilings"]["bytes"] > 1e8
    assert result["ceilings"]["flops"] > 1e8
    assert result["versions"] == {"numpy": np.__version__}
    assert set(result["cases"]) == {"small", "square_1e3"}
    for case in result["cases"].values():
        for row in case["rows"].values():
            assert row["median"] > 0
            assert row["first"] > 0
            assert row["cached"] > 0
    assert "`square_1e3`" in page.read_text()
    assert "divided by the *cold* first call" in " ".join(page.read_text().split())
    assert picture.read_bytes()[:4] == b"\x89PNG"
    again = _run(*QUICK, "--case", "small", "--baseline", str(figures))
    assert again.returncode in (0, 1)
    assert "small" in again.stdout


def test_unknown_cases_and_missing_baselines_are_errors(tmp_path: Path) -> None:
    for arguments in (
        ("--case", "nonsense"),
        ("--baseline", str(tmp_path / "no.json")),
        ("--results", str(tmp_path / "no.json")),
        ("--peers", str(tmp_path / "no-python")),
        ("--peers", "/bin/false"),
    ):
        done = _run(*arguments)
        assert done.returncode == 2
        assert "symc bench:" in done.stderr
        assert len(done.stderr.splitlines()) < 5


def test_a_peer_that_dies_is_reported_in_its_row(tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text(
        f'#!/bin/sh\nif [ "$1" = "-c" ]; then exec {sys.executable} "$@"; fi\n'
        "echo out of luck >&2\nexit 3\n"
    )
    script.chmod(0o755)
    figures = tmp_path / "b.json"
    done = _run(*QUICK, "--case", "small", "--peers", str(script), "--json", str(figures))
    assert done.returncode == 0, done.stderr
    rows = json.loads(figures.read_text())["cases"]["small"]["rows"]
    assert "code 3: ... out of luck" in rows["numpy"]["failed"]
    assert "small, numpy: it failed: its process has ended with code 3" in done.stdout
    assert rows["symc"]["median"] > 0


def test_every_case_of_symc_is_right(modules: Any) -> None:
    with_symc, worker = importlib.import_module("with_symc"), modules.worker
    for case in modules.cases.CASES:
        if case.bytes > 1e8 or case.name == "lstm_256":
            continue
        operands = case.operands()
        expected = case.reference(*operands)
        run = with_symc.make(case, [np.array(a) for a in operands])
        got = run() if case.calls == 1 else [run() for _ in range(case.calls)]
        got = got if case.summary is None else case.summary(np.asarray(got, "float64"))
        assert worker._error(got, expected) <= case.tolerance, case.name


def _result(symc_time: float, peer: float, spread: float = 0.0) -> dict[str, Any]:
    rows = {
        "symc": {"median": symc_time, "spread": spread, "first": 1.0},
        "jax": {"median": peer, "spread": 0.0, "first": 2.0},
    }
    return {
        "cases": {"small": {"rows": rows, "missing": []}},
        "time": "now",
        "machine": "a machine",
        "versions": {"jax": "1.0"},
        "absent": [],
        "ceilings": {},
        "load": 0.5,
    }


def test_regressions_are_those_beyond_the_noise(modules: Any) -> None:
    report = modules.report
    before = _result(1.0, 2.0)
    assert not report.regressions(_result(1.1, 2.0), before)
    assert not report.regressions(_result(2.0, 4.0), before)
    assert len(report.regressions(_result(1.5, 2.0), before)) == 1
    assert not report.regressions(_result(1.5, 2.0, spread=0.6), before)


def test_ratios_compare_with_the_best_peer(modules: Any) -> None:
    report = modules.report
    rows = _result(1.0, 4.0)["cases"]["small"]["rows"]
    rows["numpy"] = {"median": 2.0, "spread": 0.0, "first": 0.1}
    assert report.best_peer(rows) == "numpy"
    assert report.ratio(rows) == 0.5
    assert report.ratio(rows, "first", report.COMPILING) == 0.5
    result = {"cases": {"small": {"rows": rows}}, "ceilings": {"bytes": 1e9, "flops": 1e9}}
    table = report.lines(result)
    assert table[0][:2] == ("small", "symc")
    assert "0.5 of 0.3 !" in table[0][6]


def test_bytes_moved_are_judged_by_their_count(modules: Any) -> None:
    (case,) = modules.cases.chosen(["adam"])
    with_symc = importlib.import_module("with_symc")
    rows = _result(1.0, 4.0)["cases"]["small"]["rows"]
    rows["symc"]["traffic"] = {"read": 20, "written": 10, "fetched": 6, "least": 30}
    assert modules.report._verdict(case, rows) == "0.25, bytes 1.2 of 1.15 !"
    step = with_symc.make(case, [np.ones(100, "float32"), np.ones(100, "float32")])
    if native_available():
        moved = step.traffic()
        assert moved["read"] + moved["written"] + moved["fetched"] <= 1.15 * moved["least"]
        assert moved["least"] >= 7 * 4 * 100


def test_the_command_passes_the_exit_code_on() -> None:
    assert cli.main(["bench", "--case", "nonsense"]) == 2


@pytest.mark.parametrize(
    ("got", "expected", "error"),
    [
        ([1.0, 2.0], [1.0, 2.0], 0.0),
        ([1.0, 2.0], [1.0, 4.0], 0.5),
        ([1.0, np.nan], [1.0, 2.0], np.inf),
        ([np.nan], [np.nan], np.inf),
        ([np.inf], [1.0], np.inf),
        ([1.0], [1.0, 2.0], np.inf),
        ([], [], 0.0),
    ],
)
def test_results_that_are_not_numbers_are_wrong(
    modules: Any, got: list[float], expected: list[float], error: float
) -> None:
    assert modules.worker._error(np.array(got), np.array(expected)) == error


def test_elementwise_work_on_doubles_is_checked_closely(modules: Any) -> None:
    (case,) = modules.cases.chosen(["square_1e3"])
    a, b = case.operands()
    expected = case.reference(a, b)
    assert modules.worker._error(expected.astype("float32"), expected) > case.tolerance
    for name in ("small", "square_1e6", "functions_float64", "hierarchical", "chain", "recurrence"):
        (case,) = modules.cases.chosen([name])
        assert case.tolerance <= 1e-9


@pytest.mark.parametrize("name", ["hierarchical", "chain", "recurrence_gradient", "lstm_50"])
def test_reference_gradients_are_those_of_differences(modules: Any, name: str) -> None:
    (case,) = modules.cases.chosen([name])
    operands = [a.astype("float64") for a in case.operands()]
    position = {"chain": 0, "recurrence_gradient": 1}.get(name, 2)
    slope = case.reference(*operands)[1]
    at = np.unravel_index(np.abs(slope).argmax(), slope.shape)
    values = []
    for step in (1e-5, -1e-5):
        moved = [a.copy() for a in operands]
        moved[position][at] += step
        values.append(case.reference(*moved)[0])
    np.testing.assert_allclose((values[0] - values[1]) / 2e-5, slope[at], rtol=1e-5)


def test_a_baseline_is_not_met_by_a_failure(modules: Any) -> None:
    result = _result(1.0, 2.0)
    assert modules.report.failures(result) == []
    result["cases"]["small"]["rows"]["symc"]["failed"] = "its result is wrong"
    (line,) = modules.report.failures(result)
    assert "small" in line
    assert "its result is wrong" in line
    assert modules.report.ratio(result["cases"]["small"]["rows"]) is None


def test_a_wrong_result_of_symc_is_an_error(
    modules: Any, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def ask(_: Any, **request: Any) -> dict[str, Any]:
        return {"first": 1.0, "error": float("nan")} if request["do"] == "make" else {}

    monkeypatch.setattr(modules.bench.Process, "ask", ask)
    monkeypatch.setattr(sys, "argv", ["bench", "--case", "small", "--framework", "symc"])
    assert modules.bench.main() == 1
    assert "small: symc failed: its result is wrong" in capsys.readouterr().out


def test_a_baseline_is_compared_with_its_own_best_peer(modules: Any) -> None:
    before, now = _result(1.0, 2.0), _result(1.0, 2.0)
    now["cases"]["small"]["rows"]["numba"] = {"median": 0.5, "spread": 0.0}
    assert not modules.report.regressions(now, before)
    now["cases"]["small"]["rows"]["symc"]["median"] = 1.5
    (line,) = modules.report.regressions(now, before)
    assert "jax" in line
    del now["cases"]["small"]["rows"]["jax"]
    (line,) = modules.report.regressions(now, before)
    assert "1 s before, 1.5 s now" in line


def test_a_first_call_that_fails_has_no_figure(
    modules: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = modules.bench.parser().parse_args(["--framework", "symc", "--rounds", "1"])
    asked = []

    def ask(process: Any, **request: Any) -> dict[str, Any]:
        if request["do"] == "time":
            return {"median": 1.0}
        asked.append(request["do"])
        if asked == ["make"]:
            return {"failed": "no compiler"}
        return {"first": 3.0, "error": 0.0}

    monkeypatch.setattr(modules.bench.Process, "ask", ask)
    (case,) = modules.cases.chosen(["mlp"])
    result = modules.bench.Bench(options, Path()).run([case])
    row = result["cases"]["mlp"]["rows"]["symc"]
    assert row["first"] is None
    assert row["cached"] == 3.0
    (line,) = modules.report.lines(result)
    assert line[2:4] == ("failed", "3 s")
    (note,) = modules.report.notes(result)
    assert note == "mlp, symc: the first call, cold, failed: no compiler"


def test_the_reason_of_a_timeout_is_kept(modules: Any, tmp_path: Path) -> None:
    script = tmp_path / "python"
    script.write_text("#!/bin/sh\nexec sleep 60\n")
    script.chmod(0o755)
    process = modules.bench.Process("numpy", str(script), tmp_path, 0.05)
    for _ in range(2):
        assert process.ask(do="ceilings") == {"failed": "no answer within 0 s"}
    assert process.process.returncode is not None


def test_frameworks_that_are_left_out_are_named(modules: Any) -> None:
    result = _result(1.0, 2.0)
    result["absent"] = ["pytensor"]
    result["cases"]["small"]["missing"] = ["numexpr", "torch"]
    (line,) = modules.report.notes(result)
    assert line == "Left out: not installed: pytensor; numexpr has no small; torch has no small."
    assert line in modules.report.page(result)


def test_a_page_of_several_runs_has_the_ratios_of_each(modules: Any) -> None:
    runs = [_result(1.0, 4.0), _result(3.0, 4.0)]
    assert "each run" not in modules.report.page(runs[0])
    whole = modules.report.merged([modules.report.merged(runs), _result(1.0, 5.0)])
    page = modules.report.page(whole)
    assert "3 runs, the last on" in page
    assert "| small | 0.25 of 0.3 | 0.75 of 0.3 ! | 0.2 of 0.3 |\n" in page


def test_frameworks_with_few_cases_are_said_to_have_only_these(modules: Any) -> None:
    result = _result(1.0, 2.0)
    for case in ("sum", "var"):
        result["cases"][case] = {**result["cases"]["small"], "missing": ["numba"]}
    (line,) = modules.report.notes(result)
    assert line == "Left out: numba has only small."


def test_runs_are_reported_together(modules: Any, tmp_path: Path) -> None:
    one, two = _result(1.0, 2.0), _result(1.0, 4.0)
    two["cases"] = {"sum": two["cases"]["small"]}
    one["ceilings"] = {"bytes": 2e9, "flops": 5e9}
    two["ceilings"] = {"bytes": 3e9, "flops": 4e9}
    two["versions"], two["absent"] = {"numba": "2.0"}, ["jax", "torch"]
    files = [tmp_path / "one.json", tmp_path / "two.json"]
    for path, result in zip(files, (one, two), strict=True):
        path.write_text(json.dumps(result))
    page = tmp_path / "page.md"
    done = _run(
        "--results", str(files[0]), "--results", str(files[1]), "--write-docs", str(page)
    )
    assert done.returncode == 0, done.stderr
    text = " ".join(page.read_text().split())
    assert "| small | symc |" in text
    assert "| sum | symc |" in text
    assert "0.25 of 1.25" in text
    assert "not installed: torch." in text
    assert "from 2 runs" in text
    assert "copied 3 GB/s on all cores and multiplied matrices at 5 Gflop/s" in text


def test_cases_without_a_ratio_are_judged_by_the_excess(modules: Any) -> None:
    result = _result(0.009, 0.003)
    result["cases"] = {"autoregression": result["cases"]["small"]}
    assert modules.report.lines(result)[0][6] == "3, +6.00 ms of +5 ms !"


@pytest.mark.parametrize("name", ["logistic", "mlp"])
def test_a_step_that_leaves_the_parameters_alone_is_wrong(modules: Any, name: str) -> None:
    (case,) = modules.cases.chosen([name])
    first, second = case.reference(*case.operands())
    assert second < first
    assert modules.worker._error([first, first], [first, second]) > 10 * case.tolerance


def test_both_steps_of_a_training_are_compared(modules: Any) -> None:
    (case,) = modules.cases.chosen(["mlp"])
    losses = iter(case.reference(*case.operands()))
    worker = modules.worker.Worker("numpy")
    worker.module = SimpleNamespace(make=lambda case, operands: lambda: next(losses))
    assert worker.answer({"do": "make", "case": "mlp"})["error"] == 0.0


def test_memory_is_reported_in_bytes_and_judged_by_its_limit(modules: Any) -> None:
    case = next(c for c in modules.cases.CASES if c.name == "checkpointed_memory_1000")
    result = _result(0.5 * case.limit, 4e6)
    result["cases"] = {case.name: result["cases"]["small"]}
    own = next(line for line in modules.report.lines(result) if line[1] == "symc")
    assert own[4] == "8.29 MB"
    assert own[6] == "2.07, at most 16.6 MB"
    result["cases"][case.name]["rows"]["symc"]["median"] = 1.1 * case.limit
    own = next(line for line in modules.report.lines(result) if line[1] == "symc")
    assert own[6].endswith("at most 16.6 MB !")


def test_the_peak_of_memory_is_seen(modules: Any) -> None:
    peak_memory = importlib.import_module("peak_memory").peak_memory
    try:
        got, peak = peak_memory(lambda: float(np.ones(4_000_000).sum()))
    except OSError:
        pytest.skip("the peak of resident memory cannot be measured here")
    assert got == 4e6
    assert 31e6 < peak < 40e6
