"""Users' ops with C code of their own, as Theano's documentation writes them."""

from __future__ import annotations

import gc
from pathlib import Path

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc.gof import (
    Apply,
    CDataType,
    COp,
    EnumList,
    EnumType,
    Op,
    OpenMPOp,
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


def test_relative_files_are_beside_the_module():
    assert Path(COp.get_path("x.cc")).parent.name == "graph"
    assert Path(FromFile.get_path("x.cc")) == Path(__file__).with_name("x.cc")
