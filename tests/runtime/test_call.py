"""One call: arguments of every kind, results of every kind, guards, errors."""

from __future__ import annotations

import gc
import sys

import numpy as np
import pytest

from symc.runtime import memory_info
from tests.runtime.programs import (
    AFFINE,
    HEAD,
    MATRIX_IN,
    MATRIX_OUT,
    SCALAR_IN,
    TRANSPOSE,
    VECTOR_IN,
    VECTOR_OUT,
    FailureError,
    PlainFunction,
    function,
    program,
)

pytestmark = pytest.mark.usefixtures("needs_native")


@pytest.fixture
def affine():
    return function(AFFINE, inputs=[VECTOR_IN], outputs=[VECTOR_OUT])


@pytest.fixture
def transpose():
    return function(
        TRANSPOSE, "list", inputs=[MATRIX_IN], outputs=[MATRIX_OUT, ("fresh", "int64", 1, -1)]
    )


@pytest.mark.parametrize("n", [0, 1, 2, 10, 100_000])
def test_result_is_a_fresh_array(affine, n):
    x = np.arange(float(n))
    y = affine(x)
    assert type(y) is np.ndarray
    assert y.dtype == np.float64
    assert y.shape == (n,)
    assert y.flags.owndata
    assert y.flags.c_contiguous
    assert y.flags.writeable
    assert y.ctypes.data % 64 == 0
    np.testing.assert_array_equal(y, 2 * x + 1)
    assert not affine.converted


@pytest.mark.parametrize("step", [2, 3, -1, -2])
def test_strided_input_is_read_where_it_is(affine, step):
    x = np.arange(20.0)[::step]
    np.testing.assert_array_equal(affine(x), 2 * x + 1)
    assert not affine.converted


def _misaligned(x):
    raw = np.empty(x.nbytes + 1, "uint8")
    y = raw[1:].view(x.dtype)
    y[...] = x
    return y


def _partial_stride(x):
    records = np.zeros(x.size, [("a", "i4"), ("x", "f8")])
    records["x"] = x
    return records["x"]


@pytest.mark.parametrize(
    "make",
    [
        _misaligned,
        _partial_stride,
        lambda x: x.astype(">f8" if sys.byteorder == "little" else "<f8"),
        lambda x: x.astype("float32"),
        lambda x: x.astype("int8"),
        lambda x: x.tolist(),
        lambda x: tuple(x),
        lambda x: x.view(np.recarray),
    ],
    ids="misaligned partial-stride swapped float32 int8 list tuple subclass".split(),
)
def test_other_inputs_are_converted(affine, make):
    x = np.arange(7.0)
    np.testing.assert_array_equal(affine(make(x)), 2 * x + 1)
    assert affine.converted == [0]


def test_read_only_input_needs_no_conversion(affine):
    x = np.arange(7.0)
    x.flags.writeable = False
    np.testing.assert_array_equal(affine(x), 2 * x + 1)
    assert not affine.converted


def test_a_converter_that_gives_the_wrong_thing_is_an_error(affine):
    with pytest.raises(TypeError, match="input 0 was converted to"):
        affine(np.zeros((2, 2)))


def test_an_exception_of_the_converter_is_passed_on(affine):
    with pytest.raises(ValueError, match="could not convert"):
        affine("text")


@pytest.mark.parametrize(
    ("x", "strides"),
    [
        (np.arange(6.0).reshape(2, 3), (3, 1)),
        (np.asfortranarray(np.arange(6.0).reshape(2, 3)), (1, 2)),
        (np.arange(24.0).reshape(4, 6)[::2, ::-3], (12, -3)),
        (np.broadcast_to(np.arange(3.0), (2, 3)), (0, 1)),
        (np.arange(6.0).reshape(2, 3)[:, ::3], (3, 1)),  # one column: its stride does not matter
        (np.arange(6.0)[::2][None], (3, 2)),
        (np.zeros((4, 0))[::-1], (0, 1)),
        (np.zeros((0, 3)).T, (0, 1)),
    ],
)
def test_any_memory_order(transpose, x, strides):
    y, seen = transpose(x)
    np.testing.assert_array_equal(y, x.T)
    expected = [
        x.shape[1] if axis == 0 and (n == 1 or x.size == 0) else 1 if n == 1 or x.size == 0 else s
        for axis, (n, s) in enumerate(zip(x.shape, strides, strict=True))
    ]
    assert seen.tolist() == expected
    assert not transpose.converted


