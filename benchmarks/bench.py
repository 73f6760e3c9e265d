"""`symc bench`: symc and its peers on the same work, side by side.

Every framework runs in a process of its own (``worker.py``), with caches of its own that are empty
at the start. The rounds are interleaved: in each one every framework works on the case for a
while, so that a machine that becomes slower does so for all of them, and starts after a pause in
which the threads of the one before go to sleep. Exit code 1: symc failed or was wrong in a case, or
became slower than in the baseline; 2: wrong options.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import select
import subprocess
import sys
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from statistics import median
from typing import Any

import report
import with_numpy
from case import Case
from cases import CASES, chosen

HERE = Path(__file__).resolve().parent
FRAMEWORKS = {
    "symc": "symc",
    "numpy": "numpy",
    "c": "scipy",
    "numexpr": "numexpr",
    "numba": "numba",
    "jax": "jax",
    "torch": "torch",
    "torch-compiled": "torch",
    "pytensor": "pytensor",
}
"""The module, and distribution, that each framework needs."""
RETURNING = {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "0"}
"""With these the C library returns large blocks to the system as soon as they are freed."""
SETTLE = 0.15
"""Seconds between two frameworks: OpenBLAS's threads look for work for a tenth of a second after
its last product, on a processor that the next framework should have."""
TAIL = 300
"""Characters of what a dead process wrote that are kept."""


class Process:
    """The process of one framework.

    Parameters
    ----------
    framework, python : str
    caches : Path
        Where it keeps what it compiles.
    limit : float
        Seconds after which an answer is not waited for any more.
    more : dict, optional
        Further variables of the environment.
    """

    def __init__(
        self,
        framework: str,
        python: str,
        caches: Path,
        limit: float,
        more: dict[str, str] | None = None,
    ) -> None:
        self.framework, self.limit = framework, limit
        self.ended = ""
        self.errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
        own = caches / framework
        flags = f"{os.environ.get('SYMC_FLAGS', '')},base_compiledir={own}".lstrip(",")
        environment = {
            **os.environ,
            "SYMC_FLAGS": flags,
            "TORCHINDUCTOR_CACHE_DIR": str(own),
            "PYTENSOR_FLAGS": f"base_compiledir={own}",
            **(more or {}),
        }
        if framework == "symc":
            environment["PYTHONPATH"] = os.pathsep.join(map(str, _import_path()))
        self.process = subprocess.Popen(
            [python, str(HERE / "worker.py"), framework],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self.errors,
            text=True,
            env=environment,
        )

    def ask(self, **request: Any) -> dict[str, Any]:
        """Send a request and wait for the answer; a dead or slow process answers ``failed``."""
        if self.ended or self.process.poll() is not None:
            return self._failed()
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        try:
            print(json.dumps(request), file=self.process.stdin, flush=True)
        except BrokenPipeError:
            return self._failed()
        if not select.select([self.process.stdout], [], [], self.limit)[0]:
            self.ended = f"no answer within {self.limit:.0f} s"
            return self._failed()
        line = self.process.stdout.readline()
        return json.loads(line) if line else self._failed()

    def _failed(self) -> dict[str, Any]:
        """Why there is no answer, with the end of what the process wrote; it is ended."""
        if not self.ended:
            self.ended = f"its process has ended with code {self.process.wait()}"
            self.errors.seek(0)
            written = self.errors.read().decode(errors="replace").split()
            if written:
                self.ended += ": ... " + " ".join(written)[-TAIL:]
        self.close()
        return {"failed": self.ended}

    def close(self) -> None:
        """End the process."""
        self.process.kill()
        self.process.wait()
        self.errors.close()
        for stream in (self.process.stdin, self.process.stdout):
            with suppress(BrokenPipeError):
                if stream is not None:
                    stream.close()


def _import_path() -> list[str]:
    """Where symc is imported from, for a process that another directory is current in."""
    spec = importlib.util.find_spec("symc")
    root = [] if spec is None or spec.origin is None else [str(Path(spec.origin).parents[1])]
    given = os.environ.get("PYTHONPATH", "")
    return [*root, *(p for p in given.split(os.pathsep) if p)]


def installed(python: str, names: list[str]) -> dict[str, str]:
    """Those of the frameworks that an interpreter has, with their versions.

    Raises
    ------
    ValueError
        If it is not a Python interpreter.
    """
    wanted = sorted({FRAMEWORKS[n] for n in names})
    code = (
        "import importlib.util, importlib.metadata, json, sys\n"
        "found = [n for n in sys.argv[1:] if importlib.util.find_spec(n)]\n"
        "all_of = lambda n: importlib.metadata.distributions(name=n)\n"
        "print(json.dumps({n: next((d.version for d in all_of(n)), '') for n in found}))"
    )
    try:
        done = subprocess.run(
            [python, "-c", code, *wanted], capture_output=True, text=True, check=True
        )
        found = json.loads(done.stdout)
    except (OSError, subprocess.CalledProcessError, json.JSONDecodeError) as error:
        raise ValueError(
            f"{python} (--peers) cannot be asked which frameworks it has: {error}; "
            "give the path of a Python interpreter"
        ) from error
    return {n: found[FRAMEWORKS[n]] for n in names if FRAMEWORKS[n] in found}


class Bench:
    """One run.

    Parameters
    ----------
    options : argparse.Namespace
    caches : Path

    Raises
    ------
    ValueError
        If the peers' interpreter is none.
    """

    def __init__(self, options: argparse.Namespace, caches: Path) -> None:
        self.options, self.caches = options, caches
        names = options.framework or list(FRAMEWORKS)
        peers = [n for n in names if n != "symc"]
        self.versions = installed(options.peers, peers)
        self.absent = [n for n in peers if n not in self.versions]
        self.names = [n for n in names if n == "symc"] + list(self.versions)
        self.processes = {n: self._start(n) for n in self.names}

    def _start(self, name: str, case: Case | None = None) -> Process:
        """A process; one that shows what memory a case needs, if the case measures that."""
        python = sys.executable if name == "symc" else self.options.peers
        more = RETURNING if case is not None and case.measure == "memory" else {}
        return Process(name, python, self.caches, self.options.limit, more)

    def run(self, cases: list[Case]) -> dict[str, Any]:
        """Measure; returns what is written as JSON."""
        found: dict[str, Any] = {}
        ceilings: dict[str, float] = {}
        loads = []
        for case in cases:
            print(f"{case.name} ...", end=" ", flush=True, file=sys.stderr)
            loads.append(os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0)
            if "numpy" in self.processes:
                answer = self.processes["numpy"].ask(do="ceilings")
                ceilings = report.highest(ceilings, answer)
            found[case.name] = self._case(case)
            print("done", file=sys.stderr)
        for process in self.processes.values():
            process.close()
        return {
            "time": time.strftime("%Y-%m-%d %H:%M"),
            "machine": f"{_processor()}, {with_numpy.cores()} cores",
            "versions": self.versions,
            "absent": self.absent,
            "ceilings": ceilings,
            "load": max(loads, default=0.0),
            "cases": found,
        }

    def _case(self, case: Case) -> dict[str, Any]:
        rows: dict[str, Any] = {}
        for name in self.names:
            rows[name] = row = self._first(case, name)
            error = row.pop("error", 0.0)
            if not error <= case.tolerance:
                row["failed"] = f"its result is wrong by {error:.1g} of the largest value"
        live = [n for n, row in rows.items() if not row.keys() & {"failed", "missing"}]
        times: dict[str, list[float]] = {n: [] for n in live}
        for _ in range(self.options.rounds):
            for name in (n for n in live if "failed" not in rows[n]):
                time.sleep(SETTLE)
                answer = self.processes[name].ask(
                    do="time", case=case.name, seconds=self.options.seconds
                )
                if "failed" in answer:
                    rows[name].update(answer)
                else:
                    times[name].append(answer["median"])
        for name in live:
            if case.measure == "memory":
                self.processes[name].close()  # the next case has another environment
            else:
                self.processes[name].ask(do="drop", case=case.name)
            if "failed" not in rows[name]:
                middle = median(times[name])
                spread = (max(times[name]) - min(times[name])) / middle
                rows[name].update(median=middle, spread=spread, least=min(times[name]))
        return {
            "rows": {n: r for n, r in rows.items() if "missing" not in r},
            "missing": [n for n, r in rows.items() if "missing" in r],
        }

    def _first(self, case: Case, name: str) -> dict[str, Any]:
        """First calls: cold, then with what the cold one has left in the caches."""
        process = self.processes[name]
        memory = case.measure == "memory"
        if memory or process.ended or process.process.poll() is not None:
            process.close()
            self.processes[name] = self._start(name, case)
        fresh = case.first is not None or self.options.cached
        cold = self._in_fresh_process(case, name) if case.first is not None else None
        row = self.processes[name].ask(do="make", case=case.name)
        if row.keys() & {"failed", "missing"}:
            return row
        answers = {"first": cold, "cached": self._in_fresh_process(case, name) if fresh else None}
        for what, answer in answers.items():
            if answer is not None:
                row[what] = answer.get("first")
                if "failed" in answer:
                    row[f"{what}_failed"] = answer["failed"]
        return row

    def _in_fresh_process(self, case: Case, name: str) -> dict[str, Any]:
        process = self._start(name)
        answer = process.ask(do="make", case=case.name)
        process.close()
        return answer


def _processor() -> str:
    """The name of the processor, where the system says it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(names, platform.machine())


