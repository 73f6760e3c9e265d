import copy
import io
import itertools
import pickle
import threading

import numpy as np
import pytest

from symc.config import change_flags
from symc.graph.graph import equal_computations
from symc.graph.node import Apply, Variable
from symc.graph.trace import Trace
from symc.graph.walk import graph_inputs, toposort
from tests.graph.toys import (
    Box,
    MyVariable,
    add,
    chain,
    chain_length,
    constant,
    div_mod,
    half,
    neg,
    number,
    shared,
)


def by_c_pickler(obj):
    return pickle.loads(pickle.dumps(obj))


def by_python_pickler(obj):
    stream = io.BytesIO()
    pickle._Pickler(stream).dump(obj)
    return pickle._Unpickler(io.BytesIO(stream.getvalue())).load()


def by_old_protocol(obj):
    return pickle.loads(pickle.dumps(obj, protocol=0))


@pytest.fixture(params=[by_c_pickler, by_python_pickler, by_old_protocol, copy.deepcopy])
def duplicate(request):
    return request.param


class Stateful(Variable):
    """A variable with a state of its own making."""

    def __init__(self, secret):
        super().__init__(number)
        self.secret = secret
        self.restored = False

    def __getstate__(self):
        return {**super().__getstate__(), "secret": self.secret[::-1]}

    def __setstate__(self, state):
        super().__setstate__({**state, "secret": state["secret"][::-1], "restored": True})


class TupleState(Variable):
    """A variable whose state is not a dictionary."""

    def __getstate__(self):
        return (self.type, self.name)

    def __setstate__(self, state):
        Variable.__init__(self, state[0], name=state[1])


class Reducing(Variable):
    """A variable that insists on ``__reduce__``."""

    def __reduce__(self):
        return Reducing, (self.type, None, None, f"{self.name}!")


class TestDuplicates:
    def test_structure_and_identity(self, duplicate):
        x, s = number("x"), shared(1.0, "s")
        y = add(neg(x), s, constant(2))
        x2, y2, s2 = duplicate((x, y, s))
        assert x2 is not x
        assert graph_inputs([y2])[:2] == [x2, s2]
        assert equal_computations([y], [y2], [x, s], [x2, s2])
        assert y2.owner.outputs[0] is y2
        assert y2.owner.inputs[0].owner.inputs == [x2]

    @pytest.mark.parametrize("order", [(0, 1, 2, 3), (3, 2, 1, 0), (2, 0, 3, 1)])
    def test_identity_in_any_order(self, duplicate, order):
        x = number("x")
        pool = [x, neg(x)]
        pool += [half(pool[1]), add(pool[1], x)]
        new = duplicate([pool[i] for i in order])
        found = dict(zip(order, new, strict=True))
        assert found[1].owner.inputs[0] is found[0]
        assert found[2].owner.inputs[0] is found[1]
        assert found[3].owner.inputs == [found[1], found[0]]

    def test_applications(self, duplicate):
        x, y = number("x"), number("y")
        a, b = div_mod(x, y)
        node, b2 = duplicate((a.owner, b))
        assert type(node) is Apply
        assert node.outputs[1] is b2
        assert b2.owner is node
        assert node.op == div_mod

    def test_attributes_names_tags_and_traces(self, duplicate):
        x = number("x")
        y = neg(x)
        y.name, y.note, y.tag.role, y.owner.tag.mark = "y", [1, 2], "hidden", 7
        y.tag.test_value = np.arange(3.0)
        y2 = duplicate(y)
        assert (y2.name, y2.note, y2.tag.role, y2.owner.tag.mark) == ("y", [1, 2], "hidden", 7)
        assert np.array_equal(y2.tag.test_value, [0.0, 1.0, 2.0])
        assert y2.tag.test_value is not y.tag.test_value
        assert isinstance(y2.tag.trace, Trace)
        assert y2.tag.trace == y.tag.trace
        assert y2.auto_name == y.auto_name

    def test_subclasses(self, duplicate):
        mine = MyVariable("n")
        y = neg(mine)
        y2 = duplicate(y)
        mine2 = y2.owner.inputs[0]
        assert type(mine2) is MyVariable
        assert mine2.note == "n"

    def test_own_state(self, duplicate):
        v = duplicate(neg(Stateful("abc"))).owner.inputs[0]
        assert (v.secret, v.restored) == ("abc", True)

    def test_state_that_is_no_dictionary(self, duplicate):
        v = TupleState(number, name="t")
        y = duplicate(add(v, v))
        assert type(y.owner.inputs[0]) is TupleState
        assert y.owner.inputs[0].name == "t"
        assert y.owner.inputs[0] is y.owner.inputs[1]

    def test_own_reduce(self, duplicate):
        v = Reducing(number, name="r")
        a, b = duplicate([neg(v), v])
        assert b.name == "r!"
        assert a.owner.inputs[0] is b

    def test_containers_stay_shared(self, duplicate):
        s = shared(1.0)
        t = s.clone()
        t.default_update = neg(s)
        s2, t2 = duplicate([s, t])
        assert s2.container is t2.container is not s.container
        assert t2.default_update.owner.inputs[0] is s2

    def test_attributes_may_point_anywhere(self, duplicate):
        x, z = number("x"), number("z")
        y = neg(x)
        x.reader, y.friends, y.tag.other = y, {"z": [z]}, half(z)
        y2 = duplicate(y)
        x2 = y2.owner.inputs[0]
        assert x2.reader is y2
        assert y2.tag.other.owner.inputs[0] is y2.friends["z"][0]
        assert y2.friends["z"][0].name == "z"

    def test_types_and_constants(self, duplicate):
        c = Box(2).filter_variable([1, 2])
        c2 = duplicate(neg(c)).owner.inputs[0]
        assert c2.type == Box(2)
        assert c2.equals(c)
        assert not np.shares_memory(c2.data, c.data)


