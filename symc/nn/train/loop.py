"""The training loop: an iterator of records that can be stopped, and goes on where it was."""

from __future__ import annotations

import copy
import os
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from symc.errors import user_message
from symc.nn.train.data import Batch, Data, as_data
from symc.nn.train.files import (
    check_variables,
    describe,
    read_archive,
    save_values,
    value_of,
    write_archive,
)
from symc.nn.train.history import COUNTS, plot_history
from symc.nn.train.progress import ProgressBar, progress_bar
from symc.nn.train.stopping import Stopping, is_improvement

__all__ = ["Means", "Training"]

CHECKPOINT = "symc checkpoint 1"


def _check_count(name: str, number: Any, least: int) -> None:
    if not isinstance(number, (int, np.integer)) or number < least:
        raise ValueError(f"{name} is a whole number from {least} on, got {number!r}")


class Means:
    """Means of named numbers over batches, weighted by their rows."""

    def __init__(self) -> None:
        self._totals: dict[str, float] = {}
        self.rows = 0

    def add(self, results: Any, rows: int) -> None:
        """Take in what a step returned for a batch.

        Parameters
        ----------
        results : dict of scalar, scalar, or None
            One number alone is called ``loss``.
        rows : int
            Of the batch.

        Raises
        ------
        ValueError
            If a result is not one number.
        """
        if not isinstance(results, Mapping):
            results = {} if results is None else {"loss": results}
        for name, value in results.items():
            try:
                number = float(value)
            except TypeError as bad:
                raise ValueError(
                    user_message(
                        f"measure {name!r} is not one number per batch",
                        got=f"{type(value).__name__} of shape {np.shape(value)}",
                        hint="take its mean",
                    )
                ) from bad
            self._totals[name] = self._totals.get(name, 0.0) + number * rows
        self.rows += rows

    def take(self) -> dict[str, float]:
        """Return the means by name, and start again."""
        means = {name: total / self.rows for name, total in self._totals.items() if self.rows}
        self._totals, self.rows = {}, 0
        return means


