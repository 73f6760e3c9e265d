"""Text as numbers: vocabulary, unknown symbols, padding, masks, groups of equal length."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from symc.demo.text import (
    END,
    LONGEST,
    PASSAGE,
    UNKNOWN,
    Vocabulary,
    grouped,
    padded,
    read_text,
    split_lines,
)


def _lines(*lengths: int) -> list[np.ndarray]:
    """Lines of so many symbols, each line of another symbol."""
    return [np.array([END, *[k + 2] * n, END], "int64") for k, n in enumerate(lengths)]


def test_symbols_that_are_rare_in_training_are_unknown() -> None:
    vocabulary = Vocabulary.of(["abba", "abc"], at_least=2)
    assert vocabulary.symbols == "ab"
    assert len(vocabulary) == 4
    np.testing.assert_array_equal(vocabulary.encode("baxc"), [END, 3, 2, UNKNOWN, UNKNOWN, END])
    np.testing.assert_array_equal(vocabulary.encode(""), [END, END])
    assert vocabulary.encode("").dtype == np.int64


def test_decoding_ends_at_the_mark_and_shows_unknown_symbols() -> None:
    vocabulary = Vocabulary("ab")
    assert vocabulary.decode([3, UNKNOWN, 2, END, 2]) == "b\N{REPLACEMENT CHARACTER}a"
    assert vocabulary.decode([2, 3]) == "ab"
    assert vocabulary.decode([END]) == ""
    assert vocabulary.decode([]) == ""
    assert vocabulary.decode(vocabulary.encode("abba")[1:]) == "abba"


def test_lines_are_lower_case_with_single_spaces_and_not_empty() -> None:
    assert split_lines("\n One\t TWO \r\n   \nthree") == ["one two", "three"]
    assert split_lines("") == []


def test_very_long_lines_are_cut() -> None:
    pieces = split_lines("x" * (2 * LONGEST + 3))
    assert [len(piece) for piece in pieces] == [LONGEST, LONGEST, 3]


def test_padding_and_mask() -> None:
    batch = padded(_lines(3, 0, 1))
    np.testing.assert_array_equal(
        batch.symbols.T,
        [[END, 2, 2, 2, END], [END, END, END, END, END], [END, 4, END, END, END]],
    )
    np.testing.assert_array_equal(batch.mask.T, [[1, 1, 1, 1], [1, 0, 0, 0], [1, 1, 0, 0]])
    assert batch.mask.dtype == np.float32
    assert padded(_lines(1), "float64").mask.dtype == np.float64


def test_each_line_is_in_one_batch_and_batches_hold_neighbours_in_length() -> None:
    lengths = [7, 1, 4, 4, 9, 2, 4]
    lines = _lines(*lengths)
    for rng in (None, np.random.default_rng(3)):
        batches = list(grouped(lines, 3, rng))
        assert sorted(batch.symbols.shape[1] for batch in batches) == [1, 3, 3]
        seen = [sorted(batch.mask.sum(axis=0).astype(int) - 1) for batch in batches]
        assert sorted(seen) == [[1, 2, 4], [4, 4, 7], [9]]
        symbols = [int(s) for batch in batches for s in batch.symbols[1]]
        assert sorted(symbols) == [k + 2 for k in range(len(lines))]
    assert list(grouped([], 3)) == []


def test_order_is_short_first_or_that_of_the_seed() -> None:
    lines = _lines(*range(30))

    def order(rng: np.random.Generator | None) -> list[int]:
        return [len(batch.mask) for batch in grouped(lines, 2, rng)]

    assert order(None) == sorted(order(None))
    assert order(np.random.default_rng(1)) == order(np.random.default_rng(1))
    assert order(np.random.default_rng(1)) != order(np.random.default_rng(2))


def test_nine_tenths_of_the_lines_are_to_train(tmp_path: Path) -> None:
    path = tmp_path / "some.txt"
    path.write_text("\n\n".join(f"Line {k} of it" for k in range(11)), encoding="utf-8")
    text = read_text(path)
    assert text.name == "some.txt"
    assert (len(text.train), len(text.held_out)) == (10, 1)
    assert text.vocabulary.decode(text.train[0][1:]) == "line \N{REPLACEMENT CHARACTER} of it"
    path.write_text("ab\nba", encoding="utf-8")
    assert (len(read_text(path).train), len(read_text(path).held_out)) == (1, 1)


def test_the_passage_of_the_package() -> None:
    text = read_text()
    assert PASSAGE.is_file()
    assert (len(text.train), len(text.held_out)) == (65, 7)
    assert text.vocabulary.decode(text.train[0][1:]).startswith("alice was beginning to get")


@pytest.mark.parametrize("content", ["", " \n\n\t\n", "only one line\n"])
def test_a_text_without_two_lines(content: str, tmp_path: Path) -> None:
    path = tmp_path / "short.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"short\.txt has [01] lines"):
        read_text(path)


def test_a_file_that_is_no_text(tmp_path: Path) -> None:
    path = tmp_path / "picture.png"
    path.write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(ValueError, match=r"picture\.png is not a text in UTF-8"):
        read_text(path)


def test_a_mark_of_the_byte_order_is_no_symbol(tmp_path: Path) -> None:
    path = tmp_path / "marked.txt"
    path.write_bytes(b"\xef\xbb\xbfaaa\nbbb")
    assert len(read_text(path).train[0]) == 5
