"""Users' ops with C code of their own, as Theano's documentation writes them."""

from __future__ import annotations

import gc
import pickle
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.gof import (
    Apply,
    CDataType,
    CEnumType,
    COp,
    EnumList,
    EnumType,
    Op,
    OpenMPOp,
    Params,
    ParamsType,
)
from symc.runtime.toolchain import compiler

needs_cxx = pytest.mark.skipif(
    not symc.config.cxx or compiler() is None, reason="needs a C++ compiler"
)
pytestmark = needs_cxx


@pytest.fixture(params=["native", "numpy"])
def mode(request):
    return symc.Mode(request.param)


class VectorTimesScalar(Op):
    """x * s; C code only."""

    __props__ = ()

    def make_node(self, x, s):
        x, s = T.as_tensor_variable(x), T.as_tensor_variable(s)
        return Apply(self, [x, s], [T.TensorType(x.dtype, [False])()])

    def c_support_code_apply(self, node, name):
        return f"""
        template <typename A, typename B> static void multiply_{name}(
            A *out, const char *x, npy_intp stride, B s, npy_intp n) {{
          for (npy_intp i = 0; i < n; i++) out[i] = *(const A *)(x + i * stride) * s;
        }}"""

    def c_code(self, node, name, inames, onames, sub):
        x, s = inames
        (z,) = onames
        fail = sub["fail"]
        return f"""
        npy_intp n = PyArray_DIM({x}, 0);
        if (n > 1000) {{
            PyErr_SetString(PyExc_ValueError, "too long");
            {fail};
        }}
        if (n == 13) {fail}
        if ({z} == NULL || PyArray_DIM({z}, 0) != n) {{
            Py_XDECREF({z});
            {z} = (PyArrayObject *)PyArray_EMPTY(1, &n, PyArray_TYPE({x}), 0);
            if (!{z}) {{ {fail}; }}
        }}
        multiply_{name}((dtype_{z} *)PyArray_DATA({z}), (const char *)PyArray_DATA({x}),
            PyArray_STRIDE({x}, 0), ((dtype_{s} *)PyArray_DATA({s}))[0], n);
        """

    def c_code_cache_version(self):
        return (1, 0)


@pytest.mark.parametrize("dtype", ["float64", "float32", "int16"])
def test_values_sizes_and_strides(mode, dtype):
    x, s = T.vector("x", dtype=dtype), T.scalar("s", dtype=dtype)
    f = symc.function([x, s], VectorTimesScalar()(x[::-1], s) + 1, mode=mode)
    for n in (0, 1, 5):
        a = np.arange(n).astype(dtype)
        np.testing.assert_allclose(f(a, np.asarray(3, dtype)), a[::-1] * 3 + 1)
        wide = np.arange(3 * n).astype(dtype)
        np.testing.assert_allclose(f(wide[::3], np.asarray(2, dtype)), wide[::3][::-1] * 2 + 1)


def test_its_exceptions_name_node_and_line(mode):
    x = T.dvector("x")
    f = symc.function([x], VectorTimesScalar()(x * 2, 3.0), mode=mode)
    with pytest.raises(ValueError, match="too long") as error:
        f(np.zeros(1001))
    assert "VectorTimesScalar" in str(error.value)
    assert "test_c_code.py" in str(error.value)
    with pytest.raises(RuntimeError, match="set no Python exception"):
        f(np.zeros(13))
    np.testing.assert_allclose(f(np.ones(2)), [6, 6])


def test_c_code_is_preferred_and_declining_falls_back(mode):
    class Both(VectorTimesScalar):
        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] * 0 - 1

    class Declining(Both):
        def c_code(self, node, name, inames, onames, sub):
            raise NotImplementedError("not for this")

    x = T.dvector("x")
    f = symc.function([x], [Both()(x, 2.0), Declining()(x, 2.0)], mode=mode)
    for got, want in zip(f([1.0, 2.0]), ([2, 4], [-1, -1]), strict=True):
        np.testing.assert_allclose(got, want)


