from __future__ import annotations

import numpy as np
import pytest

import symc
from symc.array.constructors import matrix, row, tensor, tensor3, vector
from symc.array.convert import constant
from symc.errors import ShapeError
from symc.ops.sum_to import SumTo, sum_to
from symc.scalar.expr import Context
from tests.helpers import check_gradient, evaluate
from tests.ops.contract import check_contract

RNG = np.random.default_rng(3)


@pytest.mark.parametrize("g", [(3, 4), (1, 4), (3, 0), (3, 1)])
@pytest.mark.parametrize("keep", [(True, True), (True, False), (False, True), (False, False)])
def test_axes_of_length_one_are_summed(g, keep) -> None:
    x, y = matrix(), matrix()
    a = RNG.normal(size=g)
    shape = tuple(n if k else 1 for n, k in zip(g, keep, strict=True))
    out = sum_to(x, y)
    axes = tuple(i for i, n in enumerate(shape) if n != g[i])
    found = evaluate(out, [x, y], [a, np.zeros(shape)])
    np.testing.assert_allclose(found, a.sum(axis=axes, keepdims=True))
    check_contract(out.owner, [a, shape[0], shape[1]])


def test_extra_and_static_axes_are_summed_plainly() -> None:
    g, r = tensor3(), row()
    a = RNG.normal(size=(2, 3, 4))
    found = evaluate(sum_to(g, r), [g, r], [a, np.zeros((1, 4))])
    np.testing.assert_allclose(found, a.sum((0, 1))[None])
    found = evaluate(sum_to(g, tensor("float64", ())), [g], [a])
    np.testing.assert_allclose(found, a.sum())
    assert sum_to(r, row(), equal_axes=[1]) is r


def test_lengths_that_do_not_fit() -> None:
    x, y = vector(), vector()
    with pytest.raises(ShapeError, match=r"(?s)length 2 along axis 0.*\(3,\)"):
        evaluate(sum_to(x, y), [x, y], [np.ones(3), np.ones(2)])
    with pytest.raises(TypeError, match="one length per axis"):
        SumTo((0,))(x)
    with pytest.raises(TypeError, match="0-d int64"):
        SumTo((0,))(x, constant(1.0))


@pytest.mark.parametrize("shape", [(3, 4), (1, 4), (3, 1), (1, 1)])
def test_what_arrives_is_taken_to_be_of_the_same_lengths(shape) -> None:
    x, y, g = matrix(), matrix(), matrix()
    f = symc.function([x, y, g], symc.grad(None, x, known_grads={x * y: g}))
    a, b, arriving = RNG.normal(size=shape), RNG.normal(size=(3, 4)), RNG.normal(size=(3, 4))
    assert "SumTo" not in symc.printing.debugprint(f, file="str")
    for _ in range(2):
        axes = tuple(i for i, n in enumerate(shape) if n == 1)
        expected = (b * arriving).sum(axes, keepdims=True)
        np.testing.assert_allclose(f(a, b, arriving), expected)
        shape, a = (3, 4), b


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE"])
def test_what_arrives_with_another_length_is_an_error(mode) -> None:
    x, y, g = matrix(), matrix(), matrix()
    summed = symc.function([x, g], sum_to(g, x), mode=mode)
    known = symc.grad(None, [x, y], known_grads={x + y: g})
    gradients = symc.function([x, y, g], known, mode=mode)
    for rows in (1, 2, 5):
        with pytest.raises(ShapeError, match="can't be summed to length 3 along axis 0"):
            summed(np.ones((3, 4)), np.ones((rows, 4)))
        with pytest.raises(ShapeError, match=rf"the known gradient of [\s\S]*\({rows}, 4\)"):
            gradients(np.ones((3, 4)), np.ones((3, 4)), np.ones((rows, 4)))


@pytest.mark.parametrize("n", [1, 3])
def test_gradient_is_broadcasting(n: int) -> None:
    check_gradient(lambda g, x: sum_to(g, x) ** 2, [RNG.normal(size=(3, 2)), np.ones((n, 2))], [0])


def test_what_is_summed_can_be_decided_from_sizes() -> None:
    ctx = Context()
    n, m, one, three = ctx.size("n"), ctx.size("m"), ctx.integer(1), ctx.integer(3)
    op = SumTo((0, 1))
    assert op.summed_axes((n, m), (n, m)) == ()
    assert op.summed_axes((n, m), (n, one)) is None
    assert op.summed_axes((n, three), (n, one)) == (1,)
    assert op.summed_axes((n, 3), (n, 3)) == ()
    assert op.summed_axes((n, m), (m, m)) is None
