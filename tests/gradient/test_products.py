"""``Lop``, ``Rop``, ``jacobian``, ``hessian`` and their products, against finite differences."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.gradient import Lop, Rop, hessian, hessian_vector_product, jacobian

RNG = np.random.default_rng(11)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


class NoROp(symc.Op):
    """x * y without an R_op, so that its product is derived from its gradient."""

    __props__ = ()

    def make_node(self, x: Any, y: Any) -> symc.Apply:
        x, y = T.as_tensor_variable(x), T.as_tensor_variable(y)
        return symc.Apply(self, [x, y], [x.type()])

    def perform(self, node: Any, inputs: Any, output_storage: Any, params: Any = None) -> None:
        output_storage[0][0] = inputs[0] * inputs[1]

    def grad(self, inputs: Any, output_gradients: Any) -> Any:
        (g,) = output_gradients
        return [g * inputs[1], g * inputs[0]]


FORWARD: dict[str, tuple[Callable[..., Any], Sequence[np.ndarray]]] = {
    "elementwise": (lambda a, b: T.tanh(a) * b / (1 + a**2), [normal(3), normal(3)]),
    "broadcast": (lambda a, b: T.exp(a * b), [normal(2, 3), normal(1, 3)]),
    "power": (lambda a: abs(a) ** 2.5, [normal(4)]),
    "switch": (lambda a: T.switch(a > 0, a**2, T.sin(a)), [normal(5)]),
    "dot of matrices": (lambda a, b: a.dot(b), [normal(2, 3), normal(3, 4)]),
    "dot with a vector": (lambda a, b: a.dot(b), [normal(2, 3), normal(3)]),
    "dot of vectors": (lambda a, b: a.dot(b), [normal(3), normal(3)]),
    "batched dot": (T.batched_dot, [normal(2, 3, 2), normal(2, 2, 4)]),
    "sum": (lambda a: (a**2).sum(axis=0), [normal(3, 2)]),
    "mean": (lambda a: (a**3).mean(axis=1), [normal(3, 2)]),
    "product": (lambda a: a.prod(axis=0), [normal(3, 2)]),
    "maximum along an axis": (lambda a: a.max(axis=1), [normal(3, 4)]),
    "softmax": (lambda a: symc.softmax(a, 1), [normal(2, 3)]),
    "log-softmax": (lambda a: symc.log_softmax(a, 0), [normal(2, 3)]),
    "reshape and transpose": (lambda a: a.T.reshape((2, 3)).flatten(), [normal(3, 2)]),
    "basic indexing": (lambda a: a[1:, ::-2] ** 2, [normal(3, 4)]),
    "indexing by arrays": (lambda a: a[[0, 2, 0]] ** 2, [normal(3, 2)]),
    "indexing by two arrays": (lambda a: a[[0, 2], [1, 0]], [normal(3, 2)]),
    "writing": (lambda a, b: T.set_subtensor(a[1:], b) ** 2, [normal(3), normal(2)]),
    "adding to a part": (lambda a, b: T.inc_subtensor(a[[0, 0]], b), [normal(3), normal(2)]),
    "join": (lambda a, b: T.join(0, a, b) ** 2, [normal(2, 2), normal(1, 2)]),
    "stack": (lambda a, b: T.stack([a, b * a]), [normal(2), normal(2)]),
    "split": (lambda a: T.split(a, [1, 2], 2)[1] ** 2, [normal(3)]),
    "sort": (lambda a: T.sort(a) ** 2, [normal(4)]),
    "cumsum": (lambda a: T.cumsum(a**2), [normal(4)]),
    "cumprod": (lambda a: T.cumprod(a), [normal(4)]),
    "diagonal": (lambda a: T.diagonal(a), [normal(3, 3)]),
    "repeat": (lambda a: T.repeat(a, 2, 0) ** 2, [normal(3)]),
    "an op without R_op": (lambda a, b: NoROp()(T.sin(a), b), [normal(3), normal(3)]),
    "scaled gradient": (lambda a: symc.gradient.grad_scale(a, 1.0) ** 2, [normal(3)]),
}


def variables(points: Sequence[np.ndarray], names: str) -> list[Any]:
    return [
        T.TensorType("float64", (False,) * p.ndim)(f"{names}{k}") for k, p in enumerate(points)
    ]


@pytest.mark.parametrize("name", FORWARD)
def test_rop_is_the_directional_derivative(name: str) -> None:
    build, points = FORWARD[name]
    xs, vs = variables(points, "x"), variables(points, "v")
    directions = [normal(*p.shape) for p in points]
    out = build(*xs)
    f = symc.function([*xs, *vs], [out, Rop(out, xs, vs)], mode="NUMPY")
    step = 1e-6
    plus, minus = (
        f(*(p + s * d for p, d in zip(points, directions, strict=True)), *directions)[0]
        for s in (step, -step)
    )
    product = f(*points, *directions)[1]
    expected = (plus - minus) / (2 * step)
    assert product.shape == expected.shape
    np.testing.assert_allclose(product, expected, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("name", FORWARD)
def test_lop_and_rop_are_adjoint(name: str) -> None:
    build, points = FORWARD[name]
    xs, vs = variables(points, "x"), variables(points, "v")
    out = build(*xs)
    u = out.type("u")
    left = Lop(out, xs, u, disconnected_inputs="ignore")
    f = symc.function(
        [*xs, *vs, u],
        [sum((g * v).sum() for g, v in zip(left, vs, strict=True)), (Rop(out, xs, vs) * u).sum()],
        mode="NUMPY",
        on_unused_input="ignore",
    )
    shape = symc.function(xs, out.shape, on_unused_input="ignore", mode="NUMPY")(*points)
    a, b = f(*points, *(normal(*p.shape) for p in points), normal(*shape))
    np.testing.assert_allclose(a, b, rtol=1e-10, atol=1e-12)


def test_containers_of_rop_and_lop() -> None:
    x, v, u = T.dvectors("x", "v", "u")
    assert isinstance(Rop(x**2, x, v), symc.Variable)
    assert isinstance(Rop([x**2], x, v), list)
    assert isinstance(Rop((x**2, x * 3), [x], [v]), tuple)
    assert isinstance(Lop(x**2, x, u), symc.Variable)
    assert isinstance(Lop([x**2], [x], [u]), list)
    assert isinstance(Lop(x**2, (x,), u), tuple)


def test_lop_of_outputs_that_depend_on_each_other() -> None:
    x = T.dvector("x")
    h = x**2
    y = h**2
    ones = np.ones(2)
    product = Lop([h, y, h], x, [ones, ones, ones])
    point = np.array([1.0, 2.0])
    np.testing.assert_allclose(product.eval({x: point}), 4 * point + 4 * point**3)


def test_outputs_that_do_not_depend_on_anything() -> None:
    x, y, v = T.dvectors("x", "y", "v")
    with pytest.raises(symc.DisconnectedInputError, match="does not depend on y"):
        Rop(x**2, y, v)
    zero = Rop(x**2, y, v, disconnected_outputs="ignore")
    np.testing.assert_array_equal(zero.eval({x: np.ones(3)}), np.zeros(3))
    options: dict[str, Any] = {"disconnected_outputs": "ignore", "return_disconnected": "None"}
    assert Rop(x**2, y, v, **options) is None
    with pytest.raises(symc.DisconnectedInputError, match="does not use it"):
        Lop(x**2, y, v)


def test_a_stopped_gradient_stops_both() -> None:
    x, v = T.dvectors("x", "v")
    out = symc.gradient.zero_grad(x) * x
    product = Rop(out, x, v)
    np.testing.assert_array_equal(product.eval({x: [2.0, 3], v: [1.0, 1]}), [2, 3])


def test_wrong_points() -> None:
    x, m = T.dvector("x"), T.dmatrix("m")
    for operator in (Lop, Rop):
        with pytest.raises(ValueError, match="1 .* but 2 evaluation points"):
            operator(x**2, x, [x, x])
        with pytest.raises(ValueError, match="another rank"):
            operator(x**2, x, m)
        with pytest.raises(TypeError, match="must be symbolic variables"):
            operator(1.0, x, x)
    with pytest.raises(TypeError, match="integer dtype"):
        Lop(x**2, x, T.lvector())
    with pytest.raises(ValueError, match="1 variables but 2 evaluation points"):
        hessian_vector_product((x**2).sum(), x, [x, x])
    with pytest.raises(ValueError, match="another rank"):
        hessian_vector_product((x**2).sum(), x, m)


# ---------------------------------------------------------------------------------------------
# Second derivatives
# ---------------------------------------------------------------------------------------------


def rosenbrock(x: Any) -> Any:
    return (100 * (x[1:] - x[:-1] ** 2) ** 2 + (1 - x[:-1]) ** 2).sum()


def hessian_of_rosenbrock(x: np.ndarray) -> np.ndarray:
    h = np.zeros((len(x), len(x)))
    for i in range(len(x) - 1):
        h[i, i] += 1200 * x[i] ** 2 - 400 * x[i + 1] + 2
        h[i + 1, i + 1] += 200
        h[i, i + 1] = h[i + 1, i] = -400 * x[i]
    return h


def test_three_ways_to_a_hessian_vector_product() -> None:
    x, v = T.dvectors("x", "v")
    cost = rosenbrock(x)
    g = symc.grad(cost, x)
    ways = [hessian_vector_product(cost, x, v), Rop(g, x, v), symc.grad((g * v).sum(), x)]
    f = symc.function([x, v], ways)
    point, direction = normal(5), normal(5)
    expected = hessian_of_rosenbrock(point) @ direction
    for found in f(point, direction):
        np.testing.assert_allclose(found, expected, rtol=1e-9)


def test_hessian_vector_product_of_several_variables() -> None:
    x, y, v, w = T.dvectors("x", "y", "v", "w")
    cost = (x**2 * T.exp(y)).sum()
    hx, hy = hessian_vector_product(cost, [x, y], [v, w])
    values = {a: normal(3) for a in (x, y, v, w)}
    a, b, c, d = values.values()
    np.testing.assert_allclose(hx.eval(values), 2 * np.exp(b) * (c + a * d))
    np.testing.assert_allclose(hy.eval(values), np.exp(b) * (2 * a * c + a**2 * d))


def test_hessian() -> None:
    x = T.dvector("x")
    known = T.specify_shape(x, (4,))
    f = symc.function([x], hessian(rosenbrock(known), known))
    point = normal(4)
    np.testing.assert_allclose(f(point), hessian_of_rosenbrock(point), rtol=1e-9)


def test_hessians_of_several_variables() -> None:
    x, y = (T.specify_shape(T.dvector(name), (2,)) for name in "xy")
    results = hessian((x**3 * y).sum() + y.sum(), (x, y))
    assert isinstance(results, tuple)
    at = {x.owner.inputs[0]: [1.0, 2.0], y.owner.inputs[0]: [3.0, 4.0]}
    np.testing.assert_allclose(results[0].eval(at), np.diag([18, 48]))
    np.testing.assert_allclose(results[1].eval(at), np.zeros((2, 2)))


# ---------------------------------------------------------------------------------------------
# Jacobians
# ---------------------------------------------------------------------------------------------


def test_jacobian_of_a_product() -> None:
    x = T.dvector("x")
    w = normal(3, 4)
    # The constant makes the number of rows known.
    f = symc.function([x], jacobian(T.tanh(T.dot(w, x)), x))
    point = normal(4)
    np.testing.assert_allclose(f(point), (1 - np.tanh(w @ point) ** 2)[:, None] * w, rtol=1e-10)


def test_jacobian_with_respect_to_tensors() -> None:
    m, b, s = T.dmatrix("m"), T.dvector("b"), T.dscalar("s")
    out = T.stack([(m**2).sum() * s, (m[0] * b).sum()])
    jm, jb, js = jacobian(out, [m, b, s], disconnected_inputs="ignore")
    at = {m: normal(2, 3), b: normal(3), s: 2.0}
    top = np.zeros((2, 3))
    top[0] = at[b]
    np.testing.assert_allclose(jm.eval(at), np.stack([4 * at[m], top]))
    np.testing.assert_allclose(jb.eval(at), np.stack([np.zeros(3), at[m][0]]))
    np.testing.assert_allclose(js.eval(at), [(at[m] ** 2).sum(), 0])


def test_jacobian_of_a_scalar_is_the_gradient() -> None:
    x = T.dvector("x")
    found = jacobian((x**2).sum(), x)
    np.testing.assert_allclose(found.eval({x: [1.0, 2]}), [2, 4])


def test_jacobian_of_nothing() -> None:
    x = T.dvector("x")
    found = jacobian(T.specify_shape(x, (0,)) * 2, x)
    assert found.eval({x: np.zeros(0)}).shape == (0, 0)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_jacobian_of_unknown_length(mode: str) -> None:
    x, w = T.dvector("x"), T.dmatrix("w")
    jx, jw = jacobian(T.tanh(T.dot(w, x)), [x, w])
    f = symc.function([x, w], [jx, jw], mode=mode)
    for n, k in ((3, 4), (1, 1), (0, 3), (3, 0), (20, 9)):
        a, point = normal(n, k), normal(k)
        slope = 1 - np.tanh(a @ point) ** 2
        by_x, by_w = f(point, a)
        np.testing.assert_allclose(by_x, slope[:, None] * a, rtol=1e-10)
        expected = np.einsum("i,ij,k->ijk", slope, np.eye(n), point)
        np.testing.assert_allclose(by_w, expected, rtol=1e-10)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_hessian_of_unknown_length(mode: str) -> None:
    x = T.dvector("x")
    f = symc.function([x], hessian(rosenbrock(x), x), mode=mode)
    for n in (2, 5, 12):
        point = normal(n)
        np.testing.assert_allclose(f(point), hessian_of_rosenbrock(point), rtol=1e-9)
    linear = symc.function([x], hessian(x.sum(), x), mode=mode)
    np.testing.assert_array_equal(linear(normal(3)), np.zeros((3, 3)))


def test_gradient_of_a_jacobian_of_unknown_length() -> None:
    x, w = T.dvector("x"), T.dmatrix("w")
    total = jacobian(T.tanh(T.dot(w, x)), x).sum()
    a, point, step = normal(3, 2), normal(2), 1e-6
    f = symc.function([x, w], [total, symc.grad(total, x)])
    expected = [
        (f(point + e, a)[0] - f(point - e, a)[0]) / (2 * step) for e in step * np.eye(2)
    ]
    np.testing.assert_allclose(f(point, a)[1], expected, rtol=1e-6, atol=1e-8)


def test_jacobian_by_a_loop_of_what_is_not_connected() -> None:
    x, y = T.dvector("x"), T.dvector("y")
    jx, jy = jacobian(x**2, [x, y], disconnected_inputs="ignore")
    point = normal(3)
    by_x, by_y = symc.function([x, y], [jx, jy])(point, normal(2))
    np.testing.assert_allclose(by_x, np.diag(2 * point))
    np.testing.assert_array_equal(by_y, np.zeros((3, 2)))


def test_wrong_jacobians() -> None:
    x, m = T.dvector("x"), T.dmatrix("m")
    with pytest.raises(TypeError, match=r"flatten it: expression.flatten\(\)"):
        jacobian(m * 2, m)
    with pytest.raises(TypeError, match="that of a vector or a scalar"):
        hessian((m**2).sum(), m)
    known = T.specify_shape(x, (2,))
    with pytest.raises(symc.DisconnectedInputError):
        jacobian(known, T.dvector("y"))