class Training(Iterator[dict[str, Any]]):
    """Training, record by record: an iterator.

    A record is a dict: ``epoch`` (from 1 on), ``updates`` (batches so far), ``seconds`` (of its
    batches), the means of what `step` returned, weighted by rows, and what `evaluate` returned. If
    there is a `monitor`, ``best`` says whether it was never better.

    A checkpoint is written before a record is given away. A training that finds one goes on from
    there: it gives the last record once more, so that what a program does with a record is done,
    and then the same numbers as if it had never stopped.

    Parameters
    ----------
    step : callable
        ``step(*batch)`` trains on a batch and returns a number, a dict of numbers, or None.
    data : Data, callable, array_like or sequence of array_like
        As for `as_data`.
    epochs : int
        Passes over the data, at most.
    batch_size : int, optional
        For arrays.
    variables : sequence of SharedVariable
        What a checkpoint keeps: all that `step` reads and changes, states of streams included.
    model : sequence of SharedVariable, optional
        What is kept of the best record. Default `variables`.
    every : int, optional
        Batches per record. Default: an epoch.
    evaluate : callable, optional
        Without arguments; returns further measures for a record.
    monitor : str, optional
        The measure that says which record is best.
    maximize : bool
        Whether the greatest is best, and not the least.
    stopping : Stopping, optional
        When to stop early, by `monitor`: `NoImprovement`, `Patience`, or a rule of one's own. A
        copy is used, so that one rule may serve several trainings.
    schedules : dict of SharedVariable to callable, optional
        ``callable(epoch)`` is the value during an epoch, from 0 on; it is set when that begins.
    seed : int or sequence of int
        Of the generator that the order of rows is drawn from.
    best : path, optional
        Where `save_values` writes the best model, each time that there is a better one.
    checkpoint : path, optional
        Where all that is needed to go on is written.
    checkpoint_every : int
        Records per checkpoint.
    resume : bool, optional
        Whether to go on from the checkpoint: default if there is one, True it must be there, False
        start anew.
    progress : bool, optional
        Whether to show a progress bar; default where the standard error stream is a terminal.

    Attributes
    ----------
    step, evaluate, data
        As given, or made.
    history : list of dict
        The records so far.
    epoch : int
        Complete passes.
    updates : int
        Batches so far.
    best_record : dict or None
    variables, model : list of SharedVariable
        What checkpoints keep, and what is kept of the best record.
    stopped : bool
        Whether `stopping` has ended it.

    Raises
    ------
    FileNotFoundError
        If `resume` is True and there is no checkpoint.
    ValueError
        If settings do not go together, or the checkpoint is of another training.
    """

    def __init__(
        self,
        step: Callable[..., Any],
        data: Any,
        *,
        epochs: int,
        batch_size: int | None = None,
        variables: Sequence[Any] = (),
        model: Sequence[Any] | None = None,
        every: int | None = None,
        evaluate: Callable[[], Mapping[str, float]] | None = None,
        monitor: str | None = None,
        maximize: bool = False,
        stopping: Stopping | None = None,
        schedules: Mapping[Any, Callable[[int], Any]] | None = None,
        seed: Any = 0,
        best: str | os.PathLike[str] | None = None,
        checkpoint: str | os.PathLike[str] | None = None,
        checkpoint_every: int = 1,
        resume: bool | None = None,
        progress: bool | None = None,
    ) -> None:
        _check_count("epochs", epochs, 0)
        _check_count("every", 1 if every is None else every, 1)
        _check_count("checkpoint_every", checkpoint_every, 1)
        if monitor is None and (stopping is not None or best is not None):
            raise ValueError(
                "early stopping and the best model need a measure to go by: name it by monitor"
            )
        self.data: Data = as_data(data, batch_size)
        self.history: list[dict[str, Any]] = []
        self.epoch = self.updates = self._position = 0
        self.best_record: dict[str, Any] | None = None
        self.stopped = False
        self.epochs, self.every = epochs, every
        self.monitor, self.maximize, self.stopping = monitor, maximize, copy.copy(stopping)
        self.step, self.evaluate = step, evaluate
        self._schedules = dict(schedules or {})
        self.variables = [*variables, *(v for v in self._schedules if v not in set(variables))]
        self.model = list(variables if model is None else model)
        self._best_values: list[np.ndarray] = []
        self._rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(seed)))
        self._order = self._rng.bit_generator.state
        self._means, self._seconds = Means(), 0.0
        self._batches: Iterator[Batch] | None = None
        self._best_path, self._checkpoint = best, checkpoint
        self._checkpoint_every = checkpoint_every
        self._saved = 0
        self._once_more = False
        self._show_progress, self._said = progress, ""
        if resume and checkpoint is None:
            raise ValueError("a training goes on from a checkpoint: say from which")
        if checkpoint is not None and (Path(checkpoint).exists() if resume is None else resume):
            self.restore(checkpoint)

    # -----------------------------------------------------------------------------------------
    # The loop
    # -----------------------------------------------------------------------------------------

    def __iter__(self) -> Training:
        return self

    def __next__(self) -> dict[str, Any]:
        if self._once_more:
            self._once_more = False
            return self.history[-1]
        if self.stopped or (self.epoch >= self.epochs and not self._means.rows):
            self._save_at_end()
            raise StopIteration
        count = self.data.batches()
        total = None if count is None else self.epochs * count
        bar = progress_bar(self.updates, total, self._said, self._show_progress)
        try:
            if self._train_until_record(bar):
                return self._finish_record()
        except BaseException:
            self._batches = None  # a program that goes on gets the rest of the epoch again
            raise
        finally:
            bar.close()
        self._save_at_end()
        raise StopIteration

    def run(self) -> list[dict[str, Any]]:
        """Train to the end.

        Returns
        -------
        list of dict
            The history.
        """
        for _ in self:
            pass
        return self.history

    def _train_until_record(self, bar: ProgressBar) -> bool:
        """Train on batches up to the end of a record; whether there were any."""
        while self.epoch < self.epochs:
            if self._batches is None:
                self._open_epoch()
            start = time.perf_counter()
            for rows, arguments in self._batches or ():
                self._means.add(self.step(*arguments), rows)
                self._position += 1
                self.updates += 1
                bar.advance()
                if self.every is not None and self.updates % self.every == 0:
                    self._seconds += time.perf_counter() - start
                    return True
            self._seconds += time.perf_counter() - start
            self._close_epoch()
            if self.every is None:
                return True
        return self._means.rows > 0

    def _open_epoch(self) -> None:
        """Make the batches of the epoch that is due, without those that were trained on."""
        for variable, value in self._schedules.items():
            variable.set_value(np.asarray(value(self.epoch), variable.dtype))
        self._rng.bit_generator.state = self._order
        self._batches = self.data.epoch(self._rng, self._position)

    def _close_epoch(self) -> None:
        if self._position == 0:
            raise ValueError("the data gave no batch; there is nothing to train on")
        self.epoch += 1
        self._position = 0
        self._order = self._rng.bit_generator.state
        self._batches = None

    def _finish_record(self) -> dict[str, Any]:
        record: dict[str, Any] = {
            "epoch": self.epoch + (self._position > 0),
            "updates": self.updates,
            "seconds": self._seconds,
            **self._means.take(),
        }
        self._seconds = 0.0
        if self.evaluate is not None:
            record.update({name: float(value) for name, value in self.evaluate().items()})
        if self.monitor is not None:
            self._judge(record)
        self.history.append(record)
        self._said = " ".join(f"{k} {v:.4g}" for k, v in record.items() if k not in COUNTS)
        if self._checkpoint is not None and len(self.history) % self._checkpoint_every == 0:
            self.save(self._checkpoint)
        return record

    def _save_at_end(self) -> None:
        if self._checkpoint is not None and self._saved < len(self.history):
            self.save(self._checkpoint)

    # -----------------------------------------------------------------------------------------
    # The best model
    # -----------------------------------------------------------------------------------------

    def _judge(self, record: dict[str, Any]) -> None:
        """Compare a record with the best one, and ask whether to stop."""
        value = self._monitored(record)
        before = np.inf if self.best_record is None else self._monitored(self.best_record)
        record["best"] = is_improvement(value, before)
        if record["best"]:
            self.best_record = record
            self._best_values = [value_of(v) for v in self.model]
            if self._best_path is not None:
                save_values(self._best_path, self.model)
        if self.stopping is not None:
            self.stopped = bool(self.stopping.update(value, self.updates))

    def _monitored(self, record: Mapping[str, Any]) -> float:
        if self.monitor is None or self.monitor not in record:
            raise ValueError(
                f"there is no measure {self.monitor!r} to monitor; records have "
                + ", ".join(record)
            )
        value = float(record[self.monitor])
        return -value if self.maximize else value

    def restore_best(self) -> dict[str, Any]:
        """Set the model to what it was at the best record.

        Returns
        -------
        dict
            That record.

        Raises
        ------
        ValueError
            If there is none.
        """
        if self.best_record is None:
            raise ValueError("there is no best record: no measure is monitored, or it was never "
                             "a number")
        for variable, value in zip(self.model, self._best_values, strict=True):
            variable.set_value(value)
        return self.best_record

    def plot(self, path: str | os.PathLike[str] | None = None) -> Any:
        """Draw the history, as `plot_history` does.

        Parameters
        ----------
        path : path, optional

        Returns
        -------
        matplotlib.figure.Figure
        """
        return plot_history(self.history, path)

    # -----------------------------------------------------------------------------------------
    # Stop, and go on
    # -----------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all that is needed to go on from the last record, or from the start.

        Parameters
        ----------
        path : path
            The file is replaced in one go: it is never half written.

        Raises
        ------
        TypeError
            If a variable holds neither an array nor the state of a random stream.
        """
        last = self.best_record
        description = {
            "format": CHECKPOINT,
            "settings": self._settings(),
            "epoch": self.epoch,
            "position": self._position,
            "updates": self.updates,
            "order": self._order,
            "history": self.history,
            "best": None if last is None else self.history.index(last),
            "stopped": self.stopped,
            "stopping": None if self.stopping is None else self.stopping.state(),
            "variables": describe(self.variables),
            "model": describe(self.model),
        }
        groups = {"values": [value_of(v) for v in self.variables], "best": self._best_values}
        write_archive(path, description, groups)
        self._saved = len(self.history)

    def restore(self, path: str | os.PathLike[str]) -> None:
        """Go on from what `save` wrote.

        Parameters
        ----------
        path : path

        Raises
        ------
        FileNotFoundError
            If there is no such file.
        ValueError
            If it is no checkpoint, or one of a training with other settings or other variables;
            nothing is changed then.
        """
        found, groups = read_archive(path, CHECKPOINT)
        self._check_settings(path, found["settings"])
        check_variables(path, self.variables, found["variables"])
        check_variables(path, self.model, found["model"])
        for variable, value in zip(self.variables, groups["values"], strict=True):
            variable.set_value(value)
        self.epoch, self._position = found["epoch"], found["position"]
        self.updates, self.stopped = found["updates"], found["stopped"]
        self._order = found["order"]
        self._batches, self._means, self._seconds = None, Means(), 0.0
        self.history = found["history"]
        self.best_record = None if found["best"] is None else self.history[found["best"]]
        self._best_values = groups["best"]
        if self.stopping is not None:
            self.stopping.restore(found["stopping"])
        self._saved = len(self.history)
        self._once_more = bool(self.history)

    def _settings(self) -> dict[str, Any]:
        """What a training that goes on from a checkpoint must have in common with it."""
        return {
            **self.data.settings(),
            "every": self.every,
            "monitor": self.monitor,
            "maximize": self.maximize,
            "stopping": None if self.stopping is None else type(self.stopping).__name__,
        }

    def _check_settings(self, path: Any, there: Mapping[str, Any]) -> None:
        here = self._settings()
        names = [n for n in {**there, **here} if there.get(n) != here.get(n)]
        if names:
            raise ValueError(
                user_message(
                    f"{os.fspath(path)} is a checkpoint of a training with other settings",
                    got="here: " + ", ".join(f"{n}={here.get(n)!r}" for n in names),
                    expected="there: " + ", ".join(f"{n}={there.get(n)!r}" for n in names),
                    hint="use the same settings, or resume=False to start anew; to start from "
                    "trained values only, save and load them with save_values and load_values",
                )
            )
