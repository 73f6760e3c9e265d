"""Shared storage: updates in place and by replacement, all or nothing, locks and pins."""

from __future__ import annotations

import threading
import time

import numpy as np
import pytest

from symc.runtime import Container, PythonContainer, pinned, updating
from tests.runtime.programs import HEAD, SCALAR_IN, VECTOR_IN, VECTOR_OUT, FailureError, function

native_only = pytest.mark.usefixtures("needs_native")

#: in[0]: a 0-d step; in[1]: the container. Fails after the prologue where the step is negative.
ADD_IN_PLACE = (
    HEAD
    + """
int symc_prologue(sy_call *c) { c->work = WORK; return SY_OK; }
int symc_body(sy_call *c) {
  double step = *(double *)c->in[0].data;
  if (step < 0) return c->api->fail(c, SY_E_VALUE, 0, 0, 0);
  double *w = (double *)c->in[1].data;
  for (int64_t i = 0; i < c->in[1].n[0]; i++) w[i] += step;
  return SY_OK;
}
"""
)

ADD_FRESH = (
    HEAD
    + """
int symc_prologue(sy_call *c) {
  c->out[0].n[0] = c->in[1].n[0];
  c->work = WORK;
  return SY_OK;
}
int symc_body(sy_call *c) {
  double step = *(double *)c->in[0].data;
  const double *w = (const double *)c->in[1].data;
  double *new = (double *)c->out[0].data;
  for (int64_t i = 0; i < c->in[1].n[0]; i++) new[i] = w[i * c->in[1].s[0]] + step;
  if (step < 0) return c->api->fail(c, SY_E_VALUE, 0, 0, 0);
  return SY_OK;
}
"""
)

READ = (
    HEAD
    + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = c->in[0].n[0]; c->work = WORK; return SY_OK; }
