from __future__ import annotations

import pickle

import numpy as np
import pytest

from symc.array.constructors import col, lvector, matrix, row, scalar, tensor, tensor3, vector
from symc.array.convert import constant
from symc.array.lengths import known_lengths
from symc.errors import ShapeError
from symc.graph.special import DisconnectedType
from symc.graph.walk import toposort
from symc.ops import shape as s
from symc.ops.dimshuffle import DimShuffle, dimshuffle, transpose
from symc.ops.reduce import Sum
from symc.ops.sizes import Shape_i, lengths, shape_i
from symc.ops.vector import MakeVector, as_index_scalar, as_size_vector, get_vector_length
from tests.helpers import check_gradient, evaluate, gradients
from tests.ops.contract import Sizes, check_contract

RNG = np.random.default_rng(4)


# ---------------------------------------------------------------------------------------------
# dimshuffle and its kin
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3, 4), (0, 1, 2), (1, 1, 1)])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), ("x", 1, 0, "x", 2)])
def test_dimshuffle_permutes_and_inserts(shape, order) -> None:
    x = tensor3()
    a = RNG.normal(size=shape)
    out = DimShuffle((False,) * 3, order)(x)
    expected = a.transpose([d for d in order if d != "x"])
    expected = np.expand_dims(expected, tuple(i for i, d in enumerate(order) if d == "x"))
    np.testing.assert_array_equal(check_contract(out.owner, [a])[0], expected)


def test_dimshuffle_drops_axes_of_length_one() -> None:
    x = tensor("float64", (True, False, True))
    a = RNG.normal(size=(1, 3, 1))
    found = check_contract(DimShuffle(x.broadcastable, (1,))(x).owner, [a])[0]
    np.testing.assert_array_equal(found, a[0, :, 0])
    one = tensor("float64", (True, True))
    check_contract(DimShuffle((True, True), ())(one).owner, [np.ones((1, 1))])
    check_gradient(lambda v: dimshuffle(s.addbroadcast(v, 0, 2), 1, "x"), [a])


def test_what_dimshuffle_refuses() -> None:
    with pytest.raises(ValueError, match=r"(?s)can't drop axis 0.*addbroadcast"):
        dimshuffle(matrix(), 1)
    with pytest.raises(ValueError, match="at most once"):
        dimshuffle(matrix(), 0, 0, 1)
    with pytest.raises(ValueError, match="rank 2"):
        dimshuffle(matrix(), 0, 5)
    with pytest.raises(TypeError, match="an int or 'x'"):
        dimshuffle(matrix(), 0.5)
    with pytest.raises(TypeError, match="made for another operand"):
        DimShuffle((True, False), (1,))(matrix())


def test_dimshuffle_keeps_patterns_and_identity() -> None:
    x = row()
    assert dimshuffle(x, 1, 0).broadcastable == (False, True)
    assert dimshuffle(x, 0, 1) is x
    assert dimshuffle(x, [1, 0]).broadcastable == (False, True)
    assert dimshuffle(x, -1).type == vector().type
    op = DimShuffle((False,), ("x", 0))
    assert op == DimShuffle([0], ["x", 0])
    assert pickle.loads(pickle.dumps(op)) == op


def test_dimshuffle_gradients() -> None:
    a = RNG.normal(size=(2, 3))
    check_gradient(lambda x: dimshuffle(x, 1, "x", 0) ** 2, [a])
    x, dx = matrix(), matrix()
    out = dimshuffle(x, 1, 0)
    (slope,) = out.owner.op.R_op([x], [dx])
    np.testing.assert_array_equal(evaluate(slope, [dx], [a]), a.T)


def test_transpose() -> None:
    x = tensor3("x")
    a = RNG.normal(size=(2, 3, 4))
    np.testing.assert_array_equal(evaluate(transpose(x), [x], [a]), a.T)
    assert x.T.name == "x.T"
    for axes in ((1, 2, 0), (0, -1, 1)):
        found = evaluate(x.transpose(*axes), [x], [a])
        np.testing.assert_array_equal(found, a.transpose(axes))
        found = evaluate(x.transpose(axes), [x], [a])
        np.testing.assert_array_equal(found, a.transpose(axes))
    with pytest.raises(ValueError, match="permutation"):
        transpose(x, (0, 0, 1))
    assert vector().T.type == vector().type


