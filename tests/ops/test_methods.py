from __future__ import annotations

import math

import numpy as np
import pytest

from symc.array.constructors import ivector, lscalar, matrix, scalar, tensor, vector
from symc.array.convert import as_tensor_variable, constant
from symc.array.type import TensorType
from symc.array.variable import TensorConstant, TensorOperators, TensorSharedVariable
from symc.errors import EmptyConstantError, NotScalarConstantError
from symc.graph.node import Variable
from symc.graph.special import generic
from symc.ops import constants as co
from symc.ops import methods
from symc.ops.alloc import alloc, zeros
from symc.ops.vector import MakeVector
from tests.helpers import evaluate

RNG = np.random.default_rng(8)
A = RNG.uniform(0.1, 0.9, size=(3, 4))


@pytest.mark.parametrize(
    "name",
    "arcsin arctan ceil cos cosh deg2rad exp exp2 expm1 floor log log10 log1p log2 rad2deg sin "
    "sinh sqrt tan tanh trunc arccos arcsinh arctanh conj round".split(),
)
def test_elementwise_methods(name: str) -> None:
    x = matrix()
    found = evaluate(getattr(x, name)(), [x], [A])
    np.testing.assert_allclose(found, getattr(np, name)(A), rtol=1e-13)


@pytest.mark.parametrize(
    "call",
    [
        lambda v: v.sum(axis=0),
        lambda v: v.prod(1),
        lambda v: v.mean(axis=1, keepdims=True),
        lambda v: v.std(),
        lambda v: v.var(0),
        lambda v: v.max(axis=-1),
        lambda v: v.min(),
        lambda v: v.argmax(axis=1),
        lambda v: v.argmin(),
        lambda v: v.all(),
        lambda v: v.any(0),
        lambda v: v.T,
        lambda v: v.transpose(1, 0),
        lambda v: v.reshape((4, 3)),
        lambda v: v.ravel(),
        lambda v: v.flatten(),
        lambda v: v.swapaxes(0, 1),
        lambda v: v.squeeze(),
        lambda v: v.diagonal(1),
        lambda v: v.trace(),
        lambda v: v.astype("float32"),
        lambda v: v.clip(0.2, 0.5),
        lambda v: v.copy(),
        lambda v: v.dot(v.T),
        lambda v: v @ v.T,
        lambda v: v.size,
        lambda v: v.real,
        lambda v: v.conjugate(),
        lambda v: v[1:, ::2],
    ],
)
def test_methods_mean_what_numpys_do(call) -> None:
    x = matrix()
    found, expected = evaluate(call(x), [x], [A]), call(A)
    np.testing.assert_allclose(found, expected)
    assert np.asarray(found).dtype == np.asarray(expected).dtype


