"""Products, indexing with arrays, writing, joining, softmax, sorting: against NumPy."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T
from symc.ops.dot import batched_tensordot, gemm, gemv, ger
from tests.ops.contract import check_contract
from tests.ops.tables import Entry, check_gradients, run

RNG = np.random.default_rng(5)
MODES = ["FAST_RUN", "NUMPY"]


def normal(*shape: int, dtype: str = "float64") -> np.ndarray:
    values = RNG.normal(size=shape)
    if dtype.startswith("complex"):
        values = values + 1j * RNG.normal(size=shape)
    return np.asarray(values, dtype)


def integers(low: int, high: int, *shape: int, dtype: str = "int64") -> np.ndarray:
    return RNG.integers(low, high, size=shape).astype(dtype)


def _products() -> dict[str, Entry]:
    table = {}
    for dtype in ("float64", "float32", "complex128", "complex64"):
        for m, k, n in ((2, 3, 4), (1, 1, 1), (5, 1, 2)):
            tag = f"{dtype} {m}x{k}x{n}"
            a, b = normal(m, k, dtype=dtype), normal(k, n, dtype=dtype)
            v, w = normal(k, dtype=dtype), normal(m, dtype=dtype)
            table[f"matrix matrix {tag}"] = Entry(T.dot, np.dot, [(a, b)])
            table[f"matrix vector {tag}"] = Entry(T.dot, np.dot, [(a, v)])
            table[f"vector matrix {tag}"] = Entry(T.dot, np.dot, [(w, a)])
            table[f"vector vector {tag}"] = Entry(T.dot, np.dot, [(v, v)])
            table[f"transposed {tag}"] = Entry(
                lambda x, y: T.dot(y.T, x.T), lambda x, y: np.dot(y.T, x.T), [(a, b)]
            )
    empty = [(np.zeros((0, 3)), normal(3, 2)), (normal(2, 0), np.zeros((0, 4))),
             (normal(2, 3), np.zeros((3, 0))), (normal(2, 3), normal(3, 4))]
    table["every length"] = Entry(T.dot, np.dot, empty)
    for dtype in ("int64", "int32", "int8", "uint8", "bool"):
        a, b = integers(0, 2, 3, 4, dtype=dtype), integers(0, 2, 4, 2, dtype=dtype)
        table[f"{dtype} matrices"] = Entry(T.dot, np.dot, [(a, b)])
    table["mixed dtypes"] = Entry(T.dot, np.dot, [(normal(2, 3), integers(0, 5, 3, 2))])
    table["tensordot 1"] = Entry(
        lambda x, y: T.tensordot(x, y, 1), lambda x, y: np.tensordot(x, y, 1),
        [(normal(2, 3, 4), normal(4, 5))],
    )
    table["tensordot axes"] = Entry(
        lambda x, y: T.tensordot(x, y, [[0, 2], [1, 0]]),
        lambda x, y: np.tensordot(x, y, [[0, 2], [1, 0]]),
        [(normal(2, 3, 4), normal(4, 2, 5))],
    )
    table["tensordot of everything"] = Entry(
        lambda x, y: T.tensordot(x, y, 2), lambda x, y: np.tensordot(x, y, 2),
        [(normal(3, 4), normal(3, 4))],
    )
    table["dot of 3 axes"] = Entry(T.dot, np.dot, [(normal(2, 3, 4), normal(5, 4, 2))])
    table["dot of scalars"] = Entry(T.dot, np.dot, [(normal(), normal(3))])
    table["outer"] = Entry(T.outer, np.outer, [(normal(3), normal(4)), (normal(0), normal(2))])
    table["batched_dot"] = Entry(
        T.batched_dot, np.matmul, [(normal(3, 2, 4), normal(3, 4, 5)),
                                   (normal(0, 2, 4), normal(0, 4, 5))],
    )
    table["batched_dot of vectors"] = Entry(
        T.batched_dot, lambda x, y: (x * y).sum(1), [(normal(3, 4), normal(3, 4))]
    )
    table["batched_tensordot"] = Entry(
        lambda x, y: batched_tensordot(x, y, 1),
        lambda x, y: np.einsum("bij,bjkl->bikl", x, y),
        [(normal(2, 3, 4), normal(2, 4, 5, 2))],
    )
    table["matmul of stacks"] = Entry(
        T.matmul, np.matmul, [(normal(2, 3, 4), normal(2, 4, 5)), (normal(1, 3, 4),
                                                                    normal(6, 4, 5))],
    )
    table["matmul vector stack"] = Entry(T.matmul, np.matmul, [(normal(3), normal(2, 3, 4))])
    return table


def _updating() -> dict[str, Entry]:
    table = {}
    for dtype in ("float64", "float32"):
        z, x, y = normal(3, 4, dtype=dtype), normal(3, 2, dtype=dtype), normal(2, 4, dtype=dtype)
        a, b = normal(dtype=dtype), normal(dtype=dtype)
        table[f"gemm {dtype}"] = Entry(
            gemm, lambda z, a, x, y, b: b * z + a * (x @ y), [(z, a, x, y, b)]
        )
        table[f"gemv {dtype}"] = Entry(
            gemv, lambda z, a, x, y, b: b * z + a * (x @ y),
            [(z[:, 0], a, x, y[:, 0], b)],
        )
        table[f"ger {dtype}"] = Entry(
            ger, lambda z, a, x, y, b: b * z + a * np.outer(x, y), [(z, a, x[:, 0], y[0], b)]
        )
    return table


def _reads() -> dict[str, Entry]:
    x, t = normal(4, 5), normal(3, 4, 5)
    i, j = np.array([0, 3, -1, 0]), np.array([2, 0, 4, -5])
    grid = integers(-3, 3, 2, 3)
    return {
        "rows": Entry(lambda x, i: x[i], lambda x, i: x[i], [(x, i), (x, i[:0])]),
        "one per row": Entry(lambda x, i, j: x[i, j], lambda x, i, j: x[i, j], [(x, i, j)]),
        "arange": Entry(
            lambda x, j: x[T.arange(x.shape[0]), j], lambda x, j: x[np.arange(4), j], [(x, j)]
        ),
        "columns": Entry(lambda x, j: x[:, j], lambda x, j: x[:, j], [(x, j)]),
        "grid": Entry(lambda x, g: x[g], lambda x, g: x[g], [(t, grid)]),
        "broadcast indices": Entry(
            lambda x, i, j: x[i[:, None], j], lambda x, i, j: x[i[:, None], j], [(x, i, j)]
        ),
        "apart": Entry(
            lambda t, i, j: t[i, :, j], lambda t, i, j: t[i, :, j], [(t, i[:2] % 3, j[:2])]
        ),
        "slice before": Entry(
            lambda t, i: t[1:, i, ::2], lambda t, i: t[1:, i, ::2], [(t, i)]
        ),
        "new axis": Entry(lambda x, i: x[i, None], lambda x, i: x[i, None], [(x, i)]),
        "number and array": Entry(lambda t, i: t[0, :, i], lambda t, i: t[0, :, i], [(t, i)]),
        "mask": Entry(lambda x, m: x[m], lambda x, m: x[m], [(x, x > 0), (x, x > 9)]),
        "mask of rows": Entry(
            lambda x, m: x[m], lambda x, m: x[m], [(x, np.array([True, False, True, False]))]
        ),
        "mask and slice": Entry(
            lambda t, m: t[:, m], lambda t, m: t[:, m], [(t, t[0] > 0)]
        ),
        "int8 indices": Entry(
            lambda x, i: x[i], lambda x, i: x[i], [(x, i.astype("int8"))]
        ),
        "list": Entry(lambda x: x[[0, 2]], lambda x: x[[0, 2]], [(x,)]),
        "nonzero": Entry(
            lambda x: list(T.nonzero(x)), lambda x: list(np.nonzero(x)), [(np.eye(3),)]
        ),
        "flatnonzero": Entry(T.flatnonzero, np.flatnonzero, [(np.eye(3),), (np.zeros((2, 2)),)]),
        "take": Entry(
            lambda x, i: T.take(x, i, axis=1), lambda x, i: x.take(i, 1), [(x, i)]
        ),
        "take wrap": Entry(
            lambda x, i: T.take(x, i, axis=1, mode="wrap"),
            lambda x, i: x.take(i, 1, mode="wrap"), [(x, i + 7)],
        ),
        "take clip": Entry(
            lambda x, i: T.take(x, i, axis=1, mode="clip"),
            lambda x, i: x.take(i, 1, mode="clip"), [(x, i + 7)],
        ),
        "choose": Entry(
            lambda i, c: T.choose(i, c), np.choose, [(np.array([0, 2, 1]), normal(3, 3))]
        ),
        "compress": Entry(
            lambda m, x: T.compress(m, x, 0), lambda m, x: np.compress(m, x, 0),
            [(np.array([1, 0, 1, 1]), x)],
        ),
    }


def _set(x: np.ndarray, key: Any, y: Any) -> np.ndarray:
    x = x.copy()
    x[key] = y
    return x


def _inc(x: np.ndarray, key: Any, y: Any) -> np.ndarray:
    x = x.copy()
    np.add.at(x, key, y)
    return x


def _writes() -> dict[str, Entry]:
    x = normal(4, 5)
    i, j = np.array([0, 3, -1, 0]), np.array([2, 0, 4, 2])
    basic: dict[str, Any] = {
        "row": (1, normal(5)),
        "negative row": (-1, normal(5)),
        "column": ((slice(None), 2), normal(4)),
        "step": ((slice(1, None, 2), slice(None, None, -1)), normal(2, 5)),
        "broadcast": ((slice(1, 3),), normal(1, 5)),
        "scalar": ((slice(None), slice(0, 2)), normal()),
        "nothing": ((slice(2, 2),), normal()),
        "everything": (Ellipsis, normal(4, 5)),
    }
    table = {}
    for name, (key, y) in basic.items():
        table[f"set {name}"] = Entry(
            lambda x, y, key=key: T.set_subtensor(x[key], y),
            lambda x, y, key=key: _set(x, key, y), [(x, y)],
        )
        table[f"inc {name}"] = Entry(
            lambda x, y, key=key: T.inc_subtensor(x[key], y),
            lambda x, y, key=key: _inc(x, key, y), [(x, y)],
        )
    table["inc rows twice"] = Entry(
        lambda x, i, y: T.inc_subtensor(x[i], y), lambda x, i, y: _inc(x, i, y),
        [(x, i, normal(4, 5)), (x, i[:0], normal(0, 5)), (x, i, normal(1, 5))],
    )
    table["set rows"] = Entry(
        lambda x, i, y: T.set_subtensor(x[i], y), lambda x, i, y: _set(x, i, y),
        [(x, i[:3], normal(3, 5))],
    )
    table["inc elements"] = Entry(
        lambda x, i, j, y: T.inc_subtensor(x[i, j], y),
        lambda x, i, j, y: _inc(x, (i, j), y), [(x, i, j, normal(4)), (x, i, j, normal(1))],
    )
    table["inc columns"] = Entry(
        lambda x, j, y: T.inc_subtensor(x[:, j], y),
        lambda x, j, y: _inc(x, (slice(None), j), y), [(x, j, normal(4, 4))],
    )
    table["set mask"] = Entry(
        lambda x, m: T.set_subtensor(x[m], 0), lambda x, m: np.where(m, 0, x), [(x, x > 0)]
    )
    table["through transpose"] = Entry(
        lambda x, y: T.set_subtensor(x[1:].T, y), lambda x, y: _set(x, slice(1, None), y.T),
        [(x, normal(5, 3))],
    )
    table["through reshape"] = Entry(
        lambda x, y: T.inc_subtensor(x[1:3].flatten(), y),
        lambda x, y: _inc(x, slice(1, 3), y.reshape(2, 5)), [(x, normal(10))],
    )
    table["integers"] = Entry(
        lambda x, i: T.inc_subtensor(x[i], 1), lambda x, i: _inc(x, i, 1),
        [(integers(0, 9, 6), i)],
    )
    return table


def _joins() -> dict[str, Entry]:
    a, b = normal(2, 3), normal(4, 3)
    return {
        "join 0": Entry(
            lambda x, y: T.join(0, x, y), lambda x, y: np.concatenate([x, y]),
            [(a, b), (a, b[:0])],
        ),
        "join 1": Entry(
            lambda x, y: T.concatenate([x, y, x], axis=-1),
            lambda x, y: np.concatenate([x, y, x], -1), [(b, normal(4, 1))],
        ),
        "join of dtypes": Entry(
            lambda x, y: T.join(0, x, y), lambda x, y: np.concatenate([x, y]),
            [(integers(0, 5, 2), normal(3))],
        ),
        "stack": Entry(
            lambda x, y: T.stack([x, y], axis=1), lambda x, y: np.stack([x, y], 1), [(a, a + 1)]
        ),
        "stacklists": Entry(
            lambda x, y: T.stacklists([[x, y], [y, x]]),
            lambda x, y: np.array([[x, y], [y, x]]), [(normal(), normal())],
        ),
        "horizontal": Entry(T.horizontal_stack, lambda x, y: np.hstack([x, y]), [(a, a)]),
        "vertical": Entry(T.vertical_stack, lambda x, y: np.vstack([x, y]), [(a, b)]),
        "split": Entry(
            lambda x, n: T.split(x, n, 3), lambda x, n: np.split(x, np.cumsum(n)[:-1]),
            [(b, np.array([1, 0, 3])), (b, np.array([2, 1, 1]))],
        ),
        "roll": Entry(
            lambda x: T.roll(x, 2, axis=1), lambda x: np.roll(x, 2, 1), [(b,), (normal(3, 1),)]
        ),
        "roll flat": Entry(lambda x: T.roll(x, -5), lambda x: np.roll(x, -5), [(b,)]),
        "repeat": Entry(
            lambda x: T.repeat(x, 3, axis=1), lambda x: x.repeat(3, 1), [(a,), (b[:0],)]
        ),
        "repeat each": Entry(
            lambda x, n: x.repeat(n, axis=0), lambda x, n: x.repeat(n, 0),
            [(a, np.array([2, 0])), (a, np.array([3])), (a[:0], np.array([], int))],
        ),
        "tile": Entry(lambda x: T.tile(x, (2, 1, 3)), lambda x: np.tile(x, (2, 1, 3)), [(a,)]),
        "one-hot": Entry(
            lambda y: T.to_one_hot(y, 4), lambda y: np.eye(4)[y], [(np.array([0, 3, 1]),)]
        ),
    }


def _rows() -> dict[str, Entry]:
    table = {}
    for axis in (0, 1, 2):
        calls = [(normal(2, 3, 4),), (50 * normal(1, 5, 1),), (np.zeros((3, 1, 2)),)]
        table[f"softmax {axis}"] = Entry(
            lambda x, axis=axis: symc.softmax(x, axis),
            lambda x, axis=axis: special.softmax(x, axis), calls,
        )
        table[f"log-softmax {axis}"] = Entry(
            lambda x, axis=axis: symc.log_softmax(x, axis),
            lambda x, axis=axis: special.log_softmax(x, axis), calls,
        )
    p, y = normal(4, 3), np.array([0, 2, 1, 2])
    table["softmax of a vector is a row"] = Entry(
        T.nnet.softmax, lambda x: special.softmax(x)[None], [(normal(5),)]
    )
    table["float32 softmax"] = Entry(
        T.nnet.softmax, lambda x: special.softmax(x, 1), [(normal(6, 40, dtype="float32"),)]
    )
    table["with bias"] = Entry(
        T.nnet.softmax_with_bias, lambda x, b: special.softmax(x + b, 1), [(p, normal(3))]
    )
    table["cross-entropy"] = Entry(
        lambda p, y: T.nnet.crossentropy_softmax_1hot(p, y)[0],
        lambda p, y: -special.log_softmax(p, 1)[np.arange(4), y], [(p, y), (400 * p, y)],
    )
    table["cross-entropy by log and index"] = Entry(
        lambda p, y: -T.log(T.nnet.softmax(p))[T.arange(y.shape[0]), y],
        lambda p, y: -special.log_softmax(p, 1)[np.arange(4), y], [(p, y), (400 * p, y)],
    )
    table["categorical, labels"] = Entry(
        T.nnet.categorical_crossentropy, lambda p, y: -np.log(p)[np.arange(4), y],
        [(special.softmax(p, 1), y)],
    )
    table["categorical, distributions"] = Entry(
        T.nnet.categorical_crossentropy, lambda p, t: -(t * np.log(p)).sum(1),
        [(special.softmax(p, 1), special.softmax(2 * p, 1))],
    )
    x = np.array([-800.0, -1.5, 0.0, 0.3, 900.0])
    table["sigmoid binary"] = Entry(
        T.nnet.sigmoid_binary_crossentropy,
        lambda x, t: np.logaddexp(0, x) - x * t, [(x, np.array([0, 1, 0.5, 1, 1.0]))],
    )
    table["binary"] = Entry(
        T.nnet.binary_crossentropy,
        lambda p, t: -(t * np.log(p) + (1 - t) * np.log(1 - p)),
        [(np.array([0.1, 0.7]), np.array([1.0, 0.0]))],
    )
    for name, ours, numpys in (
        ("relu", T.nnet.relu, lambda x: np.maximum(x, 0)),
        ("leaky", lambda x: T.nnet.relu(x, 0.1), lambda x: np.where(x > 0, x, 0.1 * x)),
        ("elu", T.nnet.elu, lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0)))),
        ("softsign", T.nnet.softsign, lambda x: x / (1 + np.abs(x))),
        ("hard_sigmoid", T.nnet.hard_sigmoid, lambda x: np.clip(0.2 * x + 0.5, 0, 1)),
        ("sigmoid", T.nnet.sigmoid, special.expit),
        ("softplus", T.nnet.softplus, lambda x: np.logaddexp(x, 0)),
    ):
        table[name] = Entry(ours, numpys, [(x,)])
    return table


def _sorts() -> dict[str, Entry]:
    x = normal(3, 6)
    table = {}
    for axis in (0, 1, -1, None):
        table[f"sort {axis}"] = Entry(
            lambda x, axis=axis: T.sort(x, axis), lambda x, axis=axis: np.sort(x, axis),
            [(x,), (x[:0],)],
        )
        table[f"argsort {axis}"] = Entry(
            lambda x, axis=axis: T.argsort(x, axis), lambda x, axis=axis: np.argsort(x, axis),
            [(x,)],
        )
        for name, ours, numpys in (
            ("cumsum", T.cumsum, np.cumsum), ("cumprod", T.cumprod, np.cumprod)
        ):
            table[f"{name} {axis}"] = Entry(
                lambda x, f=ours, axis=axis: f(x, axis),
                lambda x, f=numpys, axis=axis: f(x, axis), [(x,), (x[:, :0],), (x[:1],)],
            )
    table["topk"] = Entry(
        lambda x: T.topk(x, 2), lambda x: -np.sort(-x, 1)[:, :2], [(x,)]
    )
    table["argtopk"] = Entry(
        lambda x: T.argtopk(x, 2, axis=0), lambda x: np.argsort(-x, 0)[:2], [(x,)]
    )
    table["smallest"] = Entry(
        lambda x: T.topk(x, -3), lambda x: np.sort(x, 1)[:, :3], [(x,)]
    )
    table["searchsorted"] = Entry(
        T.searchsorted, np.searchsorted, [(np.arange(5.0), normal(3, 2) + 2)]
    )
    table["diff"] = Entry(lambda x: T.diff(x, 2), lambda x: np.diff(x, 2), [(x,)])
    return table


TABLES = {
    "products": _products,
    "updating": _updating,
    "reads": _reads,
    "writes": _writes,
    "joins": _joins,
    "rows": _rows,
    "sorts": _sorts,
}


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", TABLES)
def test_ops_are_numpys(name: str, mode: str) -> None:
    run(TABLES[name](), mode)


def test_gradients() -> None:
    x, i, j = normal(4, 5), np.array([0, 3, 3, 0]), np.array([1, 0, 4, 2])
    y = np.array([0, 2, 1, 2])
    check_gradients({
        "matrix matrix": (T.dot, [normal(2, 3), normal(3, 4)]),
        "matrix vector": (T.dot, [normal(2, 3), normal(3)]),
        "vector matrix": (T.dot, [normal(2), normal(2, 3)]),
        "vector vector": (T.dot, [normal(3), normal(3)]),
        "tensordot": (lambda a, b: T.tensordot(a, b, [[0, 2], [1, 0]]),
                      [normal(2, 3, 4), normal(4, 2, 5)]),
        "batched": (T.batched_dot, [normal(2, 3, 4), normal(2, 4, 2)]),
        "matmul": (T.matmul, [normal(1, 3, 4), normal(2, 4, 2)]),
        "gemm": (gemm, [normal(2, 3), normal(), normal(2, 4), normal(4, 3), normal()]),
        "gemv": (gemv, [normal(2), normal(), normal(2, 4), normal(4), normal()]),
        "ger": (ger, [normal(2, 3), normal(), normal(2), normal(3), normal()]),
        "rows": (lambda x: x[i], [x]),
        "elements": (lambda x: x[i, j], [x]),
        "columns": (lambda x: x[:, j], [x]),
        "mask": (lambda x: x[np.asarray([True, False, True, True])], [x]),
        "set": (lambda x, v: T.set_subtensor(x[1:3], v), [x, normal(2, 5)]),
        "set broadcast": (lambda x, v: T.set_subtensor(x[1:3], v), [x, normal(5)]),
        "inc": (lambda x, v: T.inc_subtensor(x[:, ::2], v), [x, normal(4, 3)]),
        "set elements": (lambda x, v: T.set_subtensor(x[[0, 1], [2, 3]], v), [x, normal(2)]),
        "inc rows": (lambda x, v: T.inc_subtensor(x[i], v), [x, normal(4, 5)]),
        "join": (lambda a, b: T.join(1, a, b), [normal(2, 3), normal(2, 1)]),
        "split": (lambda a: T.split(a, [1, 3], 2)[1], [normal(4, 2)]),
        "stack": (lambda a, b: T.stack([a, b]), [normal(3), normal(3)]),
        "roll": (lambda a: T.roll(a, 1, 0), [normal(3, 2)]),
        "tile": (lambda a: T.tile(a, (2, 2)), [normal(2, 3)]),
        "repeat": (lambda a: T.repeat(a, 2, 0), [normal(2, 3)]),
        "softmax": (lambda a: symc.softmax(a, 0), [normal(3, 4)]),
        "log-softmax": (lambda a: symc.log_softmax(a, 1), [normal(3, 4)]),
        "cross-entropy": (lambda a: T.nnet.crossentropy_softmax_1hot(a, y)[0], [normal(4, 3)]),
        "its probabilities": (
            lambda a: T.nnet.crossentropy_softmax_1hot(a, y)[1], [normal(4, 3)]
        ),
        "categorical": (
            lambda a: T.nnet.categorical_crossentropy(T.nnet.softmax(a), y), [normal(4, 3)]
        ),
        "elu": (T.nnet.elu, [normal(5)]),
        "selu": (T.nnet.selu, [normal(5)]),
        "relu": (lambda a: T.nnet.relu(a, 0.2), [normal(5)]),
        "sigmoid binary": (
            lambda a: T.nnet.sigmoid_binary_crossentropy(a, np.array([0.2, 0.9])), [normal(2)]
        ),
        "sort": (lambda a: T.sort(a, 0), [normal(4, 2)]),
        "topk": (lambda a: T.topk(a, 2), [normal(2, 4)]),
        "cumsum": (lambda a: T.cumsum(a, 1), [normal(2, 4)]),
        "cumprod": (lambda a: T.cumprod(a, 1), [normal(2, 4)]),
        "cumprod with zeros": (
            lambda a: T.cumprod(a, 1), [np.array([[2.0, 0, 3, 1], [0, 2, 0, 4]])]
        ),
    })


def test_contracts() -> None:
    x, i, j = normal(4, 5), np.array([0, 3, -1]), np.array([1, 0, -5])
    a, b = T.dmatrix(), T.dmatrix()
    v, w = T.lvector(), T.lvector()
    for expression, arrays in (
        (T.dot(a, b), [normal(2, 3), normal(3, 4)]),
        (a[v], [x, i]),
        (a[v, w], [x, i, j]),
        (T.join(0, a, b), [normal(2, 3), normal(1, 3)]),
        (T.cumsum(a, 1), [x]),
        (T.inc_subtensor(a[v], b).owner.outputs[0], [x, normal(3, 5), i]),
        (T.set_subtensor(a[v, w], 1.0).owner.outputs[0], [x, np.asarray(1.0), i, j]),
    ):
        check_contract(expression.owner, arrays)
