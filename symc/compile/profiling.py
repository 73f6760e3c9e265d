"""Profiles of functions: where the time of compiling and of calls goes.

A function without a profile has no trace of this. With one, calls are counted and timed; where the
graph runs node by node (``Mode("numpy")``), so is every node. A native program is one call: what
its steps are and how much memory they have, `ProfileStats.summary_memory` tells.
"""

from __future__ import annotations

import atexit
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from time import perf_counter
from typing import Any, TextIO

import numpy as np

from ..config import config
from ..graph.node import Apply
from ..graph.op import run_perform
from ..graph.text import debugprint
from .callable import Function, StatefulFunction

__all__ = [
    "ProfileStats",
    "ScanProfileStats",
    "as_profile",
    "print_global_stats",
    "profiled",
    "register_profiler_printer",
]

_all_profiles: list[ProfileStats] = []
_printers: list[Callable[..., None]] = []


def register_profiler_printer(fct: Callable[..., None]) -> Callable[..., None]:
    """Register a function that adds to every summary: ``fct(message, ..., file)`` is called."""
    _printers.append(fct)
    return fct


class ProfileStats:
    """Times and counts of one function, or of several.

    Parameters
    ----------
    atexit_print : bool, optional
        Whether the summary is printed when the process ends.
    flag_time_thunks : bool, optional
        Whether single nodes are timed, where they are run one by one; default
        ``config.profiling.time_thunks``.
    gpu_checks : bool, optional
        Accepted as in Theano.
    message : str, optional
        Title of the summary.

    Attributes
    ----------
    compile_time, optimizer_time : float
        Seconds for making the functions; of these for rewriting.
    fct_call_time : float
        Seconds in calls.
    fct_callcount : int
    apply_time, apply_callcount : dict from Apply to float or int
    output_bytes : dict from Apply to int
        Size of the results at the last call.
    """

    def __init__(
        self,
        atexit_print: bool = True,
        flag_time_thunks: bool | None = None,
        gpu_checks: bool = True,
        message: str | None = None,
    ) -> None:
        del gpu_checks
        self.message = message
        time_nodes = config.profiling.time_thunks if flag_time_thunks is None else flag_time_thunks
        self.flag_time_thunks = time_nodes
        self.line_width = config.profiling.output_line_width
        self.compile_time = 0.0
        self.optimizer_time = 0.0
        self.linker_time = 0.0
        self.reset()
        self._functions: list[Any] = []
        _all_profiles.append(self)
        if atexit_print:
            atexit.register(self._print_at_exit)

    def reset(self) -> None:
        """Forget all calls; times of compiling stay."""
        self.fct_call_time = 0.0
        self.fct_callcount = 0
        self.apply_time: dict[Apply, float] = {}
        self.apply_callcount: dict[Apply, int] = {}
        self.output_bytes: dict[Apply, int] = {}

    # ---- collecting

    def made(self, function: Any, seconds: float) -> None:
        """Note that a function has been compiled."""
        self._functions.append(function)
        optimized = getattr(function.maker.executor, "optimized", None)
        rewriting = sum(optimized.phase_seconds.values()) if optimized is not None else 0.0
        self.compile_time += seconds
        self.optimizer_time += rewriting
        self.linker_time += max(0.0, seconds - rewriting)

    def called(self, seconds: float) -> None:
        """Note a call."""
        self.fct_callcount += 1
        if self.fct_callcount == 1 and config.profiling.ignore_first_call:
            self.reset()
            return
        self.fct_call_time += seconds

    def run_node(
        self, run: Callable[[int, Apply, list[Any]], list[Any]] | None
    ) -> Callable[[int, Apply, list[Any]], list[Any]]:
        """What computes a node and notes its time; `run` does the work."""

        def timed(i: int, node: Apply, values: list[Any]) -> list[Any]:
            start = perf_counter()
            results = run_perform(node, values) if run is None else run(i, node, values)
            spent = perf_counter() - start
            self.apply_time[node] = self.apply_time.get(node, 0.0) + spent
            self.apply_callcount[node] = self.apply_callcount.get(node, 0) + 1
            self.output_bytes[node] = sum(getattr(np.asarray(r), "nbytes", 0) for r in results)
            return results

        return timed

    # ---- by op and class

    def op_time(self) -> dict[Any, float]:
        """Return seconds by op."""
        return _summed((node.op, t) for node, t in self.apply_time.items())

    def op_callcount(self) -> dict[Any, int]:
        """Return calls by op."""
        return _summed((node.op, n) for node, n in self.apply_callcount.items())

    def op_nodes(self) -> dict[Any, int]:
        """Return the number of nodes by op."""
        return _summed((node.op, 1) for node in self.apply_callcount)

    def class_time(self) -> dict[type, float]:
        """Return seconds by class of ops."""
        return _summed((type(node.op), t) for node, t in self.apply_time.items())

    def class_callcount(self) -> dict[type, int]:
        """Return calls by class of ops."""
        return _summed((type(node.op), n) for node, n in self.apply_callcount.items())

    def class_nodes(self) -> dict[type, int]:
        """Return the number of nodes by class of ops."""
        return _summed((type(node.op), 1) for node in self.apply_callcount)

    # ---- printing

    def summary(
        self,
        file: TextIO | None = None,
        n_ops_to_print: int | None = None,
        n_apply_to_print: int | None = None,
    ) -> None:
        """Print everything that is known, to standard error by default."""
        file = sys.stderr if file is None else file
        self.summary_function(file)
        if self.apply_time:
            self.summary_class(file, n_ops_to_print)
            self.summary_ops(file, n_ops_to_print)
            self.summary_nodes(file, n_apply_to_print)
        self.summary_memory(file)
        for printer in _printers:
            printer(
                self.message, self.compile_time, self.fct_call_time, self.apply_time,
                {}, {}, {}, file,
            )  # fmt: skip
        self.print_tips(file)
        if config.profiling.debugprint:
            for function in self._functions:
                debugprint(function, file=file)

    def summary_function(self, file: TextIO) -> None:
        """Print calls and times of compiling."""
        per_call = self.fct_call_time / self.fct_callcount if self.fct_callcount else 0.0
        lines = [
            "Function profiling",
            "==================",
            f"  Message: {self.message or '<unnamed>'}",
            f"  Time in {self.fct_callcount} calls to Function.__call__: {self.fct_call_time:e}s"
            f" ({per_call:e}s per call)",
            f"  Total compile time: {self.compile_time:e}s",
            f"    Rewriting: {self.optimizer_time:e}s",
            f"    Lowering, C compiler and loading: {self.linker_time:e}s",
        ]
        if self.apply_time and self.fct_call_time:
            total = sum(self.apply_time.values())
            share = 100 * total / self.fct_call_time
            lines.append(f"  Time in nodes: {total:e}s ({share:.2f}%)")
        self._print(lines, file)

    def summary_class(self, file: TextIO, N: int | None = None) -> None:
        """Print times by class of ops."""
        self._table("Class", self.class_time(), self.class_callcount(), self.class_nodes(),
                    lambda cls: f"{cls.__module__}.{cls.__name__}", file, N)

    def summary_ops(self, file: TextIO, N: int | None = None) -> None:
        """Print times by op."""
        self._table("Ops", self.op_time(), self.op_callcount(), self.op_nodes(), str, file, N)

    def summary_nodes(self, file: TextIO, N: int | None = None) -> None:
        """Print times by node."""
        self._table("Apply", self.apply_time, self.apply_callcount,
                    dict.fromkeys(self.apply_time, 1), str, file, N, config.profiling.n_apply)

    def _table(
        self,
        title: str,
        seconds: dict[Any, float],
        calls: dict[Any, int],
        nodes: dict[Any, int],
        name: Callable[[Any], str],
        file: TextIO,
        most: int | None,
        usual: int | None = None,
    ) -> None:
        if most is None:
            most = config.profiling.n_ops if usual is None else usual
        total = sum(seconds.values()) or 1.0
        lines = [title, "---", "<% time> <time> <time per call> <#call> <#apply> <name>"]
        ordered = sorted(seconds.items(), key=lambda item: -item[1])
        for key, spent in ordered[:most]:
            lines.append(
                f"  {100 * spent / total:5.1f}%  {spent:.3e}s  {spent / calls[key]:.2e}s  "
                f"{calls[key]:5d}  {nodes[key]:5d}  {name(key)}"
            )
        rest = ordered[most:]
        if rest:
            share = 100 * sum(t for _, t in rest) / total
            lines.append(f"  ... (remaining {len(rest)} account for {share:.2f}% of the time)")
        self._print(lines, file)

    def summary_memory(self, file: TextIO, N: int | None = None) -> None:
        """Print sizes of results, or what the memory plan of a native program shares."""
        lines = []
        if self.output_bytes:
            most = config.profiling.n_apply if N is None else N
            big = [
                (size, node) for node, size in self.output_bytes.items()
                if size >= config.profiling.min_memory_size
            ]
            lines.append(f"Memory: {sum(self.output_bytes.values())} bytes of results in a call")
            lines += [
                f"  {size} bytes  {node}"
                for size, node in sorted(big, key=lambda pair: -pair[0])[:most]
            ]
        for function in self._functions:
            main = getattr(function.maker.executor, "main", None)
            lowered = getattr(main, "lowered", None)
            if lowered is not None:
                lines.append(
                    f"Memory of {function.name or '<unnamed>'}: {len(lowered.all_steps)} steps "
                    f"with {len(lowered.buffers)} values share {len(lowered.slots)} slots"
                )
        if lines:
            self._print(lines, file)

    def summary_globals(self, file: TextIO) -> None:
        """Print the sum of all profiles of the process."""
        print_global_stats(file)

    def print_tips(self, file: TextIO) -> None:
        """Print what may make the function faster."""
        tips = [
            "Timed nodes run in Python; Mode('native') runs them as one program."
        ] if self.apply_time else []
        for function in self._functions:
            wide = [
                str(v) for v in (s.variable for s in function.maker.explicit)
                if getattr(v.type, "dtype", None) == "float64" and config.floatX == "float32"
            ]
            if wide:
                tips.append(f"Inputs of dtype float64 though floatX is float32: {', '.join(wide)}.")
        if tips:
            self._print(["Tips", *(f"  - {tip}" for tip in tips)], file)

    def _print(self, lines: Iterable[str], file: TextIO) -> None:
        for line in lines:
            print(line[: self.line_width], file=file)
        print(file=file)

    def _print_at_exit(self) -> None:
        if not self.fct_callcount:
            return
        destination = config.profiling.destination
        if destination in ("stderr", "stdout"):
            self.summary(getattr(sys, destination))
            return
        with Path(destination).open("a", encoding="utf-8") as file:
            self.summary(file)


