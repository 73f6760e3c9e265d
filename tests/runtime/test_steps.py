"""Python steps inside programs: arguments, results, what is kept, errors, re-entrancy."""

from __future__ import annotations

import gc
import traceback
import weakref

import numpy as np
import pytest

from symc.runtime import Container, memory_info
from tests.runtime.programs import HEAD, VECTOR_IN, VECTOR_OUT, FailureError, function

pytestmark = pytest.mark.usefixtures("needs_native")

VECTOR = ("float64", 1)
BUFFER = ("buffer", "float64", 1, (False,))
DYNAMIC = ("dynamic", "float64", 1, (False,))

#: t = 2 x in the arena; step 0 on t gives an output; then t is overwritten
ONE_STEP = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[0].n[0];
  c->slot_bytes[0] = c->in[0].n[0] * 8;
  c->work = WORK;
  return SY_OK;
}
int symc_body(sy_call *c) {
  int64_t n = c->in[0].n[0], length[1] = {n}, stride[1] = {1};
  double *t = (double *)(c->arena + c->slot_offset[0]);
  for (int64_t i = 0; i < n; i++) t[i] = 2 * ((double *)c->in[0].data)[i * c->in[0].s[0]];
  sy_value value = {(char *)t, length, stride, 0};
  sy_value *args[2] = {&value, &c->out[0]};
  int outcome = c->api->foreign(c, 0, args, 1, 1);
  for (int64_t i = 0; i < n; i++) t[i] = -1;
  return outcome;
}
"""
)


def one_step(call, how="buffer", work=1):
    return function(
        ONE_STEP.replace("WORK", str(work)),
        inputs=[VECTOR_IN],
        outputs=[("fresh" if how == "buffer" else how, "float64", 1, -1)],
        slots=[(0, 1)],
        steps=[(call, (VECTOR,), ((how, "float64", 1, (False,)),))],
        info="notes",
    )


@pytest.mark.parametrize("work", [1, 1e6], ids=["with GIL", "without GIL"])
@pytest.mark.parametrize("how", ["buffer", "dynamic"])
@pytest.mark.parametrize("n", [0, 1, 5])
def test_a_step_computes(work, how, n):
    f = one_step(lambda values: [np.sin(values[0])], how, work)
    x = np.arange(float(n))
    y = f(x)
    np.testing.assert_array_equal(y, np.sin(2 * x))
    assert y.flags.owndata


@pytest.mark.parametrize("how", ["buffer", "dynamic"])
@pytest.mark.parametrize(
    "give",
    [
        lambda t: t,
        lambda t: t[:],
        lambda t: t[::-1][::-1],
        lambda t: np.asfortranarray(np.c_[t, t])[:, 0],
        lambda t: np.repeat(t, 2)[::2],
        lambda t: t.astype(">f8"),
        lambda t: t.view(np.recarray),
    ],
    ids="argument view view-of-view column strided swapped subclass".split(),
)
def test_whatever_array_comes_back_is_copied_where_needed(how, give):
    f = one_step(lambda values: (give(values[0]),), how)
    y = f(np.arange(4.0))
    assert y.tolist() == [0, 2, 4, 6]
    assert type(y) is np.ndarray
    assert y.flags.owndata
    assert y.flags.carray


def test_a_fresh_dynamic_result_is_not_copied():
    given = []

    def call(values):
        y = values[0] + 1
        given.append(y.ctypes.data)
        return [y]

    y = one_step(call, "dynamic")(np.arange(1000.0))
    assert y.ctypes.data == given[0]


def test_a_dynamic_result_that_somebody_keeps_is_copied():
    kept = []

    def call(values):
        kept.append(values[0] + 1)
        return [kept[-1]]

    y = one_step(call, "dynamic")(np.arange(3.0))
    y[...] = 0
    assert kept[0].tolist() == [1, 3, 5]


def test_kept_arguments_keep_their_values():
    kept = []

    def call(values):
        (t,) = values
        kept.append((t, t[1:], memoryview(t)))
        return [t + 1]

    gc.collect()
    before = memory_info()["live"]
    f = one_step(call)
    for _ in range(3):
        assert f(np.arange(3.0)).tolist() == [1, 3, 5]
    gc.collect()
    others = [np.full(3, 9.0) for _ in range(10)] + [f(np.arange(3.0))]
    for t, part, raw in kept:
        assert t.tolist() == [0, 2, 4]
        assert len(part) == 2  # looks into old memory, which must still be there
        assert len(raw) == 3
    del others, t, part, raw
    kept.clear()
    assert memory_info()["live"] == before


def test_arguments_are_freed_with_the_call():
    refs = []
    f = one_step(lambda values: [refs.append(weakref.ref(values[0])) or values[0] * 1])
    f(np.arange(3.0))
    assert refs[0]() is None


@pytest.mark.parametrize("how", ["buffer", "dynamic"])
@pytest.mark.parametrize(
    ("result", "error", "text"),
    [
        ([np.zeros(3, "float32")], TypeError, "dtype float32 and 1 axes; expected dtype float64"),
        ([np.zeros((3, 1))], TypeError, "2 axes"),
        ([[0.0, 1.0, 2.0]], TypeError, "list"),
        ([1.0], TypeError, "float"),
        ([], ValueError, "returned 0 values; expected 1"),
        (None, TypeError, "must return a list"),
        ([np.zeros(3)] * 2, ValueError, "returned 2 values"),
    ],
)
def test_wrong_results(how, result, error, text):
    with pytest.raises(FailureError) as caught:
        one_step(lambda values: result, how)(np.zeros(3))
    assert caught.value.record[:2] == (3, 0)
    cause = caught.value.args[3]
    assert type(cause) is error
    assert text in str(cause)


def test_a_wrong_length_is_an_error():
    with pytest.raises(FailureError) as caught:
        one_step(lambda values: [np.zeros(4)])(np.zeros(3))
    assert "length 4 along axis 0; expected 3" in str(caught.value.args[3])
    f = function(
        ONE_STEP.replace("WORK", "1"),
        inputs=[VECTOR_IN],
        outputs=[("dynamic", "float64", 1, -1)],
        slots=[(0, 1)],
        steps=[(lambda v: [np.zeros(4)], (VECTOR,), (("dynamic", "float64", 1, (True,)),))],
    )
    with pytest.raises(FailureError) as caught:
        f(np.zeros(3))
    assert "length 4 along axis 0; expected 1" in str(caught.value.args[3])


@pytest.mark.parametrize("work", [1, 1e6])
def test_exceptions_of_steps_arrive_with_their_traceback(work):
    def call(values):
        raise ZeroDivisionError("by hand")

    f = one_step(call, work=work)
    for _ in range(3):
        with pytest.raises(FailureError) as caught:
            f(np.zeros(3))
        info, record, args, cause = caught.value.args
        assert info == "notes"
        assert record == (3, 0, (0,) * 8)
        assert args[0].tolist() == [0, 0, 0]
        assert isinstance(cause, ZeroDivisionError)
        assert traceback.extract_tb(cause.__traceback__)[-1].name == "call"


def test_a_step_may_call_the_function_it_belongs_to():
    def call(values):
        (t,) = values
        if len(t) > 1:
            inner = f(t[: len(t) // 2] / 2)
            assert len(inner) == len(t) // 2
        return [t + 1]

    f = one_step(call, work=1e6)
    np.testing.assert_array_equal(f(np.arange(64.0)), 2 * np.arange(64.0) + 1)


def test_a_step_that_compiles_and_updates_what_the_call_updates():
    w = Container(np.zeros(2))
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = 2; return SY_OK; }
int symc_body(sy_call *c) {
  sy_value *args[2] = {&c->in[0], &c->out[0]};
  return c->api->foreign(c, 0, args, 1, 1);
}
"""
    )

    def inner(values):
        return [values[0] + 10]

    def outer(values):
        update(inner)()
        assert w.value.tolist() == [10, 10]
        return [values[0] + 1]

    def update(call):
        return function(
            text,
            "list",
            shared=[(w, "float64", 1, "")],
            updates=[(0, "fresh")],
            steps=[(call, (VECTOR,), (BUFFER,))],
        )

    update(outer)()
    assert w.value.tolist() == [1, 1]  # the call that ends last has the last word


