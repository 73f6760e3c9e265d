"""Softmax and its relatives of rows with infinities, against SciPy, in every mode."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T
from symc.ops.logsumexp import logsumexp

INF = np.inf
ROWS = np.array(
    [
        *([INF, 1.0, 2.0], [INF, INF, 1.0], [INF, -INF, 0.0]),
        *([-INF, -INF, -INF], [-INF, 0.0, 1.0], [np.nan, 0.0, 1.0]),
        *([INF, np.nan, 0.0], [1000.0, -1000.0, 0.0], [0.0, 0.0, 0.0]),
    ]
)
MODES = ("FAST_RUN", "FAST_COMPILE", "NUMPY")


def first_class(x: Any) -> Any:
    return T.zeros_like(x[:, 0]).astype("int64")


FUNCTIONS: dict[str, tuple[Any, Any]] = {
    "softmax": (T.nnet.softmax, lambda v: special.softmax(v, 1)),
    "log_softmax": (T.nnet.logsoftmax, lambda v: special.log_softmax(v, 1)),
    "log of softmax": (
        lambda x: T.log(T.nnet.softmax(x)), lambda v: special.log_softmax(v, 1),
    ),
    "logsumexp": (lambda x: logsumexp(x, axis=1), lambda v: special.logsumexp(v, 1)),
    "cross-entropy": (
        lambda x: T.nnet.crossentropy_softmax_1hot(x, first_class(x))[0],
        lambda v: -special.log_softmax(v, 1)[:, 0],
    ),
}


@pytest.mark.parametrize("mode", MODES)
def test_rows_with_infinities_are_scipys(mode: str) -> None:
    x = T.dmatrix("x")
    outputs = [build(x) for build, _ in FUNCTIONS.values()]
    results = symc.function([x], outputs, mode=mode)(ROWS)
    for (name, (_, reference)), got in zip(FUNCTIONS.items(), results, strict=True):
        with np.errstate(all="ignore"):
            wanted = reference(ROWS)
        np.testing.assert_allclose(got, wanted, rtol=1e-12, err_msg=name)


@pytest.mark.parametrize("mode", MODES)
def test_gradient_of_the_logsumexp_of_nothing_is_0(mode: str) -> None:
    x = T.dmatrix("x")
    y = logsumexp(x, axis=1)
    gradient = symc.function([x], symc.grad(y.sum(), x), mode=mode)
    rows = np.array([[-INF, -INF], [-INF, 3.0], [0.0, 0.0]])
    np.testing.assert_array_equal(gradient(rows), [[0, 0], [0, 1], [0.5, 0.5]])
