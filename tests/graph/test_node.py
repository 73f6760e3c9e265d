import copy

import pytest

from symc.config import change_flags
from symc.errors import GraphError
from symc.graph import node as node_module
from symc.graph.node import Apply, Constant, SharedVariable, Variable, scratchpad
from symc.graph.special import (
    DisconnectedType,
    Generic,
    NullType,
    disconnected_type,
    generic,
    null_type,
)
from symc.graph.type import Type
from tests.graph.toys import (
    Box,
    Cell,
    MyVariable,
    add,
    constant,
    div_mod,
    half,
    neg,
    number,
    shared,
)


class TestType:
    def test_call_makes_a_fresh_named_variable(self):
        x, y = number("x"), number("x")
        assert x is not y
        assert (x.name, x.type, x.owner, x.index) == ("x", number, None, None)

    def test_props_give_equality_and_hash(self):
        assert Box(2) == Box(2)
        assert hash(Box(2)) == hash(Box(2))
        assert Box(2) != Box(3)
        assert str(Box(2)) == "Box{length=2}"

    def test_filter_variable_makes_a_constant_of_a_value(self):
        c = number.filter_variable(3)
        assert isinstance(c, Constant)
        assert c.data == 3.0
        assert type(c.data) is float

    def test_filter_variable_keeps_a_fitting_variable(self):
        x = number()
        assert number.filter_variable(x) is x

    def test_filter_variable_converts(self):
        empty = Box(0)("e")
        assert Box(3).filter_variable(empty).type == Box(3)
        with pytest.raises(TypeError, match="cannot turn e into a variable of type Box"):
            Box(3).filter_variable(empty, allow_convert=False)

    def test_filter_variable_names_both_types_and_the_line(self):
        x = Box(2)("x")
        with pytest.raises(TypeError) as info:
            Box(3).filter_variable(x)
        text = str(info.value)
        assert "x of type Box{length=2}" in text
        assert "Box{length=3}" in text
        assert "test_node.py" in text

    def test_validity(self):
        assert number.is_valid_value(1.0)
        assert not number.is_valid_value(1)
        assert number.is_valid_value(1, strict=False)
        assert number.value_validity_msg(1.0) == "value is valid"
        assert "expected a float" in number.value_validity_msg("a")

    def test_class_hooks_choose_the_variable_class(self):
        class Special(Variable):
            pass

        class Mine(Type):
            Variable = Special

        assert type(Mine()("v")) is Special

    def test_types_are_values_for_copy(self):
        box = Box(2)
        assert copy.deepcopy(box) is box
        assert copy.copy(box) is box

    def test_base_type_says_what_is_missing(self):
        with pytest.raises(NotImplementedError, match="Type does not define filter"):
            Type().filter(1)


class TestSpecialTypes:
    def test_generic(self):
        assert generic == Generic()
        assert generic.filter("anything") == "anything"
        assert hash(generic) == hash(Generic())

    def test_null_types_are_equal_whatever_they_explain(self):
        assert NullType("because") == null_type
        assert str(NullType("because")) == "NullType(because)"
        with pytest.raises(ValueError, match="because"):
            NullType("because").filter(1)

    def test_disconnected(self):
        assert disconnected_type == DisconnectedType()
        assert disconnected_type != null_type
        with pytest.raises(TypeError, match="does not depend"):
            disconnected_type.filter(0)


class TestVariable:
    def test_equality_is_identity_and_truth_is_true(self):
        x, y = number("x"), number("x")
        assert x != y
        assert x == x
        assert bool(x)
        assert len({x, y}) == 2

    def test_names(self):
        x, y = number("x"), number()
        assert str(x) == repr(x) == "x"
        assert str(y) == "<Number>"
        assert str(add(x, y)) == "Add.0"
        assert str(div_mod(x, y)[1]) == "DivMod.1"
        assert str(constant(2)) == "Constant{2.0}"

    def test_long_constants_are_abbreviated(self):
        c = Constant(generic, "a" * 50)
        assert str(c) == "Constant{aaaaaaaaaa...aaaaaaaaaa}"

    def test_auto_names_differ(self):
        x, y = number(), number()
        assert x.auto_name.startswith("auto_")
        assert x.auto_name != y.auto_name

    def test_wrong_name(self):
        with pytest.raises(TypeError, match="name of a variable must be a string"):
            Variable(number, name=3)

    def test_clone_keeps_class_name_attributes_and_a_copy_of_tag(self):
        x = MyVariable("n")
        x.tag.role = "weight"
        x.shape_hint = (1, 2)
        new = x.clone()
        assert type(new) is MyVariable
        assert (new.name, new.note, new.shape_hint, new.tag.role) == ("mine", "n", (1, 2), "weight")
        new.tag.role = "bias"
        assert x.tag.role == "weight"
        assert new.auto_name != x.auto_name

    def test_clone_of_a_result_has_no_owner(self):
        y = neg(number())
        new = y.clone()
        assert new.owner is None
        assert new.index is None
        assert y.owner is not None
        assert new.tag.trace is y.tag.trace

    def test_copy_keeps_the_owner(self):
        y = neg(number())
        assert copy.copy(y).owner is y.owner

    def test_parents(self):
        x = number()
        y = neg(x)
        assert x.get_parents() == []
        assert y.get_parents() == [y.owner]
        assert y.owner.get_parents() == [x]


