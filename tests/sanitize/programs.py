"""Programs of every family at lengths 0, 1 and n; run by `test_sanitizers` in a process of its own.

Families can be named as arguments; without them all are run.

The compiled programs are built with the sanitizers of the C compiler, so an access out of bounds
or undefined behaviour ends the process. Numbers are compared with NumPy's.
"""

from __future__ import annotations

import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import symc
import symc.tensor as T
from symc.codegen.target import Target, host_target
from symc.compile import native
from symc.compile.batch import batch
from symc.scan_module import until
from tests.conv.direct import convolve, gradients

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


def steps_of_loops():
    x = T.vector("x", dtype="float64")
    w = T.scalar("w", dtype="float64")
    n = T.lscalar("n")
    zero = T.as_tensor_variable(0.0)
    sums, _ = symc.scan(lambda v, total: total + v, sequences=[x], outputs_info=[zero])
    steps, _ = symc.scan(
        lambda v, before, last: w * before + 0.5 * last + v,
        sequences=[x],
        outputs_info=[{"initial": T.stack([zero, zero + 1]), "taps": [-2, -1]}],
    )
    near, _ = symc.scan(lambda a, b, c: a + 2 * b - c, sequences=[{"input": x, "taps": [-1, 0, 2]}])
    grown, _ = symc.scan(
        lambda v: (2 * v, until(v > 100)), outputs_info=[w], n_steps=n
    )
    with batch():
        f = symc.function([x], [sums, symc.grad(sums.sum(), x)])
        g = symc.function([x, w], [steps[-1], symc.grad(steps[-1], x)])
        h = symc.function([x], near)
        k = symc.function([w, n], [grown, grown[-1]])
    for length in LENGTHS[:-1]:
        a = random.normal(size=length)
        total, slope = f(a)
        close(total, np.cumsum(a))
        close(slope, np.arange(length, 0, -1))
        if length >= 3:
            close(h(a), a[:-3] + 2 * a[1:-2] - a[3:])
        if not length:
            continue
        # The last value is linear in x: its slope is the response to an impulse at each step.
        last, slope = g(a, 0.25)
        wanted = [0.0, 1.0]
        response = [0.0, 1.0]
        for v in a:
            wanted.append(0.25 * wanted[-2] + 0.5 * wanted[-1] + v)
            response.append(0.25 * response[-2] + 0.5 * response[-1])
        close(last, wanted[-1])
        close(slope, response[1:-1][::-1])
    for steps_asked, made in ((1, 1), (5, 5), (8, 8), (50, 8)):
        values, last = k(1.0, steps_asked)
        close(values, 2.0 ** np.arange(1, made + 1))
        close(last, 2.0**made)


def loops_in_loops():
    m = T.matrix("m", dtype="float64")
    state = symc.shared(np.zeros(3))

    def row(values):
        inner, _ = symc.scan(
            lambda v, p: p * v + 1, sequences=[values], outputs_info=[T.ones_like(m[0, 0])]
        )
        return inner[-1]

    folded, _ = symc.scan(row, sequences=[m])
    walked, _ = symc.scan(
        lambda r, h: T.tanh(r[:3] + h), sequences=[m], outputs_info=[state], go_backwards=True
    )
    with batch():
        f = symc.function([m], [folded, symc.grad(folded.sum(), m)])
        g = symc.function([m], walked, updates=[(state, walked[-1])])
    for rows, columns in ((1, 1), (2, 3), (7, 5)):
        a = random.normal(size=(rows, columns))
        p, slope = np.ones(rows), np.zeros_like(a)
        for column in a.T:
            p = p * column + 1
        after = np.ones(rows)
        for k in range(columns - 1, -1, -1):
            before = np.ones(rows)
            for column in a.T[:k]:
                before = before * column + 1
            slope[:, k] = after * before
            after = after * a[:, k]
        value, gradient = f(a)
        close(value, p)
        close(gradient, slope)
    for rows in (1, 2, 5):
        a, h = random.normal(size=(rows, 4)), state.get_value()
        wanted = []
        for r in a[::-1]:
            h = np.tanh(r[:3] + h)
            wanted.append(h)
        close(g(a), wanted)
        close(state.get_value(), h)


