"""Training loops against the same loops in NumPy: records, stopping, the best model."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import layers, updates
from symc.nn.train import (
    Arrays,
    Chunks,
    InShared,
    NoImprovement,
    Patience,
    Stream,
    Training,
    is_improvement,
    load_values,
    measures,
    minibatches,
    train,
)

RATE = 0.1
rng = np.random.default_rng(7)
X = rng.normal(size=(23, 3))
Y = X @ [1.0, -2.0, 0.5] + 0.1 * rng.normal(size=23)


class Linear:
    """Least squares: without layers, to be trained by a plain formula."""

    def __init__(self) -> None:
        self.x, self.y = T.dmatrix("x"), T.dvector("y")
        self.w = symc.shared(np.zeros(3), name="w")
        residual = T.dot(self.x, self.w) - self.y
        self.loss = T.mean(residual**2)
        self.size = T.mean(abs(residual))
        self.updates = {self.w: self.w - RATE * T.grad(self.loss, self.w)}

    def train(self, data: Any = (X, Y), **options: Any) -> Training:
        return train([self.x, self.y], self.loss, self.updates, data, **options)


def by_hand(epochs: int, batch_size: int) -> tuple[list[tuple[float, float]], np.ndarray]:
    """Mean loss and mean absolute residual per epoch, in the rows' own order; the weights."""
    w, means = np.zeros(3), []
    for _ in range(epochs):
        squares, sizes = 0.0, 0.0
        for start in range(0, len(X), batch_size):
            x, y = X[start : start + batch_size], Y[start : start + batch_size]
            residual = x @ w - y
            squares += (residual**2).sum()
            sizes += abs(residual).sum()
            w = w - RATE * 2 * x.T @ residual / len(x)
        means.append((squares / len(X), sizes / len(X)))
    return means, w


def _chunks(rng: np.random.Generator) -> Iterator[Any]:
    yield X[:10], Y[:10]
    yield X[10:], Y[10:]


@pytest.mark.parametrize(
    "data",
    [
        Arrays((X, Y), 5, shuffle=False),
        InShared((X, Y), 5, shuffle=False),
        Chunks(_chunks, 5, shuffle=False),
        Stream(lambda rng: minibatches((X, Y), 5), length=5),
        lambda rng: minibatches((X, Y), 5),
    ],
    ids=["arrays", "shared", "chunks", "stream", "callable"],
)
def test_numbers_are_those_of_a_loop_in_numpy(data: Any) -> None:
    model = Linear()
    run = model.train(data, epochs=3, measures={"size": model.size})
    means, w = by_hand(3, 5)
    found = [(record["loss"], record["size"]) for record in run]
    np.testing.assert_allclose(found, means, rtol=1e-12)
    np.testing.assert_allclose(model.w.get_value(), w, rtol=1e-12)
    assert [r["epoch"] for r in run.history] == [1, 2, 3]
    assert [r["updates"] for r in run.history] == [5, 10, 15]
    assert all(r["seconds"] > 0 for r in run.history)
    with pytest.raises(StopIteration):
        next(run)


def test_records_can_be_of_some_batches_and_cross_epochs() -> None:
    model = Linear()
    run = model.train(epochs=3, batch_size=5, shuffle=False, every=4)
    assert [(r["epoch"], r["updates"]) for r in run] == [(1, 4), (2, 8), (3, 12), (3, 15)]
    model = Linear()
    losses = [r["loss"] for r in model.train(epochs=1, batch_size=23, every=1)]
    np.testing.assert_allclose(losses, [np.mean(Y**2)])
    model = Linear()
    exact = model.train(epochs=2, batch_size=5, every=5).run()
    assert [(r["epoch"], r["updates"]) for r in exact] == [(1, 5), (2, 10)]


def test_nothing_is_trained_before_it_is_asked_for() -> None:
    model = Linear()
    run = model.train(epochs=1, batch_size=5)
    assert not model.w.get_value().any()
    next(run)
    assert model.w.get_value().all()
    assert model.train(epochs=0, batch_size=5).run() == []


