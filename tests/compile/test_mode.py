"""Modes: who executes, which rules run, and the flags that choose."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Mode, function, shared
from symc.compile.executors import NativeExecutor, NumpyExecutor
from symc.compile.mode import (
    get_default_mode,
    get_mode,
    predefined_linkers,
    predefined_modes,
    predefined_optimizers,
    register_mode,
    register_optimizer,
)
from symc.rewrite.selection import Selection
from symc.runtime import native_available

needs_compiler = pytest.mark.skipif(not native_available(), reason="no compiled code here")


def executor_of(mode: object) -> type:
    x = T.dscalar("x")
    return type(function([x], x + 1, mode=mode).maker.executor)


@needs_compiler
def test_who_executes() -> None:
    for mode in (None, "FAST_RUN", "Mode", Mode(), Mode("cvm"), Mode("c|py", "None"), Mode("c")):
        assert executor_of(mode) is NativeExecutor
    for mode in ("FAST_COMPILE", "NUMPY", Mode("py"), Mode("vm"), Mode("numpy", None)):
        assert executor_of(mode) is NumpyExecutor


@pytest.mark.parametrize("optimizer", sorted(predefined_optimizers))
@pytest.mark.parametrize("linker", ["native", "numpy"])
def test_every_optimizer_gives_the_same_numbers(linker: str, optimizer: str) -> None:
    x = T.dmatrix("x")
    w = shared(np.ones(3), name="w")
    y = T.log(T.nnet.softmax(T.dot(x, x.T) + 0)) * 2
    f = function(
        [x],
        [y, symc.grad(y.sum(), x), T.log(1 + T.exp(x)).sum(axis=0)],
        updates=[(w, w * 2 - w)],
        mode=Mode(linker, optimizer),
    )
    value = np.linspace(-1, 1, 6).reshape(2, 3)
    a, g, s = f(value)
    logits = value @ value.T
    expected = 2 * (logits - np.log(np.exp(logits).sum(1, keepdims=True)))
    np.testing.assert_allclose(a, expected, rtol=1e-10)
    np.testing.assert_allclose(s, np.log1p(np.exp(value)).sum(0), rtol=1e-10)
    eps = 1e-6
    moved = [value + eps * np.eye(6)[k].reshape(2, 3) for k in range(6)]
    slopes = [(f(m)[0].sum() - a.sum()) / eps for m in moved]
    np.testing.assert_allclose(g.ravel(), slopes, atol=1e-4)
    np.testing.assert_array_equal(w.get_value(), [1, 1, 1])


def test_rules_are_excluded_and_included_by_name_and_phase() -> None:
    x = T.dscalar("x")
    y = T.log(1 + x)
    usual = function([x], y, mode=Mode())
    assert "log_of_one_plus" in symc.explain(usual)
    for mode in (
        Mode().excluding("log_of_one_plus"),
        Mode().excluding("stabilize"),
        Mode(optimizer="fast_compile"),
    ):
        f = function([x], y, mode=mode)
        assert "log_of_one_plus" not in symc.explain(f)
        assert f(1e-20) == 0
    assert usual(1e-20) == 1e-20
    again = Mode(optimizer="None").including("log_of_one_plus")
    assert function([x], y, mode=again)(1e-20) == 1e-20
    only = Mode().requiring("log_of_one_plus")
    f = function([x], y + 0 * x, mode=only)
    assert [firing.rule for firing in f.maker.executor.optimized.firings] == ["log_of_one_plus"]


def test_modes_are_values() -> None:
    assert Mode() == Mode(symc.config.linker, symc.config.optimizer)
    assert Mode() != Mode("numpy")
    assert Mode() != Mode().excluding("fusion")
    assert hash(Mode("numpy")) == hash(Mode("numpy"))
    mode = Mode()
    mode.excluding("inplace")
    assert mode == Mode()
    assert Mode().clone(linker="numpy").linker == "numpy"
    assert Mode().clone(optimizer="None") == Mode(optimizer=None)
    assert "fast_run" in repr(Mode(optimizer="fast_run"))


def test_wrong_names_say_the_right_ones() -> None:
    for wrong, right in ((lambda: Mode("jit"), "native"), (lambda: Mode(optimizer="o9"), "o4")):
        with pytest.raises(ValueError, match=right):
            wrong()
    with pytest.raises(ValueError, match="FAST_COMPILE"):
        get_mode("fast")
    assert predefined_linkers["cvm"] == "native"


def test_configured_modes() -> None:
    with symc.change_flags(mode="NUMPY"):
        assert executor_of(None) is NumpyExecutor
        assert get_default_mode().linker == "numpy"
    with symc.change_flags(linker="py", optimizer="None"):
        assert get_mode(None) == Mode("py", "None")
        assert Mode().linker == "py"
    x = T.dscalar("x")
    with symc.change_flags(optimizer_excluding="log_of_one_plus:fusion"):
        f = function([x], T.log(1 + x))
        assert f(1e-20) == 0
        given = function([x], T.log(1 + x), mode=Mode())
        assert given(1e-20) == 1e-20
    with symc.change_flags(optimizer="None", optimizer_including="stabilize"):
        assert function([x], T.log(1 + x))(1e-20) == 1e-20
    with symc.change_flags(optimizer_requiring="log_of_one_plus"):
        required = function([x], T.log(1 + x) + 0)
        assert "1 rewrite(s) by 1 rule(s)" in symc.explain(required)


def test_own_modes_and_optimizers() -> None:
    register_mode("test_compile_quiet", Mode("numpy", "None"))
    register_optimizer("test_compile_fold", Selection("merge").including("fold"))
    try:
        assert get_mode("test_compile_quiet").linker == "numpy"
        assert executor_of("test_compile_quiet") is NumpyExecutor
        assert Mode(optimizer="test_compile_fold").selection.allows("any", ["fold"])
        with pytest.raises(ValueError, match="taken"):
            register_mode("FAST_RUN", Mode())
        with pytest.raises(ValueError, match="taken"):
            register_optimizer("fast_run", Selection())
    finally:
        del predefined_modes["test_compile_quiet"]
        del predefined_optimizers["test_compile_fold"]


@needs_compiler
def test_fusion_and_inplace_are_phases() -> None:
    x = T.dvector("x")
    w = shared(np.zeros(3), name="w")
    y = T.exp(x) * 2 + T.sin(x)

    def steps(mode: Mode) -> int:
        return len(function([x], y, mode=mode).maker.fgraph.toposort())

    assert steps(Mode()) == 1
    assert steps(Mode().excluding("fusion")) > 1
    text = symc.debugprint(function([], [], updates=[(w, w + 1)], mode=Mode()), file="str")
    assert "in place" in text
    for mode in (Mode(optimizer="o3"), Mode().excluding("inplace")):
        f = function([], [], updates=[(w, w + 1)], mode=mode)
        assert "in new memory" in symc.debugprint(f, file="str")
        before = w.get_value(borrow=True)
        f()
        assert w.get_value(borrow=True) is not before
