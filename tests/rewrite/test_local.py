"""Rules in Theano's words."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from symc.array.constructors import dscalar, dvector
from symc.errors import RewriteError
from symc.ops.math import add, cos, exp, log, mul, sin, tanh
from symc.rewrite.engine import optimize
from symc.rewrite.local import (
    LocalOptimizer,
    OpRemove,
    OpSub,
    PatternSub,
    local_optimizer,
    register_canonicalize,
    register_specialize,
    register_stabilize,
    register_useless,
)
from symc.rewrite.rule import all_rules, unregister
from symc.rewrite.selection import Selection


@pytest.fixture(autouse=True)
def only_for_this_test() -> Iterator[None]:
    before = {r.name for r in all_rules()}
    yield
    for entry in all_rules():
        if entry.name not in before:
            unregister(entry.name)


def after(*outputs: Any, preset: str = "merge", tag: str = "mine") -> Any:
    result = optimize(outputs, selection=Selection(preset).including(tag)).outputs
    return result[0] if len(outputs) == 1 else result


def root(x: Any) -> str:
    return str(x.owner.op.scalar_op.name)


def test_a_decorated_function() -> None:
    @register_canonicalize("mine")
    @local_optimizer([exp])
    def exp_to_sin(node: Any) -> Any:
        """exp(x) is sin(x), for once."""
        return [sin(*node.inputs)]

    assert isinstance(exp_to_sin, LocalOptimizer)
    assert all_rules()[-1].text == "exp(x) is sin(x), for once."
    x = dvector("x")
    assert root(after(exp(x))) == "sin"
    assert root(after(cos(x))) == "cos"


def test_false_a_dict_and_every_node() -> None:
    @local_optimizer(None)
    def picky(node: Any) -> Any:
        if node.op != exp:
            return False
        return {node.outputs[0]: sin(*node.inputs)}

    register_stabilize(picky, "mine", name="picky_rule")
    assert all_rules()[-1].name == "picky_rule"
    x = dvector("x")
    assert root(after(exp(tanh(x)))) == "sin"


def test_phases_and_tags() -> None:
    register_specialize(OpSub(exp, sin), "mine", name="to_sin")
    register_useless(OpRemove(tanh), name="no_tanh")
    assert {r.name: r.phases for r in all_rules()[-2:]} == {
        "to_sin": ("specialise",),
        "no_tanh": ("canonical",),
    }
    x = dvector("x")
    assert root(after(exp(x))) == "sin"
    assert after(tanh(x), preset="fast_compile") is x


def test_pattern_sub() -> None:
    register_canonicalize(
        PatternSub((add, (mul, "x", "y"), (mul, "x", "z")), (mul, "x", (add, "y", "z"))),
        "mine",
        name="factor_out",
    )
    x, y, z = dscalar("x"), dscalar("y"), dscalar("z")
    new = after(x * y + x * z)
    assert root(new) == "mul"
    assert root(after(x * y + z * y)) == "add"


def test_pattern_sub_numbers_and_constraints() -> None:
    named = {"pattern": "x", "constraint": lambda v: v.name == "x"}
    register_canonicalize(PatternSub((mul, named, 2), (exp, "x")), "mine", name="double")
    x, y = dscalar("x"), dscalar("y")
    assert root(after(x * 2)) == "exp"
    assert root(after(x * 3)) == "mul"
    assert root(after(y * 2)) == "mul"


def test_pattern_sub_to_an_operand() -> None:
    register_canonicalize(PatternSub((log, (exp, "x")), "x"), "mine", name="log_exp")
    x = dvector("x")
    assert after(log(exp(x))) is x


@pytest.mark.parametrize("pattern", ["x", 3, (3, "x")])
def test_patterns_that_look_for_nothing(pattern: Any) -> None:
    with pytest.raises(TypeError, match="PatternSub needs an expression"):
        PatternSub(pattern, "x")


def test_wrong_use() -> None:
    with pytest.raises(ValueError, match="needs the ops"):
        local_optimizer([])
    register_canonicalize(OpRemove(add), "mine", name="no_add")
    x = dvector("x")
    with pytest.raises(RewriteError, match="does not have one input"):
        after(x + x)
