"""One framework in a process of its own: ``worker.py FRAMEWORK``.

It reads one request per line from the standard input and answers each with one line of JSON:

``{"do": "make", "case": NAME}``      makes the function and calls it once; says how long both took
                                      and how far the result is from the reference; symc's also
                                      what it moves, where the case asks for that
``{"do": "time", "case": NAME, "seconds": S}``   the median of calls made for so many seconds; of
                                      a case that measures memory, the most bytes a call takes
``{"do": "drop", "case": NAME}``      forgets the function and its operands
``{"do": "ceilings"}``                what the machine can do (NumPy's worker only)
"""

from __future__ import annotations

import importlib
import json
import os
import sys
import time
from statistics import median
from typing import Any

import numpy as np
from cases import CASES
from peak_memory import peak_memory

SHORT = 2e-5
"""Calls shorter than this are timed several at a time."""


def _values(result: Any) -> list[np.ndarray]:
    """Results as arrays, whatever the framework's own type is."""
    items = result if isinstance(result, (list, tuple)) else [result]
    return [np.asarray(x.detach() if hasattr(x, "detach") else x, "float64") for x in items]


def _error(result: Any, reference: Any) -> float:
    """The largest difference, relative to the largest value; infinite where one is not a number."""
    worst = 0.0
    for got, expected in zip(_values(result), _values(reference), strict=True):
        if got.shape != expected.shape:
            return float("inf")
        scale = max(1e-30, float(np.abs(expected).max(initial=0)))
        far = float(np.abs(got - expected).max(initial=0)) / scale
        worst = max(worst, float("inf") if np.isnan(far) else far)
    return worst


class Worker:
    """Answers requests."""

    def __init__(self, framework: str) -> None:
        name, _, kind = framework.partition("-")
        self.module = importlib.import_module(f"with_{name}")
        self.options = {"compile_": True} if kind == "compiled" else {}
        self.functions: dict[str, Any] = {}

    def answer(self, request: dict[str, Any]) -> dict[str, Any]:
        """The answer to one request."""
        if request["do"] == "ceilings":
            return self.module.ceilings()
        case = next(c for c in CASES if c.name == request["case"])
        if request["do"] == "make":
            return self._make(case)
        if request["do"] == "time":
            function = self.functions[case.name]
            if case.measure == "memory":
                return self._memory(function)
            return self._time(function, request["seconds"])
        self.functions.pop(case.name, None)
        return {}

    def _make(self, case: Any) -> dict[str, Any]:
        operands = case.operands()
        start = time.perf_counter()
        function = self.module.make(case, operands, **self.options)
        if function is None:
            return {"missing": True}
        result = function()
        first = time.perf_counter() - start
        self.functions[case.name] = function
        if case.calls > 1:
            result = [result, *(function() for _ in range(case.calls - 1))]
        if case.summary is not None:
            result = [case.summary(values) for values in _values(result)]
        expected = case.reference(*case.operands())  # made anew: frameworks may write into theirs
        answer: dict[str, Any] = {"first": first, "error": _error(result, expected)}
        if case.traffic is not None and hasattr(function, "traffic"):
            answer["traffic"] = function.traffic()
        return answer

    def _memory(self, function: Any) -> dict[str, Any]:
        """The most bytes that a call takes, beyond what stays when memory is given back."""
        getattr(self.module, "give_back", lambda: None)()
        _, peak = peak_memory(function)
        return {"median": peak, "least": peak, "calls": 1}

    def _time(self, function: Any, seconds: float) -> dict[str, Any]:
        function()
        start = time.perf_counter()
        function()
        once = time.perf_counter() - start
        inner = max(1, int(SHORT / once)) if once < SHORT else 1
        times = []
        end = time.perf_counter() + seconds
        while time.perf_counter() < end or len(times) < 3:
            start = time.perf_counter()
            for _ in range(inner):
                function()
            times.append((time.perf_counter() - start) / inner)
        return {"median": median(times), "least": min(times), "calls": len(times) * inner}


def main() -> None:
    """Serve until the standard input ends."""
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what frameworks print must not be taken for an answer
    worker = None
    for line in sys.stdin:
        try:
            if worker is None:
                worker = Worker(sys.argv[1])
            answer = worker.answer(json.loads(line))
        except Exception as error:
            answer = {"failed": f"{type(error).__name__}: {error}".splitlines()[0][:200]}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()