int symc_body(sy_call *c) {
  for (int64_t i = 0; i < c->in[0].n[0]; i++)
    ((double *)c->out[0].data)[i] = ((double *)c->in[0].data)[i * c->in[0].s[0]];
  return SY_OK;
}
"""
)


def adder(container, how, work=1):
    text = ADD_IN_PLACE if how == "inplace" else ADD_FRESH
    return function(
        text.replace("WORK", str(work)),
        "list",
        inputs=[SCALAR_IN],
        shared=[(container, "float64", 1, "c" if how == "inplace" else "")],
        updates=[(0, how)],
    )


def reader(container, work=1):
    return function(
        READ.replace("WORK", str(work)),
        shared=[(container, "float64", 1, "")],
        outputs=[VECTOR_OUT],
    )


@native_only
@pytest.mark.parametrize("work", [1, 1e6])
def test_in_place_updates_keep_the_array(work):
    w = Container(np.arange(3.0))
    array = w.value
    f = adder(w, "inplace", work)
    assert f(1.0) == []
    f(0.5)
    assert w.value is array
    assert array.tolist() == [1.5, 2.5, 3.5]


@native_only
@pytest.mark.parametrize("work", [1, 1e6])
def test_fresh_updates_replace_the_array(work):
    w = Container(np.arange(3.0))
    old = w.value
    adder(w, "fresh", work)(1.0)
    assert old.tolist() == [0, 1, 2]
    assert w.value is not old
    assert w.value.tolist() == [1, 2, 3]
    assert w.value.flags.owndata


@native_only
@pytest.mark.parametrize("how", ["inplace", "fresh"])
def test_a_failing_call_changes_nothing(how):
    w = Container(np.arange(3.0))
    array = w.value
    f = adder(w, how)
    with pytest.raises(FailureError):
        f(-1.0)
    assert w.value is array
    assert array.tolist() == [0, 1, 2]
    f(1.0)
    assert w.value.tolist() == [1, 2, 3]


def _read_only(x):
    x.flags.writeable = False
    return x


@native_only
@pytest.mark.parametrize(
    "make",
    [
        lambda: np.arange(8.0)[::2],
        lambda: np.arange(4.0)[::-1],
        lambda: _read_only(np.arange(4.0)),
        lambda: np.arange(4.0).astype(">f8"),
        lambda: np.arange(33, dtype="uint8")[1:].view("float64"),
        lambda: np.arange(4.0).view(np.recarray),
        lambda: np.zeros(0)[::2],
    ],
    ids="strided reversed read-only swapped misaligned subclass empty".split(),
)
def test_arrays_that_do_not_fit_are_replaced_by_copies(make):
    value = make()
    expected = np.array(value, "float64") + 1
    w = Container(value)
    adder(w, "inplace")(1.0)
    np.testing.assert_array_equal(w.value, expected)
    assert w.value.flags.carray
    assert type(w.value) is np.ndarray


@native_only
@pytest.mark.parametrize("value", [np.zeros((2, 2)), np.zeros(2, "int64"), "text", None])
def test_a_container_of_another_type_is_an_error(value):
    w = Container(value)
    with pytest.raises(TypeError, match="a shared variable holds"):
        adder(w, "inplace")(1.0)
    w.value = np.zeros(2)
    adder(w, "inplace")(1.0)
    assert w.value.tolist() == [1, 1]


@native_only
def test_the_length_may_change_between_calls():
    w = Container(np.zeros(2))
    f, g = adder(w, "inplace"), reader(w)
    for n in [0, 1, 5, 3]:
        w.value = np.zeros(n)
        f(1.0)
        assert g().tolist() == [1.0] * n


@native_only
def test_arguments_that_overlap_the_container_are_copied():
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {
  const double *x = (const double *)c->in[0].data;
  double *w = (double *)c->in[1].data;
  for (int64_t i = 0; i < c->in[1].n[0]; i++) w[i] += x[i * c->in[0].s[0]];
  return SY_OK;
}
"""
    )
    w = Container(np.arange(4.0))
    f = function(
        text,
        "list",
        inputs=[VECTOR_IN],
        shared=[(w, "float64", 1, "c")],
        updates=[(0, "inplace")],
    )
    f(w.value[::-1])
    assert w.value.tolist() == [3, 3, 3, 3]
    f(w.value)
    assert w.value.tolist() == [6, 6, 6, 6]