def test_broadcast_axis_must_have_length_one():
    f = function(AFFINE, inputs=[("float64", 1, (True,), "")], outputs=[VECTOR_OUT])
    assert f(np.array([3.0])).tolist() == [7.0]
    with pytest.raises(TypeError, match="does not fit"):
        f(np.arange(2.0))


SCALARS = (
    HEAD
    + """
int symc_prologue(sy_call *c) { c->work = 1; return SY_OK; }
int symc_body(sy_call *c) {
  *(double *)c->out[0].data = *(double *)c->in[0].data * 2;
  *(int64_t *)c->out[1].data = *(int64_t *)c->in[1].data + 1;
  return SY_OK;
}
"""
)


@pytest.fixture
def scalars():
    return function(
        SCALARS,
        "list",
        inputs=[SCALAR_IN, ("int64", 0, (), "")],
        outputs=[("fresh", "float64", 0, -1), ("fresh", "int64", 0, -1)],
    )


def test_scalars_become_zero_dimensional_arrays(scalars):
    a, b = scalars(1.25, 41)
    assert type(a) is np.ndarray
    assert a.shape == b.shape == ()
    assert a == 2.5
    assert b == 42
    a, b = scalars(np.float64(-0.0), -(2**63))
    assert np.signbit(a)
    assert b == 1 - 2**63
    assert not scalars.converted
    assert scalars(np.array(1.5), np.array(3))[0] == 3
    assert scalars(2, np.int64(3))[0] == 4
    assert scalars.converted == [0, 1]


def test_an_integer_that_does_not_fit_goes_to_the_converter(scalars):
    with pytest.raises(OverflowError):
        scalars(1.0, 2**63)


def test_strict_inputs_take_no_python_numbers_on_the_fast_path():
    f = function(
        SCALARS,
        "list",
        inputs=[("float64", 0, (), "s"), ("int64", 0, (), "s")],
        outputs=[("fresh", "float64", 0, -1), ("fresh", "int64", 0, -1)],
    )
    f(1.0, 2)
    assert f.converted == [0, 1]


def test_keywords_and_wrong_counts_are_arranged(scalars):
    assert scalars(y=2, x=1.0)[1] == 3
    assert scalars(1.0, y=2)[1] == 3
    for args, kwargs in [((1.0,), {}), ((1.0, 2, 3), {}), ((1.0, 2), {"z": 1}), ((), {"q": 1})]:
        with pytest.raises(TypeError, match="inputs are"):
            scalars(*args, **kwargs)
    with pytest.raises(TypeError, match="2 inputs, got 1"):
        scalars.invoke([1.0])


def test_results_as_dict():
    f = function(
        SCALARS,
        ("a", "b"),
        inputs=[SCALAR_IN, ("int64", 0, (), "")],
        outputs=[("fresh", "float64", 0, -1), ("fresh", "int64", 0, -1)],
    )
    found = f(1.0, 2)
    assert list(found) == ["a", "b"]
    assert found["b"] == 3


def test_no_outputs_give_an_empty_list():
    text = HEAD + (
        "int symc_prologue(sy_call *c) { return SY_OK; }int symc_body(sy_call *c) { return SY_OK; }"
    )
    assert function(text, "list")() == []
    with pytest.raises(SystemError, match="0 outputs"):
        function(text, "single")()


# -- guards and variants ----------------------------------------------------------------------

