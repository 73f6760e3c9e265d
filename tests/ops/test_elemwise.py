from __future__ import annotations

import pickle

import numpy as np
import pytest

from symc.array.constructors import (
    col,
    dmatrix,
    fmatrix,
    fscalar,
    fvector,
    ivector,
    lscalar,
    lvector,
    matrix,
    row,
    scalar,
    tensor,
    vector,
    zmatrix,
)
from symc.array.convert import constant
from symc.config import change_flags
from symc.errors import AsTensorError, DTypeError, LiteralOverflowError, ShapeError
from symc.graph.special import DisconnectedType, NullType
from symc.graph.walk import toposort
from symc.ops import math as m
from symc.ops.dimshuffle import DimShuffle
from symc.ops.elemwise import Elemwise, cast, elemwise_of
from symc.ops.reduce import Sum
from symc.ops.sum_to import SumTo
from symc.scalar.composite import Composite
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY
from tests.helpers import check_gradient, evaluate, gradients
from tests.ops.contract import check_contract

RNG = np.random.default_rng(1)
LENGTHS = (0, 1, 2, 5)


def test_operators_build_elementwise_nodes_and_mean_what_numpy_means() -> None:
    x, y = matrix("x"), vector("y")
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=3) + 3
    cases = [
        (x * 2 + y, a * 2 + b),
        (1 - x / y, 1 - a / b),
        (-x, -a),
        (abs(x), abs(a)),
        (x**2, a**2),
        (2**x, 2**a),
        (x // y, a // b),
        (x % y, a % b),
        (y - x, b - a),
        (np.ones(3) + x, 1 + a),
        (np.float64(3) * x, 3 * a),
    ]
    for expression, expected in cases:
        found = evaluate(expression, [x, y], [a, b])
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert isinstance(expression.owner.op, Elemwise)


def test_bit_operators_and_comparisons() -> None:
    i, j = ivector("i"), lvector("j")
    a, b = np.array([1, 2, 3], "int32"), np.array([3, 1, 3])
    for expression, expected in [
        (i & j, a & b),
        (i | 1, a | 1),
        (i ^ j, a ^ b),
        (~i, ~a),
        (i < j, a < b),
        (i <= 2, a <= 2),
        (i > j, a > b),
        (i <= 2, a <= 2),
        (~(i < j), ~(a < b)),
        (m.eq(i, j), a == b),
        (m.neq(i, j), a != b),
    ]:
        found = evaluate(expression, [i, j], [a, b])
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype


def test_n_ary_sum_is_one_node() -> None:
    x, y, z = vector(), vector(), vector()
    total = m.add(x, y, z)
    assert len(total.owner.inputs) == 3
    values = [RNG.normal(size=4) for _ in range(3)]
    np.testing.assert_allclose(evaluate(total, [x, y, z], values), sum(values))


def test_any_array_like_is_an_operand() -> None:
    np.testing.assert_array_equal(evaluate(m.exp([0.0, 1.0])), np.exp([0.0, 1.0]))
    np.testing.assert_array_equal(evaluate(m.add([1, 2], 3)), [4, 5])
    with pytest.raises(AsTensorError, match=r"(?s)can't be turned into a tensor.*got: str"):
        m.exp("one")


# ---------------------------------------------------------------------------------------------
# Broadcasting
# ---------------------------------------------------------------------------------------------


def test_ranks_are_padded_on_the_left_by_dimshuffle() -> None:
    z = matrix() + vector()
    assert isinstance(z.owner.inputs[1].owner.op, DimShuffle)
    assert z.owner.inputs[1].owner.op.new_order == ("x", 0)


@pytest.mark.parametrize(
    ("a", "b", "expected"),
    [
        ((False, False), (False, False), (False, False)),
        ((True, False), (False, False), (False, False)),
        ((True, False), (True, True), (True, False)),
        ((), (True,), (True,)),
    ],
)
def test_a_result_is_broadcastable_where_all_operands_are(a, b, expected) -> None:
    assert (tensor("float64", a) + tensor("float64", b)).broadcastable == expected


@pytest.mark.parametrize("la", LENGTHS)
@pytest.mark.parametrize("lb", LENGTHS)
def test_broadcasting_is_decided_at_run_time(la: int, lb: int) -> None:
    x, y = matrix("x"), matrix("y")
    a, b = RNG.normal(size=(3, la)), RNG.normal(size=(1, lb))
    z = x * y
    if la == lb or 1 in (la, lb):
        found = check_contract(z.owner, [a, b])[0]
        np.testing.assert_allclose(found, a * b)
    else:
        with pytest.raises(ShapeError, match=r"(?s)do not fit together.*\(3, \d\), \(1, \d\)"):
            evaluate(z, [x, y], [a, b])


@pytest.mark.parametrize("la", [1, 2])
@pytest.mark.parametrize("lb", [1, 2])
def test_gradients_undo_run_time_broadcasting(la: int, lb: int) -> None:
    check_gradient(
        lambda x, y: m.exp(x) * y + x / (2 + y * y),
        [RNG.normal(size=(3, la)), RNG.normal(size=(1, lb))],
    )


def test_gradients_of_mixed_ranks() -> None:
    check_gradient(
        lambda x, y, z: x * y + z * y,
        [RNG.normal(size=(2, 3)), RNG.normal(size=3), RNG.normal(size=())],
    )


@pytest.mark.parametrize("shape", [(0, 3), (1, 0), (1, 1), ()])
def test_empty_and_single_element_operands(shape: tuple[int, ...]) -> None:
    x = tensor("float64", (False,) * len(shape))
    a = RNG.normal(size=shape)
    found = check_contract(m.tanh(x).owner, [a])[0]
    np.testing.assert_allclose(found, np.tanh(a))
    (g,) = gradients(Sum()(m.tanh(x)), [x])
    np.testing.assert_allclose(evaluate(g, [x], [a]), 1 - np.tanh(a) ** 2, rtol=1e-12)


def test_strided_operands() -> None:
    x, y = matrix(), matrix()
    a = np.asfortranarray(RNG.normal(size=(4, 6)))[::-1, ::2]
    b = RNG.normal(size=(3, 4)).T
    np.testing.assert_allclose(check_contract((x - y).owner, [a, b])[0], a - b)


def test_known_lengths_that_differ_are_an_error_at_the_line_that_wrote_it() -> None:
    x = matrix("x", shape=(None, 3))
    y = vector("y", shape=(4,))
    with pytest.raises(ShapeError) as error:
        x + y
    text = str(error.value)
    assert "along axis 1" in text
    assert "x of shape (?, 3)" in text
    assert "(1, 4)" in text
    assert "test_elemwise.py" in text
    assert isinstance(error.value, ValueError)


def test_known_lengths_travel_through_ops_but_not_through_types() -> None:
    x = matrix("x", shape=(None, 3))
    with pytest.raises(ShapeError):
        m.exp(x * 2).T + np.ones((2, 5))
    other = x.type()
    other + vector(shape=(4,))  # a fresh variable of the same type promises nothing


def test_a_length_of_one_is_repeated_and_zero_is_a_length() -> None:
    one, zero, two = (vector(shape=(n,)) for n in (1, 0, 2))
    assert (one + zero).type == zero.type
    with pytest.raises(ShapeError):
        zero + two


# ---------------------------------------------------------------------------------------------
# Where sum_to appears
# ---------------------------------------------------------------------------------------------


def sum_tos(expressions) -> int:
    return sum(isinstance(n.op, SumTo) for n in toposort(list(expressions)))


def test_sum_to_appears_only_where_something_may_be_broadcast() -> None:
    x, y = matrix("x"), matrix("y")
    assert sum_tos(gradients(Sum()(x * y), [x, y])) == 2
    assert sum_tos(gradients(Sum()(m.tanh(x) * x + m.exp(2 * x)), [x])) == 0
    assert sum_tos(gradients(Sum()(x * row()), [x])) == 1
    assert sum_tos(gradients(Sum()(x * scalar()), [x])) == 0


def test_static_broadcast_axes_are_plain_sums() -> None:
    r, c = row(), col()
    grads = gradients(Sum()(m.exp(c) * m.exp(r)), [c, r])
    assert sum_tos(grads) == 0
    assert [g.broadcastable for g in grads] == [(False, True), (True, False)]


# ---------------------------------------------------------------------------------------------
# Dtypes
# ---------------------------------------------------------------------------------------------


def test_weak_policy_python_numbers_never_widen() -> None:
    with change_flags(floatX="float32", cast_policy="weak"):
        assert (fvector() * 0.1).dtype == "float32"
        assert (ivector() * 2).dtype == "int32"
        assert (ivector() * 0.5).dtype == "float32"
        assert (fvector() + lvector()).dtype == "float32"
        assert m.exp(lvector()).dtype == "float32"
        assert (lvector() / 2).dtype == "float32"
        assert (zmatrix() * 2).dtype == "complex128"
    assert (fvector() * 0.1).dtype == "float32"
    assert (fvector() * np.float64(0.1)).dtype == "float64"


def test_custom_policy_is_theanos_table() -> None:
    with change_flags(cast_policy="custom"):
        assert (fvector() * 0.5).dtype == "float32"
        assert (fvector() * 0.1).dtype == "float64"
        assert (fvector() + ivector()).dtype == "float64"
        assert (lscalar() / lscalar()).dtype == "float64"
        assert (tensor("int8", ()) + 300).dtype == "int16"
        with change_flags(floatX="float32"):
            assert (fvector() * 0.1).dtype == "float32"


def test_numbers_that_do_not_fit() -> None:
    x = tensor("uint8", (False,), name="x")
    with pytest.raises(LiteralOverflowError, match=r"(?s)300 does not fit uint8.*0 to 255"):
        x - 300
    values = np.array([0, 255], "uint8")
    np.testing.assert_array_equal(evaluate(x < 300, [x], [values]), [True, True])
    np.testing.assert_array_equal(evaluate(x > -1, [x], [values]), [True, True])


def test_the_condition_of_switch_does_not_decide_about_dtypes() -> None:
    c, x = lvector(), fvector()
    out = m.switch(c, x, 0.1)
    assert out.dtype == "float32"
    found = evaluate(out, [c, x], [[0, 2], np.float32([1, 2])])
    np.testing.assert_array_equal(found, np.float32([0.1, 2]))
    assert m.switch(x > 0, 1, 2).dtype == "int64"


def test_a_graph_keeps_the_policy_it_was_built_under() -> None:
    with change_flags(cast_policy="custom"):
        f, i = fscalar(), lscalar()
        out = f * i
    assert out.dtype == "float64"
    found = evaluate(out, [f, i], [np.float32(1 / 3), 2**24 + 1])
    assert found == np.float64(np.float32(1 / 3)) * (2**24 + 1)
    check_contract(out.owner, [np.float32(1 / 3), 2**24 + 1])


def test_refused_dtypes_name_the_operands() -> None:
    with pytest.raises(DTypeError) as error:
        vector("x") & ivector("i")
    assert "operand 0: x of type TensorType(float64, vector)" in str(error.value)
    with pytest.raises(TypeError):
        tensor("bool", ()) - tensor("bool", ())


def test_wrong_number_of_operands() -> None:
    with pytest.raises(TypeError, match=r"(?s)exp: wrong number of operands.*got: 2"):
        m.exp(1.0, 2.0)


def test_cast() -> None:
    x = fmatrix("x")
    assert cast(x, "float32") is x
    assert cast(x, "floatX").dtype == "float64"
    found = evaluate(cast(x, "int8"), [x], [np.float32([[1.7, -1.7]])])
    np.testing.assert_array_equal(found, np.int8([[1, -1]]))
    with pytest.raises(TypeError, match="use real"):
        cast(zmatrix(), "float64")
    check_gradient(lambda v: cast(cast(v, "complex128"), "complex128").real * v, [np.ones(2)])


def test_dtype_of_a_gradient_is_that_of_its_variable() -> None:
    f, d = fvector(), vector()
    cost = Sum()(f * d)
    assert [g.dtype for g in gradients(cost, [f, d])] == ["float32", "float64"]


# ---------------------------------------------------------------------------------------------
# Gradients of discrete things
# ---------------------------------------------------------------------------------------------


def test_discrete_results_pass_no_gradient_but_are_connected() -> None:
    x = vector()
    (g,) = gradients(Sum()(cast(x > 0, "float64") * 3), [x])
    np.testing.assert_array_equal(evaluate(g, [x], [[1.0, -1.0]]), [0, 0])


def test_gradients_for_integer_operands_are_those_of_real_numbers() -> None:
    i, x = lvector(), vector()
    (g,) = gradients(Sum()(i * x), [i])
    assert g.dtype == "float64"
    np.testing.assert_array_equal(evaluate(g, [i, x], [[1, 2], [0.5, 7]]), [0.5, 7])


def test_fill_does_not_depend_on_the_values_of_its_model() -> None:
    x, y = vector(), scalar()
    out = m.fill(x, y)
    assert out.owner.op.connection_pattern(out.owner) == [[False], [True]]
    (g,) = out.owner.op.L_op(out.owner.inputs, [out], [vector()])[:1]
    assert isinstance(g.type, DisconnectedType)
    np.testing.assert_array_equal(evaluate(out, [x, y], [[1, 2, 3], 5.0]), [5, 5, 5])
    check_contract(out.owner, [np.ones(3), np.ones(1)])


def test_undefined_derivatives_are_null() -> None:
    x, y = vector(), vector()
    out = m.gammainc(x, y)
    terms = out.owner.op.L_op([x, y], [out], [vector()])
    assert isinstance(terms[0].type, NullType) or terms[0].type.ndim == 1
    assert terms[1].type.ndim == 1


def test_disconnected_gradients_stay_disconnected() -> None:
    x = vector()
    out = m.exp(x)
    (term,) = out.owner.op.L_op([x], [out], [DisconnectedType()()])
    assert isinstance(term.type, DisconnectedType)


UNARY = (
    "neg sqr sqrt abs_ inv exp exp2 expm1 log log2 log10 log1p sigmoid softplus sin cos tan arcsin "
    "arccos arctan sinh cosh tanh arcsinh arctanh deg2rad rad2deg erf erfc gamma gammaln psi "
    "xlogx tensor_copy"
).split()


@pytest.mark.parametrize("name", UNARY)
def test_unary_gradients(name: str) -> None:
    check_gradient(getattr(m, name), [np.array([0.2, 0.5, 0.9])], tolerance=1e-4)


@pytest.mark.parametrize(
    "name", "add sub mul true_div pow maximum minimum mod arctan2 logaddexp xlogy0".split()
)
def test_binary_gradients(name: str) -> None:
    a, b = np.array([[0.3, 1.7], [2.3, 0.4]]), np.array([[1.1, 0.6]])
    check_gradient(getattr(m, name), [a, b], tolerance=1e-4)


def test_gradients_of_switch_and_clip() -> None:
    a, b = RNG.normal(size=4), RNG.normal(size=(2, 4))
    check_gradient(lambda x, y: m.switch(x > 0, x * y, y), [a, b])
    check_gradient(lambda x: m.clip(x, -0.5, 0.5), [b])


def test_complex_functions() -> None:
    check_gradient(
        lambda a, b: m.real(m.complex(a, b) * m.complex(b, a) ** 2), [RNG.normal(size=3)] * 2
    )
    check_gradient(lambda a, b: m.abs_(m.complex(a, b)), [RNG.normal(size=3) + 2] * 2)


# ---------------------------------------------------------------------------------------------
# Forward mode
# ---------------------------------------------------------------------------------------------


def test_r_op_is_the_directional_derivative() -> None:
    x, y, dx, dy = matrix(), vector(), matrix(), vector()
    out = x * y
    a, b, da, db = (RNG.normal(size=s) for s in [(2, 3), (3,), (2, 3), (3,)])
    inputs = out.owner.inputs
    points = [dx, dy.dimshuffle("x", 0)]
    (slope,) = out.owner.op.R_op(inputs, points)
    found = evaluate(slope, [x, y, dx, dy], [a, b, da, db])
    np.testing.assert_allclose(found, da * b + a * db)
    (slope,) = out.owner.op.R_op(inputs, [None, points[1]])
    np.testing.assert_allclose(evaluate(slope, [x, y, dy], [a, b, db]), a * db)
    assert out.owner.op.R_op(inputs, [None, None]) == [None]


def test_r_op_of_discrete_results_is_zero() -> None:
    x, dx = vector(), vector()
    out = x > 0
    (slope,) = out.owner.op.R_op(out.owner.inputs, [dx, None])
    np.testing.assert_array_equal(evaluate(slope, [x, dx], [[1.0], [2.0]]), [0.0])


# ---------------------------------------------------------------------------------------------
# Identity of ops
# ---------------------------------------------------------------------------------------------


def test_named_ops_pickle_by_name_and_are_those_that_operators_build() -> None:
    assert pickle.loads(pickle.dumps(m.exp)) is m.exp
    assert (vector() + 1).owner.op is m.add
    assert elemwise_of(REGISTRY["tanh"]) is m.tanh
    assert m.tanh.scalar_op is REGISTRY["tanh"]


def test_unnamed_ops_are_equal_by_scalar_op_and_pattern() -> None:
    one, two = Elemwise(REGISTRY["exp"]), Elemwise(REGISTRY["exp"])
    assert one == two == m.exp
    assert hash(one) == hash(two)
    inplace = Elemwise(REGISTRY["exp"], {0: 0})
    assert inplace != one
    assert inplace.destroy_map == {0: [0]}
    assert pickle.loads(pickle.dumps(inplace)) == inplace


def test_inplace_ops_refuse_operands_they_can_not_write_into() -> None:
    inplace = Elemwise(REGISTRY["exp"], {0: 0})
    with pytest.raises(TypeError, match="can't write a float64 result"):
        inplace(lvector())
    x = vector()
    a = np.ones(3)
    np.testing.assert_allclose(evaluate(inplace(x), [x], [a]), np.exp(1) * np.ones(3))
    np.testing.assert_array_equal(a, 1)


def composite(n_out: int) -> Composite:
    ctx = Context()
    x, y = ctx.arg(0, "float64"), ctx.arg(1, "float64")
    return Composite([x, y], [x * y + x, REGISTRY["exp"](x) - y][:n_out])


def test_composites() -> None:
    op = Elemwise(composite(1))
    x, y = matrix(), vector()
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    found = check_contract(op(x, y).owner, [a, b[None]])[0]
    np.testing.assert_allclose(found, a * b + a)
    check_gradient(op, [a, b])


def test_composites_with_two_results() -> None:
    op = Elemwise(composite(2))
    x, y = matrix(), vector()
    a, b = RNG.normal(size=(2, 3)), RNG.normal(size=3)
    first, second = evaluate(op(x, y), [x, y], [a, b])
    np.testing.assert_allclose(first, a * b + a)
    np.testing.assert_allclose(second, np.exp(a) - b)
    check_gradient(lambda u, v: op(u, v)[0] * op(u, v)[1], [a, b])


def test_long_chains_build_and_differentiate_without_recursion() -> None:
    x = scalar("x")
    y = x
    for _ in range(3000):
        y = m.sin(y)
    (g,) = gradients(y, [x])
    value = 0.5
    slope = 1.0
    for _ in range(3000):
        slope *= np.cos(value)
        value = np.sin(value)
    np.testing.assert_allclose(evaluate(g, [x], [0.5]), slope, rtol=1e-9)


def test_rounding_and_closeness() -> None:
    x = vector()
    a = np.array([-2.5, -0.5, 0.5, 1.5, 2.4])
    np.testing.assert_array_equal(evaluate(m.round(x), [x], [a]), np.round(a))
    away = evaluate(m.round(x, "half_away_from_zero"), [x], [a])
    np.testing.assert_array_equal(away, [-3, -1, 1, 2, 2])
    assert m.iround(x).dtype == "int64"
    with pytest.raises(ValueError, match="half_to_even"):
        m.round(x, "up")
    special = np.array([np.nan, np.inf, -np.inf, 1.0, 1.0])
    other = np.array([np.nan, np.inf, np.inf, 1.0 + 1e-9, 1.1])
    for equal_nan in (False, True):
        found = evaluate(m.isclose(special, other, equal_nan=equal_nan))
        np.testing.assert_array_equal(found, np.isclose(special, other, equal_nan=equal_nan))
    assert not evaluate(m.allclose([0, 1], [0, 255]))
    assert evaluate(m.isclose(np.uint8([1]), np.uint8([2]), atol=0.5)).tolist() == [False]


def test_smallest_largest_and_ceil_intdiv() -> None:
    x, y, z = (np.array(v) for v in ([1.0, 5], [2.0, 3], [3.0, 4]))
    np.testing.assert_array_equal(evaluate(m.smallest(x, y, z)), [1, 3])
    np.testing.assert_array_equal(evaluate(m.largest(x, y, z)), [3, 5])
    a = np.array([0, 1, 4, 5, -5])
    np.testing.assert_array_equal(evaluate(m.ceil_intdiv(a, 4)), [0, 1, 1, 2, -1])


def test_constants_are_shared_between_nodes() -> None:
    x = dmatrix()
    assert (x * 2).owner.inputs[1].owner.inputs[0] is constant(2.0)
