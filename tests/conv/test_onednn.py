"""Convolutions by oneDNN against their definition, and what happens without it."""

from __future__ import annotations

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from scipy import signal

import symc
import symc.tensor as T
from symc import change_flags, function
from symc.doctor import _cpu_flags, vector_unit
from symc.runtime import find_compiler, find_onednn, native_available, notice, onednn_count
from symc.runtime import onednn as onednn_module
from tests.conv.direct import convolve, gradients
from tests.conv.test_values import directly

pytestmark = pytest.mark.skipif(not native_available(), reason="only native code calls oneDNN")

PRESENT = native_available() and not find_onednn().problem
with_library = pytest.mark.skipif(not PRESENT, reason="oneDNN is not installed")
ROOT = Path(__file__).resolve().parents[2]
CONVS = {1: T.nnet.conv1d, 2: T.nnet.conv2d, 3: T.nnet.conv3d}


def rng():
    return np.random.default_rng(29)


def normal(*shape):
    return rng().standard_normal(shape).astype("float32")


def three(ndim, g, use="on", **options):
    """The function for values and both gradients, where `g` arrives."""
    kind = T.TensorType("float32", (False,) * (ndim + 2))
    x, w = kind("x"), kind("w")
    y = CONVS[ndim](x, w, **options)
    with change_flags({"onednn.enabled": use}):
        return function([x, w], [y, *symc.grad(T.sum(y * g), [x, w])])


def calls_of(f, *args):
    before = onednn_count()
    values = f(*args)
    return values, onednn_count() - before


OPTIONS = [
    (2, (2, 3, 6, 5), (4, 3, 3, 2), {}),
    (2, (2, 3, 6, 5), (4, 3, 3, 2), {"filter_flip": False}),
    (2, (2, 3, 6, 5), (4, 3, 2, 4), {"border_mode": "half"}),
    (2, (1, 16, 7, 8), (32, 16, 3, 3), {"border_mode": "full", "subsample": (2, 3)}),
    (2, (5, 16, 7, 8), (16, 16, 2, 3), {"border_mode": (1, 2), "subsample": (3, 1)}),
    (2, (3, 2, 7, 6), (2, 2, 2, 3), {"border_mode": ((0, 3), (2, 1)), "filter_dilation": (2, 1)}),
    (2, (2, 6, 5, 5), (9, 2, 3, 3), {"num_groups": 3, "border_mode": 1}),
    (2, (4, 16, 5, 5), (16, 1, 3, 3), {"num_groups": 16, "border_mode": 1}),
    (2, (2, 32, 5, 6), (32, 16, 3, 3), {"num_groups": 2, "subsample": (1, 2)}),
    (2, (1, 64, 4, 4), (64, 64, 1, 1), {}),
    (2, (1, 64, 15, 15), (64, 64, 1, 1), {}),
    (2, (9, 16, 16, 15), (16, 16, 1, 1), {"filter_flip": False, "subsample": (2, 2)}),
    (2, (1, 1, 1, 1), (1, 1, 1, 1), {}),
    (2, (2, 3, 1, 20), (10, 3, 1, 5), {"filter_dilation": (1, 3)}),
    (2, (7, 1, 12, 12), (16, 1, 5, 5), {}),
    (1, (2, 3, 11), (4, 3, 3), {"border_mode": "half", "subsample": 2, "filter_dilation": 2}),
    (3, (2, 16, 4, 3, 4), (16, 16, 2, 2, 3), {"border_mode": (1, 0, 2), "subsample": (1, 2, 1)}),
]


@with_library
@pytest.mark.parametrize(("ndim", "xs", "ws", "options"), OPTIONS)
def test_values_and_gradients_by_definition(ndim, xs, ws, options):
    x, w, plain = normal(*xs), normal(*ws), directly(options, ndim)
    expected = convolve(x, w, **plain)
    g = rng().standard_normal(expected.shape).astype("float32")
    found, calls = calls_of(three(ndim, g, **options), x, w)
    assert calls == 3
    for value, reference in zip(found, [expected, *gradients(x, w, g, **plain)], strict=True):
        assert value.dtype == "float32"
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-4)


@with_library
def test_the_sum_of_scipys_convolutions():
    x, w = normal(2, 2, 9, 8), normal(5, 2, 4, 3)
    expected = [
        [sum(signal.convolve2d(x[b, c], w[o, c], "full") for c in range(2)) for o in range(5)]
        for b in range(2)
    ]
    g = np.zeros((2, 5, 12, 10), "float32")
    found, calls = calls_of(three(2, g, border_mode="full"), x, w)
    assert calls == 3
    np.testing.assert_allclose(found[0], expected, rtol=1e-5, atol=1e-5)
    assert not found[1].any()
    assert not found[2].any()


