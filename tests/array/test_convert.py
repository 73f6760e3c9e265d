from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest

import symc.ops.methods  # noqa: F401 - gives variables their operators
from symc.array import constructors as co
from symc.array.convert import (
    as_operands,
    as_tensor_variable,
    constant,
    is_number,
    scalar_constant,
)
from symc.array.lengths import known_lengths, note_lengths, sure_lengths
from symc.array.shared import scalar_constructor, tensor_constructor
from symc.array.type import TensorType
from symc.array.variable import (
    ScalarSharedVariable,
    TensorConstant,
    TensorSharedVariable,
    TensorVariable,
)
from symc.config import change_flags
from symc.errors import AsTensorError, EmptyConstantError, NotScalarConstantError
from symc.graph.node import set_container_hook
from symc.graph.special import generic

# ---------------------------------------------------------------------------------------------
# Constants
# ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "weak32", "weak64", "custom32", "custom64"),
    [
        (3, "int64", "int64", "int8", "int8"),
        (300, "int64", "int64", "int16", "int16"),
        (2**40, "int64", "int64", "int64", "int64"),
        (0.5, "float32", "float64", "float32", "float32"),
        (0.1, "float32", "float64", "float32", "float64"),
        (True, "bool", "bool", "bool", "bool"),
        (1j, "complex64", "complex128", "complex128", "complex128"),
        (np.float32(0.1), "float32", "float32", "float32", "float32"),
        (np.float64(0.5), "float64", "float64", "float64", "float64"),
        (np.int8(3), "int8", "int8", "int8", "int8"),
        ([1, 2], "int64", "int64", "int64", "int64"),
        ([0.5, 1], "float32", "float64", "float64", "float64"),
        ([], "float32", "float64", "float32", "float64"),
        ([np.float64(0.5)], "float64", "float64", "float64", "float64"),
        (np.ones(2, "float16"), "float16", "float16", "float16", "float16"),
    ],
)
def test_dtypes_of_constants(value, weak32, weak64, custom32, custom64) -> None:
    for policy, floatX, expected in [
        ("weak", "float32", weak32),
        ("weak", "float64", weak64),
        ("custom", "float32", custom32),
        ("custom", "float64", custom64),
    ]:
        with change_flags(cast_policy=policy, floatX=floatX):
            assert constant(value).dtype == expected
            assert as_tensor_variable(value).dtype == expected


def test_scalar_constants_are_made_once() -> None:
    assert constant(1.0) is constant(1.0)
    assert constant(1.0) is not constant(1)
    assert constant(0.0) is not constant(-0.0)
    assert constant(float("nan")) is constant(float("nan"))
    assert constant(1.0, name="one") is not constant(1.0)
    for i in range(3000):
        constant(i)
    assert constant(2999) is constant(2999)


def test_constants_keep_a_copy_that_can_not_be_changed() -> None:
    a = np.ones(3)
    c = constant(a)
    a[0] = 5
    np.testing.assert_array_equal(c.data, 1)
    with pytest.raises(ValueError):
        c.data[0] = 2
    assert c.value is c.data


def test_patterns_names_and_ranks_of_constants() -> None:
    assert constant(np.ones((1, 2))).broadcastable == (True, False)
    assert constant([1], name="c").name == "c"
    assert constant(3.0, ndim=2).broadcastable == (True, True)
    assert constant([1, 2], ndim=2).data.shape == (1, 2)
    assert constant(3, dtype="float32").dtype == "float32"
    with pytest.raises(AsTensorError, match="too many axes"):
        constant(np.ones((2, 2)), ndim=1)


def test_signatures() -> None:
    nan = constant([np.nan, 1.0])
    assert nan.equals(constant([np.nan, 1.0]))
    assert nan.signature() == constant([np.nan, 1.0]).signature()
    assert not constant([0.0]).equals(constant([-0.0]))
    assert not constant(np.zeros(2)).equals(constant(np.zeros((2, 1))))
    assert not constant(np.zeros(2)).equals(constant(np.zeros(2, "float32")))
    big = np.arange(1000.0)
    assert hash(constant(big).signature()) == hash(constant(big.copy()).signature())
    other = big.copy()
    other[999] = 0
    assert constant(big).signature() != constant(other).signature()


def test_unique_values() -> None:
    assert constant(np.full((2, 3), 7)).unique_value() == 7
    assert constant(np.full((3, 2), 7.5)[:, ::-1]).unique_value() == 7.5
    assert np.isnan(constant([np.nan, np.nan]).unique_value())
    assert constant([0.0, -0.0]).unique_value() is None
    assert constant([1, 2]).unique_value() is None
    assert constant(np.zeros(0)).unique_value() is None
    assert constant(3.0).unique_value() == 3


