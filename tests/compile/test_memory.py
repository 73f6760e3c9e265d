"""Functions that are dropped give everything back; calls leave nothing behind."""

from __future__ import annotations

import gc
import resource
import weakref
from pathlib import Path

import numpy as np
import pytest

import symc.tensor as T
from symc import function, grad, shared
from symc.runtime import native_available

MODES = ["FAST_RUN", "NUMPY"]
PAGE = resource.getpagesize()


def resident() -> int:
    """Bytes of memory that the process holds now."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * PAGE


needs_proc = pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="no /proc here")


@pytest.mark.parametrize("mode", MODES)
def test_a_dropped_function_is_freed_without_the_collector(mode: str) -> None:
    x = T.dvector("x")
    w = shared(np.zeros(4), name="w")
    f = function([x], x + w, updates=[(w, w + 1)], mode=mode)
    f(np.ones(4))
    gone = weakref.ref(f)
    gc.collect()
    gc.disable()
    try:
        del f
        assert gone() is None
    finally:
        gc.enable()


@pytest.mark.parametrize("mode", MODES)
def test_the_arrays_of_a_dropped_function_are_freed(mode: str) -> None:
    w = shared(np.zeros(4), name="w")
    f = function([], w * 2, mode=mode)
    f()
    container = weakref.ref(w.container)
    del w, f
    gc.collect()
    assert container() is None


@needs_proc
@pytest.mark.parametrize(
    ("mode", "cycles"), [("NUMPY", 100), pytest.param("FAST_RUN", 30, marks=pytest.mark.compiler)]
)
def test_compile_call_drop_cycles_do_not_grow(mode: str, cycles: int) -> None:
    if mode == "FAST_RUN" and not native_available():
        pytest.skip("no compiled code here")

    def cycle() -> None:
        x = T.dmatrix("x")
        w = shared(np.ones((50, 50)), name="w")
        y = T.tanh(T.dot(x, w)).sum()
        f = function([x], [y, grad(y, w)], updates=[(w, w - 0.1 * grad(y, w))], mode=mode)
        f(np.ones((10, 50)))

    for _ in range(10):
        cycle()
    gc.collect()
    before = resident()
    for _ in range(cycles):
        cycle()
    gc.collect()
    assert resident() - before < 8 * 2**20


@needs_proc
@pytest.mark.parametrize(("mode", "calls"), [("FAST_RUN", 1_000_000), ("NUMPY", 20_000)])
def test_calls_leave_nothing_behind(mode: str, calls: int) -> None:
    x = T.dvector("x")
    w = shared(np.zeros(8), name="w")
    f = function([x], (x * 2).sum(), updates=[(w, w + 1)], mode=mode)
    if mode == "FAST_RUN" and not native_available():
        calls = 20_000
    value = np.ones(8)
    for _ in range(1000):
        f(value)
    gc.collect()
    before = resident()
    for _ in range(calls):
        f(value)
    assert resident() - before < 4 * 2**20
    assert w.get_value()[0] == calls + 1000
