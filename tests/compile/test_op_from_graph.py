"""Graphs and functions that are used as ops."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import OpFromGraph, as_op
from symc.compile.ops import FromFunctionOp, deep_copy_op, view_op
from symc.gradient import DisconnectedType, NullType
from symc.graph.walk import toposort


@pytest.fixture(params=["native", "numpy"])
def mode(request):
    return symc.Mode(request.param)


def values(*shapes):
    rng = np.random.default_rng(5)
    return [rng.normal(size=s) for s in shapes]


def test_value_with_shared_variable_and_nesting(mode):
    x, y, z = T.dmatrices("x", "y", "z")
    s = symc.shared(np.full((2, 3), 0.5), "s")
    op = OpFromGraph([x, y, z], [x + y * z + s])
    outer = OpFromGraph([x, y, z], [op(x, y, z) - op(y, z, x), op(z, z, z)])
    a, b, c = values((2, 3), (2, 3), (2, 3))
    f = symc.function([x, y, z], outer(x, y, z), mode=mode)
    first, second = f(a, b, c)
    np.testing.assert_allclose(first, a + b * c - b - c * a)
    np.testing.assert_allclose(second, c + c * c + 0.5)
    s.set_value(np.zeros((2, 3)))
    np.testing.assert_allclose(f(a, b, c)[1], c + c * c)
    assert not any(isinstance(n.op, OpFromGraph) for n in f.maker.fgraph.toposort())


def test_sizes_zero_one_and_broadcasting():
    x, y = T.dmatrices("x", "y")
    op = OpFromGraph([x, y], [x * y])
    g = symc.function([x, y], [op(x, y), symc.grad(op(x, y).sum(), x)])
    for left, right in (((0, 3), (0, 3)), ((1, 3), (2, 3)), ((2, 1), (1, 3))):
        a, b = values(left, right)
        product, gradient = g(a, b)
        np.testing.assert_allclose(product, a * b)
        assert gradient.shape == a.shape
        np.testing.assert_allclose(
            gradient.sum(), (np.ones_like(a) * b).sum() if a.size else 0.0
        )


def test_gradient_by_finite_differences(mode):
    x, y = T.dvectors("x", "y")
    inner = OpFromGraph([x, y], [T.tanh(x) * y, x * y])

    def cost(a, b):
        first, second = inner(a, b)
        return (first * second).sum()

    symc.gradient.verify_grad(cost, values((4,), (4,)), mode=mode)


def test_gradient_of_gradient_and_of_shared():
    x = T.dvector("x")
    w = symc.shared(np.array([1.0, 2.0, 3.0]), "w")
    op = OpFromGraph([x], [w * x**3])
    gw, gx = symc.grad(op(x).sum(), [w, x])
    second = symc.grad(gx.sum(), x)
    f = symc.function([x], [gw, gx, second])
    a = np.array([0.5, -1.0, 2.0])
    expected = (a**3, 3 * w.get_value() * a**2, 6 * w.get_value() * a)
    for got, want in zip(f(a), expected, strict=True):
        np.testing.assert_allclose(got, want)


def test_one_of_several_outputs_is_used():
    x, y = T.dscalars("x", "y")
    op = OpFromGraph([x, y], [x * y, T.exp(y)])
    with pytest.raises(symc.DisconnectedInputError):
        symc.grad(op(x, y)[1], x)
    assert symc.grad(op(x, y)[0], x).eval({x: 2.0, y: 7.0}) == 7.0


def test_r_op(mode):
    x, y, u = T.dvectors("x", "y", "u")
    op = OpFromGraph([x, y], [T.sin(x) * y])
    product = symc.Rop(op(x, y), x, u)
    a, b, c = values((3,), (3,), (3,))
    f = symc.function([x, y, u], product, mode=mode)
    np.testing.assert_allclose(f(a, b, c), np.cos(a) * b * c)


def test_unused_inputs_and_name_in_debugprint():
    x, y = T.dvectors("x", "y")
    op = OpFromGraph([x, y], [T.exp(x)], name="grow")
    assert symc.grad(op(x, y).sum(), y, disconnected_inputs="ignore") is not None
    text = symc.debugprint(op(x, y), file="str")
    assert "grow{inline=False}" in text
    assert "Elemwise{exp}" in text.split("Inner graphs:")[1]


def test_lop_and_grad_overrides():
    x, y = T.dvectors("x", "y")
    a, b = values((3,), (3,))

    def by_outputs(inputs, outputs, gs):
        return [outputs[0] * gs[0], 2 * inputs[1] * gs[0]]

    def by_inputs(inputs, gs):
        return [inputs[0] * gs[0], 5 * gs[0]]

    for override, want in (
        ({"lop_overrides": by_outputs}, (a * b, 2 * b)),
        ({"grad_overrides": by_inputs}, (a, np.full(3, 5.0))),
        ({"grad_overrides": [lambda i, g: 3 * g[0], "default"]}, (np.full(3, 3.0), a)),
    ):
        op = OpFromGraph([x, y], [x * y], **override)
        f = symc.function([x, y], symc.grad(op(x, y).sum(), [x, y]), on_unused_input="ignore")
        for got, expected in zip(f(a, b), want, strict=True):
            np.testing.assert_allclose(got, expected)


def test_override_by_op_and_special_types():
    x, y, g = T.dvectors("x", "y", "g")
    by_op = OpFromGraph([x, y, g], [10 * g, 20 * g])
    op = OpFromGraph([x, y], [x * y], grad_overrides=by_op)
    f = symc.function([x, y], symc.grad(op(x, y).sum(), [x, y]), on_unused_input="ignore")
    np.testing.assert_allclose(f([1.0], [1.0]), [[10.0], [20.0]])
    op = OpFromGraph([x, y], [x * y], grad_overrides=[DisconnectedType()(), NullType("no")()])
    with pytest.raises(symc.DisconnectedInputError):
        symc.grad(op(x, y).sum(), x)
    with pytest.raises(symc.NullTypeGradError, match="no"):
        symc.grad(op(x, y).sum(), y)


def test_rop_override():
    x, u = T.dvectors("x", "u")
    op = OpFromGraph([x], [x**2, x**3], rop_overrides=[lambda i, p: 7 * p[0], "default"])
    f = symc.function([x, u], symc.Rop(op(x), x, u))
    first, second = f([2.0], [1.0])
    np.testing.assert_allclose(first, [7.0])
    np.testing.assert_allclose(second, [12.0])


def test_inside_a_loop():
    x = T.dvector("x")
    v = T.dscalar("v")
    square = OpFromGraph([v], [v * v])
    out, _ = symc.scan(lambda e: square(e) + 1, sequences=x)
    np.testing.assert_allclose(out.eval({x: [1.0, 3.0]}), [2.0, 10.0])


def test_deep_nesting_does_not_recurse():
    x = T.dscalar("x")
    step = OpFromGraph([x], [x + 1])
    y = x
    for _ in range(3000):
        y = step(y)
    assert y.eval({x: 0.0}) == 3000.0


def test_pickle():
    x = T.dvector("x")
    op = pickle.loads(pickle.dumps(OpFromGraph([x], [x * 2], name="twice")))
    np.testing.assert_allclose(op(x).eval({x: [1.0]}), [2.0])


@pytest.mark.parametrize(
    ("make", "error", "text"),
    [
        (lambda x, y: OpFromGraph([x], [x + y]), symc.MissingInputError, "among its inputs"),
        (lambda x, y: OpFromGraph([x], x), TypeError, "must be a list"),
        (lambda x, y: OpFromGraph([x], [x], updates={}), TypeError, "updates"),
        (lambda x, y: OpFromGraph([x], [x])(x, y), ValueError, "takes 1 inputs, got 2"),
        (lambda x, y: OpFromGraph([x], [x])(T.dmatrix()), TypeError, "wrong type"),
        (lambda x, y: OpFromGraph([x], [x], grad_overrides=[]), ValueError, "must be 1"),
        (lambda x, y: OpFromGraph([x], [x], grad_overrides=3), TypeError, "wrong form"),
        (
            lambda x, y: OpFromGraph([x], [x], grad_overrides=abs, lop_overrides=abs),
            ValueError,
            "not both",
        ),
        (lambda x, y: OpFromGraph([symc.shared(1.0)], [x]), TypeError, "captured"),
    ],
)
def test_wrong_use(make, error, text):
    with pytest.raises(error, match=text):
        make(T.dvector("x"), T.dvector("y"))


# ---- functions as ops


def first_shape(node, shapes):
    return [shapes[0]]


@as_op(itypes=[T.dmatrix, T.dmatrix], otypes=[T.dmatrix], infer_shape=first_shape)
def total(a, b):
    """The sum."""
    return a + b


@as_op([T.dvector], [T.dscalar, T.dvector])
def extent(a):
    return np.ptp(a), np.sort(a)


def test_as_op(mode):
    x, y = T.dmatrices("x", "y")
    a, b = values((2, 3), (2, 3))
    f = symc.function([x, y], [total(x, y) * 2, total(x, y).shape], mode=mode)
    got, shape = f(a, b)
    np.testing.assert_allclose(got, 2 * (a + b))
    assert tuple(shape) == (2, 3)
    v = T.dvector("v")
    both = symc.function([v], extent(v), mode=mode)([3.0, 1.0, 2.0])
    assert both[0] == 2.0
    np.testing.assert_allclose(both[1], [1, 2, 3])


def test_function_op_is_named_compared_and_pickled():
    assert isinstance(total, FromFunctionOp)
    assert str(total) == "FromFunctionOp{total}"
    assert total.__doc__ == "The sum."
    assert pickle.loads(pickle.dumps(total)) is total

    @as_op(T.dscalar, T.dscalar)
    def local(a):
        return a

    with pytest.raises(TypeError, match="top level"):
        pickle.dumps(local)


def test_as_op_refuses_what_is_no_type():
    with pytest.raises(TypeError, match="itypes must be types"):
        as_op([float], [T.dscalar])


def test_wrong_number_of_results():
    @as_op([T.dscalar], [T.dscalar, T.dscalar])
    def one(a):
        return a

    x = T.dscalar()
    with pytest.raises(ValueError, match="returned 1 values"):
        symc.function([x], one(x))(1.0)


# ---- views and copies


@pytest.mark.parametrize("op", [view_op, deep_copy_op])
def test_identities(op, mode):
    x = T.dmatrix("x")
    (a,) = values((2, 3))
    f = symc.function([x], [op(x), symc.grad((op(x) ** 2).sum(), x)], mode=mode)
    same, gradient = f(a)
    np.testing.assert_array_equal(same, a)
    assert not np.shares_memory(same, a)
    np.testing.assert_allclose(gradient, 2 * a)
    g = symc.generic("g")
    value = {"a": [1]}
    assert symc.function([g], op(g), mode=mode)(value) == value
    assert toposort([op(g)])[0].op is op