class ScanProfileStats(ProfileStats):
    """Accepted as in Theano: loops are part of the program that they are in."""


def _summed(pairs: Iterable[tuple[Any, Any]]) -> dict[Any, Any]:
    total: dict[Any, Any] = {}
    for key, value in pairs:
        total[key] = total.get(key, 0) + value
    return total


def print_global_stats(file: TextIO | None = None) -> None:
    """Print calls and times of all profiled functions together, to standard error by default."""
    file = sys.stderr if file is None else file
    calls = sum(p.fct_callcount for p in _all_profiles)
    seconds = sum(p.fct_call_time for p in _all_profiles)
    compiling = sum(p.compile_time for p in _all_profiles)
    print(
        f"Global stats: {calls} calls in {seconds:e}s; {compiling:e}s for compiling "
        f"{len(_all_profiles)} profiles",
        file=file,
    )


def as_profile(profile: Any, name: str | None) -> ProfileStats | None:
    """The profile that ``function(profile=...)`` asks for: None for False.

    Raises
    ------
    TypeError
        If it is neither a bool, a text (the message) nor a `ProfileStats`.
    """
    if profile is None:
        profile = config.profile
    if profile is False:
        return None
    if isinstance(profile, ProfileStats):
        return profile
    if profile is True or isinstance(profile, str):
        return ProfileStats(message=profile if isinstance(profile, str) else name)
    raise TypeError(f"profile must be True, False, a text or a ProfileStats, got {profile!r}")


class _Profiled:
    """Adds counting to a class of functions."""

    profile: Any

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function, and note how long it took."""
        start = perf_counter()
        result = super().__call__(*args, **kwargs)  # type: ignore[misc]
        self.profile.called(perf_counter() - start)
        return result


class ProfiledFunction(_Profiled, Function):
    """A function with a profile."""


class ProfiledStatefulFunction(_Profiled, StatefulFunction):
    """A function with state of its own and a profile."""


def profiled(maker: Any, profile: ProfileStats, seconds: float) -> Any:
    """The function of a maker, with a profile; `seconds` is what making it took."""
    program = getattr(maker.executor, "program", None)
    if program is not None and hasattr(program, "run_node") and profile.flag_time_thunks:
        program.run_node = profile.run_node(program.run_node)
    stateful = isinstance(maker.create(), StatefulFunction)
    made = (ProfiledStatefulFunction if stateful else ProfiledFunction)(maker)
    made.profile = profile
    profile.made(made, seconds)
    return made
