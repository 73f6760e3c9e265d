"""Text as numbers: sentences, their symbols, and padded batches with masks.

A text is a list of lines in lower case. Each line becomes the numbers of its symbols between two
`END` marks: the first one is what a model sees before it says the first symbol, and the last one
is what it should say after the last symbol. Lines of about the same length share a batch, so that
little of it is padding.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

PASSAGE = Path(__file__).with_name("passage.txt")
"""The beginning of "Alice's Adventures in Wonderland" (Lewis Carroll, 1865), line by line."""

END, UNKNOWN = 0, 1
"""The numbers of the mark around lines, and of every symbol that training hardly knows."""

LONGEST = 500
"""A line of more symbols is cut into pieces of so many."""


@dataclass(frozen=True)
class Vocabulary:
    """The symbols that a model knows; their numbers follow `END` and `UNKNOWN`.

    Attributes
    ----------
    symbols : str
        In order of their numbers, the first one being number 2.
    """

    symbols: str

    @classmethod
    def of(cls, lines: Sequence[str], at_least: int = 3) -> Vocabulary:
        """The symbols that occur `at_least` so many times, in order of their code points."""
        counts = Counter(symbol for line in lines for symbol in line)
        return cls("".join(sorted(s for s, count in counts.items() if count >= at_least)))

    def __len__(self) -> int:
        return len(self.symbols) + 2

    def encode(self, line: str) -> np.ndarray:
        """The numbers of a line between two `END` marks: int64, (len(line) + 2,)."""
        numbers = {symbol: k for k, symbol in enumerate(self.symbols, 2)}
        return np.array([END, *(numbers.get(s, UNKNOWN) for s in line), END], "int64")

    def decode(self, numbers: Sequence[int] | np.ndarray) -> str:
        """The symbols up to the first `END`; unknown ones as U+FFFD, the replacement character."""
        known = f"\n\N{REPLACEMENT CHARACTER}{self.symbols}"
        return "".join(known[int(n)] for n in numbers).partition("\n")[0]


@dataclass(frozen=True)
class Text:
    """A text, split in two.

    Attributes
    ----------
    name : str
    vocabulary : Vocabulary
        Of the lines to train.
    train, held_out : list of ndarray of int64
        One array per line, see `Vocabulary.encode`.
    """

    name: str
    vocabulary: Vocabulary
    train: list[np.ndarray]
    held_out: list[np.ndarray]


@dataclass(frozen=True)
class Batch:
    """Lines side by side.

    Attributes
    ----------
    symbols : ndarray of int64, (steps + 1, lines)
        Step t reads row t and should say row t + 1. Short lines are filled up with `END`.
    mask : ndarray of float, (steps, lines)
        1 where a line goes on, 0 where it was filled up.
    """

    symbols: np.ndarray
    mask: np.ndarray


def read_text(path: Path = PASSAGE) -> Text:
    """A text file in UTF-8; the first nine tenths of its lines are to train.

    Raises
    ------
    OSError
        If the file cannot be read.
    ValueError
        If it is not in UTF-8, or has not even two lines that are not empty.
    """
    try:
        content = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{path} is not a text in UTF-8: {error}") from error
    lines = split_lines(content)
    if len(lines) < 2:
        raise ValueError(
            f"{path} has {len(lines)} lines that are not empty; at least two are needed, one to "
            "train and one to validate"
        )
    count = min(-(-9 * len(lines) // 10), len(lines) - 1)
    vocabulary = Vocabulary.of(lines[:count])
    encoded = [vocabulary.encode(line) for line in lines]
    return Text(path.name, vocabulary, encoded[:count], encoded[count:])


def split_lines(content: str) -> list[str]:
    """The lines that are not empty, in lower case and with single spaces."""
    lines = [" ".join(line.lower().split()) for line in content.splitlines()]
    return [line[k : k + LONGEST] for line in lines for k in range(0, len(line), LONGEST)]


def padded(lines: Sequence[np.ndarray], dtype: str = "float32") -> Batch:
    """Lines of any lengths as one batch.

    Parameters
    ----------
    lines : sequence of ndarray of int64
        At least one, see `Vocabulary.encode`.
    dtype : str
        Of the mask.
    """
    lengths = np.array([len(line) for line in lines])
    symbols = np.full((lengths.max(), len(lines)), END, "int64")
    for column, line in enumerate(lines):
        symbols[: len(line), column] = line
    mask = np.arange(lengths.max() - 1)[:, None] < lengths - 1
    return Batch(symbols, mask.astype(dtype))


def grouped(
    lines: Sequence[np.ndarray], size: int, rng: np.random.Generator | None = None
) -> Iterator[Batch]:
    """All lines in batches of `size` (the last one may be smaller), grouped by length.

    Parameters
    ----------
    lines : sequence of ndarray of int64
    size : int
    rng : Generator, optional
        If given, lines of equal length change places, and the batches come in random order;
        otherwise short ones come first.
    """
    lengths = np.array([len(line) for line in lines])
    order = np.arange(len(lines)) if rng is None else rng.permutation(len(lines))
    order = order[np.argsort(lengths[order], kind="stable")]
    groups = [order[k : k + size] for k in range(0, len(order), size)]
    for k in range(len(groups)) if rng is None else rng.permutation(len(groups)):
        yield padded([lines[line] for line in groups[k]])
