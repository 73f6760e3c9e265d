"""The driver: interning, order of rules, budgets, errors, names and traces, cost."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import pytest

from symc.array.constructors import dmatrix, dscalar, dvector, fvector, lvector
from symc.array.convert import constant
from symc.config import change_flags, config
from symc.errors import RewriteError
from symc.graph.node import Apply, Constant
from symc.graph.op import Op
from symc.graph.trace import user_line
from symc.graph.type import Type
from symc.graph.walk import toposort
from symc.lower.facts import Facts
from symc.ops.elemwise import Elemwise
from symc.ops.math import add, cos, exp, log, mul, neg, sin, sqr, tanh
from symc.rewrite.engine import optimize
from symc.rewrite.rule import ANY, all_rules, rule, rules_version, unregister
from symc.rewrite.selection import Selection
from tests.rewrite.toyrules import ONLY_TOYS, rewritten, toy_pass, toy_rules

MERGE = Selection("merge")


def names_of(*outputs: Any) -> list[str]:
    """The scalar ops of the elementwise nodes in the order of computation."""
    ops = [node.op for node in toposort(outputs)]
    return [op.scalar_op.name for op in ops if isinstance(op, Elemwise)]


# ---- interning


def test_equal_subexpressions_become_one_node() -> None:
    x = dvector("x")
    a, b = exp(x) * 2.0, exp(x) * 2.0
    first, second = optimize([a, b], selection=MERGE).outputs
    assert first is second
    assert names_of(first) == ["exp", "mul"]


def test_equal_constants_become_one_but_zeros_of_two_signs_do_not() -> None:
    x = dvector("x")
    made = [x + constant(np.array([v])) for v in (1.0, 1.0, 0.0, -0.0)]
    a, b, c, d = optimize(made, selection=MERGE).outputs
    assert a is b
    assert c is not d


def test_commutative_operands_merge_in_either_order_and_others_do_not() -> None:
    x, y = dvector("x"), dvector("y")
    a, b, c, d = optimize([x * y, y * x, x - y, y - x], selection=MERGE).outputs
    assert a is b
    assert c is not d


def test_preset_none_changes_nothing() -> None:
    x = dvector("x")
    outs = [exp(x), exp(x), log(1.0 + x)]
    assert optimize(outs, selection=Selection("None")).outputs == outs


def test_the_first_name_is_kept_when_nodes_merge() -> None:
    x = dvector("x")
    a, b = exp(x), exp(x)
    b.name = "second"
    first, second = optimize([a, b], selection=MERGE).outputs
    assert first is second
    assert first.name == "second"


class Identity(Op):
    """A user's op whose equality is identity, and which can't be hashed."""

    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return self is other

    def make_node(self, x: Any) -> Apply:
        return Apply(self, [x], [x.type()])


def test_an_op_that_cannot_be_hashed_is_left_as_it_is() -> None:
    x = dvector("x")
    op = Identity()
    a, b = op(exp(x)), op(exp(x))
    first, second = optimize([a, b], selection=MERGE).outputs
    assert first is not second
    assert first.owner.inputs[0] is second.owner.inputs[0]


class Bag(Type):
    """A type whose constants can't be hashed."""

    def filter(self, value: Any, strict: bool = False, allow_downcast: Any = None) -> Any:
        return value

    def __eq__(self, other: object) -> bool:
        return type(other) is Bag

    def __hash__(self) -> int:
        return hash(Bag)


def test_a_constant_that_cannot_be_hashed_is_left_as_it_is() -> None:
    const = Constant(Bag(), {"a": [1]})

    class Size(Op):
        __props__ = ()

        def make_node(self, bag: Any) -> Apply:
            return Apply(self, [bag], [dscalar()])

    out = Size()(const)
    assert optimize([out], selection=MERGE).outputs[0].owner.inputs[0] is const


# ---- what stays untouched


