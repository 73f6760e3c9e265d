"""The character LSTM against one written in NumPy, its gradients, its training, its command."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from symc import function, grad, shared
from symc import tensor as T
from symc.cli import main
from symc.demo.lstm import (
    NAMES,
    adam,
    compile_lstm,
    cross_entropy,
    initial_lstm,
    sentence,
)
from symc.demo.text import END, Batch, grouped, padded, read_text
from symc.demo.train_lstm import TextRecipe, loss_over, train_text

TALKS = Path(__file__).resolve().parents[3] / "shared" / "data" / "text" / "talks.txt"
SYMBOLS, HIDDEN = 5, 3


def _values(seed: int = 0) -> list[np.ndarray]:
    """Parameters of a tiny model; none is zero, so that each one matters."""
    values = initial_lstm(SYMBOLS, HIDDEN, seed, "float64")
    rng = np.random.default_rng(seed)
    return [v + rng.normal(0, 0.3, v.shape) for v in values]


def _batch(lengths: tuple[int, ...] = (4, 0, 2, 7)) -> Batch:
    rng = np.random.default_rng(5)
    lines = [np.array([END, *rng.integers(1, SYMBOLS, n), END], "int64") for n in lengths]
    return padded(lines, "float64")


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


def _cell(values: list[np.ndarray], symbol: int, h: np.ndarray, c: np.ndarray) -> Any:
    a = values[0][symbol] + values[2] + h @ values[1]
    new, old, show, candidate = np.split(a, 4)
    c = _sigmoid(old) * c + _sigmoid(new) * np.tanh(candidate)
    return _sigmoid(show) * np.tanh(c), c


def _log_p(values: list[np.ndarray], h: np.ndarray) -> np.ndarray:
    scores = h @ values[3] + values[4]
    return scores - np.log(np.exp(scores).sum())


def _by_hand(values: list[np.ndarray], batch: Batch) -> float:
    """Line after line, without padding or mask."""
    total, count = 0.0, 0
    for column, length in enumerate(batch.mask.sum(axis=0).astype(int)):
        h = c = np.zeros(HIDDEN)
        for t in range(length):
            h, c = _cell(values, batch.symbols[t, column], h, c)
            total -= _log_p(values, h)[batch.symbols[t + 1, column]]
            count += 1
    return total / count


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_loss_of_a_step_is_that_of_an_lstm_written_in_numpy(mode: str) -> None:
    values, batch = _values(), _batch()
    model = compile_lstm([v.copy() for v in values], 0.01, mode)
    wanted = _by_hand(values, batch)
    assert float(model.loss(batch.symbols, batch.mask)) == pytest.approx(wanted, abs=1e-9)
    assert float(model.step(batch.symbols, batch.mask)) == pytest.approx(wanted, abs=1e-9)
    changed = [p.get_value() for p in model.parameters]
    assert all(np.abs(a - b).max() > 0 for a, b in zip(changed, values, strict=True))
    wanted = _by_hand(changed, batch)
    assert float(model.loss(batch.symbols, batch.mask)) == pytest.approx(wanted, abs=1e-9)


def test_gradients_are_differences_of_the_loss_written_in_numpy() -> None:
    values, batch = _values(1), _batch((3, 1, 5))
    parameters = [shared(v, name=n) for v, n in zip(values, NAMES, strict=True)]
    symbols, mask = T.lmatrix("symbols"), T.dmatrix("mask")
    cost = cross_entropy(parameters, symbols, mask)
    got = function([symbols, mask], grad(cost, parameters))(batch.symbols, batch.mask)
    width = 1e-5
    for k, gradient in enumerate(got):
        wanted = np.empty_like(values[k])
        for place in np.ndindex(wanted.shape):
            old = values[k][place]
            values[k][place] = old + width
            above = _by_hand(values, batch)
            values[k][place] = old - width
            wanted[place] = (above - _by_hand(values, batch)) / (2 * width)
            values[k][place] = old
        np.testing.assert_allclose(gradient, wanted, atol=1e-9, rtol=1e-6, err_msg=NAMES[k])


def test_what_was_filled_up_changes_nothing() -> None:
    batch = _batch((6, 2))
    model = compile_lstm(_values(), 0.01)
    loss = float(model.loss(batch.symbols, batch.mask))
    other = np.where(np.vstack([np.ones((1, 2)), batch.mask]) == 0, 4, batch.symbols)
    assert (other != batch.symbols).any()
    assert float(model.loss(other, batch.mask)) == loss


def test_adam_follows_its_formula() -> None:
    start = np.array([1.0, -2.0, 3.0])
    weights, target = shared(start, name="weights"), T.dvector("target")
    cost = ((weights - target) ** 2).sum()
    step = function([target], cost, updates=adam(cost, [weights], 0.1))
    value, mean, square = start.copy(), np.zeros(3), np.zeros(3)
    rng = np.random.default_rng(0)
    for t in range(1, 8):
        aim = rng.normal(size=3)
        gradient = 2 * (value - aim)
        mean = 0.9 * mean + 0.1 * gradient
        square = 0.999 * square + 0.001 * gradient**2
        # Algorithm 1 with epsilon moved, as at the end of its section 2.
        rate = 0.1 * np.sqrt(1 - 0.999**t) / (1 - 0.9**t)
        value -= rate * mean / (np.sqrt(square) + 1e-8)
        step(aim)
        np.testing.assert_allclose(weights.get_value(), value, rtol=1e-12)


def _sentence_by_hand(values: list[np.ndarray], uniform: np.ndarray) -> list[int]:
    h = c = np.zeros(HIDDEN)
    last, said = END, []
    for number in uniform:
        h, c = _cell(values, last, h, c)
        sums = np.cumsum(np.exp(_log_p(values, h)))
        last = min(int(np.searchsorted(sums, number, side="right")), SYMBOLS - 1)
        said.append(last)
        if last == END:
            break
    return said


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_sentences_are_drawn_from_what_the_model_expects(mode: str) -> None:
    values = _values(2)
    parameters = [shared(v, name=n) for v, n in zip(values, NAMES, strict=True)]
    uniform = T.dvector("uniform")
    say = function([uniform], sentence(parameters, uniform), mode=mode)
    rng = np.random.default_rng(1)
    lengths = set()
    for length in (1, 2, 3, *[12] * 20):
        numbers = rng.random(length)
        wanted = _sentence_by_hand(values, numbers)
        np.testing.assert_array_equal(say(numbers), wanted)
        lengths.add(len(wanted))
    assert len(lengths) > 3
    assert len(say(np.full(4, 1.0))) == 4  # the last symbol, not one beyond
    assert len(say(np.zeros(0))) == 0


def _short_text(tmp_path: Path) -> Any:
    path = tmp_path / "short.txt"
    path.write_text("the cat sat on the mat\n" * 10 + "a cat sat\n" * 10, encoding="utf-8")
    return read_text(path)


def test_loss_decreases_within_a_few_steps(tmp_path: Path) -> None:
    text = _short_text(tmp_path)
    model = compile_lstm(initial_lstm(len(text.vocabulary), 8), 0.02)
    batches = list(grouped(text.train, 20))
    before = loss_over(model, batches)
    assert before == pytest.approx(np.log(len(text.vocabulary)), rel=0.2)
    for _ in range(20):
        model.step(batches[0].symbols, batches[0].mask)
    assert loss_over(model, batches) < 0.8 * before


def test_training_is_reproducible(tmp_path: Path) -> None:
    text, steps = _short_text(tmp_path), []

    def told(seed: int) -> list[tuple[float, float, str]]:
        recipe = TextRecipe(hidden=6, batch=4, epochs=2, seed=seed)
        epochs = train_text(recipe, text, lambda: steps.append(1))
        return [(e.loss, e.held_out_loss, e.sentence) for e in epochs]

    first = told(3)
    assert len(steps) == 2 * 18
    assert first == told(3)
    assert first != told(4)


@pytest.mark.skipif(not TALKS.is_file(), reason="the talks are not beside the checkout")
def test_it_learns_the_talks() -> None:
    text = read_text(TALKS)
    assert (len(text.train), len(text.held_out)) == (900, 99)
    epochs = list(train_text(TextRecipe(), text, lambda: None))
    assert min(epoch.held_out_loss for epoch in epochs) < 2.0
    assert epochs[-1].loss < 1.8


def test_the_command_prints_a_table(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    path = tmp_path / "cats.txt"
    path.write_text("[bold]the cat sat on the mat\n" * 12, encoding="utf-8")
    command = ["demo", "--model", "lstm", "--text", str(path), "--out", str(tmp_path)]
    assert main(command) == 0
    text = capsys.readouterr().out
    for word in ("character LSTM", "cats.txt", "epoch", "nats", "it says", "11 lines"):
        assert word in text


@pytest.mark.parametrize("content", [None, "", "one line"])
def test_a_bad_text_is_one_clear_line(
    content: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("rich")
    path = tmp_path / "talks.txt"
    if content is not None:
        path.write_text(content, encoding="utf-8")
    assert main(["demo", "--model", "lstm", "--text", str(path)]) == 1
    error = capsys.readouterr().err
    assert error.startswith("symc demo: ")
    assert "talks.txt" in error
    assert error.count("\n") == 1


def test_text_for_a_model_of_digits_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    pytest.importorskip("rich")
    assert main(["demo", "--model", "mlp", "--text", "talks.txt"]) == 1
    assert "--model lstm" in capsys.readouterr().err
