"""Compiled code of every op of this package against the ops' references, at two sets of sizes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from symc.array.constructors import fmatrix, lscalar, lvector, matrix, tensor, tensor3, vector
from symc.array.convert import as_tensor_variable
from symc.compile.batch import batch
from symc.compile.executors import NativeExecutor
from symc.compile.function import function
from symc.ops import alloc as al
from symc.ops import argmax as arg
from symc.ops import diagonal as di
from symc.ops import math as m
from symc.ops import shape as sh
from symc.ops import statistics as st
from symc.ops.reduce import CAReduce
from symc.ops.sum_to import sum_to
from symc.runtime import native_available
from symc.scalar.op import REGISTRY
from tests.helpers import evaluate

pytestmark = [
    pytest.mark.compiler,
    pytest.mark.skipif(not native_available(), reason="no C compiler"),
]

x, y, t, f = matrix("x"), vector("y"), tensor3("t"), fmatrix("f")
n, k = lscalar("n"), lvector("k")
i, b = tensor("int8", (False, False), "i"), tensor("bool", (False,), "b")
INPUTS = [x, y, t, f, n, k, i, b]


def values(rows: int, columns: int, step: int, shape: tuple[int, int]) -> list[Any]:
    rng = np.random.default_rng(rows)
    return [
        rng.normal(size=(rows, columns)),
        np.arange(columns) + 0.25,
        rng.normal(size=(2, rows, columns)),
        rng.normal(size=(rows, columns)).astype("float32"),
        np.int64(step),
        np.array(shape),
        rng.integers(-100, 100, size=(rows, columns)).astype("int8"),
        np.arange(columns) % 2 == 0,
    ]


SIZES = [values(3, 4, 2, (4, 3)), values(5, 6, 3, (2, 15)), values(2, 2, 1, (1, 4))]

CASES: dict[str, Callable[[], Any]] = {
    "reshape, one length open": lambda: x.reshape((x.shape[0], 2, -1)),
    "reshape to a vector of lengths": lambda: x.reshape(k, ndim=2),
    "reshape of a transpose": lambda: x.T.reshape((x.shape[0], -1)) + 1,
    "flatten": lambda: t.flatten(2),
    "slice from n, backwards": lambda: x[n - 1 :, ::-1] * 2,
    "slice with a step that is an input": lambda: y[::n],
    "slice backwards by an input": lambda: y[:0:-n] + 1,
    "row counted from the end": lambda: x[-n] + y,
    "row as a view": lambda: x[n - 1],
    "shape": lambda: t.shape,
    "length": lambda: x.shape[0],
    "size": lambda: t.size,
    "sum": lambda: x.sum(),
    "sum over columns": lambda: x.sum(0),
    "sum over two axes": lambda: t.sum((0, 2)),
    "sum of float32": lambda: f.sum(),
    "sum of int8": lambda: i.sum(axis=1),
    "sum of bool": lambda: b.sum(),
    "prod": lambda: x.prod(1),
    "max": lambda: x.max(1),
    "min": lambda: i.min(),
    "all": lambda: (x > 0).all(0),
    "any of numbers": lambda: i.any(1),
    "xor": lambda: CAReduce(REGISTRY["xor"], 0)(i),
    "mean": lambda: f.mean(0),
    "mean of int8": lambda: i.mean(),
    "var": lambda: x.var(1),
    "std": lambda: x.std(ddof=1),
    "ptp": lambda: x.ptp(0),
    "norm": lambda: x.norm(3, axis=1),
    "cov": lambda: st.cov(x),
    "argmax": lambda: x.argmax(1),
    "argmin over all": lambda: x.argmin(),
    "argmax over two axes": lambda: arg.argmax(t, (0, 2)),
    "zeros": lambda: al.zeros((n, x.shape[1])),
    "alloc": lambda: al.alloc(y, n, x.shape[1]) * 2,
    "broadcast_to": lambda: al.broadcast_to(x, (n, x.shape[0], x.shape[1])),
    "empty": lambda: al.empty((n, 2)),
    "arange": lambda: al.arange(n),
    "arange backwards": lambda: al.arange(n * 5, n, -n),
    "arange of floats": lambda: al.arange(0.0, y[1], 0.7),
    "eye": lambda: al.eye(n, 4, k=1),
    "tri": lambda: al.tri(n + 1, dtype="int8"),
    "tril": lambda: al.tril(x),
    "triu": lambda: al.triu(t, 1),
    "matrix from a diagonal": lambda: di.diag(y, -1),
    "diagonal": lambda: x.diagonal(1),
    "trace": lambda: x.trace(),
    "stack of diagonals": lambda: di.AllocDiag(0, 0, 2)(x),
    "mgrid": lambda: al.mgrid[0:n, 0:3][1],
    "vector of scalars": lambda: as_tensor_variable([x[0, 0], y[1], 2.0]),
    "long vector of scalars": lambda: as_tensor_variable([y[j % 2] * j for j in range(40)]),
    "specify_shape": lambda: sh.specify_shape(x, (x.shape[0], None)) + 1,
    "addbroadcast": lambda: sh.addbroadcast(x[:1], 0) + x,
    "squeeze": lambda: sh.squeeze(x[n - 1 : n], 0),
    "fill": lambda: m.fill(x, y),
    "cast": lambda: (x * 10).astype("int8"),
    "switch": lambda: m.switch(b, x, y),
    "isclose": lambda: m.isclose(x, y),
    "swapaxes": lambda: t.swapaxes(0, 2) * 2,
    "dimshuffle": lambda: x.dimshuffle(1, "x", 0) + 1,
    "complex": lambda: m.complex(x, y).imag,
    "sum_to, nothing to sum": lambda: sum_to(x * 2, matrix_like_x()),
    "sum_to, an axis": lambda: sum_to(x, x[:1]),
    "int8 with a number": lambda: i * 2 - 1,
    "float32 with a number": lambda: f * 0.1,
}


def matrix_like_x() -> Any:
    return x + 1


@pytest.fixture(scope="module")
def compiled() -> dict[str, tuple[Any, Any]]:
    made = {}
    with batch("-O1"):
        for name, build in CASES.items():
            expression = build()
            made[name] = (expression, function(INPUTS, expression, on_unused_input="ignore"))
    return made


@pytest.mark.parametrize("name", CASES)
def test_compiled_code_is_the_reference(name: str, compiled: dict[str, Any]) -> None:
    expression, call = compiled[name]
    assert isinstance(call.maker.executor, NativeExecutor)
    for given in SIZES:
        expected = evaluate(expression, INPUTS, given)
        found = call(*given)
        assert found.dtype == expected.dtype
        assert found.shape == expected.shape
        rtol = 1e-5 if found.dtype == "float32" else 1e-11
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


@pytest.mark.parametrize(
    ("name", "changes", "error", "text"),
    [
        ("reshape to a vector of lengths", {"k": [5, 3]}, ValueError, "reshape"),
        ("reshape to a vector of lengths", {"k": [-1, -1]}, ValueError, "reshape"),
        ("row as a view", {"n": 9}, IndexError, "out of bounds"),
        ("row counted from the end", {"n": 9}, IndexError, "out of bounds"),
        ("zeros", {"n": -1}, ValueError, "negative"),
        ("slice with a step that is an input", {"n": 0}, ValueError, "can't be 0"),
        ("squeeze", {"n": 7}, ValueError, "length"),
    ],
)
def test_errors_of_compiled_code(name, changes, error, text, compiled) -> None:
    _, call = compiled[name]
    given = dict(zip([v.name for v in INPUTS], SIZES[0], strict=True))
    given.update({key: np.array(value) for key, value in changes.items()})
    with pytest.raises(error, match=text):
        call(*given.values())