def test_the_users_graph_is_not_changed() -> None:
    x = dvector("x")
    inner = exp(x)
    outer = sin(inner)
    nodes = {v: (v.owner, list(v.owner.inputs)) for v in (inner, outer)}

    def exp_to_cos(node: Any, ctx: Any) -> Any:
        return cos(node.inputs[0])

    with toy_rules((exp_to_cos, {"ops": [exp]})):
        new = rewritten(outer)
    assert names_of(new) == ["cos", "sin"]
    for v, (owner, inputs) in nodes.items():
        assert v.owner is owner
        assert owner.inputs == inputs


def test_names_tags_and_attributes_survive_rebuilding() -> None:
    x = dvector("x")
    out = sin(exp(x))
    out.name = "y"
    out.tag.note = "kept"
    out.special = 3

    def exp_to_cos(node: Any, ctx: Any) -> Any:
        return cos(node.inputs[0])

    with toy_rules((exp_to_cos, {"ops": [exp]})):
        new = rewritten(out)
    assert new is not out
    assert (new.name, new.tag.note, new.special) == ("y", "kept", 3)


def test_new_nodes_carry_the_users_line_of_what_they_replace() -> None:
    x = dvector("x")
    out = exp(x)

    def two_nodes(node: Any, ctx: Any) -> Any:
        return sin(cos(node.inputs[0]))

    with toy_rules((two_nodes, {"ops": [exp]})):
        new = rewritten(out)
    assert user_line(out)
    assert user_line(new) == user_line(out)
    assert user_line(new.owner.inputs[0].owner) == user_line(out)


# ---- how rules are tried


def test_nodes_made_by_a_rule_are_rewritten_too() -> None:
    x = dvector("x")

    def exp_to_sin(node: Any, ctx: Any) -> Any:
        return neg(sin(node.inputs[0]))

    def sin_to_cos(node: Any, ctx: Any) -> Any:
        return cos(node.inputs[0])

    with toy_rules((exp_to_sin, {"ops": [exp]}), (sin_to_cos, {"ops": [sin]})):
        assert names_of(rewritten(exp(x))) == ["cos", "neg"]


def test_a_new_diamond_is_no_cycle() -> None:
    x, y = dvector("x"), dvector("y")

    def diamond(node: Any, ctx: Any) -> Any:
        x, y = node.inputs
        shared = tanh(x)
        return (shared + y) * (sin(shared) + tanh(sin(shared)))

    with (
        toy_rules((diamond, {"ops": [mul], "name": "diamond"})),
        pytest.raises(RewriteError, match="diamond"),
    ):
        rewritten(exp(x) * y)  # it makes products of products without end

    def diamond_of_sub(node: Any, ctx: Any) -> Any:
        return diamond(node, ctx)

    with toy_rules((diamond_of_sub, {"ops": [(x - y).owner.op]})):
        new = rewritten(exp(x) - y)
    assert names_of(new).count("tanh") == 2


def test_rules_of_several_outputs_may_keep_one() -> None:
    class Pair(Op):
        __props__ = ()

        def make_node(self, x: Any) -> Apply:
            return Apply(self, [x], [x.type(), x.type()])

    x = dvector("x")
    a, b = Pair()(x)

    def first_is_sin(node: Any, ctx: Any) -> Any:
        return [sin(node.inputs[0]), None]

    with toy_rules((first_is_sin, {"ops": [Pair]})):
        first, second = rewritten(a, b)
    assert first.owner.op.scalar_op.name == "sin"
    assert isinstance(second.owner.op, Pair)


def test_rules_for_every_node_and_those_that_answer_false() -> None:
    x = dvector("x")
    seen = []

    def look(node: Any, ctx: Any) -> Any:
        seen.append(node.op)
        return False

    with toy_rules((look, {"ops": [ANY]})):
        out = sin(exp(x))
        assert rewritten(out) is out
    assert [op.scalar_op.name for op in seen] == ["exp", "sin"]


