"""A type of one's own with ops, C code and rewriting: what tutorials on extending Theano teach."""

from __future__ import annotations

import io

import pytest

import symc
import symc as theano
from symc import gof
from symc.compile import optdb
from symc.gof import toolbox
from symc.runtime.toolchain import compiler


class Double(gof.Type):
    """Python floats."""

    def filter(self, x, strict=False, allow_downcast=None):
        if isinstance(x, float):
            return x
        if strict:
            raise TypeError(f"expected a float, got {x!r}")
        if not allow_downcast and isinstance(x, str):
            raise TypeError(f"no number: {x!r}")
        return float(x)

    def values_eq_approx(self, x, y, tolerance=1e-4):
        return abs(x - y) / (abs(x) + abs(y) or 1) < tolerance

    def __eq__(self, other):
        return type(self) is type(other)

    def __hash__(self):
        return hash(type(self))

    def __str__(self):
        return "double"

    def c_declare(self, name, sub, check_input=True):
        return f"double {name};"

    def c_init(self, name, sub):
        return f"{name} = 0.0;"

    def c_extract(self, name, sub, check_input=True):
        return f"""
        if (!PyFloat_Check(py_{name})) {{
            PyErr_SetString(PyExc_TypeError, "expected a float");
            {sub["fail"]}
        }}
        {name} = PyFloat_AsDouble(py_{name});
        """

    def c_sync(self, name, sub):
        return f"""
        Py_XDECREF(py_{name});
        py_{name} = PyFloat_FromDouble({name});
        if (!py_{name}) {{
            Py_XINCREF(Py_None);
            py_{name} = Py_None;
        }}
        """

    def c_cleanup(self, name, sub):
        return ""


double = Double()


class BinaryDoubleOp(gof.Op):
    __props__ = ("name", "fn", "ccode")

    def __init__(self, name, fn, ccode=None):
        self.name, self.fn, self.ccode = name, fn, ccode

    def make_node(self, x, y):
        x = gof.Constant(double, x) if isinstance(x, (int, float)) else x
        y = gof.Constant(double, y) if isinstance(y, (int, float)) else y
        if x.type != double or y.type != double:
            raise TypeError(f"{self.name} works on doubles")
        return gof.Apply(self, [x, y], [double()])

    def perform(self, node, inp, out):
        out[0][0] = self.fn(*inp)

    def __str__(self):
        return self.name

    def c_code(self, node, name, inp, out, sub):
        if self.ccode is None:
            raise gof.MethodNotDefined("c_code")
        return self.ccode.format(x=inp[0], y=inp[1], z=out[0])


add = BinaryDoubleOp("add", lambda x, y: x + y, "{z} = {x} + {y};")
mul = BinaryDoubleOp("mul", lambda x, y: x * y)
div = BinaryDoubleOp("div", lambda x, y: x / y, "{z} = {x} / {y};")


@pytest.fixture(params=["native", "numpy"])
def mode(request):
    return theano.Mode(request.param)


@pytest.fixture
def xyz():
    return [double(name) for name in "xyz"]


def test_values(mode, xyz):
    x, y, _ = xyz
    f = theano.function([x, y], [add(x, y), mul(add(x, y), 2), div(x, 4.0)], mode=mode)
    assert f(5, 6) == [11.0, 22.0, 1.25]
    with pytest.raises(TypeError, match="no number"):
        f("a", 1.0)
    with pytest.raises(TypeError, match="works on doubles"):
        add(x, theano.tensor.dscalar())


@pytest.mark.skipif(not symc.config.cxx or compiler() is None, reason="needs a C++ compiler")
def test_c_code_is_what_runs(mode, xyz):
    x, y, _ = xyz
    f = theano.function([x, y], div(x, y), mode=mode)
    assert f(1.0, 0.0) == float("inf")  # perform would raise ZeroDivisionError


class Simplify(gof.Optimizer):
    def add_requirements(self, fgraph):
        fgraph.attach_feature(toolbox.ReplaceValidate())

    def apply(self, fgraph):
        for node in fgraph.toposort():
            if node.op == div:
                x, y = node.inputs
                if x.owner and x.owner.op == mul:
                    a, b = x.owner.inputs
                    if y is a:
                        fgraph.replace_validate(node.outputs[0], b)
                    elif y is b:
                        fgraph.replace_validate(node.outputs[0], a)


class LocalSimplify(gof.LocalOptimizer):
    def transform(self, node):
        if node.op == div:
            x, y = node.inputs
            if x.owner and x.owner.op == mul:
                a, b = x.owner.inputs
                if y is a:
                    return [b]
                if y is b:
                    return [a]
        return False

    def tracks(self):
        return [div]


def test_a_global_optimizer(xyz):
    x, y, z = xyz
    a = add(z, mul(div(mul(y, x), y), div(z, x)))
    e = gof.FunctionGraph([x, y, z], [a])
    Simplify().optimize(e)
    assert gof.graph.as_string(e.inputs, e.outputs) == ["add(z, mul(x, div(z, x)))"]


@pytest.mark.parametrize(
    "local",
    [LocalSimplify(), gof.PatternSub((div, (mul, "x", "y"), "y"), "x")],
    ids=["class", "pattern"],
)
def test_local_optimizers(xyz, local):
    x, y, z = xyz
    a = add(z, mul(div(mul(x, y), y), div(z, x)))
    e = gof.FunctionGraph([x, y, z], [a])
    gof.TopoOptimizer(local).optimize(e)
    assert str(e.outputs[0].owner.inputs[1]) == "mul.0"
    assert gof.graph.as_string(e.inputs, e.outputs) == ["add(z, mul(x, div(z, x)))"]


def test_registered_for_all_functions(mode, xyz):
    x, y, _ = xyz
    optdb["canonicalize"].register("double_simplify", LocalSimplify(), "fast_run", "my_group")
    try:
        f = theano.function([x, y], div(mul(x, y), y), mode=mode, on_unused_input="ignore")
        assert f(3.0, 0.0) == 3.0
        assert "double_simplify" in theano.explain(f)
        text = io.StringIO()
        optdb["canonicalize"].print_summary(text)
        assert "double_simplify" in text.getvalue()
    finally:
        optdb["canonicalize"].unregister("double_simplify")


def test_shared_updates_and_constants(mode, xyz):
    x, _, _ = xyz
    total = theano.shared(0.0)
    assert total.type != double
    f = theano.function([x], add(x, gof.Constant(double, 2.0)), mode=mode)
    assert f(1.0) == 3.0
