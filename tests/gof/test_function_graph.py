"""Mutable graphs, their features, and walks."""

from __future__ import annotations

import copy
import io
import pickle
from contextlib import redirect_stderr

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import gof
from symc.gof import toolbox
from symc.gof.graph import as_string


class Log(gof.Feature):
    def __init__(self):
        self.seen = []

    def on_import(self, fgraph, node, reason):
        self.seen.append(("import", str(node.op)))

    def on_prune(self, fgraph, node, reason):
        self.seen.append(("prune", str(node.op)))

    def on_change_input(self, fgraph, node, i, r, new_r, reason):
        self.seen.append(("change", i, reason))


def graph():
    x, y = T.dvectors("x", "y")
    total = x + y
    return gof.FunctionGraph([x, y], [T.exp(total) * y, total])


def test_a_graph_has_nodes_of_its_own():
    x = T.dvector("x")
    y = T.exp(x)
    fgraph = gof.FunctionGraph([x], [y])
    assert fgraph.inputs[0] is not x
    assert fgraph.inputs[0].name == "x"
    fgraph.replace(fgraph.outputs[0], fgraph.inputs[0])
    assert y.owner.inputs == [x]
    assert fgraph.outputs == fgraph.inputs
    same = gof.FunctionGraph([x], [y], clone=False)
    assert same.outputs[0] is y
    assert x.fgraph is same
    same.disown()
    assert not hasattr(x, "fgraph")


def test_clients_and_membership():
    fgraph = graph()
    x, y = fgraph.inputs
    total = fgraph.outputs[1]
    assert sorted(str(n.op) for n in fgraph.apply_nodes) == sorted(
        str(n.op) for n in fgraph.toposort()
    )
    assert len(fgraph) == 3
    assert [(n if n == "output" else str(n.op), i) for n, i in fgraph.clients(total)] == [
        ("Elemwise{exp}", 0),
        ("output", 1),
    ]
    assert total.clients == fgraph.clients(total)
    assert {str(n.op) for n, _ in y.clients} == {"Elemwise{add}", "Elemwise{mul}"}
    assert x in fgraph
    assert total.owner in fgraph
    fgraph.check_integrity()


def test_replace_imports_and_prunes():
    fgraph = graph()
    log = Log()
    fgraph.attach_feature(log)
    x, _ = fgraph.inputs
    old = fgraph.outputs[1]
    fgraph.replace(old, T.sin(x), reason="why")
    assert log.seen[0] == ("import", "Elemwise{sin}")
    assert ("change", 0, "why") in log.seen
    assert log.seen[-1] == ("prune", "Elemwise{add}")
    assert old not in fgraph.variables
    fgraph.check_integrity()
    f = symc.function(fgraph.inputs, fgraph.outputs)
    a, b = np.array([0.3]), np.array([2.0])
    np.testing.assert_allclose(f(a, b)[0], np.exp(np.sin(a)) * b)
    fgraph.remove_feature(log)
    count = len(log.seen)
    fgraph.replace_all([(fgraph.outputs[0], x), (fgraph.outputs[1], x)])
    assert len(log.seen) == count
    assert fgraph.apply_nodes == set()
    fgraph.check_integrity()


def test_what_is_refused():
    fgraph = graph()
    x, _ = fgraph.inputs
    with pytest.raises(symc.MissingInputError, match="not among its inputs"):
        fgraph.replace(fgraph.outputs[1], T.dvector("stranger") + 1)
    with pytest.raises(TypeError):
        fgraph.replace(x, T.dmatrix())
    with pytest.raises(TypeError, match="another type"):
        fgraph.change_input(fgraph.outputs[1].owner, 0, T.fvector())
    with pytest.raises(symc.MissingInputError):
        gof.FunctionGraph([], [x + 1])
    fgraph.outputs[1].owner.inputs[0] = fgraph.outputs[0]
    with pytest.raises(gof.InconsistencyError):
        fgraph.check_integrity()


def test_shared_variables_and_clone():
    s = symc.shared(np.ones(2), "s")
    x = T.dvector("x")
    fgraph = gof.FunctionGraph([x], [x * s + 1.0])
    assert s in fgraph.variables
    assert not hasattr(s, "fgraph")
    copy, memo = fgraph.clone_get_equiv()
    assert memo[fgraph.inputs[0]] is copy.inputs[0]
    copy.replace(copy.outputs[0], copy.inputs[0])
    assert len(fgraph) == 2 + sum("DimShuffle" in str(n.op) for n in fgraph.apply_nodes)
    assert "Elemwise{add}" in symc.debugprint(fgraph, file="str")


