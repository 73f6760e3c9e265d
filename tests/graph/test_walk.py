import random

import pytest

from symc.errors import CycleError
from symc.graph import walk
from symc.graph.node import Apply
from symc.graph.op import Op
from tests.graph.toys import add, chain, constant, div_mod, half, neg, number, shared


@pytest.fixture
def diamond():
    a, b, c = number("a"), number("b"), number("c")
    left = add(a, b)
    right = add(c, left)
    return a, b, c, left, right, add(left, right)


def recursive_order(outputs):
    """Reference for `toposort`: operands right to left, last node of the list last."""
    order = []

    def visit(node):
        if node is None or node in order:
            return
        for v in reversed(node.inputs):
            visit(v.owner)
        order.append(node)

    for v in outputs:
        visit(v.owner)
    return order


def random_graph(rng, size):
    pool = [number(f"x{i}") for i in range(3)]
    for _ in range(size):
        op = rng.choice([add, neg, half, div_mod])
        picked = [rng.choice(pool) for _ in range({add: 2, div_mod: 2}.get(op, 1))]
        made = op(*picked)
        pool += made if isinstance(made, list) else [made]
    return pool


class TestOrder:
    def test_inputs_are_left_first_depth_first(self, diamond):
        a, b, c, _, _, out = diamond
        assert walk.inputs([out]) == [a, b, c]

    def test_the_last_root_comes_first(self, diamond):
        # Lasagne calls inputs(reversed(expressions)) to get the parameters in order.
        a, b, c, left, _, _ = diamond
        assert walk.inputs([left, neg(c)]) == [c, a, b]
        assert walk.graph_inputs(reversed([neg(c), left])) == [c, a, b]

    def test_ancestors(self, diamond):
        a, b, c, left, right, out = diamond
        assert walk.ancestors([out]) == [out, left, a, b, right, c]

    def test_blockers_are_returned_but_not_passed(self, diamond):
        _, _, c, left, right, out = diamond
        assert walk.ancestors([out], blockers=[left]) == [out, left, right, c]

    def test_toposort_goes_from_right_to_left(self):
        x = number()
        g, h = neg(x), half(x)
        f = add(g, h)
        assert [n.op for n in walk.toposort([f])] == [half, neg, add]

    def test_toposort_against_recursion(self):
        rng = random.Random(7)
        for _ in range(50):
            pool = random_graph(rng, 20)
            outputs = rng.sample(pool, 3)
            assert walk.toposort(outputs) == recursive_order(outputs)

    def test_given_variables_cut_the_graph(self, diamond):
        _, _, _, left, right, out = diamond
        assert walk.toposort([out], [left]) == [right.owner, out.owner]
        assert walk.toposort([left], [left]) == []
        assert walk.io_toposort([left], [out]) == walk.toposort([out], [left])

    def test_second_output_given_but_first_needed(self):
        x, y = number(), number()
        quotient, remainder = div_mod(x, y)
        assert walk.toposort([quotient], [remainder]) == [quotient.owner]
        assert walk.toposort([remainder], [remainder]) == []

    def test_orderings(self):
        x = number()
        first, second = neg(x), half(x)
        order = walk.toposort([first, second], orderings={first.owner: [second.owner]})
        assert order == [second.owner, first.owner]
        order = walk.toposort([first, second], orderings={second.owner: [first.owner]})
        assert order == [first.owner, second.owner]

    def test_orderings_may_be_impossible(self):
        x = number()
        y = neg(x)
        z = half(y)
        with pytest.raises(CycleError):
            walk.toposort([z], orderings={y.owner: [z.owner]})

    @pytest.mark.parametrize("length", [1, 2, 5])
    def test_cycles_are_found(self, length):
        x = number()
        y = chain(x, length)
        first = walk.toposort([y])[0]
        first.inputs[0] = y
        with pytest.raises(CycleError, match="cycle through Scale"):
            walk.toposort([y])

    def test_general_toposort(self):
        deps = {"a": ["b", "c"], "b": ["c"], "c": None}
        assert walk.general_toposort(["a"], deps.get) == ["c", "b", "a"]
        with pytest.raises(ValueError, match="cycle"):
            walk.general_toposort(["a"], {"a": ["b"], "b": ["a"]}.get)

    def test_stack_search(self):
        children = {1: [2, 3], 2: [4], 3: [4], 4: None}
        assert walk.stack_search([1], children.get, "bfs") == [1, 2, 3, 4]
        assert walk.stack_search([1], children.get, "dfs") == [1, 3, 4, 2]
        with pytest.raises(ValueError, match="'bfs' or 'dfs'"):
            walk.stack_search([1], children.get, "depth")


