"""More wrong programs: graphs that can be built, or nearly, and that no values can save.

As in `test_wrong_programs`, each ends in one clear exception: its class is NumPy's or Python's, its
text names what was got and, where an expression is to blame, the line of this file that built it.
"""

from __future__ import annotations

import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import symc
import symc.tensor as T
from symc import function, grad, shared

HERE = Path(__file__).name


def _repeats_of_another_length() -> None:
    x, n = T.dmatrix("x"), T.lvector("n")
    function([x, n], T.repeat(x, n, axis=0))(np.zeros((3, 2)), [1, 2])


def _negative_repeats() -> None:
    x, n = T.dmatrix("x"), T.lvector("n")
    function([x, n], T.repeat(x, n, axis=0))(np.zeros((3, 2)), [1, -1, 2])


def _negative_repeat() -> None:
    x, n = T.dmatrix("x"), T.lscalar("n")
    function([x, n], T.repeat(x, n, axis=0))(np.zeros((3, 2)), -1)


def _tile_negative() -> None:
    x, n = T.dmatrix("x"), T.lscalar("n")
    function([x, n], T.tile(x, (n, 2)))(np.zeros((3, 2)), -2)


def _choose_negative() -> None:
    i = T.lvector("i")
    function([i], T.choose(i, np.eye(3)))([0, -1, 2])


def _choose_beyond() -> None:
    i = T.lvector("i")
    function([i], T.choose(i, np.eye(3)))([0, 3, 2])


def _one_hot_beyond() -> None:
    y = T.lvector("y")
    function([y], T.to_one_hot(y, 3))([0, 3])


def _max_of_a_broadcast_empty() -> None:
    x, y = T.dmatrices("x", "y")
    function([x, y], (x * y).max(axis=1))(np.zeros((1, 1)), np.zeros((0, 0)))


def _zeros_of_negative_length() -> None:
    n = T.lscalar("n")
    function([n], T.zeros((n, 2)))(-3)


def _eye_of_negative_length() -> None:
    n = T.lscalar("n")
    function([n], T.eye(n))(-3)


def _split_sizes_do_not_add_up() -> None:
    x, n = T.dvector("x"), T.lvector("n")
    function([x, n], T.split(x, n, 2))(np.zeros(5), [2, 2])


def _split_number_of_parts() -> None:
    x, n = T.dvector("x"), T.lvector("n")
    function([x, n], T.split(x, n, 2))(np.zeros(4), [2, 2, 3])


def _stack_of_lengths() -> None:
    x, y = T.dvectors("x", "y")
    function([x, y], T.stack([x, y]))(np.zeros(2), np.zeros(3))


def _batches_of_two_lengths() -> None:
    x, y = T.dtensor3("x"), T.dtensor3("y")
    function([x, y], T.batched_dot(x, y))(np.zeros((2, 3, 4)), np.zeros((3, 4, 5)))


def _tensordot_of_lengths() -> None:
    x, y = T.dtensor3("x"), T.dtensor3("y")
    function([x, y], T.tensordot(x, y, [[1, 2], [0, 1]]))(np.zeros((2, 3, 4)), np.zeros((3, 5, 6)))


def _step_of_zero() -> None:
    x, n = T.dvector("x"), T.lscalar("n")
    function([x, n], x[::n])(np.zeros(4), 0)


def _arange_step_of_zero() -> None:
    n = T.lscalar("n")
    function([n], T.arange(0, 5, n))(0)


def _mask_of_another_length() -> None:
    x, m = T.dvector("x"), T.TensorType("bool", (False,))("m")
    function([x, m], x[m])(np.zeros(4), np.ones(3, bool))


def _index_arrays_of_two_lengths() -> None:
    x, i, j = T.dmatrix("x"), T.lvector("i"), T.lvector("j")
    function([x, i, j], x[i, j])(np.zeros((4, 4)), [0, 1], [0, 1, 2])


def _written_value_too_long() -> None:
    x, v = T.dvectors("x", "v")
    function([x, v], T.set_subtensor(x[:2], v))(np.zeros(4), np.zeros(3))


def _gemm_with_wrong_addend() -> None:
    x, y, z = T.dmatrices("x", "y", "z")
    f = function([x, y, z], z + 2.0 * T.dot(x, y))
    f(np.zeros((2, 3)), np.zeros((3, 4)), np.zeros((2, 5)))


def _gemv_with_wrong_vector() -> None:
    x, v = T.dmatrix("x"), T.dvector("v")
    function([x, v], T.dot(x, v))(np.zeros((2, 3)), np.zeros(2))


def _assert_fails() -> None:
    x = T.dvector("x")
    function([x], T.log(T.Assert("must be positive")(x, (x > 0).all())))([1.0, -1.0])


def _boolean_sum_of_float_mask() -> None:
    T.dvector("x")[T.dvector("m")]


def _update_of_another_length_fails() -> None:
    w, x = shared(np.zeros(3), name="w"), T.dvector("x")
    function([x], [], updates=[(w, w + x)])(np.zeros(2))


