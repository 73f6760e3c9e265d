"""LeNet on handwritten digits, with the layers and the training loop of `symc.nn`.

LeCun, Bottou, Bengio and Haffner 1998, in the form of the Deep Learning Tutorials: two layers of
convolution and max-pooling with tanh, a layer of tanh units, and a softmax, trained by plain
gradient descent.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from .. import nn
from .. import tensor as T  # noqa: N812 - Theano's customary name
from ..config import change_flags
from ..nn.train import InShared, measures, train
from .data import Digits

CLASSES = 10


@dataclass(frozen=True)
class LeNet:
    """The sizes of a network, and how it is trained.

    Attributes
    ----------
    filters : tuple of int
        Of the first and of the second layer.
    filter_size : int
        Filters are `filter_size` x `filter_size`.
    pad : int or str
        Of both convolutions, see `symc.nn.layers.Conv2DLayer`.
    hidden : int
    rate : float
        Learning rate.
    batch, epochs : int
    """

    filters: tuple[int, int] = (20, 50)
    filter_size: int = 5
    pad: int | str = 0
    hidden: int = 500
    rate: float = 0.1
    batch: int = 50
    epochs: int = 12


SMALL = LeNet((10, 25), filter_size=3, pad="same", hidden=100, batch=20)
"""For images of 8 x 8, too small for filters of 5 x 5: half as many of 3 x 3, with a border of
zeros, so that there are 4 x 4 and 2 x 2 places after the poolings."""


def usual(side: int) -> LeNet:
    """The network for images of `side` x `side`: that of the tutorials from 16 x 16 on."""
    return LeNet() if side >= 16 else SMALL


@dataclass(frozen=True)
class Split:
    """Images (n, 1, side, side) and labels (n,), for training, validation and test."""

    train: tuple[np.ndarray, np.ndarray]
    valid: tuple[np.ndarray, np.ndarray]
    test: tuple[np.ndarray, np.ndarray]


def split(digits: Digits) -> Split:
    """Divide digits in three.

    Of MNIST the last sixth of the training images is for validation. Where images were held out
    from one set, half of those are: every other one, because the order is not random (the first
    half of MNIST's test images is by other writers than the second).

    Parameters
    ----------
    digits : Digits

    Returns
    -------
    Split
    """
    x, y = digits.train_x, digits.train_y.astype("int32")
    held_x, held_y = digits.test_x, digits.test_y.astype("int32")
    if digits.own_test:
        cut = len(x) - len(x) // 6
        parts = (x[:cut], y[:cut]), (x[cut:], y[cut:]), (held_x, held_y)
    else:
        parts = (x, y), (held_x[::2], held_y[::2]), (held_x[1::2], held_y[1::2])
    shape = (-1, 1, digits.side, digits.side)
    return Split(*((images.reshape(shape), labels) for images, labels in parts))


def network(shape: tuple[int, int], sizes: LeNet, inputs: Any) -> tuple[Any, list[Any]]:
    """Build the layers.

    Parameters
    ----------
    shape : tuple of int
        Height and width of images.
    sizes : LeNet
    inputs : TensorVariable
        Images (n, 1, height, width).

    Returns
    -------
    softmax : Layer
        The last.
    convolutions : list of Layer
    """
    layers, tanh = nn.layers, nn.nonlinearities.tanh
    below: Any = layers.InputLayer((None, 1, *shape), inputs)
    convolutions = []
    for filters in sizes.filters:
        below = layers.Conv2DLayer(
            below, filters, sizes.filter_size, pad=sizes.pad, nonlinearity=tanh
        )
        convolutions.append(below)
        below = layers.MaxPool2DLayer(below, 2)
    below = layers.DenseLayer(below, sizes.hidden, nonlinearity=tanh)
    softmax = layers.DenseLayer(below, CLASSES, nonlinearity=nn.nonlinearities.softmax)
    return softmax, convolutions


@dataclass(frozen=True)
class Trained:
    """What one seed gave.

    Attributes
    ----------
    seed : int
    history : list of dict
        A record per epoch, with errors as fractions.
    best : dict
        The first record with the lowest validation error; its ``test_error`` is the result.
    seconds : float
        Of training and of validation, without compilation.
    filters : list of ndarray
        Of both convolutions (filters, channels, rows, columns), after the best epoch.
    """

    seed: int
    history: list[dict[str, Any]]
    best: dict[str, Any]
    seconds: float
    filters: list[np.ndarray]


def train_lenet(parts: Split, sizes: LeNet, seed: int = 0) -> Trained:
    """Train a network. The same seed gives the same numbers.

    Parameters
    ----------
    parts : Split
        Images of dtype float32.
    sizes : LeNet
    seed : int
        Of the first weights and of the order of images.

    Returns
    -------
    Trained
    """
    x, y = T.ftensor4("x"), T.ivector("y")
    usual_rng = nn.random.get_rng()
    nn.random.set_rng(np.random.RandomState(seed))
    try:
        with change_flags(floatX="float32"):
            softmax, convolutions = network(parts.train[0].shape[2:], sizes, x)
    finally:
        nn.random.set_rng(usual_rng)
    p = nn.layers.get_output(softmax)
    loss = nn.objectives.categorical_crossentropy(p, y).mean()
    error = {"error": T.neq(T.argmax(p, axis=1), y).mean()}
    parameters = nn.layers.get_all_params(softmax, trainable=True)
    training = train(
        [x, y],
        loss,
        nn.updates.sgd(loss, parameters, np.float32(sizes.rate)),
        InShared(parts.train, sizes.batch),
        epochs=sizes.epochs,
        valid=InShared(parts.valid, min(sizes.batch, len(parts.valid[0])), shuffle=False),
        valid_measures=error,
        seed=seed,
    )
    test = measures([x, y], error, parts.test, sizes.batch)
    start = time.perf_counter()
    spent = 0.0
    for record in training:
        spent += time.perf_counter() - start
        record["test_error"] = test()["error"]
        start = time.perf_counter()
    best = training.restore_best()
    filters = [layer.W.get_value() for layer in convolutions]
    return Trained(seed, training.history, best, spent, filters)


def run_lenet(
    digits: Digits, folder: Path, console: Any, seeds: int = 1, sizes: LeNet | None = None
) -> list[Trained]:
    """Train networks, print their tables, and save pictures of the filters of the first one.

    Parameters
    ----------
    digits : Digits
    folder : Path
        Where the pictures go.
    console : rich.console.Console
    seeds : int
        How many networks, with the seeds 0, 1, ...
    sizes : LeNet, optional
        Default: `usual`.

    Returns
    -------
    list of Trained
    """
    sizes = sizes or usual(digits.side)
    parts = split(digits)
    first, second = sizes.filters
    size = f"{sizes.filter_size} x {sizes.filter_size}"
    console.print(
        f"\n[bold]LeNet[/bold], {first} and {second} filters of {size}, on {digits.name}: "
        f"{len(parts.train[0])} images to train, {len(parts.valid[0])} for validation, "
        f"{len(parts.test[0])} for test"
    )
    results = []
    for seed in range(seeds):
        results.append(train_lenet(parts, sizes, seed))
        console.print(_epochs_table(results[-1]))
    if seeds > 1:
        console.print(_seeds_table(results))
    best = results[0].best
    console.print(
        f"Seed 0: test error [bold]{_percent(best['test_error'])}[/bold] after epoch "
        f"{best['epoch']}, the one with the lowest validation error."
    )
    for k, filters in enumerate(results[0].filters, 1):
        path = folder / f"symc_demo_lenet_layer{k}.png"
        save_tiles(filters, path)
        console.print(f"The filters of layer {k} are in [bold]{path}[/bold]")
    return results


def _percent(fraction: float) -> str:
    return f"{100 * fraction:.2f} %"


def _epochs_table(result: Trained) -> Any:
    from rich.table import Column, Table

    table = Table(
        "epoch", "loss", Column("validation error", no_wrap=True), "test error", "time",
        title=f"seed {result.seed}",
    )
    for record in result.history:
        table.add_row(
            str(record["epoch"]),
            f"{record['loss']:.4f}",
            _percent(record["valid_error"]) + (" *" if record["best"] else ""),
            _percent(record["test_error"]),
            f"{record['seconds']:.2f} s",
        )
    return table


def _seeds_table(results: Sequence[Trained]) -> Any:
    from rich.table import Table

    table = Table(
        "seed", "best epoch", "validation error", "test error", "after the last", "training"
    )
    for r in results:
        table.add_row(
            str(r.seed),
            str(r.best["epoch"]),
            _percent(r.best["valid_error"]),
            _percent(r.best["test_error"]),
            _percent(r.history[-1]["test_error"]),
            f"{r.seconds:.1f} s",
        )
    table.add_section()
    table.add_row(
        "mean",
        "",
        _percent(float(np.mean([r.best["valid_error"] for r in results]))),
        _percent(float(np.mean([r.best["test_error"] for r in results]))),
        _percent(float(np.mean([r.history[-1]["test_error"] for r in results]))),
        f"{np.mean([r.seconds for r in results]):.1f} s",
    )
    return table


def tiles(filters: np.ndarray, gap: int = 1) -> np.ndarray:
    """Lay filters side by side in one image.

    Parameters
    ----------
    filters : ndarray (filters, channels, rows, columns)
    gap : int
        Pixels between them.

    Returns
    -------
    ndarray of float
        With one channel, filters lie in ten columns, row by row. With more, each filter is a
        column and each channel a row. What is between them is NaN.
    """
    count, channels, height, width = filters.shape
    grid = filters.transpose(1, 0, 2, 3)
    if channels == 1:
        across = min(10, count)
        grid = np.full((-(-count // across) * across, height, width), np.nan)
        grid[:count] = filters[:, 0]
        grid = grid.reshape(-1, across, height, width)
    page = np.full((*grid.shape[:2], height + gap, width + gap), np.nan)
    page[:, :, :height, :width] = grid
    rows, columns = grid.shape[:2]
    whole = page.transpose(0, 2, 1, 3).reshape(rows * (height + gap), columns * (width + gap))
    return whole[: len(whole) - gap, : whole.shape[1] - gap]


def save_tiles(filters: np.ndarray, path: Path, width: int = 1200) -> None:
    """Draw filters on one page: blue is negative, red positive.

    Parameters
    ----------
    filters : ndarray (filters, channels, rows, columns)
    path : Path
        Of a PNG file.
    width : int
        Pixels, at most, as far as each weight has one.
    """
    from matplotlib import colormaps
    from matplotlib.image import imsave

    page = tiles(filters)
    scale = max(1, width // page.shape[1])
    bound = float(np.abs(filters).max()) or 1.0
    image = np.kron(page, np.ones((scale, scale)))
    colours = colormaps["RdBu_r"].with_extremes(bad="black")
    imsave(path, image, cmap=colours, vmin=-bound, vmax=bound)