OBJECTS = (
    HEAD
    + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {
  sy_value made = {0, 0, 0, 0};
  sy_value *args[3] = {&c->in[0], &c->in[1], &made};
  if (c->api->foreign(c, 0, args, 2, 1) != SY_OK) return SY_ERROR;
  c->out[0].object = made.object;
  c->out[1].object = made.object;
  return SY_OK;
}
"""
)


def test_objects_are_operands():
    w = Container({"n": 1})
    seen = []

    def call(values):
        seen.append(values)
        return [{"n": values[0] + values[1]["n"]}]

    f = function(
        OBJECTS,
        inputs=[(None, 0, (), "")],
        shared=[(w, None, 0, "")],
        outputs=[("object", None, 0, -1)],
        updates=[(0, "object")],
        steps=[(call, ((None, 0), (None, 0)), (("object", None, 0, ()),))],
    )
    first = f(2)
    assert first == {"n": 3}
    assert w.value is first
    assert f(3) == {"n": 6}
    assert f.converted == [0, 0]
    ref = weakref.ref(f)
    del f, first
    assert ref() is None


def test_a_step_that_is_not_described_is_an_error():
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) { return c->api->foreign(c, 4, 0, 0, 0); }
"""
    )
    with pytest.raises(FailureError) as caught:
        function(text, "list")()
    assert isinstance(caught.value.args[3], SystemError)


def test_arguments_are_the_users_arrays_but_never_the_containers():
    x = np.arange(3.0)
    w = Container(np.arange(3.0))
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = 3; return SY_OK; }
int symc_body(sy_call *c) {
  sy_value *args[3] = {&c->in[0], &c->in[1], &c->out[0]};
  return c->api->foreign(c, 0, args, 2, 1);
}
"""
    )
    seen = []
    f = function(
        text,
        inputs=[VECTOR_IN],
        shared=[(w, "float64", 1, "")],
        outputs=[VECTOR_OUT],
        steps=[(lambda v: [(seen.extend(v), v[0])[1]], (VECTOR, VECTOR), (BUFFER,))],
    )
    f(x)
    assert seen[0] is x
    assert seen[1] is not w.value
    assert not np.shares_memory(seen[1], w.value)
    assert seen[1].tolist() == [0, 1, 2]


def test_a_step_may_work_in_place():
    y = one_step(lambda values: [np.add(values[0], 1, out=values[0])])(np.arange(3.0))
    assert y.tolist() == [1, 3, 5]
