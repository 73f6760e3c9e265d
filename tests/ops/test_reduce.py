from __future__ import annotations

import pickle

import numpy as np
import pytest

from symc.array.constructors import fmatrix, matrix, tensor, tensor3, vector
from symc.config import change_flags
from symc.dtypes import DTYPES
from symc.errors import DTypeError
from symc.ops import argmax as arg
from symc.ops import reduce as r
from symc.ops import statistics as st
from symc.ops.reduce import All, Any_, CAReduce, CAReduceDtype, Max, Prod, ProdWithoutZeros, Sum
from symc.scalar.op import REGISTRY
from tests.helpers import check_gradient, evaluate, gradients
from tests.ops.contract import check_contract

RNG = np.random.default_rng(2)
AXES = [None, 0, 1, -1, (0, 2), (1, -3), (0, 1, 2), ()]
SHAPES = [(2, 3, 4), (1, 3, 1), (0, 3, 2), (2, 0, 1), (1, 1, 1)]
FUNCTIONS = {
    "sum": (r.sum, np.sum),
    "prod": (r.prod, np.prod),
    "max": (r.max, np.max),
    "min": (r.min, np.min),
    "all": (r.all, np.all),
    "any": (r.any, np.any),
}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", FUNCTIONS)
def test_reductions_are_numpys(name: str, shape: tuple[int, ...], axis) -> None:
    ours, numpys = FUNCTIONS[name]
    x = tensor3()
    a = RNG.integers(-2, 3, size=shape).astype("float64")
    out = ours(x, axis=axis)
    try:
        expected = numpys(a, axis=axis)
    except ValueError:
        with pytest.raises(ValueError, match="zero-size array"):
            evaluate(out, [x], [a])
        return
    np.testing.assert_allclose(evaluate(out, [x], [a]), expected)
    kept = evaluate(ours(x, axis=axis, keepdims=True), [x], [a])
    np.testing.assert_allclose(kept, numpys(a, axis=axis, keepdims=True))
    if name not in ("all", "any"):
        check_contract(out.owner, [a])


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("policy", ["weak", "custom"])
def test_dtypes_of_sums_and_products(dtype: str, policy: str) -> None:
    x = tensor(dtype, (False,))
    a = np.array([1, 0, 1]).astype(dtype)
    with change_flags(cast_policy=policy):
        for function in (r.sum, r.prod):
            out = function(x)
            kind = np.dtype(dtype).kind
            expected = {"b": "int64", "i": "int64", "u": "uint64"}.get(kind, dtype)
            assert out.dtype == expected
            check_contract(out.owner, [a])


def test_float32_sums_accumulate_in_float64() -> None:
    x = tensor("float32", (False,))
    a = np.full(3, 1e8, "float32")
    a[1] = 1
    a[2] = -1e8
    assert r.sum(x).owner.op.acc_dtype == "float64"
    assert evaluate(r.sum(x), [x], [a]) == 1
    assert evaluate(r.sum(x, acc_dtype="float32"), [x], [a]) == 0
    half = tensor("float16", (False,))
    assert r.sum(half).owner.op.acc_dtype == "float32"
    assert evaluate(r.sum(half), [half], [np.full(5000, 1, "float16")]) == 5000


def test_requested_dtypes() -> None:
    x = tensor("float32", (False,))
    assert r.sum(x, dtype="float64").dtype == "float64"
    assert r.prod(tensor("int8", (False,)), dtype="int8").dtype == "int8"
    with pytest.raises(DTypeError, match="precision would be lost"):
        r.sum(tensor("complex64", (False,)), dtype="float32")
    with change_flags(cast_policy="custom"), pytest.raises(TypeError):
        r.sum(vector(), dtype="int64")


def test_extremes_propagate_nan_and_refuse_complex_numbers() -> None:
    x = vector()
    a = np.array([1.0, np.nan, 3.0])
    assert np.isnan(evaluate(r.max(x), [x], [a]))
    assert np.isnan(evaluate(r.min(x), [x], [a]))
    with pytest.raises(DTypeError, match="no order"):
        r.max(tensor("complex64", (False,)))
    with pytest.raises(DTypeError, match="no order"):
        arg.argmax(tensor("complex64", (False,)))


@pytest.mark.parametrize("axis", [5, -3, (0, 0), "x", 1.5, True])
def test_wrong_axes(axis) -> None:
    with pytest.raises((ValueError, TypeError), match="axis"):
        r.sum(matrix(), axis=axis)


