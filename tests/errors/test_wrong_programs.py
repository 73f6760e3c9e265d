"""Wrong programs: each must end in one clear exception, checked on its class and text.

A message names what was got, is under 40 lines and, for errors in a graph, shows the line of this
file that built it. Nothing may be half-updated: see `test_nothing_is_half_updated`.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, shared
from symc.compile.explain import node_error
from symc.errors import ShapeError, user_message

HERE = Path(__file__).name
INT64_MIN = np.iinfo(np.int64).min


def _wrong_rank() -> None:
    function([x := T.dmatrix("x")], x.sum())(np.zeros(3))


def _wrong_rank_high() -> None:
    function([x := T.dvector("x")], x.sum())(np.zeros((2, 3)))


def _wide_dtype() -> None:
    function([x := T.fvector("x")], x.sum())(np.zeros(3))


def _int_to_narrow() -> None:
    function([x := T.ivector("x")], x.sum())(np.zeros(3, "int64"))


def _float_to_int() -> None:
    function([x := T.lvector("x")], x.sum())(np.zeros(3))


def _complex_to_real() -> None:
    function([x := T.dvector("x")], x.sum())(np.zeros(3, "complex128"))


def _text_input() -> None:
    function([x := T.dvector("x")], x.sum())("three")


def _none_input() -> None:
    function([x := T.dscalar("x")], x + 1)(None)


def _ragged_list() -> None:
    function([x := T.dmatrix("x")], x.sum())([[1.0], [1.0, 2.0]])


def _object_array() -> None:
    function([x := T.dvector("x")], x.sum())(np.array([None, 1.0]))


def _strict_input() -> None:
    function([symc.In(x := T.dvector("x"), strict=True)], x.sum())([1.0, 2.0])


def _overflow_to_int8() -> None:
    function([x := T.bscalar("x")], x + 1)(300)


def _row_with_columns() -> None:
    function([x := T.row("x")], x.sum())(np.zeros((2, 2)))


def _missing_argument() -> None:
    x, y = T.dvectors("x", "y")
    function([x, y], x + y)(np.zeros(2))


def _extra_argument() -> None:
    function([x := T.dvector("x")], x)(np.zeros(2), np.zeros(2))


def _unknown_argument() -> None:
    function([x := T.dvector("x")], x)(z=np.zeros(2))


def _argument_twice() -> None:
    function([x := T.dvector("x")], x)(np.zeros(2), x=np.zeros(2))


def _unused_input() -> None:
    x, y = T.dvectors("x", "y")
    function([x, y], x)


def _missing_input() -> None:
    x, y = T.dvectors("x", "y")
    function([x], x + y)


def _input_twice() -> None:
    x = T.dvector("x")
    function([x, x], x)


def _input_not_a_list() -> None:
    x = T.dvector("x")
    function(x, x)


def _input_a_number() -> None:
    function([3.0], T.dvector("x"))


def _output_a_number() -> None:
    function([T.dvector("x")], 3.0, on_unused_input="ignore")


def _two_updates() -> None:
    w = shared(0.0, name="w")
    function([], [], updates=[(w, w + 1), (w, w + 2)])


def _update_of_input() -> None:
    x = T.dscalar("x")
    function([x], x, updates=[(x, x + 1)])


def _update_wrong_dtype() -> None:
    w = shared(np.zeros(3, "float32"), name="w")
    function([], [], updates=[(w, w + np.zeros(3))])


def _update_wrong_rank() -> None:
    w = shared(np.zeros(3), name="w")
    function([], [], updates=[(w, w.sum())])


def _update_not_a_pair() -> None:
    w = shared(0.0, name="w")
    function([], [], updates=[w])


def _shared_of_variable() -> None:
    shared(T.dscalar("x"))


def _set_value_wrong_rank() -> None:
    shared(np.zeros(3), name="w").set_value(np.zeros((2, 2)))


def _set_value_wrong_dtype() -> None:
    shared(np.zeros(3, "float32"), name="w").set_value(np.full(3, 1e300))


def _givens_not_variable() -> None:
    x = T.dscalar("x")
    function([x], x + 1, givens=[("x", x)])


def _givens_wrong_type() -> None:
    x = T.dscalar("x")
    function([], x + 1, givens=[(x, T.constant(np.zeros(3)))])


def _unknown_mode() -> None:
    function([x := T.dscalar("x")], x, mode="FAST_RUNN")


def _unknown_optimizer() -> None:
    symc.Mode(optimizer="fastest")


def _unknown_linker() -> None:
    symc.Mode(linker="llvm")


def _unknown_flag() -> None:
    symc.config.flootX = "float32"


def _bad_flag_value() -> None:
    symc.config.floatX = "float33"


def _cost_not_scalar() -> None:
    x = T.dvector("x")
    grad(x * 2, x)


def _cost_not_variable() -> None:
    grad(3.0, T.dvector("x"))


def _disconnected() -> None:
    x, y = T.dvectors("x", "y")
    grad(x.sum(), y)


def _disconnected_by_shape() -> None:
    x = T.dvector("x")
    grad(T.cast(x.shape[0], "float64"), x)


def _disconnected_by_user() -> None:
    x = T.dvector("x")
    grad(symc.gradient.disconnected_grad(x).sum(), x)


def _wrt_not_variable() -> None:
    x = T.dvector("x")
    grad(x.sum(), "x")


def _undefined_gradient() -> None:
    x = T.dvector("x")
    grad(symc.gradient.undefined_grad(x).sum(), x)


def _known_shapes_add() -> None:
    T.constant(np.zeros(3)) + T.constant(np.zeros(4))


def _known_shapes_dot() -> None:
    T.dot(T.constant(np.zeros((2, 3))), T.constant(np.zeros((2, 3))))


def _run_time_add() -> None:
    x, y = T.dvectors("x", "y")
    function([x, y], x + y)(np.zeros(3), np.zeros(4))


def _run_time_add_fused() -> None:
    x, y = T.dvectors("x", "y")
    function([x, y], T.exp(x * 2 + y).sum())(np.zeros(3), np.zeros(4))


def _run_time_dot() -> None:
    x, y = T.dmatrices("x", "y")
    function([x, y], T.dot(x, y))(np.zeros((2, 3)), np.zeros((2, 3)))


def _run_time_join() -> None:
    x, y = T.dmatrices("x", "y")
    function([x, y], T.join(0, x, y))(np.zeros((2, 3)), np.zeros((2, 4)))


def _run_time_reshape() -> None:
    function([x := T.dvector("x")], x.reshape((2, 3)))(np.zeros(7))


def _reshape_two_unknown() -> None:
    T.dvector("x").reshape((-1, -1))


def _index_out_of_bounds() -> None:
    function([x := T.dvector("x")], x[5])(np.zeros(3))


def _negative_index_out_of_bounds() -> None:
    function([x := T.dvector("x")], x[-4])(np.zeros(3))


def _symbolic_index_out_of_bounds() -> None:
    x, i = T.dvector("x"), T.lscalar("i")
    function([x, i], x[i])(np.zeros(3), 3)


def _gather_out_of_bounds() -> None:
    w, i = T.dmatrix("w"), T.lvector("i")
    function([w, i], w[i])(np.zeros((3, 2)), [0, 3])


def _pick_out_of_bounds() -> None:
    p, y = T.dmatrix("p"), T.lvector("y")
    function([p, y], T.log(T.nnet.softmax(p))[T.arange(y.shape[0]), y])(np.zeros((2, 3)), [0, 3])


def _scatter_out_of_bounds() -> None:
    w, i = T.dvector("w"), T.lvector("i")
    function([w, i], T.inc_subtensor(w[i], 1.0))(np.zeros(3), [0, -4])


def _too_many_indices() -> None:
    T.dvector("x")[0, 0]


def _float_index() -> None:
    T.dvector("x")[1.5]


def _float_index_array() -> None:
    T.dvector("x")[T.dvector("i")]


def _assignment() -> None:
    x = T.dvector("x")
    x[0] = 1.0


def _truth_of_comparison() -> None:
    x = T.dscalar("x")
    if x > 0:
        pass


def _iterate() -> None:
    list(T.dvector("x"))


def _bad_axis() -> None:
    T.dmatrix("x").sum(axis=2)


def _axis_twice() -> None:
    T.dmatrix("x").sum(axis=(0, 0))


def _max_of_empty() -> None:
    function([x := T.dvector("x")], x.max())(np.zeros(0))


def _argmax_of_empty() -> None:
    function([x := T.dvector("x")], T.argmax(x))(np.zeros(0))


def _bool_minus_bool() -> None:
    x = T.constant(np.array([True, False]))
    x - x


def _invert_float() -> None:
    ~T.dvector("x")


def _drop_axis() -> None:
    T.dmatrix("x").dimshuffle(0)


def _dimshuffle_unknown_axis() -> None:
    T.dmatrix("x").dimshuffle(0, 2)


def _variable_of_list() -> None:
    T.as_tensor_variable([[1.0], [1.0, 2.0]])


def _cast_unknown() -> None:
    T.cast(T.dvector("x"), "float99")


def _set_subtensor_of_no_index() -> None:
    T.set_subtensor(T.dvector("x"), 1.0)


def _join_of_ranks() -> None:
    T.join(0, T.dvector("x"), T.dmatrix("y"))


def _softmax_of_3d() -> None:
    T.nnet.softmax(T.dtensor3("x"))


def _specify_shape() -> None:
    function([x := T.dmatrix("x")], T.specify_shape(x, (2, 3)))(np.zeros((2, 4)))


# name -> program, exception, what the text must contain, whether it names a line of this file
WRONG: dict[str, tuple[Callable[[], None], type[Exception], tuple[str, ...], bool]] = {
    f.__name__[1:]: (f, kind, words, line)
    for f, kind, words, line in [
        (_wrong_rank, TypeError, ("x", "matrix", "1"), False),
        (_wrong_rank_high, TypeError, ("x", "vector", "2"), False),
        (_wide_dtype, TypeError, ("x", "float64", "float32"), False),
        (_int_to_narrow, TypeError, ("int64", "int32"), False),
        (_float_to_int, TypeError, ("float64", "int64"), False),
        (_complex_to_real, TypeError, ("complex128", "float64"), False),
        (_text_input, TypeError, ("x",), False),
        (_none_input, TypeError, ("x",), False),
        (_ragged_list, (TypeError, ValueError), ("x",), False),
        (_object_array, TypeError, ("object",), False),
        (_strict_input, TypeError, ("x",), False),
        (_overflow_to_int8, (TypeError, OverflowError), ("300", "int8"), False),
        (_row_with_columns, TypeError, ("x", "1"), False),
        (_missing_argument, TypeError, ("missing", "y", "vector"), False),
        (_extra_argument, TypeError, ("too many", "2"), False),
        (_unknown_argument, TypeError, ("unknown", "'z'", "x"), False),
        (_argument_twice, TypeError, ("'x'", "twice"), False),
        (_unused_input, symc.UnusedInputError, ("y", "on_unused_input"), True),
        (_missing_input, symc.MissingInputError, ("y", "givens"), True),
        (_input_twice, symc.UnusedInputError, ("x", "twice"), False),
        (_input_not_a_list, TypeError, ("list",), False),
        (_input_a_number, TypeError, ("float", "3.0"), False),
        (_output_a_number, TypeError, ("float", "3.0", "constant"), False),
        (_two_updates, ValueError, ("two updates", "w"), False),
        (_update_of_input, TypeError, ("shared", "x"), False),
        (_update_wrong_dtype, TypeError, ("w", "float64", "float32", "cast"), True),
        (_update_wrong_rank, TypeError, ("w", "scalar", "vector"), True),
        (_update_not_a_pair, ValueError, ("pair",), False),
        (_shared_of_variable, TypeError, ("x", "eval"), False),
        (_set_value_wrong_rank, TypeError, ("2", "vector"), False),
        (_set_value_wrong_dtype, TypeError, ("float64", "float32"), False),
        (_givens_not_variable, TypeError, ("givens", "'x'"), False),
        (_givens_wrong_type, TypeError, ("scalar", "vector"), False),
        (_unknown_mode, ValueError, ("FAST_RUNN", "FAST_RUN"), False),
        (_unknown_optimizer, ValueError, ("fastest", "fast_run"), False),
        (_unknown_linker, ValueError, ("llvm", "native"), False),
        (_unknown_flag, AttributeError, ("flootX", "floatX"), False),
        (_bad_flag_value, ValueError, ("floatX", "float33", "float32"), False),
        (_cost_not_scalar, TypeError, ("scalar", "vector", "sum()"), True),
        (_cost_not_variable, TypeError, ("float",), False),
        (_disconnected, ValueError, ("y", "does not", "disconnected_inputs"), True),
        (_disconnected_by_shape, ValueError, ("x", "Shape"), True),
        (_disconnected_by_user, ValueError, ("x", "cut"), True),
        (_wrt_not_variable, TypeError, ("'x'",), False),
        (_undefined_gradient, TypeError, ("undefined", "x"), True),
        (_known_shapes_add, ValueError, ("3", "4"), True),
        (_known_shapes_dot, ValueError, ("(2, 3)",), True),
        (_run_time_add, ValueError, ("3", "4", "add"), True),
        (_run_time_add_fused, ValueError, ("3", "4"), True),
        (_run_time_dot, ValueError, ("3", "2", "dot"), True),
        (_run_time_join, ValueError, ("3", "4", "join"), True),
        (_run_time_reshape, ValueError, ("7", "reshape"), True),
        (_reshape_two_unknown, ValueError, ("-1",), False),
        (_index_out_of_bounds, IndexError, ("5", "3"), True),
        (_negative_index_out_of_bounds, IndexError, ("-4", "3"), True),
        (_symbolic_index_out_of_bounds, IndexError, ("3",), True),
        (_gather_out_of_bounds, IndexError, ("3",), True),
        (_pick_out_of_bounds, IndexError, ("3",), True),
        (_scatter_out_of_bounds, IndexError, ("-4", "3"), True),
        (_too_many_indices, (IndexError, ValueError), ("2", "1"), False),
        (_float_index, (TypeError, IndexError), ("1.5",), False),
        (_float_index_array, TypeError, ("integer", "float64"), False),
        (_assignment, TypeError, ("set_subtensor",), False),
        (_truth_of_comparison, TypeError, ("switch",), False),
        (_iterate, TypeError, ("x",), False),
        (_bad_axis, ValueError, ("2",), False),
        (_axis_twice, ValueError, ("0",), False),
        (_max_of_empty, ValueError, ("empty", "max"), True),
        (_argmax_of_empty, ValueError, ("empty",), True),
        (_bool_minus_bool, TypeError, ("bool",), False),
        (_invert_float, TypeError, ("float64",), False),
        (_drop_axis, ValueError, ("1",), False),
        (_dimshuffle_unknown_axis, ValueError, ("2",), False),
        (_variable_of_list, (TypeError, ValueError), ("list",), False),
        (_cast_unknown, TypeError, ("float99",), False),
        (_set_subtensor_of_no_index, TypeError, ("x",), False),
        (_join_of_ranks, TypeError, ("vector", "matrix"), False),
        (_softmax_of_3d, ValueError, ("3D",), False),
        (_specify_shape, (ValueError, AssertionError), ("3", "4"), True),
    ]
}


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("name", WRONG)
def test_wrong_program_ends_in_one_clear_error(name: str, mode: str) -> None:
    program, kind, words, names_line = WRONG[name]
    with symc.change_flags(mode=mode), pytest.raises(kind) as caught:
        program()
    text = str(caught.value)
    assert len(text.splitlines()) < 40
    for word in words:
        assert word in text, f"{word!r} is not in:\n{text}"
    if names_line:
        assert f"{HERE}:" in text, f"no line of this file in:\n{text}"


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_a_label_out_of_range_names_the_labels(mode: str) -> None:
    scores, y = T.dmatrix("scores"), T.lvector("y")
    p = T.nnet.softmax(scores)
    losses = [
        T.nnet.categorical_crossentropy(p, y),  # written here
        T.log(p)[T.arange(y.shape[0]), y],  # written here
        T.nnet.nnet.crossentropy_softmax_1hot(scores, y)[0],  # written here
    ]
    for loss in losses:
        for outputs in (loss, [loss.mean(), grad(loss.mean(), scores)]):
            with pytest.raises(IndexError) as caught:
                function([scores, y], outputs, mode=mode)(np.ones((2, 3)), [0, 7])
            text = str(caught.value)
            assert "7 is out of bounds" in text
            assert " y of type TensorType(int64, vector)" in text
            (at,) = [line for line in text.splitlines() if line.startswith("  at: ")]
            assert "# written here" in at


def test_a_failing_op_keeps_what_its_own_error_says() -> None:
    x = T.dvector("x")
    own = user_message("three are needed", got="two", expected="three", hint="give one more")
    text = str(node_error(ShapeError(own), (x + 1).owner, None))
    assert "  got: two\n       while computing" in text
    assert "  expected: three\n" in text
    assert "  hint: give one more" in text
    assert text.count("got:") == 1
    plain = str(node_error(ValueError("first\nsecond"), (x + 1).owner, None))
    assert plain.startswith("first\nsecond\n  got: while computing")


def test_there_are_at_least_sixty_wrong_programs() -> None:
    assert len(WRONG) >= 60


def _failing_updates(mode: str) -> list[tuple[Any, Any, Any]]:
    """Functions that update `w` first and then fail, with the arguments that make them fail."""
    cases = []
    w, v = shared(np.zeros(3), name="w"), shared(np.ones(3), name="v")
    x, i = T.dvector("x"), T.lvector("i")
    for after, good, bad in (
        (v[i], [0], [7]),
        (T.inc_subtensor(v[i], 1.0).sum(), [0, 1], [0, -9]),
    ):
        f = function([i], after, updates=[(w, w + 1)], mode=mode)
        cases.append((f, (good,), (bad,), w))
    f = function([x], x[:3].reshape((3, 1)), updates=[(w, w + 1), (v, v * 2)], mode=mode)
    cases.append((f, (np.zeros(3),), (np.zeros(2),), w))
    return cases


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_nothing_is_half_updated(mode: str) -> None:
    for f, good, bad, w in _failing_updates(mode):
        before = w.get_value()
        with pytest.raises((IndexError, ValueError)):
            f(*bad)
        np.testing.assert_array_equal(w.get_value(), before)
        f(*good)
        np.testing.assert_array_equal(w.get_value(), before + 1)


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
def test_integer_extremes_do_what_numpy_does(mode: str) -> None:
    x, y = T.lvectors("x", "y")
    f = function([x, y], [x // y, x % y], mode=mode)
    a = np.array([INT64_MIN, 5, -5, 0, 7], "int64")
    b = np.array([-1, 0, 0, 0, -2], "int64")
    with np.errstate(all="ignore"):
        expected = [a // b, a % b]
    for got, want in zip(f(a, b), expected, strict=True):
        np.testing.assert_array_equal(got, want)


def _odd_arrays() -> dict[str, np.ndarray]:
    base = np.arange(24.0).reshape(4, 6)
    raw = np.zeros(8 * 24 + 1, "uint8")
    misaligned = raw[1:].view("float64").reshape(4, 6)
    misaligned[...] = base
    read_only = base.copy()
    read_only.flags.writeable = False
    return {
        "negative strides": base[::-1, ::-1],
        "transposed": np.asfortranarray(base),
        "strided": np.repeat(np.repeat(base, 2, 0), 3, 1)[::2, ::3],
        "misaligned": misaligned,
        "read-only": read_only,
        "byte-swapped": base.astype(base.dtype.newbyteorder()),
        "empty": np.zeros((0, 6)),
        "one row": base[:1],
        "broadcast": np.broadcast_to(base[:1], (4, 6)),
        "matrix": base.view(np.matrix),
    }


@pytest.mark.parametrize("mode", ["FAST_RUN", "NUMPY"])
@pytest.mark.parametrize("kind", _odd_arrays())
def test_arrays_of_every_layout_are_taken(kind: str, mode: str) -> None:
    x = T.dmatrix("x")
    f = function([x], [T.exp(x / 10) + 1, x.sum(axis=0), T.dot(x, x.T), x[::-1]], mode=mode)
    value = _odd_arrays()[kind]
    plain = np.array(value, dtype="float64", subok=False)
    got = f(value)
    for a, b in zip(
        got, [np.exp(plain / 10) + 1, plain.sum(0), plain @ plain.T, plain[::-1]], strict=True
    ):
        np.testing.assert_allclose(a, b, rtol=1e-13)
        assert type(a) is np.ndarray
