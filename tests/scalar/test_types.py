"""Dtypes of results under both cast policies, and how numbers and casts enter expressions."""

import numpy as np
import pytest

from symc.config import change_flags, config
from symc.dtypes import DTYPES
from symc.errors import DTypeError, LiteralOverflowError
from symc.scalar.arith import add, clip, int_div, maximum, neg, pow, sub, true_div
from symc.scalar.complex import complex, imag, real
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context
from symc.scalar.logic import and_, cast, eq, invert, isnan, lt, second, switch
from symc.scalar.math import ceil, exp, sqrt
from symc.scalar.op import CASTS, REGISTRY
from symc.scalar.special import erf

# op, operand dtypes, result under: weak with floatX=float32, weak with float64, custom (float64)
TABLE = [
    (add, ("float32", "int64"), ("float32", "float64", "float64")),
    (add, ("float32", "int8"), ("float32", "float32", "float32")),
    (add, ("int8", "uint8"), ("int16", "int16", "int16")),
    (add, ("bool", "bool"), ("bool", "bool", "bool")),
    (add, ("bool", "int8"), ("int8", "int8", "int8")),
    (add, ("float16", "float16"), ("float16", "float16", "float16")),
    (add, ("float32", "complex64"), ("complex64", "complex64", "complex64")),
    (add, ("uint64", "int64"), ("float32", "float64", "float64")),
    (add, ("int8", "int32", "float32"), ("float32", "float64", "float64")),
    (true_div, ("int64", "int64"), ("float32", "float64", "float64")),
    (true_div, ("float32", "float32"), ("float32", "float32", "float32")),
    (int_div, ("int32", "int32"), ("int32", "int32", "int32")),
    (pow, ("int32", "int32"), ("int32", "int32", "int32")),
    (pow, ("bool", "bool"), ("int8", "int8", "int8")),
    (neg, ("uint8",), ("uint8", "uint8", "uint8")),
    (exp, ("int8",), ("float32", "float64", "float32")),
    (exp, ("int64",), ("float32", "float64", "float64")),
    (exp, ("bool",), ("float32", "float64", "float32")),
    (exp, ("float16",), ("float16", "float16", "float16")),
    (exp, ("complex128",), ("complex128", "complex128", "complex128")),
    (ceil, ("int32",), ("float32", "float64", "float64")),
    (lt, ("int8", "float64"), ("bool", "bool", "bool")),
    (eq, ("complex64", "complex64"), ("bool", "bool", "bool")),
    (isnan, ("int8",), ("bool", "bool", "bool")),
    (switch, ("bool", "float32", "int8"), ("float32", "float32", "float32")),
    (switch, ("float64", "int8", "int8"), ("int8", "int8", "int8")),
    (second, ("float64", "int8"), ("int8", "int8", "int8")),
    (and_, ("int8", "int32"), ("int32", "int32", "int32")),
    (invert, ("bool",), ("bool", "bool", "bool")),
    (real, ("complex64",), ("float32", "float32", "float32")),
    (imag, ("int8",), ("int8", "int8", "int8")),
    (complex, ("float32", "float64"), ("complex128", "complex128", "complex128")),
    (complex, ("float16", "float16"), ("complex64", "complex64", "complex64")),
    (REGISTRY["abs_"], ("complex128",), ("float64", "float64", "float64")),
    (REGISTRY["angle"], ("complex64",), ("float32", "float32", "float32")),
    (maximum, ("float32", "float64"), ("float64", "float64", "float64")),
    (clip, ("float32", "int8", "int8"), ("float32", "float32", "float32")),
]


@pytest.mark.parametrize(("op", "dtypes", "expected"), TABLE, ids=str)
def test_result_dtypes(op, dtypes, expected):
    for floatX, policy, result in zip(
        ("float32", "float64", "float64"), ("weak", "weak", "custom"), expected, strict=True
    ):
        with change_flags(floatX=floatX, cast_policy=policy):
            assert op.out_dtype(*dtypes) == result
            arrays = [np.ones((), d) for d in dtypes]
            assert op.numpy_eval(*arrays).dtype == result