def parser() -> argparse.ArgumentParser:
    """The parser of the command's options."""
    top = argparse.ArgumentParser(prog="symc bench", description=__doc__)
    top.add_argument("--list", action="store_true", help="say which cases there are")
    top.add_argument("--case", action="append", default=[], metavar="NAME", help="name or pattern")
    top.add_argument("--framework", action="append", choices=list(FRAMEWORKS), help="default: all")
    top.add_argument("--rounds", type=int, default=5, help="interleaved rounds (default: 5)")
    top.add_argument("--seconds", type=float, default=0.2, help="per round and framework")
    top.add_argument("--limit", type=float, default=300.0, help="seconds to wait for an answer")
    top.add_argument(
        "--peers",
        default=os.environ.get("SYMC_BENCH_PEERS", sys.executable),
        metavar="PYTHON",
        help="interpreter that has the peers (default: this one, or SYMC_BENCH_PEERS)",
    )
    top.add_argument(
        "--cached", action="store_true", help="measure first calls from the cache for every case"
    )
    top.add_argument(
        "--results",
        type=Path,
        action="append",
        metavar="FILE",
        help="measure nothing and report what earlier runs wrote with --json, together",
    )
    top.add_argument("--json", type=Path, metavar="FILE", help="write all figures")
    top.add_argument("--plot", type=Path, metavar="PNG", help="draw the ratios")
    top.add_argument("--write-docs", type=Path, metavar="FILE", help="write the page of results")
    top.add_argument(
        "--baseline", type=Path, metavar="FILE", help="fail if symc became slower than in FILE"
    )
    return top


def main() -> int:
    """Run the command; returns the exit code."""
    options = parser().parse_args()
    try:
        cases = chosen(options.case)
        baseline = json.loads(options.baseline.read_text()) if options.baseline else None
        earlier = [json.loads(path.read_text()) for path in options.results or ()]
    except (ValueError, OSError) as error:
        print(f"symc bench: {error}", file=sys.stderr)
        return 2
    if options.list:
        for case in CASES:
            print(f"{case.name:20} {case.title}")
        return 0
    if earlier:
        result = report.merged(earlier)
    else:
        try:
            with tempfile.TemporaryDirectory(prefix="symc-bench-") as caches:
                result = Bench(options, Path(caches)).run(cases)
        except ValueError as error:
            print(f"symc bench: {error}", file=sys.stderr)
            return 2
    report.show(result)
    if options.json:
        options.json.write_text(json.dumps(result, indent=1) + "\n")
    if options.write_docs:
        options.write_docs.write_text(report.page(result))
    if options.plot:
        report.plot(result, options.plot)
    worse = report.failures(result)
    if baseline is not None:
        worse += report.regressions(result, baseline)
        if not worse:
            print("no case became slower than in the baseline")
    print("\n".join(worse), end="\n" if worse else "")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
