"""The list of rules as a page of the documentation: ``python -m symc.rewrite.page``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from .phases import RULE_FILES
from .rule import Rule, all_rules
from .selection import GRAPH_PHASES

_HEAD = """# The rewrite rules

Written by `python -m symc.rewrite.page > docs/rules.md`; a test compares it with the rules.

A mode switches rules by name, by tag or by phase: `mode.excluding("log_of_one_plus")`,
`Mode(optimizer="fast_run").excluding("stable")`, `mode.including("unsafe")`.
`symc.explain(f)` lists the rules that fired while a function was compiled. Rules tagged `unsafe`
run only when they are asked for.
"""

_MEANING = {
    "fold": "Computes what is constant.",
    "canonical": "Brings expressions to the form in which later phases look for theirs.",
    "stable": "Replaces what loses precision or overflows.",
    "scan": "Takes loops apart.",
    "blas": "Makes library calls of products and what is added to them.",
    "specialise": "Takes cheaper forms.",
}


def rules_page() -> str:
    """The page, for the rules that symc itself registers."""
    return "\n".join(_lines()) + "\n"


def _lines() -> Iterator[str]:
    yield _HEAD.rstrip()
    own = {Path(str(module.__file__)).name for module in RULE_FILES}
    rules = [r for r in all_rules() if Path(r.file).name in own]
    for phase in GRAPH_PHASES:
        members = [r for r in rules if phase in r.phases]
        if not members:
            continue
        yield f"\n## {phase}\n\n{_MEANING[phase]}\n\n| rule | what it does | file |\n|---|---|---|"
        for rule in members:
            yield f"| `{rule.name}`{_tags(rule)} | {_text(rule)} | `{Path(rule.file).name}` |"


def _tags(rule: Rule) -> str:
    extra = sorted(rule.tags - set(rule.phases))
    return f" ({', '.join(extra)})" if extra else ""


def _text(rule: Rule) -> str:
    return rule.text.replace("|", "\\|")


if __name__ == "__main__":
    print(rules_page(), end="")
