"""The documentation's list of rules is the list of rules."""

from __future__ import annotations

from pathlib import Path

from symc.rewrite.page import rules_page

PAGE = Path(__file__).resolve().parents[2] / "docs" / "rules.md"


def test_the_page_of_rules_is_current() -> None:
    assert PAGE.read_text(encoding="utf-8") == rules_page(), (
        "write it again: python -m symc.rewrite.page > docs/rules.md"
    )