def test_without_a_cxx_compiler_perform_serves():
    class Only(VectorTimesScalar):
        def c_support_code(self):
            return "/* text that no other test compiles */"

    class Both(Only):
        def perform(self, node, inputs, output_storage):
            output_storage[0][0] = inputs[0] - inputs[1]

    x = T.dvector("x")
    compiler_name = symc.config.cc
    with symc.change_flags(cxx="", cc=compiler_name):
        assert symc.function([x], Both()(x, 1.0))([4.0]) == [3.0]
        with pytest.raises(symc.SymcError, match="C\\+\\+ compiler"):
            symc.function([x], Only()(x, 7.0), mode="NUMPY")([4.0])


def test_code_that_does_not_compile():
    class Broken(VectorTimesScalar):
        def c_code(self, node, name, inames, onames, sub):
            return "this is not C;"

    x = T.dvector("x")
    with pytest.raises(symc.errors.UserCodeError, match="refuses the C code of Broken") as error:
        symc.function([x], Broken()(x, 1.0))
    assert "op.cpp" in str(error.value)
    with pytest.raises(symc.errors.UserCodeError, match="refuses the C code of Broken"):
        symc.function([x], Broken()(x, 1.0), mode="NUMPY")([1.0])


def test_a_library_that_is_missing():
    class Needy(VectorTimesScalar):
        def c_support_code(self):
            return "extern int symc_no_such_function(void);"

        def c_code(self, node, name, inames, onames, sub):
            return "symc_no_such_function();"

    x = T.dvector("x")
    with pytest.raises(symc.errors.UserCodeError, match="c_libraries"):
        symc.function([x], Needy()(x, 1.0))


def test_wrong_dtype_of_a_result(mode):
    class Wrong(VectorTimesScalar):
        def c_code(self, node, name, inames, onames, sub):
            made = "(PyArrayObject *)PyArray_ZEROS(1, &n, NPY_INT8, 0)"
            return f"npy_intp n = 2; {onames[0]} = {made};"

    x = T.dvector("x")
    with pytest.raises(TypeError, match="int8"):
        symc.function([x], Wrong()(x, 1.0), mode=mode)([1.0])


def test_nothing_is_leaked_or_lost():
    x = T.dvector("x")
    f = symc.function([x], VectorTimesScalar()(x, 2.0), mode="NUMPY")
    a = np.ones(4)
    results = [f(a) for _ in range(5)]
    assert all(np.array_equal(r, [2, 2, 2, 2]) for r in results)
    assert not any(np.shares_memory(results[0], r) for r in results[1:])


class Increment(Op):
    """Adds one in place."""

    __props__ = ()
    destroy_map = {0: [0]}

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])

    def c_code(self, node, name, inames, onames, sub):
        return f"""
        {onames[0]} = {inames[0]};
        Py_INCREF({onames[0]});
        for (npy_intp i = 0; i < PyArray_DIM({inames[0]}, 0); i++)
            *(double *)PyArray_GETPTR1({inames[0]}, i) += 1;
        """


def test_an_input_is_overwritten_only_in_a_copy(mode):
    x = T.dvector("x")
    f = symc.function([x], [Increment()(x), x * 2], mode=mode)
    a = np.array([1.0, 2.0])
    plus, twice = f(a)
    np.testing.assert_array_equal(plus, [2, 3])
    np.testing.assert_array_equal(twice, [2, 4])
    np.testing.assert_array_equal(a, [1, 2])