def test_phases_run_in_their_order_whatever_the_order_of_registration() -> None:
    x = dvector("x")

    def late(node: Any, ctx: Any) -> Any:
        return cos(node.inputs[0])

    def early(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    with toy_rules(
        (late, {"ops": [exp], "phase": "specialise"}), (early, {"ops": [exp], "phase": "fold"})
    ):
        found = optimize([exp(x)], None, ONLY_TOYS)
    assert [f.rule for f in found.firings] == ["early"]
    assert names_of(*found.outputs) == ["sin"]


def test_a_pass_sees_the_whole_graph_and_must_keep_the_types() -> None:
    x = dvector("x")

    def swap(outputs: Any, ctx: Any) -> Any:
        return [sin(v.owner.inputs[0]) for v in outputs]

    with toy_pass(swap):
        found = optimize([exp(x)], None, ONLY_TOYS)
    assert names_of(*found.outputs) == ["sin"]
    assert [f.rule for f in found.firings] == ["swap"]

    def wrong(outputs: Any, ctx: Any) -> Any:
        return [v.astype("float32") for v in outputs]

    with toy_pass(wrong), pytest.raises(RewriteError, match=r"'wrong'.*float64.*float32"):
        rewritten(exp(x))


def test_a_rule_registered_after_an_optimisation_works_in_the_next() -> None:
    x = dvector("x")
    before = rules_version()
    assert rewritten(exp(x)).owner.op.scalar_op.name == "exp"

    def to_sin(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    with toy_rules((to_sin, {"ops": [exp]})):
        assert rewritten(exp(x)).owner.op.scalar_op.name == "sin"
        assert rules_version() != before
    assert rules_version() == before


def test_readers_are_counted_when_the_sweep_begins() -> None:
    x = dvector("x")
    counts: list[int] = []

    def count(node: Any, ctx: Any) -> Any:
        counts.append(ctx.readers(node.inputs[0]))

    with toy_rules((count, {"ops": [sin]})):
        shared = exp(x)
        rewritten(sin(shared) + shared, shared)
    assert counts == [3]


def test_rules_are_tried_again_only_where_readers_have_changed() -> None:
    tried: list[Any] = []

    def drop_shared(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0].owner.inputs[0])

    def only_reader(node: Any, ctx: Any) -> Any:
        tried.append(node)
        return sqr(node.inputs[0]) if ctx.readers(node.inputs[0]) == 1 else None

    x, y = dvector("x"), dvector("y")
    shared = exp(x)
    outs = [tanh(shared), cos(shared), tanh(neg(y)) * neg(y)]
    with toy_rules((drop_shared, {"ops": [cos]}), (only_reader, {"ops": [tanh]})):
        new = rewritten(*outs)
    assert names_of(new[0]) == ["exp", "sqr"]
    assert names_of(new[1]) == ["sin"]
    assert names_of(new[2]) == ["neg", "tanh", "mul"]
    assert len(tried) == 3


def test_rules_are_asked_again_where_as_many_others_read() -> None:
    def swap(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    def read_by_sines(node: Any, ctx: Any) -> Any:
        readers = ctx.clients(node.outputs[0])
        sines = all(r is not None and r.op.scalar_op.name == "sin" for r in readers)
        return sqr(node.inputs[0]) if readers and sines else None

    with toy_rules((swap, {"ops": [cos]}), (read_by_sines, {"ops": [exp]})):
        new = rewritten(cos(exp(dvector("x"))))
    assert names_of(new) == ["sqr", "sin"]


def test_rules_are_asked_again_about_readers_of_what_others_read_too() -> None:
    def let_go(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0].owner.inputs[0])

    def below_is_read_once(node: Any, ctx: Any) -> Any:
        (y,) = node.inputs[0].owner.inputs
        return sqr(y) if ctx.readers(y) == 1 else None

    lowest = exp(dvector("x"))
    middle = neg(lowest)
    with toy_rules((let_go, {"ops": [cos]}), (below_is_read_once, {"ops": [tanh]})):
        new = rewritten(tanh(middle), log(middle), cos(lowest))
    assert names_of(new[0]) == ["exp", "sqr"]


def test_rules_of_two_phases_are_asked_again_in_the_second() -> None:
    def let_go(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0].owner.inputs[0])

    def only_reader(node: Any, ctx: Any) -> Any:
        return sqr(node.inputs[0]) if ctx.readers(node.inputs[0]) == 1 else None

    def nothing(node: Any, ctx: Any) -> Any:
        return None

    shared = exp(dvector("x"))
    with toy_rules(
        (only_reader, {"ops": [tanh], "phase": ("canonical", "specialise")}),
        (let_go, {"ops": [cos], "phase": "stable"}),
        (nothing, {"ops": [sin], "phase": "blas"}),
    ):
        new = rewritten(tanh(shared), cos(shared))
    assert names_of(new[0]) == ["exp", "sqr"]


