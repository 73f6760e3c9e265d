import copy
import pickle
import timeit

import pytest

from symc.config import change_flags
from symc.graph.trace import Trace, creation_trace, format_trace, trace_lines, user_line
from tests.graph.toys import chain, neg, number


def make():
    return number("x")  # the line of make


def test_user_line_of_an_input():
    text = user_line(make())
    place, code = text.split(": ", 1)
    assert code == 'return number("x")  # the line of make'
    assert place.endswith(" in make")
    path, line = place.removesuffix(" in make").rsplit(":", 1)
    assert path.endswith("test_trace.py")
    assert int(line) == make.__code__.co_firstlineno + 1


def test_user_line_of_a_result_and_its_node():
    y = neg(make())
    assert user_line(y).endswith("test_user_line_of_a_result_and_its_node: y = neg(make())")
    assert user_line(y.owner) == user_line(y)


def test_a_call_over_several_lines():
    # fmt: off
    y = neg(
        number(
            "x",
        )
    )
    # fmt: on
    first = test_a_call_over_several_lines.__code__.co_firstlineno
    assert trace_lines(y)[-1].lineno == first + 2
    assert trace_lines(y.owner.inputs[0])[-1].lineno == first + 3


def test_no_trace():
    assert user_line(object()) == ""
    assert len(trace_lines(3)) == 0
    with change_flags(traceback__limit=0):
        assert user_line(neg(number())) == ""


def test_frames_inside_symc_are_skipped():
    for entry in trace_lines(neg(make())):
        assert "/symc/graph/" not in entry.filename


def nested(depth):
    return make() if depth == 0 else nested(depth - 1)


def test_limit():
    with change_flags(traceback__limit=3):
        entries = trace_lines(nested(5))
    assert [e.function for e in entries] == ["nested", "nested", "make"]


def test_text():
    x = nested(1)
    lines = format_trace(x).splitlines()
    assert lines[-1].startswith("  ")
    assert [line.split(" in ")[1].split(":")[0] for line in lines[-3:]] == [
        "nested",
        "nested",
        "make",
    ]
    assert str(x.tag.trace).splitlines()[-1] == user_line(x)


def test_traces_are_values():
    first, second = nested(2).tag.trace, nested(2).tag.trace
    assert first is not second
    assert first == second  # two calls on one line
    assert first != nested(3).tag.trace
    assert copy.deepcopy(first) is first
    assert copy.copy(first) is first
    again = pickle.loads(pickle.dumps(first))
    assert isinstance(again, Trace)
    assert again == first
    assert hash(again) == hash(first)
    assert list(again) == list(first)
    assert first[-2:][0].function == "nested"


def test_a_loop_shares_one_trace():
    y = chain(number(), 10)
    assert y.tag.trace is y.owner.inputs[0].tag.trace


def test_source_that_is_not_there():
    scope = {"number": number}
    exec(compile("x = number('x')", "<nowhere>", "exec"), scope)
    assert trace_lines(scope["x"])[-1][:3] == ("<nowhere>", 1, "<module>")
    assert user_line(scope["x"]) == "<nowhere>:1 in <module>"


@pytest.mark.parametrize("limit", [1, 8])
def test_cost(limit):
    # Design: 2.5 microseconds; ten times that would be noticed by everyone who builds graphs.
    seconds = min(timeit.repeat(lambda: creation_trace(limit), number=2000, repeat=5)) / 2000
    assert seconds < 25e-6