def test_the_seed_says_the_order() -> None:
    def losses(seed: Any, **options: Any) -> list[float]:
        run = Linear().train(epochs=2, batch_size=5, seed=seed, **options)
        return [r["loss"] for r in run]

    assert losses(1) == losses(1)
    assert losses(1) != losses(2)
    assert losses(1) != losses(1, shuffle=False)


def test_validation_measures_and_changes_nothing() -> None:
    class Noisy(Linear):
        def __init__(self) -> None:
            super().__init__()
            streams = symc.tensor.shared_randomstreams.RandomStreams(3)
            noise = streams.normal(self.y.shape)
            self.loss = T.mean((T.dot(self.x, self.w) - self.y + noise) ** 2)
            self.updates = {self.w: self.w - RATE * T.grad(self.loss, self.w)}

    plain, watched = Noisy(), Noisy()
    without = plain.train(epochs=3, batch_size=5).run()
    run = watched.train(
        epochs=3,
        batch_size=5,
        valid=(X[:7], Y[:7]),
        valid_measures={"size": watched.size, "loss": watched.loss},
    )
    errors = []
    for record in run:
        errors.append(np.mean(abs(X[:7] @ watched.w.get_value() - Y[:7])))
        np.testing.assert_allclose(record["valid_size"], errors[-1])
    assert [r["loss"] for r in run.history] == [r["loss"] for r in without]
    np.testing.assert_array_equal(plain.w.get_value(), watched.w.get_value())
    assert [r["best"] for r in run.history] == [
        error == min(errors[: k + 1]) for k, error in enumerate(errors)
    ]


def test_measures_are_weighted_by_rows() -> None:
    x = T.dvector("x")
    measure = measures([x], {"mean": x.mean(), "rows": x.size}, np.arange(5.0), 2)
    assert measure() == {"mean": 2.0, "rows": (2 * 2 + 2 * 2 + 1 * 1) / 5}
    assert measures([x], {"mean": x.mean()}, np.arange(5.0))() == {"mean": 2.0}
    assert measures([x], {"mean": x.mean()}, InShared(np.arange(5.0), 2))() == {"mean": 2.0}


def test_the_best_model_is_kept_saved_and_restored(tmp_path: Path) -> None:
    w = symc.shared(0.0, name="w")
    errors = [3.0, 1.0, 2.0, float("nan"), 1.0]

    def step(batch: np.ndarray) -> None:
        w.set_value(w.get_value() + 1)

    run = Training(
        step,
        np.zeros(1),
        epochs=5,
        batch_size=1,
        variables=[w],
        evaluate=lambda: {"error": errors[int(w.get_value()) - 1]},
        monitor="error",
        best=tmp_path / "folder" / "best.npz",
    )
    assert [record["best"] for record in run] == [True, True, False, False, False]
    assert w.get_value() == 5
    load_values(tmp_path / "folder" / "best.npz", [w])
    assert w.get_value() == 2
    w.set_value(9.0)
    assert run.restore_best()["epoch"] == 2
    assert w.get_value() == 2


def test_the_greatest_can_be_the_best() -> None:
    values = iter([0.5, 0.7, 0.6])
    run = Training(
        lambda batch: None, np.zeros(1), epochs=3, batch_size=1,
        evaluate=lambda: {"accuracy": next(values)}, monitor="accuracy", maximize=True,
    )
    assert [r["best"] for r in run] == [True, True, False]
    assert run.restore_best()["accuracy"] == 0.7


