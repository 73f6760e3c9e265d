"""The thread pool, calls from many threads, fork, leaks."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.runtime import (
    blas_info,
    load_blas,
    memory_info,
    native,
    native_available,
    set_memory_limit,
    set_num_threads,
    thread_info,
    trim_memory,
)
from symc.runtime.blas import ROUTINES
from tests.runtime.programs import AFFINE, HEAD, VECTOR_IN, VECTOR_OUT, FailureError, function

pytestmark = pytest.mark.usefixtures("needs_native")

#: y[chunk of x] = 2 x, in chunks of 100; also counts how often each chunk is done
PARALLEL = (
    HEAD
    + """
typedef struct { const sy_call *c; const double *x; double *y; int64_t n, *visits; } job;
static void task(void *context, int64_t first, int64_t last, int thread) {
  job *j = context;
  for (int64_t chunk = first; chunk < last; chunk++) {
    double *scratch = (double *)j->c->api->scratch(thread, 100 * 8);
    int64_t end = chunk * 100 + 100 < j->n ? chunk * 100 + 100 : j->n, count = 0;
    for (int64_t i = chunk * 100; i < end; i++) scratch[count++] = 2 * j->x[i];
    for (int64_t i = chunk * 100; i < end; i++) j->y[i] = scratch[i - chunk * 100];
    j->visits[chunk]++;
  }
}
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[0].n[0];
  c->out[1].n[0] = (c->in[0].n[0] + 99) / 100;
  c->work = 1e9;
  return SY_OK;
}
int symc_body(sy_call *c) {
  job j = {c, (double *)c->in[0].data, (double *)c->out[0].data, c->in[0].n[0],
           (int64_t *)c->out[1].data};
  for (int64_t k = 0; k < c->out[1].n[0]; k++) j.visits[k] = 0;
  c->api->parallel(task, &j, c->out[1].n[0], c->threads);
  return SY_OK;
}
"""
)


@pytest.fixture
def parallel():
    f = function(
        PARALLEL,
        "list",
        inputs=[("float64", 1, (False,), "c")],
        outputs=[VECTOR_OUT, ("fresh", "int64", 1, -1)],
    )
    yield f
    set_num_threads(0)


def check_parallel(f, n):
    x = np.arange(float(n))
    y, visits = f(x)
    np.testing.assert_array_equal(y, 2 * x)
    assert (visits == 1).all()


@pytest.mark.parametrize("threads", [0, 1, 2, 3, 7])
def test_every_chunk_is_done_once(parallel, threads):
    set_num_threads(threads)
    for n in [0, 1, 99, 100, 101, 1000, 54_321]:
        for _ in range(20):
            check_parallel(parallel, n)
    assert thread_info()[0] == (threads or thread_info()[0])


def test_as_many_threads_as_were_asked_for_are_used():
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->work = 1e9; return SY_OK; }
int symc_body(sy_call *c) { *(int64_t *)c->out[0].data = c->threads; return SY_OK; }
"""
    )
    f = function(text, outputs=[("fresh", "int64", 0, -1)])
    try:
        for threads in (7, 1, 3):
            set_num_threads(threads)
            assert f() == threads
    finally:
        set_num_threads(0)
    assert 1 <= f() <= thread_info()[0]  # one on a crowded machine


def test_parallel_calls_from_many_threads(parallel):
    set_num_threads(3)
    failures = []

    def run():
        try:
            for _ in range(100):
                check_parallel(parallel, 3000)
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=run) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_nested_loops_run_serially():
    text = (
        HEAD
        + """
typedef struct { sy_call *c; int64_t *count; } job;
static void inner(void *context, int64_t first, int64_t last, int thread) {
  job *j = context;
  if (j->c->api->threads() != 1) __atomic_fetch_add(j->count, 1000000, __ATOMIC_RELAXED);
  for (int64_t k = first; k < last; k++) __atomic_fetch_add(j->count, 1, __ATOMIC_RELAXED);
}
static void outer(void *context, int64_t first, int64_t last, int thread) {
  for (int64_t k = first; k < last; k++) ((job *)context)->c->api->parallel(inner, context, 10, 4);
}
int symc_prologue(sy_call *c) { c->work = 1e9; return SY_OK; }
int symc_body(sy_call *c) {
  job j = {c, (int64_t *)c->out[0].data};
  *j.count = 0;
  c->api->parallel(outer, &j, 50, 4);
  return SY_OK;
}
"""
    )
    set_num_threads(4)
    try:
        f = function(text, outputs=[("fresh", "int64", 0, -1)])
        for _ in range(50):
            assert f() == 500
    finally:
        set_num_threads(0)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_a_forked_child_starts_its_own_threads(parallel):
    set_num_threads(2)
    check_parallel(parallel, 100_000)
    load_blas()
    child = os.fork()
    if child == 0:
        code = 1
        try:
            for _ in range(20):
                check_parallel(parallel, 100_000)
            code = 0 if thread_info()[1] == 1 else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    check_parallel(parallel, 100_000)


