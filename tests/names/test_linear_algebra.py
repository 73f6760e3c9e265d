"""`tensor.nlinalg` and `tensor.slinalg` against NumPy and SciPy, gradients by differences."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import scipy.linalg

import symc
import symc.tensor as T
from symc.runtime import native_available
from symc.sandbox import linalg
from symc.tensor import nlinalg, slinalg

SIZES = [0, 1, 2, 5]
PYTHON = symc.Mode("py", "fast_run")


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def square(n: int, seed: int = 0, dtype: str = "float64") -> Any:
    """A well-conditioned matrix."""
    return (rng(seed).standard_normal((n, n)) + 2 * n * np.eye(n)).astype(dtype)


def positive(n: int, seed: int = 0) -> Any:
    """A positive definite matrix with different eigenvalues."""
    a = rng(seed).standard_normal((n, n))
    return a @ a.T + np.diag(1.0 + np.arange(n))


def run(function: Callable[..., Any], *values: Any) -> Any:
    """The compiled function's results for arrays."""
    inputs = [T.TensorType(v.dtype, (False,) * v.ndim)() for v in values]
    outputs = function(*inputs)
    got = symc.function(inputs, outputs)(*values)
    on_numpy = symc.function(inputs, outputs, mode=PYTHON)(*values)
    several = isinstance(got, list)
    for one, other in zip(
        got if several else [got], on_numpy if several else [on_numpy], strict=True
    ):
        np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-9)
        assert (one.dtype, one.shape) == (other.dtype, other.shape)
    return got


def check_gradient(function: Callable[..., Any], *values: Any) -> None:
    """Compare the gradient of a weighted sum of all results with central differences."""
    inputs = [T.TensorType("float64", (False,) * v.ndim)() for v in values]
    found = function(*inputs)
    outputs = list(found) if isinstance(found, (list, tuple)) else [found]
    shapes = [o.shape for o in symc.function(inputs, outputs, mode=PYTHON)(*values)]
    weights = [rng(9 + k).standard_normal(s) for k, s in enumerate(shapes)]
    cost = sum((o * w).sum() for o, w in zip(outputs, weights, strict=True))
    gradients = symc.function(inputs, symc.grad(cost, inputs), mode=PYTHON)(*values)
    f = symc.function(inputs, cost, mode=PYTHON)
    for k, (value, gradient) in enumerate(zip(values, gradients, strict=True)):
        numeric = np.zeros_like(value)
        for i in np.ndindex(value.shape):
            points = []
            for step in (1e-6, -1e-6):
                moved = [v.copy() for v in values]
                moved[k][i] += step
                points.append(float(f(*moved)))
            numeric[i] = (points[0] - points[1]) / 2e-6
        np.testing.assert_allclose(gradient, numeric, rtol=2e-5, atol=2e-6)


# ---- inverse, determinant, pseudo-inverse


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("dtype", ["float32", "float64", "complex128", "int32"])
def test_inverse_and_determinant(n: int, dtype: str) -> None:
    a = square(n, dtype=dtype)
    if dtype == "complex128":
        a = a + 1j * square(n, 1)
    got = run(nlinalg.matrix_inverse, a)
    np.testing.assert_allclose(got, np.linalg.inv(a), atol=1e-5)
    assert got.dtype == {"int32": "float64"}.get(dtype, dtype)
    np.testing.assert_allclose(run(nlinalg.det, a), np.linalg.det(a), rtol=1e-4)
    sign, size = run(nlinalg.slogdet, a)
    expected = np.linalg.slogdet(a)
    np.testing.assert_allclose(sign, expected[0], rtol=1e-5)
    np.testing.assert_allclose(size, expected[1], rtol=1e-5)


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize(
    "function", [nlinalg.matrix_inverse, nlinalg.det, slinalg.expm, lambda x: nlinalg.slogdet(x)[1]]
)
def test_gradients_of_functions_of_square_matrices(n: int, function: Any) -> None:
    check_gradient(function, square(n) / (n + 1))


