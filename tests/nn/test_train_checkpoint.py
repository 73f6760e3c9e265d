"""A training that stops and goes on gives the numbers of one that never stopped, bit for bit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.nn import layers, objectives, updates
from symc.nn import random as nn_random
from symc.nn.train import (
    Chunks,
    InShared,
    NoImprovement,
    Patience,
    Stream,
    Training,
    load_values,
    minibatches,
    save_values,
    train,
)
from symc.nn.train.files import written_atomically

ROOT = Path(__file__).resolve().parents[2]
rng = np.random.default_rng(3)
X = rng.normal(size=(53, 6)).astype("float32")
Y = (X[:, :2] > 0).sum(axis=1).astype("int32")


def _chunks(rng: np.random.Generator) -> Iterator[Any]:
    order = rng.permutation(len(X))
    for rows in (order[:20], order[20:31], order[31:]):
        yield X[rows], Y[rows]


def _noisy(rng: np.random.Generator) -> Iterator[Any]:
    for x, y in minibatches((X, Y), 8, shuffle=True, rng=rng):
        yield x + 0.1 * rng.normal(size=x.shape).astype("float32"), y


KINDS: dict[str, Any] = {
    "arrays": lambda: ((X, Y), {"batch_size": 8}),
    "shared": lambda: (InShared((X, Y), 8), {}),
    "chunks": lambda: (Chunks(_chunks, 8), {}),
    "stream": lambda: (Stream(_noisy), {}),
}


def _options() -> dict[str, Any]:
    return {"epochs": 5, "every": 3, "stopping": Patience(16, 1.5), "seed": 11}


class Network:
    """One with all that has a state: dropout, batch normalisation, Adam, a rate by hand."""

    def __init__(self, units: int = 5) -> None:
        self.x, self.y = T.fmatrix("x"), T.ivector("y")
        self.rate = symc.shared(np.float32(0.01), name="rate")
        nn_random.set_rng(np.random.RandomState(4))
        try:
            with symc.change_flags(floatX="float32"):
                net = layers.InputLayer((None, 6), self.x)
                net = layers.dropout(layers.batch_norm(layers.DenseLayer(net, units)), 0.3)
                self.net = layers.DenseLayer(net, 3, nonlinearity=T.nnet.softmax)
        finally:
            nn_random.set_rng(np.random)
        p = layers.get_output(self.net)
        self.loss = objectives.categorical_crossentropy(p, self.y).mean()
        q = layers.get_output(self.net, deterministic=True)
        self.valid = {"loss": objectives.categorical_crossentropy(q, self.y).mean()}
        with symc.change_flags(floatX="float32"):
            self.updates = updates.adam(
                self.loss, layers.get_all_params(self.net, trainable=True), self.rate
            )

    def train(self, kind: str = "arrays", **options: Any) -> Training:
        data, more = KINDS[kind]()
        options = {**_options(), **more, **options}
        return train(
            [self.x, self.y], self.loss, self.updates, data,
            valid=(X[:20], Y[:20]), valid_measures=self.valid, **options,
        )

    def values(self) -> list[np.ndarray]:
        return layers.get_all_param_values(self.net)


def _numbers(history: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{k: v for k, v in record.items() if k != "seconds"} for record in history]


def _by_hand(run: Training, model: Network, records: int | None = None) -> None:
    """What a program does with each record: the rate shrinks."""
    while records is None or len(run.history) < records:
        try:
            next(run)
        except StopIteration:
            return
        model.rate.set_value(model.rate.get_value() * np.float32(0.9))


def _states(run: Training) -> list[np.ndarray]:
    return [np.array(v.get_value()) for v in run.variables]


def _assert_same(here: list[np.ndarray], there: list[np.ndarray]) -> None:
    for a, b in zip(here, there, strict=True):
        np.testing.assert_array_equal(a, b)


def _set(run: Training, values: list[Any]) -> None:
    for variable, value in zip(run.variables, values, strict=True):
        variable.set_value(value)


@pytest.mark.parametrize("kind", KINDS)
def test_a_training_goes_on_bit_for_bit(kind: str, tmp_path: Path) -> None:
    model = Network()
    run = model.train(kind)
    start = _states(run)
    _by_hand(run, model)
    assert len(run.history) > 4
    states, records = _states(run), _numbers(run.history)
    run.restore_best()
    best = _states(run)

    def same(path: Path) -> Training:
        _set(run, start)  # a new one would begin with other values
        return Training(
            run.step, run.data, evaluate=run.evaluate, monitor=run.monitor, model=run.model,
            variables=run.variables, checkpoint=path, **_options(),
        )

    for stop in (1, 2, 3, len(records) - 1):
        path = tmp_path / f"{stop}.npz"
        _by_hand(same(path), model, stop)
        again = same(path)
        assert len(again.history) == stop
        _by_hand(again, model)
        assert _numbers(again.history) == records
        assert again.stopped == run.stopped
        _assert_same(_states(again), states)
        again.restore_best()
        _assert_same(_states(again), best)


PROGRAM = """
import json, os, sys
import numpy as np
sys.path.insert(0, {root!r})
import tests.nn.test_train_checkpoint as here
model = here.Network()
run = model.train("stream", checkpoint={path!r}, stopping=None, monitor=None, best=None)
fatal = int(sys.argv[1])
step = run.step
def counted(*batch):
    if run.updates == fatal:
        os.kill(os.getpid(), 9)
    return step(*batch)
