"""Results of `symc bench` as a table, a page, a picture; and compared with earlier ones."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Collection, Iterable, Sequence
from pathlib import Path
from typing import Any

from case import Case
from cases import CASES

COMPILING = ("jax", "torch-compiled", "pytensor", "numba")
"""The peers with which first calls are compared: those that compile, too."""
NOISE = 1.15
"""A ratio to the best peer may grow by this factor from run to run."""
FAILED = {
    "failed": "it",
    "first_failed": "the first call, cold,",
    "cached_failed": "the first call from the cache",
}
"""Keys of rows that say why something failed, and what that is."""
HEAD = ("case", "framework", "first call", "from cache", "call", "spread", "ratio", "achieved")


def best_peer(
    rows: dict[str, Any], key: str = "median", of: Collection[str] | None = None
) -> str | None:
    """The fastest framework besides symc, of those that did the work."""
    times = {
        n: r[key]
        for n, r in rows.items()
        if n != "symc" and "failed" not in r and r.get(key) is not None and (of is None or n in of)
    }
    return min(times, key=times.__getitem__) if times else None


def ratio(
    rows: dict[str, Any], key: str = "median", of: Collection[str] | None = None
) -> float | None:
    """symc's time to that of the best peer."""
    peer = best_peer(rows, key, of)
    own = _own(rows).get(key)
    return None if peer is None or own is None else own / rows[peer][key]


def _own(rows: dict[str, Any]) -> dict[str, Any]:
    """symc's row, empty where it failed."""
    row = rows.get("symc", {})
    return {} if "failed" in row else row


def lines(result: dict[str, Any]) -> list[tuple[str, ...]]:
    """The table, line by line."""
    table: list[tuple[str, ...]] = []
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
                table.append((title, name, "", "", "failed", "", "", ""))
                continue
            table.append(
                (
                    title,
                    name,
                    "failed" if "first_failed" in row else _time(row.get("first")),
                    "failed" if "cached_failed" in row else _time(row.get("cached")),
                    _amount(case, row["median"]),
                    f"{row['spread']:.0%}",
                    _verdict(case, rows) if name == "symc" else "",
                    "" if case.measure == "memory"
                    else _achieved(case, row["median"], result["ceilings"]),
                )
            )
    return table


def _verdict(case: Case, rows: dict[str, Any]) -> str:
    parts = [_judged("", ratio(rows), case.target)]
    if case.excess is not None and (peer := best_peer(rows)) is not None:
        excess = rows["symc"]["median"] - rows[peer]["median"]
        sign = "" if excess <= case.excess else " !"
        parts.append(f"{1e3 * excess:+.2f} ms of +{1e3 * case.excess:g} ms{sign}")
    if case.limit is not None and "median" in _own(rows):
        sign = "" if rows["symc"]["median"] <= case.limit else " !"
        parts.append(f"at most {_amount(case, case.limit)}{sign}")
    moved = _own(rows).get("traffic")
    if case.traffic is not None and moved is not None:
        total = moved["read"] + moved["written"] + moved["fetched"]
        parts.append(_judged("bytes ", total / moved["least"], case.traffic))
    if case.first is not None:
        parts.append(_judged("first ", ratio(rows, "first", COMPILING), case.first))
    if case.cached is not None:
        own, peer = _own(rows).get("cached"), best_peer(rows, "first", COMPILING)
        against = own / rows[peer]["first"] if own is not None and peer is not None else None
        parts.append(_judged("cached ", against, case.cached))
    return ", ".join(p for p in parts if p)


def _judged(what: str, value: float | None, target: float | None) -> str:
    if value is None:
        return ""
    if target is None:
        return f"{what}{value:.3g}"
    sign = "" if value <= target else " !"
    return f"{what}{value:.3g} of {target:g}{sign}"


def _amount(case: Case, value: float) -> str:
    """What was measured, with its unit."""
    return f"{value / 1e6:.3g} MB" if case.measure == "memory" else _time(value)


def _time(seconds: float | None) -> str:
    if seconds is None:
        return ""
    for unit, size in (("s", 1.0), ("ms", 1e-3), ("us", 1e-6)):
        if seconds >= size:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 1e-9:.3g} ns"


