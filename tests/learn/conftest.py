"""What the tests of the estimators share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import symc


@pytest.fixture
def _numpy_path() -> Iterator[None]:
    """Networks run on NumPy: their many different functions would take long to compile."""
    with symc.change_flags(mode="NUMPY"):
        yield