SPAWN = """
import os, sys
from symc.runtime import thread_info
threads, workers = thread_info()
print(threads, workers, len(os.sched_getaffinity(0)))
"""


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs processor affinity")
@pytest.mark.parametrize(
    ("variables", "affinity", "expected"), [({"OMP_NUM_THREADS": "3"}, None, 3), ({}, 1, 1)]
)
def test_the_environment_decides_how_many_threads(variables, affinity, expected):
    environment = {k: v for k, v in os.environ.items() if k != "OMP_NUM_THREADS"}
    text = SPAWN
    if affinity:
        text = f"import os; os.sched_setaffinity(0, [min(os.sched_getaffinity(0))])\n{SPAWN}"
    done = subprocess.run(
        [sys.executable, "-c", text],
        env={**environment, **variables},
        cwd=Path(__file__).resolve().parents[2],
        capture_output=True,
        text=True,
        check=True,
    )
    threads, workers, _ = map(int, done.stdout.split())
    assert threads == expected
    assert workers == 0  # none is started at import


def test_one_function_called_from_eight_threads():
    f = function(AFFINE.replace("c->work = 1", "c->work = 1e6"), inputs=[VECTOR_IN],
                 outputs=[VECTOR_OUT])  # fmt: skip
    failures = []

    def run(seed):
        x = np.random.default_rng(seed).normal(size=1000 + seed)
        for _ in range(200):
            if not np.array_equal(f(x), 2 * x + 1):
                failures.append(seed)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


# -- BLAS ----------------------------------------------------------------------------------------

GEMM = (
    HEAD
    + """
typedef void (*dgemm)(char *, char *, int *, int *, int *, double *, double *, int *, double *,
                      int *, double *, double *, int *);
typedef double (*ddot)(int *, double *, int *, double *, int *);
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[0].n[0];
  c->out[0].n[1] = c->in[1].n[1];
  c->work = 1e9;
  return SY_OK;
}
int symc_body(sy_call *c) {  /* row-major C = A B is column-major C' = B' A' */
  int m = (int)c->in[0].n[0], k = (int)c->in[0].n[1], n = (int)c->in[1].n[1], one = 1;
  double alpha = 1, beta = 0;
  ((dgemm)c->api->blas[SY_BLAS_DGEMM])("N", "N", &n, &m, &k, &alpha, (double *)c->in[1].data, &n,
                                       (double *)c->in[0].data, &k, &beta,
                                       (double *)c->out[0].data, &n);
  *(double *)c->out[1].data = ((ddot)c->api->blas[SY_BLAS_DDOT])(
      &k, (double *)c->in[0].data, &one, (double *)c->in[0].data, &one);
  return SY_OK;
}
"""
)


@pytest.fixture(scope="module")
def gemm():
    if not native_available():
        pytest.skip("needs the extension and a C compiler")
    load_blas()
    matrix = ("float64", 2, (False, False), "c")
    return function(
        GEMM,
        "list",
        inputs=[matrix, matrix],
        outputs=[("fresh", "float64", 2, -1), ("fresh", "float64", 0, -1)],
    )


def check_gemm(gemm, n, rng):
    a, b = rng.normal(size=(n, n + 3)), rng.normal(size=(n + 3, n + 1))
    product, dot = gemm(a, b)
    np.testing.assert_allclose(product, a @ b, rtol=1e-10, atol=1e-10 * n)
    np.testing.assert_allclose(dot, a[0] @ a[0], rtol=1e-12)


def test_blas_by_pointer(gemm):
    rng = np.random.default_rng(0)
    for n in [1, 7, 300]:
        check_gemm(gemm, n, rng)
    assert blas_info().source