@native_only
def test_two_containers_on_one_array():
    base = np.arange(4.0)
    v, w = Container(base), Container(base[::-1])
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { return SY_OK; }
int symc_body(sy_call *c) {
  double *v = (double *)c->in[0].data;
  const double *w = (const double *)c->in[1].data;
  for (int64_t i = 0; i < c->in[0].n[0]; i++) v[i] = w[i * c->in[1].s[0]];
  return SY_OK;
}
"""
    )
    shared = [(v, "float64", 1, "c"), (w, "float64", 1, "")]
    function(text, "list", shared=shared, updates=[(0, "inplace")])()
    assert v.value.tolist() == [3, 2, 1, 0]


@native_only
def test_two_updates_of_one_container_are_refused():
    w = Container(np.zeros(2))
    with pytest.raises(ValueError, match="updated twice"):
        function(
            ADD_FRESH.replace("WORK", "1"),
            shared=[(w, "float64", 1, ""), (w, "float64", 1, "")],
            updates=[(0, "fresh"), (1, "fresh")],
        )


@native_only
def test_a_pinned_array_is_not_written_to():
    w = Container(np.zeros(3))
    f = adder(w, "inplace")
    with pinned(w) as before:
        f(1.0)
        assert before.tolist() == [0, 0, 0]
        assert w.value.tolist() == [1, 1, 1]
    array = w.value
    f(1.0)
    assert w.value is array


@native_only
@pytest.mark.parametrize("how", ["inplace", "fresh"])
def test_updates_from_many_threads_are_all_done(how):
    w = Container(np.zeros(1000))
    f = adder(w, how, work=1e6)  # the GIL is released
    threads = [threading.Thread(target=lambda: [f(1.0) for _ in range(50)]) for _ in range(8)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    assert (w.value == 400).all()


@native_only
def test_readers_never_see_half_an_update():
    w = Container(np.zeros(20_000))
    f, g = adder(w, "inplace", work=1e6), reader(w, work=1e6)
    torn, stop = [], threading.Event()

    def read():
        while not stop.is_set():
            seen = g()
            if seen[0] != seen[-1] or (seen != seen[0]).any():
                torn.append(seen)

    threads = [threading.Thread(target=read) for _ in range(3)]
    for t in threads:
        t.start()
    for _ in range(100):
        f(1.0)
    stop.set()
    for t in threads:
        t.join()
    assert not torn
    assert (w.value == 100).all()


@native_only
def test_setting_a_value_during_an_update_waits_for_it():
    w = Container(np.zeros(3))
    entered, order = threading.Event(), []

    def step(values):
        entered.set()
        time.sleep(0.05)
        order.append("step")
        return [np.zeros(3)]

    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->work = 1e6; c->out[0].n[0] = 3; return SY_OK; }
int symc_body(sy_call *c) {
  sy_value *args[1] = {&c->out[0]};
  return c->api->foreign(c, 0, args, 0, 1);
}
"""
    )
    f = function(
        text,
        "list",
        shared=[(w, "float64", 1, "")],
        updates=[(0, "fresh")],
        steps=[(step, (), (("buffer", "float64", 1, (False,)),))],
    )
    t = threading.Thread(target=f)
    t.start()
    entered.wait()
    w.value = np.ones(3)
    order.append("set")
    t.join()
    assert order == ["step", "set"]
    assert w.value.tolist() == [1, 1, 1]


@native_only
def test_a_deadlock_through_python_steps_is_an_error():
    v, w = Container(np.zeros(1)), Container(np.zeros(1))
    barrier = threading.Barrier(2)
    text = (
        HEAD
        + """
int symc_prologue(sy_call *c) { c->out[0].n[0] = 1; return SY_OK; }
int symc_body(sy_call *c) {
  sy_value *args[1] = {&c->out[0]};
  return c->api->foreign(c, 0, args, 0, 1);
}
"""
    )
    outcomes = []

    def run(mine, other):
        def step(values):
            barrier.wait()
            adder(other, "fresh")(1.0)
            return [np.full(1, 5.0)]

        f = function(
            text,
            "list",
            shared=[(mine, "float64", 1, "")],
            updates=[(0, "fresh")],
            steps=[(step, (), (("buffer", "float64", 1, (False,)),))],
        )
        try:
            f()
            outcomes.append(None)
        except FailureError as problem:
            outcomes.append(problem.args[3])

    threads = [threading.Thread(target=run, args=pair) for pair in [(v, w), (w, v)]]
    for t in threads:
        t.start()
    for t in threads:
        t.join(20)
    assert [type(o) for o in sorted(outcomes, key=str)] in (
        [type(None), RuntimeError],
        [RuntimeError, type(None)],
    )


@pytest.mark.parametrize("make", [Container, PythonContainer])
def test_the_interface_of_both_containers(make):
    w = make()
    assert w.value is None
    w = make(value=3)
    w.value = [4]
    assert w.value == [4]
    with updating([w, w]):
        w.value = 5
        w.lock()
        w.unlock()
        with pinned(w) as value:
            assert value == 5
    waited = []
    w.lock()
    t = threading.Thread(target=lambda: (setattr(w, "value", 6), waited.append(w.value)))
    t.start()
    time.sleep(0.02)
    assert w.value == 5
    w.unlock()
    t.join()
    assert waited == [6]
    with pytest.raises(RuntimeError):
        w.unlock()
    with pytest.raises(AttributeError):
        del w.value