class TestEval:
    @pytest.fixture
    def compiled(self):
        """A compiler that counts, and computes chains of `Scale`."""
        calls = []

        def compile_function(inputs, output):
            calls.append((inputs, output))
            return lambda *values: output.owner.op.factor * values[0]

        old = node_module._compile_for_eval
        node_module.set_eval_hook(compile_function)
        yield calls
        node_module.set_eval_hook(old)

    def test_eval_compiles_once(self, compiled):
        x = number()
        y = half(x)
        assert y.eval({x: 4.0}) == 2.0
        assert y.eval({x: 6.0}) == 3.0
        assert compiled == [((x,), y)]

    def test_clone_does_not_take_the_compiled_function_along(self, compiled):
        x = number()
        y = half(x)
        y.eval({x: 4.0})
        assert not hasattr(y.clone(), "_fn_cache")
        assert not hasattr(copy.deepcopy(y), "_fn_cache")

    def test_eval_wants_a_dict(self):
        with pytest.raises(TypeError, match="eval takes a dict from variables to values, got list"):
            half(number()).eval([1.0])


class TestConstant:
    def test_data_is_filtered(self):
        assert constant(2).data == 2.0
        assert constant(2).value == 2.0
        with pytest.raises(ValueError, match="could not convert"):
            constant("two")

    def test_equals_by_type_and_value(self):
        assert constant(2).equals(constant(2.0))
        assert not constant(2).equals(constant(3))
        assert not constant(2).equals(Constant(generic, 2.0))
        assert not constant(2).equals(2.0)
        assert constant(2).signature() == constant(2).merge_signature()

    @pytest.mark.parametrize(
        ("a", "b"), [(0.0, -0.0), (1, True), (1, 1.0), ("1", 1), ([1], [2]), ((1,), [1])]
    )
    def test_equal_means_exactly_equal(self, a, b):
        assert not Constant(generic, a).equals(Constant(generic, b))
        assert Constant(generic, a).equals(Constant(generic, a))

    def test_nan_equals_nan(self):
        nan = float("nan")
        assert constant(nan).equals(constant(float("nan")))
        assert hash(constant(nan).signature()) == hash(constant(nan).signature())

    def test_digest_follows_value_and_dtype(self):
        a = Constant(Box(2), [1, 2])
        assert a.digest() == Constant(Box(2), [1, 2]).digest()
        assert a.digest() != Constant(Box(2), [1, 3]).digest()
        assert a.digest() != Constant(Box(2), [1.0, 2.0]).digest()

    def test_clone_keeps_the_data(self):
        c = constant(2)
        assert c.clone().data == 2.0
        assert type(c.clone()) is Constant


class TestShared:
    def test_value_goes_to_the_container(self):
        s = shared(1.0, "s")
        s.set_value(2.0)
        assert s.container.value == 2.0
        assert s.get_value() == 2.0
        assert s.default_update is None

    def test_clone_stands_on_the_same_container(self):
        s = shared(1.0, "s")
        s.default_update = neg(s)
        new = s.clone()
        assert new is not s
        assert new.container is s.container
        assert new.name == "s"
        assert new.default_update is None

    def test_storage_comes_from_the_hook(self):
        old = node_module._make_container
        node_module.set_container_hook(lambda type, value, strict, down, name: Cell(value))
        try:
            assert SharedVariable("s", number, 5.0).get_value() == 5.0
        finally:
            node_module.set_container_hook(old)