def test_strided_operands() -> None:
    x = matrix()
    a = RNG.normal(size=(6, 8))[::-2, 1::3]
    np.testing.assert_allclose(check_contract(r.sum(x, axis=0).owner, [a])[0], a.sum(0))


# ---------------------------------------------------------------------------------------------
# Gradients
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, (0, 2), -1])
@pytest.mark.parametrize("name", ["sum", "prod", "max", "min"])
def test_gradients(name: str, axis) -> None:
    check_gradient(lambda x: FUNCTIONS[name][0](x, axis=axis) ** 2, [RNG.normal(size=(2, 3, 2))])


def test_gradient_of_a_product_with_zeros() -> None:
    a = np.array([[1.0, 2.0, 3.0], [0.0, 2.0, 3.0], [0.0, 0.0, 3.0], [4.0, 5.0, 0.0]])
    check_gradient(lambda x: r.prod(x, axis=1), [a])
    check_gradient(lambda x: r.prod(x), [a])
    check_gradient(lambda x: r.prod(x, axis=0, no_zeros_in_input=True), [a + 1])


def test_product_without_zeros() -> None:
    x = matrix()
    a = np.array([[1.0, 0.0, 3.0], [0.0, 0.0, 0.0]])
    out = ProdWithoutZeros(1)(x)
    np.testing.assert_array_equal(evaluate(out, [x], [a]), [3.0, 1.0])
    check_gradient(ProdWithoutZeros(1), [RNG.normal(size=(2, 3))])


def test_gradient_of_max_goes_to_all_elements_that_are_largest() -> None:
    x = vector()
    (g,) = gradients(r.max(x), [x])
    np.testing.assert_array_equal(evaluate(g, [x], [[1.0, 3.0, 3.0]]), [0, 1, 1])


def test_reductions_of_integers_pass_zero_gradients() -> None:
    x = tensor("int64", (False,))
    (term,) = r.sum(x).owner.op.L_op([x], [r.sum(x)], [tensor("float64", ())])
    assert term.dtype == "float64"
    np.testing.assert_array_equal(evaluate(term, [x], [[1, 2]]), [0, 0])


@pytest.mark.parametrize("name", ["sum", "prod", "max"])
def test_forward_derivatives(name: str) -> None:
    x, dx = matrix(), matrix()
    a, da = RNG.normal(size=(2, 3)), RNG.normal(size=(2, 3))
    out = FUNCTIONS[name][0](x, axis=1)
    (slope,) = out.owner.op.R_op([x], [dx])
    eps = 1e-6
    numpys = FUNCTIONS[name][1]
    expected = (numpys(a + eps * da, axis=1) - numpys(a - eps * da, axis=1)) / (2 * eps)
    np.testing.assert_allclose(evaluate(slope, [x, dx], [a, da]), expected, rtol=1e-6)
    assert out.owner.op.R_op([x], [None]) == [None]


# ---------------------------------------------------------------------------------------------
# The op classes
# ---------------------------------------------------------------------------------------------


def test_ops_in_a_graph_have_settled_axes_and_dtypes() -> None:
    op = Sum(axis=-1)(fmatrix()).owner.op
    assert (op.axis, op.dtype, op.acc_dtype) == ((1,), "float32", "float64")
    assert op == Sum(axis=1)(fmatrix()).owner.op
    assert op != Sum(axis=0)(fmatrix()).owner.op
    assert pickle.loads(pickle.dumps(op)) == op
    assert str(op) == "Sum{1}"
    assert Sum()(matrix()).owner.op.axis is None


@pytest.mark.parametrize("scalar", ["add", "mul", "maximum", "minimum"])
def test_generic_reductions(scalar: str) -> None:
    x = matrix()
    a = RNG.normal(size=(2, 3))
    ufunc = {"add": np.add, "mul": np.multiply}.get(scalar) or getattr(np, scalar)
    found = check_contract(CAReduce(REGISTRY[scalar], 1)(x).owner, [a])[0]
    np.testing.assert_allclose(found, ufunc.reduce(a, axis=1))
    assert CAReduceDtype(REGISTRY["add"], 1, "float64")(x).dtype == "float64"


