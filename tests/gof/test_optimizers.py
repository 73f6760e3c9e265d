"""Rewriting in Theano's names: applied to graphs by hand, and registered in the compiler."""

from __future__ import annotations

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import gof
from symc.compile import optdb
from symc.gof import FunctionGraph, Query
from symc.gof.graph import as_string
from symc.tensor.opt import register_canonicalize, register_specialize, register_stabilize


def text(fgraph):
    return as_string(fgraph.inputs, fgraph.outputs)


def optimized(opt, inputs, outputs):
    fgraph = FunctionGraph(inputs, outputs)
    opt.optimize(fgraph)
    fgraph.check_integrity()
    return text(fgraph)


X, Y = T.dscalars("x", "y")


@gof.local_optimizer([T.log])
def log_of_exp(node):
    """log(exp(x)) is x."""
    x = node.inputs[0]
    if x.owner is not None and x.owner.op == T.exp:
        return [x.owner.inputs[0]]
    return False


def test_local_optimizer_in_both_directions():
    for navigator in (gof.in2out, gof.out2in):
        out = T.log(T.exp(T.log(T.exp(X)))) + Y
        assert optimized(navigator(log_of_exp), [X, Y], [out]) == ["Elemwise{add}(x, y)"]
    with pytest.raises(ValueError, match="must name an op"):
        gof.local_optimizer([])
    assert log_of_exp.transform((X + Y).owner) is False


def test_pattern_sub():
    def rewritten(pattern, out, **options):
        opt = gof.TopoOptimizer(gof.PatternSub(*pattern, **options))
        return optimized(opt, [X, Y], [out])

    log_exp = ((T.log, (T.exp, "z")), "z")
    assert rewritten(log_exp, T.log(T.exp(X + Y))) == ["Elemwise{add}(x, y)"]
    same = ((T.sub, "z", "z"), 0.0)
    assert rewritten(same, X - X) == ["TensorConstant{0.0}"]
    assert rewritten(same, X - Y) == ["Elemwise{sub}(x, y)"]
    one = ((T.pow, "z", 2), (T.mul, "z", "z"))
    assert rewritten(one, X**2) == ["Elemwise{mul}(x, x)"]
    assert rewritten(one, X**3) == ["Elemwise{pow}(x, TensorConstant{3.0})"]
    guarded = ((T.exp, {"pattern": "z", "constraint": lambda v: v.name == "y"}), "z")
    assert rewritten(guarded, T.exp(Y)) == ["y"]
    assert rewritten(guarded, T.exp(X)) == ["Elemwise{exp}(x)"]


def test_pattern_and_several_readers():
    inner = T.exp(X)
    pattern = ((T.log, (T.exp, "z")), "z")
    outs = [T.log(inner), inner]
    kept = gof.in2out(gof.PatternSub(*pattern))
    assert optimized(kept, [X], outs)[0] == "Elemwise{log}(*1 -> Elemwise{exp}(x))"
    allowed = gof.in2out(gof.PatternSub(*pattern, allow_multiple_clients=True))
    assert optimized(allowed, [X], outs)[0] == "x"


def test_pattern_that_makes_no_sense():
    with pytest.raises(TypeError, match="must be a tuple"):
        gof.PatternSub("x", "y")
    with pytest.raises(ValueError, match="both tracks and get_nodes"):
        gof.PatternSub((T.exp, "x"), "x", tracks=[T.log])
    with pytest.raises(symc.errors.RewriteError, match="can't contain"):
        gof.PatternSub((T.exp, object()), "x").transform(T.exp(X).owner)


def test_op_sub_and_remove():
    assert optimized(gof.in2out(gof.OpSub(T.exp, T.sin)), [X], [T.exp(T.exp(X))]) == [
        "Elemwise{sin}(Elemwise{sin}(x))"
    ]
    assert optimized(gof.OpKeyOptimizer(gof.OpRemove(T.exp)), [X], [T.exp(T.sin(X))]) == [
        "Elemwise{sin}(x)"
    ]


def test_sequence_group_and_equilibrium():
    step = gof.PatternSub((T.sin, "z"), (T.cos, "z"))
    then = gof.PatternSub((T.cos, "z"), (T.tan, "z"))
    out = [T.sin(X)]
    assert optimized(gof.SeqOptimizer([gof.in2out(step), gof.in2out(then)]), [X], out) == [
        "Elemwise{tan}(x)"
    ]
    assert optimized(gof.EquilibriumOptimizer([then, step]), [X], out) == ["Elemwise{tan}(x)"]
    group = gof.LocalOptGroup(then, step)
    assert optimized(gof.in2out(group, ignore_newtrees=True), [X], out) == ["Elemwise{cos}(x)"]


