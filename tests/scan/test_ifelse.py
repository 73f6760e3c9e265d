"""`ifelse`: the branch that is not taken is not run; values, gradients and errors."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import Op, function, grad
from symc.gradient import disconnected_grad
from symc.graph.node import Apply
from symc.ifelse import IfElse, ifelse
from tests.scan.differences import numerical_gradient

MODES = ("FAST_RUN", "NUMPY")
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


class Counted(Op):
    """Twice its operand; counts how often it runs."""

    def __init__(self) -> None:
        self.runs = 0

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])

    def perform(
        self, node: Apply, inputs: list[Any], output_storage: Any, params: Any = None
    ) -> None:
        self.runs += 1
        output_storage[0][0] = 2 * inputs[0]


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("condition", [T.iscalar, T.bscalar, T.dscalar, T.lscalar])
def test_one_of_two_values_of_other_lengths(mode: str, condition: Any) -> None:
    c, x, y = condition("c"), T.dvector("x"), T.dvector("y")
    f = function([c, x, y], ifelse(c, T.exp(x), T.sin(y) * 2), mode=mode)
    a, b = np.arange(3.0), np.arange(4.0)
    np.testing.assert_allclose(f(1, a, b), np.exp(a))
    np.testing.assert_allclose(f(0, a, b), 2 * np.sin(b))
    np.testing.assert_allclose(f(2, a[:0], b), np.empty(0))


@pytest.mark.parametrize("mode", MODES)
def test_the_other_branch_does_not_run(mode: str) -> None:
    then, other, both = Counted(), Counted(), Counted()
    c, x = T.iscalar("c"), T.dvector("x")
    shared_work = both(x)
    f = function([c, x], ifelse(c, then(x) + shared_work, other(x) - shared_work), mode=mode)
    x_value = np.array([1.0, 2.0])
    np.testing.assert_allclose(f(1, x_value), 4 * x_value)
    assert (then.runs, other.runs, both.runs) == (1, 0, 1)
    np.testing.assert_allclose(f(0, x_value), 0 * x_value)
    assert (then.runs, other.runs, both.runs) == (1, 1, 2)


@pytest.mark.parametrize("mode", MODES)
def test_errors_of_the_other_branch_do_not_appear(mode: str) -> None:
    c, x, y, i = T.iscalar("c"), T.dvector("x"), T.dvector("y"), T.lscalar("i")
    checked = T.Assert("must be positive")(x, x.min() > 0)
    risky = T.log(checked)[i] + x.max() + (x + y).sum()
    f = function([c, x, y, i], ifelse(c, risky, y.sum()), mode=mode)
    y_value = np.arange(4.0)
    assert f(0, np.array([-1.0]), y_value, 0) == 6.0  # the assertion
    assert f(0, np.array([1.0, 2.0]), y_value, 9) == 6.0  # the index, and lengths 2 and 4
    assert f(0, np.empty(0), y_value, 0) == 6.0  # the maximum of nothing
    x_value = np.arange(1.0, 5.0)
    expected = np.log(x_value)[2] + 4 + (x_value + y_value).sum()
    np.testing.assert_allclose(f(1, x_value, y_value, 2), expected)
    with pytest.raises(AssertionError, match="must be positive"):
        f(1, -x_value, y_value, 0)
    with pytest.raises(IndexError):
        f(1, x_value, y_value, 9)
    with pytest.raises(ValueError, match="broadcast|fit together"):
        f(1, x_value[:2], y_value, 0)


@pytest.mark.parametrize("mode", MODES)
def test_broadcasting_inside_of_a_branch(mode: str) -> None:
    c, x, y = T.iscalar("c"), T.dvector("x"), T.dvector("y")
    f = function([c, x, y], ifelse(c, x * y, x), mode=mode)
    three, one, four = np.arange(3.0), np.array([2.0]), np.arange(4.0)
    for a, b in ((three, three), (three, one), (one, three), (one, one), (three, three + 1)):
        np.testing.assert_allclose(f(1, a, b), a * b)
        np.testing.assert_allclose(f(0, a, b), a)
    np.testing.assert_allclose(f(0, three, four), three)


@pytest.mark.parametrize("mode", MODES)
def test_several_values_nested(mode: str) -> None:
    c, d, x, y = T.iscalar("c"), T.iscalar("d"), T.dvector("x"), T.dmatrix("y")
    inner = ifelse(d, [x + 1, y * 2], [x - 1, y * 3])
    outs = ifelse(c, inner, (x * x, y.T))
    assert isinstance(outs, list)
    assert isinstance(ifelse(c, (x, y), [x, y]), tuple)
    f = function([c, d, x, y], outs, mode=mode)
    a, b = np.arange(3.0), np.arange(6.0).reshape(2, 3)
    for cv in (0, 1):
        for dv in (0, 1):
            expected = ((a + 1, b * 2) if dv else (a - 1, b * 3)) if cv else (a * a, b.T)
            for got, want in zip(f(cv, dv, a, b), expected, strict=True):
                np.testing.assert_allclose(got, want)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("taken", [0, 1])
def test_gradient_and_directional_derivative(mode: str, taken: int) -> None:
    c, x, y = T.iscalar("c"), T.dvector("x"), T.dvector("y")
    z = ifelse(c, T.exp(x).sum() * y[0], (x**2).sum() + T.sin(y).sum()) ** 2
    f = function([c, x, y], [z, *grad(z, [x, y])], mode=mode)
    a, b = np.array([0.1, -0.4]), np.array([0.3, 0.7, 1.1])

    def value(p: Any, q: Any) -> Any:
        return (np.exp(p).sum() * q[0] if taken else (p**2).sum() + np.sin(q).sum()) ** 2

    got, gx, gy = f(taken, a, b)
    np.testing.assert_allclose(got, value(a, b))
    np.testing.assert_allclose(gx, numerical_gradient(lambda p: value(p, b), a), rtol=1e-5)
    np.testing.assert_allclose(
        gy, numerical_gradient(lambda q: value(a, q), b), rtol=1e-5, atol=1e-8
    )
    v = T.dvector("v")
    along = function([c, x, y, v], symc.Rop(z, x, v), mode=mode)(taken, a, b, np.array([1.0, 2.0]))
    np.testing.assert_allclose(along, gx @ np.array([1.0, 2.0]))


@pytest.mark.parametrize("mode", MODES)
def test_in_a_loop_and_a_loop_in_a_branch(mode: str) -> None:
    x, c = T.dvector("x"), T.iscalar("c")
    count = Counted()

    def step(v: Any, total: Any) -> Any:
        return ifelse(v > 0, total + count(v), total)

    total, _ = symc.scan(step, sequences=x, outputs_info=T.constant(0.0))
    f = function([x], total, mode=mode)
    np.testing.assert_allclose(f([1.0, -2.0, 3.0, -4.0]), [2, 2, 8, 8])
    assert count.runs == 2
    loop, _ = symc.scan(lambda v, h: T.tanh(h + v), sequences=x, outputs_info=T.constant(0.0))
    f = function([c, x], ifelse(c, loop[-1], x.sum()), mode=mode)
    assert f(0, np.empty(0)) == 0.0  # loop[-1] would be out of bounds
    np.testing.assert_allclose(f(1, [0.5]), np.tanh(0.5))


@pytest.mark.parametrize("mode", MODES)
def test_lengths_that_only_the_branch_tells(mode: str) -> None:
    c, x = T.iscalar("c"), T.dvector("x")
    f = function([c, x], ifelse(c, x[(x > 0).nonzero()[0]], -x), mode=mode)
    a = np.array([1.0, -2.0, 3.0])
    np.testing.assert_allclose(f(1, a), [1, 3])
    np.testing.assert_allclose(f(0, a), -a)
    kept = x[(x > 0).nonzero()[0]]
    f = function([c, x], [kept, ifelse(c, kept * 2, -x)], mode=mode)
    np.testing.assert_allclose(f(1, a)[1], [2, 6])
    np.testing.assert_allclose(f(0, a)[1], -a)


@pytest.mark.parametrize("mode", MODES)
def test_updates_of_shared_variables(mode: str) -> None:
    c = T.iscalar("c")
    s = symc.shared(np.arange(3.0))
    f = function([c], s.sum(), updates=[(s, ifelse(c, s * 2, s - 1))], mode=mode)
    assert f(1) == 3.0
    np.testing.assert_allclose(s.get_value(), [0, 2, 4])
    assert f(0) == 6.0
    np.testing.assert_allclose(s.get_value(), [-1, 1, 3])


def test_a_condition_that_is_known_needs_no_branch() -> None:
    x = T.dvector("x")
    f = function([x], ifelse(T.constant(1), x + 1, T.Raise("never")(x)))
    np.testing.assert_allclose(f([1.0]), [2.0])
    assert not any(isinstance(n.op, IfElse) for n in f.maker.fgraph.toposort())


def test_types_of_branches() -> None:
    c, x = T.iscalar("c"), T.dvector("x")
    joint = ifelse(c, T.drow("r"), T.dmatrix("m"))
    assert joint.type == T.dmatrix
    assert ifelse(c, x, T.zeros_like(x)).type == T.dvector
    assert ifelse(c, T.fscalar("f"), 0).dtype == "float32"
    with pytest.raises(TypeError, match=r"then: .*vector[\s\S]*else: .*matrix[\s\S]*test_ifelse"):
        ifelse(c, T.dvector("x"), T.dmatrix("m"))
    with pytest.raises(TypeError, match=r"float32[\s\S]*astype"):
        ifelse(c, x, T.fvector("y"))
    with pytest.raises(TypeError, match="one truth value"):
        ifelse(x, x, x)
    with pytest.raises(ValueError, match="2 then, 1 else"):
        ifelse(c, [x, x], [x])


def test_copies_and_names() -> None:
    c, x = T.iscalar("c"), T.dvector("x")
    z = ifelse(c, x + 1, x - 1, name="choice")
    assert "choice" in str(z.owner.op)
    assert "choice" in symc.debugprint(function([c, x], z), file="str")
    again = pickle.loads(pickle.dumps(z))
    variables = [v for v in symc.graph.walk.graph_inputs([again]) if v.name in ("c", "x")]
    by_name = {v.name: v for v in variables}
    f = function([by_name["c"], by_name["x"]], again)
    np.testing.assert_allclose(f(1, [1.0]), [2.0])
    other = T.dvector("other")
    f = function([c, other], symc.clone(z, {x: other * 2}))
    np.testing.assert_allclose(f(0, [1.0]), [1.0])


def test_random_conditions_against_python() -> None:
    rng = np.random.default_rng(7)
    c = [T.iscalar(f"c{k}") for k in range(3)]
    x = [T.dvector(f"x{k}") for k in range(3)]
    unary = [(T.sin, np.sin), (T.exp, np.exp), (lambda v: v * 2, lambda v: v * 2)]
    for _ in range(12):
        pool: list[tuple[Any, Any]] = [(v, lambda cs, xs, k=k: xs[k]) for k, v in enumerate(x)]
        for _ in range(10):
            (a, fa), (b, fb) = (pool[rng.integers(len(pool))] for _ in range(2))
            if rng.random() < 0.5:
                k = int(rng.integers(3))
                made = ifelse(c[k], a, b)
                pool.append((made, lambda cs, xs, k=k, fa=fa, fb=fb: (fa if cs[k] else fb)(cs, xs)))
            else:
                op, by_hand = unary[rng.integers(3)]
                pool.append(
                    (op(a) - b, lambda cs, xs, g=by_hand, fa=fa, fb=fb: g(fa(cs, xs)) - fb(cs, xs))
                )
        outs = pool[-2:]
        f = function([*c, *x], [v for v, _ in outs], on_unused_input="ignore", mode="NUMPY")
        g = function([*c, *x], [v for v, _ in outs], on_unused_input="ignore")
        for bits in range(8):
            cs = [bits >> k & 1 for k in range(3)]
            xs = [rng.normal(size=2) * 0.1 for _ in range(3)]
            for (_, by_hand), got, native in zip(outs, f(*cs, *xs), g(*cs, *xs), strict=True):
                np.testing.assert_allclose(got, by_hand(cs, xs), rtol=1e-9)
                np.testing.assert_allclose(native, by_hand(cs, xs), rtol=1e-9)


@pytest.mark.parametrize("mode", MODES)
def test_conditions_that_are_computed(mode: str) -> None:
    x, y = T.dvector("x"), T.dvector("y")
    then, other = Counted(), Counted()
    z = ifelse(x.sum() > y.sum(), T.exp(then(x)), T.cos(other(y)))
    f = function([x, y], [z, z.shape[0]], mode=mode)
    a, b = np.array([1.0, 2.0]), np.array([0.1, 0.2, 0.3])
    for got, want in zip(f(a, b), (np.exp(2 * a), 2), strict=True):
        np.testing.assert_allclose(got, want)
    for got, want in zip(f(-a, b), (np.cos(2 * b), 3), strict=True):
        np.testing.assert_allclose(got, want)
    assert (then.runs, other.runs) == (1, 1)


@pytest.mark.parametrize("mode", MODES)
def test_a_branch_that_is_not_taken_costs_no_gradient(mode: str) -> None:
    c, x, y = T.iscalar("c"), T.dvector("x"), T.dvector("y")
    work = Counted()
    checked = T.Assert("must be positive")(x, x.min() > 0)
    then = T.exp(checked) * disconnected_grad(work(x))
    loss = ifelse(c, (then * y.sum()).sum(), (y**2).sum()) ** 2
    f = function([c, x, y], [loss, *grad(loss, [x, y])], mode=mode)
    a, b = np.array([0.5, 1.5]), np.array([0.1, 0.2, 0.3])
    value, gx, gy = f(0, -a, b)
    assert work.runs == 0
    np.testing.assert_allclose(value, (b**2).sum() ** 2)
    np.testing.assert_array_equal(gx, 0)
    np.testing.assert_allclose(gy, 4 * (b**2).sum() * b)
    value, gx, gy = f(1, a, b)
    assert work.runs == 1  # for the value and for the gradient
    once = (np.exp(a) * 2 * a).sum() * b.sum()
    np.testing.assert_allclose(value, once**2)
    np.testing.assert_allclose(gx, 2 * once * np.exp(a) * 2 * a * b.sum())
    np.testing.assert_allclose(gy, 2 * once * (np.exp(a) * 2 * a).sum() * np.ones(3))
    with pytest.raises(AssertionError, match="must be positive"):
        f(1, -a, b)


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_nested_conditions(mode: str) -> None:
    c, d, x = T.iscalar("c"), T.iscalar("d"), T.dvector("x")
    w = T.dmatrix("w")
    h = ifelse(c, T.tanh(T.dot(x, w)), ifelse(d, x * x[0], T.sin(x)))
    z = (ifelse(d, h * 2, T.exp(h)) * x).sum()
    f = function([c, d, x, w], [z, *grad(z, [x, w])], mode=mode)
    xv, wv = np.array([0.3, -0.6]), np.array([[0.2, -0.4], [1.1, 0.7]])
    for cv in (0, 1):
        for dv in (0, 1):

            def value(x: Any, w: Any, cv: int = cv, dv: int = dv) -> Any:
                h = np.tanh(x @ w) if cv else x * x[0] if dv else np.sin(x)
                return ((h * 2 if dv else np.exp(h)) * x).sum()

            got, gx, gw = f(cv, dv, xv, wv)
            np.testing.assert_allclose(got, value(xv, wv))
            np.testing.assert_allclose(
                gx, numerical_gradient(lambda v, f=value: f(v, wv), xv), rtol=1e-5, atol=1e-8
            )
            np.testing.assert_allclose(
                gw, numerical_gradient(lambda v, f=value: f(xv, v), wv), rtol=1e-5, atol=1e-8
            )


@pytest.mark.parametrize("mode", MODES)
def test_gradients_of_branches_that_exclude_each_other(mode: str) -> None:
    """What passes the second condition was made by the other branch of the first."""
    c, x, w = T.iscalar("c"), T.dvector("x"), T.dvector("w")
    y = ifelse(c, 2 * x, x**3)
    z = ifelse(c, 5 * w, y**2)
    f = function([c, x, w], grad(z.sum(), [x, w]), mode=mode)
    xv, wv = np.array([2.0, -0.5]), np.ones(2)
    gx, gw = f(0, xv, wv)
    np.testing.assert_allclose(gx, 6 * xv**5)
    np.testing.assert_array_equal(gw, np.zeros(2))
    gx, gw = f(1, xv, wv)
    np.testing.assert_array_equal(gx, np.zeros(2))
    np.testing.assert_array_equal(gw, np.full(2, 5.0))


@pytest.mark.parametrize("mode", MODES)
def test_gradients_have_the_lengths_of_their_branch(mode: str) -> None:
    """Zeros for the branch that was not taken do not get the lengths of the other one."""
    c, d, x, y = T.iscalar("c"), T.iscalar("d"), T.dvector("x"), T.dvector("y")
    e = ifelse(c, T.sin(x), ifelse(d, y[:2], 3 * y))
    gx, gy = grad((e**2).sum(), [x, y])
    f = function([c, d, x, y], [x - gx, y - gy], mode=mode)
    xv, yv = np.arange(1.0, 6.0), np.arange(1.0, 4.0)
    for cv in (0, 1):
        for dv in (0, 1):
            dx = 2 * np.sin(xv) * np.cos(xv) if cv else np.zeros(5)
            dy = np.zeros(3) if cv else 2 * yv * (np.arange(3) < 2) if dv else 18 * yv
            got_x, got_y = f(cv, dv, xv, yv)
            np.testing.assert_allclose(got_x, xv - dx)
            np.testing.assert_allclose(got_y, yv - dy)
