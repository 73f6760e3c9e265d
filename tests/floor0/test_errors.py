"""The exception classes keep the built-in bases of old code; messages have one layout."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

from symc import errors
from symc.errors import SymcError, user_message

CLASSES = [getattr(errors, name) for name in errors.__all__ if name != "user_message"]

BUILTIN_BASES = {
    "AdvancedIndexingError": TypeError,
    "ArgumentError": TypeError,
    "AsTensorError": TypeError,
    "AssertFailedError": AssertionError,
    "CompileError": RuntimeError,
    "ComplexError": NotImplementedError,
    "ConfigError": ValueError,
    "DTypeError": TypeError,
    "DisconnectedInputError": ValueError,
    "GraphError": ValueError,
    "IndexOutOfBoundsError": IndexError,
    "IntegerDivisionError": ZeroDivisionError,
    "LiteralOverflowError": OverflowError,
    "NonScalarCostError": TypeError,
    "NullTypeGradError": TypeError,
    "ShapeError": ValueError,
    "SingularMatrixError": np.linalg.LinAlgError,
    "TestValueError": AttributeError,
    "UndefinedGradientError": NotImplementedError,
    "UnknownFlagError": AttributeError,
    "UpdateError": ValueError,
    "UpdateTypeError": TypeError,
}


@pytest.mark.parametrize("cls", CLASSES, ids=lambda cls: cls.__name__)
def test_every_class_is_documented_and_survives_pickling(cls: type[SymcError]) -> None:
    assert issubclass(cls, SymcError)
    assert cls.__doc__
    copy = pickle.loads(pickle.dumps(cls("what happened")))
    assert type(copy) is cls
    assert str(copy) == "what happened"


@pytest.mark.parametrize(("name", "base"), BUILTIN_BASES.items())
def test_old_except_clauses_still_catch(name: str, base: type[Exception]) -> None:
    with pytest.raises(base, match="text"):
        raise getattr(errors, name)("text")


def test_all_lists_every_class_of_the_module() -> None:
    defined = {
        name
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, SymcError)
    }
    assert defined == set(errors.__all__) - {"user_message"}


def test_layout() -> None:
    text = user_message(
        "x + y: shapes do not broadcast",
        got=["x: (2, 3)", "y: (4,)"],
        expected="equal lengths",
        where="model.py:7 in loss: z = x + y",
        hint="use y[:3]",
    )
    assert text == (
        "x + y: shapes do not broadcast\n"
        "  got: x: (2, 3)\n"
        "       y: (4,)\n"
        "  expected: equal lengths\n"
        "  at: model.py:7 in loss: z = x + y\n"
        "  hint: use y[:3]"
    )


def test_parts_left_out_leave_no_line() -> None:
    assert user_message("no") == "no"
    assert user_message("no", hint="yes") == "no\n  hint: yes"


def test_a_message_has_fewer_than_40_lines() -> None:
    long = [f"line {i}" for i in range(500)]
    text = user_message("\n".join(long), got=long, expected=long, where=long, hint=long)
    assert len(text.splitlines()) < 40
    assert "more lines)" in text
    assert "  hint: line 0" in text


def test_long_lines_are_cut() -> None:
    text = user_message("w" * 10_000, got="g" * 10_000)
    assert max(map(len, text.splitlines())) <= 320


def test_anything_can_be_shown() -> None:
    assert user_message("w", got=[(2, 3), np.dtype("float32")]) == (
        "w\n  got: (2, 3)\n       float32"
    )


def test_empty_parts_are_left_out() -> None:
    assert user_message("w", got="", where="", hint=None) == "w"