def test_equilibrium_stops(capsys):
    there = gof.PatternSub((T.sin, "z"), (T.cos, "z"))
    back = gof.PatternSub((T.cos, "z"), (T.sin, "z"))
    opt = gof.EquilibriumOptimizer([there, back], max_use_ratio=3)
    optimized(opt, [X], [T.sin(X)])
    assert "has not come to rest" in capsys.readouterr().err


def test_failures():
    @gof.local_optimizer([T.exp])
    def broken(node):
        raise RuntimeError("broken")

    with symc.change_flags(on_opt_error="raise"), pytest.raises(RuntimeError, match="broken"):
        optimized(gof.in2out(broken), [X], [T.exp(X)])
    with symc.change_flags(on_opt_error="ignore"):
        assert optimized(gof.in2out(broken), [X], [T.exp(X)]) == ["Elemwise{exp}(x)"]
    seen = []
    opt = gof.TopoOptimizer(broken, failure_callback=lambda *args: seen.append(str(args[0])))
    optimized(opt, [X], [T.exp(X)])
    assert seen == ["broken"]


def test_global_optimizer_as_mode():
    @gof.optimizer
    def exp_to_sin(fgraph):
        for node in fgraph.toposort():
            if node.op == T.exp:
                fgraph.replace_validate(node.outputs[0], T.sin(node.inputs[0]))

    s = symc.shared(2.0, "s")
    for linker in ("native", "numpy"):
        f = symc.function([X], T.exp(X) * s, mode=symc.Mode(linker, exp_to_sin))
        np.testing.assert_allclose(f(0.3), 2 * np.sin(0.3))
        mode = symc.Mode(linker).register((exp_to_sin, 1), (gof.in2out(log_of_exp), 99))
        np.testing.assert_allclose(symc.function([X], T.exp(X), mode=mode)(0.3), np.sin(0.3))
    assert symc.Mode(optimizer=exp_to_sin) != symc.Mode()
    assert symc.Mode(optimizer=exp_to_sin).including("fusion").before == (exp_to_sin,)


def test_named_modes_and_optimizers():
    cos_for_sin = gof.in2out(gof.PatternSub((T.sin, "z"), (T.cos, "z")))
    symc.compile.register_optimizer("test_cos", cos_for_sin)
    symc.register_mode("TEST_COS", symc.Mode("numpy", "test_cos"))
    try:
        f = symc.function([X], T.sin(X), mode="TEST_COS")
        np.testing.assert_allclose(f(0.3), np.cos(0.3))
    finally:
        del symc.compile.predefined_optimizers["test_cos"]
        del symc.predefined_modes["TEST_COS"]
    assert isinstance(symc.predefined_modes["FAST_RUN"].including("unsafe"), symc.Mode)
    assert symc.predefined_modes.get("FAST_COMPILE").linker == "numpy"
    assert symc.predefined_modes.get("nothing") is None


def fired(f):
    return {firing.rule for firing in f.maker.executor.optimized.firings}


@pytest.mark.parametrize(
    ("register", "database"),
    [
        (register_canonicalize, "canonicalize"),
        (register_stabilize, "stabilize"),
        (register_specialize, "specialize"),
    ],
)
def test_registered_optimizers_are_rules(register, database):
    class Twice(gof.Op):
        __props__ = ()

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return gof.Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage):
            raise AssertionError("the rule should have replaced it")

    @register("my_tag")
    @gof.local_optimizer([Twice])
    def twice_is_a_sum(node):
        assert node.inputs[0].clients[0][0] is node
        (x,) = node.inputs
        return [x + x]

    try:
        out = Twice()(T.exp(X))
        f = symc.function([X], out)
        np.testing.assert_allclose(f(1.0), 2 * np.e)
        assert "twice_is_a_sum" in fired(f)
        for name in ("my_tag", "twice_is_a_sum"):
            other = symc.function([X], out, mode=symc.get_default_mode().excluding(name))
            assert "twice_is_a_sum" not in fired(other)
            with pytest.raises(AssertionError, match="should have replaced"):
                other(1.0)
        with pytest.raises(ValueError, match="taken"):
            register(twice_is_a_sum)
    finally:
        optdb[database].unregister("twice_is_a_sum")
    assert "twice_is_a_sum" not in fired(symc.function([X], Twice()(X)))


