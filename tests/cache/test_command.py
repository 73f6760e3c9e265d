"""``symc cache``: what it prints and what it removes."""

from __future__ import annotations

import os
import time

import pytest

from symc import cli
from symc.config import config
from symc.runtime import load_blob, store_blob


@pytest.fixture
def cache(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "base_compiledir", str(tmp_path / "Größe und Platz"))
    return tmp_path / "Größe und Platz" / "compiled"


def printed(capsys, *arguments):
    assert cli.main(["cache", *arguments]) == 0
    return capsys.readouterr().out


def test_an_empty_cache(cache, capsys):
    assert printed(capsys, "path").strip() == str(cache)
    assert printed(capsys, "list") == ""
    assert "0 bytes" in printed(capsys, "size")
    assert printed(capsys, "clear") == "removed 0 bytes\n"
    assert not cache.exists()  # looking makes nothing


def test_entries_are_listed_last_used_first(cache, capsys):
    store_blob("old", b"x" * 3000)
    (old,) = cache.rglob("*.blob")
    two_days_ago = time.time() - 2 * 86400
    os.utime(old, (two_days_ago, two_days_ago))
    store_blob("new", b"y" * 10)
    first, second = printed(capsys, "list").splitlines()
    assert "10 bytes" in first
    assert "now" in first
    assert second.startswith(old.name[:12])
    assert "2.9 KiB" in second
    assert "2 days" in second
    assert "2.9 KiB" in printed(capsys, "size")


def test_clear_removes_all(cache, capsys):
    store_blob("one", b"x" * 1024)
    assert printed(capsys, "clear") == "removed 1.0 KiB\n"
    assert load_blob("one") is None


def test_prune_keeps_to_the_limit(cache, capsys, monkeypatch):
    for k in range(3):
        store_blob(str(k), bytes([k]) * 600_000)
    when = time.time() - 500_000
    for path in cache.rglob("*.blob"):
        if path.read_bytes()[0] == 1:
            os.utime(path, (when, when))
    monkeypatch.setattr(config, "cache_size_limit", 2)
    assert printed(capsys, "prune") == "removed 0 bytes\n"
    monkeypatch.setattr(config, "cache_size_limit", 1)
    printed(capsys, "prune")
    assert load_blob("1") is None  # the least recently used one has gone first
    assert sum(load_blob(str(k)) is not None for k in (0, 2)) == 1
