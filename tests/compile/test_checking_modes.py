"""Modes that look at every node, and profiles."""

from __future__ import annotations

import io
import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.compile import (
    BadDestroyMap,
    BadOptimization,
    BadThunkOutput,
    BadViewMap,
    DebugMode,
    InvalidValueError,
    MonitorMode,
    NanGuardMode,
    ProfileStats,
)
from symc.compile.monitormode import detect_nan
from symc.compile.profiling import print_global_stats, register_profiler_printer
from symc.rewrite.rule import rule, unregister
from symc.runtime.toolchain import compiler


@pytest.fixture
def x():
    return T.dvector("x")


# ---- MonitorMode


def test_monitor_sees_every_node_in_order(x):
    seen = []

    def before(i, node, fn):
        seen.append(("pre", i, str(node.op), [c[0].tolist() for c in fn.inputs], fn.outputs[0][0]))

    def after(i, node, fn):
        seen.append(("post", i, str(node.op), fn.outputs[0][0].tolist()))

    f = symc.function([x], T.exp(x) + x, mode=MonitorMode(before, after))
    f([0.0])
    assert seen == [
        ("pre", 0, "Elemwise{exp}", [[0.0]], None),
        ("post", 0, "Elemwise{exp}", [1.0]),
        ("pre", 1, "Elemwise{add}", [[1.0], [0.0]], None),
        ("post", 1, "Elemwise{add}", [1.0]),
    ]


def test_detect_nan(x, capsys):
    f = symc.function([x], T.log(x), mode=MonitorMode(post_func=detect_nan).excluding("fusion"))
    with np.errstate(all="ignore"):
        f([1.0])
        assert capsys.readouterr().out == ""
        f([-1.0])
    assert "*** NaN detected ***\nElemwise{log}" in capsys.readouterr().out


# ---- NanGuardMode


@pytest.mark.parametrize(
    ("value", "what", "options"),
    [
        (-1.0, "NaN detected in the result", {}),
        (0.0, "infinity detected in the result", {}),
        (np.nan, "NaN detected in operand 0", {}),
        (1e300, "a number above 1e\\+10 detected in operand 0", {}),
        (-1.0, None, {"nan_is_error": False}),
        (0.0, None, {"inf_is_error": False}),
        (1e300, None, {"big_is_error": False}),
        (1.0, None, {}),
    ],
)
def test_nan_guard(x, value, what, options):
    f = symc.function([x], T.log(x), mode=NanGuardMode(**options))
    with np.errstate(all="ignore"):
        if what is None:
            np.testing.assert_array_equal(f([value]), np.log([value]))
            return
        with pytest.raises(AssertionError, match=what) as error:
            f([value])
    assert "Elemwise{log}" in str(error.value)
    assert "test_checking_modes.py" in str(error.value)


def test_nan_guard_by_name_and_as_warning(x):
    f = symc.function([x], T.log(x), mode="NanGuardMode")
    quiet = symc.change_flags(NanGuardMode__action="warn")
    with np.errstate(all="ignore"), quiet, pytest.warns(UserWarning, match="NaN detected"):
        f([-1.0])


def test_nan_guard_ignores_integers_and_empty():
    n = T.lvector("n")
    assert symc.function([n], n * 10**12, mode=NanGuardMode())([1])[0] == 10**12
    v = T.dvector("v")
    assert symc.function([v], T.log(v), mode=NanGuardMode())([]).shape == (0,)


# ---- DebugMode


def test_debug_mode_gives_what_others_give(x):
    s = symc.shared(np.ones(2), "s")
    f = symc.function([x], T.exp(x) * s, updates=[(s, s + x)], mode="DEBUG_MODE")
    np.testing.assert_allclose(f([0.0, 1.0]), [1, np.e])
    np.testing.assert_allclose(f([0.0, 1.0]), [1, 2 * np.e])
    np.testing.assert_allclose(s.get_value(), [1, 3])


def test_a_wrong_rule_is_found_and_named(x):
    @rule("canonical", ops=[T.arctan], name="wrong_arctan")
    def wrong(node, ctx):
        (v,) = node.inputs
        return T.arctan(v + 1) if v.owner is not None and v.owner.op == T.exp else None

    out = T.arctan(T.exp(x)) + T.log(1 + x)
    try:
        f = symc.function([x], out, mode=DebugMode())
        with pytest.raises(BadOptimization, match="the rule 'wrong_arctan' changes output 0"):
            f([0.5])
    finally:
        unregister("wrong_arctan")
    assert symc.function([x], out, mode=DebugMode())([0.5]).shape == (1,)


class _Unary(symc.Op):
    __props__ = ()

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return symc.Apply(self, [x], [x.type()])


class Overwrites(_Unary):
    def perform(self, node, inputs, output_storage):
        inputs[0][:] = 0
        output_storage[0][0] = inputs[0] + 1


class Views(_Unary):
    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0][::-1]


class WrongDtype(_Unary):
    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0].astype("float32")


