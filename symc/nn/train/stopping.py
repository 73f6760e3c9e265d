"""When a training stops before its last epoch."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Any

__all__ = ["NoImprovement", "Patience", "Stopping", "is_improvement"]


def is_improvement(value: float, best: float, threshold: float = 1.0) -> bool:
    """Return whether `value` is below `best`, and by enough.

    Parameters
    ----------
    value, best : float
        NaN is never an improvement, and anything else is one over an infinite `best`.
    threshold : float
        By ``1 - threshold`` of the size of `best`; 0.995 asks for half a percent.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_improvement(0.99, 1.0), is_improvement(0.999, 1.0, threshold=0.995)
    (True, False)
    """
    if math.isinf(best):
        return value < best
    return value < best - (1.0 - threshold) * abs(best)


class Stopping(ABC):
    """A rule that ends a training early."""

    @abstractmethod
    def update(self, value: float, updates: int) -> bool:
        """Take in the value of a record; return whether to stop.

        Parameters
        ----------
        value : float
            The smaller the better.
        updates : int
            Steps of training so far.

        Returns
        -------
        bool
        """

    @abstractmethod
    def state(self) -> dict[str, Any]:
        """Return what a checkpoint keeps."""

    @abstractmethod
    def restore(self, state: dict[str, Any]) -> None:
        """Take over what `state` returned."""


class NoImprovement(Stopping):
    """Stop after some records in a row without a new best value.

    Parameters
    ----------
    records : int
        How many, one or more.
    threshold : float
        How much better a value must be to count, as for `is_improvement`.

    Attributes
    ----------
    best : float
        The last value that counted.
    waited : int
        Records since then.
    """

    def __init__(self, records: int, threshold: float = 1.0) -> None:
        if records < 1:
            raise ValueError(f"patience is one record or more, got {records}")
        self.records = records
        self.threshold = threshold
        self.best = math.inf
        self.waited = 0

    def update(self, value: float, updates: int) -> bool:
        del updates
        if is_improvement(value, self.best, self.threshold):
            self.best, self.waited = value, 0
        else:
            self.waited += 1
        return self.waited >= self.records

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "waited": self.waited}

    def restore(self, state: dict[str, Any]) -> None:
        self.best, self.waited = float(state["best"]), int(state["waited"])


class Patience(Stopping):
    """Stop when so many steps were taken as patience lasts, which grows with every improvement.

    This is the early stopping of the Deep Learning Tutorials (LISA lab, 2008): an improvement at
    step `n` makes patience last until step ``n * increase`` at least.

    Parameters
    ----------
    patience : int
        Steps (batches) that are taken in any case.
    increase : float
        At least 1.
    threshold : float
        How much better a value must be to count, as for `is_improvement`.

    Attributes
    ----------
    best : float
        The best value, whether it counted or not.
    """

    def __init__(self, patience: int, increase: float = 2.0, threshold: float = 0.995) -> None:
        if patience < 1 or increase < 1:
            raise ValueError(
                "patience is one step or more and increases by a factor of 1 or more, got "
                f"patience={patience}, increase={increase}"
            )
        self.patience: float = patience
        self.increase = increase
        self.threshold = threshold
        self.best = math.inf

    def update(self, value: float, updates: int) -> bool:
        if is_improvement(value, self.best, self.threshold):
            self.patience = max(self.patience, updates * self.increase)
        if value < self.best:
            self.best = value
        return updates >= self.patience

    def state(self) -> dict[str, Any]:
        return {"best": self.best, "patience": self.patience}

    def restore(self, state: dict[str, Any]) -> None:
        self.best, self.patience = float(state["best"]), float(state["patience"])