def test_original_is_untouched_by_changes_of_the_copy():
    x = number("x")
    y = neg(x)
    y2 = copy.deepcopy(y)
    y2.owner.inputs[0].name = "changed"
    y2.tag.role = "new"
    assert x.name == "x"
    assert not hasattr(y.tag, "role")


def test_deepcopy_of_a_structure_keeps_identity():
    x = number()
    model = {"out": neg(x), "params": [x], "again": {"x": x}}
    new = copy.deepcopy(model)
    assert new["out"].owner.inputs[0] is new["params"][0] is new["again"]["x"]


def test_one_pickler_dumping_twice_remembers():
    x = number("x")
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.dump(x)
    pickler.dump(neg(x))
    unpickler = pickle.Unpickler(io.BytesIO(stream.getvalue()))
    x2, y2 = unpickler.load(), unpickler.load()
    assert y2.owner.inputs[0] is x2


def test_attributes_are_those_of_the_moment_of_the_dump():
    x = number("before")
    stream = io.BytesIO()
    first = pickle.Pickler(stream)
    first.dump(x)
    x.name = "after"
    # `first` is still alive and remembers the old state; another dump must not.
    assert pickle.loads(pickle.dumps([x, neg(x)]))[0].name == "after"
    y = half(x)
    again = pickle.loads(pickle.dumps([y, x, y.owner]))
    assert again[0].owner is again[2]
    assert again[0].owner.inputs == [again[1]]
    assert again[1].name == "after"


class Nesting:
    """An attribute that pickles another graph, and the same graph, on its own."""

    def __init__(self, variables):
        self.variables = variables

    def __getstate__(self):
        return pickle.dumps(self.variables)

    def __setstate__(self, state):
        self.variables = pickle.loads(state)


def test_dump_within_a_dump():
    x = number("x")
    y = neg(x)
    z = half(y)
    y.nested = Nesting([x, y.owner.inputs[0], number("w")])
    y2, z2, x2 = pickle.loads(pickle.dumps([y, z, x]))
    assert z2.owner.inputs[0] is y2
    assert y2.owner.inputs[0] is x2
    inner = y2.nested.variables
    assert inner[0] is inner[1] is not x2
    assert [v.name for v in inner] == ["x", "x", "w"]


def test_dumps_in_parallel_threads():
    x = number("x")
    pool = [x]
    for _ in range(200):
        pool.append(add(pool[-1], pool[0]))
    failures = []

    def work():
        for _ in range(10):
            new = pickle.loads(pickle.dumps(pool))
            if any(b.owner.inputs != [a, new[0]] for a, b in itertools.pairwise(new)):
                failures.append(new)

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def test_pickler_without_memory():
    x = number("x")
    stream = io.BytesIO()
    pickler = pickle.Pickler(stream)
    pickler.fast = True
    for name in ("first", "second"):
        x.name = name
        pickler.dump(neg(x))
    unpickler = pickle.Unpickler(io.BytesIO(stream.getvalue()))
    names = [unpickler.load().owner.inputs[0].name for _ in range(2)]
    assert names == ["first", "second"]


def test_only_what_is_reachable_is_written():
    x = number("x")
    y = neg(x)
    unpicklable = half(y)
    unpicklable.lock = threading.Lock()
    assert pickle.loads(pickle.dumps(y)).owner.inputs[0].name == "x"
    with pytest.raises(TypeError, match="lock"):
        pickle.dumps(unpicklable)
    # The failed dump leaves nothing behind.
    assert pickle.loads(pickle.dumps([y, x]))[0].owner.inputs[0].name == "x"


def test_test_values_are_left_out_on_demand():
    x = number("x")
    x.tag.test_value, x.tag.role = 1.0, "kept"
    assert by_c_pickler(x).tag.test_value == 1.0
    with change_flags(pickle_test_value=False):
        x2 = by_c_pickler(x)
    assert not hasattr(x2.tag, "test_value")
    assert x2.tag.role == "kept"
    assert x.tag.test_value == 1.0


class TestLongChains:
    def test_last_variable(self, duplicate):
        length = 100_000 if duplicate in (by_c_pickler, copy.deepcopy) else 5_000
        y = duplicate(chain(number("x"), length))
        assert chain_length(y) == length
        assert graph_inputs([y])[0].name == "x"

    def test_every_variable_in_order(self):
        x = number()
        pool = [x]
        for _ in range(10_000):
            pool.append(neg(pool[-1]))
        for variables in (pool, pool[::-1]):
            new = by_c_pickler(variables)
            assert len(toposort(new[:1] + new[-1:])) == 10_000
            order = new if variables is pool else new[::-1]
            assert all(b.owner.inputs[0] is a for a, b in itertools.pairwise(order))

    def test_chain_through_attributes(self):
        x = number("x")
        first = x
        for _ in range(10_000):
            following = number()
            first.following = following
            first = following
        new, n = by_c_pickler(x), 0
        while hasattr(new, "following"):
            new, n = new.following, n + 1
        assert n == 10_000

    def test_freeing_a_chain_does_not_overflow(self):
        y = chain(number())
        del y