ONLY_LENGTH = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  if (c->in[0].n[0] != LENGTH) return SY_GUARD;
  c->out[0].n[0] = 1;
  return SY_OK;
}
int symc_body(sy_call *c) { *(double *)c->out[0].data = LENGTH; return SY_OK; }
"""
)


def _only_length(n):
    text = ONLY_LENGTH.replace("LENGTH", str(n))
    return program(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT], info=n)


def test_variants_are_made_on_demand_and_the_last_one_is_tried_first():
    f = PlainFunction(1, "single")
    made = []

    def another(args):
        made.append(len(args[0]))
        return _only_length(len(args[0]))

    f.another = another
    for n in [3, 2, 3, 3, 2]:
        assert f(np.zeros(n)).tolist() == [n]
        assert f.variants[0].info == n
    assert made == [3, 2]
    assert f([0.0, 0.0]).tolist() == [2]


def test_conversion_happens_once_when_a_guard_fails():
    f = PlainFunction(1, "single", [_only_length(2), _only_length(3), _only_length(4)])
    assert f([0, 0, 0, 0]).tolist() == [4]
    assert f.converted == [0]


def test_a_new_variant_that_refuses_is_an_error():
    f = PlainFunction(1, "single")
    f.another = lambda args: _only_length(7)
    with pytest.raises(RuntimeError, match="refuses"):
        f(np.zeros(2))


def test_python_callables_are_variants_too():
    f = PlainFunction(1, "single", [_only_length(3)])
    f.add_variant(lambda values: [values[0] * 10] if len(values[0]) == 1 else NotImplemented)
    assert f([2]).tolist() == [20.0]
    assert f(np.zeros(3)).tolist() == [3.0]
    assert f([2]).tolist() == [20.0]
    assert not isinstance(f.variants[1], PlainFunction)


def test_variants_are_checked():
    f = PlainFunction(2, "single")
    with pytest.raises(ValueError, match="1 inputs"):
        f.add_variant(_only_length(1))
    with pytest.raises(TypeError, match="callable"):
        f.add_variant(3)


# -- errors -----------------------------------------------------------------------------------

FAILS = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  int64_t v[2] = {c->in[0].n[0], 5};
  if (c->in[0].n[0] == 5) return c->api->fail(c, SY_E_CHECK, 3, v, 2);
  c->out[0].n[0] = c->in[0].n[0] == 6 ? -4 : c->in[0].n[0] == 7 ? INT64_MAX / 4 : 1;
  c->slot_bytes[0] = c->in[0].n[0] == 8 ? -1 : c->in[0].n[0] == 9 ? INT64_MAX / 2 : 8;
  return SY_OK;
}
int symc_body(sy_call *c) {
  int64_t v[3] = {9, 4, 1}, w[1] = {-1};
  if (c->in[0].n[0] == 1) {
    c->api->fail(c, SY_E_INDEX, 2, v, 3);
    c->api->fail(c, SY_E_VALUE, 7, w, 1);
  }
  if (c->in[0].n[0] == 2) return SY_ERROR;
  *(double *)c->out[0].data = 1;
  return SY_OK;
}
"""
)


@pytest.fixture
def fails():
    return function(FAILS, inputs=[VECTOR_IN], outputs=[VECTOR_OUT], slots=[(0, 0)], info="notes")


def test_error_records_reach_the_caller(fails):
    for n, expected in [
        (5, (1, 3, (5, 5, 0, 0, 0, 0, 0, 0))),
        (1, (2, 2, (9, 4, 1, 0, 0, 0, 0, 0))),  # the first of two
        (2, (5, -1, (0,) * 8)),
    ]:
        x = np.zeros(n)
        with pytest.raises(FailureError) as caught:
            fails(x)
        assert caught.value.record == expected
        assert caught.value.args[0] == "notes"
        assert caught.value.args[2][0] is x
        assert fails(np.zeros(3)).tolist() == [1.0]


@pytest.mark.parametrize(
    ("n", "error", "text"),
    [
        (6, ValueError, "negative length -4"),
        (7, MemoryError, "does not fit"),
        (8, MemoryError, "intermediate"),
        (9, MemoryError, "no memory|intermediate"),
    ],
)
def test_impossible_sizes(fails, n, error, text):
    with pytest.raises(error, match=text):
        fails(np.zeros(n))
    assert fails(np.zeros(3)).tolist() == [1.0]


def test_an_explanation_must_be_an_exception(fails, monkeypatch):
    monkeypatch.setattr(PlainFunction, "_explain", lambda *args: "text")
    with pytest.raises(TypeError, match="instead of an exception"):
        fails(np.zeros(5))


# -- results that overstay --------------------------------------------------------------------


def test_results_can_be_resized_and_outlive_the_function(affine):
    y = affine(np.arange(4.0))
    gc.collect()
    y.resize(1000, refcheck=False)
    assert y[:5].tolist() == [1, 3, 5, 7, 0]
    y.resize(2, refcheck=False)
    assert y.tolist() == [1, 3]


def test_dropped_results_are_used_again(affine):
    x = np.arange(300_000.0)
    y = affine(x)
    where = y.ctypes.data
    del y
    assert affine(x).ctypes.data == where
    view = affine(x)[10:20]
    other = affine(x)
    other[...] = 0
    np.testing.assert_array_equal(view, 2 * x[10:20] + 1)