def test_copies_and_pickles():
    fgraph = graph()
    fgraph.attach_feature(toolbox.PreserveNames())
    for other in (copy.deepcopy(fgraph), pickle.loads(pickle.dumps(fgraph))):
        assert as_string(other.inputs, other.outputs) == as_string(fgraph.inputs, fgraph.outputs)
        other.check_integrity()
        other.replace(other.outputs[1], other.inputs[0])
        assert len(other) == len(fgraph) - 1
        assert other.inputs[0].fgraph is other
    alone = pickle.loads(pickle.dumps(fgraph.outputs[1]))
    assert not hasattr(alone, "fgraph")
    assert not hasattr(alone.owner, "fgraph")
    assert not hasattr(fgraph.outputs[1].clone(), "fgraph")


def test_history_and_validation():
    fgraph = graph()
    x, y = fgraph.inputs
    fgraph.attach_feature(gof.ReplaceValidate())
    fgraph.attach_feature(gof.ReplaceValidate())  # there already: ignored
    before = as_string(fgraph.inputs, fgraph.outputs)
    point = fgraph.checkpoint()
    fgraph.replace_validate(fgraph.outputs[1], x - y)
    assert as_string(fgraph.inputs, fgraph.outputs) != before
    fgraph.revert(point)
    assert as_string(fgraph.inputs, fgraph.outputs) == before
    fgraph.check_integrity()
    with pytest.raises(gof.ReplacementDidntRemovedError):
        fgraph.replace_all_validate_remove([(fgraph.outputs[1], x - y)], [y], reason="gone")
    assert as_string(fgraph.inputs, fgraph.outputs) == before

    class Never(gof.Feature):
        def validate(self, fgraph):
            raise gof.InconsistencyError("no")

    fgraph.attach_feature(Never())
    assert fgraph.consistent() is False
    with pytest.raises(gof.InconsistencyError):
        fgraph.replace_all_validate([(fgraph.outputs[1], x - y)])
    assert as_string(fgraph.inputs, fgraph.outputs) == before


def test_other_features():
    fgraph = graph()
    finder = toolbox.NodeFinder()
    fgraph.attach_feature(finder)
    assert len(fgraph.get_nodes(T.exp)) == 1
    fgraph.attach_feature(toolbox.PreserveNames())
    fgraph.outputs[1].name = "total"
    out = io.StringIO()
    with redirect_stderr(out):
        fgraph.attach_feature(toolbox.PrintListener())
        fgraph.replace(fgraph.outputs[0], T.exp(fgraph.inputs[0]))
    assert "importing" in out.getvalue()
    assert "pruning" in out.getvalue()
    assert len(fgraph.get_nodes(T.exp)) == 1
    fgraph.replace(fgraph.outputs[1], T.sin(fgraph.inputs[0]))
    assert fgraph.outputs[1].name == "total"


def test_graphs_of_compiled_functions_are_only_looked_at():
    x = T.dvector("x")
    fgraph = symc.function([x], T.exp(x) * 2, mode="FAST_COMPILE").maker.fgraph
    assert {str(n.op) for n in fgraph.apply_nodes} == {"Elemwise{exp}", "Elemwise{mul}"}
    with pytest.raises(AttributeError, match="is never changed; a FunctionGraph"):
        fgraph.replace(fgraph.outputs[0], fgraph.inputs[0])
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        _ = fgraph.nothing
    made = gof.FunctionGraph(fgraph.inputs, fgraph.outputs)
    made.replace(made.outputs[0], made.inputs[0])
    assert made.outputs == made.inputs


def test_orderings():
    x = T.dvector("x")
    first, second = T.exp(x), T.sin(x)
    for wanted in (0, 1):

        class Order(gof.Feature):
            def orderings(self, fgraph, wanted=wanted):
                a, b = (v.owner for v in fgraph.outputs)
                return {b: [a]} if wanted else {a: [b]}

        fgraph = gof.FunctionGraph([x], [first, second], features=[Order()])
        assert fgraph.toposort()[1] is fgraph.outputs[wanted].owner


def test_a_long_chain():
    x = T.dscalar("x")
    y = x
    for _ in range(20_000):
        y = y + x
    fgraph = gof.FunctionGraph([x], [y])
    assert len(fgraph.toposort()) == 20_000
    fgraph.replace(fgraph.outputs[0], fgraph.inputs[0])
    assert len(fgraph) == 0


