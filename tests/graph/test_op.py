import copy
import pickle
from dataclasses import dataclass

import numpy as np
import pytest

from symc.config import change_flags
from symc.errors import MethodNotDefined, TestValueError
from symc.graph.node import Apply
from symc.graph.op import BuiltinOp, Op, named_op, run_perform
from symc.graph.special import generic
from symc.graph.testvalue import (
    debug_assert,
    get_debug_values,
    get_test_value,
    missing_test_message,
)
from tests.graph.toys import (
    Box,
    Scale,
    Twice,
    add,
    constant,
    div_mod,
    neg,
    number,
    shared,
    twice,
)


@dataclass(frozen=True)
class Shift(BuiltinOp):
    by: int
    wrap: bool = False

    def make_node(self, x):
        return Apply(self, [x], [x.type()])


class Typed(Op):
    """An op by `itypes` and `otypes`."""

    itypes = (number, Box(2))
    otypes = (Box(2),)

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = inputs[0] * inputs[1]


class Storing(Op):
    """Stores what it is told to, whatever it may be."""

    __props__ = ("store",)

    def __init__(self, store, view_map=None, destroy_map=None):
        self.store = store
        if view_map:
            self.view_map = view_map
        if destroy_map:
            self.destroy_map = destroy_map

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = self.store(inputs[0])


ADD_ONE = named_op("ADD_ONE", Storing(lambda x: x + 1.0))


class TestProps:
    def test_equality_hash_and_text(self):
        assert Scale(2.0) == Scale(2.0)
        assert Scale(2.0) != Scale(3.0)
        assert hash(Scale(2.0)) == hash(Scale(2.0))
        assert str(Scale(2.0)) == repr(Scale(2.0)) == "Scale{factor=2.0}"

    def test_subclasses_are_different(self):
        class Other(Scale):
            pass

        assert Other(2.0) != Scale(2.0)
        assert Other(2.0) == Other(2.0)

    def test_dataclasses(self):
        assert Shift(1) == Shift(1)
        assert Shift(1) != Shift(2)
        assert hash(Shift(1)) == hash(Shift(1))
        assert str(Shift(1)) == "Shift{by=1, wrap=False}"

    def test_without_props_identity_counts(self):
        class Bare(Op):
            pass

        assert Bare() != Bare()
        assert str(Bare()) == "Bare"

    def test_own_equality_is_kept(self):
        class Loose(Op):
            __props__ = ("a",)

            def __eq__(self, other):
                return type(other) is Loose

            def __hash__(self):
                return 1

        a, b = Loose(), Loose()
        a.a, b.a = 1, 2
        assert a == b

    def test_a_string_as_props_is_a_mistake(self):
        with pytest.raises(TypeError, match="comma may be missing"):
            type("Wrong", (Op,), {"__props__": ("factor")})


class TestMakeNode:
    def test_types_give_make_node(self):
        out = Typed()(3, [1, 2])
        assert out.type == Box(2)
        assert out.owner.inputs[0].data == 3.0

    def test_wrong_type_names_operand_and_types(self):
        with pytest.raises(TypeError) as info:
            Typed()(1.0, Box(3)("b"))
        text = str(info.value)
        assert "input 1 of Typed has the wrong type" in text
        assert "b of type Box{length=3}" in text
        assert "expected: Box{length=2}" in text
        assert "test_op.py" in text

    def test_wrong_number(self):
        with pytest.raises(ValueError, match="Typed takes 2 inputs, got 1"):
            Typed()(1.0)

    def test_nothing_defined(self):
        class Bare(Op):
            pass

        with pytest.raises(NotImplementedError, match="Bare must define make_node, or itypes"):
            Bare()(number())


class TestCall:
    def test_outputs(self):
        x = number()
        assert isinstance(div_mod(x, x), list)
        assert neg(x, return_list=True)[0].owner.op == neg
        assert not isinstance(neg(x), list)

    def test_default_output(self):
        class Remainder(type(div_mod)):
            default_output = 1

        x = number()
        out = Remainder()(x, x)
        assert out.index == 1
        assert out is out.owner.default_output()
        assert str(out) == "Remainder.out"
        assert len(Remainder()(x, x, return_list=True)) == 1

    def test_default_output_out_of_range(self):
        class Wrong(Scale):
            default_output = 1

        node = Wrong(1.0).make_node(number())
        with pytest.raises(ValueError, match="default_output is 1, but it has 1 outputs"):
            node.default_output()


