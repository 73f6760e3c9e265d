"""Programs of every family at lengths 0, 1 and n; run by `test_sanitizers` in a process of its own.

The compiled programs are built with the sanitizers of the C compiler, so an access out of bounds
or undefined behaviour ends the process. Numbers are compared with NumPy's.
"""

from __future__ import annotations

import numpy as np

import symc
import symc.tensor as T

LENGTHS = (0, 1, 2, 7, 33, 1000)
random = np.random.default_rng(5)


def close(got, wanted):
    np.testing.assert_allclose(got, wanted, rtol=1e-4, atol=1e-5)


def elementwise():
    for dtype in ("float32", "float64", "int8", "int64"):
        x, y = T.vector("x", dtype=dtype), T.vector("y", dtype=dtype)
        f = symc.function([x, y], [x * y + 1, T.maximum(x, y), abs(x) + y])
        for n in LENGTHS:
            a, b = (random.integers(-9, 9, n).astype(dtype) for _ in range(2))
            for got, wanted in zip(f(a, b), (a * b + 1, np.maximum(a, b), abs(a) + b), strict=True):
                close(got, wanted)
    x = T.vector("x", dtype="float64")
    f = symc.function([x], T.tanh(T.exp(-x * x) * T.sin(x)))
    for n in LENGTHS:
        a = random.normal(size=n)
        close(f(a), np.tanh(np.exp(-a * a) * np.sin(a)))
        close(f(np.repeat(a, 2)[::2]), f(a))
        close(f(a[::-1]), f(a)[::-1])
    with np.errstate(all="ignore"):
        extremes = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e308, -1e308, 5e-324])
        close(f(extremes), np.tanh(np.exp(-extremes * extremes) * np.sin(extremes)))


def reductions():
    x = T.matrix("x", dtype="float64")
    outputs = [x.sum(), x.sum(axis=0), x.sum(axis=1), x.prod(axis=0), T.exp(x).sum(axis=1)]
    f = symc.function([x], outputs)
    g = symc.function([x], [x.max(axis=1), x.argmax(axis=1), T.nnet.softmax(x), x.var(axis=0)])
    for rows in LENGTHS:
        for columns in (0, 1, 5, 70):
            a = random.normal(size=(rows, columns))
            wanted = [a.sum(), a.sum(0), a.sum(1), a.prod(0), np.exp(a).sum(1)]
            for got, numbers in zip(f(a), wanted, strict=True):
                close(got, numbers)
            if rows and columns:
                e = np.exp(a - a.max(1, keepdims=True))
                wanted = [a.max(1), a.argmax(1), e / e.sum(1, keepdims=True), a.var(0)]
                for got, numbers in zip(g(a), wanted, strict=True):
                    close(got, numbers)


def products_and_indexing():
    x, y = T.matrix("x", dtype="float64"), T.matrix("y", dtype="float64")
    k = T.vector("k", dtype="int64")
    product = symc.function([x, y], [T.dot(x, y), T.tanh(T.dot(x, y))])
    cut = symc.function([x], [x[1:-1], x[::-2], x.T, T.concatenate([x, x[:1]])])
    taken = symc.function([x, k], [x[k], T.inc_subtensor(x[k], 1.0)])
    for n in LENGTHS[:-1]:
        a, b = random.normal(size=(n, 4)), random.normal(size=(4, n))
        for got, wanted in zip(product(a, b), (a @ b, np.tanh(a @ b)), strict=True):
            close(got, wanted)
        wanted = (a[1:-1], a[::-2], a.T, np.concatenate([a, a[:1]]))
        for got, numbers in zip(cut(a), wanted, strict=True):
            close(got, numbers)
        index = random.integers(-n, n, 9) if n else np.zeros(0, "int64")
        more = a.copy()
        np.add.at(more, index, 1.0)
        for got, numbers in zip(taken(a, index), (a[index], more), strict=True):
            close(got, numbers)


def updates_and_errors():
    state = symc.shared(np.zeros(50))
    x = T.vector("x", dtype="float64")
    k = T.lscalar("k")
    step = symc.function([x, k], x[k], updates=[(state, state + x)])
    ones = np.ones(50)
    for _ in range(3):
        step(ones, 3)
        for bad in (lambda: step(ones, 50), lambda: step(ones, -51), lambda: step(ones[:7], 0)):
            try:
                bad()
            except (IndexError, ValueError):
                continue
            raise AssertionError("an index or a length out of bounds was accepted")
    close(state.get_value(), 3 * ones)


def loops():
    x = T.vector("x", dtype="float64")
    zero = T.zeros_like(x[0])
    sums, _ = symc.scan(lambda v, total: total + v, sequences=[x], outputs_info=[zero])
    f = symc.function([x], [sums, symc.grad(sums[-1], x)])
    for n in LENGTHS[1:-1]:
        a = random.normal(size=n)
        total, slope = f(a)
        close(total, np.cumsum(a))
        close(slope, np.ones(n))


def threads():
    x = T.matrix("x", dtype="float32")
    f = symc.function([x], [T.exp(x) + x, x.sum(axis=0), x.sum(axis=1)])
    a = random.normal(size=(1500, 1001)).astype("float32")
    for got, wanted in zip(f(a), (np.exp(a) + a, a.sum(0), a.sum(1)), strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-3)


if __name__ == "__main__":
    for family in (
        elementwise, reductions, products_and_indexing, updates_and_errors, loops, threads
    ):  # fmt: skip
        family()
        print(family.__name__, "clean", flush=True)
    print("compiled", symc.runtime.statistics()["compiled"])