def test_text_of_graphs():
    x, y = T.dscalars("x", "y")
    total = x + y
    assert as_string([x, y], [total]) == ["Elemwise{add}(x, y)"]
    twice = total * total
    assert as_string([x, y], [twice]) == ["Elemwise{mul}(*1 -> Elemwise{add}(x, y), *1)"]
    total.name = "t"
    assert gof.op_as_string([total], twice.owner) == "Elemwise{mul}(t, t)"


def test_walks_are_exported():
    x, y = T.dscalars("x", "y")
    z = (x + y) * y
    assert gof.inputs([z]) == [x, y]
    assert gof.orphans([x], [z]) == [y]
    assert z.owner in gof.ops([x, y], [z])
    assert gof.is_in_ancestors(z.owner, z.owner.inputs[0].owner)
    assert gof.io_connection_pattern([x, y], [z]) == [[True], [True]]
    assert gof.is_same_graph(x + y, x + y)
    assert not gof.is_same_graph(x + y, y - x)
    ins, outs = gof.clone([x, y], [z])
    assert gof.equal_computations(outs, [z], ins, [x, y])
    assert gof.op.ops_with_inner_function[symc.OpFromGraph] == "inner_graph"


# ---- unification and small helpers


def test_unify():
    a, b = gof.FreeVariable("a"), gof.FreeVariable("b")
    u = gof.unify_walk((a, 1, [b]), (2, b, [1]), gof.Unification())
    assert (u[a].value, u[b].value) == (2, 1)
    assert gof.unify_merge((a, b), (a, b), u) == (2, 1)
    assert gof.unify_walk((a, a), (1, 2), gof.Unification()) is False
    assert gof.unify_walk((1, 2), (1, 2, 3), gof.Unification()) is False
    one_of = gof.OrVariable("c", [1, 2])
    assert gof.unify_walk(one_of, 3, gof.Unification()) is False
    u = gof.unify_walk(one_of, gof.NotVariable("d", [1]), gof.Unification())
    assert u[one_of].value == 2
    assert gof.unify_walk(gof.NotVariable("e", [5]), 5, gof.Unification()) is False
    u = gof.unify_walk({"k": a, "only": 1}, {"k": 4}, gof.Unification())
    assert u[a].value == 4


def test_utils():
    calls = []

    @gof.memoize
    def square(n):
        calls.append(n)
        return n * n

    assert [square(2), square(2), calls] == [4, 4, [2]]
    assert gof.uniq([3, 1, 3]) == [3, 1]
    assert gof.flatten([1, (2, [3]), {4}]) == [1, 2, 3, 4]
    assert gof.hist("aab") == {"a": 2, "b": 1}
    assert gof.toposort({"a": ["b"], "b": ["c"], "c": []}) == ["c", "b", "a"]
    with pytest.raises(ValueError, match="cycle"):
        gof.toposort({"a": ["b"], "b": ["a"]})

    class Point(gof.object2):
        __props__ = ("x",)

        def __init__(self, x):
            self.x = x

    assert Point(1) == Point(1) != Point(2)
    assert hash(Point(1)) == hash(Point(1))
    assert str(Point(1)) == "Point{x=1}"
    f = gof.deprecated("old", "use g")(square.__wrapped__)
    with pytest.warns(UserWarning, match="old.square is deprecated"):
        f(2)
    pad = gof.scratchpad()
    pad.x = 1
    assert str(pad) == "scratchpad{x=1}"
    x = T.dvector()
    assert "test_function_graph.py" in gof.get_variable_trace_string(x)


def test_test_values():
    x = T.dvector("x")
    x.tag.test_value = np.ones(3)
    assert gof.get_test_value(x).shape == (3,)
    with symc.change_flags(compute_test_value="raise"):
        assert [v.shape for (v,) in gof.get_debug_values(x)] == [(3,)]
        assert gof.get_test_value(x * 2)[0] == 2
    assert list(gof.get_debug_values(x)) == []


@pytest.mark.parametrize("name", sorted(gof.ABSENT))
def test_names_without_counterpart_say_what_to_use(name):
    with pytest.raises(AttributeError, match="does not exist in symc: "):
        getattr(gof, name)
    with pytest.raises(ImportError, match="does not exist in symc: "):
        exec(f"from symc.gof import {name}")


def test_unknown_names_and_existing_ones():
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = gof.nothing
    assert not hasattr(gof, "CLinker")
    for name in gof._NAMES:
        assert getattr(gof, name) is not None