def test_complex_gradients() -> None:
    a, b = square(2) + 1j * square(2, 1), square(2, 3) + 1j * square(2, 4)
    x, y = T.zmatrix(), T.zmatrix()
    for out in (
        nlinalg.matrix_inverse(x),
        nlinalg.det(x),
        slinalg.solve(x, y),
        slinalg.expm(x / 9),
    ):
        cost = abs(out).sum() + out.real.sum()
        f = symc.function([x, y], cost, on_unused_input="ignore")
        g = symc.function([x, y], symc.grad(cost, x), on_unused_input="ignore")(a, b)
        for i in np.ndindex(2, 2):
            for unit in (1.0, 1j):
                step = np.zeros((2, 2), complex)
                step[i] = 1e-6 * unit
                slope = (f(a + step, b) - f(a - step, b)) / 2e-6
                np.testing.assert_allclose((g[i] * np.conj(unit)).real, slope, rtol=1e-5, atol=1e-8)


def test_r_ops() -> None:
    x, p = T.matrix(), T.matrix()
    a, along = square(3), rng(5).standard_normal((3, 3))
    functions = [
        nlinalg.matrix_inverse,
        nlinalg.det,
        slinalg.expm,
        lambda m: slinalg.solve(m, m * m),
    ]
    for function in functions:
        f = symc.function([x], function(x / 9))
        slope = (f(a + 1e-6 * along) - f(a - 1e-6 * along)) / 2e-6
        got = symc.function([x, p], symc.Rop(function(x / 9), x, p))(a, along)
        np.testing.assert_allclose(got, slope, rtol=1e-5, atol=1e-7)


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (4, 2), (2, 4), (3, 3)])
def test_pseudo_inverse(shape: tuple[int, int]) -> None:
    a = rng(1).standard_normal(shape)
    np.testing.assert_allclose(run(nlinalg.pinv, a), np.linalg.pinv(a))
    check_gradient(nlinalg.pinv, a)


def test_singular_matrices() -> None:
    x = T.matrix()
    f = symc.function([x], nlinalg.matrix_inverse(x))
    with pytest.raises(np.linalg.LinAlgError, match="test_linear_algebra"):
        f(np.zeros((2, 2)))
    with pytest.raises(np.linalg.LinAlgError):
        run(slinalg.solve, np.ones((2, 2)), np.ones(2))
    with pytest.raises(np.linalg.LinAlgError):
        run(slinalg.solve_lower_triangular, np.zeros((2, 2)), np.ones(2))
    assert run(nlinalg.det, np.zeros((2, 2))) == 0


@pytest.mark.parametrize(
    "function",
    [
        nlinalg.matrix_inverse,
        nlinalg.det,
        nlinalg.eigh,
        slinalg.cholesky,
        slinalg.expm,
        nlinalg.eig,
    ],
)
def test_matrices_that_are_not_square(function: Any) -> None:
    with pytest.raises(symc.ShapeError, match=r"\(2, 3\)"):
        run(function, np.ones((2, 3)))
    with pytest.raises(symc.ShapeError, match="takes a matrix"):
        function(T.vector())
    with pytest.raises(symc.ShapeError, match=r"\(2, 3\)"):
        function(T.as_tensor_variable(np.ones((2, 3))))


def test_a_row_is_a_matrix() -> None:
    x = T.row()
    f = symc.function([x], [nlinalg.pinv(x), symc.grad(nlinalg.pinv(x).sum(), x)])
    value, gradient = f(np.array([[3.0, 4.0]]))
    np.testing.assert_allclose(value, [[0.12], [0.16]])
    assert gradient.shape == (1, 2)


def test_a_compiled_gradient() -> None:
    x, b = T.matrix(), T.vector()
    cost = (slinalg.solve(x, b) ** 2).sum() + T.log(nlinalg.det(x))
    a, right = positive(3), np.arange(3.0)
    solution = np.linalg.solve(a, right)
    expected = -np.outer(np.linalg.solve(a.T, 2 * solution), solution) + np.linalg.inv(a).T
    np.testing.assert_allclose(symc.function([x, b], symc.grad(cost, x))(a, right), expected)


