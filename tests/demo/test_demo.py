"""The demonstration: its loss curves are those of a training written by hand in NumPy."""

from __future__ import annotations

import gzip
import struct
from pathlib import Path

import numpy as np
import pytest

from symc.cli import main
from symc.demo.data import Digits, bundled_digits, mnist_digits
from symc.demo.models import compile_network, initial_parameters, numpy_step
from symc.demo.train import RECIPES, batches, train

MNIST = Path(__file__).resolve().parents[3] / "shared" / "data" / "mnist"
STEPS = 200


def _digits(dtype: str) -> Digits:
    pytest.importorskip("sklearn")
    return bundled_digits(dtype)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("name", RECIPES)
def test_200_steps_equal_a_training_written_in_numpy(name: str, mode: str) -> None:
    digits, recipe = _digits("float64"), RECIPES[name]
    values = initial_parameters([digits.train_x.shape[1], *recipe.hidden, 10], "float64")
    model = compile_network([v.copy() for v in values], recipe.rate, mode)
    by_hand = numpy_step(values, recipe.rate)
    data = list(batches(digits, recipe.batch))
    costs, wanted = [], []
    for k in range(STEPS):
        x, y = data[k % len(data)]
        costs.append(float(model.step(x, y)))
        wanted.append(by_hand(x, y))
    np.testing.assert_allclose(costs, wanted, rtol=1e-9)
    for parameter, value in zip(model.parameters, values, strict=True):
        np.testing.assert_allclose(parameter.get_value(), value, rtol=1e-8, atol=1e-11)


@pytest.mark.parametrize("name", RECIPES)
def test_training_learns_digits_that_were_held_out(name: str) -> None:
    digits = _digits("float32")
    epochs = [epoch for epoch, _ in train(RECIPES[name], digits, lambda: None)]
    assert epochs[-1].error < 7.0
    assert epochs[-1].cost < 0.3 * epochs[0].cost
    assert abs(epochs[-1].cost - epochs[-1].numpy_cost) < 1e-3


def test_the_command_prints_a_table_and_saves_pictures(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    pytest.importorskip("matplotlib")
    pytest.importorskip("sklearn")
    assert main(["demo", "--model", "logistic", "--out", str(tmp_path / "new folder")]) == 0
    text = capsys.readouterr().out
    for word in ("logistic regression", "epoch", "held-out error", "NumPy", "optimised graph"):
        assert word in text
    picture = tmp_path / "new folder" / "symc_demo_logistic.png"
    assert picture.read_bytes().startswith(b"\x89PNG")


def test_a_missing_folder_is_one_clear_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    assert main(["demo", "--data", str(tmp_path)]) == 1
    assert "t10k-images-idx3-ubyte" in capsys.readouterr().err


def _write_idx(folder: Path, stem: str, count: int, compressed: bool) -> None:
    rng = np.random.default_rng(count)
    images = rng.integers(0, 256, (count, 4, 4), dtype=np.uint8)
    labels = rng.integers(0, 10, count, dtype=np.uint8)
    for name, header, body in (
        (f"{stem}-images-idx3-ubyte", struct.pack(">4i", 2051, count, 4, 4), images.tobytes()),
        (f"{stem}-labels-idx1-ubyte", struct.pack(">2i", 2049, count), labels.tobytes()),
    ):
        if compressed:
            (folder / f"{name}.gz").write_bytes(gzip.compress(header + body))
        else:
            (folder / name).write_bytes(header + body)


def test_idx_files_plain_and_compressed(tmp_path: Path) -> None:
    _write_idx(tmp_path, "t10k", 10, compressed=True)
    digits = mnist_digits(tmp_path)
    assert digits.side == 4
    assert (len(digits.train_x), len(digits.test_x)) == (8, 2)
    assert digits.train_x.max() <= 1.0
    _write_idx(tmp_path, "train", 30, compressed=False)
    digits = mnist_digits(tmp_path)
    assert (len(digits.train_x), len(digits.test_x)) == (30, 10)
    (tmp_path / "train-images-idx3-ubyte").write_bytes(b"\0" * 20)
    with pytest.raises(ValueError, match="idx"):
        mnist_digits(tmp_path)


@pytest.mark.skipif(not MNIST.is_dir(), reason="the MNIST files are not beside the checkout")
def test_logistic_regression_on_mnist() -> None:
    digits = mnist_digits(MNIST)
    assert digits.train_x.shape == (8000, 784)
    epoch = next(train(RECIPES["logistic"], digits, lambda: None))[0]
    assert epoch.error < 14.0