class TestApply:
    def test_links(self):
        x, y = number(), number()
        out = number()
        node = Apply(add, [x, y], [out])
        assert out.owner is node
        assert out.index == 0
        assert (node.nin, node.nout, node.out) == (2, 1, out)
        assert isinstance(node.inputs, list)
        assert isinstance(node.outputs, list)

    def test_users_own_variable_may_be_an_output(self):
        mine = MyVariable("n")
        node = Apply(neg, [number()], [mine])
        assert node.outputs == [mine]
        assert mine.owner is node

    def test_owned_variable_is_refused(self):
        x = number("x")
        y = neg(x)
        with pytest.raises(GraphError) as info:
            Apply(half, [x], [y])
        text = str(info.value)
        assert "output 0 of Scale{factor=0.5} already belongs to another application" in text
        assert "output 0 of Scale{factor=-1.0}(x)" in text
        assert "test_node.py" in text
        assert y.owner.op == neg

    def test_same_output_twice_is_refused(self):
        out = number()
        with pytest.raises(GraphError, match="is the same variable as its output 0"):
            Apply(div_mod, [number(), number()], [out, out])

    @pytest.mark.parametrize("bad", [3, "x", None])
    def test_non_variables_are_refused(self, bad):
        with pytest.raises(TypeError, match=r"inputs\[1\] of Add"):
            Apply(add, [number(), bad], [number()])
        with pytest.raises(TypeError, match=r"outputs\[0\] of Add"):
            Apply(add, [number()], [bad])

    def test_inputs_must_be_a_sequence(self):
        with pytest.raises(TypeError, match="must be a list or tuple"):
            Apply(add, number(), [number()])

    def test_default_output(self):
        x = number()
        node = div_mod(x, x)[0].owner
        with pytest.raises(ValueError, match="2 outputs and no default_output"):
            node.default_output()

    def test_clone(self):
        x = number()
        y = neg(x)
        y.name = "y"
        y.owner.mark = "kept"
        new = y.owner.clone()
        assert new is not y.owner
        assert new.inputs == [x]
        assert new.inputs is not y.owner.inputs
        assert new.outputs[0].name == "y"
        assert new.outputs[0].owner is new
        assert new.mark == "kept"
        assert y.owner.outputs == [y]

    def test_clone_with_new_inputs_keeps_annotations(self):
        x, z = number(), number()
        y = neg(x)
        y.name, y.extra, y.tag.role = "y", 1, "hidden"
        new = y.owner.clone_with_new_inputs([z])
        assert new.inputs == [z]
        assert (new.out.name, new.out.extra, new.out.tag.role) == ("y", 1, "hidden")
        assert new.out.tag.trace is y.tag.trace

    def test_other_type_is_remade_when_not_strict(self):
        x = Box(2)("x")
        y = neg(x)
        y.name, y.tag.role, y.extra = "y", "hidden", 1
        y.tag.test_value = "stale"
        new = y.owner.clone_with_new_inputs([Box(3)()], strict=False)
        assert new.out.type == Box(3)
        assert (new.out.name, new.out.tag.role, new.out.extra) == ("y", "hidden", 1)
        assert not hasattr(new.out.tag, "test_value")
        assert new.out.owner is new

    def test_other_type_is_converted_or_refused_when_strict(self):
        y = neg(Box(2)("x"))
        converted = y.owner.clone_with_new_inputs([Box(0)("e")])
        assert converted.inputs[0].type == Box(2)
        with pytest.raises(TypeError, match="cannot turn"):
            y.owner.clone_with_new_inputs([Box(3)("z")])

    def test_wrong_number_of_new_inputs(self):
        with pytest.raises(ValueError, match="has 1 inputs here, got 2"):
            neg(number()).owner.clone_with_new_inputs([number(), number()])

    def test_str(self):
        assert str(add(number("a"), number("b")).owner) == "Add(a, b)"


def test_scratchpad():
    tag = scratchpad(a=1)
    tag.b = [2]
    other = copy.copy(tag)
    other.a = 5
    assert tag.a == 1
    assert other.b is tag.b
    assert str(tag) == "scratchpad{a=1, b=[2]}"
    with pytest.raises(AttributeError):
        _ = tag.missing


def test_traces_can_be_switched_off():
    with change_flags(traceback__limit=0):
        assert not hasattr(neg(number()).tag, "trace")