def test_constants_pickle_and_copy() -> None:
    c = constant([1.0, 2.0], name="c")
    c.signature()
    for other in (pickle.loads(pickle.dumps(c)), copy.copy(c), copy.deepcopy(c)):
        assert type(other) is TensorConstant
        assert other.equals(c)
        assert other.name == "c"


@pytest.mark.parametrize(
    "bad", ["text", None, object(), [[1], [1, 2]], {1: 2}, np.array(["a"]), np.ma.ones(2)]
)
def test_what_is_no_tensor(bad) -> None:
    with pytest.raises(AsTensorError, match=r"(?s)can't be turned into a tensor.*got: .*expected"):
        as_tensor_variable(bad)


def test_variables_are_no_constants_and_foreign_variables_no_tensors() -> None:
    with pytest.raises(AsTensorError, match="made from numbers"):
        constant(co.vector("v"))
    with pytest.raises(AsTensorError, match=r"(?s)not a tensor.*Generic"):
        as_tensor_variable(generic("g"))


def test_objects_that_convert_themselves() -> None:
    x = co.vector()

    class Wrapper:
        def _as_TensorVariable(self):
            return x

    assert as_tensor_variable(Wrapper()) is x
    assert as_tensor_variable(x) is x


def test_longdouble_is_refused() -> None:
    if np.dtype(np.longdouble).itemsize > 8:
        with pytest.raises(AsTensorError):
            constant(np.longdouble(1))


def test_byte_order_is_made_native() -> None:
    c = constant(np.arange(3, dtype=">i4"))
    assert c.dtype == "int32"
    assert c.data.tolist() == [0, 1, 2]


# ---------------------------------------------------------------------------------------------
# Operands
# ---------------------------------------------------------------------------------------------


def dtypes(*args, **kwargs) -> list[str]:
    return [v.dtype for v in as_operands(args, **kwargs)]


def test_numbers_adapt_to_the_other_operands() -> None:
    f, i, b = co.fvector(), co.ivector(), TensorType("bool", ())()
    assert dtypes(f, 0.1) == ["float32", "float32"]
    assert dtypes(f, 1) == ["float32", "float32"]
    assert dtypes(i, 1) == ["int32", "int32"]
    assert dtypes(i, 0.5) == ["int32", "float64"]
    assert dtypes(b, 1) == ["bool", "int64"]
    assert dtypes(1, 0.5) == ["float64", "float64"]
    assert dtypes(f, 1, values=[False, True]) == ["float32", "int64"]
    with change_flags(cast_policy="custom"):
        assert dtypes(f, 0.1) == ["float32", "float64"]
        assert dtypes(i, 1) == ["int32", "int8"]
    assert dtypes(TensorType("int8", ())(), 300, comparison=True) == ["int8", "int64"]


def test_numbers() -> None:
    assert all(map(is_number, (1, 1.0, True, 1j)))
    assert not any(map(is_number, (np.float64(1), np.array(1), "1", None)))


def test_scalar_constant() -> None:
    assert scalar_constant(constant(3)) == 3
    assert scalar_constant(2.5) == 2.5
    assert scalar_constant(np.array(4)) == 4
    with pytest.raises(NotScalarConstantError, match="several values"):
        scalar_constant(constant([1, 2]))
    with pytest.raises(EmptyConstantError):
        scalar_constant(constant(np.zeros(0)))
    with pytest.raises(NotScalarConstantError):
        scalar_constant(co.scalar())


# ---------------------------------------------------------------------------------------------
# Constructors
# ---------------------------------------------------------------------------------------------


def test_untyped_constructors_take_floatx() -> None:
    for name, pattern in co.PATTERNS.items():
        make = getattr(co, name)
        assert make("x").broadcastable == pattern
        assert make().dtype == "float64"
        assert make("x").name == "x"
        assert make(dtype="int8").dtype == "int8"
        with change_flags(floatX="float32"):
            assert make().dtype == "float32"


@pytest.mark.parametrize("prefix", co.PREFIXES)
@pytest.mark.parametrize("kind", co.PATTERNS)
def test_typed_constructors(prefix: str, kind: str) -> None:
    made = getattr(co, prefix + kind)
    assert made == TensorType(co.PREFIXES[prefix], co.PATTERNS[kind])
    assert type(made("x")) is TensorVariable


def test_prefixes() -> None:
    assert co.PREFIXES == {
        "b": "int8",
        "w": "int16",
        "i": "int32",
        "l": "int64",
        "f": "float32",
        "d": "float64",
        "c": "complex64",
        "z": "complex128",
    }


