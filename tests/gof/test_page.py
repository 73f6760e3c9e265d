"""The table of docs/from_theano.md is what importing such a name says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import symc.compile
from symc import gof
from symc.scan_module import scan_utils
from symc.tensor.nnet import nnet

PAGE = Path(__file__).resolve().parents[2] / "docs" / "from_theano.md"
ROWS = [
    line.strip("| ").split(" | ", 1)
    for line in PAGE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]
TABLE = {name: use for names, use in ROWS for name in re.findall(r"`([\w.]+)`", names)}


def test_the_table_is_complete() -> None:
    absent = {f"gof.{name}": use for name, use in gof.ABSENT.items()}
    absent |= {f"compile.{name}": use for name, use in symc.compile.ABSENT.items()}
    absent |= {f"scan_module.scan_utils.{name}": use for name, use in scan_utils.ABSENT.items()}
    absent |= {f"tensor.nnet.nnet.{name}": use for name, use in nnet.ABSENT.items()}
    assert absent == TABLE


@pytest.mark.parametrize("name", sorted(TABLE))
def test_the_table_is_true(name: str) -> None:
    package, _, attribute = name.rpartition(".")
    text = re.escape(f"symc.{name} does not exist in symc: {TABLE[name]}")
    with pytest.raises(ImportError, match=text):
        exec(f"from symc.{package} import {attribute}")
    with pytest.raises(AttributeError, match=text):
        exec(f"import symc.{package}; symc.{package}.{attribute}")


def test_linkers_at_the_top() -> None:
    with pytest.raises(ImportError, match="MonitorMode or DebugMode"):
        exec("from symc import PerformLinker")
