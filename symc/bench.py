"""``symc bench``: runs the programs in ``benchmarks/``, which are installed with symc."""

from __future__ import annotations

import importlib.util
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

__all__ = ["folder", "main"]

INSTALLED = "symc_benchmarks"
"""The name under which the folder is installed."""


def folder() -> Path | None:
    """Where the programs are: beside the checkout's package, or where they were installed."""
    beside = Path(__file__).resolve().parents[1] / "benchmarks"
    if (beside / "bench.py").is_file():
        return beside
    spec = importlib.util.find_spec(INSTALLED)
    places = [] if spec is None else [Path(p) for p in spec.submodule_search_locations or ()]
    return next((p for p in places if (p / "bench.py").is_file()), None)


def main(arguments: Sequence[str]) -> int:
    """Run the command with these arguments; returns its exit code."""
    place = folder()
    if place is None:
        print("symc bench: the folder 'benchmarks' is not installed", file=sys.stderr)
        return 1
    return subprocess.run(
        [sys.executable, str(place / "bench.py"), *arguments], check=False
    ).returncode
