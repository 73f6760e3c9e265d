"""No rule makes an error of the user's disappear, in any mode."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.graph.walk import ancestors

X, M, N = T.dvector("x"), T.dmatrix("m"), T.dmatrix("n")
I, K = T.lscalar("i"), T.lvector("k")
VALUES: dict[Any, Any] = {
    X: np.ones(3),
    M: np.ones((2, 3)),
    N: np.ones((2, 3)),
    I: np.int64(7),
    K: np.array([0, 9]),
}

WRONG: dict[str, Callable[[], Any]] = {
    "product with 0": lambda: 0 * X[I],
    "gathered": lambda: (0 * X[K]).sum(),
    "difference": lambda: X[I] - X[I],
    "quotient": lambda: X[I] / X[I],
    "power 0": lambda: X[I] ** 0,
    "power of 1": lambda: T.pow(1.0, X[I]),
    "sum that cancels": lambda: (X + X[I]) - X[I],
    "product that cancels": lambda: X * X[I] / X[I],
    "beside another term": lambda: 0 * X[I] + X.sum(),
    "inside a function": lambda: 0 * T.exp(X[I] + 1),
    "masked": lambda: T.switch(X.sum() > 0, 0, 1) * X[I],
    "not chosen": lambda: T.switch(np.True_, X.sum(), X[I]),
    "comparison": lambda: T.lt(X[I], X[I]),
    "conjunction": lambda: T.and_(T.gt(X[I], 0), np.False_),
    "integer quotient": lambda: 0 // X[I].astype("int64"),
    "largest of the same": lambda: T.maximum(X[I], X[I]),
    "largest of nothing": lambda: 0 * X[:0].max(),
    "last of nothing": lambda: 0 * X[:0].argmax(),
    "written": lambda: T.set_subtensor(X[I], 0.0) * 0,
    "written where it was": lambda: T.set_subtensor(X[I], X[I]),
    "added nothing": lambda: T.inc_subtensor(X[I], 0.0),
    "vector of elements": lambda: T.stack([X[0], X[I]])[0],
    "matrix product": lambda: 0 * T.dot(M, N).sum(),
    "sum of different lengths": lambda: 0 * (X + X[:2]).sum(),
    "join": lambda: 0 * T.concatenate([M, M.T]).sum(),
    "reshape": lambda: X.reshape((2, 3)).reshape((-1,)),
    "reshape times 0": lambda: 0 * X.reshape((2, 2)).sum(),
    "promise": lambda: 0 * T.specify_shape(X, (5,)).sum(),
    "assertion": lambda: 0 * T.Assert("no")(X, X.sum() < 0).sum(),
    "label": lambda: symc.grad(T.nnet.crossentropy_softmax_1hot(M, K)[0].sum(), M),
    "index of what is constant": lambda: T.ones_like(X)[I],
}


def run(name: str, mode: str) -> None:
    """Call the function of a wrong program, which raises."""
    out = WRONG[name]()
    inputs = [v for v in ancestors([out]) if v in VALUES]
    with pytest.raises((IndexError, ValueError, AssertionError)):
        symc.function(inputs, out, mode=mode)(*(VALUES[v] for v in inputs))


@pytest.mark.parametrize("mode", ["FAST_COMPILE", "NUMPY"])
@pytest.mark.parametrize("name", WRONG)
def test_the_error_stays(name: str, mode: str) -> None:
    run(name, mode)


@pytest.mark.parametrize("name", ["product with 0", "gathered", "reshape", "join"])
def test_the_error_stays_in_compiled_functions(name: str) -> None:
    run(name, "FAST_RUN")


def test_what_is_read_elsewhere_cancels() -> None:
    picked = T.exp(X[I])
    f = symc.function([X, I], [picked, picked - picked], mode="NUMPY")
    assert f.maker.fgraph.outputs[1].owner is None
    with pytest.raises(IndexError):
        f(VALUES[X], 7)
