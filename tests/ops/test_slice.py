from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from symc.array.constructors import ivector, lscalar, matrix, row, tensor, tensor3, vector
from symc.array.convert import as_tensor_variable
from symc.array.lengths import known_lengths
from symc.errors import AdvancedIndexingError
from symc.graph.node import Constant
from symc.graph.special import DisconnectedType
from symc.ops.slice import INDEX, Subtensor, TooManyIndicesError, get_idx_list, is_basic
from tests.helpers import check_gradient, evaluate
from tests.ops.contract import Sizes, check_contract

RNG = np.random.default_rng(5)
X = RNG.normal(size=(3, 4, 5))


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        (1, 2),
        (1, 2, -3),
        slice(1, None),
        slice(None, None, -1),
        slice(5, 0, -2),
        slice(-100, 100),
        slice(2, 1),
        (slice(None), slice(None, -1), 0),
        (Ellipsis, 1),
        (0, Ellipsis),
        (Ellipsis,),
        None,
        (None, 0, None),
        (slice(None), None, slice(1, 3)),
        (Ellipsis, None),
        (0, Ellipsis, slice(None, None, 2), None),
        np.int8(2),
        np.array(1),
    ],
)
def test_basic_indexing_is_numpys(index) -> None:
    x = tensor3()
    out = x[index]
    np.testing.assert_array_equal(evaluate(out, [x], [X]), X[index])
    if isinstance(out.owner.op, Subtensor):
        check_contract(out.owner, [X, *(c.data for c in out.owner.inputs[1:])])


bounds = some.none() | some.integers(-7, 7)
steps = some.none() | some.sampled_from([-3, -2, -1, 1, 2, 3])


@settings(max_examples=300, deadline=None)
@given(some.integers(0, 5), bounds, bounds, steps)
def test_any_slice_of_any_length(n: int, start, stop, step) -> None:
    a = np.arange(float(n))
    x = vector()
    symbolic = x[slice(*(None if p is None else lscalar() for p in (start, stop, step)))]
    values = [p for p in (start, stop, step) if p is not None]
    expected = a[start:stop:step]
    np.testing.assert_array_equal(check_contract(symbolic.owner, [a, *values])[0], expected)
    fixed = x[start:stop:step]
    np.testing.assert_array_equal(check_contract(fixed.owner, [a, *values])[0], expected)
    assert known_lengths(vector(shape=(n,))[start:stop:step]) == (len(expected),)


def test_symbolic_integers() -> None:
    x, i = tensor3(), lscalar()
    for value in (0, 2, -1, -3):
        found = check_contract(x[i].owner, [X, value])[0]
        np.testing.assert_array_equal(found, X[value])
    j = tensor("uint8", ())
    np.testing.assert_array_equal(evaluate(x[:, j], [x, j], [X, 3]), X[:, 3])
    one = tensor("int64", (True,))
    np.testing.assert_array_equal(evaluate(x[one[0] : one[0] + 2], [x, one], [X, [1]]), X[1:3])


@pytest.mark.parametrize("value", [3, -4, 100])
def test_indices_out_of_range(value: int) -> None:
    x, i = tensor3(), lscalar()
    with pytest.raises(IndexError, match=f"index {value} is out of bounds"):
        evaluate(x[i], [x, i], [X, value])
    node = x[i].owner
    sizes = Sizes(node, [X, np.array(value)])
    with pytest.raises(IndexError):
        node.op.shape(node, [sizes.shape(0), ()], sizes)
    with pytest.raises(IndexError, match=r"(?s)out of range along axis 0.*length 3"):
        tensor3(shape=(3, None, None))[value]


def test_a_step_of_zero() -> None:
    x, i = vector(), lscalar()
    out = x[::i]
    sizes = Sizes(out.owner, [np.ones(3), np.array(0)])
    sizes.value = lambda k: sizes.ctx.size(k)  # not known before the call
    sizes.loads = {sizes.ctx.size(1): 0}
    with pytest.raises(ValueError, match="can't be 0"):
        out.owner.op.shape(out.owner, [sizes.shape(0), ()], sizes)
    with pytest.raises(ValueError, match="slice step cannot be zero"):
        evaluate(out, [x, i], [np.ones(3), 0])
    with pytest.raises(ValueError, match="can't be 0"):
        vector(shape=(3,))[::0]