def _swap_of_another_type() -> None:
    w, v = shared(np.zeros(3), name="w"), shared(np.zeros((3, 3)), name="v")
    function([], w * 2).copy(swap={w: v})


def _swap_of_unused() -> None:
    w, v = shared(np.zeros(3), name="w"), shared(np.zeros(3), name="v")
    function([], w * 2).copy(swap={v: w})


def _eval_without_a_value() -> None:
    x, y = T.dvectors("x", "y")
    (x + y).eval({x: [1.0]})


def _unknown_default() -> None:
    function([x := T.dvector("x")], x)["z"] = 3.0


def _bad_default() -> None:
    function([symc.In(x := T.dvector("x"), value="three")], x)


def _known_gradient_of_another_type() -> None:
    x = T.dvector("x")
    y = x * 2
    grad(None, x, known_grads={y: T.dmatrix("g")})


def _perform_of_wrong_dtype() -> None:
    class Narrow(symc.Op):
        __props__ = ()

        def make_node(self, x: Any) -> symc.Apply:
            return symc.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            output_storage[0][0] = inputs[0].astype("float32")

    x = T.dvector("x")
    function([x], Narrow()(x))([1.0])


def _perform_stores_nothing() -> None:
    class Lazy(symc.Op):
        __props__ = ()

        def make_node(self, x: Any) -> symc.Apply:
            return symc.Apply(self, [x], [x.type()])

        def perform(self, node: Any, inputs: Any, output_storage: Any) -> None:
            pass

    x = T.dvector("x")
    function([x], Lazy()(x))([1.0])


def _grad_of_too_few_terms() -> None:
    class Forgetful(symc.Op):
        __props__ = ()

        def make_node(self, x: Any, y: Any) -> symc.Apply:
            return symc.Apply(self, [x, y], [x.type()])

        def grad(self, inputs: Any, output_gradients: Any) -> list[Any]:
            return [output_gradients[0]]

    x, y = T.dvectors("x", "y")
    grad(Forgetful()(x, y).sum(), x)


# name -> program, exception, what the text must contain, whether it names a line of this file
WRONG: dict[str, tuple[Callable[[], None], Any, tuple[str, ...], bool]] = {
    f.__name__[1:]: (f, kind, words, line)
    for f, kind, words, line in [
        (_repeats_of_another_length, ValueError, ("2", "3"), True),
        (_negative_repeats, AssertionError, ("repeat", "negative"), True),
        (_negative_repeat, ValueError, ("negative", "-1"), True),
        (_tile_negative, ValueError, ("negative", "-2"), True),
        (_choose_negative, AssertionError, ("choose", "negative"), True),
        (_choose_beyond, IndexError, ("3",), True),
        (_one_hot_beyond, IndexError, ("index 3",), True),
        (_max_of_a_broadcast_empty, ValueError, ("max",), True),
        (_zeros_of_negative_length, ValueError, ("negative", "-3"), True),
        (_eye_of_negative_length, ValueError, ("negative", "-3"), True),
        (_split_sizes_do_not_add_up, ValueError, ("5",), True),
        (_split_number_of_parts, ValueError, ("3", "2"), True),
        (_stack_of_lengths, ValueError, ("2", "3"), True),
        (_batches_of_two_lengths, ValueError, ("2", "3"), True),
        (_tensordot_of_lengths, ValueError, ("4", "5"), True),
        (_step_of_zero, ValueError, ("step", "zero"), True),
        (_arange_step_of_zero, (ValueError, ZeroDivisionError), ("step",), True),
        (_mask_of_another_length, IndexError, ("3", "4"), True),
        (_index_arrays_of_two_lengths, (IndexError, ValueError), ("2", "3"), True),
        (_written_value_too_long, ValueError, ("2", "3"), True),
        (_gemm_with_wrong_addend, ValueError, ("4", "5"), True),
        (_gemv_with_wrong_vector, ValueError, ("2", "3"), True),
        (_assert_fails, AssertionError, ("must be positive",), True),
        (_boolean_sum_of_float_mask, TypeError, ("integer", "float64"), False),
        (_update_of_another_length_fails, ValueError, ("3", "2"), True),
        (_swap_of_another_type, TypeError, ("matrix", "vector"), False),
        (_swap_of_unused, ValueError, ("v", "w"), False),
        (_eval_without_a_value, (symc.MissingInputError, TypeError), ("y",), True),
        (_unknown_default, KeyError, ("z", "x"), False),
        (_bad_default, (TypeError, ValueError), ("three",), False),
        (_known_gradient_of_another_type, (TypeError, ValueError), ("matrix", "vector"), True),
        (_perform_of_wrong_dtype, TypeError, ("Narrow", "float32", "float64"), True),
        (_perform_stores_nothing, (TypeError, ValueError), ("Lazy",), True),
        (_grad_of_too_few_terms, ValueError, ("Forgetful", "1", "2"), True),
    ]
}


@pytest.mark.parametrize("mode", ["FAST_RUN", "FAST_COMPILE", "NUMPY"])
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
    if isinstance(caught.value, symc.SymcError):
        assert str(pickle.loads(pickle.dumps(caught.value))) == text