def test_swapping_moving_and_inserting_axes() -> None:
    x = tensor3()
    a = RNG.normal(size=(2, 3, 4))
    for found, expected in [
        (s.swapaxes(x, 0, -1), a.swapaxes(0, -1)),
        (s.moveaxis(x, 0, -1), np.moveaxis(a, 0, -1)),
        (s.moveaxis(x, [0, 2], [1, 0]), np.moveaxis(a, [0, 2], [1, 0])),
        (s.expand_dims(x, 1), np.expand_dims(a, 1)),
        (s.expand_dims(x, (0, -1)), np.expand_dims(a, (0, -1))),
        (s.shape_padleft(x, 2), a[None, None]),
        (s.shape_padright(x), a[..., None]),
        (s.shape_padaxis(x, -2), a[:, :, None]),
        (s.atleast_nd(x, 5), a[None, None]),
        (s.atleast_nd(x, 4, left=False), a[..., None]),
        (s.atleast_nd(x, 2), a),
    ]:
        np.testing.assert_array_equal(evaluate(found, [x], [a]), expected)
    with pytest.raises(ValueError, match="moveaxis"):
        s.moveaxis(x, [0, 1], [0])


def test_squeeze() -> None:
    x = tensor("float64", (True, False, True))
    assert s.squeeze(x).ndim == 1
    y = tensor3()
    a = RNG.normal(size=(1, 3, 1))
    assert s.squeeze(y) is y
    np.testing.assert_array_equal(evaluate(s.squeeze(y, 0), [y], [a]), a[0])
    np.testing.assert_array_equal(evaluate(s.squeeze(y, (0, -1)), [y], [a]), a[0, :, 0])
    with pytest.raises(ShapeError, match="length 3"):
        evaluate(s.squeeze(y, 1), [y], [a])


# ---------------------------------------------------------------------------------------------
# Reshape
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("shape", "new"),
    [
        ((2, 3), (3, 2)),
        ((2, 3), (6,)),
        ((2, 3), (-1,)),
        ((2, 3), (3, -1)),
        ((2, 3), (1, 2, 1, -1)),
        ((0, 3), (3, 0)),
        ((0, 3), (2, 0, 5)),
        ((0, 3), (3, -1)),
        ((1, 1), ()),
        ((1, 1), (1, 1, -1)),
    ],
)
def test_reshape(shape, new) -> None:
    x, n = matrix(), lvector()
    a = RNG.normal(size=shape)
    expected = a.reshape(new)
    np.testing.assert_array_equal(check_contract(s.reshape(x, new).owner, [a, new])[0], expected)
    symbolic = s.reshape(x, n, ndim=len(new))
    np.testing.assert_array_equal(evaluate(symbolic, [x, n], [a, list(new)]), expected)
    check_contract(s.Reshape(len(new))(x, n).owner, [a, np.array(new, "int64")])


@pytest.mark.parametrize("new", [(4,), (2, 2), (-1, -1), (-2, -3), (5, -1), (0, -1)])
def test_impossible_shapes(new) -> None:
    x, n = matrix(), lvector()
    a = RNG.normal(size=(2, 3))
    y = s.Reshape(len(new))(x, n)
    with pytest.raises(ShapeError, match=r"can't reshape \(2, 3\)"):
        evaluate(y, [x, n], [a, np.array(new)])
    with pytest.raises(ValueError):
        check_contract(y.owner, [a, np.array(new)])
    with pytest.raises(ShapeError):
        s.reshape(matrix(shape=(2, 3)), new)


def test_empty_axis_beside_minus_one_is_an_error_as_in_numpy() -> None:
    x, n = matrix(), lvector()
    y = s.Reshape(2)(x, n)
    with pytest.raises(ValueError):
        evaluate(y, [x, n], [np.zeros((0, 3)), [0, -1]])


def test_shape_rule_of_reshape_refuses_what_numpy_refuses() -> None:
    x, n = matrix(), lvector()
    node = s.Reshape(2)(x, n).owner
    for new in ([0, -1], [-1, -1], [4, 2], [-2, -3]):
        sizes = Sizes(node, [np.zeros((2, 3)), np.array(new)])
        with pytest.raises(ValueError):
            node.op.shape(node, [sizes.shape(0), sizes.shape(1)], sizes)


def test_reshape_with_symbolic_lengths_and_ranks() -> None:
    x, y = matrix(), matrix()
    a = RNG.normal(size=(2, 6))
    out = x.reshape((x.shape[0], 2, 3))
    np.testing.assert_array_equal(evaluate(out, [x], [a]), a.reshape(2, 2, 3))
    out = x.reshape(y.shape)
    assert out.ndim == 2
    assert out.broadcastable == (False, False)
    np.testing.assert_array_equal(evaluate(out, [x, y], [a, np.ones((4, 3))]), a.reshape(4, 3))
    with pytest.raises(ShapeError, match="give ndim="):
        x.reshape(lvector())
    with pytest.raises(TypeError, match="must be an integer"):
        x.reshape((2.5, 2))
    assert x.reshape((2, 1, -1)).broadcastable == (False, True, False)
    with pytest.raises(ShapeError, match="3 lengths"):
        s.Reshape(2)(x, (1, 2, 3))