def test_rules_that_could_not_prove_lengths_are_asked_again_about_readers() -> None:
    def let_go(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0].owner.inputs[0])

    def only_reader(node: Any, ctx: Any) -> Any:
        x, y = node.inputs
        if ctx.readers(x) == 1:
            return sqr(x) + y
        return x if ctx.same_length(x, 0, y, 0) else None

    x, y = dvector("x"), dvector("y")
    shared = exp(x)
    with toy_rules((only_reader, {"ops": [mul]}), (let_go, {"ops": [cos]})):
        new = rewritten(shared * y, cos(shared), facts=Facts([x, y]))
    assert names_of(new[0]) == ["exp", "sqr", "add"]


# ---- misbehaviour


def test_rules_that_undo_each_other_are_named() -> None:
    def sin_to_cos(node: Any, ctx: Any) -> Any:
        return cos(node.inputs[0])

    def cos_to_sin(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    with toy_rules((sin_to_cos, {"ops": [sin]}), (cos_to_sin, {"ops": [cos]})):
        with pytest.raises(RewriteError, match="(?s)undo each other.*sin_to_cos.*cos_to_sin"):
            rewritten(sin(dvector()))
        with change_flags(on_opt_error="warn"), pytest.warns(UserWarning, match="undo each other"):
            found = rewritten(sin(dvector()))
        assert names_of(found) in (["sin"], ["cos"])
        with change_flags(on_opt_error="ignore"):
            assert len(names_of(rewritten(tanh(sin(dvector()))))) == 2


def test_an_expression_that_contains_itself_is_an_error() -> None:
    def wrap(node: Any, ctx: Any) -> Any:
        return tanh(node.outputs[0])

    with toy_rules((wrap, {"ops": [sin]})), pytest.raises(RewriteError, match="(?s)itself.*wrap"):
        rewritten(sin(dvector()))


def test_growth_without_end_exceeds_the_budget() -> None:
    def grow(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0] + 1.0)

    with toy_rules((grow, {"ops": [sin]})):
        with pytest.raises(RewriteError, match="(?s)firings in one sweep.*grow.*excluding"):
            rewritten(sin(dvector()))
        with change_flags(on_opt_error="ignore"):
            assert names_of(rewritten(sin(dvector()))) == ["sin"]


@pytest.mark.parametrize(
    ("result", "text"),
    [
        (lambda x: [sin(x), cos(x)], "2 replacements for 1 outputs"),
        (lambda x: sin(x).astype("float32"), "float32"),
        (lambda x: dmatrix(), "float64, matrix"),
        (lambda x: 3, "not"),
        (lambda x: [3], "not a variable"),
    ],
)
def test_a_wrong_replacement_names_the_rule(result: Any, text: str) -> None:
    def wrong(node: Any, ctx: Any) -> Any:
        return result(node.inputs[0])

    with toy_rules((wrong, {"ops": [exp]})):
        with pytest.raises(RewriteError, match=f"(?s)'wrong'.*{text}"):
            rewritten(exp(dvector("x")))
        with change_flags(on_opt_error="warn"), pytest.warns(UserWarning, match="'wrong'"):
            assert names_of(rewritten(exp(dvector("x")))) == ["exp"]


def test_a_more_precise_pattern_is_converted_back() -> None:
    x = dvector("x")

    def to_constant(node: Any, ctx: Any) -> Any:
        return constant(np.ones(1))

    with toy_rules((to_constant, {"ops": [exp]})):
        new = rewritten(exp(x))
    assert new.type == exp(x).type


def test_a_rule_that_raises_is_named_with_its_line() -> None:
    def broken(node: Any, ctx: Any) -> Any:
        raise KeyError("nothing here")

    with toy_rules((broken, {"ops": [exp]})):
        with pytest.raises(RewriteError, match=r"(?s)'broken'.*nothing here.*test_engine\.py:\d+"):
            rewritten(exp(dvector()))
        with change_flags(on_opt_error="ignore"):
            assert names_of(rewritten(exp(dvector()))) == ["exp"]


