"""The history of a training, a list of records, as a table, as a file and as a picture.

A record is a dict of numbers by name.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from symc.nn.train.files import written_atomically

__all__ = ["format_history", "load_history", "plot_history", "save_history"]

Record = Mapping[str, Any]

COUNTS = ("epoch", "updates", "seconds", "best")
"""What records have beside measures."""


def _columns(history: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(name for record in history for name in record))


def save_history(history: Sequence[Record], path: str | os.PathLike[str]) -> None:
    """Write a history to a CSV file, one line per record, with all digits.

    Parameters
    ----------
    history : sequence of dict
    path : path
    """
    with written_atomically(path) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _columns(history), lineterminator="\n")
        writer.writeheader()
        writer.writerows(dict(record) for record in history)


def load_history(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """Read a history that `save_history` wrote.

    Parameters
    ----------
    path : path

    Returns
    -------
    list of dict
        The same numbers; what a record did not have is not in it.
    """
    with Path(path).open(newline="", encoding="utf-8") as file:
        return [
            {name: _number(text) for name, text in line.items() if text != ""}
            for line in csv.DictReader(file)
        ]


def _number(text: str) -> Any:
    if text in ("True", "False"):
        return text == "True"
    try:
        return int(text)
    except ValueError:
        return float(text)


def format_history(history: Sequence[Record]) -> str:
    """Return a history as a table of plain text.

    Parameters
    ----------
    history : sequence of dict

    Returns
    -------
    str
        A line of names, and one per record.

    Examples
    --------
    >>> print(format_history([{"epoch": 1, "loss": 0.25}, {"epoch": 2, "loss": 0.125}]))
    epoch   loss
        1   0.25
        2  0.125
    """
    names = _columns(history)
    cells = [names, *([_cell(record.get(name)) for name in names] for record in history)]
    widths = [max(len(line[k]) for line in cells) for k in range(len(names))]
    return "\n".join(
        "  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in cells
    )


def _cell(value: Any) -> str:
    if value is None or value is False:
        return ""
    if value is True:
        return "*"
    return f"{value:.5g}" if isinstance(value, float) else str(value)


def plot_history(
    history: Sequence[Record],
    path: str | os.PathLike[str] | None = None,
    names: Sequence[str] | None = None,
    against: str = "updates",
) -> Any:
    """Draw the measures of a history as curves.

    Parameters
    ----------
    history : sequence of dict
    path : path, optional
        Where the picture goes; the ending says in which format. Default: it is only returned.
    names : sequence of str, optional
        Which measures; default all.
    against : str
        What the horizontal axis shows, such as ``"epoch"`` or ``"updates"``.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    ValueError
        If no record has one of the names.
    """
    from matplotlib.figure import Figure

    known = _columns(history)
    chosen = [n for n in known if n not in COUNTS] if names is None else list(names)
    for name in [*chosen, against]:
        if name not in known:
            raise ValueError(f"no record has {name!r}; known are {', '.join(known) or 'none'}")
    figure = Figure(figsize=(7, 4.5), layout="constrained")
    axes = figure.add_subplot()
    for name in chosen:
        points = [(r[against], r[name]) for r in history if name in r and against in r]
        marker = "o" if len(points) == 1 else None
        axes.plot([x for x, _ in points], [y for _, y in points], label=name, marker=marker)
    axes.set_xlabel(against)
    axes.grid(alpha=0.3)
    if chosen:
        axes.legend()
    if path is not None:
        figure.savefig(path)
    return figure