run.step = counted
for record in run:
    model.rate.set_value(model.rate.get_value() * np.float32(0.9))
values = [v.tolist() for v in model.values()]
print(json.dumps([here._numbers(run.history), values]))
"""


def _program(path: Path, fatal: int) -> Any:
    text = textwrap.dedent(PROGRAM).format(root=str(ROOT), path=str(path))
    done = subprocess.run(
        [sys.executable, "-c", text, str(fatal)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "PYTHONPATH": str(ROOT)}, check=False,
    )
    if done.returncode == -signal.SIGKILL:
        return None
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.skipif(os.name != "posix", reason="processes are killed by signal 9")
def test_a_killed_process_loses_nothing(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    assert _program(path, 10) is None
    assert path.exists()
    whole = _program(tmp_path / "another.npz", -1)
    assert _program(path, -1) == whole
    assert len(whole[0]) == 12


def _plain(path: Path, shape: tuple[int, ...] = (6, 5), **options: Any) -> Training:
    """A training that takes no time, with records of three batches; an epoch has seven."""
    weights = symc.shared(np.zeros(shape), name="W")
    options = {"epochs": 2, "batch_size": 8, "every": 3, "variables": [weights], **options}
    return Training(lambda x, y: 1.0, (X, Y), monitor="loss", checkpoint=path, **options)


def test_the_last_record_comes_once_more(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    assert [r["updates"] for r in _plain(path)] == [3, 6, 9, 12, 14]
    assert [r["updates"] for r in _plain(path)] == [14]
    assert [r["updates"] for r in _plain(path, epochs=3)] == [14, 15, 18, 21]


def test_checkpoints_can_be_rare_and_the_end_is_always_written(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    run = _plain(path, checkpoint_every=3)
    next(run), next(run)
    assert not path.exists()
    next(run)
    assert len(_plain(path).history) == 3
    run.run()
    assert len(_plain(path).history) == 5


def test_resume_says_whether_to_go_on(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    with pytest.raises(FileNotFoundError, match=r"checkpoint\.npz"):
        _plain(path, resume=True)
    next(_plain(path))
    assert len(_plain(path, resume=True).history) == 1
    assert not _plain(path, resume=False).history


def test_a_checkpoint_of_another_training_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    next(_plain(path))
    with pytest.raises(ValueError, match=r"(?s)W float64\(6, 7\).*\(6, 5\).*in _plain: weights"):
        _plain(path, (6, 7))
    with pytest.raises(ValueError, match=r"(?s)batch_size=9.*batch_size=8.*resume=False"):
        _plain(path, batch_size=9)
    with pytest.raises(ValueError, match=r"(?s)stopping='NoImprovement'.*stopping=None"):
        _plain(path, stopping=NoImprovement(3))
    with pytest.raises(ValueError, match=r"(?s)values of 1 variables.*here are 0"):
        _plain(path, variables=[])
    for k, content in enumerate([b"", b"text", b"PK\3\4broken"]):
        other = tmp_path / f"other{k}.npz"
        other.write_bytes(content)
        with pytest.raises(ValueError, match=rf"(?s)other{k}.npz is not.*symc checkpoint"):
            _plain(other)
    np.savez(tmp_path / "arrays.npz", X)
    with pytest.raises(ValueError, match=r"arrays.npz is not"):
        _plain(tmp_path / "arrays.npz")
    save_values(tmp_path / "values.npz", [symc.shared(X)])
    with pytest.raises(ValueError, match=r"(?s)symc values 1.*symc checkpoint 1"):
        _plain(tmp_path / "values.npz")


def test_a_value_that_is_no_array_is_named(tmp_path: Path) -> None:
    thing = symc.shared({"a": 1}, name="thing")
    run = Training(lambda x: None, X, epochs=1, batch_size=8, variables=[thing],
                   checkpoint=tmp_path / "c.npz")
    with pytest.raises(TypeError, match=r"(?s)thing.*dict.*test_train_checkpoint.py"):
        run.run()
    assert list(tmp_path.iterdir()) == []


def test_values_go_to_files_and_back(tmp_path: Path) -> None:
    def fresh(*shapes: tuple[int, ...]) -> list[Any]:
        return [symc.shared(np.zeros(s), name=f"v{k}") for k, s in enumerate(shapes)]

    state = symc.tensor.shared_randomstreams.RandomStreams(1).uniform((2,)).rng
    saved = [*fresh((2, 3), (), (0, 4)), state]
    saved[0].set_value(np.array([[np.nan, np.inf, -0.0], [1e-310, np.pi, 1 / 3]]))
    words = np.array(state.get_value())
    path = tmp_path / "new folder" / "values"
    save_values(path, saved)
    assert [p.name for p in path.parent.iterdir()] == ["values"]
    state.get_value(borrow=True).seed(9)
    loaded = [*fresh((2, 3), (), (0, 4)), state]
    load_values(path, loaded)
    np.testing.assert_array_equal(loaded[0].get_value(), saved[0].get_value())
    assert np.signbit(loaded[0].get_value()[0, 2])
    np.testing.assert_array_equal(np.array(state.get_value()), words)
    with pytest.raises(ValueError, match=r"(?s)4 variables.*here are 2"):
        load_values(path, loaded[:2])
    with pytest.raises(ValueError, match=r"(?s)v0 float64\(3, 2\).*test_train_checkpoint.py"):
        load_values(path, [*fresh((3, 2), (), (0, 4)), state])
    with pytest.raises(FileNotFoundError):
        load_values(tmp_path / "missing", loaded)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("old")
    path.chmod(0o640)
    def disk_full() -> None:
        with written_atomically(path) as part:
            part.write_text("half")
            raise OSError("disk is full")

    with pytest.raises(OSError, match="full"):
        disk_full()
    assert path.read_text() == "old"
    with written_atomically(path) as part:
        part.write_text("new")
    assert path.read_text() == "new"
    assert path.stat().st_mode & 0o777 == 0o640
    assert [p.name for p in tmp_path.iterdir()] == ["file"]


def test_what_a_program_adds_to_records_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.npz"
    run = _plain(path)
    next(run)["test"] = np.float32(0.5)
    next(run)
    assert _plain(path).history[0]["test"] == 0.5
    run.history[0]["test"] = {1, 2}
    with pytest.raises(TypeError, match="set: {1, 2}"):
        next(run)


def test_one_rule_serves_several_trainings() -> None:
    rule = NoImprovement(2)
    for _ in range(2):
        run = Training(lambda x: 1.0, X, epochs=9, batch_size=53, monitor="loss", stopping=rule)
        assert len(run.run()) == 3