# ---- decompositions


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("triangle", ["L", "U"])
def test_eigh(n: int, triangle: str) -> None:
    a = positive(n) + np.triu(np.ones((n, n)), 1)
    w, v = run(lambda x: nlinalg.eigh(x, triangle), a)
    expected = np.linalg.eigh(a, triangle)
    np.testing.assert_allclose(w, expected[0])
    np.testing.assert_allclose(v, expected[1])
    np.testing.assert_allclose(run(lambda x: slinalg.eigvalsh(x, lower=triangle == "L"), a), w)
    if n < 5:
        check_gradient(lambda x: nlinalg.eigh(x, triangle), a)
        check_gradient(lambda x: nlinalg.eigh(x, triangle)[0], a)
        check_gradient(lambda x: slinalg.eigvalsh(x, lower=triangle == "L"), a)
    with pytest.raises(ValueError, match="UPLO"):
        nlinalg.eigh(T.matrix(), "x")


@pytest.mark.parametrize("n", [0, 1, 3])
@pytest.mark.parametrize("lower", [True, False])
def test_eigenvalues_of_pairs(n: int, lower: bool) -> None:
    a, b = positive(n), positive(n, 7)
    got = run(lambda x, y: slinalg.eigvalsh(x, y, lower), a, b)
    if n:
        np.testing.assert_allclose(got, scipy.linalg.eigh(a, b, lower=lower, eigvals_only=True))
    check_gradient(lambda x, y: slinalg.eigvalsh(x, y, lower), a, b)


def test_eig() -> None:
    a = np.array([[2.0, 1.0], [0.5, 3.0]])
    for got, expected in zip(run(nlinalg.eig, a), np.linalg.eig(a), strict=True):
        np.testing.assert_allclose(got, expected)
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    with pytest.raises(TypeError, match="complex eigenvalues"):
        run(nlinalg.eig, turn)
    np.testing.assert_allclose(run(nlinalg.eig, turn + 0j)[0], np.linalg.eig(turn)[0])
    x = T.matrix()
    with pytest.raises(symc.NullTypeGradError, match="eigh"):
        symc.grad(nlinalg.eig(x)[0].sum(), x)