class Counting(Op):
    """Every part of the contract: a struct with a count, headers, parameters."""

    __props__ = ("start",)
    params_type = ParamsType(start=EnumType(ctype="long", ONE=1, FIVE=("five", 5)))

    def __init__(self, start="ONE"):
        self.start = start

    def make_node(self, x):
        return Apply(self, [T.as_tensor_variable(x)], [T.TensorType("int64", [])()])

    def c_headers(self):
        return ["<vector>", "limits.h"]

    def c_support_code(self):
        return "static int loaded = 0;"

    def c_init_code(self):
        return ["loaded = 100;"]

    def c_support_code_struct(self, node, name):
        return f"long count_{name}; std::vector<int> *seen_{name};"

    def c_init_code_struct(self, node, name, sub):
        return f"count_{name} = {sub['params']}->start; seen_{name} = new std::vector<int>();"

    def c_cleanup_code_struct(self, node, name):
        return f"delete seen_{name};"

    def c_code(self, node, name, inames, onames, sub):
        return f"""
        PyArrayObject *spare = (PyArrayObject *)PyArray_ZEROS(0, NULL, NPY_INT64, 0);
        {onames[0]} = spare;
        if (!spare) {sub["fail"]}
        seen_{name}->push_back(1);
        *(npy_int64 *)PyArray_DATA(spare) = loaded + count_{name}++ + FIVE;
        """

    def do_constant_folding(self, node):
        return False


def test_struct_and_params(mode):
    x = T.dscalar("x")
    f = symc.function([x], [Counting()(x), Counting("five")(x)], mode=mode)
    assert [int(v) for v in f(0.0)] == [106, 110]
    assert [int(v) for v in f(0.0)] == [107, 111]
    del f
    gc.collect()
    with pytest.raises(TypeError, match="none of the constants"):
        symc.function([x], Counting("six")(x), mode=mode)(0.0)


FILE = """
/* A comment may come first. */
#section support_code
static int twice(int n) { return 2 * n; }

#section support_code_apply
int APPLY_SPECIFIC(compute)(PyArrayObject *x, PyArrayObject **out, PARAMS_TYPE *params) {
  npy_intp n = PyArray_SIZE(x);
  if (PyArray_NDIM(x) != 1) { PyErr_SetString(PyExc_ValueError, "vectors only"); return 1; }
  Py_XDECREF(*out);
  *out = (PyArrayObject *)PyArray_EMPTY(1, &n, TYPENUM_OUTPUT_0, 0);
  if (!*out) return 1;
  for (npy_intp i = 0; i < n; i++)
    ((DTYPE_OUTPUT_0 *)PyArray_DATA(*out))[i] =
        *(DTYPE_INPUT_0 *)PyArray_GETPTR1(x, i) * twice(params->factor);
  return sizeof(DTYPE_INPUT_0) == ITEMSIZE_INPUT_0 ? 0 : 2;
}
"""

SECTIONS = """
#section support_code_struct
int calls;
#section init_code_struct
calls = PARAMS->factor;
#section code
npy_intp n = PyArray_DIM(INPUT_0, 0);
OUTPUT_0 = (PyArrayObject *)PyArray_ZEROS(1, &n, TYPENUM_OUTPUT_0, 0);
if (!OUTPUT_0) { FAIL; }
if (n == 0) { PyErr_SetString(PyExc_IndexError, "empty"); FAIL; }
*(DTYPE_OUTPUT_0 *)PyArray_DATA(OUTPUT_0) = calls;
#section code_cleanup
calls++;
"""


class FromFile(COp):
    __props__ = ("factor",)
    params_type = ParamsType(factor=EnumList("ZERO", "ONE", "TWO", ("THREE", "three")))

    def __init__(self, path, name, factor):
        super().__init__(path, name)
        self.factor = factor

    def make_node(self, x):
        x = T.as_tensor_variable(x)
        return Apply(self, [x], [x.type()])


@pytest.mark.parametrize("dtype", ["float64", "int32"])
def test_code_in_files(tmp_path, mode, dtype):
    path = tmp_path / "op.cc"
    path.write_text(FILE)
    x = T.vector("x", dtype=dtype)
    op = FromFile(str(path), "APPLY_SPECIFIC(compute)", "three")
    f = symc.function([x], op(x), mode=mode)
    np.testing.assert_allclose(f(np.array([1, 2], dtype)), [6, 12])