def test_bit_reductions_and_scalar_ops_without_a_ufunc() -> None:
    x = tensor("int64", (False, False))
    a = RNG.integers(0, 255, size=(3, 4))
    for name, ufunc in (("and_", np.bitwise_and), ("or_", np.bitwise_or), ("xor", np.bitwise_xor)):
        found = check_contract(CAReduce(REGISTRY[name], 0)(x).owner, [a])[0]
        np.testing.assert_array_equal(found, ufunc.reduce(a, axis=0))
    y = matrix()
    b = RNG.normal(size=(3, 4))
    found = evaluate(CAReduce(REGISTRY["logaddexp"], 0)(y), [y], [b])
    np.testing.assert_allclose(found, np.logaddexp.reduce(b, axis=0))
    with pytest.raises(TypeError, match="two operands"):
        CAReduce(REGISTRY["exp"])


def test_logic_takes_any_dtype() -> None:
    x = matrix()
    a = np.array([[0.0, 2.0], [1.0, np.nan]])
    np.testing.assert_array_equal(evaluate(All(1)(x), [x], [a]), a.all(1))
    np.testing.assert_array_equal(evaluate(Any_(0)(x), [x], [a]), a.any(0))
    check_contract(All(1)(x > 0).owner, [a > 0])
    check_contract(Any_(1)(x > 0).owner, [np.zeros((2, 0), bool)])
    assert str(Max((0,))) == "Max{0}"
    assert Prod(1).with_dtypes((1,), "float64", "float64").no_zeros_in_input is False


# ---------------------------------------------------------------------------------------------
# argmax and argmin
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, -1, 1])
@pytest.mark.parametrize("shape", [(2, 3, 4), (1, 1, 5), (3, 1, 1)])
def test_argmax_is_numpys(axis, shape) -> None:
    x = tensor3()
    a = RNG.integers(0, 4, size=shape).astype("float64")
    for ours, numpys in ((arg.argmax, np.argmax), (arg.argmin, np.argmin)):
        out = ours(x, axis=axis)
        assert out.dtype == "int64"
        np.testing.assert_array_equal(evaluate(out, [x], [a]), numpys(a, axis=axis))
        kept = evaluate(ours(x, axis=axis, keepdims=True), [x], [a])
        np.testing.assert_array_equal(kept, numpys(a, axis=axis, keepdims=True))


def test_argmax_joins_several_axes() -> None:
    x = tensor3()
    a = RNG.normal(size=(2, 3, 4))
    found = evaluate(arg.argmax(x, axis=(0, 2)), [x], [a])
    np.testing.assert_array_equal(found, a.transpose(1, 0, 2).reshape(3, -1).argmax(1))
    largest, where = arg.max_and_argmax(x, axis=(0, 2))
    np.testing.assert_array_equal(evaluate(largest, [x], [a]), a.max((0, 2)))
    np.testing.assert_array_equal(evaluate(where, [x], [a]), found)
    both = evaluate(arg.MaxAndArgmax((0, 2))(x), [x], [a])
    np.testing.assert_array_equal(both[0], a.max((0, 2)))
    np.testing.assert_array_equal(both[1], found)
    check_gradient(lambda v: arg.MaxAndArgmax((0, 2))(v)[0], [a])


def test_argmax_of_nan_scalars_and_nothing() -> None:
    x = vector()
    assert evaluate(arg.argmax(x), [x], [[1.0, np.nan, 3.0, np.nan]]) == 1
    s = tensor("float64", ())
    assert evaluate(arg.argmax(s), [s], [3.0]) == 0
    with pytest.raises(ValueError, match="empty sequence"):
        evaluate(arg.argmax(x), [x], [[]])
    out = arg.argmax(x)
    spec = out.owner.op.reduction(out.owner)
    assert (spec.axes, spec.arg, spec.dtype) == ((0,), "argmax", "int64")


# ---------------------------------------------------------------------------------------------
# Statistics
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("axis", [None, 0, -1, (0, 1)])
@pytest.mark.parametrize("keepdims", [False, True])
def test_statistics_are_numpys(axis, keepdims: bool) -> None:
    x = matrix()
    a = RNG.normal(size=(4, 5))
    for ours, numpys in ((st.mean, np.mean), (st.var, np.var), (st.std, np.std)):
        found = evaluate(ours(x, axis=axis, keepdims=keepdims), [x], [a])
        np.testing.assert_allclose(found, numpys(a, axis=axis, keepdims=keepdims))
    for ours, numpys in ((st.var, np.var), (st.std, np.std)):
        found = evaluate(ours(x, axis=axis, ddof=1), [x], [a])
        np.testing.assert_allclose(found, numpys(a, axis=axis, ddof=1))
    found = evaluate(st.var(x, axis=axis, corrected=True), [x], [a + 1e8])
    np.testing.assert_allclose(found, np.var(a + 1e8, axis=axis))


