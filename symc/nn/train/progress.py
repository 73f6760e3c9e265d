"""A line that shows how far a training is, where somebody looks."""

from __future__ import annotations

import sys
from typing import Any, Protocol

__all__ = ["ProgressBar", "progress_bar"]


class ProgressBar(Protocol):
    """What a training loop tells about its progress."""

    def advance(self) -> None:
        """One more batch is done."""

    def close(self) -> None:
        """Remove the bar."""


class _Quiet:
    def advance(self) -> None:
        pass

    def close(self) -> None:
        pass


class _Rich:
    def __init__(self, progress: Any, task: Any) -> None:
        self._progress, self._task = progress, task
        progress.start()

    def advance(self) -> None:
        self._progress.advance(self._task)

    def close(self) -> None:
        self._progress.stop()


class _Tqdm:
    def __init__(self, bar: Any) -> None:
        self._bar = bar

    def advance(self) -> None:
        self._bar.update()

    def close(self) -> None:
        self._bar.close()


def progress_bar(
    done: int, total: int | None, text: str = "", show: bool | None = None
) -> ProgressBar:
    """Return a progress bar on the standard error stream, by rich or by tqdm.

    Parameters
    ----------
    done, total : int
        Batches so far, and at the end; the latter None where it is not known.
    text : str
        What is shown beside it.
    show : bool, optional
        Default: where the stream is a terminal. Without rich and tqdm nothing is shown either way.

    Returns
    -------
    ProgressBar
    """
    if not (sys.stderr.isatty() if show is None else show):
        return _Quiet()
    try:
        from rich import console, progress
    except ImportError:
        return _tqdm_bar(done, total, text)
    columns = (
        progress.BarColumn(),
        progress.MofNCompleteColumn(),
        progress.TimeRemainingColumn(),
        progress.TextColumn("{task.description}", markup=False),
    )
    screen = console.Console(file=sys.stderr, force_terminal=True)
    bar = progress.Progress(*columns, console=screen, transient=True)
    return _Rich(bar, bar.add_task(text, total=total, completed=done))


def _tqdm_bar(done: int, total: int | None, text: str) -> ProgressBar:
    try:
        from tqdm import tqdm
    except ImportError:
        return _Quiet()
    return _Tqdm(
        tqdm(total=total, initial=done, leave=False, file=sys.stderr, postfix=text or None)
    )