@with_library
@pytest.mark.parametrize(
    ("xs", "ws"),
    [((0, 2, 4, 4), (3, 2, 2, 2)), ((2, 0, 4, 4), (3, 0, 2, 2)), ((2, 3, 4, 4), (0, 3, 2, 2))],
)
def test_empty_operands_are_left_to_symc(xs, ws):
    g = np.ones((xs[0], ws[0], 3, 3), "float32")
    found, calls = calls_of(three(2, g), normal(*xs), normal(*ws))
    assert calls == 0
    for value, shape in zip(found, [g.shape, xs, ws], strict=True):
        np.testing.assert_array_equal(value, np.zeros(shape))


@with_library
def test_operands_in_other_layouts():
    x = np.ascontiguousarray(normal(3, 6, 5, 8)).transpose(0, 3, 1, 2)
    w = normal(3, 16, 8, 3).transpose(1, 2, 0, 3)
    expected = convolve(x, w)
    g = rng().standard_normal(expected.shape).astype("float32")
    found, calls = calls_of(three(2, g), x, w)
    assert calls == 3
    for value, reference in zip(found, [expected, *gradients(x, w, g)], strict=True):
        np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-4)
    backwards, calls = calls_of(three(2, g), x[::-1], w)  # oneDNN knows no such strides
    assert calls < 3
    np.testing.assert_allclose(backwards[0], expected[::-1], rtol=1e-4, atol=1e-4)


@with_library
@pytest.mark.parametrize("batch", [1, 2, 8, 13])
def test_the_number_of_threads_changes_no_bit(batch):
    x, w = normal(batch, 32, 14, 14), normal(64, 32, 3, 3)
    g = normal(batch, 64, 12, 12)
    results = []
    try:
        for threads in (1, 2, 4):
            with change_flags(num_threads=threads):
                found, calls = calls_of(three(2, g), x, w)
            assert calls == 3
            results.append(found)
    finally:
        symc.runtime.set_num_threads(symc.config.num_threads)
    for other in results[1:]:
        for a, b in zip(results[0], other, strict=True):
            np.testing.assert_array_equal(a, b)
    np.testing.assert_allclose(results[0][0], convolve(x, w), rtol=1e-4, atol=1e-3)


@with_library
def test_what_follows_a_convolution_sees_its_values():
    x, w, b = normal(4, 16, 9, 9), normal(32, 16, 3, 3), normal(32)
    a, k, c = T.ftensor4("a"), T.ftensor4("k"), T.fvector("c")
    y = T.tanh(T.nnet.conv2d(a, k) + c.dimshuffle("x", 0, "x", "x"))
    with change_flags({"onednn.enabled": "on"}):
        f = function([a, k, c], [y, T.signal.pool.pool_2d(y, (2, 2), ignore_border=True)])
    (values, pooled), calls = calls_of(f, x, w, b)
    assert calls == 1
    expected = np.tanh(convolve(x, w) + b[:, None, None])
    np.testing.assert_allclose(values, expected, rtol=1e-4, atol=1e-4)
    windows = expected[:, :, :6, :6].reshape(4, 32, 3, 2, 3, 2)
    np.testing.assert_allclose(pooled, windows.max(axis=(3, 5)), rtol=1e-4, atol=1e-4)


@with_library
def test_doubles_are_symcs_own():
    x, w = T.tensor4("x"), T.tensor4("w")
    with change_flags({"onednn.enabled": "on"}):
        f = function([x, w], T.nnet.conv2d(x, w))
    values, calls = calls_of(f, np.ones((1, 2, 3, 3)), np.ones((1, 2, 2, 2)))
    assert calls == 0
    np.testing.assert_array_equal(values, np.full((1, 1, 2, 2), 8.0))


@with_library
def test_the_rule_takes_large_convolutions_only_and_off_none():
    small, large = (2, 16, 6, 6), (8, 64, 14, 14)
    by_rule = 2 if vector_unit(_cpu_flags()).startswith("AVX-512") else 0  # but filters
    for shape, use, calls in (
        (small, "auto", 0), (large, "auto", by_rule), (large, "off", 0), (large, "on", 3),
    ):
        g = np.ones((shape[0], 64, shape[2] - 2, shape[3] - 2), "float32")
        f = three(2, g, use)
        count = calls_of(f, normal(*shape), normal(64, shape[1], 3, 3))[1]
        assert count == calls, (shape, use)


@with_library
def test_a_measured_choice_is_kept(monkeypatch):
    kept: dict[str, bytes] = {}
    monkeypatch.setattr(onednn_module, "load_blob", kept.get)
    monkeypatch.setattr(onednn_module, "store_blob", kept.__setitem__)
    x, w, g = normal(3, 16, 9, 9), normal(16, 16, 3, 3), normal(3, 16, 7, 7)
    expected = [convolve(x, w), *gradients(x, w, g)]
    onednn_module.look_again()
    f = three(2, g, "measure")
    try:
        for content, calls in ((None, None), (b"1", 3), (b"0", 0)):
            if content is not None:
                kept.update(dict.fromkeys(kept, content))  # another process may have found this
                onednn_module.look_again()
            for _ in range(2):
                found, count = calls_of(f, x, w)
                for value, reference in zip(found, expected, strict=True):
                    np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-4)
                assert calls is None or count == calls
            assert len(kept) == 3
            assert set(kept.values()) <= {b"0", b"1"}
    finally:
        monkeypatch.undo()
        onednn_module.look_again()