def _achieved(case: Case, seconds: float, ceilings: dict[str, float]) -> str:
    parts = []
    for what, amount, unit in (("bytes", case.bytes, "GB/s"), ("flops", case.flops, "Gflop/s")):
        if amount:
            rate = amount / seconds
            share = f" ({rate / ceilings[what]:.0%})" if ceilings.get(what) else ""
            parts.append(f"{rate / 1e9:.3g} {unit}{share}")
    return ", ".join(parts)


def show(result: dict[str, Any]) -> None:
    """Print the table; with rich where it is installed."""
    for sentence in (_ceilings(result), *notes(result)):
        if sentence:
            print(sentence)
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


def _ceilings(result: dict[str, Any]) -> str:
    """What the machine could do in this run, or in the best of several."""
    if not result["ceilings"]:
        return ""
    copy, gemm = (result["ceilings"][what] / 1e9 for what in ("bytes", "flops"))
    return (
        f"The machine ({result['machine']}) copied {copy:.3g} GB/s on all cores and multiplied "
        f"matrices at {gemm:.3g} Gflop/s (float32)."
    )


def notes(result: dict[str, Any]) -> list[str]:
    """Lines about what is not in the table: frameworks without a case, and what failed why."""
    without: dict[str, list[str]] = {}
    failed = []
    for case, found in result["cases"].items():
        for name in found.get("missing", ()):
            without.setdefault(name, []).append(case)
        for name, row in found["rows"].items():
            for key, words in FAILED.items():
                if key in row:
                    failed.append(f"{case}, {name}: {words} failed: {row[key]}")
    parts = []
    if result.get("absent"):
        parts.append(f"not installed: {', '.join(result['absent'])}")
    for name, cases in without.items():
        has = [case for case in result["cases"] if case not in cases]
        few = 0 < len(has) < len(cases)
        parts.append(f"{name} has {'only' if few else 'no'} {', '.join(has if few else cases)}")
    return [f"Left out: {'; '.join(parts)}."] * bool(parts) + failed


def highest(*ceilings: dict[str, Any]) -> dict[str, float]:
    """The highest of what was measured several times."""
    known = [c for c in ceilings if "bytes" in c]
    return {what: max(c[what] for c in known) for what in ("bytes", "flops") if known}


def merged(results: list[dict[str, Any]]) -> dict[str, Any]:
    """Several runs as one; of a case that several have, the last one counts.

    What each of them had to say about ratios is kept.
    """
    whole = dict(results[-1])
    for key in ("versions", "cases"):
        whole[key] = {k: v for result in results for k, v in result[key].items()}
    whole["ceilings"] = highest(*(result["ceilings"] for result in results))
    whole["load"] = max(result["load"] for result in results)
    whole["runs"] = sum(result.get("runs", 1) for result in results)
    whole["verdicts"] = [v for r in results for v in r.get("verdicts") or [_verdicts(r)]]
    whole["absent"] = [n for n in whole["absent"] if n not in whole["versions"]]
    return whole


def _verdicts(result: dict[str, Any]) -> dict[str, str]:
    """Ratios of a run by case, as the table has them."""
    found = ((case, result["cases"].get(case.name)) for case in CASES)
    return {case.name: _verdict(case, f["rows"]) for case, f in found if f is not None}


def _run_by_run(result: dict[str, Any]) -> str:
    """The ratios of each run, if there were several."""
    runs = result.get("verdicts", ())
    if len(runs) < 2:
        return ""
    rows = [
        [case.name, *(run.get(case.name, "") for run in runs)]
        for case in CASES
        if any(run.get(case.name) for run in runs)
    ]
    head = ["case", *(f"run {k + 1}" for k in range(len(runs)))]
    return "\n## The ratios of each run\n\n" + _markdown(head, rows)


def _markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def text(table: list[tuple[str, ...]]) -> str:
    """The table in columns of plain text."""
    widths = [max(len(line[k]) for line in (HEAD, *table)) for k in range(len(HEAD))]
    return "\n".join(
        "  ".join(cell.ljust(w) for cell, w in zip(line, widths, strict=True)).rstrip()
        for line in (HEAD, *table)
    )


