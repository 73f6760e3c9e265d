"""Failures of rules are errors in tests."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from symc.config import change_flags


@pytest.fixture(autouse=True)
def errors_of_rules_are_raised() -> Iterator[None]:
    with change_flags(on_opt_error="raise"):
        yield