class CDiffers(_Unary):
    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * 2

    def c_code(self, node, name, inames, onames, sub):
        return f"{onames[0]} = (PyArrayObject *)PyArray_NewCopy({inames[0]}, NPY_CORDER);"


@pytest.mark.parametrize(
    ("op", "error", "text"),
    [
        (Overwrites(), BadDestroyMap, "has changed its operand 0"),
        (Views(), BadViewMap, "shares memory with its operand 0"),
        (WrongDtype(), InvalidValueError, "another type"),
    ],
)
def test_ops_that_break_the_contract(x, op, error, text):
    with pytest.raises(error, match=text):
        symc.function([x], op(x), mode=DebugMode(check_c_code=False))([1.0, 2.0])


@pytest.mark.skipif(not symc.config.cxx or compiler() is None, reason="needs a C++ compiler")
def test_c_code_and_perform_are_compared(x):
    f = symc.function([x], CDiffers()(x), mode=DebugMode())
    with pytest.raises(BadThunkOutput, match="perform and the C code of CDiffers differ"):
        f([1.0])
    assert symc.function([x], CDiffers()(x), mode=DebugMode(check_py_code=False))([1.0]) == [1.0]


def test_declared_views_and_non_finite_values(x):
    class Declared(Views):
        view_map = {0: [0]}

    assert symc.function([x], Declared()(x), mode=DebugMode())([1.0, 2.0]).tolist() == [2, 1]
    f = symc.function([x], T.log(x), mode=DebugMode())
    with np.errstate(all="ignore"), pytest.raises(InvalidValueError, match="not finite"):
        f([0.0])


def test_what_a_rule_saves_from_overflow_is_right(x):
    f = symc.function([x], T.log(1 + T.exp(x)), mode=DebugMode())
    with np.errstate(all="ignore"):
        np.testing.assert_allclose(f([1000.0]), [1000.0])


# ---- profiles


@pytest.mark.parametrize("linker", ["native", "numpy"])
def test_profile(x, linker):
    stats = ProfileStats(atexit_print=False, message="mine")
    f = symc.function([x], T.exp(x) * 2, mode=symc.Mode(linker), profile=stats, name="f")
    assert f.profile is stats
    for _ in range(3):
        np.testing.assert_allclose(f([0.0]), [2.0])
    assert stats.fct_callcount == 3
    assert 0 < stats.fct_call_time < 60
    assert stats.compile_time >= stats.optimizer_time > 0
    out = io.StringIO()
    stats.summary(out)
    assert "Message: mine" in out.getvalue()
    assert "Time in 3 calls" in out.getvalue()
    if linker == "numpy":
        assert {str(op): n for op, n in stats.op_callcount().items()} == {
            "Elemwise{exp}": 3,
            "Elemwise{mul}": 3,
        }
        assert sum(stats.class_time().values()) <= stats.fct_call_time
        assert "Elemwise{exp}" in out.getvalue()


def test_profile_of_state_copies_and_pickles(x):
    stats = ProfileStats(atexit_print=False)
    state = T.dscalar("state")
    f = symc.function(
        [x, symc.In(state, value=0.0, update=state + 1)], x + state, profile=stats
    )
    assert [float(f([1.0])[0]) for _ in range(2)] == [1.0, 2.0]
    assert stats.fct_callcount == 2
    assert pickle.loads(pickle.dumps(f))([1.0])[0] == 3.0
    assert f.copy()([1.0])[0] == 3.0
    assert stats.fct_callcount == 2


def test_no_profile_by_default_and_wrong_ones(x):
    assert symc.function([x], x).profile is None
    assert symc.function([x], x, profile=False).profile is None
    with pytest.raises(TypeError, match="profile must be"):
        symc.function([x], x, profile=3)


def test_global_stats_and_printers(x):
    calls = []
    register_profiler_printer(lambda *args: calls.append(args[0]))
    stats = ProfileStats(atexit_print=False, message="printed")
    symc.function([x], x + 1, profile=stats)([1.0])
    out = io.StringIO()
    stats.summary(out)
    assert calls == ["printed"]
    print_global_stats(out)
    assert "Global stats:" in out.getvalue()
    stats.reset()
    assert stats.fct_callcount == 0


def test_a_maker_by_itself(x):
    maker = symc.FunctionMaker([symc.In(x, value=[2.0])], x * 3, "FAST_COMPILE")
    f = maker.create()
    assert f() == [6.0]
    assert f.maker is maker
    assert maker.mode.linker == "numpy"
    assert [str(n.op) for n in maker.fgraph.toposort()] == ["Elemwise{mul}"]


def test_aliases_of_views_and_overwritten_operands(x):
    class View(_Unary):
        view_map = {0: [0]}

    class Inplace(_Unary):
        destroy_map = {0: [0]}

    view = View()(x)
    over = Inplace()(view)
    other = T.exp(view)
    graph = symc.FunctionGraph([x], [over, other], clone=False)
    assert symc.compile.alias_root(over) is x
    assert symc.compile.alias_root(other) is other
    assert symc.compile.infer_reuse_pattern(graph, [view]) == {x, view, over}
