"""Counting, unique elements, flat positions, permutations, diagonals, spacings; old names."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T
from tests.ops.tables import Entry, check_gradients, run

RNG = np.random.default_rng(8)


def normal(*shape: int) -> np.ndarray:
    return RNG.normal(size=shape)


def _filled(a: np.ndarray, v: Any) -> np.ndarray:
    result = a.copy()
    np.fill_diagonal(result, v)
    return result


def _filled_offset(a: np.ndarray, v: Any, k: Any) -> np.ndarray:
    result = a.copy()
    for i in range(a.shape[0]):
        if 0 <= i + k < a.shape[1]:
            result[i, i + k] = v
    return result


def _counts() -> dict[str, Entry]:
    x = np.array([3, 0, 3, 5, 0, 3])
    w = normal(6)
    return {
        "bincount": Entry(T.bincount, np.bincount, [(x,), (x[:1],), (x[:0],)]),
        "of int8": Entry(T.bincount, np.bincount, [(x.astype("int8"),)]),
        "with weights": Entry(T.bincount, np.bincount, [(x, w), (x[:0], w[:0])]),
        "least length": Entry(
            lambda x: T.bincount(x, minlength=9), lambda x: np.bincount(x, minlength=9),
            [(x,), (x[:0],)],
        ),
        "a length at run time": Entry(
            lambda x, n: T.bincount(x, minlength=n), lambda x, n: np.bincount(x, minlength=int(n)),
            [(x, np.array(8)), (x, np.array(2))],
        ),
        "unique": Entry(T.unique, np.unique, [(x,), (x[:0],), (x.reshape(2, 3),)][:2]),
        "unique of a matrix": Entry(T.unique, np.unique, [(x.reshape(2, 3),)]),
        "unique with everything": Entry(
            lambda x: T.unique(x, True, True, True), lambda x: list(np.unique(x, True, True, True)),
            [(x,)],
        ),
        "unique rows": Entry(
            lambda x: T.unique(x, axis=0), lambda x: np.unique(x, axis=0),
            [(np.array([[1, 2], [0, 5], [1, 2]]),)],
        ),
    }


def _positions() -> dict[str, Entry]:
    flat = np.array([[0, 5], [23, 7]])
    axes = (np.array([0, 1, 1]), np.array([2, 0, 1]), np.array([3, 3, 0]))
    outside = (np.array([0, 5, -1]), np.array([2, 7, 1]))
    return {
        "unravel": Entry(
            lambda i: list(T.unravel_index(i, (2, 3, 4))),
            lambda i: list(np.unravel_index(i, (2, 3, 4))), [(flat,), (flat[:0],)],
        ),
        "unravel in Fortran order": Entry(
            lambda i: list(T.unravel_index(i, (2, 3, 4), order="F")),
            lambda i: list(np.unravel_index(i, (2, 3, 4), "F")), [(flat,)],
        ),
        "unravel, one axis": Entry(
            lambda i: T.unravel_index(i, (30,))[0], lambda i: i, [(flat,)]
        ),
        "unravel, lengths at run time": Entry(
            lambda i, n: list(T.unravel_index(i, n, ndim=2)),
            lambda i, n: list(np.unravel_index(i, n)), [(flat, np.array([4, 6]))],
        ),
        "ravel": Entry(
            lambda *a: T.ravel_multi_index(a, (2, 3, 4)),
            lambda *a: np.ravel_multi_index(a, (2, 3, 4)), [axes],
        ),
        "ravel in Fortran order": Entry(
            lambda *a: T.ravel_multi_index(a, (2, 3, 4), order="F"),
            lambda *a: np.ravel_multi_index(a, (2, 3, 4), order="F"), [axes],
        ),
        "ravel, wrapped": Entry(
            lambda *a: T.ravel_multi_index(a, (2, 3), mode="wrap"),
            lambda *a: np.ravel_multi_index(a, (2, 3), mode="wrap"), [outside],
        ),
        "ravel, clipped": Entry(
            lambda *a: T.ravel_multi_index(a, (2, 3), mode="clip"),
            lambda *a: np.ravel_multi_index(a, (2, 3), mode="clip"), [outside],
        ),
        "ravel, broadcast": Entry(
            lambda a, b: T.ravel_multi_index((a, b), (2, 3)),
            lambda a, b: np.ravel_multi_index((a, b), (2, 3)),
            [(np.array([[0], [1]]), np.array([[2, 0, 1]]))],
        ),
    }


def _permutations() -> dict[str, Entry]:
    x = normal(3, 4)
    p = np.array([2, 0, 3, 1])
    rows = np.array([[2, 0, 3, 1], [0, 1, 2, 3], [3, 2, 1, 0]])
    return {
        "inverse": Entry(T.inverse_permutation, np.argsort, [(p,), (p[:0],)]),
        "inverse of rows": Entry(T.inverse_permutation, lambda p: np.argsort(p, -1), [(rows,)]),
        "a vector": Entry(T.permute_row_elements, lambda x, p: x[p], [(x[0], p)]),
        "rows alike": Entry(T.permute_row_elements, lambda x, p: x[:, p], [(x, p), (x[:0], p)]),
        "row by row": Entry(
            T.permute_row_elements, lambda x, p: np.take_along_axis(x, p, -1),
            [(x, rows), (x[:1], rows[:1])],
        ),
        "one row, many ways": Entry(T.permute_row_elements, lambda x, p: x[p], [(x[0], rows)]),
        "a length of 1 at run time": Entry(
            T.permute_row_elements, lambda x, p: x[0][p], [(x[:1], rows)]
        ),
        "undone": Entry(
            lambda x, p: T.permute_row_elements(x, p, True),
            lambda x, p: np.take_along_axis(x, np.argsort(p, -1), -1), [(x, rows)],
        ),
    }


def _diagonals() -> dict[str, Entry]:
    five = np.array(5.0)
    return {
        "fill_diagonal": Entry(
            T.fill_diagonal, _filled,
            [(normal(3, 3), five), (normal(2, 4), five), (normal(5, 2), five),
             (normal(0, 2), five)],
        ),
        "of a cube": Entry(T.fill_diagonal, _filled, [(normal(3, 3, 3), five)]),
        "fill_diagonal_offset": Entry(
            T.fill_diagonal_offset, _filled_offset,
            [(normal(*s), five, np.array(k)) for s in ((3, 3), (2, 4), (4, 2))
             for k in (-3, -1, 0, 1, 3)],
        ),
    }


def _spacings() -> dict[str, Entry]:
    numbers = [(np.array(n),) for n in (0, 1, 2, 5, 8)]
    return {
        "bartlett": Entry(T.bartlett, lambda n: np.bartlett(int(n)), [*numbers, (np.array(-2),)]),
        "linspace": Entry(
            lambda n: T.linspace(-1.0, 2.5, n), lambda n: np.linspace(-1, 2.5, int(n)), numbers
        ),
        "linspace without its end": Entry(
            lambda a, b: T.linspace(a, b, 4, endpoint=False),
            lambda a, b: np.linspace(a, b, 4, endpoint=False), [(normal(), normal())],
        ),
        "linspace of integers": Entry(
            lambda a: T.linspace(a, 7, 4), lambda a: np.linspace(a, 7, 4), [(np.array(1),)]
        ),
        "logspace": Entry(
            lambda a: T.logspace(a, 2, 5), lambda a: np.logspace(a, 2, 5), [(np.array(-1.0),)]
        ),
        "logspace to a base": Entry(
            lambda a: T.logspace(a, 2, 5, base=2.0), lambda a: np.logspace(a, 2, 5, base=2),
            [(np.array(0.0),)],
        ),
    }


def _aliases() -> dict[str, Entry]:
    x = normal(2, 3, 2)
    i = np.array([1, 0, 1])
    return {
        "Flatten": Entry(T.Flatten(2), lambda x: x.reshape(2, 6), [(x,)]),
        "Mean": Entry(T.Mean(1), lambda x: x.mean(1), [(x,)]),
        "Mean of everything": Entry(T.Mean(), lambda x: x.mean(), [(x,)]),
        "Tile": Entry(lambda x: T.Tile(3)(x, (1, 2, 1)), lambda x: np.tile(x, (1, 2, 1)), [(x,)]),
        "RepeatOp": Entry(lambda x: T.RepeatOp(1)(x, 2), lambda x: x.repeat(2, 1), [(x,)]),
        "DiffOp": Entry(T.DiffOp(1, 1), lambda x: np.diff(x, 1, 1), [(x,)]),
        "CumsumOp": Entry(T.CumsumOp(1), lambda x: x.cumsum(1), [(x,)]),
        "CumprodOp": Entry(T.CumprodOp(2), lambda x: x.cumprod(2), [(x,)]),
        "PermuteRowElements": Entry(
            T.PermuteRowElements(), lambda x, p: x[..., p], [(x, np.array([1, 0]))]
        ),
        "advanced_subtensor": Entry(
            lambda x, i: T.advanced_subtensor(x, i, slice(1, None)), lambda x, i: x[i, 1:],
            [(x, i)],
        ),
        "advanced_subtensor1": Entry(T.advanced_subtensor1, lambda x, i: x[i], [(x, i)]),
        "advanced_inc_subtensor": Entry(
            lambda x, i: T.advanced_inc_subtensor(x, 1.0, i), lambda x, i: _added(x, i), [(x, i)]
        ),
        "advanced_set_subtensor": Entry(
            lambda x: T.advanced_set_subtensor(x, 0.0, x > 0), lambda x: np.minimum(x, 0), [(x,)]
        ),
        "cpu_contiguous": Entry(lambda x: T.cpu_contiguous(x) * 1, lambda x: x, [(x,)]),
        "atleast_nd": Entry(lambda x: T.atleast_nd(x, 4), lambda x: x[None], [(x,)]),
    }


def _added(x: np.ndarray, i: np.ndarray) -> np.ndarray:
    result = x.copy()
    np.add.at(result, i, 1.0)
    return result


TABLES = {
    "counts": _counts,
    "positions": _positions,
    "permutations": _permutations,
    "diagonals": _diagonals,
    "spacings": _spacings,
    "aliases": _aliases,
}


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("name", TABLES)
def test_ops_are_numpys(name: str, mode: str) -> None:
    run(TABLES[name](), mode)


def test_gradients() -> None:
    p = np.array([[2, 0, 1], [0, 2, 1]])
    check_gradients({
        "bincount": (lambda w: T.bincount([1, 0, 1], w), [normal(3)]),
        "permute": (lambda x: T.permute_row_elements(x, p), [normal(2, 3)]),
        "permute one row": (lambda x: T.permute_row_elements(x, p), [normal(3)]),
        "permute back": (lambda x: T.permute_row_elements(x, p, True), [normal(2, 3)]),
        "fill_diagonal": (T.fill_diagonal, [normal(3, 2), normal()]),
        "fill_diagonal_offset": (
            lambda a, v: T.fill_diagonal_offset(a, v, 1), [normal(3, 3), normal()]
        ),
        "linspace": (lambda a, b: T.linspace(a, b, 4), [normal(), normal()]),
        "logspace": (lambda a: T.logspace(a, 1, 3), [normal()]),
    })


def test_bad_values_are_errors_when_run() -> None:
    x, w = T.lvector("x"), T.dvector("w")
    with pytest.raises(ValueError, match="must not be negative, got -2"):
        T.bincount(x).eval({x: [1, -2]})
    with pytest.raises(ValueError, match="2 numbers and 3 weights"):
        T.bincount(x, w).eval({x: [1, 2], w: [1, 2, 3]})
    with pytest.raises(ValueError, match="out of bounds"):
        T.unravel_index(x, (2, 2))[0].eval({x: [4]})
    with pytest.raises(ValueError, match="invalid entry"):
        T.ravel_multi_index((x, x), (2, 2)).eval({x: [2]})


def test_bad_types_are_errors_at_once() -> None:
    v, m = T.dvector("v"), T.dmatrix("m")
    for wrong in (
        lambda: T.bincount(v),
        lambda: T.bincount(T.lmatrix()),
        lambda: T.unravel_index(v, (2, 2)),
        lambda: T.ravel_multi_index((v, v), (2, 2)),
        lambda: T.ravel_multi_index((T.lvector(), T.lmatrix()), (2, 2)),
        lambda: T.inverse_permutation(v),
        lambda: T.fill_diagonal(v, 1.0),
        lambda: T.fill_diagonal(m, v),
        lambda: T.fill_diagonal_offset(m, 1.0, 0.5),
        lambda: T.bartlett(2.5),
        lambda: T.linspace(0, 1, 2.5),
    ):
        with pytest.raises(TypeError):
            wrong()
    with pytest.raises(ValueError, match="ndim="):
        T.unravel_index(T.lvector(), T.lvector())
    with pytest.raises(ValueError, match="order must be"):
        T.unravel_index(T.lvector(), (2, 2), order="K")
    with pytest.raises(ValueError, match="mode must be"):
        T.ravel_multi_index((T.lvector(),), (2,), mode="no")
    with pytest.raises(symc.NullTypeGradError, match="unique"):
        symc.grad(T.unique(v).sum(), v)


def test_default() -> None:
    x = T.dscalar("x")
    assert T.default(x, 1.0) is x
    assert T.default(None, 2.0).data == 2
    assert T.setdefault is T.default


def test_confusion_matrix() -> None:
    actual, pred = T.lvectors("actual", "pred")
    f = symc.function([actual, pred], T.nnet.confusion_matrix(actual, pred))
    matrix, order = f([2, 2, 0, 5], [2, 0, 0, 5])
    np.testing.assert_array_equal(order, [0, 2, 5])
    np.testing.assert_array_equal(matrix, [[1, 0, 0], [1, 1, 0], [0, 0, 1]])
    with pytest.raises(ValueError, match="takes vectors"):
        T.nnet.confusion_matrix(T.lmatrix(), pred)


@pytest.mark.parametrize("mode", [None, "NUMPY"])
@pytest.mark.parametrize("label", [-1, -3, 3])
def test_labels_outside_are_errors_in_values_and_in_gradients_alone(mode, label):
    x, y = T.dmatrix("x"), T.ivector("y")
    losses = [
        T.nnet.crossentropy_softmax_1hot(x, y)[0],
        T.nnet.categorical_crossentropy(T.nnet.softmax(x), y),
        T.nnet.categorical_crossentropy(x, y),
    ]
    for loss in losses:
        for wanted in (loss, symc.grad(loss.sum(), x)):
            run_it = symc.function([x, y], wanted, mode=mode)
            with pytest.raises(IndexError, match=f"label {label} is out of bounds for 3 classes"):
                run_it(np.ones((2, 3)), np.array([0, label], "int32"))
            assert run_it(np.ones((2, 3)), np.array([0, 2], "int32")).shape[0] == 2


@pytest.mark.parametrize("mode", [None, "NUMPY"])
def test_indices_above_the_range_of_int64_count_from_the_end_as_in_numpy(mode):
    x, i = T.dmatrix("x"), T.TensorType("uint64", (False,))("i")
    values, large = np.arange(12.0).reshape(3, 4), np.array([0, 2**64 - 1], "uint64")
    run_it = symc.function([x, i], [x[i], x[T.arange(2), i]], mode=mode)
    rows, elements = run_it(values, large)
    np.testing.assert_array_equal(rows, values[[0, -1]])
    np.testing.assert_array_equal(elements, values[[0, 1], [0, -1]])
    with pytest.raises(IndexError, match="out of bounds"):
        run_it(values, np.array([0, 2**64 - 5], "uint64"))


def test_further_functions_of_nnet() -> None:
    x, b, y = T.dmatrix("x"), T.dvector("b"), T.lvector("y")
    a, c, labels = normal(3, 4), normal(4), np.array([1, 0, 3])
    p = special.softmax(a + c, axis=1)
    outputs = T.nnet.crossentropy_softmax_max_and_argmax_1hot_with_bias(x, b, y)
    found = symc.function([x, b, y], list(outputs))(a, c, labels)
    for got, wanted in zip(
        found, [-np.log(p[np.arange(3), labels]), p, p.max(1), p.argmax(1)], strict=True
    ):
        np.testing.assert_allclose(got, wanted)
    np.testing.assert_allclose(T.nnet.softmax_op(x).eval({x: a}), special.softmax(a, 1))
    np.testing.assert_allclose(T.nnet.logsoftmax_op(x).eval({x: a}), special.log_softmax(a, 1))
    np.testing.assert_allclose(T.nnet.softmax_graph(x).eval({x: a}), special.softmax(a, 1))


@pytest.mark.parametrize(("module", "name"), [
    ("extra_ops", "cumsum"), ("extra_ops", "to_one_hot"), ("extra_ops", "bincount"),
    ("sort", "argsort"), ("subtensor", "inc_subtensor"), ("basic", "dot"),
    ("nnet.nnet", "softmax"), ("nnet.nnet", "binary_crossentropy"), ("elemwise", "Elemwise"),
])
def test_modules_that_old_code_imports_from(module: str, name: str) -> None:
    found = getattr(importlib.import_module(f"symc.tensor.{module}"), name)
    home = T.nnet if module.startswith("nnet") else T
    assert found is getattr(home, name)
    assert callable(T.sort)


def test_aliases_compare_by_their_arguments() -> None:
    assert T.Flatten(2) == T.Flatten(2)
    assert hash(T.Flatten(2)) == hash(T.Flatten(2))
    assert T.Flatten(2) != T.Flatten(1)
    assert repr(T.DiffOp(2, 0)) == "DiffOp(2, 0)"
