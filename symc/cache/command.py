"""The subcommands of ``symc cache``."""

from __future__ import annotations

import argparse
import time
from collections import defaultdict

from .. import runtime
from ..config import config
from ..runtime.store import Entry, store

__all__ = ["add_parser"]

_KINDS = {
    ".so": "compiled program",
    ".blob": "plan or probe",
    ".error.txt": "compiler's report",
}
_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB")
_PERIODS = ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes"))


def _size(count: float) -> str:
    unit = 0
    while count >= 1024 and unit < len(_UNITS) - 1:
        count /= 1024
        unit += 1
    return f"{count:.0f} {_UNITS[unit]}" if unit == 0 else f"{count:.1f} {_UNITS[unit]}"


def _age(seconds: float) -> str:
    for length, name in _PERIODS:
        if seconds >= length:
            return f"{seconds / length:.0f} {name}"
    return "now"


def _kind(entry: Entry) -> str:
    return _KINDS.get(entry.suffix, entry.suffix or "file")


def _path(_: argparse.Namespace) -> int:
    print(runtime.cache_dir())
    return 0


def _list(_: argparse.Namespace) -> int:
    now = time.time()
    for entry in reversed(runtime.cache_entries()):
        columns = (entry.key[:12], _size(entry.bytes), _age(now - entry.used), _kind(entry))
        print("{:12}  {:>10}  {:>10}  {}".format(*columns))
    return 0


def _sizes(_: argparse.Namespace) -> int:
    counts: dict[str, int] = defaultdict(int)
    totals: dict[str, int] = defaultdict(int)
    for entry in runtime.cache_entries():
        counts[_kind(entry)] += 1
        totals[_kind(entry)] += entry.bytes
    for kind in sorted(counts):
        print(f"{kind:18}  {counts[kind]:6}  {_size(totals[kind]):>10}")
    limit = config.cache_size_limit
    bound = f"at most {_size(limit * 2**20)}" if limit else "no limit"
    print(f"{'all':18}  {sum(counts.values()):6}  {_size(sum(totals.values())):>10}  ({bound})")
    return 0


def _clear(_: argparse.Namespace) -> int:
    print(f"removed {_size(runtime.clear_cache())}")
    return 0


def _prune(_: argparse.Namespace) -> int:
    print(f"removed {_size(store.clean())}")
    return 0


def _nothing_asked(arguments: argparse.Namespace) -> int:
    print(runtime.cache_dir())
    return _sizes(arguments)


def add_parser(commands: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add ``cache`` and its subcommands to the ``symc`` command.

    Parameters
    ----------
    commands : argparse subparsers action
        As returned by ``ArgumentParser.add_subparsers``.
    """
    top = commands.add_parser("cache", help="list, size and clear the cache of compiled programs")
    top.set_defaults(run=_nothing_asked)
    actions = top.add_subparsers()
    for name, action, text in (
        ("path", _path, "print the directory of the cache"),
        ("list", _list, "all entries, last used first: key, size, time since the last use, kind"),
        ("size", _sizes, "number and size of the entries, by kind"),
        ("prune", _prune, "drop the least recently used entries beyond the flag cache_size_limit"),
        ("clear", _clear, "remove all entries; running programs are not disturbed"),
    ):
        actions.add_parser(name, help=text).set_defaults(run=action)