def test_rounding_functions_of_python() -> None:
    x = vector()
    a = np.array([1.5, -1.5])
    for function in (math.ceil, math.floor, math.trunc, abs):
        expected = [function(v) for v in a]
        np.testing.assert_array_equal(evaluate(function(x), [x], [a]), expected)
    quotient, rest = divmod(x, 2)
    np.testing.assert_array_equal(evaluate(quotient, [x], [a]), a // 2)
    np.testing.assert_array_equal(evaluate(rest, [x], [a]), a % 2)
    quotient, rest = divmod(7, x)
    np.testing.assert_array_equal(evaluate(rest, [x], [a]), 7 % a)
    assert evaluate(sum([x, x]), [x], [a]).tolist() == [3, -3]


def test_constants_and_shared_variables_have_the_same_methods() -> None:
    class Cell:
        def get_value(self, **_):
            return A

    shared = TensorSharedVariable("s", matrix().type, container=Cell())
    for v in (constant(A), shared):
        np.testing.assert_allclose(evaluate((v * 2).sum(0)), 2 * A.sum(0))
        assert v.ndim == 2
        assert isinstance(v, TensorOperators)


def test_truth_and_identity() -> None:
    x, y = vector(), vector()
    assert bool(x)
    assert (x == y) is False
    assert x == x
    assert x in [y, x]
    assert len({x, y, x}) == 2
    with pytest.raises(TypeError, match="no truth value yet"):
        bool(x < y)
    with pytest.raises(TypeError, match="chained comparisons"):
        0 < x < 1  # noqa: B015


def test_numpy_operands_give_way() -> None:
    x = vector()
    for out in (np.ones(2) * x, np.float64(2) * x, np.arange(2) - x, np.ones(2) < x):
        assert isinstance(out, Variable)
    m = matrix()
    assert isinstance(np.ones((2, 2)) @ m, Variable)


def test_foreign_variables_are_refused() -> None:
    with pytest.raises(TypeError, match="unsupported operand"):
        vector() + generic()


def test_lists_of_variables_are_stacked() -> None:
    x, y, v = scalar(), scalar(), vector()
    out = as_tensor_variable([x, 2, y])
    assert isinstance(out.owner.op, MakeVector)
    np.testing.assert_array_equal(evaluate(out, [x, y], [1.0, 3.0]), [1, 2, 3])
    nested = as_tensor_variable([[x, y], [y, x]])
    np.testing.assert_array_equal(evaluate(nested, [x, y], [1.0, 2.0]), [[1, 2], [2, 1]])
    rows = as_tensor_variable([v, v + 1])
    np.testing.assert_array_equal(evaluate(rows, [v], [[1.0, 2.0]]), [[1, 2], [2, 3]])
    assert as_tensor_variable(v, ndim=2).broadcastable == (True, False)
    assert as_tensor_variable(as_tensor_variable(v, ndim=2), ndim=1).ndim == 1
    with pytest.raises(TypeError, match="too many axes"):
        as_tensor_variable(matrix(), ndim=1)
    assert as_tensor_variable(out.owner) is out


def test_transfer() -> None:
    x = vector()
    assert x.transfer("cpu") is x
    with pytest.raises(ValueError, match="no device is called 'moon'"):
        x.transfer("moon")
    moved = vector()
    methods.register_transfer(lambda v, target: moved if target == "test-device" else None)
    assert x.transfer("test-device") is moved


def test_a_copy_has_its_own_name() -> None:
    x = vector("x")
    assert x.copy().name is None
    assert x.copy("y").name == "y"


def test_types_convert_where_they_only_promise_less() -> None:
    r = tensor("float64", (True, False))
    m = matrix()
    assert m.type.filter_variable(r).type == m.type
    with pytest.raises(TypeError, match="cannot turn"):
        r.type.filter_variable(m)
    assert isinstance(m.type.filter_variable(A), TensorConstant)


# ---------------------------------------------------------------------------------------------
# Values that are known now
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "value"),
    [
        (lambda: 3, 3),
        (lambda: np.float32(2.5), 2.5),
        (lambda: constant(np.full((2, 2), 7.0)), 7),
        (lambda: constant(2.0) * 3 + 1, 7),
        (lambda: alloc(4.0, 2, lscalar()), 4),
        (lambda: constant([[5.0]]).T, 5),
        (lambda: zeros((2, 3)).reshape((6,)), 0),
        (lambda: tensor("int8", (True, False)).T.shape[1], 1),
        (lambda: MakeVector("int64")(lscalar(), 9)[1], 9),
        (lambda: matrix().fill(3.0), 3),
        (lambda: tensor("int8", (True, False)).shape[0], 1),
    ],
)
def test_scalar_constants_are_found(make, value) -> None:
    found = co.get_scalar_constant_value(make())
    assert found == value
    assert found.shape == ()


def test_what_is_no_scalar_constant() -> None:
    x = matrix("x")
    for v in (x, x + 1, constant([1.0, 2.0]), x.shape[0], x.sum()):
        with pytest.raises(NotScalarConstantError):
            co.get_scalar_constant_value(v)
        assert co.extract_constant(v) is v
    with pytest.raises(EmptyConstantError):
        co.get_scalar_constant_value(constant(np.zeros(0)))
    with pytest.raises(NotScalarConstantError):
        co.get_scalar_constant_value(constant(2.0) * 3, elemwise=False)
    with pytest.raises(NotScalarConstantError):
        co.get_scalar_constant_value(constant(2.0) * 3, only_process_constants=True)
    assert co.extract_constant(constant(2.0) * 3) == 6
    assert co.numpy_scalar([2, 2]) == 2


def test_the_table_is_complete() -> None:
    names = (
        "T shape size transpose reshape dimshuffle flatten ravel swapaxes squeeze diagonal fill "
        "copy clip round conj conjugate astype zeros_like ones_like sum prod mean var std min max "
        "argmin argmax any all ptp norm trace dot transfer get_scalar_constant_value"
    ).split()
    assert set(names) <= set(methods.METHODS)
    assert all(hasattr(ivector(), n) for n in names)
    assert isinstance(vector().type, TensorType)
