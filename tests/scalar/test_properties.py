"""Declared properties of the records, checked on numbers."""

import copy
import itertools
import pickle

import numpy as np
import pytest

from symc.dtypes import DTYPES
from symc.scalar.evaluate import evaluate
from symc.scalar.op import REGISTRY, by_name, register
from tests.scalar.cunit import accepts, arity, expression
from tests.scalar.values import random_values, special_values

REAL = ("bool", "int8", "uint8", "int64", "float32", "float64")


def having(attribute):
    return [n for n, op in REGISTRY.items() if getattr(op, attribute) not in (None, False, 0)]


def dtypes_of(name, dtypes=REAL):
    return [d for d in dtypes if accepts(REGISTRY[name], d)]


def values(dtype, seed=0):
    return np.concatenate([special_values(dtype), random_values(dtype, 60, seed)])


def domain(name, x):
    """Operands at which a real function has a finite value."""
    with np.errstate(all="ignore"):
        y = REGISTRY[name].numpy_eval(x)
    ok = np.isfinite(x) & np.isfinite(y)
    return x[ok], y[ok]


@pytest.mark.parametrize("name", having("commutative"))
def test_commutative(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name):
        a, b = np.meshgrid(values(dtype), values(dtype, 1))
        np.testing.assert_array_equal(op.numpy_eval(a, b), op.numpy_eval(b, a))


@pytest.mark.parametrize("name", having("associative"))
def test_associative(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name):
        a, b, c = (random_values(dtype, 50, seed) for seed in range(3))
        left, right = op.numpy_eval(op.numpy_eval(a, b), c), op.numpy_eval(a, op.numpy_eval(b, c))
        if left.dtype.kind == "f":
            size = max(float(np.abs(v).max()) for v in (a, b, c))
            np.testing.assert_allclose(left, right, rtol=1e-5, atol=1e-5 * size)
        else:
            np.testing.assert_array_equal(left, right)


@pytest.mark.parametrize("name", having("idempotent"))
def test_idempotent(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name):
        x = values(dtype)
        if arity(op) == 2:
            np.testing.assert_array_equal(op.numpy_eval(x, x), x)
        else:
            once = op.numpy_eval(x)
            np.testing.assert_array_equal(op.numpy_eval(once), once)


@pytest.mark.parametrize("name", [*having("identity"), "add", "or_", "xor"])
def test_identity(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name):
        x = values(dtype)
        neutral = np.asarray(op.identity).astype(dtype)
        np.testing.assert_array_equal(op.numpy_eval(x, neutral), x)


@pytest.mark.parametrize("name", [*having("absorbing"), "mul", "and_"])
def test_absorbing(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name):
        x = values(dtype)
        x = x[np.isfinite(x)]
        zero = np.asarray(op.absorbing).astype(dtype)
        np.testing.assert_array_equal(op.numpy_eval(x, zero), np.full(x.shape, zero))


@pytest.mark.parametrize("name", having("inverse_of"))
def test_inverse(name):
    op = REGISTRY[name]
    x = np.random.default_rng(3).uniform(-3, 3, 200)
    if op.kinds == "biu":
        x = values("int8")
    x, y = domain(op.inverse_of, x)
    back = op.numpy_eval(y)
    ok = np.isfinite(back) & (np.abs(y) < 0.99) if op.inverse_of == "erf" else np.isfinite(back)
    np.testing.assert_allclose(back[ok], x[ok], rtol=1e-9, atol=1e-9)
    assert ok.any()


@pytest.mark.parametrize("name", having("monotone"))
def test_monotone(name):
    op = REGISTRY[name]
    for dtype in dtypes_of(name, ("float32", "float64", "int64")):
        x, y = domain(name, np.sort(values(dtype)))
        steps = np.diff(y.astype(float)) * op.monotone
        room = 4 * np.finfo(float if y.dtype.kind != "f" else y.dtype).eps * np.abs(y[1:])
        branches = np.flatnonzero(steps < -room)
        if name in ("inv", "neg") and dtype == "int64":
            continue  # the least integer is its own negative
        assert branches.size == 0, (dtype, x[branches], x[branches + 1])