def test_registration_errors() -> None:
    (first, *_) = all_rules()
    with pytest.raises(RewriteError, match=f"'{first.name}' is taken by"):
        rule("fold", ops=[exp], name=first.name)(lambda node, ctx: None)
    with pytest.raises(RewriteError, match="unknown phase 'nowhere'"):
        rule("nowhere", ops=[exp], name="somewhere")(lambda node, ctx: None)
    with pytest.raises(KeyError):
        unregister("somewhere")


# ---- test values and flags


def test_no_test_values_are_computed_while_rewriting() -> None:
    x = dvector("x")

    def to_sin(node: Any, ctx: Any) -> Any:
        assert config.compute_test_value == "off"
        return sin(node.inputs[0])

    with toy_rules((to_sin, {"ops": [exp]})):
        out = exp(x)
        with change_flags(compute_test_value="raise"):
            assert names_of(rewritten(out)) == ["sin"]


# ---- reports


def test_the_summary_lists_rules_counts_and_lines() -> None:
    x = dvector("x")

    def to_sin(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    with toy_rules((to_sin, {"ops": [exp]})):
        found = optimize([exp(x), exp(x + 1.0)], None, ONLY_TOYS)
    assert found.fired("to_sin") == 2
    first, second = found.summary()
    assert first == "canonical: to_sin x2"
    assert "test_engine.py" in second
    assert second.endswith("x2")
    assert any("to_sin: tried 2, fired 2" in line for line in found.profile())


def test_verbose_prints_each_firing(capsys: Any) -> None:
    def to_sin(node: Any, ctx: Any) -> Any:
        return sin(node.inputs[0])

    with toy_rules((to_sin, {"ops": [exp]})), change_flags(optimizer_verbose=True):
        rewritten(exp(dvector()))
    assert "to_sin on Elemwise{exp}" in capsys.readouterr().err


# ---- facts


def test_lengths_are_proved_by_types_constants_and_facts() -> None:
    x, y = dvector("x"), dvector("y")
    answers = []

    def ask(node: Any, ctx: Any) -> Any:
        a, b = node.inputs
        answers.append(ctx.same_shape(a, b))

    with toy_rules((ask, {"ops": [add]})):
        rewritten(x + y)
        rewritten(x + exp(x), facts=Facts([x]))
        rewritten(x + x)
        rewritten(constant(np.ones(3)) + constant(np.zeros(3)))
    assert answers == [False, True, True, True]


# ---- size


def test_long_chains_are_walked_without_recursion_in_linear_time() -> None:
    def to_sqr(node: Any, ctx: Any) -> Any:
        return sqr(node.inputs[0])

    def seconds(length: int) -> float:
        x = fvector("x")
        out = x
        for _ in range(length):
            out = tanh(out)
        start = time.process_time()
        (new,) = optimize([out], None, ONLY_TOYS).outputs
        spent = time.process_time() - start
        assert len(toposort([new])) == length
        assert all(node.op.scalar_op.name == "sqr" for node in toposort([new]))
        return spent

    with toy_rules((to_sqr, {"ops": [tanh]})):
        assert seconds(20_000) < 5 * seconds(5_000) + 0.5


def test_a_rule_that_makes_a_long_chain_does_not_recurse() -> None:
    def unroll(node: Any, ctx: Any) -> Any:
        out = node.inputs[0]
        for _ in range(20_000):
            out = tanh(out)
        return out

    with toy_rules((unroll, {"ops": [exp]})):
        assert len(toposort([rewritten(exp(dvector()))])) == 20_000


def test_discrete_and_float_nodes_are_filed_by_their_scalar_op() -> None:
    seen = []

    def look(node: Any, ctx: Any) -> Any:
        seen.append(node.inputs[0].type.dtype)

    with toy_rules((look, {"ops": [neg]})):
        rewritten(neg(lvector()), neg(dvector()), exp(dvector()))
    assert seen == ["int64", "float64"] or seen == ["float64", "int64"]
