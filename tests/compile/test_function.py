"""Compiled functions as objects: copies, pickles, attributes, values, conversions of calls."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import In, function, shared

MODES = ["FAST_RUN", "NUMPY"]


@pytest.fixture(params=MODES, autouse=True)
def _in_every_mode(request: Any) -> Any:
    with symc.change_flags(mode=request.param):
        yield


def test_copies_compute_the_same_and_keep_the_name() -> None:
    x = T.dscalar("x")
    w = shared(1.0, name="w")
    f = function([x], w * x, updates=[(w, w + x)], name="step")
    g = f.copy()
    assert (f.name, g.name, f.copy(name="other").name) == ("step", "step", "other")
    assert f(2.0) == 2
    assert g(2.0) == 6
    assert w.get_value() == 5
    assert copy.copy(f)(1.0) == 5
    assert f.copy(share_memory=True)(0.0) == 0


def test_copies_have_their_own_default_values() -> None:
    x = T.dscalar("x")
    f = function([In(x, value=1.0, update=x * 2)], x)
    f()
    g = f.copy()
    assert [f(), f(), g()] == [2, 4, 2]
    f[x] = 100.0
    assert g() == 4


def test_swapped_shared_variables() -> None:
    a, b, c = (shared(np.full(2, v), name=n) for v, n in ((1.0, "a"), (2.0, "b"), (5.0, "c")))
    x = T.dvector("x")
    f = function([x], a * 10 + b + x, updates=[(a, a + b)])
    g = f.copy(swap={a: c})
    np.testing.assert_array_equal(g([0.0, 0.0]), [52, 52])
    np.testing.assert_array_equal(c.get_value(), [7, 7])
    np.testing.assert_array_equal(a.get_value(), [1, 1])
    np.testing.assert_array_equal(f([0.0, 0.0]), [12, 12])
    again = g.copy(swap={c: b, b: a})
    assert set(again.get_shared()) == {a, b}
    a.set_value([1.0, 1.0])
    b.set_value([2.0, 2.0])
    np.testing.assert_array_equal(again([0.0, 0.0]), [21, 21])
    np.testing.assert_array_equal(b.get_value(), [3, 3])


def test_default_updates_go_to_the_variable_that_is_used_instead() -> None:
    a, b = shared(1, name="a"), shared(100, name="b")
    a.default_update = a + 1
    f = function([], a * 2)
    g = f.copy(swap={a: b})
    assert [g(), g(), f()] == [200, 202, 2]
    assert (a.get_value(), b.get_value()) == (2, 102)
    both = function([], [a, b])
    exchanged = both.copy(swap={a: b, b: a})
    assert exchanged() == [102, 2]
    assert (a.get_value(), b.get_value()) == (2, 103)


def test_swaps_that_make_no_sense() -> None:
    a, b = shared(1.0, name="a"), shared(1.0, name="b")
    f = function([], a)
    with pytest.raises(TypeError, match="vector"):
        f.copy(swap={a: shared(np.ones(2))})
    with pytest.raises(ValueError, match="b is not a shared variable"):
        f.copy(swap={b: a})
    with pytest.raises(TypeError, match="shared"):
        f.copy(swap={a: T.dscalar("x")})


def test_deleted_updates() -> None:
    w, v = shared(1.0, name="w"), shared(1.0, name="v")
    v.default_update = v + 1
    x, s = T.dscalars("x", "s")
    f = function([x, In(s, value=3.0, update=s + 1)], w + v + s + x, updates=[(w, w + x)])
    g = f.copy(delete_updates=True)
    assert [g(1.0), g(1.0)] == [6, 6]
    assert (w.get_value(), v.get_value(), g[s]) == (1, 1, 3)
    assert f(1.0) == 6
    assert (w.get_value(), v.get_value(), f[s]) == (2, 2, 4)


def test_containers_of_inputs_are_found_in_theanos_ways() -> None:
    x, y = T.dvectors("x", "y")
    w = shared(np.ones(2), name="w")
    f = function([x, In(y, value=[1.0, 2.0], name="why"), In(T.dvector("s"), value=w)], x + y)
    containers = [f.finder[y], f.finder["why"], f.finder[1], f.container[y], f.input_storage[1]]
    assert set(containers) == {f.finder[y]} != {f.finder[x]}
    assert f.inv_finder[f.finder["why"]] is f.maker.inputs[1]
    assert f.finder["why"].name == "why"
    assert f.finder[y].type == y.type
    assert list(f.finder) == [x, y, f.maker.inputs[2].variable]
    assert y in f.finder
    assert T.dvector("y") not in f.finder
    f.finder[y].value = [5.0, 5.0]
    np.testing.assert_array_equal(f([0.0, 0.0]), [5, 5])
    f.value["why"] = [6.0, 6.0]
    np.testing.assert_array_equal(f.finder[y].data, [6, 6])
    assert f.finder[x].value is None
    with pytest.raises(TypeError, match="vector"):
        f.finder[y].value = np.zeros((2, 2))
    assert f.copy().finder[y] != f.finder[y]


def test_the_arguments_of_function_are_written_to_a_file(tmp_path: Any) -> None:
    x = T.dvector("x")
    w = shared(np.ones(2), name="w")
    file = tmp_path / "case.pkl"
    symc.function_dump(file, [x], x * w, updates=[(w, w + x)], name="case")
    arguments = pickle.loads(file.read_bytes())
    f = function(**arguments)
    np.testing.assert_array_equal(f([2.0, 3.0]), [2, 3])
    (other,) = f.get_shared()
    np.testing.assert_array_equal(other.get_value(), [3, 4])
    np.testing.assert_array_equal(w.get_value(), [1, 1])
    assert f.name == "case"
    with pytest.raises(TypeError, match="update"):
        symc.function_dump(file, [x], x, update=[])


def test_values_are_read_and_set_by_item() -> None:
    x, y = T.dvectors("x", "y")
    w = shared(np.ones(2), name="w")
    f = function([x, In(y, value=[1.0, 2.0], name="why")], x + y * w)
    np.testing.assert_array_equal(f[y], [1, 2])
    np.testing.assert_array_equal(f["why"], [1, 2])
    np.testing.assert_array_equal(f[1], [1, 2])
    np.testing.assert_array_equal(f.value[y], [1, 2])
    np.testing.assert_array_equal(f.container["why"].value, [1, 2])
    np.testing.assert_array_equal(f[w], [1, 1])
    assert f[x] is None
    f[x] = [10.0, 10.0]
    f["why"] = [0.0, 1.0]
    f[w] = [5.0, 5.0]
    np.testing.assert_array_equal(f(), [10, 15])
    mine = np.zeros(2)
    f[x] = mine
    mine[0] = 7
    np.testing.assert_array_equal(f[x], [0, 0])
    for wrong in ("z", 2, T.dvector("x"), "w"):
        with pytest.raises(KeyError, match="no single input"):
            f[wrong]
    with pytest.raises(TypeError, match="vector"):
        f[x] = [[1.0]]


def test_shared_variables_of_a_function() -> None:
    a, b, c = (shared(float(k), name=n) for k, n in enumerate("abc"))
    f = function([], [b, a], updates=[(c, a)])
    assert f.get_shared() == [b, a, c]
    f.sync_shared()


def test_free_leaves_the_function_usable() -> None:
    x = T.dmatrix("x")
    f = function([x], T.dot(T.exp(x), x).sum(axis=0))
    value = np.ones((4, 4))
    expected = f(value)
    f.free()
    np.testing.assert_array_equal(f(value), expected)


def test_trusted_inputs() -> None:
    x = T.dvector("x")
    f = function([x], x * 2)
    assert f.trust_input is False
    f.trust_input = True
    np.testing.assert_array_equal(f(np.arange(3.0)), [0, 2, 4])
    assert f.copy().trust_input is True


def test_attributes_are_free() -> None:
    f = function([T.dscalar("x")], [], on_unused_input="ignore", name="f")
    f.note = [1, 2]
    assert f.note == [1, 2]
    assert f.profile is None
    assert "x" in repr(f)
    assert "f" in repr(f)


# ---- pickles and deep copies


def test_pickled_functions_compute_on_copies_of_their_state() -> None:
    x, s = T.dvector("x"), T.dscalar("s")
    w = shared(np.array([1.0, 2.0]), name="w")
    f = function(
        [x, In(s, value=1.0, update=s + 1)],
        {"y": w * x + s},
        updates=[(w, w + 1)],
        givens={},
        name="saved",
    )
    f.note = {"kept": 1}
    f([1.0, 1.0])
    g = pickle.loads(pickle.dumps(f))
    assert (g.name, g.note, g["s"]) == ("saved", {"kept": 1}, 2)
    np.testing.assert_array_equal(g([0.0, 1.0])["y"], [2, 5])
    np.testing.assert_array_equal(f([0.0, 1.0])["y"], [2, 5])
    (loaded,) = g.get_shared()
    np.testing.assert_array_equal(loaded.get_value(), [3, 4])
    g([0.0, 0.0])
    np.testing.assert_array_equal(w.get_value(), [3, 4])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_one_dump_holds_each_shared_variable_once(protocol: int) -> None:
    w = shared(np.zeros(2), name="w")
    x = T.dvector("x")
    up = function([x], w + x, updates=[(w, w + x)])
    read = function([], w)
    loaded = pickle.loads(pickle.dumps({"up": up, "read": read, "w": w}, protocol=protocol))
    loaded["up"]([1.0, 2.0])
    np.testing.assert_array_equal(loaded["read"](), [1, 2])
    np.testing.assert_array_equal(loaded["w"].get_value(), [1, 2])
    np.testing.assert_array_equal(w.get_value(), [0, 0])


def test_deep_copies_have_their_own_state() -> None:
    w = shared(np.zeros(2), name="w")
    f = function([], w, updates=[(w, w + 1)])
    both = copy.deepcopy([f, w])
    both[0]()
    np.testing.assert_array_equal(both[1].get_value(), [1, 1])
    np.testing.assert_array_equal(w.get_value(), [0, 0])


def test_pickles_keep_swaps_default_updates_and_options() -> None:
    a, b = shared(1, name="a"), shared(5, name="b")
    a.default_update = a + 1
    x = T.fscalar("x")
    f = function([x], a * x, allow_input_downcast=True).copy(swap={a: b})
    g = pickle.loads(pickle.dumps(f))
    assert g(np.float64(2.0)) == 10
    assert g(np.float64(2.0)) == 12
    assert b.get_value() == 5


def test_functions_are_left_out_when_pickles_are_read_without_them() -> None:
    f = function([x := T.dscalar("x")], x + 1)
    data = pickle.dumps([f, "more"])
    with symc.change_flags(unpickle_function=False):
        assert pickle.loads(data) == [None, "more"]


# ---- eval


def test_eval() -> None:
    x, y = T.dvectors("x", "y")
    z = x + y * 2
    np.testing.assert_array_equal(z.eval({x: [1.0, 2.0], y: [1.0, 1.0]}), [3, 4])
    np.testing.assert_array_equal(z.eval({y: [1.0, 1.0], x: [1.0, 2.0]}), [3, 4])
    np.testing.assert_array_equal(z.eval({x: [1.0], y: np.array([5.0])}), [11])
    assert len(z._fn_cache) == 1
    (compiled,) = z._fn_cache.values()
    z.eval({x: [0.0], y: [0.0]})
    assert z._fn_cache == {next(iter(z._fn_cache)): compiled}
    inner = x * 3
    assert (inner + 1).eval({inner: [1.0]}) == 2
    assert len((inner + 1).__dict__.get("_fn_cache", {})) == 0


def test_eval_of_graphs_without_inputs() -> None:
    w = shared(2.0, name="w")
    expression = w * 3
    assert expression.eval() == 6
    w.set_value(5.0)
    assert expression.eval() == 15
    assert T.constant([1, 2]).sum().eval() == 3


def test_eval_with_too_many_or_too_few_values() -> None:
    x, y = T.dscalars("x", "y")
    assert x.eval({x: 1.0, y: 2.0}) == 1
    with pytest.raises(symc.MissingInputError, match="y"):
        (x + y).eval({x: 1.0})
    with pytest.raises(TypeError, match="dict"):
        x.eval(3.0)


def test_eval_caches_survive_neither_copies_nor_pickles() -> None:
    x = T.dscalar("x")
    y = x + 1
    y.eval({x: 1.0})
    for other in (copy.deepcopy(y), pickle.loads(pickle.dumps(y)), symc.clone(y)):
        assert "_fn_cache" not in other.__dict__


# ---- preparing


def test_prepare_changes_nothing_but_saves_the_compilation() -> None:
    w = shared(np.zeros(3), name="w")
    x, y = T.dvectors("x", "y")
    f = function([x, y], x + y, updates=[(w, w + 1)])
    f.prepare([1.0], [1.0, 2.0, 3.0])
    np.testing.assert_array_equal(w.get_value(), [0, 0, 0])
    np.testing.assert_array_equal(f([1.0], [1.0, 2.0, 3.0]), [2, 3, 4])
    with pytest.raises(TypeError, match="missing"):
        f.prepare([1.0])


def test_a_batch_compiles_functions_together() -> None:
    x = T.dvector("x")
    with symc.batch(level="-O1"):
        functions = [function([x], x * k + T.exp(x)) for k in range(4)]
    for k, f in enumerate(functions):
        np.testing.assert_allclose(f([1.0, 2.0]), np.array([1.0, 2.0]) * k + np.exp([1.0, 2.0]))


def test_functions_of_a_batch_may_be_called_before_it_ends() -> None:
    x, y = T.dvectors("x", "y")
    with symc.batch():
        f = function([x, y], x * y)
        np.testing.assert_array_equal(f([1.0, 2.0], [3.0]), [3, 6])
    np.testing.assert_array_equal(f([1.0, 2.0], [3.0, 4.0]), [3, 8])


# ---- many broadcast patterns


def test_every_broadcast_pattern_gets_what_it_needs_once() -> None:
    x, y, z = T.dmatrices("x", "y", "z")
    f = function([x, y, z], x + y * z)
    rng = np.random.default_rng(0)
    shapes = [(m, n) for m in (1, 3) for n in (1, 4)]
    calls = [(a, b, c) for a in shapes for b in shapes for c in shapes]
    for _ in range(2):
        for a, b, c in calls[::5]:
            values = [rng.normal(size=s) for s in (a, b, c)]
            np.testing.assert_allclose(f(*values), values[0] + values[1] * values[2])
        variants = len(getattr(f.maker.executor, "variants", ()))
        assert variants <= len(calls[::5]) + 1
    assert variants == len(getattr(f.maker.executor, "variants", ()))
