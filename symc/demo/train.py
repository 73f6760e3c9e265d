"""The training loop of the demonstration, its table, and the pictures of what was learned."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ..graph.text import debugprint
from .data import Digits
from .models import Compiled, compile_network, initial_parameters, numpy_step


@dataclass(frozen=True)
class Recipe:
    """How a model is trained."""

    name: str
    title: str
    hidden: tuple[int, ...]
    rate: float
    batch: int
    epochs: int


RECIPES: dict[str, Recipe] = {
    "logistic": Recipe("logistic", "logistic regression", (), 0.5, 50, 12),
    "mlp": Recipe("mlp", "tanh MLP, {hidden} hidden units", (100,), 0.2, 20, 12),
}
"""The models of ``symc demo``, by name."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch gave: mean cost, held-out error in percent, seconds for symc and NumPy."""

    number: int
    cost: float
    error: float
    seconds: float
    numpy_seconds: float
    numpy_cost: float


def batches(digits: Digits, size: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Whole batches in order."""
    for start in range(0, len(digits.train_x) - size + 1, size):
        yield digits.train_x[start : start + size], digits.train_y[start : start + size]


def train(
    recipe: Recipe, digits: Digits, advance: Callable[[], None]
) -> Iterator[tuple[Epoch, Compiled]]:
    """Train a model with symc and, beside it, with NumPy; yields after each epoch.

    Parameters
    ----------
    recipe : Recipe
    digits : Digits
    advance : callable
        Called after every batch of either training, for a progress bar.
    """
    sizes = [digits.train_x.shape[1], *recipe.hidden, 10]
    values = initial_parameters(sizes, str(digits.train_x.dtype))
    model = compile_network([v.copy() for v in values], recipe.rate)
    by_hand = numpy_step(values, recipe.rate)
    for number in range(1, recipe.epochs + 1):
        costs, seconds = _epoch(model.step, digits, recipe.batch, advance)
        numpy_costs, numpy_seconds = _epoch(by_hand, digits, recipe.batch, advance)
        error = 100.0 * float(model.errors(digits.test_x, digits.test_y))
        yield (
            Epoch(
                number,
                float(np.mean(costs)),
                error,
                seconds,
                numpy_seconds,
                float(np.mean(numpy_costs)),
            ),
            model,
        )


def _epoch(
    step: Callable[[Any, Any], Any], digits: Digits, size: int, advance: Callable[[], None]
) -> tuple[list[float], float]:
    costs, seconds = [], 0.0
    for x, y in batches(digits, size):
        start = time.perf_counter()
        cost = step(x, y)
        seconds += time.perf_counter() - start
        costs.append(float(cost))
        advance()
    return costs, seconds


def run(name: str, digits: Digits, folder: Path, console: Any) -> Path:
    """Train one model, print its table and its graph, and save its filters.

    Parameters
    ----------
    name : str
        One of `RECIPES`.
    digits : Digits
    folder : Path
        Where the picture goes.
    console : rich.console.Console

    Returns
    -------
    Path
        Of the picture.
    """
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column, Table

    recipe = RECIPES[name]
    title = recipe.title.format(hidden=recipe.hidden[0] if recipe.hidden else 0)
    console.print(f"\n[bold]{title}[/bold] on {digits.name}: {len(digits.train_x)} images to "
                  f"train, {len(digits.test_x)} held out")
    error = Column("held-out error", no_wrap=True)
    table = Table("epoch", "cost", "cost (NumPy)", error, "symc", "NumPy", "speed-up")
    per_epoch = 2 * sum(1 for _ in batches(digits, recipe.batch))
    model = None
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task(title, total=recipe.epochs * per_epoch)
        for epoch, trained in train(recipe, digits, lambda: progress.advance(task)):
            model = trained
            table.add_row(
                str(epoch.number),
                f"{epoch.cost:.4f}",
                f"{epoch.numpy_cost:.4f}",
                f"{epoch.error:.2f} %",
                f"{1e3 * epoch.seconds:.1f} ms",
                f"{1e3 * epoch.numpy_seconds:.1f} ms",
                f"{epoch.numpy_seconds / epoch.seconds:.2f} x",
            )
    console.print(table)
    assert model is not None
    console.print("The optimised graph of one training step:")
    console.print(debugprint(model.step, file="str"), markup=False, highlight=False)
    path = folder / f"symc_demo_{name}.png"
    save_filters(model.parameters[0].get_value(), digits.side, path, title)
    console.print(f"The learned filters are in [bold]{path}[/bold]")
    return path


def save_filters(weights: np.ndarray, side: int, path: Path, title: str) -> None:
    """Draw each column of `weights` as an image, on one page.

    Parameters
    ----------
    weights : ndarray, (side * side, n)
    side : int
    path : Path
    title : str
    """
    from matplotlib.figure import Figure

    count = weights.shape[1]
    columns = min(10, count)
    rows = -(-count // columns)
    figure = Figure(figsize=(columns, rows + 0.6), dpi=100)
    bound = float(np.abs(weights).max()) or 1.0
    for k in range(count):
        axes = figure.add_subplot(rows, columns, k + 1)
        image = weights[:, k].reshape(side, side)
        axes.imshow(image, cmap="RdBu_r", vmin=-bound, vmax=bound)
        axes.set_axis_off()
    figure.suptitle(f"First-layer filters: {title}")
    figure.savefig(path)
