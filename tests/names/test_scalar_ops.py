"""Users' scalar ops: C code in kernels, `impl` on NumPy, gradients, types, reductions."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from scipy import special

import symc
import symc.tensor as T
from symc import scalar
from symc.config import change_flags
from symc.runtime import native_available
from symc.scalar import BinaryScalarOp, Composite, ScalarOp, UnaryScalarOp, upgrade_to_float

needs_native = pytest.mark.skipif(not native_available(), reason="C code is not compiled here")


class XTimesLog(UnaryScalarOp):
    """x log x, 0 at 0."""

    def impl(self, x: Any) -> Any:
        return 0.0 if x == 0 else x * np.log(x)

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        (x,), (z,) = inputs, outputs
        if node.inputs[0].type not in scalar.float_types:
            raise NotImplementedError("floats only")
        return f"{z} = {x} == 0 ? 0 : {x} * log((double){x});"

    def grad(self, inputs: Any, output_gradients: Any) -> Any:  # type: ignore[override]
        (x,), (g,) = inputs, output_gradients
        return [g * (1 + scalar.log(x))]


class WrongC(UnaryScalarOp):
    """Differs between C and Python, so that tests see which one ran."""

    def impl(self, x: Any) -> Any:
        return x + 1

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        return f"{outputs[0]} = {inputs[0]} + 2;"


class Hypotenuse(BinaryScalarOp):
    """The root of the sum of squares: commutative, associative, 0 is neutral."""

    commutative = associative = True
    identity = 0

    def impl(self, x: Any, y: Any) -> Any:
        return np.hypot(x, y)

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        return f"{outputs[0]} = sqrt({inputs[0]} * {inputs[0]} + {inputs[1]} * {inputs[1]});"


class OnlyPython(UnaryScalarOp):
    """No C code at all, an op of SciPy."""

    def impl(self, x: Any) -> Any:
        return special.zeta(x + 2)


class SumAndDifference(ScalarOp):
    """Two results."""

    nin = nout = 2

    def output_types(self, types: Any) -> Any:
        return [types[0], types[1]]

    def impl(self, x: Any, y: Any) -> Any:
        return x + y, x - y

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        (x, y), (s, d) = inputs, outputs
        return f"{s} = {x} + {y}; {d} = {x} - {y};"

    def L_op(self, inputs: Any, outputs: Any, output_gradients: Any) -> Any:
        gs, gd = output_gradients
        zero = inputs[0].zeros_like()
        gs = zero if isinstance(gs.type, symc.gradient.DisconnectedType) else gs
        gd = zero if isinstance(gd.type, symc.gradient.DisconnectedType) else gd
        return [gs + gd, gs - gd]


x_log_x = T.elemwise.Elemwise(XTimesLog(upgrade_to_float, name="x_log_x"))
BOTH = pytest.mark.parametrize("linker", ["c", "py"])


def compiled(inputs: Any, outputs: Any, linker: str = "c") -> Any:
    return symc.function(inputs, outputs, mode=symc.Mode(linker, "fast_run"))


@BOTH
@pytest.mark.parametrize("dtype", ["float32", "float64", "float16"])
@pytest.mark.parametrize("shape", [(0, 3), (1, 1), (7, 9)])
def test_elementwise(linker: str, dtype: str, shape: tuple[int, int]) -> None:
    x = T.matrix(dtype=dtype)
    value = np.random.default_rng(1).random(shape).astype(dtype)
    value.reshape(-1)[:1] = 0
    got = compiled([x], x_log_x(x), linker)(value)
    assert got.dtype == dtype
    tolerance = {"float16": 1e-3, "float32": 1e-6, "float64": 1e-12}[dtype]
    np.testing.assert_allclose(got, special.xlogy(value, value), atol=tolerance)


@needs_native
def test_the_c_code_is_used_in_the_kernel() -> None:
    x = T.vector()
    op = T.Elemwise(WrongC(scalar.same_out))
    expression = T.exp(op(x * 2)) - 1
    f = compiled([x], expression)
    np.testing.assert_allclose(f([0.0, 1.0]), np.exp([2.0, 4.0]) - 1)
    np.testing.assert_allclose(compiled([x], expression, "py")([0.0, 1.0]), np.exp([1.0, 3.0]) - 1)
    assert len(f.maker.fgraph.toposort()) == 1, "the op fuses with what is around it"


def test_types_without_c_code_run_in_python() -> None:
    x = T.lvector()
    got = compiled([x], x_log_x(x) + 1)(np.arange(3))
    np.testing.assert_allclose(got, special.xlogy(np.arange(3), np.arange(3)) + 1)
    y = T.vector()
    op = T.Elemwise(OnlyPython(upgrade_to_float))
    np.testing.assert_allclose(compiled([y], 2 * op(y))([0.0, 2.0]), 2 * special.zeta([2.0, 4.0]))


@BOTH
def test_gradient(linker: str) -> None:
    x, y = T.matrix(), T.row()
    cost = (x_log_x(x * y) ** 2).sum()
    rng = np.random.default_rng(2)
    values = [rng.random((3, 4)) + 0.1, rng.random((1, 4)) + 0.1]
    f = compiled([x, y], symc.grad(cost, [x, y]), linker)
    a, b = values
    product = a * b
    outer = 2 * product * np.log(product) * (1 + np.log(product))
    gx, gy = f(*values)
    np.testing.assert_allclose(gx, outer * b)
    np.testing.assert_allclose(gy, (outer * a).sum(0, keepdims=True))


def test_gradient_passes_verify_grad() -> None:
    symc.verify_grad(x_log_x, [np.array([0.3, 2.0])], rng=np.random.RandomState(1))


def test_an_op_without_gradient() -> None:
    x = T.vector()
    with pytest.raises(symc.NullTypeGradError):
        symc.grad(T.Elemwise(OnlyPython(upgrade_to_float))(x).sum(), x)


@BOTH
@pytest.mark.parametrize("axis", [None, 0, 1])
def test_reduction(linker: str, axis: int | None) -> None:
    x = T.matrix()
    value = np.random.default_rng(3).random((50, 37))
    f = compiled([x], T.CAReduce(Hypotenuse(scalar.upcast_out), axis)(x), linker)
    np.testing.assert_allclose(f(value), np.sqrt((value**2).sum(axis)))
    empty = np.sqrt((value[:0] ** 2).sum(axis))
    np.testing.assert_allclose(f(value[:0]), empty)
    if linker == "c":
        names = [str(node.op) for node in f.maker.fgraph.toposort()]
        assert not any("Python" in name for name in names)


@BOTH
def test_two_results(linker: str) -> None:
    x, y = T.vectors("xy")
    s, d = T.Elemwise(SumAndDifference())(x, y)
    f = compiled([x, y], [s * d, symc.grad((s * d).sum(), x), symc.grad(d.sum(), y)], linker)
    got = f([3.0, 5.0], [1.0, 2.0])
    np.testing.assert_allclose(got[0], [8.0, 21.0])
    np.testing.assert_allclose(got[1], [6.0, 10.0])
    np.testing.assert_allclose(got[2], [-1.0, -1.0])


class WithSupportCode(UnaryScalarOp):
    """C code with a macro of its own, a header, and a type that depends on the node."""

    def impl(self, x: Any) -> Any:
        return 3 * x + 7

    def c_headers(self) -> Any:
        return ["<limits.h>", "stddef.h"]

    def c_support_code(self) -> str:
        return "#define THRICE(a) ((a) + (a) + (a))\nstatic int seven(void) { return 7; }"

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        ctype = node.outputs[0].type.dtype_specs()[1]
        return f"{ctype} t = ({ctype})THRICE({inputs[0]}); {outputs[0]} = t + seven();"


def test_support_code_for_two_dtypes_in_one_function() -> None:
    x, i = T.fvector(), T.ivector()
    op = T.Elemwise(WithSupportCode(scalar.same_out))
    a, b = compiled([x, i], [op(x), op(i)])([1.5, -1.0], [4, 5])
    np.testing.assert_allclose(a, np.float32([11.5, 4.0]))
    assert (a.dtype, b.dtype) == ("float32", "int32")
    np.testing.assert_array_equal(b, [19, 22])


class Cplusplus(UnaryScalarOp):
    """Code that is no C, and code that may fail: both run by `impl`."""

    def __init__(self, text: str) -> None:
        super().__init__(scalar.same_out)
        self.text = text

    def impl(self, x: Any) -> Any:
        return x * x

    def c_code(self, node: Any, name: str, inputs: Any, outputs: Any, sub: Any) -> str:
        return self.text.format(x=inputs[0], z=outputs[0], **sub)


@pytest.mark.parametrize("text", ["{z} = std::pow({x}, 2);", "if ({x} < 0) {{ {fail} }} {z} = 1;"])
def test_what_is_no_plain_c_runs_in_python(text: str) -> None:
    x = T.vector()
    np.testing.assert_allclose(compiled([x], T.Elemwise(Cplusplus(text))(x) + 1)([3.0]), [10.0])


def test_equality_and_pickle() -> None:
    one, two = Cplusplus("a"), Cplusplus("b")
    assert one == Cplusplus("a")
    assert hash(one) == hash(Cplusplus("a"))
    assert one != two
    assert XTimesLog(upgrade_to_float) == XTimesLog(upgrade_to_float)
    assert XTimesLog(upgrade_to_float) != XTimesLog(scalar.same_out)
    x = T.vector()
    copied = pickle.loads(pickle.dumps(x_log_x(x)))
    assert copied.owner.op == x_log_x
    assert copied.owner.op.scalar_op.name == "x_log_x"
    (leaf,) = copied.owner.inputs
    np.testing.assert_allclose(compiled([leaf], copied)([2.0]), [2 * np.log(2)])


@needs_native
def test_a_name_of_symc_does_not_make_it_that_op() -> None:
    x = T.vector()
    op = T.Elemwise(WrongC(scalar.same_out, name="exp"))
    np.testing.assert_allclose(compiled([x], T.log(op(x)))([1.0]), [np.log(3)])


def test_scalar_ops_are_recognised() -> None:
    assert isinstance(T.exp.scalar_op, ScalarOp)
    assert isinstance(T.exp.scalar_op, scalar.Exp)
    assert isinstance(T.exp.scalar_op, UnaryScalarOp)
    assert not isinstance(T.exp.scalar_op, BinaryScalarOp)
    assert isinstance(x_log_x.scalar_op, ScalarOp)
    assert not isinstance(3, ScalarOp)
    assert issubclass(XTimesLog, ScalarOp)
    assert not issubclass(XTimesLog, BinaryScalarOp)


def test_output_types_must_be_given_and_fit() -> None:
    with pytest.raises(NotImplementedError, match="output_types"):
        T.Elemwise(WrongC())(T.vector())
    with pytest.raises(TypeError, match="nout"):
        T.Elemwise(WrongC(lambda t: [t, t]))(T.vector())
    with pytest.raises(TypeError, match="number of operands"):
        T.Elemwise(WrongC(scalar.same_out))(T.vector(), T.vector())


@pytest.mark.parametrize(
    ("rule", "given", "expected"),
    [
        ("upcast_out", ["int8", "float32"], ["float32"]),
        ("upgrade_to_float", ["float32"], ["float32"]),
        ("upgrade_to_float", ["int64"], ["float64"]),
        ("upgrade_to_float64", ["float32"], ["float64"]),
        ("upgrade_to_float64", ["complex64"], ["complex128"]),
        ("same_out", ["int16"], ["int16"]),
        ("same_out_min8", ["bool"], ["int8"]),
        ("upcast_out_min8", ["bool", "bool"], ["int8"]),
        ("int_out", ["float32"], ["int64"]),
        ("float_out", ["int8"], ["float64"]),
        ("complex_out", ["float64"], ["complex64"]),
        ("real_out", ["complex64"], ["float32"]),
    ],
)
def test_output_rules(rule: str, given: list[str], expected: list[str]) -> None:
    types = [scalar.get_scalar_type(d) for d in given]
    with change_flags(floatX="float64"):
        assert [t.dtype for t in getattr(scalar, rule)(*types)] == expected


@pytest.mark.parametrize(
    ("rule", "given"),
    [
        ("upcast_out_nobool", "bool"),
        ("upcast_out_no_complex", "complex64"),
        ("upgrade_to_float_no_complex", "complex64"),
        ("same_out_nocomplex", "complex128"),
        ("same_out_float_only", "int32"),
    ],
)
def test_output_rules_refuse(rule: str, given: str) -> None:
    with pytest.raises(TypeError, match=given):
        getattr(scalar, rule)(scalar.get_scalar_type(given))


def test_output_rules_with_parameters() -> None:
    f32, i8, f64 = scalar.float32, scalar.int8, scalar.float64
    assert scalar.transfer_type(1, None)(f32, i8) == (i8, f32)
    assert scalar.specific_out(i8, f64)(f32) == (i8, f64)
    assert scalar.unary_out_lookup({f32: i8})(f32) == (i8,)
    with pytest.raises(TypeError, match="float64"):
        scalar.unary_out_lookup({f32: i8})(f64)
    op = T.Elemwise(WrongC(scalar.specific_out(scalar.int8)))
    assert op(T.vector()).dtype == "int8"


@BOTH
def test_composite_of_scalar_variables(linker: str) -> None:
    x, y = scalar.float64("x"), scalar.float64("y")
    composite = Composite([x, y], [scalar.exp(x) * y - 1])
    assert isinstance(composite, ScalarOp)
    assert composite.nin == 2
    a, b = T.matrix(), T.row()
    out = T.Elemwise(composite)(a, b)
    rng = np.random.default_rng(4)
    p, q = rng.random((2, 3)), rng.random((1, 3))
    value, ga = compiled([a, b], [out, symc.grad(out.sum(), a)], linker)(p, q)
    np.testing.assert_allclose(value, np.exp(p) * q - 1)
    np.testing.assert_allclose(ga, np.exp(p) * q)
    assert Composite([x], [x + 1]) == Composite([y], [y + 1])


def test_a_composite_with_a_users_op() -> None:
    x = scalar.float64("x")
    op = XTimesLog(upgrade_to_float)
    a = T.vector()
    out = T.Elemwise(Composite([x], [op(x) + 1]))(a)
    got = compiled([a], [out, symc.grad(out.sum(), a)])([2.0])
    np.testing.assert_allclose(got, [[2 * np.log(2) + 1], [1 + np.log(2)]])


def test_a_composite_of_something_else_is_refused() -> None:
    x, y = scalar.float64("x"), scalar.float64("y")
    with pytest.raises(TypeError, match="not among its inputs"):
        Composite([x], [x + y])
    with pytest.raises(TypeError, match="only scalar ops"):
        Composite([x], [scalar.as_scalar(T.tensor_from_scalar(x) * 2)])


@needs_native
def test_what_the_compiler_says_names_the_op(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("symc.runtime.notice._given", [])  # there is one notice per process
    x = T.vector()
    op = T.Elemwise(Cplusplus("this is no C;"))
    with pytest.warns(RuntimeWarning, match="c_code of Cplusplus"):
        value = compiled([x], op(x))([3.0])
    np.testing.assert_allclose(value, [9.0])


class SameC(WrongC):
    """Another op with the same code."""


@needs_native
def test_equal_code_of_different_ops() -> None:
    x = T.vector()
    one, two = T.Elemwise(WrongC(scalar.same_out)), T.Elemwise(SameC(scalar.same_out))
    assert one != two
    np.testing.assert_allclose(compiled([x], one(x) * two(2 * x))([1.0]), [12.0])
