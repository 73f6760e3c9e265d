"""The training of the character LSTM, and its table."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from .lstm import CompiledLSTM, compile_lstm, initial_lstm
from .text import Batch, Text, grouped


@dataclass(frozen=True)
class TextRecipe:
    """How the LSTM is trained; `rate` is that of Adam, `longest_sentence` counts symbols."""

    hidden: int = 50
    rate: float = 0.02
    batch: int = 20
    epochs: int = 15
    seed: int = 0
    longest_sentence: int = 80

    def batch_for(self, text: Text) -> int:
        """Lines per step: `batch`, or so few that a short text gives a dozen steps per epoch."""
        return max(1, min(self.batch, len(text.train) // 12))


@dataclass(frozen=True)
class TextEpoch:
    """What one epoch gave.

    Attributes
    ----------
    number : int
        From 1 on.
    loss, held_out_loss : float
        Cross-entropies in nats per symbol: the mean over the epoch's steps, and that of the
        lines held out, after the epoch.
    seconds : float
        Of the training steps.
    sentence : str
        That the model says after the epoch.
    """

    number: int
    loss: float
    held_out_loss: float
    seconds: float
    sentence: str


def train_text(
    recipe: TextRecipe, text: Text, advance: Callable[[], None]
) -> Iterator[TextEpoch]:
    """Train the LSTM; yields after each epoch. The same seed gives the same numbers.

    Parameters
    ----------
    recipe : TextRecipe
    text : Text
    advance : callable
        Called after every batch, for a progress bar.
    """
    values = initial_lstm(len(text.vocabulary), recipe.hidden, recipe.seed)
    model = compile_lstm(values, recipe.rate)
    order, chance = np.random.default_rng(recipe.seed).spawn(2)
    held_out = list(grouped(text.held_out, recipe.batch))
    size = recipe.batch_for(text)
    for number in range(1, recipe.epochs + 1):
        start = time.perf_counter()
        losses, weights = [], []
        for batch in grouped(text.train, size, order):
            losses.append(float(model.step(batch.symbols, batch.mask)))
            weights.append(batch.mask.sum())
            advance()
        seconds = time.perf_counter() - start
        uniform = chance.random(recipe.longest_sentence, dtype="float32")
        yield TextEpoch(
            number,
            float(np.average(losses, weights=weights)),
            loss_over(model, held_out),
            seconds,
            text.vocabulary.decode(model.say(uniform)),
        )


def loss_over(model: CompiledLSTM, batches: list[Batch]) -> float:
    """The cross-entropy in nats per symbol over several batches."""
    losses = [float(model.loss(batch.symbols, batch.mask)) for batch in batches]
    return float(np.average(losses, weights=[batch.mask.sum() for batch in batches]))


def run_text(text: Text, console: Any, recipe: TextRecipe | None = None) -> list[TextEpoch]:
    """Train the LSTM and print its table.

    Parameters
    ----------
    text : Text
    console : rich.console.Console
    recipe : TextRecipe, optional

    Returns
    -------
    list of TextEpoch
    """
    from rich.markup import escape
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn
    from rich.table import Column, Table
    from rich.text import Text as Plain

    recipe = recipe or TextRecipe()
    title = f"character LSTM, {recipe.hidden} hidden units"
    console.print(f"\n[bold]{title}[/bold] on {escape(text.name)}: {len(text.train)} lines to "
                  f"train, {len(text.held_out)} held out, {len(text.vocabulary)} symbols")
    held_out = Column("held-out nats", no_wrap=True)
    table = Table("epoch", "nats per symbol", held_out, "time", "it says")
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn())
    steps = recipe.epochs * -(-len(text.train) // recipe.batch_for(text))
    epochs = []
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("compiling", total=steps)
        for epoch in train_text(recipe, text, lambda: progress.advance(task)):
            epochs.append(epoch)
            progress.update(task, description=title)
            table.add_row(
                str(epoch.number),
                f"{epoch.loss:.3f}",
                f"{epoch.held_out_loss:.3f}",
                f"{1e3 * epoch.seconds:.0f} ms",
                Plain(epoch.sentence),
            )
    console.print(table)
    return epochs
