"""Rules that live for one test, and how to run them alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from symc.rewrite.engine import optimize
from symc.rewrite.rule import graph_pass, rule, unregister
from symc.rewrite.selection import Selection

ONLY_TOYS = Selection("merge").including("toy")


@contextmanager
def toy_rules(*definitions: tuple[Callable[..., Any], dict[str, Any]]) -> Iterator[None]:
    """Register functions as rules tagged ``toy``: pairs of function and arguments of `rule`."""
    names = []
    try:
        for function, arguments in definitions:
            phase = arguments.pop("phase", "canonical")
            rule(phase, tags=["toy"], **arguments)(function)
            names.append(arguments.get("name", function.__name__))
        yield
    finally:
        for name in names:
            unregister(name)


@contextmanager
def toy_pass(function: Callable[..., Any], phase: str = "canonical") -> Iterator[None]:
    """Register a function of whole graphs tagged ``toy``."""
    graph_pass(phase, tags=["toy"])(function)
    try:
        yield
    finally:
        unregister(function.__name__)


def rewritten(*outputs: Any, facts: Any = None) -> Any:
    """The outputs after the toy rules; one variable for one."""
    result = optimize(outputs, facts, ONLY_TOYS).outputs
    return result[0] if len(outputs) == 1 else result
