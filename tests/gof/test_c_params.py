"""Parameters of users' ops, in Python and in C, and types with C of their own."""

from __future__ import annotations

import pickle

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.gof import Apply, CEnumType, EnumList, EnumType, Op, Params, ParamsType
from symc.runtime.toolchain import compiler

pytestmark = pytest.mark.skipif(
    not symc.config.cxx or compiler() is None, reason="needs a C++ compiler"
)


@pytest.fixture(params=["native", "numpy"])
def mode(request):
    return symc.Mode(request.param)


def test_params():
    kind = ParamsType(a=symc.generic, mode=EnumList(("FAST", "fast"), "SLOW"))

    class Holder:
        a = [1]
        mode = "fast"

    params = kind.get_params(Holder())
    assert isinstance(params, Params)
    assert (params.a, params.mode) == ([1], 0)
    assert kind.get_params(Holder(), mode="SLOW").mode == 1
    assert (kind.SLOW, kind.fields, kind.length) == (1, ("a", "mode"), 2)
    assert pickle.loads(pickle.dumps(params)) == params
    assert kind.extended(b=symc.generic).fields == ("a", "b", "mode")
    assert kind == ParamsType(mode=EnumList(("FAST", "fast"), "SLOW"), a=symc.generic)
    with pytest.raises(AttributeError, match="no value for the parameter"):
        kind.get_params(a=1)
    with pytest.raises(TypeError, match="do not fit"):
        Params(kind, a=1)


def test_params_reach_perform(mode):
    class Times(Op):
        __props__ = ("factor",)
        params_type = ParamsType(factor=EnumList("A", "B", "C"))

        def __init__(self, factor):
            self.factor = factor

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return Apply(self, [x], [x.type()])

        def perform(self, node, inputs, output_storage, params):
            output_storage[0][0] = inputs[0] * params.factor

    x = T.dvector("x")
    assert symc.function([x], Times("C")(x), mode=mode)([4.0]) == [8.0]


def test_enumerations():
    kind = EnumType(ONE=1, HALF=("half", 0.5))
    assert (kind.ONE, kind.fromalias("half"), kind.filter("HALF")) == (1, 0.5, 0.5)
    assert kind != EnumType(ONE=1, HALF=0.5)
    assert "switch" in CEnumType("RED", "BLUE").c_extract("x", {"fail": ""})
    with pytest.raises(AttributeError, match="capital"):
        EnumList("small")
    with pytest.raises(TypeError, match="ONE \\(1\\)"):
        kind.filter(7)


def test_params_of_many_types(mode):
    class Sum(Op):
        __props__ = ("count", "scale")
        params_type = ParamsType(
            count=symc.scalar.int32, scale=symc.scalar.float64, table=T.dvector, any=symc.generic
        )
        any = "text"
        table = np.array([10.0, 20.0])

        def __init__(self, count, scale):
            self.count, self.scale = count, scale

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return Apply(self, [x], [T.dscalar()])

        def c_code(self, node, name, inames, onames, sub):
            p = sub["params"]
            return f"""
            double total = {p}->count * {p}->scale + *(double *)PyArray_GETPTR1({p}->table, 1);
            if (!PyUnicode_Check({p}->any)) {{
                PyErr_SetString(PyExc_TypeError, "no text");
                {sub["fail"]}
            }}
            {onames[0]} = (PyArrayObject *)PyArray_ZEROS(0, NULL, NPY_DOUBLE, 0);
            *(double *)PyArray_DATA({onames[0]}) = total + *(double *)PyArray_DATA({inames[0]});
            """

    x = T.dscalar("x")
    assert float(symc.function([x], Sum(3, 0.5)(x), mode=mode)(1.0)) == 22.5


def test_one_generic_parameter(mode):
    class Length(Op):
        __props__ = ()
        params_type = symc.generic

        def get_params(self, node):
            return [1, 2, 3]

        def make_node(self, x):
            return Apply(self, [T.as_tensor_variable(x)], [T.lscalar()])

        def c_code(self, node, name, inames, onames, sub):
            return f"""
            {onames[0]} = (PyArrayObject *)PyArray_ZEROS(0, NULL, NPY_INT64, 0);
            *(npy_int64 *)PyArray_DATA({onames[0]}) = PyList_GET_SIZE({sub["params"]});
            """

    x = T.dscalar("x")
    assert int(symc.function([x], Length()(x), mode=mode)(1.0)) == 3


def test_types_that_speak_c_themselves(mode):
    class Pair(symc.Type):
        """Tuples of two floats; a struct in C."""

        def filter(self, data, strict=False, allow_downcast=None):
            if not (isinstance(data, tuple) and len(data) == 2):
                raise TypeError(f"not a pair: {data!r}")
            return data

        def __eq__(self, other):
            return type(self) is type(other)

        def __hash__(self):
            return hash(type(self))

        def c_support_code(self):
            return "struct pair { double a, b; };"

        def c_declare(self, name, sub):
            return f"struct pair {name};"

        def c_init(self, name, sub):
            return f"{name}.a = {name}.b = 0;"

        def c_extract(self, name, sub):
            return (
                f'if (!PyArg_ParseTuple(py_{name}, "dd", &{name}.a, &{name}.b)) {sub["fail"]}'
            )

        def c_sync(self, name, sub):
            return f'py_{name} = Py_BuildValue("(dd)", {name}.a, {name}.b);'

        def c_cleanup(self, name, sub):
            return ""

    class Swap(Op):
        __props__ = ()

        def make_node(self, p):
            return Apply(self, [p], [Pair()()])

        def c_code(self, node, name, inames, onames, sub):
            return f"{onames[0]}.a = {inames[0]}.b; {onames[0]}.b = {inames[0]}.a;"

    p = Pair()("p")
    f = symc.function([p], Swap()(p), mode=mode)
    assert f((1.0, 2.0)) == (2.0, 1.0)
    with pytest.raises(TypeError):
        f(("a", "b"))


def test_calls_of_one_node_may_overlap(mode):
    """C code that calls Python, which calls the same function again."""

    class Calls(Op):
        __props__ = ()
        params_type = symc.generic
        depth = 0

        def get_params(self, node):
            return Calls.again

        @staticmethod
        def again(value):
            if Calls.depth < 3:
                Calls.depth += 1
                f(np.asarray(float(Calls.depth)))

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return Apply(self, [x], [x.type()])

        def c_code(self, node, name, inames, onames, sub):
            x, z = inames[0], onames[0]
            return f"""
            {z} = (PyArrayObject *)PyArray_NewCopy({x}, NPY_CORDER);
            PyObject *done = PyObject_CallFunctionObjArgs({sub["params"]}, (PyObject *){x}, NULL);
            if (!done) {sub["fail"]}
            Py_DECREF(done);
            *(double *)PyArray_DATA({z}) += *(double *)PyArray_DATA({x});
            """

    x = T.dscalar("x")
    f = symc.function([x], Calls()(x + 0.5), mode=mode)
    assert float(f(10.0)) == 21.0
    assert Calls.depth == 3