class TestGradientDefaults:
    def test_each_calls_the_other(self):
        class ByGrad(Scale):
            def grad(self, inputs, g_outputs):
                return [Scale(self.factor)(g_outputs[0])]

        class ByLop(Scale):
            def L_op(self, inputs, outputs, g_outputs):
                assert outputs[0].owner.op == self
                return [add(outputs[0], g_outputs[0])]

        x, g = number(), number()
        by_grad = ByGrad(2.0)
        assert by_grad.L_op([x], [by_grad(x)], [g])[0].owner.inputs == [g]
        assert ByLop(2.0).grad([x], [g])[0].owner.inputs[1] is g

    def test_neither(self):
        x = number()
        with pytest.raises(MethodNotDefined, match="has no gradient"):
            neg.L_op([x], [neg(x)], [x])
        with pytest.raises(MethodNotDefined, match="defines neither grad nor L_op"):
            neg.grad([x], [x])
        with pytest.raises(MethodNotDefined, match="Scale does not define R_op"):
            neg.R_op([x], [x])


class TestNamedOps:
    def test_pickle_and_copies_are_the_same_object(self):
        for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
            assert pickle.loads(pickle.dumps(ADD_ONE, protocol)) is ADD_ONE
        assert copy.deepcopy(ADD_ONE) is ADD_ONE
        assert copy.copy(ADD_ONE) is ADD_ONE

    def test_a_name_that_is_gone_is_not_used(self):
        op = named_op("NOT_BOUND_ANYWHERE", Scale(7.0))
        again = pickle.loads(pickle.dumps(op))
        assert again is not op
        assert again == op

    def test_other_ops_pickle_by_value(self):
        again = pickle.loads(pickle.dumps(Shift(3)))
        assert again == Shift(3)


class TestRunPerform:
    def run(self, op, value):
        return run_perform(op(Box(3)()).owner, [value])[0]

    def test_value(self):
        assert np.array_equal(self.run(neg, np.arange(3.0)), [0.0, -1.0, -2.0])

    def test_undeclared_view_is_copied(self):
        x = np.arange(3.0)
        for store in (lambda v: v, lambda v: v[::-1], lambda v: v[:]):
            out = self.run(Storing(store), x)
            assert not np.shares_memory(out, x)
            assert np.array_equal(out, store(x))

    def test_declared_view_is_kept(self):
        x = np.arange(3.0)
        assert self.run(Storing(lambda v: v, view_map={0: [0]}), x) is x

    def test_outputs_that_share_memory_are_separated(self):
        class Same(type(div_mod)):
            def perform(self, node, inputs, output_storage):
                output_storage[0][0] = output_storage[1][0] = inputs[0] + 1

        x = Box(2)()
        a, b = run_perform(Same()(x, x)[0].owner, [np.zeros(2), np.zeros(2)])
        assert not np.shares_memory(a, b)

    def test_destroyed_inputs_are_copies_unless_allowed(self):
        def overwrite(v):
            v += 1
            return v

        op = Storing(overwrite, destroy_map={0: [0]})
        x = np.zeros(3)
        out = self.run(op, x)
        assert np.array_equal(out, np.ones(3))
        assert np.array_equal(x, np.zeros(3))
        out = run_perform(op(Box(3)()).owner, [x], allow_destroy=True)[0]
        assert out is x
        assert np.array_equal(x, np.ones(3))

    def test_wrong_value_names_op_output_and_line(self):
        with pytest.raises(TypeError) as info:
            self.run(Storing(lambda v: v[:2]), np.zeros(3))
        text = str(info.value)
        assert "perform stored a value of another type for output 0" in text
        assert "Storing" in text
        assert "(3,), got (2,)" in text
        assert "Box{length=3}" in text
        assert "test_op.py" in text

    def test_wrong_python_type(self):
        with pytest.raises(TypeError, match="expected an array, got list"):
            self.run(Storing(lambda v: [1.0, 2.0, 3.0]), np.zeros(3))

    def test_nothing_stored(self):
        with pytest.raises(ValueError, match="nothing was stored for output 0"):
            self.run(Storing(lambda v: None), np.zeros(3))

    def test_none_is_a_value_where_the_type_says_so(self):
        assert run_perform(Storing(lambda v: None)(generic()).owner, [1]) == [None]

    def test_error_is_annotated_once(self):
        def fail(v):
            raise ValueError("no luck")

        x = Box(3)("x")
        with pytest.raises(ValueError, match="no luck") as info:
            run_perform(Storing(fail)(x).owner, [np.zeros(3)])
        text = str(info.value)
        assert text.count("while computing Storing") == 1
        assert "test_op.py" in text

    def test_key_errors_keep_their_argument(self):
        def fail(v):
            raise KeyError("key")

        with pytest.raises(KeyError) as info:
            self.run(Storing(fail), np.zeros(3))
        assert info.value.args == ("key",)

    def test_no_perform(self):
        with pytest.raises(MethodNotDefined, match="Shift does not define numpy"):
            self.run(Shift(1), np.zeros(3))

    def test_params(self):
        class Power(Op):
            __props__ = ("exponent",)
            params_type = number

            def __init__(self, exponent):
                self.exponent = exponent

            def get_params(self, node):
                return self.exponent

            def make_node(self, x):
                return Apply(self, [x], [x.type()])

            def perform(self, node, inputs, output_storage, params):
                output_storage[0][0] = inputs[0] ** params

        node = Power(2)(number()).owner
        assert node.run_params() == 2.0
        assert run_perform(node, [3.0]) == [9.0]
        assert neg(number()).owner.run_params() is None


