"""Gradients of every record against finite differences of its NumPy meaning."""

import numpy as np
import pytest

from symc.dtypes import is_complex
from symc.scalar.evaluate import evaluate
from symc.scalar.expr import Context
from symc.scalar.op import REGISTRY, UNDEFINED
from tests.scalar.cunit import accepts

# Intervals of the operands in which a function is smooth; (-2, 2) by default.
DOMAINS = {
    "log": [(0.1, 3)],
    "log2": [(0.1, 3)],
    "log10": [(0.1, 3)],
    "log1p": [(-0.9, 3)],
    "plain_log": [(0.1, 3)],
    "log1mexp": [(-4, -0.1)],
    "sqrt": [(0.1, 3)],
    "inv": [(0.3, 3)],
    "true_div": [(-2, 2), (0.3, 3)],
    "pow": [(0.1, 2), (-2, 2)],
    "mod": [(0.1, 0.9), (1.1, 1.9)],
    "int_div": [(0.1, 0.9), (1.1, 1.9)],
    "abs_": [(0.2, 2)],
    "sgn": [(0.2, 2)],
    "ceil": [(0.1, 0.4)],
    "floor": [(0.1, 0.4)],
    "trunc": [(0.1, 0.4)],
    "round_half_to_even": [(0.1, 0.4)],
    "round_half_away_from_zero": [(0.1, 0.4)],
    "tan": [(-1, 1)],
    "arcsin": [(-0.9, 0.9)],
    "arccos": [(-0.9, 0.9)],
    "arccosh": [(1.1, 3)],
    "arctanh": [(-0.9, 0.9)],
    "arctan2": [(0.2, 2), (0.2, 2)],
    "angle": [(0.2, 2)],
    "clip": [(-0.4, 0.4), (-2, -1), (1, 2)],
    "erfinv": [(-0.9, 0.9)],
    "erfcinv": [(0.1, 1.9)],
    "gamma": [(0.5, 4)],
    "gammaln": [(0.5, 4)],
    "psi": [(0.5, 4)],
    "chi2sf": [(0.2, 4), (1, 5)],
    "gammainc": [(0.5, 4), (0.2, 4)],
    "gammaincc": [(0.5, 4), (0.2, 4)],
    "gammau": [(0.5, 4), (0.2, 4)],
    "gammal": [(0.5, 4), (0.2, 4)],
    "jv": [(1.5, 4), (0.3, 6)],
    "iv": [(1.5, 4), (0.3, 4)],
    "xlogx": [(0.1, 3)],
    "xlogy0": [(-2, 2), (0.1, 3)],
    "complex_from_polar": [(0.1, 2), (-3, 3)],
}
COUNT = 40


def sample(name, nin):
    rng = np.random.default_rng(len(name))
    intervals = DOMAINS.get(name, [(-2, 2)] * nin)
    return [rng.uniform(low, high, COUNT) for low, high in intervals]


def nin_of(op):
    return 3 if op.nin < 0 else op.nin


def gradients(op, values, dtype, arriving):
    """Values of the gradients that the record gives; None and UNDEFINED stay."""
    ctx = Context()
    xs = [ctx.arg(i, dtype) for i in range(len(values))]
    y = ctx.call(op, xs)
    g = ctx.arg(len(xs), y.dtype)
    terms = op.grad_exprs(g, y, xs)
    assert len(terms) == len(xs)
    feed = dict(zip([*xs, g], [*values, arriving], strict=True))
    return [
        t if t is None or t is UNDEFINED else np.broadcast_to(evaluate([t], feed)[0], (COUNT,))
        for t in terms
    ]


def central_difference(function, values, position, direction=1.0):
    """Derivative along one operand, with error of fourth order in the step."""
    h = 2e-4 * direction

    def at(step):
        moved = list(values)
        moved[position] = values[position] + step * h
        with np.errstate(all="ignore"):
            return function(*moved)

    return (8 * (at(1) - at(-1)) - (at(2) - at(-2))) / (12 * abs(h))


def real_records():
    return [
        name
        for name, op in REGISTRY.items()
        if not name.startswith("convert_to")
        and op.out not in ("bool", "bits", "select")
        and name != "second"
        and accepts(op, "float64")
    ]


@pytest.mark.parametrize("name", real_records())
def test_gradient_is_the_derivative(name):
    op = REGISTRY[name]
    values = sample(name, nin_of(op))
    result = op.numpy_eval(*values)
    rng = np.random.default_rng(0)
    arriving = rng.normal(size=COUNT).astype(result.dtype)
    if is_complex(result.dtype.name):
        arriving = arriving + 1j * rng.normal(size=COUNT)
    for i, term in enumerate(gradients(op, values, "float64", arriving)):
        if term is UNDEFINED:
            continue
        slope = central_difference(op.numpy, values, i)
        expected = np.real(arriving * np.conj(slope))
        given = np.zeros(COUNT) if term is None else term
        np.testing.assert_allclose(given, expected, rtol=3e-8, atol=3e-8)


def complex_records():
    """Records with complex operands that promise a gradient."""
    return [
        name
        for name in real_records()
        if "c" in REGISTRY[name].kinds and name not in ("sgn", "isnan", "isinf")
    ]