@pytest.fixture
def absent(monkeypatch):
    """No library is there, and nobody has been told."""
    monkeypatch.setattr(notice, "_given", [])
    onednn_module.look_again()
    with change_flags({"onednn.library_path": "/nowhere/libdnnl.so.3"}):
        yield
    onednn_module.look_again()


def test_one_notice_without_the_library(absent):
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 2)
    g = normal(2, 4, 4, 4)
    f = three(2, g)
    with pytest.warns(RuntimeWarning, match=r"oneDNN is not there \(.*nowhere.*pip install"):
        found = f(x, w)
    np.testing.assert_allclose(found[0], convolve(x, w), rtol=1e-4, atol=1e-4)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(x, w)
        three(2, g)(x, w)


def test_a_notice_that_is_an_error_is_raised_once(absent):
    f = three(2, normal(2, 4, 4, 4))
    x, w = normal(2, 3, 6, 5), normal(4, 3, 3, 2)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with pytest.raises(RuntimeWarning, match="oneDNN"):
            f(x, w)
        np.testing.assert_allclose(f(x, w)[0], convolve(x, w), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("use", "size"), [("auto", 6), ("off", 40)])
def test_no_notice_where_it_would_not_be_taken(absent, use, size):
    f = three(2, normal(2, 16, size - 2, size - 2), use)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        f(normal(2, 16, size, size), normal(16, 16, 3, 3))


FAKE = """
#include <stddef.h>
static int handle;
static const struct { int major, minor, patch; const char *hash; unsigned cpu, gpu; } version = {
    MAJOR, 2, 0, "", 1, 0};
const void *dnnl_version(void) { return &version; }
#define MAKES(NAME) int dnnl_##NAME(void **made) { *made = &handle; return 0; }
#define DOES(NAME) int dnnl_##NAME(void) { return 0; }
MAKES(engine_create) MAKES(stream_create) MAKES(memory_create) MAKES(primitive_create)
MAKES(memory_desc_create_with_strides) MAKES(memory_desc_create_with_tag)
MAKES(convolution_backward_data_primitive_desc_create)
MAKES(convolution_backward_weights_primitive_desc_create)
MAKES(reorder_primitive_desc_create) MAKES(primitive_attr_create)
DOES(stream_destroy) DOES(memory_desc_destroy) DOES(memory_destroy) DOES(primitive_desc_destroy)
DOES(primitive_destroy) DOES(primitive_attr_destroy) DOES(primitive_attr_set_scratchpad_mode)
DOES(memory_set_data_handle)
size_t dnnl_memory_desc_get_size(const void *layout) { return 4096; }
int dnnl_memory_desc_equal(const void *a, const void *b) { return 1; }
const void *dnnl_primitive_desc_query_md(const void *c, int what, int k) { return &handle; }
int dnnl_primitive_desc_query(const void *c, int what, int k, void *result) {
  *(const char **)result = "a kernel";
  return 0;
}
int dnnl_convolution_forward_primitive_desc_create(void **made) {
  *made = &handle;
  return REFUSES;
}
int dnnl_primitive_execute(void) { return 1; }
"""

CHILD = """
import sys, warnings
import numpy as np
sys.path.insert(0, sys.argv[1])
from tests.conv import test_onednn as t
from symc.runtime import find_onednn, onednn_count
print(find_onednn().problem)
x, w, g = t.normal(2, 3, 6, 5), t.normal(4, 3, 3, 2), t.normal(2, 4, 4, 4)
warnings.simplefilter("ignore")
expected = [t.convolve(x, w), *t.gradients(x, w, g)]
for value, reference in zip(t.three(2, g)(x, w), expected, strict=True):
    np.testing.assert_allclose(value, reference, rtol=1e-4, atol=1e-4)
print("computed", onednn_count())
"""


def fake_library(folder, *definitions):
    (folder / "fake.c").write_text(FAKE)
    library = folder / "libfake.so"
    options = [*definitions, "-shared", "-fPIC", "-w", "-o", str(library), str(folder / "fake.c")]
    subprocess.run([find_compiler().path, *options], check=True)
    return str(library)


@pytest.mark.parametrize("refuses", [1, 0], ids=["that makes no plan", "that fails when it runs"])
def test_a_library_that_is_of_no_use(refuses, tmp_path):
    library = fake_library(tmp_path, "-DMAJOR=3", f"-DREFUSES={refuses}")
    done = subprocess.run(
        [sys.executable, "-c", CHILD, str(ROOT)], capture_output=True, text=True, timeout=120,
        env={**os.environ, "SYMC_FLAGS": f"onednn.library_path={library}"},
    )
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines() == ["", "computed 0"]


def test_a_library_of_another_version(tmp_path):
    library = fake_library(tmp_path, "-DMAJOR=2", "-DREFUSES=0")
    with change_flags({"onednn.library_path": library}):
        assert find_onednn().problem.endswith("is oneDNN 2.2.0, not version 3")