class TestBuiltin:
    def test_numpy_gives_perform(self):
        out = run_perform(twice(Box(2)()).owner, [np.array([1, 2])])[0]
        assert np.array_equal(out, [2, 4])

    def test_result_is_cast_to_the_declared_dtype(self):
        class Bytes(Box):
            dtype = "int8"

        node = Twice()(Bytes(2)()).owner
        out = run_perform(node, [np.array([1.5, 2.5])])[0]
        assert out.dtype == np.int8
        assert np.array_equal(out, [3, 5])

    def test_wrong_number_of_results(self):
        class Two(Twice):
            def numpy(self, x):
                return x, x

        with pytest.raises(ValueError, match=r"Two.numpy returned 2 values for 1 outputs"):
            run_perform(Two()(Box(2)()).owner, [np.zeros(2)])


class TestTestValues:
    def test_off_computes_nothing(self):
        x = number()
        x.tag.test_value = 2.0
        assert not hasattr(neg(x).tag, "test_value")

    def test_values_travel(self):
        with change_flags(compute_test_value="raise"):
            x = number()
            x.tag.test_value = 2.0
            y = add(neg(x), constant(1), shared(10.0))
            assert y.tag.test_value == 9.0

    def test_missing_value(self):
        x = number("x")
        with (
            change_flags(compute_test_value="raise"),
            pytest.raises(AttributeError, match=r"input 0 of Scale\{factor=-1.0\} has none"),
        ):
            neg(x)
        with (
            change_flags(compute_test_value="warn"),
            pytest.warns(UserWarning, match="cannot compute a test value"),
        ):
            neg(x)
        with change_flags(compute_test_value="ignore"):
            assert not hasattr(neg(x).tag, "test_value")

    def test_failing_perform_points_at_the_line(self):
        def fail(v):
            raise ValueError("bad shape")

        with change_flags(compute_test_value="raise"):
            x = number()
            x.tag.test_value = 1.0
            with pytest.raises(ValueError, match=r"(?s)bad shape.*test_op.py"):
                Storing(fail)(x)

    def test_get_test_value(self):
        x = number("x")
        with pytest.raises(TestValueError, match=r"(?s)x has no test value.*v.tag.test_value"):
            get_test_value(x)
        x.tag.test_value = 3
        assert get_test_value(x) == 3.0
        assert get_test_value(constant(2)) == 2.0
        assert get_test_value(shared(4.0)) == 4.0
        assert get_test_value("plain") == "plain"
        x.tag.test_value = [1, 2]
        with pytest.raises(TypeError, match="test value of x does not fit its type Number"):
            get_test_value(x)

    def test_get_debug_values(self):
        x = number()
        x.tag.test_value = 3.0
        assert list(get_debug_values(x)) == []
        with change_flags(compute_test_value="raise"):
            assert list(get_debug_values(x, 1)) == [(3.0, 1)]
            with pytest.raises(TestValueError, match="argument 1"):
                list(get_debug_values(x, number("y")))
        with change_flags(compute_test_value="ignore"):
            assert list(get_debug_values(number())) == []

    def test_debug_assert(self):
        with change_flags(compute_test_value="raise"):
            debug_assert(True)
            with pytest.raises(ValueError, match="x must be positive"):
                debug_assert(False, "x must be positive")
            with pytest.raises(TestValueError, match="gone"):
                missing_test_message("gone")
        with change_flags(compute_test_value="warn"), pytest.warns(UserWarning, match="hm"):
            debug_assert(False, "hm")
