"""Results of `symc bench` as a table, a page, a picture; and compared with earlier ones."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

from cases import CASES

COMPILING = ("jax", "torch-compiled", "pytensor", "numba")
"""The peers with which first calls are compared: those that compile, too."""
NOISE = 1.15
"""A ratio to the best peer may grow by this factor from run to run."""
HEAD = ("case", "framework", "first call", "from cache", "call", "spread", "ratio", "achieved")


def best_peer(rows: dict[str, Any], key: str = "median", of: Any = None) -> str | None:
    """The fastest framework besides symc."""
    times = {
        n: r[key]
        for n, r in rows.items()
        if n != "symc" and r.get(key) is not None and (of is None or n in of)
    }
    return min(times, key=times.__getitem__) if times else None


def ratio(rows: dict[str, Any], key: str = "median", of: Any = None) -> float | None:
    """symc's time to that of the best peer."""
    peer = best_peer(rows, key, of)
    own = rows.get("symc", {}).get(key)
    return None if peer is None or own is None else own / rows[peer][key]


def lines(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, line by line."""
    table = []
    for case in CASES:
        found = result["cases"].get(case.name)
        if found is None:
            continue
        rows = found["rows"]
        order = sorted(rows, key=lambda n: (n != "symc", rows[n].get("median", float("inf"))))
        for k, name in enumerate(order):
            row = rows[name]
            title = case.name if k == 0 else ""
            if "failed" in row:
                table.append((title, name, "", "", row["failed"], "", "", ""))
                continue
            table.append(
                (
                    title,
                    name,
                    _time(row.get("first")),
                    _time(row.get("cached")),
                    _time(row["median"]),
                    f"{row['spread']:.0%}",
                    _verdict(case, rows) if name == "symc" else "",
                    _achieved(case, row["median"], result["ceilings"]),
                )
            )
    return table


def _verdict(case: Any, rows: dict[str, Any]) -> str:
    parts = [_judged("", ratio(rows), case.target)]
    if case.first is not None:
        parts.append(_judged("first ", ratio(rows, "first", COMPILING), case.first))
    if case.cached is not None:
        own, peer = rows["symc"].get("cached"), best_peer(rows, "first", COMPILING)
        against = own / rows[peer]["first"] if own is not None and peer is not None else None
        parts.append(_judged("cached ", against, case.cached))
    return ", ".join(p for p in parts if p)


def _judged(what: str, value: float | None, target: float) -> str:
    if value is None:
        return ""
    sign = "" if value <= target else " !"
    return f"{what}{value:.2f} of {target:g}{sign}"


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _achieved(case: Any, seconds: float, ceilings: dict[str, float]) -> str:
    parts = []
    for what, amount, unit in (("bytes", case.bytes, "GB/s"), ("flops", case.flops, "Gflop/s")):
        if amount:
            rate = amount / seconds
            share = f" ({rate / ceilings[what]:.0%})" if ceilings.get(what) else ""
            parts.append(f"{rate / 1e9:.3g} {unit}{share}")
    return ", ".join(parts)


def show(result: dict[str, Any]) -> None:
    """Print the table; with rich where it is installed."""
    ceilings = result["ceilings"]
    if ceilings.get("bytes"):
        print(
            f"ceilings of this machine: copy {ceilings['bytes'] / 1e9:.3g} GB/s, "
            f"gemm {ceilings['flops'] / 1e9:.3g} Gflop/s"
        )
    table = lines(result)
    try:
        from rich.console import Console
        from rich.table import Table
    except ImportError:
        print(text(table))
        return
    shown = Table(*HEAD)
    for line in table:
        shown.add_row(*line, style="bold" if line[1] == "symc" else None)
    console = Console()
    Console(width=max(console.width, 120), file=sys.stdout).print(shown)


def text(table: list[tuple[str, ...]]) -> str:
    """The table in columns of plain text."""
    widths = [max(len(line[k]) for line in (HEAD, *table)) for k in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in (HEAD, *table)
    )


def page(result: dict[str, Any]) -> str:
    """The page of the documentation."""
    ceilings = result["ceilings"]
    measured = ""
    if ceilings.get("bytes"):
        measured = (
            f"In the same run the machine copied {ceilings['bytes'] / 1e9:.3g} GB/s and multiplied "
            f"matrices at {ceilings['flops'] / 1e9:.3g} Gflop/s (float32)."
        )
    head = f"""# Benchmarks

Written by `symc bench --write-docs docs/benchmarks.md` on {result["time"]}. Each framework ran in
a process of its own, the rounds were interleaved, and every result was compared with NumPy's
first. {measured}

"Ratio" is symc's time to that of the best peer, and the ratio aimed at; `!` marks a miss. First
calls are compared with the peers that compile. "Achieved" counts the least memory that must be
moved, or the operations of the matrix products; a share above 100 % means that data stayed in
cache.

"""
    titles = "\n".join(f"- `{c.name}`: {c.title}" for c in CASES if c.name in result["cases"])
    rows = "\n".join("| " + " | ".join(line) + " |" for line in lines(result))
    rule = "|" + "---|" * len(HEAD)
    return f"{head}{titles}\n\n| {' | '.join(HEAD)} |\n{rule}\n{rows}\n"


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw symc's ratio to the best peer, case by case, beside the ratio aimed at."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = [c for c in CASES if ratio(result["cases"].get(c.name, {"rows": {}})["rows"])]
    values = [ratio(result["cases"][c.name]["rows"]) for c in cases]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(cases) + 1.5))
    axes.barh([c.name for c in cases], values, label="symc / best peer")
    axes.plot([c.target for c in cases], range(len(cases)), "k|", ms=12, label="aimed at")
    axes.axvline(1.0, color="grey", lw=0.8)
    axes.invert_yaxis()
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def regressions(result: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """Cases whose ratio to the best peer grew beyond the noise.

    The noise of a case is the larger of a fixed factor and the spread of symc's rounds in the two
    runs. Without peers the times themselves are compared.
    """
    worse = []
    for name, found in result["cases"].items():
        rows, before = found["rows"], baseline["cases"].get(name, {"rows": {}})["rows"]
        new, old = ratio(rows), ratio(before)
        if new is None or old is None:
            new, old = (r.get("symc", {}).get("median") for r in (rows, before))
        if new is None or old is None:
            continue
        spreads = [r.get("symc", {}).get("spread", 0.0) for r in (rows, before)]
        if new > old * max(NOISE, 1 + max(spreads)):
            worse.append(f"{name}: {old:.3g} before, {new:.3g} now")
    return worse