def test_live_memory_returns_to_where_it_was(affine):
    before = memory_info()["live"]
    results = [affine(np.arange(float(n))) for n in range(200)]
    assert memory_info()["live"] > before
    del results
    assert memory_info()["live"] == before


DYNAMIC = (
    HEAD
    + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {  /* the positive elements */
  const double *x = (const double *)c->in[0].data;
  int64_t n = c->in[0].n[0], s = c->in[0].s[0], count = 0;
  double *kept = (double *)c->api->alloc(c, n * 8);
  for (int64_t i = 0; i < n; i++)
    if (x[i * s] > 0) kept[count++] = x[i * s];
  c->out[0].n[0] = count;
  if (c->api->output(c, 0) != SY_OK) return SY_ERROR;
  for (int64_t i = 0; i < count; i++) ((double *)c->out[0].data)[i] = kept[i];
  c->out[1].n[0] = count;
  c->out[1].s[0] = -1;
  c->out[1].data = (char *)(kept + (count ? count - 1 : 0));
  return SY_OK;
}
"""
)


def test_lengths_that_only_the_body_knows():
    dynamic = ("dynamic", "float64", 1, -1)
    f = function(DYNAMIC, "list", inputs=[VECTOR_IN], outputs=[dynamic, dynamic])
    for x in [np.array([1.0, -2, 3, 0, 5]), np.zeros(3), np.zeros(0)]:
        kept, backwards = f(x)
        np.testing.assert_array_equal(kept, x[x > 0])
        np.testing.assert_array_equal(backwards, x[x > 0][::-1])
        assert kept.flags.owndata
        assert backwards.flags.owndata


IN_INPUT = (
    HEAD
    + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {
  double *x = (double *)c->in[0].data;
  const double *y = (const double *)c->in[1].data;
  for (int64_t i = 0; i < c->in[0].n[0]; i++)
    x[i * c->in[0].s[0]] += y[i * c->in[1].s[0]];
  c->out[0].data = c->in[0].data;
  c->out[0].n[0] = c->in[0].n[0];
  c->out[0].s[0] = c->in[0].s[0];
  return SY_OK;
}
"""
)


def test_an_output_may_take_over_an_input():
    f = function(
        IN_INPUT,
        inputs=[("float64", 1, (False,), "w"), VECTOR_IN],
        outputs=[("input", "float64", 1, 0)],
    )
    x = np.arange(4.0)
    assert f(x, np.ones(4)) is x
    assert x.tolist() == [1, 2, 3, 4]
    strided = np.zeros(8)[::2]
    result = f(strided, np.ones(4))
    assert np.shares_memory(result, strided)
    assert result.tolist() == [1, 1, 1, 1]


def test_an_input_that_overlaps_a_written_one_is_copied():
    f = function(
        IN_INPUT,
        inputs=[("float64", 1, (False,), "w"), VECTOR_IN],
        outputs=[("input", "float64", 1, 0)],
    )
    x = np.arange(6.0)
    result = f(x[:5], x[1:])
    np.testing.assert_array_equal(result, [1, 3, 5, 7, 9])
    x = np.arange(5.0)
    np.testing.assert_array_equal(f(x, x[::-1]), [4.0] * 5)


def test_a_written_input_must_be_writeable():
    f = function(
        IN_INPUT,
        inputs=[("float64", 1, (False,), "w"), VECTOR_IN],
        outputs=[("input", "float64", 1, 0)],
    )
    x = np.arange(3.0)
    x.flags.writeable = False
    assert f(x, np.ones(3)).tolist() == [1, 2, 3]
    assert x.tolist() == [0, 1, 2]
    assert f.converted == [0]