def test_known_lengths_of_reshape() -> None:
    x = matrix(shape=(2, 6))
    assert known_lengths(x.reshape((-1, 4))) == (3, 4)
    assert known_lengths(x.reshape((x.shape[0], 3, -1))) == (None, 3, None)
    assert known_lengths(matrix(shape=(2, 1)).reshape((2, -1))) == (2, 1)


def test_what_a_node_is_does_not_depend_on_declared_lengths() -> None:
    x, other = matrix(shape=(2, 1)), matrix()
    assert x.reshape((2, -1)).broadcastable == (False, False)
    assert s.specify_shape(x, (2, None)).broadcastable == (False, False)
    assert s.specify_shape(x, (None, 1)).broadcastable == (False, True)
    mean = x.mean()
    replaced = clone_replace(mean, {x: other})
    np.testing.assert_allclose(evaluate(replaced, [other], [np.arange(6.0).reshape(2, 3)]), 2.5)
    assert tensor("float64", (True, True)).reshape((-1,)).broadcastable == (True,)


def clone_replace(output, replace):
    done = dict(replace)
    for node in toposort([output], list(replace)):
        new = node.clone_with_new_inputs([done.get(v, v) for v in node.inputs])
        done.update(zip(node.outputs, new.outputs, strict=True))
    return done[output]


def test_reshape_of_strided_operands_and_gradient() -> None:
    x = matrix()
    a = RNG.normal(size=(4, 6))[::-2, ::3].T
    found = check_contract(s.reshape(x, (4,)).owner, [a, [4]])[0]
    np.testing.assert_array_equal(found, a.reshape(4))
    check_gradient(lambda v: s.reshape(v, (4,)) ** 2, [a])
    (g,) = gradients(Sum()(s.flatten(col()) * 2), [vector()])
    assert g is None


def test_flatten() -> None:
    x = tensor3()
    a = RNG.normal(size=(2, 3, 4))
    for n in (1, 2, 3):
        found = evaluate(s.flatten(x, n), [x], [a])
        np.testing.assert_array_equal(found, a.reshape((*a.shape[: n - 1], -1)))
    empty = np.zeros((0, 3, 4))
    assert evaluate(s.flatten(x, 2), [x], [empty]).shape == (0, 12)
    assert s.flatten(scalar()).ndim == 1
    assert s.flatten(row(), 1).broadcastable == (False,)
    assert s.flatten(tensor("int8", (False, True, True)), 2).broadcastable == (False, True)
    assert s.is_flat(vector())
    assert not s.is_flat(matrix())
    assert s.is_flat(matrix(), 2)
    for bad in (0, 4):
        with pytest.raises(ValueError, match="ndim from 1 to 3"):
            s.flatten(x, bad)
    with pytest.raises(ValueError, match="not both"):
        s.flatten(x, 1, outdim=1)


# ---------------------------------------------------------------------------------------------
# Promises
# ---------------------------------------------------------------------------------------------


def test_specify_shape() -> None:
    x = matrix()
    a = RNG.normal(size=(2, 3))
    out = s.specify_shape(x, (2, None))
    np.testing.assert_array_equal(evaluate(out, [x], [a]), a)
    check_contract(s.specify_shape(x, (2, 3)).owner, [a, [2, 3]])
    with pytest.raises(ShapeError, match=r"(?s)shape \(2, 3\).*expected: shape \(3, 3\)"):
        evaluate(s.specify_shape(x, (3, None)), [x], [a])
    with pytest.raises(ValueError):
        check_contract(s.specify_shape(x, (2, 3)).owner, [a.T, [2, 3]])
    assert s.specify_shape(x, (1, None)).broadcastable == (True, False)
    assert known_lengths(s.specify_shape(x, (5, None))) == (5, None)
    with pytest.raises(ShapeError):
        s.specify_shape(x, (1, 2, 3))
    with pytest.raises(ShapeError):
        s.specify_shape(matrix(shape=(2, None)), (3, None))
    check_gradient(lambda v: s.specify_shape(v, (2, 3)) ** 2, [a])
    check_gradient(lambda v: s.specify_shape(v, (1, 3)) ** 2, [a[:1]])