@pytest.mark.parametrize("policy", ["weak", "custom"])
@pytest.mark.parametrize("floatX", ["float32", "float64"])
def test_dtypes_of_statistics(policy: str, floatX: str) -> None:
    with change_flags(cast_policy=policy, floatX=floatX):
        integers = "float64" if policy == "custom" else floatX
        assert st.mean(tensor("int32", (False,))).dtype == integers
        assert st.mean(tensor("float32", (False,))).dtype == "float32"
        assert st.mean(tensor("float16", (False,))).dtype == "float16"
        assert st.var(tensor("float32", (False,))).dtype == "float32"
        wide = "float64" if policy == "custom" else "float32"
        assert st.std(tensor("float32", (False,)), ddof=1).dtype == wide
        assert st.mean(tensor("complex64", (False,))).dtype == "complex64"
    assert st.mean(vector(), dtype="float32").dtype == "float32"
    with pytest.raises(TypeError, match="dtype='int64'"):
        st.mean(vector(), dtype="int64")


def test_means_of_half_precision_do_not_overflow_and_of_nothing_are_nan() -> None:
    h, x = tensor("float16", (False,)), vector()
    assert evaluate(st.mean(h), [h], [np.full(100, 60000, "float16")]) == 60000
    assert np.isnan(evaluate(st.mean(x), [x], [[]]))


def test_variance_of_complex_numbers_is_real() -> None:
    z = tensor("complex128", (False,))
    a = RNG.normal(size=5) + 1j * RNG.normal(size=5)
    np.testing.assert_allclose(evaluate(st.var(z), [z], [a]), np.var(a))
    with change_flags(cast_policy="custom"):
        assert st.var(z).dtype == "complex128"


def test_statistics_of_integers_and_bools() -> None:
    for dtype in ("int8", "uint8", "bool"):
        x = tensor(dtype, (False,))
        a = np.array([1, 0, 1, 1]).astype(dtype)
        for ours, numpys in ((st.mean, np.mean), (st.var, np.var), (st.std, np.std)):
            np.testing.assert_allclose(evaluate(ours(x), [x], [a]), numpys(a))


def test_statistics_have_gradients() -> None:
    a = RNG.normal(size=(3, 4))
    check_gradient(lambda x: st.mean(x, axis=0), [a])
    check_gradient(lambda x: st.var(x, axis=1, ddof=1), [a])
    check_gradient(lambda x: st.std(x), [a])
    check_gradient(lambda x: st.ptp(x, axis=0), [a])
    for order in (1, 2, 3, 2.5, np.inf):
        check_gradient(lambda x, order=order: st.norm(x, order, axis=1), [a])


def test_norms_are_numpys() -> None:
    x = matrix()
    a = RNG.normal(size=(3, 4))
    a[1, 2] = 0
    for order in (0, 1, 2, 3, np.inf, -np.inf):
        found = evaluate(st.norm(x, order, axis=1), [x], [a])
        np.testing.assert_allclose(found, np.linalg.norm(a, order, axis=1))
    z = tensor("complex128", (False,))
    np.testing.assert_allclose(evaluate(st.norm(z, 2), [z], [[3 + 4j, 0]]), 5)


def test_covariances_are_numpys() -> None:
    x, y = matrix(), matrix()
    a, b = RNG.normal(size=(3, 6)), RNG.normal(size=(2, 6))
    f, w = np.array([1, 2, 1, 3, 1, 1]), RNG.uniform(0.5, 2, size=6)
    for kwargs in (
        {},
        {"bias": True},
        {"ddof": 0},
        {"fweights": f},
        {"aweights": w},
        {"fweights": f, "aweights": w},
    ):
        np.testing.assert_allclose(evaluate(st.cov(x, **kwargs), [x], [a]), np.cov(a, **kwargs))
    np.testing.assert_allclose(evaluate(st.cov(x, y), [x, y], [a, b]), np.cov(a, b))
    found = evaluate(st.cov(x, rowvar=False), [x], [a])
    np.testing.assert_allclose(found, np.cov(a, rowvar=False))
    with pytest.raises(ValueError, match="3 axes"):
        st.cov(tensor3())