def test_pattern_and_global_optimizers_are_registered():
    @gof.optimizer
    def no_tan(fgraph):
        for node in fgraph.toposort():
            if node.op == T.tan:
                fgraph.replace_validate(node.outputs[0], T.sin(node.inputs[0]))

    pattern = gof.PatternSub((T.arctan, (T.exp, "z")), (T.arctan, "z"), name="arctan_of_exp")
    optdb.register("no_tan", no_tan, 1.0, "fast_run")
    optdb["stabilize"].register("arctan_of_exp", pattern, "fast_run")
    try:
        f = symc.function([X], T.tan(T.arctan(T.exp(X))))
        np.testing.assert_allclose(f(0.4), np.sin(np.arctan(0.4)))
        assert {"no_tan", "arctan_of_exp"} <= fired(f)
        without = symc.Mode().excluding("no_tan", "arctan_of_exp")
        np.testing.assert_allclose(
            symc.function([X], T.tan(T.arctan(T.exp(X))), mode=without)(0.4), np.exp(0.4)
        )
    finally:
        optdb.unregister("no_tan")
        optdb["stabilize"].unregister("arctan_of_exp")


def test_query_as_optimizer_of_a_mode():
    opt = optdb.query(Query(include=["fast_run"], exclude=["stabilize"]))
    f = symc.function([X], T.log(1 + X), mode=symc.Mode(optimizer=opt))
    assert "log_of_one_plus" not in fired(f)
    g = symc.function([X], T.log(1 + X), mode=symc.Mode(optimizer=optdb.query("+fast_run")))
    assert "log_of_one_plus" in fired(g)
    fgraph = FunctionGraph([X], [T.log(1 + X)])
    optdb.query("+fast_run").optimize(fgraph)
    assert "log1p" in text(fgraph)[0]


def test_databases():
    sin_cos = gof.PatternSub((T.sin, "z"), (T.cos, "z"), name="sin_cos")
    cos_tan = gof.PatternSub((T.cos, "z"), (T.tan, "z"), name="cos_tan")
    local = gof.EquilibriumDB()
    local.register("sin_cos", sin_cos, "a")
    local.register("cos_tan", cos_tan, "a", "b")
    out = [T.sin(X)]
    assert optimized(local.query("+a"), [X], out) == ["Elemwise{tan}(x)"]
    assert optimized(local.query("+a", "-b"), [X], out) == ["Elemwise{cos}(x)"]
    assert optimized(local.query("+a", "&b"), [X], out) == ["Elemwise{sin}(x)"]
    assert optimized(local.query(Query(["sin_cos"])), [X], out) == ["Elemwise{cos}(x)"]
    local.add_tags("sin_cos", "b")
    local.remove_tags("cos_tan", "b")
    assert optimized(local.query("+b"), [X], out) == ["Elemwise{cos}(x)"]
    with pytest.raises(ValueError, match="taken"):
        local.register("sin_cos", sin_cos)
    with pytest.raises(KeyError, match="known: cos_tan, sin_cos"):
        _ = local["tan"]
    with pytest.raises(TypeError, match=r"'\+tag'"):
        local.query("a")

    first, second = gof.in2out(sin_cos), gof.in2out(cos_tan)
    seq = gof.SequenceDB()
    seq.register("later", second, 2, "t")
    seq.register("sooner", first, 1, "t")
    assert optimized(seq.query("+t"), [X], out) == ["Elemwise{tan}(x)"]
    assert optimized(seq.query(Query(["t"], position_cutoff=2)), [X], out) == ["Elemwise{cos}(x)"]
    assert optimized(gof.ProxyDB(seq).query("+t"), [X], out) == ["Elemwise{tan}(x)"]
    group = gof.LocalGroupDB()
    group.register("one", sin_cos, "t")
    assert optimized(gof.TopoDB(group).query("+t"), [X], out) == ["Elemwise{cos}(x)"]


def test_helpers():
    assert gof.check_chain(T.log(T.exp(X)), T.log, T.exp)
    assert not gof.check_chain(T.log(X), T.log, T.exp)
    assert gof.check_stack_trace(symc.function([X], T.exp(X)))
    a, b = gof.pre_constant_merge([X + 1.0, Y * 1.0])
    assert a.owner.inputs[1] is b.owner.inputs[1]
    made = gof.pre_greedy_local_optimizer([log_of_exp], T.log(T.exp(X)))
    assert made is X
    assert gof.is_same_graph_with_merge(X + 1, X + 1)
    new = gof.copy_stack_trace(X, T.exp(X))
    assert new.tag.trace


def test_linkers_can_not_be_registered():
    with pytest.raises(NotImplementedError, match="MonitorMode"):
        symc.compile.register_linker("mine", object())