@pytest.mark.parametrize("name", complex_records())
def test_complex_gradient_holds_both_partial_derivatives(name):
    op = REGISTRY[name]
    rng = np.random.default_rng(7)
    values = [
        rng.uniform(0.2, 0.8, COUNT) + 1j * rng.uniform(0.2, 0.8, COUNT) for _ in range(nin_of(op))
    ]
    result = op.numpy_eval(*values)
    arriving = rng.normal(size=COUNT)
    if is_complex(result.dtype.name):
        arriving = arriving + 1j * rng.normal(size=COUNT)
    for i, term in enumerate(gradients(op, values, "complex128", arriving)):
        along = central_difference(op.numpy, values, i)
        across = central_difference(op.numpy, values, i, 1j)
        expected = np.real(arriving * np.conj(along)) + 1j * np.real(arriving * np.conj(across))
        np.testing.assert_allclose(term, expected, rtol=1e-7, atol=1e-7)


def test_a_real_operand_of_a_complex_result_gets_a_real_gradient():
    ctx = Context()
    x, z, g = ctx.arg(0, "float64"), ctx.arg(1, "complex128"), ctx.arg(2, "complex128")
    y = x * z
    gx, gz = REGISTRY["mul"].grad_exprs(g, y, (x, z))
    feed = {x: 2.0, z: 3 + 4j, g: 5 - 6j}
    assert gx.dtype == "float64"
    np.testing.assert_allclose(evaluate([gx], feed)[0], ((5 - 6j) * (3 - 4j)).real)
    np.testing.assert_allclose(evaluate([gz], feed)[0], (5 - 6j) * 2)


def test_gradients_keep_the_dtype_of_their_operand():
    for name in real_records():
        op = REGISTRY[name]
        halves = () if op.out == "complex" else ("float16",)  # there is no complex32
        for dtype in (*halves, "float32"):
            ctx = Context()
            xs = [ctx.arg(i, dtype) for i in range(nin_of(op))]
            y = ctx.call(op, xs)
            for term in op.grad_exprs(ctx.arg(9, y.dtype), y, xs):
                if term is not None and term is not UNDEFINED:
                    assert term.dtype == dtype, (name, term)


def one_gradient(name, values, dtype="float64"):
    ctx = Context()
    xs = [ctx.arg(i, dtype) for i in range(len(values))]
    op = REGISTRY[name]
    y = ctx.call(op, xs)
    terms = op.grad_exprs(ctx.const(1, y.dtype), y, xs)
    feed = dict(zip(xs, [np.asarray(v, dtype) for v in values], strict=True))
    return [t if t is None or t is UNDEFINED else float(evaluate([t], feed)[0]) for t in terms]


def test_boundary_values():
    """Where a subgradient exists, the gradient is one, and finite."""
    assert one_gradient("abs_", [0.0]) == [0.0]
    assert one_gradient("sqr", [0.0]) == [0.0]
    assert one_gradient("maximum", [1.0, 1.0]) == [1.0, 0.0]
    assert one_gradient("minimum", [1.0, 1.0]) == [1.0, 0.0]
    assert one_gradient("clip", [1.0, 1.0, 2.0]) == [1.0, 0.0, 0.0]
    assert one_gradient("clip", [0.0, 1.0, 2.0]) == [0.0, 1.0, 0.0]
    assert one_gradient("clip", [3.0, 1.0, 2.0]) == [0.0, 0.0, 1.0]
    assert one_gradient("pow", [0.0, 2.0]) == [0.0, 0.0]
    assert one_gradient("pow", [0.0, 1.0]) == [1.0, 0.0]
    assert one_gradient("pow", [0.0, 0.0]) == [0.0, 0.0]
    assert one_gradient("pow", [-2.0, 3.0])[0] == 12.0
    assert one_gradient("xlogy0", [0.0, 0.0])[1] == 0.0
    assert one_gradient("sigmoid", [800.0]) == [0.0]
    assert one_gradient("sigmoid", [-800.0]) == [0.0]
    assert one_gradient("softplus", [800.0]) == [1.0]
    assert one_gradient("softplus", [-800.0]) == [0.0]
    assert one_gradient("tanh", [800.0]) == [0.0]
    assert one_gradient("switch", [1.0, 2.0, 3.0]) == [None, 1.0, 0.0]
    assert one_gradient("gammainc", [1.0, 0.0]) == [UNDEFINED, 1.0]
    assert one_gradient("j1", [0.0]) == [0.5]
    assert one_gradient("i1", [0.0]) == [0.5]


def test_the_derivative_of_a_root_at_0_is_infinite():
    assert one_gradient("sqrt", [0.0]) == [np.inf]
    assert one_gradient("pow", [0.0, 0.5])[0] == np.inf
    assert one_gradient("log", [0.0]) == [np.inf]


def test_large_products_have_gradients_without_division():
    """Each operand's gradient is the product of the others, also where one is 0."""
    ctx = Context()
    xs = [ctx.arg(i, "float64") for i in range(5)]
    values = [2.0, 3.0, 0.0, 5.0, 7.0]
    y = ctx.call(REGISTRY["mul"], xs)
    terms = REGISTRY["mul"].grad_exprs(ctx.const(1, "float64"), y, xs)
    found = [float(v) for v in evaluate(terms, dict(zip(xs, values, strict=True)))]
    assert found == [0.0, 0.0, 210.0, 0.0, 0.0]