def products_in_place():
    x, y = T.matrix("x", dtype="float32"), T.matrix("y", dtype="float32")
    p, q = T.tensor3("p", dtype="float64"), T.tensor3("q", dtype="float64")
    v = T.vector("v", dtype="float64")
    weight = symc.shared(np.zeros((5, 3), "float32"))
    matrix = symc.shared(np.zeros((4, 4)))
    with batch():
        step = symc.function([x, y], updates=[(weight, weight - 0.5 * T.dot(x.T, y))])
        outer = symc.function([v], updates=[(matrix, matrix + T.outer(v, v[::-1]))])
        stacks = symc.function([p, q], [T.batched_dot(p, q), T.tensordot(p, p, [[0, 2], [0, 2]])])
    wanted = np.zeros((5, 3), "float32")
    for n in LENGTHS[:-1]:
        a, b = (random.normal(size=(n, k)).astype("float32") for k in (5, 3))
        step(a, b)
        wanted -= 0.5 * (a.T @ b)
        np.testing.assert_allclose(weight.get_value(), wanted, rtol=1e-3, atol=1e-3)
        c, d = random.normal(size=(n, 4, 3)), random.normal(size=(n, 3, 2))
        product, contracted = stacks(c, d)
        close(product, c @ d)
        close(contracted, np.tensordot(c, c, [[0, 2], [0, 2]]))
        product, _ = stacks(c[:, ::-1], d[:, :, :0])
        close(product, np.zeros((n, 4, 0)))
    outer(np.arange(4.0))
    outer(np.arange(8.0)[::2])
    close(matrix.get_value(), 5 * np.outer(np.arange(4.0), np.arange(4.0)[::-1]))


def gathering_and_sorting():
    x = T.matrix("x", dtype="float64")
    v = T.vector("v", dtype="float64")
    i, j = T.vector("i", dtype="int64"), T.vector("j", dtype="int32")
    with batch():
        points = symc.function(
            [x, i, j],
            [x[i, j], T.inc_subtensor(x[i, j], 1.0), T.set_subtensor(x[i], -1.0),
             symc.grad(T.sqr(x[i, j]).sum(), x), x[:, j], T.inc_subtensor(x[:, j], 2.0)],
        )  # fmt: skip
        sorts = symc.function([v], [T.sort(v), T.argsort(v), v[(v > 0).nonzero()], T.cumsum(v)])
    for n in LENGTHS[:-1]:
        a = random.normal(size=(n, 4))
        k = random.integers(-n, n, 40) if n else np.zeros(0, "int64")
        m = random.integers(-4, 4, len(k)).astype("int32")
        added, stored, slope, columns = a.copy(), a.copy(), np.zeros_like(a), a.copy()
        np.add.at(added, (k, m), 1.0)
        np.add.at(slope, (k, m), 2 * a[k, m])
        np.add.at(columns, (slice(None), m), 2.0)
        stored[k] = -1.0
        wanted = (a[k, m], added, stored, slope, a[:, m], columns)
        for got, numbers in zip(points(a, k, m), wanted, strict=True):
            close(got, numbers)
        b = random.integers(-3, 4, n).astype("float64")
        for turned in (b, b[::-1]):
            ordered, order, positive, total = sorts(turned)
            close(ordered, np.sort(turned))
            close(turned[order], np.sort(turned))
            close(np.sort(order), np.arange(n))
            close(positive, turned[turned > 0])
            close(total, np.cumsum(turned))


