"""Which rules run: presets, names, tags, and Theano's names."""

from __future__ import annotations

from typing import Any

import pytest

from symc.rewrite.names import ALIASES
from symc.rewrite.phases import RULE_FILES
from symc.rewrite.rule import all_rules
from symc.rewrite.selection import GRAPH_PHASES, PRESETS, PROGRAM_PHASES, Selection


@pytest.mark.parametrize(
    ("selection", "tags", "runs"),
    [
        (Selection(), ["stable"], True),
        (Selection("fast_compile"), ["stable"], False),
        (Selection("fast_compile"), ["canonical", "useless"], True),
        (Selection("None"), ["fold"], False),
        (Selection("merge"), ["fold"], False),
        (Selection("stabilize"), ["specialise"], False),
        (Selection("merge").including("stable"), ["stable"], True),
        (Selection("merge").including("a_rule"), ["stable"], True),
        (Selection().excluding("a_rule"), ["stable"], False),
        (Selection().excluding("stabilize"), ["stable"], False),
        (Selection().including("a_rule").excluding("stable"), ["stable"], False),
        (Selection().requiring("mine"), ["stable"], False),
        (Selection().requiring("mine"), ["stable", "mine"], True),
        (Selection(), ["canonical", "unsafe"], False),
        (Selection("unsafe"), ["canonical", "unsafe"], True),
        (Selection().including("unsafe"), ["canonical", "unsafe"], True),
        (Selection().including("a_rule"), ["canonical", "unsafe"], True),
        (Selection(), ["canonical", "off"], False),
    ],
)
def test_what_runs(selection: Selection, tags: Any, runs: bool) -> None:
    assert selection.allows("a_rule", tags) is runs


def test_phases_of_the_program_are_switched_too() -> None:
    assert Selection().allows("inplace")
    assert not Selection("o3").allows("inplace")
    assert not Selection().excluding("inplace_elemwise_opt").allows("inplace")
    assert Selection("o2").allows("fusion")
    assert not Selection("fast_compile").allows("fusion")


def test_merging() -> None:
    assert Selection("merge").merges
    assert not Selection("None").merges
    assert not Selection().excluding("merge").merges
    assert not Selection().excluding("merge1").merges


def test_unknown_presets() -> None:
    with pytest.raises(ValueError, match=r"(?s)unknown preset 'fastest'.*fast_run"):
        Selection("fastest")


def test_theanos_names_stand_for_what_there_is() -> None:
    files = {str(module.__file__) for module in RULE_FILES}
    own = {r.name for r in all_rules() if r.file in files}
    known = {*own, *GRAPH_PHASES, *PROGRAM_PHASES, *PRESETS}
    assert {name for names in ALIASES.values() for name in names} <= known
    excluded = Selection().excluding("local_log1p")
    assert not excluded.allows("log_of_one_plus", ["stable"])
    assert excluded.allows("log1p_of_exp", ["stable"])


def test_folding_can_be_excluded_alone() -> None:
    excluded = Selection().excluding("constant_folding")
    assert not excluded.allows("constant_folding", ["fold"])
    assert excluded.allows("useless_switch", ["fold", "useless"])


def test_selections_are_values() -> None:
    assert Selection().including("a").excluding("b") == Selection().excluding("b").including("a")
    assert hash(Selection()) == hash(Selection("fast_run"))
