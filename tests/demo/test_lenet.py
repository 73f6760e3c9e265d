"""LeNet of the demonstration: what it learns, that a seed fixes its numbers, and its pictures."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from symc.cli import main
from symc.demo.data import Digits, bundled_digits, mnist_digits
from symc.demo.lenet import SMALL, LeNet, Split, split, tiles, train_lenet, usual
from symc.runtime import native_available

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"

needs_native = pytest.mark.skipif(
    not native_available(), reason="convolutions of whole data sets need compiled code"
)


def _digits(train: int, test: int, own_test: bool) -> Digits:
    """Images whose only value is their number; those of the test set begin at 1000."""
    rows = np.arange(train, dtype="float32"), 1000 + np.arange(test, dtype="float32")
    images = [np.repeat(r[:, None], 64, axis=1) for r in rows]
    labels = [r.astype("int64") % 10 for r in rows]
    return Digits("numbers", 8, images[0], labels[0], images[1], labels[1], own_test)


def test_half_of_the_images_held_out_are_for_validation() -> None:
    parts = split(_digits(6, 5, own_test=False))
    assert parts.train[0].shape == (6, 1, 8, 8)
    assert parts.valid[0][:, 0, 0, 0].tolist() == [1000, 1002, 1004]
    assert parts.test[0][:, 0, 0, 0].tolist() == [1001, 1003]
    assert parts.test[1].tolist() == [1, 3]
    assert parts.test[1].dtype == np.int32


def test_a_test_set_of_its_own_stays_whole() -> None:
    parts = split(_digits(12, 4, own_test=True))
    assert parts.train[0][:, 0, 0, 0].tolist() == list(range(10))
    assert parts.valid[0][:, 0, 0, 0].tolist() == [10, 11]
    assert parts.test[1].tolist() == [0, 1, 2, 3]


def test_tiles_show_every_weight_in_its_place() -> None:
    one = np.arange(11 * 2 * 3, dtype=float).reshape(11, 1, 2, 3)
    page = tiles(one)
    assert page.shape == (2 * 3 - 1, 10 * 4 - 1)
    np.testing.assert_array_equal(page[:2, 4:7], one[1, 0])
    np.testing.assert_array_equal(page[3:, :3], one[10, 0])
    assert np.isnan(page[2]).all()
    assert np.isnan(page[3:, 3:]).all()
    several = np.arange(2 * 3 * 4, dtype=float).reshape(2, 3, 2, 2)
    page = tiles(several)
    assert page.shape == (3 * 3 - 1, 2 * 3 - 1)
    np.testing.assert_array_equal(page[6:, 3:], several[1, 2])


def _losses(parts: Split, sizes: LeNet, seed: int) -> list[float]:
    return [record["loss"] for record in train_lenet(parts, sizes, seed).history]


@needs_native
def test_lenet_learns_the_bundled_digits() -> None:
    pytest.importorskip("sklearn")
    parts = split(bundled_digits())
    assert usual(8) is SMALL
    result = train_lenet(parts, SMALL, seed=0)
    assert result.best["test_error"] < 0.05
    assert [f.shape for f in result.filters] == [(10, 1, 3, 3), (25, 10, 3, 3)]
    assert result.best["valid_error"] == min(r["valid_error"] for r in result.history)


@needs_native
@pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST files are not beside the checkout")
def test_lenet_on_mnist_learns_and_a_seed_fixes_its_curve() -> None:
    parts = split(mnist_digits(MNIST))
    assert [len(y) for _, y in (parts.train, parts.valid, parts.test)] == [8000, 1000, 1000]
    few = Split((parts.train[0][:4000], parts.train[1][:4000]), parts.valid, parts.test)
    sizes = LeNet((10, 25), epochs=3)
    first = train_lenet(few, sizes, seed=1)
    assert first.history[-1]["test_error"] < 0.06
    assert _losses(few, sizes, seed=1) == [record["loss"] for record in first.history]
    shorter = LeNet((10, 25), epochs=1)
    assert _losses(few, shorter, seed=2) != _losses(few, shorter, seed=1)


@needs_native
def test_the_command_prints_tables_and_saves_the_filters_of_both_layers(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("rich", "matplotlib", "sklearn"):
        pytest.importorskip(package)
    assert main(["demo", "--model", "lenet", "--seeds", "2", "--out", str(tmp_path)]) == 0
    text = capsys.readouterr().out
    for word in ("LeNet", "validation error", "seed 1", "mean", "test error"):
        assert word in text
    for k in (1, 2):
        picture = tmp_path / f"symc_demo_lenet_layer{k}.png"
        assert picture.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize("arguments", [["--model", "mlp", "--seeds", "2"], ["--seeds", "0"]])
def test_seeds_that_mean_nothing_are_one_clear_line(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for package in ("rich", "sklearn"):
        pytest.importorskip(package)
    assert main(["demo", *arguments]) == 1
    assert "--seeds" in capsys.readouterr().err
