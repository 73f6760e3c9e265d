"""Tests of the runtime have a cache of their own, and are skipped without native code."""

from __future__ import annotations

import pytest

from symc.config import config
from symc.runtime import native_available, toolchain


@pytest.fixture(autouse=True, scope="session")
def _cache_of_the_tests(tmp_path_factory):
    before = config.base_compiledir
    config.base_compiledir = str(tmp_path_factory.mktemp("cache"))
    yield
    config.base_compiledir = before


@pytest.fixture
def cache(tmp_path, monkeypatch):
    """An empty cache directory, in use for one test."""
    monkeypatch.setattr(config, "base_compiledir", str(tmp_path / "cache"))
    toolchain.forget_compilers()
    yield tmp_path / "cache" / "compiled"
    toolchain.forget_compilers()


@pytest.fixture
def needs_native():
    if not native_available():
        pytest.skip("needs the extension and a C compiler")
