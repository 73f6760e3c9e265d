from __future__ import annotations

import numpy as np
import pytest

from symc.array.constructors import (
    fmatrix,
    lscalar,
    lvector,
    matrix,
    row,
    scalar,
    tensor,
    tensor3,
    vector,
)
from symc.array.lengths import known_lengths
from symc.config import change_flags
from symc.errors import ShapeError
from symc.graph.node import Constant
from symc.graph.special import DisconnectedType
from symc.ops import alloc as al
from symc.ops.diagonal import AllocDiag, ExtractDiag, diag, diagonal, trace
from symc.ops.reduce import Sum
from tests.helpers import check_gradient, evaluate, gradients
from tests.ops.contract import check_contract

RNG = np.random.default_rng(6)


@pytest.mark.parametrize("shape", [(2, 3), (0, 3), (1, 1), (), 4])
def test_filled_tensors(shape) -> None:
    for ours, numpys in ((al.zeros, np.zeros), (al.ones, np.ones), (al.empty, np.zeros)):
        for dtype in ("float32", "int8", "bool"):
            found = evaluate(ours(shape, dtype=dtype))
            np.testing.assert_array_equal(found, numpys(shape, dtype))
            assert found.dtype == dtype
    np.testing.assert_array_equal(evaluate(al.full(shape, 7)), np.full(shape, 7))
    assert al.full(shape, 7, dtype="float32").dtype == "float32"


def test_default_dtype_is_floatx() -> None:
    with change_flags(floatX="float32"):
        assert al.zeros(3).dtype == al.ones(3).dtype == al.empty(3).dtype == "float32"
        assert al.eye(3).dtype == al.tri(3).dtype == "float32"


def test_symbolic_shapes() -> None:
    n, v, x = lscalar(), lvector(), matrix()
    assert evaluate(al.zeros((n, 2)), [n], [3]).shape == (3, 2)
    assert evaluate(al.zeros(n), [n], [3]).shape == (3,)
    assert evaluate(al.ones(x.shape), [x], [np.zeros((4, 5))]).shape == (4, 5)
    with pytest.raises(ShapeError, match="not known"):
        al.zeros(v)
    assert al.zeros((1, n)).broadcastable == (True, False)
    assert known_lengths(al.zeros((3, n))) == (3, None)
    with pytest.raises(ValueError, match="negative"):
        al.zeros((-1, 2))
    with pytest.raises(ValueError, match="negative"):
        evaluate(al.zeros(n), [n], [-1])
    with pytest.raises(ValueError, match="negative"):
        check_contract(al.zeros((n,)).owner, [0.0, -1])


@pytest.mark.parametrize("shape", [(3,), (1,), (2, 3), (2, 1), (0,)])
def test_alloc_broadcasts_its_value(shape) -> None:
    n = 3 if shape[-1] != 0 else 0
    x = tensor("float64", (False,) * len(shape))
    a = RNG.normal(size=shape)
    out = al.alloc(x, 4, 2, n)
    expected = np.broadcast_to(a, (4, 2, n))
    np.testing.assert_array_equal(check_contract(out.owner, [a, 4, 2, n])[0], expected)
    check_gradient(lambda v: al.broadcast_to(v, (4, 2, n)) ** 2, [a])


def test_what_alloc_refuses() -> None:
    x, n = vector(), lscalar()
    with pytest.raises(ShapeError, match=r"can't be broadcast"):
        evaluate(al.alloc(x, n), [x, n], [np.ones(2), 3])
    with pytest.raises(ValueError):
        check_contract(al.alloc(x, n).owner, [np.ones(2), 3])
    with pytest.raises(ValueError):
        check_contract(al.alloc(x, n).owner, [np.ones(2), 1])
    with pytest.raises(ShapeError, match=r"can't be broadcast"):
        al.alloc(vector(shape=(2,)), 3)
    with pytest.raises(ShapeError):
        al.alloc(matrix(), 3)
    with pytest.raises(TypeError, match="a length must be an integer"):
        al.alloc(1.0, 2.5)


def test_like() -> None:
    x = fmatrix()
    a = np.ones((2, 3), "float32")
    for out, expected in [
        (al.zeros_like(x), np.zeros_like(a)),
        (al.ones_like(x, dtype="int8"), np.ones_like(a, "int8")),
        (al.full_like(x, 3), np.full_like(a, 3)),
        (x.zeros_like(), np.zeros_like(a)),
        (x.ones_like("float64"), np.ones_like(a, "float64")),
        (x.fill(2.5), np.full_like(a, 2.5)),
    ]:
        found = evaluate(out, [x], [a])
        np.testing.assert_array_equal(found, expected)
        assert found.dtype == expected.dtype
    assert isinstance(al.zeros_like(scalar(), opt=True), Constant)
    assert al.zeros_like(row()).broadcastable == (True, False)