@pytest.mark.parametrize("shape", [(0, 0), (1, 1), (4, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("mode", ["reduced", "complete", "r", "raw"])
def test_qr(shape: tuple[int, int], mode: str) -> None:
    a = rng(2).standard_normal(shape)
    got = run(lambda x: nlinalg.qr(x, mode), a)
    expected = np.linalg.qr(a, mode)
    if mode == "r":
        got, expected = [got], [expected]
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other)
    if mode in ("reduced", "r") and shape[0] >= shape[1]:
        check_gradient(lambda x: nlinalg.qr(x, mode), a)
    with pytest.raises(ValueError, match="mode"):
        nlinalg.qr(T.matrix(), "full")


@pytest.mark.parametrize("shape", [(0, 2), (1, 1), (4, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("full", [True, False])
def test_svd(shape: tuple[int, int], full: bool) -> None:
    a = rng(3).standard_normal(shape)
    got = run(lambda x: nlinalg.svd(x, full), a)
    for one, other in zip(got, np.linalg.svd(a, full), strict=True):
        np.testing.assert_allclose(one, other)
    np.testing.assert_allclose(run(lambda x: nlinalg.svd(x, full, False), a), got[1])
    check_gradient(lambda x: nlinalg.svd(x, full, False), a)
    check_gradient(lambda x: nlinalg.svd(x, full)[1], a)
    if full:
        x = T.matrix()
        with pytest.raises(symc.NullTypeGradError, match="full_matrices"):
            symc.grad(nlinalg.svd(x)[0].sum(), x)
    else:
        check_gradient(lambda x: nlinalg.svd(x, False), a)


# ---- Cholesky and linear equations


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("lower", [True, False])
def test_cholesky(n: int, lower: bool) -> None:
    a = positive(n)
    op = slinalg.Cholesky(lower=lower)
    got = run(op, a)
    np.testing.assert_allclose(got, np.linalg.cholesky(a) if lower else np.linalg.cholesky(a).T)
    if n < 5:
        check_gradient(op, a)


def test_cholesky_of_a_matrix_that_is_not_positive_definite() -> None:
    x = T.matrix()
    bad = np.array([[1.0, 2.0], [2.0, 1.0]])
    with pytest.raises(np.linalg.LinAlgError, match="not positive definite"):
        symc.function([x], slinalg.cholesky(x))(bad)
    quiet = slinalg.Cholesky(on_error="nan")(x)
    value, gradient = symc.function([x], [quiet, symc.grad(quiet.sum(), x)])(bad)
    assert np.isnan(value).all()
    assert np.isnan(gradient).any()
    with pytest.raises(ValueError, match="on_error"):
        slinalg.Cholesky(on_error="ignore")


@pytest.mark.parametrize("n", SIZES)
@pytest.mark.parametrize("columns", [None, 0, 1, 3])
@pytest.mark.parametrize("structure", slinalg.MATRIX_STRUCTURES[:4])
def test_solve(n: int, columns: int | None, structure: str) -> None:
    a = square(n)
    b = rng(4).standard_normal((n,) if columns is None else (n, columns))
    op = slinalg.Solve(structure)
    read = {
        "general": a,
        "symmetric": np.triu(a) + np.triu(a, 1).T,
        "lower_triangular": np.tril(a),
        "upper_triangular": np.triu(a),
    }[structure]
    np.testing.assert_allclose(run(op, a, b), np.linalg.solve(read, b), rtol=1e-6)
    if n < 5 and columns != 3:
        check_gradient(op, a, b)


def test_solve_mixes_dtypes_and_checks_shapes() -> None:
    got = run(slinalg.solve, square(2, dtype="float32"), np.ones(2, "int8"))
    assert got.dtype == "float64"
    assert run(slinalg.solve, square(2, dtype="float32"), np.ones(2, "float32")).dtype == "float32"
    with pytest.raises(symc.ShapeError, match=r"\(2, 2\) and \(3,\)"):
        run(slinalg.solve, square(2), np.ones(3))
    with pytest.raises(ValueError, match="structure"):
        slinalg.Solve("round")
    assert slinalg.Solve("general") == slinalg.solve
    assert slinalg.Solve("lower_triangular", lower=True) == slinalg.solve_lower_triangular


@pytest.mark.parametrize("shape", [(4, 2), (2, 4), (3, 3)])
@pytest.mark.parametrize("columns", [None, 2])
def test_least_squares(shape: tuple[int, int], columns: int | None) -> None:
    a = rng(5).standard_normal(shape)
    b = rng(6).standard_normal(shape[:1] if columns is None else (shape[0], columns))
    got = run(nlinalg.lstsq, a, b)
    for one, other in zip(got, np.linalg.lstsq(a, b, None), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    check_gradient(lambda x, y: nlinalg.lstsq(x, y)[0], a, b)
    np.testing.assert_allclose(nlinalg.lstsq()(a, b, 1e-3)[0].eval(), got[0])


def test_rank_of_least_squares_depends_on_rcond() -> None:
    a = np.diag([1.0, 1e-3])
    assert run(lambda x: nlinalg.lstsq(x, np.ones(2), 1e-2)[2], a) == 1
    assert run(lambda x: nlinalg.lstsq(x, np.ones(2))[2], a) == 2


# ---- functions


@pytest.mark.parametrize("n", SIZES)
def test_expm(n: int) -> None:
    a = square(n) / 5
    np.testing.assert_allclose(run(slinalg.expm, a), scipy.linalg.expm(a) if n else a)


def test_second_derivative_of_expm() -> None:
    def gradient(x: Any) -> Any:
        return symc.grad((slinalg.expm(x) ** 2).sum(), x)

    check_gradient(gradient, square(2) / 8)


@pytest.mark.parametrize(
    ("p", "q"), [((2, 3), (1, 2)), ((0, 2), (2, 2)), ((3,), (2,)), ((2,), (2, 3))]
)
def test_kron(p: tuple[int, ...], q: tuple[int, ...]) -> None:
    a, b = rng(7).standard_normal(p), rng(8).standard_normal(q)
    np.testing.assert_allclose(run(slinalg.kron, a, b), np.kron(a, b))
    check_gradient(slinalg.kron, a, b)


@pytest.mark.parametrize("n", [-2, -1, 0, 1, 2, 7])
def test_matrix_power(n: int) -> None:
    a = square(3) / 6
    got = run(lambda x: nlinalg.matrix_power(x, n), a)
    np.testing.assert_allclose(got, np.linalg.matrix_power(a, n))
    if n:
        check_gradient(lambda x: nlinalg.matrix_power(x, n), a)
    with pytest.raises(TypeError, match="int"):
        nlinalg.matrix_power(T.matrix(), 0.5)


def test_products_of_several_matrices() -> None:
    a, b, c = (rng(k).standard_normal(s) for k, s in enumerate([(2, 3), (3, 4), (4, 1)]))
    np.testing.assert_allclose(run(nlinalg.matrix_dot, a, b, c), a @ b @ c)
    with pytest.raises(TypeError, match="at least one"):
        nlinalg.matrix_dot()


@pytest.mark.parametrize("order", [None, "fro", "nuc", 1, -1, 2, -2, "inf", "-inf", np.inf])
def test_norms_of_matrices(order: Any) -> None:
    a = rng(9).standard_normal((3, 2))
    expected = np.linalg.norm(a, float(order) if order in ("inf", "-inf") else order)
    np.testing.assert_allclose(run(lambda x: nlinalg.norm(x, order), a), expected)
    check_gradient(lambda x: nlinalg.norm(x, order), a)


@pytest.mark.parametrize("order", [None, 0, 1, 2, 3, -1, 0.5, "inf", "-inf"])
def test_norms_of_vectors(order: Any) -> None:
    a = rng(9).standard_normal(4)
    expected = np.linalg.norm(a, float(order) if order in ("inf", "-inf") else order)
    np.testing.assert_allclose(run(lambda x: nlinalg.norm(x, order), a), expected)


def test_norms_that_are_not_there() -> None:
    with pytest.raises(ValueError, match="no norm"):
        nlinalg.norm(T.matrix(), 3)
    with pytest.raises(ValueError, match="no norm"):
        nlinalg.norm(T.vector(), "fro")
    with pytest.raises(ValueError, match="vector or a matrix"):
        nlinalg.norm(T.tensor3())


def test_tensorinv_and_tensorsolve() -> None:
    a = rng(10).standard_normal((2, 3, 3, 2))
    np.testing.assert_allclose(run(nlinalg.tensorinv, a), np.linalg.tensorinv(a), rtol=1e-6)
    np.testing.assert_allclose(run(nlinalg.TensorInv(2), a), np.linalg.tensorinv(a), rtol=1e-6)
    b = rng(11).standard_normal((2, 3))
    np.testing.assert_allclose(
        run(nlinalg.tensorsolve, a, b), np.linalg.tensorsolve(a, b), rtol=1e-6
    )
    moved = np.moveaxis(a, 3, 0).copy()
    expected = np.linalg.tensorsolve(moved, b, axes=(0,))
    got = run(lambda x, y: nlinalg.tensorsolve(x, y, axes=(0,)), moved, b)
    np.testing.assert_allclose(got, expected, rtol=1e-6)
    np.testing.assert_allclose(run(nlinalg.TensorSolve((0,)), moved, b), expected, rtol=1e-6)
    with pytest.raises(ValueError, match="ind must be"):
        nlinalg.tensorinv(T.matrix(), 0)


def test_diagonals_and_trace() -> None:
    a = square(3)
    np.testing.assert_allclose(run(nlinalg.trace, a), np.trace(a))
    np.testing.assert_allclose(run(nlinalg.diag, a), np.diag(a))
    np.testing.assert_allclose(run(nlinalg.extract_diag, a), np.diag(a))
    np.testing.assert_allclose(run(nlinalg.alloc_diag, a[0]), np.diag(a[0]))


def test_half_precision_is_computed_in_single() -> None:
    a = square(3, dtype="float16")
    got = run(nlinalg.matrix_inverse, a)
    assert got.dtype == "float16"
    np.testing.assert_allclose(got, np.linalg.inv(a.astype("float32")), atol=1e-3)


# ---- rewriting


def ops_of(f: Any) -> list[str]:
    return [type(node.op).__name__ for node in f.maker.fgraph.toposort()]


@pytest.mark.parametrize("linker", ["c", "py"])
@pytest.mark.parametrize("side", ["left", "right", "vector", "row"])
def test_products_with_an_inverse_are_solved(linker: str, side: str) -> None:
    x, b, v = T.matrix(), T.matrix(), T.vector()
    inverse = nlinalg.matrix_inverse(x)
    out = {
        "left": T.dot(inverse, b),
        "right": T.dot(b, inverse),
        "vector": T.dot(inverse, v),
        "row": T.dot(v, inverse),
    }[side]
    mode = symc.Mode(linker, "fast_run")
    f = symc.function([x, b, v], out, mode=mode, on_unused_input="ignore")
    a, c, w = square(3), rng(1).random((3, 3)), rng(2).random(3)
    i = np.linalg.inv(a)
    expected = {"left": i @ c, "right": c @ i, "vector": i @ w, "row": w @ i}[side]
    np.testing.assert_allclose(f(a, c, w), expected)
    if linker == "c":
        assert "Solve" in ops_of(f)
        assert "MatrixInverse" not in ops_of(f)


@pytest.mark.filterwarnings("error")
def test_products_of_inverses_with_rows_and_columns() -> None:
    x, column, row = T.matrix(), T.col(), T.row()
    inverse = nlinalg.matrix_inverse(x)
    a = square(3)
    b = rng(1).random((3, 1))
    mode = symc.Mode("c", "fast_run").excluding("canonical")
    f = symc.function([x, column], T.dot(inverse, column), mode=mode)
    np.testing.assert_allclose(f(a, b), np.linalg.solve(a, b))
    f = symc.function([x, row], T.dot(row, inverse), mode=mode)
    np.testing.assert_allclose(f(a, b.T), np.linalg.solve(a.T, b).T)


def test_an_inverse_with_other_readers_stays() -> None:
    x, b = T.matrix(), T.matrix()
    inverse = nlinalg.matrix_inverse(x)
    f = symc.function([x, b], [T.dot(inverse, b), inverse])
    assert "Solve" not in ops_of(f)
    a = square(2)
    np.testing.assert_allclose(f(a, np.eye(2))[0], np.linalg.inv(a))


@pytest.mark.skipif(not native_available(), reason="needs the facts of the native path")
@pytest.mark.parametrize("lower", [True, False])
@pytest.mark.parametrize("flipped", [True, False])
def test_equations_of_cholesky_factors_are_triangular(lower: bool, flipped: bool) -> None:
    x, b = T.matrix(), T.vector()
    factor = slinalg.Cholesky(lower)(x)
    f = symc.function([x, b], slinalg.solve(factor.T if flipped else factor, b))
    a, right = positive(3), np.arange(3.0)
    read = np.linalg.cholesky(a) if lower else np.linalg.cholesky(a).T
    np.testing.assert_allclose(f(a, right), np.linalg.solve(read.T if flipped else read, right))
    structures = [n.op.A_structure for n in f.maker.fgraph.toposort() if "Solve" in str(n.op)]
    assert structures == ["lower_triangular" if lower != flipped else "upper_triangular"]


# ---- hints


def test_hints() -> None:
    x = T.matrix("x")
    marked = linalg.Hint(positive=True)(linalg.psd(x))
    assert linalg.hints(marked) == {"positive": True, "psd": True, "symmetric": True}
    assert linalg.is_psd(marked)
    assert linalg.is_symmetric(marked)
    assert linalg.is_positive(marked)
    assert not linalg.is_psd(x)
    assert not linalg.is_psd(linalg.Hint(psd=False)(linalg.psd(x)))
    assert linalg.Hint(psd=True) == linalg.Hint(psd=True) != linalg.Hint(psd=False)
    value, gradient = symc.function([x], [marked * 2, symc.grad((marked**2).sum(), x)])(np.eye(2))
    np.testing.assert_allclose(value, 2 * np.eye(2))
    np.testing.assert_allclose(gradient, 2 * np.eye(2))


def test_bound_of_the_spectral_radius() -> None:
    a = positive(4)
    largest = np.linalg.eigvalsh(a)[-1]
    bounds = [float(run(lambda x, k=k: linalg.spectral_radius_bound(x, k), a)) for k in range(6)]
    assert all(b >= largest * (1 - 1e-12) for b in bounds)
    assert bounds == sorted(bounds, reverse=True)
    np.testing.assert_allclose(bounds[-1], largest, rtol=0.05)
    for wrong in (-1, 0.5, True):
        with pytest.raises(ValueError, match="log2_exponent"):
            linalg.spectral_radius_bound(T.matrix(), wrong)
    with pytest.raises(TypeError, match="matrix"):
        linalg.spectral_radius_bound(T.vector(), 2)