def test_wrong_indices() -> None:
    x = matrix("x")
    with pytest.raises(TooManyIndicesError, match=r"(?s)too many indices for x.*3 indices"):
        x[0, 0, 0]
    with pytest.raises(ValueError):
        x[..., 0, 0, 0]
    with pytest.raises(IndexError, match="single ellipsis"):
        x[..., 0, ...]
    with pytest.raises(AdvancedIndexingError, match="start of a slice"):
        x[1.5:]
    with pytest.raises(TypeError, match="must be an integer"):
        x[vector() :]
    with pytest.raises(TypeError, match="can't be assigned"):
        x[0] = 1


def test_what_is_basic() -> None:
    for entry in (None, Ellipsis, slice(1), 3, np.int8(3), lscalar(), np.array(3)):
        assert is_basic(entry)
    for entry in (True, np.True_, [0], ivector(), np.array([0]), tensor("bool", ()), 1.5, "a"):
        assert not is_basic(entry)


def test_every_integer_is_an_operand() -> None:
    x = tensor3()
    node = x[1:, 0].owner
    assert node.op == Subtensor([slice(INDEX, None), INDEX])
    assert [i.data for i in node.inputs[1:]] == [1, 0]
    assert node.op == x[2:, 3].owner.op
    assert node.op != x[:2, 3].owner.op
    assert str(node.op) == "Subtensor{int64::, int64}"
    assert pickle.loads(pickle.dumps(node.op)) == node.op
    index = get_idx_list(node.inputs, node.op.idx_list)
    assert isinstance(index[0].start, Constant)
    assert index[1].data == 0
    with pytest.raises(TypeError, match="takes 2 integers"):
        node.op(x, 1)


def test_patterns_and_lengths() -> None:
    r = row()
    assert r[0].broadcastable == (False,)
    assert r[:].broadcastable == (True, False)
    assert r[:, 1:].broadcastable == (True, False)
    assert r[lscalar() :].broadcastable == (False, False)
    assert r[1:].broadcastable == (False, False)
    assert known_lengths(matrix(shape=(4, None))[1:-1, None]) == (2, 1, None)
    assert known_lengths(as_tensor_variable(np.ones((5, 3)))[::2, 0]) == (3,)


def test_views_of_views_and_strided_operands() -> None:
    x = matrix()
    a = np.asfortranarray(RNG.normal(size=(6, 6)))[::2, ::-1]
    out = x[::-1, 1:][1, ::2]
    np.testing.assert_array_equal(evaluate(out, [x], [a]), a[::-1, 1:][1, ::2])
    check_contract(x[::-1, 1].owner, [a, -1, 1])


def test_forward_derivative_and_connections() -> None:
    x, dx, i = tensor3(), tensor3(), lscalar()
    out = x[i, ::2]
    op = out.owner.op
    (slope,) = op.R_op(out.owner.inputs, [dx, None, None])
    np.testing.assert_array_equal(evaluate(slope, [dx, i], [X, 1]), X[1, ::2])
    assert op.connection_pattern(out.owner) == [[True], [False], [False]]
    terms = op.L_op(out.owner.inputs, [out], [DisconnectedType()()])
    assert all(isinstance(t.type, DisconnectedType) for t in terms)


@pytest.mark.parametrize(
    "index", [0, (slice(None, None, -1), 1), (slice(1, 1),), (Ellipsis, slice(1, None, 2))]
)
def test_gradients(index) -> None:
    check_gradient(lambda x: x[index] ** 2, [RNG.normal(size=(2, 3, 4))])


def test_iteration() -> None:
    x = matrix(shape=(2, None))
    a = RNG.normal(size=(2, 3))
    rows = [evaluate(r, [x], [a]) for r in x]
    np.testing.assert_array_equal(rows, a)
    n, m = x.shape
    assert evaluate([n, m], [x], [a]) == [2, 3]
    with pytest.raises(TypeError, match="its length is not known"):
        iter(matrix())
    with pytest.raises(TypeError, match="0-d"):
        iter(lscalar())
    with pytest.raises(TypeError):
        len(x)