def test_gradient_of_a_value() -> None:
    x = scalar()
    (g,) = gradients(Sum()(al.alloc(x, 2, 3)), [x])
    assert evaluate(g, [x], [1.0]) == 6
    node = al.alloc(x, 2, 3).owner
    assert node.op.connection_pattern(node) == [[True], [False], [False]]
    assert isinstance(node.op.L_op(node.inputs, node.outputs, [matrix()])[1].type, DisconnectedType)


# ---------------------------------------------------------------------------------------------
# Ranges
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "args", [(5,), (0,), (-3,), (2, 7), (7, 2), (7, 2, -2), (0, 10, 3), (1, 1), (5, 0, -1)]
)
def test_ranges_of_integers(args) -> None:
    expected = np.arange(*args)
    out = al.arange(*args)
    assert out.dtype == "int64"
    full = (0, *args, 1) if len(args) == 1 else (*args, 1)[:3]
    np.testing.assert_array_equal(check_contract(out.owner, full)[0], expected)
    assert known_lengths(out) == (len(expected),)
    symbols = [lscalar() for _ in args]
    symbolic = al.arange(*symbols)
    np.testing.assert_array_equal(check_contract(symbolic.owner, full)[0], expected)


def test_ranges_of_floats() -> None:
    for args in ((0.5, 3.0), (0.0, 1.0, 0.1), (2.0, -1.0, -0.3)):
        found = check_contract(al.arange(*args).owner, (*args, 1.0)[:3])[0]
        np.testing.assert_allclose(found, np.arange(*args))
    x = scalar()
    np.testing.assert_allclose(evaluate(al.arange(x), [x], [2.5]), [0, 1, 2])
    check_contract(al.arange(x).owner, [0.0, 2.5, 1.0])


def test_dtypes_of_ranges() -> None:
    assert al.arange(tensor("int32", ())).dtype == "int64"
    assert al.arange(tensor("uint8", ())).dtype == "uint64"
    assert al.arange(3, dtype="int8").dtype == "int8"
    assert al.arange(tensor("float32", ())).dtype == "float32"
    with change_flags(floatX="float32"):
        assert al.arange(0.5, 2).dtype == "float32"
    with pytest.raises(TypeError, match="0-d tensors"):
        al.arange(vector())
    with pytest.raises(TypeError):
        al.arange(1j)


def test_a_step_of_zero() -> None:
    n = lscalar()
    with pytest.raises(ZeroDivisionError):
        evaluate(al.arange(0, 3, n), [n], [0])
    with pytest.raises(ZeroDivisionError):
        al.arange(0, 3, 0)


def test_a_long_range_costs_nothing_to_build() -> None:
    assert known_lengths(al.arange(10**15)) == (10**15,)
    assert known_lengths(al.arange(0.0, 1e15, 0.5)) == (2 * 10**15,)


def test_gradients_of_ranges() -> None:
    check_gradient(lambda a, d: al.arange(a, a * 0 + 3.2, d), [np.array(0.1), np.array(0.7)])
    n = lscalar()
    assert gradients(Sum()(al.arange(n) * 1.0), [n]) == [None]
    assert gradients(Sum()(al.arange(n, 3) * 1.0), [n])[0].dtype == "float64"
    a, d, da = scalar(), scalar(), scalar()
    out = al.arange(a, 3.0, d)
    (slope,) = out.owner.op.R_op(out.owner.inputs, [da, None, da])
    np.testing.assert_allclose(evaluate(slope, [a, d, da], [0.0, 1.0, 2.0]), [2, 4, 6])


def test_grids() -> None:
    x, y = al.mgrid[0:3, 1:5:2]
    ex, ey = np.mgrid[0:3, 1:5:2]
    np.testing.assert_array_equal(evaluate(x), ex)
    np.testing.assert_array_equal(evaluate(y), ey)
    for ours, numpys in zip(al.ogrid[0:3, 1:5:2], np.ogrid[0:3, 1:5:2], strict=True):
        np.testing.assert_array_equal(evaluate(ours), numpys)
    np.testing.assert_array_equal(evaluate(al.mgrid[2:4]), np.mgrid[2:4])
    with pytest.raises(NotImplementedError, match="arange"):
        al.mgrid[0:1:5j]