def test_the_model_is_what_measures_are_computed_from(tmp_path: Path) -> None:
    x = T.matrix("x")
    net = layers.batch_norm(layers.DenseLayer(layers.InputLayer((None, 3), x), 4))
    loss = T.mean(layers.get_output(net) ** 2)
    params = layers.get_all_params(net, trainable=True)
    run = train(
        [x], loss, updates.adam(loss, params), X.astype(x.dtype), epochs=1, batch_size=23,
        valid=X.astype(x.dtype), best=tmp_path / "best.npz",
    )
    run.run()
    load_values(tmp_path / "best.npz", run.model)
    kept, whole = run.model, layers.get_all_params(net)
    assert len(kept) == len(whole)
    assert {v.container for v in kept} == {v.container for v in whole}


def test_no_improvement() -> None:
    stopping = NoImprovement(2)
    assert [stopping.update(v, 0) for v in (3.0, 2.0, 2.0, 1.0, float("nan"), 1.5)] == [
        False, False, False, False, False, True
    ]
    with pytest.raises(ValueError, match="one record"):
        NoImprovement(0)


def reference_patience(losses: list[float], patience: float, frequency: int) -> int:
    """The loop of the tutorials, with its own names; returns the steps that were taken."""
    best, steps = np.inf, 0
    for loss in losses:
        steps += frequency
        if loss < best:
            if loss < best * 0.995:
                patience = max(patience, steps * 2.0)
            best = loss
        if patience <= steps:
            break
    return steps


@pytest.mark.parametrize("patience", [5, 20, 60, 1000])
def test_patience_is_that_of_the_tutorials(patience: int) -> None:
    losses = [1.0, 0.5, 0.4999, 0.4998, 0.3, 0.31, *(0.299 - 1e-5 * np.arange(14))]
    values = iter(losses)
    run = Training(
        lambda batch: None, np.zeros(10), epochs=len(losses), batch_size=1,
        evaluate=lambda: {"error": next(values)}, monitor="error", stopping=Patience(patience),
    )
    run.run()
    assert run.updates == reference_patience(losses, patience, 10)
    assert run.stopped == (run.updates < 10 * len(losses) or patience <= 10 * len(losses))


def test_improvements_of_negative_numbers() -> None:
    assert is_improvement(-1.1, -1.0, threshold=0.95)
    assert not is_improvement(-1.01, -1.0, threshold=0.95)
    assert not is_improvement(-0.99, -1.0, threshold=0.95)
    assert is_improvement(5.0, float("inf"), threshold=0.5)
    assert not is_improvement(float("nan"), float("inf"))
    with pytest.raises(ValueError, match="increase"):
        Patience(10, increase=0.5)


def test_schedules_set_shared_variables() -> None:
    model = Linear()
    rate = symc.shared(np.float32(0), name="rate")
    model.updates = {model.w: model.w - rate * T.grad(model.loss, model.w)}
    run = model.train(epochs=3, batch_size=5, schedules={rate: lambda epoch: 0.1 * 0.5**epoch})
    assert [float(rate.get_value()) for _ in run] == [np.float32(r) for r in (0.1, 0.05, 0.025)]


def test_any_function_can_be_trained_with() -> None:
    seen = []

    def step(x: np.ndarray, y: np.ndarray) -> dict[str, float]:
        seen.append(len(x))
        return {"a": float(x.sum()), "b": 1}

    run = Training(step, (np.ones((4, 2)), np.ones(4)), epochs=1, batch_size=3)
    (record,) = run
    assert record["a"] == (6.0 * 3 + 2.0 * 1) / 4
    assert record["b"] == 1.0
    assert seen == [3, 1]
    alone = Training(lambda x: x.mean(), np.arange(4.0), epochs=1, batch_size=2)
    assert [r["loss"] for r in alone] == [1.5]