def test_a_dynamic_output_is_never_a_constant_or_an_input():
    text = HEAD + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {
  for (int k = 0; k < 2; k++) {
    c->out[k].n[0] = c->in[k].n[0];
    c->out[k].s[0] = c->in[k].s[0];
    c->out[k].data = c->in[k].data;
    c->out[k].object = c->in[k].object;
  }
  return SY_OK;
}
"""
    dynamic = ("dynamic", "float64", 1, -1)
    f = function(
        text, "list", inputs=[VECTOR_IN], outputs=[dynamic, dynamic], constants=[np.arange(3.0)]
    )
    x = np.arange(4.0)
    same, constant = f(x)
    assert same.tolist() == [0, 1, 2, 3]
    same[...] = constant[...] = -1
    assert x.tolist() == [0, 1, 2, 3]
    assert f(x)[1].tolist() == [0, 1, 2]


def test_constants_follow_the_inputs():
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = c->in[0].n[0]; return SY_OK; }
int symc_body(sy_call *c) {
  for (int64_t i = 0; i < c->in[0].n[0]; i++)
    ((double *)c->out[0].data)[i] = ((double *)c->in[0].data)[i * c->in[0].s[0]] +
                                    ((double *)c->in[1].data)[i * c->in[1].s[0]];
  return SY_OK;
}
"""
    )
    f = function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT], constants=[np.arange(3.0)])
    assert f(np.ones(3)).tolist() == [1, 2, 3]
    with pytest.raises(ValueError, match="contiguous"):
        function(text, inputs=[VECTOR_IN], outputs=[VECTOR_OUT], constants=[np.arange(6.0)[::2]])


# -- the arena --------------------------------------------------------------------------------

SLOTS = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  for (int k = 0; k < COUNT; k++)
    c->slot_bytes[k] = ((int64_t *)c->in[0].data)[k * c->in[0].s[0]];
  c->out[0].n[0] = COUNT;
  return SY_OK;
}
int symc_body(sy_call *c) {
  for (int k = 0; k < COUNT; k++) {
    ((int64_t *)c->out[0].data)[k] = c->slot_offset[k];
    for (int64_t i = 0; i < c->slot_bytes[k]; i++) c->arena[c->slot_offset[k] + i] = (char)k;
  }
  return ((uintptr_t)c->arena % SY_ALIGN) ? SY_ERROR : SY_OK;
}
"""
)


def test_slots_that_live_together_are_apart():
    rng = np.random.default_rng(0)
    for count in [1, 2, 5, 40]:
        first = rng.integers(0, 20, count)
        last = first + rng.integers(0, 6, count)
        slots = [(int(a), int(b)) for a, b in zip(first, last, strict=True)]
        f = function(
            SLOTS.replace("COUNT", str(count)),
            inputs=[("int64", 1, (False,), "")],
            outputs=[("fresh", "int64", 1, -1)],
            slots=slots,
        )
        for _ in range(12):
            sizes = rng.choice([0, 1, 8, 64, 65, 1000], count)
            for _ in range(2):
                offsets = f(sizes)
            assert (offsets % 64 == 0).all()
            for i in range(count):
                for j in range(i):
                    together = slots[i][0] <= slots[j][1] and slots[j][0] <= slots[i][1]
                    if together and sizes[i] and sizes[j]:
                        apart = (
                            offsets[i] + sizes[i] <= offsets[j]
                            or offsets[j] + sizes[j] <= offsets[i]
                        )
                        assert apart
        assert len(f.variants[0].layouts()) <= 8


def test_slots_share_memory_when_they_can():
    f = function(
        SLOTS.replace("COUNT", "3"),
        inputs=[("int64", 1, (False,), "")],
        outputs=[("fresh", "int64", 1, -1)],
        slots=[(0, 1), (1, 2), (2, 3)],
    )
    assert f(np.array([128, 64, 128])).tolist() == [0, 128, 0]
    assert f.variants[0].layouts()[0][0] == 192


# -- descriptions -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("description", "error", "text"),
    [
        ({"inputs": [("float64", 1, (), "")]}, ValueError, "broadcast"),
        ({"inputs": [("float64", 1, (False,), "q")]}, ValueError, "flag 'q'"),
        ({"inputs": [("U3", 1, (False,), "")]}, TypeError, "dtype"),
        ({"inputs": [("float64", -1, (), "")]}, ValueError, "axes"),
        ({"inputs": [("float64",)]}, TypeError, "input:"),
        ({"outputs": [("stale", "float64", 1, -1)]}, ValueError, "stale"),
        ({"outputs": [("input", "float64", 1, 4)]}, ValueError, "input 4 of 0"),
        ({"updates": [(0, "fresh")]}, ValueError, "container 0 of 0"),
        ({"shared": [(object(), "float64", 1, "")]}, TypeError, "container"),
        ({"steps": [(len, [], ())]}, TypeError, "step"),
        ({"slots": [3]}, TypeError, "slots must be tuples"),
        ({"sizes": -1}, ValueError, "program"),
        ({"inputs": 3}, TypeError, "inputs"),
    ],
)
def test_wrong_descriptions(description, error, text):
    with pytest.raises(error, match=text):
        program(AFFINE, **description)