def test_rebroadcast() -> None:
    x = matrix()
    out = s.addbroadcast(x, 0)
    assert out.broadcastable == (True, False)
    a = RNG.normal(size=(1, 3))
    np.testing.assert_array_equal(check_contract(out.owner, [a])[0], a)
    with pytest.raises(ShapeError, match="length 2"):
        evaluate(out, [x], [np.ones((2, 3))])
    with pytest.raises(ValueError):
        check_contract(out.owner, [np.ones((2, 3))])
    assert s.unbroadcast(out, 0).type == x.type
    assert s.patternbroadcast(x, (False, False)) is x
    assert x.with_pattern((True, False)).type == row().type
    with pytest.raises(ShapeError, match="one entry per axis"):
        s.patternbroadcast(x, (True,))
    with pytest.raises(ShapeError, match="length 4"):
        s.addbroadcast(matrix(shape=(4, None)), 0)
    check_gradient(lambda v: s.addbroadcast(v, 0) * 2, [a])
    assert str(s.Rebroadcast((1, True), (0, False))) == "Rebroadcast{0:False, 1:True}"


# ---------------------------------------------------------------------------------------------
# Sizes as values
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(2, 3), (0, 1), (1, 5)])
def test_shape_and_shape_i(shape) -> None:
    x = matrix()
    a = np.zeros(shape)
    assert check_contract(x.shape.owner, [a])[0].tolist() == list(shape)
    assert x.shape.dtype == "int64"
    for i in (0, 1):
        assert check_contract(Shape_i(i)(x).owner, [a])[0] == shape[i]
    assert evaluate(list(lengths(x)), [x], [a]) == list(shape)


def test_shapes_of_scalars_and_known_lengths() -> None:
    x = scalar()
    assert evaluate(x.shape, [x], [1.0]).shape == (0,)
    assert shape_i(row(), 0).data == 1
    assert isinstance(shape_i(matrix(shape=(None, 4)), -1).owner.op, Shape_i)
    assert shape_i(constant(np.ones((2, 3))), 1).data == 3
    with pytest.raises(ValueError, match="no axis 2"):
        Shape_i(2)(matrix())


def test_shapes_are_disconnected_from_values() -> None:
    x = matrix()
    for out in (x.shape, Shape_i(0)(x)):
        assert out.owner.op.connection_pattern(out.owner) == [[False]]
        (term,) = out.owner.op.L_op([x], [out], [vector()])
        assert isinstance(term.type, DisconnectedType)
    assert gradients(Sum()(x.shape * 2.0), [x]) == [None]


def test_size() -> None:
    a = np.zeros((3, 4))
    for x, value, n in [(matrix(), a, 12), (vector(), a[0], 4), (scalar(), a[0, 0], 1)]:
        assert evaluate(x.size, [x], [value]) == n
        assert x.size.dtype == "int64"


def test_make_vector() -> None:
    x, y = scalar(), scalar()
    out = MakeVector("float64")(x, y, 3)
    np.testing.assert_array_equal(check_contract(out.owner, [1.5, 2.5, 3])[0], [1.5, 2.5, 3])
    assert MakeVector("int64")(1).broadcastable == (True,)
    assert evaluate(MakeVector("float32")()).shape == (0,)
    many = [scalar() for _ in range(40)]
    check_contract(MakeVector("float64")(*many).owner, list(np.arange(40.0)))
    with pytest.raises(TypeError, match="without loss"):
        MakeVector("int64")(1.5)
    with pytest.raises(TypeError, match="0-d"):
        MakeVector("float64")(vector())
    dx = scalar()
    (slope,) = MakeVector("float64")(x, y).owner.op.R_op([x, y], [dx, None])
    np.testing.assert_array_equal(evaluate(slope, [x, y, dx], [1.0, 2.0, 3.0]), [3, 0])


def test_lengths_of_vectors() -> None:
    x = matrix()
    assert get_vector_length([1, 2, 3]) == 3
    assert get_vector_length(x.shape) == 2
    assert get_vector_length(MakeVector("int64")(1, 2)) == 2
    assert get_vector_length(vector(shape=(5,))) == 5
    with pytest.raises(ValueError, match="not known"):
        get_vector_length(vector())
    with pytest.raises(TypeError, match="a vector is expected"):
        get_vector_length(x)


def test_sizes_that_users_give() -> None:
    n = tensor("int32", ())
    assert as_index_scalar(n).dtype == "int64"
    assert as_index_scalar(3.0).data == 3
    assert as_index_scalar(np.int8(3)).data == 3
    assert as_index_scalar(tensor("int64", (True,))).ndim == 0
    for bad in (2.5, True, vector(), scalar(), "3"):
        with pytest.raises(TypeError):
            as_index_scalar(bad)
    assert as_size_vector(4).data.tolist() == [4]
    assert as_size_vector((2, np.int64(3))).data.tolist() == [2, 3]
    assert as_size_vector((2, n)).owner.op == MakeVector("int64")
    with pytest.raises(TypeError, match="made of integers"):
        as_size_vector(vector())