def test_plurals() -> None:
    assert [v.name for v in co.vectors("x", "y")] == ["x", "y"]
    assert [v.name for v in co.vectors("xy")] == ["x", "y"]
    assert [v.name for v in co.fscalars(2)] == [None, None]
    assert co.fscalars("x").dtype == "float32"
    assert [v.dtype for v in co.ivectors("xy")] == ["int32", "int32"]
    with pytest.raises(TypeError, match="names or a number"):
        co.vectors(1.5)


def test_tensor() -> None:
    x = co.tensor("int8", (False, True), "x")
    assert (x.dtype, x.broadcastable, x.name) == ("int8", (False, True), "x")
    y = co.tensor(shape=(None, 1, 3))
    assert (y.dtype, y.broadcastable, y.static_shape) == (
        "float64",
        (False, True, False),
        (None, 1, 3),
    )
    with pytest.raises(TypeError, match="rank"):
        co.tensor("int8")


def test_lists_of_types_and_dtypes() -> None:
    assert co.float_vector_types == (co.fvector, co.dvector)
    assert co.int_types[:4] == (co.bscalar, co.wscalar, co.iscalar, co.lscalar)
    assert len(co.all_dtypes) == 14
    assert "bool" in co.discrete_dtypes
    assert "bool" not in co.integer_dtypes


# ---------------------------------------------------------------------------------------------
# Lengths
# ---------------------------------------------------------------------------------------------


def test_known_lengths() -> None:
    assert known_lengths(co.matrix()) == (None, None)
    assert known_lengths(co.row()) == (1, None)
    assert known_lengths(co.matrix(shape=(2, None))) == (2, None)
    assert known_lengths(constant(np.ones((2, 3)))) == (2, 3)
    assert known_lengths(co.scalar()) == ()
    assert sure_lengths(co.matrix(shape=(2, None))) == (None, None)
    assert sure_lengths(co.row()) == (1, None)
    assert sure_lengths(constant(np.ones((2, 3)))) == (2, 3)
    x = co.vector() * 2
    note_lengths(x, (4,))
    assert known_lengths(x) == (4,)
    assert known_lengths(x.clone()) == (None,)
    clone = x.owner.clone_with_new_inputs([co.vector(), x.owner.inputs[1]])
    assert known_lengths(clone.outputs[0]) == (None,)


# ---------------------------------------------------------------------------------------------
# Shared variables
# ---------------------------------------------------------------------------------------------


class Cell:
    def __init__(self, type_, value, strict, allow_downcast, name) -> None:
        self.value = type_.filter(value, strict, allow_downcast)

    def get_value(self, borrow=False, return_internal_type=False):
        return self.value if borrow else self.value.copy()

    def set_value(self, value, borrow=False):
        self.value = value if borrow else np.array(value)


@pytest.fixture(autouse=True)
def plain_storage():
    from symc.graph import node

    before = node._make_container
    set_container_hook(Cell)
    yield
    set_container_hook(before)


def test_shared_arrays() -> None:
    a = np.ones((1, 2))
    s = tensor_constructor(a, name="s")
    assert type(s) is TensorSharedVariable
    assert not isinstance(s, TensorVariable)
    assert s.broadcastable == (False, False)
    a[:] = 5
    np.testing.assert_array_equal(s.get_value(), 1)
    assert tensor_constructor(a, broadcastable=(True, False)).broadcastable == (True, False)
    borrowed = tensor_constructor(a, borrow=True)
    assert borrowed.get_value(borrow=True) is a
    assert tensor_constructor([1, 2]).dtype == "int64"
    s.zero()
    np.testing.assert_array_equal(s.get_value(), 0)
    borrowed.zero(borrow=True)
    np.testing.assert_array_equal(a, 0)
    assert s.clone().container is s.container


def test_shared_numbers() -> None:
    assert scalar_constructor(3).dtype == "int64"
    assert scalar_constructor(3.0).dtype == "float64"
    assert scalar_constructor(np.float32(3)).dtype == "float32"
    assert scalar_constructor(True).dtype == "bool"
    assert type(scalar_constructor(1)) is ScalarSharedVariable
    assert scalar_constructor(3.5).get_value() == 3.5


@pytest.mark.parametrize("bad", ["a", None, np.array(["a"]), 3])
def test_constructors_refuse_what_is_not_theirs(bad) -> None:
    with pytest.raises(TypeError):
        tensor_constructor(bad)
    with pytest.raises(TypeError):
        scalar_constructor(np.ones(3))