def test_an_interrupt_in_a_step_loses_nothing() -> None:
    calls = 0

    def noisy(rng: np.random.Generator) -> Iterator[Any]:
        for x, y in minibatches((X, Y), 5, shuffle=True, rng=rng):
            yield x + 0.1 * rng.normal(size=x.shape), y

    def run(interrupted_at: int) -> tuple[list[dict[str, Any]], np.ndarray]:
        nonlocal calls
        model, calls = Linear(), 0
        step = symc.function([model.x, model.y], model.loss, updates=model.updates)

        def counted(*batch: Any) -> Any:
            nonlocal calls
            calls += 1
            if calls == interrupted_at:
                raise KeyboardInterrupt
            return step(*batch)

        training = Training(counted, noisy, epochs=2)
        if interrupted_at:
            with pytest.raises(KeyboardInterrupt):
                training.run()
        return training.run(), model.w.get_value()

    records, w = run(0)
    for interrupted_at in (1, 3, 7):
        again, same = run(interrupted_at)
        assert [r["loss"] for r in again] == [r["loss"] for r in records]
        np.testing.assert_array_equal(same, w)


@pytest.mark.parametrize("whole", [Arrays((X, Y), 100), InShared((X, Y), 100)])
def test_fewer_rows_than_a_batch_are_one_batch(whole: Any) -> None:
    model = Linear()
    records = model.train(whole, epochs=3).run()
    means, w = by_hand(3, len(X))
    assert [r["updates"] for r in records] == [1, 2, 3]
    np.testing.assert_allclose([r["loss"] for r in records], [loss for loss, _ in means])
    np.testing.assert_allclose(model.w.get_value(), w)


def test_mistakes_are_named() -> None:
    model = Linear()
    with pytest.raises(ValueError, match=r"no batch.*\n.*batch_size=24 for 23 rows"):
        model.train(epochs=1, batch_size=24, drop_last=True)
    with pytest.raises(ValueError, match="no rows"):
        model.train((X[:0], Y[:0]), epochs=1, batch_size=24)
    with pytest.raises(TypeError, match=r"(?s)iterator is at its end.*generator.*makes one"):
        model.train(((x, y) for x, y in [(X, Y)]), epochs=1)
    with pytest.raises(ValueError, match="need a batch_size"):
        model.train(epochs=1)
    with pytest.raises(ValueError, match="same length"):
        model.train((X, Y[1:]), epochs=1, batch_size=2)
    with pytest.raises(ValueError, match=r"(?s)rank of input y.*\(23, 3\).*test_train_loop.py"):
        model.train((X, X), epochs=1, batch_size=2)
    with pytest.raises(ValueError, match="valid_measures need"):
        model.train(epochs=1, batch_size=2, valid_measures={})
    with pytest.raises(ValueError, match="shuffle"):
        model.train(InShared((X, Y), 5), epochs=1, shuffle=False)
    with pytest.raises(ValueError, match="name it by monitor"):
        model.train(epochs=1, batch_size=2, stopping=NoImprovement(1))
    with pytest.raises(ValueError, match="every is a whole number from 1 on, got 0"):
        model.train(epochs=1, batch_size=2, every=0)
    with pytest.raises(ValueError, match="epochs"):
        model.train(epochs=-1, batch_size=2)
    with pytest.raises(ValueError, match=r"epochs.*2\.5"):
        model.train(epochs=2.5, batch_size=2)
    with pytest.raises(ValueError, match="no measure 'eror'.*loss"):
        model.train(epochs=1, batch_size=2, monitor="eror").run()
    with pytest.raises(ValueError, match=r"(?s)'each'.*vector.*test_train_loop.py.*mean"):
        model.train(epochs=1, batch_size=2, drop_last=True, measures={"each": model.y}).run()
    with pytest.raises(ValueError, match=r"(?s)'loss'.*ndarray of shape \(2,\).*mean"):
        Training(lambda x: x[:, 0], X, epochs=1, batch_size=2).run()
    with pytest.raises(ValueError, match="no batch"):
        model.train(lambda rng: [], epochs=1).run()
    with pytest.raises(ValueError, match="no best record"):
        model.train(epochs=1, batch_size=2).restore_best()
    with pytest.raises(ValueError, match="from which"):
        model.train(epochs=1, batch_size=2, resume=True)
