"""What functions return and store, and what givens put in the place of variables."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Apply, Op, OrderedUpdates, Out, Type, function, shared

MODES = ["FAST_RUN", "NUMPY"]


@pytest.fixture(params=MODES, autouse=True)
def _in_every_mode(request: Any) -> Any:
    with symc.change_flags(mode=request.param):
        yield


# ---- outputs


def test_forms_of_outputs() -> None:
    x = T.dscalar("x")
    assert function([x], None, on_unused_input="ignore")(1.0) is None
    assert function([x], on_unused_input="ignore")(1.0) is None
    assert function([x], [], on_unused_input="ignore")(1.0) == []
    single = function([x], x + 1)(1.0)
    assert isinstance(single, np.ndarray)
    assert single == 2
    assert function([x], [x + 1])(1.0) == [2]
    assert function([x], (x + 1, x))(1.0) == [2, 1]
    assert function([x], {"b": x + 1, "a": x})(1.0) == {"a": 1, "b": 2}


def test_keys_of_outputs_are_strings() -> None:
    x = T.dscalar("x")
    with pytest.raises(AssertionError, match="strings"):
        function([x], {1: x})


def test_the_same_expression_twice_gives_two_arrays() -> None:
    x = T.dvector("x")
    y = x + 1
    a, b, c, d = function([x], [y, y, x, x])([1.0, 2.0])
    for i, one in enumerate((a, b, c, d)):
        for other in (a, b, c, d)[:i]:
            assert not np.shares_memory(one, other)
    np.testing.assert_array_equal(a, b)


def test_results_never_share_memory_with_what_others_hold() -> None:
    x = T.dmatrix("x")
    w = shared(np.arange(6.0).reshape(2, 3), name="w")
    k = T.constant(np.arange(3.0))
    f = function([x], [x, x.T, x[1:], w, w.T, w[0], k, k[::-1], x.reshape((-1,))])
    value = np.arange(6.0).reshape(2, 3)
    held = w.get_value(borrow=True)
    for result in f(value):
        assert not np.shares_memory(result, value)
        assert not np.shares_memory(result, held)
        result[...] = -1
    np.testing.assert_array_equal(value, np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(w.get_value(), np.arange(6.0).reshape(2, 3))
    np.testing.assert_array_equal(f(value)[6], [0, 1, 2])
    np.testing.assert_array_equal(f(value)[7], [2, 1, 0])


def test_borrowed_outputs_have_the_right_values() -> None:
    x = T.dvector("x")
    w = shared(np.ones(3), name="w")
    f = function([x], [Out(w, borrow=True), Out(x[::-1], borrow=True), Out(x * 2, borrow=False)])
    a, b, c = f([1.0, 2.0, 3.0])
    np.testing.assert_array_equal(a, [1, 1, 1])
    np.testing.assert_array_equal(b, [3, 2, 1])
    np.testing.assert_array_equal(c, [2, 4, 6])
    assert function([x], Out(x + 1, borrow=True))([1.0]) == 2


def test_constants_and_shared_values_are_outputs() -> None:
    w = shared(np.ones(2), name="w")
    f = function([], {"w": w, "c": T.constant(3.0)})
    assert f()["c"] == 3
    w.set_value([5.0, 6.0, 7.0])
    np.testing.assert_array_equal(f()["w"], [5, 6, 7])


# ---- updates


@pytest.mark.parametrize("make", [list, dict, OrderedUpdates, tuple])
def test_forms_of_updates(make: Any) -> None:
    a, b = shared(1.0, name="a"), shared(np.zeros(2), name="b")
    x = T.dscalar("x")
    f = function([x], a + x, updates=make([(a, a + x), (b, b - x)]))
    assert f(2.0) == 3
    assert a.get_value() == 3
    np.testing.assert_array_equal(b.get_value(), [-2, -2])


def test_lists_as_pairs_and_numbers_as_expressions() -> None:
    a, b = shared(1.0, name="a"), shared(np.zeros(2), name="b")
    function([], updates=[[a, 5], [b, np.array([1.0, 2.0])]])()
    assert a.get_value() == 5
    np.testing.assert_array_equal(b.get_value(), [1, 2])


def test_outputs_see_the_old_values() -> None:
    a, b = shared(1.0, name="a"), shared(10.0, name="b")
    f = function([], [a, b, a * b], updates=[(a, b), (b, a)])
    assert f() == [1, 10, 10]
    assert f() == [10, 1, 10]


def test_updates_change_shapes() -> None:
    w = shared(np.zeros((1, 2)), name="w")
    f = function([], w.sum(), updates=[(w, T.concatenate([w, w + 1], axis=0))])
    for rows in (1, 2, 4, 8):
        assert w.get_value().shape == (rows, 2)
        f()
    assert w.get_value().shape == (16, 2)


def test_an_updated_value_shares_no_memory_with_results_or_other_values() -> None:
    a, b = shared(np.zeros(3), name="a"), shared(np.ones(3), name="b")
    x = T.dvector("x")
    new = x * 2
    f = function([x], new, updates=[(a, new), (b, new)])
    result = f([1.0, 2.0, 3.0])
    values = [result, a.get_value(borrow=True), b.get_value(borrow=True)]
    for i in range(3):
        for j in range(i):
            assert not np.shares_memory(values[i], values[j])
    given = np.arange(3.0)
    function([x], [], updates=[(a, x)])(given)
    assert not np.shares_memory(a.get_value(borrow=True), given)
    function([], [], updates=[(a, b)])()
    assert not np.shares_memory(a.get_value(borrow=True), b.get_value(borrow=True))


def test_transposed_and_strided_updates() -> None:
    w = shared(np.arange(6.0).reshape(2, 3), name="w")
    f = function([], w * 1.0, updates=[(w, w.T[::-1])])
    expected = np.arange(6.0).reshape(2, 3)
    for _ in range(4):
        np.testing.assert_array_equal(f(), expected)
        expected = expected.T[::-1]
        np.testing.assert_array_equal(w.get_value(), expected)


def test_default_updates() -> None:
    w = shared(0, name="w")
    w.default_update = w + 1
    x = T.lscalar("x")
    f = function([x], w * x)
    assert [f(10), f(10), f(10)] == [0, 10, 20]
    assert function([x], x)(1) == 1
    assert w.get_value() == 3
    function([], [], updates=[(w, w * 10)])()
    assert w.get_value() == 30
    for keep in (True, [w], (w,), [w.clone()]):
        function([], w, no_default_updates=keep)()
        assert w.get_value() == 30
    function([], w, no_default_updates=[shared(0)])()
    assert w.get_value() == 31
    with pytest.raises(TypeError, match="no_default_updates"):
        function([], w, no_default_updates=["w"])


def test_default_updates_that_need_other_shared_variables() -> None:
    a, b = shared(1.0, name="a"), shared(1.0, name="b")
    a.default_update = a + b
    b.default_update = b * 2
    f = function([], a)
    assert [f(), f(), f()] == [1, 2, 4]
    assert b.get_value() == 8


def test_a_default_update_must_have_the_right_type() -> None:
    w = shared(np.zeros(2, "float32"), name="w")
    w.default_update = w + np.zeros(2)
    with pytest.raises(TypeError, match="cast"):
        function([], w)


class _Even(Type):
    """Integers that are even; others are refused by `filter`."""

    __props__ = ()

    def filter(self, data: Any, strict: bool = False, allow_downcast: Any = None) -> Any:
        if data % 2:
            raise TypeError(f"{data} is odd")
        return data


class _Halved(Op):
    __props__ = ()

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [_Even()()])

    def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
        output_storage[0][0] = inputs[0] // 2


def test_a_value_that_its_type_refuses_is_not_stored_nor_are_the_others() -> None:
    a = symc.SharedVariable("a", _Even(), 8)
    count = shared(0, name="count")
    f = function([], [], updates=[(count, count + 1), (a, _Halved()(a))])
    f()
    f()
    assert (a.get_value(), int(count.get_value())) == (2, 2)
    with pytest.raises(TypeError, match="odd"):
        f()
    assert (a.get_value(), int(count.get_value())) == (2, 2)


def test_ordered_updates() -> None:
    a, b = shared(0.0, name="a"), shared(0.0, name="b")
    one = OrderedUpdates([(a, a + 1)])
    two = one + OrderedUpdates({b: b + 2})
    assert list(two) == [a, b]
    assert list(one) == [a]
    same = two + one
    assert list(same) == [a, b]
    with pytest.raises(ValueError, match="two different updates for a"):
        two + OrderedUpdates([(a, a - 1)])
    with pytest.raises(ValueError, match="two different updates for a"):
        two.update({a: a - 1})
    with pytest.raises(TypeError, match="shared"):
        OrderedUpdates([(T.dscalar(), 1.0)])
    with pytest.raises(TypeError, match="shared"):
        two[3] = 1.0
    assert list({b: b + 1} + one) == [b, a]
    function([], [], updates=two)()
    assert (a.get_value(), b.get_value()) == (1, 2)


# ---- givens


@pytest.mark.parametrize("make", [list, dict, tuple])
def test_forms_of_givens(make: Any) -> None:
    x, y, z = T.dscalars("x", "y", "z")
    f = function([z], x + 10 * y, givens=make([(x, z * 2), (y, 3.0)]))
    assert f(1.0) == 32


def test_givens_replace_shared_variables_and_constants() -> None:
    w = shared(np.ones(3), name="w")
    x = T.dvector("x")
    f = function([x], (w * 2).sum(), givens={w: x})
    assert f([1.0, 2.0]) == 6
    assert f.get_shared() == []
    w.default_update = w + 1
    assert function([x], w.sum(), givens=[(w, x)])([5.0]) == 5
    np.testing.assert_array_equal(w.get_value(), [1, 1, 1])
    c = T.constant(2.0)
    assert function([], c * 3, givens={c: T.constant(5.0)})() == 15


def test_minibatches_are_given_by_slices_of_shared_data() -> None:
    data = shared(np.arange(20.0).reshape(10, 2), name="data")
    x, i = T.dmatrix("x"), T.lscalar("i")
    f = function([i], x.sum(axis=0), givens={x: data[i * 4 : (i + 1) * 4]})
    for k in range(3):
        np.testing.assert_array_equal(
            f(k), np.arange(20.0).reshape(10, 2)[k * 4 : (k + 1) * 4].sum(0)
        )


def test_givens_replace_inner_expressions() -> None:
    x = T.dscalar("x")
    y = T.exp(x)
    z = y * 2 + x
    assert function([x], z, givens={y: x * 10})(1.0) == 21
    assert function([x], [y, z], givens={y: T.constant(1.0)})(3.0) == [1, 5]


def test_givens_reach_updates() -> None:
    w, x, y = shared(0.0, name="w"), T.dscalar("x"), T.dscalar("y")
    w.default_update = w + x
    function([y], w, givens={x: y * 2})(3.0)
    assert w.get_value() == 6
    function([y], [], updates=[(w, x)], givens={x: y})(1.0)
    assert w.get_value() == 1


def test_replacements_are_replaced_in_their_turn() -> None:
    x, y, z = T.dscalars("x", "y", "z")
    for order in ([(x, y * 2), (y, z + 1)], [(y, z + 1), (x, y * 2)]):
        assert function([z], x, givens=order)(3.0) == 8


def test_a_replacement_may_contain_what_it_replaces() -> None:
    x = T.dvector("x")
    assert function([x], x * 2, givens={x: x + 1})([3.0]) == 8
    y = T.exp(x)
    np.testing.assert_allclose(function([x], y + x, givens={y: y * 10})([1.0]), 10 * np.e + 1)
    w = shared(np.ones(1), name="w")
    f = function([], w * 3, givens={w: w + 1})
    assert f() == 6
    w.set_value([4.0])
    assert f() == 15
    with pytest.raises(symc.MissingInputError, match="x"):
        function([], x, givens={x: x + 1})


def test_replacements_in_a_circle_are_refused() -> None:
    x, y = T.dscalars("x", "y")
    with pytest.raises(ValueError, match="circle"):
        function([x, y], x - y, givens={x: y * 2, y: x * 2})


def test_types_of_givens() -> None:
    x, v = T.fscalar("x"), T.fvector("v")
    wide = T.dscalar("wide")
    with pytest.raises(TypeError):
        function([wide], x + 1, givens={x: wide})
    out = function([wide], x + 1, givens={x: wide}, rebuild_strict=False)(0.1)
    assert out.dtype == np.float64
    np.testing.assert_allclose(out, 1.1)
    m = T.fmatrix("m")
    f = function([m], T.exp(v).sum(), givens={v: m}, rebuild_strict=False)
    np.testing.assert_allclose(f(np.zeros((2, 3), "float32")), 6)
    with pytest.raises(TypeError, match="givens"):
        function([x], x, givens={"x": x})
    with pytest.raises(ValueError, match="pair"):
        function([x], x, givens=[x])


def test_a_given_input_is_unused() -> None:
    x = T.dscalar("x")
    with pytest.raises(symc.UnusedInputError, match="x"):
        function([x], x + 1, givens={x: T.constant(2.0)})