def test_numpy_agrees_on_dtypes_of_arithmetic():
    """Under the custom policy two operands combine as in NumPy."""
    with change_flags(cast_policy="custom"):
        for a in DTYPES:
            for b in DTYPES:
                expected = (np.ones(1, a) + np.ones(1, b)).dtype.name
                assert add.out_dtype(a, b) == expected, (a, b)


@pytest.mark.parametrize(
    ("op", "dtypes"),
    [
        (sub, ("bool", "bool")),
        (neg, ("bool",)),
        (and_, ("float32", "int8")),
        (and_, ("uint64", "int64")),
        (invert, ("float64",)),
        (lt, ("complex64", "float32")),
        (erf, ("complex64",)),
        (maximum, ("complex64", "complex64")),
        (complex, ("complex64", "float32")),
        (REGISTRY["sgn"], ("complex64",)),
    ],
)
def test_refused_dtypes(op, dtypes):
    with pytest.raises(TypeError) as caught:
        op.out_dtype(*dtypes)
    assert isinstance(caught.value, DTypeError)
    for dtype in dtypes:
        assert dtype in str(caught.value)
    with pytest.raises(DTypeError):
        op.numpy_eval(*[np.ones((), d) for d in dtypes])


def test_wrong_number_of_operands():
    ctx = Context()
    x = ctx.arg(0, "float32")
    with pytest.raises(TypeError, match=r"exp: wrong number of operands\n  got: 2\n  expected: 1"):
        exp(x, x)
    with pytest.raises(TypeError, match="sub"):
        sub(x)
    with pytest.raises(TypeError, match="add: wrong number"):
        ctx.call(add, ())


@pytest.mark.parametrize("policy", ["weak", "custom"])
def test_numbers_do_not_widen_expressions(policy):
    ctx = Context()
    with change_flags(cast_policy=policy):
        for dtype in ("float16", "float32", "float64", "int8", "uint64", "complex64"):
            x = ctx.arg(0, dtype)
            assert (x + 1).dtype == dtype
            assert (2 * x).dtype == dtype
        for dtype in ("float16", "float32", "complex64"):
            x = ctx.arg(0, dtype)
            assert (x * 0.1).dtype == dtype
            assert maximum(x if dtype != "complex64" else real(x), 0.5).dtype != "float64"
        assert (ctx.arg(0, "int32") * 0.5).dtype == config.floatX
        assert (ctx.arg(0, "float32") * 1j).dtype == "complex64"
        assert (ctx.arg(0, "bool") & True).dtype == "bool"
        assert (ctx.arg(0, "float32") * np.float64(2)).dtype == "float64"
        x = ctx.arg(0, "float32")
        assert switch(x > 0, x, 0).dtype == "float32"
        assert switch(x > 0, 1, 0).dtype == "int64"
        assert clip(x, -1, 1).dtype == "float32"


def test_an_integer_that_does_not_fit_is_an_error():
    ctx = Context()
    with pytest.raises(LiteralOverflowError, match="300"):
        ctx.arg(0, "int8") + 300


def test_casts_are_inserted_so_that_operands_have_one_type():
    ctx = Context()
    y = ctx.arg(0, "int8") + ctx.arg(1, "float32")
    assert [a.dtype for a in y.args] == ["float32", "float32"]
    z = ctx.arg(0, "int16") < ctx.arg(1, "int32")
    assert [a.dtype for a in z.args] == ["int32", "int32"]
    assert z.dtype == "bool"
    root = sqrt(ctx.arg(0, "int32"))
    assert [a.dtype for a in root.args] == ["float64"]