@pytest.mark.parametrize("name", having("zero_at_zero"))
def test_zero_at_zero(name):
    for dtype in dtypes_of(name):
        assert REGISTRY[name].numpy_eval(np.zeros((), dtype)) == 0


@pytest.mark.parametrize("name", having("range"))
def test_range(name):
    op = REGISTRY[name]
    low, high = op.range
    for dtype in dtypes_of(name, ("float64", "int8")):
        x = values(dtype)
        grids = np.meshgrid(*[x] * arity(op)) if arity(op) < 3 else [x, x, x[::-1]]
        y = op.numpy_eval(*grids)
        y = y[~np.isnan(y)] if y.dtype.kind == "f" else y
        if dtype == "int8" and name in ("sqr", "abs_"):
            continue  # these wrap
        rounding = 1e-12 if name == "gammainc" else 0
        assert low is None or y.min() >= low - rounding
        assert high is None or y.max() <= high + rounding


@pytest.mark.parametrize("name", [n for n, op in REGISTRY.items() if op.expand is not None])
def test_expansion_means_the_same(name):
    op = REGISTRY[name]
    for dtype in ("float32", "float64"):
        grid = list(itertools.product(*[special_values(dtype)[:8]] * arity(op)))
        columns = [
            np.concatenate([[row[i] for row in grid], random_values(dtype, 60, i)]).astype(dtype)
            for i in range(arity(op))
        ]
        root = op.expansion(dtype, arity(op))
        args = {root.ctx.arg(i, dtype): column for i, column in enumerate(columns)}
        got, expected = evaluate([root], args)[0], op.numpy_eval(*columns)
        eps = np.finfo(dtype).eps
        np.testing.assert_allclose(got, expected, rtol=2000 * eps, atol=20 * eps)


@pytest.mark.parametrize("name", list(REGISTRY))
def test_pickling_gives_the_same_object(name):
    op = REGISTRY[name]
    assert pickle.loads(pickle.dumps(op)) is op
    assert copy.deepcopy(op) is op
    assert by_name(name) is op


def test_theano_class_names():
    names = {
        "add": "Add", "mul": "Mul", "sub": "Sub", "true_div": "TrueDiv", "int_div": "IntDiv",
        "mod": "Mod", "pow": "Pow", "switch": "Switch", "second": "Second", "clip": "Clip",
        "identity": "Identity", "eq": "EQ", "neq": "NEQ", "lt": "LT", "exp": "Exp", "log": "Log",
        "tanh": "Tanh", "sigmoid": "ScalarSigmoid", "softplus": "ScalarSoftplus", "abs_": "Abs",
        "sqr": "Sqr", "inv": "Inv", "neg": "Neg", "sgn": "Sgn", "and_": "AND", "or_": "OR",
        "xor": "XOR", "invert": "Invert", "isnan": "IsNan", "isinf": "IsInf", "gammaln": "GammaLn",
        "round_half_to_even": "RoundHalfToEven", "convert_to_float32": "Cast",
        "complex_from_polar": "ComplexFromPolar", "arctan2": "ArcTan2", "inopenrange": "InRange",
    }  # fmt: skip
    for name, cls in names.items():
        assert type(REGISTRY[name]).__name__ == cls


def test_a_name_is_taken_once():
    with pytest.raises(ValueError, match="'add' exists already"):
        register(REGISTRY["add"])


def test_one_type_reaches_every_template():
    for name, op in REGISTRY.items():
        for dtype in DTYPES:
            if accepts(op, dtype) and arity(op) > 1:
                for node in [expression(name, dtype)]:
                    types = {a.dtype for a in node.args[1 if name == "switch" else 0 :]}
                    assert len(types) == 1 or name == "second"