def joins():
    x, y = T.matrix("x", dtype="float64"), T.matrix("y", dtype="float64")
    k = T.lvector("k")
    tall = T.concatenate([x, T.exp(y), x[:0], y])
    wide = T.concatenate([x.T, y.T, y.T], axis=1)
    with batch():
        f = symc.function([x, y], [tall, wide, T.stack([x.sum(0), y.sum(0)], axis=1)])
        parts = symc.function([x, k], T.split(x, k, 3, axis=0))
        kept = symc.function(
            [x], [T.concatenate([x, x]).sum(1), symc.grad(T.sqr(T.concatenate([x, x])).sum(), x)]
        )
    for n in LENGTHS[:-1]:
        for m in (0, 1, 5):
            a, b = random.normal(size=(n, 3)), random.normal(size=(m, 3))
            wanted = (
                np.concatenate([a, np.exp(b), b]), np.concatenate([a, b, b]).T,
                np.stack([a.sum(0), b.sum(0)], 1),
            )  # fmt: skip
            for got, numbers in zip(f(a, b), wanted, strict=True):
                close(got, numbers)
        one, other = n // 3, n - n // 3
        for got, numbers in zip(parts(a, [one, 0, other]), (a[:one], a[:0], a[one:]), strict=True):
            close(got, numbers)
        total, slope = kept(a)
        close(total, np.concatenate([a, a]).sum(1))
        close(slope, 4 * a)


def broadcast_gradients():
    x, y = T.matrix("x", dtype="float64"), T.matrix("y", dtype="float64")
    product = T.exp(x) * y
    f = symc.function([x, y], [product, *symc.grad((product * product).sum(), [x, y])])
    for n, m in ((0, 3), (1, 1), (2, 7), (33, 5)):
        for left, right in (((n, m), (n, m)), ((n, m), (1, m)), ((n, 1), (1, m))):
            a, b = random.normal(size=left), random.normal(size=right)
            whole = np.exp(a) * b
            slopes = []
            for slope, shape in ((2 * whole * whole, left), (2 * whole * np.exp(a), right)):
                axes = tuple(d for d in range(2) if shape[d] == 1)
                slopes.append(slope.sum(axes, keepdims=True) if axes else slope)
            for got, numbers in zip(f(a, b), (whole, *slopes), strict=True):
                close(got, numbers)


def results_past_the_caches():
    """Streaming stores, with a machine of small caches, at lengths around lines and blocks."""
    native.host_target = lambda: Target(stream_bytes=64)
    inputs, functions = {}, {}
    with batch():
        for dtype in ("int8", "float32", "float64"):
            v, m = T.vector("v", dtype=dtype), T.matrix("m", dtype=dtype)
            inputs[dtype] = symc.In(v, mutable=True)
            functions[dtype] = (
                symc.function([inputs[dtype]], v * 2 + 1),
                symc.function([v], [v + 1, v - v[::-1]]),
                symc.function([m], m * m + 1),
            )
    native.host_target = host_target
    for dtype, (inplace, two, square) in functions.items():
        for n in (0, 1, 3, 31, 32, 33, 63, 65, 127, 128, 129, 255, 257, 1000, 4097):
            a = random.integers(-5, 5, n + 1).astype(dtype)
            for start in (0, 1):
                v = a[start:].copy() if start else a[:-1]
                close(two(v)[0], v + 1)
                close(two(v)[1], v - v[::-1])
                wanted = a[start:] * 2 + 1
                close(inplace(a.copy()[start:]), wanted)
            close(square(a[None, :]), a[None, :] * a + 1)