# ---------------------------------------------------------------------------------------------
# Unit and triangular matrices
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("k", [0, 1, -2, 5])
@pytest.mark.parametrize(("n", "m"), [(3, 4), (4, 3), (1, 1), (0, 2)])
def test_eye_and_tri(n: int, m: int, k: int) -> None:
    i, j, d = lscalar(), lscalar(), lscalar()
    np.testing.assert_array_equal(
        check_contract(al.eye(i, j, d).owner, [n, m, k])[0], np.eye(n, m, k)
    )
    np.testing.assert_array_equal(
        check_contract(al.tri(i, j, d).owner, [n, m, k])[0], np.tri(n, m, k)
    )
    assert evaluate(al.eye(n)).shape == (n, n)
    assert known_lengths(al.eye(n, m)) == (n, m)
    with pytest.raises(ValueError, match="negative"):
        al.eye(-1)


@pytest.mark.parametrize("k", [0, 1, -1])
def test_triangles(k: int) -> None:
    x = tensor3()
    a = RNG.normal(size=(2, 3, 4))
    a[0, 2, 3] = a[1, 2, 0] = np.nan
    np.testing.assert_array_equal(evaluate(al.tril(x, k), [x], [a]), np.tril(a, k))
    np.testing.assert_array_equal(evaluate(al.triu(x, k), [x], [a]), np.triu(a, k))
    check_gradient(lambda v: al.triu(v, k) ** 2, [RNG.normal(size=(3, 4))])
    with pytest.raises(ShapeError, match="2 axes"):
        al.tril(vector())


def test_identity_like() -> None:
    x = fmatrix()
    found = evaluate(al.identity_like(x), [x], [np.zeros((2, 3), "float32")])
    np.testing.assert_array_equal(found, np.eye(2, 3, dtype="float32"))
    assert found.dtype == "float32"


# ---------------------------------------------------------------------------------------------
# Diagonals
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("offset", [0, 1, -1, 3, -4])
@pytest.mark.parametrize("shape", [(3, 4), (4, 2), (1, 1), (0, 3)])
def test_diagonals_of_matrices(shape, offset: int) -> None:
    x = matrix()
    a = RNG.normal(size=shape)
    found = check_contract(ExtractDiag(offset)(x).owner, [a])[0]
    np.testing.assert_array_equal(found, np.diagonal(a, offset))
    assert evaluate(trace(x, offset), [x], [a]) == pytest.approx(np.trace(a, offset))
    check_gradient(lambda v: diagonal(v, offset) ** 2, [a])


def test_diagonals_of_other_axes() -> None:
    x = tensor3()
    a = RNG.normal(size=(2, 3, 4))
    for axes in ((0, 1), (0, 2), (1, 2), (2, 0), (-1, -2)):
        for offset in (0, 1, -1):
            found = evaluate(diagonal(x, offset, *axes), [x], [a])
            np.testing.assert_array_equal(found, a.diagonal(offset, *axes))
            check_contract(diagonal(x, offset, *axes).owner, [a])
            check_gradient(lambda v, o=offset, d=axes: diagonal(v, o, *d), [a])
    with pytest.raises(ValueError, match="two different axes"):
        diagonal(x, 0, 1, 1)
    with pytest.raises(ValueError, match="smaller one first"):
        ExtractDiag(0, 1, 0)
    with pytest.raises(ShapeError, match="at least 2 axes"):
        ExtractDiag()(vector())


@pytest.mark.parametrize("offset", [0, 2, -1])
@pytest.mark.parametrize("n", [0, 1, 3])
def test_matrices_from_diagonals(n: int, offset: int) -> None:
    x = vector()
    a = RNG.normal(size=n)
    found = check_contract(AllocDiag(offset)(x).owner, [a])[0]
    np.testing.assert_array_equal(found, np.diag(a, offset))
    check_gradient(lambda v: diag(v, offset) ** 2, [a])
    wide = AllocDiag(offset)(x, 5, 6)
    expected = np.zeros((5, 6))
    k = np.arange(n)
    expected[k + max(-offset, 0), k + max(offset, 0)] = a
    np.testing.assert_array_equal(check_contract(wide.owner, [a, 5, 6])[0], expected)


def test_stacks_of_diagonals() -> None:
    x = matrix()
    a = RNG.normal(size=(2, 3))
    out = AllocDiag(0, 0, 2)(x)
    found = check_contract(out.owner, [a])[0]
    np.testing.assert_array_equal(found.diagonal(0, 0, 2), a)
    assert found.shape == (3, 2, 3)
    assert np.count_nonzero(found) == 6
    check_gradient(AllocDiag(1, 1, 2), [a])
    with pytest.raises(ShapeError, match="a diagonal to put"):
        AllocDiag()(scalar())
    with pytest.raises(ShapeError):
        diag(scalar())
    with pytest.raises(TypeError, match="no or two lengths"):
        AllocDiag()(vector(), 3)
