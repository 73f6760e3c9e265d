"""Toy types and ops: floor 1 is tested without tensors."""

import numpy as np

from symc.graph.node import Apply, Constant, SharedVariable, Variable
from symc.graph.op import BuiltinOp, Op
from symc.graph.type import Type


class Number(Type):
    """Python floats."""

    __props__ = ()

    def filter(self, data, strict=False, allow_downcast=None):
        if strict and type(data) is not float:
            raise TypeError(f"expected a float, got {data!r} of {type(data).__name__}")
        return float(data)


class Box(Type):
    """One-dimensional arrays of a fixed length: a type with a parameter and with aliasing."""

    __props__ = ("length",)

    def __init__(self, length):
        self.length = length

    def filter(self, data, strict=False, allow_downcast=None):
        if strict and not isinstance(data, np.ndarray):
            raise TypeError(f"expected an array, got {type(data).__name__}")
        data = np.asarray(data)
        if data.shape != (self.length,):
            raise TypeError(f"expected shape {(self.length,)}, got {data.shape}")
        return data

    def copy_value(self, value):
        return value.copy()

    def may_share_memory(self, a, b):
        return isinstance(b, np.ndarray) and np.may_share_memory(a, b)

    def values_eq(self, a, b):
        return np.array_equal(a, b)

    def convert_variable(self, var):
        """A box of length 0 fits everywhere, to have a conversion to test."""
        if var.type == self:
            return var
        return stretch(var, self.length) if var.type == Box(0) else None


number = Number()


class Add(Op):
    __props__ = ()

    def make_node(self, *inputs):
        inputs = [v if isinstance(v, Variable) else number.filter_variable(v) for v in inputs]
        return Apply(self, inputs, [inputs[0].type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = sum(inputs[1:], inputs[0])


class Scale(Op):
    __props__ = ("factor",)

    def __init__(self, factor):
        self.factor = factor

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0] = self.factor * inputs[0]


class DivMod(Op):
    """Two outputs."""

    __props__ = ()

    def make_node(self, x, y):
        return Apply(self, [x, y], [x.type(), x.type()])

    def perform(self, node, inputs, output_storage):
        output_storage[0][0], output_storage[1][0] = divmod(*inputs)


class Stretch(Op):
    __props__ = ("length",)

    def __init__(self, length):
        self.length = length

    def make_node(self, x):
        return Apply(self, [x], [Box(self.length)()])


def stretch(x, length):
    return Stretch(length)(x)


class Twice(BuiltinOp):
    """A built-in op on arrays whose reference computes in a wider dtype."""

    __props__ = ()

    def make_node(self, x):
        return Apply(self, [x], [x.type()])

    def numpy(self, x):
        return 2 * x


class MyVariable(Variable):
    """A user's subclass with a constructor of its own."""

    def __init__(self, note):
        super().__init__(number, name="mine")
        self.note = note


class Cell:
    """The least a container must be."""

    def __init__(self, value):
        self.value = value

    def get_value(self, borrow=False, return_internal_type=False):
        return self.value

    def set_value(self, value, borrow=False):
        self.value = value


def shared(value, name=None):
    return SharedVariable(name, number, container=Cell(value))


def constant(value):
    return Constant(number, value)


add = Add()
half = Scale(0.5)
neg = Scale(-1.0)
div_mod = DivMod()
twice = Twice()

CHAIN = 100_000


def chain(x, length=CHAIN, op=neg):
    y = x
    for _ in range(length):
        y = op(y)
    return y


def chain_length(y):
    """The number of applications above `y`, along first inputs."""
    n = 0
    while y.owner is not None:
        y = y.owner.inputs[0]
        n += 1
    return n