def page(result: dict[str, Any]) -> str:
    """The page of the documentation."""
    versions = ", ".join(f"{n} {v}" for n, v in result["versions"].items())
    runs = f"{result['runs']} runs, the last" if result.get("runs", 1) > 1 else "a run"
    head = f"""Written by `symc bench --write-docs docs/benchmarks.md` from {runs} on
{result["time"]}. Each framework ran in a process of its own, the rounds were interleaved with a
pause before each turn in which the threads of the framework before go to sleep, and every result
was compared with NumPy's first. {_ceilings(result)} Peers: {versions}.
Up to {result["load"]:.1f} processes wanted to run during the measurement (load average): where
these are more than the cores, times are longer than on a quiet machine and the spread is large.

"First call" is cold: from building the expression to the end of the first call, with nothing
cached; it is measured in a fresh process where it has a target, and else in the process that is
timed. "From cache" is the same in another process, with what the cold one left on the disk.

"Ratio" is symc's time to that of the best peer, and the ratio aimed at; `!` marks a miss. First
calls, cold and from the cache alike, are divided by the *cold* first call of the best peer that
compiles ({", ".join(COMPILING)}). A case without a ratio to aim at says how much longer than the
best peer its call may take. "Achieved" counts the least memory that must be moved, or the
operations of the matrix products, beside what a copy and a product of large arrays reached in the
same run; a share above 100 % means that data stayed in cache, or was stored past it. "Bytes" are
what the kernels of symc's program read and write, counted from the program, lines that are read
because a part of them is stored included (`memory_traffic` of a function), to the least possible:
each input read once, each result written once."""
    paragraphs = "\n\n".join(textwrap.fill(p, 99) for p in head.split("\n\n"))
    shown = {c.name: c.title.replace("*", r"\*") for c in CASES}
    titles = "\n".join(f"- `{c.name}`: {shown[c.name]}" for c in CASES if c.name in result["cases"])
    below = "".join(f"\n{line}\n" for line in notes(result))
    table = f"{_markdown(HEAD, lines(result))}{below}{_run_by_run(result)}"
    return f"# Benchmarks\n\n{paragraphs}\n\n{titles}\n\n{table}"


def plot(result: dict[str, Any], path: Path) -> None:
    """Draw symc's ratio to the best peer, case by case, beside the ratio aimed at."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    cases = [c for c in CASES if ratio(result["cases"].get(c.name, {"rows": {}})["rows"])]
    values = [ratio(result["cases"][c.name]["rows"]) or 0.0 for c in cases]
    figure, axes = pyplot.subplots(figsize=(8, 0.4 * len(cases) + 1.5))
    axes.barh([c.name for c in cases], values, label="symc / best peer")
    aims = [float("nan") if c.target is None else c.target for c in cases]
    axes.plot(aims, range(len(cases)), "k|", ms=12, label="aimed at")
    axes.axvline(1.0, color="grey", lw=0.8)
    axes.invert_yaxis()
    axes.legend()
    figure.tight_layout()
    figure.savefig(path)
    pyplot.close(figure)


def failures(result: dict[str, Any]) -> list[str]:
    """Cases in which symc failed or was wrong."""
    rows = {name: found["rows"].get("symc", {}) for name, found in result["cases"].items()}
    return [f"{n}: symc failed: {r['failed']}" for n, r in rows.items() if "failed" in r]


def regressions(result: dict[str, Any], baseline: dict[str, Any]) -> list[str]:
    """Cases in which symc became slower beyond the noise.

    What is compared is the ratio to the peer that was best in the baseline; where one of the runs
    lacks it, the time itself. The noise of a case is the larger of a fixed factor and the spread
    of symc's rounds in the two runs.
    """
    worse = []
    for name, found in result["cases"].items():
        rows, before = found["rows"], baseline["cases"].get(name, {"rows": {}})["rows"]
        now, then = _own(rows), _own(before)
        if "median" not in now or "median" not in then:
            continue
        peer = best_peer(before)
        if peer is None or best_peer(rows, of=(peer,)) is None:
            new, old, unit = now["median"], then["median"], " s"
        else:
            new, old = ratio(rows, of=(peer,)), ratio(before, of=(peer,))
            unit = f" of {peer}"
        if new > old * max(NOISE, 1 + max(now["spread"], then["spread"])):
            worse.append(f"{name}: {old:.3g}{unit} before, {new:.3g}{unit} now")
    return worse