def test_blas_from_many_threads_and_inside_loops(gemm, parallel):
    set_num_threads(2)
    failures = []

    def run(seed):
        rng = np.random.default_rng(seed)
        try:
            for _ in range(10):
                check_gemm(gemm, 260, rng)
                check_parallel(parallel, 5000)
        except BaseException as problem:
            failures.append(problem)

    threads = [threading.Thread(target=run, args=(k,)) for k in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert not failures


def test_blas_inside_a_parallel_loop():
    text = (
        GEMM[: GEMM.index("int symc_prologue")]
        + """
typedef struct { sy_call *c; int n; } job;
static void task(void *context, int64_t first, int64_t last, int thread) {
  job *j = context;
  double alpha = 1, beta = 0, *x = (double *)j->c->in[0].data;
  for (int64_t k = first; k < last; k++)
    ((dgemm)j->c->api->blas[SY_BLAS_DGEMM])(
        "N", "N", &j->n, &j->n, &j->n, &alpha, x, &j->n, x, &j->n, &beta,
        (double *)j->c->out[0].data + k * j->n * j->n, &j->n);
}
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = 4;
  c->out[0].n[1] = c->out[0].n[2] = c->in[0].n[0];
  c->work = 1e9;
  return SY_OK;
}
int symc_body(sy_call *c) {
  job j = {c, (int)c->in[0].n[0]};
  c->api->parallel(task, &j, 4, 2);
  return SY_OK;
}
"""
    )
    load_blas()
    set_num_threads(2)
    f = function(
        text,
        inputs=[("float64", 2, (False, False), "c")],
        outputs=[("fresh", "float64", 3, -1)],
    )
    x = np.random.default_rng(0).normal(size=(300, 300))
    try:
        for _ in range(5):
            np.testing.assert_allclose(f(x), np.array([x @ x] * 4), rtol=1e-9, atol=1e-9)
    finally:
        set_num_threads(0)


def test_the_order_of_the_blas_table():
    header = Path(native.__file__).with_name("csrc") / "symc_abi.h"
    text = header.read_text(encoding="utf-8")
    names = text[text.index("SY_BLAS_SGEMM") : text.index("SY_BLAS_COUNT")]
    found = [n.strip().removeprefix("SY_BLAS_").lower() for n in names.split(",") if n.strip()]
    assert tuple(found) == ROUTINES


# -- memory --------------------------------------------------------------------------------------


def resident():
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="needs /proc")
def test_calls_do_not_leak():
    f = function(AFFINE, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { return c->api->fail(c, SY_E_CHECK, 0, 0, 0); }
int symc_body(sy_call *c) { return SY_OK; }
"""
    )
    failing = function(text, "list", inputs=[VECTOR_IN])

    def step(values):
        if len(values[0]) == 3:
            raise ValueError("three")
        return [values[0] + 1]

    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[0].n[0];
  c->slot_bytes[0] = 8;
  return SY_OK;
}
int symc_body(sy_call *c) {
  sy_value *args[2] = {&c->in[0], &c->out[0]};
  return c->api->foreign(c, 0, args, 1, 1);
}
"""
    )
    python = function(
        text,
        inputs=[VECTOR_IN],
        outputs=[VECTOR_OUT],
        slots=[(0, 0)],
        steps=[(step, (("float64", 1),), (("buffer", "float64", 1, (False,)),))],
    )

    def some(count):
        x, three = np.arange(10.0), np.arange(3.0)
        for _ in range(count):
            f(x)
            f.converted.clear()
        for _ in range(count // 10):
            f([1.0, 2.0])
            python(x)
            for g in (failing, python):
                try:
                    g(three)
                except FailureError:
                    pass
                else:
                    raise AssertionError("no exception")

    some(3000)
    gc.collect()
    before, live = resident(), memory_info()["live"]
    some(60_000)
    gc.collect()
    assert resident() - before < 2**20
    assert memory_info()["live"] == live


def test_dropped_functions_free_everything_at_once():
    gc.collect()
    libraries, live = native.callpath.library_count(), memory_info()["live"]
    gc.disable()
    try:
        for k in range(20):
            text = AFFINE.replace("* 2 + 1", f"* {k + 7}")
            f = function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
            f(np.arange(100.0))
            del f
        assert native.callpath.library_count() == libraries
        assert memory_info()["live"] == live
    finally:
        gc.enable()


def test_the_pool_is_bounded():
    f = function(AFFINE, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])
    limit = memory_info()["limit"]
    try:
        set_memory_limit(3 * 2**20)
        for n in [10, 1000, 100_000, 300_000, 1_000_000, 50_000]:
            held = [f(np.zeros(n)) for _ in range(4)]
            del held
            assert memory_info()["cached"] <= 3 * 2**20
        set_memory_limit(0)
        assert memory_info()["cached"] == 0
        f(np.zeros(10))
        assert memory_info()["cached"] == 0
        with pytest.raises(ValueError, match="negative"):
            set_memory_limit(-1)
    finally:
        set_memory_limit(limit)
    f(np.zeros(10))
    assert memory_info()["cached"] > 0
    trim_memory()
    assert memory_info()["cached"] == 0


@pytest.mark.parametrize("dtype", ["float32", "float64", "complex64", "complex128"])
@pytest.mark.parametrize(
    ("rows", "inner", "columns"),
    [
        (60, 300, 520), (520, 300, 60), (700, 30, 300), (2100, 16, 40), (790, 128, 65),
        (3, 2000, 400), (130, 90, 99),
    ],
)
def test_products_in_slabs(rows: int, inner: int, columns: int, dtype: str) -> None:
    rng = np.random.default_rng(rows)
    a, b = (rng.standard_normal(s).astype(dtype) for s in ((rows, inner), (inner, columns)))
    x, y = (T.TensorType(dtype, (False, False))() for _ in "xy")
    kept = symc.shared(np.ones((rows, columns), dtype))
    straight = symc.function([x, y], T.dot(x, y), updates=[(kept, kept - T.dot(x, y))])
    turned = symc.function([x, y], T.dot(x.T, y.T).T)
    expected = a.astype("complex128") @ b.astype("complex128")
    if not dtype.startswith("complex"):
        expected = expected.real
    exactly = 2e-5 if dtype in ("float32", "complex64") else 1e-13
    try:
        for threads in (2, 3, 1):
            set_num_threads(threads)
            kept.set_value(np.ones((rows, columns), dtype))
            before = blas_info().threads
            for result in (straight(a, b), turned(a.T.copy(), b.T.copy()).T, 1 - kept.get_value()):
                np.testing.assert_allclose(result, expected, rtol=0, atol=exactly * inner**0.5 * 9)
            assert blas_info().threads == before
    finally:
        set_num_threads(0)
