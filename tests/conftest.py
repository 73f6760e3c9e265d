"""What holds for all tests."""

from __future__ import annotations

import gc
from collections.abc import Iterator

import pytest

from symc.config import config


@pytest.fixture(autouse=True, scope="session")
def _programs_go_through_all_phases() -> Iterator[None]:
    """What is tested is the compiler, not what an earlier run of it has left in the cache."""
    before = config.cache_plans
    config.cache_plans = False
    yield
    config.cache_plans = before


@pytest.fixture(autouse=True, scope="session")
def _convolutions_are_symcs_own() -> Iterator[None]:
    """What is tested does not depend on the libraries of the machine, unless a test says so."""
    before = config.onednn.enabled
    config.onednn.enabled = "off"
    yield
    config.onednn.enabled = before


@pytest.fixture(autouse=True, scope="session")
def _the_collector_runs_less_often() -> Iterator[None]:
    """Graphs of 100,000 nodes are made many times; looking through them took half of that time."""
    before = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(100_000, 50, 100)
    yield
    gc.set_threshold(*before)
    gc.unfreeze()
