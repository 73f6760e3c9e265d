"""``grad`` with all its options, what it says of wrong uses, and what controls gradients."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.errors import NonScalarCostError
from symc.gradient import (
    DisconnectedInputError,
    DisconnectedType,
    GradientError,
    NullType,
    NullTypeGradError,
    consider_constant,
    disconnected_grad,
    format_as,
    grad,
    grad_clip,
    grad_not_implemented,
    grad_scale,
    grad_undefined,
    numeric_grad,
    subgraph_grad,
    undefined_grad,
    verify_grad,
    zero_grad,
)


@pytest.fixture
def x() -> Any:
    return T.dvector("x")


@pytest.fixture
def y() -> Any:
    return T.dvector("y")


POINT = np.array([1.0, -2.0, 3.0])

# ---------------------------------------------------------------------------------------------
# What is returned
# ---------------------------------------------------------------------------------------------


def test_the_container_is_that_of_wrt(x: Any, y: Any) -> None:
    cost = (x * y).sum()
    assert isinstance(grad(cost, x), symc.Variable)
    assert [type(grad(cost, c)) for c in ([x], (x, y), [])] == [list, tuple, list]
    assert [len(grad(cost, c)) for c in ([x], (x, y), [])] == [1, 2, 0]


def test_one_variable_may_be_asked_for_twice(x: Any) -> None:
    first, second = grad((x**2).sum(), [x, x])
    np.testing.assert_array_equal(first.eval({x: POINT}), 2 * POINT)
    np.testing.assert_array_equal(second.eval({x: POINT}), 2 * POINT)


def test_intermediate_variables_have_gradients(x: Any) -> None:
    h = T.tanh(x)
    cost = (h**2).sum()
    np.testing.assert_allclose(grad(cost, h).eval({x: POINT}), 2 * np.tanh(POINT))
    assert float(grad(cost, cost).eval({x: POINT})) == 1


def test_names(x: Any) -> None:
    cost = (x**2).sum()
    assert grad(cost, x).name == "(dcost/dx)"
    assert grad(cost, x, add_names=False).name is None
    cost.name = "loss"
    assert grad(cost, x).name == "(dloss/dx)"
    assert grad(cost, T.dvector(), disconnected_inputs="ignore").name is None


@pytest.mark.parametrize("dtype", ["int8", "int64", "uint8", "bool"])
def test_integer_inputs_have_float_gradients(dtype: str) -> None:
    k, x = T.vector("k", dtype=dtype), T.dvector("x")
    g = grad((k * x).sum(), k)
    assert g.dtype == symc.config.floatX
    np.testing.assert_array_equal(g.eval({k: np.array([1, 0], dtype), x: [0.5, 2]}), [0.5, 2])


def test_the_gradient_of_an_integer_cost_is_zero() -> None:
    k = T.lscalar("k")
    g = grad(k**2, k)
    assert g.dtype == symc.config.floatX
    assert g.eval({k: 3}) == 0


def test_rounding_has_gradient_zero() -> None:
    x = T.dscalar("x")
    for f in (T.floor, T.ceil, T.trunc, T.round, T.sgn, lambda v: T.cast(v, "int32") * 1.0):
        assert grad(f(x) + x, x).eval({x: 1.7}) == 1


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", "complex64", "complex128"])
def test_the_gradient_has_the_dtype_of_its_variable(dtype: str) -> None:
    v = T.vector("v", dtype=dtype)
    g = grad((abs(v) ** 2).sum(), v)
    assert g.dtype == dtype
    np.testing.assert_allclose(g.eval({v: np.array([1, -2], dtype)}), [2, -4], rtol=1e-3)


def test_mixed_precision(x: Any) -> None:
    single = T.fvector("single")
    cost = (single * x).sum()
    assert [g.dtype for g in grad(cost, [single, x])] == ["float32", "float64"]


# ---------------------------------------------------------------------------------------------
# known_grads, consider_constant
# ---------------------------------------------------------------------------------------------


def test_known_grads_without_a_cost(x: Any, y: Any) -> None:
    h = x**2
    g = grad(None, x, known_grads={h: y})
    np.testing.assert_array_equal(g.eval({x: POINT, y: [1.0, 10, 100]}), 2 * POINT * [1, 10, 100])


def test_known_grads_of_several_variables_add_up(x: Any) -> None:
    g = grad(None, x, known_grads={x**2: T.ones_like(x), 3 * x: 2 * T.ones_like(x)})
    np.testing.assert_array_equal(g.eval({x: POINT}), 2 * POINT + 6)


def test_nothing_is_added_to_a_known_gradient(x: Any, y: Any) -> None:
    h = x**2
    cost = (h**2).sum()
    np.testing.assert_array_equal(
        grad(cost, [x, h], known_grads={h: y})[0].eval({x: POINT, y: np.ones(3)}), 2 * POINT
    )
    assert grad(cost, h, known_grads={h: y}) is y
    assert grad(cost, x, known_grads={x: y}) is y


def test_known_grads_and_a_cost(x: Any) -> None:
    h = x**2
    g = grad(x.sum(), x, known_grads={h: T.ones_like(x)})
    np.testing.assert_array_equal(g.eval({x: POINT}), 1 + 2 * POINT)


def test_known_grads_may_be_arrays(x: Any) -> None:
    g = grad(None, x, known_grads={x * 2: np.array([1.0, 2, 3])})
    np.testing.assert_array_equal(g.eval({x: POINT}), [2, 4, 6])


def test_wrong_known_grads(x: Any) -> None:
    with pytest.raises(TypeError, match="another rank"):
        grad(None, x, known_grads={x.sum(): T.dvector()})
    with pytest.raises(TypeError, match="integer dtype int64"):
        grad(None, x, known_grads={x * 2: T.lvector()})
    with pytest.raises(ValueError, match="needs a cost, or known_grads"):
        grad(None, x)


def test_consider_constant(x: Any, y: Any) -> None:
    h = T.exp(y)
    gx, gy = grad((x * h + y).sum(), [x, y], consider_constant=[h])
    at = {x: POINT, y: np.zeros(3)}
    np.testing.assert_array_equal(gx.eval({x: POINT, y: np.zeros(3)}), np.ones(3))
    np.testing.assert_array_equal(gy.eval(at), np.ones(3))


def test_a_variable_that_is_considered_constant_has_a_gradient(x: Any) -> None:
    h = x**2
    cost = (h * 3).sum()
    np.testing.assert_array_equal(grad(cost, h, consider_constant=[h]).eval({x: POINT}), [3] * 3)
    np.testing.assert_array_equal(
        grad(cost, x, consider_constant=[x]).eval({x: POINT}), 6 * POINT
    )


# ---------------------------------------------------------------------------------------------
# Disconnected and undefined gradients
# ---------------------------------------------------------------------------------------------


def test_disconnected_inputs_are_an_error(x: Any, y: Any) -> None:
    other = T.dscalar("other")
    with pytest.raises(DisconnectedInputError) as caught:
        grad((x**2).sum(), [x, y, other])
    text = str(caught.value)
    assert "y, other" in text
    assert "does not use it" in text
    assert "test_options.py" in text
    assert "disconnected_inputs='ignore'" in text
    assert isinstance(caught.value, ValueError)


def test_disconnected_inputs_may_be_warned_of(x: Any, y: Any) -> None:
    with pytest.warns(UserWarning, match="does not depend differentiably on y") as caught:
        g = grad((x**2).sum(), y, disconnected_inputs="warn")
    assert caught[0].filename == __file__
    np.testing.assert_array_equal(g.eval({y: POINT}), np.zeros(3))


def test_disconnected_inputs_may_be_ignored(x: Any, y: Any) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        g = grad((x**2).sum(), y, disconnected_inputs="ignore")
    assert g.type == y.type
    np.testing.assert_array_equal(g.eval({y: POINT}), np.zeros(3))


def test_what_stands_for_a_disconnected_gradient(x: Any, y: Any) -> None:
    cost = (x**2).sum()

    def of(variable: Any, how: str) -> Any:
        return grad(cost, variable, disconnected_inputs="ignore", return_disconnected=how)

    assert of(y, "None") is None
    assert isinstance(of(y, "Disconnected").type, DisconnectedType)
    assert of(T.lvector(), "zero").dtype == symc.config.floatX
    assert [type(g) for g in of([y, x], "None")] == [type(None), type(x * 2)]


def _reasons() -> dict[str, tuple[Any, Any, str]]:
    x, k = T.dvector("x"), T.lscalar("k")
    other = x + 0.0
    return {
        "not in the graph": (other.sum(), T.dvector("x"), "does not use it"),
        "by an op": ((disconnected_grad(x) * 2.0).sum(), x, "cut at DisconnectedGrad"),
        "only the length": (x.shape[0] * 2.0, x, "cut at Shape"),
        "an index": (x[k], k, "cut at Subtensor"),
        "an index array": (x[T.arange(k)].sum(), k, "path is cut at"),
        "behind the cost": (x.sum(), x.sum() * 2.0, "does not use it"),
        "positions": (T.nonzero(x)[0].sum() * 1.0, x, "cut at Nonzero"),
    }


@pytest.mark.parametrize("name", _reasons())
def test_why_an_input_is_disconnected(name: str) -> None:
    cost, variable, reason = _reasons()[name]
    with pytest.raises(DisconnectedInputError, match=reason):
        grad(cost, variable)


def test_the_cut_is_where_the_user_wrote_it(x: Any) -> None:
    h = T.tanh(x)
    cut = disconnected_grad(h)  # the line that the message names
    with pytest.raises(DisconnectedInputError, match=r"cut = disconnected_grad\(h\)"):
        grad((cut**2).sum(), x)


def test_consider_constant_is_named_as_the_reason(x: Any) -> None:
    h = T.tanh(x)
    with pytest.raises(DisconnectedInputError, match="tanh}, whose result consider_constant holds"):
        grad((h**2).sum(), x, consider_constant=[h])


def test_undefined_gradients() -> None:
    x = T.dscalar("x")
    cost = undefined_grad(x) ** 2
    with pytest.raises(NullTypeGradError, match="undefined_grad was put on x"):
        grad(cost, x)
    assert isinstance(grad(cost, x, null_gradients="return").type, NullType)
    both = grad(cost + x, x, null_gradients="return")
    assert isinstance(both.type, NullType)
    assert isinstance(NullTypeGradError(""), TypeError)


def test_an_undefined_gradient_that_is_not_needed_is_no_error() -> None:
    x, y = T.dscalar("x"), T.dscalar("y")
    assert grad(undefined_grad(x) * y, y).eval({x: 3.0, y: 1.0}) == 3


def test_ops_say_that_a_gradient_is_missing() -> None:
    x = T.dscalar("x")
    undefined = grad_undefined("op", 0, x, "at all").type.why_null
    assert undefined == "the gradient of op is not defined for operand 0 (x): at all"
    missing = grad_not_implemented("op", 1, x).type.why_null
    assert missing == "the gradient of op is not implemented for operand 1 (x)"
    with pytest.raises(NullTypeGradError):
        grad(T.gammainc(x, 2.0), x)


# ---------------------------------------------------------------------------------------------
# Wrong uses
# ---------------------------------------------------------------------------------------------


def test_the_cost_must_be_a_real_scalar(x: Any) -> None:
    with pytest.raises(NonScalarCostError, match="must be a scalar") as caught:
        grad(x, x)
    assert isinstance(caught.value, TypeError)
    assert "cost.sum()" in str(caught.value)
    z = T.zscalar("z")
    with pytest.raises(NonScalarCostError, match="must be real"):
        grad(z * 2, z)
    with pytest.raises(TypeError, match="cost must be a symbolic variable"):
        grad(2.0, x)
    with pytest.raises(NullTypeGradError, match="undefined cost"):
        grad(NullType("no reason")(), x)


def test_wrt_must_be_variables(x: Any) -> None:
    for wrong in ("x", POINT, {x}, [x, 1.0], None):
        with pytest.raises(TypeError, match="must be symbolic variables"):
            grad(x.sum(), wrong)


@pytest.mark.parametrize("name", ["disconnected_inputs", "return_disconnected", "null_gradients"])
def test_options_name_their_choices(name: str, x: Any) -> None:
    with pytest.raises(ValueError, match=f"{name} must be one of"):
        grad(x.sum(), x, **{name: "wrong"})


def test_format_as() -> None:
    assert format_as(True, False, (1, 2)) == [1, 2]
    assert format_as(False, True, [1]) == (1,)
    assert format_as(False, False, [1]) == 1
    assert format_as(True, False, 1) == [1]
    with pytest.raises(ValueError, match="contradict"):
        format_as(True, True, [1])
    with pytest.raises(ValueError, match="expected one item, got 2"):
        format_as(False, False, [1, 2])


# ---------------------------------------------------------------------------------------------
# What controls gradients
# ---------------------------------------------------------------------------------------------


def test_controls_are_identities(x: Any) -> None:
    for control in (
        zero_grad, consider_constant, disconnected_grad, undefined_grad,
        lambda v: grad_clip(v, -1, 1), lambda v: grad_scale(v, 3),
    ):
        out = control(x)
        assert out.type == x.type
        np.testing.assert_array_equal(out.eval({x: POINT}), POINT)


def test_controls_change_gradients(x: Any) -> None:
    def of(expression: Any) -> Any:
        return grad(expression.sum(), x).eval({x: POINT})

    np.testing.assert_array_equal(of(zero_grad(x) ** 2), np.zeros(3))
    np.testing.assert_array_equal(of(consider_constant(x) * x), POINT)
    np.testing.assert_array_equal(of(disconnected_grad(x) * x), POINT)
    np.testing.assert_array_equal(of(grad_clip(x, -3, 2.5) ** 2), [2, -3, 2.5])
    np.testing.assert_array_equal(of(grad_scale(x, -0.5) ** 2), -POINT)


def test_a_clip_needs_an_interval(x: Any) -> None:
    with pytest.raises(ValueError, match="no interval"):
        grad_clip(x, 1, -1)


def test_a_clip_limits_what_arrives(x: Any) -> None:
    h = grad_clip(T.exp(x), -10, 10)
    g = grad((1000 * h).sum(), x)
    np.testing.assert_allclose(g.eval({x: POINT}), 10 * np.exp(POINT))


# ---------------------------------------------------------------------------------------------
# subgraph_grad
# ---------------------------------------------------------------------------------------------


def test_layer_by_layer_gradients_are_those_of_the_whole() -> None:
    x, t = T.dmatrix("x"), T.dmatrix("t")
    w1, w2 = T.dmatrix("w1"), T.dmatrix("w2")
    h = T.tanh(x.dot(w1))
    out = h.dot(w2)
    cost = ((out - t) ** 2).sum()
    penalty = (w1**2).sum()

    g2, start = subgraph_grad([w2], [h], cost=cost)
    g1, below = subgraph_grad([w1], [x], start=start, cost=penalty)
    whole = grad(cost + penalty, [w1, w2, x])
    rng = np.random.default_rng(3)
    values = [rng.normal(size=s) for s in ((4, 3), (4, 2), (3, 5), (5, 2))]
    f = symc.function([x, t, w1, w2], [*g1, *g2, below[x], *whole])
    found = f(*values)
    for got, expected in zip(found[:3], found[3:], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-12)


def test_details_of_subgraph_grad(x: Any) -> None:
    w = T.dscalar("w")
    h = x**2
    out = w * h
    total, below, from_start, from_cost = subgraph_grad(
        [w], [h], start={out: T.ones_like(out)}, cost=3 * w, details=True
    )
    at = {x: POINT, w: 5.0}
    assert total[0].eval(at) == 14 + 3
    assert [from_start[0].eval(at), from_cost[0].eval(at)] == [14, 3]
    assert set(below) == {h}
    np.testing.assert_array_equal(below[h].eval(at), [5] * 3)
    with pytest.raises(ValueError, match="needs start, or cost"):
        subgraph_grad([w], [h])


# ---------------------------------------------------------------------------------------------
# Checks against finite differences
# ---------------------------------------------------------------------------------------------


class WrongCube(symc.Op):
    """x**3 with a wrong derivative."""

    __props__ = ("factor", "transposed")

    def __init__(self, factor: float = 3.0, transposed: bool = False) -> None:
        self.factor = factor
        self.transposed = transposed

    def make_node(self, x: Any) -> symc.Apply:
        x = T.as_tensor_variable(x)
        return symc.Apply(self, [x], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = inputs[0] ** 3

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        g = output_gradients[0] * self.factor * inputs[0] ** 2
        return [g.T if self.transposed else g]


def test_verify_grad_accepts_what_is_right() -> None:
    verify_grad(WrongCube(), [np.array([0.5, -1.0])])
    verify_grad(T.tanh, [np.array([0.5, -1.0], "float32")])
    verify_grad(lambda a, b: a.dot(b), [np.ones((2, 3)), np.arange(3.0)])
    verify_grad(T.exp, [np.float64(0.3)])
    verify_grad(T.exp, [np.zeros((0, 2))])


def test_verify_grad_finds_what_is_wrong() -> None:
    with pytest.raises(GradientError) as caught:
        verify_grad(WrongCube(2.9), [np.array([0.5, -1.0, 0])])
    text = str(caught.value)
    assert "input 0 differs from finite differences at (0,)" in text
    assert "2 of 3 elements" in text
    assert "symbolic" in text
    assert "numeric" in text


def test_verify_grad_finds_wrong_shapes() -> None:
    with pytest.raises(GradientError, match=r"wrong shape(.|\n)*\(3, 2\)(.|\n)*\(2, 3\)"):
        verify_grad(WrongCube(3.0, True), [np.ones((2, 3))])


def test_verify_grad_finds_a_controlled_gradient() -> None:
    with pytest.raises(GradientError):
        verify_grad(lambda a: grad_scale(a, 1.01) ** 2, [np.array([1.0, 2.0])])
    with pytest.raises(GradientError):
        verify_grad(lambda a: zero_grad(a) * 2, [np.array([1.0])])


def test_wrong_uses_of_verify_grad() -> None:
    with pytest.raises(TypeError, match="only test floating point inputs; number 1 is not"):
        verify_grad(lambda a, b: a * b, [np.ones(2), np.ones(2, "int64")])
    with pytest.raises(NotImplementedError, match="one output"):
        verify_grad(lambda a: [a, a], [np.ones(2)])


def test_numeric_grad() -> None:
    a, b = np.array([1.0, 2.0]), np.array(3.0)
    ga, gb = numeric_grad(lambda u, v: float((u**2).sum() * v), [a, b])
    np.testing.assert_allclose(ga, [6, 12], rtol=1e-6)
    np.testing.assert_allclose(gb, 5, rtol=1e-6)
    np.testing.assert_array_equal(a, [1, 2])