def convolutions_and_pooling():
    x, w, g = T.ftensor4("x"), T.ftensor4("w"), T.ftensor4("g")
    for border, strides, dilation, flip in (
        ("valid", (1, 1), (1, 1), True), ("full", (2, 1), (1, 1), False),
        ("half", (1, 2), (2, 1), True), ((2, 1), (1, 1), (1, 2), False),
    ):  # fmt: skip
        options = {"subsample": strides, "filter_dilation": dilation, "filter_flip": flip}
        y = T.nnet.conv2d(x, w, border_mode=border, **options)
        slopes = symc.grad(None, [x, w], known_grads={y: g})
        top = T.signal.pool.pool_2d(y, (3, 2), ignore_border=True)
        f = symc.function([x, w], [y, T.nnet.relu(y) + 1, top])
        h = symc.function([x, w, g], slopes)
        for images, channels, filters, *space in (
            (3, 1, 5, 17, 9), (2, 18, 33, 8, 21), (0, 2, 3, 9, 9),
        ):  # fmt: skip
            a = random.normal(size=(images, channels, *space)).astype("float32")
            b = random.normal(size=(filters, channels, 3, 2)).astype("float32")
            plain = (border, strides, dilation, 1, flip)
            wanted = convolve(a, b, *plain)
            tiles = np.lib.stride_tricks.sliding_window_view(wanted, (3, 2), (2, 3))
            wholes = (wanted, np.maximum(wanted, 0) + 1, tiles[:, :, ::3, ::2].max((4, 5)))
            for got, numbers in zip(f(a, b), wholes, strict=True):
                close(got, numbers)
            c = random.normal(size=wanted.shape).astype("float32")
            for got, numbers in zip(h(a, b, c), gradients(a, b, c, *plain), strict=True):
                np.testing.assert_allclose(got, numbers, rtol=1e-3, atol=1e-3)
    y = T.signal.pool.pool_2d(x, (2, 2), ignore_border=True)
    f = symc.function([x, g], [y, symc.grad(None, x, known_grads={y: g})])
    for rows, columns in ((2, 3), (5, 9), (4, 37), (0, 8)):
        a = random.permutation(2 * rows * columns).reshape(1, 2, rows, columns).astype("float32")
        tiles = a[..., : rows // 2 * 2, : columns // 2 * 2]
        tiles = tiles.reshape(1, 2, rows // 2, 2, columns // 2, 2)
        top = tiles.max((3, 5), initial=-np.inf)
        got, slope = f(a, top)
        close(got, top)
        close(slope.sum(), top.sum(dtype="float64"))


def threads():
    """Kernels large enough for several threads, called by several threads at once."""
    x, k = T.matrix("x", dtype="float32"), T.lvector("k")
    state = symc.shared(np.zeros(1001, "float32"))
    with batch():
        f = symc.function([x], [T.exp(x) + x, x.sum(axis=0), x.sum(axis=1), x.sum()])
        g = symc.function([x, k], [T.nnet.softmax(x), x.argmax(axis=1), x.T + 1, x[k] * 2])
        h = symc.function([x], [T.tanh(x).max(axis=0)], updates=[(state, state + x.sum(axis=0))])
    a = random.normal(size=(1500, 1001)).astype("float32")
    rows = random.integers(0, len(a), 1500)
    e = np.exp(a - a.max(1, keepdims=True))
    expected = (
        *(np.exp(a) + a, a.sum(0), a.sum(1), a.sum(dtype="float64")),
        *(e / e.sum(1, keepdims=True), a.argmax(1), a.T + 1, a[rows] * 2, np.tanh(a).max(0)),
    )

    def call():
        for got, wanted in zip((*f(a), *g(a, rows), *h(a)), expected, strict=True):
            np.testing.assert_allclose(got, wanted, rtol=1e-3, atol=1e-2)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(call) for _ in range(4)]:
            done.result()
    np.testing.assert_allclose(state.get_value(), 4 * a.sum(0), rtol=1e-3, atol=1e-1)


FAMILIES = {
    family.__name__: family
    for family in (
        elementwise, reductions, products_and_indexing, updates_and_errors, steps_of_loops,
        loops_in_loops, products_in_place, gathering_and_sorting, joins, broadcast_gradients,
        convolutions_and_pooling, results_past_the_caches, threads,
    )
}  # fmt: skip

if __name__ == "__main__":
    for name in sys.argv[1:] or FAMILIES:
        FAMILIES[name]()
        print(name, "clean", flush=True)
    print("compiled", symc.runtime.statistics()["compiled"])
