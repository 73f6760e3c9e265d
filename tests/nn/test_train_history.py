"""Histories as tables, files and pictures; progress bars that are quiet where nobody looks."""

from __future__ import annotations

import csv
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symc.nn.train import Training, format_history, load_history, plot_history, save_history
from symc.nn.train.progress import progress_bar

HISTORY: list[dict[str, Any]] = [
    {"epoch": 1, "updates": 10, "seconds": 0.1 + 0.2, "loss": 1 / 3, "best": True},
    {"epoch": 2, "updates": 20, "seconds": 1e-300, "loss": float("inf"), "best": False, "extra": 7},
]


def test_a_file_has_all_digits(tmp_path: Path) -> None:
    path = tmp_path / "history.csv"
    save_history(HISTORY, path)
    assert load_history(path) == HISTORY
    with path.open(newline="") as file:
        assert next(csv.reader(file)) == ["epoch", "updates", "seconds", "loss", "best", "extra"]
    save_history([{"loss": float("nan")}], path)
    assert np.isnan(load_history(path)[0]["loss"])
    save_history([], path)
    assert load_history(path) == []


def test_a_table_has_a_line_per_record() -> None:
    lines = format_history(HISTORY).splitlines()
    assert lines[0].split() == ["epoch", "updates", "seconds", "loss", "best", "extra"]
    assert lines[1].split() == ["1", "10", "0.3", "0.33333", "*"]
    assert lines[2].split() == ["2", "20", "1e-300", "inf", "7"]
    assert lines[0].index("best") + 4 == lines[1].index("*") + 1
    assert format_history([]) == ""


def test_a_plot_shows_measures_and_not_counts(tmp_path: Path) -> None:
    pytest.importorskip("matplotlib")
    history = [{"epoch": k, "updates": 3 * k, "loss": 1.0 / k} for k in (1, 2, 3)]
    history[2]["valid_loss"] = 0.5
    figure = plot_history(history, tmp_path / "curves.png")
    lines = {line.get_label(): line for line in figure.axes[0].lines}
    assert set(lines) == {"loss", "valid_loss"}
    np.testing.assert_array_equal(lines["loss"].get_xdata(), [3, 6, 9])
    np.testing.assert_array_equal(lines["loss"].get_ydata(), [1.0, 1 / 2, 1 / 3])
    np.testing.assert_array_equal(lines["valid_loss"].get_xdata(), [9])
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")
    (line,) = plot_history(history, names=["loss"], against="epoch").axes[0].lines
    np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
    with pytest.raises(ValueError, match=r"'error'.*loss"):
        plot_history(history, names=["error"])


def _training(progress: bool | None) -> Training:
    return Training(lambda x: 1.0, np.zeros(6), epochs=2, batch_size=2, progress=progress)


def test_nothing_is_printed_where_nobody_looks(capsys: pytest.CaptureFixture[str]) -> None:
    _training(None).run()
    _training(False).run()
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("package", ["rich", "tqdm"])
def test_a_bar_counts_batches(
    package: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip(package)
    monkeypatch.setitem(sys.modules, {"rich": "tqdm", "tqdm": "rich"}[package], None)
    bar = progress_bar(4, 8, "loss 0.5", show=True)
    bar.advance()
    bar.close()
    assert "/8" in capsys.readouterr().err
    _training(True).run()
    seen = capsys.readouterr()
    assert seen.out == ""
    assert "6" in seen.err


def test_without_the_packages_there_is_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for package in ("rich", "tqdm"):
        monkeypatch.setitem(sys.modules, package, None)
    _training(True).run()
    assert capsys.readouterr() == ("", "")