class TestBetween:
    def test_variables_count_all_outputs(self):
        x, y = number(), number()
        quotient, remainder = div_mod(x, y)
        assert set(walk.variables_between([x, y], [quotient])) == {x, y, quotient, remainder}

    def test_orphans(self):
        x, s, c = number(), shared(1.0), constant(2)
        out = add(add(x, s), c)
        assert walk.orphans([x], [out]) == [s, c]
        between, left_over = walk.variables_and_orphans([x], [out])
        assert left_over == [s, c]
        assert between == walk.variables([x], [out])

    def test_applys(self, diamond):
        _, _, _, left, right, out = diamond
        assert walk.applys_between([left], [out]) == [out.owner, right.owner]
        assert walk.ops is walk.applys_between

    def test_list_of_nodes(self, diamond):
        a, b, c, left, right, out = diamond
        assert walk.list_of_nodes([a, b, c], [out]) == [out.owner, right.owner, left.owner]
        assert walk.list_of_nodes([left], [out]) == [out.owner, right.owner]

    def test_is_in_ancestors(self, diamond):
        _, _, c, left, right, out = diamond
        assert walk.is_in_ancestors(out.owner, left.owner)
        assert not walk.is_in_ancestors(left.owner, right.owner)
        assert walk.is_in_ancestors(left.owner, left.owner)
        assert not walk.is_in_ancestors(out.owner, neg(c).owner)


class ViewOf(Op):
    __props__ = ()
    view_map = {0: [1]}

    def make_node(self, x, y):
        return Apply(self, [x, y], [x.type()])


class OnlyFirst(Op):
    """Output 0 depends on input 0, output 1 on nothing."""

    __props__ = ()

    def make_node(self, x, y):
        return Apply(self, [x, y], [x.type(), x.type()])

    def connection_pattern(self, node):
        return [[True, False], [False, False]]


class BadPattern(OnlyFirst):
    def connection_pattern(self, node):
        return [[True], [False]]


def test_view_roots():
    x, y, z = number(), number(), neg(number())
    assert walk.view_roots(ViewOf()(x, ViewOf()(y, z))) == [z]
    assert walk.view_roots(x) == [x]


def test_connection_pattern():
    x, y = number(), number()
    first, second = OnlyFirst()(x, neg(y))
    pattern = walk.io_connection_pattern([x, y], [first, second, add(second, y), x])
    assert pattern == [[True, False, False, True], [False, False, True, False]]
    with pytest.raises(TypeError, match="connection_pattern has the wrong size"):
        walk.io_connection_pattern([x], BadPattern()(x, y))


def test_connection_pattern_with_an_inner_variable_as_input():
    x = number()
    y = neg(x)
    assert walk.io_connection_pattern([x, y], [half(y)]) == [[False], [True]]


def test_long_chain():
    x = number()
    y = chain(x)
    assert len(walk.toposort([y])) == 100_000
    assert walk.inputs([y]) == [x]
    assert walk.io_connection_pattern([x], [y]) == [[True]]
    assert walk.is_in_ancestors(y.owner, walk.toposort([y])[0])
    assert len(walk.variables_between([x], [y])) == 100_001