def test_code_section(tmp_path, mode):
    path = tmp_path / "op.cc"
    path.write_text(SECTIONS)
    x = T.dvector("x")
    f = symc.function([x], FromFile([str(path)], None, "TWO")(x), mode=mode)
    with pytest.raises(IndexError, match="empty"):
        f([])
    np.testing.assert_array_equal(f([1.0, 1.0]), [3, 0])  # the cleanup ran after the failure


@pytest.mark.parametrize(
    ("text", "name", "message"),
    [
        ("int x;", None, "no line `#section"),
        ("int x;\n#section code\n", None, "before its first section"),
        ("#section kode\n", None, "unknown section"),
        ("#section support_code\n", None, "neither"),
        ("#section code\n", "f", "not both"),
    ],
)
def test_files_that_are_refused(tmp_path, text, name, message):
    path = tmp_path / "op.cc"
    path.write_text(text)
    with pytest.raises(ValueError, match=message):
        COp(str(path), name)


def test_a_changed_header_is_noticed(tmp_path):
    header = tmp_path / "number.h"

    class Number(Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [T.as_tensor_variable(x)], [T.TensorType("int64", [])()])

        def c_headers(self):
            return ['"number.h"']

        def c_header_dirs(self):
            return [str(tmp_path)]

        def c_code(self, node, name, inames, onames, sub):
            return (
                f"{onames[0]} = (PyArrayObject *)PyArray_ZEROS(0, NULL, NPY_INT64, 0);"
                f"*(npy_int64 *)PyArray_DATA({onames[0]}) = NUMBER;"
            )

    x = T.dscalar("x")
    for number in (3, 4):
        header.write_text(f"#define NUMBER {number}\n")
        assert int(symc.function([x], Number()(x))(0.0)) == number


def test_libraries_and_openmp(mode):
    class Threads(OpenMPOp):
        __props__ = ()

        def make_node(self, x):
            x = T.as_tensor_variable(x)
            return Apply(self, [x], [x.type()])

        def c_libraries(self):
            return ["m"]

        def c_code(self, node, name, inames, onames, sub):
            return f"""
            npy_intp n = PyArray_DIM({inames[0]}, 0);
            {onames[0]} = (PyArrayObject *)PyArray_ZEROS(1, &n, NPY_DOUBLE, 0);
            double *z = (double *)PyArray_DATA({onames[0]});
            #pragma omp parallel for
            for (npy_intp i = 0; i < n; i++)
                z[i] = sin(*(double *)PyArray_GETPTR1({inames[0]}, i));
            """

    x = T.dvector("x")
    a = np.linspace(0, 1, 7)
    np.testing.assert_allclose(symc.function([x], Threads(True)(x), mode=mode)(a), np.sin(a))


def test_pointer_types(mode):
    pointer = CDataType("double*", "free", headers=["stdlib.h"])

    class Make(Op):
        __props__ = ()

        def make_node(self, x):
            return Apply(self, [T.as_tensor_variable(x)], [pointer()])

        def c_code(self, node, name, inames, onames, sub):
            return (
                f"{onames[0]} = (double *)malloc(sizeof(double));"
                f"*{onames[0]} = *(double *)PyArray_DATA({inames[0]}) + 1;"
            )

    class Read(Op):
        __props__ = ()

        def make_node(self, p):
            return Apply(self, [p], [T.dscalar()])

        def c_code(self, node, name, inames, onames, sub):
            return (
                f"{onames[0]} = (PyArrayObject *)PyArray_ZEROS(0, NULL, NPY_DOUBLE, 0);"
                f"*(double *)PyArray_DATA({onames[0]}) = *{inames[0]};"
            )

    x = T.dscalar("x")
    f = symc.function([x], Read()(Make()(x)), mode=mode)
    assert [float(f(v)) for v in (1.0, 5.0)] == [2.0, 6.0]


# ---- parameters in Python


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


def test_relative_files_are_beside_the_module():
    assert Path(COp.get_path("x.cc")).parent.name == "graph"
    assert Path(FromFile.get_path("x.cc")) == Path(__file__).with_name("x.cc")


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