def test_float16_is_computed_in_float32_and_rounded_after_every_op():
    ctx = Context()
    x = ctx.arg(0, "float16")
    y = exp(x)
    assert y.op is CASTS["float16"]
    assert y.args[0].op is exp
    assert y.args[0].dtype == "float32"
    values = np.linspace(-5, 5, 101).astype("float16")
    got = evaluate([x * x + x], {x: values})[0]
    assert got.dtype == np.float16
    np.testing.assert_array_equal(got, values * values + values)
    assert switch(x > 0, x, x + 1).op is switch, "moving values needs no detour"


def test_cast():
    ctx = Context()
    x = ctx.arg(0, "float32")
    assert cast(x, "float32") is x
    assert cast(x, "int8").dtype == "int8"
    assert cast(x, "int8").op.name == "convert_to_int8"
    assert cast(ctx.const(2.7, "float64"), "int32") is ctx.const(2, "int32")
    assert cast(ctx.const(np.nan, "float64"), "int32").kind == "call", "left to the machine"
    assert cast(ctx.const(1e20, "float64"), "int32").kind == "call"
    assert cast(3.7, "int64") == 3


def test_typed_call_settles_the_result():
    """A graph made under one policy is lowered under another."""
    ctx = Context()
    x, n = ctx.arg(0, "float32"), ctx.arg(1, "int64")
    with change_flags(floatX="float32", cast_policy="weak"):
        y = add.typed_call(ctx, [x, n], "float64")
    assert y.dtype == "float64"
    assert [a.dtype for a in y.args] == ["float64", "float64"]
    assert add.typed_call(ctx, [x, x], "float32") is x + x
    h = exp.typed_call(ctx, [ctx.arg(0, "float16")], "float16")
    assert h is exp(ctx.arg(0, "float16"))
    z = exp.typed_call(ctx, [n], "float32")
    assert z.dtype == "float32"
    assert z.args[0].dtype == "float32"


def test_calling_with_numbers_evaluates():
    assert exp(0.0) == 1.0
    assert add(1, 2, 3) == 6
    assert isinstance(add(1, 2), np.int64)
    assert maximum(np.float32(1), np.float32(2)).dtype == np.float32


@pytest.mark.parametrize("name", list(REGISTRY))
def test_records_are_complete(name):
    op = REGISTRY[name]
    assert callable(op.numpy)
    assert op.c is not None or op.expand is not None
    assert op.doc or name.startswith("convert_to")
    assert type(op).__doc__
    assert op.cost >= 0
    assert op.inverse_of is None or REGISTRY[op.inverse_of].inverse_of in (name, None)


def test_signed_and_unsigned_integers_compare_exactly():
    signed = np.array([-1, 0, 2**53, 2**53 + 1, 2**63 - 1, -(2**63)])
    unsigned = np.array([0, 1, 2**53, 2**53 + 1, 2**63 - 1, 2**63, 2**64 - 1], np.uint64)
    ctx = Context()
    a, b = ctx.arg(0, "int64"), ctx.arg(1, "uint64")
    feed = {a: signed[:, None], b: unsigned[None, :]}
    exact = signed.astype(object)[:, None], unsigned.astype(object)[None, :]
    for name, python in [
        ("lt", lambda x, y: x < y),
        ("le", lambda x, y: x <= y),
        ("gt", lambda x, y: x > y),
        ("ge", lambda x, y: x >= y),
        ("eq", lambda x, y: x == y),
        ("neq", lambda x, y: x != y),
    ]:
        op = REGISTRY[name]
        expected = python(*exact).astype(bool)
        np.testing.assert_array_equal(evaluate([op(a, b)], feed)[0], expected)
        np.testing.assert_array_equal(evaluate([op(b, a)], feed)[0], python(*exact[::-1]))
        typed = op.typed_call(ctx, [a, b], "bool")
        np.testing.assert_array_equal(evaluate([typed], feed)[0], expected)
        np.testing.assert_array_equal(op.numpy_eval(*feed.values()), expected)
        assert op.out_dtype("int64", "uint64") == "bool"
